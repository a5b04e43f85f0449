//! A damaged database is set aside, never deleted, and what can be read of it is carried into a fresh one.
//!
//! Tables are read through SQLite as far as it gets; where it gives up, the rows are taken straight from the pages of
//! the file (`pages`). A change is only believed when its bytes give its hash, so nothing wrong comes back.
//!
//! The fresh file is made beside the damaged one and swapped in last: a crash at any moment leaves either the damaged
//! file in its place, to be salvaged again, or the finished fresh one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OpenFlags, Transaction, types::Value as Sql};

use super::{
    Database, Durability, allowances,
    cipher::{self, DatabaseKey, KeySupply},
    codec, connect, documents,
    meta::{self, Identity},
    migrate, outbox,
    pages::{Pages, Stored},
    recode, records, streams, with_suffix,
};
use crate::{
    document::{self, Chunk, chunk},
    error::FieldError,
    evidence::files::Folder,
    model::{ChangeHash, DocumentId, Timestamp},
    sync::protocol::{RecordEntry, RecordName, StreamId},
};

/// What was set aside and what could be read of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SalvageReport {
    /// What was wrong.
    pub reason: String,
    /// Where the damaged file is now.
    pub set_aside: PathBuf,
    /// Whether the phone still knows whose it is; without that it has to be enrolled again.
    pub enrolled: bool,
    /// Documents that are back.
    pub documents: usize,
    /// Changes that are back.
    pub changes: usize,
    /// Changes that are back and that the server had not acknowledged.
    pub unsent: usize,
    /// Changes that were found and could not be read any more, or not without others that are missing.
    pub lost: usize,
    /// Ledger records that are back; the others come again with the next sync.
    pub records: usize,
    /// Tables that SQLite could not read to the end.
    pub damaged_tables: Vec<String>,
}

impl fmt::Display for SalvageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it is kept as {}; {} changes of {} documents could be read from it, {} of them not sent yet, and {} could not",
            self.set_aside.display(),
            self.changes,
            self.documents,
            self.unsent,
            self.lost
        )?;
        f.write_str(if self.enrolled {
            "; the next sync brings what the server has"
        } else {
            "; enrol the phone again to bring what the server has"
        })?;
        write!(f, " ({})", self.reason)
    }
}

/// Suffix of the note that a file is damaged.
pub(super) const NOTE: &str = "-damaged";
/// Suffix of the fresh file while it is made.
pub(super) const FRESH: &str = "-fresh";
/// What belongs to a database besides its file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// How many documents are carried over in one transaction.
const BATCH: usize = 1_000;

/// Opens the database; a damaged one is set aside first.
pub(crate) fn open(
    path: &Path,
    durability: Durability,
    keys: Option<Arc<dyn KeySupply>>,
    now: Timestamp,
) -> Result<(Database, Option<SalvageReport>), FieldError> {
    let database = Database::closed(path, durability, keys);
    let report = reopen(&database, now)?;
    Ok((database, report))
}

/// Connects a closed database; a damaged one is set aside first.
pub(crate) fn reopen(database: &Database, now: Timestamp) -> Result<Option<SalvageReport>, FieldError> {
    let path = database.path();
    // Before anything is touched: without a key everything stays as it is.
    let mut found = cipher::find_key(path, database.keys())?;
    let (fresh, note) = (with_suffix(path, FRESH), with_suffix(path, NOTE));
    if fresh.exists() && !path.exists() {
        // A crash between the two renames: the fresh file was finished.
        finish_swap(path, &set_aside_name(path, now)).map_err(|error| in_file(&error))?;
        found = cipher::find_key(path, database.keys())?;
    }
    recode::clean(path)?;
    let noted = fs::read_to_string(&note).ok();
    let connected = if found.first_bytes_damaged {
        database.close();
        Err(FieldError::Damaged(
            "its first bytes are not what was written".to_owned(),
        ))
    } else {
        database.connect(&found)
    };
    let reason = match (noted, connected) {
        (None, Ok(())) => return Ok(None),
        (Some(reason), Ok(())) | (_, Err(FieldError::Damaged(reason))) => reason,
        (_, Err(error)) => return Err(error),
    };
    database.close();
    // What was wrong may quote what was read.
    let shown = if found.key.is_some() {
        "it is encrypted"
    } else {
        &reason
    };
    tracing::warn!(reason = shown, "the database is damaged; salvaging it");
    let mut report = salvage(path, &fresh, database.durability(), found.key.as_ref())?;
    report.reason = reason;
    report.set_aside = set_aside_name(path, now);
    swap(path, &report.set_aside).map_err(|error| in_file(&error))?;
    match fs::remove_file(&note) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_file(&error)),
        _ => {}
    }
    database.connect(&found)?;
    Ok(Some(report))
}

