//! The phone's database: SQLite with one writer and two readers.
//!
//! Writers take `&Transaction`, readers `&Connection`; nothing here decides what a person may do.
//!
//! `synchronous=FULL`, because with NORMAL a quarter of simulated power cuts lost rows that had been acknowledged, and
//! with FULL none of 20,559 did.

pub mod allowances;
pub(crate) mod cipher;
pub(crate) mod codec;
pub mod documents;
pub(crate) mod encryption;
pub mod exchange;
pub(crate) mod foreign;
pub(crate) mod kept;
pub mod lists;
pub mod meta;
pub mod outbox;
mod pages;
mod recode;
pub mod records;
pub mod salvage;
mod search;
pub mod streams;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig, types::Value as Sql};

pub(crate) use crate::rules::words;

use self::cipher::{DatabaseKey, KeySupply};
use crate::error::FieldError;

/// The steps from an empty file to the present schema. A released step is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_allowances.sql"),
    include_str!("../../migrations/0003_acknowledged.sql"),
    include_str!("../../migrations/0004_evidence_upload.sql"),
];

/// The version of the schema that this build writes.
pub(crate) const SCHEMA_VERSION: usize = MIGRATIONS.len();

/// Whether a commit waits until it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// A commit survives a power cut.
    #[default]
    Full,
    /// Only for simulations: a commit survives a crash of the process, not of the machine.
    Off,
}

/// One writer and two readers on one file.
pub(crate) struct Database {
    path: PathBuf,
    durability: Durability,
    /// Where the key is asked for; `None` for a plain database.
    keys: Option<Arc<dyn KeySupply>>,
    /// Whether the key in use is the pending one of a rotation.
    pending: AtomicBool,
    writer: Mutex<Option<Connection>>,
    readers: [Mutex<Option<Connection>>; 2],
    turn: AtomicUsize,
}

impl Database {
    /// The database at `path`, not yet connected.
    pub(crate) fn closed(path: &Path, durability: Durability, keys: Option<Arc<dyn KeySupply>>) -> Self {
        Self {
            path: path.to_owned(),
            durability,
            keys,
            pending: AtomicBool::new(false),
            writer: Mutex::new(None),
            readers: [Mutex::new(None), Mutex::new(None)],
            turn: AtomicUsize::new(0),
        }
    }

    /// Opens the connections, unless they are open, making the file when it is not there and bringing its schema up to
    /// date.
    fn connect(&self, found: &cipher::Found) -> Result<(), FieldError> {
        let mut writer = lock(&self.writer);
        if writer.is_some() {
            return Ok(());
        }
        let (connection, readers) = self.open_all(found.key.as_ref())?;
        for (slot, reader) in self.readers.iter().zip(readers) {
            *lock(slot) = Some(reader);
        }
        *writer = Some(connection);
        self.pending.store(found.pending, Ordering::Relaxed);
        Ok(())
    }

