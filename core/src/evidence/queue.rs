//! What the phone knows of its files of evidence: which are to be sent, which the server has, and what is the matter
//! with the others.
//!
//! Times are those of the phone's clock in milliseconds. Phone clocks jump: a time to come that is further away than
//! any pause counts as come.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use serde_json::Value;

use super::{EvidenceFile, files::Folder};
use crate::{
    db::documents::{self, kind_number},
    error::FieldError,
    model::{DocumentId, DocumentKind, EvidenceHash, Timestamp, UploadState},
};

/// The longest time for which a file is put off, and how often the server is asked about what it has: milliseconds.
pub(crate) const DAY: i64 = 86_400_000;
/// For how long a file is put off the first time: milliseconds. Doubled each time up to a day.
const FIRST_PAUSE: i64 = 60_000;
/// How long the phone keeps its own copy of a file after the server had it, in milliseconds. For a month people look at
/// what they took: what was signed, what was damaged, and mostly without a network.
pub(crate) const COPY_KEPT: i64 = 30 * DAY;

/// A file as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: EvidenceHash,
    /// Where it is, as [`Folder::locate`] reads it.
    pub(crate) stored: Option<String>,
    pub(crate) size: u64,
    pub(crate) state: UploadState,
    pub(crate) sent: u64,
    pub(crate) document: Option<DocumentId>,
    pub(crate) problem: Option<String>,
}

impl Entry {
    /// As it is shown.
    pub(crate) fn shown(self, folder: &Folder) -> EvidenceFile {
        EvidenceFile {
            hash: self.hash,
            path: self.stored.map(|stored| folder.locate(&stored)),
            size: self.size,
            state: self.state,
            sent: self.sent,
            document: self.document,
            problem: self.problem,
        }
    }
}

/// By their stored numbers.
const STATES: [UploadState; 5] = [
    UploadState::Waiting,
    UploadState::Uploading,
    UploadState::Stored,
    UploadState::Elsewhere,
    UploadState::Lost,
];

const COLUMNS: &str = "hash, path, size, state, sent, document, problem";

fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state: usize = row.get(3)?;
    Ok(Entry {
        hash: EvidenceHash(row.get(0)?),
        stored: row.get(1)?,
        size: row.get::<_, i64>(2)?.try_into().unwrap_or_default(),
        state: STATES.get(state).copied().unwrap_or(UploadState::Waiting),
        sent: row.get::<_, i64>(4)?.try_into().unwrap_or_default(),
        document: row.get::<_, Option<[u8; 16]>>(5)?.map(DocumentId::from_bytes),
        problem: row.get(6)?,
    })
}

fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Notes that `document` names a file, and where that is; what is known of its upload stays. One that was lost is to be
/// sent when it is here again.
pub(crate) fn note(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    size: u64,
    stored: Option<&str>,
    document: DocumentId,
    now: Timestamp,
) -> Result<(), FieldError> {
    transaction
        .prepare_cached(
            "INSERT INTO evidence (hash, path, size, state, document)
             VALUES (?1, ?2, ?3, CASE WHEN ?2 IS NULL THEN 3 ELSE 0 END, ?4)
             ON CONFLICT (hash) DO UPDATE SET
               path = coalesce(excluded.path, path),
               document = CASE WHEN state = 2 THEN coalesce(document, excluded.document) ELSE excluded.document END,
               due = CASE WHEN state = 2 THEN due ELSE 0 END,
               tries = CASE WHEN state = 2 THEN tries ELSE 0 END,
               problem = CASE WHEN state = 2 OR excluded.path IS NULL THEN problem END,
               stored_at = CASE WHEN state = 2 THEN ?5 END,
               state = CASE WHEN state IN (3, 4) AND excluded.path IS NOT NULL THEN 0 ELSE state END",
        )?
        .execute((
            &hash.0[..],
            stored,
            number(size),
            &document.as_bytes()[..],
            now.as_millis(),
        ))?;
    Ok(())
}

