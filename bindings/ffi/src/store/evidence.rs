//! Photos, signatures, stamps, slips and videos.

use fieldledger_core::{
    error::FieldError,
    evidence::EvidenceFile,
    model::{DocumentId, Evidence, EvidenceHash, UploadState},
    store::NewEvidence,
};

use crate::{Count, PathBuf};

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// Names a photo, signature, stamp, slip or video in a visit or a delivery, and keeps where its file is.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when the file is not what the hash and size say, or the document takes no evidence; as
    /// `save`.
    pub async fn add_evidence(
        &self,
        document: DocumentId,
        evidence: Evidence,
        hash: EvidenceHash,
        file: Option<PathBuf>,
    ) -> Result<(), FieldError> {
        self.run(move |store| store.add_evidence(document, evidence, hash, file))
            .await
    }

    /// Attaches a file that this phone just took to a visit, a delivery or an answer to a statement: names it by the hash of
    /// its bytes, notes who took it and when, and notes that it is still to be sent. The file stays where it is:
    /// sending it is the app's, which tells with `set_evidence_state` how far it has come.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when the file cannot be read or is empty; as `add_evidence`.
    pub async fn attach_evidence(
        &self,
        document: DocumentId,
        file: PathBuf,
        evidence: NewEvidence,
    ) -> Result<EvidenceHash, FieldError> {
        self.run(move |store| store.attach_evidence(document, file, evidence))
            .await
    }

    /// How far the bytes of a piece of evidence have got.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn evidence_state(&self, hash: EvidenceHash) -> Result<UploadState, FieldError> {
        self.run(move |store| store.evidence_state(hash)).await
    }

    /// The files that wait to be sent, some of them.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn evidence_to_upload(&self, limit: Count) -> Result<Vec<EvidenceFile>, FieldError> {
        self.run(move |store| store.evidence_to_upload(limit)).await
    }

    /// Notes how far a file has been sent.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; [`FieldError::StorageFull`].
    pub async fn set_evidence_state(
        &self,
        hash: EvidenceHash,
        state: UploadState,
        sent: u64,
    ) -> Result<(), FieldError> {
        self.run(move |store| store.set_evidence_state(hash, state, sent)).await
    }
}
