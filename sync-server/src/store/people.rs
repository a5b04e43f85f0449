//! Organisations, accounts, sessions, enrolments, devices and the audit log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use fieldledger_core::model::{
    CustomerId, DeviceId, DocumentId, LedgerRecord, OrganisationId, Role, StatementId, TerritoryId, Timestamp, UserId,
};

use super::{ApiToken, NewApiToken, StoreError};

/// People and their devices.
#[async_trait]
pub trait PeopleStore {
    /// Makes an organisation. Its profile is a ledger record, written with
    /// [`put_records`](super::DocumentStore::put_records).
    async fn create_organisation(&self, id: OrganisationId, name: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Every organisation with its name.
    async fn organisations(&self) -> Result<Vec<(OrganisationId, String)>, StoreError>;

    /// Makes or changes an account. A login is unique on the whole server.
    async fn put_account(&self, account: Account) -> Result<(), StoreError>;

    /// The account with this login, whatever its organisation.
    async fn account_by_login(&self, login: &str) -> Result<Option<Account>, StoreError>;

    /// An account.
    async fn account(&self, org: OrganisationId, user: UserId) -> Result<Option<Account>, StoreError>;

    /// Every account of an organisation, by name.
    async fn accounts(&self, org: OrganisationId) -> Result<Vec<Account>, StoreError>;

    /// Begins a session.
    async fn put_session(&self, session: Session) -> Result<(), StoreError>;

    /// A session that has not expired by `now`.
    async fn session(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Session>, StoreError>;

    /// The sessions of a person that have not expired by `now`, the newest first.
    async fn sessions_of(&self, org: OrganisationId, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Notes that somebody used a session.
    async fn session_seen(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<(), StoreError>;

    /// Ends a session.
    async fn end_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError>;

    /// Ends every session of a person.
    async fn end_sessions_of(&self, org: OrganisationId, user: UserId) -> Result<(), StoreError>;

    /// Keeps an enrolment code.
    async fn put_enrolment(&self, enrolment: Enrolment) -> Result<(), StoreError>;

    /// Uses up an enrolment code and makes the device, in one transaction: a code works once.
    async fn redeem_enrolment(
        &self,
        code_hash: &[u8; 32],
        device: NewDevice,
        now: Timestamp,
    ) -> Result<Redemption, StoreError>;

    /// The device that authenticates with this token: its present one, or the one that was replaced and is still valid
    /// because the new one was not used yet.
    async fn device_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<Device>, StoreError>;

    /// Every device of an organisation.
    async fn devices(&self, org: OrganisationId) -> Result<Vec<Device>, StoreError>;

    /// Notes a device's contact. Using its next token makes that the present one.
    async fn device_contact(&self, contact: DeviceContact) -> Result<(), StoreError>;

    /// Gives a device its next token.
    async fn rotate_token(
        &self,
        org: OrganisationId,
        device: DeviceId,
        next_token_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Shuts a device out.
    async fn revoke_device(&self, org: OrganisationId, device: DeviceId, now: Timestamp) -> Result<(), StoreError>;

    /// The token of other software with this hash, whether it still works or not.
    async fn api_token(&self, token_hash: &[u8; 32]) -> Result<Option<ApiToken>, StoreError>;

    /// Every token of other software in an organisation, those that do not work any more included, oldest first.
    async fn api_tokens(&self, org: OrganisationId) -> Result<Vec<ApiToken>, StoreError>;

    /// Notes that a token of other software was used.
    async fn api_token_used(&self, org: OrganisationId, id: [u8; 16], now: Timestamp) -> Result<(), StoreError>;

    /// The link with this secret, valid or not.
    async fn statement_link(&self, token_hash: &[u8; 32]) -> Result<Option<StatementLink>, StoreError>;

    /// The link with this secret with which somebody sets a password, valid or not.
    async fn password_link(&self, token_hash: &[u8; 32]) -> Result<Option<PasswordLink>, StoreError>;

    /// Uses a link up and gives its person a password, when the link still works at the time of `line` and the account is
    /// open; their other links and their sessions end. One transaction with `line`: a link works once. Tells whether it
    /// did.
    async fn use_password_link(
        &self,
        token_hash: &[u8; 32],
        password_hash: String,
        line: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// The link to a delivery with this secret, valid or not.
    async fn delivery_link(&self, token_hash: &[u8; 32]) -> Result<Option<DeliveryLink>, StoreError>;

    /// Every link to a delivery, oldest first.
    async fn delivery_links(&self, org: OrganisationId, delivery: DocumentId) -> Result<Vec<DeliveryLink>, StoreError>;

    /// Every link to a statement, oldest first.
    async fn statement_links(
        &self,
        org: OrganisationId,
        statement: StatementId,
    ) -> Result<Vec<StatementLink>, StoreError>;

    /// Carries out the steps of one administrative action, in this order and at the time of `line`, and writes `line` to
    /// the audit log, all in one transaction: nothing is done that the log does not tell, and nothing is told that was
    /// not done.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with the reason when a record is refused; of the other steps what their own methods say.
    async fn administer(&self, org: OrganisationId, steps: Vec<Step>, line: AuditEntry) -> Result<(), StoreError>;

    /// Writes a line to the audit log, chained to the line before it.
    async fn audit(&self, org: OrganisationId, entry: AuditEntry) -> Result<(), StoreError>;

    /// The audit log, newest first.
    async fn audit_log(&self, org: OrganisationId, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;

    /// Every line of the audit log about one kind of action, oldest first.
    async fn audited(&self, org: OrganisationId, action: &str) -> Result<Vec<AuditEntry>, StoreError>;

    /// The newest lines of the audit log about one thing, newest first.
    async fn audited_of(&self, org: OrganisationId, subject: &str, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;

    /// Lines of the audit log that match, the newest first.
    async fn audit_lines(&self, org: OrganisationId, filter: &AuditFilter) -> Result<FoundAuditLines, StoreError>;

    /// The kinds of action that a company's audit log tells of, by name.
    async fn audit_actions(&self, org: OrganisationId) -> Result<Vec<String>, StoreError>;

    /// Checks the chain of one company's audit log: all of it, or no more than its newest `newest` lines, which takes the
    /// line before them for right.
    async fn check_audit_log(&self, org: OrganisationId, newest: Option<u64>) -> Result<AuditCheck, StoreError>;

    /// Checks the audit log's chain; returns what is wrong, in words.
    async fn verify_audit_log(&self) -> Result<Vec<String>, StoreError>;
}

/// A step of an administrative action, for [`PeopleStore::administer`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Makes the organisation.
    CreateOrganisation {
        /// Its name.
        name: String,
    },
    /// Writes ledger records, all or none.
    PutRecords(Vec<LedgerRecord>),
    /// Makes or changes an account.
    PutAccount(Account),
    /// Ends every session of a person.
    EndSessionsOf(UserId),
    /// Keeps an enrolment code.
    PutEnrolment(Enrolment),
    /// Shuts a device out.
    RevokeDevice(DeviceId),
    /// Keeps a link to a statement.
    PutStatementLink(StatementLink),
    /// Ends every link to a statement.
    RevokeStatementLinks(StatementId),
    /// Keeps a link to a delivery.
    PutDeliveryLink(DeliveryLink),
    /// Ends every link to a delivery.
    RevokeDeliveryLinks(DocumentId),
    /// Keeps a link with which a person sets their password; those that were made for them before end.
    PutPasswordLink(PasswordLink),
    /// Ends one session, whoever's it is.
    EndSession([u8; 32]),
    /// Makes a token for other software.
    PutApiToken(NewApiToken),
    /// Revokes a token of other software.
    RevokeApiToken([u8; 16]),
}

/// A link with which a customer's contact reads and answers one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLink {
    /// SHA-256 of the secret in the link.
    pub token_hash: [u8; 32],
    /// The company.
    pub organisation: OrganisationId,
    /// The customer.
    pub customer: CustomerId,
    /// The statement.
    pub statement: StatementId,
    /// Whom it was given to.
    pub contact: String,
    /// When.
    pub made_at: Timestamp,
    /// From when it leads nowhere.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl StatementLink {
    /// Whether it leads to the statement at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// A link with which a customer's contact reads and answers one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryLink {
    /// SHA-256 of the secret in the link.
    pub token_hash: [u8; 32],
    /// The company.
    pub organisation: OrganisationId,
    /// The delivery.
    pub delivery: DocumentId,
    /// Whom it was given to.
    pub contact: String,
    /// When.
    pub made_at: Timestamp,
    /// Who gave it.
    pub made_by: UserId,
    /// From when it leads nowhere.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl DeliveryLink {
    /// Whether it leads to the delivery at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// A link with which a person sets their password, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordLink {
    /// SHA-256 of the secret in the link.
    pub token_hash: [u8; 32],
    /// The company.
    pub organisation: OrganisationId,
    /// Whose password.
    pub user: UserId,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when it leads nowhere.
    pub expires_at: Timestamp,
    /// When it was used, or another one took its place.
    pub used_at: Option<Timestamp>,
}

impl PasswordLink {
    /// Whether it works at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }
}

/// Which lines of the audit log to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only this action, or those that begin with it and a dot.
    pub action: Option<String>,
    /// Only with this text in subject or detail, in upper or lower case; every character stands for itself.
    pub text: String,
    /// Only from this moment on.
    pub from: Option<Timestamp>,
    /// Only before this moment.
    pub to: Option<Timestamp>,
    /// So many of those that match are passed over, for the next page.
    pub skip: u64,
    /// At most so many are given.
    pub limit: u32,
}

/// What [`PeopleStore::audit_lines`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundAuditLines {
    /// How many match.
    pub total: u64,
    /// Those asked for.
    pub lines: Vec<AuditLine>,
}

/// A line of the audit log with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number, counted from 1.
    pub seq: u64,
    /// The hash that chains it.
    pub hash: [u8; 32],
    /// What it says.
    pub entry: AuditEntry,
}

/// What a check of an audit log's chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Number of the first line that was checked.
    pub from: u64,
    /// How many lines were checked.
    pub checked: u64,
    /// Hash of the last line, in which all lines before it are contained.
    pub head: [u8; 32],
    /// The first line where the chain is broken.
    pub broken: Option<BrokenChain>,
}

/// Where and how the chain of an audit log is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenChain {
    /// This line, or the one before it, is not as it was written.
    Changed(u64),
    /// Lines are missing before this one.
    Missing(u64),
    /// The log ends with the first and should end with the second.
    CutOff(u64, u64),
    /// The record of where the log ends is missing; it ends with this line.
    NoEnd(u64),
}

/// Action of the audit log: a device's token came from another installation of the app than the device was given to.
pub const OTHER_INSTALLATION: &str = "device.other_installation";

/// How often other installations used the tokens of each device of an organisation: copies that were refused.
///
/// # Errors
/// [`StoreError`] of the store.
pub async fn copies_of_devices(
    store: &(impl PeopleStore + ?Sized),
    org: OrganisationId,
) -> Result<BTreeMap<String, usize>, StoreError> {
    let mut copies = BTreeMap::new();
    for entry in store.audited(org, OTHER_INSTALLATION).await? {
        let device = entry.subject.strip_prefix("device:").unwrap_or_default();
        *copies.entry(device.to_owned()).or_default() += 1;
    }
    Ok(copies)
}

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The company.
    pub organisation: OrganisationId,
    /// The person.
    pub user: UserId,
    /// What they sign in with, in lower case.
    pub login: String,
    /// Their name.
    pub name: String,
    /// argon2id hash in PHC form; `None` while no password is set.
    pub password_hash: Option<String>,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Where.
    pub territories: Vec<TerritoryId>,
    /// Whether the account is shut.
    pub disabled: bool,
}

