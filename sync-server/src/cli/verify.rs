//! `fieldledger verify`

use clap::Args;

use super::{DataFolder, Failure, act, operation::Operation};

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    folder: DataFolder,
}

pub(super) fn run(args: &Verify) -> Result<(), Failure> {
    act(&args.folder, &Operation::Verify)
}
