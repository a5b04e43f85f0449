use std::{fmt, str::FromStr};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// An amount or currency that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// A currency is three capital letters (ISO 4217).
    #[error("{0:?} is not a currency code of three letters such as CNY")]
    Currency(String),
    /// Amounts of two currencies are never added unconverted.
    #[error("{0} and {1} cannot be added without a rate")]
    MixedCurrencies(Currency, Currency),
    /// The sum has more than 28 digits.
    #[error("the amount is too large")]
    Overflow,
}

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The renminbi.
    pub const CNY: Self = Self(*b"CNY");
    /// The US dollar.
    pub const USD: Self = Self(*b"USD");

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many decimals the currency's minor unit has (ISO 4217): 0 for JPY, 3 for KWD, else 2.
    pub fn minor_digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidMoney;
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(InvalidMoney::Currency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A decimal amount in a currency. Never a float.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Money {
    /// How much, in major units (yuan, not fen).
    pub amount: Decimal,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// `amount` of `currency`.
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }
    /// Nothing of `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self {
            amount: Decimal::ZERO,
            currency,
        }
    }
    /// The sum.
    ///
    /// # Errors
    /// [`InvalidMoney::MixedCurrencies`] and [`InvalidMoney::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, InvalidMoney> {
        if self.currency != other.currency {
            return Err(InvalidMoney::MixedCurrencies(self.currency, other.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(InvalidMoney::Overflow)?;
        Ok(Self { amount, ..self })
    }
    /// Rounded half-up (away from zero) to the currency's minor unit, as every line is, once.
    #[must_use]
    pub fn rounded(self) -> Self {
        let digits = self.currency.minor_digits();
        let mut amount = self
            .amount
            .round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
        amount.rescale(digits);
        Self { amount, ..self }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.amount)
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money::new(amount.parse().unwrap(), currency.parse().unwrap())
    }

    #[test]
    fn rounding_is_half_up_to_the_minor_unit_of_each_currency() {
        assert_eq!(money("1.005", "CNY").rounded().to_string(), "CNY 1.01");
        assert_eq!(money("-1.005", "CNY").rounded().to_string(), "CNY -1.01");
        assert_eq!(money("1.5", "JPY").rounded().to_string(), "JPY 2");
        assert_eq!(money("1.0005", "KWD").rounded().to_string(), "KWD 1.001");
        assert_eq!(money("3", "CNY").rounded().to_string(), "CNY 3.00");
    }

    #[test]
    fn currencies_are_never_mixed() {
        assert!(money("1", "CNY").checked_add(money("1", "USD")).is_err());
        assert!(
            money("79228162514264337593543950335", "CNY")
                .checked_add(money("1", "CNY"))
                .is_err()
        );
        assert!("cny".parse::<Currency>().is_err());
        assert!("¥元".parse::<Currency>().is_err());
    }

    #[test]
    fn an_amount_is_written_as_text_to_the_last_digit() {
        let json = serde_json::to_string(&money("0.10", "CNY")).unwrap();
        assert_eq!(json, r#"{"amount":"0.10","currency":"CNY"}"#);
    }
}
