//! Where the server keeps everything: one trait in five parts, one suite of tests for every engine behind it.
//!
//! * [`DocumentStore`]: streams, documents, ledger records, quarantine, feed.
//! * [`LedgerStore`]: decisions about a customer's ledger.
//! * [`DeskStore`]: what the office's pages list.
//! * [`EvidenceStore`]: which files of evidence have arrived.
//! * [`PeopleStore`]: organisations, accounts, sessions, enrolments, devices, tokens of software, audit log.
//!
//! Every method is one transaction: it happens wholly or not at all, and what it returned has been made durable.

mod desk;
mod documents;
mod evidence;
mod ledger;
mod overview;
mod people;
pub mod sqlite;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(crate) mod suite;
mod tokens;
mod tree;

use std::path::Path;

use async_trait::async_trait;
use fieldledger_core::model::{CustomerId, LedgerRecord, OrganisationId, RecordKey, RecordKind};

pub use desk::*;
pub use documents::*;
pub use evidence::*;
pub use ledger::*;
pub use overview::*;
pub use people::*;
pub use tokens::*;
pub use tree::Tree;

/// Everything a server needs to keep.
#[async_trait]
pub trait Store: DocumentStore + LedgerStore + DeskStore + EvidenceStore + PeopleStore + Send + Sync + 'static {
    /// Writes a consistent copy of everything into the new folder `to` while the server goes on, then records up to
    /// where each stream is covered (phones may forget what is covered).
    async fn backup(&self, to: &Path) -> Result<BackupReport, StoreError>;

    /// Starts a new lineage in every stream; called once on a folder that was restored from a backup.
    async fn begin_new_lineages(&self) -> Result<u64, StoreError>;

    /// Whether the store can be read and written; for the readiness probe.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The record of `kind` of which a customer has one, under their own id: the customer, their account, their credit file.
pub(crate) async fn record_of(
    store: &dyn Store,
    org: OrganisationId,
    customer: CustomerId,
    kind: RecordKind,
) -> Result<Option<LedgerRecord>, StoreError> {
    let key = RecordKey {
        kind,
        id: customer.to_string(),
    };
    Ok(store.record(org, &key).await?.map(|it| it.record))
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// Streams covered.
    pub streams: u64,
    /// Entries covered.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing of that name.
    #[error("{0} is not known here")]
    NotFound(String),
    /// Something with that name exists already, or was changed meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// The disk is full.
    #[error("the server's disk is full")]
    Full,
    /// Another server uses the data folder.
    #[error("another server is using this data folder; stop it first")]
    InUse,
    /// The database was written by a newer or unknown version.
    #[error(
        "the data folder was written by version {found} of the schema, this server knows {known}; use a newer server"
    )]
    NewerSchema {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// What is stored contradicts itself.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The engine failed.
    #[error("the store failed: {0}")]
    Engine(String),
}
