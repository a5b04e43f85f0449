//! News reaches a phone without its asking, from a real server process.

use std::time::{Duration, Instant};

use fieldledger_core::{
    model::{DocumentId, DocumentKind, Review, ReviewVerdict},
    store::ListQuery,
    sync::{driver::SyncDriver, engine::Config, transport::HttpTransport},
};
use fieldledger_server::{auth::Secrets, store::sqlite::SqliteStore};
use fieldledger_tests::{
    company::Company,
    phone::Phone,
    server::{ServerProcess, now},
};

use crate::visit;

/// 陈静 looks at a visit on her own device and asks something.
async fn review(chen_jing: &Phone, company: &Company, about: DocumentId, comment: &str) {
    chen_jing.sync().await.unwrap();
    let review = Review {
        customer: company.yongxing,
        about,
        rep: company.li_na,
        reviewer: company.chen_jing,
        at: now(),
        verdict: ReviewVerdict::Questioned,
        comment: comment.to_owned(),
        replies: std::collections::BTreeMap::new(),
    };
    chen_jing.store.create(review).unwrap();
    chen_jing.sync().await.unwrap();
}

/// Waits until the phone shows a review with this comment.
async fn arrives(phone: &Phone, comment: &str) {
    let started = Instant::now();
    let query = ListQuery {
        kind: Some(DocumentKind::Review),
        limit: 10,
        ..ListQuery::default()
    };
    while started.elapsed() < Duration::from_secs(60) {
        for row in phone.store.list(&query).unwrap() {
            if phone.store.review(row.id).unwrap().unwrap().value.comment == comment {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the review {comment:?} never reached the phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_reaches_the_reps_phone_by_itself_also_after_the_server_was_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let (company, codes) = {
        let store = SqliteStore::open(folder.path()).unwrap();
        let company = Company::found(&store, now()).await.unwrap();
        let secrets = Secrets::from_system().unwrap();
        let mut codes = Vec::new();
        for user in [company.li_na, company.chen_jing] {
            codes.push(company.enrolment_code(&store, &secrets, user, now()).await.unwrap());
        }
        (company, codes)
    };
    let server = ServerProcess::start(folder.path()).unwrap();
    let (li_na, chen_jing) = (Phone::new(&server.url).unwrap(), Phone::new(&server.url).unwrap());
    li_na.enrol(&codes[0]).await.unwrap();
    chen_jing.enrol(&codes[1]).await.unwrap();
    let about = visit(&li_na, company.yongxing, "老板说月底付款");
    li_na.sync().await.unwrap();

    // The phone never asks by itself: whatever comes, the server has announced.
    let mut config = Config::new("1.0.0-test", li_na.store.options().installation);
    config.poll_every_millis = 0;
    config.backoff_floor_millis = 200;
    config.backoff_ceiling_millis = 1_000;
    let transport = HttpTransport::new(&server.url, li_na.store.token().unwrap().unwrap()).unwrap();
    let driver = SyncDriver::with_config(li_na.store.clone(), transport, config);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        driver.run(stopped, |_, _| {}).await
    });

    review(&chen_jing, &company, about, "哪天付？").await;
    arrives(&li_na, "哪天付？").await;

    let address = server.url.trim_start_matches("http://").to_owned();
    server.kill().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let again = ServerProcess::start_on(folder.path(), &address).unwrap();
    assert_eq!(again.url, format!("http://{address}"));
    // Once the phone listens again; the first news after that must come through by itself.
    review(&chen_jing, &company, about, "重启之后").await;
    arrives(&li_na, "重启之后").await;
    review(&chen_jing, &company, about, "再问一次").await;
    arrives(&li_na, "再问一次").await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    again.kill().unwrap();
}
