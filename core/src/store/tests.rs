#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod collecting;
mod damage;
mod find;
mod schema;
mod search;

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

/// Stores `count` visits of 50 customers as if a first pull had brought them. Returns the mean size of their JSON.
fn receive_visits(phone: &Phone, count: usize) -> usize {
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    for number in 0..50 {
        let shop = customer(100 + number, &format!("客户{number} Shop"));
        phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop), 1);
    }
    let mut json = 0;
    for batch in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let prepared: Vec<_> = batch
            .iter()
            .map(|number| {
                let customer = CustomerId::from_bytes([100 + (number % 50) as u8; 16]);
                let rep = UserId::from_bytes([(number % 7) as u8; 16]);
                let visit = long_visit(&mut rng, customer, rep, *number);
                let tree = crate::document::edit::tree_of(&visit).unwrap();
                json += tree.to_string().len();
                let authorship = Authorship {
                    user: rep,
                    device: DeviceId::from_bytes([(number % 7) as u8; 16]),
                    at: visit.check_in.unwrap().at,
                    zone_minutes: 480,
                    since_contact_millis: Some(*number as u64),
                };
                let change = crate::document::create(DocumentId::random(&mut rng), &tree, &authorship).unwrap();
                documents::prepare(None, &change.bytes).unwrap()
            })
            .collect();
        phone
            .store
            .write(&[], |transaction| {
                let stream = streams::reference(transaction, StreamId::Territory(TERRITORY))?;
                for prepared in &prepared {
                    documents::insert_remote_change(transaction, Some(stream), prepared)?;
                }
                Ok(())
            })
            .unwrap();
    }
    json / count
}

#[test]
fn a_visit_takes_less_than_one_and_a_half_kilobytes_with_view_and_search() {
    let phone = Phone::rep();
    let count = std::env::var("FIELDLEDGER_VISITS").map_or(1_000, |it| it.parse().unwrap());
    let empty = used_bytes(&phone);
    let json = receive_visits(&phone, count);
    let each = (used_bytes(&phone) - empty) / count;
    println!("{count} visits of {json} bytes of JSON: {each} bytes each");
    if std::env::var_os("FIELDLEDGER_VISITS").is_some() {
        print_sizes(&phone, count);
    }
    assert!((800..900).contains(&json), "{json}");
    assert!(each < 1_500, "{each}");
}

fn used_bytes(phone: &Phone) -> usize {
    phone.store.inner.database.with_writer(|connection| {
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let pages: usize = connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let free: usize = connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))
            .unwrap();
        (pages - free) * 4_096
    })
}

fn print_sizes(phone: &Phone, count: usize) {
    phone.store.inner.database.with_writer(|connection| {
        let mut statement = connection.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC");
        if let Ok(statement) = &mut statement {
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let (name, size): (String, usize) = (row.get(0).unwrap(), row.get(1).unwrap());
                println!("{:>8.1} {name}", size as f64 / count as f64);
            }
        }
    });
    let time = |name: &str, work: &dyn Fn() -> usize| {
        let start = std::time::Instant::now();
        let found = work();
        println!("{name}: {found} rows in {:?}", start.elapsed());
    };
    let page = ListQuery {
        limit: 50,
        ..ListQuery::default()
    };
    time("list", &|| phone.store.list(&page).unwrap().len());
    let visits = ListQuery {
        kind: Some(DocumentKind::Visit),
        ..page.clone()
    };
    time("visits", &|| phone.store.list(&visits).unwrap().len());
    let own = ListQuery {
        owner: Some(UserId::from_bytes([3; 16])),
        ..page.clone()
    };
    time("own", &|| phone.store.list(&own).unwrap().len());
    let open = ListQuery {
        state: Some("open".to_owned()),
        ..page
    };
    time("open", &|| phone.store.list(&open).unwrap().len());
    time("timeline", &|| {
        phone
            .store
            .timeline(CustomerId::from_bytes([103; 16]), None, 50)
            .unwrap()
            .len()
    });
    for text in ["样品", "带样品再", "ka", "karomi", "样品 ka", "shop", "丂丄"] {
        time(text, &|| phone.store.search(text, 50).unwrap().len());
    }
    time("today", &|| phone.store.today(None).unwrap().visits.len());
    phone.store.close();
    time("reopen", &|| phone.store.reopen().map(|()| 0).unwrap());
}

