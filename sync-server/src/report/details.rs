//! Reports with a line for each item, customer or promise.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime};
use fieldledger_core::{
    model::{CreditFile, CreditLimit, Currency, Customer, Horizon, InvalidMoney, StatementLineKind, Timestamp},
    rules::{
        ageing::{Ageing, AgeingRow, Bucket},
        books::{OpenItem, open_items, unallocated},
        exposure::{self, ExposureError, FileSources, credit_file},
        promises::{PromiseStanding, evaluate},
        statement::{self, Period},
    },
};
use rust_decimal::Decimal;

use super::{Body, Cell, Group, GroupBy, Reader, ReportError, Row, in_books, sums::books};
use crate::store::CustomerLedger;

/// A cell for each bucket with an item's open amount in its own.
fn bucket_cells(row: &AgeingRow, currency: Currency) -> impl Iterator<Item = Cell> {
    let amounts = Bucket::ALL.map(|it| row.in_bucket(it));
    let sums = [row.open(), row.credits(), row.balance()];
    amounts
        .into_iter()
        .chain(sums)
        .map(move |it| Cell::amount(it, currency))
}

/// Every open instalment and every credit that is set against nothing, with a sum for each customer and a total.
pub(super) async fn ageing(reader: &Reader<'_>) -> Result<Body, ReportError> {
    let as_of = reader.request.as_of;
    let columns = vec![
        "customer",
        "name",
        "document",
        "instalment",
        "due_on",
        "days_late",
        "disputed",
        "currency",
        "not_due",
        "days_1_30",
        "days_31_60",
        "days_61_90",
        "days_91_120",
        "over_120",
        "open",
        "credits",
        "balance",
    ];
    let mut rows = Vec::new();
    let mut totals = Ageing::new(as_of);
    for customer in &reader.customers {
        let ledger = reader.ledger(customer.id).await?;
        let books = books(&ledger);
        let items = open_items(&books, as_of).map_err(in_books(customer))?;
        let credits = unallocated(&books, as_of).map_err(in_books(customer))?;
        let mut sum = Ageing::new(as_of);
        for item in &items {
            let mut one = Ageing::new(as_of);
            one.add_item(item)?;
            sum.merge(&one)?;
            rows.push(item_row(customer, item, &one));
        }
        for credit in credits.iter().filter(|it| it.cleared) {
            let mut one = Ageing::new(as_of);
            one.add_credit(credit)?;
            sum.merge(&one)?;
            let mut cells = vec![
                Cell::text(&customer.code),
                Cell::text(&customer.name),
                Cell::text(&credit.source),
            ];
            cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
            cells.push(Cell::text(credit.currency.as_str()));
            cells.extend(bucket_cells(&one.row(credit.currency), credit.currency));
            rows.push(Row { total: false, cells });
        }
        rows.extend(sum_rows(&[&customer.code, &customer.name, "sum"], &sum));
        totals.merge(&sum)?;
    }
    rows.extend(sum_rows(&["total", "", ""], &totals));
    Ok((columns, rows))
}

fn item_row(customer: &Customer, item: &OpenItem, one: &Ageing) -> Row {
    let mut cells = vec![
        Cell::text(&customer.code),
        Cell::text(&customer.name),
        Cell::text(&item.invoice_number),
        Cell::Count(item.instalment.into()),
        Cell::day(item.due_on),
        item.days_late(one.as_of()).map_or(Cell::Empty, Cell::Count),
        Cell::text(if item.disputed { "yes" } else { "" }),
        Cell::text(item.currency.as_str()),
    ];
    cells.extend(bucket_cells(&one.row(item.currency), item.currency));
    Row { total: false, cells }
}

fn sum_rows(heads: &[&str; 3], sum: &Ageing) -> Vec<Row> {
    let row = |(currency, row): (Currency, &AgeingRow)| {
        let mut cells: Vec<Cell> = heads.iter().map(|it| Cell::text(*it)).collect();
        cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
        cells.push(Cell::text(currency.as_str()));
        cells.extend(bucket_cells(row, currency));
        Row { total: true, cells }
    };
    sum.rows().map(row).collect()
}

