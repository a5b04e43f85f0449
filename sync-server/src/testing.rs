//! A server in memory for tests: a company with two territories, a person in every role, and a phone.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use fieldledger_core::{
    model::{
        Currency, Customer, CustomerId, LedgerRecord, OrganisationId, OrganisationProfile, Person, Role, Territory,
        TerritoryId, Timestamp, UserId,
    },
    sync::protocol::{EnrolResponse, ErrorBody, MEDIA_TYPE, PROTOCOL, SyncRequest, SyncResponse, pack, unpack},
};
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use crate::{
    auth::{Secrets, hash_password, hash_secret, make_enrolment_code},
    build_app,
    clock::Clock,
    config::ServerConfig,
    ingest::InProcess,
    state::AppState,
    store::{Account, Session, sqlite::SqliteStore},
};

/// The company.
pub(crate) const ORGANISATION: OrganisationId = OrganisationId::from_bytes([0x0a; 16]);
/// Where everybody works but Sven.
pub(crate) const NORTH: TerritoryId = TerritoryId::from_bytes([0x10; 16]);
/// Where Sven works.
pub(crate) const SOUTH: TerritoryId = TerritoryId::from_bytes([0x20; 16]);
/// Rep in the north.
pub(crate) const ANNA: UserId = UserId::from_bytes([1; 16]);
/// Driver in the north.
pub(crate) const BERT: UserId = UserId::from_bytes([2; 16]);
/// Supervisor in the north.
pub(crate) const CARLA: UserId = UserId::from_bytes([3; 16]);
/// Finance.
pub(crate) const DORA: UserId = UserId::from_bytes([4; 16]);
/// Administrator.
pub(crate) const EMIL: UserId = UserId::from_bytes([5; 16]);
/// Rep in the south.
pub(crate) const SVEN: UserId = UserId::from_bytes([6; 16]);
/// A customer in the north.
pub(crate) const BAKERY: CustomerId = CustomerId::from_bytes([0x31; 16]);
/// A customer in the south.
pub(crate) const HARBOUR: CustomerId = CustomerId::from_bytes([0x32; 16]);
/// The password of everybody.
pub(crate) const PASSWORD: &str = "four quiet green boats";

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);

/// A clock that moves when it is told to.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn pass(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A server in memory.
pub(crate) struct Fixture {
    pub(crate) state: AppState,
    pub(crate) clock: Arc<TestClock>,
    app: Router,
}

/// What the server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
    /// The stable code of an error; panics when the body is none.
    pub(crate) fn code(&self) -> String {
        let error: ErrorBody = serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.body));
        assert!(!error.message.is_empty());
        error.code
    }
    /// The reply to an exchange.
    pub(crate) fn exchange(&self) -> SyncResponse {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        unpack(&self.body).unwrap()
    }
}

/// An exchange that pushes nothing and has seen nothing.
pub(crate) fn empty_request() -> SyncRequest {
    SyncRequest {
        protocol: PROTOCOL,
        app_version: "1.0.0".to_owned(),
        request_id: 7,
        device_time: START,
        since_contact_millis: None,
        cursors: Vec::new(),
        push: Vec::new(),
        budget_bytes: 1 << 20,
        waiting: 0,
        installation: [0; 16].into(),
        words: Vec::new(),
    }
}

impl Fixture {
    /// A server without rate limits.
    pub(crate) async fn new() -> Self {
        let config = ServerConfig {
            sync_per_minute: 0,
            enrol_per_minute: 0,
            sign_in_per_minute: 0,
            api_per_minute: 0,
            ..ServerConfig::default()
        };
        Self::with(config).await
    }

