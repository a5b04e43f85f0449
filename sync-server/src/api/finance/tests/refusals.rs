//! What cannot be stored is refused by the name of its field, and nothing is stored.

use super::*;

/// A body with one field changed; `null` takes it out.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(name);
    } else {
        parent[name] = value;
    }
    body
}

async fn refuses(office: &Office, path: &str, body: &Value, wanted: &str) {
    let before = office.stored().await;
    let answer = office.post(path, "k", body).await;
    assert_eq!(answer.status, 422, "{path} {body}: {}", answer.text());
    assert_eq!(field(&answer), wanted, "{path} {body}: {}", answer.text());
    assert_eq!(office.stored().await, before, "{path} {body}");
}

#[tokio::test]
async fn invoices() {
    let office = Office::new().await;
    let good = invoice("1", "100.00");
    let part = |amount: &str| json!({ "amount": amount, "due_on": "2025-11-08" });
    for (pointer, value, field) in [
        ("/number", json!(""), "number"),
        ("/number", json!("1\n2"), "number"),
        ("/number", json!(7), "number"),
        ("/number", Value::Null, "number"),
        ("/amount/amount", json!("0"), "amount"),
        ("/amount/amount", json!("0.00"), "amount"),
        ("/amount/amount", json!("-5.00"), "amount"),
        ("/amount/amount", json!("1.005"), "amount"),
        ("/amount/amount", json!("1000000000000.01"), "amount"),
        ("/amount/amount", json!(5.5), "amount.amount"),
        (
            "/amount/amount",
            json!("12345678901234567890123456789"),
            "amount.amount",
        ),
        (
            "/amount/amount",
            json!("0.00000000000000000000000000001"),
            "amount.amount",
        ),
        ("/amount/amount", json!("1e3"), "amount.amount"),
        ("/amount/currency", json!("XXQ"), "amount.currency"),
        ("/amount/currency", json!("yuan"), "amount.currency"),
        ("/amount/currency", Value::Null, "amount.currency"),
        ("/amount", json!("100.00"), "amount"),
        ("/invoiced_on", json!("2025-13-01"), "invoiced_on"),
        ("/invoiced_on", json!("1025-10-09"), "invoiced_on"),
        ("/invoiced_on", json!("9999-10-09"), "invoiced_on"),
        ("/invoiced_on", json!("2025-10-10"), "invoiced_on"),
        // Closed books.
        ("/invoiced_on", json!("2025-09-30"), "invoiced_on"),
        ("/posted_on", json!("2025-09-30"), "posted_on"),
        ("/due_on", json!("9999-12-31"), "due_on"),
        ("/due_on", json!("soon"), "due_on"),
        ("/type", json!("gift"), "type"),
        ("/contract_number", json!("K-1"), "contract_number"),
        ("/delivered_on", json!("0001-01-01"), "delivered_on"),
        ("/instalments", json!([]), "instalments"),
        (
            "/instalments",
            json!([{ "amount": "100", "due": { "from": "delivery", "days": 4_000_000_000u32 } }]),
            "instalments.due.offset",
        ),
        ("/instalments", json!([part("60"), part("30")]), "instalments.amount"),
        ("/instalments", json!([part("160"), part("-60")]), "instalments.amount"),
        ("/instalments", json!([{ "amount": "100" }]), "instalments.due_on"),
        (
            "/instalments",
            json!([{ "amount": "100", "due": { "from": "delivery" } }]),
            "instalments.due",
        ),
        (
            "/instalments",
            json!([{ "amount": "100", "due": { "from": "invoice", "days": 4_000_000_000u32 } }]),
            "due.offset",
        ),
        (
            "/instalments",
            json!([{ "amount": "100", "due": { "from": "moon", "days": 1 } }]),
            "instalments[0].due.from",
        ),
        ("/lines", json!([{ "line": BAKERY, "quantity": "1" }]), "lines"),
        ("/lines", json!([{ "line": "x", "quantity": "1" }]), "lines[0].line"),
        ("/lines", json!([{ "quantity": "1" }]), "lines.line"),
        (
            "/lines",
            json!([{ "product": "P-1", "quantity": "1" }]),
            "lines.product",
        ),
        ("/paid", json!(true), "paid"),
        ("/amount/vat", json!("19"), "amount.vat"),
    ] {
        refuses(&office, INVOICES, &with(good.clone(), pointer, value), field).await;
    }
    let two = with(
        with(good.clone(), "/due_on", json!("2025-11-08")),
        "/contract_number",
        json!("K"),
    );
    refuses(&office, INVOICES, &two, "due_on").await;
    assert_eq!(office.exposure().await, "0.00");
    office.done(INVOICES, good).await;
}

