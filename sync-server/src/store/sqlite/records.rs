//! Ledger records, and customers that move to another territory.

use fieldledger_core::{
    document,
    model::{CustomerId, DocumentId, LedgerRecord, OrganisationId, RecordKey, RecordKind, Timestamp},
    sync::protocol::{StreamId, StreamMark},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    documents::chunks,
    streams::{
        Log, NewEntry, gone_document_digest, gone_record_digest, kind, record_digest, record_subject, snapshot_digest,
    },
};
use crate::store::{PutOutcome, RecordVersion, StoreError, StoredRecord};

/// The newest version of a record.
pub(super) fn one(
    connection: &Connection,
    org: OrganisationId,
    key: &RecordKey,
) -> Result<Option<StoredRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, version, written_at, json FROM record
         WHERE organisation = ?1 AND kind = ?2 AND key = ?3",
    )?;
    let mut rows = statement.query(params![org.as_bytes(), key.kind.as_str(), key.id])?;
    match rows.next()? {
        Some(row) => read(row),
        None => Ok(None),
    }
}

/// The version that a record has now, of a kind that this build does not know too; `None` when it is not here.
pub(super) fn version(
    connection: &Connection,
    org: OrganisationId,
    key: &RecordKey,
) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT version FROM record WHERE organisation = ?1 AND kind = ?2 AND key = ?3")?
        .query_row(params![org.as_bytes(), key.kind.as_str(), key.id], |row| row.get(0))
        .optional()?;
    Ok(found.map(i64::unsigned_abs))
}

/// The record in a row of the table; `None` for one of a kind that this build does not know.
pub(super) fn of_row(connection: &Connection, row: i64) -> Result<Option<StoredRecord>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT kind, key, version, written_at, json FROM record WHERE id = ?1")?;
    let mut rows = statement.query([row])?;
    match rows.next()? {
        Some(row) => read(row),
        None => Ok(None),
    }
}

/// Every version of a record that is kept, oldest first.
pub(super) fn versions(
    connection: &Connection,
    org: OrganisationId,
    key: &RecordKey,
) -> Result<Vec<RecordVersion>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT record.kind, record.key, old.version, old.written_at, old.json
           FROM record JOIN record_version AS old ON old.record = record.id
          WHERE record.organisation = ?1 AND record.kind = ?2 AND record.key = ?3
         UNION ALL
         SELECT kind, key, version, written_at, json FROM record
          WHERE organisation = ?1 AND kind = ?2 AND key = ?3
          ORDER BY 3",
    )?;
    let found = read_all(statement.query(params![org.as_bytes(), key.kind.as_str(), key.id])?)?;
    let version = |it: StoredRecord| RecordVersion {
        version: it.version,
        written_at: it.written_at,
        record: it.record,
    };
    Ok(found.into_iter().map(version).collect())
}

/// The records of a kind under these keys.
pub(super) fn named(
    connection: &Connection,
    org: OrganisationId,
    kind: &RecordKind,
    keys: &[String],
) -> Result<Vec<StoredRecord>, StoreError> {
    let keys = serde_json::to_string(keys).map_err(|error| StoreError::Damaged(format!("keys: {error}")))?;
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, version, written_at, json FROM record
         WHERE organisation = ?1 AND kind = ?2 AND key IN (SELECT value FROM json_each(?3))",
    )?;
    read_all(statement.query(params![org.as_bytes(), kind.as_str(), keys])?)
}

/// Every record of a kind, by key.
pub(super) fn all(
    connection: &Connection,
    org: OrganisationId,
    kind: &RecordKind,
) -> Result<Vec<StoredRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, version, written_at, json FROM record
         WHERE organisation = ?1 AND kind = ?2 ORDER BY key",
    )?;
    read_all(statement.query(params![org.as_bytes(), kind.as_str()])?)
}

/// Every record about one customer, by kind and key.
pub(super) fn all_about(
    connection: &Connection,
    org: OrganisationId,
    customer: CustomerId,
) -> Result<Vec<StoredRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, version, written_at, json FROM record
         WHERE customer = ?1 AND organisation = ?2 ORDER BY kind, key",
    )?;
    read_all(statement.query(params![customer.as_bytes(), org.as_bytes()])?)
}

