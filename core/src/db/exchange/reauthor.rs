//! Making edits again under fresh actors, after the server holds a different change of the same actor: a restored or
//! cloned phone made it. The person's work is the same; only its name in the log is new.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Transaction;

use super::apply::Fresh;
use crate::{
    db::{codec, documents, documents::row_of_change, outbox},
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
        /// The old and the new name of a document that had to be given another one.
        renamed: Option<(DocumentId, DocumentId)>,
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
    make_again(transaction, key, None, fresh)
}

/// Makes the unsent reviews about the document that was called `old` again, about the one that is called `new` now. What
/// a review is about cannot be changed once it is recorded, so they wait for their subject (`outbox::waiting`): none of
/// them can have been sent.
pub(super) fn follow(
    transaction: &Transaction<'_>,
    (old, new): (DocumentId, DocumentId),
    fresh: Fresh<'_>,
) -> Result<usize, FieldError> {
    let keys: Vec<i64> = transaction
        .prepare_cached(
            "SELECT o.change FROM document d JOIN outbox o ON o.change = d.row << 20
             WHERE d.about = ?1 AND o.state < 2 AND NOT o.relayed ORDER BY o.seq",
        )?
        .query_map([&old.as_bytes()[..]], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut again = 0;
    for key in keys {
        if let Outcome::Again { count, .. } = make_again(transaction, key, Some((old, new)), fresh)? {
            again += count;
        }
    }
    Ok(again)
}

/// Lets a tree that was about `old` be about `new`.
fn redirect(tree: &mut serde_json::Value, renamed: Option<(DocumentId, DocumentId)>) {
    let Some((old, new)) = renamed else { return };
    if let Some(about) = tree.get_mut("about")
        && about.as_str() == Some(old.to_string().as_str())
    {
        *about = new.to_string().into();
    }
}

fn make_again(
    transaction: &Transaction<'_>,
    key: i64,
    about: Option<(DocumentId, DocumentId)>,
    fresh: Fresh<'_>,
) -> Result<Outcome, FieldError> {
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
        let mut after = tree::at(&old, &[own.hash]);
        redirect(&mut after, about);
        let made: Option<NewChange> = if own.creates {
            id = DocumentId::from_bytes(fresh()?);
            let made = document::create(id, &after, &author)?;
            new = document::open(&[&made.bytes])?;
            Some(made)
        } else {
            let mut before = tree::at(&old, &own.deps);
            redirect(&mut before, about);
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
        let offered = transaction
            .prepare_cached("DELETE FROM reoffer WHERE document = ?1 AND hash = ?2")?
            .execute((row, &own.hash.0[..]))?;
        if offered > 0 && flags & documents::LEAVING != 0 {
            outbox::offer_one_again(transaction, row, made.hash)?;
        }
    }
    if id != old_id {
        transaction
            .prepare_cached("UPDATE document SET id = ?2 WHERE row = ?1")?
            .execute((row, &id.as_bytes()[..]))?;
    }
    documents::project_again(transaction, row, flags & documents::LEAVING, &new)?;
    Ok(Outcome::Again {
        count: again.len(),
        renamed: (id != old_id).then_some((old_id, id)),
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
