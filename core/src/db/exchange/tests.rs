#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use crate::{
    db::outbox,
    document,
    model::*,
    sync::{
        fake::{FakeServer, MORNING, Phone, TERRITORY},
        protocol::*,
    },
};

#[test]
fn what_one_phone_records_the_other_one_gets_and_nothing_is_echoed() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ann.plan(1);
    ann.note(visit, "要求开票");
    let applied = ann.exchange(&mut server);
    assert_eq!((applied.accepted, applied.pulled, applied.waiting), (2, 0, 0));
    assert_eq!(ben.exchange(&mut server).pulled, 2);
    assert_eq!(ben.store.visit(visit).unwrap().unwrap().value.note, "要求开票");
    assert_eq!(ann.waiting(), 0);
    let idle = ann.exchange(&mut server);
    assert!(!idle.progress && !idle.more && idle.changes.is_empty());
}

#[test]
fn the_creating_change_is_pushed_without_a_name_and_an_edit_with_one() {
    let ann = Phone::new(1);
    let visit = ann.plan(1);
    ann.note(visit, "x");
    let (request, _) = ann.request(10);
    let names: Vec<_> = request
        .push
        .iter()
        .map(|it| match it {
            Push::Change(change) => change.document,
            Push::Offer(_) => panic!("nothing to offer"),
        })
        .collect();
    assert_eq!(names, [None, Some(visit)]);
}

#[test]
fn the_same_reply_stored_twice_changes_nothing() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ben.plan(1);
    ben.note(visit, "from Ben");
    ben.settle(&mut server);
    ann.plan(2);
    let (request, sent) = ann.request(10);
    let response = server.answer(&request);
    ann.store.apply(response.clone(), &sent).unwrap();
    let once = ann.content();
    let again = ann.store.apply(response, &sent).unwrap();
    assert!(again.refused.is_some(), "its page does not follow the cursor any more");
    assert_eq!(ann.content(), once);
}

#[test]
fn replies_out_of_order_are_refused_and_the_next_exchange_brings_everything() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    for day in 0..6 {
        ben.plan(day);
    }
    ben.settle(&mut server);
    server.page = 2;
    let (first, sent_first) = ann.request(10);
    let late = server.answer(&first);
    ann.exchange(&mut server);
    ann.exchange(&mut server);
    let before = ann.content();
    assert!(ann.store.apply(late, &sent_first).unwrap().refused.is_some());
    assert_eq!(ann.content(), before);
    ann.settle(&mut server);
    assert_eq!(ann.content(), ben_as_seen(&ben, &mut server));
}

fn ben_as_seen(ben: &Phone, server: &mut FakeServer) -> std::collections::BTreeMap<String, String> {
    ben.settle(server);
    ben.content()
}

#[test]
fn a_reply_that_judges_another_number_of_changes_is_refused_whole() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    ann.plan(1);
    let (request, sent) = ann.request(10);
    let mut response = server.answer(&request);
    response.verdicts[0].count = 2;
    let before = ann.content();
    assert!(ann.store.apply(response, &sent).unwrap().refused.is_some());
    assert_eq!((ann.content(), ann.waiting()), (before, 1));
}

#[test]
fn a_refused_change_stays_with_its_reason_and_so_does_what_builds_on_it() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    let (bad, good) = (ann.plan(1), ann.plan(2));
    ann.note(bad, "on top");
    server.refuse.insert(bad);
    ann.settle(&mut server);
    let status = ann.store.status().unwrap();
    assert_eq!((status.waiting, status.rejected.len()), (0, 2));
    assert!(
        status
            .rejected
            .iter()
            .all(|it| it.document == bad && it.message == "no")
    );
    assert_eq!(status.rejected[0].code, RejectionCode::NotAllowed.number());
    assert!(ann.store.visit(good).unwrap().is_some() && ann.store.visit(bad).unwrap().is_some());
}

