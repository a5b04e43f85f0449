//! What comes in from phones: orders, changes of orders, and words about offline allowances.

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{
        CollectionNote, DocumentId, Grant, InvalidField, LineId, Money, Order, OrderDecision, OrderDecisionLine,
        OrderState, ProductId, Receipt, Role, ShownGrant, Spend, SpendReference, SpendStanding, StatementConfirmation,
        Timestamp,
    },
    rules::{
        allowance::{self, Arrival},
        exposure, orders,
    },
    sync::protocol::AllowanceWord,
};

use super::{ArrivedDelivery, Draft, deliveries, statements};
use crate::store::{AuditEntry, CustomerLedger, LedgerChange};

/// Why an order that was approved goes to review after all.
const TWICE: &str = "two spends claim the same place of the allowance";

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
    /// Deliveries that came or changed, and those of orders that came only now.
    pub deliveries: Vec<ArrivedDelivery>,
    /// Notes about collecting: what was told to the customer.
    pub notes: Vec<(DocumentId, CollectionNote)>,
    /// Answers to statements that reps took down.
    pub answers: Vec<StatementConfirmation>,
    /// List prices of what was delivered.
    pub list_prices: BTreeMap<ProductId, Money>,
    /// Words about grants for this customer, in the phone's order. A grant that is shown has been found to be signed by
    /// this server, and comes from the device it was given to.
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
    draft.end_leases(now);
    for word in &arrivals.words {
        if let AllowanceWord::Shown(shown) = word {
            take_back(&mut draft, shown, now)?;
        }
    }
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
    for arrived in &arrivals.deliveries {
        deliveries::count(&mut draft, arrived, &arrivals.list_prices, now)?;
    }
    for (id, note) in &arrivals.notes {
        told(&mut draft, *id, note, now);
    }
    for answer in &arrivals.answers {
        answered(&mut draft, answer, now);
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

/// Sales was told of these receipts at `told_at`: a phone of the customer's rep received them. The first time counts.
///
/// # Errors
/// [`InvalidField`] when it cannot be told where the customer stands.
pub fn sales_told(
    ledger: &CustomerLedger,
    references: &[String],
    told_at: Timestamp,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    let untold = ledger.receipts.iter().filter(|it| it.sales_told_at.is_none());
    for receipt in untold.filter(|it| references.contains(&it.reference)) {
        draft.put(Receipt {
            // Nobody is told before finance knows.
            sales_told_at: Some(told_at.max(receipt.arrived_at.unwrap_or(told_at)).min(now)),
            ..receipt.clone()
        });
    }
    draft.finish("", now)
}

/// A note that says that money was confirmed to the customer stops the receipt's timer; the first one counts. The server's
/// time counts, since a phone's clock could make a rep look faster than they were.
fn told(draft: &mut Draft, id: DocumentId, note: &CollectionNote, now: Timestamp) {
    let receipts = &draft.ledger().receipts;
    let named = |it: &&Receipt| note.receipt.as_deref() == Some(it.reference.as_str());
    if let Some(receipt) = receipts.iter().find(named)
        && receipt.customer_told_at.is_none()
    {
        draft.put(Receipt {
            customer_told_at: Some(now),
            customer_told_by: Some(id),
            ..receipt.clone()
        });
    }
}

/// What the customer said of a statement's lines, in the statement. An answer that is given anew replaces the one before;
/// every version of a record is kept.
fn answered(draft: &mut Draft, answer: &StatementConfirmation, now: Timestamp) {
    let stated = draft.ledger().statements.iter().find(|it| it.id == answer.statement);
    let Some(mut statement) = stated.cloned() else {
        return;
    };
    if statements::take_answers(&mut statement, &answer.answers, &answer.person, now) {
        draft.put(statement);
    }
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

/// A grant that a restored server had lost. Its phone may have spent it, so it is reserved again even when others have been
/// given the same credit meanwhile; then what can be asked back is asked back.
fn take_back(draft: &mut Draft, shown: &ShownGrant, now: Timestamp) -> Result<(), InvalidField> {
    if grant_of(draft, shown.terms.id).is_some() {
        return Ok(());
    }
    let grant = allowance::take_back(shown.clone(), now);
    let mut detail = format!("{} for {}", grant.terms.amount, draft.ledger().customer.code);
    draft.put(grant);
    if draft.is_over_limit(now)? {
        detail.push_str("; what is owed and reserved is above the limit now");
    }
    draft.audit(AuditEntry {
        at: now,
        actor: format!("device:{}", shown.terms.device),
        action: "allowance.taken_back".to_owned(),
        subject: shown.terms.id.to_string(),
        detail,
    });
    draft.recall_excess(now, "server", "more is reserved than the limit allows, after a restore")
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
            && orders::hold(&mut decision, now, TWICE)
        {
            draft.put(decision);
        }
    }
    let decided = decision_of(draft, spend.order);
    if decided.as_ref().is_some_and(|it| it.spend.is_some()) {
        return Ok(());
    }
    let total = arrived
        .order
        .total()
        .map_err(|error| InvalidField::new("lines", error.to_string()))?;
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
    let Some(mut decision) = decided else {
        let check = draft.check(total, now)?;
        let spend_of_it = Some((reference, standing));
        draft.put(orders::decide(spend.order, &arrived.order, check, spend_of_it, now));
        return Ok(());
    };
    // The order was here before its spend: somebody else's phone brought it, or a restored server has it again.
    let changed = match standing {
        SpendStanding::Settled => orders::guarantee(&mut decision, reference, now),
        SpendStanding::Conflict => orders::hold(&mut decision, now, TWICE),
        // It was decided on for what the customer's credit is by itself, and stays so.
        SpendStanding::Late | SpendStanding::Refused => false,
    };
    if changed {
        draft.put(decision);
    }
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
