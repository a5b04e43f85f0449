//! Files of evidence: sent in parts, refused when no record speaks of them, fetched by those who may read the record.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use fieldledger_core::{
    document::edit,
    model::{DocumentId, Evidence, EvidenceHash, EvidenceKind, UserId, Visit, VisitPurpose},
    sync::protocol::StreamId,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    blobs::Upload,
    config::ServerConfig,
    ingest::Heard,
    store::{AppendOutcome, suite::creating},
    testing::{ANNA, Answer, BAKERY, BERT, CARLA, DORA, Fixture, HARBOUR, NORTH, ORGANISATION, SOUTH, START, SVEN},
};

/// A server with a folder for files, and a visit of Anna's that names a photo.
struct Company {
    fixture: Fixture,
    _folder: TempDir,
    visit: DocumentId,
    photo: Vec<u8>,
    hash: EvidenceHash,
}

impl Company {
    async fn new() -> Self {
        Self::with(ServerConfig::default()).await
    }

    async fn with(config: ServerConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Fixture::with(ServerConfig {
            data: folder.path().to_owned(),
            sync_per_minute: 0,
            enrol_per_minute: 0,
            evidence_reserve_mb: 0,
            ..config
        })
        .await;
        let photo: Vec<u8> = (0..20_000_u32).map(|it| (it % 253) as u8).collect();
        let hash = EvidenceHash(Sha256::digest(&photo).into());
        let visit = put_visit(&fixture, 1, StreamId::Territory(NORTH), ANNA, hash, photo.len()).await;
        Self {
            fixture,
            _folder: folder,
            visit,
            photo,
            hash,
        }
    }

    fn path(&self) -> String {
        format!("/v1/evidence/{}/{}", self.visit, self.hash)
    }

    async fn begin(&self, token: &str) -> Answer {
        let request = begin(token, &self.visit.to_string(), &self.hash.to_string(), self.photo.len());
        self.fixture.send(request).await
    }

    async fn append(&self, token: &str, offset: usize, part: impl Into<Body>) -> Answer {
        self.fixture.send(append(token, &self.path(), offset, part)).await
    }

    async fn ask(&self, method: Method, token: &str) -> Answer {
        let request = Request::builder().method(method).uri(self.path());
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.fixture.send(request.body(Body::empty()).unwrap()).await
    }
}

async fn put_visit(
    fixture: &Fixture,
    number: u64,
    stream: StreamId,
    by: UserId,
    hash: EvidenceHash,
    size: usize,
) -> DocumentId {
    let customer = if stream == StreamId::Territory(SOUTH) {
        HARBOUR
    } else {
        BAKERY
    };
    let mut visit = Visit::new(customer, by, VisitPurpose::Sales);
    let photo = Evidence {
        kind: EvidenceKind::Photo,
        size: size as u64,
        media_type: "image/jpeg".to_owned(),
        taken_at: START,
        taken_by: by,
        position: None,
        caption: String::new(),
    };
    visit.evidence.insert(hash, photo);
    let item = creating(number, stream, &edit::tree_of(&visit).unwrap());
    let id = item.document;
    let now = fixture.state.clock.now();
    let outcomes = fixture.state.store.append(ORGANISATION, vec![item], now).await.unwrap();
    assert!(matches!(outcomes[..], [AppendOutcome::Appended { .. }]), "{outcomes:?}");
    id
}

fn begin(token: &str, document: &str, hash: &str, length: usize) -> Request<Body> {
    let metadata = format!("document {},sha256 {}", BASE64.encode(document), BASE64.encode(hash));
    Request::post("/v1/evidence")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header("tus-resumable", "1.0.0")
        .header("upload-length", length)
        .header("upload-metadata", metadata)
        .body(Body::empty())
        .unwrap()
}

