//! Keeping phone and server in step.
//!
//! * [`protocol`]: what goes over the wire; shared with the server.
//! * [`enrolment`]: what the QR code of an enrolment says.
//! * `engine`: decides what to do next, without I/O, clock or randomness of its own.
//! * `driver`: gives the engine SQLite, HTTP, clock and randomness.
//! * `transport`: HTTP.

#[cfg(feature = "client")]
pub mod driver;
#[cfg(feature = "client")]
pub mod engine;
pub mod enrolment;
pub mod protocol;
#[cfg(feature = "client")]
pub mod transport;

#[cfg(all(test, feature = "client"))]
pub(crate) mod fake;
