//! One company's affairs: its territories, and who may do what in it.

use std::collections::BTreeMap;

use fieldledger_core::model::{
    LedgerRecord, OrganisationId, Person, RecordKey, RecordKind, Territory, TerritoryId, UserId,
};

use super::{
    Action, OPERATOR, Outcome,
    accounts::{NewUser, role_names},
    announce, login_of, name_of,
    table::table,
};
use crate::{
    auth::{check_new_password, hash_password},
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
                let new = NewUser {
                    login: login_of(&login)?,
                    name: name_of("the person", &name)?,
                    roles,
                    territories: self.territory_ids(&territories).await?,
                    supervisor,
                    password,
                };
                self.add_user(new).await
            }
            Action::ListUsers => self.list_users().await,
            Action::SetDisabled { login, disabled } => {
                let mut account = self.account(&login).await?;
                account.disabled = disabled;
                let (action, done) = if disabled {
                    (
                        "user.disabled",
                        "shut; its sessions are ended and its devices are refused",
                    )
                } else {
                    ("user.enabled", "open")
                };
                let mut steps = vec![Step::PutAccount(account.clone())];
                if disabled {
                    steps.push(Step::EndSessionsOf(account.user));
                }
                self.act(steps, action, &account.login, "").await?;
                Ok(format!("The account {} is {done}", account.login).into())
            }
            Action::SetPassword { login, password } => {
                let mut account = self.account(&login).await?;
                account.password_hash = Some(self.hash(&account.login, password).await?);
                // Whoever knew the old one may be signed in with it.
                let steps = vec![Step::PutAccount(account.clone()), Step::EndSessionsOf(account.user)];
                self.act(steps, "user.password_set", &account.login, "").await?;
                Ok(format!(
                    "{} has a new password; sessions begun with the old one are ended",
                    account.login
                )
                .into())
            }
            Action::SetTerritories { login, territories } => {
                let mut account = self.account(&login).await?;
                account.territories = self.territory_ids(&territories).await?;
                let names = territories.join(", ");
                let steps = vec![Step::PutAccount(account.clone())];
                self.act(steps, "user.territories_set", &account.login, &names).await?;
                let names = if names.is_empty() {
                    "no territory".to_owned()
                } else {
                    names
                };
                Ok(format!("{} works in {names}", account.login).into())
            }
            Action::SetRoles { login, roles } => {
                let mut account = self.account(&login).await?;
                account.roles = roles;
                let names = role_names(&account.roles);
                let supervisor = self.person(account.user).await?.and_then(|it| it.supervisor);
                let steps = account_and_person(&account, supervisor);
                self.act(steps, "user.roles_set", &account.login, &names).await?;
                Ok(format!("{} is {names}", account.login).into())
            }
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

    pub(super) async fn territories(&self) -> Result<Vec<Territory>, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::Territory).await?;
        let mut territories: Vec<Territory> = records
            .into_iter()
            .filter_map(|it| match it.record {
                LedgerRecord::Territory(territory) => Some(territory),
                _ => None,
            })
            .collect();
        territories.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(territories)
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
        let name = name_of("the territory", name)?;
        if self.territories().await?.iter().any(|it| it.name == name) {
            return Err(Failure::new(format!("there is a territory {name:?} already")));
        }
        let id = TerritoryId(uuid::Builder::from_random_bytes(self.state.secrets.bytes()).into_uuid());
        let territory = Territory { id, name: name.clone() };
        let steps = vec![Step::PutRecords(vec![LedgerRecord::Territory(territory)])];
        self.act(steps, "territory.created", &name, "").await?;
        Ok(format!("Territory {name} is made, with the id {id}").into())
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

    async fn person(&self, user: UserId) -> Result<Option<Person>, Failure> {
        let key = RecordKey {
            kind: RecordKind::Person,
            id: user.to_string(),
        };
        let stored = self.state.store.record(self.org, &key).await?;
        Ok(stored.and_then(|it| match it.record {
            LedgerRecord::Person(person) => Some(person),
            _ => None,
        }))
    }

    pub(super) async fn hash(&self, login: &str, password: String) -> Result<String, Failure> {
        check_new_password(login, &password).map_err(|error| Failure::new(error.to_string()))?;
        hash_password(password)
            .await
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// Does it and notes it, wholly or not at all; then tells whoever listens.
    pub(super) async fn act(&self, steps: Vec<Step>, action: &str, subject: &str, detail: &str) -> Result<(), Failure> {
        let records = steps.iter().any(|step| matches!(step, Step::PutRecords(_)));
        self.state
            .administer(self.org, steps, OPERATOR, action, subject, detail)
            .await?;
        self.state.people_changed();
        if records {
            announce(self.state, self.org).await?;
        }
        Ok(())
    }
}

/// What everybody in the company may know of a person follows their account.
pub(super) fn account_and_person(account: &Account, supervisor: Option<UserId>) -> Vec<Step> {
    let person = Person {
        id: account.user,
        name: account.name.clone(),
        roles: account.roles.clone(),
        supervisor,
    };
    vec![
        Step::PutAccount(account.clone()),
        Step::PutRecords(vec![LedgerRecord::Person(person)]),
    ]
}
