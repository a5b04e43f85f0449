//! `POST /v1/sync`: one exchange.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use fieldledger_core::{
    model::Timestamp,
    sync::protocol::{
        Entry, MAX_BODY_BYTES, MEDIA_TYPE, PROTOCOL, RejectionCode, SYNC_PATH, SyncRequest, SyncResponse, Verdict,
        WireError, pack, unpack,
    },
};
use minicbor::Decode;
use tokio::task::spawn_blocking;

use super::{body, middleware, openapi};
use crate::{
    auth::{DeviceAuth, hash_secret},
    error::{ApiError, code},
    ingest::ExchangeError,
    metrics::Exchanged,
    state::AppState,
    store::{AuditEntry, DeviceContact, OTHER_INSTALLATION},
};

/// The oldest protocol that is still spoken.
const OLDEST_PROTOCOL: u16 = 1;
/// How long an exchange waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest name of an app's version that is kept, in characters.
const MAX_VERSION: usize = 100;

/// The one part of a request that no version of the protocol changes.
#[derive(Decode)]
#[cbor(map)]
struct Spoken {
    #[n(0)]
    protocol: u16,
}

/// Pushes what a phone recorded and pulls what is new.
#[utoipa::path(
    post,
    path = SYNC_PATH,
    tag = "devices",
    security(("device_token" = [])),
    request_body(
        content = Vec<u8>,
        content_type = "application/vnd.fieldledger.sync+cbor-zstd",
        description = "SyncRequest of docs/protocol.md: CBOR, compressed with zstd, at most 4 MiB"
    ),
    responses(
        (status = 200, description = "SyncResponse of docs/protocol.md", body = Vec<u8>,
            content_type = "application/vnd.fieldledger.sync+cbor-zstd"),
        (status = 400, description = "`malformed`, `newer_server_needed`", body = openapi::Problem),
        (status = 401, description = "`sign_in_again`", body = openapi::Problem),
        (status = 403, description = "`revoked`, `account_disabled`, `another_phone`", body = openapi::Problem),
        (status = 408, description = "`timed_out`", body = openapi::Problem),
        (status = 413, description = "`too_large`", body = openapi::Problem),
        (status = 415, description = "`wrong_media_type`", body = openapi::Problem),
        (status = 426, description = "`newer_app_needed`", body = openapi::Problem),
        (status = 429, description = "`too_many_requests`, with Retry-After", body = openapi::Problem),
        (status = 503, description = "`unavailable`, with Retry-After", body = openapi::Problem),
    )
)]
pub(super) async fn sync(
    State(state): State<AppState>,
    auth: DeviceAuth,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, ApiError> {
    state.limits.exchange(auth.device.id)?;
    body::require_media_type(&headers, MEDIA_TYPE)?;
    let bytes = body::read(&headers, sent, MAX_BODY_BYTES).await?;
    let exchanged = tokio::time::timeout(state.config.request_timeout(), exchange(&state, &auth, bytes)).await;
    let packed = exchanged.map_err(|_| middleware::timed_out())??;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], packed).into_response())
}

async fn exchange(state: &AppState, auth: &DeviceAuth, bytes: Bytes) -> Result<Vec<u8>, ApiError> {
    let busy = || ApiError::unavailable("the server is busy; it goes on by itself in a moment");
    let Ok(Ok(_turn)) = tokio::time::timeout(PATIENCE, state.exchanges.acquire()).await else {
        return Err(busy());
    };
    let started = Instant::now();
    let bytes_up = bytes.len() as u64;
    let request = spawn_blocking(move || read(&bytes))
        .await
        .map_err(|error| ApiError::internal(&error))??;
    let now = state.clock.now();
    check_installation(state, auth, *request.installation, now).await?;
    let contact = DeviceContact {
        organisation: auth.device.organisation,
        device: auth.device.id,
        token_hash: auth.token_hash,
        app_version: request
            .app_version
            .chars()
            .filter(|it| !it.is_control())
            .take(MAX_VERSION)
            .collect(),
        waiting: request.waiting,
        clock_ahead_millis: request.device_time.millis_since(now),
        now,
    };
    let pushed = request.push.len() as u64;
    let mut response = state.sync.exchange(&auth.account, &auth.device, request).await?;
    state.store.device_contact(contact).await?;
    response.new_token = next_token(state, auth, now).await?;
    let pulled = count(state, &response);
    let packed = spawn_blocking(move || pack(&response))
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(|error| ApiError::internal(&error))?;
    state.metrics.exchange(Exchanged {
        seconds: started.elapsed().as_secs_f64(),
        pushed,
        pulled,
        bytes_up,
        bytes_down: packed.len() as u64,
    });
    Ok(packed)
}

