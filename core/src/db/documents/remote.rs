//! What comes from the server: single changes, and whole documents as snapshots.

use rusqlite::Transaction;

use super::{
    Found, KEPT, LEAVING, Projection, chunks, find, hashes_by_chunk, row_of_change,
    rows::{Written, insert_chunk, insert_incomplete, insert_row, open_and_project},
};
use crate::{
    db::{codec, outbox, search},
    document::{self, Chunk, chunk, creation},
    error::FieldError,
    model::{ChangeHash, DocumentId, DocumentKind, InvalidField, Timestamp},
};

/// A change that has been checked and packed, ready to be written.
#[derive(Clone, Debug)]
pub struct Prepared {
    document: DocumentId,
    hash: ChangeHash,
    packed: Vec<u8>,
    /// For the change that creates the document, with the words that it is found by.
    projection: Option<(Projection, String)>,
}

/// Checks, reads and packs a change that came from the server. Needs no database, so several threads can do it.
///
/// # Errors
/// [`FieldError::Invalid`] when the bytes are not a change or name no document.
pub fn prepare(document: Option<DocumentId>, bytes: &[u8]) -> Result<Prepared, FieldError> {
    // Automerge panics on some bytes that were made to do harm; the server has read them in a worker, a relay has not.
    let prepared = std::panic::catch_unwind(|| prepare_unguarded(document, bytes));
    prepared.unwrap_or_else(|_| Err(invalid("Automerge panicked on the change")))
}

fn prepare_unguarded(document: Option<DocumentId>, bytes: &[u8]) -> Result<Prepared, FieldError> {
    if let Some(creation) = creation::read(bytes)
        && document.is_none_or(|named| named == creation.document)
    {
        return Ok(Prepared {
            document: creation.document,
            hash: creation.hash,
            packed: codec::pack(bytes),
            projection: Some(projected(&creation.tree, creation.time_millis)),
        });
    }
    let bytes = bytes.to_vec();
    let chunk = Chunk::read(bytes).map_err(|error| invalid(&error.to_string()))?;
    let created = chunk.created_tree().map_err(|error| invalid(&error.to_string()))?;
    // A tree that could be read was measured while it was read; reading the operations twice would cost a pull 6 %.
    if created.is_none() && chunk.nesting() > chunk::MAX_NESTING {
        return Err(invalid(&document::ChunkError::TooDeep.to_string()));
    }
    let document = document
        .or_else(|| chunk.creates())
        .ok_or_else(|| invalid("the change names no document"))?;
    Ok(Prepared {
        document,
        hash: chunk.hash(),
        packed: codec::pack(chunk.bytes()),
        projection: created
            .filter(|_| chunk.creates() == Some(document))
            .map(|tree| projected(&tree, chunk.change().timestamp())),
    })
}

fn projected(tree: &serde_json::Value, time_millis: i64) -> (Projection, String) {
    let projection = Projection::of(tree, Timestamp::from_millis(time_millis));
    let words = projection.words();
    (projection, words)
}

fn invalid(message: &str) -> FieldError {
    FieldError::Invalid(InvalidField::new("change", message))
}

impl Prepared {
    /// The document.
    pub fn document(&self) -> DocumentId {
        self.document
    }

    /// The change's name.
    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    /// Whether it creates its document and everything that lists need of it has been read.
    pub(crate) fn is_projected(&self) -> bool {
        self.projection.is_some()
    }

    /// Its bytes, uncompressed.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, FieldError> {
        codec::unpack(&self.packed)
    }
}

/// What became of a chunk from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Stored.
    New {
        /// The document's kind; `None` while changes are missing.
        kind: Option<DocumentKind>,
        /// The key of the stored chunk.
        change: i64,
    },
    /// Was here already.
    Duplicate {
        /// The key of the chunk that holds it.
        change: i64,
    },
}

/// Moves a known document to the stream in which it came now; a document on its way out is then here to stay.
fn settle_stream(transaction: &Transaction<'_>, found: &Found, stream: Option<i64>) -> Result<(), FieldError> {
    if let Some(stream) = stream
        && (found.stream != Some(stream) || found.flags & LEAVING != 0)
    {
        transaction
            .prepare_cached("UPDATE document SET stream = ?2, flags = flags & ~?3 WHERE row = ?1")?
            .execute((found.row, stream, LEAVING | KEPT))?;
    }
    Ok(())
}

