//! The phone's store: one method for each thing a person does.
//!
//! Every method blocks; a [`FieldStore`] can be cloned and used from any thread. A method that writes returns after its
//! one transaction (change, projection, outbox) is on the disk; one that fails has changed nothing.

mod allowances;
mod clock;
mod collecting;
mod deliveries;
mod documents;
mod encryption;
mod enrolment;
mod evidence;
mod exchange;
mod ledger;
mod lists;
mod observe;
mod orders;
mod reviews;
mod status;
mod visits;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rusqlite::{Connection, Transaction};

pub use allowances::Allowance;
pub use clock::{BootClock, PhoneClock, SystemPhoneClock};
pub use collecting::{
    AnsweredBy, AsOf, BooksView, ClosedCollection, CreditView, CustomerTold, ItemView, LineView, PromiseQuery,
    PromiseState, PromiseView, Promises, ReceiptNotice, ReceiptNotices, StatementReply, StatementRow, StatementView,
    Unranked, Worklist, WorklistEntry, WorklistQuery,
};
pub use deliveries::{NewDelivery, NewDeliveryLine, SignOff};
pub use documents::{Document, StoredModel};
pub use encryption::Encrypted;
pub use evidence::NewEvidence;
pub use ledger::CreditFileView;
pub use lists::Today;
pub use observe::{Change, Changes, Subscription};
pub use status::{RejectedChange, SyncStatus};
pub use visits::CheckOut;

pub use crate::db::{
    Durability,
    cipher::{DatabaseKey, KeyError, KeySupply},
    encryption::Encryption,
    lists::{Before, DocumentRow, ListQuery, RowSync, SearchHit},
    meta::{DeviceState, Identity, LastContact},
    records::{CustomerQuery, CustomerRow},
    salvage::SalvageReport,
};
use crate::{
    db::{Database, lock, meta, salvage},
    document::Authorship,
    error::FieldError,
    model::Timestamp,
};

/// How a store is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// The database file; it is made when it is not there. Beside it the phone keeps its copies of photos and other
    /// files of evidence, in a folder with the same name and `-evidence` behind it: who moves or deletes the one does
    /// so with the other.
    pub path: PathBuf,
    /// Random name of the installation, kept in the phone's keychain and not in its backups.
    pub installation: [u8; 16],
    /// The app's version.
    pub app_version: String,
    /// What the phone is, for the server's list of devices (`Android 16`).
    pub platform: String,
    /// Certificates (DER or PEM) of authorities that the server's certificate may come from, beside the public ones.
    pub certificates: Vec<Vec<u8>>,
    /// The phone's clocks.
    pub clock: Arc<dyn PhoneClock>,
    /// Where random numbers begin, for tests and simulations; `None` takes them from the operating system.
    pub seed: Option<u64>,
    /// Whether a commit waits for the disk.
    pub durability: Durability,
    /// Where the database's key comes from; `None` for a database that is not encrypted. Needs the feature `sqlcipher`.
    pub key: Option<Arc<dyn KeySupply>>,
}

impl OpenOptions {
    /// A database at `path` on the phone's own clocks, without anything else.
    pub fn new(path: impl Into<PathBuf>, installation: [u8; 16]) -> Self {
        Self {
            path: path.into(),
            installation,
            app_version: String::new(),
            platform: String::new(),
            certificates: Vec::new(),
            clock: Arc::new(SystemPhoneClock::new()),
            seed: None,
            durability: Durability::Full,
            key: None,
        }
    }
}

/// The phone's store.
#[derive(Clone)]
pub struct FieldStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: OpenOptions,
    pub(crate) database: Database,
    randomness: Mutex<Option<ChaCha12Rng>>,
    observers: observe::Observers,
    report: Mutex<Option<SalvageReport>>,
    identity: Mutex<Option<Identity>>,
    /// The monotonic clock when the server was last heard, as long as this process lives.
    contact: Mutex<Option<u64>>,
}

