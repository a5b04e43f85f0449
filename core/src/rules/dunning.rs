//! Staged reminders (催收升级): for every open item, whether its level rises today, and if not, why not (DOMAIN §3).
//!
//! A level rises by one at most, when the item is late enough for it, the step's interval has passed since the level
//! before, enough is open, nothing is in dispute and no promise runs. Interest and costs count as open after the
//! principal is paid.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::{
    books::OpenItem,
    promises::{PromiseResult, PromiseStanding},
    wording::{Sentence, counted},
};
use crate::model::{DunningNotice, DunningPolicy, DunningStep, DunningTask, Money};

/// What is to be done about one open item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DunningProposal {
    /// Raise it to the next level.
    Raise(DunningRaise),
    /// Leave it, and why.
    Leave(DunningObstacle),
}

/// A level to be reached today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DunningRaise {
    /// The notice to be kept with the instalment once the task is done.
    pub notice: DunningNotice,
    /// What is to be done.
    pub task: DunningTask,
    /// Days past the due date; negative before it.
    pub days_late: i64,
    /// What is open, interest and costs included.
    pub open: Money,
}

/// Why an item's level does not rise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DunningObstacle {
    /// Nothing is open.
    Settled,
    /// Nothing is due yet: the event that the due date counts from has not happened.
    NoDueDate,
    /// The customer disputes it.
    Disputed,
    /// The customer promised to pay by then.
    PromiseRunning {
        /// The promised day.
        due: NaiveDate,
    },
    /// Less is open than reminders are sent for.
    BelowMinimum {
        /// What is open.
        open: Money,
        /// The least that is reminded of.
        minimum: Decimal,
    },
    /// The highest level has been reached.
    TopOfLadder,
    /// Not late enough for the next level.
    TooEarly {
        /// The day from which it is.
        from: NaiveDate,
    },
    /// The last level is too recent.
    IntervalRunning {
        /// The day on which the interval has passed.
        until: NaiveDate,
    },
}

/// What is to be done about `item` on `as_of`. `promises` are the customer's, as evaluated on that day.
pub fn propose(
    item: &OpenItem,
    promises: &[PromiseResult],
    policy: &DunningPolicy,
    as_of: NaiveDate,
) -> DunningProposal {
    match raise(item, promises, policy, as_of) {
        Ok(raise) => DunningProposal::Raise(raise),
        Err(obstacle) => DunningProposal::Leave(obstacle),
    }
}

fn raise(
    item: &OpenItem,
    promises: &[PromiseResult],
    policy: &DunningPolicy,
    as_of: NaiveDate,
) -> Result<DunningRaise, DunningObstacle> {
    let open = Money::new(item.open(), item.currency);
    if open.amount <= Decimal::ZERO {
        return Err(DunningObstacle::Settled);
    }
    let (due, days_late) = item
        .due_on
        .zip(item.days_late(as_of))
        .ok_or(DunningObstacle::NoDueDate)?;
    if item.disputed {
        return Err(DunningObstacle::Disputed);
    }
    if let Some(promise) = running_promise(item, promises) {
        return Err(DunningObstacle::PromiseRunning {
            due: promise.promise.due,
        });
    }
    if open.amount < policy.minimum {
        return Err(DunningObstacle::BelowMinimum {
            open,
            minimum: policy.minimum,
        });
    }
    let step = policy
        .ladder
        .get(usize::from(item.dunning_level))
        .ok_or(DunningObstacle::TopOfLadder)?;
    let level = item.dunning_level.checked_add(1).ok_or(DunningObstacle::TopOfLadder)?;
    if days_late < i64::from(step.from_day) {
        return Err(DunningObstacle::TooEarly {
            from: first_day(due, step),
        });
    }
    if let Some(last) = item.dunned_on.filter(|_| item.dunning_level > 0) {
        let until = last
            .checked_add_days(Days::new(step.interval_days.into()))
            .unwrap_or(NaiveDate::MAX);
        if as_of < until {
            return Err(DunningObstacle::IntervalRunning { until });
        }
    }
    Ok(DunningRaise {
        notice: DunningNotice { level, on: as_of },
        task: step.task,
        days_late,
        open,
    })
}

/// The promise that keeps `item` from being reminded of: one about its invoice, or about everything that is owed.
pub fn running_promise<'p>(item: &OpenItem, promises: &'p [PromiseResult]) -> Option<&'p PromiseResult> {
    promises.iter().find(|it| {
        let about = it.promise.invoice_number.as_deref();
        it.standing == PromiseStanding::Running && about.is_none_or(|number| number == item.invoice_number)
    })
}

/// The customer's level: the highest of their open items; 0 is none.
pub fn customer_level(items: &[OpenItem]) -> u8 {
    let open = items.iter().filter(|it| it.open() > Decimal::ZERO);
    open.map(|it| it.dunning_level).max().unwrap_or(0)
}

