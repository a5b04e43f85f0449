#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::{
    model::{
        CreditDecision, CreditLimit, CreditRate, CreditVerdict, Currency, CustomerId, DocumentCapSwitch, DueAmount,
        DunningLevelSwitch, ExpiredReview, GrantId, OldestItemRule, OldestItemSwitch, OverdueShareRule,
        OverdueShareSwitch, RuleName, RuleOutcome, Timestamp,
    },
    rules::wording::Language,
};

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn file(limit: CreditLimit) -> CreditFile {
    CreditFile {
        customer: CustomerId::from_bytes([1; 16]),
        as_of: Timestamp::from_millis(0),
        grade: Some(CreditGrade::B),
        limit,
        terms_days: 30,
        on_hold: false,
        open_receivables: cny(40),
        special_liabilities: cny(5),
        delivered_not_invoiced: cny(10),
        open_orders: cny(15),
        overdue: cny(0),
        oldest_due: None,
        ..CreditFile::new(
            CustomerId::from_bytes([1; 16]),
            Timestamp::from_millis(0),
            Currency::CNY,
        )
    }
}

fn verdict_of(file: Option<&CreditFile>, unsent: i64, order: i64) -> CreditDecision {
    check(inputs(file.map(|file| (file, 3)), cny(unsent), cny(order)).unwrap())
}

#[test]
fn exactly_at_the_limit_passes_and_one_more_is_held() {
    let file = file(CreditLimit::Limited(cny(100)));
    assert_eq!(verdict_of(Some(&file), 10, 20).verdict, CreditVerdict::Provisional);
    assert_eq!(verdict_of(Some(&file), 10, 21).verdict, CreditVerdict::Held);
    assert_eq!(verdict_of(Some(&file), 11, 20).verdict, CreditVerdict::Held);
}

#[test]
fn no_limit_and_limit_zero_and_no_file_are_three_different_things() {
    assert_eq!(
        verdict_of(Some(&file(CreditLimit::NoLimit)), 0, 1_000_000).verdict,
        CreditVerdict::Provisional
    );
    assert_eq!(
        verdict_of(Some(&file(CreditLimit::Limited(cny(0)))), 0, 1).verdict,
        CreditVerdict::Held
    );
    let without = verdict_of(None, 0, 1);
    assert_eq!(without.verdict, CreditVerdict::Held);
    assert!(without.inputs.limit.is_none());
}

#[test]
fn hold_and_prepay_grade_are_named_among_all_the_rules() {
    let mut file = file(CreditLimit::NoLimit);
    file.on_hold = true;
    file.grade = Some(CreditGrade::D);
    let decision = verdict_of(Some(&file), 0, 1);
    let failed: Vec<_> = decision
        .rules
        .iter()
        .filter(|rule| !rule.passed)
        .map(|rule| rule.rule.as_str())
        .collect();
    assert_eq!(failed, ["account_hold", "grade_allows_credit"]);
    assert_eq!(decision.rules.len(), 4);
}

#[test]
fn a_foreign_currency_is_never_added_unconverted() {
    let file = file(CreditLimit::Limited(cny(100)));
    let usd = Money::new(1.into(), Currency::USD);
    let decision = check(inputs(Some((&file, 1)), Money::zero(Currency::USD), usd).unwrap());
    assert_eq!(decision.verdict, CreditVerdict::Held);
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A customer in good order on 2026-03-01, owing 70 in all, 40 of it invoiced.
fn sound() -> CreditFile {
    let due = |on: &str, amount, disputed| DueAmount {
        on: Some(day(on)),
        amount: cny(amount),
        largest: cny(amount),
        disputed,
        dunning_level: 0,
        dunned_on: None,
    };
    CreditFile {
        dues: vec![
            due("2026-02-20", 10, true),
            due("2026-02-25", 10, false),
            due("2026-03-10", 20, false),
        ],
        overdue: cny(20),
        oldest_due: Some(day("2026-02-20")),
        review_valid_until: Some(day("2026-12-31")),
        ..file(CreditLimit::Limited(cny(100)))
    }
}

fn ask(file: Option<&CreditFile>, policy: &Policy, order: i64, guarantee: Guarantee, on: &str) -> CreditDecision {
    let question = CreditQuestion {
        file: file.map(|file| (file, 3)),
        policy,
        policy_version: 9,
        changes: &CreditRuleChanges::default(),
        guarantee,
        day: day(on),
        unsent_orders: cny(0),
        reserved: cny(0),
        order_total: cny(order),
    };
    let decision = check(gather(&question).unwrap());
    assert_eq!(replay(&decision), None);
    let json = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<CreditDecision>(&json).unwrap(), decision);
    decision
}

