#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fetching;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    pace::{FIRST_PART, LEAST_PART},
    *,
};
use crate::{
    evidence::queue::{COPY_KEPT, DAY},
    model::{DocumentId, EvidenceHash, UploadState},
    sync::{
        engine::{Config, Status},
        fake::{
            FakeServer, Phone, TestClock,
            evidence::{Asked, FakeEvidence, Trouble},
        },
        protocol::{SyncRequest, pack},
        transport::{Exchanged, Fetched, Held, LiveNotices, Upload, UploadFault},
    },
};

const MINUTE: i64 = 60_000;

#[derive(Default)]
struct Wire {
    server: Mutex<FakeServer>,
    files: Mutex<FakeEvidence>,
    /// Every part takes so many milliseconds of this clock.
    pace: Mutex<Option<(Arc<TestClock>, i64)>>,
    /// Done before each part.
    before_part: Mutex<Option<Box<dyn FnMut() + Send>>>,
    /// From which byte on files were fetched.
    fetched: Mutex<Vec<u64>>,
    /// After so many bytes the next replies break off.
    cuts: Mutex<VecDeque<usize>>,
    /// It gives whole files only.
    no_ranges: AtomicBool,
}

impl Transport for Wire {
    async fn exchange(&self, request: &SyncRequest) -> Result<Exchanged, TransportFault> {
        let response = self.server.lock().unwrap().answer(request);
        Ok(Exchanged {
            bytes_up: pack(request).unwrap().len() as u64,
            bytes_down: pack(&response).unwrap().len() as u64,
            response,
        })
    }
    async fn live(&self) -> Result<LiveNotices, TransportFault> {
        Ok(futures::stream::pending().boxed())
    }
    fn set_token(&self, _: &str) {}
}

impl EvidenceTransport for Wire {
    async fn begin(&self, upload: &Upload) -> Result<Held, UploadFault> {
        let server = self.server.lock().unwrap();
        self.files.lock().unwrap().begin(&server, upload)
    }
    async fn append(&self, upload: &Upload, offset: u64, part: Vec<u8>) -> Result<Held, UploadFault> {
        if let Some(before) = self.before_part.lock().unwrap().as_mut() {
            before();
        }
        if let Some((clock, millis)) = &*self.pace.lock().unwrap() {
            clock.forward(*millis);
        }
        self.files.lock().unwrap().append(upload, offset, &part)
    }
    async fn fetch(&self, _: DocumentId, hash: EvidenceHash, from: u64) -> Result<Fetched, UploadFault> {
        self.fetched.lock().unwrap().push(from);
        let whole = files_of(self).stored.get(&hash).cloned().ok_or(UploadFault::Gone)?;
        let offset = if self.no_ranges.load(Ordering::Relaxed) {
            0
        } else {
            from
        };
        if offset > 0 && offset >= whole.len() as u64 {
            return Err(UploadFault::WrongOffset);
        }
        let mut bytes = &whole[offset as usize..];
        let cut = self.cuts.lock().unwrap().pop_front();
        bytes = &bytes[..cut.unwrap_or(bytes.len()).min(bytes.len())];
        let mut parts: Vec<_> = bytes.chunks(10_000).map(|part| Ok(part.to_vec())).collect();
        parts.extend(cut.map(|_| Err(TransportFault::Offline)));
        let bytes = futures::stream::iter(parts).boxed();
        Ok(Fetched { offset, bytes })
    }
}

fn driver(phone: &Phone, wire: &Arc<Wire>) -> SyncDriver<Arc<Wire>> {
    SyncDriver::new(phone.store.clone(), Arc::clone(wire))
}

async fn sync(phone: &Phone, wire: &Arc<Wire>) -> EvidenceReport {
    driver(phone, wire).sync_all(|| true).await.unwrap().evidence
}

