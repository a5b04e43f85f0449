//! Reads what customers' books say of a period: all of them in parts, or one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::NaiveDate;
use chrono_tz::Tz;
use fieldledger_core::{
    model::{
        CollectionNote, CreditAccount, CreditGrade, CreditRate, Currency, Customer, CustomerId, InvoiceType,
        LedgerRecord, Money, OrganisationId, OrganisationProfile, Policy, PromisePolicy, RecordKind, Timestamp,
    },
    rules::{
        books::BooksError,
        exposure::DayRates,
        figures::{PeriodCollection, period_collection},
        performance::Period,
        promises::{Promise, evaluate},
    },
};
use rust_decimal::Decimal;

use super::{OfBooks, PARTS, Visited, first_day};
use crate::store::{CustomerPart, HeldBooks, Store, StoreError, VisitsSince};

pub(super) async fn customers(store: &dyn Store, org: OrganisationId) -> Result<Vec<Customer>, StoreError> {
    let all = store.records(org, &RecordKind::Customer).await?.into_iter();
    Ok(all
        .filter_map(|it| match it.record {
            LedgerRecord::Customer(it) => Some(it),
            _ => None,
        })
        .collect())
}

pub(super) async fn promises(
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
pub(super) async fn cadences(
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
pub(super) struct Reading {
    period: Period,
    pub(super) zone: Tz,
    currency: Currency,
    rates: Vec<CreditRate>,
    promises: PromisePolicy,
    /// Days between two visits, by grade.
    every_days: BTreeMap<CreditGrade, u32>,
}

/// What customers' books say, and whose cannot be read.
pub(super) type Books = (HashMap<CustomerId, OfBooks>, BTreeSet<CustomerId>);

pub(super) async fn read_books(
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
    pub(super) fn new(period: Period, profile: &OrganisationProfile, policy: Policy) -> Self {
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
    pub(super) fn cadence(&self, account: &CreditAccount) -> Option<(u32, NaiveDate)> {
        let terms = account.terms_on(self.period.to)?;
        let every = self.every_days.get(&terms.grade?)?;
        Some((*every, terms.effective_from))
    }

    /// The days whose visits are of interest: as far back as any grade's cadence looks.
    fn days(&self) -> std::ops::RangeInclusive<NaiveDate> {
        let longest = self.every_days.values().copied().max().unwrap_or(0);
        first_day(self.period, longest)..=self.period.to
    }

    pub(super) async fn visits(&self, store: &dyn Store, org: OrganisationId) -> Result<Vec<Visited>, StoreError> {
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
    pub(super) fn with_changed(&self, visits: &[Visited], changed: VisitsSince) -> Vec<Visited> {
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

    pub(super) fn read(&self, books: &HeldBooks, promised: &[Promise]) -> Result<OfBooks, BooksError> {
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
