//! The exchange: what it refuses, hands out and slows down.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use fieldledger_core::sync::protocol::{
    MAX_BODY_BYTES, PROTOCOL, Push, PushedChange, StreamId, SyncRequest, Verdict, pack,
};

use super::{HOUR, get, with_token};
use crate::{
    config::ServerConfig,
    testing::{ANNA, EMIL, Fixture, NORTH, ORGANISATION, SOUTH, SVEN, empty_request},
};

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
async fn a_second_installation_with_the_same_token_is_refused_noted_once_and_the_first_goes_on() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    let copy = SyncRequest {
        installation: [1; 16].into(),
        ..empty_request()
    };
    for _ in 0..3 {
        let answer = fixture.exchange(&phone.token, &copy).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "another_phone"));
    }
    let noted = fixture.audited().await;
    let count = |action: &str| noted.iter().filter(|it| *it == action).count();
    assert_eq!(count("device.other_installation"), 1);
    let other = SyncRequest {
        installation: [2; 16].into(),
        ..empty_request()
    };
    assert_eq!(fixture.exchange(&phone.token, &other).await.code(), "another_phone");
    let store = fixture.state.store.as_ref();
    let copies = crate::store::copies_of_devices(store, ORGANISATION).await.unwrap();
    assert_eq!(copies[&phone.device.to_string()], 2);
    assert_eq!(fixture.exchange(&phone.token, &empty_request()).await.status, 200);
    let (cookie, _) = fixture.session(EMIL).await;
    let page = Request::get("/devices").header(header::COOKIE, cookie);
    let page = fixture.send(page.body(Body::empty()).unwrap()).await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.contains("a copy on another phone was refused"), "{text}");
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
