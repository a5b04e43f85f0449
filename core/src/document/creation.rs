//! Reading a creating change straight from its bytes: its name, its document and the tree it makes.
//!
//! Automerge reads every operation of a change twice before it hands out the first one (once to check it, once to copy
//! it), which was a third of the work of a first pull. What is written here reads the columns once, and only a change as
//! plain as those that Fieldledger makes: no predecessors, one actor, operations that only add. Of anything else, and of
//! any encoding that could be shorter, it says `None`, and Automerge decides
//! (<https://automerge.org/automerge-binary-format-spec/>).

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

use super::{
    chunk::{MAX_CHUNK_BYTES, MAX_NESTING, MAX_OPERATIONS},
    id_of_creator,
};
use crate::model::{ChangeHash, DocumentId};

/// What a creating change says.
#[derive(Clone, Debug, PartialEq)]
pub struct Creation {
    /// The document it creates.
    pub document: DocumentId,
    /// Its name, which has been compared with the checksum in its bytes.
    pub hash: ChangeHash,
    /// When it was made, by the device's clock, in milliseconds since 1970.
    pub time_millis: i64,
    /// The tree it makes.
    pub tree: Value,
}

/// The first bytes of every chunk.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The type of a chunk that holds one change, uncompressed.
const CHANGE: u8 = 1;

/// The columns of operations, by their number and type as they are written.
mod column {
    pub(super) const OBJECT_ACTOR: u64 = 1;
    pub(super) const OBJECT_COUNTER: u64 = 2;
    pub(super) const KEY_ACTOR: u64 = 17;
    pub(super) const KEY_COUNTER: u64 = 19;
    pub(super) const KEY_STRING: u64 = 21;
    pub(super) const INSERT: u64 = 52;
    pub(super) const ACTION: u64 = 66;
    pub(super) const VALUE_META: u64 = 86;
    pub(super) const VALUE: u64 = 87;
    pub(super) const PREDECESSORS: u64 = 112;
}

/// Actions of operations.
const MAKE_MAP: u64 = 0;
const PUT: u64 = 1;
const MAKE_LIST: u64 = 2;

/// Reads a creating change and verifies its hash; `None` when it is none, or not plain enough to be read here.
pub fn read(bytes: &[u8]) -> Option<Creation> {
    if bytes.len() > MAX_CHUNK_BYTES {
        return None;
    }
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (checksum, hashed) = rest.split_at_checked(4)?;
    let mut header = Reader(hashed);
    if header.byte()? != CHANGE || header.unsigned()? != header.0.len() as u64 {
        return None;
    }
    let mut body = header;
    if body.unsigned()? != 0 {
        return None;
    }
    let actor = body.prefixed()?;
    let document = id_of_creator(actor)?;
    // Seq and first operation are 1.
    if body.unsigned()? != 1 || body.unsigned()? != 1 {
        return None;
    }
    let time_millis = body.signed()?;
    std::str::from_utf8(body.prefixed()?).ok()?;
    if body.unsigned()? != 0 {
        return None;
    }
    let tree = tree_of(&Columns::read(&mut body)?)?;
    let hash: [u8; 32] = Sha256::digest(hashed).into();
    if checksum != &hash[..4] {
        return None;
    }
    Some(Creation {
        document,
        hash: ChangeHash(hash),
        time_millis,
        tree,
    })
}

/// The columns that a plain change has; one that is left out is empty.
#[derive(Default)]
struct Columns<'b> {
    object_actor: &'b [u8],
    object_counter: &'b [u8],
    key_actor: &'b [u8],
    key_counter: &'b [u8],
    key_string: &'b [u8],
    insert: &'b [u8],
    action: &'b [u8],
    value_meta: &'b [u8],
    value: &'b [u8],
    predecessors: &'b [u8],
}

