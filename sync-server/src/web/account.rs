//! What everybody who may read these pages sees of their own account: where they are signed in, and their password.

use askama::Template;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    error::PageError,
    page::{Frame, Viewer, html},
    people::{ShownSession, administration, shown_sessions},
    posted::Posted,
    refusal::said,
    sign_in::wait_in_words,
    table::Sent,
};
use crate::{
    auth::{self, RemoteAddress, SignedIn, verify_password},
    state::AppState,
    store::Step,
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    login: String,
    roles: String,
    sessions: Vec<ShownSession>,
    notice: Option<&'static str>,
    error: Option<String>,
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    status: StatusCode,
    notice: Option<&'static str>,
    error: Option<String>,
) -> Result<Response, PageError> {
    let account = &viewer.account;
    let sessions = app
        .store
        .sessions_of(account.organisation, account.user, app.clock.now())
        .await?;
    let roles: Vec<String> = account
        .roles
        .iter()
        .map(|role| viewer.text.word("role", role.as_str()))
        .collect();
    let page = AccountPage {
        frame: viewer.frame("account"),
        login: account.login.clone(),
        roles: roles.join(", "),
        sessions: shown_sessions(app, viewer, sessions),
        notice,
        error,
    };
    Ok((status, html(&page)?).into_response())
}

/// The reader's own account.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let notice = (sent.value("done") == Some("ended")).then(|| viewer.text.t("account.ended"));
    page(&app, &viewer, StatusCode::OK, notice, None).await
}

/// Ends sessions or changes the password; the field `do` says which.
pub(super) async fn change(
    State(app): State<AppState>,
    viewer: Viewer,
    address: RemoteAddress,
    posted: Posted,
) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    let account = &viewer.account;
    let office = administration(&app, &viewer);
    match posted.value("do") {
        "end" => {
            let all = app
                .store
                .sessions_of(account.organisation, account.user, app.clock.now())
                .await?;
            let wanted = posted.value("session");
            let found = all.into_iter().find(|it| SignedIn::name_of(it) == wanted);
            // It may have ended by itself: what was wanted is so.
            if let Some(session) = found {
                let steps = vec![Step::EndSession(session.token_hash)];
                let detail = format!("one session, from {}", session.address);
                office.act(steps, "user.signed_out", &account.login, &detail).await?;
            }
            Ok(Redirect::to("/account?done=ended").into_response())
        }
        "end_all" => {
            let ended = office.end_sessions(account.user).await;
            ended.map_err(|error| said(viewer.text, error).err().unwrap_or(PageError::Internal))?;
            let cookie = auth::no_session(&app);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in?left=true")).into_response())
        }
        "password" => change_password(&app, &viewer, address, &posted).await,
        _ => Err(PageError::BadField("error.form")),
    }
}

async fn change_password(
    app: &AppState,
    viewer: &Viewer,
    address: RemoteAddress,
    posted: &Posted,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let account = &viewer.account;
    // Whoever finds an open page may not try passwords without end either.
    if let Err(wait) = app.lockout.begin(&account.login, address.0, app.clock.now()) {
        let message = text.fill("sign_in.locked", "time", wait_in_words(text, wait));
        return page(app, viewer, StatusCode::TOO_MANY_REQUESTS, None, Some(message)).await;
    }
    let right = verify_password(posted.value("old").to_owned(), account.password_hash.clone()).await;
    if !right {
        let message = text.t("account.old_wrong").to_owned();
        return page(app, viewer, StatusCode::UNPROCESSABLE_ENTITY, None, Some(message)).await;
    }
    app.lockout.succeeded(&account.login, address.0);
    if posted.value("new") != posted.value("again") {
        let message = text.t("password.differ").to_owned();
        return page(app, viewer, StatusCode::UNPROCESSABLE_ENTITY, None, Some(message)).await;
    }
    let office = administration(app, viewer);
    match office.set_password(account.user, posted.value("new").to_owned()).await {
        Ok(_) => {
            let cookie = auth::no_session(app);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in?changed=true")).into_response())
        }
        Err(error) => {
            let message = said(text, error)?;
            page(app, viewer, StatusCode::UNPROCESSABLE_ENTITY, None, Some(message)).await
        }
    }
}
