//! Reports of one line for each group of customers and currency, with a total for each currency.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::{
    model::{Currency, InvalidMoney},
    rules::{
        ageing::Bucket,
        figures::{
            average_days_delinquent, average_days_late_plain, average_days_late_weighted, collection_effectiveness,
            count_back_dso, dso,
        },
    },
};
use rust_decimal::Decimal;

use super::{
    Body, Cell, Group, GroupBy, Reader, ReportError, ReportName, Row, aged, in_books,
    sums::{Span, Sums, measure, not_due},
};

/// What groups of customers come to, with a total for each currency.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<(Group, Currency), Sums>,
    totals: BTreeMap<Currency, Sums>,
}

impl Groups {
    /// Adds what a customer comes to in one currency.
    pub(super) fn add(
        &mut self,
        group: Group,
        currency: Currency,
        as_of: NaiveDate,
        sums: &Sums,
    ) -> Result<(), InvalidMoney> {
        let new = || Sums::new(as_of);
        self.groups.entry((group, currency)).or_insert_with(new).merge(sums)?;
        self.totals.entry(currency).or_insert_with(new).merge(sums)
    }
}

/// The report by groups.
pub(super) async fn grouped(reader: &Reader<'_>, by: GroupBy) -> Result<Body, ReportError> {
    let request = &reader.request;
    let span = Span {
        from: request.first_day(),
        as_of: request.as_of,
    };
    let Groups { groups, totals } = if request.name == ReportName::Ageing {
        aged::groups(reader, by).await?
    } else {
        measured(reader, by, span).await?
    };
    let mut columns = match by {
        GroupBy::Customer => vec!["customer", "name"],
        GroupBy::Rep => vec!["rep"],
        GroupBy::Supervisor => vec!["supervisor"],
        GroupBy::Territory => vec!["territory"],
    };
    let heads = columns.len();
    columns.push("currency");
    columns.extend(columns_of(request.name));
    let days = request.days();
    let mut rows = Vec::with_capacity(groups.len() + totals.len());
    let mut row = |total, mut cells: Vec<Cell>, currency: Currency, sums: &Sums| {
        cells.resize(heads, Cell::Empty);
        cells.push(Cell::text(currency.as_str()));
        cells.extend(figures_of(request.name, sums, currency, span, days));
        rows.push(Row { total, cells });
    };
    for ((group, currency), sums) in &groups {
        let mut cells = vec![Cell::text(&group.code)];
        if by == GroupBy::Customer {
            cells.push(Cell::text(&group.name));
        }
        row(false, cells, *currency, sums);
    }
    for (currency, sums) in &totals {
        row(true, vec![Cell::text("total")], *currency, sums);
    }
    Ok((columns, rows))
}

/// Every figure of every group, from all that is recorded about each customer.
async fn measured(reader: &Reader<'_>, by: GroupBy, span: Span) -> Result<Groups, ReportError> {
    let with_promises = matches!(reader.request.name, ReportName::Promises | ReportName::Kpi);
    let mut groups = Groups::default();
    for customer in &reader.customers {
        let ledger = reader.ledger(customer.id).await?;
        let promises = if with_promises {
            reader.promises_of(customer.id).await?
        } else {
            Vec::new()
        };
        let sums = measure(&ledger, &promises, span).map_err(in_books(customer))?;
        for (currency, sum) in sums {
            groups.add(reader.group(customer, by), currency, span.as_of, &sum)?;
        }
    }
    Ok(groups)
}

