use std::path::PathBuf;

use super::{Change, FieldStore};
use crate::{
    error::FieldError,
    evidence::{self, EvidenceFile},
    model::{DocumentId, DocumentKind, Evidence, EvidenceHash, InvalidField, UploadState},
};

impl FieldStore {
    /// Names a photo, signature, stamp, slip or video in a visit or a delivery, and keeps where its file is.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when the file is not what the hash and size say, or the document takes no evidence; as
    /// [`Self::save`].
    pub fn add_evidence(
        &self,
        document: DocumentId,
        evidence: Evidence,
        hash: EvidenceHash,
        file: Option<PathBuf>,
    ) -> Result<(), FieldError> {
        evidence.validate()?;
        if let Some(file) = &file {
            let (found, size) = evidence::hash_file(file)?;
            if (found, size) != (hash, evidence.size) {
                return Err(InvalidField::new("evidence", "the file is not the one that was named").into());
            }
        }
        let size = evidence.size;
        let kind = self.row(document)?.ok_or(FieldError::NotFound)?.kind;
        // The file first: a document never names a file that the phone has forgotten.
        self.write(&[Change::Evidence], |transaction| {
            evidence::note_file(transaction, hash, size, file.as_deref())
        })?;
        match kind {
            DocumentKind::Visit => {
                let mut visit = self.visit(document)?.ok_or(FieldError::NotFound)?;
                visit.value.evidence.insert(hash, evidence);
                self.save(&visit).map(drop)
            }
            DocumentKind::Delivery => {
                let mut delivery = self.delivery(document)?.ok_or(FieldError::NotFound)?;
                delivery.value.evidence.insert(hash, evidence);
                self.save(&delivery).map(drop)
            }
            DocumentKind::StatementConfirmation => {
                let mut answer = self.statement_confirmation(document)?.ok_or(FieldError::NotFound)?;
                answer.value.evidence.insert(hash, evidence);
                self.save(&answer).map(drop)
            }
            other => Err(InvalidField::new("evidence", format!("a {other} takes no evidence")).into()),
        }
    }

    /// How far the bytes of a piece of evidence have got.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn evidence_state(&self, hash: EvidenceHash) -> Result<UploadState, FieldError> {
        let file = self.read(|connection| evidence::find_file(connection, hash))?;
        Ok(file.map_or(UploadState::Elsewhere, |file| file.state))
    }

    /// The files that wait to be sent, some of them.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn evidence_to_upload(&self, limit: usize) -> Result<Vec<EvidenceFile>, FieldError> {
        self.read(|connection| evidence::files_to_upload(connection, limit))
    }

    /// Notes how far a file has been sent.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; [`FieldError::StorageFull`].
    pub fn set_evidence_state(&self, hash: EvidenceHash, state: UploadState, sent: u64) -> Result<(), FieldError> {
        self.write(&[Change::Evidence], |transaction| {
            evidence::set_state(transaction, hash, state, sent)
        })
    }
}
