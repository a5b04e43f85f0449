//! The logs. A seq is given in the same transaction as what it names, by the one writer there is: there are no gaps, and
//! nothing ever becomes visible behind a cursor.

use std::collections::{BTreeMap, HashSet};

use fieldledger_core::{
    model::{ChangeHash, DeviceId, DocumentId, OrganisationId, RecordKey, Timestamp, UserId},
    sync::protocol::{
        ChangeEntry, Cursor, Entry, MAX_ENTRIES, RecordEntry, RecordName, SnapshotEntry, StreamId, StreamMark,
        StreamPage,
    },
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use sha2::{Digest as _, Sha256};

use super::Lineages;
use crate::store::StoreError;

/// Most entries in one page: half of what a reply may hold, so that one more page fits after one that is nearly full.
const MOST_ENTRIES: usize = MAX_ENTRIES / 2;

/// Bits of an entry's place that are its seq; the rest is its stream.
const SEQ_BITS: u32 = 40;
/// Most rows that one page passes over; a stretch of replaced entries must not hold up the reader.
const MAX_SCAN: i64 = 50_000;
/// What an entry costs on the wire besides its content.
const ENTRY_OVERHEAD: usize = 24;

pub(super) type Chain = [u8; 16];
pub(super) type EntryDigest = [u8; 32];

/// The chain before the first entry.
pub(super) const CHAIN_START: Chain = [0; 16];

/// Stored numbers of `entry.kind`.
pub(super) mod kind {
    pub(in super::super) const CHANGE: i64 = 0;
    pub(in super::super) const SNAPSHOT: i64 = 1;
    pub(in super::super) const RECORD: i64 = 2;
    pub(in super::super) const GONE_DOCUMENT: i64 = 3;
    pub(in super::super) const GONE_RECORD: i64 = 4;
}

/// Stored numbers of `entry.holds`.
pub(super) mod holds {
    pub(in super::super) const NOTHING: i64 = 0;
    pub(in super::super) const ITSELF: i64 = 1;
    pub(in super::super) const SNAPSHOT: i64 = 2;
}

/// The row of an entry.
pub(super) fn place_of(stream: i64, seq: u64) -> Result<i64, StoreError> {
    match i64::try_from(seq) {
        Ok(seq) if seq < 1 << SEQ_BITS && stream < 1 << (63 - SEQ_BITS) => Ok(stream << SEQ_BITS | seq),
        _ => Err(StoreError::Engine(format!("stream {stream} is full at {seq}"))),
    }
}

/// The seq of an entry's row.
pub(super) fn seq_of(place: i64) -> u64 {
    (place & ((1 << SEQ_BITS) - 1)).unsigned_abs()
}

/// The stream of an entry's row.
pub(super) fn stream_of(place: i64) -> i64 {
    place >> SEQ_BITS
}

/// The chain after an entry.
pub(super) fn chained(before: &Chain, digest: &EntryDigest) -> Chain {
    let whole: [u8; 32] = Sha256::new()
        .chain_update(before)
        .chain_update(digest)
        .finalize()
        .into();
    let mut chain = [0; 16];
    chain.copy_from_slice(&whole[..16]);
    chain
}

/// A digest over parts, told apart by their lengths and from other digests by `what`.
fn digest_of(what: &str, parts: &[&[u8]]) -> EntryDigest {
    let mut hasher = Sha256::new();
    for part in [what.as_bytes()].iter().chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The digest of a snapshot's entry.
pub(super) fn snapshot_digest(document: DocumentId, bytes: &[u8]) -> EntryDigest {
    digest_of("snapshot", &[document.as_bytes(), bytes])
}

/// The digest of a record's entry.
pub(super) fn record_digest(kind: &str, key: &str, version: u64, json: &str) -> EntryDigest {
    digest_of(
        "record",
        &[kind.as_bytes(), key.as_bytes(), &version.to_be_bytes(), json.as_bytes()],
    )
}

/// The digest of the entry that says a document has gone.
pub(super) fn gone_document_digest(document: DocumentId) -> EntryDigest {
    digest_of("gone document", &[document.as_bytes()])
}

/// The digest of the entry that says a record has gone.
pub(super) fn gone_record_digest(subject: &[u8]) -> EntryDigest {
    digest_of("gone record", &[subject])
}

/// How a gone record is named in `entry.subject`.
pub(super) fn record_subject(key: &RecordKey) -> Vec<u8> {
    [key.kind.as_str().as_bytes(), &[0], key.id.as_bytes()].concat()
}

fn record_name(subject: &[u8]) -> Option<RecordName> {
    let split = subject.iter().position(|byte| *byte == 0)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(RecordName {
        kind: text(&subject[..split])?,
        id: text(&subject[split + 1..])?,
    })
}

/// What is added to a stream.
#[derive(Default)]
pub(super) struct NewEntry<'a> {
    pub(super) kind: i64,
    pub(super) digest: EntryDigest,
    pub(super) received_at: Timestamp,
    pub(super) record: Option<i64>,
    pub(super) document: Option<i64>,
    pub(super) subject: Option<&'a [u8]>,
    pub(super) made: Option<Made<'a>>,
    pub(super) bytes: Option<&'a [u8]>,
}

/// Who made a change, and who brought it.
pub(super) struct Made<'a> {
    pub(super) actor: &'a [u8],
    pub(super) seq: u64,
    pub(super) author: UserId,
    pub(super) device: Option<DeviceId>,
    pub(super) relayed: bool,
    pub(super) at: Timestamp,
}

