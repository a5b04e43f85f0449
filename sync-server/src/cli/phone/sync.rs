//! Enrolling and syncing: the commands that need the server.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use fieldledger_core::{
    model::DocumentId,
    store::{Change, RejectedChange},
    sync::{
        driver::{SyncDriver, SyncError, SyncReport},
        engine::Status,
        enrolment::{EnrolmentLink, NoEnrolmentLink},
        transport::{EnrolError, TransportFault},
    },
};
use serde_json::json;

use super::{Done, OFFLINE, Phone, Problem, REFUSED, SIGNED_OUT, TOO_OLD, WRONG, short};

impl From<SyncError> for Problem {
    fn from(error: SyncError) -> Self {
        let code = match &error {
            SyncError::Storage(error) => return error.clone().into(),
            SyncError::Transport(fault) => fault_code(fault),
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

impl From<EnrolError> for Problem {
    fn from(error: EnrolError) -> Self {
        let code = match &error {
            EnrolError::Address(_) => WRONG,
            EnrolError::Refused { .. } => SIGNED_OUT,
            EnrolError::Transport(fault) => fault_code(fault),
            EnrolError::Store(error) => return error.clone().into(),
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

fn fault_code(fault: &TransportFault) -> u8 {
    match fault {
        TransportFault::SignInAgain | TransportFault::AnotherPhone | TransportFault::Revoked => SIGNED_OUT,
        TransportFault::NeedsNewerApp => TOO_OLD,
        TransportFault::Server(_) => 1,
        _ => OFFLINE,
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Problem {
        code: 1,
        message: error.to_string(),
    })
}

impl Phone {
    pub(super) fn enrol(&self, url: &str, code: Option<&str>, name: &str) -> Done {
        let link = match code {
            Some(code) => EnrolmentLink {
                server: url.to_owned(),
                code: code.to_owned(),
            },
            None => url.parse().map_err(|error: NoEnrolmentLink| {
                Problem::wrong(format!("{error}; or give the server's address and the code after it"))
            })?,
        };
        let identity = runtime()?.block_on(self.store.enrol(&link.server, &link.code, name))?;
        self.say(
            format!(
                "This phone is now {}'s at {}. Fill it with `sync`.",
                identity.user_name, identity.organisation_name
            ),
            json!({ "user": identity.user, "name": identity.user_name, "organisation": identity.organisation_name,
                    "device": identity.device }),
        )
    }

    pub(super) fn sync(&self) -> Done {
        let report = runtime()?
            .block_on(async { Ok::<_, Problem>(SyncDriver::over_http(&self.store)?.sync_all(|| true).await?) })?;
        self.say(report_text(&report), report_json(&report))?;
        let rejected = self.store.status()?.rejected;
        if report.rejected == 0 {
            return Ok(0);
        }
        for it in &rejected {
            self.complain(&self.rejection(it)?);
        }
        Ok(REFUSED)
    }

    /// A refused change on one line: what it belongs to, and why.
    pub(super) fn rejection(&self, it: &RejectedChange) -> Result<String, Problem> {
        let title = if it.title.trim().is_empty() {
            self.unnamed(it.document)?
        } else {
            it.title.clone()
        };
        let message = if it.message.trim().is_empty() {
            "the server gave no reason"
        } else {
            &it.message
        };
        Ok(format!("rejected: {title}: {message}"))
    }

    /// What to call a document that says nothing of itself: a visit without a note, or one about a customer that is not
    /// here any more.
    fn unnamed(&self, document: DocumentId) -> Result<String, Problem> {
        let row = self.store.row(document)?;
        Ok(match row {
            Some(row) => {
                let kind = row.kind.as_str().replace('_', " ");
                let about = if row.customer_name.is_empty() {
                    String::new()
                } else {
                    format!(" at {}", row.customer_name)
                };
                format!("{kind} {}{about}", short(document))
            }
            None => format!("document {}", short(document)),
        })
    }

    fn complain(&self, text: &str) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{}", crate::cli::table::plain(text));
    }

    pub(super) fn watch(&self, seconds: Option<u64>) -> Done {
        let store = self.store.clone();
        let told = store.clone();
        let json = self.json;
        let _subscription = self.store.subscribe(Arc::new(move |changes| {
            use std::io::Write as _;
            let names: Vec<String> = changes.iter().map(change_name).collect();
            let waiting = told.status().map(|status| status.waiting).unwrap_or_default();
            let _ = if json {
                writeln!(std::io::stdout(), "{}", json!({ "changed": names, "waiting": waiting }))
            } else {
                writeln!(
                    std::io::stdout(),
                    "changed: {}; {waiting} waiting to be sent",
                    names.join(", ")
                )
            };
        }));
        runtime()?.block_on(async {
            let driver = SyncDriver::over_http(&store)?;
            let end = async {
                match seconds {
                    Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                    None => {
                        let _ = tokio::signal::ctrl_c().await;
                    }
                }
            };
            let mut reached = true;
            let watch = |status: &Status, _: &SyncReport| {
                // Once for each time the network goes, not for each attempt.
                if let Status::Failed(failure) = status
                    && std::mem::replace(&mut reached, false)
                {
                    self.complain(&SyncError::from(failure.clone()).to_string());
                } else if matches!(status, Status::UpToDate) {
                    reached = true;
                }
            };
            tokio::select! {
                ended = driver.run(end, watch) => ended?,
                ended = driver.run_evidence(std::future::pending(), || true) => ended?,
            }
            Ok::<_, Problem>(())
        })?;
        Ok(0)
    }
}

fn change_name(change: &Change) -> String {
    match change {
        Change::Documents(kind) => kind.as_str().replace('_', " "),
        Change::Records => "company books".to_owned(),
        Change::Status => "sync status".to_owned(),
        Change::Evidence => "evidence".to_owned(),
    }
}

fn report_text(report: &SyncReport) -> String {
    let mut text = if report.pushed == 0 && report.pulled == 0 {
        format!(
            "Nothing new. ({} bytes up, {} bytes down)",
            report.bytes_up, report.bytes_down
        )
    } else {
        format!(
            "Sent {} ({} accepted, {} known already, {} rejected) and received {}, in {} round trip(s): {} bytes up, {} \
             bytes down.",
            report.pushed,
            report.accepted,
            report.duplicate,
            report.rejected,
            report.pulled,
            report.rounds,
            report.bytes_up,
            report.bytes_down
        )
    };
    let files = &report.evidence;
    if files.stored + files.left + files.lost > 0 {
        let _ = write!(
            text,
            "\nFiles: {} sent ({} bytes), {} waiting, {} lost.",
            files.stored, files.bytes_up, files.left, files.lost
        );
    }
    if let Some(problem) = &files.problem {
        let _ = write!(text, " {problem}.");
    }
    text
}

fn report_json(report: &SyncReport) -> serde_json::Value {
    json!({
        "rounds": report.rounds, "pushed": report.pushed, "pulled": report.pulled, "accepted": report.accepted,
        "duplicate": report.duplicate, "rejected": report.rejected, "bytes_up": report.bytes_up,
        "bytes_down": report.bytes_down, "files_sent": report.evidence.stored, "files_waiting": report.evidence.left,
        "files_lost": report.evidence.lost, "files_bytes": report.evidence.bytes_up,
        "files_problem": report.evidence.problem,
    })
}
