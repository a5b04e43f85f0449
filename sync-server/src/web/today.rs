//! Today: what needs a decision, the oldest or newest few of each with the way to where it is decided; then what happened,
//! against what was planned.
//!
//! What it shows is the same for all who see the same territories, so it is read once for them ([`Fresh`]).

use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::{extract::State, response::Response};
use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        ConfirmationVerdict, Customer, CustomerId, Delivery, DocumentKind, LedgerRecord, Money, OrganisationId, Party,
        Policy, RecordKind, Statement, StatementVerdict, TerritoryId, Timestamp, UserId,
    },
    rules::warnings,
};

use super::{
    credit,
    crew::Crew,
    error::PageError,
    feed::{self, Row},
    format::{self, Moment},
    fresh::Fresh,
    messages::Text,
    names::{Names, key},
    page::{Frame, Viewer, html},
    quarantine, refusal,
};
use crate::{
    state::AppState,
    store::{
        Device, FeedFilter, FeedItem, KindCount, ListPart, Listed, Overview, OverviewOf, StatementSearch,
        StatementStanding, Store, StoreError,
    },
};

/// Of each sort, so many are shown.
const NEWEST: u32 = 5;
/// Lines of activity on the page.
const LATEST: u32 = 8;
/// Days for which a broken promise is shown.
const BROKEN_DAYS: u64 = 14;
/// A promise that was broken.
#[derive(Clone, Debug)]
struct Broken {
    territory: TerritoryId,
    customer: CustomerId,
    rep: Option<UserId>,
    missing: Money,
    due: NaiveDate,
    broken_on: NaiveDate,
    note: fieldledger_core::model::DocumentId,
}

/// Everything the page shows, in no language yet.
struct Picture {
    overview: Overview,
    /// The parties that have not spoken about the deliveries of [`Overview::unconfirmed`].
    missing: Vec<Vec<Party>>,
    /// The parties that dispute the deliveries of [`Overview::disputed`].
    disputing: Vec<Vec<Party>>,
    /// Statements of account of which the customer disputes a line.
    statements: Listed<Statement>,
    confirm_hours: u32,
    broken: Vec<Broken>,
    stale: Vec<Device>,
    latest: Vec<FeedItem>,
    devices: Vec<Device>,
    names: Names,
    now: Timestamp,
    day: NaiveDate,
}

/// Who is shown the same: company, territories, day, language, and whether phones are among it.
type Key = (OrganisationId, Option<Vec<TerritoryId>>, NaiveDate, &'static str, bool);

/// What was read for the page, for those who ask next.
#[derive(Default)]
pub(crate) struct TodayCache {
    shown: Fresh<Key, Today>,
    /// The promises that were broken lately, the newest first, by the version of the overview in which they were found: for
    /// that every customer is looked at.
    broken: Mutex<Option<FoundBroken>>,
}

struct FoundBroken {
    version: u64,
    day: NaiveDate,
    promises: Arc<Vec<Broken>>,
}

impl TodayCache {
    fn broken(&self, overview: &crate::overview::Overview, day: NaiveDate) -> Arc<Vec<Broken>> {
        let mut kept = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(found) if (found.version, found.day) == (overview.version(), day) => Arc::clone(&found.promises),
            _ => {
                let promises = Arc::new(broken_lately(overview, day));
                *kept = Some(FoundBroken {
                    version: overview.version(),
                    day,
                    promises: Arc::clone(&promises),
                });
                promises
            }
        }
    }
}

