//! Statements of account (对账单): what happened on a customer's account in a period, in one currency.
//!
//! Invoices, interest and costs are debits, credit notes and money are credits. Money counts from the day it cleared and
//! is returned on the day it bounced; what bounced before it cleared never shows. Money of one currency that paid an
//! item of another leaves the one account and enters the other on the day of the allocation. So the closing balance of a
//! day is what is open less the credits left over, and the opening of a period is the closing of the one before.

use std::collections::{BTreeSet, HashMap};

use chrono::{Datelike as _, NaiveDate, Weekday};
use rust_decimal::Decimal;

use super::books::{BooksError, CustomerBooks, Source};
use crate::model::{
    Currency, InvalidField, InvalidMoney, Invoice, LedgerDelivery, LedgerLine, LedgerOrder, Money, StatementLine,
    StatementLineKind, StatementProduct, StatementSchedule,
};

#[cfg(test)]
mod tests;

/// The period of a statement, both days counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}

/// The last period of a schedule that has ended before `today`; `None` for one without periods.
pub fn last_ended(schedule: StatementSchedule, today: NaiveDate) -> Option<Period> {
    let to = match schedule {
        StatementSchedule::Monthly => today.with_day(1)?.pred_opt()?,
        StatementSchedule::Weekly => today.week(Weekday::Mon).checked_first_day()?.pred_opt()?,
        StatementSchedule::OnRequest => return None,
    };
    let from = match schedule {
        StatementSchedule::Weekly => to.week(Weekday::Mon).checked_first_day()?,
        _ => to.with_day(1)?,
    };
    Some(Period { from, to })
}

/// The lines of a statement with the balances around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementBody {
    /// Owed at the end of the day before the period.
    pub opening: Money,
    /// What happened, by day; of one day debits first.
    pub lines: Vec<StatementLine>,
    /// Owed at the end of the period.
    pub closing: Money,
}

/// The statement of a customer for a period in one currency. `orders` and `deliveries` give the product lines and ship
/// dates of the invoices' orders.
///
/// # Errors
/// [`BooksError`] when the period ends before it begins, the records contradict each other, or a sum cannot be written.
pub fn statement(
    books: &CustomerBooks<'_>,
    orders: &[LedgerOrder],
    deliveries: &[LedgerDelivery],
    period: Period,
    currency: Currency,
) -> Result<StatementBody, BooksError> {
    if period.to < period.from {
        return Err(InvalidField::new("to", "lies before the first day of the period").into());
    }
    let mut lines = lines_until(books, period.to, currency)?;
    lines.sort_by(|a, b| (a.on, a.kind, &a.document).cmp(&(b.on, b.kind, &b.document)));
    let first = lines.partition_point(|it| it.on < period.from);
    let mut balance = Decimal::ZERO;
    for it in &mut lines {
        let debited = balance.checked_add(it.debit);
        balance = debited
            .and_then(|sum| sum.checked_sub(it.credit))
            .ok_or(InvalidMoney::Overflow)?;
        it.balance = balance;
    }
    let opening = first
        .checked_sub(1)
        .and_then(|last| lines.get(last))
        .map_or(Decimal::ZERO, |it| it.balance);
    let mut lines = lines.split_off(first);
    let sales = Sales::new(orders, deliveries);
    for (no, line) in (1u32..).zip(&mut lines) {
        line.no = no;
        sales.describe(line);
    }
    Ok(StatementBody {
        opening: Money::new(opening, currency),
        lines,
        closing: Money::new(balance, currency),
    })
}

/// Everything that happened up to a day, in no order, without numbers and balances.
fn lines_until(books: &CustomerBooks<'_>, to: NaiveDate, currency: Currency) -> Result<Vec<StatementLine>, BooksError> {
    let invoices = books.by_number()?;
    let mut lines = Vec::new();
    for it in books.invoices.iter().filter(|it| it.amount.currency == currency) {
        let order = it.order_number.as_ref();
        let mut debit = |kind, on, amount| {
            let mut line = line(kind, on, &it.number, order);
            line.debit = amount;
            lines.push(line);
        };
        debit(StatementLineKind::Invoice, it.counts_from(), it.amount.amount);
        for charge in it.instalments.iter().flat_map(|it| &it.charges) {
            // A charge counts once its invoice does.
            debit(
                StatementLineKind::Charge,
                charge.posted_on.max(it.counts_from()),
                charge.amount,
            );
        }
    }
    for source in books.sources() {
        lines.extend(lines_of(source, &invoices, currency)?);
    }
    lines.retain(|it| it.on <= to && !(it.debit.is_zero() && it.credit.is_zero()));
    Ok(lines)
}

