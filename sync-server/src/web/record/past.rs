//! A document's past: what Automerge says about it, and which doubts about the record follow.

use fieldledger_core::{
    document::{self, Disagreement, HistoryEntry},
    model::{Timestamp, UserId},
};

use super::CLOCK_TOLERANCE_MILLIS;
use crate::store::{Device, Receipt, StoredDocument};

/// A change that comes so long after a record first came in is called late.
const EDITED_AFTER_MILLIS: i64 = 86_400_000;

/// What Automerge says about a document.
pub(super) struct Past {
    pub(super) history: Vec<HistoryEntry>,
    pub(super) disagreements: Vec<Disagreement>,
}

/// Building a document takes milliseconds and its history more: not on the threads that serve requests.
pub(super) async fn past(document: &StoredDocument) -> Result<Past, String> {
    let chunks = document.chunks.clone();
    let read = tokio::task::spawn_blocking(move || {
        let opened = document::open(&chunks).map_err(|error| error.to_string())?;
        Ok(Past {
            history: document::history::history(&opened),
            disagreements: document::disagreement::disagreements(&opened),
        })
    });
    read.await.map_err(|error| error.to_string())?
}

/// Whether whose record it is still changed it more than a day after it first came in. What contacts and supervisors say
/// in it later is no edit.
pub(super) fn edited_later(
    history: &[HistoryEntry],
    receipts: &[Receipt],
    owner: Option<UserId>,
    first: Timestamp,
) -> bool {
    let by_owner = history
        .iter()
        .filter(|it| it.author.as_ref().map(|author| author.user) == owner);
    let received = |it: &HistoryEntry| receipts.iter().find(|receipt| receipt.hash == it.hash);
    owner.is_some()
        && by_owner
            .filter_map(received)
            .any(|it| it.received_at.millis_since(first) > EDITED_AFTER_MILLIS)
}

/// How wrong the clock of a phone is that had a part in the record.
pub(super) fn clock_doubt(history: &[HistoryEntry], devices: &[Device]) -> Option<u64> {
    history
        .iter()
        .filter_map(|it| it.author)
        .filter_map(|author| devices.iter().find(|device| device.id == author.device))
        .map(|device| device.clock_ahead_millis.unsigned_abs())
        .filter(|off| *off >= CLOCK_TOLERANCE_MILLIS)
        .max()
}

#[cfg(test)]
mod tests {
    use fieldledger_core::{
        document::Authorship,
        model::{ChangeHash, DeviceId},
    };

    use super::*;

    #[test]
    fn only_what_its_owner_changes_much_later_is_an_edit() {
        let (owner, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let first = Timestamp::from_millis(1_000_000_000_000);
        let change = |number: u8, user, later: i64| {
            let entry = HistoryEntry {
                hash: ChangeHash([number; 32]),
                deps: Vec::new(),
                author: Some(Authorship {
                    user,
                    device: DeviceId::from_bytes([5; 16]),
                    at: first,
                    zone_minutes: 0,
                    since_contact_millis: None,
                }),
                changed: Vec::new(),
            };
            let receipt = Receipt {
                hash: entry.hash,
                received_at: first.plus_millis(later),
                device: None,
                relayed: false,
            };
            (entry, receipt)
        };
        let edited = |changes: Vec<(HistoryEntry, Receipt)>, owner| {
            let (history, receipts): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
            edited_later(&history, &receipts, owner, first)
        };
        let created = || change(1, owner, 0);
        let day = EDITED_AFTER_MILLIS;
        assert!(!edited(vec![created(), change(2, owner, day)], Some(owner)));
        assert!(edited(vec![created(), change(2, owner, day + 1)], Some(owner)));
        assert!(!edited(vec![created(), change(2, other, 9 * day)], Some(owner)));
        assert!(!edited(vec![created(), change(2, other, 9 * day)], None));
    }
}
