//! How the work of reps goes in a month (DOMAIN §5 and §6): visits against the cadence, money against what was due, promises,
//! reviews. The figures are inputs; people decide what they are worth.
//!
//! Books are read one customer after the other, so what is held in memory is a few numbers for each customer. A customer
//! whose books contradict each other is left out and named: one wrong record must not hide everybody's month.
//!
//! These numbers are kept for the next page and follow the streams, as the overview does: reading the books of a whole
//! company takes a second or more, and few customers' books change between two pages. See docs/decisions/0015.

mod reading;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        Currency, Customer, CustomerId, LedgerRecord, OrganisationId, OrganisationProfile, RecordKind, TerritoryId,
        UserId,
    },
    rules::{
        figures::PeriodCollection,
        performance::{
            Attribution, CadenceFact, DueFact, Group, Grouping, MissedVisit, Performance, PerformanceFacts, Period,
            PromiseFact, figures,
        },
        promises::Promise,
    },
    sync::protocol::StreamMark,
};
use rust_decimal::Decimal;

use crate::{
    overview::company,
    store::{Store, StoreError, VisitMade, record_of},
};
use reading::{Reading, cadences, customers, promises, read_books};

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
        let (profile, policy, policy_version) = company(store, org).await?;
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