/// How a receipt or credit note changes the account in `currency`: a step on each day on which it begins to count, stops
/// counting, or moves between currencies.
fn lines_of(
    source: Source<'_>,
    invoices: &HashMap<&str, &Invoice>,
    currency: Currency,
) -> Result<Vec<StatementLine>, BooksError> {
    let own = source.amount();
    let Some(begins) = source.certain_from() else {
        return Ok(Vec::new());
    };
    // Allocations between currencies, with the first day on which each counts.
    let mut crossing = Vec::new();
    for it in source.allocations() {
        let invoice = super::books::invoice_of(source, it, invoices)?;
        if invoice.amount.currency == own.currency {
            continue;
        }
        let leaves = if own.currency == currency {
            it.taken()
        } else {
            Decimal::ZERO
        };
        let enters = if invoice.amount.currency == currency {
            it.amount
        } else {
            Decimal::ZERO
        };
        let step = enters.checked_sub(leaves).ok_or(InvalidMoney::Overflow)?;
        let from = it.posted_on.max(invoice.counts_from()).max(begins);
        crossing.push((from, it.reversed_on, step));
    }
    let mut days = BTreeSet::from([begins]);
    days.extend(source.returned_on());
    days.extend(crossing.iter().map(|it| it.0));
    days.extend(crossing.iter().filter_map(|it| it.1));
    let (credit_kind, debit_kind) = if source.is_cash() {
        (StatementLineKind::Receipt, StatementLineKind::Returned)
    } else {
        (StatementLineKind::CreditNote, StatementLineKind::CreditNote)
    };
    let (mut lines, mut before) = (Vec::new(), Decimal::ZERO);
    for on in days {
        let mut now = Decimal::ZERO;
        if source.pays_on(on) {
            if own.currency == currency {
                now = own.amount;
            }
            for (from, until, step) in &crossing {
                if *from <= on && until.is_none_or(|until| on < until) {
                    now = now.checked_add(*step).ok_or(InvalidMoney::Overflow)?;
                }
            }
        }
        let change = now.checked_sub(before).ok_or(InvalidMoney::Overflow)?;
        before = now;
        let mut line = line(credit_kind, on, source.name(), None);
        if change > Decimal::ZERO {
            line.credit = change;
            lines.push(line);
        } else if change < Decimal::ZERO {
            line.kind = debit_kind;
            line.debit = -change;
            lines.push(line);
        }
    }
    Ok(lines)
}

fn line(kind: StatementLineKind, on: NaiveDate, document: &str, order_number: Option<&String>) -> StatementLine {
    StatementLine {
        no: 0,
        on,
        kind,
        document: document.to_owned(),
        order_number: order_number.cloned(),
        shipped_on: None,
        products: Vec::new(),
        debit: Decimal::ZERO,
        credit: Decimal::ZERO,
        balance: Decimal::ZERO,
    }
}

/// Orders and their deliveries by order number.
struct Sales<'s> {
    orders: HashMap<&'s str, &'s LedgerOrder>,
    deliveries: HashMap<&'s str, Vec<&'s LedgerDelivery>>,
}

impl<'s> Sales<'s> {
    fn new(orders: &'s [LedgerOrder], deliveries: &'s [LedgerDelivery]) -> Self {
        let mut by_order: HashMap<&str, Vec<&LedgerDelivery>> = HashMap::new();
        for it in deliveries {
            if let Some(order) = &it.order_number {
                by_order.entry(order).or_default().push(it);
            }
        }
        for it in by_order.values_mut() {
            it.sort_by(|a, b| (a.shipped_on, &a.number).cmp(&(b.shipped_on, &b.number)));
        }
        Self {
            orders: orders.iter().map(|it| (it.number.as_str(), it)).collect(),
            deliveries: by_order,
        }
    }

    /// Adds to an invoice's line what its order shipped: the lines of the deliveries, or of the order while none is known;
    /// the ship date is that of the last delivery.
    fn describe(&self, line: &mut StatementLine) {
        let number = line
            .order_number
            .as_deref()
            .filter(|_| line.kind == StatementLineKind::Invoice);
        let Some(number) = number else { return };
        let order = self.orders.get(number);
        let deliveries = self.deliveries.get(number).map(Vec::as_slice).unwrap_or_default();
        let shipped = deliveries.iter().map(|it| it.shipped_on).max();
        line.shipped_on = shipped.or_else(|| order.and_then(|it| it.shipped_on));
        line.products = if deliveries.is_empty() {
            order.map(|it| products(&it.lines)).unwrap_or_default()
        } else {
            deliveries.iter().flat_map(|it| products(&it.lines)).collect()
        };
    }
}

fn products(lines: &[LedgerLine]) -> Vec<StatementProduct> {
    // What is let off is in the price, so that the products come to what was charged.
    let charged = |it: &LedgerLine| {
        let part = Decimal::ONE.saturating_sub(it.discount);
        it.unit_price.checked_mul(part).unwrap_or(it.unit_price).normalize()
    };
    let product = |it: &LedgerLine| StatementProduct {
        product: it.product,
        quantity: it.quantity,
        unit_price: if it.discount.is_zero() {
            it.unit_price
        } else {
            charged(it)
        },
    };
    lines.iter().map(product).collect()
}
