//! Making changes: a new document, or the difference between what was read and what is saved.

use automerge::{
    ActorId, Automerge, ObjId, ObjType, ROOT, ReadDoc, transaction::CommitOptions, transaction::Transactable,
};
use serde_json::{Map, Value};

use super::{Authorship, heads, id_of_creator, to_automerge, tree};
use crate::model::{ChangeHash, DocumentId, DocumentModel};

/// A change that has been made and must now be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// The document.
    pub document: DocumentId,
    /// The change's name.
    pub hash: ChangeHash,
    /// Its bytes, uncompressed.
    pub bytes: Vec<u8>,
    /// The document's heads after it.
    pub heads: Vec<ChangeHash>,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The heads that the value was read at are not in the document.
    #[error("the document does not hold the version this edit was based on")]
    UnknownVersion,
    /// A value that is not a map at its root.
    #[error("a document must be a map")]
    NotAMap,
    /// Automerge refused.
    #[error("the change could not be made: {0}")]
    Automerge(String),
}

impl From<automerge::AutomergeError> for EditError {
    fn from(error: automerge::AutomergeError) -> Self {
        Self::Automerge(error.to_string())
    }
}

/// The tree under which a model value is stored: its fields, its kind and its schema.
///
/// # Errors
/// Only when the value cannot be written as JSON, which no model type does.
pub fn tree_of<T: DocumentModel>(value: &T) -> Result<Value, EditError> {
    let mut tree = serde_json::to_value(value).map_err(|error| EditError::Automerge(error.to_string()))?;
    let root = tree.as_object_mut().ok_or(EditError::NotAMap)?;
    root.insert("kind".to_owned(), Value::String(T::KIND.as_str().to_owned()));
    root.insert("schema".to_owned(), Value::from(T::SCHEMA));
    Ok(tree)
}

/// Makes a new document that holds `tree`. `id` must be fresh and random: it becomes the actor of the creating change.
///
/// # Errors
/// [`EditError`].
pub fn create(id: DocumentId, tree: &Value, authorship: &Authorship) -> Result<NewChange, EditError> {
    let root = tree.as_object().ok_or(EditError::NotAMap)?;
    let mut document = Automerge::new().with_actor(ActorId::from(id.as_bytes().as_slice()));
    let mut transaction = document.transaction();
    transaction.init_root_from_hydrate(&tree::map_to_hydrate(root))?;
    let (hash, _) = transaction.commit_with(commit_options(authorship));
    let hash = hash.ok_or(EditError::NotAMap)?;
    let change = document.get_change_by_hash(&hash).ok_or(EditError::UnknownVersion)?;
    Ok(NewChange {
        document: id,
        hash: ChangeHash(hash.0),
        bytes: change.raw_bytes().to_vec(),
        heads: vec![ChangeHash(hash.0)],
    })
}

/// Writes the difference between `before` and `after` into `document`, as an edit made at the heads `read_at`, and
/// merges it with whatever came since. `actor` must be fresh and random. `None` when nothing differs.
///
/// # Errors
/// [`EditError`]; the document is then as it was.
pub fn edit(
    document: &mut Automerge,
    id: DocumentId,
    read_at: &[ChangeHash],
    before: &Value,
    after: &Value,
    actor: [u8; 16],
    authorship: &Authorship,
) -> Result<Option<NewChange>, EditError> {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return Err(EditError::NotAMap);
    };
    if old == new {
        return Ok(None);
    }
    debug_assert!(
        id_of_creator(&actor) != Some(id),
        "an edit never reuses the actor that created the document"
    );
    let base = to_automerge(read_at);
    if !super::holds(document, read_at) {
        return Err(EditError::UnknownVersion);
    }
    document.set_actor(ActorId::from(actor.as_slice()));
    let at_present = heads(document) == {
        let mut sorted = read_at.to_vec();
        sorted.sort_unstable();
        sorted
    };
    let mut transaction = if at_present {
        document.transaction()
    } else {
        document
            .transaction_at(automerge::PatchLog::inactive(), &base)
            .map_err(|error| EditError::Automerge(error.to_string()))?
    };
    write_differences(&mut transaction, &ROOT, old, new)?;
    let (hash, _) = transaction.commit_with(commit_options(authorship));
    let Some(hash) = hash else { return Ok(None) };
    let change = document.get_change_by_hash(&hash).ok_or(EditError::UnknownVersion)?;
    Ok(Some(NewChange {
        document: id,
        hash: ChangeHash(hash.0),
        bytes: change.raw_bytes().to_vec(),
        heads: heads(document),
    }))
}

