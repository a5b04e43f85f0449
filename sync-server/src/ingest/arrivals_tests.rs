//! Offline allowances that phones show to a server which has lost them, and what could not be decided on when it came.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fieldledger_core::{
    document::edit,
    model::*,
    sync::protocol::{AllowanceWord, PROTOCOL, StreamId, SyncRequest},
};

use super::{
    InProcess, LiveHub, SyncService,
    testing::{PHONE, REP, SHOP},
};
use crate::{
    clock::Clock,
    store::{Account, Device, Store, sqlite::SqliteStore, suite::creating},
};

const ORG: OrganisationId = OrganisationId::from_bytes([0xaa; 16]);
const NORTH: TerritoryId = TerritoryId::from_bytes([0x41; 16]);
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Still;
impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

async fn company() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().unwrap());
    store.create_organisation(ORG, "Dairy", NOW).await.unwrap();
    let records = vec![
        OrganisationProfile {
            name: "Dairy".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        }
        .into(),
        Territory {
            id: NORTH,
            name: "North".to_owned(),
        }
        .into(),
        Customer {
            id: SHOP,
            code: "007".to_owned(),
            name: "Shop".to_owned(),
            territory: NORTH,
            rep: None,
            contact: String::new(),
            phone: String::new(),
            address: String::new(),
            position: None,
        }
        .into(),
    ];
    store.put_records(ORG, records, true, NOW).await.unwrap();
    store
}

fn service(store: &Arc<dyn Store>) -> SyncService {
    SyncService::new(
        store.clone(),
        Arc::new(InProcess),
        Arc::new(Still),
        Arc::new(LiveHub::new()),
        [9; 32],
    )
}

/// The phone of the rep says something.
async fn say(store: &Arc<dyn Store>, words: &[AllowanceWord]) {
    let service = service(store);
    let account = Account {
        organisation: ORG,
        user: REP,
        login: "rep".to_owned(),
        name: "Rep".to_owned(),
        password_hash: None,
        roles: vec![Role::Rep],
        territories: vec![NORTH],
        disabled: false,
    };
    let device = Device {
        id: PHONE,
        organisation: ORG,
        user: REP,
        name: String::new(),
        platform: String::new(),
        app_version: String::new(),
        installation: [0; 16],
        enrolled_at: NOW,
        last_contact: None,
        waiting: 0,
        clock_ahead_millis: 0,
        token_issued_at: NOW,
        revoked_at: None,
    };
    let request = SyncRequest {
        protocol: PROTOCOL,
        app_version: "1.0".to_owned(),
        request_id: 7,
        device_time: NOW,
        since_contact_millis: None,
        cursors: Vec::new(),
        push: Vec::new(),
        budget_bytes: 0,
        waiting: 0,
        installation: [0; 16].into(),
        words: words.iter().map(|word| serde_json::to_string(word).unwrap()).collect(),
    };
    service.exchange(&account, &device, request).await.unwrap();
}

fn terms() -> GrantTerms {
    GrantTerms {
        id: GrantId::from_bytes([9; 16]),
        device: PHONE,
        user: REP,
        customer: SHOP,
        amount: Money::new(700.into(), Currency::CNY),
        policy_version: 1,
        issued_at: NOW.plus_millis(-1_000),
        not_after: NOW.plus_millis(3_600_000),
        mode: GrantMode::Strict,
    }
}

async fn grants(store: &Arc<dyn Store>) -> Vec<Grant> {
    store.customer_ledger(ORG, SHOP).await.unwrap().unwrap().grants
}

