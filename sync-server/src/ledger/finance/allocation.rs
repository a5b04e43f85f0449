//! Which money pays what (核销): by the rules, by hand, and the reversal.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use fieldledger_core::{
    model::{Allocation, CreditNote, InvalidField, Money, PaymentInstruction, Receipt, check_named},
    rules::allocation::{
        self, AllocationError, Proposal, credit_note_by_hand, propose_credit_note, propose_receipt, receipt_by_hand,
    },
};
use rust_decimal::Decimal;

use super::{Act, Draft, books, contradictory, days, unknown_invoice};

/// What money pays from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payer {
    /// The customer's receipt of this reference.
    Receipt(String),
    /// The customer's credit note of this number.
    CreditNote(String),
}

/// A receipt or a credit note of the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Money.
    Receipt(Receipt),
    /// A credit note.
    CreditNote(CreditNote),
}

impl Source {
    fn find(draft: &Draft, payer: &Payer) -> Result<Self, InvalidField> {
        let ledger = draft.ledger();
        match payer {
            Payer::Receipt(reference) => {
                let found = ledger.receipts.iter().find(|it| it.reference == *reference);
                found.cloned().map(Self::Receipt).ok_or_else(|| {
                    InvalidField::new("receipt", format!("{reference:?} is not a receipt of this customer"))
                })
            }
            Payer::CreditNote(number) => {
                let found = ledger.credit_notes.iter().find(|it| it.number == *number);
                found.cloned().map(Self::CreditNote).ok_or_else(|| {
                    InvalidField::new(
                        "credit_note",
                        format!("{number:?} is not a credit note of this customer"),
                    )
                })
            }
        }
    }

    /// Reference or number.
    pub fn name(&self) -> &str {
        match self {
            Self::Receipt(it) => &it.reference,
            Self::CreditNote(it) => &it.number,
        }
    }

    /// How much it came to.
    pub const fn amount(&self) -> Money {
        match self {
            Self::Receipt(it) => it.amount,
            Self::CreditNote(it) => it.amount,
        }
    }

    /// What it was set against, whenever.
    pub const fn allocations(&self) -> &Vec<Allocation> {
        match self {
            Self::Receipt(it) => &it.allocations,
            Self::CreditNote(it) => &it.allocations,
        }
    }

    const fn allocations_mut(&mut self) -> &mut Vec<Allocation> {
        match self {
            Self::Receipt(it) => &mut it.allocations,
            Self::CreditNote(it) => &mut it.allocations,
        }
    }

    /// First day on which it can pay; `None` while it cannot.
    fn certain_from(&self) -> Option<NaiveDate> {
        match self {
            Self::Receipt(it) => it.cleared_on.map(|cleared| cleared.max(it.counts_from())),
            Self::CreditNote(it) => Some(it.counts_from()),
        }
    }

    fn put(&self, draft: &mut Draft) {
        match self {
            Self::Receipt(it) => draft.put(it.clone()),
            Self::CreditNote(it) => draft.put(it.clone()),
        }
    }

    fn validate(&self) -> Result<(), InvalidField> {
        match self {
            Self::Receipt(it) => it.validate(),
            Self::CreditNote(it) => it.validate(),
        }
    }

    fn propose(&self, draft: &Draft, on: NaiveDate) -> Result<Proposal, AllocationError> {
        let (books, policy) = (books(draft.ledger()), &draft.ledger().policy);
        match self {
            Self::Receipt(it) => propose_receipt(&books, it, on, policy),
            Self::CreditNote(it) => propose_credit_note(&books, it, on, policy),
        }
    }

    fn by_hand(&self, draft: &Draft, wanted: &PaymentInstruction, on: NaiveDate) -> Result<Proposal, AllocationError> {
        let (books, policy) = (books(draft.ledger()), &draft.ledger().policy);
        let wanted = std::slice::from_ref(wanted);
        match self {
            Self::Receipt(it) => receipt_by_hand(&books, it, wanted, on, policy),
            Self::CreditNote(it) => credit_note_by_hand(&books, it, wanted, on, policy),
        }
    }
}

/// What became of money that was to pay something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// The receipt or credit note as it is now.
    pub source: Source,
    /// What is left of it, in its own currency.
    pub left: Decimal,
    /// Invoices that were named and could not be paid for want of a rate between the currencies.
    pub without_rate: BTreeSet<String>,
}

fn refused(error: AllocationError) -> InvalidField {
    match error {
        AllocationError::NotCleared(_) => InvalidField::new("receipt", error.to_string()),
        AllocationError::Books(error) => contradictory(error),
    }
}

/// The day from which allocations made now count: today, or when the money is certain.
fn allocation_day(draft: &Draft, source: &Source, act: Act<'_>) -> NaiveDate {
    let today = days::posting_day(draft, act.now);
    source.certain_from().map_or(today, |certain| certain.max(today))
}

/// Sets new money against what is open, by the rules, and puts it into the draft. What is not certain yet pays nothing.
pub(super) fn settle(draft: &mut Draft, mut source: Source, act: Act<'_>) -> Result<Allocated, InvalidField> {
    source.validate()?;
    source.put(draft);
    if source.certain_from().is_none() {
        let left = source.amount().amount;
        return Ok(Allocated {
            source,
            left,
            without_rate: BTreeSet::new(),
        });
    }
    let on = allocation_day(draft, &source, act);
    let proposal = source.propose(draft, on).map_err(refused)?;
    source.allocations_mut().extend(proposal.allocations);
    source.validate()?;
    source.put(draft);
    Ok(Allocated {
        source,
        left: proposal.left,
        without_rate: proposal.without_rate,
    })
}

