//! Promises to pay (付款承诺), held against the money that came (DOMAIN §3).
//!
//! Cleared payments valued from the day a promise was made to the promised day plus a tolerance count for it: as much as
//! was promised (less a tolerance) is *kept*, more than nothing *partly kept*, nothing *broken*, and until that day has
//! passed it is *running*. A payment feeds one promise, the one that is due first among those still short of money; what
//! it brings beyond that promise feeds no other. A promise that has its money takes no second payment.
//!
//! Everything is told as of a day from dated records, so a bounce or a payment found later re-evaluates by itself, and a
//! past report never changes.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::model::{AllocationBasis, CollectionNote, DocumentId, Money, PromisePolicy, Receipt};

/// A promise, as a collection note holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Promise {
    /// The note.
    pub note: DocumentId,
    /// The day it was made, in the organisation's time zone.
    pub made_on: NaiveDate,
    /// By when.
    pub due: NaiveDate,
    /// How much.
    pub amount: Money,
    /// The invoice it is about; `None` for everything that is owed.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub invoice_number: Option<String>,
}

impl Promise {
    /// The promise in a note; `None` when it holds none.
    pub fn of_note(id: DocumentId, note: &CollectionNote, zone: Tz) -> Option<Self> {
        let promise = note.promise.as_ref()?;
        Some(Self {
            note: id,
            made_on: note.at.date_in(zone),
            due: promise.due,
            amount: promise.amount,
            invoice_number: note.invoice_number.clone(),
        })
    }

    /// The last day whose payments count.
    pub fn last_day(&self, policy: &PromisePolicy) -> NaiveDate {
        self.due
            .checked_add_days(Days::new(policy.tolerance_days.into()))
            .unwrap_or(NaiveDate::MAX)
    }
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum PromiseStanding {
    /// Its day with the tolerance has not passed, and the money is not all there.
    Running,
    /// The money came in time.
    Kept,
    /// Some of it did.
    PartlyKept,
    /// None did.
    Broken,
}

/// A promise held against the payments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PromiseResult {
    /// The promise.
    pub promise: Promise,
    /// What became of it.
    pub standing: PromiseStanding,
    /// What came for it, in the promise's currency; may be more than was promised.
    pub received: Decimal,
    /// The last day whose payments count.
    pub last_day: NaiveDate,
    /// References of the receipts that fed it.
    pub fed_by: Vec<String>,
}

impl PromiseResult {
    /// How much is missing from what was promised, never below zero.
    pub fn missing(&self) -> Decimal {
        (self.promise.amount.amount - self.received).max(Decimal::ZERO)
    }

    /// The day from which it counts as broken; `None` when it does not.
    pub fn broken_on(&self) -> Option<NaiveDate> {
        (self.standing == PromiseStanding::Broken).then(|| self.last_day.succ_opt().unwrap_or(NaiveDate::MAX))
    }
}

/// Holds a customer's promises against their receipts as of a day. Promises made later are left out; the answers are in
/// the order in which promises are due.
pub fn evaluate(
    promises: &[Promise],
    receipts: &[Receipt],
    policy: &PromisePolicy,
    as_of: NaiveDate,
) -> Vec<PromiseResult> {
    let mut results: Vec<PromiseResult> = promises
        .iter()
        .filter(|promise| promise.made_on <= as_of)
        .map(|promise| PromiseResult {
            promise: promise.clone(),
            standing: PromiseStanding::Running,
            received: Decimal::ZERO,
            last_day: promise.last_day(policy),
            fed_by: Vec::new(),
        })
        .collect();
    results.sort_by_key(|it| (it.promise.due, it.promise.made_on, it.promise.note));

    let mut payments: Vec<Payment<'_>> = receipts.iter().filter_map(|it| Payment::of(it, as_of)).collect();
    payments.sort_by_key(|it| (it.valued_on, it.reference));
    for payment in payments {
        let fed = results.iter_mut().find_map(|result| {
            let within = (result.promise.made_on..=result.last_day).contains(&payment.valued_on);
            if !within || result.is_covered(policy) {
                return None;
            }
            let counts = payment.counts_for(&result.promise);
            (counts > Decimal::ZERO).then_some((result, counts))
        });
        if let Some((result, counts)) = fed {
            result.received = result.received.saturating_add(counts);
            result.fed_by.push(payment.reference.to_owned());
        }
    }

    for result in &mut results {
        result.standing = if result.is_covered(policy) {
            PromiseStanding::Kept
        } else if as_of <= result.last_day {
            PromiseStanding::Running
        } else if result.received > Decimal::ZERO {
            PromiseStanding::PartlyKept
        } else {
            PromiseStanding::Broken
        };
    }
    results
}