#[tokio::test]
async fn a_grant_that_this_server_signed_is_taken_back_with_the_close_that_comes_with_it() {
    let store = company().await;
    let terms = terms();
    let signature = store.signing_key(ORG).await.unwrap().sign(&terms);
    let closing = GrantClosing {
        grant: terms.id,
        device: PHONE,
        final_seq: 0,
        total: Money::zero(Currency::CNY),
    };
    say(&store, &[AllowanceWord::Shown(ShownGrant { terms, signature })]).await;
    // Nobody has decided on a limit here, so it is asked back at once; it is reserved all the same.
    assert_eq!(grants(&store).await[0].state, GrantState::Recalled);
    let log = store.audit_log(ORG, 9).await.unwrap();
    assert!(log.iter().any(|it| it.action == "allowance.taken_back"), "{log:?}");
    say(&store, &[AllowanceWord::Closed(closing)]).await;
    assert_eq!(grants(&store).await[0].state, GrantState::Closed);
}

#[tokio::test]
async fn a_forged_or_altered_grant_is_refused_and_noted_once() {
    let store = company().await;
    let key = store.signing_key(ORG).await.unwrap();
    let genuine = terms();
    let signature = key.sign(&genuine);
    let altered = GrantTerms {
        amount: Money::new(7_000.into(), Currency::CNY),
        ..genuine.clone()
    };
    let elsewhere = GrantTerms {
        device: DeviceId::from_bytes([1; 16]),
        ..genuine.clone()
    };
    let words = [
        AllowanceWord::Shown(ShownGrant {
            terms: altered,
            signature: signature.clone(),
        }),
        AllowanceWord::Shown(ShownGrant {
            terms: genuine,
            signature: "00".repeat(32),
        }),
        AllowanceWord::Shown(ShownGrant {
            signature: key.sign(&elsewhere),
            terms: elsewhere,
        }),
    ];
    for _ in 0..2 {
        say(&store, &words).await;
    }
    assert!(grants(&store).await.is_empty());
    let noted = store.audited(ORG, "allowance.refused").await.unwrap();
    let why: Vec<&str> = noted.iter().map(|it| it.detail.split(':').next().unwrap()).collect();
    assert_eq!(
        why,
        [
            "this server has not signed it",
            "this server has not signed it",
            "it was given to another device"
        ]
    );
}

#[tokio::test]
async fn an_order_that_could_not_be_counted_is_decided_on_once_finance_has_put_that_right() {
    let store = company().await;
    let mut account = CreditAccount::new(SHOP);
    account.terms.push(CreditTerms {
        effective_from: NOW.date_in(chrono_tz::Asia::Shanghai),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(Money::new(1_000.into(), Currency::CNY)),
        terms_days: 30,
        reason: "first".to_owned(),
        by: None,
        recorded_at: NOW,
    });
    store.put_records(ORG, vec![account.into()], true, NOW).await.unwrap();
    let dollars: Currency = "USD".parse().unwrap();
    let mut order = Order::new(SHOP, REP, "SO-1", NOW, dollars);
    let line = OrderLine {
        product: ProductId::from_bytes([1; 16]),
        quantity: 1.into(),
        unit_price: 10.into(),
        discount: 0.into(),
    };
    order.lines.insert(LineId::from_bytes([1; 16]), line);
    order.state = OrderState::Submitted;
    let tree = edit::tree_of(&order).unwrap();
    let item = creating(1, StreamId::Territory(NORTH), &tree);
    store.append(ORG, vec![item], NOW).await.unwrap();
    let decided = async || {
        service(&store).catch_up(ORG, SHOP, NOW).await.unwrap();
        let ledger = store.customer_ledger(ORG, SHOP).await.unwrap().unwrap();
        ledger.decisions.len()
    };
    assert_eq!(decided().await, 0, "nobody has said what a dollar is worth");
    let policy = Policy {
        rates: vec![CreditRate {
            from: dollars,
            to: Currency::CNY,
            on: NOW.date_in(chrono_tz::Asia::Shanghai),
            rate: 7.into(),
        }],
        ..Policy::default()
    };
    store.put_records(ORG, vec![policy.into()], true, NOW).await.unwrap();
    assert_eq!(decided().await, 1);
    let before = store.customer_ledger(ORG, SHOP).await.unwrap();
    decided().await;
    assert_eq!(
        store.customer_ledger(ORG, SHOP).await.unwrap(),
        before,
        "what was decided stays"
    );
}
