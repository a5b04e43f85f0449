//! Every message and entry kind of the wire, byte for byte. A changed byte is a failing test: phones in the field and
//! the server must go on understanding each other.
//!
//! `UPDATE_GOLDEN=1 cargo test -p fieldledger-core --test golden_wire` writes the files anew; the difference is then
//! there to be reviewed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{fmt::Write as _, path::PathBuf};

use fieldledger_core::{
    document::{self, Authorship, edit},
    model::{
        ChangeHash, Currency, CustomerId, DeviceId, DocumentId, GrantClosing, GrantId, GrantMode, GrantTerms, Money,
        ShownGrant, Spend, TerritoryId, Timestamp, UserId,
    },
    sync::protocol::*,
};
use minicbor::{Decode, Encode};
use serde_json::json;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/wire")
}

/// The file of a message: what it says in CBOR's diagnostic notation, then its bytes before compression.
fn page(cbor: &[u8]) -> String {
    let mut text = format!("{}\n\n", minicbor::display(cbor));
    for line in cbor.chunks(32) {
        for byte in line {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn bytes_of(page: &str) -> Vec<u8> {
    let digits: String = page.split_once("\n\n").unwrap().1.split_whitespace().collect();
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap())
        .collect()
}

/// Compares a message with its file, and reads the file back.
fn pinned<T>(name: &str, message: &T)
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + std::fmt::Debug,
{
    let cbor = minicbor::to_vec(message).unwrap();
    let file = folder().join(format!("{name}.cbor.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&file, page(&cbor)).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(page(&cbor), golden, "{name} is not what {} says", file.display());
    let read: T = minicbor::decode(&bytes_of(&golden)).unwrap();
    assert_eq!(&read, message);
    assert_eq!(&unpack::<T>(&pack(message).unwrap()).unwrap(), message);
}

fn cursor(seq: u64) -> Cursor {
    Cursor {
        lineage: [0xa1; 8].into(),
        seq,
        chain: [0xc4; 16].into(),
    }
}

fn authorship() -> Authorship {
    Authorship {
        user: UserId::from_bytes([1; 16]),
        device: DeviceId::from_bytes([2; 16]),
        at: Timestamp::from_millis(1_767_225_600_000),
        zone_minutes: 480,
        since_contact_millis: Some(60_000),
    }
}

fn empty_request() -> SyncRequest {
    SyncRequest {
        protocol: 1,
        app_version: "1.0.0".to_owned(),
        request_id: 0x0102_0304_0506_0708,
        device_time: Timestamp::from_millis(1_767_225_600_000),
        since_contact_millis: None,
        cursors: Vec::new(),
        push: Vec::new(),
        budget_bytes: PULL_BUDGET_BYTES,
        waiting: 0,
        installation: [9; 16].into(),
        words: Vec::new(),
    }
}

fn empty_response() -> SyncResponse {
    SyncResponse {
        protocol: 1,
        request_id: 0x0102_0304_0506_0708,
        server_time: Timestamp::from_millis(1_767_225_600_500),
        verdicts: Vec::new(),
        streams: Vec::new(),
        withdrawn: Vec::new(),
        backed_up: Vec::new(),
        new_token: None,
    }
}

fn page_of(entries: Vec<Entry>) -> StreamPage {
    StreamPage {
        stream: StreamId::Catalogue,
        restart: false,
        entries,
        next: cursor(8),
        more: false,
    }
}

fn creating_change() -> edit::NewChange {
    let tree =
        json!({"kind": "visit", "schema": 1, "customer": "07070707-0707-4707-8707-070707070707", "note": "开票"});
    document::create(DocumentId::from_bytes([5; 16]), &tree, &authorship()).unwrap()
}

#[test]
fn the_request_of_a_new_phone_is_pinned() {
    pinned("request_first", &empty_request());
}

#[test]
fn the_request_of_a_busy_phone_is_pinned() {
    let mut request = empty_request();
    request.since_contact_millis = Some(5_000);
    request.waiting = 3;
    let streams = [
        StreamId::Catalogue,
        StreamId::Territory(TerritoryId::from_bytes([3; 16])),
        StreamId::User(UserId::from_bytes([1; 16])),
        StreamId::Device(DeviceId::from_bytes([2; 16])),
    ];
    request.cursors = streams
        .into_iter()
        .enumerate()
        .map(|(at, stream)| StreamCursor {
            stream,
            cursor: (at > 0).then(|| cursor(at as u64 * 1_000)),
        })
        .collect();
    request.push = vec![
        Push::Change(PushedChange {
            document: None,
            bytes: vec![1, 2, 3],
            relayed: false,
        }),
        Push::Change(PushedChange {
            document: Some(DocumentId::from_bytes([5; 16])),
            bytes: vec![4, 5, 6],
            relayed: true,
        }),
        Push::Offer(OfferedChange {
            document: DocumentId::from_bytes([5; 16]),
            hash: ChangeHash([6; 32]),
            until_backed_up: false,
        }),
        Push::Offer(OfferedChange {
            document: DocumentId::from_bytes([5; 16]),
            hash: ChangeHash([7; 32]),
            until_backed_up: true,
        }),
    ];
    let spend = Spend {
        grant: GrantId::from_bytes([7; 16]),
        seq: 1,
        device: DeviceId::from_bytes([2; 16]),
        customer: CustomerId::from_bytes([8; 16]),
        order: DocumentId::from_bytes([5; 16]),
        amount: Money::new(250.into(), Currency::CNY),
        remaining: Money::new(450.into(), Currency::CNY),
        at: Timestamp::from_millis(1_767_225_600_000),
    };
    let closing = GrantClosing {
        grant: spend.grant,
        device: spend.device,
        final_seq: 1,
        total: spend.amount,
    };
    let words = [AllowanceWord::Spent(spend), AllowanceWord::Closed(closing)];
    request.words = words.map(|word| serde_json::to_string(&word).unwrap()).to_vec();
    pinned("request_busy", &request);
}

#[test]
fn the_request_of_a_phone_that_shows_an_allowance_to_a_restored_server_is_pinned() {
    let mut request = empty_request();
    let terms = GrantTerms {
        id: GrantId::from_bytes([7; 16]),
        device: DeviceId::from_bytes([2; 16]),
        user: UserId::from_bytes([1; 16]),
        customer: CustomerId::from_bytes([8; 16]),
        amount: Money::new(700.into(), Currency::CNY),
        policy_version: 3,
        issued_at: Timestamp::from_millis(1_767_225_600_000),
        not_after: Timestamp::from_millis(1_767_312_000_000),
        mode: GrantMode::Lease,
    };
    let signature = "5a".repeat(32);
    let word = AllowanceWord::Shown(ShownGrant { terms, signature });
    request.words = vec![serde_json::to_string(&word).unwrap()];
    pinned("request_showing_allowance", &request);
}

#[test]
fn the_reply_with_nothing_new_is_pinned() {
    pinned("response_empty", &empty_response());
}

#[test]
fn every_verdict_is_pinned() {
    let mut response = empty_response();
    let plain = [
        Verdict::Accepted,
        Verdict::Duplicate,
        Verdict::Wanted,
        Verdict::Later,
        Verdict::BackedUp,
    ];
    let rejected = RejectionCode::ALL.map(|code| {
        Verdict::Rejected(Rejection {
            code,
            message: "because".to_owned(),
        })
    });
    response.verdicts = plain
        .into_iter()
        .chain(rejected)
        .zip(1..)
        .map(|(verdict, count)| VerdictRun { count, verdict })
        .collect();
    pinned("response_verdicts", &response);
}

#[test]
fn every_entry_kind_is_pinned() {
    let name = || RecordName {
        kind: "customer".to_owned(),
        id: "07070707-0707-4707-8707-070707070707".to_owned(),
    };
    let received_at = Timestamp::from_millis(1_767_225_600_100);
    let document = DocumentId::from_bytes([5; 16]);
    let entries: [(&str, Entry); 6] = [
        (
            "entry_change_creating",
            Entry::Change(ChangeEntry {
                document: None,
                bytes: vec![1, 2, 3],
                received_at,
            }),
        ),
        (
            "entry_change",
            Entry::Change(ChangeEntry {
                document: Some(document),
                bytes: vec![1, 2, 3],
                received_at,
            }),
        ),
        (
            "entry_snapshot",
            Entry::Snapshot(SnapshotEntry {
                document,
                bytes: vec![1, 2, 3],
                received_at,
            }),
        ),
        (
            "entry_record",
            Entry::Record(RecordEntry {
                name: name(),
                version: 7,
                json: r#"{"name":"Fen 芬"}"#.to_owned(),
            }),
        ),
        ("entry_gone_document", Entry::GoneDocument(document)),
        ("entry_gone_record", Entry::GoneRecord(name())),
    ];
    for (name, entry) in &entries {
        pinned(name, entry);
    }
}

#[test]
fn a_page_that_restarts_and_withdraws_and_rotates_is_pinned() {
    let mut response = empty_response();
    response.streams = vec![
        StreamPage {
            restart: true,
            more: true,
            ..page_of(vec![Entry::GoneDocument(DocumentId::from_bytes([5; 16]))])
        },
        page_of(Vec::new()),
    ];
    response.withdrawn = vec![StreamId::Territory(TerritoryId::from_bytes([3; 16]))];
    response.backed_up = vec![StreamMark {
        stream: StreamId::Catalogue,
        seq: 6,
    }];
    response.new_token = Some("a-new-token".to_owned());
    pinned("response_full", &response);
}

#[test]
fn the_bytes_of_a_change_and_of_a_snapshot_are_pinned() {
    let created = creating_change();
    let mut document = document::open(&[&created.bytes]).unwrap();
    let before = document::tree::of(&document);
    let mut after = before.clone();
    after["note"] = json!("开票 done");
    let (heads, author) = (created.heads.clone(), authorship());
    let edited = edit::edit(
        &mut document,
        created.document,
        &heads,
        &before,
        &after,
        [8; 16],
        &author,
    )
    .unwrap()
    .unwrap();
    for (name, bytes) in [("chunk_creating", created.bytes), ("chunk_edit", edited.bytes)] {
        let entry = Entry::Change(ChangeEntry {
            document: None,
            bytes,
            received_at: Timestamp::default(),
        });
        pinned(name, &entry);
    }
    let snapshot = Entry::Snapshot(SnapshotEntry {
        document: created.document,
        bytes: document::snapshot(&document),
        received_at: Timestamp::default(),
    });
    pinned("chunk_snapshot", &snapshot);
}

/// CBOR by hand: a map with these entries, as a newer or older version would have written them.
fn map(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0xa0 | u8::try_from(entries.len()).unwrap()];
    for (key, value) in entries {
        bytes.push(*key);
        bytes.extend_from_slice(value);
    }
    bytes
}

#[test]
fn a_request_of_a_version_that_did_not_know_the_optional_keys_is_read() {
    let installation = [&[0x50u8][..], &[9; 16]].concat();
    let old = map(&[
        (0, &[1]),
        (1, b"\x651.0.0"),
        (2, &[7]),
        (3, &[0]),
        (5, &[0x80]),
        (6, &[0x80]),
        (7, &[0]),
        (9, &installation),
    ]);
    let read: SyncRequest = minicbor::decode(&old).unwrap();
    assert_eq!((read.request_id, read.waiting, read.since_contact_millis), (7, 0, None));
    let old: PushedChange = minicbor::decode(&map(&[(1, &[0x41, 0xff])])).unwrap();
    assert_eq!((old.document, old.bytes, old.relayed), (None, vec![0xff], false));
}

#[test]
fn a_reply_of_a_newer_version_with_keys_nobody_knows_here_is_read() {
    let nested = map(&[(1, &[0x82, 1, 2]), (2, b"\x63abc")]);
    let newer = map(&[(0, &[1]), (1, &[7]), (2, &[0]), (11, &nested), (12, &[0xf5])]);
    let read: SyncResponse = minicbor::decode(&newer).unwrap();
    assert_eq!(
        read,
        SyncResponse {
            request_id: 7,
            server_time: Timestamp::default(),
            ..empty_response()
        }
    );
}

#[test]
fn a_rejection_code_nobody_knows_here_is_read_as_other() {
    let rejection: Rejection = minicbor::decode(&map(&[(0, &[0x18, 77]), (1, b"\x63why")])).unwrap();
    assert_eq!(
        (rejection.code, rejection.message.as_str()),
        (RejectionCode::Other, "why")
    );
}

#[test]
fn a_sync_with_nothing_new_weighs_at_most_300_bytes_each_way() {
    let mut request = empty_request();
    // Ids, lineages and chains are random on a real phone: nothing for zstd to find.
    let mut noise = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (noise >> 33) as u8
    };
    let territories = [0; 1].map(|_| StreamId::Territory(TerritoryId::from_bytes([0; 16].map(|_: u8| random()))));
    let user = StreamId::User(UserId::from_bytes([0; 16].map(|_: u8| random())));
    let device = StreamId::Device(DeviceId::from_bytes([0; 16].map(|_: u8| random())));
    request.cursors = [StreamId::Catalogue, territories[0], user, device]
        .into_iter()
        .map(|stream| StreamCursor {
            stream,
            cursor: Some(Cursor {
                lineage: [0; 8].map(|_: u8| random()).into(),
                seq: 1_234_567,
                chain: [0; 16].map(|_: u8| random()).into(),
            }),
        })
        .collect();
    request.installation = [0; 16].map(|_: u8| random()).into();
    request.since_contact_millis = Some(86_400_000);
    let (up, down) = (pack(&request).unwrap().len(), pack(&empty_response()).unwrap().len());
    assert!(up <= 300, "{up} bytes up");
    assert!(down <= 300, "{down} bytes down");
}
