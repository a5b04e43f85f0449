//! `fieldledger import`: a company's books from CSV files.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use chrono::NaiveDate;

use super::DataFolder;
use crate::{
    import::{self, ImportError, ImportReport, Mapping},
    store::sqlite::SqliteStore,
};

/// Arguments of `fieldledger import`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Reads a company's books from CSV files through a mapping: customers, territories, people, products, \
        orders, deliveries, invoices, receipts, credit files.\n\n\
        The same files again change nothing; a changed row becomes a new version; what is no longer in the files stays. \
        People get accounts without a password: give them one with `fieldledger user password`.\n\n\
        Exit codes: 0 every row was imported · 1 nothing could be imported · 4 some rows were left out"
)]
pub(super) struct ImportArgs {
    /// The mapping: `classicmodels`, `northwind`, or a file
    #[arg(long, value_name = "NAME|FILE")]
    mapping: String,
    /// The folder with the CSV files
    dir: PathBuf,
    #[command(flatten)]
    folder: DataFolder,
    /// The company's name, instead of the mapping's; one that is there already is brought up to date
    #[arg(long)]
    organisation: Option<String>,
    /// Import nothing when a single row cannot be
    #[arg(long)]
    all_or_nothing: bool,
    /// Day for which overdue amounts are computed; the day after the newest date in the files when left out
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// Answer in JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Some rows were left out.
const INCOMPLETE: u8 = 4;

pub(super) fn run(args: &ImportArgs) -> ExitCode {
    let imported = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(carry_out(args)).map_err(|error| error.to_string()));
    match imported {
        Ok(report) => {
            let text = if args.json {
                serde_json::to_string(&report).unwrap_or_default()
            } else {
                report.to_string()
            };
            let _ = writeln!(std::io::stdout(), "{text}");
            match (report.errors.is_empty(), report.written) {
                (true, _) => ExitCode::SUCCESS,
                (false, true) => ExitCode::from(INCOMPLETE),
                (false, false) => ExitCode::FAILURE,
            }
        }
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(args: &ImportArgs) -> Result<ImportReport, ImportError> {
    let mapping = Mapping::load(&args.mapping)?;
    let name = args.organisation.as_deref().unwrap_or(&mapping.organisation.name);
    let store = SqliteStore::open(&args.folder.data)?;
    let organisation = import::organisation_id(&store, name).await?;
    let books = import::read(&mapping, &args.dir, organisation, Some(name), args.as_of)?;
    import::write(&store, books, args.all_or_nothing, chrono::Utc::now().into()).await
}
