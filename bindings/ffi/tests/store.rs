//! The store as Kotlin and Swift see it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::{
    Arc, Mutex, OnceLock,
    mpsc::{Receiver, Sender, channel},
};

use fieldledger_core::{
    error::FieldError,
    model::{CustomerId, DocumentKind, EvidenceKind, Role, UserId, VisitPurpose},
    store::{Change, NewEvidence},
    sync::protocol::EnrolResponse,
};
use fieldledger_ffi::{
    CallbackFailed, CancelToken, ChangeListener, FieldStore, NetworkMonitor, NetworkState, StoreOptions, UploadPolicy,
    describe_error,
};
use tempfile::TempDir;

fn run<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    // Another one than the library's, as Kotlin's and Swift's own threads are.
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap()
        })
        .block_on(work)
}

fn options(folder: &TempDir) -> StoreOptions {
    StoreOptions {
        path: folder.path().join("phone.db").to_string_lossy().into_owned(),
        installation: "0b6b7a0e-4a53-4b1c-9d3a-6a1f0a5f2c11".to_owned(),
        app_version: "1.0.0".to_owned(),
        platform: "test".to_owned(),
        certificates: Vec::new(),
    }
}

fn open(folder: &TempDir, network: Option<Arc<dyn NetworkMonitor>>) -> Arc<FieldStore> {
    run(FieldStore::open(options(folder), None, network, None)).unwrap()
}

/// A phone that is somebody's, without a server.
fn enrolled(folder: &TempDir) -> Arc<FieldStore> {
    let core = fieldledger_core::store::FieldStore::open(fieldledger_core::store::OpenOptions::new(
        folder.path().join("phone.db"),
        [1; 16],
    ))
    .unwrap();
    let enrolment = EnrolResponse {
        organisation: fieldledger_core::model::OrganisationId::from_bytes([9; 16]),
        organisation_name: "Example 贸易".to_owned(),
        user: UserId::from_bytes([2; 16]),
        user_name: "李娜".to_owned(),
        roles: vec![Role::Rep],
        device: fieldledger_core::model::DeviceId::from_bytes([3; 16]),
        token: "token".to_owned(),
        server_time: fieldledger_core::model::Timestamp::from_millis(1_790_000_000_000),
    };
    core.adopt_enrolment("http://127.0.0.1:9", enrolment).unwrap();
    drop(core);
    open(folder, None)
}

const SHOP: CustomerId = CustomerId::from_bytes([7; 16]);

#[test]
fn an_edit_of_an_older_version_merges_with_what_came_since() {
    let folder = tempfile::tempdir().unwrap();
    let store = enrolled(&folder);
    let read = run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
    let mut first = read.clone();
    first.value.note = "名片 given".to_owned();
    run(store.save_visit(first)).unwrap();
    let mut second = read.clone();
    second.value.purpose = VisitPurpose::Collection;
    let merged = run(store.save_visit(second)).unwrap();
    assert_eq!(merged.value.note, "名片 given");
    assert_eq!(merged.value.purpose, VisitPurpose::Collection);
    assert_eq!(run(store.history(read.id)).unwrap().len(), 3);

    let mut unknown = read;
    unknown.heads = vec!["00".repeat(32).parse().unwrap()];
    assert_eq!(run(store.save_visit(unknown)), Err(FieldError::NotFound));
}

#[test]
fn options_that_are_wrong_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = StoreOptions {
        installation: "phone of Anna".to_owned(),
        ..options(&folder)
    };
    let refused = run(FieldStore::open(wrong, None, None, None)).err().unwrap();
    let FieldError::Invalid(invalid) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(invalid.field, "installation");
    let chinese = describe_error(FieldError::Offline, "zh-Hans-CN");
    assert!(chinese.contains("服务器") && describe_error(FieldError::Offline, "de").contains("server"));
}

