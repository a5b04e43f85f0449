//! Clears away uploads of files that nobody goes on with.

use std::time::{Duration, SystemTime};

use crate::state::AppState;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How long a phone may be away in the middle of an upload. After that it begins anew.
const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Clears at the start, when the server may have been down for long, and every now and then until it stops.
pub(super) async fn run(state: AppState) {
    let mut stop = state.watch_stop();
    loop {
        clear(&state).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}

async fn clear(state: &AppState) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::{DeviceId, EvidenceHash};

    use super::*;
    use crate::{
        blobs::Upload,
        config::ServerConfig,
        testing::{Fixture, ORGANISATION},
    };

    #[tokio::test]
    async fn a_server_that_starts_clears_at_once_what_nobody_went_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Fixture::with(ServerConfig {
            data: folder.path().to_owned(),
            evidence_reserve_mb: 0,
            ..ServerConfig::default()
        })
        .await;
        let upload = |number| Upload {
            organisation: ORGANISATION,
            device: DeviceId::from_bytes([2; 16]),
            hash: EvidenceHash([number; 32]),
            size: 100,
        };
        let (old, new) = (upload(1), upload(2));
        let blobs = &fixture.state.blobs;
        blobs.begin(old).await.unwrap();
        for entry in std::fs::read_dir(folder.path().join("evidence/incoming")).unwrap() {
            let file = std::fs::File::options().append(true).open(entry.unwrap().path());
            let before = SystemTime::now() - KEPT - Duration::from_secs(60);
            file.unwrap().set_modified(before).unwrap();
        }
        blobs.begin(new).await.unwrap();
        // It is to stop at once: the first clearing is the only one.
        fixture.state.stop();
        run(fixture.state.clone()).await;
        assert_eq!((blobs.come(old).await, blobs.come(new).await), (None, Some(0)));
    }
}
