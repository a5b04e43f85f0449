//! Making accounts and telling them.

use std::fmt::Write as _;

use fieldledger_core::model::{Role, TerritoryId};

use super::{Outcome, desk::Desk, table::table};
use crate::{administration::NewAccount, cli::Failure};

pub(super) fn role_names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

impl Desk<'_> {
    pub(super) async fn add_user(&self, new: NewAccount) -> Result<Outcome, Failure> {
        let account = self.administration().add_account(new).await?;
        let roles = role_names(&account.roles);
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
