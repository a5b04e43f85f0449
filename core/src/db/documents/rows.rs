//! The rows of a document: written for what is made here and for what comes, and written anew when it changes.

use rusqlite::{Connection, OptionalExtension as _, ToSql, Transaction, params_from_iter};
use serde_json::Value;

use super::{
    Found, INCOMPLETE, LEAVING, Projection, chunks, day_number, hashes_by_chunk, join_hashes, kind_number,
    row_of_change,
};
use crate::{
    db::{codec, outbox, search},
    document::{self, NewChange, disagreement, tree},
    error::FieldError,
    model::{ChangeHash, DocumentId, DocumentKind, Timestamp},
};

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
pub(super) struct Written<'a> {
    projection: &'a Projection,
    disagreements: usize,
    heads: Option<Vec<u8>>,
    view: Option<Vec<u8>>,
}

impl<'a> Written<'a> {
    /// What is written for a document of one change, which says it all.
    pub(super) fn first(projection: &'a Projection) -> Self {
        Self {
            projection,
            disagreements: 0,
            heads: None,
            view: None,
        }
    }
}

/// The columns that follow from a document's changes, in the order in which [`with_columns`] gives them.
macro_rules! columns {
    () => {
        "kind, customer, owner, moment, day, due, state, flags, disagreements, about, title, amount, heads, view"
    };
}
macro_rules! values {
    () => {
        "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14"
    };
}

/// Runs `sql` with the columns' values and then `rest`.
fn with_columns(
    transaction: &Transaction<'_>,
    sql: &str,
    kept_flags: i64,
    written: &Written<'_>,
    rest: &[&dyn ToSql],
) -> Result<(), FieldError> {
    let summary = &written.projection.summary;
    let customer = summary
        .customer
        .map(|id| intern(transaction, id.as_bytes()))
        .transpose()?;
    let owner = summary.owner.map(|id| intern(transaction, id.as_bytes())).transpose()?;
    let flags = written.projection.flags | kept_flags;
    let disagreements = i64::try_from(written.disagreements).unwrap_or(i64::MAX);
    let about = summary.about.as_ref().map(|id| &id.as_bytes()[..]);
    let amount = summary.amount.map(|money| money.to_string());
    let columns: [&dyn ToSql; 14] = [
        &kind_number(&summary.kind),
        &customer,
        &owner,
        &written.projection.moment,
        &summary.day.map(day_number),
        &written.projection.due,
        &summary.state,
        &flags,
        &disagreements,
        &about,
        &summary.title,
        &amount,
        &written.heads,
        &written.view,
    ];
    transaction
        .prepare_cached(sql)?
        .execute(params_from_iter(columns.iter().chain(rest)))?;
    Ok(())
}

/// The row of a new document; its words are not indexed yet.
pub(super) fn insert_row(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stream: Option<i64>,
    written: &Written<'_>,
) -> Result<i64, FieldError> {
    const SQL: &str = concat!(
        "INSERT INTO document (",
        columns!(),
        ", id, stream) VALUES (",
        values!(),
        ", ?15, ?16)"
    );
    with_columns(transaction, SQL, 0, written, &[&&id.as_bytes()[..], &stream])?;
    Ok(transaction.last_insert_rowid())
}

fn update_row(
    transaction: &Transaction<'_>,
    row: i64,
    kept_flags: i64,
    written: &Written<'_>,
) -> Result<(), FieldError> {
    const SQL: &str = concat!(
        "UPDATE document SET (",
        columns!(),
        ") = (",
        values!(),
        ") WHERE row = ?15"
    );
    with_columns(transaction, SQL, kept_flags, written, &[&row])?;
    search::replace(transaction, row, written.projection)
}

pub(super) fn insert_chunk(
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
    let projection = Projection::of(tree, made_at);
    let row = insert_row(transaction, change.document, stream, &Written::first(&projection))?;
    let key = insert_chunk(transaction, row, &[change.hash], &codec::pack(&change.bytes))?;
    outbox::add(transaction, key, false)?;
    search::recorded(transaction, row)?;
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
    outbox::add(transaction, key, false)?;
    if found.flags & LEAVING != 0 {
        outbox::offer_one_again(transaction, found.row, change.hash)?;
    }
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
pub(super) fn open_and_project(
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
pub(super) fn insert_incomplete(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stream: Option<i64>,
) -> Result<i64, FieldError> {
    transaction
        .prepare_cached(
            "INSERT INTO document (id, kind, stream, moment, state, flags, title) VALUES (?1, 0, ?2, 0, '', ?3, '')",
        )?
        .execute((&id.as_bytes()[..], stream, INCOMPLETE))?;
    Ok(transaction.last_insert_rowid())
}
