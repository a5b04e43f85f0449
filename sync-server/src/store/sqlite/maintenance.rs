//! Looking after the database: backup, new histories after a restore, compaction.

use std::{fs, path::Path};

use fieldledger_core::{document, model::OrganisationId, sync::protocol::StreamId};
use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
    params,
};

use super::{
    DATABASE_FILE, Lineages,
    streams::{self, place_of},
};
use crate::store::{BackupReport, StoreError};

/// A stream with its lineage and the seq up to which a backup holds it.
pub(super) type Covered = (i64, [u8; 8], i64);

/// Copies the database into the new folder `to`, as it is at one moment, while others go on writing.
pub(super) fn copy_into(connection: &Connection, to: &Path) -> Result<(BackupReport, Vec<Covered>), StoreError> {
    let failed = |error: std::io::Error| StoreError::Engine(format!("cannot write to {}: {error}", to.display()));
    super::private_folder(to).map_err(failed)?;
    // Files of evidence are put there first.
    let others = fs::read_dir(to)
        .map_err(failed)?
        .filter(|entry| entry.as_ref().map_or(true, |it| it.file_name() != crate::blobs::FOLDER))
        .count();
    if others > 0 {
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
    connection.execute("UPDATE evidence_file SET backed_up = 0 WHERE backed_up <> 0", [])?;
    Ok(streams.len() as u64)
}

/// What SQLite's own check of the file says.
pub(super) fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let lines: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Most documents compacted in one transaction, so that others can write in between.
const COMPACT_AT_ONCE: i64 = 500;

/// Replaces the chunks that documents have up to `floor` by one snapshot each, which takes the place of the last one
/// replaced. Whoever has read up to any of the replaced entries reads on to the snapshot, which holds the same changes.
pub(super) fn compact(
    connection: &Connection,
    organisation: OrganisationId,
    stream: StreamId,
    floor: u64,
) -> Result<u64, StoreError> {
    let Some(stored) = streams::find(connection, organisation, stream)? else {
        return Ok(0);
    };
    let (first, last) = (place_of(stored.id, 0)?, place_of(stored.id, floor.min(stored.end.seq))?);
    let documents: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT document, max(place) FROM entry
             WHERE place > ?1 AND place <= ?2 AND kind IN (0, 1) AND holds > 0
             GROUP BY document HAVING count(*) > 1 ORDER BY document LIMIT ?3",
        )?
        .query_map(params![first, last, COMPACT_AT_ONCE], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (document, place) in &documents {
        let chunks: Vec<Option<Vec<u8>>> = connection
            .prepare_cached(
                "SELECT bytes FROM entry WHERE document = ?1 AND kind IN (0, 1) AND holds > 0 AND place <= ?2
                 ORDER BY place",
            )?
            .query_map([document, place], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let chunks: Vec<Vec<u8>> = chunks.into_iter().flatten().collect();
        let whole = document::open(&chunks)
            .map_err(|error| StoreError::Damaged(format!("stream {stream:?} cannot be compacted: {error}")))?;
        connection
            .prepare_cached(
                "UPDATE entry SET holds = 0, bytes = NULL WHERE document = ?1 AND kind IN (0, 1) AND place < ?2",
            )?
            .execute([document, place])?;
        connection
            .prepare_cached("UPDATE entry SET holds = 2, bytes = ?2 WHERE place = ?1")?
            .execute(params![place, document::snapshot(&whole)])?;
    }
    Ok(documents.len() as u64)
}
