//! Early warnings (预警): each has an owner and is acknowledged.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::CreditGrade;
use crate::model::{CustomerId, Money, Timestamp, UserId};

/// Something about a customer that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Warning {
    /// About whom.
    pub customer: CustomerId,
    /// The rule that raised it.
    pub rule: WarningRule,
    /// How bad.
    pub level: WarningLevel,
    /// What is the matter, with its figures, in English.
    pub sentence: String,
    /// The figures themselves, for a sentence in another language; `None` in what an older version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub facts: Option<WarningFacts>,
    /// When it was raised, or its level last changed.
    pub raised_at: Timestamp,
    /// Who is to look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub owner: Option<UserId>,
    /// Who did; a higher level asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub acknowledged: Option<Acknowledgement>,
    /// When its cause was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub cleared_at: Option<Timestamp>,
}

impl Warning {
    /// The key of its record: one warning for each customer and rule.
    pub fn key(&self) -> String {
        format!("{}:{}", self.customer, self.rule.as_str())
    }
}

/// The figures of a warning when it was raised, or its level last changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum WarningFacts {
    /// See [`WarningRule::DaysOverdue`].
    DaysOverdue {
        /// Days past the due date.
        days: i64,
        /// The oldest open item's invoice.
        invoice_number: String,
    },
    /// See [`WarningRule::TotalOwed`].
    TotalOwed {
        /// How much is owed.
        owed: Money,
        /// From how much on it warns.
        threshold: Money,
    },
    /// See [`WarningRule::LimitUsed`].
    LimitUsed {
        /// How much counts against the limit.
        exposure: Money,
        /// The limit.
        limit: Money,
        /// The one by the other in percent, rounded down; `None` for a limit of zero.
        percent: Option<Decimal>,
    },
    /// See [`WarningRule::BrokenPromises`].
    BrokenPromises {
        /// How many were broken.
        count: u32,
        /// Within how many days.
        days: u32,
    },
    /// See [`WarningRule::ExpiredReview`].
    ExpiredReview {
        /// The last day on which the assessment counts.
        valid_until: NaiveDate,
    },
    /// See [`WarningRule::Downgrade`].
    Downgrade {
        /// The grade before.
        from: CreditGrade,
        /// The grade since.
        to: CreditGrade,
        /// The first day of the new one.
        on: NaiveDate,
    },
    /// See [`WarningRule::Silence`].
    Silence {
        /// Days without an order, visit or payment.
        days: i64,
        /// The day of the last one.
        since: NaiveDate,
    },
    /// See [`WarningRule::LimitExceeded`].
    LimitExceeded {
        /// How much counts against the limit.
        exposure: Money,
        /// The limit.
        limit: Money,
        /// What made it grow.
        cause: OutsideCause,
    },
}

/// What made an exposure grow past its limit without anybody having released an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum OutsideCause {
    /// A payment was returned: a bounced cheque.
    ReturnedPayment,
    /// A rate moved.
    Rate,
    /// An invoice or another record came in from outside.
    Import,
    /// The limit was lowered.
    LimitLowered,
}

/// That somebody has seen a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Acknowledgement {
    /// Who.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// What they will do.
    pub note: String,
}

/// How bad a warning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum WarningLevel {
    /// Look at it.
    Warning,
    /// Act on it.
    Critical,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum WarningRule {
    /// Days that the oldest open item is overdue.
    DaysOverdue,
    /// How much is owed in all.
    TotalOwed,
    /// Part of the limit that is used.
    LimitUsed,
    /// Promises that were broken.
    BrokenPromises,
    /// The credit assessment has expired, or does soon.
    ExpiredReview,
    /// The grade was lowered.
    Downgrade,
    /// No order, visit or payment for unusually long.
    Silence,
    /// Exposure grew past the limit from outside: a returned cheque, a rate, an import.
    LimitExceeded,
}

impl WarningRule {
    /// Every rule.
    pub const ALL: [Self; 8] = [
        Self::DaysOverdue,
        Self::TotalOwed,
        Self::LimitUsed,
        Self::BrokenPromises,
        Self::ExpiredReview,
        Self::Downgrade,
        Self::Silence,
        Self::LimitExceeded,
    ];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DaysOverdue => "days_overdue",
            Self::TotalOwed => "total_owed",
            Self::LimitUsed => "limit_used",
            Self::BrokenPromises => "broken_promises",
            Self::ExpiredReview => "expired_review",
            Self::Downgrade => "downgrade",
            Self::Silence => "silence",
            Self::LimitExceeded => "limit_exceeded",
        }
    }
}
