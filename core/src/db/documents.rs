//! Documents: their chunks, and the projection that lists and details are read from.
//!
//! A document that was only created keeps no view: its one change says it all and is read back without building a
//! document (`creation::read`, some 10 µs), which only a detail page asks for: lists have their own columns. Once it
//! has been edited, its view is kept beside its chunks.

mod projection;
mod remote;
mod removal;
mod rows;

use automerge::ReadDoc as _;
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde_json::Value;

use super::codec;
use crate::{
    document::{self, chunk, creation, tree},
    error::FieldError,
    model::{ChangeHash, DocumentId},
};

pub use projection::Projection;
pub(crate) use projection::{
    ANSWERED, HAPPENED, INCOMPLETE, KEPT, LEAVING, MOCKED, NEWER, OUTSIDE, day_number, day_of_number, kind_number,
    kind_of_number, searchable,
};
pub(crate) use remote::insert_found_change;
pub use remote::{Inserted, Prepared, insert_remote_change, insert_remote_snapshot, prepare};
pub use removal::{Removed, follow_customer, offer_own_again, remove, remove_leaving, remove_stream, rows_of_stream};
use rows::insert_chunk;
pub(crate) use rows::{insert_local, insert_local_edit, intern, interned, project_again};

/// How the key of a change names its document.
pub mod row_of_change {
    const SHIFT: u32 = 20;

    /// The first and the last key that the changes of a document may have.
    pub const fn range(document: i64) -> (i64, i64) {
        (document << SHIFT, (document << SHIFT) | ((1 << SHIFT) - 1))
    }

    /// The row of the document that a change belongs to.
    pub const fn document(change: i64) -> i64 {
        change >> SHIFT
    }
}

/// Where a document's row is.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) row: i64,
    pub(crate) kind: i64,
    pub(crate) stream: Option<i64>,
    pub(crate) flags: i64,
    heads: Option<Vec<u8>>,
    view: Option<Vec<u8>>,
}

/// The row of a document, with what is needed to read it.
pub(crate) fn find(connection: &Connection, id: DocumentId) -> Result<Option<Found>, FieldError> {
    Ok(connection
        .prepare_cached("SELECT row, kind, stream, flags, heads, view FROM document WHERE id = ?1")?
        .query_row([&id.as_bytes()[..]], |row| {
            Ok(Found {
                row: row.get(0)?,
                kind: row.get(1)?,
                stream: row.get(2)?,
                flags: row.get(3)?,
                heads: row.get(4)?,
                view: row.get(5)?,
            })
        })
        .optional()?)
}

/// Every chunk of the document `row`, unpacked, in the order in which they came.
pub(crate) fn chunks(connection: &Connection, row: i64) -> Result<Vec<Vec<u8>>, FieldError> {
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM change WHERE key BETWEEN ?1 AND ?2 ORDER BY key")?;
    let mut rows = statement.query(row_of_change::range(row))?;
    let mut chunks = Vec::new();
    while let Some(row) = rows.next()? {
        chunks.push(codec::unpack(
            row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?,
        )?);
    }
    Ok(chunks)
}

/// The keys of the chunks of the document `row`, with the changes that each holds.
pub(crate) fn hashes_by_chunk(connection: &Connection, row: i64) -> Result<Vec<(i64, Vec<ChangeHash>)>, FieldError> {
    let mut statement =
        connection.prepare_cached("SELECT key, hash FROM change WHERE key BETWEEN ?1 AND ?2 ORDER BY key")?;
    let mut rows = statement.query(row_of_change::range(row))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let stored = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        found.push((row.get(0)?, split_hashes(stored)));
    }
    Ok(found)
}

/// The bytes of the chunk `key`, uncompressed.
pub(crate) fn chunk_bytes(connection: &Connection, key: i64) -> Result<Vec<u8>, FieldError> {
    let packed: Vec<u8> = connection
        .prepare_cached("SELECT bytes FROM change WHERE key = ?1")?
        .query_row([key], |row| row.get(0))?;
    codec::unpack(&packed)
}

/// The id and the flags of the document `row`.
pub(crate) fn id_and_flags(connection: &Connection, row: i64) -> Result<Option<(DocumentId, i64)>, FieldError> {
    Ok(connection
        .prepare_cached("SELECT id, flags FROM document WHERE row = ?1")?
        .query_row([row], |row| Ok((DocumentId::from_bytes(row.get(0)?), row.get(1)?)))
        .optional()?)
}