/// The records of a kind about one customer, by key.
pub(super) fn about(
    connection: &Connection,
    org: OrganisationId,
    customer: CustomerId,
    kind: &RecordKind,
) -> Result<Vec<StoredRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, version, written_at, json FROM record
         WHERE customer = ?1 AND kind = ?2 AND organisation = ?3 ORDER BY key",
    )?;
    read_all(statement.query(params![customer.as_bytes(), kind.as_str(), org.as_bytes()])?)
}

fn read_all(mut rows: rusqlite::Rows<'_>) -> Result<Vec<StoredRecord>, StoreError> {
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.extend(read(row)?);
    }
    Ok(records)
}

/// The record in a row; `None` for one of a kind that this build does not know.
fn read(row: &Row<'_>) -> Result<Option<StoredRecord>, StoreError> {
    let (kind, key, json): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(4)?);
    let record = LedgerRecord::from_json(&RecordKind::from_name(&kind), &json)
        .map_err(|error| StoreError::Damaged(format!("{kind} {key}: {error}")))?;
    let (version, written_at) = (row.get::<_, i64>(2)?.unsigned_abs(), row.get(3)?);
    Ok(record.map(|record| StoredRecord {
        record,
        version,
        written_at: Timestamp::from_millis(written_at),
    }))
}

/// The row of the stream that a customer belongs to; `None` when the customer is not known.
pub(super) fn stream_of_customer(
    connection: &Connection,
    org: OrganisationId,
    customer: CustomerId,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT stream FROM record WHERE organisation = ?1 AND kind = 'customer' AND key = ?2")?
        .query_row(params![org.as_bytes(), customer.to_string()], |row| row.get(0))
        .optional()?)
}

/// Writes records. Those that others refer to are written first, whatever the order they come in. Also says how far the
/// streams have grown.
pub(super) fn put(
    mut log: Log<'_>,
    records: &[LedgerRecord],
    all_or_nothing: bool,
    now: Timestamp,
) -> Result<(Vec<PutOutcome>, Vec<StreamMark>), StoreError> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|index| match records[*index] {
        LedgerRecord::Territory(_) => 0,
        LedgerRecord::Customer(_) => 1,
        _ => 2,
    });
    let connection = log.connection;
    connection.execute_batch("SAVEPOINT records")?;
    let mut outcomes = vec![PutOutcome::Unchanged; records.len()];
    for index in order {
        outcomes[index] = put_one(&mut log, &records[index], now)?;
    }
    let refused = |outcome: &PutOutcome| matches!(outcome, PutOutcome::Refused(_));
    let mut marks = Vec::new();
    if all_or_nothing && outcomes.iter().any(refused) {
        connection.execute_batch("ROLLBACK TO records")?;
        for outcome in outcomes.iter_mut().filter(|outcome| !refused(outcome)) {
            *outcome = PutOutcome::Withheld;
        }
    } else {
        marks = log.close()?;
    }
    connection.execute_batch("RELEASE records")?;
    Ok((outcomes, marks))
}

/// A record's row.
struct Existing {
    row: i64,
    stream: i64,
    place: i64,
    version: u64,
    json: String,
}

