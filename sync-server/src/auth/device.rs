//! Phones: enrolment codes and device tokens.

use axum::{extract::FromRequestParts, http::request::Parts};
use fieldledger_core::model::{OrganisationId, Timestamp, UserId};

use super::{RemoteAddress, Secrets, extract::bearer, hash_secret};
use crate::{
    error::ApiError,
    state::AppState,
    store::{Account, Device, Enrolment, PeopleStore, StoreError},
};

/// A one-time code with which this person's next phone becomes theirs, and what the store keeps of it.
pub fn new_enrolment(
    secrets: &Secrets,
    organisation: OrganisationId,
    user: UserId,
    expires_at: Timestamp,
) -> (String, Enrolment) {
    let code = secrets.enrolment_code();
    let enrolment = Enrolment {
        code_hash: hash_secret(&code),
        organisation,
        user,
        expires_at,
    };
    (code, enrolment)
}

/// Makes a one-time code with which this person's next phone becomes theirs, without a line in the audit log.
///
/// # Errors
/// When the store fails.
pub async fn make_enrolment_code(
    store: &(impl PeopleStore + ?Sized + Sync),
    secrets: &Secrets,
    organisation: OrganisationId,
    user: UserId,
    expires_at: Timestamp,
) -> Result<String, StoreError> {
    let (code, enrolment) = new_enrolment(secrets, organisation, user, expires_at);
    store.put_enrolment(enrolment).await?;
    Ok(code)
}

/// A device with a valid token, and the open account it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuth {
    /// Whose device it is.
    pub account: Account,
    /// The device.
    pub device: Device,
    /// SHA-256 of the token it used.
    pub token_hash: [u8; 32],
}

impl DeviceAuth {
    /// The device of this token, as it is now.
    ///
    /// # Errors
    /// 401 for an unknown token, 403 for a device or an account that was shut out.
    pub async fn find(state: &AppState, token_hash: [u8; 32]) -> Result<Self, ApiError> {
        let Some(device) = state.store.device_by_token(&token_hash).await? else {
            return Err(ApiError::sign_in_again());
        };
        if device.revoked_at.is_some() {
            return Err(ApiError::revoked());
        }
        let Some(account) = state.store.account(device.organisation, device.user).await? else {
            return Err(ApiError::sign_in_again());
        };
        if account.disabled {
            return Err(ApiError::account_disabled());
        }
        Ok(Self {
            account,
            device,
            token_hash,
        })
    }
}

impl FromRequestParts<AppState> for DeviceAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Some(token) = bearer(&parts.headers) else {
            return Err(ApiError::sign_in_again());
        };
        let found = Self::find(state, hash_secret(token)).await;
        if found.as_ref().is_err_and(|error| error.status.is_client_error()) {
            let Ok(address) = RemoteAddress::from_request_parts(parts, state).await;
            state.limits.stranger(address.0)?;
        }
        found
    }
}
