//! `fieldledger backup`

use std::path::PathBuf;

use clap::Args;

use super::{DataFolder, Failure, act, operation::Operation};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Folder for the backup; it must not exist yet
    to: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
}

pub(super) fn run(args: &Backup) -> Result<(), Failure> {
    // A running server has another working directory.
    let to = std::path::absolute(&args.to)
        .map_err(|error| Failure(format!("{} cannot be a folder: {error}", args.to.display())))?;
    if to.exists() {
        return Err(Failure(format!(
            "{} exists already; give the name of a new folder, so that no earlier backup is lost",
            to.display()
        )));
    }
    act(&args.folder, &Operation::Backup { to })
}
