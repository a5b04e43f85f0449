//! One exchange: judge and store what is pushed, then page out what is new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fieldledger_core::{
    model::{ChangeHash, DocumentId, TerritoryId, Timestamp},
    sync::protocol::{
        Cursor, MAX_ENTRIES, MAX_STREAMS, PROTOCOL, Push, PushedChange, Rejection, RejectionCode, StreamId, StreamMark,
        StreamPage, SyncRequest, SyncResponse, Verdict, VerdictRun,
    },
};
use sha2::{Digest, Sha256};

use super::{
    SyncService,
    envelope::Envelope,
    route::{Bringer, followed},
    take_in::{Incoming, Outcome},
    validator::Refusal,
};
use crate::store::{Account, CLOCK_TOLERANCE_MILLIS, Device, Quarantined, StoreError};

/// Most bytes of entries in one reply, whatever the phone asks for.
const MAX_BUDGET_BYTES: usize = 8 << 20;

/// Devices whose last backup news are remembered.
const REMEMBERED_DEVICES: usize = 10_000;

/// Why a whole exchange is refused.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The phone speaks a protocol that this server does not.
    #[error("the server speaks protocol {PROTOCOL}, the app {0}; update the older of the two")]
    Protocol(u16),
    /// More than one request may hold.
    #[error("the request holds {count} {what}, at most {limit} are accepted")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many came.
        count: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// The device was shut out.
    #[error("this device was shut out; ask an administrator for a new enrolment code")]
    Revoked,
    /// The account was shut.
    #[error("this account is shut; ask an administrator")]
    Disabled,
    /// Device and account do not belong together.
    #[error("the device belongs to somebody else")]
    WrongDevice,
    /// The store failed; nothing is lost, push again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SyncService {
    /// Answers one request of a device that has been authenticated. The reply's `new_token` is left to the caller, who
    /// knows the token that was used.
    ///
    /// # Errors
    /// [`ExchangeError`] when nothing of the request was looked at, or the store failed on the way; what was stored by
    /// then answers [`Verdict::Duplicate`] the next time.
    pub async fn exchange(
        &self,
        account: &Account,
        device: &Device,
        request: SyncRequest,
    ) -> Result<SyncResponse, ExchangeError> {
        check_request(account, device, &request)?;
        let now = self.clock.now();
        let SyncRequest {
            push,
            cursors,
            request_id,
            budget_bytes,
            words,
            device_time,
            ..
        } = request;
        let bringer = Bringer {
            account,
            device: Some(device.id),
            clock_off: device_time.millis_since(now).unsigned_abs() >= CLOCK_TOLERANCE_MILLIS.unsigned_abs(),
        };
        let (verdicts, brought, documents) = self.push(bringer, push, now).await?;
        self.decide_arrivals(account, device, &documents, &words, now).await?;
        let cursors: BTreeMap<StreamId, Option<Cursor>> =
            cursors.into_iter().map(|it| (it.stream, it.cursor)).collect();
        self.note_who_knows(account, device, &cursors, now).await?;
        let streams = followed(&*self.store, account, device.id, MAX_STREAMS).await?;
        let budget = usize::try_from(budget_bytes)
            .unwrap_or(usize::MAX)
            .min(MAX_BUDGET_BYTES);
        let pages = self.pull(account, &streams, &cursors, budget, &brought).await?;
        let allowed: BTreeSet<StreamId> = streams.iter().copied().collect();
        let withdrawn = cursors.keys().filter(|it| !allowed.contains(it)).copied().collect();
        let backed_up = self.backed_up(account, device, &streams).await?;
        Ok(SyncResponse {
            protocol: PROTOCOL,
            request_id,
            server_time: now,
            verdicts: runs(verdicts),
            streams: pages,
            withdrawn,
            backed_up,
            new_token: None,
        })
    }

    /// Judges what is pushed. Returns the verdicts, the names of the pushed changes that are stored now, and the documents
    /// they belong to.
    async fn push(
        &self,
        bringer: Bringer<'_>,
        push: Vec<Push>,
        now: Timestamp,
    ) -> Result<(Vec<Verdict>, HashSet<ChangeHash>, BTreeSet<DocumentId>), StoreError> {
        let account = bringer.account;
        let mut verdicts: Vec<Option<Verdict>> = vec![None; push.len()];
        let mut incoming = Vec::new();
        let mut place_of_incoming = Vec::new();
        let mut first_place: HashMap<ChangeHash, usize> = HashMap::new();
        let mut repeated = Vec::new();
        let mut offered = Vec::new();
        let mut quarantine = Vec::new();
        for (place, item) in push.into_iter().enumerate() {
            match item {
                Push::Offer(offer) => offered.push((place, offer)),
                Push::Change(change) => match envelope(&change) {
                    Ok((document, envelope)) => {
                        let hash = envelope.hash;
                        if let Some(&first) = first_place.get(&hash) {
                            repeated.push((place, first));
                            continue;
                        }
                        first_place.insert(hash, place);
                        place_of_incoming.push(place);
                        incoming.push(Incoming {
                            document,
                            hash,
                            bytes: change.bytes,
                            creates: envelope.creates.is_some(),
                            relayed: change.relayed,
                        });
                    }
                    Err(refusal) => {
                        verdicts[place] = Some(rejected(&refusal));
                        quarantine.push(quarantined(bringer, change.document, None, change.bytes, &refusal, now));
                    }
                },
            }
        }
        if !offered.is_empty() {
            let hashes: Vec<ChangeHash> = offered.iter().map(|(_, offer)| offer.hash).collect();
            let known = self.store.known_changes(account.organisation, &hashes).await?;
            let asked = offered.iter().filter(|(_, offer)| offer.until_backed_up);
            let asked: Vec<ChangeHash> = asked.map(|(_, offer)| offer.hash).collect();
            let covered = if asked.is_empty() {
                HashSet::new()
            } else {
                self.store.backed_up_changes(account.organisation, &asked).await?
            };
            for (place, offer) in offered {
                verdicts[place] = Some(if !known.contains(&offer.hash) {
                    Verdict::Wanted
                } else if covered.contains(&offer.hash) && offer.until_backed_up {
                    Verdict::BackedUp
                } else {
                    Verdict::Duplicate
                });
            }
        }
        let outcomes = self.take_in(bringer, &incoming, now).await?;
        let mut brought = HashSet::new();
        let mut documents = BTreeSet::new();
        for ((change, outcome), place) in incoming.into_iter().zip(outcomes).zip(place_of_incoming) {
            verdicts[place] = Some(match outcome {
                Outcome::Accepted | Outcome::Duplicate => {
                    brought.insert(change.hash);
                    documents.insert(change.document);
                    if outcome == Outcome::Accepted {
                        Verdict::Accepted
                    } else {
                        Verdict::Duplicate
                    }
                }
                Outcome::Later => Verdict::Later,
                Outcome::Refused { refusal, territory } => {
                    let verdict = rejected(&refusal);
                    quarantine.push(quarantined(
                        bringer,
                        Some(change.document),
                        territory,
                        change.bytes,
                        &refusal,
                        now,
                    ));
                    verdict
                }
            });
        }
        if !quarantine.is_empty() {
            self.store.quarantine(account.organisation, quarantine).await?;
            self.live.look(account.organisation);
        }
        for (place, first) in repeated {
            verdicts[place] = match &verdicts[first] {
                Some(Verdict::Accepted) => Some(Verdict::Duplicate),
                other => other.clone(),
            };
        }
        let verdicts = verdicts.into_iter().map(|it| it.unwrap_or(Verdict::Later)).collect();
        Ok((verdicts, brought, documents))
    }

    /// What is new in `streams`, within one budget for all of them.
    async fn pull(
        &self,
        account: &Account,
        streams: &[StreamId],
        cursors: &BTreeMap<StreamId, Option<Cursor>>,
        budget: usize,
        without: &HashSet<ChangeHash>,
    ) -> Result<Vec<StreamPage>, StoreError> {
        let mut pages: Vec<StreamPage> = Vec::new();
        let (mut bytes, mut entries) = (0, 0);
        if budget == 0 {
            return Ok(pages);
        }
        for &stream in streams {
            let cursor = cursors.get(&stream).copied().flatten();
            if bytes >= budget || entries >= MAX_ENTRIES / 2 {
                // Full. Whether anything waits in the rest is said on the page that filled it.
                let head = self.store.head(account.organisation, stream).await?;
                if head.is_some_and(|head| Some(head) != cursor && head.seq > 0) {
                    if let Some(last) = pages.last_mut() {
                        last.more = true;
                    }
                    break;
                }
                continue;
            }
            let page = self
                .store
                .page(account.organisation, stream, cursor, budget - bytes, without)
                .await?;
            if let Some(page) = page {
                bytes += page.entries.iter().map(size_of_entry).sum::<usize>();
                entries += page.entries.len();
                let more = page.more;
                pages.push(page);
                if more {
                    break;
                }
            }
        }
        Ok(pages)
    }

    /// What backups cover, when this device has not just been told.
    async fn backed_up(
        &self,
        account: &Account,
        device: &Device,
        streams: &[StreamId],
    ) -> Result<Vec<StreamMark>, StoreError> {
        let marks = self.store.backed_up(account.organisation, streams).await?;
        if marks.is_empty() {
            return Ok(marks);
        }
        let mut digest = Sha256::new();
        for mark in &marks {
            digest.update(mark.stream.to_bytes());
            digest.update(mark.seq.to_be_bytes());
        }
        let digest: [u8; 32] = digest.finalize().into();
        let mut news = [0; 8];
        news.copy_from_slice(&digest[..8]);
        let mut told = self
            .told_of_backups
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.get(&device.id) == Some(&news) {
            return Ok(Vec::new());
        }
        if told.len() >= REMEMBERED_DEVICES {
            told.clear();
        }
        told.insert(device.id, news);
        Ok(marks)
    }
}

