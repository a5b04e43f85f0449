//! One record: what it says, how it came about, what people disagree about, and what supervisors say to it.
//!
//! Here it is found and laid out; the parts of its page, and what is done on it, are beside it.

mod decisions;
mod past;
mod reviews;
mod settling;
mod timeline;
pub(crate) mod values;
mod view;

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use decisions::{Decision, MOST_AUDITED, decided, decisions};
use fieldledger_core::{
    document::{Summary, declared_kind},
    model::{DocumentId, DocumentKind, OrderStanding, ProductId, UserId},
    rules::authority,
    sync::protocol::StreamId,
};
use past::{Past, clock_doubt, edited_later, past};
use reviews::{ReviewForm, Thread, may_reply, read_reviews, thread};
pub(super) use reviews::{Unreviewed, comment, make_review, reply, submit_review};
use serde::Deserialize;
use serde_json::Value;
use settling::may_settle;
pub(super) use settling::settle;
pub(crate) use timeline::CLOCK_TOLERANCE_MILLIS;
use timeline::{Question, Timeline};
pub(crate) use view::{Content, Field, Photo, Shown, Voice, content, credit_check, evidence, telephone};

use super::{
    credit::{
        reasons::{self, WhyHeld},
        standing_name,
    },
    error::PageError,
    evidence::{arrived, attach},
    feed::{self, Doubts},
    form::FormView,
    format::Moment,
    names::Names,
    page::{Frame, Viewer, html},
};
use crate::{state::AppState, store::StoredDocument};

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
    held: Option<WhyHeld>,
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
    let arrived = arrived(app, viewer, [&record]).await?;
    let held = order.as_ref().filter(|it| it.standing == OrderStanding::Held);
    let held = match held {
        Some(it) => Some(WhyHeld::of(viewer, it, reasons::present(app, viewer).await?.as_deref())),
        None => None,
    };
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
