//! Early warnings (预警): what is the matter with a customer today, and what becomes of the stored warnings (DOMAIN §1.5).
//!
//! Every rule gives an answer: quiet, a finding with its level and figures, or unknown when its inputs cannot be
//! compared. [`transition`] holds a finding against the stored warning of its rule. A higher level asks for a new
//! acknowledgement, a lower one does not; figures that merely grow leave the warning as it is, so that a warning is not
//! written anew every day.

mod words;

use chrono::NaiveDate;
use rust_decimal::Decimal;

pub use words::sentence;

use crate::model::{
    CreditAccount, CreditLimit, CustomerId, Money, OutsideCause, Person, Timestamp, UserId, Warning, WarningFacts,
    WarningLevel, WarningPolicy, WarningRule,
};

/// Days within which broken promises count.
pub const BROKEN_PROMISE_DAYS: u32 = 90;

/// What the rules look at, as of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningInputs {
    /// The day.
    pub as_of: NaiveDate,
    /// Days that the oldest open item is overdue, with its invoice; `None` when nothing open has a due date.
    pub oldest_item: Option<(i64, String)>,
    /// Everything that is owed, in the currency of the policy's threshold where it has one.
    pub owed: Money,
    /// What counts against the limit, in the limit's currency.
    pub exposure: Money,
    /// The limit.
    pub limit: CreditLimit,
    /// Promises found broken within the last [`BROKEN_PROMISE_DAYS`] days.
    pub broken_promises: u32,
    /// Last day of the newest credit assessment; `None` without one, which the credit check answers for.
    pub review_valid_until: Option<NaiveDate>,
    /// The last change of grade, if it was a downgrade; see [`downgrade`].
    pub downgrade: Option<Downgrade>,
    /// Day of the last order, visit or payment; `None` when there has been none.
    pub last_activity: Option<NaiveDate>,
    /// What made the exposure grow from outside since the last time; `None`: nothing did.
    pub outside_cause: Option<OutsideCause>,
}

/// A grade that was lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Downgrade {
    /// The grade before.
    pub from: crate::model::CreditGrade,
    /// The grade since.
    pub to: crate::model::CreditGrade,
    /// The first day of the new one.
    pub on: NaiveDate,
}

