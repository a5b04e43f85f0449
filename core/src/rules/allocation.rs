//! Allocation (核销): which receipt or credit note pays which open item (DOMAIN §3).
//!
//! What the customer says comes first, then what the payment names, then the one open item of exactly that amount, then
//! what was due first. Numbers are compared as they are written, leading zeros included. Disputed items are paid only when
//! they are named, and so are items in another currency: converting a customer's money needs a word from the customer.
//! What is left stays unallocated.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::books::{BooksError, CustomerBooks, OpenItem, Source, payable_from, payable_items, rate_on};
use crate::model::{
    Allocation, AllocationBasis, AllocationPart, CreditNote, CreditRate, Currency, InterestOrder, InvalidField, Money,
    PaymentInstruction, Policy, Receipt,
};

#[cfg(test)]
mod tests;

/// What the rules set money against. Nothing is changed yet: the allocations are to be added to the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The new allocations.
    pub allocations: Vec<Allocation>,
    /// What is left of the receipt or credit note, in its own currency.
    pub left: Decimal,
    /// Invoices that were named and could not be paid, as there is no rate between the currencies on that day.
    pub without_rate: BTreeSet<String>,
}

/// Why money cannot be allocated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    /// The money is not certain on that day, or was returned.
    #[error("{0} is not cleared on that day; allocate it once it is")]
    NotCleared(String),
    /// The records contradict each other.
    #[error(transparent)]
    Books(#[from] BooksError),
}

/// Sets a cleared receipt against what is open on `on`. `books` holds all records of the customer, the receipt among
/// them; what was allocated of it before stays.
///
/// # Errors
/// [`AllocationError::NotCleared`] when the money is not certain on that day, and [`AllocationError::Books`] when the
/// records contradict each other.
pub fn propose_receipt(
    books: &CustomerBooks<'_>,
    receipt: &Receipt,
    on: NaiveDate,
    policy: &Policy,
) -> Result<Proposal, AllocationError> {
    let mut work = Work::begin(books, Source::Cash(receipt), on, policy)?;
    for it in &receipt.instructions {
        work.follow(it, AllocationBasis::Instruction);
    }
    if let Some(text) = &receipt.pays {
        work.pay_named(text);
    }
    work.pay_exact_amount();
    work.pay_oldest();
    Ok(work.finish())
}

/// Sets a credit note against what is open on `on`: the invoice it corrects, and nothing else when it names one; what is
/// larger than that invoice stays a credit until a person says otherwise. One that names no invoice is treated as money is.
///
/// # Errors
/// As [`propose_receipt`].
pub fn propose_credit_note(
    books: &CustomerBooks<'_>,
    note: &CreditNote,
    on: NaiveDate,
    policy: &Policy,
) -> Result<Proposal, AllocationError> {
    let mut work = Work::begin(books, Source::Note(note), on, policy)?;
    match &note.invoice_number {
        // The goods are what is corrected, so the principal goes down first, and interest on it stops.
        Some(number) => {
            work.order = InterestOrder::PrincipalFirst;
            work.pay_where(AllocationBasis::Correction, None, |it| it.invoice_number == *number);
        }
        None => {
            work.pay_exact_amount();
            work.pay_oldest();
        }
    }
    Ok(work.finish())
}

/// Sets a cleared receipt against exactly what a person names, in this order. What they do not name stays open.
///
/// # Errors
/// As [`propose_receipt`].
pub fn receipt_by_hand(
    books: &CustomerBooks<'_>,
    receipt: &Receipt,
    wanted: &[PaymentInstruction],
    on: NaiveDate,
    policy: &Policy,
) -> Result<Proposal, AllocationError> {
    by_hand(books, Source::Cash(receipt), wanted, on, policy)
}

/// Sets a credit note against exactly what a person names, in this order.
///
/// # Errors
/// As [`propose_receipt`].
pub fn credit_note_by_hand(
    books: &CustomerBooks<'_>,
    note: &CreditNote,
    wanted: &[PaymentInstruction],
    on: NaiveDate,
    policy: &Policy,
) -> Result<Proposal, AllocationError> {
    by_hand(books, Source::Note(note), wanted, on, policy)
}

