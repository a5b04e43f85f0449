//! What must hold after everything that happens, worked out apart from the product's own sums.

use std::collections::{BTreeMap, BTreeSet};

use fieldledger_core::model::{
    CreditLimit, CustomerId, DeviceId, DocumentId, Grant, GrantId, GrantMode, GrantState, OrderDecision, OrderStanding,
    SettledSpend, SpendStanding, Timestamp,
};
use fieldledger_server::store::CustomerLedger;
use rust_decimal::Decimal;

/// A phone told a customer that an order is guaranteed.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub device: DeviceId,
    pub customer: CustomerId,
    pub order: DocumentId,
    /// What stands behind it; `None` when a wrong way does.
    pub grant: Option<GrantId>,
}

/// What the books say of a customer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub limit: Decimal,
    /// X.
    pub owed: Decimal,
    /// G.
    pub reserved: Decimal,
    /// What each order counts.
    orders: BTreeMap<DocumentId, Decimal>,
    /// Orders that the rules approved, with the grant that was spent on them.
    approved: BTreeSet<(DocumentId, GrantId)>,
    grants: BTreeMap<GrantId, Grant>,
}

/// Why what is owed or reserved may grow above the limit in one step: only by somebody's explicit will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The ordinary course: nothing may.
    Ordinary,
    /// A person with authority let this order through.
    Released(DocumentId),
    /// A payment was returned, or something else that nobody at the desk decided.
    Outside(Decimal),
    /// The server is another one now; what it knows is the new beginning.
    Restored,
}

fn counted(decision: &OrderDecision) -> Decimal {
    if !decision.standing.is_committed() {
        return Decimal::ZERO;
    }
    let lines = decision.lines.values();
    lines.map(|line| (line.ordered * line.unit_price).round_dp(2)).sum()
}

pub(crate) fn settled(grant: &Grant) -> Decimal {
    let settled = grant.settled.iter().filter(|it| it.standing == SpendStanding::Settled);
    settled.map(|it| it.amount.amount).sum()
}

pub(crate) const fn is_over(state: GrantState) -> bool {
    matches!(state, GrantState::Closed | GrantState::Expired | GrantState::WrittenOff)
}

/// Where a customer stands, from invoices, payments, orders and grants.
pub(crate) fn standing(ledger: &CustomerLedger, now: Timestamp) -> Standing {
    let today = now.date_in(ledger.organisation.time_zone);
    let limit = match ledger.account.terms_on(today).map(|it| it.limit) {
        Some(CreditLimit::Limited(limit)) => limit.amount,
        other => panic!("every customer of the simulation has a limit: {other:?}"),
    };
    let orders: BTreeMap<DocumentId, Decimal> = ledger.decisions.iter().map(|it| (it.order, counted(it))).collect();
    let invoiced: Decimal = ledger.invoices.iter().map(|it| it.amount.amount).sum();
    let valid = ledger.receipts.iter().filter(|it| it.bounced_on.is_none());
    let paid: Decimal = valid.map(|it| it.amount.amount).sum();
    let open = ledger.grants.iter().filter(|it| !is_over(it.state));
    Standing {
        limit,
        owed: invoiced - paid + orders.values().sum::<Decimal>(),
        reserved: open.map(|it| it.terms.amount.amount - settled(it)).sum(),
        approved: ledger
            .decisions
            .iter()
            .filter(|it| it.standing == OrderStanding::Approved)
            .filter_map(|it| Some((it.order, it.spend?.grant)))
            .collect(),
        orders,
        grants: ledger.grants.iter().map(|it| (it.terms.id, it.clone())).collect(),
    }
}

