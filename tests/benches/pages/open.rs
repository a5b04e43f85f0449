//! Pages that are open, each with its live connection, and phones that sync meanwhile.

use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fieldledger_core::{
    model::{CustomerId, TerritoryId, UserId},
    store::FieldStore,
};
use fieldledger_server::store::{StoreError, sqlite::SqliteStore};
use rand::RngExt as _;
use tokio::{sync::Notify, task::JoinSet};
use tokio_stream::StreamExt as _;

use super::{Server, a_visit, browser::Browser, codes_for, company::Facts, open_store};
use crate::{Result, product};

/// Phones that sync.
const PHONES: usize = 50;
/// How often each of them does.
const EVERY: Duration = Duration::from_secs(10);
/// How long they do, without and with open pages.
const WATCHED: Duration = Duration::from_secs(60);
/// Pages that are open.
const WINDOWS: usize = 200;
/// What each person has open.
const SHOWN: [&str; 8] = [
    "/",
    "/activity",
    "/",
    "/activity",
    "/activity?unreviewed=1",
    "/",
    "/credit",
    "/receivables",
];
/// How long the folder of a company may be held by whoever made it.
const LET_GO_WITHIN: Duration = Duration::from_secs(30);
/// What came in is looked for in pages for so long.
const LOOKED_FOR: Duration = Duration::from_secs(5);

// As in `static/live.js`.
const GATHER_MILLIS: u64 = 400;
const PAUSE: Duration = Duration::from_millis(800);

/// A rep's phone.
pub(crate) struct Phone {
    pub(crate) store: FieldStore,
    pub(crate) url: String,
    pub(crate) user: UserId,
    pub(crate) customer: CustomerId,
    territory: TerritoryId,
}

/// What was measured.
pub(crate) struct Open {
    pub(crate) phones: usize,
    pub(crate) windows: usize,
    pub(crate) every: Duration,
    /// Share of one processor that the server takes while phones sync, without and with the open pages.
    pub(crate) alone: f64,
    pub(crate) with_windows: f64,
    pub(crate) syncs: u64,
    pub(crate) readings: u64,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
    /// From the beginning of a phone's sync until an open page shows it, sorted.
    pub(crate) seen: Vec<Duration>,
    /// The same without what the page waits by itself, so that many pages do not ask at once.
    pub(crate) served: Vec<Duration>,
}

/// The reps whose phones sync: from every territory.
fn chosen(facts: &Facts) -> impl Iterator<Item = &(UserId, TerritoryId, Vec<CustomerId>)> {
    facts
        .reps
        .iter()
        .step_by((facts.reps.len() / PHONES).max(1))
        .take(PHONES)
}

