#![allow(clippy::unwrap_used, clippy::expect_used)]

mod collecting;

use clap::Parser as _;
use fieldledger_core::{
    db::exchange::{Limits, Sent},
    model::{
        CheckPoint, Currency, Customer, CustomerId, DeviceId, Geofence, GeofenceVerdict, LedgerRecord, OrganisationId,
        Person, Position, Role, TerritoryId, Timestamp, UserId, Visit, VisitOutcome, VisitPurpose,
    },
    store::RejectedChange,
    sync::protocol::{
        Cursor, EnrolResponse, Entry, PROTOCOL, RecordEntry, RecordName, Rejection, RejectionCode, StreamId,
        StreamPage, SyncResponse, Verdict, VerdictRun,
    },
};

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    phone: PhoneArgs,
}

fn run_line(db: &Path, words: &[&str]) -> Result<u8, Problem> {
    let db = db.display().to_string();
    let mut line = vec!["phone", "--db", &db];
    line.extend(words);
    let args = Line::try_parse_from(line)
        .map_err(|error| Problem::wrong(error.to_string()))?
        .phone;
    Phone::open(&args.db, args.json)?.run(args.command)
}

#[test]
fn a_phone_that_is_not_enrolled_says_so_and_nothing_panics_on_odd_input() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("new folder/phone.db");
    for words in [
        &["today"][..],
        &["customers", "茶"],
        &["customer", "💥"],
        &["visit", "start", "x", "--at", "1,2"],
        &["deliver", "sign", "ab", "--receiver", "x", "--line", "="],
        &["order", "new", "x", "--line", "=@="],
        &["settle", "zz", "", "0"],
        &["search", "\u{0}"],
        &["sync"],
    ] {
        let problem = run_line(&db, words).unwrap_err();
        assert_eq!(problem.code, SIGNED_OUT, "{words:?}: {}", problem.message);
    }
    for words in [
        &["visit", "start", "x", "--at", "here"][..],
        &["deliver", "confirm", "x", "bank"],
        &["collect", "x", "--promise", "5"],
        &["today", "--date", "yesterday"],
        &["order", "new", "x"],
    ] {
        assert_eq!(run_line(&db, words).unwrap_err().code, WRONG, "{words:?}");
    }
}

#[test]
fn an_unreachable_server_is_told_apart_from_a_wrong_address() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("phone.db");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let code = |url: &str| run_line(&db, &["enrol", url, "ABCD-EFGH"]).unwrap_err().code;
    let no_link = run_line(&db, &["enrol", "https://sales.example.com"]).unwrap_err();
    assert!(no_link.message.contains("/enrol#CODE"), "{}", no_link.message);
    assert_eq!(code(&format!("http://127.0.0.1:{port}")), OFFLINE);
    assert_eq!(code("not an address"), WRONG);
}

#[test]
fn the_installation_outlives_the_program_and_a_damaged_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("phone.db");
    let first = installation(&db).unwrap();
    assert_eq!(installation(&db).unwrap(), first);
    std::fs::write(folder.path().join("phone.db.installation"), b"short").unwrap();
    assert!(installation(&db).unwrap_err().message.contains("enrol again"));
}

/// A phone of Anna's that knows its company's zone and one customer.
fn annas_phone(folder: &Path) -> (Phone, Customer) {
    let store = open_store(&folder.join("phone.db")).unwrap();
    let (anna, territory) = (UserId::from_bytes([1; 16]), TerritoryId::from_bytes([2; 16]));
    store
        .adopt_enrolment(
            "https://sync.example",
            EnrolResponse {
                organisation: OrganisationId::from_bytes([3; 16]),
                organisation_name: "Linden".to_owned(),
                user: anna,
                user_name: "Anna".to_owned(),
                roles: vec![Role::Rep],
                device: DeviceId::from_bytes([4; 16]),
                token: "secret".to_owned(),
                server_time: Timestamp::from_millis(0),
            },
        )
        .unwrap();
    let shop = Customer {
        id: CustomerId::from_bytes([5; 16]),
        code: "C-1".to_owned(),
        name: "Hill Shop".to_owned(),
        territory,
        rep: None,
        contact: String::new(),
        phone: String::new(),
        address: String::new(),
        position: None,
    };
    let profile = OrganisationProfile {
        name: "Linden".to_owned(),
        time_zone: chrono_tz::Asia::Shanghai,
        currency: Currency::CNY,
        geofence_metres: 200,
    };
    let person = Person {
        id: anna,
        name: "Anna".to_owned(),
        roles: vec![Role::Rep],
        supervisor: None,
    };
    let page = |stream: StreamId, records: &[LedgerRecord]| StreamPage {
        stream,
        restart: false,
        entries: records.iter().map(entry).collect(),
        next: Cursor {
            lineage: [1; 8].into(),
            seq: 2,
            chain: [1; 16].into(),
        },
        more: false,
    };
    let streams = vec![
        page(StreamId::Territory(territory), &[LedgerRecord::Customer(shop.clone())]),
        page(
            StreamId::Catalogue,
            &[LedgerRecord::Organisation(profile), LedgerRecord::Person(person)],
        ),
    ];
    let response = SyncResponse {
        streams,
        ..response(Vec::new())
    };
    store.apply(response, &Sent::default()).unwrap();
    (Phone { store, json: false }, shop)
}

