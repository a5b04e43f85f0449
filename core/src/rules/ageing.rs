//! Ageing (账龄): what is open by how long it has been due, for each currency, as of a day (DOMAIN §4).

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::books::{OpenItem, UnallocatedCredit};
use crate::model::{Currency, InvalidMoney};

/// How long something has been due. The tops are inclusive: exactly 30 days is 1–30.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Bucket {
    /// Not due: due today or later, or its event has not happened.
    NotDue,
    /// 1 to 30 days.
    To30,
    /// 31 to 60 days.
    To60,
    /// 61 to 90 days.
    To90,
    /// 91 to 120 days.
    To120,
    /// More than 120 days.
    Over120,
}

impl Bucket {
    /// Every bucket, youngest first.
    pub const ALL: [Self; 6] = [
        Self::NotDue,
        Self::To30,
        Self::To60,
        Self::To90,
        Self::To120,
        Self::Over120,
    ];

    /// The bucket of something that is `days` past its due date; `None` for what has no due date yet.
    pub const fn of(days: Option<i64>) -> Self {
        match days {
            None | Some(..=0) => Self::NotDue,
            Some(1..=30) => Self::To30,
            Some(31..=60) => Self::To60,
            Some(61..=90) => Self::To90,
            Some(91..=120) => Self::To120,
            Some(_) => Self::Over120,
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What is open in one currency, by bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeingRow {
    buckets: [Decimal; 6],
    open: Decimal,
    credits: Decimal,
}

impl AgeingRow {
    /// What is open in a bucket.
    pub fn in_bucket(&self, bucket: Bucket) -> Decimal {
        self.buckets.get(bucket.index()).copied().unwrap_or_default()
    }

    /// What is open in all buckets.
    pub fn open(&self) -> Decimal {
        self.open
    }

    /// Certain money and credit notes that are set against nothing, never above zero.
    pub fn credits(&self) -> Decimal {
        self.credits
    }

    /// What is owed in the end: open less credits; below zero when the customer is in credit. [`Ageing`] made sure that
    /// it can be written.
    pub fn balance(&self) -> Decimal {
        self.open + self.credits
    }

    /// The row with these amounts.
    #[cfg(feature = "uniffi")]
    pub(crate) fn of_amounts(buckets: [Decimal; 6], open: Decimal, credits: Decimal) -> Self {
        Self { buckets, open, credits }
    }

    fn plus(&self, other: &Self) -> Result<Self, InvalidMoney> {
        let sum = |a: Decimal, b: Decimal| a.checked_add(b).ok_or(InvalidMoney::Overflow);
        let mut row = Self {
            buckets: [Decimal::ZERO; 6],
            open: sum(self.open, other.open)?,
            credits: sum(self.credits, other.credits)?,
        };
        for (to, (a, b)) in row.buckets.iter_mut().zip(self.buckets.iter().zip(&other.buckets)) {
            *to = sum(*a, *b)?;
        }
        Ok(row)
    }
}

/// Adds up an ageing one item at a time: its size depends on the number of currencies, not of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ageing {
    as_of: NaiveDate,
    rows: BTreeMap<Currency, AgeingRow>,
}

impl Ageing {
    /// An ageing as of a day with nothing in it.
    pub fn new(as_of: NaiveDate) -> Self {
        Self {
            as_of,
            rows: BTreeMap::new(),
        }
    }

    /// The ageing of items and credits that were read as of the same day.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits.
    pub fn of(as_of: NaiveDate, items: &[OpenItem], credits: &[UnallocatedCredit]) -> Result<Self, InvalidMoney> {
        let mut ageing = Self::new(as_of);
        for it in items {
            ageing.add_item(it)?;
        }
        for it in credits {
            ageing.add_credit(it)?;
        }
        Ok(ageing)
    }

    /// The day.
    pub fn as_of(&self) -> NaiveDate {
        self.as_of
    }

    /// Adds an item: principal, interest and costs, by its due date with extensions.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits; nothing is added then.
    pub fn add_item(&mut self, item: &OpenItem) -> Result<(), InvalidMoney> {
        self.add_open(item.currency, item.due_on, item.open())
    }

    /// Adds what is open of something due on `due_on`, for rows that come straight from a database.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits; nothing is added then.
    pub fn add_open(
        &mut self,
        currency: Currency,
        due_on: Option<NaiveDate>,
        open: Decimal,
    ) -> Result<(), InvalidMoney> {
        let days = due_on.map(|due| self.as_of.signed_duration_since(due).num_days());
        let mut one = AgeingRow {
            open,
            ..AgeingRow::default()
        };
        if let Some(bucket) = one.buckets.get_mut(Bucket::of(days).index()) {
            *bucket = open;
        }
        self.add_row(currency, &one)
    }

    /// Adds a credit. One that is not certain lowers nothing and is passed over.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits; nothing is added then.
    pub fn add_credit(&mut self, credit: &UnallocatedCredit) -> Result<(), InvalidMoney> {
        if !credit.cleared {
            return Ok(());
        }
        let one = AgeingRow {
            credits: -credit.amount,
            ..AgeingRow::default()
        };
        self.add_row(credit.currency, &one)
    }

    /// Adds another ageing of the same day, such as that of another part of the customers.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits; what was added before it stays.
    pub fn merge(&mut self, other: &Self) -> Result<(), InvalidMoney> {
        other
            .rows
            .iter()
            .try_for_each(|(currency, row)| self.add_row(*currency, row))
    }

    /// Rows by currency. Currencies are never added to each other.
    pub fn rows(&self) -> impl Iterator<Item = (Currency, &AgeingRow)> {
        self.rows.iter().map(|(currency, row)| (*currency, row))
    }

    /// The row of one currency; empty when nothing is in it.
    pub fn row(&self, currency: Currency) -> AgeingRow {
        self.rows.get(&currency).copied().unwrap_or_default()
    }

    /// The ageing that has these rows.
    #[cfg(feature = "uniffi")]
    pub(crate) fn from_rows(as_of: NaiveDate, rows: impl IntoIterator<Item = (Currency, AgeingRow)>) -> Self {
        Self {
            as_of,
            rows: rows.into_iter().collect(),
        }
    }

    fn add_row(&mut self, currency: Currency, row: &AgeingRow) -> Result<(), InvalidMoney> {
        let sum = self.row(currency).plus(row)?;
        self.rows.insert(currency, sum);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::Days;
    use proptest::prelude::*;

    use super::{
        super::books::{
            CustomerBooks, open_items,
            tests::{cny, day, dec, invoice, note, receipt},
            unallocated,
        },
        *,
    };
    use crate::model::{Instalment, Money};

    #[test]
    fn the_tops_of_the_buckets_are_inclusive() {
        use Bucket::{NotDue, Over120, To30, To60, To90, To120};
        for (days, bucket) in [
            (i64::MIN, NotDue),
            (-1, NotDue),
            (0, NotDue),
            (1, To30),
            (30, To30),
            (31, To60),
            (60, To60),
            (61, To90),
            (90, To90),
            (91, To120),
            (120, To120),
            (121, Over120),
            (i64::MAX, Over120),
        ] {
            assert_eq!(Bucket::of(Some(days)), bucket, "{days}");
        }
        assert_eq!(Bucket::of(None), NotDue);
    }

    #[test]
    fn ageing_is_per_instalment_and_currency_with_credits_apart() {
        let as_of = day("2026-06-30");
        let mut parts = invoice("1", "2026-05-31", "100");
        parts.instalments = vec![
            Instalment::new(1, dec("60"), Some(day("2026-05-31"))),
            Instalment::new(2, dec("30"), Some(day("2026-05-30"))),
            Instalment::new(3, dec("10"), None),
        ];
        let mut dollars = invoice("2", "2026-06-29", "7");
        dollars.amount = Money::new(dec("7"), Currency::USD);
        let invoices = [parts, dollars];
        let mut cheque = receipt("R2", "2026-06-29", "1000");
        cheque.cleared_on = None;
        let receipts = [receipt("R1", "2026-06-01", "5"), cheque];
        let notes = [note("C1", "2026-06-02", "2")];
        let books = CustomerBooks {
            invoices: &invoices,
            receipts: &receipts,
            credit_notes: &notes,
        };
        let items = open_items(&books, as_of).unwrap();
        let ageing = Ageing::of(as_of, &items, &unallocated(&books, as_of).unwrap()).unwrap();
        let row = ageing.row(Currency::CNY);
        let amounts = Bucket::ALL.map(|it| row.in_bucket(it).to_string());
        assert_eq!(amounts, ["10", "60", "30", "0", "0", "0"]);
        assert_eq!(
            (row.open(), row.credits(), row.balance()),
            (dec("100"), dec("-7"), dec("93"))
        );
        assert_eq!(ageing.row(Currency::USD).in_bucket(Bucket::To30), dec("7"));
        assert_eq!(ageing.rows().count(), 2);
    }

    #[test]
    fn a_sum_that_cannot_be_written_is_an_error_and_adds_nothing() {
        let mut ageing = Ageing::new(day("2026-06-30"));
        ageing.add_open(Currency::CNY, None, Decimal::MAX).unwrap();
        let before = ageing.clone();
        assert_eq!(
            ageing.add_open(Currency::CNY, Some(day("2026-01-01")), Decimal::ONE),
            Err(InvalidMoney::Overflow)
        );
        assert_eq!(ageing, before);
    }

    proptest! {
        #[test]
        fn the_buckets_sum_to_what_is_open_however_the_items_are_fed(
            rows in proptest::collection::vec((0u64..400, 1i64..100_000, any::<bool>()), 0..40),
            cut in 0usize..40,
        ) {
            let as_of = day("2026-06-30");
            let feed = |ageing: &mut Ageing, rows: &[(u64, i64, bool)]| {
                for (back, cents, dated) in rows {
                    let due = as_of.checked_sub_days(Days::new(*back)).filter(|_| *dated);
                    ageing.add_open(Currency::CNY, due, Decimal::new(*cents, 2)).unwrap();
                }
            };
            let mut whole = Ageing::new(as_of);
            feed(&mut whole, &rows);
            let (first, second) = rows.split_at(cut.min(rows.len()));
            let (mut a, mut b) = (Ageing::new(as_of), Ageing::new(as_of));
            feed(&mut a, second);
            feed(&mut b, first);
            a.merge(&b).unwrap();
            prop_assert_eq!(&a, &whole);
            let row = whole.row(cny("0").currency);
            let buckets: Decimal = Bucket::ALL.iter().map(|it| row.in_bucket(*it)).sum();
            prop_assert_eq!(buckets, row.open());
            let total: i64 = rows.iter().map(|it| it.1).sum();
            prop_assert_eq!(row.open(), Decimal::new(total, 2));
        }
    }
}
