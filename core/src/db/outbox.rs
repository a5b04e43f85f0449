//! What the server has not acknowledged yet. A row leaves only when the server has the change, never by a clean-up.

use rusqlite::{Connection, Transaction};

use super::{codec, documents::row_of_change};
use crate::{
    error::FieldError,
    model::{ChangeHash, DocumentId},
};

/// How an entry of the outbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    /// To be pushed.
    Waiting,
    /// The server refused it; it stays for the person to see.
    Rejected,
    /// Its stream was withdrawn; a copy is in the server's quarantine.
    Quarantined,
}

impl OutboxState {
    /// The stored number.
    pub const fn as_number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Rejected => 1,
            Self::Quarantined => 2,
        }
    }
}

/// A change that waits to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingChange {
    /// Its place in the queue.
    pub seq: i64,
    /// The key of its row in the table of changes.
    pub change: i64,
    /// The document.
    pub document: DocumentId,
    /// Its name.
    pub hash: ChangeHash,
    /// Its bytes, uncompressed.
    pub bytes: Vec<u8>,
    /// Made by somebody else, or on the device that this phone was before it was enrolled anew.
    pub relayed: bool,
}

/// A change that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its place in the queue.
    pub seq: i64,
    /// The document.
    pub document: DocumentId,
    /// Its name.
    pub hash: ChangeHash,
    /// The server's code.
    pub code: u32,
    /// The server's words for the person.
    pub message: String,
    /// The person has seen it.
    pub dismissed: bool,
}

/// Puts a change at the end of the queue. Putting it there twice changes nothing.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn add(transaction: &Transaction<'_>, change: i64, relayed: bool) -> Result<(), FieldError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO outbox (change, relayed) VALUES (?1, ?2)")?
        .execute((change, relayed))?;
    Ok(())
}

/// Marks everything that waits as made on another device than the one that will push it: the phone was enrolled anew.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn relay_all(transaction: &Transaction<'_>) -> Result<(), FieldError> {
    transaction.execute("UPDATE outbox SET relayed = 1 WHERE state = 0", [])?;
    Ok(())
}

/// The next changes to push after the place `after`, in the order in which they were made, at most `limit` of them and
/// about `budget` bytes (always at least one). A review waits until the server has what it is about: should that turn out
/// to need another name, the review can still be made again about it.
///
/// # Errors
/// [`FieldError`] of the database, or of a chunk that cannot be read.
pub fn waiting(
    connection: &Connection,
    after: i64,
    limit: usize,
    budget: usize,
) -> Result<Vec<WaitingChange>, FieldError> {
    let mut statement = connection.prepare_cached(
        "SELECT o.seq, o.change, o.relayed, d.id, c.hash, c.bytes
         FROM outbox o JOIN change c ON c.key = o.change JOIN document d ON d.row = (o.change >> 20)
         WHERE o.state = 0 AND o.seq > ?1
           AND (d.about IS NULL OR NOT EXISTS (
                SELECT 1 FROM document s JOIN outbox w ON w.change = s.row << 20 AND w.state = 0 WHERE s.id = d.about))
         ORDER BY o.seq LIMIT ?2",
    )?;
    let mut rows = statement.query((after, limit))?;
    let (mut found, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let bytes = codec::unpack(row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?)?;
        size += bytes.len();
        if size > budget && !found.is_empty() {
            break;
        }
        found.push(WaitingChange {
            seq: row.get(0)?,
            change: row.get(1)?,
            relayed: row.get(2)?,
            document: DocumentId::from_bytes(row.get(3)?),
            hash: ChangeHash(row.get(4)?),
            bytes,
        });
    }
    Ok(found)
}

/// Whether the change `hash` of the document `row` is to be pushed.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn is_waiting(connection: &Connection, row: i64, hash: ChangeHash) -> Result<bool, FieldError> {
    let (first, last) = row_of_change::range(row);
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outbox o JOIN change c ON c.key = o.change
                            WHERE o.change BETWEEN ?1 AND ?2 AND o.state = 0 AND c.hash = ?3)",
        )?
        .query_row((first, last, &hash.0[..]), |row| row.get(0))?)
}

/// How many changes wait.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn count_waiting(connection: &Connection) -> Result<usize, FieldError> {
    Ok(connection
        // Counting a whole table is quick, and little is refused.
        .prepare_cached("SELECT (SELECT count(*) FROM outbox) - (SELECT count(*) FROM outbox WHERE state <> 0)")?
        .query_row([], |row| row.get(0))?)
}

/// The server did not look at the change yet: what is behind it gets its turn first.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn put_last(transaction: &Transaction<'_>, change: i64) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE outbox SET seq = (SELECT max(seq) + 1 FROM outbox) WHERE change = ?1")?
        .execute([change])?;
    Ok(())
}

