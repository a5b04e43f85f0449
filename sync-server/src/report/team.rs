//! How the work of reps goes in a month (DOMAIN §5 and §6): visits against the cadence, money against what was due, promises,
//! reviews. The figures are inputs; people decide what they are worth.
//!
//! Books are read one customer after the other, so what is held in memory is a few numbers for each customer. A customer
//! whose books contradict each other is left out and named: one wrong record must not hide everybody's month.
//!
//! These numbers are kept for the next page and follow the streams, as the overview does: reading the books of a whole
//! company takes a second or more, and few customers' books change between two pages. See docs/decisions/0015.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use fieldledger_core::{
    model::{
        CollectionNote, CreditAccount, CreditGrade, CreditRate, Currency, Customer, CustomerId, InvoiceType,
        LedgerRecord, Money, OrganisationId, OrganisationProfile, Policy, PromisePolicy, RecordKey, RecordKind,
        TerritoryId, Timestamp, UserId,
    },
    rules::{
        books::BooksError,
        exposure::DayRates,
        figures::{PeriodCollection, period_collection},
        performance::{
            Attribution, CadenceFact, DueFact, Group, Grouping, MissedVisit, Performance, PerformanceFacts, Period,
            PromiseFact, figures,
        },
        promises::{Promise, evaluate},
    },
    sync::protocol::StreamMark,
};
use rust_decimal::Decimal;

use crate::store::{CustomerPart, HeldBooks, Store, StoreError, VisitMade, VisitsSince, record_of};

/// Periods that are kept: the present month, and one that somebody looks back at or two.
const KEPT: usize = 3;
/// When more customers have changed than this, all are read: an import is quicker read as a whole.
const MOST_CHANGED: usize = 500;
/// Days after a contact within which money counts as its effect; contacts are not asked here.
const EFFECT_DAYS: u32 = 7;
/// Into how many parts the customers are divided; a store reads as many at a time as it can.
const PARTS: u8 = 4;

/// Whose work is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only customers of these territories; `None`: all.
    pub territories: Option<Vec<TerritoryId>>,
    /// Only customers in the care of this rep.
    pub rep: Option<UserId>,
}

/// A team in a period.
#[derive(Clone, Debug)]
pub struct Team {
    /// The period; its last day is the day that the figures show.
    pub period: Period,
    /// The currency of the books, in which every amount is.
    pub currency: Currency,
    /// By rep; `None`: customers of whom nobody is in charge.
    pub reps: BTreeMap<Option<UserId>, RepFigures>,
    /// Every customer looked at, by number.
    pub customers: Vec<CustomerFigures>,
    /// Numbers of the customers whose books contradict each other; their money is left out.
    pub uncounted: Vec<String>,
    /// Currencies without a credit rate; amounts in them are left out.
    pub without_rate: BTreeSet<Currency>,
}

/// What a rep's month comes to.
#[derive(Clone, Debug, Default)]
pub struct RepFigures {
    /// Customers in their care.
    pub customers: usize,
    /// Visits against the cadence, money against what was due, promises.
    pub performance: Performance,
    /// Visits that they made, whoever is in charge of the customer.
    pub visits: u32,
    /// Those of them that somebody has reviewed.
    pub reviewed: u32,
    /// Those of them whose position is doubtful.
    pub doubtful: u32,
    /// Invoiced to their customers in the period, less credit notes.
    pub sales: Decimal,
    /// Money that came from their customers in the period, by value date; what was returned is left out.
    pub cash: Decimal,
}

/// What one customer's month comes to.
#[derive(Clone, Debug)]
pub struct CustomerFigures {
    /// The customer.
    pub customer: Arc<Customer>,
    /// Days between two visits that the grade asks for.
    pub every_days: Option<u32>,
    /// The last visit that was found; older ones than the cadence looks back are not.
    pub last_visit: Option<NaiveDate>,
    /// The visit that is missing.
    pub missed: Option<MissedVisit>,
    /// What was due, and what was paid of it.
    pub collection: PeriodCollection,
}

