//! What came in from the phones: the page of the list. [`query`] is what stands in its address, [`customer`] whom a name in it
//! means, [`lines`] what a line says, [`export`] the list as a file.

mod customer;
mod export;
mod lines;
mod query;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use fieldledger_core::{
    model::{DocumentKind, OrganisationId, TerritoryId},
    rules::authority,
};

pub(super) use customer::{Named, find_customer};
pub(super) use lines::{Doubts, Row, doubts, kind_name, rows};
pub(super) use query::{FeedQuery, address_at, place, read_filter, some};

use self::{
    export::{exported, list},
    query::{DOUBTS, KINDS, PAGE, STATES, address},
};
use super::{
    crew::Crew,
    error::PageError,
    fresh::Fresh,
    messages::Text,
    names::Names,
    page::{Frame, Viewer, html},
    table::{Column, Heading, Sent},
};
use crate::{
    state::AppState,
    store::{FeedFilter, FeedItem, Store},
};

/// One entry of a list to choose from.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) text: String,
    pub(super) chosen: bool,
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
    /// The orders to choose from, and the headings that sort.
    orders: Vec<(String, String, bool)>,
    happened: Heading,
    received: Heading,
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
    let org = viewer.account.organisation;
    let version = || app.sync.live().version(org, scope.as_deref());
    let key = (org, scope.clone(), text.0.tag(), reviews, here.clone());
    let read = read_all(app, viewer, &query, reviews);
    let feed = app.feed.0.get(version, key, read).await?;
    let chosen = |known: &[(String, String)], wanted: &str| {
        let known = known.iter().map(|(id, name)| choice(id.clone(), name.clone(), wanted));
        known.collect::<Vec<_>>()
    };
    let problem = refused.as_ref().map(|it| text.t(it.problem));
    let (spec, whole) = (list(viewer), Sent::of(&address(&query, None)));
    let heading = |column: Column| spec.heading(&whole, &column);
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
        exports: spec.exports(viewer, &whole),
        orders: spec.orders(text, &whole),
        happened: heading(Column::moment("happened", text.t("feed.happened"))),
        received: heading(Column::moment("received", text.t("feed.received"))),
        unreviewed: !query.unreviewed.is_empty(),
        disagreeing: !query.disagreeing.is_empty(),
        late: !query.late.is_empty(),
        filtered: query.is_narrowed(),
        first_page: query.before.is_empty(),
        newest: address(&query, None),
        feed,
    })
}

async fn read_all(app: &AppState, viewer: &Viewer, query: &FeedQuery, reviews: bool) -> Result<Feed, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let text = viewer.text;
    let crew = Crew::of(app, org).await?;
    let mut names = Names::of_crew(&crew);
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
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| address(query, Some(&place(last))));
    let mut rows = rows(store, viewer, &mut names, &crew.devices, items).await?;
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
