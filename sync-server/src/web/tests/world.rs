//! A company of two territories behind the pages, with one person of each role.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use fieldledger_core::{
    document::{self, Authorship, edit},
    model::{
        CheckPoint, CreditFile, CreditGrade, CreditLimit, Currency, Customer, CustomerId, DeviceId, DocumentId,
        Geofence, GeofenceVerdict, LedgerRecord, Money, OrganisationId, OrganisationProfile, Position, Product,
        ProductId, Role, Territory, TerritoryId, Timestamp, UserId, Visit, VisitPurpose,
    },
    sync::protocol::{PROTOCOL, Push, PushedChange, StreamCursor, SyncRequest, Verdict},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    auth::{Secrets, hash_secret},
    build_app,
    clock::Clock,
    config::ServerConfig,
    ingest::InProcess,
    state::AppState,
    store::{
        Account, Device, DocumentStore as _, Enrolment, NewDevice, PeopleStore as _, Session, Store,
        sqlite::SqliteStore,
    },
};

pub(super) const ORG: OrganisationId = OrganisationId::from_bytes([9; 16]);
pub(super) const EAST: TerritoryId = TerritoryId::from_bytes([0xe; 16]);
pub(super) const WEST: TerritoryId = TerritoryId::from_bytes([0xf; 16]);
pub(super) const REP: UserId = UserId::from_bytes([1; 16]);
pub(super) const DRIVER: UserId = UserId::from_bytes([2; 16]);
pub(super) const SUPERVISOR: UserId = UserId::from_bytes([3; 16]);
pub(super) const FINANCE: UserId = UserId::from_bytes([4; 16]);
pub(super) const ADMINISTRATOR: UserId = UserId::from_bytes([5; 16]);
pub(super) const WEST_SUPERVISOR: UserId = UserId::from_bytes([6; 16]);
pub(super) const SHOP: CustomerId = CustomerId::from_bytes([0x61; 16]);
pub(super) const WEST_SHOP: CustomerId = CustomerId::from_bytes([0x62; 16]);
pub(super) const TEA: ProductId = ProductId::from_bytes([0x71; 16]);
pub(super) const PHONE: DeviceId = DeviceId::from_bytes([0x51; 16]);
/// 2026-03-02T04:00:00Z: noon in Shanghai.
pub(super) const NOON: i64 = 1_772_424_000_000;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

pub(super) struct World {
    pub(super) app: Router,
    pub(super) state: AppState,
    pub(super) store: Arc<SqliteStore>,
    pub(super) next: std::cell::Cell<u8>,
}

pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |it| it.to_str().unwrap())
    }
}

pub(super) fn account(user: UserId, login: &str, role: Role, territories: &[TerritoryId]) -> Account {
    Account {
        organisation: ORG,
        user,
        login: login.to_owned(),
        name: format!("{login} name"),
        password_hash: None,
        roles: vec![role],
        territories: territories.to_vec(),
        disabled: false,
    }
}

pub(super) fn customer(id: CustomerId, code: &str, name: &str, territory: TerritoryId) -> LedgerRecord {
    LedgerRecord::Customer(Customer {
        id,
        code: code.to_owned(),
        name: name.to_owned(),
        territory,
        rep: Some(REP),
        contact: "王老板".to_owned(),
        phone: "+86 21 5555".to_owned(),
        address: "1 Nanjing Road".to_owned(),
        position: Some(Position::new(31.23, 121.47, None, false).unwrap()),
    })
}

pub(super) fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