fn append(token: &str, path: &str, offset: usize, part: impl Into<Body>) -> Request<Body> {
    Request::patch(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", offset)
        .header(header::CONTENT_TYPE, "application/offset+octet-stream")
        .body(part.into())
        .unwrap()
}

fn told(answer: &Answer) -> (u16, &str, &str) {
    assert_eq!(answer.headers["tus-resumable"], "1.0.0");
    let header = |name| answer.headers.get(name).map_or("", |it| it.to_str().unwrap());
    (
        answer.status.as_u16(),
        header("upload-offset"),
        header("fieldledger-backed-up"),
    )
}

#[tokio::test]
async fn a_photo_comes_in_parts_and_is_told_when_it_is_whole() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    assert_eq!(it.ask(Method::HEAD, &token).await.status, StatusCode::NOT_FOUND);
    let begun = it.begin(&token).await;
    assert_eq!(told(&begun), (201, "0", "0"));
    assert_eq!(begun.headers["location"], it.path());
    assert_eq!(
        told(&it.append(&token, 0, it.photo[..9_000].to_vec()).await),
        (204, "9000", "0")
    );
    // The network breaks in the middle of a part.
    let broken = futures::stream::iter([Ok(it.photo[9_000..12_000].to_vec()), Err(std::io::Error::other("gone"))]);
    let answer = it.append(&token, 9_000, Body::from_stream(broken)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "malformed"));
    assert_eq!(told(&it.ask(Method::HEAD, &token).await), (200, "12000", "0"));
    assert_eq!(told(&it.begin(&token).await), (201, "12000", "0"));
    let answer = it.append(&token, 9_000, it.photo[9_000..].to_vec()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "wrong_offset"));
    assert_eq!(it.ask(Method::GET, &token).await.code(), "not_found");
    let mut news = it.fixture.state.sync.live().subscribe(ORGANISATION);
    assert_eq!(
        told(&it.append(&token, 12_000, it.photo[12_000..].to_vec()).await),
        (204, "20000", "0")
    );
    // The pages that show the visit hear of it.
    let Some(Heard::Grown(mark, about)) = news.next().await else {
        panic!("nobody was told");
    };
    assert_eq!(mark.stream, StreamId::Territory(NORTH));
    assert!(about.any(|subject| subject.customer == Some(BAKERY)) && !about.any(|subject| subject.customer.is_none()));
    // Again: a phone that did not hear the answer.
    assert_eq!(told(&it.begin(&token).await), (201, "20000", "0"));
    assert_eq!(
        told(&it.append(&token, 20_000, Body::empty()).await),
        (204, "20000", "0")
    );
    let fetched = it.ask(Method::GET, &token).await;
    assert_eq!((fetched.status.as_u16(), &fetched.body[..]), (200, &it.photo[..]));
    let metrics = it.fixture.state.metrics.encode().unwrap();
    assert!(metrics.contains("fieldledger_evidence_files_total 1") && metrics.contains("evidence_bytes_total 20000"));
}

#[tokio::test]
async fn the_rest_of_a_file_is_given_to_whoever_has_its_beginning() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    it.begin(&token).await;
    it.append(&token, 0, it.photo.clone()).await;
    let get = async |headers: &[(&str, &str)]| {
        let mut request = Request::get(it.path()).header(header::AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = it.fixture.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers["tus-resumable"], "1.0.0");
        answer
    };
    let header = |answer: &Answer, name: &str| {
        let value = answer.headers.get(name).map_or("", |it| it.to_str().unwrap());
        value.to_owned()
    };
    let tag = format!("\"{}\"", it.hash);
    let whole = get(&[]).await;
    assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, &it.photo[..]));
    assert_eq!(
        (header(&whole, "accept-ranges"), header(&whole, "etag")),
        ("bytes".to_owned(), tag.clone())
    );

    for headers in [
        &[("range", "bytes=12345-")][..],
        &[("range", "bytes=12345-19999"), ("if-range", &tag)],
        &[("range", "bytes=-7655"), ("if-none-match", "\"another\"")],
    ] {
        let rest = get(headers).await;
        assert_eq!(
            (rest.status.as_u16(), &rest.body[..]),
            (206, &it.photo[12_345..]),
            "{headers:?}"
        );
        assert_eq!(header(&rest, "content-range"), "bytes 12345-19999/20000");
        assert_eq!(
            (header(&rest, "content-length"), header(&rest, "etag")),
            ("7655".to_owned(), tag.clone())
        );
    }
    // The beginning is of another file, or of who knows which: the whole. And what counts something else is left aside.
    let weak = format!("W/{tag}");
    for headers in [
        &[("range", "bytes=12345-"), ("if-range", "\"another\"")][..],
        &[("range", "bytes=12345-"), ("if-range", &weak)],
        &[("range", "bytes=12345-"), ("if-range", "Sat, 28 Nov 2026 10:00:00 GMT")],
        &[("range", "lines=1-")],
    ] {
        let whole = get(headers).await;
        assert_eq!((whole.status.as_u16(), whole.body.len()), (200, 20_000), "{headers:?}");
    }
    for range in ["bytes=20000-", "bytes=0-1,5-6", "bytes=7-3"] {
        let refused = get(&[("range", range)]).await;
        assert_eq!(refused.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(header(&refused, "content-range"), "bytes */20000");
    }
    let known = get(&[("if-none-match", &tag), ("range", "bytes=5-")]).await;
    assert_eq!(
        (known.status.as_u16(), known.body.len(), header(&known, "etag")),
        (304, 0, tag)
    );
}

