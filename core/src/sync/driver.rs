//! Gives the engine what it does without: SQLite, the network, the clock, randomness. Files of evidence go a way of their
//! own (`evidence`): they are large, and nothing is decided about them.

mod evidence;

pub use evidence::EvidenceReport;

use std::{future::Future, sync::Arc, time::Duration};

use futures::StreamExt as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tokio::sync::{Mutex, Notify, mpsc};

use self::evidence::{Pace, Turns};
use super::{
    engine::{Config, Effect, Engine, Event, Failure, Status},
    protocol::{MAX_ENTRIES, StreamId, StreamMark, SyncResponse},
    transport::{AddressError, EnrolError, HttpTransport, Timeouts, Transport, TransportFault},
};
use crate::{
    db::{exchange::Applied, outbox},
    error::FieldError,
    model::InvalidField,
    store::{Change, Changes, DeviceState, FieldStore},
};

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SyncReport {
    /// Round trips.
    pub rounds: usize,
    /// Changes and offers sent.
    pub pushed: usize,
    /// Entries that came.
    pub pulled: usize,
    /// Changes that the server stored.
    pub accepted: usize,
    /// Changes that the server had already.
    pub duplicate: usize,
    /// Changes that the server refused.
    pub rejected: usize,
    /// Edits made again under a new actor.
    pub reauthored: usize,
    /// Entries that this build cannot use, set aside.
    pub unreadable: usize,
    /// Changes and offers that are left, because the server did not want to look at them yet.
    pub left: usize,
    /// Bytes of bodies sent.
    pub bytes_up: u64,
    /// Bytes of bodies received.
    pub bytes_down: u64,
    /// Streams that the user may no longer read.
    pub withdrawn: Vec<StreamId>,
    /// Streams whose history began anew on the server.
    pub restarted: Vec<StreamId>,
    /// What became of the files of evidence: with [`SyncDriver::sync_all`] in this sync, with [`SyncDriver::run_all`] since
    /// that began; nothing with the others, which send none.
    pub evidence: EvidenceReport,
}

impl SyncReport {
    fn add(&mut self, applied: &Applied) {
        self.pulled += applied.pulled;
        self.accepted += applied.accepted;
        self.duplicate += applied.duplicate;
        self.rejected += applied.rejected;
        self.reauthored += applied.reauthored;
        self.unreadable += applied.unreadable;
        self.left = applied.waiting;
        self.withdrawn.extend(&applied.withdrawn);
        self.restarted.extend(&applied.restarted);
    }
}

/// Why a sync ended early. What was exchanged before is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Network or server.
    #[error(transparent)]
    Transport(#[from] TransportFault),
    /// The phone's database.
    #[error(transparent)]
    Storage(#[from] FieldError),
}

impl From<Failure> for SyncError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transport(fault) => Self::Transport(fault),
            Failure::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<TransportFault> for FieldError {
    fn from(fault: TransportFault) -> Self {
        match fault {
            TransportFault::Revoked => Self::Revoked,
            TransportFault::SignInAgain | TransportFault::AnotherPhone => Self::SignInAgain,
            TransportFault::NeedsNewerApp => Self::NeedsNewerApp,
            TransportFault::Server(message) => Self::Internal(message),
            TransportFault::Offline
            | TransportFault::CaptivePortal
            | TransportFault::Timeout
            | TransportFault::TooLarge
            | TransportFault::RetryAfter(_) => Self::Offline,
        }
    }
}

impl From<SyncError> for FieldError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Storage(error) => error,
            SyncError::Transport(fault) => fault.into(),
        }
    }
}

impl From<Failure> for FieldError {
    fn from(failure: Failure) -> Self {
        SyncError::from(failure).into()
    }
}

impl From<AddressError> for FieldError {
    fn from(error: AddressError) -> Self {
        let field = match &error {
            AddressError::Invalid(_) | AddressError::Unencrypted(_) => "server_url",
            AddressError::Certificate(..) => "certificates",
            AddressError::Client(message) => return Self::Internal(message.clone()),
        };
        InvalidField::new(field, error.to_string()).into()
    }
}

