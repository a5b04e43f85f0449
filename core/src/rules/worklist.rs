//! Whom to see today (今日催收): customers ranked, with the reasons shown (DOMAIN §3).
//!
//! Customers with a broken promise come first; then the product of overdue amount and age decides, summed over the
//! items; then the overdue amount; customers that are equal in all of it stay in the order they were given in. The
//! figures of all customers are in one currency, converted by the caller.
//!
//! Ranking works on a few numbers for each customer and makes no sentence: a page asks the reasons that it shows for
//! theirs.

mod file;

pub use file::{dunning_of_today, items_of_file};

use std::cmp::Reverse;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{
    books::OpenItem,
    dunning::{DunningRaise, task_words},
    promises::{PromiseResult, PromiseStanding},
    wording::{Sentence, counted},
};
use crate::model::{CustomerId, DunningTask, InvalidMoney, Money};

/// What a customer owes past its due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Overdue {
    /// How much.
    pub amount: Money,
    /// Sum of amount × days late over the items.
    pub amount_days: Decimal,
    /// Days that the oldest item is late; 0 when nothing is.
    pub oldest_days: i64,
}

impl Overdue {
    /// Nothing overdue.
    pub const fn nothing(currency: crate::model::Currency) -> Self {
        Self {
            amount: Money::zero(currency),
            amount_days: Decimal::ZERO,
            oldest_days: 0,
        }
    }

    /// Sums up `items` as of a day. `converted` gives an amount in the currency of the list, at the credit rate of the
    /// day.
    ///
    /// # Errors
    /// [`InvalidMoney`] when `converted` knows no rate, gives another currency, or a sum overflows.
    pub fn of(
        items: &[OpenItem],
        currency: crate::model::Currency,
        as_of: NaiveDate,
        converted: impl Fn(Money) -> Result<Money, InvalidMoney>,
    ) -> Result<Self, InvalidMoney> {
        let mut sum = Self::nothing(currency);
        for item in items {
            let Some(days) = item.days_late(as_of).filter(|days| *days > 0) else {
                continue;
            };
            let open = Money::new(item.open(), item.currency);
            if open.amount <= Decimal::ZERO {
                continue;
            }
            let open = if open.currency == currency {
                open
            } else {
                converted(open)?
            };
            sum.amount = sum.amount.checked_add(open)?;
            sum.amount_days = open
                .amount
                .checked_mul(days.into())
                .and_then(|weight| sum.amount_days.checked_add(weight))
                .ok_or(InvalidMoney::Overflow)?;
            sum.oldest_days = sum.oldest_days.max(days);
        }
        Ok(sum)
    }
}

/// What the list is made from, for one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorklistCustomer {
    /// Who.
    pub customer: CustomerId,
    /// What is overdue, in the currency of the list.
    pub overdue: Overdue,
    /// Promises that matter today; see [`promises_that_matter`].
    pub promises: Vec<PromiseOfInterest>,
    /// Reminders to be sent today.
    pub dunning: Vec<DunningOfInterest>,
    /// Disputes that nobody has looked at yet.
    pub disputes: Vec<UnreviewedDispute>,
}

/// A promise that puts a customer on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PromiseOfInterest {
    /// Whether it is broken, kept in part, or still runs.
    pub standing: PromiseStanding,
    /// By when it was promised.
    pub due: NaiveDate,
    /// How much of it is missing.
    pub missing: Money,
    /// The invoice it is about.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub invoice_number: Option<String>,
}

/// A reminder that is to be sent today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DunningOfInterest {
    /// The level it reaches.
    pub level: u8,
    /// What is to be done.
    pub task: DunningTask,
    /// What is open.
    pub open: Money,
}

impl From<&DunningRaise> for DunningOfInterest {
    fn from(raise: &DunningRaise) -> Self {
        Self {
            level: raise.notice.level,
            task: raise.task,
            open: raise.open,
        }
    }
}

/// A dispute that nobody has looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct UnreviewedDispute {
    /// The invoice, statement or delivery in question, by its number.
    pub number: String,
    /// Since when.
    pub since: NaiveDate,
}

