//! What waits for the office, and what has changed since it last looked.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::{model::Receipt, sync::protocol::StreamMark};

use super::*;

/// Of the north, of the south.
const SHOPS: [(CustomerId, TerritoryId); 2] = [
    (CustomerId::from_bytes([0x31; 16]), NORTH),
    (CustomerId::from_bytes([0x32; 16]), SOUTH),
];
const ALL: ListPart = ListPart { from: 0, limit: 10 };

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn shop(index: usize) -> LedgerRecord {
    let (id, territory) = SHOPS[index];
    let LedgerRecord::Customer(mut it) = customer(territory, &format!("Shop {index}")) else {
        panic!("no customer");
    };
    it.id = id;
    it.code = format!("C-{index}");
    LedgerRecord::Customer(it)
}

async fn with_two_shops(store: &dyn Store, mut records: Vec<LedgerRecord>) {
    let mut all = vec![territory(NORTH), territory(SOUTH), shop(0), shop(1)];
    all.append(&mut records);
    store.put_records(ORG, all, true, NOW).await.unwrap();
}

fn decision(number: u64, shop: usize, standing: OrderStanding) -> LedgerRecord {
    OrderDecision {
        order: DocumentId::from_bytes(numbered(number)),
        number: format!("SO-{number}"),
        customer: SHOPS[shop].0,
        rep: REP,
        received_at: NOW.plus_millis(1_000 - i64::try_from(number).unwrap()),
        wanted_by: None,
        currency: Currency::CNY,
        lines: BTreeMap::new(),
        deliveries: BTreeMap::new(),
        standing,
        spend: None,
        events: Vec::new(),
    }
    .into()
}

pub(in crate::store) async fn orders_that_wait_are_listed_by_age_within_territories(store: &dyn Store) {
    let orders = vec![
        decision(1, 0, OrderStanding::Held),
        decision(2, 1, OrderStanding::Held),
        decision(3, 0, OrderStanding::Approved),
        decision(4, 0, OrderStanding::Held),
    ];
    with_two_shops(store, orders).await;
    let held = async |territories: Option<Vec<TerritoryId>>, part| {
        let found = store.held_orders(ORG, territories, part).await.unwrap();
        let rows: Vec<_> = found
            .rows
            .iter()
            .map(|(order, customer)| {
                assert_eq!(order.customer, customer.id);
                order.number.clone()
            })
            .collect();
        (found.total, rows.join(" "))
    };
    assert_eq!(held(None, ALL).await, (3, "SO-4 SO-2 SO-1".to_owned()));
    assert_eq!(held(None, ListPart { from: 1, limit: 1 }).await, (3, "SO-2".to_owned()));
    assert_eq!(held(Some(vec![NORTH]), ALL).await, (2, "SO-4 SO-1".to_owned()));
    assert_eq!(held(Some(vec![SOUTH]), ALL).await, (1, "SO-2".to_owned()));
    assert_eq!(held(Some(Vec::new()), ALL).await, (0, String::new()));
    let elsewhere = OrganisationId::from_bytes([2; 16]);
    assert_eq!(store.held_orders(elsewhere, None, ALL).await.unwrap().total, 0);
    let decided = vec![decision(4, 0, OrderStanding::Approved)];
    store.put_records(ORG, decided, true, NOW).await.unwrap();
    assert_eq!(held(None, ALL).await, (2, "SO-2 SO-1".to_owned()));
    // Whoever moved took their orders along.
    let LedgerRecord::Customer(mut moved) = shop(1) else {
        panic!("no customer");
    };
    moved.territory = NORTH;
    store.put_records(ORG, vec![moved.into()], true, NOW).await.unwrap();
    assert_eq!(held(Some(vec![NORTH]), ALL).await, (2, "SO-2 SO-1".to_owned()));
}

fn grant(number: u8, shop: usize, state: GrantState) -> LedgerRecord {
    Grant {
        terms: GrantTerms {
            id: GrantId::from_bytes([number; 16]),
            device: DeviceId::from_bytes([0x51; 16]),
            user: REP,
            customer: SHOPS[shop].0,
            amount: cny(500),
            policy_version: 1,
            issued_at: NOW,
            not_after: NOW.plus_millis(1),
            mode: GrantMode::Lease,
        },
        signature: String::new(),
        state,
        settled: Vec::new(),
        close: None,
        reason: String::new(),
        written_off_by: Vec::new(),
        taken_back_at: None,
    }
    .into()
}

