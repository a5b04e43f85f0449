//! Accounts, what they may do, their passwords, sessions and phones.

use fieldledger_core::{
    model::{DeviceId, LedgerRecord, Person, Role, TerritoryId, Timestamp, UserId},
    sync::enrolment::EnrolmentLink,
};

use super::{Administration, AdministrationError, login_of, name_of};
use crate::{
    auth::{self, check_new_password, hash_password, hash_secret},
    store::{Account, AuditEntry, PasswordLink, Step, StoreError},
};

/// Hours for which a link works with which a person sets their password.
pub const fn password_link_hours() -> u32 {
    48
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// What the person signs in with.
    pub login: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Where.
    pub territories: Vec<TerritoryId>,
    /// Whom they report to.
    pub supervisor: Option<UserId>,
    /// Their password, if they get one.
    pub password: Option<String>,
}

/// What is changed of an account; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// The name.
    pub name: Option<String>,
    /// What the person may do, and nothing else.
    pub roles: Option<Vec<Role>>,
    /// Where, and nowhere else.
    pub territories: Option<Vec<TerritoryId>>,
    /// Whom they report to, if anybody.
    pub supervisor: Option<Option<UserId>>,
}

/// A one-time code that was made for a phone. It is shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCode {
    /// The code, to be typed.
    pub code: String,
    /// The same with the server's address, to be read by the app's camera.
    pub link: EnrolmentLink,
    /// Until when it works.
    pub until: Timestamp,
}

/// An address with a secret that was made. It is shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeLink {
    /// The address.
    pub address: String,
    /// Until when it works.
    pub until: Timestamp,
}

/// The names of roles, for the audit log.
pub(super) fn role_names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

/// What everybody in the company may know of a person follows their account.
fn account_and_person(account: &Account, supervisor: Option<UserId>) -> Vec<Step> {
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

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}