fn by_hand(
    books: &CustomerBooks<'_>,
    source: Source<'_>,
    wanted: &[PaymentInstruction],
    on: NaiveDate,
    policy: &Policy,
) -> Result<Proposal, AllocationError> {
    let mut work = Work::begin(books, source, on, policy)?;
    for it in wanted {
        work.follow(it, AllocationBasis::Manual);
    }
    Ok(work.finish())
}

/// Ends an allocation from `on`. It stays on record with the reason.
///
/// # Errors
/// [`InvalidField`] when it was reversed before, when `on` lies before the day it counts from, or without a reason;
/// nothing is changed then.
pub fn reverse(allocation: &mut Allocation, on: NaiveDate, reason: &str) -> Result<(), InvalidField> {
    if let Some(day) = allocation.reversed_on {
        return Err(InvalidField::new(
            "reversed_on",
            format!("was reversed on {day} already"),
        ));
    }
    if on < allocation.posted_on {
        return Err(InvalidField::new(
            "reversed_on",
            format!("lies before {}, the day it counts from", allocation.posted_on),
        ));
    }
    crate::model::check_named("reversal_reason", reason)?;
    allocation.reversed_on = Some(on);
    reason.clone_into(&mut allocation.reversal_reason);
    Ok(())
}

/// Records that the money of a receipt was returned on `on` (a bounced cheque) and reverses every allocation that still
/// counts or would later.
///
/// # Errors
/// [`InvalidField`] when it was returned before, when `on` lies before the value date, or without a reason; nothing is
/// changed then.
pub fn bounce(receipt: &mut Receipt, on: NaiveDate, reason: &str) -> Result<(), InvalidField> {
    if let Some(day) = receipt.bounced_on {
        return Err(InvalidField::new(
            "bounced_on",
            format!("was returned on {day} already"),
        ));
    }
    if on < receipt.valued_on {
        return Err(InvalidField::new("bounced_on", "lies before the value date"));
    }
    crate::model::check_named("reversal_reason", reason)?;
    receipt.bounced_on = Some(on);
    for it in &mut receipt.allocations {
        if it.reversed_on.is_none_or(|end| on < end) {
            // One that would begin later ends on the day it begins: it never counts.
            it.reversed_on = Some(on.max(it.posted_on));
            reason.clone_into(&mut it.reversal_reason);
        }
    }
    Ok(())
}

struct Work<'w> {
    items: Vec<OpenItem>,
    left: Decimal,
    currency: Currency,
    on: NaiveDate,
    order: InterestOrder,
    rates: &'w [CreditRate],
    allocations: Vec<Allocation>,
    without_rate: BTreeSet<String>,
}

impl<'w> Work<'w> {
    fn begin(
        books: &CustomerBooks<'_>,
        source: Source<'_>,
        on: NaiveDate,
        policy: &'w Policy,
    ) -> Result<Self, AllocationError> {
        if !source.pays_on(on) {
            return Err(AllocationError::NotCleared(source.name().to_owned()));
        }
        Ok(Self {
            items: payable_items(books, on)?,
            left: payable_from(source, books, on)?,
            currency: source.amount().currency,
            on,
            order: policy.interest.order,
            rates: &policy.rates,
            allocations: Vec::new(),
            without_rate: BTreeSet::new(),
        })
    }

    fn finish(self) -> Proposal {
        Proposal {
            allocations: self.allocations,
            left: self.left,
            without_rate: self.without_rate,
        }
    }

    fn follow(&mut self, instruction: &PaymentInstruction, basis: AllocationBasis) {
        self.pay_where(basis, instruction.amount, |it| {
            it.invoice_number == instruction.invoice_number
                && instruction.instalment.is_none_or(|no| no == it.instalment)
        });
    }

