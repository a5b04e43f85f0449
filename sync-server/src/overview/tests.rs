//! The overview against the reports, on a generated company and after changes.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        Currency, CustomerId, Invoice, LedgerRecord, Money, OrganisationId, Policy, Receipt, RecordKind, Timestamp,
    },
    rules::ageing::{Ageing, Bucket},
};
use rust_decimal::{Decimal, RoundingStrategy};

use super::*;
use crate::{
    company, import,
    report::{self, Cell, GroupBy, ReportName, ReportRequest},
    store::{DocumentStore as _, LedgerStore as _, sqlite::SqliteStore},
};

const NOW: Timestamp = Timestamp::from_millis(1_773_640_000_000);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A made-up company with half a year of books, and one customer in two currencies whose books reach further back.
async fn generated() -> (SqliteStore, OrganisationId) {
    let store = SqliteStore::in_memory().unwrap();
    let books = company::generate(7, day("2026-03-16"));
    let org = books.organisation;
    import::write(&store, books, false, NOW).await.unwrap();
    let customer = customers(&store, org).await[3];
    let mut dollars = Invoice::new("USD-1", customer, day("2025-06-01"), day("2025-07-01"), usd("700"));
    dollars.order_number = Some("SO-USD".to_owned());
    let mut paid = Receipt::cleared("USD-R", customer, day("2026-01-15"), usd("250"));
    paid.allocations.push(fieldledger_core::model::Allocation {
        invoice_number: "USD-1".to_owned(),
        instalment: 1,
        part: fieldledger_core::model::AllocationPart::Principal,
        amount: Decimal::from(200),
        taken: None,
        posted_on: day("2026-01-15"),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: fieldledger_core::model::AllocationBasis::Manual,
        by: None,
    });
    store
        .put_records(org, vec![dollars.into(), paid.into()], true, NOW)
        .await
        .unwrap();
    (store, org)
}

fn usd(amount: &str) -> Money {
    Money::new(amount.parse().unwrap(), Currency::USD)
}

async fn customers(store: &SqliteStore, org: OrganisationId) -> Vec<CustomerId> {
    let records = store.records(org, &RecordKind::Customer).await.unwrap();
    records.iter().filter_map(|it| it.record.customer()).collect()
}

async fn report(
    store: &SqliteStore,
    org: OrganisationId,
    name: ReportName,
    by: GroupBy,
    (from, as_of): (Option<NaiveDate>, NaiveDate),
) -> Vec<Vec<Cell>> {
    let request = ReportRequest {
        name,
        as_of,
        from,
        by: Some(by),
        customer: None,
    };
    let report = report::compute(store, org, &request).await.unwrap();
    let rows = report.rows.into_iter();
    rows.map(|row| {
        let mut cells = row.cells;
        cells.insert(0, Cell::Count(row.total.into()));
        cells
    })
    .collect()
}

fn amount(amount: Decimal, currency: Currency) -> Cell {
    let mut amount = Money::new(amount, currency).rounded().amount;
    amount.rescale(currency.minor_digits());
    Cell::Number(amount)
}

fn figure(value: Option<Decimal>) -> Cell {
    value.map_or(Cell::NotAvailable, |it| {
        let mut it = it.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        it.rescale(2);
        Cell::Number(it)
    })
}

/// The row of an ageing as the report gives it.
fn aged(ageing: &Ageing, currency: Currency) -> Vec<Cell> {
    let row = ageing.row(currency);
    let buckets = Bucket::ALL.map(|it| row.in_bucket(it));
    let sums = [row.open(), row.credits(), row.balance()];
    buckets.into_iter().chain(sums).map(|it| amount(it, currency)).collect()
}

