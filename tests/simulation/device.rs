//! A phone: the real store and the real engine, on simulated clocks, with a person who taps on it.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use fieldledger_core::{
    model::{ChangeHash, DeviceId, DocumentId, Timestamp, UserId},
    store::{BootClock, Durability, FieldStore, OpenOptions, PhoneClock},
    sync::{
        engine::{Config, Effect, Engine, Event},
        protocol::{SyncResponse, pack, unpack},
        transport::TransportFault,
    },
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use crate::variants::Variant;

/// A phone's clocks: the wall clock may be wrong by years and step; the monotonic one begins anew with the phone.
#[derive(Default)]
pub(crate) struct Clocks {
    wall: AtomicI64,
    monotonic: AtomicU64,
    /// Which start of the phone the monotonic clock counts from.
    boot: AtomicU64,
}

impl PhoneClock for Clocks {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }
    fn monotonic_millis(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }
    fn zone_minutes(&self) -> i16 {
        480
    }
    fn boot(&self) -> BootClock {
        BootClock {
            run: self.boot.load(Ordering::SeqCst),
            millis: self.monotonic_millis(),
        }
    }
}

/// A phone.
pub(crate) struct Phone {
    /// Whose it is.
    pub user: UserId,
    /// What the server calls it; a clone has the same.
    pub device: DeviceId,
    /// Where its database lies.
    pub path: PathBuf,
    /// The store of the present run of the app.
    pub store: FieldStore,
    engine: Engine,
    rng: ChaCha12Rng,
    /// Counts runs of the app; packets of an earlier run find nobody.
    pub run: u64,
    clocks: Arc<Clocks>,
    /// How wrong the wall clock is.
    pub clock_error: i64,
    installation: [u8; 16],
    /// When the engine asked to be woken, by the simulation's time.
    pub timer: Option<u64>,
    /// Whether a network is there.
    pub online: bool,
    /// Everything a person was told is saved here, and nobody has since undone by going back to an older copy.
    pub saved: BTreeSet<(DocumentId, ChangeHash)>,
    variant: Variant,
    seed: u64,
    /// The most bytes that it asks for in one page.
    page_bytes: u32,
}

/// Small pages, so that a day's work is many of them.
const SMALL_PAGES: u32 = 6_000;

/// What a phone wants done.
pub(crate) struct Wish {
    /// The request's id.
    pub request_id: u64,
    /// The request's body.
    pub body: Vec<u8>,
}

impl Phone {
    /// A phone whose database lies at `path`, made or left there before.
    pub(crate) fn start(user: UserId, device: DeviceId, path: PathBuf, seed: u64, variant: Variant) -> Self {
        let clocks = Arc::new(Clocks::default());
        let installation = *device.as_bytes();
        let store = open(&path, installation, &clocks, seed);
        Self {
            user,
            device,
            path,
            store,
            engine: new_engine(installation, SMALL_PAGES),
            rng: ChaCha12Rng::seed_from_u64(seed),
            run: 0,
            clocks,
            clock_error: 0,
            installation,
            timer: None,
            online: true,
            saved: BTreeSet::new(),
            variant,
            seed,
            page_bytes: SMALL_PAGES,
        }
    }

    /// The same phone, asking for pages of so many bytes.
    pub(crate) fn with_pages(mut self, bytes: u32) -> Self {
        self.page_bytes = bytes;
        self.engine = new_engine(self.installation, bytes);
        self
    }

    /// Sets the clocks.
    pub(crate) fn set_time(&self, now: u64) {
        #[allow(clippy::cast_possible_wrap)]
        self.clocks.wall.store(now as i64 + self.clock_error, Ordering::SeqCst);
        self.clocks.monotonic.store(now, Ordering::SeqCst);
    }