/// What one phone recorded reaches another, byte for byte the same tree.
#[test]
fn two_people_edit_one_delivery_and_both_edits_survive() {
    let (rep, driver) = (Phone::rep(), Phone::of(2, &[Role::Driver]));
    let new = NewDelivery {
        customer: CustomerId::from_bytes([50; 16]),
        number: "DN-1".to_owned(),
        order_number: None,
        planned_for: None,
        lines: vec![NewDeliveryLine {
            product: ProductId::from_bytes([60; 16]),
            quantity: 10.into(),
            batch: None,
        }],
    };
    let id = rep.store.new_delivery(new).unwrap().id;
    assert_eq!(rep.send_to(&driver), 1);
    let mut by_rep = rep.store.delivery(id).unwrap().unwrap();
    by_rep.value.note = "gate 3".to_owned();
    rep.store.save(&by_rep).unwrap();
    rep.store
        .confirm(id, Party::Sales, ConfirmationVerdict::Confirmed, "")
        .unwrap();
    let mut by_driver = driver.store.delivery(id).unwrap().unwrap();
    by_driver.value.note = "gate 4".to_owned();
    driver.store.save(&by_driver).unwrap();
    driver
        .store
        .confirm(id, Party::Warehouse, ConfirmationVerdict::Confirmed, "")
        .unwrap();
    rep.send_to(&driver);
    driver.send_to(&rep);
    assert_eq!(rep.store.tree(id).unwrap(), driver.store.tree(id).unwrap());
    let merged = rep.store.delivery(id).unwrap().unwrap();
    assert_eq!(merged.value.confirmations.len(), 2);
    assert_eq!(rep.store.row(id).unwrap().unwrap().disagreements, 1);
    let disagreement = rep.store.disagreements(id).unwrap().remove(0);
    assert_eq!(disagreement.path, ["note"]);
    let mut authors: Vec<_> = disagreement.values.iter().map(|it| it.author.unwrap().user).collect();
    authors.sort();
    assert_eq!(authors, [rep.user, driver.user]);
    // Choosing the value that is shown settles it too.
    rep.store.settle_with(id, &disagreement.path, 0).unwrap();
    assert!(rep.store.disagreements(id).unwrap().is_empty());
    assert!(rep.store.settle_with(id, &disagreement.path, 0).is_err());
    rep.send_to(&driver);
    assert!(driver.store.disagreements(id).unwrap().is_empty());
    assert_eq!(driver.store.row(id).unwrap().unwrap().disagreements, 0);
}

/// Two maps written over each other: the chosen one is written whole, so that no part of the other is left to disagree.
#[test]
fn a_disagreement_between_two_maps_ends_with_either_of_them() {
    for chosen in [0, 1] {
        let (rep, driver) = (Phone::rep(), Phone::of(2, &[Role::Driver]));
        let id = rep
            .store
            .new_delivery(NewDelivery {
                customer: CustomerId::from_bytes([50; 16]),
                number: "DN-1".to_owned(),
                order_number: None,
                planned_for: None,
                lines: vec![NewDeliveryLine {
                    product: ProductId::from_bytes([60; 16]),
                    quantity: 10.into(),
                    batch: None,
                }],
            })
            .unwrap()
            .id;
        rep.send_to(&driver);
        for (phone, name, number) in [(&rep, "周老板", None), (&driver, "Old Zhou", Some("139"))] {
            let mut delivery = phone.store.delivery(id).unwrap().unwrap();
            delivery.value.receiver = Some(Receiver {
                name: name.to_owned(),
                phone: number.map(str::to_owned),
                at: Timestamp::from_millis(MORNING),
                position: None,
            });
            phone.store.save(&delivery).unwrap();
        }
        rep.send_to(&driver);
        driver.send_to(&rep);
        let disagreement = rep.store.disagreements(id).unwrap().remove(0);
        assert_eq!(disagreement.path, ["receiver"]);
        rep.store.settle_with(id, &disagreement.path, chosen).unwrap();
        assert_eq!(rep.store.disagreements(id).unwrap(), []);
        rep.send_to(&driver);
        for phone in [&rep, &driver] {
            assert_eq!(phone.store.disagreements(id).unwrap(), []);
            assert_eq!(
                phone.store.tree(id).unwrap().unwrap()["receiver"],
                disagreement.values[chosen].value
            );
        }
    }
}