/// The store of a folder. Whoever made the company lets go of it only when its last thread has ended.
async fn opened(folder: &Path) -> Result<SqliteStore> {
    let started = Instant::now();
    loop {
        match SqliteStore::open(folder) {
            Err(StoreError::InUse) if started.elapsed() < LET_GO_WITHIN => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// Enrolment codes, made before the server has the folder.
pub(crate) async fn codes(folder: &Path, facts: &Facts) -> Result<Vec<String>> {
    let store = opened(folder).await?;
    let users: Vec<UserId> = chosen(facts).map(|it| it.0).collect();
    codes_for(&store, facts, &users).await
}

/// The phones, each with everything of its territory; only one of them when `one`.
pub(crate) async fn phones(folder: &Path, url: &str, facts: &Facts, codes: &[String], one: bool) -> Result<Vec<Phone>> {
    let started = Instant::now();
    let mut phones = Vec::new();
    for (number, ((user, territory, customers), code)) in chosen(facts).zip(codes).enumerate() {
        let store = open_store(&folder.join(format!("{number}.db")))?;
        product::join(&store, url, code).await?;
        product::sync(&store, url).await?;
        phones.push(Phone {
            store,
            url: url.to_owned(),
            user: *user,
            customer: customers[0],
            territory: *territory,
        });
        if one {
            break;
        }
    }
    eprintln!("{} phones after {} s", phones.len(), started.elapsed().as_secs());
    Ok(phones)
}

/// What phones have brought, for pages that should show it.
#[derive(Default)]
struct Brought(Mutex<VecDeque<(String, Instant, TerritoryId)>>);

impl Brought {
    fn add(&self, id: String, territory: TerritoryId) {
        let mut brought = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while brought.front().is_some_and(|it| it.1.elapsed() > LOOKED_FOR) {
            brought.pop_front();
        }
        brought.push_back((id, Instant::now(), territory));
    }

    fn lately(&self) -> Vec<(String, Instant, TerritoryId)> {
        let brought = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        brought
            .iter()
            .filter(|it| it.1.elapsed() < LOOKED_FOR)
            .cloned()
            .collect()
    }
}

#[derive(Default)]
struct Counted {
    syncs: AtomicU64,
    readings: AtomicU64,
    bytes: AtomicU64,
    seen: Mutex<Vec<(Duration, Duration)>>,
}

pub(crate) async fn measure(server: &Server, facts: &Facts, phones: Vec<Phone>) -> Result<Open> {
    let (count, brought, counted) = (phones.len(), Arc::<Brought>::default(), Arc::<Counted>::default());
    let mut syncing = JoinSet::new();
    for phone in phones {
        syncing.spawn(sync_again_and_again(phone, Arc::clone(&brought), Arc::clone(&counted)));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (alone, _) = watched(server).await;

    let mut people: Vec<(String, Option<BTreeSet<TerritoryId>>)> = Vec::new();
    for (login, territories) in &facts.supervisors {
        people.push((login.clone(), Some(territories.iter().copied().collect())));
    }
    people.extend(facts.finance.iter().map(|login| (login.clone(), None)));
    let each = WINDOWS.div_ceil(people.len());
    let mut windows = JoinSet::new();
    for (login, territories) in people {
        let browser = Browser::sign_in(&server.url, &login).await?;
        for number in 0..each {
            let path = SHOWN[number % SHOWN.len()];
            if windows.len() < WINDOWS {
                let window = Window {
                    browser: browser.clone(),
                    path,
                    territories: territories.clone(),
                    brought: Arc::clone(&brought),
                    counted: Arc::clone(&counted),
                };
                windows.spawn(window.run());
            }
        }
    }
    let opened = windows.len();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let reset = |it: &AtomicU64| it.store(0, Ordering::Relaxed);
    [&counted.syncs, &counted.readings, &counted.bytes]
        .into_iter()
        .for_each(reset);
    counted.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let (with_windows, seconds) = watched(server).await;
    if let Some(ended) = syncing.try_join_next() {
        ended??;
    }
    if let Some(ended) = windows.try_join_next() {
        ended??;
    }
    syncing.abort_all();
    windows.abort_all();
    let mut both = std::mem::take(&mut *counted.seen.lock().unwrap_or_else(PoisonError::into_inner));
    both.sort_unstable();
    let seen: Vec<Duration> = both.iter().map(|it| it.0).collect();
    let mut served: Vec<Duration> = both.iter().map(|it| it.1).collect();
    served.sort_unstable();
    let read = |it: &AtomicU64| it.load(Ordering::Relaxed);
    Ok(Open {
        phones: count,
        windows: opened,
        every: EVERY,
        alone,
        with_windows,
        syncs: read(&counted.syncs),
        readings: read(&counted.readings),
        seconds,
        bytes: read(&counted.bytes),
        seen,
        served,
    })
}

/// Share of one processor that the server uses for a while.
async fn watched(server: &Server) -> (f64, f64) {
    let (before, started) = (server.cpu(), Instant::now());
    tokio::time::sleep(WATCHED).await;
    let seconds = started.elapsed().as_secs_f64();
    ((server.cpu().saturating_sub(before)).as_secs_f64() / seconds, seconds)
}

async fn sync_again_and_again(phone: Phone, brought: Arc<Brought>, counted: Arc<Counted>) -> Result<()> {
    let start = rand::rng().random_range(0..EVERY.as_millis());
    tokio::time::sleep(Duration::from_millis(u64::try_from(start)?)).await;
    let mut next = tokio::time::interval(EVERY);
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        let visit = phone.store.create(a_visit(&phone, "Seen by the open pages."))?;
        brought.add(visit.id.to_string(), phone.territory);
        product::sync(&phone.store, &phone.url).await?;
        counted.syncs.fetch_add(1, Ordering::Relaxed);
    }
}

/// A page that is open in a browser.
struct Window {
    browser: Browser,
    path: &'static str,
    /// Of whoever reads it; `None`: all.
    territories: Option<BTreeSet<TerritoryId>>,
    brought: Arc<Brought>,
    counted: Arc<Counted>,
}

/// What a window was told, and when.
#[derive(Default)]
struct Told {
    news: Notify,
    at: Mutex<VecDeque<Instant>>,
}

impl Told {
    fn tell(&self) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        while at.front().is_some_and(|it| it.elapsed() > LOOKED_FOR) {
            at.pop_front();
        }
        at.push_back(Instant::now());
        self.news.notify_one();
    }

    /// The first news from a moment on.
    fn since(&self, moment: Instant) -> Option<Instant> {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.iter().find(|it| **it >= moment).copied()
    }
}

impl Window {
    /// Does what `static/live.js` does.
    async fn run(self) -> Result<()> {
        let told = Told::default();
        tokio::select! {
            ended = self.listen(&told) => ended,
            ended = self.read_again_and_again(&told) => ended,
        }
    }

    async fn listen(&self, told: &Told) -> Result<()> {
        let page = self.browser.get(self.path).await?;
        let mut events = Box::pin(self.browser.listen(&page).await?.bytes_stream());
        while let Some(chunk) = events.next().await {
            if chunk?.windows(4).any(|it| it == b"news") {
                told.tell();
            }
        }
        Err("a live connection ended".into())
    }

    async fn read_again_and_again(&self, told: &Told) -> Result<()> {
        let shows = matches!(self.path, "/" | "/activity");
        let mut last = Instant::now();
        let mut known: BTreeSet<String> = self.brought.lately().into_iter().map(|it| it.0).collect();
        loop {
            told.news.notified().await;
            let rest = PAUSE.saturating_sub(last.elapsed());
            let gather = Duration::from_millis(rand::rng().random_range(0..GATHER_MILLIS));
            tokio::time::sleep(rest.max(gather)).await;
            last = Instant::now();
            let page = self.browser.get(self.path).await?;
            let done = Instant::now();
            self.counted.readings.fetch_add(1, Ordering::Relaxed);
            self.counted.bytes.fetch_add(page.sent as u64, Ordering::Relaxed);
            if !shows {
                continue;
            }
            let body = String::from_utf8(page.body()?)?;
            for (id, since, territory) in self.brought.lately() {
                let mine = self.territories.as_ref().is_none_or(|it| it.contains(&territory));
                if mine && !known.contains(&id) && body.contains(&id) {
                    let event = told.since(since).unwrap_or(last).min(last);
                    let served = event.saturating_duration_since(since) + (done - last);
                    let mut seen = self.counted.seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push((done - since, served));
                    known.insert(id);
                }
            }
        }
    }
}
