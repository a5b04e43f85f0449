//! Reading bodies within limits.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};

use crate::error::{ApiError, code};

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
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(|it| it.to_string().contains("length limit")) {
            ApiError::too_large(limit)
        } else {
            ApiError::malformed("the body ended before it was complete; send it again")
        }
    })
}