/// Notes beside the file that it is damaged, so that the next opening salvages it. Beside an encrypted one the note does
/// not say what is wrong: that may quote what was read.
pub(crate) fn note_damage(database: &Database, what: &str) {
    let what = if database.keys().is_some() {
        "damage was met while working"
    } else {
        what
    };
    if let Err(error) = fs::write(with_suffix(database.path(), NOTE), what) {
        tracing::error!(%error, "the damage of the database could not be noted");
    }
}

fn in_file(error: &io::Error) -> FieldError {
    if error.kind() == io::ErrorKind::StorageFull {
        FieldError::StorageFull
    } else {
        FieldError::Internal(format!("the damaged database could not be set aside: {error}"))
    }
}

/// A name beside `path` that is free.
fn set_aside_name(path: &Path, now: Timestamp) -> PathBuf {
    let mut number = now.as_millis();
    loop {
        let name = with_suffix(path, &format!(".damaged-{number}"));
        if !name.exists() {
            return name;
        }
        number = number.wrapping_add(1);
    }
}

fn swap(path: &Path, aside: &Path) -> io::Result<()> {
    // The file first: without it the log beside it is not taken for the fresh one's.
    fs::rename(path, aside)?;
    finish_swap(path, aside)
}

fn finish_swap(path: &Path, aside: &Path) -> io::Result<()> {
    for suffix in COMPANIONS {
        match fs::rename(with_suffix(path, suffix), with_suffix(aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(with_suffix(path, FRESH), path)?;
    sync_folder(path)
}

/// Makes what was renamed or made beside `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Carries what can be read at `damaged` into a fresh database at `fresh`.
fn salvage(
    damaged: &Path,
    fresh: &Path,
    durability: Durability,
    key: Option<&DatabaseKey>,
) -> Result<SalvageReport, FieldError> {
    for name in [fresh.to_owned(), with_suffix(fresh, "-wal"), with_suffix(fresh, "-shm")] {
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_file(&error)),
            _ => {}
        }
    }
    let mut report = SalvageReport::default();
    let mut source = Source::open(damaged, key);
    let mut connection = connect(fresh, durability, key)?;
    migrate(&mut connection)?;
    let identity = carry_meta(&mut connection, &mut source, &mut report)?;
    carry_documents(&mut connection, &mut source, identity.as_ref(), &mut report)?;
    carry_records(&mut connection, &mut source, &mut report)?;
    carry_evidence(&mut connection, &mut source, damaged)?;
    carry_allowances(&mut connection, &mut source)?;
    report.enrolled = identity.is_some();
    report.damaged_tables = source.given_up;
    // Everything into the one file that is renamed.
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.close().map_err(|(_, error)| FieldError::from(error))?;
    Ok(report)
}

/// The damaged database.
struct Source {
    connection: Option<Connection>,
    pages: Option<Pages>,
    given_up: Vec<String>,
}

/// A row as it was stored; the first column of a table with a row id is that id.
type Values = Vec<Sql>;

impl Source {
    fn open(path: &Path, key: Option<&DatabaseKey>) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok();
        Self {
            connection: connection.filter(|it| cipher::unlock(it, key).is_ok()),
            pages: Pages::open(path, key).ok(),
            given_up: Vec::new(),
        }
    }

    /// Whether a table is known to have a column, which one of an earlier version may not.
    fn has(&self, table: &str, column: &str) -> bool {
        let sql = format!("SELECT {column} FROM {table} LIMIT 0");
        self.connection.as_ref().is_some_and(|it| it.prepare(&sql).is_ok())
    }

    /// Every row of a table that can be read, as `columns` say, handed to `take` one by one; some may come twice.
    fn rows(
        &mut self,
        table: &str,
        columns: &str,
        stored: Stored,
        mut take: impl FnMut(Values) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        let whole = match &self.connection {
            Some(connection) => read_table(connection, table, columns, &mut take)?,
            None => false,
        };
        if whole {
            return Ok(());
        }
        self.given_up.push(table.to_owned());
        match &mut self.pages {
            Some(pages) => pages.rows(stored, take),
            None => Ok(()),
        }
    }
}

