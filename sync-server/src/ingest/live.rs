//! Tells whoever listens that a stream has grown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use fieldledger_core::{
    model::{CustomerId, DocumentKind, OrganisationId, TerritoryId},
    sync::protocol::{StreamId, StreamMark},
};
use tokio::sync::broadcast;

/// News that a listener may fall behind by before it is told so.
const BACKLOG: usize = 1_024;
/// News of so many things concerns everybody.
const MANY: usize = 100;

/// News of one organisation: a stream has grown, or (`None`) something that is in no stream has changed.
pub type News = (OrganisationId, Option<(StreamMark, About)>);

/// What has changed in a stream, so that who shows something else need not look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About(Option<Arc<[Subject]>>);

/// One thing that has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The kind of a record; `None`: the books.
    pub kind: Option<DocumentKind>,
    /// Whom it concerns; `None`: nobody, or it is not known.
    pub customer: Option<CustomerId>,
}

impl About {
    /// Anything may have changed.
    pub const fn anything() -> Self {
        Self(None)
    }

    /// These and nothing else; anything when they are many.
    pub fn these(subjects: impl IntoIterator<Item = Subject>) -> Self {
        let subjects: Arc<[Subject]> = subjects.into_iter().take(MANY).collect();
        Self(Some(subjects).filter(|it| it.len() < MANY))
    }

    /// Whether something is among it for which `wanted` holds.
    pub fn any(&self, wanted: impl Fn(&Subject) -> bool) -> bool {
        self.0.as_ref().is_none_or(|subjects| subjects.iter().any(wanted))
    }
}

/// How often something was published, by who could see it.
#[derive(Debug, Default)]
struct Versions {
    all: u64,
    /// What is in no territory's stream.
    elsewhere: u64,
    territories: HashMap<TerritoryId, u64>,
}

/// Spreads the news that a stream has grown within this process.
#[derive(Clone, Debug)]
pub struct LiveHub {
    sender: broadcast::Sender<News>,
    versions: Arc<Mutex<HashMap<OrganisationId, Versions>>>,
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
            versions: Arc::default(),
        }
    }

    /// Listens to an organisation.
    pub fn subscribe(&self, organisation: OrganisationId) -> LiveNews {
        LiveNews {
            organisation,
            receiver: self.sender.subscribe(),
        }
    }

    /// Tells that a stream reaches to `mark`; what has changed in it may be anything.
    pub fn publish(&self, organisation: OrganisationId, mark: StreamMark) {
        self.publish_about(organisation, mark, About::anything());
    }

    /// Tells that a stream reaches to `mark`, and what has changed in it.
    pub fn publish_about(&self, organisation: OrganisationId, mark: StreamMark, about: About) {
        self.tell(organisation, Some((mark, about)));
    }

    /// Tells that something has changed which is in no stream, such as the quarantine.
    pub fn look(&self, organisation: OrganisationId) {
        self.tell(organisation, None);
    }

    fn tell(&self, organisation: OrganisationId, news: Option<(StreamMark, About)>) {
        {
            let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            let versions = versions.entry(organisation).or_default();
            versions.all += 1;
            match news.as_ref().map(|(mark, _)| mark.stream) {
                Some(StreamId::Territory(territory)) => *versions.territories.entry(territory).or_default() += 1,
                _ => versions.elsewhere += 1,
            }
        }
        // Nobody listening is no failure.
        let _ = self.sender.send((organisation, news));
    }

    /// Changes with whatever is published in these territories of the organisation (`None`: in all of them) and in none:
    /// what was read at one version may be shown again at the same, to whoever sees no more than these.
    pub fn version(&self, organisation: OrganisationId, territories: Option<&[TerritoryId]>) -> u64 {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(versions) = versions.get(&organisation) else {
            return 0;
        };
        match territories {
            None => versions.all,
            // None of the numbers ever falls, so that the sum is the same only when each of them is.
            Some(territories) => {
                let of = |territory| versions.territories.get(territory).copied().unwrap_or_default();
                versions.elsewhere + territories.iter().map(of).sum::<u64>()
            }
        }
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A stream has grown, by what is named.
    Grown(StreamMark, About),
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
                Ok((organisation, news)) if organisation == self.organisation => {
                    return Some(news.map_or(Heard::Looked, |(mark, about)| Heard::Grown(mark, about)));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Heard::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_of_many_things_concerns_everybody() {
        let subject = |number: u8| Subject {
            kind: None,
            customer: Some(CustomerId::from_bytes([number; 16])),
        };
        let concerns = |about: About, number| about.any(|it| it.customer == subject(number).customer);
        let few = || About::these((0..99).map(subject));
        assert!(concerns(few(), 98) && !concerns(few(), 99));
        assert!(!concerns(About::these([]), 1), "nothing concerns nobody");
        assert!(
            concerns(About::these((0..100).map(subject)), 200),
            "who was cut off must not miss it"
        );
        assert!(concerns(About::anything(), 1));
    }

    #[test]
    fn a_version_changes_with_the_territories_it_is_of_and_with_what_is_in_none() {
        let (hub, org) = (LiveHub::new(), OrganisationId::from_bytes([1; 16]));
        let [north, south] = [1, 2].map(|it| TerritoryId::from_bytes([it; 16]));
        let versions = || {
            [
                hub.version(org, None),
                hub.version(org, Some(&[north])),
                hub.version(org, Some(&[south])),
                hub.version(org, Some(&[north, south])),
                hub.version(OrganisationId::from_bytes([2; 16]), None),
            ]
        };
        let mut before = versions();
        let mut changed = || {
            let now = versions();
            let changed = [0, 1, 2, 3, 4].map(|it| now[it] != before[it]);
            before = now;
            changed
        };
        let mark = |stream| StreamMark { stream, seq: 1 };
        hub.publish(org, mark(StreamId::Territory(north)));
        assert_eq!(changed(), [true, true, false, true, false]);
        hub.publish(org, mark(StreamId::Territory(south)));
        assert_eq!(changed(), [true, false, true, true, false]);
        hub.publish(org, mark(StreamId::Catalogue));
        assert_eq!(changed(), [true, true, true, true, false]);
        hub.look(org);
        assert_eq!(changed(), [true, true, true, true, false]);
        assert_eq!(changed(), [false; 5]);
    }
}
