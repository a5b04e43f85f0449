//! Ledger records: what the server alone writes, from imports, the API and finance pages. Plain versioned rows; the
//! newest version wins; on the phone they are read-only.
//!
//! What changes over time carries its dates inside (allocations and their reversal, disputes, extensions, holds, limits),
//! so that the books as of a past day are read from the newest versions and never change when something is added later.

mod allowance;
mod company;
mod credit;
mod credit_check;
mod policy;
mod policy_check;
mod receivable;
mod receivable_check;
mod sale;
mod sale_check;
mod statement;
mod target;
mod warning;

pub use allowance::{
    Grant, GrantClose, GrantClosing, GrantMode, GrantState, GrantTerms, SettledSpend, ShownGrant, Spend, SpendStanding,
};
pub use company::{Customer, OrganisationProfile, Person, Product, Territory};
pub use credit::{
    Assessment, CreditAccount, CreditFile, CreditGrade, CreditHold, CreditLimit, CreditTerms, DueAmount,
    ShippingAmount, SpecialLiability, Suspension, SuspensionDecision,
};
pub use policy::{
    AllowancePolicy, AllowanceSize, CreditRate, CreditRuleChanges, CreditRules, DocumentCapSwitch, DunningLevelSwitch,
    DunningPolicy, DunningStep, DunningTask, ExpiredReview, GradePolicy, HolidayCalendar, Horizon, InterestOrder,
    InterestPolicy, InterestTier, OldestItemRule, OldestItemSwitch, OverdueShareRule, OverdueShareSwitch, Policy,
    PromisePolicy, RuleName, StatementSchedule, TimerPolicy, WarningPolicy,
};
pub use receivable::{
    Allocation, AllocationBasis, AllocationPart, Charge, ChargeKind, CreditNote, Dispute, DunningNotice, Extension,
    Instalment, Invoice, InvoiceLine, InvoiceType, PaymentChannel, PaymentInstruction, Receipt, UnidentifiedReceipt,
};
pub use sale::{
    BreachTerms, Contract, ContractReview, CountedDelivery, DueOffset, DueRule, DueStart, LedgerDelivery, LedgerLine,
    LedgerOrder, Milestone, OrderDecision, OrderDecisionLine, OrderEvent, OrderEventKind, OrderStanding,
    SpendReference,
};
pub use statement::{Statement, StatementAnswer, StatementLine, StatementLineKind, StatementProduct, StatementVerdict};
pub use target::{Month, Target};
pub use warning::{Acknowledgement, OutsideCause, Warning, WarningFacts, WarningLevel, WarningRule};

use super::CustomerId;

/// The name of one ledger record: its kind and a key that is unique within the kind (an id, or a document number).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// What it is about.
    pub kind: RecordKind,
    /// Which one.
    pub id: String,
}

