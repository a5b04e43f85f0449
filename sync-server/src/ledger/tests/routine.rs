//! The daily round, and what people decide about what it found.

use super::*;
use crate::{
    ledger::{
        collecting, interest,
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
async fn what_a_person_let_through_is_not_warned_of_as_from_outside() {
    let store = company().await;
    // Money moves in the same week: that it could have been the cause does not make it the cause.
    let invoice = |number: &str, amount| Invoice::new(number, SHOP, day("2026-03-02"), day("2026-03-02"), cny(amount));
    store
        .put_records(ORG, vec![invoice("0001", 100).into()], false, NOW)
        .await
        .unwrap();
    arrive(&store, &[order(1, 1_200)], &[]).await;
    let id = DocumentId::from_bytes([1; 16]);
    let released = decide(&store, move |ledger| {
        decide_held_order(
            ledger,
            id,
            true,
            BOSS,
            &[Role::Supervisor],
            "a bank guarantee came",
            NOW,
        )
    });
    assert!(matches!(released.await, Decided::Done { .. }));
    round(&store).await;
    let standing = async || -> Vec<WarningRule> {
        let found = ledger(&store).await.warnings.into_iter();
        found.filter(|it| it.cleared_at.is_none()).map(|it| it.rule).collect()
    };
    let (used, exceeded) = (WarningRule::LimitUsed, WarningRule::LimitExceeded);
    let now = standing().await;
    assert!(now.contains(&used) && !now.contains(&exceeded), "{now:?}");

    // What nobody let through passes the limit by itself.
    store
        .put_records(ORG, vec![invoice("0002", 950).into()], false, NOW)
        .await
        .unwrap();
    round(&store).await;
    let now = standing().await;
    assert!(now.contains(&exceeded) && !now.contains(&used), "{now:?}");
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

#[tokio::test]
async fn interest_is_explained_charged_once_and_owed_from_then_on() {
    let store = late().await;
    let found = interest::accrued(&ledger(&store).await, day("2025-11-20")).unwrap();
    let lines = &found[0].interest.lines;
    assert_eq!(
        (lines[0].days, lines[0].percent_per_day),
        (15, rust_decimal::Decimal::new(5, 1))
    );
    assert_eq!(found[0].chargeable.amount, found[0].interest.accrued);
    assert!(!found[0].too_dear.is_empty(), "0.5 % a day is 182.5 % a year");
    assert!(interest::explained(&found[0].interest.lines[0]).contains("15 days on 900"));
    let owed = position(&store).await.0;
    let charge = || {
        decide(&store, |ledger| {
            interest::charge(ledger, ("0001", 1), &crate::ledger::Actor::from(FINANCE), NOW)
        })
    };
    let charged = match charge().await {
        Decided::Done { answer, .. } => answer,
        other => panic!("{other:?}"),
    };
    let invoice = ledger(&store).await.invoices[0].clone();
    let posted = &invoice.instalments[0].charges[0];
    assert_eq!(charged, Money::new(posted.amount, Currency::CNY).to_string());
    assert!(posted.reason.contains("2025-11-02 to 2025-11-16"));
    assert!(position(&store).await.0 > owed);
    assert_eq!(refused(charge().await), "instalment");
}

#[tokio::test]
async fn nothing_is_charged_in_closed_books() {
    let store = late().await;
    let policy = Policy {
        books_closed_until: Some(day("2026-03-02")),
        ..ledger(&store).await.policy
    };
    store.put_records(ORG, vec![policy.into()], false, NOW).await.unwrap();
    let charged = decide(&store, |ledger| {
        interest::charge(ledger, ("0001", 1), &crate::ledger::Actor::from(FINANCE), NOW)
    });
    assert_eq!(refused(charged.await), "posted_on");
}

#[tokio::test]
async fn the_document_of_a_payment_goes_out_once() {
    let store = company().await;
    let receipt = Receipt::cleared("R-1", SHOP, day("2026-03-01"), cny(5));
    store.put_records(ORG, vec![receipt.into()], false, NOW).await.unwrap();
    let sent = |reference: &'static str| {
        decide(&store, move |ledger| {
            collecting::document_sent(ledger, reference, FINANCE, NOW)
        })
    };
    assert_eq!(refused(sent("R-2").await), "receipt");
    assert!(matches!(sent("R-1").await, Decided::Done { .. }));
    assert_eq!(ledger(&store).await.receipts[0].document_sent_at, Some(NOW));
    assert_eq!(refused(sent("R-1").await), "receipt");
}

#[tokio::test]
async fn a_closed_order_is_free_and_is_checked_anew_when_it_is_opened() {
    let store = company().await;
    arrive(&store, &[order(1, 600)], &[]).await;
    let close = |reopen: bool, reason: &'static str| {
        let id = DocumentId::from_bytes([1; 16]);
        decide(&store, move |ledger| {
            crate::ledger::close_order(ledger, id, reopen, BOSS, &[Role::Supervisor], reason, NOW)
        })
    };
    assert_eq!(refused(close(true, "not closed yet").await), "order");
    assert_eq!(refused(close(false, " ").await), "reason");
    assert!(matches!(close(false, "not wanted").await, Decided::Done { .. }));
    assert_eq!(position(&store).await.0, 0);
    // Somebody else uses the limit meanwhile.
    arrive(&store, &[order(2, 500)], &[]).await;
    assert!(matches!(close(true, "wanted after all").await, Decided::Done { answer, .. } if answer == "held"));
    assert_eq!(
        (standing(&store, 1).await, position(&store).await.0),
        (Some(OrderStanding::Held), 500)
    );
}

#[tokio::test]
async fn a_lease_whose_grace_is_over_is_free_after_the_round_though_nobody_decided_anything() {
    let store = company().await;
    granted(&store, 9, 700).await.unwrap();
    assert_eq!(position(&store).await, (0, 700));
    let later = NOW.plus_millis(40 * 86_400_000);
    let around = Surroundings::default();
    let decide = Box::new(move |ledger: &_| routine::look_after(ledger, &around, later));
    store.decide(ORG, SHOP, None, decide, later).await.unwrap();
    assert_eq!(position(&store).await, (0, 0));
    assert_eq!(ledger(&store).await.grants[0].state, GrantState::Expired);
}
