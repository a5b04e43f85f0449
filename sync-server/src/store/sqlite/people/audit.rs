//! The audit log: lines chained by their hashes, so that tampering is found.

use fieldledger_core::model::{OrganisationId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};
use sha2::{Digest as _, Sha256};

use super::all;
use crate::store::{AuditCheck, AuditEntry, AuditFilter, AuditLine, BrokenChain, FoundAuditLines, StoreError};

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

/// Lines that match, the newest first.
pub(super) fn lines(
    connection: &Connection,
    org: OrganisationId,
    filter: &AuditFilter,
) -> Result<FoundAuditLines, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes())];
    let mut sql = "SELECT at, actor, action, subject, detail, seq, hash FROM audit WHERE organisation = ?1".to_owned();
    let mut narrow = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        sql.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(actor) = &filter.actor {
        narrow(" AND actor = ?", Box::new(actor.clone()));
    }
    if let Some(action) = &filter.action {
        // The end of what begins with the name and a dot: the slash comes after the dot.
        narrow(" AND (action = ?", Box::new(action.clone()));
        narrow(" OR (action > ?", Box::new(format!("{action}.")));
        narrow(" AND action < ?))", Box::new(format!("{action}/")));
    }
    if let Some(from) = filter.from {
        narrow(" AND at >= ?", Box::new(from.as_millis()));
    }
    if let Some(to) = filter.to {
        narrow(" AND at < ?", Box::new(to.as_millis()));
    }
    let wanted = filter.text.trim().to_lowercase();
    let (skip, limit) = (filter.skip, u64::from(filter.limit));
    let mut found = FoundAuditLines::default();
    if wanted.is_empty() {
        let count = format!("SELECT count(*) FROM ({sql})");
        let total: i64 = connection
            .prepare_cached(&count)?
            .query_row(params_from_iter(&values), |row| row.get(0))?;
        found.total = total.unsigned_abs();
        sql.push_str(&format!(
            " ORDER BY seq DESC LIMIT {limit} OFFSET {}",
            skip.min(found.total)
        ));
    } else {
        sql.push_str(" ORDER BY seq DESC");
    }
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    while let Some(row) = rows.next()? {
        if wanted.is_empty() {
            found.lines.push(audit_line(row)?);
            continue;
        }
        // Compared here, as people compare in every script; the engine knows upper and lower case of ASCII only.
        let (subject, detail): (String, String) = (row.get(3)?, row.get(4)?);
        if [subject, detail].iter().any(|it| it.to_lowercase().contains(&wanted)) {
            if (skip..skip.saturating_add(limit)).contains(&found.total) {
                found.lines.push(audit_line(row)?);
            }
            found.total += 1;
        }
    }
    Ok(found)
}

fn audit_line(row: &Row<'_>) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        seq: row.get::<_, i64>(5)?.unsigned_abs(),
        hash: row.get(6)?,
        entry: audit_entry(row, 0)?,
    })
}

/// The kinds of action there are.
pub(super) fn actions(connection: &Connection, org: OrganisationId) -> Result<Vec<String>, StoreError> {
    // One step from each to the next: the index knows where it begins.
    let sql = "WITH RECURSIVE found (action) AS (
                 SELECT min(action) FROM audit WHERE organisation = ?1
                 UNION ALL
                 SELECT (SELECT min(action) FROM audit WHERE organisation = ?1 AND action > found.action)
                   FROM found WHERE found.action IS NOT NULL)
               SELECT action FROM found WHERE action IS NOT NULL";
    all(connection, sql, params![org.as_bytes()], |row| Ok(row.get(0)?))
}

/// Goes along the chain to where it is broken.
pub(super) fn check(
    connection: &Connection,
    org: OrganisationId,
    newest: Option<u64>,
) -> Result<AuditCheck, StoreError> {
    let head: Option<(i64, [u8; 32])> = connection
        .prepare_cached("SELECT seq, hash FROM audit_head WHERE organisation = ?1")?
        .query_row(params![org.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let longest = newest.map_or(i64::MAX, |it| i64::try_from(it).unwrap_or(i64::MAX));
    // Taken for right: the line before the first that is checked.
    let known = head.map_or(0, |(seq, _)| seq.saturating_sub(longest).max(0));
    let before: Option<[u8; 32]> = connection
        .prepare_cached("SELECT hash FROM audit WHERE organisation = ?1 AND seq = ?2")?
        .query_row(params![org.as_bytes(), known], |row| row.get(0))
        .optional()?;
    let (mut last, mut hash) = before.map_or((0, AUDIT_START), |hash| (known, hash));
    let mut check = AuditCheck {
        from: last.unsigned_abs() + 1,
        checked: 0,
        head: hash,
        broken: None,
    };
    let mut statement = connection.prepare_cached(
        "SELECT at, actor, action, subject, detail, seq, hash FROM audit
         WHERE organisation = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![org.as_bytes(), last])?;
    while let Some(row) = rows.next()? {
        let line = audit_line(row)?;
        let seq = line.seq.cast_signed();
        if seq != last + 1 {
            check.broken = Some(BrokenChain::Missing(line.seq));
        } else if audit_hash(&hash, org, seq, &line.entry) != line.hash {
            check.broken = Some(BrokenChain::Changed(line.seq));
        }
        check.checked += 1;
        (last, hash) = (seq, line.hash);
        if check.broken.is_some() {
            break;
        }
    }
    check.head = hash;
    if check.broken.is_none() {
        check.broken = match head {
            Some(head) if head == (last, hash) => None,
            // Nothing was ever written.
            None if last == 0 => None,
            Some((seq, _)) => Some(BrokenChain::CutOff(last.unsigned_abs(), seq.unsigned_abs())),
            None => Some(BrokenChain::NoEnd(last.unsigned_abs())),
        };
    }
    Ok(check)
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
