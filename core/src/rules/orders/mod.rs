//! What happens to an order at the company: decided on, released, amended, delivered, invoiced, closed. Each step appends
//! an event and removes none; amounts move between the parts of the exposure ([`super::exposure::order_amounts`]) and
//! none is gained or lost.

mod delivery;
#[cfg(test)]
mod tests;

pub use delivery::{Accepted, covered_on, delivered, signed_for};

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{credit, exposure};
use crate::model::{
    CreditDecision, CreditVerdict, Currency, DocumentId, InvalidMoney, LineId, Money, Order, OrderDecision,
    OrderDecisionLine, OrderEvent, OrderEventKind, OrderLine, OrderStanding, Role, SpendReference, SpendStanding,
    Timestamp, UserId,
};

/// Why something cannot be done to an order; then nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The order does not stand where that is possible.
    #[error("that cannot be done to an order that is {0:?}")]
    Standing(OrderStanding),
    /// A reason is missing.
    #[error("say why: a reason is needed")]
    NoReason,
    /// Only a supervisor or an administrator decides on held orders.
    #[error("a held order may only be decided on by supervisor or administrator")]
    NotAllowed,
    /// What grows needs a check.
    #[error("the order grows by {0}; check the customer's credit first")]
    NeedsCheck(Money),
    /// The order has no such line.
    #[error("the order has no line {0}")]
    NoSuchLine(LineId),
    /// A quantity below zero.
    #[error("a quantity must not be below zero")]
    Quantity,
    /// Product or price of a line of which something was delivered or charged.
    #[error("line {0} is delivered or invoiced in part: its product and price stay as they are")]
    LineFixed(LineId),
    /// The amounts are too large.
    #[error(transparent)]
    Money(#[from] InvalidMoney),
}

/// Who does something, when and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act<'a> {
    /// Who.
    pub by: UserId,
    /// What they may do.
    pub roles: &'a [Role],
    /// The server's time.
    pub at: Timestamp,
    /// Why.
    pub reason: &'a str,
}

/// Decides on an order that came in: approved when a settled spend of an allowance guarantees it or every rule passed
/// online; held when the spend goes to review, whatever the rules say, or a rule failed; refused when the policy says so.
///
/// `check` is the server's own, made under the customer's lock. When the phone's verdict does not follow from its
/// recorded inputs an event says so.
pub fn decide(
    id: DocumentId,
    order: &Order,
    check: CreditDecision,
    spend: Option<(SpendReference, SpendStanding)>,
    at: Timestamp,
) -> OrderDecision {
    let verdict = match spend {
        Some((_, SpendStanding::Settled)) => CreditVerdict::Approved,
        Some((_, SpendStanding::Late | SpendStanding::Conflict | SpendStanding::Refused)) => CreditVerdict::Held,
        None => settled(check.verdict),
    };
    let mut decision = OrderDecision {
        order: id,
        number: order.number.clone(),
        customer: order.customer,
        rep: order.rep,
        received_at: at,
        wanted_by: order.wanted_by,
        currency: order.currency,
        lines: order.lines.iter().map(|(id, line)| (*id, counted_line(line))).collect(),
        deliveries: BTreeMap::new(),
        standing: standing(verdict),
        spend: spend.map(|(reference, _)| reference),
        events: Vec::new(),
    };
    if let Some(found) = order.credit.as_ref().and_then(credit::replay) {
        let kind = OrderEventKind::Diverged {
            claimed: found.claimed,
            recomputed: found.recomputed,
        };
        append(&mut decision, at, None, kind, "", None);
    }
    append(
        &mut decision,
        at,
        None,
        OrderEventKind::Decided(verdict),
        "",
        Some(check),
    );
    decision
}

/// The lines of an order as the company counts them, with nothing delivered.
pub fn counted_line(line: &OrderLine) -> OrderDecisionLine {
    OrderDecisionLine {
        product: line.product,
        ordered: line.quantity,
        delivered: Decimal::ZERO,
        invoiced: Decimal::ZERO,
        // A valid line is far from overflowing; one that did would count without its discount.
        unit_price: (Decimal::ONE - line.discount)
            .checked_mul(line.unit_price)
            .unwrap_or(line.unit_price),
    }
}

/// Holds an approved order whose spend turned out to be in conflict; true when it was approved.
pub fn hold(order: &mut OrderDecision, at: Timestamp, reason: &str) -> bool {
    let was_approved = order.standing == OrderStanding::Approved;
    if was_approved {
        order.standing = OrderStanding::Held;
        let kind = OrderEventKind::Decided(CreditVerdict::Held);
        append(order, at, None, kind, reason, None);
    }
    was_approved
}

