//! A rep's day on a map: where they were in order, with times, and where the customers are known to be.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use chrono::NaiveDate;
use fieldledger_core::{
    document::Summary,
    model::{CustomerId, DocumentKind, Position, Timestamp, UserId},
    rules::geofence::distance_metres,
};
use serde_json::Value;

use super::{
    error::PageError,
    feed::{self, Doubts},
    format::{self, Moment},
    map::{self, Place, Stop},
    names::Names,
    page::{Frame, Viewer, html},
    photos,
    record::{Photo, Shown},
};
use crate::{
    state::AppState,
    store::{FeedFilter, FeedItem, StoredDocument, doubt},
};

/// Records of one day that are read at most.
const MOST: u32 = 500;

/// One line of the list below the map.
struct Line {
    number: usize,
    time: String,
    moment: Moment,
    what: String,
    href: String,
    title: String,
    customer: Option<(String, String)>,
    position: Option<String>,
    distance: Option<String>,
    doubts: Vec<String>,
}

#[derive(Template)]
#[template(path = "day.html")]
struct DayPage {
    frame: Frame,
    rep: String,
    day: String,
    before: String,
    after: String,
    activity: String,
    map: Option<String>,
    lines: Vec<Line>,
    /// Set when the day holds more than is shown.
    cut: Option<String>,
    photos: Vec<Photo>,
}

/// A moment at which a record says where the rep was.
struct Seen {
    at: Timestamp,
    what: &'static str,
    position: Option<Position>,
    outside: bool,
}

/// The page.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path((rep, day)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let rep: UserId = rep.parse().map_err(|_| PageError::NotFound)?;
    let day: NaiveDate = day.parse().map_err(|_| PageError::NotFound)?;
    let (Some(before), Some(after)) = (day.pred_opt(), day.succ_opt()) else {
        return Err(PageError::NotFound);
    };
    let (morning, night) = (
        Timestamp::midnight(day, viewer.zone),
        Timestamp::midnight(after, viewer.zone),
    );
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let mut names = Names::load(store, org).await?;
    let filter = FeedFilter {
        territories: viewer.account.territory_filter(),
        owner: Some(rep),
        happened: Some((morning, night)),
        // A review is somebody else's word about the rep.
        without_reviews: true,
        limit: MOST,
        ..FeedFilter::default()
    };
    let items = feed::read_feed(store, &viewer, &filter).await?;
    // Somebody of other territories does not exist here.
    if items.is_empty() && !names.field_people_of(&viewer.account).iter().any(|(id, _)| *id == rep) {
        return Err(PageError::NotFound);
    }
    names.add_people(store, org, [rep]).await?;
    names
        .add_customers(store, org, items.iter().filter_map(|it| it.summary.customer))
        .await?;
    let cut = (items.len() >= MOST as usize).then(|| viewer.text.fill("day.cut", "count", MOST));
    let ids: Vec<_> = items.iter().map(|it| it.id).collect();
    let documents: Vec<StoredDocument> = store.documents(org, &ids).await?.into_iter().flatten().collect();
    let photos = photos::photos(&app, &viewer, &mut names, &documents).await?;

    let mut seen: Vec<(Seen, &FeedItem)> = Vec::new();
    for item in &items {
        let Some(document) = documents.iter().find(|it| it.id == item.id) else {
            continue;
        };
        let of_day = moments(&document.tree, &item.summary).into_iter();
        seen.extend(
            of_day
                .filter(|it| it.at >= morning && it.at < night)
                .map(|it| (it, item)),
        );
    }
    seen.sort_by_key(|(it, item)| (it.at, item.id));
    let (mut lines, mut stops) = (Vec::new(), Vec::new());
    for (index, (it, item)) in seen.iter().enumerate() {
        let line = line(&viewer, &names, index + 1, it, item);
        if let Some(position) = it.position {
            stops.push(Stop {
                position,
                number: line.number,
                title: format!(
                    "{} {} {}",
                    line.time,
                    line.what,
                    line.customer.as_ref().map_or("", |it| it.1.as_str())
                ),
                href: line.href.clone(),
                doubtful: it.outside || item.doubts & doubt::CLOCK != 0,
            });
        }
        lines.push(line);
    }
    let mut customers: Vec<CustomerId> = items.iter().filter_map(|it| it.summary.customer).collect();
    customers.sort_unstable();
    customers.dedup();
    let places: Vec<Place> = customers
        .into_iter()
        .filter_map(|id| {
            let customer = names.customer(id)?;
            Some(Place {
                position: customer.position?,
                name: customer.name.clone(),
                href: format!("/customers/{id}"),
            })
        })
        .collect();
    let rep_name = names.person(rep);
    let title = viewer
        .text
        .fill("day.map", "rep", &rep_name)
        .replace("{day}", &day.to_string());
    let description = viewer.text.fill("day.map_text", "count", stops.len());
    html(&DayPage {
        frame: viewer.frame("activity"),
        map: map::draw(&title, &description, &stops, &places),
        rep: rep_name,
        day: day.to_string(),
        before: format!("/activity/day/{rep}/{before}"),
        after: format!("/activity/day/{rep}/{after}"),
        activity: format!("/activity?rep={rep}&from={day}&to={day}"),
        lines,
        cut,
        photos,
    })
}

