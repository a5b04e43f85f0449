//! What the page is made from, as it is read from the store: in no language yet.

use chrono::NaiveDate;
use fieldledger_core::model::{
    ConfirmationVerdict, Delivery, OrganisationId, Party, Statement, TerritoryId, Timestamp,
};

use super::{
    LATEST, NEWEST,
    among::{FoundAmongCustomers, among_customers},
    confirmed_by, policy, stale_millis,
};
use crate::{
    state::AppState,
    store::{
        Device, FeedFilter, FeedItem, ListPart, Listed, Overview, OverviewOf, StatementSearch, StatementStanding, Store,
    },
    web::{crew::Crew, error::PageError, feed, names::Names, page::Viewer},
};

/// Everything the page shows, in no language yet.
pub(super) struct Picture {
    pub(super) overview: Overview,
    /// The parties that have not spoken about the deliveries of [`Overview::unconfirmed`].
    pub(super) missing: Vec<Vec<Party>>,
    /// The parties that dispute the deliveries of [`Overview::disputed`].
    pub(super) disputing: Vec<Vec<Party>>,
    /// Statements of account of which the customer disputes a line.
    pub(super) statements: Listed<Statement>,
    pub(super) confirm_hours: u32,
    /// Broken promises, stops of supply and critical warnings.
    pub(super) among: FoundAmongCustomers,
    pub(super) stale: Vec<Device>,
    pub(super) latest: Vec<FeedItem>,
    pub(super) devices: Vec<Device>,
    pub(super) names: Names,
    pub(super) now: Timestamp,
    pub(super) day: NaiveDate,
}

pub(super) async fn read(
    app: &AppState,
    viewer: &Viewer,
    territories: Option<Vec<TerritoryId>>,
    day: NaiveDate,
    now: Timestamp,
) -> Result<Picture, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let policy = policy(store, org).await?;
    let confirm_hours = policy.timers.confirm_delivery_hours;
    let morning = Timestamp::midnight(day, viewer.zone);
    let tomorrow = Timestamp::midnight(day.succ_opt().unwrap_or(day), viewer.zone);
    let mut overview = store
        .overview(
            org,
            &OverviewOf {
                territories: territories.clone(),
                signed_before: confirmed_by(&policy, now),
                day,
                happened: (morning, tomorrow),
                newest: NEWEST,
            },
        )
        .await?;
    // Whatever the store answers, nothing of a foreign territory gets past here.
    overview.unconfirmed.first.retain(|it| viewer.may_read(it.stream));
    overview.disputed.first.retain(|it| viewer.may_read(it.stream));
    overview.disagreeing.first.retain(|it| viewer.may_read(it.stream));
    let missing = parties(store, org, &overview.unconfirmed.first, Delivery::missing_confirmations).await?;
    let disputing = parties(store, org, &overview.disputed.first, |delivery| {
        let said = delivery.confirmations.iter();
        said.filter(|(_, it)| it.verdict == ConfirmationVerdict::Disputed)
            .map(|(party, _)| *party)
            .collect()
    })
    .await?;
    let search = StatementSearch {
        standing: Some(StatementStanding::Disputed),
        ..StatementSearch::default()
    };
    let part = ListPart { from: 0, limit: NEWEST };
    let mut statements = store.issued_statements(org, territories.clone(), search, part).await?;
    statements.rows.retain(|(_, it)| viewer.account.may_read(it.territory));
    let latest = feed::read_feed(
        store,
        viewer,
        &FeedFilter {
            territories: territories.clone(),
            // What the office says to it is not news to the office.
            without_reviews: true,
            limit: LATEST,
            ..FeedFilter::default()
        },
    )
    .await?;
    let among = among_customers(app, viewer, day).await?;
    let crew = Crew::of(app, org).await?;
    // Not those of the crew: a phone that has just been heard of is not silent.
    let devices = store.devices(org).await?;
    let known = |device: &Device| {
        let owner = crew.accounts.iter().find(|it| it.user == device.user);
        owner.is_some_and(|it| !it.disabled && it.territories.iter().any(|id| viewer.account.may_read(*id)))
    };
    let silent_since = now.plus_millis(-stale_millis(&policy));
    let mut stale: Vec<Device> = devices
        .iter()
        .filter(|it| it.revoked_at.is_none() && it.last_contact.unwrap_or(it.enrolled_at) < silent_since && known(it))
        .cloned()
        .collect();
    stale.sort_by_key(|it| it.last_contact.unwrap_or(it.enrolled_at));

    let mut names = Names::of_crew(&crew);
    let customers = (overview.held.first.iter().map(|it| it.customer))
        .chain(among.broken.iter().take(NEWEST as usize).map(|it| it.customer))
        .chain(
            [
                &overview.unconfirmed.first,
                &overview.disputed.first,
                &overview.disagreeing.first,
                &latest,
            ]
            .into_iter()
            .flatten()
            .filter_map(|it| it.summary.customer),
        );
    names.add_customers(store, org, customers.collect::<Vec<_>>()).await?;
    let people = (overview.held.first.iter().map(|it| it.rep))
        .chain(overview.quarantined.first.iter().map(|it| it.user))
        .chain(stale.iter().map(|it| it.user))
        .chain(
            among
                .stops
                .iter()
                .take(NEWEST as usize)
                .filter_map(|it| it.customer.rep),
        )
        .chain(latest.iter().filter_map(|it| it.summary.owner));
    names.add_people(store, org, people.collect::<Vec<_>>()).await?;
    Ok(Picture {
        overview,
        missing,
        disputing,
        statements,
        confirm_hours,
        among,
        stale,
        latest,
        devices,
        names,
        now,
        day,
    })
}

/// The parties of each of these deliveries that `of` names.
async fn parties(
    store: &dyn Store,
    org: OrganisationId,
    deliveries: &[FeedItem],
    of: impl Fn(&Delivery) -> Vec<Party>,
) -> Result<Vec<Vec<Party>>, PageError> {
    let ids: Vec<_> = deliveries.iter().map(|it| it.id).collect();
    let stored = store.documents(org, &ids).await?.into_iter();
    Ok(stored
        .map(|stored| {
            let delivery = stored.and_then(|it| serde_json::from_value::<Delivery>(it.tree).ok());
            delivery.map(|it| of(&it)).unwrap_or_default()
        })
        .collect())
}
