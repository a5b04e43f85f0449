//! Every route in every state of authorisation, without a network.

mod enrolment;
mod evidence;
mod exchange;
mod live;
mod operations;
mod sessions;
mod signing_in;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use fieldledger_core::sync::protocol::{MEDIA_TYPE, pack};
use futures::StreamExt as _;

use crate::{
    config::ServerConfig,
    testing::{ANNA, EMIL, Fixture, ORGANISATION, SVEN, empty_request},
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
