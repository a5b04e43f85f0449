//! Connections and threads: one writer that commits waiting work together, a few readers.
//!
//! A commit costs one `fsync`, whatever it holds. So the writer runs everything that waits in one transaction, each piece
//! of work in a savepoint of its own, and answers all of them after the commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rusqlite::{Connection, config::DbConfig};
use tokio::sync::oneshot;

use crate::store::StoreError;

/// Reader connections. Reads are short; more would only add memory.
const READERS: usize = 4;
/// Most pieces of work committed together.
const GROUP: usize = 64;
/// Statements kept prepared on each connection.
const STATEMENTS: usize = 128;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A piece of work with somebody waiting for it.
trait Work: Send {
    fn run(&mut self, connection: &Connection) -> Ran;
    fn failure(&self) -> Option<&StoreError>;
    fn answer(self: Box<Self>, transaction: Result<(), StoreError>);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    Well,
    Badly,
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: Reply<T>,
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        let Some(work) = self.work.take() else {
            return Ran::Badly;
        };
        let result = guarded(work, connection);
        let ran = if result.is_ok() { Ran::Well } else { Ran::Badly };
        self.result = Some(result);
        ran
    }

    fn failure(&self) -> Option<&StoreError> {
        self.result.as_ref()?.as_ref().err()
    }

    fn answer(self: Box<Self>, transaction: Result<(), StoreError>) {
        let result = match (self.result, transaction) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Engine("the work was never done".to_owned())),
        };
        // Whoever asked may have gone away (a request that timed out); what was done stays done.
        let _ = self.reply.send(result);
    }
}

/// A bug in one piece of work must not end the thread that everybody needs.
fn guarded<T>(
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    connection: &Connection,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(|| work(connection)))
        .unwrap_or_else(|_| Err(StoreError::Engine("a store operation panicked; see the log".to_owned())))
}

/// How work reaches SQLite.
pub(super) enum Engine {
    /// Threads on a file.
    Threads {
        writer: Queue,
        readers: Queue,
        threads: Vec<thread::JoinHandle<()>>,
    },
    /// One connection in memory, used by whoever calls: deterministic, and cheap to open by the thousand.
    Inline(Arc<Mutex<Connection>>),
}

pub(super) struct Queue(Option<mpsc::Sender<Box<dyn Work>>>);

impl Queue {
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let stopped = || StoreError::Engine("the store has been closed".to_owned());
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            result: None,
            reply,
        };
        let queue = self.0.as_ref().ok_or_else(stopped)?;
        queue.send(Box::new(task)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Engine {
    /// Starts the threads on `file`, which `writer` is already connected to.
    pub(super) fn on_file(file: &Path, writer: Connection) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Engine(format!("cannot start a thread: {error}"));
        let mut threads = Vec::with_capacity(READERS + 1);
        let (to_writer, from_writer) = mpsc::channel();
        threads.push(
            thread::Builder::new()
                .name("store-writer".to_owned())
                .spawn(move || write_all(writer, &from_writer))
                .map_err(failed)?,
        );
        let (to_readers, from_readers) = mpsc::channel();
        let from_readers = Arc::new(Mutex::new(from_readers));
        for number in 0..READERS {
            let connection = connect(file)?;
            connection.pragma_update(None, "query_only", true)?;
            let queue = Arc::clone(&from_readers);
            threads.push(
                thread::Builder::new()
                    .name(format!("store-reader-{number}"))
                    .spawn(move || read_all(&connection, &queue))
                    .map_err(failed)?,
            );
        }
        Ok(Self::Threads {
            writer: Queue(Some(to_writer)),
            readers: Queue(Some(to_readers)),
            threads,
        })
    }

    /// Runs `work` in a transaction that may write; returns once it is durable. An error undoes what `work` did.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self {
            Self::Threads { writer, .. } => writer.run(work).await,
            Self::Inline(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                in_transaction(&connection, work)
            }
        }
    }

    /// Runs `work` in a transaction that sees one state of the database from beginning to end.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self {
            Self::Threads { readers, .. } => readers.run(work).await,
            Self::Inline(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                in_snapshot(&connection, |connection| guarded(work, connection))?
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Self::Threads {
            writer,
            readers,
            threads,
        } = self
        {
            // A future that was dropped on one of the threads may own the last handle of the store.
            let here = thread::current().id();
            let end = |threads: Vec<thread::JoinHandle<()>>| {
                for thread in threads.into_iter().filter(|it| it.thread().id() != here) {
                    let _ = thread.join();
                }
            };
            // Without senders the threads finish what waits and end; the folder's lock must outlive them. The writer ends
            // last: a connection that may only read cannot fold the write-ahead log into the database.
            let of_readers = threads.split_off(1);
            readers.0 = None;
            end(of_readers);
            writer.0 = None;
            end(std::mem::take(threads));
        }
    }
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = guarded(work, connection).and_then(|value| {
        connection.execute_batch("COMMIT")?;
        Ok(value)
    });
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

/// Lets `work` see one state of the database. What has been read stays read, however the transaction ends.
fn in_snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
    connection.execute_batch("BEGIN")?;
    let value = work(connection);
    if let Err(error) = connection.execute_batch("ROLLBACK")
        && !connection.is_autocommit()
    {
        tracing::error!(%error, "a read could not be ended");
    }
    Ok(value)
}

fn read_all(connection: &Connection, queue: &Mutex<mpsc::Receiver<Box<dyn Work>>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut task) = next else { return };
        let transaction = in_snapshot(connection, |connection| {
            task.run(connection);
        });
        task.answer(transaction);
    }
}

fn write_all(connection: Connection, queue: &mpsc::Receiver<Box<dyn Work>>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        let committed = write_group(&connection, &mut group);
        for task in group {
            // The engine's errors cannot be copied, so each task gets its own made of the same cause.
            task.answer(committed.as_ref().copied().map_err(same_error));
        }
    }
    // Closing the last connection folds the write-ahead log into the database.
    let _ = connection.close();
}

fn write_group(connection: &Connection, group: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = write_each(connection, group).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    result
}

fn write_each(connection: &Connection, group: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
    for task in group {
        connection.prepare_cached("SAVEPOINT task")?.execute([])?;
        let ran = task.run(connection);
        if connection.is_autocommit() {
            // A full disk or a failing one makes SQLite give up the whole transaction, with what others did in it.
            return Err(task.failure().map_or(StoreError::Full, same_error));
        }
        if ran == Ran::Badly {
            connection.prepare_cached("ROLLBACK TO task")?.execute([])?;
        }
        connection.prepare_cached("RELEASE task")?.execute([])?;
    }
    Ok(())
}

fn same_error(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Damaged(what) => StoreError::Damaged(what.clone()),
        other => StoreError::Engine(other.to_string()),
    }
}

/// Connects to a database file, with the settings every connection has.
pub(super) fn connect(file: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // NORMAL loses acknowledged commits when the power goes.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    set_up(&connection)?;
    Ok(connection)
}

/// A fresh database in memory.
pub(super) fn connect_in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "synchronous", "off")?;
    set_up(&connection)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Otherwise SQLite plans a statement anew whenever other values are bound to it, which took half of the time of
    // storing a change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Damaged(error.to_string()),
                other => Self::Engine(other.to_string()),
            },
        }
    }
}
