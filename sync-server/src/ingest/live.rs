//! Tells whoever listens that a stream has grown.

use fieldledger_core::{model::OrganisationId, sync::protocol::StreamMark};
use tokio::sync::broadcast;

/// News that a listener may fall behind by before it is told so.
const BACKLOG: usize = 1_024;

/// News of one organisation.
pub type News = (OrganisationId, StreamMark);

/// Spreads the news that a stream has grown within this process.
#[derive(Clone, Debug)]
pub struct LiveHub {
    sender: broadcast::Sender<News>,
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
        // Nobody listening is no failure.
        let _ = self.sender.send((organisation, mark));
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
                Ok((organisation, mark)) if organisation == self.organisation => return Some(Heard::Grown(mark)),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Heard::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