#[test]
fn an_edit_of_a_value_read_long_ago_does_not_undo_what_came_since() {
    let phone = Phone::rep();
    let visit = phone
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    let mut old = visit.clone();
    let mut new = visit;
    new.value.note = "first".to_owned();
    phone.store.save(&new).unwrap();
    old.value.outcome = Some(VisitOutcome::Closed);
    let saved = phone.store.save(&old).unwrap();
    assert_eq!(saved.value.note, "first");
    assert_eq!(saved.value.outcome, Some(VisitOutcome::Closed));
    assert_eq!(saved.heads.len(), 2, "the edit stands beside the other one");
    let waiting = phone.store.status().unwrap().waiting;
    assert_eq!(phone.store.save(&saved).unwrap(), saved);
    assert_eq!(
        phone.store.status().unwrap().waiting,
        waiting,
        "nothing changed, nothing to send"
    );
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
    let confirmation = Confirmation {
        verdict: ConfirmationVerdict::Confirmed,
        by: "nobody".to_owned(),
        at: rep.store.now(),
        remark: String::new(),
    };
    delivery.confirmations.insert(Party::Warehouse, confirmation);
    assert!(matches!(rep.store.create(delivery), Err(FieldError::NotAllowed(_))));
    let mut moved = rep.store.visit(visit.id).unwrap().unwrap();
    moved.value.customer = CustomerId::from_bytes([51; 16]);
    assert!(matches!(rep.store.save(&moved), Err(FieldError::NotAllowed(_))));
}

/// A document as another phone would have made it.
fn foreign(number: u8, tree: &serde_json::Value) -> crate::document::NewChange {
    let authorship = Authorship {
        user: UserId::from_bytes([number; 16]),
        device: DeviceId::from_bytes([number; 16]),
        at: Timestamp::from_millis(MORNING),
        zone_minutes: 0,
        since_contact_millis: None,
    };
    crate::document::create(DocumentId::from_bytes([number; 16]), tree, &authorship).unwrap()
}

#[test]
fn what_a_newer_version_made_is_listed_and_shown_and_never_changed_or_lost() {
    let phone = Phone::rep();
    let customer = CustomerId::from_bytes([50; 16]);
    let drone = serde_json::json!({
        "kind": "drone_flight", "schema": 3, "customer": customer.to_string(), "title": "Flight 12", "height": 40,
    });
    let change = foreign(70, &drone);
    phone.receive_change(change.document, &change.bytes);
    let rows = phone.store.timeline(customer, None, 10).unwrap();
    assert_eq!(rows[0].kind, DocumentKind::Unknown("drone_flight".to_owned()));
    assert!(rows[0].newer);
    assert_eq!(rows[0].title, "Flight 12");
    assert_eq!(phone.store.tree(change.document).unwrap().unwrap(), drone);

    let mut visit = crate::document::edit::tree_of(&Visit::new(customer, phone.user, VisitPurpose::Sales)).unwrap();
    visit["schema"] = 2.into();
    let change = foreign(71, &visit);
    phone.receive_change(change.document, &change.bytes);
    let mut read = phone.store.visit(change.document).unwrap().unwrap();
    assert!(read.newer);
    read.value.note = "no".to_owned();
    assert_eq!(phone.store.save(&read), Err(FieldError::MadeByNewerVersion));

    // A field that a newer version added to the schema we know survives our edit.
    visit["schema"] = 1.into();
    visit["mood"] = "good".into();
    let change = foreign(72, &visit);
    phone.receive_change(change.document, &change.bytes);
    let mut read = phone.store.visit(change.document).unwrap().unwrap();
    read.value.note = "yes".to_owned();
    phone.store.save(&read).unwrap();
    let tree = phone.store.tree(change.document).unwrap().unwrap();
    assert_eq!((&tree["mood"], &tree["note"]), (&"good".into(), &"yes".into()));
}

