//! The phone's grants, and what the server has to be told of them.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::documents::intern;
use crate::{
    error::FieldError,
    model::{CustomerId, Grant, GrantId, GrantState, SettledSpend, ShownGrant},
    rules::allowance::{DeviceGrant, is_freed},
    sync::protocol::{AllowanceWord, MAX_WORDS},
};

/// The place under which the word is kept that a grant is closed.
const CLOSING: i64 = 0;
/// The place under which a grant is kept that has to be shown to a restored server.
const SHOWN: i64 = -1;

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
        AllowanceWord::Spent(spend) => (spend.grant, spend.seq.into()),
        AllowanceWord::Closed(closing) => (closing.grant, CLOSING),
        AllowanceWord::Shown(shown) => (shown.terms.id, SHOWN),
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
/// what the record shows need not be told again, and what it does not show is told (again, to a server that was restored
/// from a backup).
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
    let forked = grant.settled.iter().any(|it| !known(it.seq));
    if forked {
        mine.closed = true;
    }
    put(transaction, &mine)?;
    let mut forget = transaction.prepare_cached("DELETE FROM allowance_word WHERE grant_id = ?1 AND seq = ?2")?;
    forget.execute((grant.terms.id.as_bytes(), SHOWN))?;
    for spend in &mine.spends {
        let shows = |it: &SettledSpend| it.seq == spend.seq && it.order == spend.order && it.amount == spend.amount;
        if grant.settled.iter().any(shows) {
            forget.execute((grant.terms.id.as_bytes(), spend.seq))?;
        } else {
            say(transaction, &AllowanceWord::Spent(spend.clone()))?;
        }
    }
    if grant.close.is_some() || is_freed(grant.state) {
        forget.execute((grant.terms.id.as_bytes(), CLOSING))?;
    } else if mine.closed && !forked {
        say(transaction, &AllowanceWord::Closed(mine.close()))?;
    }
    Ok(())
}

/// Notes that the server has lost its record of a grant, or never had it: the grant is shown to it, with everything that
/// was spent, so that what this phone has promised stands. One that two people wrote off is over.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn lost(transaction: &Transaction<'_>, grant: &Grant) -> Result<(), FieldError> {
    let Some(mut mine) = get(transaction, grant.terms.id)? else {
        return Ok(());
    };
    if grant.state == GrantState::WrittenOff {
        transaction
            .prepare_cached("DELETE FROM allowance_word WHERE grant_id = ?1")?
            .execute([grant.terms.id.as_bytes()])?;
        return Ok(());
    }
    say(
        transaction,
        &AllowanceWord::Shown(ShownGrant {
            terms: mine.terms.clone(),
            signature: grant.signature.clone(),
        }),
    )?;
    for spend in &mine.spends {
        say(transaction, &AllowanceWord::Spent(spend.clone()))?;
    }
    // One that was closed because the server knew of other spends says nothing of its own sum.
    let complete = grant
        .settled
        .iter()
        .all(|it| mine.spends.iter().any(|spend| spend.seq == it.seq));
    if mine.closed && complete {
        say(transaction, &AllowanceWord::Closed(mine.close()))?;
    }
    Ok(())
}