/// Notes that a file came from the server, which therefore has it.
pub(crate) fn note_fetched(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    size: u64,
    stored: &str,
    document: DocumentId,
    now: Timestamp,
) -> Result<(), FieldError> {
    note(transaction, hash, size, Some(stored), document, now)?;
    self::stored(transaction, hash, false, now)
}

/// One file.
pub(crate) fn find(connection: &Connection, hash: EvidenceHash) -> Result<Option<Entry>, FieldError> {
    Ok(connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM evidence WHERE hash = ?1"))?
        .query_row([&hash.0[..]], read)
        .optional()?)
}

/// Files that this phone named and the server does not have, the lost ones first, then in the order in which they are
/// sent.
pub(crate) fn not_stored(connection: &Connection, limit: usize) -> Result<Vec<Entry>, FieldError> {
    let limit = number(limit as u64);
    let mut found = Vec::new();
    for condition in ["state = 4 ORDER BY hash", "state < 2 ORDER BY size, hash"] {
        let left = limit - number(found.len() as u64);
        let sql = format!("SELECT {COLUMNS} FROM evidence WHERE {condition} LIMIT ?1");
        let mut statement = connection.prepare_cached(&sql)?;
        for entry in statement.query_map([left], read)? {
            found.push(entry?);
        }
    }
    Ok(found)
}

