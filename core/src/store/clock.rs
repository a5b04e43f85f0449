use std::{hash::BuildHasher as _, sync::OnceLock, time::Instant};

use crate::model::Timestamp;

/// The phone's clocks. The wall clock may be wrong by years; the monotonic one only counts.
pub trait PhoneClock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Milliseconds of a clock that never goes back while the process lives.
    fn monotonic_millis(&self) -> u64;
    /// Minutes by which the phone's zone is ahead of UTC.
    fn zone_minutes(&self) -> i16;
    /// A monotonic clock that lives as long as the phone runs, not only the process: an app that was started again can
    /// still tell how much time has gone by since the last sync. By default that of the process, so that offline
    /// allowances cannot be spent after the app was started anew until the next sync.
    ///
    /// Android: `SystemClock.elapsedRealtime()` and `Settings.Global.BOOT_COUNT`; Apple: `CLOCK_MONOTONIC_RAW` and
    /// `kern.bootsessionuuid`.
    fn boot(&self) -> BootClock {
        BootClock {
            run: process_run(),
            millis: self.monotonic_millis(),
        }
    }
}

/// Time since the phone was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootClock {
    /// Another number after each start.
    pub run: u64,
    /// Milliseconds since then, time asleep included.
    pub millis: u64,
}

/// A number that names this process.
fn process_run() -> u64 {
    static RUN: OnceLock<u64> = OnceLock::new();
    *RUN.get_or_init(|| {
        // Seeded anew by the system in each process.
        let state = std::collections::hash_map::RandomState::new();
        state.hash_one(std::process::id())
    })
}

/// The kernel's own account of the boot: its id, and the time since, time asleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn kernel_boot() -> Option<BootClock> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let run = u64::from_str_radix(id.trim().get(..8)?, 16).ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    let (seconds, hundredths): (u64, u64) = (seconds.parse().ok()?, hundredths.parse().ok()?);
    Some(BootClock {
        run,
        millis: seconds * 1000 + hundredths * 10,
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn kernel_boot() -> Option<BootClock> {
    None
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemPhoneClock {
    start: Instant,
}

impl SystemPhoneClock {
    /// The clocks, counting from now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemPhoneClock {
    fn default() -> Self {
        Self::new()
    }
}

impl PhoneClock for SystemPhoneClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }
    fn monotonic_millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    fn zone_minutes(&self) -> i16 {
        i16::try_from(chrono::Local::now().offset().local_minus_utc() / 60).unwrap_or_default()
    }
    fn boot(&self) -> BootClock {
        kernel_boot().unwrap_or_else(|| BootClock {
            run: process_run(),
            millis: self.monotonic_millis(),
        })
    }
}
