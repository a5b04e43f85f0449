//! The bytes of evidence: files named by their SHA-256 in a folder beside the database.
//!
//! ```text
//! evidence/incoming/{organisation}-{device}-{hash}-{size}   what has come of an upload so far
//! evidence/{organisation}/{ab}/{abcdef…}                    a whole file, whose bytes are what its name says
//! ```
//!
//! A file gets its name only after all of its bytes have been read again and hashed, and have reached the disk. It is never
//! changed afterwards. What has come of an upload is kept apart by phone: nobody adds to what another one sends.

mod room;
mod served;

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::body::{Body, Bytes};
use fieldledger_core::model::{DeviceId, EvidenceHash, OrganisationId};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncWriteExt as _, sync::watch, task::spawn_blocking};

use self::room::Room;
use crate::store::sqlite::private_folder;

/// Name of the folder in the data folder, and in a backup.
pub const FOLDER: &str = "evidence";
const INCOMING: &str = "incoming";
/// After so many bytes it is looked again whether the disk has room.
const LOOK_AGAIN: u64 = 16 << 20;
/// How long the next bytes of a part may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files of evidence.
#[derive(Debug)]
pub struct Blobs {
    root: PathBuf,
    room: Room,
    uploads: Uploads,
    /// Held while an upload is begun: of two that begin at once, the second is counted with the first.
    beginning: Arc<Mutex<()>>,
}

type Uploads = Arc<Mutex<HashMap<Upload, Arc<Turn>>>>;

/// One upload: a phone sends a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The company.
    pub organisation: OrganisationId,
    /// The phone.
    pub device: DeviceId,
    /// What it says the file is.
    pub hash: EvidenceHash,
    /// How many bytes it says the file has.
    pub size: u64,
}

/// Whose turn it is to add to an upload.
#[derive(Debug)]
struct Turn {
    /// Held by the work itself, which goes on to its end when nobody waits for it any more.
    lock: Arc<tokio::sync::Mutex<()>>,
    /// How many have come for it; the last one is who goes on.
    newest: watch::Sender<u64>,
}

