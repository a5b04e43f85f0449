//! What waits for somebody, what is doubtful, and what holds certain words.

use fieldledger_core::sync::protocol::RejectionCode;

use super::*;

const OTHER: CustomerId = CustomerId::from_bytes([0x31; 16]);

async fn with_both(store: &dyn DocumentStore) {
    let LedgerRecord::Customer(mut other) = customer(SOUTH, "South") else {
        panic!("no customer");
    };
    other.id = OTHER;
    other.code = "S-1".to_owned();
    let records = vec![
        territory(NORTH),
        territory(SOUTH),
        customer(NORTH, "North"),
        LedgerRecord::Customer(other),
    ];
    store.put_records(ORG, records, true, NOW).await.unwrap();
}

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn decision(number: u8, customer: CustomerId, standing: OrderStanding) -> LedgerRecord {
    LedgerRecord::OrderDecision(OrderDecision {
        order: DocumentId::from_bytes([number; 16]),
        number: format!("O-{number}"),
        customer,
        rep: REP,
        received_at: NOW,
        wanted_by: None,
        currency: Currency::CNY,
        lines: Default::default(),
        deliveries: Default::default(),
        standing,
        spend: None,
        events: Vec::new(),
    })
}

fn delivery(customer: CustomerId, number: &str, signed_at: i64) -> Value {
    let mut delivery = Delivery::new(customer, REP, number);
    delivery.planned_for = Some("2025-10-09".parse().unwrap());
    delivery.receiver = Some(Receiver {
        name: "王".to_owned(),
        phone: None,
        at: NOW.plus_millis(signed_at),
        position: None,
    });
    document::edit::tree_of(&delivery).unwrap()
}

/// A delivery that the customer disputes, long ago signed for.
fn disputed(customer: CustomerId, number: &str) -> Value {
    let tree = delivery(customer, number, -5_000);
    let mut delivery: Delivery = serde_json::from_value(tree).unwrap();
    let said = Confirmation::new(ConfirmationVerdict::Disputed, "Ms Wang", NOW, "two boxes are missing");
    delivery.confirmations.insert(Party::Customer, said);
    document::edit::tree_of(&delivery).unwrap()
}

fn of(territories: Option<Vec<TerritoryId>>) -> OverviewOf {
    OverviewOf {
        territories,
        signed_before: NOW.plus_millis(-1_000),
        day: "2025-10-09".parse().unwrap(),
        happened: (NOW.plus_millis(-60_000), NOW.plus_millis(60_000)),
        newest: 2,
    }
}

