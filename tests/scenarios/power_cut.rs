//! The power goes at any moment: what was acknowledged is there afterwards.

use std::path::Path;

use fieldledger_tests::{
    crash,
    power::{self, Recording, Wreck},
    skip,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::seed;

const WRITER: &str = env!("CARGO_BIN_EXE_phone-writer");

/// Rebuilds `cuts` wrecks at random moments and hands each to `check`.
fn for_each_wreck(recording: &Recording, cuts: u32, mut check: impl FnMut(&Wreck, &Path, u64)) {
    let first = seed("FIELDLEDGER_POWER_SEED");
    for seed in (0..u64::from(cuts)).map(|n| first.wrapping_add(n)) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let moment = rng.random_range(0..recording.moments());
        let wreck = recording.cut(moment, &mut rng);
        let folder = tempfile::tempdir().unwrap();
        wreck.restore_into(folder.path()).unwrap();
        check(&wreck, folder.path(), seed);
    }
}

fn lost_rows(synchronous: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.db");
    let command = [WRITER, "rows", file.to_str().unwrap(), synchronous, "60"];
    let recording = Recording::of(&command, folder.path()).unwrap();
    assert_eq!(recording.printed().len(), 60);
    let mut wrecks_with_losses = 0;
    for_each_wreck(&recording, 60, |wreck, folder, _| {
        let db = rusqlite::Connection::open(folder.join("rows.db")).unwrap();
        let there = |n: &String| {
            db.query_row("SELECT 1 FROM lines WHERE n = ?1", [n], |_| Ok(()))
                .is_ok()
        };
        wrecks_with_losses += usize::from(!wreck.printed.iter().all(there));
    });
    wrecks_with_losses
}

#[test]
fn the_recording_tells_a_store_that_waits_for_the_disk_from_one_that_does_not() {
    if !power::can_record() {
        return skip("power cut", "strace is not installed or not allowed to trace");
    }
    assert_eq!(lost_rows("FULL"), 0);
    assert!(
        lost_rows("NORMAL") > 0,
        "a store that syncs now and then loses rows it acknowledged"
    );
}

#[test]
fn a_phone_keeps_what_it_acknowledged_whenever_the_power_goes() {
    if !power::can_record() {
        return skip("power cut", "strace is not installed or not allowed to trace");
    }
    let folder = tempfile::tempdir().unwrap();
    let command = [WRITER, "visits", folder.path().to_str().unwrap(), "40"];
    let recording = Recording::of(&command, folder.path()).unwrap();
    for_each_wreck(&recording, 40, |wreck, folder, seed| {
        let acknowledged = crash::acknowledged(&wreck.printed);
        let store = crash::open(folder).unwrap();
        let faults = crash::faults(&store, &acknowledged).unwrap();
        assert!(faults.is_empty(), "FIELDLEDGER_POWER_SEED={seed}: {faults:#?}");
    });
}
