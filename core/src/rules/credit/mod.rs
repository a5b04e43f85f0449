//! The check before an order: may this customer have it on credit? Every rule is evaluated and explained, passed or not.

mod check;
mod sentences;
#[cfg(test)]
mod tests;

pub use check::{Divergence, check, replay};
pub use sentences::sentence;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::exposure::{self, DayRates, ExposureError};
use crate::model::{
    CreditFile, CreditGrade, CreditInputs, CreditRuleChanges, CreditRules, Guarantee, InvalidMoney, Money,
    OldestItemSwitch, OverdueShareSwitch, Policy,
};

/// What a full check is gathered from.
#[derive(Clone, Copy, Debug)]
pub struct CreditQuestion<'q> {
    /// The newest credit file with its version; `None` when there is none for the customer.
    pub file: Option<(&'q CreditFile, u64)>,
    /// The company's policy.
    pub policy: &'q Policy,
    /// Its version.
    pub policy_version: u64,
    /// Where the customer's rules differ ([`crate::model::CreditAccount::rules`]).
    pub changes: &'q CreditRuleChanges,
    /// What stands behind an answer that passes.
    pub guarantee: Guarantee,
    /// The day of the check, in the organisation's time zone.
    pub day: NaiveDate,
    /// Submitted orders that the credit file does not count yet.
    pub unsent_orders: Money,
    /// What grants reserve of the limit beside this order, in the limit's currency.
    pub reserved: Money,
    /// The order's total.
    pub order_total: Money,
}

/// The rules as they hold for a customer: the company's, changed for the grade, changed for the customer.
pub fn rules_for(policy: &Policy, grade: Option<CreditGrade>, changes: &CreditRuleChanges) -> CreditRules {
    let by_grade = grade.and_then(|it| policy.check_by_grade.get(&it));
    let rules = policy.check.clone();
    changes.applied_to(by_grade.map_or_else(|| rules.clone(), |it| it.applied_to(rules.clone())))
}

/// Gathers everything that a full check follows from. Amounts in another currency are converted at the credit rate of
/// the day; without a rate they stay as they are and the check fails for that reason.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or a sum overflows.
pub fn gather(question: &CreditQuestion<'_>) -> Result<CreditInputs, InvalidMoney> {
    let policy = question.policy;
    let grade = question.file.and_then(|(file, _)| file.grade);
    let rules = rules_for(policy, grade, question.changes);
    let mut inputs = CreditInputs::unknown(question.order_total);
    inputs.guarantee = question.guarantee;
    inputs.day = Some(question.day);
    inputs.policy_version = question.policy_version;
    inputs.allows_credit = grade.and_then(|it| policy.grades.get(&it)).map(|it| it.allows_credit);
    inputs.unsent_orders = question.unsent_orders;
    if let Some((file, version)) = question.file {
        let rates = DayRates {
            rates: &policy.rates,
            day: question.day,
        };
        let currency = file.open_receivables.currency;
        let convert = |money: Money| match rates.convert(money, currency) {
            Ok(converted) => Ok(converted),
            Err(ExposureError::MissingRate { .. }) => Ok(money),
            Err(ExposureError::Money(error)) => Err(error),
        };
        inputs.order_total = convert(question.order_total)?;
        inputs.unsent_orders = convert(question.unsent_orders)?;
        inputs.converted_from = (inputs.order_total != question.order_total).then_some(question.order_total);
        inputs.as_of = Some(file.as_of);
        inputs.file_version = version;
        inputs.grade = grade;
        inputs.limit = Some(file.limit);
        inputs.on_hold = file.on_hold;
        inputs.hold_reason.clone_from(&file.hold_reason);
        inputs.exposure = exposure::of_file(file, rules.horizon, question.day)?;
        inputs.reserved = (question.reserved.amount != Decimal::ZERO).then_some(question.reserved);
        inputs.dunning_level = file.dunning_level;
        inputs.review_valid_until = file.review_valid_until;
        let tolerance = match rules.oldest_item {
            OldestItemSwitch::On(rule) => rule.tolerance,
            OldestItemSwitch::Off => Decimal::ZERO,
        };
        let days = match rules.overdue_share {
            OverdueShareSwitch::On(rule) => rule.days,
            OverdueShareSwitch::Off => 0,
        };
        let late = exposure::lateness(file, rules.leave_out_disputed, tolerance, days, question.day)?;
        inputs.oldest_due = late.oldest_due;
        inputs.open_debit = (late.open.amount != Decimal::ZERO).then_some(late.open);
        inputs.late_debit = (late.late.amount != Decimal::ZERO).then_some(late.late);
        if file.dues.is_empty() {
            // A file of an older server, or an imported one, says this much only.
            inputs.oldest_due = file.oldest_due;
            inputs.late_debit = (file.overdue.amount != Decimal::ZERO).then_some(file.overdue);
            inputs.open_debit = inputs.late_debit.map(|late| Money {
                amount: late.amount.max(file.open_receivables.amount),
                ..late
            });
        }
    }
    inputs.rules = Some(rules);
    Ok(inputs)
}

/// Gathers what a check without a policy is computed from: file, hold, grade and limit.
///
/// `unsent_orders` are submitted orders that the credit file does not count yet; `file` is the newest credit file with
/// its version, `None` when there is none for the customer.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or a sum overflows.
pub fn inputs(
    file: Option<(&CreditFile, u64)>,
    unsent_orders: Money,
    order_total: Money,
) -> Result<CreditInputs, InvalidMoney> {
    let mut inputs = CreditInputs::unknown(order_total);
    inputs.unsent_orders = unsent_orders;
    if let Some((file, version)) = file {
        inputs.as_of = Some(file.as_of);
        inputs.file_version = version;
        inputs.grade = file.grade;
        inputs.limit = Some(file.limit);
        inputs.on_hold = file.on_hold;
        inputs.exposure = exposure(file)?;
    }
    Ok(inputs)
}

/// Open receivables + special liabilities + delivered and not invoiced + open orders.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or the sum overflows.
pub fn exposure(file: &CreditFile) -> Result<Money, InvalidMoney> {
    file.open_receivables
        .checked_add(file.special_liabilities)?
        .checked_add(file.delivered_not_invoiced)?
        .checked_add(file.open_orders)
}