/// Lets an order stand that was decided on before the settled spend came in which guarantees it. What the rules held or
/// refused is approved, since its credit has been reserved all along; what a person decided stays as it is. True when
/// anything changed.
pub fn guarantee(order: &mut OrderDecision, spend: SpendReference, at: Timestamp) -> bool {
    if order.spend.is_some() {
        return false;
    }
    order.spend = Some(spend);
    let by_a_person = order.events.iter().any(|it| it.what == OrderEventKind::Refused);
    if order.standing == OrderStanding::Held || (order.standing == OrderStanding::Refused && !by_a_person) {
        order.standing = OrderStanding::Approved;
        let kind = OrderEventKind::Decided(CreditVerdict::Approved);
        append(order, at, None, kind, "an offline allowance guarantees it", None);
    }
    true
}

/// Lets a held order through.
///
/// # Errors
/// [`OrderError`]: not held, no reason, or a person who may not.
pub fn release(order: &mut OrderDecision, act: Act<'_>) -> Result<(), OrderError> {
    answer(order, act, OrderStanding::Released, OrderEventKind::Released)
}

/// Turns a held order down.
///
/// # Errors
/// As [`release`].
pub fn refuse(order: &mut OrderDecision, act: Act<'_>) -> Result<(), OrderError> {
    answer(order, act, OrderStanding::Refused, OrderEventKind::Refused)
}

fn answer(
    order: &mut OrderDecision,
    act: Act<'_>,
    standing: OrderStanding,
    kind: OrderEventKind,
) -> Result<(), OrderError> {
    require(order, &[OrderStanding::Held])?;
    if !act
        .roles
        .iter()
        .any(|role| matches!(role, Role::Supervisor | Role::Administrator))
    {
        return Err(OrderError::NotAllowed);
    }
    if act.reason.trim().is_empty() {
        return Err(OrderError::NoReason);
    }
    order.standing = standing;
    append(order, act.at, Some(act.by), kind, act.reason, None);
    Ok(())
}

/// By how much the exposure would grow with `lines` in place of the order's: what a check has to be made of. Zero when it
/// shrinks; everything that is not delivered when the order does not count yet.
///
/// # Errors
/// [`OrderError`] as [`amend`].
pub fn growth(order: &OrderDecision, lines: &BTreeMap<LineId, OrderDecisionLine>) -> Result<Money, OrderError> {
    let mut amended = order.clone();
    amended.lines = merged(order, lines)?;
    let after = exposure::order_amounts(&amended)?.undelivered;
    let (before, _) = exposure::counted(order)?;
    let grown = (after.amount - before.amount).max(Decimal::ZERO);
    Ok(Money::new(grown, order.currency))
}

/// Takes over what the rep changed. `lines` say what is ordered now; what was delivered and invoiced stays, and so does a
/// line that is left out and of which something was delivered. What shrinks is free at once; what grows needs a `check`
/// of [`growth`], and the order is held or refused when that does not pass. A held order stays held without a check.
///
/// # Errors
/// [`OrderError`]: refused, cancelled or closed; growing without a check; another price for delivered goods.
pub fn amend(
    order: &mut OrderDecision,
    lines: &BTreeMap<LineId, OrderDecisionLine>,
    check: Option<CreditDecision>,
    act: Act<'_>,
) -> Result<(), OrderError> {
    require(
        order,
        &[OrderStanding::Approved, OrderStanding::Released, OrderStanding::Held],
    )?;
    let grown = growth(order, lines)?;
    let verdict = match (&check, order.standing.is_committed()) {
        (Some(check), _) if grown.amount > Decimal::ZERO => settled(check.verdict),
        (None, true) if grown.amount > Decimal::ZERO => return Err(OrderError::NeedsCheck(grown)),
        (_, true) => CreditVerdict::Approved,
        (_, false) => CreditVerdict::Held,
    };
    order.lines = merged(order, lines)?;
    // A release stays one as long as nothing grows past it.
    if order.standing != OrderStanding::Released || verdict != CreditVerdict::Approved {
        order.standing = standing(verdict);
    }
    let kind = OrderEventKind::Amended(verdict);
    append(order, act.at, Some(act.by), kind, act.reason, check);
    Ok(())
}

fn merged(
    order: &OrderDecision,
    lines: &BTreeMap<LineId, OrderDecisionLine>,
) -> Result<BTreeMap<LineId, OrderDecisionLine>, OrderError> {
    let mut merged = BTreeMap::new();
    for (id, old) in &order.lines {
        if old.delivered > Decimal::ZERO || old.invoiced > Decimal::ZERO {
            let mut kept = old.clone();
            kept.ordered = Decimal::ZERO;
            merged.insert(*id, kept);
        }
    }
    for (id, line) in lines {
        if line.ordered < Decimal::ZERO || line.unit_price < Decimal::ZERO {
            return Err(OrderError::Quantity);
        }
        if let Some(kept) = merged.get_mut(id) {
            if (kept.product, kept.unit_price) != (line.product, line.unit_price) {
                return Err(OrderError::LineFixed(*id));
            }
            kept.ordered = line.ordered;
        } else {
            let fresh = OrderDecisionLine {
                delivered: Decimal::ZERO,
                invoiced: Decimal::ZERO,
                ..line.clone()
            };
            merged.insert(*id, fresh);
        }
    }
    Ok(merged)
}

