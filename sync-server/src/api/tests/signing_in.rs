//! Signing in with a password.

use axum::http::HeaderValue;
use fieldledger_core::model::UserId;
use futures::future::join_all;

use super::get;
use crate::{
    auth::{RemoteAddress, sign_in},
    config::ServerConfig,
    testing::{DORA, EMIL, Fixture, PASSWORD},
};

const HERE: RemoteAddress = RemoteAddress(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));

async fn attempt(fixture: &Fixture, login: &str, password: &str) -> Result<(UserId, HeaderValue), &'static str> {
    let signed_in = sign_in(&fixture.state, HERE, "browser", login, password).await;
    signed_in
        .map(|it| (it.account.user, it.set_cookie))
        .map_err(|error| error.code)
}

#[tokio::test]
async fn the_right_password_opens_a_session_and_nothing_else_does() {
    let fixture = Fixture::new().await;
    let (user, cookie) = attempt(&fixture, " Dora ", PASSWORD).await.unwrap();
    assert_eq!(user, DORA);
    let cookie = cookie.to_str().unwrap();
    assert!(cookie.starts_with("fieldledger_session="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200"),
        "{cookie}"
    );
    for (login, password) in [("dora", "wrong password"), ("nobody", PASSWORD), ("", ""), ("dora", "")] {
        assert_eq!(
            attempt(&fixture, login, password).await,
            Err("wrong_sign_in"),
            "{login}"
        );
    }
    fixture.change(DORA, |account| account.disabled = true).await;
    assert_eq!(attempt(&fixture, "dora", PASSWORD).await, Err("wrong_sign_in"));
    fixture.change(EMIL, |account| account.password_hash = None).await;
    assert_eq!(attempt(&fixture, "emil", "").await, Err("wrong_sign_in"));
    let log = fixture.audited().await;
    let failed = log.iter().filter(|it| *it == "sign_in.failed").count();
    let succeeded = log.iter().filter(|it| *it == "sign_in.succeeded").count();
    assert_eq!((failed, succeeded), (4, 1));
}

#[tokio::test]
async fn a_cookie_over_https_is_sent_back_over_https_only() {
    let fixture = Fixture::with(ServerConfig {
        public_url: Some("https://sales.example.com".to_owned()),
        ..ServerConfig::default()
    })
    .await;
    let (_, cookie) = attempt(&fixture, "dora", PASSWORD).await.unwrap();
    let cookie = cookie.to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-fieldledger_session=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert!(
        fixture
            .send(get("/healthz"))
            .await
            .headers
            .contains_key("strict-transport-security")
    );
}

#[tokio::test]
async fn after_five_wrong_passwords_even_the_right_one_has_to_wait() {
    let fixture = Fixture::new().await;
    for _ in 0..5 {
        assert_eq!(attempt(&fixture, "dora", "wrong password").await, Err("wrong_sign_in"));
    }
    let refused = sign_in(&fixture.state, HERE, "browser", "dora", PASSWORD)
        .await
        .unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.code), (429, "too_many_requests"));
    assert!(refused.retry_after.is_some());
    fixture.clock.pass(1_000);
    attempt(&fixture, "dora", PASSWORD).await.unwrap();
    assert!(
        attempt(&fixture, "dora", "wrong password")
            .await
            .is_err_and(|code| code == "wrong_sign_in")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_guesses_at_once_get_no_further_than_one_after_the_other() {
    let fixture = Fixture::new().await;
    let answers = join_all((0..12).map(|_| attempt(&fixture, "dora", "wrong password"))).await;
    let looked_at = answers.iter().filter(|it| **it == Err("wrong_sign_in")).count();
    assert_eq!(looked_at, 5);
}
