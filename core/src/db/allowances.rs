//! The phone's grants, and what the server has to be told of them.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::documents::intern;
use crate::{
    error::FieldError,
    model::{CustomerId, Grant, GrantId, GrantState, Spend},
    rules::allowance::DeviceGrant,
    sync::protocol::{AllowanceWord, MAX_WORDS},
};

/// The place under which the word is kept that a grant is closed.
const CLOSING: u32 = 0;

/// A grant of this phone.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn get(connection: &Connection, id: GrantId) -> Result<Option<DeviceGrant>, FieldError> {
    let state: Option<String> = connection
        .prepare_cached("SELECT state FROM allowance WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    state.map(|state| read(&state)).transpose()
}

/// The grants that may still be spent, of one customer or of all, the one that ends first first.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn open(connection: &Connection, customer: Option<CustomerId>) -> Result<Vec<DeviceGrant>, FieldError> {
    let sql = "SELECT a.state FROM allowance a JOIN interned i ON i.ref = a.customer
               WHERE a.open = 1 AND (?1 IS NULL OR i.id = ?1)";
    let mut statement = connection.prepare_cached(sql)?;
    let states = statement.query_map([customer.as_ref().map(CustomerId::as_bytes)], |row| {
        row.get::<_, String>(0)
    })?;
    let mut grants = Vec::new();
    for state in states {
        grants.push(read(&state?)?);
    }
    grants.sort_by_key(|it: &DeviceGrant| (it.terms.not_after, it.terms.id));
    Ok(grants)
}

/// The grants that this phone has not closed, those that were asked back included.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn unclosed(connection: &Connection) -> Result<Vec<DeviceGrant>, FieldError> {
    let mut statement = connection.prepare_cached("SELECT state FROM allowance ORDER BY id")?;
    let states = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut grants = Vec::new();
    for state in states {
        grants.push(read(&state?)?);
    }
    grants.retain(|it: &DeviceGrant| !it.closed);
    Ok(grants)
}

fn read(state: &str) -> Result<DeviceGrant, FieldError> {
    serde_json::from_str(state).map_err(|error| FieldError::Damaged(format!("allowance: {error}")))
}

/// Stores a grant as it is now.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn put(transaction: &Transaction<'_>, grant: &DeviceGrant) -> Result<(), FieldError> {
    let customer = intern(transaction, grant.terms.customer.as_bytes())?;
    let open = !grant.closed && !grant.recalled;
    transaction
        .prepare_cached(
            "INSERT INTO allowance (id, customer, state, open) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET state = ?3, open = ?4",
        )?
        .execute((grant.terms.id.as_bytes(), customer, serde_json::to_string(grant)?, open))?;
    Ok(())
}

/// Stores what the server has to be told of a grant. The same again changes nothing.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn say(transaction: &Transaction<'_>, word: &AllowanceWord) -> Result<(), FieldError> {
    let (grant, seq) = match word {
        AllowanceWord::Spent(spend) => (spend.grant, spend.seq),
        AllowanceWord::Closed(closing) => (closing.grant, CLOSING),
    };
    transaction
        .prepare_cached("INSERT OR IGNORE INTO allowance_word (grant_id, seq, word) VALUES (?1, ?2, ?3)")?
        .execute((grant.as_bytes(), seq, serde_json::to_string(word)?))?;
    Ok(())
}

/// What the server has to be told, oldest first, for [`crate::sync::protocol::SyncRequest::words`].
///
/// # Errors
/// [`FieldError`] of the database.
pub fn words(connection: &Connection) -> Result<Vec<String>, FieldError> {
    let mut statement = connection.prepare_cached("SELECT word FROM allowance_word ORDER BY no LIMIT ?1")?;
    let words = statement.query_map([MAX_WORDS], |row| row.get(0))?;
    Ok(words.collect::<Result<_, _>>()?)
}

/// Takes in the server's record of a grant: a new one may be spent, one that was asked back or freed may not any more,
/// and what the record shows need not be told again.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn received(transaction: &Transaction<'_>, grant: &Grant) -> Result<(), FieldError> {
    let mut mine = get(transaction, grant.terms.id)?.unwrap_or_else(|| DeviceGrant::new(grant.terms.clone()));
    match grant.state {
        GrantState::Open => {}
        GrantState::Recalled => mine.recalled = true,
        GrantState::Closed | GrantState::Expired | GrantState::WrittenOff => mine.closed = true,
    }
    // The server knows of a spend that this phone does not: its database was brought back from an older copy, or there
    // are two of it. Another spend would take a place that is taken.
    let known = |seq| mine.spends.iter().any(|it| it.seq == seq);
    if grant.settled.iter().any(|it| !known(it.seq)) {
        mine.closed = true;
    }
    put(transaction, &mine)?;
    let mut forget = transaction.prepare_cached("DELETE FROM allowance_word WHERE grant_id = ?1 AND seq = ?2")?;
    for settled in &grant.settled {
        let told = |it: &&Spend| it.seq == settled.seq && it.order == settled.order && it.amount == settled.amount;
        if mine.spends.iter().any(|it| told(&it)) {
            forget.execute((grant.terms.id.as_bytes(), settled.seq))?;
        }
    }
    if grant.close.is_some() || matches!(grant.state, GrantState::Closed | GrantState::WrittenOff) {
        forget.execute((grant.terms.id.as_bytes(), CLOSING))?;
    }
    Ok(())
}