fn columns_of(name: ReportName) -> &'static [&'static str] {
    match name {
        ReportName::Ageing => &[
            "not_due",
            "days_1_30",
            "days_31_60",
            "days_61_90",
            "days_91_120",
            "over_120",
            "open",
            "credits",
            "balance",
        ],
        ReportName::Dso => &[
            "open",
            "not_due",
            "sales",
            "days",
            "dso",
            "best_possible_dso",
            "days_delinquent",
            "count_back_dso",
        ],
        ReportName::Cei => &["beginning", "sales", "ending", "ending_not_due", "cei_percent"],
        ReportName::Lateness => &[
            "payments",
            "paid",
            "paid_late",
            "days_late_by_amount",
            "days_late_by_payment",
        ],
        ReportName::Collections => &[
            "due",
            "collected",
            "on_time",
            "collection_rate_percent",
            "on_time_rate_percent",
        ],
        ReportName::Promises => &["promises", "kept", "partly_kept", "broken", "running", "kept_percent"],
        ReportName::Kpi => &[
            "customers",
            "balance",
            "open",
            "overdue",
            "overdue_percent",
            "sales",
            "dso",
            "cei_percent",
            "collection_rate_percent",
            "on_time_rate_percent",
            "days_late_by_amount",
            "promises_kept_percent",
        ],
        // These have columns of their own.
        ReportName::Credit
        | ReportName::Statement
        | ReportName::Cadence
        | ReportName::Causes
        | ReportName::Channels => &[],
    }
}

fn figures_of(name: ReportName, sums: &Sums, currency: Currency, span: Span, days: u32) -> Vec<Cell> {
    let ageing = sums.ageing.row(currency);
    let (open, current) = (ageing.open(), not_due(&sums.ageing, currency));
    let amount = |it: Decimal| Cell::amount(it, currency);
    match name {
        ReportName::Ageing => {
            let buckets = Bucket::ALL.map(|it| amount(ageing.in_bucket(it)));
            let sums = [open, ageing.credits(), ageing.balance()].map(amount);
            buckets.into_iter().chain(sums).collect()
        }
        ReportName::Dso => vec![
            amount(open),
            amount(current),
            amount(sums.sales),
            Cell::Count(days.into()),
            Cell::figure(dso(open, sums.sales, days)),
            Cell::figure(dso(current, sums.sales, days)),
            Cell::figure(average_days_delinquent(open, current, sums.sales, days)),
            Cell::figure(count_back(sums, open, span)),
        ],
        ReportName::Cei => vec![
            amount(sums.beginning),
            amount(sums.sales),
            amount(open),
            amount(current),
            Cell::figure(collection_effectiveness(sums.beginning, sums.sales, open, current)),
        ],
        ReportName::Lateness => {
            let paid = |late: bool| {
                let counted = sums.payments.iter().filter(|it| !late || it.days > 0);
                amount(counted.fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.amount)))
            };
            vec![
                Cell::count(sums.payments.len()),
                paid(false),
                paid(true),
                Cell::figure(average_days_late_weighted(&sums.payments)),
                Cell::figure(average_days_late_plain(&sums.payments)),
            ]
        }
        ReportName::Collections => vec![
            amount(sums.collection.due),
            amount(sums.collection.collected),
            amount(sums.collection.on_time),
            Cell::percent(sums.collection.collection_rate()),
            Cell::percent(sums.collection.on_time_rate()),
        ],
        ReportName::Promises => {
            let all: usize = sums.promises.iter().sum();
            let counts = std::iter::once(all).chain(sums.promises).map(Cell::count);
            counts.chain([Cell::percent(sums.kept_share())]).collect()
        }
        ReportName::Kpi => vec![
            Cell::count(sums.customers),
            amount(ageing.balance()),
            amount(open),
            amount(open - current),
            Cell::percent((open - current).checked_div(open)),
            amount(sums.sales),
            Cell::figure(dso(open, sums.sales, days)),
            Cell::figure(collection_effectiveness(sums.beginning, sums.sales, open, current)),
            Cell::percent(sums.collection.collection_rate()),
            Cell::percent(sums.collection.on_time_rate()),
            Cell::figure(sums.days_late()),
            Cell::percent(sums.kept_share()),
        ],
        ReportName::Credit
        | ReportName::Statement
        | ReportName::Cadence
        | ReportName::Causes
        | ReportName::Channels => Vec::new(),
    }
}

/// DSO by counting back; n/a as well where nothing was ever sold, as the other figures are then.
fn count_back(sums: &Sums, open: Decimal, span: Span) -> Option<Decimal> {
    let months = sums.months_back(span.as_of);
    if months.is_empty() {
        return None;
    }
    count_back_dso(open, &months)
}
