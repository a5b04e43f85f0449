//! `/v1/evidence`: files of evidence, uploaded in parts by the protocol tus 1.0, and fetched.
//!
//! A phone sends its documents first. A file is taken only when a document of the company names it, from the person who
//! took it or from somebody who may read the document: nobody can fill the disk with what no document speaks of. What is
//! taken has the size that the document says and is no larger than the operator allows.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use fieldledger_core::{
    document::Summary,
    model::{DocumentId, Evidence, EvidenceHash, InvalidField, OrganisationId},
    sync::protocol::{
        BACKED_UP_HEADER, EVIDENCE_PATH, StreamId, StreamMark, TUS_VERSION, UPLOAD_MEDIA_TYPE, evidence_code,
    },
};

use super::{body, openapi};
use crate::{
    auth::DeviceAuth,
    blobs::{BlobError, Upload},
    error::{ApiError, code},
    ingest::{About, Subject},
    state::AppState,
    store::{EvidenceFile, StoreError, StoredDocument},
};

pub(super) const FILE_PATH: &str = "/v1/evidence/{document}/{hash}";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const BACKED_UP: HeaderName = HeaderName::from_static(BACKED_UP_HEADER);
/// What is said when what arrived is not what the hash says; the number is of tus's extension about checksums.
const CHECKSUM_MISMATCH: u16 = 460;

/// An answer about uploads; refusals too are told in the words of tus.
fn tus(answer: Result<Response, ApiError>) -> Response {
    let mut response = answer.into_response();
    let version = HeaderValue::from_static(TUS_VERSION);
    if response.status() == StatusCode::PRECONDITION_FAILED {
        response.headers_mut().insert(VERSION, version.clone());
    }
    response.headers_mut().insert(RESUMABLE, version);
    response
}

/// Which version of tus is spoken, which extensions of it, and how large a file may be.
#[utoipa::path(
    options,
    path = EVIDENCE_PATH,
    tag = "evidence",
    responses((status = 204, description = "The headers `Tus-Version`, `Tus-Extension`, `Tus-Max-Size`"))
)]
pub(super) async fn about(State(state): State<AppState>) -> Response {
    let headers = [
        (VERSION, HeaderValue::from_static(TUS_VERSION)),
        (EXTENSION, HeaderValue::from_static("creation")),
        (MAX_SIZE, HeaderValue::from(state.config.evidence_largest())),
    ];
    tus(Ok((StatusCode::NO_CONTENT, headers).into_response()))
}

/// Begins an upload, or tells how far one has come: `Upload-Offset` as large as the file means that it is stored.
#[utoipa::path(
    post,
    path = EVIDENCE_PATH,
    tag = "evidence",
    security(("device_token" = [])),
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Length" = u64, Header, description = "Size of the file in bytes, as its document says"),
        ("Upload-Metadata" = String, Header,
            description = "`document` (the id of the document that names the file) and `sha256` (64 hexadecimal digits), \
                           each in base64: `document ZmY=,sha256 YWI=`"),
    ),
    responses(
        (status = 201, description = "Begun, or begun before: `Location`, `Upload-Offset`, and `Fieldledger-Backed-Up: 1` \
                                      when a backup holds the file"),
        (status = 401, description = "`sign_in_again`", body = openapi::Problem),
        (status = 403, description = "`revoked`, `account_disabled`", body = openapi::Problem),
        (status = 409, description = "`evidence_not_named`: no document that the server has names it (yet)",
            body = openapi::Problem),
        (status = 412, description = "`malformed`: another version of tus", body = openapi::Problem),
        (status = 413, description = "`too_large`", body = openapi::Problem),
        (status = 422, description = "`invalid_field`", body = openapi::Problem),
        (status = 429, description = "`too_many_requests`, with Retry-After", body = openapi::Problem),
        (status = 507, description = "`storage_full`; `too_much_unfinished`: the phone has to finish others first",
            body = openapi::Problem),
    )
)]
pub(super) async fn begin(State(state): State<AppState>, auth: DeviceAuth, headers: HeaderMap) -> Response {
    tus(begun(&state, &auth, &headers).await)
}

