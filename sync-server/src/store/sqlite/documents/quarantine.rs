//! What was pushed and could not be accepted.

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{DeviceId, DocumentId, OrganisationId, TerritoryId, Timestamp, UserId},
    sync::protocol::RejectionCode,
};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};

use super::feed::push_list;
use crate::store::{Counted, Quarantined, QuarantinedLine, StoreError, sqlite::people::accounts_in};

pub(super) fn put(connection: &Connection, org: OrganisationId, item: &Quarantined) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO quarantine (organisation, digest, document, territory, user, device, code, message,
                                     received_at, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (organisation, digest) DO NOTHING",
        )?
        .execute(params![
            org.as_bytes(),
            item.digest,
            item.document.map(|it| *it.as_bytes()),
            item.territory.map(|it| *it.as_bytes()),
            item.user.as_bytes(),
            item.device.as_bytes(),
            code_number(item.code),
            item.message,
            item.received_at.as_millis(),
            item.bytes,
        ])?;
    Ok(())
}

/// The number under which a code is stored: the one it has on the wire.
const fn code_number(code: RejectionCode) -> i64 {
    match code {
        RejectionCode::Undecodable => 0,
        RejectionCode::WrongAuthor => 1,
        RejectionCode::WrongTerritory => 2,
        RejectionCode::NotAllowed => 3,
        RejectionCode::Invalid => 4,
        RejectionCode::ActorCollision => 5,
        RejectionCode::UnknownCustomer => 6,
        RejectionCode::Other => 255,
    }
}

const fn code_of(number: i64) -> RejectionCode {
    match number {
        0 => RejectionCode::Undecodable,
        1 => RejectionCode::WrongAuthor,
        2 => RejectionCode::WrongTerritory,
        3 => RejectionCode::NotAllowed,
        4 => RejectionCode::Invalid,
        5 => RejectionCode::ActorCollision,
        6 => RejectionCode::UnknownCustomer,
        _ => RejectionCode::Other,
    }
}

pub(super) fn newest(
    connection: &Connection,
    org: OrganisationId,
    territories: Option<&[TerritoryId]>,
    limit: u32,
) -> Result<Vec<Quarantined>, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes()), Box::new(limit)];
    let within = within(connection, org, &mut values, territories)?;
    let sql = format!(
        "SELECT {COLUMNS}, bytes FROM quarantine
         WHERE organisation = ?1{within} ORDER BY received_at DESC, id DESC LIMIT ?2"
    );
    let items = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), whole)?
        .collect::<Result<_, _>>()?;
    Ok(items)
}

/// One of them.
pub(super) fn one(
    connection: &Connection,
    org: OrganisationId,
    territories: Option<&[TerritoryId]>,
    digest: [u8; 32],
) -> Result<Option<Quarantined>, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes()), Box::new(digest)];
    let within = within(connection, org, &mut values, territories)?;
    let found = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, bytes FROM quarantine WHERE organisation = ?1 AND digest = ?2{within}"
        ))?
        .query_row(params_from_iter(values), whole)
        .optional()?;
    Ok(found)
}

/// What of a row is read everywhere.
const COLUMNS: &str = "digest, document, territory, user, device, code, message, received_at";

/// A row of [`COLUMNS`], without its bytes.
fn known(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        digest: row.get(0)?,
        document: row.get::<_, Option<_>>(1)?.map(DocumentId::from_bytes),
        territory: row.get::<_, Option<_>>(2)?.map(TerritoryId::from_bytes),
        user: UserId::from_bytes(row.get(3)?),
        device: DeviceId::from_bytes(row.get(4)?),
        code: code_of(row.get(5)?),
        message: row.get(6)?,
        received_at: Timestamp::from_millis(row.get(7)?),
        bytes: Vec::new(),
    })
}

/// The same followed by its bytes.
fn whole(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        bytes: row.get(8)?,
        ..known(row)?
    })
}

