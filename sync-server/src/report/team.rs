//! How the work of reps goes in a month (DOMAIN §5 and §6): visits against the cadence, money against what was due, promises,
//! reviews. The figures are inputs; people decide what they are worth.
//!
//! Books are read one customer after the other, so what is held in memory is a few numbers for each customer. A customer
//! whose books contradict each other is left out and named: one wrong record must not hide everybody's month.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use fieldledger_core::{
    model::{
        CollectionNote, CreditRate, Currency, Customer, CustomerId, InvoiceType, LedgerRecord, Money, OrganisationId,
        OrganisationProfile, Policy, PromisePolicy, RecordKey, RecordKind, TerritoryId, Timestamp, UserId,
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
};
use rust_decimal::Decimal;

use crate::store::{CustomerPart, HeldBooks, Store, StoreError, VisitMade};

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
    pub customer: Customer,
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

/// Reads how the work of the reps in `scope` goes in `period`.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn team(store: &dyn Store, org: OrganisationId, scope: &Scope, period: Period) -> Result<Team, StoreError> {
    let (profile, policy) = rules(store, org).await?;
    let customers = customers(store, org, scope).await?;
    let wanted: Arc<BTreeSet<CustomerId>> = Arc::new(customers.iter().map(|it| it.id).collect());
    let promises = promises(store, org, &wanted, profile.time_zone).await?;
    let reading = Reading {
        period,
        currency: profile.currency,
        rates: policy.rates.clone(),
        policy: policy.promises,
    };
    let (mut books, uncounted) = read_books(store, org, wanted, promises, reading).await?;
    let cadence = cadences(store, org, &policy, period.to).await?;
    let longest = cadence.values().map(|(every, _)| *every).max().unwrap_or(0);
    let visits = visits(store, org, period, longest, profile.time_zone).await?;

    let mut of_customer: HashMap<CustomerId, Vec<NaiveDate>> = HashMap::new();
    for it in &visits {
        let day = it.at.date_in(profile.time_zone);
        of_customer.entry(it.customer).or_default().push(day);
    }
    let mut team = Team {
        period,
        currency: profile.currency,
        reps: BTreeMap::new(),
        customers: Vec::with_capacity(customers.len()),
        uncounted: Vec::new(),
        without_rate: BTreeSet::new(),
    };
    let mut facts = PerformanceFacts::default();
    for customer in customers {
        if uncounted.contains(&customer.id) {
            team.uncounted.push(customer.code.clone());
        }
        let whose = Attribution {
            rep: customer.rep,
            supervisor: None,
            territory: customer.territory,
        };
        let money = books.remove(&customer.id).unwrap_or_default();
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
        let last_visit = days.iter().copied().filter(|it| *it <= period.to).max();
        let every = cadence.get(&customer.id).copied();
        let fact = every.map(|(every, since)| CadenceFact {
            whose,
            customer: customer.id,
            every_days: Some(every),
            visits: days,
            since,
        });
        let missed = fact.as_ref().and_then(|it| {
            let alone = PerformanceFacts {
                cadence: vec![it.clone()],
                ..PerformanceFacts::default()
            };
            let whole = figures(&alone, Grouping::Whole, period, EFFECT_DAYS).remove(&Group::Whole);
            whole.and_then(|it| it.missed.first().copied())
        });
        facts.cadence.extend(fact);
        team.customers.push(CustomerFigures {
            customer,
            every_days: every.map(|(every, _)| every),
            last_visit,
            missed,
            collection: money.collection,
        });
    }
    for (group, performance) in figures(&facts, Grouping::Rep, period, EFFECT_DAYS) {
        if let Group::Rep(rep) = group {
            team.reps.entry(rep).or_default().performance = performance;
        }
    }
    count_visits(&mut team, &visits, profile.time_zone);
    Ok(team)
}

