//! What is administered in a company: accounts, territories, devices, links for customers' contacts, targets, and where
//! customers belong. The command line and the pages call the same functions; what one does and its line in the audit log
//! happen together or not at all.

mod accounts;
mod customers;
mod links;
mod targets;

pub use accounts::{AccountChange, MadeCode, MadeLink, NewAccount, password_link_hours, set_password_by_link};
pub use customers::{Move, Moved, NewRep};
pub use links::{MAX_LINK_DAYS, confirmation_by_contact};
pub use targets::TargetWish;

use fieldledger_core::{
    model::{
        InvalidField, LedgerRecord, OrganisationId, Person, RecordKey, RecordKind, Territory, TerritoryId, UserId,
    },
    sync::protocol::{StreamId, StreamMark},
};

use crate::{
    auth::PasswordError,
    state::AppState,
    store::{Account, Step, StoreError},
};

/// Longest name, in characters.
pub const MAX_NAME: usize = 200;
/// Longest login, in characters.
pub const MAX_LOGIN: usize = 100;
/// Longest reason, in characters.
pub const MAX_REASON: usize = 2_000;

/// Why something was not done; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// Somebody has the login already.
    #[error("the login {login:?} belongs to {name} already; choose another, or change that account")]
    LoginTaken {
        /// The login.
        login: String,
        /// Whose it is.
        name: String,
    },
    /// No login.
    #[error("{0:?} cannot be a login: it must have 1 to {MAX_LOGIN} characters and no spaces")]
    BadLogin(String),
    /// No name.
    #[error("the name of {0} must be one line of 1 to {MAX_NAME} characters")]
    BadName(&'static str),
    /// An account that may do nothing.
    #[error("the account needs at least one role")]
    NoRole,
    /// There is no account of this login, or of another company.
    #[error("there is no account {0:?}")]
    NoAccount(String),
    /// The account is shut.
    #[error("the account {0} is shut; open it first")]
    Shut(String),
    /// Somebody would lock themselves out.
    #[error("nobody shuts their own account or takes their own role of administrator away; ask another administrator")]
    Oneself,
    /// There is no such territory.
    #[error("there is no territory {0:?}")]
    NoTerritory(String),
    /// There is a territory of that name.
    #[error("there is a territory {0:?} already")]
    TerritoryTaken(String),
    /// The rep does not work there.
    #[error("{rep} does not work in {territory}: choose somebody who does, or nobody")]
    RepElsewhere {
        /// The rep's name.
        rep: String,
        /// The territory's name.
        territory: String,
    },
    /// There is no such customer, or it belongs to a territory of somebody else.
    #[error("there is no customer {0}")]
    NoCustomer(String),
    /// Nobody said why.
    #[error("say why, in at most {MAX_REASON} characters")]
    NoReason,
    /// A link for nobody.
    #[error("say whom the link is for, in one line of at most {MAX_NAME} characters")]
    NoContact,
    /// A link for ever.
    #[error("a link works for 1 to {MAX_LINK_DAYS} days")]
    LinkDays,
    /// The record is no delivery, or not there.
    #[error("there is no such delivery")]
    NoDelivery,
    /// The password cannot be used.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A value cannot be stored.
    #[error("{0}")]
    Invalid(InvalidField),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A company's administration, in somebody's hands.
pub struct Administration<'s> {
    state: &'s AppState,
    org: OrganisationId,
    actor: String,
}

impl<'s> Administration<'s> {
    /// `actor` is the name under which the audit log knows who acts: a user id, or `operator` for the command line.
    pub fn new(state: &'s AppState, org: OrganisationId, actor: impl std::fmt::Display) -> Self {
        Self {
            state,
            org,
            actor: actor.to_string(),
        }
    }

    /// The territories, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn territories(&self) -> Result<Vec<Territory>, StoreError> {
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

