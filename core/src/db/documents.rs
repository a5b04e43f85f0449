//! Documents: their chunks, and the projection that lists and details are read from.
//!
//! A document that was only created keeps no view: its one change says it all and is read back without building a
//! document (`Chunk::created_tree`, some 20 µs), which only a detail page asks for: lists have their own columns. Once it
//! has been edited, its view is kept beside its chunks.

use automerge::ReadDoc as _;
use chrono::{Datelike as _, NaiveDate};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde_json::Value;

use super::{codec, words};
use crate::{
    document::{self, Chunk, NewChange, Summary, chunk, disagreement, tree},
    error::FieldError,
    model::{ChangeHash, CustomerId, DocumentId, DocumentKind, Timestamp},
};

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

/// Made by a newer version: shown, not edited.
pub(crate) const NEWER: i64 = 1;
/// A position was outside the customer's geofence.
pub(crate) const OUTSIDE: i64 = 2;
/// A position came from a mock provider.
pub(crate) const MOCKED: i64 = 4;
/// `moment` is when it happened, not a plan.
pub(crate) const HAPPENED: i64 = 8;
/// Changes are missing: kept, not shown.
pub(crate) const INCOMPLETE: i64 = 16;
/// The server took it out of our streams; it goes once nothing of it is unsent.
pub(crate) const LEAVING: i64 = 32;
/// A review that has been answered.
pub(crate) const ANSWERED: i64 = 64;

/// The stored number of a kind.
pub(crate) fn kind_number(kind: &DocumentKind) -> i64 {
    DocumentKind::KNOWN
        .iter()
        .position(|known| known == kind)
        .map_or(0, |index| index as i64 + 1)
}

/// The kind with a stored number; `None` for a kind of a newer version.
pub(crate) fn kind_of_number(number: i64) -> Option<DocumentKind> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    DocumentKind::KNOWN.get(index).cloned()
}

/// A day as it is stored.
pub(crate) fn day_number(day: NaiveDate) -> i64 {
    i64::from(day.num_days_from_ce())
}

/// The day with a stored number.
pub(crate) fn day_of_number(number: i64) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(number).ok()?)
}

/// What is stored of a document's tree beside its chunks. Made without the database, so that a first pull can make it
/// on several threads.
#[derive(Clone, Debug)]
pub struct Projection {
    summary: Summary,
    moment: i64,
    due: Option<i64>,
    flags: i64,
    words: String,
}

impl Projection {
    /// Projects a tree; `made_at` is when its first change was made.
    pub fn of(tree: &Value, made_at: Timestamp) -> Self {
        let summary = Summary::of(tree);
        let due = next_due(tree);
        let answered = tree
            .get("replies")
            .and_then(Value::as_object)
            .is_some_and(|replies| !replies.is_empty());
        let mut flags = 0;
        for (flag, set) in [
            (NEWER, summary.newer),
            (OUTSIDE, summary.outside),
            (MOCKED, summary.mocked),
            (HAPPENED, summary.at.is_some()),
            (ANSWERED, answered),
        ] {
            if set {
                flags |= flag;
            }
        }
        let planned = summary.day.map(|day| {
            let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
            Timestamp::from(midnight)
        });
        let moment = summary.at.or(planned).unwrap_or(made_at).as_millis();
        let words = match (summary.text.is_empty(), summary.title.is_empty()) {
            (false, _) => words::index(&summary.text),
            (true, false) => words::index(&summary.title),
            (true, true) => String::new(),
        };
        Self {
            summary,
            moment,
            due,
            flags,
            words,
        }
    }

    /// The document's kind.
    pub fn kind(&self) -> &DocumentKind {
        &self.summary.kind
    }

    /// The customer it is about.
    pub fn customer(&self) -> Option<CustomerId> {
        self.summary.customer
    }
}

/// When the next step in a tree is due.
fn next_due(tree: &Value) -> Option<i64> {
    let due: NaiveDate = tree.get("next_step")?.get("due")?.as_str()?.parse().ok()?;
    Some(day_number(due))
}

/// A change that has been checked and packed, ready to be written.
#[derive(Clone, Debug)]
pub struct Prepared {
    document: DocumentId,
    hash: ChangeHash,
    packed: Vec<u8>,
    /// For the change that creates the document.
    projection: Option<Projection>,
}

/// Checks, reads and packs a change that came from the server. Needs no database, so several threads can do it.
///
/// # Errors
/// [`FieldError::Invalid`] when the bytes are not a change or name no document.
pub fn prepare(document: Option<DocumentId>, bytes: &[u8]) -> Result<Prepared, FieldError> {
    // Automerge panics on some bytes that were made to do harm; the server has read them in a worker, a relay has not.
    let prepared = std::panic::catch_unwind(|| prepare_unguarded(document, bytes.to_vec()));
    prepared.unwrap_or_else(|_| Err(invalid("Automerge panicked on the change")))
}

