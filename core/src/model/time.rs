use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use super::zone;

/// A moment in time, to the millisecond. Which clock it was read from is said where it is used: a phone's clock may be
/// wrong by years.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// This moment moved by `millis` milliseconds, stopping at the ends of the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
    /// Milliseconds from `earlier` to this moment, negative when it lies after.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    /// The same moment as a date and time; a moment outside chrono's range becomes the nearest one inside.
    pub fn to_datetime(self) -> DateTime<Utc> {
        let nearest = if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        };
        Utc.timestamp_millis_opt(self.0).single().unwrap_or(nearest)
    }
    /// The calendar date of this moment in `zone`.
    pub fn date_in(self, zone: chrono_tz::Tz) -> chrono::NaiveDate {
        self.local_in(zone).date()
    }
    /// What the clocks of `zone` show at this moment. At the very ends of chrono's range, where local time would lie outside
    /// it, the nearest there is.
    pub fn local_in(self, zone: chrono_tz::Tz) -> chrono::NaiveDateTime {
        zone::local(self, zone)
    }
    /// The first moment at which the clocks of `zone` show this. What they skip is counted on from before: half past two
    /// becomes half past three when they are put forward at two.
    pub fn from_local(shown: chrono::NaiveDateTime, zone: chrono_tz::Tz) -> Self {
        zone::moment(shown, zone)
    }
    /// When a day begins in `zone`; where the clocks skip midnight, when they do.
    pub fn midnight(day: chrono::NaiveDate, zone: chrono_tz::Tz) -> Self {
        Self::from_local(day.and_time(chrono::NaiveTime::MIN), zone)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<C> minicbor::Encode<C> for Timestamp {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.i64(self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Timestamp {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.i64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_wrong_by_ages_neither_panics_nor_wraps() {
        for millis in [i64::MIN, -1, 0, 1, i64::MAX] {
            let time = Timestamp::from_millis(millis);
            assert!(!time.to_string().is_empty());
            let _ = time.date_in(chrono_tz::Asia::Shanghai);
            let _ = time
                .plus_millis(i64::MAX)
                .millis_since(Timestamp::from_millis(i64::MIN));
        }
    }

    #[test]
    fn the_date_is_taken_in_the_organisations_zone() {
        let late = Timestamp::from_millis(1_767_198_600_000); // 2025-12-31T16:30:00Z
        assert_eq!(late.date_in(chrono_tz::UTC).to_string(), "2025-12-31");
        assert_eq!(late.date_in(chrono_tz::Asia::Shanghai).to_string(), "2026-01-01");
    }
}
