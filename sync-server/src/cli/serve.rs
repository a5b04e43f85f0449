//! `fieldledger serve`

use std::{io::IsTerminal as _, net::SocketAddr, sync::Arc, time::Duration};

use axum::serve::ListenerExt as _;
use clap::Args;
use tokio::{net::TcpListener, task::JoinHandle};
use tracing_subscriber::EnvFilter;

use super::{Failure, control::ControlPort, folder, say};
use crate::{
    auth::Secrets,
    build_app,
    clock::SystemClock,
    config::{LogFormat, ServerConfig},
    ingest::{WorkerCommand, WorkerLimits, WorkerPool},
    jobs,
    state::AppState,
    store::StoreError,
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ServerConfig,
}

pub(super) fn run(args: Serve) -> Result<(), Failure> {
    args.config.check().map_err(Failure)?;
    start_logging(&args.config)?;
    super::runtime()?.block_on(async {
        let server = RunningServer::start(args.config).await?;
        say(&format!("Fieldledger listens on http://{}", server.address))?;
        if server.state.store.organisations().await?.is_empty() {
            say(&first_steps(&server.state.config))?;
        }
        asked_to_stop().await?;
        tracing::info!("stopping; requests under way are finished");
        server.stop().await
    })
}

/// Sends log lines to standard error.
///
/// # Errors
/// When the filter cannot be understood.
pub fn start_logging(config: &ServerConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| Failure(format!("--log: {:?} is not a filter: {error}", config.log)))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| Failure(format!("logging cannot be started: {error}")))
}

/// A server that runs in this process.
pub struct RunningServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its handlers see.
    pub state: AppState,
    workers: Arc<WorkerPool>,
    serving: JoinHandle<std::io::Result<()>>,
    control: ControlPort,
}

impl RunningServer {
    /// Starts a server: its store, its decoding processes, its port. Port 0 in the configuration takes any free one.
    ///
    /// # Errors
    /// [`Failure`] saying what is in the way.
    pub async fn start(mut config: ServerConfig) -> Result<Self, Failure> {
        let folder = config.data.clone();
        let store = match folder::open(&folder) {
            Err(StoreError::InUse) => {
                return Err(Failure(format!(
                    "another server is using the data folder {}; stop it first, or name another folder with --data",
                    folder.display()
                )));
            }
            other => other.map_err(|error| folder::unusable(&folder, error))?,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            Failure(format!(
                "cannot listen on {}: {error}; choose another --listen",
                config.listen
            ))
        })?;
        let listening = |error: std::io::Error| Failure(format!("cannot listen: {error}"));
        config.listen = listener.local_addr().map_err(listening)?;
        let address = config.listen;
        let command = WorkerCommand::this_program()
            .map_err(|error| Failure(format!("the decoding processes cannot be started: {error}")))?;
        let workers = Arc::new(WorkerPool::new(command, config.worker_count(), WorkerLimits::default()));
        let secrets = Secrets::from_system().map_err(|error| Failure(error.to_string()))?;
        let judge = Arc::clone(&workers);
        let state = AppState::new(Arc::new(store), judge, Arc::new(SystemClock), secrets, config);
        let control = ControlPort::open(&folder, state.clone())
            .await
            .map_err(|error| Failure(format!("the control port cannot be opened: {error}")))?;
        jobs::start(&state);
        let app = build_app(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
        // Replies are written in one piece; waiting for more to send only delays them.
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true);
        });
        let mut stop = state.watch_stop();
        let serving = tokio::spawn(
            axum::serve(listener, app)
                .with_graceful_shutdown(async move {
                    let _ = stop.wait_for(|stopping| *stopping).await;
                })
                .into_future(),
        );
        Ok(Self {
            address,
            state,
            workers,
            serving,
            control,
        })
    }

    /// Stops: takes no new requests, finishes those under way within the configured time, ends the workers.
    ///
    /// # Errors
    /// When the server had failed before.
    pub async fn stop(self) -> Result<(), Failure> {
        self.state.stop();
        drop(self.control);
        let abort = self.serving.abort_handle();
        let patience = Duration::from_secs(self.state.config.shutdown_seconds);
        let served = tokio::time::timeout(patience, self.serving).await;
        self.workers.shutdown().await;
        match served {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(Failure(format!("the server failed: {error}"))),
            Ok(Err(error)) => Err(Failure(format!("the server failed: {error}"))),
            Err(_) => {
                abort.abort();
                tracing::warn!("some requests were not finished in time and are cut off; phones send them again");
                Ok(())
            }
        }
    }
}

/// Waits for Ctrl-C or a polite kill.
async fn asked_to_stop() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("signals cannot be waited for: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}

fn first_steps(config: &ServerConfig) -> String {
    let data = config.data.display();
    format!(
        "\nThere is no organisation here yet. In another terminal:\n\
         \n  fieldledger organisation create \"My company\" --time-zone Asia/Shanghai --currency CNY --data {data}\
         \n  fieldledger user add admin --name \"Me\" --role administrator --generate-password --data {data}\
         \n  fieldledger territory add North --data {data}\
         \n  fieldledger user add anna --name \"Anna\" --role rep --territory North --data {data}\
         \n  fieldledger device enrol anna --data {data}\n\
         \nThen sign in at {} with the login admin.",
        config.base_url()
    )
}