#[tokio::test]
async fn receipts_and_what_becomes_of_them() {
    let office = Office::new().await;
    office.done(INVOICES, invoice("1", "100.00")).await;
    let good = receipt("R1", "40.00");
    for (pointer, value, field) in [
        ("/reference", json!(" R1"), "reference"),
        ("/amount/amount", json!("0"), "amount"),
        ("/amount/amount", json!("-1"), "amount"),
        ("/amount/currency", json!("USD"), "amount.currency"),
        ("/valued_on", json!("2025-09-30"), "valued_on"),
        ("/valued_on", json!("2052-10-09"), "valued_on"),
        ("/posted_on", json!("2025-09-30"), "posted_on"),
        ("/channel", json!("Cheque"), "cleared"),
        ("/channel", json!(["cheque"]), "channel"),
        (
            "/instructions",
            json!([{ "invoice_number": "1", "instalment": 2 }]),
            "instructions.instalment",
        ),
        ("/cleared", json!("yes"), "cleared"),
        (
            "/instructions",
            json!([{ "invoice_number": "2" }]),
            "instructions.invoice_number",
        ),
        (
            "/instructions",
            json!([{ "invoice_number": "1", "amount": "-1" }]),
            "instructions.amount",
        ),
        (
            "/instructions",
            json!([{ "invoice_number": "1", "amount": 1 }]),
            "instructions[0].amount",
        ),
    ] {
        refuses(&office, RECEIPTS, &with(good.clone(), pointer, value), field).await;
    }
    office
        .done(RECEIPTS, with(good, "/amount/amount", json!("140.00")))
        .await;
    let of = |what: &str| format!("{RECEIPTS}/R1/{what}");
    for (path, body, field) in [
        (of("clearing"), json!({}), "receipt"),
        (format!("{RECEIPTS}/R9/clearing"), json!({}), "receipt"),
        (of("return"), json!({ "reason": "" }), "reason"),
        (of("return"), json!({}), "reason"),
        (
            of("return"),
            json!({ "reason": "x", "bounced_on": "2025-09-30" }),
            "bounced_on",
        ),
        (
            of("return"),
            json!({ "reason": "x", "bounced_on": "2025-10-10" }),
            "bounced_on",
        ),
        (
            of("reversals"),
            json!({ "allocations": [2], "reason": "x" }),
            "allocations",
        ),
        (
            of("reversals"),
            json!({ "allocations": [-1], "reason": "x" }),
            "allocations[0]",
        ),
        (of("reversals"), json!({ "allocations": [1], "reason": " " }), "reason"),
        (
            of("reversals"),
            json!({ "allocations": [1], "reason": "x", "on": "2025-09-30" }),
            "on",
        ),
        (of("allocations"), json!({ "allocations": [] }), "allocations"),
        (
            of("allocations"),
            json!({ "allocations": [{ "invoice_number": "9" }] }),
            "allocations.invoice_number",
        ),
        (
            of("allocations"),
            json!({ "allocations": [{ "invoice_number": "1", "amount": "1" }] }),
            "allocations.amount",
        ),
        (
            "/api/v1/customers/bakery/credit-notes".to_owned(),
            json!({ "number": "C1", "credited_on": "2025-10-09", "amount": yuan("0") }),
            "amount",
        ),
        (
            "/api/v1/customers/bakery/credit-notes".to_owned(),
            json!({ "number": "C1", "credited_on": "2025-09-30", "amount": yuan("1") }),
            "credited_on",
        ),
        (
            "/api/v1/customers/bakery/credit-notes".to_owned(),
            json!({ "number": "C1", "credited_on": "2025-10-09", "amount": yuan("1"), "invoice_number": "01" }),
            "invoice_number",
        ),
    ] {
        refuses(&office, &path, &body, field).await;
    }
    let unidentified = "/api/v1/unidentified-receipts";
    let good = json!({ "reference": "BK-1", "valued_on": "2025-10-09", "amount": yuan("5") });
    for (pointer, value, field) in [
        ("/amount/amount", json!("0"), "amount"),
        ("/amount/currency", json!("ABC"), "amount.currency"),
        ("/valued_on", json!("2025-09-30"), "valued_on"),
        ("/reference", json!(""), "reference"),
        ("/customer", json!("bakery"), "customer"),
    ] {
        refuses(&office, unidentified, &with(good.clone(), pointer, value), field).await;
    }
    let nobody = office
        .post(
            "/api/v1/unidentified-receipts/BK-1/assignment",
            "k",
            &json!({ "customer": "bakery" }),
        )
        .await;
    assert_eq!((nobody.status.as_u16(), nobody.code().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn contracts_disputes_and_extensions() {
    let office = Office::new().await;
    let contracts = "/api/v1/customers/bakery/contracts";
    let milestone =
        |percent: &str, from: &str| json!({ "name": "part", "percent": percent, "due": { "from": from, "days": 30 } });
    let good = json!({ "number": "K-1", "signed_on": "2025-09-01", "milestones": [milestone("100", "delivery")] });
    for (pointer, value, field) in [
        (
            "/milestones",
            json!([milestone("30", "delivery"), milestone("60", "delivery")]),
            "milestones.percent",
        ),
        (
            "/milestones",
            json!([milestone("110", "delivery"), milestone("-10", "delivery")]),
            "milestones.percent",
        ),
        (
            "/milestones",
            json!([milestone("33.333", "delivery"), milestone("66.666", "delivery")]),
            "milestones.percent",
        ),
        ("/milestones", json!([]), "milestones"),
        (
            "/milestones",
            json!([milestone("100", "acceptance")]),
            "acceptance_criteria",
        ),
        ("/signed_on", json!("0225-09-01"), "signed_on"),
        ("/number", json!(""), "number"),
        (
            "/interest",
            json!([{ "from_day": 0, "percent_per_day": "0.5" }]),
            "breach.interest.from_day",
        ),
    ] {
        refuses(&office, contracts, &with(good.clone(), pointer, value), field).await;
    }
    office.done(contracts, good.clone()).await;
    refuses(&office, contracts, &good, "number").await;
    office.done(INVOICES, invoice("1", "100.00")).await;
    let of = |what: &str| format!("{INVOICES}/1/{what}");
    for (path, body, field) in [
        (of("disputes"), json!({ "reason": "" }), "reason"),
        (
            of("disputes"),
            json!({ "reason": "wet", "instalment": 2 }),
            "instalment",
        ),
        (
            of("disputes"),
            json!({ "reason": "wet", "opened_on": "2025-09-30" }),
            "opened_on",
        ),
        (
            format!("{INVOICES}/01/disputes"),
            json!({ "reason": "wet" }),
            "invoice_number",
        ),
        (of("settlements"), json!({ "outcome": "agreed" }), "instalment"),
        (
            of("extensions"),
            json!({ "reason": "asked", "due_on": "2025-11-08" }),
            "due_on",
        ),
        (
            of("extensions"),
            json!({ "reason": "asked", "due_on": "9025-11-08" }),
            "due_on",
        ),
        (
            of("extensions"),
            json!({ "reason": "", "due_on": "2025-12-08" }),
            "reason",
        ),
        (
            of("extensions"),
            json!({ "reason": "asked", "due_on": "2025-12-08", "instalment": 3 }),
            "instalment",
        ),
    ] {
        refuses(&office, &path, &body, field).await;
    }
}

#[tokio::test]
async fn credit_accounts() {
    let office = Office::new().await;
    let credit = |what: &str| format!("/api/v1/customers/bakery/credit/{what}");
    for (path, body, field) in [
        (credit("terms"), json!({ "reason": "x" }), "grade"),
        (credit("terms"), json!({ "grade": "E", "reason": "x" }), "grade"),
        (credit("terms"), json!({ "grade": "A", "reason": "" }), "reason"),
        (credit("terms"), json!({ "limit": yuan("-1"), "reason": "x" }), "limit"),
        (
            credit("terms"),
            json!({ "limit": yuan("0.001"), "reason": "x" }),
            "limit",
        ),
        (
            credit("terms"),
            json!({ "limit": { "amount": "1", "currency": "EUR" }, "reason": "x" }),
            "limit.currency",
        ),
        (
            credit("terms"),
            json!({ "limit": yuan("1"), "no_limit": true, "reason": "x" }),
            "no_limit",
        ),
        (
            credit("terms"),
            json!({ "grade": "A", "from": "2025-09-30", "reason": "x" }),
            "from",
        ),
        (
            credit("terms"),
            json!({ "grade": "A", "from": "9999-09-30", "reason": "x" }),
            "from",
        ),
        (
            credit("terms"),
            json!({ "terms_days": 999_999, "reason": "x" }),
            "terms_days",
        ),
        (
            credit("assessments"),
            json!({ "assessor": "Wang", "evidence": "accounts", "valid_until": "2025-10-08" }),
            "valid_until",
        ),
        (
            credit("assessments"),
            json!({ "assessor": "", "evidence": "accounts", "valid_until": "2026-10-08" }),
            "assessor",
        ),
        (credit("holds"), json!({ "reason": " " }), "reason"),
        (credit("lifted-holds"), json!({ "reason": "paid" }), "hold"),
    ] {
        refuses(&office, &path, &body, field).await;
    }
}
