//! Files on their way into the folder: still being written, and whole without a name.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::PathBuf,
};

use sha2::{Digest as _, Sha256};

use super::{AT_ONCE, FETCH, Folder, MOST_FETCHES, NEW, PART, discard, unreadable, unwritable};
use crate::{db::Durability, error::FieldError, model::EvidenceHash};

impl Folder {
    /// Begins a file whose bytes come piece by piece. `random` tells it from others that are being written.
    ///
    /// # Errors
    /// [`FieldError::StorageFull`].
    pub(crate) fn begin(&self, random: [u8; 8]) -> Result<Partial, FieldError> {
        self.make().map_err(|error| unwritable(&error))?;
        let random = u64::from_be_bytes(random);
        let path = self.path.join(format!("{random:016x}{PART}"));
        let file = for_this_app(File::options().write(true).create_new(true))
            .open(&path)
            .map_err(|error| unwritable(&error))?;
        // Tells who opens the same database meanwhile that this is no litter. Where there are no locks, nobody does.
        let _ = file.try_lock();
        Ok(Partial {
            folder: self.clone(),
            random,
            file,
            hasher: Sha256::new(),
            size: 0,
            resumable: false,
            left_over: LeftOver {
                path: Some(path),
                stays: false,
            },
        })
    }

    /// Begins the file of this hash, or goes on with what has come of it, which stays when it is dropped before it is
    /// whole. Where more has come than `size` bytes, it begins anew. Who comes while another process writes to it begins
    /// one by itself, which does not stay. Other beginnings make room, if there are too many, but for those that are
    /// `fetched` just now.
    ///
    /// # Errors
    /// [`FieldError::StorageFull`]; [`FieldError::Invalid`] when what has come cannot be read.
    pub(crate) fn resume(
        &self,
        hash: EvidenceHash,
        size: u64,
        random: [u8; 8],
        fetched: &HashSet<EvidenceHash>,
    ) -> Result<Partial, FieldError> {
        self.make().map_err(|error| unwritable(&error))?;
        let path = self.path.join(format!("{hash}{FETCH}"));
        if !path.exists() {
            self.remove_fetches(MOST_FETCHES - 1, fetched);
        }
        let mut file = for_this_app(File::options().read(true).write(true).create(true).truncate(false))
            .open(&path)
            .map_err(|error| unwritable(&error))?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return self.begin(random);
        }
        let (mut hasher, mut come, mut buffer) = (Sha256::new(), 0, vec![0; AT_ONCE]);
        loop {
            let read = file.read(&mut buffer).map_err(|error| unreadable(&error))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            come += read as u64;
        }
        let mut partial = Partial {
            folder: self.clone(),
            random: u64::from_be_bytes(random),
            file,
            hasher,
            size: come,
            resumable: true,
            left_over: LeftOver {
                path: Some(path),
                stays: come > 0,
            },
        };
        if come > size {
            partial.begin_anew()?;
        }
        Ok(partial)
    }
}

/// What nobody else on the phone may read, even where the folder around it is open.
fn for_this_app(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Removes its file when it is dropped, unless that became something or stays.
#[derive(Debug)]
struct LeftOver {
    path: Option<PathBuf>,
    stays: bool,
}

impl Drop for LeftOver {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && !self.stays
        {
            discard(path);
        }
    }
}

/// A file that is being written; gone again when it is dropped, unless it was to be [resumed](Folder::resume).
#[derive(Debug)]
pub(crate) struct Partial {
    folder: Folder,
    random: u64,
    pub(super) file: File,
    hasher: Sha256,
    size: u64,
    /// What has come is to stay when this is dropped.
    resumable: bool,
    left_over: LeftOver,
}

impl Partial {
    /// How many bytes have come.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`FieldError::StorageFull`], after which nothing of it stays: the phone needs the room.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FieldError> {
        self.left_over.stays = false;
        self.file.write_all(bytes).map_err(|error| unwritable(&error))?;
        self.left_over.stays = self.resumable;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what has come: nothing of it stays when it is dropped now.
    ///
    /// # Errors
    /// Of the disk, as [`FieldError::Internal`].
    pub(crate) fn begin_anew(&mut self) -> Result<(), FieldError> {
        self.left_over.stays = false;
        self.file.set_len(0).map_err(|error| unwritable(&error))?;
        self.file.rewind().map_err(|error| unwritable(&error))?;
        self.hasher = Sha256::new();
        self.size = 0;
        Ok(())
    }

    /// Whether the bytes that have come are those of a file.
    pub(crate) fn is(&self, hash: EvidenceHash) -> bool {
        EvidenceHash(self.hasher.clone().finalize().into()) == hash
    }

    /// Nothing more comes: the file is on the disk when this returns.
    ///
    /// # Errors
    /// [`FieldError::StorageFull`].
    pub(crate) fn finish(self) -> Result<Whole, FieldError> {
        let Self {
            folder,
            random,
            file,
            hasher,
            size,
            mut left_over,
            ..
        } = self;
        let hash = EvidenceHash(hasher.finalize().into());
        if folder.durability == Durability::Full {
            file.sync_all().map_err(|error| unwritable(&error))?;
        }
        let path = folder.path.join(format!("{hash}.{random:016x}{NEW}"));
        if let Some(part) = &left_over.path {
            fs::rename(part, &path).map_err(|error| unwritable(&error))?;
        }
        left_over.path = Some(path.clone());
        left_over.stays = false;
        folder.sync(&path).map_err(|error| unwritable(&error))?;
        Ok(Whole {
            folder,
            hash,
            size,
            left_over,
            _locked: file,
        })
    }
}

/// A file that is whole and on the disk; gone again when it is dropped and not kept.
#[derive(Debug)]
pub(crate) struct Whole {
    folder: Folder,
    /// The hash of its bytes.
    pub(crate) hash: EvidenceHash,
    /// Its size in bytes.
    pub(crate) size: u64,
    left_over: LeftOver,
    _locked: File,
}

impl Whole {
    /// What the database remembers of where it is.
    pub(crate) fn name(&self) -> String {
        self.hash.to_string()
    }

    /// Gives it its name: the database knows it now.
    pub(crate) fn keep(mut self) {
        if let Some(path) = self.left_over.path.take() {
            self.folder.rename(&path, self.hash);
        }
    }
}
