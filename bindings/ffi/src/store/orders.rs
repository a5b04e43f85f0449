//! Orders, the credit check and offline allowances.

use fieldledger_core::{
    error::FieldError,
    model::{CreditDecision, CustomerId, DocumentId, GrantId, Order, OrderDecision, Policy},
    store::Allowance,
};

use crate::OrderDocument;

use super::FieldStore;

#[uniffi::export]
impl FieldStore {
    /// Whether the customer may have this order on credit, as far as this phone knows: the credit file, the company's
    /// policy, the orders that the file does not count yet, and the allowances of this phone. Nothing is spent.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when amounts overflow.
    pub async fn check_credit(&self, order: Order) -> Result<CreditDecision, FieldError> {
        self.run(move |store| store.check_credit(&order)).await
    }

    /// Submits an order: checks the customer's credit and records the verdict with everything that went into it. When an
    /// allowance of this phone covers it, it is spent in the same transaction and the order is guaranteed.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it was submitted or cancelled before; as `save`.
    pub async fn submit_order(&self, order: OrderDocument) -> Result<OrderDocument, FieldError> {
        self.run(move |store| Ok(store.submit_order(&order.of(store)?)?.into()))
            .await
    }

    /// Takes an order back.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as `save`.
    pub async fn cancel_order(&self, id: DocumentId) -> Result<OrderDocument, FieldError> {
        self.run(move |store| Ok(store.cancel_order(id)?.into())).await
    }

    /// What the company decided about an order; `None` until the server has said so.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`], as every reading method.
    pub async fn order_decision(&self, order: DocumentId) -> Result<Option<OrderDecision>, FieldError> {
        self.run(move |store| store.order_decision(order)).await
    }

    /// The company's rules about credit and money; the defaults before the first sync.
    ///
    /// # Errors
    /// As `order_decision`.
    pub async fn policy(&self) -> Result<Policy, FieldError> {
        self.run(move |store| store.policy()).await
    }

    /// The allowances that may still be spent, of one customer or of all.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`], as every reading method.
    pub async fn allowances(&self, customer: Option<CustomerId>) -> Result<Vec<Allowance>, FieldError> {
        self.run(move |store| store.allowances(customer)).await
    }

    /// Gives an allowance back: closes it for good, durably, and tells the server with the next sync. What is left is free
    /// for others once the server has every spend.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when this phone has no such allowance.
    pub async fn return_allowance(&self, id: GrantId) -> Result<(), FieldError> {
        self.run(move |store| store.return_allowance(id)).await
    }
}