impl Administration<'_> {
    /// Makes an account.
    ///
    /// # Errors
    /// [`AdministrationError`] naming what is wrong.
    pub async fn add_account(&self, new: NewAccount) -> Result<Account, AdministrationError> {
        let login = login_of(&new.login)?;
        let name = name_of("the person", &new.name)?;
        if let Some(there) = self.state.store.account_by_login(&login).await? {
            // Logins are unique on the whole server; whose it is elsewhere is nobody's business here.
            let name = if there.organisation == self.org {
                there.name
            } else {
                "somebody".to_owned()
            };
            return Err(AdministrationError::LoginTaken { login, name });
        }
        if new.roles.is_empty() {
            return Err(AdministrationError::NoRole);
        }
        let password_hash = match new.password {
            Some(password) => Some(hashed(&login, password).await?),
            None => None,
        };
        if let Some(supervisor) = new.supervisor {
            self.account(supervisor).await?;
        }
        self.check_territories(&new.territories).await?;
        let account = Account {
            organisation: self.org,
            user: UserId(uuid::Builder::from_random_bytes(self.state.secrets.bytes()).into_uuid()),
            login,
            name,
            password_hash,
            roles: sorted(new.roles),
            territories: sorted(new.territories),
            disabled: false,
        };
        let roles = role_names(&account.roles);
        let steps = account_and_person(&account, new.supervisor);
        self.act(steps, "user.created", &account.login, &roles).await?;
        Ok(account)
    }

    async fn check_territories(&self, wanted: &[TerritoryId]) -> Result<(), AdministrationError> {
        let known = self.territories().await?;
        match wanted.iter().find(|id| !known.iter().any(|it| it.id == **id)) {
            Some(id) => Err(AdministrationError::NoTerritory(id.to_string())),
            None => Ok(()),
        }
    }

    /// Changes an account, with a line in the audit log for each thing that is another afterwards.
    ///
    /// # Errors
    /// [`AdministrationError`] naming what is wrong.
    pub async fn change_account(&self, user: UserId, change: AccountChange) -> Result<Account, AdministrationError> {
        let mut account = self.account(user).await?;
        let person = self.person(user).await?;
        let mut supervisor = person.as_ref().and_then(|it| it.supervisor);
        let name = match change.name {
            Some(name) => Some(name_of("the person", &name)?).filter(|it| *it != account.name),
            None => None,
        };
        let roles = change.roles.map(sorted);
        if roles.as_ref().is_some_and(Vec::is_empty) {
            return Err(AdministrationError::NoRole);
        }
        let roles = roles.filter(|it| *it != sorted(account.roles.clone()));
        if let Some(roles) = &roles
            && self.is_oneself(user)
            && account.has(Role::Administrator)
            && !roles.contains(&Role::Administrator)
        {
            return Err(AdministrationError::Oneself);
        }
        let territories = change.territories.map(sorted);
        if let Some(wanted) = &territories {
            self.check_territories(wanted).await?;
        }
        let territories = territories.filter(|it| *it != sorted(account.territories.clone()));
        let above = change.supervisor.filter(|it| *it != supervisor);
        if let Some(Some(above)) = above {
            self.account(above).await?;
            if above == user {
                return Err(AdministrationError::NoAccount(account.login));
            }
        }
        // Each in a transaction of its own, so that no line tells of what was not done.
        if let Some(roles) = roles {
            account.roles = roles;
            let names = role_names(&account.roles);
            let steps = account_and_person(&account, supervisor);
            self.act(steps, "user.roles_set", &account.login, &names).await?;
        }
        if let Some(territories) = territories {
            account.territories = territories;
            let known = self.territories().await?;
            let named = known.iter().filter(|it| account.territories.contains(&it.id));
            let names: Vec<&str> = named.map(|it| it.name.as_str()).collect();
            let steps = vec![Step::PutAccount(account.clone())];
            self.act(steps, "user.territories_set", &account.login, &names.join(", "))
                .await?;
        }
        if let Some(above) = above {
            supervisor = above;
            let detail = match above {
                Some(above) => format!("reports to {}", self.account(above).await?.login),
                None => "reports to nobody".to_owned(),
            };
            let steps = account_and_person(&account, supervisor);
            self.act(steps, "user.supervisor_set", &account.login, &detail).await?;
        }
        if let Some(name) = name {
            let detail = format!("was {}", account.name);
            account.name = name;
            let steps = account_and_person(&account, supervisor);
            self.act(steps, "user.renamed", &account.login, &detail).await?;
        }
        Ok(account)
    }

    fn is_oneself(&self, user: UserId) -> bool {
        self.actor == user.to_string()
    }

    /// Shuts an account, which ends its sessions and refuses its devices, or opens it again.
    ///
    /// # Errors
    /// [`AdministrationError::Oneself`], [`AdministrationError::NoAccount`].
    pub async fn set_disabled(&self, user: UserId, disabled: bool) -> Result<Account, AdministrationError> {
        if disabled && self.is_oneself(user) {
            return Err(AdministrationError::Oneself);
        }
        let mut account = self.account(user).await?;
        account.disabled = disabled;
        let mut steps = vec![Step::PutAccount(account.clone())];
        let action = if disabled {
            steps.push(Step::EndSessionsOf(user));
            "user.disabled"
        } else {
            "user.enabled"
        };
        self.act(steps, action, &account.login, "").await?;
        Ok(account)
    }

    /// Gives a person a new password. Sessions begun with the old one end.
    ///
    /// # Errors
    /// [`AdministrationError::Password`], [`AdministrationError::NoAccount`].
    pub async fn set_password(&self, user: UserId, password: String) -> Result<Account, AdministrationError> {
        let mut account = self.account(user).await?;
        account.password_hash = Some(hashed(&account.login, password).await?);
        // Whoever knew the old password may be signed in with it.
        let steps = vec![Step::PutAccount(account.clone()), Step::EndSessionsOf(user)];
        self.act(steps, "user.password_set", &account.login, "").await?;
        Ok(account)
    }

    /// Makes a link with which a person sets their password themselves, so that nobody else ever knows it. The links that
    /// were made for them before end; the password they have works until they set the new one.
    ///
    /// # Errors
    /// [`AdministrationError::Shut`], [`AdministrationError::NoAccount`].
    pub async fn make_password_link(&self, user: UserId) -> Result<MadeLink, AdministrationError> {
        let account = self.account(user).await?;
        if account.disabled {
            return Err(AdministrationError::Shut(account.login));
        }
        let now = self.state.clock.now();
        let until = now.plus_millis(i64::from(password_link_hours()) * 3_600_000);
        let secret = self.state.secrets.token();
        let link = PasswordLink {
            token_hash: hash_secret(&secret),
            organisation: self.org,
            user,
            made_at: now,
            expires_at: until,
            used_at: None,
        };
        let steps = vec![Step::PutPasswordLink(link)];
        self.act(
            steps,
            "user.password_link_made",
            &account.login,
            &format!("works until {until}"),
        )
        .await?;
        Ok(MadeLink {
            address: format!("{}/password/{secret}", self.state.config.base_url()),
            until,
        })
    }

    /// Ends every session of a person.
    ///
    /// # Errors
    /// [`AdministrationError::NoAccount`].
    pub async fn end_sessions(&self, user: UserId) -> Result<Account, AdministrationError> {
        let account = self.account(user).await?;
        self.act(
            vec![Step::EndSessionsOf(user)],
            "user.signed_out",
            &account.login,
            "everywhere",
        )
        .await?;
        Ok(account)
    }

    /// Makes a one-time code with which the person's next phone becomes theirs.
    ///
    /// # Errors
    /// [`AdministrationError::Shut`], [`AdministrationError::NoAccount`].
    pub async fn make_code(&self, user: UserId, hours: Option<u32>) -> Result<MadeCode, AdministrationError> {
        let account = self.account(user).await?;
        if account.disabled {
            return Err(AdministrationError::Shut(account.login));
        }
        let config = &self.state.config;
        let millis = hours.map_or(config.enrolment_millis(), |hours| i64::from(hours.max(1)) * 3_600_000);
        let until = self.state.clock.now().plus_millis(millis);
        let (code, enrolment) = auth::new_enrolment(&self.state.secrets, self.org, user, until);
        let detail = format!("works until {until}");
        self.act(
            vec![Step::PutEnrolment(enrolment)],
            "device.code_made",
            &account.login,
            &detail,
        )
        .await?;
        let server = config.base_url();
        Ok(MadeCode {
            link: EnrolmentLink {
                server,
                code: code.clone(),
            },
            code,
            until,
        })
    }

    /// Shuts a device out. `name` is what it is called, for the audit log.
    ///
    /// # Errors
    /// When there is no such device, or the store fails.
    pub async fn revoke_device(&self, device: DeviceId, name: &str) -> Result<(), StoreError> {
        let steps = vec![Step::RevokeDevice(device)];
        self.act(steps, "device.revoked", &format!("device:{device}"), name)
            .await
    }
}

