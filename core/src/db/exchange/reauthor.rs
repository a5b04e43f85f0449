//! Making edits again under fresh actors, after the server holds a different change of the same actor: a restored or
//! cloned phone made it. The person's work is the same; only its name in the log is new.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Transaction;

use super::apply::Fresh;
use crate::{
    db::{codec, documents, documents::row_of_change},
    document::{self, Authorship, Chunk, NewChange, chunk::is_snapshot, edit, tree},
    error::FieldError,
    model::{ChangeHash, DeviceId, DocumentId, Timestamp, UserId},
};

/// What became of an edit.
pub(super) enum Outcome {
    /// It and what builds on it were made again.
    Again {
        /// How many changes.
        count: usize,
        /// The old name of a document that had to be given a new one.
        renamed: Option<DocumentId>,
    },
    /// The change is not on the phone (any more).
    NotHere,
    /// In words for the person.
    Impossible(String),
}

/// One unsent change and what it builds on.
struct Own {
    key: i64,
    hash: ChangeHash,
    deps: Vec<ChangeHash>,
    author: Option<Authorship>,
    creates: bool,
}

/// Makes the change of the row `key`, and the unsent changes that build on it, again.
pub(super) fn reauthor(transaction: &Transaction<'_>, key: i64, fresh: Fresh<'_>) -> Result<Outcome, FieldError> {
    let row = row_of_change::document(key);
    let Some((old_id, flags)) = documents::id_and_flags(transaction, row)? else {
        return Ok(Outcome::NotHere);
    };
    let (kept, again) = split(transaction, row, key)?;
    if again.is_empty() {
        return Ok(Outcome::NotHere);
    }
    let all: Vec<Vec<u8>> = documents::chunks(transaction, row)?;
    let old = match document::open(&all) {
        Ok(old) => old,
        Err(error) => return Ok(Outcome::Impossible(error.to_string())),
    };
    let mut id = old_id;
    let mut new = match document::open(&kept) {
        Ok(new) => new,
        Err(error) => return Ok(Outcome::Impossible(error.to_string())),
    };
    let mut renamed: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
    for own in &again {
        let author = own.author.unwrap_or(Authorship {
            user: UserId::from_bytes([0; 16]),
            device: DeviceId::from_bytes([0; 16]),
            at: Timestamp::default(),
            zone_minutes: 0,
            since_contact_millis: None,
        });
        let after = tree::at(&old, &[own.hash]);
        let made: Option<NewChange> = if own.creates {
            id = DocumentId::from_bytes(fresh()?);
            let made = document::create(id, &after, &author)?;
            new = document::open(&[&made.bytes])?;
            Some(made)
        } else {
            let before = tree::at(&old, &own.deps);
            let read_at: Vec<ChangeHash> = own
                .deps
                .iter()
                .flat_map(|dep| renamed.get(dep).cloned().unwrap_or_else(|| vec![*dep]))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            let made = edit::edit(&mut new, id, &read_at, &before, &after, fresh()?, &author)?;
            if made.is_none() {
                renamed.insert(own.hash, read_at);
            }
            made
        };
        let Some(made) = made else {
            // It changed nothing, so nothing is lost with it.
            transaction
                .prepare_cached("DELETE FROM outbox WHERE change = ?1")?
                .execute([own.key])?;
            transaction
                .prepare_cached("DELETE FROM change WHERE key = ?1")?
                .execute([own.key])?;
            continue;
        };
        renamed.insert(own.hash, vec![made.hash]);
        transaction
            .prepare_cached("UPDATE change SET hash = ?2, bytes = ?3 WHERE key = ?1")?
            .execute((own.key, &made.hash.0[..], codec::pack(&made.bytes)))?;
        transaction
            .prepare_cached("UPDATE outbox SET state = 0, code = NULL, message = NULL WHERE change = ?1")?
            .execute([own.key])?;
        transaction
            .prepare_cached("DELETE FROM reoffer WHERE document = ?1 AND hash = ?2")?
            .execute((row, &own.hash.0[..]))?;
    }
    if id != old_id {
        transaction
            .prepare_cached("UPDATE document SET id = ?2 WHERE row = ?1")?
            .execute((row, &id.as_bytes()[..]))?;
    }
    documents::project_again(transaction, row, flags & documents::LEAVING, &new)?;
    Ok(Outcome::Again {
        count: again.len(),
        renamed: (id != old_id).then_some(old_id),
    })
}

/// The chunks that stay, and the unsent changes that must be made again: that of `key` and what builds on it, each
/// after those it builds on.
fn split(transaction: &Transaction<'_>, row: i64, key: i64) -> Result<(Vec<Vec<u8>>, Vec<Own>), FieldError> {
    let (mut kept, mut again) = (Vec::new(), Vec::new());
    let mut bad: BTreeSet<ChangeHash> = BTreeSet::new();
    for (at, hashes) in documents::hashes_by_chunk(transaction, row)? {
        let bytes = documents::chunk_bytes(transaction, at)?;
        let [hash] = hashes[..] else {
            kept.push(bytes);
            continue;
        };
        if is_snapshot(&bytes) {
            kept.push(bytes);
            continue;
        }
        let chunk = Chunk::read(bytes.clone()).map_err(|error| FieldError::Damaged(error.to_string()))?;
        let deps = chunk.deps();
        if at == key || deps.iter().any(|dep| bad.contains(dep)) {
            bad.insert(hash);
            again.push(Own {
                key: at,
                hash,
                deps,
                author: chunk.authorship(),
                creates: chunk.creates().is_some(),
            });
        } else {
            kept.push(bytes);
        }
    }
    Ok((kept, again))
}
