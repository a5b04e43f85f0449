//! Invoices, contracts, disputes, extensions.

use super::{
    super::{
        contract::NewContract,
        invoice::{InstalmentDue, NewInstalment},
    },
    *,
};

#[test]
fn an_invoice_is_due_by_the_customers_terms_after_delivery_or_after_its_own_date() {
    let mut books = Books::new();
    let invoice = books.owes("001", "5700.00");
    assert_eq!(invoice.due_on, day("2026-04-01"));
    let delivered = NewInvoice {
        delivered_on: Some(day("2026-02-10")),
        ..books.invoice("002", "1")
    };
    assert_eq!(books.issue(delivered).unwrap().due_on, day("2026-03-12"));
    let fixed = NewInvoice {
        due: Due::On(day("2026-03-31")),
        ..books.invoice("003", "1")
    };
    assert_eq!(books.issue(fixed).unwrap().due_on, day("2026-03-31"));
    assert_eq!(books.exposure(), dec("5702"));
    assert_eq!(books.audited(), ["invoice.issued"; 3]);
    let file = books.draft.clone().finish("", NOW).unwrap();
    let written = file
        .records
        .iter()
        .any(|it| matches!(it, LedgerRecord::CreditFile(file) if file.open_receivables == money("5702.00")));
    assert!(written, "phones get the new credit file");
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let mut books = Books::new();
    books.owes("007", "1");
    books.owes("7", "2");
    books.owes("0007", "4");
    assert_eq!(books.draft.ledger().invoices.len(), 3);
    assert_eq!(books.exposure(), dec("7"));
    let wanted = books.draft.clone().finish("", NOW).unwrap().requires;
    let keys: Vec<&str> = wanted.iter().map(|it| it.key.id.as_str()).collect();
    assert_eq!(keys, ["007", "7", "0007"], "each has to be free in the whole company");
    for number in ["", " 7", "7 ", "a\nb", &"9".repeat(101)] {
        let wish = books.invoice(number, "1");
        assert_eq!(books.issue(wish).unwrap_err().field, "number", "{number:?}");
    }
}

#[test]
fn an_invoice_of_a_closed_day_needs_a_later_day_to_count_from() {
    let mut books = Books::new();
    let late = |books: &Books, posted_on: Option<&str>| NewInvoice {
        invoiced_on: day("2026-01-31"),
        posted_on: posted_on.map(day),
        ..books.invoice("1", "10")
    };
    let refused = books.issue(late(&books, None)).unwrap_err();
    assert_eq!(refused.field, "invoiced_on");
    assert!(refused.message.contains("2026-02-01"), "{}", refused.message);
    for (posted, field) in [("2026-01-31", "posted_on"), ("2026-03-03", "posted_on")] {
        let wish = late(&books, Some(posted));
        assert_eq!(books.issue(wish).unwrap_err().field, field, "{posted}");
    }
    let early = NewInvoice {
        posted_on: Some(day("2026-02-20")),
        invoiced_on: day("2026-02-21"),
        ..books.invoice("1", "10")
    };
    assert_eq!(books.issue(early).unwrap_err().field, "posted_on");
    let invoice = books.issue(late(&books, Some("2026-02-01"))).unwrap();
    assert_eq!(invoice.counts_from(), day("2026-02-01"));
    assert_eq!(invoice.due_on, day("2026-03-02"), "the invoice's own date counts");
}

