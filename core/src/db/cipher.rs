//! Encryption at rest: which key opens a file, and how it is handed to SQLCipher.
//!
//! The key is 32 random bytes, used as they are. The first 16 bytes of the file, SQLCipher's salt, are not random but
//! follow from the key. So a file says by itself whether a key is its own, whatever became of its pages: damage is not
//! mistaken for a wrong key, and a wrong key not for damage. Everything is decided by reading alone, before SQLite opens
//! the file.

mod look;
#[cfg(feature = "sqlcipher")]
mod page;
/// Without SQLCipher there is no page to be read.
#[cfg(not(feature = "sqlcipher"))]
mod page {
    /// Never there.
    pub(crate) enum PageCipher {}

    impl PageCipher {
        pub(crate) fn new(_key: &super::DatabaseKey) -> Option<Self> {
            None
        }
        pub(crate) fn begins(&self, _start: &[u8]) -> bool {
            match *self {}
        }
        pub(crate) fn wrote(&self, _number: u32, _page: &[u8]) -> bool {
            match *self {}
        }
        pub(crate) fn open(&self, _number: u32, _page: &mut [u8]) -> bool {
            match *self {}
        }
    }

    /// Nothing is kept free.
    pub(crate) const RESERVED: usize = 0;
}

use std::{
    fmt,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use rusqlite::Connection;
use zeroize::Zeroizing;

pub(crate) use self::page::PageCipher;
pub(super) use self::{
    look::{Look, at as look_at, looks_sealed},
    page::RESERVED,
};
use super::{foreign, with_suffix};
use crate::{error::FieldError, model::InvalidField};

/// The size of the pages of an encrypted database, in bytes.
pub(super) const PAGE: usize = 4_096;
/// How many pages of a file, and of its log, are tried with a key before it counts as wrong.
const TRIED: u64 = 256;

/// The key of a phone's database: 32 random bytes. It is not shown, and wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseKey(Zeroizing<[u8; 32]>);

impl DatabaseKey {
    /// The key of these bytes, which must be random: nothing is derived from them that would make a weak key strong.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A fresh key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`FieldError::Internal`] when the operating system gives none.
    pub fn generate() -> Result<Self, FieldError> {
        let mut key = Self(Zeroizing::new([0; 32]));
        getrandom::fill(&mut key.0[..])?;
        Ok(key)
    }

    /// Its bytes, for the keychain or keystore.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for DatabaseKey {
    type Error = InvalidField;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidField> {
        let mut key = Self(Zeroizing::new([0; 32]));
        if bytes.len() != key.0.len() {
            let message = format!("a database's key has 32 bytes, not {}", bytes.len());
            return Err(InvalidField::new("key", message));
        }
        key.0.copy_from_slice(bytes);
        Ok(key)
    }
}

impl fmt::Debug for DatabaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseKey(…)")
    }
}

/// Why a [`KeySupply`] has no key now, in words for a person, such as "the keychain is locked until the phone is unlocked
/// once".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

impl From<KeyError> for FieldError {
    fn from(KeyError(why): KeyError) -> Self {
        Self::KeyUnavailable(why)
    }
}

/// Where the database's key comes from: the phone's keychain or keystore. Asked whenever a store is opened, reopened or
/// given another key; the core keeps no key longer than that (SQLCipher does while the store is open).
///
/// # The order of a rotation
/// 1. The app makes a new key and stores it as the pending one, beside the present one.
/// 2. [`FieldStore::rotate_key`](crate::store::FieldStore::rotate_key).
/// 3. The app makes the pending key the present one, and forgets the old one.
///
/// A phone that dies between these steps opens with whichever of the two keys the database has;
/// [`FieldStore::opened_with_pending_key`](crate::store::FieldStore::opened_with_pending_key) says that step 3 is left to
/// be done. A pending key that does not open the database is that of a rotation that was never finished: begin it again,
/// with the same key or another.
pub trait KeySupply: Send + Sync {
    /// The present key. The app makes one ([`DatabaseKey::generate`]) and stores it before it opens the store for the
    /// first time.
    ///
    /// # Errors
    /// [`KeyError`] when there is none now. Nothing is touched then; opening is tried again later.
    fn database_key(&self) -> Result<DatabaseKey, KeyError>;

