//! What a group of customers comes to in one currency.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Days, Months, NaiveDate};
use fieldledger_core::{
    model::{Currency, InvalidMoney, InvoiceType, PromisePolicy},
    rules::{
        ageing::{Ageing, Bucket},
        books::{BooksError, CustomerBooks, OpenItem, open_items, unallocated},
        figures::{self, MonthSales, PaidLate, PeriodCollection},
        promises::{Promise, PromiseStanding, evaluate},
    },
};
use rust_decimal::Decimal;

use crate::store::CustomerLedger;

/// What of an ageing is not due.
pub(super) fn not_due(ageing: &Ageing, currency: Currency) -> Decimal {
    ageing.row(currency).in_bucket(Bucket::NotDue)
}

/// What customers come to in one currency. Its size grows with months and with payments of the period.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    /// What is open on the day, by bucket.
    pub(super) ageing: Ageing,
    /// Open on the day before the period.
    pub(super) beginning: Decimal,
    /// Sales on credit in the period: invoices for goods and services less credit notes.
    pub(super) sales: Decimal,
    /// The same by month, as far back as the books go.
    months: BTreeMap<(i32, u32), Decimal>,
    /// What was due in the period, and what came in of it.
    pub(super) collection: PeriodCollection,
    /// Payments of the period.
    pub(super) payments: Vec<PaidLate>,
    /// Promises due in the period, by what became of them: kept, partly kept, broken, running.
    pub(super) promises: [usize; 4],
    /// Customers counted.
    pub(super) customers: usize,
}

fn plus(a: Decimal, b: Decimal) -> Result<Decimal, InvalidMoney> {
    a.checked_add(b).ok_or(InvalidMoney::Overflow)
}

impl Sums {
    /// Nothing yet.
    pub(super) fn new(as_of: NaiveDate) -> Self {
        Self {
            ageing: Ageing::new(as_of),
            beginning: Decimal::ZERO,
            sales: Decimal::ZERO,
            months: BTreeMap::new(),
            collection: PeriodCollection::default(),
            payments: Vec::new(),
            promises: [0; 4],
            customers: 0,
        }
    }

    /// Adds another group's.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), InvalidMoney> {
        self.ageing.merge(&other.ageing)?;
        self.beginning = plus(self.beginning, other.beginning)?;
        self.sales = plus(self.sales, other.sales)?;
        for (month, sales) in &other.months {
            let sum = self.months.entry(*month).or_default();
            *sum = plus(*sum, *sales)?;
        }
        self.collection = self.collection.plus(other.collection)?;
        self.payments.extend(&other.payments);
        for (to, count) in self.promises.iter_mut().zip(other.promises) {
            *to += count;
        }
        self.customers += other.customers;
        Ok(())
    }

    /// Sales by month, the month of the day first, back to the first month of the books. Of the first one only the days
    /// that have gone by count.
    pub(super) fn months_back(&self, as_of: NaiveDate) -> Vec<MonthSales> {
        let mut months = Vec::new();
        let Some(earliest) = self.months.keys().next().copied() else {
            return months;
        };
        let mut first = as_of.with_day(1).unwrap_or(as_of);
        while (first.year(), first.month()) >= earliest {
            let key = (first.year(), first.month());
            let next = first.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
            let end = as_of.succ_opt().unwrap_or(as_of).min(next);
            months.push(MonthSales {
                sales: self.months.get(&key).copied().unwrap_or_default(),
                days: u32::try_from(end.signed_duration_since(first).num_days()).unwrap_or(0),
            });
            let Some(before) = first.checked_sub_months(Months::new(1)) else {
                break;
            };
            first = before;
        }
        months
    }

    /// Share of promises whose day has passed that were kept in full, from 0 to 1.
    pub(super) fn kept_share(&self) -> Option<Decimal> {
        let [kept, partly, broken, _] = self.promises.map(Decimal::from);
        kept.checked_div(kept + partly + broken)
    }

    /// Average days late of the payments, by amount.
    pub(super) fn days_late(&self) -> Option<Decimal> {
        figures::average_days_late_weighted(&self.payments)
    }
}

