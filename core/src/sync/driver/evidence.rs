//! Sends files of evidence, and keeps an eye on those that were sent.
//!
//! A file goes up in parts, and after each the phone notes how much the server has: a network that breaks costs one
//! part at most. Whoever asks where to go on asks the server, never the phone's notes. The bytes are read from the
//! file when they are sent; nothing is held in memory but one part.
//!
//! * `pass`: one time over all files that are due.
//! * `sending`: one file, until the server has it.
//! * `pace`: how large its parts are.
//! * `background`: passes for as long as the app runs.
//! * `telling`: what is told of them meanwhile.
//! * `fetch`: files that others took.

mod background;
mod fetch;
mod pace;
mod pass;
mod sending;
mod telling;

use std::collections::HashSet;

use self::pass::{Pass, Stop};
pub(super) use self::{fetch::Turns, pace::Pace};
use super::{SyncDriver, SyncError, SyncReport};
use crate::{
    error::FieldError,
    evidence::{files::Folder, queue},
    store::{Change, FieldStore},
    sync::transport::{EvidenceTransport, Transport, TransportFault},
};

/// What sending files of evidence did: in one pass over them, or, where a sync that goes on tells it, since that began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct EvidenceReport {
    /// Files of which the server confirmed that it has the whole.
    pub stored: usize,
    /// Files that wait still, those included that cannot be sent before their document.
    pub left: usize,
    /// Files that turned out to be gone or changed on this phone before they were sent.
    pub lost: usize,
    /// Bytes of files that the server took.
    pub bytes_up: u64,
    /// What ended the last pass early, if anything did, in a sentence for the person. The files that are left are tried again.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub problem: Option<String>,
}

impl EvidenceReport {
    /// Nothing could be done.
    fn failed(error: &FieldError) -> Self {
        Self {
            problem: Some(error.to_string()),
            ..Self::default()
        }
    }
}

/// Says whether the present network may be used. One type for whoever asks: a copy of all of this for each would make apps
/// larger.
type Allowed<'a> = dyn Fn() -> bool + Send + Sync + 'a;

impl<T: Transport + EvidenceTransport> SyncDriver<T> {
    /// Sends the files of evidence that are due, the smallest first: a signature never waits behind a video. A file
    /// goes after the document that names it. Then asks the server about files that it had and no backup held, sends
    /// those again that it lost, and deletes copies on this phone that nobody needs any more.
    ///
    /// `allowed` is asked before every request whether the present network may be used; while it says no, files are
    /// left. It should not block.
    ///
    /// # Errors
    /// [`SyncError::Storage`]. What goes wrong with the network or the server is in [`EvidenceReport::problem`], what
    /// is wrong with one file in its [`EvidenceFile::problem`](crate::evidence::EvidenceFile::problem).
    pub async fn send_evidence(&self, allowed: impl Fn() -> bool + Send + Sync) -> Result<EvidenceReport, SyncError> {
        let (report, _) = self.pass(&allowed).await?;
        Ok(report)
    }

    /// [`Self::sync_once`], then [`Self::send_evidence`]. What goes wrong with files does not make it fail: the
    /// report says it in [`EvidenceReport::problem`].
    ///
    /// # Errors
    /// As [`Self::sync_once`].
    pub async fn sync_all(&self, allowed: impl Fn() -> bool + Send + Sync) -> Result<SyncReport, SyncError> {
        let mut report = self.sync_once().await?;
        report.evidence = match self.pass(&allowed).await {
            Ok((evidence, _)) => evidence,
            Err(error) => EvidenceReport::failed(&error),
        };
        Ok(report)
    }

    /// One pass, and the fault of network or server that ended it.
    async fn pass(&self, allowed: &Allowed<'_>) -> Result<(EvidenceReport, Option<TransportFault>), FieldError> {
        let pace = self.shared.evidence_turn.lock().await;
        let mut pass = Pass {
            driver: self,
            allowed,
            pace,
            folder: self.shared.store.evidence_folder(),
            report: EvidenceReport::default(),
            passed_over: HashSet::new(),
            refused: HashSet::new(),
        };
        let fault = match pass.work().await {
            Ok(()) | Err(Stop::NotAllowed) => None,
            Err(Stop::Fault(fault)) => Some(fault),
            Err(Stop::Storage(error)) => return Err(error),
        };
        let mut report = pass.report;
        let folder = pass.folder;
        report.left = self
            .blocking(move |store| {
                delete_outlived(&store, &folder)?;
                Ok(store.read(queue::counts)?.0)
            })
            .await?;
        report.problem = fault.as_ref().map(ToString::to_string);
        Ok((report, fault))
    }
}

/// Deletes the copies that were stored and backed up long enough ago. One that cannot be deleted stays until another
/// day.
fn delete_outlived(store: &FieldStore, folder: &Folder) -> Result<(), FieldError> {
    let now = store.now();
    for hash in store.read(|connection| queue::outlived(connection, now))? {
        let deleted = store.write(&[Change::Evidence], |transaction| {
            let Some(stored) = queue::give_up_copy(transaction, hash, now)? else {
                return Ok(());
            };
            folder
                .delete(&stored)
                .map_err(|error| FieldError::Internal(error.to_string()))
        });
        if let Err(error) = deleted {
            tracing::warn!(%error, "the copy of a file of evidence could not be deleted");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
