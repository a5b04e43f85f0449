//! One record: what it says, how it came about, what people disagree about, and what supervisors say to it.

mod timeline;
pub(crate) mod values;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::{
    document::{self, Disagreement, HistoryEntry, Summary, declared_kind, edit},
    model::{
        ChangeHash, DocumentId, DocumentKind, DocumentModel as _, LedgerRecord, LineId, MAX_TEXT_BYTES, OrderDecision,
        OrderEvent, OrderEventKind, OrderStanding, ProductId, RecordKind, Review, ReviewVerdict, Timestamp, UserId,
    },
    rules::authority,
    sync::protocol::StreamId,
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use timeline::CLOCK_TOLERANCE_MILLIS;
use timeline::{Question, Timeline};
pub(crate) use view::{Content, Field, Photo, Shown, Voice, content, credit_check, evidence};

use super::{
    credit::{reasons::reasons, standing_name},
    error::PageError,
    evidence::{arrived, attach},
    feed::{self, Doubts},
    form::FormView,
    format::Moment,
    messages::Text,
    names::{Names, key},
    page::{Frame, Viewer, html},
};
use crate::{
    ingest::OwnDocumentError,
    state::AppState,
    store::{Account, AuditEntry, Device, Receipt, StoreError, StoredDocument},
};

/// A change that comes so long after a record first came in is called late.
const EDITED_AFTER_MILLIS: i64 = 86_400_000;
/// Lines of the audit log on the page.
const MOST_AUDITED: u32 = 100;

/// Something that somebody decided about the record.
struct Decision {
    at: Moment,
    who: String,
    what: String,
    reason: String,
}

/// A supervisor's word with its answers.
struct Thread {
    id: String,
    /// Whether the reader may answer.
    may_reply: bool,
    /// What was typed as an answer and could not be taken, and why.
    refused: Option<(String, &'static str)>,
    href: String,
    verdict: String,
    verdict_name: &'static str,
    reviewer: String,
    at: Moment,
    comment: String,
    replies: Vec<(String, Moment, String)>,
}

/// Whom a delivery note is for: what stands at its head on paper.
struct Paper {
    name: String,
    code: String,
    address: String,
}

#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage {
    frame: Frame,
    id: DocumentId,
    kind: String,
    title: String,
    state: String,
    customer: Option<(String, String)>,
    rep: Option<String>,
    territory: Option<String>,
    first_received: Moment,
    last_received: Moment,
    doubts: Vec<String>,
    content: Content,
    /// How many of the files have arrived.
    files: String,
    timeline: Timeline,
    questions: Vec<Question>,
    threads: Vec<Thread>,
    decisions: Vec<Decision>,
    /// Why the order waits for a person; `None` when it does not wait.
    held: Option<Vec<String>>,
    /// With what the reader decides on it.
    decide: Option<FormView>,
    /// The map of the rep's day.
    map: Option<String>,
    /// For a delivery, which is printed as its note.
    paper: Option<Paper>,
    /// The class of what is not on that paper.
    not_on_paper: &'static str,
    /// Where links for the customer's contact are made; `None` for what is no delivery.
    links: Option<String>,
    /// Whether it is something that can be reviewed at all.
    reviewed: bool,
    form: ReviewBox,
    notice: Option<&'static str>,
    error: Option<String>,
}

/// Whether and with what the review form is shown.
struct ReviewBox {
    shown: bool,
    impossible: bool,
    comment: String,
    verdict: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Outcome {
    #[serde(default)]
    done: String,
}

/// The record.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(outcome): Query<Outcome>,
) -> Result<Response, PageError> {
    let record = find(&app, &viewer, &id).await?;
    let notice = match outcome.done.as_str() {
        "review" => Some(viewer.text.t("review.sent")),
        "settled" => Some(viewer.text.t("record.settled")),
        "reply" => Some(viewer.text.t("review.reply_sent")),
        _ => None,
    };
    html(&page(&app, &viewer, record, notice, None, ReviewForm::default()).await?)
}

/// The record, if it is there and the reader may know of it.
pub(super) async fn find(app: &AppState, viewer: &Viewer, id: &str) -> Result<StoredDocument, PageError> {
    let id: DocumentId = id.parse().map_err(|_| PageError::NotFound)?;
    let found = app.store.document(viewer.account.organisation, id).await?;
    found.filter(|it| viewer.may_read(it.stream)).ok_or(PageError::NotFound)
}

/// What Automerge says about a document.
struct Past {
    history: Vec<HistoryEntry>,
    disagreements: Vec<Disagreement>,
}

/// Building a document takes milliseconds and its history more: not on the threads that serve requests.
async fn past(document: &StoredDocument) -> Result<Past, String> {
    let chunks = document.chunks.clone();
    let read = tokio::task::spawn_blocking(move || {
        let opened = document::open(&chunks).map_err(|error| error.to_string())?;
        Ok(Past {
            history: document::history::history(&opened),
            disagreements: document::disagreement::disagreements(&opened),
        })
    });
    read.await.map_err(|error| error.to_string())?
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    record: StoredDocument,
    notice: Option<&'static str>,
    error: Option<String>,
    sent: ReviewForm,
) -> Result<RecordPage, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let text = viewer.text;
    let summary = Summary::of(&record.tree);
    let (kind, _) = declared_kind(&record.tree);
    let (past, damaged) = match past(&record).await {
        Ok(past) => (past, None),
        Err(reason) => {
            tracing::error!(document = %record.id, %reason, "a stored document cannot be opened");
            let nothing = Past {
                history: Vec::new(),
                disagreements: Vec::new(),
            };
            (nothing, Some(reason))
        }
    };
    let reviews = if kind == DocumentKind::Review {
        Vec::new()
    } else {
        read_reviews(app, viewer, record.id).await?
    };