/// What the books of one customer say.
#[derive(Clone, Debug, Default)]
struct OfBooks {
    collection: PeriodCollection,
    sales: Decimal,
    cash: Decimal,
    promises: Vec<(NaiveDate, fieldledger_core::rules::promises::PromiseStanding)>,
    without_rate: BTreeSet<Currency>,
}

/// What the customers' books say of periods, kept in memory. A copy that can be thrown away.
#[derive(Default)]
pub struct Months {
    /// The one that was asked for last is the last.
    kept: Mutex<Vec<(Key, Slot)>>,
}

type Key = (OrganisationId, NaiveDate, NaiveDate);
type Slot = Arc<tokio::sync::Mutex<Option<Month>>>;

/// What is known of all customers of a company in a period.
#[derive(Clone)]
struct Month {
    profile: OrganisationProfile,
    policy_version: u64,
    marks: Vec<StreamMark>,
    /// By number.
    customers: Arc<Vec<Arc<OfCustomer>>>,
    /// In the order of their days.
    visits: Arc<Vec<Visited>>,
}

/// A visit and the day on which it took place.
#[derive(Clone, Copy, Debug)]
struct Visited {
    day: NaiveDate,
    made: VisitMade,
}

/// What a customer's books and credit account say of a period.
struct OfCustomer {
    customer: Arc<Customer>,
    /// `None`: books that contradict each other.
    books: Option<OfBooks>,
    /// Days between two visits that the grade asks for, and from when.
    cadence: Option<(u32, NaiveDate)>,
}

impl Months {
    fn slot(&self, key: Key) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(known, _)| *known == key);
        let entry = found.map_or_else(|| (key, Slot::default()), |place| kept.remove(place));
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        let slot = Arc::clone(&entry.1);
        kept.push(entry);
        slot
    }

    /// How the work of the reps in `scope` goes in `period`, with everything that was written before this was asked.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn team(
        &self,
        store: &dyn Store,
        org: OrganisationId,
        scope: &Scope,
        period: Period,
    ) -> Result<Team, StoreError> {
        let known = self.known(store, org, period).await?;
        let customers = (known.customers)
            .iter()
            .filter(|it| (scope.territories.as_ref()).is_none_or(|all| all.contains(&it.customer.territory)))
            .filter(|it| scope.rep.is_none_or(|rep| it.customer.rep == Some(rep)));
        let longest = customers
            .clone()
            .filter_map(|it| it.cadence)
            .map(|(every, _)| every)
            .max();
        // Older ones than the longest cadence change nothing.
        let first = first_day(period, longest.unwrap_or(0));
        let visits = &known.visits[known.visits.partition_point(|it| it.day < first)..];
        Ok(put_together(customers, visits, known.profile.currency, period))
    }

    /// Reads what [`Self::team`] needs of this period, so that nobody waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn prepare(&self, store: &dyn Store, org: OrganisationId, period: Period) -> Result<(), StoreError> {
        self.known(store, org, period).await.map(drop)
    }

    async fn known(&self, store: &dyn Store, org: OrganisationId, period: Period) -> Result<Month, StoreError> {
        let slot = self.slot((org, period.from, period.to));
        // Whoever comes while it is read waits for the one who reads it.
        let mut slot = slot.lock().await;
        let (profile, policy, policy_version) = rules(store, org).await?;
        let reading = Reading::new(period, &profile, policy);
        if let Some(kept) = slot.as_mut()
            && (&kept.profile, kept.policy_version) == (&profile, policy_version)
        {
            let changed = store.changed_since(org, kept.marks.clone()).await?;
            if changed.customers.len() <= MOST_CHANGED {
                if !changed.customers.is_empty() {
                    let mut customers = kept.customers.as_ref().clone();
                    customers.retain(|it| !changed.customers.contains(&it.customer.id));
                    for customer in changed.customers {
                        customers.extend(one(store, org, customer, &reading).await?.map(Arc::new));
                    }
                    by_number(&mut customers);
                    kept.customers = Arc::new(customers);
                }
                // After the new marks were read: what is written in between is read again the next time.
                let since = store
                    .visits_since(org, std::mem::replace(&mut kept.marks, changed.marks))
                    .await?;
                if !since.is_empty() {
                    kept.visits = Arc::new(reading.with_changed(&kept.visits, since));
                }
                return Ok(kept.clone());
            }
        }
        // The marks are read first: what is written while the rest is read is read again then.
        let marks = store.heads(org).await?;
        let visits = Arc::new(reading.visits(store, org).await?);
        let customers = Arc::new(everything(store, org, reading).await?);
        let read = Month {
            profile,
            policy_version,
            marks,
            customers,
            visits,
        };
        *slot = Some(read.clone());
        Ok(read)
    }
}

