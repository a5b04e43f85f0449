//! Fieldledger's sync server: accepts what phones recorded, keeps it, and shows it to supervisors.

pub mod administration;
pub mod api;
pub mod auth;
pub mod blobs;
pub mod cli;
pub mod clock;
pub mod company;
pub mod config;
pub mod error;
pub mod import;
pub mod ingest;
pub mod jobs;
pub mod ledger;
mod metrics;
pub mod overview;
pub mod report;
pub mod state;
pub mod store;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, dead_code)]
pub(crate) mod testing;
mod web;

use axum::Router;

pub use state::AppState;

/// The whole server as one router: the interface for phones and software, and the pages for people.
pub fn build_app(state: AppState) -> Router {
    let nowhere = web::nowhere().with_state(state.clone());
    let router = api::router().merge(web::router(&state)).fallback_service(nowhere);
    api::protect(router, &state).with_state(state)
}
