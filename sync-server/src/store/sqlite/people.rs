//! Organisations, accounts, sessions, enrolment codes, devices and the audit log.

mod accounts;
pub(super) mod audit;
mod devices;
mod links;
mod steps;
#[cfg(test)]
mod tests;
mod tokens;

pub(super) use accounts::accounts_in;
use accounts::{ACCOUNT, account, account_of, put_account};
use async_trait::async_trait;
use audit::{audit, audit_entry, verify_audit_log};
use devices::{DEVICE, OFFERED_TOKENS, adopt_token, device, no_device, redeem};
use fieldledger_core::model::{DeviceId, DocumentId, OrganisationId, StatementId, Timestamp, UserId};
use rusqlite::{Connection, Row, params};
use steps::{create_organisation, end_session, end_sessions_of, put_enrolment, revoke_device, take};

use super::SqliteStore;
use crate::store::{
    Account, ApiToken, AuditCheck, AuditEntry, AuditFilter, DeliveryLink, Device, DeviceContact, Enrolment,
    FoundAuditLines, NewDevice, PasswordLink, PeopleStore, Redemption, Session, StatementLink, Step, StoreError,
};

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn create_organisation(&self, id: OrganisationId, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |connection| create_organisation(connection, id, &name, now))
            .await
    }

    async fn organisations(&self) -> Result<Vec<(OrganisationId, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, name FROM organisation ORDER BY name")?;
            let rows = statement.query_map([], |row| Ok((OrganisationId::from_bytes(row.get(0)?), row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn put_account(&self, account: Account) -> Result<(), StoreError> {
        self.write(move |connection| put_account(connection, &account)).await
    }

    async fn account_by_login(&self, login: &str) -> Result<Option<Account>, StoreError> {
        let login = login.to_lowercase();
        self.read(move |connection| {
            let sql = format!("SELECT {ACCOUNT} FROM account WHERE login = ?1");
            one(connection, &sql, params![login], account)
        })
        .await
    }

    async fn account(&self, org: OrganisationId, user: UserId) -> Result<Option<Account>, StoreError> {
        self.read(move |connection| account_of(connection, org, user)).await
    }

    async fn accounts(&self, org: OrganisationId) -> Result<Vec<Account>, StoreError> {
        self.read(move |connection| {
            let sql = format!("SELECT {ACCOUNT} FROM account WHERE organisation = ?1 ORDER BY name, login");
            all(connection, &sql, params![org.as_bytes()], account)
        })
        .await
    }

    async fn put_session(&self, session: Session) -> Result<(), StoreError> {
        self.write(move |connection| {
            // Nobody comes back for these; without this they would pile up for ever.
            connection
                .prepare_cached("DELETE FROM session WHERE expires_at <= ?1")?
                .execute([session.created_at.as_millis()])?;
            connection
                .prepare_cached(
                    "INSERT INTO session (token_hash, organisation, user, csrf, created_at, expires_at, last_seen_at,
                                          address, agent)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    session.token_hash,
                    session.organisation.as_bytes(),
                    session.user.as_bytes(),
                    session.csrf,
                    session.created_at.as_millis(),
                    session.expires_at.as_millis(),
                    session.last_seen_at.as_millis(),
                    session.address,
                    session.agent,
                ])?;
            Ok(())
        })
        .await
    }

    async fn session(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Session>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| {
            let sql = format!("SELECT {SESSION} FROM session WHERE token_hash = ?1 AND expires_at > ?2");
            one(connection, &sql, params![token_hash, now.as_millis()], session)
        })
        .await
    }

    async fn sessions_of(&self, org: OrganisationId, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT {SESSION} FROM session WHERE organisation = ?1 AND user = ?2 AND expires_at > ?3
                 ORDER BY created_at DESC, token_hash"
            );
            let params = params![org.as_bytes(), user.as_bytes(), now.as_millis()];
            all(connection, &sql, params, session)
        })
        .await
    }

    async fn session_seen(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
        let token_hash = *token_hash;
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE session SET last_seen_at = max(last_seen_at, ?2) WHERE token_hash = ?1")?
                .execute(params![token_hash, now.as_millis()])?;
            Ok(())
        })
        .await
    }

    async fn end_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        let token_hash = *token_hash;
        self.write(move |connection| end_session(connection, &token_hash)).await
    }

    async fn end_sessions_of(&self, org: OrganisationId, user: UserId) -> Result<(), StoreError> {
        self.write(move |connection| end_sessions_of(connection, org, user))
            .await
    }

    async fn put_enrolment(&self, enrolment: Enrolment) -> Result<(), StoreError> {
        self.write(move |connection| put_enrolment(connection, &enrolment))
            .await
    }

    async fn redeem_enrolment(
        &self,
        code_hash: &[u8; 32],
        device: NewDevice,
        now: Timestamp,
    ) -> Result<Redemption, StoreError> {
        let code_hash = *code_hash;
        self.write(move |connection| redeem(connection, &code_hash, &device, now))
            .await
    }

    async fn device_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| {
            let sql = format!(
                "SELECT {DEVICE} FROM device_token AS token
                 JOIN device ON device.organisation = token.organisation AND device.id = token.device
                 WHERE token.token_hash = ?1"
            );
            one(connection, &sql, params![token_hash], device)
        })
        .await
    }

    async fn devices(&self, org: OrganisationId) -> Result<Vec<Device>, StoreError> {
        self.read(move |connection| {
            let sql =
                format!("SELECT {DEVICE} FROM device WHERE device.organisation = ?1 ORDER BY device.enrolled_at, id");
            all(connection, &sql, params![org.as_bytes()], device)
        })
        .await
    }

    async fn device_contact(&self, contact: DeviceContact) -> Result<(), StoreError> {
        self.write(move |connection| {
            let noted = connection
                .prepare_cached(
                    "UPDATE device SET app_version = ?3, waiting = ?4, clock_ahead_millis = ?5, last_contact = ?6
                     WHERE organisation = ?1 AND id = ?2",
                )?
                .execute(params![
                    contact.organisation.as_bytes(),
                    contact.device.as_bytes(),
                    contact.app_version,
                    contact.waiting,
                    contact.clock_ahead_millis,
                    contact.now.as_millis(),
                ])?;
            if noted == 0 {
                return Err(no_device(contact.device));
            }
            adopt_token(connection, &contact)
        })
        .await
    }

    async fn rotate_token(
        &self,
        org: OrganisationId,
        device: DeviceId,
        next_token_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            let known: bool = connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM device WHERE organisation = ?1 AND id = ?2)",
                params![org.as_bytes(), device.as_bytes()],
                |row| row.get(0),
            )?;
            if !known {
                return Err(no_device(device));
            }
            connection.execute(
                "INSERT INTO device_token (token_hash, organisation, device, in_use, issued_at)
                 VALUES (?1, ?2, ?3, 0, ?4)",
                params![next_token_hash, org.as_bytes(), device.as_bytes(), now.as_millis()],
            )?;
            connection.execute(
                "DELETE FROM device_token WHERE NOT in_use AND organisation = ?1 AND device = ?2 AND rowid NOT IN
                   (SELECT rowid FROM device_token WHERE NOT in_use AND organisation = ?1 AND device = ?2
                    ORDER BY rowid DESC LIMIT ?3)",
                params![org.as_bytes(), device.as_bytes(), OFFERED_TOKENS],
            )?;
            Ok(())
        })
        .await
    }

    async fn revoke_device(&self, org: OrganisationId, device: DeviceId, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| revoke_device(connection, org, device, now))
            .await
    }

    async fn api_token(&self, token_hash: &[u8; 32]) -> Result<Option<ApiToken>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| tokens::by_hash(connection, &token_hash))
            .await
    }

    async fn api_tokens(&self, org: OrganisationId) -> Result<Vec<ApiToken>, StoreError> {
        self.read(move |connection| tokens::all_of(connection, org)).await
    }

    async fn api_token_used(&self, org: OrganisationId, id: [u8; 16], now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| tokens::used(connection, org, &id, now))
            .await
    }

    async fn statement_link(&self, token_hash: &[u8; 32]) -> Result<Option<StatementLink>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| links::with_secret(connection, &token_hash))
            .await
    }

    async fn password_link(&self, token_hash: &[u8; 32]) -> Result<Option<PasswordLink>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| links::to_password(connection, &token_hash))
            .await
    }

    async fn use_password_link(
        &self,
        token_hash: &[u8; 32],
        password_hash: String,
        line: AuditEntry,
    ) -> Result<bool, StoreError> {
        let token_hash = *token_hash;
        self.write(move |connection| links::use_for_password(connection, &token_hash, password_hash, &line))
            .await
    }

    async fn delivery_link(&self, token_hash: &[u8; 32]) -> Result<Option<DeliveryLink>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| links::to_delivery(connection, &token_hash))
            .await
    }

    async fn delivery_links(&self, org: OrganisationId, delivery: DocumentId) -> Result<Vec<DeliveryLink>, StoreError> {
        self.read(move |connection| links::of_delivery(connection, org, delivery))
            .await
    }

    async fn statement_links(
        &self,
        org: OrganisationId,
        statement: StatementId,
    ) -> Result<Vec<StatementLink>, StoreError> {
        self.read(move |connection| links::of_statement(connection, org, statement))
            .await
    }

    async fn administer(&self, org: OrganisationId, steps: Vec<Step>, line: AuditEntry) -> Result<(), StoreError> {
        let lineages = self.lineages.clone();
        self.write(move |connection| {
            for step in &steps {
                take(connection, &lineages, org, step, line.at)?;
            }
            audit(connection, org, &line)
        })
        .await
    }

    async fn audit(&self, org: OrganisationId, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(move |connection| audit(connection, org, &entry)).await
    }

    async fn audit_log(&self, org: OrganisationId, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT at, actor, action, subject, detail FROM audit WHERE organisation = ?1
                       ORDER BY seq DESC LIMIT ?2";
            all(connection, sql, params![org.as_bytes(), limit], |row| {
                audit_entry(row, 0)
            })
        })
        .await
    }

    async fn audited(&self, org: OrganisationId, action: &str) -> Result<Vec<AuditEntry>, StoreError> {
        let action = action.to_owned();
        self.read(move |connection| {
            let sql = "SELECT at, actor, action, subject, detail FROM audit WHERE organisation = ?1 AND action = ?2
                       ORDER BY seq";
            all(connection, sql, params![org.as_bytes(), action], |row| {
                audit_entry(row, 0)
            })
        })
        .await
    }

    async fn audited_of(&self, org: OrganisationId, subject: &str, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |connection| {
            let sql = "SELECT at, actor, action, subject, detail FROM audit WHERE organisation = ?1 AND subject = ?2
                       ORDER BY seq DESC LIMIT ?3";
            all(connection, sql, params![org.as_bytes(), subject, limit], |row| {
                audit_entry(row, 0)
            })
        })
        .await
    }

    async fn audit_lines(&self, org: OrganisationId, filter: &AuditFilter) -> Result<FoundAuditLines, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| audit::lines(connection, org, &filter))
            .await
    }

    async fn audit_actions(&self, org: OrganisationId) -> Result<Vec<String>, StoreError> {
        self.read(move |connection| audit::actions(connection, org)).await
    }

    async fn check_audit_log(&self, org: OrganisationId, newest: Option<u64>) -> Result<AuditCheck, StoreError> {
        self.read(move |connection| audit::check(connection, org, newest)).await
    }

    async fn verify_audit_log(&self) -> Result<Vec<String>, StoreError> {
        self.read(verify_audit_log).await
    }
}

const SESSION: &str = "token_hash, organisation, user, csrf, created_at, expires_at, last_seen_at, address, agent";

fn session(row: &Row<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        token_hash: row.get(0)?,
        organisation: OrganisationId::from_bytes(row.get(1)?),
        user: UserId::from_bytes(row.get(2)?),
        csrf: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        expires_at: Timestamp::from_millis(row.get(5)?),
        last_seen_at: Timestamp::from_millis(row.get(6)?),
        address: row.get(7)?,
        agent: row.get(8)?,
    })
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
