//! A company's books from CSV files, through a small mapping file.
//!
//! [`mapping`] says which file, which column and what becomes of it; `table` reads the files; `build` makes records of
//! the rows; `settle` allocates receipts and computes credit files; [`write`](write()) hands them to the store and tells
//! what changed.
//!
//! Ids are derived from the organisation and the source's own keys, so importing the same files again changes nothing
//! and a changed row becomes a new version of the same record. A row with something missing is never guessed at: it is
//! reported with file, line, column and reason, and everything that hangs on it is left out too.

mod build;
pub mod mapping;
mod report;
mod settle;
mod table;
mod write;

use std::{collections::BTreeSet, fmt, path::Path};

use chrono::NaiveDate;
use fieldledger_core::model::{
    CustomerId, LedgerRecord, OrganisationId, OrganisationProfile, Role, TerritoryId, UserId,
};

pub use mapping::{Mapping, MappingError};
pub use report::{ImportReport, KindReport};
pub use settle::CreditRow;
pub use write::{organisation_id, write};

/// Why nothing at all could be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The mapping cannot be used.
    #[error(transparent)]
    MappingFile(#[from] MappingError),
    /// The mapping contradicts itself.
    #[error("the mapping cannot be used: {0}")]
    Mapping(String),
    /// A whole file cannot be used.
    #[error("{file} cannot be imported: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RowError {
    /// The file.
    pub file: String,
    /// The line on which the row begins, counted from 1.
    pub line: u64,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A record with the row it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced {
    /// The record.
    pub record: LedgerRecord,
    /// The file and line it came from; `None` for what was computed or generated.
    pub source: Option<(String, u64)>,
}

/// An account that a company needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// The person.
    pub user: UserId,
    /// What they sign in with, in lower case.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Their roles.
    pub roles: Vec<Role>,
    /// Where these count.
    pub territories: Vec<TerritoryId>,
    /// The file and line it came from.
    pub source: Option<(String, u64)>,
}

/// A company ready to be written: from files, or from the generator.
#[derive(Clone, Debug)]
pub struct Books {
    /// Its id.
    pub organisation: OrganisationId,
    /// Its profile.
    pub profile: OrganisationProfile,
    /// Its people's accounts.
    pub accounts: Vec<AccountPlan>,
    /// Its records; each after those it names. Receipts are allocated, and credit files computed, as for a company that is
    /// not there yet; [`write`](write()) does so again beside what is stored.
    pub records: Vec<Sourced>,
    /// What the rows say of customers' credit.
    pub credit: Vec<CreditRow>,
    /// Customers of whom a row about what they owe was left out.
    pub incomplete: BTreeSet<CustomerId>,
    /// Whether the books hold invoices at all; where they do not, nothing is known of what was delivered and not invoiced.
    pub has_invoices: bool,
    /// Rows that were left out.
    pub errors: Vec<RowError>,
    /// Day for which the credit files are computed.
    pub as_of: NaiveDate,
}

/// Reads a company's files.
///
/// # Errors
/// [`ImportError`] when a whole file or the mapping cannot be used; single rows are told in [`Books::errors`].
pub fn read(
    mapping: &Mapping,
    dir: &Path,
    organisation: OrganisationId,
    name: Option<&str>,
    as_of: Option<NaiveDate>,
) -> Result<Books, ImportError> {
    build::build(mapping, dir, organisation, name, as_of).map(Books::settled_alone)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::real_data;
