//! The folder beside the database where the phone keeps its own copies of evidence. Camera and cache folders are
//! emptied, and on iOS every absolute path changes with an update of the app; so a file is copied when it is
//! attached, and only its name is remembered.
//!
//! A file comes into being in three steps: written under a name that ends in `.part`; whole and on the disk, ending in
//! `.new`; and, once the database knows it, under its hash alone. What a crash leaves can be told by its name: a part is
//! litter, a new one is litter too unless the database knows it. A file under its hash is never taken for litter,
//! since a damaged database may have forgotten it. What has come of a file that is fetched ends in `.fetch`, behind the
//! hash that it is to have: the next try goes on with it.

mod partial;

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

pub(crate) use self::partial::{Partial, Whole};
use crate::{
    db::{Durability, salvage::sync_folder, with_suffix},
    error::FieldError,
    model::{EvidenceHash, InvalidField},
};

/// What the folder's name has behind that of the database.
const FOLDER: &str = "-evidence";
const PART: &str = ".part";
const NEW: &str = ".new";
const FETCH: &str = ".fetch";
/// How many files may have come in part, and for how long what has come is kept after its last byte: whoever looks
/// through videos without much of a network should not fill the phone with beginnings.
const MOST_FETCHES: usize = 8;
const FETCH_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How much is read, hashed and written at once: a video does not fit into a phone's memory.
const AT_ONCE: usize = 64 << 10;

