//! `fieldledger collect`

use clap::Args;

use super::{
    Failure, Place,
    operation::{Action, CollectAction},
};

#[derive(Debug, Args)]
pub(super) struct Collect {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: CollectAction,
}

pub(super) fn run(args: Collect) -> Result<(), Failure> {
    args.place.act(Action::Collect(args.action))
}
