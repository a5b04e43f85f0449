//! How much room there is: on the disk, beside what the database needs, and for each phone.

use std::{fs, io, path::Path};

use super::{BlobError, Upload, start_of};

/// As how many bytes an upload counts at least: very many small ones fill a disk too.
const LEAST_COUNTED: u64 = 64 << 10;

/// What uploads may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes that stay free on the disk, for the database.
    reserve: u64,
    /// Bytes of files that a phone may have begun and not finished; `None`: any number.
    pub(super) most_unfinished: Option<u64>,
    /// Tells how many bytes are free on the disk of a path; `None` when that cannot be told.
    pub(super) free: fn(&Path) -> Option<u64>,
}

impl Room {
    /// Room on a disk of which `reserve` bytes stay free.
    pub(super) fn new(reserve: u64) -> Self {
        Self {
            reserve,
            most_unfinished: None,
            free,
        }
    }

    /// Whether `wanted` bytes fit on the disk of `path` beside those that stay free.
    ///
    /// # Errors
    /// [`BlobError::Full`].
    pub(super) fn require(&self, path: &Path, wanted: u64) -> Result<(), BlobError> {
        match (self.free)(path) {
            Some(free) if free < self.reserve.saturating_add(wanted) => Err(BlobError::Full),
            _ => Ok(()),
        }
    }

    /// Whether a phone may begin one more upload beside those that are in the folder `incoming`: by the sizes that the
    /// files are said to have, since all of that may come. The first one it always may, however large it is.
    ///
    /// # Errors
    /// [`BlobError::TooMuchUnfinished`]; [`BlobError::Disk`].
    pub(super) fn require_for_new(&self, incoming: &Path, upload: Upload) -> Result<(), BlobError> {
        let Some(most) = self.most_unfinished else {
            return Ok(());
        };
        let unfinished = unfinished(incoming, &start_of(upload))?;
        let with_it = unfinished.saturating_add(upload.size.max(LEAST_COUNTED));
        if unfinished > 0 && with_it > most {
            return Err(BlobError::TooMuchUnfinished(unfinished));
        }
        Ok(())
    }
}

/// The sizes of the uploads in the folder `incoming` whose names begin with `start`, told by their names.
fn unfinished(incoming: &Path, start: &str) -> io::Result<u64> {
    let mut sum = 0_u64;
    for entry in fs::read_dir(incoming)? {
        let name = entry?.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(start));
        let size = rest.and_then(|rest| rest.rsplit_once('-')?.1.parse::<u64>().ok());
        sum = sum.saturating_add(size.map_or(0, |size| size.max(LEAST_COUNTED)));
    }
    Ok(sum)
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
