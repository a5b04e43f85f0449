//! The data folder as commands find it.

use std::{path::Path, sync::Arc};

use super::{
    Failure, control,
    operation::{Operation, Outcome, perform},
};
use crate::{
    auth::Secrets,
    clock::SystemClock,
    config::ServerConfig,
    ingest::InProcess,
    state::AppState,
    store::{
        Store, StoreError,
        sqlite::{DATABASE_FILE, SqliteStore},
    },
};

/// Opens the store in `folder`; it is made when it is not there.
///
/// # Errors
/// When another process uses it, or it cannot be used.
pub(crate) fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder)
}

/// Why the store in `folder` cannot be opened. A damaged one is named: it may not be the folder that was meant.
pub(super) fn unusable(folder: &Path, error: StoreError) -> Failure {
    match error {
        StoreError::Damaged(_) => {
            let Failure(why) = error.into();
            Failure(format!("the data folder {} cannot be used: {why}", folder.display()))
        }
        other => other.into(),
    }
}

/// Whether there is a database in `folder`.
pub(super) fn is_in_use_by_fieldledger(folder: &Path) -> bool {
    folder.join(DATABASE_FILE).exists()
}

/// Carries out an operation on the folder, in the server that uses it if there is one.
pub(super) fn operate(folder: &Path, operation: &Operation, public_url: Option<String>) -> Result<Outcome, Failure> {
    super::runtime()?.block_on(async {
        if !matches!(operation, Operation::CreateOrganisation { .. }) && !is_in_use_by_fieldledger(folder) {
            return Err(Failure::new(format!(
                "there is nothing in the data folder {}; say where it is with --data, or begin with `fieldledger \
                 organisation create`",
                folder.display()
            )));
        }
        let store = match open(folder) {
            Ok(store) => store,
            Err(StoreError::InUse) => return control::ask(folder, operation).await,
            Err(error) => return Err(unusable(folder, error)),
        };
        let store: Arc<dyn Store> = Arc::new(store);
        let secrets = Secrets::from_system().map_err(|error| Failure::new(error.to_string()))?;
        let config = ServerConfig {
            data: folder.to_owned(),
            public_url,
            ..ServerConfig::default()
        };
        // Nothing that an operator does here is a change to be judged.
        let state = AppState::new(store, Arc::new(InProcess), Arc::new(SystemClock), secrets, config);
        perform(&state, operation.clone()).await
    })
}
