//! Today: what needs a decision, the oldest, newest or worst few of each with the way to where it is decided; then what happened,
//! against what was planned.
//!
//! What it shows is the same for all who see the same territories, so it is read once for them ([`Fresh`]).

mod among;
mod picture;
mod progress;
mod waiting;

use std::sync::{Arc, Mutex};

use among::KeptFindings;
use askama::Template;
use axum::{extract::State, response::Response};
use chrono::NaiveDate;
use fieldledger_core::model::{LedgerRecord, OrganisationId, Policy, RecordKind, TerritoryId, Timestamp};
use picture::read;
use progress::{Progress, progress};
use waiting::{Deck, decks};

use super::{
    error::PageError,
    feed::{self, Row},
    fresh::Fresh,
    names::key,
    page::{Frame, Viewer, html},
};
use crate::{
    state::AppState,
    store::{Store, StoreError},
};

/// Of each sort, so many are shown.
const NEWEST: u32 = 5;
/// Lines of activity on the page.
const LATEST: u32 = 8;

/// Who is shown the same: company, territories, day, language, and whether phones are among it.
type Key = (OrganisationId, Option<Vec<TerritoryId>>, NaiveDate, &'static str, bool);

/// What was read for the page, for those who ask next.
#[derive(Default)]
pub(crate) struct TodayCache {
    shown: Fresh<Key, Today>,
    /// What was found by looking at every customer, by the version of the overview in which it was found.
    among: Mutex<Option<KeptFindings>>,
}

/// What was signed for before this should have been confirmed by everybody.
pub(super) fn confirmed_by(policy: &Policy, now: Timestamp) -> Timestamp {
    now.plus_millis(-i64::from(policy.timers.confirm_delivery_hours) * 3_600_000)
}

/// A phone that was silent for longer is marked: what its rep does is not known.
pub(super) fn stale_millis(policy: &Policy) -> i64 {
    i64::from(policy.allowances.stale_hours) * 3_600_000
}

/// The rules in force.
pub(super) async fn policy(store: &dyn Store, org: OrganisationId) -> Result<Policy, StoreError> {
    let stored = store.record(org, &key(RecordKind::Policy, "self")).await?;
    Ok(match stored.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => Policy::default(),
    })
}

/// What the page says beside its frame.
struct Today {
    day: String,
    decks: Vec<Deck>,
    /// Sorts of which nothing waits.
    quiet: Vec<&'static str>,
    progress: Vec<Progress>,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "today.html")]
struct TodayPage {
    frame: Frame,
    today: Arc<Today>,
}

/// The page.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut territories = viewer.account.territory_filter();
    if let Some(territories) = &mut territories {
        territories.sort_unstable();
    }
    let day = now.date_in(viewer.zone);
    let key = (
        viewer.account.organisation,
        territories.clone(),
        day,
        viewer.text.0.tag(),
        viewer.may_see_devices(),
    );
    let version = || {
        app.sync
            .live()
            .version(viewer.account.organisation, territories.as_deref())
    };
    let read = read_all(&app, &viewer, territories.clone(), day, now);
    let today = app.today.shown.get(version, key, read).await?;
    html(&TodayPage {
        frame: viewer.frame("today"),
        today,
    })
}

async fn read_all(
    app: &AppState,
    viewer: &Viewer,
    territories: Option<Vec<TerritoryId>>,
    day: NaiveDate,
    now: Timestamp,
) -> Result<Today, PageError> {
    let mut picture = read(app, viewer, territories, day, now).await?;
    let all = decks(viewer, &picture);
    let quiet = all.iter().filter(|it| it.count == 0).map(|it| it.title).collect();
    let decks = all.into_iter().filter(|it| it.count > 0).collect();
    let latest = std::mem::take(&mut picture.latest);
    let rows = feed::rows(app.store.as_ref(), viewer, &mut picture.names, &picture.devices, latest).await?;
    Ok(Today {
        day: day.to_string(),
        decks,
        quiet,
        progress: progress(viewer.text, &picture),
        rows,
    })
}