impl<'b> Columns<'b> {
    /// Reads their list and takes their content, which is all that is left of the change.
    fn read(body: &mut Reader<'b>) -> Option<Self> {
        let mut columns = Self::default();
        let count = body.unsigned()?;
        let mut lengths = Vec::new();
        let mut before = 0;
        for _ in 0..count {
            let (which, length) = (body.unsigned()?, body.unsigned()?);
            if which <= before {
                return None;
            }
            before = which;
            lengths.push((which, usize::try_from(length).ok()?));
        }
        for (which, length) in lengths {
            let content = body.take(length)?;
            let slot = match which {
                column::OBJECT_ACTOR => &mut columns.object_actor,
                column::OBJECT_COUNTER => &mut columns.object_counter,
                column::KEY_ACTOR => &mut columns.key_actor,
                column::KEY_COUNTER => &mut columns.key_counter,
                column::KEY_STRING => &mut columns.key_string,
                column::INSERT => &mut columns.insert,
                column::ACTION => &mut columns.action,
                column::VALUE_META => &mut columns.value_meta,
                column::VALUE => &mut columns.value,
                column::PREDECESSORS => &mut columns.predecessors,
                _ => return None,
            };
            *slot = content;
        }
        body.0.is_empty().then_some(columns)
    }
}

/// A map or list under construction: which operation made it, where it hangs, and what it holds so far.
struct Node<'b> {
    made_by: u64,
    parent: usize,
    key: NodeKey<'b>,
    depth: usize,
    content: Content,
}
#[derive(Clone, Copy)]
enum NodeKey<'b> {
    Field(&'b str),
    Item(usize),
}
enum Content {
    Map(Map<String, Value>),
    List { items: Vec<Value>, last: Option<u64> },
}

fn tree_of(columns: &Columns<'_>) -> Option<Value> {
    let mut object_actor = Runs::new(columns.object_actor, Reader::unsigned);
    let mut object_counter = Runs::new(columns.object_counter, Reader::unsigned);
    let mut key_actor = Runs::new(columns.key_actor, Reader::unsigned);
    let mut key_counter = Runs::new(columns.key_counter, Reader::signed);
    let mut key_string = Runs::new(columns.key_string, Reader::text);
    let mut insert = Flags::new(columns.insert);
    let mut action = Runs::new(columns.action, Reader::unsigned);
    let mut value_meta = Runs::new(columns.value_meta, Reader::unsigned);
    let mut predecessors = Runs::new(columns.predecessors, Reader::unsigned);
    let mut values = Reader(columns.value);
    let mut nodes = vec![Node {
        made_by: 0,
        parent: 0,
        key: NodeKey::Item(0),
        depth: 0,
        content: Content::Map(Map::new()),
    }];
    let mut at_counter = 0_i64;
    let mut id = 0;
    while !action.is_done() {
        id += 1;
        if id > MAX_OPERATIONS as u64 {
            return None;
        }
        let target = match (object_actor.next()?, object_counter.next()?) {
            (None, None) => 0,
            (Some(0), Some(counter)) if counter > 0 => {
                nodes.binary_search_by_key(&counter, |node| node.made_by).ok()?
            }
            _ => return None,
        };
        if predecessors.next()? != Some(0) {
            return None;
        }
        let meta = value_meta.next()??;
        let depth = nodes[target].depth + 1;
        let (value, made) = match action.next()?? {
            PUT => (scalar(meta, &mut values)?, None),
            MAKE_MAP if meta == 0 => (Value::Null, Some(Content::Map(Map::new()))),
            MAKE_LIST if meta == 0 => {
                let (items, last) = (Vec::new(), None);
                (Value::Null, Some(Content::List { items, last }))
            }
            _ => return None,
        };
        let (actor, counter, name) = (key_actor.next()?, key_counter.next()?, key_string.next()?);
        let inserts = insert.next()?;
        let key = match (&mut nodes[target].content, name) {
            (Content::Map(map), Some(name)) if !inserts && actor.is_none() && counter.is_none() => {
                if map.insert(name.to_owned(), value).is_some() {
                    return None;
                }
                NodeKey::Field(name)
            }
            (Content::List { items, last }, None) if inserts => {
                at_counter = at_counter.checked_add(counter?)?;
                let after = match (actor, u64::try_from(at_counter).ok()?) {
                    (None, 0) => None,
                    (Some(0), after) if after > 0 => Some(after),
                    _ => return None,
                };
                if after != *last {
                    return None;
                }
                items.push(value);
                *last = Some(id);
                NodeKey::Item(items.len() - 1)
            }
            _ => return None,
        };
        if let Some(content) = made {
            if depth > MAX_NESTING {
                return None;
            }
            nodes.push(Node {
                made_by: id,
                parent: target,
                key,
                depth,
                content,
            });
        }
    }
    let columns_are_read = object_actor.is_done()
        && object_counter.is_done()
        && key_actor.is_done()
        && key_counter.is_done()
        && key_string.is_done()
        && insert.is_done()
        && value_meta.is_done()
        && predecessors.is_done()
        && values.0.is_empty();
    if !columns_are_read {
        return None;
    }
    fold(nodes)
}

