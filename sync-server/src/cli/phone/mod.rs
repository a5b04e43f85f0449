//! `fieldledger phone`: a phone without a screen.

mod allowances;
mod args;
mod collecting;
mod find;
mod ledger;
mod show;
mod sync;
mod work;

use std::{io::Write as _, path::Path, process::ExitCode};

use fieldledger_core::{
    error::FieldError,
    model::{InvalidField, LineId, OrganisationProfile},
    store::{FieldStore, OpenOptions},
};
use serde_json::{Value, json};

pub(super) use args::PhoneArgs;
use args::{Command, DeliverCommand, OrderCommand, VisitCommand};
pub(super) use find::short;

use super::table::Table;

/// Why a command did not do what was asked, and how the program ends.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: u8,
    pub(super) message: String,
}

/// Not understood, not found or not valid.
const WRONG: u8 = 2;
/// The server cannot be reached.
const OFFLINE: u8 = 3;
/// Not allowed, held, rejected.
const REFUSED: u8 = 4;
/// Not enrolled, signed out or revoked.
const SIGNED_OUT: u8 = 5;
/// A newer version is needed.
const TOO_OLD: u8 = 6;

impl Problem {
    fn wrong(message: impl Into<String>) -> Self {
        Self {
            code: WRONG,
            message: message.into(),
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        let code = match &error {
            FieldError::Invalid(_) | FieldError::NotFound => WRONG,
            FieldError::Offline => OFFLINE,
            FieldError::NotAllowed(_) => REFUSED,
            FieldError::SignInAgain | FieldError::Revoked | FieldError::NotEnrolled => SIGNED_OUT,
            FieldError::NeedsNewerApp | FieldError::MadeByNewerVersion => TOO_OLD,
            _ => 1,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

impl From<InvalidField> for Problem {
    fn from(error: InvalidField) -> Self {
        FieldError::Invalid(error).into()
    }
}

type Done = Result<u8, Problem>;

/// Runs `fieldledger phone`.
pub(super) fn run(args: PhoneArgs) -> ExitCode {
    let json = args.json;
    match Phone::open(&args.db, json).and_then(|phone| phone.run(args.command)) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            let mut stderr = std::io::stderr();
            let _ = if json {
                writeln!(
                    stderr,
                    "{}",
                    json!({ "error": problem.message, "exit_code": problem.code })
                )
            } else {
                writeln!(stderr, "error: {}", problem.message)
            };
            ExitCode::from(problem.code)
        }
    }
}

/// Opens a phone's database as the command line does.
pub(super) fn open_store(path: &Path) -> Result<FieldStore, Problem> {
    FieldStore::check_path(path)?;
    let installation = installation(path)?;
    let store = FieldStore::open(OpenOptions {
        app_version: concat!("cli ", env!("CARGO_PKG_VERSION")).to_owned(),
        platform: "cli".to_owned(),
        ..OpenOptions::new(path, installation)
    })?;
    Ok(store)
}

/// The random name of the installation lies beside the database: a copy of the database alone is another phone, as on a
/// real one, where it lies in the keychain.
pub(super) fn installation(path: &Path) -> Result<[u8; 16], Problem> {
    let mut name = path.as_os_str().to_owned();
    name.push(".installation");
    let io = |error: std::io::Error| Problem {
        code: 1,
        message: format!("{}: {error}", Path::new(&name).display()),
    };
    match std::fs::read(&name) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| io(std::io::Error::other("is damaged; delete it and enrol again"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|error| io(std::io::Error::other(error.to_string())))?;
            if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(io)?;
            }
            std::fs::write(&name, bytes).map_err(io)?;
            Ok(bytes)
        }
        Err(error) => Err(io(error)),
    }
}

struct Phone {
    store: FieldStore,
    json: bool,
}

impl Phone {
    fn open(path: &Path, json: bool) -> Result<Self, Problem> {
        let phone = Self {
            store: open_store(path)?,
            json,
        };
        if let Some(report) = phone.store.opening_report() {
            let _ = writeln!(std::io::stderr(), "warning: the database was damaged; {report}");
        }
        Ok(phone)
    }

    fn run(&self, command: Command) -> Done {
        match command {
            Command::Enrol { url, code, name } => self.enrol(&url, code.as_deref(), &name),
            Command::Sync => self.sync(),
            Command::Watch { seconds } => self.watch(seconds),
            other => {
                self.store.identity().ok_or(FieldError::NotEnrolled)?;
                self.run_offline(other)
            }
        }
    }

    fn run_offline(&self, command: Command) -> Done {
        match command {
            Command::Today { date } => self.today(date),
            Command::Customers { text, limit } => self.customers(&text.join(" "), limit),
            Command::Customer { customer } => self.customer(&customer),
            Command::Products { text, limit } => self.products(&text.join(" "), limit),
            Command::Visit(command) => self.visit(command),
            Command::Deliver(command) => self.deliver(command),
            Command::Collect(collect) => self.collect(collect),
            Command::Worklist(args) => self.worklist(&args),
            Command::Credit { customer } => self.credit(&customer),
            Command::Promises(args) => self.promises(&args),
            Command::Receipts(args) => self.receipts(&args),
            Command::Statements { customer, everyone } => self.statements(customer.as_deref(), everyone),
            Command::Statement(command) => self.statement(command),
            Command::Close(args) => self.close(args),
            Command::Order(command) => self.order(command),
            Command::Allowances { give_back } => self.allowances(give_back.as_deref()),
            Command::Decision { order } => self.decision(&order),
            Command::Status { dismiss } => self.status(dismiss.as_deref()),
            Command::Search { text } => self.search(&text.join(" ")),
            Command::Timeline { customer, limit } => self.timeline(&customer, limit),
            Command::Show { id } => self.show(&id),
            Command::History { id } => self.history(&id),
            Command::Disagreements { id } => self.disagreements(&id),
            Command::Settle { id, field, choice } => self.settle(&id, &field, choice),
            Command::Reviews { id } => self.reviews(id.as_deref()),
            Command::Reply { review, text } => self.reply(&review, &text),
            Command::Enrol { .. } | Command::Sync | Command::Watch { .. } => Ok(0),
        }
    }

    /// Prints what a person reads, or what a script reads.
    fn say(&self, text: impl std::fmt::Display, json: Value) -> Done {
        let mut stdout = std::io::stdout();
        // A reader that has gone away (`| head`) is no reason to fail.
        let _ = if self.json {
            writeln!(stdout, "{json}")
        } else {
            writeln!(stdout, "{text}")
        };
        Ok(0)
    }

    fn table(&self, table: &Table, nothing: &str, json: Value) -> Done {
        if table.is_empty() {
            self.say(nothing, json)
        } else {
            self.say(table, json)
        }
    }

    fn profile(&self) -> Result<OrganisationProfile, Problem> {
        self.store.organisation()?.ok_or_else(|| Problem {
            code: WRONG,
            message: "this phone has not been filled yet; run `sync` first".to_owned(),
        })
    }

    fn line_id(&self) -> Result<LineId, Problem> {
        Ok(self.store.line_id()?)
    }
}

#[cfg(test)]
mod tests;
