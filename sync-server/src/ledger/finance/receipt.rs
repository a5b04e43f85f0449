//! Money that arrived (回款): registered, cleared, come back.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{InvalidField, LedgerRecord, Money, PaymentChannel, PaymentInstruction, Receipt, Timestamp},
    rules::allocation::bounce,
};

use super::{
    Act, Draft,
    allocation::{Allocated, Source, settle},
    checks, days, has_instalment, once_in_the_company, unknown_invoice,
};

/// Money to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReceipt {
    /// The payment's reference.
    pub reference: String,
    /// The bank's value date.
    pub valued_on: NaiveDate,
    /// The day it counts from, when the books of the value date are closed.
    pub posted_on: Option<NaiveDate>,
    /// How much.
    pub amount: Money,
    /// Whether the money is certain.
    pub cleared: bool,
    /// How it was paid.
    pub channel: PaymentChannel,
    /// The order or invoice that the payment names.
    pub pays: Option<String>,
    /// What the customer wants it to pay, in this order.
    pub instructions: Vec<PaymentInstruction>,
    /// When finance knew of it: the time from which sales is to be told.
    pub arrived_at: Timestamp,
}

/// Registers money of the customer and sets it against what is open: what the customer said, what the payment names, the
/// one item of exactly that amount, then what was due first. The rest stays unallocated.
///
/// # Errors
/// [`InvalidField`]: a reference that is used, no amount, a day in closed books, an instruction that names no invoice of the
/// customer.
pub fn register(draft: &mut Draft, wish: NewReceipt, act: Act<'_>) -> Result<Allocated, InvalidField> {
    let done = enter(draft, wish, act)?;
    tell(draft, &done, "receipt.registered", act);
    Ok(done)
}

/// As [`register`], without the line of the audit log.
pub(super) fn enter(draft: &mut Draft, wish: NewReceipt, act: Act<'_>) -> Result<Allocated, InvalidField> {
    checks::check_number("reference", &wish.reference)?;
    let ledger = draft.ledger();
    let today = days::today(draft, act.now);
    checks::check_money(ledger, "amount", wish.amount, today)?;
    days::check_value_date("valued_on", wish.valued_on, today)?;
    let posted_on = days::counted_from(&ledger.policy, "valued_on", wish.valued_on, wish.posted_on)?;
    if let Some(day) = posted_on {
        days::check_value_date("posted_on", day, today)?;
    }
    if let PaymentChannel::Other(name) = &wish.channel {
        checks::check_number("channel", name)?;
    }
    for it in &wish.instructions {
        let known = ledger.invoices.iter().find(|known| known.number == it.invoice_number);
        let known = known.ok_or_else(|| unknown_invoice("instructions.invoice_number", &it.invoice_number))?;
        if it.instalment.is_some_and(|no| !has_instalment(known, no)) {
            return Err(InvalidField::new(
                "instructions.instalment",
                "the invoice has no instalment of that number",
            ));
        }
    }
    let receipt = Receipt {
        posted_on,
        cleared_on: wish.cleared.then_some(wish.valued_on),
        channel: wish.channel,
        pays: wish.pays.filter(|it| !it.trim().is_empty()),
        instructions: wish.instructions,
        arrived_at: Some(wish.arrived_at),
        ..Receipt::cleared(wish.reference, ledger.customer.id, wish.valued_on, wish.amount)
    };
    let key = LedgerRecord::from(receipt.clone()).key();
    let mut new = once_in_the_company(key, "reference");
    new.otherwise = InvalidField::new(
        "reference",
        format!("{:?} is a receipt of this customer already", receipt.reference),
    );
    draft.require(new);
    settle(draft, Source::Receipt(receipt), act)
}

pub(super) fn tell(draft: &mut Draft, done: &Allocated, action: &str, act: Act<'_>) {
    let amount = done.source.amount();
    let detail = format!(
        "{amount} of customer {}, {} left",
        draft.ledger().customer.code,
        Money::new(done.left, amount.currency)
    );
    draft.audit(act.line(action, done.source.name(), detail));
}

fn receipt_of(draft: &Draft, reference: &str) -> Result<Receipt, InvalidField> {
    let found = draft.ledger().receipts.iter().find(|it| it.reference == reference);
    found
        .cloned()
        .ok_or_else(|| InvalidField::new("receipt", format!("{reference:?} is not a receipt of this customer")))
}

/// Records that the money of a receipt is certain since `cleared_on`, or today, and sets it against what is open.
///
/// # Errors
/// [`InvalidField`]: unknown, cleared or returned before, a day in closed books or ahead.
pub fn clear(
    draft: &mut Draft,
    reference: &str,
    cleared_on: Option<NaiveDate>,
    act: Act<'_>,
) -> Result<Allocated, InvalidField> {
    let mut receipt = receipt_of(draft, reference)?;
    if let Some(day) = receipt.bounced_on {
        return Err(InvalidField::new("receipt", format!("was returned on {day}")));
    }
    if let Some(day) = receipt.cleared_on {
        return Err(InvalidField::new("receipt", format!("was cleared on {day} already")));
    }
    receipt.cleared_on = Some(days::happened(draft, "cleared_on", cleared_on, act.now)?);
    let done = settle(draft, Source::Receipt(receipt), act)?;
    tell(draft, &done, "receipt.cleared", act);
    Ok(done)
}

/// Records that the money came back on `bounced_on`, or today (a bounced cheque): from then on it pays nothing, and what it
/// paid is owed again.
///
/// # Errors
/// [`InvalidField`]: unknown, returned before, a day in closed books, ahead or before the value date, or no reason.
pub fn returned(
    draft: &mut Draft,
    reference: &str,
    bounced_on: Option<NaiveDate>,
    reason: &str,
    act: Act<'_>,
) -> Result<Receipt, InvalidField> {
    let mut receipt = receipt_of(draft, reference)?;
    let on = days::happened(draft, "bounced_on", bounced_on, act.now)?;
    bounce(&mut receipt, on, reason).map_err(|error| {
        if error.field == "reversal_reason" {
            InvalidField::new("reason", error.message)
        } else {
            error
        }
    })?;
    receipt.validate()?;
    let detail = format!(
        "{} of customer {} on {on}: {reason}",
        receipt.amount,
        draft.ledger().customer.code
    );
    draft.audit(act.line("receipt.returned", reference, detail));
    draft.put(receipt.clone());
    Ok(receipt)
}
