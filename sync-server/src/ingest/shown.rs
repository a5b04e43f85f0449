//! Grants that phones show to a server which has lost them.

use fieldledger_core::model::{ShownGrant, Timestamp};
use sha2::{Digest as _, Sha256};

use super::SyncService;
use crate::store::{AuditEntry, Device, StoreError};

/// The audit log's word for a grant that a phone shows and that is not taken back.
const GRANT_REFUSED: &str = "allowance.refused";

/// Most lines of the audit log that one phone can cause by showing what is refused.
const MOST_REFUSALS_NOTED: usize = 100;

impl SyncService {
    /// Whether a grant that a phone shows is one that this server, before it was restored, gave to this device. What is not
    /// is refused, and noted once.
    pub(super) async fn is_ours(
        &self,
        device: &Device,
        shown: &ShownGrant,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let org = device.organisation;
        let why = if shown.terms.device != device.id {
            "it was given to another device"
        } else if !self
            .store
            .signing_key(org)
            .await?
            .has_signed(&shown.terms, &shown.signature)
        {
            "this server has not signed it"
        } else {
            return Ok(true);
        };
        let digest: String = Sha256::digest(shown.terms.canonical_bytes())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let entry = AuditEntry {
            at: now,
            actor: format!("device:{}", device.id),
            action: GRANT_REFUSED.to_owned(),
            subject: shown.terms.id.to_string(),
            detail: format!("{why}: {}, terms {digest}", shown.terms.amount),
        };
        let noted = self.store.audited(org, GRANT_REFUSED).await?;
        // The phone shows it with every request; the log needs to hear of it once.
        let known =
            |it: &AuditEntry| (&it.actor, &it.subject, &it.detail) == (&entry.actor, &entry.subject, &entry.detail);
        let by_this_phone = noted.iter().filter(|it| it.actor == entry.actor).count();
        if !noted.iter().any(known) && by_this_phone < MOST_REFUSALS_NOTED {
            tracing::warn!(device = %device.id, grant = %shown.terms.id, "a phone shows an allowance that is refused: {why}");
            self.store.audit(org, entry).await?;
        }
        Ok(false)
    }
}