/// Puts every node where it hangs. A node is made after its parent, so from the back the parent is always still there.
fn fold(mut nodes: Vec<Node<'_>>) -> Option<Value> {
    while nodes.len() > 1 {
        let node = nodes.pop()?;
        let value = match node.content {
            Content::Map(map) => Value::Object(map),
            Content::List { items, .. } => Value::Array(items),
        };
        match (&mut nodes[node.parent].content, node.key) {
            (Content::Map(map), NodeKey::Field(key)) => *map.get_mut(key)? = value,
            (Content::List { items, .. }, NodeKey::Item(index)) => *items.get_mut(index)? = value,
            _ => return None,
        }
    }
    match nodes.pop()?.content {
        Content::Map(map) => Some(Value::Object(map)),
        Content::List { .. } => None,
    }
}

/// A value by its type and length.
fn scalar(meta: u64, values: &mut Reader<'_>) -> Option<Value> {
    let content = values.take(usize::try_from(meta >> 4).ok()?)?;
    let mut number = Reader(content);
    let value = match (meta & 0xf, content.len()) {
        (0, 0) => return Some(Value::Null),
        (1, 0) => return Some(Value::Bool(false)),
        (2, 0) => return Some(Value::Bool(true)),
        (3, _) => Value::from(number.unsigned()?),
        (4, _) => Value::from(number.signed()?),
        (5, 8) => {
            let number = f64::from_le_bytes(content.try_into().ok()?);
            return Some(Number::from_f64(number).map_or(Value::Null, Value::Number));
        }
        (6, _) => return Some(Value::String(std::str::from_utf8(content).ok()?.to_owned())),
        _ => return None,
    };
    number.0.is_empty().then_some(value)
}

/// What has not been read yet.
#[derive(Clone, Copy)]
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes with their number before them.
    fn prefixed(&mut self) -> Option<&'b [u8]> {
        let length = self.unsigned()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.prefixed()?).ok()
    }

    /// A number in LEB128, in as few bytes as it needs; numbers of more than 56 bits are left to Automerge.
    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for index in 0..8 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return (byte != 0 || index == 0).then_some(value);
            }
        }
        None
    }

    /// The same with a sign.
    fn signed(&mut self) -> Option<i64> {
        let (mut value, mut before) = (0_i64, 0);
        for index in 0..8 {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0;
                // The last byte must not only repeat the sign of the one before it.
                let repeats = index > 0 && byte == if before & 0x40 != 0 { 0x7f } else { 0 };
                if negative {
                    value |= -1 << (7 * (index + 1));
                }
                return (!repeats).then_some(value);
            }
            before = byte;
        }
        None
    }
}

/// A column of values, of which equal ones that follow each other are written once.
struct Runs<'b, T> {
    rest: Reader<'b>,
    read: fn(&mut Reader<'b>) -> Option<T>,
    left: u64,
    run: Run<T>,
}

#[derive(Clone, Copy)]
enum Run<T> {
    Nothing,
    Equal(T),
    Each,
}

impl<'b, T: Copy> Runs<'b, T> {
    fn new(column: &'b [u8], read: fn(&mut Reader<'b>) -> Option<T>) -> Self {
        Self {
            rest: Reader(column),
            read,
            left: 0,
            run: Run::Nothing,
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.rest.0.is_empty()
    }

    /// The next value; `Some(None)` where there is none, also in a column that was left out because it has none.
    /// `None` when the column cannot be read.
    fn next(&mut self) -> Option<Option<T>> {
        if self.left == 0 {
            if self.rest.0.is_empty() {
                return Some(None);
            }
            match self.rest.signed()? {
                0 => {
                    self.left = self.rest.unsigned()?;
                    self.run = Run::Nothing;
                }
                count if count > 0 => {
                    self.left = count.unsigned_abs();
                    self.run = Run::Equal((self.read)(&mut self.rest)?);
                }
                count => {
                    self.left = count.unsigned_abs();
                    self.run = Run::Each;
                }
            }
        }
        self.left = self.left.checked_sub(1)?;
        Some(match self.run {
            Run::Nothing => None,
            Run::Equal(value) => Some(value),
            Run::Each => Some((self.read)(&mut self.rest)?),
        })
    }
}