macro_rules! records {
    ($($(#[$doc:meta])* $variant:ident($content:ty) = $name:literal,)*) => {
        /// What a ledger record is about.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RecordKind {
            $($(#[$doc])* $variant,)*
            /// A kind made by a newer version, by its name. Kept, never dropped.
            Unknown(String),
        }

        impl RecordKind {
            /// The stored name.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(name) => name,
                }
            }

            /// The kind with this stored name.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        /// A ledger record with its content.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)]
        pub enum LedgerRecord {
            $($(#[$doc])* $variant($content),)*
        }

        impl LedgerRecord {
            /// The content as JSON text, the form in which records are stored and sent. Equal records give equal text.
            ///
            /// # Errors
            /// Only when a number cannot be written as JSON, which none of these types holds.
            pub fn to_json(&self) -> serde_json::Result<String> {
                match self {
                    $(Self::$variant(it) => serde_json::to_string(it),)*
                }
            }

            /// Reads the content of a record of `kind`; `None` for a kind this build does not know.
            ///
            /// # Errors
            /// When the text is not what the kind needs.
            pub fn from_json(kind: &RecordKind, json: &str) -> serde_json::Result<Option<Self>> {
                Ok(Some(match kind {
                    $(RecordKind::$variant => Self::$variant(serde_json::from_str(json)?),)*
                    RecordKind::Unknown(_) => return Ok(None),
                }))
            }
        }

        $(impl From<$content> for LedgerRecord {
            fn from(content: $content) -> Self {
                Self::$variant(content)
            }
        })*
    };
}

records! {
    /// The company itself.
    Organisation(OrganisationProfile) = "organisation",
    /// The company's rules about credit and money.
    Policy(Policy) = "policy",
    /// A territory.
    Territory(Territory) = "territory",
    /// A person, as everybody in the company may know them.
    Person(Person) = "person",
    /// A product.
    Product(Product) = "product",
    /// A customer.
    Customer(Customer) = "customer",
    /// What has been decided about a customer's credit, with its history.
    CreditAccount(CreditAccount) = "credit_account",
    /// A customer's credit file: the account of today with its figures.
    CreditFile(CreditFile) = "credit_file",
    /// A contract with its payment terms.
    Contract(Contract) = "contract",
    /// An order of the company's books.
    Order(LedgerOrder) = "order",
    /// What the company decided about an order that a rep took.
    OrderDecision(OrderDecision) = "order_decision",
    /// A delivery of the company's books.
    Delivery(LedgerDelivery) = "delivery",
    /// An invoice with its instalments.
    Invoice(Invoice) = "invoice",
    /// A credit note.
    CreditNote(CreditNote) = "credit_note",
    /// Money that arrived from a customer.
    Receipt(Receipt) = "receipt",
    /// Money that arrived from somebody nobody has recognised yet.
    UnidentifiedReceipt(UnidentifiedReceipt) = "unidentified_receipt",
    /// Credit reserved for one device.
    Grant(Grant) = "grant",
    /// A statement of account.
    Statement(Statement) = "statement",
    /// An early warning.
    Warning(Warning) = "warning",
    /// What a rep is to reach in a month.
    Target(Target) = "target",
}

impl LedgerRecord {
    /// The record's name.
    pub fn key(&self) -> RecordKey {
        let (kind, id) = match self {
            Self::Organisation(_) => (RecordKind::Organisation, "self".to_owned()),
            Self::Policy(_) => (RecordKind::Policy, "self".to_owned()),
            Self::Territory(it) => (RecordKind::Territory, it.id.to_string()),
            Self::Person(it) => (RecordKind::Person, it.id.to_string()),
            Self::Product(it) => (RecordKind::Product, it.id.to_string()),
            Self::Customer(it) => (RecordKind::Customer, it.id.to_string()),
            Self::CreditAccount(it) => (RecordKind::CreditAccount, it.customer.to_string()),
            Self::CreditFile(it) => (RecordKind::CreditFile, it.customer.to_string()),
            Self::Contract(it) => (RecordKind::Contract, it.number.clone()),
            Self::Order(it) => (RecordKind::Order, it.number.clone()),
            Self::OrderDecision(it) => (RecordKind::OrderDecision, it.order.to_string()),
            Self::Delivery(it) => (RecordKind::Delivery, it.number.clone()),
            Self::Invoice(it) => (RecordKind::Invoice, it.number.clone()),
            Self::CreditNote(it) => (RecordKind::CreditNote, it.number.clone()),
            Self::Receipt(it) => (RecordKind::Receipt, it.key()),
            Self::UnidentifiedReceipt(it) => (RecordKind::UnidentifiedReceipt, it.reference.clone()),
            Self::Grant(it) => (RecordKind::Grant, it.terms.id.to_string()),
            Self::Statement(it) => (RecordKind::Statement, it.id.to_string()),
            Self::Warning(it) => (RecordKind::Warning, it.key()),
            Self::Target(it) => (RecordKind::Target, it.key()),
        };
        RecordKey { kind, id }
    }

    /// The customer the record is about; `None` for what is about no customer.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::Organisation(_)
            | Self::Policy(_)
            | Self::Territory(_)
            | Self::Person(_)
            | Self::Product(_)
            | Self::Target(_)
            | Self::UnidentifiedReceipt(_) => None,
            Self::Customer(it) => Some(it.id),
            Self::CreditAccount(it) => Some(it.customer),
            Self::CreditFile(it) => Some(it.customer),
            Self::Contract(it) => Some(it.customer),
            Self::Order(it) => Some(it.customer),
            Self::OrderDecision(it) => Some(it.customer),
            Self::Delivery(it) => Some(it.customer),
            Self::Invoice(it) => Some(it.customer),
            Self::CreditNote(it) => Some(it.customer),
            Self::Receipt(it) => Some(it.customer),
            Self::Grant(it) => Some(it.terms.customer),
            Self::Statement(it) => Some(it.customer),
            Self::Warning(it) => Some(it.customer),
        }
    }
}
