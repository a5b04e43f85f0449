//! What an operator may do. An operation is carried out on the data folder, or inside the server that uses the folder
//! (see [`super::control`]): either way it is the same code.

mod accounts;
mod allowances;
#[cfg(test)]
mod allowances_tests;
mod collect;
mod credit;
mod deliveries;
mod desk;
mod devices;
mod evidence;
mod statement;
mod table;
mod tokens;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use chrono_tz::Tz;
pub use collect::CollectAction;
pub use credit::CreditAction;
pub use deliveries::DeliveryAction;
use desk::Desk;
use fieldledger_core::model::{Currency, LedgerRecord, OrganisationId, OrganisationProfile, Role};
use serde::{Deserialize, Serialize};
pub use statement::StatementAction;
use table::table;

use super::{AFTER_DAMAGE, Failure};
use crate::{
    report::{Format, ReportRequest},
    state::AppState,
    store::{ApiRole, Step, sqlite::private_folder},
};

/// Name under which the audit log knows the command line.
const OPERATOR: &str = "operator";

/// Something an operator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Makes a company.
    CreateOrganisation {
        /// Its name.
        name: String,
        /// Its time zone.
        time_zone: Tz,
        /// The currency of its books.
        currency: Currency,
        /// Radius of the geofence around its customers.
        geofence_metres: u32,
    },
    /// Tells the companies.
    ListOrganisations,
    /// Does something within one company.
    Within {
        /// Its name or id; not needed while there is only one.
        organisation: Option<String>,
        /// What.
        action: Action,
    },
    /// Writes a backup.
    Backup {
        /// Into this new folder, as an absolute path.
        to: PathBuf,
    },
    /// Checks everything that is stored.
    Verify,
}

/// Something an operator does within one company.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Makes a territory.
    AddTerritory {
        /// Its name.
        name: String,
    },
    /// Tells the territories.
    ListTerritories,
    /// Makes an account.
    AddUser {
        /// What the person signs in with.
        login: String,
        /// Their name.
        name: String,
        /// What they may do.
        roles: Vec<Role>,
        /// Where, by name.
        territories: Vec<String>,
        /// Login or id of whom they report to.
        supervisor: Option<String>,
        /// Their password, if they get one.
        password: Option<String>,
    },
    /// Tells the accounts.
    ListUsers,
    /// Shuts or opens an account.
    SetDisabled {
        /// Whose.
        login: String,
        /// Shut.
        disabled: bool,
    },
    /// Gives a person a new password.
    SetPassword {
        /// Who.
        login: String,
        /// The password.
        password: String,
    },
    /// Makes a link with which a person sets their password.
    PasswordLink {
        /// Whose.
        login: String,
    },
    /// Ends every session of a person.
    SignOut {
        /// Whose.
        login: String,
    },
    /// Moves customers to another territory.
    MoveCustomers {
        /// Their numbers.
        customers: Vec<String>,
        /// Name of the territory.
        to: String,
        /// Login of who is in charge there, or `nobody`; who was before when left out.
        rep: Option<String>,
        /// Why.
        reason: String,
    },
    /// Links to deliveries.
    Delivery(DeliveryAction),
    /// Gives a person these territories and no others.
    SetTerritories {
        /// Who.
        login: String,
        /// Where, by name.
        territories: Vec<String>,
    },
    /// Gives a person these roles and no others.
    SetRoles {
        /// Who.
        login: String,
        /// What they may do.
        roles: Vec<Role>,
    },
    /// Makes a one-time code for a phone.
    EnrolDevice {
        /// Whose phone.
        login: String,
        /// For how long the code works; the server's setting when left out.
        hours: Option<u32>,
    },
    /// Tells the devices.
    ListDevices,
    /// Shuts a device out.
    RevokeDevice {
        /// Its id, or its beginning.
        device: String,
    },
    /// Makes a token for other software.
    CreateToken {
        /// What the software is called.
        name: String,
        /// What it may do.
        role: ApiRole,
        /// For how many days it works; without it until it is revoked.
        days: Option<u32>,
    },
    /// Tells the tokens of other software.
    ListTokens,
    /// Revokes a token of other software.
    RevokeToken {
        /// Its name.
        name: String,
    },
    /// Computes a report.
    Report {
        /// Which, and about what.
        request: ReportRequest,
        /// How it is written.
        format: Format,
    },
    /// Asks or decides about credit.
    Credit(CreditAction),
    /// Statements of account.
    Statement(StatementAction),
    /// Collecting.
    Collect(CollectAction),
    /// Tells the end of the audit log.
    AuditLog {
        /// How many lines.
        limit: u32,
    },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What to tell the operator.
    pub text: String,
    /// Whether something is wrong that the operator asked about.
    pub problems: bool,
}

