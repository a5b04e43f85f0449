//! The part of a list that a store is asked for, for a page or for an export.

use std::future::Future;

use super::{Direction, MOST_EXPORTED};
use crate::store::{ListPart, Listed, MAX_LISTED, StoreError};

/// Everything, and one more than an export may hold, so that too long a list is noticed.
pub(crate) const EVERYTHING: Wanted = Wanted {
    sort: None,
    from: 0,
    limit: MOST_EXPORTED + 1,
};

/// Which part of a list a store should read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The column to sort by, and how.
    pub(crate) sort: Option<(&'static str, Direction)>,
    /// Rows to pass over.
    pub(crate) from: usize,
    /// Rows to read. For an export one more than it may hold, so that too long a list is noticed.
    pub(crate) limit: usize,
}

/// Reads what is wanted in the parts that a store gives at a time. Of a list that is too long to be exported only the first
/// part: it is refused anyway.
///
/// # Errors
/// Those of `read`.
pub(crate) async fn read_parts<T, F>(wanted: Wanted, read: impl Fn(ListPart) -> F) -> Result<Listed<T>, StoreError>
where
    F: Future<Output = Result<Listed<T>, StoreError>>,
{
    let mut found = Listed {
        total: 0,
        rows: Vec::new(),
    };
    loop {
        let rest = wanted.limit.saturating_sub(found.rows.len());
        let limit = u32::try_from(rest).unwrap_or(u32::MAX).min(MAX_LISTED);
        let from = wanted.from.saturating_add(found.rows.len()) as u64;
        let Listed { total, rows } = read(ListPart { from, limit }).await?;
        let is_whole = rows.len() == limit as usize;
        found.total = total;
        found.rows.extend(rows);
        let is_refused = wanted.limit > MOST_EXPORTED && total > MOST_EXPORTED as u64;
        if !is_whole || limit as usize == rest || is_refused {
            return Ok(found);
        }
    }
}
