//! Money whose payer nobody knows yet: recorded for the company, and made a customer's receipt once it is known whose it is.

use chrono::NaiveDate;
use fieldledger_core::model::{
    CustomerId, InvalidField, LedgerRecord, Money, OrganisationProfile, PaymentChannel, PaymentInstruction, Policy,
    UnidentifiedReceipt,
};

use super::{
    Act, Draft,
    allocation::Allocated,
    checks, days, once_in_the_company,
    receipt::{self, NewReceipt},
};
use crate::store::{LedgerChange, Requirement};

/// Money to be recorded that nobody has recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUnidentified {
    /// The bank's reference.
    pub reference: String,
    /// The bank's value date.
    pub valued_on: NaiveDate,
    /// The day it is to count from, when the books of the value date are closed.
    pub posted_on: Option<NaiveDate>,
    /// How much.
    pub amount: Money,
    /// The payer as the bank names it.
    pub payer: String,
    /// What the payer wrote.
    pub text: String,
}

/// Records money that nobody has recognised. It lowers nobody's exposure.
///
/// # Errors
/// [`InvalidField`]: a reference that is used, no amount, a value date in closed books without another day to count from.
pub fn record(
    organisation: &OrganisationProfile,
    policy: &Policy,
    wish: NewUnidentified,
    act: Act<'_>,
) -> Result<(UnidentifiedReceipt, LedgerChange), InvalidField> {
    checks::check_number("reference", &wish.reference)?;
    let today = act.now.date_in(organisation.time_zone);
    checks::check_company_money(organisation, policy, "amount", wish.amount, today)?;
    days::check_value_date("valued_on", wish.valued_on, today)?;
    let record = UnidentifiedReceipt {
        posted_on: days::counted_from(policy, "valued_on", wish.valued_on, wish.posted_on)?,
        reference: wish.reference,
        valued_on: wish.valued_on,
        amount: wish.amount,
        payer: wish.payer,
        text: wish.text,
        arrived_at: act.now,
        identified_as: None,
    };
    record.validate()?;
    let new = LedgerRecord::from(record.clone());
    let detail = format!("{} valued {}", record.amount, record.valued_on);
    let change = LedgerChange {
        requires: vec![once_in_the_company(new.key(), "reference")],
        records: vec![new],
        audit: vec![act.line("receipt.unidentified", &record.reference, detail)],
        answer: String::new(),
    };
    Ok((record, change))
}

/// Money that was recorded, as it was read before the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The record.
    pub record: UnidentifiedReceipt,
    /// Its version: the assignment is refused when there is a newer one by the time it is written.
    pub version: u64,
}

fn taken(customer: Option<CustomerId>) -> InvalidField {
    let whose = customer.map_or_else(String::new, |it| format!(" to customer {it}"));
    InvalidField::new("unidentified_receipt", format!("was assigned{whose} meanwhile"))
}

/// Makes recorded money a receipt of the customer: cleared, of the same reference and value date, set against what is open.
/// What the payer wrote counts as what the payment names.
///
/// # Errors
/// [`InvalidField`]: assigned before, or as [`receipt::register`].
pub fn assign(
    draft: &mut Draft,
    recorded: &Recorded,
    channel: PaymentChannel,
    instructions: Vec<PaymentInstruction>,
    act: Act<'_>,
) -> Result<Allocated, InvalidField> {
    let was = &recorded.record;
    if was.identified_as.is_some() {
        return Err(taken(was.identified_as));
    }
    let now = UnidentifiedReceipt {
        identified_as: Some(draft.ledger().customer.id),
        ..was.clone()
    };
    draft.require(Requirement {
        key: LedgerRecord::from(now.clone()).key(),
        version: Some(recorded.version),
        otherwise: taken(None),
    });
    // The books may have been closed since it was recorded: it counts from today then.
    let recorded_for = was.counts_from();
    let is_open = days::check_open(&draft.ledger().policy, "posted_on", recorded_for).is_ok();
    let counts_from = if is_open {
        recorded_for
    } else {
        days::posting_day(draft, act.now)
    };
    let wish = NewReceipt {
        reference: was.reference.clone(),
        valued_on: was.valued_on,
        posted_on: Some(counts_from),
        amount: was.amount,
        cleared: true,
        channel,
        pays: Some(was.text.clone()),
        instructions,
        arrived_at: was.arrived_at,
    };
    let done = receipt::enter(draft, wish, act)?;
    draft.put(now);
    receipt::tell(draft, &done, "receipt.identified", act);
    Ok(done)
}