#[test]
fn a_refused_change_stays_with_its_document_and_its_reason() {
    let phone = Phone::rep();
    let visit = phone
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    let waiting = phone.store.read(|it| crate::db::outbox::waiting(it, 0, 10, 1)).unwrap();
    phone
        .store
        .write(&[], |it| {
            crate::db::outbox::reject(it, waiting[0].change, 2, "not your territory")
        })
        .unwrap();
    let refused = RowSync::Rejected {
        code: 2,
        message: "not your territory".to_owned(),
    };
    assert_eq!(phone.store.row(visit.id).unwrap().unwrap().sync, refused);
    // What was written after it is refused too, and says less about why.
    let checked_out = phone.store.check_out(visit.id, CheckOut::default()).unwrap();
    let waiting = phone.store.read(|it| crate::db::outbox::waiting(it, 0, 10, 1)).unwrap();
    phone
        .store
        .write(&[], |it| {
            crate::db::outbox::reject(it, waiting[0].change, 3, "builds on another")
        })
        .unwrap();
    assert_eq!(phone.store.row(visit.id).unwrap().unwrap().sync, refused);
    phone.store.dismiss_rejected(checked_out.heads[0]).unwrap();
    let status = phone.store.status().unwrap();
    assert_eq!((status.waiting, status.rejected.len()), (0, 1));
    assert_eq!(phone.store.today(None).unwrap().rejected.len(), 1);
    phone.store.dismiss_rejected(visit.heads[0]).unwrap();
    assert!(phone.store.status().unwrap().rejected.is_empty());
    assert!(phone.store.today(None).unwrap().rejected.is_empty());
    assert_eq!(
        phone.store.row(visit.id).unwrap().unwrap().sync,
        refused,
        "only the notice is hidden"
    );
    let kept = phone.store.write(&[], |it| {
        let stream = streams::reference(it, StreamId::Territory(TERRITORY))?;
        it.execute("UPDATE document SET stream = ?1", [stream])?;
        documents::remove(it, stream, visit.id)
    });
    assert_eq!(kept, Ok(documents::Removed::Kept), "not even when its stream goes");
    assert!(phone.store.visit(visit.id).unwrap().is_some());
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

#[test]
fn changes_that_come_in_any_order_and_a_snapshot_give_the_same_document() {
    let (rep, other) = (Phone::rep(), Phone::of(2, &[Role::Rep]));
    let mut visit = rep
        .store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    for note in ["one", "two", "three"] {
        visit.value.note = note.to_owned();
        visit = rep.store.save(&visit).unwrap();
    }
    let mut chunks = rep
        .store
        .read(|connection| {
            let found = documents::find(connection, visit.id)?.unwrap();
            documents::chunks(connection, found.row)
        })
        .unwrap();
    let snapshot = crate::document::snapshot(&crate::document::open(&chunks).unwrap());
    chunks.reverse();
    for (index, chunk) in chunks.iter().enumerate() {
        assert_eq!(
            other.store.tree(visit.id).unwrap(),
            None,
            "nothing is shown before change {index}"
        );
        other.receive_change(visit.id, chunk);
        assert!(matches!(
            other.receive_change(visit.id, chunk),
            documents::Inserted::Duplicate { .. }
        ));
    }
    assert_eq!(other.store.visit(visit.id).unwrap().unwrap().value, visit.value);
    // A snapshot takes the place of the changes in it and acknowledges them.
    for phone in [&rep, &other, &Phone::of(3, &[Role::Rep])] {
        phone
            .store
            .write(&[], |transaction| {
                let stream = streams::reference(transaction, StreamId::Territory(TERRITORY))?;
                documents::insert_remote_snapshot(transaction, Some(stream), visit.id, &snapshot)
            })
            .unwrap();
        assert_eq!(phone.store.visit(visit.id).unwrap().unwrap(), visit);
        assert_eq!(phone.store.status().unwrap().waiting, 0);
    }
    let mut edited = rep.store.visit(visit.id).unwrap().unwrap();
    edited.value.note = "four".to_owned();
    assert_eq!(rep.store.save(&edited).unwrap().value.note, "four");
}