/// Reads a table as far as SQLite gets; whether that was to the end.
fn read_table(
    connection: &Connection,
    table: &str,
    columns: &str,
    take: &mut impl FnMut(Values) -> Result<(), FieldError>,
) -> Result<bool, FieldError> {
    let Ok(mut statement) = connection.prepare(&format!("SELECT {columns} FROM {table} NOT INDEXED")) else {
        return Ok(false);
    };
    let count = statement.column_count();
    let Ok(mut rows) = statement.query([]) else {
        return Ok(false);
    };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                let values: Result<Values, _> = (0..count).map(|index| row.get(index)).collect();
                if let Ok(values) = values {
                    take(values)?;
                }
            }
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

fn number(value: Option<&Sql>) -> Option<i64> {
    match value {
        Some(Sql::Integer(number)) => Some(*number),
        _ => None,
    }
}

fn blob(value: Option<&Sql>) -> Option<&[u8]> {
    match value {
        Some(Sql::Blob(bytes)) => Some(bytes),
        _ => None,
    }
}

fn text(value: Option<&Sql>) -> Option<&str> {
    match value {
        Some(Sql::Text(text)) => Some(text),
        _ => None,
    }
}

fn carry_meta(
    connection: &mut Connection,
    source: &mut Source,
    _report: &mut SalvageReport,
) -> Result<Option<Identity>, FieldError> {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    source.rows("meta", "key, value", Stored::Meta, |row| {
        if let (Some(key), Some(value)) = (text(row.first()), blob(row.get(1)))
            // A value cut or overwritten is no JSON.
            && serde_json::from_slice::<serde_json::Value>(value).is_ok()
        {
            found.insert(key.to_owned(), value.to_vec());
        }
        Ok(())
    })?;
    let transaction = connection.transaction()?;
    for (key, value) in &found {
        transaction.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", (key, value))?;
    }
    let identity = meta::get(&transaction, meta::IDENTITY).unwrap_or(None);
    transaction.commit()?;
    Ok(identity)
}

/// A chunk as it was found: its key, and whether it was not yet acknowledged.
struct FoundChunk {
    hash: Vec<u8>,
    packed: Vec<u8>,
}

/// An entry of the outbox as it was found.
struct FoundEntry {
    state: i64,
    relayed: bool,
    code: Option<i64>,
    message: Option<String>,
    dismissed: bool,
}

