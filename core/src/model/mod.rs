//! Plain business types, shared by phone and server. No I/O, no clock, no randomness.
//!
//! Names follow the words of the field: a *visit* is a rep with a customer from check-in to check-out, a *sign-off* is
//! who received what with which evidence, a *collection note* is one contact about money.
//!
//! Types that live in a document ([`Visit`], [`Delivery`], [`CollectionNote`], [`Order`], [`Review`],
//! [`StatementConfirmation`]) serialise to the JSON tree that [`crate::document`] stores in Automerge. Anything that two people may add to at the same time (lines,
//! evidence, confirmations, replies) is a *map keyed by id*, never a list, so that both additions survive a merge.

mod collection;
mod day;
mod delivery;
mod evidence;
mod id;
mod ledger;
mod money;
mod order;
mod place;
mod reconciliation;
mod review;
mod role;
mod time;
mod visit;
mod zone;

pub use collection::{ClosingReview, CollectionChannel, CollectionNote, CollectionOutcome, LateCause, PromiseToPay};
pub(crate) use day::check_day;
pub use delivery::{
    Confirmation, ConfirmationVerdict, Delivery, DeliveryLine, DeliveryState, LineConfirmation, Party, QuantityReason,
    Receiver, SignedQuantity,
};
pub use evidence::{Evidence, EvidenceKind, UploadState};
pub use id::{
    ChangeHash, CustomerId, DeviceId, DocumentId, EvidenceHash, GrantId, InvalidId, LineId, OrganisationId, ProductId,
    StatementId, TerritoryId, UserId,
};
pub use ledger::{
    Acknowledgement, Allocation, AllocationBasis, AllocationPart, AllowancePolicy, AllowanceSize, Assessment,
    BreachTerms, Charge, ChargeKind, Contract, ContractReview, CountedDelivery, CreditAccount, CreditFile, CreditGrade,
    CreditHold, CreditLimit, CreditNote, CreditRate, CreditRuleChanges, CreditRules, CreditTerms, Customer, Dispute,
    DocumentCapSwitch, DueAmount, DueOffset, DueRule, DueStart, DunningLevelSwitch, DunningNotice, DunningPolicy,
    DunningStep, DunningTask, ExpiredReview, Extension, GradePolicy, Grant, GrantClose, GrantClosing, GrantMode,
    GrantState, GrantTerms, HolidayCalendar, Horizon, Instalment, InterestOrder, InterestPolicy, InterestTier, Invoice,
    InvoiceLine, InvoiceType, LedgerDelivery, LedgerLine, LedgerOrder, LedgerRecord, Milestone, Month, OldestItemRule,
    OldestItemSwitch, OrderDecision, OrderDecisionLine, OrderEvent, OrderEventKind, OrderStanding, OrganisationProfile,
    OutsideCause, OverdueShareRule, OverdueShareSwitch, PaymentChannel, PaymentInstruction, Person, Policy, Product,
    PromisePolicy, Receipt, RecordKey, RecordKind, RuleName, SettledSpend, ShippingAmount, ShownGrant,
    SpecialLiability, Spend, SpendReference, SpendStanding, Statement, StatementAnswer, StatementLine,
    StatementLineKind, StatementProduct, StatementSchedule, StatementVerdict, Suspension, SuspensionDecision, Target,
    Territory, TimerPolicy, UnidentifiedReceipt, Warning, WarningFacts, WarningLevel, WarningPolicy, WarningRule,
};
pub use money::{Currency, InvalidMoney, Money};
pub use order::{
    CreditDecision, CreditInputs, CreditVerdict, Guarantee, Order, OrderLine, OrderState, RuleFacts, RuleOutcome,
};
pub use place::{Geofence, GeofenceVerdict, Position};
pub use reconciliation::{StatementConfirmation, StatementLineAnswer};
pub use review::{Reply, Review, ReviewVerdict};
pub use role::Role;
pub use time::Timestamp;
pub use visit::{CheckPoint, NextStep, Visit, VisitOutcome, VisitPurpose, VisitState};

/// What a document is about. A kind that this build does not know is kept by its name, synced and shown as "made by a
/// newer version", never dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum DocumentKind {
    /// A rep with a customer ([`Visit`]).
    Visit,
    /// Goods going to a customer ([`Delivery`]).
    Delivery,
    /// One contact about money ([`CollectionNote`]).
    CollectionNote,
    /// What a customer ordered ([`Order`]).
    Order,
    /// A supervisor's review of another document ([`Review`]).
    Review,
    /// A customer's answer to a statement of account ([`StatementConfirmation`]).
    StatementConfirmation,
    /// A kind made by a newer version, by its name.
    Unknown(String),
}

impl DocumentKind {
    /// Every kind this build can edit. A phone stores a kind by its place here: new ones go to the end.
    pub const KNOWN: [DocumentKind; 6] = [
        Self::Visit,
        Self::Delivery,
        Self::CollectionNote,
        Self::Order,
        Self::Review,
        Self::StatementConfirmation,
    ];