/// Sets what is left of a receipt or credit note against what is open, by the rules.
///
/// # Errors
/// [`InvalidField`]: unknown, not cleared, or books that contradict themselves.
pub fn by_rules(draft: &mut Draft, payer: &Payer, act: Act<'_>) -> Result<Allocated, InvalidField> {
    let source = Source::find(draft, payer)?;
    if source.certain_from().is_none() {
        return Err(InvalidField::new("receipt", "is not cleared; record that it is first"));
    }
    let before = source.allocations().len();
    let done = settle(draft, source, act)?;
    tell(draft, &done, before, act);
    Ok(done)
}

/// Sets what is left of a receipt or credit note against exactly what a person names, in this order.
///
/// # Errors
/// [`InvalidField`]: unknown, not cleared, an invoice of which less is open than is to be paid, more than is left, no rate
/// between the currencies, or books that contradict themselves.
pub fn by_hand(
    draft: &mut Draft,
    payer: &Payer,
    wanted: &[PaymentInstruction],
    act: Act<'_>,
) -> Result<Allocated, InvalidField> {
    let mut source = Source::find(draft, payer)?;
    if wanted.is_empty() {
        return Err(InvalidField::new("allocations", "say what is to be paid"));
    }
    let before = source.allocations().len();
    let on = allocation_day(draft, &source, act);
    let mut left = Decimal::ZERO;
    for it in wanted {
        let proposal = source.by_hand(draft, it, on).map_err(refused)?;
        let known = |invoice: &&fieldledger_core::model::Invoice| invoice.number == it.invoice_number;
        if draft.ledger().invoices.iter().find(known).is_none() {
            return Err(unknown_invoice("allocations.invoice_number", &it.invoice_number));
        }
        // Of several it says which one it is about.
        check_paid(it, &proposal)
            .map_err(|why| InvalidField::new(why.field, format!("invoice {}: {}", it.invoice_number, why.message)))?;
        left = proposal.left;
        let made = proposal.allocations.into_iter().map(|made| Allocation {
            by: act.by.user,
            ..made
        });
        source.allocations_mut().extend(made);
        source.validate()?;
        source.put(draft);
    }
    let done = Allocated {
        source,
        left,
        without_rate: BTreeSet::new(),
    };
    tell(draft, &done, before, act);
    Ok(done)
}

/// Refuses what could not be paid as it was asked.
fn check_paid(wanted: &PaymentInstruction, proposal: &Proposal) -> Result<(), InvalidField> {
    if !proposal.without_rate.is_empty() {
        return Err(InvalidField::new(
            "allocations.invoice_number",
            "is in another currency, and the policy has no rate between the two on that day",
        ));
    }
    if wanted.amount.is_some_and(|amount| amount <= Decimal::ZERO) {
        return Err(InvalidField::new("allocations.amount", "must be more than zero"));
    }
    let taken: Decimal = proposal.allocations.iter().map(Allocation::taken).sum();
    match wanted.amount {
        Some(amount) if taken < amount => Err(InvalidField::new(
            "allocations.amount",
            format!("only {taken} of {amount} can be paid: more is not open, or not left"),
        )),
        None if taken.is_zero() => Err(InvalidField::new(
            "allocations.invoice_number",
            "nothing can be paid: nothing of it is open, or nothing is left",
        )),
        _ => Ok(()),
    }
}

fn tell(draft: &mut Draft, done: &Allocated, before: usize, act: Act<'_>) {
    let new: Vec<String> = done.source.allocations()[before..]
        .iter()
        .map(|it| format!("{}/{} {}", it.invoice_number, it.instalment, it.amount))
        .collect();
    let new = if new.is_empty() {
        "nothing".to_owned()
    } else {
        new.join(", ")
    };
    let detail = format!("customer {}: {new}", draft.ledger().customer.code);
    draft.audit(act.line("allocation.made", done.source.name(), detail));
}

/// Ends allocations of a receipt or credit note, named by their places from 1: from `on`, or today, they do not count any
/// more. They stay on record.
///
/// # Errors
/// [`InvalidField`]: unknown, reversed before, a day in closed books, ahead or before the allocation, or no reason.
pub fn reverse(
    draft: &mut Draft,
    payer: &Payer,
    places: &[u32],
    on: Option<NaiveDate>,
    reason: &str,
    act: Act<'_>,
) -> Result<Source, InvalidField> {
    let mut source = Source::find(draft, payer)?;
    check_named("reason", reason)?;
    let given = on;
    let on = days::happened(draft, "on", on, act.now)?;
    if places.is_empty() {
        return Err(InvalidField::new("allocations", "say which, by their numbers from 1"));
    }
    let mut reversed = Vec::new();
    for place in places {
        let index = usize::try_from(*place).ok().and_then(|it| it.checked_sub(1));
        let found = index.and_then(|index| source.allocations_mut().get_mut(index));
        let Some(found) = found else {
            return Err(InvalidField::new(
                "allocations",
                format!("there is no allocation number {place}"),
            ));
        };
        // One that begins to count later ends on the day it begins: it never counts.
        let end = if given.is_none() { on.max(found.posted_on) } else { on };
        allocation::reverse(found, end, reason).map_err(|error| {
            let field = if error.field == "reversed_on" { "on" } else { "reason" };
            InvalidField::new(field, format!("allocation {place} {}", error.message))
        })?;
        reversed.push(format!(
            "{}/{} {}",
            found.invoice_number, found.instalment, found.amount
        ));
    }
    source.validate()?;
    let detail = format!(
        "customer {}: {} from {on}: {reason}",
        draft.ledger().customer.code,
        reversed.join(", ")
    );
    draft.audit(act.line("allocation.reversed", source.name(), detail));
    source.put(draft);
    Ok(source)
}
