//! Ledger records: what the server alone writes, from imports, the API and finance pages. Plain versioned rows; the
//! newest version wins; on the phone they are read-only.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Currency, CustomerId, Money, Position, ProductId, Role, TerritoryId, Timestamp, UserId};

/// What a ledger record is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// [`OrganisationProfile`].
    Organisation,
    /// [`Territory`].
    Territory,
    /// [`Person`].
    Person,
    /// [`Product`].
    Product,
    /// [`Customer`].
    Customer,
    /// [`CreditFile`].
    CreditFile,
    /// [`LedgerOrder`].
    Order,
    /// [`LedgerDelivery`].
    Delivery,
    /// [`Invoice`].
    Invoice,
    /// [`Receipt`].
    Receipt,
    /// A kind made by a newer version, by its name. Kept, never dropped.
    Unknown(String),
}

impl RecordKind {
    /// The stored name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Organisation => "organisation",
            Self::Territory => "territory",
            Self::Person => "person",
            Self::Product => "product",
            Self::Customer => "customer",
            Self::CreditFile => "credit_file",
            Self::Order => "order",
            Self::Delivery => "delivery",
            Self::Invoice => "invoice",
            Self::Receipt => "receipt",
            Self::Unknown(name) => name,
        }
    }

    /// The kind with this stored name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "organisation" => Self::Organisation,
            "territory" => Self::Territory,
            "person" => Self::Person,
            "product" => Self::Product,
            "customer" => Self::Customer,
            "credit_file" => Self::CreditFile,
            "order" => Self::Order,
            "delivery" => Self::Delivery,
            "invoice" => Self::Invoice,
            "receipt" => Self::Receipt,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// The name of one ledger record: its kind and a key that is unique within the kind (an id, or a document number).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// What it is about.
    pub kind: RecordKind,
    /// Which one.
    pub id: String,
}

/// A ledger record with its content.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum LedgerRecord {
    /// The company itself.
    Organisation(OrganisationProfile),
    /// A territory.
    Territory(Territory),
    /// A person, as everybody in the company may know them.
    Person(Person),
    /// A product.
    Product(Product),
    /// A customer.
    Customer(Customer),
    /// A customer's credit file.
    CreditFile(CreditFile),
    /// An order of the company's books.
    Order(LedgerOrder),
    /// A delivery of the company's books.
    Delivery(LedgerDelivery),
    /// An invoice.
    Invoice(Invoice),
    /// Money that arrived.
    Receipt(Receipt),
}

/// What every phone knows of its company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationProfile {
    /// Its name.
    pub name: String,
    /// IANA name of the time zone in which its calendar dates live.
    pub time_zone: chrono_tz::Tz,
    /// The currency of its books.
    pub currency: Currency,
    /// Radius in metres of the geofence around a customer.
    pub geofence_metres: u32,
}

/// A set of customers that a team works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Territory {
    /// Its id.
    pub id: TerritoryId,
    /// Its name.
    pub name: String,
}

/// A person, as everybody in the company may know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Whom they report to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<UserId>,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The company's own number for it.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What one of it is called: box, kg, ….
    #[serde(default)]
    pub unit: String,
    /// List price of one unit, gross of tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Group it belongs to.
    #[serde(default)]
    pub group: String,
    /// No longer sold.
    #[serde(default)]
    pub discontinued: bool,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The company's own number for it.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The territory it belongs to; decides who may see it.
    pub territory: TerritoryId,
    /// The rep in charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rep: Option<UserId>,
    /// Whom to ask for.
    #[serde(default)]
    pub contact: String,
    /// Telephone number.
    #[serde(default)]
    pub phone: String,
    /// Postal address on one line.
    #[serde(default)]
    pub address: String,
    /// Where it is; `None` when nobody has been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A credit grade with the terms that the default policy gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CreditGrade {
    /// 60 days.
    A,
    /// 30 days.
    B,
    /// 15 days.
    C,
    /// Prepay only (先付款后发货): no credit.
    D,
}

impl CreditGrade {
    /// Days of credit in the default policy; 0 means cash before delivery.
    pub const fn default_terms_days(self) -> u32 {
        match self {
            Self::A => 60,
            Self::B => 30,
            Self::C => 15,
            Self::D => 0,
        }
    }
    /// Whether the grade allows credit at all.
    pub const fn allows_credit(self) -> bool {
        !matches!(self, Self::D)
    }
}

/// How much a customer may owe. "No limit" and "limit 0" are different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditLimit {
    /// Explicitly unlimited.
    NoLimit,
    /// At most this; exactly this is still within.
    Limited(Money),
}

/// A customer's credit file (信用档案), readable offline, always shown with its as-of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditFile {
    /// Whose.
    pub customer: CustomerId,
    /// The server's time of these figures.
    pub as_of: Timestamp,
    /// The grade; `None` when the customer has not been assessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<CreditGrade>,
    /// How much may be owed.
    pub limit: CreditLimit,
    /// Days of credit.
    pub terms_days: u32,
    /// Whether the account is on hold.
    #[serde(default)]
    pub on_hold: bool,
    /// Invoiced and unpaid, less credit notes and cleared cash that is not allocated.
    pub open_receivables: Money,
    /// Special liabilities.
    pub special_liabilities: Money,
    /// Delivered and not invoiced.
    pub delivered_not_invoiced: Money,
    /// Ordered and not delivered.
    pub open_orders: Money,
    /// The part of the open receivables that is past its due date.
    pub overdue: Money,
    /// Due date of the oldest open item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_due: Option<NaiveDate>,
}

