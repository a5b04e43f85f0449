//! Late interest (DOMAIN §3): simple, for each day, on the principal that was open on that day, by tiers of lateness.
//!
//! The first day of lateness is the day after the due date. A payment lowers the balance from the day after its value
//! date: the day on which it came in still counts on the balance before it. One line covers the days between two changes
//! of balance or rate and is rounded once. Days in no tier accrue nothing.
//!
//! An approved extension keeps the original due date, so interest counts from that one unless the creditor waived it:
//! [`LatenessFrom`] says which. A waived item accrues nothing up to the extended date, the days before the approval
//! included, and its tiers begin anew after it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::books::{BooksError, CustomerBooks, all_items};
use crate::model::{
    AllocationPart, Currency, InterestOrder, InterestTier, InvalidField, InvalidMoney, Money, check_some_amount,
};

#[cfg(test)]
mod tests;

/// Something owed on which interest may accrue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt<'d> {
    /// The principal.
    pub principal: Money,
    /// When it was due: lateness counts from the day after.
    pub due_on: NaiveDate,
    /// Costs of collecting by the day from which they are owed. They bear no interest.
    pub costs: &'d [(NaiveDate, Decimal)],
}

/// A payment as interest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payment {
    /// The bank's value date, or the date of a credit note.
    pub on: NaiveDate,
    /// What it pays; `None`: what comes first by the order of the terms.
    pub part: Option<AllocationPart>,
    /// How much, in the debt's currency.
    pub amount: Decimal,
}

/// Days on one balance at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterestLine {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// How many days that is.
    pub days: u32,
    /// Principal that was open on each of them.
    pub balance: Decimal,
    /// Percent for each day.
    pub percent_per_day: Decimal,
    /// The interest, rounded half-up to the minor unit.
    pub amount: Decimal,
}

/// The interest of a debt, line by line, and what is left of everything on the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The lines, in order.
    pub lines: Vec<InterestLine>,
    /// Their sum.
    pub accrued: Decimal,
    /// Interest that is not paid.
    pub interest_open: Decimal,
    /// Costs that are not paid.
    pub costs_open: Decimal,
    /// Principal that is not paid.
    pub principal_open: Decimal,
    /// What was paid beyond everything that was owed at the time.
    pub surplus: Decimal,
}

/// The tier that holds on a day of lateness (1 is the day after the due date). Of overlapping tiers the one that begins
/// later, as the more particular one; of two that begin on one day the cheaper. `None` in a gap.
pub fn tier_on(tiers: &[InterestTier], day: u32) -> Option<&InterestTier> {
    tiers
        .iter()
        .filter(|it| it.from_day <= day && it.to_day.is_none_or(|to| day <= to))
        .max_by_key(|it| (it.from_day, std::cmp::Reverse(it.percent_per_day)))
}

/// Accrues interest on a debt up to and including `until`.
///
/// Payments may come in any order; of one day, those with a part of their own are taken before those without.
///
/// # Errors
/// [`InvalidField`] naming `principal`, `costs` or `payments.amount` when it is negative, too large or finer than the
/// minor unit.
pub fn accrue(
    debt: &Debt<'_>,
    payments: &[Payment],
    tiers: &[InterestTier],
    order: InterestOrder,
    until: NaiveDate,
) -> Result<Interest, InvalidField> {
    let currency = debt.principal.currency;
    crate::model::check_amount("principal", debt.principal.amount, currency)?;
    let mut changes: BTreeMap<NaiveDate, (Decimal, Vec<Payment>)> = BTreeMap::new();
    for (on, amount) in debt.costs.iter().filter(|(on, _)| *on <= until) {
        crate::model::check_amount("costs", *amount, currency)?;
        let costs = &mut changes.entry(*on).or_default().0;
        *costs = plus(*costs, *amount)?;
    }
    for it in payments {
        check_some_amount("payments.amount", it.amount, currency)?;
        if it.on <= until {
            changes.entry(it.on).or_default().1.push(*it);
        }
    }
    let mut state = State {
        order,
        result: Interest {
            principal_open: debt.principal.amount,
            ..Interest::default()
        },
    };
    let mut reached = debt.due_on;
    for (on, (costs, mut paid)) in changes {
        state.run(debt.due_on, reached, on, tiers, currency)?;
        reached = reached.max(on);
        state.result.costs_open = plus(state.result.costs_open, costs)?;
        // Payments of a day are taken in an order of their own, so that the order of entering them makes no difference.
        paid.sort_unstable_by_key(|it| (it.part.is_none(), it.part, it.amount));
        for it in paid {
            state.pay(it)?;
        }
    }
    state.run(debt.due_on, reached, until, tiers, currency)?;
    Ok(state.result)
}

fn plus(a: Decimal, b: Decimal) -> Result<Decimal, InvalidField> {
    a.checked_add(b)
        .ok_or_else(|| InvalidField::new("payments.amount", InvalidMoney::Overflow.to_string()))
}

struct State {
    order: InterestOrder,
    result: Interest,
}

