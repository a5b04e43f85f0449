#![allow(clippy::unwrap_used, clippy::expect_used)]

use fieldledger_core::{
    document::edit,
    model::{
        Allocation, AllocationBasis, AllocationPart, CollectionChannel, CollectionNote, CollectionOutcome,
        CreditAccount, CreditLimit, CreditNote, CreditTerms, Invoice, Money, PromiseToPay, Receipt, Role, Territory,
        Timestamp,
    },
    sync::protocol::StreamId,
};

use super::*;
use crate::store::{
    DocumentStore as _, PeopleStore as _, PutOutcome,
    sqlite::SqliteStore,
    suite::{CUSTOMER, NORTH, NOW, ORG, REP, creating},
};

const OTHER: CustomerId = CustomerId::from_bytes([0x31; 16]);
const BOSS: UserId = UserId::from_bytes([0x41; 16]);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn cny(amount: &str) -> Money {
    Money::new(amount.parse().unwrap(), Currency::CNY)
}

fn invoice(number: &str, customer: CustomerId, on: &str, due: &str, amount: &str) -> LedgerRecord {
    Invoice::new(number, customer, day(on), day(due), cny(amount)).into()
}

fn receipt(reference: &str, on: &str, amount: &str, pays: Option<(&str, &str)>) -> Receipt {
    let mut receipt = Receipt::cleared(reference, CUSTOMER, day(on), cny(amount));
    receipt.allocations.extend(pays.map(|(number, amount)| Allocation {
        invoice_number: number.to_owned(),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: amount.parse().unwrap(),
        taken: None,
        posted_on: day(on),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: AllocationBasis::OldestDue,
        by: None,
    }));
    receipt
}

async fn put(store: &SqliteStore, records: Vec<LedgerRecord>) {
    for outcome in store.put_records(ORG, records, true, NOW).await.unwrap() {
        assert!(
            !matches!(outcome, PutOutcome::Refused(_) | PutOutcome::Withheld),
            "{outcome:?}"
        );
    }
}

fn customer(id: CustomerId, code: &str, name: &str, rep: Option<UserId>) -> LedgerRecord {
    LedgerRecord::Customer(Customer {
        id,
        code: code.to_owned(),
        name: name.to_owned(),
        territory: NORTH,
        rep,
        contact: String::new(),
        phone: String::new(),
        address: String::new(),
        position: None,
    })
}

fn person(id: UserId, name: &str, supervisor: Option<UserId>) -> LedgerRecord {
    LedgerRecord::Person(Person {
        id,
        name: name.to_owned(),
        roles: vec![Role::Rep],
        supervisor,
    })
}

/// What was in the books at the end of February: 1,300.00 owed by the first customer, 80.00 by the second.
async fn february() -> SqliteStore {
    let store = SqliteStore::in_memory().unwrap();
    store.create_organisation(ORG, "Tea", NOW).await.unwrap();
    let mut account = CreditAccount::new(CUSTOMER);
    account.terms.push(CreditTerms {
        effective_from: day("2026-01-01"),
        grade: None,
        limit: CreditLimit::Limited(cny("2000.00")),
        terms_days: 30,
        reason: "new".to_owned(),
        by: None,
        recorded_at: NOW,
    });
    let records = vec![
        LedgerRecord::Organisation(OrganisationProfile {
            name: "Tea".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        }),
        LedgerRecord::Territory(Territory {
            id: NORTH,
            name: "North".to_owned(),
        }),
        person(BOSS, "Wang", None),
        person(REP, "Li", Some(BOSS)),
        customer(CUSTOMER, "001", "=Old King's", Some(REP)),
        customer(OTHER, "002", "Hill, Sons", None),
        account.into(),
        invoice("F1", CUSTOMER, "2026-01-15", "2026-02-14", "1000.00"),
        invoice("F3", CUSTOMER, "2026-02-10", "2026-03-12", "300.00"),
        invoice("F4", OTHER, "2025-11-20", "2025-11-30", "80.00"),
    ];
    put(&store, records).await;
    store
}