/// The streams of an organisation while a transaction adds to them: each is read once and written once.
pub(super) struct Log<'c> {
    pub(super) connection: &'c Connection,
    pub(super) organisation: OrganisationId,
    lineages: &'c Lineages,
    rows: BTreeMap<StreamId, i64>,
    ends: BTreeMap<i64, End>,
}

struct End {
    name: StreamId,
    head: u64,
    chain: Chain,
    grown: bool,
}

impl<'c> Log<'c> {
    pub(super) fn new(connection: &'c Connection, organisation: OrganisationId, lineages: &'c Lineages) -> Self {
        Self {
            connection,
            organisation,
            lineages,
            rows: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// The row of a stream, which is begun when there is none.
    pub(super) fn stream(&mut self, name: StreamId) -> Result<i64, StoreError> {
        if let Some(row) = self.rows.get(&name) {
            return Ok(*row);
        }
        let found = self
            .connection
            .prepare_cached("SELECT id, head, chain FROM stream WHERE organisation = ?1 AND name = ?2")?
            .query_row(params![self.organisation.as_bytes(), name.to_bytes()], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))
            })
            .optional()?;
        let (id, head, chain) = match found {
            Some(found) => found,
            None => {
                self.connection
                    .prepare_cached("INSERT INTO stream (organisation, name, lineage, chain) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![
                        self.organisation.as_bytes(),
                        name.to_bytes(),
                        self.lineages.next(),
                        CHAIN_START
                    ])?;
                (self.connection.last_insert_rowid(), 0, CHAIN_START)
            }
        };
        self.rows.insert(name, id);
        self.ends.insert(
            id,
            End {
                name,
                head,
                chain,
                grown: false,
            },
        );
        Ok(id)
    }

    /// The name of the stream in this row.
    pub(super) fn name(&mut self, stream: i64) -> Result<StreamId, StoreError> {
        if let Some(end) = self.ends.get(&stream) {
            return Ok(end.name);
        }
        let name = stream_name(self.connection, stream)?;
        self.stream(name)?;
        Ok(name)
    }

    /// The row that the next entry of the stream gets.
    pub(super) fn next_place(&self, stream: i64) -> Result<i64, StoreError> {
        place_of(stream, self.end(stream)?.head + 1)
    }

    /// Adds an entry and returns its seq.
    pub(super) fn add(&mut self, stream: i64, entry: &NewEntry<'_>) -> Result<u64, StoreError> {
        let place = self.next_place(stream)?;
        let end = self
            .ends
            .get_mut(&stream)
            .ok_or_else(|| StoreError::Engine(format!("stream {stream} was not opened")))?;
        let chain = chained(&end.chain, &entry.digest);
        let made = entry.made.as_ref();
        self.connection
            .prepare_cached(
                "INSERT INTO entry (place, kind, holds, chain, digest, received_at, record, document, subject,
                                    actor, actor_seq, author, device, relayed, made_at, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                place,
                entry.kind,
                holds::ITSELF,
                chain,
                entry.digest,
                entry.received_at.as_millis(),
                entry.record,
                entry.document,
                entry.subject,
                made.map(|it| it.actor),
                made.map(|it| it.seq.cast_signed()),
                made.map(|it| *it.author.as_bytes()),
                made.and_then(|it| it.device).map(|it| *it.as_bytes()),
                made.map(|it| it.relayed),
                made.map(|it| it.at.as_millis()),
                entry.bytes,
            ])?;
        end.head += 1;
        end.chain = chain;
        end.grown = true;
        Ok(end.head)
    }

    /// Writes down where the streams end now, and says how far each has grown. Nothing may be added afterwards.
    pub(super) fn close(self) -> Result<Vec<StreamMark>, StoreError> {
        let mut marks = Vec::new();
        for (row, end) in self.ends.iter().filter(|(_, end)| end.grown) {
            self.connection
                .prepare_cached("UPDATE stream SET head = ?2, chain = ?3 WHERE id = ?1")?
                .execute(params![row, end.head.cast_signed(), end.chain])?;
            marks.push(StreamMark {
                stream: end.name,
                seq: end.head,
            });
        }
        Ok(marks)
    }

    fn end(&self, stream: i64) -> Result<&End, StoreError> {
        self.ends
            .get(&stream)
            .ok_or_else(|| StoreError::Engine(format!("stream {stream} was not opened")))
    }
}