fn failed(decision: &CreditDecision) -> Vec<&str> {
    let failed = decision.rules.iter().filter(|it| !it.passed);
    failed.map(|it| it.rule.as_str()).collect()
}

#[test]
fn every_rule_is_answered_in_order_and_what_stands_behind_it_decides_the_verdict() {
    let policy = Policy::default();
    let (file, on) = (sound(), "2026-03-01");
    let offline = ask(Some(&file), &policy, 30, Guarantee::None, on);
    let names: Vec<_> = offline.rules.iter().map(|it| it.rule.clone()).collect();
    assert_eq!(names, RuleName::ALL.map(|it| it.as_str().to_owned()));
    assert_eq!(offline.verdict, CreditVerdict::Provisional);
    assert_eq!(
        ask(Some(&file), &policy, 30, Guarantee::Online, on).verdict,
        CreditVerdict::Approved
    );
    let over = ask(Some(&file), &policy, 31, Guarantee::Online, on);
    assert_eq!(
        (over.verdict, failed(&over)),
        (CreditVerdict::Held, vec!["exposure_within_limit"])
    );
    let reserved = Guarantee::Allowance(GrantId::from_bytes([1; 16]));
    assert_eq!(
        ask(Some(&file), &policy, 31, reserved, on).verdict,
        CreditVerdict::Approved
    );
    // Reserved credit answers for the limit only.
    let held = CreditFile { on_hold: true, ..file };
    assert_eq!(failed(&ask(Some(&held), &policy, 1, reserved, on)), ["account_hold"]);
}

#[test]
fn reserves_for_other_phones_count_against_the_limit() {
    let (file, policy) = (sound(), Policy::default());
    let of = |reserved| {
        let question = CreditQuestion {
            file: Some((&file, 1)),
            policy: &policy,
            policy_version: 1,
            changes: &CreditRuleChanges::default(),
            guarantee: Guarantee::Online,
            day: day("2026-03-01"),
            unsent_orders: cny(5),
            reserved: cny(reserved),
            order_total: cny(10),
        };
        check(gather(&question).unwrap()).verdict
    };
    assert_eq!(of(15), CreditVerdict::Approved);
    assert_eq!(of(16), CreditVerdict::Held);
}

#[test]
fn the_oldest_item_gets_older_after_the_file_was_made() {
    let (file, mut policy) = (sound(), Policy::default());
    let on = |policy: &Policy, on: &str| {
        let decision = ask(Some(&file), policy, 1, Guarantee::None, on);
        failed(&decision).contains(&"oldest_item")
    };
    assert!(!on(&policy, "2026-03-22"));
    assert!(on(&policy, "2026-03-23"));
    policy.check.leave_out_disputed = true;
    assert!(!on(&policy, "2026-03-27"));
    assert!(on(&policy, "2026-03-28"));
    policy.check.oldest_item = OldestItemSwitch::On(OldestItemRule {
        max_days: 30,
        tolerance: 10.into(),
    });
    assert!(!on(&policy, "2026-04-09"));
    assert!(on(&policy, "2026-04-10"));
    policy.check.oldest_item = OldestItemSwitch::Off;
    assert!(!on(&policy, "2030-01-01"));
}

#[test]
fn the_overdue_share_is_zero_when_nothing_is_open() {
    let mut policy = Policy::default();
    policy.check.overdue_share = OverdueShareSwitch::On(OverdueShareRule {
        days: 3,
        max_share: "0.5".parse().unwrap(),
    });
    let share = |file: &CreditFile, policy: &Policy, on: &str| {
        let decision = ask(Some(file), policy, 1, Guarantee::None, on);
        failed(&decision).contains(&"overdue_share")
    };
    // 20 of 40 is exactly half; on the fourteenth the item of the tenth is four days late.
    assert!(!share(&sound(), &policy, "2026-03-13"));
    assert!(share(&sound(), &policy, "2026-03-14"));
    policy.check.leave_out_disputed = true;
    assert!(!share(&sound(), &policy, "2026-03-13"));
    let nothing = CreditFile {
        dues: Vec::new(),
        overdue: cny(0),
        oldest_due: None,
        open_receivables: cny(0),
        ..sound()
    };
    policy.check.overdue_share = OverdueShareSwitch::On(OverdueShareRule {
        days: 0,
        max_share: Decimal::ZERO,
    });
    assert!(!share(&nothing, &policy, "2026-03-14"));
}

