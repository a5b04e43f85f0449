//! People signed in on the web pages.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};

use super::{RemoteAddress, extract::cookie, hash_secret, same_secret, verify_password};
use crate::{
    error::{ApiError, code},
    metrics::SignInOutcome,
    state::AppState,
    store::{Account, AuditEntry, Session},
};

/// Where people without a session are sent.
pub(crate) const SIGN_IN_PATH: &str = "/sign-in";

/// A browser accepts a `__Host-` cookie only over https, for the whole host and from nobody else.
fn cookie_name(https: bool) -> &'static str {
    if https {
        "__Host-fieldledger_session"
    } else {
        "fieldledger_session"
    }
}

/// A session that has just begun.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose.
    pub account: Account,
    /// The `Set-Cookie` header that hands it to the browser.
    pub set_cookie: HeaderValue,
}

/// Longest name of a browser that is kept with its session, in characters.
const MAX_AGENT: usize = 200;
/// How much older than now the noted use of a session may be before it is noted anew: not every page should write.
const NOTED_MILLIS: i64 = 60_000;

/// Signs a person in; `agent` is what their browser calls itself. Failures and successes are audited, slowed down and counted; an unknown login, a wrong password,
/// a missing password and a shut account cannot be told apart.
///
/// # Errors
/// 401 `wrong_sign_in`, 429 `too_many_requests`, or a failing store.
pub async fn sign_in(
    state: &AppState,
    address: RemoteAddress,
    agent: &str,
    login: &str,
    password: &str,
) -> Result<NewSession, ApiError> {
    let now = state.clock.now();
    state.limits.sign_in(address.0)?;
    if let Err(wait) = state.lockout.begin(login, address.0, now) {
        state.metrics.sign_in(SignInOutcome::LockedOut);
        return Err(ApiError::too_many_requests(wait));
    }
    let login = login.trim().to_lowercase();
    let account = match login.len() {
        1..=200 => state.store.account_by_login(&login).await?,
        _ => None,
    };
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let right = verify_password(password.to_owned(), stored).await;
    let Some(account) = account else {
        state.metrics.sign_in(SignInOutcome::Failed);
        tracing::info!(address = %address.0, "sign-in with an unknown login");
        return Err(wrong());
    };
    let audit = |action: &str, detail: String| AuditEntry {
        at: now,
        actor: account.user.to_string(),
        action: action.to_owned(),
        subject: account.login.clone(),
        detail,
    };
    if !right || account.disabled {
        let why = if right { "account is shut" } else { "wrong password" };
        let entry = audit("sign_in.failed", format!("{why}, from {}", address.0));
        state.store.audit(account.organisation, entry).await?;
        state.metrics.sign_in(SignInOutcome::Failed);
        return Err(wrong());
    }
    state.lockout.succeeded(&login, address.0);
    let token = state.secrets.token();
    let session = Session {
        token_hash: hash_secret(&token),
        organisation: account.organisation,
        user: account.user,
        csrf: state.secrets.token(),
        created_at: now,
        expires_at: now.plus_millis(state.config.session_millis()),
        last_seen_at: now,
        address: address.0.to_string(),
        agent: agent.chars().filter(|it| !it.is_control()).take(MAX_AGENT).collect(),
    };
    state.store.put_session(session).await?;
    let entry = audit("sign_in.succeeded", format!("from {}", address.0));
    state.store.audit(account.organisation, entry).await?;
    state.metrics.sign_in(SignInOutcome::Succeeded);
    let seconds = state.config.session_millis() / 1000;
    Ok(NewSession {
        account,
        set_cookie: set_cookie(state, &token, seconds),
    })
}

/// Ends a session; returns the `Set-Cookie` header that takes it from the browser.
///
/// # Errors
/// When the store fails.
pub async fn sign_out(state: &AppState, signed_in: &SignedIn) -> Result<HeaderValue, ApiError> {
    state.store.end_session(&signed_in.session.token_hash).await?;
    let entry = AuditEntry {
        at: state.clock.now(),
        actor: signed_in.account.user.to_string(),
        action: "sign_out".to_owned(),
        subject: signed_in.account.login.clone(),
        detail: String::new(),
    };
    state.store.audit(signed_in.account.organisation, entry).await?;
    Ok(no_session(state))
}