/// Takes an order back; what was delivered still counts.
///
/// # Errors
/// [`OrderError::Standing`] when it is refused, cancelled or closed already.
pub fn cancel(order: &mut OrderDecision, act: Act<'_>) -> Result<(), OrderError> {
    require(
        order,
        &[OrderStanding::Approved, OrderStanding::Released, OrderStanding::Held],
    )?;
    order.standing = OrderStanding::Cancelled;
    append(order, act.at, Some(act.by), OrderEventKind::Cancelled, act.reason, None);
    Ok(())
}

/// Says that nothing more will be delivered; what was delivered still counts.
///
/// # Errors
/// [`OrderError::Standing`] when it is neither approved nor released.
pub fn close(order: &mut OrderDecision, act: Act<'_>) -> Result<(), OrderError> {
    require(order, &[OrderStanding::Approved, OrderStanding::Released])?;
    order.standing = OrderStanding::Closed;
    append(order, act.at, Some(act.by), OrderEventKind::Closed, act.reason, None);
    Ok(())
}

/// What a closed order would count for again when it is opened: a check has to be made of it.
///
/// # Errors
/// [`InvalidMoney::Overflow`] beyond 28 digits.
pub fn reopening(order: &OrderDecision) -> Result<Money, InvalidMoney> {
    exposure::order_amounts(order).map(|it| it.undelivered)
}

/// Opens a closed order again. It is checked anew, so that closing and opening never gets around a check; an earlier
/// release does not count any more.
///
/// # Errors
/// [`OrderError::Standing`] when it is not closed.
pub fn reopen(order: &mut OrderDecision, check: CreditDecision, act: Act<'_>) -> Result<(), OrderError> {
    require(order, &[OrderStanding::Closed])?;
    let verdict = settled(check.verdict);
    order.standing = standing(verdict);
    let kind = OrderEventKind::Reopened(verdict);
    append(order, act.at, Some(act.by), kind, act.reason, Some(check));
    Ok(())
}

/// Counts goods that invoice `number` charges, by order line; more than was delivered counts too. False when the invoice
/// was counted before.
///
/// # Errors
/// [`OrderError`] for an unknown line or a quantity below zero; then nothing of it is counted.
pub fn invoiced(
    order: &mut OrderDecision,
    number: &str,
    quantities: &BTreeMap<LineId, Decimal>,
    at: Timestamp,
) -> Result<bool, OrderError> {
    let known = |it: &OrderEvent| matches!(&it.what, OrderEventKind::Invoiced(known) if known == number);
    if order.events.iter().any(known) {
        return Ok(false);
    }
    let mut lines = order.lines.clone();
    add(&mut lines, quantities, |line| &mut line.invoiced)?;
    valued(&lines, order.currency)?;
    order.lines = lines;
    append(order, at, None, OrderEventKind::Invoiced(number.to_owned()), "", None);
    Ok(true)
}

fn add(
    lines: &mut BTreeMap<LineId, OrderDecisionLine>,
    quantities: &BTreeMap<LineId, Decimal>,
    to: impl Fn(&mut OrderDecisionLine) -> &mut Decimal,
) -> Result<(), OrderError> {
    for (id, quantity) in quantities {
        if *quantity < Decimal::ZERO {
            return Err(OrderError::Quantity);
        }
        let counted = to(lines.get_mut(id).ok_or(OrderError::NoSuchLine(*id))?);
        *counted = counted.checked_add(*quantity).ok_or(InvalidMoney::Overflow)?;
    }
    Ok(())
}

/// What cannot be valued is not counted, or the customer's exposure could not be given any more.
fn valued(lines: &BTreeMap<LineId, OrderDecisionLine>, currency: Currency) -> Result<(), OrderError> {
    for line in lines.values() {
        exposure::line_amounts(line, currency)?;
    }
    Ok(())
}

/// At the company nothing is provisional: what nobody guarantees waits for a person.
const fn settled(verdict: CreditVerdict) -> CreditVerdict {
    match verdict {
        CreditVerdict::Provisional => CreditVerdict::Held,
        other => other,
    }
}

const fn standing(verdict: CreditVerdict) -> OrderStanding {
    match verdict {
        CreditVerdict::Approved => OrderStanding::Approved,
        CreditVerdict::Provisional | CreditVerdict::Held => OrderStanding::Held,
        CreditVerdict::Refused => OrderStanding::Refused,
    }
}

fn require(order: &OrderDecision, standings: &[OrderStanding]) -> Result<(), OrderError> {
    if standings.contains(&order.standing) {
        Ok(())
    } else {
        Err(OrderError::Standing(order.standing))
    }
}

fn append(
    order: &mut OrderDecision,
    at: Timestamp,
    by: Option<UserId>,
    what: OrderEventKind,
    reason: &str,
    check: Option<CreditDecision>,
) {
    order.events.push(OrderEvent {
        at,
        by,
        what,
        reason: reason.to_owned(),
        check,
    });
}
