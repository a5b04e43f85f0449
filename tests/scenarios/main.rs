//! Stories with named people, each against a real server: 李娜 and Marta sell in the north, Jonas in the south, 老王
//! drives, 陈静 supervises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod access;
mod bad_network;
mod collections;
mod copied_phone;
mod credit;
mod evidence;
mod full_server;
mod killed_phone;
mod live;
mod power_cut;
mod restored_server;
mod storage;
mod two_people;
mod working_day;

use fieldledger_core::{
    model::{CustomerId, DocumentId, Position, VisitOutcome, VisitPurpose},
    store::CheckOut,
};
use fieldledger_server::store::FeedFilter;
use fieldledger_tests::{phone::Phone, server::Server};

/// The seed of a test that draws at random: given in the environment, or fresh and printed, so that a failure can be
/// run again.
fn seed(variable: &str) -> u64 {
    let seed = std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("{variable}={seed}");
    seed
}

/// A visit from check-in to check-out.
fn visit(phone: &Phone, customer: CustomerId, note: &str) -> DocumentId {
    let here = phone.store.customer(customer).unwrap().and_then(|it| it.position);
    let here = here.map(|it| Position::new(it.latitude, it.longitude, Some(8), false).unwrap());
    let visit = phone.store.start_visit(customer, VisitPurpose::Routine, here).unwrap();
    let leaving = CheckOut {
        position: here,
        outcome: Some(VisitOutcome::Successful),
        note: Some(note.to_owned()),
        next_step: None,
    };
    phone.store.check_out(visit.id, leaving).unwrap().id
}

/// What 陈静 sees, newest first.
async fn feed(server: &Server) -> Vec<fieldledger_server::store::FeedItem> {
    let filter = FeedFilter {
        territories: Some(vec![server.company.north, server.company.south]),
        limit: 1_000,
        ..FeedFilter::default()
    };
    server
        .state
        .store
        .feed(server.company.organisation, &filter)
        .await
        .unwrap()
}

/// Whether the server has a document, and nothing contradicts itself there.
async fn has(server: &Server, id: DocumentId) -> bool {
    let found = server
        .state
        .store
        .document(server.company.organisation, id)
        .await
        .unwrap();
    found.is_some()
}

/// Nothing on the server contradicts itself.
async fn verify(server: &Server) {
    assert_eq!(server.state.store.verify().await.unwrap(), Vec::<String>::new());
}