pub(in crate::store) async fn the_overview_counts_what_waits_in_each_territory(store: &dyn DocumentStore) {
    with_both(store).await;
    let (north, south) = (StreamId::Territory(NORTH), StreamId::Territory(SOUTH));
    let records = vec![
        decision(1, CUSTOMER, OrderStanding::Held),
        decision(2, CUSTOMER, OrderStanding::Held),
        decision(3, CUSTOMER, OrderStanding::Held),
        decision(4, OTHER, OrderStanding::Held),
        decision(5, CUSTOMER, OrderStanding::Released),
    ];
    store.put_records(ORG, records, true, NOW).await.unwrap();
    let items = vec![
        creating(1, north, &delivery(CUSTOMER, "late", -5_000)),
        creating(2, north, &delivery(CUSTOMER, "later", -4_000)),
        creating(3, north, &delivery(CUSTOMER, "fresh", 0)),
        creating(4, south, &delivery(OTHER, "south", -5_000)),
        creating(5, north, &visit_tree(CUSTOMER, "one")),
        creating(6, north, &disputed(CUSTOMER, "not ours")),
        creating(7, south, &disputed(OTHER, "not ours either")),
    ];
    store.append(ORG, items, NOW).await.unwrap();
    for (actor, note) in [(50, "this"), (51, "that")] {
        let stored = store
            .document(ORG, DocumentId::from_bytes(numbered(5)))
            .await
            .unwrap()
            .unwrap();
        let mut edit = editing(&stored, actor, |tree| tree["note"] = note.into());
        // As the ingest would find of two edits made without knowing of each other.
        edit.disagreements = u32::from(actor == 51);
        append_one(store, edit).await;
    }
    let seen = store.overview(ORG, &of(Some(vec![NORTH]))).await.unwrap();
    assert_eq!((seen.held.count, seen.held.first.len()), (3, 2));
    assert!(seen.held.first.iter().all(|it| it.standing == OrderStanding::Held));
    let titles: Vec<_> = seen
        .unconfirmed
        .first
        .iter()
        .map(|it| it.summary.title.as_str())
        .collect();
    assert_eq!((seen.unconfirmed.count, titles), (2, vec!["late", "later"]));
    assert_eq!(seen.disputed.count, 1);
    assert_eq!(seen.disputed.first[0].summary.title, "not ours");
    let late = FeedFilter {
        territories: Some(vec![NORTH]),
        signed_before: Some(of(None).signed_before),
        limit: 10,
        ..FeedFilter::default()
    };
    let late = store.feed(ORG, &late).await.unwrap();
    let mut late: Vec<_> = late.iter().map(|it| it.summary.title.as_str()).collect();
    late.sort_unstable();
    assert_eq!(late, ["late", "later"], "the list holds exactly what is counted");
    assert_eq!(seen.disagreeing.count, 1);
    let count = |counts: &[KindCount], kind: DocumentKind| -> u64 {
        counts.iter().filter(|it| it.kind == kind).map(|it| it.count).sum()
    };
    assert_eq!(count(&seen.planned, DocumentKind::Delivery), 4);
    assert_eq!(count(&seen.happened, DocumentKind::Delivery), 4);
    assert_eq!(count(&seen.happened, DocumentKind::Visit), 1);
    let all = store.overview(ORG, &of(None)).await.unwrap();
    assert_eq!((all.held.count, all.unconfirmed.count), (4, 3));
    let none = store.overview(ORG, &of(Some(Vec::new()))).await.unwrap();
    assert_eq!(none, Overview::default());
}

pub(in crate::store) async fn the_days_orders_and_promises_are_added_up_by_currency(store: &dyn DocumentStore) {
    with_both(store).await;
    let north = StreamId::Territory(NORTH);
    let order = |number: u64, state: OrderState, currency| {
        let mut order = Order::new(CUSTOMER, REP, format!("O-{number}"), NOW, currency);
        order.state = state;
        order.lines.insert(
            LineId::from_bytes([1; 16]),
            OrderLine {
                product: ProductId::from_bytes([1; 16]),
                quantity: 2.into(),
                unit_price: 50.into(),
                discount: 0.into(),
            },
        );
        creating(number, north, &document::edit::tree_of(&order).unwrap())
    };
    let note = json!({
        "kind": "collection_note", "schema": 1, "customer": CUSTOMER, "rep": REP, "at": NOW.as_millis(),
        "channel": "phone", "person": "王", "outcome": "promised", "note": "",
        "promise": { "amount": cny(700), "due": "2025-10-20" },
    });
    let items = vec![
        order(1, OrderState::Submitted, Currency::CNY),
        order(2, OrderState::Submitted, Currency::CNY),
        order(3, OrderState::Draft, Currency::CNY),
        order(4, OrderState::Submitted, Currency::USD),
        creating(5, north, &note),
        order(6, OrderState::Submitted, Currency::CNY),
    ];
    store.append(ORG, items, NOW).await.unwrap();
    // What the office turned down is no order, though the phone that took it has not heard of it.
    let LedgerRecord::OrderDecision(mut refused) = decision(6, CUSTOMER, OrderStanding::Refused) else {
        panic!("no decision")
    };
    refused.order = DocumentId::from_bytes(numbered(6));
    store.put_records(ORG, vec![refused.into()], true, NOW).await.unwrap();
    let seen = store.overview(ORG, &of(None)).await.unwrap();
    let state = |it: &&KindCount| it.kind == DocumentKind::Order && it.state == "refused";
    assert_eq!(seen.happened.iter().find(state).map(|it| it.count), Some(1));
    let usd = Money::new(100.into(), Currency::USD);
    assert_eq!(seen.ordered, [cny(200), usd]);
    assert_eq!(seen.promised, [cny(700)]);
}