    /// The app is killed and started again; what was under way is forgotten, what was saved is not.
    pub(crate) fn crash(&mut self) {
        self.run += 1;
        self.store.close();
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.run);
        self.store = open(&self.path, self.installation, &self.clocks, self.seed);
        self.engine = new_engine(self.installation, self.page_bytes);
        self.timer = None;
    }

    /// Its clocks.
    pub(crate) fn clock(&self) -> &Clocks {
        &self.clocks
    }

    /// The phone is switched off and on again, and with it the app.
    pub(crate) fn reboot(&mut self) {
        self.clocks.boot.fetch_add(1, Ordering::SeqCst);
        self.crash();
    }

    /// Copies the database, as a backup of the phone does.
    pub(crate) fn copy_to(&mut self, path: &std::path::Path) {
        self.store.close();
        for suffix in ["", "-wal", "-shm"] {
            let from = with_suffix(&self.path, suffix);
            let to = with_suffix(path, suffix);
            let _ = std::fs::remove_file(&to);
            if from.exists() {
                std::fs::copy(from, to).expect("a file can be copied");
            }
        }
        self.crash();
    }

    /// Goes back to a copy made before.
    pub(crate) fn go_back_to(&mut self, path: &std::path::Path) {
        self.store.close();
        for suffix in ["", "-wal", "-shm"] {
            let to = with_suffix(&self.path, suffix);
            let _ = std::fs::remove_file(&to);
            let from = with_suffix(path, suffix);
            if from.exists() {
                std::fs::copy(from, to).expect("a file can be copied");
            }
        }
        self.crash();
    }

    /// How many documents it keeps until a backup of the server covers them.
    pub(crate) fn kept(&self) -> usize {
        self.store.status().expect("a phone tells its status").kept
    }

    /// Tells the engine of something and does what it asks, up to requests, which the world must carry.
    pub(crate) fn tell(&mut self, event: Event, now: u64) -> Vec<Wish> {
        self.set_time(now);
        let mut wishes = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.engine.handle(event, now, &mut self.rng) {
                match effect {
                    Effect::Load(limits) => events.push(match self.store.outgoing(limits) {
                        Ok(outgoing) => Event::Loaded(Box::new(outgoing)),
                        Err(error) => Event::StorageFailed(error),
                    }),
                    Effect::Send(request) => {
                        let body = pack(&*request).expect("a request can be encoded");
                        wishes.push(Wish {
                            request_id: request.request_id,
                            body,
                        });
                        if self.variant == Variant::AcknowledgeOnSend {
                            self.forget_outbox();
                        }
                    }
                    Effect::Apply { response, sent } => {
                        events.push(match self.store.apply(*response, &sent) {
                            Ok(applied) => Event::Applied(Box::new(applied)),
                            Err(error) => Event::StorageFailed(error),
                        });
                        if self.variant == Variant::DropAtAcknowledgement {
                            self.forget_what_left();
                        }
                    }
                    Effect::SetTimer(at) => self.timer = Some(at),
                    Effect::Report(_) => {}
                }
            }
        }
        wishes
    }

    /// Takes what the network brought.
    pub(crate) fn receive(&mut self, request_id: u64, body: Option<Vec<u8>>, now: u64) -> Vec<Wish> {
        let event = match body.map(|body| unpack::<SyncResponse>(&body)) {
            Some(Ok(response)) => {
                let request_id = response.request_id;
                Event::ReplyArrived {
                    request_id,
                    result: Ok(Box::new(response)),
                }
            }
            Some(Err(_)) => Event::ReplyArrived {
                request_id,
                result: Err(TransportFault::CaptivePortal),
            },
            None => Event::ReplyArrived {
                request_id,
                result: Err(TransportFault::Offline),
            },
        };
        self.tell(event, now)
    }

    /// No backup is waited for: what left goes with the next exchange that brings anything.
    fn forget_what_left(&self) {
        self.store
            .write(&[], |transaction| {
                Ok(transaction.execute(
                    "DELETE FROM reoffer WHERE document IN
                     (SELECT row FROM document WHERE stream IS NULL AND flags & 32 <> 0)",
                    [],
                )?)
            })
            .expect("the broken variant writes");
    }

    fn forget_outbox(&self) {
        self.store
            .write(&[], |transaction| {
                Ok(transaction.execute("DELETE FROM outbox WHERE state = 0", [])?)
            })
            .expect("the broken variant writes");
    }
}

fn new_engine(installation: [u8; 16], page_bytes: u32) -> Engine {
    let mut config = Config::new("simulated", installation);
    config.limits.entries = 7;
    config.pull_budget = page_bytes;
    config.reply_within_millis = 20_000;
    Engine::new(config)
}

fn open(path: &std::path::Path, installation: [u8; 16], clocks: &Arc<Clocks>, seed: u64) -> FieldStore {
    FieldStore::open(OpenOptions {
        app_version: "simulated".to_owned(),
        clock: clocks.clone(),
        seed: Some(seed),
        durability: Durability::Off,
        ..OpenOptions::new(path, installation)
    })
    .expect("a phone's database opens")
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
