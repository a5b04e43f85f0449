//! Tokens of other software.

use fieldledger_core::model::{OrganisationId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::{all, one};
use crate::store::{ApiToken, NewApiToken, StoreError};

const TOKEN: &str = "id, organisation, name, role, created_at, expires_at, revoked_at, last_used_at";

fn token(row: &Row<'_>) -> Result<ApiToken, StoreError> {
    let (name, role): (String, String) = (row.get(2)?, row.get(3)?);
    let time = |column| Ok::<_, StoreError>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    Ok(ApiToken {
        id: row.get(0)?,
        organisation: OrganisationId::from_bytes(row.get(1)?),
        role: role
            .parse()
            .map_err(|_| StoreError::Damaged(format!("the role of API token {name:?} cannot be read")))?,
        name,
        created_at: Timestamp::from_millis(row.get(4)?),
        expires_at: time(5)?,
        revoked_at: time(6)?,
        last_used_at: time(7)?,
    })
}

pub(super) fn by_hash(connection: &Connection, token_hash: &[u8; 32]) -> Result<Option<ApiToken>, StoreError> {
    let sql = format!("SELECT {TOKEN} FROM api_token WHERE token_hash = ?1");
    one(connection, &sql, params![token_hash], token)
}

pub(super) fn all_of(connection: &Connection, org: OrganisationId) -> Result<Vec<ApiToken>, StoreError> {
    let sql = format!("SELECT {TOKEN} FROM api_token WHERE organisation = ?1 ORDER BY created_at, name");
    all(connection, &sql, params![org.as_bytes()], token)
}

pub(super) fn put(
    connection: &Connection,
    org: OrganisationId,
    new: &NewApiToken,
    now: Timestamp,
) -> Result<(), StoreError> {
    let added = connection.execute(
        "INSERT INTO api_token (organisation, id, name, role, token_hash, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        params![
            org.as_bytes(),
            new.id,
            new.name,
            new.role.as_str(),
            new.token_hash,
            now.as_millis(),
            new.expires_at.map(Timestamp::as_millis),
        ],
    )?;
    if added == 0 {
        return Err(StoreError::Conflict(format!(
            "there is a token {:?} already, or was; a name is given once, so that the audit log tells them apart",
            new.name
        )));
    }
    Ok(())
}

pub(super) fn revoke(
    connection: &Connection,
    org: OrganisationId,
    id: &[u8; 16],
    now: Timestamp,
) -> Result<(), StoreError> {
    let revoked = connection.execute(
        "UPDATE api_token SET revoked_at = coalesce(revoked_at, ?3) WHERE organisation = ?1 AND id = ?2",
        params![org.as_bytes(), id, now.as_millis()],
    )?;
    if revoked == 0 {
        return Err(StoreError::NotFound("the API token".to_owned()));
    }
    Ok(())
}

pub(super) fn used(
    connection: &Connection,
    org: OrganisationId,
    id: &[u8; 16],
    now: Timestamp,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE api_token SET last_used_at = ?3 WHERE organisation = ?1 AND id = ?2",
        params![org.as_bytes(), id, now.as_millis()],
    )?;
    Ok(())
}
