//! The daily round, and what people decide about what it found.

use super::*;
use crate::{
    ledger::{
        collecting,
        routine::{self, Surroundings},
    },
    store::{CustomerLedger, LedgerChange},
};

async fn decide(
    store: &SqliteStore,
    decide: impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static,
) -> Decided {
    store.decide(ORG, SHOP, None, Box::new(decide), NOW).await.unwrap()
}

async fn round(store: &SqliteStore) {
    let around = Surroundings {
        rep: Some(Person {
            id: REP,
            name: "李娜".to_owned(),
            supervisor: Some(BOSS),
            roles: vec![Role::Rep],
        }),
        ..Surroundings::default()
    };
    let decided = decide(store, move |ledger| routine::look_after(ledger, &around, NOW)).await;
    assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
}

fn refused(decided: Decided) -> String {
    match decided {
        Decided::Refused(why) => why.field,
        other => panic!("{other:?}"),
    }
}

/// 900 of the limit of 1,000 owed, due a good while ago.
async fn late() -> SqliteStore {
    let store = company().await;
    let invoice = Invoice::new("0001", SHOP, day("2025-10-01"), day("2025-11-01"), cny(900));
    store.put_records(ORG, vec![invoice.into()], false, NOW).await.unwrap();
    store
}

#[tokio::test]
async fn a_late_customer_is_warned_of_once_and_somebody_answers_for_it() {
    let store = late().await;
    round(&store).await;
    let found = ledger(&store).await;
    let standing: Vec<WarningRule> = found.warnings.iter().map(|it| it.rule).collect();
    assert!(
        standing.contains(&WarningRule::DaysOverdue) && standing.contains(&WarningRule::LimitUsed),
        "{standing:?}"
    );
    assert!(found.warnings.iter().all(|it| it.owner == Some(BOSS)));
    round(&store).await;
    assert_eq!(ledger(&store).await, found, "a second round finds nothing new");

    let seen = |note: &'static str| {
        decide(&store, move |ledger| {
            collecting::acknowledge(ledger, WarningRule::DaysOverdue, BOSS, note, NOW)
        })
    };
    assert_eq!(refused(seen(" ").await), "note");
    assert!(matches!(seen("I visit them on Friday").await, Decided::Done { .. }));
    assert_eq!(refused(seen("again").await), "rule");

    // What is paid is no longer warned of.
    let mut receipt = Receipt::cleared("R-1", SHOP, day("2026-03-01"), cny(900));
    receipt.allocations = vec![Allocation {
        invoice_number: "0001".to_owned(),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: 900.into(),
        taken: None,
        posted_on: day("2026-03-01"),
        reversed_on: None,
        reversal_reason: String::new(),
        by: None,
        basis: AllocationBasis::OldestDue,
    }];
    store.put_records(ORG, vec![receipt.into()], false, NOW).await.unwrap();
    round(&store).await;
    let cleared = ledger(&store).await.warnings;
    assert!(cleared.iter().all(|it| it.cleared_at == Some(NOW)), "{cleared:?}");
    assert!(cleared.iter().any(|it| it.acknowledged.is_some()));
}

#[tokio::test]
async fn a_stop_of_supply_is_proposed_once_decided_by_a_person_and_ends() {
    let store = late().await;
    round(&store).await;
    round(&store).await;
    let account = ledger(&store).await.account;
    assert_eq!(account.suspensions.len(), 1, "{:?}", account.suspensions);
    assert!(
        !ledger(&store).await.file.unwrap().on_hold,
        "nothing stops before a person says so"
    );
    let stop = |reason: &'static str| {
        decide(&store, move |ledger| {
            collecting::decide_suspension(ledger, true, BOSS, reason, NOW)
        })
    };
    assert_eq!(refused(stop("").await), "reason");
    assert!(matches!(stop("three months late").await, Decided::Done { .. }));
    assert!(ledger(&store).await.file.unwrap().on_hold);
    assert_eq!(refused(stop("again").await), "suspension");
    // Nothing is sold meanwhile, however small.
    arrive(&store, &[order(1, 1)], &[]).await;
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Held));
    let go_on = |reason: &'static str| {
        decide(&store, move |ledger| {
            collecting::resume_supply(ledger, BOSS, reason, NOW)
        })
    };
    assert_eq!(refused(go_on("").await), "reason");
    assert!(matches!(go_on("a bank guarantee").await, Decided::Done { .. }));
    assert!(!ledger(&store).await.file.unwrap().on_hold);
    round(&store).await;
    assert_eq!(
        ledger(&store).await.account.suspensions.len(),
        1,
        "whoever let supply go on knew what was late"
    );
}

#[tokio::test]
async fn a_reminder_raises_the_item_by_one_level_and_only_when_it_is_due() {
    let store = late().await;
    let remind = |no: u32| {
        decide(&store, move |ledger| {
            collecting::reminded(ledger, ("0001", no), &[], FINANCE, NOW)
        })
    };
    assert_eq!(refused(remind(2).await), "instalment");
    assert!(matches!(remind(1).await, Decided::Done { .. }));
    let invoice = ledger(&store).await.invoices[0].clone();
    assert_eq!(invoice.instalments.len(), 1);
    assert_eq!(invoice.instalments[0].dunning[0].level, 1);
    assert_eq!(ledger(&store).await.file.unwrap().dunning_level, 1);
    // The interval of the next step has not passed.
    assert_eq!(refused(remind(1).await), "instalment");
}
