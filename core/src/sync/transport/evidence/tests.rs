#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::TryStreamExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    model::UploadState,
    sync::{
        driver::SyncDriver,
        fake::{
            FakeServer, Phone,
            evidence::{FakeEvidence, Trouble},
        },
        transport::tests::{answering, http},
    },
};

const UPLOAD: Upload = Upload {
    document: DocumentId::from_bytes([0x11; 16]),
    hash: EvidenceHash([0xAB; 32]),
    size: 1_000,
};
const JSON: &str = "application/json";

/// A reply with the header by which our server is known.
fn ours(status: &str, extra: &str, body: &[u8]) -> Vec<u8> {
    http(status, JSON, &format!("tus-resumable: 1.0.0\r\n{extra}"), body)
}

fn says(code: &str) -> Vec<u8> {
    format!(r#"{{"code":"{code}","message":"what to do"}}"#).into_bytes()
}

async fn begun(reply: Vec<u8>) -> Result<Held, UploadFault> {
    let (address, _) = answering(reply).await;
    HttpTransport::new(&address, "secret").unwrap().begin(&UPLOAD).await
}

async fn appended(reply: Vec<u8>) -> Result<Held, UploadFault> {
    let (address, _) = answering(reply).await;
    let transport = HttpTransport::new(&address, "secret").unwrap();
    transport.append(&UPLOAD, 200, vec![7; 300]).await
}

#[tokio::test]
async fn an_upload_is_begun_with_its_size_its_document_and_its_hash() {
    let reply = ours("201 Created", "upload-offset: 200\r\nfieldledger-backed-up: 0\r\n", b"");
    let (address, asked) = answering(reply).await;
    let transport = HttpTransport::new(&format!("{address}/base"), "secret").unwrap();
    let held = Held {
        offset: 200,
        backed_up: false,
    };
    assert_eq!(transport.begin(&UPLOAD).await, Ok(held));
    let asked = asked.lock().unwrap().clone();
    assert!(asked.starts_with("post /base/v1/evidence "), "{asked}");
    let metadata = format!(
        "upload-metadata: document {},sha256 {}\r\n",
        BASE64.encode("11111111-1111-1111-1111-111111111111"),
        BASE64.encode("ab".repeat(32))
    );
    for header in [
        "authorization: bearer secret\r\n",
        "tus-resumable: 1.0.0\r\n",
        "upload-length: 1000\r\n",
        "content-length: 0\r\n",
        &metadata.to_ascii_lowercase(),
    ] {
        assert_eq!(asked.matches(header).count(), 1, "{header} in {asked}");
    }
}

#[tokio::test]
async fn a_part_says_where_it_begins() {
    let reply = ours(
        "204 No Content",
        "upload-offset: 1000\r\nfieldledger-backed-up: 1\r\n",
        b"",
    );
    let (address, asked) = answering(reply).await;
    let transport = HttpTransport::new(&address, "secret").unwrap();
    let held = transport.append(&UPLOAD, 700, vec![b'x'; 300]).await.unwrap();
    assert_eq!((held.offset, held.backed_up), (1_000, true));
    let asked = asked.lock().unwrap().clone();
    let path = format!("patch /v1/evidence/{}/{} ", UPLOAD.document, UPLOAD.hash);
    assert!(asked.starts_with(&path), "{asked}");
    for header in [
        "upload-offset: 700\r\n",
        "content-type: application/offset+octet-stream\r\n",
        "content-length: 300\r\n",
        "tus-resumable: 1.0.0\r\n",
    ] {
        assert!(asked.contains(header), "{header} in {asked}");
    }
    assert!(asked.ends_with(&"x".repeat(300)));
}

#[tokio::test]
async fn every_answer_about_an_upload_has_its_fault() {
    let message = "what to do".to_owned();
    let refused = || UploadFault::Refused {
        message: message.clone(),
    };
    let transport = UploadFault::Transport;
    let cases = [
        (
            "409 Conflict",
            "evidence_not_named",
            UploadFault::NotNamed {
                message: message.clone(),
            },
        ),
        ("409 Conflict", "wrong_offset", UploadFault::WrongOffset),
        ("409 Conflict", "superseded", UploadFault::WrongOffset),
        ("409 Conflict", "something_new", refused()),
        ("460 Checksum Mismatch", "wrong_hash", UploadFault::Corrupt),
        ("404 Not Found", "not_found", UploadFault::Gone),
        ("422 Unprocessable Content", "invalid_field", refused()),
        ("403 Forbidden", "not_allowed", refused()),
        ("403 Forbidden", "revoked", transport(TransportFault::Revoked)),
        (
            "403 Forbidden",
            "another_phone",
            transport(TransportFault::AnotherPhone),
        ),
        (
            "401 Unauthorized",
            "sign_in_again",
            transport(TransportFault::SignInAgain),
        ),
        (
            "412 Precondition Failed",
            "wrong_version",
            transport(TransportFault::NeedsNewerApp),
        ),
        (
            "429 Too Many Requests",
            "slow_down",
            transport(TransportFault::RetryAfter(7_000)),
        ),
        (
            "503 Service Unavailable",
            "unavailable",
            transport(TransportFault::RetryAfter(7_000)),
        ),
        (
            "507 Insufficient Storage",
            "storage_full",
            transport(TransportFault::Server(message.clone())),
        ),
        (
            "507 Insufficient Storage",
            "too_much_unfinished",
            transport(TransportFault::Server(message.clone())),
        ),
    ];
    for (status, code, fault) in cases {
        let reply = ours(status, "retry-after: 7\r\n", &says(code));
        assert_eq!(begun(reply.clone()).await, Err(fault.clone()), "{status} {code}");
        assert_eq!(appended(reply).await, Err(fault), "{status} {code}");
    }
    // The file is too large for the server, or a part of it for what stands before the server.
    let too_large = ours("413 Content Too Large", "", &says("too_large"));
    assert_eq!(begun(too_large.clone()).await, Err(refused()));
    assert_eq!(appended(too_large).await, Err(TransportFault::TooLarge.into()));
    let by_proxy = http("413 Content Too Large", "text/html", "", b"nginx");
    assert_eq!(appended(by_proxy).await, Err(TransportFault::TooLarge.into()));
}

#[tokio::test]
async fn only_our_server_says_that_it_has_something() {
    let offset = "upload-offset: 1000\r\n";
    for reply in [
        http("201 Created", JSON, offset, b""),
        http("204 No Content", JSON, offset, b""),
        http("200 OK", "text/html", offset, b"<html>Welcome to the hotel</html>"),
        http("302 Found", "text/html", "location: http://127.0.0.1:1/\r\n", b""),
        http("404 Not Found", "text/html", "", b"<html>"),
        http("409 Conflict", "text/html", "", b"<html>"),
        http("401 Unauthorized", "text/html", "", b"<html>"),
        ours("201 Created", "", b""),
        ours("201 Created", "upload-offset: many\r\n", b""),
        ours("200 OK", offset, b""),
        http("201 Created", JSON, &format!("tus-resumable: 0.2.2\r\n{offset}"), b""),
    ] {
        let head = String::from_utf8_lossy(&reply).into_owned();
        let portal = Err(UploadFault::Transport(TransportFault::CaptivePortal));
        assert_eq!(begun(reply.clone()).await, portal, "{head}");
        if !head.contains("201") {
            assert_eq!(appended(reply).await, portal, "{head}");
        }
    }
    let too_much = ours("201 Created", "upload-offset: 1001\r\n", b"");
    assert!(matches!(
        begun(too_much).await,
        Err(UploadFault::Transport(TransportFault::Server(_)))
    ));
    // The server behind a proxy is not there: no file's fault.
    let bad_gateway = http("502 Bad Gateway", "text/html", "", b"oops");
    assert_eq!(begun(bad_gateway).await, Err(TransportFault::RetryAfter(5_000).into()));
    let nobody = HttpTransport::new("http://127.0.0.1:1", "x").unwrap();
    assert_eq!(nobody.begin(&UPLOAD).await, Err(TransportFault::Offline.into()));
}

#[tokio::test]
async fn a_fetched_file_comes_in_pieces_and_only_from_our_server() {
    let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    let (address, asked) = answering(http("200 OK", "image/jpeg", "tus-resumable: 1.0.0\r\n", &bytes)).await;
    let transport = HttpTransport::new(&address, "secret").unwrap();
    let parts: Vec<Vec<u8>> = transport
        .fetch(UPLOAD.document, UPLOAD.hash, 0)
        .await
        .unwrap()
        .bytes
        .try_collect()
        .await
        .unwrap();
    assert_eq!(parts.concat(), bytes);
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked.starts_with("get /v1/evidence/11111111-") && !asked.contains("range"),
        "{asked}"
    );
    for (reply, fault) in [
        (ours("404 Not Found", "", &says("not_found")), UploadFault::Gone),
        (
            http("200 OK", "image/jpeg", "", &bytes),
            TransportFault::CaptivePortal.into(),
        ),
        (
            ours("401 Unauthorized", "", &says("sign_in_again")),
            TransportFault::SignInAgain.into(),
        ),
    ] {
        let (address, _) = answering(reply).await;
        let transport = HttpTransport::new(&address, "secret").unwrap();
        let fetched = transport.fetch(UPLOAD.document, UPLOAD.hash, 0).await;
        assert_eq!(fetched.err(), Some(fault));
    }
    // Cut short.
    let whole = http("200 OK", "image/jpeg", "tus-resumable: 1.0.0\r\n", &bytes);
    let (address, _) = answering(whole[..whole.len() - 1].to_vec()).await;
    let transport = HttpTransport::new(&address, "secret").unwrap();
    let cut: Result<Vec<_>, _> = transport
        .fetch(UPLOAD.document, UPLOAD.hash, 0)
        .await
        .unwrap()
        .bytes
        .try_collect()
        .await;
    assert_eq!(cut, Err(TransportFault::Offline));
}