#[test]
fn what_the_server_does_not_look_at_yet_stays_and_is_no_progress() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    ann.plan(1);
    server.later = true;
    let applied = ann.exchange(&mut server);
    assert_eq!((applied.later, applied.waiting, applied.progress), (1, 1, false));
    server.later = false;
    assert_eq!(ann.exchange(&mut server).accepted, 1);
}

#[test]
fn what_is_recorded_while_a_reply_is_awaited_is_told_from_what_was_sent() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    ann.plan(1);
    server.later = true;
    assert!(
        !ann.exchange(&mut server).recorded_meanwhile,
        "nothing new, nothing moved"
    );
    let (request, sent) = ann.request(100);
    ann.plan(2);
    let applied = ann.store.apply(server.answer(&request), &sent).unwrap();
    assert!(applied.recorded_meanwhile && !applied.progress);
}

#[test]
fn a_server_that_lost_what_an_edit_builds_on_gets_it_with_the_edit() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ann.plan(1);
    ann.note(visit, "one");
    ann.settle(&mut server);
    ben.settle(&mut server);
    // Nothing in what Ben follows tells that the visit is gone.
    server.known.clear();
    server.actors.clear();
    ben.note(visit, "two");
    for _ in 0..9 {
        ben.exchange(&mut server);
    }
    assert_eq!((server.known.len(), ben.waiting()), (3, 0));
}

#[test]
fn what_is_acknowledged_before_the_phone_has_read_to_the_end_is_asked_about_once_more() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    for day in 0..4 {
        ben.plan(day);
    }
    ben.settle(&mut server);
    ann.plan(9);
    server.page = 2;
    let applied = ann.exchange(&mut server);
    assert_eq!((applied.accepted, applied.more), (1, true));
    // Somebody copies an older file over the server's: as far as Ann has read, nothing is different.
    server.restore(4);
    server.lineage[0] -= 1;
    ann.settle(&mut server);
    assert_eq!(server.known.len(), 5);
    // Read to the end, it is not asked about again.
    let (request, _) = ann.request(100);
    assert!(request.push.is_empty());
}

#[test]
fn an_edit_that_is_put_off_for_another_reason_does_not_make_the_phone_ask_without_end() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    let visit = ann.plan(1);
    ann.settle(&mut server);
    ann.note(visit, "one");
    server.later = true;
    let progress = (0..20).filter(|_| ann.exchange(&mut server).progress).count();
    assert_eq!(progress, 0, "each exchange that follows at once would be as useless");
    assert!((0..20).all(|_| ann.waiting() > 0));
}

#[test]
fn a_restored_server_gets_back_what_it_lost_from_whoever_holds_it() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visits: Vec<_> = (0..5).map(|day| ann.plan(day)).collect();
    ann.note(visits[4], "last words");
    server.record(TERRITORY, "kept", 1, "{}");
    ann.settle(&mut server);
    server.record(TERRITORY, "lost", 9, r#"{"new": true}"#);
    server.record(TERRITORY, "kept", 5, r#"{"new": true}"#);
    ben.settle(&mut server);
    server.restore(4);
    let applied = ben.exchange(&mut server);
    assert_eq!(applied.restarted, [TERRITORY]);
    assert_eq!(applied.waiting, 3, "only what did not come back by itself is offered");
    assert_eq!(ben.exchange(&mut server).wanted, 3);
    let (request, _) = ben.request(10);
    let all_relayed = |push: &Push| matches!(push, Push::Change(it) if it.relayed);
    assert!(request.push.len() == 3 && request.push.iter().all(all_relayed));
    ben.settle(&mut server);
    assert_eq!(server.known.len(), 6);
    let content = ben.content();
    assert!(
        !content.contains_key("odd lost"),
        "the restored server does not know it"
    );
    assert!(
        content["odd kept"].starts_with("1 "),
        "the older version is the truth now"
    );
    ann.settle(&mut server);
    assert_eq!(ann.content(), ben.content());
}

#[test]
fn a_change_lost_from_a_snapshot_is_cut_out_and_sent() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ann.plan(1);
    ann.note(visit, "one");
    let chunks = ann
        .store
        .read(|it| crate::db::documents::chunks(it, crate::db::documents::find(it, visit)?.unwrap().row))
        .unwrap();
    let bytes = document::snapshot(&document::open(&chunks).unwrap());
    server.put(
        TERRITORY,
        Entry::Snapshot(SnapshotEntry {
            document: visit,
            bytes,
            received_at: Timestamp::from_millis(MORNING),
        }),
    );
    ben.settle(&mut server);
    assert_eq!(ben.store.visit(visit).unwrap().unwrap().value.note, "one");
    server.restore(0);
    ben.settle(&mut server);
    assert_eq!(server.known.len(), 2);
    assert_eq!(ben.store.visit(visit).unwrap().unwrap().value.note, "one");
}

