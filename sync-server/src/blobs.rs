//! The bytes of evidence: files named by their SHA-256 in a folder beside the database.
//!
//! ```text
//! evidence/incoming/{organisation}-{device}-{hash}   what has come of an upload so far
//! evidence/{organisation}/{ab}/{abcdef…}             a whole file, whose bytes are what its name says
//! ```
//!
//! A file gets its name only after all of its bytes have been read again and hashed, and have reached the disk. It is never
//! changed afterwards. What has come of an upload is kept apart by phone: nobody adds to what another one sends.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use fieldledger_core::model::{DeviceId, EvidenceHash, OrganisationId};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncWriteExt as _, sync::watch, task::spawn_blocking};
use tower_http::services::ServeFile;

use crate::store::sqlite::private_folder;

/// Name of the folder in the data folder, and in a backup.
pub const FOLDER: &str = "evidence";
const INCOMING: &str = "incoming";
/// How long the next bytes of a part may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files of evidence.
#[derive(Debug)]
pub struct Blobs {
    root: PathBuf,
    /// Bytes that stay free on the disk, for the database.
    reserve: u64,
    uploads: Mutex<HashMap<Upload, Arc<Turn>>>,
}

/// One upload: a phone sends a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The company.
    pub organisation: OrganisationId,
    /// The phone.
    pub device: DeviceId,
    /// What it says the file is.
    pub hash: EvidenceHash,
}

/// Whose turn it is to add to an upload.
#[derive(Debug)]
struct Turn {
    lock: tokio::sync::Mutex<()>,
    /// How many have come for it; the last one is who goes on.
    newest: watch::Sender<u64>,
}

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The upload is at another place than the request said.
    #[error("the upload goes on at byte {0}")]
    WrongOffset(u64),
    /// Nothing of it is here.
    #[error("nothing of this file has been begun; begin again")]
    Gone,
    /// More bytes than the file has.
    #[error("more bytes came than the file has")]
    TooMany,
    /// A later request goes on with it.
    #[error("a later request goes on with this upload")]
    Superseded,
    /// What arrived is not what it was said to be; it was thrown away.
    #[error("the bytes are not those of the hash; begin again")]
    WrongHash,
    /// The connection broke or stood still. What arrived before is kept.
    #[error("the part ended before it was complete; go on from where the upload is")]
    Broken,
    /// No room on the disk, beside what is kept free for the database.
    #[error("the server has no room for files at present")]
    Full,
    /// The disk failed.
    #[error("a file of evidence cannot be stored: {0}")]
    Disk(io::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::NotFound => Self::Gone,
            _ => Self::Disk(error),
        }
    }
}

impl Blobs {
    /// The files below `data`, of which nothing need be there yet. Uploads leave `reserve` bytes of the disk free.
    pub fn new(data: &Path, reserve: u64) -> Self {
        Self {
            root: data.join(FOLDER),
            reserve,
            uploads: Mutex::default(),
        }
    }

    /// Where a whole file is, if it is here.
    pub fn path(&self, organisation: OrganisationId, hash: EvidenceHash) -> PathBuf {
        self.root.join(name_of(organisation, hash))
    }

    /// Whether the whole file is here.
    pub async fn has(&self, organisation: OrganisationId, hash: EvidenceHash, size: u64) -> bool {
        let found = tokio::fs::metadata(self.path(organisation, hash)).await;
        found.is_ok_and(|it| it.is_file() && it.len() == size)
    }

    /// Begins an upload, or finds how far it has come.
    ///
    /// # Errors
    /// [`BlobError::Full`]; [`BlobError::Disk`].
    pub async fn begin(&self, upload: Upload, size: u64) -> Result<u64, BlobError> {
        self.require_room(size)?;
        let path = self.incoming(upload);
        let come = spawn_blocking(move || {
            if let Some(folder) = path.parent() {
                private_folder(folder)?;
            }
            let file = fs::File::options().create(true).append(true).open(&path)?;
            let come = file.metadata()?.len();
            if come > size {
                // Of an upload with another size; the hash could only be wrong.
                file.set_len(0)?;
                return Ok(0);
            }
            Ok::<_, io::Error>(come)
        });
        Ok(come.await.map_err(|error| io::Error::other(error.to_string()))??)
    }

