//! Customers: the list, and everything about one of them on a page.
//!
//! * `list`: found, sorted, exported.
//! * `show`: one customer: what is decided, owed, promised, said and done.
//! * `owed`: what is open on a day, below a statement's lines.
//! * `statement`: the account of today as a statement would show it.
//! * `credit`: what finance decides about credit, and what is reserved for phones.

mod credit;
pub(super) mod list;
pub(super) mod owed;
mod show;
mod statement;
pub(super) mod view;

pub(in crate::web) use show::{Failed, page};

use axum::routing::{get, post};
use fieldledger_core::model::{Customer, CustomerId, LedgerRecord, RecordKind};

use super::{Pages, error::PageError, names::key, page::Viewer};
use crate::{state::AppState, store::CustomerLedger};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/customers", get(list::show))
        .route("/customers/{id}", get(show::show))
        .route("/customers/{id}/statement", get(statement::show))
        .route("/customers/{id}/terms", post(credit::set_terms))
        .route("/customers/{id}/assessments", post(credit::assess))
        .route("/customers/{id}/holds", post(credit::hold))
        .route("/customers/{id}/grants", post(credit::grant))
        .route("/customers/{id}/supply", post(credit::decide_supply))
        .route("/customers/{id}/statements", post(credit::issue_statement))
}

/// The customer with this id, when the reader may know of them.
pub(super) async fn known(app: &AppState, viewer: &Viewer, id: CustomerId) -> Result<Customer, PageError> {
    let org = viewer.account.organisation;
    let stored = app.store.record(org, &key(RecordKind::Customer, id)).await?;
    match stored.map(|it| it.record) {
        Some(LedgerRecord::Customer(it)) if viewer.account.may_read(it.territory) => Ok(it),
        _ => Err(PageError::NotFound),
    }
}

/// Everything in the ledger about a customer, when there is one whom the reader may see.
pub(super) async fn ledger(app: &AppState, viewer: &Viewer, id: CustomerId) -> Result<CustomerLedger, PageError> {
    let found = app.store.customer_ledger(viewer.account.organisation, id).await?;
    found
        .filter(|it| viewer.account.may_read(it.customer.territory))
        .ok_or(PageError::NotFound)
}
