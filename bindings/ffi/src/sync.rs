//! Enrolling and keeping in step with the server.

use std::sync::{Arc, Mutex, PoisonError};

use fieldledger_core::{
    error::FieldError,
    model::{DocumentId, EvidenceHash},
    store::Identity,
    sync::{
        driver::{SyncDriver, SyncReport},
        engine::Status,
        transport::HttpTransport,
    },
};
use tokio::sync::watch;

use crate::{
    CallbackFailed, CancelToken, FieldStore, NetworkState, PathBuf,
    blocking::{runtime, spawned},
    network,
};

/// How a sync that goes on in the background stands.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum SyncState {
    /// Phone and server have the same; told again when more has become of the files of evidence.
    UpToDate {
        /// What was exchanged last; and in `evidence` what became of the files since the sync began.
        report: SyncReport,
    },
    /// Everything was exchanged but for changes that the server did not want to look at yet; it goes on by itself. Told
    /// again as the other.
    Stalled {
        /// As the other's.
        report: SyncReport,
    },
    /// It did not work, and is tried again by itself.
    Retrying {
        /// Why.
        error: FieldError,
    },
    /// It ended: a person has to do something first, or it was stopped.
    Stopped {
        /// Why; nothing when it was stopped.
        error: Option<FieldError>,
    },
}

/// Is told how a sync in the background stands; the app implements it.
#[uniffi::export(with_foreign)]
pub trait SyncListener: Send + Sync {
    /// How it stands now. Called on a thread of its own, in the order in which things happened.
    ///
    /// # Errors
    /// Whatever the app throws; it is noted in the log.
    fn on_state(&self, state: SyncState) -> Result<(), CallbackFailed>;
}

/// A sync that goes on in the background, until it is stopped or let go of.
#[derive(uniffi::Object)]
pub struct SyncHandle {
    driver: SyncDriver<HttpTransport>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

#[uniffi::export]
impl SyncHandle {
    /// Tells that a network is there (again), so that nothing waits for the next try.
    pub fn network_returned(&self) {
        self.driver.network_returned();
    }

    /// Stops it, and returns when it has ended. What was exchanged until then is stored.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut ended = self.ended.clone();
        // An error means that it is gone altogether.
        let _ = ended.wait_for(|it| *it).await;
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }
}

