//! A server for tests: streams in memory, no rules but those that a test sets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod evidence;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tempfile::TempDir;

use super::protocol::*;
use crate::{
    document::Chunk,
    model::*,
    store::{Durability, FieldStore, KeySupply, NewEvidence, OpenOptions, PhoneClock},
};

pub(crate) const TERRITORY: StreamId = StreamId::Territory(TerritoryId::from_bytes([9; 16]));
/// 2026-03-02T02:00:00Z.
pub(crate) const MORNING: i64 = 1_772_416_800_000;

pub(crate) struct TestClock(AtomicI64);

impl PhoneClock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
    fn monotonic_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed) as u64
    }
    fn zone_minutes(&self) -> i16 {
        480
    }
}

impl TestClock {
    pub(crate) fn forward(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

pub(crate) struct Phone {
    pub(crate) store: FieldStore,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) folder: TempDir,
}

impl Phone {
    pub(crate) fn new(number: u8) -> Self {
        Self::with_key(number, crate::store::test_key())
    }

    pub(crate) fn with_key(number: u8, key: Option<Arc<dyn KeySupply>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(MORNING)));
        let store = FieldStore::open(OpenOptions {
            app_version: "0.1.0".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn PhoneClock>,
            seed: Some(u64::from(number)),
            durability: Durability::Off,
            key,
            ..OpenOptions::new(folder.path().join("phone.db"), [number; 16])
        })
        .unwrap();
        let enrolment = EnrolResponse {
            organisation: OrganisationId::from_bytes([200; 16]),
            organisation_name: "Example 贸易".to_owned(),
            user: UserId::from_bytes([number; 16]),
            user_name: format!("Person {number}"),
            roles: vec![Role::Rep, Role::Supervisor],
            device: DeviceId::from_bytes([100 + number; 16]),
            token: "secret".to_owned(),
            server_time: Timestamp::from_millis(MORNING),
        };
        store.adopt_enrolment("https://sync.example", enrolment).unwrap();
        Self { store, clock, folder }
    }

    pub(crate) fn plan(&self, day: u32) -> DocumentId {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 1 + day % 28).unwrap();
        let customer = CustomerId::from_bytes([7; 16]);
        self.store.plan_visit(customer, date, VisitPurpose::Sales).unwrap().id
    }

    pub(crate) fn note(&self, id: DocumentId, note: &str) {
        let mut visit = self.store.visit(id).unwrap().unwrap();
        visit.value.note = note.to_owned();
        self.store.save(&visit).unwrap();
    }

    pub(crate) fn waiting(&self) -> usize {
        self.store.status().unwrap().waiting
    }

    /// Attaches a photo of these bytes to a visit, and gives back its hash.
    pub(crate) fn photograph(&self, visit: DocumentId, bytes: &[u8]) -> EvidenceHash {
        let file = self.folder.path().join("camera.jpg");
        std::fs::write(&file, bytes).unwrap();
        let hash = self.attach(visit, &file);
        // As the cleaner of a phone does.
        std::fs::remove_file(&file).unwrap();
        hash
    }

    pub(crate) fn attach(&self, visit: DocumentId, file: &std::path::Path) -> EvidenceHash {
        let described = NewEvidence {
            kind: EvidenceKind::Photo,
            media_type: "image/jpeg".to_owned(),
            taken_at: None,
            position: None,
            caption: String::new(),
        };
        self.store.attach_evidence(visit, file.to_owned(), described).unwrap()
    }

    /// Everything that sync is answerable for, in a form that can be compared between phones.
    pub(crate) fn content(&self) -> BTreeMap<String, String> {
        self.store
            .read(|connection| {
                let mut content = BTreeMap::new();
                let mut documents = connection.prepare("SELECT id FROM document")?;
                let ids: Vec<[u8; 16]> = documents.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for id in ids.into_iter().map(DocumentId::from_bytes) {
                    let found = crate::db::documents::find(connection, id)?.unwrap();
                    let heads = found.heads(connection)?;
                    let tree = (!found.is_hidden()).then(|| found.tree(connection)).transpose()?;
                    content.insert(id.to_string(), format!("{heads:?} {tree:?}"));
                }
                let mut records = connection.prepare("SELECT kind, id, version, body FROM record")?;
                let mut rows = records.query([])?;
                while let Some(row) = rows.next()? {
                    let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
                    let (version, body): (i64, Vec<u8>) = (row.get(2)?, row.get(3)?);
                    content.insert(format!("{kind} {id}"), format!("{version} {body:?}"));
                }
                for row in crate::db::streams::all(connection)? {
                    content.insert(format!("{:?}", row.stream), format!("{:?}", row.cursor));
                }
                let unsent = crate::db::outbox::waiting(connection, 0, 1_000_000, usize::MAX)?;
                content.insert("waiting".to_owned(), unsent.len().to_string());
                Ok(content)
            })
            .unwrap()
    }

    /// One exchange with `server`.
    pub(crate) fn exchange(&self, server: &mut FakeServer) -> crate::db::exchange::Applied {
        let (request, sent) = self.request(100);
        let response = server.answer(&request);
        self.store.apply(response, &sent).unwrap()
    }

    pub(crate) fn request(&self, entries: usize) -> (SyncRequest, crate::db::exchange::Sent) {
        let limits = crate::db::exchange::Limits {
            entries,
            bytes: 1 << 20,
        };
        let outgoing = self.store.outgoing(limits).unwrap();
        let request = SyncRequest {
            protocol: PROTOCOL,
            app_version: String::new(),
            request_id: 1,
            device_time: outgoing.device_time,
            since_contact_millis: None,
            cursors: outgoing.sent.cursors.clone(),
            push: outgoing.push,
            budget_bytes: 1 << 20,
            waiting: outgoing.waiting,
            installation: [0; 16].into(),
            words: outgoing.words,
        };
        (request, outgoing.sent)
    }

    pub(crate) fn settle(&self, server: &mut FakeServer) {
        for _ in 0..1_000 {
            let applied = self.exchange(server);
            assert_eq!(applied.refused, None);
            if !applied.more && (applied.waiting == 0 || !applied.progress) {
                return;
            }
        }
        panic!("the exchange does not come to an end");
    }
}

