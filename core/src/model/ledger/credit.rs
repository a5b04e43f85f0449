//! A customer's credit: what was decided, and the file that phones read.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{CreditRuleChanges, PaymentChannel, StatementSchedule};
use crate::model::{Currency, CustomerId, InvalidField, Money, Timestamp, UserId};

/// A credit grade with the terms that the default policy gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
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
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum CreditLimit {
    /// Explicitly unlimited.
    NoLimit,
    /// At most this; exactly this is still within.
    Limited(Money),
}

/// Grade, limit and terms of a customer from a day on. Changes are new entries, never edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditTerms {
    /// First day on which they hold, in the organisation's time zone.
    pub effective_from: NaiveDate,
    /// The grade; `None` while the customer has not been assessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<CreditGrade>,
    /// How much may be owed.
    pub limit: CreditLimit,
    /// Days of credit.
    pub terms_days: u32,
    /// Why.
    pub reason: String,
    /// Who decided; `None` for an import and for other software, which the audit log names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// The server's time when it was written down.
    pub recorded_at: Timestamp,
}

/// A dated credit assessment. Without one that is valid there is no credit order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The day of the assessment.
    pub on: NaiveDate,
    /// Who assessed.
    pub assessor: String,
    /// On what grounds: accounts, references, a visit, ….
    pub evidence: String,
    /// Last day on which it counts.
    pub valid_until: NaiveDate,
}

/// A time during which the account is on hold (冻结): nothing may be sold on credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditHold {
    /// First day.
    pub from: NaiveDate,
    /// First day on which it no longer holds; `None` while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
    /// Why.
    pub reason: String,
    /// Who placed it; `None` for an import and for other software, which the audit log names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
}

/// Something else that a customer is liable for and that counts in the exposure: a bill of exchange, a guarantee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialLiability {
    /// What it is.
    pub name: String,
    /// How much.
    pub amount: Money,
    /// First day.
    pub from: NaiveDate,
    /// First day on which it no longer counts; `None` while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
}

/// A stop of supply: proposed by the rules, decided by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// The day it was proposed.
    pub proposed_on: NaiveDate,
    /// Why it was proposed.
    pub grounds: String,
    /// What was decided; `None` while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<SuspensionDecision>,
    /// First day on which supply goes on again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_on: Option<NaiveDate>,
}

/// What a person decided about a proposed suspension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspensionDecision {
    /// The day.
    pub on: NaiveDate,
    /// Who.
    pub by: UserId,
    /// Whether supply stops.
    pub suspend: bool,
    /// Why.
    pub reason: String,
}

/// Everything that has been decided about a customer's credit. The server computes the [`CreditFile`] from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditAccount {
    /// Whose.
    pub customer: CustomerId,
    /// Grade, limit and terms over time, in the order of recording. On a day those with the latest
    /// [`CreditTerms::effective_from`] not after it hold; of two with one day the one recorded last.
    #[serde(default)]
    pub terms: Vec<CreditTerms>,
    /// Assessments, in the order of recording.
    #[serde(default)]
    pub assessments: Vec<Assessment>,
    /// Holds, in the order of recording.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<CreditHold>,
    /// Special liabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub liabilities: Vec<SpecialLiability>,
    /// Suspensions proposed and decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspensions: Vec<Suspension>,
    /// Where this customer's rules differ from those of the grade.
    #[serde(default, skip_serializing_if = "CreditRuleChanges::is_empty")]
    pub rules: CreditRuleChanges,
    /// Ways in which the customer may pay; empty means every way but a private account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<PaymentChannel>,
    /// When the customer gets a statement of account; `None`: as the policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<StatementSchedule>,
}

impl CreditAccount {
    /// An account about which nothing has been decided.
    pub fn new(customer: CustomerId) -> Self {
        Self {
            customer,
            terms: Vec::new(),
            assessments: Vec::new(),
            holds: Vec::new(),
            liabilities: Vec::new(),
            suspensions: Vec::new(),
            rules: CreditRuleChanges::default(),
            channels: Vec::new(),
            statements: None,
        }
    }

    /// Grade, limit and terms that hold on `day`.
    pub fn terms_on(&self, day: NaiveDate) -> Option<&CreditTerms> {
        // `max_by_key` returns the last of equal ones, which is the one recorded last.
        self.terms
            .iter()
            .filter(|it| it.effective_from <= day)
            .max_by_key(|it| it.effective_from)
    }

    /// The newest assessment made by `day`, valid or not.
    pub fn assessment_on(&self, day: NaiveDate) -> Option<&Assessment> {
        self.assessments.iter().filter(|it| it.on <= day).max_by_key(|it| it.on)
    }

    /// Why the account is on hold on `day`: a hold that was placed, or a decided suspension of supply.
    pub fn hold_on(&self, day: NaiveDate) -> Option<&str> {
        let placed = self
            .holds
            .iter()
            .find(|it| it.from <= day && it.until.is_none_or(|until| day < until))
            .map(|it| it.reason.as_str());
        placed.or_else(|| {
            let suspended = self
                .suspensions
                .iter()
                .filter(|it| it.ended_on.is_none_or(|end| day < end));
            let mut decisions = suspended.filter_map(|it| it.decision.as_ref());
            decisions
                .find(|it| it.suspend && it.on <= day)
                .map(|it| it.reason.as_str())
        })
    }

