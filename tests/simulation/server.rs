//! The real server without HTTP: service, store and clock, with backups, restores and the broken variants.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use fieldledger_core::{
    document::{Authorship, Chunk},
    model::{DeviceId, LedgerRecord, OrganisationId, TerritoryId, Timestamp, UserId},
    sync::protocol::{
        Entry, Push, Rejection, RejectionCode, StreamCursor, SyncRequest, SyncResponse, Verdict, VerdictRun, pack,
        unpack,
    },
};
use fieldledger_server::{
    clock::Clock,
    ingest::{InProcess, LiveHub, SyncService},
    store::{Account, Device, DocumentStore as _, PeopleStore as _, Store as _, sqlite::SqliteStore},
};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use crate::variants::Variant;

/// The server's clock, set by the simulation.
#[derive(Clone, Default)]
pub(crate) struct SimulatedClock(Arc<AtomicI64>);

impl SimulatedClock {
    /// Sets it.
    pub(crate) fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The server with everything around it that an operator has.
pub(crate) struct Server {
    folder: PathBuf,
    generation: u64,
    seed: u64,
    /// The store of the present run.
    pub store: Arc<SqliteStore>,
    /// The service of the present run.
    pub service: Arc<SyncService>,
    clock: SimulatedClock,
    /// The company.
    pub organisation: OrganisationId,
    /// Devices by id; access is checked as the HTTP layer does.
    pub devices: BTreeMap<DeviceId, Device>,
    backup: Option<PathBuf>,
    variant: Variant,
    chance: SmallRng,
}

impl Server {
    /// A server on an empty folder.
    pub(crate) fn new(folder: &Path, seed: u64, clock: SimulatedClock, variant: Variant) -> Self {
        let (store, service) = open(&folder.join("server-0"), seed, &clock);
        Self {
            folder: folder.to_owned(),
            generation: 0,
            seed,
            store,
            service,
            clock,
            organisation: OrganisationId::from_bytes([9; 16]),
            devices: BTreeMap::new(),
            backup: None,
            variant,
            chance: SmallRng::seed_from_u64(seed ^ 0x5eed),
        }
    }

    /// Writes ledger records; each must be taken.
    pub(crate) async fn write(&self, records: Vec<LedgerRecord>) {
        self.store
            .put_records(self.organisation, records, true, self.clock.now())
            .await
            .expect("records are written");
    }

    /// The account of a person.
    pub(crate) async fn account(&self, user: UserId) -> Account {
        self.store
            .account(self.organisation, user)
            .await
            .expect("the store answers")
            .expect("everybody has an account")
    }

    /// Gives a person other territories.
    pub(crate) async fn assign(&self, user: UserId, territories: Vec<TerritoryId>) {
        let mut account = self.account(user).await;
        account.territories = territories;
        self.store.put_account(account).await.expect("the account is written");
    }

    /// Stops at once and starts again on the same folder.
    pub(crate) fn restart(&mut self) {
        let folder = self.folder.join(format!("server-{}", self.generation));
        self.reopen(&folder);
    }

    fn reopen(&mut self, folder: &Path) {
        // The old store must let go of the folder before the new one takes it.
        let parked = self.folder.join("parked");
        let (store, service) = open(&parked, self.seed, &self.clock);
        self.store = store;
        self.service = service;
        self.seed += 1;
        let (store, service) = open(folder, self.seed, &self.clock);
        self.store = store;
        self.service = service;
    }

    /// Writes a backup, as the operator does from time to time.
    pub(crate) async fn back_up(&mut self) {
        let to = self.folder.join(format!("backup-{}", self.clock.now().as_millis()));
        self.store.backup(&to).await.expect("the backup is written");
        self.backup = Some(to);
    }

    /// Loses everything since the last backup. `properly`: with `restore`, which starts new lineages; otherwise by
    /// copying the file, which nobody should do and somebody will.
    pub(crate) async fn restore(&mut self, properly: bool) -> bool {
        let Some(backup) = self.backup.clone() else {
            return false;
        };
        // Accounts and records are typed in again by whoever runs the company; what phones wrote must come from phones.
        let accounts = self.store.accounts(self.organisation).await.expect("the store answers");
        let mut records = Vec::new();
        for kind in crate::world::RECORD_KINDS {
            let stored = self
                .store
                .records(self.organisation, &kind)
                .await
                .expect("the store answers");
            records.extend(stored.into_iter().map(|it| it.record));
        }
        self.generation += 1;
        let folder = self.folder.join(format!("server-{}", self.generation));
        copy_folder(&backup, &folder);
        self.reopen(&folder);
        if properly {
            self.store.begin_new_lineages().await.expect("new lineages begin");
        }
        for account in accounts {
            self.store.put_account(account).await.expect("the account is written");
        }
        self.write(records).await;
        true
    }

    /// Answers one request body with a reply body; `None` when the server cannot make sense of it.
    pub(crate) async fn answer(&mut self, device: DeviceId, body: &[u8]) -> Option<Vec<u8>> {
        let request: SyncRequest = unpack(body).ok()?;
        let known = self.devices.get(&device).expect("the device was enrolled").clone();
        let account = self.account(known.user).await;
        let reply = self.answer_message(&account, &known, request).await?;
        Some(pack(&reply).expect("a reply can be encoded"))
    }