fn by_number(customers: &mut [Arc<OfCustomer>]) {
    customers.sort_by(|a, b| (&a.customer.code, a.customer.id).cmp(&(&b.customer.code, b.customer.id)));
}

/// One customer.
async fn one(
    store: &dyn Store,
    org: OrganisationId,
    customer: CustomerId,
    reading: &Reading,
) -> Result<Option<OfCustomer>, StoreError> {
    let record = |kind| record_of(store, org, customer, kind);
    let Some(LedgerRecord::Customer(found)) = record(RecordKind::Customer).await? else {
        return Ok(None);
    };
    let cadence = match record(RecordKind::CreditAccount).await? {
        Some(LedgerRecord::CreditAccount(account)) => reading.cadence(&account),
        _ => None,
    };
    let notes = store.collecting_facts(org, Some(customer)).await?;
    let promised: Vec<Promise> = notes
        .iter()
        .filter_map(|it| Promise::of_note(it.id, &it.note, reading.zone))
        .collect();
    let books = store.books_of(org, customer).await?;
    Ok(Some(OfCustomer {
        books: reading.read(&books, &promised).ok(),
        customer: Arc::new(found),
        cadence,
    }))
}

/// Every customer.
async fn everything(
    store: &dyn Store,
    org: OrganisationId,
    reading: Reading,
) -> Result<Vec<Arc<OfCustomer>>, StoreError> {
    let customers = customers(store, org).await?;
    let wanted: Arc<BTreeSet<CustomerId>> = Arc::new(customers.iter().map(|it| it.id).collect());
    let promises = promises(store, org, &wanted, reading.zone).await?;
    let cadences = cadences(store, org, &reading).await?;
    let (mut books, uncounted) = read_books(store, org, wanted, promises, reading).await?;
    let mut all: Vec<Arc<OfCustomer>> = customers
        .into_iter()
        .map(|customer| {
            let contradictory = uncounted.contains(&customer.id);
            Arc::new(OfCustomer {
                books: (!contradictory).then(|| books.remove(&customer.id).unwrap_or_default()),
                cadence: cadences.get(&customer.id).copied(),
                customer: Arc::new(customer),
            })
        })
        .collect();
    by_number(&mut all);
    Ok(all)
}