pub(in crate::store) async fn allowances_that_phones_may_spend_are_listed(store: &dyn Store) {
    let grants = vec![
        grant(1, 0, GrantState::Open),
        grant(2, 0, GrantState::Closed),
        grant(3, 1, GrantState::Recalled),
        grant(4, 1, GrantState::WrittenOff),
    ];
    with_two_shops(store, grants).await;
    let open = async |territories| {
        let found = store.open_grants(ORG, territories, ALL).await.unwrap();
        let ids: Vec<u8> = found.rows.iter().map(|(it, _)| it.terms.id.as_bytes()[0]).collect();
        assert_eq!(found.total, ids.len() as u64);
        ids
    };
    assert_eq!(open(None).await, [1, 3]);
    assert_eq!(open(Some(vec![SOUTH])).await, [3]);
}

fn warning(shop: usize, rule: WarningRule, level: WarningLevel, owner: Option<UserId>) -> Warning {
    Warning {
        customer: SHOPS[shop].0,
        rule,
        level,
        sentence: "Owes more".to_owned(),
        facts: None,
        raised_at: NOW,
        owner,
        acknowledged: None,
        cleared_at: None,
    }
}

pub(in crate::store) async fn warnings_are_listed_the_worst_first(store: &dyn Store) {
    let acknowledgement = Acknowledgement {
        by: REP,
        at: NOW,
        note: "called".to_owned(),
    };
    let mut seen = warning(0, WarningRule::LimitUsed, WarningLevel::Warning, None);
    seen.acknowledged = Some(acknowledgement);
    let mut gone = warning(0, WarningRule::BrokenPromises, WarningLevel::Critical, None);
    gone.cleared_at = Some(NOW);
    let bad = warning(1, WarningRule::DaysOverdue, WarningLevel::Critical, Some(REP));
    with_two_shops(store, vec![seen.into(), gone.into(), bad.into()]).await;
    let rules = async |territories, wanted| {
        let found = store.standing_warnings(ORG, territories, wanted, ALL).await.unwrap();
        found.rows.into_iter().map(|(it, _)| it.rule).collect::<Vec<_>>()
    };
    let any = WarningSearch::default();
    assert_eq!(
        rules(None, any).await,
        [WarningRule::DaysOverdue, WarningRule::LimitUsed]
    );
    assert_eq!(rules(Some(vec![NORTH]), any).await, [WarningRule::LimitUsed]);
    for narrow in [
        WarningSearch {
            level: Some(WarningLevel::Critical),
            ..any
        },
        WarningSearch {
            owner: Some(REP),
            ..any
        },
        WarningSearch {
            unanswered: true,
            ..any
        },
    ] {
        assert_eq!(rules(None, narrow).await, [WarningRule::DaysOverdue], "{narrow:?}");
    }
}

