//! What a team's month is read from.

use fieldledger_core::{model::*, sync::protocol::StreamId};
use serde_json::{Value, json};

use super::{CUSTOMER, DocumentStore, NORTH, NOW, ORG, REP, creating, visit_tree};
use crate::store::VisitMade;

fn visit_at(millis: i64) -> Value {
    let mut tree = visit_tree(CUSTOMER, "round");
    tree["check_in"] = json!({ "at": NOW.as_millis() + millis });
    tree
}

fn note(at: i64, promise: bool) -> Value {
    let mut tree = json!({
        "kind": "collection_note", "schema": 1, "customer": CUSTOMER, "rep": REP, "at": NOW.as_millis() + at,
        "channel": "phone", "person": "", "outcome": if promise { "promised" } else { "reminded" }, "note": "",
    });
    if promise {
        tree["promise"] = json!({ "amount": { "amount": "100", "currency": "CNY" }, "due": "2026-03-10" });
    }
    tree
}

pub(crate) async fn visits_are_told_by_their_day_and_notes_by_their_promise(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let mut planned = visit_tree(CUSTOMER, "planned");
    planned.as_object_mut().unwrap().remove("check_in");
    let review = |about: DocumentId| {
        json!({
            "kind": "review", "schema": 1, "customer": CUSTOMER, "about": about, "rep": REP, "reviewer": REP,
            "at": NOW.as_millis(), "verdict": "approved", "comment": "", "replies": {},
        })
    };
    let late = creating(1, stream, &visit_at(200));
    let items = vec![
        late.clone(),
        creating(2, stream, &visit_at(100)),
        creating(3, stream, &visit_at(300)),
        creating(4, stream, &planned),
        creating(5, stream, &note(100, true)),
        creating(6, stream, &note(100, false)),
        creating(7, stream, &review(late.document)),
    ];
    store.append(ORG, items.clone(), NOW).await.unwrap();
    let between = async |org, owner| {
        let (from, to) = (NOW.plus_millis(100), NOW.plus_millis(300));
        let mut made = store.visits_between(org, owner, from, to).await.unwrap();
        made.iter_mut().for_each(|it| it.number = 0);
        made
    };
    let visit = |at, reviewed| VisitMade {
        number: 0,
        customer: CUSTOMER,
        owner: REP,
        at: NOW.plus_millis(at),
        reviewed,
        doubtful: false,
    };
    let made = [visit(100, false), visit(200, true)];
    assert_eq!(between(ORG, None).await, made);
    assert_eq!(between(ORG, Some(REP)).await, made);
    assert_eq!(between(ORG, Some(UserId::from_bytes([0xee; 16]))).await, []);
    let other = OrganisationId::from_bytes([0xee; 16]);
    assert_eq!(between(other, None).await, []);

    let promising = store.promising_notes(ORG).await.unwrap();
    let [(id, tree)] = promising.as_slice() else {
        panic!("{promising:?}")
    };
    assert_eq!(*id, items[4].document);
    let read: CollectionNote = serde_json::from_value(tree.clone()).unwrap();
    assert_eq!(read.promise.unwrap().due.to_string(), "2026-03-10");
    assert_eq!(store.promising_notes(other).await.unwrap(), []);
}

pub(crate) async fn visits_that_were_written_or_reviewed_since_are_told(store: &dyn DocumentStore) {
    let stream = StreamId::Territory(NORTH);
    let mut planned = visit_tree(CUSTOMER, "planned");
    planned.as_object_mut().unwrap().remove("check_in");
    let before = [
        creating(1, stream, &visit_at(100)),
        creating(2, stream, &visit_at(200)),
        creating(3, stream, &note(100, false)),
    ];
    let reviewed = before[1].document;
    store.append(ORG, before.to_vec(), NOW).await.unwrap();
    let marks = store.heads(ORG).await.unwrap();
    assert_eq!(store.visits_since(ORG, marks.clone()).await.unwrap().len(), 0);
    let all = store.visits_since(ORG, Vec::new()).await.unwrap();
    let between = store
        .visits_between(ORG, None, NOW, NOW.plus_millis(1_000))
        .await
        .unwrap();
    assert_eq!(all.into_values().flatten().collect::<Vec<_>>(), between);

    let review = json!({
        "kind": "review", "schema": 1, "customer": CUSTOMER, "about": reviewed, "rep": REP, "reviewer": REP,
        "at": NOW.as_millis(), "verdict": "approved", "comment": "", "replies": {},
    });
    let after = [
        creating(4, stream, &visit_at(50)),
        creating(5, stream, &planned),
        creating(6, stream, &review),
    ];
    store.append(ORG, after.to_vec(), NOW).await.unwrap();
    let told = store.visits_since(ORG, marks).await.unwrap();
    let mut at: Vec<_> = told
        .values()
        .map(|it| it.map(|it| (it.at.millis_since(NOW), it.reviewed)))
        .collect();
    at.sort_unstable();
    assert_eq!(at, [None, Some((50, false)), Some((200, true))]);
    let again = store
        .visits_between(ORG, None, NOW, NOW.plus_millis(1_000))
        .await
        .unwrap();
    assert!(
        told.values().flatten().all(|it| again.contains(it)),
        "under the same numbers"
    );
    let other = OrganisationId::from_bytes([0xee; 16]);
    assert_eq!(store.visits_since(other, Vec::new()).await.unwrap().len(), 0);
}
