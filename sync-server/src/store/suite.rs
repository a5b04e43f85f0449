//! What every store must do, written against the traits, so that each engine runs the same tests.

use std::collections::HashSet;

use fieldledger_core::{
    document::{self, Authorship, Chunk, Summary},
    model::*,
    sync::protocol::{Cursor, Entry, StreamId, StreamPage},
};
use serde_json::{Value, json};

use super::*;

mod customers;
mod desk;
mod evidence;
mod ledger;
mod overview;
mod team;

pub(super) use customers::*;
pub(super) use desk::*;
pub(super) use evidence::*;
pub(super) use ledger::*;
pub(super) use overview::*;
pub(super) use team::*;

pub(crate) const ORG: OrganisationId = OrganisationId::from_bytes([1; 16]);
pub(crate) const NORTH: TerritoryId = TerritoryId::from_bytes([0x10; 16]);
pub(super) const SOUTH: TerritoryId = TerritoryId::from_bytes([0x20; 16]);
pub(crate) const CUSTOMER: CustomerId = CustomerId::from_bytes([0x30; 16]);
pub(crate) const REP: UserId = UserId::from_bytes([0x40; 16]);
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

pub(super) fn numbered(number: u64) -> [u8; 16] {
    let mut bytes = [0xd0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(super) fn authorship(at: i64) -> Authorship {
    Authorship {
        user: REP,
        device: DeviceId::from_bytes([0x50; 16]),
        at: NOW.plus_millis(at),
        zone_minutes: 480,
        since_contact_millis: None,
    }
}

pub(super) fn visit_tree(customer: CustomerId, note: &str) -> Value {
    json!({
        "kind": "visit", "schema": 1, "customer": customer, "rep": REP, "note": note,
        "check_in": { "at": NOW.as_millis() },
    })
}

/// The item that the ingest would make of a new document.
pub(crate) fn creating(number: u64, stream: StreamId, tree: &Value) -> Append {
    let id = DocumentId::from_bytes(numbered(number));
    let made = document::create(id, tree, &authorship(0)).unwrap();
    item(id, stream, made, Vec::new(), tree.clone(), 0)
}

/// The item that the ingest would make of an edit by `actor` to a document with these chunks.
pub(super) fn editing(stored: &StoredDocument, actor: u64, edit: impl FnOnce(&mut Value)) -> Append {
    editing_as(stored, actor, &authorship(1), edit)
}

pub(super) fn editing_as(
    stored: &StoredDocument,
    actor: u64,
    authorship: &Authorship,
    edit: impl FnOnce(&mut Value),
) -> Append {
    let mut whole = document::open(&stored.chunks).unwrap();
    let mut after = stored.tree.clone();
    edit(&mut after);
    let made = document::edit::edit(
        &mut whole,
        stored.id,
        &stored.heads,
        &stored.tree,
        &after,
        numbered(actor),
        authorship,
    )
    .unwrap()
    .unwrap();
    let disagreements = u32::try_from(document::disagreement::disagreements(&whole).len()).unwrap();
    item(
        stored.id,
        stored.stream,
        made,
        stored.heads.clone(),
        document::tree::of(&whole),
        disagreements,
    )
}

fn item(
    id: DocumentId,
    stream: StreamId,
    made: document::NewChange,
    based_on: Vec<ChangeHash>,
    tree: Value,
    disagreements: u32,
) -> Append {
    let chunk = Chunk::read(made.bytes.clone()).unwrap();
    Append {
        document: id,
        stream,
        hash: made.hash,
        bytes: made.bytes,
        actor: chunk.actor().to_vec(),
        seq: chunk.seq(),
        based_on,
        heads: made.heads,
        summary: Summary::of(&tree),
        tree: tree.into(),
        disagreements,
        author: REP,
        device: Some(DeviceId::from_bytes([0x50; 16])),
        relayed: false,
        made_at: chunk.authorship().unwrap().at,
        clock_off: false,
    }
}

pub(super) async fn page(store: &dyn DocumentStore, stream: StreamId, from: Option<Cursor>) -> Option<StreamPage> {
    store.page(ORG, stream, from, 1 << 20, &HashSet::new()).await.unwrap()
}

/// Everything in a stream, page by page.
pub(super) async fn read_on(store: &dyn DocumentStore, stream: StreamId, from: &mut Option<Cursor>) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some(page) = page(store, stream, *from).await {
        entries.extend(page.entries);
        *from = Some(page.next);
        if !page.more {
            break;
        }
    }
    entries
}

pub(super) async fn what_is_appended_is_read_back(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let items = vec![
        creating(1, stream, &visit_tree(CUSTOMER, "one")),
        creating(2, stream, &visit_tree(CUSTOMER, "two")),
    ];
    let outcomes = store.append(ORG, items.clone(), NOW).await.unwrap();
    assert_eq!(outcomes, [1, 2].map(|seq| AppendOutcome::Appended { stream, seq }));
    let stored = store.document(ORG, items[0].document).await.unwrap().unwrap();
    assert_eq!(stored.chunks, [items[0].bytes.clone()]);
    assert_eq!((&stored.tree, &stored.heads), (&*items[0].tree, &items[0].heads));

    let edit = editing(&stored, 100, |tree| tree["note"] = "three".into());
    store.append(ORG, vec![edit.clone()], NOW.plus_millis(5)).await.unwrap();
    let received: Vec<_> = store
        .receipts(ORG, stored.id)
        .await
        .unwrap()
        .into_iter()
        .map(|it| (it.hash, it.received_at, it.device, it.relayed))
        .collect();
    assert_eq!(
        received,
        [(&items[0], NOW), (&edit, NOW.plus_millis(5))].map(|(it, at)| (it.hash, at, it.device, it.relayed))
    );
    assert_eq!(
        store.append(ORG, vec![edit], NOW).await.unwrap(),
        [AppendOutcome::Duplicate]
    );
    let mut cursor = None;
    let entries = read_on(store, stream, &mut cursor).await;
    let documents: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Change(it) => it.document,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(documents, [None, None, Some(stored.id)]);
    assert_eq!(page(store, stream, cursor).await, None);
    assert_eq!(store.head(ORG, stream).await.unwrap(), cursor);
}

pub(super) fn territory(id: TerritoryId) -> LedgerRecord {
    LedgerRecord::Territory(Territory {
        id,
        name: format!("territory {id}"),
    })
}

pub(super) fn customer(territory: TerritoryId, name: &str) -> LedgerRecord {
    LedgerRecord::Customer(Customer {
        id: CUSTOMER,
        code: "103".to_owned(),
        name: name.to_owned(),
        territory,
        rep: None,
        contact: String::new(),
        phone: String::new(),
        address: String::new(),
        position: None,
    })
}

fn order(number: &str, customer: CustomerId) -> LedgerRecord {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
    LedgerRecord::Order(LedgerOrder {
        number: number.to_owned(),
        customer,
        ordered_on: day,
        wanted_by: None,
        shipped_on: None,
        state: String::new(),
        cancelled: false,
        lines: Vec::new(),
        total: Money::new(rust_decimal::Decimal::new(1_250, 2), Currency::CNY),
        note: String::new(),
    })
}

fn review_tree(about: DocumentId, verdict: &str, at: i64) -> Value {
    json!({
        "kind": "review", "schema": 1, "customer": CUSTOMER, "about": about, "rep": REP, "reviewer": REP,
        "at": NOW.as_millis() + at, "verdict": verdict, "comment": "why?", "replies": {},
    })
}

async fn with_customer(store: &dyn DocumentStore) {
    let records = vec![customer(NORTH, "Antares"), territory(NORTH), territory(SOUTH)];
    let outcomes = store.put_records(ORG, records, true, NOW).await.unwrap();
    assert_eq!(outcomes, vec![PutOutcome::Created; 3]);
}

async fn append_one(store: &dyn DocumentStore, item: Append) -> AppendOutcome {
    store.append(ORG, vec![item], NOW).await.unwrap().remove(0)
}

pub(super) async fn finds_nothing_wrong(store: &dyn DocumentStore) {
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
}

pub(super) async fn edits_of_one_batch_build_on_each_other(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let first = creating(1, stream, &visit_tree(CUSTOMER, "one"));
    let mut stored = StoredDocument {
        id: first.document,
        stream,
        heads: first.heads.clone(),
        chunks: vec![first.bytes.clone()],
        tree: (*first.tree).clone(),
        disagreements: 0,
        first_received_at: NOW,
        last_received_at: NOW,
    };
    let second = editing(&stored, 100, |tree| tree["note"] = "two".into());
    let concurrent = editing(&stored, 101, |tree| tree["note"] = "deux".into());
    stored.chunks.push(second.bytes.clone());
    stored.heads.clone_from(&second.heads);
    stored.tree = (*second.tree).clone();
    let third = editing(&stored, 102, |tree| tree["note"] = "three".into());
    let outcomes = store
        .append(ORG, vec![first.clone(), second, concurrent, third.clone(), first], NOW)
        .await
        .unwrap();
    let appended = |seq| AppendOutcome::Appended { stream, seq };
    assert_eq!(
        outcomes,
        [
            appended(1),
            appended(2),
            AppendOutcome::Stale,
            appended(3),
            AppendOutcome::Duplicate
        ]
    );
    let now = store.document(ORG, stored.id).await.unwrap().unwrap();
    assert_eq!((&now.tree, now.chunks.len()), (&*third.tree, 3));
    finds_nothing_wrong(store).await;
}

pub(super) async fn two_changes_with_one_actor_and_seq_never_meet(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let made = creating(1, stream, &visit_tree(CUSTOMER, "one"));
    let cloned = creating(1, stream, &visit_tree(CUSTOMER, "another"));
    assert_ne!(made.hash, cloned.hash);
    append_one(store, made.clone()).await;
    assert_eq!(append_one(store, cloned).await, AppendOutcome::ActorCollision);
    // Another company may hold the same document.
    let elsewhere = OrganisationId::from_bytes([9; 16]);
    let outcome = store.append(elsewhere, vec![made.clone()], NOW).await.unwrap();
    assert_eq!(outcome, [AppendOutcome::Appended { stream, seq: 1 }]);
    let known = store
        .known_changes(ORG, &[made.hash, ChangeHash([7; 32])])
        .await
        .unwrap();
    assert_eq!(known, HashSet::from([made.hash]));
    let nowhere = OrganisationId::from_bytes([8; 16]);
    assert!(store.known_changes(nowhere, &[made.hash]).await.unwrap().is_empty());
    assert_eq!(store.document(nowhere, made.document).await.unwrap(), None);
}

pub(super) async fn a_page_keeps_to_its_budget_and_leaves_out_what_was_pushed(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let items: Vec<Append> = (1..=10)
        .map(|number| creating(number, stream, &visit_tree(CUSTOMER, "one")))
        .collect();
    let size = items[0].bytes.len();
    store.append(ORG, items.clone(), NOW).await.unwrap();
    let read = async |from, budget, without: &[ChangeHash]| {
        let without = without.iter().copied().collect();
        store.page(ORG, stream, from, budget, &without).await.unwrap().unwrap()
    };
    let none = read(None, 0, &[]).await;
    assert_eq!((none.entries.len(), none.next.seq, none.more), (0, 0, true));
    let one = read(None, 1, &[]).await;
    assert_eq!((one.entries.len(), one.next.seq, one.more), (1, 1, true));
    let some = read(Some(one.next), 3 * (size + 60), &[]).await;
    assert_eq!((some.entries.len(), some.next.seq, some.more), (3, 4, true));
    let pushed: Vec<ChangeHash> = items[4..].iter().map(|item| item.hash).collect();
    let rest = read(Some(some.next), 1, &pushed).await;
    assert_eq!((rest.entries.len(), rest.next.seq, rest.more), (0, 10, false));
    assert_eq!(page(store, stream, Some(rest.next)).await, None);
    assert_eq!(page(store, StreamId::Catalogue, None).await, None);
}

pub(super) async fn a_page_holds_only_so_many_entries(store: &dyn DocumentStore) {
    use fieldledger_core::sync::protocol::MAX_ENTRIES;
    let products: Vec<LedgerRecord> = (0..MAX_ENTRIES as u64 / 2 + 5)
        .map(|number| {
            LedgerRecord::Product(Product {
                id: ProductId::from_bytes(numbered(number)),
                code: number.to_string(),
                name: "kitchen paper".to_owned(),
                unit: String::new(),
                price: None,
                group: String::new(),
                discontinued: false,
            })
        })
        .collect();
    store.put_records(ORG, products, false, NOW).await.unwrap();
    let first = page(store, StreamId::Catalogue, None).await.unwrap();
    assert_eq!((first.entries.len(), first.more), (MAX_ENTRIES / 2, true));
    let rest = page(store, StreamId::Catalogue, Some(first.next)).await.unwrap();
    assert_eq!((rest.entries.len(), rest.more), (5, false));
}

pub(super) async fn a_cursor_of_another_history_starts_again(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    for number in 1..=3 {
        append_one(store, creating(number, stream, &visit_tree(CUSTOMER, "one"))).await;
    }
    let head = store.head(ORG, stream).await.unwrap().unwrap();
    let first = store
        .page(ORG, stream, None, 1, &HashSet::new())
        .await
        .unwrap()
        .unwrap();
    assert!(!first.restart);
    let strange = [
        Cursor {
            lineage: [9; 8].into(),
            ..first.next
        },
        Cursor {
            lineage: [9; 8].into(),
            ..head
        },
        Cursor { seq: 4, ..head },
        Cursor { seq: u64::MAX, ..head },
        Cursor {
            chain: [9; 16].into(),
            ..first.next
        },
        Cursor {
            chain: [9; 16].into(),
            ..head
        },
        Cursor { seq: 0, ..head },
    ];
    for cursor in strange {
        let page = page(store, stream, Some(cursor)).await.unwrap();
        assert!(page.restart, "{cursor:?}");
        assert_eq!((page.entries.len(), page.next, page.more), (3, head, false));
    }
    // A stream that this server has never had.
    let unheard = StreamId::Territory(SOUTH);
    let answer = page(store, unheard, Some(head)).await.unwrap();
    assert!(answer.restart);
    assert_eq!((answer.entries.len(), answer.next.seq, answer.more), (0, 0, false));
    assert_eq!(
        page(store, unheard, Some(answer.next)).await,
        None,
        "told once, not for ever"
    );
    append_one(store, creating(9, unheard, &visit_tree(CUSTOMER, "one"))).await;
    let next = page(store, unheard, Some(answer.next)).await.unwrap();
    assert_eq!((next.restart, next.entries.len()), (false, 1));
}

pub(super) async fn a_record_gets_versions_and_only_the_newest_is_sent(store: &dyn DocumentStore) {
    with_customer(store).await;
    let stream = StreamId::Territory(NORTH);
    let mut old = None;
    read_on(store, stream, &mut old).await;
    let put = async |record| {
        store
            .put_records(ORG, vec![record], false, NOW)
            .await
            .unwrap()
            .remove(0)
    };
    assert_eq!(put(customer(NORTH, "Antares")).await, PutOutcome::Unchanged);
    assert_eq!(
        put(customer(NORTH, "Antares Ltd")).await,
        PutOutcome::Changed { version: 2 }
    );
    assert_eq!(
        put(customer(NORTH, "Antares plc")).await,
        PutOutcome::Changed { version: 3 }
    );
    assert_eq!(put(order("000123", CUSTOMER)).await, PutOutcome::Created);
    let stored = store.record(ORG, &customer(NORTH, "").key()).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.record), (3, customer(NORTH, "Antares plc")));
    for from in [None, old] {
        let entries = read_on(store, stream, &mut from.clone()).await;
        let versions: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Record(it) => (it.name.kind.as_str(), it.version),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(versions, [("customer", 3), ("order", 1)]);
    }
    assert_eq!(store.records(ORG, &RecordKind::Territory).await.unwrap().len(), 2);
    assert_eq!(
        store
            .records_about(ORG, CUSTOMER, &RecordKind::Order)
            .await
            .unwrap()
            .len(),
        1
    );
    finds_nothing_wrong(store).await;
}

