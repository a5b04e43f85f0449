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
    let mut filter = FeedFilter {
        kind: Some(DocumentKind::CollectionNote),
        customer: Some(customer),
        limit: PAGE,
        ..FeedFilter::default()
    };
    let mut promises = Vec::new();
    loop {
        let page = store.feed(org, &filter).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some((last.received_at, last.id));
        let full = page.len() >= PAGE as usize;
        let ids: Vec<DocumentId> = page.into_iter().map(|it| it.id).collect();
        for document in store.documents(org, &ids).await?.into_iter().flatten() {
            // A note of a newer version that cannot be read holds no promise that these rules know.
            if let Ok(note) = serde_json::from_value::<CollectionNote>(document.tree) {
                promises.extend(Promise::of_note(document.id, &note, zone));
            }
        }
        if !full {
            break;
        }
    }
    Ok(promises)
}
