//! Receivables and sales at the ends of months, for DSO and CEI over time.
//!
//! A past report never changes (what is entered later counts from later), so each point is what `fieldledger report` says as
//! of that day: DSO over the 90 days that end on it, CEI over the calendar month that ends on it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, Days, Months, NaiveDate};
use fieldledger_core::{
    model::{Currency, InvalidMoney},
    rules::{
        ageing::Bucket,
        books::{BooksError, CustomerBooks, open_items},
        figures,
    },
};
use rust_decimal::Decimal;

use super::standing::Standing;
use crate::report::sums::sales;

/// Ends of months before today's that are shown.
const MONTHS: u32 = 12;
/// Days over which DSO looks: those of a report for which nothing else is asked.
pub(super) const DSO_DAYS: u32 = 90;

/// A day for which figures are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// First day of its month.
    pub month: NaiveDate,
    /// The day: the last of its month, or today.
    pub day: NaiveDate,
}

/// The ends of the last months, the oldest first, and today. The first one is only where the second begins.
pub fn points(today: NaiveDate) -> Vec<Point> {
    let this_month = today.with_day(1).unwrap_or(today);
    let mut points: Vec<Point> = (1..=MONTHS + 1)
        .rev()
        .filter_map(|back| {
            let month = this_month.checked_sub_months(Months::new(back))?;
            let day = month.checked_add_months(Months::new(1))?.pred_opt()?;
            Some(Point { month, day })
        })
        .collect();
    points.push(Point {
        month: this_month,
        day: today,
    });
    points
}

/// What a customer, or several, come to on a day in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointFigures {
    /// What is open.
    pub open: Decimal,
    /// The part of it that is not due.
    pub not_due: Decimal,
    /// Sales on credit in the days over which DSO looks.
    pub sales: Decimal,
    /// Sales on credit in the month up to the day.
    pub month_sales: Decimal,
}

impl PointFigures {
    /// Adds those of another customer.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits.
    pub fn plus(self, other: Self) -> Result<Self, InvalidMoney> {
        let sum = |a: Decimal, b: Decimal| a.checked_add(b).ok_or(InvalidMoney::Overflow);
        Ok(Self {
            open: sum(self.open, other.open)?,
            not_due: sum(self.not_due, other.not_due)?,
            sales: sum(self.sales, other.sales)?,
            month_sales: sum(self.month_sales, other.month_sales)?,
        })
    }

    /// Days sales outstanding; `None` without sales.
    pub fn dso(&self) -> Option<Decimal> {
        figures::dso(self.open, self.sales, DSO_DAYS)
    }

    /// The least that DSO could be: of what is not due.
    pub fn best_possible_dso(&self) -> Option<Decimal> {
        figures::dso(self.not_due, self.sales, DSO_DAYS)
    }

    /// Average days delinquent.
    pub fn days_delinquent(&self) -> Option<Decimal> {
        figures::average_days_delinquent(self.open, self.not_due, self.sales, DSO_DAYS)
    }

    /// Collection effectiveness of the month, in percent; `before` is the point before this one.
    pub fn collection_effectiveness(&self, before: &Self) -> Option<Decimal> {
        figures::collection_effectiveness(before.open, self.month_sales, self.open, self.not_due)
    }
}

/// Figures at each of an overview's points, by currency.
pub type History = BTreeMap<Currency, Vec<PointFigures>>;

/// A customer's history.
pub(super) fn points_of(it: &Standing) -> impl Iterator<Item = (Currency, &[PointFigures])> {
    it.history.iter().map(|(currency, points)| (*currency, points.as_ref()))
}

/// What customers come to at each point.
///
/// # Errors
/// [`InvalidMoney::Overflow`] beyond 28 digits.
pub fn sum<'s>(customers: impl IntoIterator<Item = &'s Standing>) -> Result<History, InvalidMoney> {
    let mut sums = History::new();
    for it in customers {
        add(&mut sums, points_of(it))?;
    }
    Ok(sums)
}

/// Adds figures at each point to others.
///
/// # Errors
/// [`InvalidMoney::Overflow`] beyond 28 digits.
pub(super) fn add<'f>(
    sums: &mut History,
    others: impl Iterator<Item = (Currency, &'f [PointFigures])>,
) -> Result<(), InvalidMoney> {
    for (currency, points) in others {
        let sum = sums
            .entry(currency)
            .or_insert_with(|| vec![PointFigures::default(); points.len()]);
        for (sum, point) in sum.iter_mut().zip(points) {
            *sum = sum.plus(*point)?;
        }
    }
    Ok(())
}

/// A customer's figures at each of `points`, by currency.
pub(super) fn of(
    books: &CustomerBooks<'_>,
    points: &[Point],
) -> Result<BTreeMap<Currency, Box<[PointFigures]>>, BooksError> {
    let sold: Vec<(NaiveDate, Currency, Decimal)> = sales(books).collect();
    let currencies: BTreeSet<Currency> = sold.iter().map(|(_, currency, _)| *currency).collect();
    let invoiced = books.invoices.iter().map(|it| it.amount.currency);
    let none = vec![PointFigures::default(); points.len()].into_boxed_slice();
    let mut history: BTreeMap<Currency, Box<[PointFigures]>> = currencies
        .into_iter()
        .chain(invoiced)
        .map(|currency| (currency, none.clone()))
        .collect();
    for (index, point) in points.iter().enumerate() {
        for item in open_items(books, point.day)? {
            let Some(at) = history.get_mut(&item.currency).and_then(|it| it.get_mut(index)) else {
                continue;
            };
            let mut one = PointFigures {
                open: item.open(),
                ..PointFigures::default()
            };
            if Bucket::of(item.days_late(point.day)) == Bucket::NotDue {
                one.not_due = one.open;
            }
            *at = at.plus(one)?;
        }
        let first = point
            .day
            .checked_sub_days(Days::new(u64::from(DSO_DAYS) - 1))
            .unwrap_or(point.day);
        for (day, currency, amount) in sold.iter().filter(|(day, ..)| *day <= point.day) {
            let Some(at) = history.get_mut(currency).and_then(|it| it.get_mut(index)) else {
                continue;
            };
            let of = |counts: bool| if counts { *amount } else { Decimal::ZERO };
            *at = at.plus(PointFigures {
                sales: of(*day >= first),
                month_sales: of(*day >= point.month),
                ..PointFigures::default()
            })?;
        }
    }
    Ok(history)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_points_are_the_ends_of_the_last_months_and_today() {
        let days: Vec<String> = points("2026-03-31".parse().unwrap())
            .iter()
            .map(|it| it.day.to_string())
            .collect();
        assert_eq!(days.len(), 14);
        assert_eq!((days[0].as_str(), days[11].as_str()), ("2025-02-28", "2026-01-31"));
        assert_eq!(&days[12..], ["2026-02-28", "2026-03-31"]);
    }
}
