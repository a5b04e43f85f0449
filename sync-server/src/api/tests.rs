//! Every route in every state of authorisation, without a network.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use fieldledger_core::{
    model::{DeviceId, UserId},
    sync::protocol::{MAX_BODY_BYTES, MEDIA_TYPE, PROTOCOL, Push, PushedChange, StreamId, SyncRequest, Verdict, pack},
};
use futures::{StreamExt as _, future::join_all};

use crate::{
    config::ServerConfig,
    store::AuditEntry,
    testing::{ANNA, DORA, EMIL, Fixture, NORTH, ORGANISATION, PASSWORD, SOUTH, SVEN, empty_request},
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn with_token(method: Method, path: &str, authorization: &str, body: Vec<u8>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .body(Body::from(body))
        .unwrap()
}

#[tokio::test]
async fn routes_for_devices_let_nobody_else_in() {
    let fixture = Fixture::new().await;
    let good = fixture.phone(ANNA).await.token;
    let revoked = fixture.phone(ANNA).await;
    let store = &fixture.state.store;
    store
        .revoke_device(ORGANISATION, revoked.device, fixture.state.clock.now())
        .await
        .unwrap();
    let shut = fixture.phone(SVEN).await.token;
    fixture.change(SVEN, |account| account.disabled = true).await;
    let (cookie, _) = fixture.session(EMIL).await;
    let body = pack(&empty_request()).unwrap();
    for (method, path) in [(Method::POST, "/v1/sync"), (Method::GET, "/v1/live")] {
        for (authorization, status, code) in [
            (String::new(), 401, "sign_in_again"),
            ("Bearer".to_owned(), 401, "sign_in_again"),
            ("Bearer nonsense".to_owned(), 401, "sign_in_again"),
            (format!("Basic {good}"), 401, "sign_in_again"),
            (format!("Bearer {good}x"), 401, "sign_in_again"),
            (format!("Bearer {}", revoked.token), 403, "revoked"),
            (format!("Bearer {shut}"), 403, "account_disabled"),
        ] {
            let answer = fixture
                .send(with_token(method.clone(), path, &authorization, body.clone()))
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{path} {authorization}"
            );
        }
        // An administrator's session is not a device.
        let mut request = with_token(method.clone(), path, "", body.clone());
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        assert_eq!(fixture.send(request).await.status, StatusCode::UNAUTHORIZED);
        let open = fixture
            .open(with_token(method, path, &format!("Bearer {good}"), body.clone()))
            .await;
        assert_eq!(open.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn open_routes_answer_anybody_and_metrics_only_those_they_are_for() {
    let fixture = Fixture::new().await;
    for path in ["/healthz", "/readyz", "/openapi.json", "/metrics"] {
        let answer = fixture.send(get(path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["x-request-id"].len(), 32);
        assert_eq!(
            fixture
                .send(Request::delete(path).body(Body::empty()).unwrap())
                .await
                .status,
            405,
            "{path}"
        );
    }
    let secret = ServerConfig {
        metrics_token: Some("scrape".to_owned()),
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..ServerConfig::default()
    };
    let fixture = Fixture::with(secret).await;
    for (authorization, status) in [("", 403), ("Bearer wrong", 403), ("Bearer scrape", 200)] {
        let request = with_token(Method::GET, "/metrics", authorization, Vec::new());
        assert_eq!(fixture.send(request).await.status, status, "{authorization}");
    }
    let fixture = Fixture::with(ServerConfig {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..ServerConfig::default()
    })
    .await;
    let mut request = get("/metrics");
    request
        .headers_mut()
        .insert("x-forwarded-for", "203.0.113.5".parse().unwrap());
    assert_eq!(fixture.send(request).await.code(), "not_allowed");
}

#[tokio::test]
async fn what_is_not_there_is_told_as_an_error_that_software_can_read() {
    let fixture = Fixture::new().await;
    let answer = fixture.send(get("/v2/sync")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::NOT_FOUND, "not_found")
    );
    let answer = fixture.send(get("/v1/sync")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, "wrong_method")
    );
}

#[tokio::test]
async fn a_page_of_another_site_cannot_send_anything_in_a_persons_name() {
    let fixture = Fixture::new().await;
    let code = fixture.code(ANNA).await;
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 415)] {
        let request = Request::post("/v1/enrol")
            .header("sec-fetch-site", site)
            .body(Body::from(code.clone()));
        assert_eq!(fixture.send(request.unwrap()).await.status, status, "{site}");
    }
}

