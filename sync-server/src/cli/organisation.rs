//! `fieldledger organisation`, `fieldledger territory`, `fieldledger audit`

use clap::{Args, Subcommand};
use fieldledger_core::model::Currency;

use super::{
    DataFolder, Failure, Place, act,
    operation::{Action, Operation},
};

#[derive(Debug, Args)]
pub(super) struct Organisation {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a company
    Create {
        /// Its name
        name: String,
        /// Time zone in which its days begin, as IANA names it
        #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai")]
        time_zone: chrono_tz::Tz,
        /// Currency of its books, as ISO 4217 names it
        #[arg(long, value_name = "CODE", default_value = "CNY")]
        currency: Currency,
        /// How far from a customer a visit still counts as at the customer
        #[arg(long, value_name = "METRES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        geofence_metres: u32,
        #[command(flatten)]
        folder: DataFolder,
    },
    /// Tell the companies
    List {
        #[command(flatten)]
        folder: DataFolder,
    },
}

pub(super) fn run(args: Organisation) -> Result<(), Failure> {
    match args.command {
        Command::Create {
            name,
            time_zone,
            currency,
            geofence_metres,
            folder,
        } => {
            let operation = Operation::CreateOrganisation {
                name,
                time_zone,
                currency,
                geofence_metres,
            };
            act(&folder, &operation)
        }
        Command::List { folder } => act(&folder, &Operation::ListOrganisations),
    }
}

#[derive(Debug, Args)]
pub(super) struct TerritoryArgs {
    #[command(subcommand)]
    command: TerritoryCommand,
}

#[derive(Debug, Subcommand)]
enum TerritoryCommand {
    /// Make a territory
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Tell the territories
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Move customers to a territory, with everything about them
    Move {
        /// Numbers of the customers
        #[arg(required = true)]
        customers: Vec<String>,
        /// Name of the territory
        #[arg(long, value_name = "NAME")]
        to: String,
        /// Login of who is in charge of them there, or `nobody`; who was before when left out
        #[arg(long, value_name = "LOGIN")]
        rep: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
}

pub(super) fn run_territory(args: TerritoryArgs) -> Result<(), Failure> {
    match args.command {
        TerritoryCommand::Add { name, place } => place.act(Action::AddTerritory { name }),
        TerritoryCommand::List { place } => place.act(Action::ListTerritories),
        TerritoryCommand::Move {
            customers,
            to,
            rep,
            reason,
            place,
        } => place.act(Action::MoveCustomers {
            customers,
            to,
            rep,
            reason,
        }),
    }
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// How many lines
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: u32,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run_audit(args: &Audit) -> Result<(), Failure> {
    args.place.act(Action::AuditLog { limit: args.limit })
}
