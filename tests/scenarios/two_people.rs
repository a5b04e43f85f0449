//! Two people edit one delivery without a network.

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{ConfirmationVerdict, DocumentId, LineId, Party, QuantityReason, Receiver, SignedQuantity},
    store::{NewDelivery, NewDeliveryLine, SignOff},
};
use fieldledger_tests::{
    phone::Phone,
    server::{Server, now},
};

use crate::verify;

struct Story {
    server: Server,
    li_na: Phone,
    lao_wang: Phone,
    delivery: DocumentId,
}

/// A delivery of 20 boxes to 永兴超市 that both 李娜 and 老王 have on their phones.
async fn begin() -> Story {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let note = NewDelivery {
        customer: company.yongxing,
        number: "FH-0001".to_owned(),
        order_number: None,
        planned_for: None,
        lines: vec![NewDeliveryLine {
            product: company.soy_sauce,
            quantity: 20.into(),
            batch: Some("B2026-03".to_owned()),
        }],
    };
    let delivery = li_na.store.new_delivery(note).unwrap().id;
    li_na.sync().await.unwrap();
    let lao_wang = server.phone_of(company.lao_wang).await.unwrap();
    Story {
        server,
        li_na,
        lao_wang,
        delivery,
    }
}

fn line_of(phone: &Phone, delivery: DocumentId) -> LineId {
    *phone
        .store
        .delivery(delivery)
        .unwrap()
        .unwrap()
        .value
        .lines
        .keys()
        .next()
        .unwrap()
}

fn signed(accepted: i64, short: i64) -> SignedQuantity {
    SignedQuantity {
        accepted: accepted.into(),
        short: short.into(),
        damaged: 0.into(),
        refused: 0.into(),
        reason: (short > 0).then(|| QuantityReason {
            text: "少装".to_owned(),
            photo: None,
        }),
    }
}

fn sign_off(phone: &Phone, delivery: DocumentId, quantity: SignedQuantity, receiver: &str) {
    let sign_off = SignOff {
        signed: BTreeMap::from([(line_of(phone, delivery), quantity)]),
        receiver: Receiver {
            name: receiver.to_owned(),
            phone: None,
            at: now(),
            position: None,
        },
        evidence: BTreeMap::new(),
    };
    phone.store.sign_off(delivery, sign_off).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_edits_survive_when_they_touch_different_things() {
    let Story {
        server,
        li_na,
        lao_wang,
        delivery,
    } = begin().await;
    // 老王 takes the sign-off at the ramp while 李娜 writes a remark and confirms for sales, both without a network.
    sign_off(&lao_wang, delivery, signed(20, 0), "小周");
    lao_wang
        .store
        .confirm(delivery, Party::Warehouse, ConfirmationVerdict::Confirmed, "")
        .unwrap();
    let mut mine = li_na.store.delivery(delivery).unwrap().unwrap();
    mine.value.note = "送到后门".to_owned();
    li_na.store.save(&mine).unwrap();
    li_na
        .store
        .confirm(delivery, Party::Sales, ConfirmationVerdict::Confirmed, "")
        .unwrap();

    lao_wang.sync().await.unwrap();
    li_na.sync().await.unwrap();
    lao_wang.sync().await.unwrap();
    for phone in [&li_na, &lao_wang] {
        let merged = phone.store.delivery(delivery).unwrap().unwrap().value;
        assert_eq!(merged.note, "送到后门");
        assert_eq!(merged.receiver.as_ref().unwrap().name, "小周");
        assert_eq!(merged.missing_confirmations(), [Party::Customer]);
        assert!(phone.store.disagreements(delivery).unwrap().is_empty());
    }
    assert_eq!(
        li_na.store.tree(delivery).unwrap(),
        lao_wang.store.tree(delivery).unwrap()
    );
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_true_disagreement_shows_both_values_with_their_authors_until_somebody_settles_it() {
    let Story {
        server,
        li_na,
        lao_wang,
        delivery,
    } = begin().await;
    let company = server.company.clone();
    sign_off(&lao_wang, delivery, signed(20, 0), "小周");
    sign_off(&li_na, delivery, signed(18, 2), "周老板");
    lao_wang.sync().await.unwrap();
    li_na.sync().await.unwrap();
    lao_wang.sync().await.unwrap();

    let path: Vec<String> = ["receiver"].map(str::to_owned).to_vec();
    for phone in [&li_na, &lao_wang] {
        let all = phone.store.disagreements(delivery).unwrap();
        let found = all
            .iter()
            .find(|it| it.path == path)
            .expect("the receiver is disagreed about");
        let mut said: Vec<_> = found
            .values
            .iter()
            .map(|it| (it.value["name"].as_str().unwrap(), it.author.unwrap().user))
            .collect();
        said.sort_unstable();
        let mut expected = [("周老板", company.li_na), ("小周", company.lao_wang)];
        expected.sort_unstable();
        assert_eq!(said, expected);
        assert!(phone.store.row(delivery).unwrap().unwrap().disagreements > 0);
    }
    // The supervisor's side knows as well.
    let seen = crate::feed(&server).await;
    assert!(seen.iter().any(|item| item.id == delivery && item.disagreements > 0));

    // 李娜 asks at the shop and settles everything in favour of what she wrote.
    for disagreement in li_na.store.disagreements(delivery).unwrap() {
        let hers = disagreement
            .values
            .iter()
            .position(|it| it.author.unwrap().user == company.li_na)
            .unwrap();
        li_na.store.settle_with(delivery, &disagreement.path, hers).unwrap();
    }
    li_na.sync().await.unwrap();
    lao_wang.sync().await.unwrap();
    for phone in [&li_na, &lao_wang] {
        assert_eq!(phone.store.disagreements(delivery).unwrap(), []);
        let settled = phone.store.delivery(delivery).unwrap().unwrap().value;
        assert_eq!(settled.receiver.unwrap().name, "周老板");
        assert_eq!(settled.lines.values().next().unwrap().signed, Some(signed(18, 2)));
    }
    // Nothing was overwritten in the dark: the history still has both.
    let history = serde_json::to_string(
        &li_na
            .store
            .history(delivery)
            .unwrap()
            .iter()
            .map(|entry| format!("{entry:?}"))
            .collect::<Vec<_>>(),
    )
    .unwrap();
    assert!(history.contains("小周") && history.contains("周老板"));
    verify(&server).await;
}