/// Bytes that do not repeat.
fn picture(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn state(phone: &Phone, hash: EvidenceHash) -> UploadState {
    phone.store.evidence_state(hash).unwrap()
}

fn problem(phone: &Phone, hash: EvidenceHash) -> String {
    phone
        .store
        .evidence_file(hash)
        .unwrap()
        .unwrap()
        .problem
        .unwrap_or_default()
}

fn copy_of(phone: &Phone, hash: EvidenceHash) -> PathBuf {
    phone.folder.path().join("phone.db-evidence").join(hash.to_string())
}

fn files_of(wire: &Wire) -> std::sync::MutexGuard<'_, FakeEvidence> {
    wire.files.lock().unwrap()
}

#[tokio::test]
async fn a_photo_goes_after_its_document_and_needs_the_apps_own_file_no_more() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let photo = picture(1, 300_000);
    let hash = ann.photograph(visit, &photo);
    let told = Arc::new(Mutex::new(0));
    let count = Arc::clone(&told);
    let _listener = ann.store.subscribe(Arc::new(move |changes| {
        *count.lock().unwrap() += usize::from(changes.contains(&Change::Evidence));
    }));

    let early = driver(&ann, &wire).send_evidence(|| true).await.unwrap();
    assert_eq!((early.stored, early.left, early.problem), (0, 1, None));
    assert_eq!(files_of(&wire).asked, [], "the document waits still");
    assert_eq!(ann.store.status().unwrap().evidence_waiting, 1);

    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.left, report.bytes_up), (1, 0, 300_000));
    assert_eq!(files_of(&wire).stored[&hash], photo);
    assert!(*told.lock().unwrap() >= 2);
    let file = ann.store.evidence_file(hash).unwrap().unwrap();
    assert_eq!(
        (file.state, file.sent, file.document),
        (UploadState::Stored, 300_000, Some(visit))
    );
    assert_eq!(file.path.as_deref(), Some(copy_of(&ann, hash).as_path()));
    assert_eq!(ann.store.status().unwrap().evidence_waiting, 0);

    files_of(&wire).asked.clear();
    assert_eq!(sync(&ann, &wire).await, EvidenceReport::default());
    assert_eq!(files_of(&wire).asked, [], "nothing is asked twice in a day");
}

#[tokio::test]
async fn a_cut_in_the_middle_goes_on_at_the_byte_and_sends_nothing_twice() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let photo = picture(2, 3_000_000);
    let hash = ann.photograph(visit, &photo);
    // The second part is cut; the third gets through, and its reply does not.
    let troubles = [Trouble::None, Trouble::Cut(123_456), Trouble::ReplyLost];
    files_of(&wire).troubles.extend(troubles);
    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.left, report.problem), (1, 0, None));
    let files = files_of(&wire);
    assert_eq!(files.stored[&hash], photo);
    let mut next = 0;
    for (number, (offset, length)) in files.parts(hash).into_iter().enumerate() {
        assert_eq!(
            offset, next,
            "part {number} begins where the one before ended on the server"
        );
        next += if number == 1 { 123_456 } else { length as u64 };
    }
    assert_eq!(next, 3_000_000);
}

#[tokio::test]
async fn parts_grow_while_they_are_quick_and_shrink_when_they_are_slow_or_do_not_get_through() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let video = picture(3, 12 << 20);
    let hash = ann.photograph(visit, &video);
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    let lengths = |wire: &Wire, hash| -> Vec<usize> {
        let parts = files_of(wire).parts(hash);
        parts.iter().map(|(_, length)| length >> 10).collect()
    };
    assert_eq!(lengths(&wire, hash), [512, 1_024, 2_048, 4_096, 4_096, 512]);

    // Each part takes twelve seconds.
    *wire.pace.lock().unwrap() = Some((Arc::clone(&ann.clock), 12_000));
    let hash = ann.photograph(visit, &picture(4, 1 << 20));
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    assert_eq!(lengths(&wire, hash), [512, 256, 128, 64, 64]);
    *wire.pace.lock().unwrap() = None;

    // A proxy lets a quarter of a megabyte through.
    files_of(&wire).widest = Some(256 << 10);
    let hash = ann.photograph(visit, &picture(5, 1 << 20));
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    assert_eq!(lengths(&wire, hash), [512, 256, 256, 256, 256]);
    files_of(&wire).widest = None;

    // Nobody answers: what arrived is not sent again.
    let hash = ann.photograph(visit, &picture(6, 1 << 20));
    files_of(&wire)
        .troubles
        .extend([Trouble::Timeout(100_000), Trouble::Timeout(0)]);
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    let parts = files_of(&wire).parts(hash);
    assert_eq!(parts[..3], [(0, 512 << 10), (100_000, 256 << 10), (100_000, 128 << 10)]);
}

