//! A customer's books as of a day: what is open of every instalment, and which credits nothing has been paid with yet.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::model::{CreditNote, Currency, Invoice, Receipt};

/// The records that make up what a customer owes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CustomerBooks<'b> {
    /// Invoices.
    pub invoices: &'b [Invoice],
    /// Receipts.
    pub receipts: &'b [Receipt],
    /// Credit notes.
    pub credit_notes: &'b [CreditNote],
}

/// What is open of one instalment on a day (未清项). Amounts are in `currency` and never below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenItem {
    /// Number of the invoice.
    pub invoice_number: String,
    /// The instalment, from 1.
    pub instalment: u32,
    /// The order it charges.
    pub order_number: Option<String>,
    /// The day it counts from.
    pub posted_on: NaiveDate,
    /// When it is due, extensions included; `None` while its event has not happened.
    pub due_on: Option<NaiveDate>,
    /// When it was due before any extension.
    pub original_due_on: Option<NaiveDate>,
    /// The invoice's currency.
    pub currency: Currency,
    /// What the instalment came to.
    pub amount: Decimal,
    /// Principal that is open.
    pub principal: Decimal,
    /// Interest charged and open.
    pub interest: Decimal,
    /// Costs charged and open.
    pub costs: Decimal,
    /// Whether the customer disputes it on that day.
    pub disputed: bool,
    /// Highest dunning level reached by that day; 0 is none.
    pub dunning_level: u8,
    /// The day that level was reached.
    pub dunned_on: Option<NaiveDate>,
    /// Kept back by the customer until a later day.
    pub retention: bool,
}

impl OpenItem {
    /// Everything that is open of it.
    pub fn open(&self) -> Decimal {
        self.principal + self.interest + self.costs
    }

    /// Days past the due date on `as_of`: negative before it, `None` while there is no due date.
    pub fn days_late(&self, as_of: NaiveDate) -> Option<i64> {
        self.due_on.map(|due| as_of.signed_duration_since(due).num_days())
    }
}

/// Money or a credit note that has not been set against anything yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnallocatedCredit {
    /// Reference of the receipt, or number of the credit note.
    pub source: String,
    /// Whether it is a receipt (cash) rather than a credit note.
    pub cash: bool,
    /// The day it counts from.
    pub posted_on: NaiveDate,
    /// Whether it is certain: a cleared receipt, or a credit note. What is not lowers no exposure.
    pub cleared: bool,
    /// In what.
    pub currency: Currency,
    /// How much is left.
    pub amount: Decimal,
}
