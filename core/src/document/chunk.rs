//! Reading one change without building a document: its name, who made it, and, for the change that created a document,
//! the tree it made. This is what makes a first pull quick: checking and reading a change is several times cheaper than
//! applying it.

use std::collections::HashMap;

use automerge::{Change, ObjType, legacy};
use serde_json::{Map, Value};

use super::{authorship::Authorship, id_of_creator, tree};
use crate::model::{ChangeHash, DocumentId};

/// Largest change that is accepted, in bytes. A visit of 850 bytes of JSON makes a change of about 900.
pub const MAX_CHUNK_BYTES: usize = 1 << 20;

/// Deepest nesting of maps and lists that is accepted. Phone threads have small stacks.
pub const MAX_NESTING: usize = 32;

/// Most operations that one change may hold.
pub const MAX_OPERATIONS: usize = 100_000;

/// Fields that hold what several people add, keyed by id. They are made with the document and never replaced as a whole:
/// a fresh map put over one would hide everything that others add to the old one.
pub const CONTAINERS: [&str; 5] = ["answers", "confirmations", "evidence", "lines", "replies"];

/// Why a change is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Larger than [`MAX_CHUNK_BYTES`] or [`MAX_OPERATIONS`].
    #[error(
        "the change is too large ({0}), at most {MAX_CHUNK_BYTES} bytes and {MAX_OPERATIONS} operations are accepted"
    )]
    TooLarge(usize),
    /// Deeper than [`MAX_NESTING`].
    #[error("the change nests deeper than {MAX_NESTING} levels")]
    TooDeep,
    /// Not an Automerge change, or its hash does not fit its bytes.
    #[error("the bytes are not a valid change: {0}")]
    Damaged(String),
}

/// A change that has been read and whose hash has been verified.
pub struct Chunk {
    change: Change,
}

/// Whether `bytes` start like a snapshot of a whole document rather than a single change.
pub fn is_snapshot(bytes: &[u8]) -> bool {
    // Automerge's chunk header: 4 magic bytes, 4 bytes of checksum, 1 byte of type (0 document, 1 change, 2 compressed
    // change).
    bytes.get(8) == Some(&0)
}

/// Reads a change and compares the checksum in its bytes with its hash, which Automerge (0.12) leaves undone: it would
/// take a damaged change for a different one.
pub(super) fn verified(bytes: Vec<u8>) -> Result<Change, ChunkError> {
    let stated: Option<[u8; 4]> = bytes.get(4..8).and_then(|it| it.try_into().ok());
    let change = Change::from_bytes(bytes).map_err(|error| ChunkError::Damaged(error.to_string()))?;
    if stated.is_some_and(|stated| change.hash().0.starts_with(&stated)) {
        Ok(change)
    } else {
        Err(ChunkError::Damaged("its checksum does not fit".to_owned()))
    }
}

impl Chunk {
    /// Reads a change and verifies its hash. May panic on bytes that were made to do harm; untrusted bytes are read in a
    /// worker process only.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, ChunkError> {
        if bytes.len() > MAX_CHUNK_BYTES {
            return Err(ChunkError::TooLarge(bytes.len()));
        }
        let change = verified(bytes)?;
        if change.len() > MAX_OPERATIONS {
            return Err(ChunkError::TooLarge(change.len()));
        }
        Ok(Self { change })
    }

    /// The change's name.
    pub fn hash(&self) -> ChangeHash {
        ChangeHash(self.change.hash().0)
    }

    /// The bytes of the actor that made it.
    pub fn actor(&self) -> &[u8] {
        self.change.actor_id().to_bytes()
    }

    /// Its place among its actor's changes, from 1.
    pub fn seq(&self) -> u64 {
        self.change.seq()
    }

    /// The changes it builds on.
    pub fn deps(&self) -> Vec<ChangeHash> {
        self.change.deps().iter().map(|hash| ChangeHash(hash.0)).collect()
    }

    /// Who made it, when, on which device; `None` when it was not made by Fieldledger.
    pub fn authorship(&self) -> Option<Authorship> {
        Authorship::from_message(self.change.message()?, self.change.timestamp())
    }

    /// The document it creates; `None` when it builds on other changes.
    pub fn creates(&self) -> Option<DocumentId> {
        if self.change.deps().is_empty() && self.change.seq() == 1 {
            id_of_creator(self.actor())
        } else {
            None
        }
    }

    /// Its bytes without compression, which compress far better together with others than each for itself.
    pub fn bytes(&self) -> &[u8] {
        self.change.raw_bytes()
    }

    /// The Automerge change.
    pub fn into_change(self) -> Change {
        self.change
    }

    /// The Automerge change.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// The tree that a creating change makes, without building a document. `None` when the change builds on others or
    /// does something that only Automerge can tell the result of; build the document then.
    ///
    /// # Errors
    /// [`ChunkError::TooDeep`].
    pub fn created_tree(&self) -> Result<Option<Value>, ChunkError> {
        self.created_tree_of(&self.change.decode())
    }

    /// Like [`Self::created_tree`] for whoever has the change's operations at hand already.
    ///
    /// # Errors
    /// [`ChunkError::TooDeep`].
    pub fn created_tree_of(&self, expanded: &legacy::Change) -> Result<Option<Value>, ChunkError> {
        if self.creates().is_none() {
            return Ok(None);
        }
        replay(expanded)
    }

    /// Whether the change replaces or deletes one of [`CONTAINERS`] (or anything else at the root that held a map) as a
    /// whole. A creating change may make them.
    pub fn replaces_a_container(&self) -> bool {
        if self.change.deps().is_empty() {
            return false;
        }
        self.change.decode().operations.iter().any(|op| {
            op.obj == legacy::ObjectId::Root
                && !op.pred.is_empty()
                && matches!(&op.key, legacy::Key::Map(key) if CONTAINERS.contains(&key.as_str()))
        })
    }

    /// How deep the objects that this change makes nest, counted from `depth_of_existing` for objects made by others.
    /// Told without recursion.
    pub fn nesting(&self) -> usize {
        let expanded = self.change.decode();
        let mut depth_of: HashMap<u64, usize> = HashMap::new();
        let mut deepest = 0;
        for (index, op) in expanded.operations.iter().enumerate() {
            let legacy::OpType::Make(_) = op.action else { continue };
            let parent = match &op.obj {
                legacy::ObjectId::Root => 0,
                legacy::ObjectId::Id(id) if *id.actor() == expanded.actor_id => {
                    depth_of.get(&id.counter()).copied().unwrap_or(0)
                }
                legacy::ObjectId::Id(_) => 0,
            };
            let depth = parent + 1;
            depth_of.insert(expanded.start_op.get() + index as u64, depth);
            deepest = deepest.max(depth);
        }
        deepest
    }
}