#[tokio::test]
async fn the_server_is_not_ready_while_it_stops() {
    let fixture = Fixture::new().await;
    fixture.state.stop();
    assert_eq!(fixture.send(get("/readyz")).await.code(), "unavailable");
    assert_eq!(fixture.send(get("/healthz")).await.status, StatusCode::OK);
    let token = fixture.phone(ANNA).await.token;
    let answer = fixture
        .send(with_token(
            Method::GET,
            "/v1/live",
            &format!("Bearer {token}"),
            Vec::new(),
        ))
        .await;
    assert_eq!(answer.code(), "unavailable");
}

#[tokio::test]
async fn an_exchange_refuses_what_is_no_request_and_says_why() {
    let fixture = Fixture::new().await;
    let token = format!("Bearer {}", fixture.phone(ANNA).await.token);
    let html = b"<!doctype html><title>Hotel Wi-Fi</title>".to_vec();
    let whole = pack(&empty_request()).unwrap();
    let bomb = zstd::bulk::compress(&vec![0u8; 64 << 20], 3).unwrap();
    assert!(bomb.len() < MAX_BODY_BYTES);
    let many = SyncRequest {
        push: vec![
            Push::Change(PushedChange {
                document: None,
                bytes: vec![1, 2, 3],
                relayed: false,
            });
            2_001
        ],
        ..empty_request()
    };
    let spoken = |protocol| {
        pack(&SyncRequest {
            protocol,
            ..empty_request()
        })
        .unwrap()
    };
    for (what, body, status, code) in [
        ("nothing", Vec::new(), 400, "malformed"),
        ("html", html.clone(), 400, "malformed"),
        ("half", whole[..whole.len() / 2].to_vec(), 400, "malformed"),
        ("not cbor", zstd::bulk::compress(b"hello", 3).unwrap(), 400, "malformed"),
        ("trailing", [whole.clone(), whole.clone()].concat(), 400, "malformed"),
        ("too large", vec![0; MAX_BODY_BYTES + 1], 413, "too_large"),
        ("zip bomb", bomb, 413, "too_large"),
        ("too many", pack(&many).unwrap(), 413, "too_large"),
        ("old app", spoken(0), 426, "newer_app_needed"),
        ("new app", spoken(PROTOCOL + 1), 400, "newer_server_needed"),
    ] {
        let answer = fixture.send(with_token(Method::POST, "/v1/sync", &token, body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{what}"
        );
    }
    for media_type in ["text/html", "application/json", "application/x-www-form-urlencoded"] {
        let mut request = with_token(Method::POST, "/v1/sync", &token, whole.clone());
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        let answer = fixture.send(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (415, "wrong_media_type")
        );
    }
    // A body that says nothing of its length is cut off at the limit.
    let chunks = futures::stream::iter((0..6).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1 << 20])));
    let mut request = with_token(Method::POST, "/v1/sync", &token, Vec::new());
    *request.body_mut() = Body::from_stream(chunks);
    assert_eq!(fixture.send(request).await.code(), "too_large");
    let broken = futures::stream::iter([Ok(whole[..5].to_vec()), Err(std::io::Error::other("connection reset"))]);
    let mut request = with_token(Method::POST, "/v1/sync", &token, Vec::new());
    *request.body_mut() = Body::from_stream(broken);
    assert_eq!(fixture.send(request).await.code(), "malformed");
    // And every one of those left the server able to work.
    assert_eq!(
        fixture
            .send(with_token(Method::POST, "/v1/sync", &token, whole))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_exchange_hands_out_only_what_the_person_may_read_and_notes_the_contact() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    fixture.clock.pass(HOUR);
    let request = SyncRequest {
        waiting: 4,
        device_time: fixture.state.clock.now().plus_millis(-90_000),
        app_version: "2.0.0\n".to_owned(),
        push: vec![Push::Change(PushedChange {
            document: None,
            bytes: b"garbage".to_vec(),
            relayed: false,
        })],
        ..empty_request()
    };
    let reply = fixture.exchange(&phone.token, &request).await.exchange();
    assert_eq!(reply.request_id, request.request_id);
    assert_eq!(reply.new_token, None);
    assert!(matches!(reply.verdicts[0].verdict, Verdict::Rejected(_)));
    let streams: Vec<StreamId> = reply.streams.iter().map(|page| page.stream).collect();
    assert!(streams.contains(&StreamId::Territory(NORTH)), "{streams:?}");
    assert!(!streams.contains(&StreamId::Territory(SOUTH)), "{streams:?}");
    let devices = fixture.state.store.devices(ORGANISATION).await.unwrap();
    let device = &devices[0];
    assert_eq!(device.last_contact, Some(fixture.state.clock.now()));
    assert_eq!(
        (device.waiting, device.clock_ahead_millis, device.app_version.as_str()),
        (4, -90_000, "2.0.0")
    );
    let metrics = fixture.send(get("/metrics")).await.text();
    for line in [
        r#"fieldledger_rejected_entries_total{code="undecodable"} 1"#,
        "fieldledger_pushed_entries_total 1",
        r#"fieldledger_http_requests_total{method="POST",route="/v1/sync",status="200"} 1"#,
        r#"fieldledger_stored{what="quarantined"} 1"#,
        "fieldledger_worker_restarts 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains(&phone.token));
}

#[tokio::test]
async fn a_device_that_asks_too_often_is_told_when_to_come_back() {
    let fixture = Fixture::with(ServerConfig {
        sync_per_minute: 2,
        enrol_per_minute: 0,
        ..ServerConfig::default()
    })
    .await;
    let (one, two) = (fixture.phone(ANNA).await.token, fixture.phone(SVEN).await.token);
    for _ in 0..2 {
        fixture.exchange(&one, &empty_request()).await.exchange();
    }
    let answer = fixture.exchange(&one, &empty_request()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (429, "too_many_requests")
    );
    let wait: u64 = answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    fixture.exchange(&two, &empty_request()).await.exchange();
}

#[tokio::test]
async fn guessing_tokens_and_codes_is_slowed_down() {
    let fixture = Fixture::with(ServerConfig {
        enrol_per_minute: 3,
        ..ServerConfig::default()
    })
    .await;
    let mut codes = Vec::new();
    for guess in ["Bearer a", "Bearer b", "Bearer c", "Bearer d"] {
        codes.push(
            fixture
                .send(with_token(Method::POST, "/v1/sync", guess, Vec::new()))
                .await
                .code(),
        );
    }
    assert_eq!(
        codes,
        ["sign_in_again", "sign_in_again", "sign_in_again", "too_many_requests"]
    );
    assert_eq!(fixture.enrol("0000-0000-0000").await.code(), "too_many_requests");
}

#[tokio::test]
async fn an_enrolment_code_is_wrong_used_or_expired_with_a_name_for_each() {
    let fixture = Fixture::new().await;
    for typed in ["", "0000-0000-0000", "not a code at all"] {
        let answer = fixture.enrol(typed).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "code_unknown"),
            "{typed}"
        );
    }
    let code = fixture.code(ANNA).await;
    fixture.clock.pass(DAY);
    let answer = fixture.enrol(&code).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (410, "code_expired"));
    let code = fixture.code(ANNA).await;
    fixture.clock.pass(DAY - 1);
    assert_eq!(fixture.enrol(&code.to_lowercase().replace('-', "")).await.status, 200);
    let answer = fixture.enrol(&code).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "code_used"));
    let code = fixture.code(SVEN).await;
    fixture.change(SVEN, |account| account.disabled = true).await;
    let answer = fixture.enrol(&code).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (403, "account_disabled")
    );
    assert_eq!(fixture.audited().await, ["device.enrolled"]);
}

