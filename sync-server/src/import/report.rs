//! What an import did.

use chrono::NaiveDate;
use fieldledger_core::model::OrganisationId;
use serde::Serialize;

use super::RowError;

/// What an import did.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// The company's id.
    pub organisation: OrganisationId,
    /// The company's name.
    pub name: String,
    /// Day for which the credit files were computed.
    pub as_of: NaiveDate,
    /// What became of each kind of thing, in the order of writing.
    pub kinds: Vec<KindReport>,
    /// Rows that were left out.
    pub errors: Vec<RowError>,
    /// Whether anything was written; `false` when all or nothing was asked for and a row was bad.
    pub written: bool,
}

/// What became of one kind of thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindReport {
    /// Stored name of the kind; `account` for accounts.
    pub kind: String,
    /// New.
    pub created: usize,
    /// A new version of what was there.
    pub changed: usize,
    /// Exactly what was there.
    pub unchanged: usize,
    /// Not written by the store; told among the errors.
    pub refused: usize,
}

impl ImportReport {
    /// The entry of a kind, made when it is not there.
    pub(super) fn kind(&mut self, kind: &str) -> &mut KindReport {
        let at = match self.kinds.iter().position(|it| it.kind == kind) {
            Some(at) => at,
            None => {
                self.kinds.push(KindReport {
                    kind: kind.to_owned(),
                    ..KindReport::default()
                });
                self.kinds.len() - 1
            }
        };
        &mut self.kinds[at]
    }

    /// New, changed and unchanged things of a kind.
    pub fn count(&self, kind: &str) -> usize {
        let of_kind = self.kinds.iter().find(|it| it.kind == kind);
        of_kind.map_or(0, |it| it.created + it.changed + it.unchanged)
    }

    /// Things that are not as they were before.
    pub fn differences(&self) -> usize {
        self.kinds.iter().map(|it| it.created + it.changed).sum()
    }
}

impl std::fmt::Display for ImportReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} (credit files as of {})", self.name, self.as_of)?;
        if self.written {
            writeln!(
                f,
                "{:<14}{:>9}{:>9}{:>11}{:>9}",
                "", "new", "changed", "unchanged", "refused"
            )?;
            for it in &self.kinds {
                writeln!(
                    f,
                    "{:<14}{:>9}{:>9}{:>11}{:>9}",
                    it.kind.replace('_', " "),
                    it.created,
                    it.changed,
                    it.unchanged,
                    it.refused
                )?;
            }
        }
        for error in &self.errors {
            writeln!(f, "left out: {error}")?;
        }
        match (self.errors.len(), self.written) {
            (0, _) => write!(f, "Every row was imported."),
            (bad, true) => write!(f, "{bad} rows were left out, everything else was imported."),
            (bad, false) => write!(f, "Nothing was imported, because {bad} rows cannot be."),
        }
    }
}
