//! Sessions of the browser.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Method, Request, header},
    routing::get as on_get,
};
use fieldledger_core::model::Role;
use tower::ServiceExt as _;

use super::{HOUR, get};
use crate::{
    auth::{SignedIn, require_role, sign_out},
    config::ServerConfig,
    error::ApiError,
    state::AppState,
    testing::{ANNA, DORA, EMIL, Fixture},
};

async fn private(signed_in: SignedIn) -> Result<String, ApiError> {
    require_role(&signed_in.account, &[Role::Supervisor, Role::Administrator])?;
    Ok(signed_in.account.login)
}

async fn either(signed_in: Option<SignedIn>) -> String {
    signed_in.map_or_else(|| "stranger".to_owned(), |it| it.account.login)
}

async fn leave(State(state): State<AppState>, signed_in: SignedIn) -> Result<String, ApiError> {
    let cookie = sign_out(&state, &signed_in).await?;
    Ok(cookie.to_str().unwrap().to_owned())
}

async fn ask(fixture: &Fixture, path: &str, cookie: &str, accept: &str) -> (u16, String) {
    let app = Router::new()
        .route("/private", on_get(private))
        .route("/either", on_get(either))
        .route("/leave", on_get(leave))
        .with_state(fixture.state.clone());
    let request = Request::get(path)
        .header(header::COOKIE, cookie)
        .header(header::ACCEPT, accept)
        .body(Body::empty());
    let response = app.oneshot(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).map(HeaderValue::to_str);
    let location = location.map(|it| it.unwrap().to_owned());
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (status, location.unwrap_or(body))
}

#[tokio::test]
async fn a_page_for_a_role_opens_for_that_role_alone() {
    let fixture = Fixture::new().await;
    for (user, status) in [
        (ANNA, 403),
        (crate::testing::BERT, 403),
        (crate::testing::CARLA, 200),
        (DORA, 403),
        (EMIL, 200),
    ] {
        let (cookie, _) = fixture.session(user).await;
        assert_eq!(
            ask(&fixture, "/private", &cookie, "text/html").await.0,
            status,
            "{user}"
        );
    }
}

#[tokio::test]
async fn without_a_session_a_browser_is_sent_to_sign_in_and_software_is_told() {
    let fixture = Fixture::new().await;
    let device = fixture.phone(EMIL).await.token;
    for cookie in [
        "",
        "fieldledger_session=",
        "fieldledger_session=nonsense",
        &format!("fieldledger_session={device}"),
    ] {
        let (status, location) = ask(&fixture, "/private?x=1", cookie, "text/html,*/*").await;
        assert_eq!((status, location.as_str()), (303, "/sign-in?next=/private%3Fx%3D1"));
        let (status, body) = ask(&fixture, "/private", cookie, "application/json").await;
        assert_eq!(status, 401);
        assert!(body.contains("sign_in_again"));
        assert_eq!(
            ask(&fixture, "/either", cookie, "text/html").await,
            (200, "stranger".to_owned())
        );
    }
}

#[tokio::test]
async fn a_session_ends_at_its_hour_at_sign_out_and_with_the_account() {
    let fixture = Fixture::with(ServerConfig {
        session_idle_minutes: 0,
        ..ServerConfig::default()
    })
    .await;
    let open = async |cookie: &str| ask(&fixture, "/either", cookie, "text/html").await.1 == "emil";
    let (cookie, _) = fixture.session(EMIL).await;
    fixture.clock.pass(12 * HOUR - 1);
    assert!(open(&cookie).await);
    fixture.clock.pass(1);
    assert!(!open(&cookie).await);

    let (cookie, _) = fixture.session(EMIL).await;
    let (_, cleared) = ask(&fixture, "/leave", &cookie, "text/html").await;
    assert!(
        cleared.starts_with("fieldledger_session=; ") && cleared.contains("Max-Age=0"),
        "{cleared}"
    );
    assert!(!open(&cookie).await);
    assert_eq!(fixture.audited().await, ["sign_out"]);

    let (cookie, _) = fixture.session(EMIL).await;
    fixture.change(EMIL, |account| account.disabled = true).await;
    assert!(!open(&cookie).await);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_what_a_page_does_by_itself_is_no_use() {
    let fixture = Fixture::new().await;
    let minute = 60_000;
    let (cookie, _) = fixture.session(EMIL).await;
    let ask = async |method: Method, headers: &[(&'static str, &'static str)]| {
        let mut request = get("/").into_parts().0;
        request.method = method;
        request.headers.insert(header::COOKIE, cookie.parse().unwrap());
        for (name, value) in headers {
            request.headers.insert(*name, HeaderValue::from_static(value));
        }
        let found = <SignedIn as axum::extract::OptionalFromRequestParts<AppState>>::from_request_parts(
            &mut request,
            &fixture.state,
        );
        found.await.unwrap().is_some()
    };
    let open = async |headers: &[(&'static str, &'static str)]| ask(Method::GET, headers).await;
    let send = async |headers: &[(&'static str, &'static str)]| ask(Method::POST, headers).await;
    let person = [("sec-fetch-dest", "document")];
    fixture.clock.pass(119 * minute);
    assert!(open(&person).await);
    fixture.clock.pass(119 * minute);
    assert!(open(&[]).await, "a browser that does not tell counts as a person");
    // What somebody sends was done by somebody, by a script for the keyboard too.
    let script = [("sec-fetch-dest", "empty")];
    fixture.clock.pass(119 * minute);
    assert!(send(&script).await);
    fixture.clock.pass(119 * minute);
    assert!(open(&script).await);
    fixture.clock.pass(minute);
    assert!(!open(&script).await && !open(&person).await);
}

#[tokio::test]
async fn a_form_needs_the_secret_of_its_own_session() {
    let fixture = Fixture::new().await;
    let (_, mine) = fixture.session(EMIL).await;
    let (cookie, other) = fixture.session(EMIL).await;
    let mut request = get("/").into_parts().0;
    request.headers.insert(header::COOKIE, cookie.parse().unwrap());
    use axum::extract::FromRequestParts as _;
    let signed_in: SignedIn = SignedIn::from_request_parts(&mut request, &fixture.state)
        .await
        .unwrap();
    assert!(signed_in.check_csrf(&other).is_ok());
    for wrong in [mine.as_str(), "", &other[1..]] {
        assert_eq!(signed_in.check_csrf(wrong).unwrap_err().status, 403);
    }
}
