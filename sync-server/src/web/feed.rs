//! What came in from the phones, newest first.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use chrono::NaiveDate;
use fieldledger_core::{
    document::Summary,
    model::{
        Customer, CustomerId, DocumentId, DocumentKind, LedgerRecord, OrganisationId, RecordKind, Review, TerritoryId,
        Timestamp, UserId,
    },
    rules::authority,
};
use serde::Deserialize;

use super::{
    customers::list::{overview, visible},
    error::PageError,
    format::{self, Moment},
    fresh::Fresh,
    messages::Text,
    names::{Names, key},
    page::{Frame, Viewer, encoded, html},
    record::CLOCK_TOLERANCE_MILLIS,
    table::{self, Cell, Column, Sent, Spec},
    today::{confirmed_by, policy},
};
use crate::{
    state::AppState,
    store::{Device, FeedFilter, FeedItem, MAX_LISTED, Store, doubt},
};

/// Lines on a page.
const PAGE: u32 = 50;
/// Customers offered when a name is not unique.
const MOST_CANDIDATES: usize = 20;

/// The filters, as they stand in the address. An empty value is no filter.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct FeedQuery {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    rep: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    territory: String,
    #[serde(default)]
    day: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    doubt: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    unreviewed: String,
    #[serde(default)]
    disagreeing: String,
    /// Deliveries that were not confirmed in time.
    #[serde(default)]
    late: String,
    #[serde(default)]
    before: String,
    /// What came of a batch of reviews; no filter.
    #[serde(default)]
    reviewed: String,
    #[serde(default)]
    failed: String,
}

impl FeedQuery {
    /// The customer that was asked for, as it was typed.
    pub(super) fn customer(&self) -> &str {
        &self.customer
    }
}

/// One entry of a list to choose from.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) text: String,
    pub(super) chosen: bool,
}

