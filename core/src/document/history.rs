//! What happened to a document, change by change.

use automerge::Automerge;
use serde_json::Value;

use super::{Authorship, tree};
use crate::model::ChangeHash;

/// One change of a document.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct HistoryEntry {
    /// The change.
    pub hash: ChangeHash,
    /// The changes it builds on; two entries with the same ones were made without knowing of each other.
    pub deps: Vec<ChangeHash>,
    /// Who made it; `None` when it was not made by Fieldledger.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub author: Option<Authorship>,
    /// What it changed.
    pub changed: Vec<FieldChange>,
}

/// One field that a change touched.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct FieldChange {
    /// The field, as names from the root.
    pub path: Vec<String>,
    /// What was there; `None` for nothing.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub before: Option<Value>,
    /// What is there; `None` when it was taken away.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub after: Option<Value>,
}

/// The changes of `document`, each after those it builds on.
pub fn history(document: &Automerge) -> Vec<HistoryEntry> {
    document
        .get_changes(&[])
        .into_iter()
        .map(|change| {
            let hash = ChangeHash(change.hash().0);
            let deps: Vec<ChangeHash> = change.deps().iter().map(|dep| ChangeHash(dep.0)).collect();
            HistoryEntry {
                hash,
                author: change
                    .message()
                    .and_then(|it| Authorship::from_message(it, change.timestamp())),
                changed: changed_by(document, hash, &deps),
                deps,
            }
        })
        .collect()
}

/// What the change `hash`, building on `deps`, changed in `document`.
pub fn changed_by(document: &Automerge, hash: ChangeHash, deps: &[ChangeHash]) -> Vec<FieldChange> {
    let before = if deps.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        tree::at(document, deps)
    };
    tree::differences(&before, &tree::at(document, &[hash]))
        .into_iter()
        .map(|(path, before, after)| FieldChange { path, before, after })
        .collect()
}
