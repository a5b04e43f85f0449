//! A customer's books as of a day: what is open of every instalment, and which credits nothing has been paid with yet.
//!
//! Everything is read from the dates inside the records, so the books of a past day stay as they were whatever is posted
//! later. Money pays from the day on which it is in the books, certain and set against something that is in the books too;
//! money that bounced pays nothing from that day on.

use std::collections::HashMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::model::{
    Allocation, AllocationPart, ChargeKind, CreditNote, CreditRate, Currency, Instalment, InvalidField, InvalidMoney,
    Invoice, Receipt,
};

#[cfg(test)]
pub(in crate::rules) mod tests;

/// The records that make up what a customer owes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CustomerBooks<'b> {
    /// Invoices.
    pub invoices: &'b [Invoice],
    /// Receipts.
    pub receipts: &'b [Receipt],
    /// Credit notes.
    pub credit_notes: &'b [CreditNote],
}

/// What is open of one instalment on a day (未清项). Amounts are in `currency` and never below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OpenItem {
    /// Number of the invoice.
    pub invoice_number: String,
    /// The instalment, from 1.
    pub instalment: u32,
    /// The order it charges.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub order_number: Option<String>,
    /// The day it counts from.
    pub posted_on: NaiveDate,
    /// When it is due, extensions included; `None` while its event has not happened.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub due_on: Option<NaiveDate>,
    /// When it was due before any extension.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub original_due_on: Option<NaiveDate>,
    /// The invoice's currency.
    pub currency: Currency,
    /// What the instalment came to.
    pub amount: Decimal,
    /// Principal that is open.
    pub principal: Decimal,
    /// Interest charged and open.
    pub interest: Decimal,
    /// Costs charged and open.
    pub costs: Decimal,
    /// Whether the customer disputes it on that day.
    pub disputed: bool,
    /// Highest dunning level reached by that day; 0 is none.
    pub dunning_level: u8,
    /// The day that level was reached.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub dunned_on: Option<NaiveDate>,
    /// Kept back by the customer until a later day.
    pub retention: bool,
}

impl OpenItem {
    /// Everything that is open of it.
    pub fn open(&self) -> Decimal {
        self.principal + self.interest + self.costs
    }

    /// Days past the due date on `as_of`: negative before it, `None` while there is no due date.
    pub fn days_late(&self, as_of: NaiveDate) -> Option<i64> {
        self.due_on.map(|due| as_of.signed_duration_since(due).num_days())
    }
}

/// Money or a credit note that has not been set against anything yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct UnallocatedCredit {
    /// Reference of the receipt, or number of the credit note.
    pub source: String,
    /// Whether it is a receipt (cash) rather than a credit note.
    pub cash: bool,
    /// The day it counts from.
    pub posted_on: NaiveDate,
    /// Whether it is certain: a cleared receipt, or a credit note. What is not lowers no exposure.
    pub cleared: bool,
    /// In what.
    pub currency: Currency,
    /// How much is left.
    pub amount: Decimal,
}

/// Records that contradict each other. Nothing is computed from them: a wrong figure is worse than none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// Two invoices have one number.
    #[error("there are two invoices {0}; correct the number of one")]
    DuplicateInvoice(String),
    /// Money is set against something that is not there.
    #[error(
        "{source_name} is set against instalment {instalment} of invoice {invoice_number}, which is not in the books"
    )]
    UnknownItem {
        /// Reference of the receipt or number of the credit note.
        source_name: String,
        /// The invoice it names.
        invoice_number: String,
        /// The instalment it names.
        instalment: u32,
    },
    /// More of an instalment is paid than was ever owed.
    #[error(
        "{part:?} of instalment {instalment} of invoice {invoice_number} is paid by {over} too much; reverse an allocation"
    )]
    Overpaid {
        /// The invoice.
        invoice_number: String,
        /// The instalment.
        instalment: u32,
        /// Which part of it.
        part: AllocationPart,
        /// By how much.
        over: Decimal,
    },
    /// More was taken from a receipt or credit note than it came to.
    #[error("{source_name} is set against more than it came to, by {over}; reverse an allocation")]
    OverAllocated {
        /// Reference of the receipt or number of the credit note.
        source_name: String,
        /// By how much.
        over: Decimal,
    },
    /// Money of one currency is set against an item of another without saying how much it took.
    #[error("{source_name} is in another currency than invoice {invoice_number}; say how much of it was taken")]
    NoRate {
        /// Reference of the receipt or number of the credit note.
        source_name: String,
        /// The invoice.
        invoice_number: String,
    },
    /// A record that could not have been stored as it is.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// A sum that cannot be written.
    #[error(transparent)]
    Money(#[from] InvalidMoney),
}

