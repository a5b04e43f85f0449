//! The guarantee, tried on bad days: many phones, a network that loses, repeats and reorders, clocks that are wrong by
//! more than a lease, copied and restored phones, lost phones, returned cheques. Each run follows from its seed.
//!
//! The same checks are put to variants that look reasonable and are wrong; they have to be caught.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;

use super::*;
use crate::model::{
    CreditGrade, CreditLimit, Currency, CustomerId, DeviceId, DocumentId, Grant, GrantClosing, GrantId, GrantMode,
    GrantState, GrantTerms, Money, Policy, Spend, SpendStanding, Timestamp, UserId,
};

const HOUR: i64 = 3_600_000;

/// How the server of a run does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// As the module says.
    Real,
    /// Phones check the limit and exposure of their last sync; nothing is reserved; the server takes what comes.
    CachedLimit,
    /// Freed at `not_after` by the server's clock; what comes later is accepted all the same.
    FreeAtExpiryAcceptLate,
    /// Freed when it is asked back, before the phone has closed it; what comes later is accepted.
    FreeBeforeClose,
    /// Two online approvals read the position first and write afterwards.
    CheckOutsideTheLock,
}

fn cny(amount: Decimal) -> Money {
    Money::new(amount, Currency::CNY)
}

/// What the company counts for one customer.
#[derive(Default)]
struct Books {
    approved: BTreeMap<DocumentId, Decimal>,
    paid: Decimal,
    /// What may be used at most: the limit, and what growth from outside put on top of it and is not worked off yet.
    ceiling: Decimal,
}

impl Books {
    fn exposure(&self) -> Decimal {
        self.approved.values().sum::<Decimal>() - self.paid
    }
}

#[derive(Clone)]
enum Up {
    Want(CustomerId),
    Spend(Spend),
    Close(GrantClosing),
}

#[derive(Clone)]
enum Down {
    Granted(GrantTerms),
    Has(GrantId, u32),
    Recall(GrantId),
    Time(Timestamp),
}

#[derive(Clone)]
struct Phone {
    device: DeviceId,
    grants: Vec<DeviceGrant>,
    acknowledged: BTreeSet<(GrantId, u32)>,
    clock: Option<DeviceClock>,
    /// Offset of the wall clock, and how fast both clocks run, in percent of true time.
    wall_offset: i64,
    rate: i64,
    run: u64,
    lost: bool,
}

impl Phone {
    fn reading(&self, now: i64) -> ClockReading {
        let counted = now * self.rate / 100;
        ClockReading {
            wall: Timestamp::from_millis(counted + self.wall_offset),
            monotonic_millis: counted.unsigned_abs(),
            run: self.run,
        }
    }
}

struct World {
    rng: ChaCha12Rng,
    variant: Variant,
    /// Clocks that stand still, phones that seldom sync, and an office that uses up whatever is free at once.
    harsh: bool,
    now: i64,
    policy: Policy,
    limits: BTreeMap<CustomerId, Decimal>,
    books: BTreeMap<CustomerId, Books>,
    grants: BTreeMap<GrantId, Grant>,
    revoked: BTreeSet<DeviceId>,
    /// Devices of which there was ever more than one state.
    forked: BTreeSet<DeviceId>,
    phones: Vec<Phone>,
    older: Vec<Phone>,
    up: Vec<(usize, Up)>,
    down: Vec<(usize, Down)>,
    over_limit: u32,
    over_reserve: u32,
    counts: BTreeMap<&'static str, u32>,
}

