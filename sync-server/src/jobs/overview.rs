//! Keeps the sums of the office's pages at hand, so that nobody waits for them after a start or at the beginning of a day.

use std::time::Duration;

use fieldledger_core::{
    model::{LedgerRecord, Month, RecordKey, RecordKind},
    rules::performance::Period,
};

use crate::{
    state::{AppState, Shared},
    store::StoreError,
};

/// How often they are brought up to date. When nothing was written this only looks at the ends of the streams.
const EVERY: Duration = Duration::from_secs(20);

/// Brings them up to date until the server stops.
pub(super) async fn run(state: AppState) {
    let mut stop = state.watch_stop();
    loop {
        if let Err(error) = bring_up_to_date(&state).await {
            tracing::warn!(%error, "the sums of the office's pages could not be brought up to date");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}

async fn bring_up_to_date(state: &Shared) -> Result<(), StoreError> {
    for (organisation, _) in state.store.organisations().await? {
        if state.is_stopping() {
            break;
        }
        let key = RecordKey {
            kind: RecordKind::Organisation,
            id: "self".to_owned(),
        };
        let profile = state.store.record(organisation, &key).await?;
        if let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) {
            let today = state.clock.now().date_in(profile.time_zone);
            state.overviews.of(state.store.as_ref(), organisation, today).await?;
            let month = Period {
                from: Month::of(today).first(),
                to: today,
            };
            state.months.prepare(state.store.as_ref(), organisation, month).await?;
        }
    }
    Ok(())
}
