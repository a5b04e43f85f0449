//! Receipts, allocation, credit notes, money of nobody known.

use super::{
    super::{
        allocation::{by_hand, by_rules, reverse},
        credit_note::NewCreditNote,
        unidentified::{NewUnidentified, Recorded},
    },
    *,
};

fn to(invoice: &str, amount: Option<&str>) -> PaymentInstruction {
    PaymentInstruction {
        invoice_number: invoice.to_owned(),
        instalment: None,
        amount: amount.map(dec),
    }
}

#[test]
fn money_pays_what_the_customer_said_then_what_it_names_then_the_exact_amount_then_the_oldest() {
    let mut books = Books::new();
    books.owes("007", "100");
    books.pass(1);
    books.owes("7", "200");
    books.pass(1);
    books.owes("8", "300");
    let said = NewReceipt {
        instructions: vec![to("8", Some("50"))],
        pays: Some("for 7".to_owned()),
        ..books.receipt("R1", "60")
    };
    books.register(said).unwrap();
    assert_eq!(books.open(), ["007/1 100", "7/1 190", "8/1 250"]);
    books.pays("R2", "250");
    assert_eq!(books.open(), ["007/1 100", "7/1 190"]);
    let done = books.pays("R3", "120");
    assert_eq!(books.open(), ["7/1 170"]);
    assert_eq!(done.left, Decimal::ZERO);
    assert_eq!(books.exposure(), dec("170"));
    let stranger = NewReceipt {
        instructions: vec![to("07", None)],
        ..books.receipt("R4", "60")
    };
    assert_eq!(
        books.register(stranger).unwrap_err().field,
        "instructions.invoice_number"
    );
}

#[test]
fn an_overpayment_stays_unallocated_and_lowers_the_exposure() {
    let mut books = Books::new();
    books.owes("1", "100");
    let done = books.pays("R1", "130");
    assert_eq!(done.left, dec("30"));
    assert_eq!((books.open(), books.left()), (vec![], vec!["R1 30".to_owned()]));
    assert_eq!(books.exposure(), dec("-30"));
    // A later invoice is paid with it when somebody asks for that.
    books.owes("2", "20");
    assert_eq!(books.exposure(), dec("-10"));
    let done = books.act(|draft, act| by_rules(draft, &of_receipt("R1"), act)).unwrap();
    assert_eq!(done.left, dec("10"));
    assert_eq!(books.open(), Vec::<String>::new());
    assert_eq!(books.exposure(), dec("-10"));
}

#[test]
fn a_cheque_lowers_nothing_before_it_has_cleared_and_what_it_paid_is_owed_again_when_it_bounces() {
    let mut books = Books::new();
    books.owes("1", "100");
    let cheque = NewReceipt {
        cleared: false,
        channel: PaymentChannel::Cheque,
        ..books.receipt("CH-1", "100")
    };
    books.register(cheque).unwrap();
    assert_eq!(
        (books.exposure(), books.open()),
        (dec("100"), vec!["1/1 100".to_owned()])
    );
    let refused = books.act(|draft, act| by_rules(draft, &of_receipt("CH-1"), act));
    assert_eq!(refused.unwrap_err().field, "receipt");
    books.pass(3);
    for on in ["2026-01-20", "2026-03-06"] {
        let on = Some(day(on));
        let refused = books.act(|draft, act| receipt::clear(draft, "CH-1", on, act));
        assert_eq!(refused.unwrap_err().field, "cleared_on");
    }
    let done = books
        .act(|draft, act| receipt::clear(draft, "CH-1", None, act))
        .unwrap();
    assert_eq!(done.left, Decimal::ZERO);
    assert_eq!((books.exposure(), books.open()), (Decimal::ZERO, vec![]));
    let again = books.act(|draft, act| receipt::clear(draft, "CH-1", None, act));
    assert_eq!(again.unwrap_err().field, "receipt");

    books.pass(2);
    let bounce = |books: &mut Books, on: Option<&str>, reason: &str| {
        let (on, reason) = (on.map(day), reason.to_owned());
        books.act(|draft, act| receipt::returned(draft, "CH-1", on, &reason, act))
    };
    assert_eq!(bounce(&mut books, None, " ").unwrap_err().field, "reason");
    assert_eq!(
        bounce(&mut books, Some("2026-03-01"), "no funds").unwrap_err().field,
        "bounced_on"
    );
    assert_eq!(
        bounce(&mut books, Some("2026-03-09"), "no funds").unwrap_err().field,
        "bounced_on"
    );
    let receipt = bounce(&mut books, None, "no funds").unwrap();
    assert_eq!(receipt.allocations.len(), 1, "the allocation stays on record");
    assert_eq!(receipt.allocations[0].reversed_on, Some(day("2026-03-07")));
    assert_eq!(
        (books.exposure(), books.open()),
        (dec("100"), vec!["1/1 100".to_owned()])
    );
    assert_eq!(bounce(&mut books, None, "again").unwrap_err().field, "bounced_on");
    assert_eq!(
        books.audited(),
        [
            "invoice.issued",
            "receipt.registered",
            "receipt.cleared",
            "receipt.returned"
        ]
    );
}

