//! Compaction: the chunks of a document become one snapshot, so that a phone that pulls anew gets each document once and
//! not its history.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use crate::{
    state::{AppState, Shared},
    store::StoreError,
};

/// Entries at the end of each stream that are left as they are. A phone that lags by less gets the few changes it lacks
/// and not whole documents, and a document that is being worked on is not rewritten every day.
const KEEP_NEWEST: u64 = 1_000;
/// Longest time between the server's start and the first run: a server that is restarted every night must get there too.
const FIRST_WITHIN: Duration = Duration::from_secs(3_600);
/// Pause between two parts, in which others write.
const BREATH: Duration = Duration::from_millis(20);

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Streams looked at.
    pub streams: u64,
    /// Documents that became one snapshot.
    pub documents: u64,
    /// Streams that could not be compacted; the log says why.
    pub failed: u64,
}

/// Compacts every now and then until the server stops.
pub(super) async fn run(state: AppState, every: Duration) {
    let mut stop = state.watch_stop();
    let mut pause = jittered(every.min(FIRST_WITHIN), 0.0..=1.0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
        // Written to the log and counted by the run itself; the next one tries again.
        let _ = compact(&state, KEEP_NEWEST).await;
        pause = jittered(every, 0.9..=1.1);
    }
}

/// Nodes that were started together must not all begin at the same moment.
fn jittered(time: Duration, share: std::ops::RangeInclusive<f64>) -> Duration {
    time.mul_f64(rand::rng().random_range(share))
}

/// Compacts every stream of every organisation up to `keep_newest` entries before its end. A stream that fails does not
/// keep the others from being compacted. Ends early, and without an error, when the server stops.
///
/// # Errors
/// When the store cannot say which streams there are.
pub async fn compact(state: &Shared, keep_newest: u64) -> Result<Compacted, StoreError> {
    let started = Instant::now();
    let mut sum = Compacted::default();
    let outcome = all_streams(state, keep_newest, &mut sum).await;
    if let Err(error) = &outcome {
        sum.failed += 1;
        tracing::error!(%error, "compaction stopped early");
    }
    let seconds = started.elapsed().as_secs_f64();
    state.metrics.compacted(sum, seconds);
    tracing::info!(
        streams = sum.streams,
        documents = sum.documents,
        failed = sum.failed,
        seconds,
        "compaction done"
    );
    outcome.map(|()| sum)
}

