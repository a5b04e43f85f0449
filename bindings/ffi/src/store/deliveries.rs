//! Deliveries and their sign-offs.

use fieldledger_core::{
    error::FieldError,
    model::{ConfirmationVerdict, DocumentId, LineId, Party},
    store::{NewDelivery, SignOff},
};

use crate::DeliveryDocument;

use super::FieldStore;
use crate::blocking::caught;

#[uniffi::export]
impl FieldStore {
    /// Makes a delivery note.
    ///
    /// # Errors
    /// As `create`.
    pub async fn new_delivery(&self, new: NewDelivery) -> Result<DeliveryDocument, FieldError> {
        self.run(move |store| Ok(store.new_delivery(new)?.into())).await
    }

    /// A fresh id for a line of a delivery or an order, or for a reply.
    ///
    /// # Errors
    /// [`FieldError::Internal`] when the operating system gives no random numbers.
    pub fn line_id(&self) -> Result<LineId, FieldError> {
        caught(|| self.inner.line_id())
    }

    /// Records who received what.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming the line; as `save`.
    pub async fn sign_off(&self, id: DocumentId, sign_off: SignOff) -> Result<DeliveryDocument, FieldError> {
        self.run(move |store| Ok(store.sign_off(id, sign_off)?.into())).await
    }

    /// Records what a party says about a delivery.
    ///
    /// # Errors
    /// [`FieldError::NotAllowed`] when the person does not speak for the party; as `save`.
    pub async fn confirm(
        &self,
        id: DocumentId,
        party: Party,
        verdict: ConfirmationVerdict,
        remark: String,
    ) -> Result<DeliveryDocument, FieldError> {
        self.run(move |store| Ok(store.confirm(id, party, verdict, &remark)?.into()))
            .await
    }
}