#[tokio::test]
async fn the_smallest_goes_first_and_one_that_comes_later_passes_a_large_one() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let video = ann.photograph(visit, &picture(1, 12 << 20));
    let photo = ann.photograph(visit, &picture(2, 400_000));
    let signature = ann.photograph(visit, &picture(3, 9_000));
    driver(&ann, &wire).sync_once().await.unwrap();
    let late = Arc::new(Mutex::new(None));
    let (store, noted, mut parts) = (ann.store.clone(), Arc::clone(&late), 0);
    let server = Arc::clone(&wire);
    let (folder, attach) = (ann.folder.path().to_owned(), ann.store.clone());
    *wire.before_part.lock().unwrap() = Some(Box::new(move || {
        parts += 1;
        // In the middle of the video a customer signs, and the document goes by itself.
        if parts == 3 {
            let file = folder.join("late.png");
            std::fs::write(&file, picture(4, 8_000)).unwrap();
            let described = crate::store::NewEvidence {
                kind: crate::model::EvidenceKind::Signature,
                media_type: "image/png".to_owned(),
                taken_at: None,
                position: None,
                caption: String::new(),
            };
            *noted.lock().unwrap() = Some(attach.attach_evidence(visit, file, described).unwrap());
            let waiting = store
                .read(|it| crate::db::outbox::waiting(it, 0, 10, usize::MAX))
                .unwrap();
            for change in waiting {
                let entry = crate::sync::protocol::ChangeEntry {
                    document: Some(change.document),
                    bytes: change.bytes,
                    received_at: store.now(),
                };
                let entry = crate::sync::protocol::Entry::Change(entry);
                server.server.lock().unwrap().put(crate::sync::fake::TERRITORY, entry);
                store
                    .write(&[], |it| crate::db::outbox::acknowledge(it, change.change))
                    .unwrap();
            }
        }
    }));
    let report = driver(&ann, &wire).send_evidence(|| true).await.unwrap();
    assert_eq!((report.stored, report.left), (4, 0));
    let late = late.lock().unwrap().unwrap();
    let files = files_of(&wire);
    assert_eq!(files.order(), [signature, photo, video, late]);
    let last = files
        .asked
        .iter()
        .rposition(|it| matches!(it, Asked::Sent(hash, ..) if *hash == video));
    let of_late = files
        .asked
        .iter()
        .position(|it| matches!(it, Asked::Sent(hash, ..) if *hash == late));
    assert!(of_late < last, "{:?}", files.asked);
    let total: usize = files.parts(video).iter().map(|(_, length)| length).sum();
    assert_eq!(total, 12 << 20, "the video went on where it was");
}

#[tokio::test]
async fn nothing_goes_over_a_network_that_the_app_does_not_allow() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let hash = ann.photograph(visit, &picture(1, 3_000_000));
    let sync = driver(&ann, &wire);
    let report = sync.sync_all(|| false).await.unwrap().evidence;
    assert_eq!((report.stored, report.left, report.problem), (0, 1, None));
    assert_eq!(files_of(&wire).asked, []);
    // Allowed for the question and two parts.
    let asked = AtomicUsize::new(0);
    let report = sync
        .send_evidence(|| asked.fetch_add(1, Ordering::Relaxed) < 3)
        .await
        .unwrap();
    assert_eq!((report.left, report.problem), (1, None));
    assert_eq!(report.bytes_up, (FIRST_PART + 2 * FIRST_PART) as u64);
    let file = ann.store.evidence_file(hash).unwrap().unwrap();
    assert_eq!((file.state, file.sent), (UploadState::Uploading, report.bytes_up));
    assert_eq!(sync.send_evidence(|| true).await.unwrap().stored, 1);
}