/// The name of the stream in this row.
pub(super) fn stream_name(connection: &Connection, stream: i64) -> Result<StreamId, StoreError> {
    let name: Option<Vec<u8>> = connection
        .prepare_cached("SELECT name FROM stream WHERE id = ?1")?
        .query_row([stream], |row| row.get(0))
        .optional()?;
    name.and_then(|name| StreamId::from_bytes(&name))
        .ok_or_else(|| StoreError::Damaged(format!("stream {stream} has no name")))
}

/// A stream as it is stored.
pub(super) struct StoredStream {
    pub(super) id: i64,
    pub(super) end: Cursor,
}

/// The stream of this name.
pub(super) fn find(
    connection: &Connection,
    organisation: OrganisationId,
    name: StreamId,
) -> Result<Option<StoredStream>, StoreError> {
    let stream = connection
        .prepare_cached("SELECT id, lineage, head, chain FROM stream WHERE organisation = ?1 AND name = ?2")?
        .query_row(params![organisation.as_bytes(), name.to_bytes()], |row| {
            Ok(StoredStream {
                id: row.get(0)?,
                end: Cursor {
                    lineage: row.get::<_, [u8; 8]>(1)?.into(),
                    seq: row.get::<_, i64>(2)?.unsigned_abs(),
                    chain: row.get::<_, Chain>(3)?.into(),
                },
            })
        })
        .optional()?;
    Ok(stream)
}

/// Whether a cursor was given out by this very history.
fn belongs(connection: &Connection, stream: &StoredStream, cursor: &Cursor) -> Result<bool, StoreError> {
    if cursor.lineage != stream.end.lineage || cursor.seq > stream.end.seq {
        return Ok(false);
    }
    if cursor.seq == 0 {
        return Ok(*cursor.chain == CHAIN_START);
    }
    if cursor.seq == stream.end.seq {
        return Ok(cursor.chain == stream.end.chain);
    }
    let chain: Option<Chain> = connection
        .prepare_cached("SELECT chain FROM entry WHERE place = ?1")?
        .query_row([place_of(stream.id, cursor.seq)?], |row| row.get(0))
        .optional()?;
    Ok(chain == Some(*cursor.chain))
}

/// What is to be read of a stream.
pub(super) struct Wanted {
    pub(super) organisation: OrganisationId,
    pub(super) stream: StreamId,
    pub(super) from: Option<Cursor>,
    pub(super) budget: usize,
    pub(super) without: HashSet<ChangeHash>,
}

/// What was found.
pub(super) enum Found {
    Nothing,
    Page(StreamPage),
    /// The cursor is of a stream that is not here at all, so there is no history yet to restart with.
    NoHistory,
}

