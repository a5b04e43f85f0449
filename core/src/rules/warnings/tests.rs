#![allow(clippy::unwrap_used)]
use super::*;
use crate::model::{Acknowledgement, CreditGrade, CreditTerms, Currency};

const CUSTOMER: CustomerId = CustomerId::from_bytes([1; 16]);
const BOSS: UserId = UserId::from_bytes([9; 16]);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn at(number: i64) -> Timestamp {
    Timestamp::from_millis(number)
}

fn calm() -> WarningInputs {
    WarningInputs {
        as_of: day("2026-03-10"),
        oldest_item: Some((0, "F-1".to_owned())),
        owed: cny(100),
        exposure: cny(100),
        limit: CreditLimit::Limited(cny(1000)),
        broken_promises: 0,
        review_valid_until: Some(day("2026-12-31")),
        downgrade: None,
        last_activity: Some(day("2026-03-09")),
        outside_cause: None,
    }
}

fn levels(inputs: &WarningInputs) -> Vec<(WarningRule, WarningLevel)> {
    let policy = WarningPolicy {
        total_owed: Some(cny(5000)),
        ..WarningPolicy::default()
    };
    let of = |rule| match answer(rule, inputs, &policy, false) {
        WarningAnswer::Found(finding) => Some((rule, finding.level)),
        WarningAnswer::Quiet | WarningAnswer::Unknown => None,
    };
    WarningRule::ALL.into_iter().filter_map(of).collect()
}

#[test]
fn every_rule_speaks_at_its_threshold_and_not_before() {
    use WarningLevel::{Critical, Warning};
    use WarningRule::{BrokenPromises, DaysOverdue, Downgrade, ExpiredReview, LimitUsed, Silence, TotalOwed};
    type Change = fn(&mut WarningInputs);
    let table: &[(Change, &[(WarningRule, WarningLevel)])] = &[
        (|_| (), &[]),
        (
            |it| it.oldest_item = Some((1, "F-1".to_owned())),
            &[(DaysOverdue, Warning)],
        ),
        (
            |it| it.oldest_item = Some((29, "F-1".to_owned())),
            &[(DaysOverdue, Warning)],
        ),
        (
            |it| it.oldest_item = Some((30, "F-1".to_owned())),
            &[(DaysOverdue, Critical)],
        ),
        (|it| it.owed = cny(4999), &[]),
        (|it| it.owed = cny(5000), &[(TotalOwed, Warning)]),
        (|it| it.exposure = cny(799), &[]),
        (|it| it.exposure = cny(800), &[(LimitUsed, Warning)]),
        (|it| it.exposure = cny(1000), &[(LimitUsed, Critical)]),
        (|it| it.limit = CreditLimit::Limited(cny(0)), &[(LimitUsed, Critical)]),
        (|it| it.limit = CreditLimit::NoLimit, &[]),
        (|it| it.broken_promises = 1, &[(BrokenPromises, Warning)]),
        (|it| it.broken_promises = 3, &[(BrokenPromises, Critical)]),
        (|it| it.review_valid_until = Some(day("2026-04-10")), &[]),
        (
            |it| it.review_valid_until = Some(day("2026-04-09")),
            &[(ExpiredReview, Warning)],
        ),
        (
            |it| it.review_valid_until = Some(day("2026-03-10")),
            &[(ExpiredReview, Warning)],
        ),
        (
            |it| it.review_valid_until = Some(day("2026-03-09")),
            &[(ExpiredReview, Critical)],
        ),
        (|it| it.downgrade = lowered(CreditGrade::B), &[(Downgrade, Warning)]),
        (|it| it.downgrade = lowered(CreditGrade::D), &[(Downgrade, Critical)]),
        (|it| it.last_activity = Some(day("2026-01-10")), &[]),
        (|it| it.last_activity = Some(day("2026-01-09")), &[(Silence, Warning)]),
    ];
    for (number, (change, expected)) in table.iter().enumerate() {
        let mut inputs = calm();
        change(&mut inputs);
        assert_eq!(levels(&inputs), *expected, "line {number}: {inputs:?}");
    }
}

fn lowered(to: CreditGrade) -> Option<Downgrade> {
    Some(Downgrade {
        from: CreditGrade::A,
        to,
        on: day("2026-03-01"),
    })
}

#[test]
fn amounts_in_another_currency_are_not_compared_and_a_standing_warning_is_left() {
    let mut inputs = calm();
    inputs.exposure = Money::new(2000.into(), Currency::USD);
    let policy = WarningPolicy::default();
    assert_eq!(
        answer(WarningRule::LimitUsed, &inputs, &policy, false),
        WarningAnswer::Unknown
    );
    let stored = [standing(WarningRule::LimitUsed, WarningLevel::Critical)];
    let changes = transitions(CUSTOMER, &inputs, &policy, &stored, Some(BOSS), at(9));
    assert_eq!(changes, []);
}

