//! The company's rules about credit and money, as data. Every figure is a default that an administrator can change, for
//! the company, for a grade and for a customer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, Weekday};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{CreditGrade, CreditLimit};
use crate::model::{Currency, Money};

/// All rules of a company about credit and money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct Policy {
    /// What a grade gives a customer for whom nothing else was decided.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub grades: BTreeMap<CreditGrade, GradePolicy>,
    /// The check before an order.
    pub check: CreditRules,
    /// Where the check differs for a grade.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub check_by_grade: BTreeMap<CreditGrade, CreditRuleChanges>,
    /// Rates at which amounts are converted for the exposure, in the order of recording.
    pub rates: Vec<CreditRate>,
    /// Late interest.
    pub interest: InterestPolicy,
    /// Staged reminders.
    pub dunning: DunningPolicy,
    /// When a promise counts as kept.
    pub promises: PromisePolicy,
    /// Early warnings.
    pub warnings: WarningPolicy,
    /// Offline allowances.
    pub allowances: AllowancePolicy,
    /// Within how long people have to act.
    pub timers: TimerPolicy,
    /// When a customer gets a statement of account for whom nothing else was agreed.
    pub statements: StatementSchedule,
    /// Days on which nothing is due; `None`: a due date stays where it falls.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub holidays: Option<HolidayCalendar>,
    /// Last day of the books that is closed: what is entered later counts from the day after at the earliest.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub books_closed_until: Option<NaiveDate>,
}

/// What a grade gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct GradePolicy {
    /// Days of credit.
    pub terms_days: u32,
    /// Whether anything may be sold on credit.
    pub allows_credit: bool,
    /// The limit; `None`: decided for each customer, zero until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub limit: Option<CreditLimit>,
    /// Days between two visits; `None`: no cadence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub visit_every_days: Option<u32>,
}

/// The rules of the check before an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct CreditRules {
    /// Which open orders count.
    pub horizon: Horizon,
    /// Most that one order may come to.
    pub document_cap: DocumentCapSwitch,
    /// How old the oldest open item may be.
    pub oldest_item: OldestItemSwitch,
    /// Which part of what is owed may be overdue.
    pub overdue_share: OverdueShareSwitch,
    /// Highest dunning level at which an order passes.
    pub dunning_level: DunningLevelSwitch,
    /// What an expired credit assessment does.
    pub expired_review: ExpiredReview,
    /// Whether disputed items are left out of the overdue tests. They always count in the exposure.
    pub leave_out_disputed: bool,
    /// Rules whose failure refuses an order instead of holding it for a supervisor.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub refuse: BTreeSet<RuleName>,
}

/// Where the rules of a grade or a customer differ. `None` leaves a rule as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct CreditRuleChanges {
    /// See [`CreditRules::horizon`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub horizon: Option<Horizon>,
    /// See [`CreditRules::document_cap`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub document_cap: Option<DocumentCapSwitch>,
    /// See [`CreditRules::oldest_item`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub oldest_item: Option<OldestItemSwitch>,
    /// See [`CreditRules::overdue_share`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub overdue_share: Option<OverdueShareSwitch>,
    /// See [`CreditRules::dunning_level`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub dunning_level: Option<DunningLevelSwitch>,
    /// See [`CreditRules::expired_review`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub expired_review: Option<ExpiredReview>,
    /// See [`CreditRules::leave_out_disputed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub leave_out_disputed: Option<bool>,
    /// See [`CreditRules::refuse`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub refuse: Option<BTreeSet<RuleName>>,
}

impl CreditRuleChanges {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `rules` with these changes.
    #[must_use]
    pub fn applied_to(&self, rules: CreditRules) -> CreditRules {
        let changes = self.clone();
        CreditRules {
            horizon: changes.horizon.unwrap_or(rules.horizon),
            document_cap: changes.document_cap.unwrap_or(rules.document_cap),
            oldest_item: changes.oldest_item.unwrap_or(rules.oldest_item),
            overdue_share: changes.overdue_share.unwrap_or(rules.overdue_share),
            dunning_level: changes.dunning_level.unwrap_or(rules.dunning_level),
            expired_review: changes.expired_review.unwrap_or(rules.expired_review),
            leave_out_disputed: changes.leave_out_disputed.unwrap_or(rules.leave_out_disputed),
            refuse: changes.refuse.unwrap_or(rules.refuse),
        }
    }
}

