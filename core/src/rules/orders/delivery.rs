//! Goods that were signed for: they move from "ordered" to "delivered", whatever was decided about the order, and stay
//! correctable for as long as people correct what was signed.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{OrderError, add, append, valued};
use crate::model::{
    CountedDelivery, DocumentId, LineId, OrderDecision, OrderDecisionLine, OrderEventKind, ProductId, Timestamp,
};

/// What the customer accepted of one line of a delivery note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The line of the delivery note.
    pub line: LineId,
    /// What.
    pub product: ProductId,
    /// How much.
    pub quantity: Decimal,
    /// What one unit costs by the price list, in the order's currency: values goods that the order does not name.
    pub list_price: Option<Decimal>,
}

/// Counts goods that the customer signed for, by order line; more than was ordered counts too. A delivery counts whatever
/// was decided about the order: the goods are gone. Counting the delivery `id` again replaces what it counted before.
/// False when nothing is different.
///
/// # Errors
/// [`OrderError`] for an unknown line or a quantity below zero; then nothing of it is counted.
pub fn delivered(
    order: &mut OrderDecision,
    id: DocumentId,
    delivery: CountedDelivery,
    at: Timestamp,
) -> Result<bool, OrderError> {
    if order.deliveries.get(&id) == Some(&delivery) {
        return Ok(false);
    }
    let mut lines = without(order, id);
    add(&mut lines, &delivery.quantities, |line| &mut line.delivered)?;
    valued(&lines, order.currency)?;
    order.lines = lines;
    let kind = OrderEventKind::Delivered(delivery.number.clone());
    order.deliveries.insert(id, delivery);
    append(order, at, None, kind, "", None);
    Ok(true)
}

/// Counts a delivery note that was signed for. A note names products, an order has lines: each product fills its lines in
/// turn, and what is more than ordered goes on the last of them. A product that the order does not name becomes a line of
/// which nothing is ordered, at its list price. Returns the products that could not be counted since nothing says what
/// they cost; with `Some(products)` something changed.
///
/// # Errors
/// As [`delivered`].
pub fn signed_for(
    order: &mut OrderDecision,
    id: DocumentId,
    (number, signed_on): (&str, NaiveDate),
    accepted: &[Accepted],
    at: Timestamp,
) -> Result<Option<Vec<ProductId>>, OrderError> {
    let mut filled = order.clone();
    let mut open = without(order, id);
    let mut quantities: BTreeMap<LineId, Decimal> = BTreeMap::new();
    let mut unpriced = Vec::new();
    for it in accepted.iter().filter(|it| !it.quantity.is_zero()) {
        let mut left = it.quantity;
        let mut last = None;
        for (line, known) in open.iter_mut().filter(|(_, known)| known.product == it.product) {
            let part = (known.ordered - known.delivered).clamp(Decimal::ZERO, left.max(Decimal::ZERO));
            known.delivered += part;
            left -= part;
            *quantities.entry(*line).or_default() += part;
            last = Some(*line);
        }
        match (last, it.list_price) {
            (Some(line), _) => *quantities.entry(line).or_default() += left,
            (None, Some(unit_price)) => {
                let line = OrderDecisionLine {
                    product: it.product,
                    ordered: Decimal::ZERO,
                    delivered: Decimal::ZERO,
                    invoiced: Decimal::ZERO,
                    unit_price,
                };
                open.insert(it.line, line.clone());
                filled.lines.insert(it.line, line);
                *quantities.entry(it.line).or_default() += left;
            }
            (None, None) => unpriced.push(it.product),
        }
    }
    quantities.retain(|_, quantity| !quantity.is_zero());
    let delivery = CountedDelivery {
        number: number.to_owned(),
        signed_on,
        quantities,
    };
    let changed = delivered(&mut filled, id, delivery, at)?;
    if changed {
        *order = filled;
    }
    Ok(changed.then_some(unpriced))
}

/// The first day on which everything in `wanted` (by order line; empty: everything that is ordered) had been signed for.
/// An order that nothing more is delivered of is covered by what was.
pub fn covered_on(order: &OrderDecision, wanted: &BTreeMap<LineId, Decimal>) -> Option<NaiveDate> {
    let mut missing: BTreeMap<LineId, Decimal> = if wanted.is_empty() {
        order.lines.iter().map(|(id, line)| (*id, line.ordered)).collect()
    } else {
        wanted.clone()
    };
    let mut deliveries: Vec<&CountedDelivery> = order.deliveries.values().collect();
    deliveries.sort_by_key(|it| it.signed_on);
    for delivery in &deliveries {
        for (line, quantity) in &delivery.quantities {
            if let Some(missing) = missing.get_mut(line) {
                *missing -= *quantity;
            }
        }
        if missing.values().all(|it| *it <= Decimal::ZERO) {
            return Some(delivery.signed_on);
        }
    }
    let last = deliveries.last().map(|it| it.signed_on);
    last.filter(|_| order.standing.is_over())
}

/// The order's lines as they would be without the delivery `id`.
fn without(order: &OrderDecision, id: DocumentId) -> BTreeMap<LineId, OrderDecisionLine> {
    let mut lines = order.lines.clone();
    let counted = order.deliveries.get(&id);
    for (line, quantity) in counted.iter().flat_map(|it| &it.quantities) {
        if let Some(line) = lines.get_mut(line) {
            line.delivered -= *quantity;
        }
    }
    lines
}
