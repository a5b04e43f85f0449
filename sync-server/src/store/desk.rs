//! What the office's pages list: what waits for somebody, found by indexes, and what has changed since they last looked.

use std::collections::BTreeSet;

use async_trait::async_trait;
use fieldledger_core::{
    model::{
        CollectionNote, Customer, CustomerId, DocumentId, Grant, OrderDecision, OrganisationId, Receipt, Statement,
        TerritoryId, UnidentifiedReceipt, UserId, Warning, WarningLevel,
    },
    sync::protocol::StreamMark,
};

use super::{HeldBooks, StoreError};

/// Most rows that one list gives.
pub const MAX_LISTED: u32 = 1_000;

/// Lists for the office. Each is limited to the territories of whoever reads; `None` are all of them.
#[async_trait]
pub trait DeskStore {
    /// Orders that wait for a person, the oldest first.
    async fn held_orders(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        part: ListPart,
    ) -> Result<Listed<OrderDecision>, StoreError>;

    /// Allowances that phones may still spend or have not given back, by customer.
    async fn open_grants(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        part: ListPart,
    ) -> Result<Listed<Grant>, StoreError>;

    /// Early warnings whose cause has not gone: critical ones first, of each level the oldest first.
    async fn standing_warnings(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        wanted: WarningSearch,
        part: ListPart,
    ) -> Result<Listed<Warning>, StoreError>;

    /// Statements of account.
    async fn issued_statements(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        wanted: StatementSearch,
        part: ListPart,
    ) -> Result<Listed<Statement>, StoreError>;

    /// Receipts whose arrival was timed, by that: with `open` only those of which somebody has still to tell or to send
    /// something. Money that was returned is nobody's to confirm.
    async fn timed_receipts(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        open: bool,
        newest_first: bool,
        part: ListPart,
    ) -> Result<Listed<Receipt>, StoreError>;

    /// Money whose payer nobody knows yet, by value date.
    async fn waiting_money(&self, org: OrganisationId) -> Result<Vec<UnidentifiedReceipt>, StoreError>;

    /// The customers whose invoices or orders have one of these numbers, or whose invoices name an order by one, with the
    /// numbers.
    async fn customers_of_numbers(
        &self,
        org: OrganisationId,
        numbers: Vec<String>,
    ) -> Result<Vec<(CustomerId, NumberOf, String)>, StoreError>;

    /// A customer's books without anything else that is recorded about them.
    async fn books_of(&self, org: OrganisationId, customer: CustomerId) -> Result<HeldBooks, StoreError>;

    /// What notes about collecting say, of one customer or of all. A note of a newer version that cannot be read is left out.
    async fn collecting_facts(
        &self,
        org: OrganisationId,
        customer: Option<CustomerId>,
    ) -> Result<Vec<NoteFacts>, StoreError>;

    /// Which customers anything was written about after these marks: records, and notes about collecting. A stream that
    /// is not among the marks counts from its beginning.
    async fn changed_since(&self, org: OrganisationId, marks: Vec<StreamMark>) -> Result<Changed, StoreError>;
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPart {
    /// So many are passed over.
    pub from: u64,
    /// At most so many are given, and never more than [`MAX_LISTED`].
    pub limit: u32,
}

/// A part of a list, each with the customer it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// How many there are in all.
    pub total: u64,
    /// Those asked for.
    pub rows: Vec<(T, Customer)>,
}

/// Which warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarningSearch {
    /// Only of this level.
    pub level: Option<WarningLevel>,
    /// Only those that this person is to look at.
    pub owner: Option<UserId>,
    /// Only those that nobody has acknowledged.
    pub unanswered: bool,
}

/// Which statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementSearch {
    /// Only of this customer.
    pub customer: Option<CustomerId>,
    /// Only of customers whose name or number holds this.
    pub text: Option<String>,
    /// Only those that stand so. One that was corrected since asks for nothing any more.
    pub standing: Option<StatementStanding>,
    /// What they are sorted by.
    pub order: StatementOrder,
}

/// What statements are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatementOrder {
    /// When they were issued, the newest first.
    #[default]
    Newest,
    /// When they were issued, the oldest first.
    Oldest,
    /// The customer's name.
    Customer,
    /// The customer's name, from its other end.
    CustomerDescending,
    /// The first day of the period.
    Period,
    /// The first day of the period, the latest first.
    PeriodDescending,
}

/// What a statement that counts still asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementStanding {
    /// No link was ever made for it and nobody has answered it.
    Unsent,
    /// Not every line was answered, and none is disputed.
    Unanswered,
    /// A line is disputed.
    Disputed,
}

/// What a number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberOf {
    /// An invoice.
    Invoice,
    /// An order.
    Order,
}

/// What a note about collecting says of promises and contacts.
#[derive(Clone, Debug, PartialEq)]
pub struct NoteFacts {
    /// The note's document.
    pub id: DocumentId,
    /// The note.
    pub note: CollectionNote,
    /// Whether anybody has reviewed it.
    pub reviewed: bool,
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// How far the streams reach now.
    pub marks: Vec<StreamMark>,
    /// The customers.
    pub customers: BTreeSet<CustomerId>,
}
