//! One company's affairs: its territories, and who may do what in it.

use std::collections::BTreeMap;

use fieldledger_core::model::{OrganisationId, Territory, TerritoryId};

use super::{Action, OPERATOR, Outcome, accounts::role_names, table::table};
use crate::{
    administration::{AccountChange, Administration, Move, Moved, NewAccount, NewRep},
    cli::{self, Failure},
    report,
    state::AppState,
    store::{Account, Step},
};

pub(super) struct Desk<'s> {
    pub(super) state: &'s AppState,
    pub(super) org: OrganisationId,
    pub(super) org_name: String,
}

impl Desk<'_> {
    pub(super) async fn perform(&self, action: Action) -> Result<Outcome, Failure> {
        match action {
            Action::AddTerritory { name } => self.add_territory(&name).await,
            Action::ListTerritories => {
                let rows = self.territories().await?;
                let rows = rows.into_iter().map(|it| vec![it.name, it.id.to_string()]);
                Ok(table(&["NAME", "ID"], rows).into())
            }
            Action::AddUser {
                login,
                name,
                roles,
                territories,
                supervisor,
                password,
            } => {
                let supervisor = match &supervisor {
                    Some(login) => Some(self.account(login).await?.user),
                    None => None,
                };
                let new = NewAccount {
                    login,
                    name,
                    roles,
                    territories: self.territory_ids(&territories).await?,
                    supervisor,
                    password,
                };
                self.add_user(new).await
            }
            Action::ListUsers => self.list_users().await,
            Action::SetDisabled { login, disabled } => {
                let account = self.account(&login).await?;
                let account = self.administration().set_disabled(account.user, disabled).await?;
                let done = if disabled {
                    "shut; its sessions are ended and its devices are refused"
                } else {
                    "open"
                };
                Ok(format!("The account {} is {done}", account.login).into())
            }
            Action::SetPassword { login, password } => {
                let account = self.account(&login).await?;
                let account = self.administration().set_password(account.user, password).await?;
                Ok(format!(
                    "{} has a new password; sessions begun with the old one are ended",
                    account.login
                )
                .into())
            }
            Action::PasswordLink { login } => {
                let account = self.account(&login).await?;
                let made = self.administration().make_password_link(account.user).await?;
                Ok(format!(
                    "{}\n{} sets a password with this address, once, until {}. It is shown only now.",
                    made.address, account.name, made.until
                )
                .into())
            }
            Action::SignOut { login } => {
                let account = self.account(&login).await?;
                let account = self.administration().end_sessions(account.user).await?;
                Ok(format!("{} is signed out everywhere", account.login).into())
            }
            Action::SetTerritories { login, territories } => {
                let account = self.account(&login).await?;
                let change = AccountChange {
                    territories: Some(self.territory_ids(&territories).await?),
                    ..AccountChange::default()
                };
                let account = self.administration().change_account(account.user, change).await?;
                let names = match territories.join(", ") {
                    names if names.is_empty() => "no territory".to_owned(),
                    names => names,
                };
                Ok(format!("{} works in {names}", account.login).into())
            }
            Action::SetRoles { login, roles } => {
                let account = self.account(&login).await?;
                let change = AccountChange {
                    roles: Some(roles),
                    ..AccountChange::default()
                };
                let account = self.administration().change_account(account.user, change).await?;
                Ok(format!("{} is {}", account.login, role_names(&account.roles)).into())
            }
            Action::MoveCustomers {
                customers,
                to,
                rep,
                reason,
            } => self.move_customers(&customers, &to, rep.as_deref(), reason).await,
            Action::Delivery(action) => self.delivery(action).await,
            Action::Report { request, format } => {
                let report = report::compute(self.state.store.as_ref(), self.org, &request).await;
                let report = report.map_err(|error| Failure::new(error.to_string()))?;
                Ok(cli::report::written(&report, format).into())
            }
            Action::EnrolDevice { login, hours } => self.enrol_device(&login, hours).await,
            Action::ListDevices => self.list_devices().await,
            Action::RevokeDevice { device } => self.revoke_device(&device).await,
            Action::CreateToken { name, role, days } => self.create_token(&name, role, days).await,
            Action::ListTokens => self.list_tokens().await,
            Action::RevokeToken { name } => self.revoke_token(&name).await,
            Action::Credit(action) => self.credit(action).await,
            Action::Collect(action) => self.collect(action).await,
            Action::Statement(action) => self.statement(action).await,
            Action::AuditLog { limit } => {
                let log = self.state.store.audit_log(self.org, limit).await?;
                let accounts = self.state.store.accounts(self.org).await?;
                let logins: BTreeMap<_, _> = accounts.into_iter().map(|it| (it.user.to_string(), it.login)).collect();
                let rows = log.into_iter().rev().map(|it| {
                    let who = logins.get(&it.actor).cloned().unwrap_or(it.actor);
                    vec![it.at.to_string(), who, it.action, it.subject, it.detail]
                });
                Ok(table(&["AT", "WHO", "WHAT", "TO WHAT", "DETAIL"], rows).into())
            }
        }
    }

    /// What is administered here, by the command line.
    pub(super) fn administration(&self) -> Administration<'_> {
        Administration::new(self.state, self.org, OPERATOR)
    }

    pub(super) async fn territories(&self) -> Result<Vec<Territory>, Failure> {
        Ok(self.administration().territories().await?)
    }

    async fn territory_ids(&self, names: &[String]) -> Result<Vec<TerritoryId>, Failure> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.territories().await?;
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let matching: Vec<&Territory> = known
                .iter()
                .filter(|it| it.name == name.trim() || it.id.to_string() == name.trim())
                .collect();
            match matching.as_slice() {
                [only] => ids.push(only.id),
                [] => {
                    let names: Vec<&str> = known.iter().map(|it| it.name.as_str()).collect();
                    let there_is = if names.is_empty() {
                        "there is none yet".to_owned()
                    } else {
                        format!("there is: {}", names.join(", "))
                    };
                    return Err(Failure::new(format!(
                        "there is no territory {name:?}; {there_is}. Make one with `fieldledger territory add NAME`"
                    )));
                }
                _ => {
                    return Err(Failure::new(format!(
                        "several territories are called {name:?}; name one by its id (`fieldledger territory list`)"
                    )));
                }
            }
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    async fn add_territory(&self, name: &str) -> Result<Outcome, Failure> {
        let made = self.administration().add_territory(name).await?;
        Ok(format!("Territory {} is made, with the id {}", made.name, made.id).into())
    }

    async fn move_customers(
        &self,
        codes: &[String],
        to: &str,
        rep: Option<&str>,
        reason: String,
    ) -> Result<Outcome, Failure> {
        let to = self.territory_ids(&[to.to_owned()]).await?;
        let to = *to.first().ok_or_else(|| Failure::new("--to: name the territory"))?;
        let rep = match rep {
            None => NewRep::Same,
            Some("nobody") => NewRep::Nobody,
            Some(login) => NewRep::Is(self.account(login).await?.user),
        };
        let wish = Move { to, rep, reason };
        let mut customers = Vec::with_capacity(codes.len());
        for code in codes {
            customers.push(self.ledger_of(code).await?.customer);
        }
        let (mut moved, mut text) = (0, String::new());
        for customer in customers {
            let done = self.administration().move_customer(customer.id, &wish, None).await;
            match done {
                Ok(Moved::Done) => moved += 1,
                Ok(Moved::Unchanged) => text.push_str(&format!("\n{} was there already", customer.code)),
                Err(error) => text.push_str(&format!("\n{} was not moved: {error}", customer.code)),
            }
        }
        Ok(format!("{moved} of {} customers moved{text}", codes.len()).into())
    }

    /// The account with this login, in this company.
    pub(super) async fn account(&self, login: &str) -> Result<Account, Failure> {
        let found = self.state.store.account_by_login(login.trim()).await?;
        found.filter(|it| it.organisation == self.org).ok_or_else(|| {
            Failure::new(format!(
                "there is no account {login:?} in {}; `fieldledger user list` tells which there are",
                self.org_name
            ))
        })
    }

    /// Does it and notes it, wholly or not at all; then tells whoever listens.
    pub(super) async fn act(&self, steps: Vec<Step>, action: &str, subject: &str, detail: &str) -> Result<(), Failure> {
        Ok(self.administration().act(steps, action, subject, detail).await?)
    }
}
