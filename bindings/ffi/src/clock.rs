use std::sync::Arc;

use fieldledger_core::{
    model::Timestamp,
    store::{BootClock, PhoneClock, SystemPhoneClock},
};

use super::CallbackFailed;

/// The phone's own account of how long it has been running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ClockReading {
    /// Another number after each start of the phone.
    pub run: i64,
    /// Milliseconds since then, time asleep included.
    pub millis: i64,
}

/// Tells how long the phone has been running; the app implements it where the library cannot find out by itself.
///
/// Offline allowances can be spent after a restart of the app, without a sync, only with such a clock. Android:
/// `SystemClock.elapsedRealtime()` and `Settings.Global.BOOT_COUNT`; Apple: `CLOCK_MONOTONIC_RAW` and
/// `kern.bootsessionuuid`. On Linux the library reads the kernel's.
#[uniffi::export(with_foreign)]
pub trait BootClockSource: Send + Sync {
    /// The clock now.
    ///
    /// # Errors
    /// Whatever the app throws; the library then counts from when the app was started.
    fn read(&self) -> Result<ClockReading, CallbackFailed>;
}

/// The system's clocks, with the app's account of the boot.
pub(crate) struct AppClock {
    pub(crate) system: SystemPhoneClock,
    pub(crate) boot: Option<Arc<dyn BootClockSource>>,
}

impl PhoneClock for AppClock {
    fn now(&self) -> Timestamp {
        self.system.now()
    }
    fn monotonic_millis(&self) -> u64 {
        self.system.monotonic_millis()
    }
    fn zone_minutes(&self) -> i16 {
        self.system.zone_minutes()
    }
    fn boot(&self) -> BootClock {
        match self.boot.as_ref().map(|it| it.read()) {
            Some(Ok(reading)) => BootClock {
                run: reading.run.cast_unsigned(),
                millis: reading.millis.max(0).cast_unsigned(),
            },
            // A failing source must not look like a restart of the phone now and like none the next time.
            Some(Err(error)) => {
                tracing::warn!(%error, "the app could not say how long the phone has been running");
                self.system.boot()
            }
            None => self.system.boot(),
        }
    }
}
