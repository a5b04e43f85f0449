//! Approved later due dates (延期).

use chrono::NaiveDate;
use fieldledger_core::{
    model::{InvalidField, Invoice},
    rules::{
        books::{OpenItem, open_items},
        extension::{ExtensionRequest, extended},
    },
};
use rust_decimal::Decimal;

use super::{Act, Draft, books, contradictory, days, invoice_of, written_out};

/// Gives an instalment a later due date from today on; the original one stays on record.
///
/// # Errors
/// [`InvalidField`]: unknown, nothing open, no due date yet, a date that is not later than the present one, or no reason.
pub fn extend(
    draft: &mut Draft,
    invoice_number: &str,
    instalment: u32,
    due_on: NaiveDate,
    reason: &str,
    act: Act<'_>,
) -> Result<Invoice, InvalidField> {
    let mut invoice = invoice_of(draft, invoice_number)?;
    let approved_on = days::posting_day(draft, act.now);
    let items = open_items(&books(draft.ledger()), approved_on).map_err(contradictory)?;
    let open = items
        .iter()
        .find(|it| it.invoice_number == invoice_number && it.instalment == instalment)
        .map_or(Decimal::ZERO, OpenItem::open);
    let parts = written_out(&mut invoice);
    let part = parts.iter_mut().find(|it| it.no == instalment);
    let part =
        part.ok_or_else(|| InvalidField::new("instalment", format!("the invoice has no instalment {instalment}")))?;
    let before = part.due_on_by(approved_on);
    let request = ExtensionRequest {
        due_on,
        approved_on,
        by: act.by.user,
        reason: reason.to_owned(),
    };
    *part = extended(part, open, request)?;
    invoice.validate().map_err(|error| match error.field.as_str() {
        "instalments.extensions.due_on" => InvalidField::new("due_on", error.message),
        "instalments.extensions.reason" => InvalidField::new("reason", error.message),
        _ => error,
    })?;
    let was = before.map_or_else(|| "no date".to_owned(), |day| day.to_string());
    let detail = format!(
        "customer {}, instalment {instalment} from {was} to {due_on}: {reason}",
        draft.ledger().customer.code
    );
    draft.audit(act.line("invoice.extended", invoice_number, detail));
    draft.put(invoice.clone());
    Ok(invoice)
}