/// Stores a change that came from the server in `stream`. One that was made here is thereby acknowledged.
///
/// # Errors
/// [`FieldError`] of the database, or [`FieldError::Damaged`] when the document's own chunks cannot be read.
pub fn insert_remote_change(
    transaction: &Transaction<'_>,
    stream: Option<i64>,
    prepared: &Prepared,
) -> Result<Inserted, FieldError> {
    let found = find(transaction, prepared.document)?;
    insert_found_change(transaction, stream, prepared, found)
}

/// [`insert_remote_change`] for whoever has looked for the document already.
pub(crate) fn insert_found_change(
    transaction: &Transaction<'_>,
    stream: Option<i64>,
    prepared: &Prepared,
    found: Option<Found>,
) -> Result<Inserted, FieldError> {
    let Some(found) = found else {
        let row = match &prepared.projection {
            Some((projection, words)) => {
                let row = insert_row(transaction, prepared.document, stream, &Written::first(projection))?;
                search::put(transaction, row, words)?;
                row
            }
            None => insert_incomplete(transaction, prepared.document, stream)?,
        };
        // The first key needs no look at the others.
        let (change, _) = row_of_change::range(row);
        transaction
            .prepare_cached("INSERT INTO change (key, hash, bytes) VALUES (?1, ?2, ?3)")?
            .execute((change, &prepared.hash.0[..], &prepared.packed))?;
        let kind = match &prepared.projection {
            Some((projection, _)) => Some(projection.kind().clone()),
            // A creating change that only Automerge can read, or one whose predecessors are still to come.
            None => open_and_project(transaction, row, 0)?,
        };
        return Ok(Inserted::New { kind, change });
    };
    settle_stream(transaction, &found, stream)?;
    let known = hashes_by_chunk(transaction, found.row)?;
    if let Some((change, _)) = known.iter().find(|(_, hashes)| hashes.contains(&prepared.hash)) {
        outbox::acknowledge(transaction, *change)?;
        return Ok(Inserted::Duplicate { change: *change });
    }
    let before = chunks(transaction, found.row)?;
    let change = insert_chunk(transaction, found.row, &[prepared.hash], &prepared.packed)?;
    let kind = match open_and_project(transaction, found.row, 0) {
        // The change cannot be applied though the document is whole: the fault lies with the change, not with our file.
        Err(FieldError::Damaged(what)) if !matches!(document::open(&before), Err(document::OpenError::Damaged(_))) => {
            return Err(invalid(&what));
        }
        other => other?,
    };
    Ok(Inserted::New { kind, change })
}

/// Stores a whole document that came from the server in `stream`; changes of ours that are in it are thereby
/// acknowledged, others stay. Tells which changes the document was made of, which are not always those of the chunk that
/// holds them here.
///
/// # Errors
/// [`FieldError::Invalid`] when the bytes are no document; [`FieldError`] of the database.
pub fn insert_remote_snapshot(
    transaction: &Transaction<'_>,
    stream: Option<i64>,
    id: DocumentId,
    bytes: &[u8],
) -> Result<(Inserted, Vec<ChangeHash>), FieldError> {
    let snapshot = document::open(&[bytes]).map_err(|error| invalid(&error.to_string()))?;
    let hashes: Vec<ChangeHash> = snapshot
        .get_changes(&[])
        .iter()
        .map(|change| ChangeHash(change.hash().0))
        .collect();
    if hashes.is_empty() {
        return Err(invalid("an empty document"));
    }
    let row = match find(transaction, id)? {
        Some(found) => {
            settle_stream(transaction, &found, stream)?;
            let known = hashes_by_chunk(transaction, found.row)?;
            if let Some((change, _)) = known
                .iter()
                .find(|(_, held)| hashes.iter().all(|hash| held.contains(hash)))
            {
                return Ok((Inserted::Duplicate { change: *change }, hashes));
            }
            for (change, held) in &known {
                if held.iter().all(|hash| hashes.contains(hash)) {
                    outbox::acknowledge(transaction, *change)?;
                    transaction
                        .prepare_cached("DELETE FROM change WHERE key = ?1")?
                        .execute([change])?;
                }
            }
            found.row
        }
        None => insert_incomplete(transaction, id, stream)?,
    };
    let change = insert_chunk(transaction, row, &hashes, &codec::pack(bytes))?;
    let kind = open_and_project(transaction, row, 0)?;
    Ok((Inserted::New { kind, change }, hashes))
}
