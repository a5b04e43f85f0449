//! Making accounts and telling them.

use std::fmt::Write as _;

use fieldledger_core::model::{Role, TerritoryId, UserId};

use super::{
    Outcome,
    desk::{Desk, account_and_person},
    table::table,
};
use crate::{cli::Failure, store::Account};

pub(super) struct NewUser {
    pub(super) login: String,
    pub(super) name: String,
    pub(super) roles: Vec<Role>,
    pub(super) territories: Vec<TerritoryId>,
    pub(super) supervisor: Option<String>,
    pub(super) password: Option<String>,
}

pub(super) fn role_names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

impl Desk<'_> {
    pub(super) async fn add_user(&self, new: NewUser) -> Result<Outcome, Failure> {
        if let Some(there) = self.state.store.account_by_login(&new.login).await? {
            return Err(Failure::new(format!(
                "the login {:?} belongs to {} already; choose another, or change that account",
                there.login, there.name
            )));
        }
        if new.roles.is_empty() {
            return Err(Failure::new("the account needs at least one --role"));
        }
        let supervisor = match &new.supervisor {
            Some(login) => Some(self.account(login).await?.user),
            None => None,
        };
        let password_hash = match new.password {
            Some(password) => Some(self.hash(&new.login, password).await?),
            None => None,
        };
        let account = Account {
            organisation: self.org,
            user: UserId(uuid::Builder::from_random_bytes(self.state.secrets.bytes()).into_uuid()),
            login: new.login,
            name: new.name,
            password_hash,
            roles: new.roles,
            territories: new.territories,
            disabled: false,
        };
        let roles = role_names(&account.roles);
        let steps = account_and_person(&account, supervisor);
        self.act(steps, "user.created", &account.login, &roles).await?;
        let mut text = format!("{} ({roles}) may use the login {}", account.name, account.login);
        if account.password_hash.is_none() {
            let _ = write!(
                text,
                "\nWithout a password only a phone can be enrolled; set one with `fieldledger user password {}`",
                account.login
            );
        }
        if account.territories.is_empty() && !account.roles.iter().any(|role| role.sees_every_territory()) {
            let _ = write!(
                text,
                "\nThey see no customers yet; `fieldledger user territories {} NAME…` says where they work",
                account.login
            );
        }
        Ok(text.into())
    }

    pub(super) async fn list_users(&self) -> Result<Outcome, Failure> {
        let territories = self.territories().await?;
        let name_of = |id: &TerritoryId| {
            let known = territories.iter().find(|it| it.id == *id);
            known.map_or_else(|| id.to_string(), |it| it.name.clone())
        };
        let rows = self.state.store.accounts(self.org).await?.into_iter().map(|it| {
            let state = match (it.disabled, &it.password_hash) {
                (true, _) => "shut",
                (false, None) => "no password",
                (false, Some(_)) => "open",
            };
            let places: Vec<String> = it.territories.iter().map(name_of).collect();
            vec![
                it.login,
                it.name,
                role_names(&it.roles),
                places.join(", "),
                state.to_owned(),
            ]
        });
        Ok(table(&["LOGIN", "NAME", "ROLES", "TERRITORIES", "STATE"], rows).into())
    }
}
