//! Who gets in.

use super::*;
use crate::{api::finance::routes, testing::ANNA};

/// Every route with names in the place of its parameters.
fn everywhere() -> Vec<(Method, String)> {
    let path = |template: &str| {
        template
            .replace("{customer}", "bakery")
            .replace("{receipt}", "R1")
            .replace("{credit_note}", "C1")
            .replace("{invoice}", "1")
            .replace("{order}", "SO-1")
    };
    let all: Vec<_> = routes()
        .iter()
        .map(|it| (it.method.to_uppercase().parse().unwrap(), path(it.path)))
        .collect();
    assert!(all.len() > 20 && all.iter().all(|(_, path)| !path.contains('{')));
    all
}

#[tokio::test]
async fn only_a_token_that_works_opens_a_route() {
    let office = Office::new().await;
    let phone = office.fixture.phone(ANNA).await.token;
    let expires = office.fixture.state.clock.now().plus_millis(1_000);
    let ended = office.new_token("ended", ApiRole::Finance, Some(expires)).await;
    let revoked = office.new_token("revoked", ApiRole::Finance, None).await;
    let state = &office.fixture.state;
    let tokens = state.store.api_tokens(ORGANISATION).await.unwrap();
    let id = tokens.iter().find(|it| it.name == "revoked").unwrap().id;
    let steps = vec![Step::RevokeApiToken(id)];
    state
        .administer(ORGANISATION, steps, "operator", "token.revoked", "", "")
        .await
        .unwrap();
    office.fixture.clock.pass(999);
    let customer = "/api/v1/customers/bakery";
    let until = office.send(Method::GET, customer, &ended, "", &Value::Null).await;
    assert_eq!(until.status, 200, "until its last millisecond");
    office.fixture.clock.pass(1);
    let before = office.stored().await;
    for (method, path) in everywhere() {
        for (token, status, code) in [
            ("", 401, "token_unknown"),
            ("nonsense", 401, "token_unknown"),
            (&phone, 401, "token_unknown"),
            (&ended, 401, "token_expired"),
            (&revoked, 403, "revoked"),
        ] {
            let answer = office.send(method.clone(), &path, token, "k", &json!({})).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{method} {path} {token}"
            );
        }
    }
    // The token of software opens nothing that is for phones.
    let sync = office
        .send(Method::POST, "/v1/sync", &office.token, "", &Value::Null)
        .await;
    assert_eq!(sync.code(), "sign_in_again");
    assert_eq!(office.stored().await, before);
}

#[tokio::test]
async fn a_token_that_reads_changes_nothing() {
    let office = Office::new().await;
    let reader = office.new_token("report", ApiRole::ReadOnly, None).await;
    let before = office.stored().await;
    for (method, path) in everywhere() {
        let answer = office.send(method.clone(), &path, &reader, "k", &json!({})).await;
        if method == Method::GET {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        } else {
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (403, "not_allowed"),
                "{path}"
            );
        }
    }
    assert_eq!(office.stored().await, before);
}

#[tokio::test]
async fn every_change_needs_a_key_and_a_body_of_json() {
    let office = Office::new().await;
    let before = office.stored().await;
    for (method, path) in everywhere().into_iter().filter(|(method, _)| method == Method::POST) {
        for key in ["", "two words", &"k".repeat(201)] {
            let answer = office.send(method.clone(), &path, &office.token, key, &json!({})).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (400, "idempotency_key_required"),
                "{path}"
            );
            assert!(answer.text().contains("Idempotency-Key"), "the header is named");
        }
        let answer = office.post(&path, "k", &json!({ "colour": "red" })).await;
        assert_eq!(
            (answer.status.as_u16(), field(&answer).as_str()),
            (422, "colour"),
            "{path}"
        );
    }
    let send = async |media_type: &str, body: Vec<u8>| {
        let request = Request::post(INVOICES)
            .header(header::AUTHORIZATION, format!("Bearer {}", office.token))
            .header("idempotency-key", "k")
            .header(header::CONTENT_TYPE, media_type);
        let answer = office.fixture.send(request.body(Body::from(body)).unwrap()).await;
        (answer.status.as_u16(), answer.code())
    };
    let good = invoice("1", "1").to_string().into_bytes();
    assert_eq!(
        send("text/plain", good.clone()).await,
        (415, "wrong_media_type".to_owned())
    );
    assert_eq!(
        send("application/json", b"{".to_vec()).await,
        (400, "malformed".to_owned())
    );
    assert_eq!(
        send("application/json", vec![b' '; (1 << 20) + 1]).await,
        (413, "too_large".to_owned())
    );
    assert_eq!(office.stored().await, before);
}

#[tokio::test]
async fn a_token_that_asks_too_often_has_to_wait_and_does_not_hold_up_another() {
    let office = Office::with(ServerConfig {
        api_per_minute: 3,
        enrol_per_minute: 2,
        ..ServerConfig::default()
    })
    .await;
    let other = office.new_token("bank", ApiRole::ReadOnly, None).await;
    let ask = async |token: &str| {
        office
            .send(Method::GET, "/api/v1/unmatched", token, "", &Value::Null)
            .await
    };
    for _ in 0..3 {
        assert_eq!(ask(&office.token).await.status, 200);
    }
    let answer = ask(&office.token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (429, "too_many_requests")
    );
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(ask(&other).await.status, 200);
    // Guessing at tokens is slowed down by address.
    assert_eq!(ask("guess").await.status, 401);
    assert_eq!(ask("guess again").await.status, 401);
    assert_eq!(ask("and again").await.status, 429);
}

#[tokio::test]
async fn the_audit_log_knows_software_by_the_name_of_its_token() {
    let office = Office::new().await;
    office.done(INVOICES, invoice("1", "10")).await;
    let (_, log) = office.stored().await;
    assert_eq!(
        (log[0].actor.as_str(), log[0].action.as_str(), log[0].subject.as_str()),
        ("token:ERP", "invoice.issued", "1")
    );
    let tokens = office.fixture.state.store.api_tokens(ORGANISATION).await.unwrap();
    assert_eq!(tokens[0].last_used_at, Some(START));
}

#[tokio::test]
async fn customers_are_addressed_by_their_number_or_their_id() {
    let office = Office::new().await;
    let by_code = office.get("/api/v1/customers/bakery").await;
    assert_eq!(by_code, office.get(&format!("/api/v1/customers/{BAKERY}")).await);
    assert_eq!(by_code["customer"]["code"], "bakery");
    for unknown in ["Bakery", "bakery%20", "%25", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("/api/v1/customers/{unknown}");
        let answer = office.send(Method::GET, &path, &office.token, "", &Value::Null).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found"),
            "{unknown}"
        );
    }
    let broken = office
        .send(Method::GET, "/api/v1/customers/%ff", &office.token, "", &Value::Null)
        .await;
    assert_eq!(broken.code(), "malformed");
    let store = &office.fixture.state.store;
    let mut twice = store
        .customers_of_code(ORGANISATION, "harbour")
        .await
        .unwrap()
        .remove(0);
    twice.code = "bakery".to_owned();
    store
        .put_records(ORGANISATION, vec![twice.into()], true, START)
        .await
        .unwrap();
    let answer = office
        .send(Method::GET, "/api/v1/customers/bakery", &office.token, "", &Value::Null)
        .await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "conflict"));
    office.get(&format!("/api/v1/customers/{BAKERY}")).await;
}
