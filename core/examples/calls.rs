//! What calls cost in Rust, on the database that the measurement of the Kotlin package leaves
//! (`bindings/kotlin/fieldledger/src/test/kotlin/com/fieldledger/Measure.kt`), to be set beside what they cost there:
//!
//! ```sh
//! cargo run --release -p fieldledger-core --example calls -- DATABASE
//! ```
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, hint::black_box, path::Path, time::Instant};

use fieldledger_core::{
    model::{DocumentKind, VisitPurpose},
    store::{FieldStore, ListQuery, OpenOptions},
};

const VISITS: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let database = std::env::args().nth(1).ok_or("which database?")?;
    let database = Path::new(&database);
    let installation = fs::read_to_string(database.with_file_name("installation"))?;
    let installation: uuid::Uuid = installation.trim().parse()?;
    let started = Instant::now();
    let store = FieldStore::open(OpenOptions::new(database, installation.into_bytes()))?;
    println!("| call | Rust |\n|---|---|");
    println!("| opening the store | {:.3} ms, once |", millis(started));
    let visits = |limit| ListQuery {
        kind: Some(DocumentKind::Visit),
        limit,
        ..ListQuery::default()
    };
    let newest = store
        .list(&visits(1))?
        .pop()
        .ok_or("no visits: run the other measurement first")?;
    let customer = newest.customer.ok_or("a visit without a customer")?;
    many("identity: a call that touches no disk", 20_000, || Ok(store.identity()))?;
    many("is_closed", 5_000, || Ok(store.is_closed()))?;
    many("one row", 2_000, || Ok(store.row(newest.id)?))?;
    many("listing 1000 visits", 100, || Ok(store.list(&visits(VISITS))?))?;
    many("listing 50 visits", 500, || Ok(store.list(&visits(50))?))?;
    many("recording one visit", VISITS, || {
        Ok(store.start_visit(customer, VisitPurpose::Routine, None)?)
    })?;
    Ok(())
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The median and the 95th percentile, after a fifth of the calls to warm up.
fn many<T>(
    what: &str,
    times: usize,
    mut work: impl FnMut() -> Result<T, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        black_box(work()?);
        took.push(millis(started));
    }
    let warm = &mut took[times / 5..];
    warm.sort_by(f64::total_cmp);
    println!(
        "| {what} | {:.4} ms (95 %: {:.4}) |",
        warm[warm.len() / 2],
        warm[warm.len() * 95 / 100]
    );
    Ok(())
}
