//! Judging, routing and storing changes, each for itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fieldledger_core::{
    model::{ChangeHash, DocumentId, TerritoryId, Timestamp},
    sync::protocol::{RejectionCode, StreamId, StreamMark},
};

use super::{
    About, Subject, SyncService,
    route::{Bringer, Directory, Route, Stopped, check_author, may_bring, route},
    validator::{Job, Judgement, Refusal},
};
use crate::store::{Append, AppendOutcome, StoreError, StoredDocument};

/// How often the changes of one request are judged again, because a document changed meanwhile or something they were
/// judged with was refused. What is undecided then is to be pushed again.
const ROUNDS: usize = 12;

/// Bytes of changes, and existing documents, that are judged and stored at a time.
const SLICE_BYTES: usize = 4 << 20;
/// See [`SLICE_BYTES`].
const SLICE_EXISTING: usize = 128;

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
        let mut grown: BTreeMap<StreamId, (u64, BTreeSet<Subject>)> = BTreeMap::new();
        let subjects: Vec<Subject> = (appends.iter().map(|it| &it.summary))
            .map(|it| Subject {
                kind: Some(it.kind.clone()),
                customer: it.customer,
            })
            .collect();
        let appended = self.store.append(organisation, appends, now).await?;
        for ((place, result), subject) in appended_places.into_iter().zip(appended).zip(subjects) {
            outcomes[place] = match result {
                AppendOutcome::Appended { stream, seq } => {
                    let (mark, about) = grown.entry(stream).or_default();
                    *mark = seq.max(*mark);
                    about.insert(subject);
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
        for (stream, (seq, about)) in grown {
            let mark = StreamMark { stream, seq };
            self.live.publish_about(organisation, mark, About::these(about));
        }
        Ok(())
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
                    let outcome = match (cause, home.map(|home| may_bring(self.bringer, home))) {
                        (Some(cause), _) => builds_on_refused(cause).into(),
                        // What is missing may have been refused for the same reason, and would never come.
                        (None, Some(Err(stopped))) => stopped.into(),
                        (None, _) => Outcome::Later,
                    };
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
                            // What a phone brings of another's says nothing about its own clock.
                            clock_off: self.bringer.clock_off && !change.relayed,
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