pub(super) fn page(connection: &Connection, wanted: &Wanted) -> Result<Found, StoreError> {
    let Some(stream) = find(connection, wanted.organisation, wanted.stream)? else {
        return Ok(match wanted.from {
            None => Found::Nothing,
            Some(_) => Found::NoHistory,
        });
    };
    let start = Cursor {
        lineage: stream.end.lineage,
        seq: 0,
        chain: CHAIN_START.into(),
    };
    let (from, restart) = match wanted.from {
        Some(cursor) if belongs(connection, &stream, &cursor)? => (cursor, false),
        Some(_) => (start, true),
        None => (start, false),
    };
    if from.seq == stream.end.seq && !restart {
        return Ok(Found::Nothing);
    }
    let mut page = StreamPage {
        stream: wanted.stream,
        restart,
        entries: Vec::new(),
        next: from,
        more: false,
    };
    if wanted.budget > 0 {
        read_entries(connection, &stream, wanted, &mut page)?;
    }
    page.more = page.next.seq < stream.end.seq;
    Ok(Found::Page(page))
}

fn read_entries(
    connection: &Connection,
    stream: &StoredStream,
    wanted: &Wanted,
    page: &mut StreamPage,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT entry.place, entry.kind, entry.holds, entry.chain, entry.digest, entry.received_at, entry.subject,
                entry.actor, entry.bytes, record.kind, record.key, record.version, record.json
         FROM entry LEFT JOIN record ON record.id = entry.record
         WHERE entry.place > :from AND entry.place <= :to ORDER BY entry.place LIMIT :limit",
    )?;
    let mut rows = statement.query(named_params! {
        ":from": place_of(stream.id, page.next.seq)?,
        ":to": place_of(stream.id, stream.end.seq)?,
        ":limit": MAX_SCAN,
    })?;
    let mut spent = 0;
    let mut last: Option<(u64, Chain)> = None;
    while let Some(row) = rows.next()? {
        if let Some((entry, cost)) = read_entry(row, &wanted.without)? {
            let full = spent + cost > wanted.budget || page.entries.len() == MOST_ENTRIES;
            // One entry always fits, or the reader would never get past a large one.
            if full && !page.entries.is_empty() {
                break;
            }
            spent += cost;
            page.entries.push(entry);
        }
        last = Some((seq_of(row.get(0)?), row.get(3)?));
    }
    if let Some((seq, chain)) = last {
        page.next.seq = seq;
        page.next.chain = chain.into();
    }
    Ok(())
}

