//! A day of a rep: what they recorded, in the order in which it happened. Prints on paper.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use chrono::NaiveDate;
use fieldledger_core::{
    model::{CollectionNote, Currency, DocumentKind, Money, Timestamp, Visit},
    rules::performance::Period,
};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

use super::find_rep;
use crate::{
    state::AppState,
    store::{FeedFilter, StoredDocument},
    web::{
        error::PageError,
        feed::{self, Row},
        format,
        messages::Text,
        names::Names,
        page::{Frame, Viewer, html},
    },
};

/// Most records of a day that are shown; nobody makes more by hand.
const MOST: u32 = 1_000;

/// A record of the day.
struct Entry {
    from: String,
    to: String,
    row: Row,
    /// Purpose, outcome, whom they spoke to.
    facts: Vec<String>,
    note: String,
}

#[derive(Template)]
#[template(path = "rep_day.html")]
struct DayPage {
    frame: Frame,
    name: String,
    day: NaiveDate,
    before: String,
    after: Option<String>,
    rep: String,
    sums: Vec<(&'static str, String)>,
    entries: Vec<Entry>,
    cut: Option<String>,
}

/// The report.
pub(in crate::web) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path((id, day)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let rep = find_rep(&app, &viewer, &id).await?;
    let day: NaiveDate = day.parse().map_err(|_| PageError::NotFound)?;
    let next = day.succ_opt().ok_or(PageError::NotFound)?;
    let (from, to) = (
        Timestamp::midnight(day, viewer.zone),
        Timestamp::midnight(next, viewer.zone),
    );
    let text = viewer.text;
    let org = viewer.account.organisation;
    let store = app.store.as_ref();
    let filter = FeedFilter {
        territories: viewer.account.territory_filter(),
        owner: Some(rep.user),
        happened: Some((from, to)),
        // A review is somebody else's word about the rep.
        without_reviews: true,
        limit: MOST,
        ..FeedFilter::default()
    };
    let mut items = feed::read_feed(store, &viewer, &filter).await?;
    items.sort_by_key(|it| (it.summary.at, it.id));
    let cut = (items.len() >= MOST as usize).then(|| text.fill("rep_day.cut", "count", MOST));
    let ids: Vec<_> = items.iter().map(|it| it.id).collect();
    let stored: Vec<Option<StoredDocument>> = store.documents(org, &ids).await?;
    let mut names = Names::load(store, org).await?;
    let devices = store.devices(org).await?;
    let mut sums = Sums::default();
    let times: Vec<_> = items
        .iter()
        .zip(&stored)
        .map(|(item, stored)| {
            let kind = &item.summary.kind;
            sums.add(kind, item.summary.amount);
            let tree = stored.as_ref().map(|it| &it.tree);
            let said = tree.map_or_else(SaidOf::default, |tree| said(text, kind, tree));
            if let (Some(begin), Some(end)) = (item.summary.at, said.until) {
                sums.with_customers += u64::try_from(end.millis_since(begin)).unwrap_or(0);
            }
            (item.summary.at, said)
        })
        .collect();
    let rows = feed::rows(store, &viewer, &mut names, &devices, items).await?;
    let clock = |at: Timestamp| at.local_in(viewer.zone).format("%H:%M").to_string();
    let entries = rows
        .into_iter()
        .zip(times)
        .map(|(row, (at, said))| Entry {
            from: at.map(clock).unwrap_or_default(),
            to: said.until.map(clock).unwrap_or_default(),
            row,
            facts: said.facts,
            note: said.note,
        })
        .collect();
    let today = app.clock.now().date_in(viewer.zone);
    let href = |day: NaiveDate| format!("/team/{}/{day}", rep.user);
    let period = Period { from: day, to: day };
    html(&DayPage {
        frame: viewer.frame("team"),
        name: rep.name.clone(),
        before: href(day.pred_opt().unwrap_or(day)),
        after: (next <= today).then(|| href(next)),
        rep: format!("/team/{}?month={}", rep.user, period.from.format("%Y-%m")),
        sums: sums.told(text),
        entries,
        cut,
        day,
    })
}

/// What a record says beside what lists know.
#[derive(Default)]
struct SaidOf {
    until: Option<Timestamp>,
    facts: Vec<String>,
    note: String,
}

fn said(text: Text, kind: &DocumentKind, tree: &serde_json::Value) -> SaidOf {
    let note = |key: &str| {
        tree.get(key)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut said = SaidOf {
        note: note("note"),
        ..SaidOf::default()
    };
    match kind {
        DocumentKind::Visit => {
            if let Ok(visit) = serde_json::from_value::<Visit>(tree.clone()) {
                said.until = visit.check_out.as_ref().map(|it| it.at);
                said.facts.extend(named(text, "purpose", &visit.purpose));
                said.facts
                    .extend(visit.outcome.as_ref().and_then(|it| named(text, "outcome", it)));
                said.facts.extend(visit.next_step.map(|it| it.what));
            }
        }
        DocumentKind::CollectionNote => {
            if let Ok(note) = serde_json::from_value::<CollectionNote>(tree.clone()) {
                said.facts.extend(named(text, "channel", &note.channel));
                said.facts.extend(Some(note.person).filter(|it| !it.trim().is_empty()));
                said.facts.extend(note.promise.map(|it| {
                    text.fill("rep_day.promised", "amount", format::money(it.amount))
                        .replace("{day}", &it.due.to_string())
                }));
                said.facts.extend(note.next_step.map(|it| it.what));
            }
        }
        DocumentKind::Delivery => {
            let receiver = tree.get("receiver").and_then(|it| it.get("name")?.as_str());
            said.facts
                .extend(receiver.map(|it| text.fill("rep_day.signed_by", "name", it)));
        }
        _ => {}
    }
    said
}

/// The word for the stored name of a value of a model.
fn named(text: Text, section: &str, value: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Some(text.word(section, &name)),
        _ => None,
    }
}

/// What a day comes to.
#[derive(Default)]
struct Sums {
    visits: u32,
    deliveries: u32,
    notes: u32,
    orders: u32,
    ordered: BTreeMap<Currency, Decimal>,
    promised: BTreeMap<Currency, Decimal>,
    with_customers: u64,
}

impl Sums {
    fn add(&mut self, kind: &DocumentKind, amount: Option<Money>) {
        let sum = |sums: &mut BTreeMap<Currency, Decimal>| {
            if let Some(amount) = amount {
                let sum = sums.entry(amount.currency).or_default();
                *sum = sum.saturating_add(amount.amount);
            }
        };
        match kind {
            DocumentKind::Visit => self.visits += 1,
            DocumentKind::Delivery => self.deliveries += 1,
            DocumentKind::Order => {
                self.orders += 1;
                sum(&mut self.ordered);
            }
            DocumentKind::CollectionNote => {
                self.notes += 1;
                sum(&mut self.promised);
            }
            _ => {}
        }
    }

    fn told(&self, text: Text) -> Vec<(&'static str, String)> {
        let all = |sums: &BTreeMap<Currency, Decimal>| {
            let each = sums
                .iter()
                .map(|(currency, sum)| format::money(Money::new(*sum, *currency)));
            let each: Vec<String> = each.collect();
            if each.is_empty() {
                "–".to_owned()
            } else {
                each.join(", ")
            }
        };
        vec![
            (text.t("rep_day.visits"), self.visits.to_string()),
            (
                text.t("rep_day.with_customers"),
                format::duration(text, self.with_customers),
            ),
            (text.t("rep_day.orders"), self.orders.to_string()),
            (text.t("rep_day.ordered"), all(&self.ordered)),
            (text.t("rep_day.deliveries"), self.deliveries.to_string()),
            (text.t("rep_day.notes"), self.notes.to_string()),
            (text.t("rep_day.promised_sum"), all(&self.promised)),
        ]
    }
}
