//! A person sets their password through a link that an administrator gave them. The secret in the address is the only key: it
//! cannot be guessed, expires, and works once.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    error::PageError,
    messages::{Language, Text},
    page::{Frame, html},
    posted::Posted,
    refusal::said,
};
use crate::{
    administration::set_password_by_link,
    auth::{RemoteAddress, hash_secret},
    state::AppState,
    store::Account,
};

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    action: String,
    name: String,
    login: String,
    error: Option<String>,
}

/// Whose password the link sets.
async fn open(app: &AppState, address: RemoteAddress, secret: &str) -> Result<Account, PageError> {
    let Some(link) = app.store.password_link(&hash_secret(secret)).await? else {
        // Whoever tries secrets may not try many.
        app.limits.stranger(address.0)?;
        return Err(PageError::NotFound);
    };
    let account = app.store.account(link.organisation, link.user).await?;
    let account = account.filter(|it| !it.disabled && link.is_valid(app.clock.now()));
    account.ok_or(PageError::LinkOver)
}

fn page(headers: &HeaderMap, secret: &str, account: &Account, error: Option<String>) -> Result<Response, PageError> {
    let text = Text(Language::of_request(headers));
    let action = format!("/password/{secret}");
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let mut response = html(&PasswordPage {
        frame: Frame::bare_at(text, &action),
        name: account.name.clone(),
        login: account.login.clone(),
        action,
        error,
    })?;
    *response.status_mut() = status;
    keep_secret(&mut response);
    Ok(response)
}

/// The address of the page is a secret: it goes to nobody else, not even to another page of this server.
pub(super) fn keep_secret(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
}

/// The form.
pub(super) async fn show(
    State(app): State<AppState>,
    address: RemoteAddress,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let account = open(&app, address, &secret).await?;
    page(&headers, &secret, &account, None)
}

/// Sets the password; the link is used up.
pub(super) async fn submit(
    State(app): State<AppState>,
    address: RemoteAddress,
    Path(secret): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let text = Text(Language::of_request(&headers));
    let account = open(&app, address, &secret).await?;
    if posted.value("new") != posted.value("again") {
        let message = text.t("password.differ").to_owned();
        return page(&headers, &secret, &account, Some(message));
    }
    match set_password_by_link(&app, &secret, posted.value("new").to_owned(), address.0).await {
        Ok(Some(_)) => Ok(Redirect::to("/sign-in?changed=true").into_response()),
        Ok(None) => Err(PageError::LinkOver),
        Err(error) => page(&headers, &secret, &account, Some(said(text, error)?)),
    }
}