/// The hash and the size of a file.
///
/// # Errors
/// [`FieldError::Invalid`] when the file cannot be read.
pub fn hash_file(path: &Path) -> Result<(EvidenceHash, u64), FieldError> {
    let mut file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut hasher = Sha256::new();
    let (mut buffer, mut size) = (vec![0; AT_ONCE], 0);
    loop {
        let read = file.read(&mut buffer).map_err(|error| unreadable(&error))?;
        if read == 0 {
            return Ok((EvidenceHash(hasher.finalize().into()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

fn unreadable(error: &io::Error) -> FieldError {
    InvalidField::new("evidence", format!("the file cannot be read: {error}")).into()
}

/// What stands in the way of writing.
fn unwritable(error: &io::Error) -> FieldError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        FieldError::StorageFull
    } else {
        FieldError::Internal(format!("a file of evidence could not be kept: {error}"))
    }
}

/// How a file stands that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there, as large as it should be.
    Here,
    /// It is gone, or another one.
    Lost(String),
    /// It cannot be read now, for example because the phone is locked.
    Unreadable(String),
}

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    durability: Durability,
}

impl Folder {
    /// The one that belongs to `database`. It is made when there is something to put into it.
    pub(crate) fn beside(database: &Path, durability: Durability) -> Self {
        Self {
            path: with_suffix(database, FOLDER),
            durability,
        }
    }

    /// Where a file is of which the database says `stored`: a name in this folder, or the absolute path of a file of
    /// the app's, as earlier versions noted it.
    pub(crate) fn locate(&self, stored: &str) -> PathBuf {
        self.path.join(stored)
    }

    /// Whether `stored` is a copy of the core's own, which it may delete.
    pub(crate) fn owns(stored: &str) -> bool {
        stored.parse::<EvidenceHash>().is_ok()
    }

    /// Whether the file at `path` is a copy in this folder.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        path.parent() == Some(&self.path) && name.is_some_and(Self::owns)
    }

    /// Copies a file of the app's. The copy stays when [`Whole::keep`] says so.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when `source` cannot be read; [`FieldError::StorageFull`].
    pub(crate) fn copy(&self, source: &Path, random: [u8; 8]) -> Result<Whole, FieldError> {
        let mut file = File::open(source).map_err(|error| unreadable(&error))?;
        let mut copy = self.begin(random)?;
        let mut buffer = vec![0; AT_ONCE];
        loop {
            let read = file.read(&mut buffer).map_err(|error| unreadable(&error))?;
            if read == 0 {
                return copy.finish();
            }
            copy.write(&buffer[..read])?;
        }
    }

    fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        // For this app alone, even where the folder around it is not.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&self.path) {
            Ok(()) => self.sync(&self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes durable that `path` is in its folder.
    fn sync(&self, path: &Path) -> io::Result<()> {
        match self.durability {
            Durability::Full => sync_folder(path),
            Durability::Off => Ok(()),
        }
    }

    /// Looks whether a file can be sent.
    pub(crate) fn look(&self, stored: &str, size: u64) -> Found {
        let path = self.locate(stored);
        let mut metadata = fs::metadata(&path);
        if is_missing(&metadata)
            && let Ok(hash) = stored.parse()
        {
            // Known to the database, and not yet or never given its name.
            self.give_name(hash);
            let awaited = self.is_awaited(hash);
            metadata = fs::metadata(&path);
            if awaited && is_missing(&metadata) {
                return Found::Unreadable("the file is still being copied".to_owned());
            }
        }
        match metadata {
            Ok(found) if found.is_file() && found.len() == size => Found::Here,
            Ok(found) if found.is_file() => Found::Lost(format!(
                "the file was changed on this phone before it was sent: it has {} bytes instead of {size}",
                found.len()
            )),
            Ok(_) => Found::Lost("the file is not on this phone any more".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Found::Lost("the file is not on this phone any more".to_owned())
            }
            Err(error) => Found::Unreadable(format!("the file cannot be read now: {error}")),
        }
    }

    /// Part of a file: at most `length` bytes from `offset`.
    ///
    /// # Errors
    /// Of the file.
    pub(crate) fn read(&self, stored: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.locate(stored))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut part = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut part)?;
        Ok(part)
    }

    /// Deletes a copy of the core's own.
    ///
    /// # Errors
    /// Of the file; that it is gone already is none.
    pub(crate) fn delete(&self, stored: &str) -> io::Result<()> {
        if !Self::owns(stored) {
            return Ok(());
        }
        remove(&self.locate(stored))
    }

    /// Every file under its hash, with its size. For a database that has forgotten some.
    pub(crate) fn all(&self) -> Vec<(EvidenceHash, u64)> {
        let hash_of = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        self.entries()
            .filter_map(|entry| Some((hash_of(&entry)?, entry.metadata().ok()?.len())))
            .collect()
    }

    /// The files that are whole, have not got their name, and belong to nobody any more.
    pub(crate) fn unnamed(&self) -> Vec<(EvidenceHash, PathBuf)> {
        let hash_of = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            let (hash, _) = name.to_str()?.strip_suffix(NEW)?.split_once('.')?;
            hash.parse().ok()
        };
        self.entries()
            .filter_map(|entry| Some((hash_of(&entry)?, entry.path())))
            .filter(|(_, path)| !is_in_use(path))
            .collect()
    }

    /// Removes what was being written when the process ended, and what has come of files that nobody went on fetching.
    pub(crate) fn remove_parts(&self) {
        self.remove_fetches(usize::MAX, &HashSet::new());
        for entry in self.entries() {
            let is_part = entry.file_name().to_str().is_some_and(|name| name.ends_with(PART));
            if is_part && !is_in_use(&entry.path()) {
                discard(&entry.path());
            }
        }
    }

    /// Leaves the newest `most` of the files that have come in part, of these only what is not too old, and those that
    /// are `fetched` just now.
    fn remove_fetches(&self, most: usize, fetched: &HashSet<EvidenceHash>) {
        let now = SystemTime::now();
        // Those of the future too, which a clock that was wrong has made: nobody knows how old they are.
        let is_old = |at: SystemTime| now.duration_since(at).map_or(true, |age| age > FETCH_KEPT);
        let mut found: Vec<_> = self
            .entries()
            .filter_map(|entry| {
                let hash: EvidenceHash = entry.file_name().to_str()?.strip_suffix(FETCH)?.parse().ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, hash, entry.path()))
            })
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        for (place, (at, hash, path)) in found.iter().enumerate() {
            if (place >= most || is_old(*at)) && !fetched.contains(hash) && !is_in_use(path) {
                discard(path);
            }
        }
    }

    /// Gives a file that is whole its name.
    pub(crate) fn give_name(&self, hash: EvidenceHash) {
        for (found, path) in self.unnamed() {
            if found == hash {
                self.rename(&path, hash);
            }
        }
    }

    /// Whether somebody is about to give the file its name.
    fn is_awaited(&self, hash: EvidenceHash) -> bool {
        let prefix = format!("{hash}.");
        let awaited = |name: &str| name.starts_with(&prefix) && name.ends_with(NEW);
        self.entries()
            .any(|entry| entry.file_name().to_str().is_some_and(awaited))
    }

    fn rename(&self, path: &Path, hash: EvidenceHash) {
        let named = self.path.join(hash.to_string());
        let renamed = fs::rename(path, &named).and_then(|()| self.sync(&named));
        if let Err(error) = renamed
            && !named.exists()
        {
            // It is found, and gets its name, when it is looked for or at the next opening.
            tracing::warn!(%error, "a file of evidence could not be given its name");
        }
    }

    fn entries(&self) -> impl Iterator<Item = fs::DirEntry> {
        fs::read_dir(&self.path).into_iter().flatten().filter_map(Result::ok)
    }
}

/// Whether a process, or another store in this one, still writes a file.
fn is_in_use(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn is_missing(metadata: &io::Result<fs::Metadata>) -> bool {
    matches!(metadata, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes litter; what cannot be removed is left until the next opening.
pub(crate) fn discard(path: &Path) {
    if let Err(error) = remove(path) {
        tracing::warn!(%error, "a file that nobody needs could not be removed");
    }
}

#[cfg(test)]
mod tests;
