//! Photos: taken without a network, sent over a bad one to a server that dies, seen by others, backed up and restored.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use fieldledger_core::{
    model::{DocumentId, EvidenceHash, EvidenceKind, UploadState},
    store::NewEvidence,
};
use fieldledger_server::{auth::Secrets, store::sqlite::SqliteStore};
use fieldledger_tests::{
    company::Company,
    network::{Fault, Network},
    phone::Phone,
    server::{ServerProcess, binary, now},
};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{seed, visit};

const DAY: i64 = 86_400_000;

/// A company in `data`, and codes for 李娜 and Marta.
async fn found(data: &Path) -> (Company, [String; 2]) {
    let store = SqliteStore::open(data).unwrap();
    let company = Company::found(&store, now()).await.unwrap();
    let secrets = Secrets::from_system().unwrap();
    let code = async |user| company.enrolment_code(&store, &secrets, user, now()).await.unwrap();
    let codes = [code(company.li_na).await, code(company.marta).await];
    (company, codes)
}

async fn phone(url: &str, code: &str) -> Phone {
    let phone = Phone::new(url).unwrap();
    phone.enrol(code).await.unwrap();
    phone.sync().await.unwrap();
    phone
}

/// Takes a photo, attaches it and empties the camera's folder.
fn photograph(phone: &Phone, visit: DocumentId, bytes: &[u8]) -> EvidenceHash {
    let camera = tempfile::tempdir().unwrap();
    let file = camera.path().join("照片 1.jpg");
    fs::write(&file, bytes).unwrap();
    let photo = NewEvidence {
        kind: EvidenceKind::Photo,
        media_type: "image/jpeg".to_owned(),
        taken_at: None,
        position: None,
        caption: "门头".to_owned(),
    };
    phone.store.attach_evidence(visit, file, photo).unwrap()
}