async fn read(
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
            limit: LATEST,
            ..FeedFilter::default()
        },
    )
    .await?;
    let broken = broken(app, viewer, day).await?;
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
        .chain(overview.critical.first.iter().map(|it| it.customer))
        .chain(broken.iter().take(NEWEST as usize).map(|it| it.customer))
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
        .chain(latest.iter().filter_map(|it| it.summary.owner));
    names.add_people(store, org, people.collect::<Vec<_>>()).await?;
    Ok(Picture {
        overview,
        missing,
        disputing,
        statements,
        confirm_hours,
        broken,
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

/// What was signed for before this should have been confirmed by everybody.
pub(super) fn confirmed_by(policy: &Policy, now: Timestamp) -> Timestamp {
    now.plus_millis(-i64::from(policy.timers.confirm_delivery_hours) * 3_600_000)
}

/// A phone that was silent for longer is marked: what its rep does is not known.
pub(super) fn stale_millis(policy: &Policy) -> i64 {
    i64::from(policy.allowances.stale_hours) * 3_600_000
}

/// The rules in force.
pub(super) async fn policy(store: &dyn Store, org: OrganisationId) -> Result<Policy, StoreError> {
    let stored = store.record(org, &key(RecordKind::Policy, "self")).await?;
    Ok(match stored.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => Policy::default(),
    })
}

/// The promises broken lately that the reader may know of, the newest first.
async fn broken(app: &AppState, viewer: &Viewer, day: NaiveDate) -> Result<Vec<Broken>, PageError> {
    let org = viewer.account.organisation;
    let overview = match app.overviews.of(app.store.as_ref(), org, day).await {
        // A company whose profile nobody has written has no books.
        Err(StoreError::NotFound(_)) => return Ok(Vec::new()),
        other => other?,
    };
    let all = app.today.broken(&overview, day);
    let readable = all.iter().filter(|it| viewer.account.may_read(it.territory));
    Ok(readable.cloned().collect())
}

fn broken_lately(overview: &crate::overview::Overview, day: NaiveDate) -> Vec<Broken> {
    let since = day.checked_sub_days(Days::new(BROKEN_DAYS)).unwrap_or(day);
    let mut found = Vec::new();
    for it in overview.customers() {
        for result in &it.promises {
            if let Some(broken_on) = result.broken_on()
                && broken_on >= since
                && broken_on <= day
            {
                found.push(Broken {
                    territory: it.customer.territory,
                    customer: it.customer.id,
                    rep: it.customer.rep,
                    missing: Money::new(result.missing(), result.promise.amount.currency),
                    due: result.promise.due,
                    broken_on,
                    note: result.promise.note,
                });
            }
        }
    }
    found.sort_by(|a, b| b.broken_on.cmp(&a.broken_on).then_with(|| a.note.cmp(&b.note)));
    found
}

/// One thing that waits.
struct Item {
    id: String,
    href: String,
    title: String,
    details: Vec<String>,
    at: Option<Moment>,
}

/// All things of one sort that wait.
struct Deck {
    id: &'static str,
    title: &'static str,
    lead: String,
    count: u64,
    items: Vec<Item>,
    /// Where all of them are.
    all: Option<String>,
}

/// A line of what happened against the plan.
struct Progress {
    name: &'static str,
    href: String,
    planned: Option<u64>,
    done: Option<u64>,
    happened: u64,
    amounts: Vec<String>,
}

/// What the page says beside its frame.
struct Today {
    day: String,
    decks: Vec<Deck>,
    /// Sorts of which nothing waits.
    quiet: Vec<&'static str>,
    progress: Vec<Progress>,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "today.html")]
struct TodayPage {
    frame: Frame,
    today: Arc<Today>,
}

/// The page.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut territories = viewer.account.territory_filter();
    if let Some(territories) = &mut territories {
        territories.sort_unstable();
    }
    let day = now.date_in(viewer.zone);
    let key = (
        viewer.account.organisation,
        territories.clone(),
        day,
        viewer.text.0.tag(),
        viewer.may_see_devices(),
    );
    let version = || {
        app.sync
            .live()
            .version(viewer.account.organisation, territories.as_deref())
    };
    let read = read_all(&app, &viewer, territories.clone(), day, now);
    let today = app.today.shown.get(version, key, read).await?;
    html(&TodayPage {
        frame: viewer.frame("today"),
        today,
    })
}

async fn read_all(
    app: &AppState,
    viewer: &Viewer,
    territories: Option<Vec<TerritoryId>>,
    day: NaiveDate,
    now: Timestamp,
) -> Result<Today, PageError> {
    let mut picture = read(app, viewer, territories, day, now).await?;
    let all = decks(viewer, &picture);
    let quiet = all.iter().filter(|it| it.count == 0).map(|it| it.title).collect();
    let decks = all.into_iter().filter(|it| it.count > 0).collect();
    let latest = std::mem::take(&mut picture.latest);
    let rows = feed::rows(app.store.as_ref(), viewer, &mut picture.names, &picture.devices, latest).await?;
    Ok(Today {
        day: day.to_string(),
        decks,
        quiet,
        progress: progress(viewer.text, &picture),
        rows,
    })
}

fn decks(viewer: &Viewer, picture: &Picture) -> Vec<Deck> {
    let text = viewer.text;
    let mut decks = vec![
        held(viewer, picture),
        unconfirmed(viewer, picture),
        disputed(viewer, picture),
        disputed_statements(viewer, picture),
        disagreeing(viewer, picture),
        quarantined(viewer, picture),
        broken_promises(viewer, picture),
        critical(viewer, picture),
    ];
    if viewer.may_see_devices() {
        decks.push(Deck {
            id: "stale",
            title: text.t("today.stale"),
            lead: text.t("today.stale_lead").to_owned(),
            count: picture.stale.len() as u64,
            items: picture
                .stale
                .iter()
                .take(NEWEST as usize)
                .map(|it| Item {
                    id: it.id.to_string(),
                    href: "/devices".to_owned(),
                    title: picture.names.person(it.user),
                    details: vec![it.name.clone(), text.fill("today.waits_on_phone", "count", it.waiting)],
                    at: it.last_contact.map(|at| Moment::new(at, viewer.zone)),
                })
                .collect(),
            all: Some("/devices".to_owned()),
        });
    }
    decks
}

