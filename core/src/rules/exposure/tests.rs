#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::model::{
    Assessment, CreditAccount, CreditGrade, CreditHold, CreditLimit, CreditRate, CreditTerms, CustomerId, DeviceId,
    DocumentId, Grant, GrantId, GrantMode, GrantState, GrantTerms, LedgerOrder, LineId, Policy, ProductId,
    SpecialLiability, Timestamp, UserId,
};

const CUSTOMER: CustomerId = CustomerId::from_bytes([1; 16]);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}
fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}
fn usd(amount: i64) -> Money {
    Money::new(amount.into(), Currency::USD)
}
/// Noon in Shanghai on a day.
fn noon(text: &str) -> Timestamp {
    let noon = day(text).and_hms_opt(4, 0, 0).unwrap();
    Timestamp::from_millis(noon.and_utc().timestamp_millis())
}
fn item(due: Option<&str>, open: i64) -> OpenItem {
    OpenItem {
        invoice_number: "R1".to_owned(),
        instalment: 1,
        order_number: None,
        posted_on: day("2026-01-01"),
        due_on: due.map(day),
        original_due_on: due.map(day),
        currency: Currency::CNY,
        amount: open.into(),
        principal: open.into(),
        interest: Decimal::ZERO,
        costs: Decimal::ZERO,
        disputed: false,
        dunning_level: 0,
        dunned_on: None,
        retention: false,
    }
}
fn line(ordered: &str, delivered: &str, invoiced: &str, price: &str) -> OrderDecisionLine {
    OrderDecisionLine {
        product: ProductId::from_bytes([1; 16]),
        ordered: ordered.parse().unwrap(),
        delivered: delivered.parse().unwrap(),
        invoiced: invoiced.parse().unwrap(),
        unit_price: price.parse().unwrap(),
    }
}
fn decision(standing: OrderStanding, line: OrderDecisionLine) -> OrderDecision {
    OrderDecision {
        order: DocumentId::from_bytes([1; 16]),
        number: "M1".to_owned(),
        customer: CUSTOMER,
        rep: UserId::from_bytes([1; 16]),
        received_at: noon("2026-03-01"),
        wanted_by: None,
        currency: Currency::CNY,
        lines: BTreeMap::from([(LineId::from_bytes([1; 16]), line)]),
        deliveries: BTreeMap::new(),
        standing,
        spend: None,
        events: Vec::new(),
    }
}
fn imported(number: &str, shipped: Option<&str>, total: i64) -> LedgerOrder {
    LedgerOrder {
        number: number.to_owned(),
        customer: CUSTOMER,
        ordered_on: day("2026-01-01"),
        wanted_by: None,
        shipped_on: shipped.map(day),
        state: String::new(),
        cancelled: false,
        lines: Vec::new(),
        total: cny(total),
        note: String::new(),
    }
}

#[test]
fn over_delivery_and_over_invoicing_leave_nothing_behind_twice() {
    let amounts = |line: OrderDecisionLine| {
        let it = line_amounts(&line, Currency::CNY).unwrap();
        (it.undelivered.amount, it.uninvoiced.amount, it.invoiced.amount)
    };
    let of = |a: i64, b: i64, c: i64| (Decimal::from(a), Decimal::from(b), Decimal::from(c));
    assert_eq!(amounts(line("10", "0", "0", "2")), of(20, 0, 0));
    assert_eq!(amounts(line("10", "4", "1", "2")), of(12, 6, 2));
    assert_eq!(amounts(line("10", "12", "0", "2")), of(0, 24, 0));
    assert_eq!(amounts(line("10", "4", "6", "2")), of(8, 0, 12));
    assert_eq!(amounts(line("10", "4", "11", "2")), of(0, 0, 22));
}

#[test]
fn what_was_delivered_counts_whatever_was_decided_about_the_order() {
    let of = |standing| {
        let (open, delivered) = counted(&decision(standing, line("10", "4", "1", "2"))).unwrap();
        (open, delivered)
    };
    assert_eq!(of(OrderStanding::Approved), (cny(12), cny(6)));
    assert_eq!(of(OrderStanding::Released), (cny(12), cny(6)));
    for standing in [
        OrderStanding::Held,
        OrderStanding::Refused,
        OrderStanding::Cancelled,
        OrderStanding::Closed,
    ] {
        assert_eq!(of(standing), (cny(0), cny(6)), "{standing:?}");
    }
}

