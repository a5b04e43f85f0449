//! Reading everything and comparing it with itself. SQLite's own check finds broken pages; only the hashes find a flipped
//! bit in a row that still looks like one.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use fieldledger_core::{
    document::{self, Chunk, Summary},
    model::{ChangeHash, DocumentId, LedgerRecord, RecordKind, Timestamp},
    sync::protocol::StreamId,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Value};
use sha2::{Digest as _, Sha256};

use super::{
    documents::{amount_text, evidence_bytes, packed},
    maintenance::integrity,
    streams::{
        CHAIN_START, Chain, EntryDigest, chained, gone_document_digest, gone_record_digest, holds, kind, place_of,
        record_digest, seq_of, snapshot_digest, stream_name, stream_of,
    },
};
use crate::store::{StoreError, doubt};

/// Most sentences about one kind of fault; a file that is damaged throughout need not be listed row by row.
const MOST: usize = 100;

/// Looks through one kind of thing and adds what is wrong with it.
type Check = fn(&Connection, &mut Vec<String>) -> Result<(), StoreError>;

/// Reads everything and compares it with itself; returns what is wrong, in words.
pub(super) fn verify(connection: &Connection) -> Vec<String> {
    let checks: [(&str, Check); 7] = [
        ("the database file", file),
        ("the streams", streams),
        ("the documents", documents),
        ("the reviews", reviews),
        ("the records", records),
        ("the versions of records", record_versions),
        ("the quarantine", quarantine),
    ];
    let mut all = Vec::new();
    for (what, check) in checks {
        let mut found = Vec::new();
        if let Err(error) = check(connection, &mut found) {
            found.push(format!("{what} cannot be read through: {error}"));
        }
        let more = found.len().saturating_sub(MOST);
        all.extend(found.into_iter().take(MOST));
        if more > 0 {
            all.push(format!("{what}: {more} more faults"));
        }
    }
    all
}

fn file(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    found.extend(integrity(connection)?);
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        found.push(format!(
            "a row of {table} refers to a row of {parent} that is not there"
        ));
    }
    Ok(())
}

/// Seqs without gaps, chains, digests, and nothing outside a stream.
fn streams(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT id, name, head, chain FROM stream ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut known = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let (id, name, head): (i64, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        known.insert(id);
        if StreamId::from_bytes(&name).is_none() {
            found.push(format!("stream {id} has a name that is none"));
        }
        let end: Vec<u8> = row.get(3)?;
        stream(connection, id, head.unsigned_abs(), &end, found)?;
    }
    let mut statement = connection.prepare("SELECT DISTINCT place >> 40 FROM entry")?;
    for stream in statement.query_map([], |row| row.get::<_, i64>(0))? {
        let stream = stream?;
        if !known.contains(&stream) {
            found.push(format!("there are entries of stream {stream}, which is not there"));
        }
    }
    Ok(())
}

fn stream(connection: &Connection, id: i64, head: u64, end: &[u8], found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT entry.place, entry.kind, entry.holds, entry.chain, entry.digest, entry.subject, entry.actor,
                entry.actor_seq, entry.author, entry.made_at, entry.bytes, record.kind, record.key, record.version,
                record.json, record.place
         FROM entry LEFT JOIN record ON record.id = entry.record
         WHERE entry.place >= ?1 AND entry.place < ?2 ORDER BY entry.place",
    )?;
    let mut rows = statement.query([place_of(id, 0)?, place_of(id + 1, 0)?])?;
    let (mut seq, mut chain) = (0, CHAIN_START);
    while let Some(row) = rows.next()? {
        let at = seq_of(row.get(0)?);
        let name = format!("entry {at} of stream {id}");
        if at != seq + 1 {
            found.push(format!("stream {id} has a gap: entry {at} follows entry {seq}"));
        }
        seq = at;
        let (Ok(digest), Ok(stored)) = (row.get::<_, EntryDigest>(4), row.get::<_, Chain>(3)) else {
            found.push(format!("{name} has a digest or a chain of the wrong length"));
            continue;
        };
        if stored != chained(&chain, &digest) {
            found.push(format!("{name} does not fit the chain"));
        }
        // Goes on from what is stored, so that one fault is not told of every entry after it.
        chain = stored;
        match content(row, &digest) {
            Ok(None) => {}
            Ok(Some(fault)) => found.push(format!("{name} {fault}")),
            Err(error) => found.push(format!("{name} cannot be read: {error}")),
        }
    }
    if seq != head {
        found.push(format!(
            "stream {id} ends with entry {seq} and should end with entry {head}"
        ));
    }
    if chain[..] != *end {
        found.push(format!("stream {id} does not end with the chain that is noted for it"));
    }
    Ok(())
}

