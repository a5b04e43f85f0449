//! Parts of invoices, and what happened to them: disputes and approved later due dates.

use fieldledger_core::model::{Dispute, Extension, Instalment, Invoice};

use super::{
    Builder, RowResult,
    cells::{date, date_required, decimal_required, invalid, optional, place, required, yes},
};
use crate::import::{
    RowError,
    mapping::{Field, Instalments},
    settle::written_out,
    table::RowView,
};

/// A part of an invoice as its row gives it.
pub(super) fn instalment(row: &RowView<'_>, section: &Instalments) -> RowResult<Instalment> {
    let retention = yes(row, &section.retention)?;
    let due_on = date(row, Some(&section.due_on))?;
    if due_on.is_none() && !retention {
        return Err(row.error(
            &section.due_on.columns(),
            "is missing; only a retention may have no date yet",
        ));
    }
    let (no, amount) = (place(row, &section.no)?, decimal_required(row, &section.amount)?);
    Ok(Instalment {
        retention,
        ..Instalment::new(no, amount, due_on)
    })
}

impl<'m> Builder<'m> {
    pub(super) fn disputes(&mut self) {
        let Some(section) = &self.mapping.disputes else {
            return;
        };
        self.each(section.source(), |this, row, seen| {
            this.on_part(row, &section.invoice, &section.instalment, |row, part| {
                let dispute = Dispute {
                    opened_on: date_required(row, &section.opened_on)?,
                    settled_on: date(row, section.settled_on.as_ref())?,
                    reason: optional(row, &section.reason)?.unwrap_or_default(),
                };
                let key = (required(row, &section.invoice)?, part.no, dispute.opened_on);
                if let Some(line) = seen.insert(format!("{key:?}"), row.line()) {
                    let columns = section.opened_on.columns();
                    return Err(row.error(&columns, format!("line {line} has this dispute already")));
                }
                part.disputes.push(dispute);
                part.disputes.sort_by_key(|it| it.opened_on);
                Ok(vec![
                    ("instalments.disputes.opened_on", Some(&section.opened_on)),
                    ("instalments.disputes.settled_on", section.settled_on.as_ref()),
                    ("instalments.disputes.reason", section.reason.as_ref()),
                ])
            })
        });
    }

    pub(super) fn extensions(&mut self) {
        let Some(section) = &self.mapping.extensions else {
            return;
        };
        self.each(section.source(), |this, row, seen| {
            this.on_part(row, &section.invoice, &section.instalment, |row, part| {
                let extension = Extension {
                    approved_on: date_required(row, &section.approved_on)?,
                    due_on: date_required(row, &section.due_on)?,
                    by: None,
                    reason: required(row, &section.reason)?,
                };
                let key = (required(row, &section.invoice)?, part.no, extension.approved_on);
                if let Some(line) = seen.insert(format!("{key:?}"), row.line()) {
                    let columns = section.approved_on.columns();
                    return Err(row.error(
                        &columns,
                        format!("line {line} has an extension approved on this day already"),
                    ));
                }
                if part.due_on.is_none() {
                    let columns = section.due_on.columns();
                    return Err(row.error(
                        &columns,
                        format!("instalment {} has no due date yet that could be later", part.no),
                    ));
                }
                part.extensions.push(extension);
                part.extensions.sort_by_key(|it| it.approved_on);
                Ok(vec![
                    ("instalments.extensions.approved_on", Some(&section.approved_on)),
                    ("instalments.extensions.due_on", Some(&section.due_on)),
                    ("instalments.extensions.reason", Some(&section.reason)),
                ])
            })
        });
    }

    /// Changes an instalment of an invoice, the first where the row names none. `change` tells which columns the fields
    /// come from. What the model refuses is left out, and the invoice stays as it was.
    fn on_part<'f>(
        &mut self,
        row: &RowView<'m>,
        number: &Field,
        no: &Option<Field>,
        change: impl FnOnce(&RowView<'m>, &mut Instalment) -> RowResult<Vec<(&'static str, Option<&'f Field>)>>,
    ) -> RowResult<()> {
        let mut invoice = self.find_invoice(row, number)?.clone();
        let made = (|| {
            let wanted = match (no, optional(row, no)?) {
                (Some(field), Some(_)) => place(row, field)?,
                _ => 1,
            };
            let part = written_out(&mut invoice).iter_mut().find(|it| it.no == wanted);
            let part = part.ok_or_else(|| {
                let columns = no.as_ref().map(Field::columns).unwrap_or_default();
                row.error(&columns, format!("the invoice has no instalment {wanted}"))
            })?;
            let fields = change(row, part)?;
            invoice.validate().map_err(|error| invalid(row, &error, &fields))
        })();
        self.about(invoice.customer, made)?;
        if let Some((known, _)) = self.invoices.get_mut(&invoice.number) {
            *known = invoice;
        }
        Ok(())
    }

    pub(super) fn find_invoice(&self, row: &RowView<'m>, field: &Field) -> RowResult<&Invoice> {
        let number = required(row, field)?;
        let found = self.invoices.get(&number).map(|(invoice, _)| invoice);
        found.ok_or_else(|| self.no_invoice(row, field, &number))
    }

    fn no_invoice(&self, row: &RowView<'m>, field: &Field, number: &str) -> RowError {
        let reason = if self.broken_invoices.contains(number) {
            format!("left out because its invoice {number:?} is")
        } else {
            format!("there is no invoice {number:?}")
        };
        row.error(&field.columns(), reason)
    }
}
