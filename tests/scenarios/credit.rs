//! Two reps sell on one customer's credit without a network: what is guaranteed is honoured, and nothing is sold twice.

use std::sync::Arc;

use fieldledger_core::{
    db::exchange::Limits,
    model::*,
    store::{Document, FieldStore},
};
use fieldledger_server::{
    ingest::InProcess,
    ledger::{self, GrantWish},
    store::{Decided, Store as _, sqlite::SqliteStore},
};
use fieldledger_tests::{
    company::Company,
    phone::Phone,
    server::{Server, now},
};

use crate::verify;

fn yuan(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

/// 永兴超市 has been assessed: grade B, a limit of 50,000.
async fn begin() -> Server {
    let server = Server::in_memory().await.unwrap();
    assess(&server).await;
    server
}

async fn assess(server: &Server) {
    let today = now().date_in(chrono_tz::Asia::Shanghai);
    let mut account = CreditAccount::new(server.company.yongxing);
    account.terms.push(CreditTerms {
        effective_from: today,
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(yuan(50_000)),
        terms_days: 30,
        reason: "first assessment".to_owned(),
        by: None,
        recorded_at: now(),
    });
    account.assessments.push(Assessment {
        on: today,
        assessor: "财务".to_owned(),
        evidence: "accounts of last year".to_owned(),
        valid_until: today + chrono::Days::new(365),
    });
    let records = vec![account.into(), Policy::default().into()];
    server
        .company
        .write(&*server.state.store, records, now())
        .await
        .unwrap();
}

/// Finance reserves credit at 永兴超市 for a phone.
async fn grant(server: &Server, phone: &Phone, amount: i64) {
    let Company {
        organisation,
        yongxing,
        chen_jing,
        ..
    } = server.company;
    let key = server.state.store.signing_key(organisation).await.unwrap();
    let identity = phone.store.identity().unwrap();
    let wish = GrantWish {
        id: GrantId(uuid::Uuid::new_v4()),
        device: identity.device,
        user: identity.user,
        amount: yuan(amount),
        mode: GrantMode::Lease,
    };
    let decide = Box::new(move |ledger: &_| ledger::grant(ledger, wish, &key, chen_jing, now()));
    let store = &server.state.store;
    let decided = store.decide(organisation, yongxing, None, decide, now()).await;
    assert!(matches!(decided.unwrap(), Decided::Done { .. }));
}

fn take_order(server: &Server, store: &FieldStore, number: &str, amount: i64) -> Document<Order> {
    let rep = store.identity().unwrap().user;
    let mut order = Order::new(server.company.yongxing, rep, number, now(), Currency::CNY);
    let line = OrderLine {
        product: server.company.soy_sauce,
        quantity: 10.into(),
        unit_price: (amount / 10).into(),
        discount: 0.into(),
    };
    order.lines.insert(store.line_id().unwrap(), line);
    let draft = store.create(order).unwrap();
    store.submit_order(&draft).unwrap()
}

fn verdict(order: &Document<Order>) -> CreditVerdict {
    order.value.credit.as_ref().unwrap().verdict
}

fn standing(phone: &Phone, order: &Document<Order>) -> OrderStanding {
    phone.store.order_decision(order.id).unwrap().unwrap().standing
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reps_offline_never_sell_the_same_credit_twice() {
    let server = begin().await;
    let company = server.company.clone();
    let mut li_na = server.phone_of(company.li_na).await.unwrap();
    let marta = server.phone_of(company.marta).await.unwrap();
    grant(&server, &li_na, 10_000).await;
    li_na.sync().await.unwrap();
    marta.sync().await.unwrap();
    let allowance = &li_na.store.allowances(Some(company.yongxing)).unwrap()[0];
    assert_eq!((allowance.remaining, &allowance.frozen), (yuan(10_000), &None));
    assert!(marta.store.allowances(None).unwrap().is_empty());

    // Nobody has a network. 李娜 sells out of her allowance, then more than it holds, then more than the limit.
    let guaranteed = take_order(&server, &li_na.store, "LN-1", 8_000);
    let provisional = take_order(&server, &li_na.store, "LN-2", 30_000);
    let held = take_order(&server, &li_na.store, "LN-3", 60_000);
    assert_eq!(verdict(&guaranteed), CreditVerdict::Approved);
    assert_eq!(verdict(&provisional), CreditVerdict::Provisional);
    assert_eq!(verdict(&held), CreditVerdict::Held);
    // Marta knows of none of that.
    let racing = take_order(&server, &marta.store, "M-1", 35_000);
    assert_eq!(verdict(&racing), CreditVerdict::Provisional);
    // The app of 李娜 is killed and started again; what is spent stays spent.
    li_na.restart().unwrap();
    assert_eq!(li_na.store.allowances(None).unwrap()[0].remaining, yuan(2_000));

    // Marta is back first and gets what nobody has reserved; the reply brings the decision.
    marta.sync().await.unwrap();
    assert_eq!(standing(&marta, &racing), OrderStanding::Approved);
    li_na.sync().await.unwrap();
    assert_eq!(standing(&li_na, &guaranteed), OrderStanding::Approved, "as promised");
    assert_eq!(standing(&li_na, &provisional), OrderStanding::Held, "Marta was quicker");
    assert_eq!(standing(&li_na, &held), OrderStanding::Held);
    let file = li_na.store.credit_file(company.yongxing).unwrap().unwrap().file;
    assert_eq!((file.open_orders, file.reserved), (yuan(43_000), Some(yuan(2_000))));

    // 陈静 lets one through; 李娜 hears of it with the next sync.
    let (boss, order) = (company.chen_jing, provisional.id);
    let decide = Box::new(move |ledger: &_| {
        ledger::decide_held_order(ledger, order, true, boss, &[Role::Supervisor], "bank guarantee", now())
    });
    let store = &server.state.store;
    store
        .decide(company.organisation, company.yongxing, None, decide, now())
        .await
        .unwrap();
    li_na.sync().await.unwrap();
    assert_eq!(standing(&li_na, &provisional), OrderStanding::Released);
    assert_eq!(li_na.store.status().unwrap().waiting, 0);
    verify(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowance_that_is_given_back_is_free_for_others() {
    let server = begin().await;
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    grant(&server, &li_na, 10_000).await;
    li_na.sync().await.unwrap();
    take_order(&server, &li_na.store, "LN-1", 8_000);
    let id = li_na.store.allowances(None).unwrap()[0].grant.terms.id;
    li_na.store.return_allowance(id).unwrap();
    assert!(
        li_na.store.allowances(None).unwrap().is_empty(),
        "closed before it is said"
    );
    let later = take_order(&server, &li_na.store, "LN-2", 1_000);
    assert_eq!(
        verdict(&later),
        CreditVerdict::Provisional,
        "nothing is spent after the close"
    );
    li_na.sync().await.unwrap();
    li_na.sync().await.unwrap();
    let ledger = server
        .state
        .store
        .customer_ledger(company.organisation, company.yongxing)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ledger.grants[0].state, GrantState::Closed);
    let file = li_na.store.credit_file(company.yongxing).unwrap().unwrap().file;
    assert_eq!((file.open_orders, file.reserved), (yuan(9_000), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restored_from_a_backup_keeps_the_promises_it_has_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (data, old) = (folder.path().join("data"), folder.path().join("old"));
    let server = Server::start(Arc::new(SqliteStore::open(&data).unwrap()), Arc::new(InProcess));
    let server = server.await.unwrap();
    assess(&server).await;
    let mut policy = Policy::default();
    for size in policy.allowances.sizes.values_mut() {
        size.max_share_of_limit = 1.into();
    }
    let records = vec![policy.into()];
    server
        .company
        .write(&*server.state.store, records, now())
        .await
        .unwrap();
    let company = server.company.clone();
    let (li_na, marta) = (company.li_na, company.marta);
    let mut li_na = server.phone_of(li_na).await.unwrap();
    let mut marta = server.phone_of(marta).await.unwrap();
    grant(&server, &li_na, 10_000).await;
    li_na.sync().await.unwrap();
    server.state.store.backup(&old).await.unwrap();
    // After the backup: 李娜 spends of what it holds, Marta gets an allowance, spends and gives the rest back.
    let known = take_order(&server, &li_na.store, "LN-1", 9_000);
    li_na.sync().await.unwrap();
    grant(&server, &marta, 30_000).await;
    marta.sync().await.unwrap();
    let forgotten = take_order(&server, &marta.store, "M-1", 20_000);
    marta.sync().await.unwrap();
    let id = marta.store.allowances(None).unwrap()[0].grant.terms.id;
    marta.store.return_allowance(id).unwrap();
    marta.sync().await.unwrap();
    assert_eq!(standing(&marta, &forgotten), OrderStanding::Approved);
    drop(server);

    let store = SqliteStore::open(&old).unwrap();
    store.begin_new_lineages().await.unwrap();
    let restored = Server::start(Arc::new(store), Arc::new(InProcess)).await.unwrap();
    for phone in [&mut li_na, &mut marta] {
        phone.server_url.clone_from(&restored.url);
    }
    // Somebody else is quicker and takes what is free as far as the restored server knows.
    let jonas = restored.phone_of(company.jonas).await.unwrap();
    grant(&restored, &jonas, 40_000).await;
    for phone in [&li_na, &marta, &li_na, &marta, &jonas, &jonas] {
        phone.sync().await.unwrap();
    }
    assert_eq!(standing(&li_na, &known), OrderStanding::Approved, "as promised");
    assert_eq!(standing(&marta, &forgotten), OrderStanding::Approved, "as promised");
    let ledger = restored
        .state
        .store
        .customer_ledger(company.organisation, company.yongxing);
    let ledger = ledger.await.unwrap().unwrap();
    let state = |phone: &Phone| {
        let device = phone.store.identity().unwrap().device;
        let grant = ledger.grants.iter().find(|it| it.terms.device == device).unwrap();
        (grant.state, grant.settled.len())
    };
    assert_eq!(state(&marta), (GrantState::Closed, 1));
    // 9,000 and 20,000 are owed, 1,000 is left to 李娜: what was given to Jonas meanwhile is asked back.
    assert_eq!(state(&jonas), (GrantState::Closed, 0));
    let file = li_na.store.credit_file(company.yongxing).unwrap().unwrap().file;
    assert_eq!(file.open_orders, yuan(29_000));
    for phone in [&li_na, &marta] {
        assert_eq!(
            phone.store.outgoing(Limits { entries: 9, bytes: 9 }).unwrap().words,
            [""; 0]
        );
    }
    verify(&restored).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_freezes_the_allowance_until_the_next_sync() {
    let server = begin().await;
    let company = server.company.clone();
    let li_na = server.phone_of(company.li_na).await.unwrap();
    grant(&server, &li_na, 10_000).await;
    li_na.sync().await.unwrap();
    li_na.clock.set_ahead(-3_600_000);
    let order = take_order(&server, &li_na.store, "LN-1", 1_000);
    assert_eq!(verdict(&order), CreditVerdict::Provisional);
    // Setting it right again does not help: who sets clocks may have set more of them.
    li_na.clock.set_ahead(0);
    let order = take_order(&server, &li_na.store, "LN-2", 1_000);
    assert_eq!(verdict(&order), CreditVerdict::Provisional);
    assert!(li_na.store.allowances(None).unwrap()[0].frozen.is_some());
    li_na.sync().await.unwrap();
    let order = take_order(&server, &li_na.store, "LN-3", 1_000);
    assert_eq!(verdict(&order), CreditVerdict::Approved);
}