    /// How much of an upload has come; `None` when nothing of it was begun.
    pub async fn come(&self, upload: Upload) -> Option<u64> {
        Some(tokio::fs::metadata(self.incoming(upload)).await.ok()?.len())
    }

    /// Adds a part to an upload of `size` bytes, at `offset`. Returns how far it has come. Whatever arrived is kept, also when
    /// the part breaks off.
    ///
    /// # Errors
    /// [`BlobError`].
    pub async fn append(&self, upload: Upload, offset: u64, size: u64, part: Body) -> Result<u64, BlobError> {
        let turn = self.turn(upload);
        let result = turn.append(&self.incoming(upload), offset, size, part).await;
        self.leave(upload, turn);
        result
    }

    /// Makes an upload that has come whole the file that its hash names.
    ///
    /// # Errors
    /// [`BlobError::WrongHash`], after which nothing of it is left; [`BlobError::Gone`]; [`BlobError::Full`].
    pub async fn finish(&self, upload: Upload, size: u64) -> Result<(), BlobError> {
        let turn = self.turn(upload);
        let (from, to) = (self.incoming(upload), self.path(upload.organisation, upload.hash));
        let result = {
            let _mine = turn.lock.lock().await;
            spawn_blocking(move || keep(&from, &to, upload.hash, size)).await
        };
        self.leave(upload, turn);
        result.map_err(|error| io::Error::other(error.to_string()))?
    }

    /// Answers `request` with a whole file, or with the part of it that the request asks for.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub async fn serve(
        &self,
        organisation: OrganisationId,
        hash: EvidenceHash,
        request: Request,
    ) -> Result<Response, BlobError> {
        let answer = ServeFile::new(self.path(organisation, hash)).try_call(request).await?;
        Ok(answer.map(Body::new))
    }

    /// Throws away what has come of uploads that nothing was added to since `before`. Returns how many.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn clear_incoming(&self, before: SystemTime) -> io::Result<u64> {
        let folder = match fs::read_dir(self.root.join(INCOMING)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            folder => folder?,
        };
        let mut cleared = 0;
        for entry in folder {
            let entry = entry?;
            if entry.metadata()?.modified()? < before {
                fs::remove_file(entry.path())?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    /// Puts the file into the backup `to`: as a second name of the same bytes where the backup is on the same disk, since a
    /// file is never changed, and as a copy elsewhere. Returns its size.
    ///
    /// # Errors
    /// When the file is not here, or the backup cannot be written.
    pub fn back_up(&self, to: &Path, organisation: OrganisationId, hash: EvidenceHash) -> io::Result<u64> {
        let (from, to) = (
            self.path(organisation, hash),
            to.join(FOLDER).join(name_of(organisation, hash)),
        );
        if let Some(folder) = to.parent() {
            private_folder(folder)?;
        }
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
            fs::File::options().write(true).open(&to)?.sync_all()?;
        }
        Ok(fs::metadata(&to)?.len())
    }

    /// Whether a file is what its name says.
    ///
    /// # Errors
    /// When it cannot be read, or is not here.
    pub fn is_whole(&self, organisation: OrganisationId, hash: EvidenceHash) -> io::Result<bool> {
        Ok(hash_of(&self.path(organisation, hash))?.0 == hash)
    }

    fn incoming(&self, upload: Upload) -> PathBuf {
        let Upload {
            organisation,
            device,
            hash,
        } = upload;
        self.root.join(INCOMING).join(format!("{organisation}-{device}-{hash}"))
    }

    fn require_room(&self, size: u64) -> Result<(), BlobError> {
        match free(&self.root) {
            Some(free) if free < self.reserve.saturating_add(size) => Err(BlobError::Full),
            _ => Ok(()),
        }
    }

    fn turn(&self, upload: Upload) -> Arc<Turn> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = uploads.entry(upload).or_insert_with(|| {
            Arc::new(Turn {
                lock: tokio::sync::Mutex::new(()),
                newest: watch::Sender::new(0),
            })
        });
        Arc::clone(turn)
    }

    fn leave(&self, upload: Upload, turn: Arc<Turn>) {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one; nobody else can get at it while the table is locked.
        if Arc::strong_count(&turn) <= 2 {
            uploads.remove(&upload);
        }
    }
}