pub(super) fn credit_file() -> CreditFile {
    CreditFile {
        customer: SHOP,
        as_of: Timestamp::from_millis(NOON),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(cny(10_000)),
        terms_days: 30,
        on_hold: false,
        open_receivables: cny(8_000),
        special_liabilities: cny(0),
        delivered_not_invoiced: cny(500),
        open_orders: cny(0),
        overdue: cny(1_234),
        oldest_due: Some("2026-02-01".parse().unwrap()),
        ..CreditFile::new(SHOP, Timestamp::from_millis(NOON), Currency::CNY)
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with_names("东方超市 Orient", "Green tea").await
    }

    pub(super) async fn with_names(shop: &str, product: &str) -> Self {
        let store = Arc::new(SqliteStore::in_memory_seeded(1).unwrap());
        let now = Timestamp::from_millis(NOON);
        store.create_organisation(ORG, "Orient Trading", now).await.unwrap();
        for account in [
            account(REP, "rep", Role::Rep, &[EAST, WEST]),
            account(DRIVER, "driver", Role::Driver, &[EAST]),
            account(SUPERVISOR, "supervisor", Role::Supervisor, &[EAST]),
            account(FINANCE, "finance", Role::Finance, &[]),
            account(ADMINISTRATOR, "administrator", Role::Administrator, &[]),
            account(WEST_SUPERVISOR, "west", Role::Supervisor, &[WEST]),
        ] {
            store.put_account(account).await.unwrap();
        }
        let records = vec![
            LedgerRecord::Organisation(OrganisationProfile {
                name: "Orient Trading".to_owned(),
                time_zone: chrono_tz::Asia::Shanghai,
                currency: Currency::CNY,
                geofence_metres: 200,
            }),
            LedgerRecord::Territory(Territory {
                id: EAST,
                name: "East".to_owned(),
            }),
            LedgerRecord::Territory(Territory {
                id: WEST,
                name: "West".to_owned(),
            }),
            customer(SHOP, "C-1", shop, EAST),
            customer(WEST_SHOP, "C-2", "Western Secret Store", WEST),
            LedgerRecord::Product(Product {
                id: TEA,
                code: "T-1".to_owned(),
                name: product.to_owned(),
                unit: "box".to_owned(),
                price: None,
                group: String::new(),
                discontinued: false,
            }),
            LedgerRecord::CreditFile(credit_file()),
        ];
        store.put_records(ORG, records, true, now).await.unwrap();
        store
            .put_enrolment(Enrolment {
                code_hash: [1; 32],
                organisation: ORG,
                user: REP,
                expires_at: now.plus_millis(1_000_000),
            })
            .await
            .unwrap();
        let device = NewDevice {
            id: PHONE,
            token_hash: [2; 32],
            name: "Li's phone".to_owned(),
            platform: "Android 16".to_owned(),
            app_version: "1.0".to_owned(),
            installation: [7; 16],
            address: "loopback".to_owned(),
        };
        store.redeem_enrolment(&[1; 32], device, now).await.unwrap();
        let state = AppState::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(InProcess),
            Arc::new(TestClock(AtomicI64::new(NOON))),
            Secrets::seeded(3),
            ServerConfig::default(),
        );
        let world = Self {
            app: build_app(state.clone()),
            state,
            store,
            next: std::cell::Cell::new(0x80),
        };
        for user in [REP, DRIVER, SUPERVISOR, FINANCE, ADMINISTRATOR, WEST_SUPERVISOR] {
            world.begin_session(user).await;
        }
        world
    }

    async fn begin_session(&self, user: UserId) {
        self.store
            .put_session(Session {
                token_hash: hash_secret(&token(user)),
                organisation: ORG,
                user,
                csrf: csrf(user),
                created_at: Timestamp::from_millis(NOON),
                expires_at: Timestamp::from_millis(NOON + 1_000_000_000),
                last_seen_at: Timestamp::from_millis(NOON),
                address: "192.0.2.7".to_owned(),
                agent: "Test Browser".to_owned(),
            })
            .await
            .unwrap();
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(super) async fn get(&self, user: UserId, path: &str) -> Reply {
        self.get_in(user, path, "en").await
    }

    pub(super) async fn get_in(&self, user: UserId, path: &str, language: &str) -> Reply {
        let request = Request::get(path)
            .header(header::COOKIE, format!("fieldledger_session={}", token(user)))
            .header(header::ACCEPT, "text/html")
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    pub(super) async fn post(&self, user: UserId, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", crate::web::page::encoded(value)))
            .collect::<Vec<_>>()
            .join("&");
        let request = Request::post(path)
            .header(header::COOKIE, format!("fieldledger_session={}", token(user)))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub(super) fn fresh(&self) -> [u8; 16] {
        self.next.set(self.next.get() + 1);
        [self.next.get(); 16]
    }

    pub(super) async fn device(&self) -> Device {
        self.store
            .devices(ORG)
            .await
            .unwrap()
            .into_iter()
            .find(|it| it.id == PHONE)
            .unwrap()
    }

    pub(super) fn request(push: Vec<Push>, cursors: Vec<StreamCursor>, budget_bytes: u32) -> SyncRequest {
        SyncRequest {
            protocol: PROTOCOL,
            app_version: "1.0".to_owned(),
            request_id: 1,
            device_time: Timestamp::from_millis(NOON),
            since_contact_millis: None,
            cursors,
            push,
            budget_bytes,
            waiting: 0,
            installation: [7; 16].into(),
            words: Vec::new(),
        }
    }

    /// Pushes changes as the rep's phone does; every one must be accepted.
    pub(super) async fn push(&self, changes: Vec<(Option<DocumentId>, Vec<u8>)>) {
        let rep = self.store.account(ORG, REP).await.unwrap().unwrap();
        let push = changes
            .into_iter()
            .map(|(document, bytes)| {
                Push::Change(PushedChange {
                    document,
                    bytes,
                    relayed: false,
                })
            })
            .collect();
        let request = Self::request(push, Vec::new(), 0);
        let reply = self
            .state
            .sync
            .exchange(&rep, &self.device().await, request)
            .await
            .unwrap();
        for run in &reply.verdicts {
            assert_eq!(run.verdict, Verdict::Accepted);
        }
    }

    /// A record made on the rep's phone, received by the server.
    pub(super) async fn record(&self, tree: &Value) -> DocumentId {
        let id = DocumentId::from_bytes(self.fresh());
        let change = document::create(id, tree, &by_rep(NOON)).unwrap();
        self.push(vec![(None, change.bytes)]).await;
        id
    }

    pub(super) async fn visit(&self, customer: CustomerId, note: &str) -> DocumentId {
        self.record(&edit::tree_of(&visit(customer, note)).unwrap()).await
    }

    /// A visit about whose note two edits disagree.
    pub(super) async fn disagreement(&self) -> DocumentId {
        let id = DocumentId::from_bytes(self.fresh());
        let before = edit::tree_of(&visit(SHOP, "first")).unwrap();
        let created = document::create(id, &before, &by_rep(NOON)).unwrap();
        let mut pushes = vec![(None, created.bytes.clone())];
        for note in ["Shelf is full", "Shelf is empty"] {
            let mut opened = document::open(std::slice::from_ref(&created.bytes)).unwrap();
            let mut after = before.clone();
            after["note"] = json!(note);
            let change = edit::edit(
                &mut opened,
                id,
                &created.heads,
                &before,
                &after,
                self.fresh(),
                &by_rep(NOON + 5),
            );
            pushes.push((Some(id), change.unwrap().unwrap().bytes));
        }
        self.push(pushes).await;
        id
    }
}

pub(super) fn token(user: UserId) -> String {
    format!("token-of-{user}")
}

pub(super) fn csrf(user: UserId) -> String {
    format!("csrf-of-{user}")
}

pub(super) fn by_rep(at: i64) -> Authorship {
    Authorship {
        user: REP,
        device: PHONE,
        at: Timestamp::from_millis(at),
        zone_minutes: 480,
        since_contact_millis: Some(60_000),
    }
}

pub(super) fn visit(customer: CustomerId, note: &str) -> Visit {
    let mut visit = Visit::new(customer, REP, VisitPurpose::Routine);
    visit.note = note.to_owned();
    visit.check_in = Some(CheckPoint {
        at: Timestamp::from_millis(NOON - 3_600_000),
        position: Some(Position::new(31.3, 121.5, Some(12), true).unwrap()),
        geofence: Geofence {
            verdict: GeofenceVerdict::Outside,
            distance_metres: Some(8_400),
        },
    });
    visit
}