async fn begun(state: &AppState, auth: &DeviceAuth, headers: &HeaderMap) -> Result<Response, ApiError> {
    state.limits.evidence(auth.device.id)?;
    require_version(headers)?;
    let length = number(headers, &LENGTH)?;
    let metadata = headers
        .get(METADATA)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let document: DocumentId = value_of(metadata, "document")?;
    let hash: EvidenceHash = value_of(metadata, "sha256")?;
    let named = find(state, auth, document, hash).await?;
    if length != named.piece.size {
        let message = format!("the document says that the file has {} bytes", named.piece.size);
        return Err(ApiError::invalid_field(InvalidField::new("Upload-Length", message)));
    }
    let largest = state.config.evidence_largest();
    if length > largest {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            code::TOO_LARGE,
            format!("the file is larger than the {largest} bytes that this server takes; make it smaller"),
        ));
    }
    let (offset, backed_up) = match standing(state, auth, &named).await? {
        Some(standing) => standing,
        None => (state.blobs.begin(named.upload(auth)).await?, false),
    };
    let location = HeaderValue::try_from(format!("{EVIDENCE_PATH}/{document}/{hash}"))
        .map_err(|error| ApiError::internal(&error))?;
    let answer = (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        place(offset, backed_up),
    );
    Ok(answer.into_response())
}

/// Tells how far an upload has come.
#[utoipa::path(
    head,
    path = FILE_PATH,
    tag = "evidence",
    security(("device_token" = [])),
    params(
        ("document" = String, Path, description = "Id of the document that names the file"),
        ("hash" = String, Path, description = "SHA-256 of the file, 64 hexadecimal digits"),
    ),
    responses(
        (status = 200, description = "`Upload-Offset`, `Upload-Length`, `Fieldledger-Backed-Up`"),
        (status = 401, description = "The device's token is not accepted"),
        (status = 403, description = "The device or the account is shut out"),
        (status = 404, description = "Nothing of it was begun"),
        (status = 409, description = "No document that the server has names it"),
    )
)]
pub(super) async fn come(
    State(state): State<AppState>,
    auth: DeviceAuth,
    Path((document, hash)): Path<(String, String)>,
) -> Response {
    let answer = async {
        state.limits.evidence(auth.device.id)?;
        let (document, hash) = names(&document, &hash)?;
        let named = find(&state, &auth, document, hash).await?;
        let (offset, backed_up) = standing(&state, &auth, &named).await?.ok_or(BlobError::Gone)?;
        let length = [(LENGTH, HeaderValue::from(named.piece.size))];
        Ok((length, place(offset, backed_up)).into_response())
    };
    tus(answer.await)
}

