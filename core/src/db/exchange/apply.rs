//! Storing a reply.

mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Transaction;

use super::{Applied, Sent, left_to_push, reauthor};
use crate::{
    db::{
        allowances,
        documents::{self, Inserted, Prepared, Removed},
        kept, outbox, records, streams,
        streams::StreamRow,
    },
    error::FieldError,
    model::{ChangeHash, DeviceId, DocumentId, Grant, LedgerRecord, RecordKind, UserId},
    store::Change,
    sync::protocol::{
        ChangeEntry, Cursor, Entry, RecordEntry, Rejection, RejectionCode, StreamId, StreamPage, SyncResponse,
    },
};

/// Fresh random bytes for actors.
pub(crate) type Fresh<'a> = &'a mut dyn FnMut() -> Result<[u8; 16], FieldError>;

/// Documents of a withdrawn stream that are dropped at once.
const DROP_AT_ONCE: usize = 1_000;

/// A reply whose changes have been checked and read, which needs no database.
struct Checked {
    pages: Vec<CheckedPage>,
}
struct CheckedPage {
    stream: StreamId,
    restart: bool,
    next: Cursor,
    more: bool,
    entries: Vec<CheckedEntry>,
}
enum CheckedEntry {
    Change(Box<Prepared>),
    Other(Entry),
    Unreadable(Entry, String),
}

/// Stores a reply to what was `sent` by `me`, a person on a device.
///
/// # Errors
/// [`FieldError`] of the database; nothing is stored then.
pub fn apply(
    transaction: &Transaction<'_>,
    response: SyncResponse,
    sent: &Sent,
    me: Option<(UserId, DeviceId)>,
    fresh: Fresh<'_>,
) -> Result<Applied, FieldError> {
    let mut applied = Applied::default();
    if let Some(refused) = contradiction(transaction, &response, sent)? {
        applied.refused = Some(refused);
        return Ok(applied);
    }
    applied.recorded_meanwhile = outbox::count_waiting(transaction)? > sent.waiting;
    let ends_early = response.streams.iter().any(|page| page.more);
    let verdicts = response
        .verdicts
        .into_iter()
        .flat_map(|run| std::iter::repeat_n(run.verdict, run.count as usize));
    let mut storing = Storing {
        transaction,
        applied,
        me,
        wanted: BTreeMap::new(),
        put_off: BTreeSet::new(),
        offered: BTreeSet::new(),
        ends_early,
        collided: BTreeSet::new(),
        set_aside_again: BTreeSet::new(),
        happened: kept::Happened::default(),
    };
    for (item, verdict) in sent.items.iter().zip(verdicts) {
        storing.verdict(item, verdict)?;
    }
    storing.queue_wanted()?;
    storing.offer_what_put_off_builds_on()?;
    storing.make_again(fresh)?;
    let mut pages = response.streams;
    let departures = take_departures(&mut pages);
    for page in check(pages).pages {
        storing.page(page)?;
    }
    for (stream, entry) in departures {
        storing.departure(stream, &entry)?;
    }
    storing.try_set_aside_again()?;
    if !storing.ends_early {
        outbox::offer_what_was_noted(transaction)?;
    }
    for stream in response.withdrawn {
        storing.withdraw(stream)?;
    }
    for mark in response.backed_up {
        if let Some(row) = streams::find(transaction, mark.stream)?
            && row.backed_up != mark.seq
        {
            streams::set_backed_up(transaction, row.reference, mark.seq)?;
            storing.happened.ask = true;
        }
        storing.happened.backups = true;
    }
    let Storing {
        mut applied,
        mut happened,
        ..
    } = storing;
    happened.ask |= !applied.restarted.is_empty();
    if applied.progress {
        let hidden = kept::hide(transaction)?;
        applied.changes.extend(hidden.into_iter().map(Change::Documents));
        documents::remove_leaving(transaction)?;
    }
    applied.progress |= kept::take_notice(transaction, &happened, response.server_time)?;
    if applied.progress {
        applied.changes.insert(Change::Status);
    }
    applied.waiting = left_to_push(transaction)?;
    applied.new_token = response.new_token;
    Ok(applied)
}

