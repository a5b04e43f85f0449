//! What the list of activity is narrowed to and in which order it stands, as the address says it.

use chrono::NaiveDate;
use fieldledger_core::model::{DocumentKind, TerritoryId, Timestamp, UserId};
use serde::Deserialize;

use crate::{
    state::AppState,
    store::{FeedFilter, FeedItem, FeedOrder, FeedPlace, doubt},
    web::{
        error::PageError,
        page::{Viewer, encoded},
        today::{confirmed_by, policy},
    },
};

/// Lines on a page.
pub(super) const PAGE: u32 = 50;

/// The filters, as they stand in the address. An empty value is no filter.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::web) struct FeedQuery {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) rep: String,
    #[serde(default)]
    pub(super) customer: String,
    #[serde(default)]
    pub(super) territory: String,
    #[serde(default)]
    pub(super) day: String,
    #[serde(default)]
    pub(super) from: String,
    #[serde(default)]
    pub(super) to: String,
    #[serde(default)]
    pub(super) q: String,
    #[serde(default)]
    pub(super) doubt: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) unreviewed: String,
    #[serde(default)]
    pub(super) disagreeing: String,
    /// Deliveries that were not confirmed in time.
    #[serde(default)]
    pub(super) late: String,
    #[serde(default)]
    pub(super) before: String,
    /// The order, as [`table`](crate::web::table) writes it.
    #[serde(default)]
    pub(super) sort: String,
    /// What came of a batch of reviews; no filter.
    #[serde(default)]
    pub(super) reviewed: String,
    #[serde(default)]
    pub(super) failed: String,
}

impl FeedQuery {
    /// Whether some filter is set.
    pub(super) fn is_narrowed(&self) -> bool {
        let narrowed = Self {
            sort: String::new(),
            ..self.clone()
        };
        address(&narrowed, None) != "/activity"
    }

    /// The order that was asked for; the newest first when none of them was.
    pub(super) fn order(&self) -> FeedOrder {
        match self.sort.trim() {
            "received" => FeedOrder::OldestReceived,
            "happened" => FeedOrder::OldestHappened,
            "-happened" => FeedOrder::NewestHappened,
            _ => FeedOrder::NewestReceived,
        }
    }

    /// The customer that was asked for, as it was typed.
    pub(in crate::web) fn customer(&self) -> &str {
        &self.customer
    }
}

/// Doubts to filter by, as they stand in the address.
pub(super) const DOUBTS: [(&str, u8); 5] = [
    ("any", doubt::ANY),
    ("outside", doubt::OUTSIDE),
    ("mocked", doubt::MOCKED),
    ("clock", doubt::CLOCK),
    ("edited", doubt::EDITED),
];

pub(super) const KINDS: &[&str] = &[
    "visit",
    "delivery",
    "collection_note",
    "order",
    "statement_confirmation",
    "review",
];
pub(super) const STATES: &[&str] = &[
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

pub(in crate::web) fn some(value: &str) -> Option<&str> {
    let value = value.trim();
    (!value.is_empty()).then_some(value)
}

/// The filter of the store, with the reader's own territories as its outer bound.
pub(in crate::web) async fn read_filter(
    app: &AppState,
    query: &FeedQuery,
    viewer: &Viewer,
) -> Result<FeedFilter, PageError> {
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
    filter.order = query.order();
    if let Some(before) = some(&query.before) {
        filter.after = Some(read_place(before).ok_or(PageError::BadField("feed.next"))?);
    }
    Ok(filter)
}

fn whole_day(day: &str, zone: chrono_tz::Tz) -> Option<(Timestamp, Timestamp)> {
    let day: NaiveDate = day.parse().ok()?;
    Some((
        Timestamp::midnight(day, zone),
        Timestamp::midnight(day.succ_opt()?, zone),
    ))
}

/// Where the next page begins, as it stands in the address.
pub(in crate::web) fn place(last: &FeedItem) -> String {
    let FeedPlace { received, happened, id } = last.place();
    match happened {
        Some(happened) => format!("{}.{id}.{}", received.as_millis(), happened.as_millis()),
        None => format!("{}.{id}", received.as_millis()),
    }
}

fn read_place(before: &str) -> Option<FeedPlace> {
    let (received, rest) = before.split_once('.')?;
    let (id, happened) = match rest.split_once('.') {
        Some((id, happened)) => (id, Some(happened)),
        None => (rest, None),
    };
    let moment = |millis: &str| Some(Timestamp::from_millis(millis.parse().ok()?));
    Some(FeedPlace {
        received: moment(received)?,
        happened: match happened {
            Some(happened) => Some(moment(happened)?),
            None => None,
        },
        id: id.parse().ok()?,
    })
}

/// The feed's address with these filters.
pub(super) fn address(query: &FeedQuery, before: Option<&str>) -> String {
    address_at("/activity", query, before)
}

/// The address of a page with these filters.
pub(in crate::web) fn address_at(path: &str, query: &FeedQuery, before: Option<&str>) -> String {
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
        (
            "sort",
            if query.order() == FeedOrder::default() {
                ""
            } else {
                &query.sort
            },
        ),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::DocumentId;

    use super::*;

    #[test]
    fn the_address_keeps_every_filter_and_nothing_else() {
        let query = FeedQuery {
            kind: "visit".to_owned(),
            customer: "上海 & \"Söhne\"".to_owned(),
            unreviewed: "1".to_owned(),
            day: " ".to_owned(),
            sort: "-happened".to_owned(),
            ..FeedQuery::default()
        };
        let address = address(&query, Some("5.x"));
        assert_eq!(
            address,
            "/activity?kind=visit&customer=%E4%B8%8A%E6%B5%B7%20%26%20%22S%C3%B6hne%22&unreviewed=1&sort=-happened&before=5.x"
        );
        let read: FeedQuery = axum::extract::Query::try_from_uri(&address.parse().unwrap()).unwrap().0;
        assert_eq!(read.customer, query.customer);
    }

    #[test]
    fn a_place_in_the_feed_is_read_or_refused() {
        let id = DocumentId::from_bytes([7; 16]);
        let place = |happened| FeedPlace {
            received: Timestamp::from_millis(-3),
            happened,
            id,
        };
        assert_eq!(read_place(&format!("-3.{id}")), Some(place(None)));
        let happened = Some(Timestamp::from_millis(5));
        assert_eq!(read_place(&format!("-3.{id}.5")), Some(place(happened)));
        let (no_moment, too_many) = (format!("3.{id}."), format!("3.{id}.4.5"));
        for strange in ["", "3", "x.y", "3.", "99999999999999999999.x", &no_moment, &too_many] {
            assert_eq!(read_place(strange), None, "{strange}");
        }
        assert!(whole_day("2026-02-30", chrono_tz::UTC).is_none());
        assert!(whole_day("+262142-12-31", chrono_tz::UTC).is_none());
    }
}