impl FieldStore {
    /// Whether `path` may be opened: nothing yet, or a phone's database in any state. For apps that put files beside the
    /// database before they open it.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `path` when it is a folder, or a file that was never a phone's database; it is not
    /// touched.
    pub fn check_path(path: &std::path::Path) -> Result<(), FieldError> {
        crate::db::foreign::refuse(path)
    }

    /// Opens the store. A damaged file is set aside and what can be read of it is salvaged; see
    /// [`Self::opening_report`].
    ///
    /// # Errors
    /// [`FieldError::NeedsNewerApp`] when a newer version wrote the file; [`FieldError::StorageFull`]. About the key, with
    /// nothing touched: [`FieldError::KeyNeeded`], [`FieldError::NotEncrypted`], [`FieldError::WrongKey`],
    /// [`FieldError::KeyUnavailable`].
    pub fn open(options: OpenOptions) -> Result<Self, FieldError> {
        let (database, report) = salvage::open(
            &options.path,
            options.durability,
            options.key.clone(),
            options.clock.now(),
        )?;
        let randomness = options.seed.map(ChaCha12Rng::seed_from_u64);
        let store = Self {
            inner: Arc::new(Inner {
                options,
                database,
                randomness: Mutex::new(randomness),
                observers: observe::Observers::default(),
                report: Mutex::new(report),
                identity: Mutex::new(None),
                contact: Mutex::new(None),
            }),
        };
        store.after_connecting()?;
        Ok(store)
    }

    fn after_connecting(&self) -> Result<(), FieldError> {
        let installation = self.inner.options.installation;
        let (identity, known) = self.read(|connection| {
            Ok((
                meta::get::<Identity>(connection, meta::IDENTITY)?,
                meta::get::<[u8; 16]>(connection, meta::INSTALLATION)?,
            ))
        })?;
        if known != Some(installation) {
            self.write(&[], |transaction| {
                meta::set(transaction, meta::INSTALLATION, &installation)
            })?;
        }
        *lock(&self.inner.identity) = identity;
        if let Err(error) = self.tidy_evidence() {
            tracing::warn!(%error, "what a crash left among the files of evidence is put in order at the next opening");
        }
        Ok(())
    }

    /// What was set aside and salvaged when the store was opened; `None` when the file was whole.
    pub fn opening_report(&self) -> Option<SalvageReport> {
        lock(&self.inner.report).clone()
    }

    /// Releases every connection and lock, for an app sent to the background. Calls in between give
    /// [`FieldError::Closed`].
    pub fn close(&self) {
        self.inner.database.close();
    }

