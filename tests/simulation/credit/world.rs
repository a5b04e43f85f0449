//! Twenty phones with reserved credit, an office that grants, recalls, cuts and writes off, and a bad network.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use fieldledger_core::{
    model::{
        AllowancePolicy, AllowanceSize, Assessment, CreditAccount, CreditGrade, CreditLimit, CreditTerms, Currency,
        Customer, CustomerId, DeviceId, DocumentId, GrantId, GrantMode, Invoice, LedgerRecord, LineId, Money, Order,
        OrderLine, OrderStanding, OrderState, OrganisationProfile, Policy, Product, ProductId, Receipt, Role,
        Territory, TerritoryId, Timestamp, UserId,
    },
    sync::{
        engine::Event,
        protocol::{EnrolResponse, StreamId},
    },
};
use fieldledger_server::{
    ledger::ArrivedOrder,
    store::{Account, Device, DocumentStore as _, LedgerStore as _, PeopleStore as _, sqlite::SqliteStore},
};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha12Rng;
use sha2::{Digest as _, Sha256};

use super::{
    office::{ORGANISATION, Office, People},
    truth::{Cause, Promise, Standing, check_step, is_over, standing},
    variants::Wrong,
};
use crate::{
    device::{Phone, Wish},
    network::{Network, Packet, Weather},
    server::SimulatedClock,
};

const HOUR: i64 = 3_600_000;
/// How long a grant may be spent, and how long after that a lease stays reserved.
const VALID_HOURS: u32 = 1;
pub(crate) const GRACE_HOURS: u32 = 1;

/// What a phone asks for at once.
const PAGE_BYTES: u32 = 40_000;

/// One day's work begins here (2026-03-02T00:00:00Z), in milliseconds.
const MORNING: u64 = 1_772_409_600_000;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How many phones.
    pub phones: usize,
    /// How many things happen before the network heals.
    pub happenings: usize,
    /// What is done wrong.
    pub wrong: Wrong,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// A hash of everything that happened, in order.
    pub trace: String,
    /// What went wrong; empty when nothing did.
    pub broken: Vec<String>,
    /// What happened how often.
    pub tally: BTreeMap<&'static str, u64>,
}

/// A company on a day.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: ChaCha12Rng,
    now: u64,
    clock: SimulatedClock,
    pub(crate) office: Office,
    pub(crate) phones: Vec<Phone>,
    network: Network,
    weather: Weather,
    /// One for each customer.
    territories: Vec<TerritoryId>,
    /// The customers that each person sees.
    pub(crate) reach: BTreeMap<UserId, Vec<CustomerId>>,
    pub(crate) product: ProductId,
    copies: BTreeMap<usize, PathBuf>,
    folder: tempfile::TempDir,
    /// Phones that nobody has any more.
    pub(crate) lost: BTreeSet<usize>,
    /// Devices of which there was ever more than one state.
    pub(crate) forked: BTreeSet<DeviceId>,
    pub(crate) promises: Vec<Promise>,
    /// To whom credit was given for whom, newest last.
    granted: Vec<(usize, CustomerId)>,
    /// Orders with the phone that took them.
    pub(crate) orders: Vec<(usize, DocumentId)>,
    /// Orders that the supervisor turned down.
    pub(crate) turned_down: BTreeSet<DocumentId>,
    pub(crate) seen: BTreeMap<CustomerId, Standing>,
    heads: BTreeMap<StreamId, u64>,
    receipts: u32,
    trace: Sha256,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    pub(crate) broken: Vec<String>,
    watching: bool,
}