#[tokio::test]
async fn enrolment_refuses_what_is_no_request_and_uses_up_no_code() {
    let fixture = Fixture::new().await;
    let code = fixture.code(ANNA).await;
    let json = |field: &str, value: &str| {
        let mut body = serde_json::json!({
            "code": code, "device_name": "phone", "platform": "test", "app_version": "1", "installation": "00".repeat(16),
        });
        body[field] = value.into();
        body.to_string().into_bytes()
    };
    for (body, media_type, status, code) in [
        (json("platform", "ios"), "text/plain", 415, "wrong_media_type"),
        (b"<html>".to_vec(), "text/html; charset=utf-8", 415, "wrong_media_type"),
        (b"<html>".to_vec(), "application/json", 400, "malformed"),
        (b"{}".to_vec(), "application/json", 400, "malformed"),
        (Vec::new(), "application/json", 400, "malformed"),
        (vec![b' '; 20_000], "application/json", 413, "too_large"),
        (json("installation", "0"), "application/json", 400, "malformed"),
        (json("device_name", ""), "application/json", 400, "malformed"),
        (
            json("device_name", &"x".repeat(201)),
            "application/json",
            400,
            "malformed",
        ),
        (json("platform", "a\nb"), "application/json", 400, "malformed"),
    ] {
        let request = Request::post("/v1/enrol")
            .header(header::CONTENT_TYPE, media_type)
            .body(Body::from(body));
        let answer = fixture.send(request.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
    }
    assert_eq!(fixture.enrol(&code).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_phones_that_use_one_code_at_once_exactly_one_wins() {
    let fixture = Fixture::new().await;
    let code = fixture.code(ANNA).await;
    let answers = join_all((0..16).map(|_| fixture.enrol(&code))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((won, lost), (1, 15));
    assert_eq!(fixture.state.store.devices(ORGANISATION).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_is_replaced_after_its_days_and_a_lost_reply_locks_nobody_out() {
    let fixture = Fixture::new().await;
    let old = fixture.phone(ANNA).await.token;
    let next = async |token: &str| fixture.exchange(token, &empty_request()).await.exchange().new_token;
    fixture.clock.pass(30 * DAY - 1);
    assert_eq!(next(&old).await, None);
    fixture.clock.pass(1);
    let lost = next(&old).await.unwrap();
    // That reply never arrived: the old token goes on, and is offered another.
    let new = next(&old).await.unwrap();
    assert_ne!(lost, new);
    assert_eq!(next(&new).await, None);
    for token in [&old, &lost] {
        assert_eq!(fixture.exchange(token, &empty_request()).await.code(), "sign_in_again");
    }
    assert_eq!(next(&new).await, None);
    fixture.clock.pass(30 * DAY);
    assert!(next(&new).await.is_some());
}

#[tokio::test]
async fn a_device_cannot_be_used_any_more_once_it_is_revoked_whichever_token_it_holds() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    fixture.clock.pass(30 * DAY);
    let new = fixture
        .exchange(&phone.token, &empty_request())
        .await
        .exchange()
        .new_token
        .unwrap();
    let now = fixture.state.clock.now();
    fixture
        .state
        .store
        .revoke_device(ORGANISATION, phone.device, now)
        .await
        .unwrap();
    for token in [&phone.token, &new] {
        assert_eq!(fixture.exchange(token, &empty_request()).await.code(), "revoked");
    }
}

/// The next event of a live connection, as its lines; `None` when it ended, "" when nothing came for a while.
async fn next_event(body: &mut axum::body::BodyDataStream) -> Option<String> {
    match tokio::time::timeout(std::time::Duration::from_millis(200), body.next()).await {
        Ok(Some(chunk)) => Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap()),
        Ok(None) => None,
        Err(_) => Some(String::new()),
    }
}

fn line(stream: StreamId, seq: u64) -> String {
    let name: String = stream.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("event: stream\ndata: {{\"stream\":\"{name}\",\"seq\":{seq}}}\n\n")
}

async fn listen(fixture: &Fixture, token: &str) -> axum::body::BodyDataStream {
    let response = fixture
        .open(with_token(
            Method::GET,
            "/v1/live",
            &format!("Bearer {token}"),
            Vec::new(),
        ))
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    // It begins with where the catalogue and the territory are.
    for _ in 0..2 {
        assert!(next_event(&mut body).await.unwrap().starts_with("event: stream\n"));
    }
    assert_eq!(next_event(&mut body).await.unwrap(), "");
    body
}

fn grown(fixture: &Fixture, stream: StreamId, seq: u64) {
    use fieldledger_core::sync::protocol::StreamMark;
    fixture
        .state
        .sync
        .live()
        .publish(ORGANISATION, StreamMark { stream, seq });
}

#[tokio::test]
async fn a_phone_hears_of_its_own_streams_and_of_no_others() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    let mut body = listen(&fixture, &phone.token).await;
    for stream in [
        StreamId::Territory(SOUTH),
        StreamId::User(SVEN),
        StreamId::Device(DeviceId::from_bytes([9; 16])),
    ] {
        grown(&fixture, stream, 5);
    }
    assert_eq!(next_event(&mut body).await.unwrap(), "");
    for stream in [
        StreamId::Catalogue,
        StreamId::Territory(NORTH),
        StreamId::User(ANNA),
        StreamId::Device(phone.device),
    ] {
        grown(&fixture, stream, 9);
        assert_eq!(next_event(&mut body).await.unwrap(), line(stream, 9));
    }
}

#[tokio::test]
async fn a_live_connection_follows_the_territories_of_its_person() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    let mut body = listen(&fixture, &phone.token).await;
    fixture.change(ANNA, |account| account.territories = vec![SOUTH]).await;
    let mut heard = Vec::new();
    while let Some(event) = next_event(&mut body).await.filter(|event| !event.is_empty()) {
        heard.push(event);
    }
    assert_eq!(heard.len(), 2, "{heard:?}");
    grown(&fixture, StreamId::Territory(NORTH), 50);
    grown(&fixture, StreamId::Territory(SOUTH), 51);
    assert_eq!(
        next_event(&mut body).await.unwrap(),
        line(StreamId::Territory(SOUTH), 51)
    );
}

#[tokio::test]
async fn a_live_connection_ends_when_its_device_or_account_is_shut_out_or_the_server_stops() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    let mut body = listen(&fixture, &phone.token).await;
    let now = fixture.state.clock.now();
    fixture
        .state
        .store
        .revoke_device(ORGANISATION, phone.device, now)
        .await
        .unwrap();
    fixture.state.people_changed();
    assert_eq!(next_event(&mut body).await, None);

    let mut body = listen(&fixture, &fixture.phone(SVEN).await.token).await;
    fixture.change(SVEN, |account| account.disabled = true).await;
    assert_eq!(next_event(&mut body).await, None);

    let mut body = listen(&fixture, &fixture.phone(ANNA).await.token).await;
    fixture.state.stop();
    assert_eq!(next_event(&mut body).await, None);
}

#[tokio::test]
async fn one_device_cannot_hold_any_number_of_connections() {
    let fixture = Fixture::new().await;
    let token = fixture.phone(ANNA).await.token;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(listen(&fixture, &token).await);
    }
    let request = || with_token(Method::GET, "/v1/live", &format!("Bearer {token}"), Vec::new());
    assert_eq!(fixture.send(request()).await.code(), "too_many_requests");
    assert!(
        fixture
            .send(get("/metrics"))
            .await
            .text()
            .contains("fieldledger_live_connections 4")
    );
    drop(open.pop());
    assert_eq!(fixture.open(request()).await.status(), 200);
}

