//! Receipts that customers are told of, statements that they answer, and collections that are closed.

use super::*;
use crate::rules::timers::TimerState;

const MINUTE: i64 = 60_000;

/// Money of which finance knew and told sales this morning.
fn arrived(phone: &Phone, reference: &str, customer: CustomerId) -> Receipt {
    let mut receipt = paid(reference, customer, "2026-03-02", 500);
    receipt.arrived_at = Some(Timestamp::from_millis(MORNING));
    receipt.sales_told_at = Some(Timestamp::from_millis(MORNING + 5 * MINUTE));
    phone.has(receipt.clone());
    receipt
}

fn told(customer: CustomerId, reference: &str) -> CustomerTold {
    CustomerTold {
        customer,
        reference: reference.to_owned(),
        channel: CollectionChannel::Message,
        person: "周老板".to_owned(),
        note: String::new(),
        position: None,
    }
}

fn open(phone: &Phone) -> Vec<ReceiptNotice> {
    phone.store.receipt_notices(false, false).unwrap().notices
}

fn refused<T: std::fmt::Debug>(result: Result<T, FieldError>) -> (String, String) {
    match result.unwrap_err() {
        FieldError::Invalid(invalid) => (invalid.field, invalid.message),
        other => panic!("{other}"),
    }
}

#[test]
fn a_receipt_waits_to_be_told_with_the_time_that_is_left_and_closes_when_the_customer_was_told() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    let receipt = arrived(&phone, "R-1", shop);
    // An import starts no timer, and a returned payment is not confirmed to anybody.
    phone.has(paid("R-2", shop, "2026-03-02", 5));
    let mut returned = arrived(&phone, "R-3", shop);
    returned.bounced_on = Some(day("2026-03-02"));
    phone.receive(STREAM, &returned.into(), 2);

    phone.pass(15 * MINUTE);
    let notices = open(&phone);
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].customer_name, "永兴");
    assert_eq!(
        notices[0].tell_customer,
        TimerState::Running {
            elapsed: 10 * MINUTE,
            left: 20 * MINUTE
        }
    );
    phone.pass(25 * MINUTE);
    assert_eq!(
        open(&phone)[0].tell_customer,
        TimerState::Missed {
            took: None,
            over: 5 * MINUTE
        }
    );

    let note = phone.store.tell_customer(told(shop, "R-1")).unwrap();
    assert_eq!(note.value.receipt.as_deref(), Some("R-1"));
    assert_eq!(note.value.outcome, CollectionOutcome::ReceiptConfirmed);
    assert!(open(&phone).is_empty(), "before the server has counted it");
    let all = phone.store.receipt_notices(false, true).unwrap().notices;
    assert_eq!((all.len(), all[0].told_by), (1, Some(note.id)));
    assert!(matches!(all[0].tell_customer, TimerState::Missed { took: Some(took), .. } if took == 35 * MINUTE));
    let (field, why) = refused(phone.store.tell_customer(told(shop, "R-1")));
    assert_eq!(field, "receipt");
    assert!(why.contains("before"), "{why}");

    // What the server counted is what holds.
    let counted = Receipt {
        customer_told_at: Some(Timestamp::from_millis(MORNING + 6 * MINUTE)),
        customer_told_by: Some(note.id),
        ..receipt
    };
    phone.receive(STREAM, &counted.into(), 2);
    let all = phone.store.receipt_notices(false, true).unwrap().notices;
    assert_eq!(all[0].tell_customer, TimerState::Met { took: MINUTE });
}

