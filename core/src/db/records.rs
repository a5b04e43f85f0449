//! Ledger records: what the server alone writes.

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension as _, ToSql, Transaction, params_from_iter};

use super::{
    codec,
    documents::{day_number, intern, interned, to_sql_limit},
    words,
};
use crate::{
    error::FieldError,
    model::{CreditFile, Customer, CustomerId, LedgerRecord, RecordKind, TerritoryId, UserId},
    sync::protocol::{RecordEntry, RecordName},
};

/// Stores a version of a record that came in `stream`; an older version than the stored one changes nothing. `seen` is
/// the mark of the restart under way, 0 for none. Returns whether anything changed.
///
/// # Errors
/// [`FieldError::Invalid`] when the content is not what the kind needs; [`FieldError`] of the database.
pub fn put(transaction: &Transaction<'_>, stream: i64, entry: &RecordEntry, seen: i64) -> Result<bool, FieldError> {
    let kind = RecordKind::from_name(&entry.name.kind);
    // A record that this build cannot read is kept for the build that can.
    let record = LedgerRecord::from_json(&kind, &entry.json).unwrap_or(None);
    let version = i64::try_from(entry.version).unwrap_or(i64::MAX);
    let stored: Option<(i64, i64, i64)> = transaction
        .prepare_cached("SELECT row, version, seen FROM record WHERE kind = ?1 AND id = ?2")?
        .query_row((&entry.name.kind, &entry.name.id), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    // A restored server counts versions from where its backup was: what comes in a restart is new whatever its number.
    if let Some((row, known, marked)) = stored
        && known >= version
        && (seen == 0 || marked == seen)
    {
        transaction
            .prepare_cached(
                "UPDATE record SET seen = ?2, stream = CASE WHEN version > ?4 THEN stream ELSE ?3 END WHERE row = ?1",
            )?
            // An older version tells of where the record was before it moved here.
            .execute((row, seen, stream, version))?;
        if known == version {
            follow(transaction, record.as_ref(), stream, seen != 0)?;
        }
        return Ok(false);
    }
    let columns = Columns::of(transaction, record.as_ref())?;
    let body = codec::pack(entry.json.as_bytes());
    let content: [&dyn ToSql; 9] = [
        &stream,
        &version,
        &columns.customer,
        &columns.territory,
        &columns.day,
        &columns.code,
        &columns.name,
        &body,
        &seen,
    ];
    let row = if let Some((row, ..)) = stored {
        let subject: [&dyn ToSql; 1] = [&row];
        transaction
            .prepare_cached(
                "UPDATE record SET (stream, version, customer, territory, day, code, name, body, seen)
                     = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) WHERE row = ?10",
            )?
            .execute(params_from_iter(content.iter().chain(&subject)))?;
        transaction
            .prepare_cached("DELETE FROM record_words WHERE rowid = ?1")?
            .execute([row])?;
        row
    } else {
        let subject: [&dyn ToSql; 2] = [&entry.name.kind, &entry.name.id];
        transaction
            .prepare_cached(
                "INSERT INTO record (stream, version, customer, territory, day, code, name, body, seen, kind, id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params_from_iter(content.iter().chain(&subject)))?;
        transaction.last_insert_rowid()
    };
    follow(transaction, record.as_ref(), stream, seen != 0)?;
    if !columns.words.is_empty() {
        transaction
            .prepare_cached("INSERT INTO record_words (rowid, words) VALUES (?1, ?2)")?
            .execute((row, columns.words))?;
    }
    Ok(true)
}

/// Lets the documents about a customer follow it to its stream.
fn follow(
    transaction: &Transaction<'_>,
    record: Option<&LedgerRecord>,
    stream: i64,
    restarting: bool,
) -> Result<(), FieldError> {
    if let Some(LedgerRecord::Customer(customer)) = record
        && let Some(reference) = interned(transaction, customer.id.as_bytes())?
    {
        super::documents::follow_customer(transaction, reference, stream, restarting)?;
    }
    Ok(())
}

/// What lists need of a record.
#[derive(Default)]
struct Columns {
    customer: Option<i64>,
    territory: Option<Vec<u8>>,
    day: Option<i64>,
    code: Option<String>,
    name: Option<String>,
    words: String,
}

impl Columns {
    fn of(transaction: &Transaction<'_>, record: Option<&LedgerRecord>) -> Result<Self, FieldError> {
        let Some(record) = record else {
            return Ok(Self::default());
        };
        let customer = record
            .customer()
            .map(|id| intern(transaction, id.as_bytes()))
            .transpose()?;
        let mut columns = Self {
            customer,
            ..Self::default()
        };
        match record {
            LedgerRecord::Organisation(_)
            | LedgerRecord::Policy(_)
            | LedgerRecord::CreditAccount(_)
            | LedgerRecord::CreditFile(_)
            | LedgerRecord::Grant(_) => {}
            LedgerRecord::Territory(it) => columns.name = Some(it.name.clone()),
            LedgerRecord::Person(it) => columns.name = Some(it.name.clone()),
            LedgerRecord::Product(it) => {
                columns.code = Some(it.code.clone());
                columns.name = Some(it.name.clone());
                columns.words = words::index(&format!("{} {} {}", it.code, it.name, it.group));
            }
            LedgerRecord::Customer(it) => {
                columns.territory = Some(it.territory.as_bytes().to_vec());
                columns.code = Some(it.code.clone());
                columns.name = Some(it.name.clone());
                columns.words = words::index(&customer_text(it));
            }
            LedgerRecord::Order(it) => columns.day = Some(day_number(it.ordered_on)),
            LedgerRecord::Delivery(it) => columns.day = Some(day_number(it.shipped_on)),
            LedgerRecord::Invoice(it) => columns.day = Some(day_number(it.invoiced_on)),
            LedgerRecord::Receipt(it) => columns.day = Some(day_number(it.valued_on)),
            LedgerRecord::UnidentifiedReceipt(it) => columns.day = Some(day_number(it.valued_on)),
            LedgerRecord::CreditNote(it) => columns.day = Some(day_number(it.credited_on)),
            LedgerRecord::Contract(it) => columns.day = Some(day_number(it.signed_on)),
            LedgerRecord::OrderDecision(it) => columns.code = Some(it.number.clone()),
            LedgerRecord::Statement(it) => columns.day = Some(day_number(it.to)),
            LedgerRecord::Target(it) => columns.day = Some(day_number(it.month.first())),
            LedgerRecord::Warning(it) => columns.code = Some(it.rule.as_str().to_owned()),
        }
        Ok(columns)
    }
}

fn customer_text(customer: &Customer) -> String {
    let Customer {
        code,
        name,
        contact,
        phone,
        address,
        ..
    } = customer;
    format!("{code}\n{name}\n{contact}\n{phone}\n{address}")
}

/// Takes a record away because it left `stream`; one that came by another stream meanwhile stays.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove(transaction: &Transaction<'_>, stream: i64, name: &RecordName) -> Result<bool, FieldError> {
    remove_where(
        transaction,
        "SELECT row FROM record WHERE stream = ?1 AND kind = ?2 AND id = ?3",
        (stream, &name.kind, &name.id),
    )
    .map(|removed| removed > 0)
}

