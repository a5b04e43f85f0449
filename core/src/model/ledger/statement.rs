//! Statements of account (对账单) and what customers answer.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::model::{CustomerId, Money, ProductId, StatementId, Timestamp, UserId};

/// What happened on a customer's account in a period. Once issued its lines never change: a correction is a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Statement {
    /// Its id.
    pub id: StatementId,
    /// Whose.
    pub customer: CustomerId,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Owed at the end of the day before `from`.
    pub opening: Money,
    /// Owed at the end of `to`: opening + debits − credits.
    pub closing: Money,
    /// What happened, in order.
    pub lines: Vec<StatementLine>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Who issued it; `None` when the schedule did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub by: Option<UserId>,
    /// The one it corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub corrects: Option<StatementId>,
    /// The customer's answers by line number, given through a link or entered from a stamped copy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub answers: BTreeMap<u32, StatementAnswer>,
}

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementLine {
    /// Counted from 1.
    pub no: u32,
    /// The day it counts from.
    pub on: NaiveDate,
    /// What happened.
    pub kind: StatementLineKind,
    /// Number of the invoice, credit note or receipt.
    pub document: String,
    /// Number of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub order_number: Option<String>,
    /// When the goods were shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub shipped_on: Option<NaiveDate>,
    /// The product lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub products: Vec<StatementProduct>,
    /// More owed, in the statement's currency.
    pub debit: Decimal,
    /// Less owed.
    pub credit: Decimal,
    /// Owed after this line.
    pub balance: Decimal,
}

/// What a line of a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum StatementLineKind {
    /// An invoice.
    Invoice,
    /// Interest or costs charged.
    Charge,
    /// A credit note.
    CreditNote,
    /// Money that cleared.
    Receipt,
    /// Money that was returned.
    Returned,
}

/// A product on a line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementProduct {
    /// What.
    pub product: ProductId,
    /// How much.
    pub quantity: Decimal,
    /// Price of one unit, gross of tax, less what was let off.
    pub unit_price: Decimal,
}

/// What the customer says about a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementAnswer {
    /// Yes or no.
    pub verdict: StatementVerdict,
    /// Who said so for the customer.
    pub by: String,
    /// When it came in.
    pub at: Timestamp,
    /// Remark, required for a dispute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub remark: String,
}

/// Whether the customer agrees with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum StatementVerdict {
    /// It is right.
    Confirmed,
    /// It is not.
    Disputed,
}
