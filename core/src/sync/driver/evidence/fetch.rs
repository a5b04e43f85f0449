//! Fetches files that other phones took, for somebody who wants to see them.

use std::path::PathBuf;

use futures::StreamExt as _;

use super::super::{SyncDriver, SyncError};
use crate::{
    error::FieldError,
    evidence::{
        files::{Found, Partial, Whole},
        queue::{self, Entry},
    },
    model::{DocumentId, EvidenceHash},
    store::{Change, FieldStore},
    sync::transport::{EvidenceTransport, Transport, TransportFault, UploadFault},
};

/// How much of a fetched file is gathered before it is written.
const WRITTEN_AT_ONCE: usize = 256 << 10;

impl<T: Transport + EvidenceTransport> SyncDriver<T> {
    /// Where a file of evidence that `document` names is on this phone. One that another phone took, or of which the
    /// copy was deleted, is fetched from the server, and kept for a month at least.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when no such document on this phone names the file, or the server does not have it yet;
    /// [`FieldError::StorageFull`]; [`TransportFault`].
    pub async fn fetch_evidence(&self, document: DocumentId, hash: EvidenceHash) -> Result<PathBuf, SyncError> {
        let folder = self.shared.store.evidence_folder();
        let size = match self.blocking(move |store| here_or_size(&store, document, hash)).await? {
            Here::At(path) => return Ok(path),
            Here::Not { size } => size,
        };
        let wrong = || TransportFault::Server("what it sent is not the file that the document names".to_owned());
        let mut bytes = self
            .shared
            .transport
            .fetch(document, hash)
            .await
            .map_err(|fault| match fault {
                UploadFault::Transport(fault) => SyncError::Transport(fault),
                UploadFault::Gone | UploadFault::NotNamed { .. } => SyncError::Storage(FieldError::NotFound),
                other => SyncError::Transport(TransportFault::Server(other.to_string())),
            })?;
        let in_folder = folder.clone();
        let mut file = self
            .blocking(move |store| in_folder.begin(store.random_bytes()?))
            .await?;
        let (mut gathered, mut received) = (Vec::new(), 0u64);
        while let Some(part) = bytes.next().await {
            let part = part?;
            received += part.len() as u64;
            if received > size {
                return Err(wrong().into());
            }
            gathered.extend_from_slice(&part);
            if gathered.len() >= WRITTEN_AT_ONCE {
                file = self.written(file, std::mem::take(&mut gathered)).await?;
            }
        }
        file = self.written(file, gathered).await?;
        let path = self
            .blocking(move |store| {
                let whole = file.finish()?;
                if (whole.hash, whole.size) != (hash, size) {
                    return Ok(None);
                }
                keep_fetched(&store, document, whole).map(Some)
            })
            .await?;
        path.ok_or_else(|| wrong().into())
    }

    async fn written(&self, mut file: Partial, bytes: Vec<u8>) -> Result<Partial, FieldError> {
        self.blocking(move |_| {
            file.write(&bytes)?;
            Ok(file)
        })
        .await
    }
}

/// Where a file is that somebody wants to see.
enum Here {
    At(PathBuf),
    /// Not on this phone; as large as the document says.
    Not {
        size: u64,
    },
}

fn here_or_size(store: &FieldStore, document: DocumentId, hash: EvidenceHash) -> Result<Here, FieldError> {
    let folder = store.evidence_folder();
    let known = store.read(|connection| queue::find(connection, hash))?;
    if let Some(Entry {
        stored: Some(stored),
        size,
        ..
    }) = known
        && folder.look(&stored, size) == Found::Here
    {
        return Ok(Here::At(folder.locate(&stored)));
    }
    let tree = store.tree(document)?.ok_or(FieldError::NotFound)?;
    let size = tree
        .get("evidence")
        .and_then(|evidence| evidence.get(hash.to_string())?.get("size")?.as_u64());
    Ok(Here::Not {
        size: size.ok_or(FieldError::NotFound)?,
    })
}

fn keep_fetched(store: &FieldStore, document: DocumentId, whole: Whole) -> Result<PathBuf, FieldError> {
    let (name, hash, size) = (whole.name(), whole.hash, whole.size);
    store.write(&[Change::Evidence], |transaction| {
        queue::note_fetched(transaction, hash, size, &name, document, store.now())
    })?;
    whole.keep();
    Ok(store.evidence_folder().locate(&name))
}