#[tokio::test]
async fn a_file_changed_or_gone_before_it_was_sent_is_lost_and_told() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let [gone, longer, turned, whole] = [1, 2, 3, 4].map(|seed| ann.photograph(visit, &picture(seed, 50_000)));
    std::fs::remove_file(copy_of(&ann, gone)).unwrap();
    std::fs::write(copy_of(&ann, longer), picture(2, 50_001)).unwrap();
    std::fs::write(copy_of(&ann, turned), picture(9, 50_000)).unwrap();
    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.lost, report.left), (1, 3, 0));
    assert!(files_of(&wire).stored.keys().eq([&whole]));
    for (hash, why) in [
        (gone, "not on this phone any more"),
        (longer, "50001 bytes"),
        (turned, "was changed"),
    ] {
        assert_eq!(state(&ann, hash), UploadState::Lost);
        assert!(problem(&ann, hash).contains(why), "{}", problem(&ann, hash));
    }
    let status = ann.store.status().unwrap();
    assert_eq!((status.evidence_waiting, status.evidence_lost), (0, 3));
    assert_eq!(ann.store.evidence_waiting(2).unwrap().len(), 2);
    assert!(
        ann.store
            .evidence_waiting(9)
            .unwrap()
            .iter()
            .all(|it| it.state == UploadState::Lost)
    );
    // Attached again, it is sent after all.
    ann.photograph(visit, &picture(3, 50_000));
    assert_eq!(state(&ann, turned), UploadState::Waiting);
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    assert_eq!(ann.store.status().unwrap().evidence_lost, 2);
    // The person has seen it; what is not lost cannot be waved aside.
    ann.store.give_up_evidence(gone).unwrap();
    assert_eq!(ann.store.status().unwrap().evidence_lost, 1);
    for hash in [gone, turned] {
        assert_eq!(ann.store.give_up_evidence(hash), Err(FieldError::NotFound));
    }
    assert_eq!(state(&ann, gone), UploadState::Elsewhere);
}

#[tokio::test]
async fn what_was_damaged_on_the_way_is_sent_again() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let hash = ann.photograph(ann.plan(1), &picture(1, 50_000));
    files_of(&wire).troubles.push_back(Trouble::Damaged);
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    // Over and over: that is somebody else's fault, and looked at another time.
    let other = ann.photograph(ann.plan(2), &picture(2, 50_000));
    files_of(&wire).troubles.extend([Trouble::Damaged; 2]);
    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.lost, report.left), (0, 0, 1));
    assert!(problem(&ann, other).contains("did not arrive"));
    ann.clock.forward(MINUTE);
    assert_eq!(sync(&ann, &wire).await.stored, 1);
    assert_eq!(state(&ann, hash), UploadState::Stored);
}