impl Turn {
    async fn append(&self, path: &Path, offset: u64, size: u64, part: Body) -> Result<u64, BlobError> {
        // A phone that lost its network comes back while the server still waits for the rest of its old connection.
        let mut mine = 0;
        self.newest.send_modify(|newest| {
            *newest += 1;
            mine = *newest;
        });
        let mut newest = self.newest.subscribe();
        let superseded = async |newest: &mut watch::Receiver<u64>| {
            let _ = newest.wait_for(|newest| *newest > mine).await;
        };
        let _mine = tokio::select! {
            turn = self.lock.lock() => turn,
            () = superseded(&mut newest) => return Err(BlobError::Superseded),
        };
        let mut file = tokio::fs::OpenOptions::new().append(true).open(path).await?;
        let mut come = file.metadata().await?.len();
        if come != offset {
            return Err(BlobError::WrongOffset(come));
        }
        let filled = tokio::select! {
            filled = fill(&mut file, &mut come, size, part) => filled,
            () = superseded(&mut newest) => Err(BlobError::Superseded),
        };
        file.flush().await?;
        filled.map(|()| come)
    }
}

/// Writes what comes, as it comes.
async fn fill(file: &mut tokio::fs::File, come: &mut u64, size: u64, part: Body) -> Result<(), BlobError> {
    let mut part = part.into_data_stream();
    loop {
        let bytes: Bytes = match tokio::time::timeout(PATIENCE, part.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(_))) | Err(_) => return Err(BlobError::Broken),
        };
        if bytes.len() as u64 > size.saturating_sub(*come) {
            return Err(BlobError::TooMany);
        }
        file.write_all(&bytes).await?;
        *come += bytes.len() as u64;
    }
}

/// Checks what has come, and gives it its name.
fn keep(from: &Path, to: &Path, hash: EvidenceHash, size: u64) -> Result<(), BlobError> {
    let (found, length) = hash_of(from)?;
    if (found, length) != (hash, size) {
        fs::remove_file(from)?;
        return Err(BlobError::WrongHash);
    }
    fs::File::options().append(true).open(from)?.sync_all()?;
    let Some(folder) = to.parent() else {
        return Err(BlobError::Gone);
    };
    private_folder(folder)?;
    fs::rename(from, to)?;
    // The name has to last as well as the bytes, and so have the folders that may be new.
    #[cfg(unix)]
    for folder in folder.ancestors().take(3) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn hash_of(path: &Path) -> io::Result<(EvidenceHash, u64)> {
    let mut file = fs::File::open(path)?;
    let (mut hasher, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 256 << 10]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((EvidenceHash(hasher.finalize().into()), length));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

/// A folder for each first byte: none of them grows so large that listing it takes long.
fn name_of(organisation: OrganisationId, hash: EvidenceHash) -> PathBuf {
    let name = hash.to_string();
    PathBuf::from(organisation.to_string()).join(&name[..2]).join(name)
}

/// Bytes that are free on the disk of `path`, or of the nearest folder above it; `None` when that cannot be told.
#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|it| it.exists())?;
    let there = if there.as_os_str().is_empty() {
        Path::new(".")
    } else {
        there
    };
    let told = rustix::fs::statvfs(there).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
#[path = "blobs/tests.rs"]
mod tests;
