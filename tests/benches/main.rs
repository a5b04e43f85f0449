//! Measures Fieldledger beside two baselines in the same run, prints one table and writes it to a file.
//!
//! `cargo run --release -p fieldledger-tests --bin bench [-- --quick] [FILE]`
#![allow(clippy::print_stdout, clippy::print_stderr, dead_code)]

mod baseline;
mod cpu;
mod table;

use fieldledger_core::document::edit::tree_of;
use fieldledger_core::model::{CustomerId, UserId};
use fieldledger_tests::visits::VisitMaker;

pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let customers = (1..=200).map(|n| CustomerId::from_bytes([n; 16])).collect();
    let docs: Vec<(String, String)> = VisitMaker::new(1, customers, UserId::from_bytes([9; 16]))
        .take(10_000)
        .enumerate()
        .map(|(n, visit)| {
            let id = uuid::Uuid::new_v5(&uuid::Uuid::nil(), &n.to_be_bytes());
            Ok((id.to_string(), tree_of(&visit)?.to_string()))
        })
        .collect::<Result<_>>()?;
    let json = baseline::json(&docs, 5).await?;
    println!(
        "push {:?} {} B, pull {:?} {} B, disk {}",
        json.push_cpu, json.push_bytes, json.pull_cpu, json.pull_bytes, json.disk_bytes
    );
    Ok(())
}