#[test]
fn a_closed_store_says_so_and_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = enrolled(&folder);
    run(store.close()).unwrap();
    assert_eq!(run(store.is_closed()), Ok(true));
    assert_eq!(run(store.today(None)).unwrap_err(), FieldError::Closed);
    assert_eq!(
        run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap_err(),
        FieldError::Closed
    );
    run(store.reopen()).unwrap();
    run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
}

struct Tells {
    told: Mutex<Sender<Vec<Change>>>,
    store: OnceLock<Arc<FieldStore>>,
}

impl ChangeListener for Tells {
    fn on_change(&self, changes: Vec<Change>) -> Result<(), CallbackFailed> {
        if let Some(store) = self.store.get() {
            // From inside a listener: reads, and writes once.
            let visits = run(store.today(None)).unwrap().visits;
            if visits.len() == 1 {
                run(store.start_visit(SHOP, VisitPurpose::Delivery, None)).unwrap();
            }
        }
        self.told.lock().unwrap().send(changes).unwrap();
        Err(CallbackFailed::Failed {
            message: "the screen is gone".to_owned(),
        })
    }
}

fn listener(store: Option<Arc<FieldStore>>) -> (Arc<Tells>, Receiver<Vec<Change>>) {
    let (told, heard) = channel();
    let tells = Arc::new(Tells {
        told: Mutex::new(told),
        store: OnceLock::new(),
    });
    if let Some(store) = store {
        let _ = tells.store.set(store);
    }
    (tells, heard)
}

#[test]
fn a_listener_that_writes_and_fails_is_told_of_everything_and_nothing_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = enrolled(&folder);
    let (tells, heard) = listener(Some(Arc::clone(&store)));
    let subscription = store.subscribe(tells).unwrap();
    run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
    let visits = |changes: Vec<Change>| changes.contains(&Change::Documents(DocumentKind::Visit));
    assert!(visits(heard.recv().unwrap()));
    // What it wrote itself is told too.
    assert!(visits(heard.recv().unwrap()));
    assert_eq!(run(store.today(None)).unwrap().visits.len(), 2);

    subscription.cancel();
    run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
    assert!(heard.try_recv().is_err());
}

#[test]
fn a_storm_of_changes_is_told_in_few_calls() {
    let folder = tempfile::tempdir().unwrap();
    let store = enrolled(&folder);
    let (tells, heard) = listener(None);
    let held = tells.told.lock().unwrap();
    let _subscription = store.subscribe(Arc::clone(&tells) as Arc<dyn ChangeListener>).unwrap();
    // The listener waits for the lock all the while: the writers do not.
    for _ in 0..50 {
        run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
    }
    drop(held);
    heard.recv().unwrap();
    run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
    let mut calls = 1;
    while heard.recv_timeout(std::time::Duration::from_millis(300)).is_ok() {
        calls += 1;
    }
    assert!((2..=4).contains(&calls), "{calls} calls");
}

struct Network(NetworkState, UploadPolicy);

impl NetworkMonitor for Network {
    fn state(&self) -> Result<NetworkState, CallbackFailed> {
        Ok(self.0)
    }
    fn upload_policy(&self) -> Result<UploadPolicy, CallbackFailed> {
        Ok(self.1)
    }
}

#[test]
fn what_the_app_says_of_the_network_decides() {
    let folder = tempfile::tempdir().unwrap();
    drop(enrolled(&folder));
    let allowed = |state, policy| {
        let store = open(&folder, Some(Arc::new(Network(state, policy))));
        run(store.may_upload()).unwrap()
    };
    assert!(allowed(NetworkState::Wifi, UploadPolicy::WifiOnly));
    assert!(!allowed(NetworkState::Metered, UploadPolicy::NotMetered));
    assert!(
        run(open(&folder, None).may_upload()).unwrap(),
        "who says nothing of the network lets files go over any"
    );
    let store = open(&folder, Some(Arc::new(Network(NetworkState::None, UploadPolicy::Any))));
    assert_eq!(run(store.sync_once(None)), Err(FieldError::Offline));
}