impl World {
    fn new(seed: u64, variant: Variant) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let harsh = seed.is_multiple_of(3);
        let customers = rng.random_range(1..=3u8);
        let ids = (1..=customers).map(|no| CustomerId::from_bytes([no; 16]));
        let limits: BTreeMap<_, _> = ids
            .map(|id| (id, Decimal::from(rng.random_range(20..60u32) * 100)))
            .collect();
        let mut policy = Policy::default();
        let size = policy.allowances.sizes.get_mut(&CreditGrade::B).unwrap();
        size.max_share_of_limit = Decimal::ONE;
        let phones = (0..20u8)
            .map(|no| Phone {
                device: DeviceId::from_bytes([no; 16]),
                grants: Vec::new(),
                acknowledged: BTreeSet::new(),
                clock: None,
                wall_offset: rng.random_range(-100 * HOUR..100 * HOUR),
                rate: match rng.random_range(0..6) {
                    0 => 0,
                    _ if harsh => 0,
                    1 => 20,
                    2 => 300,
                    _ => 100,
                },
                run: 0,
                lost: false,
            })
            .collect();
        Self {
            variant,
            harsh,
            now: 0,
            policy,
            books: limits
                .iter()
                .map(|(id, limit)| {
                    let books = Books {
                        ceiling: *limit,
                        ..Books::default()
                    };
                    (*id, books)
                })
                .collect(),
            limits,
            grants: BTreeMap::new(),
            revoked: BTreeSet::new(),
            forked: BTreeSet::new(),
            phones,
            older: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            over_limit: 0,
            over_reserve: 0,
            counts: BTreeMap::new(),
            rng,
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
    fn customer(&mut self) -> CustomerId {
        let at = self.rng.random_range(0..self.limits.len());
        *self.limits.keys().nth(at).unwrap()
    }
    fn position(&self, customer: CustomerId) -> CreditPosition {
        let of: Vec<Grant> = self.of(customer).cloned().collect();
        let reserved = match self.variant {
            Variant::CachedLimit => cny(Decimal::ZERO),
            _ => reserved(&of, cny(Decimal::ZERO)).unwrap(),
        };
        CreditPosition {
            limit: CreditLimit::Limited(cny(self.limits[&customer])),
            exposure: cny(self.books[&customer].exposure()),
            reserved,
        }
    }
    fn of(&self, customer: CustomerId) -> impl Iterator<Item = &Grant> {
        self.grants.values().filter(move |it| it.terms.customer == customer)
    }

    /// X ≤ L, save for growth from outside. Asked after everything that happens.
    fn check(&mut self, customer: CustomerId) {
        let promised: Decimal = self.of(customer).map(|it| unsettled(it).amount).sum();
        let limit = self.limits[&customer];
        let books = self.books.get_mut(&customer).unwrap();
        let exposure = books.exposure();
        if exposure > books.ceiling {
            self.over_limit += 1;
        }
        books.ceiling = limit.max(books.ceiling.min(exposure + promised));
    }

    /// X + G + new ≤ L, asked with what is true rather than with what a variant believes.
    fn check_reserve(&mut self, customer: CustomerId, new: Decimal) {
        let promised: Decimal = self.of(customer).map(|it| unsettled(it).amount).sum();
        if self.books[&customer].exposure() + promised + new > self.limits[&customer] {
            self.over_reserve += 1;
        }
    }

    fn step(&mut self) {
        self.now += self.rng.random_range(5..90) * 60_000;
        for _ in 0..6 {
            match self.rng.random_range(0..100) {
                0..30 => self.take_order(),
                30..55 => self.sync(),
                55..75 => self.deliver_some(),
                75..82 => self.approve_online(),
                82..86 => self.pay(),
                86..87 => self.bounce(),
                87..89 => self.recall_some(),
                89..91 => self.give_back(),
                91..93 => self.copy_or_restore(),
                93..94 => self.lose_or_write_off(),
                94..96 => self.disturb_clock(),
                _ => self.expire(),
            }
        }
        if self.harsh {
            for _ in 0..4 {
                self.approve_online();
            }
        }
        let customers: Vec<_> = self.limits.keys().copied().collect();
        customers.into_iter().for_each(|it| self.check(it));
    }

    fn phone(&mut self) -> usize {
        self.rng.random_range(0..self.phones.len())
    }

    fn take_order(&mut self) {
        let at = self.phone();
        let amount = cny(Decimal::from(self.rng.random_range(1..400u32)));
        let order = DocumentId::random(&mut self.rng);
        let on_hold = self.one_in(40);
        let phone = &mut self.phones[at];
        let (reading, grants) = (phone.reading(self.now), phone.grants.len());
        if phone.lost || grants == 0 {
            return;
        }
        let grant = self.rng.random_range(0..grants);
        let clock = match &mut phone.clock {
            Some(clock) => clock.read(reading),
            None => Err(ClockFreeze::Restarted),
        };
        let grant = &mut phone.grants[grant];
        let request = SpendRequest {
            order,
            customer: grant.terms.customer,
            amount,
            on_hold,
        };
        let spent = grant.spend(&request, clock);
        self.count(match spent {
            Ok(_) => "spent",
            Err(SpendRefusal::Expired(_)) => "expired on the phone",
            Err(SpendRefusal::Clock(_)) => "clock frozen",
            Err(_) => "not spent",
        });
    }

    /// The phone offers everything that the server has not said it has; each message goes its own way.
    fn sync(&mut self) {
        let at = self.phone();
        let silent = self.phones[at].lost && self.one_in(2);
        if silent || (self.harsh && !self.one_in(3)) {
            return;
        }
        let customer = self.customer();
        let mut messages = vec![Up::Want(customer)];
        let phone = &self.phones[at];
        for grant in &phone.grants {
            let unsent = grant.spends.iter();
            let unsent = unsent.filter(|it| !phone.acknowledged.contains(&(it.grant, it.seq)));
            messages.extend(unsent.cloned().map(Up::Spend));
            if grant.closed {
                messages.push(Up::Close(grant.clone().close()));
            }
        }
        for message in messages {
            match self.rng.random_range(0..10) {
                0..3 => {}
                3..5 => self.up.extend([(at, message.clone()), (at, message)]),
                _ => self.up.push((at, message)),
            }
        }
    }

    fn deliver_some(&mut self) {
        for _ in 0..12 {
            if !self.up.is_empty() {
                let next = self.rng.random_range(0..self.up.len());
                let (from, message) = self.up.swap_remove(next);
                self.receive(from, message);
            }
            if !self.down.is_empty() {
                let next = self.rng.random_range(0..self.down.len());
                let (to, message) = self.down.swap_remove(next);
                self.hear(to, message);
            }
        }
    }

    fn answer(&mut self, to: usize, message: Down) {
        match self.rng.random_range(0..10) {
            0..2 => {}
            2..4 => self.down.extend([(to, message.clone()), (to, message)]),
            _ => self.down.push((to, message)),
        }
    }

    fn receive(&mut self, from: usize, message: Up) {
        let device = self.phones[from].device;
        let arrival = Arrival {
            at: self.time(),
            revoked: self.revoked.contains(&device),
        };
        match message {
            Up::Want(_) if arrival.revoked => {}
            Up::Want(customer) => {
                self.answer(from, Down::Time(arrival.at));
                let asked = |it: &&Grant| it.terms.device == device && it.state == GrantState::Recalled;
                let recalled: Vec<_> = self.grants.values().filter(asked).map(|it| it.terms.id).collect();
                recalled.into_iter().for_each(|it| self.answer(from, Down::Recall(it)));
                self.grant(from, customer);
            }
            Up::Spend(spend) => {
                self.take_in(&spend, arrival);
                self.answer(from, Down::Has(spend.grant, spend.seq));
            }
            Up::Close(closing) => {
                if let Some(grant) = self.grants.get_mut(&closing.grant)
                    && close(grant, &closing, arrival) == CloseOutcome::Freed
                {
                    self.count("closed");
                }
            }
        }
    }

    fn grant(&mut self, to: usize, customer: CustomerId) {
        let device = self.phones[to].device;
        let live = |it: &Grant| it.terms.device == device && !is_freed(it.state);
        if self.of(customer).any(live) {
            return;
        }
        let position = self.position(customer);
        let recent: Vec<_> = (0..3).map(|_| cny(self.rng.random_range(100..500u32).into())).collect();
        let mut amount = suggest(&self.policy, Some(CreditGrade::B), 2, &recent, &position).unwrap();
        if self.variant == Variant::CachedLimit {
            amount = position.headroom().unwrap().unwrap();
            amount.amount -= amount.amount % Decimal::ONE_HUNDRED;
        }
        let request = GrantRequest {
            id: GrantId::random(&mut self.rng),
            device,
            user: UserId::from_bytes(*device.as_bytes()),
            customer,
            grade: Some(CreditGrade::B),
            on_hold: false,
            amount,
            mode: if self.one_in(2) {
                GrantMode::Strict
            } else {
                GrantMode::Lease
            },
        };
        let Ok(terms) = issue(&request, &self.policy, 1, &position, self.time()) else {
            return self.count("no grant");
        };
        self.check_reserve(customer, amount.amount);
        let grant = Grant {
            terms: terms.clone(),
            signature: String::new(),
            state: GrantState::Open,
            settled: Vec::new(),
            close: None,
            reason: String::new(),
            written_off_by: Vec::new(),
            taken_back_at: None,
        };
        self.grants.insert(terms.id, grant);
        self.count("granted");
        self.answer(to, Down::Granted(terms));
    }

    fn take_in(&mut self, spend: &Spend, arrival: Arrival) {
        let variant = self.variant;
        let grant = self.grants.get_mut(&spend.grant).unwrap();
        let settlement = settle(grant, spend, arrival);
        // What the wrong variants do with what they should not approve.
        let accept = match variant {
            Variant::FreeAtExpiryAcceptLate | Variant::FreeBeforeClose => settlement.standing == SpendStanding::Late,
            Variant::CachedLimit => true,
            Variant::Real | Variant::CheckOutsideTheLock => false,
        };
        let books = self.books.get_mut(&spend.customer).unwrap();
        for order in &settlement.held {
            books.approved.remove(order);
        }
        if (settlement.standing == SpendStanding::Settled || accept) && !settlement.again {
            books.approved.insert(spend.order, spend.amount.amount);
        }
        if !settlement.again {
            self.count(match settlement.standing {
                SpendStanding::Settled => "settled",
                SpendStanding::Late => "late",
                SpendStanding::Conflict => "conflict",
                SpendStanding::Refused => "refused",
            });
        }
        self.check(spend.customer);
    }

    fn hear(&mut self, to: usize, message: Down) {
        let reading = self.phones[to].reading(self.now);
        let phone = &mut self.phones[to];
        match message {
            Down::Granted(terms) => {
                if phone.grants.iter().all(|it| it.terms.id != terms.id) {
                    phone.grants.push(DeviceGrant::new(terms));
                }
            }
            Down::Has(grant, seq) => {
                phone.acknowledged.insert((grant, seq));
            }
            Down::Recall(id) => {
                if let Some(grant) = phone.grants.iter_mut().find(|it| it.terms.id == id) {
                    grant.recalled = true;
                    grant.close();
                }
            }
            Down::Time(time) => phone.clock = Some(DeviceClock::synced(time, reading)),
        }
    }

    /// Two people at two desks at the same time; the lock puts one after the other.
    fn approve_online(&mut self) {
        let customer = self.customer();
        let seen = self.position(customer);
        for _ in 0..2 {
            let amount = Decimal::from(self.rng.random_range(1..900u32));
            let position = match self.variant {
                Variant::CheckOutsideTheLock => seen,
                _ => self.position(customer),
            };
            if position.fits(cny(amount)).unwrap() {
                self.check_reserve(customer, amount);
                let order = DocumentId::random(&mut self.rng);
                let books = self.books.get_mut(&customer).unwrap();
                books.approved.insert(order, amount);
                self.count("approved online");
                self.check(customer);
            }
        }
    }

    fn pay(&mut self) {
        let customer = self.customer();
        let share = Decimal::from(self.rng.random_range(1..=4u32)) / Decimal::TEN;
        let books = self.books.get_mut(&customer).unwrap();
        let owed = books.exposure().max(Decimal::ZERO);
        books.paid += (owed * share).round();
    }

    fn bounce(&mut self) {
        let customer = self.customer();
        self.check(customer);
        let books = self.books.get_mut(&customer).unwrap();
        let cheque = books.paid.min(Decimal::from(300));
        books.paid -= cheque;
        books.ceiling += cheque;
        let of: Vec<Grant> = self.of(customer).cloned().collect();
        for id in recalls(&of, &self.position(customer)).unwrap() {
            recall(self.grants.get_mut(&id).unwrap(), "the limit is exceeded");
        }
    }

    fn recall_some(&mut self) {
        let live: Vec<GrantId> = self
            .grants
            .values()
            .filter(|it| !is_freed(it.state))
            .map(|it| it.terms.id)
            .collect();
        // The wrong way frees at once and therefore asks back without a second thought.
        let count = if self.variant == Variant::FreeBeforeClose { 4 } else { 1 };
        for _ in 0..count.min(live.len()) {
            let id = live[self.rng.random_range(0..live.len())];
            let grant = self.grants.get_mut(&id).unwrap();
            recall(grant, "asked back");
            if self.variant == Variant::FreeBeforeClose {
                grant.state = GrantState::Closed;
            }
        }
    }

    fn give_back(&mut self) {
        let at = self.phone();
        let grants = self.phones[at].grants.len();
        if grants > 0 {
            let grant = self.rng.random_range(0..grants);
            self.phones[at].grants[grant].close();
        }
    }

    fn copy_or_restore(&mut self) {
        let at = self.phone();
        let copy = self.phones[at].clone();
        match self.rng.random_range(0..8) {
            0..4 => self.older.push(copy),
            4..6 if !self.older.is_empty() => {
                let older = self.older.swap_remove(self.rng.random_range(0..self.older.len()));
                let place = self.phones.iter().position(|it| it.device == older.device).unwrap();
                self.forked.insert(older.device);
                self.phones[place] = older;
                self.count("restored");
            }
            6 if self.phones.len() < 26 => {
                self.forked.insert(copy.device);
                self.phones.push(copy);
                self.count("copied");
            }
            _ => {}
        }
    }

    fn lose_or_write_off(&mut self) {
        if self.one_in(3) {
            let at = self.phone();
            self.phones[at].lost = true;
            self.revoked.insert(self.phones[at].device);
            self.count("lost");
            return;
        }
        let revoked = self.revoked.clone();
        let people = [UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16])];
        let lost = self.grants.values_mut().filter(|it| revoked.contains(&it.terms.device));
        for grant in lost.filter(|it| !is_freed(it.state)) {
            for person in people {
                let _ = write_off(grant, person, "the phone is lost");
            }
            assert_eq!(grant.state, GrantState::WrittenOff);
        }
    }

    fn disturb_clock(&mut self) {
        let at = self.phone();
        let by = self.rng.random_range(-50 * HOUR..50 * HOUR);
        let restart = self.one_in(2);
        let phone = &mut self.phones[at];
        if restart {
            phone.run += 1;
        } else {
            phone.wall_offset += by;
        }
    }

    fn expire(&mut self) {
        let (now, grace, variant) = (self.time(), self.policy.allowances.grace_hours, self.variant);
        let mut count = 0;
        for grant in self.grants.values_mut() {
            if variant == Variant::FreeAtExpiryAcceptLate {
                if now >= grant.terms.not_after && !is_freed(grant.state) {
                    grant.state = GrantState::Expired;
                }
            } else if expire(grant, grace, now) {
                count += 1;
            }
        }
        *self.counts.entry("expired").or_default() += count;
    }

    /// The network heals, every phone that is left gives everything back.
    fn settle_down(&mut self) {
        for at in 0..self.phones.len() {
            for grant in 0..self.phones[at].grants.len() {
                let closing = self.phones[at].grants[grant].close();
                self.receive(at, Up::Close(closing));
                for spend in self.phones[at].grants[grant].spends.clone() {
                    self.receive(at, Up::Spend(spend));
                }
            }
        }
        self.now += 1_000 * HOUR;
        self.expire();
    }

    /// Every spend that a phone still knows is kept with a standing, and exactly the settled ones are approved.
    fn check_nothing_is_lost(&self, seed: u64) {
        for phone in &self.phones {
            for spend in phone.grants.iter().flat_map(|it| &it.spends) {
                let kept = &self.grants[&spend.grant].settled;
                assert!(
                    kept.iter().any(|it| it.seq == spend.seq && it.order == spend.order),
                    "seed {seed}: {spend:?} is lost"
                );
            }
        }
        for grant in self.grants.values() {
            let (terms, books) = (&grant.terms, &self.books[&grant.terms.customer]);
            let mut settled = Decimal::ZERO;
            for spend in &grant.settled {
                let counts = books.approved.contains_key(&spend.order);
                let should = spend.standing == SpendStanding::Settled;
                assert_eq!(counts, should, "seed {seed}: {spend:?}");
                settled += if should { spend.amount.amount } else { Decimal::ZERO };
            }
            assert!(settled <= terms.amount.amount, "seed {seed}: {grant:?}");
            let honest = !self.forked.contains(&terms.device) && !self.revoked.contains(&terms.device);
            if honest {
                let fair = |it: &SpendStanding| matches!(it, SpendStanding::Settled | SpendStanding::Late);
                assert!(
                    grant.settled.iter().all(|it| fair(&it.standing)),
                    "seed {seed}: {grant:?}"
                );
                let reached = |it: &Phone| it.grants.iter().any(|it| it.terms.id == terms.id);
                if self.phones.iter().any(reached) {
                    assert!(is_freed(grant.state), "seed {seed}: {grant:?}");
                }
            }
        }
    }
}

