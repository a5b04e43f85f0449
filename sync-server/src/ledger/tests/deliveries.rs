//! What was signed for, told to the customer and answered, as it follows from what reps record.

use std::collections::BTreeMap;

use super::*;

const RICE: ProductId = ProductId::from_bytes([1; 16]);
const OIL: ProductId = ProductId::from_bytes([2; 16]);

/// A delivery of one product for SO-1, signed for on a day.
fn signed(number: u8, on: &str, product: ProductId, accepted: i64) -> ArrivedDelivery {
    let mut delivery = Delivery::new(SHOP, REP, format!("DN-{number}"));
    delivery.order_number = Some("SO-1".to_owned());
    let line = DeliveryLine {
        product,
        quantity: accepted.into(),
        batch: None,
        signed: Some(SignedQuantity {
            accepted: accepted.into(),
            short: 0.into(),
            damaged: 0.into(),
            refused: 0.into(),
            reason: None,
        }),
    };
    delivery.lines.insert(LineId::from_bytes([0x80 | number; 16]), line);
    let noon = day(on).and_hms_opt(4, 0, 0).unwrap().and_utc();
    delivery.receiver = Some(Receiver {
        name: "Li".to_owned(),
        phone: None,
        at: Timestamp::from_millis(noon.timestamp_millis()),
        position: None,
    });
    ArrivedDelivery {
        id: DocumentId::from_bytes([0xd0 | number; 16]),
        delivery,
    }
}

async fn take(store: &SqliteStore, arrivals: Arrivals) {
    let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, NOW));
    let decided = store.decide(ORG, SHOP, None, decide, NOW).await.unwrap();
    assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
}

async fn deliver(store: &SqliteStore, deliveries: &[ArrivedDelivery]) {
    let arrivals = Arrivals {
        deliveries: deliveries.to_vec(),
        list_prices: BTreeMap::from([(OIL, cny(7))]),
        ..Arrivals::default()
    };
    take(store, arrivals).await;
}

/// An order of ten at 60, approved.
async fn with_an_order() -> SqliteStore {
    let store = company().await;
    let mut ten = order(1, 60);
    ten.order.lines.values_mut().for_each(|it| it.quantity = 10.into());
    arrive(&store, &[ten], &[]).await;
    store
}

/// Open orders, and what is delivered and not charged, in the file that phones have.
async fn file(store: &SqliteStore) -> (Money, Money) {
    let file = ledger(store).await.file.unwrap();
    (file.open_orders, file.delivered_not_invoiced)
}

#[tokio::test]
async fn what_is_signed_for_moves_from_ordered_to_delivered_and_the_exposure_stays() {
    let store = with_an_order().await;
    deliver(&store, &[signed(1, "2026-02-27", RICE, 4)]).await;
    assert_eq!(file(&store).await, (cny(360), cny(240)));
    let before = ledger(&store).await;
    deliver(&store, &[signed(1, "2026-02-27", RICE, 4)]).await;
    assert_eq!(ledger(&store).await, before, "the same again changes nothing");
    // The signature is put right: one was damaged.
    deliver(&store, &[signed(1, "2026-02-27", RICE, 3)]).await;
    assert_eq!(file(&store).await, (cny(420), cny(180)));
    // More than ordered, and something nobody ordered: the goods are gone.
    deliver(
        &store,
        &[signed(2, "2026-02-28", RICE, 9), signed(3, "2026-02-28", OIL, 2)],
    )
    .await;
    assert_eq!(file(&store).await, (cny(0), cny(12 * 60 + 2 * 7)));
}

#[tokio::test]
async fn what_nobody_has_signed_for_or_of_an_unknown_order_counts_nowhere() {
    let store = with_an_order().await;
    let mut unsigned = signed(1, "2026-02-27", RICE, 4);
    unsigned.delivery.receiver = None;
    let mut strange = signed(2, "2026-02-27", RICE, 4);
    strange.delivery.order_number = Some("SO-99".to_owned());
    deliver(&store, &[unsigned, strange]).await;
    assert_eq!(file(&store).await, (cny(600), cny(0)));
}

