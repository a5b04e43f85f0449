//! CPU time and memory as the kernel counts them, for this process and every process it started.

use std::{fs, path::Path, time::Duration};

/// One tick of the kernel's accounting: 10 ms on every Linux that Rust supports.
const TICK: Duration = Duration::from_millis(10);

/// CPU time spent so far by this process and all its descendants, living or gone.
pub(crate) fn total() -> Duration {
    let mut ticks = 0;
    let mut waiting = vec![std::process::id()];
    while let Some(pid) = waiting.pop() {
        ticks += ticks_of(pid).unwrap_or(0);
        waiting.extend(children_of(pid));
    }
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// User and system time of a process and of those of its children that have ended.
fn ticks_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the fields after it are counted from the state, the third.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    fields.get(11..15)?.iter().map(|it| it.parse::<u64>().ok()).sum()
}

fn children_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|it| it.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// CPU time spent so far by the living threads of a process and of its descendants, to the microsecond.
pub(crate) fn precise(pid: u32) -> Duration {
    let mut nanos = 0;
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        let threads = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let times = threads.filter_map(|it| fs::read_to_string(it.path().join("schedstat")).ok());
        nanos += times
            .filter_map(|it| it.split(' ').next()?.parse::<u64>().ok())
            .sum::<u64>();
        waiting.extend(children_of(pid));
    }
    Duration::from_nanos(nanos)
}

/// How many processes have wanted a processor at a time within the last minute, as the kernel counts them.
pub(crate) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// A line of this process's memory accounting in bytes: `VmRSS` (now) or `VmHWM` (the most so far).
pub(crate) fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// Begins to count `VmHWM` anew. Where the kernel does not allow it the count goes on, and is at worst too high.
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes of a SQLite database with its log and index files.
pub(crate) fn database_bytes(path: &Path) -> u64 {
    ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| fs::metadata(format!("{}{suffix}", path.display())).ok())
        .map(|it| it.len())
        .sum()
}
