use std::{collections::BTreeMap, path::PathBuf};

use super::{Change, Document, FieldStore, StoredModel};
use crate::{
    error::FieldError,
    evidence::{
        EvidenceFile,
        files::{self, Folder, Whole},
        queue,
    },
    model::{
        Delivery, DocumentId, DocumentKind, Evidence, EvidenceHash, EvidenceKind, InvalidField, Position,
        StatementConfirmation, Timestamp, UploadState, Visit,
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

/// The kinds of documents that name files.
trait NamesEvidence: StoredModel {
    fn evidence(&mut self) -> &mut BTreeMap<EvidenceHash, Evidence>;
}

macro_rules! names_evidence {
    ($($model:ident),*) => {$(
        impl NamesEvidence for $model {
            fn evidence(&mut self) -> &mut BTreeMap<EvidenceHash, Evidence> {
                &mut self.evidence
            }
        }
    )*};
}
names_evidence!(Visit, Delivery, StatementConfirmation);

impl FieldStore {
    /// Names a photo, signature, stamp, slip or video in a visit, a delivery or an answer to a statement. The phone
    /// makes a copy of `file` that it sends when there is a network; the app's own file is not needed any more.
    /// Without a file it is only named: another phone has it.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when the file cannot be read or is not what the hash and size say, or the document
    /// takes no evidence; [`FieldError::StorageFull`] when there is no room for the copy; as [`Self::save`].
    pub fn add_evidence(
        &self,
        document: DocumentId,
        evidence: Evidence,
        hash: EvidenceHash,
        file: Option<PathBuf>,
    ) -> Result<(), FieldError> {
        evidence.validate()?;
        let kind = self.kind_with_evidence(document)?;
        let copy = file.map(|file| self.copy_evidence(&file)).transpose()?;
        if let Some(copy) = &copy
            && (copy.hash, copy.size) != (hash, evidence.size)
        {
            return Err(InvalidField::new("evidence", "the file is not the one that was named").into());
        }
        self.name_evidence(document, &kind, evidence, hash, copy)
    }

    /// Attaches a file that this phone just took to a visit, a delivery or an answer to a statement: names it by the
    /// hash of its bytes, and notes who took it and when. The phone makes a copy of it that it sends when there is a
    /// network; the app's own file is not needed any more.
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
        let kind = self.kind_with_evidence(document)?;
        let copy = self.copy_evidence(&file)?;
        let hash = copy.hash;
        let described = Evidence {
            kind: evidence.kind,
            size: copy.size,
            media_type: evidence.media_type,
            taken_at: evidence.taken_at.unwrap_or_else(|| self.now()),
            taken_by,
            position: evidence.position,
            caption: evidence.caption,
        };
        described.validate()?;
        self.name_evidence(document, &kind, described, hash, Some(copy))?;
        Ok(hash)
    }

    fn kind_with_evidence(&self, document: DocumentId) -> Result<DocumentKind, FieldError> {
        let kind = self.row(document)?.ok_or(FieldError::NotFound)?.kind;
        match kind {
            DocumentKind::Visit | DocumentKind::Delivery | DocumentKind::StatementConfirmation => Ok(kind),
            other => Err(InvalidField::new("evidence", format!("a {other} takes no evidence")).into()),
        }
    }

    fn copy_evidence(&self, file: &std::path::Path) -> Result<Whole, FieldError> {
        self.evidence_folder().copy(file, self.random_bytes()?)
    }

    fn name_evidence(
        &self,
        document: DocumentId,
        kind: &DocumentKind,
        evidence: Evidence,
        hash: EvidenceHash,
        copy: Option<Whole>,
    ) -> Result<(), FieldError> {
        match kind {
            DocumentKind::Visit => self.name_evidence_in(self.visit(document)?, evidence, hash, copy),
            DocumentKind::Delivery => self.name_evidence_in(self.delivery(document)?, evidence, hash, copy),
            _ => self.name_evidence_in(self.statement_confirmation(document)?, evidence, hash, copy),
        }
    }

    /// The document and what is known of the file are saved together: neither is ever without the other. A copy that
    /// was not saved is gone when it is dropped.
    fn name_evidence_in<T: NamesEvidence>(
        &self,
        document: Option<Document<T>>,
        evidence: Evidence,
        hash: EvidenceHash,
        copy: Option<Whole>,
    ) -> Result<(), FieldError> {
        let document = document.ok_or(FieldError::NotFound)?;
        let (id, size, now) = (document.id, evidence.size, self.now());
        let stored = copy.as_ref().map(Whole::name);
        self.save_with(&document, |transaction, value| {
            // What is recorded of a file stays when it is attached again, say because its copy was lost.
            let recorded = value.evidence().entry(hash).or_insert(evidence);
            if recorded.size != size {
                return Err(InvalidField::new("evidence", "the file is not the one that was named").into());
            }
            queue::note(transaction, hash, size, stored.as_deref(), id, now)
        })?;
        if let Some(copy) = copy {
            copy.keep();
        }
        self.tell(&[Change::Evidence]);
        Ok(())
    }

    /// How far the bytes of a piece of evidence have got.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn evidence_state(&self, hash: EvidenceHash) -> Result<UploadState, FieldError> {
        let file = self.read(|connection| queue::find(connection, hash))?;
        Ok(file.map_or(UploadState::Elsewhere, |file| file.state))
    }

    /// What this phone knows of a file of evidence; `None` when it has never had it. To show one that is not here,
    /// fetch it with [`SyncDriver::fetch_evidence`](crate::sync::driver::SyncDriver::fetch_evidence).
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn evidence_file(&self, hash: EvidenceHash) -> Result<Option<EvidenceFile>, FieldError> {
        let found = self.read(|connection| queue::find(connection, hash))?;
        Ok(found.map(|it| it.shown(&self.evidence_folder())))
    }

    /// The files that this phone named and the server does not have yet, at most `limit`: first those that were lost
    /// before they were sent, then those that wait, in the order in which they are sent. Each says what is the matter
    /// with it, if anything is.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn evidence_waiting(&self, limit: usize) -> Result<Vec<EvidenceFile>, FieldError> {
        let folder = self.evidence_folder();
        let found = self.read(|connection| queue::not_stored(connection, limit))?;
        Ok(found.into_iter().map(|it| it.shown(&folder)).collect())
    }

    /// Gives up a file that was lost before it was sent, or that the server has said no to (its
    /// [`EvidenceFile::problem`](crate::evidence::EvidenceFile::problem) says why): it is not sent any more, and the phone's
    /// copy goes. The document goes on naming it.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when there is no such file: none that waits for its turn is given up.
    pub fn give_up_evidence(&self, hash: EvidenceHash) -> Result<(), FieldError> {
        let copy = self.evidence_file(hash)?.and_then(|file| file.path);
        self.write(&[Change::Evidence], |transaction| {
            if queue::give_up(transaction, hash)? {
                Ok(())
            } else {
                Err(FieldError::NotFound)
            }
        })?;
        let folder = self.evidence_folder();
        if let Some(copy) = copy.filter(|copy| folder.holds(copy))
            && let Err(error) = std::fs::remove_file(copy)
        {
            tracing::warn!(%error, "the copy of a file of evidence that was given up could not be deleted");
        }
        Ok(())
    }

    /// Where the phone keeps its own copies.
    pub(crate) fn evidence_folder(&self) -> Folder {
        Folder::beside(&self.inner.options.path, self.inner.options.durability)
    }

    /// Puts in order what a process that ended in the middle has left in the folder. Nothing of this stands in the
    /// way of opening the store.
    pub(super) fn tidy_evidence(&self) -> Result<(), FieldError> {
        let folder = self.evidence_folder();
        folder.remove_parts();
        let unnamed = folder.unnamed();
        if unnamed.is_empty() {
            return Ok(());
        }
        let wanted = unnamed.iter().map(|(hash, _)| *hash).collect();
        // A damaged database may have forgotten the file and kept the document.
        let named = self.read(|connection| queue::documents_naming(connection, &wanted, None))?;
        for (hash, path) in unnamed {
            let known = self.read(|connection| queue::find(connection, hash))?;
            match named.get(&hash) {
                Some(document) if known.as_ref().is_none_or(|it| it.stored.is_none()) => {
                    let size = std::fs::metadata(&path).map_or(0, |it| it.len());
                    let name = hash.to_string();
                    self.write(&[], |transaction| {
                        queue::note(transaction, hash, size, Some(&name), *document, self.now())
                    })?;
                    folder.give_name(hash);
                }
                _ if known.is_some_and(|it| it.stored.as_deref().is_some_and(Folder::owns)) => folder.give_name(hash),
                _ => files::discard(&path),
            }
        }
        Ok(())
    }
}
