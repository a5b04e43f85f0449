//! Other software: an ERP, a bank's program, a report. Each has a token of its own.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};

use super::{RemoteAddress, extract::bearer, hash_secret};
use crate::{
    error::{ApiError, code},
    ledger::Actor,
    state::AppState,
    store::{ApiRole, ApiToken},
};

/// How much older than now the noted use of a token may be before it is noted anew: not every read should write.
const NOTED_MILLIS: i64 = 3_600_000;

/// Software with a token that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftwareAuth {
    /// Its token.
    pub token: ApiToken,
}

impl SoftwareAuth {
    /// Who acts, for ledger records and the audit log.
    pub fn actor(&self) -> Actor {
        Actor::software(&self.token.name)
    }

    /// Lets only software pass that may change something.
    ///
    /// # Errors
    /// 403.
    pub fn require_finance(&self) -> Result<(), ApiError> {
        match self.token.role {
            ApiRole::Finance => Ok(()),
            ApiRole::ReadOnly => Err(ApiError::not_allowed(
                "this token may read and change nothing; `fieldledger token create NAME --role finance` makes one that may",
            )),
        }
    }

    async fn find(state: &AppState, token_hash: [u8; 32]) -> Result<Self, ApiError> {
        let unknown = || {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                code::TOKEN_UNKNOWN,
                "this token is not known here; send `Authorization: Bearer TOKEN` with one that `fieldledger token create` \
                 made",
            )
        };
        // By its digest, as with devices: how long that takes tells nothing about the token.
        let token = state.store.api_token(&token_hash).await?.ok_or_else(unknown)?;
        let now = state.clock.now();
        if token.revoked_at.is_some() {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                code::REVOKED,
                "this token was revoked; ask the operator for a new one",
            ));
        }
        if token.is_expired(now) {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                code::TOKEN_EXPIRED,
                "this token has ended; ask the operator for a new one",
            ));
        }
        if token.last_used_at.is_none_or(|at| now.millis_since(at) >= NOTED_MILLIS) {
            state.store.api_token_used(token.organisation, token.id, now).await?;
        }
        Ok(Self { token })
    }
}

impl FromRequestParts<AppState> for SoftwareAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        // Without a token no digest matches either: the same answer.
        let token = bearer(&parts.headers).unwrap_or_default();
        let found = Self::find(state, hash_secret(token)).await;
        if found.as_ref().is_err_and(|error| error.status.is_client_error()) {
            let Ok(address) = RemoteAddress::from_request_parts(parts, state).await;
            state.limits.stranger(address.0)?;
        }
        let found = found?;
        state.limits.software(found.token.id)?;
        Ok(found)
    }
}
