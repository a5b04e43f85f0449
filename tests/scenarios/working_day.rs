//! A day in the field, and what the supervisor makes of it.

use std::collections::BTreeMap;

use fieldledger_core::{
    document::edit::tree_of,
    model::{
        CreditVerdict, Currency, DocumentModel as _, GeofenceVerdict, LineId, Order, OrderLine, Review, ReviewVerdict,
    },
    store::RowSync,
};
use fieldledger_tests::server::{Server, now};

use crate::{feed, verify, visit};

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_recorded_offline_reaches_the_supervisor_and_her_question_reaches_the_phone() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();

    // 李娜 has no network all morning.
    let id = visit(&li_na, company.yongxing, "老板答应周五付款,冷柜要修。");
    let row = li_na.store.row(id).unwrap().unwrap();
    assert_eq!((row.sync, row.state.as_str()), (RowSync::Waiting, "done"));
    assert_eq!(row.customer_name, "永兴超市");
    let stored = li_na.store.visit(id).unwrap().unwrap().value;
    assert_eq!(stored.check_in.unwrap().geofence.verdict, GeofenceVerdict::Inside);
    assert!(feed(&server).await.is_empty());

    // At noon she has.
    let report = li_na.sync().await.unwrap();
    assert_eq!((report.accepted, report.rejected), (2, 0));
    assert_eq!(li_na.store.row(id).unwrap().unwrap().sync, RowSync::Synced);
    let seen = feed(&server).await;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].id, seen[0].summary.customer), (id, Some(company.yongxing)));

    // 陈静 asks.
    let chen_jing = server
        .state
        .store
        .account(company.organisation, company.chen_jing)
        .await
        .unwrap()
        .unwrap();
    let question = Review {
        customer: company.yongxing,
        about: id,
        rep: company.li_na,
        reviewer: company.chen_jing,
        at: now(),
        verdict: ReviewVerdict::Questioned,
        comment: "周五是哪一天?金额多少?".to_owned(),
        replies: BTreeMap::new(),
    };
    let review = server
        .state
        .sync
        .create_document(&chen_jing, &tree_of(&question).unwrap())
        .await
        .unwrap();

    // The question is on 李娜's list, and her answer on 陈静's page.
    li_na.sync().await.unwrap();
    let today = li_na.store.today(None).unwrap();
    assert_eq!(
        today.reviews_to_answer.iter().map(|row| row.id).collect::<Vec<_>>(),
        [review]
    );
    assert_eq!(
        li_na.store.row(id).unwrap().unwrap().review,
        Some(ReviewVerdict::Questioned)
    );
    assert_eq!(li_na.store.reviews_of(id).unwrap()[0].value.comment, question.comment);
    li_na.store.reply_to_review(review, "13号,两万元。").unwrap();
    li_na.sync().await.unwrap();
    let answered = server.state.store.reviews_of(company.organisation, id).await.unwrap();
    assert_eq!(answered.len(), 1);
    let answered: Review = serde_json::from_value(answered[0].tree.clone()).unwrap();
    let reply = answered.replies.values().next().unwrap();
    assert_eq!((reply.by, reply.text.as_str()), (company.li_na, "13号,两万元。"));
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_over_the_limit_is_held_offline_with_its_reasons_and_arrives_as_typed() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let marta = server.phone_of(company.marta).await.unwrap();
    let mut order = Order::new(company.aurora, company.marta, "SO-1", now(), Currency::CNY);
    order.lines.insert(
        LineId::from_bytes([1; 16]),
        OrderLine {
            product: company.oat_milk,
            quantity: 3.into(),
            unit_price: 96.into(),
            discount: 0.into(),
        },
    );
    order.validate().unwrap();
    let draft = marta.store.create(order).unwrap();
    let submitted = marta.store.submit_order(&draft).unwrap();
    let credit = submitted.value.credit.clone().unwrap();
    assert_eq!(credit.verdict, CreditVerdict::Held);
    let failed: Vec<_> = credit.rules.iter().filter(|rule| !rule.passed).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].sentence.contains("10288"), "{}", failed[0].sentence);

    // For 永兴超市 the same order is within the limit, but nobody guarantees it offline.
    let mut order = draft.value.clone();
    (order.customer, order.number) = (company.yongxing, "SO-2".to_owned());
    let other = marta.store.create(order).unwrap();
    let other = marta.store.submit_order(&other).unwrap();
    assert_eq!(other.value.credit.unwrap().verdict, CreditVerdict::Provisional);

    marta.sync().await.unwrap();
    let states: Vec<_> = feed(&server)
        .await
        .into_iter()
        .map(|item| (item.summary.title, item.summary.state))
        .collect();
    assert!(states.contains(&("SO-1".to_owned(), "held".to_owned())), "{states:?}");
    assert!(
        states.contains(&("SO-2".to_owned(), "provisional".to_owned())),
        "{states:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reps_wrote_is_found_by_two_chinese_characters_and_by_latin_words_on_every_phone() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let chinese = visit(&li_na, company.yongxing, "冷柜坏了,请售后来看");
    let latin = visit(&li_na, company.aurora, "The espresso machine leaks");
    li_na.sync().await.unwrap();
    let marta = server.phone_of(company.marta).await.unwrap();
    for phone in [&li_na, &marta] {
        let found = |text: &str| -> Vec<_> {
            let hits = phone.store.search(text, 10).unwrap();
            hits.into_iter()
                .filter_map(|hit| match hit {
                    fieldledger_core::store::SearchHit::Document(row) => Some(row.id),
                    fieldledger_core::store::SearchHit::Customer(_) => None,
                })
                .collect()
        };
        assert_eq!(found("售后"), [chinese]);
        assert_eq!(found("ESPRESSO"), [latin]);
        assert!(found("空调").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_whose_clock_is_wrong_by_years_syncs_and_keeps_what_it_declared() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let years = 9 * 365 * 24 * 3_600_000_i64;
    for ahead in [years, -years] {
        let phone = server.phone_of(company.li_na).await.unwrap();
        phone.clock.set_ahead(ahead);
        let id = visit(&phone, company.yongxing, "时钟不对");
        assert_eq!(phone.sync().await.unwrap().accepted, 2);
        let declared = phone.store.visit(id).unwrap().unwrap().value.check_in.unwrap().at;
        let off = declared.millis_since(now());
        assert!((off - ahead).abs() < 60_000, "{declared} is kept as declared");
        // The server's own clock says when it came in, and how far the phone is off.
        let seen = feed(&server).await.into_iter().find(|item| item.id == id).unwrap();
        assert!(now().millis_since(seen.received_at).abs() < 60_000);
        let devices = server.state.store.devices(company.organisation).await.unwrap();
        assert!(
            devices
                .iter()
                .any(|device| (device.clock_ahead_millis - ahead).abs() < 60_000)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_of_more_than_one_reply_holds_brings_everything() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let account = server
        .state
        .store
        .account(company.organisation, company.chen_jing)
        .await
        .unwrap()
        .unwrap();
    // Just under what a reply may hold in one stream, with the catalogue before it.
    let visits = fieldledger_tests::crash::visits(1).take(fieldledger_core::sync::protocol::MAX_ENTRIES + 100);
    let making: Vec<_> = visits
        .map(|visit| {
            let (state, account) = (server.state.clone(), account.clone());
            tokio::spawn(async move {
                state
                    .sync
                    .create_document(&account, &tree_of(&visit).unwrap())
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in making {
        ids.push(task.await.unwrap());
    }
    let li_na = server.phone_of(company.li_na).await.unwrap();
    for id in ids {
        assert!(li_na.store.row(id).unwrap().is_some());
    }
    assert_eq!(li_na.sync().await.unwrap().pulled, 0);
}
