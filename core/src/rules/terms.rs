//! Terms of payment: due dates, the parts of a price, and the instalments of an invoice under a contract.

use chrono::{Datelike, Days, Months, NaiveDate};
use rust_decimal::Decimal;

use crate::model::{Contract, DueOffset, DueStart, HolidayCalendar, Instalment, InvalidField, Invoice, Money};

/// The events that due dates count from, as far as they are known, each as a date in the organisation's zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The contract was signed.
    pub contract: Option<NaiveDate>,
    /// The order was placed.
    pub order: Option<NaiveDate>,
    /// The goods were signed for.
    pub delivery: Option<NaiveDate>,
    /// The customer accepted the goods.
    pub acceptance: Option<NaiveDate>,
    /// The invoice was written.
    pub invoice: Option<NaiveDate>,
}

impl Events {
    /// The day of one of them; `None` while it has not happened.
    pub fn day_of(&self, start: DueStart) -> Option<NaiveDate> {
        match start {
            DueStart::Contract => self.contract,
            DueStart::Order => self.order,
            DueStart::Delivery => self.delivery,
            DueStart::Acceptance => self.acceptance,
            DueStart::Invoice => self.invoice,
        }
    }
}

/// The due date that follows from an event (DOMAIN §4). The day of the event is not counted; months end on the
/// corresponding day or the month's last; a date on a free day of `holidays` moves to the next working day.
///
/// # Errors
/// [`InvalidField`] on `due.offset` when the date lies beyond the calendar, and on `holidays` when no working day follows
/// within ten years.
pub fn due_on(
    event: NaiveDate,
    offset: DueOffset,
    holidays: Option<&HolidayCalendar>,
) -> Result<NaiveDate, InvalidField> {
    let day = match offset {
        DueOffset::Days(days) => event.checked_add_days(Days::new(days.into())),
        DueOffset::Months(months) => event.checked_add_months(Months::new(months)),
        DueOffset::EndOfMonth(days) => end_of_month(event).and_then(|end| end.checked_add_days(Days::new(days.into()))),
    };
    let day = day.ok_or_else(|| InvalidField::new("due.offset", "the due date lies beyond the calendar"))?;
    match holidays {
        Some(calendar) => next_working_day(day, calendar),
        None => Ok(day),
    }
}

fn end_of_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
}

/// The first working day from `day` on.
///
/// # Errors
/// [`InvalidField`] on `holidays` when there is none within ten years.
pub fn next_working_day(day: NaiveDate, calendar: &HolidayCalendar) -> Result<NaiveDate, InvalidField> {
    day.iter_days()
        .take(3_660)
        .find(|day| calendar.is_working(*day))
        .ok_or_else(|| InvalidField::new("holidays", format!("no working day follows {day} within ten years")))
}

/// Splits an amount by percentages that sum to 100. Each part is rounded half-up to the currency's minor unit, and the
/// last takes what is left, so that the parts always sum to the amount. No part is negative: when rounding has used the
/// amount up (a cent in three parts), later parts are zero.
///
/// # Errors
/// [`InvalidField`] on `amount` when it is negative or too large, and on `percent` when there is no share, one is not
/// above zero, or they do not sum to 100.
pub fn split(amount: Money, percents: &[Decimal]) -> Result<Vec<Decimal>, InvalidField> {
    if amount.amount < Decimal::ZERO {
        return Err(InvalidField::new("amount", "must not be negative"));
    }
    let too_large = || InvalidField::new("amount", "is too large to be split");
    let mut sum = Decimal::ZERO;
    for percent in percents {
        if *percent <= Decimal::ZERO {
            return Err(InvalidField::new("percent", "must be more than zero"));
        }
        sum = sum.checked_add(*percent).ok_or_else(too_large)?;
    }
    let Some((_, most)) = percents.split_last().filter(|_| sum == Decimal::ONE_HUNDRED) else {
        return Err(InvalidField::new(
            "percent",
            format!("the shares sum to {} %, not to 100 %", sum.normalize()),
        ));
    };
    let mut left = amount.amount;
    let mut parts = Vec::with_capacity(percents.len());
    for percent in most {
        let exact = amount.amount.checked_mul(*percent).ok_or_else(too_large)? / Decimal::ONE_HUNDRED;
        let part = Money::new(exact, amount.currency).rounded().amount.min(left);
        parts.push(part);
        left -= part;
    }
    parts.push(left);
    Ok(parts)
}