#[test]
fn what_cannot_be_an_invoice_is_refused_by_the_name_of_its_field() {
    let mut books = Books::new();
    let plain = books.invoice("1", "10");
    let with = |change: &dyn Fn(&mut NewInvoice)| {
        let mut wish = plain.clone();
        change(&mut wish);
        wish
    };
    let parts = |amounts: &[&str]| {
        let part = |amount: &&str| NewInstalment {
            amount: dec(amount),
            due: InstalmentDue::On(day("2026-04-01")),
            retention: false,
        };
        Due::Instalments(amounts.iter().map(part).collect())
    };
    for (wish, field) in [
        (with(&|it| it.amount = money("0")), "amount"),
        (with(&|it| it.amount = money("-1")), "amount"),
        (with(&|it| it.amount = money("0.001")), "amount"),
        (with(&|it| it.amount = money("1.5 JPY")), "amount"),
        (with(&|it| it.amount = money("1.0001 KWD")), "amount"),
        (with(&|it| it.amount = money("1000000000001")), "amount"),
        (with(&|it| it.amount = money("10 USD")), "amount.currency"),
        (with(&|it| it.invoiced_on = day("0026-03-02")), "invoiced_on"),
        (with(&|it| it.invoiced_on = day("2026-03-03")), "invoiced_on"),
        (with(&|it| it.delivered_on = Some(day("9026-03-02"))), "delivered_on"),
        (with(&|it| it.due = Due::On(day("9999-12-31"))), "due_on"),
        (with(&|it| it.due = Due::ByContract("K-1".into())), "contract_number"),
        (with(&|it| it.due = parts(&[])), "instalments"),
        (with(&|it| it.due = parts(&["5", "4"])), "instalments.amount"),
        (with(&|it| it.due = parts(&["11", "-1"])), "instalments.amount"),
        (with(&|it| it.order_number = Some(" SO".into())), "order_number"),
        (with(&|it| it.lines = Some(vec![charged(1, "1")])), "lines"),
    ] {
        let error = books.issue(wish.clone()).unwrap_err();
        assert_eq!(error.field, field, "{wish:?}: {}", error.message);
    }
    assert!(books.draft.ledger().invoices.is_empty());
}

fn charged(line: u8, quantity: &str) -> super::super::invoice::ChargedGoods {
    super::super::invoice::ChargedGoods {
        goods: super::super::invoice::Goods::Line(LineId::from_bytes([line; 16])),
        quantity: dec(quantity),
    }
}

#[test]
fn currencies_of_no_and_of_three_decimals_are_counted_in_that_of_the_limit() {
    let mut books = Books::new();
    books.owes("Y", "1000 JPY");
    assert_eq!(books.exposure(), dec("50"));
    books.owes("K", "10.001 KWD");
    assert_eq!(books.exposure(), dec("280.02"));
    let paid = books.pays("R", "1000 JPY");
    assert_eq!(paid.left, Decimal::ZERO);
    assert_eq!(books.open(), ["K/1 10.001"]);
}

fn milestones(shares: &[(&str, DueStart)]) -> NewContract {
    let milestone = |(percent, from): &(&str, DueStart)| Milestone {
        name: format!("{from:?}"),
        percent: dec(percent),
        due: DueRule {
            from: *from,
            offset: DueOffset::Days(30),
        },
        retention: *from == DueStart::Acceptance,
    };
    NewContract {
        number: "K-1".to_owned(),
        signed_on: day("2025-12-20"),
        milestones: shares.iter().map(milestone).collect(),
        acceptance_criteria: "complete and running".to_owned(),
        breach: BreachTerms::default(),
    }
}

#[test]
fn an_invoice_under_a_contract_has_an_instalment_for_each_milestone() {
    let mut books = Books::new();
    let wish = milestones(&[
        ("30", DueStart::Contract),
        ("60", DueStart::Delivery),
        ("10", DueStart::Acceptance),
    ]);
    books.act(|draft, act| contract::record(draft, wish, act)).unwrap();
    let wish = NewInvoice {
        due: Due::ByContract("K-1".to_owned()),
        delivered_on: Some(day("2026-02-28")),
        ..books.invoice("1", "0.10")
    };
    let invoice = books.issue(wish).unwrap();
    let parts: Vec<_> = invoice
        .instalments
        .iter()
        .map(|it| (it.amount, it.due_on, it.retention))
        .collect();
    assert_eq!(
        parts,
        [
            (dec("0.03"), Some(day("2026-01-19")), false),
            (dec("0.06"), Some(day("2026-03-30")), false),
            (dec("0.01"), None, true),
        ]
    );
    assert_eq!(invoice.due_on, day("2026-03-30"));
    assert_eq!(books.exposure(), dec("0.10"), "retention counts before it is due");
    assert_eq!(books.audited(), ["contract.recorded", "invoice.issued"]);
}

