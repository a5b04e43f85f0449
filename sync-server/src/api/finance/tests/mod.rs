//! Every route through the real router, on a store in memory. The day is 2025-10-09, the books are closed until the end of
//! September.

mod access;
mod actions;
mod once;
mod refusals;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use fieldledger_core::{model::*, sync::protocol::StreamMark};
use serde_json::{Value, json};

use crate::{
    auth::hash_secret,
    config::ServerConfig,
    store::{ApiRole, AuditEntry, NewApiToken, Step},
    testing::{Answer, BAKERY, Fixture, HARBOUR, ORGANISATION, START},
};

/// A company whose ERP has a token, with a customer of grade B and a limit of 10,000.
pub(super) struct Office {
    pub(super) fixture: Fixture,
    pub(super) token: String,
}

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

impl Office {
    pub(super) async fn new() -> Self {
        Self::of(Fixture::new().await).await
    }

    pub(super) async fn with(config: ServerConfig) -> Self {
        Self::of(Fixture::with(config).await).await
    }

    async fn of(fixture: Fixture) -> Self {
        let mut records: Vec<LedgerRecord> = Vec::new();
        for customer in [BAKERY, HARBOUR] {
            let mut account = CreditAccount::new(customer);
            account.terms.push(CreditTerms {
                effective_from: day("2025-01-01"),
                grade: Some(CreditGrade::B),
                limit: CreditLimit::Limited(cny(10_000)),
                terms_days: 30,
                reason: "first assessment".to_owned(),
                by: None,
                recorded_at: START,
            });
            records.push(account.into());
        }
        let rate = |from: &str, rate: &str| CreditRate {
            from: from.parse().unwrap(),
            to: Currency::CNY,
            on: day("2025-01-01"),
            rate: rate.parse().unwrap(),
        };
        let policy = Policy {
            rates: vec![rate("JPY", "0.05"), rate("KWD", "23")],
            books_closed_until: Some(day("2025-09-30")),
            ..Policy::default()
        };
        records.push(policy.into());
        let store = &fixture.state.store;
        store.put_records(ORGANISATION, records, true, START).await.unwrap();
        let token = String::new();
        let mut office = Self { fixture, token };
        office.token = office.new_token("ERP", ApiRole::Finance, None).await;
        office
    }

    /// Makes a token as an operator does.
    pub(super) async fn new_token(&self, name: &str, role: ApiRole, expires_at: Option<Timestamp>) -> String {
        let state = &self.fixture.state;
        let token = state.secrets.token();
        let new = NewApiToken {
            id: state.secrets.bytes(),
            token_hash: hash_secret(&token),
            name: name.to_owned(),
            role,
            expires_at,
        };
        let steps = vec![Step::PutApiToken(new)];
        let made = state.administer(ORGANISATION, steps, "operator", "token.created", name, "");
        made.await.unwrap();
        token
    }

    pub(super) async fn send(&self, method: Method, path: &str, token: &str, key: &str, body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.fixture.send(request.body(Body::from(body)).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &self.token, key, body).await
    }

    /// Posts with a key of its own and insists on success.
    pub(super) async fn done(&self, path: &str, body: Value) -> Value {
        let key = format!("{:032x}", u128::from_be_bytes(self.fixture.state.secrets.bytes()));
        let answer = self.post(path, &key, &body).await;
        assert!(answer.status.is_success(), "{path} {body}: {}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/json");
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, &self.token, "", &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Everything that a request could have written: how far the streams have grown, and the audit log.
    pub(super) async fn stored(&self) -> (Vec<StreamMark>, Vec<AuditEntry>) {
        let store = &self.fixture.state.store;
        let heads = store.heads(ORGANISATION).await.unwrap();
        (heads, store.audit_log(ORGANISATION, 1_000).await.unwrap())
    }

    /// X of the bakery, as text.
    pub(super) async fn exposure(&self) -> String {
        let customer = self.get("/api/v1/customers/bakery").await;
        customer["position"]["exposure"]["amount"].as_str().unwrap().to_owned()
    }
}

pub(super) fn yuan(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "CNY" })
}

/// An invoice of today.
pub(super) fn invoice(number: &str, amount: &str) -> Value {
    json!({ "number": number, "invoiced_on": "2025-10-09", "amount": yuan(amount) })
}

pub(super) fn receipt(reference: &str, amount: &str) -> Value {
    json!({ "reference": reference, "valued_on": "2025-10-09", "amount": yuan(amount) })
}

pub(super) const INVOICES: &str = "/api/v1/customers/bakery/invoices";
pub(super) const RECEIPTS: &str = "/api/v1/customers/bakery/receipts";

pub(super) fn field(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["code"], "invalid_field", "{body}");
    assert!(!body["message"].as_str().unwrap().is_empty());
    body["field"].as_str().unwrap().to_owned()
}
