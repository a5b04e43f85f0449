//! Looking after the database: verify, backup, new histories after a restore.

use std::{fs, path::Path};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
    params,
};

use super::{DATABASE_FILE, Lineages};
use crate::store::{BackupReport, StoreError};

/// A stream with its lineage and the seq up to which a backup holds it.
pub(super) type Covered = (i64, [u8; 8], i64);

/// Copies the database into the new folder `to`, as it is at one moment, while others go on writing.
pub(super) fn copy_into(connection: &Connection, to: &Path) -> Result<(BackupReport, Vec<Covered>), StoreError> {
    let failed = |error: std::io::Error| StoreError::Engine(format!("cannot write to {}: {error}", to.display()));
    fs::create_dir_all(to).map_err(failed)?;
    if fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(StoreError::Conflict(format!(
            "{} is not empty; name a new folder for the backup",
            to.display()
        )));
    }
    let file = to.join(DATABASE_FILE);
    let mut copy = Connection::open(&file)?;
    copy.pragma_update(None, "synchronous", "full")?;
    // All in one step: a step holds one state of the source, and in between steps a write would begin the copy anew.
    // Writers are not kept waiting, they append to the write-ahead log.
    match Backup::new(connection, &mut copy)?.step(-1)? {
        StepResult::Done => {}
        other => return Err(StoreError::Engine(format!("the backup stopped early: {other:?}"))),
    }
    // What is covered is read from the copy itself.
    let complaints = integrity(&copy)?;
    if !complaints.is_empty() {
        return Err(StoreError::Damaged(complaints.join("; ")));
    }
    let covered: Vec<Covered> = copy
        .prepare("SELECT id, lineage, head FROM stream")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    copy.close().map_err(|(_, error)| error)?;
    // The file's name has to last as well as its content.
    fs::File::open(&file).and_then(|file| file.sync_all()).map_err(failed)?;
    #[cfg(unix)]
    fs::File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    let report = BackupReport {
        streams: covered.len() as u64,
        entries: covered.iter().map(|(_, _, head)| head.unsigned_abs()).sum(),
        bytes: fs::metadata(&file).map_err(failed)?.len(),
    };
    Ok((report, covered))
}

/// Records what a backup covers.
pub(super) fn note_covered(connection: &Connection, covered: &[Covered]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("UPDATE stream SET backed_up = ?3 WHERE id = ?1 AND lineage = ?2")?;
    for (stream, lineage, seq) in covered {
        statement.execute(params![stream, lineage, seq])?;
    }
    Ok(())
}

/// Gives every stream a new lineage. Nothing counts as backed up until the next backup: phones are to keep what they hold
/// until they have offered it again.
pub(super) fn begin_new_lineages(connection: &Connection, lineages: &Lineages) -> Result<u64, StoreError> {
    let streams: Vec<i64> = connection
        .prepare("SELECT id FROM stream ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for stream in &streams {
        connection
            .prepare_cached("UPDATE stream SET lineage = ?2, backed_up = 0 WHERE id = ?1")?
            .execute(params![stream, lineages.next()])?;
    }
    Ok(streams.len() as u64)
}

/// Reads everything and compares it with itself.
pub(super) fn verify(connection: &Connection) -> Vec<String> {
    let mut found = Vec::new();
    note(&mut found, "the database file", integrity(connection));
    found
}

fn note(found: &mut Vec<String>, what: &str, result: Result<Vec<String>, StoreError>) {
    match result {
        Ok(sentences) => found.extend(sentences),
        Err(error) => found.push(format!("{what} cannot be read through: {error}")),
    }
}

fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let lines: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