fn put_one(log: &mut Log<'_>, record: &LedgerRecord, now: Timestamp) -> Result<PutOutcome, StoreError> {
    let json = record
        .to_json()
        .map_err(|error| StoreError::Engine(format!("a record cannot be written as JSON: {error}")))?;
    let key = record.key();
    let existing = log
        .connection
        .prepare_cached(
            "SELECT id, stream, place, version, json FROM record WHERE organisation = ?1 AND kind = ?2 AND key = ?3",
        )?
        .query_row(params![log.organisation.as_bytes(), key.kind.as_str(), key.id], |row| {
            Ok(Existing {
                row: row.get(0)?,
                stream: row.get(1)?,
                place: row.get(2)?,
                version: row.get::<_, i64>(3)?.unsigned_abs(),
                json: row.get(4)?,
            })
        })
        .optional()?;
    if existing.as_ref().is_some_and(|it| it.json == json) {
        return Ok(PutOutcome::Unchanged);
    }
    let stream = match route(log, record)? {
        Ok(stream) => stream,
        Err(reason) => return Ok(PutOutcome::Refused(reason)),
    };
    let version = existing.as_ref().map_or(1, |it| it.version + 1);
    let place = log.next_place(stream)?;
    let customer = record.customer().map(|it| *it.as_bytes());
    let row = match &existing {
        None => {
            log.connection
                .prepare_cached(
                    "INSERT INTO record (organisation, kind, key, stream, place, version, customer, written_at, json)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    log.organisation.as_bytes(),
                    key.kind.as_str(),
                    key.id,
                    stream,
                    place,
                    version.cast_signed(),
                    customer,
                    now.as_millis(),
                    json
                ])?;
            log.connection.last_insert_rowid()
        }
        Some(existing) => {
            log.connection
                .prepare_cached(
                    "INSERT INTO record_version (record, version, place, written_at, json)
                     SELECT id, version, place, written_at, json FROM record WHERE id = ?1",
                )?
                .execute([existing.row])?;
            replace_entry(log.connection, existing.place)?;
            log.connection
                .prepare_cached(
                    "UPDATE record SET stream = ?2, place = ?3, version = ?4, customer = ?5, written_at = ?6, json = ?7
                     WHERE id = ?1",
                )?
                .execute(params![
                    existing.row,
                    stream,
                    place,
                    version.cast_signed(),
                    customer,
                    now.as_millis(),
                    json
                ])?;
            existing.row
        }
    };
    log.add(
        stream,
        &NewEntry {
            kind: kind::RECORD,
            digest: record_digest(key.kind.as_str(), &key.id, version, &json),
            received_at: now,
            record: Some(row),
            ..NewEntry::default()
        },
    )?;
    let Some(existing) = existing else {
        return Ok(PutOutcome::Created);
    };
    if existing.stream != stream {
        record_is_gone(log, existing.stream, &key, now)?;
        if let LedgerRecord::Customer(customer) = record {
            move_everything_about(log, customer.id, stream, now)?;
        }
    }
    Ok(PutOutcome::Changed { version })
}

/// The stream a record belongs to, or why it cannot be written.
fn route(log: &mut Log<'_>, record: &LedgerRecord) -> Result<Result<i64, String>, StoreError> {
    if let LedgerRecord::Customer(customer) = record {
        let known = log
            .connection
            .prepare_cached("SELECT 1 FROM record WHERE organisation = ?1 AND kind = 'territory' AND key = ?2")?
            .exists(params![log.organisation.as_bytes(), customer.territory.to_string()])?;
        return if known {
            Ok(Ok(log.stream(StreamId::Territory(customer.territory))?))
        } else {
            Ok(Err(format!(
                "territory {} of customer {} is not known; write the territory first",
                customer.territory, customer.code
            )))
        };
    }
    match record {
        // A promise to one phone: nobody else is to count on it.
        LedgerRecord::Grant(grant) => return Ok(Ok(log.stream(StreamId::Device(grant.terms.device))?)),
        // What somebody is to reach is between them and those who lead them.
        LedgerRecord::Target(target) => return Ok(Ok(log.stream(StreamId::User(target.rep))?)),
        LedgerRecord::UnidentifiedReceipt(_) => return Ok(Ok(log.stream(StreamId::Finance)?)),
        _ => {}
    }
    let Some(customer) = record.customer() else {
        return Ok(Ok(log.stream(StreamId::Catalogue)?));
    };
    let Some(stream) = stream_of_customer(log.connection, log.organisation, customer)? else {
        return Ok(Err(format!(
            "customer {customer} is not known; write the customer first"
        )));
    };
    // Opens the stream for adding.
    log.name(stream)?;
    Ok(Ok(stream))
}

/// Lets an entry hold nothing any more; its place and digest stay.
fn replace_entry(connection: &Connection, place: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE entry SET holds = 0, record = NULL, bytes = NULL WHERE place = ?1")?
        .execute([place])?;
    Ok(())
}

