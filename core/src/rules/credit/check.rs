//! The rules, one by one, and the verdict that follows from them.

use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::sentence;
use crate::{
    model::{
        CreditDecision, CreditGrade, CreditInputs, CreditLimit, CreditRules, CreditVerdict, DocumentCapSwitch,
        DunningLevelSwitch, ExpiredReview, Guarantee, InvalidMoney, Money, OldestItemSwitch, OverdueShareSwitch,
        RuleFacts, RuleName, RuleOutcome,
    },
    rules::wording::Language,
};

/// Rules that were looked at before there was a policy.
const FIRST: [RuleName; 4] = [
    RuleName::CreditFile,
    RuleName::AccountHold,
    RuleName::GradeAllowsCredit,
    RuleName::ExposureWithinLimit,
];

/// Checks an order. Every rule is evaluated and explained in the order of [`RuleName::ALL`], passed or not; a rule that
/// is switched off passes.
///
/// All pass: [`CreditVerdict::Approved`] when the server asked under the customer's lock or reserved credit covers the
/// order, else [`CreditVerdict::Provisional`], for the data may be stale. One fails: [`CreditVerdict::Refused`] when the
/// policy says so of that rule, else [`CreditVerdict::Held`]: a person decides. A prepay customer's order is held until
/// somebody sees the money, unless the policy refuses it.
///
/// The answer follows from `inputs` alone, so [`replay`] can repeat it.
pub fn check(inputs: CreditInputs) -> CreditDecision {
    let names = match inputs.rules {
        Some(_) => RuleName::ALL.as_slice(),
        None => FIRST.as_slice(),
    };
    let mut refused = false;
    let mut rules = Vec::with_capacity(names.len());
    for name in names {
        let (passed, facts) = evaluate(*name, &inputs);
        refused |= !passed && inputs.rules.as_ref().is_some_and(|it| it.refuse.contains(name));
        let mut outcome = RuleOutcome {
            rule: name.as_str().to_owned(),
            passed,
            sentence: String::new(),
            facts: Some(facts),
        };
        outcome.sentence = sentence(&outcome, Language::English, Tz::UTC);
        rules.push(outcome);
    }
    let passed = rules.iter().all(|it| it.passed);
    let verdict = match (passed, refused, inputs.guarantee) {
        (true, _, Guarantee::None) => CreditVerdict::Provisional,
        (true, _, Guarantee::Online | Guarantee::Allowance(_)) => CreditVerdict::Approved,
        (false, true, _) => CreditVerdict::Refused,
        (false, false, _) => CreditVerdict::Held,
    };
    CreditDecision { verdict, inputs, rules }
}

/// A verdict that does not follow from its recorded inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// What was said.
    pub claimed: CreditVerdict,
    /// What the rules say.
    pub recomputed: CreditVerdict,
}

/// Repeats a check from its recorded inputs; `Some` when another verdict follows, or a rule is said to have passed that
/// fails. Whether the inputs were true is not asked here: compare them with the books, and an
/// [`Guarantee::Allowance`] with the spend that came in.
pub fn replay(decision: &CreditDecision) -> Option<Divergence> {
    let again = check(decision.inputs.clone());
    let said = |rule: &str| decision.rules.iter().find(|it| it.rule == rule).map(|it| it.passed);
    let same = again.rules.iter().all(|it| said(&it.rule) == Some(it.passed));
    (again.verdict != decision.verdict || !same).then_some(Divergence {
        claimed: decision.verdict,
        recomputed: again.verdict,
    })
}

