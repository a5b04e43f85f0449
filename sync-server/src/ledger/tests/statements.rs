//! Statements of account: what is issued, corrected and answered.

use std::collections::BTreeMap;

use fieldledger_core::rules::statement::Period;

use super::*;
use crate::ledger::statements::{self, StatementWish};

fn february() -> Period {
    Period {
        from: day("2026-02-01"),
        to: day("2026-02-28"),
    }
}

fn wish(number: u8) -> StatementWish {
    StatementWish {
        id: StatementId::from_bytes([number; 16]),
        period: february(),
        currency: Currency::CNY,
    }
}

async fn issue(store: &SqliteStore, wish: StatementWish) -> Decided {
    let decide = Box::new(move |ledger: &_| statements::issue(ledger, wish, Some(FINANCE), NOW));
    store.decide(ORG, SHOP, None, decide, NOW).await.unwrap()
}

fn refused(decided: Decided) -> String {
    match decided {
        Decided::Refused(why) => why.field,
        other => panic!("{other:?}"),
    }
}

/// 300 owed from January, 200 charged and 250 paid in February, 40 charged in March.
async fn with_books() -> SqliteStore {
    let store = company().await;
    let invoice = |number: &str, on: &str, amount| Invoice::new(number, SHOP, day(on), day("2026-06-30"), cny(amount));
    let mut sold = invoice("0002", "2026-02-10", 200);
    sold.order_number = Some("SO-1".to_owned());
    let records: Vec<LedgerRecord> = vec![
        invoice("0001", "2026-01-10", 300).into(),
        sold.into(),
        invoice("0003", "2026-03-01", 40).into(),
        Receipt::cleared("R-1", SHOP, day("2026-02-20"), cny(250)).into(),
    ];
    store.put_records(ORG, records, false, NOW).await.unwrap();
    store
}

#[tokio::test]
async fn a_statement_adds_up_is_issued_once_and_corrected_when_the_books_were() {
    let store = with_books().await;
    assert!(matches!(issue(&store, wish(1)).await, Decided::Done { .. }));
    let statement = ledger(&store).await.statements[0].clone();
    assert_eq!((statement.opening, statement.closing), (cny(300), cny(250)));
    let lines: Vec<_> = statement
        .lines
        .iter()
        .map(|it| (it.no, it.document.as_str(), it.balance))
        .collect();
    assert_eq!(lines, [(1, "0002", 500.into()), (2, "R-1", 250.into())]);
    assert_eq!(refused(issue(&store, wish(2)).await), "period");
    // Something that had been forgotten comes into the books of February.
    let late = Invoice::new("0004", SHOP, day("2026-02-25"), day("2026-06-30"), cny(5));
    store.put_records(ORG, vec![late.into()], false, NOW).await.unwrap();
    assert!(matches!(issue(&store, wish(3)).await, Decided::Done { .. }));
    let all = ledger(&store).await.statements;
    assert_eq!(
        all.iter().find(|it| it.id == wish(3).id).unwrap().corrects,
        Some(wish(1).id)
    );
    assert_eq!(
        all.iter().find(|it| it.id == wish(1).id),
        Some(&statement),
        "what was issued stays"
    );
    let mut running = wish(4);
    running.period.to = day("2026-03-02");
    assert_eq!(refused(issue(&store, running).await), "to");
}

#[tokio::test]
async fn the_schedule_asks_for_each_period_and_currency_once() {
    let store = with_books().await;
    let due = async |schedule| {
        let mut ledger = ledger(&store).await;
        ledger.account.statements = schedule;
        statements::due(&ledger, || StatementId::from_bytes([9; 16]), NOW).unwrap()
    };
    assert_eq!(due(None).await, [wish(9)], "monthly, as the policy says");
    // The week before Monday 2 March ended yesterday.
    let weekly = due(Some(StatementSchedule::Weekly)).await;
    assert_eq!(weekly[0].period.from, day("2026-02-23"));
    assert_eq!(due(Some(StatementSchedule::OnRequest)).await, []);
    issue(&store, wish(1)).await;
    assert_eq!(due(None).await, []);
    // Whoever has nothing to settle gets none.
    let nobody = ledger(&company().await).await;
    assert_eq!(
        statements::due(&nobody, || StatementId::from_bytes([9; 16]), NOW).unwrap(),
        []
    );
}

#[tokio::test]
async fn the_lines_name_the_products_of_an_order_that_a_rep_took_and_the_day_they_were_signed_for() {
    let store = with_books().await;
    arrive(&store, &[order(1, 200)], &[]).await;
    let mut delivery = Delivery::new(SHOP, REP, "DN-1");
    delivery.order_number = Some("SO-1".to_owned());
    let signed = SignedQuantity {
        accepted: 1.into(),
        short: 0.into(),
        damaged: 0.into(),
        refused: 0.into(),
        reason: None,
    };
    let line = DeliveryLine {
        product: ProductId::from_bytes([1; 16]),
        quantity: 1.into(),
        batch: None,
        signed: Some(signed),
    };
    delivery.lines.insert(LineId::from_bytes([8; 16]), line);
    delivery.receiver = Some(Receiver {
        name: "Li".to_owned(),
        phone: None,
        at: NOW.plus_millis(-86_400_000),
        position: None,
    });
    let arrivals = Arrivals {
        deliveries: vec![ArrivedDelivery {
            id: DocumentId::from_bytes([0xd1; 16]),
            delivery,
        }],
        ..Arrivals::default()
    };
    let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, NOW));
    store.decide(ORG, SHOP, None, decide, NOW).await.unwrap();
    issue(&store, wish(1)).await;
    let line = ledger(&store).await.statements[0].lines[0].clone();
    assert_eq!(line.order_number.as_deref(), Some("SO-1"));
    assert_eq!(line.shipped_on, Some(day("2026-03-01")));
    assert_eq!(line.products.len(), 1);
}

#[tokio::test]
async fn an_answer_names_who_gives_it_and_a_dispute_says_why() {
    let store = with_books().await;
    issue(&store, wish(1)).await;
    let answer = async |person: &'static str, verdict, remark: &'static str| {
        let given = StatementLineAnswer {
            verdict,
            remark: remark.to_owned(),
        };
        let answers = BTreeMap::from([(1, given.clone()), (77, given)]);
        let decide = Box::new(move |ledger: &_| statements::answer(ledger, wish(1).id, person, &answers, NOW));
        store.decide(ORG, SHOP, None, decide, NOW).await.unwrap()
    };
    assert_eq!(refused(answer(" ", StatementVerdict::Confirmed, "").await), "person");
    assert_eq!(refused(answer("Wang", StatementVerdict::Disputed, " ").await), "remark");
    assert!(ledger(&store).await.statements[0].answers.is_empty());
    assert!(matches!(
        answer("Wang", StatementVerdict::Disputed, "twice").await,
        Decided::Done { .. }
    ));
    let answers = ledger(&store).await.statements[0].answers.clone();
    assert_eq!(
        answers.keys().copied().collect::<Vec<_>>(),
        [1],
        "line 77 is not on the statement"
    );
    assert_eq!(
        (answers[&1].by.as_str(), answers[&1].remark.as_str()),
        ("Wang", "twice")
    );
}