    /// The key that a rotation has begun to move to; `None` when there is no rotation. Only asked for when the present
    /// key does not open the database, or when a rotation begins.
    ///
    /// # Errors
    /// As [`Self::database_key`].
    fn pending_key(&self) -> Result<Option<DatabaseKey>, KeyError> {
        Ok(None)
    }
}

/// Whether this build can encrypt.
///
/// # Errors
/// [`FieldError::Invalid`] naming `key` when it cannot.
pub(super) fn available() -> Result<(), FieldError> {
    if cfg!(feature = "sqlcipher") {
        return Ok(());
    }
    let message = "this build of the app cannot encrypt: build fieldledger-core with its feature `sqlcipher`, or open \
                   the store without a key";
    Err(FieldError::Invalid(InvalidField::new("key", message)))
}

/// The key for a file, as far as can be told before it is opened.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: Option<DatabaseKey>,
    /// It is the pending one of a rotation.
    pub(super) pending: bool,
    /// Pages show that the key is right, the file's first bytes do not.
    pub(super) first_bytes_damaged: bool,
}

impl Found {
    fn of(key: Option<DatabaseKey>) -> Self {
        Self {
            key,
            pending: false,
            first_bytes_damaged: false,
        }
    }
}

/// Which key opens the file at `path`. Only reads.
///
/// # Errors
/// [`FieldError::KeyNeeded`], [`FieldError::NotEncrypted`], [`FieldError::WrongKey`], [`FieldError::KeyUnavailable`];
/// [`FieldError::Invalid`] naming `path` when it was never a phone's database, or `key` when this build cannot encrypt.
pub(super) fn find_key(path: &Path, supply: Option<&dyn KeySupply>) -> Result<Found, FieldError> {
    let Some(supply) = supply else {
        if look::at(path) == Look::Sealed {
            return Err(FieldError::KeyNeeded);
        }
        foreign::refuse(path)?;
        return Ok(Found::of(None));
    };
    available()?;
    let look = look::at(path);
    if look == Look::Plain {
        foreign::refuse(path)?;
        return Err(FieldError::NotEncrypted);
    }
    let key = supply.database_key()?;
    if look == Look::Nothing {
        return Ok(Found::of(Some(key)));
    }
    let fit = fits(path, &key);
    if fit != Fit::Not {
        return Ok(Found {
            first_bytes_damaged: fit == Fit::Pages,
            ..Found::of(Some(key))
        });
    }
    if let Some(key) = supply.pending_key()? {
        let fit = fits(path, &key);
        if fit != Fit::Not {
            return Ok(Found {
                key: Some(key),
                pending: true,
                first_bytes_damaged: fit == Fit::Pages,
            });
        }
    }
    if look == Look::Sealed {
        return Err(FieldError::WrongKey);
    }
    foreign::refuse(path)?;
    // A plain one whose first page is damaged: opening it without a key salvages it.
    Err(FieldError::NotEncrypted)
}

/// What shows that a key is a file's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The file begins as it does with this key.
    Start,
    /// The file's start is damaged, but pages of it were written with this key.
    Pages,
    /// Nothing.
    Not,
}

/// Whether a file is encrypted with `key`.
pub(super) fn fits(path: &Path, key: &DatabaseKey) -> Fit {
    let (Some(cipher), Ok(mut file)) = (PageCipher::new(key), File::open(path)) else {
        return Fit::Not;
    };
    let mut page = vec![0; PAGE];
    let read = foreign::read_up_to(&mut file, &mut page);
    if cipher.begins(&page[..read]) {
        return Fit::Start;
    }
    let length = file.metadata().map_or(0, |it| it.len());
    let in_file = look::spread(length / PAGE as u64, TRIED).any(|index| {
        file.seek(SeekFrom::Start(index * PAGE as u64)).is_ok()
            && file.read_exact(&mut page).is_ok()
            && u32::try_from(index + 1).is_ok_and(|number| cipher.wrote(number, &page))
    });
    if in_file || in_log(path, &cipher) {
        Fit::Pages
    } else {
        Fit::Not
    }
}