#[test]
fn allocations_are_made_by_hand_and_reversed_and_stay_on_record() {
    let mut books = Books::new();
    books.owes("1", "100");
    books.owes("2", "100");
    books.pays("R1", "100");
    assert_eq!(books.open(), ["2/1 100"]);
    let undo = |books: &mut Books, places: &[u32], on: Option<&str>, reason: &str| {
        let on = on.map(day);
        books.act(|draft, act| reverse(draft, &of_receipt("R1"), places, on, reason, act))
    };
    assert_eq!(undo(&mut books, &[1], None, "").unwrap_err().field, "reason");
    assert_eq!(undo(&mut books, &[2], None, "wrong").unwrap_err().field, "allocations");
    assert_eq!(undo(&mut books, &[0], None, "wrong").unwrap_err().field, "allocations");
    assert_eq!(undo(&mut books, &[], None, "wrong").unwrap_err().field, "allocations");
    assert_eq!(
        undo(&mut books, &[1], Some("2026-01-31"), "wrong").unwrap_err().field,
        "on"
    );
    assert_eq!(
        undo(&mut books, &[1], Some("2026-02-27"), "wrong").unwrap_err().field,
        "on"
    );
    books.pass(1);
    undo(&mut books, &[1], None, "it was meant for 2").unwrap();
    assert_eq!(undo(&mut books, &[1], None, "twice").unwrap_err().field, "on");
    assert_eq!((books.open().len(), books.left()), (2, vec!["R1 100".to_owned()]));
    assert_eq!(books.exposure(), dec("100"));

    let hand = |books: &mut Books, wanted: &[PaymentInstruction]| {
        books.act(|draft, act| by_hand(draft, &of_receipt("R1"), wanted, act))
    };
    for (wanted, field) in [
        (vec![], "allocations"),
        (vec![to("9", None)], "allocations.invoice_number"),
        (vec![to("2", Some("101"))], "allocations.amount"),
        (vec![to("2", Some("-1"))], "allocations.amount"),
        (vec![to("2", Some("0"))], "allocations.amount"),
        (vec![to("2", Some("100")), to("1", None)], "allocations.invoice_number"),
    ] {
        assert_eq!(hand(&mut books, &wanted).unwrap_err().field, field, "{wanted:?}");
    }
    let done = hand(&mut books, &[to("2", Some("60")), to("1", None)]).unwrap();
    assert_eq!(done.left, Decimal::ZERO);
    assert_eq!(books.open(), ["1/1 60", "2/1 40"]);
    let made = &books.draft.ledger().receipts[0].allocations;
    assert_eq!(made.len(), 3);
    assert_eq!((made[1].basis, made[1].by), (AllocationBasis::Manual, Some(FINANCE)));
    // What was allocated on a day counts on it, whatever came later.
    assert_eq!(
        open_items(
            &super::super::books(books.draft.ledger()),
            NOW.date_in(chrono_tz::Asia::Shanghai)
        )
        .unwrap()
        .len(),
        1
    );
}

fn credit(number: &str, amount: &str, invoice: Option<&str>) -> NewCreditNote {
    NewCreditNote {
        number: number.to_owned(),
        credited_on: day("2026-03-02"),
        posted_on: None,
        amount: money(amount),
        invoice_number: invoice.map(str::to_owned),
        reason: "returned goods".to_owned(),
    }
}

