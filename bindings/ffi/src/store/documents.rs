//! Documents of every kind: read, change, save.

use fieldledger_core::{
    document::{Disagreement, HistoryEntry},
    error::FieldError,
    model::{ChangeHash, CollectionNote, Delivery, DocumentId, Order, Review, StatementConfirmation, Visit},
};

use crate::{
    CollectionNoteDocument, Count, DeliveryDocument, Json, OrderDocument, ReviewDocument,
    StatementConfirmationDocument, VisitDocument,
};

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// A visit.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`].
    pub async fn visit(&self, id: DocumentId) -> Result<Option<VisitDocument>, FieldError> {
        self.run(move |store| Ok(store.visit(id)?.map(Into::into))).await
    }

    /// A delivery.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn delivery(&self, id: DocumentId) -> Result<Option<DeliveryDocument>, FieldError> {
        self.run(move |store| Ok(store.delivery(id)?.map(Into::into))).await
    }

    /// A collection note.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn collection_note(&self, id: DocumentId) -> Result<Option<CollectionNoteDocument>, FieldError> {
        self.run(move |store| Ok(store.collection_note(id)?.map(Into::into)))
            .await
    }

    /// An order.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn order(&self, id: DocumentId) -> Result<Option<OrderDocument>, FieldError> {
        self.run(move |store| Ok(store.order(id)?.map(Into::into))).await
    }

    /// A review.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn review(&self, id: DocumentId) -> Result<Option<ReviewDocument>, FieldError> {
        self.run(move |store| Ok(store.review(id)?.map(Into::into))).await
    }

    /// A customer's answer to a statement.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn statement_confirmation(
        &self,
        id: DocumentId,
    ) -> Result<Option<StatementConfirmationDocument>, FieldError> {
        self.run(move |store| Ok(store.statement_confirmation(id)?.map(Into::into)))
            .await
    }

    /// A document of any kind as a tree of JSON, for one made by a newer version.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn tree(&self, id: DocumentId) -> Result<Option<Json>, FieldError> {
        self.run(move |store| store.tree(id)).await
    }

    /// The newest changes of a document, ascending; `None` when it is not here.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn heads(&self, id: DocumentId) -> Result<Option<Vec<ChangeHash>>, FieldError> {
        self.run(move |store| store.heads(id)).await
    }

    /// Whether a change of a document is on this phone, acknowledged or not.
    ///
    /// # Errors
    /// As `visit`.
    pub async fn holds_change(&self, id: DocumentId, change: ChangeHash) -> Result<bool, FieldError> {
        self.run(move |store| store.holds_change(id, change)).await
    }

    /// What happened to a document, change by change.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as `visit`.
    pub async fn history(&self, id: DocumentId) -> Result<Vec<HistoryEntry>, FieldError> {
        self.run(move |store| store.history(id)).await
    }

    /// The fields of a document about which people disagree.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as `visit`.
    pub async fn disagreements(&self, id: DocumentId) -> Result<Vec<Disagreement>, FieldError> {
        self.run(move |store| store.disagreements(id)).await
    }

    /// Settles a disagreement: writes the chosen value as a change of its own, after all that are known here.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when nobody disagrees about the field (any more) or the document would break a rule; as
    /// `save`.
    pub async fn settle(&self, id: DocumentId, path: Vec<String>, chosen: Json) -> Result<(), FieldError> {
        self.run(move |store| store.settle(id, &path, &chosen)).await
    }

    /// `settle` with one of the values of `disagreements`, by its place.
    ///
    /// # Errors
    /// As `settle`.
    pub async fn settle_with(&self, id: DocumentId, path: Vec<String>, value_index: Count) -> Result<(), FieldError> {
        self.run(move |store| store.settle_with(id, &path, value_index)).await
    }

    /// Records a new visit.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub async fn create_visit(&self, value: Visit) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.create(value)?.into())).await
    }

    /// Saves what was changed in a visit since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`], [`FieldError::NotFound`],
    /// [`FieldError::StorageFull`].
    pub async fn save_visit(&self, document: VisitDocument) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.save(&document.of(store)?)?.into()))
            .await
    }

    /// Records a new delivery.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub async fn create_delivery(&self, value: Delivery) -> Result<DeliveryDocument, FieldError> {
        self.run(move |store| Ok(store.create(value)?.into())).await
    }

    /// Saves what was changed in a delivery since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`], [`FieldError::NotFound`],
    /// [`FieldError::StorageFull`].
    pub async fn save_delivery(&self, document: DeliveryDocument) -> Result<DeliveryDocument, FieldError> {
        self.run(move |store| Ok(store.save(&document.of(store)?)?.into()))
            .await
    }

    /// Records a new collection note.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub async fn create_collection_note(&self, value: CollectionNote) -> Result<CollectionNoteDocument, FieldError> {
        self.run(move |store| Ok(store.create(value)?.into())).await
    }

    /// Saves what was changed in a collection note since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`], [`FieldError::NotFound`],
    /// [`FieldError::StorageFull`].
    pub async fn save_collection_note(
        &self,
        document: CollectionNoteDocument,
    ) -> Result<CollectionNoteDocument, FieldError> {
        self.run(move |store| Ok(store.save(&document.of(store)?)?.into()))
            .await
    }

    /// Records a new order.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub async fn create_order(&self, value: Order) -> Result<OrderDocument, FieldError> {
        self.run(move |store| Ok(store.create(value)?.into())).await
    }

    /// Saves what was changed in a order since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`], [`FieldError::NotFound`],
    /// [`FieldError::StorageFull`].
    pub async fn save_order(&self, document: OrderDocument) -> Result<OrderDocument, FieldError> {
        self.run(move |store| Ok(store.save(&document.of(store)?)?.into()))
            .await
    }

    /// Records a new review.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub async fn create_review(&self, value: Review) -> Result<ReviewDocument, FieldError> {
        self.run(move |store| Ok(store.create(value)?.into())).await
    }

    /// Saves what was changed in a review since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`], [`FieldError::NotFound`],
    /// [`FieldError::StorageFull`].
    pub async fn save_review(&self, document: ReviewDocument) -> Result<ReviewDocument, FieldError> {
        self.run(move |store| Ok(store.save(&document.of(store)?)?.into()))
            .await
    }

    /// Records a new statement confirmation.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub async fn create_statement_confirmation(
        &self,
        value: StatementConfirmation,
    ) -> Result<StatementConfirmationDocument, FieldError> {
        self.run(move |store| Ok(store.create(value)?.into())).await
    }

    /// Saves what was changed in a statement confirmation since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`], [`FieldError::NotFound`],
    /// [`FieldError::StorageFull`].
    pub async fn save_statement_confirmation(
        &self,
        document: StatementConfirmationDocument,
    ) -> Result<StatementConfirmationDocument, FieldError> {
        self.run(move |store| Ok(store.save(&document.of(store)?)?.into()))
            .await
    }
}
