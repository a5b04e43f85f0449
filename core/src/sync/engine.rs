//! Decides what to do next. No I/O, no clock, no randomness of its own: the same engine runs on a phone and under a
//! simulated network with thousands of seeds.
//!
//! ```text
//!            wanted                Loaded                ReplyArrived              Applied
//!   Idle ─────────────▶ Loading ─────────▶ Awaiting ───────────────▶ Applying ─────────────▶ Idle, or Loading again
//!    ▲                                        │ fault, or no reply in time                    while anything is left
//!    └───────────── timer (backoff) ◀─────────┘
//! ```
//!
//! At most one request is under way. A reply that does not name it is late, repeated or out of order, and is ignored.

use std::collections::BTreeMap;

use rand::RngExt as _;

use super::protocol::{
    PROTOCOL, PULL_BUDGET_BYTES, PUSH_BYTES, PUSH_ENTRIES, StreamId, StreamMark, SyncRequest, SyncResponse,
};
use super::transport::TransportFault;
use crate::db::exchange::{Applied, Limits, Outgoing, Sent};
use crate::error::FieldError;

/// What an engine needs to know beforehand.
#[derive(Clone, Debug)]
pub struct Config {
    /// The app's version, told to the server.
    pub app_version: String,
    /// Names the installation.
    pub installation: [u8; 16],
    /// The most that one request pushes.
    pub limits: Limits,
    /// The most bytes of entries that one reply may hold.
    pub pull_budget: u32,
    /// Shortest time between a failure and the next attempt.
    pub backoff_floor_millis: u64,
    /// Longest time between a failure and the next attempt, unless the server asks for more.
    pub backoff_ceiling_millis: u64,
    /// How long a reply may take.
    pub reply_within_millis: u64,
    /// How long the phone is content without asking, when nothing happens and no live notice comes; 0 for ever.
    pub poll_every_millis: u64,
}

impl Config {
    /// The usual figures.
    pub fn new(app_version: impl Into<String>, installation: [u8; 16]) -> Self {
        Self {
            app_version: app_version.into(),
            installation,
            limits: Limits {
                entries: PUSH_ENTRIES,
                bytes: PUSH_BYTES,
            },
            pull_budget: PULL_BUDGET_BYTES,
            backoff_floor_millis: 1_000,
            backoff_ceiling_millis: 300_000,
            reply_within_millis: 120_000,
            poll_every_millis: 900_000,
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Something was recorded on this phone.
    LocalChange,
    /// A person asks for a sync now.
    SyncRequested,
    /// The server says how far streams have got.
    LiveNotice(Vec<StreamMark>),
    /// A network is there.
    Online,
    /// No network is there.
    Offline,
    /// Answer to [`Effect::Load`].
    Loaded(Box<Outgoing>),
    /// A reply, or word that there will be none.
    ReplyArrived {
        /// The request it belongs to. For a reply, the id that the reply itself names.
        request_id: u64,
        /// The reply.
        result: Result<Box<SyncResponse>, TransportFault>,
    },
    /// Answer to [`Effect::Apply`].
    Applied(Box<Applied>),
    /// The phone's database failed at [`Effect::Load`] or [`Effect::Apply`]. Nothing was stored.
    StorageFailed(FieldError),
    /// The time of [`Effect::SetTimer`] has come. An early or repeated one does no harm.
    TimerFired,
    /// The phone was enrolled anew.
    TokenChanged,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Ask the database where the phone is and what it has to push; answer with [`Event::Loaded`].
    Load(Limits),
    /// Send a request; answer with [`Event::ReplyArrived`].
    Send(Box<SyncRequest>),
    /// Store a reply to what was sent; answer with [`Event::Applied`].
    Apply {
        /// The reply.
        response: Box<SyncResponse>,
        /// What it answers.
        sent: Box<Sent>,
    },
    /// Fire [`Event::TimerFired`] at this time of the monotonic clock; replaces the timer set before.
    SetTimer(u64),
    /// Tell whoever watches.
    Report(Status),
}

/// How syncing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// An exchange is under way.
    Syncing,
    /// Everything here is on the server and everything there is here, as of now.
    UpToDate,
    /// Something is left that the server did not want to look at yet, or keeps announcing without sending.
    Stalled,
    /// The last attempt failed; the next one follows by itself.
    Failed(Failure),
    /// Nothing more is attempted until the phone is enrolled anew or the app updated.
    Stopped(Failure),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Of network or server.
    Transport(TransportFault),
    /// Of the phone's own database.
    Storage(FieldError),
}

#[derive(Debug)]
enum Phase {
    Idle,
    Loading,
    Awaiting {
        request_id: u64,
        sent: Box<Sent>,
        deadline: u64,
    },
    Applying,
}

/// The smallest push that is still worth a request.
const LEAST: Limits = Limits {
    entries: 1,
    bytes: 16 << 10,
};

/// See the module.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    phase: Phase,
    /// Something happened that asks for another exchange after the present one.
    wanted: bool,
    stopped: bool,
    failures: u32,
    /// No attempt before this time.
    retry_at: Option<u64>,
    /// The server asked for the pause, so that even a person's wish does not shorten it.
    held_by_server: bool,
    /// When to ask although nothing happened.
    poll_at: Option<u64>,
    limits: Limits,
    pull_budget: u32,
    /// How far the phone is, to tell whether a live notice says anything new.
    places: BTreeMap<StreamId, u64>,
}

