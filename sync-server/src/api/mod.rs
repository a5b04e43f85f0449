//! The HTTP interface for phones, monitoring and software. `GET /openapi.json` describes every route.

mod body;
mod enrol;
mod evidence;
mod finance;
mod health;
mod live;
mod middleware;
mod openapi;
mod sync;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use axum::{Router, routing};

pub use openapi::openapi;

pub(crate) use evidence::arrived_for;
pub(crate) use live::OpenConnections;
pub(crate) use middleware::protect;

use crate::{error::ApiError, state::AppState};

/// One route of the interface. The router is made of nothing but these, so that what is documented can be compared with
/// what is there.
pub(crate) struct Route {
    // Only the test that compares with the documentation asks.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    handler: routing::MethodRouter<AppState>,
}

/// Every route of the interface.
pub(crate) fn routes() -> Vec<Route> {
    use fieldledger_core::sync::protocol::{ENROL_PATH, EVIDENCE_PATH, LIVE_PATH, SYNC_PATH};
    let get = |path, handler| Route {
        method: "get",
        path,
        handler,
    };
    let post = |path, handler| Route {
        method: "post",
        path,
        handler,
    };
    let mut routes = vec![
        post(SYNC_PATH, routing::post(sync::sync)),
        get(LIVE_PATH, routing::get(live::live)),
        post(ENROL_PATH, routing::post(enrol::enrol)),
        Route {
            method: "options",
            path: EVIDENCE_PATH,
            handler: routing::options(evidence::about),
        },
        post(EVIDENCE_PATH, routing::post(evidence::begin)),
        Route {
            method: "head",
            path: evidence::FILE_PATH,
            handler: routing::head(evidence::come),
        },
        Route {
            method: "patch",
            path: evidence::FILE_PATH,
            handler: routing::patch(evidence::append),
        },
        get(evidence::FILE_PATH, routing::get(evidence::fetch)),
        get("/healthz", routing::get(health::healthz)),
        get("/readyz", routing::get(health::readyz)),
        get("/metrics", routing::get(health::metrics)),
        get("/openapi.json", routing::get(openapi::document)),
    ];
    routes.extend(finance::routes());
    routes
}

/// The interface as a router.
pub(crate) fn router() -> Router<AppState> {
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .method_not_allowed_fallback(wrong_method)
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        crate::error::code::WRONG_METHOD,
        "this address does not take this method; GET /openapi.json tells which it takes",
    )
}

pub(crate) async fn not_found() -> ApiError {
    ApiError::not_found("there is nothing at this address; GET /openapi.json lists what there is")
}
