//! Everything together: a company, its server, its phones, a bad network, and a day on which things go wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
};

use fieldledger_core::{
    model::{
        ChangeHash, Currency, Customer, CustomerId, DeviceId, DocumentId, LedgerRecord, OrganisationProfile, Person,
        Product, ProductId, RecordKind, Role, Territory, TerritoryId, UserId,
    },
    sync::{engine::Event, protocol::EnrolResponse},
};
use fieldledger_server::store::{Account, Enrolment, NewDevice, PeopleStore as _, Redemption};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha12Rng;
use sha2::{Digest as _, Sha256};

use crate::{
    device::{Phone, Wish},
    network::{Network, Packet, Weather},
    server::{Server, SimulatedClock},
    variants::Variant,
};

/// The kinds of ledger records the company has.
pub(crate) const RECORD_KINDS: [RecordKind; 5] = [
    RecordKind::Organisation,
    RecordKind::Territory,
    RecordKind::Person,
    RecordKind::Product,
    RecordKind::Customer,
];

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How many phones.
    pub phones: usize,
    /// How many things happen before the network heals.
    pub happenings: usize,
    /// Which protocol.
    pub variant: Variant,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// A hash of everything that happened, in order.
    pub trace: String,
    /// Promises that were broken; empty when all held.
    pub broken: Vec<String>,
    /// What happened how often.
    pub tally: BTreeMap<&'static str, u64>,
}

/// A company on a day.
pub(crate) struct World {
    plan: Plan,
    pub(crate) rng: ChaCha12Rng,
    now: u64,
    clock: SimulatedClock,
    pub(crate) server: Server,
    pub(crate) phones: Vec<Phone>,
    network: Network,
    weather: Weather,
    pub(crate) territories: Vec<TerritoryId>,
    /// A territory that no phone follows: what moves there can only come back from the phones it left.
    vacant: TerritoryId,
    pub(crate) people: Vec<(UserId, Role)>,
    supervisor: UserId,
    pub(crate) products: Vec<ProductId>,
    pub(crate) customers: Vec<Customer>,
    /// Customers that a person may not read, or could not at some time: changes about them may be refused.
    pub(crate) ever_foreign: BTreeSet<(UserId, CustomerId)>,
    pub(crate) access: BTreeMap<UserId, BTreeSet<TerritoryId>>,
    copies: BTreeMap<usize, (PathBuf, BTreeSet<(DocumentId, ChangeHash)>)>,
    folder: tempfile::TempDir,
    trace: Sha256,
    /// The document whose way is printed.
    watched: Option<DocumentId>,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    pub(crate) broken: Vec<String>,
}

/// One day's work begins here (2026-03-02T00:00:00Z), in milliseconds.
const MORNING: u64 = 1_772_409_600_000;

