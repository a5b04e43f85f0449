use std::path::PathBuf;

use super::{Change, FieldStore};
use crate::{
    error::FieldError,
    evidence::{self, EvidenceFile},
    model::{
        DocumentId, DocumentKind, Evidence, EvidenceHash, EvidenceKind, InvalidField, Position, Timestamp, UploadState,
    },
};

/// What the app says about a file that was just taken.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct NewEvidence {
    /// What it shows.
    pub kind: EvidenceKind,
    /// Media type, for example `image/jpeg`.
    pub media_type: String,
    /// When it was taken, by the phone's clock; now when nothing is said.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub taken_at: Option<Timestamp>,
    /// Where the phone says it was.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
    /// A caption.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub caption: String,
}

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

    /// Attaches a file that this phone just took to a visit, a delivery or an answer to a statement: names it by the hash of
    /// its bytes, notes who took it and when, and notes that it is still to be sent. The file stays where it is:
    /// sending it is the app's, which tells with [`Self::set_evidence_state`] how far it has come.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when the file cannot be read or is empty; as [`Self::add_evidence`].
    pub fn attach_evidence(
        &self,
        document: DocumentId,
        file: PathBuf,
        evidence: NewEvidence,
    ) -> Result<EvidenceHash, FieldError> {
        let taken_by = self.require_identity()?.user;
        let (hash, size) = evidence::hash_file(&file)?;
        let described = Evidence {
            kind: evidence.kind,
            size,
            media_type: evidence.media_type,
            taken_at: evidence.taken_at.unwrap_or_else(|| self.now()),
            taken_by,
            position: evidence.position,
            caption: evidence.caption,
        };
        self.add_evidence(document, described, hash, Some(file))?;
        Ok(hash)
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
