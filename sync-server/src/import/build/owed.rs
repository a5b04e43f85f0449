//! What customers owe, and what was decided about their credit.

use chrono::Days;
use fieldledger_core::model::{Assessment, CreditLimit, Invoice, LedgerRecord, Money, Receipt};

use super::{
    Builder, RowResult,
    cells::{boolean, date, date_required, days_required, grade, money, optional, required, unique},
    sourced,
};
use crate::import::{
    CreditRow, Sourced,
    mapping::{Credit, Field},
    settle::IMPORTED,
    table::RowView,
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

    pub(super) fn credit_rows(&mut self) -> Vec<CreditRow> {
        let Some(section) = &self.mapping.credit else {
            return Vec::new();
        };
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
            let special_liabilities = match &section.special_liabilities {
                None => Money::zero(currency),
                Some(field) => money(row, field, currency)?.unwrap_or(Money::zero(currency)),
            };
            Ok(CreditRow {
                customer,
                source: Some((row.file().to_owned(), row.line())),
                grade,
                limit,
                terms_days,
                hold: on_hold.then(|| IMPORTED.to_owned()),
                special_liabilities,
                assessment: assessment(row, section)?,
            })
        });
        made.into_iter().map(|(it, _)| it).collect()
    }
}

/// The assessment that a row tells of. One that has a date must say who made it and until when it counts: neither is made
/// up.
fn assessment(row: &RowView<'_>, section: &Credit) -> RowResult<Option<Assessment>> {
    let Some(on) = date(row, section.assessed_on.as_ref())? else {
        return Ok(None);
    };
    let needed = |field: &Option<Field>, what: &str| match field {
        Some(field) => Ok(field.clone()),
        None => Err(row.error(
            "",
            format!("the mapping names the day of an assessment, but not {what}"),
        )),
    };
    let assessor = required(row, &needed(&section.assessor, "the assessor")?)?;
    let valid_until = date_required(row, &needed(&section.valid_until, "until when it counts")?)?;
    let evidence = optional(row, &section.evidence)?.unwrap_or_default();
    Ok(Some(Assessment {
        on,
        assessor,
        evidence,
        valid_until,
    }))
}