#[test]
fn a_credit_note_larger_than_its_invoice_stays_a_credit_and_pays_nothing_else() {
    let mut books = Books::new();
    books.owes("1", "100");
    books.owes("2", "100");
    let note = |books: &mut Books, wish: NewCreditNote| books.act(|draft, act| credit_note::issue(draft, wish, act));
    let done = note(&mut books, credit("C1", "130", Some("1"))).unwrap();
    assert_eq!(done.left, dec("30"));
    assert_eq!(
        (books.open(), books.left()),
        (vec!["2/1 100".to_owned()], vec!["C1 30".to_owned()])
    );
    assert_eq!(books.exposure(), dec("70"));
    let payer = Payer::CreditNote("C1".to_owned());
    let wanted = [to("2", None)];
    books.act(|draft, act| by_hand(draft, &payer, &wanted, act)).unwrap();
    assert_eq!(books.open(), ["2/1 70"]);
    // One that names no invoice pays as money does.
    note(&mut books, credit("C2", "20", None)).unwrap();
    assert_eq!(books.open(), ["2/1 50"]);
    for (wish, field) in [
        (credit("C3", "0", None), "amount"),
        (credit("C3", "-1", None), "amount"),
        (credit("C3", "1", Some("3")), "invoice_number"),
        (credit("C3", "1000 JPY", Some("2")), "amount.currency"),
        (credit("", "1", None), "number"),
        (
            NewCreditNote {
                credited_on: day("2026-01-31"),
                ..credit("C3", "1", None)
            },
            "credited_on",
        ),
    ] {
        assert_eq!(note(&mut books, wish.clone()).unwrap_err().field, field, "{wish:?}");
    }
}

#[test]
fn what_cannot_be_a_receipt_is_refused_by_the_name_of_its_field() {
    let mut books = Books::new();
    let plain = books.receipt("R1", "10");
    let with = |change: &dyn Fn(&mut NewReceipt)| {
        let mut wish = plain.clone();
        change(&mut wish);
        wish
    };
    for (wish, field) in [
        (with(&|it| it.amount = money("0")), "amount"),
        (with(&|it| it.amount = money("-5")), "amount"),
        (with(&|it| it.amount = money("5 XYZ")), "amount.currency"),
        (with(&|it| it.valued_on = day("2026-01-31")), "valued_on"),
        (with(&|it| it.valued_on = day("2062-03-02")), "valued_on"),
        (with(&|it| it.valued_on = day("1026-03-02")), "valued_on"),
        (with(&|it| it.posted_on = Some(day("2026-01-31"))), "posted_on"),
        (with(&|it| it.posted_on = Some(day("2026-03-01"))), "posted_on"),
        (with(&|it| it.reference = " R".into()), "reference"),
        (with(&|it| it.channel = PaymentChannel::Other(String::new())), "channel"),
        (
            with(&|it| it.instructions = vec![to("1", None)]),
            "instructions.invoice_number",
        ),
        (with(&|it| it.pays = Some("x".repeat(20_001))), "pays"),
    ] {
        assert_eq!(books.register(wish.clone()).unwrap_err().field, field, "{wish:?}");
    }
    assert!(books.draft.ledger().receipts.is_empty());
}

#[test]
fn money_of_a_value_date_ahead_pays_from_that_day_and_is_not_taken_twice() {
    let mut books = Books::new();
    books.owes("1", "100");
    let ahead = NewReceipt {
        valued_on: day("2026-03-04"),
        ..books.receipt("R1", "100")
    };
    assert_eq!(books.register(ahead).unwrap().left, Decimal::ZERO);
    assert_eq!(books.exposure(), dec("100"), "not before its value date");
    assert_eq!(books.pays("R2", "100").left, dec("100"), "the invoice is spoken for");
    books.pass(2);
    assert_eq!(books.exposure(), dec("-100"));
}

fn stray(amount: &str) -> NewUnidentified {
    NewUnidentified {
        reference: "BK-9".to_owned(),
        valued_on: day("2026-02-27"),
        posted_on: None,
        amount: money(amount),
        payer: "东方".to_owned(),
        text: "invoice 2".to_owned(),
    }
}

