//! Days that people type: plans, promises, next steps. What is refused depends on the document alone, so that phone and
//! server agree, and never on a clock of the moment; a phone whose clock is wrong by years must still be able to record.

use chrono::{Datelike as _, NaiveDate};

use super::{InvalidField, Timestamp};

/// The years in which a day that somebody typed may lie. Wide enough for a phone whose clock is years off, which must
/// still be able to record; a plan outside is a slip of the finger on any clock. Phone and server must agree, so the
/// bounds are constants and not so many years from today; the last one is to be moved long before it is reached.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2049;

pub(crate) fn check_day(field: &str, day: Option<NaiveDate>) -> Result<(), InvalidField> {
    match day {
        Some(day) if !YEARS.contains(&day.year()) => Err(InvalidField::new(
            field,
            format!(
                "{day} is not a day that anybody plans for; it must lie in the years {} to {}",
                YEARS.start(),
                YEARS.end()
            ),
        )),
        _ => Ok(()),
    }
}

/// A promise this much before its note's day is a slip of the finger, in days. One further back says that the phone's
/// clock runs ahead by more than a year, and a phone with a wrong clock must still be able to record.
const SLIP_DAYS: i64 = 366;
/// Longest time to which a promise may reach beyond its note's day, in days: ten years.
const LONGEST_DAYS: i64 = 3_653;
/// A clock before this year was reset, as by an empty battery, and says nothing about the day.
const RESET_BEFORE: i32 = 2024;

/// Checks that a promised day lies not before the note's and not decades after it. The note's day is only known to a
/// day, because the document does not say in which zone it was written: a day before is let through.
pub(crate) fn check_promised_day(due: NaiveDate, made: Timestamp) -> Result<(), InvalidField> {
    let made = made.to_datetime().date_naive();
    if made.year() < RESET_BEFORE {
        return Ok(());
    }
    let days = due.signed_duration_since(made).num_days();
    if (-SLIP_DAYS..-1).contains(&days) {
        let message = format!("{due} lies before the day of the note, {made}; check the date, and the phone's clock");
        return Err(InvalidField::new("promise.due", message));
    }
    if days > LONGEST_DAYS {
        let message = format!("{due} lies more than ten years after the note, {made}");
        return Err(InvalidField::new("promise.due", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rust_decimal::Decimal;

    use crate::model::*;

    fn note(at: &str, due: &str) -> CollectionNote {
        let at: chrono::DateTime<chrono::Utc> = at.parse().unwrap();
        serde_json::from_value(serde_json::json!({
            "customer": CustomerId::from_bytes([1; 16]),
            "rep": UserId::from_bytes([2; 16]),
            "at": Timestamp::from(at),
            "channel": "phone",
            "outcome": "promised",
            "promise": { "amount": Money::new(Decimal::ONE, Currency::CNY), "due": due },
        }))
        .unwrap()
    }

    #[test]
    fn a_promise_lies_on_the_notes_day_or_after_it_and_not_decades_away() {
        for (due, fits) in [
            ("2026-03-02", true),
            // It was the second already east of Greenwich, or still the first west of it.
            ("2026-03-01", true),
            ("2026-02-28", false),
            ("2025-03-02", false),
            ("2036-03-01", true),
            ("2036-03-04", false),
            ("2062-03-02", false),
            ("1999-12-31", false),
            ("+262142-12-31", false),
        ] {
            let checked = note("2026-03-02T04:00:00Z", due).validate();
            assert_eq!(checked.is_ok(), fits, "{due}");
            if let Err(error) = checked {
                assert_eq!(error.field, "promise.due");
            }
        }
    }

    #[test]
    fn a_phone_whose_clock_is_wrong_by_years_can_still_record_a_promise() {
        for clock in [
            "1970-01-01T00:00:10Z",
            "2000-01-01T08:00:00Z",
            "2024-05-01T08:00:00Z",
            "2031-05-01T08:00:00Z",
            "2099-05-01T08:00:00Z",
        ] {
            note(clock, "2026-03-09").validate().unwrap();
        }
        for at in [i64::MIN, i64::MAX] {
            let note = CollectionNote {
                at: Timestamp::from_millis(at),
                ..note("2026-03-02T04:00:00Z", "2026-03-09")
            };
            note.validate().unwrap();
        }
    }

    #[test]
    fn a_next_step_decades_away_is_refused_by_name() {
        let mut note = note("2026-03-02T04:00:00Z", "2026-03-09");
        note.next_step = Some(NextStep {
            what: "call".to_owned(),
            due: "2062-03-09".parse().ok(),
        });
        assert_eq!(note.validate().unwrap_err().field, "next_step.due");
    }
}
