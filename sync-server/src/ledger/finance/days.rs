//! Days that may be written: none in closed books, and nothing that happened lies ahead.

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{InvalidField, Policy, Timestamp, check_date};

use super::Draft;

/// How far ahead a bank's value date may lie, in days. Further ahead is a slip of the keyboard.
const VALUE_DATE_AHEAD: u64 = 366;

/// Today in the company's zone.
pub(super) fn today(draft: &Draft, now: Timestamp) -> NaiveDate {
    now.date_in(draft.ledger().organisation.time_zone)
}

/// The day that what is done now counts from: today, or the first open day when the books of today are closed already.
pub(super) fn posting_day(draft: &Draft, now: Timestamp) -> NaiveDate {
    let today = today(draft, now);
    opens(&draft.ledger().policy).map_or(today, |opens| opens.max(today))
}

/// The first day of the books that is open.
fn opens(policy: &Policy) -> Option<NaiveDate> {
    policy.books_closed_until.and_then(|day| day.succ_opt())
}

/// Refuses a day that is out of range or in closed books.
pub(super) fn check_open(policy: &Policy, field: &str, day: NaiveDate) -> Result<(), InvalidField> {
    check_date(field, day)?;
    match (policy.books_closed_until, opens(policy)) {
        (Some(closed), Some(opens)) if day <= closed => Err(InvalidField::new(
            field,
            format!("{day} lies in closed books; they are closed until {closed} and open from {opens}"),
        )),
        _ => Ok(()),
    }
}

/// The day a document counts from, where that is not its own: `posted_on` when it is given, else its own day, which must be
/// open then. A document never counts before its own day.
pub(super) fn counted_from(
    policy: &Policy,
    field: &str,
    own: NaiveDate,
    posted_on: Option<NaiveDate>,
) -> Result<Option<NaiveDate>, InvalidField> {
    check_date(field, own)?;
    let Some(posted) = posted_on else {
        check_open(policy, field, own)
            .map_err(|it| InvalidField::new(it.field, format!("{}; say a later day in posted_on", it.message)))?;
        return Ok(None);
    };
    check_open(policy, "posted_on", posted)?;
    if posted < own {
        return Err(InvalidField::new(
            "posted_on",
            format!("lies before {own}, the document's own day"),
        ));
    }
    Ok((posted != own).then_some(posted))
}

/// Refuses a document that is to count from a later day than today: until then it would be owed and counted nowhere.
pub(super) fn check_counts_by_now(
    draft: &Draft,
    field: &str,
    counts_from: NaiveDate,
    now: Timestamp,
) -> Result<(), InvalidField> {
    let last = posting_day(draft, now);
    if counts_from > last {
        return Err(InvalidField::new(
            field,
            format!("{counts_from} lies ahead; today is {last}"),
        ));
    }
    Ok(())
}

/// The day on which something happened: the day given, which must be open and not lie ahead, or today.
pub(super) fn happened(
    draft: &Draft,
    field: &str,
    day: Option<NaiveDate>,
    now: Timestamp,
) -> Result<NaiveDate, InvalidField> {
    let Some(day) = day else {
        return Ok(posting_day(draft, now));
    };
    check_open(&draft.ledger().policy, field, day)?;
    check_counts_by_now(draft, field, day, now)?;
    Ok(day)
}

/// Refuses a value date that nobody's bank gives.
pub(super) fn check_value_date(field: &str, day: NaiveDate, today: NaiveDate) -> Result<(), InvalidField> {
    check_date(field, day)?;
    let last = today
        .checked_add_days(Days::new(VALUE_DATE_AHEAD))
        .unwrap_or(NaiveDate::MAX);
    if day > last {
        return Err(InvalidField::new(
            field,
            format!("{day} lies more than a year ahead; today is {today}"),
        ));
    }
    Ok(())
}
