//! What every customer comes to today, kept in memory for the office's pages.
//!
//! A page of all customers by what they owe needs every open item of the company: half a million of them are read and
//! added up in a second or more, and a page should not take a tenth of that. So the sums of each customer are kept, with the
//! same rules of the core that the reports use, and follow the streams as a phone does: whoever asks looks first which
//! streams have grown, and reads anew the customers about whom anything was written. On a new day, with new rules, and after
//! a start everything is read once, in parts, while other reads go on. Nothing here is a truth of its own: a node that
//! forgets it reads it again. See docs/decisions/0015.
//!
//! * `standing`: what one customer comes to.
//! * `history`: receivables and sales at the ends of months, for DSO and CEI over time.

mod history;
mod standing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::NaiveDate;
use chrono_tz::Tz;
use fieldledger_core::{
    model::{
        CreditAccount, CreditFile, Currency, Customer, CustomerId, InvalidMoney, LedgerRecord, OrganisationId,
        OrganisationProfile, Policy, RecordKey, RecordKind, TerritoryId, Warning, WarningLevel,
    },
    sync::protocol::StreamMark,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

pub use history::{History, Point, PointFigures, points, sum};
pub use standing::{CreditFigures, OpenAmount, Standing, Stop};

use crate::store::{CustomerPart, HeldBooks, NoteFacts, Store, StoreError, record_of};
use standing::Ground;

/// Into how many parts the customers are divided when all are read.
const PARTS: u8 = 16;
/// How many parts are read at a time: other reads find a free connection meanwhile.
const AT_A_TIME: usize = 2;
/// When more customers have changed than this, all are read: an import is quicker read as a whole.
const MOST_CHANGED: usize = 500;

/// The overviews of all companies on this server.
#[derive(Default)]
pub struct Overviews {
    kept: Mutex<HashMap<OrganisationId, Arc<tokio::sync::Mutex<Option<Kept>>>>>,
}

struct Kept {
    overview: Arc<Overview>,
    marks: Vec<StreamMark>,
    policy_version: u64,
}

/// What a company's customers come to on one day.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The day.
    pub today: NaiveDate,
    /// The company's time zone.
    pub zone: Tz,
    /// The currency of its books.
    pub currency: Currency,
    /// Its rules.
    pub policy: Arc<Policy>,
    /// The days of [`Standing::history`], the last of them today.
    pub points: Arc<[Point]>,
    customers: HashMap<CustomerId, Arc<Standing>>,
    /// The history of each territory that was asked for, since one of its customers has changed.
    histories: Arc<Mutex<HashMap<TerritoryId, Arc<History>>>>,
    version: u64,
}

/// The version of the next overview that differs from one before it.
fn next_version() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Overview {
    /// Differs from that of every other overview of this process that says something else: what was made of one may be
    /// shown again while this is the same.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every customer, in no order.
    pub fn customers(&self) -> impl Iterator<Item = &Arc<Standing>> {
        self.customers.values()
    }

    /// One customer.
    pub fn customer(&self, id: CustomerId) -> Option<&Arc<Standing>> {
        self.customers.get(&id)
    }

    /// The history of all customers in the territories that are `wanted`.
    ///
    /// # Errors
    /// [`InvalidMoney::Overflow`] beyond 28 digits.
    pub fn history_within(&self, wanted: impl Fn(TerritoryId) -> bool) -> Result<History, InvalidMoney> {
        let mut kept = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: HashMap<TerritoryId, History> = HashMap::new();
        for it in self.customers.values() {
            let territory = it.customer.territory;
            if wanted(territory) && !kept.contains_key(&territory) {
                history::add(missing.entry(territory).or_default(), history::points_of(it))?;
            }
        }
        kept.extend(missing.into_iter().map(|(territory, sums)| (territory, Arc::new(sums))));
        let mut sums = History::new();
        for (_, history) in kept.iter().filter(|(territory, _)| wanted(**territory)) {
            let points = history.iter().map(|(currency, points)| (*currency, points.as_slice()));
            history::add(&mut sums, points)?;
        }
        Ok(sums)
    }

    /// The same with a customer's new figures, or without a customer.
    fn replace(&mut self, id: CustomerId, standing: Option<Standing>) {
        let territories = standing.as_ref().map(|it| it.customer.territory);
        let before = match standing {
            Some(standing) => self.customers.insert(id, Arc::new(standing)),
            None => self.customers.remove(&id),
        };
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        for territory in territories.into_iter().chain(before.map(|it| it.customer.territory)) {
            histories.remove(&territory);
        }
    }

    /// One that differs, to be changed: what was made of this one stays as it is.
    fn next(&self) -> Self {
        let histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            version: next_version(),
            histories: Arc::new(Mutex::new(histories)),
            ..self.clone()
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }
}

