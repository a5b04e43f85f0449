//! Judging a change against its document. Everything here works on anybody's bytes: it may panic or run out of memory
//! inside Automerge, which is why it runs in a worker process, but it never lets anything through unchecked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use automerge::{Automerge, AutomergeError, Change, ReadDoc as _, legacy};
use fieldledger_core::{
    document::{
        self, Chunk, ChunkError, SCHEMA, Summary,
        chunk::{CONTAINERS, MAX_NESTING, MAX_OPERATIONS},
        declared_kind, disagreement, heads, tree,
    },
    model::{
        ChangeHash, CollectionNote, Delivery, DocumentKind, DocumentModel, Order, Review, StatementConfirmation, Visit,
    },
    rules::{
        authority::keeps_contacts_word,
        evidence::{keeps_evidence, shows_evidence},
    },
    sync::protocol::RejectionCode,
};
use serde_json::Value;

use super::validator::{Judgement, Refusal, SoundChange};

/// Longest name of a kind that this build does not know.
const MAX_KIND_BYTES: usize = 64;

/// Largest tree of one document, as JSON text.
const MAX_TREE_BYTES: usize = 2 << 20;

/// Most bytes of trees that are told of one document at a time. The judge tells the whole tree after every change, so
/// many small changes of a large document come to much; what comes after has to be pushed again.
const MAX_TOLD_BYTES: usize = 16 << 20;

/// Operations, and bytes of field names, that a change may hold whatever its size, and for each of its bytes: runs of
/// equal ones take no room in a change, and a lot of it when it is read.
const FREE_OPERATIONS: usize = 1_024;
/// See [`FREE_OPERATIONS`].
const FREE_NAME_BYTES: usize = 64 << 10;

/// A document under judgement, with the changes judged sound so far applied.
pub(super) struct Subject {
    state: State,
    /// Changes refused so far, with the reason: what builds on them is refused as well.
    refused: BTreeMap<ChangeHash, Refusal>,
    /// Bytes of trees told so far.
    told: usize,
}

enum State {
    /// Nothing is known of the document yet.
    Absent,
    /// Its first change only, not yet put into a document: most pushed documents never need one.
    First { bytes: Vec<u8>, hash: ChangeHash },
    /// The document.
    Open(Box<OpenDocument>),
}

struct OpenDocument {
    automerge: Automerge,
    places: Places,
    tree: Value,
    heads: Vec<ChangeHash>,
}

impl OpenDocument {
    fn open(chunks: &[Vec<u8>]) -> Result<Self, String> {
        let automerge = document::open(chunks).map_err(|error| error.to_string())?;
        let mut places = Places::default();
        for change in automerge.get_changes(&[]) {
            // What is stored was judged before; a place that is missing shows when somebody writes to it.
            let _ = places.visit(&change.decode());
        }
        Ok(Self {
            tree: tree::of(&automerge),
            heads: heads(&automerge),
            places,
            automerge,
        })
    }

    fn has(&self, hash: &ChangeHash) -> bool {
        self.automerge
            .get_change_by_hash(&automerge::ChangeHash(hash.0))
            .is_some()
    }
}

impl Subject {
    /// A document from what is stored of it.
    pub(super) fn open(existing: &[Vec<u8>]) -> Result<Self, String> {
        let state = if existing.is_empty() {
            State::Absent
        } else {
            State::Open(Box::new(OpenDocument::open(existing)?))
        };
        Ok(Self {
            state,
            refused: BTreeMap::new(),
            told: 0,
        })
    }

