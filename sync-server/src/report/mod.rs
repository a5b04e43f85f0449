//! Reports about what customers owe, as of a day (DOMAIN §4 and §6).
//!
//! Everything is read from dated records by the pure rules of the core, one customer at a time: what is held in memory is
//! one customer's ledger, the sums and the rows of the answer. A report of a past day stays as it was, whatever happens
//! later. Amounts of several currencies are never added to each other: each has rows and a total of its own.

mod aged;
mod details;
mod figures;
pub(crate) mod sums;
pub mod team;
#[cfg(test)]
mod tests;
mod text;
mod work;

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        Currency, Customer, CustomerId, InvalidMoney, LedgerRecord, OrganisationId, OrganisationProfile, Person,
        Policy, RecordKey, RecordKind, TerritoryId, UserId,
    },
    rules::{books::BooksError, exposure::ExposureError, promises::Promise},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    ledger::notes,
    store::{CustomerLedger, Store, StoreError},
};

/// Which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ReportName {
    /// What is open, by how long it has been due
    Ageing,
    /// Days sales outstanding: plain, best possible, by counting back; average days delinquent
    Dso,
    /// Collection effectiveness index
    Cei,
    /// How late payments came
    Lateness,
    /// Limits and what uses them
    Credit,
    /// What came in of what was due
    Collections,
    /// Promises to pay and what became of them
    Promises,
    /// Everything in one line for each rep
    Kpi,
    /// Visits made of those that the customers' grades ask for
    Cadence,
    /// Why money came late, from the closing reviews
    Causes,
    /// After which contacts money came
    Channels,
    /// A customer's statement of account
    Statement,
}

/// What the rows of a report stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// A rep
    Rep,
    /// Those who report to one supervisor
    Supervisor,
    /// A territory
    Territory,
    /// A customer
    Customer,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For a terminal
    Table,
    /// For a spreadsheet
    Csv,
    /// For software
    Json,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// Which report.
    pub name: ReportName,
    /// The day that it shows, in the organisation's time zone.
    pub as_of: NaiveDate,
    /// First day of the period that ends on `as_of`; `None`: 90 days, both ends counted.
    pub from: Option<NaiveDate>,
    /// What the rows stand for; `None`: what is usual for the report.
    pub by: Option<GroupBy>,
    /// Only the customer with this number.
    pub customer: Option<String>,
}

impl ReportRequest {
    /// First day of the period.
    pub fn first_day(&self) -> NaiveDate {
        let usual = || self.as_of.checked_sub_days(Days::new(DEFAULT_DAYS - 1));
        self.from.or_else(usual).unwrap_or(self.as_of)
    }

    /// Days of the period, both ends counted.
    fn days(&self) -> u32 {
        let days = self.as_of.signed_duration_since(self.first_day()).num_days() + 1;
        u32::try_from(days).unwrap_or(0)
    }
}

/// Days of a period when none is asked for.
const DEFAULT_DAYS: u64 = 90;

/// A finished report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub name: ReportName,
    /// Name of the company.
    pub organisation: String,
    /// The day that it shows.
    pub as_of: NaiveDate,
    /// First day of its period.
    pub from: NaiveDate,
    /// Names of the columns, as software reads them.
    pub columns: Vec<&'static str>,
    /// The rows, totals after what they add up.
    pub rows: Vec<Row>,
}

/// A row of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whether it adds up other rows.
    pub total: bool,
    /// A value for each column.
    pub cells: Vec<Cell>,
}

/// A value in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A day.
    Day(NaiveDate),
    /// A whole number.
    Count(i64),
    /// An amount or figure, as it is shown.
    Number(Decimal),
    /// A figure that does not exist, since its denominator is zero.
    NotAvailable,
    /// Nothing belongs here.
    Empty,
}

