//! Links with a secret: to statements of account, to deliveries, to the form of a new password.

use fieldledger_core::model::{CustomerId, DocumentId, OrganisationId, StatementId, Timestamp, UserId};
use rusqlite::{Connection, Row, params};

use super::{
    accounts::{account_of, put_account, require_account},
    audit::audit,
    one,
    steps::end_sessions_of,
};
use crate::store::{Account, AuditEntry, DeliveryLink, PasswordLink, StatementLink, StoreError};

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

const DELIVERY: &str = "token_hash, organisation, delivery, contact, made_at, made_by, expires_at, revoked_at";

fn delivery_link(row: &Row<'_>) -> Result<DeliveryLink, StoreError> {
    Ok(DeliveryLink {
        token_hash: row.get(0)?,
        organisation: OrganisationId::from_bytes(row.get(1)?),
        delivery: DocumentId::from_bytes(row.get(2)?),
        contact: row.get(3)?,
        made_at: Timestamp::from_millis(row.get(4)?),
        made_by: UserId::from_bytes(row.get(5)?),
        expires_at: Timestamp::from_millis(row.get(6)?),
        revoked_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
    })
}

pub(super) fn to_delivery(connection: &Connection, token_hash: &[u8; 32]) -> Result<Option<DeliveryLink>, StoreError> {
    let sql = format!("SELECT {DELIVERY} FROM delivery_link WHERE token_hash = ?1");
    one(connection, &sql, params![token_hash], delivery_link)
}

pub(super) fn of_delivery(
    connection: &Connection,
    org: OrganisationId,
    delivery: DocumentId,
) -> Result<Vec<DeliveryLink>, StoreError> {
    let sql = format!(
        "SELECT {DELIVERY} FROM delivery_link WHERE organisation = ?1 AND delivery = ?2 ORDER BY made_at, token_hash"
    );
    super::all(
        connection,
        &sql,
        params![org.as_bytes(), delivery.as_bytes()],
        delivery_link,
    )
}

pub(super) fn put_delivery(connection: &Connection, link: &DeliveryLink) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO delivery_link (token_hash, organisation, delivery, contact, made_at, made_by, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            link.token_hash,
            link.organisation.as_bytes(),
            link.delivery.as_bytes(),
            link.contact,
            link.made_at.as_millis(),
            link.made_by.as_bytes(),
            link.expires_at.as_millis(),
        ],
    )?;
    Ok(())
}

pub(super) fn revoke_delivery(
    connection: &Connection,
    org: OrganisationId,
    delivery: DocumentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended = connection.execute(
        "UPDATE delivery_link SET revoked_at = ?3 WHERE organisation = ?1 AND delivery = ?2 AND revoked_at IS NULL",
        params![org.as_bytes(), delivery.as_bytes(), now.as_millis()],
    )?;
    if ended == 0 {
        return Err(StoreError::NotFound(format!(
            "a link to delivery {delivery} that still leads there"
        )));
    }
    Ok(())
}

pub(super) fn to_password(connection: &Connection, token_hash: &[u8; 32]) -> Result<Option<PasswordLink>, StoreError> {
    let sql = "SELECT organisation, user, made_at, expires_at, used_at FROM password_link WHERE token_hash = ?1";
    one(connection, sql, params![token_hash], |row| {
        Ok(PasswordLink {
            token_hash: *token_hash,
            organisation: OrganisationId::from_bytes(row.get(0)?),
            user: UserId::from_bytes(row.get(1)?),
            made_at: Timestamp::from_millis(row.get(2)?),
            expires_at: Timestamp::from_millis(row.get(3)?),
            used_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        })
    })
}

fn end_password_links(
    connection: &Connection,
    org: OrganisationId,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE password_link SET used_at = ?3 WHERE organisation = ?1 AND user = ?2 AND used_at IS NULL",
        params![org.as_bytes(), user.as_bytes(), now.as_millis()],
    )?;
    Ok(())
}

pub(super) fn put_password(connection: &Connection, link: &PasswordLink) -> Result<(), StoreError> {
    require_account(connection, link.organisation, link.user)?;
    end_password_links(connection, link.organisation, link.user, link.made_at)?;
    connection.execute(
        "INSERT INTO password_link (token_hash, organisation, user, made_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            link.token_hash,
            link.organisation.as_bytes(),
            link.user.as_bytes(),
            link.made_at.as_millis(),
            link.expires_at.as_millis(),
        ],
    )?;
    Ok(())
}

pub(super) fn use_for_password(
    connection: &Connection,
    token_hash: &[u8; 32],
    password_hash: String,
    line: &AuditEntry,
) -> Result<bool, StoreError> {
    let now = line.at;
    let Some(link) = to_password(connection, token_hash)?.filter(|it| it.is_valid(now)) else {
        return Ok(false);
    };
    let (org, user) = (link.organisation, link.user);
    let Some(account) = account_of(connection, org, user)?.filter(|it| !it.disabled) else {
        return Ok(false);
    };
    let account = Account {
        password_hash: Some(password_hash),
        ..account
    };
    put_account(connection, &account)?;
    end_password_links(connection, org, user, now)?;
    // Whoever knew the old password may be signed in with it.
    end_sessions_of(connection, org, user)?;
    audit(connection, org, line)?;
    Ok(true)
}