#[test]
fn money_of_nobody_known_becomes_a_receipt_of_the_customer_it_is_assigned_to() {
    let mut books = Books::new();
    books.owes("1", "100");
    books.owes("2", "100");
    let ledger = ledger();
    let actor = Actor::software("bank");
    let act = Act { by: &actor, now: NOW };
    let (record, change) = unidentified::record(&ledger.organisation, &ledger.policy, stray("100"), act).unwrap();
    assert_eq!(change.audit[0].actor, "token:bank");
    assert_eq!(change.requires[0].version, None);
    books.pass(1);
    let recorded = Recorded { record, version: 4 };
    let assign = |books: &mut Books, recorded: &Recorded| {
        books.act(|draft, act| unidentified::assign(draft, recorded, PaymentChannel::Bank, Vec::new(), act))
    };
    assign(&mut books, &recorded).unwrap();
    assert_eq!(books.open(), ["1/1 100"], "what the payer wrote names the invoice");
    let receipt = &books.draft.ledger().receipts[0];
    assert_eq!((receipt.valued_on, receipt.arrived_at), (day("2026-02-27"), Some(NOW)));
    let change = books.draft.clone().finish("", books.now).unwrap();
    let open = change.requires.iter().find(|it| it.version == Some(4)).unwrap();
    assert_eq!(open.key.id, "BK-9");
    let now = change.records.iter().find_map(|it| match it {
        LedgerRecord::UnidentifiedReceipt(it) => Some(it.identified_as),
        _ => None,
    });
    assert_eq!(now, Some(Some(SHOP)));
    let done = Recorded {
        record: UnidentifiedReceipt {
            identified_as: Some(SHOP),
            ..recorded.record
        },
        version: 5,
    };
    assert_eq!(assign(&mut books, &done).unwrap_err().field, "unidentified_receipt");
}

#[test]
fn money_of_nobody_known_is_checked_as_other_money_is() {
    let ledger = ledger();
    let actor = Actor::software("bank");
    let act = Act { by: &actor, now: NOW };
    let closed = NewUnidentified {
        valued_on: day("2026-01-30"),
        ..stray("1")
    };
    for (wish, field) in [
        (stray("0"), "amount"),
        (stray("-1"), "amount"),
        (stray("0.001"), "amount"),
        (stray("1 XXX"), "amount.currency"),
        (closed.clone(), "valued_on"),
        (
            NewUnidentified {
                reference: String::new(),
                ..stray("1")
            },
            "reference",
        ),
    ] {
        let error = unidentified::record(&ledger.organisation, &ledger.policy, wish, act).unwrap_err();
        assert_eq!(error.field, field);
    }
    let later = NewUnidentified {
        posted_on: Some(day("2026-02-01")),
        ..closed
    };
    let (record, _) = unidentified::record(&ledger.organisation, &ledger.policy, later, act).unwrap();
    // The books were closed further before somebody knew the payer.
    let mut books = Books::new();
    let mut policy = books.draft.ledger().policy.clone();
    policy.books_closed_until = Some(day("2026-02-28"));
    books.draft.put(policy);
    let recorded = Recorded { record, version: 1 };
    books
        .act(|draft, act| unidentified::assign(draft, &recorded, PaymentChannel::Bank, Vec::new(), act))
        .unwrap();
    let receipt = &books.draft.ledger().receipts[0];
    assert_eq!(
        (receipt.valued_on, receipt.counts_from()),
        (day("2026-01-30"), day("2026-03-02"))
    );
}

#[test]
fn allowances_are_asked_back_when_a_bounced_cheque_lets_the_exposure_outgrow_the_limit() {
    let mut ledger = ledger();
    ledger.grants.push(Grant {
        terms: GrantTerms {
            id: GrantId::from_bytes([8; 16]),
            device: DeviceId::from_bytes([7; 16]),
            user: UserId::from_bytes([4; 16]),
            customer: SHOP,
            amount: money("20000"),
            policy_version: 1,
            issued_at: NOW,
            not_after: NOW.plus_millis(1),
            mode: GrantMode::Lease,
        },
        signature: String::new(),
        state: GrantState::Open,
        settled: Vec::new(),
        close: None,
        taken_back_at: None,
        reason: String::new(),
        written_off_by: Vec::new(),
    });
    let mut books = Books::of(&ledger);
    books.owes("1", "90000");
    books.pays("CH-1", "90000");
    let recalled = |books: &Books| {
        let actor = Actor::from(FINANCE);
        let act = Act {
            by: &actor,
            now: books.now,
        };
        let change = conclude(books.draft.clone(), act, |draft| {
            Ok(draft.ledger().customer.code.clone())
        })
        .unwrap();
        assert_eq!(change.answer, "007");
        change.audit.iter().any(|it| it.action == "allowance.recalled")
    };
    assert!(!recalled(&books));
    books
        .act(|draft, act| receipt::returned(draft, "CH-1", None, "no funds", act))
        .unwrap();
    assert!(recalled(&books));
}
