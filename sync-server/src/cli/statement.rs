//! `fieldledger statement`

use clap::Args;

use super::{
    Failure, Place,
    operation::{Action, StatementAction},
};

#[derive(Debug, Args)]
pub(super) struct StatementArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: StatementAction,
}

pub(super) fn run(args: StatementArgs) -> Result<(), Failure> {
    args.place.act(Action::Statement(args.action))
}