async fn all_streams(state: &Shared, keep_newest: u64, sum: &mut Compacted) -> Result<(), StoreError> {
    for (organisation, _) in state.store.organisations().await? {
        for mark in state.store.heads(organisation).await? {
            let floor = mark.seq.saturating_sub(keep_newest);
            sum.streams += 1;
            loop {
                if state.is_stopping() {
                    return Ok(());
                }
                match state.store.compact(organisation, mark.stream, floor).await {
                    Ok(0) => break,
                    Ok(documents) => sum.documents += documents,
                    Err(error) => {
                        sum.failed += 1;
                        tracing::error!(%organisation, stream = ?mark.stream, %error, "a stream cannot be compacted");
                        break;
                    }
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::{
        document::{self, Authorship, NewChange, edit},
        model::{DocumentId, Timestamp},
        sync::protocol::{Entry, Push, PushedChange, StreamId, SyncRequest, Verdict},
    };
    use serde_json::json;

    use super::*;
    use crate::{
        config::ServerConfig,
        testing::{ANNA, BAKERY, Fixture, NORTH, ORGANISATION, empty_request},
    };

    /// A visit with two edits of its note, as a phone pushes it.
    fn visit(number: u8, author: &Authorship) -> Vec<NewChange> {
        let id = DocumentId::from_bytes([number; 16]);
        let tree =
            json!({"kind": "visit", "schema": 1, "customer": BAKERY, "rep": ANNA, "purpose": "routine", "note": ""});
        let mut changes = vec![edit::create(id, &tree, author).unwrap()];
        for (actor, note) in [(100 + number, "one"), (200 + number, "two")] {
            let bytes: Vec<_> = changes.iter().map(|it| &it.bytes[..]).collect();
            let mut opened = document::open(&bytes).unwrap();
            let before = document::tree::of(&opened);
            let mut after = before.clone();
            after["note"] = note.into();
            let heads = changes.last().unwrap().heads.clone();
            let edit = edit::edit(&mut opened, id, &heads, &before, &after, [actor; 16], author);
            changes.push(edit.unwrap().unwrap());
        }
        changes
    }

    /// A server with three visits of three changes each, and the token of Anna's phone.
    async fn busy_server() -> (Fixture, String) {
        let fixture = Fixture::new().await;
        let phone = fixture.phone(ANNA).await;
        let author = Authorship {
            user: ANNA,
            device: phone.device,
            at: Timestamp::from_millis(1_772_416_800_000),
            zone_minutes: 0,
            since_contact_millis: None,
        };
        let push: Vec<Push> = (1..=3)
            .flat_map(|number| visit(number, &author))
            .enumerate()
            .map(|(place, change)| {
                Push::Change(PushedChange {
                    document: (place % 3 > 0).then_some(change.document),
                    bytes: change.bytes,
                    relayed: false,
                })
            })
            .collect();
        let request = SyncRequest {
            push,
            ..empty_request()
        };
        let reply = fixture.exchange(&phone.token, &request).await.exchange();
        assert!(
            reply.verdicts.iter().all(|run| run.verdict == Verdict::Accepted),
            "{:?}",
            reply.verdicts
        );
        (fixture, phone.token)
    }

    #[tokio::test]
    async fn a_run_makes_one_snapshot_of_each_document_counts_it_and_a_new_phone_gets_the_same() {
        let (fixture, token) = busy_server().await;
        let compacted = compact(&fixture.state, 0).await.unwrap();
        assert_eq!((compacted.documents, compacted.failed), (3, 0));
        assert!(compacted.streams >= 2, "{compacted:?}");
        assert_eq!(compact(&fixture.state, 0).await.unwrap().documents, 0);
        assert_eq!(fixture.state.store.verify().await.unwrap(), Vec::<String>::new());
        let text = fixture.state.metrics.encode().unwrap();
        assert!(text.contains("fieldledger_compacted_documents_total 3"), "{text}");
        assert!(text.contains("fieldledger_compaction_failures_total 0"), "{text}");

        let reply = fixture.exchange(&token, &empty_request()).await.exchange();
        let north = reply.streams.iter().find(|it| it.stream == StreamId::Territory(NORTH));
        let documents: Vec<_> = north
            .unwrap()
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Snapshot(it) => Some(document::tree::of(&document::open(&[&it.bytes[..]]).unwrap())),
                Entry::Change(_) => panic!("a change is left"),
                _ => None,
            })
            .collect();
        assert_eq!(documents.len(), 3);
        assert!(documents.iter().all(|tree| tree["note"] == "two"), "{documents:?}");
    }

    #[tokio::test]
    async fn the_newest_entries_of_a_stream_are_left_as_they_are() {
        let (fixture, _) = busy_server().await;
        // The first visit's three changes lie below the floor, the others' not, or not all.
        assert_eq!(compact(&fixture.state, 6).await.unwrap().documents, 1);
        assert_eq!(compact(&fixture.state, 1_000).await.unwrap().documents, 0);
        let document = DocumentId::from_bytes([3; 16]);
        let stored = fixture.state.store.document(ORGANISATION, document).await.unwrap();
        assert_eq!(stored.unwrap().chunks.len(), 3);
    }

    #[tokio::test]
    async fn a_run_ends_when_the_server_stops_and_none_is_planned_when_told_so() {
        let (fixture, _) = busy_server().await;
        fixture.state.stop();
        assert_eq!(compact(&fixture.state, 0).await.unwrap().documents, 0);
        tokio::time::timeout(
            Duration::from_secs(5),
            run(fixture.state.clone(), Duration::from_secs(86_400)),
        )
        .await
        .unwrap();
        let never = ServerConfig {
            compact_hours: 0,
            ..ServerConfig::default()
        };
        assert_eq!(never.compact_every(), None);
        assert_eq!(
            ServerConfig::default().compact_every(),
            Some(Duration::from_secs(86_400))
        );
    }

    #[test]
    fn runs_are_spread() {
        let day = Duration::from_secs(86_400);
        let times: std::collections::BTreeSet<_> = (0..20).map(|_| jittered(day, 0.9..=1.1)).collect();
        assert!(times.len() > 1);
        let (least, most) = (day.mul_f64(0.9), day.mul_f64(1.1));
        assert!(times.iter().all(|it| (least..=most).contains(it)));
    }
}
