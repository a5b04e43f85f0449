//! Books into the store.

use std::collections::HashMap;

use fieldledger_core::model::{CustomerId, LedgerRecord, OrganisationId, Policy, RecordKey, RecordKind, Timestamp};
use uuid::Uuid;

use super::{
    AccountPlan, Books, ImportError, ImportReport, RowError, Sourced,
    settle::{Settled, settle},
};
use crate::store::{Account, PutOutcome, Store, StoreError};

/// Records handed to the store at once, so that a long import never holds up phones that sync meanwhile.
const BATCH: usize = 2_000;

/// The id of the company with this name: that of the one in the store, or the one it will get.
///
/// # Errors
/// [`StoreError`] of the store.
pub async fn organisation_id(store: &dyn Store, name: &str) -> Result<OrganisationId, StoreError> {
    let known = store.organisations().await?;
    let known = known.into_iter().find(|(_, known)| known == name).map(|(id, _)| id);
    Ok(known.unwrap_or_else(|| OrganisationId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))))
}

/// Writes a company: its records, and its people's accounts without a password. What is there already and the same
/// stays as it is; passwords, devices and shut accounts are never touched. With `all_or_nothing`, one bad row keeps
/// everything out.
///
/// # Errors
/// [`ImportError::Store`] when the store fails; rows that are refused are told in the report.
pub async fn write(
    store: &dyn Store,
    mut books: Books,
    all_or_nothing: bool,
    now: Timestamp,
) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport {
        organisation: books.organisation,
        name: books.profile.name.clone(),
        as_of: books.as_of,
        kinds: Vec::new(),
        errors: std::mem::take(&mut books.errors),
        written: false,
    };
    let known = store.organisations().await?;
    let exists = known.iter().any(|(id, _)| *id == books.organisation);
    settle_beside(store, &mut books, exists, now, &mut report).await?;
    let accounts = check_accounts(store, &books, &mut report).await?;
    if all_or_nothing && !report.errors.is_empty() {
        return Ok(report);
    }
    if !exists {
        store
            .create_organisation(books.organisation, &books.profile.name, now)
            .await?;
    }
    if exists {
        keep_unchanged_credit_files(store, &mut books).await?;
    }
    let records = std::mem::take(&mut books.records);
    let size = if all_or_nothing { records.len().max(1) } else { BATCH };
    let mut rest = records.into_iter();
    loop {
        let batch: Vec<Sourced> = rest.by_ref().take(size).collect();
        if batch.is_empty() {
            break;
        }
        if !put(store, &books, batch, all_or_nothing, now, &mut report).await? {
            return Ok(report);
        }
    }
    report.written = true;
    for (account, change) in accounts {
        let entry = report.kind("account");
        match change {
            Change::New => entry.created += 1,
            Change::Changed => entry.changed += 1,
            Change::None => {
                entry.unchanged += 1;
                continue;
            }
        }
        store.put_account(account).await?;
    }
    Ok(report)
}

/// Writes a batch; `false` when it was kept out as a whole.
async fn put(
    store: &dyn Store,
    books: &Books,
    batch: Vec<Sourced>,
    all_or_nothing: bool,
    now: Timestamp,
    report: &mut ImportReport,
) -> Result<bool, ImportError> {
    let (mut sources, mut records) = (Vec::new(), Vec::new());
    for it in batch {
        sources.push((it.record.key(), it.source));
        records.push(it.record);
    }
    let outcomes = store
        .put_records(books.organisation, records, all_or_nothing, now)
        .await?;
    let refused = outcomes.iter().any(|it| matches!(it, PutOutcome::Refused(_)));
    let kept_out = all_or_nothing && refused;
    for ((key, source), outcome) in sources.into_iter().zip(outcomes) {
        let entry = report.kind(key.kind.as_str());
        match outcome {
            PutOutcome::Refused(reason) => {
                entry.refused += 1;
                let (file, line) = source.unwrap_or_else(|| (key.kind.as_str().to_owned(), 0));
                report.errors.push(RowError {
                    file,
                    line,
                    column: None,
                    reason,
                });
            }
            PutOutcome::Withheld => {}
            PutOutcome::Created => entry.created += 1,
            PutOutcome::Changed { .. } => entry.changed += 1,
            PutOutcome::Unchanged => entry.unchanged += 1,
        }
    }
    Ok(!kept_out)
}