fn standing(rule: WarningRule, level: WarningLevel) -> Warning {
    Warning {
        customer: CUSTOMER,
        rule,
        level,
        sentence: String::new(),
        facts: None,
        raised_at: at(1),
        owner: Some(BOSS),
        acknowledged: Some(Acknowledgement {
            by: BOSS,
            at: at(2),
            note: "I call them".to_owned(),
        }),
        cleared_at: None,
    }
}

fn overdue(days: i64) -> WarningAnswer {
    let inputs = WarningInputs {
        oldest_item: Some((days, "F-1".to_owned())),
        ..calm()
    };
    answer(WarningRule::DaysOverdue, &inputs, &WarningPolicy::default(), false)
}

fn moved(answer: WarningAnswer, stored: Option<&Warning>) -> WarningTransition {
    transition(CUSTOMER, WarningRule::DaysOverdue, answer, stored, Some(BOSS), at(9))
}

#[test]
fn a_warning_is_raised_with_its_owner_and_asks_to_be_acknowledged() {
    let WarningTransition::Raise(warning) = moved(overdue(5), None) else {
        panic!("nothing was stored")
    };
    assert_eq!(warning.sentence, "Invoice F-1 is 5 days overdue.");
    assert_eq!(warning.owner, Some(BOSS));
    assert_eq!(warning.raised_at, at(9));
    assert_eq!(warning.acknowledged, None);
    let facts = warning.facts.unwrap();
    assert_eq!(sentence(&facts).chinese, "发票 F-1 已逾期 5 天。");
}

#[test]
fn figures_that_grow_within_a_level_leave_the_warning_as_it_is() {
    let stored = standing(WarningRule::DaysOverdue, WarningLevel::Warning);
    assert_eq!(moved(overdue(6), Some(&stored)), WarningTransition::Leave);
}

#[test]
fn a_higher_level_asks_again_and_a_lower_one_keeps_the_acknowledgement() {
    let stored = standing(WarningRule::DaysOverdue, WarningLevel::Warning);
    let WarningTransition::RaiseLevel(worse) = moved(overdue(30), Some(&stored)) else {
        panic!("30 days are critical")
    };
    assert_eq!((worse.level, worse.acknowledged), (WarningLevel::Critical, None));
    let stored = standing(WarningRule::DaysOverdue, WarningLevel::Critical);
    let WarningTransition::LowerLevel(better) = moved(overdue(3), Some(&stored)) else {
        panic!("3 days are no longer critical")
    };
    assert_eq!(better.level, WarningLevel::Warning);
    assert_eq!(better.acknowledged, stored.acknowledged);
}

#[test]
fn a_warning_is_cleared_once_its_cause_is_gone_and_raised_anew_when_it_comes_back() {
    let stored = standing(WarningRule::DaysOverdue, WarningLevel::Warning);
    let WarningTransition::Clear(cleared) = moved(overdue(0), Some(&stored)) else {
        panic!("nothing is overdue")
    };
    assert_eq!(cleared.cleared_at, Some(at(9)));
    assert_eq!(moved(overdue(0), Some(&cleared)), WarningTransition::Leave);
    let WarningTransition::Raise(again) = moved(overdue(2), Some(&cleared)) else {
        panic!("it is overdue again")
    };
    assert_eq!((again.acknowledged, again.cleared_at), (None, None));
}

#[test]
fn a_customer_that_goes_to_another_supervisor_takes_the_warning_along() {
    let stored = Warning {
        owner: None,
        ..standing(WarningRule::DaysOverdue, WarningLevel::Warning)
    };
    let WarningTransition::Reassign(moved) = moved(overdue(6), Some(&stored)) else {
        panic!("the owner changed")
    };
    assert_eq!(moved.owner, Some(BOSS));
    assert_eq!(moved.acknowledged, stored.acknowledged);
}

#[test]
fn a_limit_exceeded_from_outside_stands_until_the_exposure_is_back_within() {
    let policy = WarningPolicy::default();
    let mut inputs = calm();
    inputs.exposure = cny(1001);
    let rule = WarningRule::LimitExceeded;
    assert_eq!(
        answer(rule, &inputs, &policy, false),
        WarningAnswer::Quiet,
        "an order that a person released is not from outside"
    );
    inputs.outside_cause = Some(OutsideCause::ReturnedPayment);
    let first = transition(
        CUSTOMER,
        rule,
        answer(rule, &inputs, &policy, false),
        None,
        Some(BOSS),
        at(3),
    );
    let WarningTransition::Raise(warning) = first else {
        panic!("a returned payment is from outside")
    };
    assert_eq!(warning.level, WarningLevel::Critical);
    assert_eq!(
        warning.sentence,
        "CNY 1001 is more than the limit of CNY 1000, through a returned payment."
    );
    let next = |inputs: &WarningInputs| {
        let says = answer(rule, inputs, &policy, true);
        transition(CUSTOMER, rule, says, Some(&warning), Some(BOSS), at(4))
    };
    inputs.outside_cause = None;
    assert_eq!(next(&inputs), WarningTransition::Leave);
    inputs.outside_cause = Some(OutsideCause::Rate);
    assert!(matches!(next(&inputs), WarningTransition::RaiseLevel(_)));
    inputs.exposure = cny(1000);
    assert!(matches!(next(&inputs), WarningTransition::Clear(_)));
}