fn prepare_unguarded(document: Option<DocumentId>, bytes: Vec<u8>) -> Result<Prepared, FieldError> {
    let chunk = Chunk::read(bytes).map_err(|error| invalid(&error.to_string()))?;
    let created = chunk.created_tree().map_err(|error| invalid(&error.to_string()))?;
    // A tree that could be read was measured while it was read; reading the operations twice would cost a pull 6 %.
    if created.is_none() && chunk.nesting() > chunk::MAX_NESTING {
        return Err(invalid(&document::ChunkError::TooDeep.to_string()));
    }
    let document = document
        .or_else(|| chunk.creates())
        .ok_or_else(|| invalid("the change names no document"))?;
    let made_at = Timestamp::from_millis(chunk.change().timestamp());
    Ok(Prepared {
        document,
        hash: chunk.hash(),
        packed: codec::pack(chunk.bytes()),
        projection: created
            .filter(|_| chunk.creates() == Some(document))
            .map(|tree| Projection::of(&tree, made_at)),
    })
}

fn invalid(message: &str) -> FieldError {
    FieldError::Invalid(crate::model::InvalidField::new("change", message))
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
        && let Ok(chunk) = Chunk::read(only.clone())
        && let Ok(Some(tree)) = chunk.created_tree()
    {
        return Ok(tree);
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

    /// Some of its changes are missing: it cannot be shown yet.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.flags & INCOMPLETE != 0
    }

    /// Made by a newer version.
    pub(crate) fn is_newer(&self) -> bool {
        self.flags & NEWER != 0
    }
}

/// The small number of a customer's or person's id.
pub(crate) fn intern(transaction: &Transaction<'_>, id: &[u8; 16]) -> Result<i64, FieldError> {
    if let Some(known) = interned(transaction, id)? {
        return Ok(known);
    }
    transaction
        .prepare_cached("INSERT INTO interned (id) VALUES (?1)")?
        .execute([&id[..]])?;
    Ok(transaction.last_insert_rowid())
}

/// The small number of an id; `None` when nothing here refers to it.
pub(crate) fn interned(connection: &Connection, id: &[u8; 16]) -> Result<Option<i64>, FieldError> {
    Ok(connection
        .prepare_cached("SELECT ref FROM interned WHERE id = ?1")?
        .query_row([&id[..]], |row| row.get(0))
        .optional()?)
}

/// What is written beside the chunks.
struct Written<'a> {
    projection: &'a Projection,
    disagreements: usize,
    heads: Option<Vec<u8>>,
    view: Option<Vec<u8>>,
}

fn insert_row(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stream: Option<i64>,
    written: &Written<'_>,
) -> Result<i64, FieldError> {
    let summary = &written.projection.summary;
    let customer = summary
        .customer
        .map(|id| intern(transaction, id.as_bytes()))
        .transpose()?;
    let owner = summary.owner.map(|id| intern(transaction, id.as_bytes())).transpose()?;
    transaction
        .prepare_cached(
            "INSERT INTO document (id, kind, stream, customer, owner, moment, day, due, state, flags, disagreements, about, title, amount, heads, view)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(rusqlite::params![
            &id.as_bytes()[..],
            kind_number(&summary.kind),
            stream,
            customer,
            owner,
            written.projection.moment,
            summary.day.map(day_number),
            written.projection.due,
            summary.state,
            written.projection.flags,
            i64::try_from(written.disagreements).unwrap_or(i64::MAX),
            summary.about.as_ref().map(|id| &id.as_bytes()[..]),
            summary.title,
            summary.amount.map(|money| money.to_string()),
            written.heads,
            written.view,
        ])?;
    let row = transaction.last_insert_rowid();
    if !written.projection.words.is_empty() {
        transaction
            .prepare_cached("INSERT INTO document_words (rowid, words) VALUES (?1, ?2)")?
            .execute((row, &written.projection.words))?;
    }
    Ok(row)
}

