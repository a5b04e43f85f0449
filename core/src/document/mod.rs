//! Documents: what several people write, offline, kept as one small Automerge document each.
//!
//! ```text
//!  model type ── serde ──▶ JSON tree ── edit ──▶ Automerge change (a *chunk*, named by its hash)
//!  model type ◀── serde ── JSON tree ◀── view ── Automerge document (a set of chunks)
//! ```
//!
//! A document's root map holds `kind`, `schema` and the fields of its model type. [`edit()`](edit::edit) writes only the
//! difference between what a person read and what they saved, at the heads they read it at: fields that a newer version
//! added, and edits made meanwhile by somebody else, are never touched.
//!
//! **Actors.** Every change is made by a fresh random actor, never stored and never used twice, so a restored backup or
//! a cloned phone cannot make two different changes under one (actor, seq). The actor that creates a document is also
//! its [`DocumentId`].

pub mod authorship;
pub mod chunk;
pub mod creation;
pub mod disagreement;
pub mod edit;
pub mod history;
pub mod summary;
pub mod tree;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, ReadDoc as _};

pub use authorship::Authorship;
pub use chunk::{Chunk, ChunkError};
pub use creation::Creation;
pub use disagreement::{DisagreeingValue, Disagreement};
pub use edit::{EditError, NewChange, create};
pub use history::{FieldChange, HistoryEntry};
pub use summary::Summary;

use crate::model::{ChangeHash, DocumentId, DocumentKind};

/// The highest `schema` of any known kind that this build understands.
pub const SCHEMA: u32 = 1;

/// Why a document cannot be put together from its chunks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are not what was stored.
    #[error("the document's stored bytes are damaged: {0}")]
    Damaged(String),
    /// Changes it builds on are not here.
    #[error("the document waits for {} missing changes", .0.len())]
    MissingChanges(Vec<ChangeHash>),
}

/// Puts a document together from its chunks, in any order. A chunk is a single change or a snapshot of several.
///
/// Automerge panics on some damaged bytes; such a panic is caught and told as [`OpenError::Damaged`].
///
/// # Errors
/// [`OpenError`].
pub fn open<B: AsRef<[u8]>>(chunks: &[B]) -> Result<Automerge, OpenError> {
    let opened = catch_unwind(AssertUnwindSafe(|| open_unguarded(chunks)));
    opened.unwrap_or_else(|_| Err(OpenError::Damaged("Automerge panicked on them".to_owned())))
}

fn open_unguarded<B: AsRef<[u8]>>(chunks: &[B]) -> Result<Automerge, OpenError> {
    let damaged = |error: &dyn std::fmt::Display| OpenError::Damaged(error.to_string());
    let mut document = Automerge::new();
    let mut changes = Vec::with_capacity(chunks.len());
    for bytes in chunks {
        let bytes = bytes.as_ref();
        if chunk::is_snapshot(bytes) {
            document.load_incremental(bytes).map_err(|error| damaged(&error))?;
        } else {
            changes.push(chunk::verified(bytes.to_vec()).map_err(|error| damaged(&error))?);
        }
    }
    document.apply_changes(changes).map_err(|error| damaged(&error))?;
    // `apply_changes` says Ok while changes wait for dependencies that never came.
    let missing = document.get_missing_deps(&[]);
    if missing.is_empty() {
        Ok(document)
    } else {
        Err(OpenError::MissingChanges(
            missing.into_iter().map(|hash| ChangeHash(hash.0)).collect(),
        ))
    }
}

/// The newest changes of a document: those no other change builds on, in ascending order.
pub fn heads(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads: Vec<_> = document
        .get_heads()
        .into_iter()
        .map(|hash| ChangeHash(hash.0))
        .collect();
    heads.sort_unstable();
    heads
}

/// Whether all of `changes` are in a document.
pub fn holds(document: &Automerge, changes: &[ChangeHash]) -> bool {
    to_automerge(changes)
        .iter()
        .all(|hash| document.get_change_by_hash(hash).is_some())
}

/// All of a document in one chunk, for a phone that starts from nothing.
pub fn snapshot(document: &Automerge) -> Vec<u8> {
    document.save_nocompress()
}

/// The kind and schema that a document's tree declares.
pub fn declared_kind(tree: &serde_json::Value) -> (DocumentKind, u32) {
    let kind = tree.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
    let schema = tree.get("schema").and_then(serde_json::Value::as_u64).unwrap_or(1);
    (DocumentKind::from_name(kind), u32::try_from(schema).unwrap_or(u32::MAX))
}

/// The document that a creating change makes: its actor, taken as an id.
pub fn id_of_creator(actor: &[u8]) -> Option<DocumentId> {
    actor.try_into().ok().map(DocumentId::from_bytes)
}

pub(crate) fn to_automerge(hashes: &[ChangeHash]) -> Vec<automerge::ChangeHash> {
    hashes.iter().map(|hash| automerge::ChangeHash(hash.0)).collect()
}
