//! Where a change belongs, and whether its author may make it.

use std::collections::HashMap;

use fieldledger_core::{
    document::Summary,
    model::{
        CustomerId, DeviceId, DocumentKind, LedgerRecord, OrganisationId, RecordKey, RecordKind, Role, TerritoryId,
        UserId,
    },
    rules::authority::{Denied, IDENTITY, may_create, may_edit, may_edit_as_contact},
    sync::protocol::{RejectionCode, StreamId},
};
use serde_json::Value;

use super::validator::{Refusal, SoundChange};
use crate::store::{Account, Store, StoreError};

/// Who brings a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bringer<'a> {
    pub(super) account: &'a Account,
    /// `None` for the server's own pages.
    pub(super) device: Option<DeviceId>,
    /// Whether the device's clock is off.
    pub(super) clock_off: bool,
}

impl Bringer<'_> {
    /// The device as it is written into a change.
    pub(super) fn device_written(&self) -> DeviceId {
        self.device.unwrap_or(DeviceId::from_bytes([0; 16]))
    }
}

/// What one request had to look up about people and customers.
pub(super) struct Directory<'a> {
    store: &'a dyn Store,
    organisation: OrganisationId,
    accounts: HashMap<UserId, Option<Account>>,
    territories: HashMap<CustomerId, Option<TerritoryId>>,
}

impl<'a> Directory<'a> {
    pub(super) fn new(store: &'a dyn Store, organisation: OrganisationId) -> Self {
        Self {
            store,
            organisation,
            accounts: HashMap::new(),
            territories: HashMap::new(),
        }
    }

    async fn account(&mut self, user: UserId) -> Result<Option<&Account>, StoreError> {
        if !self.accounts.contains_key(&user) {
            let found = self.store.account(self.organisation, user).await?;
            self.accounts.insert(user, found);
        }
        Ok(self.accounts.get(&user).and_then(Option::as_ref))
    }

    async fn territory_of(&mut self, customer: CustomerId) -> Result<Option<TerritoryId>, StoreError> {
        if let Some(known) = self.territories.get(&customer) {
            return Ok(*known);
        }
        let key = RecordKey {
            kind: RecordKind::Customer,
            id: customer.to_string(),
        };
        let found = match self.store.record(self.organisation, &key).await?.map(|it| it.record) {
            Some(LedgerRecord::Customer(customer)) => Some(customer.territory),
            _ => None,
        };
        self.territories.insert(customer, found);
        Ok(found)
    }
}

/// The customer's contact, who has a link to one document and no account, as the author of a change in `stream`.
pub(super) fn contact_of(organisation: OrganisationId, stream: StreamId) -> Account {
    Account {
        organisation,
        user: UserId::CUSTOMER_CONTACT,
        login: String::new(),
        name: String::new(),
        password_hash: None,
        roles: Vec::new(),
        territories: match stream {
            StreamId::Territory(territory) => vec![territory],
            _ => Vec::new(),
        },
        disabled: false,
    }
}

/// Where a change goes.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) stream: StreamId,
    pub(super) summary: Summary,
}

/// Why a change goes nowhere, and whose supervisor is to see it.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) refusal: Refusal,
    pub(super) territory: Option<TerritoryId>,
}

impl Stopped {
    fn on_the_way_to(stream: StreamId, refusal: Refusal) -> Self {
        Self {
            refusal,
            territory: match stream {
                StreamId::Territory(territory) => Some(territory),
                _ => None,
            },
        }
    }
}

/// Whether the change says it was made by who brings it. Who relays somebody else's is asked more in [`route`].
pub(super) fn check_author(bringer: Bringer<'_>, change: &SoundChange, relayed: bool) -> Result<(), Refusal> {
    let same = change.authorship.user == bringer.account.user && change.authorship.device == bringer.device_written();
    if same || relayed {
        return Ok(());
    }
    Err(Refusal::new(
        RejectionCode::WrongAuthor,
        "the change says that somebody else made it, or another device",
    ))
}

/// Finds the stream of a change and asks whether its author may make it. `home` is the stream of a document that
/// exists.
pub(super) async fn route(
    directory: &mut Directory<'_>,
    bringer: Bringer<'_>,
    change: &SoundChange,
    relayed: bool,
    home: Option<StreamId>,
) -> Result<Result<Route, Stopped>, StoreError> {
    let summary = Summary::of(&change.tree);
    let author = change.authorship.user;
    let stream = match home {
        Some(stream) => stream,
        None => match summary.customer {
            Some(customer) => match directory.territory_of(customer).await? {
                Some(territory) => StreamId::Territory(territory),
                None => {
                    return Ok(Err(Stopped {
                        refusal: Refusal::new(
                            RejectionCode::UnknownCustomer,
                            format!("customer {customer} is not known to the server"),
                        ),
                        territory: None,
                    }));
                }
            },
            // Made by a newer version and about no customer: it concerns whoever made it.
            None => StreamId::User(author),
        },
    };
    let contact;
    let author_account = if author == bringer.account.user {
        Some(bringer.account)
    } else if author == UserId::CUSTOMER_CONTACT {
        // Brought back by a phone, after the server had lost it.
        contact = contact_of(bringer.account.organisation, stream);
        Some(&contact)
    } else {
        directory.account(author).await?
    };
    let checked = check_access(bringer, author_account, stream, relayed)
        .and_then(|author_account| check_authority(author_account, change, relayed, &summary));
    Ok(match checked {
        Ok(()) => Ok(Route { stream, summary }),
        Err(refusal) => Err(Stopped::on_the_way_to(stream, refusal)),
    })
}

