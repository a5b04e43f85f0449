//! How a day ends: everything comes in, everything is given back, and the books must add up.

use std::collections::{BTreeMap, BTreeSet};

use fieldledger_core::{
    db::{allowances, exchange::Limits},
    model::{CustomerId, DeviceId, Grant, GrantId, GrantState, OrderStanding, SpendStanding},
    rules::allowance::DeviceGrant,
    sync::engine::Event,
};
use fieldledger_server::{
    ledger::Draft,
    store::{CustomerLedger, DocumentStore as _},
};
use rust_decimal::Decimal;

use super::{
    truth::{Promise, came_too_late, is_over, settled},
    world::{GRACE_HOURS, World},
};

/// Rounds of ten minutes in which everything must have come to rest.
const ROUNDS: usize = 40;

impl World {
    /// Heals the network, asks everything back, and checks that nothing is stuck and every promise was kept.
    pub(crate) async fn end_the_day(&mut self) {
        self.heal();
        if !self.come_to_rest().await {
            let stuck = self.what_moves().await;
            self.broken
                .push(format!("the phones and the server never came to agree: {stuck}"));
            return;
        }
        for customer in self.office.customers.clone() {
            for grant in self.office.ledger(customer).await.grants {
                if grant.state == GrantState::Open {
                    self.office.recall(customer, grant.terms.id).await;
                }
            }
        }
        self.come_to_rest().await;
        self.check_phones().await;
        self.check_promises().await;
        self.write_off_what_is_left().await;
        self.note("settled", &[]);
    }

    async fn come_to_rest(&mut self) -> bool {
        for _ in 0..ROUNDS {
            for index in self.left() {
                if !self.phones[index].online {
                    self.phones[index].online = true;
                    self.tell(index, Event::Online);
                }
                self.tell(index, Event::SyncRequested);
            }
            self.pass(600_000).await;
            if self.what_moves().await.is_empty() {
                return true;
            }
        }
        false
    }

    /// What still waits, in words; empty when nothing does.
    async fn what_moves(&self) -> String {
        for index in self.left() {
            let store = &self.phones[index].store;
            let status = store.status().expect("a phone tells its status");
            if status.waiting > 0 {
                return format!("phone {index} has {} changes waiting", status.waiting);
            }
            let limits = Limits { entries: 1, bytes: 1 };
            let words = store.outgoing(limits).expect("a phone tells what it would send").words;
            if !words.is_empty() {
                return format!("phone {index} goes on saying {words:?}");
            }
            let cursors = store.cursors().expect("a phone knows its places");
            for stream in self.streams_of(index) {
                let head = self.office.store.head(self.office.organisation, stream).await;
                let head = head.expect("the store answers");
                let place = cursors.iter().find(|it| it.stream == stream).and_then(|it| it.cursor);
                if head.is_some_and(|head| head.seq > 0) && head != place {
                    return format!("phone {index} is at {place:?} of {stream:?}, which ends at {head:?}");
                }
            }
        }
        String::new()
    }

    /// What a phone alone of its kind has spent is what the server has settled, and nothing of what it gave back is stuck.
    async fn check_phones(&mut self) {
        let mut on_server: BTreeMap<GrantId, Grant> = BTreeMap::new();
        for customer in &self.office.customers {
            let grants = self.office.ledger(*customer).await.grants;
            on_server.extend(grants.into_iter().map(|it| (it.terms.id, it)));
        }
        let mut broken = Vec::new();
        let mut reached: BTreeSet<GrantId> = BTreeSet::new();
        for index in self.left() {
            let phone = &self.phones[index];
            for id in on_server.keys() {
                let held = phone.store.read(|connection| allowances::get(connection, *id));
                let Some(held) = held.expect("a phone reads its allowances") else {
                    continue;
                };
                reached.insert(*id);
                let grant = &on_server[id];
                if !self.forked.contains(&phone.device) {
                    broken.extend(disagreement(&held, grant).map(|what| format!("phone {index}: grant {id}: {what}")));
                    if !is_over(grant.state) {
                        broken.push(format!("phone {index}: grant {id} is stuck: {grant:?}"));
                    }
                }
            }
        }
        let left: BTreeSet<DeviceId> = self.left().into_iter().map(|index| self.phones[index].device).collect();
        for (id, grant) in &on_server {
            if left.contains(&grant.terms.device) && !self.forked.contains(&grant.terms.device) && !reached.contains(id)
            {
                broken.push(format!("grant {id} never reached its phone"));
            }
        }
        self.broken.extend(broken);
    }