/// A map or list under construction: where it hangs, and what it holds so far.
struct Node {
    parent: usize,
    key: NodeKey,
    depth: usize,
    content: Content,
}
enum NodeKey {
    Field(String),
    Item(usize),
}
enum Content {
    Map(Map<String, Value>),
    List { items: Vec<Value>, last: Option<u64> },
}

/// Replays the operations of a first change. In it nothing can conflict, so a plain replay gives what Automerge gives;
/// anything out of the ordinary (overwrites, insertions in the middle, text, counters) returns `None`.
fn replay(change: &legacy::Change) -> Result<Option<Value>, ChunkError> {
    let mut nodes = vec![Node {
        parent: 0,
        key: NodeKey::Item(0),
        depth: 0,
        content: Content::Map(Map::new()),
    }];
    let mut node_of: HashMap<u64, usize> = HashMap::new();
    for (index, op) in change.operations.iter().enumerate() {
        let id = change.start_op.get() + index as u64;
        let target = match &op.obj {
            legacy::ObjectId::Root => Some(0),
            legacy::ObjectId::Id(object) => node_of.get(&object.counter()).copied(),
        };
        let Some(target) = target else { return Ok(None) };
        if !op.pred.is_empty() {
            return Ok(None);
        }
        let (value, made) = match &op.action {
            legacy::OpType::Put(automerge::ScalarValue::Counter(_)) => return Ok(None),
            legacy::OpType::Put(scalar) => (tree::from_scalar(scalar), None),
            legacy::OpType::Make(ObjType::Map) => (Value::Null, Some(Content::Map(Map::new()))),
            legacy::OpType::Make(ObjType::List) => (
                Value::Null,
                Some(Content::List {
                    items: Vec::new(),
                    last: None,
                }),
            ),
            _ => return Ok(None),
        };
        let depth = nodes[target].depth + 1;
        let key = match (&mut nodes[target].content, &op.key) {
            (Content::Map(map), legacy::Key::Map(key)) => {
                if map.insert(key.to_string(), value).is_some() {
                    return Ok(None);
                }
                NodeKey::Field(key.to_string())
            }
            (Content::List { items, last }, legacy::Key::Seq(element)) if op.insert => {
                let appends = match element {
                    legacy::ElementId::Head => last.is_none(),
                    legacy::ElementId::Id(after) => *last == Some(after.counter()),
                };
                if !appends {
                    return Ok(None);
                }
                items.push(value);
                *last = Some(id);
                NodeKey::Item(items.len() - 1)
            }
            _ => return Ok(None),
        };
        if let Some(content) = made {
            if depth > MAX_NESTING {
                return Err(ChunkError::TooDeep);
            }
            node_of.insert(id, nodes.len());
            nodes.push(Node {
                parent: target,
                key,
                depth,
                content,
            });
        }
    }
    // A node is made after its parent, so folding from the back always finds the parent still there.
    while nodes.len() > 1 {
        let Some(node) = nodes.pop() else { break };
        let value = match node.content {
            Content::Map(map) => Value::Object(map),
            Content::List { items, .. } => Value::Array(items),
        };
        match (&mut nodes[node.parent].content, node.key) {
            (Content::Map(map), NodeKey::Field(key)) => {
                map.insert(key, value);
            }
            (Content::List { items, .. }, NodeKey::Item(index)) => items[index] = value,
            _ => return Ok(None),
        }
    }
    Ok(nodes.pop().and_then(|root| match root.content {
        Content::Map(map) => Some(Value::Object(map)),
        Content::List { .. } => None,
    }))
}