#[tokio::test]
async fn one_refused_file_does_not_block_the_others_and_is_tried_ever_more_seldom() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let refused = ann.photograph(visit, &picture(1, 10_000));
    let broken = ann.photograph(visit, &picture(2, 20_000));
    let fine = ann.photograph(visit, &picture(3, 30_000));
    files_of(&wire).unwanted.insert(refused);
    files_of(&wire).troubles.push_back(Trouble::Fault("it has no room"));
    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.left, report.problem), (1, 2, None));
    assert_eq!(state(&ann, fine), UploadState::Stored);
    assert_eq!(problem(&ann, refused), "no videos, please");
    assert!(problem(&ann, broken).contains("it has no room"));
    let waiting = ann.store.evidence_waiting(10).unwrap();
    assert_eq!(waiting.iter().map(|it| it.hash).collect::<Vec<_>>(), [refused, broken]);

    let mut at = Vec::new();
    for minute in 0..40 {
        files_of(&wire).asked.clear();
        sync(&ann, &wire).await;
        if files_of(&wire).asked.contains(&Asked::Begun(refused)) {
            at.push(minute);
        }
        ann.clock.forward(MINUTE);
    }
    assert_eq!(at, [1, 3, 7, 15, 31]);
    assert_eq!(state(&ann, broken), UploadState::Stored);
    // Never longer than a day, and a clock that was years ahead does not silence a file for years.
    for _ in 0..20 {
        ann.clock.forward(DAY);
        files_of(&wire).asked.clear();
        sync(&ann, &wire).await;
        assert!(files_of(&wire).asked.contains(&Asked::Begun(refused)));
    }
    ann.clock.forward(-1_000 * DAY);
    files_of(&wire).unwanted.clear();
    assert_eq!(sync(&ann, &wire).await.stored, 1);
}

#[tokio::test]
async fn a_server_that_does_not_know_the_document_is_asked_again_later() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    wire.server.lock().unwrap().refuse.insert(visit);
    let hash = ann.photograph(visit, &picture(1, 10_000));
    let report = sync(&ann, &wire).await;
    assert_eq!((report.left, report.problem), (1, None));
    assert!(problem(&ann, hash).contains("no document"), "{}", problem(&ann, hash));
    // The record was refused for good: the person lets go of the photo, and the copy goes.
    let copy = copy_of(&ann, hash);
    assert!(copy.exists());
    ann.store.give_up_evidence(hash).unwrap();
    assert!(!copy.exists());
    assert_eq!(ann.store.status().unwrap().evidence_waiting, 0);
    assert_eq!(sync(&ann, &wire).await, EvidenceReport::default());
}

#[tokio::test]
async fn a_photo_in_two_records_is_sent_for_the_one_that_the_server_took() {
    for refused_last in [true, false] {
        let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
        let visits = [ann.plan(1), ann.plan(2)];
        wire.server
            .lock()
            .unwrap()
            .refuse
            .insert(visits[usize::from(refused_last)]);
        let photo = picture(1, 10_000);
        let hash = ann.photograph(visits[0], &photo);
        assert_eq!(ann.photograph(visits[1], &photo), hash);
        let waits = ann.store.give_up_evidence(hash);
        assert_eq!(
            waits,
            Err(FieldError::NotFound),
            "what waits for its turn is not given up"
        );
        let report = sync(&ann, &wire).await;
        assert_eq!((report.stored, report.left), (1, 0), "{refused_last}");
        let file = ann.store.evidence_file(hash).unwrap().unwrap();
        assert_eq!(file.document, Some(visits[usize::from(!refused_last)]));
    }
    // When the server takes neither, it is put off as ever.
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visits = [ann.plan(1), ann.plan(2)];
    wire.server.lock().unwrap().refuse.extend(visits);
    let hash = ann.photograph(visits[0], &picture(1, 10_000));
    ann.photograph(visits[1], &picture(1, 10_000));
    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.left), (0, 1));
    assert!(problem(&ann, hash).contains("no document"));
}

#[tokio::test]
async fn sign_in_and_network_faults_end_the_pass_and_documents_have_gone_all_the_same() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    ann.photograph(visit, &picture(1, 10_000));
    ann.photograph(visit, &picture(2, 20_000));
    for fault in [
        TransportFault::SignInAgain,
        TransportFault::RetryAfter(9_000),
        TransportFault::CaptivePortal,
        TransportFault::Revoked,
    ] {
        let said = fault.to_string();
        files_of(&wire).asked.clear();
        files_of(&wire).fault = Some(fault);
        let report = driver(&ann, &wire).sync_all(|| true).await.unwrap();
        assert_eq!(report.evidence.problem, Some(said));
        assert_eq!(files_of(&wire).asked.len(), 1, "the pass ends");
        assert_eq!(ann.waiting(), 0);
    }
    files_of(&wire).fault = None;
    assert_eq!(sync(&ann, &wire).await.stored, 2, "nothing was put off");
}