/// What March added.
async fn march(store: &SqliteStore) {
    let records = vec![
        invoice("F2", CUSTOMER, "2026-03-05", "2026-04-04", "500.00"),
        receipt("R1", "2026-03-10", "400.00", Some(("F1", "400.00"))).into(),
        receipt("R2", "2026-03-12", "300.00", Some(("F3", "300.00"))).into(),
        receipt("R3", "2026-03-20", "50.00", None).into(),
    ];
    put(store, records).await;
    for (number, due, amount) in [
        (1, "2026-03-10", "400.00"),
        (2, "2026-03-25", "200.00"),
        (3, "2026-04-10", "1.00"),
    ] {
        let note = CollectionNote {
            customer: CUSTOMER,
            rep: REP,
            at: Timestamp::from_millis(
                day("2026-03-05")
                    .and_hms_opt(4, 0, 0)
                    .unwrap()
                    .and_utc()
                    .timestamp_millis(),
            ),
            channel: CollectionChannel::Phone,
            person: String::new(),
            outcome: CollectionOutcome::Promised,
            invoice_number: None,
            promise: Some(PromiseToPay {
                amount: cny(amount),
                due: day(due),
            }),
            next_step: None,
            note: String::new(),
            position: None,
            closing: None,
            receipt: None,
        };
        let tree = edit::tree_of(&note).unwrap();
        let item = creating(number, StreamId::Territory(NORTH), &tree);
        store.append(ORG, vec![item], NOW).await.unwrap();
    }
}

fn asked(name: ReportName, as_of: &str, by: Option<GroupBy>) -> ReportRequest {
    ReportRequest {
        name,
        as_of: day(as_of),
        from: chrono::Datelike::with_day(&day(as_of), 1),
        by,
        customer: (name == ReportName::Statement).then(|| "001".to_owned()),
    }
}

/// The report of March, a text for each row.
async fn rows(store: &SqliteStore, name: ReportName, by: Option<GroupBy>) -> Vec<String> {
    let report = compute(store, ORG, &asked(name, "2026-03-31", by)).await.unwrap();
    let shown = |row: &Row| {
        assert_eq!(row.cells.len(), report.columns.len());
        row.cells.iter().map(Cell::shown).collect::<Vec<_>>().join("|")
    };
    report.rows.iter().map(shown).collect()
}

async fn books() -> SqliteStore {
    let store = february().await;
    march(&store).await;
    store
}

#[tokio::test]
async fn ageing_tells_each_instalment_and_credit_and_adds_up() {
    let store = books().await;
    assert_eq!(
        rows(&store, ReportName::Ageing, None).await,
        [
            // 14 February to 31 March are 45 days.
            "001|=Old King's|F1|1|2026-02-14|45||CNY|0.00|0.00|600.00|0.00|0.00|0.00|600.00|0.00|600.00",
            "001|=Old King's|F2|1|2026-04-04|-4||CNY|500.00|0.00|0.00|0.00|0.00|0.00|500.00|0.00|500.00",
            "001|=Old King's|R3|||||CNY|0.00|0.00|0.00|0.00|0.00|0.00|0.00|-50.00|-50.00",
            "001|=Old King's|sum|||||CNY|500.00|0.00|600.00|0.00|0.00|0.00|1100.00|-50.00|1050.00",
            // 30 November to 31 March are 121.
            "002|Hill, Sons|F4|1|2025-11-30|121||CNY|0.00|0.00|0.00|0.00|0.00|80.00|80.00|0.00|80.00",
            "002|Hill, Sons|sum|||||CNY|0.00|0.00|0.00|0.00|0.00|80.00|80.00|0.00|80.00",
            "total|||||||CNY|500.00|0.00|600.00|0.00|0.00|80.00|1180.00|-50.00|1130.00",
        ]
    );
    assert_eq!(
        rows(&store, ReportName::Ageing, Some(GroupBy::Supervisor)).await,
        [
            "Wang|CNY|500.00|0.00|600.00|0.00|0.00|0.00|1100.00|-50.00|1050.00",
            "without a supervisor|CNY|0.00|0.00|0.00|0.00|0.00|80.00|80.00|0.00|80.00",
            "total|CNY|500.00|0.00|600.00|0.00|0.00|80.00|1180.00|-50.00|1130.00",
        ]
    );
}

