//! Streams, documents, ledger records, quarantine and the feed.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use chrono::NaiveDate;
use fieldledger_core::{
    document::Summary,
    model::{
        ChangeHash, Customer, CustomerId, DeviceId, DocumentId, DocumentKind, Evidence, EvidenceHash, LedgerRecord,
        OrganisationId, RecordKey, RecordKind, TerritoryId, Timestamp, UserId,
    },
    sync::protocol::{Cursor, RejectionCode, StreamId, StreamMark, StreamPage},
};

use super::{Overview, OverviewOf, QuarantinedLine, StoreError, Tree};

/// A phone's clock counts as wrong from so many milliseconds on.
pub const CLOCK_TOLERANCE_MILLIS: i64 = 5 * 60 * 1_000;

/// What makes a document doubtful; [`FeedItem::doubts`] adds them up.
pub mod doubt {
    /// Outside the customer's geofence.
    pub const OUTSIDE: u8 = 1;
    /// The position came from a mock provider.
    pub const MOCKED: u8 = 2;
    /// The clock of a phone was off when it sent a change.
    pub const CLOCK: u8 = 4;
    /// Its owner still changed it more than a day after it first came in. What others say in it later, as a contact who
    /// confirms or a supervisor who settles, is no edit.
    pub const EDITED: u8 = 8;
    /// Any of them.
    pub const ANY: u8 = OUTSIDE | MOCKED | CLOCK | EDITED;
}

/// Streams and what is in them.
#[async_trait]
pub trait DocumentStore {
    /// A document with its chunks; `None` when it is not here.
    async fn document(&self, org: OrganisationId, id: DocumentId) -> Result<Option<StoredDocument>, StoreError>;