impl Account {
    /// Whether the person has this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
    /// Whether the person may read a territory.
    pub fn may_read(&self, territory: TerritoryId) -> bool {
        self.roles.iter().any(|role| role.sees_every_territory()) || self.territories.contains(&territory)
    }
    /// The territories to filter by; `None` when the person sees all.
    pub fn territory_filter(&self) -> Option<Vec<TerritoryId>> {
        if self.roles.iter().any(|role| role.sees_every_territory()) {
            None
        } else {
            Some(self.territories.clone())
        }
    }
}

/// A person signed in on the web pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's secret.
    pub token_hash: [u8; 32],
    /// The company.
    pub organisation: OrganisationId,
    /// The person.
    pub user: UserId,
    /// Secret that every form must carry.
    pub csrf: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used by its person, to the minute.
    pub last_seen_at: Timestamp,
    /// Where it was begun from.
    pub address: String,
    /// The browser it was begun with, as that calls itself.
    pub agent: String,
}

/// A code with which a person makes a phone theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// The company.
    pub organisation: OrganisationId,
    /// Whose phone it will be.
    pub user: UserId,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// A device about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// Its id.
    pub id: DeviceId,
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// What it is called.
    pub name: String,
    /// What it runs on.
    pub platform: String,
    /// The app's version.
    pub app_version: String,
    /// Random name of the installation.
    pub installation: [u8; 16],
    /// Where the request came from, for the audit log.
    pub address: String,
}

