#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::{
    super::books::{
        open_items,
        tests::{CUSTOMER, cny, day, dec, invoice, note, pays, receipt},
        unallocated,
    },
    *,
};
use crate::model::{Allocation, Charge, ChargeKind, CreditNote, Instalment, ProductId, Receipt};

fn march() -> Period {
    Period {
        from: day("2026-03-01"),
        to: day("2026-03-31"),
    }
}

fn of(books: &CustomerBooks<'_>, period: Period) -> StatementBody {
    statement(books, &[], &[], period, Currency::CNY).unwrap()
}

fn said(body: &StatementBody) -> Vec<String> {
    let line = |it: &StatementLine| {
        format!(
            "{} {:?} {} {} {} {}",
            it.on, it.kind, it.document, it.debit, it.credit, it.balance
        )
    };
    body.lines.iter().map(line).collect()
}

#[test]
fn a_statement_lists_what_happened_with_the_balance_after_each_line() {
    let mut charged = invoice("2", "2026-04-05", "50");
    let mut part = Instalment::new(1, dec("50"), Some(day("2026-04-05")));
    part.charges = vec![Charge {
        kind: ChargeKind::Interest,
        amount: dec("3"),
        posted_on: day("2026-03-31"),
        reason: String::new(),
    }];
    charged.instalments = vec![part];
    let invoices = [
        invoice("1", "2026-03-02", "100"),
        charged,
        invoice("3", "2026-05-01", "9"),
    ];
    let mut cheque = receipt("R2", "2026-03-10", "30");
    cheque.cleared_on = Some(day("2026-03-12"));
    cheque.bounced_on = Some(day("2026-03-15"));
    let mut uncleared = receipt("R3", "2026-03-11", "77");
    uncleared.cleared_on = None;
    let receipts = [receipt("R1", "2026-03-06", "60"), cheque, uncleared];
    let notes = [note("C1", "2026-03-06", "5")];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &notes,
    };
    let body = of(&books, march());
    assert_eq!((body.opening, body.closing), (cny("100"), cny("88")));
    assert_eq!(
        said(&body),
        [
            "2026-03-06 Invoice 2 50 0 150",
            "2026-03-06 CreditNote C1 0 5 145",
            "2026-03-06 Receipt R1 0 60 85",
            "2026-03-12 Receipt R2 0 30 55",
            "2026-03-15 Returned R2 30 0 85",
            "2026-03-31 Charge 2 3 0 88",
        ]
    );
    assert_eq!(
        body.lines.iter().map(|it| it.no).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn the_products_of_an_invoice_come_to_what_was_charged() {
    let line = |quantity: &str, price: &str, discount: &str| LedgerLine {
        product: ProductId::from_bytes([7; 16]),
        quantity: dec(quantity),
        unit_price: dec(price),
        discount: dec(discount),
    };
    let shown = products(&[line("10", "102", "0.10"), line("3", "12.50", "0"), line("1", "9", "1")]);
    let prices: Vec<String> = shown.iter().map(|it| it.unit_price.to_string()).collect();
    assert_eq!(prices, ["91.8", "12.50", "0"]);
    let sum: Decimal = shown.iter().map(|it| it.quantity * it.unit_price).sum();
    assert_eq!(sum, dec("955.5"));
}

#[test]
fn an_invoices_line_shows_its_order_the_ship_date_and_the_products() {
    let mut sold = invoice("1", "2026-04-10", "100");
    sold.order_number = Some("007".into());
    let mut planned = invoice("2", "2026-04-11", "100");
    planned.order_number = Some("7".into());
    let invoices = [sold, planned];
    let books = CustomerBooks {
        invoices: &invoices,
        ..CustomerBooks::default()
    };
    let item = |quantity: &str| LedgerLine {
        product: ProductId::from_bytes([7; 16]),
        quantity: dec(quantity),
        unit_price: dec("10"),
        discount: Decimal::ZERO,
    };
    let order = |number: &str, shipped: Option<&str>| LedgerOrder {
        number: number.into(),
        customer: CUSTOMER,
        ordered_on: day("2026-03-01"),
        wanted_by: None,
        shipped_on: shipped.map(day),
        state: String::new(),
        cancelled: false,
        lines: vec![item("10")],
        total: cny("100"),
        note: String::new(),
    };
    let delivery = |number: &str, on: &str, quantity: &str| LedgerDelivery {
        number: number.into(),
        customer: CUSTOMER,
        order_number: Some("007".into()),
        shipped_on: day(on),
        lines: vec![item(quantity)],
    };
    let orders = [order("7", Some("2026-03-09")), order("007", None)];
    let deliveries = [delivery("D2", "2026-03-12", "4"), delivery("D1", "2026-03-10", "6")];
    let body = statement(&books, &orders, &deliveries, march(), Currency::CNY).unwrap();
    let shown: Vec<_> = body
        .lines
        .iter()
        .map(|it| {
            let quantities: Vec<_> = it.products.iter().map(|it| it.quantity).collect();
            (it.order_number.as_deref().unwrap(), it.shipped_on.unwrap(), quantities)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("007", day("2026-03-12"), vec![dec("6"), dec("4")]),
            ("7", day("2026-03-09"), vec![dec("10")]),
        ]
    );
}

#[test]
fn money_that_pays_another_currency_leaves_one_account_and_enters_the_other() {
    let invoices = [invoice("1", "2026-03-31", "100")];
    let mut dollars = receipt("R1", "2026-03-05", "20");
    dollars.amount.currency = Currency::USD;
    dollars.allocations = vec![Allocation {
        taken: Some(dec("14")),
        reversed_on: Some(day("2026-03-20")),
        ..pays("1", "100", "2026-03-10")
    }];
    let receipts = [dollars];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    let yuan = of(&books, march());
    assert_eq!(
        said(&yuan),
        [
            "2026-03-01 Invoice 1 100 0 100",
            "2026-03-10 Receipt R1 0 100 0",
            "2026-03-20 Returned R1 100 0 100"
        ]
    );
    let dollars = statement(&books, &[], &[], march(), Currency::USD).unwrap();
    assert_eq!(
        said(&dollars),
        [
            "2026-03-05 Receipt R1 0 20 -20",
            "2026-03-10 Returned R1 14 0 -6",
            "2026-03-20 Receipt R1 0 14 -20"
        ]
    );
}

#[test]
fn a_period_that_ends_before_it_begins_is_refused() {
    let backwards = Period {
        from: day("2026-03-31"),
        to: day("2026-03-01"),
    };
    let error = statement(&CustomerBooks::default(), &[], &[], backwards, Currency::CNY).unwrap_err();
    assert!(matches!(error, BooksError::Invalid(it) if it.field == "to"));
}

proptest! {
    #[test]
    fn balances_add_up_follow_on_and_equal_what_is_open_less_credits(
        owed in proptest::collection::vec((0u64..90, 100i64..9_000), 0..8),
        came in proptest::collection::vec((0u64..90, 1i64..9_000, 0u64..9, proptest::option::of(0u64..9), 0usize..8), 0..8),
        credits in proptest::collection::vec((0u64..90, 1i64..900), 0..4),
        cut in 1u64..89,
    ) {
        let start = day("2026-02-01");
        let on = |after: u64| start + chrono::Days::new(after);
        let cents = |it: i64| Decimal::new(it, 2);
        let invoices: Vec<_> = owed
            .iter()
            .enumerate()
            .map(|(index, (after, amount))| {
                Invoice::new(format!("0{index}"), CUSTOMER, on(*after), on(after + 30), Money::new(cents(*amount), Currency::CNY))
            })
            .collect();
        let receipts: Vec<_> = came
            .iter()
            .enumerate()
            .map(|(index, (after, amount, clears, bounces, pays_which))| {
                let mut it = Receipt::cleared(format!("R{index}"), CUSTOMER, on(*after), Money::new(cents(*amount), Currency::CNY));
                it.cleared_on = Some(on(after + clears));
                it.bounced_on = bounces.map(|days| on(after + days));
                if *pays_which < invoices.len() {
                    // Ten cents each never come to more than an invoice of a yuan or more.
                    let part = cents((*amount).min(10)).to_string();
                    it.allocations = vec![pays(&format!("0{pays_which}"), &part, &on(after + clears).to_string())];
                }
                it
            })
            .collect();
        let notes: Vec<CreditNote> = credits
            .iter()
            .enumerate()
            .map(|(index, (after, amount))| note(&format!("C{index}"), &on(*after).to_string(), &cents(*amount).to_string()))
            .collect();
        let books = CustomerBooks { invoices: &invoices, receipts: &receipts, credit_notes: &notes };
        let first = of(&books, Period { from: start, to: on(cut) });
        let second = of(&books, Period { from: on(cut + 1), to: on(120) });
        prop_assert_eq!(first.closing, second.opening);
        for body in [&first, &second] {
            let debits: Decimal = body.lines.iter().map(|it| it.debit).sum();
            let credits: Decimal = body.lines.iter().map(|it| it.credit).sum();
            prop_assert_eq!(body.opening.amount + debits - credits, body.closing.amount);
        }
        let open: Decimal = open_items(&books, on(cut)).unwrap().iter().map(super::super::books::OpenItem::open).sum();
        let left: Decimal = unallocated(&books, on(cut)).unwrap().iter().filter(|it| it.cleared).map(|it| it.amount).sum();
        prop_assert_eq!(first.closing.amount, open - left);
    }
}

#[test]
fn the_last_period_that_ended_is_the_month_or_the_week_before() {
    let ended = |schedule, today: &str| {
        let it = last_ended(schedule, today.parse().unwrap())?;
        Some(format!("{} {}", it.from, it.to))
    };
    for (schedule, today, period) in [
        (StatementSchedule::Monthly, "2026-03-01", Some("2026-02-01 2026-02-28")),
        (StatementSchedule::Monthly, "2028-03-31", Some("2028-02-01 2028-02-29")),
        (StatementSchedule::Monthly, "2026-01-15", Some("2025-12-01 2025-12-31")),
        // 2026-03-02 is a Monday.
        (StatementSchedule::Weekly, "2026-03-02", Some("2026-02-23 2026-03-01")),
        (StatementSchedule::Weekly, "2026-03-08", Some("2026-02-23 2026-03-01")),
        (StatementSchedule::OnRequest, "2026-03-08", None),
    ] {
        assert_eq!(ended(schedule, today).as_deref(), period, "{today}");
    }
}
