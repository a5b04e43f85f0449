//! Organisations, accounts, sessions, enrolment codes, devices and the audit log.

use async_trait::async_trait;
use fieldledger_core::model::{DeviceId, OrganisationId, Role, TerritoryId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use sha2::{Digest as _, Sha256};

use super::SqliteStore;
use crate::store::{
    Account, AuditEntry, Device, DeviceContact, Enrolment, NewDevice, PeopleStore, Redemption, Session, StoreError,
};

/// Tokens offered to a device and not used yet that are kept. More than one is only needed while replies get lost.
const OFFERED_TOKENS: i64 = 8;

#[async_trait]
impl PeopleStore for SqliteStore {
    async fn create_organisation(&self, id: OrganisationId, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
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
        })
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
                    "INSERT INTO session (token_hash, organisation, user, csrf, created_at, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    session.token_hash,
                    session.organisation.as_bytes(),
                    session.user.as_bytes(),
                    session.csrf,
                    session.created_at.as_millis(),
                    session.expires_at.as_millis(),
                ])?;
            Ok(())
        })
        .await
    }

    async fn session(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Session>, StoreError> {
        let token_hash = *token_hash;
        self.read(move |connection| {
            let sql = "SELECT organisation, user, csrf, created_at, expires_at FROM session
                       WHERE token_hash = ?1 AND expires_at > ?2";
            one(connection, sql, params![token_hash, now.as_millis()], |row| {
                Ok(Session {
                    token_hash,
                    organisation: OrganisationId::from_bytes(row.get(0)?),
                    user: UserId::from_bytes(row.get(1)?),
                    csrf: row.get(2)?,
                    created_at: Timestamp::from_millis(row.get(3)?),
                    expires_at: Timestamp::from_millis(row.get(4)?),
                })
            })
        })
        .await
    }

    async fn end_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        let token_hash = *token_hash;
        self.write(move |connection| {
            connection.execute("DELETE FROM session WHERE token_hash = ?1", params![token_hash])?;
            Ok(())
        })
        .await
    }

    async fn end_sessions_of(&self, org: OrganisationId, user: UserId) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection.execute(
                "DELETE FROM session WHERE organisation = ?1 AND user = ?2",
                params![org.as_bytes(), user.as_bytes()],
            )?;
            Ok(())
        })
        .await
    }

    async fn put_enrolment(&self, enrolment: Enrolment) -> Result<(), StoreError> {
        self.write(move |connection| {
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
        })
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
        self.write(move |connection| {
            let revoked = connection.execute(
                "UPDATE device SET revoked_at = coalesce(revoked_at, ?3) WHERE organisation = ?1 AND id = ?2",
                params![org.as_bytes(), device.as_bytes(), now.as_millis()],
            )?;
            if revoked == 0 {
                return Err(no_device(device));
            }
            Ok(())
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

    async fn verify_audit_log(&self) -> Result<Vec<String>, StoreError> {
        self.read(verify_audit_log).await
    }
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

const ACCOUNT: &str = "organisation, user, login, name, password_hash, roles, territories, disabled";

fn account(row: &Row<'_>) -> Result<Account, StoreError> {
    let login: String = row.get(2)?;
    let damaged = |what: &str| StoreError::Damaged(format!("the {what} of account {login:?} cannot be read"));
    let roles: String = row.get(5)?;
    let roles = roles
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.parse::<Role>().map_err(|_| damaged("roles")))
        .collect::<Result<_, _>>()?;
    let territories: Vec<u8> = row.get(6)?;
    let (ids, rest) = territories.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(damaged("territories"));
    }
    Ok(Account {
        organisation: OrganisationId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        name: row.get(3)?,
        password_hash: row.get(4)?,
        roles,
        territories: ids.iter().copied().map(TerritoryId::from_bytes).collect(),
        disabled: row.get(7)?,
        login,
    })
}

fn account_of(connection: &Connection, org: OrganisationId, user: UserId) -> Result<Option<Account>, StoreError> {
    let sql = format!("SELECT {ACCOUNT} FROM account WHERE organisation = ?1 AND user = ?2");
    one(connection, &sql, params![org.as_bytes(), user.as_bytes()], account)
}

fn require_account(connection: &Connection, org: OrganisationId, user: UserId) -> Result<Account, StoreError> {
    account_of(connection, org, user)?.ok_or_else(|| StoreError::NotFound(format!("the account {user}")))
}

fn put_account(connection: &Connection, account: &Account) -> Result<(), StoreError> {
    let organisation: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM organisation WHERE id = ?1)",
        params![account.organisation.as_bytes()],
        |row| row.get(0),
    )?;
    if !organisation {
        return Err(StoreError::NotFound(format!(
            "the organisation {}",
            account.organisation
        )));
    }
    let login = account.login.to_lowercase();
    let holder: Option<([u8; 16], [u8; 16])> = connection
        .query_row(
            "SELECT organisation, user FROM account WHERE login = ?1",
            params![login],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    if holder.is_some_and(|holder| holder != (*account.organisation.as_bytes(), *account.user.as_bytes())) {
        return Err(StoreError::Conflict(format!(
            "the login {login:?} belongs to somebody else; choose another"
        )));
    }
    let roles: Vec<&str> = account.roles.iter().map(|role| role.as_str()).collect();
    let territories: Vec<u8> = account
        .territories
        .iter()
        .flat_map(|id| id.as_bytes().iter().copied())
        .collect();
    connection.execute(
        "INSERT INTO account (organisation, user, login, name, password_hash, roles, territories, disabled)
         VALUES (:organisation, :user, :login, :name, :password_hash, :roles, :territories, :disabled)
         ON CONFLICT (organisation, user) DO UPDATE SET
           login = excluded.login, name = excluded.name, password_hash = excluded.password_hash,
           roles = excluded.roles, territories = excluded.territories, disabled = excluded.disabled",
        named_params! {
            ":organisation": account.organisation.as_bytes(),
            ":user": account.user.as_bytes(),
            ":login": login,
            ":name": account.name,
            ":password_hash": account.password_hash,
            ":roles": roles.join(","),
            ":territories": territories,
            ":disabled": account.disabled,
        },
    )?;
    Ok(())
}

