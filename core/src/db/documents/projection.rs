//! What is stored of a document's tree beside its chunks.

use chrono::{Datelike as _, NaiveDate};
use serde_json::Value;

use crate::{
    db::words,
    document::Summary,
    model::{CustomerId, DocumentKind, Timestamp},
};

/// Made by a newer version: shown, not edited.
pub(crate) const NEWER: i64 = 1;
/// A position was outside the customer's geofence.
pub(crate) const OUTSIDE: i64 = 2;
/// A position came from a mock provider.
pub(crate) const MOCKED: i64 = 4;
/// `moment` is when it happened, not a plan.
pub(crate) const HAPPENED: i64 = 8;
/// Changes are missing: kept, not shown.
pub(crate) const INCOMPLETE: i64 = 16;
/// The server took it out of our streams; it goes once nothing of it is unsent and a backup covers what is our own.
pub(crate) const LEAVING: i64 = 32;
/// A review that has been answered.
pub(crate) const ANSWERED: i64 = 64;
/// It left, everything of it is acknowledged, and it stays only until a backup of the server covers it: not shown.
pub(crate) const KEPT: i64 = 128;

/// The stored number of a kind.
pub(crate) fn kind_number(kind: &DocumentKind) -> i64 {
    DocumentKind::KNOWN
        .iter()
        .position(|known| known == kind)
        .map_or(0, |index| index as i64 + 1)
}

/// The kind with a stored number; `None` for a kind of a newer version.
pub(crate) fn kind_of_number(number: i64) -> Option<DocumentKind> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    DocumentKind::KNOWN.get(index).cloned()
}

/// A day as it is stored.
pub(crate) fn day_number(day: NaiveDate) -> i64 {
    i64::from(day.num_days_from_ce())
}

/// The day with a stored number.
pub(crate) fn day_of_number(number: i64) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(number).ok()?)
}

/// What is stored of a document's tree beside its chunks. Made without the database, so that a first pull can make it
/// on several threads.
#[derive(Clone, Debug)]
pub struct Projection {
    pub(super) summary: Summary,
    pub(super) moment: i64,
    pub(super) due: Option<i64>,
    pub(super) flags: i64,
}

impl Projection {
    /// Projects a tree; `made_at` is when its first change was made.
    pub fn of(tree: &Value, made_at: Timestamp) -> Self {
        let summary = Summary::of(tree);
        let due = next_due(tree);
        let answered = tree
            .get("replies")
            .and_then(Value::as_object)
            .is_some_and(|replies| !replies.is_empty());
        let mut flags = 0;
        for (flag, set) in [
            (NEWER, summary.newer),
            (OUTSIDE, summary.outside),
            (MOCKED, summary.mocked),
            (HAPPENED, summary.at.is_some()),
            (ANSWERED, answered),
        ] {
            if set {
                flags |= flag;
            }
        }
        let planned = summary.day.map(|day| {
            let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
            Timestamp::from(midnight)
        });
        let moment = summary.at.or(planned).unwrap_or(made_at).as_millis();
        Self {
            summary,
            moment,
            due,
            flags,
        }
    }

    /// What a search finds it by, as [`words::index`] writes it.
    pub(crate) fn words(&self) -> String {
        words::index(searchable(&self.summary))
    }

    /// The document's kind.
    pub fn kind(&self) -> &DocumentKind {
        &self.summary.kind
    }

    /// The customer it is about.
    pub fn customer(&self) -> Option<CustomerId> {
        self.summary.customer
    }
}

/// When the next step in a tree is due.
fn next_due(tree: &Value) -> Option<i64> {
    let due: NaiveDate = tree.get("next_step")?.get("due")?.as_str()?.parse().ok()?;
    Some(day_number(due))
}

/// What of a document a search looks through: what people wrote in it, or its title where they wrote nothing.
pub(crate) fn searchable(summary: &Summary) -> &str {
    if summary.text.is_empty() {
        &summary.title
    } else {
        &summary.text
    }
}