    /// Checks what a form would check.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: a limit or liability below zero, a change of terms without a reason, an
    /// assessment that ends before it begins or names no assessor, a hold that ends before it begins.
    pub fn validate(&self) -> Result<(), InvalidField> {
        for terms in &self.terms {
            if let CreditLimit::Limited(limit) = terms.limit
                && limit.amount < rust_decimal::Decimal::ZERO
            {
                return Err(InvalidField::new("limit", "must not be negative"));
            }
            if terms.reason.trim().is_empty() {
                return Err(InvalidField::new("reason", "a change of grade or limit needs a reason"));
            }
        }
        for it in &self.assessments {
            if it.assessor.trim().is_empty() {
                return Err(InvalidField::new("assessments.assessor", "say who assessed"));
            }
            if it.valid_until < it.on {
                return Err(InvalidField::new(
                    "assessments.valid_until",
                    "lies before the assessment",
                ));
            }
        }
        for it in &self.holds {
            if it.reason.trim().is_empty() {
                return Err(InvalidField::new("holds.reason", "a hold needs a reason"));
            }
            if it.until.is_some_and(|until| until < it.from) {
                return Err(InvalidField::new("holds.until", "lies before the hold begins"));
            }
        }
        let negative = |it: &&SpecialLiability| it.amount.amount < rust_decimal::Decimal::ZERO;
        match self.liabilities.iter().find(negative) {
            Some(_) => Err(InvalidField::new("liabilities.amount", "must not be negative")),
            None => Ok(()),
        }
    }
}

/// Open orders that ship on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ShippingAmount {
    /// When they ship; `None` when no day was agreed: counted by every horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub on: Option<NaiveDate>,
    /// How much, in the limit's currency.
    pub amount: Money,
}

/// What is open of the items that are due on one day and have come equally far in dunning, and the largest of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DueAmount {
    /// The due date, extensions included; `None` while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub on: Option<NaiveDate>,
    /// How much is open, in the limit's currency.
    pub amount: Money,
    /// How much is open of the largest item: a tolerance looks at each item.
    pub largest: Money,
    /// Whether the customer disputes them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub disputed: bool,
    /// The dunning level that they have reached; 0 is none, and what a file of an older server says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dunning_level: u8,
    /// The day on which they reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub dunned_on: Option<NaiveDate>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(level: &u8) -> bool {
    *level == 0
}

/// A customer's credit file (信用档案), readable offline, always shown with its as-of time. Every amount is in the
/// limit's currency, converted at the credit rates of the day of `as_of`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditFile {
    /// Whose.
    pub customer: CustomerId,
    /// The server's time of these figures.
    pub as_of: Timestamp,
    /// The grade; `None` when the customer has not been assessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub grade: Option<CreditGrade>,
    /// How much may be owed.
    pub limit: CreditLimit,
    /// Days of credit.
    pub terms_days: u32,
    /// Whether the account is on hold.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub on_hold: bool,
    /// Why it is on hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub hold_reason: String,
    /// Invoiced and unpaid, less credit notes and cleared cash that is not allocated.
    pub open_receivables: Money,
    /// Special liabilities.
    pub special_liabilities: Money,
    /// Delivered and not invoiced.
    pub delivered_not_invoiced: Money,
    /// Ordered and not delivered.
    pub open_orders: Money,
    /// The same by the day they ship, for a check that looks at a horizon only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub shipping: Vec<ShippingAmount>,
    /// Reserved for phones by grants that are not settled; `None` is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reserved: Option<Money>,
    /// The part of the open receivables that is past its due date.
    pub overdue: Money,
    /// Due date of the oldest open item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub oldest_due: Option<NaiveDate>,
    /// Open items by due date, for a check that is made on a later day than that of the figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub dues: Vec<DueAmount>,
    /// Highest dunning level of the open items; 0 is none.
    #[serde(default)]
    pub dunning_level: u8,
    /// Last day of the newest credit assessment; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub review_valid_until: Option<NaiveDate>,
}

impl CreditFile {
    /// The file of a customer who owes nothing, has a limit of zero, no grade and no terms, with every amount in `currency`.
    pub fn new(customer: CustomerId, as_of: Timestamp, currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self {
            customer,
            as_of,
            grade: None,
            limit: CreditLimit::Limited(zero),
            terms_days: 0,
            on_hold: false,
            hold_reason: String::new(),
            open_receivables: zero,
            special_liabilities: zero,
            delivered_not_invoiced: zero,
            open_orders: zero,
            shipping: Vec::new(),
            reserved: None,
            overdue: zero,
            oldest_due: None,
            dues: Vec::new(),
            dunning_level: 0,
            review_valid_until: None,
        }
    }
}
