//! The index of words of documents. What came in waits for it; see `migrations/0009_words.sql`.

use fieldledger_core::{document::Summary, rules::words};
use rusqlite::Connection;
use serde_json::Value;

use crate::store::StoreError;

/// Notes that the document in this row has changed.
pub(super) fn waits(connection: &Connection, row: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO document_unindexed (document) VALUES (?1)")?
        .execute([row])?;
    Ok(())
}

/// Indexes at most so many of the documents that wait; returns how many were.
pub(super) fn index(connection: &Connection, most: u32) -> Result<u32, StoreError> {
    let waiting: Vec<(i64, Option<String>)> = connection
        .prepare_cached(
            "SELECT waiting.document, document.tree FROM document_unindexed waiting
             LEFT JOIN document ON document.id = waiting.document ORDER BY waiting.document LIMIT ?1",
        )?
        .query_map([most], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut forget = connection.prepare_cached("DELETE FROM document_words WHERE rowid = ?1")?;
    let mut insert = connection.prepare_cached("INSERT INTO document_words (rowid, words) VALUES (?1, ?2)")?;
    let mut done = connection.prepare_cached("DELETE FROM document_unindexed WHERE document = ?1")?;
    let mut count = 0;
    for (row, tree) in waiting {
        forget.execute([row])?;
        if let Some(tree) = tree {
            insert.execute((row, words::index(&searchable(&tree))))?;
        }
        done.execute([row])?;
        count += 1;
    }
    Ok(count)
}

/// How many documents wait.
pub(super) fn waiting(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM document_unindexed")?
        .query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// What is searched of a document: everything that a person wrote in it. A tree that cannot be read holds no words;
/// `verify` tells of it.
pub(super) fn searchable(tree: &str) -> String {
    let Ok(tree) = serde_json::from_str::<Value>(tree) else {
        return String::new();
    };
    let summary = Summary::of(&tree);
    if summary.text.is_empty() {
        summary.title
    } else {
        summary.text
    }
}
