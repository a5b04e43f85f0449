//! Tells whoever listens that a stream has grown.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use fieldledger_core::{model::OrganisationId, sync::protocol::StreamMark};
use tokio::sync::broadcast;

/// News that a listener may fall behind by before it is told so.
const BACKLOG: usize = 1_024;

/// News of one organisation: a stream has grown, or (`None`) something that is in no stream has changed.
pub type News = (OrganisationId, Option<StreamMark>);

/// Spreads the news that a stream has grown within this process.
#[derive(Clone, Debug)]
pub struct LiveHub {
    sender: broadcast::Sender<News>,
    /// How often something was published.
    version: Arc<AtomicU64>,
}

impl Default for LiveHub {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveHub {
    /// A hub nobody listens to yet.
    pub fn new() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
            version: Arc::default(),
        }
    }

    /// Listens to an organisation.
    pub fn subscribe(&self, organisation: OrganisationId) -> LiveNews {
        LiveNews {
            organisation,
            receiver: self.sender.subscribe(),
        }
    }

    /// Tells that a stream reaches to `mark`.
    pub fn publish(&self, organisation: OrganisationId, mark: StreamMark) {
        self.tell(organisation, Some(mark));
    }

    /// Tells that something has changed which is in no stream, such as the quarantine.
    pub fn look(&self, organisation: OrganisationId) {
        self.tell(organisation, None);
    }

    fn tell(&self, organisation: OrganisationId, mark: Option<StreamMark>) {
        self.version.fetch_add(1, Ordering::Release);
        // Nobody listening is no failure.
        let _ = self.sender.send((organisation, mark));
    }

    /// Changes with whatever is published, of any organisation: what was read at one version may be shown again at the same.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }
}

/// What a listener hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A stream has grown.
    Grown(StreamMark),
    /// Something that is in no stream has changed; nothing to sync.
    Looked,
    /// Some news went by unheard: look at every stream.
    Missed,
}

/// The news of one organisation.
#[derive(Debug)]
pub struct LiveNews {
    organisation: OrganisationId,
    receiver: broadcast::Receiver<News>,
}

impl LiveNews {
    /// Waits for the next news; `None` when the hub is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            match self.receiver.recv().await {
                Ok((organisation, mark)) if organisation == self.organisation => {
                    return Some(mark.map_or(Heard::Looked, Heard::Grown));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Heard::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
