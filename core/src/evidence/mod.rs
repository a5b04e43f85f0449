//! Evidence on the phone: files named by the SHA-256 of their bytes, and the queue of those to be sent.
//!
//! * `files`: the folder beside the database, where the phone keeps copies of its own.
//! * `queue`: what is known of each file, in the database.
//!
//! Sending them is `sync::driver`'s.

pub(crate) mod files;
pub(crate) mod queue;

use std::path::PathBuf;

pub use files::hash_file;

use crate::model::{DocumentId, EvidenceHash, UploadState};

/// A file of evidence, as this phone knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct EvidenceFile {
    /// Its name: the hash of its bytes.
    pub hash: EvidenceHash,
    /// Where it is on this phone, for showing it. `None` when it is not here: another phone took it, or the copy was
    /// deleted because the server and a backup of it have it.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub path: Option<PathBuf>,
    /// Its size in bytes.
    pub size: u64,
    /// How far it has got.
    pub state: UploadState,
    /// How many bytes the server has confirmed.
    pub sent: u64,
    /// The document that names it; `None` for one that was added by an earlier version and not looked at since.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub document: Option<DocumentId>,
    /// Why it is not on the server, for the person.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub problem: Option<String>,
}