    let mut names = Names::load(store, org).await?;
    names.add_customers(store, org, summary.customer).await?;
    let mut products = BTreeSet::new();
    products_in(&record.tree, &mut products);
    for change in past.history.iter().flat_map(|it| &it.changed) {
        for value in [&change.before, &change.after].into_iter().flatten() {
            products_at(&change.path, value, &mut products);
        }
    }
    names.add_products(store, org, products).await?;
    let authors = past.history.iter().filter_map(|it| it.author.map(|author| author.user));
    let spoken = reviews.iter().flat_map(|(_, review)| {
        let replies = review.replies.values().map(|reply| reply.by);
        std::iter::once(review.reviewer).chain(replies)
    });
    let people: Vec<UserId> = authors.chain(spoken).chain(summary.owner).collect();
    names.add_people(store, org, people).await?;
    let devices = store.devices(org).await?;
    let receipts = store.receipts(org, record.id).await?;

    let (order, mut audited) = decided(app, viewer, record.id, &kind).await?;
    let arrived = arrived(app, org, record.evidence().into_keys()).await?;
    let held = order.as_ref().filter(|it| it.standing == OrderStanding::Held);
    let held = held.map(|it| reasons(text, viewer.zone, it));
    // What the company decided is where an order stands; what the phone wrote is in its details.
    let standing = order.as_ref().map(|it| standing_name(it.standing));
    // What was done to its reviews was done about it.
    for (review, _) in &reviews {
        audited.extend(store.audited_of(org, &review.to_string(), MOST_AUDITED).await?);
    }
    let events = order.map(|it| it.events).unwrap_or_default();
    let deciders = events.iter().filter_map(|it| it.by);
    names.add_people(store, org, deciders.collect::<Vec<_>>()).await?;
    let voice = Voice {
        text,
        zone: viewer.zone,
        names: &names,
    };
    let mut timeline = timeline::timeline(voice, &record.tree, &past.history, &receipts, &devices);
    let mut content = view::content(voice, &kind, &record.tree);
    attach(&mut content.photos, record.id, &arrived, viewer.zone);
    timeline.damaged = damaged.map(|reason| text.fill("record.damaged", "reason", reason));
    let may_review = authority::may_create(&viewer.account.roles, &DocumentKind::Review).is_ok();
    let reviewed = kind != DocumentKind::Review;
    let possible = summary.customer.is_some() && summary.owner.is_some();
    Ok(RecordPage {
        frame: viewer.frame("activity").about(summary.customer),
        id: record.id,
        kind: feed::kind_name(text, &kind),
        state: match standing {
            Some(standing) => text.word("standing", standing),
            None => text.word("state", &summary.state),
        },
        customer: summary
            .customer
            .map(|id| (format!("/customers/{id}"), names.customer_name(id))),
        rep: summary.owner.map(|id| names.person(id)),
        territory: match record.stream {
            StreamId::Territory(id) => Some(names.territory(id)),
            _ => None,
        },
        first_received: Moment::new(record.first_received_at, viewer.zone),
        last_received: Moment::new(record.last_received_at, viewer.zone),
        doubts: feed::doubts(
            text,
            &Doubts {
                outside: summary.outside,
                mocked: summary.mocked,
                newer: summary.newer,
                edited: edited_later(&past.history, &receipts, summary.owner, record.first_received_at),
                clock_noted: false,
                disagreements: u32::try_from(past.disagreements.len()).unwrap_or(u32::MAX),
                clock: clock_doubt(&past.history, &devices),
            },
        ),
        files: text
            .fill("record.evidence_note", "count", content.photos.len())
            .replace(
                "{arrived}",
                &content.photos.iter().filter(|it| it.file.is_some()).count().to_string(),
            ),
        content,
        questions: timeline::questions(voice, &record.tree, &past.disagreements, &devices, |path| {
            may_settle(&viewer.account, &summary, path)
        }),
        timeline,
        threads: reviews
            .iter()
            .map(|(id, review)| {
                let may_reply = may_reply(
                    &viewer.account,
                    &Summary {
                        owner: Some(review.rep),
                        ..summary.clone()
                    },
                );
                thread(voice, *id, review, may_reply)
            })
            .collect(),
        decisions: decisions(voice, &events, audited),
        decide: (held.is_some() && viewer.may_decide_orders()).then(|| FormView::fresh(app)),
        held,
        map: summary
            .owner
            .zip(summary.at)
            .map(|(rep, at)| format!("/activity/day/{rep}/{}", at.date_in(viewer.zone))),
        not_on_paper: if kind == DocumentKind::Delivery {
            " no-print"
        } else {
            ""
        },
        paper: summary
            .customer
            .filter(|_| kind == DocumentKind::Delivery)
            .and_then(|id| names.customer(id))
            .map(|it| Paper {
                name: it.name.clone(),
                code: it.code.clone(),
                address: it.address.clone(),
            }),
        links: (kind == DocumentKind::Delivery).then(|| format!("/records/{}/links", record.id)),
        reviewed,
        form: ReviewBox {
            shown: may_review && reviewed && possible,
            impossible: may_review && reviewed && !possible,
            comment: sent.comment,
            verdict: sent.verdict,
        },
        title: summary.title,
        notice,
        error,
    })
}

