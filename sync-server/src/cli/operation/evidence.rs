//! Files of evidence in backups and checks.

use std::{path::Path, sync::Arc};

use fieldledger_core::model::{EvidenceHash, OrganisationId};

use crate::{
    blobs,
    cli::Failure,
    state::AppState,
    store::{EvidenceFile, StoreError},
};

/// Files looked at in one go.
const AT_ONCE: usize = 500;

/// Files of a backup.
#[derive(Default)]
pub(super) struct Covered {
    files: Vec<(OrganisationId, Vec<EvidenceHash>)>,
    pub(super) bytes: u64,
    /// Files that the server should have and has not.
    pub(super) missing: u64,
}

impl Covered {
    pub(super) fn count(&self) -> usize {
        self.files.iter().map(|(_, hashes)| hashes.len()).sum()
    }
}

/// Puts every file that has arrived into the backup. Before the database is copied: what the copy knows of is then in it, or
/// came too late and is told to nobody as covered.
pub(super) async fn back_up(state: &AppState, to: &Path) -> Result<Covered, Failure> {
    let mut covered = Covered::default();
    let mut all = Files::of(state).await?;
    while let Some((organisation, files)) = all.next(state).await? {
        let (blobs, to) = (Arc::clone(&state.blobs), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || {
            let copy = |file: &EvidenceFile| (*file, blobs.back_up(&to, organisation, file.hash, file.size));
            files.iter().map(copy).collect::<Vec<_>>()
        });
        let mut hashes = Vec::new();
        for (file, copied) in copied.await.map_err(|error| Failure::new(error.to_string()))? {
            match copied {
                Ok(()) => {
                    hashes.push(file.hash);
                    covered.bytes += file.size;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    tracing::error!(hash = %file.hash, "a file of evidence is gone or cut short; `fieldledger verify` tells of all that are");
                    covered.missing += 1;
                }
                Err(error) => return Err(Failure::new(format!("the backup cannot be written: {error}"))),
            }
        }
        covered.files.push((organisation, hashes));
    }
    if covered.count() > 0 {
        let folder = to.join(blobs::FOLDER);
        let synced = tokio::task::spawn_blocking(move || blobs::sync_folders(&folder)).await;
        synced
            .map_err(|error| Failure::new(error.to_string()))?
            .map_err(|error| Failure::new(format!("the backup cannot be written: {error}")))?;
    }
    Ok(covered)
}

/// Notes that the backup, which is complete now, holds the files.
pub(super) async fn note(state: &AppState, covered: &Covered) -> Result<(), StoreError> {
    for (organisation, hashes) in &covered.files {
        state.store.evidence_backed_up(*organisation, hashes).await?;
    }
    Ok(())
}

/// Reads every file and compares it with its name. Returns how many there are, and what is wrong.
pub(super) async fn verify(state: &AppState) -> Result<(usize, Vec<String>), Failure> {
    let (mut count, mut problems) = (0, Vec::new());
    let mut all = Files::of(state).await?;
    while let Some((organisation, files)) = all.next(state).await? {
        count += files.len();
        let blobs = Arc::clone(&state.blobs);
        let found = tokio::task::spawn_blocking(move || {
            let problem = |file: &EvidenceFile| {
                let what = match blobs.is_whole(organisation, file.hash) {
                    Ok(true) => return None,
                    Ok(false) => "is not what its name says".to_owned(),
                    Err(error) => format!("cannot be read: {error}"),
                };
                Some(format!(
                    "the file of evidence {} of record {} {what}",
                    file.hash, file.document
                ))
            };
            files.iter().filter_map(problem).collect::<Vec<_>>()
        });
        problems.extend(found.await.map_err(|error| Failure::new(error.to_string()))?);
    }
    Ok((count, problems))
}

/// Every file that has arrived, some at a time.
struct Files {
    organisations: Vec<OrganisationId>,
    after: Option<EvidenceHash>,
}

impl Files {
    async fn of(state: &AppState) -> Result<Self, StoreError> {
        let all = state.store.organisations().await?;
        Ok(Self {
            organisations: all.into_iter().map(|(id, _)| id).collect(),
            after: None,
        })
    }

    async fn next(&mut self, state: &AppState) -> Result<Option<(OrganisationId, Vec<EvidenceFile>)>, StoreError> {
        while let Some(organisation) = self.organisations.last().copied() {
            let files = state.store.all_evidence(organisation, self.after, AT_ONCE).await?;
            self.after = files.last().map(|it| it.hash);
            if self.after.is_some() {
                return Ok(Some((organisation, files)));
            }
            self.organisations.pop();
        }
        Ok(None)
    }
}