/// How many promises were found broken in the `days` days up to and including `as_of`.
pub fn broken_within(results: &[PromiseResult], days: u32, as_of: NaiveDate) -> u32 {
    let first = as_of
        .checked_sub_days(Days::new(u64::from(days.saturating_sub(1))))
        .unwrap_or(NaiveDate::MIN);
    let broken = results
        .iter()
        .filter_map(PromiseResult::broken_on)
        .filter(|on| (first..=as_of).contains(on));
    u32::try_from(broken.count()).unwrap_or(u32::MAX)
}

impl PromiseResult {
    /// Whether the money is there. A promise so small that the tolerance covers all of it still needs a payment.
    fn is_covered(&self, policy: &PromisePolicy) -> bool {
        self.received > Decimal::ZERO && self.received >= self.promise.amount.amount - policy.tolerance_amount
    }
}

/// A receipt that counts on the day of the evaluation.
struct Payment<'r> {
    reference: &'r str,
    valued_on: NaiveDate,
    amount: Money,
    /// What the customer said it pays, by invoice, in the receipt's currency.
    meant_for: BTreeMap<&'r str, Decimal>,
}

impl<'r> Payment<'r> {
    fn of(receipt: &'r Receipt, as_of: NaiveDate) -> Option<Self> {
        let in_the_books = receipt.posted_on.unwrap_or(receipt.valued_on) <= as_of;
        let cleared = receipt.cleared_on.is_some_and(|day| day <= as_of);
        let bounced = receipt.bounced_on.is_some_and(|day| day <= as_of);
        if !in_the_books || !cleared || bounced {
            return None;
        }
        let mut meant_for = BTreeMap::new();
        for it in receipt.allocations.iter().filter(|it| it.counts_on(as_of)) {
            // Only the customer's own word binds money to an invoice. Where the rules put it says nothing about what
            // the customer had promised.
            if matches!(it.basis, AllocationBasis::Instruction | AllocationBasis::Reference) {
                let sum: &mut Decimal = meant_for.entry(it.invoice_number.as_str()).or_default();
                *sum = sum.saturating_add(it.taken());
            }
        }
        Some(Self {
            reference: &receipt.reference,
            valued_on: receipt.valued_on,
            amount: receipt.amount,
            meant_for,
        })
    }

    /// How much of it can count for `promise`: nothing in another currency, and nothing that the customer meant for
    /// another invoice than the promised one.
    fn counts_for(&self, promise: &Promise) -> Decimal {
        if self.amount.currency != promise.amount.currency {
            return Decimal::ZERO;
        }
        let Some(invoice) = promise.invoice_number.as_deref() else {
            return self.amount.amount;
        };
        let for_others = self.meant_for.iter().filter(|(number, _)| **number != invoice);
        for_others.fold(self.amount.amount, |left, (_, taken)| left.saturating_sub(*taken))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Allocation, AllocationPart, Currency, CustomerId};
    use PromiseStanding::{Broken, Kept, PartlyKept, Running};

    const CUSTOMER: CustomerId = CustomerId::from_bytes([1; 16]);

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn cny(amount: &str) -> Money {
        Money::new(amount.parse().unwrap(), Currency::CNY)
    }

    fn promise(number: u8, made: &str, due: &str, amount: &str) -> Promise {
        Promise {
            note: DocumentId::from_bytes([number; 16]),
            made_on: day(made),
            due: day(due),
            amount: cny(amount),
            invoice_number: None,
        }
    }

    fn paid(reference: &str, on: &str, amount: &str) -> Receipt {
        Receipt::cleared(reference, CUSTOMER, day(on), cny(amount))
    }

    /// One day and one yuan of tolerance.
    fn standings(promises: &[Promise], receipts: &[Receipt], as_of: &str) -> Vec<PromiseStanding> {
        let results = evaluate(promises, receipts, &PromisePolicy::default(), day(as_of));
        results.iter().map(|it| it.standing).collect()
    }

