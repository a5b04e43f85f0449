//! Figures about collecting (DOMAIN §4). A figure whose denominator is zero is `None`, shown as n/a: never 0, never
//! infinite. Amounts of one figure are in one currency, which the caller sees to; a figure is rounded only where it is
//! shown.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::model::{AllocationPart, Currency, InvalidMoney};

use super::books::{BooksError, CustomerBooks, all_items};

/// Days sales outstanding: receivables ÷ credit sales of a period × its days. `None` without sales.
///
/// The best possible DSO is the same of what is not overdue.
pub fn dso(receivables: Decimal, sales: Decimal, days: u32) -> Option<Decimal> {
    receivables.checked_mul(Decimal::from(days))?.checked_div(sales)
}

/// Average days delinquent: DSO less the best possible DSO, which counts only what is `current` (not overdue). `None`
/// without sales.
pub fn average_days_delinquent(receivables: Decimal, current: Decimal, sales: Decimal, days: u32) -> Option<Decimal> {
    dso(receivables, sales, days)?.checked_sub(dso(current, sales, days)?)
}

/// Credit sales of one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthSales {
    /// Sales.
    pub sales: Decimal,
    /// Days of the month.
    pub days: u32,
}

/// Days sales outstanding by counting back: receivables are used up by the sales of the latest month, then the month
/// before, and so on; the month that is used in part counts in part. A month without sales counts whole, as its days went by.
///
/// `months` begins with the latest. `None` when they run out before the receivables do: the figure would be too low.
pub fn count_back_dso(receivables: Decimal, months: &[MonthSales]) -> Option<Decimal> {
    let mut left = receivables.max(Decimal::ZERO);
    let mut counted = Decimal::ZERO;
    for month in months {
        if left.is_zero() {
            break;
        }
        let days = Decimal::from(month.days);
        if month.sales <= left {
            counted = counted.checked_add(days)?;
            // A month with more credit notes than invoices adds nothing to what is to be used up.
            left -= month.sales.max(Decimal::ZERO);
        } else {
            counted = counted.checked_add(left.checked_mul(days)?.checked_div(month.sales)?)?;
            left = Decimal::ZERO;
        }
    }
    left.is_zero().then_some(counted)
}

/// Collection effectiveness index of a period in percent: (beginning + sales − ending) ÷ (beginning + sales − what of the
/// ending is not overdue) × 100. `None` when nothing was there to be collected.
pub fn collection_effectiveness(
    beginning: Decimal,
    sales: Decimal,
    ending: Decimal,
    ending_current: Decimal,
) -> Option<Decimal> {
    let total = beginning.checked_add(sales)?;
    let collectable = total.checked_sub(ending_current)?;
    total
        .checked_sub(ending)?
        .checked_mul(Decimal::ONE_HUNDRED)?
        .checked_div(collectable)
}

/// One payment of principal: how much, and how many days after the due date it was valued. Early ones are negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidLate {
    /// How much.
    pub amount: Decimal,
    /// Days past the due date, negative before it.
    pub days: i64,
}

/// Average days late, each payment weighted by its amount. An early or timely payment counts as 0 days: it does not make
/// up for a late one. `None` without payments.
pub fn average_days_late_weighted(payments: &[PaidLate]) -> Option<Decimal> {
    let (mut sum, mut weight) = (Decimal::ZERO, Decimal::ZERO);
    for it in payments {
        sum = sum.checked_add(it.amount.checked_mul(it.days.max(0).into())?)?;
        weight = weight.checked_add(it.amount)?;
    }
    sum.checked_div(weight)
}

/// Average days late, each payment counting alike whatever its amount; early ones as 0. `None` without payments.
pub fn average_days_late_plain(payments: &[PaidLate]) -> Option<Decimal> {
    let days: i64 = payments.iter().map(|it| it.days.max(0)).fold(0, i64::saturating_add);
    Decimal::from(days).checked_div(Decimal::from(payments.len()))
}

/// What came in of what was due in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodCollection {
    /// Principal that was due in the period.
    pub due: Decimal,
    /// What of it was paid by the day of the report.
    pub collected: Decimal,
    /// What of it was paid by its due date, by value date.
    pub on_time: Decimal,
}