/// What is wrong with the content of an entry.
fn content(row: &Row<'_>, digest: &EntryDigest) -> Result<Option<String>, StoreError> {
    let (kind, held): (i64, i64) = (row.get(1)?, row.get(2)?);
    let bytes: Option<Vec<u8>> = row.get(10)?;
    let subject: Option<Vec<u8>> = row.get(5)?;
    let document = subject.as_deref().and_then(document::id_of_creator);
    let expected = match (kind, held, bytes) {
        (kind::CHANGE | kind::SNAPSHOT | kind::RECORD, holds::NOTHING, None) => return Ok(None),
        (kind::CHANGE, holds::ITSELF, Some(bytes)) => return change(row, bytes, digest),
        // The rest is checked by putting the document together.
        (kind::CHANGE | kind::SNAPSHOT, holds::SNAPSHOT, Some(bytes)) => {
            return Ok((!fits_its_checksum(&bytes)).then(|| "does not fit its checksum".to_owned()));
        }
        (kind::SNAPSHOT, holds::ITSELF, Some(bytes)) => document.map(|document| snapshot_digest(document, &bytes)),
        (kind::GONE_DOCUMENT, holds::ITSELF, None) => document.map(gone_document_digest),
        (kind::GONE_RECORD, holds::ITSELF, None) => subject.as_deref().map(gone_record_digest),
        (kind::RECORD, holds::ITSELF, None) => {
            let (Some(kind), Some(key), Some(version), Some(json)) = (
                row.get::<_, Option<String>>(11)?,
                row.get::<_, Option<String>>(12)?,
                row.get::<_, Option<i64>>(13)?,
                row.get::<_, Option<String>>(14)?,
            ) else {
                return Ok(Some("is of a record that is not there".to_owned()));
            };
            if row.get::<_, Option<i64>>(15)? != Some(row.get(0)?) {
                return Ok(Some(format!("is not the place noted for {kind} {key}")));
            }
            Some(record_digest(&kind, &key, version.unsigned_abs(), &json))
        }
        _ => return Ok(Some("holds something else than its kind says".to_owned())),
    };
    Ok((expected.as_ref() != Some(digest)).then(|| "is not what its digest says".to_owned()))
}

/// A chunk begins with four bytes of magic and the first four of the hash over what follows them. Automerge reads over a
/// wrong one here and stumbles on it there.
fn fits_its_checksum(bytes: &[u8]) -> bool {
    bytes
        .get(8..)
        .is_some_and(|rest| Sha256::digest(rest)[..4] == bytes[4..8])
}

fn change(row: &Row<'_>, bytes: Vec<u8>, digest: &EntryDigest) -> Result<Option<String>, StoreError> {
    if !fits_its_checksum(&bytes) {
        return Ok(Some("does not fit its checksum".to_owned()));
    }
    // Automerge panics on some damaged bytes.
    let chunk = match catch_unwind(|| Chunk::read(bytes)) {
        Ok(Ok(chunk)) => chunk,
        Ok(Err(error)) => return Ok(Some(format!("holds no change: {error}"))),
        Err(_) => return Ok(Some("holds no change: Automerge panicked on it".to_owned())),
    };
    if chunk.hash().0 != *digest {
        return Ok(Some(format!("holds change {} under another name", chunk.hash())));
    }
    let (actor, seq): (Option<Vec<u8>>, Option<i64>) = (row.get(6)?, row.get(7)?);
    if actor.as_deref() != Some(chunk.actor()) || seq != Some(chunk.seq().cast_signed()) {
        return Ok(Some("names another actor than its change".to_owned()));
    }
    if let Some(authorship) = chunk.authorship() {
        let (author, made_at): (Option<Vec<u8>>, Option<i64>) = (row.get(8)?, row.get(9)?);
        if author.as_deref() != Some(authorship.user.as_bytes()) || made_at != Some(authorship.at.as_millis()) {
            return Ok(Some("names another author or time than its change".to_owned()));
        }
    }
    Ok(None)
}

/// Puts every document together and compares it with what lists say of it.
fn documents(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT * FROM document ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: [u8; 16] = match row.get("document") {
            Ok(id) => id,
            Err(error) => {
                found.push(format!("a document has no id: {error}"));
                continue;
            }
        };
        let id = DocumentId::from_bytes(id);
        // Automerge opens some damaged documents and panics when they are looked at.
        match catch_unwind(AssertUnwindSafe(|| one_document(connection, row, id, found))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => found.push(format!("document {id} cannot be read: {error}")),
            Err(_) => found.push(format!("document {id} cannot be read: Automerge panicked on it")),
        }
    }
    let orphans: i64 = connection.query_row(
        "SELECT count(*) FROM entry WHERE document IS NOT NULL AND document NOT IN (SELECT id FROM document)",
        [],
        |row| row.get(0),
    )?;
    if orphans > 0 {
        found.push(format!("{orphans} entries are of documents that are not there"));
    }
    let unsearchable: i64 = connection.query_row(
        "SELECT count(*) FROM document WHERE id NOT IN (SELECT id FROM document_words_docsize)
           AND id NOT IN (SELECT document FROM document_unindexed)",
        [],
        |row| row.get(0),
    )?;
    if unsearchable > 0 {
        found.push(format!(
            "the words of {unsearchable} documents are not in the index and do not wait for it"
        ));
    }
    Ok(())
}