    /// Judges the next change, and applies it when it is sound.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Judgement {
        let envelope = match super::envelope::Envelope::read(bytes) {
            Ok(envelope) => envelope,
            Err(refusal) => return Judgement::Refused(refusal),
        };
        let judged = self.judge_named(bytes, envelope.hash);
        if let Judgement::Refused(refusal) = &judged {
            self.refused.insert(envelope.hash, refusal.clone());
        }
        judged
    }

    /// Notes that judging `bytes` panicked.
    pub(super) fn refused_by_panic(&mut self, bytes: &[u8]) -> Refusal {
        let refusal = Refusal::harmful("it panicked");
        if let Ok(envelope) = super::envelope::Envelope::read(bytes) {
            self.refused.insert(envelope.hash, refusal.clone());
        }
        refusal
    }

    fn judge_named(&mut self, bytes: &[u8], hash: ChangeHash) -> Judgement {
        let chunk = match Chunk::read(bytes.to_vec()) {
            Ok(chunk) => chunk,
            Err(error) => return Judgement::Refused(undecodable(error)),
        };
        if chunk.hash() != hash || chunk.bytes() != bytes {
            return refused(RejectionCode::Undecodable, "the change is not in its plain form");
        }
        if self.holds(&hash) {
            return Judgement::Known;
        }
        let deps = chunk.deps();
        if let Some((_, refusal)) = deps.iter().find_map(|dep| self.refused.get_key_value(dep)) {
            return refused(
                refusal.code,
                format!("it builds on a change that was not accepted: {}", refusal.message),
            );
        }
        let missing: Vec<ChangeHash> = deps.iter().filter(|dep| !self.holds(dep)).copied().collect();
        if !missing.is_empty() {
            return Judgement::Waiting(missing);
        }
        if self.told > MAX_TOLD_BYTES {
            return Judgement::Waiting(Vec::new());
        }
        let judged = if deps.is_empty() {
            self.judge_creation(chunk)
        } else {
            self.judge_edit(chunk)
        };
        match judged {
            Ok(sound) => Judgement::Sound(Box::new(sound)),
            Err(refusal) => Judgement::Refused(refusal),
        }
    }

    fn holds(&self, hash: &ChangeHash) -> bool {
        match &self.state {
            State::Absent => false,
            State::First { hash: first, .. } => first == hash,
            State::Open(open) => open.has(hash),
        }
    }

    fn judge_creation(&mut self, chunk: Chunk) -> Result<SoundChange, Refusal> {
        let Some(id) = chunk.creates() else {
            return Err(Refusal::new(
                RejectionCode::Undecodable,
                "the change builds on nothing and creates no document: its actor has to be the document's id",
            ));
        };
        if !matches!(self.state, State::Absent) {
            return Err(collision());
        }
        let authorship = chunk.authorship().ok_or_else(nameless)?;
        let expanded = decode(&chunk)?;
        let tree = match sound_creation(&chunk, &expanded)? {
            Some(tree) => tree,
            None => {
                let mut places = Places::default();
                places.visit(&expanded)?;
                let (_, tree, _) = apply(&Automerge::new(), chunk.change().clone())?;
                tree
            }
        };
        check_model(&tree)?;
        let hash = chunk.hash();
        self.state = State::First {
            bytes: chunk.bytes().to_vec(),
            hash,
        };
        Ok(SoundChange {
            hash,
            actor: chunk.actor().to_vec(),
            seq: chunk.seq(),
            deps: Vec::new(),
            authorship,
            creates: Some(id),
            touched: Vec::new(),
            over_contacts_word: keeps_contacts_word(&Value::Null, &tree, &[]).is_err(),
            based_on: Vec::new(),
            heads: vec![hash],
            kind_before: None,
            owner_before: None,
            tree: tree.into(),
            disagreements: 0,
        })
    }

    fn judge_edit(&mut self, chunk: Chunk) -> Result<SoundChange, Refusal> {
        if chunk.seq() != 1 {
            // Every change has an actor of its own. Made again under a fresh one, it is accepted.
            return Err(collision());
        }
        let authorship = chunk.authorship().ok_or_else(nameless)?;
        let open = self.opened()?;
        let expanded = decode(&chunk)?;
        let start = expanded.start_op.get();
        if start > open.places.highest.saturating_add(MAX_OPERATIONS as u64) {
            return Err(Refusal::new(
                RejectionCode::Undecodable,
                "the change counts its operations from a number that the document is far from",
            ));
        }
        if open.places.actors.contains(&actor_key(&expanded.actor_id)) {
            return Err(collision());
        }
        let mut places = open.places.clone();
        let mut touched = places.visit(&expanded)?;
        if chunk.replaces_a_container() || replaces_a_map(&expanded, &open.tree) {
            return Err(Refusal::new(
                RejectionCode::Invalid,
                "lines, evidence, confirmations and replies are added to one by one, never replaced as a whole",
            ));
        }
        let (after, tree_after, tree_bytes) = apply(&open.automerge, chunk.change().clone())?;
        let hash = chunk.hash();
        let deps = chunk.deps();
        let base = tree::at(&after, &deps);
        let made = tree::at(&after, &[hash]);
        let own = tree::differences(&base, &made);
        let shown = tree::differences(&open.tree, &tree_after);
        touched.extend(own.into_iter().chain(shown).map(|(path, _, _)| path));
        check_model(&tree_after)?;
        // By what its author knew, and by what everybody sees: a change that is made on an older document could otherwise
        // write over what it does not know.
        keeps_evidence(&base, &made)
            .and_then(|()| shows_evidence(&open.tree, &tree_after))
            .map_err(|error| Refusal::new(RejectionCode::Invalid, error.to_string()))?;
        let touched: Vec<Vec<String>> = touched.into_iter().collect();
        let before = Summary::of(&open.tree);
        let disagreements = disagreement::disagreements(&after).len();
        let heads_after = heads(&after);
        let sound = SoundChange {
            hash,
            actor: chunk.actor().to_vec(),
            seq: chunk.seq(),
            deps,
            authorship,
            creates: None,
            over_contacts_word: keeps_contacts_word(&base, &made, &touched).is_err(),
            touched,
            based_on: open.heads.clone(),
            heads: heads_after.clone(),
            kind_before: Some(before.kind.as_str().to_owned()),
            owner_before: before.owner,
            tree: tree_after.clone().into(),
            disagreements: u32::try_from(disagreements).unwrap_or(u32::MAX),
        };
        *open = OpenDocument {
            automerge: after,
            places,
            tree: tree_after,
            heads: heads_after,
        };
        self.told += tree_bytes;
        Ok(sound)
    }

    fn opened(&mut self) -> Result<&mut OpenDocument, Refusal> {
        if let State::First { bytes, .. } = &self.state {
            let open = OpenDocument::open(std::slice::from_ref(bytes))
                .map_err(|error| Refusal::new(RejectionCode::Undecodable, error))?;
            self.state = State::Open(Box::new(open));
        }
        match &mut self.state {
            State::Open(open) => Ok(open),
            State::Absent | State::First { .. } => Err(Refusal::new(
                RejectionCode::Undecodable,
                "the change builds on a document that is not here",
            )),
        }
    }
}