/// The credit file of a customer as of the day, computed anew from the account and the books.
fn file_of(reader: &Reader<'_>, customer: &Customer, ledger: &CustomerLedger) -> Result<CreditFile, ReportError> {
    let as_of = reader.request.as_of;
    let zone = reader.profile.time_zone;
    let books = books(ledger);
    let items = open_items(&books, as_of).map_err(in_books(customer))?;
    let unallocated = unallocated(&books, as_of).map_err(in_books(customer))?;
    let charged = ledger.invoices.iter().filter(|it| it.counts_from() <= as_of);
    let invoiced_orders: BTreeSet<String> = charged.filter_map(|it| it.order_number.clone()).collect();
    let decided = |at: Timestamp| at.date_in(zone) <= as_of;
    let decisions: Vec<_> = ledger
        .decisions
        .iter()
        .filter(|it| decided(it.received_at))
        .cloned()
        .collect();
    let grants: Vec<_> = ledger
        .grants
        .iter()
        .filter(|it| decided(it.terms.issued_at))
        .cloned()
        .collect();
    let sources = FileSources {
        account: &ledger.account,
        policy: &reader.policy,
        items: &items,
        unallocated: &unallocated,
        decisions: &decisions,
        orders: &ledger.orders,
        invoiced_orders: &invoiced_orders,
        books_have_invoices: !ledger.invoices.is_empty(),
        grants: &grants,
        currency: reader.profile.currency,
    };
    credit_file(&sources, noon(as_of, zone), zone).map_err(|error| ReportError::Exposure {
        code: customer.code.clone(),
        error,
    })
}

/// A moment of the day in the zone, whatever the clocks do at midnight.
fn noon(day: NaiveDate, zone: chrono_tz::Tz) -> Timestamp {
    let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or(NaiveTime::MIN));
    Timestamp::from_local(noon, zone)
}

/// What a group of customers comes to in one currency of limits.
#[derive(Clone, Copy, Default)]
struct CreditSums {
    customers: usize,
    over: usize,
    limit: Decimal,
    /// The exposure of those who have a limit.
    used: Decimal,
    amounts: [Decimal; 6],
}

impl CreditSums {
    fn add(&mut self, file: &CreditFile, exposure: Decimal) -> Result<(), ReportError> {
        let plus = |to: &mut Decimal, amount: Decimal| -> Result<(), InvalidMoney> {
            *to = to.checked_add(amount).ok_or(InvalidMoney::Overflow)?;
            Ok(())
        };
        self.customers += 1;
        if let CreditLimit::Limited(limit) = file.limit {
            plus(&mut self.limit, limit.amount)?;
            plus(&mut self.used, exposure)?;
            self.over += usize::from(exposure > limit.amount);
        }
        for (to, amount) in self.amounts.iter_mut().zip(amounts(file, exposure)) {
            plus(to, amount)?;
        }
        Ok(())
    }
}

fn amounts(file: &CreditFile, exposure: Decimal) -> [Decimal; 6] {
    [
        file.open_receivables.amount,
        file.special_liabilities.amount,
        file.delivered_not_invoiced.amount,
        file.open_orders.amount,
        exposure,
        file.overdue.amount,
    ]
}

fn exposure_of(reader: &Reader<'_>, customer: &Customer, file: &CreditFile) -> Result<Decimal, ReportError> {
    exposure::of_file(file, Horizon::Static, reader.request.as_of)
        .map(|it| it.amount)
        .map_err(|error| ReportError::Exposure {
            code: customer.code.clone(),
            error: ExposureError::from(error),
        })
}

