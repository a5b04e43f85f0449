//! What an operator may do. An operation is carried out on the data folder, or inside the server that uses the folder
//! (see [`super::control`]): either way it is the same code.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use chrono_tz::Tz;
use fieldledger_core::{
    model::{
        Currency, DeviceId, LedgerRecord, OrganisationId, OrganisationProfile, Person, RecordKey, RecordKind, Role,
        Territory, TerritoryId, UserId,
    },
    sync::protocol::{StreamId, StreamMark},
};
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::{
    auth::{check_new_password, hash_password, make_enrolment_code},
    state::AppState,
    store::{Account, Device, PutOutcome},
};

/// Name under which the audit log knows the command line.
const OPERATOR: &str = "operator";

/// Something an operator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Makes a company.
    CreateOrganisation {
        /// Its name.
        name: String,
        /// Its time zone.
        time_zone: Tz,
        /// The currency of its books.
        currency: Currency,
        /// Radius of the geofence around its customers.
        geofence_metres: u32,
    },
    /// Tells the companies.
    ListOrganisations,
    /// Does something within one company.
    Within {
        /// Its name or id; not needed while there is only one.
        organisation: Option<String>,
        /// What.
        action: Action,
    },
    /// Writes a backup.
    Backup {
        /// Into this new folder, as an absolute path.
        to: PathBuf,
    },
    /// Checks everything that is stored.
    Verify,
}

/// Something an operator does within one company.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Makes a territory.
    AddTerritory {
        /// Its name.
        name: String,
    },
    /// Tells the territories.
    ListTerritories,
    /// Makes an account.
    AddUser {
        /// What the person signs in with.
        login: String,
        /// Their name.
        name: String,
        /// What they may do.
        roles: Vec<Role>,
        /// Where, by name.
        territories: Vec<String>,
        /// Login or id of whom they report to.
        supervisor: Option<String>,
        /// Their password, if they get one.
        password: Option<String>,
    },
    /// Tells the accounts.
    ListUsers,
    /// Shuts or opens an account.
    SetDisabled {
        /// Whose.
        login: String,
        /// Shut.
        disabled: bool,
    },
    /// Gives a person a new password.
    SetPassword {
        /// Who.
        login: String,
        /// The password.
        password: String,
    },
    /// Gives a person these territories and no others.
    SetTerritories {
        /// Who.
        login: String,
        /// Where, by name.
        territories: Vec<String>,
    },
    /// Gives a person these roles and no others.
    SetRoles {
        /// Who.
        login: String,
        /// What they may do.
        roles: Vec<Role>,
    },
    /// Makes a one-time code for a phone.
    EnrolDevice {
        /// Whose phone.
        login: String,
        /// For how long the code works; the server's setting when left out.
        hours: Option<u32>,
    },
    /// Tells the devices.
    ListDevices,
    /// Shuts a device out.
    RevokeDevice {
        /// Its id, or its beginning.
        device: String,
    },
    /// Tells the end of the audit log.
    AuditLog {
        /// How many lines.
        limit: u32,
    },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What to tell the operator.
    pub text: String,
    /// Whether something is wrong that the operator asked about.
    pub problems: bool,
}

impl From<String> for Outcome {
    fn from(text: String) -> Self {
        Self { text, problems: false }
    }
}

/// Carries out an operation.
///
/// # Errors
/// [`Failure`] saying what to do instead.
pub async fn perform(state: &AppState, operation: Operation) -> Result<Outcome, Failure> {
    match operation {
        Operation::CreateOrganisation {
            name,
            time_zone,
            currency,
            geofence_metres,
        } => {
            let profile = OrganisationProfile {
                name: name_of("the organisation", &name)?,
                time_zone,
                currency,
                geofence_metres,
            };
            create_organisation(state, profile).await
        }
        Operation::ListOrganisations => {
            let rows = state.store.organisations().await?;
            let rows = rows.into_iter().map(|(id, name)| vec![name, id.to_string()]);
            Ok(table(&["NAME", "ID"], rows).into())
        }
        Operation::Within { organisation, action } => {
            let (org, org_name) = find_organisation(state, organisation.as_deref()).await?;
            Desk { state, org, org_name }.perform(action).await
        }
        Operation::Backup { to } => {
            let report = state.store.backup(&to).await?;
            for (org, _) in state.store.organisations().await? {
                state.audit(org, OPERATOR, "backup.written", to.display(), "").await?;
            }
            let text = format!(
                "Backed up {} entries of {} streams, {} bytes, to {}",
                report.entries,
                report.streams,
                report.bytes,
                to.display()
            );
            Ok(text.into())
        }
        Operation::Verify => verify(state).await,
    }
}

async fn create_organisation(state: &AppState, profile: OrganisationProfile) -> Result<Outcome, Failure> {
    let id = OrganisationId(uuid::Builder::from_random_bytes(state.secrets.bytes()).into_uuid());
    let name = profile.name.clone();
    state.store.create_organisation(id, &name, state.clock.now()).await?;
    put_record(state, id, LedgerRecord::Organisation(profile)).await?;
    state.audit(id, OPERATOR, "organisation.created", &name, "").await?;
    Ok(format!("Organisation {name} is made, with the id {id}").into())
}