fn line(viewer: &Viewer, names: &Names, number: usize, seen: &Seen, item: &FeedItem) -> Line {
    let text = viewer.text;
    let customer = item.summary.customer.and_then(|id| names.customer(id));
    let distance = seen
        .position
        .and_then(|it| Some(distance_metres(&it, &customer?.position?)));
    let kind = feed::kind_name(text, &item.summary.kind);
    let moment = Moment::new(seen.at, viewer.zone);
    Line {
        number,
        time: moment
            .shown
            .split_once(' ')
            .map_or(String::new(), |(_, time)| time.to_owned()),
        moment,
        what: if seen.what.is_empty() {
            kind
        } else {
            format!("{kind}: {}", text.word("field", seen.what))
        },
        href: format!("/records/{}", item.id),
        title: item.summary.title.clone(),
        customer: item
            .summary
            .customer
            .map(|id| (format!("/customers/{id}"), names.customer_name(id))),
        position: seen.position.as_ref().map(|it| format::position(text, it)),
        distance: distance.map(|it| text.fill("record.distance", "metres", format!("{it:.0}"))),
        doubts: feed::doubts(
            text,
            &Doubts {
                outside: seen.outside,
                mocked: seen.position.is_some_and(|it| it.mocked),
                newer: item.summary.newer,
                disagreements: item.disagreements,
                clock: None,
                clock_noted: item.doubts & doubt::CLOCK != 0,
                edited: item.doubts & doubt::EDITED != 0,
            },
        ),
    }
}

/// Where a record says that the rep was, and when by the phone's clock.
fn moments(tree: &Value, summary: &Summary) -> Vec<Seen> {
    let place = |holder: &Value| serde_json::from_value::<Position>(holder.get("pos")?.clone()).ok();
    let at = |holder: &Value| holder.get("at").and_then(Value::as_i64).map(Timestamp::from_millis);
    let outside = |holder: &Value| holder.get("fence").and_then(|it| it.get("verdict")?.as_str()) == Some("outside");
    let read = |name: &'static str, what: &'static str| -> Option<Seen> {
        let holder = tree.get(name).filter(|it| !it.is_null())?;
        Some(Seen {
            at: at(holder)?,
            what,
            position: place(holder),
            outside: outside(holder),
        })
    };
    match summary.kind {
        DocumentKind::Visit => [read("check_in", "check_in"), read("check_out", "check_out")]
            .into_iter()
            .flatten()
            .collect(),
        DocumentKind::Delivery => read("receiver", "").into_iter().collect(),
        _ => summary
            .at
            .map(|at| Seen {
                at,
                what: "",
                position: place(tree),
                outside: false,
            })
            .into_iter()
            .collect(),
    }
}
