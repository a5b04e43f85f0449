//! The audit log: lines chained by their hashes, so that tampering is found.

use fieldledger_core::model::{OrganisationId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::all;
use crate::store::{AuditEntry, StoreError};

/// The hash of the line before the first.
const AUDIT_START: [u8; 32] = [0; 32];

fn audit_hash(before: &[u8; 32], org: OrganisationId, seq: i64, entry: &AuditEntry) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(org.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(entry.at.as_millis().to_be_bytes());
    for text in [&entry.actor, &entry.action, &entry.subject, &entry.detail] {
        // With their lengths, or moving a character from one field to the next would go unseen.
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

pub(in crate::store::sqlite) fn audit(
    connection: &Connection,
    org: OrganisationId,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let head: Option<(i64, [u8; 32])> = connection
        .prepare_cached("SELECT seq, hash FROM audit_head WHERE organisation = ?1")?
        .query_row(params![org.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last, before) = head.unwrap_or((0, AUDIT_START));
    let seq = last + 1;
    let hash = audit_hash(&before, org, seq, entry);
    connection
        .prepare_cached(
            "INSERT INTO audit (organisation, seq, at, actor, action, subject, detail, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            org.as_bytes(),
            seq,
            entry.at.as_millis(),
            entry.actor,
            entry.action,
            entry.subject,
            entry.detail,
            hash,
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO audit_head (organisation, seq, hash) VALUES (?1, ?2, ?3)
             ON CONFLICT (organisation) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        )?
        .execute(params![org.as_bytes(), seq, hash])?;
    Ok(())
}

pub(super) fn audit_entry(row: &Row<'_>, from: usize) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        at: Timestamp::from_millis(row.get(from)?),
        actor: row.get(from + 1)?,
        action: row.get(from + 2)?,
        subject: row.get(from + 3)?,
        detail: row.get(from + 4)?,
    })
}

pub(super) fn verify_audit_log(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    let organisations: Vec<OrganisationId> = all(
        connection,
        "SELECT organisation FROM audit UNION SELECT organisation FROM audit_head",
        [],
        |row| Ok(OrganisationId::from_bytes(row.get(0)?)),
    )?;
    for org in organisations {
        let mut statement = connection.prepare(
            "SELECT at, actor, action, subject, detail, seq, hash FROM audit WHERE organisation = ?1 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![org.as_bytes()])?;
        let (mut last, mut before) = (0i64, AUDIT_START);
        while let Some(row) = rows.next()? {
            let entry = audit_entry(row, 0)?;
            let (seq, hash): (i64, [u8; 32]) = (row.get(5)?, row.get(6)?);
            if seq != last + 1 {
                problems.push(format!(
                    "audit log of {org}: the lines between {last} and {seq} are missing"
                ));
            } else if audit_hash(&before, org, seq, &entry) != hash {
                problems.push(format!(
                    "audit log of {org}: line {seq} ({} {}) was changed after it was written, or a line before it was",
                    entry.at, entry.action
                ));
            }
            (last, before) = (seq, hash);
        }
        let head: Option<(i64, [u8; 32])> = connection
            .query_row(
                "SELECT seq, hash FROM audit_head WHERE organisation = ?1",
                params![org.as_bytes()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        match head {
            Some(head) if head == (last, before) => {}
            Some((seq, _)) => problems.push(format!(
                "audit log of {org}: it should end with line {seq} and ends with line {last}"
            )),
            None => problems.push(format!("audit log of {org}: the record of its end is missing")),
        }
    }
    Ok(problems)
}
