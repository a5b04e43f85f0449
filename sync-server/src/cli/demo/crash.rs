//! A phone that is killed in the middle of a write.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use fieldledger_core::{
    model::{CustomerId, DocumentId, VisitOutcome, VisitPurpose, VisitState},
    store::CheckOut,
};

use super::{Broken, cast::Cast, phone::DemoPhone};
use crate::cli::phone::open_store;

/// Arguments of the hidden command that records visits until it is killed.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CrashArgs {
    /// The phone's database
    #[arg(long)]
    db: PathBuf,
    /// The customers to visit
    #[arg(long = "customer", required = true)]
    customers: Vec<CustomerId>,
}

/// Ends by itself after so many visits, should nobody kill it.
const MOST: usize = 2_000;

/// What the phone wrote into its last visits.
const NOTE: &str = "下班前的拜访 last calls of the day";

/// Records visits as fast as it can and prints each id once its check-out is acknowledged.
pub(in crate::cli) fn run(args: &CrashArgs) -> ExitCode {
    let work = || -> Result<(), String> {
        let store = open_store(&args.db).map_err(|problem| problem.message)?;
        for customer in args.customers.iter().cycle().take(MOST) {
            let visit = store
                .start_visit(*customer, VisitPurpose::Routine, None)
                .map_err(|error| error.to_string())?;
            let leaving = CheckOut {
                position: None,
                outcome: Some(VisitOutcome::Successful),
                note: Some(NOTE.to_owned()),
                next_step: None,
            };
            store.check_out(visit.id, leaving).map_err(|error| error.to_string())?;
            let mut stdout = std::io::stdout();
            writeln!(stdout, "{}", visit.id)
                .and_then(|()| stdout.flush())
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

/// What a kill left behind.
pub(super) struct Killed {
    pub(super) acknowledged: usize,
    pub(super) found: usize,
}

/// Lets another process write into the phone's database, kills it when it has acknowledged some visits, and opens the
/// database again.
pub(super) fn kill_one(phone: &mut DemoPhone, cast: &Cast, seed: u64) -> Result<Killed, Broken> {
    phone.store.close();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("demo-crash").arg("--db").arg(&phone.path);
    for customer in cast.others.iter().take(3) {
        command.arg("--customer").arg(customer.id.to_string());
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("the child has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let enough = 5 + usize::try_from(seed % 7)?;
    let mut acknowledged: Vec<DocumentId> = Vec::new();
    for line in lines.by_ref().take(enough) {
        acknowledged.push(line?.parse()?);
    }
    // SIGKILL, while the child is busy with its next visit.
    child.kill()?;
    child.wait()?;
    // What it still managed to acknowledge counts too; a line cut in half was not printed to its end.
    for line in lines.map_while(Result::ok) {
        acknowledged.extend(line.parse::<DocumentId>().ok());
    }
    phone.store.reopen()?;
    if acknowledged.len() < enough {
        return Err("the phone that was to be killed ended by itself".into());
    }
    let mut found = 0;
    for id in &acknowledged {
        let visit = phone.store.visit(*id)?;
        found += usize::from(visit.is_some_and(|it| it.value.state() == VisitState::Done && it.value.note == NOTE));
    }
    Ok(Killed {
        acknowledged: acknowledged.len(),
        found,
    })
}