/// What the company decided about an order, and what the audit log holds about the record.
async fn decided(
    app: &AppState,
    viewer: &Viewer,
    id: DocumentId,
    kind: &DocumentKind,
) -> Result<(Option<OrderDecision>, Vec<AuditEntry>), PageError> {
    let org = viewer.account.organisation;
    let order = if *kind == DocumentKind::Order {
        let stored = app.store.record(org, &key(RecordKind::OrderDecision, id)).await?;
        match stored.map(|it| it.record) {
            Some(LedgerRecord::OrderDecision(decision)) => Some(decision),
            _ => None,
        }
    } else {
        None
    };
    let audited = app.store.audited_of(org, &id.to_string(), MOST_AUDITED).await?;
    Ok((order, audited))
}

/// Both in words, the newest first. What is an event of the order is not told again from the audit log.
fn decisions(voice: Voice<'_>, events: &[OrderEvent], audited: Vec<AuditEntry>) -> Vec<Decision> {
    let text = voice.text;
    let mut told: Vec<(Timestamp, Decision)> = events
        .iter()
        .map(|it| {
            let (name, more) = event_words(text, &it.what);
            let decision = Decision {
                at: Moment::new(it.at, voice.zone),
                who: it
                    .by
                    .map_or_else(|| text.t("decision.rules").to_owned(), |by| voice.names.person(by)),
                what: if more.is_empty() {
                    name
                } else {
                    format!("{name}: {more}")
                },
                reason: it.reason.clone(),
            };
            (it.at, decision)
        })
        .collect();
    let audited = audited
        .into_iter()
        .filter(|it| events.is_empty() || !it.action.starts_with("order."));
    told.extend(audited.map(|it| {
        let who = match it.actor.parse::<UserId>() {
            Ok(user) => voice.names.person(user),
            Err(_) => it.actor,
        };
        let decision = Decision {
            at: Moment::new(it.at, voice.zone),
            who,
            what: text.word("audit_action", &it.action),
            reason: it.detail,
        };
        (it.at, decision)
    }));
    told.sort_by_key(|line| std::cmp::Reverse(line.0));
    told.into_iter().map(|(_, decision)| decision).collect()
}

