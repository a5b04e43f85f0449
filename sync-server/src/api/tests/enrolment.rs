//! Codes, tokens and revoked devices.

use axum::{
    body::Body,
    http::{Request, header},
};
use futures::future::join_all;

use super::DAY;
use crate::testing::{ANNA, Fixture, ORGANISATION, SVEN, empty_request};

#[tokio::test]
async fn an_enrolment_code_is_wrong_used_or_expired_with_a_name_for_each() {
    let fixture = Fixture::new().await;
    for typed in ["", "0000-0000-0000", "not a code at all"] {
        let answer = fixture.enrol(typed).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "code_unknown"),
            "{typed}"
        );
    }
    let code = fixture.code(ANNA).await;
    fixture.clock.pass(DAY);
    let answer = fixture.enrol(&code).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (410, "code_expired"));
    let code = fixture.code(ANNA).await;
    fixture.clock.pass(DAY - 1);
    assert_eq!(fixture.enrol(&code.to_lowercase().replace('-', "")).await.status, 200);
    let answer = fixture.enrol(&code).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "code_used"));
    let code = fixture.code(SVEN).await;
    fixture.change(SVEN, |account| account.disabled = true).await;
    let answer = fixture.enrol(&code).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (403, "account_disabled")
    );
    assert_eq!(fixture.audited().await, ["device.enrolled"]);
}

#[tokio::test]
async fn enrolment_refuses_what_is_no_request_and_uses_up_no_code() {
    let fixture = Fixture::new().await;
    let code = fixture.code(ANNA).await;
    let json = |field: &str, value: &str| {
        let mut body = serde_json::json!({
            "code": code, "device_name": "phone", "platform": "test", "app_version": "1", "installation": "00".repeat(16),
        });
        body[field] = value.into();
        body.to_string().into_bytes()
    };
    for (body, media_type, status, code) in [
        (json("platform", "ios"), "text/plain", 415, "wrong_media_type"),
        (b"<html>".to_vec(), "text/html; charset=utf-8", 415, "wrong_media_type"),
        (b"<html>".to_vec(), "application/json", 400, "malformed"),
        (b"{}".to_vec(), "application/json", 400, "malformed"),
        (Vec::new(), "application/json", 400, "malformed"),
        (vec![b' '; 20_000], "application/json", 413, "too_large"),
        (json("installation", "0"), "application/json", 400, "malformed"),
        (json("device_name", ""), "application/json", 400, "malformed"),
        (
            json("device_name", &"x".repeat(201)),
            "application/json",
            400,
            "malformed",
        ),
        (json("platform", "a\nb"), "application/json", 400, "malformed"),
    ] {
        let request = Request::post("/v1/enrol")
            .header(header::CONTENT_TYPE, media_type)
            .body(Body::from(body));
        let answer = fixture.send(request.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
    }
    assert_eq!(fixture.enrol(&code).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_phones_that_use_one_code_at_once_exactly_one_wins() {
    let fixture = Fixture::new().await;
    let code = fixture.code(ANNA).await;
    let answers = join_all((0..16).map(|_| fixture.enrol(&code))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((won, lost), (1, 15));
    assert_eq!(fixture.state.store.devices(ORGANISATION).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_is_replaced_after_its_days_and_a_lost_reply_locks_nobody_out() {
    let fixture = Fixture::new().await;
    let old = fixture.phone(ANNA).await.token;
    let next = async |token: &str| fixture.exchange(token, &empty_request()).await.exchange().new_token;
    fixture.clock.pass(30 * DAY - 1);
    assert_eq!(next(&old).await, None);
    fixture.clock.pass(1);
    let lost = next(&old).await.unwrap();
    // That reply never arrived: the old token goes on, and is offered another.
    let new = next(&old).await.unwrap();
    assert_ne!(lost, new);
    assert_eq!(next(&new).await, None);
    for token in [&old, &lost] {
        assert_eq!(fixture.exchange(token, &empty_request()).await.code(), "sign_in_again");
    }
    assert_eq!(next(&new).await, None);
    fixture.clock.pass(30 * DAY);
    assert!(next(&new).await.is_some());
}

#[tokio::test]
async fn a_device_cannot_be_used_any_more_once_it_is_revoked_whichever_token_it_holds() {
    let fixture = Fixture::new().await;
    let phone = fixture.phone(ANNA).await;
    fixture.clock.pass(30 * DAY);
    let new = fixture
        .exchange(&phone.token, &empty_request())
        .await
        .exchange()
        .new_token
        .unwrap();
    let now = fixture.state.clock.now();
    fixture
        .state
        .store
        .revoke_device(ORGANISATION, phone.device, now)
        .await
        .unwrap();
    for token in [&phone.token, &new] {
        assert_eq!(fixture.exchange(token, &empty_request()).await.code(), "revoked");
    }
}