    /// Opens the store again after [`Self::close`]; the supply is asked for the key again. An open store stays as it is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reopen(&self) -> Result<(), FieldError> {
        // Waits for a rotation under way, whose unfinished copy opening would clear away.
        if !self.is_closed() {
            return Ok(());
        }
        let now = self.inner.options.clock.now();
        if let Some(report) = salvage::reopen(&self.inner.database, now)? {
            *lock(&self.inner.report) = Some(report);
        }
        self.after_connecting()
    }

    /// Whether the store is closed.
    pub fn is_closed(&self) -> bool {
        self.inner.database.is_closed()
    }

    /// The options it was opened with. For the sync side.
    #[doc(hidden)]
    pub fn options(&self) -> &OpenOptions {
        &self.inner.options
    }

    /// Whose phone this is; `None` before enrolment.
    pub fn identity(&self) -> Option<Identity> {
        lock(&self.inner.identity).clone()
    }

    pub(crate) fn require_identity(&self) -> Result<Identity, FieldError> {
        self.identity().ok_or(FieldError::NotEnrolled)
    }

    /// Runs `work` on a reader: one snapshot. For the sync side.
    #[doc(hidden)]
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, FieldError>) -> Result<T, FieldError> {
        self.noting_damage(self.inner.database.read(work))
    }

    /// Runs `work` in one transaction and tells listeners of `changes` after its commit. For the sync side.
    #[doc(hidden)]
    pub fn write<T>(
        &self,
        changes: &[Change],
        work: impl FnOnce(&Transaction<'_>) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        let result = self.noting_damage(self.inner.database.write(work))?;
        self.tell(changes);
        Ok(result)
    }

    /// Tells listeners. For the sync side, which learns what changed only in its transaction.
    #[doc(hidden)]
    pub fn tell(&self, changes: &[Change]) {
        self.inner.observers.tell(changes);
    }

    /// Damage found while working is noted beside the file, so that the next opening salvages it.
    fn noting_damage<T>(&self, result: Result<T, FieldError>) -> Result<T, FieldError> {
        if let Err(FieldError::Damaged(what)) = &result {
            salvage::note_damage(&self.inner.database, what);
        }
        result
    }

    /// The phone's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.options.clock.now()
    }

    /// Fresh random bytes.
    ///
    /// # Errors
    /// [`FieldError::Internal`] when the operating system gives none.
    #[doc(hidden)]
    pub fn random_bytes<const N: usize>(&self) -> Result<[u8; N], FieldError> {
        let mut bytes = [0; N];
        match lock(&self.inner.randomness).as_mut() {
            Some(seeded) => seeded.fill_bytes(&mut bytes),
            None => getrandom::fill(&mut bytes)?,
        }
        Ok(bytes)
    }

    /// Who makes a change now.
    pub(crate) fn authorship(&self, identity: &Identity) -> Authorship {
        Authorship {
            user: identity.user,
            device: identity.device,
            at: self.now(),
            zone_minutes: self.inner.options.clock.zone_minutes(),
            since_contact_millis: self.since_contact_millis(),
        }
    }

    /// Milliseconds of the monotonic clock since the server was last heard; `None` when this process has not heard it.
    #[doc(hidden)]
    pub fn since_contact_millis(&self) -> Option<u64> {
        let heard = (*lock(&self.inner.contact))?;
        Some(self.inner.options.clock.monotonic_millis().saturating_sub(heard))
    }

    /// Notes that the server was heard now. For the sync side.
    #[doc(hidden)]
    pub fn heard_server(&self, server_time: Timestamp) -> Result<(), FieldError> {
        let contact = LastContact {
            server_time,
            phone_time: self.now(),
            monotonic_millis: self.inner.options.clock.monotonic_millis(),
        };
        self.write(&[], |transaction| meta::set(transaction, meta::LAST_CONTACT, &contact))?;
        *lock(&self.inner.contact) = Some(contact.monotonic_millis);
        Ok(())
    }

    /// The device's token; `None` before enrolment. For the sync side.
    #[doc(hidden)]
    pub fn token(&self) -> Result<Option<String>, FieldError> {
        self.read(|connection| meta::get(connection, meta::TOKEN))
    }

    /// Replaces the device's token. For the sync side.
    #[doc(hidden)]
    pub fn set_token(&self, token: &str) -> Result<(), FieldError> {
        self.write(&[], |transaction| meta::set(transaction, meta::TOKEN, &token))
    }

    /// Notes whether the server still accepts this device. For the sync side.
    #[doc(hidden)]
    pub fn set_device_state(&self, state: DeviceState) -> Result<(), FieldError> {
        self.write(&[Change::Status], |transaction| {
            meta::set(transaction, meta::DEVICE_STATE, &state)
        })
    }
}

/// The key of the phones in tests: with the feature `sqlcipher` every test has an encrypted database.
#[cfg(test)]
pub(crate) fn test_key() -> Option<Arc<dyn KeySupply>> {
    struct Always;
    impl KeySupply for Always {
        fn database_key(&self) -> Result<DatabaseKey, KeyError> {
            Ok(DatabaseKey::from_bytes([0x5a; 32]))
        }
    }
    cfg!(feature = "sqlcipher").then(|| Arc::new(Always) as Arc<dyn KeySupply>)
}
