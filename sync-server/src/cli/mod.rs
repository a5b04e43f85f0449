//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod decode_worker;
mod openapi;

/// Fieldledger: what field sales recorded offline, kept and shown to those in the office.
#[derive(Debug, Parser)]
#[command(name = "fieldledger", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the description of the HTTP interface as JSON
    Openapi,
    /// Judge changes for the server that started this process
    #[command(hide = true)]
    DecodeWorker,
}

/// Why a command failed, in words for whoever typed it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// Runs the command line and tells how it ended.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Openapi => openapi::run(),
        Command::DecodeWorker => decode_worker::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}