/// How many files wait to be sent, and how many were lost before.
pub(crate) fn counts(connection: &Connection) -> Result<(usize, usize), FieldError> {
    Ok(connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM evidence WHERE state < 2), (SELECT count(*) FROM evidence WHERE state = 4)",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// What is due at the time `?1`, as a condition.
macro_rules! due {
    () => {
        "(due <= ?1 OR due > ?1 + 86400000)"
    };
}

/// The smallest file that can be sent now: it is due, no change of its document waits (the server takes no file that it
/// has not read of), and it is none of `passed_over`. With `below`, only one of fewer bytes.
pub(crate) fn next_to_send(
    connection: &Connection,
    now: Timestamp,
    passed_over: &HashSet<EvidenceHash>,
    below: Option<u64>,
) -> Result<Option<Entry>, FieldError> {
    const SQL: &str = concat!(
        "SELECT hash, path, size, state, sent, document, problem FROM evidence e
         WHERE state < 2 AND size < ?2 AND document IS NOT NULL AND ",
        due!(),
        " AND NOT EXISTS (
            SELECT 1 FROM document d JOIN outbox o ON o.change BETWEEN d.row << 20 AND (d.row << 20 | 1048575)
            WHERE d.id = e.document AND o.state = 0)
         ORDER BY size, hash"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    for entry in statement.query_map((now.as_millis(), below.map_or(i64::MAX, number)), read)? {
        let entry = entry?;
        if !passed_over.contains(&entry.hash) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The files about which the server is to be asked now: it has them, this phone has a copy, and as far as is known no
/// backup holds them.
pub(crate) fn to_ask_about(connection: &Connection, now: Timestamp) -> Result<Vec<Entry>, FieldError> {
    const SQL: &str = concat!(
        "SELECT hash, path, size, state, sent, document, problem FROM evidence
         WHERE state = 2 AND path IS NOT NULL AND backed_up = 0 AND document IS NOT NULL AND ",
        due!(),
        " ORDER BY size, hash"
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let rows = statement.query_map([now.as_millis()], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// In how many milliseconds the next file is due that is not due now; `None` when there is none.
pub(crate) fn next_due_in(connection: &Connection, now: Timestamp) -> Result<Option<u64>, FieldError> {
    let now = now.as_millis();
    let due: Option<i64> = connection
        .prepare_cached(
            "SELECT min(due) FROM (
               SELECT due FROM evidence WHERE state < 2
               UNION ALL
               SELECT due FROM evidence
               WHERE state = 2 AND path IS NOT NULL AND backed_up = 0 AND document IS NOT NULL)
             WHERE due > ?1 AND due <= ?1 + 86400000",
        )?
        .query_row([now], |row| row.get(0))?;
    Ok(due.and_then(|due| u64::try_from(due.saturating_sub(now)).ok()))
}

/// Notes how much of a file the server has.
pub(crate) fn sent(transaction: &Transaction<'_>, hash: EvidenceHash, bytes: u64) -> Result<(), FieldError> {
    transaction
        .prepare_cached(
            "UPDATE evidence SET state = 1, sent = ?2, due = 0, tries = 0, problem = NULL
             WHERE hash = ?1 AND state < 2",
        )?
        .execute((&hash.0[..], number(bytes)))?;
    Ok(())
}

/// Notes that the server has the whole of a file, and whether a backup of it does. It is asked again after a day.
pub(crate) fn stored(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    backed_up: bool,
    now: Timestamp,
) -> Result<(), FieldError> {
    transaction
        .prepare_cached(
            "UPDATE evidence SET stored_at = CASE WHEN state = 2 THEN coalesce(stored_at, ?3) ELSE ?3 END, state = 2,
               sent = size, due = ?3 + 86400000, tries = 0, problem = NULL, backed_up = ?2 WHERE hash = ?1",
        )?
        .execute((&hash.0[..], backed_up, now.as_millis()))?;
    Ok(())
}

/// Notes that the server does not have (all of) a file any more that it had: it is sent again.
pub(crate) fn forgotten(transaction: &Transaction<'_>, hash: EvidenceHash, held: u64) -> Result<(), FieldError> {
    transaction
        .prepare_cached(
            "UPDATE evidence SET state = 0, sent = ?2, due = 0, tries = 0, problem = NULL, backed_up = 0,
               stored_at = NULL WHERE hash = ?1 AND state = 2",
        )?
        .execute((&hash.0[..], number(held)))?;
    Ok(())
}

/// Forgets a file that was lost, or that the server has said no to; says whether there was one. It is one of another phone's
/// from then on. Its copy is for the caller to delete.
pub(crate) fn give_up(transaction: &Transaction<'_>, hash: EvidenceHash) -> Result<bool, FieldError> {
    let forgotten = transaction
        .prepare_cached(
            "DELETE FROM evidence WHERE hash = ?1 AND (state = 4 OR state < 2 AND tries > 0 AND problem IS NOT NULL)",
        )?
        .execute([&hash.0[..]])?;
    Ok(forgotten > 0)
}

/// Puts a file off, or the question about it, for longer each time.
pub(crate) fn put_off(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    problem: &str,
    now: Timestamp,
) -> Result<(), FieldError> {
    let tries: u32 = transaction
        .prepare_cached("SELECT tries FROM evidence WHERE hash = ?1")?
        .query_row([&hash.0[..]], |row| row.get(0))?;
    let pause = FIRST_PAUSE.saturating_mul(1 << tries.min(20)).min(DAY);
    transaction
        .prepare_cached("UPDATE evidence SET due = ?2, tries = tries + 1, problem = ?3 WHERE hash = ?1")?
        .execute((&hash.0[..], now.as_millis().saturating_add(pause), problem))?;
    Ok(())
}

/// Notes that a file is not here any more as it was, and cannot be sent.
pub(crate) fn lost(transaction: &Transaction<'_>, hash: EvidenceHash, why: &str) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE evidence SET state = 4, sent = 0, problem = ?2 WHERE hash = ?1 AND state < 2")?
        .execute((&hash.0[..], why))?;
    Ok(())
}

/// A stream of the server began anew: it may have been restored from a backup that lacks files which it had. All of
/// which there is a copy here are asked about soon. Returns whether there are any.
pub(crate) fn ask_about_all(transaction: &Transaction<'_>) -> Result<bool, FieldError> {
    let asked = transaction
        .prepare_cached(
            "UPDATE evidence SET due = 0, tries = 0, backed_up = 0
             WHERE state = 2 AND path IS NOT NULL AND document IS NOT NULL",
        )?
        .execute([])?;
    Ok(asked > 0)
}

/// The copies that the phone need not keep any more.
pub(crate) fn outlived(connection: &Connection, now: Timestamp) -> Result<Vec<EvidenceHash>, FieldError> {
    let mut statement = connection.prepare_cached(
        "SELECT hash, path FROM evidence WHERE state = 2 AND path IS NOT NULL AND backed_up = 1 AND stored_at <= ?1",
    )?;
    let before = now.as_millis().saturating_sub(COPY_KEPT);
    let rows = statement.query_map([before], |row| {
        Ok((EvidenceHash(row.get(0)?), row.get::<_, String>(1)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (hash, stored) = row?;
        if Folder::owns(&stored) {
            found.push(hash);
        }
    }
    Ok(found)
}

/// Forgets where the copy of a file is, if that is still one that need not be kept. The caller deletes it before the
/// commit: a copy that is gone already is no harm, one that nobody knows of would stay for ever.
pub(crate) fn give_up_copy(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    now: Timestamp,
) -> Result<Option<String>, FieldError> {
    let before = now.as_millis().saturating_sub(COPY_KEPT);
    let stored: Option<String> = transaction
        .prepare_cached(
            "SELECT path FROM evidence
             WHERE hash = ?1 AND state = 2 AND path IS NOT NULL AND backed_up = 1 AND stored_at <= ?2",
        )?
        .query_row((&hash.0[..], before), |row| row.get(0))
        .optional()?;
    if stored.is_some() {
        transaction
            .prepare_cached("UPDATE evidence SET path = NULL WHERE hash = ?1")?
            .execute([&hash.0[..]])?;
    }
    Ok(stored)
}

/// The files to be sent of which the document is not known and that are due.
pub(crate) fn without_document(connection: &Connection, now: Timestamp) -> Result<BTreeSet<EvidenceHash>, FieldError> {
    const SQL: &str = concat!(
        "SELECT hash FROM evidence WHERE state < 2 AND document IS NULL AND ",
        due!()
    );
    let mut statement = connection.prepare_cached(SQL)?;
    let rows = statement.query_map([now.as_millis()], |row| Ok(EvidenceHash(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Which documents on this phone name the files `wanted`, the newest for each. Reads documents until all are found: for
/// the few files of which nothing else is known.
pub(crate) fn documents_naming(
    connection: &Connection,
    wanted: &BTreeSet<EvidenceHash>,
    except: Option<DocumentId>,
) -> Result<BTreeMap<EvidenceHash, DocumentId>, FieldError> {
    let kinds = [
        DocumentKind::Visit,
        DocumentKind::Delivery,
        DocumentKind::StatementConfirmation,
    ];
    let [one, two, three] = kinds.map(|kind| kind_number(&kind));
    let mut statement = connection.prepare_cached(
        "SELECT row, id, view FROM document WHERE kind IN (?1, ?2, ?3) ORDER BY moment DESC, row DESC",
    )?;
    let mut rows = statement.query((one, two, three))?;
    let mut found = BTreeMap::new();
    while found.len() < wanted.len()
        && let Some(row) = rows.next()?
    {
        let document = DocumentId::from_bytes(row.get(1)?);
        if except == Some(document) {
            continue;
        }
        let view = row.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        // One that cannot be read here may still name some; it is for others to tell of it.
        let Ok(tree) = documents::tree_of(connection, row.get(0)?, view) else {
            continue;
        };
        let named = tree.get("evidence").and_then(Value::as_object);
        for hash in named.into_iter().flatten().filter_map(|(hash, _)| hash.parse().ok()) {
            if wanted.contains(&hash) {
                found.entry(hash).or_insert(document);
            }
        }
    }
    Ok(found)
}

/// Notes which document names a file.
pub(crate) fn set_document(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    document: DocumentId,
) -> Result<(), FieldError> {
    transaction
        .prepare_cached("UPDATE evidence SET document = ?2, tries = 0, problem = NULL WHERE hash = ?1")?
        .execute((&hash.0[..], &document.as_bytes()[..]))?;
    Ok(())
}
