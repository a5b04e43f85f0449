//! Clears away uploads of files that nobody goes on with.

use std::time::{Duration, SystemTime};

use crate::state::AppState;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How long a phone may be away in the middle of an upload. After that it begins anew.
const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Clears every now and then until the server stops.
pub(super) async fn run(state: AppState) {
    let mut stop = state.watch_stop();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
        let blobs = std::sync::Arc::clone(&state.blobs);
        // The file system's clock gave the files their times, so it is asked and not the server's own.
        let cleared = tokio::task::spawn_blocking(move || blobs.clear_incoming(SystemTime::now() - KEPT)).await;
        match cleared {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => tracing::info!(count, "uploads that nobody went on with were cleared away"),
            Ok(Err(error)) => tracing::warn!(%error, "unfinished uploads could not be cleared away"),
            Err(error) => tracing::error!(%error, "clearing unfinished uploads ended early"),
        }
    }
}
