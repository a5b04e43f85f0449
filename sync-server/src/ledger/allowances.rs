//! Offline allowances as the office sees them: what a customer owes at worst, and how much to reserve.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{CreditGrade, CreditLimit, Currency, InvalidField, Money, OrderStanding, Timestamp, UserId},
    rules::{
        allowance::{self, CreditPosition},
        exposure::DayRates,
    },
};
use rust_decimal::Decimal;

use super::Draft;
use crate::store::CustomerLedger;

/// Orders that the usual one is taken from.
const RECENT_ORDERS: usize = 20;

fn uncountable(error: impl std::fmt::Display) -> InvalidField {
    InvalidField::new("credit", error.to_string())
}

/// What a customer with allowances owes: at present, with what is reserved, and at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowanceExposure {
    /// Limit, exposure and reserve.
    pub position: CreditPosition,
    /// Exposure and reserve together.
    pub used: Money,
    /// The most that the exposure may turn out to be.
    pub worst: Money,
}

impl AllowanceExposure {
    /// Whether more is owed and reserved than the limit.
    pub fn is_above(&self) -> bool {
        matches!(self.position.limit, CreditLimit::Limited(limit) if self.used.amount > limit.amount)
    }

    /// Whether more than the limit may turn out to be owed.
    pub fn is_above_at_worst(&self) -> bool {
        matches!(self.position.limit, CreditLimit::Limited(limit) if self.worst.amount > limit.amount)
    }
}

/// What the customer owes and may turn out to owe.
///
/// # Errors
/// [`InvalidField`] when it cannot be told where the customer stands.
pub fn exposure(ledger: &CustomerLedger, now: Timestamp) -> Result<AllowanceExposure, InvalidField> {
    let position = Draft::of(ledger).position(now)?;
    let worst = ledger
        .grants
        .iter()
        .map(allowance::worst_case)
        .try_fold(position.exposure, Money::checked_add)
        .map_err(uncountable)?;
    let used = position.exposure.checked_add(position.reserved).map_err(uncountable)?;
    Ok(AllowanceExposure { position, used, worst })
}

/// How much to reserve for a phone at a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The customer's grade.
    pub grade: Option<CreditGrade>,
    /// Whether the account is on hold: nothing should be reserved then.
    pub on_hold: bool,
    /// The usual order; `None` without any.
    pub usual: Option<Money>,
    /// What of the limit is neither owed nor reserved; `None` without a limit.
    pub free: Option<Money>,
    /// What is reserved already, for this person where one is named.
    pub reserved: Money,
    /// How much to reserve; zero when nothing should be.
    pub amount: Money,
}

/// Suggests how much to reserve for `visits` planned visits, of `rep` where one is named.
///
/// # Errors
/// [`InvalidField`] when it cannot be told where the customer stands.
pub fn suggest(
    ledger: &CustomerLedger,
    rep: Option<UserId>,
    visits: u32,
    now: Timestamp,
) -> Result<Suggestion, InvalidField> {
    let draft = Draft::of(ledger);
    let (file, position) = (draft.file(now)?, draft.position(now)?);
    let currency = position.exposure.currency;
    let recent = recent_orders(ledger, currency, now.date_in(ledger.organisation.time_zone));
    let usual = allowance::usual_order(&recent, currency).map_err(uncountable)?;
    let amount = allowance::suggest(&ledger.policy, file.grade, visits, &recent, &position).map_err(uncountable)?;
    let reserved = ledger
        .grants
        .iter()
        .filter(|it| rep.is_none_or(|rep| it.terms.user == rep))
        .map(allowance::unsettled)
        .try_fold(Money::zero(currency), Money::checked_add)
        .map_err(uncountable)?;
    Ok(Suggestion {
        grade: file.grade,
        on_hold: file.on_hold,
        usual: usual.map(|it: Decimal| Money::new(it, currency).rounded()),
        free: position.headroom().map_err(uncountable)?,
        reserved,
        amount,
    })
}

/// The customer's newest orders that were not turned down or taken back, in the limit's currency.
fn recent_orders(ledger: &CustomerLedger, currency: Currency, day: NaiveDate) -> Vec<Money> {
    let rates = DayRates {
        rates: &ledger.policy.rates,
        day,
    };
    let wanted = |standing| !matches!(standing, OrderStanding::Refused | OrderStanding::Cancelled);
    let mut decisions: Vec<_> = ledger.decisions.iter().filter(|it| wanted(it.standing)).collect();
    decisions.sort_by_key(|it| std::cmp::Reverse(it.received_at));
    decisions
        .into_iter()
        .take(RECENT_ORDERS)
        .filter_map(|it| {
            let total = it.lines.values().try_fold(Money::zero(it.currency), |sum, line| {
                sum.checked_add(line.value(line.ordered, it.currency)?)
            });
            // What cannot be counted, or has no rate, says nothing of what is usual.
            rates.convert(total.ok()?, currency).ok()
        })
        .collect()
}
