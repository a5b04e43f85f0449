//! What a credit file says of a customer, computed from the books.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::model::{Currency, InvalidMoney, Invoice, LedgerOrder, Money, Receipt};
use rust_decimal::Decimal;

/// What the books hold of one customer.
#[derive(Clone, Debug, Default)]
pub struct CustomerBooks<'b> {
    /// Orders that count: without the cancelled ones.
    pub orders: Vec<&'b LedgerOrder>,
    /// Invoices.
    pub invoices: Vec<&'b Invoice>,
    /// Receipts.
    pub receipts: Vec<&'b Receipt>,
}

/// The computed part of a credit file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Invoiced and unpaid, less cash that is not allocated.
    pub open_receivables: Money,
    /// Shipped and not invoiced.
    pub delivered_not_invoiced: Money,
    /// Ordered and not shipped.
    pub open_orders: Money,
    /// The part of the invoices, less what was paid on them, that is past its due date.
    pub overdue: Money,
    /// Due date of the oldest invoice that is not paid in full.
    pub oldest_due: Option<NaiveDate>,
}

/// Computes the figures of `as_of` in `currency`; what is dated later does not count yet.
///
/// A receipt is applied to the invoice it names (by the invoice's or the order's number), what is left of it to the
/// invoice that is due first. What no invoice takes lowers the open receivables.
///
/// `invoiced` tells whether these books hold invoices at all: where they do not, nothing is known of what was
/// delivered and not invoiced.
///
/// # Errors
/// [`InvalidMoney`] when an amount is in another currency, since nothing is ever added unconverted.
pub fn figures(
    books: &CustomerBooks<'_>,
    currency: Currency,
    as_of: NaiveDate,
    invoiced: bool,
) -> Result<Figures, InvalidMoney> {
    let zero = Money::zero(currency);
    let mut open: Vec<(&Invoice, Decimal)> = Vec::new();
    let mut owed = zero;
    for invoice in books.invoices.iter().filter(|it| it.invoiced_on <= as_of) {
        owed = owed.checked_add(invoice.amount)?;
        open.push((invoice, invoice.amount.amount));
    }
    open.sort_by(|(a, _), (b, _)| (a.due_on, &a.number).cmp(&(b.due_on, &b.number)));
    let mut receipts: Vec<&Receipt> = books
        .receipts
        .iter()
        .copied()
        .filter(|it| it.valued_on <= as_of)
        .collect();
    receipts.sort_by(|a, b| (a.valued_on, &a.reference).cmp(&(b.valued_on, &b.reference)));
    // Receipts that name an invoice come first, or one that names none would take it from under them.
    receipts.sort_by_key(|it| it.pays.is_none());
    let mut unallocated = Decimal::ZERO;
    for receipt in receipts {
        let paid = receipt.amount;
        owed = owed.checked_add(Money::new(-paid.amount, paid.currency))?;
        let mut left = paid.amount;
        let named = |invoice: &Invoice| {
            let pays = receipt.pays.as_ref();
            pays.is_some() && (pays == Some(&invoice.number) || pays == invoice.order_number.as_ref())
        };
        for pass in [true, false] {
            for (invoice, rest) in &mut open {
                if pass && !named(invoice) {
                    continue;
                }
                let taken = left.min(*rest).max(Decimal::ZERO);
                *rest -= taken;
                left -= taken;
            }
        }
        unallocated += left;
    }
    let rest_of = |due: &dyn Fn(&Invoice) -> bool| -> Decimal {
        let rests = open.iter().filter(|(invoice, _)| due(invoice)).map(|(_, rest)| *rest);
        rests.sum()
    };
    let overdue = rest_of(&|invoice| invoice.due_on < as_of);
    let oldest_due = open
        .iter()
        .find(|(_, rest)| *rest > Decimal::ZERO)
        .map(|(it, _)| it.due_on);
    debug_assert_eq!(owed.amount, rest_of(&|_| true) - unallocated);

    let mut charged: BTreeMap<&str, ()> = BTreeMap::new();
    for invoice in books.invoices.iter().filter(|it| it.invoiced_on <= as_of) {
        charged.extend(invoice.order_number.as_deref().map(|number| (number, ())));
    }
    let (mut delivered, mut open_orders) = (zero, zero);
    for order in books.orders.iter().filter(|it| it.ordered_on <= as_of) {
        let shipped = order.shipped_on.is_some_and(|day| day <= as_of);
        if charged.contains_key(order.number.as_str()) {
            continue;
        }
        if !shipped {
            open_orders = open_orders.checked_add(order.total)?;
        } else if invoiced {
            delivered = delivered.checked_add(order.total)?;
        }
    }
    Ok(Figures {
        open_receivables: owed,
        delivered_not_invoiced: delivered,
        open_orders,
        overdue: Money::new(overdue, currency),
        oldest_due,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::CustomerId;

    use super::*;

    const CUSTOMER: CustomerId = CustomerId::from_bytes([1; 16]);

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }
    fn cny(amount: i64) -> Money {
        Money::new(amount.into(), Currency::CNY)
    }
    fn invoice(number: &str, due: &str, amount: i64) -> Invoice {
        let mut invoice = Invoice::new(number, CUSTOMER, day("2026-01-01"), day(due), cny(amount));
        invoice.order_number = Some(format!("O{number}"));
        invoice
    }
    fn receipt(reference: &str, on: &str, amount: i64, pays: Option<&str>) -> Receipt {
        let mut receipt = Receipt::cleared(reference, CUSTOMER, day(on), cny(amount));
        receipt.pays = pays.map(str::to_owned);
        receipt
    }
    fn order(number: &str, shipped: Option<&str>, amount: i64) -> LedgerOrder {
        LedgerOrder {
            number: number.to_owned(),
            customer: CUSTOMER,
            ordered_on: day("2026-01-01"),
            wanted_by: None,
            shipped_on: shipped.map(day),
            state: String::new(),
            lines: Vec::new(),
            total: cny(amount),
            note: String::new(),
        }
    }

    #[test]
    fn a_receipt_pays_the_invoice_it_names_and_otherwise_the_one_due_first() {
        let invoices = [invoice("1", "2026-02-01", 100), invoice("2", "2026-03-01", 50)];
        let named = [receipt("a", "2026-02-10", 50, Some("2"))];
        let unnamed = [receipt("a", "2026-02-10", 50, None)];
        let of = |receipts: &[Receipt], as_of| {
            let books = CustomerBooks {
                orders: Vec::new(),
                invoices: invoices.iter().collect(),
                receipts: receipts.iter().collect(),
            };
            figures(&books, Currency::CNY, day(as_of), true).unwrap()
        };
        let first = of(&named, "2026-02-15");
        assert_eq!((first.overdue, first.oldest_due), (cny(100), Some(day("2026-02-01"))));
        let second = of(&unnamed, "2026-02-15");
        assert_eq!((second.overdue, second.open_receivables), (cny(50), cny(100)));
        // By the order's number too, and the rest goes on to the oldest.
        let order = of(&[receipt("a", "2026-02-10", 140, Some("O2"))], "2026-03-02");
        assert_eq!((order.overdue, order.oldest_due), (cny(10), Some(day("2026-02-01"))));
        // Due on the day itself is not overdue yet; a receipt of tomorrow does not count today.
        assert_eq!(of(&[], "2026-02-01").overdue, cny(0));
        assert_eq!(of(&unnamed, "2026-02-09").open_receivables, cny(150));
        // Overpaid: less than nothing is owed, and nothing is overdue.
        let over = of(&[receipt("a", "2026-02-10", 200, None)], "2026-04-01");
        assert_eq!(
            (over.open_receivables, over.overdue, over.oldest_due),
            (cny(-50), cny(0), None)
        );
    }

    #[test]
    fn each_order_counts_in_exactly_one_place() {
        let orders = [
            order("O1", Some("2026-01-02"), 1),
            order("O9", Some("2026-01-02"), 10),
            order("O8", None, 100),
        ];
        let invoices = [invoice("1", "2026-02-01", 1)];
        let books = CustomerBooks {
            orders: orders.iter().collect(),
            invoices: invoices.iter().collect(),
            receipts: Vec::new(),
        };
        let figures = figures(&books, Currency::CNY, day("2026-01-15"), true).unwrap();
        assert_eq!(figures.open_receivables, cny(1));
        assert_eq!(figures.delivered_not_invoiced, cny(10));
        assert_eq!(figures.open_orders, cny(100));
        assert!(super::figures(&books, Currency::USD, day("2026-01-15"), true).is_err());
    }
}
