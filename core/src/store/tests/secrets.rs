//! What can be read of a phone's work in the files of its database, and in what it logs: everything of a plain one,
//! nothing of an encrypted one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::Mutex,
};

#[cfg(feature = "sqlcipher")]
use super::encryption::{Keychain, key};
use super::{encryption::files, *};
use crate::{
    store::{NewDelivery, NewDeliveryLine, SignOff},
    sync::{
        fake::{self, FakeServer},
        protocol::{ChangeEntry, Entry},
    },
};

/// Words that stand in a record of each kind.
const SECRETS: &[&str] = &[
    // The customer, in lists.
    "绝密永兴百货",
    "Quixotl Emporium",
    "KX-77193",
    // And in its record.
    "Zhuo Wpfenning",
    "13912345987",
    "玖仟巷十七弄",
    // A visit's note and next step; the first words are its title.
    "绝密付款计划",
    "zyxwquarkle",
    "vexillophon",
    // A delivery, with who signed.
    "DN-9Q7X31",
    "Ysolde Fjordmann",
    "packaging torn by Kvothe",
    // A collection note.
    "Magister Qwzyx",
    "承诺月底付清尾款",
    // An order.
    "SO-5J8W22",
    // Evidence: its caption. The phone's copy of the file is beside the database, and has no name but its hash.
    "stamp of Xylograph Ltd",
    // What the server said of a change.
    "turned down by Ombudsman Vqx",
    // What this build could not use.
    "unheard-of-Zwqtl",
    // Who uses the phone, for whom, and their token.
    "Agentin Xenia Yttri",
    "密号贸易公司",
    "tok-VXQZJ-7731",
    "sync.geheim.example",
];

/// The log of one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listening(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

/// Which of the secrets stand in `bytes`, in any of three encodings.
fn found_in(bytes: &[u8], secrets: &[&str]) -> BTreeSet<String> {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|it| it == needle);
    let stands = |secret: &str| {
        let wide: Vec<u16> = secret.encode_utf16().collect();
        has(secret.as_bytes())
            || has(secret.to_lowercase().as_bytes())
            || has(&wide.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>())
            || has(&wide.iter().flat_map(|it| it.to_be_bytes()).collect::<Vec<u8>>())
    };
    secrets
        .iter()
        .filter(|secret| stands(secret))
        .map(|secret| (*secret).to_owned())
        .collect()
}

fn found(folder: &Path, secrets: &[&str]) -> BTreeSet<String> {
    files(folder)
        .iter()
        .flat_map(|(_, bytes)| found_in(bytes, secrets))
        .collect()
}