impl Drop for SyncHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[uniffi::export]
impl FieldStore {
    /// Where the file of a piece of evidence is on this phone, fetched from the server when it is not here: another phone took
    /// it, or its copy was deleted after a month.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when the document does not name it, or the server has not got it yet either;
    /// [`FieldError::Offline`]; [`FieldError::StorageFull`]; [`FieldError::Cancelled`].
    pub async fn fetch_evidence(
        &self,
        document: DocumentId,
        hash: EvidenceHash,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<PathBuf, FieldError> {
        let driver = self.driver().await?;
        let fetching = spawned(async move { Ok(driver.fetch_evidence(document, hash).await?) });
        CancelToken::guard(cancel, fetching).await
    }

    /// Makes this store the phone that `code` is for: a one-time code that an administrator or supervisor made for the person.
    /// The same person may enrol again; a store never changes hands.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `server_url` or `code`; [`FieldError::Offline`]; [`FieldError::NeedsNewerApp`].
    pub async fn enrol(
        &self,
        server_url: String,
        code: String,
        device_name: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Identity, FieldError> {
        let store = self.inner.clone();
        let enrolling = spawned(async move { Ok(store.enrol(&server_url, &code, &device_name).await?) });
        let identity = CancelToken::guard(cancel, enrolling).await?;
        // The old token is in the old one.
        self.drivers().take();
        Ok(identity)
    }

    /// Pushes and pulls until nothing is left, then sends the files of evidence that wait, as far as `may_upload` lets them go.
    /// A file that cannot be sent now makes no failure of it: the report says how many are left, and why. For a background
    /// task of the operating system that has little time, give a token and cancel it when the time is over: what was
    /// exchanged until then is stored.
    ///
    /// # Errors
    /// [`FieldError::Offline`], [`FieldError::SignInAgain`], [`FieldError::Revoked`], [`FieldError::NeedsNewerApp`],
    /// [`FieldError::Cancelled`].
    pub async fn sync_once(&self, cancel: Option<Arc<CancelToken>>) -> Result<SyncReport, FieldError> {
        let driver = self.driver().await?;
        let monitor = self.network().cloned();
        let syncing = spawned(async move {
            let asked = monitor.clone();
            let known = tokio::task::spawn_blocking(move || network::state(asked.as_ref())).await;
            if matches!(known, Ok(Some(NetworkState::None))) {
                return Err(FieldError::Offline);
            }
            Ok(driver.sync_all(|| network::may_upload(monitor.as_ref())).await?)
        });
        CancelToken::guard(cancel, syncing).await
    }

    /// Keeps in step in the background until the handle is stopped or let go of: after local changes, when the server says
    /// that there is something new, and from time to time. Files of evidence are sent meanwhile, when `may_upload` lets them.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; [`FieldError::Internal`] when the phone gives no thread.
    pub async fn start_sync(&self, listener: Option<Arc<dyn SyncListener>>) -> Result<Arc<SyncHandle>, FieldError> {
        let driver = self.driver().await?;
        let (stop, mut stopped) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let states = listener.map(tell_in_order).transpose()?;
        let running = driver.clone();
        let monitor = self.network().cloned();
        runtime()?.spawn(async move {
            let tell = |state| {
                if let Some(states) = &states {
                    let _ = states.send(state);
                }
            };
            let cancel = async move {
                let _ = stopped.wait_for(|it| *it).await;
            };
            let watch = |status: &Status, report: &SyncReport| {
                if let Some(state) = state_of(status, report) {
                    tell(state);
                }
            };
            let outcome = running
                .run_all(cancel, || network::may_upload(monitor.as_ref()), watch)
                .await;
            tell(SyncState::Stopped {
                error: outcome.err().map(FieldError::from),
            });
            end.send_replace(true);
        });
        Ok(Arc::new(SyncHandle { driver, stop, ended }))
    }
}

impl FieldStore {
    fn drivers(&self) -> std::sync::MutexGuard<'_, Option<SyncDriver<HttpTransport>>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one driver of this store: syncs that were asked for at once take turns in it.
    async fn driver(&self) -> Result<SyncDriver<HttpTransport>, FieldError> {
        if let Some(driver) = self.drivers().clone() {
            return Ok(driver);
        }
        let made = self.run(SyncDriver::over_http).await?;
        Ok(self.drivers().get_or_insert(made).clone())
    }
}

fn state_of(status: &Status, report: &SyncReport) -> Option<SyncState> {
    let report = report.clone();
    match status {
        Status::UpToDate => Some(SyncState::UpToDate { report }),
        Status::Stalled => Some(SyncState::Stalled { report }),
        Status::Failed(failure) => Some(SyncState::Retrying {
            error: failure.clone().into(),
        }),
        // Said once it has ended.
        Status::Stopped(_) | Status::Syncing => None,
    }
}

/// A thread that hands states to the app one after the other; it ends when its sender is dropped.
fn tell_in_order(listener: Arc<dyn SyncListener>) -> Result<std::sync::mpsc::Sender<SyncState>, FieldError> {
    let (sender, states) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("fieldledger-sync".to_owned())
        .spawn(move || {
            for state in states {
                if let Err(error) = listener.on_state(state) {
                    tracing::warn!(%error, "a sync listener failed; it will be told what happens next all the same");
                }
            }
        })
        .map_err(|error| FieldError::Internal(error.to_string()))?;
    Ok(sender)
}

/// The driver that a store syncs through, made when it is first needed.
pub(crate) type DriverSlot = Mutex<Option<SyncDriver<HttpTransport>>>;