#[tokio::test]
async fn the_rest_of_a_file_is_asked_for_and_only_that_or_the_whole_is_taken() {
    let rest = |status: &str, range: &str| ours(status, &format!("content-range: {range}\r\n"), b"the rest");
    let fetched = async |reply: Vec<u8>| {
        let (address, asked) = answering(reply).await;
        let transport = HttpTransport::new(&address, "secret").unwrap();
        let fetched = transport.fetch(UPLOAD.document, UPLOAD.hash, 992).await;
        let asked = asked.lock().unwrap().clone();
        let tag = "ab".repeat(32);
        for header in ["range: bytes=992-\r\n", &format!("if-range: \"{tag}\"\r\n")] {
            assert!(asked.contains(header), "{header} in {asked}");
        }
        let fetched = fetched?;
        let bytes: Vec<Vec<u8>> = fetched.bytes.try_collect().await.unwrap();
        Ok::<_, UploadFault>((fetched.offset, bytes.concat()))
    };
    let of_ours = |offset| Ok((offset, b"the rest".to_vec()));
    assert_eq!(
        fetched(rest("206 Partial Content", "bytes 992-999/1000")).await,
        of_ours(992)
    );
    assert_eq!(fetched(ours("200 OK", "", b"the rest")).await, of_ours(0));
    for another in [
        "bytes 0-7/1000",
        "bytes 993-999/1000",
        "bytes */1000",
        "lines 992-999/1000",
        "",
    ] {
        let refused = fetched(rest("206 Partial Content", another)).await.unwrap_err();
        assert!(
            matches!(refused, UploadFault::Transport(TransportFault::Server(_))),
            "{refused:?}"
        );
    }
    let beyond = fetched(rest("416 Range Not Satisfiable", "bytes */900")).await;
    assert_eq!(beyond, Err(UploadFault::WrongOffset));
    let portal = http(
        "206 Partial Content",
        JSON,
        "content-range: bytes 992-999/1000\r\n",
        b"the rest",
    );
    assert_eq!(fetched(portal).await, Err(TransportFault::CaptivePortal.into()));
}

