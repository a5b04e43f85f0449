//! Two phones with the data of one: a backup restored onto a new phone, or a clone.

use fieldledger_core::store::DeviceState;
use fieldledger_tests::server::Server;

use crate::{has, verify, visit};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_phone_with_the_backup_of_the_old_one_is_enrolled_anew_and_brings_its_unsent_work() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let old = server.phone_of(company.li_na).await.unwrap();
    let device = old.store.identity().unwrap().device;
    let sent = visit(&old, company.yongxing, "已同步");
    old.sync().await.unwrap();
    let unsent = visit(&old, company.aurora, "还没同步");

    // 李娜 sets up a new phone from the backup. The server knows the device by the old one.
    let new = old.copied().unwrap();
    assert_eq!(new.store.status().unwrap().waiting, 2);
    let told = new.sync().await.unwrap_err().to_string();
    assert!(told.contains("enrol this one with a new code"), "{told}");
    assert!(told.contains("nothing recorded on it is lost"), "{told}");
    let status = new.store.status().unwrap();
    assert_eq!((status.device, status.waiting), (DeviceState::AnotherPhone, 2));
    assert!(!has(&server, unsent).await);
    let store = server.state.store.as_ref();
    let noted = store
        .audited(company.organisation, "device.other_installation")
        .await
        .unwrap();
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0].subject, format!("device:{device}"));

    // She gets a code from 陈静, and everything arrives from a device of its own.
    new.enrol(&server.code_for(company.li_na).await.unwrap()).await.unwrap();
    new.sync().await.unwrap();
    let status = new.store.status().unwrap();
    assert_eq!((status.device, status.waiting), (DeviceState::Active, 0));
    assert_ne!(new.store.identity().unwrap().device, device);
    assert!(has(&server, sent).await && has(&server, unsent).await);

    // The old phone turns up in a drawer: it still works, and what it holds is known already.
    let report = old.sync().await.unwrap();
    assert_eq!((report.duplicate, report.rejected), (2, 0));
    assert_eq!(old.store.status().unwrap().waiting, 0);
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_goes_on_working_loses_nothing_and_neither_does_the_phone_it_came_from() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let phone = server.phone_of(company.marta).await.unwrap();
    let shared = visit(&phone, company.aurora, "before the copy");
    let clone = phone.copied().unwrap();
    let from_phone = visit(&phone, company.aurora, "on the first phone");
    let from_clone = visit(&clone, company.aurora, "on the clone");
    phone.sync().await.unwrap();
    for _ in 0..3 {
        clone.sync().await.unwrap_err();
    }
    assert!(has(&server, shared).await && has(&server, from_phone).await && !has(&server, from_clone).await);
    clone
        .enrol(&server.code_for(company.marta).await.unwrap())
        .await
        .unwrap();
    clone.sync().await.unwrap();
    phone.sync().await.unwrap();
    for phone in [&phone, &clone] {
        assert_eq!(phone.store.status().unwrap().waiting, 0);
        for id in [shared, from_phone, from_clone] {
            assert!(phone.store.visit(id).unwrap().is_some());
        }
    }
    assert_eq!(server.state.store.devices(company.organisation).await.unwrap().len(), 2);
    verify(&server).await;
}
