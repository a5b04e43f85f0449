//! Ingest: from what a phone pushes to what is stored, and from what is stored to what a phone pulls.
//!
//! ```text
//! request ─▶ envelope (name, checksum) ─▶ known? ─▶ Validator (worker processes) ─▶ route and authority ─▶ append
//!                                                                                          └▶ quarantine
//! reply   ◀─ verdicts ◀─ pages of every stream the person may read
//! ```
//!
//! Nothing in the server's own process decodes a change that a phone sent: [`WorkerPool`] does, in child processes that
//! may die. Each change is judged for itself, and asking twice has the effect of asking once.

mod arrivals;
mod check;
mod envelope;
mod exchange;
mod live;
mod own;
mod route;
mod shown;
mod take_in;
mod validator;
pub mod worker;
mod workers;

#[cfg(test)]
mod arrivals_tests;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod exchange_tests;
#[cfg(test)]
mod testing;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use fieldledger_core::model::DeviceId;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

use crate::{clock::Clock, store::Store};

pub use exchange::ExchangeError;
pub use live::{About, Heard, LiveHub, LiveNews, News, Subject};
pub use own::OwnDocumentError;
pub use validator::{InProcess, Job, Judgement, Refusal, SoundChange, Validator};
pub use workers::{WorkerCommand, WorkerLimits, WorkerPool};

/// Takes in what phones push and hands out what they pull.
pub struct SyncService {
    store: Arc<dyn Store>,
    validator: Arc<dyn Validator>,
    clock: Arc<dyn Clock>,
    live: Arc<LiveHub>,
    rng: Mutex<ChaCha20Rng>,
    /// What each device was last told of backups, so that it is not told again with every reply.
    told_of_backups: Mutex<BTreeMap<DeviceId, [u8; 8]>>,
}

impl SyncService {
    /// A service on a store. `seed` names the documents that the server makes itself: random in production.
    pub fn new(
        store: Arc<dyn Store>,
        validator: Arc<dyn Validator>,
        clock: Arc<dyn Clock>,
        live: Arc<LiveHub>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            store,
            validator,
            clock,
            live,
            rng: Mutex::new(ChaCha20Rng::from_seed(seed)),
            told_of_backups: Mutex::default(),
        }
    }

    /// Where news of grown streams is told. Publish here after
    /// [`put_records`](crate::store::DocumentStore::put_records).
    pub fn live(&self) -> &Arc<LiveHub> {
        &self.live
    }

    fn random_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}
