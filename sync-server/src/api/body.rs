//! Reading bodies within limits.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use futures::StreamExt as _;

use crate::error::{ApiError, code};

/// How long the next part of a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a body that says it is something else, such as a form or the page of a captive portal.
pub(crate) fn require_media_type(headers: &HeaderMap, wanted: &str) -> Result<(), ApiError> {
    let sent = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code::WRONG_MEDIA_TYPE,
        format!("the body must be of type {wanted}"),
    ))
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    // Said in advance, it need not be sent.
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::too_large(limit));
    }
    let mut body = body.into_data_stream();
    let mut whole = Vec::new();
    loop {
        // A phone with one bar of signal takes minutes for what is due; what matters is that it goes on.
        let chunk = tokio::time::timeout(PATIENCE, body.next()).await.map_err(|_| {
            ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                code::TIMED_OUT,
                "nothing more of the request came; send it again when the connection is better",
            )
        })?;
        let Some(chunk) = chunk else { return Ok(whole.into()) };
        let chunk = chunk.map_err(|_| ApiError::malformed("the body ended before it was complete; send it again"))?;
        if whole.len() + chunk.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        whole.extend_from_slice(&chunk);
    }
}
