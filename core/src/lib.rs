//! Fieldledger's core: everything a phone does, without a user interface.
//!
//! Field reps record visits, delivery sign-offs, collection notes and orders without a network; the core keeps them in
//! local SQLite and syncs them with a server. The layers, each using only those to its left:
//!
//! ```text
//! model ← rules ← document ← db ← sync ← store
//! ```
//!
//! * [`model`]: plain business types.
//! * [`rules`]: the business's rules, pure functions.
//! * [`document`]: model values as Automerge documents: edit, merge, disagreements, history.
//! * [`sync`]: protocol, engine, driver, transport.
//!
//! The server uses the crate without its `client` feature: no SQLite, no HTTP client.

pub mod document;
pub mod model;
pub mod rules;
pub mod sync;