/// Where money comes from: a receipt or a credit note.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'b> {
    /// A receipt.
    Cash(&'b Receipt),
    /// A credit note.
    Note(&'b CreditNote),
}

impl<'b> Source<'b> {
    /// Reference or number.
    pub(crate) fn name(self) -> &'b str {
        match self {
            Self::Cash(it) => &it.reference,
            Self::Note(it) => &it.number,
        }
    }

    /// Amount and currency.
    pub(crate) fn amount(self) -> crate::model::Money {
        match self {
            Self::Cash(it) => it.amount,
            Self::Note(it) => it.amount,
        }
    }

    /// What it was set against, whenever.
    pub(crate) fn allocations(self) -> &'b [Allocation] {
        match self {
            Self::Cash(it) => &it.allocations,
            Self::Note(it) => &it.allocations,
        }
    }

    /// First day on which it can pay; `None` while it cannot.
    pub(crate) fn certain_from(self) -> Option<NaiveDate> {
        match self {
            Self::Cash(it) => it.cleared_on.map(|cleared| cleared.max(it.counts_from())),
            Self::Note(it) => Some(it.counts_from()),
        }
    }

    /// The day from which it pays nothing any more.
    pub(crate) fn returned_on(self) -> Option<NaiveDate> {
        match self {
            Self::Cash(it) => it.bounced_on,
            Self::Note(_) => None,
        }
    }

    /// The day that counts for interest: the bank's value date, or the credit note's date.
    pub(crate) fn valued_on(self) -> NaiveDate {
        match self {
            Self::Cash(it) => it.valued_on,
            Self::Note(it) => it.credited_on,
        }
    }

    /// Whether it is money rather than a credit note.
    pub(crate) fn is_cash(self) -> bool {
        matches!(self, Self::Cash(_))
    }

    /// Whether it can pay on `day`.
    pub(crate) fn pays_on(self, day: NaiveDate) -> bool {
        self.certain_from().is_some_and(|from| from <= day) && self.returned_on().is_none_or(|end| day < end)
    }
}

impl<'b> CustomerBooks<'b> {
    /// Every receipt and credit note.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source<'b>> {
        let cash = self.receipts.iter().map(Source::Cash);
        cash.chain(self.credit_notes.iter().map(Source::Note))
    }

    /// The invoices by number.
    ///
    /// # Errors
    /// [`BooksError::DuplicateInvoice`].
    pub(crate) fn by_number(&self) -> Result<HashMap<&'b str, &'b Invoice>, BooksError> {
        let mut map = HashMap::with_capacity(self.invoices.len());
        for it in self.invoices {
            if map.insert(it.number.as_str(), it).is_some() {
                return Err(BooksError::DuplicateInvoice(it.number.clone()));
            }
        }
        Ok(map)
    }
}

/// Which allocations count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Those that count on the day.
    Day,
    /// Those as well that only begin to count later, so that what is allocated now does not take the same money twice.
    Later,
}

