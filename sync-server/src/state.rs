//! What every handler can reach.

use std::{ops::Deref, sync::Arc};

use fieldledger_core::model::OrganisationId;
use tokio::sync::{Semaphore, watch};

use crate::{
    api::OpenConnections,
    auth::{Limits, Lockout, Secrets},
    blobs::Blobs,
    clock::Clock,
    config::ServerConfig,
    ingest::{LiveHub, SyncService, Validator},
    metrics::Metrics,
    overview::Overviews,
    report::team::Months,
    store::{AuditEntry, Step, Store, StoreError},
    web::{CrewCache, FeedCache, ReceivablesCache, TodayCache},
};

/// The running server, as handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// See [`AppState`].
pub struct Shared {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Files of evidence.
    pub blobs: Arc<Blobs>,
    /// Takes in what is pushed and hands out what is pulled.
    pub sync: Arc<SyncService>,
    /// Who judges what is pushed.
    pub validator: Arc<dyn Validator>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub config: ServerConfig,
    /// Source of tokens and codes.
    pub secrets: Secrets,
    /// What every customer comes to today, for the office's pages.
    pub overviews: Overviews,
    /// What customers' books say of months, for the pages of the team.
    pub months: Months,
    /// What is counted.
    pub metrics: Metrics,
    /// How often somebody may ask.
    pub limits: Limits,
    /// Failed sign-ins.
    pub lockout: Lockout,
    /// Exchanges that may be worked on at the same time.
    pub(crate) exchanges: Semaphore,
    /// What was read for the page of today.
    pub(crate) today: TodayCache,
    /// What was read for the list of activity.
    pub(crate) feed: FeedCache,
    /// What was read of people, phones and territories.
    pub(crate) crew: CrewCache,
    /// What was added up for the page of receivables.
    pub(crate) receivables: ReceivablesCache,
    /// Live connections that are open.
    pub(crate) live_connections: OpenConnections,
    /// Goes up when a device or an account may have been shut out: open live connections look again.
    people_changed: watch::Sender<u64>,
    /// True once the server stops.
    stopping: watch::Sender<bool>,
}

impl Deref for AppState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl AppState {
    /// A server's state.
    pub fn new(
        store: Arc<dyn Store>,
        validator: Arc<dyn Validator>,
        clock: Arc<dyn Clock>,
        secrets: Secrets,
        config: ServerConfig,
    ) -> Self {
        let sync = SyncService::new(
            Arc::clone(&store),
            Arc::clone(&validator),
            Arc::clone(&clock),
            Arc::new(LiveHub::new()),
            secrets.bytes(),
        );
        let blobs = Blobs::new(&config.data, config.evidence_reserve());
        Self(Arc::new(Shared {
            sync: Arc::new(sync),
            blobs: Arc::new(blobs.with_most_unfinished(config.evidence_unfinished())),
            validator,
            today: TodayCache::default(),
            feed: FeedCache::default(),
            crew: CrewCache::default(),
            receivables: ReceivablesCache::default(),
            live_connections: OpenConnections::default(),
            overviews: Overviews::default(),
            months: Months::default(),
            metrics: Metrics::new(),
            limits: Limits::new(&config),
            lockout: Lockout::default(),
            exchanges: Semaphore::new(config.max_exchanges.max(1)),
            people_changed: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
            store,
            clock,
            secrets,
            config,
        }))
    }
}

impl Shared {
    /// Writes a line to the audit log, now. What is an action of its own in the store goes through
    /// [`Self::administer`] instead.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(
        &self,
        organisation: OrganisationId,
        actor: impl std::fmt::Display + Send,
        action: &str,
        subject: impl std::fmt::Display + Send,
        detail: impl Into<String> + Send,
    ) -> Result<(), StoreError> {
        let line = self.line(&actor, action, &subject, detail.into());
        self.store.audit(organisation, line).await
    }
    /// Carries out an administrative action and writes its line to the audit log, wholly or not at all.
    ///
    /// # Errors
    /// As [`PeopleStore::administer`](crate::store::PeopleStore::administer).
    pub async fn administer(
        &self,
        organisation: OrganisationId,
        steps: Vec<Step>,
        actor: impl std::fmt::Display + Send,
        action: &str,
        subject: impl std::fmt::Display + Send,
        detail: impl Into<String> + Send,
    ) -> Result<(), StoreError> {
        let line = self.line(&actor, action, &subject, detail.into());
        self.store.administer(organisation, steps, line).await
    }
    fn line(
        &self,
        actor: &dyn std::fmt::Display,
        action: &str,
        subject: &dyn std::fmt::Display,
        detail: String,
    ) -> AuditEntry {
        AuditEntry {
            at: self.clock.now(),
            actor: actor.to_string(),
            action: action.to_owned(),
            subject: subject.to_string(),
            detail,
        }
    }
    /// Says that a device or an account was changed, so that open connections look again.
    pub fn people_changed(&self) {
        self.people_changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes with each [`Self::people_changed`].
    pub(crate) fn people_version(&self) -> u64 {
        *self.people_changed.borrow()
    }

    /// Watches for [`Self::people_changed`].
    pub fn watch_people(&self) -> watch::Receiver<u64> {
        self.people_changed.subscribe()
    }
    /// Says that the server stops: live connections end, the readiness probe fails.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }
    /// Becomes true once the server stops.
    pub fn watch_stop(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
    /// Whether the server stops.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
