//! The pages on the real router, over a store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use fieldledger_core::{
    document::{self, Authorship, edit},
    model::{
        CheckPoint, CollectionChannel, CollectionNote, CollectionOutcome, Confirmation, ConfirmationVerdict,
        CreditFile, CreditGrade, CreditLimit, Currency, Customer, CustomerId, Delivery, DeliveryLine, DeviceId,
        DocumentId, Evidence, EvidenceHash, EvidenceKind, Geofence, GeofenceVerdict, LedgerRecord, LineId, Money,
        NextStep, Order, OrderLine, OrderState, OrganisationId, OrganisationProfile, Party, Position, Product,
        ProductId, PromiseToPay, QuantityReason, Receiver, Role, SignedQuantity, Territory, TerritoryId, Timestamp,
        UserId, Visit, VisitOutcome, VisitPurpose,
    },
    rules::credit,
    sync::protocol::{PROTOCOL, Push, PushedChange, RejectionCode, StreamCursor, StreamId, SyncRequest, Verdict},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    auth::{Secrets, hash_password, hash_secret},
    build_app,
    clock::Clock,
    config::ServerConfig,
    ingest::InProcess,
    state::AppState,
    store::{
        Account, Device, DocumentStore as _, Enrolment, NewDevice, PeopleStore as _, Quarantined, Session, Store,
        sqlite::SqliteStore,
    },
};

const ORG: OrganisationId = OrganisationId::from_bytes([9; 16]);
const EAST: TerritoryId = TerritoryId::from_bytes([0xe; 16]);
const WEST: TerritoryId = TerritoryId::from_bytes([0xf; 16]);
const REP: UserId = UserId::from_bytes([1; 16]);
const DRIVER: UserId = UserId::from_bytes([2; 16]);
const SUPERVISOR: UserId = UserId::from_bytes([3; 16]);
const FINANCE: UserId = UserId::from_bytes([4; 16]);
const ADMINISTRATOR: UserId = UserId::from_bytes([5; 16]);
const WEST_SUPERVISOR: UserId = UserId::from_bytes([6; 16]);
const SHOP: CustomerId = CustomerId::from_bytes([0x61; 16]);
const WEST_SHOP: CustomerId = CustomerId::from_bytes([0x62; 16]);
const TEA: ProductId = ProductId::from_bytes([0x71; 16]);
const PHONE: DeviceId = DeviceId::from_bytes([0x51; 16]);
/// 2026-03-02T04:00:00Z: noon in Shanghai.
const NOON: i64 = 1_772_424_000_000;

const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}evil\u{2066} 🦀 {{7*7}} & </bdi>";

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

struct World {
    app: Router,
    state: AppState,
    store: Arc<SqliteStore>,
    next: std::cell::Cell<u8>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |it| it.to_str().unwrap())
    }
}