/// A rule that may be switched off. One type for each: Kotlin and Swift know no generic ones, and a policy reaches them whole.
macro_rules! rule_switch {
    ($(#[$doc:meta])* $name:ident, $rule:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            /// Not looked at.
            #[default]
            Off,
            /// In force.
            On($rule),
        }
    };
}
rule_switch!(
    /// Most that one order may come to, or any amount.
    DocumentCapSwitch,
    Money
);
rule_switch!(
    /// How old the oldest open item may be, or any age.
    OldestItemSwitch,
    OldestItemRule
);
rule_switch!(
    /// Which part of what is owed may be overdue, or any.
    OverdueShareSwitch,
    OverdueShareRule
);
rule_switch!(
    /// Highest dunning level at which an order passes, or any.
    DunningLevelSwitch,
    u8
);

/// The rules of the check before an order, by name. Names are stable across versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// There is a credit file.
    CreditFile,
    /// The account is not on hold.
    AccountHold,
    /// The grade allows credit.
    GradeAllowsCredit,
    /// Exposure and order together are within the limit.
    ExposureWithinLimit,
    /// The order is within the cap for one document.
    DocumentCap,
    /// The oldest open item is not too old.
    OldestItem,
    /// Not too much of what is owed is overdue.
    OverdueShare,
    /// No reminder of too high a level is running.
    DunningLevel,
    /// The credit assessment has not expired.
    CreditReview,
}

impl RuleName {
    /// Every rule, in the order in which answers list them.
    pub const ALL: [Self; 9] = [
        Self::CreditFile,
        Self::AccountHold,
        Self::GradeAllowsCredit,
        Self::ExposureWithinLimit,
        Self::DocumentCap,
        Self::OldestItem,
        Self::OverdueShare,
        Self::DunningLevel,
        Self::CreditReview,
    ];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreditFile => "credit_file",
            Self::AccountHold => "account_hold",
            Self::GradeAllowsCredit => "grade_allows_credit",
            Self::ExposureWithinLimit => "exposure_within_limit",
            Self::DocumentCap => "document_cap",
            Self::OldestItem => "oldest_item",
            Self::OverdueShare => "overdue_share",
            Self::DunningLevel => "dunning_level",
            Self::CreditReview => "credit_review",
        }
    }
}

/// Which open orders count in the exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    /// All of them.
    #[default]
    Static,
    /// Those that ship within so many days, and those without a day.
    Dynamic {
        /// The days, the day itself included.
        days: u32,
    },
}

/// How old the oldest open item may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OldestItemRule {
    /// Most days past its due date.
    pub max_days: u32,
    /// Items that owe no more than this are not looked at, in the limit's currency.
    #[serde(default)]
    pub tolerance: Decimal,
}

/// Which part of what is owed may be overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OverdueShareRule {
    /// What is overdue by more than so many days counts.
    pub days: u32,
    /// Largest share of all open debit items, from 0 to 1.
    pub max_share: Decimal,
}

/// What an expired credit assessment does. A missing one always fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum ExpiredReview {
    /// The rule is not looked at, missing assessments included.
    Off,
    /// The answer says so; the order passes.
    Warn,
    /// The order does not pass.
    Block,
}

/// A rate at which the credit check converts from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditRate {
    /// One unit of this …
    pub from: Currency,
    /// … is `rate` of this.
    pub to: Currency,
    /// First day on which it holds.
    pub on: NaiveDate,
    /// The rate, more than zero.
    pub rate: Decimal,
}

/// Late interest: simple, for each day, on the balance of that day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct InterestPolicy {
    /// Tiers by day of lateness. Days in no tier accrue nothing.
    pub tiers: Vec<InterestTier>,
    /// What a payment pays first.
    pub order: InterestOrder,
    /// Day of lateness from which a stop of supply is proposed.
    pub suspend_from_day: u32,
    /// Warn when a tier's annualised rate is above this, in percent.
    pub annual_cap_percent: Decimal,
}

