//! Who may: enrolment codes, lost phones, territories that change hands.

use fieldledger_core::{
    error::FieldError,
    model::{DocumentKind, LedgerRecord, Visit, VisitPurpose},
    store::{CustomerQuery, DeviceState, ListQuery, RowSync},
};
use fieldledger_server::auth;
use fieldledger_tests::{
    phone::Phone,
    server::{Server, now},
};

use crate::{has, verify, visit};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_a_used_and_an_expired_code_are_told_apart_and_make_no_device() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let code = server.code_for(company.li_na).await.unwrap();
    let phone = Phone::new(&server.url).unwrap();
    let wrong = phone.enrol("0000-0000-0000").await.unwrap_err().to_string();
    phone.enrol(&code).await.unwrap();
    let second = Phone::new(&server.url).unwrap();
    let used = second.enrol(&code).await.unwrap_err().to_string();
    let store = server.state.store.as_ref();
    let yesterday = now().plus_millis(-24 * 3_600_000);
    let old = auth::make_enrolment_code(
        store,
        &server.state.secrets,
        company.organisation,
        company.marta,
        yesterday,
    )
    .await
    .unwrap();
    let expired = second.enrol(&old).await.unwrap_err().to_string();
    assert!(
        wrong != used && used != expired && wrong != expired,
        "{wrong} / {used} / {expired}"
    );
    assert!(second.store.identity().is_none());
    assert!(matches!(
        second.store.start_visit(company.yongxing, VisitPurpose::Routine, None),
        Err(FieldError::NotEnrolled)
    ));
    assert_eq!(store.devices(company.organisation).await.unwrap().len(), 1);
    // A code is good for one person and one phone; a new one works.
    second
        .enrol(&server.code_for(company.marta).await.unwrap())
        .await
        .unwrap();
    assert_eq!(second.store.identity().unwrap().user, company.marta);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_phone_is_told_so_keeps_its_work_and_sends_nothing_more() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let phone = server.phone_of(company.li_na).await.unwrap();
    let device = phone.store.identity().unwrap().device;
    server
        .state
        .store
        .revoke_device(company.organisation, device, now())
        .await
        .unwrap();
    let unsent = visit(&phone, company.yongxing, "不知道手机被停用");
    phone.sync().await.unwrap_err();
    let status = phone.store.status().unwrap();
    assert_eq!((status.device, status.waiting), (DeviceState::Revoked, 2));
    assert!(phone.store.visit(unsent).unwrap().is_some());
    assert!(!has(&server, unsent).await);
    // The administrator lets the person back in on the same phone: everything that waited arrives.
    phone
        .enrol(&server.code_for(company.li_na).await.unwrap())
        .await
        .unwrap();
    phone.sync().await.unwrap();
    assert!(has(&server, unsent).await);
    assert_eq!(phone.store.status().unwrap().waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rejected_record_keeps_its_reason_and_never_holds_up_the_others() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let phone = server.phone_of(company.li_na).await.unwrap();
    let before = visit(&phone, company.yongxing, "第一家");
    // 东门便利店 is in the south, where 李娜 has no access; her phone knows nothing about it.
    let foreign = phone
        .store
        .create(Visit::new(company.dongmen, company.li_na, VisitPurpose::Prospect))
        .unwrap()
        .id;
    let after = visit(&phone, company.aurora, "第三家");
    let report = phone.sync().await.unwrap();
    assert_eq!((report.accepted, report.rejected), (4, 1));
    assert!(has(&server, before).await && has(&server, after).await && !has(&server, foreign).await);

    let status = phone.store.status().unwrap();
    assert_eq!(status.waiting, 0);
    assert_eq!(status.rejected.len(), 1);
    assert_eq!(status.rejected[0].document, foreign);
    assert!(!status.rejected[0].message.is_empty());
    let row = phone.store.row(foreign).unwrap().unwrap();
    assert!(matches!(row.sync, RowSync::Rejected { .. }), "{:?}", row.sync);
    assert!(phone.store.visit(foreign).unwrap().is_some(), "the rep's words stay");
    let held = server
        .state
        .store
        .quarantined(company.organisation, None, 10)
        .await
        .unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].user, held[0].document), (company.li_na, Some(foreign)));

    // The notice can be put away; the record stays, and is not sent again and again.
    phone.store.dismiss_rejected(status.rejected[0].hash).unwrap();
    assert!(phone.store.status().unwrap().rejected.is_empty());
    assert!(phone.store.visit(foreign).unwrap().is_some());
    assert_eq!(phone.sync().await.unwrap().pushed, 0);
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_moves_to_another_territory_leaves_one_phone_and_reaches_the_other_with_its_history() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let jonas = server.phone_of(company.jonas).await.unwrap();
    let old = visit(&li_na, company.yongxing, "搬家之前");
    li_na.sync().await.unwrap();
    jonas.sync().await.unwrap();
    assert!(jonas.store.visit(old).unwrap().is_none());

    let mut customer = company.customer(company.yongxing);
    (customer.territory, customer.rep) = (company.south, Some(company.jonas));
    let store = server.state.store.as_ref();
    company
        .write(store, vec![LedgerRecord::Customer(customer)], now())
        .await
        .unwrap();
    jonas.sync().await.unwrap();
    li_na.sync().await.unwrap();
    assert_eq!(jonas.store.visit(old).unwrap().unwrap().value.note, "搬家之前");
    assert_eq!(
        jonas.store.customer(company.yongxing).unwrap().unwrap().territory,
        company.south
    );
    assert!(jonas.store.credit_file(company.yongxing).unwrap().is_some());
    assert!(li_na.store.customer(company.yongxing).unwrap().is_none());
    assert!(li_na.store.visit(old).unwrap().is_none());
    assert!(li_na.store.timeline(company.yongxing, None, 10).unwrap().is_empty());
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_territory_that_is_taken_away_goes_only_after_the_unsent_work_is_safe() {
    let server = Server::in_memory().await.unwrap();
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    let marta = server.phone_of(company.marta).await.unwrap();
    let sent = visit(&li_na, company.yongxing, "已经同步");
    li_na.sync().await.unwrap();
    let unsent = visit(&li_na, company.yongxing, "还没有同步");

    let store = &server.state.store;
    let mut account = store
        .account(company.organisation, company.li_na)
        .await
        .unwrap()
        .unwrap();
    account.territories = vec![company.south];
    store.put_account(account).await.unwrap();
    li_na.sync().await.unwrap();
    li_na.sync().await.unwrap();

    let customers = li_na
        .store
        .customers(&CustomerQuery {
            limit: 10,
            ..CustomerQuery::default()
        })
        .unwrap();
    assert_eq!(
        customers.iter().map(|row| row.id).collect::<Vec<_>>(),
        [company.dongmen]
    );
    assert!(li_na.store.visit(sent).unwrap().is_none());
    // What she had not sent is among the documents or in quarantine: in neither case is it lost.
    let held = store.quarantined(company.organisation, None, 10).await.unwrap();
    assert!(has(&server, unsent).await || held.iter().any(|it| it.document == Some(unsent)));
    // Those who stay see what she had sent.
    marta.sync().await.unwrap();
    assert_eq!(marta.store.visit(sent).unwrap().unwrap().value.note, "已经同步");
    let visits = ListQuery {
        kind: Some(DocumentKind::Visit),
        limit: 10,
        ..ListQuery::default()
    };
    assert!(marta.store.list(&visits).unwrap().iter().any(|row| row.id == sent));
    verify(&server).await;
}
