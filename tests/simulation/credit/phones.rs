//! What people do with their phones.

use fieldledger_core::{
    db::{allowances, meta},
    error::FieldError,
    model::{CreditVerdict, Currency, CustomerId, DocumentId, Guarantee, Order, OrderLine, OrderState},
    rules::allowance::{ClockReading, DeviceClock, DeviceGrant},
    store::PhoneClock as _,
    sync::engine::Event,
};
use rand::{RngExt as _, seq::IndexedRandom as _};

use super::{truth::Promise, variants::Wrong, world::World};

impl World {
    /// A rep takes an order and tells the customer what the phone says.
    pub(crate) fn take_order(&mut self, index: usize, customer: CustomerId) {
        let now = self.now();
        self.phones[index].set_time(now);
        let amount = self.rng.random_range(10..200);
        let wrong = self.plan.wrong;
        if wrong == Wrong::TrustTheWallClock {
            self.believe_the_wall_clock(index);
        }
        let phone = &self.phones[index];
        let before: Vec<DeviceGrant> = phone
            .store
            .allowances(None)
            .expect("a phone tells its allowances")
            .into_iter()
            .map(|it| it.grant)
            .collect();
        let mut order = Order::new(customer, phone.user, format!("N{amount}"), self.time(), Currency::CNY);
        let line = OrderLine {
            product: self.product,
            quantity: 1.into(),
            unit_price: amount.into(),
            discount: 0.into(),
        };
        order
            .lines
            .insert(phone.store.line_id().expect("a phone names lines"), line);
        let submitted = phone
            .store
            .create(order)
            .and_then(|draft| phone.store.submit_order(&draft));
        let submitted = match submitted {
            Ok(submitted) => submitted,
            // The customer has not come to the phone yet.
            Err(FieldError::Invalid(_) | FieldError::NotFound | FieldError::NotAllowed(_)) => {
                return self.note("told no", &[]);
            }
            Err(other) => return self.broken.push(format!("an order could not be taken: {other}")),
        };
        let decision = submitted
            .value
            .credit
            .as_ref()
            .expect("a submitted order says what the phone thinks");
        let mut promise = Promise {
            device: phone.device,
            customer,
            order: submitted.id,
            grant: None,
        };
        match (decision.verdict, decision.inputs.guarantee) {
            (CreditVerdict::Approved, Guarantee::Allowance(grant)) => {
                promise.grant = Some(grant);
                self.note("order guaranteed", submitted.id.as_bytes());
                let terms = before.iter().find(|it| it.terms.id == grant).map(|it| it.terms.clone());
                // Monotonic clocks tell the truth here, and a reply is under way for seconds.
                const SLACK: i64 = 600_000;
                if terms.is_none_or(|it| self.time() >= it.not_after.plus_millis(SLACK)) {
                    self.broken
                        .push(format!("phone {index} spent an allowance that was over"));
                }
                self.promises.push(promise);
                if wrong == Wrong::SpendInAnotherTransaction && self.rng.random_range(0..3) == 0 {
                    self.undo_spend(index, &before, submitted.id);
                }
            }
            (CreditVerdict::Approved, _) => self
                .broken
                .push(format!("phone {index} guarantees without an allowance")),
            (CreditVerdict::Provisional, _) if wrong == Wrong::CachedLimit => {
                self.office.claimed.insert(submitted.id);
                self.promises.push(promise);
                self.note("order provisional", submitted.id.as_bytes());
            }
            (CreditVerdict::Provisional, _) => self.note("order provisional", submitted.id.as_bytes()),
            (CreditVerdict::Held | CreditVerdict::Refused, _) => self.note("order held on the phone", &[]),
        }
        self.orders.push((index, submitted.id));
        self.tell(index, Event::LocalChange);
    }

    /// A rep takes an order back.
    pub(crate) fn cancel_order(&mut self, index: usize) {
        let now = self.now();
        self.phones[index].set_time(now);
        let own: Vec<DocumentId> = self.orders.iter().filter(|it| it.0 == index).map(|it| it.1).collect();
        let Some(id) = own.choose(&mut self.rng).copied() else {
            return;
        };
        let submitted = |order: &fieldledger_core::store::Document<Order>| order.value.state == OrderState::Submitted;
        if !self.phones[index]
            .store
            .order(id)
            .is_ok_and(|it| it.as_ref().is_some_and(submitted))
        {
            return;
        }
        if self.phones[index].store.cancel_order(id).is_ok() {
            self.note("order cancelled", id.as_bytes());
            self.tell(index, Event::LocalChange);
        }
    }

    /// A rep gives an allowance back.
    pub(crate) fn give_back(&mut self, index: usize) {
        let now = self.now();
        self.phones[index].set_time(now);
        let store = &self.phones[index].store;
        let allowances = store.allowances(None).expect("a phone tells its allowances");
        let Some(allowance) = allowances.choose(&mut self.rng) else {
            return;
        };
        let grant = allowance.grant.clone();
        store
            .return_allowance(grant.terms.id)
            .expect("an allowance is given back");
        self.note("allowance given back", grant.terms.id.as_bytes());
        self.tell(index, Event::SyncRequested);
    }

    /// The app dies after the order was written and before the spend is.
    fn undo_spend(&mut self, index: usize, before: &[DeviceGrant], order: DocumentId) {
        let undo = self.phones[index].store.write(&[], |transaction| {
            for grant in before {
                allowances::put(transaction, grant)?;
            }
            transaction.execute("DELETE FROM allowance_word WHERE word LIKE ?1", [format!("%{order}%")])?;
            Ok(())
        });
        undo.expect("the wrong way writes");
        self.phones[index].crash();
    }

    fn believe_the_wall_clock(&self, index: usize) {
        let phone = &self.phones[index];
        let clock = phone.clock();
        let boot = clock.boot();
        let reading = ClockReading {
            wall: clock.now(),
            monotonic_millis: boot.millis,
            run: boot.run,
        };
        let believed = DeviceClock::synced(reading.wall, reading);
        let set = phone.store.write(&[], |transaction| {
            meta::set(transaction, meta::ALLOWANCE_CLOCK, &believed)
        });
        set.expect("the wrong way writes");
    }
}
