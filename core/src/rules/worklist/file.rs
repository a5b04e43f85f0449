//! The worklist from credit files: a phone ranks a thousand customers from their files' sums by due date, without
//! reading every invoice.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::DunningOfInterest;
use crate::{
    model::{CreditFile, Currency, DunningPolicy, InvalidMoney, Money},
    rules::{
        books::OpenItem,
        dunning::{self, DunningProposal},
        promises::PromiseResult,
    },
};

/// The open items of a credit file: one for each of its sums, which are in the limit's currency and name no invoice.
/// `None` when the file does not tell them: one of before, or one that was imported as a few figures.
pub fn items_of_file(file: &CreditFile) -> Option<Vec<OpenItem>> {
    let reached = file.dues.iter().map(|it| it.dunning_level).max().unwrap_or(0);
    if reached != file.dunning_level || (file.dues.is_empty() && file.open_receivables.amount > Decimal::ZERO) {
        return None;
    }
    let item = |due: &crate::model::DueAmount| OpenItem {
        invoice_number: String::new(),
        instalment: 1,
        order_number: None,
        posted_on: due.on.unwrap_or_default(),
        due_on: due.on,
        original_due_on: due.on,
        currency: due.amount.currency,
        amount: due.amount.amount,
        principal: due.amount.amount,
        interest: Decimal::ZERO,
        costs: Decimal::ZERO,
        disputed: due.disputed,
        dunning_level: due.dunning_level,
        dunned_on: due.dunned_on,
        retention: false,
    };
    Some(file.dues.iter().map(item).collect())
}

/// What the ladder asks for today, by level: items whose level is to be raised, and items that have reached a level since
/// anybody last spoke to the customer (`spoken_on`), for which the step is still to be done. A level to be raised waits
/// until tomorrow when somebody has spoken to the customer today.
///
/// # Errors
/// [`InvalidMoney`] when `converted` knows no rate to `currency`, or a sum overflows.
pub fn dunning_of_today(
    items: &[OpenItem],
    promises: &[PromiseResult],
    policy: &DunningPolicy,
    as_of: NaiveDate,
    spoken_on: Option<NaiveDate>,
    currency: Currency,
    converted: impl Fn(Money) -> Result<Money, InvalidMoney>,
) -> Result<Vec<DunningOfInterest>, InvalidMoney> {
    let mut steps: Vec<DunningOfInterest> = Vec::new();
    for item in items {
        let Some(step) = step_of(item, promises, policy, as_of, spoken_on) else {
            continue;
        };
        let open = if step.open.currency == currency {
            step.open
        } else {
            converted(step.open)?
        };
        match steps
            .iter_mut()
            .find(|it| it.level == step.level && it.task == step.task)
        {
            Some(sum) => sum.open = sum.open.checked_add(open)?,
            None => steps.push(DunningOfInterest { open, ..step }),
        }
    }
    Ok(steps)
}

fn step_of(
    item: &OpenItem,
    promises: &[PromiseResult],
    policy: &DunningPolicy,
    as_of: NaiveDate,
    spoken_on: Option<NaiveDate>,
) -> Option<DunningOfInterest> {
    if let DunningProposal::Raise(raise) = dunning::propose(item, promises, policy, as_of) {
        return (spoken_on < Some(as_of)).then(|| (&raise).into());
    }
    // Reached, and nobody has spoken to the customer since.
    item.dunned_on.filter(|on| *on <= as_of && spoken_on < Some(*on))?;
    let rung = usize::from(item.dunning_level).checked_sub(1)?;
    let step = policy.ladder.get(rung)?;
    let open = Money::new(item.open(), item.currency);
    let hindered = item.disputed || dunning::running_promise(item, promises).is_some();
    let worth_it = open.amount > Decimal::ZERO && open.amount >= policy.minimum;
    (worth_it && !hindered).then_some(DunningOfInterest {
        level: item.dunning_level,
        task: step.task,
        open,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{CustomerId, DueAmount, DunningTask, Timestamp};
    use crate::rules::worklist::Overdue;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn cny(amount: i64) -> Money {
        Money::new(amount.into(), Currency::CNY)
    }

    fn due(on: &str, amount: i64, level: u8, dunned_on: Option<&str>) -> DueAmount {
        DueAmount {
            on: Some(day(on)),
            amount: cny(amount),
            largest: cny(amount),
            disputed: false,
            dunning_level: level,
            dunned_on: dunned_on.map(day),
        }
    }

    fn file(dues: Vec<DueAmount>) -> CreditFile {
        let mut file = CreditFile::new(
            CustomerId::from_bytes([1; 16]),
            Timestamp::from_millis(0),
            Currency::CNY,
        );
        file.open_receivables = cny(dues.iter().map(|it| i64::try_from(it.amount.amount).unwrap()).sum());
        file.dunning_level = dues.iter().map(|it| it.dunning_level).max().unwrap_or(0);
        file.dues = dues;
        file
    }

    fn steps(file: &CreditFile, as_of: &str, spoken_on: Option<&str>) -> Vec<(u8, DunningTask, Money)> {
        let items = items_of_file(file).unwrap();
        let policy = DunningPolicy::default();
        let spoken_on = spoken_on.map(day);
        dunning_of_today(&items, &[], &policy, day(as_of), spoken_on, Currency::CNY, Ok)
            .unwrap()
            .into_iter()
            .map(|it| (it.level, it.task, it.open))
            .collect()
    }

    #[test]
    fn the_sums_of_a_file_give_what_is_overdue_on_any_later_day() {
        let file = file(vec![due("2026-03-01", 100, 0, None), due("2026-03-05", 30, 0, None)]);
        let items = items_of_file(&file).unwrap();
        let overdue = |as_of| Overdue::of(&items, Currency::CNY, day(as_of), Ok).unwrap();
        assert_eq!(overdue("2026-03-03").amount_days, 200.into());
        let later = overdue("2026-03-07");
        assert_eq!((later.amount, later.amount_days), (cny(130), 660.into()));
        assert_eq!(later.oldest_days, 6);
    }

    #[test]
    fn items_of_one_level_are_one_step_and_a_level_that_was_reached_stays_until_somebody_speaks_to_the_customer() {
        let file = file(vec![
            due("2026-03-01", 100, 0, None),
            due("2026-03-02", 50, 0, None),
            due("2026-02-20", 7, 3, Some("2026-03-03")),
        ]);
        // Levels rise by one at a time: those of 1 and 2 March are found late.
        assert_eq!(
            steps(&file, "2026-03-04", None),
            [(1, DunningTask::Reminder, cny(150)), (3, DunningTask::First, cny(7)),]
        );
        assert_eq!(
            steps(&file, "2026-03-04", Some("2026-03-02")).len(),
            2,
            "spoken to before the level was reached"
        );
        assert_eq!(
            steps(&file, "2026-03-04", Some("2026-03-03")),
            [(1, DunningTask::Reminder, cny(150))],
            "done on the day it was reached"
        );
        assert_eq!(steps(&file, "2026-03-04", Some("2026-03-04")), []);
    }

    #[test]
    fn a_file_that_does_not_tell_its_items_is_not_taken_for_one_without_any() {
        let mut old = file(vec![due("2026-03-01", 100, 0, None)]);
        old.dunning_level = 2;
        assert_eq!(items_of_file(&old), None, "levels by due date are newer than this file");
        let mut figures = file(Vec::new());
        assert_eq!(items_of_file(&figures), Some(Vec::new()));
        figures.open_receivables = cny(5);
        assert_eq!(items_of_file(&figures), None);
    }
}