/// The part of a server that takes files, on a real socket. A part that is in trouble is cut in the middle of its body.
struct Taking {
    server: FakeServer,
    files: Mutex<FakeEvidence>,
    /// As announced.
    sizes: Mutex<BTreeMap<EvidenceHash, u64>>,
}

impl Taking {
    async fn on_a_socket(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let taking = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let taking = Arc::clone(&taking);
                tokio::spawn(async move {
                    let _ = taking.serve(socket).await;
                });
            }
        });
        address
    }

    /// One request for each connection. Reads no more of a body than is to arrive, and hangs up then.
    async fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            if socket.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let value = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length: usize = value("content-length").map_or(0, |it| it.parse().unwrap());
        let cut = match self.files.lock().unwrap().troubles.front() {
            Some(Trouble::Cut(bytes)) if head.starts_with("PATCH") => Some(*bytes),
            _ => None,
        };
        while read.len() - end < cut.unwrap_or(length).min(length) {
            socket.read_buf(&mut read).await?;
        }
        let body = &read[end..];
        let answered = if head.starts_with("POST") {
            let metadata = value("upload-metadata").unwrap();
            let text = |name: &str| {
                let encoded = metadata.split(',').find_map(|it| it.strip_prefix(name)).unwrap();
                String::from_utf8(BASE64.decode(encoded.trim()).unwrap()).unwrap()
            };
            let upload = Upload {
                document: text("document").parse().unwrap(),
                hash: text("sha256").parse().unwrap(),
                size: value("upload-length").unwrap().parse().unwrap(),
            };
            self.sizes.lock().unwrap().insert(upload.hash, upload.size);
            self.files.lock().unwrap().begin(&self.server, &upload)
        } else {
            let path = head.split(' ').nth(1).unwrap();
            let mut ids = path.strip_prefix("/v1/evidence/").unwrap().split('/');
            let document = ids.next().unwrap().parse().unwrap();
            let hash = ids.next().unwrap().parse().unwrap();
            let size = self.sizes.lock().unwrap()[&hash];
            let upload = Upload { document, hash, size };
            let offset = value("upload-offset").unwrap().parse().unwrap();
            self.files.lock().unwrap().append(&upload, offset, body)
        };
        let reply = match answered {
            Ok(held) => {
                let status = if head.starts_with("POST") {
                    "201 Created"
                } else {
                    "204 No Content"
                };
                let headers = format!("upload-offset: {}\r\nfieldledger-backed-up: 0\r\n", held.offset);
                ours(status, &headers, b"")
            }
            Err(UploadFault::WrongOffset) => ours("409 Conflict", "", &says("wrong_offset")),
            Err(UploadFault::Gone) => ours("404 Not Found", "", &says("not_found")),
            Err(UploadFault::Corrupt) => ours("460 Checksum Mismatch", "", &says("wrong_hash")),
            Err(_) => return Ok(()),
        };
        socket.write_all(&reply).await?;
        socket.shutdown().await
    }
}