async fn verify(state: &AppState) -> Result<Outcome, Failure> {
    let mut problems = state.store.verify().await?;
    problems.extend(state.store.verify_audit_log().await?);
    let mut text = String::new();
    if problems.is_empty() {
        let (mut documents, mut entries, mut records) = (0, 0, 0);
        for (org, _) in state.store.organisations().await? {
            let counts = state.store.counts(org).await?;
            documents += counts.documents;
            entries += counts.entries;
            records += counts.records;
        }
        let _ = write!(
            text,
            "Nothing is wrong: {entries} entries, {documents} documents, {records} records and the audit log agree"
        );
    } else {
        let _ = writeln!(text, "{} problems:", problems.len());
        for problem in &problems {
            let _ = writeln!(text, "  {problem}");
        }
        text.push_str("Restore a backup into a new folder (`fieldledger restore`), and keep this one for the inquiry");
    }
    Ok(Outcome {
        text,
        problems: !problems.is_empty(),
    })
}

async fn find_organisation(state: &AppState, wanted: Option<&str>) -> Result<(OrganisationId, String), Failure> {
    let all = state.store.organisations().await?;
    let names = || all.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, all.as_slice()) {
        (_, []) => Err(Failure::new(
            "there is no organisation here yet; make one with `fieldledger organisation create NAME --time-zone ZONE \
             --currency CODE`",
        )),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::new(format!(
            "there are several organisations, say which one with --organisation: {}",
            names()
        ))),
        (Some(wanted), _) => all
            .iter()
            .find(|(id, name)| name == wanted || id.to_string() == wanted)
            .cloned()
            .ok_or_else(|| Failure::new(format!("there is no organisation {wanted:?}; there is: {}", names()))),
    }
}

/// Writes a record and tells phones that listen.
async fn put_record(state: &AppState, org: OrganisationId, record: LedgerRecord) -> Result<(), Failure> {
    let outcomes = state
        .store
        .put_records(org, vec![record], true, state.clock.now())
        .await?;
    for outcome in outcomes {
        if let PutOutcome::Refused(reason) = outcome {
            return Err(Failure::new(reason));
        }
    }
    // What an operator writes is for the whole company.
    let stream = StreamId::Catalogue;
    if let Some(head) = state.store.head(org, stream).await? {
        state.sync.live().publish(org, StreamMark { stream, seq: head.seq });
    }
    Ok(())
}

/// Longest name, in characters.
const MAX_NAME: usize = 200;

fn name_of(what: &str, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Failure::new(format!(
            "the name of {what} must be one line of 1 to {MAX_NAME} characters"
        )));
    }
    Ok(text.to_owned())
}

fn login_of(text: &str) -> Result<String, Failure> {
    let login = text.trim().to_lowercase();
    let fits = (1..=100).contains(&login.chars().count());
    if !fits || login.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err(Failure::new(format!(
            "{text:?} cannot be a login: it must have 1 to 100 characters and no spaces"
        )));
    }
    Ok(login)
}

/// One company's affairs.
struct Desk<'s> {
    state: &'s AppState,
    org: OrganisationId,
    org_name: String,
}