/// What the entries of a document say.
#[derive(Default)]
struct Entries {
    chunks: Vec<Vec<u8>>,
    changes: BTreeSet<ChangeHash>,
    received: Vec<i64>,
}

fn one_document(
    connection: &Connection,
    row: &Row<'_>,
    id: DocumentId,
    found: &mut Vec<String>,
) -> Result<(), StoreError> {
    let stream: i64 = row.get("stream")?;
    let entries = entries_of(connection, row.get("id")?, stream, id, found)?;
    let whole = match document::open(&entries.chunks) {
        Ok(whole) => whole,
        Err(error) => {
            found.push(format!("document {id}: {error}"));
            return Ok(());
        }
    };
    let held: BTreeSet<ChangeHash> = whole
        .get_changes(&[])
        .iter()
        .map(|change| ChangeHash(change.hash().0))
        .collect();
    if held != entries.changes {
        found.push(format!(
            "document {id} holds {} changes, its streams name {}",
            held.len(),
            entries.changes.len()
        ));
    }
    let tree = document::tree::of(&whole);
    let stored: Option<serde_json::Value> = serde_json::from_str(&row.get::<_, String>("tree")?).ok();
    if stored.as_ref() != Some(&tree) {
        found.push(format!("the tree of document {id} is not what its changes say"));
    }
    let summary = Summary::of(&tree);
    let disagreements = document::disagreement::disagreements(&whole).len() as i64;
    let blob = |id: Option<[u8; 16]>| id.map_or(Value::Null, |id| Value::Blob(id.to_vec()));
    let text = |text: &str| Value::Text(text.to_owned());
    let expected: [(&str, Value); 17] = [
        ("heads", Value::Blob(packed(&document::heads(&whole)))),
        ("disagreements", disagreements.into()),
        ("first_received_at", entries.received.iter().min().copied().into()),
        ("last_received_at", entries.received.iter().max().copied().into()),
        ("kind", text(summary.kind.as_str())),
        ("newer", summary.newer.into()),
        ("customer", blob(summary.customer.map(|it| *it.as_bytes()))),
        ("owner", blob(summary.owner.map(|it| *it.as_bytes()))),
        ("about", blob(summary.about.map(|it| *it.as_bytes()))),
        ("at", summary.at.map(Timestamp::as_millis).into()),
        ("day", summary.day.map(|it| it.to_string()).into()),
        ("state", text(&summary.state)),
        ("title", text(&summary.title)),
        ("amount", amount_text(&summary).into()),
        ("evidence", evidence_bytes(&summary).into()),
        ("outside", summary.outside.into()),
        ("mocked", summary.mocked.into()),
    ];
    for (column, expected) in expected {
        if row.get::<_, Value>(column)? != expected {
            found.push(format!("{column} of document {id} is not what its changes say"));
        }
    }
    let position = if summary.outside { doubt::OUTSIDE } else { 0 } | if summary.mocked { doubt::MOCKED } else { 0 };
    if row.get::<_, u8>("doubts")? & (doubt::OUTSIDE | doubt::MOCKED) != position {
        found.push(format!("doubts of document {id} is not what its changes say"));
    }
    Ok(())
}

fn entries_of(
    connection: &Connection,
    row: i64,
    stream: i64,
    id: DocumentId,
    found: &mut Vec<String>,
) -> Result<Entries, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT place, kind, holds, digest, received_at, subject, actor, actor_seq, bytes FROM entry
         WHERE document = ?1 ORDER BY place",
    )?;
    let mut rows = statement.query([row])?;
    let mut entries = Entries::default();
    while let Some(row) = rows.next()? {
        let (place, kind, held): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let name = format!("entry {} of stream {}", seq_of(place), stream_of(place));
        let subject: Option<Vec<u8>> = row.get(5)?;
        let of_this = match subject {
            Some(subject) => subject == id.as_bytes(),
            // Left out for the change that creates the document, whose actor names it.
            None => row.get::<_, Option<Vec<u8>>>(6)?.as_deref() == Some(id.as_bytes()),
        };
        if !of_this {
            found.push(format!("{name} names another document than {id}"));
        }
        if kind == kind::CHANGE {
            entries.changes.insert(ChangeHash(row.get(3)?));
            entries.received.push(row.get(4)?);
        }
        if matches!(kind, kind::CHANGE | kind::SNAPSHOT) && held != holds::NOTHING {
            entries.chunks.extend(row.get::<_, Option<Vec<u8>>>(8)?);
            if stream_of(place) != stream {
                found.push(format!(
                    "{name} holds a part of document {id}, which is in stream {stream}"
                ));
            }
        }
    }
    Ok(entries)
}