#[tokio::test]
async fn dso_is_not_available_without_sales() {
    assert_eq!(
        rows(&books().await, ReportName::Dso, None).await,
        [
            // 1,100 ÷ 500 × 31; 500 ÷ 500 × 31; March and February whole and 300 of January's 1,000 in 31 days.
            "001|=Old King's|CNY|1100.00|500.00|500.00|31|68.20|31.00|37.20|68.30",
            // 80 are used up by November's 80: five months to the day.
            "002|Hill, Sons|CNY|80.00|0.00|0.00|31|n/a|n/a|n/a|151.00",
            // 1,180 − 500 − 300 = 380 of January's 1,000: 31 + 28 + 11.78.
            "total||CNY|1180.00|500.00|500.00|31|73.16|31.00|42.16|70.78",
        ]
    );
}

#[tokio::test]
async fn cei_lateness_and_collections_are_those_of_the_period() {
    let store = books().await;
    assert_eq!(
        rows(&store, ReportName::Cei, None).await,
        [
            // (1,300 + 500 − 1,100) ÷ (1,300 + 500 − 500)
            "001|=Old King's|CNY|1300.00|500.00|1100.00|500.00|53.85",
            "002|Hill, Sons|CNY|80.00|0.00|80.00|0.00|0.00",
            // 700 ÷ 1,380
            "total||CNY|1380.00|500.00|1180.00|500.00|50.72",
        ]
    );
    assert_eq!(
        rows(&store, ReportName::Lateness, None).await,
        [
            // 400 came 24 days late and 300 on the day.
            "001|=Old King's|CNY|2|700.00|400.00|13.71|12.00",
            "002|Hill, Sons|CNY|0|0.00|0.00|n/a|n/a",
            "total||CNY|2|700.00|400.00|13.71|12.00",
        ]
    );
    assert_eq!(
        rows(&store, ReportName::Collections, Some(GroupBy::Territory)).await,
        [
            "North|CNY|300.00|300.00|300.00|100.00|100.00",
            "total|CNY|300.00|300.00|300.00|100.00|100.00",
        ]
    );
}

#[tokio::test]
async fn credit_tells_what_uses_a_limit_and_who_has_none() {
    let store = books().await;
    assert_eq!(
        rows(&store, ReportName::Credit, None).await,
        [
            "001|=Old King's||30|CNY|2000.00|1050.00|0.00|0.00|0.00|1050.00|600.00|52.50|2026-02-14||",
            "002|Hill, Sons||0|CNY|not decided|80.00|0.00|0.00|0.00|80.00|80.00|n/a|2025-11-30||",
            "total||||CNY|2000.00|1130.00|0.00|0.00|0.00|1130.00|680.00|56.50|||",
        ]
    );
    assert_eq!(
        rows(&store, ReportName::Credit, Some(GroupBy::Rep)).await[0],
        "Li|1|0|CNY|2000.00|1050.00|0.00|0.00|0.00|1050.00|600.00|52.50"
    );
}

#[tokio::test]
async fn promises_that_were_due_are_held_against_what_came() {
    let store = books().await;
    assert_eq!(
        rows(&store, ReportName::Promises, None).await,
        [
            "001|=Old King's|2026-03-05|2026-03-10||CNY|400.00|400.00|0.00|kept",
            // The 300.00 of 12 March feed the second one.
            "001|=Old King's|2026-03-05|2026-03-25||CNY|200.00|300.00|0.00|kept",
            "total|||||CNY|600.00|700.00|0.00|",
        ]
    );
    assert_eq!(
        rows(&store, ReportName::Promises, Some(GroupBy::Customer)).await[0],
        "001|=Old King's|CNY|2|2|0|0|0|100.00"
    );
}

#[tokio::test]
async fn kpi_has_a_line_for_each_rep() {
    assert_eq!(
        rows(&books().await, ReportName::Kpi, None).await,
        [
            // 600 of 1,100 are overdue.
            "Li|CNY|1|1050.00|1100.00|600.00|54.55|500.00|68.20|53.85|100.00|100.00|13.71|100.00",
            "without a rep|CNY|1|80.00|80.00|80.00|100.00|0.00|n/a|0.00|n/a|n/a|n/a|n/a",
            "total|CNY|2|1130.00|1180.00|680.00|57.63|500.00|73.16|50.72|100.00|100.00|13.71|100.00",
        ]
    );
}