impl Engine {
    /// An engine that has not been told anything yet.
    pub fn new(config: Config) -> Self {
        Self {
            limits: config.limits,
            pull_budget: config.pull_budget,
            config,
            phase: Phase::Idle,
            wanted: false,
            stopped: false,
            failures: 0,
            retry_at: None,
            held_by_server: false,
            poll_at: None,
            places: BTreeMap::new(),
        }
    }

    /// Takes notice of an event at the time `now` of the monotonic clock and says what is to be done.
    pub fn handle(&mut self, event: Event, now: u64, rng: &mut impl rand::Rng) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::LocalChange => self.want(now, &mut effects),
            Event::SyncRequested => {
                if !(self.held_by_server && self.retry_at.is_some_and(|at| at > now)) {
                    self.forgive();
                }
                self.want(now, &mut effects);
            }
            Event::LiveNotice(marks) => {
                let news = |mark: &StreamMark| self.places.get(&mark.stream).is_none_or(|place| *place < mark.seq);
                if marks.iter().any(news) {
                    self.want(now, &mut effects);
                }
            }
            Event::Online => {
                if !self.held_by_server {
                    self.forgive();
                }
                self.want(now, &mut effects);
            }
            // A request under way ends by itself, and a person's wish is worth an attempt: the system's word for
            // "no network" is often wrong.
            Event::Offline => {}
            Event::TokenChanged => {
                self.stopped = false;
                self.forgive();
                self.held_by_server = false;
                self.want(now, &mut effects);
            }
            Event::TimerFired => self.on_timer(now, rng, &mut effects),
            Event::Loaded(outgoing) => self.on_loaded(*outgoing, now, rng, &mut effects),
            Event::ReplyArrived { request_id, result } => self.on_reply(request_id, result, now, rng, &mut effects),
            Event::Applied(applied) => self.on_applied(&applied, now, rng, &mut effects),
            Event::StorageFailed(error) => {
                if matches!(self.phase, Phase::Loading | Phase::Applying) {
                    self.fail(Failure::Storage(error), None, now, rng, &mut effects);
                }
            }
        }
        effects
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// The id of the request whose reply is awaited.
    pub fn awaited(&self) -> Option<u64> {
        match self.phase {
            Phase::Awaiting { request_id, .. } => Some(request_id),
            _ => None,
        }
    }

    fn want(&mut self, now: u64, effects: &mut Vec<Effect>) {
        self.wanted = true;
        self.start(now, effects);
    }

    /// Begins an exchange if one is wanted and nothing speaks against it.
    fn start(&mut self, now: u64, effects: &mut Vec<Effect>) {
        if !self.wanted || self.stopped || !matches!(self.phase, Phase::Idle) {
            return;
        }
        if let Some(at) = self.retry_at {
            if at > now {
                effects.push(Effect::SetTimer(at));
                return;
            }
            self.retry_at = None;
            self.held_by_server = false;
        }
        self.wanted = false;
        self.phase = Phase::Loading;
        effects.push(Effect::Report(Status::Syncing));
        effects.push(Effect::Load(self.limits));
    }

    fn on_timer(&mut self, now: u64, rng: &mut impl rand::Rng, effects: &mut Vec<Effect>) {
        if let Phase::Awaiting { deadline, .. } = self.phase {
            if deadline <= now {
                self.fault(TransportFault::Timeout, now, rng, effects);
            } else {
                effects.push(Effect::SetTimer(deadline));
            }
            return;
        }
        if self.poll_at.is_some_and(|at| at <= now) {
            self.poll_at = None;
            self.wanted = true;
        }
        self.start(now, effects);
        if self.is_idle()
            && !self.stopped
            && let Some(at) = self.retry_at.into_iter().chain(self.poll_at).min()
            && at > now
            && !effects.iter().any(|effect| matches!(effect, Effect::SetTimer(_)))
        {
            effects.push(Effect::SetTimer(at));
        }
    }

    fn on_loaded(&mut self, outgoing: Outgoing, now: u64, rng: &mut impl rand::Rng, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Loading) {
            return;
        }
        self.places = outgoing
            .sent
            .cursors
            .iter()
            .map(|it| (it.stream, it.cursor.map_or(0, |cursor| cursor.seq)))
            .collect();
        let request_id = rng.random();
        let deadline = now.saturating_add(self.config.reply_within_millis);
        let request = SyncRequest {
            protocol: PROTOCOL,
            app_version: self.config.app_version.clone(),
            request_id,
            device_time: outgoing.device_time,
            since_contact_millis: outgoing.since_contact_millis,
            cursors: outgoing.sent.cursors.clone(),
            push: outgoing.push,
            budget_bytes: self.pull_budget,
            waiting: outgoing.waiting,
            installation: self.config.installation.into(),
            words: outgoing.words,
        };
        self.phase = Phase::Awaiting {
            request_id,
            sent: Box::new(outgoing.sent),
            deadline,
        };
        effects.push(Effect::Send(Box::new(request)));
        effects.push(Effect::SetTimer(deadline));
    }

    fn on_reply(
        &mut self,
        id: u64,
        result: Result<Box<SyncResponse>, TransportFault>,
        now: u64,
        rng: &mut impl rand::Rng,
        effects: &mut Vec<Effect>,
    ) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Awaiting { request_id, sent, .. } if request_id == id => match result {
                Ok(response) => {
                    self.phase = Phase::Applying;
                    effects.push(Effect::Apply { response, sent });
                }
                Err(fault) => self.fault(fault, now, rng, effects),
            },
            other => self.phase = other,
        }
    }

    fn on_applied(&mut self, applied: &Applied, now: u64, rng: &mut impl rand::Rng, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Applying) {
            return;
        }
        self.phase = Phase::Idle;
        for (stream, seq) in &applied.places {
            self.places.insert(*stream, *seq);
        }
        if let Some(refused) = &applied.refused {
            let fault = TransportFault::Server(refused.clone());
            self.fault(fault, now, rng, effects);
            return;
        }
        let left = applied.more || applied.waiting > 0;
        if left && !applied.progress && !applied.recorded_meanwhile {
            // Asking again at once would only repeat itself.
            self.failures = self.failures.saturating_add(1);
            let at = now.saturating_add(self.backoff(rng));
            self.wanted = true;
            self.retry_at = Some(at);
            effects.push(Effect::Report(Status::Stalled));
            effects.push(Effect::SetTimer(at));
            return;
        }
        self.failures = 0;
        self.grow();
        self.wanted |= left;
        self.start(now, effects);
        if self.is_idle() {
            effects.push(Effect::Report(Status::UpToDate));
            if self.config.poll_every_millis > 0 {
                // Spread, so that a thousand phones that woke together do not stay together.
                let spread = rng.random_range(0..=self.config.poll_every_millis / 10);
                let at = now.saturating_add(self.config.poll_every_millis + spread);
                self.poll_at = Some(at);
                effects.push(Effect::SetTimer(at));
            }
        }
    }

    fn fault(&mut self, fault: TransportFault, now: u64, rng: &mut impl rand::Rng, effects: &mut Vec<Effect>) {
        let pause = match &fault {
            TransportFault::SignInAgain
            | TransportFault::AnotherPhone
            | TransportFault::Revoked
            | TransportFault::NeedsNewerApp => {
                self.phase = Phase::Idle;
                self.stopped = true;
                effects.push(Effect::Report(Status::Stopped(Failure::Transport(fault))));
                return;
            }
            TransportFault::Timeout | TransportFault::TooLarge => {
                self.shrink();
                None
            }
            TransportFault::RetryAfter(millis) => Some(*millis),
            TransportFault::Offline | TransportFault::CaptivePortal | TransportFault::Server(_) => None,
        };
        self.fail(Failure::Transport(fault), pause, now, rng, effects);
    }

    fn fail(
        &mut self,
        failure: Failure,
        pause: Option<u64>,
        now: u64,
        rng: &mut impl rand::Rng,
        effects: &mut Vec<Effect>,
    ) {
        self.phase = Phase::Idle;
        self.failures = self.failures.saturating_add(1);
        let delay = self.backoff(rng).max(pause.unwrap_or(0));
        let at = now.saturating_add(delay);
        self.wanted = true;
        self.retry_at = Some(at);
        self.held_by_server = pause.is_some();
        effects.push(Effect::Report(Status::Failed(failure)));
        effects.push(Effect::SetTimer(at));
    }

    /// Exponential, with full jitter: phones that lost the same server must not come back together.
    fn backoff(&self, rng: &mut impl rand::Rng) -> u64 {
        let (floor, ceiling) = (self.config.backoff_floor_millis, self.config.backoff_ceiling_millis);
        let doubled = floor.saturating_mul(1u64 << self.failures.min(20));
        rng.random_range(floor..=doubled.clamp(floor, ceiling.max(floor)))
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }

    /// A network that cuts large bodies lets small ones through.
    fn shrink(&mut self) {
        self.limits.entries = (self.limits.entries / 4).max(LEAST.entries);
        self.limits.bytes = (self.limits.bytes / 4).max(LEAST.bytes);
        self.pull_budget = (self.pull_budget / 4).max(LEAST.bytes as u32);
    }

    fn grow(&mut self) {
        self.limits.entries = (self.limits.entries * 2).min(self.config.limits.entries);
        self.limits.bytes = (self.limits.bytes * 2).min(self.config.limits.bytes);
        self.pull_budget = self.pull_budget.saturating_mul(2).min(self.config.pull_budget);
    }
}

#[cfg(test)]
#[path = "engine/tests.rs"]
mod tests;
