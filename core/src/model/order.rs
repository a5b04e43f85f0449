use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    CreditGrade, CreditLimit, CreditRules, Currency, CustomerId, DocumentKind, DocumentModel, GrantId, InvalidField,
    InvalidMoney, LineId, MAX_AMOUNT, MAX_QUANTITY, Money, Position, ProductId, Timestamp, UserId, check_count,
    check_day, check_most, check_text,
};

/// What a customer ordered, as a rep typed it. Decisions about it (release, refusal) are ledger records of the server;
/// the rep's words stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Order {
    /// Who ordered.
    pub customer: CustomerId,
    /// The rep who took it.
    pub rep: UserId,
    /// Number that the customer can quote, given on the phone.
    pub number: String,
    /// When it was taken, by the phone's clock.
    pub at: Timestamp,
    /// Currency of every price.
    pub currency: Currency,
    /// What was ordered.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: BTreeMap<LineId, OrderLine>,
    /// Days until payment is due, counted from the signed delivery.
    pub terms_days: u32,
    /// When the customer wants the goods, in the organisation's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub wanted_by: Option<NaiveDate>,
    /// Where it has got to by the rep's own hand.
    pub state: OrderState,
    /// The credit check that was made when it was submitted, with everything that went into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub credit: Option<CreditDecision>,
    /// Where the phone said it was.
    #[serde(rename = "pos", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
    /// Remarks.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: String,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OrderLine {
    /// What is ordered.
    pub product: ProductId,
    /// How much, in the product's unit.
    pub quantity: Decimal,
    /// Price of one unit, gross of tax, in the order's currency.
    pub unit_price: Decimal,
    /// Part of the price that is let off, from 0 to 1.
    #[serde(default)]
    pub discount: Decimal,
}

/// Where an order has got to by the rep's own hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Still being typed.
    Draft,
    /// Given to the company.
    Submitted,
    /// Taken back by the rep.
    Cancelled,
}

/// The answer to "may this customer have this order on credit?".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum CreditVerdict {
    /// Guaranteed.
    Approved,
    /// Every rule passed on the data the phone had; not guaranteed.
    Provisional,
    /// Goes to a supervisor, with the reasons.
    Held,
    /// Blocked by policy.
    Refused,
}

/// A credit check with everything that went into it, so that it can be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditDecision {
    /// The verdict.
    pub verdict: CreditVerdict,
    /// What it was computed from.
    pub inputs: CreditInputs,
    /// Every rule, passed or not.
    pub rules: Vec<RuleOutcome>,
}

/// What a credit check is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditInputs {
    /// The server's time of the data; `None` when the phone has no credit file for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub as_of: Option<Timestamp>,
    /// Version of the credit file.
    #[serde(default)]
    pub file_version: u64,
    /// The customer's grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub grade: Option<CreditGrade>,
    /// The limit. `None` when there is no credit file: not the same as "no limit".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub limit: Option<CreditLimit>,
    /// Whether the account is on hold.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub on_hold: bool,
    /// Exposure by the credit file: open receivables, special liabilities, delivered and not invoiced, open orders.
    pub exposure: Money,
    /// Submitted orders on this phone that the credit file does not count yet.
    pub unsent_orders: Money,
    /// Total of the order that is checked, in the limit's currency where a rate holds.
    pub order_total: Money,
    /// The order's total in its own currency, when it was converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub converted_from: Option<Money>,
    /// What stands behind an answer that passes.
    #[serde(default, skip_serializing_if = "Guarantee::is_none")]
    pub guarantee: Guarantee,
    /// The day of the check, in the organisation's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub day: Option<NaiveDate>,
    /// The rules as they hold for the customer: the company's, changed for the grade and for the customer. `None` in
    /// checks that knew no policy: they looked at file, hold, grade and limit only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub rules: Option<CreditRules>,
    /// Version of the policy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub policy_version: u64,
    /// Whether the policy lets the grade buy on credit; `None`: as the grade does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub allows_credit: Option<bool>,
    /// Why the account is on hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub hold_reason: String,
    /// What grants reserve of the limit beside this order; `None` is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reserved: Option<Money>,
    /// Due date of the oldest open item above the tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub oldest_due: Option<NaiveDate>,
    /// All open debit items; `None` is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub open_debit: Option<Money>,
    /// The part of them that is later than the overdue share allows for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub late_debit: Option<Money>,
    /// Highest dunning level of the open items; 0 is none.
    #[serde(default, skip_serializing_if = "is_zero_level")]
    pub dunning_level: u8,
    /// Last day of the newest credit assessment; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub review_valid_until: Option<NaiveDate>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(version: &u64) -> bool {
    *version == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero_level(level: &u8) -> bool {
    *level == 0
}

