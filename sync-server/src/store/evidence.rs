//! What is known of files of evidence that have arrived. Their bytes are in [`Blobs`](crate::blobs::Blobs).

use async_trait::async_trait;
use fieldledger_core::model::{DeviceId, DocumentId, EvidenceHash, OrganisationId, Timestamp};

use super::StoreError;

/// A file of evidence that has arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceFile {
    /// Its name: the SHA-256 of its bytes.
    pub hash: EvidenceHash,
    /// Its size in bytes.
    pub size: u64,
    /// The document for which it was sent. Others may name it too, with or without having brought the bytes.
    pub document: DocumentId,
    /// The phone that sent it.
    pub device: DeviceId,
    /// When its last byte came.
    pub arrived_at: Timestamp,
    /// Whether a backup holds it.
    pub backed_up: bool,
}

/// Which files of evidence have arrived.
#[async_trait]
pub trait EvidenceStore: Send + Sync {
    /// Notes that a file has arrived for a document. What is known already stays as it is.
    async fn evidence_arrived(&self, org: OrganisationId, file: EvidenceFile) -> Result<(), StoreError>;

    /// What is known of these files, a line for each document for which one was sent; those that have not arrived are left out.
    async fn evidence_files(&self, org: OrganisationId, of: &[EvidenceHash]) -> Result<Vec<EvidenceFile>, StoreError>;

    /// Files in the order of their hashes, at most `limit` of them, from the one after `after`, each once with one of its
    /// documents.
    async fn all_evidence(
        &self,
        org: OrganisationId,
        after: Option<EvidenceHash>,
        limit: usize,
    ) -> Result<Vec<EvidenceFile>, StoreError>;

    /// Notes that a backup holds these files.
    async fn evidence_backed_up(&self, org: OrganisationId, files: &[EvidenceHash]) -> Result<(), StoreError>;

    /// Forgets files whose bytes are gone, so that the phones that have them send them again.
    async fn forget_evidence(&self, org: OrganisationId, files: &[EvidenceHash]) -> Result<(), StoreError>;
}