mod signing_in {
    use axum::http::HeaderValue;

    use super::*;
    use crate::auth::{RemoteAddress, sign_in};

    const HERE: RemoteAddress = RemoteAddress(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));

    async fn attempt(fixture: &Fixture, login: &str, password: &str) -> Result<(UserId, HeaderValue), &'static str> {
        let signed_in = sign_in(&fixture.state, HERE, login, password).await;
        signed_in
            .map(|it| (it.account.user, it.set_cookie))
            .map_err(|error| error.code)
    }

    #[tokio::test]
    async fn the_right_password_opens_a_session_and_nothing_else_does() {
        let fixture = Fixture::new().await;
        let (user, cookie) = attempt(&fixture, " Dora ", PASSWORD).await.unwrap();
        assert_eq!(user, DORA);
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("fieldledger_session="), "{cookie}");
        assert!(
            cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200"),
            "{cookie}"
        );
        for (login, password) in [("dora", "wrong password"), ("nobody", PASSWORD), ("", ""), ("dora", "")] {
            assert_eq!(
                attempt(&fixture, login, password).await,
                Err("wrong_sign_in"),
                "{login}"
            );
        }
        fixture.change(DORA, |account| account.disabled = true).await;
        assert_eq!(attempt(&fixture, "dora", PASSWORD).await, Err("wrong_sign_in"));
        fixture.change(EMIL, |account| account.password_hash = None).await;
        assert_eq!(attempt(&fixture, "emil", "").await, Err("wrong_sign_in"));
        let log = fixture.audited().await;
        let failed = log.iter().filter(|it| *it == "sign_in.failed").count();
        let succeeded = log.iter().filter(|it| *it == "sign_in.succeeded").count();
        assert_eq!((failed, succeeded), (4, 1));
    }

    #[tokio::test]
    async fn a_cookie_over_https_is_sent_back_over_https_only() {
        let fixture = Fixture::with(ServerConfig {
            public_url: Some("https://sales.example.com".to_owned()),
            ..ServerConfig::default()
        })
        .await;
        let (_, cookie) = attempt(&fixture, "dora", PASSWORD).await.unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(
            cookie.starts_with("__Host-fieldledger_session=") && cookie.ends_with("; Secure"),
            "{cookie}"
        );
        assert!(
            fixture
                .send(get("/healthz"))
                .await
                .headers
                .contains_key("strict-transport-security")
        );
    }

    #[tokio::test]
    async fn after_five_wrong_passwords_even_the_right_one_has_to_wait() {
        let fixture = Fixture::new().await;
        for _ in 0..5 {
            assert_eq!(attempt(&fixture, "dora", "wrong password").await, Err("wrong_sign_in"));
        }
        let refused = sign_in(&fixture.state, HERE, "dora", PASSWORD).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code), (429, "too_many_requests"));
        assert!(refused.retry_after.is_some());
        fixture.clock.pass(1_000);
        attempt(&fixture, "dora", PASSWORD).await.unwrap();
        assert!(
            attempt(&fixture, "dora", "wrong password")
                .await
                .is_err_and(|code| code == "wrong_sign_in")
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_guesses_at_once_get_no_further_than_one_after_the_other() {
        let fixture = Fixture::new().await;
        let answers = join_all((0..12).map(|_| attempt(&fixture, "dora", "wrong password"))).await;
        let looked_at = answers.iter().filter(|it| **it == Err("wrong_sign_in")).count();
        assert_eq!(looked_at, 5);
    }
}

