//! Links to statements of account.

use fieldledger_core::model::{CustomerId, OrganisationId, StatementId, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::store::{StatementLink, StoreError};

const LINK: &str = "token_hash, organisation, customer, statement, contact, made_at, expires_at, revoked_at";

fn link(row: &Row<'_>) -> rusqlite::Result<StatementLink> {
    Ok(StatementLink {
        token_hash: row.get(0)?,
        organisation: OrganisationId::from_bytes(row.get(1)?),
        customer: CustomerId::from_bytes(row.get(2)?),
        statement: StatementId::from_bytes(row.get(3)?),
        contact: row.get(4)?,
        made_at: Timestamp::from_millis(row.get(5)?),
        expires_at: Timestamp::from_millis(row.get(6)?),
        revoked_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
    })
}

pub(super) fn with_secret(connection: &Connection, token_hash: &[u8; 32]) -> Result<Option<StatementLink>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {LINK} FROM statement_link WHERE token_hash = ?1"))?;
    let mut rows = statement.query_map(params![token_hash], link)?;
    Ok(rows.next().transpose()?)
}

pub(super) fn of_statement(
    connection: &Connection,
    org: OrganisationId,
    statement: StatementId,
) -> Result<Vec<StatementLink>, StoreError> {
    let sql = format!(
        "SELECT {LINK} FROM statement_link WHERE organisation = ?1 AND statement = ?2 ORDER BY made_at, token_hash"
    );
    let mut found = connection.prepare_cached(&sql)?;
    let rows = found.query_map(params![org.as_bytes(), statement.as_bytes()], link)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put(connection: &Connection, link: &StatementLink) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO statement_link (token_hash, organisation, customer, statement, contact, made_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            link.token_hash,
            link.organisation.as_bytes(),
            link.customer.as_bytes(),
            link.statement.as_bytes(),
            link.contact,
            link.made_at.as_millis(),
            link.expires_at.as_millis(),
        ],
    )?;
    Ok(())
}

pub(super) fn revoke(
    connection: &Connection,
    org: OrganisationId,
    statement: StatementId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended = connection.execute(
        "UPDATE statement_link SET revoked_at = ?3 WHERE organisation = ?1 AND statement = ?2 AND revoked_at IS NULL",
        params![org.as_bytes(), statement.as_bytes(), now.as_millis()],
    )?;
    if ended == 0 {
        return Err(StoreError::NotFound(format!(
            "a link to statement {statement} that still leads there"
        )));
    }
    Ok(())
}