fn account(user: UserId, login: &str, role: Role, territories: &[TerritoryId]) -> Account {
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

fn customer(id: CustomerId, code: &str, name: &str, territory: TerritoryId) -> LedgerRecord {
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

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn credit_file() -> CreditFile {
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
    async fn new() -> Self {
        Self::with_names("东方超市 Orient", "Green tea").await
    }

    async fn with_names(shop: &str, product: &str) -> Self {
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
            })
            .await
            .unwrap();
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, user: UserId, path: &str) -> Reply {
        self.get_in(user, path, "en").await
    }

    async fn get_in(&self, user: UserId, path: &str, language: &str) -> Reply {
        let request = Request::get(path)
            .header(header::COOKIE, format!("fieldledger_session={}", token(user)))
            .header(header::ACCEPT, "text/html")
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    async fn post(&self, user: UserId, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", super::page::encoded(value)))
            .collect::<Vec<_>>()
            .join("&");
        let request = Request::post(path)
            .header(header::COOKIE, format!("fieldledger_session={}", token(user)))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    fn fresh(&self) -> [u8; 16] {
        self.next.set(self.next.get() + 1);
        [self.next.get(); 16]
    }

    async fn device(&self) -> Device {
        self.store
            .devices(ORG)
            .await
            .unwrap()
            .into_iter()
            .find(|it| it.id == PHONE)
            .unwrap()
    }

    fn request(push: Vec<Push>, cursors: Vec<StreamCursor>, budget_bytes: u32) -> SyncRequest {
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
        }
    }

    /// Pushes changes as the rep's phone does; every one must be accepted.
    async fn push(&self, changes: Vec<(Option<DocumentId>, Vec<u8>)>) {
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
    async fn record(&self, tree: &Value) -> DocumentId {
        let id = DocumentId::from_bytes(self.fresh());
        let change = document::create(id, tree, &by_rep(NOON)).unwrap();
        self.push(vec![(None, change.bytes)]).await;
        id
    }

    async fn visit(&self, customer: CustomerId, note: &str) -> DocumentId {
        self.record(&edit::tree_of(&visit(customer, note)).unwrap()).await
    }

    /// A visit about whose note two edits disagree.
    async fn disagreement(&self) -> DocumentId {
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

fn token(user: UserId) -> String {
    format!("token-of-{user}")
}

fn csrf(user: UserId) -> String {
    format!("csrf-of-{user}")
}

fn by_rep(at: i64) -> Authorship {
    Authorship {
        user: REP,
        device: PHONE,
        at: Timestamp::from_millis(at),
        zone_minutes: 480,
        since_contact_millis: Some(60_000),
    }
}

fn visit(customer: CustomerId, note: &str) -> Visit {
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

fn line(number: u8) -> LineId {
    LineId::from_bytes([number; 16])
}

fn delivery(words: &str) -> Delivery {
    let mut delivery = Delivery::new(SHOP, REP, words);
    delivery.order_number = Some(words.to_owned());
    delivery.note = words.to_owned();
    delivery.lines.insert(
        line(1),
        DeliveryLine {
            product: TEA,
            quantity: "10".parse().unwrap(),
            batch: Some(words.to_owned()),
            signed: Some(SignedQuantity {
                accepted: "5".parse().unwrap(),
                short: "2".parse().unwrap(),
                damaged: "1".parse().unwrap(),
                refused: "2".parse().unwrap(),
                reason: Some(QuantityReason {
                    text: words.to_owned(),
                    photo: None,
                }),
            }),
        },
    );
    delivery.receiver = Some(Receiver {
        name: words.to_owned(),
        phone: Some(words.to_owned()),
        at: Timestamp::from_millis(NOON),
        position: None,
    });
    let said = |verdict| Confirmation {
        verdict,
        by: words.to_owned(),
        at: Timestamp::from_millis(NOON),
        remark: words.to_owned(),
    };
    delivery
        .confirmations
        .insert(Party::Sales, said(ConfirmationVerdict::Confirmed));
    delivery
        .confirmations
        .insert(Party::Customer, said(ConfirmationVerdict::Disputed));
    delivery.evidence.insert(
        EvidenceHash([3; 32]),
        Evidence {
            kind: EvidenceKind::Other(words.to_owned()),
            size: 1_234_567,
            media_type: "image/jpeg".to_owned(),
            taken_at: Timestamp::from_millis(NOON),
            taken_by: REP,
            position: None,
            caption: words.to_owned(),
        },
    );
    delivery
}

fn order(words: &str) -> Order {
    let mut order = Order::new(SHOP, REP, words, Timestamp::from_millis(NOON), Currency::CNY);
    order.note = words.to_owned();
    order.lines.insert(
        line(2),
        OrderLine {
            product: TEA,
            quantity: "100".parse().unwrap(),
            unit_price: "20.5".parse().unwrap(),
            discount: "0.1".parse().unwrap(),
        },
    );
    order.state = OrderState::Submitted;
    let inputs = credit::inputs(Some((&credit_file(), 1)), cny(0), order.total().unwrap()).unwrap();
    order.credit = Some(credit::check(inputs));
    order
}

fn note(words: &str) -> CollectionNote {
    CollectionNote {
        customer: SHOP,
        rep: REP,
        at: Timestamp::from_millis(NOON),
        channel: CollectionChannel::Other(words.to_owned()),
        person: words.to_owned(),
        outcome: CollectionOutcome::Promised,
        invoice_number: Some(words.to_owned()),
        promise: Some(PromiseToPay {
            amount: cny(5_000),
            due: "2026-03-10".parse().unwrap(),
        }),
        next_step: Some(NextStep {
            what: words.to_owned(),
            due: None,
        }),
        note: words.to_owned(),
        position: None,
    }
}

fn unknown(words: &str) -> Value {
    json!({
        "kind": "stock_count", "schema": 1, "customer": SHOP.to_string(), "rep": REP.to_string(), "title": words,
        "counted": { words: { "amount": 3 } }, "list": [words, 1, null], "deep": { "er": { "yes": true } },
    })
}

/// Nothing of `text` may stand in the page as markup.
fn assert_inert(body: &str) {
    assert!(!body.contains("<script>alert"), "a script got through");
    assert!(!body.contains("<img"), "markup got through");
    assert!(!body.contains("</bdi>\" "), "an element was closed");
    assert!(!body.contains("onerror=alert(2)>"), "a handler got through");
}

#[tokio::test]
async fn each_role_reaches_exactly_its_pages_and_records_of_its_territories() {
    type Post = (String, Vec<(&'static str, String)>, [u16; 6]);
    let world = World::new().await;
    let east = world.visit(SHOP, "seen in the east").await;
    let west = world.visit(WEST_SHOP, "seen in the west").await;
    let everybody = [REP, DRIVER, SUPERVISOR, FINANCE, ADMINISTRATOR, WEST_SUPERVISOR];
    let table: Vec<(String, [u16; 6])> = vec![
        ("/".to_owned(), [403, 403, 200, 200, 200, 200]),
        ("/activity".to_owned(), [403, 403, 200, 200, 200, 200]),
        (format!("/activity?territory={WEST}"), [403, 403, 404, 200, 200, 200]),
        ("/activity/live".to_owned(), [403, 403, 0, 0, 0, 0]),
        (format!("/records/{east}"), [403, 403, 200, 200, 200, 404]),
        (format!("/records/{west}"), [403, 403, 404, 200, 200, 200]),
        ("/records/nonsense".to_owned(), [403, 403, 404, 404, 404, 404]),
        ("/customers".to_owned(), [403, 403, 200, 200, 200, 200]),
        (format!("/customers/{SHOP}"), [403, 403, 200, 200, 200, 404]),
        (format!("/customers/{WEST_SHOP}"), [403, 403, 404, 200, 200, 200]),
        ("/quarantine".to_owned(), [403, 403, 200, 200, 200, 200]),
        ("/devices".to_owned(), [403, 403, 200, 403, 200, 200]),
        (format!("/devices/{PHONE}/revoke"), [403, 403, 403, 403, 200, 403]),
    ];
    for (path, expected) in &table {
        for (user, expected) in everybody.iter().zip(expected) {
            if *expected == 0 {
                continue; // an endless stream
            }
            let reply = world.get(*user, path).await;
            assert_eq!(reply.status.as_u16(), *expected, "{path} for {user}");
            assert!(
                reply.headers[header::CONTENT_TYPE]
                    .to_str()
                    .unwrap()
                    .starts_with("text/html")
            );
        }
    }
    let posts: Vec<Post> = vec![
        (
            format!("/records/{east}/review"),
            vec![("verdict", "approved".to_owned())],
            [403, 403, 303, 303, 303, 404],
        ),
        (
            "/devices/enrolment".to_owned(),
            vec![("person", REP.to_string())],
            [403, 403, 403, 403, 200, 403],
        ),
        (
            format!("/devices/{PHONE}/revoke"),
            vec![],
            [403, 403, 403, 403, 303, 403],
        ),
    ];
    for (path, fields, expected) in &posts {
        for (user, expected) in everybody.iter().zip(expected) {
            let secret = csrf(*user);
            let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            fields.push(("csrf", &secret));
            let reply = world.post(*user, path, &fields).await;
            assert_eq!(reply.status.as_u16(), *expected, "POST {path} for {user}");
        }
    }
    assert!(world.device().await.revoked_at.is_some());
}

#[tokio::test]
async fn nothing_of_another_territory_shows_anywhere() {
    let world = World::new().await;
    let west = world.visit(WEST_SHOP, "secret of the west").await;
    world.visit(SHOP, "open in the east").await;
    for path in [
        "/activity".to_owned(),
        "/activity?customer=Western".to_owned(),
        format!("/activity?customer={WEST_SHOP}"),
        format!("/activity?before=99999999999999.{west}"),
        "/customers".to_owned(),
        "/customers?q=Secret".to_owned(),
        format!("/records/{west}"),
        format!("/customers/{WEST_SHOP}"),
    ] {
        let body = world.get(SUPERVISOR, &path).await.body;
        assert!(!body.contains("secret of the west"), "{path}");
        assert!(!body.contains("Western Secret"), "{path}");
    }
    let own = world.get(WEST_SUPERVISOR, "/activity").await.body;
    assert!(own.contains("secret of the west") && !own.contains("open in the east"));
}

#[tokio::test]
async fn without_a_session_a_browser_is_sent_to_sign_in_and_comes_back() {
    let world = World::new().await;
    let hash = hash_password("a long enough password".to_owned()).await.unwrap();
    let mut supervisor = world.store.account(ORG, SUPERVISOR).await.unwrap().unwrap();
    supervisor.password_hash = Some(hash);
    world.store.put_account(supervisor).await.unwrap();
    let page = Request::get("/customers?q=tea").header(header::ACCEPT, "text/html");
    let away = world.send(page.body(Body::empty()).unwrap()).await;
    assert!(away.status.is_redirection());
    assert_eq!(away.location(), "/sign-in?next=/customers%3Fq%3Dtea");

    let form = world
        .send(Request::get(away.location()).body(Body::empty()).unwrap())
        .await;
    assert_eq!(form.status, StatusCode::OK);
    let cookie = form.headers[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let secret = cookie.split_once('=').unwrap().1.to_owned();
    assert!(form.body.contains(&secret));
    let sign_in = |password: &str, secret: &str| {
        let body = format!(
            "login=Supervisor&password={}&next=/customers%3Fq%3Dtea&secret={secret}",
            super::page::encoded(password)
        );
        Request::post("/sign-in")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    let forged = world.send(sign_in("a long enough password", "made-up")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let wrong = world.send(sign_in("wrong", &secret)).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.body.contains("is not right") && wrong.body.contains("role=\"alert\""));
    let right = world.send(sign_in("a long enough password", &secret)).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(right.location(), "/customers?q=tea");
    let session = right.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Lax"));
    let mut locked = None;
    for _ in 0..8 {
        let reply = world.send(sign_in("wrong", &secret)).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            locked = Some(reply);
            break;
        }
    }
    let locked = locked.expect("guessing goes on for ever");
    assert!(locked.body.contains("Too many attempts"));
    assert!(locked.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let world = World::new().await;
    assert_eq!(
        world.post(SUPERVISOR, "/sign-out", &[]).await.status,
        StatusCode::FORBIDDEN
    );
    let left = world
        .post(SUPERVISOR, "/sign-out", &[("csrf", &csrf(SUPERVISOR))])
        .await;
    assert_eq!(left.location(), "/sign-in?left=true");
    assert!(world.get(SUPERVISOR, "/").await.status.is_redirection());
}

#[tokio::test]
async fn a_form_without_the_sessions_secret_changes_nothing() {
    let world = World::new().await;
    let id = world.visit(SHOP, "note").await;
    let forms = [
        format!("/records/{id}/review"),
        format!("/records/{id}/settle"),
        format!("/devices/{PHONE}/revoke"),
        "/devices/enrolment".to_owned(),
        "/sign-out".to_owned(),
    ];
    let other = csrf(FINANCE);
    for path in &forms {
        for secret in [None, Some(""), Some("wrong"), Some(other.as_str())] {
            let mut fields = vec![("verdict", "approved"), ("person", "x")];
            fields.extend(secret.map(|it| ("csrf", it)));
            let reply = world.post(ADMINISTRATOR, path, &fields).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} with {secret:?}");
        }
    }
    assert!(world.store.reviews_of(ORG, id).await.unwrap().is_empty());
    assert!(world.device().await.revoked_at.is_none());
}

#[tokio::test]
async fn every_answer_forbids_foreign_content_and_frames() {
    let world = World::new().await;
    let style = super::assets::ADDRESSES.style.clone();
    for path in ["/activity", "/records/x", "/sign-in", style.as_str()] {
        let reply = world.get(SUPERVISOR, path).await;
        let policy = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(reply.headers.contains_key(header::REFERRER_POLICY));
        assert!(!reply.body.contains(" style=") && !reply.body.contains(" onclick="));
    }
    let page = world.get(SUPERVISOR, "/activity").await;
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    assert!(page.body.contains(&style));
    let asset = world.get(SUPERVISOR, &style).await;
    assert!(
        asset.headers[header::CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(
        world.get(SUPERVISOR, "/static/app.css").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn hostile_text_stays_text_in_every_field_of_every_kind() {
    let hostile = format!("{HOSTILE} {}", "長".repeat(3_000));
    let world = World::with_names(&hostile, &hostile).await;
    for user in [SUPERVISOR, REP] {
        let mut account = world.store.account(ORG, user).await.unwrap().unwrap();
        account.name = hostile.clone();
        world.store.put_account(account).await.unwrap();
    }
    let mut strange = visit(SHOP, &hostile);
    strange.purpose = VisitPurpose::Other(hostile.clone());
    strange.check_out = strange.check_in;
    strange.outcome = Some(VisitOutcome::Other(hostile.clone()));
    strange.next_step = Some(NextStep {
        what: hostile.clone(),
        due: None,
    });
    strange.cancelled = Some(hostile.clone());
    let mut newer = edit::tree_of(&visit(SHOP, "x")).unwrap();
    newer["added"] = json!({ hostile.clone(): hostile.clone() });
    let trees = [
        edit::tree_of(&strange).unwrap(),
        edit::tree_of(&delivery(&hostile)).unwrap(),
        edit::tree_of(&note(&hostile)).unwrap(),
        edit::tree_of(&order(&hostile)).unwrap(),
        unknown(&hostile),
        newer,
    ];
    for tree in &trees {
        let id = world.record(tree).await;
        let fields = [
            ("csrf", csrf(SUPERVISOR)),
            ("verdict", "flagged".to_owned()),
            ("comment", hostile.clone()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let sent = world.post(SUPERVISOR, &format!("/records/{id}/review"), &fields).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
        for language in ["en", "zh"] {
            let page = world.get_in(SUPERVISOR, &format!("/records/{id}"), language).await;
            assert_eq!(page.status, StatusCode::OK);
            assert_inert(&page.body);
            assert!(
                page.body.contains("&#60;script&#62;") || page.body.contains("&lt;script&gt;"),
                "{tree}"
            );
        }
    }
    world
        .store
        .quarantine(
            ORG,
            vec![Quarantined {
                digest: [1; 32],
                document: None,
                territory: Some(EAST),
                bytes: vec![1, 2, 3],
                user: REP,
                device: PHONE,
                code: RejectionCode::Invalid,
                message: hostile.clone(),
                received_at: Timestamp::from_millis(NOON),
            }],
        )
        .await
        .unwrap();
    let asked = super::page::encoded(HOSTILE);
    for path in [
        "/activity".to_owned(),
        format!("/activity?customer={asked}&state={asked}&kind={asked}"),
        format!("/customers?q={asked}"),
        format!("/customers/{SHOP}"),
        "/quarantine".to_owned(),
        "/devices".to_owned(),
        format!("/sign-in?next={asked}"),
    ] {
        let page = world.get(SUPERVISOR, &path).await;
        assert!(
            page.status == StatusCode::OK || page.status.is_redirection(),
            "{path}: {}",
            page.status
        );
        assert_inert(&page.body);
    }
}

#[tokio::test]
async fn a_review_is_received_by_the_reps_phone_and_the_reply_is_shown() {
    let world = World::new().await;
    let id = world.visit(SHOP, "note").await;
    let path = format!("/records/{id}/review");
    let secret = csrf(SUPERVISOR);
    let silent = world
        .post(SUPERVISOR, &path, &[("csrf", &secret), ("verdict", "questioned")])
        .await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(silent.body.contains("needs a comment for the rep"));
    let nothing = world
        .post(SUPERVISOR, &path, &[("csrf", &secret), ("comment", "kept words")])
        .await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.body.contains("kept words"));
    let fields = [
        ("csrf", secret.as_str()),
        ("verdict", "questioned"),
        ("comment", "Why so far away?\r\nSay more."),
    ];
    let sent = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(sent.location(), format!("/records/{id}?done=review"));

    let rep = world.store.account(ORG, REP).await.unwrap().unwrap();
    let streams = vec![StreamCursor {
        stream: StreamId::Territory(EAST),
        cursor: None,
    }];
    let pull = World::request(Vec::new(), streams, 1 << 20);
    let reply = world
        .state
        .sync
        .exchange(&rep, &world.device().await, pull)
        .await
        .unwrap();
    let reviews = world.store.reviews_of(ORG, id).await.unwrap();
    assert_eq!(reviews.len(), 1);
    assert_eq!(reviews[0].stream, StreamId::Territory(EAST));
    assert_eq!(reviews[0].tree["comment"], "Why so far away?\nSay more.");
    // The two that were refused left no line.
    let audit = world.store.audit_log(ORG, 10).await.unwrap();
    let made: Vec<_> = audit.iter().filter(|entry| entry.action == "review.made").collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].actor, SUPERVISOR.to_string());
    assert_eq!(made[0].subject, reviews[0].id.to_string());
    assert_eq!(made[0].detail, format!("questioned of {id}"));
    let pulled = format!(
        "{:?}",
        reply
            .streams
            .iter()
            .find(|page| page.stream == StreamId::Territory(EAST))
            .unwrap()
    );
    assert!(
        pulled.contains(&format!("{:?}", reviews[0].chunks[0])),
        "the phone does not get the review"
    );

    let mut opened = document::open(&reviews[0].chunks).unwrap();
    let mut after = reviews[0].tree.clone();
    after["replies"] = json!({ line(5).to_string(): { "by": REP, "at": NOON, "text": "The road was closed." } });
    let heads = reviews[0].heads.clone();
    let before = &reviews[0].tree;
    let answer = edit::edit(
        &mut opened,
        reviews[0].id,
        &heads,
        before,
        &after,
        world.fresh(),
        &by_rep(NOON),
    );
    world
        .push(vec![(Some(reviews[0].id), answer.unwrap().unwrap().bytes)])
        .await;
    let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
    assert!(page.contains("Why so far away?") && page.contains("The road was closed."));
    let feed = world.get(SUPERVISOR, "/activity").await.body;
    assert!(feed.contains("verdict-questioned"));
}

#[tokio::test]
async fn settling_a_disagreement_writes_either_value_and_ends_it() {
    for index in [0, 1] {
        let world = World::new().await;
        let id = world.disagreement().await;
        let page = world.get(SUPERVISOR, &format!("/records/{id}")).await.body;
        assert!(page.contains("Shelf is full") && page.contains("Shelf is empty"));
        assert!(page.contains("1 disagreement(s)"));
        assert!(
            world
                .get(SUPERVISOR, "/activity?disagreeing=1")
                .await
                .body
                .contains(&id.to_string())
        );
        let stored = world.store.document(ORG, id).await.unwrap().unwrap();
        let opened = document::open(&stored.chunks).unwrap();
        let values = document::disagreement::disagreements(&opened).remove(0).values;
        let chosen = values[index].value.clone();
        let change = values[index].change.unwrap().to_string();
        let path = format!("/records/{id}/settle");
        let secret = csrf(SUPERVISOR);
        let fields = [("csrf", secret.as_str()), ("path", "[\"note\"]"), ("change", &change)];
        let finance = csrf(FINANCE);
        let refused = [("csrf", finance.as_str()), ("path", "[\"note\"]"), ("change", &change)];
        assert_eq!(world.post(FINANCE, &path, &refused).await.status, StatusCode::FORBIDDEN);
        let reply = world.post(SUPERVISOR, &path, &fields).await;
        assert_eq!(
            reply.location(),
            format!("/records/{id}?done=settled"),
            "{}",
            reply.body
        );
        let settled = world.store.document(ORG, id).await.unwrap().unwrap();
        assert_eq!(settled.disagreements, 0);
        assert_eq!(settled.tree["note"], chosen);
        assert_eq!(
            world.post(SUPERVISOR, &path, &fields).await.status,
            StatusCode::CONFLICT
        );
        for (path, change) in [("x", change.as_str()), ("[\"note\"]", "zz")] {
            let fields = [("csrf", secret.as_str()), ("path", path), ("change", change)];
            let reply = world.post(SUPERVISOR, &format!("/records/{id}/settle"), &fields).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        }
    }
}

#[tokio::test]
async fn filters_narrow_the_feed_and_stand_in_the_form() {
    let world = World::new().await;
    let visit = world.visit(SHOP, "a visit").await;
    let note = world.record(&edit::tree_of(&note("a note")).unwrap()).await;
    let west = world.visit(WEST_SHOP, "far").await;
    world
        .post(
            ADMINISTRATOR,
            &format!("/records/{visit}/review"),
            &[("csrf", &csrf(ADMINISTRATOR)), ("verdict", "approved")],
        )
        .await;
    let cases: Vec<(String, Vec<DocumentId>)> = vec![
        ("kind=collection_note".to_owned(), vec![note]),
        ("kind=visit&state=open".to_owned(), vec![visit, west]),
        ("state=promised".to_owned(), vec![note]),
        (format!("territory={WEST}"), vec![west]),
        (format!("rep={REP}&kind=visit"), vec![visit, west]),
        (format!("rep={DRIVER}"), vec![]),
        ("customer=C-2".to_owned(), vec![west]),
        ("customer=orient".to_owned(), vec![visit, note]),
        ("customer=nowhere".to_owned(), vec![]),
        ("day=2026-03-02&kind=collection_note".to_owned(), vec![note]),
        ("day=2026-03-03".to_owned(), vec![]),
        ("unreviewed=1".to_owned(), vec![note, west]),
        ("disagreeing=1".to_owned(), vec![]),
    ];
    let known: BTreeMap<DocumentId, &str> = [(visit, "visit"), (note, "note"), (west, "west")].into();
    for (query, expected) in cases {
        let body = world.get(ADMINISTRATOR, &format!("/activity?{query}")).await.body;
        for (id, name) in &known {
            let shown = body.contains(&format!("/records/{id}"));
            assert_eq!(shown, expected.contains(id), "{name} with {query}");
        }
    }
    let form = world
        .get(ADMINISTRATOR, "/activity?kind=visit&day=2026-03-02&unreviewed=1")
        .await
        .body;
    assert!(form.contains("value=\"visit\" selected"));
    assert!(form.contains("value=\"2026-03-02\"") && form.contains("value=\"1\" checked"));
    let several = world.get(ADMINISTRATOR, "/activity?customer=or").await.body;
    assert!(several.contains(&format!("customer={SHOP}")) && several.contains(&format!("customer={WEST_SHOP}")));
    for strange in ["day=2026-02-30", "rep=x", "territory=x", "before=x"] {
        let reply = world.get(ADMINISTRATOR, &format!("/activity?{strange}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{strange}");
    }
}

#[tokio::test]
async fn pages_of_the_feed_hold_every_record_once() {
    let world = World::new().await;
    let mut pushes = Vec::new();
    for number in 0..120_u8 {
        let mut bytes = [0xa0; 16];
        bytes[0] = number;
        let id = DocumentId::from_bytes(bytes);
        let tree = edit::tree_of(&visit(SHOP, &format!("visit number {number}"))).unwrap();
        pushes.push((None, document::create(id, &tree, &by_rep(NOON)).unwrap().bytes));
    }
    world.push(pushes).await;
    let mut path = "/activity?kind=visit".to_owned();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let body = world.get(SUPERVISOR, &path).await.body;
        for part in body.split("href=\"/records/").skip(1) {
            seen.push(part.split('"').next().unwrap().to_owned());
        }
        let Some(link) = body
            .split("rel=\"next\"")
            .next()
            .filter(|_| body.contains("rel=\"next\""))
        else {
            break;
        };
        let href = link.rsplit("href=\"").next().unwrap().split('"').next().unwrap();
        path = href.replace("&#38;", "&").replace("&amp;", "&");
        assert!(path.contains("kind=visit&before="), "{path}");
    }
    let unique: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), unique.len()), (120, 120));
}

#[tokio::test]
async fn the_history_of_a_submitted_order_names_the_rules_and_not_their_json() {
    let world = World::new().await;
    let id = DocumentId::from_bytes(world.fresh());
    let submitted = order("SO-9");
    let draft = Order {
        state: OrderState::Draft,
        credit: None,
        ..submitted.clone()
    };
    let (before, after) = (edit::tree_of(&draft).unwrap(), edit::tree_of(&submitted).unwrap());
    let created = document::create(id, &before, &by_rep(NOON)).unwrap();
    let mut opened = document::open(std::slice::from_ref(&created.bytes)).unwrap();
    let heads = &created.heads;
    let change = edit::edit(
        &mut opened,
        id,
        heads,
        &before,
        &after,
        world.fresh(),
        &by_rep(NOON + 5),
    );
    world
        .push(vec![
            (None, created.bytes.clone()),
            (Some(id), change.unwrap().unwrap().bytes),
        ])
        .await;
    for (language, line) in [
        ("en", "The account is not on hold: passed"),
        ("zh-Hans", "加上本订单后占用不超过额度: 未通过"),
    ] {
        let page = world.get_in(SUPERVISOR, &format!("/records/{id}"), language).await;
        assert!(page.body.contains(line), "{line} is not in\n{}", page.body);
        assert!(!page.body.contains("exposure_within_limit"), "{}", page.body);
    }
}

#[tokio::test]
async fn records_say_everything_in_both_languages() {
    let world = World::new().await;
    let delivery = world.record(&edit::tree_of(&delivery("DN-7")).unwrap()).await;
    let order = world.record(&edit::tree_of(&order("SO-9")).unwrap()).await;
    let visit = world.visit(SHOP, "note").await;
    let stock = world.record(&unknown("a count")).await;
    let note = world.record(&edit::tree_of(&note("words")).unwrap()).await;
    let cases: [(DocumentId, &[&str], &[&str]); 5] = [
        (
            delivery,
            &[
                "Green tea (T-1)",
                "10 box",
                "Accepted",
                "Damaged",
                "Refused",
                "Warehouse",
                "missing",
                "disputed",
                "1.2 MB",
            ],
            &["实收", "破损", "拒收", "仓库", "未确认", "有异议"],
        ),
        (
            order,
            &[
                "held",
                "CNY 1,845.00",
                "CNY 10,000.00",
                "Exposure with this order",
                "not passed",
                "10 %",
                "20.50",
            ],
            &["待审批", "占用不超过额度", "未通过", "CNY 1,845.00"],
        ),
        (
            visit,
            &[
                "usual round",
                "outside the geofence",
                "8400 m",
                "mock provider",
                "2026-03-02 11:00",
                "UTC+08:00",
                "Li&#39;s phone",
            ],
            &["例行拜访", "在地理围栏之外", "模拟定位"],
        ),
        (
            stock,
            &[
                "stock_count",
                "Made by a newer version",
                "a count",
                "made by a newer version",
            ],
            &["由更新版本创建"],
        ),
        (
            note,
            &["CNY 5,000.00", "2026-03-10", "Promise to pay", "promise to pay"],
            &["承诺付款", "付款承诺"],
        ),
    ];
    for (id, english, chinese) in cases {
        for (language, tag, words) in [("en-GB", "en", english), ("zh-CN,zh;q=0.9", "zh-Hans", chinese)] {
            let page = world.get_in(FINANCE, &format!("/records/{id}"), language).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.body.contains(&format!("<html lang=\"{tag}\">")));
            for word in words {
                assert!(page.body.contains(word), "{word} is not on the page of {id} in {tag}");
            }
        }
    }
    let customer = world.get(FINANCE, &format!("/customers/{SHOP}")).await.body;
    for word in [
        "王老板",
        "CNY 8,500.00",
        "85 %",
        "CNY 1,234.00",
        "2026-02-01",
        "2026-03-02 12:00",
    ] {
        assert!(customer.contains(word), "{word}");
    }
}

#[tokio::test]
async fn the_chosen_language_is_remembered_and_never_leads_away() {
    let world = World::new().await;
    let reply = world
        .get(SUPERVISOR, "/language/zh-Hans?back=%2Factivity%3Fkind%3Dvisit")
        .await;
    assert_eq!(reply.location(), "/activity?kind=visit");
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("fl_language=zh-Hans;"));
    let away = world.get(SUPERVISOR, "/language/en?back=%2F%2Fevil.example").await;
    assert_eq!(away.location(), "/");
    assert_eq!(
        world.get(SUPERVISOR, "/language/tlh").await.status,
        StatusCode::NOT_FOUND
    );
    let request = Request::get("/sign-in")
        .header(header::COOKIE, "fl_language=zh-Hans")
        .header(header::ACCEPT_LANGUAGE, "en");
    let page = world.send(request.body(Body::empty()).unwrap()).await.body;
    assert!(page.contains("登录名"));
}

#[tokio::test]
async fn the_quarantine_shows_why_and_from_whom_only_in_its_territory() {
    let world = World::new().await;
    let item = |digest: u8, territory: Option<TerritoryId>, message: &str| Quarantined {
        digest: [digest; 32],
        document: None,
        territory,
        bytes: vec![0; 2_000],
        user: REP,
        device: PHONE,
        code: RejectionCode::WrongTerritory,
        message: message.to_owned(),
        received_at: Timestamp::from_millis(NOON),
    };
    let items = vec![
        item(1, Some(EAST), "east reason"),
        item(2, Some(WEST), "west reason"),
        item(3, None, "no place"),
    ];
    world.store.quarantine(ORG, items).await.unwrap();
    let east = world.get(SUPERVISOR, "/quarantine").await.body;
    assert!(east.contains("east reason") && east.contains("Wrong territory") && east.contains("rep name"));
    assert!(!east.contains("west reason") && !east.contains("no place"));
    let all = world.get(ADMINISTRATOR, "/quarantine").await.body;
    assert!(all.contains("east reason") && all.contains("west reason") && all.contains("no place"));
}

#[tokio::test]
async fn an_administrator_enrols_a_phone_and_shuts_it_out() {
    let world = World::new().await;
    let secret = csrf(ADMINISTRATOR);
    let fields = [("csrf", secret.as_str()), ("person", &REP.to_string())];
    let made = world.post(ADMINISTRATOR, "/devices/enrolment", &fields).await.body;
    let code = made.split("class=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    let redeemed = world
        .store
        .redeem_enrolment(
            &hash_secret(code),
            NewDevice {
                id: DeviceId::from_bytes([0x52; 16]),
                token_hash: [8; 32],
                name: "second".to_owned(),
                platform: "iOS".to_owned(),
                app_version: "1".to_owned(),
                installation: [1; 16],
            },
            Timestamp::from_millis(NOON),
        )
        .await
        .unwrap();
    assert!(matches!(redeemed, crate::store::Redemption::Enrolled(account) if account.user == REP));
    for person in [SUPERVISOR.to_string(), "x".to_owned()] {
        let fields = [("csrf", secret.as_str()), ("person", person.as_str())];
        assert_eq!(
            world.post(ADMINISTRATOR, "/devices/enrolment", &fields).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    let list = world.get(ADMINISTRATOR, "/devices").await.body;
    assert!(list.contains("second") && list.contains(&format!("/devices/{PHONE}/revoke")));
    let revoked = world
        .post(ADMINISTRATOR, &format!("/devices/{PHONE}/revoke"), &[("csrf", &secret)])
        .await;
    assert_eq!(revoked.location(), "/devices");
    assert!(
        world
            .get(ADMINISTRATOR, "/devices")
            .await
            .body
            .contains("revoked 2026-03-02")
    );
    let audit = world.store.audit_log(ORG, 10).await.unwrap();
    assert!(
        audit
            .iter()
            .any(|entry| entry.action == "device.revoked" && entry.actor == ADMINISTRATOR.to_string())
    );
}

#[tokio::test]
async fn the_live_route_tells_only_of_streams_that_the_reader_may_read() {
    use futures::StreamExt as _;
    let world = World::new().await;
    let request = Request::get("/activity/live")
        .header(header::COOKIE, format!("fieldledger_session={}", token(SUPERVISOR)))
        .body(Body::empty())
        .unwrap();
    let response = world.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut news = response.into_body().into_data_stream();
    world.visit(WEST_SHOP, "far").await;
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(50), news.next()).await;
    assert!(quiet.is_err(), "told of a foreign stream");
    world.visit(SHOP, "near").await;
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), news.next())
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&told.unwrap().unwrap()).contains("event: news"));
}
