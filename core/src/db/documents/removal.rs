//! Documents that leave: their stream, or this phone. What is unsent never does.

use rusqlite::{Connection, Transaction};

use super::{KEPT, LEAVING, find, row_of_change, to_sql_limit};
use crate::{
    db::{kept, outbox},
    error::FieldError,
    model::{DocumentId, UserId},
};

/// What became of a document that left a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Gone from this phone.
    Gone,
    /// Something of it is unsent, or covered by no backup: it stays until [`remove_leaving`] finds that it is.
    Kept,
    /// Not here, or here by another stream.
    NotHere,
}

/// Takes a document away because it left `stream`. Never takes away what is unsent or was refused.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove(transaction: &Transaction<'_>, stream: i64, id: DocumentId) -> Result<Removed, FieldError> {
    match find(transaction, id)? {
        Some(found) if found.stream == Some(stream) => remove_row(transaction, found.row),
        _ => Ok(Removed::NotHere),
    }
}

/// Keeps a document without a stream, to be taken away by [`remove_leaving`].
fn leave_later(transaction: &Transaction<'_>, row: i64) -> Result<Removed, FieldError> {
    transaction
        .prepare_cached("UPDATE document SET flags = flags | ?2, stream = NULL WHERE row = ?1")?
        .execute((row, LEAVING))?;
    Ok(Removed::Kept)
}

/// Queues what `user` wrote in the documents of a stream to be offered again by name.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offer_own_again(transaction: &Transaction<'_>, stream: i64, user: UserId) -> Result<(), FieldError> {
    const AT_ONCE: usize = 1_000;
    let mut after = 0;
    loop {
        let rows = rows_of_stream(transaction, stream, after, AT_ONCE)?;
        for row in &rows {
            kept::note_own(transaction, *row, user)?;
        }
        match rows.last() {
            Some(last) => after = *last,
            None => return Ok(()),
        }
    }
}

/// The documents about a customer live where the customer does. One that was pushed while the customer moved is in the
/// new stream without ever having been in an entry for this phone.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn follow_customer(
    transaction: &Transaction<'_>,
    customer: i64,
    stream: i64,
    restarting: bool,
) -> Result<(), FieldError> {
    if restarting {
        // They are not among those that are offered again when their old stream restarts.
        let rows: Vec<i64> = transaction
            .prepare_cached("SELECT row FROM document WHERE customer = ?1 AND stream IS NOT ?2")?
            .query_map((customer, stream), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for row in rows {
            outbox::offer_again(transaction, row)?;
        }
    }
    transaction
        .prepare_cached(
            "UPDATE document SET stream = ?2, flags = flags & ~?3 WHERE customer = ?1 AND stream IS NOT ?2",
        )?
        .execute((customer, stream, LEAVING | KEPT))?;
    Ok(())
}

fn remove_row(transaction: &Transaction<'_>, row: i64) -> Result<Removed, FieldError> {
    // What is still to be offered again may be all that is left of it: the server was restored, or may be.
    if outbox::holds_document(transaction, row)? || kept::is_awaited(transaction, row)? {
        return leave_later(transaction, row);
    }
    let (first, last) = row_of_change::range(row);
    transaction
        .prepare_cached("DELETE FROM outbox WHERE change BETWEEN ?1 AND ?2")?
        .execute((first, last))?;
    transaction
        .prepare_cached("DELETE FROM reoffer WHERE document = ?1")?
        .execute([row])?;
    transaction
        .prepare_cached("DELETE FROM unsettled WHERE document = ?1")?
        .execute([row])?;
    transaction
        .prepare_cached("DELETE FROM change WHERE key BETWEEN ?1 AND ?2")?
        .execute((first, last))?;
    transaction
        .prepare_cached("DELETE FROM document_words WHERE rowid = ?1")?
        .execute([row])?;
    transaction
        .prepare_cached("DELETE FROM document WHERE row = ?1")?
        .execute([row])?;
    Ok(Removed::Gone)
}

/// Takes away up to `limit` documents of a withdrawn stream. Returns how many are gone and how many stay because
/// something of them is unsent; call it until both are 0.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove_stream(transaction: &Transaction<'_>, stream: i64, limit: usize) -> Result<(usize, usize), FieldError> {
    remove_rows(
        transaction,
        "SELECT row FROM document WHERE stream = ?1 LIMIT ?2",
        (Some(stream), to_sql_limit(limit)),
    )
}

/// Takes away documents that left their stream while something of them was unsent, or not covered by a backup, and is
/// now.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove_leaving(transaction: &Transaction<'_>) -> Result<usize, FieldError> {
    let (gone, _) = remove_rows(
        transaction,
        // The number of `LEAVING`, word for word as in the index of what leaves.
        "SELECT row FROM document WHERE flags & 32 <> 0 AND stream IS ?1
         AND (NOT EXISTS (SELECT 1 FROM reoffer WHERE reoffer.document = document.row)
              OR EXISTS (SELECT 1 FROM outbox WHERE change BETWEEN row << 20 AND (row << 20) + 1048575)) LIMIT ?2",
        (None, i64::MAX),
    )?;
    Ok(gone)
}

fn remove_rows(transaction: &Transaction<'_>, sql: &str, of: (Option<i64>, i64)) -> Result<(usize, usize), FieldError> {
    let rows: Vec<i64> = transaction
        .prepare_cached(sql)?
        .query_map(of, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let (mut gone, mut kept) = (0, 0);
    for row in rows {
        match remove_row(transaction, row)? {
            Removed::Gone => gone += 1,
            Removed::Kept => kept += 1,
            Removed::NotHere => {}
        }
    }
    Ok((gone, kept))
}

/// The rows of the documents of a stream after the row `after`, to go through them in pages.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn rows_of_stream(connection: &Connection, stream: i64, after: i64, limit: usize) -> Result<Vec<i64>, FieldError> {
    Ok(connection
        .prepare_cached("SELECT row FROM document WHERE stream = ?1 AND row > ?2 ORDER BY row LIMIT ?3")?
        .query_map((stream, after, to_sql_limit(limit)), |row| row.get(0))?
        .collect::<Result<_, _>>()?)
}
