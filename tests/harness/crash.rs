//! What a phone recorded before it died, and whether it is still there.

use std::{collections::BTreeMap, path::Path};

use fieldledger_core::{
    error::FieldError,
    model::{CustomerId, DeviceId, DocumentId, DocumentKind, Role, Timestamp, UserId, Visit},
    store::{FieldStore, ListQuery, OpenOptions},
    sync::protocol::EnrolResponse,
};

use crate::{company::Company, visits::VisitMaker};

/// Opens the phone in `folder`; a fresh one becomes 李娜's.
///
/// # Errors
/// As [`FieldStore::open`].
pub fn open(folder: &Path) -> Result<FieldStore, FieldError> {
    let store = FieldStore::open(OpenOptions {
        app_version: "1.0.0-test".to_owned(),
        ..OpenOptions::new(folder.join("phone.db"), [1; 16])
    })?;
    if store.identity().is_none() {
        let company = Company::named();
        store.adopt_enrolment(
            "http://localhost",
            enrolment_by_hand(&company, company.li_na, vec![Role::Rep]),
        )?;
    }
    Ok(store)
}

/// Visits of 李娜.
pub fn visits(seed: u64) -> VisitMaker {
    let company = Company::named();
    let customers: Vec<CustomerId> = vec![company.yongxing, company.aurora];
    VisitMaker::new(seed, customers, company.li_na)
}

/// The note of a revision, from which the revision and the document can be read.
pub fn note(id: DocumentId, revision: u32) -> String {
    format!("{id} 第 {revision} 版")
}

/// The newest acknowledged revision of each document, from the lines a writer printed.
pub fn acknowledged(lines: &[String]) -> BTreeMap<DocumentId, u32> {
    lines
        .iter()
        .filter_map(|line| {
            let (id, revision) = line.split_once(' ')?;
            Some((id.parse().ok()?, revision.parse().ok()?))
        })
        .collect()
}

/// Compares a phone with what it acknowledged: all of it is there, each document whole, listed, found by search, and
/// waiting to be sent; and nothing is there by halves. Returns what is wrong.
///
/// # Errors
/// When the store cannot be read at all.
pub fn faults(store: &FieldStore, acknowledged: &BTreeMap<DocumentId, u32>) -> Result<Vec<String>, FieldError> {
    let mut faults = Vec::new();
    if let Some(report) = store.opening_report() {
        faults.push(format!("the database was taken for damaged: {report:?}"));
    }
    for (id, revision) in acknowledged {
        match store.visit(*id)? {
            None => faults.push(format!("{id} was acknowledged and is gone")),
            Some(document) if revision_of(*id, &document.value).unwrap_or(0) < *revision => {
                faults.push(format!("{id} lost revision {revision}: {}", document.value.note));
            }
            Some(_) => {}
        }
    }
    let mut changes = 0;
    let rows = store.list(&ListQuery {
        kind: Some(DocumentKind::Visit),
        limit: 1_000_000,
        ..ListQuery::default()
    })?;
    for row in &rows {
        let Some(document) = store.visit(row.id)? else {
            faults.push(format!("{} is listed and is not there", row.id));
            continue;
        };
        let revision = revision_of(row.id, &document.value).unwrap_or(0);
        // The creation is one change, each revision another.
        let history = store.history(row.id)?.len();
        if history != revision as usize + 1 {
            faults.push(format!("{} has revision {revision} and {history} changes", row.id));
        }
        changes += history;
    }
    for id in acknowledged.keys() {
        if !rows.iter().any(|row| row.id == *id) {
            faults.push(format!("{id} is there and not listed"));
        }
    }
    let waiting = store.status()?.waiting;
    if waiting != changes {
        faults.push(format!("{changes} changes were made, {waiting} wait to be sent"));
    }
    if let Some((id, _)) = acknowledged.iter().find(|(_, revision)| **revision > 0)
        && store.search(&id.to_string(), 10)?.is_empty()
    {
        faults.push(format!("{id} is not found by search"));
    }
    Ok(faults)
}

/// `None` while the visit has the note it was made with.
fn revision_of(id: DocumentId, visit: &Visit) -> Option<u32> {
    let rest = visit.note.strip_prefix(&id.to_string())?;
    rest.trim_start_matches(" 第 ").trim_end_matches(" 版").parse().ok()
}

/// An enrolment without a server, for a phone that is only to record.
pub fn enrolment_by_hand(company: &Company, user: UserId, roles: Vec<Role>) -> EnrolResponse {
    EnrolResponse {
        organisation: company.organisation,
        organisation_name: "海风食品".to_owned(),
        user,
        user_name: "李娜".to_owned(),
        roles,
        device: DeviceId::from_bytes([7; 16]),
        token: "unused".to_owned(),
        server_time: Timestamp::from_millis(0),
    }
}