    /// Pays what a reference names: invoices before orders. The whole text may be a number, or several separated by
    /// blanks or marks.
    fn pay_named(&mut self, text: &str) {
        let whole = text.trim();
        let words: BTreeSet<&str> = whole
            .split(|c: char| c.is_whitespace() || [',', ';', '+', '&', '，', '；', '、'].contains(&c))
            .chain([whole])
            .filter(|it| !it.is_empty())
            .collect();
        let basis = AllocationBasis::Reference;
        self.pay_where(basis, None, |it| words.contains(it.invoice_number.as_str()));
        self.pay_where(basis, None, |it| {
            it.order_number.as_deref().is_some_and(|order| words.contains(order))
        });
    }

    fn pay_exact_amount(&mut self) {
        let (left, currency) = (self.left, self.currency);
        let fits = |it: &OpenItem| !it.disputed && it.currency == currency && it.open() == left;
        let mut fitting = self.items.iter().filter(|it| fits(it));
        // Of two that fit either may be meant; the older one is paid by the next rule.
        if let (Some(_), None) = (fitting.next(), fitting.next()) {
            self.pay_where(AllocationBasis::ExactAmount, None, fits);
        }
    }

    fn pay_oldest(&mut self) {
        let currency = self.currency;
        self.pay_where(AllocationBasis::OldestDue, None, |it| {
            !it.disputed && it.currency == currency
        });
    }

    /// Pays the items that `fits` picks, those due first before others, with at most `most` of the source's money.
    fn pay_where(&mut self, basis: AllocationBasis, most: Option<Decimal>, fits: impl Fn(&OpenItem) -> bool) {
        let mut budget = most.map_or(self.left, |most| most.min(self.left));
        let before = budget;
        // The items are in the order of their due dates.
        for item in self.items.iter_mut().filter(|it| fits(it)) {
            let Some(rate) = rate_on(self.rates, self.currency, item.currency, self.on) else {
                self.without_rate.insert(item.invoice_number.clone());
                continue;
            };
            for part in parts(self.order) {
                let open = match part {
                    AllocationPart::Cost => &mut item.costs,
                    AllocationPart::Interest => &mut item.interest,
                    AllocationPart::Principal => &mut item.principal,
                };
                let same = self.currency == item.currency;
                let from = (self.currency, budget);
                let Some((amount, taken)) = pay_part(*open, item.currency, from, rate) else {
                    continue;
                };
                *open -= amount;
                budget -= taken;
                self.allocations.push(Allocation {
                    invoice_number: item.invoice_number.clone(),
                    instalment: item.instalment,
                    part,
                    amount,
                    taken: (!same).then_some(taken),
                    posted_on: self.on,
                    reversed_on: None,
                    reversal_reason: String::new(),
                    basis,
                    by: None,
                });
            }
        }
        self.left -= before - budget;
    }
}

const fn parts(order: InterestOrder) -> [AllocationPart; 3] {
    use AllocationPart::{Cost, Interest, Principal};
    match order {
        InterestOrder::InterestFirst => [Cost, Interest, Principal],
        InterestOrder::PrincipalFirst => [Principal, Cost, Interest],
    }
}

/// How much of `open` is paid with the budget, and how much of the budget that takes, each rounded to the minor unit of its
/// currency. `None` when nothing is: no budget, nothing open, or less than a minor unit of either currency.
fn pay_part(open: Decimal, to: Currency, from: (Currency, Decimal), rate: Decimal) -> Option<(Decimal, Decimal)> {
    let (currency, budget) = from;
    let (amount, taken) = if currency == to {
        let amount = open.min(budget);
        (amount, amount)
    } else {
        let worth = Money::new(budget.checked_mul(rate)?, to).rounded().amount;
        if worth <= open {
            (worth, budget)
        } else {
            let taken = Money::new(open.checked_div(rate)?, currency).rounded().amount;
            (open, taken.min(budget))
        }
    };
    (amount > Decimal::ZERO && taken > Decimal::ZERO).then_some((amount, taken))
}
