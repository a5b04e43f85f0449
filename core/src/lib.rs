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
//! * `db`: SQLite (with the `client` feature, as everything below).
//! * [`sync`]: protocol, engine, driver, transport.
//! * `evidence`: files of photos and signatures, and the queue of those to be sent.
//! * `store`: `FieldStore`, one method for each thing a person does.
//!
//! The server uses the crate without its `client` feature: no SQLite, no HTTP client.

// UniFFI's macros and the two sorted collections of `foreign_types` implement traits that are unsafe to implement wrongly;
// nothing here dereferences anything.
#![cfg_attr(feature = "uniffi", allow(unsafe_code))]

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!();

#[cfg(feature = "client")]
pub mod db;
pub mod document;
#[cfg(feature = "client")]
pub mod error;
#[cfg(feature = "client")]
pub mod evidence;
#[cfg(feature = "uniffi")]
pub mod foreign_types;
pub mod model;
pub mod rules;
#[cfg(feature = "client")]
pub mod store;
pub mod sync;
