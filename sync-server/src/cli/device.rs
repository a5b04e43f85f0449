//! `fieldledger device`

use clap::{Args, Subcommand};

use super::{Failure, Place, operation::Action};

#[derive(Debug, Args)]
pub(super) struct Device {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a one-time code with which a person's phone becomes a device
    #[command(visible_alias = "code")]
    Enrol {
        /// Whose phone
        login: String,
        /// For how many hours the code works
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=720))]
        hours: Option<u32>,
        #[command(flatten)]
        place: Place,
    },
    /// Tell the devices with their last contact and what waits on them
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Shut a device out
    Revoke {
        /// Its id, or enough of its beginning
        device: String,
        #[command(flatten)]
        place: Place,
    },
}

pub(super) fn run(args: Device) -> Result<(), Failure> {
    match args.command {
        Command::Enrol { login, hours, place } => place.act(Action::EnrolDevice { login, hours }),
        Command::List { place } => place.act(Action::ListDevices),
        Command::Revoke { device, place } => place.act(Action::RevokeDevice { device }),
    }
}
