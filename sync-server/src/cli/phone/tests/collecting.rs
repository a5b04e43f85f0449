//! Money on the command line.

use fieldledger_core::{
    model::{
        CollectionNote, CollectionOutcome, Money, Receipt, Statement, StatementConfirmation, StatementId,
        StatementLine, StatementLineKind, StatementVerdict,
    },
    store::ListQuery,
};

use super::*;

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

/// Anna's phone with records about her customer.
fn with(folder: &Path, records: &[LedgerRecord]) -> (Phone, Customer) {
    let (phone, shop) = annas_phone(folder);
    let territory = StreamPage {
        stream: StreamId::Territory(shop.territory),
        restart: false,
        entries: records.iter().map(entry).collect(),
        next: Cursor {
            lineage: [1; 8].into(),
            seq: 9,
            chain: [1; 16].into(),
        },
        more: false,
    };
    let sent = Sent {
        cursors: phone.store.cursors().unwrap(),
        ..Sent::default()
    };
    let response = SyncResponse {
        streams: vec![territory],
        ..response(Vec::new())
    };
    phone.store.apply(response, &sent).unwrap();
    (phone, shop)
}

fn typed(phone: &Phone, words: &[&str]) -> Result<u8, Problem> {
    let mut line = vec!["phone", "--db", "unused"];
    line.extend(words);
    let args = Line::try_parse_from(line)
        .map_err(|error| Problem::wrong(error.to_string()))?
        .phone;
    phone.run(args.command)
}

/// The newest document of a kind.
fn newest<T: fieldledger_core::store::StoredModel>(phone: &Phone) -> T {
    let query = ListQuery {
        kind: Some(T::KIND),
        limit: 1,
        ..ListQuery::default()
    };
    let rows = phone.store.list(&query).unwrap();
    phone.store.document(rows[0].id).unwrap().unwrap().value
}

#[test]
fn a_customer_is_told_of_money_by_its_reference_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = chrono::Utc::now().into();
    let today = now.date_in(chrono_tz::Asia::Shanghai);
    let mut receipt = Receipt::cleared("TT-77", CustomerId::from_bytes([5; 16]), today, cny(500));
    receipt.arrived_at = Some(now);
    let (phone, shop) = with(folder.path(), &[receipt.into()]);
    assert_eq!(typed(&phone, &["receipts"]).unwrap(), 0);
    let unknown = typed(&phone, &["receipts", "--told", "TT-78"]).unwrap_err();
    assert!(unknown.message.contains("`receipts` lists"), "{}", unknown.message);
    let told = [
        "receipts",
        "--told",
        "TT-77",
        "--channel",
        "message",
        "--person",
        "周老板",
    ];
    assert_eq!(typed(&phone, &told).unwrap(), 0);
    let note: CollectionNote = newest(&phone);
    assert_eq!(note.outcome, CollectionOutcome::ReceiptConfirmed);
    assert_eq!((note.customer, note.receipt.as_deref()), (shop.id, Some("TT-77")));
    let again = typed(&phone, &told).unwrap_err();
    assert_eq!(again.code, WRONG);
    assert!(
        again.message.contains("told of this receipt before"),
        "{}",
        again.message
    );
}

#[test]
fn a_statement_is_shown_and_answered_by_the_beginning_of_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let line = |no, document: &str| StatementLine {
        no,
        on: "2026-02-10".parse().unwrap(),
        kind: StatementLineKind::Invoice,
        document: document.to_owned(),
        order_number: None,
        shipped_on: None,
        products: Vec::new(),
        debit: 100.into(),
        credit: 0.into(),
        balance: (100 * no).into(),
    };
    let statement = Statement {
        id: StatementId::from_bytes([0xab; 16]),
        customer: CustomerId::from_bytes([5; 16]),
        from: "2026-02-01".parse().unwrap(),
        to: "2026-02-28".parse().unwrap(),
        opening: cny(0),
        closing: cny(200),
        lines: vec![line(1, "F-1"), line(2, "F-2\u{1b}[31m")],
        issued_at: Timestamp::from_millis(1_772_416_800_000),
        by: None,
        corrects: None,
        answers: std::collections::BTreeMap::new(),
    };
    let (phone, _) = with(folder.path(), &[statement.clone().into()]);
    let wrong = typed(&phone, &["statement", "show", "cd"]).unwrap_err();
    assert!(wrong.message.contains("`statements` lists"), "{}", wrong.message);
    let answer = ["statement", "answer", "abab", "--person", "Wang"];
    let answered = |more: &[&str]| typed(&phone, &[&answer[..], more].concat());
    assert!(answered(&["--dispute", "two=x"]).unwrap_err().message.contains("LINE="));
    assert!(answered(&["--confirm", "3"]).unwrap_err().message.contains("no line 3"));
    let missing = answered(&["--confirm", "1", "--stamped", "/nowhere/copy.jpg"]).unwrap_err();
    assert_eq!(missing.code, WRONG);
    assert_eq!(phone.store.status().unwrap().waiting, 0, "half an answer is none");
    let copy = folder.path().join("copy.jpg");
    std::fs::write(&copy, b"stamped").unwrap();
    let stamped = copy.display().to_string();
    let all = ["--confirm-rest", "--dispute", "2=never came", "--stamped", &stamped];
    assert_eq!(answered(&all).unwrap(), 0);
    let value: StatementConfirmation = newest(&phone);
    let verdicts: Vec<_> = value.answers.values().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [StatementVerdict::Confirmed, StatementVerdict::Disputed]);
    assert_eq!(value.evidence.len(), 1);
    let view = phone.store.statement(statement.id).unwrap().unwrap();
    let text = phone.statement_text(&view).unwrap();
    for said in [
        "issued 2026-03-02 10:00",
        "right (noted here)",
        "DISPUTED: never came",
        "CNY 200",
    ] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_collection_is_closed_with_a_cause_and_lists_say_how_old_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (phone, shop) = with(folder.path(), &[]);
    let unsaid = typed(&phone, &["close", "C-1"]).unwrap_err();
    assert!(
        unsaid.message.contains("whether the money came late"),
        "{}",
        unsaid.message
    );
    assert!(typed(&phone, &["close", "C-1", "--late", "--in-time"]).is_err());
    let late = [
        "close",
        "C-1",
        "--late",
        "--cause",
        "our-service",
        "--solution",
        "a new box",
    ];
    assert_eq!(typed(&phone, &late).unwrap(), 0);
    let note: CollectionNote = newest(&phone);
    let closing = note.closing.unwrap();
    assert_eq!(closing.cause, Some(fieldledger_core::model::LateCause::OurService));
    assert_eq!((note.customer, closing.was_late), (shop.id, true));
    for words in [
        &["worklist"][..],
        &["worklist", "--everyone", "--date", "2026-03-02"],
        &["credit", "C-1"],
        &["promises", "C-1", "--kept"],
        &["statements", "--everyone"],
    ] {
        assert_eq!(typed(&phone, words).unwrap(), 0, "{words:?}");
    }
    let as_of = phone.store.worklist(&fieldledger_core::store::WorklistQuery::default());
    let told = phone.as_of(&as_of.unwrap().as_of).unwrap();
    assert!(told.contains("what the server had at 1970-01-01 08:00"), "{told}");
}
