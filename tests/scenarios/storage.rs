//! Disks that are full or damaged, files of other versions, records of kinds nobody knows.

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
};

use fieldledger_core::{
    error::FieldError,
    model::{DocumentKind, VisitPurpose},
};
use fieldledger_server::store::{StoreError, sqlite::SqliteStore};
use fieldledger_tests::server::{Server, ServerProcess};
use serde_json::json;

use crate::{has, verify, visit};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_a_kind_nobody_knows_is_kept_synced_and_shown_but_not_edited() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let account = server
        .state
        .store
        .account(company.organisation, company.chen_jing)
        .await
        .unwrap()
        .unwrap();
    let tree = |kind: &str, schema: u32| {
        json!({
            "kind": kind, "schema": schema, "customer": company.yongxing, "rep": company.li_na,
            "purpose": "routine", "note": "来自更新的版本", "title": "保修", "hologram": {"layers": 3},
        })
    };
    let claim = server
        .state
        .sync
        .create_document(&account, &tree("warranty_claim", 1))
        .await
        .unwrap();
    let newer = server
        .state
        .sync
        .create_document(&account, &tree("visit", 2))
        .await
        .unwrap();
    let mine = visit(&li_na, company.yongxing, "照常工作");
    li_na.sync().await.unwrap();
    for id in [claim, newer] {
        let row = li_na.store.row(id).unwrap().unwrap();
        assert!(row.newer, "{row:?}");
        assert_eq!(li_na.store.tree(id).unwrap().unwrap()["hologram"]["layers"], 3);
    }
    assert_eq!(
        li_na.store.row(claim).unwrap().unwrap().kind,
        DocumentKind::Unknown("warranty_claim".to_owned())
    );
    let mut visit_of_tomorrow = li_na.store.visit(newer).unwrap().unwrap();
    visit_of_tomorrow.value.note = "改一下".to_owned();
    assert!(matches!(
        li_na.store.save(&visit_of_tomorrow),
        Err(FieldError::MadeByNewerVersion)
    ));
    assert!(has(&server, mine).await, "what is strange never holds up the rest");
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_so_and_what_was_there_before_stays() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let before = visit(&li_na, company.yongxing, "还有地方");
    let pages = |limit: u32| {
        li_na
            .store
            .write(&[], |transaction| {
                let now: u32 = transaction.pragma_query_value(None, "page_count", |row| row.get(0))?;
                let limit = if limit == 0 { now } else { limit };
                Ok(transaction.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))?)
            })
            .unwrap();
    };
    pages(0);
    let mut recorded = Vec::new();
    let full = loop {
        let made = li_na.store.start_visit(company.yongxing, VisitPurpose::Routine, None);
        match made {
            Ok(document) => recorded.push(document.id),
            Err(error) => break error,
        }
        assert!(recorded.len() < 5_000, "the disk never fills");
    };
    assert_eq!(full, FieldError::StorageFull);
    // A reader is not concerned, and nothing is there by halves.
    assert!(li_na.store.visit(before).unwrap().is_some());
    let waiting = li_na.store.status().unwrap().waiting;
    assert_eq!(waiting, 2 + recorded.len());
    // Space is made: everything goes on, and all that was acknowledged arrives.
    pages(1_000_000);
    recorded.push(visit(&li_na, company.aurora, "又有地方了"));
    li_na.sync().await.unwrap();
    for id in recorded {
        assert!(has(&server, id).await);
    }
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_set_aside_salvaged_and_filled_again_from_the_server() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let mut li_na = server.phone_of(company.li_na).await.unwrap();
    let sent: Vec<_> = (0..30)
        .map(|n| visit(&li_na, company.yongxing, &format!("已发 {n}")))
        .collect();
    li_na.sync().await.unwrap();
    let unsent: Vec<_> = (0..3)
        .map(|n| visit(&li_na, company.aurora, &format!("未发 {n}")))
        .collect();
    li_na.store.close();
    // The first page, on which everything hangs, is overwritten.
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(li_na.path())
        .unwrap();
    let mut page = vec![0; 4096];
    file.read_exact(&mut page).unwrap();
    page[100..].fill(0xa5);
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&page).unwrap();
    drop(file);

    li_na.restart().unwrap();
    assert!(li_na.store.opening_report().is_some(), "the damage is told");
    let folder = li_na.path().parent().unwrap();
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert!(files.len() > 1, "the damaged file is set aside, not deleted: {files:?}");
    if li_na.store.identity().is_none() {
        li_na
            .enrol(&server.code_for(company.li_na).await.unwrap())
            .await
            .unwrap();
    }
    li_na.sync().await.unwrap();
    for id in &sent {
        assert!(
            li_na.store.visit(*id).unwrap().is_some(),
            "what the server has is fetched again"
        );
    }
    // What had not been sent could only come from the damaged file. The page that was overwritten held none of it, so all
    // of it was readable, and all of it has arrived.
    for id in &unsent {
        assert!(
            li_na.store.visit(*id).unwrap().is_some(),
            "{id} was readable and is lost"
        );
        assert!(has(&server, *id).await, "{id} did not reach the server");
    }
    assert_eq!(li_na.store.status().unwrap().waiting, 0);
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_app_is_left_alone() {
    let server = Server::in_memory().await.unwrap();
    let mut li_na = server.phone_of(server.company.li_na).await.unwrap();
    let id = visit(&li_na, server.company.yongxing, "旧版本写的");
    li_na.store.close();
    let set = |version: i64| {
        let db = rusqlite::Connection::open(li_na.path()).unwrap();
        let before: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        before
    };
    let version = set(9_999);
    assert!(version > 0);
    assert!(matches!(li_na.restart(), Err(FieldError::NeedsNewerApp)));
    // The older app changed nothing: put back, everything is there and nothing was set aside.
    let db = rusqlite::Connection::open(li_na.path()).unwrap();
    db.pragma_update(None, "user_version", version).unwrap();
    drop(db);
    li_na.restart().unwrap();
    assert!(li_na.store.opening_report().is_none());
    assert!(li_na.store.visit(id).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_data_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = ServerProcess::start(folder.path()).unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::InUse)));
    let said = ServerProcess::start(folder.path())
        .err()
        .expect("a second server starts")
        .to_string();
    assert!(said.contains("another server"), "{said}");
    // A killed server leaves no lock behind.
    first.kill().unwrap();
    let again = ServerProcess::start(folder.path()).unwrap();
    again.kill().unwrap();
}
