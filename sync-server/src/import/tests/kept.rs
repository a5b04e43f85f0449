//! What was done on the server meanwhile stays when the rows come again.

use chrono::{NaiveDate, Weekday};
use fieldledger_core::model::{
    CreditAccount, CreditHold, CreditTerms, Dispute, Extension, HolidayCalendar, Invoice, Policy, UserId,
};
use rust_decimal::Decimal;

use super::{
    sections::{NOW, import_owed, owed, read_owed},
    *,
};
use crate::store::{CustomerLedger, DocumentStore as _, LedgerStore as _, sqlite::SqliteStore};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn ledger(store: &SqliteStore, code: &str) -> CustomerLedger {
    let id = customer(&read_owed(&owed()), code).id;
    store.customer_ledger(ORG, id).await.unwrap().unwrap()
}

async fn invoice(store: &SqliteStore, code: &str, number: &str) -> Invoice {
    let ledger = ledger(store, code).await;
    let found = ledger.invoices.into_iter().find(|it| it.number == number);
    found.expect(number)
}

async fn put(store: &SqliteStore, record: impl Into<LedgerRecord>) {
    store.put_records(ORG, vec![record.into()], true, NOW).await.unwrap();
}

fn replaced(files: &Files, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(files.0.path().join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    files.put(file, &text.replace(from, to));
}

#[tokio::test]
async fn disputes_settled_and_dates_extended_by_finance_stay() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let mut it = invoice(&store, "001", "0010").await;
    it.instalments[1].disputes[0].settled_on = Some(day("2026-02-10"));
    it.instalments[0].disputes.push(Dispute {
        opened_on: day("2026-02-11"),
        settled_on: None,
        reason: "opened here".to_owned(),
    });
    it.instalments[1].extensions.push(Extension {
        approved_on: day("2026-02-11"),
        due_on: day("2026-04-10"),
        by: Some(UserId::from_bytes([7; 16])),
        reason: "asked for it".to_owned(),
    });
    put(&store, it.clone()).await;
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    assert_eq!(invoice(&store, "001", "0010").await, it);
    // Another extension in the files is added, in the order of approval, and the one of finance still holds.
    files.append("extensions.csv", "0010,2,2026-01-28,2026-03-20,first delay\n");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let part = invoice(&store, "001", "0010").await.instalments.remove(1);
    let approved: Vec<_> = part.extensions.iter().map(|it| it.approved_on).collect();
    assert_eq!(approved, [day("2026-01-28"), day("2026-02-11")]);
    assert_eq!(part.due_on_by(day("2026-02-11")), Some(day("2026-04-10")));
    assert_eq!(part.due_on, Some(day("2026-03-10")));
}

#[tokio::test]
async fn a_dispute_that_the_files_settle_is_settled() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    replaced(
        &files,
        "disputes.csv",
        "2026-01-20,,boxes",
        "2026-01-20,2026-01-29,boxes",
    );
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let part = invoice(&store, "001", "0010").await.instalments.remove(1);
    assert_eq!(part.disputes.len(), 1);
    assert_eq!(part.disputes[0].settled_on, Some(day("2026-01-29")));
}

#[tokio::test]
async fn what_happened_in_closed_books_counts_from_the_first_open_day_once() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let policy = Policy {
        books_closed_until: Some(day("2026-01-31")),
        ..Policy::default()
    };
    put(&store, policy).await;
    files.append("disputes.csv", "0007,,2026-01-28,,wrong goods\n");
    files.append("extensions.csv", "7,,2026-01-28,2026-03-20,first delay\n");
    files.append("notes.csv", "C3,,0009,2026-01-29,5.00,CNY,\n");
    replaced(
        &files,
        "receipts.csv",
        "70.00,0010,2026-01-21,,",
        "70.00,0010,2026-01-21,2026-01-30,",
    );
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let opens = day("2026-02-01");
    let part = invoice(&store, "001", "0007").await.instalments.remove(0);
    assert_eq!(part.disputes[0].opened_on, opens);
    let part = invoice(&store, "002", "7").await.instalments.remove(0);
    assert_eq!(part.extensions[0].approved_on, opens);
    let note = ledger(&store, "002").await.credit_notes;
    let note = note.iter().find(|it| it.number == "C3").unwrap();
    assert_eq!((note.counts_from(), note.allocations[0].posted_on), (opens, opens));
    let receipt = ledger(&store, "001").await.receipts.remove(0);
    assert_eq!(receipt.bounced_on, Some(opens));
    let again = import_owed(&store, &files).await;
    assert_eq!((again.differences(), again.errors.len()), (0, 0), "{again}");
}

