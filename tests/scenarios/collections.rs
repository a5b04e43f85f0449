//! Bringing the money home, between 李娜's phone and the server: whom to see, a promise that is broken and one that the
//! phone cannot judge, money that arrives and is confirmed, a statement that is answered, a collection that is closed.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::*,
    rules::{promises::PromiseStanding, worklist::WorklistStep},
    store::{BooksView, ClosedCollection, CustomerTold, PromiseQuery, PromiseState, StatementReply, WorklistQuery},
};
use fieldledger_server::store::CustomerLedger;
use fieldledger_tests::{
    phone::Phone,
    server::{Server, now},
};

use crate::verify;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn yuan(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn today() -> NaiveDate {
    now().date_in(chrono_tz::Asia::Shanghai)
}

async fn write(server: &Server, records: Vec<LedgerRecord>) {
    let store = &*server.state.store;
    server.company.write(store, records, now()).await.unwrap();
}

async fn ledger(server: &Server) -> CustomerLedger {
    let company = &server.company;
    let ledger = server
        .state
        .store
        .customer_ledger(company.organisation, company.yongxing);
    ledger.await.unwrap().unwrap()
}

/// 李娜 calls 永兴 on a day before today and gets a promise.
fn promised(phone: &Phone, customer: CustomerId, days_ago: i64, amount: i64, due: NaiveDate) {
    phone.clock.set_ahead(-days_ago * DAY);
    let note = CollectionNote {
        customer,
        rep: phone.store.identity().unwrap().user,
        at: now().plus_millis(-days_ago * DAY),
        channel: CollectionChannel::Phone,
        person: "周老板".to_owned(),
        outcome: CollectionOutcome::Promised,
        invoice_number: None,
        promise: Some(PromiseToPay {
            amount: yuan(amount),
            due,
        }),
        receipt: None,
        closing: None,
        next_step: None,
        note: String::new(),
        position: None,
    };
    phone.store.record_collection(note).unwrap();
    phone.clock.set_ahead(0);
}

fn standing(phone: &Phone, day: NaiveDate) -> PromiseState {
    let found = phone.store.promises(&PromiseQuery {
        kept: true,
        day: Some(day),
        ..PromiseQuery::default()
    });
    found.unwrap().promises[0].state
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_customer_is_seen_pays_is_told_and_the_collection_is_closed() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let shop = company.yongxing;
    let due = today() - Days::new(20);
    let invoice = Invoice::new("F-1001", shop, due - Days::new(30), due, yuan(8_000));
    let mut file = company.credit_file(shop, 50_000, 8_000, now());
    file.overdue = yuan(8_000);
    file.oldest_due = Some(due);
    write(&server, vec![invoice.into(), file.into()]).await;

    let phone = server.phone_of(company.li_na).await.unwrap();
    phone.sync().await.unwrap();
    let list = phone.store.worklist(&WorklistQuery::default()).unwrap();
    assert_eq!(list.as_of.known_on, Some(today()));
    assert_eq!(list.entries.len(), 1, "Café Aurora is Marta's: {list:?}");
    assert_eq!(
        (list.entries[0].name.as_str(), list.entries[0].line.overdue.oldest_days),
        ("永兴超市", 20)
    );
    let credit = phone.store.credit_view(shop).unwrap();
    assert!(matches!(&credit.books, BooksView::Open { items, .. } if items[0].days_late == Some(20)));

    // A promise of last week has passed without a payment, and the phone has everything: broken.
    promised(&phone, shop, 6, 8_000, today() - Days::new(4));
    assert_eq!(standing(&phone, today()), PromiseState::Judged(PromiseStanding::Broken));
    let list = phone.store.worklist(&WorklistQuery::default()).unwrap();
    let reasons = &list.entries[0].line.reasons;
    assert!(
        reasons[0]
            .sentence()
            .english
            .starts_with("Broke the promise to pay CNY 8000"),
        "{reasons:?}"
    );
    phone.sync().await.unwrap();

    // The bank shows the money three days after the promised day's tolerance; the phone of the rep tells them.
    let mut receipt = Receipt::cleared("TT-1", shop, today(), yuan(8_000));
    receipt.arrived_at = Some(now());
    receipt.allocations.push(Allocation {
        invoice_number: "F-1001".to_owned(),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: 8_000.into(),
        taken: None,
        posted_on: today(),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: AllocationBasis::ExactAmount,
        by: None,
    });
    let file = company.credit_file(shop, 50_000, 0, now());
    write(&server, vec![receipt.into(), file.into()]).await;
    // Somebody else who reads the territory does not make it known to the rep.
    let other = server.phone_of(company.chen_jing).await.unwrap();
    other.sync().await.unwrap();
    other.sync().await.unwrap();
    assert_eq!(ledger(&server).await.receipts[0].sales_told_at, None);
    phone.sync().await.unwrap();
    assert_eq!(
        ledger(&server).await.receipts[0].sales_told_at,
        None,
        "sent is not received"
    );
    phone.sync().await.unwrap();
    let receipt = ledger(&server).await.receipts.remove(0);
    assert!(
        receipt
            .sales_told_at
            .is_some_and(|at| Some(at) >= receipt.arrived_at && at <= now())
    );
    let notices = phone.store.receipt_notices(false, false).unwrap().notices;
    assert_eq!(notices.len(), 1);
    let note = phone
        .store
        .tell_customer(CustomerTold {
            customer: shop,
            reference: "TT-1".to_owned(),
            channel: CollectionChannel::Message,
            person: "周老板".to_owned(),
            note: String::new(),
            position: None,
        })
        .unwrap();
    phone.sync().await.unwrap();
    // The server stops the timer at its own clock, and the phone hears of it.
    let counted = ledger(&server).await.receipts.remove(0);
    assert_eq!(counted.customer_told_by, Some(note.id));
    assert!(counted.customer_told_at.is_some());
    phone.sync().await.unwrap();
    let told = phone.store.receipt_notices(false, true).unwrap().notices;
    assert_eq!(told[0].receipt.customer_told_by, Some(note.id));

    // Nothing is overdue any more, so that nobody has to be seen; the collection is looked back at.
    assert!(
        phone
            .store
            .worklist(&WorklistQuery::default())
            .unwrap()
            .entries
            .is_empty()
    );
    let closed = phone
        .store
        .close_collection(ClosedCollection {
            customer: shop,
            invoice_number: Some("F-1001".to_owned()),
            was_late: None,
            cause: Some(LateCause::CustomerFunds),
            difficulty: "老板在外地".to_owned(),
            solution: "联系了会计".to_owned(),
            channel: CollectionChannel::Phone,
            person: "周老板".to_owned(),
            note: String::new(),
            position: None,
        })
        .unwrap();
    assert!(closed.value.closing.unwrap().was_late, "the books say so");
    phone.sync().await.unwrap();
    assert!(crate::has(&server, closed.id).await);
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_network_says_what_it_cannot_know_of_a_promise() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let shop = company.yongxing;
    let invoice = Invoice::new("F-1", shop, today() - Days::new(60), today() - Days::new(30), yuan(500));
    write(&server, vec![invoice.into()]).await;
    let phone = server.phone_of(company.li_na).await.unwrap();
    phone.sync().await.unwrap();
    promised(&phone, shop, 0, 500, today() + Days::new(2));
    assert_eq!(
        standing(&phone, today()),
        PromiseState::Judged(PromiseStanding::Running)
    );
    // A week without a network, in which the money may have come: nothing is held against the customer.
    let week = today() + Days::new(7);
    assert_eq!(standing(&phone, week), PromiseState::NotHeardSince);
    let list = phone.store.worklist(&WorklistQuery {
        day: Some(week),
        ..WorklistQuery::default()
    });
    let entry = list.unwrap().entries.remove(0);
    assert!(matches!(entry.line.next, WorklistStep::AskForPromised(_)), "{entry:?}");

    let receipt = Receipt::cleared("TT-2", shop, today() + Days::new(1), yuan(500));
    write(&server, vec![receipt.into()]).await;
    phone.sync().await.unwrap();
    assert_eq!(standing(&phone, week), PromiseState::Judged(PromiseStanding::Kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_reaches_the_phone_and_its_answers_reach_the_statement() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let line = |no, document: &str| StatementLine {
        no,
        on: today() - Days::new(20),
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
        id: StatementId::from_bytes([7; 16]),
        customer: company.yongxing,
        from: today() - Days::new(30),
        to: today() - Days::new(1),
        opening: yuan(0),
        closing: yuan(200),
        lines: vec![line(1, "F-1"), line(2, "F-2")],
        issued_at: now(),
        by: None,
        corrects: None,
        answers: BTreeMap::new(),
    };
    write(&server, vec![statement.clone().into()]).await;
    let phone = server.phone_of(company.li_na).await.unwrap();
    phone.sync().await.unwrap();
    assert_eq!(phone.store.statements(None, false).unwrap()[0].unanswered, 2);
    let reply = StatementReply {
        person: "王会计".to_owned(),
        confirm_the_rest: true,
        disputed: BTreeMap::from([(2, "没有收到".to_owned())]),
        ..StatementReply::default()
    };
    phone.store.answer_statement(statement.id, reply).unwrap();
    phone.sync().await.unwrap();
    let held = ledger(&server).await.statements.remove(0);
    let verdicts: Vec<_> = held.answers.values().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [StatementVerdict::Confirmed, StatementVerdict::Disputed]);
    phone.sync().await.unwrap();
    let view = phone.store.statement(statement.id).unwrap().unwrap();
    let counted = view
        .lines
        .iter()
        .all(|it| it.answer.as_ref().is_some_and(|it| it.document.is_none()));
    assert!(
        counted,
        "the server's own account of the answers has come back: {:?}",
        view.lines
    );
    // Somebody else's phone in the territory knows of the answers as well; one of another territory of nothing.
    let marta = server.phone_of(company.marta).await.unwrap();
    marta.sync().await.unwrap();
    assert_eq!(marta.store.statements(None, true).unwrap()[0].disputed, 1);
    let jonas = server.phone_of(company.jonas).await.unwrap();
    jonas.sync().await.unwrap();
    assert!(jonas.store.statements(None, true).unwrap().is_empty());
    verify(&server).await;
}