fn record_is_gone(log: &mut Log<'_>, stream: i64, key: &RecordKey, now: Timestamp) -> Result<(), StoreError> {
    log.name(stream)?;
    let subject = record_subject(key);
    log.add(
        stream,
        &NewEntry {
            kind: kind::GONE_RECORD,
            digest: gone_record_digest(&subject),
            received_at: now,
            subject: Some(&subject),
            ..NewEntry::default()
        },
    )?;
    Ok(())
}

/// Moves a customer's other records and all documents about it from other territories to `stream`.
fn move_everything_about(
    log: &mut Log<'_>,
    customer: CustomerId,
    stream: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    move_records(log, customer, stream, now)?;
    let documents: Vec<(i64, [u8; 16], i64, i64)> = log
        .connection
        .prepare_cached(
            "SELECT id, document, stream, last_received_at FROM document
             WHERE customer = ?1 AND organisation = ?2 AND stream <> ?3 ORDER BY id",
        )?
        .query_map(
            params![customer.as_bytes(), log.organisation.as_bytes(), stream],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?
        .collect::<Result<_, _>>()?;
    for (row, id, from, received_at) in documents {
        // What concerns one person or one device stays theirs.
        if matches!(log.name(from)?, StreamId::Territory(_)) {
            let id = DocumentId::from_bytes(id);
            move_document(log, row, id, from, stream, Timestamp::from_millis(received_at), now)?;
        }
    }
    Ok(())
}

fn move_records(log: &mut Log<'_>, customer: CustomerId, stream: i64, now: Timestamp) -> Result<(), StoreError> {
    type Moving = (i64, String, String, i64, i64, i64, String);
    let records: Vec<Moving> = log
        .connection
        .prepare_cached(
            "SELECT id, kind, key, stream, place, version, json FROM record
             WHERE customer = ?1 AND organisation = ?2 AND stream <> ?3 ORDER BY id",
        )?
        .query_map(
            params![customer.as_bytes(), log.organisation.as_bytes(), stream],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                ))
            },
        )?
        .collect::<Result<_, _>>()?;
    for (row, kind, key, from, place, version, json) in records {
        // What concerns one person or one device stays theirs.
        if !matches!(log.name(from)?, StreamId::Territory(_)) {
            continue;
        }
        let new_place = log.next_place(stream)?;
        log.add(
            stream,
            &NewEntry {
                kind: kind::RECORD,
                digest: record_digest(&kind, &key, version.unsigned_abs(), &json),
                received_at: now,
                record: Some(row),
                ..NewEntry::default()
            },
        )?;
        replace_entry(log.connection, place)?;
        log.connection
            .prepare_cached("UPDATE record SET stream = ?2, place = ?3 WHERE id = ?1")?
            .execute([row, stream, new_place])?;
        let key = RecordKey {
            kind: RecordKind::from_name(&kind),
            id: key,
        };
        record_is_gone(log, from, &key, now)?;
    }
    Ok(())
}

fn move_document(
    log: &mut Log<'_>,
    row: i64,
    id: DocumentId,
    from: i64,
    to: i64,
    received_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let whole = document::open(&chunks(log.connection, row)?)
        .map_err(|error| StoreError::Damaged(format!("document {id} cannot be moved: {error}")))?;
    let bytes = document::snapshot(&whole);
    log.connection
        .prepare_cached("UPDATE entry SET holds = 0, bytes = NULL WHERE document = ?1 AND kind IN (0, 1)")?
        .execute([row])?;
    log.add(
        to,
        &NewEntry {
            kind: kind::SNAPSHOT,
            digest: snapshot_digest(id, &bytes),
            received_at,
            document: Some(row),
            subject: Some(id.as_bytes()),
            bytes: Some(&bytes),
            ..NewEntry::default()
        },
    )?;
    log.connection
        .prepare_cached("UPDATE document SET stream = ?2 WHERE id = ?1")?
        .execute([row, to])?;
    log.add(
        from,
        &NewEntry {
            kind: kind::GONE_DOCUMENT,
            digest: gone_document_digest(id),
            received_at: now,
            document: Some(row),
            subject: Some(id.as_bytes()),
            ..NewEntry::default()
        },
    )?;
    Ok(())
}
