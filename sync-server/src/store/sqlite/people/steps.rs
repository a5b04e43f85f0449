//! The steps of an administrative action, each within somebody's transaction.

use fieldledger_core::model::{DeviceId, OrganisationId, Timestamp, UserId};
use rusqlite::{Connection, params};

use super::{
    accounts::{put_account, require_account},
    devices::no_device,
    links, tokens,
};
use crate::store::{
    Enrolment, PutOutcome, Step, StoreError,
    sqlite::{Lineages, records, streams::Log},
};

pub(super) fn take(
    connection: &Connection,
    lineages: &Lineages,
    org: OrganisationId,
    step: &Step,
    now: Timestamp,
) -> Result<(), StoreError> {
    match step {
        Step::CreateOrganisation { name } => create_organisation(connection, org, name, now),
        Step::PutAccount(account) => put_account(connection, account),
        Step::EndSessionsOf(user) => end_sessions_of(connection, org, *user),
        Step::PutEnrolment(enrolment) => put_enrolment(connection, enrolment),
        Step::RevokeDevice(device) => revoke_device(connection, org, *device, now),
        Step::PutStatementLink(link) => links::put(connection, link),
        Step::RevokeStatementLinks(statement) => links::revoke(connection, org, *statement, now),
        Step::PutDeliveryLink(link) => links::put_delivery(connection, link),
        Step::RevokeDeliveryLinks(delivery) => links::revoke_delivery(connection, org, *delivery, now),
        Step::PutPasswordLink(link) => links::put_password(connection, link),
        Step::EndSession(token_hash) => end_session(connection, token_hash),
        Step::PutApiToken(new) => tokens::put(connection, org, new, now),
        Step::RevokeApiToken(id) => tokens::revoke(connection, org, id, now),
        Step::PutRecords(all) => {
            let (outcomes, _) = records::put(Log::new(connection, org, lineages), all, true, now)?;
            let refused = outcomes.into_iter().find_map(|it| match it {
                PutOutcome::Refused(reason) => Some(reason),
                _ => None,
            });
            refused.map_or(Ok(()), |reason| Err(StoreError::Conflict(reason)))
        }
    }
}

pub(super) fn create_organisation(
    connection: &Connection,
    id: OrganisationId,
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let added = connection.execute(
        "INSERT INTO organisation (id, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![id.as_bytes(), name, now.as_millis()],
    )?;
    if added == 0 {
        return Err(StoreError::Conflict(format!(
            "there is an organisation {name:?} already"
        )));
    }
    Ok(())
}

pub(super) fn end_sessions_of(connection: &Connection, org: OrganisationId, user: UserId) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM session WHERE organisation = ?1 AND user = ?2",
        params![org.as_bytes(), user.as_bytes()],
    )?;
    Ok(())
}

pub(super) fn end_session(connection: &Connection, token_hash: &[u8; 32]) -> Result<(), StoreError> {
    connection.execute("DELETE FROM session WHERE token_hash = ?1", params![token_hash])?;
    Ok(())
}

pub(super) fn put_enrolment(connection: &Connection, enrolment: &Enrolment) -> Result<(), StoreError> {
    require_account(connection, enrolment.organisation, enrolment.user)?;
    connection.execute(
        "INSERT INTO enrolment (code_hash, organisation, user, expires_at) VALUES (?1, ?2, ?3, ?4)",
        params![
            enrolment.code_hash,
            enrolment.organisation.as_bytes(),
            enrolment.user.as_bytes(),
            enrolment.expires_at.as_millis(),
        ],
    )?;
    Ok(())
}

pub(super) fn revoke_device(
    connection: &Connection,
    org: OrganisationId,
    device: DeviceId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let revoked = connection.execute(
        "UPDATE device SET revoked_at = coalesce(revoked_at, ?3) WHERE organisation = ?1 AND id = ?2",
        params![org.as_bytes(), device.as_bytes(), now.as_millis()],
    )?;
    if revoked == 0 {
        return Err(no_device(device));
    }
    Ok(())
}
