//! What supervisors say.

use fieldledger_core::{error::FieldError, model::DocumentId};

use crate::ReviewDocument;

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// What supervisors said about a document, newest first.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn reviews_of(&self, id: DocumentId) -> Result<Vec<ReviewDocument>, FieldError> {
        self.run(move |store| Ok(store.reviews_of(id)?.into_iter().map(Into::into).collect()))
            .await
    }

    /// Answers a review.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] without words; as `save`.
    pub async fn reply_to_review(&self, review: DocumentId, text: String) -> Result<ReviewDocument, FieldError> {
        self.run(move |store| Ok(store.reply_to_review(review, &text)?.into()))
            .await
    }
}
