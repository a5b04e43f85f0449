//! What the server alone writes: customers, products, invoices, receipts.

use super::FieldStore;
use crate::Count;
use fieldledger_core::{
    error::FieldError,
    model::{
        Customer, CustomerId, Invoice, LedgerDelivery, LedgerOrder, OrganisationProfile, Person, Product, ProductId,
        Receipt, Target, Territory, UserId,
    },
    store::{CreditFileView, CustomerQuery, CustomerRow},
};

#[uniffi::export]
impl FieldStore {
    /// The company; `None` before the first sync.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`], as every reading method.
    pub async fn organisation(&self) -> Result<Option<OrganisationProfile>, FieldError> {
        self.run(move |store| store.organisation()).await
    }

    /// Customers by name, some of them.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn customers(&self, query: CustomerQuery) -> Result<Vec<CustomerRow>, FieldError> {
        self.run(move |store| store.customers(&query)).await
    }

    /// A customer.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Customer>, FieldError> {
        self.run(move |store| store.customer(id)).await
    }

    /// The territories that this phone knows.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn territories(&self) -> Result<Vec<Territory>, FieldError> {
        self.run(move |store| store.territories()).await
    }

    /// What this phone's person is to reach, the newest month first.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn targets(&self) -> Result<Vec<Target>, FieldError> {
        self.run(move |store| store.targets()).await
    }

    /// Products by name, with these words in name, number or group.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn products(&self, text: String, limit: Count, offset: Count) -> Result<Vec<Product>, FieldError> {
        self.run(move |store| store.products(&text, limit, offset)).await
    }

    /// A product.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn product(&self, id: ProductId) -> Result<Option<Product>, FieldError> {
        self.run(move |store| store.product(id)).await
    }

    /// A person of the company.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn person(&self, id: UserId) -> Result<Option<Person>, FieldError> {
        self.run(move |store| store.person(id)).await
    }

    /// The people of the company, by name.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn people(&self) -> Result<Vec<Person>, FieldError> {
        self.run(move |store| store.people()).await
    }

    /// A customer's credit file.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn credit_file(&self, customer: CustomerId) -> Result<Option<CreditFileView>, FieldError> {
        self.run(move |store| store.credit_file(customer)).await
    }

    /// A customer's invoices, newest first.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn invoices_of(&self, customer: CustomerId) -> Result<Vec<Invoice>, FieldError> {
        self.run(move |store| store.invoices_of(customer)).await
    }

    /// A customer's receipts, newest first.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn receipts_of(&self, customer: CustomerId) -> Result<Vec<Receipt>, FieldError> {
        self.run(move |store| store.receipts_of(customer)).await
    }

    /// A customer's orders in the company's books, newest first.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn orders_of(&self, customer: CustomerId) -> Result<Vec<LedgerOrder>, FieldError> {
        self.run(move |store| store.orders_of(customer)).await
    }

    /// A customer's deliveries in the company's books, newest first.
    ///
    /// # Errors
    /// As `organisation`.
    pub async fn deliveries_of(&self, customer: CustomerId) -> Result<Vec<LedgerDelivery>, FieldError> {
        self.run(move |store| store.deliveries_of(customer)).await
    }
}
