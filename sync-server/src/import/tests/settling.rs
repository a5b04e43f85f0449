//! Receipts that are allocated, and credit that is decided, by what is imported.

use chrono::NaiveDate;
use fieldledger_core::model::{
    Allocation, AllocationBasis, CreditAccount, CustomerId, Policy, Receipt, RecordKey, RecordKind, Timestamp, UserId,
};

use super::*;
use crate::store::{CustomerLedger, DocumentStore as _, LedgerStore as _, sqlite::SqliteStore};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn import(store: &SqliteStore, files: &Files) -> ImportReport {
    write(store, files.read(), false, NOW).await.unwrap()
}

async fn ledger(store: &SqliteStore, customer: CustomerId) -> CustomerLedger {
    store.customer_ledger(ORG, customer).await.unwrap().unwrap()
}

fn wang() -> CustomerId {
    customer(&Files::new().read(), "001").id
}

/// What each allocation pays, how much, when and why.
fn told(receipt: &Receipt) -> Vec<(&str, String, String, AllocationBasis)> {
    let told = |it: &'_ Allocation| (it.amount.to_string(), it.posted_on.to_string(), it.basis);
    let all = receipt.allocations.iter();
    all.map(|it| {
        let (amount, on, basis) = told(it);
        (it.invoice_number.as_str(), amount, on, basis)
    })
    .collect()
}

#[tokio::test]
async fn a_receipt_pays_what_it_names_on_its_value_date() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
    let report = import(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let ledger = ledger(&store, wang()).await;
    let expected = (
        "I10",
        "15.51".to_owned(),
        "2026-01-30".to_owned(),
        AllocationBasis::Reference,
    );
    assert_eq!(told(&ledger.receipts[0]), [expected]);
    // What was decided is an account that holds from the first day of the data, and no assessment is made up.
    let terms = &ledger.account.terms;
    assert_eq!(terms.len(), 1);
    assert_eq!(
        (
            terms[0].effective_from,
            terms[0].limit,
            terms[0].reason.as_str(),
            terms[0].terms_days
        ),
        (day("2026-01-05"), CreditLimit::Limited(cny("1000.00")), "imported", 30)
    );
    assert_eq!(ledger.account.assessments, []);
}

#[tokio::test]
async fn what_is_left_of_a_receipt_pays_a_later_invoice_on_the_day_of_that_invoice() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
    files.put(
        "receipts.csv",
        "ref,customer,day,amount,pays\nR1,001,2026-01-06,20.00,\n",
    );
    import(&store, &files).await;
    let ledger = ledger(&store, wang()).await;
    let expected = (
        "I10",
        "20.00".to_owned(),
        "2026-01-07".to_owned(),
        AllocationBasis::OldestDue,
    );
    assert_eq!(told(&ledger.receipts[0]), [expected]);
}