#[test]
fn an_expired_assessment_warns_or_blocks_and_a_missing_one_fails() {
    let mut policy = Policy::default();
    let of = |policy: &Policy, until: Option<&str>, on| {
        let file = CreditFile {
            review_valid_until: until.map(day),
            dues: Vec::new(),
            overdue: cny(0),
            oldest_due: None,
            ..sound()
        };
        let decision = ask(Some(&file), policy, 1, Guarantee::None, on);
        let last = decision.rules.last().cloned().unwrap();
        (last.passed, last.sentence)
    };
    let warned = of(&policy, Some("2026-03-01"), "2026-03-02");
    assert_eq!(
        warned.1,
        "Your credit assessment expired on 2026-03-01 and has to be renewed soon."
    );
    assert!(warned.0 && !of(&policy, None, "2026-03-02").0);
    policy.check.expired_review = ExpiredReview::Block;
    assert!(of(&policy, Some("2026-03-01"), "2026-03-01").0);
    assert!(!of(&policy, Some("2026-03-01"), "2026-03-02").0);
    policy.check.expired_review = ExpiredReview::Off;
    assert!(of(&policy, None, "2026-03-02").0);
}

#[test]
fn dunning_level_and_document_cap_hold_an_order() {
    let mut policy = Policy::default();
    let dunned = CreditFile {
        dunning_level: 4,
        ..sound()
    };
    let at = "2026-03-01";
    assert_eq!(
        failed(&ask(Some(&dunned), &policy, 1, Guarantee::None, at)),
        ["dunning_level"]
    );
    policy.check.document_cap = DocumentCapSwitch::On(cny(20));
    assert_eq!(failed(&ask(Some(&sound()), &policy, 20, Guarantee::None, at)), [""; 0]);
    assert_eq!(
        failed(&ask(Some(&sound()), &policy, 21, Guarantee::None, at)),
        ["document_cap"]
    );
    let dollars = Money::new(20.into(), Currency::USD);
    policy.check.document_cap = DocumentCapSwitch::On(dollars);
    assert_eq!(
        failed(&ask(Some(&sound()), &policy, 1, Guarantee::None, at)),
        ["document_cap"]
    );
}

#[test]
fn prepay_is_held_unless_the_policy_refuses_it() {
    let mut policy = Policy::default();
    let file = CreditFile {
        grade: Some(CreditGrade::D),
        ..sound()
    };
    let verdict = |policy: &Policy| ask(Some(&file), policy, 1, Guarantee::Online, "2026-03-01").verdict;
    assert_eq!(verdict(&policy), CreditVerdict::Held);
    policy.check.refuse = BTreeSet::from([RuleName::GradeAllowsCredit]);
    assert_eq!(verdict(&policy), CreditVerdict::Refused);
    // A policy may let the grade buy on credit after all.
    policy.grades.get_mut(&CreditGrade::D).unwrap().allows_credit = true;
    assert_eq!(verdict(&policy), CreditVerdict::Approved);
}

#[test]
fn the_customers_rules_go_before_the_grades_and_those_before_the_companys() {
    let mut policy = Policy::default();
    let level = |most| CreditRuleChanges {
        dunning_level: Some(DunningLevelSwitch::On(most)),
        ..CreditRuleChanges::default()
    };
    let none = CreditRuleChanges::default();
    policy.check_by_grade.insert(CreditGrade::B, level(2));
    let of = |grade, changes: &CreditRuleChanges| rules_for(&policy, grade, changes).dunning_level;
    assert_eq!(of(None, &none), DunningLevelSwitch::On(3));
    assert_eq!(of(Some(CreditGrade::A), &none), DunningLevelSwitch::On(3));
    assert_eq!(of(Some(CreditGrade::B), &none), DunningLevelSwitch::On(2));
    assert_eq!(of(Some(CreditGrade::B), &level(1)), DunningLevelSwitch::On(1));
}