impl From<String> for Outcome {
    fn from(text: String) -> Self {
        Self { text, problems: false }
    }
}

/// Carries out an operation.
///
/// # Errors
/// [`Failure`] saying what to do instead.
pub async fn perform(state: &AppState, operation: Operation) -> Result<Outcome, Failure> {
    match operation {
        Operation::CreateOrganisation {
            name,
            time_zone,
            currency,
            geofence_metres,
        } => {
            let profile = OrganisationProfile {
                name: name_of("the organisation", &name)?,
                time_zone,
                currency,
                geofence_metres,
            };
            create_organisation(state, profile).await
        }
        Operation::ListOrganisations => {
            let rows = state.store.organisations().await?;
            let rows = rows.into_iter().map(|(id, name)| vec![name, id.to_string()]);
            Ok(table(&["NAME", "ID"], rows).into())
        }
        Operation::Within { organisation, action } => {
            let (org, org_name) = find_organisation(state, organisation.as_deref()).await?;
            Desk { state, org, org_name }.perform(action).await
        }
        Operation::Backup { to } => {
            new_folder(&to)?;
            let files = evidence::back_up(state, &to).await?;
            let report = state.store.backup(&to).await?;
            evidence::note(state, &files).await?;
            for (org, _) in state.store.organisations().await? {
                state.audit(org, OPERATOR, "backup.written", to.display(), "").await?;
            }
            let mut text = format!(
                "Backed up {} entries of {} streams, {} bytes, and {} files of evidence, {} bytes, to {}",
                report.entries,
                report.streams,
                report.bytes,
                files.count(),
                files.bytes,
                to.display()
            );
            if files.missing > 0 {
                let _ = write!(
                    text,
                    "\n{} files of evidence are gone from the data folder; `fieldledger verify` names them",
                    files.missing
                );
            }
            Ok(Outcome {
                text,
                problems: files.missing > 0,
            })
        }
        Operation::Verify => verify(state).await,
    }
}

/// Makes the folder of a backup, which must not be there: two backups into one would write over each other.
fn new_folder(to: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write to {}: {error}", to.display()));
    if let Some(parent) = to.parent() {
        private_folder(parent).map_err(failed)?;
    }
    let mut maker = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker.create(to).map_err(failed)
}

async fn create_organisation(state: &AppState, profile: OrganisationProfile) -> Result<Outcome, Failure> {
    let id = OrganisationId(uuid::Builder::from_random_bytes(state.secrets.bytes()).into_uuid());
    let name = profile.name.clone();
    let steps = vec![
        Step::CreateOrganisation { name: name.clone() },
        Step::PutRecords(vec![LedgerRecord::Organisation(profile)]),
    ];
    state
        .administer(id, steps, OPERATOR, "organisation.created", &name, "")
        .await?;
    Ok(format!("Organisation {name} is made, with the id {id}").into())
}

async fn verify(state: &AppState) -> Result<Outcome, Failure> {
    let mut problems = state.store.verify().await?;
    problems.extend(state.store.verify_audit_log().await?);
    let (files, damaged) = evidence::verify(state).await?;
    problems.extend(damaged);
    let mut text = String::new();
    if problems.is_empty() {
        let (mut documents, mut entries, mut records) = (0, 0, 0);
        for (org, _) in state.store.organisations().await? {
            let counts = state.store.counts(org).await?;
            documents += counts.documents;
            entries += counts.entries;
            records += counts.records;
        }
        let _ = write!(
            text,
            "Nothing is wrong: {entries} entries, {documents} documents, {records} records, {files} files of evidence and \
             the audit log agree"
        );
    } else {
        let _ = writeln!(text, "{} problems:", problems.len());
        for problem in &problems {
            let _ = writeln!(text, "  {problem}");
        }
        text.push_str(AFTER_DAMAGE);
    }
    Ok(Outcome {
        text,
        problems: !problems.is_empty(),
    })
}

async fn find_organisation(state: &AppState, wanted: Option<&str>) -> Result<(OrganisationId, String), Failure> {
    let all = state.store.organisations().await?;
    let names = || all.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, all.as_slice()) {
        (_, []) => Err(Failure::new(
            "there is no organisation here yet; make one with `fieldledger organisation create NAME --time-zone ZONE \
             --currency CODE`",
        )),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::new(format!(
            "there are several organisations, say which one with --organisation: {}",
            names()
        ))),
        (Some(wanted), _) => all
            .iter()
            .find(|(id, name)| name == wanted || id.to_string() == wanted)
            .cloned()
            .ok_or_else(|| Failure::new(format!("there is no organisation {wanted:?}; there is: {}", names()))),
    }
}

/// A name in one line.
fn name_of(what: &'static str, text: &str) -> Result<String, Failure> {
    Ok(crate::administration::name_of(what, text)?)
}