#[test]
fn an_exceeded_limit_is_warned_of_once_and_by_its_cause() {
    let policy = WarningPolicy::default();
    let mut inputs = calm();
    let mut stored: Vec<Warning> = Vec::new();
    let mut standing = |inputs: &WarningInputs, number| {
        for change in transitions(CUSTOMER, inputs, &policy, &stored, Some(BOSS), at(number)) {
            let warning = change.into_record().unwrap();
            stored.retain(|it| it.rule != warning.rule);
            stored.push(warning);
        }
        let active = stored.iter().filter(|it| it.cleared_at.is_none());
        active.map(|it| it.rule).collect::<Vec<_>>()
    };
    inputs.exposure = cny(900);
    assert_eq!(standing(&inputs, 1), [WarningRule::LimitUsed]);
    inputs.exposure = cny(1001);
    assert_eq!(standing(&inputs, 2), [WarningRule::LimitUsed], "somebody decided so");
    inputs.outside_cause = Some(OutsideCause::Rate);
    assert_eq!(standing(&inputs, 3), [WarningRule::LimitExceeded]);
    // The cause is a while ago, and it is still too much.
    inputs.outside_cause = None;
    assert_eq!(standing(&inputs, 4), [WarningRule::LimitExceeded]);
    inputs.exposure = cny(900);
    assert_eq!(standing(&inputs, 5), [WarningRule::LimitUsed]);
}

#[test]
fn a_second_downgrade_asks_for_an_acknowledgement_again() {
    let says = |to, on: &str| {
        let downgrade = Downgrade {
            from: CreditGrade::A,
            to,
            on: day(on),
        };
        let inputs = WarningInputs {
            downgrade: Some(downgrade),
            ..calm()
        };
        answer(WarningRule::Downgrade, &inputs, &WarningPolicy::default(), true)
    };
    let rule = WarningRule::Downgrade;
    let first = transition(CUSTOMER, rule, says(CreditGrade::B, "2026-03-01"), None, None, at(1));
    let mut stored = first.into_record().unwrap();
    stored.acknowledged = standing(rule, WarningLevel::Warning).acknowledged;
    let again = |answer| transition(CUSTOMER, rule, answer, Some(&stored), None, at(2));
    assert_eq!(again(says(CreditGrade::B, "2026-03-01")), WarningTransition::Leave);
    let second = again(says(CreditGrade::C, "2026-03-05")).into_record().unwrap();
    assert_eq!(second.acknowledged, None);
}

#[test]
fn a_downgrade_is_found_behind_changes_of_the_limit_alone() {
    let terms = |on: &str, grade| CreditTerms {
        effective_from: day(on),
        grade,
        limit: CreditLimit::NoLimit,
        terms_days: 30,
        reason: "review".to_owned(),
        by: None,
        recorded_at: at(1),
    };
    let (a, b) = (Some(CreditGrade::A), Some(CreditGrade::B));
    let mut account = CreditAccount::new(CUSTOMER);
    account.terms = vec![terms("2026-01-01", a), terms("2026-02-01", b), terms("2026-03-01", b)];
    assert_eq!(downgrade(&account, day("2026-01-31")), None);
    let found = downgrade(&account, day("2026-03-10")).unwrap();
    assert_eq!((found.from, found.to), (CreditGrade::A, CreditGrade::B));
    assert_eq!(found.on, day("2026-02-01"));
    account.terms.push(terms("2026-03-05", a));
    assert_eq!(downgrade(&account, day("2026-03-10")), None, "raised again");
    account.terms = vec![terms("2026-01-01", None), terms("2026-02-01", b)];
    assert_eq!(
        downgrade(&account, day("2026-03-10")),
        None,
        "a first grade lowers nothing"
    );
}

#[test]
fn the_owner_is_the_reps_supervisor_or_the_rep() {
    let mut rep = Person {
        id: UserId::from_bytes([3; 16]),
        name: "Li".to_owned(),
        roles: Vec::new(),
        supervisor: Some(BOSS),
    };
    assert_eq!(owner(Some(&rep)), Some(BOSS));
    rep.supervisor = None;
    assert_eq!(owner(Some(&rep)), Some(rep.id));
    assert_eq!(owner(None), None);
}