/// What happened to an order, and with what result.
fn event_words(text: Text, what: &OrderEventKind) -> (String, String) {
    let Ok(value) = serde_json::to_value(what) else {
        return (String::new(), String::new());
    };
    match value {
        Value::String(name) => (text.word("order_event", &name), String::new()),
        Value::Object(map) => match map.into_iter().next() {
            Some((name, Value::String(more))) => {
                let more = text.known_word("verdict", &more).map_or(more.clone(), str::to_owned);
                (text.word("order_event", &name), more)
            }
            Some((name, more)) => (text.word("order_event", &name), more.to_string()),
            None => (String::new(), String::new()),
        },
        other => (other.to_string(), String::new()),
    }
}

/// Whether whose record it is still changed it more than a day after it first came in. What contacts and supervisors say
/// in it later is no edit.
fn edited_later(history: &[HistoryEntry], receipts: &[Receipt], owner: Option<UserId>, first: Timestamp) -> bool {
    let by_owner = history
        .iter()
        .filter(|it| it.author.as_ref().map(|author| author.user) == owner);
    let received = |it: &HistoryEntry| receipts.iter().find(|receipt| receipt.hash == it.hash);
    owner.is_some()
        && by_owner
            .filter_map(received)
            .any(|it| it.received_at.millis_since(first) > EDITED_AFTER_MILLIS)
}

/// How wrong the clock of a phone is that had a part in the record.
fn clock_doubt(history: &[HistoryEntry], devices: &[Device]) -> Option<u64> {
    history
        .iter()
        .filter_map(|it| it.author)
        .filter_map(|author| devices.iter().find(|device| device.id == author.device))
        .map(|device| device.clock_ahead_millis.unsigned_abs())
        .filter(|off| *off >= CLOCK_TOLERANCE_MILLIS)
        .max()
}

async fn read_reviews(
    app: &AppState,
    viewer: &Viewer,
    about: DocumentId,
) -> Result<Vec<(DocumentId, Review)>, PageError> {
    let stored = app.store.reviews_of(viewer.account.organisation, about).await?;
    Ok(stored
        .into_iter()
        .filter(|it| viewer.may_read(it.stream))
        .filter_map(|it| Some((it.id, serde_json::from_value(it.tree).ok()?)))
        .collect())
}

fn thread(voice: Voice<'_>, id: DocumentId, review: &Review, may_reply: bool) -> Thread {
    let mut replies: Vec<_> = review.replies.values().collect();
    replies.sort_by_key(|reply| reply.at);
    Thread {
        id: id.to_string(),
        may_reply,
        refused: None,
        href: format!("/records/{id}"),
        verdict: voice.text.word("verdict", review.verdict.as_str()),
        verdict_name: review.verdict.as_str(),
        reviewer: voice.names.person(review.reviewer),
        at: Moment::new(review.at, voice.zone),
        comment: review.comment.clone(),
        replies: replies
            .into_iter()
            .map(|it| {
                (
                    voice.names.person(it.by),
                    Moment::new(it.at, voice.zone),
                    it.text.clone(),
                )
            })
            .collect(),
    }
}

/// The products named under `lines` of a document.
pub(super) fn products_in(tree: &Value, found: &mut BTreeSet<ProductId>) {
    let lines = tree.get("lines").and_then(Value::as_object);
    for line in lines.into_iter().flat_map(|lines| lines.values()) {
        found.extend(
            line.get("product")
                .and_then(Value::as_str)
                .and_then(|id| id.parse::<ProductId>().ok()),
        );
    }
}

