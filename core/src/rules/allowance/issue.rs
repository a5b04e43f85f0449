//! The server's side before the promise: what fits, how much to give, and what to ask back.

use rust_decimal::Decimal;

use super::settle::{is_freed, unsettled};
use crate::model::{
    AllowancePolicy, CreditGrade, CreditLimit, Currency, CustomerId, DeviceId, Grant, GrantId, GrantMode, GrantState,
    GrantTerms, InvalidMoney, Money, Policy, Timestamp, UserId,
};

/// Where a customer's credit stands, read under the customer's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditPosition {
    /// L: how much may be owed.
    pub limit: CreditLimit,
    /// X: the exposure, in the limit's currency.
    pub exposure: Money,
    /// G: what all grants of the customer still reserve, in the limit's currency.
    pub reserved: Money,
}

impl CreditPosition {
    /// What may still be granted or approved; below zero when the limit is exceeded, `None` when there is no limit.
    ///
    /// # Errors
    /// [`InvalidMoney`] when the currencies differ or a sum overflows: nothing is added unconverted.
    pub fn headroom(&self) -> Result<Option<Money>, InvalidMoney> {
        let used = self.exposure.checked_add(self.reserved)?;
        match self.limit {
            CreditLimit::NoLimit => Ok(None),
            CreditLimit::Limited(limit) => limit.checked_add(Money::new(-used.amount, used.currency)).map(Some),
        }
    }

    /// Whether X + G + `new` ≤ L. Exactly at the limit fits; without a limit everything does.
    ///
    /// # Errors
    /// As [`Self::headroom`].
    pub fn fits(&self, new: Money) -> Result<bool, InvalidMoney> {
        let sum = self.exposure.checked_add(self.reserved)?.checked_add(new)?;
        match self.limit {
            CreditLimit::NoLimit => Ok(true),
            CreditLimit::Limited(limit) if limit.currency == sum.currency => Ok(sum.amount <= limit.amount),
            CreditLimit::Limited(limit) => Err(InvalidMoney::MixedCurrencies(limit.currency, sum.currency)),
        }
    }
}

/// Who is to get credit reserved, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// A fresh id.
    pub id: GrantId,
    /// The device that may spend it.
    pub device: DeviceId,
    /// Who has the device.
    pub user: UserId,
    /// For which customer.
    pub customer: CustomerId,
    /// The customer's grade.
    pub grade: Option<CreditGrade>,
    /// Whether the account is on hold.
    pub on_hold: bool,
    /// How much, in the limit's currency.
    pub amount: Money,
    /// What happens when it expires.
    pub mode: GrantMode,
}

/// Why no credit is reserved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGrant {
    /// The policy gives none.
    #[error("the policy gives no offline allowances; switch them on first")]
    SwitchedOff,
    /// The customer pays first, or has no grade, or one for which the policy names no size.
    #[error("the customer's grade gets no offline allowance; it pays first, or the policy names no size for it")]
    Grade,
    /// Nothing may be sold on credit.
    #[error("the account is on hold; lift the hold first")]
    OnHold,
    /// There is nothing to reserve of.
    #[error("the customer has no limit and needs no allowance")]
    NotNeeded,
    /// Zero or less, or no whole number of the policy's steps.
    #[error("the amount must be more than zero and a whole number of steps of {step}")]
    Amount {
        /// The policy's step.
        step: Decimal,
    },
    /// X + G + new > L.
    #[error("only {free} of the limit is neither owed nor reserved")]
    OverLimit {
        /// What is left.
        free: Money,
    },
    /// All grants together would take more of the limit than the policy allows.
    #[error("all allowances of a customer together may take {most}")]
    OverShare {
        /// The most they may take.
        most: Money,
    },
    /// Amounts cannot be compared.
    #[error(transparent)]
    Money(#[from] InvalidMoney),
}

/// The terms of a new grant: reserve them (store the grant) in the transaction that read `position`, then sign and send
/// them (DOMAIN, offline allowance, 1).
///
/// # Errors
/// [`NoGrant`] with the reason.
pub fn issue(
    request: &GrantRequest,
    policy: &Policy,
    policy_version: u64,
    position: &CreditPosition,
    now: Timestamp,
) -> Result<GrantTerms, NoGrant> {
    let allowances = &policy.allowances;
    if !allowances.enabled {
        return Err(NoGrant::SwitchedOff);
    }
    let share = share_of(request.grade, policy).ok_or(NoGrant::Grade)?;
    if request.on_hold {
        return Err(NoGrant::OnHold);
    }
    let CreditLimit::Limited(limit) = position.limit else {
        return Err(NoGrant::NotNeeded);
    };
    let step = allowances.step;
    let amount = request.amount.amount;
    if amount <= Decimal::ZERO || amount != whole_steps(amount, step) {
        return Err(NoGrant::Amount { step });
    }
    if !position.fits(request.amount)? {
        let free = position.headroom()?.unwrap_or(limit);
        return Err(NoGrant::OverLimit { free });
    }
    let most = capped(limit, share)?;
    if position.reserved.checked_add(request.amount)?.amount > most.amount {
        return Err(NoGrant::OverShare { most });
    }
    Ok(GrantTerms {
        id: request.id,
        device: request.device,
        user: request.user,
        customer: request.customer,
        amount: request.amount,
        policy_version,
        issued_at: now,
        not_after: now.plus_millis(hours(allowances.valid_hours)),
        mode: request.mode,
    })
}

