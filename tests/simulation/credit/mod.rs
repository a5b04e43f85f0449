//! Credit given to phones, on a day on which everything goes wrong: nothing is sold twice, and what a phone guarantees is
//! kept.
//!
//! The real store, engine, protocol, ingest and ledger run here; only clocks, network and people are simulated. After each
//! step of the server X + G ≤ L is worked out anew from its records; at the end of the day every promise is looked up.
//! `FIELDLEDGER_SEEDS=1000` runs more days, `FIELDLEDGER_SEED=17` replays one and prints what happened (and every step of it
//! with `FIELDLEDGER_WATCH=all`), `FIELDLEDGER_VARIANT=CachedLimit` tries one wrong way of giving credit.

mod ending;
mod office;
mod phones;
mod truth;
mod variants;
mod world;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use self::{
    variants::Wrong,
    world::{Outcome, Plan, World},
};
use crate::number;

fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { Box::pin(Box::pin(World::new(plan)).await.run()).await })
}

fn plan(seed: u64, wrong: Wrong) -> Plan {
    Plan {
        seed,
        phones: 20,
        happenings: 200,
        wrong,
    }
}

/// Tries a day, and takes a panic for something that is wrong.
fn tried(plan: Plan) -> Result<Outcome, String> {
    match std::panic::catch_unwind(|| run(plan)) {
        Ok(outcome) if outcome.broken.is_empty() => Ok(outcome),
        Ok(outcome) => Err(format!("{:#?}", outcome.broken)),
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .map_or_else(|| "panicked".to_owned(), |it| format!("panicked: {it}"))),
    }
}

/// Runs `work` for each number from `first` on, `count` of them, on every processor; what it answers comes in any order.
fn on_every_processor<T: Send>(first: u64, count: u64, work: impl Fn(u64) -> Option<T> + Sync) -> Vec<T> {
    let next = AtomicU64::new(first);
    let answers = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= first + count {
                        return;
                    }
                    if let Some(answer) = work(number) {
                        answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
                    }
                }
            });
        }
    });
    answers.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn no_credit_is_sold_twice_and_every_guarantee_is_kept() {
    if let Some(seed) = number("FIELDLEDGER_SEED") {
        let outcome = run(plan(seed, Wrong::Nothing));
        println!("seed {seed}: {:#?}", outcome.tally);
        assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
        return;
    }
    let days = number("FIELDLEDGER_SEEDS").unwrap_or(200);
    let first = number("FIELDLEDGER_FIRST_SEED").unwrap_or(1);
    println!("simulating {days} days of credit from seed {first} with 20 phones each");
    let mut failed = on_every_processor(first, days, |seed| {
        let failure = tried(plan(seed, Wrong::Nothing)).err()?;
        Some(format!("seed {seed}: {failure}"))
    });
    failed.sort();
    assert!(
        failed.is_empty(),
        "{} of {days} days failed; replay one with FIELDLEDGER_SEED=…\n{}",
        failed.len(),
        failed.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_day_of_credit() {
    let first = run(plan(3, Wrong::Nothing));
    let second = run(plan(3, Wrong::Nothing));
    assert_eq!(first.trace, second.trace);
    assert_eq!(first.tally, second.tally);
    assert_ne!(first.trace, run(plan(4, Wrong::Nothing)).trace);
}

#[test]
fn a_day_of_credit_is_as_bad_as_it_is_meant_to_be() {
    let mut tally = std::collections::BTreeMap::new();
    for outcome in on_every_processor(1, 12, |seed| Some(run(plan(seed, Wrong::Nothing)))) {
        for (what, count) in outcome.tally {
            *tally.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "above the limit by explicit will",
        "allowance asked back",
        "allowance given back",
        "clock changed",
        "granted",
        "limit changed",
        "money received",
        "network comes or goes",
        "no room for a grant",
        "order cancelled",
        "order guaranteed",
        "order provisional",
        "order released",
        "order turned down",
        "payment returned",
        "phone backed up",
        "phone cloned",
        "phone killed",
        "phone lost",
        "phone mislaid",
        "phone rebooted",
        "phone restored",
        "promise excused",
        "promise kept",
        "server backed up",
        "server killed",
        "server restored",
        "server's file copied back",
        "two at the office",
        "write-off proposed",
        "written off",
    ] {
        assert!(
            tally.get(what).is_some_and(|count| *count > 0),
            "{what} never happened: {tally:?}"
        );
    }
    println!("{tally:#?}");
}

/// How many days a wrong way may go unnoticed.
const PATIENCE: u64 = 60;

#[test]
fn every_wrong_way_of_giving_credit_is_caught() {
    let only = std::env::var("FIELDLEDGER_VARIANT").ok();
    let ways: Vec<Wrong> = match only {
        None => Wrong::WAYS.to_vec(),
        Some(name) => {
            let all = Wrong::WAYS.into_iter().chain(Wrong::SELDOM);
            all.filter(|wrong| format!("{wrong:?}") == name).collect()
        }
    };
    let missed = on_every_processor(0, ways.len() as u64, |at| {
        let wrong = ways[usize::try_from(at).unwrap()];
        let caught = (1..=PATIENCE).find_map(|seed| Some((seed, tried(plan(seed, wrong)).err()?)));
        match caught {
            Some((day, what)) => {
                println!("{wrong:?} is caught on day {day}: {what}");
                None
            }
            None => Some(wrong),
        }
    });
    assert!(missed.is_empty(), "not caught within {PATIENCE} days: {missed:?}");
}
