//! Visits: planned, begun, ended.

use fieldledger_core::{
    error::FieldError,
    model::{CustomerId, DocumentId, Position, VisitPurpose},
    store::CheckOut,
};

use crate::{NaiveDate, VisitDocument};

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// Plans a visit for a day.
    ///
    /// # Errors
    /// As `create`.
    pub async fn plan_visit(
        &self,
        customer: CustomerId,
        day: NaiveDate,
        purpose: VisitPurpose,
    ) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.plan_visit(customer, day, purpose)?.into()))
            .await
    }

    /// Starts a visit that nobody planned: created and checked in at once.
    ///
    /// # Errors
    /// As `create`.
    pub async fn start_visit(
        &self,
        customer: CustomerId,
        purpose: VisitPurpose,
        position: Option<Position>,
    ) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.start_visit(customer, purpose, position)?.into()))
            .await
    }

    /// Checks in to a planned visit.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it has begun or was cancelled; as `save`.
    pub async fn check_in(&self, id: DocumentId, position: Option<Position>) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.check_in(id, position)?.into())).await
    }

    /// Checks out, with what came of the visit.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] unless the visit is open; as `save`.
    pub async fn check_out(&self, id: DocumentId, leaving: CheckOut) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.check_out(id, leaving)?.into())).await
    }

    /// Says why a planned visit does not take place.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it has begun or no reason is given; as `save`.
    pub async fn cancel_visit(&self, id: DocumentId, reason: String) -> Result<VisitDocument, FieldError> {
        self.run(move |store| Ok(store.cancel_visit(id, &reason)?.into())).await
    }
}