#[tokio::test]
async fn a_server_restored_without_the_file_gets_it_again() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let hash = ann.photograph(visit, &picture(1, 700_000));
    sync(&ann, &wire).await;
    files_of(&wire).back_up();
    ann.clock.forward(DAY);
    sync(&ann, &wire).await;
    // Not even the backup that it was restored from has it.
    files_of(&wire).lose_everything();
    {
        let mut server = wire.server.lock().unwrap();
        let kept = server.streams.values().map(Vec::len).max().unwrap();
        server.restore(kept);
    }
    let report = driver(&ann, &wire).sync_all(|| true).await.unwrap();
    assert!(!report.restarted.is_empty());
    assert_eq!((report.evidence.stored, report.evidence.left), (1, 0));
    assert_eq!(files_of(&wire).stored[&hash], picture(1, 700_000));

    // It lost the document too: that is offered again, and the file goes after it.
    files_of(&wire).lose_everything();
    wire.server.lock().unwrap().restore(0);
    for _ in 0..3 {
        sync(&ann, &wire).await;
        ann.clock.forward(2 * MINUTE);
    }
    assert_eq!(files_of(&wire).stored[&hash], picture(1, 700_000));
    assert_eq!(state(&ann, hash), UploadState::Stored);
}

#[tokio::test]
async fn a_copy_is_deleted_only_when_it_is_old_and_a_backup_holds_it() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let hash = ann.photograph(visit, &picture(1, 30_000));
    // As an earlier version noted it: the app's own file.
    let own = ann.folder.path().join("own.jpg");
    std::fs::write(&own, picture(2, 30_000)).unwrap();
    let apps = ann.attach(visit, &own);
    let path = own.to_str().unwrap().to_owned();
    ann.store
        .write(&[], |it| {
            it.execute("UPDATE evidence SET path = ?2 WHERE hash = ?1", (&apps.0[..], path))?;
            Ok(())
        })
        .unwrap();
    sync(&ann, &wire).await;
    for _ in 0..40 {
        ann.clock.forward(DAY);
        sync(&ann, &wire).await;
    }
    assert!(copy_of(&ann, hash).exists(), "no backup holds it");
    assert_eq!(
        files_of(&wire)
            .asked
            .iter()
            .filter(|it| **it == Asked::Begun(hash))
            .count(),
        41,
        "asked about once a day"
    );
    files_of(&wire).back_up();
    let fresh = ann.photograph(visit, &picture(3, 30_000));
    sync(&ann, &wire).await;
    files_of(&wire).back_up();
    ann.clock.forward(DAY);
    sync(&ann, &wire).await;
    let file = ann.store.evidence_file(hash).unwrap().unwrap();
    assert_eq!((file.state, file.path), (UploadState::Stored, None));
    assert!(!copy_of(&ann, hash).exists());
    assert!(own.exists(), "the app's own file is the app's");
    assert!(copy_of(&ann, fresh).exists());
    ann.clock.forward(COPY_KEPT - DAY - 1);
    sync(&ann, &wire).await;
    assert!(copy_of(&ann, fresh).exists(), "not old enough");
    ann.clock.forward(1);
    sync(&ann, &wire).await;
    assert!(!copy_of(&ann, fresh).exists());
    // Whoever wants to see it gets it from the server.
    let path = driver(&ann, &wire).fetch_evidence(visit, hash).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), picture(1, 30_000));
    sync(&ann, &wire).await;
    assert!(copy_of(&ann, hash).exists(), "and keeps it for a while");
}