fn products_at(path: &[String], value: &Value, found: &mut BTreeSet<ProductId>) {
    if path.last().is_some_and(|name| name == "product") {
        found.extend(value.as_str().and_then(|id| id.parse::<ProductId>().ok()));
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ReviewForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    comment: String,
}

/// Takes a review down; it reaches the rep's phone with the next sync.
pub(super) async fn submit_review(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(mut sent): Form<ReviewForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let record = find(&app, &viewer, &id).await?;
    authority::may_create(&viewer.account.roles, &DocumentKind::Review).map_err(|_| PageError::NotYourRole)?;
    // Browsers send line breaks as CR LF.
    sent.comment = comment(&sent.comment);
    let verdict = match sent.verdict.as_str() {
        "approved" => ReviewVerdict::Approved,
        "questioned" => ReviewVerdict::Questioned,
        "flagged" => ReviewVerdict::Flagged,
        _ => return again(&app, &viewer, record, sent, "review.verdict_required").await,
    };
    match make_review(&app, &viewer, &record, verdict, &sent.comment).await {
        Ok(()) => Ok(Redirect::to(&format!("/records/{}?done=review", record.id)).into_response()),
        Err(Unreviewed::Comment(key)) => again(&app, &viewer, record, sent, key).await,
        Err(Unreviewed::NotPossible) => Err(PageError::Refused(viewer.text.t("review.not_possible").to_owned())),
        Err(Unreviewed::Page(error)) => Err(error),
    }
}

/// What was typed, as it is kept. Browsers send line breaks as CR LF.
pub(super) fn comment(typed: &str) -> String {
    typed.replace("\r\n", "\n").trim().to_owned()
}

/// Why there is no review.
pub(super) enum Unreviewed {
    /// The record names no customer or no rep, or is itself a review.
    NotPossible,
    /// Something is wrong with the comment; the key of what.
    Comment(&'static str),
    /// Anything else.
    Page(PageError),
}

impl From<PageError> for Unreviewed {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<StoreError> for Unreviewed {
    fn from(error: StoreError) -> Self {
        Self::Page(error.into())
    }
}

impl From<OwnDocumentError> for Unreviewed {
    fn from(error: OwnDocumentError) -> Self {
        Self::Page(error.into())
    }
}

/// Makes a review of `record`; it reaches the rep's phone with the next sync.
pub(super) async fn make_review(
    app: &AppState,
    viewer: &Viewer,
    record: &StoredDocument,
    verdict: ReviewVerdict,
    comment: &str,
) -> Result<(), Unreviewed> {
    let summary = Summary::of(&record.tree);
    let (Some(customer), Some(rep), false) = (summary.customer, summary.owner, summary.kind == DocumentKind::Review)
    else {
        return Err(Unreviewed::NotPossible);
    };
    let review = Review {
        customer,
        about: record.id,
        rep,
        reviewer: viewer.account.user,
        at: app.clock.now(),
        verdict,
        comment: comment.to_owned(),
        replies: BTreeMap::new(),
    };
    if review.validate().is_err() {
        return Err(Unreviewed::Comment(if comment.len() > MAX_TEXT_BYTES {
            "review.comment_too_long"
        } else {
            "review.comment_required"
        }));
    }
    let tree = edit::tree_of(&review).map_err(|error| {
        tracing::error!(%error, "a review could not be written");
        PageError::Internal
    })?;
    let made = app.sync.create_document(&viewer.account, &tree).await?;
    app.audit(
        viewer.account.organisation,
        viewer.account.user,
        "review.made",
        made,
        format!("{} of {}", verdict.as_str(), record.id),
    )
    .await?;
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ReplyForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    review: String,
    #[serde(default)]
    text: String,
}

/// Answers in the thread of a review; it reaches the rep's phone with the next sync.
pub(super) async fn reply(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(sent): Form<ReplyForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let record = find(&app, &viewer, &id).await?;
    let review = find(&app, &viewer, &sent.review).await?;
    let summary = Summary::of(&review.tree);
    if summary.kind != DocumentKind::Review || summary.about != Some(record.id) {
        return Err(PageError::NotFound);
    }
    if !may_reply(&viewer.account, &summary) {
        return Err(PageError::NotYourRole);
    }
    let text = comment(&sent.text);
    let problem = if text.is_empty() {
        Some("refused.empty")
    } else if text.len() > MAX_TEXT_BYTES {
        Some("review.comment_too_long")
    } else {
        None
    };
    if let Some(problem) = problem {
        let mut page = page(&app, &viewer, record, None, None, ReviewForm::default()).await?;
        let id = review.id.to_string();
        if let Some(thread) = page.threads.iter_mut().find(|it| it.id == id) {
            thread.refused = Some((sent.text, viewer.text.t(problem)));
        }
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)?).into_response());
    }
    let place = LineId::from_bytes(app.secrets.bytes()).to_string();
    let said = json!({ "by": viewer.account.user, "at": app.clock.now(), "text": text });
    app.sync
        .edit_document(&viewer.account, review.id, move |tree| {
            if let Some(tree) = tree.as_object_mut() {
                let replies = tree.entry("replies").or_insert_with(|| json!({}));
                if let Some(replies) = replies.as_object_mut() {
                    replies.insert(place.clone(), said.clone());
                }
            }
        })
        .await?;
    Ok(Redirect::to(&format!("/records/{}?done=reply#review", record.id)).into_response())
}