    /// The writer and the readers.
    fn open_all(&self, key: Option<&DatabaseKey>) -> Result<(Connection, [Connection; 2]), FieldError> {
        let mut connection = connect(&self.path, self.durability, key)?;
        let usable = migrate(&mut connection)
            .and_then(|()| check_length(&connection, &self.path))
            .and_then(|()| probe(&connection));
        self.authentic(&connection, usable)?;
        let reader = || -> Result<Connection, FieldError> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reader = Connection::open_with_flags(&self.path, flags)?;
            cipher::unlock(&reader, key)?;
            configure(&reader)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok(reader)
        };
        Ok((connection, [reader()?, reader()?]))
    }

    /// What was read from an encrypted file counts only when all its pages authenticated.
    fn authentic<T>(&self, connection: &Connection, result: Result<T, FieldError>) -> Result<T, FieldError> {
        if self.keys.is_some() {
            cipher::intact(connection)?;
        }
        result
    }

    /// Waits for what is running, then releases every connection and lock on the file.
    pub(crate) fn close(&self) {
        let mut writer = lock(&self.writer);
        for slot in &self.readers {
            drop(lock(slot).take());
        }
        // Last, so that its closing can fold the write-ahead log into the file.
        drop(writer.take());
    }

    /// Whether it has been closed.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.writer).is_none()
    }

    /// Runs `work` on a reader. Must not be nested.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, FieldError>) -> Result<T, FieldError> {
        let slot = self.readers.iter().find_map(|slot| match slot.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        });
        let slot = slot.unwrap_or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            lock(&self.readers[turn % self.readers.len()])
        });
        let connection = slot.as_ref().ok_or(FieldError::Closed)?;
        // One snapshot for the whole call: a list and the names beside it belong together.
        let snapshot = connection.unchecked_transaction()?;
        let result = work(&snapshot);
        drop(snapshot);
        self.authentic(connection, result)
    }

    /// Runs `work` in one transaction, all or nothing, and returns after the commit is on the disk. Must not be nested.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        let mut slot = lock(&self.writer);
        let connection = slot.as_mut().ok_or(FieldError::Closed)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction);
        let result = self.authentic(&transaction, result)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Runs `work` on the writer outside a transaction.
    #[cfg(test)]
    #[allow(clippy::expect_used)]
    pub(crate) fn with_writer<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        let slot = lock(&self.writer);
        work(slot.as_ref().expect("the database is open"))
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn keys(&self) -> Option<&dyn KeySupply> {
        self.keys.as_deref()
    }
}

/// A panic in a caller's closure rolls its transaction back and leaves the connection as good as before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a connection that may write.
fn connect(path: &Path, durability: Durability, key: Option<&DatabaseKey>) -> Result<Connection, FieldError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    cipher::unlock(&connection, key)?;
    configure(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Off => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // On Apple's systems fsync leaves data in the drive's cache; elsewhere these do nothing.
    if durability == Durability::Full {
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
    // A log that grew during a first pull is cut back afterwards.
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    Ok(connection)
}

/// What holds for every connection.
fn configure(connection: &Connection) -> Result<(), FieldError> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Kilobytes: a phone's memory is shared with the app and the camera.
    connection.pragma_update(None, "cache_size", -2_048)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Otherwise SQLite plans a statement anew whenever other values are bound to it, and planning costs more than the
    // insert or the look-up itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings the schema up to date, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), FieldError> {
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Err(FieldError::NeedsNewerApp);
    }
    if version == 0 && connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))? > 0 {
        return Err(FieldError::Damaged("the file holds tables of no version".to_owned()));
    }
    for (index, step) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Looks at the ends of the tables: damage there is told at once. A full check would take seconds; damage elsewhere is
/// told when it is met.
fn probe(connection: &Connection) -> Result<(), FieldError> {
    connection.query_row(
        "SELECT (SELECT count(*) FROM meta), (SELECT max(row) FROM document), (SELECT max(key) FROM change),
                (SELECT max(seq) FROM outbox), (SELECT max(row) FROM record), (SELECT count(*) FROM stream)",
        [],
        |_| Ok(()),
    )?;
    Ok(())
}

/// A file cut short is told at once, not when somebody asks for what was in the missing part.
fn check_length(connection: &Connection, path: &Path) -> Result<(), FieldError> {
    let log = with_suffix(path, "-wal");
    if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        // The log may hold what the file does not yet.
        return Ok(());
    }
    let pages: u64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let page: u64 = match page {
        Sql::Integer(number) => number.try_into().ok(),
        // As SQLCipher gives it.
        Sql::Text(number) => number.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| FieldError::Internal("the size of the database's pages is not known".to_owned()))?;
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if length < pages * page {
        return Err(FieldError::Damaged(format!(
            "the file has {length} bytes of {}",
            pages * page
        )));
    }
    Ok(())
}

/// The file beside `path` whose name has `suffix` behind it.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
