#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::{
    super::books::tests::{cny, day, dec, invoice, note, pays, receipt},
    *,
};
use crate::model::{Extension, Instalment, InterestPolicy};

fn tier(from_day: u32, to_day: Option<u32>, percent: &str) -> InterestTier {
    InterestTier {
        from_day,
        to_day,
        percent_per_day: dec(percent),
    }
}

fn half_percent() -> Vec<InterestTier> {
    InterestPolicy::default().tiers
}

fn debt(amount: &str, due: &str) -> Debt<'static> {
    Debt {
        principal: cny(amount),
        due_on: day(due),
        costs: &[],
    }
}

fn paid(on: &str, amount: &str) -> Payment {
    Payment {
        on: day(on),
        part: None,
        amount: dec(amount),
    }
}

fn worked(order: InterestOrder) -> Interest {
    let payments = [paid("2026-03-08", "40000"), paid("2026-03-17", "100000")];
    let debt = debt("100000", "2026-03-02");
    accrue(&debt, &payments, &half_percent(), order, day("2026-04-30")).unwrap()
}

#[test]
fn the_worked_answer_with_principal_first_is_5700() {
    let interest = worked(InterestOrder::PrincipalFirst);
    assert_eq!(interest.accrued, dec("5700.00"));
    let lines: Vec<_> = interest
        .lines
        .iter()
        .map(|it| (it.from, it.to, it.days, it.balance, it.percent_per_day, it.amount))
        .collect();
    let half = dec("0.5");
    assert_eq!(
        lines,
        [
            (
                day("2026-03-03"),
                day("2026-03-08"),
                6,
                dec("100000"),
                half,
                dec("3000.00")
            ),
            (
                day("2026-03-09"),
                day("2026-03-17"),
                9,
                dec("60000"),
                half,
                dec("2700.00")
            ),
        ]
    );
    assert_eq!(interest.principal_open, Decimal::ZERO);
    assert_eq!(interest.surplus, dec("34300"), "140,000 less 100,000 and 5,700");
}

#[test]
fn the_worked_answer_with_interest_first_is_5835() {
    let interest = worked(InterestOrder::InterestFirst);
    assert_eq!(interest.accrued, dec("5835.00"));
    assert_eq!(interest.lines[1].balance, dec("63000"));
    assert_eq!(
        (interest.interest_open, interest.principal_open),
        (Decimal::ZERO, Decimal::ZERO)
    );
}

#[test]
fn interest_stays_owed_after_the_principal_is_paid() {
    let payments = [paid("2026-03-12", "1000")];
    let debt = debt("1000", "2026-03-02");
    let it = accrue(
        &debt,
        &payments,
        &half_percent(),
        InterestOrder::PrincipalFirst,
        day("2026-12-31"),
    )
    .unwrap();
    assert_eq!((it.principal_open, it.interest_open), (Decimal::ZERO, dec("50.00")));
}

#[test]
fn costs_are_paid_before_interest_and_bear_none() {
    let costs = [(day("2026-03-05"), dec("20"))];
    let debt = Debt {
        costs: &costs,
        ..debt("1000", "2026-03-02")
    };
    let payments = [paid("2026-03-06", "30")];
    let it = accrue(
        &debt,
        &payments,
        &half_percent(),
        InterestOrder::InterestFirst,
        day("2026-03-06"),
    )
    .unwrap();
    assert_eq!(
        (it.accrued, it.costs_open, it.interest_open),
        (dec("20.00"), dec("0"), dec("10.00"))
    );
    assert_eq!(it.principal_open, dec("1000"));
}

#[test]
fn what_is_paid_by_the_due_date_accrues_nothing() {
    for on in ["2026-02-01", "2026-03-02"] {
        let payments = [paid(on, "400")];
        let debt = debt("1000", "2026-03-02");
        let it = accrue(
            &debt,
            &payments,
            &half_percent(),
            InterestOrder::InterestFirst,
            day("2026-03-03"),
        )
        .unwrap();
        assert_eq!(it.accrued, dec("3.00"), "{on}");
    }
    let debt = debt("1000", "2026-03-02");
    let it = accrue(
        &debt,
        &[],
        &half_percent(),
        InterestOrder::InterestFirst,
        day("2026-03-02"),
    )
    .unwrap();
    assert!(it.lines.is_empty(), "the due date itself is not late");
}

#[test]
fn days_in_no_tier_accrue_nothing_and_each_tier_has_its_line() {
    let tiers = [
        tier(31, Some(60), "0.1"),
        tier(1, Some(15), "0.5"),
        tier(61, None, "0.2"),
    ];
    let it = accrue(
        &debt("1000", "2026-01-01"),
        &[],
        &tiers,
        InterestOrder::InterestFirst,
        day("2026-03-12"),
    )
    .unwrap();
    let lines: Vec<_> = it.lines.iter().map(|it| (it.days, it.amount)).collect();
    assert_eq!(lines, [(15, dec("75")), (30, dec("30")), (10, dec("20"))]);
    assert_eq!(it.lines[1].from, day("2026-02-01"));
    let none = accrue(
        &debt("1000", "2026-01-01"),
        &[],
        &[],
        InterestOrder::InterestFirst,
        day("2026-03-12"),
    );
    assert_eq!(none.unwrap().accrued, Decimal::ZERO);
}

#[test]
fn of_overlapping_tiers_the_later_one_counts_however_they_are_listed() {
    let (wide, narrow) = (tier(1, None, "0.5"), tier(10, Some(20), "0.1"));
    for tiers in [[wide, narrow], [narrow, wide]] {
        let percent = |day| tier_on(&tiers, day).unwrap().percent_per_day;
        assert_eq!(
            [9, 10, 20, 21].map(percent),
            [dec("0.5"), dec("0.1"), dec("0.1"), dec("0.5")]
        );
    }
}