#[test]
fn the_newest_rate_not_after_the_day_converts_and_its_inverse_when_only_that_exists() {
    let rate = |from, to, on: &str, rate: &str| CreditRate {
        from,
        to,
        on: day(on),
        rate: rate.parse().unwrap(),
    };
    let mut rates = vec![
        rate(Currency::USD, Currency::CNY, "2026-01-01", "7.0"),
        rate(Currency::USD, Currency::CNY, "2026-02-01", "7.2"),
        rate(Currency::USD, Currency::CNY, "2026-02-01", "7.3"),
        rate(Currency::USD, Currency::CNY, "2026-03-01", "8.0"),
    ];
    let on = |rates: &[CreditRate], text: &str, money: Money, to| DayRates { rates, day: day(text) }.convert(money, to);
    assert_eq!(on(&rates, "2026-02-28", usd(10), Currency::CNY).unwrap(), cny(73));
    assert_eq!(on(&rates, "2026-01-31", usd(10), Currency::CNY).unwrap(), cny(70));
    let back = on(&rates, "2026-02-28", cny(100), Currency::USD).unwrap();
    assert_eq!(back.to_string(), "USD 13.70");
    rates.push(rate(Currency::CNY, Currency::USD, "2026-01-01", "0.15"));
    assert_eq!(on(&rates, "2026-02-28", cny(100), Currency::USD).unwrap(), usd(15));
    let missing = on(&rates, "2025-12-31", usd(1), Currency::CNY).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "there is no credit rate from USD to CNY that holds on 2025-12-31; enter one in the policy"
    );
}

#[test]
fn only_what_is_certain_lowers_the_receivables() {
    let rates = DayRates {
        rates: &[],
        day: day("2026-03-01"),
    };
    let mut retention = item(Some("2026-12-31"), 10);
    retention.retention = true;
    let mut disputed = item(Some("2026-01-31"), 40);
    disputed.disputed = true;
    disputed.interest = 2.into();
    disputed.costs = 1.into();
    let items = [retention, disputed, item(None, 50)];
    let credit = |cash, cleared, amount: i64| UnallocatedCredit {
        source: "A".to_owned(),
        cash,
        posted_on: day("2026-02-01"),
        cleared,
        currency: Currency::CNY,
        amount: amount.into(),
    };
    let credits = [
        credit(true, true, 20),
        credit(true, false, 1_000),
        credit(false, true, 3),
    ];
    let owed = receivables(&items, &credits, &rates, Currency::CNY).unwrap();
    assert_eq!(owed, cny(10 + 43 + 50 - 20 - 3));
}

fn account() -> CreditAccount {
    let mut account = CreditAccount::new(CUSTOMER);
    account.terms.push(CreditTerms {
        effective_from: day("2026-01-01"),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(cny(1_000)),
        terms_days: 30,
        reason: "first assessment".to_owned(),
        by: None,
        recorded_at: noon("2026-01-01"),
    });
    account.assessments.push(Assessment {
        on: day("2026-01-01"),
        assessor: "Wu".to_owned(),
        evidence: "accounts of last year".to_owned(),
        valid_until: day("2026-12-31"),
    });
    account.holds.push(CreditHold {
        from: day("2026-03-01"),
        until: None,
        reason: "cheque returned".to_owned(),
        by: None,
    });
    account.liabilities.push(SpecialLiability {
        name: "bill of exchange".to_owned(),
        amount: usd(10),
        from: day("2026-01-01"),
        until: Some(day("2026-04-01")),
    });
    account
}