impl PeriodCollection {
    /// Adds that of another customer in the same currency.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits.
    pub fn plus(self, other: Self) -> Result<Self, InvalidMoney> {
        let sum = |a: Decimal, b: Decimal| a.checked_add(b).ok_or(InvalidMoney::Overflow);
        Ok(Self {
            due: sum(self.due, other.due)?,
            collected: sum(self.collected, other.collected)?,
            on_time: sum(self.on_time, other.on_time)?,
        })
    }

    /// Share of what was due that was collected, from 0 to 1; `None` when nothing was due.
    pub fn collection_rate(&self) -> Option<Decimal> {
        self.collected.checked_div(self.due)
    }

    /// Share of what was due that was paid by its due date, from 0 to 1; `None` when nothing was due.
    pub fn on_time_rate(&self) -> Option<Decimal> {
        self.on_time.checked_div(self.due)
    }
}

/// What was due from a customer from `from` to `to` (extensions included, both days counted) in one currency, and what of
/// it cash has paid as of `as_of`. A credit note makes less due: it is no cash. Interest and costs are left out.
///
/// # Errors
/// [`BooksError`] when the records contradict each other.
pub fn period_collection(
    books: &CustomerBooks<'_>,
    currency: Currency,
    from: NaiveDate,
    to: NaiveDate,
    as_of: NaiveDate,
) -> Result<PeriodCollection, BooksError> {
    let mut sum = PeriodCollection::default();
    for item in all_items(books, as_of)? {
        let Some(due_on) = item
            .due_on
            .filter(|due| (from..=to).contains(due) && item.currency == currency)
        else {
            continue;
        };
        let mut one = PeriodCollection {
            due: item.amount,
            ..PeriodCollection::default()
        };
        for source in books.sources().filter(|it| it.pays_on(as_of)) {
            for it in source.allocations() {
                let paid = it.part == AllocationPart::Principal && it.counts_on(as_of);
                if !paid || it.invoice_number != item.invoice_number || it.instalment != item.instalment {
                    continue;
                }
                // `all_items` has made sure that these come to no more than the instalment.
                if source.is_cash() {
                    one.collected += it.amount;
                    if source.valued_on() <= due_on {
                        one.on_time += it.amount;
                    }
                } else {
                    one.due -= it.amount;
                }
            }
        }
        sum = sum.plus(one)?;
    }
    Ok(sum)
}

