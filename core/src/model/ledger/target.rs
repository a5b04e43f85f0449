//! What a rep is to reach in a month.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::model::{Currency, InvalidField, Money, SANE_YEARS, Timestamp, UserId, check_named, check_some_amount};

/// A month of the calendar, written `2026-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// The month in which `day` lies.
    pub fn of(day: NaiveDate) -> Self {
        Self(day.with_day(1).unwrap_or(day))
    }

    /// Its first day.
    pub const fn first(self) -> NaiveDate {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> NaiveDate {
        let next = self.0.checked_add_months(Months::new(1));
        next.and_then(|it| it.pred_opt()).unwrap_or(NaiveDate::MAX)
    }

    /// The month before it.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.checked_sub_months(Months::new(1)).unwrap_or(self.0))
    }

    /// The month after it.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

impl FromStr for Month {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        let wrong = || InvalidField::new("month", format!("{text:?} is no month such as 2026-03"));
        if text.len() != 7 {
            return Err(wrong());
        }
        let first: NaiveDate = format!("{text}-01").parse().map_err(|_| wrong())?;
        if !SANE_YEARS.contains(&first.year()) {
            return Err(wrong());
        }
        Ok(Self(first))
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a rep is to reach in a month. What is left out is no target. People set it; figures are only put beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Target {
    /// Whose.
    pub rep: UserId,
    /// In which month.
    pub month: Month,
    /// Visits made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visits: Option<u32>,
    /// Invoiced to the rep's customers, less credit notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales: Option<Money>,
    /// Money that came from the rep's customers, by value date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<Money>,
    /// Who set it.
    pub set_by: UserId,
    /// When.
    pub set_at: Timestamp,
    /// Why it is so, or was changed.
    pub reason: String,
}

/// Most visits that may be asked for in a month: more is a slip of the keyboard.
const MOST_VISITS: u32 = 10_000;

impl Target {
    /// Name of the record: one for each rep and month.
    pub fn key(&self) -> String {
        format!("{}:{}", self.rep, self.month)
    }

    /// Checks everything that a form would check before saving. Amounts are in the currency of the books, which is the
    /// one in which they are compared with what was reached.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field and what is wrong with it.
    pub fn validate(&self, books: Currency) -> Result<(), InvalidField> {
        if self.visits.is_some_and(|it| it > MOST_VISITS) {
            return Err(InvalidField::new("visits", format!("must be at most {MOST_VISITS}")));
        }
        for (field, amount) in [("sales", self.sales), ("collected", self.collected)] {
            let Some(amount) = amount else { continue };
            if amount.currency != books {
                return Err(InvalidField::new(
                    field,
                    format!("has to be in {books}, as the books are"),
                ));
            }
            check_some_amount(field, amount.amount, amount.currency)?;
        }
        check_named("reason", &self.reason)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_month_knows_its_days_and_its_neighbours() {
        let february: Month = "2028-02".parse().unwrap();
        assert_eq!(february.first().to_string(), "2028-02-01");
        assert_eq!(february.last().to_string(), "2028-02-29");
        assert_eq!(february.before().to_string(), "2028-01");
        assert_eq!("2027-12".parse::<Month>().unwrap().after().to_string(), "2028-01");
        assert_eq!(Month::of(february.last()), february);
        for text in ["", "2028", "2028-2", "2028-13", "0028-02", "2028-02-01", "二零二八-0"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_is_read_as_it_was_written_and_has_to_make_sense() {
        let target = Target {
            rep: UserId::from_bytes([1; 16]),
            month: "2026-03".parse().unwrap(),
            visits: Some(40),
            sales: None,
            collected: Some(Money::new(5_000.into(), Currency::CNY)),
            set_by: UserId::from_bytes([2; 16]),
            set_at: Timestamp::from_millis(1),
            reason: "as last year".to_owned(),
        };
        let text = serde_json::to_string(&target).unwrap();
        assert!(text.contains("\"month\":\"2026-03\""), "{text}");
        assert_eq!(serde_json::from_str::<Target>(&text).unwrap(), target);
        target.validate(Currency::CNY).unwrap();
        let wrong = |target: Target, books| target.validate(books).unwrap_err().field;
        assert_eq!(wrong(target.clone(), Currency::USD), "collected");
        let nothing = Target {
            reason: " ".to_owned(),
            ..target.clone()
        };
        assert_eq!(wrong(nothing, Currency::CNY), "reason");
        let many = Target {
            visits: Some(1_000_000),
            ..target
        };
        assert_eq!(wrong(many, Currency::CNY), "visits");
    }
}
