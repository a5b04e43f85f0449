//! The list of activity as a file.

use axum::response::Response;

use super::{
    customer::{Named, find_customer},
    lines::{clocks, decisions, row},
    query::{FeedQuery, read_filter},
    read_feed,
};
use crate::{
    state::AppState,
    store::{FeedItem, MAX_LISTED},
    web::{
        error::PageError,
        names::Names,
        page::Viewer,
        table::{self, Cell, Column, Direction, Sent, Spec},
    },
};

/// The list: its columns, and the orders that the store reads it in.
pub(super) fn list(viewer: &Viewer) -> Spec {
    let text = viewer.text;
    Spec::new(
        "activity",
        text.t("feed.title"),
        vec![
            Column::text("kind", text.t("feed.kind")).unsorted(),
            Column::text("what", text.t("feed.what")).unsorted(),
            Column::text("state", text.t("feed.state")).unsorted(),
            Column::text("office", text.t("feed.office")).unsorted(),
            Column::money("amount", text.t("customer.amount")).unsorted(),
            Column::text("customer", text.t("feed.customer")).unsorted(),
            Column::text("code", text.t("customers.code")).unsorted(),
            Column::text("rep", text.t("feed.rep")).unsorted(),
            Column::moment("happened", text.t("feed.happened")),
            Column::day("planned", text.t("today.planned")).unsorted(),
            Column::moment("received", text.t("feed.received")),
            Column::text("doubts", text.t("feed.doubts")).unsorted(),
            Column::text("review", text.t("feed.review")).unsorted(),
        ],
    )
    .sorted_by("received", Direction::Descending)
}

/// Everything that the filters leave, in the order of the list.
pub(super) async fn exported(
    app: &AppState,
    viewer: &Viewer,
    query: &FeedQuery,
    sent: &Sent,
    spec: Spec,
) -> Result<Response, PageError> {
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let mut filter = read_filter(app, query, viewer).await?;
    filter.after = None;
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
                filter.after = part.last().map(FeedItem::place);
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
    let decided = decisions(store, viewer, &items).await?;
    let devices = store.devices(org).await?;
    let clocks = clocks(&devices);
    let rows = items
        .into_iter()
        .map(|item| {
            let (id, summary, received) = (item.id, item.summary.clone(), item.received_at);
            let customer = summary.customer;
            let row = row(viewer, &names, &clocks, item, decided.get(&id).copied(), None);
            table::Row::new(vec![
                Cell::text(row.kind_name),
                Cell::text(row.title),
                Cell::text(row.state),
                Cell::of(row.office, |(standing, _)| Cell::text(standing)),
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
