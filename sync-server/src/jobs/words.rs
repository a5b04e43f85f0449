//! Words of what came in are indexed a little later, with others, so that phones do not wait for it.

use std::time::Duration;

use crate::state::AppState;

/// How often is looked whether something waits.
const EVERY: Duration = Duration::from_secs(20);
/// Documents of one transaction: some milliseconds in which others do not write.
const AT_ONCE: u32 = 200;
/// Pause between two transactions, in which others write.
const BREATH: Duration = Duration::from_millis(20);

/// Indexes what waits until the server stops.
pub(super) async fn run(state: AppState) {
    let mut stop = state.watch_stop();
    loop {
        let pause = match state.store.index_words(AT_ONCE).await {
            Ok(indexed) if indexed >= AT_ONCE => BREATH,
            Ok(_) => EVERY,
            Err(error) => {
                tracing::error!(%error, "words could not be indexed");
                EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}