/// Adds a part to an upload. Every byte that arrives is kept, also when the part breaks off. The last part is answered when
/// all bytes have been checked and are on the disk.
#[utoipa::path(
    patch,
    path = FILE_PATH,
    tag = "evidence",
    security(("device_token" = [])),
    params(
        ("document" = String, Path, description = "Id of the document that names the file"),
        ("hash" = String, Path, description = "SHA-256 of the file, 64 hexadecimal digits"),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Offset" = u64, Header, description = "Where the part belongs"),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "`Upload-Offset`: how far it has come; `Fieldledger-Backed-Up`"),
        (status = 400, description = "`malformed`: the part broke off; what came of it is kept", body = openapi::Problem),
        (status = 401, description = "`sign_in_again`", body = openapi::Problem),
        (status = 403, description = "`revoked`, `account_disabled`", body = openapi::Problem),
        (status = 404, description = "`not_found`: begin again", body = openapi::Problem),
        (status = 409, description = "`wrong_offset`, `superseded`, `evidence_not_named`", body = openapi::Problem),
        (status = 412, description = "`malformed`: another version of tus", body = openapi::Problem),
        (status = 413, description = "`too_large`: more bytes than the file has", body = openapi::Problem),
        (status = 415, description = "`wrong_media_type`", body = openapi::Problem),
        (status = 429, description = "`too_many_requests`, with Retry-After", body = openapi::Problem),
        (status = 460, description = "`wrong_hash`: nothing of it is kept, begin again", body = openapi::Problem),
        (status = 507, description = "`storage_full`", body = openapi::Problem),
    )
)]
pub(super) async fn append(
    State(state): State<AppState>,
    auth: DeviceAuth,
    Path((document, hash)): Path<(String, String)>,
    headers: HeaderMap,
    part: Body,
) -> Response {
    let answer = async {
        state.limits.evidence(auth.device.id)?;
        require_version(&headers)?;
        body::require_media_type(&headers, UPLOAD_MEDIA_TYPE)?;
        let offset = number(&headers, &OFFSET)?;
        let (document, hash) = names(&document, &hash)?;
        let named = find(&state, &auth, document, hash).await?;
        let size = named.piece.size;
        if let Some(file) = still_here(&state, &auth, &named).await? {
            return if offset == size {
                Ok((StatusCode::NO_CONTENT, place(size, file.backed_up)).into_response())
            } else {
                Err(BlobError::WrongOffset(size).into())
            };
        }
        let upload = named.upload(&auth);
        let come = state.blobs.append(upload, offset, part).await?;
        if come == size {
            complete(&state, &auth, &named).await?;
        }
        Ok((StatusCode::NO_CONTENT, place(come, false)).into_response())
    };
    tus(answer.await)
}

/// A file that has arrived, or the rest of one: a fetch that broke off goes on where it was.
#[utoipa::path(
    get,
    path = FILE_PATH,
    tag = "evidence",
    security(("device_token" = [])),
    params(
        ("document" = String, Path, description = "Id of the document that names the file"),
        ("hash" = String, Path, description = "SHA-256 of the file, 64 hexadecimal digits"),
        ("Range" = Option<String>, Header, description = "One part of the file: `bytes=4096-`"),
        ("If-Range" = Option<String>, Header,
            description = "The hash in quotation marks, as in `ETag`: with another one comes the whole file"),
        ("If-None-Match" = Option<String>, Header, description = "The same: who has the file is not sent it"),
    ),
    responses(
        (status = 200, description = "Its bytes, with `Accept-Ranges: bytes` and `ETag`, which is the hash in quotation marks",
            body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The bytes that `Range` asked for, with `Content-Range` and `ETag`", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names the file"),
        (status = 401, description = "`sign_in_again`", body = openapi::Problem),
        (status = 403, description = "`revoked`, `account_disabled`", body = openapi::Problem),
        (status = 404, description = "`not_found`: it has not arrived", body = openapi::Problem),
        (status = 409, description = "`evidence_not_named`", body = openapi::Problem),
        (status = 416, description = "The file has no such bytes, or `Range` asked for more than one part: \
                                      `Content-Range: bytes */{size}`"),
        (status = 429, description = "`too_many_requests`, with Retry-After", body = openapi::Problem),
    )
)]
pub(super) async fn fetch(
    State(state): State<AppState>,
    auth: DeviceAuth,
    Path((document, hash)): Path<(String, String)>,
    request: axum::extract::Request,
) -> Response {
    let answer = async {
        state.limits.evidence(auth.device.id)?;
        let (document, hash) = names(&document, &hash)?;
        let named = find(&state, &auth, document, hash).await?;
        if still_here(&state, &auth, &named).await?.is_none() {
            return Err(ApiError::not_found("this file has not arrived yet"));
        }
        Ok(state.blobs.serve(auth.device.organisation, hash, request).await?)
    };
    tus(answer.await)
}

/// A file that a document names.
struct Named {
    document: StoredDocument,
    hash: EvidenceHash,
    piece: Evidence,
    /// It has arrived, and this person may know it.
    arrived: Option<EvidenceFile>,
}