/// Allocates receipts and computes credit accounts and files beside what is stored.
async fn settle_beside(
    store: &dyn Store,
    books: &mut Books,
    exists: bool,
    now: Timestamp,
    report: &mut ImportReport,
) -> Result<(), StoreError> {
    let (org, profile) = (books.organisation, books.profile.clone());
    let mut policy = Policy::default();
    if exists {
        let key = RecordKey {
            kind: RecordKind::Policy,
            id: "self".to_owned(),
        };
        if let Some(LedgerRecord::Policy(found)) = store.record(org, &key).await?.map(|it| it.record) {
            policy = found;
        }
    }
    let facts = books.take_facts();
    let frame = books.frame(&profile, &policy, &facts, now);
    let mut settled = Settled::default();
    for (customer, facts) in facts {
        let known = if exists {
            store.customer_ledger(org, customer).await?
        } else {
            None
        };
        settle(customer, facts, known.as_ref(), &frame, &mut settled);
    }
    report.errors.append(&mut settled.errors);
    settled.put_back(books);
    Ok(())
}

/// A credit file whose figures are those in the store keeps its as-of time: a later import of the same facts is no news
/// to anybody's phone.
async fn keep_unchanged_credit_files(store: &dyn Store, books: &mut Books) -> Result<(), StoreError> {
    let stored = store.records(books.organisation, &RecordKind::CreditFile).await?;
    let mut by_customer = HashMap::<CustomerId, _>::new();
    for it in stored {
        if let LedgerRecord::CreditFile(file) = it.record {
            by_customer.insert(file.customer, file);
        }
    }
    for it in &mut books.records {
        if let LedgerRecord::CreditFile(file) = &mut it.record
            && let Some(before) = by_customer.get(&file.customer)
        {
            let as_of = std::mem::replace(&mut file.as_of, before.as_of);
            if file != before {
                file.as_of = as_of;
            }
        }
    }
    Ok(())
}

enum Change {
    New,
    Changed,
    None,
}

/// The accounts as they will be. A sign-in name that somebody else on this server has is an error of the person's row.
async fn check_accounts(
    store: &dyn Store,
    books: &Books,
    report: &mut ImportReport,
) -> Result<Vec<(Account, Change)>, StoreError> {
    let mut accounts = Vec::with_capacity(books.accounts.len());
    for plan in &books.accounts {
        let present = store.account(books.organisation, plan.user).await?;
        if present.is_none()
            && let Some(taken) = store.account_by_login(&plan.login).await?
            && (taken.organisation, taken.user) != (books.organisation, plan.user)
        {
            let (file, line) = plan.source.clone().unwrap_or_default();
            report.errors.push(RowError {
                file,
                line,
                column: None,
                reason: format!(
                    "the sign-in name {:?} belongs to somebody else on this server",
                    plan.login
                ),
            });
            continue;
        }
        accounts.push(planned(books.organisation, plan, present));
    }
    Ok(accounts)
}

fn planned(organisation: OrganisationId, plan: &AccountPlan, present: Option<Account>) -> (Account, Change) {
    let Some(present) = present else {
        let account = Account {
            organisation,
            user: plan.user,
            login: plan.login.clone(),
            name: plan.name.clone(),
            password_hash: None,
            roles: plan.roles.clone(),
            territories: plan.territories.clone(),
            disabled: false,
        };
        return (account, Change::New);
    };
    // What a person may do and where is the source's to say; how they sign in is theirs and the administrator's.
    let account = Account {
        name: plan.name.clone(),
        roles: plan.roles.clone(),
        territories: plan.territories.clone(),
        ..present.clone()
    };
    let mut sets = [account.territories.clone(), present.territories.clone()];
    sets.iter_mut().for_each(|it| it.sort_unstable());
    let mut roles = [account.roles.clone(), present.roles.clone()];
    roles.iter_mut().for_each(|it| it.sort_unstable());
    let same = account.name == present.name && sets[0] == sets[1] && roles[0] == roles[1];
    (account, if same { Change::None } else { Change::Changed })
}
