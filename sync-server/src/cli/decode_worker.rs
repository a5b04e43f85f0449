//! `fieldledger decode-worker`: started by the server for itself, never by a person.

use super::Failure;
use crate::ingest::worker;

/// Judges changes until the server closes the pipe.
pub(super) fn run() -> Result<(), Failure> {
    worker::run().map_err(|error| Failure(format!("the decode worker ends: {error}")))
}