/// What in the reply does not fit to what was asked, if anything.
fn contradiction(
    transaction: &Transaction<'_>,
    response: &SyncResponse,
    sent: &Sent,
) -> Result<Option<String>, FieldError> {
    let judged: u64 = response.verdicts.iter().map(|run| u64::from(run.count)).sum();
    if judged != sent.items.len() as u64 {
        let pushed = sent.items.len();
        return Ok(Some(format!("it judged {judged} changes, {pushed} were pushed")));
    }
    let asked: BTreeMap<StreamId, Option<Cursor>> = sent.cursors.iter().map(|it| (it.stream, it.cursor)).collect();
    let mut seen = BTreeSet::new();
    for page in &response.streams {
        let stream = page.stream;
        let present = streams::find(transaction, stream)?.and_then(|row| row.cursor);
        let asked = asked.get(&stream).copied().flatten();
        if present != asked {
            return Ok(Some(format!("it answers an older request about stream {stream:?}")));
        }
        if !seen.insert(stream) {
            return Ok(Some(format!("it holds two pages of stream {stream:?}")));
        }
        if let Some(asked) = asked
            && !page.restart
            && (page.next.lineage != asked.lineage || page.next.seq < asked.seq)
        {
            return Ok(Some(format!(
                "its page of stream {stream:?} does not follow the cursor"
            )));
        }
    }
    Ok(None)
}

/// Takes out what left a stream, to be stored after everything else. Otherwise a document that moved from one of the
/// phone's streams to another would be dropped before it arrives there, and with it the changes that this very request
/// pushed: the server leaves those out of its pages, because the phone has them.
fn take_departures(pages: &mut [StreamPage]) -> Vec<(StreamId, Entry)> {
    let mut departures = Vec::new();
    for page in pages {
        let leaves = |entry: &Entry| matches!(entry, Entry::GoneDocument(_) | Entry::GoneRecord(_));
        let (gone, stays): (Vec<_>, Vec<_>) = std::mem::take(&mut page.entries).into_iter().partition(leaves);
        page.entries = stays;
        if gone.is_empty() {
            continue;
        }
        // What comes back to the same stream later on is not gone. The server keeps only the present one of an item's
        // entries, so whatever a page still holds of it came after it left.
        let mut documents = BTreeSet::new();
        let mut records = BTreeSet::new();
        for entry in &page.entries {
            match entry {
                Entry::Snapshot(it) => drop(documents.insert(it.document)),
                Entry::Change(it) => documents.extend(it.document),
                Entry::Record(it) => drop(records.insert((&it.name.kind, &it.name.id))),
                Entry::GoneDocument(_) | Entry::GoneRecord(_) => {}
            }
        }
        let is_back = |entry: &Entry| match entry {
            Entry::GoneDocument(id) => documents.contains(id),
            Entry::GoneRecord(name) => records.contains(&(&name.kind, &name.id)),
            _ => true,
        };
        departures.extend(gone.into_iter().filter(|it| !is_back(it)).map(|it| (page.stream, it)));
    }
    departures
}

