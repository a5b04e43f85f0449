use chrono::{Days, NaiveDate};
use rusqlite::{Connection, types::Value as Sql};
use rust_decimal::Decimal;

use super::{Before, CustomerQuery, DocumentRow, FieldStore, ListQuery, SearchHit};
use crate::{
    db::{
        documents::{ANSWERED, day_number, interned, kind_number},
        lists, records, words,
    },
    error::FieldError,
    model::{CustomerId, DocumentId, DocumentKind, LedgerRecord, RecordKind, Role, Timestamp},
};

/// What a person has to do on a day.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Today {
    /// The day, in the company's time zone.
    pub date: NaiveDate,
    /// Own visits that are planned for the day or took place on it.
    pub visits: Vec<DocumentRow>,
    /// Deliveries planned for the day: one's own, for a driver all of them.
    pub deliveries: Vec<DocumentRow>,
    /// Promises to pay that fell due within the last weeks and were not kept by what the phone knows.
    pub promises_due: Vec<DocumentRow>,
    /// Next steps that fell due within the last weeks, of customers nobody has turned to since.
    pub next_steps_due: Vec<DocumentRow>,
    /// Reviews that ask something and were not answered.
    pub reviews_to_answer: Vec<DocumentRow>,
    /// What the server refused.
    pub rejected: Vec<DocumentRow>,
}

/// How long something that fell due stays on the list.
const DAYS_OVERDUE: u64 = 30;

/// Most rows of each list of a day.
const MAX_ROWS: usize = 200;