fn entry(record: &LedgerRecord) -> Entry {
    let key = record.key();
    Entry::Record(RecordEntry {
        name: RecordName {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
        },
        version: 1,
        json: record.to_json().unwrap(),
    })
}

fn response(verdicts: Vec<VerdictRun>) -> SyncResponse {
    SyncResponse {
        protocol: PROTOCOL,
        request_id: 1,
        server_time: Timestamp::from_millis(0),
        verdicts,
        streams: Vec::new(),
        withdrawn: Vec::new(),
        backed_up: Vec::new(),
        new_token: None,
    }
}

#[test]
fn a_document_and_its_history_are_told_in_words_local_times_and_degrees() {
    let folder = tempfile::tempdir().unwrap();
    let (phone, shop) = annas_phone(folder.path());
    let mut visit = Visit::new(shop.id, UserId::from_bytes([1; 16]), VisitPurpose::Collection);
    visit.check_in = Some(CheckPoint {
        // 2026-03-02T02:00:00Z, ten in the morning in Shanghai.
        at: Timestamp::from_millis(1_772_416_800_000),
        position: Some(Position::new(31.23, 121.47, Some(12), false).unwrap()),
        geofence: Geofence {
            verdict: GeofenceVerdict::Unknown,
            distance_metres: None,
        },
    });
    visit.note = "first line\nsecond line\u{1b}[31m".to_owned();
    let mut made = phone.store.create(visit).unwrap();
    made.value.outcome = Some(VisitOutcome::ContactAbsent);
    phone.store.save(&made).unwrap();
    let shown = phone
        .shown(made.id, &phone.store.tree(made.id).unwrap().unwrap())
        .unwrap();
    for said in [
        "Customer: Hill Shop",
        "Rep: Anna",
        "Purpose: collection",
        "Check-in › Time: 2026-03-02 10:00",
        "Check-in › Position › Latitude: 31.23000",
        "Check-in › Position › Longitude: 121.47000",
        "Note: first line\n    second line",
        "times in Asia/Shanghai",
    ] {
        assert!(shown.contains(said), "{said} is not in {shown}");
    }
    for raw in ["check_in", "1772416800000", "312300000", "\u{1b}"] {
        assert!(!shown.contains(raw), "{raw} is in {shown}");
    }
    let (told, json) = phone.told(made.id).unwrap();
    assert!(told.contains("Outcome: (nothing) → "), "{told}");
    assert!(told.contains("Anna at "), "{told}");
    for raw in ["check_in", "1772416800000", "contact_absent", "Z\n"] {
        assert!(!told.contains(raw), "{raw} is in {told}");
    }
    // Scripts go on reading what is stored.
    assert_eq!(json[1]["changed"][0]["after"], "contact_absent");
}

#[test]
fn a_refused_change_is_named_even_when_its_document_has_no_title_and_the_server_gave_no_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (phone, shop) = annas_phone(folder.path());
    let visit = Visit::new(shop.id, UserId::from_bytes([1; 16]), VisitPurpose::Routine);
    let made = phone.store.create(visit).unwrap();
    let outgoing = phone
        .store
        .outgoing(Limits {
            entries: 10,
            bytes: 1 << 20,
        })
        .unwrap();
    let rejected = VerdictRun {
        count: 1,
        verdict: Verdict::Rejected(Rejection {
            code: RejectionCode::Invalid,
            message: String::new(),
        }),
    };
    phone.store.apply(response(vec![rejected]), &outgoing.sent).unwrap();
    let status = phone.store.status().unwrap();
    let [only] = status.rejected.as_slice() else {
        panic!("{status:?}")
    };
    let untitled = RejectedChange {
        title: String::new(),
        ..only.clone()
    };
    assert_eq!(
        phone.rejection(&untitled).unwrap(),
        format!(
            "rejected: visit {} at Hill Shop: the server gave no reason",
            short(made.id)
        )
    );
}

#[test]
fn what_is_no_database_is_refused_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "call Zhang about the tea\n".repeat(1_000)).unwrap();
    let before = std::fs::read(&notes).unwrap();
    for (db, what) in [(notes.as_path(), "is not a database"), (folder.path(), "is a folder")] {
        let problem = run_line(db, &["today"]).unwrap_err();
        assert_eq!(problem.code, WRONG);
        assert!(problem.message.contains(what), "{}", problem.message);
    }
    assert_eq!(std::fs::read(&notes).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(!folder.path().with_extension("installation").exists());
}
