//! A company, its phones and its server on a day on which everything goes wrong, from a printed seed that replays.
//!
//! The real store, engine, protocol, ingest and server store run here; only clocks, network and people are simulated.
//! `FIELDLEDGER_SEEDS=2000` runs more days, `FIELDLEDGER_SEED=17` replays one and prints what happened,
//! `FIELDLEDGER_WATCH=<document>` follows a document through it, `FIELDLEDGER_VARIANT=ClaimBackups` tries one broken protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod checks;
mod credit;
mod device;
mod network;
mod people;
mod server;
mod variants;
mod watch;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use variants::Variant;
use world::{Outcome, Plan, World};

fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { World::new(plan).await.run().await })
}

fn plan(seed: u64, variant: Variant) -> Plan {
    Plan {
        seed,
        phones: 20,
        happenings: 250,
        variant,
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_promise_holds_on_every_day() {
    if let Some(seed) = number("FIELDLEDGER_SEED") {
        let outcome = run(plan(seed, Variant::Sound));
        println!("seed {seed}: {:#?}", outcome.tally);
        assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
        return;
    }
    let days = number("FIELDLEDGER_SEEDS").unwrap_or(200);
    let first = number("FIELDLEDGER_FIRST_SEED").unwrap_or(1);
    println!("simulating {days} days from seed {first} with 20 phones each");
    let next = AtomicU64::new(first);
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..std::thread::available_parallelism().map_or(1, usize::from))
            .map(|_| {
                scope.spawn(|| {
                    let mut failed = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::SeqCst);
                        if seed >= first + days {
                            return failed;
                        }
                        let outcome = std::panic::catch_unwind(|| run(plan(seed, Variant::Sound)));
                        match outcome {
                            Ok(outcome) if outcome.broken.is_empty() => {}
                            Ok(outcome) => failed.push(format!("seed {seed}: {:#?}", outcome.broken)),
                            Err(_) => failed.push(format!("seed {seed}: panicked")),
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(
        failed.is_empty(),
        "{} of {days} days failed; replay one with FIELDLEDGER_SEED=…\n{}",
        failed.len(),
        failed.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_day() {
    for seed in [3, 4] {
        let first = run(plan(seed, Variant::Sound));
        let second = run(plan(seed, Variant::Sound));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.tally, second.tally, "seed {seed}");
    }
    assert_ne!(run(plan(3, Variant::Sound)).trace, run(plan(4, Variant::Sound)).trace);
}

#[test]
fn a_day_is_as_bad_as_it_is_meant_to_be() {
    let mut tally = std::collections::BTreeMap::new();
    for seed in 1..=8 {
        for (what, count) in run(plan(seed, Variant::Sound)).tally {
            *tally.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "access changed",
        "collection noted",
        "customer moved",
        "delivery confirmed",
        "delivery edited",
        "delivery made",
        "delivery signed",
        "kept until a backup",
        "network comes or goes",
        "order taken",
        "phone backed up",
        "phone cloned",
        "phone killed",
        "phone restored",
        "review answered",
        "reviewed",
        "server backed up",
        "server killed",
        "server restored",
        "server's file copied back",
        "visit begun",
        "visit ended",
        "visit's note edited",
    ] {
        assert!(
            tally.get(what).is_some_and(|count| *count > 0),
            "{what} never happened: {tally:?}"
        );
    }
}

/// How many days a broken protocol may go unnoticed.
const PATIENCE: u64 = 60;

#[test]
fn every_broken_protocol_is_caught() {
    let mut missed = Vec::new();
    let only = std::env::var("FIELDLEDGER_VARIANT").ok();
    let chosen = |variant: &Variant| only.as_ref().is_none_or(|name| format!("{variant:?}") == *name);
    for variant in Variant::BROKEN.into_iter().filter(chosen) {
        let caught = (1..=PATIENCE).find_map(|seed| {
            let outcome = std::panic::catch_unwind(|| run(plan(seed, variant)));
            match outcome {
                Ok(outcome) => outcome.broken.into_iter().next().map(|what| (seed, what)),
                Err(_) => Some((seed, "a panic".to_owned())),
            }
        });
        match caught {
            Some((seed, what)) => println!("{variant:?} is caught on day {seed}: {what}"),
            None => missed.push(variant),
        }
    }
    assert!(missed.is_empty(), "not caught within {PATIENCE} days: {missed:?}");
}