fn first_day(due: NaiveDate, step: &DunningStep) -> NaiveDate {
    chrono::TimeDelta::try_days(step.from_day.into())
        .and_then(|days| due.checked_add_signed(days))
        .unwrap_or(if step.from_day < 0 {
            NaiveDate::MIN
        } else {
            NaiveDate::MAX
        })
}

/// A task of the ladder in words.
pub fn task_words(task: DunningTask) -> Sentence {
    match task {
        DunningTask::Reminder => Sentence::new("remind of the due date", "提醒到期日"),
        DunningTask::Courtesy => Sentence::new("have a friendly word", "友好提醒"),
        DunningTask::First => Sentence::new("send the first written reminder", "发出第一次书面催款"),
        DunningTask::Second => Sentence::new("send the second written reminder", "发出第二次书面催款"),
        DunningTask::SuspendAndLegal => {
            Sentence::new("propose to stop supply and to go to law", "提出停止供货并走法律程序")
        }
    }
}

impl DunningRaise {
    /// Why, in a sentence.
    pub fn sentence(&self) -> Sentence {
        let task = task_words(self.task);
        let (level, open) = (self.notice.level, self.open);
        let late = self.days_late;
        let (english, chinese) = match late {
            ..0 => (
                format!("is due in {}", counted(-late, "day")),
                format!("{} 天后到期", -late),
            ),
            0 => ("is due today".to_owned(), "今天到期".to_owned()),
            _ => (
                format!("is {} overdue", counted(late, "day")),
                format!("逾期 {late} 天"),
            ),
        };
        Sentence::new(
            format!("Level {level}: {open} {english}; {}.", task.english),
            format!("第 {level} 级：{open} {chinese}，{}。", task.chinese),
        )
    }
}

