use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, Weak},
};

use super::FieldStore;
use crate::{db::lock, model::DocumentKind};

/// Something that screens show and that has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Change {
    /// Documents of a kind.
    Documents(DocumentKind),
    /// Ledger records: customers, products, credit files, ….
    Records,
    /// The sync status: what waits, what was rejected, the device.
    Status,
    /// Files of evidence.
    Evidence,
}

/// What has changed since a listener was last told.
pub type Changes = BTreeSet<Change>;

type Listener = Arc<dyn Fn(Changes) + Send + Sync>;

#[derive(Default)]
pub(super) struct Observers {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<u64, Listener>,
    next: u64,
    pending: Changes,
    /// A thread is telling listeners; it will tell what is pending too.
    telling: bool,
}

/// Ends when it is dropped or cancelled.
pub struct Subscription {
    id: u64,
    state: Weak<Mutex<State>>,
}

impl Subscription {
    /// Ends it.
    pub fn cancel(self) {
        drop(self);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(state) = self.state.upgrade() {
            let listener = lock(&state).listeners.remove(&self.id);
            // Outside the lock: what the listener holds may want it when it is dropped.
            drop(listener);
        }
    }
}

impl Observers {
    fn subscribe(&self, listener: Listener) -> Subscription {
        let mut state = lock(&self.state);
        let id = state.next;
        state.next += 1;
        state.listeners.insert(id, listener);
        Subscription {
            id,
            state: Arc::downgrade(&self.state),
        }
    }

    /// Tells every listener, outside any lock. While one thread tells, what others add is told by it in one go; so a
    /// listener that writes is told of that after it returned, and never deadlocks.
    pub(super) fn tell(&self, changes: &[Change]) {
        {
            let mut state = lock(&self.state);
            if state.listeners.is_empty() {
                return;
            }
            state.pending.extend(changes.iter().cloned());
            if state.telling {
                return;
            }
            state.telling = true;
        }
        loop {
            let (listeners, changes) = {
                let mut state = lock(&self.state);
                if state.pending.is_empty() {
                    state.telling = false;
                    return;
                }
                let listeners: Vec<Listener> = state.listeners.values().cloned().collect();
                (listeners, std::mem::take(&mut state.pending))
            };
            for listener in listeners {
                if catch_unwind(AssertUnwindSafe(|| listener(changes.clone()))).is_err() {
                    tracing::error!("a listener panicked; the others are told nevertheless");
                }
            }
        }
    }
}

impl FieldStore {
    /// Calls `listener` after each commit that changed something, with what changed since it was last told. It may call
    /// the store.
    pub fn subscribe(&self, listener: Arc<dyn Fn(Changes) + Send + Sync>) -> Subscription {
        self.inner.observers.subscribe(listener)
    }
}
