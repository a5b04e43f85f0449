//! The server's disk is full.

use std::{fs, io::Write as _};

use fieldledger_server::{
    auth::Secrets,
    store::{DocumentStore as _, Store as _, sqlite::SqliteStore},
};
use fieldledger_tests::{
    company::Company,
    network::Network,
    phone::Phone,
    server::{ServerProcess, now},
    skip,
};

use crate::visit;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_server_is_told_nothing_is_half_stored_and_the_phone_sends_everything_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let (company, code) = {
        let store = SqliteStore::open(&data).unwrap();
        let company = Company::found(&store, now()).await.unwrap();
        let secrets = Secrets::from_system().unwrap();
        let code = company.enrolment_code(&store, &secrets, company.li_na, now()).await;
        (company, code.unwrap())
    };
    let server = match ServerProcess::start_on_a_small_disk(&data, 24 << 10) {
        Ok(server) => server,
        Err(error) => return skip("a full disk of the server", &error.to_string()),
    };
    let network = Network::to(&server.url).await.unwrap();
    let li_na = Phone::new(&network.url).unwrap();
    li_na.enrol(&code).await.unwrap();
    let before = visit(&li_na, company.yongxing, "还有地方");
    li_na.sync().await.unwrap();

    // Somebody fills the disk but for a little.
    let ballast = server.see(&data).join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    let full = file.metadata().unwrap().len();
    file.set_len(full - (256 << 10)).unwrap();
    drop(file);
    let note = |number: usize| -> String {
        // Text that no compression makes small.
        let words = (0..60).map(|_| format!("{:08x}", rand::random::<u32>()));
        format!("{number} {}", words.collect::<Vec<_>>().join(" "))
    };
    let visits: Vec<_> = (0..400)
        .map(|number| visit(&li_na, company.aurora, &note(number)))
        .collect();
    let waiting = li_na.store.status().unwrap().waiting;
    assert_eq!(waiting, 800);
    li_na.sync().await.unwrap_err();
    let (status, said) = network.last_reply().unwrap();
    assert_eq!(status, 503, "{said}");
    assert!(
        said.contains("disk is full") && said.contains("nothing is lost"),
        "{said}"
    );
    // The phone keeps everything, and the server is still the same that it was.
    assert!(li_na.store.status().unwrap().waiting > 0);
    for id in &visits {
        assert!(li_na.store.visit(*id).unwrap().is_some());
    }
    for _ in 0..3 {
        li_na.sync().await.unwrap_err();
    }

    // Space is made.
    fs::remove_file(&ballast).unwrap();
    li_na.sync().await.unwrap();
    assert_eq!(li_na.store.status().unwrap().waiting, 0);
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["fieldledger.db", "fieldledger.db-wal"] {
        let from = server.see(&data).join(name);
        if from.exists() {
            fs::copy(from, copy.join(name)).unwrap();
        }
    }
    server.kill().unwrap();
    let store = SqliteStore::open(&copy).unwrap();
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    let counts = store.counts(company.organisation).await.unwrap();
    assert_eq!((counts.documents, counts.quarantined), (401, 0));
    for id in visits.into_iter().chain([before]) {
        let stored = store.document(company.organisation, id).await.unwrap();
        assert_eq!(stored.map(|it| it.chunks.len()), Some(2), "{id}");
    }
    store.ping().await.unwrap();
}