fn check_request(account: &Account, device: &Device, request: &SyncRequest) -> Result<(), ExchangeError> {
    if request.protocol == 0 || request.protocol > PROTOCOL {
        return Err(ExchangeError::Protocol(request.protocol));
    }
    if device.revoked_at.is_some() {
        return Err(ExchangeError::Revoked);
    }
    if account.disabled {
        return Err(ExchangeError::Disabled);
    }
    if device.user != account.user || device.organisation != account.organisation {
        return Err(ExchangeError::WrongDevice);
    }
    for (what, count, limit) in [
        ("changes", request.push.len(), MAX_ENTRIES),
        // A phone also names the streams it is about to be told to drop.
        ("streams", request.cursors.len(), 2 * MAX_STREAMS),
    ] {
        if count > limit {
            return Err(ExchangeError::TooMany { what, count, limit });
        }
    }
    Ok(())
}

/// The document and name of a pushed change.
fn envelope(change: &PushedChange) -> Result<(DocumentId, Envelope), Refusal> {
    let envelope = Envelope::read(&change.bytes)?;
    let document = match (change.document, envelope.creates) {
        (None, None) => Err("the change builds on others and does not say of which document"),
        (Some(named), Some(created)) if named != created => {
            Err("the change creates a document of another name than it was sent for")
        }
        (Some(document), _) | (None, Some(document)) => Ok(document),
    };
    match document {
        Ok(document) => Ok((document, envelope)),
        Err(message) => Err(Refusal::new(RejectionCode::Undecodable, message)),
    }
}

