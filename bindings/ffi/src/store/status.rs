//! How phone and server stand to each other.

use fieldledger_core::{error::FieldError, model::ChangeHash, store::SyncStatus};

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// How phone and server stand to each other.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn status(&self) -> Result<SyncStatus, FieldError> {
        self.run(move |store| store.status()).await
    }

    /// Hides the notice of a refused change. The change itself stays with its document.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when no such change was refused.
    pub async fn dismiss_rejected(&self, hash: ChangeHash) -> Result<(), FieldError> {
        self.run(move |store| store.dismiss_rejected(hash)).await
    }
}