fn update_row(
    transaction: &Transaction<'_>,
    row: i64,
    kept_flags: i64,
    written: &Written<'_>,
) -> Result<(), FieldError> {
    let summary = &written.projection.summary;
    let customer = summary
        .customer
        .map(|id| intern(transaction, id.as_bytes()))
        .transpose()?;
    let owner = summary.owner.map(|id| intern(transaction, id.as_bytes())).transpose()?;
    transaction
        .prepare_cached(
            "UPDATE document SET kind = ?2, customer = ?3, owner = ?4, moment = ?5, day = ?6, due = ?7, state = ?8,
             flags = ?9, disagreements = ?10, about = ?11, title = ?12, amount = ?13, heads = ?14, view = ?15
             WHERE row = ?1",
        )?
        .execute(rusqlite::params![
            row,
            kind_number(&summary.kind),
            customer,
            owner,
            written.projection.moment,
            summary.day.map(day_number),
            written.projection.due,
            summary.state,
            written.projection.flags | kept_flags,
            i64::try_from(written.disagreements).unwrap_or(i64::MAX),
            summary.about.as_ref().map(|id| &id.as_bytes()[..]),
            summary.title,
            summary.amount.map(|money| money.to_string()),
            written.heads,
            written.view,
        ])?;
    transaction
        .prepare_cached("DELETE FROM document_words WHERE rowid = ?1")?
        .execute([row])?;
    if !written.projection.words.is_empty() {
        transaction
            .prepare_cached("INSERT INTO document_words (rowid, words) VALUES (?1, ?2)")?
            .execute((row, &written.projection.words))?;
    }
    Ok(())
}

fn insert_chunk(
    transaction: &Transaction<'_>,
    row: i64,
    hashes: &[ChangeHash],
    packed: &[u8],
) -> Result<i64, FieldError> {
    let (first, last) = row_of_change::range(row);
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT max(key) FROM change WHERE key BETWEEN ?1 AND ?2")?
        .query_row((first, last), |row| row.get(0))?;
    let key = newest.map_or(first, |newest| newest + 1);
    if key > last {
        return Err(FieldError::Internal("a document has too many changes".to_owned()));
    }
    transaction
        .prepare_cached("INSERT INTO change (key, hash, bytes) VALUES (?1, ?2, ?3)")?
        .execute((key, join_hashes(hashes), packed))?;
    Ok(key)
}

/// Stores a new document that was made here and queues it. Returns the key of its change.
pub(crate) fn insert_local(
    transaction: &Transaction<'_>,
    change: &NewChange,
    tree: &Value,
    made_at: Timestamp,
    stream: Option<i64>,
) -> Result<i64, FieldError> {
    let written = Written {
        projection: &Projection::of(tree, made_at),
        disagreements: 0,
        heads: None,
        view: None,
    };
    let row = insert_row(transaction, change.document, stream, &written)?;
    let key = insert_chunk(transaction, row, &[change.hash], &codec::pack(&change.bytes))?;
    super::outbox::add(transaction, key, false)?;
    Ok(key)
}

/// Stores a change of a known document that was made here, with the document it was made in, and queues it. Returns the
/// key of the change.
pub(crate) fn insert_local_edit(
    transaction: &Transaction<'_>,
    found: &Found,
    change: &NewChange,
    document: &automerge::Automerge,
) -> Result<i64, FieldError> {
    let key = insert_chunk(transaction, found.row, &[change.hash], &codec::pack(&change.bytes))?;
    super::outbox::add(transaction, key, false)?;
    project_again(transaction, found.row, found.flags & LEAVING, document)?;
    Ok(key)
}

/// Projects the document `row` anew from `document`, which holds all of its chunks.
pub(crate) fn project_again(
    transaction: &Transaction<'_>,
    row: i64,
    kept_flags: i64,
    document: &automerge::Automerge,
) -> Result<DocumentKind, FieldError> {
    let tree = tree::of(document);
    let made_at = document
        .get_changes(&[])
        .first()
        .map_or(Timestamp::default(), |change| {
            Timestamp::from_millis(change.timestamp())
        });
    let projection = Projection::of(&tree, made_at);
    let heads = document::heads(document);
    let chunks = hashes_by_chunk(transaction, row)?;
    let last = chunks.last().map(|(_, hashes)| hashes.as_slice());
    let plain = matches!((heads.as_slice(), last), ([head], Some([last])) if head == last);
    let written = Written {
        projection: &projection,
        disagreements: disagreement::disagreements(document).len(),
        heads: (!plain).then(|| join_hashes(&heads)),
        view: Some(codec::pack(&serde_json::to_vec(&tree)?)),
    };
    update_row(transaction, row, kept_flags, &written)?;
    Ok(projection.summary.kind)
}

