//! Documents that people make on the server's own pages: they go the way of everything a phone pushes.

use fieldledger_core::{
    document::{self, Authorship, EditError, NewChange, edit, tree},
    model::{Confirmation, DeviceId, DocumentId, OrganisationId, Party, Timestamp},
};
use serde_json::{Map, Value};

use super::{
    SyncService,
    route::{Bringer, contact_of},
    take_in::{Incoming, Outcome},
    validator::Refusal,
};
use crate::store::{Account, StoreError};

/// How often an edit is made again because somebody else was quicker.
const ATTEMPTS: usize = 8;

/// Why a page could not write a document.
#[derive(Debug, thiserror::Error)]
pub enum OwnDocumentError {
    /// A rule forbids it.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// There is no such document, or not for this person.
    #[error("the document is not here")]
    NotFound,
    /// Others kept changing the document.
    #[error("the document is being changed by others; try again")]
    Busy,
    /// The change could not be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SyncService {
    /// Makes a new document of `tree`, in the name of `account`.
    ///
    /// # Errors
    /// [`OwnDocumentError`].
    pub async fn create_document(&self, account: &Account, tree: &Value) -> Result<DocumentId, OwnDocumentError> {
        let now = self.clock.now();
        let id = DocumentId::from_bytes(self.random_bytes());
        let change = document::create(id, tree, &authorship(account, now))?;
        match self.take_in_own(account, change, now).await? {
            Outcome::Accepted | Outcome::Duplicate => Ok(id),
            Outcome::Later => Err(OwnDocumentError::Busy),
            Outcome::Refused { refusal, .. } => Err(OwnDocumentError::Refused(refusal)),
        }
    }

    /// Changes a document with `change`, in the name of `account`. It is called again when somebody else was quicker.
    ///
    /// # Errors
    /// [`OwnDocumentError`].
    pub async fn edit_document(
        &self,
        account: &Account,
        id: DocumentId,
        change: impl Fn(&mut Value) + Send + Sync,
    ) -> Result<(), OwnDocumentError> {
        for _ in 0..ATTEMPTS {
            let stored = self.store.document(account.organisation, id).await?;
            let stored = stored.ok_or(OwnDocumentError::NotFound)?;
            let now = self.clock.now();
            let made = {
                let mut opened = document::open(&stored.chunks)
                    .map_err(|error| StoreError::Damaged(format!("document {id}: {error}")))?;
                let before = tree::of(&opened);
                let mut after = before.clone();
                change(&mut after);
                edit::edit(
                    &mut opened,
                    id,
                    &stored.heads,
                    &before,
                    &after,
                    self.random_bytes(),
                    &authorship(account, now),
                )?
            };
            let Some(made) = made else { return Ok(()) };
            match self.take_in_own(account, made, now).await? {
                Outcome::Accepted | Outcome::Duplicate => return Ok(()),
                Outcome::Later => {}
                Outcome::Refused { refusal, .. } => return Err(OwnDocumentError::Refused(refusal)),
            }
        }
        Err(OwnDocumentError::Busy)
    }

    /// Writes what the customer's contact says of a delivery through a link, in the place of what was said for the customer
    /// before. The change names the contact as its author, and nobody of the company.
    ///
    /// # Errors
    /// [`OwnDocumentError`].
    pub async fn confirm_as_contact(
        &self,
        org: OrganisationId,
        id: DocumentId,
        said: &Confirmation,
    ) -> Result<(), OwnDocumentError> {
        let stored = self.store.document(org, id).await?;
        let stream = stored.ok_or(OwnDocumentError::NotFound)?.stream;
        let said = serde_json::to_value(said).map_err(|error| StoreError::Engine(error.to_string()))?;
        self.edit_document(&contact_of(org, stream), id, |tree| {
            let confirmations = tree
                .as_object_mut()
                .map(|tree| tree.entry("confirmations").or_insert_with(|| Value::Object(Map::new())));
            if let Some(Value::Object(confirmations)) = confirmations {
                confirmations.insert(Party::Customer.as_str().to_owned(), said.clone());
            }
        })
        .await
    }

    /// Settles a disagreement: writes the chosen value as a change of its own, in the name of `account`.
    ///
    /// # Errors
    /// [`OwnDocumentError`].
    pub async fn settle(
        &self,
        account: &Account,
        id: DocumentId,
        path: &[String],
        chosen: &Value,
    ) -> Result<(), OwnDocumentError> {
        let stored = self.store.document(account.organisation, id).await?;
        let stored = stored.ok_or(OwnDocumentError::NotFound)?;
        let now = self.clock.now();
        let made = {
            let mut opened = document::open(&stored.chunks)
                .map_err(|error| StoreError::Damaged(format!("document {id}: {error}")))?;
            edit::settle(
                &mut opened,
                id,
                path,
                chosen,
                self.random_bytes(),
                &authorship(account, now),
            )?
        };
        let made = made.ok_or(OwnDocumentError::NotFound)?;
        match self.take_in_own(account, made, now).await? {
            Outcome::Accepted | Outcome::Duplicate => Ok(()),
            // Somebody wrote meanwhile: the choice has to be made again, from what is there now.
            Outcome::Later => Err(OwnDocumentError::Busy),
            Outcome::Refused { refusal, .. } => Err(OwnDocumentError::Refused(refusal)),
        }
    }

    async fn take_in_own(&self, account: &Account, change: NewChange, now: Timestamp) -> Result<Outcome, StoreError> {
        let bringer = Bringer {
            account,
            device: None,
            clock_off: false,
        };
        let incoming = [Incoming {
            document: change.document,
            hash: change.hash,
            creates: change.heads == [change.hash],
            bytes: change.bytes,
            relayed: false,
        }];
        let outcome = self.take_in(bringer, &incoming, now).await?.pop();
        Ok(outcome.unwrap_or(Outcome::Later))
    }
}

/// Made on the server: no device, and the clock is the server's.
fn authorship(account: &Account, now: Timestamp) -> Authorship {
    Authorship {
        user: account.user,
        device: DeviceId::from_bytes([0; 16]),
        at: now,
        zone_minutes: 0,
        since_contact_millis: Some(0),
    }
}
