#![allow(clippy::unwrap_used)]
use super::*;
use crate::model::{AllocationBasis, Charge, CustomerId, Dispute, DunningNotice, Extension, Money};

pub(in crate::rules) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(in crate::rules) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(in crate::rules) fn cny(text: &str) -> Money {
    Money::new(dec(text), Currency::CNY)
}

pub(in crate::rules) const CUSTOMER: CustomerId = CustomerId::from_bytes([1; 16]);

/// An invoice written thirty days before it is due.
pub(in crate::rules) fn invoice(number: &str, due: &str, amount: &str) -> Invoice {
    let due = day(due);
    Invoice::new(number, CUSTOMER, due - chrono::Days::new(30), due, cny(amount))
}

pub(in crate::rules) fn receipt(reference: &str, on: &str, amount: &str) -> Receipt {
    Receipt::cleared(reference, CUSTOMER, day(on), cny(amount))
}

pub(in crate::rules) fn note(number: &str, on: &str, amount: &str) -> CreditNote {
    CreditNote {
        number: number.into(),
        customer: CUSTOMER,
        invoice_number: None,
        credited_on: day(on),
        posted_on: None,
        amount: cny(amount),
        reason: String::new(),
        allocations: Vec::new(),
    }
}

pub(in crate::rules) fn pays(invoice: &str, amount: &str, on: &str) -> Allocation {
    Allocation {
        invoice_number: invoice.into(),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: dec(amount),
        taken: None,
        posted_on: day(on),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: AllocationBasis::Manual,
        by: None,
    }
}

fn open(books: &CustomerBooks<'_>, on: &str) -> Vec<(String, Decimal)> {
    let items = open_items(books, day(on)).unwrap();
    items
        .into_iter()
        .map(|it| (it.invoice_number.clone(), it.open()))
        .collect()
}

fn left(books: &CustomerBooks<'_>, on: &str) -> Vec<(String, Decimal, bool)> {
    let credits = unallocated(books, day(on)).unwrap();
    credits
        .into_iter()
        .map(|it| (it.source, it.amount, it.cleared))
        .collect()
}

#[test]
fn a_partial_payment_leaves_the_rest_open_and_an_overpayment_stays_a_credit() {
    let invoices = [invoice("1", "2026-03-02", "100"), invoice("2", "2026-03-05", "50")];
    let mut paid = receipt("R1", "2026-03-04", "80");
    paid.allocations = vec![pays("1", "60.50", "2026-03-04")];
    let receipts = [paid];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    assert_eq!(
        open(&books, "2026-03-03"),
        [("1".into(), dec("100")), ("2".into(), dec("50"))]
    );
    assert_eq!(
        open(&books, "2026-03-04"),
        [("1".into(), dec("39.50")), ("2".into(), dec("50"))]
    );
    assert!(left(&books, "2026-03-03").is_empty());
    assert_eq!(left(&books, "2026-03-04"), [("R1".into(), dec("19.50"), true)]);
    assert!(open(&books, "2026-01-01").is_empty(), "nothing was invoiced by then");
}

