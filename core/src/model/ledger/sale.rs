//! What was sold: contracts, orders, deliveries, and the company's decisions about orders.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::InterestTier;
use crate::model::{
    CreditDecision, CreditVerdict, Currency, CustomerId, DocumentId, GrantId, InvalidMoney, LineId, Money, ProductId,
    Timestamp, UserId,
};

/// An order of the company's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct LedgerOrder {
    /// Its number.
    pub number: String,
    /// Who ordered.
    pub customer: CustomerId,
    /// When.
    pub ordered_on: NaiveDate,
    /// When it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub wanted_by: Option<NaiveDate>,
    /// When it was shipped; `None` while it has not been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub shipped_on: Option<NaiveDate>,
    /// Its state in the words of the source.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub state: String,
    /// It was cancelled: kept, and counted nowhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub cancelled: bool,
    /// What was ordered.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: Vec<LedgerLine>,
    /// Sum of the lines and what comes on top (freight).
    pub total: Money,
    /// Remarks.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: String,
}

/// A delivery of the company's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct LedgerDelivery {
    /// Its number.
    pub number: String,
    /// Who received.
    pub customer: CustomerId,
    /// The order it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub order_number: Option<String>,
    /// When it left.
    pub shipped_on: NaiveDate,
    /// What was delivered.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: Vec<LedgerLine>,
}

/// One line of an order or a delivery of the company's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
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

/// A contract with its payment terms (合同).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Contract {
    /// Its number.
    pub number: String,
    /// With whom.
    pub customer: CustomerId,
    /// When it was signed.
    pub signed_on: NaiveDate,
    /// When what, summing to 100 %.
    pub milestones: Vec<Milestone>,
    /// What has to be there for an acceptance; required when a milestone hangs on one.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub acceptance_criteria: String,
    /// What a breach costs.
    #[serde(default)]
    pub breach: BreachTerms,
    /// What finance said of the terms before signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub review: Option<ContractReview>,
}

/// A part of the price that is due after an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Milestone {
    /// What it is called: prepayment, on acceptance, retention, ….
    pub name: String,
    /// Its share of the price, in percent.
    pub percent: Decimal,
    /// When it is due.
    pub due: DueRule,
    /// Kept back by the customer until a later day (质保金).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub retention: bool,
}

/// How a due date follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DueRule {
    /// The event it counts from.
    pub from: DueStart,
    /// How long after it.
    pub offset: DueOffset,
}

/// The event that a due date counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum DueStart {
    /// The contract was signed.
    Contract,
    /// The order was placed.
    Order,
    /// The goods were signed for: the usual one.
    Delivery,
    /// The customer accepted the goods.
    Acceptance,
    /// The invoice was written.
    Invoice,
}

/// How long after an event something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum DueOffset {
    /// So many natural days, the day of the event not counted.
    Days(u32),
    /// The corresponding day so many months later, or that month's last day.
    Months(u32),
    /// The end of the event's month, then so many days.
    EndOfMonth(u32),
}

/// What a breach of contract costs (违约条款).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct BreachTerms {
    /// Late interest by tiers, instead of the policy's; empty: the policy's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub interest: Vec<InterestTier>,
    /// Day of lateness from which a stop of supply is proposed; `None`: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub suspend_from_day: Option<u32>,
}

/// What finance said of a contract's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ContractReview {
    /// Who.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Whether the terms may be signed.
    pub approved: bool,
    /// Why, or why not.
    pub remark: String,
}