/// Puts the customers' numbers and the visits together.
fn put_together<'c>(
    customers: impl Iterator<Item = &'c Arc<OfCustomer>>,
    visits: &[Visited],
    currency: Currency,
    period: Period,
) -> Team {
    let mut of_customer: HashMap<CustomerId, Vec<NaiveDate>> = HashMap::new();
    for it in visits {
        of_customer.entry(it.made.customer).or_default().push(it.day);
    }
    let mut team = Team {
        period,
        currency,
        reps: BTreeMap::new(),
        customers: Vec::new(),
        uncounted: Vec::new(),
        without_rate: BTreeSet::new(),
    };
    let mut facts = PerformanceFacts::default();
    let nothing = OfBooks::default();
    for it in customers {
        let customer = &it.customer;
        if it.books.is_none() {
            team.uncounted.push(customer.code.clone());
        }
        let whose = Attribution {
            rep: customer.rep,
            supervisor: None,
            territory: customer.territory,
        };
        let money = it.books.as_ref().unwrap_or(&nothing);
        team.without_rate.extend(&money.without_rate);
        let of_rep = team.reps.entry(customer.rep).or_default();
        of_rep.customers += 1;
        of_rep.sales = of_rep.sales.saturating_add(money.sales);
        of_rep.cash = of_rep.cash.saturating_add(money.cash);
        facts.due.push(DueFact {
            whose,
            due_on: period.to,
            amount: money.collection.due,
            paid: money.collection.collected,
            paid_on_time: money.collection.on_time,
        });
        facts
            .promises
            .extend(money.promises.iter().map(|(last_day, standing)| PromiseFact {
                whose,
                last_day: *last_day,
                standing: *standing,
            }));
        let days = of_customer.remove(&customer.id).unwrap_or_default();
        team.customers.push(CustomerFigures {
            customer: Arc::clone(customer),
            every_days: it.cadence.map(|(every, _)| every),
            last_visit: days.iter().copied().filter(|it| *it <= period.to).max(),
            missed: None,
            collection: money.collection,
        });
        facts.cadence.extend(it.cadence.map(|(every, since)| CadenceFact {
            whose,
            customer: customer.id,
            every_days: Some(every),
            visits: days,
            since,
        }));
    }
    let mut missed: HashMap<CustomerId, MissedVisit> = HashMap::new();
    for (group, performance) in figures(&facts, Grouping::Rep, period, EFFECT_DAYS) {
        if let Group::Rep(rep) = group {
            missed.extend(performance.missed.iter().map(|it| (it.customer, *it)));
            team.reps.entry(rep).or_default().performance = performance;
        }
    }
    for it in &mut team.customers {
        it.missed = missed.remove(&it.customer.id);
    }
    count_visits(&mut team, visits);
    team
}

/// Visits belong to whoever made them; only those of customers that are looked at count.
fn count_visits(team: &mut Team, visits: &[Visited]) {
    let known: HashSet<CustomerId> = team.customers.iter().map(|it| it.customer.id).collect();
    let of_period = &visits[visits.partition_point(|it| it.day < team.period.from)..];
    for Visited { day, made } in of_period {
        if !team.period.contains(*day) || !known.contains(&made.customer) {
            continue;
        }
        let of_rep = team.reps.entry(Some(made.owner)).or_default();
        of_rep.visits += 1;
        of_rep.reviewed += u32::from(made.reviewed);
        of_rep.doubtful += u32::from(made.doubtful);
    }
}

/// The first day whose visits say something about a period, when the longest cadence is so many days: the visits before the
/// period tell when the first one in it is due.
fn first_day(period: Period, longest: u32) -> NaiveDate {
    period
        .from
        .checked_sub_days(Days::new(longest.into()))
        .unwrap_or(period.from)
}

async fn rules(store: &dyn Store, org: OrganisationId) -> Result<(OrganisationProfile, Policy, u64), StoreError> {
    let one = |kind: RecordKind| RecordKey {
        kind,
        id: "self".to_owned(),
    };
    let profile = store.record(org, &one(RecordKind::Organisation)).await?;
    let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) else {
        return Err(StoreError::NotFound("the company's profile".to_owned()));
    };
    let policy = store.record(org, &one(RecordKind::Policy)).await?;
    let version = policy.as_ref().map_or(0, |it| it.version);
    let policy = match policy.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => Policy::default(),
    };
    Ok((profile, policy, version))
}

async fn customers(store: &dyn Store, org: OrganisationId) -> Result<Vec<Customer>, StoreError> {
    let all = store.records(org, &RecordKind::Customer).await?.into_iter();
    Ok(all
        .filter_map(|it| match it.record {
            LedgerRecord::Customer(it) => Some(it),
            _ => None,
        })
        .collect())
}

async fn promises(
    store: &dyn Store,
    org: OrganisationId,
    wanted: &BTreeSet<CustomerId>,
    zone: Tz,
) -> Result<HashMap<CustomerId, Vec<Promise>>, StoreError> {
    let mut promises: HashMap<CustomerId, Vec<Promise>> = HashMap::new();
    for (id, tree) in store.promising_notes(org).await? {
        // One of a newer version that cannot be read says nothing that these rules know.
        let Ok(note) = serde_json::from_value::<CollectionNote>(tree) else {
            continue;
        };
        if wanted.contains(&note.customer) {
            let promise = Promise::of_note(id, &note, zone);
            promises.entry(note.customer).or_default().extend(promise);
        }
    }
    Ok(promises)
}

