use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rusqlite::Connection;

use super::{AsOf, Ground};
use crate::{
    db::{documents, lists, records},
    error::FieldError,
    model::{CollectionNote, CustomerId, DocumentId, DocumentKind, LedgerRecord, Receipt, RecordKind, UserId},
    rules::promises::{Promise, PromiseResult, PromiseStanding, evaluate},
    store::FieldStore,
};

/// How long a promise that fell due stays in lists.
const DAYS_BACK: u64 = 90;

/// Which promises to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PromiseQuery {
    /// Only of this customer, and then however long ago they fell due; else those of the last 90 days and to come.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub customer: Option<CustomerId>,
    /// Those that colleagues took down as well.
    #[cfg_attr(feature = "uniffi", uniffi(default = false))]
    pub everyone: bool,
    /// Those that were kept as well.
    #[cfg_attr(feature = "uniffi", uniffi(default = false))]
    pub kept: bool,
    /// The day they are judged on; today when left out.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub day: Option<NaiveDate>,
}

/// Promises and as of when they are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Promises {
    /// As of when.
    pub as_of: AsOf,
    /// The promises, by the day they are due.
    pub promises: Vec<PromiseView>,
}

/// A promise with what this phone knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PromiseView {
    /// Who promised.
    pub customer: CustomerId,
    /// Their name; empty while this phone does not know the customer.
    pub customer_name: String,
    /// Who took it down.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub rep: Option<UserId>,
    /// The promise, held against the payments that this phone knows of.
    pub result: PromiseResult,
    /// What can be said of it.
    pub state: PromiseState,
}

/// What a phone can say of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum PromiseState {
    /// Judged on everything that counts for it: no payment of its time can have come that this phone has not heard of,
    /// or the money is there.
    Judged(PromiseStanding),
    /// Its last day has passed since this phone last had everything from the server; the money may have come.
    NotHeardSince,
    /// This phone holds no invoice and no payment of the customer: it cannot know.
    NoBooks,
}

impl PromiseState {
    /// What can be said of a promise for which nothing more is known than `result`.
    fn of(result: &PromiseResult, known_on: Option<NaiveDate>, has_books: bool) -> Self {
        match result.standing {
            PromiseStanding::Kept | PromiseStanding::Running => Self::Judged(result.standing),
            _ if !has_books => Self::NoBooks,
            // On the last day itself money may still have come after the phone was told.
            _ if known_on.is_none_or(|known| known <= result.last_day) => Self::NotHeardSince,
            standing => Self::Judged(standing),
        }
    }
}

impl FieldStore {
    /// Promises to pay, held against the payments that have reached this phone.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as [`Self::organisation`].
    pub fn promises(&self, query: &PromiseQuery) -> Result<Promises, FieldError> {
        let me = self.require_identity()?.user;
        self.read(|connection| {
            let ground = self.ground(connection, query.day)?;
            let oldest = first_day(ground.as_of.day);
            let customers = match query.customer {
                Some(customer) => vec![customer],
                None => recently_promising(connection, oldest)?,
            };
            let mut promises = Vec::new();
            for customer in customers {
                promises.extend(of_customer(connection, &ground, customer)?);
            }
            promises.retain(|it| {
                let recent = query.customer.is_some() || it.result.promise.due >= oldest;
                let wanted = query.kept || it.state != PromiseState::Judged(PromiseStanding::Kept);
                recent && wanted && (query.everyone || it.rep == Some(me))
            });
            promises.sort_by_key(|it| (it.result.promise.due, it.result.promise.made_on, it.result.promise.note));
            Ok(Promises {
                as_of: ground.as_of,
                promises,
            })
        })
    }
}

/// The first due day of promises in lists of `day`.
pub(super) fn first_day(day: NaiveDate) -> NaiveDate {
    day.checked_sub_days(Days::new(DAYS_BACK)).unwrap_or(NaiveDate::MIN)
}

/// The customers with promises that are due on `oldest` or later.
pub(super) fn recently_promising(connection: &Connection, oldest: NaiveDate) -> Result<Vec<CustomerId>, FieldError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT DISTINCT i.id FROM document d JOIN interned i ON i.ref = d.customer
         WHERE d.day >= ?1 AND d.kind = ?2 AND d.amount IS NOT NULL AND d.flags & {} = 0",
        lists::HIDDEN
    ))?;
    let kind = documents::kind_number(&DocumentKind::CollectionNote);
    let rows = statement.query_map((documents::day_number(oldest), kind), |row| row.get::<_, [u8; 16]>(0))?;
    Ok(rows
        .map(|id| id.map(CustomerId::from_bytes))
        .collect::<Result<_, _>>()?)
}

/// Every promise of a customer with what became of it, by the day they are due.
pub(super) fn of_customer(
    connection: &Connection,
    ground: &Ground,
    customer: CustomerId,
) -> Result<Vec<PromiseView>, FieldError> {
    let mut promises = Vec::new();
    let mut reps: BTreeMap<DocumentId, UserId> = BTreeMap::new();
    for (id, note) in notes(connection, customer, "d.amount IS NOT NULL")? {
        if let Some(promise) = Promise::of_note(id, &note, ground.zone) {
            reps.insert(id, note.rep);
            promises.push(promise);
        }
    }
    let Some(first) = promises.iter().map(|it| it.made_on).min() else {
        return Ok(Vec::new());
    };
    // Only payments that are valued after the first promise was made can count for one.
    let receipts: Vec<Receipt> = records::of_customer_since(connection, &RecordKind::Receipt, customer, first)?
        .into_iter()
        .filter_map(|record| match record {
            LedgerRecord::Receipt(it) => Some(it),
            _ => None,
        })
        .collect();
    let has_books = !receipts.is_empty() || records::has_books(connection, customer)?;
    let name = records::name_of_customer(connection, customer)?;
    let results = evaluate(&promises, &receipts, &ground.policy.promises, ground.as_of.day);
    let view = |result: PromiseResult| PromiseView {
        customer,
        customer_name: name.clone(),
        rep: reps.get(&result.promise.note).copied(),
        state: PromiseState::of(&result, ground.as_of.known_on, has_books),
        result,
    };
    Ok(results.into_iter().map(view).collect())
}

/// The collection notes about a customer that fit `condition`, the newest first. One that only a newer version can read
/// is passed over.
pub(super) fn notes(
    connection: &Connection,
    customer: CustomerId,
    condition: &str,
) -> Result<Vec<(DocumentId, CollectionNote)>, FieldError> {
    let found = lists::trees_of_customer(connection, customer, &DocumentKind::CollectionNote, condition)?;
    let note = |(id, tree)| Some((id, serde_json::from_value(tree).ok()?));
    Ok(found.into_iter().filter_map(note).collect())
}
