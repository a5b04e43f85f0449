//! What finance does to a customer's ledger: pure functions over a [`Draft`], each of which checks the
//! records that it writes, adds a line to the audit log and says what is wrong by the name of the field.
//!
//! * [`invoice`]: an invoice with its due dates, and what it takes out of the order it charges.
//! * [`receipt`]: money that arrived, cleared, came back.
//! * [`allocation`]: which money pays what, by the rules or by hand, and its reversal.
//! * [`credit_note`], [`contract`], [`dispute`], [`extension`].
//! * [`account`]: what is decided about credit.
//! * [`unidentified`]: money whose payer nobody knows yet.
//!
//! No date in closed books is written ([`Policy::books_closed_until`](fieldledger_core::model::Policy)): a document of a
//! closed day is taken only with a later day to count from.

pub mod account;
pub mod allocation;
mod checks;
pub mod contract;
pub mod credit_note;
mod days;
pub mod dispute;
pub mod extension;
pub mod invoice;
pub mod receipt;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub mod unidentified;

use fieldledger_core::{
    model::{Instalment, InvalidField, Invoice, Timestamp},
    rules::books::CustomerBooks,
};

use super::{Actor, Draft};
use crate::store::{AuditEntry, CustomerLedger, LedgerChange, Requirement};

pub use checks::MAX_NUMBER;

/// Who acts, and when by the server's clock.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who.
    pub by: &'a Actor,
    /// When.
    pub now: Timestamp,
}

impl Act<'_> {
    /// A line of the audit log about it.
    fn line(self, action: &str, subject: &str, detail: String) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: self.by.name.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail,
        }
    }
}

/// A ledger on which somebody is about to act: leases whose grace is over are free.
pub fn begin(ledger: &CustomerLedger, now: Timestamp) -> Draft {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    draft
}

/// What is to be written after an action: the changes, allowances asked back when the exposure has outgrown the limit (a
/// bounced cheque, an invoice), and the new credit file. `answer` sees the draft as it is then.
///
/// # Errors
/// As [`Draft::finish`].
pub fn conclude(
    mut draft: Draft,
    act: Act<'_>,
    answer: impl FnOnce(&Draft) -> Result<String, InvalidField>,
) -> Result<LedgerChange, InvalidField> {
    if !draft.ledger().grants.is_empty() {
        draft.recall_excess(act.now, &act.by.name, "the exposure has outgrown the limit")?;
    }
    let answer = answer(&draft)?;
    draft.finish(answer, act.now)
}

/// The books of a ledger.
const fn books(ledger: &CustomerLedger) -> CustomerBooks<'_> {
    CustomerBooks {
        invoices: ledger.invoices.as_slice(),
        receipts: ledger.receipts.as_slice(),
        credit_notes: ledger.credit_notes.as_slice(),
    }
}

/// Books that contradict themselves: nothing is computed from them.
fn contradictory(error: impl std::fmt::Display) -> InvalidField {
    InvalidField::new("books", error.to_string())
}

/// A number that is to be given once in the whole company. Other customers' records are not part of a ledger, so this is
/// looked at when the change is written.
fn once_in_the_company(key: fieldledger_core::model::RecordKey, field: &str) -> Requirement {
    let message = format!("{:?} is used already; a number is given once", key.id);
    Requirement {
        key,
        version: None,
        otherwise: InvalidField::new(field, message),
    }
}

/// The customer's invoice of this number.
fn invoice_of(draft: &Draft, number: &str) -> Result<Invoice, InvalidField> {
    let found = draft.ledger().invoices.iter().find(|it| it.number == number);
    found.cloned().ok_or_else(|| unknown_invoice("invoice_number", number))
}

fn unknown_invoice(field: &str, number: &str) -> InvalidField {
    InvalidField::new(field, format!("{number:?} is not an invoice of this customer"))
}

/// Whether an invoice has this instalment. One without instalments is one part, number 1.
fn has_instalment(invoice: &Invoice, no: u32) -> bool {
    match invoice.instalments.as_slice() {
        [] => no == 1,
        parts => parts.iter().any(|it| it.no == no),
    }
}

/// The instalments of an invoice, written out when it is due as a whole.
fn written_out(invoice: &mut Invoice) -> &mut Vec<Instalment> {
    if invoice.instalments.is_empty() {
        let whole = Instalment::new(1, invoice.amount.amount, Some(invoice.due_on));
        invoice.instalments.push(whole);
    }
    &mut invoice.instalments
}
