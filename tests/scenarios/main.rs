//! Stories with named people, each against a real server: 李娜 and Marta sell in the north, Jonas in the south, 老王
//! drives, 陈静 supervises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]
mod killed_phone;
mod power_cut;
fn seed(variable: &str) -> u64 {
    let seed = std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("{variable}={seed}");
    seed
}
