//! `fieldledger token`

use clap::{Args, Subcommand};

use super::{Failure, Place, operation::Action};
use crate::store::ApiRole;

#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token for other software; it is shown this once
    Create {
        /// What the software is called, for the audit log; a name is given once
        name: String,
        /// What it may do: finance, or read-only
        #[arg(long)]
        role: ApiRole,
        /// For how many days it works; without it until it is revoked
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
        #[command(flatten)]
        place: Place,
    },
    /// Tell the tokens, when they were used and which work no more
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Let a token work no more
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

pub(super) fn run(args: Token) -> Result<(), Failure> {
    match args.command {
        Command::Create {
            name,
            role,
            days,
            place,
        } => place.act(Action::CreateToken { name, role, days }),
        Command::List { place } => place.act(Action::ListTokens),
        Command::Revoke { name, place } => place.act(Action::RevokeToken { name }),
    }
}
