//! What left stays until a backup covers it.
#![allow(clippy::unwrap_used)]

use crate::{
    model::*,
    store::{ListQuery, SyncStatus},
    sync::{
        fake::{FakeServer, Phone, TERRITORY},
        protocol::*,
    },
};

const HOUR: i64 = 3_600_000;

fn listed(phone: &Phone) -> usize {
    let query = ListQuery {
        limit: 100,
        ..ListQuery::default()
    };
    phone.store.list(&query).unwrap().len()
}

fn status(phone: &Phone) -> SyncStatus {
    phone.store.status().unwrap()
}

fn offers(request: &SyncRequest) -> usize {
    let offers = request.push.iter().filter(|it| matches!(it, Push::Offer(_)));
    offers.count()
}

/// What a phone recorded is of the territory, as it is once the phone has the customer's record.
fn belongs(phone: &Phone) {
    phone
        .store
        .write(&[], |it| {
            let stream = crate::db::streams::reference(it, TERRITORY)?;
            Ok(it.execute("UPDATE document SET stream = ?1", [stream])?)
        })
        .unwrap();
}

/// Ann has two visits on the server when the territory is taken from her.
fn withdrawn() -> (Phone, FakeServer, DocumentId) {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    let visit = ann.plan(1);
    ann.plan(2);
    ann.settle(&mut server);
    belongs(&ann);
    server.withdrawn.insert(TERRITORY);
    ann.settle(&mut server);
    (ann, server, visit)
}

#[test]
fn own_work_of_a_withdrawn_stream_is_hidden_at_once_and_goes_when_a_backup_covers_it() {
    let (ann, mut server, visit) = withdrawn();
    assert_eq!((listed(&ann), status(&ann).kept), (0, 2));
    assert!(ann.store.visit(visit).unwrap().is_none());
    assert!(ann.store.search("拜访", 10).unwrap().is_empty());
    assert!(ann.content().contains_key(&visit.to_string()), "it is still there");
    assert!(!status(&ann).server_makes_backups);

    server.back_up();
    server.marks = vec![StreamMark {
        stream: StreamId::Catalogue,
        seq: 1,
    }];
    server.time += 24 * HOUR;
    ann.exchange(&mut server);
    ann.settle(&mut server);
    assert_eq!(status(&ann).kept, 0);
    assert!(status(&ann).server_makes_backups);
    assert!(!ann.content().contains_key(&visit.to_string()));
}

#[test]
fn somebody_elses_record_that_left_goes_at_once() {
    let (ann, ben, mut server) = (Phone::new(1), Phone::new(2), FakeServer::default());
    let visit = ann.plan(1);
    ann.settle(&mut server);
    belongs(&ann);
    ben.settle(&mut server);
    server.put(TERRITORY, Entry::GoneDocument(visit));
    for phone in [&ann, &ben] {
        phone.settle(&mut server);
        assert_eq!(listed(phone), 0);
    }
    assert_eq!((status(&ann).kept, status(&ben).kept), (1, 0));
    assert!(!ben.content().contains_key(&visit.to_string()));
}

#[test]
fn a_server_that_lost_what_is_kept_gets_it_again_and_it_stays_until_the_next_backup() {
    let (ann, mut server, visit) = withdrawn();
    server.restore(0);
    assert!(server.known.is_empty());
    server.time += 24 * HOUR;
    ann.exchange(&mut server);
    ann.settle(&mut server);
    assert_eq!(server.known.len(), 2, "both are on the server again");
    assert_eq!((ann.waiting(), status(&ann).kept), (0, 2));
    server.back_up();
    server.time += 24 * HOUR;
    ann.exchange(&mut server);
    ann.settle(&mut server);
    assert!(!ann.content().contains_key(&visit.to_string()));
}

#[test]
fn a_server_without_backups_is_asked_once_a_day_and_one_with_them_every_hour() {
    let (ann, mut server, _) = withdrawn();
    let asked = |ann: &Phone, server: &mut FakeServer, hours: i64| {
        server.time += hours * HOUR;
        ann.exchange(server);
        let asked = offers(&ann.request(100).0);
        ann.settle(server);
        asked
    };
    assert_eq!(asked(&ann, &mut server, 2), 0);
    assert_eq!(asked(&ann, &mut server, 22), 2);
    assert_eq!(asked(&ann, &mut server, 0), 0);
    let catalogue = StreamMark {
        stream: StreamId::Catalogue,
        seq: 1,
    };
    server.marks = vec![catalogue];
    assert_eq!(asked(&ann, &mut server, 0), 0, "nothing this phone follows was covered");
    assert_eq!(asked(&ann, &mut server, 1), 2);
    assert_eq!(status(&ann).kept, 2);
}

#[test]
fn what_is_kept_is_asked_about_in_parts_and_only_once_in_a_round() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    for day in 0..9 {
        ann.plan(day);
    }
    ann.settle(&mut server);
    belongs(&ann);
    server.withdrawn.insert(TERRITORY);
    ann.exchange(&mut server);
    let mut asked = Vec::new();
    loop {
        let (request, sent) = ann.request(4);
        if request.push.is_empty() {
            break;
        }
        asked.push(request.push.len());
        let response = server.answer(&request);
        ann.store.apply(response, &sent).unwrap();
    }
    assert_eq!(asked, [4, 4, 1]);
}

#[test]
fn a_kept_record_whose_territory_is_given_back_is_shown_again() {
    let (ann, mut server, visit) = withdrawn();
    server.withdrawn.clear();
    ann.settle(&mut server);
    assert_eq!((listed(&ann), status(&ann).kept), (2, 0));
    assert!(ann.store.visit(visit).unwrap().is_some());
    assert_eq!(ann.waiting(), 0);
}

#[test]
fn what_is_typed_into_a_form_while_its_record_leaves_is_not_lost() {
    let (ann, mut server) = (Phone::new(1), FakeServer::default());
    let visit = ann.plan(1);
    ann.settle(&mut server);
    belongs(&ann);
    let mut form = ann.store.visit(visit).unwrap().unwrap();
    server.withdrawn.insert(TERRITORY);
    ann.settle(&mut server);
    form.value.note = "typed while it left".to_owned();
    ann.store.save(&form).unwrap();
    assert_eq!((listed(&ann), ann.waiting()), (1, 1), "shown until the server has it");
    ann.settle(&mut server);
    assert_eq!((listed(&ann), ann.waiting(), status(&ann).kept), (0, 0, 1));
    assert_eq!(server.known.len(), 2);
}
