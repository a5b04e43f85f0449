//! Requests that change something: who asks, the key under which they ask once, and what becomes of it.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use fieldledger_core::model::{InvalidField, LedgerRecord, OrganisationId, RecordKey, RecordKind, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::{
    answers::{Answer, Position},
    wire,
};
use crate::{
    api::{body, openapi::Problem},
    auth::SoftwareAuth,
    error::{ApiError, code},
    ledger::{
        Draft,
        finance::{Act, begin, conclude},
    },
    state::AppState,
    store::{Decide, Decided, OnceOnly},
};

/// Largest body, in bytes. An invoice of a thousand lines has a tenth of it.
const MAX_BYTES: usize = 1 << 20;
/// Longest key, in characters.
const MAX_KEY: usize = 200;

pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The header that every request which changes something needs.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(super) struct KeyHeader {
    /// Any text of 1 to 200 visible characters that is used for this request alone, and again when it is repeated: a repeated
    /// request changes nothing and gets the first answer, with `Idempotent-Replayed: true`.
    #[param(rename = "Idempotency-Key", example = "invoice-2026-000117")]
    key: String,
}

/// An error that may name a field.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(in crate::api) struct FieldProblem {
    /// Stable name, for software.
    #[schema(example = "invalid_field")]
    code: String,
    /// What happened and what to do, for a person.
    message: String,
    /// The field that is wrong, for `invalid_field`.
    #[schema(example = "amount.currency")]
    field: Option<String>,
}

/// How reading may fail.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(super) enum ReadProblems {
    /// `malformed`
    #[response(status = 400)]
    Malformed(Problem),
    /// `token_unknown`, `token_expired`
    #[response(status = 401)]
    Unknown(Problem),
    /// `revoked`
    #[response(status = 403)]
    Revoked(Problem),
    /// `not_found`
    #[response(status = 404)]
    NotFound(Problem),
    /// `conflict`: the books contradict themselves, or several customers have that code
    #[response(status = 409)]
    Conflict(Problem),
    /// `too_many_requests`, with Retry-After
    #[response(status = 429)]
    TooMany(Problem),
}

/// How changing something may fail; nothing is stored then.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(super) enum PostProblems {
    /// `idempotency_key_required`, `malformed`
    #[response(status = 400)]
    Malformed(Problem),
    /// `token_unknown`, `token_expired`
    #[response(status = 401)]
    Unknown(Problem),
    /// `revoked`, `not_allowed`: the token may only read
    #[response(status = 403)]
    NotAllowed(Problem),
    /// `not_found`
    #[response(status = 404)]
    NotFound(Problem),
    /// `conflict`: several customers have that code
    #[response(status = 409)]
    Conflict(Problem),
    /// `too_large`
    #[response(status = 413)]
    TooLarge(Problem),
    /// `wrong_media_type`
    #[response(status = 415)]
    WrongType(Problem),
    /// `invalid_field` with the field's name, `idempotency_key_reused`
    #[response(status = 422)]
    Invalid(FieldProblem),
    /// `too_many_requests`, with Retry-After
    #[response(status = 429)]
    TooMany(Problem),
    /// `unavailable`, with Retry-After
    #[response(status = 503)]
    Unavailable(Problem),
}

/// Parts of the path.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Path(at) = Path::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::malformed(format!("the address cannot be read: {error}")))?;
        Ok(Self(at))
    }
}

/// What follows the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Query(asked) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::malformed(format!("what follows the question mark cannot be read: {error}")))?;
        Ok(Self(asked))
    }
}

/// Who asks for something, once.
pub(super) struct Asking {
    /// The software.
    pub(super) client: SoftwareAuth,
    /// The key, and what is asked.
    pub(super) once: OnceOnly,
}

impl Asking {
    pub(super) fn organisation(&self) -> OrganisationId {
        self.client.token.organisation
    }
}

/// A request of software that may change something, with its body.
pub(super) struct Posted<B> {
    /// Who asks.
    pub(super) asking: Asking,
    /// What for.
    pub(super) body: B,
}

impl<B: DeserializeOwned> FromRequest<AppState> for Posted<B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (mut parts, sent) = request.into_parts();
        let client = SoftwareAuth::from_request_parts(&mut parts, state).await?;
        client.require_finance()?;
        let key = key(&parts.headers)?;
        let bytes = read_body(&parts.headers, sent).await?;
        let body = wire::read(&bytes)?;
        // Read once more without a form: the order of fields and blanks make no other request.
        let content: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| ApiError::internal(&error))?;
        let mut digest = Sha256::new();
        digest.update(parts.uri.path().as_bytes());
        digest.update([0]);
        digest.update(content.to_string().as_bytes());
        let once = OnceOnly {
            key,
            digest: digest.finalize().into(),
        };
        Ok(Self {
            asking: Asking { client, once },
            body,
        })
    }
}