/// Takes away every record of a withdrawn stream.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove_stream(transaction: &Transaction<'_>, stream: i64) -> Result<usize, FieldError> {
    remove_where(transaction, "SELECT row FROM record WHERE stream = ?1", [stream])
}

/// Takes away what a restarted stream no longer holds: the records that do not carry its `mark`.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn remove_unseen(transaction: &Transaction<'_>, stream: i64, mark: i64) -> Result<usize, FieldError> {
    remove_where(
        transaction,
        "SELECT row FROM record WHERE stream = ?1 AND seen <> ?2",
        (stream, mark),
    )
}

/// The records of `kind` that [`remove_unseen`] would remove.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn unseen(
    connection: &Connection,
    stream: i64,
    mark: i64,
    kind: &RecordKind,
) -> Result<Vec<LedgerRecord>, FieldError> {
    read_all(
        connection,
        kind,
        "SELECT body FROM record WHERE kind = ?1 AND stream = ?2 AND seen <> ?3",
        &[&kind.as_str(), &stream, &mark],
    )
}

fn remove_where(transaction: &Transaction<'_>, sql: &str, of: impl rusqlite::Params) -> Result<usize, FieldError> {
    let rows: Vec<i64> = transaction
        .prepare_cached(sql)?
        .query_map(of, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for row in &rows {
        transaction
            .prepare_cached("DELETE FROM record_words WHERE rowid = ?1")?
            .execute([row])?;
        transaction
            .prepare_cached("DELETE FROM record WHERE row = ?1")?
            .execute([row])?;
    }
    Ok(rows.len())
}

/// One record with its version.
pub(crate) fn get(
    connection: &Connection,
    kind: &RecordKind,
    id: &str,
) -> Result<Option<(LedgerRecord, u64)>, FieldError> {
    let stored: Option<(Vec<u8>, i64)> = connection
        .prepare_cached("SELECT body, version FROM record WHERE kind = ?1 AND id = ?2")?
        .query_row((kind.as_str(), id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((body, version)) = stored else { return Ok(None) };
    let record = read_body(kind, &body)?;
    Ok(record.map(|record| (record, u64::try_from(version).unwrap_or_default())))
}

/// Unpacks a record; `None` when this build cannot read it.
fn read_body(kind: &RecordKind, body: &[u8]) -> Result<Option<LedgerRecord>, FieldError> {
    let json = String::from_utf8(codec::unpack(body)?).map_err(|error| FieldError::Damaged(error.to_string()))?;
    Ok(LedgerRecord::from_json(kind, &json).unwrap_or(None))
}

/// The records of `kind` about a customer, newest first.
pub(crate) fn of_customer(
    connection: &Connection,
    kind: &RecordKind,
    customer: CustomerId,
) -> Result<Vec<LedgerRecord>, FieldError> {
    let Some(customer) = interned(connection, customer.as_bytes())? else {
        return Ok(Vec::new());
    };
    read_all(
        connection,
        kind,
        "SELECT body FROM record WHERE kind = ?1 AND customer = ?2 ORDER BY day DESC, row DESC",
        &[&kind.as_str(), &customer],
    )
}

/// The records of `kind` about a customer that are dated `first` or later, newest first.
pub(crate) fn of_customer_since(
    connection: &Connection,
    kind: &RecordKind,
    customer: CustomerId,
    first: NaiveDate,
) -> Result<Vec<LedgerRecord>, FieldError> {
    let Some(customer) = interned(connection, customer.as_bytes())? else {
        return Ok(Vec::new());
    };
    read_all(
        connection,
        kind,
        "SELECT body FROM record WHERE kind = ?1 AND customer = ?2 AND day >= ?3 ORDER BY day DESC, row DESC",
        &[&kind.as_str(), &customer, &day_number(first)],
    )
}

/// Whether anything of the books of a customer is here: an invoice, a receipt or a credit note.
pub(crate) fn has_books(connection: &Connection, customer: CustomerId) -> Result<bool, FieldError> {
    let Some(customer) = interned(connection, customer.as_bytes())? else {
        return Ok(false);
    };
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM record WHERE customer = ?1 AND kind IN ('invoice', 'receipt', 'credit_note') LIMIT 1",
        )?
        .exists([customer])?)
}

/// The customer's name; empty while this phone does not know the customer.
pub(crate) fn name_of_customer(connection: &Connection, customer: CustomerId) -> Result<String, FieldError> {
    let stored: Option<Option<String>> = connection
        .prepare_cached("SELECT name FROM record WHERE kind = 'customer' AND id = ?1")?
        .query_row([customer.to_string()], |row| row.get(0))
        .optional()?;
    Ok(stored.flatten().unwrap_or_default())
}

/// The little of a customer that a list of many is made from; the rest of a record is not read.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct CustomerLine {
    /// Its id.
    pub(crate) id: CustomerId,
    /// The company's number for it.
    pub(crate) code: String,
    /// Its name.
    pub(crate) name: String,
    /// The rep in charge.
    #[serde(default)]
    pub(crate) rep: Option<UserId>,
}

