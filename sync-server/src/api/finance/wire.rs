//! What is read from requests, strictly: an amount is text with a currency and never a float, and a field that nobody knows
//! is refused by its name.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use fieldledger_core::model::{Currency, DueOffset, DueRule, DueStart, InvalidField};
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, Visitor},
};
use utoipa::ToSchema;

use crate::error::ApiError;

/// Most digits that a number may have: those that a decimal keeps without rounding.
const MAX_DIGITS: usize = 28;

/// A decimal number as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "5700.00", pattern = r"^-?[0-9]+(\.[0-9]+)?$")]
pub(super) struct Number(pub(super) Decimal);

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(format!(
                "{text:?} is not a number such as \"5700.00\": digits with a point before the decimals and nothing else"
            ));
        }
        let count = digits.bytes().filter(u8::is_ascii_digit).count();
        if count > MAX_DIGITS {
            return Err(format!("has {count} digits, at most {MAX_DIGITS} are kept"));
        }
        Decimal::from_str_exact(text)
            .map(Self)
            .map_err(|_| format!("{text:?} has more digits than are kept"))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text, such as \"5700.00\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A calendar date in the company's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-03-02")]
pub(super) struct Day(pub(super) NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A date as anybody would read it: chrono takes `+262142-1-1` too.
        let shape = text.len() == 10 && text.is_ascii();
        text.parse()
            .ok()
            .filter(|_| shape)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a date such as 2026-03-02")))
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Money {
    /// How much, in major units.
    pub(super) amount: Number,
    /// ISO 4217 code.
    #[schema(value_type = String, example = "CNY", pattern = "^[A-Z]{3}$")]
    pub(super) currency: Currency,
}

impl From<Money> for fieldledger_core::model::Money {
    fn from(it: Money) -> Self {
        Self::new(it.amount.0, it.currency)
    }
}

impl From<fieldledger_core::model::Money> for Money {
    fn from(it: fieldledger_core::model::Money) -> Self {
        // Written with the decimals of its currency.
        let rounded = it.rounded();
        Self {
            amount: Number(if rounded.amount == it.amount {
                rounded.amount
            } else {
                it.amount
            }),
            currency: it.currency,
        }
    }
}

/// When something is due after an event: exactly one of `days`, `months` and `end_of_month`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AfterEvent {
    /// `contract`, `order`, `delivery`, `acceptance` or `invoice`.
    #[schema(value_type = String, example = "delivery")]
    from: DueStart,
    /// So many natural days, the day of the event not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// The corresponding day so many months later, or that month's last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    months: Option<u32>,
    /// The end of the event's month, then so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_of_month: Option<u32>,
}

impl AfterEvent {
    pub(super) fn rule(self, field: &str) -> Result<DueRule, InvalidField> {
        let offset = match (self.days, self.months, self.end_of_month) {
            (Some(days), None, None) => DueOffset::Days(days),
            (None, Some(months), None) => DueOffset::Months(months),
            (None, None, Some(days)) => DueOffset::EndOfMonth(days),
            _ => {
                return Err(InvalidField::new(
                    field,
                    "say exactly one of days, months and end_of_month",
                ));
            }
        };
        Ok(DueRule {
            from: self.from,
            offset,
        })
    }
}

impl From<DueRule> for AfterEvent {
    fn from(rule: DueRule) -> Self {
        let mut after = Self {
            from: rule.from,
            days: None,
            months: None,
            end_of_month: None,
        };
        match rule.offset {
            DueOffset::Days(days) => after.days = Some(days),
            DueOffset::Months(months) => after.months = Some(months),
            DueOffset::EndOfMonth(days) => after.end_of_month = Some(days),
        }
        after
    }
}