/// Whether `allocation` of `source` lowers what is owed on `invoice`.
fn counts(source: Source<'_>, allocation: &Allocation, invoice: &Invoice, as_of: NaiveDate, reach: Reach) -> bool {
    match reach {
        Reach::Day => source.pays_on(as_of) && allocation.counts_on(as_of) && invoice.counts_from() <= as_of,
        Reach::Later => {
            source.returned_on().is_none_or(|end| as_of < end) && allocation.reversed_on.is_none_or(|end| as_of < end)
        }
    }
}

type Paid<'b> = HashMap<(&'b str, u32), [Decimal; 3]>;

const fn slot(part: AllocationPart) -> usize {
    match part {
        AllocationPart::Cost => 0,
        AllocationPart::Interest => 1,
        AllocationPart::Principal => 2,
    }
}

fn add(to: &mut Decimal, amount: Decimal) -> Result<(), BooksError> {
    *to = to.checked_add(amount).ok_or(InvalidMoney::Overflow)?;
    Ok(())
}

fn paid<'b>(
    books: &CustomerBooks<'b>,
    invoices: &HashMap<&'b str, &'b Invoice>,
    as_of: NaiveDate,
    reach: Reach,
) -> Result<Paid<'b>, BooksError> {
    let mut paid = Paid::new();
    for source in books.sources() {
        for it in source.allocations() {
            let invoice = invoice_of(source, it, invoices)?;
            if counts(source, it, invoice, as_of, reach) {
                let parts = paid.entry((it.invoice_number.as_str(), it.instalment)).or_default();
                if let Some(part) = parts.get_mut(slot(it.part)) {
                    add(part, it.amount)?;
                }
            }
        }
    }
    Ok(paid)
}

/// The invoice that an allocation pays.
pub(crate) fn invoice_of<'b>(
    source: Source<'_>,
    allocation: &Allocation,
    invoices: &HashMap<&'b str, &'b Invoice>,
) -> Result<&'b Invoice, BooksError> {
    let invoice = invoices.get(allocation.invoice_number.as_str());
    let has = |it: &&&Invoice| match it.instalments.as_slice() {
        [] => allocation.instalment == 1,
        parts => parts.iter().any(|part| part.no == allocation.instalment),
    };
    let invoice = invoice.filter(has).ok_or_else(|| BooksError::UnknownItem {
        source_name: source.name().to_owned(),
        invoice_number: allocation.invoice_number.clone(),
        instalment: allocation.instalment,
    })?;
    if allocation.taken.is_none() && source.amount().currency != invoice.amount.currency {
        return Err(BooksError::NoRate {
            source_name: source.name().to_owned(),
            invoice_number: allocation.invoice_number.clone(),
        });
    }
    Ok(invoice)
}

/// What is open of every instalment on `as_of`, by due date (undated ones last), then number. What is settled is left
/// out. The order in which records were entered makes no difference.
///
/// # Errors
/// [`BooksError`] when the records contradict each other.
pub fn open_items(books: &CustomerBooks<'_>, as_of: NaiveDate) -> Result<Vec<OpenItem>, BooksError> {
    let mut items = all_items(books, as_of)?;
    items.retain(|it| !it.open().is_zero());
    Ok(items)
}

/// As [`open_items`], with the instalments that are settled.
///
/// # Errors
/// [`BooksError`] when the records contradict each other.
pub fn all_items(books: &CustomerBooks<'_>, as_of: NaiveDate) -> Result<Vec<OpenItem>, BooksError> {
    items(books, as_of, Reach::Day)
}

/// What of every instalment is neither paid nor going to be by an allocation that begins to count later: what money may
/// still be set against.
///
/// # Errors
/// [`BooksError`] when the records contradict each other.
pub fn payable_items(books: &CustomerBooks<'_>, as_of: NaiveDate) -> Result<Vec<OpenItem>, BooksError> {
    let mut items = items(books, as_of, Reach::Later)?;
    items.retain(|it| !it.open().is_zero());
    Ok(items)
}

