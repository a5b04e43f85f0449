//! Photos and other evidence as a gallery: the files that have arrived, and what the phones declared of each.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use fieldledger_core::{
    document::Summary,
    model::{Evidence, EvidenceHash},
};
use std::collections::BTreeMap;

use super::{
    error::PageError,
    evidence::{arrived, attach},
    feed::{self, FeedQuery, Named, address_at, some},
    names::Names,
    page::{Frame, Viewer, html},
    record::{Photo, Shown, Voice, evidence},
};
use crate::{state::AppState, store::StoredDocument};

/// Records whose photos are on one page.
const RECORDS: u32 = 24;

#[derive(Template)]
#[template(path = "photos.html")]
struct PhotosPage {
    frame: Frame,
    photos: Vec<Photo>,
    /// The list of activity with the same filters.
    activity: String,
    next: Option<String>,
}

/// The gallery, with the filters of the list of activity.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Query(query): Query<FeedQuery>,
) -> Result<Response, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let mut filter = feed::read_filter(&app, &query, &viewer).await?;
    filter.with_evidence = true;
    filter.limit = RECORDS + 1;
    let items = match feed::find_customer(&app, &viewer, query.customer()).await? {
        Named::Several(_) | Named::Unknown => Vec::new(),
        Named::One(customer) => {
            filter.customer = Some(customer.id);
            feed::read_feed(store, &viewer, &filter).await?
        }
        Named::Nobody => feed::read_feed(store, &viewer, &filter).await?,
    };
    let more = items.len() > RECORDS as usize;
    let items: Vec<_> = items.into_iter().take(RECORDS as usize).collect();
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| address_at("/activity/photos", &query, Some(&feed::place(last))));
    let ids: Vec<_> = items.iter().map(|it| it.id).collect();
    let documents: Vec<StoredDocument> = store.documents(org, &ids).await?.into_iter().flatten().collect();
    let mut names = Names::load(store, org).await?;
    let photos = photos(&app, &viewer, &mut names, &documents).await?;
    html(&PhotosPage {
        frame: viewer.frame("activity"),
        photos,
        activity: address_at("/activity", &query, some("")),
        next,
    })
}

/// The photos that these documents name.
pub(super) async fn photos(
    app: &AppState,
    viewer: &Viewer,
    names: &mut Names,
    documents: &[StoredDocument],
) -> Result<Vec<Photo>, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let read: Vec<(&StoredDocument, Summary, BTreeMap<EvidenceHash, Evidence>)> = documents
        .iter()
        .filter(|it| viewer.may_read(it.stream))
        .map(|it| (it, Summary::of(&it.tree), it.evidence()))
        .collect();
    names
        .add_customers(store, org, read.iter().filter_map(|it| it.1.customer))
        .await?;
    let takers = read.iter().flat_map(|it| it.2.values().map(|piece| piece.taken_by));
    names.add_people(store, org, takers.collect::<Vec<_>>()).await?;
    let arrived = arrived(app, viewer, read.iter().map(|it| it.0)).await?;
    let voice = Voice {
        text: viewer.text,
        zone: viewer.zone,
        names,
    };
    let of_each = read.iter().flat_map(|(document, summary, pieces)| {
        let kind = feed::kind_name(viewer.text, &summary.kind);
        let what = match summary.customer {
            Some(customer) => format!("{kind} · {}", voice.names.customer_name(customer)),
            None => kind,
        };
        let record = (format!("/records/{}", document.id), what);
        let mut photos = evidence(voice, pieces);
        attach(&mut photos, document.id, &arrived, viewer.zone);
        // One photo may be in two records.
        for photo in &mut photos {
            photo.id = format!("photo-{}-{}", document.id, photo.hash);
        }
        photos.into_iter().map(move |photo| Photo {
            record: Some(record.clone()),
            ..photo
        })
    });
    Ok(of_each.collect())
}