/// Reads a body. What is no JSON is malformed; JSON that is not what the route takes is refused by the name of the field.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // The fields by their places would be a form too, to the reader of JSON.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::invalid_field(InvalidField::new(
            "body",
            "must be an object with fields",
        )));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if !inner.is_data() {
            return ApiError::malformed(format!("the body is not JSON: {inner}"));
        }
        let message = inner.to_string();
        ApiError::invalid_field(InvalidField::new(field_of(&path, &message), without_place(&message)))
    })?;
    reader
        .end()
        .map_err(|error| ApiError::malformed(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// The field that an error is about. Of one that is missing or not known the path is that of the object around it.
fn field_of(path: &str, message: &str) -> String {
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split_once('`'))
        .map(|(name, _)| name);
    let last = path.rsplit('.').next().unwrap_or_default();
    match named {
        Some(name) if last == name => path.to_owned(),
        Some(name) if path == "." => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None if path == "." => "body".to_owned(),
        None => path.to_owned(),
    }
}

/// Where in the text it was is of no use once the field is named.
fn without_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[allow(dead_code)]
        number: String,
        total: Money,
        #[serde(default)]
        #[allow(dead_code)]
        parts: Vec<Part>,
        #[allow(dead_code)]
        day: Option<Day>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[allow(dead_code)]
        quantity: Number,
    }

    fn refused(json: &str) -> (u16, Option<String>) {
        let error = read::<Form>(json.as_bytes()).unwrap_err();
        (error.status.as_u16(), error.field)
    }

    #[test]
    fn an_amount_is_text_of_at_most_28_digits() {
        for (text, value) in [
            ("5700.00", "5700.00"),
            ("0", "0"),
            ("-1", "-1"),
            ("007", "7"),
            ("1234567890123456789012345678", "1234567890123456789012345678"),
            ("0.0000000000000000000000000001", ""),
            ("12345678901234567890123456789", ""),
            ("1e3", ""),
            ("1,000", ""),
            ("1.", ""),
            (".5", ""),
            ("+1", ""),
            (" 1", ""),
            ("", ""),
            ("-", ""),
            ("１", ""),
            ("NaN", ""),
        ] {
            let read = text.parse::<Number>().ok().map(|it| it.0.to_string());
            assert_eq!(read.unwrap_or_default(), value, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_the_name_of_the_field() {
        let good = r#"{"number":"1","total":{"amount":"1.50","currency":"CNY"},"parts":[{"quantity":"2"}],"day":"2026-03-02"}"#;
        let form: Form = read(good.as_bytes()).unwrap();
        assert_eq!(fieldledger_core::model::Money::from(form.total).to_string(), "CNY 1.50");
        for (from, to, field) in [
            (r#""1.50""#, "1.50", "total.amount"),
            (r#""1.50""#, "150", "total.amount"),
            (r#""1.50""#, r#""1,5""#, "total.amount"),
            ("CNY", "cny", "total.currency"),
            ("CNY", "YUAN", "total.currency"),
            (r#""currency":"CNY""#, r#""currency":"CNY","of":"x""#, "total.of"),
            (r#","currency":"CNY""#, "", "total.currency"),
            (r#""number":"1""#, r#""number":"1","colour":"red""#, "colour"),
            (r#""number":"1","#, "", "number"),
            (r#""number":"1""#, r#""number":"1","number":"2""#, "number"),
            (r#""number":"1""#, r#""number":1"#, "number"),
            (r#""2""#, "2", "parts[0].quantity"),
            (r#""quantity":"2""#, r#""quantity":"2","price":"1""#, "parts[0].price"),
            ("2026-03-02", "2026-02-30", "day"),
            ("2026-03-02", "+12026-03-02", "day"),
            ("2026-03-02", "2026-3-2", "day"),
            ("2026-03-02", "02.03.2026", "day"),
        ] {
            let json = good.replacen(from, to, 1);
            assert_ne!(json, good, "{from}");
            assert_eq!(refused(&json), (422, Some(field.to_owned())), "{json}");
        }
        for list in ["[]", r#" ["1",{"amount":"1","currency":"CNY"},[],null]"#] {
            assert_eq!(refused(list), (422, Some("body".to_owned())), "{list}");
        }
        assert_eq!(refused("7"), (422, Some("body".to_owned())));
        for broken in ["", "{", "<html>", "nonsense", &format!("{good} x")] {
            assert_eq!(refused(broken), (400, None), "{broken}");
        }
    }

    #[test]
    fn a_rule_has_exactly_one_offset() {
        let rule = |json: &str| read::<AfterEvent>(json.as_bytes()).unwrap().rule("due");
        let months = rule(r#"{"from":"acceptance","months":3}"#).unwrap();
        assert_eq!(
            (months.from, months.offset),
            (DueStart::Acceptance, DueOffset::Months(3))
        );
        assert_eq!(rule(r#"{"from":"delivery"}"#).unwrap_err().field, "due");
        assert_eq!(
            rule(r#"{"from":"delivery","days":1,"months":1}"#).unwrap_err().field,
            "due"
        );
        assert_eq!(AfterEvent::from(months).rule("due"), Ok(months));
    }
}