/// The hash of a new password, when it can be one.
pub(super) async fn hashed(login: &str, password: String) -> Result<String, AdministrationError> {
    check_new_password(login, &password)?;
    Ok(hash_password(password).await?)
}

/// A person gives themselves a password with the secret of a link. False: the link works no more, or never did.
///
/// # Errors
/// [`AdministrationError::Password`].
pub async fn set_password_by_link(
    state: &crate::state::AppState,
    secret: &str,
    password: String,
    address: std::net::IpAddr,
) -> Result<Option<Account>, AdministrationError> {
    let token_hash = hash_secret(secret);
    let now = state.clock.now();
    let Some(link) = state
        .store
        .password_link(&token_hash)
        .await?
        .filter(|it| it.is_valid(now))
    else {
        return Ok(None);
    };
    let Some(account) = state.store.account(link.organisation, link.user).await? else {
        return Ok(None);
    };
    let hash = hashed(&account.login, password).await?;
    let line = AuditEntry {
        at: now,
        actor: account.user.to_string(),
        action: "user.password_set".to_owned(),
        subject: account.login.clone(),
        detail: format!("by link, from {address}"),
    };
    let done = state.store.use_password_link(&token_hash, hash, line).await?;
    if done {
        state.people_changed();
    }
    Ok(done.then_some(account))
}
