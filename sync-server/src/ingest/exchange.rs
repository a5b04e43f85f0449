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
    route::{Bringer, Directory, Route, Stopped, check_author, followed, route},
    validator::{Job, Judgement, Refusal},
};
use crate::store::{Account, Append, AppendOutcome, Device, Quarantined, StoreError, StoredDocument};

/// How often the changes of one request are judged again, because a document changed meanwhile or something they were
/// judged with was refused. What is undecided then is to be pushed again.
const ROUNDS: usize = 12;

/// Bytes of changes, and existing documents, that are judged and stored at a time.
const SLICE_BYTES: usize = 4 << 20;
/// See [`SLICE_BYTES`].
const SLICE_EXISTING: usize = 128;

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

/// A change on its way in.
pub(super) struct Incoming {
    pub(super) document: DocumentId,
    pub(super) hash: ChangeHash,
    pub(super) bytes: Vec<u8>,
    /// Whether it builds on nothing.
    pub(super) creates: bool,
    pub(super) relayed: bool,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Accepted,
    Duplicate,
    Refused {
        refusal: Refusal,
        territory: Option<TerritoryId>,
    },
    Later,
}

impl From<Stopped> for Outcome {
    fn from(stopped: Stopped) -> Self {
        Self::Refused {
            refusal: stopped.refusal,
            territory: stopped.territory,
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            refusal,
            territory: None,
        }
    }
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
            ..
        } = request;
        let (verdicts, brought) = self.push(account, device, push, now).await?;
        let cursors: BTreeMap<StreamId, Option<Cursor>> =
            cursors.into_iter().map(|it| (it.stream, it.cursor)).collect();
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

    /// Judges what is pushed. Returns the verdicts, and the names of the pushed changes that are stored now.
    async fn push(
        &self,
        account: &Account,
        device: &Device,
        push: Vec<Push>,
        now: Timestamp,
    ) -> Result<(Vec<Verdict>, HashSet<ChangeHash>), StoreError> {
        let bringer = Bringer {
            account,
            device: Some(device.id),
        };
        let mut verdicts: Vec<Option<Verdict>> = vec![None; push.len()];
        let mut incoming = Vec::new();
        let mut place_of_incoming = Vec::new();
        let mut first_place: HashMap<ChangeHash, usize> = HashMap::new();
        let mut repeated = Vec::new();
        let mut offered = Vec::new();
        let mut quarantine = Vec::new();
        for (place, item) in push.into_iter().enumerate() {
            match item {
                Push::Offer(offer) => offered.push((place, offer.hash)),
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
            let hashes: Vec<ChangeHash> = offered.iter().map(|(_, hash)| *hash).collect();
            let known = self.store.known_changes(account.organisation, &hashes).await?;
            for (place, hash) in offered {
                let here = known.contains(&hash);
                verdicts[place] = Some(if here { Verdict::Duplicate } else { Verdict::Wanted });
            }
        }
        let outcomes = self.take_in(bringer, &incoming, now).await?;
        let mut brought = HashSet::new();
        for ((change, outcome), place) in incoming.into_iter().zip(outcomes).zip(place_of_incoming) {
            verdicts[place] = Some(match outcome {
                Outcome::Accepted | Outcome::Duplicate => {
                    brought.insert(change.hash);
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
        }
        for (place, first) in repeated {
            verdicts[place] = match &verdicts[first] {
                Some(Verdict::Accepted) => Some(Verdict::Duplicate),
                other => other.clone(),
            };
        }
        let verdicts = verdicts.into_iter().map(|it| it.unwrap_or(Verdict::Later)).collect();
        Ok((verdicts, brought))
    }

    /// Judges, routes and stores changes, each for itself; `incoming` names no change twice.
    pub(super) async fn take_in(
        &self,
        bringer: Bringer<'_>,
        incoming: &[Incoming],
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let organisation = bringer.account.organisation;
        let mut outcomes: Vec<Option<Outcome>> = vec![None; incoming.len()];
        if incoming.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<ChangeHash> = incoming.iter().map(|it| it.hash).collect();
        let known = self.store.known_changes(organisation, &hashes).await?;
        for (outcome, hash) in outcomes.iter_mut().zip(&hashes) {
            if known.contains(hash) {
                *outcome = Some(Outcome::Duplicate);
            }
        }
        let mut directory = Directory::new(&*self.store, organisation);
        let mut refused: HashMap<ChangeHash, Refusal> = HashMap::new();
        for slice in slices(incoming, undecided(incoming, &outcomes)) {
            for _ in 0..ROUNDS {
                let groups: Vec<(DocumentId, Vec<usize>)> = slice
                    .iter()
                    .map(|(id, places)| {
                        let open = places.iter().copied().filter(|&place| outcomes[place].is_none());
                        (*id, open.collect::<Vec<_>>())
                    })
                    .filter(|(_, places)| !places.is_empty())
                    .collect();
                if groups.is_empty() {
                    break;
                }
                self.round(
                    bringer,
                    incoming,
                    &groups,
                    &mut outcomes,
                    &mut refused,
                    &mut directory,
                    now,
                )
                .await?;
            }
        }
        Ok(outcomes.into_iter().map(|it| it.unwrap_or(Outcome::Later)).collect())
    }

    /// Judges the changes of some documents once, and stores what is sound.
    #[allow(clippy::too_many_arguments)]
    async fn round(
        &self,
        bringer: Bringer<'_>,
        incoming: &[Incoming],
        groups: &[(DocumentId, Vec<usize>)],
        outcomes: &mut [Option<Outcome>],
        refused: &mut HashMap<ChangeHash, Refusal>,
        directory: &mut Directory<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let organisation = bringer.account.organisation;
        let ids: Vec<DocumentId> = groups.iter().map(|(id, _)| *id).collect();
        let stored = self.store.documents(organisation, &ids).await?;
        let jobs = groups
            .iter()
            .zip(&stored)
            .map(|((_, places), stored)| Job {
                existing: stored.as_ref().map(|it| it.chunks.clone()).unwrap_or_default(),
                changes: places.iter().map(|&place| incoming[place].bytes.clone()).collect(),
            })
            .collect();
        let judged = self.validator.validate(jobs).await;
        let mut appends = Vec::new();
        let mut appended_places = Vec::new();
        for (((_, places), stored), judgements) in groups.iter().zip(&stored).zip(judged) {
            let mut group = Group {
                bringer,
                incoming,
                outcomes,
                refused,
                stored: stored.as_ref(),
            };
            for (place, append) in group.decide(places, judgements, directory).await? {
                appended_places.push(place);
                appends.push(append);
            }
        }
        if appends.is_empty() {
            return Ok(());
        }
        let mut marks: BTreeMap<StreamId, u64> = BTreeMap::new();
        let appended = self.store.append(organisation, appends, now).await?;
        for (place, result) in appended_places.into_iter().zip(appended) {
            outcomes[place] = match result {
                AppendOutcome::Appended { stream, seq } => {
                    let mark = marks.entry(stream).or_default();
                    *mark = seq.max(*mark);
                    Some(Outcome::Accepted)
                }
                AppendOutcome::Duplicate => Some(Outcome::Duplicate),
                // Somebody was quicker: judge it again on what they made of the document.
                AppendOutcome::Stale => None,
                AppendOutcome::ActorCollision => {
                    let refusal = Refusal::new(
                        RejectionCode::ActorCollision,
                        "another change was made under the same name; the edit has to be made again",
                    );
                    refused.insert(incoming[place].hash, refusal.clone());
                    Some(refusal.into())
                }
            };
        }
        for (stream, seq) in marks {
            self.live.publish(organisation, StreamMark { stream, seq });
        }
        Ok(())
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

/// The changes of one document, being decided on.
struct Group<'a> {
    bringer: Bringer<'a>,
    incoming: &'a [Incoming],
    outcomes: &'a mut [Option<Outcome>],
    refused: &'a mut HashMap<ChangeHash, Refusal>,
    stored: Option<&'a StoredDocument>,
}

impl Group<'_> {
    /// Decides what can be decided; returns what is to be appended. After a change that its author may not make, the
    /// rest of the document is judged again without it.
    async fn decide(
        &mut self,
        places: &[usize],
        judgements: Vec<Judgement>,
        directory: &mut Directory<'_>,
    ) -> Result<Vec<(usize, Append)>, StoreError> {
        let mut accepted = Vec::new();
        let mut home = self.stored.map(|it| it.stream);
        let mut tainted = false;
        for (&place, judgement) in places.iter().zip(judgements) {
            let change = &self.incoming[place];
            let sound = match judgement {
                Judgement::Sound(sound) => sound,
                Judgement::Known => {
                    self.outcomes[place] = Some(Outcome::Duplicate);
                    continue;
                }
                Judgement::Refused(refusal) => {
                    // On a document without the refused change it may fare better.
                    if !tainted {
                        self.refuse(place, refusal.into());
                    }
                    continue;
                }
                Judgement::Waiting(missing) => {
                    let cause = missing.iter().find_map(|hash| self.refused.get(hash));
                    let outcome = cause.map_or(Outcome::Later, |cause| builds_on_refused(cause).into());
                    self.refuse(place, outcome);
                    continue;
                }
            };
            if let Err(refusal) = check_author(self.bringer, &sound, change.relayed) {
                self.refuse(place, refusal.into());
                tainted = true;
                continue;
            }
            if tainted {
                continue;
            }
            match route(directory, self.bringer, &sound, change.relayed, home).await? {
                Ok(Route { stream, summary }) => {
                    home = Some(stream);
                    accepted.push((
                        place,
                        Append {
                            document: change.document,
                            stream,
                            hash: sound.hash,
                            bytes: change.bytes.clone(),
                            actor: sound.actor,
                            seq: sound.seq,
                            based_on: sound.based_on,
                            heads: sound.heads,
                            tree: sound.tree,
                            summary,
                            disagreements: sound.disagreements,
                            author: sound.authorship.user,
                            device: self.bringer.device,
                            relayed: change.relayed,
                            made_at: sound.authorship.at,
                        },
                    ));
                }
                Err(stopped) => {
                    self.refuse(place, stopped.into());
                    tainted = true;
                }
            }
        }
        Ok(accepted)
    }

    fn refuse(&mut self, place: usize, outcome: Outcome) {
        if let Outcome::Refused { refusal, .. } = &outcome {
            self.refused.insert(self.incoming[place].hash, refusal.clone());
        }
        self.outcomes[place] = Some(outcome);
    }
}

fn builds_on_refused(cause: &Refusal) -> Refusal {
    Refusal::new(
        cause.code,
        format!("it builds on a change that was not accepted: {}", cause.message),
    )
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

/// The changes without an outcome, by document, in the order in which they came.
fn undecided(incoming: &[Incoming], outcomes: &[Option<Outcome>]) -> Vec<(DocumentId, Vec<usize>)> {
    let mut groups: Vec<(DocumentId, Vec<usize>)> = Vec::new();
    let mut group_of: HashMap<DocumentId, usize> = HashMap::new();
    for (place, (change, outcome)) in incoming.iter().zip(outcomes).enumerate() {
        if outcome.is_some() {
            continue;
        }
        let group = *group_of.entry(change.document).or_insert_with(|| {
            groups.push((change.document, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(place);
    }
    groups
}

/// Cuts what one request changes into parts that are judged and stored one after the other, so that what is held in
/// memory at a time stays small. New documents weigh little; existing ones are read whole.
fn slices(incoming: &[Incoming], groups: Vec<(DocumentId, Vec<usize>)>) -> Vec<Vec<(DocumentId, Vec<usize>)>> {
    let mut slices: Vec<Vec<(DocumentId, Vec<usize>)>> = Vec::new();
    let (mut bytes, mut existing) = (usize::MAX, 0);
    for group in groups {
        if bytes >= SLICE_BYTES || existing >= SLICE_EXISTING {
            slices.push(Vec::new());
            (bytes, existing) = (0, 0);
        }
        bytes += group.1.iter().map(|&place| incoming[place].bytes.len()).sum::<usize>();
        existing += usize::from(!group.1.iter().any(|&place| incoming[place].creates));
        if let Some(slice) = slices.last_mut() {
            slice.push(group);
        }
    }
    slices
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
