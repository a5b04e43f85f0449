//! A pass over the files: which are sent, about which the server is asked, and what is noted of them.

use std::{collections::HashSet, future::Future, time::Duration};

use rusqlite::Transaction;
use tokio::sync::MutexGuard;

use super::{super::SyncDriver, Allowed, EvidenceReport, pace::Pace};
use crate::{
    error::FieldError,
    evidence::{
        files::Folder,
        queue::{self, Entry},
    },
    model::{DocumentId, EvidenceHash, Timestamp},
    store::Change,
    sync::transport::{EvidenceTransport, Held, Transport, TransportFault, Upload, UploadFault},
};

/// What ends a pass.
pub(super) enum Stop {
    /// The app's policy for the network.
    NotAllowed,
    Fault(TransportFault),
    Storage(FieldError),
}

impl From<FieldError> for Stop {
    fn from(error: FieldError) -> Self {
        Self::Storage(error)
    }
}

/// A pass over the files.
pub(super) struct Pass<'a, T> {
    pub(super) driver: &'a SyncDriver<T>,
    pub(super) allowed: &'a Allowed<'a>,
    pub(super) pace: MutexGuard<'a, Pace>,
    pub(super) folder: Folder,
    pub(super) report: EvidenceReport,
    /// Files that were tried in this pass and put off.
    pub(super) passed_over: HashSet<EvidenceHash>,
    /// Documents for which the server did not take a file in this pass.
    pub(super) refused: HashSet<(EvidenceHash, DocumentId)>,
}

impl<T: Transport + EvidenceTransport> Pass<'_, T> {
    pub(super) async fn work(&mut self) -> Result<(), Stop> {
        self.find_documents().await?;
        self.send_all().await?;
        if self.ask_about_stored().await? {
            self.send_all().await?;
        }
        Ok(())
    }

    /// Finds out which documents name the files of which that is not known.
    async fn find_documents(&self) -> Result<(), FieldError> {
        self.driver
            .blocking(|store| {
                let now = store.now();
                let wanted = store.read(|connection| queue::without_document(connection, now))?;
                if wanted.is_empty() {
                    return Ok(());
                }
                let named = store.read(|connection| queue::documents_naming(connection, &wanted, None))?;
                store.write(&[Change::Evidence], |transaction| {
                    for hash in wanted {
                        match named.get(&hash) {
                            Some(document) => queue::set_document(transaction, hash, *document)?,
                            None => queue::put_off(transaction, hash, "no document on this phone names it", now)?,
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn send_all(&mut self) -> Result<(), Stop> {
        while let Some(file) = self.next(None).await? {
            self.send(&file).await?;
        }
        Ok(())
    }

    pub(super) async fn next(&self, below: Option<u64>) -> Result<Option<Entry>, FieldError> {
        let passed_over = self.passed_over.clone();
        self.driver
            .blocking(move |store| {
                store.read(|connection| queue::next_to_send(connection, store.now(), &passed_over, below))
            })
            .await
    }

    pub(super) fn may_go_on(&self) -> Result<(), Stop> {
        if (self.allowed)() {
            Ok(())
        } else {
            Err(Stop::NotAllowed)
        }
    }

    /// Asks about the files that the server has and no backup of it. Returns whether it has lost some.
    async fn ask_about_stored(&mut self) -> Result<bool, Stop> {
        let due = self
            .driver
            .blocking(|store| store.read(|connection| queue::to_ask_about(connection, store.now())))
            .await?;
        let mut has_lost_some = false;
        for file in due {
            let Some(document) = file.document else { continue };
            let upload = Upload {
                document,
                hash: file.hash,
                size: file.size,
            };
            self.may_go_on()?;
            match self.begin(&upload).await {
                Ok(held) if held.offset == upload.size => self.note_asked(upload.hash, held).await?,
                Ok(held) => {
                    has_lost_some = true;
                    self.note(move |transaction, _| queue::forgotten(transaction, upload.hash, held.offset))
                        .await?;
                }
                Err(UploadFault::Transport(fault)) if !matches!(fault, TransportFault::Server(_)) => {
                    return Err(Stop::Fault(fault));
                }
                // The document may be on its way to a restored server.
                Err(fault) => self.put_off(upload.hash, &fault.to_string()).await?,
            }
        }
        Ok(has_lost_some)
    }

    pub(super) async fn begin(&self, upload: &Upload) -> Result<Held, UploadFault> {
        self.patiently(self.driver.shared.transport.begin(upload)).await
    }

    pub(super) async fn append(&self, upload: &Upload, offset: u64, part: Vec<u8>) -> Result<Held, UploadFault> {
        self.patiently(self.driver.shared.transport.append(upload, offset, part))
            .await
    }

    async fn patiently<R>(&self, asked: impl Future<Output = Result<R, UploadFault>>) -> Result<R, UploadFault> {
        let patience = Duration::from_millis(self.driver.shared.config.reply_within_millis);
        tokio::time::timeout(patience, asked)
            .await
            .unwrap_or(Err(UploadFault::Transport(TransportFault::Timeout)))
    }

    pub(super) async fn note_sent(&self, hash: EvidenceHash, bytes: u64) -> Result<(), FieldError> {
        self.note(move |transaction, _| queue::sent(transaction, hash, bytes))
            .await
    }

    pub(super) async fn note_stored(&mut self, hash: EvidenceHash, held: Held) -> Result<(), FieldError> {
        self.report.stored += 1;
        self.note_asked(hash, held).await
    }

    async fn note_asked(&self, hash: EvidenceHash, held: Held) -> Result<(), FieldError> {
        self.note(move |transaction, now| queue::stored(transaction, hash, held.backed_up, now))
            .await
    }

    pub(super) async fn lose(&mut self, hash: EvidenceHash, why: &str) -> Result<(), FieldError> {
        self.report.lost += 1;
        let why = why.to_owned();
        self.note(move |transaction, _| queue::lost(transaction, hash, &why))
            .await
    }

    pub(super) async fn put_off(&mut self, hash: EvidenceHash, why: &str) -> Result<(), FieldError> {
        self.passed_over.insert(hash);
        let why = why.to_owned();
        self.note(move |transaction, now| queue::put_off(transaction, hash, &why, now))
            .await
    }

    /// Writes down what is known of a file now, and tells listeners.
    pub(super) async fn note(
        &self,
        write: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<(), FieldError> + Send + 'static,
    ) -> Result<(), FieldError> {
        self.driver
            .blocking(move |store| {
                let now = store.now();
                store.write(&[Change::Evidence], |transaction| write(transaction, now))
            })
            .await
    }
}