impl Overviews {
    /// The same as [`Self::of`], or nothing: a company whose profile nobody has written has no books.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn if_any(
        &self,
        store: &dyn Store,
        org: OrganisationId,
        today: NaiveDate,
    ) -> Result<Option<Arc<Overview>>, StoreError> {
        match self.of(store, org, today).await {
            Err(StoreError::NotFound(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// What the company's customers come to on `today`, with everything that was written before this was asked.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or the company has no profile.
    pub async fn of(
        &self,
        store: &dyn Store,
        org: OrganisationId,
        today: NaiveDate,
    ) -> Result<Arc<Overview>, StoreError> {
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry(org).or_default())
        };
        // Whoever comes while it is read waits for the one who reads it.
        let mut slot = slot.lock().await;
        let (profile, policy, version) = company(store, org).await?;
        let fresh = slot.as_ref().is_some_and(|it| {
            let of = &it.overview;
            (of.today, of.zone, of.currency) == (today, profile.time_zone, profile.currency)
                && it.policy_version == version
        });
        if fresh && let Some(kept) = slot.as_mut() {
            let changed = store.changed_since(org, kept.marks.clone()).await?;
            if changed.customers.len() <= MOST_CHANGED {
                if !changed.customers.is_empty() {
                    let mut overview = kept.overview.next();
                    for customer in changed.customers {
                        let standing = one(store, org, customer, &overview).await?;
                        overview.replace(customer, standing);
                    }
                    kept.overview = Arc::new(overview);
                }
                kept.marks = changed.marks;
                return Ok(Arc::clone(&kept.overview));
            }
        }
        // The marks are read first: what is written while the rest is read is read again then.
        let marks = store.heads(org).await?;
        let overview = Arc::new(everything(store, org, &profile, policy, today).await?);
        *slot = Some(Kept {
            overview: Arc::clone(&overview),
            marks,
            policy_version: version,
        });
        Ok(overview)
    }
}

/// What a company says of itself, its rules, and their version: 0 while nobody has written any.
///
/// # Errors
/// [`StoreError::NotFound`] while it has no profile.
pub(crate) async fn company(
    store: &dyn Store,
    org: OrganisationId,
) -> Result<(OrganisationProfile, Policy, u64), StoreError> {
    let own = |kind| RecordKey {
        kind,
        id: "self".to_owned(),
    };
    let profile = store.record(org, &own(RecordKind::Organisation)).await?;
    let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) else {
        return Err(StoreError::NotFound("the company's profile".to_owned()));
    };
    let policy = store.record(org, &own(RecordKind::Policy)).await?;
    let version = policy.as_ref().map_or(0, |it| it.version);
    let policy = match policy.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => Policy::default(),
    };
    Ok((profile, policy, version))
}

/// What is known of a customer beside the books.
struct Known {
    customer: Customer,
    file: Option<CreditFile>,
    account: Option<CreditAccount>,
    notes: Vec<NoteFacts>,
    critical: Vec<Warning>,
}

impl Known {
    fn of(customer: Customer) -> Self {
        Self {
            customer,
            file: None,
            account: None,
            notes: Vec::new(),
            critical: Vec::new(),
        }
    }

    fn warn(&mut self, record: LedgerRecord) {
        if let LedgerRecord::Warning(it) = record
            && (it.level, it.cleared_at, &it.acknowledged) == (WarningLevel::Critical, None, &None)
        {
            self.critical.push(it);
        }
    }
}

