//! Lines of activity: what one says, and what makes it doubtful.

use std::collections::BTreeMap;

use fieldledger_core::{
    document::Summary,
    model::{DocumentId, DocumentKind, LedgerRecord, OrderStanding, RecordKind, Review, UserId},
};

use crate::{
    store::{Device, FeedItem, Store, doubt},
    web::{
        credit::standing_name,
        error::PageError,
        format::{self, Moment},
        messages::Text,
        names::Names,
        page::Viewer,
        record::CLOCK_TOLERANCE_MILLIS,
    },
};

/// One line of the feed.
pub(in crate::web) struct Row {
    pub(in crate::web) id: String,
    /// Whether the line can be picked for a batch of reviews, as the list of activity lets supervisors do.
    pub(in crate::web) pick: bool,
    /// The map of the rep's day.
    pub(in crate::web) map: Option<String>,
    pub(in crate::web) href: String,
    pub(in crate::web) kind_name: String,
    pub(in crate::web) title: String,
    pub(in crate::web) state: String,
    /// What the office decided on an order, in words and as the style sheet knows it, where the phone says something else.
    pub(in crate::web) office: Option<(String, &'static str)>,
    pub(in crate::web) amount: Option<String>,
    pub(in crate::web) customer: Option<(String, String)>,
    pub(in crate::web) rep: Option<String>,
    pub(in crate::web) happened: Option<Moment>,
    pub(in crate::web) planned: Option<String>,
    pub(in crate::web) received: Moment,
    pub(in crate::web) doubts: Vec<String>,
    pub(in crate::web) review: Option<(String, &'static str)>,
    pub(in crate::web) reviewable: bool,
    /// For a review, what it says about what.
    pub(in crate::web) says: Option<ReviewLine>,
}

/// What a line about a review says beside the rest.
pub(in crate::web) struct ReviewLine {
    pub(in crate::web) reviewer: String,
    /// In words, and as the style sheet knows it.
    pub(in crate::web) verdict: (String, &'static str),
    pub(in crate::web) comment: String,
    /// The reviewed record: its address, its kind and its title; `None` when it is not here, or not the reader's to see.
    pub(in crate::web) about: Option<(String, String, String)>,
}

/// The lines to show.
pub(in crate::web) async fn rows(
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
    let decided = decisions(store, viewer, &items).await?;
    let clocks = clocks(devices);
    Ok(items
        .into_iter()
        .map(|item| {
            let says = reviews.remove(&item.id);
            let decided = decided.get(&item.id).copied();
            row(viewer, names, &clocks, item, decided, says)
        })
        .collect())
}

/// Where the orders among `items` stand with the office.
pub(super) async fn decisions(
    store: &dyn Store,
    viewer: &Viewer,
    items: &[FeedItem],
) -> Result<BTreeMap<DocumentId, OrderStanding>, PageError> {
    let orders = items.iter().filter(|it| it.summary.kind == DocumentKind::Order);
    let keys: Vec<String> = orders.map(|it| it.id.to_string()).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let org = viewer.account.organisation;
    let found = store.records_named(org, &RecordKind::OrderDecision, &keys).await?;
    let decided = found.into_iter().filter_map(|it| match it.record {
        LedgerRecord::OrderDecision(it) => Some((it.order, it.standing)),
        _ => None,
    });
    Ok(decided.collect())
}

/// What the office says of an order, where that is not what the phone says of it.
fn office(text: Text, summary: &Summary, standing: OrderStanding) -> Option<(String, &'static str)> {
    let name = standing_name(standing);
    let tone = match standing {
        OrderStanding::Approved | OrderStanding::Released => "good",
        OrderStanding::Held => "doubt",
        OrderStanding::Refused => "bad",
        OrderStanding::Cancelled | OrderStanding::Closed => "",
    };
    (summary.state != name).then(|| (text.word("standing", name), tone))
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
pub(super) fn clocks(devices: &[Device]) -> BTreeMap<UserId, u64> {
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

pub(super) fn row(
    viewer: &Viewer,
    names: &Names,
    clocks: &BTreeMap<UserId, u64>,
    item: FeedItem,
    decided: Option<OrderStanding>,
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
        title: if says.is_some() {
            String::new()
        } else {
            summary.title.clone()
        },
        state: if says.is_some() {
            String::new()
        } else {
            text.word("state", &summary.state)
        },
        office: decided.and_then(|standing| office(text, &summary, standing)),
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
pub(in crate::web) struct Doubts {
    pub(in crate::web) outside: bool,
    pub(in crate::web) mocked: bool,
    pub(in crate::web) newer: bool,
    pub(in crate::web) disagreements: u32,
    /// By how much a phone's clock is wrong, where that is known.
    pub(in crate::web) clock: Option<u64>,
    /// A phone's clock was wrong when it sent a change.
    pub(in crate::web) clock_noted: bool,
    /// Still changed more than a day after it first came in.
    pub(in crate::web) edited: bool,
}

/// Doubts in words.
pub(in crate::web) fn doubts(text: Text, doubts: &Doubts) -> Vec<String> {
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
pub(in crate::web) fn kind_name(text: Text, kind: &DocumentKind) -> String {
    match kind {
        DocumentKind::Unknown(name) => text.fill("kind.unknown", "name", name),
        known => text.word("kind", known.as_str()),
    }
}