/// Settles a disagreement: writes `chosen` at `path` as a change of its own, over every value that is there now, even
/// over an equal one. `None` when there is no such field.
///
/// # Errors
/// [`EditError`]; the document is then as it was.
pub fn settle(
    document: &mut Automerge,
    id: DocumentId,
    path: &[String],
    chosen: &Value,
    actor: [u8; 16],
    authorship: &Authorship,
) -> Result<Option<NewChange>, EditError> {
    let mut before = tree::of(document);
    let mut after = before.clone();
    let Some((there, slot)) = value_at(&mut before, path).zip(value_at(&mut after, path)) else {
        return Ok(None);
    };
    // Edits are differences, and a map is edited in place: against a value that nobody wrote, the chosen one is
    // written whole.
    *there = if chosen.is_null() {
        Value::Bool(true)
    } else {
        Value::Null
    };
    *slot = chosen.clone();
    let read_at = heads(document);
    edit(document, id, &read_at, &before, &after, actor, authorship)
}

fn value_at<'t>(tree: &'t mut Value, path: &[String]) -> Option<&'t mut Value> {
    path.iter().try_fold(tree, |value, name| value.get_mut(name))
}

fn commit_options(authorship: &Authorship) -> CommitOptions {
    CommitOptions::default()
        .with_message(authorship.to_message())
        .with_time(authorship.at.as_millis())
}

/// Writes what differs between two maps into the object they stand for. Recursion is bounded by the model types.
fn write_differences(
    transaction: &mut impl Transactable,
    object: &ObjId,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<(), EditError> {
    for (key, value) in new {
        let before = old.get(key);
        if before == Some(value) {
            continue;
        }
        match (before, value) {
            (Some(Value::Object(before)), Value::Object(after)) => match transaction.get(object, key.as_str())? {
                Some((automerge::Value::Object(ObjType::Map), child)) => {
                    write_differences(transaction, &child, before, after)?;
                }
                // The model's default stands for a map that an older version never wrote.
                _ => put(transaction, object, key, value)?,
            },
            _ => put(transaction, object, key, value)?,
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        if transaction.get(object, key.as_str())?.is_some() {
            transaction.delete(object, key.as_str())?;
        }
    }
    Ok(())
}

fn put(transaction: &mut impl Transactable, object: &ObjId, key: &str, value: &Value) -> Result<(), EditError> {
    match tree::to_scalar(value) {
        Some(scalar) => transaction.put(object, key, scalar)?,
        None => {
            transaction.batch_create_object(object, key, &tree::to_hydrate(value), false)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::{
        document::{disagreement::disagreements, open},
        model::{DeviceId, Timestamp, UserId},
    };

    /// A document about whose field two people who knew nothing of each other wrote `one` and `other`.
    fn disagreed(one: Value, other: Value) -> Automerge {
        let authorship = authorship();
        let base = json!({ "kind": "visit" });
        let created = create(DocumentId::from_bytes([1; 16]), &base, &authorship).unwrap();
        let mut chunks = vec![created.bytes.clone()];
        for (actor, value) in [(2, one), (3, other)] {
            let mut copy = open(&chunks[..1]).unwrap();
            let mut after = base.clone();
            after["outcome"] = value;
            let made = edit(
                &mut copy,
                created.document,
                &created.heads,
                &base,
                &after,
                [actor; 16],
                &authorship,
            );
            chunks.push(made.unwrap().unwrap().bytes);
        }
        open(&chunks).unwrap()
    }

    fn authorship() -> Authorship {
        Authorship {
            user: UserId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            at: Timestamp::from_millis(3),
            zone_minutes: 0,
            since_contact_millis: None,
        }
    }

    #[test]
    fn a_settled_field_holds_the_chosen_value_whole_and_nobody_disagrees_any_more() {
        let pairs = [
            (json!("yes"), json!("no")),
            (json!({ "at": 1, "who": "Li" }), json!({ "at": 2 })),
            (json!({ "at": 1 }), json!("no")),
            (Value::Null, json!("no")),
        ];
        let path = ["outcome".to_owned()];
        for (one, other) in pairs {
            for chosen in [&one, &other] {
                let mut document = disagreed(one.clone(), other.clone());
                assert_eq!(disagreements(&document).len(), 1);
                let id = DocumentId::from_bytes([1; 16]);
                let made = settle(&mut document, id, &path, chosen, [4; 16], &authorship()).unwrap();
                assert!(made.is_some());
                assert_eq!(disagreements(&document), []);
                assert_eq!(&tree::of(&document)["outcome"], chosen);
            }
        }
        let mut document = disagreed(json!(1), json!(2));
        let nowhere = ["no".to_owned(), "where".to_owned()];
        let id = DocumentId::from_bytes([1; 16]);
        assert_eq!(
            settle(&mut document, id, &nowhere, &json!(1), [4; 16], &authorship()),
            Ok(None)
        );
    }
}