#[test]
fn the_most_pressing_receipt_is_first_and_those_of_colleagues_are_theirs() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    let mut late = arrived(&phone, "late", shop);
    late.sales_told_at = Some(Timestamp::from_millis(MORNING - 60 * MINUTE));
    phone.receive(STREAM, &late.into(), 2);
    arrived(&phone, "fresh", shop);
    let mut untold = arrived(&phone, "sales was not told", shop);
    untold.sales_told_at = None;
    phone.receive(STREAM, &untold.into(), 2);
    let mut other = customer(11, "别人的店");
    other.rep = Some(UserId::from_bytes([77; 16]));
    phone.has(other.clone());
    arrived(&phone, "theirs", other.id);
    let names = |everyone| -> Vec<String> {
        let notices = phone.store.receipt_notices(everyone, false).unwrap().notices;
        notices.into_iter().map(|it| it.receipt.reference).collect()
    };
    assert_eq!(names(false), ["late", "fresh", "sales was not told"]);
    assert_eq!(names(true).len(), 4);
    let (field, why) = refused(phone.store.tell_customer(told(shop, "theirs")));
    assert_eq!(field, "receipt");
    assert!(why.contains("has reached this phone"), "{why}");
}

fn statement(number: u8, customer: CustomerId, lines: u32) -> Statement {
    let line = |no| StatementLine {
        no,
        on: day("2026-02-10"),
        kind: StatementLineKind::Invoice,
        document: format!("F-{no}"),
        order_number: None,
        shipped_on: None,
        products: Vec::new(),
        debit: 100.into(),
        credit: 0.into(),
        balance: (100 * no).into(),
    };
    Statement {
        id: StatementId::from_bytes([number; 16]),
        customer,
        from: day("2026-02-01"),
        to: day("2026-02-28"),
        opening: cny(0),
        closing: cny(100 * i64::from(lines)),
        lines: (1..=lines).map(line).collect(),
        issued_at: Timestamp::from_millis(MORNING),
        by: None,
        corrects: None,
        answers: std::collections::BTreeMap::new(),
    }
}

fn reply(confirmed: &[u32], disputed: &[(u32, &str)]) -> StatementReply {
    StatementReply {
        person: "王会计".to_owned(),
        confirmed: confirmed.to_vec(),
        disputed: disputed.iter().map(|(no, why)| (*no, (*why).to_owned())).collect(),
        ..StatementReply::default()
    }
}

#[test]
fn a_statement_is_answered_line_by_line_with_a_photo_of_the_stamped_copy() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    let issued = statement(1, shop, 3);
    phone.has(issued.clone());
    let row = &phone.store.statements(None, false).unwrap()[0];
    assert_eq!((row.confirmed, row.disputed, row.unanswered), (0, 0, 3));

    for (wrong, what) in [
        (reply(&[4], &[]), "no line 4"),
        (reply(&[1], &[(1, "never came")]), "both confirmed and disputed"),
        (reply(&[], &[(1, " ")]), "needs a remark"),
        (reply(&[], &[]), "at least one line"),
    ] {
        let (_, why) = refused(phone.store.answer_statement(issued.id, wrong));
        assert!(why.contains(what), "{why}");
    }
    let answer = StatementReply {
        confirm_the_rest: true,
        ..reply(&[], &[(2, "两箱未到")])
    };
    let taken_down = phone.store.answer_statement(issued.id, answer).unwrap();
    let copy = phone.folder.path().join("stamped.jpg");
    std::fs::write(&copy, b"a stamped copy").unwrap();
    let (hash, size) = crate::evidence::hash_file(&copy).unwrap();
    let evidence = Evidence {
        kind: EvidenceKind::Stamp,
        size,
        media_type: "image/jpeg".to_owned(),
        taken_at: Timestamp::from_millis(MORNING),
        taken_by: phone.user,
        position: None,
        caption: String::new(),
    };
    phone
        .store
        .add_evidence(taken_down.id, evidence, hash, Some(copy))
        .unwrap();

    let view = phone.store.statement(issued.id).unwrap().unwrap();
    let answers: Vec<_> = view
        .lines
        .iter()
        .map(|it| {
            let answer = it.answer.as_ref().unwrap();
            (answer.answer.verdict, answer.by.as_str(), answer.document)
        })
        .collect();
    let here = Some(taken_down.id);
    assert_eq!(
        answers,
        [
            (StatementVerdict::Confirmed, "王会计", here),
            (StatementVerdict::Disputed, "王会计", here),
            (StatementVerdict::Confirmed, "王会计", here),
        ]
    );
    assert_eq!(view.taken_down, [taken_down.id]);
    let row = &phone.store.statements(Some(shop), false).unwrap()[0];
    assert_eq!((row.confirmed, row.disputed, row.unanswered), (2, 1, 0));
}