impl Cell {
    /// A figure with two decimals, half-up; n/a where there is none.
    fn figure(value: Option<Decimal>) -> Self {
        let rounded = |it: Decimal| {
            let mut it = it.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
            it.rescale(2);
            it
        };
        value.map_or(Self::NotAvailable, |it| Self::Number(rounded(it)))
    }

    /// A share as percent with two decimals; n/a where there is none.
    fn percent(share: Option<Decimal>) -> Self {
        Self::figure(share.and_then(|it| it.checked_mul(Decimal::ONE_HUNDRED)))
    }

    /// An amount with the decimals of its currency.
    fn amount(amount: Decimal, currency: Currency) -> Self {
        let mut amount = fieldledger_core::model::Money::new(amount, currency).rounded().amount;
        amount.rescale(currency.minor_digits());
        Self::Number(amount)
    }

    fn day(day: Option<NaiveDate>) -> Self {
        day.map_or(Self::Empty, Self::Day)
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn count(count: usize) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The period ends before it begins.
    #[error("--from {from} lies after --as-of {as_of}; give an earlier day")]
    Period {
        /// First day.
        from: NaiveDate,
        /// Last day.
        as_of: NaiveDate,
    },
    /// There is no such customer.
    #[error("there is no customer with the number {0:?}; `fieldledger report ageing` lists those who owe something")]
    NoCustomer(String),
    /// A statement is one customer's.
    #[error("a statement is about one customer; name it with --customer CODE")]
    WhoseStatement,
    /// The report has no such rows.
    #[error("this report cannot be grouped; leave --by out")]
    NotGrouped,
    /// A customer's records contradict each other; a wrong figure is worse than none.
    #[error("the books of customer {code} cannot be read: {error}")]
    Books {
        /// The customer's number.
        code: String,
        /// What is wrong.
        error: BooksError,
    },
    /// What a customer's credit is used for cannot be told.
    #[error("the exposure of customer {code} cannot be computed: {error}")]
    Exposure {
        /// The customer's number.
        code: String,
        /// What is wrong.
        error: ExposureError,
    },
    /// A sum that cannot be written.
    #[error(transparent)]
    Money(#[from] InvalidMoney),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Computes a report. Nothing is written.
///
/// # Errors
/// [`ReportError`] saying what is wrong with the question or with the records.
pub async fn compute(store: &dyn Store, org: OrganisationId, request: &ReportRequest) -> Result<Report, ReportError> {
    let from = request.first_day();
    if from > request.as_of {
        return Err(ReportError::Period {
            from,
            as_of: request.as_of,
        });
    }
    let grouped = !matches!(request.name, ReportName::Statement);
    if request.by.is_some() && !grouped {
        return Err(ReportError::NotGrouped);
    }
    if request.name == ReportName::Statement && request.customer.is_none() {
        return Err(ReportError::WhoseStatement);
    }
    let reader = Reader::open(store, org, request.clone()).await?;
    let (columns, rows) = match (request.name, request.by) {
        (ReportName::Ageing, None) => details::ageing(&reader).await?,
        (ReportName::Credit, None | Some(GroupBy::Customer)) => details::credit(&reader).await?,
        (ReportName::Credit, Some(by)) => details::credit_by(&reader, by).await?,
        (ReportName::Promises, None) => details::promises(&reader).await?,
        (ReportName::Statement, _) => details::statement(&reader).await?,
        (ReportName::Cadence | ReportName::Causes | ReportName::Channels, by) => {
            work::report(&reader, by.unwrap_or(GroupBy::Rep)).await?
        }
        (ReportName::Kpi, None) => figures::grouped(&reader, GroupBy::Rep).await?,
        (_, by) => figures::grouped(&reader, by.unwrap_or(GroupBy::Customer)).await?,
    };
    Ok(Report {
        name: request.name,
        organisation: reader.profile.name,
        as_of: request.as_of,
        from,
        columns,
        rows,
    })
}

/// Columns and rows.
type Body = (Vec<&'static str>, Vec<Row>);

/// What a row stands for: code and name. Ordered by code, what has none last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    missing: bool,
    code: String,
    name: String,
}

/// Reads one customer after the other.
struct Reader<'s> {
    store: &'s dyn Store,
    org: OrganisationId,
    request: ReportRequest,
    profile: OrganisationProfile,
    policy: Policy,
    /// By code.
    customers: Vec<Customer>,
    people: HashMap<UserId, Person>,
    territories: HashMap<TerritoryId, String>,
}

impl<'s> Reader<'s> {
    async fn open(store: &'s dyn Store, org: OrganisationId, request: ReportRequest) -> Result<Self, ReportError> {
        let one = |kind: RecordKind| RecordKey {
            kind,
            id: "self".to_owned(),
        };
        let profile = store.record(org, &one(RecordKind::Organisation)).await?;
        let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) else {
            return Err(StoreError::NotFound("the company's profile".to_owned()).into());
        };
        let policy = match store.record(org, &one(RecordKind::Policy)).await?.map(|it| it.record) {
            Some(LedgerRecord::Policy(policy)) => policy,
            _ => Policy::default(),
        };
        let mut customers = Vec::new();
        for it in store.records(org, &RecordKind::Customer).await? {
            if let LedgerRecord::Customer(it) = it.record
                && request.customer.as_ref().is_none_or(|code| *code == it.code)
            {
                customers.push(it);
            }
        }
        if let Some(code) = &request.customer
            && customers.is_empty()
        {
            return Err(ReportError::NoCustomer(code.clone()));
        }
        customers.sort_by(|a, b| (&a.code, a.id).cmp(&(&b.code, b.id)));
        let mut people = HashMap::new();
        for it in store.records(org, &RecordKind::Person).await? {
            if let LedgerRecord::Person(it) = it.record {
                people.insert(it.id, it);
            }
        }
        let mut territories = HashMap::new();
        for it in store.records(org, &RecordKind::Territory).await? {
            if let LedgerRecord::Territory(it) = it.record {
                territories.insert(it.id, it.name);
            }
        }
        Ok(Self {
            store,
            org,
            request,
            profile,
            policy,
            customers,
            people,
            territories,
        })
    }

    async fn ledger(&self, customer: CustomerId) -> Result<CustomerLedger, ReportError> {
        let ledger = self.store.customer_ledger(self.org, customer).await?;
        ledger.ok_or_else(|| StoreError::NotFound(format!("customer {customer}")).into())
    }

    /// The promises in a customer's collection notes.
    async fn promises_of(&self, customer: CustomerId) -> Result<Vec<Promise>, ReportError> {
        Ok(notes::promises_of(self.store, self.org, customer, self.profile.time_zone).await?)
    }

    /// What a customer is counted with.
    fn group(&self, customer: &Customer, by: GroupBy) -> Group {
        let rep = customer.rep.and_then(|rep| self.people.get(&rep));
        let person = |it: Option<&Person>, none: &str| Group {
            missing: it.is_none(),
            code: it.map_or_else(|| none.to_owned(), |it| it.name.clone()),
            name: it.map_or_else(String::new, |it| it.id.to_string()),
        };
        match by {
            GroupBy::Customer => Group {
                missing: false,
                code: customer.code.clone(),
                name: customer.name.clone(),
            },
            GroupBy::Rep => person(rep, "without a rep"),
            GroupBy::Supervisor => {
                let above = rep.and_then(|it| it.supervisor);
                person(above.and_then(|it| self.people.get(&it)), "without a supervisor")
            }
            GroupBy::Territory => {
                let name = self.territories.get(&customer.territory);
                Group {
                    missing: name.is_none(),
                    code: name.cloned().unwrap_or_else(|| "without a territory".to_owned()),
                    name: customer.territory.to_string(),
                }
            }
        }
    }
}

fn in_books(customer: &Customer) -> impl Fn(BooksError) -> ReportError {
    let code = customer.code.clone();
    move |error| ReportError::Books {
        code: code.clone(),
        error,
    }
}