fn run(seed: u64, variant: Variant) -> World {
    let mut world = World::new(seed, variant);
    for _ in 0..150 {
        world.step();
    }
    world.settle_down();
    world
}

#[test]
fn no_day_is_bad_enough_to_approve_more_than_the_limit() {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..300 {
        let world = run(seed, Variant::Real);
        assert_eq!((world.over_limit, world.over_reserve), (0, 0), "seed {seed}");
        world.check_nothing_is_lost(seed);
        for (what, count) in &world.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    // A simulation in which little happens would prove little.
    let happened = [
        "granted",
        "spent",
        "settled",
        "late",
        "conflict",
        "refused",
        "closed",
        "expired",
        "approved online",
        "copied",
        "restored",
        "lost",
        "clock frozen",
        "expired on the phone",
        "no grant",
    ];
    for what in happened {
        let count = counts.get(what).copied().unwrap_or_default();
        assert!(count >= 5, "{what} happened {count} times: {counts:?}");
    }
}

#[test]
fn ways_that_look_reasonable_are_caught_by_the_same_checks() {
    for variant in [
        Variant::CachedLimit,
        Variant::FreeAtExpiryAcceptLate,
        Variant::FreeBeforeClose,
        Variant::CheckOutsideTheLock,
    ] {
        // The harsh ones.
        let caught = (0..80).filter(|no| run(3 * no, variant).over_limit > 0).count();
        assert!(
            caught >= 5,
            "{variant:?} went over the limit in {caught} of 80 runs only"
        );
    }
}
