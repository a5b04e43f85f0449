//! The command line. Each command is a file of its own; what an operator does to accounts, devices and backups is an
//! [`operation::Operation`], which works on the data folder and inside a running server alike.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{administration::AdministrationError, store::StoreError};

mod backup;
mod collect;
pub mod control;
mod credit;
mod decode_worker;
mod delivery;
mod demo;
mod device;
mod folder;
mod import;
mod openapi;
pub mod operation;
mod organisation;
mod password;
mod phone;
mod report;
mod restore;
pub mod serve;
mod statement;
mod table;
mod token;
mod user;
mod verify;

/// Fieldledger: what field sales recorded offline, kept and shown to those in the office.
#[derive(Debug, Parser)]
#[command(name = "fieldledger", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// Make and tell organisations
    Organisation(organisation::Organisation),
    /// Make and tell territories
    Territory(organisation::TerritoryArgs),
    /// Make, change and tell accounts
    User(user::User),
    /// Enrol, tell and shut out devices
    Device(device::Device),
    /// Make, tell and revoke tokens of other software, such as an ERP
    Token(token::Token),
    /// Credit: where customers stand, held orders, offline allowances
    Credit(credit::Credit),
    /// Collecting: warnings, reminders, stops of supply, who is late in telling whom
    Collect(collect::Collect),
    /// Deliveries: give customers' contacts links with which they confirm or dispute them
    Delivery(delivery::DeliveryArgs),
    /// Statements of account: issue, show, give to customers by link
    Statement(statement::StatementArgs),
    /// Tell the newest lines of the audit log
    Audit(organisation::Audit),
    /// Write a consistent copy of everything into a new folder, while the server runs or not
    Backup(backup::Backup),
    /// Make a data folder from a backup
    Restore(restore::Restore),
    /// Check every hash, chain and list that is stored
    Verify(verify::Verify),
    /// Show everything at work: a company, a server, three phones, a day without a network
    Demo(demo::DemoArgs),
    /// Tell what customers owe, as of a day
    Report(report::ReportArgs),
    /// Read a company's books from CSV files
    Import(import::ImportArgs),
    /// Be a phone: record, sync, search
    Phone(phone::PhoneArgs),
    /// Record visits until killed; the demo starts this itself
    #[command(hide = true)]
    DemoCrash(demo::CrashArgs),
    /// Print the description of the HTTP interface as JSON
    Openapi,
    /// Decode what phones push; the server starts these itself
    #[command(hide = true)]
    DecodeWorker,
}

/// Where the data is, for commands that need nothing else of the server's settings.
#[derive(Clone, Debug, Args)]
pub struct DataFolder {
    /// Folder that holds everything the server keeps
    #[arg(
        long,
        global = true,
        env = "FIELDLEDGER_DATA",
        default_value = "./fieldledger-data",
        value_name = "DIR"
    )]
    pub data: PathBuf,
}

/// Where the data is, and whose.
#[derive(Clone, Debug, Args)]
struct Place {
    #[command(flatten)]
    folder: DataFolder,
    /// Name or id of the organisation; not needed while there is only one
    #[arg(long, global = true, env = "FIELDLEDGER_ORGANISATION", value_name = "NAME")]
    organisation: Option<String>,
}

impl Place {
    /// Carries out an action in the organisation and prints what came of it.
    fn act(&self, action: operation::Action) -> Result<(), Failure> {
        let operation = operation::Operation::Within {
            organisation: self.organisation.clone(),
            action,
        };
        act(&self.folder, &operation)
    }
}

fn act(folder: &DataFolder, operation: &operation::Operation) -> Result<(), Failure> {
    let outcome = folder::operate(&folder.data, operation, None)?;
    say(&outcome.text)?;
    if outcome.problems {
        return Err(Failure::told());
    }
    Ok(())
}

/// Why a command failed, in words for whoever typed it. Empty when it has been said already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// A failure.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
    fn told() -> Self {
        Self(String::new())
    }
}

/// What to do about a damaged data folder. The folder is kept: it may hold what no backup has, and shows what happened.
const AFTER_DAMAGE: &str = "Keep this data folder as it is for the inquiry, restore the newest backup into a new folder \
                            (`fieldledger restore BACKUP --data NEW`), and start the server there (`fieldledger serve \
                            --data NEW`)";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(_) => Self(format!("{error}. {AFTER_DAMAGE}")),
            other => Self(other.to_string()),
        }
    }
}

impl From<AdministrationError> for Failure {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::Store(error) => error.into(),
            AdministrationError::NoAccount(_) => {
                Self(format!("{error}; `fieldledger user list` tells which there are"))
            }
            AdministrationError::NoTerritory(_) => {
                Self(format!("{error}; `fieldledger territory list` tells which there are"))
            }
            AdministrationError::Shut(login) => Self(format!(
                "the account {login} is shut; open it first with `fieldledger user enable {login}`"
            )),
            other => Self(other.to_string()),
        }
    }
}

/// Prints a line for whoever typed the command.
///
/// # Errors
/// When nobody reads it any more.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // `fieldledger … | head` is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure(format!("the answer cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// The threads on which a command waits.
///
/// # Errors
/// When the system gives none.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure(format!("cannot start: {error}")))
}

/// Runs the command line and tells how it ended.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(it) => serve::run(it),
        Command::Organisation(it) => organisation::run(it),
        Command::Territory(it) => organisation::run_territory(it),
        Command::User(it) => user::run(it),
        Command::Device(it) => device::run(it),
        Command::Token(it) => token::run(it),
        Command::Credit(it) => credit::run(it),
        Command::Collect(it) => collect::run(it),
        Command::Delivery(it) => delivery::run(it),
        Command::Statement(it) => statement::run(it),
        Command::Audit(it) => organisation::run_audit(&it),
        Command::Report(it) => report::run(it),
        Command::Backup(it) => backup::run(&it),
        Command::Restore(it) => restore::run(&it),
        Command::Verify(it) => verify::run(&it),
        // These tell more by their exit code than that they failed.
        Command::Demo(it) => return demo::run(&it),
        Command::DemoCrash(it) => return demo::run_crash(&it),
        Command::Import(it) => return import::run(&it),
        Command::Phone(it) => return phone::run(it),
        Command::Openapi => openapi::run(),
        Command::DecodeWorker => decode_worker::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            if !message.is_empty() {
                let _ = writeln!(std::io::stderr(), "error: {message}");
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