impl From<EnrolError> for FieldError {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Address(error) => error.into(),
            EnrolError::Refused { message, .. } => InvalidField::new("code", message).into(),
            EnrolError::Transport(TransportFault::RetryAfter(millis)) => {
                let seconds = millis.div_ceil(1000);
                InvalidField::new("code", format!("too many attempts; try again in {seconds} s")).into()
            }
            EnrolError::Transport(fault) => fault.into(),
            EnrolError::Store(error) => error,
        }
    }
}

/// Keeps one store in step with its server. Cloning it is cheap; clones share their work.
pub struct SyncDriver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for SyncDriver<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

struct Shared<T> {
    store: FieldStore,
    transport: T,
    config: Config,
    /// One exchange at a time, whoever asked for it.
    turn: Mutex<()>,
    /// One pass over the files of evidence at a time.
    evidence_turn: Mutex<Pace>,
    fetches: Turns,
    online: Notify,
    /// The same for [`SyncDriver::run_evidence`]: word of a network wakes one who waits.
    online_for_evidence: Notify,
}

/// How a session of the engine ended.
struct Session {
    status: Option<Status>,
    report: SyncReport,
    timer: Option<u64>,
}

impl SyncDriver<HttpTransport> {
    /// A driver that syncs a store with the server that it was enrolled with.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; [`FieldError::Invalid`] naming `server_url` or `certificates`.
    pub fn over_http(store: &FieldStore) -> Result<Self, FieldError> {
        let identity = store.identity().ok_or(FieldError::NotEnrolled)?;
        let token = store.token()?.ok_or(FieldError::NotEnrolled)?;
        let certificates = &store.options().certificates;
        let transport = HttpTransport::with_timeouts(&identity.server_url, token, Timeouts::default(), certificates)?;
        Ok(Self::new(store.clone(), transport))
    }
}

impl<T: Transport> SyncDriver<T> {
    /// A driver for a store and the server that `transport` leads to.
    pub fn new(store: FieldStore, transport: T) -> Self {
        let config = Config::new(store.options().app_version.clone(), store.options().installation);
        Self::with_config(store, transport, config)
    }

