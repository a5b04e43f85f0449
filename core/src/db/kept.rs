//! What left this phone's streams (a customer moved, a territory was taken away) and is kept until a backup of the server
//! covers it: a server restored from an older backup must find it here again.
//!
//! Such a document carries the flag `LEAVING` and no stream. Its rows in the table of offers are the changes that no
//! backup is known to cover yet; when none is left, and nothing of it is unsent, it goes. The server is asked for them by
//! name in *rounds*, and not in every exchange: after a document left, after news of a backup or of a restore, and from
//! time to time.

use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

use super::{
    documents::{self, KEPT, LEAVING, row_of_change},
    meta, outbox,
};
use crate::{
    document::{self, Authorship, Chunk, chunk},
    error::FieldError,
    model::{ChangeHash, DocumentId, DocumentKind, Timestamp, UserId},
};

/// Time between two rounds when nothing else asks for one: a backup may have been made of which this phone gets no news,
/// because nothing it follows was written in between.
const ROUND_EVERY_MILLIS: i64 = 3_600_000;
/// The same while the server has never told of a backup: what is kept may then be much, and waits for an operator.
const ROUND_WITHOUT_BACKUPS_MILLIS: i64 = 24 * 3_600_000;

/// Key of [`Rounds`] among the small facts.
const ROUNDS: &str = "kept_rounds";

/// How far the phone is with asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rounds {
    /// A round is under way.
    under_way: bool,
    /// The last offer that was answered in it: the row of its document, and the change.
    after: (i64, Vec<u8>),
    /// How many changes were kept when the last round began, or fewer.
    kept: usize,
    /// When it ended, or the one under way began, by the server's clock.
    ended_at: Timestamp,
    /// The server has told of a backup.
    backups: bool,
}

/// Offers that are to be made: of documents that leave, and not of what is in the queue itself. The number of `LEAVING`
/// stands here, and elsewhere, word for word as in the index of what leaves.
const ASKABLE: &str = "FROM reoffer r JOIN document d ON d.row = r.document
     WHERE d.flags & 32 <> 0 AND d.stream IS NULL AND (r.document, r.hash) > (?1, ?2)
       AND NOT EXISTS (SELECT 1 FROM outbox o JOIN change c ON c.key = o.change
                       WHERE o.change BETWEEN d.row << 20 AND (d.row << 20) + 1048575 AND c.hash = r.hash)";
const _: () = assert!(LEAVING == 32);

/// What of an exchange matters for the next round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Happened {
    /// The last offer of a kept document that was answered.
    pub(crate) answered: Option<(i64, ChangeHash)>,
    /// A document left, or the server told of a backup, or its history began anew.
    pub(crate) ask: bool,
    /// The server told of a backup.
    pub(crate) backups: bool,
}

/// Notes what `user` wrote in the document `row`: it is to be kept when the document leaves.
///
/// # Errors
/// [`FieldError`] of the database, or of chunks that cannot be read.
pub(crate) fn note_own(transaction: &Transaction<'_>, row: i64, user: UserId) -> Result<(), FieldError> {
    for (key, hashes) in documents::hashes_by_chunk(transaction, row)? {
        let bytes = documents::chunk_bytes(transaction, key)?;
        let mine = |author: Option<Authorship>| author.is_some_and(|author| author.user == user);
        if chunk::is_snapshot(&bytes) {
            // What cannot be opened waits for changes of others, and its own changes are in chunks of their own.
            let Ok(whole) = document::open(&[bytes]) else { continue };
            for change in whole.get_changes(&[]) {
                let author = change
                    .message()
                    .and_then(|message| Authorship::from_message(message, change.timestamp()));
                if mine(author) {
                    outbox::offer_one_again(transaction, row, ChangeHash(change.hash().0))?;
                }
            }
        } else if let [hash] = hashes[..]
            && mine(Chunk::read(bytes).ok().and_then(|chunk| chunk.authorship()))
        {
            outbox::offer_one_again(transaction, row, hash)?;
        }
    }
    Ok(())
}

