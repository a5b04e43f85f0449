//! `POST /v1/enrol`: a one-time code becomes a device.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use fieldledger_core::{
    model::DeviceId,
    sync::protocol::{ENROL_PATH, EnrolRequest, EnrolResponse},
};

use super::{body, openapi};
use crate::{
    auth::{RemoteAddress, hash_secret, normal_code},
    error::{ApiError, code},
    state::AppState,
    store::{NewDevice, Redemption},
};

/// Largest request.
const MAX_BYTES: usize = 16 << 10;
/// Longest name, in characters.
const MAX_NAME: usize = 200;

/// Makes the phone a device of the person for whom the code was made.
#[utoipa::path(
    post,
    path = ENROL_PATH,
    tag = "devices",
    request_body(content = openapi::Enrolment, content_type = "application/json"),
    responses(
        (status = 200, description = "The phone is a device now; keep the token safe", body = openapi::Enrolled),
        (status = 400, description = "`malformed`", body = openapi::Problem),
        (status = 403, description = "`account_disabled`", body = openapi::Problem),
        (status = 404, description = "`code_unknown`", body = openapi::Problem),
        (status = 409, description = "`code_used`", body = openapi::Problem),
        (status = 410, description = "`code_expired`", body = openapi::Problem),
        (status = 413, description = "`too_large`", body = openapi::Problem),
        (status = 415, description = "`wrong_media_type`", body = openapi::Problem),
        (status = 429, description = "`too_many_requests`, with Retry-After", body = openapi::Problem),
    )
)]
pub(super) async fn enrol(
    State(state): State<AppState>,
    RemoteAddress(address): RemoteAddress,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<EnrolResponse>, ApiError> {
    state.limits.stranger(address)?;
    body::require_media_type(&headers, "application/json")?;
    let bytes = body::read(&headers, sent, MAX_BYTES).await?;
    let request: EnrolRequest = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::malformed(format!("the request cannot be read: {error}")))?;
    let unknown = || {
        ApiError::new(
            StatusCode::NOT_FOUND,
            code::CODE_UNKNOWN,
            "this code is not known here; compare it with the one you were given, and the server's address too",
        )
    };
    let new = NewDevice {
        id: DeviceId::from_bytes(
            uuid::Builder::from_random_bytes(state.secrets.bytes())
                .into_uuid()
                .into_bytes(),
        ),
        token_hash: [0; 32],
        name: text("device_name", &request.device_name)?,
        platform: text("platform", &request.platform)?,
        app_version: text("app_version", &request.app_version)?,
        installation: installation(&request.installation)?,
        address: address.to_string(),
    };
    let token = state.secrets.token();
    let new = NewDevice {
        token_hash: hash_secret(&token),
        ..new
    };
    let code = normal_code(&request.code).ok_or_else(unknown)?;
    let now = state.clock.now();
    let device = new.id;
    let account = match state.store.redeem_enrolment(&hash_secret(&code), new, now).await? {
        Redemption::Enrolled(account) => account,
        Redemption::Unknown => return Err(unknown()),
        Redemption::Used => {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                code::CODE_USED,
                "this code was used before and works only once; ask for a new one",
            ));
        }
        Redemption::Expired => {
            return Err(ApiError::new(
                StatusCode::GONE,
                code::CODE_EXPIRED,
                "this code is too old; ask for a new one",
            ));
        }
        Redemption::Disabled => return Err(ApiError::account_disabled()),
    };
    let organisations = state.store.organisations().await?;
    let organisation_name = organisations
        .into_iter()
        .find(|(id, _)| *id == account.organisation)
        .map(|(_, name)| name)
        .unwrap_or_default();
    tracing::info!(%device, user = %account.user, "device enrolled");
    Ok(Json(EnrolResponse {
        organisation: account.organisation,
        organisation_name,
        user: account.user,
        user_name: account.name,
        roles: account.roles,
        device,
        token,
        server_time: now,
    }))
}

fn text(field: &str, value: &str) -> Result<String, ApiError> {
    let value = value.trim();
    if value.is_empty() || value.chars().count() > MAX_NAME || value.chars().any(char::is_control) {
        return Err(ApiError::malformed(format!(
            "{field}: must be one line of 1 to {MAX_NAME} characters"
        )));
    }
    Ok(value.to_owned())
}

fn installation(text: &str) -> Result<[u8; 16], ApiError> {
    let wrong = || ApiError::malformed("installation: must be 32 hexadecimal digits");
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u128::from_str_radix(text, 16)
        .map(u128::to_be_bytes)
        .map_err(|_| wrong())
}

/// One of each message, to compare the documentation with.
#[cfg(test)]
pub(super) fn examples() -> (EnrolRequest, EnrolResponse, fieldledger_core::sync::protocol::ErrorBody) {
    use fieldledger_core::{
        model::{OrganisationId, Timestamp, UserId},
        sync::protocol::ErrorBody,
    };
    (
        EnrolRequest {
            code: "ABCD-1234-EFGH".to_owned(),
            device_name: "Anna's phone".to_owned(),
            platform: "android".to_owned(),
            app_version: "1.0.0".to_owned(),
            installation: "00".repeat(16),
        },
        EnrolResponse {
            organisation: OrganisationId::from_bytes([1; 16]),
            organisation_name: "Linden".to_owned(),
            user: UserId::from_bytes([2; 16]),
            user_name: "Anna".to_owned(),
            roles: vec![fieldledger_core::model::Role::Rep],
            device: DeviceId::from_bytes([3; 16]),
            token: "secret".to_owned(),
            server_time: Timestamp::from_millis(1),
        },
        ErrorBody {
            code: "revoked".to_owned(),
            message: "this device was shut out".to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_installation_is_32_hexadecimal_digits_and_nothing_else() {
        assert_eq!(installation(&"0f".repeat(16)).unwrap(), [0x0f; 16]);
        for text in [
            "",
            "0f",
            "+f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
            &"0g".repeat(16),
            &"é".repeat(16),
        ] {
            assert!(installation(text).is_err(), "{text}");
        }
    }
}
