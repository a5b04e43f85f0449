//! Sends files for as long as the app runs: woken by what is added and by the network, patient when something is wrong.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    super::{SyncDriver, SyncError, SyncReport, backoff},
    Allowed, EvidenceReport,
    telling::Telling,
};
use crate::{
    evidence::queue,
    store::{Change, Changes},
    sync::{
        engine::Status,
        transport::{EvidenceTransport, Transport, TransportFault},
    },
};

/// The longest that [`SyncDriver::run_evidence`] rests, in milliseconds: the network may have become another one.
const LONGEST_REST: u64 = 300_000;

/// Hears of each pass.
type Told<'a> = dyn Fn(&EvidenceReport) + Send + Sync + 'a;

impl<T: Transport + EvidenceTransport> SyncDriver<T> {
    /// Sends files of evidence until `cancel` is done: when some are added, when their documents have gone, when a
    /// network is there, when those that were put off are due. Goes on beside [`Self::run`], which sends the
    /// documents.
    ///
    /// # Errors
    /// [`SyncError`] when there is no use in going on: signed out, revoked, too old.
    pub async fn run_evidence(
        &self,
        cancel: impl Future<Output = ()>,
        allowed: impl Fn() -> bool + Send + Sync,
    ) -> Result<(), SyncError> {
        self.send_on(cancel, &allowed, &|_| {}).await
    }

    /// [`Self::run`] and [`Self::run_evidence`] beside each other until `cancel` is done. `watch` is told how the documents
    /// stand, and in [`SyncReport::evidence`] what became of the files since this began; and it is told again when more
    /// has become of them. When no more files are sent because there is no use in it, the documents find out by
    /// themselves.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_all(
        &self,
        cancel: impl Future<Output = ()>,
        allowed: impl Fn() -> bool + Send + Sync,
        watch: impl FnMut(&Status, &SyncReport) + Send,
    ) -> Result<(), SyncError> {
        let telling = Mutex::new(Telling::new(watch));
        let telling = || telling.lock().unwrap_or_else(PoisonError::into_inner);
        let syncing = self.run(cancel, |status, report| telling().documents(status, report));
        let told = |passed: &EvidenceReport| telling().files(passed);
        let sending = async {
            if let Err(error) = self.send_on(std::future::pending(), &allowed, &told).await {
                tracing::warn!(%error, "no more files of evidence are sent");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = syncing => ended,
            () = sending => Ok(()),
        }
    }

    /// As [`Self::run_evidence`]; `told` hears of each pass.
    async fn send_on(
        &self,
        cancel: impl Future<Output = ()>,
        allowed: &Allowed<'_>,
        told: &Told<'_>,
    ) -> Result<(), SyncError> {
        let changed = Arc::new(Notify::new());
        let waker = Arc::clone(&changed);
        let _subscription = self.shared.store.subscribe(Arc::new(move |changes: Changes| {
            let relevant = |change: &Change| !matches!(change, Change::Records);
            if changes.iter().any(relevant) {
                waker.notify_one();
            }
        }));
        let mut rng = self.rng()?;
        let work = async {
            let mut failures = 0u32;
            loop {
                let token = self.token().await;
                let fault = match self.pass(allowed).await {
                    Ok((report, fault)) => {
                        told(&report);
                        if report.bytes_up > 0 || report.stored > 0 {
                            // It breaks now and then, and works in between.
                            failures = 0;
                        }
                        fault
                    }
                    Err(error) => {
                        tracing::warn!(%error, "files of evidence could not be sent now");
                        told(&EvidenceReport::failed(&error));
                        Some(TransportFault::Offline)
                    }
                };
                let Some(fault) = fault else {
                    failures = 0;
                    self.rest(&changed, LONGEST_REST).await;
                    continue;
                };
                if fault == TransportFault::SignInAgain && self.token().await != token {
                    // The token was replaced while a request was on its way.
                    continue;
                }
                let asked_for = match fault {
                    TransportFault::SignInAgain
                    | TransportFault::AnotherPhone
                    | TransportFault::Revoked
                    | TransportFault::NeedsNewerApp => return SyncError::from(fault),
                    TransportFault::RetryAfter(millis) => Some(millis),
                    _ => None,
                };
                failures = failures.saturating_add(1);
                let pause = backoff(&self.shared.config, failures, &mut rng);
                self.wait_out(pause, asked_for).await;
            }
        };
        tokio::pin!(cancel);
        tokio::select! {
            () = &mut cancel => Ok(()),
            error = work => Err(error),
        }
    }

    async fn token(&self) -> Option<String> {
        self.blocking(|store| store.token()).await.ok().flatten()
    }

    /// Until something happens, a file is due, or `longest` milliseconds are over.
    async fn rest(&self, changed: &Notify, longest: u64) {
        let due = self
            .blocking(|store| store.read(|connection| queue::next_due_in(connection, store.now())))
            .await;
        let pause = due.ok().flatten().unwrap_or(longest).min(longest);
        tokio::select! {
            () = changed.notified() => {}
            () = self.shared.online_for_evidence.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }

    /// After a fault. A network that returns shortens the pause, but not one that the server asked for.
    async fn wait_out(&self, pause: u64, asked_for: Option<u64>) {
        match asked_for {
            Some(asked_for) => tokio::time::sleep(Duration::from_millis(pause.max(asked_for))).await,
            None => tokio::select! {
                () = self.shared.online_for_evidence.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(pause.min(LONGEST_REST))) => {}
            },
        }
    }
}
