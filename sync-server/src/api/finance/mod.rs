//! The interface for finance: what an ERP, a bank's program or a report does and reads. Each change is a POST with a key
//! of its own, so that it can be repeated safely; amounts are text with a currency; a field that nobody knows is refused by
//! its name. The rules are those of [`crate::ledger::finance`].
//!
//! * `wire`: what is read from bodies, strictly.
//! * `posted`: who asks, once, and what becomes of it.
//! * `documents`, `money`, `unidentified`, `credit`: what can be asked.
//! * `reading`, `answers`: what can be read.

mod answers;
mod credit;
mod documents;
mod money;
mod posted;
mod reading;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod unidentified;
mod wire;

use axum::routing;
use utoipa::OpenApi;

pub(super) use posted::FieldProblem;

use super::Route;

const CUSTOMER: &str = "/api/v1/customers/{customer}";
const OPEN_ITEMS: &str = "/api/v1/customers/{customer}/open-items";
const RECEIPTS: &str = "/api/v1/customers/{customer}/receipts";
const UNALLOCATED: &str = "/api/v1/customers/{customer}/unallocated";
const CLEARING: &str = "/api/v1/customers/{customer}/receipts/{receipt}/clearing";
const RETURN: &str = "/api/v1/customers/{customer}/receipts/{receipt}/return";
const RECEIPT_ALLOCATIONS: &str = "/api/v1/customers/{customer}/receipts/{receipt}/allocations";
const RECEIPT_REVERSALS: &str = "/api/v1/customers/{customer}/receipts/{receipt}/reversals";
const CREDIT_NOTES: &str = "/api/v1/customers/{customer}/credit-notes";
const NOTE_ALLOCATIONS: &str = "/api/v1/customers/{customer}/credit-notes/{credit_note}/allocations";
const NOTE_REVERSALS: &str = "/api/v1/customers/{customer}/credit-notes/{credit_note}/reversals";
const INVOICES: &str = "/api/v1/customers/{customer}/invoices";
const DISPUTES: &str = "/api/v1/customers/{customer}/invoices/{invoice}/disputes";
const SETTLEMENTS: &str = "/api/v1/customers/{customer}/invoices/{invoice}/settlements";
const EXTENSIONS: &str = "/api/v1/customers/{customer}/invoices/{invoice}/extensions";
const CONTRACTS: &str = "/api/v1/customers/{customer}/contracts";
const TERMS: &str = "/api/v1/customers/{customer}/credit/terms";
const ASSESSMENTS: &str = "/api/v1/customers/{customer}/credit/assessments";
const HOLDS: &str = "/api/v1/customers/{customer}/credit/holds";
const LIFTED_HOLDS: &str = "/api/v1/customers/{customer}/credit/lifted-holds";
const UNIDENTIFIED: &str = "/api/v1/unidentified-receipts";
const ASSIGNMENT: &str = "/api/v1/unidentified-receipts/{receipt}/assignment";
const UNMATCHED: &str = "/api/v1/unmatched";
const HELD_ORDERS: &str = "/api/v1/held-orders";
const RELEASE: &str = "/api/v1/held-orders/{order}/release";
const REFUSAL: &str = "/api/v1/held-orders/{order}/refusal";

/// Every route for finance.
pub(super) fn routes() -> Vec<Route> {
    let get = |path, handler| Route {
        method: "get",
        path,
        handler,
    };
    let post = |path, handler| Route {
        method: "post",
        path,
        handler,
    };
    vec![
        get(CUSTOMER, routing::get(reading::show_customer)),
        get(OPEN_ITEMS, routing::get(reading::show_open_items)),
        get(RECEIPTS, routing::get(reading::show_receipts)),
        get(UNALLOCATED, routing::get(reading::show_unallocated)),
        get(UNMATCHED, routing::get(reading::show_unmatched)),
        get(HELD_ORDERS, routing::get(reading::show_held_orders)),
        post(INVOICES, routing::post(documents::issue_invoice)),
        post(DISPUTES, routing::post(documents::open_dispute)),
        post(SETTLEMENTS, routing::post(documents::settle_dispute)),
        post(EXTENSIONS, routing::post(documents::extend)),
        post(CONTRACTS, routing::post(documents::record_contract)),
        post(RECEIPTS, routing::post(money::register_receipt)),
        post(CLEARING, routing::post(money::clear_receipt)),
        post(RETURN, routing::post(money::return_receipt)),
        post(RECEIPT_ALLOCATIONS, routing::post(money::allocate_receipt)),
        post(RECEIPT_REVERSALS, routing::post(money::reverse_of_receipt)),
        post(CREDIT_NOTES, routing::post(money::issue_credit_note)),
        post(NOTE_ALLOCATIONS, routing::post(money::allocate_credit_note)),
        post(NOTE_REVERSALS, routing::post(money::reverse_of_credit_note)),
        post(UNIDENTIFIED, routing::post(unidentified::record)),
        post(ASSIGNMENT, routing::post(unidentified::assign)),
        post(TERMS, routing::post(credit::set_terms)),
        post(ASSESSMENTS, routing::post(credit::assess)),
        post(HOLDS, routing::post(credit::hold)),
        post(LIFTED_HOLDS, routing::post(credit::lift_hold)),
        post(RELEASE, routing::post(credit::release)),
        post(REFUSAL, routing::post(credit::refuse)),
    ]
}

/// Their description.
#[derive(OpenApi)]
#[openapi(paths(
    reading::show_customer,
    reading::show_open_items,
    reading::show_receipts,
    reading::show_unallocated,
    reading::show_unmatched,
    reading::show_held_orders,
    documents::issue_invoice,
    documents::open_dispute,
    documents::settle_dispute,
    documents::extend,
    documents::record_contract,
    money::register_receipt,
    money::clear_receipt,
    money::return_receipt,
    money::allocate_receipt,
    money::reverse_of_receipt,
    money::issue_credit_note,
    money::allocate_credit_note,
    money::reverse_of_credit_note,
    unidentified::record,
    unidentified::assign,
    credit::set_terms,
    credit::assess,
    credit::hold,
    credit::lift_hold,
    credit::release,
    credit::refuse,
))]
pub(super) struct FinanceInterface;
