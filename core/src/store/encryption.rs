//! Encryption at rest: a plain database becomes an encrypted one, and an encrypted one gets another key.

use std::path::{Path, PathBuf};

use super::FieldStore;
use crate::{
    db::{
        cipher::DatabaseKey,
        encryption::{self, Encryption},
    },
    error::FieldError,
};

/// What became of a plain database.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Encrypted {
    /// Plain files that are left beside it: damaged ones that were set aside before. What could not be salvaged from
    /// them exists nowhere else, so they are for the app to keep or to delete.
    pub plain_copies: Vec<PathBuf>,
}

impl FieldStore {
    /// Encrypts the plain database at `path`, for an app whose earlier version did not; its store must be closed. Needs
    /// as much free storage as the database has, for as long as it takes.
    ///
    /// A phone that dies meanwhile has the plain database or the encrypted one, each whole: calling this again does the
    /// rest, and does nothing to a database that has this key already. Store the key in the keychain first.
    ///
    /// # Errors
    /// [`FieldError::WrongKey`] when it is encrypted with another key; [`FieldError::Damaged`], which opening it without
    /// a key salvages; [`FieldError::StorageFull`]; [`FieldError::NeedsNewerApp`]; [`FieldError::Invalid`] naming `path`
    /// when there is no database or it is open, or `key` when this build cannot encrypt. The database is as it was then.
    pub fn encrypt(path: &Path, key: &DatabaseKey) -> Result<Encrypted, FieldError> {
        encryption::encrypt(path, key)?;
        Ok(Encrypted {
            plain_copies: encryption::plain_copies(path),
        })
    }

    /// Takes the encryption off the database at `path`, whose store must be closed; the counterpart of
    /// [`Self::encrypt`].
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn decrypt(path: &Path, key: &DatabaseKey) -> Result<(), FieldError> {
        encryption::decrypt(path, key)
    }

    /// What the database at `path` is, without a key and without touching it.
    pub fn encryption(path: &Path) -> Encryption {
        encryption::of(path)
    }

    /// Encrypts the database with another key. Other calls wait meanwhile. [`KeySupply`](super::KeySupply) tells the
    /// order in which the app stores keys; out of that order nothing is done. Needs as much free storage as the database
    /// has, for as long as it takes.
    ///
    /// A phone that dies meanwhile has the database with the old key or with the new one, whole. With the new one
    /// already, nothing is done.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `key` when it is not the pending one of the store's supply;
    /// [`FieldError::NotEncrypted`]; [`FieldError::KeyUnavailable`]; [`FieldError::Closed`];
    /// [`FieldError::StorageFull`]. The database has its old key then.
    pub fn rotate_key(&self, new: &DatabaseKey) -> Result<(), FieldError> {
        self.noting_damage(self.inner.database.rotate(new))
    }

    /// Whether the database has the supply's pending key: the rotation is done, and the app has to make that key the
    /// present one.
    ///
    /// # Errors
    /// [`FieldError::KeyUnavailable`].
    pub fn opened_with_pending_key(&self) -> Result<bool, FieldError> {
        self.inner.database.has_pending_key()
    }
}
