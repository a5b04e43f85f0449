//! Do every phone and the server agree?

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{
        ChangeHash, CollectionNote, Delivery, DocumentId, DocumentKind, Order, OrganisationId, Review,
        StatementConfirmation, Visit,
    },
    store::{DocumentRow, RowSync, StoredModel},
};

use super::{Broken, day::Events, phone::DemoPhone, report::all_rows};
use crate::{
    cli::phone::short,
    state::AppState,
    store::{FeedFilter, Store},
};

/// Compares everything with everything; returns what is wrong, in words.
pub(super) async fn everything(
    state: &AppState,
    org: OrganisationId,
    phones: &[DemoPhone],
    events: &Events,
    delivery: DocumentId,
) -> Result<Vec<String>, Broken> {
    let store = &*state.store;
    let mut problems = Vec::new();
    for phone in phones {
        let status = phone.store.status()?;
        if status.waiting > 0 {
            problems.push(format!(
                "{} changes still wait on the phone of {}",
                status.waiting, phone.name
            ));
        }
        for file in phone.store.evidence_waiting(9)? {
            problems.push(format!(
                "a file still waits on the phone of {}: {}",
                phone.name,
                file.problem.unwrap_or_default()
            ));
        }
        let rows = all_rows(phone)?;
        same_documents(store, org, phone, &rows, events, &mut problems).await?;
        nothing_missing(store, org, phone, &rows, &mut problems).await?;
    }
    what_should_have_happened(store, org, phones, events, delivery, &mut problems).await?;
    problems.extend(store.verify().await?);
    problems.extend(store.verify_audit_log().await?);
    Ok(problems)
}

/// Everything on the phone is on the server with the same heads and the same tree, except what was rejected.
async fn same_documents(
    store: &dyn Store,
    org: OrganisationId,
    phone: &DemoPhone,
    rows: &[DocumentRow],
    events: &Events,
    problems: &mut Vec<String>,
) -> Result<(), Broken> {
    for row in rows {
        let what = format!("{} {} of {}", row.kind, short(row.id), phone.name);
        let stored = store.document(org, row.id).await?;
        if matches!(row.sync, RowSync::Rejected { .. }) {
            if row.id != events.rejected {
                problems.push(format!("{what} was rejected and should not have been"));
            }
            if stored.is_some() {
                problems.push(format!("{what} was rejected and is on the server nevertheless"));
            }
            continue;
        }
        let Some(stored) = stored else {
            problems.push(format!("{what} is not on the server"));
            continue;
        };
        if heads(phone, row)?.is_some_and(|heads| heads != stored.heads) {
            problems.push(format!("{what} has other heads than on the server"));
        }
        if phone.store.tree(row.id)?.as_ref() != Some(&stored.tree) {
            problems.push(format!("{what} reads differently on the server"));
        }
    }
    Ok(())
}

fn heads(phone: &DemoPhone, row: &DocumentRow) -> Result<Option<Vec<ChangeHash>>, Broken> {
    fn of<T: StoredModel>(phone: &DemoPhone, id: DocumentId) -> Result<Option<Vec<ChangeHash>>, Broken> {
        let document = phone
            .store
            .document::<T>(id)?
            .ok_or("a document in the list cannot be opened")?;
        let mut heads = document.heads;
        heads.sort_unstable();
        Ok(Some(heads))
    }
    match row.kind {
        DocumentKind::Visit => of::<Visit>(phone, row.id),
        DocumentKind::Delivery => of::<Delivery>(phone, row.id),
        DocumentKind::CollectionNote => of::<CollectionNote>(phone, row.id),
        DocumentKind::Order => of::<Order>(phone, row.id),
        DocumentKind::Review => of::<Review>(phone, row.id),
        DocumentKind::StatementConfirmation => of::<StatementConfirmation>(phone, row.id),
        DocumentKind::Unknown(_) => Ok(None),
    }
}

/// Everything on the server that the phone's owner may read is on the phone.
async fn nothing_missing(
    store: &dyn Store,
    org: OrganisationId,
    phone: &DemoPhone,
    rows: &[DocumentRow],
    problems: &mut Vec<String>,
) -> Result<(), Broken> {
    let here: BTreeMap<DocumentId, &DocumentRow> = rows.iter().map(|row| (row.id, row)).collect();
    let filter = FeedFilter {
        territories: phone.account.territory_filter(),
        limit: 10_000,
        ..FeedFilter::default()
    };
    for item in store.feed(org, &filter).await? {
        if !here.contains_key(&item.id) {
            let kind = &item.summary.kind;
            problems.push(format!(
                "{kind} {} is not on the phone of {}",
                short(item.id),
                phone.name
            ));
        }
    }
    Ok(())
}

/// The story itself: a merge with one disagreement, two verdicts, one rejection.
async fn what_should_have_happened(
    store: &dyn Store,
    org: OrganisationId,
    phones: &[DemoPhone],
    events: &Events,
    delivery: DocumentId,
    problems: &mut Vec<String>,
) -> Result<(), Broken> {
    for phone in phones.iter().take(2) {
        let paths: Vec<String> = phone
            .store
            .disagreements(delivery)?
            .iter()
            .map(|it| it.path.join("."))
            .collect();
        if paths != ["note"] {
            problems.push(format!(
                "{} should see one disagreement, about the delivery's note, and sees {paths:?}",
                phone.name
            ));
        }
        let merged = phone.store.delivery(delivery)?;
        if merged.is_none_or(|it| it.value.confirmations.len() != 3 || it.value.receiver.is_none()) {
            problems.push(format!(
                "the delivery on the phone of {} lacks somebody's part",
                phone.name
            ));
        }
    }
    for (id, verdict) in &events.orders {
        let stored = store.document(org, *id).await?;
        let recorded = stored
            .as_ref()
            .and_then(|it| it.tree.pointer("/credit/verdict"))
            .cloned();
        if recorded != serde_json::to_value(verdict).ok() {
            problems.push(format!(
                "order {} should be {verdict:?} on the server and is {recorded:?}",
                short(*id)
            ));
        }
    }
    let rep = phones.first().ok_or("there are no phones")?;
    let kept = rep.store.row(events.rejected)?;
    if !matches!(kept.map(|row| row.sync), Some(RowSync::Rejected { .. })) {
        problems.push("the visit to the customer who was moved away should be rejected and kept".to_owned());
    }
    if store.quarantined(org, None, 100).await?.is_empty() {
        problems.push("the rejected visit is not in the supervisor's quarantine".to_owned());
    }
    Ok(())
}
