//! Invoices: due dates, instalments, and the order that is charged.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        DueOffset, DueRule, DueStart, Instalment, InvalidField, Invoice, InvoiceLine, InvoiceType, LedgerRecord,
        LineId, Money, OrderDecision, ProductId, check_date,
    },
    rules::{
        exposure, orders,
        terms::{self, Events},
    },
};
use rust_decimal::Decimal;

use super::{Act, Draft, checks, days, invoice_of, once_in_the_company};
use crate::ledger::deliveries::fix_due_dates;

/// An invoice to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvoice {
    /// Its number, leading zeros kept.
    pub number: String,
    /// Its date.
    pub invoiced_on: NaiveDate,
    /// The day it counts from, when the books of its own day are closed.
    pub posted_on: Option<NaiveDate>,
    /// How much, gross of tax.
    pub amount: Money,
    /// What it charges for.
    pub kind: InvoiceType,
    /// The order it charges.
    pub order_number: Option<String>,
    /// Which goods of the order. `None`: all that is not charged yet, when that is worth exactly the amount.
    pub lines: Option<Vec<ChargedGoods>>,
    /// When it is to be paid.
    pub due: Due,
    /// When the goods were signed for, as far as the source knows.
    pub delivered_on: Option<NaiveDate>,
    /// When the customer accepted them.
    pub accepted_on: Option<NaiveDate>,
}

/// A quantity of goods that an invoice charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargedGoods {
    /// Which.
    pub goods: Goods,
    /// How much of them.
    pub quantity: Decimal,
}

/// How a line of an order is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goods {
    /// By its id.
    Line(LineId),
    /// By what was ordered.
    Product(ProductId),
}

/// When an invoice is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// The days of the customer's credit terms after the signed delivery. Goods of an order that a rep took have no due
    /// date until they are signed for; where no delivery can be known, the days count from the invoice.
    ByTerms,
    /// As a whole on this day.
    On(NaiveDate),
    /// In parts.
    Instalments(Vec<NewInstalment>),
    /// By the milestones of the customer's contract of this number.
    ByContract(String),
}

/// A part of an invoice with a due date of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewInstalment {
    /// Its share, in the invoice's currency.
    pub amount: Decimal,
    /// When it is due.
    pub due: InstalmentDue,
    /// Kept back by the customer until then (质保金).
    pub retention: bool,
}

/// When an instalment is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstalmentDue {
    /// On this day.
    On(NaiveDate),
    /// So long after an event; open until it has happened.
    After(DueRule),
}

/// Issues an invoice. When it names an order that a rep took, the goods it charges leave the order's part of the exposure.
///
/// # Errors
/// [`InvalidField`]: a number that is used, no amount, a day in closed books or ahead, parts that do not sum to the amount, an
/// unknown contract, goods that the order does not hold.
pub fn issue(draft: &mut Draft, wish: NewInvoice, act: Act<'_>) -> Result<Invoice, InvalidField> {
    checks::check_number("number", &wish.number)?;
    let ledger = draft.ledger();
    let today = days::today(draft, act.now);
    checks::check_money(ledger, "amount", wish.amount, today)?;
    for (field, day) in [("delivered_on", wish.delivered_on), ("accepted_on", wish.accepted_on)] {
        day.map_or(Ok(()), |day| check_date(field, day))?;
    }
    let posted_on = days::counted_from(&ledger.policy, "invoiced_on", wish.invoiced_on, wish.posted_on)?;
    let (field, counts_from) = posted_on.map_or(("invoiced_on", wish.invoiced_on), |day| ("posted_on", day));
    days::check_counts_by_now(draft, field, counts_from, act.now)?;
    let mut invoice = Invoice {
        kind: wish.kind,
        posted_on,
        order_number: wish.order_number.clone(),
        ..Invoice::new(
            wish.number.clone(),
            ledger.customer.id,
            wish.invoiced_on,
            wish.invoiced_on,
            wish.amount,
        )
    };
    if let Some(number) = &wish.order_number {
        checks::check_number("order_number", number)?;
    }
    let order = charged_order(draft, &wish)?;
    let moved = charge_order(&mut invoice, &wish, order.clone(), act)?;
    set_due_dates(draft, &mut invoice, &wish, order.as_ref())?;
    invoice.validate()?;
    if let Some(order) = moved {
        draft.put(order);
    }
    let key = LedgerRecord::from(invoice.clone()).key();
    draft.require(once_in_the_company(key, "number"));
    draft.put(invoice);
    if let Some(number) = &wish.order_number {
        fix_due_dates(draft, number, None)?;
    }
    let invoice = invoice_of(draft, &wish.number)?;
    let detail = format!(
        "{} for customer {}, due {}{}",
        invoice.amount,
        draft.ledger().customer.code,
        invoice.due_on,
        invoice
            .order_number
            .as_ref()
            .map(|it| format!(", order {it}"))
            .unwrap_or_default()
    );
    draft.audit(act.line("invoice.issued", &invoice.number, detail));
    Ok(invoice)
}