async fn read_body(headers: &HeaderMap, sent: Body) -> Result<axum::body::Bytes, ApiError> {
    body::require_media_type(headers, "application/json")?;
    body::read(headers, sent, MAX_BYTES).await
}

/// The key, told apart from those of other parts of the server. It belongs to the company and not to the token: software
/// whose token was replaced meanwhile repeats its request with the same effect.
fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let key = headers
        .get(&KEY)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let fits = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
    if !fits {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            code::KEY_REQUIRED,
            format!(
                "the header Idempotency-Key is needed, with 1 to {MAX_KEY} visible characters that are used for this request \
                 alone: then it can be repeated safely"
            ),
        ));
    }
    Ok(format!("api:{key}"))
}

/// Carries out an action on a customer's ledger: all of it with its lines of the audit log in one transaction, once.
pub(super) async fn act<T: Serialize>(
    state: &AppState,
    asking: Asking,
    customer: &str,
    done: StatusCode,
    action: impl FnOnce(&mut Draft, Act<'_>) -> Result<T, InvalidField> + Send + 'static,
) -> Result<Response, ApiError> {
    let customer = super::reading::customer(state, asking.organisation(), customer)
        .await?
        .id;
    act_on(state, asking, customer, done, action).await
}

/// As [`act`], for a customer that is known.
pub(super) async fn act_on<T: Serialize>(
    state: &AppState,
    asking: Asking,
    customer: fieldledger_core::model::CustomerId,
    done: StatusCode,
    action: impl FnOnce(&mut Draft, Act<'_>) -> Result<T, InvalidField> + Send + 'static,
) -> Result<Response, ApiError> {
    let now = state.clock.now();
    let (actor, org) = (asking.client.actor(), asking.organisation());
    let decide: Decide = Box::new(move |ledger| {
        let act = Act { by: &actor, now };
        let mut draft = begin(ledger, now);
        let outcome = action(&mut draft, act)?;
        conclude(draft, act, |draft| {
            // A customer without an account may owe in a currency that nothing is said of yet.
            let position = draft.position(now).ok().and_then(|it| Position::of(&it));
            written(&Answer { outcome, position })
        })
    });
    let decided = state
        .store
        .decide(org, customer, Some(asking.once), decide, now)
        .await?;
    answer(state, org, decided, done)
}

/// An answer as it is kept for those who repeat their request.
pub(super) fn written(answer: &impl Serialize) -> Result<String, InvalidField> {
    serde_json::to_string(answer).map_err(|error| InvalidField::new("answer", error.to_string()))
}

/// What is said of a decision.
pub(super) fn answer(
    state: &AppState,
    org: OrganisationId,
    decided: Decided,
    done: StatusCode,
) -> Result<Response, ApiError> {
    let json = HeaderValue::from_static("application/json");
    match decided {
        Decided::Done { answer, marks } => {
            for mark in marks {
                state.sync.live().publish(org, mark);
            }
            Ok((done, [(header::CONTENT_TYPE, json)], answer).into_response())
        }
        Decided::Repeated { answer } => {
            let replayed = HeaderValue::from_static("true");
            Ok((done, [(header::CONTENT_TYPE, json), (REPLAYED, replayed)], answer).into_response())
        }
        Decided::KeyReused => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            code::KEY_REUSED,
            "this Idempotency-Key was used before for another request; repeat that one as it was, or choose a new key",
        )),
        Decided::Refused(invalid) => Err(ApiError::invalid_field(invalid)),
        Decided::UnknownCustomer => Err(ApiError::not_found("the customer is not known any more")),
    }
}

/// The company's profile and its rules, with what a change that relies on the rules requires.
pub(super) async fn company(
    state: &AppState,
    org: OrganisationId,
) -> Result<
    (
        fieldledger_core::model::OrganisationProfile,
        fieldledger_core::model::Policy,
        Option<u64>,
    ),
    ApiError,
> {
    let one = |kind| RecordKey {
        kind,
        id: "self".to_owned(),
    };
    let profile = state.store.record(org, &one(RecordKind::Organisation)).await?;
    let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) else {
        return Err(ApiError::not_found("the company has no profile yet"));
    };
    let policy = state.store.record(org, &one(RecordKind::Policy)).await?;
    let version = policy.as_ref().map(|it| it.version);
    let policy = match policy.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => fieldledger_core::model::Policy::default(),
    };
    Ok((profile, policy, version))
}

/// Today in the company's zone.
pub(super) fn today(now: Timestamp, profile: &fieldledger_core::model::OrganisationProfile) -> chrono::NaiveDate {
    now.date_in(profile.time_zone)
}