impl DunningObstacle {
    /// Why nothing is raised, in a sentence.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Settled => Sentence::new("Nothing is open.", "没有未清金额。"),
            Self::NoDueDate => Sentence::new("It has no due date yet.", "尚无到期日。"),
            Self::Disputed => Sentence::new("The customer disputes it.", "客户有异议。"),
            Self::PromiseRunning { due } => Sentence::new(
                format!("The customer promised to pay by {due}."),
                format!("客户承诺在 {due} 前付款。"),
            ),
            Self::BelowMinimum { open, minimum } => Sentence::new(
                format!("{open} is open, less than the {minimum} that reminders are sent for."),
                format!("未清 {open}，低于催收起点 {minimum}。"),
            ),
            Self::TopOfLadder => Sentence::new("The highest level has been reached.", "已到最高催收级别。"),
            Self::TooEarly { from } => Sentence::new(
                format!("The next level is reached on {from} at the earliest."),
                format!("最早在 {from} 升到下一级。"),
            ),
            Self::IntervalRunning { until } => Sentence::new(
                format!("The last reminder is recent; the next one may go out on {until}."),
                format!("距上次催收太近，下一次最早在 {until}。"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        model::{Currency, DocumentId, PromisePolicy},
        rules::promises::{Promise, evaluate},
    };

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn item(level: u8, dunned_on: Option<&str>) -> OpenItem {
        OpenItem {
            invoice_number: "F-1".to_owned(),
            instalment: 1,
            order_number: None,
            posted_on: day("2026-02-01"),
            due_on: Some(day("2026-03-02")),
            original_due_on: Some(day("2026-03-02")),
            currency: Currency::CNY,
            amount: 1000.into(),
            principal: 1000.into(),
            interest: Decimal::ZERO,
            costs: Decimal::ZERO,
            disputed: false,
            dunning_level: level,
            dunned_on: dunned_on.map(day),
            retention: false,
        }
    }

    fn on(item: &OpenItem, as_of: &str) -> DunningProposal {
        propose(item, &[], &DunningPolicy::default(), day(as_of))
    }

    fn level_of(proposal: &DunningProposal) -> Option<(u8, DunningTask)> {
        match proposal {
            DunningProposal::Raise(raise) => Some((raise.notice.level, raise.task)),
            DunningProposal::Leave(_) => None,
        }
    }

    #[test]
    fn the_default_ladder_raises_each_level_on_its_first_day_and_not_a_day_before() {
        let table = [
            (0, None, "2026-02-26", "2026-02-27", DunningTask::Reminder),
            (1, Some("2026-02-27"), "2026-03-02", "2026-03-03", DunningTask::Courtesy),
            (2, Some("2026-03-03"), "2026-03-08", "2026-03-09", DunningTask::First),
            (3, Some("2026-03-09"), "2026-03-16", "2026-03-17", DunningTask::Second),
            (
                4,
                Some("2026-03-17"),
                "2026-03-31",
                "2026-04-01",
                DunningTask::SuspendAndLegal,
            ),
        ];
        for (level, dunned_on, before, first, task) in table {
            let item = item(level, dunned_on);
            assert_eq!(
                on(&item, before),
                DunningProposal::Leave(DunningObstacle::TooEarly { from: day(first) })
            );
            assert_eq!(level_of(&on(&item, first)), Some((level + 1, task)));
        }
        assert_eq!(
            on(&item(5, Some("2026-04-01")), "2026-12-01"),
            DunningProposal::Leave(DunningObstacle::TopOfLadder)
        );
    }

    #[test]
    fn an_item_found_very_late_still_climbs_one_level_at_a_time() {
        let mut found = item(0, None);
        assert_eq!(level_of(&on(&found, "2026-06-01")), Some((1, DunningTask::Reminder)));
        found.dunning_level = 1;
        found.dunned_on = Some(day("2026-06-01"));
        assert_eq!(
            on(&found, "2026-06-01"),
            DunningProposal::Leave(DunningObstacle::IntervalRunning {
                until: day("2026-06-02")
            })
        );
        assert_eq!(level_of(&on(&found, "2026-06-02")), Some((2, DunningTask::Courtesy)));
        found.dunning_level = 2;
        found.dunned_on = Some(day("2026-06-02"));
        assert_eq!(level_of(&on(&found, "2026-06-04")), None);
        assert_eq!(level_of(&on(&found, "2026-06-05")), Some((3, DunningTask::First)));
    }

    #[test]
    fn disputes_and_small_amounts_and_missing_dates_are_left_alone_with_their_reason() {
        let mut it = item(0, None);
        it.disputed = true;
        assert_eq!(on(&it, "2026-06-01"), DunningProposal::Leave(DunningObstacle::Disputed));
        it.disputed = false;
        it.principal = Decimal::new(99, 2);
        assert!(matches!(
            on(&it, "2026-06-01"),
            DunningProposal::Leave(DunningObstacle::BelowMinimum { .. })
        ));
        it.principal = Decimal::ONE;
        assert!(level_of(&on(&it, "2026-06-01")).is_some());
        it.due_on = None;
        assert_eq!(
            on(&it, "2026-06-01"),
            DunningProposal::Leave(DunningObstacle::NoDueDate)
        );
        it.principal = Decimal::ZERO;
        assert_eq!(on(&it, "2026-06-01"), DunningProposal::Leave(DunningObstacle::Settled));
    }

    #[test]
    fn interest_and_costs_are_reminded_of_after_the_principal_is_paid() {
        let mut it = item(0, None);
        it.principal = Decimal::ZERO;
        it.interest = 40.into();
        it.costs = 10.into();
        let DunningProposal::Raise(raise) = on(&it, "2026-03-05") else {
            panic!("interest and costs stay owed")
        };
        assert_eq!(raise.open.to_string(), "CNY 50");
        assert_eq!(raise.days_late, 3);
    }

    #[test]
    fn a_running_promise_holds_reminders_back_only_for_what_it_is_about() {
        let promise = |invoice: Option<&str>| Promise {
            note: DocumentId::from_bytes([1; 16]),
            made_on: day("2026-03-03"),
            due: day("2026-03-10"),
            amount: Money::new(1000.into(), Currency::CNY),
            invoice_number: invoice.map(str::to_owned),
        };
        let policy = DunningPolicy::default();
        let proposed = |invoice, as_of| {
            let results = evaluate(&[promise(invoice)], &[], &PromisePolicy::default(), day(as_of));
            propose(&item(0, None), &results, &policy, day(as_of))
        };
        let held = DunningProposal::Leave(DunningObstacle::PromiseRunning { due: day("2026-03-10") });
        assert_eq!(proposed(None, "2026-03-11"), held);
        assert_eq!(proposed(Some("F-1"), "2026-03-11"), held);
        assert!(level_of(&proposed(Some("F-2"), "2026-03-11")).is_some());
        assert!(level_of(&proposed(None, "2026-03-12")).is_some(), "broken by then");
    }

    #[test]
    fn an_approved_extension_moves_the_next_level() {
        let mut it = item(2, Some("2026-03-03"));
        it.due_on = Some(day("2026-04-01"));
        assert_eq!(
            on(&it, "2026-03-20"),
            DunningProposal::Leave(DunningObstacle::TooEarly {
                from: day("2026-04-08")
            })
        );
    }

    #[test]
    fn the_customers_level_is_the_highest_of_what_is_open() {
        let mut paid = item(5, None);
        paid.principal = Decimal::ZERO;
        assert_eq!(customer_level(&[item(1, None), item(3, None), paid]), 3);
        assert_eq!(customer_level(&[]), 0);
    }

    #[test]
    fn the_reason_is_a_sentence_in_both_languages() {
        let DunningProposal::Raise(raise) = on(&item(1, Some("2026-02-27")), "2026-03-03") else {
            panic!("the courtesy is due")
        };
        let sentence = raise.sentence();
        assert_eq!(
            sentence.english,
            "Level 2: CNY 1000 is 1 day overdue; have a friendly word."
        );
        assert_eq!(sentence.chinese, "第 2 级：CNY 1000 逾期 1 天，友好提醒。");
    }
}
