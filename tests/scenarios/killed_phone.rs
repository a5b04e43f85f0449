//! The app is killed at any instruction.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use fieldledger_tests::crash;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::seed;

#[test]
fn a_phone_that_is_killed_again_and_again_keeps_every_visit_it_acknowledged() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed("FIELDLEDGER_KILL_SEED"));
    let folder = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    for life in 0..12 {
        let mut writer = Command::new(env!("CARGO_BIN_EXE_writer"))
            .args(["visits", folder.path().to_str().unwrap(), "100000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(writer.stdout.take().unwrap());
        let (said, heard) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        // Sometimes while it opens the store, mostly while it writes.
        if life % 4 > 0 {
            lines.push(heard.recv_timeout(Duration::from_secs(60)).unwrap());
        }
        thread::sleep(Duration::from_micros(rng.random_range(0..150_000)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        reader.join().unwrap();
        lines.extend(heard.try_iter());

        let store = crash::open(folder.path()).unwrap();
        let faults = crash::faults(&store, &crash::acknowledged(&lines)).unwrap();
        assert!(faults.is_empty(), "{faults:#?}");
        store.close();
    }
    assert!(lines.len() > 20, "only {} records in twelve lives", lines.len());
}