/// How late a customer's cash came, payment by payment, as of a day: principal in one currency, valued from `from` to
/// `to`. Payments of items without a due date are left out.
///
/// # Errors
/// [`BooksError`] when the records contradict each other.
pub fn paid_late(
    books: &CustomerBooks<'_>,
    currency: Currency,
    from: NaiveDate,
    to: NaiveDate,
    as_of: NaiveDate,
) -> Result<Vec<PaidLate>, BooksError> {
    let items = all_items(books, as_of)?;
    let due: std::collections::HashMap<_, _> = items
        .iter()
        .filter(|it| it.currency == currency)
        .filter_map(|it| Some(((it.invoice_number.as_str(), it.instalment), it.due_on?)))
        .collect();
    let mut payments = Vec::new();
    for source in books.sources().filter(|it| it.is_cash() && it.pays_on(as_of)) {
        let valued = source.valued_on();
        if !(from..=to).contains(&valued) {
            continue;
        }
        for it in source.allocations() {
            if let Some(due) = due.get(&(it.invoice_number.as_str(), it.instalment))
                && it.part == AllocationPart::Principal
                && it.counts_on(as_of)
            {
                payments.push(PaidLate {
                    amount: it.amount,
                    days: valued.signed_duration_since(*due).num_days(),
                });
            }
        }
    }
    Ok(payments)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::books::tests::{day, dec, invoice, note, pays, receipt},
        *,
    };

    #[test]
    fn dso_best_possible_dso_and_days_delinquent_of_the_worked_answers() {
        let (ar, sales, current) = (dec("80"), dec("50"), dec("45"));
        assert_eq!(dso(ar, sales, 30), Some(dec("48")));
        assert_eq!(dso(current, sales, 30), Some(dec("27")));
        assert_eq!(average_days_delinquent(ar, current, sales, 30), Some(dec("21")));
    }

    #[test]
    fn collection_effectiveness_of_the_worked_answer() {
        let cei = collection_effectiveness(dec("100"), dec("50"), dec("80"), dec("45")).unwrap();
        assert_eq!(cei.round_dp(2), dec("66.67"));
    }

    #[test]
    fn count_back_uses_up_the_latest_months_first() {
        let month = |sales: &str, days| MonthSales {
            sales: dec(sales),
            days,
        };
        let two = [month("50", 31), month("40", 30)];
        assert_eq!(count_back_dso(dec("80"), &two), Some(dec("53.5")));
        assert_eq!(count_back_dso(dec("25"), &two), Some(dec("15.5")));
        assert_eq!(count_back_dso(dec("50"), &two), Some(dec("31")));
        assert_eq!(count_back_dso(dec("0"), &two), Some(dec("0")));
        assert_eq!(count_back_dso(dec("91"), &two), None, "the months run out");
        let gap = [month("0", 31), month("-5", 30), month("40", 28)];
        assert_eq!(count_back_dso(dec("20"), &gap), Some(dec("75")));
    }

    #[test]
    fn a_zero_denominator_is_not_available() {
        let zero = Decimal::ZERO;
        assert_eq!(dso(dec("80"), zero, 30), None);
        assert_eq!(average_days_delinquent(dec("80"), dec("45"), zero, 30), None);
        assert_eq!(collection_effectiveness(zero, dec("45"), dec("45"), dec("45")), None);
        assert_eq!(count_back_dso(dec("1"), &[]), None);
        assert_eq!(average_days_late_weighted(&[]), None);
        assert_eq!(average_days_late_plain(&[]), None);
        assert_eq!(PeriodCollection::default().collection_rate(), None);
        assert_eq!(PeriodCollection::default().on_time_rate(), None);
        assert_eq!(
            dso(Decimal::MAX, Decimal::ONE, 30),
            None,
            "what cannot be written is not available either"
        );
    }

    #[test]
    fn average_days_late_by_amount_and_by_payment() {
        let paid = |amount: &str, days| PaidLate {
            amount: dec(amount),
            days,
        };
        let payments = [paid("300", 10), paid("100", 2), paid("100", -30)];
        assert_eq!(average_days_late_weighted(&payments), Some(dec("6.4")));
        assert_eq!(average_days_late_plain(&payments), Some(dec("4")));
    }

    #[test]
    fn the_collection_rate_counts_cash_against_what_was_due_in_the_period() {
        let invoices = [
            invoice("1", "2026-03-10", "100"),
            invoice("2", "2026-03-31", "50"),
            invoice("3", "2026-04-01", "70"),
        ];
        let mut timely = receipt("R1", "2026-03-10", "60");
        timely.allocations = vec![pays("1", "60", "2026-03-12")];
        let mut late = receipt("R2", "2026-03-20", "200");
        late.allocations = vec![pays("1", "20", "2026-03-20"), pays("3", "70", "2026-03-20")];
        let mut bounced = receipt("R3", "2026-03-20", "50");
        bounced.allocations = vec![pays("2", "50", "2026-03-20")];
        bounced.bounced_on = Some(day("2026-03-25"));
        let mut credit = note("C1", "2026-03-01", "20");
        credit.allocations = vec![pays("1", "20", "2026-03-01")];
        let (receipts, notes) = ([timely, late, bounced], [credit]);
        let books = CustomerBooks {
            invoices: &invoices,
            receipts: &receipts,
            credit_notes: &notes,
        };
        let (first, last) = (day("2026-03-01"), day("2026-03-31"));
        let march = period_collection(&books, Currency::CNY, first, last, last).unwrap();
        let expected = PeriodCollection {
            due: dec("130"),
            collected: dec("80"),
            on_time: dec("60"),
        };
        assert_eq!(march, expected);
        assert_eq!(march.collection_rate().unwrap().round_dp(4), dec("0.6154"));
        assert_eq!(march.on_time_rate().unwrap().round_dp(4), dec("0.4615"));
        let none = period_collection(&books, Currency::USD, first, last, last).unwrap();
        assert_eq!(none.collection_rate(), None);
        let days: Vec<_> = paid_late(&books, Currency::CNY, first, last, last).unwrap();
        assert_eq!(days.iter().map(|it| it.days).collect::<Vec<_>>(), [0, 10, -12]);
    }
}