/// The promises of a customer that put them on the list of `as_of`: broken or kept in part while money is overdue, and
/// those that run and have come to their day.
pub fn promises_that_matter(results: &[PromiseResult], overdue: &Overdue, as_of: NaiveDate) -> Vec<PromiseOfInterest> {
    let matters = |it: &&PromiseResult| match it.standing {
        // What was promised may have been paid since; then nothing is overdue and nobody need go there for it.
        PromiseStanding::Broken | PromiseStanding::PartlyKept => overdue.amount.amount > Decimal::ZERO,
        PromiseStanding::Running => it.promise.due <= as_of,
        PromiseStanding::Kept => false,
    };
    let of_interest = |it: &PromiseResult| PromiseOfInterest {
        standing: it.standing,
        due: it.promise.due,
        missing: Money::new(it.missing(), it.promise.amount.currency),
        invoice_number: it.promise.invoice_number.clone(),
    };
    results.iter().filter(matters).map(of_interest).collect()
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct WorklistLine {
    /// Place in the list, from 1.
    pub rank: u32,
    /// Whom to see.
    pub customer: CustomerId,
    /// What is overdue.
    pub overdue: Overdue,
    /// Why, the weightiest first; never empty.
    pub reasons: Vec<WorklistReason>,
    /// What to do first.
    pub next: WorklistStep,
}

/// Why somebody is on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum WorklistReason {
    /// A promise was broken.
    BrokenPromise(PromiseOfInterest),
    /// A promise was kept in part.
    PartlyKeptPromise(PromiseOfInterest),
    /// A promise has come to its day.
    PromiseDue(PromiseOfInterest),
    /// Nobody has looked at a dispute.
    Dispute(UnreviewedDispute),
    /// A reminder is to be sent.
    Dunning(DunningOfInterest),
    /// Money is overdue.
    Overdue(Overdue),
}

/// What to do first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum WorklistStep {
    /// Ask for the money that is promised for today.
    AskForPromised(PromiseOfInterest),
    /// Settle what is in dispute: nobody pays what they dispute.
    SettleDispute(UnreviewedDispute),
    /// Do what the ladder asks for.
    Dun(DunningOfInterest),
    /// Ask for what is overdue, and for a new promise.
    AskForOverdue(Overdue),
}

/// Ranks `customers` for a day; those without a reason are left out.
pub fn rank(customers: Vec<WorklistCustomer>) -> Vec<WorklistLine> {
    let mut ranked: Vec<(bool, WorklistCustomer)> = customers
        .into_iter()
        .map(|it| {
            let broken = it.promises.iter().any(|it| it.standing == PromiseStanding::Broken);
            (broken, it)
        })
        .collect();
    // A stable sort: equal customers keep the caller's order.
    ranked.sort_by_key(|(broken, it)| Reverse((*broken, it.overdue.amount_days, it.overdue.amount.amount)));
    let mut lines = Vec::with_capacity(ranked.len());
    for (_, customer) in ranked {
        let reasons = reasons(&customer);
        let Some(next) = next_step(&reasons) else { continue };
        lines.push(WorklistLine {
            rank: u32::try_from(lines.len() + 1).unwrap_or(u32::MAX),
            customer: customer.customer,
            overdue: customer.overdue,
            reasons,
            next,
        });
    }
    lines
}

fn reasons(customer: &WorklistCustomer) -> Vec<WorklistReason> {
    let promises = |standing: PromiseStanding, reason: fn(PromiseOfInterest) -> WorklistReason| {
        let found = customer.promises.iter().filter(move |it| it.standing == standing);
        found.cloned().map(reason)
    };
    let mut reasons: Vec<WorklistReason> = promises(PromiseStanding::Broken, WorklistReason::BrokenPromise)
        .chain(promises(PromiseStanding::PartlyKept, WorklistReason::PartlyKeptPromise))
        .chain(promises(PromiseStanding::Running, WorklistReason::PromiseDue))
        .collect();
    reasons.extend(customer.disputes.iter().cloned().map(WorklistReason::Dispute));
    let mut dunning = customer.dunning.clone();
    dunning.sort_by_key(|it| Reverse(it.level));
    reasons.extend(dunning.into_iter().map(WorklistReason::Dunning));
    if customer.overdue.amount.amount > Decimal::ZERO {
        reasons.push(WorklistReason::Overdue(customer.overdue));
    }
    reasons
}

/// A promise of today is asked for first, then what keeps the customer from paying is settled, then the ladder.
fn next_step(reasons: &[WorklistReason]) -> Option<WorklistStep> {
    let step = |reason: &WorklistReason| match reason {
        WorklistReason::PromiseDue(it) => Some((0, WorklistStep::AskForPromised(it.clone()))),
        WorklistReason::Dispute(it) => Some((1, WorklistStep::SettleDispute(it.clone()))),
        WorklistReason::Dunning(it) => Some((2, WorklistStep::Dun(*it))),
        WorklistReason::Overdue(it) => Some((3, WorklistStep::AskForOverdue(*it))),
        // Broken promises matter only while money is overdue, which is a reason of its own.
        WorklistReason::BrokenPromise(_) | WorklistReason::PartlyKeptPromise(_) => None,
    };
    let first = reasons.iter().filter_map(step).min_by_key(|(order, _)| *order)?;
    Some(first.1)
}

