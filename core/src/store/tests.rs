#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod collecting;
mod damage;
mod encryption;
mod evidence;
mod find;
#[cfg(feature = "sqlcipher")]
mod recoding;
mod schema;
mod search;
mod secrets;
mod sharing;
mod sizes;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tempfile::TempDir;

use super::*;
use crate::{
    db::{documents, records, streams},
    model::*,
    sync::protocol::{EnrolResponse, RecordEntry, RecordName, StreamId},
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
        app_version: "0.1.0".to_owned(),
        clock: clock.clone(),
        seed: Some(u64::from(number)),
        durability: Durability::Off,
        key: crate::store::test_key(),
        ..OpenOptions::new(folder.path().join("phone.db"), [number; 16])
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

/// A visit of about 850 bytes of JSON, with a note that differs from every other.
fn long_visit(rng: &mut ChaCha12Rng, customer: CustomerId, rep: UserId, number: usize) -> Visit {
    use rand::RngExt as _;
    let mut point = |minutes: i64| CheckPoint {
        at: Timestamp::from_millis(MORNING + number as i64 * 60_000 + minutes * 60_000 + rng.random_range(0..60_000)),
        position: Position::new(
            31.0 + rng.random_range(0.0..0.5),
            121.0 + rng.random_range(0.0..0.5),
            Some(rng.random_range(4..50)),
            false,
        )
        .ok(),
        geofence: Geofence {
            verdict: GeofenceVerdict::Inside,
            distance_metres: Some(rng.random_range(0..200)),
        },
    };
    let mut visit = Visit::new(customer, rep, VisitPurpose::Sales);
    visit.check_in = Some(point(0));
    visit.check_out = Some(point(40));
    visit.outcome = Some(VisitOutcome::OrderTaken);
    let syllables = ["ka", "ro", "mi", "tel", "sun", "bra", "vo", "ne", "shi", "lor"];
    let mut note = String::new();
    for word in 0..27 {
        for _ in 0..rng.random_range(1..4) {
            note.push_str(syllables[rng.random_range(0..10)]);
        }
        note.push(' ');
        if word % 4 == 0 {
            for _ in 0..5 {
                note.push(char::from_u32(0x4E00 + rng.random_range(0..2_000)).unwrap());
            }
            note.push('，');
        }
    }
    visit.note = note;
    visit.next_step = Some(NextStep {
        what: "带样品再去一次".to_owned(),
        due: Some("2026-03-20".parse().unwrap()),
    });
    visit
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_written() {
    let phone = Phone::rep();
    let customer = CustomerId::from_bytes([50; 16]);
    phone.store.start_visit(customer, VisitPurpose::Sales, None).unwrap();
    phone.store.inner.database.with_writer(|connection| {
        let pages: i64 = connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    });
    let mut saved = 1;
    let error = loop {
        let mut visit = Visit::new(customer, phone.user, VisitPurpose::Sales);
        visit.note = format!("note {saved}").repeat(300);
        match phone.store.create(visit) {
            Ok(_) => saved += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, FieldError::StorageFull);
    let everything = ListQuery {
        limit: 1_000,
        ..ListQuery::default()
    };
    assert_eq!(phone.store.list(&everything).unwrap().len(), saved);
    assert_eq!(phone.store.status().unwrap().waiting, saved);
    phone.store.inner.database.with_writer(|connection| {
        connection
            .pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(()))
            .unwrap();
        let whole: String = connection
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(whole, "ok");
    });
    phone.store.start_visit(customer, VisitPurpose::Sales, None).unwrap();
}

#[test]
fn a_closed_store_says_so_and_reopens_with_everything() {
    let phone = Phone::rep();
    let customer = CustomerId::from_bytes([50; 16]);
    let visit = phone.store.start_visit(customer, VisitPurpose::Sales, None).unwrap();
    phone.store.close();
    assert!(phone.store.is_closed());
    assert_eq!(phone.store.visit(visit.id), Err(FieldError::Closed));
    assert_eq!(
        phone.store.start_visit(customer, VisitPurpose::Sales, None),
        Err(FieldError::Closed)
    );
    // No lock on the file is left: another process may move it.
    let moved = phone.folder.path().join("moved.db");
    std::fs::rename(phone.folder.path().join("phone.db"), &moved).unwrap();
    std::fs::rename(&moved, phone.folder.path().join("phone.db")).unwrap();
    phone.store.reopen().unwrap();
    assert_eq!(phone.store.visit(visit.id).unwrap().unwrap(), visit);
    assert_eq!(phone.store.opening_report(), None);
}

#[test]
fn a_listener_is_told_after_the_commit_may_write_and_may_panic() {
    let phone = Phone::rep();
    let customer = CustomerId::from_bytes([50; 16]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (store, log) = (phone.store.clone(), seen.clone());
    let writer = phone.store.subscribe(Arc::new(move |changes| {
        let mut log = log.lock().unwrap();
        log.push(changes);
        let first = log.len() == 1;
        drop(log);
        if first {
            // The visit that was told of is there, and writing from here does not deadlock.
            assert_eq!(
                store
                    .list(&ListQuery {
                        limit: 9,
                        ..ListQuery::default()
                    })
                    .unwrap()
                    .len(),
                1
            );
            store.start_visit(customer, VisitPurpose::Service, None).unwrap();
        }
    }));
    let _panics = phone.store.subscribe(Arc::new(|_| panic!("a listener's own fault")));
    phone.store.start_visit(customer, VisitPurpose::Sales, None).unwrap();
    let told: Vec<Changes> = seen.lock().unwrap().clone();
    let expected = Changes::from([Change::Documents(DocumentKind::Visit), Change::Status]);
    assert_eq!(told, [expected.clone(), expected]);
    writer.cancel();
    phone.store.start_visit(customer, VisitPurpose::Sales, None).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[test]
fn an_order_counts_what_the_credit_file_does_not_and_keeps_its_inputs() {
    let phone = Phone::rep();
    let shop = customer(50, "Shop");
    let cny = |amount: i64| Money::new(amount.into(), Currency::CNY);
    let file = CreditFile {
        customer: shop.id,
        as_of: Timestamp::from_millis(MORNING - 1),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(cny(1_000)),
        terms_days: 30,
        on_hold: false,
        open_receivables: cny(400),
        special_liabilities: cny(0),
        delivered_not_invoiced: cny(0),
        open_orders: cny(0),
        overdue: cny(0),
        oldest_due: None,
        review_valid_until: Some("2026-12-31".parse().unwrap()),
        ..CreditFile::new(shop.id, Timestamp::from_millis(MORNING - 1), Currency::CNY)
    };
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
    phone.receive(
        StreamId::Territory(TERRITORY),
        &LedgerRecord::CreditFile(file.clone()),
        4,
    );
    let order = |number: &str, price: i64| {
        let mut order = Order::new(shop.id, phone.user, number, phone.store.now(), Currency::CNY);
        let line = OrderLine {
            product: ProductId::from_bytes([60; 16]),
            quantity: 1.into(),
            unit_price: price.into(),
            discount: 0.into(),
        };
        order.lines.insert(phone.store.line_id().unwrap(), line);
        phone.store.create(order).unwrap()
    };
    let first = phone.store.submit_order(&order("SO-1", 350)).unwrap();
    let credit = first.value.credit.clone().unwrap();
    assert_eq!(
        (credit.verdict, credit.inputs.file_version),
        (CreditVerdict::Provisional, 4)
    );
    assert!(phone.store.submit_order(&first).is_err(), "an order is submitted once");
    let second = phone.store.submit_order(&order("SO-2", 300)).unwrap();
    let credit = second.value.credit.clone().unwrap();
    assert_eq!(credit.verdict, CreditVerdict::Held);
    assert_eq!(credit.inputs.unsent_orders.amount, 350.into());
    assert_eq!(phone.store.row(second.id).unwrap().unwrap().state, "held");
    // What was taken back counts no longer, and a newer file counts what has been sent.
    phone.store.cancel_order(second.id).unwrap();
    let inputs = |order: &Document<Order>| phone.store.check_credit(&order.value).unwrap().inputs;
    let third = order("SO-3", 1);
    assert_eq!(inputs(&third).unsent_orders.amount, 350.into());
    let newer = CreditFile {
        as_of: Timestamp::from_millis(MORNING + 5),
        ..file
    };
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::CreditFile(newer), 5);
    assert_eq!(
        inputs(&third).unsent_orders.amount,
        350.into(),
        "not sent, so not counted by the file"
    );
    phone.send_to(&Phone::of(2, &[Role::Rep]));
    assert_eq!(inputs(&third).unsent_orders.amount, 0.into());
}

#[test]
fn nobody_writes_what_is_not_theirs() {
    let (rep, driver) = (Phone::rep(), Phone::of(2, &[Role::Driver]));
    let visit = rep
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    rep.send_to(&driver);
    let mut foreign = driver.store.visit(visit.id).unwrap().unwrap();
    foreign.value.note = "not mine".to_owned();
    assert!(matches!(driver.store.save(&foreign), Err(FieldError::NotAllowed(_))));
    let other = Visit::new(visit.value.customer, driver.user, VisitPurpose::Sales);
    assert!(matches!(
        rep.store.create(other.clone()),
        Err(FieldError::NotAllowed(_))
    ));
    assert!(matches!(driver.store.create(other), Err(FieldError::NotAllowed(_))));
    let mut delivery = Delivery::new(visit.value.customer, rep.user, "DN-1");
    let confirmation = Confirmation::new(ConfirmationVerdict::Confirmed, "nobody", rep.store.now(), "");
    delivery.confirmations.insert(Party::Warehouse, confirmation);
    assert!(matches!(rep.store.create(delivery), Err(FieldError::NotAllowed(_))));
    let mut moved = rep.store.visit(visit.id).unwrap().unwrap();
    moved.value.customer = CustomerId::from_bytes([51; 16]);
    assert!(matches!(rep.store.save(&moved), Err(FieldError::NotAllowed(_))));
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let phone = Phone::rep();
    phone
        .store
        .inner
        .database
        .with_writer(|it| it.pragma_update(None, "user_version", 99).unwrap());
    phone.store.close();
    let before = std::fs::read(phone.folder.path().join("phone.db")).unwrap();
    assert_eq!(phone.store.reopen(), Err(FieldError::NeedsNewerApp));
    assert_eq!(std::fs::read(phone.folder.path().join("phone.db")).unwrap(), before);
}