    /// The same with other figures.
    pub fn with_config(store: FieldStore, transport: T, config: Config) -> Self {
        let shared = Shared {
            store,
            transport,
            config,
            turn: Mutex::new(()),
            evidence_turn: Mutex::new(Pace::default()),
            fetches: Turns::default(),
            online: Notify::new(),
            online_for_evidence: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The store.
    pub fn store(&self) -> &FieldStore {
        &self.shared.store
    }

    /// Tells [`Self::run`] and [`Self::run_evidence`] that a network is there (again), or another one.
    pub fn network_returned(&self) {
        self.shared.online.notify_one();
        self.shared.online_for_evidence.notify_one();
    }

    /// Pushes and pulls until nothing is left.
    ///
    /// # Errors
    /// [`SyncError`]; what was exchanged before is stored.
    pub async fn sync_once(&self) -> Result<SyncReport, SyncError> {
        let mut engine = Engine::new(self.shared.config.clone());
        let mut rng = self.rng()?;
        let session = self.session(&mut engine, Event::SyncRequested, &mut rng).await;
        match session.status {
            Some(Status::Failed(failure) | Status::Stopped(failure)) => Err(failure.into()),
            Some(Status::UpToDate | Status::Stalled | Status::Syncing) | None => Ok(session.report),
        }
    }

    /// Keeps in step until `cancel` is done: after local changes, on the server's notice, and from time to time.
    /// `watch` is told how it stands.
    ///
    /// # Errors
    /// [`SyncError`] when there is no use in going on: signed out, revoked, too old.
    pub async fn run(
        &self,
        cancel: impl Future<Output = ()>,
        mut watch: impl FnMut(&Status, &SyncReport),
    ) -> Result<(), SyncError> {
        let changed = Arc::new(Notify::new());
        let waker = Arc::clone(&changed);
        let _subscription = self.shared.store.subscribe(Arc::new(move |changes: Changes| {
            let relevant = |change: &Change| matches!(change, Change::Documents(_) | Change::Status);
            if changes.iter().any(relevant) {
                waker.notify_one();
            }
        }));
        let (notices, mut news) = mpsc::channel(16);
        let mut engine = Engine::new(self.shared.config.clone());
        let mut rng = self.rng()?;
        let live_rng = self.rng()?;
        let work = async {
            let mut event = Event::SyncRequested;
            // When the engine wants to be woken. An event that leads to nothing (a notice of what is here already) sets no
            // timer, and must not make a retry or the next look at the server forgotten.
            let mut timer = None;
            loop {
                let session = self.session(&mut engine, event, &mut rng).await;
                timer = session.timer.or(timer);
                if let Some(status) = &session.status {
                    watch(status, &session.report);
                    if let Status::Stopped(failure) = status {
                        return Err(SyncError::from(failure.clone()));
                    }
                }
                event = self.next_event(&changed, &mut news, timer).await?;
                if matches!(event, Event::TimerFired) {
                    // The engine sets it again when it is too early.
                    timer = None;
                }
            }
        };
        tokio::pin!(cancel);
        tokio::select! {
            () = &mut cancel => Ok(()),
            ended = work => ended,
            () = self.listen(notices, live_rng) => Ok(()),
        }
    }

    async fn next_event(
        &self,
        changed: &Notify,
        news: &mut mpsc::Receiver<Vec<StreamMark>>,
        timer: Option<u64>,
    ) -> Result<Event, SyncError> {
        loop {
            let pause = timer.map(|at| Duration::from_millis(at.saturating_sub(self.now())));
            let rings = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed.notified() => {
                    // What was pulled is told too; only what waits is worth a request.
                    let waiting = self.blocking(|store| store.read(outbox::count_waiting)).await?;
                    if waiting > 0 {
                        return Ok(Event::LocalChange);
                    }
                }
                () = self.shared.online.notified() => return Ok(Event::Online),
                Some(marks) = news.recv() => return Ok(Event::LiveNotice(marks)),
                () = rings => return Ok(Event::TimerFired),
            }
        }
    }

    /// Listens to live notices, and opens the stream again when it breaks. Never ends by itself.
    async fn listen(&self, notices: mpsc::Sender<Vec<StreamMark>>, mut rng: ChaCha12Rng) {
        let config = &self.shared.config;
        let mut failures = 0u32;
        loop {
            let mut pause = 0;
            match self.shared.transport.live().await {
                Ok(mut stream) => {
                    while let Some(Ok(marks)) = stream.next().await {
                        failures = 0;
                        if notices.send(marks).await.is_err() {
                            return;
                        }
                    }
                }
                Err(
                    TransportFault::SignInAgain
                    | TransportFault::AnotherPhone
                    | TransportFault::Revoked
                    | TransportFault::NeedsNewerApp,
                ) => {
                    // The next exchange finds out too, and says so.
                    std::future::pending::<()>().await;
                }
                Err(TransportFault::RetryAfter(millis)) => pause = millis,
                Err(_) => {}
            }
            failures = failures.saturating_add(1);
            let jittered = backoff(config, failures, &mut rng);
            tokio::time::sleep(Duration::from_millis(jittered.max(pause))).await;
        }
    }

    /// Feeds the engine an event and does what it asks for until it rests.
    async fn session(&self, engine: &mut Engine, event: Event, rng: &mut ChaCha12Rng) -> Session {
        let _turn = self.shared.turn.lock().await;
        let mut session = Session {
            status: None,
            report: SyncReport::default(),
            timer: None,
        };
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in engine.handle(event, self.now(), rng) {
                match effect {
                    Effect::Load(limits) => {
                        let loaded = self.blocking(move |store| store.outgoing(limits)).await;
                        events.push_back(match loaded {
                            Ok(outgoing) => Event::Loaded(Box::new(outgoing)),
                            Err(error) => Event::StorageFailed(error),
                        });
                    }
                    Effect::Send(request) => {
                        session.report.rounds += 1;
                        session.report.pushed += request.push.len();
                        let result = self.exchange(&request, &mut session.report).await;
                        let id = result.as_ref().map_or(request.request_id, |reply| reply.request_id);
                        events.push_back(Event::ReplyArrived { request_id: id, result });
                        if id != request.request_id {
                            // Somebody else's reply; over this connection no other one will follow.
                            events.push_back(Event::ReplyArrived {
                                request_id: request.request_id,
                                result: Err(TransportFault::CaptivePortal),
                            });
                        }
                    }
                    Effect::Apply { response, sent } => {
                        let applied = self.blocking(move |store| store.apply(*response, &sent)).await;
                        events.push_back(match applied {
                            Ok(applied) => {
                                if let Some(token) = &applied.new_token {
                                    self.shared.transport.set_token(token);
                                }
                                session.report.add(&applied);
                                Event::Applied(Box::new(applied))
                            }
                            Err(error) => Event::StorageFailed(error),
                        });
                    }
                    Effect::SetTimer(at) => session.timer = Some(at),
                    Effect::Report(status) => session.status = Some(status),
                }
            }
        }
        self.note_device_state(session.status.as_ref()).await;
        session
    }