/// Interest on some days of lateness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct InterestTier {
    /// First day of lateness, 1 for the day after the due date.
    pub from_day: u32,
    /// Last day; `None`: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub to_day: Option<u32>,
    /// Percent for each day.
    pub percent_per_day: Decimal,
}

/// What a payment pays first within an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum InterestOrder {
    /// Costs, interest, principal.
    InterestFirst,
    /// Principal, costs, interest.
    PrincipalFirst,
}

/// Staged reminders (催收升级).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct DunningPolicy {
    /// The ladder, by level from 1.
    pub ladder: Vec<DunningStep>,
    /// Items that owe less are not reminded of, in the invoice's currency.
    pub minimum: Decimal,
}

/// A rung of the dunning ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DunningStep {
    /// Days past the due date (negative: before it) from which the level may be raised.
    pub from_day: i32,
    /// Days that must have passed since the level before.
    pub interval_days: u32,
    /// What is to be done.
    pub task: DunningTask,
}

/// What a dunning level asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum DunningTask {
    /// Remind before it is due.
    Reminder,
    /// A friendly word.
    Courtesy,
    /// First written reminder.
    First,
    /// Second written reminder.
    Second,
    /// Propose to stop supply and to go to law.
    SuspendAndLegal,
}

/// When a promise to pay counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct PromisePolicy {
    /// Days after the promised date that still count.
    pub tolerance_days: u32,
    /// How much may be missing, in the promise's currency.
    pub tolerance_amount: Decimal,
}

/// When early warnings are raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct WarningPolicy {
    /// Days overdue for a warning.
    pub overdue_days: u32,
    /// Days overdue for a critical one.
    pub overdue_days_critical: u32,
    /// Share of the limit for a warning, from 0 to 1.
    pub limit_share: Decimal,
    /// Share of the limit for a critical one.
    pub limit_share_critical: Decimal,
    /// Total owed for a warning; `None`: no such rule.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub total_owed: Option<Money>,
    /// Broken promises within the last 90 days for a warning.
    pub broken_promises: u32,
    /// The same for a critical one.
    pub broken_promises_critical: u32,
    /// Days before an assessment's end at which it warns; expired is critical.
    pub review_days_ahead: u32,
    /// Days without an order, visit or payment for a warning.
    pub silence_days: u32,
}

/// How offline allowances are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct AllowancePolicy {
    /// Whether they are given at all.
    pub enabled: bool,
    /// Sizes by grade. A grade that is not here, and one that allows no credit, gets none.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub sizes: BTreeMap<CreditGrade, AllowanceSize>,
    /// Hours for which a grant may be spent.
    pub valid_hours: u32,
    /// Hours after that before a lease is freed.
    pub grace_hours: u32,
    /// Whole amounts of this are granted, in the limit's currency.
    pub step: Decimal,
    /// A phone that has been silent for so many hours is shown as stale.
    pub stale_hours: u32,
}

/// How much a grade gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct AllowanceSize {
    /// Usual orders that one planned visit may take.
    pub orders_per_visit: Decimal,
    /// Largest share of the limit that all grants of a customer together may take, from 0 to 1.
    pub max_share_of_limit: Decimal,
}

/// Within how long people have to act, counted from events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct TimerPolicy {
    /// Minutes in which finance tells sales of a receipt.
    pub tell_sales_minutes: u32,
    /// Minutes in which sales confirms it to the customer.
    pub tell_customer_minutes: u32,
    /// Hours in which the receipt or invoice goes out.
    pub send_document_hours: u32,
    /// Hours in which all three parties confirm a delivery.
    pub confirm_delivery_hours: u32,
}

/// How often a customer gets a statement of account (DOMAIN §2.3: companies monthly, shops weekly).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum StatementSchedule {
    /// For each calendar month.
    #[default]
    Monthly,
    /// For each week from Monday to Sunday.
    Weekly,
    /// Only when somebody asks for one.
    OnRequest,
}

/// Days on which nothing is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[serde(default)]
pub struct HolidayCalendar {
    /// Days of the week that are free.
    pub weekend: Vec<Weekday>,
    /// Free days besides.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub holidays: BTreeSet<NaiveDate>,
    /// Days of a weekend that are worked (调休).
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub working_days: BTreeSet<NaiveDate>,
}