    /// Every order that a phone called guaranteed is accepted, unless the rules themselves say otherwise.
    async fn check_promises(&mut self) {
        let mut ledgers: BTreeMap<CustomerId, CustomerLedger> = BTreeMap::new();
        for customer in self.office.customers.clone() {
            ledgers.insert(customer, self.office.ledger(customer).await);
        }
        let (mut broken, mut kept, mut excused) = (Vec::new(), 0, 0);
        for promise in &self.promises {
            let ledger = &ledgers[&promise.customer];
            let decision = ledger.decisions.iter().find(|it| it.order == promise.order);
            let standing = decision.map(|it| it.standing);
            let accepted = matches!(
                standing,
                Some(
                    OrderStanding::Approved
                        | OrderStanding::Released
                        | OrderStanding::Cancelled
                        | OrderStanding::Closed
                )
            );
            if accepted {
                kept += 1;
            } else if self.is_excused(promise, ledger) {
                excused += 1;
            } else {
                let grant = ledger.grants.iter().find(|it| Some(it.terms.id) == promise.grant);
                broken.push(format!(
                    "the guaranteed order {} is {standing:?}: {promise:?}, {grant:?}",
                    promise.order
                ));
            }
        }
        self.broken.extend(broken);
        *self.tally.entry("promise kept").or_default() += kept;
        *self.tally.entry("promise excused").or_default() += excused;
    }

    /// What may become of a promise by the rules: its grant was written off by two people, the order was turned down by
    /// one, the phone is lost for good or was more than one phone, or a lease's spend came after the grace.
    fn is_excused(&self, promise: &Promise, ledger: &CustomerLedger) -> bool {
        let device = &self.office.devices[&promise.device];
        if device.revoked_at.is_some()
            || self.forked.contains(&promise.device)
            || self.turned_down.contains(&promise.order)
        {
            return true;
        }
        let Some(grant) = ledger.grants.iter().find(|it| Some(it.terms.id) == promise.grant) else {
            return false;
        };
        let grace = i64::from(GRACE_HOURS) * 3_600_000;
        let first_said = self.office.first_said.get(&promise.order).copied();
        grant.state == GrantState::WrittenOff
            || came_too_late(grant, promise.order, grace, first_said, self.office.restored_at)
    }

    /// Two people write off what lost and copied phones will never give back. Then nothing is reserved any more.
    async fn write_off_what_is_left(&mut self) {
        let mut broken = Vec::new();
        for customer in self.office.customers.clone() {
            for grant in self.office.ledger(customer).await.grants {
                if is_over(grant.state) {
                    continue;
                }
                for who in 0..2 {
                    self.office.write_off(customer, grant.terms.id, who).await;
                }
            }
            let ledger = self.office.ledger(customer).await;
            let position = Draft::of(&ledger).position(self.time()).expect("the books add up");
            let own = super::truth::standing(&ledger, self.time());
            if (position.exposure.amount, position.reserved.amount) != (own.owed, own.reserved) {
                broken.push(format!(
                    "the server's sums differ: {position:?}, {} and {}",
                    own.owed, own.reserved
                ));
            }
            if own.reserved != Decimal::ZERO {
                broken.push(format!("{} stays reserved for {customer}", own.reserved));
            }
        }
        for problem in self.office.store.verify().await.expect("the store can be verified") {
            broken.push(format!("verify: {problem}"));
        }
        self.broken.extend(broken);
    }
}

/// Where a phone and the server differ about a grant.
fn disagreement(held: &DeviceGrant, grant: &Grant) -> Option<String> {
    let granted = grant.terms.amount.amount;
    let spent: Decimal = held.spends.iter().map(|it| it.amount.amount).sum();
    if spent + held.remaining().amount != granted {
        return Some(format!(
            "{spent} spent and {} left of {granted}",
            held.remaining().amount
        ));
    }
    let on_phone: Vec<_> = held.spends.iter().map(|it| (it.seq, it.order, it.amount)).collect();
    let on_server: Vec<_> = grant.settled.iter().map(|it| (it.seq, it.order, it.amount)).collect();
    if on_phone != on_server {
        return Some(format!("the phone spent {on_phone:?}, the server has {on_server:?}"));
    }
    let waiting = grant.settled.iter().filter(|it| it.standing != SpendStanding::Settled);
    let waiting: Decimal = waiting.map(|it| it.amount.amount).sum();
    if settled(grant) + waiting != spent {
        return Some(format!(
            "{} settled and {waiting} in review of {spent} spent",
            settled(grant)
        ));
    }
    let fair = |it: &SpendStanding| matches!(it, SpendStanding::Settled | SpendStanding::Late);
    if !grant.settled.iter().all(|it| fair(&it.standing)) {
        return Some("an honest phone's spend was refused".to_owned());
    }
    None
}