#[tokio::test]
async fn terms_that_count_from_the_signature_begin_when_what_is_charged_has_been_signed_for() {
    let store = with_an_order().await;
    let from_delivery = DueRule {
        from: DueStart::Delivery,
        offset: DueOffset::Days(30),
    };
    let invoice = |number: &str, quantity: i64, on: &str| {
        let amount = Money::new((quantity * 60).into(), Currency::CNY);
        let mut invoice = Invoice::new(number, SHOP, day(on), day("2026-12-31"), amount);
        invoice.order_number = Some("SO-1".to_owned());
        invoice.lines = vec![InvoiceLine {
            line: LineId::from_bytes([1; 16]),
            quantity: quantity.into(),
        }];
        invoice.instalments = vec![Instalment {
            rule: Some(from_delivery),
            ..Instalment::new(1, amount.amount, None)
        }];
        invoice
    };
    let records: Vec<LedgerRecord> = vec![
        invoice("0001", 4, "2026-01-20").into(),
        invoice("0002", 6, "2026-01-21").into(),
    ];
    store.put_records(ORG, records, false, NOW).await.unwrap();
    let due = async || {
        let ledger = ledger(&store).await;
        let of = |number: &str| {
            let invoice = ledger.invoices.iter().find(|it| it.number == number).unwrap();
            invoice.instalments[0].due_on
        };
        (of("0001"), of("0002"))
    };
    deliver(&store, &[signed(1, "2026-01-31", RICE, 4)]).await;
    assert_eq!(due().await, (Some(day("2026-03-02")), None), "DOMAIN's worked answer");
    // A phone's clock that runs ahead gives no more time than until today: 2 March.
    deliver(&store, &[signed(2, "2026-11-01", RICE, 6)]).await;
    assert_eq!(due().await.1, Some(day("2026-04-01")));
    // What is fixed stays, whatever is signed for later.
    deliver(&store, &[signed(1, "2026-02-20", RICE, 4)]).await;
    assert_eq!(due().await.0, Some(day("2026-03-02")));
}

#[tokio::test]
async fn the_first_note_that_says_so_stops_the_timer_of_a_receipt() {
    let store = company().await;
    let mut receipt = Receipt::cleared("R-1", SHOP, day("2026-03-01"), cny(50));
    receipt.arrived_at = Some(NOW);
    store.put_records(ORG, vec![receipt.into()], false, NOW).await.unwrap();
    let note = |number: u8, reference: &str| {
        let note = CollectionNote {
            customer: SHOP,
            rep: REP,
            at: NOW,
            channel: CollectionChannel::Phone,
            person: String::new(),
            outcome: CollectionOutcome::Promised,
            invoice_number: None,
            promise: None,
            receipt: Some(reference.to_owned()),
            closing: None,
            next_step: None,
            note: String::new(),
            position: None,
        };
        (DocumentId::from_bytes([number; 16]), note)
    };
    let tell = async |notes: Vec<_>| {
        let arrivals = Arrivals {
            notes,
            ..Arrivals::default()
        };
        take(&store, arrivals).await;
        ledger(&store).await.receipts[0].clone()
    };
    assert_eq!(tell(vec![note(1, "R-2")]).await.customer_told_at, None);
    let told = tell(vec![note(2, "R-1"), note(3, "R-1")]).await;
    assert_eq!(told.customer_told_at, Some(NOW));
    assert_eq!(told.customer_told_by, Some(DocumentId::from_bytes([2; 16])));
}

#[tokio::test]
async fn answers_that_a_rep_took_down_are_in_the_statement() {
    let store = company().await;
    let id = StatementId::from_bytes([1; 16]);
    let line = |no: u32| StatementLine {
        no,
        on: day("2026-02-01"),
        kind: StatementLineKind::Invoice,
        document: format!("000{no}"),
        order_number: None,
        shipped_on: None,
        products: Vec::new(),
        debit: 10.into(),
        credit: 0.into(),
        balance: (10 * no).into(),
    };
    let statement = Statement {
        id,
        customer: SHOP,
        from: day("2026-02-01"),
        to: day("2026-02-28"),
        opening: cny(0),
        closing: cny(20),
        lines: vec![line(1), line(2)],
        issued_at: NOW,
        by: None,
        corrects: None,
        answers: BTreeMap::new(),
    };
    store
        .put_records(ORG, vec![statement.into()], false, NOW)
        .await
        .unwrap();
    let answer = |verdict, remark: &str, lines: &[u32]| {
        let mut answer = StatementConfirmation::new(SHOP, REP, id, NOW, "Wang");
        for no in lines {
            let remark = remark.to_owned();
            answer.answers.insert(*no, StatementLineAnswer { verdict, remark });
        }
        answer
    };
    let answers = vec![
        answer(StatementVerdict::Confirmed, "", &[1, 2, 3]),
        answer(StatementVerdict::Disputed, "never came", &[2]),
    ];
    let arrivals = Arrivals {
        answers,
        ..Arrivals::default()
    };
    take(&store, arrivals).await;
    let statement = ledger(&store).await.statements[0].clone();
    let said: Vec<_> = statement
        .answers
        .iter()
        .map(|(no, it)| (*no, it.verdict, it.by.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (1, StatementVerdict::Confirmed, "Wang"),
            (2, StatementVerdict::Disputed, "Wang")
        ]
    );
    assert_eq!(statement.answers[&2].remark, "never came");
}
