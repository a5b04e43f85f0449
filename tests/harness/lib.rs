//! What scenarios, simulation and measurements share: companies with named people, real servers, real phones, a bad
//! network, a disk that loses power.

pub mod company;
pub mod crash;
pub mod network;
pub mod phone;
pub mod power;
pub mod server;
pub mod visits;

/// Leaves a test out, and says so where the test command reads it. In CI nothing may be left out.
///
/// # Panics
/// With `CI=true`.
pub fn skip(test: &str, why: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{test} cannot be left out in CI: {why}"
    );
    if let Ok(list) = std::env::var("FIELDLEDGER_SKIPS") {
        use std::io::Write as _;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut file| writeln!(file, "{test}: {why}"));
    }
}
