//! What a customer owes or is about to owe (占用): open receivables + special liabilities + delivered and not invoiced +
//! open orders (DOMAIN, exposure).

mod file;
mod rates;
#[cfg(test)]
mod tests;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

pub use file::{FileSources, credit_file};
use rates::Sums;
pub use rates::{DayRates, ExposureError};

use super::books::{OpenItem, UnallocatedCredit};
use crate::model::{
    CreditFile, Currency, Horizon, InvalidMoney, Money, OrderDecision, OrderDecisionLine, OrderStanding,
};

/// The amounts of an order by where its units are, gross of tax, in the order's currency. Every unit is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderAmounts {
    /// Ordered and not delivered. Counts only while the order is approved or released.
    pub undelivered: Money,
    /// Delivered and not invoiced. Counts whatever was decided about the order.
    pub uninvoiced: Money,
    /// Invoiced: counts as an open receivable, not here.
    pub invoiced: Money,
}

/// Where the units of one line are. Delivering or charging more than was ordered leaves nothing undelivered; charging
/// more than was delivered leaves nothing uninvoiced.
///
/// Each amount is the difference of two rounded totals, so that moving units never gains or loses a cent.
///
/// # Errors
/// [`InvalidMoney::Overflow`] beyond 28 digits.
pub fn line_amounts(line: &OrderDecisionLine, currency: Currency) -> Result<OrderAmounts, InvalidMoney> {
    let handed_over = line.delivered.max(line.invoiced);
    let invoiced = line.value(line.invoiced, currency)?;
    let delivered = line.value(handed_over, currency)?;
    let all = line.value(handed_over.max(line.ordered), currency)?;
    let less = |more: Money, less: Money| Money::new(more.amount - less.amount, currency);
    Ok(OrderAmounts {
        undelivered: less(all, delivered),
        uninvoiced: less(delivered, invoiced),
        invoiced,
    })
}

/// The sums of [`line_amounts`].
///
/// # Errors
/// [`InvalidMoney::Overflow`] beyond 28 digits.
pub fn order_amounts(order: &OrderDecision) -> Result<OrderAmounts, InvalidMoney> {
    let zero = Money::zero(order.currency);
    let none = OrderAmounts {
        undelivered: zero,
        uninvoiced: zero,
        invoiced: zero,
    };
    order.lines.values().try_fold(none, |sum, line| {
        let line = line_amounts(line, order.currency)?;
        Ok(OrderAmounts {
            undelivered: sum.undelivered.checked_add(line.undelivered)?,
            uninvoiced: sum.uninvoiced.checked_add(line.uninvoiced)?,
            invoiced: sum.invoiced.checked_add(line.invoiced)?,
        })
    })
}

/// What an order adds to the exposure outside the receivables, in its own currency: (open, delivered and not invoiced).
///
/// # Errors
/// [`InvalidMoney::Overflow`] beyond 28 digits.
pub fn counted(order: &OrderDecision) -> Result<(Money, Money), InvalidMoney> {
    let amounts = order_amounts(order)?;
    let open = if OrderStanding::is_committed(order.standing) {
        amounts.undelivered
    } else {
        Money::zero(order.currency)
    };
    Ok((open, amounts.uninvoiced))
}

/// Open items, less credit notes and cleared cash that are set against nothing, in `to`. Retention counts before it is
/// due, disputed items count, and cash that is not certain lowers nothing.
///
/// # Errors
/// [`ExposureError`] for a missing rate or an overflow.
pub fn receivables(
    items: &[OpenItem],
    unallocated: &[UnallocatedCredit],
    rates: &DayRates<'_>,
    to: Currency,
) -> Result<Money, ExposureError> {
    let mut sums = Sums::default();
    for item in items {
        sums.add(Money::new(item.open(), item.currency))?;
    }
    for credit in unallocated.iter().filter(|it| it.cleared) {
        sums.add(Money::new(-credit.amount, credit.currency))?;
    }
    sums.converted(rates, to)
}

/// The open orders of a credit file that count on `day`: all of them, or those that ship within the horizon and those
/// without a day.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or the sum overflows.
pub fn open_orders_within(file: &CreditFile, horizon: Horizon, day: NaiveDate) -> Result<Money, InvalidMoney> {
    let Horizon::Dynamic { days } = horizon else {
        return Ok(file.open_orders);
    };
    // The day itself is the first of so many; what should have shipped before it ships now.
    let end = day.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX);
    let later = file.shipping.iter().filter(|it| it.on.is_some_and(|on| on >= end));
    // What the file does not say a day of counts always, so that a file without the list is never looked at too kindly.
    later.map(|it| it.amount).try_fold(file.open_orders, |sum, amount| {
        sum.checked_add(Money::new(-amount.amount, amount.currency))
    })
}

/// X of a credit file on `day` under `horizon`.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or the sum overflows.
pub fn of_file(file: &CreditFile, horizon: Horizon, day: NaiveDate) -> Result<Money, InvalidMoney> {
    file.open_receivables
        .checked_add(file.special_liabilities)?
        .checked_add(file.delivered_not_invoiced)?
        .checked_add(open_orders_within(file, horizon, day)?)
}

/// The debit items that the tests of lateness look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Due date of the oldest item above the tolerance; `None` without one that has a due date.
    pub oldest_due: Option<NaiveDate>,
    /// Everything open.
    pub open: Money,
    /// The part that is late by more than the days asked for.
    pub late: Money,
}

/// Looks at the file's open items by due date, as of `day`: which is the oldest, and how much is more than `days` late.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or the sum overflows.
pub fn lateness(
    file: &CreditFile,
    leave_out_disputed: bool,
    tolerance: Decimal,
    days: u32,
    day: NaiveDate,
) -> Result<Lateness, InvalidMoney> {
    let zero = Money::zero(file.open_receivables.currency);
    let none = Lateness {
        oldest_due: None,
        open: zero,
        late: zero,
    };
    let looked_at = file.dues.iter().filter(|it| !(leave_out_disputed && it.disputed));
    looked_at.into_iter().try_fold(none, |sum, due| {
        let above = due.largest.amount > tolerance;
        let oldest = due.on.filter(|_| above).into_iter().chain(sum.oldest_due).min();
        let is_late = due
            .on
            .is_some_and(|on| day.signed_duration_since(on).num_days() > i64::from(days));
        Ok(Lateness {
            oldest_due: oldest,
            open: sum.open.checked_add(due.amount)?,
            late: if is_late {
                sum.late.checked_add(due.amount)?
            } else {
                sum.late
            },
        })
    })
}
