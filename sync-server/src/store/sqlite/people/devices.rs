//! Enrolment, devices and their tokens.

use fieldledger_core::model::{DeviceId, OrganisationId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{accounts::require_account, audit::audit};
use crate::store::{AuditEntry, Device, DeviceContact, NewDevice, Redemption, StoreError};

/// Tokens offered to a device and not used yet that are kept. More than one is only needed while replies get lost.
pub(super) const OFFERED_TOKENS: i64 = 8;

pub(super) fn redeem(
    connection: &Connection,
    code_hash: &[u8; 32],
    new: &NewDevice,
    now: Timestamp,
) -> Result<Redemption, StoreError> {
    let found = connection
        .query_row(
            "SELECT organisation, user, expires_at, used_at FROM enrolment WHERE code_hash = ?1",
            params![code_hash],
            |row| {
                let organisation: [u8; 16] = row.get(0)?;
                let user: [u8; 16] = row.get(1)?;
                let expires_at: i64 = row.get(2)?;
                let used_at: Option<i64> = row.get(3)?;
                Ok((organisation, user, expires_at, used_at))
            },
        )
        .optional()?;
    let Some((organisation, user, expires_at, used_at)) = found else {
        return Ok(Redemption::Unknown);
    };
    if used_at.is_some() {
        return Ok(Redemption::Used);
    }
    if expires_at <= now.as_millis() {
        return Ok(Redemption::Expired);
    }
    let account = require_account(
        connection,
        OrganisationId::from_bytes(organisation),
        UserId::from_bytes(user),
    )?;
    if account.disabled {
        return Ok(Redemption::Disabled);
    }
    connection.execute(
        "UPDATE enrolment SET used_at = ?2, device = ?3 WHERE code_hash = ?1",
        params![code_hash, now.as_millis(), new.id.as_bytes()],
    )?;
    connection.execute(
        "INSERT INTO device (organisation, id, user, name, platform, app_version, installation, enrolled_at,
                             token_issued_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        params![
            organisation,
            new.id.as_bytes(),
            user,
            new.name,
            new.platform,
            new.app_version,
            new.installation,
            now.as_millis(),
        ],
    )?;
    connection.execute(
        "INSERT INTO device_token (token_hash, organisation, device, in_use, issued_at) VALUES (?1, ?2, ?3, 1, ?4)",
        params![new.token_hash, organisation, new.id.as_bytes(), now.as_millis()],
    )?;
    let line = AuditEntry {
        at: now,
        actor: account.user.to_string(),
        action: "device.enrolled".to_owned(),
        subject: format!("device:{}", new.id),
        detail: format!("{}, from {}", new.name, new.address),
    };
    audit(connection, account.organisation, &line)?;
    Ok(Redemption::Enrolled(account))
}

pub(super) const DEVICE: &str = "device.organisation, device.id, device.user, device.name, device.platform, device.app_version, \
                      device.installation, device.enrolled_at, device.last_contact, device.waiting, \
                      device.clock_ahead_millis, device.token_issued_at, device.revoked_at";

pub(super) fn device(row: &Row<'_>) -> Result<Device, StoreError> {
    Ok(Device {
        organisation: OrganisationId::from_bytes(row.get(0)?),
        id: DeviceId::from_bytes(row.get(1)?),
        user: UserId::from_bytes(row.get(2)?),
        name: row.get(3)?,
        platform: row.get(4)?,
        app_version: row.get(5)?,
        installation: row.get(6)?,
        enrolled_at: Timestamp::from_millis(row.get(7)?),
        last_contact: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_millis),
        waiting: row.get(9)?,
        clock_ahead_millis: row.get(10)?,
        token_issued_at: Timestamp::from_millis(row.get(11)?),
        revoked_at: row.get::<_, Option<i64>>(12)?.map(Timestamp::from_millis),
    })
}

pub(super) fn no_device(id: DeviceId) -> StoreError {
    StoreError::NotFound(format!("the device {id}"))
}

/// A token that was only offered and is used now becomes the one in use; all others of the device stop working.
pub(super) fn adopt_token(connection: &Connection, contact: &DeviceContact) -> Result<(), StoreError> {
    let offered: Option<i64> = connection
        .prepare_cached(
            "SELECT issued_at FROM device_token
             WHERE token_hash = ?1 AND organisation = ?2 AND device = ?3 AND NOT in_use",
        )?
        .query_row(
            params![
                contact.token_hash,
                contact.organisation.as_bytes(),
                contact.device.as_bytes()
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(issued_at) = offered else { return Ok(()) };
    connection.execute(
        "DELETE FROM device_token WHERE organisation = ?1 AND device = ?2 AND token_hash <> ?3",
        params![
            contact.organisation.as_bytes(),
            contact.device.as_bytes(),
            contact.token_hash
        ],
    )?;
    connection.execute(
        "UPDATE device_token SET in_use = 1 WHERE token_hash = ?1",
        params![contact.token_hash],
    )?;
    connection.execute(
        "UPDATE device SET token_issued_at = ?3 WHERE organisation = ?1 AND id = ?2",
        params![contact.organisation.as_bytes(), contact.device.as_bytes(), issued_at],
    )?;
    Ok(())
}