impl Named {
    fn upload(&self, auth: &DeviceAuth) -> Upload {
        Upload {
            organisation: auth.device.organisation,
            device: auth.device.id,
            hash: self.hash,
            size: self.piece.size,
        }
    }
}

/// Finds the file in the document that is said to name it.
async fn find(
    state: &AppState,
    auth: &DeviceAuth,
    document: DocumentId,
    hash: EvidenceHash,
) -> Result<Named, ApiError> {
    // The same for a document that is not there and for one that is none of this person's business.
    let not_named = || {
        ApiError::new(
            StatusCode::CONFLICT,
            evidence_code::NOT_NAMED,
            "the server has no record that names this file; the record has to be accepted first",
        )
    };
    let found = state.store.document(auth.device.organisation, document).await?;
    let document = found.ok_or_else(not_named)?;
    let piece = document.evidence().remove(&hash).ok_or_else(not_named)?;
    let account = &auth.account;
    let may_read = |stream| match stream {
        StreamId::Territory(territory) => account.may_read(territory),
        StreamId::User(user) => user == account.user,
        StreamId::Device(device) => device == auth.device.id,
        StreamId::Catalogue | StreamId::Finance => false,
    };
    // A rep whose customer was moved away still has the photos.
    if !may_read(document.stream) && piece.taken_by != account.user {
        return Err(not_named());
    }
    let arrived = arrived_for(state, auth.device.organisation, &document, &piece, hash, may_read).await?;
    Ok(Named {
        document,
        hash,
        piece,
        arrived,
    })
}