/// An order of the company's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerOrder {
    /// Its number.
    pub number: String,
    /// Who ordered.
    pub customer: CustomerId,
    /// When.
    pub ordered_on: NaiveDate,
    /// When it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_by: Option<NaiveDate>,
    /// When it was shipped; `None` while it has not been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped_on: Option<NaiveDate>,
    /// Its state in the words of the source.
    #[serde(default)]
    pub state: String,
    /// What was ordered.
    #[serde(default)]
    pub lines: Vec<LedgerLine>,
    /// Sum of the lines and what comes on top (freight).
    pub total: Money,
    /// Remarks.
    #[serde(default)]
    pub note: String,
}

/// A delivery of the company's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDelivery {
    /// Its number.
    pub number: String,
    /// Who received.
    pub customer: CustomerId,
    /// The order it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_number: Option<String>,
    /// When it left.
    pub shipped_on: NaiveDate,
    /// What was delivered.
    #[serde(default)]
    pub lines: Vec<LedgerLine>,
}

/// One line of an order or a delivery of the company's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// What.
    pub product: ProductId,
    /// How much.
    pub quantity: Decimal,
    /// Price of one unit, gross of tax; zero where the source has none.
    #[serde(default)]
    pub unit_price: Decimal,
    /// Part of the price that is let off, from 0 to 1.
    #[serde(default)]
    pub discount: Decimal,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Its number, leading zeros kept.
    pub number: String,
    /// Who owes.
    pub customer: CustomerId,
    /// The order it charges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_number: Option<String>,
    /// Its date.
    pub invoiced_on: NaiveDate,
    /// When payment is due.
    pub due_on: NaiveDate,
    /// How much, gross of tax.
    pub amount: Money,
}

/// Money that arrived (回款).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The payment's reference.
    pub reference: String,
    /// Who paid.
    pub customer: CustomerId,
    /// The bank's value date.
    pub valued_on: NaiveDate,
    /// How much.
    pub amount: Money,
    /// The order or invoice the customer named; `None` when nothing was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pays: Option<String>,
}

impl LedgerRecord {
    /// The record's name.
    pub fn key(&self) -> RecordKey {
        let (kind, id) = match self {
            Self::Organisation(_) => (RecordKind::Organisation, "self".to_owned()),
            Self::Territory(it) => (RecordKind::Territory, it.id.to_string()),
            Self::Person(it) => (RecordKind::Person, it.id.to_string()),
            Self::Product(it) => (RecordKind::Product, it.id.to_string()),
            Self::Customer(it) => (RecordKind::Customer, it.id.to_string()),
            Self::CreditFile(it) => (RecordKind::CreditFile, it.customer.to_string()),
            Self::Order(it) => (RecordKind::Order, it.number.clone()),
            Self::Delivery(it) => (RecordKind::Delivery, it.number.clone()),
            Self::Invoice(it) => (RecordKind::Invoice, it.number.clone()),
            Self::Receipt(it) => (RecordKind::Receipt, format!("{}:{}", it.customer, it.reference)),
        };
        RecordKey { kind, id }
    }

    /// The customer whose territory the record belongs to; `None` for what everybody in the company may see.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::Organisation(_) | Self::Territory(_) | Self::Person(_) | Self::Product(_) => None,
            Self::Customer(it) => Some(it.id),
            Self::CreditFile(it) => Some(it.customer),
            Self::Order(it) => Some(it.customer),
            Self::Delivery(it) => Some(it.customer),
            Self::Invoice(it) => Some(it.customer),
            Self::Receipt(it) => Some(it.customer),
        }
    }

    /// The content as JSON text, the form in which records are stored and sent. Equal records give equal text.
    ///
    /// # Errors
    /// Only when a number cannot be written as JSON, which none of these types holds.
    pub fn to_json(&self) -> serde_json::Result<String> {
        match self {
            Self::Organisation(it) => serde_json::to_string(it),
            Self::Territory(it) => serde_json::to_string(it),
            Self::Person(it) => serde_json::to_string(it),
            Self::Product(it) => serde_json::to_string(it),
            Self::Customer(it) => serde_json::to_string(it),
            Self::CreditFile(it) => serde_json::to_string(it),
            Self::Order(it) => serde_json::to_string(it),
            Self::Delivery(it) => serde_json::to_string(it),
            Self::Invoice(it) => serde_json::to_string(it),
            Self::Receipt(it) => serde_json::to_string(it),
        }
    }

    /// Reads the content of a record of `kind`; `None` for a kind this build does not know.
    ///
    /// # Errors
    /// When the text is not what the kind needs.
    pub fn from_json(kind: &RecordKind, json: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match kind {
            RecordKind::Organisation => Self::Organisation(serde_json::from_str(json)?),
            RecordKind::Territory => Self::Territory(serde_json::from_str(json)?),
            RecordKind::Person => Self::Person(serde_json::from_str(json)?),
            RecordKind::Product => Self::Product(serde_json::from_str(json)?),
            RecordKind::Customer => Self::Customer(serde_json::from_str(json)?),
            RecordKind::CreditFile => Self::CreditFile(serde_json::from_str(json)?),
            RecordKind::Order => Self::Order(serde_json::from_str(json)?),
            RecordKind::Delivery => Self::Delivery(serde_json::from_str(json)?),
            RecordKind::Invoice => Self::Invoice(serde_json::from_str(json)?),
            RecordKind::Receipt => Self::Receipt(serde_json::from_str(json)?),
            RecordKind::Unknown(_) => return Ok(None),
        }))
    }
}