impl State {
    /// Accrues the days after `reached` up to and including `to` on the balance as it is.
    fn run(
        &mut self,
        due_on: NaiveDate,
        reached: NaiveDate,
        to: NaiveDate,
        tiers: &[InterestTier],
        currency: Currency,
    ) -> Result<(), InvalidField> {
        let balance = self.result.principal_open;
        if to <= reached || balance.is_zero() {
            return Ok(());
        }
        let late = |day: NaiveDate| u32::try_from(day.signed_duration_since(due_on).num_days()).unwrap_or(0);
        let (first, last) = (late(reached).saturating_add(1), late(to));
        // The rate can change only where a tier begins or ends.
        let begins = tiers.iter().map(|it| it.from_day);
        let ends = tiers.iter().filter_map(|it| it.to_day?.checked_add(1));
        let mut starts: BTreeSet<u32> = begins.chain(ends).filter(|day| (first..=last).contains(day)).collect();
        starts.insert(first);
        let starts: Vec<u32> = starts.into_iter().collect();
        for (index, from) in starts.iter().enumerate() {
            let to = starts.get(index + 1).map_or(last, |next| next - 1);
            let Some(tier) = tier_on(tiers, *from).filter(|it| !it.percent_per_day.is_zero()) else {
                continue;
            };
            let days = to - from + 1;
            let too_large = || InvalidField::new("principal", InvalidMoney::Overflow.to_string());
            let exact = balance
                .checked_mul(tier.percent_per_day)
                .and_then(|it| it.checked_mul(days.into()))
                .ok_or_else(too_large)?
                / Decimal::ONE_HUNDRED;
            let day = |no: u32| due_on.checked_add_days(Days::new(no.into())).ok_or_else(too_large);
            let line = InterestLine {
                from: day(*from)?,
                to: day(to)?,
                days,
                balance,
                percent_per_day: tier.percent_per_day,
                amount: Money::new(exact, currency).rounded().amount,
            };
            self.result.accrued = plus(self.result.accrued, line.amount)?;
            self.result.interest_open = plus(self.result.interest_open, line.amount)?;
            self.result.lines.push(line);
        }
        Ok(())
    }

    fn pay(&mut self, payment: Payment) -> Result<(), InvalidField> {
        use AllocationPart::{Cost, Interest, Principal};
        let order: &[AllocationPart] = match (&payment.part, self.order) {
            (Some(part), _) => std::slice::from_ref(part),
            (None, InterestOrder::InterestFirst) => &[Cost, Interest, Principal],
            (None, InterestOrder::PrincipalFirst) => &[Principal, Cost, Interest],
        };
        let mut left = payment.amount;
        for part in order {
            let open = match part {
                Cost => &mut self.result.costs_open,
                Interest => &mut self.result.interest_open,
                Principal => &mut self.result.principal_open,
            };
            let pays = left.min(*open);
            *open -= pays;
            left -= pays;
        }
        self.result.surplus = plus(self.result.surplus, left)?;
        Ok(())
    }
}

/// The due date from which lateness counts when an extension was approved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatenessFrom {
    /// The original one: the extension stops reminders, not interest.
    #[default]
    Original,
    /// The extended one: interest up to it is waived.
    Extended,
}

/// Interest on an instalment of the books as they are known on `until`, up to and including that day: on the principal
/// that is open after what was set against it, from the value date of each payment. A payment that bounced or was set
/// against something else meanwhile counts as if it had never been. `None` for an item that is not in the books or has
/// no due date.
///
/// The result's [`Interest::accrued`] less the interest already charged on the item is what may still be charged.
///
/// # Errors
/// [`BooksError`] when the records contradict each other or amounts are too large to be counted.
pub fn of_instalment(
    books: &CustomerBooks<'_>,
    invoice_number: &str,
    instalment: u32,
    tiers: &[InterestTier],
    from: LatenessFrom,
    until: NaiveDate,
) -> Result<Option<Interest>, BooksError> {
    let items = all_items(books, until)?;
    let item = items
        .iter()
        .find(|it| it.invoice_number == invoice_number && it.instalment == instalment);
    let due = |it: &super::books::OpenItem| match from {
        LatenessFrom::Original => it.original_due_on.or(it.due_on),
        LatenessFrom::Extended => it.due_on,
    };
    let Some((item, due_on)) = item.and_then(|it| Some((it, due(it)?))) else {
        return Ok(None);
    };
    let mut payments = Vec::new();
    for source in books.sources().filter(|it| it.pays_on(until)) {
        let paid = source.allocations().iter().filter(|it| {
            it.counts_on(until)
                && it.part == AllocationPart::Principal
                && it.invoice_number == invoice_number
                && it.instalment == instalment
        });
        payments.extend(paid.map(|it| Payment {
            on: source.valued_on(),
            part: Some(AllocationPart::Principal),
            amount: it.amount,
        }));
    }
    let debt = Debt {
        principal: Money::new(item.amount, item.currency),
        due_on,
        costs: &[],
    };
    accrue(&debt, &payments, tiers, InterestOrder::PrincipalFirst, until)
        .map(Some)
        .map_err(BooksError::from)
}
