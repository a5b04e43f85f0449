//! What every store must do, written against the traits, so that each engine runs the same tests.

use std::collections::HashSet;

use fieldledger_core::{
    document::{self, Authorship, Chunk, Summary},
    model::*,
    sync::protocol::{Cursor, Entry, StreamId, StreamPage},
};
use serde_json::{Value, json};

use super::*;

pub(super) const ORG: OrganisationId = OrganisationId::from_bytes([1; 16]);
pub(super) const NORTH: TerritoryId = TerritoryId::from_bytes([0x10; 16]);
pub(super) const SOUTH: TerritoryId = TerritoryId::from_bytes([0x20; 16]);
pub(super) const CUSTOMER: CustomerId = CustomerId::from_bytes([0x30; 16]);
pub(super) const REP: UserId = UserId::from_bytes([0x40; 16]);
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

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
pub(super) fn creating(number: u64, stream: StreamId, tree: &Value) -> Append {
    let id = DocumentId::from_bytes(numbered(number));
    let made = document::create(id, tree, &authorship(0)).unwrap();
    item(id, stream, made, Vec::new(), tree.clone(), 0)
}

/// The item that the ingest would make of an edit by `actor` to a document with these chunks.
pub(super) fn editing(stored: &StoredDocument, actor: u64, edit: impl FnOnce(&mut Value)) -> Append {
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
        &authorship(1),
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
        tree,
        disagreements,
        author: REP,
        device: Some(DeviceId::from_bytes([0x50; 16])),
        relayed: false,
        made_at: NOW,
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
    assert_eq!((&stored.tree, &stored.heads), (&items[0].tree, &items[0].heads));

    let edit = editing(&stored, 100, |tree| tree["note"] = "three".into());
    store.append(ORG, vec![edit.clone()], NOW).await.unwrap();
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