/// Lets only the installation go on that the device was enrolled by. Two phones with one device would each believe to know
/// what the other has read and sent; the second one has to become a device of its own.
async fn check_installation(
    state: &AppState,
    auth: &DeviceAuth,
    installation: [u8; 16],
    now: Timestamp,
) -> Result<(), ApiError> {
    let device = &auth.device;
    if installation == device.installation {
        return Ok(());
    }
    let subject = format!("device:{}", device.id);
    let name: String = installation.iter().map(|byte| format!("{byte:02x}")).collect();
    let detail = format!("{}: its token came from installation {name}", device.name);
    let noted = state.store.audited(device.organisation, OTHER_INSTALLATION).await?;
    // It tries again and again; the log needs to hear of it once.
    if !noted.iter().any(|it| it.subject == subject && it.detail == detail) {
        tracing::warn!(device = %device.id, user = %device.user, "a second phone uses the device's token; it is refused");
        let entry = AuditEntry {
            at: now,
            actor: subject.clone(),
            action: OTHER_INSTALLATION.to_owned(),
            subject,
            detail,
        };
        state.store.audit(device.organisation, entry).await?;
    }
    Err(ApiError::another_phone())
}

/// Reads a request. Of one that another version of the protocol made, only that is told.
fn read(bytes: &[u8]) -> Result<SyncRequest, ApiError> {
    let request = unpack::<SyncRequest>(bytes);
    let spoken = match &request {
        Ok(request) => request.protocol,
        // Other keys may have other meanings in other versions, so what cannot be read may still be well made.
        Err(WireError::Malformed(_)) => unpack::<Spoken>(bytes).map_or(PROTOCOL, |it| it.protocol),
        Err(WireError::TooLarge) => PROTOCOL,
    };
    check_protocol(spoken)?;
    Ok(request?)
}

fn check_protocol(spoken: u16) -> Result<(), ApiError> {
    if spoken < OLDEST_PROTOCOL {
        Err(ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            code::NEWER_APP_NEEDED,
            "this app is too old for the server; install the newest version, nothing that waits on the phone is lost",
        ))
    } else if spoken > PROTOCOL {
        Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            code::NEWER_SERVER_NEEDED,
            "this app is newer than the server; ask the operator to update the server, nothing that waits is lost",
        ))
    } else {
        Ok(())
    }
}

/// A new token when the present one is old. It is offered with every reply until the phone uses it, because any reply
/// may get lost.
async fn next_token(state: &AppState, auth: &DeviceAuth, now: Timestamp) -> Result<Option<String>, ApiError> {
    let age = now.millis_since(auth.device.token_issued_at);
    if age < state.config.token_millis() {
        return Ok(None);
    }
    let device = &auth.device;
    // The token of this request may be the new one already; then the store has just given the device its date.
    let current = state.store.device_by_token(&auth.token_hash).await?;
    if current.is_none_or(|it| now.millis_since(it.token_issued_at) < state.config.token_millis()) {
        return Ok(None);
    }
    let token = state.secrets.token();
    let hash = hash_secret(&token);
    state
        .store
        .rotate_token(device.organisation, device.id, hash, now)
        .await?;
    Ok(Some(token))
}

/// Counts what the reply holds; returns the number of entries.
fn count(state: &AppState, response: &SyncResponse) -> u64 {
    for run in &response.verdicts {
        if let Verdict::Rejected(rejection) = &run.verdict {
            state.metrics.rejected(rejection_name(rejection.code), run.count.into());
        }
    }
    let entries = response.streams.iter().flat_map(|page| &page.entries);
    entries
        .filter(|entry| !matches!(entry, Entry::GoneDocument(_) | Entry::GoneRecord(_)))
        .count() as u64
}

fn rejection_name(code: RejectionCode) -> &'static str {
    match code {
        RejectionCode::Undecodable => "undecodable",
        RejectionCode::WrongAuthor => "wrong_author",
        RejectionCode::WrongTerritory => "wrong_territory",
        RejectionCode::NotAllowed => "not_allowed",
        RejectionCode::Invalid => "invalid",
        RejectionCode::ActorCollision => "actor_collision",
        RejectionCode::UnknownCustomer => "unknown_customer",
        RejectionCode::Other => "other",
    }
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Protocol(spoken) => check_protocol(spoken)
                .err()
                .unwrap_or_else(|| Self::malformed(error.to_string())),
            ExchangeError::TooMany { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, error.to_string())
            }
            ExchangeError::Revoked => Self::revoked(),
            ExchangeError::Disabled => Self::account_disabled(),
            ExchangeError::WrongDevice => Self::sign_in_again(),
            ExchangeError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use minicbor::Encode;

    use super::*;

    #[derive(Encode)]
    #[cbor(map)]
    struct Foreign {
        #[n(0)]
        protocol: u16,
        #[n(1)]
        app_version: Vec<u8>,
    }

    #[test]
    fn a_request_of_another_protocol_is_told_who_has_to_update_even_when_it_cannot_be_read() {
        let code_of = |protocol| {
            let foreign = Foreign {
                protocol,
                app_version: vec![1, 2, 3],
            };
            read(&pack(&foreign).unwrap()).unwrap_err().code
        };
        assert_eq!(code_of(PROTOCOL + 1), code::NEWER_SERVER_NEEDED);
        assert_eq!(code_of(0), code::NEWER_APP_NEEDED);
        assert_eq!(code_of(PROTOCOL), code::MALFORMED);
    }
}