#[tokio::test]
async fn the_ageing_is_that_of_the_report_by_customer_territory_and_rep() {
    let (store, org) = generated().await;
    let overview = Overviews::default();
    let today = day("2026-03-16");
    let overview = overview.of(&store, org, today).await.unwrap();
    assert_eq!(overview.len(), 56);
    let people: BTreeMap<String, String> = store
        .records(org, &RecordKind::Person)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|it| match it.record {
            LedgerRecord::Person(it) => Some((it.id.to_string(), it.name)),
            _ => None,
        })
        .collect();
    let territories: BTreeMap<String, String> = store
        .records(org, &RecordKind::Territory)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|it| match it.record {
            LedgerRecord::Territory(it) => Some((it.id.to_string(), it.name)),
            _ => None,
        })
        .collect();
    for by in [GroupBy::Customer, GroupBy::Territory, GroupBy::Rep] {
        let mut groups: BTreeMap<String, Ageing> = BTreeMap::new();
        for it in overview.customers() {
            assert_eq!(it.problem, None);
            let name = match by {
                GroupBy::Customer => it.customer.code.clone(),
                GroupBy::Territory => territories[&it.customer.territory.to_string()].clone(),
                _ => people[&it.customer.rep.unwrap().to_string()].clone(),
            };
            let sum = groups.entry(name).or_insert_with(|| Ageing::new(today));
            sum.merge(&it.ageing).unwrap();
        }
        let rows = report(&store, org, ReportName::Ageing, by, (None, today)).await;
        let mut compared = 0;
        for row in rows.iter().filter(|row| row[0] == Cell::Count(0)) {
            let Cell::Text(name) = &row[1] else { panic!("{row:?}") };
            let heads = if by == GroupBy::Customer { 3 } else { 2 };
            let currency: Currency = row[heads].shown().parse().unwrap();
            assert_eq!(row[heads + 1..], aged(&groups[name], currency), "{name}");
            compared += 1;
        }
        assert!(compared >= groups.len());
    }
}

#[tokio::test]
async fn dso_and_cei_over_time_are_those_of_the_reports_of_each_day() {
    let (store, org) = generated().await;
    let overviews = Overviews::default();
    let overview = overviews.of(&store, org, day("2026-03-16")).await.unwrap();
    for currency in [Currency::CNY, Currency::USD] {
        let mut sums = vec![PointFigures::default(); overview.points.len()];
        for it in overview.customers() {
            for (sum, point) in sums.iter_mut().zip(it.history.get(&currency).into_iter().flatten()) {
                *sum = sum.plus(*point).unwrap();
            }
        }
        assert_eq!(overview.history_within(|_| true).unwrap()[&currency], sums);
        // The oldest points are empty, and there n/a has to be n/a.
        for index in [1, 2, 9, 11, 12, 13] {
            let (point, at, before) = (overview.points[index], sums[index], sums[index - 1]);
            let total = |rows: Vec<Vec<Cell>>| {
                let is_total = |row: &Vec<Cell>| row[0] == Cell::Count(1) && row[3].shown() == currency.as_str();
                rows.into_iter().find(is_total).map(|row| row[4..].to_vec())
            };
            let rows = report(&store, org, ReportName::Dso, GroupBy::Customer, (None, point.day)).await;
            if let Some(row) = total(rows) {
                assert_eq!(row[0], amount(at.open, currency), "{point:?}");
                assert_eq!(row[1], amount(at.not_due, currency), "{point:?}");
                assert_eq!(row[2], amount(at.sales, currency), "{point:?}");
                let figures = [at.dso(), at.best_possible_dso(), at.days_delinquent()].map(figure);
                assert_eq!(row[4..7], figures, "{point:?}");
            } else {
                assert_eq!(at, PointFigures::default(), "{point:?}");
            }
            let period = (Some(point.month), point.day);
            let rows = report(&store, org, ReportName::Cei, GroupBy::Customer, period).await;
            if let Some(row) = total(rows) {
                assert_eq!(row[0], amount(before.open, currency), "{point:?}");
                assert_eq!(row[1], amount(at.month_sales, currency), "{point:?}");
                assert_eq!(row[4], figure(at.collection_effectiveness(&before)), "{point:?}");
            }
        }
    }
}

