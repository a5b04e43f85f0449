//! `GET /v1/live`: tells a phone that a stream has grown, so that it syncs now and not at its next turn.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::HeaderName,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use fieldledger_core::{
    model::DeviceId,
    sync::protocol::{LIVE_PATH, StreamId, StreamMark},
};
use futures::stream;
use tokio::{sync::watch, time::Instant};

use super::openapi;
use crate::{
    auth::DeviceAuth,
    error::ApiError,
    ingest::{Heard, LiveNews},
    state::AppState,
    store::StoreError,
};

/// A comment is sent so often, or proxies and phones take a silent connection for a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// Whether the device may still listen is asked at least so often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Connections one device may hold: an old one that nobody has noticed is dead, and some to spare.
const FOR_ONE_DEVICE: u32 = 4;

/// Live connections that are open, by device.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(Mutex<HashMap<DeviceId, u32>>);

/// Holds a place in [`OpenConnections`].
struct Place {
    state: AppState,
    device: DeviceId,
}

impl Place {
    fn take(state: &AppState, device: DeviceId) -> Result<Self, ApiError> {
        let mut open = state.live_connections.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(device).or_default();
        if *count >= FOR_ONE_DEVICE {
            return Err(ApiError::too_many_requests(KEEP_ALIVE));
        }
        *count += 1;
        state.metrics.live_opened();
        Ok(Self {
            state: state.clone(),
            device,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .state
            .live_connections
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.device) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.device);
            }
        }
        self.state.metrics.live_closed();
    }
}

/// Tells when a stream that the device may read has grown: `event: stream`, with the stream's name in hexadecimal
/// digits and its newest seq. It begins with where every stream is now.
#[utoipa::path(
    get,
    path = LIVE_PATH,
    tag = "devices",
    security(("device_token" = [])),
    responses(
        (status = 200, description = "Server-sent events; `data: {\"stream\":\"63\",\"seq\":7}`", body = openapi::Grown,
            content_type = "text/event-stream"),
        (status = 401, description = "`sign_in_again`", body = openapi::Problem),
        (status = 403, description = "`revoked`, `account_disabled`", body = openapi::Problem),
        (status = 429, description = "`too_many_requests`: too many connections of this device", body = openapi::Problem),
        (status = 503, description = "`unavailable`: the server is stopping", body = openapi::Problem),
    )
)]
pub(super) async fn live(State(state): State<AppState>, auth: DeviceAuth) -> Result<Response, ApiError> {
    if state.is_stopping() {
        return Err(ApiError::unavailable("the server is stopping"));
    }
    let place = Place::take(&state, auth.device.id)?;
    let mut listener = Listener {
        // Before the heads are read, so that nothing is missed in between.
        news: state.sync.live().subscribe(auth.account.organisation),
        people: state.watch_people(),
        stop: state.watch_stop(),
        pending: VecDeque::new(),
        look_again_at: Instant::now() + LOOK_AGAIN,
        auth,
        state,
        _place: place,
    };
    listener.tell_heads().await?;
    let events = stream::unfold(listener, |mut listener| async move {
        let mark = listener.next().await?;
        Some((Ok::<_, Infallible>(event(mark)), listener))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx would keep the events until it has a page full of them.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], events).into_response())
}

struct Listener {
    state: AppState,
    auth: DeviceAuth,
    news: LiveNews,
    people: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    pending: VecDeque<StreamMark>,
    look_again_at: Instant,
    _place: Place,
}

enum Happened {
    People,
    News(Heard),
}

impl Listener {
    /// The next news for the device; `None` when it may not listen any more, or the server stops.
    async fn next(&mut self) -> Option<StreamMark> {
        loop {
            if let Some(mark) = self.pending.pop_front() {
                return Some(mark);
            }
            let happened = tokio::select! {
                _ = self.stop.wait_for(|stopping| *stopping) => return None,
                changed = self.people.changed() => changed.ok().map(|()| Happened::People)?,
                () = tokio::time::sleep_until(self.look_again_at) => Happened::People,
                heard = self.news.next() => Happened::News(heard?),
            };
            match happened {
                Happened::People => self.look_again().await?,
                Happened::News(Heard::Grown(mark, _)) if self.may_read(mark.stream) => self.pending.push_back(mark),
                Happened::News(Heard::Grown(..) | Heard::Looked) => {}
                Happened::News(Heard::Missed) => self.tell_heads().await.ok()?,
            }
        }
    }

    fn may_read(&self, stream: StreamId) -> bool {
        match stream {
            StreamId::Catalogue => true,
            StreamId::Territory(territory) => self.auth.account.may_read(territory),
            StreamId::User(user) => user == self.auth.account.user,
            StreamId::Device(device) => device == self.auth.device.id,
            StreamId::Finance => false,
        }
    }

    /// Looks whether the device and its account are still welcome, and which territories they have now.
    async fn look_again(&mut self) -> Option<()> {
        self.look_again_at = Instant::now() + LOOK_AGAIN;
        match DeviceAuth::find(&self.state, self.auth.token_hash).await {
            Ok(auth) => {
                let moved = auth.account.territories != self.auth.account.territories;
                self.auth = auth;
                if moved {
                    self.tell_heads().await.ok()?;
                }
                Some(())
            }
            // A store that fails for a moment is no reason to send everybody away.
            Err(error) => error.status.is_server_error().then_some(()),
        }
    }

    async fn tell_heads(&mut self) -> Result<(), StoreError> {
        let account = &self.auth.account;
        let mut streams = vec![
            StreamId::Catalogue,
            StreamId::User(account.user),
            StreamId::Device(self.auth.device.id),
        ];
        streams.extend(account.territories.iter().copied().map(StreamId::Territory));
        for stream in streams {
            if let Some(head) = self.state.store.head(account.organisation, stream).await? {
                self.pending.push_back(StreamMark { stream, seq: head.seq });
            }
        }
        Ok(())
    }
}

fn event(mark: StreamMark) -> Event {
    let name = mark.stream.to_bytes().iter().fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    Event::default()
        .event("stream")
        .data(format!(r#"{{"stream":"{name}","seq":{}}}"#, mark.seq))
}
