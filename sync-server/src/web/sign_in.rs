//! Signing in and out.

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    error::PageError,
    language::within,
    messages::{Language, Text},
    page::{Frame, encoded, html},
};
use crate::{
    auth::{self, RemoteAddress, SignedIn, same_secret},
    state::AppState,
};

/// Cookie whose value the sign-in form must repeat: another site can send the form, but not read the cookie. Over https its
/// name keeps other hosts of the same domain from setting it.
fn form_cookie(https: bool) -> &'static str {
    if https { "__Host-fl_sign_in" } else { "fl_sign_in" }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    login: String,
    next: String,
    secret: String,
    error: Option<String>,
    notice: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Arrival {
    #[serde(default)]
    next: String,
    #[serde(default)]
    left: bool,
    #[serde(default)]
    changed: bool,
}

/// The form.
pub(super) async fn show(
    State(app): State<AppState>,
    Query(arrival): Query<Arrival>,
    signed_in: Option<SignedIn>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if signed_in.is_some() {
        return Ok(Redirect::to(within(&arrival.next)).into_response());
    }
    let text = Text(Language::of_request(&headers));
    let notice = match (arrival.changed, arrival.left) {
        (true, _) => Some(text.t("password.changed").to_owned()),
        (false, true) => Some(text.t("sign_in.signed_out").to_owned()),
        (false, false) => None,
    };
    form(&app, &headers, text, String::new(), &arrival.next, None, notice)
}

fn form(
    app: &AppState,
    headers: &HeaderMap,
    text: Text,
    login: String,
    next: &str,
    error: Option<String>,
    notice: Option<String>,
) -> Result<Response, PageError> {
    // The same secret as before, so that two open tabs both work.
    let kept = super::cookie(headers, form_cookie(app.config.is_https())).filter(|it| it.len() == 43 && it.is_ascii());
    let secret = kept.map_or_else(|| app.secrets.token(), str::to_owned);
    let next = within(next).to_owned();
    let page = SignInPage {
        frame: Frame::bare_at(text, &format!("/sign-in?next={}", encoded(&next))),
        login,
        next,
        secret: secret.clone(),
        error,
        notice,
    };
    let https = app.config.is_https();
    let (name, secure) = (form_cookie(https), if https { "; Secure" } else { "" });
    let cookie = format!("{name}={secret}; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict{secure}");
    Ok(([(header::SET_COOKIE, cookie)], html(&page)?).into_response())
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    secret: String,
}

/// Checks the password and begins a session.
pub(super) async fn submit(
    State(app): State<AppState>,
    address: RemoteAddress,
    before: Option<SignedIn>,
    headers: HeaderMap,
    Form(sent): Form<SignInForm>,
) -> Result<Response, PageError> {
    let text = Text(Language::of_request(&headers));
    let known = super::cookie(&headers, form_cookie(app.config.is_https()));
    if !known.is_some_and(|known| same_secret(known, &sent.secret)) {
        let error = text.t("sign_in.stale").to_owned();
        let page = form(&app, &headers, text, sent.login, &sent.next, Some(error), None)?;
        return Ok((StatusCode::FORBIDDEN, page).into_response());
    }
    let agent = headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    match auth::sign_in(&app, address, agent.unwrap_or_default(), &sent.login, &sent.password).await {
        Ok(session) => {
            // Each sign-in begins a session of its own; the one that this browser had leads nowhere any more.
            if let Some(before) = before {
                app.store.end_session(&before.session.token_hash).await?;
            }
            let cookies = [(header::SET_COOKIE, session.set_cookie)];
            Ok((cookies, Redirect::to(within(&sent.next))).into_response())
        }
        Err(error) if error.status == StatusCode::UNAUTHORIZED => {
            let message = text.t("sign_in.wrong").to_owned();
            let page = form(&app, &headers, text, sent.login, &sent.next, Some(message), None)?;
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
        Err(error) if error.status == StatusCode::TOO_MANY_REQUESTS => {
            let wait = error.retry_after.unwrap_or_default();
            let message = text.fill("sign_in.locked", "time", wait_in_words(text, wait));
            let page = form(&app, &headers, text, sent.login, &sent.next, Some(message), None)?;
            let seconds = wait.as_secs().saturating_add(1);
            Ok((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Rounded up: who comes back too early is refused again.
pub(super) fn wait_in_words(text: Text, wait: std::time::Duration) -> String {
    let seconds = wait.as_secs().saturating_add(1);
    let rounded = if seconds < 120 {
        seconds
    } else {
        seconds.div_ceil(60) * 60
    };
    super::format::duration(text, rounded.saturating_mul(1_000))
}

#[derive(Deserialize)]
pub(super) struct LeaveForm {
    #[serde(default)]
    csrf: String,
}

/// Ends the session.
pub(super) async fn leave(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Form(sent): Form<LeaveForm>,
) -> Result<Response, PageError> {
    if !same_secret(&signed_in.session.csrf, &sent.csrf) {
        return Err(PageError::Csrf);
    }
    let cookie = auth::sign_out(&app, &signed_in).await?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in?left=true")).into_response())
}
