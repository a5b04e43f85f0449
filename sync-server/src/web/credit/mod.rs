//! The credit desk: orders that wait for a person, credit that is reserved for phones, early warnings.
//!
//! * `held`: orders that wait; each is decided on by itself. `reasons`: why, and how things stand by now.
//! * `orders`: what an order came to and what happened to it, in words.
//! * `allowances`: credit that is reserved for phones.
//! * `warnings`: early warnings.
//!
//! The pages change by themselves when a phone brings something in; what somebody is typing stays.

pub(super) mod allowances;
mod held;
mod orders;
pub(super) mod reasons;
pub(super) mod warnings;

pub(super) use orders::{event_words, place_of, standing_name, total};

use axum::routing::{get, post};

use super::Pages;

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/credit", get(held::show))
        .route("/credit/orders/{id}", post(held::decide))
        .route("/credit/allowances", get(allowances::show))
        .route("/credit/allowances/{customer}/{id}", post(allowances::act))
        .route("/credit/warnings", get(warnings::show))
        .route("/credit/warnings/{customer}/{rule}", post(warnings::acknowledge))
}

/// The parts of the credit desk.
pub(super) struct Tabs {
    pub(super) here: &'static str,
    pub(super) held: u64,
}