impl CreditInputs {
    /// The inputs of a check of an order of `order_total` for a customer of whom nothing is known.
    pub fn unknown(order_total: Money) -> Self {
        Self {
            as_of: None,
            file_version: 0,
            grade: None,
            limit: None,
            on_hold: false,
            exposure: Money::zero(order_total.currency),
            unsent_orders: Money::zero(order_total.currency),
            order_total,
            converted_from: None,
            guarantee: Guarantee::None,
            day: None,
            rules: None,
            policy_version: 0,
            allows_credit: None,
            hold_reason: String::new(),
            reserved: None,
            oldest_due: None,
            open_debit: None,
            late_debit: None,
            dunning_level: 0,
            review_valid_until: None,
        }
    }
}

/// What stands behind a check that passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Nothing: the data may be stale.
    #[default]
    None,
    /// The server checked, under the customer's lock.
    Online,
    /// Credit that was reserved for the phone covers the order.
    Allowance(GrantId),
}

impl Guarantee {
    /// Whether nothing stands behind it.
    #[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What one rule said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct RuleOutcome {
    /// The rule's name, stable across versions.
    pub rule: String,
    /// Whether it passed.
    pub passed: bool,
    /// A sentence that a rep can say to a customer, in English with times in UTC.
    pub sentence: String,
    /// What it was decided on, for a sentence in another language or zone; `None` in checks of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub facts: Option<RuleFacts>,
}

/// What a rule decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum RuleFacts {
    /// The policy does not look at this.
    Off,
    /// The time of the credit file; `None` when there is no file.
    File(Option<Timestamp>),
    /// Why the account is on hold; `None` when it is not.
    Hold(Option<String>),
    /// Whether the grade allows credit.
    Credit(bool),
    /// There is no limit.
    Unlimited,
    /// No limit is known.
    LimitUnknown,
    /// What would be used of the limit.
    Limit {
        /// Exposure, reserves, orders not counted yet, and the order.
        needed: Money,
        /// The limit.
        limit: Money,
    },
    /// Reserved credit covers the order.
    Reserved(GrantId),
    /// Two currencies without a rate between them: what is checked, and what it is checked against.
    Currencies(Currency, Currency),
    /// The amounts are too large to be added.
    Overflow,
    /// The order against the cap for one document.
    Cap {
        /// The order.
        total: Money,
        /// The cap.
        cap: Money,
    },
    /// The oldest open item.
    Oldest {
        /// Days past its due date; `None` without such an item.
        days: Option<i64>,
        /// Most days.
        most: u32,
    },
    /// What is late of what is owed.
    Share {
        /// Late.
        late: Money,
        /// Owed.
        open: Money,
        /// Late by more than so many days.
        days: u32,
        /// Largest share, from 0 to 1.
        most: Decimal,
    },
    /// The dunning level reached.
    Level {
        /// Reached.
        level: u8,
        /// Highest at which an order passes.
        most: u8,
    },
    /// The credit assessment.
    Review {
        /// Its last day; `None` without an assessment.
        valid_until: Option<NaiveDate>,
        /// Whether it has expired.
        expired: bool,
    },
    /// Something that a newer version knows.
    #[serde(untagged)]
    Other(serde_json::Value),
}

