//! A database under another key, or none: copied into a fresh file beside it, compared, and swapped in by one rename.
//!
//! SQLCipher's own `rekey` writes every page anew in place. In WAL mode that goes through the log, so that a phone that
//! dies before the checkpoint has a file under the old key and a log under the new one. With a copy there is one file in
//! its place at every moment, whole, under the one key or the other.
//!
//! While it is copied, nobody else has the database open and it has no log: a log left beside the fresh file would be
//! taken for its own.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    SCHEMA_VERSION, cipher,
    cipher::DatabaseKey,
    configure,
    salvage::{self, FRESH, NOTE},
    with_suffix,
};
use crate::{error::FieldError, model::InvalidField};

/// Suffix of the copy while it is made.
const COPY: &str = "-recoded";
/// What SQLite may lay beside a file.
const COMPANIONS: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// Gives the database at `path` the key `to` in place of `from`. Nobody else may have it open.
///
/// # Errors
/// What stands in the way; the database is as it was then.
pub(super) fn recode(path: &Path, from: Option<&DatabaseKey>, to: Option<&DatabaseKey>) -> Result<(), FieldError> {
    cipher::available()?;
    let path = &of_links(path)?;
    clean(path)?;
    let result = copy(path, from, to).and_then(|()| swap(path));
    if result.is_err()
        && let Err(error) = clean(path)
    {
        tracing::warn!(%error, "a copy of the database that was not finished is left until the next opening");
    }
    result
}

/// Removes what a recoding that was broken off has left beside the database.
pub(super) fn clean(path: &Path) -> Result<(), FieldError> {
    // Without the database itself somebody is moving files about; nothing is removed then.
    if path.exists() {
        remove(path, COPY)?;
    }
    Ok(())
}

fn remove(path: &Path, suffix: &str) -> Result<(), FieldError> {
    for companion in COMPANIONS {
        match fs::remove_file(with_suffix(&with_suffix(path, suffix), companion)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_file(&error)),
            _ => {}
        }
    }
    Ok(())
}

fn in_file(error: &io::Error) -> FieldError {
    if error.kind() == io::ErrorKind::StorageFull {
        FieldError::StorageFull
    } else {
        FieldError::Internal(format!("the database could not be copied: {error}"))
    }
}

/// A rename would put the copy in the place of a link, not of the file that it points to.
fn of_links(path: &Path) -> Result<PathBuf, FieldError> {
    if path.is_symlink() {
        fs::canonicalize(path).map_err(|error| in_file(&error))
    } else {
        Ok(path.to_owned())
    }
}

/// Plain copies of the database beside an encrypted one: what was set aside because it was damaged.
pub(super) fn plain_copies(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().and_then(|it| it.to_str()) else {
        return Vec::new();
    };
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or(Path::new("."))) else {
        return Vec::new();
    };
    let prefix = format!("{name}.damaged-");
    let mut copies: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|it| it.file_name().to_str().is_some_and(|it| it.starts_with(&prefix)))
        .map(|it| it.path())
        .filter(|it| !cipher::looks_sealed(it))
        .collect();
    copies.sort();
    copies
}

/// Stops a test's process here, as a kill would.
fn step(_name: &str) {
    #[cfg(test)]
    if std::env::var("FIELDLEDGER_DIE_AT").is_ok_and(|it| it == _name) {
        std::process::abort();
    }
}

fn copy(path: &Path, from: Option<&DatabaseKey>, to: Option<&DatabaseKey>) -> Result<(), FieldError> {
    if with_suffix(path, NOTE).exists() {
        return Err(FieldError::Damaged("it was found to be damaged before".to_owned()));
    }
    if from.is_none() {
        // A salvage that was broken off has left plain content here; the damaged file is in its place still.
        remove(path, FRESH)?;
    }
    let fresh = with_suffix(path, COPY);
    let source = open_alone(path, from).map_err(in_use)?;
    check(&source, from)?;
    let version: usize = source.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Err(FieldError::NeedsNewerApp);
    }
    step("alone");
    attach(&source, &fresh, to)?;
    // Nothing of an unfinished copy is ever used: what makes it durable is done once, at its end.
    source.pragma_update_and_check(Some("fresh"), "journal_mode", "OFF", |_| Ok(()))?;
    source.pragma_update(Some("fresh"), "synchronous", "OFF")?;
    step("attached");
    source.query_row("SELECT sqlcipher_export('fresh')", [], |_| Ok(()))?;
    source.pragma_update(Some("fresh"), "user_version", version)?;
    step("copied");
    compare(&source)?;
    if from.is_some() {
        cipher::intact(&source)?;
    }
    source.execute("DETACH DATABASE fresh", [])?;
    step("detached");

    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copied = Connection::open_with_flags(&fresh, flags)?;
    cipher::unlock(&copied, to)?;
    configure(&copied)?;
    check(&copied, to)?;
    let copied_version: usize = copied.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if copied_version != version {
        return Err(differs("the version"));
    }
    close(copied)?;
    step("checked");
    // Writable: some systems flush only what may be written.
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&fresh)
        .map_err(|error| in_file(&error))?;
    file.sync_all().map_err(|error| in_file(&error))?;
    salvage::sync_folder(path).map_err(|error| in_file(&error))?;
    step("flushed");
    close(source)
}

