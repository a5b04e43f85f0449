//! What is looked after without anybody asking: leases that are over, due dates that can be told, early warnings and
//! proposals to stop supply (DOMAIN §1.4, §1.5, §3). Pure: the jobs say when, and for whom.

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        Contract, CreditLimit, Currency, CustomerId, DocumentKind, InvalidField, LedgerRecord, Money, OrderDecision,
        OrderEvent, OrderEventKind, OrganisationId, OutsideCause, Person, RecordKey, RecordKind, Timestamp,
    },
    rules::{
        books::{self, CustomerBooks, OpenItem},
        exposure::{self, DayRates, ExposureError},
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
    let released = released(ledger, items, &rates, position.exposure.currency).map_err(uncountable)?;
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
        outside_cause: if is_within_without(released, position.exposure, position.limit) {
            None
        } else {
            Some(outside_cause(ledger, day))
        },
    })
}

/// What the exposure holds of orders that a person let through although a rule stopped them: what of them is open, and
/// what was charged for them and is not paid.
fn released(
    ledger: &CustomerLedger,
    items: &[OpenItem],
    rates: &DayRates<'_>,
    to: Currency,
) -> Result<Money, ExposureError> {
    let let_through = |it: &&OrderDecision| {
        let released = |event: &OrderEvent| matches!(event.what, OrderEventKind::Released);
        it.events.iter().any(released)
    };
    let mut sum = Money::zero(to);
    for order in ledger.decisions.iter().filter(let_through) {
        let (open, uninvoiced) = exposure::counted(order)?;
        let charged = items
            .iter()
            .filter(|it| it.order_number.as_ref() == Some(&order.number))
            .map(|it| Money::new(it.open(), it.currency));
        for amount in charged.chain([open, uninvoiced]) {
            sum = sum.checked_add(rates.convert(amount, to)?)?;
        }
    }
    Ok(sum)
}

/// Whether the limit would hold without what people let through: then nothing from outside exceeded it.
fn is_within_without(released: Money, exposure: Money, limit: CreditLimit) -> bool {
    match limit {
        CreditLimit::Limited(limit) if limit.currency == exposure.currency => {
            !released.amount.is_zero() && exposure.amount.saturating_sub(released.amount) <= limit.amount
        }
        _ => false,
    }
}

/// What made the exposure grow past the limit in the last days without anybody having decided so.
fn outside_cause(ledger: &CustomerLedger, day: NaiveDate) -> OutsideCause {
    let since = day.checked_sub_days(Days::new(CAUSE_DAYS)).unwrap_or(day);
    let recent = |on: NaiveDate| (since..=day).contains(&on);
    if ledger.receipts.iter().filter_map(|it| it.bounced_on).any(recent) {
        return OutsideCause::ReturnedPayment;
    }
    let now = ledger.account.terms_on(day);
    let before = since.pred_opt().and_then(|day| ledger.account.terms_on(day));
    if let (Some(now), Some(before)) = (now, before)
        && recent(now.effective_from)
        && is_lower(now.limit, before.limit)
    {
        return OutsideCause::LimitLowered;
    }
    if ledger.policy.rates.iter().any(|it| recent(it.on)) {
        return OutsideCause::Rate;
    }
    // Else an invoice of somebody else's, a record that was written by software, or an order that grew when it was delivered.
    OutsideCause::Import
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