/// Checks and reads the changes of a reply, on two threads when there are many.
fn check(pages: Vec<StreamPage>) -> Checked {
    const WORTH_A_THREAD: usize = 200;
    let pages = pages
        .into_iter()
        .map(|page| {
            let mut entries = page.entries;
            let entries = if entries.len() < WORTH_A_THREAD {
                check_entries(entries)
            } else {
                let second = entries.split_off(entries.len() / 2);
                std::thread::scope(|scope| {
                    let second = scope.spawn(|| check_entries(second));
                    let mut checked = check_entries(entries);
                    match second.join() {
                        Ok(second) => checked.extend(second),
                        // Panics on hostile bytes are caught where they are read.
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                    checked
                })
            };
            CheckedPage {
                stream: page.stream,
                restart: page.restart,
                next: page.next,
                more: page.more,
                entries,
            }
        })
        .collect();
    Checked { pages }
}

fn check_entries(entries: Vec<Entry>) -> Vec<CheckedEntry> {
    entries
        .into_iter()
        .map(|entry| {
            let Entry::Change(change) = entry else {
                return CheckedEntry::Other(entry);
            };
            match documents::prepare(change.document, &change.bytes) {
                Ok(prepared) => CheckedEntry::Change(Box::new(prepared)),
                Err(error) => CheckedEntry::Unreadable(Entry::Change(change), fault(&error)),
            }
        })
        .collect()
}

struct Storing<'t> {
    transaction: &'t Transaction<'t>,
    applied: Applied,
    me: Option<(UserId, DeviceId)>,
    /// Changes that the server lost, by the row of their document.
    wanted: BTreeMap<i64, BTreeSet<ChangeHash>>,
    /// Changes that the server does not take yet.
    put_off: BTreeSet<i64>,
    /// What this exchange has asked about and the server has.
    offered: BTreeSet<ChangeHash>,
    /// The server has more: what it acknowledges here may lie in the part that the phone has not read.
    ends_early: bool,
    /// Changes whose actor was used twice.
    collided: BTreeSet<i64>,
    /// Documents that got another name, which makes room for what was set aside under the old one.
    set_aside_again: BTreeSet<DocumentId>,
    /// What the next round of asking for kept documents needs to know.
    happened: kept::Happened,
}