#[tokio::test]
async fn only_files_that_a_record_names_are_taken_and_only_from_those_it_concerns() {
    let it = Company::new().await;
    let anna = it.fixture.phone(ANNA).await.token;
    let (visit, hash) = (it.visit.to_string(), it.hash.to_string());
    let nobody = DocumentId::from_bytes([9; 16]).to_string();
    for (document, name, length, status, code) in [
        (nobody.as_str(), hash.as_str(), 20_000, 409, "evidence_not_named"),
        (&visit, &"ab".repeat(32), 20_000, 409, "evidence_not_named"),
        (&visit, &hash, 19_999, 422, "invalid_field"),
        (&visit, "no hash", 20_000, 422, "invalid_field"),
        ("no id", &hash, 20_000, 422, "invalid_field"),
    ] {
        let answer = it.fixture.send(begin(&anna, document, name, length)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{document} {name}"
        );
    }
    // A colleague of the territory may bring it too; who is elsewhere may not even know that it is there.
    let [bert, sven] = [BERT, SVEN].map(|user| it.fixture.phone(user));
    let (bert, sven) = (bert.await.token, sven.await.token);
    assert_eq!(told(&it.begin(&bert).await).0, 201);
    for answer in [
        it.begin(&sven).await,
        it.append(&sven, 0, it.photo.clone()).await,
        it.ask(Method::GET, &sven).await,
    ] {
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (409, "evidence_not_named")
        );
    }
    assert_eq!(it.ask(Method::HEAD, &sven).await.status, StatusCode::CONFLICT);
    // The customer was moved away after the photo was taken: it still arrives.
    let hash = EvidenceHash(Sha256::digest(b"moved").into());
    let moved = put_visit(&it.fixture, 2, StreamId::Territory(SOUTH), ANNA, hash, 5).await;
    let begun = it
        .fixture
        .send(begin(&anna, &moved.to_string(), &hash.to_string(), 5))
        .await;
    assert_eq!(told(&begun).0, 201, "{}", begun.text());
    let path = format!("/v1/evidence/{moved}/{hash}");
    assert_eq!(
        told(&it.fixture.send(append(&anna, &path, 0, "moved")).await),
        (204, "5", "0")
    );
}

#[tokio::test]
async fn what_is_not_said_in_the_words_of_tus_is_refused() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    let without = |mut request: Request<Body>, name: &str| {
        request.headers_mut().remove(name);
        request
    };
    let (visit, hash) = (it.visit.to_string(), it.hash.to_string());
    let beginning = || begin(&token, &visit, &hash, 20_000);
    let part = || append(&token, &it.path(), 0, "x");
    for (request, status, code) in [
        (without(beginning(), "tus-resumable"), 412, "malformed"),
        (without(beginning(), "upload-length"), 400, "malformed"),
        (without(beginning(), "upload-metadata"), 422, "invalid_field"),
        (without(beginning(), "authorization"), 401, "sign_in_again"),
        (without(part(), "tus-resumable"), 412, "malformed"),
        (without(part(), "upload-offset"), 400, "malformed"),
        (without(part(), "content-type"), 415, "wrong_media_type"),
        (without(part(), "authorization"), 401, "sign_in_again"),
        (part(), 404, "not_found"),
    ] {
        let answer = it.fixture.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
    }
    let request = Request::options("/v1/evidence").body(Body::empty()).unwrap();
    let about = it.fixture.send(request).await;
    assert_eq!(about.status, StatusCode::NO_CONTENT);
    assert_eq!(about.headers["tus-version"], "1.0.0");
    assert_eq!(about.headers["tus-extension"], "creation");
    assert_eq!(about.headers["tus-max-size"], "500000000");
}