/// Visits belong to whoever made them; only those of customers that are looked at count.
fn count_visits(team: &mut Team, visits: &[VisitMade], zone: Tz) {
    let known: BTreeSet<CustomerId> = team.customers.iter().map(|it| it.customer.id).collect();
    for it in visits {
        if !team.period.contains(it.at.date_in(zone)) || !known.contains(&it.customer) {
            continue;
        }
        let of_rep = team.reps.entry(Some(it.owner)).or_default();
        of_rep.visits += 1;
        of_rep.reviewed += u32::from(it.reviewed);
        of_rep.doubtful += u32::from(it.doubtful);
    }
}

async fn rules(store: &dyn Store, org: OrganisationId) -> Result<(OrganisationProfile, Policy), StoreError> {
    let one = |kind: RecordKind| RecordKey {
        kind,
        id: "self".to_owned(),
    };
    let profile = store.record(org, &one(RecordKind::Organisation)).await?;
    let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) else {
        return Err(StoreError::NotFound("the company's profile".to_owned()));
    };
    let policy = match store.record(org, &one(RecordKind::Policy)).await?.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => Policy::default(),
    };
    Ok((profile, policy))
}

async fn customers(store: &dyn Store, org: OrganisationId, scope: &Scope) -> Result<Vec<Customer>, StoreError> {
    let mut customers: Vec<Customer> = store
        .records(org, &RecordKind::Customer)
        .await?
        .into_iter()
        .filter_map(|it| match it.record {
            LedgerRecord::Customer(it) => Some(it),
            _ => None,
        })
        .filter(|it| scope.territories.as_ref().is_none_or(|all| all.contains(&it.territory)))
        .filter(|it| scope.rep.is_none_or(|rep| it.rep == Some(rep)))
        .collect();
    customers.sort_by(|a, b| (&a.code, a.id).cmp(&(&b.code, b.id)));
    Ok(customers)
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

/// What a customer's grade asks for, and from when.
async fn cadences(
    store: &dyn Store,
    org: OrganisationId,
    policy: &Policy,
    as_of: NaiveDate,
) -> Result<HashMap<CustomerId, (u32, NaiveDate)>, StoreError> {
    let mut cadences = HashMap::new();
    for it in store.records(org, &RecordKind::CreditAccount).await? {
        let LedgerRecord::CreditAccount(account) = it.record else {
            continue;
        };
        let Some(terms) = account.terms_on(as_of) else { continue };
        let grade = terms.grade.and_then(|grade| policy.grades.get(&grade));
        if let Some(every) = grade.and_then(|it| it.visit_every_days).filter(|it| *it > 0) {
            cadences.insert(account.customer, (every, terms.effective_from));
        }
    }
    Ok(cadences)
}

/// The visits of the period, and those before it that tell when the first one is due: older than the longest cadence they
/// change nothing.
async fn visits(
    store: &dyn Store,
    org: OrganisationId,
    period: Period,
    longest: u32,
    zone: Tz,
) -> Result<Vec<VisitMade>, StoreError> {
    let first = period.from.checked_sub_days(Days::new(longest.into()));
    let after = period.to.succ_opt().unwrap_or(period.to);
    let begin = |day: NaiveDate| {
        let midnight = day.and_time(NaiveTime::MIN).and_local_timezone(zone).earliest();
        // Where a clock change skips midnight, an hour more does no harm: days are told again from each visit.
        midnight.map_or_else(
            || Timestamp::from_millis(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis() - 50_400_000),
            |it| Timestamp::from_millis(it.timestamp_millis()),
        )
    };
    store
        .visits_between(org, begin(first.unwrap_or(period.from)), begin(after))
        .await
}

/// What is needed to read a customer's books.
#[derive(Clone)]
struct Reading {
    period: Period,
    currency: Currency,
    rates: Vec<CreditRate>,
    policy: PromisePolicy,
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
        money.promises = evaluate(promised, &books.receipts, &self.policy, to)
            .into_iter()
            .map(|it| (it.last_day, it.standing))
            .collect();
        Ok(money)
    }
}