fn swap(path: &Path) -> Result<(), FieldError> {
    let (log, journal) = (with_suffix(path, "-wal"), with_suffix(path, "-journal"));
    if fs::metadata(log).is_ok_and(|it| it.len() > 0) || is_hot(&journal) {
        return Err(in_use_elsewhere());
    }
    // One that was never begun, of a process that was killed: it would never be read, but it holds a page of the file
    // under its old key, or none.
    match fs::remove_file(journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_file(&error)),
        _ => {}
    }
    step("closed");
    fs::rename(with_suffix(path, COPY), path).map_err(|error| in_file(&error))?;
    step("renamed");
    salvage::sync_folder(path).map_err(|error| in_file(&error))
}

/// Whether SQLite would roll the file back with this journal: one whose first byte is zero was not yet begun, or is over.
fn is_hot(journal: &Path) -> bool {
    let mut first = [0];
    fs::File::open(journal).is_ok_and(|mut it| it.read_exact(&mut first).is_ok()) && first[0] != 0
}

/// Opens the database for nobody else, everything in the file itself and no log beside it.
fn open_alone(path: &Path, key: Option<&DatabaseKey>) -> Result<Connection, FieldError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    cipher::unlock(&connection, key)?;
    configure(&connection)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if mode != "delete" {
        return Err(in_use_elsewhere());
    }
    // Takes the lock that keeps everybody else out until the connection is closed.
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    Ok(connection)
}

fn in_use(error: FieldError) -> FieldError {
    match error {
        FieldError::Internal(what) if what.contains("is locked") => in_use_elsewhere(),
        other => other,
    }
}

fn in_use_elsewhere() -> FieldError {
    let message = "the database is open elsewhere; close the store first";
    FieldError::Invalid(InvalidField::new("path", message))
}

/// Attaches the fresh file under the name `fresh`.
fn attach(source: &Connection, fresh: &Path, key: Option<&DatabaseKey>) -> Result<(), FieldError> {
    let Some(name) = fresh.to_str() else {
        let message = "the name of the database's file has to be Unicode";
        return Err(FieldError::Invalid(InvalidField::new("path", message)));
    };
    // A connection that may not make its own file attaches none that is not there.
    fs::File::create_new(fresh).map_err(|error| in_file(&error))?;
    let key = key.map(cipher::key_for_sql);
    // An empty key: plain, even beside a database that is not.
    let key = key.as_ref().map_or("", |it| it.as_str());
    let attached = source.execute("ATTACH DATABASE ?1 AS fresh KEY ?2", (name, key));
    attached.map(drop).map_err(|error| match error {
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::DiskFull => FieldError::StorageFull,
        // Says no more, because it could quote the statement.
        _ => FieldError::Internal("the copy of the database could not be opened".to_owned()),
    })
}

/// Checks every page and every table.
fn check(connection: &Connection, key: Option<&DatabaseKey>) -> Result<(), FieldError> {
    if key.is_some() {
        cipher::check_pages(connection)?;
    }
    let whole: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if whole == "ok" {
        Ok(())
    } else {
        Err(FieldError::Damaged(whole))
    }
}

/// Compares the copy with the database: the same schema, and as many rows in each table.
fn compare(source: &Connection) -> Result<(), FieldError> {
    let schema = |of: &str| -> Result<Vec<(String, String, Option<String>)>, FieldError> {
        let mut statement = source.prepare(&format!(
            "SELECT type, name, sql FROM {of}.sqlite_schema ORDER BY type, name"
        ))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let tables = schema("main")?;
    if tables != schema("fresh")? {
        return Err(differs("the schema"));
    }
    let virtual_table = |sql: &Option<String>| sql.as_ref().is_some_and(|it| it.starts_with("CREATE VIRTUAL"));
    for (kind, name, sql) in &tables {
        if kind == "table" && !virtual_table(sql) {
            let name = name.replace('"', "\"\"");
            let (one, other): (i64, i64) = source.query_row(
                &format!(r#"SELECT (SELECT count(*) FROM main."{name}"), (SELECT count(*) FROM fresh."{name}")"#),
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if one != other {
                return Err(differs(&name));
            }
        }
    }
    Ok(())
}

fn differs(what: &str) -> FieldError {
    FieldError::Internal(format!(
        "the copy of the database differs in {what}; the database is as it was"
    ))
}

fn close(connection: Connection) -> Result<(), FieldError> {
    connection.close().map_err(|(_, error)| FieldError::from(error))
}