mod sessions {
    use axum::{Router, http::HeaderValue, routing::get as on_get};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        auth::{SignedIn, require_role, sign_out},
        error::ApiError,
        state::AppState,
    };
    use axum::extract::State;
    use fieldledger_core::model::Role;

    async fn private(signed_in: SignedIn) -> Result<String, ApiError> {
        require_role(&signed_in.account, &[Role::Supervisor, Role::Administrator])?;
        Ok(signed_in.account.login)
    }

    async fn either(signed_in: Option<SignedIn>) -> String {
        signed_in.map_or_else(|| "stranger".to_owned(), |it| it.account.login)
    }

    async fn leave(State(state): State<AppState>, signed_in: SignedIn) -> Result<String, ApiError> {
        let cookie = sign_out(&state, &signed_in).await?;
        Ok(cookie.to_str().unwrap().to_owned())
    }

    async fn ask(fixture: &Fixture, path: &str, cookie: &str, accept: &str) -> (u16, String) {
        let app = Router::new()
            .route("/private", on_get(private))
            .route("/either", on_get(either))
            .route("/leave", on_get(leave))
            .with_state(fixture.state.clone());
        let request = Request::get(path)
            .header(header::COOKIE, cookie)
            .header(header::ACCEPT, accept)
            .body(Body::empty());
        let response = app.oneshot(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION).map(HeaderValue::to_str);
        let location = location.map(|it| it.unwrap().to_owned());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (status, location.unwrap_or(body))
    }

    #[tokio::test]
    async fn a_page_for_a_role_opens_for_that_role_alone() {
        let fixture = Fixture::new().await;
        for (user, status) in [
            (ANNA, 403),
            (crate::testing::BERT, 403),
            (crate::testing::CARLA, 200),
            (DORA, 403),
            (EMIL, 200),
        ] {
            let (cookie, _) = fixture.session(user).await;
            assert_eq!(
                ask(&fixture, "/private", &cookie, "text/html").await.0,
                status,
                "{user}"
            );
        }
    }

    #[tokio::test]
    async fn without_a_session_a_browser_is_sent_to_sign_in_and_software_is_told() {
        let fixture = Fixture::new().await;
        let device = fixture.phone(EMIL).await.token;
        for cookie in [
            "",
            "fieldledger_session=",
            "fieldledger_session=nonsense",
            &format!("fieldledger_session={device}"),
        ] {
            let (status, location) = ask(&fixture, "/private?x=1", cookie, "text/html,*/*").await;
            assert_eq!((status, location.as_str()), (303, "/sign-in?next=/private%3Fx%3D1"));
            let (status, body) = ask(&fixture, "/private", cookie, "application/json").await;
            assert_eq!(status, 401);
            assert!(body.contains("sign_in_again"));
            assert_eq!(
                ask(&fixture, "/either", cookie, "text/html").await,
                (200, "stranger".to_owned())
            );
        }
    }

    #[tokio::test]
    async fn a_session_ends_at_its_hour_at_sign_out_and_with_the_account() {
        let fixture = Fixture::new().await;
        let open = async |cookie: &str| ask(&fixture, "/either", cookie, "text/html").await.1 == "emil";
        let (cookie, _) = fixture.session(EMIL).await;
        fixture.clock.pass(12 * HOUR - 1);
        assert!(open(&cookie).await);
        fixture.clock.pass(1);
        assert!(!open(&cookie).await);

        let (cookie, _) = fixture.session(EMIL).await;
        let (_, cleared) = ask(&fixture, "/leave", &cookie, "text/html").await;
        assert!(
            cleared.starts_with("fieldledger_session=; ") && cleared.contains("Max-Age=0"),
            "{cleared}"
        );
        assert!(!open(&cookie).await);
        assert_eq!(fixture.audited().await, ["sign_out"]);

        let (cookie, _) = fixture.session(EMIL).await;
        fixture.change(EMIL, |account| account.disabled = true).await;
        assert!(!open(&cookie).await);
    }

    #[tokio::test]
    async fn a_form_needs_the_secret_of_its_own_session() {
        let fixture = Fixture::new().await;
        let (_, mine) = fixture.session(EMIL).await;
        let (cookie, other) = fixture.session(EMIL).await;
        let mut request = get("/").into_parts().0;
        request.headers.insert(header::COOKIE, cookie.parse().unwrap());
        use axum::extract::FromRequestParts as _;
        let signed_in: SignedIn = SignedIn::from_request_parts(&mut request, &fixture.state)
            .await
            .unwrap();
        assert!(signed_in.check_csrf(&other).is_ok());
        for wrong in [mine.as_str(), "", &other[1..]] {
            assert_eq!(signed_in.check_csrf(wrong).unwrap_err().status, 403);
        }
    }
}