#[test]
fn splitting_a_snapshot_leaves_each_change_for_itself_and_the_document_as_it_was() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ann.plan(1);
    ann.note(visit, "one");
    ann.note(visit, "two");
    let row_of = |phone: &Phone| {
        let found = phone.store.read(|it| crate::db::documents::find(it, visit));
        found.unwrap().unwrap().row
    };
    let chunks = |phone: &Phone| {
        let row = row_of(phone);
        phone.store.read(|it| crate::db::documents::chunks(it, row)).unwrap()
    };
    let originals = chunks(&ann);
    let bytes = document::snapshot(&document::open(&originals).unwrap());
    server.put(
        TERRITORY,
        Entry::Snapshot(SnapshotEntry {
            document: visit,
            bytes,
            received_at: Timestamp::from_millis(MORNING),
        }),
    );
    ben.settle(&mut server);
    // One more edit lies after the snapshot, and the heads are those of that edit.
    ben.note(visit, "three");
    assert_eq!(chunks(&ben).len(), 2);
    let (before, heads) = (ben.content(), ben.store.heads(visit).unwrap());
    let row = row_of(&ben);
    ben.store
        .write(&[], |it| crate::db::documents::split_snapshots(it, row))
        .unwrap();
    assert_eq!((ben.content(), ben.store.heads(visit).unwrap()), (before, heads));
    let split = chunks(&ben);
    assert_eq!(split.len(), 4);
    for original in &originals {
        assert!(split.contains(original), "byte for byte what its author made");
    }
    assert!(split.iter().all(|chunk| !document::chunk::is_snapshot(chunk)));
    let again = ben
        .store
        .write(&[], |it| crate::db::documents::split_snapshots(it, row));
    again.unwrap();
    assert_eq!(chunks(&ben), split, "there is nothing left to split");
}

#[test]
fn a_withdrawn_stream_goes_but_what_is_unsent_or_refused_stays() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    let sent = ann.plan(1);
    server.record(TERRITORY, "secret", 1, "{}");
    ann.settle(&mut server);
    ann.settle(&mut server);
    let refused = ann.plan(2);
    server.refuse.insert(refused);
    server.withdrawn.insert(TERRITORY);
    let applied = ann.exchange(&mut server);
    assert_eq!(applied.withdrawn, [TERRITORY]);
    let content = ann.content();
    assert!(!content.contains_key("odd secret"));
    assert!(content.contains_key(&refused.to_string()));
    assert_eq!(ann.store.status().unwrap().rejected.len(), 1);
    let _ = sent;
    server.withdrawn.clear();
    ann.settle(&mut server);
    assert!(
        ann.content().contains_key("odd secret"),
        "given back, it comes from the beginning"
    );
}

#[test]
fn an_edit_whose_actor_was_used_twice_is_made_again_with_what_builds_on_it() {
    let (ann, twin, mut server) = (Phone::new(1), Phone::new(1), FakeServer::default());
    // Two phones with one source of randomness: a clone of the worst kind.
    let visit = ann.plan(1);
    ann.note(visit, "from Ann");
    ann.settle(&mut server);
    let other = twin.plan(2);
    assert_eq!(visit, other, "the clone repeats the actor");
    twin.note(other, "from the twin");
    twin.note(other, "and more");
    twin.settle(&mut server);
    assert_eq!(twin.waiting(), 0);
    assert!(twin.store.status().unwrap().rejected.is_empty());
    ann.settle(&mut server);
    twin.settle(&mut server);
    assert_eq!(ann.content(), twin.content());
    let notes: Vec<String> = ann
        .content()
        .values()
        .filter(|it| it.contains("planned_for"))
        .cloned()
        .collect();
    assert_eq!(notes.len(), 2, "both visits are there");
    assert!(notes.iter().any(|it| it.contains("from Ann")) && notes.iter().any(|it| it.contains("and more")));
}