#[tokio::test]
async fn over_a_real_socket_a_file_that_is_cut_twice_arrives_whole() {
    let phone = Phone::new(1);
    let visit = phone.plan(1);
    let bytes: Vec<u8> = (0..1_500_000u32).map(|it| (it.wrapping_mul(it) >> 7) as u8).collect();
    let hash = phone.photograph(visit, &bytes);
    let mut server = FakeServer::default();
    phone.settle(&mut server);
    let taking = Arc::new(Taking {
        server,
        files: Mutex::default(),
        sizes: Mutex::default(),
    });
    let troubles = [
        Trouble::Cut(200_000),
        Trouble::Forgotten,
        Trouble::None,
        Trouble::Cut(77_777),
    ];
    taking.files.lock().unwrap().troubles.extend(troubles);
    let transport = HttpTransport::new(&taking.on_a_socket().await, "secret").unwrap();
    let driver = SyncDriver::new(phone.store.clone(), transport);
    let report = driver.send_evidence(|| true).await.unwrap();
    assert_eq!((report.stored, report.left, report.problem), (1, 0, None));
    assert_eq!(taking.files.lock().unwrap().troubles.len(), 0, "it was cut twice");
    assert_eq!(phone.store.evidence_state(hash).unwrap(), UploadState::Stored);
    assert_eq!(taking.files.lock().unwrap().stored[&hash], bytes);
}

#[tokio::test]
async fn a_connection_that_died_between_two_requests_is_replaced_by_a_fresh_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            let mut buffer = [0; 4_096];
            let _ = socket.read(&mut buffer).await;
            let reply = ours("201 Created", "upload-offset: 0\r\nfieldledger-backed-up: 0\r\n", b"{}");
            let reply = String::from_utf8(reply).unwrap().replace("connection: close\r\n", "");
            let _ = socket.write_all(reply.as_bytes()).await;
            // It looks alive until somebody says something.
            let _ = socket.read(&mut buffer).await;
        }
    });
    let transport = HttpTransport::new(&address, "secret").unwrap();
    for asked in 1..=3 {
        assert_eq!(transport.begin(&UPLOAD).await.unwrap().offset, 0);
        assert_eq!(*connections.lock().unwrap(), asked);
    }
}