async fn one(
    store: &dyn Store,
    org: OrganisationId,
    customer: CustomerId,
    overview: &Overview,
) -> Result<Option<Standing>, StoreError> {
    let record = |kind| record_of(store, org, customer, kind);
    let Some(LedgerRecord::Customer(found)) = record(RecordKind::Customer).await? else {
        return Ok(None);
    };
    let mut known = Known::of(found);
    if let Some(LedgerRecord::CreditFile(file)) = record(RecordKind::CreditFile).await? {
        known.file = Some(file);
    }
    if let Some(LedgerRecord::CreditAccount(account)) = record(RecordKind::CreditAccount).await? {
        known.account = Some(account);
    }
    known.notes = store.collecting_facts(org, Some(customer)).await?;
    for it in store.records_about(org, customer, &RecordKind::Warning).await? {
        known.warn(it.record);
    }
    let books = store.books_of(org, customer).await?;
    let ground = Ground {
        today: overview.today,
        zone: overview.zone,
        currency: overview.currency,
        policy: &overview.policy,
        points: &overview.points,
    };
    Ok(Some(standing::of(&ground, known, &books)))
}

async fn everything(
    store: &dyn Store,
    org: OrganisationId,
    profile: &OrganisationProfile,
    policy: Policy,
    today: NaiveDate,
) -> Result<Overview, StoreError> {
    let mut overview = Overview {
        today,
        zone: profile.time_zone,
        currency: profile.currency,
        policy: Arc::new(policy),
        points: points(today).into(),
        customers: HashMap::new(),
        histories: Arc::default(),
        version: next_version(),
    };
    let known = Arc::new(Mutex::new(known(store, org).await?));
    let parts = stream::iter(CustomerPart::all(PARTS)).map(|part| {
        let found = Arc::new(Mutex::new(Vec::new()));
        let (sink, known) = (Arc::clone(&found), Arc::clone(&known));
        let (policy, points) = (Arc::clone(&overview.policy), Arc::clone(&overview.points));
        let (zone, currency) = (overview.zone, overview.currency);
        let each = move |customer: CustomerId, books: &HeldBooks| {
            let taken = known.lock().unwrap_or_else(PoisonError::into_inner).remove(&customer);
            if let Some(known) = taken {
                let ground = Ground {
                    today,
                    zone,
                    currency,
                    policy: &policy,
                    points: &points,
                };
                let standing = standing::of(&ground, known, books);
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(standing);
            }
            ControlFlow::Continue(())
        };
        async move {
            store.each_books(org, part, Box::new(each)).await?;
            Ok::<_, StoreError>(found)
        }
    });
    let parts: Vec<_> = parts.buffer_unordered(AT_A_TIME).try_collect().await?;
    for part in parts {
        for standing in part.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            overview.customers.insert(standing.customer.id, Arc::new(standing));
        }
    }
    // Those without books.
    let ground = Ground {
        today,
        zone: profile.time_zone,
        currency: profile.currency,
        policy: &Arc::clone(&overview.policy),
        points: &Arc::clone(&overview.points),
    };
    let rest = std::mem::take(&mut *known.lock().unwrap_or_else(PoisonError::into_inner));
    for (id, known) in rest {
        let standing = standing::of(&ground, known, &HeldBooks::default());
        overview.customers.insert(id, Arc::new(standing));
    }
    Ok(overview)
}

async fn known(store: &dyn Store, org: OrganisationId) -> Result<BTreeMap<CustomerId, Known>, StoreError> {
    let mut known = BTreeMap::new();
    for it in store.records(org, &RecordKind::Customer).await? {
        if let LedgerRecord::Customer(it) = it.record {
            known.insert(it.id, Known::of(it));
        }
    }
    for it in store.records(org, &RecordKind::CreditFile).await? {
        if let LedgerRecord::CreditFile(file) = it.record
            && let Some(of) = known.get_mut(&file.customer)
        {
            of.file = Some(file);
        }
    }
    for it in store.records(org, &RecordKind::CreditAccount).await? {
        if let LedgerRecord::CreditAccount(account) = it.record
            && let Some(of) = known.get_mut(&account.customer)
        {
            of.account = Some(account);
        }
    }
    for it in store.records(org, &RecordKind::Warning).await? {
        if let LedgerRecord::Warning(warning) = &it.record
            && let Some(of) = known.get_mut(&warning.customer)
        {
            of.warn(it.record);
        }
    }
    for facts in store.collecting_facts(org, None).await? {
        if let Some(of) = known.get_mut(&facts.note.customer) {
            of.notes.push(facts);
        }
    }
    Ok(known)
}