fn decode(chunk: &Chunk) -> Result<legacy::Change, Refusal> {
    let size = chunk.bytes().len();
    if chunk.change().len() > FREE_OPERATIONS + size {
        return Err(too_large());
    }
    let expanded = chunk.change().decode();
    let names = expanded.operations.iter().map(|op| match &op.key {
        legacy::Key::Map(key) => key.len(),
        legacy::Key::Seq(_) => 0,
    });
    if names.sum::<usize>() > FREE_NAME_BYTES + 4 * size {
        return Err(too_large());
    }
    Ok(expanded)
}

/// The tree of a creating change, told without building a document, when that is certain to give what building it gives:
/// its bytes are exactly what Automerge writes for its operations, and each of those only adds. `None`: build it.
fn sound_creation(chunk: &Chunk, expanded: &legacy::Change) -> Result<Option<Value>, Refusal> {
    if expanded.start_op.get() != 1 {
        return Err(Refusal::new(
            RejectionCode::Undecodable,
            "a document's first operation has to be number 1",
        ));
    }
    let change = chunk.change();
    let plain = change.other_actor_ids().is_empty() && change.extra_bytes().is_empty();
    let Some(tree) = chunk.created_tree_of(expanded).map_err(undecodable)?.filter(|_| plain) else {
        return Ok(None);
    };
    let again = Change::from(expanded.clone());
    Ok((again.raw_bytes() == chunk.bytes()).then_some(tree))
}