fn evaluate(name: RuleName, inputs: &CreditInputs) -> (bool, RuleFacts) {
    let rules = inputs.rules.as_ref();
    match name {
        RuleName::CreditFile => (inputs.limit.is_some(), RuleFacts::File(inputs.limit.and(inputs.as_of))),
        RuleName::AccountHold => {
            let reason = inputs.on_hold.then(|| inputs.hold_reason.clone());
            (reason.is_none(), RuleFacts::Hold(reason))
        }
        RuleName::GradeAllowsCredit => {
            let by_grade = inputs.grade.is_none_or(CreditGrade::allows_credit);
            let allows = inputs.allows_credit.unwrap_or(by_grade);
            (allows, RuleFacts::Credit(allows))
        }
        RuleName::ExposureWithinLimit => limit(inputs),
        RuleName::DocumentCap => match rules.map(|it| it.document_cap) {
            Some(DocumentCapSwitch::On(cap)) => document_cap(inputs, cap),
            Some(DocumentCapSwitch::Off) | None => (true, RuleFacts::Off),
        },
        RuleName::OldestItem => match rules.map(|it| it.oldest_item) {
            Some(OldestItemSwitch::On(rule)) => {
                let days = match (inputs.oldest_due, inputs.day) {
                    (None, _) => None,
                    (Some(due), Some(day)) => Some(day.signed_duration_since(due).num_days()),
                    // Without a day nothing shows that it is not too old.
                    (Some(_), None) => Some(i64::MAX),
                };
                let passed = days.is_none_or(|days| days <= i64::from(rule.max_days));
                let most = rule.max_days;
                (passed, RuleFacts::Oldest { days, most })
            }
            Some(OldestItemSwitch::Off) | None => (true, RuleFacts::Off),
        },
        RuleName::OverdueShare => overdue_share(inputs, rules),
        RuleName::DunningLevel => match rules.map(|it| it.dunning_level) {
            Some(DunningLevelSwitch::On(most)) => {
                let level = inputs.dunning_level;
                (level <= most, RuleFacts::Level { level, most })
            }
            Some(DunningLevelSwitch::Off) | None => (true, RuleFacts::Off),
        },
        RuleName::CreditReview => review(inputs, rules),
    }
}

fn limit(inputs: &CreditInputs) -> (bool, RuleFacts) {
    let Some(limit) = inputs.limit else {
        return (false, RuleFacts::LimitUnknown);
    };
    if let Guarantee::Allowance(grant) = inputs.guarantee {
        // The server has counted it against the limit already.
        return (true, RuleFacts::Reserved(grant));
    }
    let zero = Money::zero(inputs.exposure.currency);
    let needed = inputs
        .exposure
        .checked_add(inputs.reserved.unwrap_or(zero))
        .and_then(|sum| sum.checked_add(inputs.unsent_orders))
        .and_then(|sum| sum.checked_add(inputs.order_total));
    match (limit, needed) {
        (_, Err(InvalidMoney::MixedCurrencies(one, other))) => (false, RuleFacts::Currencies(other, one)),
        (_, Err(_)) => (false, RuleFacts::Overflow),
        (CreditLimit::NoLimit, Ok(_)) => (true, RuleFacts::Unlimited),
        (CreditLimit::Limited(limit), Ok(needed)) if limit.currency == needed.currency => {
            (needed.amount <= limit.amount, RuleFacts::Limit { needed, limit })
        }
        (CreditLimit::Limited(limit), Ok(needed)) => (false, RuleFacts::Currencies(needed.currency, limit.currency)),
    }
}

fn document_cap(inputs: &CreditInputs, cap: Money) -> (bool, RuleFacts) {
    // A cap may be in the order's own currency or in the limit's.
    let totals = [Some(inputs.order_total), inputs.converted_from];
    match totals.into_iter().flatten().find(|it| it.currency == cap.currency) {
        Some(total) => (total.amount <= cap.amount, RuleFacts::Cap { total, cap }),
        None => (false, RuleFacts::Currencies(inputs.order_total.currency, cap.currency)),
    }
}

fn overdue_share(inputs: &CreditInputs, rules: Option<&CreditRules>) -> (bool, RuleFacts) {
    let Some(OverdueShareSwitch::On(rule)) = rules.map(|it| it.overdue_share) else {
        return (true, RuleFacts::Off);
    };
    let zero = Money::zero(inputs.exposure.currency);
    let (late, open) = (inputs.late_debit.unwrap_or(zero), inputs.open_debit.unwrap_or(zero));
    let facts = RuleFacts::Share {
        late,
        open,
        days: rule.days,
        most: rule.max_share,
    };
    // Nothing open is a share of zero. Multiplied rather than divided, so that nothing is rounded.
    let allowed = open.amount.checked_mul(rule.max_share);
    let passed = late.amount <= Decimal::ZERO || allowed.is_some_and(|allowed| late.amount <= allowed);
    (passed, facts)
}

fn review(inputs: &CreditInputs, rules: Option<&CreditRules>) -> (bool, RuleFacts) {
    let Some(rule) = rules.map(|it| it.expired_review).filter(|it| *it != ExpiredReview::Off) else {
        return (true, RuleFacts::Off);
    };
    let valid_until = inputs.review_valid_until;
    let expired = match (valid_until, inputs.day) {
        (Some(last), Some(day)) => day > last,
        _ => true,
    };
    let passed = valid_until.is_some() && (!expired || rule == ExpiredReview::Warn);
    (passed, RuleFacts::Review { valid_until, expired })
}