/// What came of an enrolment code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The device is made, for this account.
    Enrolled(Account),
    /// No such code.
    Unknown,
    /// The code was used before.
    Used,
    /// The code is too old.
    Expired,
    /// The account is shut.
    Disabled,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The company.
    pub organisation: OrganisationId,
    /// Whose it is.
    pub user: UserId,
    /// What it is called.
    pub name: String,
    /// What it runs on.
    pub platform: String,
    /// The app's version at its last contact.
    pub app_version: String,
    /// Random name of the installation.
    pub installation: [u8; 16],
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When it was last heard of.
    pub last_contact: Option<Timestamp>,
    /// Changes that waited on it at its last contact.
    pub waiting: u32,
    /// Milliseconds by which its clock was ahead of the server's at its last contact.
    pub clock_ahead_millis: i64,
    /// When its token was last replaced.
    pub token_issued_at: Timestamp,
    /// When it was shut out.
    pub revoked_at: Option<Timestamp>,
}

/// What a device said of itself in an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceContact {
    /// The company.
    pub organisation: OrganisationId,
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the token it used.
    pub token_hash: [u8; 32],
    /// The app's version.
    pub app_version: String,
    /// Changes still waiting on it.
    pub waiting: u32,
    /// Milliseconds by which its clock is ahead.
    pub clock_ahead_millis: i64,
    /// When.
    pub now: Timestamp,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a user id, `device:…`, `token:…` with the name of other software's token, or `operator` for the command line.
    pub actor: String,
    /// What was done, as a stable name (`device.revoked`).
    pub action: String,
    /// To what.
    pub subject: String,
    /// More about it.
    pub detail: String,
}
