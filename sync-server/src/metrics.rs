//! What the server counts, for Prometheus.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{jobs::Compacted, store::Counts};

/// What is counted. Routes are named by their pattern and codes by their name, so the number of series stays small
/// whatever is sent.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    exchange_seconds: Histogram,
    pushed: Counter,
    pulled: Counter,
    bytes_up: Counter,
    bytes_down: Counter,
    evidence_files: Counter,
    evidence_bytes: Counter,
    rejections: Family<CodeLabels, Counter>,
    errors: Family<CodeLabels, Counter>,
    sign_ins: Family<SignInLabels, Counter>,
    live: Gauge,
    worker_restarts: Gauge,
    stored: Family<StoredLabels, Gauge>,
    compacted: Counter,
    compaction_failures: Counter,
    compaction_seconds: Counter<f64, std::sync::atomic::AtomicU64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabels {
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SignInLabels {
    outcome: SignInOutcome,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoredLabels {
    what: &'static str,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum SignInOutcome {
    /// Signed in.
    Succeeded,
    /// Wrong login or password, or a shut account.
    Failed,
    /// Not even looked at, after too many failures.
    LockedOut,
}

/// What one exchange moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Exchanged {
    pub(crate) seconds: f64,
    pub(crate) pushed: u64,
    pub(crate) pulled: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("fieldledger");
        let buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        let this = Self {
            requests: Family::default(),
            exchange_seconds: Histogram::new(buckets),
            pushed: Counter::default(),
            pulled: Counter::default(),
            bytes_up: Counter::default(),
            bytes_down: Counter::default(),
            evidence_files: Counter::default(),
            evidence_bytes: Counter::default(),
            rejections: Family::default(),
            errors: Family::default(),
            sign_ins: Family::default(),
            live: Gauge::default(),
            worker_restarts: Gauge::default(),
            stored: Family::default(),
            compacted: Counter::default(),
            compaction_failures: Counter::default(),
            compaction_seconds: Counter::default(),
            registry: Mutex::new(Registry::default()),
        };
        registry.register("http_requests", "Requests by route and status", this.requests.clone());
        registry.register(
            "exchange_seconds",
            "How long an exchange took, from its last byte in to its first byte out",
            this.exchange_seconds.clone(),
        );
        registry.register("pushed_entries", "Changes that devices pushed", this.pushed.clone());
        registry.register("pulled_entries", "Entries that devices pulled", this.pulled.clone());
        registry.register(
            "exchange_bytes_up",
            "Compressed bytes that came in by exchanges",
            this.bytes_up.clone(),
        );
        registry.register(
            "exchange_bytes_down",
            "Compressed bytes that went out by exchanges",
            this.bytes_down.clone(),
        );
        registry.register(
            "evidence_files",
            "Files of evidence that arrived whole",
            this.evidence_files.clone(),
        );
        registry.register(
            "evidence_bytes",
            "Bytes of files of evidence that arrived whole",
            this.evidence_bytes.clone(),
        );
        registry.register(
            "rejected_entries",
            "Pushed changes that were not accepted, by reason",
            this.rejections.clone(),
        );
        registry.register(
            "errors",
            "Requests that were answered with an error, by its code",
            this.errors.clone(),
        );
        registry.register(
            "sign_ins",
            "Sign-ins of people, by how they ended",
            this.sign_ins.clone(),
        );
        registry.register("live_connections", "Devices that listen for news", this.live.clone());
        registry.register(
            "worker_restarts",
            "Decoding processes that died or were stopped and replaced since the start",
            this.worker_restarts.clone(),
        );
        registry.register("stored", "How much is stored", this.stored.clone());
        registry.register(
            "compacted_documents",
            "Documents whose history became one snapshot",
            this.compacted.clone(),
        );
        registry.register(
            "compaction_failures",
            "Streams that could not be compacted",
            this.compaction_failures.clone(),
        );
        registry.register(
            "compaction_seconds",
            "Time spent on compaction",
            this.compaction_seconds.clone(),
        );
        *this.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
        this
    }

    pub(crate) fn request(&self, method: &str, route: &str, status: u16) {
        let labels = RequestLabels {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn exchange(&self, it: Exchanged) {
        self.exchange_seconds.observe(it.seconds);
        self.pushed.inc_by(it.pushed);
        self.pulled.inc_by(it.pulled);
        self.bytes_up.inc_by(it.bytes_up);
        self.bytes_down.inc_by(it.bytes_down);
    }

    pub(crate) fn evidence_arrived(&self, bytes: u64) {
        self.evidence_files.inc();
        self.evidence_bytes.inc_by(bytes);
    }

    pub(crate) fn rejected(&self, code: &str, count: u64) {
        let labels = CodeLabels { code: code.to_owned() };
        self.rejections.get_or_create(&labels).inc_by(count);
    }

    pub(crate) fn error(&self, code: &str) {
        self.errors.get_or_create(&CodeLabels { code: code.to_owned() }).inc();
    }

    pub(crate) fn sign_in(&self, outcome: SignInOutcome) {
        self.sign_ins.get_or_create(&SignInLabels { outcome }).inc();
    }

    pub(crate) fn live_opened(&self) {
        self.live.inc();
    }

    pub(crate) fn live_closed(&self) {
        self.live.dec();
    }

    pub(crate) fn set_worker_restarts(&self, count: u64) {
        self.worker_restarts.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn set_counts(&self, counts: Counts) {
        for (what, count) in [
            ("streams", counts.streams),
            ("entries", counts.entries),
            ("documents", counts.documents),
            ("records", counts.records),
            ("quarantined", counts.quarantined),
        ] {
            let gauge = self.stored.get_or_create_owned(&StoredLabels { what });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn compacted(&self, sum: Compacted, seconds: f64) {
        self.compacted.inc_by(sum.documents);
        self.compaction_failures.inc_by(sum.failed);
        self.compaction_seconds.inc_by(seconds);
    }

    /// Everything as text, in the form that Prometheus reads.
    ///
    /// # Errors
    /// When a value cannot be written, which text does not refuse.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut out, &registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::new();
        metrics.request("POST", "/v1/sync", 200);
        metrics.request("POST", "/v1/sync", 200);
        metrics.exchange(Exchanged {
            seconds: 0.02,
            pushed: 7,
            ..Exchanged::default()
        });
        metrics.rejected("WrongTerritory", 3);
        metrics.set_counts(Counts {
            documents: 12,
            ..Counts::default()
        });
        let text = metrics.encode().unwrap();
        for line in [
            r#"fieldledger_http_requests_total{method="POST",route="/v1/sync",status="200"} 2"#,
            "fieldledger_pushed_entries_total 7",
            r#"fieldledger_rejected_entries_total{code="WrongTerritory"} 3"#,
            r#"fieldledger_stored{what="documents"} 12"#,
            "fieldledger_exchange_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