#[test]
fn a_contract_whose_milestones_do_not_sum_to_a_hundred_percent_is_refused() {
    let mut books = Books::new();
    for shares in [&[("30", DueStart::Delivery)][..], &[("60", DueStart::Delivery); 2], &[]] {
        let wish = milestones(shares);
        let error = books.act(|draft, act| contract::record(draft, wish, act)).unwrap_err();
        assert!(error.field.starts_with("milestones"), "{}", error.field);
    }
    let mut wish = milestones(&[("100", DueStart::Acceptance)]);
    wish.acceptance_criteria.clear();
    let error = books.act(|draft, act| contract::record(draft, wish, act)).unwrap_err();
    assert_eq!(error.field, "acceptance_criteria");
    assert!(books.draft.ledger().contracts.is_empty());
}

#[test]
fn a_disputed_invoice_counts_in_the_exposure_and_the_dispute_ends_once() {
    let mut books = Books::new();
    books.owes("1", "100");
    let open = |books: &mut Books, reason: &str| {
        let reason = reason.to_owned();
        books.act(|draft, act| dispute::open(draft, "1", None, None, &reason, act))
    };
    assert_eq!(open(&mut books, " ").unwrap_err().field, "reason");
    let invoice = open(&mut books, "two boxes were wet").unwrap();
    assert_eq!(invoice.instalments[0].disputes[0].opened_on, day("2026-03-02"));
    assert_eq!(open(&mut books, "again").unwrap_err().field, "instalment");
    assert_eq!(books.exposure(), dec("100"));
    let disputed: Vec<bool> = books
        .draft
        .file(NOW)
        .unwrap()
        .dues
        .iter()
        .map(|it| it.disputed)
        .collect();
    assert_eq!(disputed, [true]);
    // Money that names nothing leaves it alone.
    assert_eq!(books.pays("R1", "100").left, dec("100"));
    let settle = |books: &mut Books, on: Option<&str>| {
        let on = on.map(day);
        books.act(|draft, act| dispute::settle(draft, "1", None, on, "credit note C-1", act))
    };
    assert_eq!(settle(&mut books, Some("2026-03-01")).unwrap_err().field, "settled_on");
    assert_eq!(settle(&mut books, Some("2026-01-01")).unwrap_err().field, "settled_on");
    books.pass(3);
    let invoice = settle(&mut books, None).unwrap();
    assert_eq!(invoice.instalments[0].disputes[0].settled_on, Some(day("2026-03-05")));
    assert_eq!(settle(&mut books, None).unwrap_err().field, "instalment");
    for no in [0, 2] {
        let refused = books.act(|draft, act| dispute::open(draft, "1", Some(no), None, "late", act));
        assert_eq!(refused.unwrap_err().field, "instalment");
    }
    let unknown = books.act(|draft, act| dispute::open(draft, "9", None, None, "late", act));
    assert_eq!(unknown.unwrap_err().field, "invoice_number");
}

#[test]
fn an_extension_keeps_the_original_due_date_and_says_who_approved() {
    let mut books = Books::new();
    books.owes("1", "100");
    let extend = |books: &mut Books, due: &str, reason: &str| {
        let (due, reason) = (day(due), reason.to_owned());
        books.act(|draft, act| extension::extend(draft, "1", 1, due, &reason, act))
    };
    assert_eq!(extend(&mut books, "2026-04-01", "asked").unwrap_err().field, "due_on");
    assert_eq!(extend(&mut books, "2026-04-20", "").unwrap_err().field, "reason");
    let invoice = extend(&mut books, "2026-04-20", "their customer pays in April").unwrap();
    let part = &invoice.instalments[0];
    assert_eq!(part.due_on, Some(day("2026-04-01")), "the original date stays");
    assert_eq!(
        (part.extensions[0].due_on, part.extensions[0].by),
        (day("2026-04-20"), Some(FINANCE))
    );
    assert_eq!(books.draft.file(NOW).unwrap().oldest_due, Some(day("2026-04-20")));
    books.pays("R1", "100");
    assert_eq!(
        extend(&mut books, "2026-05-20", "more").unwrap_err().field,
        "instalment"
    );
}