#[test]
fn a_credit_file_says_everything_in_the_limits_currency() {
    let account = account();
    let mut policy = Policy::default();
    policy.rates.push(CreditRate {
        from: Currency::USD,
        to: Currency::CNY,
        on: day("2026-01-01"),
        rate: 7.into(),
    });
    let mut late = item(Some("2026-02-01"), 30);
    late.dunning_level = 2;
    let items = [
        late,
        item(Some("2026-02-01"), 5),
        item(Some("2026-03-05"), 100),
        item(None, 7),
    ];
    let mut open = decision(OrderStanding::Approved, line("10", "4", "1", "2"));
    open.wanted_by = Some(day("2026-03-10"));
    let mut cancelled = [imported("K4", Some("2026-02-01"), 600), imported("K5", None, 700)];
    cancelled.iter_mut().for_each(|it| it.cancelled = true);
    let [shipped, open_one] = cancelled;
    let orders = [
        imported("M1", None, 999),
        imported("K1", Some("2026-02-01"), 11),
        imported("K2", None, 13),
        imported("K3", Some("2026-02-01"), 500),
        shipped,
        open_one,
    ];
    let grant = Grant {
        terms: GrantTerms {
            id: GrantId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([1; 16]),
            user: UserId::from_bytes([1; 16]),
            customer: CUSTOMER,
            amount: cny(200),
            policy_version: 1,
            issued_at: noon("2026-03-01"),
            not_after: noon("2026-03-02"),
            mode: GrantMode::Lease,
        },
        signature: String::new(),
        state: GrantState::Open,
        settled: Vec::new(),
        close: None,
        reason: String::new(),
        written_off_by: Vec::new(),
        taken_back_at: None,
    };
    let invoiced = BTreeSet::from(["K3".to_owned()]);
    let sources = FileSources {
        account: &account,
        policy: &policy,
        items: &items,
        unallocated: &[],
        decisions: &[open],
        orders: &orders,
        invoiced_orders: &invoiced,
        books_have_invoices: true,
        grants: &[grant],
        currency: Currency::CNY,
    };
    let file = credit_file(&sources, noon("2026-03-01"), chrono_tz::Asia::Shanghai).unwrap();
    assert_eq!((file.grade, file.terms_days), (Some(CreditGrade::B), 30));
    assert_eq!(file.limit, CreditLimit::Limited(cny(1_000)));
    assert_eq!((file.on_hold, file.hold_reason.as_str()), (true, "cheque returned"));
    assert_eq!((file.open_receivables, file.special_liabilities), (cny(142), cny(70)));
    assert_eq!(
        (file.delivered_not_invoiced, file.open_orders),
        (cny(6 + 11), cny(12 + 13))
    );
    assert_eq!(file.reserved, Some(cny(200)));
    assert_eq!((file.overdue, file.oldest_due), (cny(35), Some(day("2026-02-01"))));
    assert_eq!(
        (file.dunning_level, file.review_valid_until),
        (2, Some(day("2026-12-31")))
    );
    assert_eq!(
        file.dues
            .iter()
            .map(|it| (it.amount, it.dunning_level))
            .collect::<Vec<_>>(),
        [(cny(7), 0), (cny(5), 0), (cny(30), 2), (cny(100), 0)],
        "what has come further in dunning stands apart, so that phones can tell what is to be done today"
    );
    // Within a week only the order without a day ships; the other one ships on the tenth day.
    let within = |days| open_orders_within(&file, Horizon::Dynamic { days }, day("2026-03-01")).unwrap();
    assert_eq!((within(9), within(10)), (cny(13), cny(25)));
    assert_eq!(
        of_file(&file, Horizon::Static, day("2026-03-01")).unwrap(),
        cny(142 + 70 + 17 + 25)
    );
    // As days pass, more of the same file is late.
    let late = lateness(&file, false, 30.into(), 0, day("2026-03-06")).unwrap();
    assert_eq!(
        (late.open, late.late, late.oldest_due),
        (cny(142), cny(135), Some(day("2026-03-05")))
    );
    // Without a rate nothing is said rather than something wrong.
    let bare = Policy::default();
    let without = FileSources {
        policy: &bare,
        ..sources
    };
    let error = credit_file(&without, noon("2026-03-01"), chrono_tz::Asia::Shanghai).unwrap_err();
    assert!(matches!(error, ExposureError::MissingRate { .. }));
    assert!(!serde_json::to_string(&file).unwrap().is_empty());
}

#[test]
fn a_credit_file_over_two_thousand_items_keeps_one_sum_for_each_due_date() {
    let items: Vec<OpenItem> = (0..2_000_u32)
        .map(|no| {
            let mut it = item(None, i64::from(no % 97) + 1);
            it.due_on = day("2025-01-01").checked_add_days(Days::new((no % 400).into()));
            it
        })
        .collect();
    let (account, policy) = (CreditAccount::new(CUSTOMER), Policy::default());
    let sources = FileSources {
        account: &account,
        policy: &policy,
        items: &items,
        unallocated: &[],
        decisions: &[],
        orders: &[],
        invoiced_orders: &BTreeSet::new(),
        books_have_invoices: true,
        grants: &[],
        currency: Currency::CNY,
    };
    let file = credit_file(&sources, noon("2026-03-01"), chrono_tz::UTC).unwrap();
    assert_eq!(file.dues.len(), 400);
    let owed: Decimal = items.iter().map(OpenItem::open).sum();
    assert_eq!(file.open_receivables.amount, owed);
    let late = lateness(&file, true, Decimal::ONE, 30, day("2026-03-01")).unwrap();
    let by_hand = items.iter().filter(|it| it.days_late(day("2026-03-01")) > Some(30));
    assert_eq!(late.late.amount, by_hand.map(OpenItem::open).sum());
}

proptest! {
    #[test]
    fn exposure_is_conserved_when_units_are_delivered_and_invoiced(
        price in 0u32..1_000_000,
        scale in 0u32..5,
        ordered in 1u32..100_000,
        steps in prop::collection::vec((any::<bool>(), 0u32..40_000), 0..12),
    ) {
        let mut line = line("0", "0", "0", "0");
        line.unit_price = Decimal::new(price.into(), scale);
        line.ordered = Decimal::new(ordered.into(), 3);
        let total = line.value(line.ordered, Currency::CNY).unwrap().amount;
        for (deliver, thousandths) in steps {
            let quantity = Decimal::new(thousandths.into(), 3);
            if deliver {
                line.delivered = (line.delivered + quantity).min(line.ordered);
            } else {
                line.invoiced = (line.invoiced + quantity).min(line.ordered);
            }
            let it = line_amounts(&line, Currency::CNY).unwrap();
            let parts = [it.undelivered.amount, it.uninvoiced.amount, it.invoiced.amount];
            prop_assert!(parts.iter().all(|part| *part >= Decimal::ZERO));
            prop_assert_eq!(parts.iter().sum::<Decimal>(), total);
            prop_assert_eq!(it.invoiced, line.value(line.invoiced, Currency::CNY).unwrap());
        }
    }
}
