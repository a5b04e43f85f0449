//! The power goes at any moment: what was acknowledged is there afterwards.

use fieldledger_server::store::{DocumentStore as _, sqlite::SqliteStore};
use fieldledger_tests::{
    company::Company,
    crash,
    power::{self, Recording},
    skip,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::seed;

const WRITER: &str = env!("CARGO_BIN_EXE_writer");

/// Rebuilds `cuts` wrecks at random moments: the folder, what had been printed, and the seed.
fn wrecks(recording: &Recording, cuts: u64) -> impl Iterator<Item = (TempDir, Vec<String>, u64)> {
    let first = seed("FIELDLEDGER_POWER_SEED");
    (0..cuts).map(move |n| {
        let seed = first.wrapping_add(n);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let moment = rng.random_range(0..recording.moments());
        let wreck = recording.cut(moment, &mut rng);
        let folder = tempfile::tempdir().unwrap();
        wreck.restore_into(folder.path()).unwrap();
        (folder, wreck.printed, seed)
    })
}

fn lost_rows(synchronous: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.db");
    let command = [WRITER, "rows", file.to_str().unwrap(), synchronous, "60"];
    let recording = Recording::of(&command, folder.path()).unwrap();
    assert_eq!(recording.printed().len(), 60);
    let mut wrecks_with_losses = 0;
    for (folder, printed, _) in wrecks(&recording, 60) {
        let db = rusqlite::Connection::open(folder.path().join("rows.db")).unwrap();
        let there = |n: &String| {
            db.query_row("SELECT 1 FROM lines WHERE n = ?1", [n], |_| Ok(()))
                .is_ok()
        };
        wrecks_with_losses += usize::from(!printed.iter().all(there));
    }
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
    for (folder, printed, seed) in wrecks(&recording, 40) {
        let acknowledged = crash::acknowledged(&printed);
        let store = crash::open(folder.path()).unwrap();
        let faults = crash::faults(&store, &acknowledged).unwrap();
        assert!(faults.is_empty(), "FIELDLEDGER_POWER_SEED={seed}: {faults:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_what_it_acknowledged_whenever_the_power_goes() {
    if !power::can_record() {
        return skip("power cut", "strace is not installed or not allowed to trace");
    }
    let folder = tempfile::tempdir().unwrap();
    let command = [WRITER, "server", folder.path().to_str().unwrap(), "40"];
    let recording = Recording::of(&command, folder.path()).unwrap();
    assert_eq!(recording.printed().len(), 40);
    for (folder, printed, seed) in wrecks(&recording, 30) {
        let store = SqliteStore::open(folder.path()).unwrap();
        assert_eq!(
            store.verify().await.unwrap(),
            Vec::<String>::new(),
            "FIELDLEDGER_POWER_SEED={seed}"
        );
        for id in printed {
            let id = id.parse().unwrap();
            let found = store.document(Company::named().organisation, id).await.unwrap();
            assert!(
                found.is_some(),
                "FIELDLEDGER_POWER_SEED={seed}: {id} was acknowledged and is gone"
            );
        }
    }
}
