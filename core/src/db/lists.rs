//! Lists: read from the projection, never from documents.

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, types::Value as Sql};
use serde_json::Value;

use super::{
    documents::{
        HAPPENED, INCOMPLETE, KEPT, MOCKED, NEWER, OUTSIDE, day_of_number, interned, kind_number, kind_of_number,
        to_sql_limit, tree_of,
    },
    records::CustomerRow,
    words::Query,
};
use crate::{
    document::{Summary, declared_kind},
    error::FieldError,
    model::{CustomerId, DocumentId, DocumentKind, Money, ReviewVerdict, Timestamp, UserId},
};

/// A document in a list.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DocumentRow {
    /// Its id.
    pub id: DocumentId,
    /// Its kind.
    pub kind: DocumentKind,
    /// Made by a newer version: shown, not edited.
    pub newer: bool,
    /// The customer it is about.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub customer: Option<CustomerId>,
    /// The customer's name; empty while the phone does not know the customer.
    pub customer_name: String,
    /// The rep whose it is.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub owner: Option<UserId>,
    /// For a review, what it is about.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub about: Option<DocumentId>,
    /// When it happened, by the phone's clock; `None` while it is only planned.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub at: Option<Timestamp>,
    /// Its place in lists: when it happened, else when it is planned for, else when it was made. With `id` it is where
    /// the next page begins.
    pub moment: Timestamp,
    /// The day it is planned for or asks for attention.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub day: Option<NaiveDate>,
    /// How far it has got, as a stored name.
    pub state: String,
    /// A line for a list.
    pub title: String,
    /// Total of an order, amount of a promise.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub amount: Option<Money>,
    /// Fields about which people disagree.
    pub disagreements: usize,
    /// The newest review of it.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub review: Option<ReviewVerdict>,
    /// A position was outside the customer's geofence.
    pub outside: bool,
    /// A position came from a mock provider.
    pub mocked: bool,
    /// Whether the server has it.
    pub sync: RowSync,
}

impl DocumentRow {
    /// Its place in lists, where the next page begins.
    pub fn place(&self) -> Before {
        Before {
            moment: self.moment,
            id: self.id,
        }
    }
}

/// Whether the server has a document as it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum RowSync {
    /// It has.
    Synced,
    /// Some change has not been acknowledged.
    Waiting,
    /// Some change was refused; it is still here.
    Rejected {
        /// The reason, for software: the number of a [`crate::sync::protocol::RejectionCode`].
        code: u32,
        /// The reason, for the person.
        message: String,
    },
}

/// Where a page begins: after this row, going back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Before {
    /// Its [`DocumentRow::moment`].
    pub moment: Timestamp,
    /// Its [`DocumentRow::id`].
    pub id: DocumentId,
}

/// What to list. Everything that is `None` is left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ListQuery {
    /// Only this kind.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub kind: Option<DocumentKind>,
    /// Only about this customer.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub customer: Option<CustomerId>,
    /// Only of this rep.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub owner: Option<UserId>,
    /// Only in this state, by its stored name.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub state: Option<String>,
    /// Not before this moment.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub from: Option<Timestamp>,
    /// Before this moment.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub to: Option<Timestamp>,
    /// Only with these words in them.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub text: Option<String>,
    /// At most so many.
    #[cfg_attr(feature = "uniffi", uniffi(default = 100))]
    pub limit: usize,
    /// The last row of the page before.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub before: Option<Before>,
}

/// Something that a search found.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(clippy::large_enum_variant)]
pub enum SearchHit {
    /// A document.
    Document(DocumentRow),
    /// A customer.
    Customer(CustomerRow),
}

/// Documents with one of these flags are not shown.
pub(crate) const HIDDEN: i64 = INCOMPLETE | KEPT;

/// How many candidates of the index are fetched at once, at first and at most: few for the common case that most of them
/// fit, no more than a phone has memory for when few do.
const CANDIDATES: std::ops::RangeInclusive<usize> = 64..=1_024;

const COLUMNS: &str = "
    d.row, d.id, d.kind, d.flags, cu.id AS customer, rc.name AS customer_name, ow.id AS owner, d.about, d.moment, d.day,
    d.state, d.title, d.amount, d.disagreements, d.view,
    (SELECT max(o.state = 1) FROM outbox o
      WHERE o.change BETWEEN d.row << 20 AND (d.row << 20) + 1048575 AND o.state < 2) AS outbox,
    (SELECT r.state FROM document r WHERE r.about = d.id ORDER BY r.moment DESC LIMIT 1) AS review";