pub(super) async fn every_version_of_a_record_is_kept_with_its_time(store: &dyn DocumentStore) {
    with_customer(store).await;
    let key = customer(NORTH, "").key();
    for (name, territory, at) in [
        ("Antares Ltd", NORTH, 10),
        // The same again is no version.
        ("Antares Ltd", NORTH, 15),
        ("Antares Ltd", SOUTH, 20),
        ("Antares plc", SOUTH, 30),
    ] {
        let records = vec![customer(territory, name)];
        store
            .put_records(ORG, records, true, NOW.plus_millis(at))
            .await
            .unwrap();
    }
    let versions = store.record_versions(ORG, &key).await.unwrap();
    let expected = [
        (1, NOW, customer(NORTH, "Antares")),
        (2, NOW.plus_millis(10), customer(NORTH, "Antares Ltd")),
        (3, NOW.plus_millis(20), customer(SOUTH, "Antares Ltd")),
        (4, NOW.plus_millis(30), customer(SOUTH, "Antares plc")),
    ]
    .map(|(version, written_at, record)| RecordVersion {
        version,
        written_at,
        record,
    });
    assert_eq!(versions, expected);
    // What was kept out leaves no version behind.
    let hanging = order("000124", CustomerId::from_bytes([0x77; 16]));
    let records = vec![customer(SOUTH, "Nobody"), hanging.clone()];
    store
        .put_records(ORG, records, true, NOW.plus_millis(40))
        .await
        .unwrap();
    assert_eq!(store.record_versions(ORG, &key).await.unwrap(), expected);
    assert_eq!(store.record_versions(ORG, &hanging.key()).await.unwrap(), []);
    let elsewhere = OrganisationId::from_bytes([2; 16]);
    assert_eq!(store.record_versions(elsewhere, &key).await.unwrap(), []);
    finds_nothing_wrong(store).await;
}