#[tokio::test]
async fn money_that_clears_later_pays_then_and_money_that_comes_back_is_taken_off() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    replaced(&files, "receipts.csv", "50.00,0009,,", "50.00,0009,2026-01-29,");
    replaced(
        &files,
        "receipts.csv",
        "70.00,0010,2026-01-21,,",
        "70.00,0010,2026-01-21,2026-01-30,",
    );
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let cleared = ledger(&store, "002").await.receipts;
    let cleared = cleared.iter().find(|it| it.reference == "R2").unwrap();
    assert_eq!(
        (cleared.allocations[0].amount, cleared.allocations[0].posted_on),
        (cny("50.00").amount, day("2026-01-29"))
    );
    let back = ledger(&store, "001").await.receipts.remove(0);
    assert!(back.allocations.len() == 2 && back.allocations.iter().all(|it| it.reversed_on == back.bounced_on));
    assert_eq!(back.bounced_on, Some(day("2026-01-30")));
    // What finance has cleared does not become uncertain because a row still does not know.
    replaced(&files, "receipts.csv", "50.00,0009,2026-01-29,", "50.00,0009,,");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let kept = ledger(&store, "002").await.receipts;
    let kept = kept.iter().find(|it| it.reference == "R2").unwrap();
    assert_eq!(kept.cleared_on, Some(day("2026-01-29")));
}

#[tokio::test]
async fn a_row_that_contradicts_what_is_stored_is_told_and_left_out() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let before = ledger(&store, "002").await.receipts;
    replaced(
        &files,
        "receipts.csv",
        "R3,002,2026-01-22,20.00,,2026-01-22,2026-01-30,",
        "R3,002,2026-02-05,20.00,,2026-02-05,,",
    );
    let report = import_owed(&store, &files).await;
    let told = report.to_string();
    assert!(told.contains("receipts.csv line 4: receipt R3: bounced_on"), "{told}");
    assert_eq!(ledger(&store, "002").await.receipts, before);
}

#[tokio::test]
async fn parts_of_an_invoice_follow_the_files_as_far_as_they_are_not_paid() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let before = invoice(&store, "001", "0010").await;
    // 60 of the first part are paid.
    replaced(&files, "parts.csv", "0010,1,60.00", "0010,1,50.00");
    replaced(&files, "parts.csv", "0010,2,30.00", "0010,2,40.00");
    let report = import_owed(&store, &files).await;
    assert!(
        report
            .to_string()
            .contains("60.00 of instalment 1 of invoice 0010 is paid"),
        "{report}"
    );
    assert_eq!(invoice(&store, "001", "0010").await, before);
    replaced(&files, "parts.csv", "0010,1,50.00", "0010,1,65.00");
    replaced(&files, "parts.csv", "0010,2,40.00", "0010,2,25.00");
    replaced(&files, "parts.csv", "0010,3,10.00,,", "0010,3,10.00,2026-06-01,");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let after = invoice(&store, "001", "0010").await;
    let parts: Vec<_> = after.instalments.iter().map(|it| it.amount).collect();
    assert_eq!(parts, [Decimal::from(65), Decimal::from(25), Decimal::from(10)]);
    assert_eq!(
        (after.due_on, after.instalments[1].disputes.len()),
        (day("2026-06-01"), 1)
    );
    // Another number of parts is no correction of the same invoice.
    files.put(
        "parts.csv",
        "invoice,no,amount,due,kept\n0010,1,60.00,2026-01-25,\n0010,2,40.00,2026-03-10,\n",
    );
    let report = import_owed(&store, &files).await;
    assert!(
        report
            .to_string()
            .contains("invoice 0010 has 3 instalments here and 2 in the files"),
        "{report}"
    );
    assert_eq!(invoice(&store, "001", "0010").await, after);
}

#[tokio::test]
async fn an_invoice_that_was_one_whole_is_split_when_the_files_split_it() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    files.append("parts.csv", "0007,1,100.00,2026-02-09,\n0007,2,200.00,2026-04-09,\n");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let it = invoice(&store, "001", "0007").await;
    assert_eq!((it.instalments.len(), it.due_on), (2, day("2026-04-09")));
    assert_eq!(it.instalments[0].extensions.len(), 1);
}

#[tokio::test]
async fn dates_under_a_contract_are_fixed_once_and_avoid_free_days() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    replaced(&files, "invoices.csv", "K-1,2026-01-31,", "K-1,,");
    import_owed(&store, &files).await;
    let due = |it: &Invoice| it.instalments.iter().map(|it| it.due_on).collect::<Vec<_>>();
    let it = invoice(&store, "001", "0008").await;
    assert_eq!(due(&it), [Some(day("2026-01-02")), None, None]);
    // 30 days after the 29th of January is a Saturday.
    let policy = Policy {
        holidays: Some(HolidayCalendar {
            weekend: vec![Weekday::Sat, Weekday::Sun],
            ..HolidayCalendar::default()
        }),
        ..Policy::default()
    };
    put(&store, policy).await;
    replaced(&files, "invoices.csv", "K-1,,", "K-1,2026-01-29,");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let it = invoice(&store, "001", "0008").await;
    assert_eq!(due(&it), [Some(day("2026-01-02")), Some(day("2026-03-02")), None]);
    assert_eq!(it.due_on, day("2026-03-02"));
    // A date that was fixed stays.
    replaced(&files, "invoices.csv", "K-1,2026-01-29,", "K-1,2026-01-10,");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    assert_eq!(invoice(&store, "001", "0008").await, it);
}