/// The file that a document names, if it has arrived and whoever reads the document may see it. The name of a file is no secret,
/// and anybody can write it into a record of their own: so the bytes were brought for this document, or for one that may be
/// read too.
pub(crate) async fn arrived_for(
    state: &AppState,
    org: OrganisationId,
    document: &StoredDocument,
    piece: &Evidence,
    hash: EvidenceHash,
    may_read: impl Fn(StreamId) -> bool,
) -> Result<Option<EvidenceFile>, StoreError> {
    let mut files = state.store.evidence_files(org, &[hash]).await?;
    files.retain(|it| it.size == piece.size);
    if let Some(own) = files.iter().find(|it| it.document == document.id) {
        return Ok(Some(*own));
    }
    for file in files {
        let other = state.store.document(org, file.document).await?;
        if other.is_some_and(|it| may_read(it.stream)) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The file that has arrived, if it is on the disk as large as it was: what the database says of it proves nothing about a disk
/// that failed. One that is gone is forgotten, and sent again.
async fn still_here(state: &AppState, auth: &DeviceAuth, named: &Named) -> Result<Option<EvidenceFile>, ApiError> {
    let Some(file) = named.arrived else { return Ok(None) };
    let org = auth.device.organisation;
    if state.blobs.has(org, named.hash, named.piece.size).await {
        return Ok(Some(file));
    }
    tracing::error!(hash = %named.hash, "a file of evidence is gone; the phone is asked to send it again");
    state.store.forget_evidence(org, &[named.hash]).await?;
    Ok(None)
}

/// How far a file has come, and whether a backup holds it; `None` when nothing of it is here. All of it has come only once it is
/// the file that its name says.
async fn standing(state: &AppState, auth: &DeviceAuth, named: &Named) -> Result<Option<(u64, bool)>, ApiError> {
    let size = named.piece.size;
    if let Some(file) = still_here(state, auth, named).await? {
        return Ok(Some((size, file.backed_up)));
    }
    let Some(come) = state.blobs.come(named.upload(auth)).await else {
        return Ok(None);
    };
    if come < size {
        return Ok(Some((come, false)));
    }
    // The server died, or the disk failed, between the last byte and the name.
    match complete(state, auth, named).await {
        Ok(()) => Ok(Some((size, false))),
        Err(error) if error.code == evidence_code::WRONG_HASH => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes what has come whole the file that it is said to be, notes that, and tells the pages that show its document.
async fn complete(state: &AppState, auth: &DeviceAuth, named: &Named) -> Result<(), ApiError> {
    let (org, document) = (auth.device.organisation, &named.document);
    match state.blobs.finish(named.upload(auth)).await {
        // Another request has just finished it.
        Err(BlobError::Gone) if state.blobs.has(org, named.hash, named.piece.size).await => {}
        finished => finished?,
    }
    let file = EvidenceFile {
        hash: named.hash,
        size: named.piece.size,
        document: document.id,
        device: auth.device.id,
        arrived_at: state.clock.now(),
        backed_up: false,
    };
    state.store.evidence_arrived(org, file).await?;
    state.metrics.evidence_arrived(named.piece.size);
    if let Some(head) = state.store.head(org, document.stream).await? {
        let mark = StreamMark {
            stream: document.stream,
            seq: head.seq,
        };
        let summary = Summary::of(&document.tree);
        let subject = Subject {
            kind: Some(summary.kind),
            customer: summary.customer,
        };
        // The stream has not grown: phones that listen find nothing new and stay as they are.
        state.sync.live().publish_about(org, mark, About::these([subject]));
    }
    Ok(())
}

fn place(offset: u64, backed_up: bool) -> [(HeaderName, HeaderValue); 2] {
    [
        (OFFSET, HeaderValue::from(offset)),
        (BACKED_UP, HeaderValue::from(u64::from(backed_up))),
    ]
}

fn require_version(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get(RESUMABLE).is_some_and(|it| it == TUS_VERSION) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::PRECONDITION_FAILED,
        code::MALFORMED,
        format!("uploads need the header Tus-Resumable: {TUS_VERSION}"),
    ))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, ApiError> {
    let number = headers.get(name).and_then(|it| it.to_str().ok()?.parse().ok());
    number.ok_or_else(|| ApiError::malformed(format!("the header {name} has to be a number of bytes")))
}

fn names(document: &str, hash: &str) -> Result<(DocumentId, EvidenceHash), ApiError> {
    match (document.parse(), hash.parse()) {
        (Ok(document), Ok(hash)) => Ok((document, hash)),
        _ => Err(ApiError::not_found(
            "an upload is named by a document's id and a SHA-256",
        )),
    }
}

/// The value of `key` in the header `Upload-Metadata`.
fn value_of<T: std::str::FromStr>(metadata: &str, key: &str) -> Result<T, ApiError> {
    let found = metadata.split(',').find_map(|pair| {
        let (name, value) = pair.trim().split_once(' ')?;
        let value = BASE64.decode(value.trim()).ok().filter(|_| name == key)?;
        std::str::from_utf8(&value).ok()?.parse().ok()
    });
    found.ok_or_else(|| {
        let message = format!("has to hold `{key}`, in base64");
        ApiError::invalid_field(InvalidField::new("Upload-Metadata", message))
    })
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        let message = error.to_string();
        match error {
            BlobError::WrongOffset(_) => Self::new(StatusCode::CONFLICT, evidence_code::WRONG_OFFSET, message),
            BlobError::Superseded => Self::new(StatusCode::CONFLICT, evidence_code::SUPERSEDED, message),
            BlobError::Gone => Self::not_found(message),
            BlobError::TooMany => Self::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, message),
            BlobError::WrongHash => {
                let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
                Self::new(status, evidence_code::WRONG_HASH, message)
            }
            BlobError::Broken => Self::malformed(message),
            BlobError::Full => {
                tracing::error!("there is no room for files of evidence");
                Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    evidence_code::STORAGE_FULL,
                    "the server has no room for files at present; nothing is lost, the phone tries again later",
                )
            }
            BlobError::TooMuchUnfinished(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                evidence_code::UNFINISHED,
                format!("{message}; nothing is lost, the phone tries again later"),
            ),
            BlobError::Disk(error) => Self::internal(&error),
        }
    }
}