/// Applies a change to a copy of a document, and makes sure that what results can be saved and read back.
fn apply(before: &Automerge, change: Change) -> Result<(Automerge, Value, usize), Refusal> {
    let undecodable = |message: String| Refusal::new(RejectionCode::Undecodable, message);
    let hash = change.hash();
    let mut after = before.clone();
    after.apply_changes([change]).map_err(|error| match error {
        AutomergeError::DuplicateSeqNumber(..) => collision(),
        other => undecodable(format!("the change cannot be applied: {other}")),
    })?;
    if after.get_change_by_hash(&hash).is_none() {
        return Err(undecodable("the change cannot be applied".to_owned()));
    }
    let loaded = Automerge::load(&after.save_nocompress())
        .map_err(|error| undecodable(format!("with the change the document cannot be read back: {error}")))?;
    let tree = tree::of(&after);
    if heads(&loaded) != heads(&after) || tree::of(&loaded) != tree {
        return Err(undecodable(
            "with the change the document reads back as something else".to_owned(),
        ));
    }
    // Only counted, not kept.
    let bytes = serde_json::to_vec(&tree).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_TREE_BYTES {
        return Err(too_large());
    }
    Ok((after, tree, bytes))
}

/// Whether a document keeps the rules of its model. Kinds and schemas that this build does not know are kept as they
/// are, as long as they say what they are.
fn check_model(tree: &Value) -> Result<(), Refusal> {
    let invalid = |message: String| Refusal::new(RejectionCode::Invalid, message);
    let (kind, schema) = declared_kind(tree);
    let name = kind.as_str();
    if name.is_empty() || name.len() > MAX_KIND_BYTES || name.chars().any(char::is_control) {
        return Err(invalid(
            "kind: a document has to say what it is, in a few letters".to_owned(),
        ));
    }
    if tree
        .get("schema")
        .is_some_and(|it| it.as_u64().is_none_or(|it| it == 0))
    {
        return Err(invalid("schema: has to be a number from 1".to_owned()));
    }
    if schema > SCHEMA {
        return Ok(());
    }
    match kind {
        DocumentKind::Visit => check_as::<Visit>(tree),
        DocumentKind::Delivery => check_as::<Delivery>(tree),
        DocumentKind::CollectionNote => check_as::<CollectionNote>(tree),
        DocumentKind::Order => check_as::<Order>(tree),
        DocumentKind::Review => check_as::<Review>(tree),
        DocumentKind::StatementConfirmation => check_as::<StatementConfirmation>(tree),
        DocumentKind::Unknown(_) => Ok(()),
    }
}

fn check_as<T: DocumentModel>(tree: &Value) -> Result<(), Refusal> {
    let invalid = |message: String| Refusal::new(RejectionCode::Invalid, message);
    let value = T::deserialize(tree).map_err(|error| invalid(format!("not a {}: {error}", T::KIND)))?;
    value.validate().map_err(|error| invalid(error.to_string()))
}

/// Whether an operation at the root puts something over a map that many add to, even if it does not say so.
fn replaces_a_map(change: &legacy::Change, before: &Value) -> bool {
    change.operations.iter().any(|op| {
        op.obj == legacy::ObjectId::Root
            && matches!(&op.key, legacy::Key::Map(key)
                if CONTAINERS.contains(&key.as_str()) && before.get(key.as_str()).is_some_and(Value::is_object))
    })
}