#[test]
fn what_is_posted_later_never_changes_a_past_report() {
    let mut late = invoice("2", "2026-03-05", "50");
    late.posted_on = Some(day("2026-04-01"));
    let mut first = invoice("1", "2026-03-02", "100");
    first.instalments = vec![Instalment::new(1, dec("100"), Some(day("2026-03-02")))];
    let before = [first.clone()];
    let books = |invoices| CustomerBooks {
        invoices,
        ..CustomerBooks::default()
    };
    let past = open_items(&books(&before), day("2026-03-31")).unwrap();

    let part = &mut first.instalments[0];
    part.charges.push(Charge {
        kind: ChargeKind::Interest,
        amount: dec("3"),
        posted_on: day("2026-04-01"),
        reason: String::new(),
    });
    part.extensions.push(Extension {
        approved_on: day("2026-04-01"),
        due_on: day("2026-05-01"),
        by: None,
        reason: "harvest".into(),
    });
    part.disputes.push(Dispute {
        opened_on: day("2026-04-01"),
        settled_on: Some(day("2026-04-10")),
        reason: "short".into(),
    });
    part.dunning.push(DunningNotice {
        level: 2,
        on: day("2026-04-01"),
    });
    let after = [late, first];
    assert_eq!(open_items(&books(&after), day("2026-03-31")).unwrap(), past);

    let now = open_items(&books(&after), day("2026-04-01")).unwrap();
    let (second, first) = (&now[0], &now[1]);
    assert_eq!(
        (second.invoice_number.as_str(), second.due_on),
        ("2", Some(day("2026-03-05")))
    );
    assert_eq!(first.open(), dec("103"));
    assert_eq!(first.interest, dec("3"));
    assert_eq!(
        (first.due_on, first.original_due_on),
        (Some(day("2026-05-01")), Some(day("2026-03-02")))
    );
    assert!(first.disputed);
    assert_eq!((first.dunning_level, first.dunned_on), (2, Some(day("2026-04-01"))));
    assert!(
        !open_items(&books(&after), day("2026-04-10")).unwrap()[1].disputed,
        "settled that day"
    );
}

#[test]
fn a_reversed_allocation_pays_until_the_day_of_its_reversal() {
    let invoices = [invoice("1", "2026-03-02", "100")];
    let mut paid = receipt("R1", "2026-03-04", "100");
    let mut wrong = pays("1", "100", "2026-03-04");
    wrong.reversed_on = Some(day("2026-03-10"));
    paid.allocations = vec![wrong];
    let receipts = [paid];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    assert!(open(&books, "2026-03-09").is_empty());
    assert_eq!(open(&books, "2026-03-10"), [("1".into(), dec("100"))]);
    assert_eq!(left(&books, "2026-03-10"), [("R1".into(), dec("100"), true)]);
}

#[test]
fn a_cheque_pays_once_cleared_and_nothing_from_the_day_it_bounces() {
    let invoices = [invoice("1", "2026-03-02", "100")];
    let mut cheque = receipt("R1", "2026-03-04", "100");
    cheque.cleared_on = Some(day("2026-03-07"));
    cheque.bounced_on = Some(day("2026-03-12"));
    cheque.allocations = vec![pays("1", "100", "2026-03-04")];
    let receipts = [cheque];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    assert_eq!(open(&books, "2026-03-06"), [("1".into(), dec("100"))]);
    assert_eq!(left(&books, "2026-03-06"), [("R1".into(), dec("100"), false)]);
    assert!(open(&books, "2026-03-11").is_empty());
    assert!(left(&books, "2026-03-11").is_empty());
    assert_eq!(open(&books, "2026-03-12"), [("1".into(), dec("100"))]);
    assert!(left(&books, "2026-03-12").is_empty());
}

#[test]
fn a_credit_note_larger_than_its_invoice_leaves_a_credit() {
    let invoices = [invoice("1", "2026-03-02", "100")];
    let mut note = note("C1", "2026-02-10", "130");
    note.allocations = vec![pays("1", "100", "2026-02-10")];
    let notes = [note];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &[],
        credit_notes: &notes,
    };
    assert!(open(&books, "2026-02-10").is_empty());
    assert_eq!(left(&books, "2026-02-10"), [("C1".into(), dec("30"), true)]);
}

#[test]
fn leading_zeros_make_another_invoice() {
    let invoices = [invoice("0012", "2026-03-02", "100"), invoice("12", "2026-03-02", "100")];
    let mut paid = receipt("R1", "2026-03-04", "100");
    paid.allocations = vec![pays("0012", "100", "2026-03-04")];
    let receipts = [paid];
    let books = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    assert_eq!(open(&books, "2026-03-04"), [("12".into(), dec("100"))]);
}