#[tokio::test]
async fn a_file_of_an_earlier_version_finds_its_document_or_says_that_there_is_none() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visits: Vec<_> = (0..5).map(|day| ann.plan(day)).collect();
    let hash = ann.photograph(visits[2], &picture(1, 40_000));
    let own = ann.folder.path().join("own.jpg");
    std::fs::rename(copy_of(&ann, hash), &own).unwrap();
    let nobodys = EvidenceHash([5; 32]);
    ann.store
        .write(&[], |it| {
            let path = own.to_str().unwrap();
            it.execute("UPDATE evidence SET document = NULL, path = ?1", [path])?;
            it.execute(
                "INSERT INTO evidence (hash, path, size, state) VALUES (?1, ?2, 40000, 0)",
                (&nobodys.0[..], path),
            )?;
            Ok(())
        })
        .unwrap();
    let report = sync(&ann, &wire).await;
    assert_eq!((report.stored, report.left), (1, 1));
    let file = ann.store.evidence_file(hash).unwrap().unwrap();
    assert_eq!((file.state, file.document), (UploadState::Stored, Some(visits[2])));
    assert_eq!(file.path.as_deref(), Some(own.as_path()));
    assert_eq!(problem(&ann, nobodys), "no document on this phone names it");
}

#[tokio::test]
async fn in_the_background_files_follow_their_documents_and_a_returned_network_wakes() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let sync = driver(&ann, &wire);
    let allowed = Arc::new(AtomicBool::new(true));
    let (stop, _) = tokio::sync::broadcast::channel::<()>(1);
    let until_stopped = |mut stopped: tokio::sync::broadcast::Receiver<()>| async move {
        let _ = stopped.recv().await;
    };
    let (documents, files, may) = (sync.clone(), sync.clone(), Arc::clone(&allowed));
    let cancel = until_stopped(stop.subscribe());
    let running = tokio::spawn(async move { documents.run(cancel, |_, _| {}).await });
    let cancel = until_stopped(stop.subscribe());
    let sending = tokio::spawn(async move { files.run_evidence(cancel, move || may.load(Ordering::Relaxed)).await });
    let stored = |hash| {
        let wire = Arc::clone(&wire);
        async move {
            for _ in 0..500 {
                if files_of(&wire).stored.contains_key(&hash) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("it was not sent");
        }
    };
    let visit = ann.plan(1);
    stored(ann.photograph(visit, &picture(1, 100_000))).await;
    allowed.store(false, Ordering::Relaxed);
    let hash = ann.photograph(visit, &picture(2, 100_000));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(state(&ann, hash), UploadState::Waiting);
    allowed.store(true, Ordering::Relaxed);
    sync.network_returned();
    stored(hash).await;
    // No word of a network: the pause after the fault is over soon.
    files_of(&wire).troubles.push_back(Trouble::Cut(50_000));
    stored(ann.photograph(visit, &picture(3, 100_000))).await;
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
    assert_eq!(sending.await.unwrap(), Ok(()));
    // Signed out, there is no use in going on.
    files_of(&wire).fault = Some(TransportFault::Revoked);
    ann.photograph(visit, &picture(4, 100_000));
    sync.sync_once().await.unwrap();
    let ended = tokio::time::timeout(
        Duration::from_secs(20),
        sync.run_evidence(std::future::pending(), || true),
    )
    .await;
    assert_eq!(ended.unwrap(), Err(SyncError::Transport(TransportFault::Revoked)));
}

#[tokio::test]
async fn a_sync_in_the_background_tells_of_documents_and_files_together() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let small = ann.photograph(visit, &picture(1, 100_000));
    ann.photograph(visit, &picture(2, 100_001));
    // One goes; the other waits for another network.
    let asked = AtomicUsize::new(0);
    let allowed = move || asked.fetch_add(1, Ordering::Relaxed) < 2;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let cancel = async move {
        let _ = stopped.await;
    };
    let background = driver(&ann, &wire);
    let running = tokio::spawn(async move {
        let watch = move |status: &Status, report: &SyncReport| {
            let _ = tell.send((status.clone(), report.evidence.clone()));
        };
        background.run_all(cancel, allowed, watch).await
    });
    let sent = EvidenceReport {
        stored: 1,
        left: 1,
        lost: 0,
        bytes_up: 100_000,
        problem: None,
    };
    let heard = async { while told.recv().await.unwrap() != (Status::UpToDate, sent.clone()) {} };
    // Whoever waits for ever is stopped.
    tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap();
    assert_eq!(state(&ann, small), UploadState::Stored);
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
}