fn yuan(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

impl World {
    /// A company with its phones enrolled.
    pub(crate) async fn new(plan: Plan) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(plan.seed);
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        }
        .expect("a temporary folder can be made");
        let clock = SimulatedClock::default();
        clock.set(MORNING.cast_signed());
        let people = People {
            finance: [UserId::random(&mut rng), UserId::random(&mut rng)],
            supervisor: UserId::random(&mut rng),
        };
        let customers: Vec<CustomerId> = (0..3).map(|_| CustomerId::random(&mut rng)).collect();
        let store = SqliteStore::in_memory_seeded(plan.seed).expect("a store opens in memory");
        let organisation = ORGANISATION;
        let time = Timestamp::from_millis(MORNING.cast_signed());
        let founded = store.create_organisation(organisation, "海风食品", time).await;
        founded.expect("a company is founded");
        let key = store.signing_key(organisation).await.expect("a key is made");
        let office = Office::new(store, key, clock.clone(), customers, people, plan.seed, plan.wrong);
        let weather = Weather {
            lost: rng.random_range(0..200),
            doubled: rng.random_range(0..200),
            cut: rng.random_range(0..60),
            portal: rng.random_range(0..20),
            delay: rng.random_range(20..20_000),
        };
        let mut world = Self {
            plan,
            now: MORNING,
            clock,
            office,
            phones: Vec::new(),
            network: Network::default(),
            weather,
            territories: (0..3).map(|_| TerritoryId::random(&mut rng)).collect(),
            reach: BTreeMap::new(),
            product: ProductId::random(&mut rng),
            copies: BTreeMap::new(),
            folder,
            lost: BTreeSet::new(),
            forked: BTreeSet::new(),
            promises: Vec::new(),
            granted: Vec::new(),
            orders: Vec::new(),
            turned_down: BTreeSet::new(),
            seen: BTreeMap::new(),
            heads: BTreeMap::new(),
            receipts: 0,
            trace: Sha256::new(),
            tally: BTreeMap::new(),
            broken: Vec::new(),
            watching: std::env::var_os("FIELDLEDGER_WATCH").is_some(),
            rng,
        };
        world.found_company().await;
        for index in 0..plan.phones {
            world.enrol(index).await;
        }
        world
    }

    async fn found_company(&mut self) {
        let now = self.time();
        let today = now.date_in(chrono_tz::Asia::Shanghai);
        let size = AllowanceSize {
            orders_per_visit: 1.into(),
            max_share_of_limit: 1.into(),
        };
        let policy = Policy {
            allowances: AllowancePolicy {
                sizes: BTreeMap::from([(CreditGrade::B, size)]),
                valid_hours: VALID_HOURS,
                grace_hours: GRACE_HOURS,
                step: 10.into(),
                ..AllowancePolicy::default()
            },
            ..Policy::default()
        };
        let mut records: Vec<LedgerRecord> = vec![
            OrganisationProfile {
                name: "海风食品".to_owned(),
                time_zone: chrono_tz::Asia::Shanghai,
                currency: Currency::CNY,
                geofence_metres: 200,
            }
            .into(),
            Product {
                id: self.product,
                code: "P".to_owned(),
                name: "酱油".to_owned(),
                unit: "箱".to_owned(),
                price: None,
                group: String::new(),
                discontinued: false,
            }
            .into(),
            policy.into(),
        ];
        for (index, id) in self.office.customers.clone().into_iter().enumerate() {
            let customer = Customer {
                id,
                code: format!("K{index}"),
                name: format!("永兴超市 {index}"),
                territory: self.territories[index],
                rep: None,
                contact: String::new(),
                phone: String::new(),
                address: String::new(),
                position: None,
            };
            let mut account = CreditAccount::new(id);
            account.terms.push(CreditTerms {
                effective_from: today,
                grade: Some(CreditGrade::B),
                limit: CreditLimit::Limited(yuan(self.rng.random_range(20..50) * 100)),
                terms_days: 30,
                reason: "first assessment".to_owned(),
                by: None,
                recorded_at: now,
            });
            account.assessments.push(Assessment {
                on: today,
                assessor: "财务".to_owned(),
                evidence: "accounts of last year".to_owned(),
                valid_until: today + chrono::Days::new(365),
            });
            let owed = yuan(self.rng.random_range(0..1_000));
            let due = today + chrono::Days::new(60);
            records.push(
                Territory {
                    id: self.territories[index],
                    name: format!("区域 {index}"),
                }
                .into(),
            );
            records.push(customer.into());
            records.push(account.into());
            records.push(Invoice::new(format!("R{index}"), id, today, due, owed).into());
        }
        let put = self
            .office
            .store
            .put_records(self.office.organisation, records, true, now);
        put.await.expect("records are written");
        // Makes the first credit files.
        for customer in self.office.customers.clone() {
            let limit = standing(&self.office.ledger(customer).await, now).limit;
            let limit = i64::try_from(limit).expect("limits are small");
            assert!(self.office.set_limit(customer, limit).await, "a limit is set");
        }
        self.look(Cause::Restored).await;
    }

    async fn enrol(&mut self, index: usize) {
        let (user, device) = (UserId::random(&mut self.rng), DeviceId::random(&mut self.rng));
        let organisation = self.office.organisation;
        let mut places = vec![index % 3];
        if self.rng.random_range(0..3) == 0 {
            places.push((index + 1) % 3);
        }
        let customers = places.iter().map(|at| self.office.customers[*at]).collect();
        self.reach.insert(user, customers);
        let account = Account {
            organisation,
            user,
            login: format!("user{index}"),
            name: format!("业务员 {index}"),
            password_hash: None,
            roles: vec![Role::Rep],
            territories: places.iter().map(|at| self.territories[*at]).collect(),
            disabled: false,
        };
        self.office
            .store
            .put_account(account)
            .await
            .expect("an account is written");
        let now = self.time();
        let known = Device {
            id: device,
            organisation,
            user,
            name: format!("phone {index}"),
            platform: "simulated".to_owned(),
            app_version: "simulated".to_owned(),
            installation: *device.as_bytes(),
            enrolled_at: now,
            last_contact: None,
            waiting: 0,
            clock_ahead_millis: 0,
            token_issued_at: now,
            revoked_at: None,
        };
        self.office.devices.insert(device, known);
        let path = self.folder.path().join(format!("phone-{index}.db"));
        let seed = self.rng.random();
        let mut phone = Phone::start(user, device, path, seed, crate::variants::Variant::Sound).with_pages(PAGE_BYTES);
        if self.rng.random_range(0..3) == 0 {
            // Wrong by more than a lease lasts, either way.
            phone.clock_error = self.rng.random_range(-10 * HOUR..10 * HOUR);
        }
        phone.set_time(self.now);
        let enrolled = EnrolResponse {
            organisation,
            organisation_name: "海风食品".to_owned(),
            user,
            user_name: "业务员".to_owned(),
            roles: vec![Role::Rep],
            device,
            token: "simulated".to_owned(),
            server_time: now,
        };
        let adopted = phone.store.adopt_enrolment("simulated", enrolled);
        adopted.expect("an enrolment is adopted");
        self.phones.push(phone);
    }

    /// Runs the day, heals the network, lets everything come back, and checks what must hold.
    pub(crate) async fn run(mut self) -> Outcome {
        for phone in 0..self.phones.len() {
            self.tell(phone, Event::SyncRequested);
        }
        self.pass(60_000).await;
        for _ in 0..self.plan.happenings {
            let pause = self.rng.random_range(100..200_000);
            self.pass(pause).await;
            self.happen().await;
            if !self.broken.is_empty() {
                break;
            }
        }
        if self.broken.is_empty() {
            self.end_the_day().await;
        }
        let trace = self.trace.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Outcome {
            trace,
            broken: self.broken,
            tally: self.tally,
        }
    }

    /// Counts and traces something.
    pub(crate) fn note(&mut self, what: &'static str, detail: &[u8]) {
        if self.watching && !matches!(what, "request" | "reply") {
            let detail: String = detail.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{} {what} {detail}", self.now - MORNING);
        }
        *self.tally.entry(what).or_default() += 1;
        self.trace.update(self.now.to_be_bytes());
        self.trace.update(what.as_bytes());
        self.trace.update(detail);
    }

    /// The time of day, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now.cast_signed())
    }

    fn set_now(&mut self, now: u64) {
        self.now = now;
        self.clock.set(now.cast_signed());
    }

    /// Lets time pass, with everything that arrives and rings in it.
    pub(crate) async fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            let packet = self.network.next_at();
            let ringing = self.phones.iter().enumerate();
            let timer = ringing.filter_map(|(index, it)| Some((it.timer?, index))).min();
            let next = packet.into_iter().chain(timer.map(|it| it.0)).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.set_now(self.now.max(at));
            if packet.is_some_and(|packet| packet <= timer.map_or(u64::MAX, |it| it.0)) {
                self.deliver().await;
            } else if let Some((_, index)) = timer {
                self.phones[index].timer = None;
                self.tell(index, Event::TimerFired);
            }
        }
        self.set_now(end);
        self.office.let_expire().await;
    }

    async fn deliver(&mut self) {
        match self.network.take() {
            Some(Packet::Request {
                from,
                run,
                request_id,
                body,
            }) => {
                self.note("request", &Sha256::digest(&body));
                let reply = self.office.answer(self.phones[from].device, &body).await;
                self.look(Cause::Ordinary).await;
                let packet = Packet::Reply {
                    to: from,
                    run,
                    request_id,
                    body: reply,
                };
                self.network.send(self.now, packet, self.weather, &mut self.rng);
            }
            Some(Packet::Reply {
                to,
                run,
                request_id,
                body,
            }) => {
                self.note("reply", &Sha256::digest(body.as_deref().unwrap_or_default()));
                let phone = &mut self.phones[to];
                if phone.run == run && phone.online {
                    let wishes = phone.receive(request_id, body, self.now);
                    self.carry(to, wishes);
                }
            }
            None => {}
        }
    }

    pub(crate) fn tell(&mut self, index: usize, event: Event) {
        let wishes = self.phones[index].tell(event, self.now);
        self.carry(index, wishes);
    }

    fn carry(&mut self, from: usize, wishes: Vec<Wish>) {
        for Wish { request_id, body } in wishes {
            let phone = &mut self.phones[from];
            if phone.online {
                let run = phone.run;
                let packet = Packet::Request {
                    from,
                    run,
                    request_id,
                    body,
                };
                self.network.send(self.now, packet, self.weather, &mut self.rng);
            } else {
                let more = phone.receive(request_id, None, self.now);
                debug_assert!(more.is_empty(), "an engine waits after a fault");
            }
        }
    }

    /// Looks at where the customers stand after a step of the server, if anything has changed.
    pub(crate) async fn look(&mut self, cause: Cause) {
        let heads = self.office.store.heads(self.office.organisation).await;
        let heads: BTreeMap<StreamId, u64> = heads
            .expect("the store answers")
            .into_iter()
            .map(|mark| (mark.stream, mark.seq))
            .collect();
        let moved: BTreeSet<StreamId> = heads
            .iter()
            .filter(|(stream, seq)| self.heads.get(stream) != Some(seq))
            .map(|(stream, _)| *stream)
            .collect();
        self.heads = heads;
        // What changes where a customer stands is written to its territory, except grants, which go to their device.
        let granted = moved.iter().any(|stream| matches!(stream, StreamId::Device(_)));
        let customers: Vec<(CustomerId, TerritoryId)> = self
            .office
            .customers
            .iter()
            .copied()
            .zip(self.territories.iter().copied())
            .collect();
        let touched = |territory: &TerritoryId| moved.contains(&StreamId::Territory(*territory));
        let any = customers.iter().any(|(_, territory)| touched(territory));
        for (customer, territory) in customers {
            // A grant that changed without a trace in any territory may be for anybody.
            if cause != Cause::Restored && !touched(&territory) && (any || !granted) {
                continue;
            }
            let after = standing(&self.office.ledger(customer).await, self.time());
            if let Some(before) = self.seen.get(&customer) {
                self.broken.extend(check_step(before, &after, cause));
                if after.owed + after.reserved > after.limit {
                    *self.tally.entry("above the limit by explicit will").or_default() += 1;
                }
            }
            self.seen.insert(customer, after);
        }
    }

    /// A grant that may still be in somebody's hands, with its customer.
    async fn some_grant(&mut self) -> Option<(CustomerId, GrantId)> {
        let customer = *self.office.customers.choose(&mut self.rng)?;
        let grants = self.office.ledger(customer).await.grants;
        let open: Vec<GrantId> = grants
            .iter()
            .filter(|it| !is_over(it.state))
            .map(|it| it.terms.id)
            .collect();
        Some((customer, *open.choose(&mut self.rng)?))
    }

    fn somebody(&mut self) -> Option<usize> {
        let index = self.rng.random_range(0..self.phones.len());
        (!self.lost.contains(&index)).then_some(index)
    }

    /// One thing happens.
    async fn happen(&mut self) {
        let Some(index) = self.somebody() else { return };
        match self.rng.random_range(0..1_000) {
            0..330 => self.sell(index),
            330..345 => self.cancel_order(index),
            345..370 => self.give_back(index),
            370..510 => self.grant_some(index).await,
            510..545 => {
                // Whoever frees what is asked back at once asks back without a second thought.
                let count = if self.plan.wrong == Wrong::FreeBeforeClose {
                    4
                } else {
                    1
                };
                for _ in 0..count {
                    if let Some((customer, id)) = self.some_grant().await {
                        self.office.recall(customer, id).await;
                        self.note("allowance asked back", id.as_bytes());
                    }
                }
            }
            545..560 => {
                let customer = *self
                    .office
                    .customers
                    .choose(&mut self.rng)
                    .expect("there are customers");
                let limit = self.rng.random_range(10..50) * 100;
                if self.office.set_limit(customer, limit).await {
                    self.note("limit changed", &limit.to_be_bytes());
                }
            }
            560..572 => self.lose(index).await,
            572..602 => {
                let who = self.rng.random_range(0..2);
                self.write_off_lost(who).await;
            }
            602..642 => self.receive_money().await,
            642..650 => self.bounce().await,
            650..690 => self.answer_held().await,
            690..740 => self.two_at_the_office().await,
            740..860 => {
                self.phones[index].online = !self.phones[index].online;
                self.note("network comes or goes", &[]);
                let event = if self.phones[index].online {
                    Event::Online
                } else {
                    Event::Offline
                };
                self.tell(index, event);
            }
            860..885 => {
                self.phones[index].crash();
                self.note("phone killed", &[]);
                self.tell(index, Event::SyncRequested);
            }
            885..895 => {
                self.phones[index].reboot();
                self.note("phone rebooted", &[]);
                self.tell(index, Event::SyncRequested);
            }
            895..920 => {
                self.phones[index].clock_error = self.rng.random_range(-10 * HOUR..10 * HOUR);
                self.note("clock changed", &[]);
            }
            920..940 => {
                let path = self.folder.path().join(format!("copy-{index}.db"));
                self.phones[index].copy_to(&path);
                self.copies.insert(index, path);
                self.note("phone backed up", &[]);
            }
            940..952 => self.go_back(index),
            952..958 => self.clone_phone(index),
            958..968 => {
                self.office.restart();
                self.note("server killed", &[]);
            }
            968..988 => {
                self.office.back_up();
                self.note("server backed up", &[]);
            }
            988..997 => self.restore().await,
            _ => self.tell(index, Event::SyncRequested),
        }
        self.look(Cause::Ordinary).await;
    }

    /// Mostly somebody who was given an allowance sells out of it.
    fn sell(&mut self, index: usize) {
        let newest = self.granted.len().saturating_sub(20);
        let given = self.granted[newest..].choose(&mut self.rng).copied();
        match given {
            Some((holder, customer)) if self.rng.random_range(0..4) > 0 && !self.lost.contains(&holder) => {
                self.take_order(holder, customer);
            }
            _ => {
                let known = &self.reach[&self.phones[index].user];
                let customer = *known.choose(&mut self.rng).expect("everybody has customers");
                self.take_order(index, customer);
            }
        }
    }

    async fn grant_some(&mut self, index: usize) {
        let known = &self.reach[&self.phones[index].user];
        let customer = *known.choose(&mut self.rng).expect("everybody has customers");
        let (id, device) = (GrantId::random(&mut self.rng), self.phones[index].device);
        let amount = self.rng.random_range(10..70) * 10;
        let mode = if self.rng.random_range(0..2) == 0 {
            GrantMode::Strict
        } else {
            GrantMode::Lease
        };
        if self.office.grant(id, device, customer, amount, mode).await {
            self.note("granted", id.as_bytes());
            self.granted.push((index, customer));
            // The live notice, when it comes through.
            if self.rng.random_range(0..3) > 0 {
                self.tell(index, Event::SyncRequested);
            }
        } else {
            self.note("no room for a grant", &[]);
        }
    }

    /// A phone is lost: gone for good and shut out, or only mislaid.
    async fn lose(&mut self, index: usize) {
        if self.lost.len() >= 3 {
            return;
        }
        let device = self.phones[index].device;
        let for_good = self.rng.random_range(0..2) == 0;
        self.phones[index].online = false;
        self.tell(index, Event::Offline);
        self.lost.insert(index);
        if for_good {
            let now = self.time();
            self.office
                .devices
                .get_mut(&device)
                .expect("it was enrolled")
                .revoked_at = Some(now);
        }
        self.note(if for_good { "phone lost" } else { "phone mislaid" }, device.as_bytes());
    }

    /// One of two people says of the grants of lost phones that they are to be written off.
    async fn write_off_lost(&mut self, who: usize) {
        let lost: BTreeSet<DeviceId> = self.lost.iter().map(|index| self.phones[*index].device).collect();
        for customer in self.office.customers.clone() {
            for grant in self.office.ledger(customer).await.grants {
                if lost.contains(&grant.terms.device)
                    && !is_over(grant.state)
                    && self.office.write_off(customer, grant.terms.id, who).await
                {
                    let what = if grant.written_off_by.is_empty() {
                        "write-off proposed"
                    } else {
                        "written off"
                    };
                    self.note(what, grant.terms.id.as_bytes());
                }
            }
        }
    }

    async fn receive_money(&mut self) {
        let customer = *self
            .office
            .customers
            .choose(&mut self.rng)
            .expect("there are customers");
        let owed = self.seen[&customer].owed;
        let most = i64::try_from(owed.trunc()).unwrap_or_default();
        if most < 100 {
            return;
        }
        self.receipts += 1;
        let today = self.time().date_in(chrono_tz::Asia::Shanghai);
        let amount = yuan(self.rng.random_range(50..most));
        let receipt = Receipt::cleared(format!("B{}", self.receipts), customer, today, amount);
        let put = self
            .office
            .store
            .put_records(self.office.organisation, vec![receipt.into()], true, self.time());
        put.await.expect("a receipt is written");
        self.note("money received", &[]);
    }

    /// A payment is returned by the bank.
    async fn bounce(&mut self) {
        let customer = *self
            .office
            .customers
            .choose(&mut self.rng)
            .expect("there are customers");
        let ledger = self.office.ledger(customer).await;
        let paid: Vec<&Receipt> = ledger.receipts.iter().filter(|it| it.bounced_on.is_none()).collect();
        let Some(receipt) = paid.choose(&mut self.rng) else {
            return;
        };
        let mut receipt = Receipt::clone(receipt);
        receipt.bounced_on = Some(self.time().date_in(chrono_tz::Asia::Shanghai));
        let amount = receipt.amount.amount;
        let put = self
            .office
            .store
            .put_records(self.office.organisation, vec![receipt.into()], true, self.time());
        put.await.expect("a receipt is written");
        self.note("payment returned", &[]);
        self.look(Cause::Outside(amount)).await;
    }

    async fn answer_held(&mut self) {
        let customer = *self
            .office
            .customers
            .choose(&mut self.rng)
            .expect("there are customers");
        let decisions = self.office.ledger(customer).await.decisions;
        let held: Vec<DocumentId> = decisions
            .iter()
            .filter(|it| it.standing == OrderStanding::Held)
            .map(|it| it.order)
            .collect();
        let Some(order) = held.choose(&mut self.rng).copied() else {
            return;
        };
        let release = self.rng.random_range(0..3) == 0;
        if self.office.answer_held(customer, order, release).await {
            if release {
                self.note("order released", order.as_bytes());
            } else {
                self.turned_down.insert(order);
                self.note("order turned down", order.as_bytes());
            }
            self.look(Cause::Released(order)).await;
        }
    }

    async fn two_at_the_office(&mut self) {
        let customer = *self
            .office
            .customers
            .choose(&mut self.rng)
            .expect("there are customers");
        // On some days the office uses up whatever is free at once.
        let most = if self.plan.seed.is_multiple_of(3) { 2_500 } else { 900 };
        let orders = [(); 2].map(|()| {
            let rep = self.phones[0].user;
            let mut order = Order::new(customer, rep, "counter", self.time(), Currency::CNY);
            let line = OrderLine {
                product: self.product,
                quantity: 1.into(),
                unit_price: self.rng.random_range(50..most).into(),
                discount: 0.into(),
            };
            order.lines.insert(LineId::random(&mut self.rng), line);
            order.state = OrderState::Submitted;
            ArrivedOrder {
                id: DocumentId::random(&mut self.rng),
                order,
            }
        });
        self.office.two_at_once(customer, orders).await;
        self.note("two at the office", &[]);
    }

    /// A phone is restored from an older copy.
    fn go_back(&mut self, index: usize) {
        let Some(path) = self.copies.get(&index).cloned() else {
            return;
        };
        self.forked.insert(self.phones[index].device);
        self.phones[index].go_back_to(&path);
        self.note("phone restored", &[]);
        self.tell(index, Event::SyncRequested);
    }

    /// A second phone is set up from a copy of the first; both go on.
    fn clone_phone(&mut self, index: usize) {
        if self.phones.len() >= self.plan.phones + 3 {
            return;
        }
        let path = self.folder.path().join(format!("phone-{}.db", self.phones.len()));
        self.phones[index].copy_to(&path);
        let (user, device) = (self.phones[index].user, self.phones[index].device);
        self.forked.insert(device);
        let seed = self.rng.random();
        let clone = Phone::start(user, device, path, seed, crate::variants::Variant::Sound).with_pages(PAGE_BYTES);
        clone.set_time(self.now);
        self.phones.push(clone);
        self.note("phone cloned", &[]);
        let last = self.phones.len() - 1;
        self.tell(index, Event::SyncRequested);
        self.tell(last, Event::SyncRequested);
    }

    async fn restore(&mut self) {
        let properly = self.rng.random_range(0..3) > 0;
        if self.office.restore(properly).await {
            self.note(
                if properly {
                    "server restored"
                } else {
                    "server's file copied back"
                },
                &[],
            );
            self.look(Cause::Restored).await;
        }
    }

    /// The network heals and whoever is left comes back.
    pub(crate) fn heal(&mut self) {
        self.weather = Weather::FINE;
        // What was only mislaid is found.
        let devices = &self.office.devices;
        let (phones, lost) = (&self.phones, &mut self.lost);
        lost.retain(|index| devices[&phones[*index].device].revoked_at.is_some());
    }

    /// The phones that still speak with the server.
    pub(crate) fn left(&self) -> Vec<usize> {
        let shut_out = |index: &usize| self.office.devices[&self.phones[*index].device].revoked_at.is_some();
        (0..self.phones.len()).filter(|index| !shut_out(index)).collect()
    }

    /// The streams that a phone follows.
    pub(crate) fn streams_of(&self, index: usize) -> Vec<StreamId> {
        let phone = &self.phones[index];
        let customers = self.office.customers.iter().zip(&self.territories);
        let followed = customers.filter(|(customer, _)| self.reach[&phone.user].contains(customer));
        [StreamId::Catalogue, StreamId::Device(phone.device)]
            .into_iter()
            .chain(followed.map(|(_, territory)| StreamId::Territory(*territory)))
            .collect()
    }
}