pub(super) async fn a_record_that_hangs_in_the_air_is_refused(store: &dyn DocumentStore) {
    let nobody = CustomerId::from_bytes([0x77; 16]);
    let batch = || vec![order("1", nobody), territory(NORTH), customer(SOUTH, "Antares")];
    let outcomes = store.put_records(ORG, batch(), true, NOW).await.unwrap();
    let refused = |outcome: &PutOutcome, with: &str| match outcome {
        PutOutcome::Refused(reason) => assert!(reason.contains(with), "{reason}"),
        other => panic!("{other:?}"),
    };
    refused(&outcomes[0], "customer");
    assert_eq!(outcomes[1], PutOutcome::Withheld);
    refused(&outcomes[2], "territory");
    assert_eq!(store.counts(ORG).await.unwrap(), Counts::default());
    let outcomes = store.put_records(ORG, batch(), false, NOW).await.unwrap();
    assert_eq!(outcomes[1], PutOutcome::Created);
    assert_eq!(store.counts(ORG).await.unwrap().records, 1);
    finds_nothing_wrong(store).await;
}

pub(super) async fn a_customer_moves_with_everything_about_them(store: &dyn DocumentStore) {
    with_customer(store).await;
    let (north, south) = (StreamId::Territory(NORTH), StreamId::Territory(SOUTH));
    store
        .put_records(ORG, vec![order("1", CUSTOMER)], true, NOW)
        .await
        .unwrap();
    let visit = creating(1, north, &visit_tree(CUSTOMER, "one"));
    append_one(store, visit.clone()).await;
    let stored = store.document(ORG, visit.document).await.unwrap().unwrap();
    let late = editing(&stored, 100, |tree| tree["note"] = "late".into());
    append_one(store, editing(&stored, 101, |tree| tree["state"] = "x".into())).await;
    let mut before = None;
    read_on(store, north, &mut before).await;

    store
        .put_records(ORG, vec![customer(SOUTH, "Antares")], true, NOW)
        .await
        .unwrap();
    let gone = read_on(store, north, &mut before).await;
    let documents = gone
        .iter()
        .filter(|it| **it == Entry::GoneDocument(visit.document))
        .count();
    let records = gone.iter().filter(|it| matches!(it, Entry::GoneRecord(_))).count();
    assert_eq!((documents, records, gone.len()), (1, 2, 3));
    assert!(
        read_on(store, north, &mut None)
            .await
            .iter()
            .all(|it| matches!(it, Entry::GoneDocument(_) | Entry::GoneRecord(_))),
        "the old territory is told nothing of them any more"
    );
    let arrived = read_on(store, south, &mut None).await;
    let snapshot = arrived.iter().find_map(|entry| match entry {
        Entry::Snapshot(it) => Some(it),
        _ => None,
    });
    let whole = document::open(&[&snapshot.unwrap().bytes]).unwrap();
    assert_eq!(document::tree::of(&whole)["state"], "x");
    assert_eq!(arrived.len(), 3);
    let moved = store.document(ORG, visit.document).await.unwrap().unwrap();
    assert_eq!((moved.stream, &moved.tree), (south, &document::tree::of(&whole)));
    // What was here before is still known, and what comes late follows the document.
    assert_eq!(append_one(store, visit).await, AppendOutcome::Duplicate);
    assert_eq!(append_one(store, late).await, AppendOutcome::Stale);
    let edit = editing(&moved, 102, |tree| tree["note"] = "late".into());
    assert!(matches!(append_one(store, edit).await, AppendOutcome::Appended { stream, .. } if stream == south));
    // What was routed before the move is routed again.
    let lost = creating(2, north, &visit_tree(CUSTOMER, "two"));
    assert_eq!(append_one(store, lost).await, AppendOutcome::Stale);
    finds_nothing_wrong(store).await;

    store
        .put_records(ORG, vec![customer(NORTH, "Antares")], true, NOW)
        .await
        .unwrap();
    assert_eq!(store.document(ORG, moved.id).await.unwrap().unwrap().stream, north);
    assert_eq!(read_on(store, north, &mut before).await.len(), 3);
    finds_nothing_wrong(store).await;
}