#[tokio::test]
async fn another_limit_is_a_new_entry_and_the_same_one_again_is_none() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
    import(&store, &files).await;
    let customers = std::fs::read_to_string(files.0.path().join("customers.csv")).unwrap();
    files.put("customers.csv", &customers.replace("1000.00", "1500.00"));
    let report = import(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let account = ledger(&store, wang()).await.account;
    let limits: Vec<_> = account.terms.iter().map(|it| (it.effective_from, it.limit)).collect();
    assert_eq!(
        limits,
        [
            (day("2026-01-05"), CreditLimit::Limited(cny("1000.00"))),
            (day("2026-02-02"), CreditLimit::Limited(cny("1500.00"))),
        ]
    );
    assert_eq!(import(&store, &files).await.differences(), 0);
    // What a person decides afterwards is not undone by the same files.
    let mut decided = account;
    let mut terms = decided.terms[1].clone();
    terms.by = Some(UserId::from_bytes([7; 16]));
    terms.limit = CreditLimit::Limited(cny("2000.00"));
    terms.effective_from = day("2026-02-02");
    decided.terms.push(terms);
    let put = |it: CreditAccount| store.put_records(ORG, vec![it.into()], true, NOW);
    put(decided.clone()).await.unwrap();
    let report = import(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let after = ledger(&store, wang()).await;
    assert_eq!(after.account, decided);
    assert_eq!(after.file.unwrap().limit, CreditLimit::Limited(cny("2000.00")));
}

#[tokio::test]
async fn what_the_server_has_allocated_and_reversed_stays_when_the_row_comes_again() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
    import(&store, &files).await;
    let mut receipt = ledger(&store, wang()).await.receipts.remove(0);
    receipt.allocations[0].reversed_on = Some(day("2026-01-31"));
    receipt.allocations[0].reversal_reason = "meant for another".to_owned();
    store
        .put_records(ORG, vec![receipt.clone().into()], true, NOW)
        .await
        .unwrap();
    import(&store, &files).await;
    assert_eq!(ledger(&store, wang()).await.receipts, [receipt.clone()]);
    // A row that would make less of it than it pays is told and left out; a larger one is taken in.
    receipt.allocations[0].reversed_on = None;
    store
        .put_records(ORG, vec![receipt.clone().into()], true, NOW)
        .await
        .unwrap();
    files.put(
        "receipts.csv",
        "ref,customer,day,amount,pays\nR1,001,2026-01-30,15.50,10\n",
    );
    let report = import(&store, &files).await;
    assert!(report.to_string().contains("reverse an allocation first"), "{report}");
    assert_eq!(ledger(&store, wang()).await.receipts, [receipt]);
    files.put(
        "receipts.csv",
        "ref,customer,day,amount,pays\nR1,001,2026-01-30,16.00,10\n",
    );
    let report = import(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let paid: rust_decimal::Decimal = ledger(&store, wang()).await.receipts[0]
        .allocations
        .iter()
        .map(|it| it.amount)
        .sum();
    assert_eq!(paid, cny("16.00").amount);
}

#[tokio::test]
async fn nothing_new_counts_from_a_day_whose_books_are_closed() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
    import(&store, &files).await;
    let policy = Policy {
        books_closed_until: Some(day("2026-01-31")),
        ..Policy::default()
    };
    store.put_records(ORG, vec![policy.into()], true, NOW).await.unwrap();
    files.append("receipts.csv", "R2,001,2026-01-30,10.00,\nR3,001,2026-02-01,1.00,\n");
    let report = import(&store, &files).await;
    assert!(report.errors.is_empty(), "{report}");
    let receipts = ledger(&store, wang()).await.receipts;
    let days: Vec<_> = receipts
        .iter()
        .map(|it| (it.reference.as_str(), it.counts_from(), it.allocations[0].posted_on))
        .collect();
    let (before, after) = (day("2026-01-30"), day("2026-02-01"));
    assert_eq!(
        days,
        [("R1", before, before), ("R2", after, after), ("R3", after, after)]
    );
    assert_eq!(import(&store, &files).await.differences(), 0);
}

#[tokio::test]
async fn an_assessment_is_taken_from_the_files_or_told_to_be_incomplete() {
    let files = Files::new();
    files.put(
        "assessed.csv",
        "no,on,who,why,until\n001,2026-01-02,Li Na,accounts,2026-12-31\n002,2026-01-02,,accounts,2026-12-31\n003,,,,\n",
    );
    let text = MAPPING.replace(
        "[credit]\nfile = \"customers.csv\"",
        "[credit]\nfile = \"customers.csv\"\njoin.a = { file = \"assessed.csv\", on = \"{no}\", key = \"{no}\" }\n\
         assessed_on = \"{a.on}\"\nassessor = \"{a.who}\"\nevidence = \"{a.why}\"\nvalid_until = \"{a.until}\"",
    );
    let mapping = Mapping::parse("test", &text).unwrap();
    let books = read(&mapping, files.0.path(), ORG, None, None).unwrap();
    let assessments: Vec<_> = books.credit.iter().filter_map(|it| it.assessment.clone()).collect();
    assert_eq!(assessments.len(), 1);
    assert_eq!(
        (assessments[0].assessor.as_str(), assessments[0].valid_until),
        ("Li Na", day("2026-12-31"))
    );
    assert_eq!(
        credit_file(&books, "001").unwrap().review_valid_until,
        Some(day("2026-12-31"))
    );
    let told = errors(&books);
    assert!(told.iter().any(|it| it.contains("is missing")), "{told:?}");
    assert!(credit_file(&books, "002").is_none() && credit_file(&books, "003").is_some());
}

#[tokio::test]
async fn cancelled_orders_say_so_and_count_nowhere() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
    import(&store, &files).await;
    let key = RecordKey {
        kind: RecordKind::Order,
        id: "13".to_owned(),
    };
    let stored = store.record(ORG, &key).await.unwrap().unwrap();
    assert!(matches!(stored.record, LedgerRecord::Order(it) if it.cancelled));
}