/// The `Set-Cookie` header that takes a session from the browser.
pub fn no_session(state: &AppState) -> HeaderValue {
    set_cookie(state, "", 0)
}

fn wrong() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        code::WRONG_SIGN_IN,
        "login or password is wrong, or the account is shut",
    )
}

fn set_cookie(state: &AppState, token: &str, seconds: i64) -> HeaderValue {
    let https = state.config.is_https();
    let (name, secure) = (cookie_name(https), if https { "; Secure" } else { "" });
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    // Base64 and digits only: always a valid header.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// A person with a valid session and an open account.
///
/// As an extractor it sends a browser without one to the sign-in page, and anybody else away with 401. Handlers that
/// show something to both take `Option<SignedIn>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub account: Account,
    /// Their session.
    pub session: Session,
}

impl SignedIn {
    /// Lets a form pass only when it carries the session's secret; another site cannot know it.
    ///
    /// # Errors
    /// 403.
    pub fn check_csrf(&self, sent: &str) -> Result<(), ApiError> {
        if same_secret(&self.session.csrf, sent) {
            Ok(())
        } else {
            Err(ApiError::not_allowed(
                "this form is from an earlier sign-in; go back, load the page again and send it once more",
            ))
        }
    }

    async fn find(parts: &Parts, state: &AppState) -> Result<Option<Self>, ApiError> {
        let headers = &parts.headers;
        let Some(token) = cookie(headers, cookie_name(state.config.is_https())) else {
            return Ok(None);
        };
        let now = state.clock.now();
        let Some(session) = state.store.session(&hash_secret(token), now).await? else {
            return Ok(None);
        };
        let unused = now.millis_since(session.last_seen_at);
        if state
            .config
            .session_idle_millis()
            .is_some_and(|longest| unused >= longest)
        {
            return Ok(None);
        }
        let account = state.store.account(session.organisation, session.user).await?;
        let Some(account) = account.filter(|account| !account.disabled) else {
            return Ok(None);
        };
        if unused >= NOTED_MILLIS
            && asked_by_person(&parts.method, headers)
            && let Err(error) = state.store.session_seen(&session.token_hash, now).await
        {
            // A full disk is no reason to show nothing.
            tracing::warn!(%error, "the use of a session could not be noted");
        }
        Ok(Some(Self { account, session }))
    }

    /// A name of the session that opens nothing, to end it by.
    pub fn name_of(session: &Session) -> String {
        session.token_hash.iter().take(8).fold(String::new(), |mut name, byte| {
            use std::fmt::Write as _;
            let _ = write!(name, "{byte:02x}");
            name
        })
    }
}

/// Whether a person asked, and not a page that was left open: what scripts read again does not keep a session going. What
/// is sent was always done by somebody, from the keyboard too. Browsers that do not tell count as people.
fn asked_by_person(method: &Method, headers: &HeaderMap) -> bool {
    let told = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    method == Method::POST || told.is_none_or(|it| it == b"document")
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        match Self::find(parts, state).await {
            Ok(Some(signed_in)) => Ok(signed_in),
            Ok(None) => Err(away(parts)),
            Err(error) => Err(error.into_response()),
        }
    }
}

impl OptionalFromRequestParts<AppState> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, ApiError> {
        Self::find(parts, state).await
    }
}

/// A browser goes to the sign-in page and comes back to where it was; software gets an error.
fn away(parts: &Parts) -> Response {
    let browser = parts
        .headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !browser {
        return ApiError::sign_in_again().into_response();
    }
    let back = match (&parts.method, parts.uri.path_and_query()) {
        (&Method::GET, Some(path)) if path.as_str() != "/" => {
            format!("?next={}", percent_encoded(path.as_str()))
        }
        _ => String::new(),
    };
    Redirect::to(&format!("{SIGN_IN_PATH}{back}")).into_response()
}

/// Everything but letters, digits and what separates words and folders is written as `%XX`.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_after_signing_in_cannot_smuggle_anything_into_the_address() {
        assert_eq!(percent_encoded("/documents/1?x=a&b"), "/documents/1%3Fx%3Da%26b");
        assert_eq!(percent_encoded("/\r\nSet-Cookie: x"), "/%0D%0ASet-Cookie%3A%20x");
    }
}