pub(in crate::store) async fn statements_are_listed_the_newest_first(store: &dyn Store) {
    let statement = |number: u8, shop: usize| Statement {
        id: StatementId::from_bytes([number; 16]),
        customer: SHOPS[shop].0,
        from: day("2026-02-01"),
        to: day("2026-02-28"),
        opening: cny(0),
        closing: cny(5),
        lines: Vec::new(),
        issued_at: NOW.plus_millis(number.into()),
        by: None,
        corrects: None,
        answers: BTreeMap::new(),
    };
    let mut disputed = statement(2, 1);
    let answer = |verdict| StatementAnswer {
        verdict,
        by: "Ms Wang".to_owned(),
        at: NOW,
        remark: "not ours".to_owned(),
    };
    disputed.answers.insert(1, answer(StatementVerdict::Confirmed));
    disputed.answers.insert(2, answer(StatementVerdict::Disputed));
    with_two_shops(
        store,
        vec![statement(1, 0).into(), disputed.into(), statement(3, 0).into()],
    )
    .await;
    let ids = async |territories, wanted| {
        let found = store.issued_statements(ORG, territories, wanted, ALL).await.unwrap();
        let ids = found.rows.iter().map(|(it, _)| it.id.as_bytes()[0]);
        ids.collect::<Vec<_>>()
    };
    let any = StatementSearch::default();
    assert_eq!(ids(None, any.clone()).await, [3, 2, 1]);
    assert_eq!(ids(Some(vec![SOUTH]), any.clone()).await, [2]);
    let of = StatementSearch {
        customer: Some(SHOPS[0].0),
        ..any.clone()
    };
    assert_eq!(ids(None, of).await, [3, 1]);
    for (text, found) in [("shop 1", vec![2]), (" c-0 ", vec![3, 1]), ("%", vec![])] {
        let text = StatementSearch {
            text: Some(text.to_owned()),
            ..any.clone()
        };
        assert_eq!(ids(None, text).await, found);
    }
    for (order, found) in [
        (StatementOrder::Oldest, [1, 2, 3]),
        (StatementOrder::Customer, [3, 1, 2]),
        (StatementOrder::CustomerDescending, [2, 3, 1]),
    ] {
        let sorted = StatementSearch { order, ..any.clone() };
        assert_eq!(ids(None, sorted).await, found, "{order:?}");
    }
    let stands = |standing| StatementSearch {
        standing: Some(standing),
        ..StatementSearch::default()
    };
    assert_eq!(ids(None, stands(StatementStanding::Disputed)).await, [2]);
    assert_eq!(ids(None, stands(StatementStanding::Unsent)).await, [3, 1]);
    // A line without an answer, and one that only quotes what an answer looks like.
    let mut quoting = statement(4, 0);
    quoting.lines = vec![
        statement_line(1, "\"verdict\":\"disputed\""),
        statement_line(2, "INV-2"),
    ];
    quoting.answers.insert(1, answer(StatementVerdict::Confirmed));
    store.put_records(ORG, vec![quoting.into()], true, NOW).await.unwrap();
    assert_eq!(ids(None, stands(StatementStanding::Unanswered)).await, [4]);
    assert_eq!(ids(None, stands(StatementStanding::Disputed)).await, [2]);
    assert_eq!(ids(None, stands(StatementStanding::Unsent)).await, [3, 1]);
    let link = StatementLink {
        token_hash: [9; 32],
        organisation: ORG,
        customer: SHOPS[0].0,
        statement: StatementId::from_bytes([1; 16]),
        contact: "Ms Wang".to_owned(),
        made_at: NOW,
        expires_at: NOW,
        revoked_at: Some(NOW),
    };
    let line = AuditEntry {
        at: NOW,
        actor: "test".to_owned(),
        action: "test".to_owned(),
        subject: String::new(),
        detail: String::new(),
    };
    let steps = vec![Step::PutStatementLink(link)];
    store.administer(ORG, steps, line).await.unwrap();
    assert_eq!(ids(None, stands(StatementStanding::Unsent)).await, [3]);
    // What a later one corrects asks for nothing any more.
    let mut correcting = statement(5, 1);
    correcting.corrects = Some(StatementId::from_bytes([2; 16]));
    store
        .put_records(ORG, vec![correcting.into()], true, NOW)
        .await
        .unwrap();
    assert_eq!(ids(None, stands(StatementStanding::Disputed)).await, [0; 0]);
}

fn statement_line(no: u32, document: &str) -> StatementLine {
    StatementLine {
        no,
        on: day("2026-02-10"),
        kind: StatementLineKind::Invoice,
        document: document.to_owned(),
        order_number: None,
        shipped_on: None,
        products: Vec::new(),
        debit: 5.into(),
        credit: 0.into(),
        balance: 5.into(),
    }
}

fn receipt(reference: &str, shop: usize, arrived: i64) -> Receipt {
    let mut it = Receipt::cleared(reference, SHOPS[shop].0, day("2026-03-02"), cny(50));
    it.arrived_at = Some(NOW.plus_millis(arrived));
    it
}

pub(in crate::store) async fn receipts_of_which_somebody_has_to_tell_are_listed(store: &dyn Store) {
    let mut told = receipt("R-1", 0, 1);
    told.sales_told_at = Some(NOW);
    told.customer_told_at = Some(NOW);
    let mut done = receipt("R-3", 0, 3);
    done.sales_told_at = Some(NOW);
    done.customer_told_at = Some(NOW);
    done.document_sent_at = Some(NOW);
    let mut returned = receipt("R-4", 0, 4);
    returned.bounced_on = Some(day("2026-03-03"));
    let mut untimed = receipt("R-5", 0, 5);
    untimed.arrived_at = None;
    let receipts = [told, receipt("R-2", 1, 2), done, returned, untimed];
    with_two_shops(store, receipts.into_iter().map(Into::into).collect()).await;
    let list = async |territories, open| {
        let found = store.timed_receipts(ORG, territories, open, !open, ALL).await.unwrap();
        let references: Vec<_> = found.rows.into_iter().map(|(it, _)| it.reference).collect();
        references.join(" ")
    };
    assert_eq!(list(None, true).await, "R-1 R-2");
    assert_eq!(list(Some(vec![SOUTH]), true).await, "R-2");
    assert_eq!(list(None, false).await, "R-3 R-2 R-1");
}