fn items(books: &CustomerBooks<'_>, as_of: NaiveDate, reach: Reach) -> Result<Vec<OpenItem>, BooksError> {
    let invoices = books.by_number()?;
    let paid = paid(books, &invoices, as_of, reach)?;
    let mut items = Vec::new();
    for invoice in books.invoices.iter().filter(|it| it.counts_from() <= as_of) {
        let whole;
        let instalments = if invoice.instalments.is_empty() {
            whole = [Instalment::new(1, invoice.amount.amount, Some(invoice.due_on))];
            &whole[..]
        } else {
            &invoice.instalments
        };
        for instalment in instalments {
            let paid = paid
                .get(&(invoice.number.as_str(), instalment.no))
                .copied()
                .unwrap_or_default();
            items.push(item(invoice, instalment, paid, as_of, reach)?);
        }
    }
    sort_by_due(&mut items);
    Ok(items)
}

/// By due date, undated ones last, then by the day they count from, number and instalment.
pub(crate) fn sort_by_due(items: &mut [OpenItem]) {
    items.sort_by(|a, b| {
        let key = |it: &OpenItem| (it.due_on.is_none(), it.due_on, it.posted_on);
        (key(a), &a.invoice_number, a.instalment).cmp(&(key(b), &b.invoice_number, b.instalment))
    });
}

fn item(
    invoice: &Invoice,
    instalment: &Instalment,
    paid: [Decimal; 3],
    as_of: NaiveDate,
    reach: Reach,
) -> Result<OpenItem, BooksError> {
    // What is paid of a charge that is posted later counts when the charge does.
    let charged = |kind, from: &dyn Fn(NaiveDate) -> bool| -> Result<Decimal, BooksError> {
        let mut sum = Decimal::ZERO;
        for it in instalment
            .charges
            .iter()
            .filter(|it| it.kind == kind && from(it.posted_on))
        {
            add(&mut sum, it.amount)?;
        }
        Ok(sum)
    };
    let [paid_costs, paid_interest, paid_principal] = paid;
    let open = |part, owed: Decimal, ever: Decimal, paid: Decimal| {
        if paid <= owed {
            return Ok(owed - paid);
        }
        match reach {
            Reach::Later if paid <= ever => Ok(Decimal::ZERO),
            _ => Err(BooksError::Overpaid {
                invoice_number: invoice.number.clone(),
                instalment: instalment.no,
                part,
                over: paid - owed,
            }),
        }
    };
    let (by_now, ever) = (|day: NaiveDate| day <= as_of, |_: NaiveDate| true);
    let (cost, interest) = (ChargeKind::Cost, ChargeKind::Interest);
    let costs = open(
        AllocationPart::Cost,
        charged(cost, &by_now)?,
        charged(cost, &ever)?,
        paid_costs,
    )?;
    let interest_owed = charged(interest, &by_now)?;
    let interest = open(
        AllocationPart::Interest,
        interest_owed,
        charged(interest, &ever)?,
        paid_interest,
    )?;
    let principal = open(
        AllocationPart::Principal,
        instalment.amount,
        instalment.amount,
        paid_principal,
    )?;
    // `OpenItem::open` adds the three, where `+` would panic.
    principal
        .checked_add(interest)
        .and_then(|sum| sum.checked_add(costs))
        .ok_or(InvalidMoney::Overflow)?;
    let dunned = instalment
        .dunning
        .iter()
        .filter(|it| it.on <= as_of)
        .max_by_key(|it| (it.level, std::cmp::Reverse(it.on)));
    Ok(OpenItem {
        invoice_number: invoice.number.clone(),
        instalment: instalment.no,
        order_number: invoice.order_number.clone(),
        posted_on: invoice.counts_from(),
        due_on: instalment.due_on_by(as_of),
        original_due_on: instalment.due_on,
        currency: invoice.amount.currency,
        amount: instalment.amount,
        principal,
        interest,
        costs,
        disputed: instalment
            .disputes
            .iter()
            .any(|it| it.opened_on <= as_of && it.settled_on.is_none_or(|end| as_of < end)),
        dunning_level: dunned.map_or(0, |it| it.level),
        dunned_on: dunned.map(|it| it.on),
        retention: instalment.retention,
    })
}

