//! Evidence on the phone: files named by the SHA-256 of their bytes, and the queue of those to be sent.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use sha2::{Digest as _, Sha256};

use crate::{
    error::FieldError,
    model::{EvidenceHash, InvalidField, UploadState},
};

/// A file of evidence, as this phone knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct EvidenceFile {
    /// Its name: the hash of its bytes.
    pub hash: EvidenceHash,
    /// Where it is on this phone.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub path: Option<PathBuf>,
    /// Its size in bytes.
    pub size: u64,
    /// How far it has got.
    pub state: UploadState,
    /// How many bytes the server has confirmed.
    pub sent: u64,
}

/// The hash and the size of a file, read in pieces: a video does not fit into a phone's memory.
///
/// # Errors
/// [`FieldError::Invalid`] when the file cannot be read.
pub fn hash_file(path: &Path) -> Result<(EvidenceHash, u64), FieldError> {
    let unreadable = |error: std::io::Error| InvalidField::new("evidence", format!("the file cannot be read: {error}"));
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let (mut buffer, mut size) = (vec![0; 64 << 10], 0);
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            return Ok((EvidenceHash(hasher.finalize().into()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

const STATES: [UploadState; 4] = [
    UploadState::Waiting,
    UploadState::Uploading,
    UploadState::Stored,
    UploadState::Elsewhere,
];

fn state_number(state: UploadState) -> i64 {
    STATES.iter().position(|it| *it == state).unwrap_or_default() as i64
}

fn read(row: &Row<'_>) -> rusqlite::Result<EvidenceFile> {
    let state: usize = row.get(3)?;
    Ok(EvidenceFile {
        hash: EvidenceHash(row.get(0)?),
        path: row.get::<_, Option<String>>(1)?.map(PathBuf::from),
        size: row.get::<_, i64>(2)?.try_into().unwrap_or_default(),
        state: STATES.get(state).copied().unwrap_or(UploadState::Waiting),
        sent: row.get::<_, i64>(4)?.try_into().unwrap_or_default(),
    })
}

/// Keeps where a file is; what is known of its upload stays.
pub(crate) fn note_file(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    size: u64,
    path: Option<&Path>,
) -> Result<(), FieldError> {
    let state = if path.is_some() {
        UploadState::Waiting
    } else {
        UploadState::Elsewhere
    };
    transaction
        .prepare_cached(
            "INSERT INTO evidence (hash, path, size, state) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hash) DO UPDATE SET path = coalesce(excluded.path, path),
               state = CASE WHEN state = 3 THEN excluded.state ELSE state END",
        )?
        .execute((
            &hash.0[..],
            path.map(|path| path.to_string_lossy().into_owned()),
            i64::try_from(size).unwrap_or(i64::MAX),
            state_number(state),
        ))?;
    Ok(())
}

pub(crate) fn find_file(connection: &Connection, hash: EvidenceHash) -> Result<Option<EvidenceFile>, FieldError> {
    Ok(connection
        .prepare_cached("SELECT hash, path, size, state, sent FROM evidence WHERE hash = ?1")?
        .query_row([&hash.0[..]], read)
        .optional()?)
}

pub(crate) fn files_to_upload(connection: &Connection, limit: usize) -> Result<Vec<EvidenceFile>, FieldError> {
    Ok(connection
        .prepare_cached(
            "SELECT hash, path, size, state, sent FROM evidence WHERE state < 2 AND path IS NOT NULL LIMIT ?1",
        )?
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], read)?
        .collect::<Result<_, _>>()?)
}

pub(crate) fn set_state(
    transaction: &Transaction<'_>,
    hash: EvidenceHash,
    state: UploadState,
    sent: u64,
) -> Result<(), FieldError> {
    let changed = transaction
        .prepare_cached("UPDATE evidence SET state = ?2, sent = ?3 WHERE hash = ?1")?
        .execute((
            &hash.0[..],
            state_number(state),
            i64::try_from(sent).unwrap_or(i64::MAX),
        ))?;
    if changed == 0 {
        Err(FieldError::NotFound)
    } else {
        Ok(())
    }
}
