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
    /// Names a photo, signature, stamp, slip or video in a visit, a delivery or an answer to a statement. Of a file the phone makes
    /// a copy that it sends; without one it is only named, because another phone has it.
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
    /// its bytes and notes who took it and when. The phone keeps a copy of its own and sends it after the document; the app may
    /// delete its file.
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

    /// What this phone knows of a file of evidence: where it is, how far it has got, and why it is not on the server. Nothing when
    /// the phone has not heard of it.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn evidence_file(&self, hash: EvidenceHash) -> Result<Option<EvidenceFile>, FieldError> {
        self.run(move |store| store.evidence_file(hash)).await
    }

    /// The files that the server has not got yet, some of them: those that were lost before they were sent, then the others in the
    /// order in which they are sent.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn evidence_waiting(&self, limit: Count) -> Result<Vec<EvidenceFile>, FieldError> {
        self.run(move |store| store.evidence_waiting(limit)).await
    }

    /// Gives up a file that was lost before it was sent, or that the server has said no to: it is not sent any more, and the
    /// phone's copy goes. The document goes on naming it.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when there is no such file: none that waits for its turn is given up.
    pub async fn give_up_evidence(&self, hash: EvidenceHash) -> Result<(), FieldError> {
        self.run(move |store| store.give_up_evidence(hash)).await
    }
}
