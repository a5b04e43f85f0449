//! Everything an operator can set. Each setting is an option of `fieldledger serve` and an environment variable
//! `FIELDLEDGER_…`; the option wins.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object on each line.
    Json,
}

/// Settings of a running server.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct ServerConfig {
    /// Folder that holds everything the server keeps.
    #[arg(
        long,
        env = "FIELDLEDGER_DATA",
        default_value = "./fieldledger-data",
        value_name = "DIR"
    )]
    pub data: PathBuf,

    /// Address and port to listen on. Port 0 takes any free one and prints it.
    #[arg(
        long,
        env = "FIELDLEDGER_LISTEN",
        default_value = "127.0.0.1:7444",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,

    /// Address under which people and phones reach the server, for links, enrolment codes and secure cookies:
    /// `https://sales.example.com`. Without it, the address listened on.
    #[arg(long, env = "FIELDLEDGER_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// How log lines are written.
    #[arg(long, env = "FIELDLEDGER_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged: `info`, `debug`, or a filter such as `fieldledger_server=debug`.
    #[arg(long, env = "FIELDLEDGER_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// Hours after which a person has to sign in again.
    #[arg(long, env = "FIELDLEDGER_SESSION_HOURS", default_value_t = 12, value_name = "HOURS")]
    pub session_hours: u32,

    /// Minutes after which a person who did nothing has to sign in again; what a page does by itself does not count.
    /// 0: only the hours count.
    #[arg(
        long,
        env = "FIELDLEDGER_SESSION_IDLE_MINUTES",
        default_value_t = 120,
        value_name = "MINUTES"
    )]
    pub session_idle_minutes: u32,

    /// Hours for which an enrolment code works.
    #[arg(
        long,
        env = "FIELDLEDGER_ENROLMENT_HOURS",
        default_value_t = 24,
        value_name = "HOURS"
    )]
    pub enrolment_hours: u32,

    /// Days after which a device gets a new token.
    #[arg(long, env = "FIELDLEDGER_TOKEN_DAYS", default_value_t = 30, value_name = "DAYS")]
    pub token_days: u32,

    /// Hours between two compactions: the history of each document becomes one snapshot, but for the newest entries. 0: never.
    #[arg(long, env = "FIELDLEDGER_COMPACT_HOURS", default_value_t = 24, value_name = "HOURS")]
    pub compact_hours: u32,

    /// Processes that decode what phones push. 0: one for each processor.
    #[arg(long, env = "FIELDLEDGER_WORKERS", default_value_t = 0, value_name = "COUNT")]
    pub workers: usize,

    /// Seconds after which a request is given up.
    #[arg(
        long,
        env = "FIELDLEDGER_REQUEST_TIMEOUT",
        default_value_t = 60,
        value_name = "SECONDS"
    )]
    pub request_timeout_seconds: u64,

    /// Seconds that requests under way get to finish when the server stops.
    #[arg(
        long,
        env = "FIELDLEDGER_SHUTDOWN_SECONDS",
        default_value_t = 20,
        value_name = "SECONDS"
    )]
    pub shutdown_seconds: u64,

    /// Exchanges worked on at the same time; each may hold 36 MiB while it is unpacked.
    #[arg(long, env = "FIELDLEDGER_MAX_EXCHANGES", default_value_t = 16, value_name = "COUNT")]
    pub max_exchanges: usize,

    /// Exchanges a device may make in a minute. 0: no limit.
    #[arg(
        long,
        env = "FIELDLEDGER_SYNC_PER_MINUTE",
        default_value_t = 600,
        value_name = "COUNT"
    )]
    pub sync_per_minute: u32,

    /// Requests about files of evidence that a device may make in a minute. 0: no limit.
    #[arg(
        long,
        env = "FIELDLEDGER_EVIDENCE_PER_MINUTE",
        default_value_t = 3_000,
        value_name = "COUNT"
    )]
    pub evidence_per_minute: u32,

    /// Enrolments, and requests with a wrong token, that one address may make in a minute. 0: no limit.
    #[arg(
        long,
        env = "FIELDLEDGER_ENROL_PER_MINUTE",
        default_value_t = 20,
        value_name = "COUNT"
    )]
    pub enrol_per_minute: u32,

    /// Sign-ins that one address may try in a minute. 0: no limit.
    #[arg(
        long,
        env = "FIELDLEDGER_SIGN_IN_PER_MINUTE",
        default_value_t = 20,
        value_name = "COUNT"
    )]
    pub sign_in_per_minute: u32,

    /// Requests that other software may make with one API token in a minute. 0: no limit.
    #[arg(
        long,
        env = "FIELDLEDGER_API_PER_MINUTE",
        default_value_t = 600,
        value_name = "COUNT"
    )]
    pub api_per_minute: u32,

    /// Largest file of evidence (photo, signature, video) that is taken, in megabytes.
    #[arg(
        long,
        env = "FIELDLEDGER_EVIDENCE_LARGEST_MB",
        default_value_t = 500,
        value_name = "MEGABYTES"
    )]
    pub evidence_largest_mb: u64,

    /// Megabytes of the disk that files of evidence leave free, for the database: beyond that none is taken.
    #[arg(
        long,
        env = "FIELDLEDGER_EVIDENCE_RESERVE_MB",
        default_value_t = 1_000,
        value_name = "MEGABYTES"
    )]
    pub evidence_reserve_mb: u64,

    /// Megabytes of files that a phone may have begun to send and not finished: beyond that it begins no further one until some
    /// are finished, or cleared away after a week. 0: no limit.
    #[arg(
        long,
        env = "FIELDLEDGER_EVIDENCE_UNFINISHED_MB",
        default_value_t = 2_000,
        value_name = "MEGABYTES"
    )]
    pub evidence_unfinished_mb: u64,

    /// Address of a reverse proxy whose `X-Forwarded-For` is believed. May be given several times.
    #[arg(
        long = "trusted-proxy",
        env = "FIELDLEDGER_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub trusted_proxies: Vec<IpAddr>,

    /// Bearer token with which `/metrics` may be read from elsewhere. Without it, only from this machine.
    #[arg(
        long,
        env = "FIELDLEDGER_METRICS_TOKEN",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub metrics_token: Option<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./fieldledger-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 7444)),
            public_url: None,
            log_format: LogFormat::Text,
            log: "info".to_owned(),
            session_hours: 12,
            session_idle_minutes: 120,
            enrolment_hours: 24,
            token_days: 30,
            compact_hours: 24,
            workers: 0,
            request_timeout_seconds: 60,
            shutdown_seconds: 20,
            max_exchanges: 16,
            sync_per_minute: 600,
            evidence_per_minute: 3_000,
            enrol_per_minute: 20,
            sign_in_per_minute: 20,
            api_per_minute: 600,
            evidence_largest_mb: 500,
            evidence_reserve_mb: 1_000,
            evidence_unfinished_mb: 2_000,
            trusted_proxies: Vec::new(),
            metrics_token: None,
        }
    }
}

