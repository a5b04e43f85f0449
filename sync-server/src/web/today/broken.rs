//! Promises that were broken lately. To find them every customer is looked at, so they are kept for whoever asks next.

use std::sync::{Arc, PoisonError};

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{CustomerId, Money, TerritoryId, UserId};

use super::TodayCache;
use crate::{
    state::AppState,
    store::StoreError,
    web::{error::PageError, page::Viewer},
};

/// Days for which a broken promise is shown.
pub(super) const BROKEN_DAYS: u64 = 14;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) territory: TerritoryId,
    pub(super) customer: CustomerId,
    pub(super) rep: Option<UserId>,
    pub(super) missing: Money,
    pub(super) due: NaiveDate,
    pub(super) broken_on: NaiveDate,
    pub(super) note: fieldledger_core::model::DocumentId,
}

pub(super) struct FoundBroken {
    version: u64,
    day: NaiveDate,
    promises: Arc<Vec<Broken>>,
}

impl TodayCache {
    fn broken(&self, overview: &crate::overview::Overview, day: NaiveDate) -> Arc<Vec<Broken>> {
        let mut kept = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(found) if (found.version, found.day) == (overview.version(), day) => Arc::clone(&found.promises),
            _ => {
                let promises = Arc::new(broken_lately(overview, day));
                *kept = Some(FoundBroken {
                    version: overview.version(),
                    day,
                    promises: Arc::clone(&promises),
                });
                promises
            }
        }
    }
}

/// The promises broken lately that the reader may know of, the newest first.
pub(super) async fn broken(app: &AppState, viewer: &Viewer, day: NaiveDate) -> Result<Vec<Broken>, PageError> {
    let org = viewer.account.organisation;
    let overview = match app.overviews.of(app.store.as_ref(), org, day).await {
        // A company whose profile nobody has written has no books.
        Err(StoreError::NotFound(_)) => return Ok(Vec::new()),
        other => other?,
    };
    let all = app.today.broken(&overview, day);
    let readable = all.iter().filter(|it| viewer.account.may_read(it.territory));
    Ok(readable.cloned().collect())
}

fn broken_lately(overview: &crate::overview::Overview, day: NaiveDate) -> Vec<Broken> {
    let since = day.checked_sub_days(Days::new(BROKEN_DAYS)).unwrap_or(day);
    let mut found = Vec::new();
    for it in overview.customers() {
        for result in &it.promises {
            if let Some(broken_on) = result.broken_on()
                && broken_on >= since
                && broken_on <= day
            {
                found.push(Broken {
                    territory: it.customer.territory,
                    customer: it.customer.id,
                    rep: it.customer.rep,
                    missing: Money::new(result.missing(), result.promise.amount.currency),
                    due: result.promise.due,
                    broken_on,
                    note: result.promise.note,
                });
            }
        }
    }
    found.sort_by(|a, b| b.broken_on.cmp(&a.broken_on).then_with(|| a.note.cmp(&b.note)));
    found
}
