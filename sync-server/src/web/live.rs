//! Says to an open page that something new has come in. What the page does about it is `static/live.js`.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Query, State},
    response::sse::{Event, KeepAlive, Sse},
};
use fieldledger_core::model::{CustomerId, DocumentKind};
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use serde::Deserialize;
use tokio::time::Instant;

use super::page::Viewer;
use crate::{
    ingest::{Heard, LiveNews, Subject},
    state::AppState,
};

/// After this a browser connects again, which checks the session again.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The first news is told at once; what follows within this time is told together.
const GATHER: Duration = Duration::from_millis(400);

/// What an open page shows: it is told of nothing else. Its frame puts that into the address of its news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shows {
    /// Of records only these kinds, beside the books; empty: everything.
    pub(super) kinds: Vec<DocumentKind>,
    /// What concerns this customer; `None`: what concerns any.
    pub(super) customer: Option<CustomerId>,
}

impl Shows {
    /// For the query of the address.
    pub(super) fn query(&self) -> String {
        let mut parts = Vec::new();
        if !self.kinds.is_empty() {
            let kinds: Vec<&str> = self.kinds.iter().map(DocumentKind::as_str).collect();
            parts.push(format!("kinds={}", kinds.join(".")));
        }
        parts.extend(self.customer.map(|it| format!("customer={it}")));
        parts.join("&")
    }

    fn is_about(&self, subject: &Subject) -> bool {
        let kind = subject
            .kind
            .as_ref()
            .is_none_or(|it| self.kinds.is_empty() || self.kinds.contains(it));
        let customer = match (self.customer, subject.customer) {
            (Some(shown), Some(changed)) => shown == changed,
            _ => true,
        };
        kind && customer
    }
}

/// [`Shows`] as it stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    kinds: String,
    customer: String,
}

impl From<Asked> for Shows {
    /// What cannot be read narrows nothing: a page that is told too much is only read again too often.
    fn from(asked: Asked) -> Self {
        let kinds = asked.kinds.split('.').filter(|it| !it.is_empty());
        Self {
            kinds: kinds.map(DocumentKind::from_name).collect(),
            customer: asked.customer.parse().ok(),
        }
    }
}

/// News of the streams that the reader may read.
pub(super) async fn listen(
    State(app): State<AppState>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = app.sync.live().subscribe(viewer.account.organisation);
    let stopping = app.watch_stop();
    let reader = (viewer, Shows::from(asked));
    let events = stream::unfold(
        (news, reader, stopping, Instant::now()),
        |(mut news, reader, mut stopping, not_before)| async move {
            loop {
                let heard = tokio::select! {
                    heard = news.next() => heard?,
                    _ = stopping.wait_for(|stops| *stops) => return None,
                };
                if concerns(&reader, &heard) {
                    tokio::select! {
                        () = tokio::time::sleep_until(not_before) => {}
                        _ = stopping.wait_for(|stops| *stops) => return None,
                    }
                    forget_waiting(&mut news);
                    let event = Event::default().event("news").data("1");
                    return Some((Ok(event), (news, reader, stopping, Instant::now() + GATHER)));
                }
            }
        },
    );
    Sse::new(events.take_until(tokio::time::sleep(LONGEST)))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
}

fn concerns((viewer, shows): &(Viewer, Shows), heard: &Heard) -> bool {
    match heard {
        Heard::Grown(mark, about) => viewer.may_read(mark.stream) && about.any(|it| shows.is_about(it)),
        Heard::Looked | Heard::Missed => true,
    }
}

/// Drops what has come in by now: the one event that follows stands for all of it.
fn forget_waiting(news: &mut LiveNews) {
    while news.next().now_or_never().flatten().is_some() {}
}
