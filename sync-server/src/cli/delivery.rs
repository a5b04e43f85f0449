//! `fieldledger delivery`

use clap::Args;

use super::{
    Failure, Place,
    operation::{Action, DeliveryAction},
};

#[derive(Debug, Args)]
pub(super) struct DeliveryArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: DeliveryAction,
}

pub(super) fn run(args: DeliveryArgs) -> Result<(), Failure> {
    args.place.act(Action::Delivery(args.action))
}
