//! What the server does by itself, beside answering.

mod compaction;
mod overview;
mod routine;
mod uploads;
mod words;

pub use compaction::{Compacted, compact};
pub use routine::{LookedAfter, look_after};

use crate::state::AppState;

/// Starts the timers of a running server. They end when it stops.
pub fn start(state: &AppState) {
    if let Some(every) = state.config.compact_every() {
        tokio::spawn(compaction::run(state.clone(), every));
    }
    tokio::spawn(routine::run(state.clone()));
    tokio::spawn(words::run(state.clone()));
    tokio::spawn(overview::run(state.clone()));
    tokio::spawn(uploads::run(state.clone()));
}