#[tokio::test]
async fn a_reviewed_contract_keeps_its_review_and_its_terms() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let mut it = ledger(&store, "001").await.contracts.remove(0);
    it.breach.suspend_from_day = Some(20);
    it.review = Some(fieldledger_core::model::ContractReview {
        by: UserId::from_bytes([7; 16]),
        at: NOW,
        approved: true,
        remark: "fine".to_owned(),
    });
    put(&store, it.clone()).await;
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    assert_eq!(ledger(&store, "001").await.contracts, [it.clone()]);
    replaced(&files, "milestones.csv", "K-1,prepaid,30", "K-1,prepaid,20");
    replaced(&files, "milestones.csv", "after delivery,60", "after delivery,70");
    let report = import_owed(&store, &files).await;
    assert!(
        report.to_string().contains("finance has reviewed other terms"),
        "{report}"
    );
    assert_eq!(ledger(&store, "001").await.contracts, [it]);
}

#[tokio::test]
async fn a_credit_note_that_finance_reversed_is_not_set_against_its_invoice_again() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let mut note = ledger(&store, "002").await.credit_notes.remove(0);
    note.allocations[0].reversed_on = Some(day("2026-01-31"));
    note.allocations[0].reversal_reason = "meant for another".to_owned();
    put(&store, note.clone()).await;
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    assert_eq!(ledger(&store, "002").await.credit_notes, [note.clone()]);
    note.allocations[0].reversed_on = None;
    put(&store, note.clone()).await;
    replaced(&files, "notes.csv", "80.00", "74.00");
    let report = import_owed(&store, &files).await;
    assert!(
        report
            .to_string()
            .contains("credit note C1 is set against items for 75.00"),
        "{report}"
    );
    assert_eq!(ledger(&store, "002").await.credit_notes, [note]);
}

fn decided(account: &CreditAccount, from: &str, limit: &str, by: Option<UserId>) -> CreditTerms {
    CreditTerms {
        effective_from: day(from),
        limit: CreditLimit::Limited(cny(limit)),
        reason: "decided here".to_owned(),
        by,
        recorded_at: NOW,
        ..account.terms[0].clone()
    }
}

#[tokio::test]
async fn decisions_about_credit_stay_whether_a_person_or_other_software_made_them() {
    for by in [Some(UserId::from_bytes([7; 16])), None] {
        let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
        import_owed(&store, &files).await;
        for code in ["001", "002"] {
            let mut account = ledger(&store, code).await.account;
            account.terms.push(decided(&account, "2026-01-31", "900.00", by));
            account.holds.push(CreditHold {
                from: day("2026-01-31"),
                until: None,
                reason: "cheque returned".to_owned(),
                by,
            });
            put(&store, account.clone()).await;
            let report = import_owed(&store, &files).await;
            assert!(report.errors.is_empty(), "{report}");
            let after = ledger(&store, code).await;
            assert_eq!(after.account, account, "{code} {by:?}");
            assert_eq!(after.file.unwrap().limit, CreditLimit::Limited(cny("900.00")));
        }
    }
}

#[tokio::test]
async fn a_former_decision_that_is_added_later_does_not_outrank_a_person_on_its_day() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    import_owed(&store, &files).await;
    let mut account = ledger(&store, "002").await.account;
    let person = Some(UserId::from_bytes([7; 16]));
    account.terms.push(decided(&account, "2025-06-01", "150.00", person));
    put(&store, account).await;
    files.append("history.csv", "002,2025-06-01,120.00,,B,30,raised\n");
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let account = ledger(&store, "002").await.account;
    let limit = |on: &str| account.terms_on(day(on)).map(|it| it.limit);
    assert_eq!(limit("2025-06-01"), Some(CreditLimit::Limited(cny("150.00"))));
    assert_eq!(limit("2025-05-31"), Some(CreditLimit::Limited(cny("100.00"))));
    assert!(account.terms.iter().any(|it| it.reason == "raised"));
    assert_eq!(import_owed(&store, &files).await.differences(), 0);
}

#[tokio::test]
async fn a_hold_of_the_files_that_was_lifted_here_later_stays_lifted() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    replaced(&files, "customers.csv", "200.00,,", "200.00,,yes");
    import_owed(&store, &files).await;
    let mut account = ledger(&store, "002").await.account;
    assert_eq!(account.holds.len(), 1);
    account.holds[0].until = Some(day("2026-02-20"));
    put(&store, account.clone()).await;
    let report = import_owed(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    assert_eq!(ledger(&store, "002").await.account, account);
    // Books of a later day that still have it are news.
    files.append("receipts.csv", "R9,003,2026-03-01,1.00,,2026-03-01,,\n");
    import_owed(&store, &files).await;
    let holds = ledger(&store, "002").await.account.holds;
    assert_eq!((holds.len(), holds[1].from), (2, day("2026-03-02")));
}