#[test]
fn an_order_in_another_currency_is_converted_at_the_rate_of_the_day_or_held() {
    let mut policy = Policy::default();
    let file = sound();
    let of = |policy: &Policy, dollars: i64| {
        let question = CreditQuestion {
            file: Some((&file, 1)),
            policy,
            policy_version: 1,
            changes: &CreditRuleChanges::default(),
            guarantee: Guarantee::None,
            day: day("2026-03-01"),
            unsent_orders: Money::zero(Currency::USD),
            reserved: cny(0),
            order_total: Money::new(dollars.into(), Currency::USD),
        };
        check(gather(&question).unwrap())
    };
    assert_eq!(failed(&of(&policy, 1)), ["exposure_within_limit"]);
    policy.rates.push(CreditRate {
        from: Currency::USD,
        to: Currency::CNY,
        on: day("2026-01-01"),
        rate: 6.into(),
    });
    assert_eq!(of(&policy, 5).verdict, CreditVerdict::Provisional);
    assert_eq!(of(&policy, 6).verdict, CreditVerdict::Held);
    assert_eq!(of(&policy, 5).inputs.order_total, cny(30));
}

#[test]
fn a_verdict_that_does_not_follow_from_its_inputs_is_found() {
    let mut decision = ask(Some(&sound()), &Policy::default(), 31, Guarantee::None, "2026-03-01");
    decision.verdict = CreditVerdict::Provisional;
    let found = replay(&decision).unwrap();
    assert_eq!(
        (found.claimed, found.recomputed),
        (CreditVerdict::Provisional, CreditVerdict::Held)
    );
    // A rule that is left out, or said to have passed.
    let mut silent = ask(Some(&sound()), &Policy::default(), 31, Guarantee::None, "2026-03-01");
    silent.rules.retain(|it| it.passed);
    assert!(replay(&silent).is_some());
}

#[test]
fn a_check_of_an_older_version_still_reads_and_replays() {
    let old = r#"{"verdict":"held","inputs":{"as_of":0,"file_version":3,"grade":"B","limit":{"limited":
        {"amount":"100","currency":"CNY"}},"on_hold":false,"exposure":{"amount":"70","currency":"CNY"},
        "unsent_orders":{"amount":"0","currency":"CNY"},"order_total":{"amount":"31","currency":"CNY"}},"rules":[
        {"rule":"credit_file","passed":true,"sentence":"x"},{"rule":"account_hold","passed":true,"sentence":"x"},
        {"rule":"grade_allows_credit","passed":true,"sentence":"x"},
        {"rule":"exposure_within_limit","passed":false,"sentence":"More than your limit."}]}"#;
    let decision: CreditDecision = serde_json::from_str(old).unwrap();
    assert_eq!(replay(&decision), None);
    let last = decision.rules.last().unwrap();
    assert_eq!(
        sentence(last, Language::Chinese, chrono_tz::UTC),
        "More than your limit."
    );
    let mut claimed = decision;
    claimed.verdict = CreditVerdict::Provisional;
    assert!(replay(&claimed).is_some());
}

#[test]
fn sentences_come_in_two_languages_with_times_in_the_organisations_zone() {
    let decision = ask(Some(&sound()), &Policy::default(), 31, Guarantee::None, "2026-03-01");
    let say = |at: usize, language| sentence(&decision.rules[at], language, chrono_tz::Asia::Shanghai);
    assert_eq!(
        say(0, Language::English),
        "Your credit was last confirmed at 1970-01-01 08:00."
    );
    assert_eq!(
        decision.rules[0].sentence,
        "Your credit was last confirmed at 1970-01-01 00:00 UTC."
    );
    assert_eq!(say(0, Language::Chinese), "您的信用档案更新于 1970-01-01 08:00。");
    assert_eq!(
        say(3, Language::English),
        "With this order CNY 101 would be owed, more than your limit of CNY 100."
    );
    assert_eq!(say(3, Language::Chinese), "加上本单共占用 CNY 101，超过额度 CNY 100。");
    assert_eq!(
        say(5, Language::Chinese),
        "您最早的未清款项已逾期 9 天，允许 30 天以内。"
    );
    // What only a newer version can say is shown as it was stored.
    let json = r#"{"rule":"weather","passed":false,"sentence":"It rains.","facts":{"rain":{"mm":3}}}"#;
    let newer: RuleOutcome = serde_json::from_str(json).unwrap();
    assert_eq!(sentence(&newer, Language::Chinese, chrono_tz::UTC), "It rains.");
    assert_eq!(serde_json::to_string(&newer).unwrap(), json);
}
