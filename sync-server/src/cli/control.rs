//! How the command line reaches a server that is using the data folder.
//!
//! One process at a time works on a data folder. So that an operator need not stop the server to shut out a lost phone
//! or to write a backup, a running server listens on a second port of the loopback interface, and leaves that address
//! and a fresh random secret in `control.json` in the data folder, readable by its own user alone. Whoever may read the
//! folder could read the database too, so the secret gives away nothing new.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use fieldledger_core::sync::transport::client_builder;

use super::{
    Failure,
    operation::{Operation, Outcome, perform},
};
use crate::{
    auth::{bearer, same_secret},
    state::AppState,
};

/// Name of the file in the data folder.
const CONTROL_FILE: &str = "control.json";
/// Where operations are sent.
const PATH: &str = "/operation";

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Control {
    address: SocketAddr,
    secret: String,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Done(Outcome),
    Failed(String),
}

/// The control port of a running server; the file goes when this is dropped.
pub(super) struct ControlPort {
    file: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl ControlPort {
    /// Opens the port and writes the file.
    pub(super) async fn open(folder: &Path, state: AppState) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let control = Control {
            address: listener.local_addr()?,
            secret: state.secrets.token(),
        };
        let file = folder.join(CONTROL_FILE);
        write_private(&file, &serde_json::to_vec(&control)?)?;
        let router = Router::new()
            .route(PATH, post(operate))
            .with_state((state, control.secret));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the control port failed");
            }
        });
        Ok(Self { file, task })
    }
}

impl Drop for ControlPort {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn operate(State((state, secret)): State<(AppState, String)>, headers: HeaderMap, body: Bytes) -> Response {
    if !bearer(&headers).is_some_and(|sent| same_secret(sent, &secret)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let reply = match serde_json::from_slice::<Operation>(&body) {
        Ok(operation) => match perform(&state, operation).await {
            Ok(outcome) => Reply::Done(outcome),
            Err(failure) => Reply::Failed(failure.to_string()),
        },
        Err(error) => Reply::Failed(format!(
            "the running server does not know this operation; is it of another version? ({error})"
        )),
    };
    Json(reply).into_response()
}

fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    // A left-over file may belong to others' eyes; a new one is made instead of filling that one.
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file)?.write_all(content)
}

/// Has the server that uses `folder` carry out an operation.
///
/// # Errors
/// When no server can be reached, or what the server answers.
pub(super) async fn ask(folder: &Path, operation: &Operation) -> Result<Outcome, Failure> {
    let unreachable = |why: &dyn std::fmt::Display| {
        Failure::new(format!(
            "another process uses the data folder {} and cannot be reached ({why}); wait until it is done, or stop it",
            folder.display()
        ))
    };
    let file = std::fs::read(folder.join(CONTROL_FILE)).map_err(|error| unreachable(&error))?;
    let control: Control = serde_json::from_slice(&file).map_err(|error| unreachable(&error))?;
    let body = serde_json::to_vec(operation).map_err(|error| Failure::new(error.to_string()))?;
    let client = client_builder(&[])
        .map_err(|error| unreachable(&error))?
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .build()
        .map_err(|error| unreachable(&error))?;
    let answer = client
        .post(format!("http://{}{PATH}", control.address))
        .bearer_auth(&control.secret)
        .body(body)
        .send()
        .await
        .map_err(|error| unreachable(&error))?;
    if !answer.status().is_success() {
        return Err(unreachable(&answer.status()));
    }
    let bytes = answer.bytes().await.map_err(|error| unreachable(&error))?;
    match serde_json::from_slice(&bytes) {
        Ok(Reply::Done(outcome)) => Ok(outcome),
        Ok(Reply::Failed(message)) => Err(Failure::new(message)),
        Err(error) => Err(unreachable(&error)),
    }
}