/// The entry in a row and its size; `None` for one that is not sent.
fn read_entry(row: &Row<'_>, without: &HashSet<ChangeHash>) -> Result<Option<(Entry, usize)>, StoreError> {
    let (kind, held): (i64, i64) = (row.get(1)?, row.get(2)?);
    if held == holds::NOTHING {
        return Ok(None);
    }
    let damaged = |what: &str| {
        let place: i64 = row.get(0).unwrap_or_default();
        StoreError::Damaged(format!("entry {} of stream {} {what}", seq_of(place), stream_of(place)))
    };
    let received_at = || Ok::<_, StoreError>(Timestamp::from_millis(row.get(5)?));
    let document = || {
        let subject: Option<[u8; 16]> = row.get(6)?;
        Ok::<_, StoreError>(subject.map(DocumentId::from_bytes))
    };
    let bytes = || {
        let bytes: Option<Vec<u8>> = row.get(8)?;
        bytes.ok_or_else(|| damaged("has lost its bytes"))
    };
    let entry = match (kind, held) {
        (kind::CHANGE, holds::ITSELF) => {
            if !without.is_empty() && without.contains(&ChangeHash(row.get(4)?)) {
                return Ok(None);
            }
            Entry::Change(ChangeEntry {
                document: document()?,
                bytes: bytes()?,
                received_at: received_at()?,
            })
        }
        (kind::CHANGE | kind::SNAPSHOT, holds::SNAPSHOT) | (kind::SNAPSHOT, holds::ITSELF) => {
            // A change that creates a document is made by the document's own actor.
            let creator: Option<Vec<u8>> = row.get(7)?;
            let creator = creator.and_then(|actor| fieldledger_core::document::id_of_creator(&actor));
            Entry::Snapshot(SnapshotEntry {
                document: document()?
                    .or(creator)
                    .ok_or_else(|| damaged("has lost its document"))?,
                bytes: bytes()?,
                received_at: received_at()?,
            })
        }
        (kind::RECORD, holds::ITSELF) => {
            let json: Option<String> = row.get(12)?;
            Entry::Record(RecordEntry {
                json: json.ok_or_else(|| damaged("has lost its record"))?,
                version: row.get::<_, i64>(11)?.unsigned_abs(),
                name: RecordName {
                    kind: row.get(9)?,
                    id: row.get(10)?,
                },
            })
        }
        (kind::GONE_DOCUMENT, holds::ITSELF) => {
            Entry::GoneDocument(document()?.ok_or_else(|| damaged("has lost its document"))?)
        }
        (kind::GONE_RECORD, holds::ITSELF) => {
            let subject: Option<Vec<u8>> = row.get(6)?;
            let name = subject.as_deref().and_then(record_name);
            Entry::GoneRecord(name.ok_or_else(|| damaged("has lost its record's name"))?)
        }
        _ => return Err(damaged("is of no known kind")),
    };
    let size = match &entry {
        Entry::Change(it) => it.bytes.len(),
        Entry::Snapshot(it) => it.bytes.len(),
        Entry::Record(it) => it.name.kind.len() + it.name.id.len() + it.json.len(),
        Entry::GoneDocument(_) => 16,
        Entry::GoneRecord(name) => name.kind.len() + name.id.len(),
    };
    Ok(Some((entry, size + ENTRY_OVERHEAD)))
}

/// Every stream of an organisation with the seq of its newest entry.
pub(super) fn heads(connection: &Connection, organisation: OrganisationId) -> Result<Vec<StreamMark>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT name, head FROM stream WHERE organisation = ?1 ORDER BY id")?;
    let mut rows = statement.query([organisation.as_bytes()])?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next()? {
        let name: Vec<u8> = row.get(0)?;
        marks.push(StreamMark {
            stream: StreamId::from_bytes(&name)
                .ok_or_else(|| StoreError::Damaged("a stream has a name that is none".to_owned()))?,
            seq: row.get::<_, i64>(1)?.unsigned_abs(),
        });
    }
    Ok(marks)
}

/// The places between which the streams of territories have grown since these marks, first and last one left out. A stream that
/// is not among the marks counts from its beginning. What reps and the office write about customers is in these streams.
pub(super) fn grown_since(
    connection: &Connection,
    organisation: OrganisationId,
    marks: &[StreamMark],
) -> Result<Vec<(i64, i64)>, StoreError> {
    let known: BTreeMap<StreamId, u64> = marks.iter().map(|it| (it.stream, it.seq)).collect();
    let mut statement = connection.prepare_cached("SELECT id, name, head FROM stream WHERE organisation = ?1")?;
    let mut rows = statement.query([organisation.as_bytes()])?;
    let mut grown = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name, head): (i64, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Some(stream @ StreamId::Territory(_)) = StreamId::from_bytes(&name) else {
            continue;
        };
        let from = known.get(&stream).copied().unwrap_or(0);
        if from < head.unsigned_abs() {
            grown.push((place_of(id, from)?, place_of(id + 1, 0)?));
        }
    }
    Ok(grown)
}

/// Up to where the last backup covers these streams; streams that no backup covers are left out.
pub(super) fn backed_up(
    connection: &Connection,
    organisation: OrganisationId,
    streams: &[StreamId],
) -> Result<Vec<StreamMark>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT backed_up FROM stream WHERE organisation = ?1 AND name = ?2")?;
    let mut marks = Vec::new();
    for stream in streams {
        let seq: Option<i64> = statement
            .query_row(params![organisation.as_bytes(), stream.to_bytes()], |row| row.get(0))
            .optional()?;
        if let Some(seq) = seq.filter(|seq| *seq > 0) {
            marks.push(StreamMark {
                stream: *stream,
                seq: seq.unsigned_abs(),
            });
        }
    }
    Ok(marks)
}