impl Storing<'_> {
    fn make_again(&mut self, fresh: Fresh<'_>) -> Result<(), FieldError> {
        for key in std::mem::take(&mut self.collided) {
            match reauthor::reauthor(self.transaction, key, fresh)? {
                reauthor::Outcome::Again { count, renamed } => {
                    self.applied.reauthored += count;
                    if let Some((old, new)) = renamed {
                        self.set_aside_again.insert(old);
                        self.applied.reauthored += reauthor::follow(self.transaction, (old, new), fresh)?;
                    }
                }
                // Made again already, together with another one of its document.
                reauthor::Outcome::NotHere => {}
                reauthor::Outcome::Impossible(message) => {
                    let code = RejectionCode::ActorCollision;
                    self.reject(key, &Rejection { code, message }, false)?;
                }
            }
        }
        Ok(())
    }

    fn page(&mut self, page: CheckedPage) -> Result<(), FieldError> {
        let transaction = self.transaction;
        let reference = streams::reference(transaction, page.stream)?;
        let stream = streams::find(transaction, page.stream)?.ok_or(FieldError::NotFound)?;
        let mut mark = stream.restart;
        if page.restart {
            mark = self.restart(&stream)?;
        }
        if stream.withdrawn {
            streams::set_withdrawn(transaction, reference, false)?;
        }
        for entry in page.entries {
            self.applied.pulled += 1;
            match entry {
                CheckedEntry::Change(prepared) => self.change(reference, mark, &prepared)?,
                CheckedEntry::Other(entry) => self.other(reference, mark, entry)?,
                CheckedEntry::Unreadable(entry, why) => self.set_aside(reference, &entry, &why)?,
            }
        }
        if stream.cursor != Some(page.next) {
            self.applied.progress = true;
            streams::set_cursor(transaction, reference, Some(page.next))?;
        }
        if mark != 0 && !page.more {
            for record in records::unseen(transaction, reference, mark, &RecordKind::Grant)? {
                if let LedgerRecord::Grant(grant) = record {
                    allowances::lost(transaction, &grant)?;
                }
            }
            if records::remove_unseen(transaction, reference, mark)? > 0 {
                self.applied.changes.insert(Change::Records);
            }
            streams::set_restart(transaction, reference, 0)?;
        }
        self.applied.more |= page.more;
        self.applied.places.push((page.stream, page.next.seq));
        Ok(())
    }

    /// The stream's history began anew: everything held of it is offered again, unless it comes by itself, and records
    /// that do not come again are dropped at the end.
    fn restart(&mut self, stream: &StreamRow) -> Result<i64, FieldError> {
        const AT_ONCE: usize = 1_000;
        let transaction = self.transaction;
        let newest: i64 = transaction
            .prepare_cached("SELECT coalesce(max(seen), 0) FROM record WHERE stream = ?1")?
            .query_row([stream.reference], |row| row.get(0))?;
        let mark = newest.max(stream.restart) + 1;
        streams::set_restart(transaction, stream.reference, mark)?;
        let mut after = 0;
        loop {
            let rows = documents::rows_of_stream(transaction, stream.reference, after, AT_ONCE)?;
            for row in &rows {
                outbox::offer_again(transaction, *row)?;
            }
            match rows.last() {
                Some(last) => after = *last,
                None => break,
            }
        }
        self.applied.progress = true;
        self.applied.restarted.push(stream.stream);
        Ok(mark)
    }

    fn change(&mut self, stream: i64, mark: i64, prepared: &Prepared) -> Result<(), FieldError> {
        let transaction = self.transaction;
        let found = documents::find(transaction, prepared.document())?;
        let moves = found.as_ref().is_some_and(|found| found.stream != Some(stream));
        let is_new = found.is_none();
        let insert = || documents::insert_found_change(transaction, Some(stream), prepared, found);
        // A document that is new and has been read already cannot fail for its own sake. A savepoint around it would make
        // the full-text index write itself out for each entry, which took a third of a first pull.
        let stored = if is_new && prepared.is_projected() {
            Ok(insert()?)
        } else {
            guarded(transaction, insert)?
        };
        match stored {
            Ok(inserted) => {
                if mark != 0 && moves {
                    offer_document_again(transaction, &inserted)?;
                }
                self.inserted(mark, inserted, &[prepared.hash()])
            }
            Err(why) => {
                let entry = Entry::Change(ChangeEntry {
                    document: Some(prepared.document()),
                    bytes: prepared.bytes()?,
                    received_at: crate::model::Timestamp::default(),
                });
                self.set_aside(stream, &entry, &why)
            }
        }
    }

    fn inserted(&mut self, mark: i64, inserted: Inserted, hashes: &[ChangeHash]) -> Result<(), FieldError> {
        let (change, new) = match inserted {
            Inserted::New { kind, change } => {
                if let Some(kind) = kind {
                    self.applied.changes.insert(Change::Documents(kind));
                }
                (change, true)
            }
            Inserted::Duplicate { change } => (change, false),
        };
        let row = documents::row_of_change::document(change);
        if mark != 0 {
            for hash in hashes {
                outbox::offered(self.transaction, row, *hash)?;
            }
        }
        if !new {
            // A refused change came back: somebody let it in. What was built on it gets another chance.
            let (first, last) = documents::row_of_change::range(row);
            self.transaction
                .prepare_cached(
                    "UPDATE outbox SET state = 0, code = NULL, message = NULL
                     WHERE change BETWEEN ?1 AND ?2 AND state = 1",
                )?
                .execute((first, last))?;
        }
        Ok(())
    }

    fn other(&mut self, stream: i64, mark: i64, entry: Entry) -> Result<(), FieldError> {
        let transaction = self.transaction;
        match &entry {
            Entry::Change(_) => Ok(()),
            Entry::Snapshot(snapshot) => {
                let moves = comes_from_elsewhere(transaction, snapshot.document, stream)?;
                let stored = guarded(transaction, || {
                    documents::insert_remote_snapshot(transaction, Some(stream), snapshot.document, &snapshot.bytes)
                })?;
                match stored {
                    Ok((inserted, hashes)) => {
                        let (Inserted::New { change, .. } | Inserted::Duplicate { change }) = &inserted;
                        let row = documents::row_of_change::document(*change);
                        if moves {
                            offer_document_again(transaction, &inserted)?;
                            for hash in &hashes {
                                outbox::offered(transaction, row, *hash)?;
                            }
                        }
                        self.inserted(mark, inserted, &hashes)
                    }
                    Err(why) => self.set_aside(stream, &entry, &why),
                }
            }
            Entry::Record(record) => {
                if records::put(transaction, stream, record, mark)? {
                    self.applied.changes.insert(Change::Records);
                    if let Some(grant) = grant_in(record) {
                        allowances::received(transaction, &grant)?;
                    }
                }
                Ok(())
            }
            Entry::GoneDocument(_) | Entry::GoneRecord(_) => self.departed(stream, &entry),
        }
    }

    fn departure(&mut self, stream: StreamId, entry: &Entry) -> Result<(), FieldError> {
        self.applied.pulled += 1;
        let reference = streams::reference(self.transaction, stream)?;
        self.departed(reference, entry)
    }

    fn departed(&mut self, stream: i64, entry: &Entry) -> Result<(), FieldError> {
        let transaction = self.transaction;
        match entry {
            Entry::GoneDocument(id) => {
                if let Some(found) = documents::find(transaction, *id)?
                    && found.stream == Some(stream)
                {
                    if let Some((user, _)) = self.me {
                        kept::note_own(transaction, found.row, user)?;
                    }
                    self.happened.ask |= documents::remove(transaction, stream, *id)? == Removed::Kept;
                    let kind = documents::kind_of_number(found.kind);
                    self.applied.changes.extend(kind.map(Change::Documents));
                }
                transaction
                    .prepare_cached("DELETE FROM unreadable WHERE stream = ?1 AND document = ?2")?
                    .execute((stream, &id.as_bytes()[..]))?;
            }
            Entry::GoneRecord(name) => {
                if records::remove(transaction, stream, name)? {
                    self.applied.changes.insert(Change::Records);
                }
            }
            Entry::Change(_) | Entry::Snapshot(_) | Entry::Record(_) => {}
        }
        Ok(())
    }

    /// Keeps what this build cannot use for one that can; it never holds up the rest.
    fn set_aside(&mut self, stream: i64, entry: &Entry, why: &str) -> Result<(), FieldError> {
        self.applied.unreadable += 1;
        let (kind, document) = match entry {
            Entry::Change(change) => ("change", change.document),
            Entry::Snapshot(snapshot) => ("snapshot", Some(snapshot.document)),
            Entry::Record(_) => ("record", None),
            Entry::GoneDocument(_) | Entry::GoneRecord(_) => ("farewell", None),
        };
        tracing::warn!(
            kind,
            ?document,
            why,
            "an entry of the server cannot be used and is set aside"
        );
        let bytes = minicbor::to_vec(entry).map_err(|error| FieldError::Internal(error.to_string()))?;
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO unreadable (stream, document, entry) VALUES (?1, ?2, ?3)")?
            .execute((stream, document.as_ref().map(|id| &id.as_bytes()[..]), bytes))?;
        Ok(())
    }

    /// A document made way for another one of the same name: stores what was set aside of that.
    fn try_set_aside_again(&mut self) -> Result<(), FieldError> {
        for id in std::mem::take(&mut self.set_aside_again) {
            let kept: Vec<(i64, Vec<u8>)> = self
                .transaction
                .prepare_cached("SELECT stream, entry FROM unreadable WHERE document = ?1 ORDER BY rowid")?
                .query_map([&id.as_bytes()[..]], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            self.transaction
                .prepare_cached("DELETE FROM unreadable WHERE document = ?1")?
                .execute([&id.as_bytes()[..]])?;
            for (stream, entry) in kept {
                let Ok(entry) = minicbor::decode::<Entry>(&entry) else {
                    continue;
                };
                for entry in check_entries(vec![entry]) {
                    match entry {
                        CheckedEntry::Change(prepared) => self.change(stream, 0, &prepared)?,
                        CheckedEntry::Other(entry) => self.other(stream, 0, entry)?,
                        CheckedEntry::Unreadable(entry, why) => self.set_aside(stream, &entry, &why)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Drops a stream that the user may no longer read. What is unsent or was refused stays, without a stream.
    fn withdraw(&mut self, stream: StreamId) -> Result<(), FieldError> {
        let transaction = self.transaction;
        self.applied.withdrawn.push(stream);
        let Some(row) = streams::find(transaction, stream)? else {
            return Ok(());
        };
        self.applied.progress = true;
        self.happened.ask = true;
        records::remove_stream(transaction, row.reference)?;
        if let Some((user, _)) = self.me {
            // The server may have been restored since it acknowledged them, or may be: the person's own work leaves the
            // phone only when a backup covers it.
            documents::offer_own_again(transaction, row.reference, user)?;
        }
        while documents::remove_stream(transaction, row.reference, DROP_AT_ONCE)? != (0, 0) {}
        transaction
            .prepare_cached("DELETE FROM unreadable WHERE stream = ?1")?
            .execute([row.reference])?;
        streams::forget(transaction, row.reference)?;
        self.applied.changes.insert(Change::Records);
        for kind in crate::model::DocumentKind::KNOWN {
            self.applied.changes.insert(Change::Documents(kind));
        }
        Ok(())
    }
}

/// Whether the phone holds the document as one of another stream than this.
fn comes_from_elsewhere(transaction: &Transaction<'_>, id: DocumentId, stream: i64) -> Result<bool, FieldError> {
    Ok(documents::find(transaction, id)?.is_some_and(|found| found.stream != Some(stream)))
}

/// A document that has moved is not among those that are offered when its old stream restarts; if a restored server lost
/// the newest of it, this is the only occasion to notice.
fn offer_document_again(transaction: &Transaction<'_>, inserted: &Inserted) -> Result<(), FieldError> {
    let (Inserted::New { change, .. } | Inserted::Duplicate { change }) = inserted;
    outbox::offer_again(transaction, documents::row_of_change::document(*change))
}

fn still_holds(transaction: &Transaction<'_>, key: i64, hash: ChangeHash) -> Result<bool, FieldError> {
    Ok(transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM change WHERE key = ?1 AND hash = ?2)")?
        .query_row((key, &hash.0[..]), |row| row.get(0))?)
}

/// What is wrong with an entry, for the log. The error itself may quote what is in it.
fn fault(error: &FieldError) -> String {
    match error {
        FieldError::Invalid(invalid) => format!("`{}` is not valid", invalid.field),
        FieldError::Damaged(_) => "its bytes cannot be read".to_owned(),
        other => other.to_string(),
    }
}

/// Runs `work` so that a fault of the entry (not of the database) leaves no trace and is told in words.
fn guarded<T>(
    transaction: &Transaction<'_>,
    work: impl FnOnce() -> Result<T, FieldError>,
) -> Result<Result<T, String>, FieldError> {
    transaction.prepare_cached("SAVEPOINT entry")?.execute([])?;
    let result = match work() {
        Ok(done) => Ok(done),
        // Bytes that fit to no document of ours; a fault of the database itself is not cured by going on.
        Err(error @ (FieldError::Damaged(_) | FieldError::Invalid(_))) => {
            transaction.prepare_cached("ROLLBACK TO entry")?.execute([])?;
            Err(fault(&error))
        }
        Err(error) => return Err(error),
    };
    transaction.prepare_cached("RELEASE entry")?.execute([])?;
    Ok(result)
}

/// The grant that a record is, if it is one that this build can read.
fn grant_in(record: &RecordEntry) -> Option<Grant> {
    let kind = RecordKind::from_name(&record.name.kind);
    if kind != RecordKind::Grant {
        return None;
    }
    match LedgerRecord::from_json(&kind, &record.json) {
        Ok(Some(LedgerRecord::Grant(grant))) => Some(grant),
        _ => None,
    }
}