    /// Several documents at once, in the order asked for.
    async fn documents(
        &self,
        org: OrganisationId,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<StoredDocument>>, StoreError>;

    /// Those of these documents that are of one of `kinds`, without reading them.
    async fn of_kinds(
        &self,
        org: OrganisationId,
        ids: &[DocumentId],
        kinds: &[DocumentKind],
    ) -> Result<Vec<DocumentId>, StoreError>;

    /// Which of these changes are here.
    async fn known_changes(
        &self,
        org: OrganisationId,
        hashes: &[ChangeHash],
    ) -> Result<HashSet<ChangeHash>, StoreError>;

    /// Which of these changes a backup covers, wherever they were when it was made.
    async fn backed_up_changes(
        &self,
        org: OrganisationId,
        hashes: &[ChangeHash],
    ) -> Result<HashSet<ChangeHash>, StoreError>;

    /// Appends validated changes to their documents and streams, gives each its seq, and projects: all in one
    /// transaction. Each item is judged for itself; one that cannot be appended never keeps the others out.
    async fn append(
        &self,
        org: OrganisationId,
        items: Vec<Append>,
        now: Timestamp,
    ) -> Result<Vec<AppendOutcome>, StoreError>;

    /// The next page of a stream after `from`, without the changes in `without` (the device has just pushed them).
    /// `None` when there is nothing new. A cursor of another history restarts at the beginning. With a budget of 0 the
    /// page holds no entries and only says whether there are some; with any other it holds at least one.
    async fn page(
        &self,
        org: OrganisationId,
        stream: StreamId,
        from: Option<Cursor>,
        budget_bytes: usize,
        without: &HashSet<ChangeHash>,
    ) -> Result<Option<StreamPage>, StoreError>;

    /// The present end of a stream.
    async fn head(&self, org: OrganisationId, stream: StreamId) -> Result<Option<Cursor>, StoreError>;

    /// Up to where the last backup covers these streams.
    async fn backed_up(&self, org: OrganisationId, streams: &[StreamId]) -> Result<Vec<StreamMark>, StoreError>;

    /// Keeps a copy of what could not be accepted, for the supervisor. The same change again changes nothing.
    async fn quarantine(&self, org: OrganisationId, items: Vec<Quarantined>) -> Result<(), StoreError>;

    /// What is in quarantine for these territories (`None`: all), newest first: what was for one of them, and what
    /// people who work in one of them sent that is for none of their own. So it is with everything about the quarantine.
    async fn quarantined(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        limit: u32,
    ) -> Result<Vec<Quarantined>, StoreError>;

    /// What is in quarantine for these territories (`None`: all) without its bytes, newest first.
    async fn quarantined_lines(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        limit: u32,
    ) -> Result<Vec<QuarantinedLine>, StoreError>;

    /// One thing in quarantine, by the SHA-256 of its bytes; `None` when it is not here, or not for these territories
    /// (`None`: all).
    async fn quarantined_item(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        digest: [u8; 32],
    ) -> Result<Option<Quarantined>, StoreError>;

    /// Notes that somebody has looked at these things in quarantine, as far as they are for these territories (`None`:
    /// all); returns at how many of them nobody had looked before.
    async fn see_quarantined(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        digests: &[[u8; 32]],
        by: UserId,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// What waits for somebody, and what happened on a day, all of one moment.
    async fn overview(&self, org: OrganisationId, of: &OverviewOf) -> Result<Overview, StoreError>;

    /// Indexes the words of at most so many documents that came in and wait for it; returns of how many.
    async fn index_words(&self, most: u32) -> Result<u32, StoreError>;

    /// How many documents wait for their words to be indexed: a search does not find them.
    async fn unindexed(&self) -> Result<u64, StoreError>;

    /// Writes ledger records. A record with the same content changes nothing; another content becomes a new version. A
    /// customer whose territory changes moves with everything about them: `gone` in the old stream, snapshots in the
    /// new one. With `all_or_nothing`, one that cannot be written keeps all out.
    async fn put_records(
        &self,
        org: OrganisationId,
        records: Vec<LedgerRecord>,
        all_or_nothing: bool,
        now: Timestamp,
    ) -> Result<Vec<PutOutcome>, StoreError>;

    /// The newest version of a record.
    async fn record(&self, org: OrganisationId, key: &RecordKey) -> Result<Option<StoredRecord>, StoreError>;

    /// Every version of a record that is kept, oldest first, the newest included. Empty when the record is not here. A
    /// record that was replaced before versions were kept begins at a later version than 1.
    async fn record_versions(&self, org: OrganisationId, key: &RecordKey) -> Result<Vec<RecordVersion>, StoreError>;

    /// The newest version of the records of `kind` under these keys, in any order; what is not here is left out.
    async fn records_named(
        &self,
        org: OrganisationId,
        kind: &RecordKind,
        keys: &[String],
    ) -> Result<Vec<StoredRecord>, StoreError>;

    /// The newest version of every record of `kind`, ordered by key.
    async fn records(&self, org: OrganisationId, kind: &RecordKind) -> Result<Vec<StoredRecord>, StoreError>;

    /// The customers that match, those first whose whole name or number is the text, and each part by name.
    async fn find_customers(&self, org: OrganisationId, search: &CustomerSearch) -> Result<FoundCustomers, StoreError>;

    /// The customers with exactly this number: one, unless somebody gave it twice.
    async fn customers_of_code(&self, org: OrganisationId, code: &str) -> Result<Vec<Customer>, StoreError>;

    /// The records of `kind` about one customer.
    async fn records_about(
        &self,
        org: OrganisationId,
        customer: CustomerId,
        kind: &RecordKind,
    ) -> Result<Vec<StoredRecord>, StoreError>;

    /// What came in, newest first.
    async fn feed(&self, org: OrganisationId, filter: &FeedFilter) -> Result<Vec<FeedItem>, StoreError>;

    /// The visits of a rep (`None`: of all) that took place from the first moment on and before the second, by the phones'
    /// clocks, in that order.
    async fn visits_between(
        &self,
        org: OrganisationId,
        owner: Option<UserId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<VisitMade>, StoreError>;

    /// The visits that were written or reviewed after these marks, by their numbers; `None` for one that has not taken place
    /// (any more). A stream that is not among the marks counts from its beginning.
    async fn visits_since(&self, org: OrganisationId, marks: Vec<StreamMark>) -> Result<VisitsSince, StoreError>;

    /// Every collection note that holds a promise, as its tree.
    async fn promising_notes(&self, org: OrganisationId) -> Result<Vec<(DocumentId, serde_json::Value)>, StoreError>;

    /// The reviews of a document, oldest first.
    async fn reviews_of(&self, org: OrganisationId, about: DocumentId) -> Result<Vec<StoredDocument>, StoreError>;

    /// When and how each change of a document came in, in that order. Empty when the document is not here.
    async fn receipts(&self, org: OrganisationId, id: DocumentId) -> Result<Vec<Receipt>, StoreError>;

    /// How much is stored, for metrics and `verify`.
    async fn counts(&self, org: OrganisationId) -> Result<Counts, StoreError>;

    /// Reads everything and compares it with itself: hashes, chains, projections against their documents. Returns what
    /// is wrong, in words; empty when nothing is.
    async fn verify(&self) -> Result<Vec<String>, StoreError>;

    /// Every stream of an organisation with the seq of its newest entry.
    async fn heads(&self, org: OrganisationId) -> Result<Vec<StreamMark>, StoreError>;

    /// Replaces what documents have in a stream up to the seq `floor` by one snapshot each. Cursors stay valid, also those
    /// below the floor. Compacts some documents at a time and returns how many; 0 when nothing is left to do.
    async fn compact(&self, org: OrganisationId, stream: StreamId, floor: u64) -> Result<u64, StoreError>;
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDocument {
    /// Its id.
    pub id: DocumentId,
    /// The stream it lives in.
    pub stream: StreamId,
    /// Its newest changes, ascending.
    pub heads: Vec<ChangeHash>,
    /// Its chunks, each after those it builds on: at most one snapshot, then changes.
    pub chunks: Vec<Vec<u8>>,
    /// Its present tree.
    pub tree: serde_json::Value,
    /// Whether people disagree about one of its fields.
    pub disagreements: u32,
    /// When its first change came in.
    pub first_received_at: Timestamp,
    /// When its newest change came in.
    pub last_received_at: Timestamp,
}

impl StoredDocument {
    /// The evidence that it names; what cannot be read of it is left out.
    pub fn evidence(&self) -> BTreeMap<EvidenceHash, Evidence> {
        evidence_in(&self.tree)
    }
}

/// The evidence that a document of whatever kind names; what cannot be read of it is left out.
pub(crate) fn evidence_in(tree: &serde_json::Value) -> BTreeMap<EvidenceHash, Evidence> {
    let map = tree.get("evidence").and_then(serde_json::Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(hash, piece)| Some((hash.parse().ok()?, serde_json::from_value(piece.clone()).ok()?)))
        .collect()
}

/// When and how a change came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The change.
    pub hash: ChangeHash,
    /// When it came in.
    pub received_at: Timestamp,
    /// The device that brought it; `None` for the server's own pages.
    pub device: Option<DeviceId>,
    /// Brought by somebody else than its author.
    pub relayed: bool,
}

/// A validated change to be appended.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// The document.
    pub document: DocumentId,
    /// The stream it belongs to; a document that exists stays where it is.
    pub stream: StreamId,
    /// The change.
    pub hash: ChangeHash,
    /// Its bytes, uncompressed.
    pub bytes: Vec<u8>,
    /// Who made it, by its actor's bytes and place.
    pub actor: Vec<u8>,
    /// See `actor`.
    pub seq: u64,
    /// The document's heads that the validation started from, ascending; empty for a new document. When the stored heads
    /// differ by then, the item is answered with [`AppendOutcome::Stale`] and must be validated again.
    pub based_on: Vec<ChangeHash>,
    /// The document's heads afterwards, ascending.
    pub heads: Vec<ChangeHash>,
    /// The document's tree afterwards.
    pub tree: Tree,
    /// What lists need of it.
    pub summary: Summary,
    /// Fields in disagreement afterwards.
    pub disagreements: u32,
    /// The person who made the change.
    pub author: UserId,
    /// The device that brought it; `None` for the server's own pages.
    pub device: Option<DeviceId>,
    /// Brought by somebody else than its author, after the server had lost it.
    pub relayed: bool,
    /// When the author's device says it was made.
    pub made_at: Timestamp,
    /// Whether the clock of the device that brought it is off.
    pub clock_off: bool,
}

/// What became of an [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Stored under this seq of the stream.
    Appended {
        /// The stream.
        stream: StreamId,
        /// Its place.
        seq: u64,
    },
    /// Was already here.
    Duplicate,
    /// The document has changed since it was validated.
    Stale,
    /// Another change has the same actor and seq.
    ActorCollision,
}

/// Something that was not accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarantined {
    /// SHA-256 of the bytes, which need not be a change at all.
    pub digest: [u8; 32],
    /// The document it was for, when that could be told.
    pub document: Option<DocumentId>,
    /// The territory it was for, when that could be told.
    pub territory: Option<TerritoryId>,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// Who pushed it.
    pub user: UserId,
    /// From which device.
    pub device: DeviceId,
    /// Why it was not accepted, for software.
    pub code: RejectionCode,
    /// Why it was not accepted, for people.
    pub message: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// The record.
    pub record: LedgerRecord,
    /// Its version, counted from 1.
    pub version: u64,
    /// When this version was written.
    pub written_at: Timestamp,
}