/// What customers' grades ask for, and from when.
async fn cadences(
    store: &dyn Store,
    org: OrganisationId,
    reading: &Reading,
) -> Result<HashMap<CustomerId, (u32, NaiveDate)>, StoreError> {
    let mut cadences = HashMap::new();
    for it in store.records(org, &RecordKind::CreditAccount).await? {
        if let LedgerRecord::CreditAccount(account) = it.record
            && let Some(cadence) = reading.cadence(&account)
        {
            cadences.insert(account.customer, cadence);
        }
    }
    Ok(cadences)
}

/// Tells the days of moments, of which most are of the day of the one before.
fn day_by_day(zone: Tz) -> impl FnMut(Timestamp) -> NaiveDate {
    let mut present: Option<(NaiveDate, std::ops::Range<Timestamp>)> = None;
    move |at| {
        if let Some((day, hours)) = &present
            && hours.contains(&at)
        {
            return *day;
        }
        let day = at.date_in(zone);
        let begin = |day| Timestamp::midnight(day, zone);
        present = day.succ_opt().map(|next| (day, begin(day)..begin(next)));
        day
    }
}

/// What is needed to read a customer's books.
#[derive(Clone)]
struct Reading {
    period: Period,
    zone: Tz,
    currency: Currency,
    rates: Vec<CreditRate>,
    promises: PromisePolicy,
    /// Days between two visits, by grade.
    every_days: BTreeMap<CreditGrade, u32>,
}

/// What customers' books say, and whose cannot be read.
type Books = (HashMap<CustomerId, OfBooks>, BTreeSet<CustomerId>);

async fn read_books(
    store: &dyn Store,
    org: OrganisationId,
    wanted: Arc<BTreeSet<CustomerId>>,
    promises: HashMap<CustomerId, Vec<Promise>>,
    reading: Reading,
) -> Result<Books, StoreError> {
    let promises = Arc::new(promises);
    let parts: Vec<_> = CustomerPart::all(PARTS)
        .map(|part| {
            let found = Arc::new(Mutex::new(Books::default()));
            let (sink, wanted) = (Arc::clone(&found), Arc::clone(&wanted));
            let (promises, reading) = (Arc::clone(&promises), reading.clone());
            let each = move |customer: CustomerId, books: &HeldBooks| {
                if wanted.contains(&customer) {
                    let promised = promises.get(&customer).map_or(&[][..], Vec::as_slice);
                    let read = reading.read(books, promised);
                    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    match read {
                        Ok(money) => {
                            sink.0.insert(customer, money);
                        }
                        Err(_) => {
                            sink.1.insert(customer);
                        }
                    }
                }
                ControlFlow::Continue(())
            };
            (store.each_books(org, part, Box::new(each)), found)
        })
        .collect();
    let (futures, found): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    for done in futures::future::join_all(futures).await {
        done?;
    }
    let mut all = Books::default();
    for part in found {
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        all.0.extend(part.0.drain());
        all.1.append(&mut part.1);
    }
    // A customer without books may have promised all the same.
    for (customer, promised) in promises.iter() {
        if wanted.contains(customer) && !all.0.contains_key(customer) && !all.1.contains(customer) {
            let nothing = reading.read(&HeldBooks::default(), promised);
            all.0.extend(nothing.ok().map(|money| (*customer, money)));
        }
    }
    Ok(all)
}

impl Reading {
    fn new(period: Period, profile: &OrganisationProfile, policy: Policy) -> Self {
        let every = policy.grades.iter().map(|(grade, it)| (*grade, it.visit_every_days));
        Self {
            period,
            zone: profile.time_zone,
            currency: profile.currency,
            every_days: every
                .filter_map(|(grade, days)| Some((grade, days.filter(|it| *it > 0)?)))
                .collect(),
            rates: policy.rates,
            promises: policy.promises,
        }
    }