#[test]
fn an_edit_alone_whose_actor_was_used_twice_is_made_again_and_the_document_keeps_its_name() {
    let (ann, twin, mut server) = (Phone::new(1), Phone::new(1), FakeServer::default());
    let visit = ann.plan(1);
    assert_eq!(twin.plan(1), visit);
    ann.settle(&mut server);
    twin.settle(&mut server);
    ann.note(visit, "from Ann");
    twin.note(visit, "from the twin");
    ann.settle(&mut server);
    let applied = twin.exchange(&mut server);
    assert_eq!((applied.reauthored, applied.rejected), (1, 0));
    twin.settle(&mut server);
    ann.settle(&mut server);
    twin.settle(&mut server);
    assert_eq!(ann.content(), twin.content());
    assert_eq!(server.known.len(), 3, "one visit, two edits of it");
    let disagreements = ann.store.disagreements(visit).unwrap();
    assert_eq!(disagreements.len(), 1, "neither word is lost: {disagreements:?}");
}

#[test]
fn a_review_follows_the_record_it_is_about_when_that_gets_another_name() {
    let (ann, twin, mut server) = (Phone::new(1), Phone::new(1), FakeServer::default());
    let visit = ann.plan(1);
    ann.settle(&mut server);
    let other = twin.plan(2);
    assert_eq!(visit, other, "the clone repeats the actor");
    let review = Review {
        customer: CustomerId::from_bytes([7; 16]),
        about: other,
        rep: UserId::from_bytes([1; 16]),
        reviewer: UserId::from_bytes([1; 16]),
        at: Timestamp::from_millis(MORNING),
        verdict: ReviewVerdict::Questioned,
        comment: "哪一天？".to_owned(),
        replies: std::collections::BTreeMap::new(),
    };
    let mut made = twin.store.create(review).unwrap();
    made.value.comment = "which day?".to_owned();
    twin.store.save(&made).unwrap();
    let (request, _) = twin.request(10);
    assert_eq!(request.push.len(), 1, "a review waits for what it is about");
    twin.settle(&mut server);
    ann.settle(&mut server);
    twin.settle(&mut server);
    assert_eq!(twin.waiting(), 0);
    for phone in [&ann, &twin] {
        let visits = phone.store.list(&query(DocumentKind::Visit)).unwrap();
        assert_eq!(visits.len(), 2);
        let renamed = visits.iter().find(|it| it.id != visit).unwrap().id;
        let reviews = phone.store.list(&query(DocumentKind::Review)).unwrap();
        let abouts: Vec<_> = reviews.iter().map(|it| it.about).collect();
        assert_eq!(abouts, [Some(renamed)]);
        let review = phone.store.review(reviews[0].id).unwrap().unwrap().value;
        assert_eq!((review.about, review.comment.as_str()), (renamed, "which day?"));
    }
}

fn query(kind: DocumentKind) -> crate::store::ListQuery {
    crate::store::ListQuery {
        kind: Some(kind),
        limit: 10,
        ..crate::store::ListQuery::default()
    }
}