impl OrderLine {
    /// Quantity × price less discount, rounded once to the minor unit of `currency`.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits before the point; a valid line has far fewer.
    pub fn total(&self, currency: Currency) -> Result<Money, InvalidMoney> {
        self.quantity
            .checked_mul(self.unit_price)
            .and_then(|gross| gross.checked_mul(Decimal::ONE - self.discount))
            .map(|amount| Money::new(amount, currency).rounded())
            .ok_or(InvalidMoney::Overflow)
    }
}

impl Order {
    /// A draft with no lines.
    pub fn new(
        customer: CustomerId,
        rep: UserId,
        number: impl Into<String>,
        at: Timestamp,
        currency: Currency,
    ) -> Self {
        Self {
            customer,
            rep,
            number: number.into(),
            at,
            currency,
            lines: BTreeMap::new(),
            terms_days: 0,
            wanted_by: None,
            state: OrderState::Draft,
            credit: None,
            position: None,
            note: String::new(),
        }
    }

    /// The sum of the rounded lines.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits.
    pub fn total(&self) -> Result<Money, InvalidMoney> {
        self.lines.values().try_fold(Money::zero(self.currency), |sum, line| {
            sum.checked_add(line.total(self.currency)?)
        })
    }
}

impl DocumentModel for Order {
    const KIND: DocumentKind = DocumentKind::Order;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("note", &self.note)?;
        check_day("wanted_by", self.wanted_by)?;
        check_text("number", &self.number)?;
        if self.number.trim().is_empty() {
            return Err(InvalidField::new("number", "an order needs a number"));
        }
        check_count("lines", self.lines.len())?;
        for line in self.lines.values() {
            if line.quantity <= Decimal::ZERO {
                return Err(InvalidField::new("lines.quantity", "must be more than zero"));
            }
            check_most("lines.quantity", line.quantity, MAX_QUANTITY)?;
            check_most("lines.unit_price", line.unit_price, MAX_AMOUNT)?;
            if line.unit_price < Decimal::ZERO {
                return Err(InvalidField::new("lines.unit_price", "must not be negative"));
            }
            if line.discount < Decimal::ZERO || line.discount > Decimal::ONE {
                return Err(InvalidField::new("lines.discount", "must lie between 0 and 1"));
            }
        }
        if self.state == OrderState::Submitted && self.lines.is_empty() {
            return Err(InvalidField::new(
                "lines",
                "an order needs at least one line before it is submitted",
            ));
        }
        if let Some(position) = &self.position {
            position.validate()?;
        }
        self.total()
            .map(drop)
            .map_err(|error| InvalidField::new("lines", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn order(quantity: &str, price: &str) -> Order {
        let mut order = Order::new(
            CustomerId::from_bytes([1; 16]),
            UserId::from_bytes([2; 16]),
            "M1",
            Timestamp::from_millis(0),
            Currency::CNY,
        );
        let line = OrderLine {
            product: ProductId::from_bytes([3; 16]),
            quantity: quantity.parse().unwrap(),
            unit_price: price.parse().unwrap(),
            discount: Decimal::ZERO,
        };
        order.lines.insert(LineId::from_bytes([4; 16]), line);
        order
    }

    #[test]
    fn the_largest_line_that_can_be_typed_keeps_its_cents() {
        let order = order("1000000000", "999999999999.99");
        order.validate().unwrap();
        assert_eq!(order.total().unwrap().amount.to_string(), "999999999999990000000.00");
    }

    #[test]
    fn an_amount_too_large_to_be_counted_exactly_names_its_field() {
        let field = |order: &Order| order.validate().unwrap_err().field;
        assert_eq!(field(&order("99999999999999999999999999", "95.70")), "lines.quantity");
        assert_eq!(field(&order("1", "79228162514264337593543950335")), "lines.unit_price");
    }
}