pub(super) async fn the_feed_shows_what_came_in_newest_first(store: &dyn DocumentStore) {
    with_customer(store).await;
    let (north, south) = (StreamId::Territory(NORTH), StreamId::Territory(SOUTH));
    let other = CustomerId::from_bytes([0x31; 16]);
    for number in 1..=6 {
        let (stream, customer) = if number == 6 { (south, other) } else { (north, CUSTOMER) };
        let item = creating(number, stream, &visit_tree(customer, &format!("note {number}")));
        let at = NOW.plus_millis(number as i64 / 2);
        store.append(ORG, vec![item], at).await.unwrap();
    }
    let feed = async |filter: FeedFilter| {
        let items = store
            .feed(
                ORG,
                &FeedFilter {
                    limit: filter.limit.max(1),
                    ..filter
                },
            )
            .await
            .unwrap();
        items
            .into_iter()
            .map(|it| u64::from_be_bytes(it.id.as_bytes()[..8].try_into().unwrap()))
            .collect::<Vec<_>>()
    };
    let all = || FeedFilter {
        limit: 100,
        ..FeedFilter::default()
    };
    assert_eq!(feed(all()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(
        feed(FeedFilter {
            territories: Some(vec![NORTH]),
            ..all()
        })
        .await,
        [5, 4, 3, 2, 1]
    );
    assert_eq!(
        feed(FeedFilter {
            territories: Some(vec![]),
            ..all()
        })
        .await,
        [0; 0]
    );
    assert_eq!(
        feed(FeedFilter {
            customer: Some(other),
            ..all()
        })
        .await,
        [6]
    );
    assert_eq!(
        feed(FeedFilter {
            owner: Some(UserId::from_bytes([0; 16])),
            ..all()
        })
        .await,
        [0; 0]
    );
    assert_eq!(
        feed(FeedFilter {
            kind: Some(DocumentKind::Order),
            ..all()
        })
        .await,
        [0; 0]
    );
    assert_eq!(
        feed(FeedFilter {
            state: Some("open".to_owned()),
            limit: 2,
            ..all()
        })
        .await,
        [6, 5]
    );
    let page_end = Some(FeedPlace {
        received: NOW.plus_millis(2),
        happened: None,
        id: DocumentId::from_bytes(numbered(5)),
    });
    assert_eq!(
        feed(FeedFilter {
            after: page_end,
            ..all()
        })
        .await,
        [4, 3, 2, 1]
    );
    let day = Some((NOW.plus_millis(1), NOW.plus_millis(2)));
    assert_eq!(feed(FeedFilter { happened: day, ..all() }).await, [0; 0]);
    assert_eq!(
        feed(FeedFilter {
            happened: Some((NOW, NOW.plus_millis(1))),
            ..all()
        })
        .await
        .len(),
        6
    );
    assert_eq!(
        feed(FeedFilter {
            disagreeing: true,
            ..all()
        })
        .await,
        [0; 0]
    );
}

pub(super) async fn the_newest_review_gives_the_verdict(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let visit = creating(1, stream, &visit_tree(CUSTOMER, "one"));
    let review = |number, verdict, at| creating(number, stream, &review_tree(visit.document, verdict, at));
    // A review may come in before what it is about.
    append_one(store, review(10, "questioned", 5)).await;
    append_one(store, visit.clone()).await;
    let verdict = async || {
        let feed = store
            .feed(
                ORG,
                &FeedFilter {
                    limit: 9,
                    ..FeedFilter::default()
                },
            )
            .await
            .unwrap();
        feed.into_iter().find(|it| it.id == visit.document).unwrap().review
    };
    assert_eq!(verdict().await.as_deref(), Some("questioned"));
    append_one(store, review(11, "approved", 9)).await;
    append_one(store, review(12, "flagged", 7)).await;
    assert_eq!(verdict().await.as_deref(), Some("approved"));
    let reviews = store.reviews_of(ORG, visit.document).await.unwrap();
    let verdicts: Vec<_> = reviews.iter().map(|it| it.tree["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["questioned", "flagged", "approved"]);
    let unreviewed = FeedFilter {
        unreviewed: true,
        limit: 9,
        ..FeedFilter::default()
    };
    assert_eq!(store.feed(ORG, &unreviewed).await.unwrap(), []);
    let edit = editing(&reviews[2], 100, |tree| tree["verdict"] = "flagged".into());
    append_one(store, edit).await;
    assert_eq!(verdict().await.as_deref(), Some("flagged"));
    finds_nothing_wrong(store).await;
}

pub(super) async fn quarantine_keeps_one_copy_of_each(store: &dyn DocumentStore) {
    use sha2::Digest as _;
    let item = |number: u8, territory| Quarantined {
        digest: sha2::Sha256::digest([number]).into(),
        document: None,
        territory,
        bytes: vec![number],
        user: REP,
        device: DeviceId::from_bytes([0x50; 16]),
        code: fieldledger_core::sync::protocol::RejectionCode::Invalid,
        message: "no note".to_owned(),
        received_at: NOW.plus_millis(i64::from(number)),
    };
    let items = vec![item(1, Some(NORTH)), item(2, None), item(1, Some(NORTH))];
    store.quarantine(ORG, items.clone()).await.unwrap();
    store.quarantine(ORG, items).await.unwrap();
    assert_eq!(
        store.quarantined(ORG, None, 10).await.unwrap(),
        [item(2, None), item(1, Some(NORTH))]
    );
    assert_eq!(
        store.quarantined(ORG, Some(&[NORTH]), 10).await.unwrap(),
        [item(1, Some(NORTH))]
    );
    assert_eq!(store.quarantined(ORG, Some(&[]), 10).await.unwrap(), []);
    assert_eq!(store.quarantined(ORG, None, 1).await.unwrap().len(), 1);
    assert_eq!(store.counts(ORG).await.unwrap().quarantined, 2);
}

pub(super) async fn compaction_keeps_every_cursor_and_every_change(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let mut cursors = vec![None];
    let mut numbers = Vec::new();
    for number in 1..=3 {
        append_one(store, creating(number, stream, &visit_tree(CUSTOMER, "one"))).await;
        cursors.push(store.head(ORG, stream).await.unwrap());
    }
    for actor in 100..106 {
        let id = DocumentId::from_bytes(numbered(1 + actor % 2));
        let stored = store.document(ORG, id).await.unwrap().unwrap();
        append_one(store, editing(&stored, actor, |tree| tree["note"] = actor.into())).await;
        cursors.push(store.head(ORG, stream).await.unwrap());
        numbers.push(actor);
    }
    let mut read_before = Vec::new();
    for cursor in &cursors {
        read_before.push(read_on(store, stream, &mut cursor.clone()).await);
    }
    assert_eq!(store.compact(ORG, stream, 7).await.unwrap(), 2);
    assert_eq!(store.compact(ORG, stream, 7).await.unwrap(), 0);
    finds_nothing_wrong(store).await;
    let chunks_of = |entries: &[Entry], id: DocumentId| -> Vec<Vec<u8>> {
        entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Change(it) if it.document == Some(id) => Some(it.bytes.clone()),
                Entry::Change(it) if it.document.is_none() => {
                    (Chunk::read(it.bytes.clone()).unwrap().creates() == Some(id)).then(|| it.bytes.clone())
                }
                Entry::Snapshot(it) if it.document == id => Some(it.bytes.clone()),
                _ => None,
            })
            .collect()
    };
    for (index, cursor) in cursors.iter().enumerate() {
        let read = read_on(store, stream, &mut cursor.clone()).await;
        for number in 1..=3 {
            let id = DocumentId::from_bytes(numbered(number));
            // Whoever had read up to the cursor before, and reads on now, holds the whole document.
            let mut held = chunks_of(&read_before[0][..index], id);
            held.extend(chunks_of(&read, id));
            let stored = store.document(ORG, id).await.unwrap().unwrap();
            let tree = document::tree::of(&document::open(&held).unwrap());
            assert_eq!(tree, stored.tree, "document {number} from cursor {index}");
        }
        let page = page(store, stream, *cursor).await;
        assert!(page.is_none_or(|page| !page.restart));
    }
    assert!(store.compact(ORG, stream, u64::MAX).await.unwrap() > 0);
    let whole = store
        .document(ORG, DocumentId::from_bytes(numbered(1)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(whole.chunks.len(), 1);
    append_one(store, editing(&whole, 200, |tree| tree["note"] = "after".into())).await;
    finds_nothing_wrong(store).await;
}

pub(super) async fn a_backup_covers_what_it_holds(
    store: &dyn Store,
    restored: impl AsyncFnOnce(&Path) -> Box<dyn Store>,
) {
    let stream = StreamId::Territory(NORTH);
    let covered = creating(1, stream, &visit_tree(CUSTOMER, "one")).hash;
    append_one(store, creating(1, stream, &visit_tree(CUSTOMER, "one"))).await;
    assert_eq!(store.backed_up(ORG, &[stream]).await.unwrap(), []);
    assert!(store.backed_up_changes(ORG, &[covered]).await.unwrap().is_empty());
    let folder = tempfile::TempDir::new().unwrap();
    let to = folder.path().join("backup");
    let report = store.backup(&to).await.unwrap();
    assert_eq!((report.streams, report.entries), (1, 1));
    assert!(matches!(store.backup(&to).await, Err(StoreError::Conflict(_))));
    let too_late = creating(2, stream, &visit_tree(CUSTOMER, "two")).hash;
    append_one(store, creating(2, stream, &visit_tree(CUSTOMER, "two"))).await;
    let known = store.backed_up_changes(ORG, &[covered, too_late]).await.unwrap();
    assert_eq!(known, HashSet::from([covered]));
    let nowhere = OrganisationId::from_bytes([99; 16]);
    assert!(store.backed_up_changes(nowhere, &[covered]).await.unwrap().is_empty());
    let marks = store.backed_up(ORG, &[StreamId::Catalogue, stream]).await.unwrap();
    assert_eq!(
        marks.iter().map(|it| (it.stream, it.seq)).collect::<Vec<_>>(),
        [(stream, 1)]
    );
    let old = store.head(ORG, stream).await.unwrap().unwrap();

    let restored = restored(&to).await;
    // Even when nobody says that it was restored, a cursor behind its end is noticed,
    assert!(
        restored
            .page(ORG, stream, Some(old), 9, &HashSet::new())
            .await
            .unwrap()
            .unwrap()
            .restart
    );
    // and one that another history has overtaken.
    let other = creating(3, stream, &visit_tree(CUSTOMER, "three"));
    restored.append(ORG, vec![other], NOW).await.unwrap();
    assert_eq!(restored.head(ORG, stream).await.unwrap().unwrap().seq, old.seq);
    assert!(
        restored
            .page(ORG, stream, Some(old), 9, &HashSet::new())
            .await
            .unwrap()
            .unwrap()
            .restart
    );
    let own = restored.head(ORG, stream).await.unwrap();
    assert_eq!(restored.page(ORG, stream, own, 9, &HashSet::new()).await.unwrap(), None);
    assert_eq!(restored.begin_new_lineages().await.unwrap(), 1);
    let known = restored.backed_up_changes(ORG, &[covered]).await.unwrap();
    assert!(known.is_empty(), "nothing counts until the next backup");
    assert!(
        restored
            .page(ORG, stream, own, 9, &HashSet::new())
            .await
            .unwrap()
            .unwrap()
            .restart
    );
    assert_eq!(restored.verify().await.unwrap(), Vec::<String>::new());
    restored.ping().await.unwrap();
}
