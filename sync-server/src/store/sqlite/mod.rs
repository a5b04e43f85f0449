//! The store on embedded SQLite: one file in the data folder, one process at a time.
//!
//! * `engine`: threads and connections; group commit.
//! * `streams`: the logs: giving out seqs, chaining, reading pages.
//! * `documents`: appending changes and projecting documents; the feed.
//! * `records`: ledger records, and customers that move to another territory.
//! * `customers`: customers found by what somebody types.
//! * `desk`: what the office's pages list.
//! * `evidence`: which files of evidence have arrived.
//! * `ledger`: decisions about a customer's ledger.
//! * `people`: organisations, accounts, sessions, devices, the audit log.
//! * `verify`: everything compared with itself.
//! * `maintenance`: backup, compaction.
//!
//! Parts of the store get to SQLite through `SqliteStore::write` and `SqliteStore::read`; each call is one
//! transaction.

mod customers;
mod desk;
mod documents;
mod engine;
mod evidence;
mod ledger;
mod maintenance;
mod people;
mod records;
mod streams;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod verify;

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rusqlite::Connection;

use self::engine::Engine;
use super::{BackupReport, Store, StoreError};

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "fieldledger.db";
/// Name of the file in the data folder that a running server holds locked.
pub const LOCK_FILE: &str = "lock";

/// Marks the file as ours ("Fldg"), so that another program's database is not taken for an empty one.
const APPLICATION_ID: i32 = 0x466c_6467;

/// Every step of the schema; its number is its place. A step is never edited once it has been released.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/0001_streams.sql"),
    include_str!("../../../migrations/0002_people.sql"),
    include_str!("../../../migrations/0003_record_versions.sql"),
    include_str!("../../../migrations/0004_ledger.sql"),
    include_str!("../../../migrations/0005_api_tokens.sql"),
    include_str!("../../../migrations/0006_statement_links.sql"),
    include_str!("../../../migrations/0007_untold_receipts.sql"),
    include_str!("../../../migrations/0008_overview.sql"),
    include_str!("../../../migrations/0009_words.sql"),
    include_str!("../../../migrations/0010_desk.sql"),
    include_str!("../../../migrations/0011_sessions_and_links.sql"),
    include_str!("../../../migrations/0012_team.sql"),
    include_str!("../../../migrations/0013_disputes.sql"),
    include_str!("../../../migrations/0014_activity.sql"),
    include_str!("../../../migrations/0015_moments.sql"),
    include_str!("../../../migrations/0016_customers_of_territories.sql"),
    include_str!("../../../migrations/0017_wider_indexes.sql"),
    include_str!("../../../migrations/0018_evidence.sql"),
    include_str!("../../../migrations/0019_orders_refused.sql"),
];

/// The store on embedded SQLite.
pub struct SqliteStore {
    // Dropped in this order: the threads end before the lock is let go.
    engine: Engine,
    lineages: Lineages,
    folder: Option<PathBuf>,
    _lock: Option<File>,
}

/// Where names of histories and keys come from.
#[derive(Clone)]
struct Lineages(Arc<Mutex<ChaCha12Rng>>);

impl Lineages {
    fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha12Rng::seed_from_u64(seed))))
    }

    fn from_system() -> Result<Self, StoreError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| StoreError::Engine(format!("the system gives no random numbers: {error}")))?;
        Ok(Self(Arc::new(Mutex::new(ChaCha12Rng::from_seed(seed)))))
    }

    fn next(&self) -> [u8; 8] {
        self.bytes()
    }

    /// A key that nobody can guess, unless the store was seeded.
    fn key(&self) -> [u8; 64] {
        self.bytes()
    }

    fn bytes<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}

/// Makes a folder that only its owner reads: it holds everything a company wrote down. One that is there already keeps
/// the rights that somebody gave it.
pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut maker = fs::DirBuilder::new();
    maker.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker.create(folder)
}

