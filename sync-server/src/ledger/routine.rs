//! What is looked after without anybody asking: leases that are over, due dates that can be told, early warnings and
//! proposals to stop supply (DOMAIN §1.4, §1.5, §3). Pure: the jobs say when, and for whom.

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        Contract, CreditLimit, CustomerId, DocumentKind, InvalidField, LedgerRecord, Money, OrderStanding,
        OrganisationId, OutsideCause, Person, RecordKey, RecordKind, Timestamp,
    },
    rules::{
        books::{self, CustomerBooks, OpenItem},
        exposure::{self, DayRates},
        promises::{self, Promise},
        suspension,
        warnings::{self, WarningInputs},
    },
};

use super::{Draft, deliveries, notes};
use crate::store::{AuditEntry, CustomerLedger, FeedFilter, LedgerChange, Store, StoreError};

/// Days that are looked back for what made an exposure grow past its limit: somebody may be away for a week.
const CAUSE_DAYS: u64 = 7;

/// What is known about a customer beside their ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// What they promised.
    pub promises: Vec<Promise>,
    /// The day of the last visit.
    pub last_visit: Option<NaiveDate>,
    /// Their rep.
    pub rep: Option<Person>,
}

impl Surroundings {
    /// Reads what is known about the customer of `ledger`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn of(store: &dyn Store, org: OrganisationId, ledger: &CustomerLedger) -> Result<Self, StoreError> {
        let customer = ledger.customer.id;
        let zone = ledger.organisation.time_zone;
        let visits = FeedFilter {
            kind: Some(DocumentKind::Visit),
            customer: Some(customer),
            limit: 50,
            ..FeedFilter::default()
        };
        let visits = store.feed(org, &visits).await?;
        let last_visit = visits.iter().filter_map(|it| it.summary.at).max();
        let rep = match ledger.customer.rep {
            Some(rep) => {
                let key = RecordKey {
                    kind: RecordKind::Person,
                    id: rep.to_string(),
                };
                match store.record(org, &key).await?.map(|it| it.record) {
                    Some(LedgerRecord::Person(person)) => Some(person),
                    _ => None,
                }
            }
            None => None,
        };
        Ok(Self {
            promises: notes::promises_of(store, org, customer, zone).await?,
            last_visit: last_visit.map(|it| it.date_in(zone)),
            rep,
        })
    }
}

/// Looks after one customer as of `now`. Doing so again on the same day changes nothing.
///
/// # Errors
/// [`InvalidField`] when the books contradict themselves, a rate is missing or a sum overflows.
pub fn look_after(
    ledger: &CustomerLedger,
    around: &Surroundings,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    let day = now.date_in(ledger.organisation.time_zone);
    let orders: Vec<String> = ledger
        .invoices
        .iter()
        .filter_map(|it| it.order_number.clone())
        .collect();
    for number in orders {
        deliveries::fix_due_dates(&mut draft, &number, None)?;
    }
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let uncountable = |error: books::BooksError| InvalidField::new("books", error.to_string());
    let items = books::open_items(&books, day).map_err(uncountable)?;
    propose_suspension(&mut draft, &items, day, now);
    draft.renew_file(now)?;
    let inputs = warning_inputs(&draft, &items, around, day, now)?;
    let owner = warnings::owner(around.rep.as_ref());
    let policy = &ledger.policy.warnings;
    for transition in warnings::transitions(ledger.customer.id, &inputs, policy, &ledger.warnings, owner, now) {
        if let Some(warning) = transition.into_record() {
            draft.put(warning);
        }
    }
    draft.finish("", now)
}

/// A person decides; the proposal is written down so that it is not made again every day.
fn propose_suspension(draft: &mut Draft, items: &[OpenItem], day: NaiveDate, now: Timestamp) {
    let ledger = draft.ledger();
    let breach = |item: &OpenItem| {
        let invoice = ledger.invoices.iter().find(|it| it.number == item.invoice_number)?;
        let number = invoice.contract_number.as_ref()?;
        let contract: &Contract = ledger.contracts.iter().find(|it| it.number == *number)?;
        Some(&contract.breach)
    };
    let account = &ledger.account;
    let grounds = suspension::propose(items, breach, &ledger.policy.interest, &account.suspensions, day);
    if let Some(grounds) = grounds {
        let mut account = account.clone();
        account.suspensions.push(suspension::proposed(&grounds, day));
        let line = AuditEntry {
            at: now,
            actor: "rules".to_owned(),
            action: "supply.stop_proposed".to_owned(),
            subject: ledger.customer.code.clone(),
            detail: grounds.sentence().english,
        };
        draft.put(account);
        draft.audit(line);
    }
}

