#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tempfile::TempDir;

use super::*;
use crate::{
    db::{documents, records, streams},
    model::*,
    sync::protocol::{RecordEntry, RecordName, StreamId},
};

/// A clock that the test moves.
struct TestClock(AtomicI64);

impl PhoneClock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
    fn monotonic_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed) as u64
    }
    fn zone_minutes(&self) -> i16 {
        480
    }
}

const TERRITORY: TerritoryId = TerritoryId::from_bytes([9; 16]);
/// 2026-03-02T02:00:00Z, ten in the morning in Shanghai.
const MORNING: i64 = 1_772_416_800_000;

/// A phone in the hand of a person.
struct Phone {
    store: FieldStore,
    clock: Arc<TestClock>,
    folder: TempDir,
    user: UserId,
}

impl Phone {
    fn of(number: u8, roles: &[Role]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(MORNING)));
        let store = FieldStore::open(options(&folder, &clock, number)).unwrap();
        let user = UserId::from_bytes([number; 16]);
        store
            .adopt_enrolment("https://sync.example", enrolment(number, roles))
            .unwrap();
        Self {
            store,
            clock,
            folder,
            user,
        }
    }

    fn rep() -> Self {
        Self::of(1, &[Role::Rep])
    }

    fn pass(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn receive(&self, stream: StreamId, record: &LedgerRecord, version: u64) {
        self.store
            .write(&[Change::Records], |transaction| {
                let stream = streams::reference(transaction, stream)?;
                let key = record.key();
                let entry = RecordEntry {
                    name: RecordName {
                        kind: key.kind.as_str().to_owned(),
                        id: key.id,
                    },
                    version,
                    json: record.to_json()?,
                };
                records::put(transaction, stream, &entry, 0)
            })
            .unwrap();
    }

    /// Everything that waits is carried to `other` and acknowledged.
    fn send_to(&self, other: &Phone) -> usize {
        let waiting = self
            .store
            .read(|connection| crate::db::outbox::waiting(connection, 0, usize::MAX >> 1, usize::MAX))
            .unwrap();
        for change in &waiting {
            other.receive_change(change.document, &change.bytes);
            self.store
                .write(&[], |transaction| {
                    crate::db::outbox::acknowledge(transaction, change.change)
                })
                .unwrap();
        }
        waiting.len()
    }

    fn receive_change(&self, document: DocumentId, bytes: &[u8]) -> documents::Inserted {
        let prepared = documents::prepare(Some(document), bytes).unwrap();
        self.store
            .write(&[], |transaction| {
                let stream = streams::reference(transaction, StreamId::Territory(TERRITORY))?;
                documents::insert_remote_change(transaction, Some(stream), &prepared)
            })
            .unwrap()
    }
}

fn options(folder: &TempDir, clock: &Arc<TestClock>, number: u8) -> OpenOptions {
    OpenOptions {
        path: folder.path().join("phone.db"),
        installation: [number; 16],
        app_version: "0.1.0".to_owned(),
        clock: clock.clone(),
        seed: Some(u64::from(number)),
        durability: Durability::Off,
    }
}

fn enrolment(number: u8, roles: &[Role]) -> EnrolResponse {
    EnrolResponse {
        organisation: OrganisationId::from_bytes([200; 16]),
        organisation_name: "Example 贸易".to_owned(),
        user: UserId::from_bytes([number; 16]),
        user_name: format!("Person {number}"),
        roles: roles.to_vec(),
        device: DeviceId::from_bytes([100 + number; 16]),
        token: "secret".to_owned(),
        server_time: Timestamp::from_millis(MORNING),
    }
}

fn customer(number: u8, name: &str) -> Customer {
    Customer {
        id: CustomerId::from_bytes([number; 16]),
        code: format!("C{number:03}"),
        name: name.to_owned(),
        territory: TERRITORY,
        rep: None,
        contact: String::new(),
        phone: String::new(),
        address: String::new(),
        position: Some(Position::new(31.23, 121.47, None, false).unwrap()),
    }
}

#[test]
fn a_visit_is_planned_begun_ended_listed_and_found() {
    let phone = Phone::rep();
    let shop = customer(50, "东方超市 Orient Mart");
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
    let day = "2026-03-02".parse().unwrap();
    let planned = phone.store.plan_visit(shop.id, day, VisitPurpose::Collection).unwrap();
    assert_eq!(phone.store.today(Some(day)).unwrap().visits.len(), 1);
    let here = Position::new(31.2301, 121.4701, Some(10), false).unwrap();
    phone.store.check_in(planned.id, Some(here)).unwrap();
    phone.pass(1_800_000);
    let left = phone
        .store
        .check_out(
            planned.id,
            CheckOut {
                note: Some("李经理答应下周付款, asked for Zwölf cartons".to_owned()),
                outcome: Some(VisitOutcome::PaymentObtained),
                ..CheckOut::default()
            },
        )
        .unwrap();
    assert_eq!(left.value.state(), VisitState::Done);
    assert_eq!(left.value.check_in.unwrap().geofence.verdict, GeofenceVerdict::Inside);
    let rows = phone.store.timeline(shop.id, None, 10).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].customer_name, shop.name);
    assert_eq!(rows[0].state, "done");
    assert_eq!(rows[0].sync, RowSync::Waiting);
    for words in ["付款", "李经理", "zwolf", "CART", "款, asked"] {
        let hits = phone.store.search(words, 10).unwrap();
        assert!(
            matches!(&hits[..], [SearchHit::Document(row)] if row.id == planned.id),
            "{words}: {hits:?}"
        );
    }
    for words in ["超市", "orie", "C050"] {
        let hits = phone.store.search(words, 10).unwrap();
        assert!(
            matches!(&hits[..], [SearchHit::Customer(row)] if row.id == shop.id),
            "{words}: {hits:?}"
        );
    }
    assert!(phone.store.search("付经", 10).unwrap().is_empty());
    assert_eq!(phone.store.status().unwrap().waiting, 3);
    assert_eq!(phone.store.history(planned.id).unwrap().len(), 3);
}