#[test]
fn an_entry_that_cannot_be_used_is_kept_aside_and_the_rest_is_stored() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    server.put(
        TERRITORY,
        Entry::Change(ChangeEntry {
            document: Some(DocumentId::from_bytes([1; 16])),
            bytes: vec![1, 2, 3],
            received_at: Timestamp::default(),
        }),
    );
    let visit = ben.plan(1);
    ben.settle(&mut server);
    let applied = ann.exchange(&mut server);
    assert_eq!((applied.unreadable, applied.pulled), (1, 2));
    assert!(ann.store.visit(visit).unwrap().is_some());
    let kept: i64 = ann
        .store
        .read(|it| Ok(it.query_row("SELECT count(*) FROM unreadable", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn an_edit_that_comes_before_what_it_builds_on_waits_for_it() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ann.plan(1);
    ann.note(visit, "second");
    ann.settle(&mut server);
    server.streams.get_mut(&TERRITORY).unwrap().reverse();
    server.page = 1;
    ben.exchange(&mut server);
    assert!(
        !matches!(ben.store.visit(visit), Ok(Some(_))),
        "not shown before it is whole"
    );
    ben.settle(&mut server);
    assert_eq!(ben.store.visit(visit).unwrap().unwrap().value.note, "second");
}

#[test]
fn a_document_that_left_the_stream_goes_unless_something_of_it_is_unsent() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    let (idle, busy) = (ann.plan(1), ann.plan(2));
    ann.settle(&mut server);
    let (ben, mut second) = (Phone::new(2), FakeServer::default());
    std::mem::swap(&mut second.streams, &mut server.streams);
    std::mem::swap(&mut second.known, &mut server.known);
    ben.settle(&mut second);
    ben.note(busy, "unsent");
    for id in [idle, busy] {
        second.put(TERRITORY, Entry::GoneDocument(id));
    }
    let mut cut = ben.request(0).0;
    cut.push.clear();
    let sent = super::Sent {
        items: Vec::new(),
        cursors: cut.cursors.clone(),
        waiting: 1,
    };
    let response = second.answer(&cut);
    ben.store.apply(response, &sent).unwrap();
    assert!(!ben.content().contains_key(&idle.to_string()));
    assert!(ben.content().contains_key(&busy.to_string()), "its edit is unsent");
    ben.settle(&mut second);
    assert!(ben.content().contains_key(&busy.to_string()), "no backup covers it");
    second.back_up();
    ben.settle(&mut second);
    assert!(!ben.content().contains_key(&busy.to_string()), "covered, it goes");
}

#[test]
fn an_old_page_of_another_stream_does_not_take_a_record_away_from_where_it_is_now() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    // Moved from the territory to the catalogue and back; the catalogue is read last.
    server.record(TERRITORY, "moved", 3, "{}");
    ann.exchange(&mut server);
    server.record(StreamId::Catalogue, "moved", 2, "{}");
    let name = RecordName {
        kind: "odd".to_owned(),
        id: "moved".to_owned(),
    };
    server.put(StreamId::Catalogue, Entry::GoneRecord(name));
    ann.exchange(&mut server);
    assert!(ann.content().contains_key("odd moved"));
}

#[test]
fn a_push_keeps_within_its_limits_and_says_how_much_is_left() {
    let ann = Phone::new(1);
    for day in 0..10 {
        ann.plan(day);
    }
    let (request, sent) = ann.request(4);
    assert_eq!((request.push.len(), sent.items.len(), request.waiting), (4, 4, 6));
    let tight = super::Limits { entries: 100, bytes: 1 };
    assert_eq!(ann.store.outgoing(tight).unwrap().push.len(), 1, "one is always sent");
    let count = ann.store.read(outbox::count_waiting).unwrap();
    assert_eq!(count, 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn however_a_stream_is_cut_into_pages_the_phones_end_equal(pages in prop::collection::vec(1usize..7, 1..12)) {
        let (ann, mut server) = (Phone::new(1), FakeServer::default());
        for day in 0..8 {
            let id = ann.plan(day);
            if day % 2 == 0 {
                ann.note(id, &format!("note {day}"));
            }
            server.record(TERRITORY, &format!("r{}", day % 3), u64::from(day) + 1, &format!("{{\"d\":{day}}}"));
            ann.settle(&mut server);
        }
        ann.settle(&mut server);
        let ben = Phone::new(2);
        for page in pages {
            server.page = page;
            ben.exchange(&mut server);
        }
        server.page = 1_000;
        ben.settle(&mut server);
        prop_assert_eq!(ben.content(), ann.content());
    }
}