/// The order that a rep took and the invoice names; `None` when it names none, or one of the books.
fn charged_order(draft: &Draft, wish: &NewInvoice) -> Result<Option<OrderDecision>, InvalidField> {
    let Some(number) = &wish.order_number else {
        return Ok(None);
    };
    let mut named = draft.ledger().decisions.iter().filter(|it| it.number == *number);
    match (named.next(), named.next()) {
        (Some(_), Some(_)) => Err(InvalidField::new(
            "order_number",
            format!("the customer has several orders {number:?}"),
        )),
        (found, _) => Ok(found.cloned()),
    }
}

/// What the invoice takes out of the order, on both records.
fn charge_order(
    invoice: &mut Invoice,
    wish: &NewInvoice,
    order: Option<OrderDecision>,
    act: Act<'_>,
) -> Result<Option<OrderDecision>, InvalidField> {
    let Some(mut order) = order.filter(|_| wish.kind.is_goods()) else {
        let names_goods = wish.lines.as_ref().is_some_and(|lines| !lines.is_empty());
        return if names_goods {
            Err(InvalidField::new(
                "lines",
                "need the number of an order that a rep took; this invoice names none that is known here",
            ))
        } else {
            Ok(None)
        };
    };
    if order.currency != invoice.amount.currency {
        return Err(InvalidField::new(
            "amount.currency",
            format!("the order is in {}", order.currency),
        ));
    }
    let quantities = match &wish.lines {
        Some(lines) => named_quantities(&order, lines)?,
        None => whole_rest(&order, invoice.amount)?,
    };
    if quantities.is_empty() {
        return Ok(None);
    }
    let counted = orders::invoiced(&mut order, &invoice.number, &quantities, act.now)
        .map_err(|error| InvalidField::new("lines", error.to_string()))?;
    if !counted {
        return Err(InvalidField::new("number", "is counted in this order already"));
    }
    invoice.lines = quantities
        .into_iter()
        .map(|(line, quantity)| InvoiceLine { line, quantity })
        .collect();
    Ok(Some(order))
}

/// What of each line is not charged yet.
fn uncharged(order: &OrderDecision) -> impl Iterator<Item = (LineId, ProductId, Decimal)> + '_ {
    order.lines.iter().map(|(id, line)| {
        let there = if order.standing.is_committed() {
            line.ordered.max(line.delivered)
        } else {
            line.delivered
        };
        (*id, line.product, (there - line.invoiced).max(Decimal::ZERO))
    })
}

fn named_quantities(order: &OrderDecision, lines: &[ChargedGoods]) -> Result<BTreeMap<LineId, Decimal>, InvalidField> {
    let mut quantities: BTreeMap<LineId, Decimal> = BTreeMap::new();
    let mut add = |line: LineId, quantity: Decimal| {
        let sum = quantities.entry(line).or_default();
        *sum = sum
            .checked_add(quantity)
            .ok_or_else(|| InvalidField::new("lines.quantity", "is too large"))?;
        Ok::<_, InvalidField>(())
    };
    for it in lines {
        if it.quantity <= Decimal::ZERO {
            return Err(InvalidField::new("lines.quantity", "must be more than zero"));
        }
        match it.goods {
            Goods::Line(line) => add(line, it.quantity)?,
            Goods::Product(product) => {
                let fitting: Vec<_> = uncharged(order).filter(|(_, known, _)| *known == product).collect();
                let Some((first, ..)) = fitting.first() else {
                    return Err(InvalidField::new(
                        "lines.product",
                        "the order holds nothing of this product",
                    ));
                };
                let mut left = it.quantity;
                for (line, _, rest) in &fitting {
                    let taken = left.min(*rest);
                    if taken > Decimal::ZERO {
                        add(*line, taken)?;
                        left -= taken;
                    }
                }
                // More than there is counts too, as more than was delivered does.
                if left > Decimal::ZERO {
                    add(*first, left)?;
                }
            }
        }
    }
    Ok(quantities)
}