/// The server has the change: it leaves the queue.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn acknowledge(transaction: &Transaction<'_>, change: i64) -> Result<(), FieldError> {
    transaction
        .prepare_cached("DELETE FROM outbox WHERE change = ?1")?
        .execute([change])?;
    Ok(())
}

/// The server refused the change: it stays, with the reason.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn reject(transaction: &Transaction<'_>, change: i64, code: u32, message: &str) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE outbox SET state = 1, code = ?2, message = ?3, dismissed = 0 WHERE change = ?1")?
        .execute((change, code, message))?;
    Ok(())
}

/// The change is kept by the server's quarantine, because its stream was withdrawn.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn quarantine(transaction: &Transaction<'_>, change: i64) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE outbox SET state = 2 WHERE change = ?1")?
        .execute([change])?;
    Ok(())
}

/// What the server refused, oldest first.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn rejected(connection: &Connection) -> Result<Vec<RejectedRow>, FieldError> {
    let mut statement = connection.prepare_cached(
        "SELECT o.seq, d.id, c.hash, o.code, o.message, o.dismissed
         FROM outbox o JOIN change c ON c.key = o.change JOIN document d ON d.row = (o.change >> 20)
         WHERE o.state <> 0 AND o.state = 1 ORDER BY o.seq",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(RejectedRow {
            seq: row.get(0)?,
            document: DocumentId::from_bytes(row.get(1)?),
            hash: ChangeHash(row.get(2)?),
            code: row.get::<_, Option<u32>>(3)?.unwrap_or_default(),
            message: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
            dismissed: row.get(5)?,
        });
    }
    Ok(found)
}

/// Hides the notice of a refused change. The change itself stays.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn dismiss(transaction: &Transaction<'_>, hash: ChangeHash) -> Result<bool, FieldError> {
    let changed = transaction
        .prepare_cached(
            "UPDATE outbox SET dismissed = 1
             WHERE state <> 0 AND state = 1
             AND change IN (SELECT c.key FROM outbox o JOIN change c ON c.key = o.change
                            WHERE o.state <> 0 AND c.hash = ?1)",
        )?
        .execute([&hash.0[..]])?;
    Ok(changed > 0)
}

/// Whether anything of the document `row` has not been acknowledged. Somebody else's change that was relayed and refused
/// is in the server's quarantine and holds nothing up.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn holds_document(connection: &Connection, row: i64) -> Result<bool, FieldError> {
    let (first, last) = row_of_change::range(row);
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE change BETWEEN ?1 AND ?2 AND state <> 2
             AND NOT (state = 1 AND relayed AND dismissed))",
        )?
        .query_row((first, last), |row| row.get(0))?)
}

/// Queues every change of the document `row` to be offered again by name.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offer_again(transaction: &Transaction<'_>, row: i64) -> Result<(), FieldError> {
    for (_, hashes) in super::documents::hashes_by_chunk(transaction, row)? {
        for hash in hashes {
            offer_one_again(transaction, row, hash)?;
        }
    }
    Ok(())
}

/// Queues one change of the document `row` to be offered again by name.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offer_one_again(transaction: &Transaction<'_>, row: i64, hash: ChangeHash) -> Result<(), FieldError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO reoffer (document, hash) VALUES (?1, ?2)")?
        .execute((row, &hash.0[..]))?;
    Ok(())
}

/// Has a change of the document `row` offered again once the phone has read every stream to its end: the reply that
/// acknowledged it ended before the change came by in its stream.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offer_when_read(transaction: &Transaction<'_>, row: i64, hash: ChangeHash) -> Result<(), FieldError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO unsettled (document, hash) VALUES (?1, ?2)")?
        .execute((row, &hash.0[..]))?;
    Ok(())
}

/// Every stream has been read to its end: what [`offer_when_read`] noted is offered next.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offer_what_was_noted(transaction: &Transaction<'_>) -> Result<(), FieldError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO reoffer (document, hash) SELECT document, hash FROM unsettled")?
        .execute([])?;
    transaction.prepare_cached("DELETE FROM unsettled")?.execute([])?;
    Ok(())
}

/// The next changes to offer by name: the document's row, its id, the change.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offers(connection: &Connection, limit: usize) -> Result<Vec<(i64, DocumentId, ChangeHash)>, FieldError> {
    let mut statement = connection.prepare_cached(
        "SELECT r.document, d.id, r.hash FROM reoffer r JOIN document d ON d.row = r.document
         ORDER BY r.document, r.hash LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        Ok((
            row.get(0)?,
            DocumentId::from_bytes(row.get(1)?),
            ChangeHash(row.get(2)?),
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The server has answered an offer.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn offered(transaction: &Transaction<'_>, row: i64, hash: ChangeHash) -> Result<(), FieldError> {
    transaction
        .prepare_cached("DELETE FROM reoffer WHERE document = ?1 AND hash = ?2")?
        .execute((row, &hash.0[..]))?;
    Ok(())
}