fn picture(rng: &mut ChaCha8Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn fieldledger(arguments: &[&str]) -> String {
    let output = Command::new(binary().unwrap()).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_arrive_whole_over_a_bad_network_at_a_server_that_dies() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed("PHOTO_SEED"));
    let data = tempfile::tempdir().unwrap();
    let (company, codes) = found(data.path()).await;
    let mut server = ServerProcess::start(data.path()).unwrap();
    let network = Network::to(&server.url).await.unwrap();
    let li_na = Arc::new(phone(&network.url, &codes[0]).await);
    let marta = phone(&network.url, &codes[1]).await;

    // The whole day without a network.
    let mut photos = Vec::new();
    for size in [700, 40_000, 900_000, 6_000_000] {
        let id = visit(&li_na, company.yongxing, "有照片");
        let bytes = picture(&mut rng, size);
        photos.push((id, photograph(&li_na, id, &bytes), bytes));
    }
    assert_eq!(li_na.store.status().unwrap().evidence_waiting, 4);

    for round in 0.. {
        assert!(
            round < 100,
            "{} still wait",
            li_na.store.status().unwrap().evidence_waiting
        );
        let fault = match rng.random_range(0..6) {
            0 => Fault::CutRequest,
            1 => Fault::CutReply(rng.random_range(0..100)),
            2 => Fault::RepeatRequest,
            3 => Fault::Portal,
            _ => Fault::None,
        };
        network.fault(fault);
        let sending = tokio::spawn({
            let li_na = Arc::clone(&li_na);
            async move { li_na.sync_all().await.map(|it| it.evidence).ok() }
        });
        if rng.random_bool(0.3) {
            tokio::time::sleep(Duration::from_micros(rng.random_range(500..80_000))).await;
            server.kill().unwrap();
            let _ = sending.await;
            server = ServerProcess::start(data.path()).unwrap();
            network.lead_to(&server.url);
        } else {
            let _ = sending.await;
        }
        // What was put off for its fault is due again.
        li_na.clock.set_ahead((round + 1) * DAY / 4);
        if li_na.store.status().unwrap().evidence_waiting == 0 {
            break;
        }
    }
    network.fault(Fault::None);
    li_na.sync_all().await.unwrap();

    // A colleague sees each of them.
    marta.sync().await.unwrap();
    for (id, hash, bytes) in &photos {
        assert_eq!(li_na.store.evidence_state(*hash).unwrap(), UploadState::Stored);
        let seen = marta.driver().unwrap().fetch_evidence(*id, *hash).await.unwrap();
        assert!(fs::read(seen).unwrap() == *bytes, "{hash} is not what was photographed");
    }
    drop(server);
    let told = fieldledger(&["verify", "--data", data.path().to_str().unwrap()]);
    assert!(told.contains("4 files of evidence"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_whose_network_breaks_fetches_the_rest_of_a_photo_and_nothing_twice() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed("PHOTO_SEED"));
    let data = tempfile::tempdir().unwrap();
    let (company, codes) = found(data.path()).await;
    let server = ServerProcess::start(data.path()).unwrap();
    let network = Network::to(&server.url).await.unwrap();
    let li_na = phone(&server.url, &codes[0]).await;
    let marta = phone(&network.url, &codes[1]).await;
    let id = visit(&li_na, company.yongxing, "有照片");
    let bytes = picture(&mut rng, 900_000);
    let hash = photograph(&li_na, id, &bytes);
    assert_eq!(li_na.sync_all().await.unwrap().evidence.stored, 1);
    marta.sync().await.unwrap();

    // Each reply breaks off; the next one goes on where it ended. What was on its way when the line died may be lost.
    network.fault(Fault::CutReply(400_000));
    let before = network.requests();
    let seen = marta.driver().unwrap().fetch_evidence(id, hash).await.unwrap();
    assert!(fs::read(seen).unwrap() == bytes);
    assert!(network.requests() - before >= 3);
    let last = network.last_reply_bytes();
    assert!(0 < last && last <= 400_000, "the last reply had {last} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_the_photos_and_a_restored_server_is_sent_what_it_lacks() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed("PHOTO_SEED"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, backup, restored) = (at("data"), at("backup"), at("restored"));
    let (company, codes) = found(Path::new(&data)).await;
    let server = ServerProcess::start(Path::new(&data)).unwrap();
    let mut li_na = phone(&server.url, &codes[0]).await;
    let id = visit(&li_na, company.yongxing, "有照片");
    let (early, late) = (picture(&mut rng, 50_000), picture(&mut rng, 60_000));
    let first = photograph(&li_na, id, &early);
    assert_eq!(li_na.sync_all().await.unwrap().evidence.stored, 1);
    let told = fieldledger(&["backup", &backup, "--data", &data]);
    assert!(told.contains("1 files of evidence, 50000 bytes"), "{told}");
    let second = photograph(&li_na, id, &late);
    assert_eq!(li_na.sync_all().await.unwrap().evidence.stored, 1);

    // The disk is lost, and with it what came after the backup.
    server.kill().unwrap();
    fs::remove_dir_all(&data).unwrap();
    fieldledger(&["restore", &backup, "--data", &restored]);
    let server = ServerProcess::start(Path::new(&restored)).unwrap();
    li_na.server_url.clone_from(&server.url);
    for _ in 0..3 {
        li_na.sync_all().await.unwrap();
    }
    let told = fieldledger(&["verify", "--data", &restored]);
    assert!(told.contains("2 files of evidence"), "{told}");

    // After a month of backups the phone has room again, and still finds what it took.
    fieldledger(&["backup", &at("again"), "--data", &restored]);
    for days in [2, 40, 41] {
        li_na.clock.set_ahead(days * DAY);
        li_na.sync_all().await.unwrap();
    }
    for (hash, bytes) in [(first, &early), (second, &late)] {
        assert_eq!(
            li_na.store.evidence_file(hash).unwrap().unwrap().path,
            None,
            "the copy is gone"
        );
        assert_eq!(li_na.store.evidence_state(hash).unwrap(), UploadState::Stored);
        let seen = li_na.driver().unwrap().fetch_evidence(id, hash).await.unwrap();
        assert!(fs::read(seen).unwrap() == *bytes);
    }
}
