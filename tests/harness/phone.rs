//! A rep's phone: a store in a folder of its own, clocks that can be set, and a way to a server.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use fieldledger_core::{
    error::FieldError,
    model::Timestamp,
    store::{FieldStore, Identity, OpenOptions, PhoneClock, SystemPhoneClock},
    sync::{
        driver::{SyncDriver, SyncReport},
        transport::HttpTransport,
    },
};
use tempfile::TempDir;

/// The version of the app that every test phone runs.
pub const APP_VERSION: &str = "1.0.0-test";

/// A phone's clocks, of which the wall clock can be set wrong.
#[derive(Debug, Default)]
pub struct SettableClock {
    real: SystemPhoneClock,
    ahead: AtomicI64,
}

impl SettableClock {
    /// Sets the wall clock wrong by so many milliseconds.
    pub fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::SeqCst);
    }
}

impl PhoneClock for SettableClock {
    fn now(&self) -> Timestamp {
        self.real.now().plus_millis(self.ahead.load(Ordering::SeqCst))
    }
    fn monotonic_millis(&self) -> u64 {
        self.real.monotonic_millis()
    }
    fn zone_minutes(&self) -> i16 {
        480
    }
}

/// A phone.
pub struct Phone {
    /// What the app would hold.
    pub store: FieldStore,
    /// Its clocks.
    pub clock: Arc<SettableClock>,
    /// Where it believes the server to be.
    pub server_url: String,
    options: OpenOptions,
    _folder: TempDir,
}

impl Phone {
    /// A phone out of the box.
    ///
    /// # Errors
    /// When the folder or the store cannot be made.
    pub fn new(server_url: &str) -> Result<Self, FieldError> {
        let folder = tempfile::tempdir().map_err(|error| FieldError::Internal(error.to_string()))?;
        let clock = Arc::new(SettableClock::default());
        let options = OpenOptions {
            app_version: APP_VERSION.to_owned(),
            platform: "test".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn PhoneClock>,
            ..OpenOptions::new(folder.path().join("phone.db"), rand::random())
        };
        Ok(Self {
            store: FieldStore::open(options.clone())?,
            clock,
            server_url: server_url.to_owned(),
            options,
            _folder: folder,
        })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.options.path
    }

    /// Becomes somebody's phone.
    ///
    /// # Errors
    /// What the server or the store says.
    pub async fn enrol(&self, code: &str) -> crate::server::Result<Identity> {
        Ok(self.store.enrol(&self.server_url, code, "test phone").await?)
    }

    /// Pushes and pulls until nothing is left.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn sync(&self) -> crate::server::Result<SyncReport> {
        Ok(self.driver()?.sync_once().await?)
    }

    /// The same, and sends the files of evidence that wait.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn sync_all(&self) -> crate::server::Result<SyncReport> {
        Ok(self.driver()?.sync_all(|| true).await?)
    }

    /// A driver to the server where the phone believes it to be.
    ///
    /// # Errors
    /// When the address is none.
    pub fn driver(&self) -> crate::server::Result<SyncDriver<HttpTransport>> {
        let token = self.store.token()?.unwrap_or_default();
        Ok(SyncDriver::new(
            self.store.clone(),
            HttpTransport::new(&self.server_url, token)?,
        ))
    }

    /// The app dies and is started again.
    ///
    /// # Errors
    /// As [`FieldStore::open`].
    pub fn restart(&mut self) -> Result<(), FieldError> {
        self.store.close();
        self.store = FieldStore::open(self.options.clone())?;
        Ok(())
    }

    /// Another phone with a copy of this one's data: restored from its backup, or cloned. What the keychain holds, the
    /// name of the installation, does not come along.
    ///
    /// # Errors
    /// When the file cannot be copied.
    pub fn copied(&self) -> Result<Self, FieldError> {
        let mut other = Self::new(&self.server_url)?;
        other.store.close();
        let to = other.options.path.parent().unwrap_or(Path::new("."));
        self.back_up(to)?;
        other.store = FieldStore::open(other.options.clone())?;
        Ok(other)
    }

    /// A copy of the database as a backup would hold it.
    ///
    /// # Errors
    /// When the file cannot be copied.
    pub fn back_up(&self, to: &Path) -> Result<PathBuf, FieldError> {
        let broken = |error: std::io::Error| FieldError::Internal(error.to_string());
        self.store.close();
        let copy = to.join("phone.db");
        std::fs::copy(self.path(), &copy).map_err(broken)?;
        self.store.reopen()?;
        Ok(copy)
    }
}