/// The next changes of kept documents to offer by name: the document's row, its id, the change.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn offers(connection: &Connection, limit: usize) -> Result<Vec<(i64, DocumentId, ChangeHash)>, FieldError> {
    let rounds = rounds(connection)?;
    if !rounds.under_way || limit == 0 {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT r.document, d.id, r.hash {ASKABLE} ORDER BY r.document, r.hash LIMIT ?3"
    ))?;
    let (row, hash) = &rounds.after;
    let rows = statement.query_map((row, hash, documents::to_sql_limit(limit)), |row| {
        Ok((
            row.get(0)?,
            DocumentId::from_bytes(row.get(1)?),
            ChangeHash(row.get(2)?),
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many offers are left in the round that is under way.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn left_to_offer(connection: &Connection) -> Result<usize, FieldError> {
    let rounds = rounds(connection)?;
    if rounds.under_way {
        count(connection, &rounds.after)
    } else {
        Ok(0)
    }
}

/// Takes notice of an exchange: a round goes on, ends or begins. Returns whether one began.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn take_notice(
    transaction: &Transaction<'_>,
    happened: &Happened,
    now: Timestamp,
) -> Result<bool, FieldError> {
    let before = rounds(transaction)?;
    let mut rounds = before.clone();
    let kept = count_kept(transaction)?;
    rounds.backups |= happened.backups;
    if let Some((row, hash)) = happened.answered {
        rounds.after = (row, hash.0.to_vec());
    }
    if rounds.under_way && count(transaction, &rounds.after)? == 0 {
        rounds.under_way = false;
        rounds.ended_at = now;
    }
    let due = || kept > rounds.kept || (kept > 0 && is_time(&rounds, now));
    let begins = happened.ask || (!rounds.under_way && due());
    rounds.kept = rounds.kept.min(kept);
    if begins {
        rounds.after = BEGINNING;
        rounds.under_way = count(transaction, &BEGINNING)? > 0;
        rounds.kept = kept;
        rounds.ended_at = now;
    }
    if rounds != before {
        meta::set(transaction, ROUNDS, &rounds)?;
    }
    Ok(begins && rounds.under_way)
}

const BEGINNING: (i64, Vec<u8>) = (0, Vec::new());

fn is_time(rounds: &Rounds, now: Timestamp) -> bool {
    let pause = if rounds.backups {
        ROUND_EVERY_MILLIS
    } else {
        ROUND_WITHOUT_BACKUPS_MILLIS
    };
    // A clock that was set back must not stop the rounds.
    !(0..pause).contains(&now.millis_since(rounds.ended_at))
}

/// Changes that are kept, whether or not they are in the queue: those that go to and fro between the queue and a server
/// that loses them must not make a round begin with each exchange.
fn count_kept(connection: &Connection) -> Result<usize, FieldError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FROM reoffer r JOIN document d ON d.row = r.document
             WHERE d.flags & 32 <> 0 AND d.stream IS NULL",
        )?
        .query_row([], |row| row.get(0))?)
}

fn rounds(connection: &Connection) -> Result<Rounds, FieldError> {
    Ok(meta::get(connection, ROUNDS)?.unwrap_or_default())
}

fn count(connection: &Connection, after: &(i64, Vec<u8>)) -> Result<usize, FieldError> {
    Ok(connection
        .prepare_cached(&format!("SELECT count(*) {ASKABLE}"))?
        .query_row((after.0, &after.1), |row| row.get(0))?)
}

/// Whether the server has ever told of a backup.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn server_makes_backups(connection: &Connection) -> Result<bool, FieldError> {
    Ok(rounds(connection)?.backups)
}

/// How many documents are kept only until a backup covers them.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn documents(connection: &Connection) -> Result<usize, FieldError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM document WHERE flags & 32 <> 0 AND stream IS NULL AND flags & ?1 <> 0")?
        .query_row([KEPT], |row| row.get(0))?)
}

/// Takes documents that are only kept out of what screens show, and brings back those of which something was refused.
/// Returns the kinds of which that changed anything.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn hide(transaction: &Transaction<'_>) -> Result<Vec<DocumentKind>, FieldError> {
    let kept = KEPT;
    let of_row = "SELECT 1 FROM outbox WHERE change BETWEEN row << 20 AND (row << 20) + 1048575";
    let mut kinds = Vec::new();
    for sql in [
        format!(
            "UPDATE document SET flags = flags | {kept}
             WHERE flags & 32 <> 0 AND stream IS NULL AND flags & {kept} = 0 AND NOT EXISTS ({of_row})
             RETURNING kind"
        ),
        format!(
            "UPDATE document SET flags = flags & ~{kept}
             WHERE flags & 32 <> 0 AND stream IS NULL AND flags & {kept} <> 0 AND EXISTS ({of_row} AND state = 1 AND NOT dismissed)
             RETURNING kind"
        ),
    ] {
        let mut statement = transaction.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        for kind in rows {
            kinds.extend(documents::kind_of_number(kind?));
        }
    }
    Ok(kinds)
}

/// The changes of the document `row` that no backup is known to cover, and that are not in the queue themselves.
///
/// # Errors
/// [`FieldError`] of the database.
pub(crate) fn is_awaited(connection: &Connection, row: i64) -> Result<bool, FieldError> {
    let (first, last) = row_of_change::range(row);
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM reoffer r WHERE r.document = ?1
             AND NOT EXISTS (SELECT 1 FROM outbox o JOIN change c ON c.key = o.change
                             WHERE o.change BETWEEN ?2 AND ?3 AND c.hash = r.hash))",
        )?
        .query_row((row, first, last), |row| row.get(0))?)
}
