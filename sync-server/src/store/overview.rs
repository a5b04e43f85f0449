//! What waits for somebody, and what happened on a day: one picture of it, read at one moment.

use chrono::NaiveDate;
use fieldledger_core::model::{
    DeviceId, DocumentId, DocumentKind, Money, OrderDecision, TerritoryId, Timestamp, UserId,
};
use fieldledger_core::sync::protocol::RejectionCode;

use super::FeedItem;

/// What [`DocumentStore::overview`](super::DocumentStore::overview) is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverviewOf {
    /// Territories the reader may see; `None`: all.
    pub territories: Option<Vec<TerritoryId>>,
    /// A delivery that was signed for before this and is not confirmed by all waits for somebody.
    pub signed_before: Timestamp,
    /// The day, in the organisation's zone.
    pub day: NaiveDate,
    /// When it begins (inclusive) and ends (exclusive).
    pub happened: (Timestamp, Timestamp),
    /// So many of each are given, beside their number.
    pub newest: u32,
}

/// How many there are, and the first few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<T> {
    /// How many in all.
    pub count: u64,
    /// The first of them.
    pub first: Vec<T>,
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self {
            count: 0,
            first: Vec::new(),
        }
    }
}

/// One picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// Orders that wait for a decision, the newest first.
    pub held: Counted<OrderDecision>,
    /// Deliveries that were signed for and not confirmed by all in time, the longest waiting first.
    pub unconfirmed: Counted<FeedItem>,
    /// Deliveries that somebody disputes, the newest first.
    pub disputed: Counted<FeedItem>,
    /// Documents about which people disagree, the newest first.
    pub disagreeing: Counted<FeedItem>,
    /// What could not be accepted and nobody has looked at, the newest first.
    pub quarantined: Counted<QuarantinedLine>,
    /// Visits and deliveries planned for the day, by how far they have got.
    pub planned: Vec<KindCount>,
    /// What happened on the day by the phones' clocks, by kind and by how far it has got.
    pub happened: Vec<KindCount>,
    /// What the day's orders come to, each currency for itself.
    pub ordered: Vec<Money>,
    /// What was promised on the day, each currency for itself.
    pub promised: Vec<Money>,
}

/// How many documents of a kind are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCount {
    /// The kind.
    pub kind: DocumentKind,
    /// The state.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// Something in quarantine without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedLine {
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// The document it was for, when that could be told.
    pub document: Option<DocumentId>,
    /// The territory it was for, when that could be told.
    pub territory: Option<TerritoryId>,
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
    /// How many bytes it has.
    pub size: u64,
    /// Who has looked at it, and when.
    pub seen: Option<(UserId, Timestamp)>,
}
