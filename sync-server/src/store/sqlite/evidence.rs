//! Which files of evidence have arrived.

use async_trait::async_trait;
use fieldledger_core::model::{DeviceId, DocumentId, EvidenceHash, OrganisationId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use crate::store::{EvidenceFile, EvidenceStore, StoreError};

const COLUMNS: &str = "hash, size, document, device, arrived_at, backed_up";

#[async_trait]
impl EvidenceStore for SqliteStore {
    async fn evidence_arrived(&self, org: OrganisationId, file: EvidenceFile) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO evidence_file (organisation, hash, size, document, device, arrived_at, backed_up)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    org.as_bytes(),
                    &file.hash.0[..],
                    i64::try_from(file.size).unwrap_or(i64::MAX),
                    file.document.as_bytes(),
                    file.device.as_bytes(),
                    file.arrived_at.as_millis(),
                    file.backed_up,
                ])?;
            Ok(())
        })
        .await
    }

    async fn evidence_files(&self, org: OrganisationId, of: &[EvidenceHash]) -> Result<Vec<EvidenceFile>, StoreError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let of = of.to_vec();
        self.read(move |connection| {
            let sql =
                format!("SELECT {COLUMNS} FROM evidence_file WHERE organisation = ?1 AND hash = ?2 ORDER BY document");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = Vec::new();
            for hash in of {
                let mut rows = statement.query(params![org.as_bytes(), &hash.0[..]])?;
                while let Some(row) = rows.next()? {
                    found.push(file(row)?);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn all_evidence(
        &self,
        org: OrganisationId,
        after: Option<EvidenceHash>,
        limit: usize,
    ) -> Result<Vec<EvidenceFile>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS}, min(document) FROM evidence_file WHERE organisation = ?1 AND hash > ?2
                 GROUP BY hash ORDER BY hash LIMIT ?3"
            );
            // Every hash is greater than no bytes at all.
            let after = after.map_or(Vec::new(), |hash| hash.0.to_vec());
            let rows = connection
                .prepare_cached(&sql)?
                .query_map(
                    params![org.as_bytes(), after, i64::try_from(limit).unwrap_or(i64::MAX)],
                    file,
                )?
                .collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
    }

    async fn evidence_backed_up(&self, org: OrganisationId, files: &[EvidenceHash]) -> Result<(), StoreError> {
        let files = files.to_vec();
        self.write(move |connection| {
            let sql = "UPDATE evidence_file SET backed_up = 1 WHERE organisation = ?1 AND hash = ?2";
            for_each(connection, sql, org, &files)
        })
        .await
    }

    async fn forget_evidence(&self, org: OrganisationId, files: &[EvidenceHash]) -> Result<(), StoreError> {
        let files = files.to_vec();
        self.write(move |connection| {
            let sql = "DELETE FROM evidence_file WHERE organisation = ?1 AND hash = ?2";
            for_each(connection, sql, org, &files)
        })
        .await
    }
}

fn for_each(connection: &Connection, sql: &str, org: OrganisationId, files: &[EvidenceHash]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    for hash in files {
        statement.execute(params![org.as_bytes(), &hash.0[..]])?;
    }
    Ok(())
}

fn file(row: &Row<'_>) -> rusqlite::Result<EvidenceFile> {
    Ok(EvidenceFile {
        hash: EvidenceHash(row.get(0)?),
        size: row.get::<_, i64>(1)?.unsigned_abs(),
        document: DocumentId::from_bytes(row.get(2)?),
        device: DeviceId::from_bytes(row.get(3)?),
        arrived_at: Timestamp::from_millis(row.get(4)?),
        backed_up: row.get(5)?,
    })
}
