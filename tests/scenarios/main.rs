//! Stories with named people, each against a real server: 李娜 and Marta sell, 老王 drives, 陈静 supervises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod power_cut;

/// The seed of a test that draws at random: given in the environment, or fresh and printed, so that a failure can be
/// run again.
fn seed(variable: &str) -> u64 {
    let seed = std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("{variable}={seed}");
    seed
}