/// Work of every kind, with a server behind it, that the secrets stand in.
fn work(phone: &fake::Phone, photos: &Path) {
    let store = &phone.store;
    let enrolment = EnrolResponse {
        organisation_name: "密号贸易公司".to_owned(),
        user_name: "Agentin Xenia Yttri".to_owned(),
        token: "tok-VXQZJ-7731".to_owned(),
        device: DeviceId::from_bytes([101; 16]),
        ..enrolment(1, &[Role::Rep, Role::Supervisor])
    };
    store.adopt_enrolment("https://sync.geheim.example", enrolment).unwrap();
    let mut server = FakeServer::default();
    let shop = Customer {
        code: "KX-77193".to_owned(),
        contact: "Zhuo Wpfenning".to_owned(),
        phone: "13912345987".to_owned(),
        address: "玖仟巷十七弄".to_owned(),
        ..customer(50, "绝密永兴百货 Quixotl Emporium")
    };
    let record = LedgerRecord::Customer(shop.clone());
    let key = record.key();
    let entry = RecordEntry {
        name: RecordName {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
        },
        version: 1,
        json: record.to_json().unwrap(),
    };
    server.put(fake::TERRITORY, Entry::Record(entry));
    // No change: set aside, and said so in the log.
    let odd = ChangeEntry {
        document: None,
        bytes: b"unheard-of-Zwqtl".to_vec(),
        received_at: store.now(),
    };
    server.put(fake::TERRITORY, Entry::Change(odd));
    phone.settle(&mut server);

    let visit = store.start_visit(shop.id, VisitPurpose::Collection, None).unwrap();
    let leaving = CheckOut {
        note: Some("下午谈了绝密付款计划, zyxwquarkle again and again".to_owned()),
        next_step: Some(NextStep {
            what: "bring the vexillophon".to_owned(),
            due: None,
        }),
        ..CheckOut::default()
    };
    store.check_out(visit.id, leaving).unwrap();
    let file = photos.join("bilder-geheim.jpg");
    fs::write(&file, b"a stamp").unwrap();
    let (hash, size) = crate::evidence::hash_file(&file).unwrap();
    let evidence = Evidence {
        kind: EvidenceKind::Stamp,
        size,
        media_type: "image/jpeg".to_owned(),
        taken_at: store.now(),
        taken_by: visit.value.rep,
        position: None,
        caption: "stamp of Xylograph Ltd".to_owned(),
    };
    store.add_evidence(visit.id, evidence, hash, Some(file)).unwrap();

    let delivery = NewDelivery {
        customer: shop.id,
        number: "DN-9Q7X31".to_owned(),
        order_number: None,
        planned_for: None,
        lines: vec![NewDeliveryLine {
            product: ProductId::from_bytes([60; 16]),
            quantity: 3.into(),
            batch: None,
        }],
    };
    let delivery = store.new_delivery(delivery).unwrap();
    let signed = SignedQuantity {
        accepted: 2.into(),
        short: 0.into(),
        damaged: 1.into(),
        refused: 0.into(),
        reason: Some(QuantityReason {
            text: "packaging torn by Kvothe".to_owned(),
            photo: None,
        }),
    };
    let receiver = Receiver {
        name: "Ysolde Fjordmann".to_owned(),
        phone: None,
        at: store.now(),
        position: None,
    };
    let sign_off = SignOff {
        signed: delivery
            .value
            .lines
            .keys()
            .map(|line| (*line, signed.clone()))
            .collect(),
        receiver,
        evidence: BTreeMap::new(),
    };
    store.sign_off(delivery.id, sign_off).unwrap();

    let note = CollectionNote {
        customer: shop.id,
        rep: visit.value.rep,
        at: store.now(),
        channel: CollectionChannel::Visit,
        person: "Magister Qwzyx".to_owned(),
        outcome: CollectionOutcome::Reminded,
        invoice_number: None,
        promise: None,
        receipt: None,
        closing: None,
        next_step: None,
        note: "对方承诺月底付清尾款".to_owned(),
        position: None,
    };
    store.record_collection(note).unwrap();
    let order = Order::new(shop.id, visit.value.rep, "SO-5J8W22", store.now(), Currency::CNY);
    store.create(order).unwrap();
    phone.settle(&mut server);

    let mut edited = store.visit(visit.id).unwrap().unwrap();
    edited.value.note.push_str(" und noch einmal zyxwquarkle");
    store.save(&edited).unwrap();
    let waiting = store
        .read(|it| crate::db::outbox::waiting(it, 0, 1, usize::MAX))
        .unwrap();
    store
        .write(&[], |it| {
            crate::db::outbox::reject(it, waiting[0].change, 4, "turned down by Ombudsman Vqx")
        })
        .unwrap();
    for words in ["绝密", "zyxwquarkle", "Quixotl", "尾款"] {
        assert!(!store.search(words, 10).unwrap().is_empty(), "{words}");
    }
    assert!(!store.history(visit.id).unwrap().is_empty());
}

fn assert_all_found(found: &BTreeSet<String>, whose: &str) {
    let missing: Vec<_> = SECRETS.iter().filter(|it| !found.contains(**it)).collect();
    assert!(missing.is_empty(), "{whose}: {missing:?}");
}