    /// A server with these settings.
    pub(crate) async fn with(config: ServerConfig) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START.as_millis())));
        let store = Arc::new(SqliteStore::in_memory().unwrap());
        let state = AppState::new(
            store,
            Arc::new(InProcess),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Secrets::seeded(1),
            config,
        );
        let fixture = Self {
            app: build_app(state.clone()),
            state,
            clock,
        };
        fixture.found().await;
        fixture
    }

    async fn found(&self) {
        // argon2 takes its time by design; once is enough for every test.
        static HASH: OnceCell<String> = OnceCell::const_new();
        let hash = HASH
            .get_or_init(|| async { hash_password(PASSWORD.to_owned()).await.unwrap() })
            .await;
        let store = &self.state.store;
        store.create_organisation(ORGANISATION, "Linden", START).await.unwrap();
        let profile = OrganisationProfile {
            name: "Linden".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        };
        let mut records = vec![LedgerRecord::Organisation(profile)];
        for (id, name) in [(NORTH, "North"), (SOUTH, "South")] {
            let name = name.to_owned();
            records.push(LedgerRecord::Territory(Territory { id, name }));
        }
        for (user, login, name, role, territory) in [
            (ANNA, "anna", "Anna", Role::Rep, NORTH),
            (BERT, "bert", "Bert", Role::Driver, NORTH),
            (CARLA, "carla", "Carla", Role::Supervisor, NORTH),
            (DORA, "dora", "Dora", Role::Finance, NORTH),
            (EMIL, "emil", "Emil", Role::Administrator, NORTH),
            (SVEN, "sven", "Sven", Role::Rep, SOUTH),
        ] {
            let account = Account {
                organisation: ORGANISATION,
                user,
                login: login.to_owned(),
                name: name.to_owned(),
                password_hash: Some(hash.clone()),
                roles: vec![role],
                territories: vec![territory],
                disabled: false,
            };
            store.put_account(account).await.unwrap();
            records.push(LedgerRecord::Person(Person {
                id: user,
                name: name.to_owned(),
                roles: vec![role],
                supervisor: (role == Role::Rep).then_some(CARLA),
            }));
        }
        for (id, name, territory) in [(BAKERY, "Bakery", NORTH), (HARBOUR, "Harbour", SOUTH)] {
            records.push(LedgerRecord::Customer(Customer {
                id,
                code: name.to_lowercase(),
                name: name.to_owned(),
                territory,
                rep: None,
                contact: String::new(),
                phone: String::new(),
                address: String::new(),
                position: None,
            }));
        }
        store.put_records(ORGANISATION, records, true, START).await.unwrap();
    }

    /// Changes a person's account.
    pub(crate) async fn change(&self, user: UserId, change: impl FnOnce(&mut Account)) {
        let mut account = self.state.store.account(ORGANISATION, user).await.unwrap().unwrap();
        change(&mut account);
        self.state.store.put_account(account).await.unwrap();
        self.state.people_changed();
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    /// Sends a request; the body of the answer is not read.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    /// A code for a person's phone.
    pub(crate) async fn code(&self, user: UserId) -> String {
        let expires_at = self.state.clock.now().plus_millis(self.state.config.enrolment_millis());
        let store = &*self.state.store;
        make_enrolment_code(store, &self.state.secrets, ORGANISATION, user, expires_at)
            .await
            .unwrap()
    }

    /// Asks to become a device.
    pub(crate) async fn enrol(&self, code: &str) -> Answer {
        let body = serde_json::json!({
            "code": code, "device_name": "phone", "platform": "test", "app_version": "1.0.0",
            "installation": "00".repeat(16),
        });
        let request = Request::post("/v1/enrol").header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A person's new phone.
    pub(crate) async fn phone(&self, user: UserId) -> EnrolResponse {
        let answer = self.enrol(&self.code(user).await).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// An exchange with this token.
    pub(crate) async fn exchange(&self, token: &str, request: &SyncRequest) -> Answer {
        let request = Request::post("/v1/sync")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .body(Body::from(pack(request).unwrap()));
        self.send(request.unwrap()).await
    }

    /// The `Cookie` header of a person who is signed in, and the secret that their forms carry.
    pub(crate) async fn session(&self, user: UserId) -> (String, String) {
        let (token, csrf) = (self.state.secrets.token(), self.state.secrets.token());
        let now = self.state.clock.now();
        let session = Session {
            token_hash: hash_secret(&token),
            organisation: ORGANISATION,
            user,
            csrf: csrf.clone(),
            created_at: now,
            expires_at: now.plus_millis(self.state.config.session_millis()),
            last_seen_at: now,
            address: "192.0.2.7".to_owned(),
            agent: "Test Browser".to_owned(),
        };
        self.state.store.put_session(session).await.unwrap();
        (format!("fieldledger_session={token}"), csrf)
    }

    /// What the audit log says, oldest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let log = self.state.store.audit_log(ORGANISATION, 1_000).await.unwrap();
        log.into_iter().rev().map(|entry| entry.action).collect()
    }
}
