//! Says to an open page that something new has come in. The page then shows a link; it never changes by itself.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt as _, stream};

use super::page::Viewer;
use crate::{ingest::Heard, state::AppState};

/// After this a browser connects again, which checks the session again.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// News of the streams that the reader may read.
pub(super) async fn listen(
    State(app): State<AppState>,
    viewer: Viewer,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = app.sync.live().subscribe(viewer.account.organisation);
    let stopping = app.watch_stop();
    let events = stream::unfold(
        (news, viewer, stopping),
        |(mut news, viewer, mut stopping)| async move {
            loop {
                let heard = tokio::select! {
                    heard = news.next() => heard?,
                    _ = stopping.wait_for(|stops| *stops) => return None,
                };
                let concerns = match heard {
                    Heard::Grown(mark) => viewer.may_read(mark.stream),
                    Heard::Missed => true,
                };
                if concerns {
                    let event = Event::default().event("news").data("1");
                    return Some((Ok(event), (news, viewer, stopping)));
                }
            }
        },
    );
    Sse::new(events.take_until(tokio::time::sleep(LONGEST)))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
}