async fn found(store: &dyn DocumentStore, filter: FeedFilter) -> Vec<u64> {
    let filter = FeedFilter { limit: 10, ..filter };
    let items = store.feed(ORG, &filter).await.unwrap();
    let numbers = items
        .into_iter()
        .map(|it| u64::from_be_bytes(it.id.as_bytes()[..8].try_into().unwrap()));
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

pub(in crate::store) async fn the_feed_is_searched_by_words_of_any_script(store: &dyn DocumentStore) {
    with_both(store).await;
    let north = StreamId::Territory(NORTH);
    let notes = ["下周付款单已开", "付款 和 款单", "José asked for SAMPLES", ""];
    for (number, note) in (1..).zip(notes) {
        append_one(store, creating(number, north, &visit_tree(CUSTOMER, note))).await;
    }
    let search = async |text: &str| {
        let text = Some(text.to_owned());
        found(
            store,
            FeedFilter {
                text,
                ..FeedFilter::default()
            },
        )
        .await
    };
    assert_eq!(store.unindexed().await.unwrap(), 4);
    assert_eq!(search("付款").await, [1, 2]);
    assert_eq!(store.unindexed().await.unwrap(), 0);
    // Both pairs of it are in the second, the run is not.
    assert_eq!(search("付款单").await, [1]);
    assert_eq!(search("jose sam").await, [3]);
    assert_eq!(search("付").await, [1, 2]);
    assert_eq!(search("nothing like it").await, [0; 0]);
    // What is no word is found nowhere, and is no command to the index.
    for strange in ["\"", "* OR *", "words:", "NEAR(", "—。"] {
        let _ = search(strange).await;
    }
    assert_eq!(search("—。").await, [0; 0]);
    assert_eq!(search("  ").await, [1, 2, 3, 4]);
    let south = FeedFilter {
        text: Some("付款".to_owned()),
        territories: Some(vec![SOUTH]),
        ..FeedFilter::default()
    };
    assert_eq!(found(store, south).await, [0; 0]);
    // An edited note is found by its new words and not by its old ones.
    let stored = store
        .document(ORG, DocumentId::from_bytes(numbered(3)))
        .await
        .unwrap()
        .unwrap();
    append_one(store, editing(&stored, 90, |tree| tree["note"] = "收据".into())).await;
    assert_eq!(search("收据").await, [3]);
    assert_eq!(search("samples").await, [0; 0]);
    finds_nothing_wrong(store).await;
}

pub(in crate::store) async fn the_feed_is_narrowed_to_what_is_doubtful(store: &dyn DocumentStore) {
    with_both(store).await;
    let north = StreamId::Territory(NORTH);
    let mut trees = vec![visit_tree(CUSTOMER, "plain"); 5];
    trees[1]["check_in"]["fence"] = json!({ "verdict": "outside", "dist": 900 });
    trees[2]["check_in"]["pos"] = json!({ "lat": 1, "lon": 1, "mocked": true });
    for (number, tree) in (1..).zip(&trees) {
        let mut item = creating(number, north, tree);
        item.clock_off = number == 4;
        append_one(store, item).await;
    }
    // A phone that says that something was made an hour after the server has it is ahead.
    let ahead = creating(6, north, &visit_tree(CUSTOMER, "ahead"));
    store
        .append(ORG, vec![ahead], NOW.plus_millis(-3_600_000))
        .await
        .unwrap();
    let stored = store
        .document(ORG, DocumentId::from_bytes(numbered(5)))
        .await
        .unwrap()
        .unwrap();
    let late = editing(&stored, 90, |tree| tree["note"] = "thought better of it".into());
    store
        .append(ORG, vec![late], NOW.plus_millis(90_000_000))
        .await
        .unwrap();
    let stored = store
        .document(ORG, DocumentId::from_bytes(numbered(4)))
        .await
        .unwrap()
        .unwrap();
    append_one(store, editing(&stored, 91, |tree| tree["note"] = "soon".into())).await;
    // What somebody else says in it later is no edit of its owner.
    let stored = store
        .document(ORG, DocumentId::from_bytes(numbered(1)))
        .await
        .unwrap()
        .unwrap();
    let supervisor = Authorship {
        user: UserId::from_bytes([0x77; 16]),
        ..authorship(1)
    };
    let mut settled = editing_as(&stored, 92, &supervisor, |tree| {
        tree["note"] = "as the supervisor settled it".into();
    });
    settled.author = supervisor.user;
    store
        .append(ORG, vec![settled], NOW.plus_millis(90_000_000))
        .await
        .unwrap();
    let doubtful = async |doubts| {
        found(
            store,
            FeedFilter {
                doubts,
                ..FeedFilter::default()
            },
        )
        .await
    };
    assert_eq!(doubtful(doubt::OUTSIDE).await, [2]);
    assert_eq!(doubtful(doubt::MOCKED).await, [3]);
    assert_eq!(doubtful(doubt::CLOCK).await, [4, 6]);
    assert_eq!(doubtful(doubt::EDITED).await, [5]);
    assert_eq!(doubtful(doubt::ANY).await, [2, 3, 4, 5, 6]);
    assert_eq!(doubtful(0).await.len(), 6);
    let evidence = FeedFilter {
        with_evidence: true,
        ..FeedFilter::default()
    };
    assert_eq!(found(store, evidence).await, [0; 0]);
    finds_nothing_wrong(store).await;
}

pub(in crate::store) async fn what_somebody_has_looked_at_in_quarantine_waits_no_more(store: &dyn DocumentStore) {
    use sha2::Digest as _;
    let item = |number: u8, territory| Quarantined {
        digest: sha2::Sha256::digest([number]).into(),
        document: None,
        territory,
        bytes: vec![number],
        user: REP,
        device: DeviceId::from_bytes([0x50; 16]),
        code: RejectionCode::Invalid,
        message: "no note".to_owned(),
        received_at: NOW.plus_millis(i64::from(number)),
    };
    let items = vec![
        item(1, Some(NORTH)),
        item(2, Some(NORTH)),
        item(3, Some(SOUTH)),
        item(4, None),
    ];
    store.quarantine(ORG, items).await.unwrap();
    let waiting = async |territories| {
        let seen = store.overview(ORG, &of(territories)).await.unwrap().quarantined;
        (seen.count, seen.first.len())
    };
    assert_eq!(
        (waiting(Some(vec![NORTH])).await, waiting(None).await),
        ((2, 2), (4, 2))
    );
    let see = async |territories: Option<&[TerritoryId]>, numbers: &[u8]| {
        let digests: Vec<[u8; 32]> = numbers.iter().map(|it| sha2::Sha256::digest([*it]).into()).collect();
        store
            .see_quarantined(ORG, territories, &digests, REP, NOW)
            .await
            .unwrap()
    };
    // What is not of these territories stays, though it was named.
    assert_eq!(see(Some(&[NORTH]), &[1, 3]).await, 1);
    assert_eq!(see(Some(&[NORTH]), &[1]).await, 0);
    assert_eq!(
        (waiting(Some(vec![NORTH])).await, waiting(None).await),
        ((1, 1), (3, 2))
    );
    assert_eq!(see(Some(&[]), &[1, 2, 3, 4]).await, 0);
    let digest = sha2::Sha256::digest([2]).into();
    let one = store.quarantined_item(ORG, None, digest).await.unwrap().unwrap();
    assert_eq!((one.bytes, one.territory), (vec![2], Some(NORTH)));
    assert_eq!(store.quarantined_item(ORG, Some(&[SOUTH]), digest).await.unwrap(), None);
    assert_eq!(store.quarantined_item(ORG, None, [0; 32]).await.unwrap(), None);
    assert_eq!(see(None, &[1, 2, 3, 4]).await, 3);
    let lines = store.quarantined_lines(ORG, Some(&[NORTH]), 10).await.unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|it| it.seen == Some((REP, NOW)) && it.size == 1));
}