/// The instalments of an invoice of `amount` under a contract. One whose event has not happened has no due date yet.
///
/// # Errors
/// [`InvalidField`] as [`split`] and [`due_on`] say.
pub fn instalments(
    contract: &Contract,
    amount: Money,
    events: &Events,
    holidays: Option<&HolidayCalendar>,
) -> Result<Vec<Instalment>, InvalidField> {
    let percents: Vec<_> = contract.milestones.iter().map(|it| it.percent).collect();
    let parts = split(amount, &percents)?;
    let mut instalments = Vec::with_capacity(parts.len());
    for ((no, milestone), part) in (1u32..).zip(&contract.milestones).zip(parts) {
        let event = events.day_of(milestone.due.from);
        let due = event
            .map(|event| due_on(event, milestone.due.offset, holidays))
            .transpose()?;
        instalments.push(Instalment {
            rule: Some(milestone.due),
            retention: milestone.retention,
            ..Instalment::new(no, part, due)
        });
    }
    Ok(instalments)
}

/// Fixes the due dates that can be told now that more events are known, such as a delivery that was signed, and moves the
/// invoice's own due date to the last of them. A date that was fixed before stays. Returns how many were fixed.
///
/// # Errors
/// [`InvalidField`] as [`due_on`] says; the invoice is unchanged then.
pub fn fix_due_dates(
    invoice: &mut Invoice,
    events: &Events,
    holidays: Option<&HolidayCalendar>,
) -> Result<usize, InvalidField> {
    let mut fixed = Vec::new();
    for (index, it) in invoice.instalments.iter().enumerate() {
        if let (None, Some(rule)) = (it.due_on, it.rule)
            && let Some(event) = events.day_of(rule.from)
        {
            fixed.push((index, due_on(event, rule.offset, holidays)?));
        }
    }
    for (index, due) in &fixed {
        if let Some(it) = invoice.instalments.get_mut(*index) {
            it.due_on = Some(*due);
        }
    }
    if !fixed.is_empty()
        && let Some(last) = invoice.instalments.iter().filter_map(|it| it.due_on).max()
    {
        invoice.due_on = last;
    }
    Ok(fixed.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::Weekday;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{BreachTerms, Currency, CustomerId, DueRule, Milestone};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn money(text: &str, currency: &str) -> Money {
        Money::new(text.parse().unwrap(), currency.parse().unwrap())
    }

    fn shares(text: &str) -> Vec<Decimal> {
        text.split('/').map(|it| it.parse().unwrap()).collect()
    }

    #[test]
    fn due_dates_of_month_ends_and_leap_days() {
        use DueOffset::{Days, EndOfMonth, Months};
        for (event, offset, due) in [
            ("2026-01-31", Days(30), "2026-03-02"),
            ("2028-01-31", Days(30), "2028-03-01"),
            ("2026-01-31", Days(0), "2026-01-31"),
            ("2025-11-30", Months(3), "2026-02-28"),
            ("2027-11-30", Months(3), "2028-02-29"),
            ("2028-02-29", Months(12), "2029-02-28"),
            ("2026-02-28", Months(1), "2026-03-28"),
            ("2026-08-11", EndOfMonth(60), "2026-10-30"),
            ("2026-08-31", EndOfMonth(0), "2026-08-31"),
            ("2028-02-01", EndOfMonth(1), "2028-03-01"),
            ("2026-12-15", EndOfMonth(31), "2027-01-31"),
        ] {
            assert_eq!(due_on(day(event), offset, None), Ok(day(due)), "{event} {offset:?}");
        }
    }

    #[test]
    fn a_due_date_on_a_holiday_moves_to_the_next_working_day() {
        let october = (1..=7).map(|it| NaiveDate::from_ymd_opt(2026, 10, it).unwrap());
        let mut calendar = HolidayCalendar {
            holidays: october.collect(),
            ..HolidayCalendar::default()
        };
        let due = |calendar: &HolidayCalendar| due_on(day("2026-09-04"), DueOffset::Days(30), Some(calendar)).unwrap();
        assert_eq!(
            due_on(day("2026-09-04"), DueOffset::Days(30), None),
            Ok(day("2026-10-04"))
        );
        assert_eq!(due(&calendar), day("2026-10-08"));
        // A weekend day that is worked takes money; one that is not does not.
        calendar.weekend = vec![Weekday::Sat, Weekday::Sun];
        let saturday = DueOffset::Days(36);
        assert_eq!(
            due_on(day("2026-09-04"), saturday, Some(&calendar)),
            Ok(day("2026-10-12"))
        );
        calendar.working_days.insert(day("2026-10-10"));
        assert_eq!(
            due_on(day("2026-09-04"), saturday, Some(&calendar)),
            Ok(day("2026-10-10"))
        );
    }

    #[test]
    fn a_due_date_beyond_the_calendar_names_its_field() {
        for offset in [
            DueOffset::Days(u32::MAX),
            DueOffset::Months(u32::MAX),
            DueOffset::EndOfMonth(u32::MAX),
        ] {
            assert_eq!(due_on(day("2026-01-31"), offset, None).unwrap_err().field, "due.offset");
        }
        assert_eq!(
            due_on(NaiveDate::MAX, DueOffset::EndOfMonth(0), None)
                .unwrap_err()
                .field,
            "due.offset"
        );
        let no_day = HolidayCalendar {
            weekend: vec![
                Weekday::Mon,
                Weekday::Tue,
                Weekday::Wed,
                Weekday::Thu,
                Weekday::Fri,
                Weekday::Sat,
                Weekday::Sun,
            ],
            ..HolidayCalendar::default()
        };
        let error = due_on(day("2026-01-31"), DueOffset::Days(1), Some(&no_day)).unwrap_err();
        assert_eq!(error.field, "holidays");
    }

    #[test]
    fn prices_are_split_to_the_last_minor_unit() {
        for (amount, currency, percents, parts) in [
            ("100000.00", "CNY", "30/60/10", "30000/60000/10000"),
            ("0.10", "CNY", "30/60/10", "0.03/0.06/0.01"),
            ("0.01", "CNY", "30/60/10", "0/0.01/0"),
            ("0.01", "CNY", "50/50", "0.01/0"),
            ("0.03", "CNY", "20/20/20/20/20", "0.01/0.01/0.01/0/0"),
            ("100", "CNY", "33.33/33.33/33.34", "33.33/33.33/33.34"),
            ("1", "JPY", "30/60/10", "0/1/0"),
            ("101", "JPY", "50/50", "51/50"),
            ("0.005", "KWD", "50/50", "0.003/0.002"),
            ("10.001", "KWD", "30/60/10", "3/6.001/1"),
            ("0", "CNY", "30/70", "0/0"),
            ("7", "CNY", "100", "7"),
        ] {
            assert_eq!(
                split(money(amount, currency), &shares(percents)),
                Ok(shares(parts)),
                "{amount} {currency} by {percents}"
            );
        }
    }

    #[test]
    fn shares_that_are_no_shares_are_refused() {
        for (amount, percents, field) in [
            ("1", "30/60", "percent"),
            ("1", "0/100", "percent"),
            ("1", "-10/110", "percent"),
            ("-1", "50/50", "amount"),
            ("79228162514264337593543950335", "50/50", "amount"),
        ] {
            assert_eq!(split(money(amount, "CNY"), &shares(percents)).unwrap_err().field, field);
        }
        assert_eq!(split(money("1", "CNY"), &[]).unwrap_err().field, "percent");
    }

    proptest! {
        #[test]
        fn parts_are_never_negative_and_sum_to_the_amount(
            cents in 0i64..10_000_000,
            weights in proptest::collection::vec(1u32..1000, 1..12),
            currency in prop::sample::select(vec!["CNY", "JPY", "KWD"]),
        ) {
            let currency: Currency = currency.parse().unwrap();
            let amount = Money::new(Decimal::new(cents, currency.minor_digits()), currency);
            let total: u32 = weights.iter().sum();
            let mut percents: Vec<Decimal> = weights
                .iter()
                .map(|it| (Decimal::from(*it * 100) / Decimal::from(total)).round_dp(6))
                .collect();
            let others: Decimal = percents.iter().skip(1).sum();
            percents[0] = Decimal::ONE_HUNDRED - others;
            prop_assume!(percents.iter().all(|it| *it > Decimal::ZERO));
            let parts = split(amount, &percents).unwrap();
            prop_assert_eq!(parts.iter().sum::<Decimal>(), amount.amount);
            prop_assert!(parts.iter().all(|it| *it >= Decimal::ZERO));
            prop_assert!(parts.iter().all(|it| it.normalize().scale() <= currency.minor_digits()));
        }
    }

    fn contract() -> Contract {
        let milestone = |name: &str, percent: i64, from, offset, retention| Milestone {
            name: name.into(),
            percent: percent.into(),
            due: DueRule { from, offset },
            retention,
        };
        Contract {
            number: "K-7".into(),
            customer: CustomerId::from_bytes([1; 16]),
            signed_on: day("2026-01-05"),
            milestones: vec![
                milestone("prepaid", 30, DueStart::Contract, DueOffset::Days(0), false),
                milestone("after delivery", 60, DueStart::Delivery, DueOffset::Days(30), false),
                milestone("retention", 10, DueStart::Acceptance, DueOffset::Months(3), true),
            ],
            acceptance_criteria: "complete and running".into(),
            breach: BreachTerms::default(),
            review: None,
        }
    }

    #[test]
    fn a_due_date_is_fixed_when_the_delivery_is_signed_and_the_retention_waits_for_the_acceptance() {
        let mut events = Events {
            contract: Some(day("2026-01-05")),
            ..Events::default()
        };
        let amount = money("100000.00", "CNY");
        let mut invoice = Invoice::new("001", contract().customer, day("2026-01-20"), day("2026-01-20"), amount);
        invoice.instalments = instalments(&contract(), amount, &events, None).unwrap();
        let due = |it: &Invoice| it.instalments.iter().map(|it| it.due_on).collect::<Vec<_>>();
        assert_eq!(due(&invoice), [Some(day("2026-01-05")), None, None]);
        assert!(invoice.instalments[2].retention);
        invoice.validate().unwrap();

        events.delivery = Some(day("2026-01-31"));
        assert_eq!(fix_due_dates(&mut invoice, &events, None), Ok(1));
        assert_eq!(due(&invoice), [Some(day("2026-01-05")), Some(day("2026-03-02")), None]);
        assert_eq!(invoice.due_on, day("2026-03-02"));

        events.acceptance = Some(day("2026-02-28"));
        events.delivery = Some(day("2026-02-01"));
        assert_eq!(fix_due_dates(&mut invoice, &events, None), Ok(1));
        assert_eq!(
            due(&invoice),
            [
                Some(day("2026-01-05")),
                Some(day("2026-03-02")),
                Some(day("2026-05-28"))
            ],
            "a date that was fixed stays"
        );
        assert_eq!(fix_due_dates(&mut invoice, &events, None), Ok(0));
    }
}