#[tokio::test]
async fn a_handler_that_panics_or_hangs_is_answered_without_its_secrets() {
    let fixture = Fixture::with(ServerConfig {
        request_timeout_seconds: 1,
        ..ServerConfig::default()
    })
    .await;
    async fn panics() -> &'static str {
        panic!("secret inside")
    }
    async fn hangs() -> &'static str {
        std::future::pending().await
    }
    let router = axum::Router::new()
        .route("/panics", axum::routing::get(panics))
        .route("/hangs", axum::routing::get(hangs));
    let app = super::protect(router, &fixture.state).with_state(fixture.state.clone());
    use tower::ServiceExt as _;
    for (path, status, code) in [("/panics", 500, "internal"), ("/hangs", 408, "timed_out")] {
        let response = app.clone().oneshot(get(path)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(code) && !body.contains("secret"), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_on_a_slow_network_gets_its_minutes_and_one_that_went_silent_does_not() {
    let fixture = Fixture::new().await;
    let token = format!("Bearer {}", fixture.phone(ANNA).await.token);
    let whole = pack(&empty_request()).unwrap();
    let drip = |pause: u64| {
        let parts: Vec<Vec<u8>> = whole.chunks(8).map(<[u8]>::to_vec).collect();
        assert!(parts.len() > 4);
        let body = futures::stream::iter(parts).then(move |part| async move {
            tokio::time::sleep(std::time::Duration::from_secs(pause)).await;
            Ok::<_, std::io::Error>(part)
        });
        let mut request = with_token(Method::POST, "/v1/sync", &token, Vec::new());
        *request.body_mut() = Body::from_stream(body);
        request
    };
    assert_eq!(fixture.send(drip(25)).await.status, 200);
    assert_eq!(fixture.send(drip(31)).await.code(), "timed_out");
}

#[tokio::test]
async fn a_request_id_is_kept_when_it_is_one() {
    let fixture = Fixture::new().await;
    for (sent, kept) in [("abc-123", true), ("a b", false), ("", false)] {
        let mut request = get("/healthz");
        request.headers_mut().insert("x-request-id", sent.parse().unwrap());
        let answer = fixture.send(request).await;
        assert_eq!(answer.headers["x-request-id"] == sent, kept, "{sent:?}");
    }
}

mod operations {
    use super::*;
    use crate::cli::operation::{Action, Operation, perform};
    use fieldledger_core::model::Role;

    async fn act(fixture: &Fixture, action: Action) -> Result<String, String> {
        let operation = Operation::Within {
            organisation: None,
            action,
        };
        let outcome = perform(&fixture.state, operation).await;
        outcome.map(|it| it.text).map_err(|failure| failure.to_string())
    }

    #[tokio::test]
    async fn an_operator_makes_an_account_enrols_a_phone_and_shuts_it_out_and_all_is_audited() {
        let fixture = Fixture::new().await;
        let new = |login: &str, territory: &str| Action::AddUser {
            login: login.to_owned(),
            name: "Mia".to_owned(),
            roles: vec![Role::Rep],
            territories: vec![territory.to_owned()],
            supervisor: Some("carla".to_owned()),
            password: None,
        };
        let error = act(&fixture, new("mia", "Nroth")).await.unwrap_err();
        assert!(error.contains("\"Nroth\"; there is: North, South"), "{error}");
        assert!(
            act(&fixture, new("Anna", "North"))
                .await
                .unwrap_err()
                .contains("belongs to Anna already")
        );
        assert!(
            act(&fixture, new("m ia", "North"))
                .await
                .unwrap_err()
                .contains("cannot be a login")
        );
        act(&fixture, new("Mia", "South")).await.unwrap();
        let enrol = Action::EnrolDevice {
            login: "mia".to_owned(),
            hours: None,
        };
        let text = act(&fixture, enrol.clone()).await.unwrap();
        let answer = fixture.enrol(text.lines().next().unwrap()).await;
        let phone: fieldledger_core::sync::protocol::EnrolResponse = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(phone.user_name, "Mia");
        let list = act(&fixture, Action::ListDevices).await.unwrap();
        assert!(list.contains(&phone.device.to_string()), "{list}");
        let revoke = |device: &str| Action::RevokeDevice {
            device: device.to_owned(),
        };
        assert!(
            act(&fixture, revoke(""))
                .await
                .unwrap_err()
                .contains("there is no device")
        );
        act(&fixture, revoke(&phone.device.to_string()[..8])).await.unwrap();
        assert_eq!(fixture.exchange(&phone.token, &empty_request()).await.code(), "revoked");
        let disable = Action::SetDisabled {
            login: "mia".to_owned(),
            disabled: true,
        };
        act(&fixture, disable).await.unwrap();
        assert!(act(&fixture, enrol).await.unwrap_err().contains("user enable mia"));
        assert_eq!(
            fixture.audited().await,
            [
                "user.created",
                "device.code_made",
                "device.enrolled",
                "device.revoked",
                "user.disabled"
            ]
        );
    }

    #[tokio::test]
    async fn a_new_password_ends_the_sessions_begun_with_the_old_one() {
        let fixture = Fixture::new().await;
        let (cookie, _) = fixture.session(DORA).await;
        let token = cookie.split_once('=').unwrap().1;
        let now = fixture.state.clock.now();
        let hash = crate::auth::hash_secret(token);
        assert!(fixture.state.store.session(&hash, now).await.unwrap().is_some());
        let set = |password: &str| Action::SetPassword {
            login: "dora".to_owned(),
            password: password.to_owned(),
        };
        assert!(act(&fixture, set("short")).await.unwrap_err().contains("at least 10"));
        act(&fixture, set("another long one")).await.unwrap();
        assert!(fixture.state.store.session(&hash, now).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn with_several_organisations_the_operator_has_to_say_which() {
        let fixture = Fixture::new().await;
        let create = Operation::CreateOrganisation {
            name: "Other".to_owned(),
            time_zone: chrono_tz::UTC,
            currency: fieldledger_core::model::Currency::USD,
            geofence_metres: 100,
        };
        perform(&fixture.state, create.clone()).await.unwrap();
        assert!(perform(&fixture.state, create).await.is_err());
        let error = act(&fixture, Action::ListUsers).await.unwrap_err();
        assert!(error.contains("--organisation: Linden, Other"), "{error}");
        let there = Operation::Within {
            organisation: Some("Other".to_owned()),
            action: Action::SetPassword {
                login: "anna".to_owned(),
                password: "another long one".to_owned(),
            },
        };
        let error = perform(&fixture.state, there).await.unwrap_err().to_string();
        assert!(error.contains("no account \"anna\" in Other"), "{error}");
    }

    #[tokio::test]
    async fn verify_tells_that_nothing_is_wrong_when_nothing_is() {
        let fixture = Fixture::new().await;
        let entry = AuditEntry {
            at: fixture.state.clock.now(),
            actor: "operator".to_owned(),
            action: "x".to_owned(),
            subject: String::new(),
            detail: String::new(),
        };
        fixture.state.store.audit(ORGANISATION, entry).await.unwrap();
        let outcome = perform(&fixture.state, Operation::Verify).await.unwrap();
        assert!(!outcome.problems, "{}", outcome.text);
    }
}