#[test]
fn what_the_server_has_counted_holds_and_a_corrected_statement_is_not_answered_any_more() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    let mut issued = statement(1, shop, 2);
    phone.has(issued.clone());
    let taken_down = phone.store.answer_statement(issued.id, reply(&[1], &[])).unwrap();
    // Everything is sent; the customer has answered by the link meanwhile.
    assert_eq!(phone.send_to(&Phone::of(2, &[Role::Rep])), 1);
    issued.answers.insert(
        1,
        StatementAnswer {
            verdict: StatementVerdict::Disputed,
            by: "link".to_owned(),
            at: Timestamp::from_millis(MORNING + MINUTE),
            remark: "wrong price".to_owned(),
        },
    );
    phone.receive(STREAM, &issued.clone().into(), 2);
    let view = phone.store.statement(issued.id).unwrap().unwrap();
    let first = view.lines[0].answer.as_ref().unwrap();
    assert_eq!((first.by.as_str(), first.document), ("link", None));
    assert_eq!(view.lines[1].answer, None);
    assert_eq!((view.version, view.taken_down), (2, vec![taken_down.id]));

    let mut second = statement(2, shop, 2);
    second.corrects = Some(issued.id);
    phone.has(second.clone());
    let mut third = statement(3, shop, 2);
    third.corrects = Some(second.id);
    phone.has(third.clone());
    let (field, why) = refused(phone.store.answer_statement(issued.id, reply(&[1], &[])));
    assert_eq!(field, "statement");
    assert!(why.contains(&third.id.to_string()), "{why}");
    let unknown = StatementId::from_bytes([99; 16]);
    assert_eq!(
        phone.store.answer_statement(unknown, reply(&[1], &[])).unwrap_err(),
        FieldError::NotFound
    );
}

fn closed(customer: CustomerId, invoice: &str) -> ClosedCollection {
    ClosedCollection {
        customer,
        invoice_number: Some(invoice.to_owned()),
        was_late: None,
        cause: None,
        difficulty: "老板出差".to_owned(),
        solution: "找了他太太".to_owned(),
        channel: CollectionChannel::Visit,
        person: "周老板".to_owned(),
        note: String::new(),
        position: None,
    }
}

#[test]
fn a_collection_closes_with_what_the_books_say_of_lateness_and_with_a_cause_when_it_was_late() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    for (number, due) in [("F-1", "2026-02-10"), ("F-2", "2026-02-20"), ("F-3", "2026-04-01")] {
        phone.has(invoice(number, shop, due, 100));
    }
    phone.has(paying(paid("R-1", shop, "2026-02-12", 100), "F-1", 100));
    phone.has(paying(paid("R-2", shop, "2026-02-20", 100), "F-2", 100));
    assert_eq!(
        refused(phone.store.close_collection(closed(shop, "F-1"))).0,
        "closing.cause"
    );
    let late = ClosedCollection {
        cause: Some(LateCause::CustomerFunds),
        ..closed(shop, "F-1")
    };
    let note = phone.store.close_collection(late).unwrap().value;
    let closing = note.closing.unwrap();
    assert!(closing.was_late, "valued two days after it was due");
    assert_eq!(closing.solution, "找了他太太");
    let note = phone.store.close_collection(closed(shop, "F-2")).unwrap().value;
    assert!(!note.closing.unwrap().was_late, "on the day is in time");
    assert_eq!(
        refused(phone.store.close_collection(closed(shop, "F-3"))).0,
        "closing.was_late",
        "nothing of it was paid or due"
    );
    assert_eq!(
        refused(phone.store.close_collection(closed(shop, "F-33"))).0,
        "invoice_number"
    );
    let said = ClosedCollection {
        invoice_number: None,
        was_late: Some(false),
        ..closed(shop, "")
    };
    assert_eq!(
        phone.store.close_collection(said).unwrap().value.outcome,
        CollectionOutcome::Closed
    );
}