#[test]
fn a_plain_database_shows_what_is_in_it_and_its_log_does_not() {
    let photos = tempfile::tempdir().unwrap();
    let log = Log::default();
    let listening = log.listening();
    let phone = fake::Phone::with_key(1, None);
    work(&phone, photos.path());
    assert_all_found(&found(phone.folder.path(), SECRETS), "while it is used");
    phone.store.close();
    assert_all_found(&found(phone.folder.path(), SECRETS), "when it is closed");
    drop(listening);
    let log = log.0.lock().unwrap();
    assert!(
        String::from_utf8_lossy(&log).contains("cannot be used"),
        "the log is heard"
    );
    assert_eq!(found_in(&log, SECRETS), BTreeSet::new());
}

#[cfg(feature = "sqlcipher")]
#[test]
fn an_encrypted_database_shows_nothing_in_any_file_or_log_at_any_time() {
    let hex = |number: u8| -> String { key(number).as_bytes().iter().map(|it| format!("{it:02x}")).collect() };
    let (one, two) = (hex(1), hex(2));
    let mut secrets = SECRETS.to_vec();
    secrets.extend([one.as_str(), two.as_str(), "SQLite format 3"]);
    let nothing = |folder: &Path, when: &str| {
        let shown = found(folder, &secrets);
        assert!(shown.is_empty(), "{when}: {shown:?}");
        for (name, bytes) in files(folder) {
            for number in [1, 2] {
                let raw = key(number);
                assert!(
                    !bytes.windows(32).any(|it| it == raw.as_bytes()),
                    "{when}: a key in {name}"
                );
            }
        }
    };
    let photos = tempfile::tempdir().unwrap();
    let log = Log::default();
    let listening = log.listening();
    let supply = Keychain::with(key(1));
    let phone = fake::Phone::with_key(1, Some(supply.clone()));
    let (store, folder) = (&phone.store, phone.folder.path());
    let path = folder.join("phone.db");
    work(&phone, photos.path());
    nothing(folder, "while it is used");

    // As a kill leaves it, with much in the log.
    let killed = tempfile::tempdir().unwrap();
    for (name, bytes) in files(folder) {
        fs::write(killed.path().join(name), bytes).unwrap();
    }
    assert!(fs::metadata(killed.path().join("phone.db-wal")).unwrap().len() > 100_000);
    nothing(killed.path(), "after a kill");
    let rows = damage::everything(store);
    let survivor = super::encryption::open(killed.path(), Some(supply.clone())).unwrap();
    assert_eq!(damage::everything(&survivor), rows);
    nothing(killed.path(), "after it was opened again");
    survivor.close();

    store.inner.database.with_writer(|it| {
        it.query_row("PRAGMA wal_checkpoint (TRUNCATE)", [], |_| Ok(()))
            .unwrap();
    });
    nothing(folder, "after a checkpoint");
    *supply.pending.lock().unwrap() = Some(key(2));
    store.rotate_key(&key(2)).unwrap();
    nothing(folder, "after its key was changed");
    assert_eq!(damage::everything(store), rows);
    // The same file shows everything when it is not encrypted: what was looked for is there.
    store.close();
    FieldStore::decrypt(&path, &key(2)).unwrap();
    assert_all_found(&found(folder, &secrets), "decrypted");
    FieldStore::encrypt(&path, &key(2)).unwrap();
    nothing(folder, "after it was encrypted");
    store.reopen().unwrap();
    let told = store.noting_damage::<()>(Err(FieldError::Damaged("at 绝密付款计划".to_owned())));
    assert!(told.is_err() && folder.join("phone.db-damaged").exists());
    nothing(folder, "with a note of damage");
    store.close();
    nothing(folder, "when it is closed");
    store.reopen().unwrap();
    assert!(store.opening_report().is_some());
    assert_eq!(damage::everything(store), rows);
    nothing(folder, "after it was salvaged");
    store.close();
    drop(listening);
    let log = log.0.lock().unwrap();
    let text = String::from_utf8_lossy(&log);
    assert!(
        text.contains("cannot be used") && text.contains("salvaging"),
        "the log is heard: {text}"
    );
    assert_eq!(found_in(&log, &secrets), BTreeSet::new(), "{text}");
}
