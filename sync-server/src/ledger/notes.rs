//! What reps' notes about collecting say.

use chrono_tz::Tz;
use fieldledger_core::{
    model::{CollectionNote, CustomerId, DocumentId, DocumentKind, OrganisationId},
    rules::promises::Promise,
};

use crate::store::{FeedFilter, Store, StoreError};

/// Notes that are read at a time.
const PAGE: u32 = 200;

/// The promises in a customer's collection notes.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn promises_of(
    store: &dyn Store,
    org: OrganisationId,
    customer: CustomerId,
    zone: Tz,
) -> Result<Vec<Promise>, StoreError> {
    let notes = notes_of(store, org, customer).await?;
    Ok(notes
        .iter()
        .filter_map(|(id, note)| Promise::of_note(*id, note, zone))
        .collect())
}

/// A customer's collection notes, the newest first. One of a newer version that cannot be read says nothing that these
/// rules know.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn notes_of(
    store: &dyn Store,
    org: OrganisationId,
    customer: CustomerId,
) -> Result<Vec<(DocumentId, CollectionNote)>, StoreError> {
    let mut filter = FeedFilter {
        kind: Some(DocumentKind::CollectionNote),
        customer: Some(customer),
        limit: PAGE,
        ..FeedFilter::default()
    };
    let mut notes = Vec::new();
    loop {
        let page = store.feed(org, &filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.place());
        let full = page.len() >= PAGE as usize;
        let ids: Vec<DocumentId> = page.into_iter().map(|it| it.id).collect();
        for document in store.documents(org, &ids).await?.into_iter().flatten() {
            if let Ok(note) = serde_json::from_value::<CollectionNote>(document.tree) {
                notes.push((document.id, note));
            }
        }
        if !full {
            break;
        }
    }
    Ok(notes)
}
