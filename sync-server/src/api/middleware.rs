//! What surrounds every request: its id, its log line, its time limit, and what happens when a handler fails.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use fieldledger_core::sync::protocol::{EVIDENCE_PATH, SYNC_PATH};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::{
    error::{ApiError, ErrorCode, code},
    state::AppState,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Surrounds every route of the server.
pub(crate) fn protect(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    router
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(from_fn_with_state(state.clone(), within_time))
        .layer(from_fn_with_state(state.clone(), watch))
}

/// Gives the request an id, logs and counts how it ended, and adds the headers that every answer has. Headers and bodies
/// are never logged: they hold secrets.
async fn watch(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|id| {
            (1..=64).contains(&id.len())
                && id
                    .as_bytes()
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        })
        .cloned()
        .unwrap_or_else(|| {
            let number = u128::from_be_bytes(state.secrets.bytes());
            HeaderValue::try_from(format!("{number:032x}")).unwrap_or(HeaderValue::from_static("-"))
        });
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    // The pattern, not the path: paths hold ids, and counting each would never end.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("-", MatchedPath::as_str)
        .to_owned();
    let label = id.to_str().unwrap_or("-");
    let span = tracing::info_span!("request", id = label, %method, route);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    state.metrics.request(known(&method), &route, status.as_u16());
    let code = response.extensions().get::<ErrorCode>().map(|it| it.0);
    if let Some(code) = code {
        state.metrics.error(code);
    }
    let _inside = span.enter();
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics") {
        tracing::debug!(status = status.as_u16(), millis, "answered");
    } else {
        tracing::info!(status = status.as_u16(), code, millis, "answered");
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if state.config.is_https() {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
    response
}

/// Handlers may set other values; these hold for every answer that does not.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Anybody can invent methods; those nobody uses share one series.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Ends what takes too long, and what another site's page sends in a person's name.
async fn within_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if changes && site.is_some_and(|site| site == b"cross-site" || site == b"same-site") {
        return ApiError::not_allowed("this was sent by a page of another site").into_response();
    }
    // An exchange times itself once its body is here. Of a live connection the answer is timed, not what follows it.
    let limit = match request.uri().path() {
        SYNC_PATH => SLOWEST_UPLOAD,
        // Any client of tus may send a whole video as one part; whether it goes on is watched while it comes.
        path if *request.method() == Method::PATCH && path.starts_with(EVIDENCE_PATH) => LONGEST_PART,
        _ => state.config.request_timeout(),
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => timed_out().into_response(),
    }
}

/// Longest time from the first to the last byte of an exchange, on the slowest network that is of any use.
const SLOWEST_UPLOAD: Duration = Duration::from_secs(15 * 60);

/// Longest time for one part of a file of evidence.
const LONGEST_PART: Duration = Duration::from_secs(4 * 60 * 60);

/// What is said of a request that was given up.
pub(super) fn timed_out() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        code::TIMED_OUT,
        "the request took too long and was given up; send it again, perhaps in smaller parts",
    )
}

fn after_panic(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ApiError::internal(&format_args!("a handler panicked: {text}")).into_response()
}