/// Somebody who has come for an upload. Leaves the table of uploads as it was when it goes.
struct Visitor {
    uploads: Uploads,
    upload: Upload,
    turn: Arc<Turn>,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one; nobody else can get at it while the table is locked.
        if Arc::strong_count(&self.turn) <= 2 {
            uploads.remove(&self.upload);
        }
    }
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
    /// The phone has begun as much as it may without finishing it.
    #[error("this phone has begun uploads of {0} bytes and not finished them; those come first")]
    TooMuchUnfinished(u64),
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
            room: Room::new(reserve),
            uploads: Uploads::default(),
            beginning: Arc::default(),
        }
    }

    /// Lets no phone begin an upload while those that it has begun and not finished are said to come to more than `most`
    /// bytes with it.
    #[must_use]
    pub fn with_most_unfinished(mut self, most: Option<u64>) -> Self {
        self.room.most_unfinished = most;
        self
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

    /// Begins an upload, or finds how far it has come. One that has come whole is still to be finished.
    ///
    /// # Errors
    /// [`BlobError::Full`]; [`BlobError::TooMuchUnfinished`], never for one that was begun before;
    /// [`BlobError::Disk`].
    pub async fn begin(&self, upload: Upload) -> Result<u64, BlobError> {
        let (path, room) = (self.incoming(upload), self.room);
        let beginning = Arc::clone(&self.beginning);
        let begun = spawn_blocking(move || {
            let _one_at_a_time = beginning.lock().unwrap_or_else(PoisonError::into_inner);
            let come = fs::metadata(&path).ok().map(|it| it.len());
            room.require(&path, upload.size.saturating_sub(come.unwrap_or(0)))?;
            if let Some(folder) = path.parent() {
                private_folder(folder)?;
                if come.is_none() {
                    room.require_for_new(folder, upload)?;
                }
            }
            let file = fs::File::options().create(true).append(true).open(&path)?;
            Ok(file.metadata()?.len())
        });
        begun.await.map_err(|error| io::Error::other(error.to_string()))?
    }

    /// How much of an upload has come; `None` when nothing of it was begun.
    pub async fn come(&self, upload: Upload) -> Option<u64> {
        Some(tokio::fs::metadata(self.incoming(upload)).await.ok()?.len())
    }

    /// Adds a part to an upload, at `offset`. Returns how far it has come. Whatever arrived is kept, also when the part breaks
    /// off, and also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`BlobError`].
    pub async fn append(&self, upload: Upload, offset: u64, part: Body) -> Result<u64, BlobError> {
        let (visitor, path, room) = (self.visit(upload), self.incoming(upload), self.room);
        // A task of its own: writing to the end, and only then letting the next one in.
        let adding = tokio::spawn(async move { visitor.append(&path, offset, room, part).await });
        adding.await.map_err(|error| io::Error::other(error.to_string()))?
    }

    /// Makes an upload that has come whole the file that its hash names.
    ///
    /// # Errors
    /// [`BlobError::WrongHash`], after which nothing of it is left; [`BlobError::Gone`], also when somebody else has just
    /// finished it; [`BlobError::Full`].
    pub async fn finish(&self, upload: Upload) -> Result<(), BlobError> {
        let visitor = self.visit(upload);
        let (from, to) = (self.incoming(upload), self.path(upload.organisation, upload.hash));
        let turn = Arc::clone(&visitor.turn.lock).lock_owned().await;
        let kept = spawn_blocking(move || {
            let _until_the_end = (visitor, turn);
            keep(&from, &to, upload)
        });
        kept.await.map_err(|error| io::Error::other(error.to_string()))?
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
            let clear = || {
                let old = entry.metadata()?.modified()? < before;
                if old {
                    fs::remove_file(entry.path())?;
                }
                Ok(old)
            };
            match clear() {
                Ok(old) => cleared += u64::from(old),
                // Finished meanwhile.
                Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cleared)
    }

    /// Puts the file of so many bytes into the backup `to`: as a second name of the same bytes where the backup is on the same
    /// disk, since a file is never changed, and as a copy elsewhere. [`sync_folders`] afterwards makes the names last.
    ///
    /// # Errors
    /// When the file is not here whole, is in the backup already, or the backup cannot be written.
    pub fn back_up(&self, to: &Path, organisation: OrganisationId, hash: EvidenceHash, size: u64) -> io::Result<()> {
        let (from, to) = (
            self.path(organisation, hash),
            to.join(FOLDER).join(name_of(organisation, hash)),
        );
        if fs::metadata(&from)?.len() != size {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file is cut short"));
        }
        if let Some(folder) = to.parent() {
            private_folder(folder)?;
        }
        match fs::hard_link(&from, &to) {
            // Writing to it would write to the original.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => {
                let mut copy = fs::File::options().write(true).create_new(true).open(&to)?;
                io::copy(&mut fs::File::open(&from)?, &mut copy)?;
                copy.sync_all()
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether a file is what its name says.
    ///
    /// # Errors
    /// When it cannot be read, or is not here.
    pub fn is_whole(&self, organisation: OrganisationId, hash: EvidenceHash) -> io::Result<bool> {
        Ok(hash_of(&self.path(organisation, hash))?.0 == hash)
    }

    fn incoming(&self, upload: Upload) -> PathBuf {
        let (start, Upload { hash, size, .. }) = (start_of(upload), upload);
        self.root.join(INCOMING).join(format!("{start}{hash}-{size}"))
    }

    fn visit(&self, upload: Upload) -> Visitor {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = uploads.entry(upload).or_insert_with(|| {
            Arc::new(Turn {
                lock: Arc::default(),
                newest: watch::Sender::new(0),
            })
        });
        Visitor {
            turn: Arc::clone(turn),
            uploads: Arc::clone(&self.uploads),
            upload,
        }
    }
}

impl Visitor {
    async fn append(self, path: &Path, offset: u64, room: Room, part: Body) -> Result<u64, BlobError> {
        // A phone that lost its network comes back while the server still waits for the rest of its old connection.
        let mut mine = 0;
        self.turn.newest.send_modify(|newest| {
            *newest += 1;
            mine = *newest;
        });
        let mut newest = self.turn.newest.subscribe();
        let superseded = async |newest: &mut watch::Receiver<u64>| {
            let _ = newest.wait_for(|newest| *newest > mine).await;
        };
        let _mine = tokio::select! {
            turn = self.turn.lock.lock() => turn,
            () = superseded(&mut newest) => return Err(BlobError::Superseded),
        };
        let mut file = tokio::fs::OpenOptions::new().append(true).open(path).await?;
        let mut come = file.metadata().await?.len();
        if come != offset {
            return Err(BlobError::WrongOffset(come));
        }
        let filled = tokio::select! {
            filled = fill(&mut file, &mut come, path, self.upload.size, room, part) => filled,
            () = superseded(&mut newest) => Err(BlobError::Superseded),
        };
        file.flush().await?;
        filled.map(|()| come)
    }
}

/// Writes what comes, as it comes.
async fn fill(
    file: &mut tokio::fs::File,
    come: &mut u64,
    path: &Path,
    size: u64,
    room: Room,
    part: Body,
) -> Result<(), BlobError> {
    let mut part = part.into_data_stream();
    let mut looked_at = None;
    loop {
        // Others fill the same disk.
        if looked_at.is_none_or(|at| *come - at >= LOOK_AGAIN) {
            room.require(path, 0)?;
            looked_at = Some(*come);
        }
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
fn keep(from: &Path, to: &Path, upload: Upload) -> Result<(), BlobError> {
    let (found, length) = hash_of(from)?;
    if (found, length) != (upload.hash, upload.size) {
        fs::remove_file(from)?;
        return Err(BlobError::WrongHash);
    }
    fs::File::options().append(true).open(from)?.sync_all()?;
    let Some(folder) = to.parent() else {
        return Err(BlobError::Gone);
    };
    private_folder(folder)?;
    fs::rename(from, to)?;
    // The name has to last as well as the bytes, and so have the folders that may be new, up to the data folder.
    for folder in folder.ancestors().take(4) {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Makes the names of all files and folders in `folder` last, and its own.
///
/// # Errors
/// When one of them cannot be read or written.
pub fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
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

/// With what the names of all uploads of a phone begin.
fn start_of(upload: Upload) -> String {
    format!("{}-{}-", upload.organisation, upload.device)
}

/// A folder for each first byte: none of them grows so large that listing it takes long.
fn name_of(organisation: OrganisationId, hash: EvidenceHash) -> PathBuf {
    let name = hash.to_string();
    PathBuf::from(organisation.to_string()).join(&name[..2]).join(name)
}

#[cfg(test)]
#[path = "blobs/tests.rs"]
mod tests;