/// Everything that is not charged yet, when it is worth `amount` exactly. Anything else is not guessed at: a prepayment of
/// a third must not take the whole order out of the exposure.
fn whole_rest(order: &OrderDecision, amount: Money) -> Result<BTreeMap<LineId, Decimal>, InvalidField> {
    let rest: BTreeMap<LineId, Decimal> = uncharged(order)
        .filter(|(_, _, quantity)| !quantity.is_zero())
        .map(|(line, _, quantity)| (line, quantity))
        .collect();
    let mut all = order.clone();
    for (id, quantity) in &rest {
        if let Some(line) = all.lines.get_mut(id) {
            line.invoiced += *quantity; // a part of what was ordered or delivered, and no more than that
        }
    }
    let charged = |order: &OrderDecision| {
        exposure::order_amounts(order)
            .map(|it| it.invoiced.amount)
            .map_err(|error| InvalidField::new("lines", error.to_string()))
    };
    let worth = charged(&all)? - charged(order)?;
    if worth == amount.amount {
        return Ok(rest);
    }
    Err(InvalidField::new(
        "lines",
        format!(
            "say which goods of order {} are charged ([] for none, as with a prepayment): what is not charged yet is worth \
             {}",
            order.number,
            Money::new(worth, order.currency)
        ),
    ))
}

fn set_due_dates(
    draft: &Draft,
    invoice: &mut Invoice,
    wish: &NewInvoice,
    order: Option<&OrderDecision>,
) -> Result<(), InvalidField> {
    let ledger = draft.ledger();
    let holidays = ledger.policy.holidays.as_ref();
    match &wish.due {
        Due::On(day) => invoice.due_on = *day,
        Due::ByTerms => {
            let terms = ledger
                .account
                .terms_on(invoice.invoiced_on)
                .map_or(0, |it| it.terms_days);
            let offset = DueOffset::Days(terms);
            let begins = wish.delivered_on.unwrap_or(invoice.invoiced_on);
            invoice.due_on = terms::due_on(begins, offset, holidays)?;
            // Goods of an order that a rep took: the phones tell when they were signed for, or have told already.
            if wish.delivered_on.is_none() && !invoice.lines.is_empty() {
                invoice.instalments.push(Instalment {
                    rule: Some(DueRule {
                        from: DueStart::Delivery,
                        offset,
                    }),
                    ..Instalment::new(1, invoice.amount.amount, None)
                });
            }
        }
        Due::Instalments(parts) => {
            if parts.is_empty() {
                return Err(InvalidField::new("instalments", "say at least one, or leave them out"));
            }
            let events = events(draft, wish, order, None);
            for (no, part) in (1u32..).zip(parts) {
                let (due_on, rule) = match part.due {
                    InstalmentDue::On(day) => (Some(day), None),
                    InstalmentDue::After(rule) => {
                        let event = events.day_of(rule.from);
                        let due = event.map(|event| terms::due_on(event, rule.offset, holidays));
                        (due.transpose()?, Some(rule))
                    }
                };
                invoice.instalments.push(Instalment {
                    rule,
                    retention: part.retention,
                    ..Instalment::new(no, part.amount, due_on)
                });
            }
        }
        Due::ByContract(number) => {
            let contract = ledger.contracts.iter().find(|it| it.number == *number);
            let contract = contract.ok_or_else(|| {
                InvalidField::new(
                    "contract_number",
                    format!("{number:?} is not a contract of this customer"),
                )
            })?;
            let events = events(draft, wish, order, Some(contract.signed_on));
            invoice.contract_number = Some(number.clone());
            invoice.instalments = terms::instalments(contract, invoice.amount, &events, holidays)?;
        }
    }
    if let Some(last) = invoice.instalments.iter().filter_map(|it| it.due_on).max() {
        invoice.due_on = last;
    }
    Ok(())
}

/// The events that due dates count from, as far as they are known: what the source says, and what the order tells.
fn events(draft: &Draft, wish: &NewInvoice, order: Option<&OrderDecision>, contract: Option<NaiveDate>) -> Events {
    let ledger = draft.ledger();
    let zone = ledger.organisation.time_zone;
    let of_books = ledger
        .orders
        .iter()
        .find(|it| Some(&it.number) == wish.order_number.as_ref());
    Events {
        contract,
        order: order
            .map(|it| it.received_at.date_in(zone))
            .or(of_books.map(|it| it.ordered_on)),
        // What was signed for on phones is looked at once the invoice is in the ledger.
        delivery: wish.delivered_on,
        acceptance: wish.accepted_on,
        invoice: Some(wish.invoiced_on),
    }
}
