//! Checks that need more than the record itself.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{CreditLimit, Currency, InvalidField, Money, OrganisationProfile, Policy, check_some_amount},
    rules::exposure::{DayRates, ExposureError},
};

use crate::store::CustomerLedger;

/// Longest number of a document, in characters.
pub const MAX_NUMBER: usize = 100;

/// Refuses what cannot be a document's number: it is shown on one line, typed and compared as it is written.
pub(super) fn check_number(field: &str, text: &str) -> Result<(), InvalidField> {
    let length = text.chars().count();
    if length == 0 || length > MAX_NUMBER {
        return Err(InvalidField::new(
            field,
            format!("must have 1 to {MAX_NUMBER} characters"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidField::new(field, "must be one line of text"));
    }
    if text.trim() != text {
        return Err(InvalidField::new(field, "must not begin or end with a blank"));
    }
    Ok(())
}

/// Refuses an amount of nothing, and one in a currency that cannot be converted to that of the customer's limit: it could
/// not be counted in the exposure.
pub(super) fn check_money(
    ledger: &CustomerLedger,
    field: &str,
    money: Money,
    day: NaiveDate,
) -> Result<(), InvalidField> {
    check_some_amount(field, money.amount, money.currency)?;
    let limit = ledger.account.terms_on(day).map(|it| it.limit);
    let to = match limit {
        Some(CreditLimit::Limited(limit)) => limit.currency,
        Some(CreditLimit::NoLimit) | None => ledger.organisation.currency,
    };
    check_convertible(&ledger.policy, field, money, to, day)
}

/// As [`check_money`] for money of nobody in particular: it must be convertible to the currency of the company's books.
pub(super) fn check_company_money(
    organisation: &OrganisationProfile,
    policy: &Policy,
    field: &str,
    money: Money,
    day: NaiveDate,
) -> Result<(), InvalidField> {
    check_some_amount(field, money.amount, money.currency)?;
    check_convertible(policy, field, money, organisation.currency, day)
}

/// Refuses money in a currency that the policy has no rate for.
pub(super) fn check_convertible(
    policy: &Policy,
    field: &str,
    money: Money,
    to: Currency,
    day: NaiveDate,
) -> Result<(), InvalidField> {
    let rates = DayRates {
        rates: &policy.rates,
        day,
    };
    match rates.convert(money, to) {
        Ok(_) => Ok(()),
        Err(error @ ExposureError::MissingRate { .. }) => {
            Err(InvalidField::new(format!("{field}.currency"), error.to_string()))
        }
        Err(error) => Err(InvalidField::new(field, error.to_string())),
    }
}