fn warning_inputs(
    draft: &Draft,
    items: &[OpenItem],
    around: &Surroundings,
    day: NaiveDate,
    now: Timestamp,
) -> Result<WarningInputs, InvalidField> {
    let ledger = draft.ledger();
    let position = draft.position(now)?;
    let uncountable = |error: exposure::ExposureError| InvalidField::new("rates", error.to_string());
    let rates = DayRates {
        rates: &ledger.policy.rates,
        day,
    };
    let currency = ledger
        .policy
        .warnings
        .total_owed
        .map_or(position.exposure.currency, |it| it.currency);
    let owed = exposure::receivables(items, &[], &rates, currency).map_err(uncountable)?;
    let late = items.iter().filter(|it| it.open() > rust_decimal::Decimal::ZERO);
    let oldest = late
        .filter_map(|it| Some((it.days_late(day)?, it.invoice_number.clone())))
        .max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
    let kept = promises::evaluate(&around.promises, &ledger.receipts, &ledger.policy.promises, day);
    let active: Vec<NaiveDate> = ledger
        .decisions
        .iter()
        .map(|it| it.received_at.date_in(ledger.organisation.time_zone))
        .chain(ledger.orders.iter().filter(|it| !it.cancelled).map(|it| it.ordered_on))
        .chain(ledger.receipts.iter().map(|it| it.valued_on))
        .chain(around.last_visit)
        .filter(|it| *it <= day)
        .collect();
    Ok(WarningInputs {
        as_of: day,
        oldest_item: oldest,
        owed,
        exposure: position.exposure,
        limit: position.limit,
        broken_promises: promises::broken_within(&kept, warnings::BROKEN_PROMISE_DAYS, day),
        review_valid_until: ledger.account.assessments.iter().map(|it| it.valid_until).max(),
        downgrade: warnings::downgrade(&ledger.account, day),
        last_activity: active.into_iter().max(),
        outside_cause: outside_cause(ledger, day),
    })
}

/// What may have made the exposure grow past the limit in the last days without anybody having decided so. `None` when
/// somebody let an order through: then it was decided.
fn outside_cause(ledger: &CustomerLedger, day: NaiveDate) -> Option<OutsideCause> {
    let since = day.checked_sub_days(Days::new(CAUSE_DAYS)).unwrap_or(day);
    let recent = |on: NaiveDate| (since..=day).contains(&on);
    if ledger.receipts.iter().filter_map(|it| it.bounced_on).any(recent) {
        return Some(OutsideCause::ReturnedPayment);
    }
    let now = ledger.account.terms_on(day);
    let before = since.pred_opt().and_then(|day| ledger.account.terms_on(day));
    if let (Some(now), Some(before)) = (now, before)
        && recent(now.effective_from)
        && is_lower(now.limit, before.limit)
    {
        return Some(OutsideCause::LimitLowered);
    }
    if ledger.policy.rates.iter().any(|it| recent(it.on)) {
        return Some(OutsideCause::Rate);
    }
    let ours: Vec<&str> = ledger.decisions.iter().map(|it| it.number.as_str()).collect();
    let from_outside = |it: &&fieldledger_core::model::Invoice| {
        let order = it.order_number.as_deref();
        recent(it.posted_on.unwrap_or(it.invoiced_on)) && order.is_none_or(|order| !ours.contains(&order))
    };
    if ledger.invoices.iter().any(|it| from_outside(&it)) {
        return Some(OutsideCause::Import);
    }
    let released = ledger.decisions.iter().any(|it| it.standing == OrderStanding::Released);
    // Nothing else explains it: a record that was written by software, or an order that grew when it was delivered.
    (!released).then_some(OutsideCause::Import)
}

fn is_lower(now: CreditLimit, before: CreditLimit) -> bool {
    match (now, before) {
        (CreditLimit::Limited(now), CreditLimit::Limited(before)) => {
            now.currency == before.currency && now.amount < before.amount
        }
        (CreditLimit::Limited(Money { .. }), CreditLimit::NoLimit) => true,
        (CreditLimit::NoLimit, _) => false,
    }
}

/// The customers for whom there is anything to look after: those with an account.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn looked_after(store: &dyn Store, org: OrganisationId) -> Result<Vec<CustomerId>, StoreError> {
    let accounts = store.records(org, &RecordKind::CreditAccount).await?;
    Ok(accounts.into_iter().filter_map(|it| it.record.customer()).collect())
}