pub(crate) struct FakeServer {
    pub(crate) lineage: [u8; 8],
    pub(crate) streams: BTreeMap<StreamId, Vec<Entry>>,
    /// Stored changes by name; the first change of a document also by its actor.
    pub(crate) known: BTreeSet<ChangeHash>,
    pub(crate) actors: BTreeMap<Vec<u8>, ChangeHash>,
    pub(crate) page: usize,
    pub(crate) withdrawn: BTreeSet<StreamId>,
    pub(crate) refuse: BTreeSet<DocumentId>,
    pub(crate) later: bool,
    /// Changes that a backup covers.
    pub(crate) backed_up: BTreeSet<ChangeHash>,
    /// Told in every reply.
    pub(crate) marks: Vec<StreamMark>,
    /// Milliseconds since the morning.
    pub(crate) time: i64,
}

impl Default for FakeServer {
    fn default() -> Self {
        Self {
            lineage: [1; 8],
            streams: BTreeMap::from([(TERRITORY, Vec::new())]),
            known: BTreeSet::new(),
            actors: BTreeMap::new(),
            page: 1_000,
            withdrawn: BTreeSet::new(),
            refuse: BTreeSet::new(),
            later: false,
            backed_up: BTreeSet::new(),
            marks: Vec::new(),
            time: 0,
        }
    }
}

impl FakeServer {
    pub(crate) fn put(&mut self, stream: StreamId, entry: Entry) {
        self.streams.entry(stream).or_default().push(entry);
    }

    pub(crate) fn record(&mut self, stream: StreamId, id: &str, version: u64, json: &str) {
        let name = RecordName {
            kind: "odd".to_owned(),
            id: id.to_owned(),
        };
        let json = json.to_owned();
        self.put(stream, Entry::Record(RecordEntry { name, version, json }));
    }

    /// The record of the customer that [`Phone::plan`] plans for, by which a phone knows in which stream a visit lives.
    pub(crate) fn welcome_customer(&mut self) {
        let customer = LedgerRecord::Customer(Customer {
            id: CustomerId::from_bytes([7; 16]),
            code: "C007".to_owned(),
            name: "Shop".to_owned(),
            territory: TerritoryId::from_bytes([9; 16]),
            rep: None,
            contact: String::new(),
            phone: String::new(),
            address: String::new(),
            position: None,
        });
        let key = customer.key();
        let name = RecordName {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
        };
        let json = customer.to_json().unwrap();
        self.put(TERRITORY, Entry::Record(RecordEntry { name, version: 1, json }));
    }

