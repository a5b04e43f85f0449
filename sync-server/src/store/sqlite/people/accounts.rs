//! Accounts.

use fieldledger_core::model::{OrganisationId, Role, TerritoryId, UserId};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::one;
use crate::store::{Account, StoreError};

pub(super) const ACCOUNT: &str = "organisation, user, login, name, password_hash, roles, territories, disabled";

pub(super) fn account(row: &Row<'_>) -> Result<Account, StoreError> {
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

pub(super) fn account_of(
    connection: &Connection,
    org: OrganisationId,
    user: UserId,
) -> Result<Option<Account>, StoreError> {
    let sql = format!("SELECT {ACCOUNT} FROM account WHERE organisation = ?1 AND user = ?2");
    one(connection, &sql, params![org.as_bytes(), user.as_bytes()], account)
}

/// The accounts of everybody who works in one of these territories.
pub(in crate::store::sqlite) fn accounts_in(
    connection: &Connection,
    org: OrganisationId,
    territories: &[TerritoryId],
) -> Result<Vec<Account>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {ACCOUNT} FROM account WHERE organisation = ?1"))?;
    let mut rows = statement.query(params![org.as_bytes()])?;
    let mut people = Vec::new();
    while let Some(row) = rows.next()? {
        let account = account(row)?;
        if account.territories.iter().any(|it| territories.contains(it)) {
            people.push(account);
        }
    }
    Ok(people)
}

pub(super) fn require_account(
    connection: &Connection,
    org: OrganisationId,
    user: UserId,
) -> Result<Account, StoreError> {
    account_of(connection, org, user)?.ok_or_else(|| StoreError::NotFound(format!("the account {user}")))
}

pub(super) fn put_account(connection: &Connection, account: &Account) -> Result<(), StoreError> {
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
