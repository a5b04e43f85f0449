//! Bringing the money home.

use fieldledger_core::{
    error::FieldError,
    model::{CollectionNote, CustomerId, StatementConfirmation, StatementId},
    store::{
        ClosedCollection, CreditView, CustomerTold, PromiseQuery, Promises, ReceiptNotices, StatementReply,
        StatementRow, StatementView, Worklist, WorklistQuery,
    },
};

use crate::{CollectionNoteDocument, StatementConfirmationDocument};

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// Records a contact about money.
    ///
    /// # Errors
    /// As `create`.
    pub async fn record_collection(&self, note: CollectionNote) -> Result<CollectionNoteDocument, FieldError> {
        self.run(move |store| Ok(store.record_collection(note)?.into())).await
    }

    /// Records what a customer answered to a statement, as it is; `answer_statement` looks at the statement too.
    ///
    /// # Errors
    /// As `create`.
    pub async fn record_statement_confirmation(
        &self,
        answer: StatementConfirmation,
    ) -> Result<StatementConfirmationDocument, FieldError> {
        self.run(move |store| Ok(store.record_statement_confirmation(answer)?.into()))
            .await
    }

    /// Closes a collection with its review: was it late, why, what was difficult, what solved it.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `invoice_number` when this phone holds the customer's books and no such invoice,
    /// `closing.was_late` when that is left to the books and they do not tell, `closing.cause` without a cause for what
    /// was late; as `create`.
    pub async fn close_collection(&self, closed: ClosedCollection) -> Result<CollectionNoteDocument, FieldError> {
        self.run(move |store| Ok(store.close_collection(closed)?.into())).await
    }

    /// Where a customer's credit stands: file, open items, allowances, promises, warnings.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when this phone does not know the customer; as `organisation`.
    pub async fn credit_view(&self, customer: CustomerId) -> Result<CreditView, FieldError> {
        self.run(move |store| store.credit_view(customer)).await
    }

    /// Promises to pay, held against the payments that have reached this phone.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as `organisation`.
    pub async fn promises(&self, query: PromiseQuery) -> Result<Promises, FieldError> {
        self.run(move |store| store.promises(&query)).await
    }

    /// Money that arrived lately from the customers of this rep, or of `everyone`, and of which they have still to be told;
    /// with `told`, those who were as well. Only what finance knew the moment of: receipts of an import start no timer.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as `organisation`.
    pub async fn receipt_notices(&self, everyone: bool, told: bool) -> Result<ReceiptNotices, FieldError> {
        self.run(move |store| store.receipt_notices(everyone, told)).await
    }

    /// Records that a customer was told that their money arrived.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `receipt` when this phone knows no such receipt of the customer, when it was
    /// returned, or when the customer has been told; as `create`.
    pub async fn tell_customer(&self, told: CustomerTold) -> Result<CollectionNoteDocument, FieldError> {
        self.run(move |store| Ok(store.tell_customer(told)?.into())).await
    }

    /// The statements of a customer, or of every customer of this rep (of `everyone`), the newest first.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as `organisation`.
    pub async fn statements(
        &self,
        customer: Option<CustomerId>,
        everyone: bool,
    ) -> Result<Vec<StatementRow>, FieldError> {
        self.run(move |store| store.statements(customer, everyone)).await
    }

    /// A statement; `None` when it has not reached this phone.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn statement(&self, id: StatementId) -> Result<Option<StatementView>, FieldError> {
        self.run(move |store| store.statement(id)).await
    }

    /// Records what a customer answered to a statement, line by line. A photo of the stamped copy is attached to it
    /// afterwards with `add_evidence`. What a customer said before of a line is taken back by a new answer to it.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when this phone does not hold the statement; [`FieldError::Invalid`] naming `statement`
    /// when another one has taken its place, and `answers` for a line that is not in it, that is both confirmed and
    /// disputed, or when nothing is answered; as `create`.
    pub async fn answer_statement(
        &self,
        id: StatementId,
        reply: StatementReply,
    ) -> Result<StatementConfirmationDocument, FieldError> {
        self.run(move |store| Ok(store.answer_statement(id, reply)?.into()))
            .await
    }

    /// Whom to see today about money, ranked, with the reasons: broken promises first, then by overdue amount × age.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as `organisation`.
    pub async fn worklist(&self, query: WorklistQuery) -> Result<Worklist, FieldError> {
        self.run(move |store| store.worklist(&query)).await
    }
}
