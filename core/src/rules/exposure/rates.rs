//! Conversion to the limit's currency at the credit rate of the day.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::model::{CreditRate, Currency, InvalidMoney, Money};

/// Why an exposure cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExposureError {
    /// No rate holds on the day: nothing is ever added unconverted.
    #[error("there is no credit rate from {from} to {to} that holds on {day}; enter one in the policy")]
    MissingRate {
        /// The currency of an amount.
        from: Currency,
        /// The limit's currency.
        to: Currency,
        /// The day.
        day: NaiveDate,
    },
    /// Amounts cannot be added.
    #[error(transparent)]
    Money(#[from] InvalidMoney),
}

/// The credit rates as they hold on a day.
#[derive(Clone, Copy, Debug)]
pub struct DayRates<'r> {
    /// Every rate, in the order of recording.
    pub rates: &'r [CreditRate],
    /// The day.
    pub day: NaiveDate,
}

impl DayRates<'_> {
    /// `money` in `to`, rounded to its minor unit: by the newest rate between the two that is not after the day, by its
    /// inverse when only the other direction was entered. Of two rates of one day the one recorded last holds.
    ///
    /// # Errors
    /// [`ExposureError::MissingRate`] naming both currencies; [`InvalidMoney::Overflow`].
    pub fn convert(&self, money: Money, to: Currency) -> Result<Money, ExposureError> {
        if money.currency == to {
            return Ok(money);
        }
        let converted = if let Some(rate) = self.newest(money.currency, to) {
            money.amount.checked_mul(rate)
        } else if let Some(rate) = self.newest(to, money.currency) {
            money.amount.checked_div(rate)
        } else {
            return Err(ExposureError::MissingRate {
                from: money.currency,
                to,
                day: self.day,
            });
        };
        let amount = converted.ok_or(InvalidMoney::Overflow)?;
        Ok(Money::new(amount, to).rounded())
    }

    fn newest(&self, from: Currency, to: Currency) -> Option<Decimal> {
        // `max_by_key` returns the last of equal ones, which is the one recorded last.
        self.rates
            .iter()
            .filter(|it| it.from == from && it.to == to && it.on <= self.day && it.rate > Decimal::ZERO)
            .max_by_key(|it| it.on)
            .map(|it| it.rate)
    }
}

/// Amounts that are kept apart by currency until they are converted, so that each currency is rounded once.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums(BTreeMap<Currency, Decimal>);

impl Sums {
    pub(super) fn add(&mut self, money: Money) -> Result<(), InvalidMoney> {
        let sum = self.0.entry(money.currency).or_default();
        *sum = sum.checked_add(money.amount).ok_or(InvalidMoney::Overflow)?;
        Ok(())
    }

    pub(super) fn converted(&self, rates: &DayRates<'_>, to: Currency) -> Result<Money, ExposureError> {
        self.0.iter().try_fold(Money::zero(to), |sum, (currency, amount)| {
            let part = rates.convert(Money::new(*amount, *currency), to)?;
            Ok(sum.checked_add(part)?)
        })
    }
}