    async fn exchange(
        &self,
        request: &super::protocol::SyncRequest,
        report: &mut SyncReport,
    ) -> Result<Box<SyncResponse>, TransportFault> {
        let patience = Duration::from_millis(self.shared.config.reply_within_millis);
        let exchanged = tokio::time::timeout(patience, self.shared.transport.exchange(request))
            .await
            .map_err(|_| TransportFault::Timeout)??;
        report.bytes_up += exchanged.bytes_up;
        report.bytes_down += exchanged.bytes_down;
        let entries: usize = exchanged.response.streams.iter().map(|page| page.entries.len()).sum();
        if entries > MAX_ENTRIES {
            return Err(TransportFault::Server(format!("it sent {entries} entries at once")));
        }
        Ok(Box::new(exchanged.response))
    }

    /// Remembers whether the server accepts this device, for screens that are opened without a network.
    async fn note_device_state(&self, status: Option<&Status>) {
        let state = match status {
            Some(Status::UpToDate | Status::Stalled) => DeviceState::Active,
            Some(Status::Stopped(Failure::Transport(TransportFault::Revoked))) => DeviceState::Revoked,
            Some(Status::Stopped(Failure::Transport(TransportFault::SignInAgain))) => DeviceState::SignInAgain,
            Some(Status::Stopped(Failure::Transport(TransportFault::AnotherPhone))) => DeviceState::AnotherPhone,
            _ => return,
        };
        let noted = self
            .blocking(move |store| {
                if store.status()?.device == state {
                    return Ok(());
                }
                store.set_device_state(state)
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!(%error, "the state of the device could not be stored");
        }
    }

    fn now(&self) -> u64 {
        self.shared.store.options().clock.monotonic_millis()
    }

    fn rng(&self) -> Result<ChaCha12Rng, FieldError> {
        Ok(ChaCha12Rng::from_seed(self.shared.store.random_bytes()?))
    }

    /// Runs what blocks where it keeps nobody waiting.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(FieldStore) -> Result<R, FieldError> + Send + 'static,
    ) -> Result<R, FieldError> {
        let store = self.shared.store.clone();
        tokio::task::spawn_blocking(move || work(store))
            .await
            .map_err(|error| FieldError::Internal(format!("the work was broken off: {error}")))?
    }
}

/// How long to wait after some failures in a row, in milliseconds. Spread, so that phones that lost the same server do not
/// come back together.
fn backoff(config: &Config, failures: u32, rng: &mut ChaCha12Rng) -> u64 {
    let floor = config.backoff_floor_millis;
    let ceiling = floor
        .saturating_mul(1 << failures.min(20))
        .min(config.backoff_ceiling_millis)
        .max(floor);
    rng.random_range(floor..=ceiling)
}

#[cfg(test)]
#[path = "driver/tests.rs"]
mod tests;
