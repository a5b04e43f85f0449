//! The store of a phone, as an object.

mod collecting;
mod deliveries;
mod documents;
mod evidence;
mod ledger;
mod lists;
mod orders;
mod reviews;
mod status;
mod visits;

use std::{path::Path, sync::Arc};

use fieldledger_core::{
    error::FieldError,
    model::InvalidField,
    store::{self, Durability, Identity, OpenOptions, SalvageReport, SystemPhoneClock},
};
use uuid::Uuid;

use crate::{
    BootClockSource, ChangeListener, KeySupply, NetworkMonitor, Subscription,
    blocking::{blocking, caught},
    clock::AppClock,
    keys, network, observe,
    sync::DriverSlot,
};

/// How a store is opened.
#[derive(Clone, Debug, uniffi::Record)]
pub struct StoreOptions {
    /// The database file; it is made when it is not there. Its folder must be there, be the app's alone and be left out of
    /// the phone's backups.
    pub path: String,
    /// Random name of the installation, a UUID that the app keeps in the keychain or keystore and not in backups: it tells
    /// a restored copy from the phone itself.
    pub installation: String,
    /// The app's version, for the server's list of devices.
    pub app_version: String,
    /// What the phone is, for the server's list of devices (`Android 16`, `iOS 26`).
    pub platform: String,
    /// Certificates (DER or PEM) of authorities that the server's certificate may come from, beside the public ones: for a
    /// company with an authority of its own.
    #[uniffi(default)]
    pub certificates: Vec<Vec<u8>>,
}

/// The phone's store: one method for each thing a person does.
///
/// Every method that may wait is asynchronous and does its work on the library's threads. A method that writes returns after
/// its one transaction is on the disk; one that fails has changed nothing.
#[derive(uniffi::Object)]
pub struct FieldStore {
    pub(crate) inner: store::FieldStore,
    network: Option<Arc<dyn NetworkMonitor>>,
    pub(crate) driver: DriverSlot,
}

impl FieldStore {
    /// Runs `work` on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&store::FieldStore) -> Result<T, FieldError> + Send + 'static,
    ) -> Result<T, FieldError> {
        let store = self.inner.clone();
        blocking(move || work(&store)).await
    }

    pub(crate) fn network(&self) -> Option<&Arc<dyn NetworkMonitor>> {
        self.network.as_ref()
    }
}

/// Whether `path` may be opened: nothing yet, or a phone's database in any state.
///
/// # Errors
/// [`FieldError::Invalid`] naming `path` when it is a folder, or a file that was never a phone's database; it is not touched.
#[uniffi::export]
pub fn check_path(path: &str) -> Result<(), FieldError> {
    caught(|| store::FieldStore::check_path(Path::new(path)))
}

fn options(
    options: StoreOptions,
    keys: Option<Arc<dyn KeySupply>>,
    boot: Option<Arc<dyn BootClockSource>>,
) -> Result<OpenOptions, FieldError> {
    let installation: Uuid = options.installation.trim().parse().map_err(|_| {
        InvalidField::new(
            "installation",
            "must be a UUID that was made once for this installation",
        )
    })?;
    Ok(OpenOptions {
        path: options.path.into(),
        installation: installation.into_bytes(),
        app_version: options.app_version,
        platform: options.platform,
        certificates: options.certificates,
        clock: Arc::new(AppClock {
            system: SystemPhoneClock::new(),
            boot,
        }),
        key: keys.map(keys::in_core),
        seed: None,
        durability: Durability::Full,
    })
}

#[uniffi::export]
impl FieldStore {
    /// Opens the store. A damaged file is set aside and what can be read of it is salvaged; see `opening_report`.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming the option; [`FieldError::NeedsNewerApp`] when a newer version wrote the file;
    /// [`FieldError::StorageFull`]; what a key may be wrong with.
    #[uniffi::constructor]
    pub async fn open(
        options: StoreOptions,
        keys: Option<Arc<dyn KeySupply>>,
        network: Option<Arc<dyn NetworkMonitor>>,
        boot: Option<Arc<dyn BootClockSource>>,
    ) -> Result<Arc<Self>, FieldError> {
        let inner = blocking(move || store::FieldStore::open(self::options(options, keys, boot)?)).await?;
        Ok(Arc::new(Self {
            inner,
            network,
            driver: DriverSlot::default(),
        }))
    }

    /// What was set aside and salvaged when the store was opened; nothing when the file was whole.
    pub fn opening_report(&self) -> Option<SalvageReport> {
        self.inner.opening_report()
    }

    /// Waits for what is running, then releases every connection and lock, for an app sent to the background. Calls in
    /// between give [`FieldError::Closed`].
    pub async fn close(&self) -> Result<(), FieldError> {
        self.run(|store| {
            store.close();
            Ok(())
        })
        .await
    }

    /// Opens the store again after `close`.
    ///
    /// # Errors
    /// As `open`.
    pub async fn reopen(&self) -> Result<(), FieldError> {
        self.run(store::FieldStore::reopen).await
    }

    /// Whether the store is closed.
    pub async fn is_closed(&self) -> Result<bool, FieldError> {
        self.run(|store| Ok(store.is_closed())).await
    }

    /// Whose phone this is; nothing before enrolment.
    pub fn identity(&self) -> Option<Identity> {
        self.inner.identity()
    }

    /// Calls `listener` after each commit that changed something.
    ///
    /// # Errors
    /// [`FieldError::Internal`] when the phone gives no thread.
    pub fn subscribe(&self, listener: Arc<dyn ChangeListener>) -> Result<Arc<Subscription>, FieldError> {
        caught(|| observe::subscribe(&self.inner, listener).map_err(|error| FieldError::Internal(error.to_string())))
    }

    /// Whether files of evidence may go over the network that the phone has now, by what the app's `NetworkMonitor` says; over
    /// any without one.
    pub async fn may_upload(&self) -> Result<bool, FieldError> {
        let monitor = self.network.clone();
        blocking(move || Ok(network::may_upload(monitor.as_ref()))).await
    }
}
