//! Each action once, as an ERP and a bank's program use them.

use super::*;
use crate::{
    ledger::{Arrivals, ArrivedOrder, take_in},
    store::Decided,
    testing::{ANNA, CARLA},
};

const DAY: i64 = 86_400_000;

fn unallocated(answer: &Value) -> &str {
    answer["unallocated"]["amount"].as_str().unwrap()
}

#[tokio::test]
async fn from_the_invoice_to_the_last_cent() {
    let office = Office::new().await;
    let issued = office.done(INVOICES, invoice("007", "5700")).await;
    assert_eq!(issued["invoice"]["amount"], yuan("5700.00"));
    assert_eq!(issued["invoice"]["due_on"], "2025-11-08");
    assert_eq!(issued["position"]["exposure"], yuan("5700.00"));
    assert_eq!(issued["position"]["free"], yuan("4300.00"));
    // A receipt pays what it names; the rest waits.
    let named = json!({
        "reference": "BK-1", "valued_on": "2025-10-09", "amount": yuan("6000.00"), "channel": "wechat_pay",
        "instructions": [{ "invoice_number": "007", "amount": "5000.00" }],
    });
    let paid = office.done(RECEIPTS, named).await;
    assert_eq!(unallocated(&paid), "300.00");
    assert_eq!(paid["position"]["exposure"], yuan("-300.00"));
    let made = paid["source"]["allocations"].as_array().unwrap();
    let bases: Vec<&str> = made.iter().map(|it| it["basis"].as_str().unwrap()).collect();
    assert_eq!(bases, ["instruction", "oldest_due"]);
    assert_eq!(paid["source"]["channel"], "wechat_pay");
    let list = office.get(RECEIPTS).await;
    assert_eq!(list["receipts"][0], paid["source"]);
    assert_eq!(
        office.get(&format!("{RECEIPTS}?from=2025-10-10")).await["receipts"],
        json!([])
    );
    let waits = office.get("/api/v1/customers/bakery/unallocated").await;
    assert_eq!(waits["unallocated"][0]["unallocated"], yuan("300.00"));
    assert_eq!(
        office.get("/api/v1/unmatched").await["unallocated"],
        waits["unallocated"]
    );
    // One allocation is undone and made elsewhere.
    office.done(INVOICES, invoice("7", "300.00")).await;
    let undo = json!({ "allocations": [2], "reason": "was meant for 7" });
    let undone = office.done(&format!("{RECEIPTS}/BK-1/reversals"), undo).await;
    assert_eq!(undone["source"]["allocations"][1]["reversed_on"], "2025-10-09");
    let hand = json!({ "allocations": [{ "invoice_number": "7" }] });
    let by_hand = office.done(&format!("{RECEIPTS}/BK-1/allocations"), hand).await;
    assert_eq!(unallocated(&by_hand), "700.00");
    let by_rules = office.done(&format!("{RECEIPTS}/BK-1/allocations"), json!({})).await;
    assert_eq!(unallocated(&by_rules), "0.00");
    let open = office.get("/api/v1/customers/bakery/open-items").await;
    assert_eq!(open["open_items"], json!([]));
    assert_eq!(office.exposure().await, "0.00");
    assert_eq!(office.fixture.state.store.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cheque_is_registered_cleared_and_returned() {
    let office = Office::new().await;
    office.done(INVOICES, invoice("1", "100.00")).await;
    let cheque =
        json!({ "reference": "CH/1", "valued_on": "2025-10-09", "amount": yuan("100.00"), "channel": "cheque" });
    let registered = office.done(RECEIPTS, cheque).await;
    assert_eq!(registered["source"]["cleared_on"], Value::Null);
    assert_eq!(
        registered["position"]["exposure"],
        yuan("100.00"),
        "it lowers nothing yet"
    );
    office.fixture.clock.pass(2 * DAY);
    // A slash in a reference is no slash of the address.
    let cleared = office.done(&format!("{RECEIPTS}/CH%2F1/clearing"), json!({})).await;
    assert_eq!(cleared["source"]["cleared_on"], "2025-10-11");
    assert_eq!(cleared["position"]["exposure"], yuan("0.00"));
    office.fixture.clock.pass(DAY);
    let back = office
        .done(&format!("{RECEIPTS}/CH%2F1/return"), json!({ "reason": "no funds" }))
        .await;
    assert_eq!(back["source"]["bounced_on"], "2025-10-12");
    assert_eq!(back["position"]["exposure"], yuan("100.00"));
    let open = office.get("/api/v1/customers/bakery/open-items").await;
    assert_eq!(open["open_items"][0]["open"], yuan("100.00"));
    assert_eq!(open["open_items"][0]["days_late"], -27);
}

#[tokio::test]
async fn a_credit_note_larger_than_its_invoice_stays_a_credit() {
    let office = Office::new().await;
    office.done(INVOICES, invoice("1", "100.00")).await;
    office.done(INVOICES, invoice("2", "100.00")).await;
    let notes = "/api/v1/customers/bakery/credit-notes";
    let note = json!({
        "number": "C1", "credited_on": "2025-10-09", "amount": yuan("130.00"), "invoice_number": "1", "reason": "returned",
    });
    let done = office.done(notes, note).await;
    assert_eq!(
        (unallocated(&done), &done["source"]["type"]),
        ("30.00", &json!("credit_note"))
    );
    assert_eq!(done["position"]["exposure"], yuan("70.00"));
    let hand = json!({ "allocations": [{ "invoice_number": "2" }] });
    office.done(&format!("{notes}/C1/allocations"), hand).await;
    let undo = json!({ "allocations": [2], "reason": "not agreed" });
    let undone = office.done(&format!("{notes}/C1/reversals"), undo).await;
    assert_eq!(undone["position"]["exposure"], yuan("70.00"));
    let open = office.get("/api/v1/customers/bakery/open-items").await;
    assert_eq!(open["open_items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_contract_an_invoice_under_it_a_dispute_and_an_extension() {
    let office = Office::new().await;
    let contract = json!({
        "number": "K-1", "signed_on": "2025-08-01", "acceptance_criteria": "complete and running",
        "milestones": [
            { "name": "prepaid", "percent": "30", "due": { "from": "contract", "days": 0 } },
            { "name": "on delivery", "percent": "60", "due": { "from": "delivery", "days": 30 } },
            { "name": "retention", "percent": "10", "due": { "from": "acceptance", "months": 3 }, "retention": true },
        ],
    });
    let recorded = office.done("/api/v1/customers/bakery/contracts", contract).await;
    assert_eq!(
        recorded["contract"]["milestones"][2]["due"],
        json!({ "from": "acceptance", "months": 3 })
    );
    let under = json!({
        "number": "1", "invoiced_on": "2025-10-09", "amount": yuan("0.10"), "contract_number": "K-1",
        "delivered_on": "2025-10-06",
    });
    let issued = office.done(INVOICES, under).await;
    let parts: Vec<(&str, Option<&str>)> = issued["invoice"]["instalments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["amount"]["amount"].as_str().unwrap(), it["due_on"].as_str()))
        .collect();
    assert_eq!(
        parts,
        [
            ("0.03", Some("2025-08-01")),
            ("0.06", Some("2025-11-05")),
            ("0.01", None)
        ]
    );
    let disputed = office
        .done(
            &format!("{INVOICES}/1/disputes"),
            json!({ "instalment": 2, "reason": "one box was wet" }),
        )
        .await;
    assert_eq!(disputed["invoice"]["instalments"][1]["disputed"], true);
    assert_eq!(disputed["invoice"]["instalments"][0]["disputed"], false);
    office.fixture.clock.pass(DAY);
    let settled = office
        .done(
            &format!("{INVOICES}/1/settlements"),
            json!({ "outcome": "credit note follows" }),
        )
        .await;
    assert_eq!(settled["invoice"]["instalments"][1]["disputed"], false);
    let later = json!({ "instalment": 2, "due_on": "2025-12-01", "reason": "their customer pays in November" });
    let extended = office.done(&format!("{INVOICES}/1/extensions"), later).await;
    let part = &extended["invoice"]["instalments"][1];
    assert_eq!(
        (&part["due_on"], &part["original_due_on"]),
        (&json!("2025-12-01"), &json!("2025-11-05"))
    );
    let (_, log) = office.stored().await;
    let actions: Vec<&str> = log.iter().rev().map(|it| it.action.as_str()).skip(1).collect();
    assert_eq!(
        actions,
        [
            "contract.recorded",
            "invoice.issued",
            "invoice.disputed",
            "invoice.dispute_settled",
            "invoice.extended"
        ]
    );
    assert!(log[1].detail.contains("credit note follows"));
}

#[tokio::test]
async fn money_of_nobody_known_waits_and_becomes_a_customers() {
    let office = Office::new().await;
    office.done(INVOICES, invoice("1", "80.00")).await;
    let money = json!({
        "reference": "BK-9", "valued_on": "2025-10-08", "amount": yuan("100.00"), "payer": "Wang Wei", "text": "invoice 1",
    });
    let recorded = office.done("/api/v1/unidentified-receipts", money).await;
    let queue = office.get("/api/v1/unmatched").await;
    assert_eq!(queue["unidentified"], json!([recorded["unidentified"]]));
    assert_eq!(office.exposure().await, "80.00", "nobody's money lowers nothing");
    let whose = json!({ "customer": "bakery", "channel": "alipay" });
    let assigned = office
        .done("/api/v1/unidentified-receipts/BK-9/assignment", whose)
        .await;
    assert_eq!(unallocated(&assigned), "20.00");
    assert_eq!(assigned["source"]["allocations"][0]["basis"], "reference");
    assert_eq!(assigned["source"]["valued_on"], "2025-10-08");
    let queue = office.get("/api/v1/unmatched").await;
    assert_eq!(queue["unidentified"], json!([]));
    assert_eq!(queue["unallocated"][0]["customer"], "bakery");
    let again = office
        .post(
            "/api/v1/unidentified-receipts/BK-9/assignment",
            "again",
            &json!({ "customer": "harbour" }),
        )
        .await;
    assert_eq!(field(&again), "unidentified_receipt");
}

#[tokio::test]
async fn currencies_of_no_and_three_decimals_keep_theirs() {
    let office = Office::new().await;
    let with = |number: &str, amount: &str, currency: &str| {
        json!({
            "number": number, "invoiced_on": "2025-10-09", "amount": { "amount": amount, "currency": currency },
            "type": "other", "due_on": "2025-12-31",
        })
    };
    let yen = office.done(INVOICES, with("Y", "1000", "JPY")).await;
    assert_eq!(yen["invoice"]["amount"]["amount"], "1000");
    let dinar = office.done(INVOICES, with("K", "10.1", "KWD")).await;
    assert_eq!(dinar["invoice"]["amount"]["amount"], "10.100");
    assert_eq!(dinar["position"]["exposure"], yuan("282.30"));
    for (amount, currency) in [("1.5", "JPY"), ("1.0001", "KWD")] {
        let answer = office.post(INVOICES, "k", &with("Z", amount, currency)).await;
        assert_eq!(field(&answer), "amount");
    }
}

#[tokio::test]
async fn credit_is_assessed_changed_put_on_hold_and_let_go_on() {
    let office = Office::new().await;
    let credit = |what: &str| format!("/api/v1/customers/bakery/credit/{what}");
    let wanted = json!({ "grade": "A", "limit": yuan("50000.00"), "reason": "good year" });
    let changed = office.done(&credit("terms"), wanted).await;
    assert_eq!(
        (&changed["credit"]["grade"], &changed["credit"]["terms_days"]),
        (&json!("A"), &json!(60))
    );
    assert_eq!(changed["position"]["limit"], yuan("50000.00"));
    let assessed = json!({ "assessor": "Wang", "evidence": "accounts of 2024", "valid_until": "2026-10-09" });
    let assessed = office.done(&credit("assessments"), assessed).await;
    assert_eq!(assessed["credit"]["review_valid_until"], "2026-10-09");
    let held = office
        .done(&credit("holds"), json!({ "reason": "cheque returned" }))
        .await;
    assert_eq!(
        (&held["credit"]["on_hold"], &held["credit"]["hold_reason"]),
        (&json!(true), &json!("cheque returned"))
    );
    let lifted = office.done(&credit("lifted-holds"), json!({ "reason": "paid" })).await;
    assert_eq!(lifted["credit"]["on_hold"], false);
    let free = office
        .done(
            &credit("terms"),
            json!({ "no_limit": true, "reason": "parent company" }),
        )
        .await;
    assert_eq!(
        (&free["position"]["limit"], &free["position"]["free"]),
        (&Value::Null, &Value::Null)
    );
    // Nothing is an amount too.
    let none = office
        .done(&credit("terms"), json!({ "limit": yuan("0"), "reason": "gone" }))
        .await;
    assert_eq!(none["position"]["limit"], yuan("0.00"));
}

/// An order of the bakery as a rep took it, without a credit assessment: it is held.
async fn held_order(office: &Office) -> DocumentId {
    let id = DocumentId::from_bytes([9; 16]);
    let mut order = Order::new(BAKERY, ANNA, "SO-1", START, Currency::CNY);
    order.lines.insert(
        LineId::from_bytes([1; 16]),
        OrderLine {
            product: ProductId::from_bytes([1; 16]),
            quantity: 3.into(),
            unit_price: 100.into(),
            discount: 0.into(),
        },
    );
    order.state = OrderState::Submitted;
    let arrivals = Arrivals {
        orders: vec![ArrivedOrder { id, order }],
        ..Arrivals::default()
    };
    let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, START));
    let store = &office.fixture.state.store;
    let decided = store.decide(ORGANISATION, BAKERY, None, decide, START).await.unwrap();
    assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
    id
}

#[tokio::test]
async fn a_held_order_is_let_through_by_a_person_whose_word_software_brings() {
    let office = Office::new().await;
    held_order(&office).await;
    let held = office.get("/api/v1/held-orders").await;
    assert_eq!(held["held_orders"][0]["number"], "SO-1");
    assert_eq!(held["held_orders"][0]["total"], yuan("300.00"));
    assert!(!held["held_orders"][0]["reasons"].as_array().unwrap().is_empty());
    let path = "/api/v1/held-orders/SO-1/release";
    for (body, wanted) in [
        (json!({ "decided_by": "anna", "reason": "please" }), "decided_by"),
        (json!({ "decided_by": "dora", "reason": "please" }), "decided_by"),
        (json!({ "decided_by": "nobody", "reason": "please" }), "decided_by"),
        (json!({ "decided_by": "carla", "reason": " " }), "reason"),
        (json!({ "reason": "please" }), "decided_by"),
    ] {
        assert_eq!(field(&office.post(path, "k", &body).await), wanted, "{body}");
    }
    let unknown = json!({ "decided_by": "carla", "reason": "x" });
    let answer = office.post("/api/v1/held-orders/SO-2/release", "k", &unknown).await;
    assert_eq!(answer.code(), "not_found");
    let released = office
        .done(
            path,
            json!({ "decided_by": "carla", "reason": "a bank guarantee came" }),
        )
        .await;
    assert_eq!(released["order"]["standing"], "released");
    assert_eq!(released["position"]["exposure"], yuan("300.00"));
    let (_, log) = office.stored().await;
    assert_eq!(
        (log[0].actor.as_str(), log[0].action.as_str()),
        ("token:ERP", "order.released")
    );
    assert!(log[0].detail.contains(&CARLA.to_string()), "{}", log[0].detail);
    let again = json!({ "decided_by": "carla", "reason": "no" });
    let refused = office.post("/api/v1/held-orders/SO-1/refusal", "k2", &again).await;
    assert_eq!(field(&refused), "order");
    // The invoice takes the order's place in the exposure.
    let charged = json!({
        "number": "1", "invoiced_on": "2025-10-09", "amount": yuan("300.00"), "order_number": "SO-1",
    });
    let charged = office.done(INVOICES, charged).await;
    assert_eq!(charged["position"]["exposure"], yuan("300.00"));
    assert_eq!(charged["invoice"]["lines"][0]["quantity"], "3");
    assert_eq!(
        charged["invoice"]["instalments"][0]["due_on"],
        Value::Null,
        "not signed for yet"
    );
}

#[tokio::test]
async fn a_held_order_is_turned_down() {
    let office = Office::new().await;
    let id = held_order(&office).await;
    let body = json!({ "decided_by": "emil", "reason": "no assessment" });
    let refused = office.done(&format!("/api/v1/held-orders/{id}/refusal"), body).await;
    assert_eq!(refused["order"]["standing"], "refused");
    assert_eq!(office.get("/api/v1/held-orders").await["held_orders"], json!([]));
}