    /// What it is about, what was paid when, the day of the report, what became of the promise.
    type Row = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
        PromiseStanding,
    );

    #[test]
    fn a_promise_is_judged_by_what_came_in_its_time() {
        // What was paid on which day against 1,000.00 promised on 1 March for 10 March, with one day and one yuan of
        // tolerance.
        let table: &[Row] = &[
            ("before its day it runs", &[], "2026-03-10", Running),
            ("on the last tolerated day it still runs", &[], "2026-03-11", Running),
            ("one day later it is broken", &[], "2026-03-12", Broken),
            ("paid on its day", &[("2026-03-10", "1000")], "2026-03-12", Kept),
            (
                "paid on the last tolerated day",
                &[("2026-03-11", "1000")],
                "2026-03-12",
                Kept,
            ),
            ("paid one day later", &[("2026-03-12", "1000")], "2026-03-12", Broken),
            (
                "paid on the day it was made",
                &[("2026-03-01", "1000")],
                "2026-03-12",
                Kept,
            ),
            (
                "paid before it was made",
                &[("2026-02-28", "1000")],
                "2026-03-12",
                Broken,
            ),
            (
                "as much missing as is tolerated",
                &[("2026-03-05", "999")],
                "2026-03-12",
                Kept,
            ),
            (
                "a cent more missing",
                &[("2026-03-05", "998.99")],
                "2026-03-12",
                PartlyKept,
            ),
            ("a part while it runs", &[("2026-03-05", "400")], "2026-03-11", Running),
            (
                "kept as soon as it is all there",
                &[("2026-03-05", "1000")],
                "2026-03-05",
                Kept,
            ),
            (
                "two payments together",
                &[("2026-03-05", "400"), ("2026-03-08", "600")],
                "2026-03-12",
                Kept,
            ),
            (
                "the second one too late",
                &[("2026-03-05", "400"), ("2026-03-12", "600")],
                "2026-03-12",
                PartlyKept,
            ),
        ];
        let promises = [promise(1, "2026-03-01", "2026-03-10", "1000.00")];
        for (what, payments, as_of, expected) in table {
            let receipts: Vec<_> = payments
                .iter()
                .enumerate()
                .map(|(index, (on, amount))| paid(&format!("R{index}"), on, amount))
                .collect();
            assert_eq!(standings(&promises, &receipts, as_of), [*expected], "{what}");
        }
    }

    #[test]
    fn one_payment_feeds_one_promise_the_one_due_first() {
        let promises = [
            promise(1, "2026-03-01", "2026-03-20", "1000"),
            promise(2, "2026-03-02", "2026-03-10", "1000"),
        ];
        let receipts = [paid("R1", "2026-03-09", "1000")];
        let results = evaluate(&promises, &receipts, &PromisePolicy::default(), day("2026-04-01"));
        let told: Vec<_> = results.iter().map(|it| (it.promise.due, it.standing)).collect();
        assert_eq!(told, [(day("2026-03-10"), Kept), (day("2026-03-20"), Broken)]);
        assert_eq!(results[0].fed_by, ["R1"]);
        // Twice the money in one payment still feeds one promise only.
        let receipts = [paid("R1", "2026-03-09", "2000")];
        assert_eq!(standings(&promises, &receipts, "2026-04-01"), [Kept, Broken]);
    }

    #[test]
    fn a_promise_with_nothing_left_to_pay_lets_the_next_payment_feed_the_next_promise() {
        let promises = [
            promise(1, "2026-03-01", "2026-03-10", "1000"),
            promise(2, "2026-03-01", "2026-03-20", "500"),
        ];
        let receipts = [paid("R1", "2026-03-05", "1000"), paid("R2", "2026-03-06", "500")];
        assert_eq!(standings(&promises, &receipts, "2026-04-01"), [Kept, Kept]);
        // Too late for the first, in time for the second.
        let receipts = [paid("R1", "2026-03-12", "500")];
        assert_eq!(standings(&promises, &receipts, "2026-04-01"), [Broken, Kept]);
    }

    #[test]
    fn a_bounced_cheque_breaks_what_it_had_kept_and_a_past_report_stays_as_it_was() {
        let promises = [promise(1, "2026-03-01", "2026-03-10", "1000")];
        let mut cheque = paid("R1", "2026-03-09", "1000");
        cheque.bounced_on = Some(day("2026-03-25"));
        let receipts = [cheque];
        assert_eq!(standings(&promises, &receipts, "2026-03-24"), [Kept]);
        assert_eq!(standings(&promises, &receipts, "2026-03-25"), [Broken]);
    }

    #[test]
    fn money_counts_once_it_has_cleared_and_then_from_the_banks_value_date() {
        let promises = [promise(1, "2026-03-01", "2026-03-10", "1000")];
        let mut cheque = paid("R1", "2026-03-09", "1000");
        cheque.cleared_on = Some(day("2026-03-14"));
        assert_eq!(
            standings(&promises, std::slice::from_ref(&cheque), "2026-03-13"),
            [Broken]
        );
        assert_eq!(
            standings(&promises, std::slice::from_ref(&cheque), "2026-03-14"),
            [Kept]
        );
        cheque.cleared_on = None;
        assert_eq!(standings(&promises, &[cheque], "2026-04-01"), [Broken]);
        // Found among the unmatched money later: not in the books before that.
        let mut found = paid("R2", "2026-03-09", "1000");
        found.posted_on = Some(day("2026-03-20"));
        let found = [found];
        assert_eq!(standings(&promises, &found, "2026-03-19"), [Broken]);
        assert_eq!(standings(&promises, &found, "2026-03-20"), [Kept]);
    }

    #[test]
    fn another_currency_never_counts_unconverted() {
        let promises = [promise(1, "2026-03-01", "2026-03-10", "1000")];
        let mut dollars = paid("R1", "2026-03-09", "1000");
        dollars.amount.currency = Currency::USD;
        assert_eq!(standings(&promises, &[dollars], "2026-03-12"), [Broken]);
    }

    #[test]
    fn a_payment_that_the_customer_meant_for_another_invoice_keeps_no_promise_about_this_one() {
        let mut about = promise(1, "2026-03-01", "2026-03-10", "1000");
        about.invoice_number = Some("F-1".to_owned());
        let promises = [about];
        let mut receipt = paid("R1", "2026-03-09", "1000");
        receipt.allocations.push(Allocation {
            invoice_number: "F-2".to_owned(),
            instalment: 1,
            part: AllocationPart::Principal,
            amount: 700.into(),
            taken: None,
            posted_on: day("2026-03-09"),
            reversed_on: Some(day("2026-03-20")),
            reversal_reason: "wrong invoice".to_owned(),
            basis: AllocationBasis::Instruction,
            by: None,
        });
        let instructed = [receipt.clone()];
        assert_eq!(standings(&promises, &instructed, "2026-03-15"), [PartlyKept]);
        // A reversal evaluates again.
        assert_eq!(standings(&promises, &instructed, "2026-03-20"), [Kept]);
        // Where the rules put the money is not the customer's word.
        receipt.allocations[0].basis = AllocationBasis::OldestDue;
        assert_eq!(standings(&promises, &[receipt], "2026-03-15"), [Kept]);
    }

    #[test]
    fn a_promise_smaller_than_the_tolerance_still_needs_a_payment() {
        let promises = [promise(1, "2026-03-01", "2026-03-10", "0.50")];
        assert_eq!(standings(&promises, &[], "2026-03-12"), [Broken]);
        assert_eq!(
            standings(&promises, &[paid("R1", "2026-03-09", "0.10")], "2026-03-12"),
            [Kept]
        );
    }

    #[test]
    fn a_promise_made_after_the_day_of_the_report_is_not_in_it() {
        let promises = [promise(1, "2026-03-02", "2026-03-10", "1000")];
        assert_eq!(standings(&promises, &[], "2026-03-01"), []);
        assert_eq!(standings(&promises, &[], "2026-03-02"), [Running]);
    }

    #[test]
    fn broken_promises_are_counted_from_the_day_they_are_found_broken() {
        let promises = [promise(1, "2026-01-01", "2026-01-10", "1000")];
        let results = evaluate(&promises, &[], &PromisePolicy::default(), day("2026-04-12"));
        assert_eq!(results[0].broken_on(), Some(day("2026-01-12")));
        assert_eq!(broken_within(&results, 90, day("2026-04-11")), 1);
        assert_eq!(broken_within(&results, 90, day("2026-04-12")), 0);
    }
}
