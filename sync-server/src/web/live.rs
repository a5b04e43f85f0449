//! Says to an open page that something new has come in. What the page does about it is `static/live.js`.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::time::Instant;

use super::page::Viewer;
use crate::{
    ingest::{Heard, LiveNews},
    state::AppState,
};

/// After this a browser connects again, which checks the session again.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The first news is told at once; what follows within this time is told together.
const GATHER: Duration = Duration::from_millis(400);

/// News of the streams that the reader may read.
pub(super) async fn listen(
    State(app): State<AppState>,
    viewer: Viewer,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = app.sync.live().subscribe(viewer.account.organisation);
    let stopping = app.watch_stop();
    let events = stream::unfold(
        (news, viewer, stopping, Instant::now()),
        |(mut news, viewer, mut stopping, not_before)| async move {
            loop {
                let heard = tokio::select! {
                    heard = news.next() => heard?,
                    _ = stopping.wait_for(|stops| *stops) => return None,
                };
                if concerns(&viewer, heard) {
                    tokio::select! {
                        () = tokio::time::sleep_until(not_before) => {}
                        _ = stopping.wait_for(|stops| *stops) => return None,
                    }
                    forget_waiting(&mut news);
                    let event = Event::default().event("news").data("1");
                    return Some((Ok(event), (news, viewer, stopping, Instant::now() + GATHER)));
                }
            }
        },
    );
    Sse::new(events.take_until(tokio::time::sleep(LONGEST)))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
}

fn concerns(viewer: &Viewer, heard: Heard) -> bool {
    match heard {
        Heard::Grown(mark) => viewer.may_read(mark.stream),
        Heard::Looked | Heard::Missed => true,
    }
}

/// Drops what has come in by now: the one event that follows stands for all of it.
fn forget_waiting(news: &mut LiveNews) {
    while news.next().now_or_never().flatten().is_some() {}
}