impl FieldStore {
    /// What there is to do on a day, today when none is given.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as [`Self::organisation`].
    pub fn today(&self, date: Option<NaiveDate>) -> Result<Today, FieldError> {
        let identity = self.require_identity()?;
        let zone = self.organisation()?.map_or(chrono_tz::UTC, |profile| profile.time_zone);
        let date = date.unwrap_or_else(|| self.now().date_in(zone));
        let start = Timestamp::midnight(date, zone);
        let end = Timestamp::midnight(date.checked_add_days(Days::new(1)).unwrap_or(date), zone);
        self.read(|connection| {
            let me = interned(connection, identity.user.as_bytes())?.unwrap_or(-1);
            let day = day_number(date);
            let oldest = day_number(date.checked_sub_days(Days::new(DAYS_OVERDUE)).unwrap_or(date));
            let numbers = |of: &[i64]| of.iter().map(|it| Sql::Integer(*it)).collect::<Vec<_>>();
            let kind = |kind| kind_number(&kind);
            let select = |sql: &str, order: &str, of: &[i64]| {
                lists::select(connection, sql, order, &numbers(of), MAX_ROWS)
            };
            let visit = kind(DocumentKind::Visit);
            let mut visits = select(
                "d.day = ?1 AND d.kind = ?2 AND +d.owner = ?3",
                "d.moment, d.row",
                &[day, visit, me],
            )?;
            let took_place = select(
                "d.owner = ?1 AND d.kind = ?2 AND d.moment >= ?3 AND d.moment < ?4",
                "d.moment, d.row",
                &[me, visit, start.as_millis(), end.as_millis()],
            )?;
            let took_place = took_place
                .into_iter()
                .filter(|row| row.at.is_some() && visits.iter().all(|known| known.id != row.id))
                .collect::<Vec<_>>();
            visits.extend(took_place);
            let everything = identity.roles.contains(&Role::Driver);
            let deliveries = select(
                "d.day = ?1 AND d.kind = ?2 AND (?3 OR +d.owner = ?4)",
                "d.moment, d.row",
                &[day, kind(DocumentKind::Delivery), i64::from(everything), me],
            )?;
            let promises = select(
                "d.day BETWEEN ?1 AND ?2 AND d.kind = ?3 AND +d.owner = ?4 AND d.amount IS NOT NULL",
                "d.day, d.row",
                &[oldest, day, kind(DocumentKind::CollectionNote), me],
            )?;
            let mut promises_due = Vec::new();
            for promise in promises {
                if !is_kept(connection, &promise, zone, date)? {
                    promises_due.push(promise);
                }
            }
            let next_steps_due = select(
                "d.due BETWEEN ?1 AND ?2 AND +d.owner = ?3 AND NOT EXISTS (
                   SELECT 1 FROM document later WHERE later.customer = d.customer AND later.kind IN (1, 3, 4)
                   AND later.state NOT IN ('planned', 'cancelled')
                   AND later.moment > max(d.moment, (d.due - 719163) * 86400000 - 50400000) AND later.row <> d.row)",
                "d.due, d.row",
                &[oldest, day, me],
            )?;
            let reviews_to_answer = select(
                &format!(
                    "d.owner = ?1 AND d.kind = ?2 AND +d.state IN ('questioned', 'flagged') AND d.flags & {ANSWERED} = 0"
                ),
                "d.moment DESC, d.row DESC",
                &[me, kind(DocumentKind::Review)],
            )?;
            let rejected = select(
                "d.row IN (SELECT change >> 20 FROM outbox WHERE state <> 0 AND state = 1 AND dismissed = 0)",
                "d.moment DESC, d.row DESC",
                &[],
            )?;
            Ok(Today {
                date,
                visits,
                deliveries,
                promises_due,
                next_steps_due,
                reviews_to_answer,
                rejected,
            })
        })
    }

    /// What happened with a customer, newest first; `before` is the last row of the page before.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn timeline(
        &self,
        customer: CustomerId,
        before: Option<Before>,
        limit: usize,
    ) -> Result<Vec<DocumentRow>, FieldError> {
        self.read(|connection| lists::timeline(connection, customer, before, limit))
    }

    /// Documents that fit a query, newest first; those with words in them, the ones stored last first.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn list(&self, query: &ListQuery) -> Result<Vec<DocumentRow>, FieldError> {
        self.read(|connection| lists::list(connection, query))
    }

    /// One document as a row of a list.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn row(&self, id: DocumentId) -> Result<Option<DocumentRow>, FieldError> {
        self.read(|connection| lists::one(connection, id))
    }

    /// Customers, then documents, with these words in them. Two Chinese characters suffice; Latin words are found by
    /// their beginning.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn search(&self, text: &str, limit: usize) -> Result<Vec<SearchHit>, FieldError> {
        let Some(query) = words::Query::parse(text) else {
            return Ok(Vec::new());
        };
        self.read(|connection| {
            let customers = records::customers(
                connection,
                &CustomerQuery {
                    text: text.to_owned(),
                    limit,
                    ..CustomerQuery::default()
                },
            )?;
            // Documents always get their share: a name of a thousand branches must not hide them.
            let documents = lists::find_words(connection, &query, None, limit)?;
            let share = limit.saturating_sub(documents.len().min(limit / 2));
            let customers = customers.into_iter().take(share).map(SearchHit::Customer);
            Ok(customers
                .chain(documents.into_iter().map(SearchHit::Document))
                .take(limit)
                .collect())
        })
    }
}

/// Whether what arrived since a promise covers it, be it late: payments valued from the day it was made that are certain
/// on `date`. Whether it was kept in its time is what [`FieldStore::promises`] tells.
fn is_kept(
    connection: &Connection,
    promise: &DocumentRow,
    zone: chrono_tz::Tz,
    date: NaiveDate,
) -> Result<bool, FieldError> {
    let (Some(customer), Some(amount), Some(made)) = (promise.customer, promise.amount, promise.at) else {
        return Ok(false);
    };
    let made = made.date_in(zone);
    let paid: Decimal = records::of_customer_since(connection, &RecordKind::Receipt, customer, made)?
        .into_iter()
        .filter_map(|record| match record {
            LedgerRecord::Receipt(receipt) => Some(receipt),
            _ => None,
        })
        .filter(|receipt| receipt.is_certain_on(date) && receipt.amount.currency == amount.currency)
        .map(|receipt| receipt.amount.amount)
        .fold(Decimal::ZERO, Decimal::saturating_add);
    Ok(paid >= amount.amount)
}
