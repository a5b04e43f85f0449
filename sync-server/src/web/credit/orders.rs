//! What an order came to, where it stands and what happened to it, in words.

use fieldledger_core::model::{DocumentId, Money, OrderDecision, OrderEventKind, OrderStanding};

use super::super::messages::Text;

/// Where it is decided on this order, if it still waits.
pub(in crate::web) fn place_of(order: DocumentId) -> String {
    format!("/credit?order={order}#order-{order}")
}

/// What an order came to when it was taken.
pub(in crate::web) fn total(order: &OrderDecision) -> Option<Money> {
    let zero = Money::zero(order.currency);
    let sum = order.lines.values().try_fold(zero, |sum, line| {
        sum.checked_add(line.value(line.ordered, order.currency)?)
    });
    sum.ok()
}

/// What happened to an order, in words, and whether somebody should look at it.
pub(in crate::web) fn event_words(text: Text, what: &OrderEventKind) -> (String, bool) {
    let verdict = |verdict: &fieldledger_core::model::CreditVerdict| {
        let name = serde_json::to_value(verdict).ok();
        let name = name.as_ref().and_then(|it| it.as_str()).unwrap_or_default();
        text.word("verdict", name)
    };
    match what {
        OrderEventKind::Decided(it) => (text.fill("desk_event.decided", "verdict", verdict(it)), false),
        OrderEventKind::Diverged { claimed, recomputed } => {
            let said = text.fill("desk_event.diverged", "claimed", verdict(claimed));
            (said.replace("{recomputed}", &verdict(recomputed)), true)
        }
        OrderEventKind::Released => (text.t("desk_event.released").to_owned(), false),
        OrderEventKind::Refused => (text.t("desk_event.refused").to_owned(), false),
        OrderEventKind::Amended(it) => (text.fill("desk_event.amended", "verdict", verdict(it)), false),
        OrderEventKind::Cancelled => (text.t("desk_event.cancelled").to_owned(), false),
        OrderEventKind::Closed => (text.t("desk_event.closed").to_owned(), false),
        OrderEventKind::Reopened(it) => (text.fill("desk_event.reopened", "verdict", verdict(it)), false),
        OrderEventKind::Delivered(number) => (text.fill("desk_event.delivered", "number", number), false),
        OrderEventKind::Invoiced(number) => (text.fill("desk_event.invoiced", "number", number), false),
        OrderEventKind::Other(_) => (text.t("desk_event.other").to_owned(), true),
    }
}

/// The stored name of where an order stands.
pub(in crate::web) fn standing_name(standing: OrderStanding) -> &'static str {
    match standing {
        OrderStanding::Approved => "approved",
        OrderStanding::Held => "held",
        OrderStanding::Released => "released",
        OrderStanding::Refused => "refused",
        OrderStanding::Cancelled => "cancelled",
        OrderStanding::Closed => "closed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::{Currency, CustomerId, LineId, OrderDecisionLine, ProductId, Timestamp, UserId};

    use super::*;
    use crate::web::format;

    #[test]
    fn the_total_of_a_held_order_is_the_sum_of_its_lines_as_they_are_shown() {
        let line = |quantity: &str, price: &str| OrderDecisionLine {
            product: ProductId::from_bytes([1; 16]),
            ordered: quantity.parse().unwrap(),
            delivered: Default::default(),
            invoiced: Default::default(),
            unit_price: price.parse().unwrap(),
        };
        let order = |currency, lines: Vec<OrderDecisionLine>| OrderDecision {
            order: DocumentId::from_bytes([2; 16]),
            number: "SO-1".to_owned(),
            customer: CustomerId::from_bytes([3; 16]),
            rep: UserId::from_bytes([4; 16]),
            received_at: Timestamp::from_millis(0),
            wanted_by: None,
            currency,
            lines: (1..).map(|it| LineId::from_bytes([it; 16])).zip(lines).collect(),
            deliveries: Default::default(),
            standing: OrderStanding::Held,
            spend: None,
            events: Vec::new(),
        };
        let shown = |order: &OrderDecision| total(order).map(format::money);
        // Each line is rounded by itself: three times 0.335 is 1.01 (rounded once), twice that 2.02 and not 2.01.
        let thirds = order(Currency::CNY, vec![line("3", "0.335"), line("3", "0.335")]);
        assert_eq!(shown(&thirds).as_deref(), Some("CNY 2.02"));
        assert_eq!(shown(&order(Currency::CNY, Vec::new())).as_deref(), Some("CNY 0.00"));
        let huge = line("79228162514264337593543950335", "2");
        assert_eq!(
            shown(&order(Currency::CNY, vec![huge])),
            None,
            "it is not told rather than told wrongly"
        );
    }
}