    fn judge(&mut self, push: &Push, brought: &mut BTreeSet<ChangeHash>) -> Verdict {
        let change = match push {
            Push::Offer(offer) if offer.until_backed_up && self.backed_up.contains(&offer.hash) => {
                return Verdict::BackedUp;
            }
            Push::Offer(offer) if self.known.contains(&offer.hash) => return Verdict::Duplicate,
            Push::Offer(_) => return Verdict::Wanted,
            Push::Change(change) => change,
        };
        let chunk = Chunk::read(change.bytes.clone()).unwrap();
        let document = change.document.or_else(|| chunk.creates()).unwrap();
        let reject = |code| {
            let message = "no".to_owned();
            Verdict::Rejected(Rejection { code, message })
        };
        if self.known.contains(&chunk.hash()) {
            brought.insert(chunk.hash());
            return Verdict::Duplicate;
        }
        if self.later || chunk.deps().iter().any(|dep| !self.known.contains(dep)) {
            return Verdict::Later;
        }
        if self.refuse.contains(&document) {
            return reject(RejectionCode::NotAllowed);
        }
        if self.actors.contains_key(chunk.actor()) {
            return reject(RejectionCode::ActorCollision);
        }
        self.actors.insert(chunk.actor().to_vec(), chunk.hash());
        self.known.insert(chunk.hash());
        brought.insert(chunk.hash());
        let entry = Entry::Change(ChangeEntry {
            document: change.document,
            bytes: change.bytes.clone(),
            received_at: Timestamp::from_millis(MORNING),
        });
        self.put(TERRITORY, entry);
        Verdict::Accepted
    }

    pub(crate) fn answer(&mut self, request: &SyncRequest) -> SyncResponse {
        let mut brought = BTreeSet::new();
        let verdicts = request
            .push
            .iter()
            .map(|push| VerdictRun {
                count: 1,
                verdict: self.judge(push, &mut brought),
            })
            .collect();
        let cursors: BTreeMap<_, _> = request.cursors.iter().map(|it| (it.stream, it.cursor)).collect();
        let mut pages = Vec::new();
        for (stream, entries) in &self.streams {
            if self.withdrawn.contains(stream) {
                continue;
            }
            let cursor = cursors.get(stream).copied().flatten();
            let fits = cursor.is_none_or(|it| *it.lineage == self.lineage && it.seq <= entries.len() as u64);
            let from = cursor.filter(|_| fits).map_or(0, |it| it.seq as usize);
            let to = entries.len().min(from + self.page);
            if fits && from == to {
                continue;
            }
            let new = |entry: &&Entry| match entry {
                Entry::Change(it) => {
                    Chunk::read(it.bytes.clone()).map_or(true, |chunk| !brought.contains(&chunk.hash()))
                }
                _ => true,
            };
            pages.push(StreamPage {
                stream: *stream,
                restart: !fits,
                entries: entries[from..to].iter().filter(new).cloned().collect(),
                next: Cursor {
                    lineage: self.lineage.into(),
                    seq: to as u64,
                    chain: [to as u8; 16].into(),
                },
                more: to < entries.len(),
            });
        }
        SyncResponse {
            protocol: PROTOCOL,
            request_id: request.request_id,
            server_time: Timestamp::from_millis(MORNING + self.time),
            verdicts,
            streams: pages,
            withdrawn: cursors
                .keys()
                .filter(|it| self.withdrawn.contains(it))
                .copied()
                .collect(),
            backed_up: self.marks.clone(),
            new_token: None,
        }
    }

    /// A backup of everything is made, and told of.
    pub(crate) fn back_up(&mut self) {
        self.backed_up = self.known.clone();
        let marks = self.streams.iter().map(|(stream, entries)| StreamMark {
            stream: *stream,
            seq: entries.len() as u64,
        });
        self.marks = marks.filter(|mark| !self.withdrawn.contains(&mark.stream)).collect();
    }

    /// What a restore from a backup of the first `kept` entries of the territory leaves.
    pub(crate) fn restore(&mut self, kept: usize) {
        self.lineage[0] += 1;
        let entries = self.streams.get_mut(&TERRITORY).unwrap();
        entries.truncate(kept);
        self.known.clear();
        self.backed_up.clear();
        self.marks.clear();
        self.actors.clear();
        for entry in entries.iter() {
            if let Entry::Change(it) = entry {
                let chunk = Chunk::read(it.bytes.clone()).unwrap();
                self.known.insert(chunk.hash());
                self.actors.insert(chunk.actor().to_vec(), chunk.hash());
            }
        }
    }
}