    async fn answer_message(
        &mut self,
        account: &Account,
        device: &Device,
        request: SyncRequest,
    ) -> Option<SyncResponse> {
        let mut request = request;
        let mut pretended = Vec::new();
        let asked = request.push.len();
        match self.variant {
            Variant::AcknowledgeEverything => {
                let kept = request.push.split_off(request.push.len() - request.push.len() / 2);
                pretended = vec![Verdict::Accepted; request.push.len()];
                request.push = kept;
            }
            Variant::FirstUploadWins => {
                let mut kept = Vec::new();
                for push in std::mem::take(&mut request.push) {
                    if self.is_side_by_side(&push).await {
                        pretended.push(Verdict::Accepted);
                    } else {
                        kept.push(push);
                    }
                }
                request.push = kept;
            }
            Variant::IgnoreLineage => self.adopt_cursors(&mut request.cursors).await,
            _ => {}
        }
        let pushed = request.push.clone();
        let mut reply = self.service.exchange(account, device, request).await.ok()?;
        match self.variant {
            Variant::AcknowledgeEverything => {
                let real = flat(&reply.verdicts);
                reply.verdicts = runs(pretended.into_iter().chain(real).collect());
            }
            Variant::FirstUploadWins => {
                let real = flat(&reply.verdicts);
                reply.verdicts = runs(real.into_iter().chain(pretended).collect());
                // Verdicts answer in order; when something was left out the order no longer fits, so all are accepted.
                if reply.verdicts.iter().map(|run| run.count as usize).sum::<usize>() != pushed.len()
                    || asked != pushed.len()
                {
                    reply.verdicts = runs(vec![Verdict::Accepted; asked]);
                }
            }
            Variant::RestartWithoutOffers => reply.streams.iter_mut().for_each(|page| page.restart = false),
            Variant::EveryOfferIsKnown => {
                let verdicts = flat(&reply.verdicts).into_iter().map(|verdict| match verdict {
                    Verdict::Wanted => Verdict::Duplicate,
                    other => other,
                });
                reply.verdicts = runs(verdicts.collect());
            }
            Variant::ClaimBackups => {
                let verdicts = flat(&reply.verdicts).into_iter().zip(&pushed);
                let verdicts = verdicts.map(|(verdict, push)| match (verdict, push) {
                    (Verdict::Duplicate, Push::Offer(_)) => Verdict::BackedUp,
                    (other, _) => other,
                });
                reply.verdicts = runs(verdicts.collect());
            }
            Variant::LoseEntriesKeepCursor => {
                for page in &mut reply.streams {
                    if self.chance.random_range(0..8) == 0 {
                        page.entries.pop();
                    }
                }
            }
            Variant::LeaveOutOwnChanges => {
                for page in &mut reply.streams {
                    page.entries.retain(|entry| !is_by(entry, device.id));
                }
            }
            Variant::SwallowRejections => {
                let verdicts = flat(&reply.verdicts).into_iter().map(|verdict| match verdict {
                    Verdict::Rejected(_) => Verdict::Accepted,
                    other => other,
                });
                reply.verdicts = runs(verdicts.collect());
            }
            Variant::OneBadBlocksAll => {
                let verdicts = flat(&reply.verdicts);
                if verdicts.iter().any(|it| matches!(it, Verdict::Rejected(_))) {
                    let message = "another entry of the request is wrong".to_owned();
                    let refused = Verdict::Rejected(Rejection {
                        code: RejectionCode::Other,
                        message,
                    });
                    reply.verdicts = runs(vec![refused; verdicts.len()]);
                }
            }
            Variant::StopAfterFirstPage => {
                for page in &mut reply.streams {
                    if page.more {
                        page.more = false;
                        if let Ok(Some(head)) = self.store.head(self.organisation, page.stream).await {
                            page.next = head;
                        }
                    }
                }
            }
            _ => {}
        }
        Some(reply)
    }

    async fn is_side_by_side(&self, push: &Push) -> bool {
        let Push::Change(change) = push else { return false };
        let Ok(chunk) = Chunk::read(change.bytes.clone()) else {
            return false;
        };
        let Some(id) = change.document.or_else(|| chunk.creates()) else {
            return false;
        };
        let stored = self
            .store
            .document(self.organisation, id)
            .await
            .expect("the store answers");
        stored.is_some_and(|document| !chunk.deps().is_empty() && document.heads != chunk.deps())
    }

    async fn adopt_cursors(&self, cursors: &mut [StreamCursor]) {
        for place in cursors {
            let Ok(Some(head)) = self.store.head(self.organisation, place.stream).await else {
                continue;
            };
            if let Some(cursor) = place.cursor
                && (cursor.lineage != head.lineage || cursor.seq > head.seq)
            {
                place.cursor = Some(head);
            }
        }
    }
}

fn open(folder: &Path, seed: u64, clock: &SimulatedClock) -> (Arc<SqliteStore>, Arc<SyncService>) {
    let store = Arc::new(SqliteStore::open_seeded(folder, seed).expect("the folder is free"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let service = SyncService::new(
        store.clone(),
        Arc::new(InProcess),
        Arc::new(clock.clone()),
        Arc::new(LiveHub::new()),
        bytes,
    );
    (store, Arc::new(service))
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for file in std::fs::read_dir(from).expect("the backup is there").flatten() {
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a file can be copied");
    }
}

fn flat(runs: &[VerdictRun]) -> Vec<Verdict> {
    runs.iter()
        .flat_map(|run| std::iter::repeat_n(run.verdict.clone(), run.count as usize))
        .collect()
}

fn runs(verdicts: Vec<Verdict>) -> Vec<VerdictRun> {
    verdicts
        .into_iter()
        .map(|verdict| VerdictRun { count: 1, verdict })
        .collect()
}

fn is_by(entry: &Entry, device: DeviceId) -> bool {
    let Entry::Change(change) = entry else { return false };
    let author: Option<Authorship> = Chunk::read(change.bytes.clone())
        .ok()
        .and_then(|chunk| chunk.authorship());
    author.is_some_and(|author| author.device == device)
}
