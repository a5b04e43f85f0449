//! Receivables: what is owed and for how long, whom to see today, money without a home, reminders, statements, timers.
//!
//! Sums over all customers come from the [overview](crate::overview), which the reports agree with; what is done to one
//! customer's books is a function of the ledger. Supervisors see their territories; money is moved by those who keep the
//! books.

mod ageing;
mod interest;
mod invoice;
mod money;
mod receipt;
mod reminders;
pub(super) mod statements;
mod suggest;
mod timers;
mod unmatched;
mod worklist;

pub(crate) use ageing::ReceivablesCache;
use axum::routing::{get, post};
use fieldledger_core::model::{Customer, CustomerId, InvalidField};

use super::{
    Pages, customers,
    error::PageError,
    form::{Outcome, Posted},
    page::parsed,
    table::Sent,
};
use crate::{
    ledger::{
        Actor, Draft,
        finance::{Act, begin, conclude},
    },
    state::AppState,
};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/receivables", get(ageing::show))
        .route("/receivables/worklist", get(worklist::show))
        .route("/receivables/reminders", get(reminders::show))
        .route("/receivables/unmatched", get(unmatched::show).post(unmatched::record))
        .route(
            "/receivables/unmatched/{reference}",
            get(unmatched::show_one).post(unmatched::assign),
        )
        .route("/receivables/statements", get(statements::list))
        .route("/receivables/statements/{id}", get(statements::show))
        .route("/receivables/statements/{id}/links", post(statements::make_link))
        .route("/receivables/statements/{id}/revoke", post(statements::revoke_links))
        .route("/receivables/timers", get(timers::show))
        .route("/customers/{id}/money", get(money::show).post(money::register))
        .route(
            "/customers/{id}/receipts/{name}",
            get(receipt::show_receipt).post(receipt::act_on_receipt),
        )
        .route(
            "/customers/{id}/credit-notes/{name}",
            get(receipt::show_note).post(receipt::act_on_note),
        )
        .route(
            "/customers/{id}/invoices/{number}",
            get(invoice::show).post(invoice::act),
        )
        .route("/customers/{id}/interest", get(interest::show).post(interest::charge))
        .route("/customers/{id}/reminders", post(reminders::reminded))
}

/// The customer, for somebody who keeps the books.
async fn bookkeeping(app: &AppState, posted: &Posted, id: &str) -> Result<Customer, PageError> {
    let customer = customers::known(app, &posted.viewer, parsed(id)?).await?;
    if posted.viewer.may_keep_books() {
        Ok(customer)
    } else {
        Err(PageError::NotYourRole)
    }
}

/// Carries out an action of finance on a customer's ledger, as the interface for software does.
async fn act(
    app: &AppState,
    posted: &Posted,
    customer: CustomerId,
    action: impl FnOnce(&mut Draft, Act<'_>) -> Result<(), InvalidField> + Send + 'static,
) -> Result<Outcome, PageError> {
    let (actor, now) = (Actor::from(posted.viewer.account.user), app.clock.now());
    posted
        .decide(app, customer, move |ledger| {
            let act = Act { by: &actor, now };
            let mut draft = begin(ledger, now);
            action(&mut draft, act)?;
            conclude(draft, act, |_| Ok(String::new()))
        })
        .await
}

/// Carries out the steps of an administrative action in the name of the reader, with its line of the audit log.
async fn act_as_administration(
    app: &AppState,
    viewer: &super::page::Viewer,
    steps: Vec<crate::store::Step>,
    action: &str,
    subject: impl std::fmt::Display + Send,
    detail: String,
) -> Result<(), PageError> {
    let account = &viewer.account;
    app.administer(account.organisation, steps, account.user, action, subject, detail)
        .await?;
    Ok(())
}

/// Rows to pass over, within a list of `total` that is shown `size` at a time, and the addresses of the parts beside it.
fn turned(
    sent: &Sent,
    name: &'static str,
    total: usize,
    size: usize,
) -> Result<(usize, Option<String>, Option<String>), PageError> {
    let from = sent.parsed::<u32>(name, "credit.page")?.unwrap_or(0);
    let start = usize::try_from(from).unwrap_or(usize::MAX).min(total);
    let turn = |to: usize| sent.address_with(&[(name, &to.to_string()), ("done", "")]);
    let previous = (start > 0).then(|| turn(start.saturating_sub(size)));
    let next = (start + size < total).then(|| turn(start + size));
    Ok((start, previous, next))
}
