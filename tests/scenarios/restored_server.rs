//! The server dies, or comes back from a backup.

use std::{fs, path::Path, sync::Arc, time::Duration};

use fieldledger_core::model::DocumentId;
use fieldledger_server::{
    auth::Secrets,
    ingest::InProcess,
    store::{DocumentStore as _, Store as _, sqlite::SqliteStore},
};
use fieldledger_tests::{
    company::Company,
    network::Network,
    phone::Phone,
    server::{Server, ServerProcess, now},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{has, seed, verify, visit};

/// A server on the data in `folder`.
async fn serve(folder: &Path, new_lineages: bool) -> Server {
    let store = SqliteStore::open(folder).unwrap();
    if new_lineages {
        store.begin_new_lineages().await.unwrap();
    }
    Server::start(Arc::new(store), Arc::new(InProcess)).await.unwrap()
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("fieldledger.db") {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// After the server went back in time: everything that any phone had been told was safe is on the server again, and
/// every phone has the same.
async fn everybody_agrees(server: &Server, phones: &mut [Phone], ids: &[DocumentId]) {
    for phone in phones.iter_mut() {
        phone.server_url.clone_from(&server.url);
    }
    for _ in 0..2 {
        for phone in phones.iter() {
            phone.sync().await.unwrap();
        }
    }
    for id in ids {
        assert!(has(server, *id).await, "{id} was acknowledged and is gone");
        for phone in phones.iter() {
            assert_eq!(
                phone.store.tree(*id).unwrap(),
                phones[0].store.tree(*id).unwrap(),
                "the phones differ about {id}"
            );
            assert!(phone.store.tree(*id).unwrap().is_some());
        }
    }
    for phone in phones.iter() {
        assert_eq!(phone.store.status().unwrap().waiting, 0);
    }
    verify(server).await;
}

async fn goes_back_in_time(by_backup: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (data, old) = (folder.path().join("data"), folder.path().join("old"));
    fs::create_dir(&data).unwrap();
    let server = serve(&data, false).await;
    let company = server.company.clone();
    let mut phones = vec![
        server.phone_of(company.li_na).await.unwrap(),
        server.phone_of(company.marta).await.unwrap(),
    ];
    let mut ids = vec![visit(&phones[0], company.yongxing, "备份之前")];
    for phone in &phones {
        phone.sync().await.unwrap();
    }
    phones[1].sync().await.unwrap();
    if by_backup {
        server.state.store.backup(&old).await.unwrap();
    } else {
        copy_files(&data, &old);
    }
    // After the copy: new visits by both, an edit of what the copy holds; all of it acknowledged.
    ids.push(visit(&phones[0], company.yongxing, "备份之后"));
    ids.push(visit(&phones[1], company.aurora, "After the backup"));
    let mut edited = phones[0].store.visit(ids[0]).unwrap().unwrap();
    edited.value.note.push_str(",后来改过");
    phones[0].store.save(&edited).unwrap();
    for phone in [&phones[0], &phones[1], &phones[0]] {
        phone.sync().await.unwrap();
    }
    drop(server);

    let restored = serve(&old, by_backup).await;
    assert!(!has(&restored, ids[1]).await, "the copy is older");
    if !by_backup {
        // A raw copy has the old lineage: only the chain tells. Let it grow past the phones' cursors first.
        let jonas = restored.phone_of(company.jonas).await.unwrap();
        jonas.sync().await.unwrap();
    }
    everybody_agrees(&restored, &mut phones, &ids).await;
    let note = phones[1].store.visit(ids[0]).unwrap().unwrap().value.note;
    assert_eq!(note, "备份之前,后来改过");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restored_from_a_backup_gets_back_from_the_phones_what_it_lost() {
    goes_back_in_time(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_copy_of_an_old_database_file_is_noticed_too() {
    goes_back_in_time(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_phone_lost_for_good_comes_back_from_a_colleagues_phone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, old) = (folder.path().join("data"), folder.path().join("old"));
    fs::create_dir(&data).unwrap();
    let server = serve(&data, false).await;
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let marta = server.phone_of(company.marta).await.unwrap();
    server.state.store.backup(&old).await.unwrap();
    let id = visit(&li_na, company.yongxing, "只在两部手机上");
    li_na.sync().await.unwrap();
    marta.sync().await.unwrap();
    drop((server, li_na));

    let restored = serve(&old, true).await;
    let mut phones = vec![marta];
    everybody_agrees(&restored, &mut phones, &[id]).await;
    // Its author is only claimed now, and that is kept.
    let jonas_sees = restored
        .state
        .store
        .document(company.organisation, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(jonas_sees.tree["note"], "只在两部手机上");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_again_and_again_while_phones_push_loses_nothing_it_acknowledged() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed("FIELDLEDGER_KILL_SEED"));
    let data = tempfile::tempdir().unwrap();
    // The company and its codes are made before the server runs.
    let (company, codes) = {
        let store = SqliteStore::open(data.path()).unwrap();
        let company = Company::found(&store, now()).await.unwrap();
        let secrets = Secrets::from_system().unwrap();
        let mut codes = Vec::new();
        for user in [company.li_na, company.marta] {
            codes.push(company.enrolment_code(&store, &secrets, user, now()).await.unwrap());
        }
        (company, codes)
    };
    let mut process = ServerProcess::start(data.path()).unwrap();
    let network = Network::to(&process.url).await.unwrap();
    let mut phones = Vec::new();
    for code in &codes {
        let phone = Phone::new(&network.url).unwrap();
        phone.enrol(code).await.unwrap();
        phone.sync().await.unwrap();
        phones.push(Arc::new(phone));
    }
    let mut ids = Vec::new();
    for round in 0..6 {
        for phone in &phones {
            ids.extend((0..20).map(|n| visit(phone, company.yongxing, &format!("第 {round} 轮第 {n} 家"))));
        }
        let pushing: Vec<_> = phones
            .iter()
            .map(|phone| {
                let phone = Arc::clone(phone);
                tokio::spawn(async move {
                    let _ = phone.sync().await;
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(rng.random_range(500..150_000))).await;
        process.kill().unwrap();
        for task in pushing {
            task.await.unwrap();
        }
        process = ServerProcess::start(data.path()).unwrap();
        network.lead_to(&process.url);
    }
    // Whatever the phones hold as sent must be there, before they say another word.
    let acknowledged: Vec<_> = phones
        .iter()
        .flat_map(|phone| {
            ids.iter()
                .map(move |id| phone.store.row(*id).unwrap().map(|row| (row.id, row.sync)))
        })
        .flatten()
        .filter(|(_, sync)| *sync == fieldledger_core::store::RowSync::Synced)
        .collect();
    process.kill().unwrap();
    let store = SqliteStore::open(data.path()).unwrap();
    for (id, _) in acknowledged {
        assert!(
            store.document(company.organisation, id).await.unwrap().is_some(),
            "{id} is gone"
        );
    }
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    drop(store);
    let process = ServerProcess::start(data.path()).unwrap();
    network.lead_to(&process.url);
    for phone in phones.iter().chain(&phones) {
        phone.sync().await.unwrap();
        assert_eq!(phone.store.status().unwrap().waiting, 0);
    }
    process.kill().unwrap();
    let store = SqliteStore::open(data.path()).unwrap();
    for id in &ids {
        assert!(
            store.document(company.organisation, *id).await.unwrap().is_some(),
            "{id} never arrived"
        );
    }
    assert_eq!(
        store.counts(company.organisation).await.unwrap().documents,
        ids.len() as u64
    );
}
