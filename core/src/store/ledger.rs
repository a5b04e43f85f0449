use super::{CustomerQuery, CustomerRow, FieldStore};
use crate::{
    db::records,
    error::FieldError,
    model::{
        CreditFile, Customer, CustomerId, Invoice, LedgerDelivery, LedgerOrder, LedgerRecord, OrganisationProfile,
        Person, Product, ProductId, Receipt, RecordKind, Target, Territory, UserId,
    },
};

/// A credit file with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditFileView {
    /// The file; shown with its as-of time.
    pub file: CreditFile,
    /// Its version.
    pub version: u64,
}

/// Takes the one sort of record that a query asked for out of the general type.
macro_rules! only {
    ($variant:ident, $records:expr) => {
        $records
            .into_iter()
            .filter_map(|record| match record {
                LedgerRecord::$variant(it) => Some(it),
                _ => None,
            })
            .collect()
    };
}

impl FieldStore {
    fn record(&self, kind: &RecordKind, id: &str) -> Result<Option<(LedgerRecord, u64)>, FieldError> {
        self.read(|connection| records::get(connection, kind, id))
    }

    fn of_customer(&self, kind: &RecordKind, customer: CustomerId) -> Result<Vec<LedgerRecord>, FieldError> {
        self.read(|connection| records::of_customer(connection, kind, customer))
    }

    /// The company; `None` before the first sync.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`], as every reading method.
    pub fn organisation(&self) -> Result<Option<OrganisationProfile>, FieldError> {
        Ok(match self.record(&RecordKind::Organisation, "self")? {
            Some((LedgerRecord::Organisation(profile), _)) => Some(profile),
            _ => None,
        })
    }

    /// Customers by name, some of them.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn customers(&self, query: &CustomerQuery) -> Result<Vec<CustomerRow>, FieldError> {
        self.read(|connection| records::customers(connection, query))
    }

    /// A customer.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn customer(&self, id: CustomerId) -> Result<Option<Customer>, FieldError> {
        Ok(match self.record(&RecordKind::Customer, &id.to_string())? {
            Some((LedgerRecord::Customer(customer), _)) => Some(customer),
            _ => None,
        })
    }

    /// The territories that this phone knows.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn territories(&self) -> Result<Vec<Territory>, FieldError> {
        let records =
            self.read(|connection| records::by_name(connection, &RecordKind::Territory, "", usize::MAX, 0))?;
        Ok(only!(Territory, records))
    }

    /// What this phone's person is to reach, the newest month first.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn targets(&self) -> Result<Vec<Target>, FieldError> {
        let records = self.read(|connection| records::by_name(connection, &RecordKind::Target, "", usize::MAX, 0))?;
        let mut targets: Vec<Target> = only!(Target, records);
        targets.sort_by_key(|it| std::cmp::Reverse(it.month));
        Ok(targets)
    }

    /// Products by name, with these words in name, number or group.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn products(&self, text: &str, limit: usize, offset: usize) -> Result<Vec<Product>, FieldError> {
        let records =
            self.read(|connection| records::by_name(connection, &RecordKind::Product, text, limit, offset))?;
        Ok(only!(Product, records))
    }

    /// A product.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn product(&self, id: ProductId) -> Result<Option<Product>, FieldError> {
        Ok(match self.record(&RecordKind::Product, &id.to_string())? {
            Some((LedgerRecord::Product(product), _)) => Some(product),
            _ => None,
        })
    }

    /// A person of the company.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn person(&self, id: UserId) -> Result<Option<Person>, FieldError> {
        Ok(match self.record(&RecordKind::Person, &id.to_string())? {
            Some((LedgerRecord::Person(person), _)) => Some(person),
            _ => None,
        })
    }

    /// The people of the company, by name.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn people(&self) -> Result<Vec<Person>, FieldError> {
        let records = self.read(|connection| records::by_name(connection, &RecordKind::Person, "", usize::MAX, 0))?;
        Ok(only!(Person, records))
    }

    /// A customer's credit file.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn credit_file(&self, customer: CustomerId) -> Result<Option<CreditFileView>, FieldError> {
        Ok(match self.record(&RecordKind::CreditFile, &customer.to_string())? {
            Some((LedgerRecord::CreditFile(file), version)) => Some(CreditFileView { file, version }),
            _ => None,
        })
    }

    /// A customer's invoices, newest first.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn invoices_of(&self, customer: CustomerId) -> Result<Vec<Invoice>, FieldError> {
        Ok(only!(Invoice, self.of_customer(&RecordKind::Invoice, customer)?))
    }

    /// A customer's receipts, newest first.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn receipts_of(&self, customer: CustomerId) -> Result<Vec<Receipt>, FieldError> {
        Ok(only!(Receipt, self.of_customer(&RecordKind::Receipt, customer)?))
    }

    /// A customer's orders in the company's books, newest first.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn orders_of(&self, customer: CustomerId) -> Result<Vec<LedgerOrder>, FieldError> {
        Ok(only!(Order, self.of_customer(&RecordKind::Order, customer)?))
    }

    /// A customer's deliveries in the company's books, newest first.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn deliveries_of(&self, customer: CustomerId) -> Result<Vec<LedgerDelivery>, FieldError> {
        Ok(only!(Delivery, self.of_customer(&RecordKind::Delivery, customer)?))
    }
}