/// Every customer by name with its credit file.
pub(crate) fn customers_with_files(
    connection: &Connection,
    mut each: impl FnMut(CustomerLine, &mut dyn FnMut() -> Result<Option<CreditFile>, FieldError>) -> Result<(), FieldError>,
) -> Result<(), FieldError> {
    let mut statement = connection.prepare_cached(
        "SELECT c.body, f.body FROM record c LEFT JOIN record f ON f.customer = c.customer AND f.kind = 'credit_file'
         WHERE c.kind = 'customer' AND c.name IS NOT NULL ORDER BY c.name, c.row",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        // One that only a newer version can read is in no list of this one.
        let Ok(customer) = serde_json::from_slice(&codec::unpack(body)?) else {
            continue;
        };
        each(customer, &mut || {
            let body = row.get_ref(1)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
            Ok(
                match body.map(|body| read_body(&RecordKind::CreditFile, body)).transpose()? {
                    Some(Some(LedgerRecord::CreditFile(file))) => Some(file),
                    _ => None,
                },
            )
        })?;
    }
    Ok(())
}

/// The records of `kind` by name, some of them.
pub(crate) fn by_name(
    connection: &Connection,
    kind: &RecordKind,
    text: &str,
    limit: usize,
    offset: usize,
) -> Result<Vec<LedgerRecord>, FieldError> {
    let (limit, offset) = (to_sql_limit(limit), to_sql_limit(offset));
    match words::Query::parse(text) {
        None if text.trim().is_empty() => read_all(
            connection,
            kind,
            "SELECT body FROM record WHERE kind = ?1 AND name IS NOT NULL ORDER BY name, row LIMIT ?2 OFFSET ?3",
            &[&kind.as_str(), &limit, &offset],
        ),
        None => Ok(Vec::new()),
        Some(query) => read_all(
            connection,
            kind,
            "SELECT r.body FROM record_words w JOIN record r ON r.row = w.rowid
             WHERE w.record_words MATCH ?4 AND r.kind = ?1 ORDER BY r.name, r.row LIMIT ?2 OFFSET ?3",
            &[&kind.as_str(), &limit, &offset, &query.expression],
        ),
    }
}