    /// The name under which the kind is stored in a document's `kind` field.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Visit => "visit",
            Self::Delivery => "delivery",
            Self::CollectionNote => "collection_note",
            Self::Order => "order",
            Self::Review => "review",
            Self::StatementConfirmation => "statement_confirmation",
            Self::Unknown(name) => name,
        }
    }

    /// The kind with this stored name; every other name is [`DocumentKind::Unknown`].
    pub fn from_name(name: &str) -> Self {
        match name {
            "visit" => Self::Visit,
            "delivery" => Self::Delivery,
            "collection_note" => Self::CollectionNote,
            "order" => Self::Order,
            "review" => Self::Review,
            "statement_confirmation" => Self::StatementConfirmation,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl std::fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A model type that is kept as a document of its own.
pub trait DocumentModel: serde::Serialize + serde::de::DeserializeOwned + Clone {
    /// The kind stored with it.
    const KIND: DocumentKind;
    /// The version of the shape this build writes. A document with a higher one was made by a newer version.
    const SCHEMA: u32 = 1;
    /// The customer it is about; decides the stream the document lives in.
    fn customer(&self) -> CustomerId;
    /// Checks everything that a form would check before saving.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field and what is wrong with it.
    fn validate(&self) -> Result<(), InvalidField>;
}

/// A value that cannot be stored, with the field it was typed into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[error("{field}: {message}")]
pub struct InvalidField {
    /// The field's name as the model spells it, with dots for nesting (`lines.quantity`).
    pub field: String,
    /// What is wrong, in a sentence a person can act on.
    pub message: String,
}

impl InvalidField {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Longest text a person may type into one field, in bytes; longer text is refused before it is stored.
pub const MAX_TEXT_BYTES: usize = 20_000;

/// Most lines, photos or replies one document may hold.
pub const MAX_ITEMS: usize = 1_000;

/// Refuses text that is longer than [`MAX_TEXT_BYTES`].
///
/// # Errors
/// [`InvalidField`] on `field`.
pub fn check_text(field: &str, text: &str) -> Result<(), InvalidField> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(InvalidField::new(
            field,
            format!("is {} bytes long, at most {MAX_TEXT_BYTES} are kept", text.len()),
        ));
    }
    Ok(())
}

/// Largest quantity that one line may hold.
pub const MAX_QUANTITY: u64 = 1_000_000_000;

/// Largest price or amount that may be typed. A line of the largest quantity at this price still has its cents: a decimal
/// keeps 28 digits and rounds the rest away without a word.
pub const MAX_AMOUNT: u64 = 1_000_000_000_000;

pub(crate) fn check_most(field: &str, number: rust_decimal::Decimal, most: u64) -> Result<(), InvalidField> {
    if number > rust_decimal::Decimal::from(most) {
        return Err(InvalidField::new(field, format!("must be at most {most}")));
    }
    Ok(())
}

/// First and last year of a date that may be typed or imported: outside them a date is a slip of the keyboard.
pub const SANE_YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

/// Refuses a date outside [`SANE_YEARS`].
///
/// # Errors
/// [`InvalidField`] on `field`.
pub fn check_date(field: &str, date: chrono::NaiveDate) -> Result<(), InvalidField> {
    let (first, last) = (SANE_YEARS.start(), SANE_YEARS.end());
    if !SANE_YEARS.contains(&chrono::Datelike::year(&date)) {
        return Err(InvalidField::new(
            field,
            format!("{date} must lie between the years {first} and {last}"),
        ));
    }
    Ok(())
}

/// An amount of `currency` that can be owed or paid: not negative, not above [`MAX_AMOUNT`], no part of a minor unit.
pub(crate) fn check_amount(field: &str, amount: rust_decimal::Decimal, currency: Currency) -> Result<(), InvalidField> {
    if amount < rust_decimal::Decimal::ZERO {
        return Err(InvalidField::new(field, "must not be negative"));
    }
    check_most(field, amount, MAX_AMOUNT)?;
    let digits = currency.minor_digits();
    if amount.normalize().scale() > digits {
        return Err(InvalidField::new(
            field,
            format!("{amount} has more than the {digits} decimals of {currency}"),
        ));
    }
    Ok(())
}

/// Refuses an amount of `currency` that cannot be owed or paid: nothing or less, above [`MAX_AMOUNT`], finer than the minor
/// unit.
///
/// # Errors
/// [`InvalidField`] on `field`.
pub fn check_some_amount(field: &str, amount: rust_decimal::Decimal, currency: Currency) -> Result<(), InvalidField> {
    if amount.is_zero() {
        return Err(InvalidField::new(field, "must be more than zero"));
    }
    check_amount(field, amount, currency)
}

/// Refuses text that says nothing, or is longer than [`MAX_TEXT_BYTES`].
///
/// # Errors
/// [`InvalidField`] on `field`.
pub fn check_named(field: &str, text: &str) -> Result<(), InvalidField> {
    if text.trim().is_empty() {
        return Err(InvalidField::new(field, "must not be empty"));
    }
    check_text(field, text)
}

pub(crate) fn check_count(field: &str, count: usize) -> Result<(), InvalidField> {
    if count > MAX_ITEMS {
        return Err(InvalidField::new(
            field,
            format!("has {count} items, at most {MAX_ITEMS} are kept"),
        ));
    }
    Ok(())
}
