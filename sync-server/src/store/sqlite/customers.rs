//! Customers found by what somebody types.

use fieldledger_core::{
    model::{Customer, LedgerRecord, OrganisationId},
    sync::protocol::StreamId,
};
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::{documents::push_list, records};
use crate::store::{CustomerSearch, FoundCustomers, InCareOf, StoreError};

/// Most customers that one search gives.
const MAX_FOUND: u32 = 1_000;
/// Longest beginning of the text that the engine compares, in characters: its patterns have a greatest length.
const PATTERN_CHARS: usize = 50;

pub(super) fn find(
    connection: &Connection,
    org: OrganisationId,
    search: &CustomerSearch,
) -> Result<FoundCustomers, StoreError> {
    let wanted = search.text.trim().to_lowercase();
    let rows = matching(connection, org, search, &wanted)?;
    let from = usize::try_from(search.from).unwrap_or(usize::MAX);
    let limit = usize::try_from(search.limit.min(MAX_FOUND)).unwrap_or(usize::MAX);
    let mut found = FoundCustomers {
        total: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        customers: Vec::new(),
    };
    for row in rows.into_iter().skip(from).take(limit) {
        if let Some(LedgerRecord::Customer(customer)) = records::of_row(connection, row)?.map(|it| it.record) {
            found.customers.push(customer);
        }
    }
    Ok(found)
}

/// The customers with exactly this number.
pub(super) fn of_code(connection: &Connection, org: OrganisationId, code: &str) -> Result<Vec<Customer>, StoreError> {
    let rows: Vec<i64> = connection
        .prepare_cached(
            "SELECT id FROM record WHERE organisation = ?1 AND kind = 'customer' AND json ->> '$.code' = ?2
             ORDER BY key LIMIT 2",
        )?
        .query_map(params![org.as_bytes(), code], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(LedgerRecord::Customer(customer)) = records::of_row(connection, row)?.map(|it| it.record) {
            found.push(customer);
        }
    }
    Ok(found)
}

/// The rows of the customers that match, in the order of the answer. Only names and numbers are held while they are sorted.
fn matching(
    connection: &Connection,
    org: OrganisationId,
    search: &CustomerSearch,
    wanted: &str,
) -> Result<Vec<i64>, StoreError> {
    // The fields of the JSON in the order of the columns; name and number come first.
    let fields: &[&str] = if search.details {
        &["name", "code", "contact", "phone", "address"]
    } else {
        &["name", "code"]
    };
    let columns: Vec<String> = fields.iter().map(|name| format!("json ->> '$.{name}'")).collect();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes())];
    let read = if wanted.is_empty() { &columns[..0] } else { &columns };
    // Where nothing else is asked, the names are there in their order.
    let is_all = wanted.is_empty() && search.territories.is_none() && search.rep.is_none();
    let path = if is_all { "INDEXED BY customer_of_name" } else { "" };
    let selected: Vec<&str> = std::iter::once("id").chain(read.iter().map(String::as_str)).collect();
    let mut sql = format!(
        "SELECT {} FROM record {path} WHERE organisation = ?1 AND kind = 'customer'",
        selected.join(", "),
    );
    if let Some(territories) = &search.territories {
        sql.push_str(" AND stream IN (SELECT id FROM stream WHERE organisation = ?1 AND name IN (");
        let names = territories.iter().map(|it| StreamId::Territory(*it).to_bytes());
        push_list(&mut sql, &mut values, names);
        sql.push_str("))");
    }
    match search.rep {
        None => {}
        Some(InCareOf::Nobody) => sql.push_str(" AND json ->> '$.rep' IS NULL"),
        Some(InCareOf::Rep(rep)) => {
            values.push(Box::new(rep.to_string()));
            sql.push_str(&format!(" AND json ->> '$.rep' = ?{}", values.len()));
        }
    }
    if !wanted.is_empty() {
        values.push(Box::new(pattern(wanted)));
        let place = values.len();
        let like: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} LIKE ?{place} ESCAPE '\\'"))
            .collect();
        sql.push_str(&format!(" AND ({})", like.join(" OR ")));
    }
    sql.push_str(" ORDER BY json ->> '$.name', key");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut exact, mut others) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match compare(row, read.len(), wanted)? {
            Match::Exact => exact.push(row.get(0)?),
            Match::Part => others.push(row.get(0)?),
            Match::None => {}
        }
    }
    exact.append(&mut others);
    Ok(exact)
}

enum Match {
    /// The whole name or number.
    Exact,
    /// A part of one of the fields.
    Part,
    None,
}

/// Compares as people do in every script; the engine knows upper and lower case of ASCII only.
fn compare(row: &Row<'_>, fields: usize, wanted: &str) -> Result<Match, StoreError> {
    let mut found = if wanted.is_empty() { Match::Part } else { Match::None };
    for field in 0..fields {
        let text: Option<String> = row.get(field + 1)?;
        let text = text.unwrap_or_default().to_lowercase();
        if field < 2 && !wanted.is_empty() && text == wanted {
            return Ok(Match::Exact);
        }
        if text.contains(wanted) {
            found = Match::Part;
        }
    }
    Ok(found)
}

/// A pattern that keeps out most of what does not contain `wanted`, and nothing that does: letters that the engine does not
/// know in both cases may stand for anything, and the end of a long text is left to [`compare`].
fn pattern(wanted: &str) -> String {
    let mut pattern = String::from("%");
    for letter in wanted.chars().take(PATTERN_CHARS) {
        match letter {
            '%' | '_' | '\\' => pattern.extend(['\\', letter]),
            // The lower case of letters that are not ASCII: the Kelvin sign, and the I with a dot.
            'k' | 'i' => pattern.push('%'),
            _ if letter.is_ascii() || is_caseless(letter) => pattern.push(letter),
            _ => pattern.push('%'),
        }
    }
    pattern.push('%');
    pattern
}

/// Whether it is a letter of a script without upper and lower case, as those of Chinese are.
fn is_caseless(letter: char) -> bool {
    letter.is_alphabetic() && !letter.is_lowercase() && !letter.is_uppercase()
}
