//! A network that cuts, repeats and lies.

use fieldledger_core::store::{DeviceState, RowSync};
use fieldledger_tests::{
    network::{Fault, Network},
    server::Server,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{feed, has, verify, visit};

#[tokio::test(flavor = "multi_thread")]
async fn a_captive_portal_that_answers_200_with_a_page_changes_nothing() {
    let server = Server::in_memory().await.unwrap();
    let network = Network::to(&server.url).await.unwrap();
    let li_na = server.phone_through(&network.url, server.company.li_na).await.unwrap();
    let id = visit(&li_na, server.company.yongxing, "酒店里写的");
    let before = li_na.store.status().unwrap();
    network.fault(Fault::Portal);
    let said = li_na.sync().await.unwrap_err().to_string();
    assert!(!said.contains("internal"), "{said}");
    let after = li_na.store.status().unwrap();
    assert_eq!((after.waiting, after.device), (before.waiting, DeviceState::Active));
    assert_eq!(
        after.last_contact, before.last_contact,
        "a portal is no contact with the server"
    );
    network.fault(Fault::None);
    li_na.sync().await.unwrap();
    assert!(has(&server, id).await);
    // Nor can it enrol a phone.
    network.fault(Fault::Portal);
    let fresh = fieldledger_tests::phone::Phone::new(&network.url).unwrap();
    fresh
        .enrol(&server.code_for(server.company.marta).await.unwrap())
        .await
        .unwrap_err();
    assert!(fresh.store.identity().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_cut_at_any_byte_loses_nothing_and_doubles_nothing() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let network = Network::to(&server.url).await.unwrap();
    let li_na = server.phone_through(&network.url, company.li_na).await.unwrap();
    let marta = server.phone_of(company.marta).await.unwrap();
    // A reply with verdicts, somebody else's visit and a page: find out how long such a reply is.
    visit(&marta, company.yongxing, "Marta was here");
    marta.sync().await.unwrap();
    visit(&li_na, company.aurora, "第 0 次");
    li_na.sync().await.unwrap();
    let length = network.last_reply_bytes();
    assert!(length > 40, "{length}");
    let mut recorded = 2;
    for at in (0..length).step_by(length / 24 + 1) {
        visit(&marta, company.yongxing, &format!("Marta was here, {at}"));
        marta.sync().await.unwrap();
        let id = visit(&li_na, company.aurora, &format!("切在 {at}"));
        recorded += 2;
        network.fault(Fault::CutReply(at));
        let _ = li_na.sync().await;
        assert!(li_na.store.visit(id).unwrap().is_some());
        network.fault(Fault::None);
        li_na.sync().await.unwrap();
        assert_eq!(
            li_na.store.row(id).unwrap().unwrap().sync,
            RowSync::Synced,
            "cut at {at}"
        );
    }
    marta.sync().await.unwrap();
    assert_eq!(feed(&server).await.len(), recorded);
    for phone in [&li_na, &marta] {
        let listed = phone.store.list(&fieldledger_core::store::ListQuery {
            limit: 1_000,
            ..Default::default()
        });
        assert_eq!(listed.unwrap().len(), recorded);
    }
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_replies_that_come_twice_or_late_have_the_effect_of_one() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let network = Network::to(&server.url).await.unwrap();
    let li_na = server.phone_through(&network.url, company.li_na).await.unwrap();
    let mut ids = Vec::new();
    for (n, fault) in [
        Fault::RepeatRequest,
        Fault::RepeatReply,
        Fault::CutRequest,
        Fault::RepeatRequest,
        Fault::RepeatReply,
        Fault::CutReply(0),
    ]
    .into_iter()
    .enumerate()
    {
        ids.push(visit(&li_na, company.yongxing, &format!("第 {n} 家")));
        network.fault(fault);
        let _ = li_na.sync().await;
    }
    network.fault(Fault::None);
    li_na.sync().await.unwrap();
    assert_eq!(li_na.store.status().unwrap().waiting, 0);
    let mut seen: Vec<_> = feed(&server).await.into_iter().map(|item| item.id).collect();
    seen.sort_unstable();
    ids.sort_unstable();
    assert_eq!(seen, ids);
    let counts = server.state.store.counts(company.organisation).await.unwrap();
    assert_eq!((counts.documents, counts.quarantined), (6, 0));
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_behind_a_network_that_repeats_and_reorders_replies_end_with_the_same() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let seed = crate::seed("FIELDLEDGER_NETWORK_SEED");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut phones = Vec::new();
    for user in [company.li_na, company.marta] {
        let network = Network::to(&server.url).await.unwrap();
        let phone = server.phone_through(&network.url, user).await.unwrap();
        phones.push((network, phone));
    }
    let mut ids = Vec::new();
    for round in 0..40 {
        let (network, phone) = &phones[rng.random_range(0..2)];
        if rng.random_range(0..3) > 0 || ids.is_empty() {
            ids.push(visit(phone, company.yongxing, &format!("round {round}")));
        } else {
            // Whoever wrote it may change it; the other one is told no, which is fine too.
            let id = ids[rng.random_range(0..ids.len())];
            if let Some(mut visit) = phone.store.visit(id).unwrap() {
                visit.value.note.push('!');
                let _ = phone.store.save(&visit);
            }
        }
        network.fault(match rng.random_range(0..6) {
            0 => Fault::RepeatRequest,
            1 | 2 => Fault::RepeatReply,
            3 => Fault::CutReply(rng.random_range(0..200)),
            4 => Fault::CutRequest,
            _ => Fault::None,
        });
        let _ = phone.sync().await;
    }
    for _ in 0..2 {
        for (network, phone) in &phones {
            network.fault(Fault::None);
            phone.sync().await.unwrap();
            let status = phone.store.status().unwrap();
            assert_eq!((status.waiting, status.rejected.len()), (0, 0), "{status:?}");
        }
    }
    assert_eq!(feed(&server).await.len(), ids.len());
    for id in ids {
        let [first, second] = [0, 1].map(|at| phones[at].1.store.tree(id).unwrap());
        assert!(first.is_some() && first == second, "{id}: {first:?} and {second:?}");
        let stored = server.state.store.document(company.organisation, id).await.unwrap();
        assert_eq!(first, stored.map(|it| it.tree));
    }
    verify(&server).await;
}