impl Default for Policy {
    fn default() -> Self {
        let grade = |terms_days, allows_credit, visit_every_days| GradePolicy {
            terms_days,
            allows_credit,
            limit: None,
            visit_every_days: Some(visit_every_days),
        };
        Self {
            grades: BTreeMap::from([
                (CreditGrade::A, grade(60, true, 7)),
                (CreditGrade::B, grade(30, true, 14)),
                (CreditGrade::C, grade(15, true, 14)),
                (CreditGrade::D, grade(0, false, 30)),
            ]),
            check: CreditRules::default(),
            check_by_grade: BTreeMap::new(),
            rates: Vec::new(),
            interest: InterestPolicy::default(),
            dunning: DunningPolicy::default(),
            promises: PromisePolicy::default(),
            warnings: WarningPolicy::default(),
            allowances: AllowancePolicy::default(),
            timers: TimerPolicy::default(),
            statements: StatementSchedule::default(),
            holidays: None,
            books_closed_until: None,
        }
    }
}

impl Default for CreditRules {
    fn default() -> Self {
        Self {
            horizon: Horizon::Static,
            document_cap: DocumentCapSwitch::Off,
            oldest_item: OldestItemSwitch::On(OldestItemRule {
                max_days: 30,
                tolerance: Decimal::ZERO,
            }),
            overdue_share: OverdueShareSwitch::Off,
            dunning_level: DunningLevelSwitch::On(3),
            expired_review: ExpiredReview::Warn,
            leave_out_disputed: false,
            refuse: BTreeSet::new(),
        }
    }
}

impl Default for InterestPolicy {
    fn default() -> Self {
        Self {
            tiers: vec![InterestTier {
                from_day: 1,
                to_day: Some(15),
                percent_per_day: Decimal::new(5, 1),
            }],
            order: InterestOrder::InterestFirst,
            suspend_from_day: 31,
            annual_cap_percent: Decimal::new(24, 0),
        }
    }
}

impl Default for DunningPolicy {
    fn default() -> Self {
        let step = |from_day, interval_days, task| DunningStep {
            from_day,
            interval_days,
            task,
        };
        Self {
            ladder: vec![
                step(-3, 0, DunningTask::Reminder),
                step(1, 1, DunningTask::Courtesy),
                step(7, 3, DunningTask::First),
                step(15, 5, DunningTask::Second),
                step(30, 7, DunningTask::SuspendAndLegal),
            ],
            minimum: Decimal::ONE,
        }
    }
}

impl Default for PromisePolicy {
    fn default() -> Self {
        Self {
            tolerance_days: 1,
            tolerance_amount: Decimal::ONE,
        }
    }
}

impl Default for WarningPolicy {
    fn default() -> Self {
        Self {
            overdue_days: 1,
            overdue_days_critical: 30,
            limit_share: Decimal::new(8, 1),
            limit_share_critical: Decimal::ONE,
            total_owed: None,
            broken_promises: 1,
            broken_promises_critical: 3,
            review_days_ahead: 30,
            silence_days: 60,
        }
    }
}

impl Default for AllowancePolicy {
    fn default() -> Self {
        let size = |orders_per_visit, max_share_of_limit| AllowanceSize {
            orders_per_visit,
            max_share_of_limit,
        };
        Self {
            enabled: true,
            sizes: BTreeMap::from([
                (CreditGrade::A, size(Decimal::TWO, Decimal::new(3, 1))),
                (CreditGrade::B, size(Decimal::ONE, Decimal::new(2, 1))),
                (CreditGrade::C, size(Decimal::ONE, Decimal::new(1, 1))),
            ]),
            valid_hours: 24,
            grace_hours: 12,
            step: Decimal::ONE_HUNDRED,
            stale_hours: 48,
        }
    }
}

impl Default for TimerPolicy {
    fn default() -> Self {
        Self {
            tell_sales_minutes: 10,
            tell_customer_minutes: 30,
            send_document_hours: 24,
            confirm_delivery_hours: 24,
        }
    }
}