/// What the company decided about an order that a rep took, and how far the order has got. What the rep typed stays in the
/// order's document; this is what the company counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OrderDecision {
    /// The order's document.
    pub order: DocumentId,
    /// Number that the customer can quote.
    pub number: String,
    /// Who ordered.
    pub customer: CustomerId,
    /// The rep who took it.
    pub rep: UserId,
    /// When the server first had it.
    pub received_at: Timestamp,
    /// When the customer wants the goods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub wanted_by: Option<NaiveDate>,
    /// Currency of every price.
    pub currency: Currency,
    /// What counts of it.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: BTreeMap<LineId, OrderDecisionLine>,
    /// The deliveries that are counted in [`Self::lines`], by their documents, as they were last signed for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub deliveries: BTreeMap<DocumentId, CountedDelivery>,
    /// Where it stands.
    pub standing: OrderStanding,
    /// The spend of an offline allowance that guarantees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub spend: Option<SpendReference>,
    /// What happened to it, in order; never shortened.
    pub events: Vec<OrderEvent>,
}

/// A line of an order as the company counts it. Each unit is ordered and not delivered, delivered and not invoiced, or
/// invoiced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OrderDecisionLine {
    /// What.
    pub product: ProductId,
    /// How much was ordered and still is.
    pub ordered: Decimal,
    /// How much the customer has accepted.
    #[serde(default)]
    pub delivered: Decimal,
    /// How much was charged.
    #[serde(default)]
    pub invoiced: Decimal,
    /// Price of one unit less discount, gross of tax, in the order's currency.
    pub unit_price: Decimal,
}

/// What a delivery that was signed for counts towards an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CountedDelivery {
    /// Number of the delivery note.
    pub number: String,
    /// The day on which it was signed for, in the organisation's zone.
    pub signed_on: NaiveDate,
    /// What the customer accepted, by line of the order.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub quantities: BTreeMap<LineId, Decimal>,
}

/// Where an order stands with the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum OrderStanding {
    /// Passed every rule, or was guaranteed by an allowance. Counts in the exposure.
    Approved,
    /// Waits for a person. Counts in no exposure, and nothing ships.
    Held,
    /// Held before, let through by a person. Counts in the exposure.
    Released,
    /// Turned down by a rule or a person.
    Refused,
    /// Taken back. What was delivered still counts.
    Cancelled,
    /// Nothing more will be delivered. What was delivered still counts.
    Closed,
}

impl OrderStanding {
    /// Whether what is ordered and not delivered counts in the exposure.
    pub const fn is_committed(self) -> bool {
        matches!(self, Self::Approved | Self::Released)
    }

    /// Whether nothing more will be delivered.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Refused | Self::Cancelled | Self::Closed)
    }
}

/// A place among the spends of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SpendReference {
    /// The grant.
    pub grant: GrantId,
    /// The place, from 1 without gaps.
    pub seq: u32,
}

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OrderEvent {
    /// The server's time.
    pub at: Timestamp,
    /// Who did it; `None` for the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub by: Option<UserId>,
    /// What happened.
    pub what: OrderEventKind,
    /// Why; required for what a person decides.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reason: String,
    /// The check that was made then, with everything that went into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub check: Option<CreditDecision>,
}

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum OrderEventKind {
    /// It came in and was decided on.
    Decided(CreditVerdict),
    /// The phone's own verdict does not follow from its recorded inputs; `recomputed` does.
    Diverged {
        /// What the phone said.
        claimed: CreditVerdict,
        /// What the rules say of the same inputs.
        recomputed: CreditVerdict,
    },
    /// A person let it through.
    Released,
    /// A person turned it down.
    Refused,
    /// The rep changed it; decided on anew.
    Amended(CreditVerdict),
    /// The rep took it back.
    Cancelled,
    /// Nothing more will be delivered.
    Closed,
    /// Opened again after closing; decided on anew.
    Reopened(CreditVerdict),
    /// Goods were signed for.
    Delivered(String),
    /// Goods were charged.
    Invoiced(String),
    /// Something that a newer version knows.
    #[serde(untagged)]
    Other(serde_json::Value),
}

impl OrderDecisionLine {
    /// What `quantity` of it costs, rounded once to the minor unit of `currency`.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits.
    pub fn value(&self, quantity: Decimal, currency: Currency) -> Result<Money, InvalidMoney> {
        quantity
            .checked_mul(self.unit_price)
            .map(|amount| Money::new(amount, currency).rounded())
            .ok_or(InvalidMoney::Overflow)
    }
}