impl WorklistReason {
    /// The reason in a sentence.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::BrokenPromise(it) => Sentence::new(
                format!("Broke the promise to pay {} by {}.", it.missing, it.due),
                format!("未兑现 {} 前付款 {} 的承诺。", it.due, it.missing),
            ),
            Self::PartlyKeptPromise(it) => Sentence::new(
                format!(
                    "Kept the promise of {} only in part; {} is missing.",
                    it.due, it.missing
                ),
                format!("{} 的付款承诺只兑现了一部分，还差 {}。", it.due, it.missing),
            ),
            Self::PromiseDue(it) => Sentence::new(
                format!("Promised to pay {} by {}.", it.missing, it.due),
                format!("承诺在 {} 前付款 {}。", it.due, it.missing),
            ),
            Self::Dispute(it) => Sentence::new(
                format!("Disputes {} since {}; nobody has looked at it.", it.number, it.since),
                format!("自 {} 起对 {} 有异议，尚无人处理。", it.since, it.number),
            ),
            Self::Dunning(it) => {
                let task = task_words(it.task);
                Sentence::new(
                    format!("Reminder level {} for {}: {}.", it.level, it.open, task.english),
                    format!("{} 的催收升到第 {} 级：{}。", it.open, it.level, task.chinese),
                )
            }
            Self::Overdue(it) => Sentence::new(
                format!(
                    "{} is overdue, the oldest by {}.",
                    it.amount,
                    counted(it.oldest_days, "day")
                ),
                format!("逾期 {}，最长 {} 天。", it.amount, it.oldest_days),
            ),
        }
    }
}