fn held(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let held = &picture.overview.held;
    Deck {
        id: "held",
        title: text.t("today.held"),
        lead: text.t("today.held_lead").to_owned(),
        count: held.count,
        items: held
            .first
            .iter()
            .map(|it| {
                let total = credit::total(it).map(format::money);
                Item {
                    id: it.order.to_string(),
                    href: credit::place_of(it.order),
                    title: picture.names.customer_name(it.customer),
                    details: [Some(it.number.clone()), total, Some(picture.names.person(it.rep))]
                        .into_iter()
                        .flatten()
                        .filter(|it| !it.is_empty())
                        .collect(),
                    at: Some(Moment::new(it.received_at, viewer.zone)),
                }
            })
            .collect(),
        all: Some("/credit".to_owned()),
    }
}

fn unconfirmed(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.unconfirmed;
    Deck {
        id: "unconfirmed",
        title: text.t("today.unconfirmed"),
        lead: text.fill("today.unconfirmed_lead", "hours", picture.confirm_hours),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .zip(&picture.missing)
            .map(|(it, missing)| {
                let parties: Vec<String> = missing.iter().map(|it| text.word("party", it.as_str())).collect();
                let late = it.summary.at.map(|at| {
                    let late = picture.now.millis_since(at) - i64::from(picture.confirm_hours) * 3_600_000;
                    text.fill(
                        "today.late_by",
                        "time",
                        format::duration(text, late.max(0).unsigned_abs()),
                    )
                });
                let mut item = document(viewer, picture, it);
                if !parties.is_empty() {
                    item.details
                        .push(text.fill("today.missing", "who", parties.join(text.t("today.and"))));
                }
                item.details.extend(late);
                item
            })
            .collect(),
        all: Some("/activity?late=1".to_owned()),
    }
}

fn disputed(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.disputed;
    Deck {
        id: "disputed",
        title: text.t("today.disputed"),
        lead: text.t("today.disputed_lead").to_owned(),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .zip(&picture.disputing)
            .map(|(it, by)| {
                let by: Vec<String> = by.iter().map(|it| text.word("party", it.as_str())).collect();
                let mut item = document(viewer, picture, it);
                if !by.is_empty() {
                    item.details
                        .push(text.fill("today.disputed_by", "who", by.join(text.t("today.and"))));
                }
                item
            })
            .collect(),
        all: Some("/activity?kind=delivery&state=disputed".to_owned()),
    }
}

fn disputed_statements(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let statement = |(it, customer): &(Statement, Customer)| {
        let disputed = it.answers.values();
        let disputed = disputed.filter(|it| it.verdict == StatementVerdict::Disputed);
        let period = text.fill("statement.period", "from", it.from);
        Item {
            id: it.id.to_string(),
            href: format!("/receivables/statements/{}", it.id),
            title: customer.name.clone(),
            details: vec![
                period.replace("{to}", &it.to.to_string()),
                text.fill("today.lines_disputed", "count", disputed.clone().count()),
            ],
            at: disputed.map(|it| it.at).max().map(|at| Moment::new(at, viewer.zone)),
        }
    };
    Deck {
        id: "disputed-statements",
        title: text.t("today.disputed_statements"),
        lead: text.t("today.disputed_statements_lead").to_owned(),
        count: picture.statements.total,
        items: picture.statements.rows.iter().map(statement).collect(),
        all: Some("/receivables/statements?standing=disputed".to_owned()),
    }
}

fn disagreeing(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.disagreeing;
    Deck {
        id: "disagreeing",
        title: text.t("today.disagreeing"),
        lead: text.t("today.disagreeing_lead").to_owned(),
        count: waiting.count,
        items: waiting.first.iter().map(|it| document(viewer, picture, it)).collect(),
        all: Some("/activity?disagreeing=1".to_owned()),
    }
}

/// A document as one thing that waits.
fn document(viewer: &Viewer, picture: &Picture, it: &FeedItem) -> Item {
    let kind = feed::kind_name(viewer.text, &it.summary.kind);
    let customer = it.summary.customer.map(|id| picture.names.customer_name(id));
    let rep = it.summary.owner.map(|id| picture.names.person(id));
    Item {
        id: it.id.to_string(),
        href: format!("/records/{}", it.id),
        title: customer.unwrap_or_else(|| kind.clone()),
        details: [Some(kind), Some(it.summary.title.clone()), rep]
            .into_iter()
            .flatten()
            .filter(|it| !it.is_empty())
            .collect(),
        at: it.summary.at.map(|at| Moment::new(at, viewer.zone)),
    }
}