fn carry_documents(
    connection: &mut Connection,
    source: &mut Source,
    identity: Option<&Identity>,
    report: &mut SalvageReport,
) -> Result<(), FieldError> {
    let names = stream_names(source)?;
    let mut entries: BTreeMap<i64, (i64, FoundEntry)> = BTreeMap::new();
    source.rows(
        "outbox",
        "seq, change, state, relayed, code, message, dismissed",
        Stored::Outbox,
        |row| {
            if let (Some(seq), Some(change), Some(state @ 0..=2)) =
                (number(row.first()), number(row.get(1)), number(row.get(2)))
            {
                let entry = FoundEntry {
                    state,
                    relayed: number(row.get(3)) == Some(1),
                    code: number(row.get(4)),
                    message: text(row.get(5)).map(str::to_owned),
                    dismissed: number(row.get(6)) == Some(1),
                };
                entries.insert(change, (seq, entry));
            }
            Ok(())
        },
    )?;
    let mut ids: BTreeMap<i64, (DocumentId, Option<i64>)> = BTreeMap::new();
    source.rows("document", "row, id, kind, stream", Stored::Document, |row| {
        if let (Some(number_of_row), Some(id)) = (number(row.first()), blob(row.get(1)))
            && let Ok(id) = <[u8; 16]>::try_from(id)
        {
            ids.insert(number_of_row, (DocumentId::from_bytes(id), number(row.get(3))));
        }
        Ok(())
    })?;
    // Changes come in the order of their keys, document by document, except from pages; a document is carried over when
    // its last change has come, the rest at the end.
    let mut carrier = Carrier {
        connection,
        names,
        ids,
        identity,
        report,
        renamed: BTreeMap::new(),
        documents: BTreeSet::new(),
        batch: BTreeMap::new(),
    };
    source.rows("change", "key, hash, bytes", Stored::Change, |row| {
        if let (Some(key), Some(hash), Some(packed)) = (number(row.first()), blob(row.get(1)), blob(row.get(2)))
            && hash.len().is_multiple_of(32)
        {
            let chunk = FoundChunk {
                hash: hash.to_vec(),
                packed: packed.to_vec(),
            };
            carrier.take(key, chunk)?;
        }
        Ok(())
    })?;
    carrier.flush()?;
    let Carrier {
        connection,
        renamed,
        documents,
        report,
        ..
    } = carrier;
    report.documents = documents.len();
    let transaction = connection.transaction()?;
    let mut in_order: Vec<_> = entries
        .into_iter()
        .map(|(key, (seq, entry))| (seq, key, entry))
        .collect();
    in_order.sort_by_key(|(seq, key, _)| (*seq, *key));
    for (_, key, entry) in in_order {
        let Some(change) = renamed.get(&key) else {
            report.lost += 1;
            continue;
        };
        outbox::add(&transaction, *change, entry.relayed)?;
        transaction.execute(
            "UPDATE outbox SET state = ?2, code = ?3, message = ?4, dismissed = ?5 WHERE change = ?1",
            (change, entry.state, entry.code, &entry.message, entry.dismissed),
        )?;
        report.unsent += 1;
    }
    transaction.commit()?;
    Ok(())
}

fn stream_names(source: &mut Source) -> Result<BTreeMap<i64, StreamId>, FieldError> {
    let mut names = BTreeMap::new();
    source.rows("stream", "ref, name", Stored::Stream, |row| {
        if let (Some(reference), Some(stream)) = (number(row.first()), blob(row.get(1)).and_then(StreamId::from_bytes))
        {
            names.insert(reference, stream);
        }
        Ok(())
    })?;
    Ok(names)
}

/// Carries documents over in batches.
struct Carrier<'a> {
    connection: &'a mut Connection,
    names: BTreeMap<i64, StreamId>,
    ids: BTreeMap<i64, (DocumentId, Option<i64>)>,
    identity: Option<&'a Identity>,
    report: &'a mut SalvageReport,
    /// New keys of changes by their old ones.
    renamed: BTreeMap<i64, i64>,
    documents: BTreeSet<DocumentId>,
    batch: BTreeMap<i64, FoundChunk>,
}