/// One line of the feed.
pub(super) struct Row {
    pub(super) id: String,
    /// Whether the line can be picked for a batch of reviews, as the list of activity lets supervisors do.
    pub(super) pick: bool,
    /// The map of the rep's day.
    pub(super) map: Option<String>,
    pub(super) href: String,
    pub(super) kind_name: String,
    pub(super) title: String,
    pub(super) state: String,
    pub(super) amount: Option<String>,
    pub(super) customer: Option<(String, String)>,
    pub(super) rep: Option<String>,
    pub(super) happened: Option<Moment>,
    pub(super) planned: Option<String>,
    pub(super) received: Moment,
    pub(super) doubts: Vec<String>,
    pub(super) review: Option<(String, &'static str)>,
    pub(super) reviewable: bool,
    /// For a review, what it says about what.
    pub(super) says: Option<ReviewLine>,
}

/// What a line about a review says beside the rest.
pub(super) struct ReviewLine {
    pub(super) reviewer: String,
    /// In words, and as the style sheet knows it.
    pub(super) verdict: (String, &'static str),
    pub(super) comment: String,
    /// The reviewed record: its address, its kind and its title; `None` when it is not here, or not the reader's to see.
    pub(super) about: Option<(String, String, String)>,
}

/// Who is shown the same: company, territories, language, whether they review, and what they ask for.
type Key = (OrganisationId, Option<Vec<TerritoryId>>, &'static str, bool, String);

/// What was read for the list, for those who ask next.
#[derive(Default)]
pub(crate) struct FeedCache(Fresh<Key, Feed>);

/// What the list says beside its frame and its filters.
struct Feed {
    rows: Vec<Row>,
    reps: Vec<(String, String)>,
    territories: Vec<(String, String)>,
    customer: String,
    customer_problem: Option<&'static str>,
    candidates: Vec<(String, String)>,
    /// Set when words of so many records are not in the index yet.
    unindexed: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "feed.html")]
struct FeedPage {
    frame: Frame,
    feed: Arc<Feed>,
    kinds: Vec<Choice>,
    reps: Vec<Choice>,
    territories: Vec<Choice>,
    states: Vec<Choice>,
    doubts: Vec<Choice>,
    q: String,
    from: String,
    to: String,
    /// Whether the reader reviews here, and what came of the last batch.
    reviews: bool,
    notice: Option<String>,
    problem: Option<&'static str>,
    comment: String,
    here: String,
    photos: String,
    exports: Vec<(&'static str, String)>,
    unreviewed: bool,
    disagreeing: bool,
    late: bool,
    filtered: bool,
    first_page: bool,
    newest: String,
}

/// The feed.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Query(query): Query<FeedQuery>,
    sent: Sent,
) -> Result<Response, PageError> {
    let spec = list(&viewer);
    if spec.is_export(&sent) {
        return exported(&app, &viewer, &query, &sent, spec).await;
    }
    page(&app, &viewer, query, None).await
}

/// The list as a file.
fn list(viewer: &Viewer) -> Spec {
    let text = viewer.text;
    Spec::new(
        "activity",
        text.t("feed.title"),
        vec![
            Column::text("kind", text.t("feed.kind")),
            Column::text("what", text.t("feed.what")),
            Column::text("state", text.t("feed.state")),
            Column::money("amount", text.t("customer.amount")),
            Column::text("customer", text.t("feed.customer")),
            Column::text("code", text.t("customers.code")),
            Column::text("rep", text.t("feed.rep")),
            Column::moment("happened", text.t("feed.happened")),
            Column::day("planned", text.t("today.planned")),
            Column::moment("received", text.t("feed.received")),
            Column::text("doubts", text.t("feed.doubts")),
            Column::text("review", text.t("feed.review")),
        ],
    )
}

/// Everything that the filters leave, in the order of the list.
async fn exported(
    app: &AppState,
    viewer: &Viewer,
    query: &FeedQuery,
    sent: &Sent,
    spec: Spec,
) -> Result<Response, PageError> {
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let mut filter = read_filter(app, query, viewer).await?;
    filter.before = None;
    filter.limit = MAX_LISTED;
    let mut items: Vec<FeedItem> = Vec::new();
    match find_customer(app, viewer, &query.customer).await? {
        Named::Several(_) | Named::Unknown => {}
        named => {
            if let Named::One(customer) = named {
                filter.customer = Some(customer.id);
            }
            loop {
                let part = read_feed(store, viewer, &filter).await?;
                let is_last = part.len() < filter.limit as usize;
                filter.before = part.last().map(|it| (it.received_at, it.id));
                items.extend(part);
                // One more than a file may hold is refused anyway.
                if is_last || items.len() > table::MOST_EXPORTED {
                    break;
                }
            }
        }
    }
    let mut names = Names::load(store, org).await?;
    let customers: Vec<_> = items.iter().filter_map(|it| it.summary.customer).collect();
    names.add_customers(store, org, customers).await?;
    let people: Vec<_> = items.iter().filter_map(|it| it.summary.owner).collect();
    names.add_people(store, org, people).await?;
    let devices = store.devices(org).await?;
    let clocks = clocks(&devices);
    let rows = items
        .into_iter()
        .map(|item| {
            let (summary, received) = (item.summary.clone(), item.received_at);
            let customer = summary.customer;
            let row = row(viewer, &names, &clocks, item, None);
            table::Row::new(vec![
                Cell::text(row.kind_name),
                Cell::text(row.title),
                Cell::text(row.state),
                Cell::of(summary.amount, Cell::Money),
                Cell::of(row.customer, |(_, name)| Cell::text(name)),
                Cell::of(customer.and_then(|id| names.customer(id)), |it| Cell::text(&it.code)),
                Cell::of(row.rep, Cell::text),
                Cell::of(summary.at, Cell::Moment),
                Cell::of(summary.day, Cell::Day),
                Cell::Moment(received),
                Cell::text(row.doubts.join(", ")),
                Cell::of(row.review, |(verdict, _)| Cell::text(verdict)),
            ])
        })
        .collect();
    spec.file(viewer, sent, rows).await
}

/// Reviews of several records that could not be made.
pub(super) struct Refused {
    /// The key of what is wrong.
    pub(super) problem: &'static str,
    pub(super) picked: Vec<String>,
    pub(super) comment: String,
}

/// The feed, with reviews that could not be made if there are some.
pub(super) async fn page(
    app: &AppState,
    viewer: &Viewer,
    query: FeedQuery,
    refused: Option<Refused>,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let reviews = authority::may_create(&viewer.account.roles, &DocumentKind::Review).is_ok();
    let here = address(&query, some(&query.before));
    let mut scope = viewer.account.territory_filter();
    if let Some(scope) = &mut scope {
        scope.sort_unstable();
    }
    let key = (viewer.account.organisation, scope, text.0.tag(), reviews, here.clone());
    let read = read_all(app, viewer, &query, reviews);
    let feed = app.feed.0.get(app.sync.live(), key, read).await?;
    let chosen = |known: &[(String, String)], wanted: &str| {
        let known = known.iter().map(|(id, name)| choice(id.clone(), name.clone(), wanted));
        known.collect::<Vec<_>>()
    };
    let problem = refused.as_ref().map(|it| text.t(it.problem));
    let (picked, comment) = refused.map(|it| (it.picked, it.comment)).unwrap_or_default();
    html(&FeedPage {
        frame: viewer.frame("activity").picking(picked),
        comment,
        kinds: choices(KINDS, "kind", &query.kind, text),
        states: choices(STATES, "state", &query.state, text),
        reps: chosen(&feed.reps, &query.rep),
        territories: chosen(&feed.territories, &query.territory),
        doubts: choices(&DOUBTS.map(|(name, _)| name), "doubtful", &query.doubt, text),
        q: query.q.trim().to_owned(),
        from: some(&query.day).or(some(&query.from)).unwrap_or_default().to_owned(),
        to: some(&query.day).or(some(&query.to)).unwrap_or_default().to_owned(),
        reviews,
        notice: said(text, &query),
        problem,
        here,
        photos: address_at("/activity/photos", &query, None),
        exports: list(viewer).exports(viewer, &Sent::of(&address(&query, None))),
        unreviewed: !query.unreviewed.is_empty(),
        disagreeing: !query.disagreeing.is_empty(),
        late: !query.late.is_empty(),
        filtered: address(&query, None) != "/activity",
        first_page: query.before.is_empty(),
        newest: address(&query, None),
        feed,
    })
}

async fn read_all(app: &AppState, viewer: &Viewer, query: &FeedQuery, reviews: bool) -> Result<Feed, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let text = viewer.text;
    let mut names = Names::load(store, org).await?;
    let mut filter = read_filter(app, query, viewer).await?;
    let named = find_customer(app, viewer, &query.customer).await?;
    filter.customer = match &named {
        Named::One(customer) => Some(customer.id),
        _ => None,
    };
    let mut items = match &named {
        Named::Several(_) | Named::Unknown => Vec::new(),
        _ => read_feed(store, viewer, &filter).await?,
    };
    let more = items.len() > PAGE as usize;
    items.truncate(PAGE as usize);
    let next = items.last().filter(|_| more).map(|last| {
        let before = format!("{}.{}", last.received_at.as_millis(), last.id);
        address(query, Some(&before))
    });
    let devices = store.devices(org).await?;
    let mut rows = rows(store, viewer, &mut names, &devices, items).await?;
    for row in &mut rows {
        row.pick = reviews && row.reviewable;
    }
    let unindexed = match &filter.text {
        Some(_) => Some(store.unindexed().await?).filter(|it| *it > 0),
        None => None,
    };
    let reps = names.field_people_of(&viewer.account).into_iter();
    let territories = names.territories_of(&viewer.account).into_iter();
    Ok(Feed {
        rows,
        reps: reps.map(|(id, name)| (id.to_string(), name)).collect(),
        territories: territories.map(|(id, name)| (id.to_string(), name)).collect(),
        customer: match &named {
            Named::One(customer) => customer.name.clone(),
            _ => query.customer.clone(),
        },
        customer_problem: match &named {
            Named::Several(_) => Some(text.t("feed.which_customer")),
            Named::Unknown => Some(text.t("feed.unknown_customer")),
            _ => None,
        },
        candidates: match &named {
            Named::Several(customers) => customers
                .iter()
                .map(|it| {
                    let query = FeedQuery {
                        customer: it.id.to_string(),
                        ..query.clone()
                    };
                    (address(&query, None), format!("{} ({})", it.name, it.code))
                })
                .collect(),
            _ => Vec::new(),
        },
        unindexed: unindexed.map(|count| text.fill("feed.unindexed", "count", count)),
        next,
    })
}

/// What came of a batch of reviews.
fn said(text: Text, query: &FeedQuery) -> Option<String> {
    let done: u32 = query.reviewed.parse().ok()?;
    let mut said = text.fill("feed.reviewed", "count", done);
    if let Some(failed) = query.failed.parse::<u32>().ok().filter(|it| *it > 0) {
        said.push(' ');
        said.push_str(&text.fill("feed.not_reviewable", "count", failed));
    }
    Some(said)
}

/// Doubts to filter by, as they stand in the address.
const DOUBTS: [(&str, u8); 5] = [
    ("any", doubt::ANY),
    ("outside", doubt::OUTSIDE),
    ("mocked", doubt::MOCKED),
    ("clock", doubt::CLOCK),
    ("edited", doubt::EDITED),
];

const KINDS: &[&str] = &[
    "visit",
    "delivery",
    "collection_note",
    "order",
    "statement_confirmation",
    "review",
];
const STATES: &[&str] = &[
    "planned",
    "open",
    "done",
    "cancelled",
    "signed",
    "confirmed",
    "disputed",
    "draft",
    "submitted",
    "approved",
    "provisional",
    "held",
    "refused",
    "promised",
    "paid",
    "not_reached",
    "reminded",
    "receipt_confirmed",
    "collection_closed",
    "agreed",
    "questioned",
    "flagged",
];

fn choices(names: &[&str], section: &str, chosen: &str, text: Text) -> Vec<Choice> {
    names
        .iter()
        .map(|name| choice((*name).to_owned(), text.word(section, name), chosen))
        .collect()
}

pub(super) fn choice(value: String, text: String, chosen: &str) -> Choice {
    Choice {
        chosen: value == chosen,
        value,
        text,
    }
}

pub(super) fn some(value: &str) -> Option<&str> {
    let value = value.trim();
    (!value.is_empty()).then_some(value)
}

/// The filter of the store, with the reader's own territories as its outer bound.
pub(super) async fn read_filter(app: &AppState, query: &FeedQuery, viewer: &Viewer) -> Result<FeedFilter, PageError> {
    let mut filter = FeedFilter {
        territories: viewer.account.territory_filter(),
        kind: some(&query.kind).map(DocumentKind::from_name),
        state: some(&query.state).map(str::to_owned),
        unreviewed: !query.unreviewed.is_empty(),
        disagreeing: !query.disagreeing.is_empty(),
        text: some(&query.q).map(str::to_owned),
        limit: PAGE + 1,
        ..FeedFilter::default()
    };
    if !query.late.is_empty() {
        let policy = policy(app.store.as_ref(), viewer.account.organisation).await?;
        filter.signed_before = Some(confirmed_by(&policy, app.clock.now()));
    }
    if let Some(territory) = some(&query.territory) {
        let territory: TerritoryId = territory.parse().map_err(|_| PageError::BadField("feed.territory"))?;
        if !viewer.account.may_read(territory) {
            return Err(PageError::NotFound);
        }
        filter.territories = Some(vec![territory]);
    }
    if let Some(rep) = some(&query.rep) {
        let rep: UserId = rep.parse().map_err(|_| PageError::BadField("feed.rep"))?;
        filter.owner = Some(rep);
    }
    let from = some(&query.day).or(some(&query.from));
    let to = some(&query.day).or(some(&query.to));
    if from.is_some() || to.is_some() {
        let day = |day: &str| whole_day(day, viewer.zone).ok_or(PageError::BadField("feed.day"));
        let from = from
            .map(day)
            .transpose()?
            .map_or(Timestamp::from_millis(i64::MIN), |it| it.0);
        let to = to
            .map(day)
            .transpose()?
            .map_or(Timestamp::from_millis(i64::MAX), |it| it.1);
        filter.happened = Some((from, to));
    }
    if let Some(name) = some(&query.doubt) {
        let known = DOUBTS.iter().find(|(known, _)| *known == name);
        filter.doubts = known.ok_or(PageError::BadField("feed.doubts"))?.1;
    }
    if let Some(before) = some(&query.before) {
        filter.before = Some(read_place(before).ok_or(PageError::BadField("feed.next"))?);
    }
    Ok(filter)
}

fn whole_day(day: &str, zone: chrono_tz::Tz) -> Option<(Timestamp, Timestamp)> {
    let day: NaiveDate = day.parse().ok()?;
    Some((
        format::start_of_day(day, zone)?,
        format::start_of_day(day.succ_opt()?, zone)?,
    ))
}

fn read_place(before: &str) -> Option<(Timestamp, DocumentId)> {
    let (millis, id) = before.split_once('.')?;
    Some((Timestamp::from_millis(millis.parse().ok()?), id.parse().ok()?))
}

/// The feed's address with these filters.
fn address(query: &FeedQuery, before: Option<&str>) -> String {
    address_at("/activity", query, before)
}

/// The address of a page with these filters.
pub(super) fn address_at(path: &str, query: &FeedQuery, before: Option<&str>) -> String {
    let pairs = [
        ("q", query.q.as_str()),
        ("kind", query.kind.as_str()),
        ("rep", &query.rep),
        ("customer", &query.customer),
        ("territory", &query.territory),
        ("day", &query.day),
        ("from", &query.from),
        ("to", &query.to),
        ("doubt", &query.doubt),
        ("state", &query.state),
        ("unreviewed", &query.unreviewed),
        ("disagreeing", &query.disagreeing),
        ("late", &query.late),
        ("before", before.unwrap_or_default()),
    ];
    let mut address = path.to_owned();
    let mut separator = '?';
    for (name, value) in pairs {
        if let Some(value) = some(value) {
            address.push(separator);
            address.push_str(name);
            address.push('=');
            address.push_str(&encoded(value));
            separator = '&';
        }
    }
    address
}

/// Which customer a filter means.
pub(super) enum Named {
    Nobody,
    One(Customer),
    Several(Vec<Customer>),
    Unknown,
}

pub(super) async fn find_customer(app: &AppState, viewer: &Viewer, wanted: &str) -> Result<Named, PageError> {
    let Some(wanted) = some(wanted) else {
        return Ok(Named::Nobody);
    };
    if let Ok(id) = wanted.parse::<CustomerId>() {
        let found = app
            .store
            .record(viewer.account.organisation, &key(RecordKind::Customer, id))
            .await?;
        return Ok(match found.map(|it| it.record) {
            Some(LedgerRecord::Customer(it)) if viewer.account.may_read(it.territory) => Named::One(it),
            _ => Named::Unknown,
        });
    }
    let mut others = find_visible(app, viewer, wanted).await?;
    let lower = wanted.to_lowercase();
    let exact = |it: &Customer| it.code.to_lowercase() == lower || it.name.to_lowercase() == lower;
    // They come first, so the limit cuts off none of them for a customer of whom it is only a part.
    let mut found: Vec<Customer> = others.extract_if(.., |it| exact(it)).collect();
    if found.is_empty() {
        found = others;
    }
    Ok(match found.len() {
        0 => Named::Unknown,
        1 => found.pop().map_or(Named::Unknown, Named::One),
        _ => Named::Several(found),
    })
}

/// Searches the customers of the reader's territories by name and number: those come first whose whole name or number it is,
/// each part by name; [`MOST_CANDIDATES`] at most.
async fn find_visible(app: &AppState, viewer: &Viewer, wanted: &str) -> Result<Vec<Customer>, PageError> {
    let overview = overview(app, viewer).await?;
    let wanted = wanted.to_lowercase();
    let mut found: Vec<(bool, &Customer)> = visible(&overview, viewer)
        // What is looked through for it holds more than name and number.
        .filter(|it| it.searched.contains(&wanted))
        .filter_map(|it| {
            let customer = &it.customer;
            let (name, code) = (customer.name.to_lowercase(), customer.code.to_lowercase());
            let exact = name == wanted || code == wanted;
            (exact || name.contains(&wanted) || code.contains(&wanted)).then_some((!exact, customer))
        })
        .collect();
    found.sort_by(|(a_part, a), (b_part, b)| (a_part, &a.name, a.id).cmp(&(b_part, &b.name, b.id)));
    Ok(found
        .into_iter()
        .take(MOST_CANDIDATES)
        .map(|(_, it)| it.clone())
        .collect())
}

/// Reads the feed. Whatever the store answers, nothing of a foreign stream gets past here.
pub(super) async fn read_feed(
    store: &dyn Store,
    viewer: &Viewer,
    filter: &FeedFilter,
) -> Result<Vec<FeedItem>, PageError> {
    if filter.territories.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let mut items = store.feed(viewer.account.organisation, filter).await?;
    items.retain(|item| viewer.may_read(item.stream));
    Ok(items)
}

/// The lines to show.
pub(super) async fn rows(
    store: &dyn Store,
    viewer: &Viewer,
    names: &mut Names,
    devices: &[Device],
    items: Vec<FeedItem>,
) -> Result<Vec<Row>, PageError> {
    let org = viewer.account.organisation;
    let customers: Vec<_> = items.iter().filter_map(|it| it.summary.customer).collect();
    names.add_customers(store, org, customers).await?;
    let people: Vec<_> = items.iter().filter_map(|it| it.summary.owner).collect();
    names.add_people(store, org, people).await?;
    let mut reviews = review_lines(store, viewer, names, &items).await?;
    let clocks = clocks(devices);
    Ok(items
        .into_iter()
        .map(|item| {
            let says = reviews.remove(&item.id);
            row(viewer, names, &clocks, item, says)
        })
        .collect())
}

/// What the reviews among `items` say. A review that its model cannot read has no entry: its line shows what the lists
/// know.
async fn review_lines(
    store: &dyn Store,
    viewer: &Viewer,
    names: &mut Names,
    items: &[FeedItem],
) -> Result<BTreeMap<DocumentId, ReviewLine>, PageError> {
    let org = viewer.account.organisation;
    let ids: Vec<DocumentId> = items
        .iter()
        .filter(|it| it.summary.kind == DocumentKind::Review)
        .map(|it| it.id)
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let reviews: Vec<(DocumentId, Review)> = store
        .documents(org, &ids)
        .await?
        .into_iter()
        .flatten()
        .filter_map(|stored| Some((stored.id, serde_json::from_value(stored.tree).ok()?)))
        .collect();
    names
        .add_people(store, org, reviews.iter().map(|(_, review)| review.reviewer))
        .await?;
    let mut about: Vec<DocumentId> = reviews.iter().map(|(_, review)| review.about).collect();
    about.sort_unstable();
    about.dedup();
    let about: BTreeMap<DocumentId, Summary> = store
        .documents(org, &about)
        .await?
        .into_iter()
        .flatten()
        .filter(|stored| viewer.may_read(stored.stream))
        .map(|stored| (stored.id, Summary::of(&stored.tree)))
        .collect();
    let line = |review: Review| {
        let verdict = review.verdict.as_str();
        ReviewLine {
            reviewer: names.person(review.reviewer),
            verdict: (viewer.text.word("verdict", verdict), verdict_class(verdict)),
            comment: review.comment.trim().to_owned(),
            about: about.get(&review.about).map(|summary| {
                (
                    format!("/records/{}", review.about),
                    kind_name(viewer.text, &summary.kind),
                    summary.title.clone(),
                )
            }),
        }
    };
    Ok(reviews.into_iter().map(|(id, review)| (id, line(review))).collect())
}

/// How wrong each person's clocks are, where they are.
fn clocks(devices: &[Device]) -> BTreeMap<UserId, u64> {
    let mut clocks = BTreeMap::new();
    for device in devices
        .iter()
        .filter(|it| it.revoked_at.is_none() && it.last_contact.is_some())
    {
        let off = device.clock_ahead_millis.unsigned_abs();
        if off >= CLOCK_TOLERANCE_MILLIS {
            let worst: &mut u64 = clocks.entry(device.user).or_default();
            *worst = off.max(*worst);
        }
    }
    clocks
}

fn row(
    viewer: &Viewer,
    names: &Names,
    clocks: &BTreeMap<UserId, u64>,
    item: FeedItem,
    says: Option<ReviewLine>,
) -> Row {
    let text = viewer.text;
    let summary = item.summary;
    let reviewable = summary.kind != DocumentKind::Review && summary.customer.is_some() && summary.owner.is_some();
    Row {
        id: item.id.to_string(),
        pick: false,
        map: summary
            .owner
            .zip(summary.at)
            .map(|(rep, at)| format!("/activity/day/{rep}/{}", at.date_in(viewer.zone))),
        href: format!("/records/{}", item.id),
        kind_name: kind_name(text, &summary.kind),
        // The line of a review shows its comment and its verdict in full.
        title: if says.is_some() { String::new() } else { summary.title },
        state: if says.is_some() {
            String::new()
        } else {
            text.word("state", &summary.state)
        },
        amount: summary.amount.map(format::money),
        customer: summary
            .customer
            .map(|id| (format!("/customers/{id}"), names.customer_name(id))),
        rep: summary.owner.map(|id| names.person(id)),
        happened: summary.at.map(|at| Moment::new(at, viewer.zone)),
        planned: summary.day.map(|day| text.fill("feed.planned", "day", day)),
        received: Moment::new(item.received_at, viewer.zone),
        doubts: doubts(
            text,
            &Doubts {
                outside: summary.outside,
                mocked: summary.mocked,
                newer: summary.newer,
                edited: item.doubts & doubt::EDITED != 0,
                clock_noted: item.doubts & doubt::CLOCK != 0,
                disagreements: item.disagreements,
                // What happened after it was received shows a clock that is ahead by at least that.
                clock: summary
                    .at
                    .and_then(|at| u64::try_from(at.millis_since(item.received_at)).ok())
                    .filter(|ahead| *ahead >= CLOCK_TOLERANCE_MILLIS)
                    .max(summary.owner.and_then(|owner| clocks.get(&owner).copied())),
            },
        ),
        review: item
            .review
            .map(|verdict| (text.word("verdict", &verdict), verdict_class(&verdict))),
        reviewable,
        says,
    }
}

/// What makes a record doubtful.
pub(super) struct Doubts {
    pub(super) outside: bool,
    pub(super) mocked: bool,
    pub(super) newer: bool,
    pub(super) disagreements: u32,
    /// By how much a phone's clock is wrong, where that is known.
    pub(super) clock: Option<u64>,
    /// A phone's clock was wrong when it sent a change.
    pub(super) clock_noted: bool,
    /// Still changed more than a day after it first came in.
    pub(super) edited: bool,
}

/// Doubts in words.
pub(super) fn doubts(text: Text, doubts: &Doubts) -> Vec<String> {
    let mut said = Vec::new();
    if doubts.disagreements > 0 {
        said.push(text.fill("doubt.disagreements", "count", doubts.disagreements));
    }
    if doubts.outside {
        said.push(text.t("doubt.outside").to_owned());
    }
    if doubts.mocked {
        said.push(text.t("doubt.mocked").to_owned());
    }
    if let Some(off) = doubts.clock {
        said.push(text.fill("doubt.clock_by", "time", format::duration(text, off)));
    } else if doubts.clock_noted {
        said.push(text.t("doubt.clock").to_owned());
    }
    if doubts.edited {
        said.push(text.t("doubt.edited").to_owned());
    }
    if doubts.newer {
        said.push(text.t("doubt.newer").to_owned());
    }
    said
}

/// A verdict as the style sheet knows it.
fn verdict_class(verdict: &str) -> &'static str {
    match verdict {
        "approved" => "approved",
        "questioned" => "questioned",
        "flagged" => "flagged",
        _ => "other",
    }
}