#[tokio::test]
async fn wrong_bytes_too_many_and_too_large_a_file_are_refused_and_leave_nothing() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    it.begin(&token).await;
    let answer = it.append(&token, 0, vec![0; 20_001]).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "too_large"));
    it.begin(&token).await;
    let answer = it.append(&token, 0, vec![0; 20_000]).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (460, "wrong_hash"));
    assert_eq!(told(&it.begin(&token).await), (201, "0", "0"));
    assert_eq!(told(&it.append(&token, 0, it.photo.clone()).await), (204, "20000", "0"));

    let small = Company::with(ServerConfig {
        evidence_largest_mb: 0,
        ..ServerConfig::default()
    })
    .await;
    let token = small.fixture.phone(ANNA).await.token;
    let answer = small.begin(&token).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "too_large"));
}

#[tokio::test]
async fn a_file_that_was_kept_but_not_noted_when_the_server_died_is_sent_once_more() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    it.begin(&token).await;
    it.append(&token, 0, it.photo.clone()).await;
    let store = &it.fixture.state.store;
    store.forget_evidence(ORGANISATION, &[it.hash]).await.unwrap();
    // That it lies there proves nothing about who names it.
    assert_eq!(told(&it.begin(&token).await), (201, "0", "0"));
    assert_eq!(told(&it.append(&token, 0, it.photo.clone()).await), (204, "20000", "0"));
    assert_eq!(store.evidence_files(ORGANISATION, &[it.hash]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_came_whole_before_the_server_died_is_checked_before_it_is_called_stored() {
    let it = Company::new().await;
    let phone = it.fixture.phone(ANNA).await;
    let upload = Upload {
        organisation: ORGANISATION,
        device: phone.device,
        hash: it.hash,
        size: 20_000,
    };
    let blobs = &it.fixture.state.blobs;
    for (bytes, said) in [(vec![0; 20_000], "0"), (it.photo.clone(), "20000")] {
        it.begin(&phone.token).await;
        assert_eq!(blobs.append(upload, 0, Body::from(bytes)).await.unwrap(), 20_000);
        assert_eq!(told(&it.begin(&phone.token).await), (201, said, "0"));
    }
    assert_eq!(it.ask(Method::GET, &phone.token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_file_that_is_gone_from_the_disk_is_asked_for_again() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    it.begin(&token).await;
    it.append(&token, 0, it.photo.clone()).await;
    let store = &it.fixture.state.store;
    store.evidence_backed_up(ORGANISATION, &[it.hash]).await.unwrap();
    assert_eq!(told(&it.begin(&token).await), (201, "20000", "1"));
    let path = it.fixture.state.blobs.path(ORGANISATION, it.hash);
    std::fs::write(&path, "cut short").unwrap();
    assert_eq!(told(&it.begin(&token).await), (201, "0", "0"));
    assert_eq!(told(&it.append(&token, 0, it.photo.clone()).await), (204, "20000", "0"));
    assert_eq!(std::fs::read(path).unwrap(), it.photo);
}

#[tokio::test]
async fn a_last_part_is_not_called_stored_because_the_database_says_so() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    it.begin(&token).await;
    it.append(&token, 0, it.photo.clone()).await;
    std::fs::write(it.fixture.state.blobs.path(ORGANISATION, it.hash), "cut short").unwrap();
    // The phone asks once more how its last part went.
    let again = it.append(&token, 20_000, Body::empty()).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (404, "not_found"));
    // Nor is what is left of it given to anybody.
    assert_eq!(it.ask(Method::GET, &token).await.code(), "not_found");
    assert_eq!(told(&it.begin(&token).await), (201, "0", "0"));
    assert_eq!(told(&it.append(&token, 0, it.photo.clone()).await), (204, "20000", "0"));
}

#[tokio::test]
async fn a_phone_with_much_unfinished_is_told_to_finish_that_first() {
    let it = Company::with(ServerConfig {
        evidence_unfinished_mb: 1,
        ..ServerConfig::default()
    })
    .await;
    let token = it.fixture.phone(ANNA).await.token;
    let video = EvidenceHash([7; 32]);
    let other = put_visit(&it.fixture, 2, StreamId::Territory(NORTH), ANNA, video, 990_000).await;
    it.begin(&token).await;
    let begin_video = || begin(&token, &other.to_string(), &video.to_string(), 990_000);
    let refused = it.fixture.send(begin_video()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (507, "too_much_unfinished")
    );
    assert!(refused.text().contains("tries again later"), "{}", refused.text());
    it.append(&token, 0, it.photo.clone()).await;
    assert_eq!(told(&it.fixture.send(begin_video()).await), (201, "0", "0"));
}

#[tokio::test]
async fn who_only_knows_the_name_of_a_file_is_not_shown_it() {
    let it = Company::new().await;
    let anna = it.fixture.phone(ANNA).await.token;
    it.begin(&anna).await;
    it.append(&anna, 0, it.photo.clone()).await;
    // Sven of the south names the photo in a visit of his own.
    let sven = it.fixture.phone(SVEN).await.token;
    let own = put_visit(&it.fixture, 2, StreamId::Territory(SOUTH), SVEN, it.hash, 20_000).await;
    let path = format!("/v1/evidence/{own}/{}", it.hash);
    let get = || {
        let request = Request::get(&path).header(header::AUTHORIZATION, format!("Bearer {sven}"));
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(it.fixture.send(get()).await.code(), "not_found");
    let (cookie, _) = it.fixture.session(DORA).await;
    let page = |path: String| {
        let request = Request::get(path).header(header::COOKIE, &cookie);
        request.body(Body::empty()).unwrap()
    };
    // Finance reads both, and sees it in both.
    let seen = it.fixture.send(page(format!("/records/{own}"))).await.text();
    assert!(seen.contains("1 of 1 files have arrived."), "{seen}");
    // Who has the bytes shows that by bringing them.
    let begun = it
        .fixture
        .send(begin(&sven, &own.to_string(), &it.hash.to_string(), 20_000))
        .await;
    assert_eq!(told(&begun), (201, "0", "0"));
    let brought = it.fixture.send(append(&sven, &path, 0, it.photo.clone())).await;
    assert_eq!(told(&brought), (204, "20000", "0"));
    assert_eq!(it.fixture.send(get()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_supervisor_sees_on_the_pages_what_arrived() {
    let it = Company::new().await;
    let token = it.fixture.phone(ANNA).await.token;
    let path = format!("/records/{}/evidence/{}", it.visit, it.hash);
    let (cookie, _) = it.fixture.session(CARLA).await;
    let see = async |path: &str| {
        let request = Request::get(path).header(header::COOKIE, &cookie);
        it.fixture.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(see(&path).await.status, StatusCode::NOT_FOUND);
    let record = format!("/records/{}", it.visit);
    assert!(see(&record).await.text().contains("File not yet arrived"));
    it.begin(&token).await;
    it.append(&token, 0, it.photo.clone()).await;
    let page = see(&record).await.text();
    assert!(
        page.contains(&format!("src=\"{path}\"")) && !page.contains("File not yet arrived"),
        "{page}"
    );
    let photo = see(&path).await;
    assert_eq!((photo.status.as_u16(), &photo.body[..]), (200, &it.photo[..]));
    assert_eq!(photo.headers["content-type"], "image/jpeg");
    assert_eq!(photo.headers["x-content-type-options"], "nosniff");
    assert!(
        photo.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("sandbox")
    );
    // A browser that has it is not sent it again, but asks each time whether it still may see it.
    assert_eq!(photo.headers["cache-control"], "private, no-cache");
    let again = Request::get(&path)
        .header(header::COOKIE, &cookie)
        .header("if-none-match", photo.headers["etag"].clone());
    let again = it.fixture.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let part = Request::get(&path)
        .header(header::COOKIE, &cookie)
        .header("range", "bytes=10-19");
    let part = it.fixture.send(part.body(Body::empty()).unwrap()).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &it.photo[10..20]));
}
