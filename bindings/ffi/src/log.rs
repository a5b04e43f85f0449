//! The library's log, in batches: a call into Kotlin or Swift for every line would cost more than what it tells of.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use fieldledger_core::model::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    layer::Context,
    prelude::*,
    reload::{self, Handle},
};

use super::CallbackFailed;

/// How urgent a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, uniffi::Enum)]
pub enum LogLevel {
    /// Something failed that should not have.
    Error,
    /// Something is odd, and was coped with.
    Warn,
    /// What happens.
    Info,
    /// How it happens, for developers.
    Debug,
}

/// A line of the log. It never holds keys, tokens or what people wrote.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LogLine {
    /// When, by the phone's clock.
    pub at: Timestamp,
    /// How urgent.
    pub level: LogLevel,
    /// Which part of the library speaks.
    pub target: String,
    /// What it says.
    pub message: String,
}

/// Takes the log; the app implements it.
#[uniffi::export(with_foreign)]
pub trait LogSink: Send + Sync {
    /// Takes lines, oldest first. Called on a thread of its own, at most about twice a second.
    ///
    /// # Errors
    /// Whatever the app throws; those lines are lost.
    fn write(&self, lines: Vec<LogLine>) -> Result<(), CallbackFailed>;
}

/// Lines that wait while the sink is slow; what comes beyond is counted and left out.
const QUEUE: usize = 4_096;
/// Most lines of one call.
const BATCH: usize = 256;
/// How long the first line of a batch waits for others.
const PATIENCE: Duration = Duration::from_millis(500);

static SINK: Mutex<Option<(Arc<dyn LogSink>, LogLevel)>> = Mutex::new(None);
/// By which the level is changed once the log is set up; `None` when this process has another one.
static INSTALLED: OnceLock<Option<Handle<LevelFilter, Registry>>> = OnceLock::new();

/// Sends the log of this process to `sink` from now on; `None` sends it nowhere. Lines less urgent than `level` are left
/// out; each call brings its own level. `false` when other Rust code in this process has set up a log of its own before, which
/// then gets the lines.
#[uniffi::export]
pub fn set_log_sink(sink: Option<Arc<dyn LogSink>>, level: LogLevel) -> bool {
    // Held until the filter is set, so that of two calls at once one counts, with both its sink and its level.
    let mut place = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    *place = sink.map(|sink| (sink, level));
    let filter = match (&*place, level) {
        (None, _) => LevelFilter::OFF,
        (_, LogLevel::Error) => LevelFilter::ERROR,
        (_, LogLevel::Warn) => LevelFilter::WARN,
        (_, LogLevel::Info) => LevelFilter::INFO,
        (_, LogLevel::Debug) => LevelFilter::DEBUG,
    };
    if place.is_none() && INSTALLED.get().is_none() {
        return true;
    }
    match INSTALLED.get_or_init(install) {
        Some(handle) => handle.reload(filter).is_ok(),
        None => false,
    }
}

fn install() -> Option<Handle<LevelFilter, Registry>> {
    let (sender, receiver) = sync_channel(QUEUE);
    let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
    let layer = Lines { sender }.with_filter(filter);
    tracing_subscriber::registry().with(layer).try_init().ok()?;
    std::thread::Builder::new()
        .name("fieldledger-log".to_owned())
        .spawn(move || deliver(&receiver))
        .ok()?;
    Some(handle)
}

fn deliver(lines: &Receiver<LogLine>) {
    while let Ok(first) = lines.recv() {
        let until = Instant::now() + PATIENCE;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => batch.push(line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let place = SINK.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((sink, level)) = place {
            // What was said before the last call may be less urgent than that one asked for.
            batch.retain(|line| line.level <= level);
            if !batch.is_empty() {
                // Saying that the sink failed would go to the sink.
                let _ = sink.write(batch);
            }
        }
    }
}

struct Lines {
    sender: SyncSender<LogLine>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        // What other crates say is theirs; of the HTTP client it could hold addresses.
        if !meta.target().starts_with("fieldledger") {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let level = match *meta.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        // Never waits: a full queue costs lines, not the time of whoever logs.
        let _ = self.sender.try_send(LogLine {
            at: chrono::Utc::now().into(),
            level,
            target: meta.target().to_owned(),
            message: text.message + &text.fields,
        });
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