#[test]
fn a_cancelled_token_ends_a_sync_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = enrolled(&folder);
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(run(store.sync_once(Some(token))), Err(FieldError::Cancelled));
    // A server that takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let token = CancelToken::new();
    let ends = Arc::clone(&token);
    let asked = std::thread::spawn(move || {
        let connection = silent.accept().unwrap();
        ends.cancel();
        connection
    });
    let refused = run(store.enrol(url, "AAAA-BBBB-CCCC".to_owned(), "phone".to_owned(), Some(token)));
    assert_eq!(refused, Err(FieldError::Cancelled));
    drop(asked.join().unwrap());
    assert_eq!(store.identity().unwrap().user_name, "李娜");
}

#[test]
fn a_photo_is_attached_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = enrolled(&folder);
    let visit = run(store.start_visit(SHOP, VisitPurpose::Sales, None)).unwrap();
    let file = folder.path().join("照片.jpg");
    std::fs::write(&file, b"not really a photo").unwrap();
    let photo = |file: &std::path::Path| {
        let described = NewEvidence {
            kind: EvidenceKind::Photo,
            media_type: "image/jpeg".to_owned(),
            taken_at: None,
            position: None,
            caption: "货架".to_owned(),
        };
        run(store.attach_evidence(visit.id, file.to_owned(), described))
    };
    let hash = photo(&file).unwrap();
    let kept = run(store.visit(visit.id)).unwrap().unwrap();
    assert_eq!(kept.value.evidence[&hash].size, 18);
    // The copy is the phone's own.
    std::fs::remove_file(&file).unwrap();
    let waiting = run(store.evidence_waiting(10)).unwrap();
    assert_eq!((waiting.len(), waiting[0].hash), (1, hash));
    assert_eq!(
        std::fs::read(waiting[0].path.as_ref().unwrap()).unwrap(),
        b"not really a photo"
    );
    assert_eq!(run(store.evidence_file(hash)).unwrap().as_ref(), waiting.first());
    let FieldError::Invalid(invalid) = photo(&folder.path().join("missing.jpg")).unwrap_err() else {
        panic!("a file that is not there is refused by name");
    };
    assert_eq!(invalid.field, "evidence");
}

struct Keychain(Vec<u8>);

impl fieldledger_ffi::KeySupply for Keychain {
    fn database_key(&self, reply: Arc<fieldledger_ffi::KeyReply>) -> Result<(), CallbackFailed> {
        reply.key(self.0.clone());
        Ok(())
    }
    fn pending_key(&self, reply: Arc<fieldledger_ffi::KeyReply>) -> Result<(), CallbackFailed> {
        reply.none();
        Ok(())
    }
}

#[test]
fn a_key_encrypts_or_is_refused_by_a_build_that_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let key = fieldledger_ffi::generate_key().unwrap();
    let with = |key: &[u8]| {
        let keys: Arc<dyn fieldledger_ffi::KeySupply> = Arc::new(Keychain(key.to_vec()));
        run(FieldStore::open(options(&folder), Some(keys), None, None))
    };
    let path = options(&folder).path;
    if let Err(refused) = with(&key) {
        // Never a plain database in silence.
        let FieldError::Invalid(invalid) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(invalid.field, "key");
        assert!(!std::path::Path::new(&path).exists());
        return;
    }
    assert_eq!(
        run(fieldledger_ffi::encryption(path.clone())),
        Ok(fieldledger_core::store::Encryption::Encrypted)
    );
    assert_eq!(with(&[9; 32]).err(), Some(FieldError::WrongKey));
    assert_eq!(
        run(FieldStore::open(options(&folder), None, None, None)).err(),
        Some(FieldError::KeyNeeded)
    );
    run(fieldledger_ffi::decrypt(path.clone(), key.clone())).unwrap();
    assert_eq!(with(&key).err(), Some(FieldError::NotEncrypted));
    run(fieldledger_ffi::encrypt(path, key.clone())).unwrap();
    with(&key).unwrap();
}