/// Whether pages in the log beside the file were written with this key.
fn in_log(path: &Path, cipher: &PageCipher) -> bool {
    let Ok(mut log) = File::open(with_suffix(path, "-wal")) else {
        return false;
    };
    let frame = 24 + PAGE as u64;
    let frames = log.metadata().map_or(0, |it| it.len()).saturating_sub(32) / frame;
    let mut bytes = vec![0; 24 + PAGE];
    look::spread(frames, TRIED).any(|index| {
        if log.seek(SeekFrom::Start(32 + index * frame)).is_err() || log.read_exact(&mut bytes).is_err() {
            return false;
        }
        let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        cipher.wrote(number, &bytes[24..])
    })
}

/// Hands the key to a fresh connection, before anything else is asked of it.
pub(crate) fn unlock(connection: &Connection, key: Option<&DatabaseKey>) -> Result<(), FieldError> {
    let Some(key) = key else { return Ok(()) };
    available()?;
    // SQLite itself passes over a key in silence, and would write a plain file.
    let version: Option<String> = connection.query_row("PRAGMA cipher_version", [], |row| row.get(0)).ok();
    if version.is_none_or(|it| it.is_empty()) {
        return Err(FieldError::Internal(
            "this build was linked without SQLCipher".to_owned(),
        ));
    }
    // What it would write to the device's log is told as an error.
    connection.query_row("PRAGMA cipher_log_level = NONE", [], |_| Ok(()))?;
    let statement = Zeroizing::new(format!("PRAGMA key = \"{}\"", key_for_sql(key).as_str()));
    // The error could quote the statement.
    connection
        .execute_batch(&statement)
        .map_err(|_| FieldError::Internal("the database's key was not accepted".to_owned()))
}

/// The key as SQLCipher's statements take it.
#[cfg(feature = "sqlcipher")]
pub(super) fn key_for_sql(key: &DatabaseKey) -> Zeroizing<String> {
    use std::fmt::Write as _;

    let salt = page::salt(key);
    // So large from the start that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str("x'");
    for byte in key.as_bytes().iter().chain(&salt) {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\'');
    text
}

#[cfg(not(feature = "sqlcipher"))]
pub(super) fn key_for_sql(_key: &DatabaseKey) -> Zeroizing<String> {
    Zeroizing::new(String::new())
}

/// Told when SQLCipher has met a page that does not authenticate. It hands SQLite zeros for such a page, which is an
/// error of its own in most places, but not where a long value ends.
///
/// # Errors
/// [`FieldError::Damaged`].
pub(super) fn intact(connection: &Connection) -> Result<(), FieldError> {
    if !cfg!(feature = "sqlcipher") {
        return Ok(());
    }
    // Never from the cache of statements: the answer is part of the statement.
    let status: String = connection.query_row("PRAGMA cipher_status", [], |row| row.get(0))?;
    if status == "1" {
        return Ok(());
    }
    Err(FieldError::Damaged(
        "a page of the encrypted file is not what was written".to_owned(),
    ))
}

/// Checks every page of the file itself, not of its log.
///
/// # Errors
/// [`FieldError::Damaged`] with the first page that is not what was written.
pub(crate) fn check_pages(connection: &Connection) -> Result<(), FieldError> {
    let mut statement = connection.prepare("PRAGMA cipher_integrity_check")?;
    let mut faults = statement.query([])?;
    match faults.next()? {
        None => Ok(()),
        Some(fault) => Err(FieldError::Damaged(fault.get(0)?)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_not_shown_and_has_32_bytes() {
        let key = DatabaseKey::from_bytes([0xab; 32]);
        assert_eq!(format!("{key:?}"), "DatabaseKey(…)");
        assert_eq!(DatabaseKey::try_from(&[0xab; 32][..]).unwrap(), key);
        let wrong = DatabaseKey::try_from(&[1; 16][..]).unwrap_err();
        assert_eq!(wrong.field, "key");
        assert_ne!(DatabaseKey::generate().unwrap(), DatabaseKey::generate().unwrap());
    }
}