fn quarantined(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.quarantined;
    Deck {
        id: "quarantined",
        title: text.t("today.quarantined"),
        lead: text.t("today.quarantined_lead").to_owned(),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .map(|it| Item {
                id: it.digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
                href: quarantine::address_of(&it.digest),
                title: text.word("rejection", quarantine::code_name(it.code)),
                details: vec![picture.names.person(it.user), refusal::spoken(text, &it.message)],
                at: Some(Moment::new(it.received_at, viewer.zone)),
            })
            .collect(),
        all: Some("/quarantine".to_owned()),
    }
}

fn broken_promises(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    Deck {
        id: "broken",
        title: text.t("today.broken"),
        lead: text.fill("today.broken_lead", "days", BROKEN_DAYS),
        count: picture.broken.len() as u64,
        items: picture
            .broken
            .iter()
            .take(NEWEST as usize)
            .map(|it| Item {
                id: it.note.to_string(),
                href: format!("/records/{}", it.note),
                title: picture.names.customer_name(it.customer),
                details: [
                    Some(text.fill("today.promised_by", "day", it.due)),
                    Some(text.fill("today.amount_missing", "amount", format::money(it.missing))),
                    it.rep.map(|rep| picture.names.person(rep)),
                ]
                .into_iter()
                .flatten()
                .collect(),
                at: None,
            })
            .collect(),
        all: Some("/receivables/worklist".to_owned()),
    }
}

fn critical(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.critical;
    Deck {
        id: "critical",
        title: text.t("today.critical"),
        lead: text.t("today.critical_lead").to_owned(),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .map(|it| {
                let sentence = it.facts.as_ref().map(warnings::sentence);
                let sentence = match (sentence, text.0) {
                    (Some(it), super::messages::Language::SimplifiedChinese) => it.chinese,
                    (Some(it), super::messages::Language::English) => it.english,
                    (None, _) => it.sentence.clone(),
                };
                Item {
                    id: format!("{}-{}", it.customer, it.rule.as_str()),
                    href: format!("/customers/{}", it.customer),
                    title: picture.names.customer_name(it.customer),
                    details: vec![format::spoken(&sentence)],
                    at: Some(Moment::new(it.raised_at, viewer.zone)),
                }
            })
            .collect(),
        all: Some("/credit/warnings".to_owned()),
    }
}

fn progress(text: Text, picture: &Picture) -> Vec<Progress> {
    let overview = &picture.overview;
    let day = picture.day;
    let count = |counts: &[KindCount], kind: DocumentKind, states: &[&str]| -> u64 {
        let of_kind = counts.iter().filter(|it| it.kind == kind);
        let wanted = of_kind.filter(|it| states.is_empty() || states.contains(&it.state.as_str()));
        wanted.map(|it| it.count).sum()
    };
    let href = |kind: &str| format!("/activity?kind={kind}&from={day}&to={day}");
    let money = |sums: &[Money]| sums.iter().map(|it| format::money(*it)).collect::<Vec<_>>();
    let planned = |kind: DocumentKind, done: &[&str]| {
        let all = count(&overview.planned, kind.clone(), &[]);
        let cancelled = count(&overview.planned, kind.clone(), &["cancelled"]);
        (Some(all - cancelled), Some(count(&overview.planned, kind, done)))
    };
    let visits = planned(DocumentKind::Visit, &["open", "done"]);
    let deliveries = planned(DocumentKind::Delivery, &["signed", "confirmed", "disputed"]);
    vec![
        Progress {
            name: text.t("today.visits"),
            href: href("visit"),
            planned: visits.0,
            done: visits.1,
            happened: count(&overview.happened, DocumentKind::Visit, &[]),
            amounts: Vec::new(),
        },
        Progress {
            name: text.t("today.deliveries"),
            href: href("delivery"),
            planned: deliveries.0,
            done: deliveries.1,
            happened: count(&overview.happened, DocumentKind::Delivery, &[]),
            amounts: Vec::new(),
        },
        Progress {
            name: text.t("today.orders"),
            href: href("order"),
            planned: None,
            done: None,
            happened: count(&overview.happened, DocumentKind::Order, &[])
                - count(
                    &overview.happened,
                    DocumentKind::Order,
                    &["draft", "refused", "cancelled"],
                ),
            amounts: money(&overview.ordered),
        },
        Progress {
            name: text.t("today.notes"),
            href: href("collection_note"),
            planned: None,
            done: None,
            happened: count(&overview.happened, DocumentKind::CollectionNote, &[]),
            amounts: money(&overview.promised),
        },
    ]
}