/// A column of flags: how often no, how often yes, and so on.
struct Flags<'b> {
    rest: Reader<'b>,
    left: u64,
    present: bool,
}

impl<'b> Flags<'b> {
    fn new(column: &'b [u8]) -> Self {
        Self {
            rest: Reader(column),
            left: 0,
            present: true,
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.rest.0.is_empty()
    }

    fn next(&mut self) -> Option<bool> {
        // Only the first count may be nothing.
        for _ in 0..2 {
            if self.left > 0 {
                break;
            }
            self.left = self.rest.unsigned()?;
            self.present = !self.present;
        }
        self.left = self.left.checked_sub(1)?;
        Some(self.present)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        document::{Authorship, Chunk, create},
        model::{DeviceId, Timestamp, UserId},
    };

    fn made_of(tree: &Value) -> Vec<u8> {
        let authorship = Authorship {
            user: UserId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            at: Timestamp::from_millis(1_772_409_600_000),
            zone_minutes: 480,
            since_contact_millis: Some(12),
        };
        create(DocumentId::from_bytes([7; 16]), tree, &authorship)
            .unwrap()
            .bytes
    }

    /// Writes the checksum that fits to the rest.
    fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
        let hash = Sha256::digest(&bytes[8..]);
        bytes[4..8].copy_from_slice(&hash[..4]);
        bytes
    }

    fn as_automerge_reads(bytes: &[u8]) -> Option<Creation> {
        let chunk = std::panic::catch_unwind(|| Chunk::read(bytes.to_vec())).ok()?.ok()?;
        Some(Creation {
            document: chunk.creates()?,
            hash: chunk.hash(),
            time_millis: chunk.change().timestamp(),
            tree: chunk.created_tree().ok()??,
        })
    }

    fn any_tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0..1_000_i64).prop_map(Value::from),
            any::<f64>().prop_map(|it| Number::from_f64(it).map_or(Value::Null, Value::Number)),
            "[a-z付款]{0,6}".prop_map(Value::from),
        ];
        let nested = leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map("[a-c]{1,2}", inner, 0..6)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-e]{1,3}", nested, 1..8).prop_map(|it| Value::Object(it.into_iter().collect()))
    }

    #[test]
    fn a_creating_change_is_read_without_automerge() {
        let tree = json!({
            "kind": "visit", "note": "下周付款", "list": [1, [true, null], { "deep": [-1.5] }], "at": 1_772_409_600_000_i64,
            "empty": {}, "none": [], "more": { "a": { "b": "c" } },
        });
        let bytes = made_of(&tree);
        let read = read(&bytes).unwrap();
        assert_eq!(read.tree, tree);
        assert_eq!(Some(read), as_automerge_reads(&bytes));
    }

    #[test]
    fn a_change_whose_bytes_do_not_give_its_checksum_is_not_read() {
        let bytes = made_of(&json!({ "note": "paid in cash" }));
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert_eq!(read(&damaged), None, "byte {place}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_automerge_reads(tree in any_tree()) {
            let bytes = made_of(&tree);
            let here = read(&bytes);
            let there = as_automerge_reads(&bytes);
            if let Some(here) = &here {
                prop_assert_eq!(Some(here), there.as_ref());
                prop_assert_eq!(&here.tree, &tree);
            }
            // Numbers of more than 56 bits are the only ones that are left to Automerge.
            let large = tree.to_string().split(|it: char| !it.is_ascii_digit()).any(|it| it.len() > 15);
            prop_assert!(here.is_some() || large);
        }

        #[test]
        fn what_was_tampered_with_and_signed_again_is_read_as_automerge_reads_it_or_not_at_all(
            tree in any_tree(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = made_of(&tree);
            for (place, byte) in edits {
                let place = 8 + place.index(bytes.len() - 8);
                bytes[place] = byte;
            }
            let bytes = signed(bytes);
            if let Some(here) = read(&bytes) {
                prop_assert_eq!(Some(here), as_automerge_reads(&bytes));
            }
        }
    }
}
