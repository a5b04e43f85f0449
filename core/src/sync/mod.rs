//! Keeping phone and server in step.
//!
//! * [`protocol`]: what goes over the wire; shared with the server.
//! * `engine`: decides what to do next, without I/O, clock or randomness of its own.
//! * `driver`: gives the engine SQLite, HTTP, clock and randomness.
//! * `transport`: HTTP.

pub mod protocol;
