//! Items that a customer disputes: they count in the exposure, are left out of reminders, and are paid only when they are
//! named.

use chrono::NaiveDate;
use fieldledger_core::model::{Dispute, Instalment, InvalidField, Invoice, check_named};

use super::{Act, Draft, days, invoice_of, written_out};

/// The instalments that are meant: one, or all of the invoice.
fn meant(invoice: &mut Invoice, no: Option<u32>) -> Result<Vec<&mut Instalment>, InvalidField> {
    let all = written_out(invoice);
    let Some(no) = no else {
        return Ok(all.iter_mut().collect());
    };
    let found = all.iter_mut().find(|it| it.no == no);
    found
        .map(|it| vec![it])
        .ok_or_else(|| InvalidField::new("instalment", format!("the invoice has no instalment {no}")))
}

fn is_running(it: &Dispute) -> bool {
    it.settled_on.is_none()
}

/// Records that the customer disputes an invoice, or one of its instalments, since `opened_on` or today. Instalments that
/// are disputed already stay as they are.
///
/// # Errors
/// [`InvalidField`]: unknown, disputed already, a day in closed books or ahead, or no reason.
pub fn open(
    draft: &mut Draft,
    invoice_number: &str,
    instalment: Option<u32>,
    opened_on: Option<NaiveDate>,
    reason: &str,
    act: Act<'_>,
) -> Result<Invoice, InvalidField> {
    let mut invoice = invoice_of(draft, invoice_number)?;
    check_named("reason", reason)?;
    let opened_on = days::happened(draft, "opened_on", opened_on, act.now)?;
    let mut opened = 0;
    for it in meant(&mut invoice, instalment)? {
        if !it.disputes.iter().any(is_running) {
            it.disputes.push(Dispute {
                opened_on,
                settled_on: None,
                reason: reason.to_owned(),
            });
            opened += 1;
        }
    }
    if opened == 0 {
        return Err(InvalidField::new("instalment", "is disputed already"));
    }
    write(draft, invoice, instalment, "invoice.disputed", reason, act)
}

/// Records that a dispute is settled since `settled_on` or today; `outcome` goes to the audit log.
///
/// # Errors
/// [`InvalidField`]: unknown, not disputed, a day in closed books, ahead or before the dispute, or no outcome.
pub fn settle(
    draft: &mut Draft,
    invoice_number: &str,
    instalment: Option<u32>,
    settled_on: Option<NaiveDate>,
    outcome: &str,
    act: Act<'_>,
) -> Result<Invoice, InvalidField> {
    let mut invoice = invoice_of(draft, invoice_number)?;
    check_named("outcome", outcome)?;
    let settled_on = days::happened(draft, "settled_on", settled_on, act.now)?;
    let mut settled = 0;
    for it in meant(&mut invoice, instalment)? {
        for dispute in it.disputes.iter_mut().filter(|it| is_running(it)) {
            if settled_on < dispute.opened_on {
                return Err(InvalidField::new(
                    "settled_on",
                    format!("lies before {}, when the dispute began", dispute.opened_on),
                ));
            }
            dispute.settled_on = Some(settled_on);
            settled += 1;
        }
    }
    if settled == 0 {
        return Err(InvalidField::new("instalment", "is not disputed"));
    }
    write(draft, invoice, instalment, "invoice.dispute_settled", outcome, act)
}

fn write(
    draft: &mut Draft,
    invoice: Invoice,
    instalment: Option<u32>,
    action: &str,
    why: &str,
    act: Act<'_>,
) -> Result<Invoice, InvalidField> {
    invoice.validate()?;
    let part = instalment.map_or_else(|| "all of it".to_owned(), |no| format!("instalment {no}"));
    let detail = format!("customer {}, {part}: {why}", draft.ledger().customer.code);
    draft.audit(act.line(action, &invoice.number, detail));
    draft.put(invoice.clone());
    Ok(invoice)
}