#[test]
fn retention_is_open_before_its_event_has_given_it_a_date() {
    let mut it = invoice("1", "2026-03-02", "100");
    let mut kept = Instalment::new(2, dec("10"), None);
    kept.retention = true;
    it.instalments = vec![Instalment::new(1, dec("90"), Some(day("2026-03-02"))), kept];
    let invoices = [it];
    let books = CustomerBooks {
        invoices: &invoices,
        ..CustomerBooks::default()
    };
    let items = open_items(&books, day("2026-04-01")).unwrap();
    assert_eq!(items[1].open(), dec("10"));
    assert!(items[1].retention);
    assert_eq!(items[1].days_late(day("2026-04-01")), None);
    assert_eq!(items[0].days_late(day("2026-04-01")), Some(30));
}

#[test]
fn records_that_contradict_each_other_give_an_error_and_no_figure() {
    let one = [invoice("1", "2026-03-02", "100")];
    let error = |invoices: &[Invoice], receipts: &[Receipt]| {
        let books = CustomerBooks {
            invoices,
            receipts,
            credit_notes: &[],
        };
        let on = day("2026-04-01");
        let items = open_items(&books, on).map(drop);
        items.and(unallocated(&books, on).map(drop)).unwrap_err()
    };
    let paying = |allocation: Allocation| {
        let mut it = receipt("R1", "2026-03-04", "150");
        it.allocations = vec![allocation];
        it
    };
    let twice = [one[0].clone(), one[0].clone()];
    assert_eq!(error(&twice, &[]), BooksError::DuplicateInvoice("1".into()));
    let unknown = error(&one, &[paying(pays("01", "1", "2026-03-04"))]);
    assert!(matches!(unknown, BooksError::UnknownItem { .. }), "{unknown}");
    let over = error(&one, &[paying(pays("1", "100.01", "2026-03-04"))]);
    assert!(
        matches!(&over, BooksError::Overpaid { over, .. } if *over == dec("0.01")),
        "{over}"
    );
    let mut taken = pays("1", "100", "2026-03-04");
    taken.taken = Some(dec("151"));
    let over = error(&one, &[paying(taken)]);
    assert!(
        matches!(&over, BooksError::OverAllocated { over, .. } if *over == dec("1")),
        "{over}"
    );
    let mut dollars = paying(pays("1", "100", "2026-03-04"));
    dollars.amount.currency = Currency::USD;
    assert!(matches!(error(&one, &[dollars]), BooksError::NoRate { .. }));
    let huge = Charge {
        kind: ChargeKind::Cost,
        amount: Decimal::MAX,
        posted_on: day("2026-03-04"),
        reason: String::new(),
    };
    let mut charged = one[0].clone();
    charged.instalments = vec![Instalment::new(1, dec("100"), None)];
    charged.instalments[0].charges = vec![huge];
    assert_eq!(error(&[charged], &[]), BooksError::Money(InvalidMoney::Overflow));
}

#[test]
fn the_rate_of_a_day_is_the_newest_that_holds_by_then() {
    let rate = |from, to, on, rate: &str| CreditRate {
        from,
        to,
        on: day(on),
        rate: dec(rate),
    };
    let (usd, cny) = (Currency::USD, Currency::CNY);
    let rates = [
        rate(usd, cny, "2026-02-01", "7.2"),
        rate(usd, cny, "2026-01-01", "7.0"),
        rate(usd, cny, "2026-02-01", "7.25"),
        rate(cny, usd, "2026-03-01", "0.125"),
    ];
    let on = |date| rate_on(&rates, usd, cny, day(date));
    assert_eq!(on("2025-12-31"), None);
    assert_eq!(on("2026-01-31"), Some(dec("7.0")));
    assert_eq!(on("2026-02-28"), Some(dec("7.25")), "recorded last");
    assert_eq!(on("2026-03-01"), Some(dec("8")), "the opposite rate is newer");
    assert_eq!(rate_on(&[], cny, cny, day("2026-01-01")), Some(Decimal::ONE));
}
