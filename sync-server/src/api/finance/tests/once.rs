//! What is asked twice happens once.

use futures::future::join_all;

use super::*;

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|it| it == "true")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_equal_posts_at_once_one_has_an_effect_and_all_get_its_answer() {
    let office = Office::new().await;
    let body = invoice("0042", "700.00");
    let answers = join_all((0..16).map(|_| office.post(INVOICES, "invoice-42", &body))).await;
    assert!(answers.iter().all(|it| it.status == 201 && it.body == answers[0].body));
    assert_eq!(answers.iter().filter(|it| !replayed(it)).count(), 1);
    assert_eq!(office.exposure().await, "700.00");
    let (_, log) = office.stored().await;
    assert_eq!(log.iter().filter(|it| it.action == "invoice.issued").count(), 1);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_whatever_has_changed_since() {
    let office = Office::new().await;
    let money = json!({ "reference": "BK-1", "valued_on": "2025-10-01", "amount": yuan("50.00") });
    let first = office.post("/api/v1/unidentified-receipts", "bank-1", &money).await;
    assert_eq!((first.status.as_u16(), replayed(&first)), (201, false));
    let assignment = json!({ "customer": "bakery" });
    let path = "/api/v1/unidentified-receipts/BK-1/assignment";
    let assigned = office.post(path, "assign-1", &assignment).await;
    assert_eq!(assigned.status, 201, "{}", assigned.text());
    // The books of that day are closed meanwhile.
    let policy = Policy {
        books_closed_until: Some(day("2025-10-08")),
        ..Policy::default()
    };
    let store = &office.fixture.state.store;
    store
        .put_records(ORGANISATION, vec![policy.into()], true, START)
        .await
        .unwrap();
    let before = office.stored().await;
    for (path, key, body, answered) in [
        ("/api/v1/unidentified-receipts", "bank-1", &money, &first),
        (path, "assign-1", &assignment, &assigned),
    ] {
        let again = office.post(path, key, body).await;
        assert_eq!((again.status, &again.body), (answered.status, &answered.body));
        assert!(replayed(&again));
    }
    assert_eq!(office.stored().await, before);
    // Another token of the same company repeats it too: the first one may have been replaced.
    let other = office.new_token("ERP 2", ApiRole::Finance, None).await;
    let again = office.send(Method::POST, path, &other, "assign-1", &assignment).await;
    assert!(replayed(&again));
}

#[tokio::test]
async fn a_key_is_for_one_request_however_its_fields_are_ordered() {
    let office = Office::new().await;
    office.post(INVOICES, "k", &invoice("1", "10")).await;
    let before = office.stored().await;
    for (path, body) in [
        (INVOICES, invoice("2", "10")),
        ("/api/v1/customers/harbour/invoices", invoice("1", "10")),
        (RECEIPTS, receipt("R1", "10")),
    ] {
        let answer = office.post(path, "k", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (422, "idempotency_key_reused"),
            "{path}"
        );
    }
    assert_eq!(office.stored().await, before);
    let request = Request::post(INVOICES)
        .header(header::AUTHORIZATION, format!("Bearer {}", office.token))
        .header("idempotency-key", "k")
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(Body::from(
            r#" {"amount": {"currency":"CNY", "amount":"10"}, "invoiced_on":"2025-10-09",
                "number":"1"} "#,
        ));
    assert!(replayed(&office.fixture.send(request.unwrap()).await));
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let office = Office::new().await;
    let refused = office.post(INVOICES, "k", &invoice("1", "0")).await;
    assert_eq!(refused.status, 422);
    let done = office.post(INVOICES, "k", &invoice("1", "1")).await;
    assert_eq!((done.status.as_u16(), replayed(&done)), (201, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_customers_who_are_given_the_same_money_at_once_one_gets_it() {
    let office = Office::new().await;
    for round in 0..8 {
        let reference = format!("BK-{round}");
        let money = json!({ "reference": reference, "valued_on": "2025-10-09", "amount": yuan("50.00") });
        office.done("/api/v1/unidentified-receipts", money).await;
        let path = format!("/api/v1/unidentified-receipts/{reference}/assignment");
        let assign = async |customer: &str| {
            let key = format!("{customer}-{round}");
            office.post(&path, &key, &json!({ "customer": customer })).await
        };
        let answers = join_all([assign("bakery"), assign("harbour")]).await;
        let won = answers.iter().filter(|it| it.status == 201).count();
        let lost: Vec<String> = answers.iter().filter(|it| it.status == 422).map(field).collect();
        assert_eq!(
            (won, lost),
            (1, vec!["unidentified_receipt".to_owned()]),
            "round {round}"
        );
    }
    let unmatched = office.get("/api/v1/unmatched").await;
    assert_eq!(unmatched["unidentified"], json!([]));
    assert_eq!(unmatched["unallocated"].as_array().unwrap().len(), 8);
    assert_eq!(office.fixture.state.store.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_given_once_in_the_whole_company() {
    let office = Office::new().await;
    let path = |customer: &str| format!("/api/v1/customers/{customer}/invoices");
    let (bakery, harbour) = (path("bakery"), path("harbour"));
    let one = invoice("7", "1");
    let answers = join_all([office.post(&bakery, "a", &one), office.post(&harbour, "b", &one)]).await;
    let mut ends: Vec<u16> = answers.iter().map(|it| it.status.as_u16()).collect();
    ends.sort_unstable();
    assert_eq!(ends, [201, 422]);
    // Leading zeros make another number.
    office.done(&bakery, invoice("007", "1")).await;
    let again = office.post(&harbour, "c", &invoice("007", "1")).await;
    assert_eq!(field(&again), "number");
    // References are the payers': two customers may use one, one customer not twice.
    office.done(RECEIPTS, receipt("R1", "1")).await;
    office
        .done("/api/v1/customers/harbour/receipts", receipt("R1", "1"))
        .await;
    let again = office.post(RECEIPTS, "d", &receipt("R1", "1")).await;
    assert_eq!(field(&again), "reference");
}
