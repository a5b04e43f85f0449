//! The credit file that phones read, computed from what was decided and from the books.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::{DayRates, ExposureError, Sums, counted, receivables};
use crate::{
    model::{
        CreditAccount, CreditFile, CreditLimit, Currency, DueAmount, Grant, LedgerOrder, Money, OrderDecision, Policy,
        ShippingAmount, Timestamp,
    },
    rules::{
        allowance,
        books::{OpenItem, UnallocatedCredit},
    },
};

/// What a credit file is computed from.
#[derive(Clone, Copy, Debug)]
pub struct FileSources<'s> {
    /// What was decided about the customer.
    pub account: &'s CreditAccount,
    /// The company's policy: its rates.
    pub policy: &'s Policy,
    /// What is open on the day.
    pub items: &'s [OpenItem],
    /// Credits that nothing has been paid with on the day.
    pub unallocated: &'s [UnallocatedCredit],
    /// Orders that came from phones.
    pub decisions: &'s [OrderDecision],
    /// Imported orders. Cancelled ones count nowhere, and one whose number a decision has is left to the decision.
    pub orders: &'s [LedgerOrder],
    /// Numbers of the orders that an invoice charges.
    pub invoiced_orders: &'s BTreeSet<String>,
    /// Whether the books hold invoices at all; where they do not, nothing is known of what was shipped and not invoiced.
    pub books_have_invoices: bool,
    /// The customer's grants.
    pub grants: &'s [Grant],
    /// The currency of a customer without a limit.
    pub currency: Currency,
}

/// The credit file as of `now`, with every amount in the limit's currency.
///
/// # Errors
/// [`ExposureError`] for a missing rate, naming the currencies, and for an overflow.
pub fn credit_file(sources: &FileSources<'_>, now: Timestamp, zone: Tz) -> Result<CreditFile, ExposureError> {
    let day = now.date_in(zone);
    let account = sources.account;
    let terms = account.terms_on(day);
    let currency = match terms.map(|it| it.limit) {
        Some(CreditLimit::Limited(limit)) => limit.currency,
        Some(CreditLimit::NoLimit) | None => sources.currency,
    };
    let rates = DayRates {
        rates: &sources.policy.rates,
        day,
    };
    let mut file = CreditFile::new(account.customer, now, currency);
    if let Some(terms) = terms {
        file.grade = terms.grade;
        file.limit = terms.limit;
        file.terms_days = terms.terms_days;
    }
    if let Some(reason) = account.hold_on(day) {
        file.on_hold = true;
        reason.clone_into(&mut file.hold_reason);
    }
    file.review_valid_until = account.assessment_on(day).map(|it| it.valid_until);
    file.open_receivables = receivables(sources.items, sources.unallocated, &rates, currency)?;
    file.special_liabilities = liabilities(account, &rates, currency)?;
    file.dues = dues(sources.items, &rates, currency)?;
    let late = file.dues.iter().filter(|it| it.on.is_some_and(|on| on < day));
    file.overdue = late.map(|it| it.amount).try_fold(file.overdue, Money::checked_add)?;
    file.oldest_due = file.dues.iter().filter_map(|it| it.on).min();
    let levels = sources.items.iter().filter(|it| it.open() > Decimal::ZERO);
    file.dunning_level = levels.map(|it| it.dunning_level).max().unwrap_or(0);
    orders(sources, &rates, &mut file)?;
    let mut reserved = Sums::default();
    for grant in sources.grants {
        reserved.add(allowance::unsettled(grant))?;
    }
    let reserved = reserved.converted(&rates, currency)?;
    file.reserved = (reserved.amount != Decimal::ZERO).then_some(reserved);
    Ok(file)
}

fn liabilities(account: &CreditAccount, rates: &DayRates<'_>, to: Currency) -> Result<Money, ExposureError> {
    let mut sums = Sums::default();
    let counts = |from: NaiveDate, until: Option<NaiveDate>| from <= rates.day && until.is_none_or(|it| rates.day < it);
    for it in account.liabilities.iter().filter(|it| counts(it.from, it.until)) {
        sums.add(it.amount)?;
    }
    sums.converted(rates, to)
}

/// What is summed up together: due date, dispute, dunning level and its day; then the currency, which is converted away.
type DueKey = (Option<NaiveDate>, bool, u8, Option<NaiveDate>);

/// Open items by due date, by whether they are disputed and by how far dunning has come, in the order of their due dates.
fn dues(items: &[OpenItem], rates: &DayRates<'_>, to: Currency) -> Result<Vec<DueAmount>, ExposureError> {
    let mut by_day: BTreeMap<(DueKey, Currency), (Decimal, Decimal)> = BTreeMap::new();
    for item in items {
        let open = item.open();
        if open <= Decimal::ZERO {
            continue;
        }
        let key = (item.due_on, item.disputed, item.dunning_level, item.dunned_on);
        let (sum, largest) = by_day.entry((key, item.currency)).or_default();
        *sum = sum.saturating_add(open);
        *largest = open.max(*largest);
    }
    let mut dues: Vec<DueAmount> = Vec::with_capacity(by_day.len());
    let mut last_key: Option<DueKey> = None;
    for ((key, currency), (sum, largest)) in by_day {
        let amount = rates.convert(Money::new(sum, currency), to)?;
        let largest = rates.convert(Money::new(largest, currency), to)?;
        match dues.last_mut() {
            Some(last) if last_key == Some(key) => {
                last.amount = last.amount.checked_add(amount)?;
                last.largest.amount = last.largest.amount.max(largest.amount);
            }
            _ => {
                let (on, disputed, dunning_level, dunned_on) = key;
                dues.push(DueAmount {
                    on,
                    amount,
                    largest,
                    disputed,
                    dunning_level,
                    dunned_on,
                });
            }
        }
        last_key = Some(key);
    }
    Ok(dues)
}

/// Fills what is delivered and not invoiced, and the open orders with the days they ship.
fn orders(sources: &FileSources<'_>, rates: &DayRates<'_>, file: &mut CreditFile) -> Result<(), ExposureError> {
    let to = file.open_orders.currency;
    let mut delivered = Sums::default();
    let mut shipping: BTreeMap<Option<NaiveDate>, Sums> = BTreeMap::new();
    for order in sources.decisions {
        let (open, uninvoiced) = counted(order)?;
        delivered.add(uninvoiced)?;
        if open.amount > Decimal::ZERO {
            shipping.entry(order.wanted_by).or_default().add(open)?;
        }
    }
    let decided: BTreeSet<&str> = sources.decisions.iter().map(|it| it.number.as_str()).collect();
    for order in sources.orders {
        let number = order.number.as_str();
        let counts = !order.cancelled && order.ordered_on <= rates.day && !sources.invoiced_orders.contains(number);
        if !counts || decided.contains(number) {
            continue;
        }
        if order.shipped_on.is_none_or(|on| on > rates.day) {
            // One that says it ships tomorrow ships then.
            let on = order.shipped_on.or(order.wanted_by);
            shipping.entry(on).or_default().add(order.total)?;
        } else if sources.books_have_invoices {
            delivered.add(order.total)?;
        }
    }
    file.delivered_not_invoiced = delivered.converted(rates, to)?;
    for (on, sums) in shipping {
        let amount = sums.converted(rates, to)?;
        file.open_orders = file.open_orders.checked_add(amount)?;
        file.shipping.push(ShippingAmount { on, amount });
    }
    Ok(())
}