fn rejected(refusal: &Refusal) -> Verdict {
    Verdict::Rejected(Rejection {
        code: refusal.code,
        message: refusal.message.clone(),
    })
}

fn quarantined(
    bringer: Bringer<'_>,
    document: Option<DocumentId>,
    territory: Option<TerritoryId>,
    bytes: Vec<u8>,
    refusal: &Refusal,
    now: Timestamp,
) -> Quarantined {
    Quarantined {
        digest: Sha256::digest(&bytes).into(),
        document,
        territory,
        bytes,
        user: bringer.account.user,
        device: bringer.device_written(),
        code: refusal.code,
        message: refusal.message.clone(),
        received_at: now,
    }
}

/// Equal neighbours counted together.
fn runs(verdicts: Vec<Verdict>) -> Vec<VerdictRun> {
    let mut runs: Vec<VerdictRun> = Vec::new();
    for verdict in verdicts {
        match runs.last_mut() {
            Some(run) if run.verdict == verdict => run.count += 1,
            _ => runs.push(VerdictRun { count: 1, verdict }),
        }
    }
    runs
}

/// What an entry takes of the budget.
fn size_of_entry(entry: &fieldledger_core::sync::protocol::Entry) -> usize {
    use fieldledger_core::sync::protocol::Entry;
    match entry {
        Entry::Change(it) => it.bytes.len(),
        Entry::Snapshot(it) => it.bytes.len(),
        Entry::Record(it) => it.json.len(),
        Entry::GoneDocument(_) | Entry::GoneRecord(_) => 16,
    }
}
