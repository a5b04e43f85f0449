//! Real servers: one in this process, and one that is a process of its own and can be killed.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

use fieldledger_core::model::{Timestamp, UserId};
use fieldledger_server::{
    AppState,
    auth::Secrets,
    build_app,
    clock::SystemClock,
    config::ServerConfig,
    ingest::{InProcess, Validator, WorkerCommand, WorkerLimits, WorkerPool},
    store::{Store, sqlite::SqliteStore},
};

use crate::{company::Company, phone::Phone};

/// What a harness step may fail with.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// A server in this process, on a free port of the loopback.
pub struct Server {
    /// Its address.
    pub url: String,
    /// Its company.
    pub company: Company,
    /// What handlers see.
    pub state: AppState,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// A server that keeps nothing, with a company, judging in this process.
    ///
    /// # Errors
    /// When it cannot start.
    pub async fn in_memory() -> Result<Self> {
        Self::start(Arc::new(SqliteStore::in_memory()?), Arc::new(InProcess)).await
    }

    /// A server with its data in `folder`, judging in worker processes.
    ///
    /// # Errors
    /// When it cannot start.
    pub async fn with_workers(folder: &Path) -> Result<Self> {
        let command = WorkerCommand {
            program: binary()?,
            arguments: vec!["decode-worker".into()],
        };
        let workers = WorkerPool::new(command, 2, WorkerLimits::default());
        Self::start(Arc::new(SqliteStore::open(folder)?), Arc::new(workers)).await
    }

    /// A server on a store; founds the company unless it is there.
    ///
    /// # Errors
    /// When it cannot start.
    pub async fn start(store: Arc<dyn Store>, validator: Arc<dyn Validator>) -> Result<Self> {
        let company = if store.organisations().await?.is_empty() {
            Company::found(store.as_ref(), now()).await?
        } else {
            Company::named()
        };
        let config = ServerConfig {
            sync_per_minute: 0,
            enrol_per_minute: 0,
            sign_in_per_minute: 0,
            ..ServerConfig::default()
        };
        let state = AppState::new(store, validator, Arc::new(SystemClock), Secrets::from_system()?, config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = build_app(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            url,
            company,
            state,
            task,
        })
    }

    /// A phone of this person, enrolled and synced once.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn phone_of(&self, user: UserId) -> Result<Phone> {
        self.phone_through(&self.url, user).await
    }

    /// A phone of this person that reaches the server at `url`: through a network of its own.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn phone_through(&self, url: &str, user: UserId) -> Result<Phone> {
        let phone = Phone::new(url)?;
        phone.enrol(&self.code_for(user).await?).await?;
        phone.sync().await?;
        Ok(phone)
    }

    /// An enrolment code for this person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn code_for(&self, user: UserId) -> Result<String> {
        let store = self.state.store.as_ref();
        Ok(self
            .company
            .enrolment_code(store, &self.state.secrets, user, now())
            .await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop();
        self.task.abort();
    }
}

/// Now, by this machine.
pub fn now() -> Timestamp {
    chrono::Utc::now().into()
}

/// A server that is a process of its own.
pub struct ServerProcess {
    /// Its address.
    pub url: String,
    child: Child,
}

impl ServerProcess {
    /// Starts `fieldledger serve` on a data folder and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, or ends, or says nothing for a minute; with what it said.
    pub fn start(data: &Path) -> Result<Self> {
        Self::start_on(data, "127.0.0.1:0")
    }

    /// The same on an address: where it was before it died.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(data: &Path, address: &str) -> Result<Self> {
        Self::run(Command::new(binary()?), data, address)
    }

    /// The same with its data on a disk of its own of so many KiB, which begins with what is in `data`. Nobody else sees
    /// the disk but by [`Self::see`], and it goes with the server.
    ///
    /// # Errors
    /// As [`Self::start`], and when this system lets nobody have a disk of their own.
    pub fn start_on_a_small_disk(data: &Path, kibibytes: u32) -> Result<Self> {
        const MOUNT: &str = "mkdir \"$2-first\" && cp -a \"$2\"/. \"$2-first\" && mount -t tmpfs -o size=\"$1k\" tmpfs \"$2\" \
                             && cp -a \"$2-first\"/. \"$2\" && shift 2 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"]);
        command.arg(kibibytes.to_string()).arg(data).arg(binary()?);
        Self::run(command, data, "127.0.0.1:0")
    }

    /// Where something that the server sees at `path` is for others.
    pub fn see(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap_or(path);
        PathBuf::from(format!("/proc/{}/root", self.id())).join(path)
    }

    fn run(mut command: Command, data: &Path, address: &str) -> Result<Self> {
        let mut child = command
            .args(["serve", "--listen", address, "--log-format", "text", "--data"])
            .arg(data)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (said, heard) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            listen(out, said.clone());
        }
        if let Some(errors) = child.stderr.take() {
            listen(errors, said.clone());
        }
        drop(said);
        let mut all = String::new();
        while let Ok(line) = heard.recv_timeout(Duration::from_secs(60)) {
            if let Some(url) = address_in(&line) {
                return Ok(Self { url, child });
            }
            all.push_str(&line);
            all.push('\n');
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the server did not start: {all}").into())
    }

    /// SIGKILL: it gets to do nothing more.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, so that the server never waits for somebody to read its log.
fn listen(out: impl std::io::Read + Send + 'static, said: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
            let _ = said.send(line);
        }
    });
}

fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    Some(format!("http://127.0.0.1:{port}"))
}

/// The `fieldledger` program: `FIELDLEDGER_BIN`, or built now beside this test.
///
/// # Errors
/// When it cannot be built.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    if let Some(given) = std::env::var_os("FIELDLEDGER_BIN") {
        return Ok(given.into());
    }
    BUILT
        .get_or_init(|| build().map_err(|error| error.to_string()))
        .clone()
        .map_err(Into::into)
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // A test runs in target/PROFILE/deps, a program in target/PROFILE.
    let this = std::env::current_exe()?;
    let mut folder = this.parent().ok_or("a program without a folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().ok_or("a target folder without a parent")?;
    }
    let mut command = Command::new(cargo);
    // The whole workspace, so that the dependencies get the features they have in its tests, and need no second build.
    command.args(["build", "--quiet", "--workspace", "--bin", "fieldledger"]);
    command
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(folder.join("fieldledger"))
}