fn read_all(
    connection: &Connection,
    kind: &RecordKind,
    sql: &str,
    of: &[&dyn rusqlite::ToSql],
) -> Result<Vec<LedgerRecord>, FieldError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(of)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        records.extend(read_body(kind, body)?);
    }
    Ok(records)
}

/// The territory of a customer, as far as the phone knows.
pub(crate) fn territory_of(connection: &Connection, customer: CustomerId) -> Result<Option<TerritoryId>, FieldError> {
    let stored: Option<Option<[u8; 16]>> = connection
        .prepare_cached("SELECT territory FROM record WHERE kind = 'customer' AND id = ?1")?
        .query_row([customer.to_string()], |row| row.get(0))
        .optional()?;
    Ok(stored.flatten().map(TerritoryId::from_bytes))
}

/// What to look for among customers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CustomerQuery {
    /// Words of the name, number, contact or address; empty for all.
    #[cfg_attr(feature = "uniffi", uniffi(default = ""))]
    pub text: String,
    /// Only of this territory.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub territory: Option<TerritoryId>,
    /// At most so many.
    #[cfg_attr(feature = "uniffi", uniffi(default = 100))]
    pub limit: usize,
    /// After so many.
    #[cfg_attr(feature = "uniffi", uniffi(default = 0))]
    pub offset: usize,
}

/// A customer in a list.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CustomerRow {
    /// Its id.
    pub id: CustomerId,
    /// The company's number for it.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its territory.
    pub territory: TerritoryId,
    /// The rep in charge.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub rep: Option<UserId>,
    /// Where it is found.
    pub address: String,
}

impl From<Customer> for CustomerRow {
    fn from(customer: Customer) -> Self {
        Self {
            id: customer.id,
            code: customer.code,
            name: customer.name,
            territory: customer.territory,
            rep: customer.rep,
            address: customer.address,
        }
    }
}

/// Customers by name.
pub(crate) fn customers(connection: &Connection, query: &CustomerQuery) -> Result<Vec<CustomerRow>, FieldError> {
    let parsed = words::Query::parse(&query.text);
    if parsed.is_none() && !query.text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let territory = query.territory.map(|id| id.as_bytes().to_vec());
    let (limit, offset) = (to_sql_limit(query.limit), to_sql_limit(query.offset));
    let expression = parsed.as_ref().map(|it| it.expression.as_str());
    let sql = if expression.is_some() {
        "SELECT r.body FROM record_words w JOIN record r ON r.row = w.rowid
         WHERE w.record_words MATCH ?1 AND r.kind = 'customer' AND (?2 IS NULL OR r.territory = ?2)
         ORDER BY r.name, r.row"
    } else {
        "SELECT body FROM record WHERE ?1 IS NULL AND kind = 'customer' AND name IS NOT NULL
         AND (?2 IS NULL OR territory = ?2) ORDER BY name, row"
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((expression, territory))?;
    let (mut found, mut skip) = (Vec::new(), offset);
    while let Some(row) = rows.next()? {
        if found.len() as i64 >= limit {
            break;
        }
        if skip > 0 && parsed.as_ref().is_none_or(|it| it.verify.is_empty()) {
            skip -= 1;
            continue;
        }
        let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        if let Some(LedgerRecord::Customer(customer)) = read_body(&RecordKind::Customer, body)?
            && parsed.as_ref().is_none_or(|it| it.is_in(&customer_text(&customer)))
        {
            if skip > 0 {
                skip -= 1;
            } else {
                found.push(customer.into());
            }
        }
    }
    Ok(found)
}