impl WorklistStep {
    /// What to do, in a sentence.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::AskForPromised(it) => Sentence::new(
                format!("Ask for the {} promised for {}.", it.missing, it.due),
                format!("跟进承诺在 {} 前支付的 {}。", it.due, it.missing),
            ),
            Self::SettleDispute(it) => Sentence::new(
                format!("Settle the dispute about {}.", it.number),
                format!("解决关于 {} 的异议。", it.number),
            ),
            Self::Dun(it) => {
                let task = task_words(it.task);
                Sentence::new(
                    format!("For {}: {}.", it.open, task.english),
                    format!("针对 {}：{}。", it.open, task.chinese),
                )
            }
            Self::AskForOverdue(it) => Sentence::new(
                format!("Ask for the overdue {} and for a date.", it.amount),
                format!("催收逾期的 {}，并约定付款日期。", it.amount),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Currency;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn cny(amount: i64) -> Money {
        Money::new(amount.into(), Currency::CNY)
    }

    fn owing(number: u8, amount: i64, days: i64) -> WorklistCustomer {
        WorklistCustomer {
            customer: CustomerId::from_bytes([number; 16]),
            overdue: Overdue {
                amount: cny(amount),
                amount_days: (amount * days).into(),
                oldest_days: days,
            },
            promises: Vec::new(),
            dunning: Vec::new(),
            disputes: Vec::new(),
        }
    }

    fn promise(standing: PromiseStanding) -> PromiseOfInterest {
        PromiseOfInterest {
            standing,
            due: day("2026-03-10"),
            missing: cny(500),
            invoice_number: None,
        }
    }

    fn order_of(customers: Vec<WorklistCustomer>) -> Vec<u8> {
        rank(customers).iter().map(|it| it.customer.as_bytes()[0]).collect()
    }

    #[test]
    fn amount_times_age_decides_and_broken_promises_come_first() {
        let mut broken = owing(4, 10, 2);
        broken.promises.push(promise(PromiseStanding::Broken));
        let list = vec![owing(1, 1000, 2), owing(2, 100, 30), owing(3, 5000, 1), broken];
        assert_eq!(order_of(list), [4, 3, 2, 1]);
    }

    #[test]
    fn equal_customers_stay_in_their_order_and_those_without_a_reason_are_left_out() {
        let list = vec![owing(9, 100, 2), owing(5, 0, 0), owing(1, 100, 2), owing(7, 200, 1)];
        assert_eq!(
            order_of(list),
            [7, 9, 1],
            "of equal products the larger amount is first"
        );
    }

    #[test]
    fn the_reasons_come_with_facts_and_sentences_and_the_next_step_is_the_promise_of_today() {
        let mut customer = owing(1, 1200, 9);
        customer.promises.push(promise(PromiseStanding::Running));
        customer.promises.push(promise(PromiseStanding::Broken));
        customer.disputes.push(UnreviewedDispute {
            number: "F-7".to_owned(),
            since: day("2026-03-01"),
        });
        customer.dunning.push(DunningOfInterest {
            level: 3,
            task: DunningTask::First,
            open: cny(700),
        });
        let line = rank(vec![customer.clone()]).remove(0);
        let english: Vec<_> = line.reasons.iter().map(|it| it.sentence().english).collect();
        assert_eq!(
            english,
            [
                "Broke the promise to pay CNY 500 by 2026-03-10.",
                "Promised to pay CNY 500 by 2026-03-10.",
                "Disputes F-7 since 2026-03-01; nobody has looked at it.",
                "Reminder level 3 for CNY 700: send the first written reminder.",
                "CNY 1200 is overdue, the oldest by 9 days.",
            ]
        );
        assert_eq!(line.reasons[4].sentence().chinese, "逾期 CNY 1200，最长 9 天。");
        assert!(matches!(line.next, WorklistStep::AskForPromised(_)));

        let mut next = |change: fn(&mut WorklistCustomer)| {
            change(&mut customer);
            rank(vec![customer.clone()]).remove(0).next.sentence().english
        };
        assert_eq!(next(|it| it.promises.clear()), "Settle the dispute about F-7.");
        assert_eq!(
            next(|it| it.disputes.clear()),
            "For CNY 700: send the first written reminder."
        );
        assert_eq!(
            next(|it| it.dunning.clear()),
            "Ask for the overdue CNY 1200 and for a date."
        );
    }

    fn item(due: &str, principal: i64, currency: Currency) -> OpenItem {
        OpenItem {
            invoice_number: "F-1".to_owned(),
            instalment: 1,
            order_number: None,
            posted_on: day("2026-02-01"),
            due_on: Some(day(due)),
            original_due_on: Some(day(due)),
            currency,
            amount: principal.into(),
            principal: principal.into(),
            interest: Decimal::ZERO,
            costs: Decimal::ZERO,
            disputed: false,
            dunning_level: 0,
            dunned_on: None,
            retention: false,
        }
    }

    #[test]
    fn each_item_weighs_by_its_own_age_and_another_currency_is_converted_or_refused() {
        let items = [
            item("2026-03-01", 100, Currency::CNY),
            item("2026-03-09", 50, Currency::USD),
            item("2026-03-10", 999, Currency::CNY),
        ];
        let seven = |money: Money| Ok(Money::new(money.amount * Decimal::from(7), Currency::CNY));
        let overdue = Overdue::of(&items, Currency::CNY, day("2026-03-10"), seven).unwrap();
        assert_eq!(overdue.amount, cny(450));
        assert_eq!(overdue.amount_days, (100 * 9 + 350).into());
        assert_eq!(overdue.oldest_days, 9);
        let unconverted = Overdue::of(&items, Currency::CNY, day("2026-03-10"), Ok);
        assert_eq!(
            unconverted,
            Err(InvalidMoney::MixedCurrencies(Currency::CNY, Currency::USD))
        );
    }

    #[test]
    fn a_broken_promise_matters_only_while_money_is_overdue() {
        use crate::{
            model::{DocumentId, PromisePolicy},
            rules::promises::{Promise, evaluate},
        };
        let made = Promise {
            note: DocumentId::from_bytes([1; 16]),
            made_on: day("2026-03-01"),
            due: day("2026-03-10"),
            amount: cny(500),
            invoice_number: None,
        };
        let on = |as_of, overdue: &Overdue| {
            let results = evaluate(std::slice::from_ref(&made), &[], &PromisePolicy::default(), day(as_of));
            promises_that_matter(&results, overdue, day(as_of)).len()
        };
        let (nothing, something) = (Overdue::nothing(Currency::CNY), owing(1, 5, 5).overdue);
        assert_eq!(on("2026-03-09", &something), 0, "not its day yet");
        assert_eq!(on("2026-03-10", &nothing), 1, "its day");
        assert_eq!(on("2026-03-12", &something), 1, "broken");
        assert_eq!(on("2026-03-12", &nothing), 0, "paid meanwhile");
    }
}
