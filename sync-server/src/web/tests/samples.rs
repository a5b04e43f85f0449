//! A record of each kind, its texts of the caller's choosing.

use fieldledger_core::{
    model::{
        ClosingReview, CollectionChannel, CollectionNote, CollectionOutcome, Confirmation, ConfirmationVerdict,
        Currency, Delivery, DeliveryLine, Evidence, EvidenceHash, EvidenceKind, LateCause, LineId, NextStep, Order,
        OrderLine, OrderState, Party, PromiseToPay, QuantityReason, Receiver, SignedQuantity, StatementConfirmation,
        StatementId, StatementLineAnswer, StatementVerdict, Timestamp,
    },
    rules::credit,
};
use serde_json::{Value, json};

use super::world::{NOON, REP, SHOP, TEA, cny, credit_file};

pub(super) const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}evil\u{2066} 🦀 {{7*7}} & </bdi>";

pub(super) fn line(number: u8) -> LineId {
    LineId::from_bytes([number; 16])
}

pub(super) fn delivery(words: &str) -> Delivery {
    let mut delivery = Delivery::new(SHOP, REP, words);
    delivery.order_number = Some(words.to_owned());
    delivery.note = words.to_owned();
    delivery.lines.insert(
        line(1),
        DeliveryLine {
            product: TEA,
            quantity: "10".parse().unwrap(),
            batch: Some(words.to_owned()),
            signed: Some(SignedQuantity {
                accepted: "5".parse().unwrap(),
                short: "2".parse().unwrap(),
                damaged: "1".parse().unwrap(),
                refused: "2".parse().unwrap(),
                reason: Some(QuantityReason {
                    text: words.to_owned(),
                    photo: None,
                }),
            }),
        },
    );
    delivery.receiver = Some(Receiver {
        name: words.to_owned(),
        phone: Some(words.to_owned()),
        at: Timestamp::from_millis(NOON),
        position: None,
    });
    let said = |verdict| Confirmation::new(verdict, words, Timestamp::from_millis(NOON), words);
    delivery
        .confirmations
        .insert(Party::Sales, said(ConfirmationVerdict::Confirmed));
    delivery
        .confirmations
        .insert(Party::Customer, said(ConfirmationVerdict::Disputed));
    delivery.evidence.insert(
        EvidenceHash([3; 32]),
        Evidence {
            kind: EvidenceKind::Other(words.to_owned()),
            size: 1_234_567,
            media_type: "image/jpeg".to_owned(),
            taken_at: Timestamp::from_millis(NOON),
            taken_by: REP,
            position: None,
            caption: words.to_owned(),
        },
    );
    delivery
}

pub(super) fn order(words: &str) -> Order {
    let mut order = Order::new(SHOP, REP, words, Timestamp::from_millis(NOON), Currency::CNY);
    order.note = words.to_owned();
    order.lines.insert(
        line(2),
        OrderLine {
            product: TEA,
            quantity: "100".parse().unwrap(),
            unit_price: "20.5".parse().unwrap(),
            discount: "0.1".parse().unwrap(),
        },
    );
    order.state = OrderState::Submitted;
    let inputs = credit::inputs(Some((&credit_file(), 1)), cny(0), order.total().unwrap()).unwrap();
    order.credit = Some(credit::check(inputs));
    order
}

pub(super) fn note(words: &str) -> CollectionNote {
    CollectionNote {
        customer: SHOP,
        rep: REP,
        at: Timestamp::from_millis(NOON),
        channel: CollectionChannel::Other(words.to_owned()),
        person: words.to_owned(),
        outcome: CollectionOutcome::Promised,
        invoice_number: Some(words.to_owned()),
        promise: Some(PromiseToPay {
            amount: cny(5_000),
            due: "2026-03-10".parse().unwrap(),
        }),
        receipt: Some(words.to_owned()),
        closing: Some(ClosingReview {
            was_late: true,
            // A cause is a few words; the server takes no more.
            cause: Some(LateCause::Other(words.chars().take(50).collect())),
            difficulty: words.to_owned(),
            solution: words.to_owned(),
        }),
        next_step: Some(NextStep {
            what: words.to_owned(),
            due: None,
        }),
        note: words.to_owned(),
        position: None,
    }
}

pub(super) fn statement_confirmation(words: &str) -> StatementConfirmation {
    let statement = StatementId::from_bytes([8; 16]);
    let mut answer = StatementConfirmation::new(SHOP, REP, statement, Timestamp::from_millis(NOON), words);
    answer.note = words.to_owned();
    for (line, verdict) in [(1, StatementVerdict::Confirmed), (2, StatementVerdict::Disputed)] {
        let remark = words.to_owned();
        answer.answers.insert(line, StatementLineAnswer { verdict, remark });
    }
    answer.evidence = delivery(words).evidence;
    answer
}

pub(super) fn unknown(words: &str) -> Value {
    json!({
        "kind": "stock_count", "schema": 1, "customer": SHOP.to_string(), "rep": REP.to_string(), "title": words,
        "counted": { words: { "amount": 3 } }, "list": [words, 1, null], "deep": { "er": { "yes": true } },
        "evidence": delivery(words).evidence,
    })
}

/// Nothing of `text` may stand in the page as markup.
pub(super) fn assert_inert(body: &str) {
    assert!(!body.contains("<script>alert"), "a script got through");
    assert!(!body.contains("<img"), "markup got through");
    assert!(!body.contains("</bdi>\" "), "an element was closed");
    assert!(!body.contains("onerror=alert(2)>"), "a handler got through");
}
