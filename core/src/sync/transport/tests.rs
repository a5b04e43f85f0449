#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    model::Timestamp,
    sync::protocol::{PROTOCOL, StreamId},
};

/// Answers every connection with the same bytes and remembers what it was asked.
pub(super) async fn answering(reply: Vec<u8>) -> (String, Arc<Mutex<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = vec![0; 64 << 10];
            let mut read = 0;
            // The head and, when there is one, the whole body: closing early would reset the connection.
            loop {
                read += socket.read(&mut buffer[read..]).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&buffer[..read]).to_ascii_lowercase();
                let Some(head) = text.find("\r\n\r\n") else { continue };
                let length = text.split("content-length: ").nth(1).map_or(0, |rest| {
                    rest.split("\r\n").next().unwrap().trim().parse::<usize>().unwrap()
                });
                let raw_head = buffer[..read]
                    .windows(4)
                    .position(|it| it == b"\r\n\r\n")
                    .unwrap_or(head);
                if read >= raw_head + 4 + length {
                    *heard.lock().unwrap() = text;
                    break;
                }
            }
            let _ = socket.write_all(&reply).await;
            let _ = socket.shutdown().await;
        }
    });
    (address, asked)
}

pub(super) fn http(status: &str, media_type: &str, extra: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n{extra}connection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn request() -> SyncRequest {
    SyncRequest {
        protocol: PROTOCOL,
        app_version: String::new(),
        request_id: 3,
        device_time: Timestamp::default(),
        since_contact_millis: None,
        cursors: Vec::new(),
        push: Vec::new(),
        budget_bytes: 0,
        waiting: 0,
        installation: [0; 16].into(),
        words: Vec::new(),
    }
}

fn response() -> SyncResponse {
    SyncResponse {
        protocol: PROTOCOL,
        request_id: 3,
        server_time: Timestamp::default(),
        verdicts: Vec::new(),
        streams: Vec::new(),
        withdrawn: vec![StreamId::Catalogue],
        backed_up: Vec::new(),
        new_token: None,
    }
}

async fn outcome(reply: Vec<u8>) -> Result<SyncResponse, TransportFault> {
    let (address, _) = answering(reply).await;
    let transport = HttpTransport::new(&address, "secret").unwrap();
    transport.exchange(&request()).await.map(|it| it.response)
}

#[tokio::test]
async fn an_exchange_carries_the_token_and_the_media_type() {
    let body = pack(&response()).unwrap();
    let (address, asked) = answering(http("200 OK", MEDIA_TYPE, "", &body)).await;
    let transport = HttpTransport::new(&format!("{address}/base/"), "old").unwrap();
    transport.set_token("new");
    let exchanged = transport.exchange(&request()).await.unwrap();
    assert_eq!(exchanged.response, response());
    assert_eq!(exchanged.bytes_down, body.len() as u64);
    assert!(exchanged.bytes_up > 0);
    let asked = asked.lock().unwrap().clone();
    assert!(asked.starts_with("post /base/v1/sync "), "{asked}");
    assert!(asked.contains("authorization: bearer new"));
    assert!(asked.contains(&format!("content-type: {MEDIA_TYPE}")));
}

#[tokio::test]
async fn a_captive_portal_is_told_whatever_it_answers() {
    let page = b"<html>Welcome to the hotel</html>";
    let body = pack(&response()).unwrap();
    for reply in [
        http("200 OK", "text/html", "", page),
        http("200 OK", MEDIA_TYPE, "", page),
        http("200 OK", "text/html; charset=utf-8", "", &body),
        http(
            "302 Found",
            "text/html",
            "location: http://127.0.0.1:1/sign-in\r\n",
            page,
        ),
        http("403 Forbidden", "text/html", "", page),
        http("401 Unauthorized", "text/html", "", page),
        http("511 Network Authentication Required", "text/html", "", page),
        http("204 No Content", MEDIA_TYPE, "", b""),
    ] {
        let head = String::from_utf8_lossy(&reply).chars().take(60).collect::<String>();
        assert_eq!(outcome(reply).await, Err(TransportFault::CaptivePortal), "{head}");
    }
}

#[tokio::test]
async fn every_answer_of_the_server_has_its_fault() {
    let says = |code: &str| format!(r#"{{"code":"{code}","message":"what to do"}}"#).into_bytes();
    let told = |status: &str, code: &str| http(status, "application/json", "", &says(code));
    let busy = http(
        "503 Service Unavailable",
        JSON,
        "retry-after: 7\r\n",
        &says("unavailable"),
    );
    let cases = [
        (told("401 Unauthorized", "sign_in_again"), TransportFault::SignInAgain),
        (told("403 Forbidden", "revoked"), TransportFault::Revoked),
        (told("403 Forbidden", "another_phone"), TransportFault::AnotherPhone),
        (told("403 Forbidden", "account_disabled"), TransportFault::Revoked),
        (
            told("426 Upgrade Required", "newer_app_needed"),
            TransportFault::NeedsNewerApp,
        ),
        (told("413 Payload Too Large", "too_large"), TransportFault::TooLarge),
        (told("408 Request Timeout", "timed_out"), TransportFault::Timeout),
        (busy, TransportFault::RetryAfter(7_000)),
        (
            told("400 Bad Request", "malformed"),
            TransportFault::Server("what to do".to_owned()),
        ),
        (
            http("502 Bad Gateway", "text/html", "", b"oops"),
            TransportFault::Server("it answered 502 Bad Gateway".to_owned()),
        ),
    ];
    for (reply, fault) in cases {
        assert_eq!(outcome(reply).await, Err(fault));
    }
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_not_read_whether_announced_or_not() {
    let announced = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\n\r\n",
        MAX_BODY_BYTES + 1
    );
    assert!(matches!(
        outcome(announced.into_bytes()).await,
        Err(TransportFault::Server(_))
    ));
    let mut endless =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE}\r\nconnection: close\r\n\r\n").into_bytes();
    endless.resize(endless.len() + MAX_BODY_BYTES + 1, b'x');
    assert!(matches!(outcome(endless).await, Err(TransportFault::Server(_))));
}

#[tokio::test]
async fn nobody_listening_and_a_connection_cut_short_are_offline() {
    let transport = HttpTransport::new("http://127.0.0.1:1", "x").unwrap();
    assert_eq!(transport.exchange(&request()).await, Err(TransportFault::Offline));
    let body = pack(&response()).unwrap();
    let whole = http("200 OK", MEDIA_TYPE, "", &body);
    for missing in [1, body.len(), whole.len() - 5] {
        let cut = whole[..whole.len() - missing].to_vec();
        assert_eq!(
            outcome(cut).await,
            Err(TransportFault::Offline),
            "{missing} bytes missing"
        );
    }
}

#[test]
fn a_message_cut_at_any_byte_is_not_read() {
    let body = pack(&response()).unwrap();
    for end in 0..body.len() {
        let read: Result<SyncResponse, _> = read_message(&body[..end]);
        assert_eq!(read, Err(TransportFault::CaptivePortal), "cut at {end}");
    }
    for at in 0..body.len() {
        let mut damaged = body.clone();
        damaged[at] ^= 0x55;
        // Damage may leave a readable message; it must only never panic.
        let _: Result<SyncResponse, _> = read_message(&damaged);
    }
}

#[test]
fn an_address_must_be_encrypted_unless_it_is_near() {
    for good in [
        "https://sync.example.com",
        "http://127.0.0.1:80",
        "http://localhost:1",
        "http://[::1]:9",
        "http://192.168.1.5",
    ] {
        assert!(HttpTransport::new(good, "x").is_ok(), "{good}");
    }
    assert!(matches!(
        HttpTransport::new("http://sync.example.com", "x"),
        Err(AddressError::Unencrypted(_))
    ));
    for bad in ["", "sync.example.com", "ftp://x", "http://"] {
        assert!(
            matches!(HttpTransport::new(bad, "x"), Err(AddressError::Invalid(_))),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn live_notices_arrive_and_comments_and_strange_events_do_not() {
    let events = b": hello\n\nevent: stream\ndata: {\"stream\":\"63\",\"seq\":7}\n\ndata: nonsense\n\ndata:{\"stream\":\"63\",\"seq\":8}\r\n\r\n";
    let (address, asked) = answering(http("200 OK", "text/event-stream", "", events)).await;
    let transport = HttpTransport::new(&address, "secret").unwrap();
    let marks: Vec<_> = transport.live().await.unwrap().collect().await;
    let seqs: Vec<u64> = marks.into_iter().flat_map(Result::unwrap).map(|it| it.seq).collect();
    assert_eq!(seqs, [7, 8]);
    assert!(asked.lock().unwrap().starts_with("get /v1/live "));
}

#[test]
fn lines_are_put_together_however_they_are_cut_and_have_a_limit() {
    let text = "data: one\r\ndata: two\r\n\r\ndata:three\n\n\n";
    for cut in 0..text.len() {
        let mut reader = LineReader::default();
        let mut events = reader.feed(&text.as_bytes()[..cut]).unwrap();
        events.extend(reader.feed(&text.as_bytes()[cut..]).unwrap());
        assert_eq!(events, ["one\ntwo", "three"], "cut at {cut}");
    }
    assert!(LineReader::default().feed(&vec![b'x'; 1 << 20]).is_err());
    assert!(
        LineReader::default()
            .feed("data: xxxxxxxxxxxx\n".repeat(10_000).as_bytes())
            .is_err()
    );
}

#[tokio::test]
async fn enrolment_tells_a_wrong_code_from_a_portal() {
    let ask = EnrolRequest {
        code: "ABC".to_owned(),
        device_name: String::new(),
        platform: "cli".to_owned(),
        app_version: String::new(),
        installation: "00".repeat(16),
    };
    let no = br#"{"code":"code_expired","message":"ask for a new code"}"#;
    let (address, _) = answering(http("410 Gone", JSON, "", no)).await;
    let refused = EnrolError::Refused {
        code: "code_expired".to_owned(),
        message: "ask for a new code".to_owned(),
    };
    assert_eq!(enrol(&address, &ask, &[]).await, Err(refused));
    let (address, _) = answering(http("200 OK", "text/html", "", b"<html>")).await;
    assert_eq!(
        enrol(&address, &ask, &[]).await,
        Err(TransportFault::CaptivePortal.into())
    );
}