impl Carrier<'_> {
    fn take(&mut self, key: i64, chunk: FoundChunk) -> Result<(), FieldError> {
        self.batch.insert(key, chunk);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        // The last document may not be whole yet.
        let last = self.batch.keys().next_back().copied().unwrap_or_default();
        let (first_of_last, _) = documents::row_of_change::range(documents::row_of_change::document(last));
        let rest = self.batch.split_off(&first_of_last);
        if self.batch.is_empty() {
            self.batch = rest;
            return self.flush();
        }
        self.flush()?;
        self.batch = rest;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FieldError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let mut of_row: BTreeMap<i64, Vec<(i64, FoundChunk)>> = BTreeMap::new();
        for (key, chunk) in batch {
            of_row
                .entry(documents::row_of_change::document(key))
                .or_default()
                .push((key, chunk));
        }
        let transaction = self.connection.transaction()?;
        for (row, chunks) in of_row {
            let mut readable = Vec::new();
            for (key, chunk) in chunks {
                match Readable::of(&chunk) {
                    Some(chunk) => readable.push((key, chunk)),
                    None => self.report.lost += 1,
                }
            }
            let known = self.ids.get(&row);
            let id = known
                .map(|(id, _)| *id)
                .or_else(|| readable.iter().find_map(|(_, chunk)| chunk.creates));
            let Some(id) = id else {
                self.report.lost += readable.len();
                continue;
            };
            let stream = known
                .and_then(|(_, stream)| self.names.get(&(*stream)?))
                .map(|stream| streams::reference(&transaction, *stream))
                .transpose()?;
            for (key, chunk) in readable {
                match chunk.carry(&transaction, id, stream) {
                    Ok(change) => {
                        self.renamed.insert(key, change);
                        self.documents.insert(id);
                        self.report.changes += 1;
                    }
                    Err(error @ FieldError::StorageFull) => return Err(error),
                    Err(_) => self.report.lost += 1,
                }
                // What was made here is offered to the server by name: its place in the outbox may be what was lost.
                let own = self
                    .identity
                    .is_none_or(|identity| chunk.device == Some(identity.device));
                if own && let (Some(hash), Some(found)) = (chunk.hash, documents::find(&transaction, id)?) {
                    transaction
                        .prepare_cached("INSERT OR IGNORE INTO reoffer (document, hash) VALUES (?1, ?2)")?
                        .execute((found.row, &hash.0[..]))?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// A chunk whose bytes are what its hash says.
struct Readable {
    bytes: Vec<u8>,
    /// `None` for a snapshot.
    hash: Option<ChangeHash>,
    creates: Option<DocumentId>,
    device: Option<crate::model::DeviceId>,
}

impl Readable {
    fn of(found: &FoundChunk) -> Option<Self> {
        let bytes = codec::unpack(&found.packed).ok()?;
        if chunk::is_snapshot(&bytes) {
            let document = document::open(&[&bytes]).ok()?;
            let changes = document.get_changes(&[]);
            let first = changes.first()?;
            return Some(Self {
                hash: None,
                creates: document::id_of_creator(first.actor_id().to_bytes()),
                device: None,
                bytes,
            });
        }
        // Automerge panics on some damaged bytes.
        let chunk = std::panic::catch_unwind(|| Chunk::read(bytes.clone())).ok()?.ok()?;
        if chunk.hash().0[..] != found.hash[..] {
            return None;
        }
        Some(Self {
            hash: Some(chunk.hash()),
            creates: chunk.creates(),
            device: chunk.authorship().map(|it| it.device),
            bytes,
        })
    }

    fn carry(&self, transaction: &Transaction<'_>, id: DocumentId, stream: Option<i64>) -> Result<i64, FieldError> {
        let inserted = if self.hash.is_some() {
            let prepared = documents::prepare(Some(id), &self.bytes)?;
            documents::insert_remote_change(transaction, stream, &prepared)?
        } else {
            documents::insert_remote_snapshot(transaction, stream, id, &self.bytes)?.0
        };
        Ok(match inserted {
            documents::Inserted::New { change, .. } | documents::Inserted::Duplicate { change } => change,
        })
    }
}

fn carry_records(
    connection: &mut Connection,
    source: &mut Source,
    report: &mut SalvageReport,
) -> Result<(), FieldError> {
    let names = stream_names(source)?;
    let transaction = connection.transaction()?;
    let columns = "row, kind, id, stream, version, body";
    source.rows("record", columns, Stored::Record, |row| {
        let (Some(kind), Some(id)) = (text(row.get(1)), text(row.get(2))) else {
            return Ok(());
        };
        let (Some(stream), Some(version)) = (number(row.get(3)), number(row.get(4))) else {
            return Ok(());
        };
        let Some(stream) = names.get(&stream) else {
            return Ok(());
        };
        let json = blob(row.get(5))
            .and_then(|body| codec::unpack(body).ok())
            .and_then(|json| String::from_utf8(json).ok())
            .filter(|json| serde_json::from_str::<serde_json::Value>(json).is_ok());
        let Some(json) = json else { return Ok(()) };
        let entry = RecordEntry {
            name: RecordName {
                kind: kind.to_owned(),
                id: id.to_owned(),
            },
            version: u64::try_from(version).unwrap_or_default(),
            json,
        };
        let stream = streams::reference(&transaction, *stream)?;
        if records::put(&transaction, stream, &entry, 0)? {
            report.records += 1;
        }
        Ok(())
    })?;
    transaction.commit()?;
    Ok(())
}

/// Offline allowances and what the server has not been told of them. What cannot be read here the server still holds
/// reserved: nothing is sold twice, but an order that they guaranteed is decided on anew.
fn carry_allowances(connection: &mut Connection, source: &mut Source) -> Result<(), FieldError> {
    let Some(damaged) = &source.connection else {
        source.given_up.push("allowance".to_owned());
        return Ok(());
    };
    let transaction = connection.transaction()?;
    let grants = read_table(damaged, "allowance", "state", &mut |row| {
        if let Some(grant) = text(row.first()).and_then(|json| serde_json::from_str(json).ok()) {
            allowances::put(&transaction, &grant)?;
        }
        Ok(())
    })?;
    let words = read_table(damaged, "allowance_word", "word", &mut |row| {
        if let Some(word) = text(row.first()).and_then(|json| serde_json::from_str(json).ok()) {
            allowances::say(&transaction, &word)?;
        }
        Ok(())
    })?;
    transaction.commit()?;
    let unread = [("allowance", grants), ("allowance_word", words)];
    let unread = unread.into_iter().filter(|(_, whole)| !whole);
    source.given_up.extend(unread.map(|(table, _)| table.to_owned()));
    Ok(())
}

/// Files of evidence, and those in the folder beside the database that nothing can be read of any more: which document
/// names them is found out when they are about to be sent.
fn carry_evidence(connection: &mut Connection, source: &mut Source, damaged: &Path) -> Result<(), FieldError> {
    let transaction = connection.transaction()?;
    let columns = if source.has("evidence", "document") {
        "hash, path, size, state, sent, document, due, tries, problem, backed_up, stored_at"
    } else {
        "hash, path, size, state, sent"
    };
    source.rows("evidence", columns, Stored::Evidence, |row| {
        if let (Some(hash), Some(size), Some(state @ 0..=4)) = (
            blob(row.first()).filter(|it| it.len() == 32),
            number(row.get(2)),
            number(row.get(3)),
        ) {
            let count = |index| number(row.get(index)).unwrap_or_default();
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO evidence (hash, path, size, state, sent, document, due, tries, problem,
                       backed_up, stored_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute((
                    hash,
                    text(row.get(1)),
                    size,
                    state,
                    count(4),
                    blob(row.get(5)).filter(|it| it.len() == 16),
                    count(6),
                    count(7),
                    text(row.get(8)),
                    count(9) == 1,
                    number(row.get(10)),
                ))?;
        }
        Ok(())
    })?;
    for (hash, size) in Folder::beside(damaged, Durability::Off).all() {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO evidence (hash, path, size, state) VALUES (?1, ?2, ?3, 0)")?
            .execute((&hash.0[..], hash.to_string(), i64::try_from(size).unwrap_or(i64::MAX)))?;
    }
    transaction.commit()?;
    Ok(())
}
