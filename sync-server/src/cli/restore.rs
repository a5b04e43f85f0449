//! `fieldledger restore`
//!
//! What is restored is older than what phones have seen. So every stream gets a new lineage: phones notice at their next
//! exchange and offer again what the backup does not hold. Everything is made ready in a folder beside the target, which
//! is renamed at the very end: a restore that is interrupted leaves no data folder that a server could start on.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use fieldledger_core::model::OrganisationId;

use super::{DataFolder, Failure, folder, say};
use crate::{
    blobs::{self, Blobs},
    clock::{Clock as _, SystemClock},
    store::{
        AuditEntry, EvidenceStore as _, PeopleStore as _, Store as _, StoreError,
        sqlite::{DATABASE_FILE, LOCK_FILE, SqliteStore, private_folder},
    },
};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// Folder that `fieldledger backup` wrote
    backup: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
}

pub(super) fn run(args: &Restore) -> Result<(), Failure> {
    let text = super::runtime()?.block_on(restore(&args.backup, &args.folder.data))?;
    say(&text)
}

async fn restore(backup: &Path, target: &Path) -> Result<String, Failure> {
    let source = backup.join(DATABASE_FILE);
    if !source.is_file() {
        return Err(Failure(format!(
            "{} is no backup: there is no {DATABASE_FILE} in it",
            backup.display()
        )));
    }
    let target = std::path::absolute(target).map_err(|error| cannot(target, &error))?;
    require_empty(&target)?;
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Failure(format!("{} cannot be a data folder", target.display())));
    };
    fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
    let beside = tempfile::Builder::new()
        .prefix(&format!("{}.restoring-", name.to_string_lossy()))
        .tempdir_in(parent)
        .map_err(|error| cannot(parent, &error))?;
    let copy = beside.path().join(DATABASE_FILE);
    fs::copy(&source, &copy)
        .and_then(|_| fs::File::options().write(true).open(&copy)?.sync_all())
        .map_err(|error| cannot(&copy, &error))?;
    copy_folder(&backup.join(blobs::FOLDER), &beside.path().join(blobs::FOLDER))
        .map_err(|error| cannot(&beside.path().join(blobs::FOLDER), &error))?;
    let streams = prepare(backup, beside.path()).await.map_err(|error| {
        Failure(format!(
            "the backup {} cannot be used: {error}. Nothing was restored",
            backup.display()
        ))
    })?;
    // The lock belongs to the process that prepared the folder, which is done.
    let _ = fs::remove_file(beside.path().join(LOCK_FILE));
    if target.exists() {
        fs::remove_dir(&target).map_err(|error| cannot(&target, &error))?;
    }
    let ready = beside.keep();
    fs::rename(&ready, &target).map_err(|error| cannot(&target, &error))?;
    Ok(format!(
        "Restored {} to {}; {streams} streams begin a new history, and phones will offer again what it lacks.\nShut out \
         again the devices and accounts that were shut out after the backup was written (`fieldledger device list`)",
        backup.display(),
        target.display()
    ))
}

async fn prepare(backup: &Path, folder: &Path) -> Result<u64, StoreError> {
    let store = folder::open(folder)?;
    let problems = store.verify_audit_log().await?;
    if let Some(problem) = problems.first() {
        return Err(StoreError::Damaged(problem.clone()));
    }
    let streams = store.begin_new_lineages().await?;
    let blobs = Blobs::new(folder, 0);
    for (organisation, _) in store.organisations().await? {
        forget_missing(&store, &blobs, organisation).await?;
        let entry = AuditEntry {
            at: SystemClock.now(),
            actor: "operator".to_owned(),
            action: "backup.restored".to_owned(),
            subject: backup.display().to_string(),
            detail: String::new(),
        };
        store.audit(organisation, entry).await?;
    }
    Ok(streams)
}

/// Forgets files of evidence that the backup lists and does not hold: the phones that still have them send them again.
async fn forget_missing(store: &SqliteStore, blobs: &Blobs, organisation: OrganisationId) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let files = store.all_evidence(organisation, after, 500).await?;
        let Some(last) = files.last() else { return Ok(()) };
        after = Some(last.hash);
        let mut missing = Vec::new();
        for file in &files {
            if !blobs.has(organisation, file.hash, file.size).await {
                missing.push(file.hash);
            }
        }
        store.forget_evidence(organisation, &missing).await?;
    }
}

/// Copies a folder with all that is in it; nothing when it is not there.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    private_folder(to)?;
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
            fs::File::options().write(true).open(&to)?.sync_all()?;
        }
    }
    Ok(())
}

fn require_empty(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Failure(format!(
                    "{} is not empty; a backup is only restored into a new or empty folder, so that nothing is lost",
                    folder.display()
                )));
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(folder, &error)),
    }
}

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure(format!("{} cannot be used: {error}", path.display()))
}
