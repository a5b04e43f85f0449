use std::time::Instant;

use crate::model::Timestamp;

/// The phone's clocks. The wall clock may be wrong by years; the monotonic one only counts.
pub trait PhoneClock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Milliseconds of a clock that never goes back while the process lives.
    fn monotonic_millis(&self) -> u64;
    /// Minutes by which the phone's zone is ahead of UTC.
    fn zone_minutes(&self) -> i16;
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
}
