//! Which customer a filter means: a name, a number, or part of one.

use fieldledger_core::model::{Customer, CustomerId, LedgerRecord, RecordKind};

use super::query::some;
use crate::{
    state::AppState,
    web::{
        customers::list::{overview, visible},
        error::PageError,
        names::key,
        page::Viewer,
    },
};

/// Customers offered when a name is not unique.
const MOST_CANDIDATES: usize = 20;

/// Which customer a filter means.
pub(in crate::web) enum Named {
    Nobody,
    One(Customer),
    Several(Vec<Customer>),
    Unknown,
}

pub(in crate::web) async fn find_customer(app: &AppState, viewer: &Viewer, wanted: &str) -> Result<Named, PageError> {
    let Some(wanted) = some(wanted) else {
        return Ok(Named::Nobody);
    };
    if let Ok(id) = wanted.parse::<CustomerId>() {
        let found = app
            .store
            .record(viewer.account.organisation, &key(RecordKind::Customer, id))
            .await?;
        return Ok(match found.map(|it| it.record) {
            Some(LedgerRecord::Customer(it)) if viewer.account.may_read(it.territory) => Named::One(it),
            _ => Named::Unknown,
        });
    }
    let mut others = find_visible(app, viewer, wanted).await?;
    let lower = wanted.to_lowercase();
    let exact = |it: &Customer| it.code.to_lowercase() == lower || it.name.to_lowercase() == lower;
    // They come first, so the limit cuts off none of them for a customer of whom it is only a part.
    let mut found: Vec<Customer> = others.extract_if(.., |it| exact(it)).collect();
    if found.is_empty() {
        found = others;
    }
    Ok(match found.len() {
        0 => Named::Unknown,
        1 => found.pop().map_or(Named::Unknown, Named::One),
        _ => Named::Several(found),
    })
}

/// Searches the customers of the reader's territories by name and number: those come first whose whole name or number it is,
/// each part by name; [`MOST_CANDIDATES`] at most.
async fn find_visible(app: &AppState, viewer: &Viewer, wanted: &str) -> Result<Vec<Customer>, PageError> {
    let overview = overview(app, viewer).await?;
    let wanted = wanted.to_lowercase();
    let mut found: Vec<(bool, &Customer)> = visible(&overview, viewer)
        // What is looked through for it holds more than name and number.
        .filter(|it| it.searched.contains(&wanted))
        .filter_map(|it| {
            let customer = &it.customer;
            let (name, code) = (customer.name.to_lowercase(), customer.code.to_lowercase());
            let exact = name == wanted || code == wanted;
            (exact || name.contains(&wanted) || code.contains(&wanted)).then_some((!exact, customer))
        })
        .collect();
    found.sort_by(|(a_part, a), (b_part, b)| (a_part, &a.name, a.id).cmp(&(b_part, &b.name, b.id)));
    Ok(found
        .into_iter()
        .take(MOST_CANDIDATES)
        .map(|(_, it)| it.clone())
        .collect())
}
