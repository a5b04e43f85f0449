//! The streams this phone follows, and its place in each.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use crate::{
    error::FieldError,
    sync::protocol::{Cursor, StreamId},
};

/// A stream as the phone knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRow {
    /// The number under which documents and records refer to it.
    pub reference: i64,
    /// The stream.
    pub stream: StreamId,
    /// The phone's place; `None` before the first page.
    pub cursor: Option<Cursor>,
    /// The mark of the restart that is under way; 0 for none.
    pub restart: i64,
    /// Withdrawn by the server.
    pub withdrawn: bool,
    /// Up to where the server's backup covers it.
    pub backed_up: u64,
}

const COLUMNS: &str = "ref, name, lineage, seq, chain, restart, withdrawn, backed_up";

fn read(row: &Row<'_>) -> Result<StreamRow, FieldError> {
    let damaged = || FieldError::Damaged("a stream's row cannot be read".to_owned());
    let lineage: Option<[u8; 8]> = row.get("lineage")?;
    let chain: Option<[u8; 16]> = row.get("chain")?;
    let seq: u64 = row.get("seq")?;
    Ok(StreamRow {
        reference: row.get("ref")?,
        stream: StreamId::from_bytes(&row.get::<_, Vec<u8>>("name")?).ok_or_else(damaged)?,
        cursor: lineage.zip(chain).map(|(lineage, chain)| Cursor {
            lineage: lineage.into(),
            seq,
            chain: chain.into(),
        }),
        restart: row.get("restart")?,
        withdrawn: row.get("withdrawn")?,
        backed_up: row.get("backed_up")?,
    })
}

/// Every stream, in the order in which they were first heard of.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn all(connection: &Connection) -> Result<Vec<StreamRow>, FieldError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM stream ORDER BY ref"))?;
    let mut rows = statement.query([])?;
    let mut streams = Vec::new();
    while let Some(row) = rows.next()? {
        streams.push(read(row)?);
    }
    Ok(streams)
}

/// One stream; `None` when the phone does not follow it.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn find(connection: &Connection, stream: StreamId) -> Result<Option<StreamRow>, FieldError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM stream WHERE name = ?1"))?;
    let mut rows = statement.query([stream.to_bytes()])?;
    rows.next()?.map(read).transpose()
}

/// The number of a stream, which begins to be followed when it was not.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn reference(transaction: &Transaction<'_>, stream: StreamId) -> Result<i64, FieldError> {
    let name = stream.to_bytes();
    let known = transaction
        .prepare_cached("SELECT ref FROM stream WHERE name = ?1")?
        .query_row([&name], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    transaction
        .prepare_cached("INSERT INTO stream (name) VALUES (?1)")?
        .execute([&name])?;
    Ok(transaction.last_insert_rowid())
}

/// Moves the phone's place in a stream; `None` back to the beginning.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn set_cursor(transaction: &Transaction<'_>, reference: i64, cursor: Option<Cursor>) -> Result<(), FieldError> {
    let lineage = cursor.map(|it| *it.lineage);
    let chain = cursor.map(|it| *it.chain);
    transaction
        .prepare_cached("UPDATE stream SET lineage = ?2, seq = ?3, chain = ?4 WHERE ref = ?1")?
        .execute((reference, lineage, cursor.map_or(0, |it| it.seq), chain))?;
    Ok(())
}

/// Notes that a stream is read again from the beginning (a mark above 0), or no longer (0).
///
/// # Errors
/// [`FieldError`] of the database.
pub fn set_restart(transaction: &Transaction<'_>, reference: i64, mark: i64) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE stream SET restart = ?2 WHERE ref = ?1")?
        .execute((reference, mark))?;
    Ok(())
}

/// Notes that the server withdrew a stream, or gave it back.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn set_withdrawn(transaction: &Transaction<'_>, reference: i64, withdrawn: bool) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE stream SET withdrawn = ?2 WHERE ref = ?1")?
        .execute((reference, withdrawn))?;
    Ok(())
}

/// Notes up to where the server's backup covers a stream.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn set_backed_up(transaction: &Transaction<'_>, reference: i64, seq: u64) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE stream SET backed_up = ?2 WHERE ref = ?1")?
        .execute((reference, seq))?;
    Ok(())
}

/// Forgets a stream that holds nothing any more.
///
/// # Errors
/// [`FieldError`] of the database; also when a document or record still refers to it.
pub fn forget(transaction: &Transaction<'_>, reference: i64) -> Result<(), FieldError> {
    transaction
        .prepare_cached("DELETE FROM stream WHERE ref = ?1")?
        .execute([reference])?;
    Ok(())
}