/// How much to reserve for a phone: the usual order (the median of `recent_orders`, amounts in the limit's currency)
/// times what the policy expects of one planned visit, within the share of the limit that allowances may take and
/// within what is free, rounded down to whole steps. Zero when nothing should be reserved.
///
/// # Errors
/// [`InvalidMoney`] when currencies differ or a sum overflows.
pub fn suggest(
    policy: &Policy,
    grade: Option<CreditGrade>,
    planned_visits: u32,
    recent_orders: &[Money],
    position: &CreditPosition,
) -> Result<Money, InvalidMoney> {
    let currency = position.exposure.currency;
    let none = Money::zero(currency);
    let CreditLimit::Limited(limit) = position.limit else {
        return Ok(none);
    };
    let size = grade.and_then(|it| policy.allowances.sizes.get(&it));
    let (Some(size), Some(share), true) = (size, share_of(grade, policy), policy.allowances.enabled) else {
        return Ok(none);
    };
    let Some(usual) = usual_order(recent_orders, currency)? else {
        return Ok(none);
    };
    let wanted = usual
        .checked_mul(size.orders_per_visit)
        .and_then(|it| it.checked_mul(planned_visits.into()))
        .ok_or(InvalidMoney::Overflow)?;
    let under_share = capped(limit, share)?.checked_add(Money::new(-position.reserved.amount, currency))?;
    let free = position.headroom()?.unwrap_or(none);
    let most = wanted.min(under_share.amount).min(free.amount).max(Decimal::ZERO);
    Ok(Money::new(whole_steps(most, policy.allowances.step), currency))
}

/// Which open grants to ask back after a limit was cut or the exposure grew: the largest reserves first, so that few
/// phones are disturbed, until what remains fits or nothing is left to ask for. Grants that are being recalled already
/// are counted as coming back.
///
/// # Errors
/// [`InvalidMoney`] when currencies differ or a sum overflows.
pub fn recalls(grants: &[Grant], position: &CreditPosition) -> Result<Vec<GrantId>, InvalidMoney> {
    let Some(free) = position.headroom()? else {
        return Ok(Vec::new());
    };
    let mut excess = -free.amount;
    let mut open: Vec<(Decimal, GrantId)> = Vec::new();
    for grant in grants.iter().filter(|it| !is_freed(it.state)) {
        let reserve = unsettled(grant);
        if reserve.currency != free.currency {
            return Err(InvalidMoney::MixedCurrencies(reserve.currency, free.currency));
        }
        if grant.state == GrantState::Recalled || grant.close.is_some() {
            excess -= reserve.amount;
        } else if reserve.amount > Decimal::ZERO {
            open.push((reserve.amount, grant.terms.id));
        }
    }
    open.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut asked = Vec::new();
    for (reserve, id) in open {
        if excess <= Decimal::ZERO {
            break;
        }
        excess -= reserve;
        asked.push(id);
    }
    Ok(asked)
}

/// The largest share of the limit that allowances may take; `None` for a grade that gets none.
fn share_of(grade: Option<CreditGrade>, policy: &Policy) -> Option<Decimal> {
    let grade = grade?;
    let credit = policy
        .grades
        .get(&grade)
        .map_or(grade.allows_credit(), |it| it.allows_credit);
    let AllowancePolicy { sizes, .. } = &policy.allowances;
    credit.then(|| sizes.get(&grade).map(|it| it.max_share_of_limit))?
}

fn capped(limit: Money, share: Decimal) -> Result<Money, InvalidMoney> {
    let most = limit.amount.checked_mul(share).ok_or(InvalidMoney::Overflow)?;
    Ok(Money::new(most.min(limit.amount), limit.currency))
}

/// The largest whole number of `step` within `amount`; a step of zero or less rounds nothing.
fn whole_steps(amount: Decimal, step: Decimal) -> Decimal {
    if step <= Decimal::ZERO {
        return amount;
    }
    amount.checked_rem(step).map_or(amount, |rest| amount - rest)
}

/// A customer's usual order: the middle of `orders`, or the mean of the two in the middle; `None` without any.
///
/// # Errors
/// [`InvalidMoney`] when one is in another currency, or a sum overflows.
pub fn usual_order(orders: &[Money], currency: Currency) -> Result<Option<Decimal>, InvalidMoney> {
    if let Some(other) = orders.iter().find(|it| it.currency != currency) {
        return Err(InvalidMoney::MixedCurrencies(currency, other.currency));
    }
    let mut amounts: Vec<Decimal> = orders.iter().map(|it| it.amount).collect();
    amounts.sort_unstable();
    let middle = amounts.len() / 2;
    let upper = amounts.get(middle).copied();
    let lower = middle.checked_sub(1).and_then(|it| amounts.get(it).copied());
    match (amounts.len() % 2, lower, upper) {
        (0, Some(lower), Some(upper)) => lower
            .checked_add(upper)
            .map(|sum| Some(sum / Decimal::TWO))
            .ok_or(InvalidMoney::Overflow),
        _ => Ok(upper),
    }
}

pub(super) fn hours(count: u32) -> i64 {
    i64::from(count) * 3_600_000
}
