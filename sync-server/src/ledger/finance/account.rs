//! What is decided about a customer's credit: grade, limit and terms, assessments, holds.

use fieldledger_core::model::{CreditLimit, InvalidField, Money};

use super::{Act, Draft, checks, days};
use crate::ledger::{AccountChange, decide_account};

/// Changes a customer's credit account. Terms hold from an open day on: what past reports say of credit stays.
///
/// # Errors
/// [`InvalidField`]: a reason is missing, a limit below zero or in a currency without a rate, a day in closed books or out
/// of range, an assessment that ends before it begins, no hold to lift.
pub fn change(draft: &mut Draft, change: AccountChange, act: Act<'_>) -> Result<(), InvalidField> {
    let ledger = draft.ledger();
    if let AccountChange::Terms {
        from,
        grade,
        limit,
        terms_days,
        ..
    } = &change
    {
        days::check_open(&ledger.policy, "from", *from)?;
        if grade.is_none() && limit.is_none() && terms_days.is_none() {
            return Err(InvalidField::new(
                "grade",
                "say what changes: grade, limit or terms_days",
            ));
        }
        if let Some(CreditLimit::Limited(limit)) = limit {
            let one = Money::new(rust_decimal::Decimal::ONE, ledger.organisation.currency);
            checks::check_convertible(
                &ledger.policy,
                "limit",
                one,
                limit.currency,
                days::today(draft, act.now),
            )?;
        }
    }
    decide_account(draft, change, act.by, act.now)
}
