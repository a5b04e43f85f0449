use super::{Document, FieldStore};
use crate::{
    error::FieldError,
    model::{CollectionNote, StatementConfirmation},
};

impl FieldStore {
    /// Records a contact about money.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn record_collection(&self, note: CollectionNote) -> Result<Document<CollectionNote>, FieldError> {
        self.create(note)
    }

    /// Records what a customer answered to a statement. Photos of the stamped copy are attached to it afterwards.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn record_statement_confirmation(
        &self,
        answer: StatementConfirmation,
    ) -> Result<Document<StatementConfirmation>, FieldError> {
        self.create(answer)
    }
}