/// Puts single changes in the place of the snapshots of the document `row`, so that each can be sent for itself.
pub(crate) fn split_snapshots(transaction: &Transaction<'_>, row: i64) -> Result<(), FieldError> {
    let chunks = hashes_by_chunk(transaction, row)?;
    let last = chunks.last().map(|(_, hashes)| join_hashes(hashes));
    for (key, hashes) in chunks {
        let bytes = chunk_bytes(transaction, key)?;
        if hashes.len() < 2 && !chunk::is_snapshot(&bytes) {
            continue;
        }
        // No heads written down means that the last chunk is the only head, and now another chunk becomes the last.
        transaction
            .prepare_cached("UPDATE document SET heads = coalesce(heads, ?2) WHERE row = ?1")?
            .execute((row, &last))?;
        let snapshot = document::open(&[bytes])?;
        transaction
            .prepare_cached("DELETE FROM change WHERE key = ?1")?
            .execute([key])?;
        for change in snapshot.get_changes(&[]) {
            let hash = ChangeHash(change.hash().0);
            insert_chunk(transaction, row, &[hash], &codec::pack(change.raw_bytes()))?;
        }
    }
    Ok(())
}

fn split_hashes(stored: &[u8]) -> Vec<ChangeHash> {
    let (hashes, _) = stored.as_chunks::<32>();
    hashes.iter().map(|hash| ChangeHash(*hash)).collect()
}

fn join_hashes(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The tree of a document, from its view or its only change.
pub(crate) fn tree_of(connection: &Connection, row: i64, view: Option<&[u8]>) -> Result<Value, FieldError> {
    if let Some(view) = view {
        let json = codec::unpack(view)?;
        return serde_json::from_slice(&json).map_err(|error| FieldError::Damaged(error.to_string()));
    }
    let chunks = chunks(connection, row)?;
    if let [only] = chunks.as_slice()
        && let Some(creation) = creation::read(only)
    {
        return Ok(creation.tree);
    }
    Ok(tree::of(&document::open(&chunks)?))
}

impl Found {
    /// The tree.
    pub(crate) fn tree(&self, connection: &Connection) -> Result<Value, FieldError> {
        tree_of(connection, self.row, self.view.as_deref())
    }

    /// The heads that the tree is at.
    pub(crate) fn heads(&self, connection: &Connection) -> Result<Vec<ChangeHash>, FieldError> {
        if let Some(heads) = &self.heads {
            return Ok(split_hashes(heads));
        }
        let (first, last) = row_of_change::range(self.row);
        let hash: Vec<u8> = connection
            .prepare_cached("SELECT hash FROM change WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1")?
            .query_row((first, last), |row| row.get(0))?;
        Ok(split_hashes(&hash))
    }

    /// Some of its changes are missing, or it is kept only until a backup covers it: it cannot be shown.
    pub(crate) fn is_hidden(&self) -> bool {
        self.flags & (INCOMPLETE | KEPT) != 0
    }

    /// Made by a newer version.
    pub(crate) fn is_newer(&self) -> bool {
        self.flags & NEWER != 0
    }
}

/// The bytes of one change of the document `id`, uncompressed; `None` when it is not here. A change that came in a
/// snapshot is cut out of it.
///
/// # Errors
/// [`FieldError`] of the database, or of chunks that cannot be read.
pub fn change_bytes(connection: &Connection, id: DocumentId, hash: ChangeHash) -> Result<Option<Vec<u8>>, FieldError> {
    let Some(found) = find(connection, id)? else {
        return Ok(None);
    };
    for (key, hashes) in hashes_by_chunk(connection, found.row)? {
        if !hashes.contains(&hash) {
            continue;
        }
        let packed: Vec<u8> = connection
            .prepare_cached("SELECT bytes FROM change WHERE key = ?1")?
            .query_row([key], |row| row.get(0))?;
        let bytes = codec::unpack(&packed)?;
        if !chunk::is_snapshot(&bytes) {
            return Ok(Some(bytes));
        }
        let document = document::open(&[bytes])?;
        let change = document.get_change_by_hash(&automerge::ChangeHash(hash.0));
        return Ok(change.map(|change| change.raw_bytes().to_vec()));
    }
    Ok(None)
}

/// A limit as SQLite takes it.
pub(crate) fn to_sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