/// Whether the grade that holds on `as_of` is lower than the one before it.
pub fn downgrade(account: &CreditAccount, as_of: NaiveDate) -> Option<Downgrade> {
    let to = account.terms_on(as_of)?;
    let now = to.grade?;
    // A change of the limit alone repeats the grade; the grade before is the last different one.
    let mut first_day = to.effective_from;
    loop {
        let before = account.terms_on(first_day.pred_opt()?)?;
        match before.grade? {
            same if same == now => first_day = before.effective_from,
            // Grades are ordered from the best to the worst.
            from => {
                return (from < now).then_some(Downgrade {
                    from,
                    to: now,
                    on: first_day,
                });
            }
        }
    }
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningAnswer {
    /// Nothing is the matter.
    Quiet,
    /// Something is.
    Found(WarningFinding),
    /// Its inputs cannot be compared: they are in different currencies.
    Unknown,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningFinding {
    /// How bad.
    pub level: WarningLevel,
    /// The figures.
    pub facts: WarningFacts,
}

fn found(level: WarningLevel, facts: WarningFacts) -> WarningAnswer {
    WarningAnswer::Found(WarningFinding { level, facts })
}

/// The level of `value` against two thresholds; `None` below both.
fn level<T: PartialOrd>(value: &T, warning: &T, critical: &T) -> Option<WarningLevel> {
    if value >= critical {
        Some(WarningLevel::Critical)
    } else {
        (value >= warning).then_some(WarningLevel::Warning)
    }
}

/// What `rule` says. `active` is whether its warning is standing: an exposure that grew past the limit from outside is
/// warned of until it is back within.
pub fn answer(rule: WarningRule, inputs: &WarningInputs, policy: &WarningPolicy, active: bool) -> WarningAnswer {
    match rule {
        WarningRule::DaysOverdue => days_overdue(inputs, policy),
        WarningRule::TotalOwed => total_owed(inputs, policy),
        WarningRule::LimitUsed => limit_used(inputs, policy),
        WarningRule::BrokenPromises => broken_promises(inputs, policy),
        WarningRule::ExpiredReview => expired_review(inputs, policy),
        WarningRule::Downgrade => downgraded(inputs),
        WarningRule::Silence => silence(inputs, policy),
        WarningRule::LimitExceeded => limit_exceeded(inputs, active),
    }
}

fn days_overdue(inputs: &WarningInputs, policy: &WarningPolicy) -> WarningAnswer {
    let Some((days, invoice_number)) = inputs.oldest_item.clone() else {
        return WarningAnswer::Quiet;
    };
    // A policy of 0 days still speaks of what is overdue, not of what is due today.
    let thresholds = [policy.overdue_days, policy.overdue_days_critical].map(|it| i64::from(it.max(1)));
    match level(&days, &thresholds[0], &thresholds[1]) {
        Some(level) => found(level, WarningFacts::DaysOverdue { days, invoice_number }),
        None => WarningAnswer::Quiet,
    }
}

fn total_owed(inputs: &WarningInputs, policy: &WarningPolicy) -> WarningAnswer {
    let (owed, Some(threshold)) = (inputs.owed, policy.total_owed) else {
        return WarningAnswer::Quiet;
    };
    if owed.currency != threshold.currency {
        return WarningAnswer::Unknown;
    }
    if owed.amount >= threshold.amount && owed.amount > Decimal::ZERO {
        found(WarningLevel::Warning, WarningFacts::TotalOwed { owed, threshold })
    } else {
        WarningAnswer::Quiet
    }
}

fn limit_used(inputs: &WarningInputs, policy: &WarningPolicy) -> WarningAnswer {
    let (exposure, CreditLimit::Limited(limit)) = (inputs.exposure, inputs.limit) else {
        return WarningAnswer::Quiet;
    };
    if exposure.currency != limit.currency {
        return WarningAnswer::Unknown;
    }
    if exposure.amount <= Decimal::ZERO {
        return WarningAnswer::Quiet;
    }
    // Of a limit of zero every exposure uses too much.
    let share = exposure.amount.checked_div(limit.amount);
    let level = match share {
        Some(share) => level(&share, &policy.limit_share, &policy.limit_share_critical),
        None => Some(WarningLevel::Critical),
    };
    let percent = share
        .and_then(|it| it.checked_mul(Decimal::ONE_HUNDRED))
        .map(|it| it.floor());
    match level {
        Some(level) => found(
            level,
            WarningFacts::LimitUsed {
                exposure,
                limit,
                percent,
            },
        ),
        None => WarningAnswer::Quiet,
    }
}

fn broken_promises(inputs: &WarningInputs, policy: &WarningPolicy) -> WarningAnswer {
    let count = inputs.broken_promises;
    let (warning, critical) = (policy.broken_promises.max(1), policy.broken_promises_critical.max(1));
    match level(&count, &warning, &critical) {
        Some(level) => found(
            level,
            WarningFacts::BrokenPromises {
                count,
                days: BROKEN_PROMISE_DAYS,
            },
        ),
        None => WarningAnswer::Quiet,
    }
}

fn expired_review(inputs: &WarningInputs, policy: &WarningPolicy) -> WarningAnswer {
    let Some(valid_until) = inputs.review_valid_until else {
        return WarningAnswer::Quiet;
    };
    let left = valid_until.signed_duration_since(inputs.as_of).num_days();
    let facts = WarningFacts::ExpiredReview { valid_until };
    if left < 0 {
        found(WarningLevel::Critical, facts)
    } else if left <= i64::from(policy.review_days_ahead) {
        found(WarningLevel::Warning, facts)
    } else {
        WarningAnswer::Quiet
    }
}

/// A downgrade to a grade without credit is critical.
fn downgraded(inputs: &WarningInputs) -> WarningAnswer {
    let Some(Downgrade { from, to, on }) = inputs.downgrade else {
        return WarningAnswer::Quiet;
    };
    let level = if to.allows_credit() {
        WarningLevel::Warning
    } else {
        WarningLevel::Critical
    };
    found(level, WarningFacts::Downgrade { from, to, on })
}

fn silence(inputs: &WarningInputs, policy: &WarningPolicy) -> WarningAnswer {
    let Some(since) = inputs.last_activity.filter(|_| policy.silence_days > 0) else {
        return WarningAnswer::Quiet;
    };
    let days = inputs.as_of.signed_duration_since(since).num_days();
    if days >= i64::from(policy.silence_days) {
        found(WarningLevel::Warning, WarningFacts::Silence { days, since })
    } else {
        WarningAnswer::Quiet
    }
}

fn limit_exceeded(inputs: &WarningInputs, active: bool) -> WarningAnswer {
    let (exposure, CreditLimit::Limited(limit)) = (inputs.exposure, inputs.limit) else {
        return WarningAnswer::Quiet;
    };
    if exposure.currency != limit.currency {
        return WarningAnswer::Unknown;
    }
    if exposure.amount <= limit.amount {
        return WarningAnswer::Quiet;
    }
    match inputs.outside_cause {
        Some(cause) => found(
            WarningLevel::Critical,
            WarningFacts::LimitExceeded { exposure, limit, cause },
        ),
        // Nothing new came from outside, and it is still too much.
        None if active => WarningAnswer::Unknown,
        None => WarningAnswer::Quiet,
    }
}

/// What becomes of a stored warning. What carries a warning carries the record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningTransition {
    /// A new one, or one that had been cleared: to be acknowledged.
    Raise(Warning),
    /// It got worse: to be acknowledged again.
    RaiseLevel(Warning),
    /// It got better; an acknowledgement stands.
    LowerLevel(Warning),
    /// It has another owner now; nothing else changed.
    Reassign(Warning),
    /// Its cause is gone.
    Clear(Warning),
    /// As it was.
    Leave,
}

impl WarningTransition {
    /// The record to be written; `None` when there is nothing to write.
    pub fn into_record(self) -> Option<Warning> {
        match self {
            Self::Raise(it) | Self::RaiseLevel(it) | Self::LowerLevel(it) | Self::Reassign(it) | Self::Clear(it) => {
                Some(it)
            }
            Self::Leave => None,
        }
    }
}

/// Whom a warning about a customer is for: their rep's supervisor, or the rep where nobody is named above them.
pub fn owner(rep: Option<&Person>) -> Option<UserId> {
    rep.map(|it| it.supervisor.unwrap_or(it.id))
}

/// Holds what a rule says at `at` against the stored warning of that rule and customer.
pub fn transition(
    customer: CustomerId,
    rule: WarningRule,
    answer: WarningAnswer,
    stored: Option<&Warning>,
    owner: Option<UserId>,
    at: Timestamp,
) -> WarningTransition {
    let standing = stored.filter(|it| it.cleared_at.is_none());
    match (answer, standing) {
        (WarningAnswer::Found(finding), None) => WarningTransition::Raise(raised(customer, rule, finding, owner, at)),
        (WarningAnswer::Found(finding), Some(old)) => {
            if finding.level > old.level || is_another_event(&finding.facts, old) {
                WarningTransition::RaiseLevel(raised(customer, rule, finding, owner, at))
            } else if finding.level < old.level {
                WarningTransition::LowerLevel(Warning {
                    acknowledged: old.acknowledged.clone(),
                    ..raised(customer, rule, finding, owner, at)
                })
            } else {
                reassigned(old, owner)
            }
        }
        (WarningAnswer::Quiet, Some(old)) => WarningTransition::Clear(Warning {
            cleared_at: Some(at),
            ..old.clone()
        }),
        (WarningAnswer::Unknown, Some(old)) => reassigned(old, owner),
        (WarningAnswer::Quiet | WarningAnswer::Unknown, None) => WarningTransition::Leave,
    }
}

/// What becomes of all the warnings of a customer, those that change.
pub fn transitions(
    customer: CustomerId,
    inputs: &WarningInputs,
    policy: &WarningPolicy,
    stored: &[Warning],
    owner: Option<UserId>,
    at: Timestamp,
) -> Vec<WarningTransition> {
    let of_rule = |rule| stored.iter().find(|it| it.customer == customer && it.rule == rule);
    let says = |rule| {
        let active = of_rule(rule).is_some_and(|it| it.cleared_at.is_none());
        (answer(rule, inputs, policy, active), active)
    };
    // A limit that is exceeded is also used up: one warning says so, the one that names the cause.
    let exceeded = matches!(
        says(WarningRule::LimitExceeded),
        (WarningAnswer::Found(_), _) | (WarningAnswer::Unknown, true)
    );
    let changes = WarningRule::ALL.into_iter().map(|rule| {
        let answer = match says(rule) {
            (WarningAnswer::Found(_), _) if rule == WarningRule::LimitUsed && exceeded => WarningAnswer::Quiet,
            (answer, _) => answer,
        };
        transition(customer, rule, answer, of_rule(rule), owner, at)
    });
    changes.filter(|it| *it != WarningTransition::Leave).collect()
}

fn raised(
    customer: CustomerId,
    rule: WarningRule,
    finding: WarningFinding,
    owner: Option<UserId>,
    at: Timestamp,
) -> Warning {
    Warning {
        customer,
        rule,
        level: finding.level,
        sentence: sentence(&finding.facts).english,
        facts: Some(finding.facts),
        raised_at: at,
        owner,
        acknowledged: None,
        cleared_at: None,
    }
}

/// A second downgrade, and a second cause from outside, is not the one that was acknowledged. Other rules speak of a
/// state, whose figures change every day.
fn is_another_event(facts: &WarningFacts, old: &Warning) -> bool {
    match (facts, &old.facts) {
        (WarningFacts::Downgrade { .. }, Some(before)) => facts != before,
        (WarningFacts::LimitExceeded { cause, .. }, Some(WarningFacts::LimitExceeded { cause: before, .. })) => {
            cause != before
        }
        _ => false,
    }
}

fn reassigned(old: &Warning, owner: Option<UserId>) -> WarningTransition {
    if old.owner == owner {
        return WarningTransition::Leave;
    }
    WarningTransition::Reassign(Warning { owner, ..old.clone() })
}

#[cfg(test)]
mod tests;
