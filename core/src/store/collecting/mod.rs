//! Bringing the money home (催收, 收款, 对账, 复盘): whom to see today, what a customer owes, promises, receipts to be
//! confirmed, statements, and looking back. All of it offline, from the records and notes that this phone holds; every
//! answer says as of when they are.

mod closing;
mod credit_view;
mod promises;
mod receipts;
mod statements;
mod worklist;

use chrono::NaiveDate;
use rusqlite::Connection;

pub use closing::ClosedCollection;
pub use credit_view::{BooksView, CreditView, ItemView};
pub use promises::{PromiseQuery, PromiseState, PromiseView, Promises};
pub use receipts::{CustomerTold, ReceiptNotice, ReceiptNotices};
pub use statements::{AnsweredBy, LineView, StatementReply, StatementRow, StatementView};
pub use worklist::{Unranked, Worklist, WorklistEntry, WorklistQuery};

use super::{Document, FieldStore};
use crate::{
    db::{meta, records},
    error::FieldError,
    model::{
        CollectionNote, CreditNote, Currency, CustomerId, InvalidMoney, Invoice, LedgerRecord, Money, Policy, Receipt,
        RecordKind, StatementConfirmation, Timestamp,
    },
    rules::{
        books::CustomerBooks,
        exposure::{DayRates, ExposureError},
    },
};

/// As of when an answer about money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct AsOf {
    /// The day it is told for, in the company's time zone.
    pub day: NaiveDate,
    /// When this phone last had everything that the server had for it, by the server's clock; `None` while it never
    /// had. What was paid or decided since is not in the answer.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub known_at: Option<Timestamp>,
    /// The day of [`Self::known_at`] in the company's time zone.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub known_on: Option<NaiveDate>,
}

impl FieldStore {
    /// Records a contact about money.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn record_collection(&self, note: CollectionNote) -> Result<Document<CollectionNote>, FieldError> {
        self.create(note)
    }

    /// Records what a customer answered to a statement, as it is; [`Self::answer_statement`] looks at the statement too.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn record_statement_confirmation(
        &self,
        answer: StatementConfirmation,
    ) -> Result<Document<StatementConfirmation>, FieldError> {
        self.create(answer)
    }

    /// The company's rules and where this phone stands in time.
    fn ground(&self, connection: &Connection, day: Option<NaiveDate>) -> Result<Ground, FieldError> {
        let profile = match records::get(connection, &RecordKind::Organisation, "self")? {
            Some((LedgerRecord::Organisation(profile), _)) => Some(profile),
            _ => None,
        };
        let zone = profile.as_ref().map_or(chrono_tz::UTC, |it| it.time_zone);
        let now = self.reckoned_now(connection)?;
        let known_at: Option<Timestamp> = meta::get(connection, meta::CAUGHT_UP)?;
        Ok(Ground {
            as_of: AsOf {
                day: day.unwrap_or_else(|| now.date_in(zone)),
                known_at,
                known_on: known_at.map(|at| at.date_in(zone)),
            },
            now,
            zone,
            currency: profile.map_or(Currency::CNY, |it| it.currency),
            policy: super::orders::policy(connection)?.0,
        })
    }
}

/// What every answer about money starts from.
struct Ground {
    as_of: AsOf,
    /// The server's time as far as this phone can tell.
    now: Timestamp,
    zone: chrono_tz::Tz,
    /// The currency of the company's books.
    currency: Currency,
    policy: Policy,
}

impl Ground {
    /// An amount in the currency of the company's books, at the credit rate of the day.
    fn in_books(&self, money: Money) -> Result<Money, ExposureError> {
        let rates = DayRates {
            rates: &self.policy.rates,
            day: self.as_of.day,
        };
        rates.convert(money, self.currency)
    }

    /// The same for rules that know of wrong amounts only; that there is a rate was asked before.
    fn converted(&self, money: Money) -> Result<Money, InvalidMoney> {
        self.in_books(money).map_err(|error| match error {
            ExposureError::Money(error) => error,
            ExposureError::MissingRate { from, to, .. } => InvalidMoney::MixedCurrencies(from, to),
        })
    }
}

/// A customer's books as far as they are on this phone.
#[derive(Default)]
struct PhoneBooks {
    invoices: Vec<Invoice>,
    receipts: Vec<Receipt>,
    credit_notes: Vec<CreditNote>,
}

impl PhoneBooks {
    fn of(connection: &Connection, customer: CustomerId) -> Result<Self, FieldError> {
        let mut books = Self::default();
        for kind in [RecordKind::Invoice, RecordKind::Receipt, RecordKind::CreditNote] {
            for record in records::of_customer(connection, &kind, customer)? {
                match record {
                    LedgerRecord::Invoice(it) => books.invoices.push(it),
                    LedgerRecord::Receipt(it) => books.receipts.push(it),
                    LedgerRecord::CreditNote(it) => books.credit_notes.push(it),
                    _ => {}
                }
            }
        }
        Ok(books)
    }

    fn is_empty(&self) -> bool {
        self.invoices.is_empty() && self.receipts.is_empty() && self.credit_notes.is_empty()
    }

    fn view(&self) -> CustomerBooks<'_> {
        CustomerBooks {
            invoices: &self.invoices,
            receipts: &self.receipts,
            credit_notes: &self.credit_notes,
        }
    }
}