#[tokio::test]
async fn a_statement_goes_from_the_opening_to_the_closing_balance() {
    let store = books().await;
    assert_eq!(
        rows(&store, ReportName::Statement, None).await,
        [
            "CNY||2026-03-01|opening||||||1300.00",
            "CNY|1|2026-03-05|invoice|F2|||500.00|0.00|1800.00",
            "CNY|2|2026-03-10|receipt|R1|||0.00|400.00|1400.00",
            "CNY|3|2026-03-12|receipt|R2|||0.00|300.00|1100.00",
            "CNY|4|2026-03-20|receipt|R3|||0.00|50.00|1050.00",
            "CNY||2026-03-31|closing||||500.00|750.00|1050.00",
        ]
    );
    let nobody = ReportRequest {
        customer: None,
        ..asked(ReportName::Statement, "2026-03-31", None)
    };
    assert!(matches!(
        compute(&store, ORG, &nobody).await,
        Err(ReportError::WhoseStatement)
    ));
}

#[tokio::test]
async fn a_past_day_stays_as_it_was_whatever_is_posted_later() {
    let store = february().await;
    let every = [
        ReportName::Ageing,
        ReportName::Dso,
        ReportName::Cei,
        ReportName::Lateness,
        ReportName::Credit,
        ReportName::Collections,
        ReportName::Promises,
        ReportName::Kpi,
        ReportName::Statement,
    ];
    let mut before = Vec::new();
    for name in every {
        before.push(compute(&store, ORG, &asked(name, "2026-02-28", None)).await.unwrap());
    }
    march(&store).await;
    // An allocation that is taken back, a payment that bounces, an invoice of February that came too late for its books.
    let mut reversed = receipt("R1", "2026-03-10", "400.00", Some(("F1", "400.00")));
    reversed.allocations[0].reversed_on = Some(day("2026-03-15"));
    reversed.allocations[0].reversal_reason = "meant for F2".to_owned();
    let mut bounced = receipt("R4", "2026-03-02", "10.00", Some(("F1", "10.00")));
    bounced.bounced_on = Some(day("2026-03-20"));
    let mut late = Invoice::new("F5", CUSTOMER, day("2026-02-20"), day("2026-03-22"), cny("70.00"));
    late.posted_on = Some(day("2026-03-01"));
    put(&store, vec![reversed.into(), bounced.into(), late.into()]).await;
    for (name, before) in every.into_iter().zip(before) {
        let after = compute(&store, ORG, &asked(name, "2026-02-28", None)).await.unwrap();
        assert_eq!(after, before, "{name:?}");
        assert_ne!(
            compute(&store, ORG, &asked(name, "2026-03-31", None))
                .await
                .unwrap()
                .rows,
            before.rows,
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn a_spreadsheet_takes_no_name_for_a_formula_and_json_no_amount_for_a_float() {
    let report = compute(&books().await, ORG, &asked(ReportName::Ageing, "2026-03-31", None))
        .await
        .unwrap();
    let csv = report.to_csv();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(lines[0].starts_with("row,customer,name,document,"), "{csv}");
    // A negative amount stays a number.
    assert_eq!(
        lines[3],
        "line,001,'=Old King's,R3,,,,,CNY,0.00,0.00,0.00,0.00,0.00,0.00,0.00,-50.00,-50.00"
    );
    assert!(lines[5].starts_with("line,002,\"Hill, Sons\",F4,"), "{csv}");
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["rows"][0]["open"], "600.00");
    assert_eq!(json["rows"][0]["name"], "=Old King's");
    assert_eq!(
        (&json["rows"][6]["total"], &json["rows"][6]["balance"]),
        (&true.into(), &"1130.00".into())
    );
    for text in ["=1", "+1", "-1", "@a", "\ta"] {
        assert!(Cell::text(text).csv().starts_with('\''), "{text:?}");
    }
}

#[tokio::test]
async fn amounts_of_two_currencies_have_totals_of_their_own_and_a_credit_note_lowers_sales() {
    let store = february().await;
    let mut dollars = Invoice::new("U1", OTHER, day("2026-02-20"), day("2026-03-22"), cny("7.00"));
    dollars.amount.currency = Currency::USD;
    let note = CreditNote {
        number: "C1".to_owned(),
        customer: CUSTOMER,
        invoice_number: Some("F3".to_owned()),
        credited_on: day("2026-02-25"),
        posted_on: None,
        amount: cny("60.00"),
        reason: "damaged".to_owned(),
        allocations: Vec::new(),
    };
    put(&store, vec![dollars.into(), note.into()]).await;
    let request = asked(ReportName::Dso, "2026-02-28", Some(GroupBy::Territory));
    let report = compute(&store, ORG, &request).await.unwrap();
    let shown = |row: &Row| row.cells.iter().map(Cell::shown).collect::<Vec<_>>().join("|");
    let rows: Vec<String> = report.rows.iter().map(shown).collect();
    // February sold 300 less 60; 1,380 are open. It uses up 240 and January's 1,000, December sold nothing and counts
    // whole, and 80 of November's 80 are used: 28 + 31 + 31 + 30, and 60 are left over, so counting back ends nowhere.
    assert_eq!(
        rows,
        [
            "North|CNY|1380.00|300.00|240.00|28|161.00|35.00|126.00|n/a",
            "North|USD|7.00|7.00|7.00|28|28.00|28.00|0.00|28.00",
            "total|CNY|1380.00|300.00|240.00|28|161.00|35.00|126.00|n/a",
            "total|USD|7.00|7.00|7.00|28|28.00|28.00|0.00|28.00",
        ]
    );
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_told_so() {
    let store = february().await;
    let mut request = asked(ReportName::Ageing, "2026-02-28", None);
    request.customer = Some("999".to_owned());
    assert!(matches!(
        compute(&store, ORG, &request).await,
        Err(ReportError::NoCustomer(_))
    ));
    request.customer = None;
    request.from = Some(day("2026-03-01"));
    assert!(matches!(
        compute(&store, ORG, &request).await,
        Err(ReportError::Period { .. })
    ));
}

/// Amounts of the column in the rows that are (or are not) totals.
fn sum(report: &Report, column: &str, total: bool, only: impl Fn(&Row) -> bool) -> Decimal {
    let at = report.columns.iter().position(|it| *it == column).unwrap();
    let rows = report.rows.iter().filter(|row| row.total == total && only(row));
    rows.map(|row| match row.cells[at] {
        Cell::Number(number) => number,
        _ => Decimal::ZERO,
    })
    .sum()
}

#[tokio::test]
async fn the_ageing_of_the_real_data_sets_adds_up() {
    for set in ["classicmodels", "northwind"] {
        let Some(dir) = crate::import::real_data(set) else {
            continue;
        };
        let store = SqliteStore::in_memory().unwrap();
        let mapping = crate::import::Mapping::load(set).unwrap();
        let books = crate::import::read(&mapping, &dir, ORG, None, None).unwrap();
        let as_of = books.as_of;
        crate::import::write(&store, books, true, NOW).await.unwrap();
        let (mut invoiced, mut allocated, mut received) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
        for it in store.records(ORG, &RecordKind::Invoice).await.unwrap() {
            if let LedgerRecord::Invoice(it) = it.record {
                invoiced += it.amount.amount;
            }
        }
        for it in store.records(ORG, &RecordKind::Receipt).await.unwrap() {
            if let LedgerRecord::Receipt(it) = it.record {
                received += it.amount.amount;
                allocated += it.allocations.iter().map(|it| it.amount).sum::<Decimal>();
            }
        }
        let request = ReportRequest {
            name: ReportName::Ageing,
            as_of,
            from: None,
            by: None,
            customer: None,
        };
        let ageing = compute(&store, ORG, &request).await.unwrap();
        let buckets = [
            "not_due",
            "days_1_30",
            "days_31_60",
            "days_61_90",
            "days_91_120",
            "over_120",
        ];
        let open = sum(&ageing, "open", false, |_| true);
        let of_buckets: Decimal = buckets.iter().map(|it| sum(&ageing, it, false, |_| true)).sum();
        assert_eq!(of_buckets, open, "{set}");
        assert_eq!(open, invoiced - allocated, "{set}");
        let is_grand = |row: &Row| row.cells[0] == Cell::text("total");
        assert_eq!(sum(&ageing, "open", true, is_grand), open, "{set}");
        assert_eq!(sum(&ageing, "open", true, |row| !is_grand(row)), open, "{set}");
        assert_eq!(sum(&ageing, "balance", true, is_grand), invoiced - received, "{set}");
        let mut by_territory = request.clone();
        by_territory.by = Some(GroupBy::Territory);
        let by_territory = compute(&store, ORG, &by_territory).await.unwrap();
        assert_eq!(sum(&by_territory, "open", false, |_| true), open, "{set}");
        let credit = ReportRequest {
            name: ReportName::Credit,
            ..request
        };
        let credit = compute(&store, ORG, &credit).await.unwrap();
        assert_eq!(
            sum(&credit, "receivables", false, |_| true),
            invoiced - received,
            "{set}"
        );
        // The same figures as the credit files that the import wrote.
        let mut files = Decimal::ZERO;
        for it in store.records(ORG, &RecordKind::CreditFile).await.unwrap() {
            if let LedgerRecord::CreditFile(it) = it.record {
                files += it.open_receivables.amount + it.delivered_not_invoiced.amount + it.open_orders.amount;
            }
        }
        assert_eq!(sum(&credit, "exposure", false, |_| true), files, "{set}");
        assert_eq!(open.is_zero(), set == "northwind", "{set}: {open}");
    }
}

#[tokio::test]
async fn visits_are_held_against_the_cadence_of_the_grade() {
    let store = books().await;
    let terms = CreditTerms {
        effective_from: day("2026-01-01"),
        grade: Some(fieldledger_core::model::CreditGrade::B),
        limit: CreditLimit::NoLimit,
        terms_days: 30,
        reason: "assessed".to_owned(),
        by: None,
        recorded_at: NOW,
    };
    let mut account = CreditAccount::new(CUSTOMER);
    account.terms.push(terms);
    put(&store, vec![account.into()]).await;
    // Every 14 days: overdue since January, so three are asked for in March.
    assert_eq!(
        rows(&store, ReportName::Cadence, None).await.last().unwrap(),
        "total|3|0|0.00|1|2026-01-15"
    );
}

#[tokio::test]
async fn contacts_are_told_by_channel_with_the_money_that_followed_and_causes_are_counted() {
    let store = books().await;
    // Three calls on 5 March, money on the 10th.
    assert_eq!(
        rows(&store, ReportName::Channels, None).await.last().unwrap(),
        "total|phone|3|3|100.00"
    );
    assert!(rows(&store, ReportName::Causes, None).await.is_empty());
    let note = CollectionNote {
        customer: CUSTOMER,
        rep: REP,
        at: Timestamp::from_millis(NOW.as_millis()),
        channel: CollectionChannel::Visit,
        person: String::new(),
        outcome: CollectionOutcome::Promised,
        invoice_number: None,
        promise: None,
        next_step: None,
        note: String::new(),
        position: None,
        closing: Some(fieldledger_core::model::ClosingReview {
            was_late: true,
            cause: Some(fieldledger_core::model::LateCause::OurService),
            difficulty: String::new(),
            solution: String::new(),
        }),
        receipt: None,
    };
    let on = NOW.date_in(chrono_tz::UTC);
    let tree = edit::tree_of(&note).unwrap();
    store
        .append(ORG, vec![creating(9, StreamId::Territory(NORTH), &tree)], NOW)
        .await
        .unwrap();
    let asked = ReportRequest {
        from: on.checked_sub_days(Days::new(3)),
        as_of: on.checked_add_days(Days::new(3)).unwrap(),
        ..asked(ReportName::Causes, "2026-03-31", Some(GroupBy::Customer))
    };
    let report = compute(&store, ORG, &asked).await.unwrap();
    let shown: Vec<String> = report.rows[0].cells.iter().map(Cell::shown).collect();
    assert_eq!(shown, ["001", "=Old King's", "our_service", "1"]);
    assert_eq!(report.rows.len(), 2);
}