fn redeem(
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
    Ok(Redemption::Enrolled(account))
}

const DEVICE: &str = "device.organisation, device.id, device.user, device.name, device.platform, device.app_version, \
                      device.installation, device.enrolled_at, device.last_contact, device.waiting, \
                      device.clock_ahead_millis, device.token_issued_at, device.revoked_at";

fn device(row: &Row<'_>) -> Result<Device, StoreError> {
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

fn no_device(id: DeviceId) -> StoreError {
    StoreError::NotFound(format!("the device {id}"))
}

/// A token that was only offered and is used now becomes the one in use; all others of the device stop working.
fn adopt_token(connection: &Connection, contact: &DeviceContact) -> Result<(), StoreError> {
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

/// The hash of the line before the first.
const AUDIT_START: [u8; 32] = [0; 32];

fn audit_hash(before: &[u8; 32], org: OrganisationId, seq: i64, entry: &AuditEntry) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(org.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(entry.at.as_millis().to_be_bytes());
    for text in [&entry.actor, &entry.action, &entry.subject, &entry.detail] {
        // With their lengths, or moving a character from one field to the next would go unseen.
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

fn audit(connection: &Connection, org: OrganisationId, entry: &AuditEntry) -> Result<(), StoreError> {
    let head: Option<(i64, [u8; 32])> = connection
        .prepare_cached("SELECT seq, hash FROM audit_head WHERE organisation = ?1")?
        .query_row(params![org.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last, before) = head.unwrap_or((0, AUDIT_START));
    let seq = last + 1;
    let hash = audit_hash(&before, org, seq, entry);
    connection
        .prepare_cached(
            "INSERT INTO audit (organisation, seq, at, actor, action, subject, detail, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            org.as_bytes(),
            seq,
            entry.at.as_millis(),
            entry.actor,
            entry.action,
            entry.subject,
            entry.detail,
            hash,
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO audit_head (organisation, seq, hash) VALUES (?1, ?2, ?3)
             ON CONFLICT (organisation) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        )?
        .execute(params![org.as_bytes(), seq, hash])?;
    Ok(())
}

fn audit_entry(row: &Row<'_>, from: usize) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        at: Timestamp::from_millis(row.get(from)?),
        actor: row.get(from + 1)?,
        action: row.get(from + 2)?,
        subject: row.get(from + 3)?,
        detail: row.get(from + 4)?,
    })
}

fn verify_audit_log(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    let organisations: Vec<OrganisationId> = all(
        connection,
        "SELECT organisation FROM audit UNION SELECT organisation FROM audit_head",
        [],
        |row| Ok(OrganisationId::from_bytes(row.get(0)?)),
    )?;
    for org in organisations {
        let mut statement = connection.prepare(
            "SELECT at, actor, action, subject, detail, seq, hash FROM audit WHERE organisation = ?1 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![org.as_bytes()])?;
        let (mut last, mut before) = (0i64, AUDIT_START);
        while let Some(row) = rows.next()? {
            let entry = audit_entry(row, 0)?;
            let (seq, hash): (i64, [u8; 32]) = (row.get(5)?, row.get(6)?);
            if seq != last + 1 {
                problems.push(format!(
                    "audit log of {org}: the lines between {last} and {seq} are missing"
                ));
            } else if audit_hash(&before, org, seq, &entry) != hash {
                problems.push(format!(
                    "audit log of {org}: line {seq} ({} {}) was changed after it was written, or a line before it was",
                    entry.at, entry.action
                ));
            }
            (last, before) = (seq, hash);
        }
        let head: Option<(i64, [u8; 32])> = connection
            .query_row(
                "SELECT seq, hash FROM audit_head WHERE organisation = ?1",
                params![org.as_bytes()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        match head {
            Some(head) if head == (last, before) => {}
            Some((seq, _)) => problems.push(format!(
                "audit log of {org}: it should end with line {seq} and ends with line {last}"
            )),
            None => problems.push(format!("audit log of {org}: the record of its end is missing")),
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ORG: OrganisationId = OrganisationId::from_bytes([1; 16]);
    const ANNA: UserId = UserId::from_bytes([2; 16]);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn anna() -> Account {
        Account {
            organisation: ORG,
            user: ANNA,
            login: "anna".to_owned(),
            name: "Anna Linden".to_owned(),
            password_hash: None,
            roles: vec![Role::Rep, Role::Supervisor],
            territories: vec![TerritoryId::from_bytes([7; 16]), TerritoryId::from_bytes([8; 16])],
            disabled: false,
        }
    }

    async fn store() -> SqliteStore {
        let store = SqliteStore::in_memory().unwrap();
        store.create_organisation(ORG, "Linden", at(0)).await.unwrap();
        store.put_account(anna()).await.unwrap();
        store
    }

    fn new_device(number: u8) -> NewDevice {
        NewDevice {
            id: DeviceId::from_bytes([number; 16]),
            token_hash: [number; 32],
            name: "phone".to_owned(),
            platform: "cli".to_owned(),
            app_version: "1".to_owned(),
            installation: [number; 16],
        }
    }

    async fn enrolled(store: &SqliteStore, number: u8) {
        let enrolment = Enrolment {
            code_hash: [number; 32],
            organisation: ORG,
            user: ANNA,
            expires_at: at(1_000),
        };
        store.put_enrolment(enrolment).await.unwrap();
        let redemption = store.redeem_enrolment(&[number; 32], new_device(number), at(0)).await;
        assert_eq!(redemption.unwrap(), Redemption::Enrolled(anna()));
    }

    fn contact(number: u8, token: u8) -> DeviceContact {
        DeviceContact {
            organisation: ORG,
            device: DeviceId::from_bytes([number; 16]),
            token_hash: [token; 32],
            app_version: "2".to_owned(),
            waiting: 3,
            clock_ahead_millis: -5,
            now: at(500),
        }
    }

    #[tokio::test]
    async fn an_account_is_read_as_it_was_written_and_its_login_is_its_own() {
        let store = store().await;
        assert_eq!(store.account_by_login("Anna").await.unwrap(), Some(anna()));
        let changed = Account {
            login: "anna.linden".to_owned(),
            disabled: true,
            ..anna()
        };
        store.put_account(changed.clone()).await.unwrap();
        assert_eq!(store.accounts(ORG).await.unwrap(), vec![changed]);
        let bert = Account {
            user: UserId::from_bytes([3; 16]),
            login: "ANNA.LINDEN".to_owned(),
            ..anna()
        };
        assert!(matches!(store.put_account(bert).await, Err(StoreError::Conflict(_))));
        let nowhere = Account {
            organisation: OrganisationId::from_bytes([9; 16]),
            login: "x".to_owned(),
            ..anna()
        };
        assert!(matches!(store.put_account(nowhere).await, Err(StoreError::NotFound(_))));
        let again = store.create_organisation(OrganisationId::from_bytes([9; 16]), "Linden", at(0));
        assert!(matches!(again.await, Err(StoreError::Conflict(_))));
    }

    #[tokio::test]
    async fn a_session_ends_at_its_time_and_old_ones_do_not_pile_up() {
        let store = store().await;
        let session = |number: u8, from: i64| Session {
            token_hash: [number; 32],
            organisation: ORG,
            user: ANNA,
            csrf: "c".to_owned(),
            created_at: at(from),
            expires_at: at(from + 100),
        };
        store.put_session(session(1, 0)).await.unwrap();
        assert_eq!(store.session(&[1; 32], at(99)).await.unwrap(), Some(session(1, 0)));
        assert_eq!(store.session(&[1; 32], at(100)).await.unwrap(), None);
        store.put_session(session(2, 100)).await.unwrap();
        let kept: i64 = store
            .read(|connection| Ok(connection.query_row("SELECT count(*) FROM session", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(kept, 1);
        store.end_sessions_of(ORG, ANNA).await.unwrap();
        assert_eq!(store.session(&[2; 32], at(101)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_code_works_once_until_it_expires_and_not_for_a_shut_account() {
        let store = store().await;
        enrolled(&store, 1).await;
        let redeem = |code: u8, now: i64| {
            let store = &store;
            async move {
                store
                    .redeem_enrolment(&[code; 32], new_device(99), at(now))
                    .await
                    .unwrap()
            }
        };
        assert_eq!(redeem(1, 1).await, Redemption::Used);
        assert_eq!(redeem(2, 1).await, Redemption::Unknown);
        let enrolment = Enrolment {
            code_hash: [3; 32],
            organisation: ORG,
            user: ANNA,
            expires_at: at(1_000),
        };
        store.put_enrolment(enrolment).await.unwrap();
        assert_eq!(redeem(3, 1_000).await, Redemption::Expired);
        let shut = Account {
            disabled: true,
            ..anna()
        };
        store.put_account(shut).await.unwrap();
        assert_eq!(redeem(3, 999).await, Redemption::Disabled);
        store.put_account(anna()).await.unwrap();
        assert_eq!(redeem(3, 999).await, Redemption::Enrolled(anna()));
        assert_eq!(store.devices(ORG).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn the_old_token_works_until_any_of_the_offered_ones_is_used() {
        let store = store().await;
        enrolled(&store, 1).await;
        let id = DeviceId::from_bytes([1; 16]);
        for offered in 11..=13u8 {
            store
                .rotate_token(ORG, id, [offered; 32], at(i64::from(offered)))
                .await
                .unwrap();
        }
        let works = async |token: u8| store.device_by_token(&[token; 32]).await.unwrap().is_some();
        store.device_contact(contact(1, 1)).await.unwrap();
        for token in [1, 11, 12, 13] {
            assert!(works(token).await, "{token}");
        }
        // The reply with 13 got lost, the one with 12 came late.
        store.device_contact(contact(1, 12)).await.unwrap();
        assert!(works(12).await);
        for token in [1, 11, 13] {
            assert!(!works(token).await, "{token}");
        }
        let device = store.device_by_token(&[12; 32]).await.unwrap().unwrap();
        assert_eq!(device.token_issued_at, at(12));
        assert_eq!(
            (
                device.waiting,
                device.clock_ahead_millis,
                device.last_contact,
                device.app_version.as_str()
            ),
            (3, -5, Some(at(500)), "2")
        );
    }

    #[tokio::test]
    async fn offered_tokens_do_not_pile_up_on_a_device_that_never_hears_a_reply() {
        let store = store().await;
        enrolled(&store, 1).await;
        let id = DeviceId::from_bytes([1; 16]);
        for offered in 100..150u8 {
            store.rotate_token(ORG, id, [offered; 32], at(0)).await.unwrap();
        }
        assert!(store.device_by_token(&[1; 32]).await.unwrap().is_some());
        assert!(store.device_by_token(&[149; 32]).await.unwrap().is_some());
        assert!(store.device_by_token(&[142; 32]).await.unwrap().is_some());
        assert!(store.device_by_token(&[141; 32]).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_revoked_device_is_still_known_so_that_it_can_be_told() {
        let store = store().await;
        enrolled(&store, 1).await;
        let id = DeviceId::from_bytes([1; 16]);
        store.revoke_device(ORG, id, at(7)).await.unwrap();
        store.revoke_device(ORG, id, at(8)).await.unwrap();
        let device = store.device_by_token(&[1; 32]).await.unwrap().unwrap();
        assert_eq!(device.revoked_at, Some(at(7)));
        let other = store.revoke_device(ORG, DeviceId::from_bytes([9; 16]), at(8)).await;
        assert!(matches!(other, Err(StoreError::NotFound(_))));
    }

    async fn audited(lines: u8) -> SqliteStore {
        let store = store().await;
        for line in 0..lines {
            let entry = AuditEntry {
                at: at(i64::from(line)),
                actor: "operator".to_owned(),
                action: "user.changed".to_owned(),
                subject: format!("user{line}"),
                detail: String::new(),
            };
            store.audit(ORG, entry).await.unwrap();
        }
        assert_eq!(store.verify_audit_log().await.unwrap(), Vec::<String>::new());
        store
    }

    #[tokio::test]
    async fn the_audit_log_is_told_newest_first() {
        let store = audited(5).await;
        let log = store.audit_log(ORG, 2).await.unwrap();
        let subjects: Vec<&str> = log.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!(subjects, ["user4", "user3"]);
    }

    #[tokio::test]
    async fn tampering_with_the_audit_log_is_found() {
        for (tampering, found) in [
            ("UPDATE audit SET detail = 'nothing happened' WHERE seq = 2", "line 2 "),
            ("UPDATE audit SET at = at + 1 WHERE seq = 5", "line 5 "),
            (
                "UPDATE audit SET action = 'user.change', subject = 'duser0' WHERE seq = 1",
                "line 1 ",
            ),
            ("DELETE FROM audit WHERE seq = 3", "between 2 and 4"),
            ("DELETE FROM audit WHERE seq = 5", "should end with line 5"),
            ("DELETE FROM audit", "should end with line 5 and ends with line 0"),
            ("DELETE FROM audit_head", "record of its end"),
            ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", "line 4 "),
            (
                "UPDATE audit SET subject = iif(seq = 2, 'user2', 'user1') WHERE seq IN (2, 3)",
                "line 3 ",
            ),
        ] {
            let store = audited(5).await;
            store
                .write(move |connection| Ok(connection.execute_batch(tampering)?))
                .await
                .unwrap();
            let problems = store.verify_audit_log().await.unwrap();
            assert!(
                problems.iter().any(|problem| problem.contains(found)),
                "{tampering}: {problems:?}"
            );
        }
    }
}
