//! The index of words of documents, and what is not in it yet.
//!
//! Writing the words of one document into the full-text index costs as many pages as everything else that is recorded
//! with it, and writing those of 64 hardly more. So what is recorded here waits: the rows after the last indexed one are
//! *pending*. That needs no mark and nothing can be lost by a kill, because rows are numbered in ascending order and the
//! index itself knows its last row. A search reads the pending documents themselves; there are never more than
//! [`MOST_PENDING`], and the recording that makes them too many indexes them all.

use rusqlite::{Connection, Transaction};

use super::{
    documents::{INCOMPLETE, Projection, searchable, tree_of},
    words::{self, Query},
};
use crate::{document::Summary, error::FieldError};

/// So many documents wait for the index at most: a search reads each of them, in some 20 µs.
const MOST_PENDING: i64 = 64;

/// The last row that is in the index; 0 for none. Every row up to it has been indexed.
fn indexed_up_to(connection: &Connection) -> Result<i64, FieldError> {
    // The full-text index keeps a row of sizes for each row in it.
    Ok(connection
        .prepare_cached("SELECT coalesce(max(id), 0) FROM document_words_docsize")?
        .query_row([], |row| row.get(0))?)
}

fn insert(transaction: &Transaction<'_>, row: i64, words: &str) -> Result<(), FieldError> {
    // Also when there are none: the last row in the index tells how far it has got.
    transaction
        .prepare_cached("INSERT INTO document_words (rowid, words) VALUES (?1, ?2)")?
        .execute((row, words))?;
    Ok(())
}

/// Indexes a new document at once, and what is pending before it.
pub(super) fn put(transaction: &Transaction<'_>, row: i64, words: &str) -> Result<(), FieldError> {
    let last = indexed_up_to(transaction)?;
    if row > last + 1 {
        index_between(transaction, last, row)?;
    }
    insert(transaction, row, words)
}

/// Indexes a changed document anew, unless it is pending still.
pub(super) fn replace(transaction: &Transaction<'_>, row: i64, projection: &Projection) -> Result<(), FieldError> {
    if row > indexed_up_to(transaction)? {
        return Ok(());
    }
    transaction
        .prepare_cached("DELETE FROM document_words WHERE rowid = ?1")?
        .execute([row])?;
    insert(transaction, row, &projection.words())
}

/// Notes that a document was recorded here. It is indexed later, with others.
pub(super) fn recorded(transaction: &Transaction<'_>, row: i64) -> Result<(), FieldError> {
    let last = indexed_up_to(transaction)?;
    if row - last >= MOST_PENDING {
        index_between(transaction, last, row + 1)?;
    }
    Ok(())
}

/// Indexes the documents between two rows, which are not in the index.
fn index_between(transaction: &Transaction<'_>, after: i64, before: i64) -> Result<(), FieldError> {
    for (row, text) in texts(transaction, after, before)? {
        insert(
            transaction,
            row,
            &text.map_or_else(String::new, |text| words::index(&text)),
        )?;
    }
    Ok(())
}

/// The pending documents with these words, the newest first.
pub(super) fn pending(connection: &Connection, query: &Query) -> Result<Vec<i64>, FieldError> {
    let mut found = Vec::new();
    for (row, text) in texts(connection, indexed_up_to(connection)?, i64::MAX)? {
        if text.is_some_and(|text| query.matches(&words::index(&text)) && query.is_in(&text)) {
            found.push(row);
        }
    }
    found.reverse();
    Ok(found)
}

/// What is to be searched in each document between two rows; `None` for one that cannot be shown yet.
fn texts(connection: &Connection, after: i64, before: i64) -> Result<Vec<(i64, Option<String>)>, FieldError> {
    let mut statement =
        connection.prepare_cached("SELECT row, flags, view FROM document WHERE row > ?1 AND row < ?2 ORDER BY row")?;
    let mut rows = statement.query((after, before))?;
    let mut texts = Vec::new();
    while let Some(found) = rows.next()? {
        let (row, flags): (i64, i64) = (found.get(0)?, found.get(1)?);
        if flags & INCOMPLETE != 0 {
            texts.push((row, None));
            continue;
        }
        let view = found.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        let text = match tree_of(connection, row, view) {
            Ok(tree) => Some(searchable(&Summary::of(&tree)).to_owned()),
            // A document that is damaged is told to whoever opens it; it must not stop others from being recorded.
            Err(error) => {
                tracing::warn!(%error, row, "a document cannot be read; it is not in the index of words");
                None
            }
        };
        texts.push((row, text));
    }
    Ok(texts)
}
