//! A customer's ledger as one thing: read, decided on and written in one transaction.

use std::ops::ControlFlow;

use async_trait::async_trait;
use fieldledger_core::{
    model::{
        Contract, CreditAccount, CreditFile, CreditNote, Customer, CustomerId, Grant, InvalidField, Invoice,
        LedgerDelivery, LedgerOrder, LedgerRecord, OrderDecision, OrganisationId, OrganisationProfile, Policy, Receipt,
        RecordKey, Statement, Timestamp, UserId, Warning,
    },
    rules::books::CustomerBooks,
    sync::protocol::{Cursor, StreamId, StreamMark},
};

use super::{AuditEntry, StoreError};
use crate::ledger::signing::SigningKey;

/// Decisions about a customer's ledger.
#[async_trait]
pub trait LedgerStore {
    /// Everything that is recorded about a customer; `None` when the customer is not known.
    async fn customer_ledger(
        &self,
        org: OrganisationId,
        customer: CustomerId,
    ) -> Result<Option<CustomerLedger>, StoreError>;

    /// Hands the books of every customer in a part of them to `each`, one customer after the other, from one snapshot: what
    /// is held in memory is one customer's books, however many there are. A customer without books is left out.
    async fn each_books(&self, org: OrganisationId, part: CustomerPart, each: EachBooks) -> Result<(), StoreError>;

    /// The key that the company's grants are signed with, made when there is none. Backups hold it.
    async fn signing_key(&self, org: OrganisationId) -> Result<SigningKey, StoreError>;

    /// Money of customers in the care of `rep` that finance knows of and nobody in sales has been told of, as far as it lies
    /// before these places: somebody who has read so far has received it.
    async fn untold_receipts(
        &self,
        org: OrganisationId,
        rep: UserId,
        read: Vec<(StreamId, Cursor)>,
    ) -> Result<Vec<(CustomerId, String)>, StoreError>;

    /// Reads everything about a customer, lets `decide` say what to write, and writes it. No other write comes in
    /// between, so two decisions can never both count on the same credit.
    ///
    /// With `once`, asking again with the same key and content changes nothing and gives the answer of the first time.
    async fn decide(
        &self,
        org: OrganisationId,
        customer: CustomerId,
        once: Option<OnceOnly>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<Decided, StoreError>;

    /// Writes a change that is about no customer in particular, such as money whose payer is not known yet, with what
    /// [`LedgerChange::requires`] checked in the same transaction. `once` as in [`Self::decide`]: also what would be refused
    /// by now (the books were closed) gets the answer of the first time.
    async fn write_change(
        &self,
        org: OrganisationId,
        once: Option<OnceOnly>,
        change: Result<LedgerChange, InvalidField>,
        now: Timestamp,
    ) -> Result<Decided, StoreError>;
}

/// What [`LedgerStore::each_books`] calls for each customer; a break ends it.
pub type EachBooks = Box<dyn FnMut(CustomerId, &HeldBooks) -> ControlFlow<()> + Send>;

/// A customer's books without anything else that is recorded about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldBooks {
    /// Invoices.
    pub invoices: Vec<Invoice>,
    /// Receipts.
    pub receipts: Vec<Receipt>,
    /// Credit notes.
    pub credit_notes: Vec<CreditNote>,
}

impl HeldBooks {
    /// As the rules read them.
    pub fn view(&self) -> CustomerBooks<'_> {
        CustomerBooks {
            invoices: &self.invoices,
            receipts: &self.receipts,
            credit_notes: &self.credit_notes,
        }
    }

    /// Forgets what is in them and keeps the room.
    pub fn clear(&mut self) {
        self.invoices.clear();
        self.receipts.clear();
        self.credit_notes.clear();
    }

    /// Whether nothing is in them.
    pub fn is_empty(&self) -> bool {
        self.invoices.is_empty() && self.receipts.is_empty() && self.credit_notes.is_empty()
    }
}

/// One of several parts into which the customers are divided by their ids, so that they can be read side by side. Ids are
/// random, so the parts are about equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerPart {
    index: u8,
    of: u8,
}

impl CustomerPart {
    /// Every part of `of`; one when it is zero.
    pub fn all(of: u8) -> impl Iterator<Item = Self> {
        let of = of.max(1);
        (0..of).map(move |index| Self { index, of })
    }

    /// Where the part begins, and where the next one does: beyond every id for the last part.
    pub fn bounds(self) -> ([u8; 16], Vec<u8>) {
        let begin = |index: u8| u16::from(index) * 256 / u16::from(self.of);
        let mut first = [0; 16];
        first[0] = u8::try_from(begin(self.index)).unwrap_or(u8::MAX);
        let end = match u8::try_from(begin(self.index + 1)) {
            Ok(next) => vec![next],
            Err(_) => vec![u8::MAX; 17],
        };
        (first, end)
    }
}

/// What [`LedgerStore::decide`] asks.
pub type Decide = Box<dyn FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send>;

/// Everything that is recorded about a customer, with the company's rules.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerLedger {
    /// The company.
    pub organisation: OrganisationProfile,
    /// The rules in force.
    pub policy: Policy,
    /// Their version; 0 while nobody has written any and the defaults hold.
    pub policy_version: u64,
    /// The customer.
    pub customer: Customer,
    /// What was decided about their credit.
    pub account: CreditAccount,
    /// The file that phones have.
    pub file: Option<CreditFile>,
    /// Contracts.
    pub contracts: Vec<Contract>,
    /// Orders of the books.
    pub orders: Vec<LedgerOrder>,
    /// Deliveries of the books.
    pub deliveries: Vec<LedgerDelivery>,
    /// Decisions about orders that reps took.
    pub decisions: Vec<OrderDecision>,
    /// Invoices.
    pub invoices: Vec<Invoice>,
    /// Credit notes.
    pub credit_notes: Vec<CreditNote>,
    /// Receipts.
    pub receipts: Vec<Receipt>,
    /// Grants to devices, ended ones included.
    pub grants: Vec<Grant>,
    /// Statements issued.
    pub statements: Vec<Statement>,
    /// Warnings, cleared ones included.
    pub warnings: Vec<Warning>,
}

/// What a decision writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgerChange {
    /// New records and new versions.
    pub records: Vec<LedgerRecord>,
    /// Lines of the audit log.
    pub audit: Vec<AuditEntry>,
    /// What the one who asked is told.
    pub answer: String,
    /// What has to be so; else nothing is written and the change is refused.
    pub requires: Vec<Requirement>,
}

/// Something about a record that the one who decided could not see in the customer's ledger: that its number is free in
/// the whole company, or that it is still as it was read before. Looked at in the transaction that writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The record.
    pub key: RecordKey,
    /// The version it has to have; `None`: there is no such record.
    pub version: Option<u64>,
    /// What is said when it is not so.
    pub otherwise: InvalidField,
}

/// A request that has its effect once, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceOnly {
    /// The key that whoever asks has chosen.
    pub key: String,
    /// SHA-256 of what is asked.
    pub digest: [u8; 32],
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Written; `answer` is that of the change.
    Done {
        /// What the one who asked is told.
        answer: String,
        /// How far the streams have grown, for [`crate::ingest::LiveHub::publish`].
        marks: Vec<StreamMark>,
    },
    /// Done before with the same key and content; nothing was written.
    Repeated {
        /// What was answered then.
        answer: String,
    },
    /// The key was used before for something else.
    KeyReused,
    /// Not allowed by the rules; nothing was written.
    Refused(InvalidField),
    /// The customer is not known.
    UnknownCustomer,
}