/// The verdicts that lists show.
fn reviews(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut newest: BTreeMap<(Vec<u8>, Vec<u8>), String> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT organisation, about, state FROM document WHERE about IS NOT NULL AND kind = 'review'
         ORDER BY at, document",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        newest.insert((row.get(0)?, row.get(1)?), row.get(2)?);
    }
    let mut statement = connection.prepare("SELECT organisation, document, review FROM document")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name = (row.get(0)?, row.get::<_, Vec<u8>>(1)?);
        if row.get::<_, Option<String>>(2)?.as_ref() != newest.get(&name) {
            let id = document::id_of_creator(&name.1).map(|id| id.to_string());
            found.push(format!(
                "the verdict on document {} is not that of its newest review",
                id.unwrap_or_default()
            ));
        }
    }
    Ok(())
}

fn records(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare("SELECT id, kind, key, stream, place, customer, json, organisation FROM record ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key): (String, String) = (row.get(1)?, row.get(2)?);
        let (stream, place): (i64, i64) = (row.get(3)?, row.get(4)?);
        if stream_of(place) != stream {
            found.push(format!("{kind} {key} has its place in another stream than its own"));
        }
        let entry: Option<i64> = connection
            .prepare_cached("SELECT record FROM entry WHERE place = ?1 AND kind = 2 AND holds = 1")?
            .query_row([place], |row| row.get(0))
            .optional()?
            .flatten();
        if entry != Some(row.get(0)?) {
            found.push(format!("{kind} {key} is not in its stream"));
        }
        match LedgerRecord::from_json(&RecordKind::from_name(&kind), &row.get::<_, String>(6)?) {
            Ok(None) => {}
            Ok(Some(record)) => {
                let name = record.key();
                let customer = record.customer().map(|it| it.as_bytes().to_vec());
                if name.kind.as_str() != kind || name.id != key || customer != row.get(5)? {
                    found.push(format!("{kind} {key} holds another record or one of another customer"));
                }
                if let LedgerRecord::Grant(grant) = &record {
                    if stream_name(connection, stream)? != StreamId::Device(grant.terms.device) {
                        found.push(format!("{kind} {key} is not in the stream of its device"));
                    }
                } else if let Some(customer) = record.customer() {
                    let home: Option<i64> = connection
                        .prepare_cached(
                            "SELECT stream FROM record WHERE organisation = ?1 AND kind = 'customer' AND key = ?2",
                        )?
                        .query_row(params![row.get::<_, Vec<u8>>(7)?, customer.to_string()], |row| {
                            row.get(0)
                        })
                        .optional()?;
                    if home != Some(stream) {
                        found.push(format!("{kind} {key} is not in the stream of its customer"));
                    }
                }
            }
            Err(error) => found.push(format!("{kind} {key} cannot be read: {error}")),
        }
    }
    Ok(())
}

/// What an older version says must be what its entry was chained with, and no version may be missing before the newest.
fn record_versions(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT record.kind, record.key, old.version, old.json, entry.digest,
                coalesce(lead(old.version) OVER (PARTITION BY old.record ORDER BY old.version), record.version)
           FROM record_version AS old
           LEFT JOIN record ON record.id = old.record
           LEFT JOIN entry ON entry.place = old.place AND entry.kind = 2
          ORDER BY old.record, old.version",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
        let (Some(kind), Some(key)) = (kind, key) else {
            found.push("a version is of a record that is not there".to_owned());
            continue;
        };
        let (version, json, next): (i64, String, i64) = (row.get(2)?, row.get(3)?, row.get(5)?);
        if next != version + 1 {
            found.push(format!("after version {version} of {kind} {key} comes version {next}"));
        }
        let digest: Option<Vec<u8>> = row.get(4)?;
        if digest.as_deref() != Some(&record_digest(&kind, &key, version.unsigned_abs(), &json)[..]) {
            found.push(format!(
                "version {version} of {kind} {key} is not what was sent to phones"
            ));
        }
    }
    Ok(())
}

fn quarantine(connection: &Connection, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT id, digest, bytes FROM quarantine")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, digest, bytes): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if Sha256::digest(&bytes)[..] != digest[..] {
            found.push(format!("item {id} of the quarantine is not what its digest says"));
        }
    }
    Ok(())
}
