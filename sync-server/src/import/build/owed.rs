//! What customers owe and what they paid.

use std::collections::{BTreeMap, HashMap};

use chrono::Days;
use fieldledger_core::{
    model::{
        CreditNote, CustomerId, Instalment, Invoice, InvoiceType, LedgerOrder, LedgerRecord, PaymentChannel, Receipt,
    },
    rules::terms::{self, Events},
};

use super::{
    Builder, RowResult, because_of,
    cells::{date, date_required, days_required, invalid, money, optional, required, unique, word},
    parts::instalment,
    sourced,
};
use crate::import::{
    Sourced,
    mapping::{Field, Invoices},
    table::RowView,
};

const KINDS: [(&str, InvoiceType); 4] = [
    ("goods", InvoiceType::Goods),
    ("interest", InvoiceType::Interest),
    ("costs", InvoiceType::Costs),
    ("other", InvoiceType::Other),
];

type Parts = BTreeMap<String, RowResult<Vec<Instalment>>>;

impl<'m> Builder<'m> {
    pub(super) fn invoices(&mut self) {
        let Some(section) = &self.mapping.invoices else {
            return;
        };
        let mut parts = match &self.mapping.instalments {
            None => Parts::new(),
            Some(of) => self.grouped(of.source(), &of.invoice, |_, row| instalment(row, of)),
        };
        self.each(section.source(), |this, row, seen| {
            let made = this.invoice(row, section, &mut parts, seen);
            let number = row.value(&section.number).ok().flatten();
            match (&made, number) {
                (Ok(invoice), Some(number)) => {
                    let source = (row.file().to_owned(), row.line());
                    this.invoices.insert(number, (invoice.clone(), source));
                }
                (Err(_), Some(number)) if !this.invoices.contains_key(&number) => {
                    this.broken_invoices.insert(number);
                }
                _ => {}
            }
            made.map(|_| ())
        });
        if let Some(of) = &self.mapping.instalments {
            self.tell_orphans(
                "invoice",
                (section.source(), &section.number),
                (of.source(), &of.invoice),
            );
        }
    }

    fn invoice(
        &mut self,
        row: &RowView<'m>,
        section: &'m Invoices,
        parts: &mut Parts,
        seen: &mut HashMap<String, u64>,
    ) -> RowResult<Invoice> {
        let order = match &section.order {
            None => None,
            Some(field) => Some(&self.find_order(row, field)?.order),
        };
        let customer = match (&section.customer, order) {
            (Some(field), _) => self.customer(row, field)?.id,
            (None, Some(order)) => order.customer,
            (None, None) => return Err(row.error("", "the mapping names neither a customer nor an order for it")),
        };
        let made = self.invoice_of(row, section, customer, order, parts, seen);
        self.about(customer, made)
    }

    fn invoice_of(
        &self,
        row: &RowView<'m>,
        section: &Invoices,
        customer: CustomerId,
        order: Option<&LedgerOrder>,
        parts: &mut Parts,
        seen: &mut HashMap<String, u64>,
    ) -> RowResult<Invoice> {
        let number = unique(row, &section.number, seen)?;
        let own = match parts.remove(&number) {
            None => Vec::new(),
            Some(Err(bad)) => return Err(because_of(row, &bad)),
            Some(Ok(mut own)) => {
                own.sort_by_key(|it| it.no);
                own
            }
        };
        let amount = match (&section.amount, order) {
            (Some(field), _) => {
                let amount = money(row, field, self.mapping.organisation.currency)?;
                amount.ok_or_else(|| row.error(&field.columns(), "is missing"))?
            }
            (None, Some(order)) => order.total,
            (None, None) => return Err(row.error("", "the mapping names neither an amount nor an order for it")),
        };
        let invoiced_on = date_required(row, &section.invoiced_on)?;
        let mut invoice = Invoice::new(number, customer, invoiced_on, invoiced_on, amount);
        invoice.order_number = order.map(|order| order.number.clone());
        if let (Some(field), Some(text)) = (&section.kind, optional(row, &section.kind)?) {
            invoice.kind = word(row, field, &text, &KINDS)?;
        }
        invoice.contract_number = optional(row, &section.contract)?;
        invoice.instalments = own;
        self.set_due_dates(row, section, order, &mut invoice)?;
        let fields = [
            ("number", Some(&section.number)),
            ("invoiced_on", Some(&section.invoiced_on)),
            ("due_on", section.due_on.as_ref().or(section.terms_days.as_ref())),
            ("amount", section.amount.as_ref()),
        ];
        invoice.validate().map_err(|error| invalid(row, &error, &fields))?;
        Ok(invoice)
    }