    /// What the customer's grade asks for at the end of the period, and from when.
    fn cadence(&self, account: &CreditAccount) -> Option<(u32, NaiveDate)> {
        let terms = account.terms_on(self.period.to)?;
        let every = self.every_days.get(&terms.grade?)?;
        Some((*every, terms.effective_from))
    }

    /// The days whose visits are of interest: as far back as any grade's cadence looks.
    fn days(&self) -> std::ops::RangeInclusive<NaiveDate> {
        let longest = self.every_days.values().copied().max().unwrap_or(0);
        first_day(self.period, longest)..=self.period.to
    }

    async fn visits(&self, store: &dyn Store, org: OrganisationId) -> Result<Vec<Visited>, StoreError> {
        let days = self.days();
        let begin = |day: NaiveDate| Timestamp::midnight(day, self.zone);
        let after = days.end().succ_opt().unwrap_or(*days.end());
        let made = store
            .visits_between(org, None, begin(*days.start()), begin(after))
            .await?;
        let mut day_of = day_by_day(self.zone);
        Ok(made
            .into_iter()
            .map(|made| Visited {
                day: day_of(made.at),
                made,
            })
            .collect())
    }

    /// The visits with what became of those that changed.
    fn with_changed(&self, visits: &[Visited], changed: VisitsSince) -> Vec<Visited> {
        let days = self.days();
        let mut visits: Vec<Visited> = visits
            .iter()
            .filter(|it| !changed.contains_key(&it.made.number))
            .copied()
            .collect();
        let mut day_of = day_by_day(self.zone);
        let changed = changed.into_values().flatten().map(|made| Visited {
            day: day_of(made.at),
            made,
        });
        visits.extend(changed.filter(|it| days.contains(&it.day)));
        // Nearly all are in their order already.
        visits.sort_by_key(|it| it.made.at);
        visits
    }

    fn read(&self, books: &HeldBooks, promised: &[Promise]) -> Result<OfBooks, BooksError> {
        let Period { from, to } = self.period;
        let view = books.view();
        let rates = DayRates {
            rates: &self.rates,
            day: to,
        };
        let mut money = OfBooks::default();
        let mut in_books =
            |amount: Decimal, currency: Currency| match rates.convert(Money::new(amount, currency), self.currency) {
                Ok(converted) => converted.amount,
                Err(_) => {
                    if !amount.is_zero() {
                        money.without_rate.insert(currency);
                    }
                    Decimal::ZERO
                }
            };
        let invoiced = books.invoices.iter().map(|it| it.amount.currency);
        let currencies: BTreeSet<Currency> = invoiced
            .chain(books.receipts.iter().map(|it| it.amount.currency))
            .collect();
        let mut collection = PeriodCollection::default();
        for currency in currencies {
            let one = period_collection(&view, currency, from, to, to)?;
            let converted = PeriodCollection {
                due: in_books(one.due, currency),
                collected: in_books(one.collected, currency),
                on_time: in_books(one.on_time, currency),
            };
            collection = collection.plus(converted)?;
        }
        let mut sales = Decimal::ZERO;
        for it in &books.invoices {
            // What collecting costs is no sale.
            let sale = !matches!(it.kind, InvoiceType::Interest | InvoiceType::Costs);
            if sale && self.period.contains(it.counts_from()) {
                sales = sales.saturating_add(in_books(it.amount.amount, it.amount.currency));
            }
        }
        for it in &books.credit_notes {
            if self.period.contains(it.counts_from()) {
                sales = sales.saturating_sub(in_books(it.amount.amount, it.amount.currency));
            }
        }
        let mut cash = Decimal::ZERO;
        for it in &books.receipts {
            let returned = it.bounced_on.is_some_and(|day| day <= to);
            if self.period.contains(it.valued_on) && !returned {
                cash = cash.saturating_add(in_books(it.amount.amount, it.amount.currency));
            }
        }
        money.collection = collection;
        money.sales = sales;
        money.cash = cash;
        money.promises = evaluate(promised, &books.receipts, &self.promises, to)
            .into_iter()
            .map(|it| (it.last_day, it.standing))
            .collect();
        Ok(money)
    }
}