/// Each customer's limit and what uses it.
pub(super) async fn credit(reader: &Reader<'_>) -> Result<Body, ReportError> {
    let columns = vec![
        "customer",
        "name",
        "grade",
        "terms_days",
        "currency",
        "limit",
        "receivables",
        "special_liabilities",
        "delivered_not_invoiced",
        "open_orders",
        "exposure",
        "overdue",
        "used_percent",
        "oldest_due",
        "review_valid_until",
        "on_hold",
    ];
    let mut rows = Vec::new();
    let mut totals: BTreeMap<Currency, CreditSums> = BTreeMap::new();
    for customer in &reader.customers {
        let ledger = reader.ledger(customer.id).await?;
        let file = file_of(reader, customer, &ledger)?;
        let exposure = exposure_of(reader, customer, &file)?;
        let currency = file.open_receivables.currency;
        totals.entry(currency).or_default().add(&file, exposure)?;
        let decided = ledger.account.terms_on(reader.request.as_of).is_some();
        let limit = match file.limit {
            CreditLimit::Limited(limit) if decided => Some(limit.amount),
            _ => None,
        };
        let mut cells = vec![
            Cell::text(&customer.code),
            Cell::text(&customer.name),
            Cell::text(file.grade.map_or_else(String::new, |it| format!("{it:?}"))),
            Cell::Count(file.terms_days.into()),
            Cell::text(currency.as_str()),
            match limit {
                Some(limit) => Cell::amount(limit, currency),
                None => Cell::text(if decided { "no limit" } else { "not decided" }),
            },
        ];
        cells.extend(amounts(&file, exposure).map(|it| Cell::amount(it, currency)));
        cells.extend([
            Cell::percent(limit.and_then(|limit| exposure.checked_div(limit))),
            Cell::day(file.oldest_due),
            Cell::day(file.review_valid_until),
            Cell::text(&file.hold_reason),
        ]);
        rows.push(Row { total: false, cells });
    }
    for (currency, sums) in totals {
        let mut cells = vec![Cell::text("total"), Cell::Empty, Cell::Empty, Cell::Empty];
        cells.push(Cell::text(currency.as_str()));
        cells.push(Cell::amount(sums.limit, currency));
        cells.extend(sums.amounts.map(|it| Cell::amount(it, currency)));
        cells.push(Cell::percent(sums.used.checked_div(sums.limit)));
        cells.extend([Cell::Empty, Cell::Empty, Cell::Empty]);
        rows.push(Row { total: true, cells });
    }
    Ok((columns, rows))
}

/// The same added up by groups. What has no limit is left out of the percentage, not of the amounts.
pub(super) async fn credit_by(reader: &Reader<'_>, by: GroupBy) -> Result<Body, ReportError> {
    let columns = vec![
        match by {
            GroupBy::Rep => "rep",
            GroupBy::Supervisor => "supervisor",
            GroupBy::Territory => "territory",
            GroupBy::Customer => "customer",
        },
        "customers",
        "over_limit",
        "currency",
        "limit",
        "receivables",
        "special_liabilities",
        "delivered_not_invoiced",
        "open_orders",
        "exposure",
        "overdue",
        "used_percent",
    ];
    let mut groups: BTreeMap<(Group, Currency), CreditSums> = BTreeMap::new();
    let mut totals: BTreeMap<Currency, CreditSums> = BTreeMap::new();
    for customer in &reader.customers {
        let ledger = reader.ledger(customer.id).await?;
        let file = file_of(reader, customer, &ledger)?;
        let exposure = exposure_of(reader, customer, &file)?;
        let currency = file.open_receivables.currency;
        let group = (reader.group(customer, by), currency);
        groups.entry(group).or_default().add(&file, exposure)?;
        totals.entry(currency).or_default().add(&file, exposure)?;
    }
    let row = |total, name: &str, currency: Currency, sums: &CreditSums| {
        let mut cells = vec![
            Cell::text(name),
            Cell::count(sums.customers),
            Cell::count(sums.over),
            Cell::text(currency.as_str()),
            Cell::amount(sums.limit, currency),
        ];
        cells.extend(sums.amounts.map(|it| Cell::amount(it, currency)));
        cells.push(Cell::percent(sums.used.checked_div(sums.limit)));
        Row { total, cells }
    };
    let of_groups = groups
        .iter()
        .map(|((group, currency), sums)| row(false, &group.code, *currency, sums));
    let of_totals = totals
        .iter()
        .map(|(currency, sums)| row(true, "total", *currency, sums));
    Ok((columns, of_groups.chain(of_totals).collect()))
}

