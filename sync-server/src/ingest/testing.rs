//! What the tests of ingest share: people, honest changes, and changes made to do harm.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use automerge::{ActorId, Change, ObjType, ScalarValue, legacy};
use fieldledger_core::{
    document::{self, Authorship, NewChange, edit, tree},
    model::{ChangeHash, CustomerId, DeviceId, DocumentId, Timestamp, UserId, Visit, VisitPurpose},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(super) const REP: UserId = UserId::from_bytes([1; 16]);
pub(super) const PHONE: DeviceId = DeviceId::from_bytes([0x51; 16]);
pub(super) const SHOP: CustomerId = CustomerId::from_bytes([0x61; 16]);

pub(super) fn by(user: UserId, device: DeviceId) -> Authorship {
    Authorship {
        user,
        device,
        at: Timestamp::from_millis(1_700_000_000_000),
        zone_minutes: 480,
        since_contact_millis: Some(7),
    }
}

pub(super) fn rep() -> Authorship {
    by(REP, PHONE)
}

pub(super) fn id(number: u64) -> DocumentId {
    let mut bytes = [0xd0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    DocumentId::from_bytes(bytes)
}

pub(super) fn visit_tree(note: &str) -> Value {
    let mut visit = Visit::new(SHOP, REP, VisitPurpose::Routine);
    visit.note = note.to_owned();
    edit::tree_of(&visit).unwrap()
}

pub(super) fn visit(number: u64, note: &str) -> NewChange {
    document::create(id(number), &visit_tree(note), &rep()).unwrap()
}

/// An edit of the document in `chunks` by the given author.
pub(super) fn edited(chunks: &[Vec<u8>], actor: u8, author: &Authorship, change: impl FnOnce(&mut Value)) -> NewChange {
    let mut opened = document::open(chunks).unwrap();
    let before = tree::of(&opened);
    let mut after = before.clone();
    change(&mut after);
    let heads = document::heads(&opened);
    edit::edit(&mut opened, id(u64::MAX), &heads, &before, &after, [actor; 16], author)
        .unwrap()
        .unwrap()
}

/// A change of hand-made operations.
pub(super) fn crafted(actor: [u8; 16], deps: &[ChangeHash], start_op: u64, operations: Vec<legacy::Op>) -> Vec<u8> {
    let author = rep();
    let change = legacy::Change {
        operations,
        actor_id: ActorId::from(actor.as_slice()),
        author: None,
        hash: None,
        seq: 1,
        start_op: start_op.try_into().unwrap(),
        time: author.at.as_millis(),
        message: Some(author.to_message()),
        deps: deps.iter().map(|hash| automerge::ChangeHash(hash.0)).collect(),
        extra_bytes: Vec::new(),
    };
    Change::from(change).raw_bytes().to_vec()
}

pub(super) fn op(object: legacy::ObjectId, key: &str, action: legacy::OpType) -> legacy::Op {
    legacy::Op {
        action,
        obj: object,
        key: legacy::Key::Map(key.into()),
        pred: legacy::SortedVec::new(),
        insert: false,
    }
}

pub(super) fn put(key: &str, value: &str) -> legacy::Op {
    op(
        legacy::ObjectId::Root,
        key,
        legacy::OpType::Put(ScalarValue::Str(value.into())),
    )
}

/// Maps within maps, `depth` deep.
pub(super) fn nested(actor: [u8; 16], depth: u64) -> Vec<u8> {
    let mut operations = vec![put("kind", "tower")];
    for level in 0..depth {
        let object = match level {
            0 => legacy::ObjectId::Root,
            _ => legacy::ObjectId::Id(legacy::OpId::new(level + 1, &ActorId::from(actor.as_slice()))),
        };
        operations.push(op(object, "deeper", legacy::OpType::Make(ObjType::Map)));
    }
    crafted(actor, &[], 1, operations)
}

/// A chunk of this content with the checksum that fits it.
pub(super) fn sealed(content: &[u8]) -> Vec<u8> {
    let mut body = uleb(content.len() as u64);
    body.extend_from_slice(content);
    let hash = Sha256::new().chain_update([1]).chain_update(&body).finalize();
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend_from_slice(&hash[..4]);
    chunk.push(1);
    chunk.extend_from_slice(&body);
    chunk
}

/// The content of a chunk, without its header.
pub(super) fn content_of(chunk: &[u8]) -> Vec<u8> {
    let length_bytes = chunk[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    chunk[9 + length_bytes..].to_vec()
}

pub(super) fn uleb(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// A change of a few bytes that claims `count` operations, all of them `kkkk = null`: reading it takes for ever.
pub(super) fn run_length_bomb(number: u8, count: u32) -> Vec<u8> {
    let run = uleb_signed(i64::from(count));
    from_columns(
        number,
        &[
            (0x15, [run.as_slice(), &[4], b"kkkk"].concat()), // key
            (0x34, uleb(u64::from(count))),                   // insert: false
            (0x42, [run.as_slice(), &[1]].concat()),          // action: put
            (0x56, [run.as_slice(), &[0]].concat()),          // value: null
            (0x70, [run.as_slice(), &[0]].concat()),          // predecessors: none
        ],
    )
}

/// A change of a few bytes with one operation that claims `count` predecessors: reading it takes 16 bytes for each.
pub(super) fn predecessor_bomb(number: u8, count: u32) -> Vec<u8> {
    let run = uleb_signed(i64::from(count));
    from_columns(
        number,
        &[
            (0x15, [&[1, 4], b"kind".as_slice()].concat()),             // key
            (0x34, vec![1]),                                            // insert: false
            (0x42, vec![1, 1]),                                         // action: put
            (0x56, vec![1, 0]),                                         // value: null
            (0x70, [&[1], uleb(u64::from(count)).as_slice()].concat()), // predecessors
            (0x71, [run.as_slice(), &[0]].concat()),                    // by this actor
            (0x73, [run.as_slice(), &[1]].concat()),                    // numbered one by one
        ],
    )
}

fn from_columns(number: u8, columns: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let message = rep().to_message();
    let mut content = vec![0, 16];
    content.extend_from_slice(&[number; 16]);
    content.extend_from_slice(&[1, 1, 0]);
    content.extend(uleb(message.len() as u64));
    content.extend_from_slice(message.as_bytes());
    content.push(0);
    content.extend(uleb(columns.len() as u64));
    for (name, column) in columns {
        content.push(*name);
        content.extend(uleb(column.len() as u64));
    }
    for (_, column) in columns {
        content.extend_from_slice(column);
    }
    sealed(&content)
}

fn uleb_signed(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        let last = value == 0 && low & 0x40 == 0;
        bytes.push(if last { low } else { low | 0x80 });
        if last {
            return bytes;
        }
    }
}
