//! Probes and metrics.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};

use super::openapi;
use crate::{
    auth::{RemoteAddress, same_secret},
    error::ApiError,
    ingest::{Job, Judgement},
    state::AppState,
    store::Counts,
};

/// Whether the process answers at all.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    responses((status = 200, description = "`ok`", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server can do its work: the store answers, the decoding processes run, and it is not stopping.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, description = "`ready`", body = String, content_type = "text/plain"),
        (status = 503, description = "`unavailable`: what is missing", body = openapi::Problem),
    )
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    if state.is_stopping() {
        return Err(ApiError::unavailable("the server is stopping"));
    }
    match tokio::time::timeout(Duration::from_secs(5), state.store.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store does not answer");
            return Err(ApiError::unavailable("the store cannot be read and written"));
        }
        Err(_) => return Err(ApiError::unavailable("the store does not answer within 5 s")),
    }
    // Bytes that no judge takes for a change: whoever refuses them is at work.
    let probe = Job {
        existing: Vec::new(),
        changes: vec![b"ready?".to_vec()],
    };
    let judged = tokio::time::timeout(Duration::from_secs(5), state.validator.validate(vec![probe])).await;
    let refused = judged.is_ok_and(|judged| matches!(judged.iter().flatten().next(), Some(Judgement::Refused(_))));
    if !refused {
        return Err(ApiError::unavailable("no decoding process is at work"));
    }
    Ok("ready\n")
}

/// What the server counts, for Prometheus. Only from this machine, or with the bearer token of `--metrics-token`.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    security((), ("metrics_token" = [])),
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = 403, description = "`not_allowed`", body = openapi::Problem),
    )
)]
pub(super) async fn metrics(
    State(state): State<AppState>,
    RemoteAddress(address): RemoteAddress,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let by_token = match (&state.config.metrics_token, crate::auth::bearer(&headers)) {
        (Some(token), Some(sent)) => same_secret(token, sent),
        _ => false,
    };
    let from_here = state.config.metrics_token.is_none() && address.is_loopback();
    if !by_token && !from_here {
        return Err(ApiError::not_allowed(
            "metrics are read from the server's own machine, or with the token of --metrics-token",
        ));
    }
    let mut sum = Counts::default();
    for (organisation, _) in state.store.organisations().await? {
        let counts = state.store.counts(organisation).await?;
        sum.streams += counts.streams;
        sum.entries += counts.entries;
        sum.documents += counts.documents;
        sum.records += counts.records;
        sum.quarantined += counts.quarantined;
    }
    state.metrics.set_counts(sum);
    state.metrics.set_worker_restarts(state.validator.restarts());
    let text = state.metrics.encode().map_err(|error| ApiError::internal(&error))?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text))
}