/// Every promise that was due in the period, and what became of it.
pub(super) async fn promises(reader: &Reader<'_>) -> Result<Body, ReportError> {
    let columns = vec![
        "customer", "name", "made_on", "due_on", "invoice", "currency", "promised", "received", "missing", "standing",
    ];
    let (from, as_of) = (reader.request.first_day(), reader.request.as_of);
    let mut rows = Vec::new();
    let mut totals: BTreeMap<Currency, [Decimal; 3]> = BTreeMap::new();
    for customer in &reader.customers {
        let promises = reader.promises_of(customer.id).await?;
        if promises.is_empty() {
            continue;
        }
        let ledger = reader.ledger(customer.id).await?;
        for it in evaluate(&promises, &ledger.receipts, &reader.policy.promises, as_of) {
            if !(from..=as_of).contains(&it.promise.due) {
                continue;
            }
            let currency = it.promise.amount.currency;
            let amounts = [it.promise.amount.amount, it.received, it.missing()];
            for (to, amount) in totals.entry(currency).or_default().iter_mut().zip(amounts) {
                *to = to.checked_add(amount).ok_or(InvalidMoney::Overflow)?;
            }
            let mut cells = vec![
                Cell::text(&customer.code),
                Cell::text(&customer.name),
                Cell::Day(it.promise.made_on),
                Cell::Day(it.promise.due),
                Cell::text(it.promise.invoice_number.clone().unwrap_or_default()),
                Cell::text(currency.as_str()),
            ];
            cells.extend(amounts.map(|it| Cell::amount(it, currency)));
            cells.push(Cell::text(match it.standing {
                PromiseStanding::Running => "running",
                PromiseStanding::Kept => "kept",
                PromiseStanding::PartlyKept => "partly kept",
                PromiseStanding::Broken => "broken",
            }));
            rows.push(Row { total: false, cells });
        }
    }
    for (currency, amounts) in totals {
        let mut cells = vec![Cell::text("total")];
        cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
        cells.push(Cell::text(currency.as_str()));
        cells.extend(amounts.map(|it| Cell::amount(it, currency)));
        cells.push(Cell::Empty);
        rows.push(Row { total: true, cells });
    }
    Ok((columns, rows))
}

/// What happened on one customer's account in the period, for each currency of the books.
pub(super) async fn statement(reader: &Reader<'_>) -> Result<Body, ReportError> {
    let columns = vec![
        "currency",
        "line",
        "on",
        "what",
        "document",
        "order",
        "shipped_on",
        "debit",
        "credit",
        "balance",
    ];
    let period = Period {
        from: reader.request.first_day(),
        to: reader.request.as_of,
    };
    let mut rows = Vec::new();
    for customer in &reader.customers {
        let ledger = reader.ledger(customer.id).await?;
        let books = books(&ledger);
        let mut currencies = BTreeSet::from([reader.profile.currency]);
        currencies.extend(ledger.invoices.iter().map(|it| it.amount.currency));
        currencies.extend(ledger.receipts.iter().map(|it| it.amount.currency));
        currencies.extend(ledger.credit_notes.iter().map(|it| it.amount.currency));
        for currency in currencies {
            let body = statement::statement(&books, &ledger.orders, &ledger.deliveries, period, currency)
                .map_err(in_books(customer))?;
            let edge = |what: &str, on: NaiveDate, debit: Cell, credit: Cell, balance: Decimal| Row {
                total: true,
                cells: vec![
                    Cell::text(currency.as_str()),
                    Cell::Empty,
                    Cell::Day(on),
                    Cell::text(what),
                    Cell::Empty,
                    Cell::Empty,
                    Cell::Empty,
                    debit,
                    credit,
                    Cell::amount(balance, currency),
                ],
            };
            rows.push(edge(
                "opening",
                period.from,
                Cell::Empty,
                Cell::Empty,
                body.opening.amount,
            ));
            let (mut debits, mut credits) = (Decimal::ZERO, Decimal::ZERO);
            for it in &body.lines {
                debits = debits.checked_add(it.debit).ok_or(InvalidMoney::Overflow)?;
                credits = credits.checked_add(it.credit).ok_or(InvalidMoney::Overflow)?;
                let cells = vec![
                    Cell::text(currency.as_str()),
                    Cell::Count(it.no.into()),
                    Cell::Day(it.on),
                    Cell::text(match it.kind {
                        StatementLineKind::Invoice => "invoice",
                        StatementLineKind::Charge => "interest or costs",
                        StatementLineKind::CreditNote => "credit note",
                        StatementLineKind::Receipt => "receipt",
                        StatementLineKind::Returned => "returned",
                    }),
                    Cell::text(&it.document),
                    Cell::text(it.order_number.clone().unwrap_or_default()),
                    Cell::day(it.shipped_on),
                    Cell::amount(it.debit, currency),
                    Cell::amount(it.credit, currency),
                    Cell::amount(it.balance, currency),
                ];
                rows.push(Row { total: false, cells });
            }
            let sums = [debits, credits].map(|it| Cell::amount(it, currency));
            let [debit, credit] = sums;
            rows.push(edge("closing", period.to, debit, credit, body.closing.amount));
        }
    }
    Ok((columns, rows))
}
