//! Promises that were broken lately, and stops of supply that somebody has to decide on. To find them every customer is looked
//! at, so they are kept for whoever asks next.

use std::sync::{Arc, PoisonError};

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{CustomerId, Money, TerritoryId, UserId};

use super::TodayCache;
use crate::{
    overview::Stop,
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

/// A stop of supply that was proposed.
#[derive(Clone, Debug)]
pub(super) struct ProposedStop {
    pub(super) territory: TerritoryId,
    pub(super) customer: CustomerId,
    pub(super) name: String,
    pub(super) rep: Option<UserId>,
}

/// What was found among the customers.
#[derive(Default)]
pub(super) struct FoundAmongCustomers {
    /// The newest first.
    broken: Vec<Broken>,
    /// By name.
    stops: Vec<ProposedStop>,
}

pub(super) struct FoundBroken {
    version: u64,
    day: NaiveDate,
    found: Arc<FoundAmongCustomers>,
}

impl TodayCache {
    fn among_customers(&self, overview: &crate::overview::Overview, day: NaiveDate) -> Arc<FoundAmongCustomers> {
        let mut kept = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(found) if (found.version, found.day) == (overview.version(), day) => Arc::clone(&found.found),
            _ => {
                let found = Arc::new(FoundAmongCustomers {
                    broken: broken_lately(overview, day),
                    stops: proposed_stops(overview),
                });
                *kept = Some(FoundBroken {
                    version: overview.version(),
                    day,
                    found: Arc::clone(&found),
                });
                found
            }
        }
    }
}

/// The promises broken lately that the reader may know of, the newest first, and the stops of supply that wait for a decision.
pub(super) async fn among_customers(
    app: &AppState,
    viewer: &Viewer,
    day: NaiveDate,
) -> Result<(Vec<Broken>, Vec<ProposedStop>), PageError> {
    let org = viewer.account.organisation;
    let overview = match app.overviews.of(app.store.as_ref(), org, day).await {
        // A company whose profile nobody has written has no books.
        Err(StoreError::NotFound(_)) => return Ok(Default::default()),
        other => other?,
    };
    let all = app.today.among_customers(&overview, day);
    let may_read = |territory| viewer.account.may_read(territory);
    Ok((
        all.broken.iter().filter(|it| may_read(it.territory)).cloned().collect(),
        all.stops.iter().filter(|it| may_read(it.territory)).cloned().collect(),
    ))
}

fn proposed_stops(overview: &crate::overview::Overview) -> Vec<ProposedStop> {
    let proposed = overview.customers().filter(|it| it.stop == Some(Stop::Proposed));
    let mut stops: Vec<ProposedStop> = proposed
        .map(|it| ProposedStop {
            territory: it.customer.territory,
            customer: it.customer.id,
            name: it.customer.name.clone(),
            rep: it.customer.rep,
        })
        .collect();
    stops.sort_by(|a, b| (&a.name, a.customer).cmp(&(&b.name, b.customer)));
    stops
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
