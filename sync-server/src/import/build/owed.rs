//! What customers owe: invoices, receipts and credit files.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{
    CreditFile, CreditLimit, CustomerId, Invoice, LedgerOrder, LedgerRecord, Money, Receipt,
};

use super::{
    Builder,
    cells::{boolean, date, date_required, days_required, grade, midnight, money, optional, required, unique},
    sourced,
};
use crate::import::{
    Sourced,
    credit::{self, CustomerBooks},
    mapping::Field,
};

impl<'m> Builder<'m> {
    pub(super) fn invoices(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.invoices else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let order = match &section.order {
                None => None,
                Some(field) => Some(&this.find_order(row, field)?.order),
            };
            let customer = match (&section.customer, order) {
                (Some(field), _) => this.customer(row, field)?.id,
                (None, Some(order)) => order.customer,
                (None, None) => return Err(row.error("", "the mapping names neither a customer nor an order for it")),
            };
            let made = (|| {
                let amount = match (&section.amount, order) {
                    (Some(field), _) => {
                        let amount = money(row, field, this.mapping.organisation.currency)?;
                        amount.ok_or_else(|| row.error(&field.columns(), "is missing"))?
                    }
                    (None, Some(order)) => order.total,
                    (None, None) => {
                        return Err(row.error("", "the mapping names neither an amount nor an order for it"));
                    }
                };
                let invoiced_on = date_required(row, &section.invoiced_on)?;
                let due_on = match (date(row, section.due_on.as_ref())?, &section.terms_days) {
                    (Some(due), _) => due,
                    (None, Some(field)) => {
                        let days = Days::new(days_required(row, field)?.into());
                        let due = invoiced_on.checked_add_days(days);
                        due.ok_or_else(|| row.error(&field.columns(), "the due date lies beyond the calendar"))?
                    }
                    (None, None) => {
                        let columns = section.due_on.as_ref().map(Field::columns).unwrap_or_default();
                        return Err(row.error(&columns, "there is neither a due date nor terms"));
                    }
                };
                let number = unique(row, &section.number, seen)?;
                let mut invoice = Invoice::new(number, customer, invoiced_on, due_on, amount);
                invoice.order_number = order.map(|order| order.number.clone());
                Ok(LedgerRecord::Invoice(invoice))
            })();
            made.inspect_err(|error| {
                this.incomplete.entry(customer).or_insert_with(|| error.clone());
            })
        });
        sourced(made)
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
                Ok(LedgerRecord::Receipt(receipt))
            })();
            made.inspect_err(|error| {
                this.incomplete.entry(customer).or_insert_with(|| error.clone());
            })
        });
        sourced(made)
    }

    pub(super) fn credit_files(
        &mut self,
        invoices: &[Sourced],
        receipts: &[Sourced],
        as_of: NaiveDate,
    ) -> Vec<Sourced> {
        let Some(section) = &self.mapping.credit else {
            return Vec::new();
        };
        let mut orders: HashMap<CustomerId, Vec<LedgerOrder>> = HashMap::new();
        for built in self.orders.values().filter(|it| !it.cancelled) {
            orders
                .entry(built.order.customer)
                .or_default()
                .push(built.order.clone());
        }
        let mut books: HashMap<CustomerId, CustomerBooks<'_>> = HashMap::new();
        for (customer, orders) in &orders {
            books.entry(*customer).or_default().orders.extend(orders);
        }
        for it in invoices.iter().chain(receipts) {
            match &it.record {
                LedgerRecord::Invoice(it) => books.entry(it.customer).or_default().invoices.push(it),
                LedgerRecord::Receipt(it) => books.entry(it.customer).or_default().receipts.push(it),
                _ => {}
            }
        }
        let as_of_moment = midnight(as_of, self.mapping.organisation.time_zone);
        let made = self.each(section.source(), |this, row, seen| {
            let home = this.mapping.organisation.currency;
            let key = unique(row, &section.customer, seen)?;
            let customer = this.customer(row, &section.customer)?.id;
            if let Some(bad) = this.incomplete.get(&customer) {
                return Err(row.error(
                    "",
                    format!(
                        "the credit file of {key} stays as it was: {} line {} was left out, so its figures are not known",
                        bad.file, bad.line
                    ),
                ));
            }
            let no_limit = match &section.no_limit {
                None => false,
                Some(field) => boolean(row, field)?.unwrap_or(false),
            };
            let limit = match &section.limit {
                None => None,
                Some(field) => money(row, field, home)?,
            };
            let limit = match (no_limit, limit) {
                (true, _) => CreditLimit::NoLimit,
                (false, Some(limit)) => CreditLimit::Limited(limit),
                (false, None) => {
                    let columns = section.limit.as_ref().map(Field::columns).unwrap_or_default();
                    return Err(row.error(&columns, "there is neither a limit nor the word that there is none"));
                }
            };
            let currency = match limit {
                CreditLimit::Limited(limit) => limit.currency,
                CreditLimit::NoLimit => home,
            };
            let grade = match (&section.grade, optional(row, &section.grade)?) {
                (Some(field), Some(text)) => Some(grade(&text).ok_or_else(|| {
                    row.error(&field.columns(), format!("{text:?} is none of the grades A, B, C, D"))
                })?),
                _ => None,
            };
            let terms_days = match (&section.terms_days, grade) {
                (Some(field), _) => days_required(row, field)?,
                (None, Some(grade)) => grade.default_terms_days(),
                (None, None) => {
                    return Err(row.error("", "the mapping names neither the days of credit nor a grade"));
                }
            };
            let on_hold = match &section.on_hold {
                None => false,
                Some(field) => boolean(row, field)?.unwrap_or(false),
            };
            let special = match &section.special_liabilities {
                None => Money::zero(currency),
                Some(field) => money(row, field, currency)?.unwrap_or(Money::zero(currency)),
            };
            let invoiced = this.mapping.invoices.is_some();
            let figures = credit::figures(
                books.get(&customer).unwrap_or(&CustomerBooks::default()),
                currency,
                as_of,
                invoiced,
            )
            .map_err(|error| row.error("", format!("the exposure of {key} cannot be computed: {error}")))?;
            Ok(LedgerRecord::CreditFile(CreditFile {
                customer,
                as_of: as_of_moment,
                grade,
                limit,
                terms_days,
                on_hold,
                open_receivables: figures.open_receivables,
                special_liabilities: special,
                delivered_not_invoiced: figures.delivered_not_invoiced,
                open_orders: figures.open_orders,
                overdue: figures.overdue,
                oldest_due: figures.oldest_due,
                ..CreditFile::new(customer, as_of_moment, currency)
            }))
        });
        sourced(made)
    }
}