#[test]
fn a_line_is_rounded_once_to_the_minor_unit_of_its_currency() {
    for (currency, amount, expected) in [
        ("CNY", "33.33", "2.50"),
        ("JPY", "333", "25"),
        ("KWD", "3.333", "0.250"),
    ] {
        let debt = Debt {
            principal: Money::new(dec(amount), currency.parse().unwrap()),
            due_on: day("2026-01-01"),
            costs: &[],
        };
        let it = accrue(
            &debt,
            &[],
            &half_percent(),
            InterestOrder::InterestFirst,
            day("2026-06-01"),
        )
        .unwrap();
        assert_eq!(it.accrued.to_string(), expected, "{currency}");
    }
}

#[test]
fn leap_days_count_as_days() {
    let it = |due| {
        let until = day("2028-03-05");
        accrue(
            &debt("1000", due),
            &[],
            &half_percent(),
            InterestOrder::InterestFirst,
            until,
        )
        .unwrap()
    };
    assert_eq!(it("2028-02-28").lines[0].days, 6);
}

#[test]
fn amounts_that_cannot_be_counted_name_their_field() {
    let accrued = |debt: &Debt<'_>, payments: &[Payment]| {
        let until = day("2026-06-01");
        accrue(debt, payments, &half_percent(), InterestOrder::InterestFirst, until).map_err(|it| it.field)
    };
    assert_eq!(accrued(&debt("-1", "2026-01-01"), &[]), Err("principal".into()));
    let negative = [paid("2026-02-01", "-5")];
    assert_eq!(
        accrued(&debt("1", "2026-01-01"), &negative),
        Err("payments.amount".into())
    );
}

#[test]
fn interest_of_the_books_counts_from_value_dates_and_forgets_what_bounced() {
    let invoices = [invoice("1", "2026-03-02", "100000")];
    let mut first = receipt("R1", "2026-03-08", "40000");
    first.allocations = vec![pays("1", "40000", "2026-03-15")];
    let mut cheque = receipt("R2", "2026-03-09", "10000");
    cheque.allocations = vec![pays("1", "10000", "2026-03-09")];
    cheque.bounced_on = Some(day("2026-03-16"));
    let receipts = [first, cheque];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    let accrued = |until| {
        let it = of_instalment(&books, "1", 1, &half_percent(), LatenessFrom::Original, day(until));
        it.unwrap().unwrap().accrued
    };
    assert_eq!(accrued("2026-03-17"), dec("5700.00"));
    assert_eq!(
        accrued("2026-03-15"),
        dec("3000") + dec("300") + dec("1500"),
        "before it bounced"
    );
    assert_eq!(
        of_instalment(
            &books,
            "2",
            1,
            &half_percent(),
            LatenessFrom::Original,
            day("2026-03-17")
        ),
        Ok(None)
    );
}

#[test]
fn an_extension_moves_the_first_day_of_lateness_only_where_that_was_agreed() {
    let mut it = invoice("1", "2026-03-02", "1000");
    let mut part = Instalment::new(1, dec("1000"), Some(day("2026-03-02")));
    part.extensions = vec![Extension {
        approved_on: day("2026-03-05"),
        due_on: day("2026-03-12"),
        by: None,
        reason: "harvest is late".into(),
    }];
    it.instalments = vec![part];
    let invoices = [it];
    let notes = [note("C1", "2026-03-01", "1")];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &[],
        credit_notes: &notes,
    };
    let accrued = |from, until| {
        let it = of_instalment(&books, "1", 1, &half_percent(), from, day(until));
        it.unwrap().unwrap().accrued
    };
    assert_eq!(accrued(LatenessFrom::Original, "2026-03-14"), dec("60.00"));
    assert_eq!(accrued(LatenessFrom::Extended, "2026-03-14"), dec("10.00"));
    assert_eq!(
        accrued(LatenessFrom::Extended, "2026-03-04"),
        dec("10.00"),
        "not approved by then"
    );
}

proptest! {
    #[test]
    fn the_order_of_entering_makes_no_difference_and_nothing_is_lost(
        payments in proptest::collection::vec((0u64..40, 1i64..30_000, 0u8..4), 0..8),
        turn in 0usize..8,
        principal_first in any::<bool>(),
    ) {
        let order = if principal_first { InterestOrder::PrincipalFirst } else { InterestOrder::InterestFirst };
        let start = day("2026-02-20");
        let payments: Vec<_> = payments
            .iter()
            .map(|(after, cents, part)| Payment {
                on: start + Days::new(*after),
                part: [None, Some(AllocationPart::Cost), Some(AllocationPart::Interest), Some(AllocationPart::Principal)]
                    [usize::from(*part)],
                amount: Decimal::new(*cents, 2),
            })
            .collect();
        let mut turned = payments.clone();
        turned.rotate_left(turn.min(payments.len()));
        turned.reverse();
        let tiers = [tier(1, Some(10), "0.5"), tier(15, None, "0.03")];
        let costs = [(day("2026-03-10"), dec("12.50"))];
        let debt = Debt { costs: &costs, ..debt("1000", "2026-03-02") };
        let until = day("2026-05-31");
        let it = accrue(&debt, &payments, &tiers, order, until).unwrap();
        prop_assert_eq!(&accrue(&debt, &turned, &tiers, order, until).unwrap(), &it);
        let paid: Decimal = payments.iter().map(|it| it.amount).sum();
        let open = it.principal_open + it.interest_open + it.costs_open;
        prop_assert_eq!(dec("1000") + dec("12.50") + it.accrued - open + it.surplus, paid);
        prop_assert!(it.lines.iter().zip(it.lines.iter().skip(1)).all(|(a, b)| a.to < b.from));
    }
}