/// Whether who brings a change has access to the stream of its document.
pub(super) fn may_bring(bringer: Bringer<'_>, stream: StreamId) -> Result<(), Stopped> {
    if may(bringer.account, stream) {
        Ok(())
    } else {
        Err(Stopped::on_the_way_to(stream, no_access()))
    }
}

fn may(account: &Account, stream: StreamId) -> bool {
    match stream {
        StreamId::Territory(territory) => account.may_read(territory),
        StreamId::User(user) => account.user == user,
        StreamId::Catalogue | StreamId::Device(_) | StreamId::Finance => false,
    }
}

fn no_access() -> Refusal {
    Refusal::new(
        RejectionCode::WrongTerritory,
        "the customer belongs to a territory you have no access to; ask your supervisor",
    )
}

/// Both who made the change and who brings it need access to its stream. What is relayed was made when its author had
/// access, and the author may have been given other territories since: it must come back all the same.
fn check_access<'a>(
    bringer: Bringer<'_>,
    author: Option<&'a Account>,
    stream: StreamId,
    relayed: bool,
) -> Result<&'a Account, Refusal> {
    let Some(author) = author else {
        return Err(Refusal::new(
            RejectionCode::WrongAuthor,
            "the person who is said to have made the change is not known here",
        ));
    };
    if may(bringer.account, stream) && (relayed || may(author, stream)) {
        Ok(author)
    } else {
        Err(no_access())
    }
}

fn check_authority(author: &Account, change: &SoundChange, relayed: bool, summary: &Summary) -> Result<(), Refusal> {
    let not_allowed = |message: String| Refusal::new(RejectionCode::NotAllowed, message);
    let denied = |denied: Denied| not_allowed(denied.to_string());
    if author.user == UserId::CUSTOMER_CONTACT {
        let kind = DocumentKind::from_name(change.kind_before.as_deref().unwrap_or_default());
        if change.creates.is_some() {
            return Err(not_allowed("the customer's contact answers what is there".to_owned()));
        }
        return may_edit_as_contact(&kind, &change.touched).map_err(denied);
    }
    if change.over_contacts_word {
        return Err(not_allowed(
            "what the customer's contact says through a link may only be changed by the contact; write a review if it is \
             doubtful"
                .to_owned(),
        ));
    }
    if change.creates.is_some() {
        may_create(&author.roles, &summary.kind).map_err(denied)?;
        let written = written_by_creation(&change.tree);
        may_edit(&author.roles, author.user, summary.owner, &summary.kind, &written).map_err(denied)?;
    } else {
        // What it was counts, not what the change makes of it.
        let kind = DocumentKind::from_name(change.kind_before.as_deref().unwrap_or_default());
        may_edit(&author.roles, author.user, change.owner_before, &kind, &change.touched).map_err(denied)?;
    }
    // Whose word it is, is written into a review; nobody writes down another's. What is relayed was asked before.
    if summary.kind == DocumentKind::Review && !relayed {
        let spoken_by = |path: &str, by: Option<&Value>| match by.and_then(Value::as_str).map(str::parse::<UserId>) {
            Some(Ok(user)) if user == author.user => Ok(()),
            _ => Err(not_allowed(format!("{path} may only be given by the person it names"))),
        };
        if change.creates.is_some() {
            spoken_by("a review", change.tree.get("reviewer"))?;
        }
        let replies = change.tree.get("replies").and_then(Value::as_object);
        for (id, reply) in replies.into_iter().flatten() {
            let touched = change.creates.is_some()
                || change
                    .touched
                    .iter()
                    .any(|path| path.first().is_some_and(|it| it == "replies") && path.get(1) == Some(id));
            if touched {
                spoken_by("a reply", reply.get("by"))?;
            }
        }
    }
    Ok(())
}

/// What a new document holds beyond what it is and whose: asked for like an edit, so that nobody slips another party's
/// word, or a record in a colleague's name, into a new document.
fn written_by_creation(tree: &Value) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (field, value) in tree.as_object().into_iter().flatten() {
        if field == "schema" || IDENTITY.contains(&field.as_str()) {
            continue;
        }
        match value.as_object() {
            Some(inner) if field == "confirmations" => {
                paths.extend(inner.keys().map(|party| vec![field.clone(), party.clone()]));
            }
            _ => paths.push(vec![field.clone()]),
        }
    }
    paths
}

/// The streams whose news a device gets, in the order in which a reply is filled: what concerns the device and its
/// person first, then what everybody needs, then the territories.
pub(super) async fn followed(
    store: &dyn Store,
    account: &Account,
    device: DeviceId,
    limit: usize,
) -> Result<Vec<StreamId>, StoreError> {
    let mut territories = account.territories.clone();
    if territories.is_empty() && account.roles.iter().any(|role: &Role| role.sees_every_territory()) {
        // Somebody who sees everything carries everything only when nobody said what to carry.
        for stored in store.records(account.organisation, &RecordKind::Territory).await? {
            if let LedgerRecord::Territory(territory) = stored.record {
                territories.push(territory.id);
            }
        }
    }
    territories.sort_unstable();
    territories.dedup();
    let mut streams = vec![
        StreamId::Device(device),
        StreamId::User(account.user),
        StreamId::Catalogue,
    ];
    streams.extend(territories.into_iter().map(StreamId::Territory));
    streams.truncate(limit);
    Ok(streams)
}