    /// When it is due: in the parts of its own, as a whole on a day that is given, in the parts of its contract, or after
    /// the days of the terms.
    fn set_due_dates(
        &self,
        row: &RowView<'m>,
        section: &Invoices,
        order: Option<&LedgerOrder>,
        invoice: &mut Invoice,
    ) -> RowResult<()> {
        let contract = match &section.contract {
            Some(field) if self.mapping.contracts.is_some() && invoice.contract_number.is_some() => {
                let contract = self.find_contract(row, field)?;
                if contract.customer != invoice.customer {
                    return Err(row.error(&field.columns(), "the contract is another customer's"));
                }
                Some(contract)
            }
            _ => None,
        };
        let given = date(row, section.due_on.as_ref())?;
        let events = Events {
            contract: contract.map(|it| it.signed_on),
            order: order.map(|it| it.ordered_on),
            delivery: date(row, section.delivered_on.as_ref())?,
            acceptance: date(row, section.accepted_on.as_ref())?,
            invoice: Some(invoice.invoiced_on),
        };
        match (given, contract, &section.terms_days) {
            _ if !invoice.instalments.is_empty() => {}
            (Some(due), ..) => invoice.due_on = due,
            (None, Some(contract), _) => {
                // Free days of the company's calendar are taken into account when the books are written.
                invoice.instalments = terms::instalments(contract, invoice.amount, &events, None)
                    .map_err(|error| invalid(row, &error, &[("amount", section.amount.as_ref())]))?;
            }
            (None, None, Some(field)) => {
                let days = Days::new(days_required(row, field)?.into());
                let due = invoice.invoiced_on.checked_add_days(days);
                invoice.due_on =
                    due.ok_or_else(|| row.error(&field.columns(), "the due date lies beyond the calendar"))?;
            }
            (None, None, None) => {
                let columns = section.due_on.as_ref().map(Field::columns).unwrap_or_default();
                return Err(row.error(&columns, "there is neither a due date nor terms"));
            }
        }
        if let Some(last) = invoice.instalments.iter().filter_map(|it| it.due_on).max() {
            invoice.due_on = last;
        }
        Ok(())
    }

    pub(super) fn receipts(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.receipts else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let customer = this.customer(row, &section.customer)?.id;
            let made = (|| {
                let reference = required(row, &section.reference)?;
                if let Some(line) = seen.insert(format!("{customer}:{reference}"), row.line()) {
                    let columns = section.reference.columns();
                    return Err(row.error(
                        &columns,
                        format!("line {line} has this reference of this customer already"),
                    ));
                }
                let amount = money(row, &section.amount, this.mapping.organisation.currency)?;
                let valued_on = date_required(row, &section.valued_on)?;
                let amount = amount.ok_or_else(|| row.error(&section.amount.columns(), "is missing"))?;
                let mut receipt = Receipt::cleared(reference, customer, valued_on, amount);
                receipt.pays = optional(row, &section.pays)?;
                if section.cleared_on.is_some() {
                    receipt.cleared_on = date(row, section.cleared_on.as_ref())?;
                }
                receipt.bounced_on = date(row, section.bounced_on.as_ref())?;
                if let Some(text) = optional(row, &section.channel)? {
                    receipt.channel = channel(text);
                }
                let fields = [
                    ("reference", Some(&section.reference)),
                    ("amount", Some(&section.amount)),
                    ("valued_on", Some(&section.valued_on)),
                    ("cleared_on", section.cleared_on.as_ref()),
                    ("bounced_on", section.bounced_on.as_ref()),
                    ("pays", section.pays.as_ref()),
                ];
                receipt.validate().map_err(|error| invalid(row, &error, &fields))?;
                Ok(LedgerRecord::Receipt(receipt))
            })();
            this.about(customer, made)
        });
        sourced(made)
    }

    pub(super) fn credit_notes(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.credit_notes else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let customer = match &section.customer {
                None => None,
                Some(field) => match row.value(field)? {
                    None => None,
                    Some(_) => Some(this.customer(row, field)?.id),
                },
            };
            let invoice = match (&section.invoice, optional(row, &section.invoice)?) {
                (Some(field), Some(_)) => match (this.find_invoice(row, field), customer) {
                    (Ok(invoice), _) => Some((invoice.number.clone(), invoice.customer, invoice.amount.currency)),
                    (Err(error), Some(customer)) => return this.about(customer, Err(error)),
                    (Err(error), None) => return Err(error),
                },
                _ => None,
            };
            let Some(whose) = customer.or(invoice.as_ref().map(|(_, of, _)| *of)) else {
                return Err(row.error("", "there is neither a customer nor an invoice for it"));
            };
            let made = (|| {
                if invoice.as_ref().is_some_and(|(_, of, _)| *of != whose) {
                    let columns = section.invoice.as_ref().map(Field::columns).unwrap_or_default();
                    return Err(row.error(&columns, "the invoice is another customer's"));
                }
                let number = unique(row, &section.number, seen)?;
                let home = this.mapping.organisation.currency;
                let amount = money(row, &section.amount, home)?;
                let amount = amount.ok_or_else(|| row.error(&section.amount.columns(), "is missing"))?;
                if let Some((number, _, currency)) = &invoice
                    && amount.currency != *currency
                {
                    let columns = section.amount.columns();
                    return Err(row.error(&columns, format!("invoice {number} is in {currency}")));
                }
                let note = CreditNote {
                    number,
                    customer: whose,
                    invoice_number: invoice.map(|(number, ..)| number),
                    credited_on: date_required(row, &section.credited_on)?,
                    posted_on: None,
                    amount,
                    reason: optional(row, &section.reason)?.unwrap_or_default(),
                    allocations: Vec::new(),
                };
                let fields = [
                    ("number", Some(&section.number)),
                    ("amount", Some(&section.amount)),
                    ("credited_on", Some(&section.credited_on)),
                    ("reason", section.reason.as_ref()),
                ];
                note.validate().map_err(|error| invalid(row, &error, &fields))?;
                Ok(LedgerRecord::CreditNote(note))
            })();
            this.about(whose, made)
        });
        sourced(made)
    }
}

/// How money came in; a word that is none of ours is the name of another way.
fn channel(text: String) -> PaymentChannel {
    match text.as_str() {
        "bank" => PaymentChannel::Bank,
        "cheque" => PaymentChannel::Cheque,
        "cash" => PaymentChannel::Cash,
        "wechat_pay" => PaymentChannel::WechatPay,
        "alipay" => PaymentChannel::Alipay,
        "private_account" => PaymentChannel::PrivateAccount,
        _ => PaymentChannel::Other(text),
    }
}
