use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use fieldledger_core::store::{self, Change};

/// A method that the app implements threw something. It is noted in the log and changes nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum CallbackFailed {
    /// What it threw, in words.
    #[error("{message}")]
    Failed {
        /// In words.
        message: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for CallbackFailed {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { message: error.reason }
    }
}

/// Is told what screens show and what has changed. Called on a thread of its own, one call at a time, never inside a call of
/// the app: it may call the store, take its time and throw.
#[uniffi::export(with_foreign)]
pub trait ChangeListener: Send + Sync {
    /// What has changed since the last call, after it was committed. Changes that happen meanwhile are told together.
    ///
    /// # Errors
    /// Whatever the app throws; it is noted in the log.
    fn on_change(&self, changes: Vec<Change>) -> Result<(), CallbackFailed>;
}

#[derive(Default)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    something: Condvar,
}

#[derive(Default)]
struct Waiting {
    changes: BTreeSet<Change>,
    over: bool,
}

impl Mailbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, changes: BTreeSet<Change>) {
        self.waiting().changes.extend(changes);
        self.something.notify_one();
    }

    fn end(&self) {
        self.waiting().over = true;
        self.something.notify_one();
    }

    /// The next changes, all that came since the last; `None` once it is over.
    fn take(&self) -> Option<Vec<Change>> {
        let waiting = self
            .something
            .wait_while(self.waiting(), |it| it.changes.is_empty() && !it.over);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        (!waiting.over).then(|| std::mem::take(&mut waiting.changes).into_iter().collect())
    }
}

/// A listener at work. Ends when it is cancelled or let go of.
#[derive(uniffi::Object)]
pub struct Subscription {
    mailbox: Arc<Mailbox>,
    /// Dropped on cancelling, so that the store forgets it.
    source: Mutex<Option<store::Subscription>>,
}

#[uniffi::export]
impl Subscription {
    /// Ends it: no further changes are collected. A call that is on its way already may still arrive; waiting for it here would
    /// hang a listener that waits for whoever cancels it.
    pub fn cancel(&self) {
        self.mailbox.end();
        drop(self.source.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.mailbox.end();
    }
}

/// Listens on a thread of its own: a slow listener holds up neither the call that wrote nor other listeners.
pub(crate) fn subscribe(
    store: &store::FieldStore,
    listener: Arc<dyn ChangeListener>,
) -> std::io::Result<Arc<Subscription>> {
    let mailbox = Arc::new(Mailbox::default());
    let letters = Arc::clone(&mailbox);
    std::thread::Builder::new()
        .name("fieldledger-changes".to_owned())
        .spawn(move || {
            while let Some(changes) = letters.take() {
                if let Err(error) = listener.on_change(changes) {
                    tracing::warn!(%error, "a change listener failed; it will be told of the next changes all the same");
                }
            }
        })?;
    let slot = Arc::clone(&mailbox);
    let source = store.subscribe(Arc::new(move |changes| slot.put(changes)));
    Ok(Arc::new(Subscription {
        mailbox,
        source: Mutex::new(Some(source)),
    }))
}
