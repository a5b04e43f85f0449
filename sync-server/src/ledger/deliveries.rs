//! Deliveries that were signed for: units of the order become "delivered", and due dates that count from the signature
//! are fixed (DOMAIN §1.1 and §2.1).

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{Delivery, DocumentId, InvalidField, Invoice, LineId, Money, OrderDecision, ProductId, Timestamp},
    rules::{
        exposure::DayRates,
        orders::{self, Accepted},
        terms::{self, Events},
    },
};
use rust_decimal::Decimal;

use super::Draft;

/// A delivery as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivedDelivery {
    /// Its document.
    pub id: DocumentId,
    /// What was recorded.
    pub delivery: Delivery,
}

/// Counts a delivery as it was signed for. One that nobody has signed for, or whose order is not known, changes nothing.
pub(super) fn count(
    draft: &mut Draft,
    arrived: &ArrivedDelivery,
    list_prices: &BTreeMap<ProductId, Money>,
    now: Timestamp,
) -> Result<(), InvalidField> {
    let delivery = &arrived.delivery;
    let (Some(receiver), Some(order_number)) = (&delivery.receiver, &delivery.order_number) else {
        return Ok(());
    };
    let zone = draft.ledger().organisation.time_zone;
    // Nobody signs in the future: a phone's clock that runs ahead must not give the customer more time.
    let signed_on = receiver.at.min(now).date_in(zone);
    let known = draft.ledger().decisions.iter().find(|it| it.number == *order_number);
    if let Some(known) = known {
        let mut decision = known.clone();
        let rates = DayRates {
            rates: &draft.ledger().policy.rates,
            day: now.date_in(zone),
        };
        let accepted: Vec<Accepted> = delivery
            .lines
            .iter()
            .filter_map(|(line, it)| Some((*line, it.product, it.signed.as_ref()?.accepted)))
            .map(|(line, product, quantity)| Accepted {
                line,
                product,
                quantity,
                list_price: list_prices
                    .get(&product)
                    .and_then(|price| rates.convert(*price, decision.currency).ok())
                    .map(|price| price.amount),
            })
            .collect();
        let note = (delivery.number.as_str(), signed_on);
        let counted = orders::signed_for(&mut decision, arrived.id, note, &accepted, now)
            .map_err(|error| InvalidField::new("lines", error.to_string()))?;
        let Some(unpriced) = counted else {
            return Ok(());
        };
        for product in unpriced {
            tracing::warn!(delivery = %arrived.id, %product, "goods that are not on the order and have no list price count in no exposure");
        }
        draft.put(decision);
    }
    fix_due_dates(draft, order_number, Some(signed_on))
}

/// Fixes the due dates of an order's invoices that count from its delivery. `signed_on` is used for an order that came
/// from elsewhere, of which it is not known what has been delivered.
///
/// # Errors
/// [`InvalidField`] when a date lies beyond the calendar.
pub(super) fn fix_due_dates(
    draft: &mut Draft,
    order_number: &str,
    signed_on: Option<chrono::NaiveDate>,
) -> Result<(), InvalidField> {
    let ledger = draft.ledger();
    let order = ledger.decisions.iter().find(|it| it.number == order_number);
    let mut invoices: Vec<&Invoice> = ledger
        .invoices
        .iter()
        .filter(|it| it.order_number.as_deref() == Some(order_number))
        .collect();
    invoices.sort_by_key(|it| (it.invoiced_on, &it.number));
    let mut fixed = Vec::new();
    // Goods that are delivered first are those that were charged first.
    let mut wanted: BTreeMap<LineId, Decimal> = BTreeMap::new();
    for invoice in invoices {
        for line in &invoice.lines {
            *wanted.entry(line.line).or_default() += line.quantity;
        }
        let events = Events {
            delivery: delivered_on(order, invoice, &wanted).or(signed_on.filter(|_| order.is_none())),
            ..Events::default()
        };
        let mut invoice = invoice.clone();
        if terms::fix_due_dates(&mut invoice, &events, ledger.policy.holidays.as_ref())? > 0 {
            fixed.push(invoice);
        }
    }
    for invoice in fixed {
        draft.put(invoice);
    }
    Ok(())
}

fn delivered_on(
    order: Option<&OrderDecision>,
    invoice: &Invoice,
    wanted: &BTreeMap<LineId, Decimal>,
) -> Option<chrono::NaiveDate> {
    let everything = BTreeMap::new();
    let wanted = if invoice.lines.is_empty() { &everything } else { wanted };
    orders::covered_on(order?, wanted)
}
