//! One of the demo's phones.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fieldledger_core::{
    model::{Timestamp, UserId},
    store::{FieldStore, OpenOptions, PhoneClock, SystemPhoneClock},
    sync::{
        driver::{SyncDriver, SyncReport},
        transport::HttpTransport,
    },
};

use super::{Broken, proxy::Proxy};
use crate::{cli::phone as command, store::Account};

/// The phone's clock: the machine's, moved back in the morning so that a working day fits into a minute.
struct DayClock {
    machine: SystemPhoneClock,
    moved: Arc<AtomicI64>,
    /// How much of the working day has gone by faster than on the machine.
    passed: Arc<AtomicU64>,
}

impl PhoneClock for DayClock {
    fn now(&self) -> Timestamp {
        self.machine.now().plus_millis(self.moved.load(Ordering::Relaxed))
    }
    fn monotonic_millis(&self) -> u64 {
        self.machine.monotonic_millis() + self.passed.load(Ordering::Relaxed)
    }
    fn zone_minutes(&self) -> i16 {
        self.machine.zone_minutes()
    }
}

const MINUTE: i64 = 60 * 1000;
const DAY_MINUTES: i64 = 9 * 60;

/// A phone with its owner, its network and what it has gone through.
pub(super) struct DemoPhone {
    pub(super) name: String,
    role: &'static str,
    pub(super) account: Account,
    pub(super) user: UserId,
    pub(super) path: PathBuf,
    pub(super) store: FieldStore,
    pub(super) proxy: Proxy,
    pub(super) attempts: u32,
    pub(super) failed: u32,
    pub(super) total: SyncReport,
    pub(super) syncing: Duration,
    driver: SyncDriver<HttpTransport>,
    moved: Arc<AtomicI64>,
    passed: Arc<AtomicU64>,
}

impl DemoPhone {
    /// Makes a phone and enrols it with a one-time code, as its owner would.
    pub(super) async fn enrol(
        account: &Account,
        role: &'static str,
        path: &Path,
        proxy: Proxy,
        code: &str,
    ) -> Result<Self, Broken> {
        let moved = Arc::new(AtomicI64::new(0));
        let passed = Arc::new(AtomicU64::new(0));
        let clock = DayClock {
            machine: SystemPhoneClock::new(),
            moved: Arc::clone(&moved),
            passed: Arc::clone(&passed),
        };
        let store = FieldStore::open(OpenOptions {
            app_version: concat!("demo ", env!("CARGO_PKG_VERSION")).to_owned(),
            platform: "cli".to_owned(),
            clock: Arc::new(clock),
            ..OpenOptions::new(path, command::installation(path).map_err(|problem| problem.message)?)
        })?;
        let url = format!("http://{}", proxy.address);
        let called = format!("{} of {}", role, account.name);
        store.enrol(&url, code, &called).await?;
        let driver = SyncDriver::over_http(&store)?;
        Ok(Self {
            name: account.name.clone(),
            role,
            account: account.clone(),
            user: account.user,
            path: path.to_owned(),
            store,
            proxy,
            attempts: 0,
            failed: 0,
            total: SyncReport::default(),
            syncing: Duration::ZERO,
            driver,
            moved,
            passed,
        })
    }

    pub(super) fn introduction(&self) -> String {
        format!("{} ({})  {}", self.name, self.role, self.path.display())
    }

    /// The morning: nine hours ago.
    pub(super) fn begin_day(&self) {
        self.moved.store(-DAY_MINUTES * MINUTE, Ordering::Relaxed);
    }

    /// Lets time pass, as far as the evening.
    pub(super) fn pass(&self, minutes: i64) {
        self.move_to(self.moved.load(Ordering::Relaxed) + minutes * MINUTE);
    }

    pub(super) fn end_day(&self) {
        self.move_to(0);
    }

    fn move_to(&self, moved: i64) {
        let before = self.moved.swap(moved.min(0), Ordering::Relaxed);
        let passed = u64::try_from(moved.min(0) - before).unwrap_or_default();
        self.passed.fetch_add(passed, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from(chrono::Utc::now()).plus_millis(self.moved.load(Ordering::Relaxed))
    }

    /// One attempt to sync.
    pub(super) async fn try_sync(&self) -> Result<SyncReport, Broken> {
        Ok(self.driver.sync_once().await?)
    }

    /// Syncs until one attempt goes through to its end and no change waits. Files go as far as the network lets them.
    pub(super) async fn sync_until_done(&mut self, most: u32) -> Result<(), Broken> {
        let begun = Instant::now();
        let mut last = None;
        for _ in 0..most {
            self.attempts += 1;
            match self.driver.sync_all(|| true).await {
                Ok(report) => {
                    add(&mut self.total, &report);
                    if self.store.status()?.waiting == 0 {
                        self.syncing += begun.elapsed();
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.failed += 1;
                    last = Some(error);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        let why = last.map_or("something keeps waiting".to_owned(), |error| error.to_string());
        Err(format!("{} did not get through in {most} attempts: {why}", self.name).into())
    }

    /// Lets go of the database, so that it can be opened from another terminal.
    pub(super) fn release(&self) {
        self.store.close();
    }
}

fn add(total: &mut SyncReport, report: &SyncReport) {
    total.rounds += report.rounds;
    total.pushed += report.pushed;
    total.pulled += report.pulled;
    total.accepted += report.accepted;
    total.duplicate += report.duplicate;
    total.rejected += report.rejected;
    total.bytes_up += report.bytes_up;
    total.bytes_down += report.bytes_down;
    total.evidence.stored += report.evidence.stored;
    total.evidence.bytes_up += report.evidence.bytes_up;
}