/// Opens the document `row`, as far as its changes are here, and projects it. `None` while changes are missing.
fn open_and_project(
    transaction: &Transaction<'_>,
    row: i64,
    kept_flags: i64,
) -> Result<Option<DocumentKind>, FieldError> {
    match document::open(&chunks(transaction, row)?) {
        Ok(document) => project_again(transaction, row, kept_flags, &document).map(Some),
        Err(document::OpenError::MissingChanges(_)) => {
            // What was shown before stays; nothing shown before stays hidden.
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A row for a document of which only later changes have come so far.
fn insert_incomplete(transaction: &Transaction<'_>, id: DocumentId, stream: Option<i64>) -> Result<i64, FieldError> {
    transaction
        .prepare_cached(
            "INSERT INTO document (id, kind, stream, moment, state, flags, title) VALUES (?1, 0, ?2, 0, '', ?3, '')",
        )?
        .execute((&id.as_bytes()[..], stream, INCOMPLETE))?;
    Ok(transaction.last_insert_rowid())
}

/// Moves a known document to the stream in which it came now; a document on its way out is then here to stay.
fn settle_stream(transaction: &Transaction<'_>, found: &Found, stream: Option<i64>) -> Result<(), FieldError> {
    if let Some(stream) = stream
        && (found.stream != Some(stream) || found.flags & LEAVING != 0)
    {
        transaction
            .prepare_cached("UPDATE document SET stream = ?2, flags = flags & ~?3 WHERE row = ?1")?
            .execute((found.row, stream, LEAVING))?;
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
    let Some(found) = find(transaction, prepared.document)? else {
        let row = match &prepared.projection {
            Some(projection) => {
                let written = Written {
                    projection,
                    disagreements: 0,
                    heads: None,
                    view: None,
                };
                insert_row(transaction, prepared.document, stream, &written)?
            }
            None => insert_incomplete(transaction, prepared.document, stream)?,
        };
        // The first key needs no look at the others.
        let (change, _) = row_of_change::range(row);
        transaction
            .prepare_cached("INSERT INTO change (key, hash, bytes) VALUES (?1, ?2, ?3)")?
            .execute((change, &prepared.hash.0[..], &prepared.packed))?;
        let kind = match &prepared.projection {
            Some(projection) => Some(projection.summary.kind.clone()),
            // A creating change that only Automerge can read, or one whose predecessors are still to come.
            None => open_and_project(transaction, row, 0)?,
        };
        return Ok(Inserted::New { kind, change });
    };
    settle_stream(transaction, &found, stream)?;
    let known = hashes_by_chunk(transaction, found.row)?;
    if let Some((change, _)) = known.iter().find(|(_, hashes)| hashes.contains(&prepared.hash)) {
        super::outbox::acknowledge(transaction, *change)?;
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
                    super::outbox::acknowledge(transaction, *change)?;
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

/// What became of a document that left a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Gone from this phone.
    Gone,
    /// Something of it is unsent: it stays until [`remove_leaving`] finds it acknowledged.
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
pub fn offer_own_again(
    transaction: &Transaction<'_>,
    stream: i64,
    user: crate::model::UserId,
) -> Result<(), FieldError> {
    const AT_ONCE: usize = 1_000;
    let mut after = 0;
    loop {
        let rows = rows_of_stream(transaction, stream, after, AT_ONCE)?;
        for row in &rows {
            // What cannot be opened is waiting for changes of others, and was never this person's to lose.
            let Ok(document) = document::open(&chunks(transaction, *row)?) else {
                continue;
            };
            for entry in document.get_changes(&[]) {
                let author = entry
                    .message()
                    .and_then(|message| document::Authorship::from_message(message, entry.timestamp()));
                if author.is_some_and(|author| author.user == user) {
                    super::outbox::offer_one_again(transaction, *row, ChangeHash(entry.hash().0))?;
                }
            }
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
            super::outbox::offer_again(transaction, row)?;
        }
    }
    transaction
        .prepare_cached(
            "UPDATE document SET stream = ?2, flags = flags & ~?3 WHERE customer = ?1 AND stream IS NOT ?2",
        )?
        .execute((customer, stream, LEAVING))?;
    Ok(())
}

fn remove_row(transaction: &Transaction<'_>, row: i64) -> Result<Removed, FieldError> {
    // What is still to be offered again may be all that is left of it: the server has just been restored.
    if super::outbox::holds_document(transaction, row)? || super::outbox::is_to_be_offered(transaction, row)? {
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
        (stream, to_sql_limit(limit)),
    )
}

/// Takes away documents that left their stream while something of them was unsent and is not any more.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove_leaving(transaction: &Transaction<'_>) -> Result<usize, FieldError> {
    let (gone, _) = remove_rows(
        transaction,
        "SELECT row FROM document WHERE stream IS NULL AND flags & ?1 <> 0
         AND NOT EXISTS (SELECT 1 FROM reoffer WHERE reoffer.document = document.row) LIMIT ?2",
        (LEAVING, i64::MAX),
    )?;
    Ok(gone)
}

fn remove_rows(transaction: &Transaction<'_>, sql: &str, of: (i64, i64)) -> Result<(usize, usize), FieldError> {
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
