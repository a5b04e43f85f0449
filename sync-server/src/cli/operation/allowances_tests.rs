//! What the office is told of offline allowances.
#![allow(clippy::unwrap_used)]

use fieldledger_core::{
    document::edit::tree_of,
    model::{Currency, DocumentId, LineId, Money, Order, OrderLine, OrderState, ProductId, Visit, VisitPurpose},
};

use super::{Action, CreditAction, Operation, perform};
use crate::{
    ledger::{self, Arrivals, ArrivedOrder},
    testing::{ANNA, BAKERY, Fixture, ORGANISATION, START},
};

async fn credit(fixture: &Fixture, action: CreditAction) -> String {
    let operation = Operation::Within {
        organisation: None,
        action: Action::Credit(action),
    };
    perform(&fixture.state, operation).await.unwrap().text
}

/// The bakery is of grade B with a limit of 10,000, assessed.
async fn assessed() -> Fixture {
    let fixture = Fixture::new().await;
    let assess = CreditAction::Assess {
        customer: "bakery".to_owned(),
        valid_until: "2026-09-30".parse().unwrap(),
        evidence: "accounts".to_owned(),
        by: "dora".to_owned(),
    };
    credit(&fixture, assess).await;
    let set = CreditAction::Set {
        customer: "bakery".to_owned(),
        from: None,
        grade: Some(fieldledger_core::model::CreditGrade::B),
        limit: Some(10_000.into()),
        no_limit: false,
        terms_days: None,
        by: "dora".to_owned(),
        reason: "assessed".to_owned(),
    };
    credit(&fixture, set).await;
    fixture
}

async fn ordered(fixture: &Fixture, number: u8, amount: i64) {
    let mut order = Order::new(BAKERY, ANNA, format!("A{number}"), START, Currency::CNY);
    let line = OrderLine {
        product: ProductId::from_bytes([1; 16]),
        quantity: 1.into(),
        unit_price: amount.into(),
        discount: 0.into(),
    };
    order.lines.insert(LineId::from_bytes([1; 16]), line);
    order.state = OrderState::Submitted;
    let arrivals = Arrivals {
        orders: vec![ArrivedOrder {
            id: DocumentId::from_bytes([number; 16]),
            order,
        }],
        ..Arrivals::default()
    };
    let decide = Box::new(move |ledger: &_| ledger::take_in(ledger, &arrivals, START));
    let decided = fixture
        .state
        .store
        .decide(ORGANISATION, BAKERY, None, decide, START)
        .await;
    decided.unwrap();
}

async fn plan_a_visit(fixture: &Fixture, day: &str) {
    let mut visit = Visit::new(BAKERY, ANNA, VisitPurpose::Routine);
    visit.planned_for = Some(day.parse().unwrap());
    let anna = fixture.state.store.account(ORGANISATION, ANNA).await.unwrap().unwrap();
    let tree = tree_of(&visit).unwrap();
    fixture.state.sync.create_document(&anna, &tree).await.unwrap();
}

fn suggest(customer: Option<&str>, user: Option<&str>, days: Option<u32>) -> CreditAction {
    CreditAction::Suggest {
        customer: customer.map(str::to_owned),
        user: user.map(str::to_owned),
        days,
    }
}

/// The last column of the table's only row.
fn suggested(told: &str) -> &str {
    told.lines().nth(1).unwrap().rsplit("  ").next().unwrap().trim()
}

#[tokio::test]
async fn an_allowance_is_suggested_by_grade_planned_visits_and_usual_order() {
    let fixture = assessed().await;
    for (number, amount) in [(1, 300), (2, 400), (3, 1_000)] {
        ordered(&fixture, number, amount).await;
    }
    let none = credit(&fixture, suggest(None, Some("anna"), None)).await;
    assert!(none.contains("No visit is planned within 1 days"), "{none}");
    let none = credit(&fixture, suggest(Some("bakery"), None, None)).await;
    assert_eq!(suggested(&none), "CNY 0");
    plan_a_visit(&fixture, "2025-10-09").await;
    plan_a_visit(&fixture, "2025-10-10").await;
    // The usual order is 400; one visit is planned for today, two within two days.
    let one = credit(&fixture, suggest(Some("bakery"), None, None)).await;
    assert!(one.contains("anna") && one.contains("CNY 400"), "{one}");
    assert_eq!(suggested(&one), "CNY 400.00");
    let two = credit(&fixture, suggest(None, Some("anna"), Some(2))).await;
    assert_eq!(suggested(&two), "CNY 800.00");
    let hold = CreditAction::Hold {
        customer: "bakery".to_owned(),
        on: true,
        by: "dora".to_owned(),
        reason: "cheque returned".to_owned(),
    };
    credit(&fixture, hold).await;
    let held = credit(&fixture, suggest(Some("bakery"), None, None)).await;
    assert_eq!(suggested(&held), "on hold");
}

#[tokio::test]
async fn allowances_are_told_with_what_is_owed_at_present_and_at_worst() {
    let fixture = assessed().await;
    ordered(&fixture, 1, 8_500).await;
    let phone = fixture.phone(ANNA).await;
    let grant = CreditAction::Grant {
        customer: "bakery".to_owned(),
        device: phone.device.to_string(),
        amount: Money::new(1_500.into(), Currency::CNY).amount,
        strict: true,
        by: "dora".to_owned(),
    };
    credit(&fixture, grant).await;
    let told = credit(&fixture, CreditAction::Allowances).await;
    let bakery = told.lines().last().unwrap();
    for figure in ["CNY 10000", "CNY 8500", "CNY 1500"] {
        assert!(bakery.contains(figure), "{told}");
    }
    assert!(!told.contains("above the limit") && told.contains("stale"), "{told}");
    let cut = CreditAction::Set {
        customer: "bakery".to_owned(),
        from: None,
        grade: None,
        limit: Some(9_000.into()),
        no_limit: false,
        terms_days: None,
        by: "dora".to_owned(),
        reason: "late twice".to_owned(),
    };
    credit(&fixture, cut).await;
    let told = credit(&fixture, CreditAction::Allowances).await;
    assert!(told.contains("above the limit") && told.contains("recalled"), "{told}");
}