/// Receipts and credit notes less what they were set against, as of a day; those with nothing left are left out. Money
/// that is not certain yet is listed as not cleared, money that was returned is not listed. By day, then name.
///
/// # Errors
/// [`BooksError`] when the records contradict each other.
pub fn unallocated(books: &CustomerBooks<'_>, as_of: NaiveDate) -> Result<Vec<UnallocatedCredit>, BooksError> {
    let invoices = books.by_number()?;
    let mut credits = Vec::new();
    for source in books.sources() {
        let (cash, in_books) = match source {
            Source::Cash(it) => (true, it.stands_on(as_of)),
            Source::Note(it) => (false, it.counts_from() <= as_of),
        };
        if !in_books {
            continue;
        }
        let amount = left_of(source, &invoices, as_of, Reach::Day)?;
        let cleared = source.pays_on(as_of);
        let booked = match source {
            Source::Cash(it) => it.counts_from(),
            Source::Note(it) => it.counts_from(),
        };
        if !amount.is_zero() {
            credits.push(UnallocatedCredit {
                source: source.name().to_owned(),
                cash,
                posted_on: source.certain_from().filter(|_| cleared).unwrap_or(booked),
                cleared,
                currency: source.amount().currency,
                amount,
            });
        }
    }
    credits.sort_by(|a, b| (a.posted_on, a.cash, &a.source).cmp(&(b.posted_on, b.cash, &b.source)));
    Ok(credits)
}

/// What may still be taken from a receipt or credit note: what neither counts on `as_of` nor begins to later.
pub(crate) fn payable_from(
    source: Source<'_>,
    books: &CustomerBooks<'_>,
    as_of: NaiveDate,
) -> Result<Decimal, BooksError> {
    left_of(source, &books.by_number()?, as_of, Reach::Later)
}

fn left_of(
    source: Source<'_>,
    invoices: &HashMap<&str, &Invoice>,
    as_of: NaiveDate,
    reach: Reach,
) -> Result<Decimal, BooksError> {
    let mut taken = Decimal::ZERO;
    for it in source.allocations() {
        if counts(source, it, invoice_of(source, it, invoices)?, as_of, reach) {
            add(&mut taken, it.taken())?;
        }
    }
    let total = source.amount().amount;
    if taken > total {
        return Err(BooksError::OverAllocated {
            source_name: source.name().to_owned(),
            over: taken - total,
        });
    }
    Ok(total - taken)
}

impl Instalment {
    /// When it is due as far as was approved by `day`: the extension approved last, or the original date.
    pub fn due_on_by(&self, day: NaiveDate) -> Option<NaiveDate> {
        let approved = self.extensions.iter().filter(|it| it.approved_on <= day);
        // Of two approved on one day the later date, whichever was entered first.
        let last = approved.max_by_key(|it| (it.approved_on, it.due_on));
        last.map(|it| it.due_on).or(self.due_on)
    }
}

/// How much of `to` one unit of `from` is on `day`: the newest rate that holds by then, of two for one day the one recorded
/// last, turned round when only the opposite one is known. `None` without a rate.
pub fn rate_on(rates: &[CreditRate], from: Currency, to: Currency, day: NaiveDate) -> Option<Decimal> {
    if from == to {
        return Some(Decimal::ONE);
    }
    let newest = |from, to| {
        let fitting = rates.iter().filter(|it| it.from == from && it.to == to && it.on <= day);
        fitting.max_by_key(|it| it.on).filter(|it| it.rate > Decimal::ZERO)
    };
    match (newest(from, to), newest(to, from)) {
        (Some(direct), Some(opposite)) if opposite.on > direct.on => Decimal::ONE.checked_div(opposite.rate),
        (Some(direct), _) => Some(direct.rate),
        (None, Some(opposite)) => Decimal::ONE.checked_div(opposite.rate),
        (None, None) => None,
    }
}