/// The period of a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: NaiveDate,
    pub(super) as_of: NaiveDate,
}

impl Span {
    fn holds(self, day: NaiveDate) -> bool {
        (self.from..=self.as_of).contains(&day)
    }
}

/// The books in a ledger.
pub(super) fn books(ledger: &CustomerLedger) -> CustomerBooks<'_> {
    CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    }
}

/// Sales on credit, each with the day it counts from: invoices for goods and services, less credit notes.
pub(crate) fn sales<'b>(books: &CustomerBooks<'b>) -> impl Iterator<Item = (NaiveDate, Currency, Decimal)> + use<'b> {
    let sold = books.invoices.iter().filter(|it| {
        // What collecting costs is no sale.
        !matches!(it.kind, InvoiceType::Interest | InvoiceType::Costs)
    });
    let sold = sold.map(|it| (it.counts_from(), it.amount.currency, it.amount.amount));
    let credited = books.credit_notes.iter();
    sold.chain(credited.map(|it| (it.counts_from(), it.amount.currency, -it.amount.amount)))
}

/// What one customer comes to, by currency. A customer without books comes to nothing in the company's currency.
pub(super) fn measure(
    ledger: &CustomerLedger,
    promises: &[Promise],
    span: Span,
) -> Result<BTreeMap<Currency, Sums>, BooksError> {
    let Span { from, as_of } = span;
    let books = books(ledger);
    let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
    let new = || Sums {
        customers: 1,
        ..Sums::new(as_of)
    };
    sums.insert(ledger.organisation.currency, new());
    for item in open_items(&books, as_of)? {
        sums.entry(item.currency).or_insert_with(new).ageing.add_item(&item)?;
    }
    for credit in unallocated(&books, as_of)? {
        sums.entry(credit.currency)
            .or_insert_with(new)
            .ageing
            .add_credit(&credit)?;
    }
    if let Some(before) = from.checked_sub_days(Days::new(1)) {
        for item in open_items(&books, before)? {
            let sum = sums.entry(item.currency).or_insert_with(new);
            sum.beginning = plus(sum.beginning, OpenItem::open(&item))?;
        }
    }
    for (day, currency, amount) in sales(&books).filter(|(day, ..)| *day <= as_of) {
        let sum = sums.entry(currency).or_insert_with(new);
        let month = sum.months.entry((day.year(), day.month())).or_default();
        *month = plus(*month, amount)?;
        if span.holds(day) {
            sum.sales = plus(sum.sales, amount)?;
        }
    }
    let paid = ledger.receipts.iter().map(|it| it.amount.currency);
    for currency in paid.collect::<std::collections::BTreeSet<_>>() {
        sums.entry(currency).or_insert_with(new);
    }
    for (currency, sum) in &mut sums {
        sum.collection = figures::period_collection(&books, *currency, from, as_of, as_of)?;
        sum.payments = figures::paid_late(&books, *currency, from, as_of, as_of)?;
    }
    for (currency, counts) in count_promises(promises, ledger, &ledger.policy.promises, span) {
        sums.entry(currency).or_insert_with(new).promises = counts;
    }
    Ok(sums)
}

fn count_promises(
    promises: &[Promise],
    ledger: &CustomerLedger,
    policy: &PromisePolicy,
    span: Span,
) -> BTreeMap<Currency, [usize; 4]> {
    let mut counts: BTreeMap<Currency, [usize; 4]> = BTreeMap::new();
    for it in evaluate(promises, &ledger.receipts, policy, span.as_of) {
        if !span.holds(it.promise.due) {
            continue;
        }
        let [kept, partly, broken, running] = counts.entry(it.promise.amount.currency).or_default();
        *match it.standing {
            PromiseStanding::Kept => kept,
            PromiseStanding::PartlyKept => partly,
            PromiseStanding::Broken => broken,
            PromiseStanding::Running => running,
        } += 1;
    }
    counts
}