/// A kind in words.
pub(super) fn kind_name(text: Text, kind: &DocumentKind) -> String {
    match kind {
        DocumentKind::Unknown(name) => text.fill("kind.unknown", "name", name),
        known => text.word("kind", known.as_str()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_address_keeps_every_filter_and_nothing_else() {
        let query = FeedQuery {
            kind: "visit".to_owned(),
            customer: "上海 & \"Söhne\"".to_owned(),
            unreviewed: "1".to_owned(),
            day: " ".to_owned(),
            ..FeedQuery::default()
        };
        let address = address(&query, Some("5.x"));
        assert_eq!(
            address,
            "/activity?kind=visit&customer=%E4%B8%8A%E6%B5%B7%20%26%20%22S%C3%B6hne%22&unreviewed=1&before=5.x"
        );
        let read: FeedQuery = axum::extract::Query::try_from_uri(&address.parse().unwrap()).unwrap().0;
        assert_eq!(read.customer, query.customer);
    }

    #[test]
    fn a_place_in_the_feed_is_read_or_refused() {
        let id = DocumentId::from_bytes([7; 16]);
        assert_eq!(read_place(&format!("-3.{id}")), Some((Timestamp::from_millis(-3), id)));
        for strange in ["", "3", "x.y", "3.", "99999999999999999999.x"] {
            assert_eq!(read_place(strange), None, "{strange}");
        }
        assert!(whole_day("2026-02-30", chrono_tz::UTC).is_none());
        assert!(whole_day("+262142-12-31", chrono_tz::UTC).is_none());
    }
}