impl SqliteStore {
    /// Opens the store in `folder`, which is made when it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another server runs on the folder, [`StoreError::NewerSchema`] when a newer one did.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(folder.as_ref(), Lineages::from_system()?)
    }

    /// As [`Self::open`], with names of histories that follow from `seed`, for simulations that can be replayed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_seeded(folder: impl AsRef<Path>, seed: u64) -> Result<Self, StoreError> {
        Self::open_with(folder.as_ref(), Lineages::seeded(seed))
    }

    fn open_with(folder: &Path, lineages: Lineages) -> Result<Self, StoreError> {
        let failed = |error: &dyn std::fmt::Display| {
            StoreError::Engine(format!("cannot use the data folder {}: {error}", folder.display()))
        };
        private_folder(folder).map_err(|error| failed(&error))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK_FILE))
            .map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let file = folder.join(DATABASE_FILE);
        let mut writer = engine::connect(&file)?;
        migrate(&mut writer)?;
        Ok(Self {
            engine: Engine::on_file(&file, writer)?,
            lineages,
            folder: Some(folder.to_owned()),
            _lock: Some(lock),
        })
    }

    /// An empty store in memory.
    ///
    /// # Errors
    /// Only when the machine is out of memory or random numbers.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::inline(Lineages::from_system()?)
    }

    /// An empty store in memory whose names of histories follow from `seed`, for simulations that can be replayed.
    ///
    /// # Errors
    /// Only when the machine is out of memory.
    pub fn in_memory_seeded(seed: u64) -> Result<Self, StoreError> {
        Self::inline(Lineages::seeded(seed))
    }

    fn inline(lineages: Lineages) -> Result<Self, StoreError> {
        let mut connection = engine::connect_in_memory()?;
        migrate(&mut connection)?;
        Ok(Self {
            engine: Engine::Inline(Arc::new(Mutex::new(connection))),
            lineages,
            folder: None,
            _lock: None,
        })
    }

    /// A second store in memory with the same content, as if the database file had been copied.
    ///
    /// # Errors
    /// When this store is on a file, or the machine is out of memory.
    pub fn copy_in_memory(&self) -> Result<Self, StoreError> {
        let Engine::Inline(source) = &self.engine else {
            return Err(StoreError::Engine(
                "only a store in memory is copied in memory".to_owned(),
            ));
        };
        let source = source.lock().unwrap_or_else(PoisonError::into_inner);
        let mut copy = engine::connect_in_memory()?;
        rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
        let mut seed = [0; 8];
        seed.copy_from_slice(&self.lineages.next());
        Ok(Self {
            engine: Engine::Inline(Arc::new(Mutex::new(copy))),
            lineages: Lineages::seeded(u64::from_le_bytes(seed)),
            folder: None,
            _lock: None,
        })
    }

    /// The data folder; `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Runs `work` in a transaction that may write; returns once what it did is durable. An error undoes it.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.engine.write(work).await
    }

    /// Changes the database behind the store's back, as somebody with the file in hand would.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub(crate) async fn tamper(&self, sql: &'static str) {
        self.write(move |connection| Ok(connection.execute_batch(sql)?))
            .await
            .unwrap();
    }

    /// Runs `work`, which only reads, and sees one state of the database from beginning to end.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.engine.read(work).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn backup(&self, to: &Path) -> Result<BackupReport, StoreError> {
        let to = to.to_owned();
        // Without the key in it, whoever restores the backup could not tell the company's own promises to its phones.
        let fresh = self.lineages.clone();
        self.write(move |connection| ledger::make_signing_keys(connection, &fresh))
            .await?;
        let (report, covered) = self
            .read(move |connection| maintenance::copy_into(connection, &to))
            .await?;
        self.write(move |connection| maintenance::note_covered(connection, &covered))
            .await?;
        Ok(report)
    }

    async fn begin_new_lineages(&self) -> Result<u64, StoreError> {
        let lineages = self.lineages.clone();
        self.write(move |connection| maintenance::begin_new_lineages(connection, &lineages))
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Takes the write lock and lets it go again.
        self.write(|connection| Ok(connection.query_row("SELECT count(*) FROM stream LIMIT 1", [], |_| Ok(()))?))
            .await?;
        self.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?))
            .await
    }
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || found != 0 || tables != 0) {
        return Err(StoreError::Damaged(format!(
            "{DATABASE_FILE} was not made by Fieldledger; choose another data folder"
        )));
    }
    if found > known || found < 0 {
        return Err(StoreError::NewerSchema { found, known });
    }
    if found == known {
        return Ok(());
    }
    let done = usize::try_from(found).unwrap_or_default();
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
