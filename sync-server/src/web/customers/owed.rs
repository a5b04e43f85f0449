//! What a customer owes on a day, item by item, as a statement of account shows it below its lines.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{Currency, Money},
    rules::books::{CustomerBooks, OpenItem, open_items, unallocated},
};
use rust_decimal::Decimal;

use super::super::{format, messages::Text};

/// An item that is open.
pub(in crate::web) struct OwedItem {
    pub(in crate::web) invoice: String,
    pub(in crate::web) posted: String,
    /// Empty while the event that it is due after has not happened.
    pub(in crate::web) due: String,
    /// Days late; empty for what is not late.
    pub(in crate::web) late: String,
    pub(in crate::web) open: String,
    pub(in crate::web) disputed: bool,
}

/// Every item of one currency that is open on a day, the oldest due first.
pub(in crate::web) struct Owed {
    pub(in crate::web) items: Vec<OwedItem>,
    pub(in crate::web) total: String,
    /// What of it is overdue; `None` when nothing is.
    pub(in crate::web) overdue: Option<String>,
    /// What was paid or credited and is set against nothing; `None` when there is none.
    pub(in crate::web) credits: Option<String>,
    /// The day, in the heading.
    pub(in crate::web) title: String,
}

impl Owed {
    /// As the books say by now. `None` when they contradict themselves, add up to more than can be written, or do not come
    /// to `closing` on that day: of a statement that was issued before they changed, its items cannot be told any more.
    pub(in crate::web) fn on(text: Text, books: &CustomerBooks<'_>, day: NaiveDate, closing: Money) -> Option<Self> {
        let currency = closing.currency;
        let mut items = open_items(books, day).ok()?;
        items.retain(|it| it.currency == currency && it.open() != Decimal::ZERO);
        items.sort_by(|a, b| {
            let due = |it: &OpenItem| it.due_on.unwrap_or(NaiveDate::MAX);
            (due(a), &a.invoice_number, a.instalment).cmp(&(due(b), &b.invoice_number, b.instalment))
        });
        let sum = |late: bool| {
            let counted = items.iter().filter(|it| !late || days_late(it, day) > 0);
            counted
                .map(OpenItem::open)
                .try_fold(Decimal::ZERO, Decimal::checked_add)
        };
        let (total, overdue) = (sum(false)?, sum(true)?);
        let credits = unallocated(books, day).ok()?.into_iter();
        let credits = credits
            .filter(|it| it.cleared && it.currency == currency)
            .try_fold(Decimal::ZERO, |sum, it| sum.checked_add(it.amount))?;
        if total.checked_sub(credits)? != closing.amount {
            return None;
        }
        let some = |amount: Decimal| (amount > Decimal::ZERO).then(|| format::money(Money::new(amount, currency)));
        Some(Self {
            items: items.iter().map(|it| item(it, day, currency)).collect(),
            total: format::money(Money::new(total, currency)),
            overdue: some(overdue),
            credits: some(credits),
            title: text.fill("statement.owed", "day", day),
        })
    }
}

fn days_late(it: &OpenItem, day: NaiveDate) -> i64 {
    it.days_late(day).unwrap_or(0)
}

fn item(it: &OpenItem, day: NaiveDate, currency: Currency) -> OwedItem {
    let late = days_late(it, day);
    OwedItem {
        invoice: if it.instalment > 1 {
            format!("{} / {}", it.invoice_number, it.instalment)
        } else {
            it.invoice_number.clone()
        },
        posted: it.posted_on.to_string(),
        due: it.due_on.map(|it| it.to_string()).unwrap_or_default(),
        late: if late > 0 { late.to_string() } else { String::new() },
        open: format::amount(it.open(), currency.minor_digits()),
        disputed: it.disputed,
    }
}