fn may_reply(account: &Account, review: &Summary) -> bool {
    let paths = [vec!["replies".to_owned()]];
    authority::may_edit(
        &account.roles,
        account.user,
        review.owner,
        &DocumentKind::Review,
        &paths,
    )
    .is_ok()
}

/// The page again, with what was typed and what is wrong with it.
async fn again(
    app: &AppState,
    viewer: &Viewer,
    record: StoredDocument,
    sent: ReviewForm,
    key: &'static str,
) -> Result<Response, PageError> {
    let error = viewer.text.t(key).to_owned();
    let page = page(app, viewer, record, None, Some(error), sent).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)?).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct SettleForm {
    #[serde(default)]
    csrf: String,
    /// The field, as a JSON list of names.
    #[serde(default)]
    path: String,
    /// The change that wrote the chosen value.
    #[serde(default)]
    change: String,
}

/// Chooses one of several values.
pub(super) async fn settle(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(sent): Form<SettleForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let record = find(&app, &viewer, &id).await?;
    let path: Vec<String> =
        serde_json::from_str(&sent.path).map_err(|_| PageError::BadField("record.disagreements"))?;
    let change: ChangeHash = sent
        .change
        .parse()
        .map_err(|_| PageError::BadField("record.disagreements"))?;
    let past = past(&record).await.map_err(|_| PageError::Internal)?;
    // Settled or changed by somebody else since the page was read.
    let question = past
        .disagreements
        .into_iter()
        .find(|it| it.path == path)
        .ok_or(PageError::Busy)?;
    let chosen = question
        .values
        .into_iter()
        .find(|it| it.change == Some(change))
        .ok_or(PageError::Busy)?;
    let summary = Summary::of(&record.tree);
    if !may_settle(&viewer.account, &summary, &path) {
        return Err(PageError::NotYourRole);
    }
    app.sync
        .settle(&viewer.account, record.id, &path, &chosen.value)
        .await?;
    app.audit(
        viewer.account.organisation,
        viewer.account.user,
        "record.settled",
        record.id,
        format!("{} by change {change}", path.join(".")),
    )
    .await?;
    Ok(Redirect::to(&format!("/records/{}?done=settled", record.id)).into_response())
}

fn may_settle(account: &Account, summary: &Summary, path: &[String]) -> bool {
    let paths = [path.to_vec()];
    authority::may_edit(&account.roles, account.user, summary.owner, &summary.kind, &paths).is_ok()
}

#[cfg(test)]
mod tests {
    use fieldledger_core::{document::Authorship, model::DeviceId};

    use super::*;

    #[test]
    fn only_what_its_owner_changes_much_later_is_an_edit() {
        let (owner, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let first = Timestamp::from_millis(1_000_000_000_000);
        let change = |number: u8, user, later: i64| {
            let entry = HistoryEntry {
                hash: ChangeHash([number; 32]),
                deps: Vec::new(),
                author: Some(Authorship {
                    user,
                    device: DeviceId::from_bytes([5; 16]),
                    at: first,
                    zone_minutes: 0,
                    since_contact_millis: None,
                }),
                changed: Vec::new(),
            };
            let receipt = Receipt {
                hash: entry.hash,
                received_at: first.plus_millis(later),
                device: None,
                relayed: false,
            };
            (entry, receipt)
        };
        let edited = |changes: Vec<(HistoryEntry, Receipt)>, owner| {
            let (history, receipts): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
            edited_later(&history, &receipts, owner, first)
        };
        let created = || change(1, owner, 0);
        let day = EDITED_AFTER_MILLIS;
        assert!(!edited(vec![created(), change(2, owner, day)], Some(owner)));
        assert!(edited(vec![created(), change(2, owner, day + 1)], Some(owner)));
        assert!(!edited(vec![created(), change(2, other, 9 * day)], Some(owner)));
        assert!(!edited(vec![created(), change(2, other, 9 * day)], None));
    }
}