/// One version of a record: what it was from [`Self::written_at`] until the next one was written.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordVersion {
    /// Its number, counted from 1.
    pub version: u64,
    /// When it was written, by the server's clock.
    pub written_at: Timestamp,
    /// The record as it was.
    pub record: LedgerRecord,
}

/// What became of a record in [`DocumentStore::put_records`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// New.
    Created,
    /// A new version of what was there.
    Changed {
        /// The version.
        version: u64,
    },
    /// Exactly what was there.
    Unchanged,
    /// Not written, with the reason.
    Refused(String),
    /// Could have been written, but others of an all-or-nothing batch were refused.
    Withheld,
}

/// What part of the feed to show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedFilter {
    /// Territories the reader may see; `None`: all.
    pub territories: Option<Vec<TerritoryId>>,
    /// Only this kind.
    pub kind: Option<DocumentKind>,
    /// Only this rep's.
    pub owner: Option<UserId>,
    /// Only about this customer.
    pub customer: Option<CustomerId>,
    /// Only in this state.
    pub state: Option<String>,
    /// Only deliveries that were signed for before this and are still to be confirmed by somebody.
    pub signed_before: Option<Timestamp>,
    /// Everything but reviews, which the office writes itself.
    pub without_reviews: bool,
    /// Only what nobody has reviewed.
    pub unreviewed: bool,
    /// Only with disagreements.
    pub disagreeing: bool,
    /// Only with one of these doubts (see [`doubt`]); 0: whether doubtful or not.
    pub doubts: u8,
    /// Only what names photos or other files.
    pub with_evidence: bool,
    /// Only what holds all of these words: of Chinese, two characters suffice.
    pub text: Option<String>,
    /// In which order.
    pub order: FeedOrder,
    /// Only what comes after this line in that order: the next page.
    pub after: Option<FeedPlace>,
    /// Only of this day by the phone's clock, in the organisation's time zone: from (inclusive) and to (exclusive).
    pub happened: Option<(Timestamp, Timestamp)>,
    /// At most so many.
    pub limit: u32,
}

