//! Live connections.

use axum::http::{Method, header};
use fieldledger_core::{model::DeviceId, sync::protocol::StreamId};
use futures::StreamExt as _;

use super::{get, with_token};
use crate::testing::{ANNA, Fixture, NORTH, ORGANISATION, SOUTH, SVEN};

/// The next event of a live connection, as its lines; `None` when it ended, "" when nothing came for a while.
async fn next_event(body: &mut axum::body::BodyDataStream) -> Option<String> {
    match tokio::time::timeout(std::time::Duration::from_millis(200), body.next()).await {
        Ok(Some(chunk)) => Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap()),
        Ok(None) => None,
        Err(_) => Some(String::new()),
    }
}

pub(super) fn line(stream: StreamId, seq: u64) -> String {
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
