use super::{Document, FieldStore};
use crate::{error::FieldError, model::CollectionNote};

impl FieldStore {
    /// Records a contact about money.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn record_collection(&self, note: CollectionNote) -> Result<Document<CollectionNote>, FieldError> {
        self.create(note)
    }
}
