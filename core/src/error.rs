//! What can go wrong for a person with a phone, named by what they can do about it.

use crate::{
    document::{EditError, OpenError},
    model::{InvalidField, InvalidMoney},
    rules::authority::Denied,
};

/// Why a call did not do what was asked. A call that returns one has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The server cannot be reached.
    #[error("the server cannot be reached; everything recorded is safe and will be sent later")]
    Offline,
    /// The device's token is no longer accepted.
    #[error("sign in again with a new enrolment code")]
    SignInAgain,
    /// The device was revoked by an administrator.
    #[error("this device was revoked; ask your administrator")]
    Revoked,
    /// Nothing more can be written.
    #[error("the phone's storage is full; free some space and try again")]
    StorageFull,
    /// A value that cannot be saved.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The person's role may not do that.
    #[error(transparent)]
    NotAllowed(#[from] Denied),
    /// Not on this phone.
    #[error("not found on this phone; sync and try again")]
    NotFound,
    /// The database or server speaks a newer version.
    #[error("a newer version of the app is needed")]
    NeedsNewerApp,
    /// The store is closed.
    #[error("the store is closed; reopen it first")]
    Closed,
    /// No enrolment yet.
    #[error("this phone is not enrolled; enter an enrolment code first")]
    NotEnrolled,
    /// A document of a newer version can be read, not edited.
    #[error("this was made by a newer version of the app; update the app to change it")]
    MadeByNewerVersion,
    /// The database is encrypted and the store was opened without a key. Nothing was touched.
    #[error("the database is encrypted; open the store with its key")]
    KeyNeeded,
    /// A key was given for a database that is not encrypted. Nothing was touched.
    #[error("the database is not encrypted; encrypt it first, or open the store without a key")]
    NotEncrypted,
    /// The database is encrypted with another key. Nothing was touched.
    #[error("the key does not open this database; nothing in it was touched")]
    WrongKey,
    /// The phone gives no key now, for this reason. Nothing was touched.
    #[error("the database's key is not available now ({0}); try again later")]
    KeyUnavailable(String),
    /// The database file is damaged. Reopening sets it aside and salvages what can be read.
    #[error("the database is damaged ({0}); close and open the store to salvage it")]
    Damaged(String),
    /// A fault in the app.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<EditError> for FieldError {
    fn from(error: EditError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<OpenError> for FieldError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged(what) => Self::Damaged(what),
            // Arrives with the next sync.
            OpenError::MissingChanges(_) => Self::NotFound,
        }
    }
}

impl From<InvalidMoney> for FieldError {
    fn from(error: InvalidMoney) -> Self {
        Self::Invalid(InvalidField::new("amount", error.to_string()))
    }
}

impl From<serde_json::Error> for FieldError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<getrandom::Error> for FieldError {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(format!("the phone gives no random numbers: {error}"))
    }
}

impl From<rusqlite::Error> for FieldError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode, ffi};
        match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::StorageFull,
                ErrorCode::SystemIoFailure
                    if [
                        ffi::SQLITE_IOERR_WRITE,
                        ffi::SQLITE_IOERR_SHMSIZE,
                        ffi::SQLITE_IOERR_TRUNCATE,
                    ]
                    .contains(&failure.extended_code) =>
                {
                    Self::StorageFull
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(error.to_string()),
                // A file cut short: a page that should be there cannot be read.
                ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
                    Self::Damaged(error.to_string())
                }
                _ => Self::Internal(error.to_string()),
            },
            Error::QueryReturnedNoRows => Self::NotFound,
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}