/// By how much what is owed and reserved may have grown above the limit.
fn explained(before: &Standing, after: &Standing, cause: Cause) -> Decimal {
    let by_will = match cause {
        Cause::Ordinary | Cause::Restored => Decimal::ZERO,
        Cause::Released(order) => after.orders.get(&order).copied().unwrap_or_default(),
        Cause::Outside(amount) => amount,
    };
    // A promise that a restored server had forgotten.
    let taken_back = after
        .grants
        .iter()
        .filter(|(id, it)| it.taken_back_at.is_some() && !before.grants.contains_key(*id));
    let taken_back: Decimal = taken_back.map(|(_, it)| it.terms.amount.amount).sum();
    // Two phones in one place of a grant: its amount is reserved again, and when the order no longer counts (it was
    // cancelled, or a person let it through) nothing makes up for it.
    let mut forked = Decimal::ZERO;
    for (id, old) in &before.grants {
        let Some(new) = after.grants.get(id) else { continue };
        for spend in old.settled.iter().filter(|it| it.standing == SpendStanding::Settled) {
            let same = |it: &&SettledSpend| it.seq == spend.seq && it.order == spend.order;
            let now = new.settled.iter().find(same).map(|it| it.standing);
            if now == Some(SpendStanding::Conflict) {
                forked += spend.amount.amount;
            }
        }
    }
    by_will + taken_back + forked
}

/// What is wrong with a step of the server; empty when nothing is.
pub(crate) fn check_step(before: &Standing, after: &Standing, cause: Cause) -> Vec<String> {
    let mut broken = Vec::new();
    let sum = |it: &Standing| it.owed + it.reserved;
    let growth = sum(after) - sum(before);
    if cause != Cause::Restored
        && sum(after) > after.limit
        && growth > explained(before, after, cause).max(Decimal::ZERO)
    {
        let (owed, reserved, limit) = (after.owed, after.reserved, after.limit);
        broken.push(format!(
            "over the limit by {cause:?}: {owed} owed and {reserved} reserved of {limit}, {growth} more than before"
        ));
    }
    for grant in after.grants.values() {
        let (id, granted) = (grant.terms.id, grant.terms.amount.amount);
        if settled(grant) > granted {
            broken.push(format!(
                "more than {granted} is settled of grant {id}: {}",
                settled(grant)
            ));
        }
        let places: BTreeSet<u32> = grant
            .settled
            .iter()
            .filter(|it| it.standing == SpendStanding::Settled)
            .map(|it| it.seq)
            .collect();
        let count = grant
            .settled
            .iter()
            .filter(|it| it.standing == SpendStanding::Settled)
            .count();
        if places.len() != count {
            broken.push(format!("a place of grant {id} is settled twice"));
        }
        let contested = grant.settled.iter().filter(|it| it.standing == SpendStanding::Conflict);
        for spend in contested.filter(|it| after.approved.contains(&(it.order, id))) {
            broken.push(format!(
                "two phones spent place {} of grant {id}, and {} is approved",
                spend.seq, spend.order
            ));
        }
        if grant.state == GrantState::Closed
            && let Some(close) = &grant.close
        {
            let all: Decimal = grant.settled.iter().map(|it| it.amount.amount).sum();
            if all < close.total.amount {
                broken.push(format!("grant {id} was freed before all of it had come"));
            }
        }
    }
    broken
}

/// Whether the rules themselves let a guaranteed order go to review: a lease whose spend came after the grace. A restored
/// server forgets what had come in time.
pub(crate) fn came_too_late(
    grant: &Grant,
    order: DocumentId,
    grace_millis: i64,
    first_said: Option<Timestamp>,
    restored_at: Option<Timestamp>,
) -> bool {
    /// Word and order may travel in two exchanges.
    const ON_THE_WAY: i64 = 1_800_000;
    let end = grant
        .taken_back_at
        .map_or(grant.terms.not_after, |it| it.max(grant.terms.not_after));
    let end = end.plus_millis(grace_millis);
    let spend = grant.settled.iter().find(|it| it.order == order);
    let late = spend.is_some_and(|it| it.standing == SpendStanding::Late && it.received_at >= end);
    let rightly =
        first_said.is_none_or(|said| said.plus_millis(ON_THE_WAY) >= end || restored_at.is_some_and(|it| it >= said));
    grant.terms.mode == GrantMode::Lease && late && rightly
}