/// In which order the feed is read. What has not happened yet comes last in an order by when things happened, the newest
/// received first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedOrder {
    /// What came in last.
    #[default]
    NewestReceived,
    /// What came in first.
    OldestReceived,
    /// What happened last, by the phone's clock.
    NewestHappened,
    /// What happened first, by the phone's clock.
    OldestHappened,
}

/// Where a line stands in the feed, in whatever order it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPlace {
    /// When it came in.
    pub received: Timestamp,
    /// When it happened.
    pub happened: Option<Timestamp>,
    /// Which of those of the same moment.
    pub id: DocumentId,
}

/// One line of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedItem {
    /// The document.
    pub id: DocumentId,
    /// Its stream.
    pub stream: StreamId,
    /// What lists need of it (its `text` and `evidence` may be empty here).
    pub summary: Summary,
    /// Fields in disagreement.
    pub disagreements: u32,
    /// Verdict of the newest review, as stored (`approved`, …); `None` when there is none.
    pub review: Option<String>,
    /// When its newest change came in.
    pub received_at: Timestamp,
    /// What makes it doubtful, added up (see [`doubt`]).
    pub doubts: u8,
    /// Day it is planned for.
    pub day: Option<NaiveDate>,
}

impl FeedItem {
    /// Where it stands in the feed.
    pub fn place(&self) -> FeedPlace {
        FeedPlace {
            received: self.received_at,
            happened: self.summary.at,
            id: self.id,
        }
    }
}

/// A visit that took place, as far as figures need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitMade {
    /// The store's own number of the visit, which it keeps.
    pub number: i64,
    /// Whom.
    pub customer: CustomerId,
    /// Who made it.
    pub owner: UserId,
    /// When, by the phone's clock.
    pub at: Timestamp,
    /// Whether somebody has reviewed it.
    pub reviewed: bool,
    /// Whether its position is doubtful: outside the geofence, or from a mock provider.
    pub doubtful: bool,
}

/// What became of visits that were written or reviewed, by their numbers.
pub type VisitsSince = BTreeMap<i64, Option<VisitMade>>;

/// Which customers to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerSearch {
    /// Territories the reader may see; `None`: all.
    pub territories: Option<Vec<TerritoryId>>,
    /// Part of the name or the number, in upper or lower case; every character stands for itself. Empty: all customers.
    pub text: String,
    /// Whether contact, telephone and address are searched too.
    pub details: bool,
    /// Only those in the care of this person, or of nobody.
    pub rep: Option<InCareOf>,
    /// So many of those that match are passed over, for the next page.
    pub from: u64,
    /// At most so many are given, and never more than 1,000.
    pub limit: u32,
}

/// Who takes care of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InCareOf {
    /// Nobody does.
    Nobody,
    /// This person does.
    Rep(UserId),
}

/// What [`DocumentStore::find_customers`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundCustomers {
    /// How many match.
    pub total: u64,
    /// Those asked for.
    pub customers: Vec<Customer>,
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Streams.
    pub streams: u64,
    /// Entries in them.
    pub entries: u64,
    /// Documents.
    pub documents: u64,
    /// Ledger records, newest versions only.
    pub records: u64,
    /// Changes in quarantine.
    pub quarantined: u64,
}