/// Whatever goes wrong in between, in the end the server has every file, byte for byte.
#[tokio::test]
async fn under_any_network_and_any_server_every_file_arrives_in_the_end() {
    let seeds: Vec<u64> = match std::env::var("FIELDLEDGER_EVIDENCE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=20).collect(),
    };
    println!("seeds {seeds:?}; replay one with FIELDLEDGER_EVIDENCE_SEED");
    for seed in seeds {
        println!("seed {seed}");
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
        let config = || Config {
            reply_within_millis: 1_000,
            ..Config::new("0.1.0", [1; 16])
        };
        let new_driver = || SyncDriver::with_config(ann.store.clone(), Arc::clone(&wire), config());
        wire.server.lock().unwrap().welcome_customer();
        let mut sync = new_driver();
        sync.sync_once().await.unwrap();
        let mut photos = BTreeMap::new();
        for round in 0..30 {
            if photos.len() < 6 && rng.random_bool(0.4) {
                let visit = ann.plan(rng.random_range(0..20));
                let length = if rng.random_bool(0.5) {
                    rng.random_range(1..200_000)
                } else {
                    rng.random_range(200_000..2_500_000)
                };
                let bytes = picture(seed * 1_000 + round, length);
                photos.insert(ann.photograph(visit, &bytes), bytes);
            }
            for _ in 0..rng.random_range(0..4) {
                let trouble = match rng.random_range(0..8) {
                    0 | 1 => Trouble::Cut(rng.random_range(0..600_000)),
                    2 => Trouble::Timeout(rng.random_range(0..600_000)),
                    3 => Trouble::ReplyLost,
                    4 => Trouble::Forgotten,
                    5 => Trouble::Superseded,
                    6 => Trouble::Damaged,
                    _ => Trouble::Fault("busy with itself"),
                };
                files_of(&wire).troubles.push_back(trouble);
            }
            match rng.random_range(0..12) {
                0 => {
                    // Restored from a backup of the documents alone, perhaps not of all.
                    files_of(&wire).lose_everything();
                    let mut server = wire.server.lock().unwrap();
                    let held = server.streams.values().map(Vec::len).max().unwrap();
                    // The customer is there still.
                    server.restore(rng.random_range(1..=held));
                }
                1 => sync = new_driver(),
                2 => {
                    ann.store.close();
                    ann.store.reopen().unwrap();
                }
                3 => files_of(&wire).widest = Some(rng.random_range(LEAST_PART..1_000_000)),
                4 => files_of(&wire).back_up(),
                _ => {}
            }
            let parts = AtomicUsize::new(0);
            let patience = rng.random_range(0..12);
            let _ = sync.sync_all(|| parts.fetch_add(1, Ordering::Relaxed) < patience).await;
            ann.clock.forward(rng.random_range(0..4 * MINUTE));
        }
        files_of(&wire).troubles.clear();
        for _ in 0..6 {
            sync.sync_all(|| true).await.unwrap();
            ann.clock.forward(DAY);
        }
        let files = files_of(&wire);
        for (hash, bytes) in &photos {
            let known = ann.store.evidence_file(*hash).unwrap();
            assert!(files.stored.get(hash) == Some(bytes), "seed {seed}: {known:?}");
        }
        let status = ann.store.status().unwrap();
        assert_eq!((status.evidence_waiting, status.evidence_lost), (0, 0), "seed {seed}");
    }
}