const JOINS: &str = "
    LEFT JOIN interned cu ON cu.ref = d.customer
    LEFT JOIN record rc ON rc.customer = d.customer AND rc.kind = 'customer'
    LEFT JOIN interned ow ON ow.ref = d.owner";

fn read_row(connection: &Connection, row: &Row<'_>) -> Result<DocumentRow, FieldError> {
    let flags: i64 = row.get("flags")?;
    let document: i64 = row.get("row")?;
    let kind = kind_of_number(row.get("kind")?);
    let at = Timestamp::from_millis(row.get("moment")?);
    let id: [u8; 16] = row.get("id")?;
    let customer: Option<[u8; 16]> = row.get("customer")?;
    let owner: Option<[u8; 16]> = row.get("owner")?;
    let about: Option<[u8; 16]> = row.get("about")?;
    let day: Option<i64> = row.get("day")?;
    let amount: Option<String> = row.get("amount")?;
    let review: Option<String> = row.get("review")?;
    let sync = match row.get::<_, Option<bool>>("outbox")? {
        None => RowSync::Synced,
        Some(false) => RowSync::Waiting,
        Some(true) => rejection(connection, document)?,
    };
    // The name of a kind that this build does not know stands only in the tree.
    let kind = match kind {
        Some(kind) => kind,
        None => declared_kind(&read_tree(connection, row)?).0,
    };
    Ok(DocumentRow {
        id: DocumentId::from_bytes(id),
        kind,
        newer: flags & NEWER != 0,
        customer: customer.map(CustomerId::from_bytes),
        customer_name: row.get::<_, Option<String>>("customer_name")?.unwrap_or_default(),
        owner: owner.map(UserId::from_bytes),
        about: about.map(DocumentId::from_bytes),
        at: (flags & HAPPENED != 0).then_some(at),
        moment: at,
        day: day.and_then(day_of_number),
        state: row.get("state")?,
        title: row.get("title")?,
        amount: amount.as_deref().and_then(parse_money),
        disagreements: usize::try_from(row.get::<_, i64>("disagreements")?).unwrap_or_default(),
        review: review.as_deref().and_then(parse_verdict),
        outside: flags & OUTSIDE != 0,
        mocked: flags & MOCKED != 0,
        sync,
    })
}

fn read_tree(connection: &Connection, row: &Row<'_>) -> Result<Value, FieldError> {
    let view: Option<Vec<u8>> = row.get("view")?;
    tree_of(connection, row.get("row")?, view.as_deref())
}

