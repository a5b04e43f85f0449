//! What comes in from phones: orders, changes of orders, and words about offline allowances.

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{
        DocumentId, Grant, InvalidField, LineId, Order, OrderDecision, OrderDecisionLine, OrderState, Role, Spend,
        SpendReference, SpendStanding, Timestamp,
    },
    rules::{
        allowance::{self, Arrival},
        exposure, orders,
    },
    sync::protocol::AllowanceWord,
};

use super::Draft;
use crate::store::{CustomerLedger, LedgerChange};

/// An order as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivedOrder {
    /// Its document.
    pub id: DocumentId,
    /// What the rep typed.
    pub order: Order,
}

/// What came in about one customer with one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrivals {
    /// Orders that came or changed, and those that words speak of.
    pub orders: Vec<ArrivedOrder>,
    /// Words about grants for this customer, in the phone's order.
    pub words: Vec<AllowanceWord>,
    /// Whether the phone is reported lost, or is not the one the grants were given to.
    pub revoked: bool,
}

/// Decides on what came in. Taking in the same again changes nothing.
///
/// # Errors
/// [`InvalidField`] when it cannot be told where the customer stands; then nothing is decided.
pub fn take_in(ledger: &CustomerLedger, arrivals: &Arrivals, now: Timestamp) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    // Spends first: what they guarantee has been counted against the limit since the grant was issued, and must not be
    // counted a second time by a check.
    for word in &arrivals.words {
        if let AllowanceWord::Spent(spend) = word {
            spent(&mut draft, arrivals, spend, now)?;
        }
    }
    for arrived in &arrivals.orders {
        order(&mut draft, arrived, now)?;
    }
    for word in &arrivals.words {
        if let AllowanceWord::Closed(closing) = word
            && let Some(mut grant) = grant_of(&draft, closing.grant)
        {
            allowance::close(
                &mut grant,
                closing,
                Arrival {
                    at: now,
                    revoked: arrivals.revoked,
                },
            );
            put_if_changed(&mut draft, grant);
        }
    }
    draft.finish("", now)
}

fn grant_of(draft: &Draft, id: fieldledger_core::model::GrantId) -> Option<Grant> {
    draft.ledger().grants.iter().find(|it| it.terms.id == id).cloned()
}

fn decision_of(draft: &Draft, id: DocumentId) -> Option<OrderDecision> {
    draft.ledger().decisions.iter().find(|it| it.order == id).cloned()
}

fn put_if_changed(draft: &mut Draft, grant: Grant) {
    if grant_of(draft, grant.terms.id).as_ref() != Some(&grant) {
        draft.put(grant);
    }
}

/// A spend: moves from the reserve to the exposure together with its order, which must have come too.
fn spent(draft: &mut Draft, arrivals: &Arrivals, spend: &Spend, now: Timestamp) -> Result<(), InvalidField> {
    let Some(mut grant) = grant_of(draft, spend.grant) else {
        return Ok(());
    };
    let arrived = arrivals.orders.iter().find(|it| it.id == spend.order);
    let Some(arrived) = arrived.filter(|it| it.order.customer == grant.terms.customer) else {
        // Reserved until the order is here; the phone says it again.
        return Ok(());
    };
    let settlement = allowance::settle(
        &mut grant,
        spend,
        Arrival {
            at: now,
            revoked: arrivals.revoked,
        },
    );
    put_if_changed(draft, grant);
    for held in &settlement.held {
        if let Some(mut decision) = decision_of(draft, *held)
            && orders::hold(&mut decision, now, "two spends claim the same place of the allowance")
        {
            draft.put(decision);
        }
    }
    if settlement.again || decision_of(draft, spend.order).is_some() {
        return Ok(());
    }
    let total = arrived
        .order
        .total()
        .map_err(|error| InvalidField::new("lines", error.to_string()))?;
    let check = draft.check(total, now)?;
    // The allowance covers what was spent, not what the order was changed to afterwards.
    let covered = exposure::DayRates {
        rates: &draft.ledger().policy.rates,
        day: now.date_in(draft.ledger().organisation.time_zone),
    }
    .convert(total, spend.amount.currency)
    .is_ok_and(|total| total.amount <= spend.amount.amount);
    let standing = if covered {
        settlement.standing
    } else {
        SpendStanding::Refused
    };
    let reference = SpendReference {
        grant: spend.grant,
        seq: spend.seq,
    };
    draft.put(orders::decide(
        spend.order,
        &arrived.order,
        check,
        Some((reference, standing)),
        now,
    ));
    Ok(())
}

/// An order that is new, changed or taken back.
fn order(draft: &mut Draft, arrived: &ArrivedOrder, now: Timestamp) -> Result<(), InvalidField> {
    let order = &arrived.order;
    let act = orders::Act {
        by: order.rep,
        roles: &[Role::Rep],
        at: now,
        reason: "",
    };
    let known = decision_of(draft, arrived.id);
    match (known, order.state) {
        (_, OrderState::Draft) | (None, OrderState::Cancelled) => {}
        (None, OrderState::Submitted) => {
            let total = order
                .total()
                .map_err(|error| InvalidField::new("lines", error.to_string()))?;
            let check = draft.check(total, now)?;
            draft.put(orders::decide(arrived.id, order, check, None, now));
        }
        (Some(mut decision), OrderState::Cancelled) => {
            // One that is refused, closed or cancelled stays so.
            if orders::cancel(&mut decision, act).is_ok() {
                draft.put(decision);
            }
        }
        (Some(mut decision), OrderState::Submitted) => {
            let lines: BTreeMap<LineId, OrderDecisionLine> = order
                .lines
                .iter()
                .map(|(id, line)| (*id, orders::counted_line(line)))
                .collect();
            let same = lines.len() == decision.lines.values().filter(|it| !it.ordered.is_zero()).count()
                && lines.iter().all(|(id, line)| {
                    decision.lines.get(id).is_some_and(|known| {
                        (known.product, known.ordered, known.unit_price)
                            == (line.product, line.ordered, line.unit_price)
                    })
                });
            if same {
                return Ok(());
            }
            // A change that cannot be counted (another price for delivered goods) holds up nothing else that came.
            let Ok(grown) = orders::growth(&decision, &lines) else {
                return Ok(());
            };
            let check = if grown.amount.is_zero() {
                None
            } else {
                Some(draft.check(grown, now)?)
            };
            // What cannot be amended any more (refused, closed, delivered at another price) stays as it was decided; the
            // rep's words stay in the document.
            if orders::amend(&mut decision, &lines, check, act).is_ok() {
                draft.put(decision);
            }
        }
    }
    Ok(())
}