    /// Makes a territory.
    ///
    /// # Errors
    /// [`AdministrationError::BadName`], [`AdministrationError::TerritoryTaken`].
    pub async fn add_territory(&self, name: &str) -> Result<Territory, AdministrationError> {
        let name = name_of("the territory", name)?;
        if self.territories().await?.iter().any(|it| it.name == name) {
            return Err(AdministrationError::TerritoryTaken(name));
        }
        let id = TerritoryId(uuid::Builder::from_random_bytes(self.state.secrets.bytes()).into_uuid());
        let territory = Territory { id, name };
        let steps = vec![Step::PutRecords(vec![LedgerRecord::Territory(territory.clone())])];
        self.act(steps, "territory.created", &territory.name, "").await?;
        Ok(territory)
    }

    /// Gives a territory another name.
    ///
    /// # Errors
    /// As [`Self::add_territory`], and [`AdministrationError::NoTerritory`].
    pub async fn rename_territory(&self, id: TerritoryId, name: &str) -> Result<(), AdministrationError> {
        let name = name_of("the territory", name)?;
        let known = self.territories().await?;
        let before = known.iter().find(|it| it.id == id);
        let before = before.ok_or_else(|| AdministrationError::NoTerritory(id.to_string()))?;
        if before.name == name {
            return Ok(());
        }
        if known.iter().any(|it| it.name == name) {
            return Err(AdministrationError::TerritoryTaken(name));
        }
        let detail = format!("was {}", before.name);
        let territory = Territory { id, name: name.clone() };
        let steps = vec![Step::PutRecords(vec![LedgerRecord::Territory(territory)])];
        self.act(steps, "territory.renamed", &name, &detail).await?;
        Ok(())
    }

    /// What everybody in the company may know of a person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person(&self, user: UserId) -> Result<Option<Person>, StoreError> {
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

    /// The account of this person, in this company.
    ///
    /// # Errors
    /// [`AdministrationError::NoAccount`].
    pub async fn account(&self, user: UserId) -> Result<Account, AdministrationError> {
        let found = self.state.store.account(self.org, user).await?;
        found.ok_or_else(|| AdministrationError::NoAccount(user.to_string()))
    }

    /// Does it and notes it, wholly or not at all; then tells whoever listens.
    ///
    /// # Errors
    /// As [`PeopleStore::administer`](crate::store::PeopleStore::administer).
    pub async fn act(&self, steps: Vec<Step>, action: &str, subject: &str, detail: &str) -> Result<(), StoreError> {
        let records = steps.iter().any(|step| matches!(step, Step::PutRecords(_)));
        self.state
            .administer(self.org, steps, &self.actor, action, subject, detail)
            .await?;
        self.state.people_changed();
        if records {
            self.announce(StreamId::Catalogue).await?;
        }
        Ok(())
    }

    async fn announce(&self, stream: StreamId) -> Result<(), StoreError> {
        if let Some(head) = self.state.store.head(self.org, stream).await? {
            let mark = StreamMark { stream, seq: head.seq };
            self.state.sync.live().publish(self.org, mark);
        }
        Ok(())
    }
}

/// A name in one line.
///
/// # Errors
/// [`AdministrationError::BadName`], naming `what`.
pub(crate) fn name_of(what: &'static str, text: &str) -> Result<String, AdministrationError> {
    one_line(text).ok_or(AdministrationError::BadName(what))
}

/// One line of text that is no longer than a name.
fn one_line(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// A login as it is stored.
///
/// # Errors
/// [`AdministrationError::BadLogin`].
pub fn login_of(text: &str) -> Result<String, AdministrationError> {
    let login = text.trim().to_lowercase();
    let fits = (1..=MAX_LOGIN).contains(&login.chars().count());
    if !fits || login.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err(AdministrationError::BadLogin(text.to_owned()));
    }
    Ok(login)
}

fn reason_of(text: &str) -> Result<String, AdministrationError> {
    let text = text.replace("\r\n", "\n").trim().to_owned();
    if text.is_empty() || text.chars().count() > MAX_REASON {
        return Err(AdministrationError::NoReason);
    }
    Ok(text)
}