/// Rounds of ten minutes in which a phone asks once more for what it keeps.
const KEPT_ROUNDS: usize = 7;

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
        #[allow(clippy::cast_possible_wrap)]
        clock.set(MORNING as i64);
        let server = Server::new(folder.path(), plan.seed, clock.clone(), plan.variant);
        let weather = Weather {
            lost: rng.random_range(0..200),
            doubled: rng.random_range(0..150),
            cut: rng.random_range(0..80),
            portal: rng.random_range(0..30),
            delay: rng.random_range(20..20_000),
        };
        let mut world = Self {
            plan,
            now: MORNING,
            clock,
            server,
            phones: Vec::new(),
            network: Network::default(),
            weather,
            territories: (0..3).map(|_| TerritoryId::random(&mut rng)).collect(),
            vacant: TerritoryId::random(&mut rng),
            people: Vec::new(),
            supervisor: UserId::random(&mut rng),
            products: (0..6).map(|_| ProductId::random(&mut rng)).collect(),
            customers: Vec::new(),
            ever_foreign: BTreeSet::new(),
            access: BTreeMap::new(),
            copies: BTreeMap::new(),
            folder,
            trace: Sha256::new(),
            watched: std::env::var("FIELDLEDGER_WATCH")
                .ok()
                .and_then(|text| text.parse().ok()),
            tally: BTreeMap::new(),
            broken: Vec::new(),
            rng,
        };
        world.found_company().await;
        for index in 0..plan.phones {
            world.enrol(index).await;
        }
        world
    }

    async fn found_company(&mut self) {
        let organisation = self.server.organisation;
        let time = fieldledger_server::clock::Clock::now(&self.clock);
        self.server
            .store
            .create_organisation(organisation, "海风食品", time)
            .await
            .expect("a company is founded");
        let mut records = vec![LedgerRecord::Organisation(OrganisationProfile {
            name: "海风食品".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        })];
        for (index, id) in self.territories.iter().chain([&self.vacant]).enumerate() {
            records.push(LedgerRecord::Territory(Territory {
                id: *id,
                name: format!("区域 {index}"),
            }));
        }
        let staff = (self.plan.phones * 2 / 3).max(3);
        for index in 0..staff {
            let user = UserId::random(&mut self.rng);
            let role = if index % 4 == 3 { Role::Driver } else { Role::Rep };
            let mut territories = BTreeSet::from([self.territories[index % 3]]);
            if self.rng.random_range(0..3) == 0 {
                territories.insert(self.territories[(index + 1) % 3]);
            }
            let account = Account {
                organisation,
                user,
                login: format!("user{index}"),
                name: format!("业务员 {index}"),
                password_hash: None,
                roles: vec![role],
                territories: territories.iter().copied().collect(),
                disabled: false,
            };
            self.server
                .store
                .put_account(account)
                .await
                .expect("an account is written");
            let name = format!("业务员 {index}");
            records.push(LedgerRecord::Person(Person {
                id: user,
                name,
                roles: vec![role],
                supervisor: None,
            }));
            self.people.push((user, role));
            self.access.insert(user, territories);
        }
        let supervisor = Account {
            organisation,
            user: self.supervisor,
            login: "supervisor".to_owned(),
            name: "陈静".to_owned(),
            password_hash: None,
            roles: vec![Role::Supervisor],
            territories: self.territories.iter().copied().chain([self.vacant]).collect(),
            disabled: false,
        };
        self.server
            .store
            .put_account(supervisor)
            .await
            .expect("an account is written");
        for (index, id) in self.products.iter().enumerate() {
            records.push(LedgerRecord::Product(Product {
                id: *id,
                code: format!("P{index}"),
                name: format!("酱油 {index}"),
                unit: "箱".to_owned(),
                price: None,
                group: String::new(),
                discontinued: false,
            }));
        }
        for index in 0..24 {
            let customer = Customer {
                id: CustomerId::random(&mut self.rng),
                code: format!("K{index:03}"),
                name: format!("永兴超市 {index}"),
                territory: self.territories[index % 3],
                rep: None,
                contact: String::new(),
                phone: String::new(),
                address: String::new(),
                position: None,
            };
            records.push(LedgerRecord::Customer(customer.clone()));
            self.customers.push(customer);
        }
        self.server.write(records).await;
        self.note_foreign();
    }

    /// Remembers who may not read whom at present.
    pub(crate) fn note_foreign(&mut self) {
        for (user, territories) in &self.access {
            for customer in self.customers.iter().filter(|it| !territories.contains(&it.territory)) {
                self.ever_foreign.insert((*user, customer.id));
            }
        }
    }

    async fn enrol(&mut self, index: usize) {
        let (user, _) = self.people[index % self.people.len()];
        let device = DeviceId::random(&mut self.rng);
        let now = fieldledger_server::clock::Clock::now(&self.clock);
        let code_hash: [u8; 32] = Sha256::digest(device.as_bytes()).into();
        let organisation = self.server.organisation;
        let enrolment = Enrolment {
            code_hash,
            organisation,
            user,
            expires_at: now.plus_millis(60_000),
        };
        self.server
            .store
            .put_enrolment(enrolment)
            .await
            .expect("a code is kept");
        let new = NewDevice {
            id: device,
            token_hash: code_hash,
            name: format!("phone {index}"),
            platform: "simulated".to_owned(),
            app_version: "simulated".to_owned(),
            installation: *device.as_bytes(),
            address: "loopback".to_owned(),
        };
        let redeemed = self
            .server
            .store
            .redeem_enrolment(&code_hash, new, now)
            .await
            .expect("a code is redeemed");
        assert!(matches!(redeemed, Redemption::Enrolled(_)), "{redeemed:?}");
        let known = self
            .server
            .store
            .device_by_token(&code_hash)
            .await
            .expect("the store answers");
        self.server.devices.insert(device, known.expect("the device was made"));
        let path = self.folder.path().join(format!("phone-{index}.db"));
        let seed = self.rng.random();
        let mut phone = Phone::start(user, device, path, seed, self.plan.variant);
        if self.rng.random_range(0..5) == 0 {
            // Wrong by up to ten years, either way.
            phone.clock_error = self.rng.random_range(-315_000_000_000..315_000_000_000);
        }
        phone.set_time(self.now);
        let enrolled = EnrolResponse {
            organisation,
            organisation_name: "海风食品".to_owned(),
            user,
            user_name: "业务员".to_owned(),
            roles: self.server.account(user).await.roles,
            device,
            token: "simulated".to_owned(),
            server_time: now,
        };
        phone
            .store
            .adopt_enrolment("simulated", enrolled)
            .expect("an enrolment is adopted");
        self.phones.push(phone);
    }

    /// Runs the day, heals the network, waits until nothing moves, and checks every promise.
    pub(crate) async fn run(mut self) -> Outcome {
        for phone in 0..self.phones.len() {
            self.tell(phone, Event::SyncRequested);
        }
        for _ in 0..self.plan.happenings {
            let pause = self.rng.random_range(100..60_000);
            self.pass(pause).await;
            self.happen().await;
        }
        self.heal().await;
        self.check().await;
        let trace = hex(&self.trace.finalize());
        Outcome {
            trace,
            broken: self.broken,
            tally: self.tally,
        }
    }

    /// Counts and traces something.
    pub(crate) fn note(&mut self, what: &'static str, detail: &[u8]) {
        if self.watched.is_some() && !matches!(what, "request" | "reply") {
            println!("{} {what} {}", self.now - MORNING, hex(detail));
        }
        *self.tally.entry(what).or_default() += 1;
        self.trace.update(self.now.to_be_bytes());
        self.trace.update(what.as_bytes());
        self.trace.update(detail);
    }

    /// Lets time pass, with everything that arrives and rings in it.
    async fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            let packet = self.network.next_at();
            let timer = self
                .phones
                .iter()
                .enumerate()
                .filter_map(|(index, it)| Some((it.timer?, index)))
                .min();
            let next = packet.into_iter().chain(timer.map(|it| it.0)).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            #[allow(clippy::cast_possible_wrap)]
            self.clock.set(self.now as i64);
            if packet.is_some_and(|packet| packet <= timer.map_or(u64::MAX, |it| it.0)) {
                self.deliver().await;
            } else if let Some((_, index)) = timer {
                self.phones[index].timer = None;
                self.tell(index, Event::TimerFired);
            }
        }
        self.now = end;
        #[allow(clippy::cast_possible_wrap)]
        self.clock.set(self.now as i64);
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
                let reply = self.server.answer(self.phones[from].device, &body).await;
                if let Some(watched) = self.watched {
                    let told = crate::watch::exchange(watched, &body, reply.as_deref());
                    if !told.is_empty() {
                        println!("{} phone {from} and server: {told}", self.now - MORNING);
                    }
                }
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
                let digest = Sha256::digest(body.as_deref().unwrap_or_default());
                self.note("reply", &digest);
                if self.phones[to].run == run && self.phones[to].online {
                    if let (Some(watched), Some(body)) = (self.watched, &body) {
                        let told = crate::watch::reply(watched, body);
                        let heads = self.phones[to].store.heads(watched);
                        if !told.is_empty() {
                            println!("{} phone {to} with {heads:?} receives: {told}", self.now - MORNING);
                        }
                    }
                    let before = self.watched.map(|it| self.phones[to].store.heads(it));
                    let wishes = self.phones[to].receive(request_id, body, self.now);
                    let after = self.watched.map(|it| self.phones[to].store.heads(it));
                    if before != after {
                        println!("{} phone {to} has now {after:?}", self.now - MORNING);
                    }
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
            let phone = &self.phones[from];
            if phone.online {
                let packet = Packet::Request {
                    from,
                    run: phone.run,
                    request_id,
                    body,
                };
                self.network.send(self.now, packet, self.weather, &mut self.rng);
            } else {
                let wishes = self.phones[from].receive(request_id, None, self.now);
                debug_assert!(wishes.is_empty(), "an engine waits after a fault");
            }
        }
    }

    /// The time of day, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Somebody who reviews.
    pub(crate) fn supervisor(&self) -> UserId {
        self.supervisor
    }

    /// One thing happens: mostly somebody taps on a phone, sometimes something breaks.
    async fn happen(&mut self) {
        let index = self.rng.random_range(0..self.phones.len());
        match self.rng.random_range(0..1_000) {
            0..700 => self.tap(index),
            700..760 => {
                self.phones[index].online = !self.phones[index].online;
                self.note("network comes or goes", &[]);
                let event = if self.phones[index].online {
                    Event::Online
                } else {
                    Event::Offline
                };
                self.tell(index, event);
            }
            760..800 => {
                self.phones[index].crash();
                self.note("phone killed", &[]);
                self.tell(index, Event::SyncRequested);
            }
            800..830 => self.supervise().await,
            830..850 => self.move_customer().await,
            850..865 => self.change_access().await,
            865..885 => {
                let path = self.folder.path().join(format!("copy-{index}.db"));
                self.phones[index].copy_to(&path);
                self.copies.insert(index, (path, self.phones[index].saved.clone()));
                self.note("phone backed up", &[]);
            }
            885..905 => self.go_back(index),
            905..915 => self.clone_phone(index),
            915..930 => {
                self.server.restart();
                self.note("server killed", &[]);
            }
            930..960 => {
                self.server.back_up().await;
                self.note("server backed up", &[]);
            }
            960..975 => {
                let properly = self.rng.random_range(0..3) > 0;
                if self.server.restore(properly).await {
                    self.note(
                        if properly {
                            "server restored"
                        } else {
                            "server's file copied back"
                        },
                        &[],
                    );
                }
            }
            _ => self.tell(index, Event::SyncRequested),
        }
    }

    /// A phone is restored from an older copy: what it had not sent since is gone, which its owner was told.
    fn go_back(&mut self, index: usize) {
        let Some((path, saved)) = self.copies.get(&index).cloned() else {
            return;
        };
        self.phones[index].go_back_to(&path);
        self.phones[index].saved = saved;
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
        let seed = self.rng.random();
        let mut clone = Phone::start(user, device, path, seed, self.plan.variant);
        clone.saved = self.phones[index].saved.clone();
        clone.set_time(self.now);
        self.phones.push(clone);
        self.note("phone cloned", &[]);
        let last = self.phones.len() - 1;
        self.tell(last, Event::SyncRequested);
    }

    async fn move_customer(&mut self) {
        let index = self.rng.random_range(0..self.customers.len());
        let choice = self.territories.choose(&mut self.rng);
        let mut territory = *choice.expect("there are territories");
        if self.rng.random_range(0..2) == 0 {
            territory = self.vacant;
        }
        self.customers[index].territory = territory;
        self.server
            .write(vec![LedgerRecord::Customer(self.customers[index].clone())])
            .await;
        self.note_foreign();
        self.note("customer moved", &[]);
    }

    async fn change_access(&mut self) {
        let (user, _) = *self.people.choose(&mut self.rng).expect("there are people");
        let count = self.rng.random_range(1..=2);
        let territories: BTreeSet<TerritoryId> = (0..count)
            .map(|_| *self.territories.choose(&mut self.rng).expect("there are territories"))
            .collect();
        self.server.assign(user, territories.iter().copied().collect()).await;
        self.access.insert(user, territories);
        self.note_foreign();
        self.note("access changed", &[]);
    }

    /// The network heals, everybody comes back, and all wait until nothing moves any more.
    async fn heal(&mut self) {
        self.weather = Weather::FINE;
        for round in 0..60_usize {
            for index in 0..self.phones.len() {
                self.phones[index].online = true;
                self.tell(index, Event::SyncRequested);
            }
            self.pass(600_000).await;
            // A phone asks every hour for what it keeps until a backup covers it; a server whose file was copied back may
            // need one of them.
            let kept: usize = self.phones.iter().map(crate::device::Phone::kept).sum();
            let rounds = if kept > 0 { KEPT_ROUNDS } else { 0 };
            if round > rounds && self.is_settled().await {
                if kept > 0 {
                    self.note("kept until a backup", &kept.to_be_bytes());
                }
                self.note("settled", &[]);
                return;
            }
        }
        self.broken
            .push("the phones and the server never came to agree".to_owned());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
