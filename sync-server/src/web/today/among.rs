//! Promises that were broken lately, stops of supply that somebody has to decide on, and critical warnings. To find them
//! every customer is looked at, so they are kept for whoever asks next.

use std::{
    cmp::Reverse,
    sync::{Arc, PoisonError},
};

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{CustomerId, Money, TerritoryId, UserId};

use super::TodayCache;
use crate::{
    overview::{Standing, Stop},
    state::AppState,
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

/// What was found among the customers.
#[derive(Clone, Default)]
pub(super) struct FoundAmongCustomers {
    /// The newest first.
    pub(super) broken: Vec<Broken>,
    /// Those whose supply somebody has to decide on, who is overdue with most first.
    pub(super) stops: Vec<Arc<Standing>>,
    /// Those about whom a critical warning stands that nobody has acknowledged, who is overdue with most first.
    pub(super) warned: Vec<Arc<Standing>>,
}

pub(super) struct KeptFindings {
    version: u64,
    day: NaiveDate,
    found: Arc<FoundAmongCustomers>,
}

impl TodayCache {
    fn among_customers(&self, overview: &crate::overview::Overview, day: NaiveDate) -> Arc<FoundAmongCustomers> {
        let mut kept = self.among.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(found) if (found.version, found.day) == (overview.version(), day) => Arc::clone(&found.found),
            _ => {
                let found = Arc::new(FoundAmongCustomers {
                    broken: broken_lately(overview, day),
                    stops: proposed_stops(overview),
                    warned: warned(overview),
                });
                *kept = Some(KeptFindings {
                    version: overview.version(),
                    day,
                    found: Arc::clone(&found),
                });
                found
            }
        }
    }
}

/// What was found among the customers of whom the reader may know.
pub(super) async fn among_customers(
    app: &AppState,
    viewer: &Viewer,
    day: NaiveDate,
) -> Result<FoundAmongCustomers, PageError> {
    let org = viewer.account.organisation;
    let Some(overview) = app.overviews.if_any(app.store.as_ref(), org, day).await? else {
        return Ok(FoundAmongCustomers::default());
    };
    let all = app.today.among_customers(&overview, day);
    let may_read = |territory| viewer.account.may_read(territory);
    Ok(FoundAmongCustomers {
        broken: all.broken.iter().filter(|it| may_read(it.territory)).cloned().collect(),
        stops: all
            .stops
            .iter()
            .filter(|it| may_read(it.customer.territory))
            .cloned()
            .collect(),
        warned: all
            .warned
            .iter()
            .filter(|it| may_read(it.customer.territory))
            .cloned()
            .collect(),
    })
}

fn warned(overview: &crate::overview::Overview) -> Vec<Arc<Standing>> {
    worst_first(overview, |it| !it.critical.is_empty())
}

fn proposed_stops(overview: &crate::overview::Overview) -> Vec<Arc<Standing>> {
    worst_first(overview, |it| it.stop == Some(Stop::Proposed))
}

/// The customers that are `wanted`, who is overdue with most first; of those who owe as much, or of whom it cannot be told,
/// who was warned of first.
fn worst_first(overview: &crate::overview::Overview, wanted: impl Fn(&Standing) -> bool) -> Vec<Arc<Standing>> {
    let mut found: Vec<Arc<Standing>> = overview.customers().filter(|it| wanted(it)).cloned().collect();
    found.sort_by_key(|it| {
        let raised = it.critical.first().map(|it| it.raised_at);
        (Reverse(overdue(it).map(|it| it.amount)), raised, it.customer.id)
    });
    found
}

/// What is overdue of a customer; `None` when it cannot be told.
pub(super) fn overdue(it: &Standing) -> Option<Money> {
    (it.problem.is_none() && it.unconverted.is_none()).then_some(it.overdue.amount)
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