/// The numbers of what each page of two lines shows, page after page.
async fn paged(store: &dyn DocumentStore, mut filter: FeedFilter) -> Vec<u64> {
    filter.limit = 2;
    let mut numbers = Vec::new();
    loop {
        let items = store.feed(ORG, &filter).await.unwrap();
        numbers.extend(
            items
                .iter()
                .map(|it| u64::from_be_bytes(it.id.as_bytes()[..8].try_into().unwrap())),
        );
        let Some(last) = items.last().filter(|_| items.len() == 2) else {
            return numbers;
        };
        filter.after = Some(last.place());
    }
}

pub(in crate::store) async fn the_feed_is_paged_in_four_orders(store: &dyn DocumentStore) {
    with_both(store).await;
    let (north, south) = (StreamId::Territory(NORTH), StreamId::Territory(SOUTH));
    // When it came in, when it happened: 3 and 4 are of one moment, 5 and 6 are only planned.
    let visits = [
        (1, Some(50)),
        (2, Some(10)),
        (3, Some(30)),
        (3, Some(30)),
        (5, None),
        (6, None),
        (7, Some(20)),
    ];
    for (number, (received, happened)) in (1..).zip(visits) {
        let mut tree = visit_tree(CUSTOMER, if number % 2 == 0 { "even 付款" } else { "odd 付款" });
        match happened {
            Some(at) => tree["check_in"]["at"] = (NOW.as_millis() + at).into(),
            None => tree["check_in"] = serde_json::Value::Null,
        }
        if number == 7 {
            tree["customer"] = OTHER.to_string().into();
        }
        let item = creating(number, if number == 7 { south } else { north }, &tree);
        store.append(ORG, vec![item], NOW.plus_millis(received)).await.unwrap();
    }
    let orders = [
        (FeedOrder::NewestReceived, [7, 6, 5, 4, 3, 2, 1]),
        (FeedOrder::OldestReceived, [1, 2, 3, 4, 5, 6, 7]),
        (FeedOrder::NewestHappened, [1, 4, 3, 7, 2, 6, 5]),
        (FeedOrder::OldestHappened, [2, 7, 3, 4, 1, 6, 5]),
    ];
    for (order, numbers) in orders {
        let of = |filter: FeedFilter| FeedFilter { order, ..filter };
        let all = FeedFilter::default;
        let without =
            |left_out: &dyn Fn(u64) -> bool| -> Vec<u64> { numbers.into_iter().filter(|it| !left_out(*it)).collect() };
        let filters: [(FeedFilter, Vec<u64>); 9] = [
            (all(), numbers.to_vec()),
            (
                FeedFilter {
                    kind: Some(DocumentKind::Visit),
                    ..all()
                },
                numbers.to_vec(),
            ),
            (
                FeedFilter {
                    unreviewed: true,
                    ..all()
                },
                numbers.to_vec(),
            ),
            (
                FeedFilter {
                    owner: Some(REP),
                    ..all()
                },
                numbers.to_vec(),
            ),
            (
                FeedFilter {
                    customer: Some(CUSTOMER),
                    ..all()
                },
                without(&|it| it == 7),
            ),
            (
                FeedFilter {
                    state: Some("planned".to_owned()),
                    ..all()
                },
                without(&|it| it != 5 && it != 6),
            ),
            (
                FeedFilter {
                    text: Some("even".to_owned()),
                    ..all()
                },
                without(&|it| it % 2 == 1),
            ),
            (
                FeedFilter {
                    territories: Some(vec![NORTH]),
                    ..all()
                },
                without(&|it| it == 7),
            ),
            (
                FeedFilter {
                    happened: Some((NOW.plus_millis(20), NOW.plus_millis(50))),
                    ..all()
                },
                without(&|it| ![3, 4, 7].contains(&it)),
            ),
        ];
        for (filter, numbers) in filters {
            assert_eq!(paged(store, of(filter.clone())).await, numbers, "{order:?} {filter:?}");
        }
        for filter in [
            FeedFilter {
                disagreeing: true,
                ..all()
            },
            FeedFilter {
                with_evidence: true,
                ..all()
            },
            FeedFilter {
                doubts: doubt::ANY,
                ..all()
            },
            FeedFilter {
                signed_before: Some(NOW),
                ..all()
            },
        ] {
            assert_eq!(paged(store, of(filter)).await, [0; 0]);
        }
    }
}