pub(in crate::store) async fn money_that_waits_and_numbers_lead_to_customers(store: &dyn Store) {
    let money = |reference: &str, valued_on: &str, identified: bool| UnidentifiedReceipt {
        reference: reference.to_owned(),
        valued_on: day(valued_on),
        amount: cny(50),
        posted_on: None,
        payer: "Wang".to_owned(),
        text: "SO-7".to_owned(),
        arrived_at: NOW,
        identified_as: identified.then_some(SHOPS[0].0),
    };
    let mut invoice = Invoice::new("I-1", SHOPS[0].0, day("2026-01-05"), day("2026-02-04"), cny(50));
    invoice.order_number = Some("PO-5".to_owned());
    let paid: LedgerRecord = Receipt::cleared("R-9", SHOPS[0].0, day("2026-03-02"), cny(50)).into();
    let records = vec![
        money("B-2", "2026-03-02", false).into(),
        money("B-1", "2026-03-02", false).into(),
        money("B-0", "2026-03-03", false).into(),
        money("B-9", "2026-03-01", true).into(),
        invoice.into(),
        paid,
        decision(7, 1, OrderStanding::Approved),
    ];
    with_two_shops(store, records).await;
    let waiting = store.waiting_money(ORG).await.unwrap();
    let references: Vec<_> = waiting.iter().map(|it| it.reference.as_str()).collect();
    assert_eq!(references, ["B-1", "B-2", "B-0"]);
    let numbers = ["I-1", "SO-7", "PO-5", "I-2", "R-9", "%"]
        .map(ToOwned::to_owned)
        .to_vec();
    let found = store.customers_of_numbers(ORG, numbers).await.unwrap();
    assert_eq!(
        found,
        [
            (SHOPS[0].0, NumberOf::Invoice, "I-1".to_owned()),
            (SHOPS[0].0, NumberOf::Order, "PO-5".to_owned()),
            (SHOPS[1].0, NumberOf::Order, "SO-7".to_owned()),
        ]
    );
    let books = store.books_of(ORG, SHOPS[0].0).await.unwrap();
    assert_eq!((books.invoices.len(), books.receipts.len()), (1, 1));
    let books = store.books_of(ORG, SHOPS[1].0).await.unwrap();
    assert!(books.invoices.is_empty() && books.receipts.is_empty() && books.credit_notes.is_empty());
}

fn note_tree(shop: usize) -> Value {
    json!({
        "kind": "collection_note", "schema": 1, "customer": SHOPS[shop].0, "rep": REP,
        "at": NOW.as_millis(), "channel": "phone", "outcome": "not_reached", "note": "nobody there",
    })
}

/// Whoever keeps sums of customers reads anew only those about whom something was written.
pub(in crate::store) async fn the_customers_about_whom_anything_was_written_are_told(store: &dyn Store) {
    with_two_shops(store, Vec::new()).await;
    let first = store.changed_since(ORG, Vec::new()).await.unwrap();
    assert_eq!(first.customers, SHOPS.map(|it| it.0).into());
    let since = async |marks: &Vec<StreamMark>| store.changed_since(ORG, marks.clone()).await.unwrap();
    let nothing = since(&first.marks).await;
    assert_eq!((nothing.customers.len(), &nothing.marks), (0, &first.marks));

    store
        .put_records(ORG, vec![receipt("R-1", 1, 1).into()], true, NOW)
        .await
        .unwrap();
    let paid = since(&first.marks).await;
    assert_eq!(paid.customers, [SHOPS[1].0].into());
    assert!(since(&paid.marks).await.customers.is_empty());

    // A visit says nothing that sums are made of; a note about collecting and a review of one do.
    let stream = StreamId::Territory(NORTH);
    let visit = creating(1, stream, &visit_tree(SHOPS[0].0, "regular call"));
    store.append(ORG, vec![visit], NOW).await.unwrap();
    let visited = since(&paid.marks).await;
    assert!(visited.customers.is_empty());
    let note = creating(2, stream, &note_tree(0));
    store.append(ORG, vec![note.clone()], NOW).await.unwrap();
    let noted = since(&visited.marks).await;
    assert_eq!(noted.customers, [SHOPS[0].0].into());
    let facts = store.collecting_facts(ORG, Some(SHOPS[0].0)).await.unwrap();
    assert_eq!(facts.len(), 1);
    assert!(!facts[0].reviewed && facts[0].id == note.document);

    let mut review = review_tree(note.document, "accepted", 5);
    review["customer"] = json!(SHOPS[0].0);
    store
        .append(ORG, vec![creating(3, stream, &review)], NOW)
        .await
        .unwrap();
    assert_eq!(since(&noted.marks).await.customers, [SHOPS[0].0].into());
    assert!(store.collecting_facts(ORG, None).await.unwrap()[0].reviewed);
    assert!(store.collecting_facts(ORG, Some(SHOPS[1].0)).await.unwrap().is_empty());
}