#[tokio::test]
async fn it_follows_what_is_written_and_reads_only_those_customers_anew() {
    let (store, org) = generated().await;
    let overviews = Overviews::default();
    let today = day("2026-03-16");
    let before = overviews.of(&store, org, today).await.unwrap();
    let ids = customers(&store, org).await;
    let same = overviews.of(&store, org, today).await.unwrap();
    assert!(Arc::ptr_eq(&before, &same), "nothing was written");

    let history = |overview: &Overview| overview.history_within(|_| true).unwrap();
    let earlier = history(&before);
    let invoice = Invoice::new(
        "NEW-1",
        ids[0],
        day("2026-02-01"),
        day("2026-02-15"),
        Money::new(77.into(), Currency::CNY),
    );
    store
        .put_records(org, vec![invoice.clone().into()], true, NOW)
        .await
        .unwrap();
    let after = overviews.of(&store, org, today).await.unwrap();
    let owed = |overview: &Overview, id| overview.customer(id).unwrap().ageing.row(Currency::CNY).open();
    assert_eq!(owed(&after, ids[0]), owed(&before, ids[0]) + Decimal::from(77));
    let kept = ids[1..]
        .iter()
        .all(|id| Arc::ptr_eq(before.customer(*id).unwrap(), after.customer(*id).unwrap()));
    assert!(kept, "the others were not read again");

    assert_eq!(history(&before), earlier, "what was read stays as it was");
    assert_ne!(history(&after), earlier);

    // As if it had been read as a whole.
    let fresh = Overviews::default().of(&store, org, today).await.unwrap();
    assert_eq!(history(&after), history(&fresh));
    let of_rep = fresh.customers().map(AsRef::as_ref);
    assert_eq!(sum(of_rep).unwrap(), history(&fresh));
    for id in &ids {
        let (a, b) = (after.customer(*id).unwrap(), fresh.customer(*id).unwrap());
        assert_eq!((&a.ageing, &a.overdue, &a.history), (&b.ageing, &b.overdue, &b.history));
        assert_eq!(
            (&a.unallocated, a.to_remind, a.stop),
            (&b.unallocated, b.to_remind, b.stop)
        );
    }

    // The next day is another day, and other rules are other rules.
    let tomorrow = overviews.of(&store, org, day("2026-03-17")).await.unwrap();
    let days = |overview: &Overview| overview.customer(ids[0]).unwrap().overdue.oldest_days;
    assert_eq!(days(&tomorrow), days(&after) + 1);
    let mut policy = Policy::default();
    policy.dunning.ladder.clear();
    store
        .put_records(org, vec![LedgerRecord::Policy(policy)], true, NOW)
        .await
        .unwrap();
    let changed = overviews.of(&store, org, day("2026-03-17")).await.unwrap();
    assert!(tomorrow.customers().any(|it| it.to_remind > 0));
    assert!(changed.customers().all(|it| it.to_remind == 0));
}

#[tokio::test]
async fn reminders_are_counted_as_the_ledger_proposes_them_and_a_contradiction_is_told_of_one_customer_only() {
    let (store, org) = generated().await;
    let today = day("2026-03-16");
    let ids = customers(&store, org).await;
    let overviews = Overviews::default();
    let overview = overviews.of(&store, org, today).await.unwrap();
    let mut counted = 0;
    for id in &ids {
        let ledger = store.customer_ledger(org, *id).await.unwrap().unwrap();
        // Noon of the day in Shanghai.
        let now = Timestamp::from_millis(1_773_633_600_000);
        let proposed = crate::ledger::collecting::reminders(&ledger, &[], now).unwrap();
        let raised = proposed
            .iter()
            .filter(|(.., it)| matches!(it, fieldledger_core::rules::dunning::DunningProposal::Raise(_)))
            .count();
        assert_eq!(overview.customer(*id).unwrap().to_remind, raised);
        counted += raised;
    }
    assert!(counted > 10, "{counted}");

    let mut broken = Receipt::cleared("BAD", ids[5], day("2026-03-01"), Money::new(1.into(), Currency::CNY));
    broken.allocations.push(fieldledger_core::model::Allocation {
        invoice_number: "no such invoice".to_owned(),
        instalment: 1,
        part: fieldledger_core::model::AllocationPart::Principal,
        amount: Decimal::ONE,
        taken: None,
        posted_on: day("2026-03-01"),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: fieldledger_core::model::AllocationBasis::Manual,
        by: None,
    });
    store.put_records(org, vec![broken.into()], true, NOW).await.unwrap();
    let overview = overviews.of(&store, org, today).await.unwrap();
    let problems: Vec<_> = overview.customers().filter(|it| it.problem.is_some()).collect();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].customer.id, ids[5]);
    assert!(
        problems[0].ageing.rows().next().is_none(),
        "a wrong figure is worse than none"
    );
}
