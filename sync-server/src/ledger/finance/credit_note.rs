//! Credit notes.

use chrono::NaiveDate;
use fieldledger_core::model::{CreditNote, InvalidField, LedgerRecord, Money};

use super::{
    Act, Draft,
    allocation::{Allocated, Source, settle},
    checks, days, invoice_of, once_in_the_company, receipt,
};

/// A credit note to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCreditNote {
    /// Its number.
    pub number: String,
    /// Its date.
    pub credited_on: NaiveDate,
    /// The day it counts from, when the books of its own day are closed.
    pub posted_on: Option<NaiveDate>,
    /// How much, gross of tax.
    pub amount: Money,
    /// The invoice it corrects, where there is one.
    pub invoice_number: Option<String>,
    /// Why.
    pub reason: String,
}

/// Issues a credit note and sets it against the invoice it corrects; one that names none pays as money does. What is more
/// than the invoice owes stays a credit of the customer.
///
/// # Errors
/// [`InvalidField`]: a number that is used, no amount, a day in closed books or ahead, an invoice that is not the customer's
/// or is in another currency.
pub fn issue(draft: &mut Draft, wish: NewCreditNote, act: Act<'_>) -> Result<Allocated, InvalidField> {
    checks::check_number("number", &wish.number)?;
    let ledger = draft.ledger();
    checks::check_money(ledger, "amount", wish.amount, days::today(draft, act.now))?;
    let posted_on = days::counted_from(&ledger.policy, "credited_on", wish.credited_on, wish.posted_on)?;
    let (field, counts_from) = posted_on.map_or(("credited_on", wish.credited_on), |day| ("posted_on", day));
    days::check_counts_by_now(draft, field, counts_from, act.now)?;
    if let Some(number) = &wish.invoice_number {
        let corrected = invoice_of(draft, number)?;
        if corrected.amount.currency != wish.amount.currency {
            return Err(InvalidField::new(
                "amount.currency",
                format!("invoice {number} is in {}", corrected.amount.currency),
            ));
        }
    }
    let note = CreditNote {
        number: wish.number,
        customer: ledger.customer.id,
        invoice_number: wish.invoice_number,
        credited_on: wish.credited_on,
        posted_on,
        amount: wish.amount,
        reason: wish.reason,
        allocations: Vec::new(),
    };
    let key = LedgerRecord::from(note.clone()).key();
    draft.require(once_in_the_company(key, "number"));
    let done = settle(draft, Source::CreditNote(note), act)?;
    receipt::tell(draft, &done, "credit_note.issued", act);
    Ok(done)
}