fn rejection(connection: &Connection, document: i64) -> Result<RowSync, FieldError> {
    // The first: what comes after it only says that it builds on it.
    let (first, last) = super::documents::row_of_change::range(document);
    let (code, message) = connection
        .prepare_cached(
            "SELECT code, message FROM outbox WHERE change BETWEEN ?1 AND ?2 AND state = 1 ORDER BY seq LIMIT 1",
        )?
        .query_row((first, last), |row| {
            Ok((row.get::<_, Option<u32>>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
    Ok(RowSync::Rejected {
        code: code.unwrap_or_default(),
        message: message.unwrap_or_default(),
    })
}

fn parse_money(text: &str) -> Option<Money> {
    let (currency, amount) = text.split_once(' ')?;
    Some(Money::new(amount.parse().ok()?, currency.parse().ok()?))
}

fn parse_verdict(name: &str) -> Option<ReviewVerdict> {
    [
        ReviewVerdict::Approved,
        ReviewVerdict::Questioned,
        ReviewVerdict::Flagged,
    ]
    .into_iter()
    .find(|verdict| verdict.as_str() == name)
}

/// Conditions with their parameters.
struct Conditions {
    sql: Vec<String>,
    of: Vec<Sql>,
}

impl Conditions {
    fn new() -> Self {
        Self {
            sql: vec![format!("d.flags & {HIDDEN} = 0")],
            of: Vec::new(),
        }
    }
    /// Adds a condition; `?` in it stands for the value.
    fn add(&mut self, sql: &str, value: impl Into<Sql>) {
        self.of.push(value.into());
        self.sql.push(sql.replace('?', &format!("?{}", self.of.len())));
    }
    fn fetch(&self, connection: &Connection, order: &str, limit: usize) -> Result<Vec<DocumentRow>, FieldError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM document d {JOINS} WHERE {} ORDER BY {order} LIMIT {}",
            self.sql.join(" AND "),
            to_sql_limit(limit)
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let of: Vec<&dyn ToSql> = self.of.iter().map(|it| it as &dyn ToSql).collect();
        let mut rows = statement.query(of.as_slice())?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_row(connection, row)?);
        }
        Ok(found)
    }
}

/// Documents that fit the query, newest first.
pub(crate) fn list(connection: &Connection, query: &ListQuery) -> Result<Vec<DocumentRow>, FieldError> {
    if let Some(text) = query.text.as_deref().filter(|text| !text.trim().is_empty()) {
        let Some(parsed) = Query::parse(text) else {
            return Ok(Vec::new());
        };
        return find_words(connection, &parsed, Some(query), query.limit);
    }
    let Some(conditions) = conditions(connection, query)? else {
        return Ok(Vec::new());
    };
    if query.kind.is_some() || query.customer.is_some() {
        return page(connection, conditions, query.kind.as_ref(), query.limit);
    }
    // Each kind has its index in the order of time; a page over all of them is merged from one page of each.
    let mut merged = Vec::new();
    let unknown = DocumentKind::Unknown(String::new());
    for kind in DocumentKind::KNOWN.iter().chain([&unknown]) {
        let conditions = Conditions {
            sql: conditions.sql.clone(),
            of: conditions.of.clone(),
        };
        merged.extend(page(connection, conditions, Some(kind), query.limit)?);
    }
    merged.sort_by_key(|row| std::cmp::Reverse((row.moment, row.id)));
    merged.truncate(query.limit);
    Ok(merged)
}

fn page(
    connection: &Connection,
    mut conditions: Conditions,
    kind: Option<&DocumentKind>,
    limit: usize,
) -> Result<Vec<DocumentRow>, FieldError> {
    if let Some(kind) = kind {
        conditions.add("d.kind = ?", kind_number(kind));
    }
    conditions.fetch(connection, "d.moment DESC, d.id DESC", limit)
}

/// What the query asks for besides the kind and the words; `None` when nothing can fit.
fn conditions(connection: &Connection, query: &ListQuery) -> Result<Option<Conditions>, FieldError> {
    let mut conditions = Conditions::new();
    if let Some(customer) = query.customer {
        let Some(customer) = interned(connection, customer.as_bytes())? else {
            return Ok(None);
        };
        conditions.add("d.customer = ?", customer);
    }
    if let Some(owner) = query.owner {
        let Some(owner) = interned(connection, owner.as_bytes())? else {
            return Ok(None);
        };
        // The customer's index is the narrower one.
        let sql = if query.customer.is_some() {
            "+d.owner = ?"
        } else {
            "d.owner = ?"
        };
        conditions.add(sql, owner);
    }
    if let Some(state) = &query.state {
        let open = !["done", "confirmed", "approved"].contains(&state.as_str());
        if open && query.customer.is_none() && query.owner.is_none() {
            // Word for word the condition of the index of what is open.
            conditions
                .sql
                .push("d.state NOT IN ('done', 'confirmed', 'approved')".to_owned());
        }
        conditions.add("d.state = ?", state.clone());
    }
    if let Some(from) = query.from {
        conditions.add("d.moment >= ?", from.as_millis());
    }
    if let Some(to) = query.to {
        conditions.add("d.moment < ?", to.as_millis());
    }
    if let Some(Before { moment, id }) = query.before {
        conditions.add("d.moment <= ?", moment.as_millis());
        conditions.of.push(Sql::Blob(id.as_bytes().to_vec()));
        let (at, id) = (conditions.of.len() - 1, conditions.of.len());
        conditions.sql.push(format!("(d.moment, d.id) < (?{at}, ?{id})"));
    }
    Ok(Some(conditions))
}

/// What happened with a customer, newest first.
pub(crate) fn timeline(
    connection: &Connection,
    customer: CustomerId,
    before: Option<Before>,
    limit: usize,
) -> Result<Vec<DocumentRow>, FieldError> {
    let query = ListQuery {
        customer: Some(customer),
        before,
        limit,
        ..ListQuery::default()
    };
    list(connection, &query)
}

/// Documents with these words, the ones stored last first. Looks on until the page is full or nothing is left.
pub(crate) fn find_words(
    connection: &Connection,
    query: &Query,
    filter: Option<&ListQuery>,
    limit: usize,
) -> Result<Vec<DocumentRow>, FieldError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT rowid AS found FROM document_words WHERE document_words MATCH ?1 AND rowid < ?3
                                ORDER BY rowid DESC LIMIT ?2) w
         CROSS JOIN document d ON d.row = w.found {JOINS} ORDER BY w.found DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    // The order is that of storing, so the next page begins behind the row at which the last one ended.
    let mut before = match filter.and_then(|filter| filter.before) {
        Some(Before { id, .. }) => connection
            .prepare_cached("SELECT row FROM document WHERE id = ?1")?
            .query_row([id.as_bytes()], |row| row.get(0))
            .optional()?,
        None => None,
    }
    .unwrap_or(i64::MAX);
    let resumed = before != i64::MAX;
    let mut candidates = limit.clamp(*CANDIDATES.start(), *CANDIDATES.end());
    let mut found = Vec::new();
    // What was recorded last is not in the index yet, and its rows come after all that are.
    for row in super::search::pending(connection, query)? {
        if row < before {
            let hits = select(connection, "d.row = ?1", "d.row", &[Sql::Integer(row)], 1)?;
            found.extend(
                hits.into_iter()
                    .filter(|hit| filter.is_none_or(|filter| fits(hit, filter, resumed))),
            );
        }
    }
    found.truncate(limit);
    while found.len() < limit {
        let mut looked_at = 0;
        let mut rows = statement.query((&query.expression, to_sql_limit(candidates), before))?;
        while let Some(row) = rows.next()? {
            looked_at += 1;
            before = row.get("row")?;
            // Counted among the candidates all the same: fewer than asked for means that nothing is left.
            if row.get::<_, i64>("flags")? & HIDDEN != 0 {
                continue;
            }
            let hit = read_row(connection, row)?;
            if !filter.is_none_or(|filter| fits(&hit, filter, resumed)) {
                continue;
            }
            if !query.verify.is_empty() && !query.is_in(&Summary::of(&read_tree(connection, row)?).text) {
                continue;
            }
            found.push(hit);
            if found.len() >= limit {
                break;
            }
        }
        if looked_at < candidates {
            break;
        }
        candidates = (candidates * 4).min(*CANDIDATES.end());
    }
    Ok(found)
}