const HOUR: i64 = 60 * 60 * 1000;

impl ServerConfig {
    /// The address people and phones use, without a slash at its end.
    pub fn base_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }
    /// Whether people reach the server by https, so that cookies may insist on it.
    pub fn is_https(&self) -> bool {
        self.base_url().starts_with("https://")
    }
    /// How long a session lasts.
    pub fn session_millis(&self) -> i64 {
        i64::from(self.session_hours.max(1)) * HOUR
    }
    /// How long a session lasts that nobody uses; `None`: as long as any.
    pub fn session_idle_millis(&self) -> Option<i64> {
        (self.session_idle_minutes > 0).then(|| i64::from(self.session_idle_minutes) * 60_000)
    }
    /// How long an enrolment code works.
    pub fn enrolment_millis(&self) -> i64 {
        i64::from(self.enrolment_hours.max(1)) * HOUR
    }
    /// Largest file of evidence, in bytes.
    pub fn evidence_largest(&self) -> u64 {
        self.evidence_largest_mb.saturating_mul(1_000_000)
    }
    /// Bytes that files of evidence leave free.
    pub fn evidence_reserve(&self) -> u64 {
        self.evidence_reserve_mb.saturating_mul(1_000_000)
    }
    /// Bytes of files that a phone may have begun and not finished; `None`: any number.
    pub fn evidence_unfinished(&self) -> Option<u64> {
        (self.evidence_unfinished_mb > 0).then(|| self.evidence_unfinished_mb.saturating_mul(1_000_000))
    }
    /// How long a device keeps its token.
    pub fn token_millis(&self) -> i64 {
        i64::from(self.token_days.max(1)) * 24 * HOUR
    }
    /// How much time lies between two compactions; `None` for never.
    pub fn compact_every(&self) -> Option<Duration> {
        (self.compact_hours > 0).then(|| Duration::from_secs(u64::from(self.compact_hours) * 3_600))
    }
    /// How long a request may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.max(1))
    }
    /// Number of decoding processes.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            count => count,
        }
    }
    /// The database and nothing else would fit a folder, so these are the only settings to check together.
    ///
    /// # Errors
    /// A sentence naming the setting.
    pub fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.public_url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if rest.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
                return Err(format!(
                    "--public-url: {url:?} is not an address such as https://sales.example.com"
                ));
            }
        }
        if self.max_exchanges == 0 {
            return Err("--max-exchanges: at least 1 is needed".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        config: ServerConfig,
    }

    #[test]
    fn the_defaults_of_the_command_line_are_the_defaults_of_the_code() {
        assert_eq!(Line::try_parse_from(["serve"]).unwrap().config, ServerConfig::default());
    }

    #[test]
    fn cookies_insist_on_https_only_where_people_use_it() {
        let with = |url: &str| ServerConfig {
            public_url: Some(url.to_owned()),
            ..ServerConfig::default()
        };
        assert!(with("https://sales.example.com/").is_https());
        assert_eq!(
            with("https://sales.example.com/").base_url(),
            "https://sales.example.com"
        );
        assert!(!ServerConfig::default().is_https());
        assert!(with("sales.example.com").check().unwrap_err().contains("--public-url"));
        assert!(with("https://sales.example.com").check().is_ok());
    }
}
