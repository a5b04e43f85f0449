//! The daily round: what could not be decided on when it came, due dates, early warnings, proposals to stop supply and
//! statements of account, for every customer with an account.

use std::{collections::BTreeMap, time::Duration};

use chrono::NaiveDate;
use fieldledger_core::model::{CustomerId, LedgerRecord, OrganisationId, RecordKey, RecordKind, StatementId};

use crate::{
    ledger::{
        routine::{self, Surroundings},
        statements,
    },
    state::{AppState, Shared},
    store::{CustomerLedger, Decide, Decided, StoreError},
};

/// How often is looked whether a new day has begun at a company.
const EVERY: Duration = Duration::from_secs(300);
/// Pause between two customers, in which others write.
const BREATH: Duration = Duration::from_millis(2);

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedAfter {
    /// Customers looked at.
    pub customers: u64,
    /// Those about whom something was written.
    pub changed: u64,
    /// Statements of account that were issued.
    pub statements: u64,
    /// Those whose books could not be counted; the log says why.
    pub failed: u64,
}

/// Makes a round at the beginning of each company's day until the server stops, the first one at once.
pub(super) async fn run(state: AppState) {
    let mut stop = state.watch_stop();
    let mut done: BTreeMap<OrganisationId, NaiveDate> = BTreeMap::new();
    loop {
        if let Err(error) = rounds(&state, &mut done).await {
            tracing::error!(%error, "the daily round stopped early");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}

async fn rounds(state: &Shared, done: &mut BTreeMap<OrganisationId, NaiveDate>) -> Result<(), StoreError> {
    for (organisation, _) in state.store.organisations().await? {
        let key = RecordKey {
            kind: RecordKind::Organisation,
            id: "self".to_owned(),
        };
        let Some(LedgerRecord::Organisation(profile)) =
            state.store.record(organisation, &key).await?.map(|it| it.record)
        else {
            continue;
        };
        let today = state.clock.now().date_in(profile.time_zone);
        if done.get(&organisation) == Some(&today) {
            continue;
        }
        let sum = look_after(state, organisation).await?;
        tracing::info!(%organisation, customers = sum.customers, changed = sum.changed, statements = sum.statements, failed = sum.failed, "daily round done");
        if state.is_stopping() {
            return Ok(());
        }
        done.insert(organisation, today);
    }
    Ok(())
}

/// Looks after every customer of a company with an account. One that fails does not keep the others from their turn. Ends
/// early, and without an error, when the server stops.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub async fn look_after(state: &Shared, org: OrganisationId) -> Result<LookedAfter, StoreError> {
    let mut sum = LookedAfter::default();
    for customer in routine::looked_after(&*state.store, org).await? {
        if state.is_stopping() {
            break;
        }
        look_after_one(state, org, customer, &mut sum).await?;
        tokio::time::sleep(BREATH).await;
    }
    Ok(sum)
}

async fn look_after_one(
    state: &Shared,
    org: OrganisationId,
    customer: CustomerId,
    sum: &mut LookedAfter,
) -> Result<(), StoreError> {
    state.sync.catch_up(org, customer, state.clock.now()).await?;
    let Some(ledger) = state.store.customer_ledger(org, customer).await? else {
        return Ok(());
    };
    let around = Surroundings::of(&*state.store, org, &ledger).await?;
    let now = state.clock.now();
    sum.customers += 1;
    issue_statements(state, org, &ledger, sum).await?;
    // Most days nothing changes for most customers, and asking takes no lock.
    match routine::look_after(&ledger, &around, now) {
        Ok(change) if change.records.is_empty() => return Ok(()),
        Ok(_) => {}
        Err(why) => {
            sum.failed += 1;
            tracing::warn!(%customer, field = why.field, "a customer cannot be looked after: {}", why.message);
            return Ok(());
        }
    }
    sum.changed += 1;
    let decide = Box::new(move |ledger: &_| routine::look_after(ledger, &around, now));
    decide_on(state, org, customer, decide).await
}

/// Issues what the customer's schedule says.
async fn issue_statements(
    state: &Shared,
    org: OrganisationId,
    ledger: &CustomerLedger,
    sum: &mut LookedAfter,
) -> Result<(), StoreError> {
    let now = state.clock.now();
    let fresh = || {
        let id = uuid::Builder::from_random_bytes(state.secrets.bytes()).into_uuid();
        StatementId::from_bytes(id.into_bytes())
    };
    let customer = ledger.customer.id;
    match statements::due(ledger, fresh, now) {
        Ok(wishes) => {
            for wish in wishes {
                sum.statements += 1;
                let decide = Box::new(move |ledger: &_| statements::issue(ledger, wish, None, now));
                decide_on(state, org, customer, decide).await?;
            }
        }
        Err(why) => {
            tracing::warn!(%customer, field = why.field, "no statement can be issued: {}", why.message);
        }
    }
    Ok(())
}

async fn decide_on(
    state: &Shared,
    org: OrganisationId,
    customer: CustomerId,
    decide: Decide,
) -> Result<(), StoreError> {
    let decided = state
        .store
        .decide(org, customer, None, decide, state.clock.now())
        .await?;
    if let Decided::Done { marks, .. } = decided {
        for mark in marks {
            state.sync.live().publish(org, mark);
        }
    }
    Ok(())
}
