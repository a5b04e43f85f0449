//! Errors of the HTTP interface: a status, a stable code for software and a sentence for a person. What went wrong
//! inside is logged and never sent.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fieldledger_core::{
    model::InvalidField,
    sync::protocol::{ErrorBody, WireError},
};
use serde::Serialize;

use crate::store::StoreError;

/// The stable codes of [`ErrorBody`].
pub mod code {
    /// No such enrolment code.
    pub const CODE_UNKNOWN: &str = "code_unknown";
    /// The enrolment code was used before.
    pub const CODE_USED: &str = "code_used";
    /// The enrolment code is too old.
    pub const CODE_EXPIRED: &str = "code_expired";
    /// The person's account is shut.
    pub const ACCOUNT_DISABLED: &str = "account_disabled";
    /// The device was shut out.
    pub const REVOKED: &str = "revoked";
    /// The token belongs to another installation of the app: the phone's data was copied or restored onto this one.
    pub const ANOTHER_PHONE: &str = "another_phone";
    /// No valid token or session came with the request.
    pub const SIGN_IN_AGAIN: &str = "sign_in_again";
    /// Login or password is wrong.
    pub const WRONG_SIGN_IN: &str = "wrong_sign_in";
    /// The app speaks a protocol this server has given up.
    pub const NEWER_APP_NEEDED: &str = "newer_app_needed";
    /// The app speaks a protocol this server does not know yet.
    pub const NEWER_SERVER_NEEDED: &str = "newer_server_needed";
    /// The request is larger than the server accepts.
    pub const TOO_LARGE: &str = "too_large";
    /// Wait, then try again.
    pub const TOO_MANY_REQUESTS: &str = "too_many_requests";
    /// The request cannot be read.
    pub const MALFORMED: &str = "malformed";
    /// The body is not of the type the route takes.
    pub const WRONG_MEDIA_TYPE: &str = "wrong_media_type";
    /// The person's role does not allow it.
    pub const NOT_ALLOWED: &str = "not_allowed";
    /// There is nothing at this address.
    pub const NOT_FOUND: &str = "not_found";
    /// Something of that name exists already, or was changed meanwhile.
    pub const CONFLICT: &str = "conflict";
    /// The route does not take this method.
    pub const WRONG_METHOD: &str = "wrong_method";
    /// The request took too long.
    pub const TIMED_OUT: &str = "timed_out";
    /// The token of other software is not known.
    pub const TOKEN_UNKNOWN: &str = "token_unknown";
    /// The token of other software has ended.
    pub const TOKEN_EXPIRED: &str = "token_expired";
    /// A field cannot be stored as it is; `field` names it.
    pub const INVALID_FIELD: &str = "invalid_field";
    /// The request needs the header `Idempotency-Key`.
    pub const KEY_REQUIRED: &str = "idempotency_key_required";
    /// The key in `Idempotency-Key` was used before for something else.
    pub const KEY_REUSED: &str = "idempotency_key_reused";
    /// The server cannot do it at present.
    pub const UNAVAILABLE: &str = "unavailable";
    /// The server failed.
    pub const INTERNAL: &str = "internal";
}

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// One of [`code`].
    pub code: &'static str,
    /// What happened and what to do, for a person.
    pub message: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The field that is wrong, as the request spells it.
    pub field: Option<String>,
}

impl ApiError {
    /// An error.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            field: None,
        }
    }
    /// No valid token or session.
    pub fn sign_in_again() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            code::SIGN_IN_AGAIN,
            "you are not signed in here any more; sign in again, or enrol the phone again with a new code",
        )
    }
    /// The device was shut out.
    pub fn revoked() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            code::REVOKED,
            "this device was shut out by an administrator; ask for a new enrolment code",
        )
    }
    /// The device's token came from another installation than it was given to.
    pub fn another_phone() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            code::ANOTHER_PHONE,
            "the data on this phone came from another phone, by a restored backup or a copy; ask an administrator for a \
             new enrolment code and enrol this phone, nothing recorded on it is lost",
        )
    }
    /// The account is shut.
    pub fn account_disabled() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            code::ACCOUNT_DISABLED,
            "this account is shut; ask an administrator to open it again",
        )
    }
    /// The role does not allow it.
    pub fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code::NOT_ALLOWED, message)
    }
    /// There is nothing at this address.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, message)
    }
    /// The request cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::MALFORMED, message)
    }
    /// A field of the request cannot be stored as it is.
    pub fn invalid_field(invalid: InvalidField) -> Self {
        Self {
            field: Some(invalid.field),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code::INVALID_FIELD, invalid.message)
        }
    }
    /// The request is too large.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            code::TOO_LARGE,
            format!("the request is larger than {limit} bytes; send it in smaller parts"),
        )
    }
    /// Too many requests; try again after `wait`.
    pub fn too_many_requests(wait: Duration) -> Self {
        let seconds = seconds_up(wait);
        Self {
            retry_after: Some(wait),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                code::TOO_MANY_REQUESTS,
                format!("too many attempts; try again in {seconds} s"),
            )
        }
    }
    /// The server cannot do it at present.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(5)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, message)
        }
    }
    /// The server failed; `cause` goes to the log only.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL,
            "the server failed; try again later, and tell the operator if it stays so",
        )
    }
}

/// `Retry-After` counts whole seconds; rounded down a client would come back too early and be refused again.
fn seconds_up(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Travels with the answer to where errors are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorCode(pub(crate) &'static str);

/// An error's body. Phones read the first two fields.
#[derive(Serialize)]
struct Body {
    #[serde(flatten)]
    error: ErrorBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorBody {
            code: self.code.to_owned(),
            message: self.message,
        };
        let body = Body {
            error,
            field: self.field,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(ErrorCode(self.code));
        if let Some(wait) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds_up(wait)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::not_found(error.to_string()),
            StoreError::Conflict(message) => Self::new(StatusCode::CONFLICT, code::CONFLICT, message),
            StoreError::Full => {
                tracing::error!("the disk is full");
                Self::unavailable("the server's disk is full; nothing was stored and nothing is lost, try again later")
            }
            other => Self::internal(&other),
        }
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, error.to_string()),
            WireError::Malformed(_) => Self::malformed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_a_fraction_of_a_second_is_never_told_as_zero() {
        assert_eq!(seconds_up(Duration::from_millis(1)), 1);
        assert_eq!(seconds_up(Duration::ZERO), 1);
        assert_eq!(seconds_up(Duration::from_millis(2_001)), 3);
    }

    #[test]
    fn what_failed_inside_is_not_told_to_clients() {
        let error = ApiError::from(StoreError::Engine("no such table: secrets".to_owned()));
        assert_eq!(error.code, code::INTERNAL);
        assert!(!error.message.contains("secrets"));
    }
}