/// What keeps to these territories, or nothing: what was for one of them, and what somebody who works in one of them sent
/// that is for none of their own: its customer has moved away, or nothing of it could be read. The phone says to ask
/// one's supervisor about it.
fn within(
    connection: &Connection,
    org: OrganisationId,
    values: &mut Vec<Box<dyn ToSql>>,
    territories: Option<&[TerritoryId]>,
) -> Result<String, StoreError> {
    let Some(territories) = territories else {
        return Ok(String::new());
    };
    let mut sql = " AND (territory IN (".to_owned();
    push_list(&mut sql, values, territories.iter().map(|it| *it.as_bytes()));
    sql.push(')');
    // Most people work in the same few territories.
    let mut people: BTreeMap<Vec<TerritoryId>, Vec<UserId>> = BTreeMap::new();
    for account in accounts_in(connection, org, territories)? {
        people.entry(account.territories).or_default().push(account.user);
    }
    for (own, users) in people {
        sql.push_str(" OR (user IN (");
        push_list(&mut sql, values, users.iter().map(|it| *it.as_bytes()));
        sql.push_str(") AND (territory IS NULL OR territory NOT IN (");
        push_list(&mut sql, values, own.iter().map(|it| *it.as_bytes()));
        sql.push_str(")))");
    }
    sql.push(')');
    Ok(sql)
}

/// What is there without its bytes, newest first.
pub(super) fn lines(
    connection: &Connection,
    org: OrganisationId,
    territories: Option<&[TerritoryId]>,
    unseen: bool,
    limit: u32,
) -> Result<Vec<QuarantinedLine>, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes()), Box::new(limit)];
    let within = within(connection, org, &mut values, territories)?;
    let unseen = if unseen { " AND seen_at IS NULL" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS}, length(bytes), seen_by, seen_at
         FROM quarantine WHERE organisation = ?1{unseen}{within} ORDER BY received_at DESC, id DESC LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let it = known(row)?;
        let seen_by: Option<[u8; 16]> = row.get(9)?;
        let seen_at: Option<i64> = row.get(10)?;
        Ok(QuarantinedLine {
            digest: it.digest,
            document: it.document,
            territory: it.territory,
            user: it.user,
            device: it.device,
            code: it.code,
            message: it.message,
            received_at: it.received_at,
            size: row.get::<_, i64>(8)?.unsigned_abs(),
            seen: seen_by
                .zip(seen_at)
                .map(|(by, at)| (UserId::from_bytes(by), Timestamp::from_millis(at))),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What nobody has looked at.
pub(super) fn unseen(
    connection: &Connection,
    org: OrganisationId,
    territories: Option<&[TerritoryId]>,
    newest: u32,
) -> Result<Counted<QuarantinedLine>, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes())];
    let within = within(connection, org, &mut values, territories)?;
    let count: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM quarantine WHERE organisation = ?1 AND seen_at IS NULL{within}"
        ))?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(Counted {
        count: count.unsigned_abs(),
        first: lines(connection, org, territories, true, newest)?,
    })
}

/// Notes that somebody has looked at these; returns at how many of them nobody had looked.
pub(super) fn see(
    connection: &Connection,
    org: OrganisationId,
    territories: Option<&[TerritoryId]>,
    digests: &[[u8; 32]],
    by: UserId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for digest in digests {
        let mut values: Vec<Box<dyn ToSql>> = vec![
            Box::new(*org.as_bytes()),
            Box::new(*digest),
            Box::new(*by.as_bytes()),
            Box::new(now.as_millis()),
        ];
        let within = within(connection, org, &mut values, territories)?;
        changed += connection
            .prepare_cached(&format!(
                "UPDATE quarantine SET seen_by = ?3, seen_at = ?4
                 WHERE organisation = ?1 AND digest = ?2 AND seen_at IS NULL{within}"
            ))?
            .execute(params_from_iter(values))?;
    }
    Ok(changed as u64)
}
