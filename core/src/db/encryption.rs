//! What is done to a whole file: encrypted, decrypted, given another key.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use super::{
    Database,
    cipher::{self, DatabaseKey, Fit, KeySupply, Look},
    foreign, lock, recode,
};
use crate::{error::FieldError, model::InvalidField};

/// Whether a database is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Encryption {
    /// There is no database yet.
    Missing,
    /// It can be read without a key.
    Plain,
    /// It needs a key.
    Encrypted,
    /// Too damaged to tell, or no database.
    Unknown,
}

/// What the file at `path` is.
pub(crate) fn of(path: &Path) -> Encryption {
    match cipher::look_at(path) {
        Look::Nothing => Encryption::Missing,
        Look::Plain => Encryption::Plain,
        Look::Sealed => Encryption::Encrypted,
        Look::Other => Encryption::Unknown,
    }
}

fn missing(path: &Path) -> FieldError {
    let message = format!("there is no database at {}", path.display());
    FieldError::Invalid(InvalidField::new("path", message))
}

/// Encrypts the plain database at `path`, unless it has this key already.
pub(crate) fn encrypt(path: &Path, key: &DatabaseKey) -> Result<(), FieldError> {
    cipher::available()?;
    match cipher::look_at(path) {
        Look::Nothing => return Err(missing(path)),
        Look::Plain => {}
        _ if cipher::fits(path, key) != Fit::Not => return Ok(()),
        Look::Sealed => return Err(FieldError::WrongKey),
        Look::Other => {
            foreign::refuse(path)?;
            return Err(FieldError::Damaged("its first page cannot be read".to_owned()));
        }
    }
    foreign::refuse(path)?;
    recode::recode(path, None, Some(key))
}

/// Takes the encryption off the database at `path`, unless it is plain already.
pub(crate) fn decrypt(path: &Path, key: &DatabaseKey) -> Result<(), FieldError> {
    cipher::available()?;
    match cipher::look_at(path) {
        Look::Nothing => return Err(missing(path)),
        Look::Plain => return foreign::refuse(path),
        look => match cipher::fits(path, key) {
            Fit::Start => {}
            Fit::Pages => {
                return Err(FieldError::Damaged(
                    "its first bytes are not what was written".to_owned(),
                ));
            }
            Fit::Not if look == Look::Sealed => return Err(FieldError::WrongKey),
            Fit::Not => return foreign::refuse(path).and(Err(FieldError::NotEncrypted)),
        },
    }
    recode::recode(path, Some(key), None)
}

/// Plain copies beside the database.
pub(crate) fn plain_copies(path: &Path) -> Vec<PathBuf> {
    recode::plain_copies(path)
}

impl Database {
    /// Encrypts an open database with `new`, and leaves it open. Who reads or writes meanwhile waits.
    pub(crate) fn rotate(&self, new: &DatabaseKey) -> Result<(), FieldError> {
        let supply = self.keys().ok_or(FieldError::NotEncrypted)?;
        if self.is_closed() {
            return Err(FieldError::Closed);
        }
        let (present, pending) = (supply.database_key()?, supply.pending_key()?);
        if present != *new && pending.as_ref() != Some(new) {
            let message = "store the new key as the pending one first, or nothing could open the database if the phone \
                           died during the rotation";
            return Err(FieldError::Invalid(InvalidField::new("key", message)));
        }
        let is_pending = present != *new;
        let mut writer = lock(&self.writer);
        let mut readers = [lock(&self.readers[0]), lock(&self.readers[1])];
        if writer.is_none() {
            return Err(FieldError::Closed);
        }
        if cipher::fits(&self.path, new) != Fit::Not {
            return Ok(());
        }
        let old = [Some(present), pending]
            .into_iter()
            .flatten()
            .find(|key| cipher::fits(&self.path, key) != Fit::Not)
            .ok_or(FieldError::WrongKey)?;
        for reader in &mut readers {
            drop(reader.take());
        }
        drop(writer.take());
        let recoded = recode::recode(&self.path, Some(&old), Some(new));
        // What the file says, not what the copying does: its last step is done after the file is in its place.
        let has_new = cipher::fits(&self.path, new) == Fit::Start;
        let key = if has_new { new } else { &old };
        let (connection, [one, other]) = self.open_all(Some(key))?;
        *writer = Some(connection);
        *readers[0] = Some(one);
        *readers[1] = Some(other);
        if has_new {
            self.pending.store(is_pending, Ordering::Relaxed);
        }
        recoded
    }

    /// Whether it is open with what is the pending key of its supply even now.
    pub(crate) fn has_pending_key(&self) -> Result<bool, FieldError> {
        if !self.pending.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let pending = self.keys().map(KeySupply::pending_key).transpose()?.flatten();
        let has = pending.is_some_and(|key| cipher::fits(&self.path, &key) != Fit::Not);
        if !has {
            // The app has made it the present one meanwhile.
            self.pending.store(false, Ordering::Relaxed);
        }
        Ok(has)
    }
}