fn undecodable(error: ChunkError) -> Refusal {
    Refusal::new(RejectionCode::Undecodable, error.to_string())
}

fn too_large() -> Refusal {
    Refusal::new(
        RejectionCode::Undecodable,
        "the change makes more of its bytes than a document may hold",
    )
}

fn nameless() -> Refusal {
    Refusal::new(RejectionCode::WrongAuthor, "the change does not say who made it")
}

fn collision() -> Refusal {
    Refusal::new(
        RejectionCode::ActorCollision,
        "another change was made under the same name; the edit has to be made again under a new one",
    )
}

fn refused(code: RejectionCode, message: impl Into<String>) -> Judgement {
    Judgement::Refused(Refusal::new(code, message))
}

/// Where the objects of a document hang, told from its operations and without recursion.
#[derive(Clone, Default)]
struct Places {
    /// Actors by their number, so that an object's name is two numbers.
    actors: Vec<Vec<u8>>,
    objects: HashMap<(usize, u64), Place>,
    /// The highest number of any operation.
    highest: u64,
}

#[derive(Clone)]
struct Place {
    /// Field names from the root; an item of a list has the path of the list.
    path: Vec<String>,
    depth: usize,
    is_map: bool,
}

fn actor_key(actor: &automerge::ActorId) -> Vec<u8> {
    actor.to_bytes().to_vec()
}

impl Places {
    fn number_of(&mut self, actor: &automerge::ActorId) -> usize {
        let bytes = actor.to_bytes();
        if let Some(number) = self.actors.iter().position(|known| known == bytes) {
            return number;
        }
        self.actors.push(bytes.to_vec());
        self.actors.len() - 1
    }

    /// Takes in a change, and returns the paths of everything it writes.
    fn visit(&mut self, change: &legacy::Change) -> Result<BTreeSet<Vec<String>>, Refusal> {
        let undecodable = |message: String| Refusal::new(RejectionCode::Undecodable, message);
        let own = self.number_of(&change.actor_id);
        let root = Place {
            path: Vec::new(),
            depth: 0,
            is_map: true,
        };
        let mut written = BTreeSet::new();
        for (index, op) in change.operations.iter().enumerate() {
            let number = change.start_op.get().saturating_add(index as u64);
            self.highest = self.highest.max(number);
            let parent = match &op.obj {
                legacy::ObjectId::Root => Some(&root),
                legacy::ObjectId::Id(id) => self
                    .actors
                    .iter()
                    .position(|known| known == id.actor().to_bytes())
                    .and_then(|actor| self.objects.get(&(actor, id.counter()))),
            };
            let Some(parent) = parent else {
                return Err(undecodable(
                    "the change writes into something that is not there".to_owned(),
                ));
            };
            let mut path = parent.path.clone();
            let depth = parent.depth + 1;
            match (&op.key, parent.is_map) {
                (legacy::Key::Map(key), true) => {
                    // Inside a list everything counts as the list.
                    path.push(key.to_string());
                }
                (legacy::Key::Seq(_), false) => {}
                _ => return Err(undecodable("the change mixes up maps and lists".to_owned())),
            }
            if let legacy::OpType::Make(kind) = &op.action {
                if depth > MAX_NESTING {
                    return Err(Refusal::new(
                        RejectionCode::Undecodable,
                        ChunkError::TooDeep.to_string(),
                    ));
                }
                let is_map = matches!(kind, automerge::ObjType::Map | automerge::ObjType::Table);
                let place = Place {
                    path: path.clone(),
                    depth,
                    is_map,
                };
                self.objects.insert((own, number), place);
            }
            written.insert(path);
        }
        Ok(written)
    }
}

#[cfg(test)]
pub(super) fn sound_creation_of(chunk: &Chunk) -> Option<Value> {
    sound_creation(chunk, &decode(chunk).ok()?).ok().flatten()
}
