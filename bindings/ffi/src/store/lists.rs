//! Lists and search.

use fieldledger_core::{
    error::FieldError,
    model::{CustomerId, DocumentId},
    store::{Before, DocumentRow, ListQuery, SearchHit, Today},
};

use crate::{Count, NaiveDate};

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// What there is to do on a day, today when none is given.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as `organisation`.
    pub async fn today(&self, date: Option<NaiveDate>) -> Result<Today, FieldError> {
        self.run(move |store| store.today(date)).await
    }

    /// What happened with a customer, newest first; `before` is the last row of the page before.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn timeline(
        &self,
        customer: CustomerId,
        before: Option<Before>,
        limit: Count,
    ) -> Result<Vec<DocumentRow>, FieldError> {
        self.run(move |store| store.timeline(customer, before, limit)).await
    }

    /// Documents that fit a query, newest first; those with words in them, the ones stored last first.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn list(&self, query: ListQuery) -> Result<Vec<DocumentRow>, FieldError> {
        self.run(move |store| store.list(&query)).await
    }

    /// One document as a row of a list.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn row(&self, id: DocumentId) -> Result<Option<DocumentRow>, FieldError> {
        self.run(move |store| store.row(id)).await
    }

    /// Customers, then documents, with these words in them. Two Chinese characters suffice; Latin words are found by
    /// their beginning.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn search(&self, text: String, limit: Count) -> Result<Vec<SearchHit>, FieldError> {
        self.run(move |store| store.search(&text, limit)).await
    }
}
