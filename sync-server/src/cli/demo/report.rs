//! The demo's tables.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use fieldledger_core::{
    model::{DocumentId, UserId},
    store::{DocumentRow, ListQuery},
};

use super::{Broken, cast::Cast, phone::DemoPhone};
use crate::cli::{
    phone::short,
    table::{Table, plain},
};

/// Everything a phone holds.
pub(super) fn all_rows(phone: &DemoPhone) -> Result<Vec<DocumentRow>, Broken> {
    let mut query = ListQuery {
        limit: 500,
        ..ListQuery::default()
    };
    let mut all = Vec::new();
    loop {
        let rows = phone.store.list(&query)?;
        let Some(last) = rows.last() else { return Ok(all) };
        query.before = Some(last.place());
        all.extend(rows);
    }
}

/// What each phone recorded, sent and received.
pub(super) fn table(phones: &[DemoPhone]) -> Result<Table, Broken> {
    let mut table = Table::new(&[
        "phone",
        "changes",
        "documents",
        "merged",
        "disagree",
        "accepted",
        "repeated",
        "rejected",
        "received",
        "kB up",
        "kB down",
        "attempts",
        "failed",
        "seconds",
    ])
    .right(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    for phone in phones {
        let rows = all_rows(phone)?;
        let (mut changes, mut merged, mut disagree) = (0, 0, 0);
        for row in &rows {
            let history = phone.store.history(row.id)?;
            let authors: BTreeSet<UserId> = history.iter().filter_map(|it| it.author.map(|it| it.user)).collect();
            changes += history
                .iter()
                .filter(|it| it.author.is_some_and(|it| it.user == phone.user))
                .count();
            merged += usize::from(authors.len() > 1);
            disagree += row.disagreements;
        }
        let traffic = &phone.proxy.traffic;
        let kilobytes = |bytes: u64| format!("{}.{}", bytes / 1000, bytes % 1000 / 100);
        let total = &phone.total;
        table.row([
            phone.name.clone(),
            changes.to_string(),
            rows.len().to_string(),
            merged.to_string(),
            disagree.to_string(),
            total.accepted.to_string(),
            total.duplicate.to_string(),
            total.rejected.to_string(),
            total.pulled.to_string(),
            kilobytes(traffic.up.load(Ordering::Relaxed)),
            kilobytes(traffic.down.load(Ordering::Relaxed)),
            phone.attempts.to_string(),
            phone.failed.to_string(),
            format!("{:.2}", phone.syncing.as_secs_f64()),
        ]);
    }
    Ok(table)
}

/// What people disagree about in one document.
pub(super) fn disagreements(phone: &DemoPhone, id: DocumentId) -> Result<String, Broken> {
    let mut text = String::new();
    for it in phone.store.disagreements(id)? {
        text.push_str(&format!(
            "\nDisagreement about {} of delivery {}:",
            it.path.join("."),
            short(id)
        ));
        for value in &it.values {
            let who = value.author.map(|it| it.user);
            let name = match who {
                Some(user) => phone
                    .store
                    .person(user)?
                    .map_or_else(|| short(user), |person| person.name),
                None => "somebody".to_owned(),
            };
            text.push_str(&format!("\n   {} — {name}", value.value));
        }
    }
    Ok(text)
}

/// What the server did not accept; it stays on the phone.
pub(super) fn rejected(phones: &[DemoPhone]) -> Result<String, Broken> {
    let mut text = String::new();
    for phone in phones {
        // Later changes of the same document are rejected because of the first; that one has the reason.
        let mut told = BTreeSet::new();
        for it in phone.store.status()?.rejected {
            if told.insert(it.document) {
                text.push_str(&format!(
                    "\nRejected, and kept on the phone of {}: {} ({}): {}",
                    phone.name,
                    plain(&it.title),
                    short(it.document),
                    it.message
                ));
            }
        }
    }
    Ok(text)
}

/// Who can sign in where.
pub(super) fn sign_ins(cast: &Cast, password: &str) -> Table {
    let mut table = Table::new(&["sign in as", "password", "who", "role"]);
    for (account, role) in cast.in_the_office() {
        table.row([
            account.login.clone(),
            password.to_owned(),
            account.name.clone(),
            role.to_owned(),
        ]);
    }
    table
}