/// Whether a row fits what the query asks for besides the words; with `resumed`, where the page begins is seen to.
fn fits(row: &DocumentRow, filter: &ListQuery, resumed: bool) -> bool {
    filter.kind.as_ref().is_none_or(|kind| *kind == row.kind)
        && filter.customer.is_none_or(|customer| row.customer == Some(customer))
        && filter.owner.is_none_or(|owner| row.owner == Some(owner))
        && filter.state.as_ref().is_none_or(|state| *state == row.state)
        && filter.from.is_none_or(|from| row.moment >= from)
        && filter.to.is_none_or(|to| row.moment < to)
        && (resumed || filter.before.is_none_or(|before| row.place() < before))
}

/// Rows chosen by a condition of our own making, for the lists of a day.
pub(crate) fn select(
    connection: &Connection,
    condition: &str,
    order: &str,
    of: &[Sql],
    limit: usize,
) -> Result<Vec<DocumentRow>, FieldError> {
    let mut conditions = Conditions::new();
    conditions.sql.push(condition.to_owned());
    conditions.of.extend_from_slice(of);
    conditions.fetch(connection, order, limit)
}

/// The trees of the documents of a kind about a customer that fit a condition of our own making, newest first.
pub(crate) fn trees_of_customer(
    connection: &Connection,
    customer: CustomerId,
    kind: &DocumentKind,
    condition: &str,
) -> Result<Vec<(DocumentId, Value)>, FieldError> {
    let Some(customer) = interned(connection, customer.as_bytes())? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT d.row, d.id, d.view FROM document d
         WHERE d.customer = ?1 AND d.kind = ?2 AND d.flags & {HIDDEN} = 0 AND ({condition})
         ORDER BY d.moment DESC, d.row DESC"
    ))?;
    let mut rows = statement.query((customer, kind_number(kind)))?;
    let mut trees = Vec::new();
    while let Some(row) = rows.next()? {
        let id: [u8; 16] = row.get("id")?;
        trees.push((DocumentId::from_bytes(id), read_tree(connection, row)?));
    }
    Ok(trees)
}

/// One document as a row.
pub(crate) fn one(connection: &Connection, id: DocumentId) -> Result<Option<DocumentRow>, FieldError> {
    let mut rows = select(
        connection,
        "d.id = ?1",
        "d.row",
        &[Sql::Blob(id.as_bytes().to_vec())],
        1,
    )?;
    Ok(rows.pop())
}

/// The tree of a document of any kind.
pub(crate) fn tree(connection: &Connection, id: DocumentId) -> Result<Option<Value>, FieldError> {
    match super::documents::find(connection, id)? {
        Some(found) if !found.is_hidden() => found.tree(connection).map(Some),
        _ => Ok(None),
    }
}