impl Desk<'_> {
    async fn perform(&self, action: Action) -> Result<Outcome, Failure> {
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
                self.change(&account, action, "").await?;
                if disabled {
                    self.state.store.end_sessions_of(self.org, account.user).await?;
                }
                Ok(format!("The account {} is {done}", account.login).into())
            }
            Action::SetPassword { login, password } => {
                let mut account = self.account(&login).await?;
                account.password_hash = Some(self.hash(&account.login, password).await?);
                self.change(&account, "user.password_set", "").await?;
                // Whoever knew the old one may be signed in with it.
                self.state.store.end_sessions_of(self.org, account.user).await?;
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
                self.change(&account, "user.territories_set", &names).await?;
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
                self.change(&account, "user.roles_set", &names).await?;
                let supervisor = self.person(account.user).await?.and_then(|it| it.supervisor);
                self.put_person(&account, supervisor).await?;
                Ok(format!("{} is {names}", account.login).into())
            }
            Action::EnrolDevice { login, hours } => self.enrol_device(&login, hours).await,
            Action::ListDevices => self.list_devices().await,
            Action::RevokeDevice { device } => self.revoke_device(&device).await,
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

    async fn territories(&self) -> Result<Vec<Territory>, Failure> {
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
        put_record(self.state, self.org, LedgerRecord::Territory(territory)).await?;
        self.audit("territory.created", &name, "").await?;
        Ok(format!("Territory {name} is made, with the id {id}").into())
    }

    /// The account with this login, in this company.
    async fn account(&self, login: &str) -> Result<Account, Failure> {
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

    /// What everybody in the company may know of a person follows their account.
    async fn put_person(&self, account: &Account, supervisor: Option<UserId>) -> Result<(), Failure> {
        let person = Person {
            id: account.user,
            name: account.name.clone(),
            roles: account.roles.clone(),
            supervisor,
        };
        put_record(self.state, self.org, LedgerRecord::Person(person)).await
    }

    async fn hash(&self, login: &str, password: String) -> Result<String, Failure> {
        check_new_password(login, &password).map_err(|error| Failure::new(error.to_string()))?;
        hash_password(password)
            .await
            .map_err(|error| Failure::new(error.to_string()))
    }

    async fn change(&self, account: &Account, action: &str, detail: &str) -> Result<(), Failure> {
        self.state.store.put_account(account.clone()).await?;
        self.audit(action, &account.login, detail).await?;
        self.state.people_changed();
        Ok(())
    }

    async fn audit(&self, action: &str, subject: &str, detail: &str) -> Result<(), Failure> {
        self.state.audit(self.org, OPERATOR, action, subject, detail).await?;
        Ok(())
    }

    async fn add_user(&self, new: NewUser) -> Result<Outcome, Failure> {
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
        self.change(&account, "user.created", &roles).await?;
        self.put_person(&account, supervisor).await?;
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

    async fn list_users(&self) -> Result<Outcome, Failure> {
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

    async fn enrol_device(&self, login: &str, hours: Option<u32>) -> Result<Outcome, Failure> {
        let account = self.account(login).await?;
        if account.disabled {
            return Err(Failure::new(format!(
                "the account {} is shut; open it first with `fieldledger user enable {}`",
                account.login, account.login
            )));
        }
        let config = &self.state.config;
        let millis = hours.map_or(config.enrolment_millis(), |hours| i64::from(hours.max(1)) * 3_600_000);
        let expires_at = self.state.clock.now().plus_millis(millis);
        let store = &*self.state.store;
        let code = make_enrolment_code(store, &self.state.secrets, self.org, account.user, expires_at).await?;
        self.audit("device.code_made", &account.login, &format!("works until {expires_at}"))
            .await?;
        let url = config.base_url();
        Ok(format!(
            "{code}\nOne phone of {} can be enrolled with this code at {url} until {expires_at}",
            account.name
        )
        .into())
    }

    async fn list_devices(&self) -> Result<Outcome, Failure> {
        let accounts = self.state.store.accounts(self.org).await?;
        let rows = self.state.store.devices(self.org).await?.into_iter().map(|it| {
            let owner = accounts.iter().find(|account| account.user == it.user);
            vec![
                it.id.to_string(),
                owner.map_or_else(|| it.user.to_string(), |account| account.login.clone()),
                it.name,
                format!("{} {}", it.platform, it.app_version),
                it.last_contact.map_or_else(|| "never".to_owned(), |at| at.to_string()),
                it.waiting.to_string(),
                format!("{:+} s", it.clock_ahead_millis / 1000),
                it.revoked_at
                    .map_or_else(|| "active".to_owned(), |at| format!("revoked {at}")),
            ]
        });
        let head = [
            "ID",
            "LOGIN",
            "NAME",
            "APP",
            "LAST CONTACT",
            "WAITING",
            "CLOCK",
            "STATE",
        ];
        Ok(table(&head, rows).into())
    }

    async fn revoke_device(&self, wanted: &str) -> Result<Outcome, Failure> {
        let wanted = wanted.trim().to_lowercase();
        let devices = self.state.store.devices(self.org).await?;
        let matching: Vec<&Device> = devices
            .iter()
            .filter(|it| wanted.len() >= 4 && it.id.to_string().starts_with(&wanted))
            .collect();
        let device: &Device = match matching.as_slice() {
            [only] => only,
            [] => {
                return Err(Failure::new(format!(
                    "there is no device {wanted:?}; `fieldledger device list` tells which there are"
                )));
            }
            _ => {
                return Err(Failure::new(format!(
                    "several devices begin with {wanted:?}; give more of the id"
                )));
            }
        };
        let id: DeviceId = device.id;
        self.state
            .store
            .revoke_device(self.org, id, self.state.clock.now())
            .await?;
        self.audit("device.revoked", &format!("device:{id}"), &device.name)
            .await?;
        self.state.people_changed();
        Ok(format!(
            "{} ({id}) is shut out; what it has not sent yet stays on it",
            device.name
        )
        .into())
    }
}

struct NewUser {
    login: String,
    name: String,
    roles: Vec<Role>,
    territories: Vec<TerritoryId>,
    supervisor: Option<String>,
    password: Option<String>,
}

fn role_names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

/// Columns as wide as their widest cell; Chinese characters take two places.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|it| (*it).to_owned()).collect()];
    lines.extend(rows);
    let width = |text: &str| {
        text.chars()
            .map(|it| if it >= '\u{1100}' { 2 } else { 1 })
            .sum::<usize>()
    };
    let columns = head.len();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|it| width(it))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, wide) in line.iter().zip(&widths) {
            let gap = wide - width(cell) + 2;
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', gap));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_under_chinese_names() {
        let rows = [
            vec!["张伟".to_owned(), "rep".to_owned()],
            vec!["Bo".to_owned(), "driver".to_owned()],
        ];
        assert_eq!(table(&["NAME", "ROLE"], rows), "NAME  ROLE\n张伟  rep\nBo    driver");
    }
}
