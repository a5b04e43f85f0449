//! The supervisor's built-in pages: rendered on the server, in English and Simplified Chinese, without a build step.
//!
//! A page is a handler that gathers view models and an askama template (`templates/`) that lays them out; askama
//! escapes every value. Words come from the catalogue (`messages/`), style sheet and script from `static/`, all of them
//! compiled in. Supervisors see their own territories; what is of another one does not exist for them.

mod account;
mod assets;
mod audit;
mod chart;
mod credit;
mod crew;
mod customers;
mod day;
mod delivery;
mod devices;
mod error;
mod evidence;
mod feed;
mod form;
mod format;
mod fresh;
mod language;
mod live;
mod map;
mod messages;
mod names;
mod packed;
mod page;
mod password;
mod people;
mod photos;
mod posted;
mod qr;
mod quarantine;
mod receivables;
mod record;
mod refusal;
mod review;
mod sign_in;
mod statement;
mod table;
mod team;
#[cfg(test)]
mod tests;
mod today;
mod words;

use std::convert::Infallible;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, Route, any, get, post},
};
use tower::{Layer, Service};

pub(crate) use crew::CrewCache;
pub(crate) use feed::FeedCache;
pub(crate) use names::Names;
pub(crate) use receivables::ReceivablesCache;
pub(crate) use today::TodayCache;
pub(crate) use words::Words;

use crate::{api, state::AppState};

/// The routes of the pages.
pub(crate) fn router(state: &AppState) -> Router<AppState> {
    let pack = middleware::from_fn_with_state(state.clone(), packed::pack);
    pages().layer(pack).router
}

/// What answers where there is nothing: a page for people, an error for software.
pub(crate) fn nowhere() -> MethodRouter<AppState> {
    any(nothing_here)
        .layer(middleware::from_fn(error::render))
        .layer(middleware::from_fn(guard))
}

async fn nothing_here(headers: HeaderMap, viewer: Result<page::Viewer, Response>) -> Response {
    // The reader's frame stands around the page; whoever is not signed in learns as little.
    drop(viewer);
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    if accepted.is_some_and(|it| it.contains("text/html")) {
        error::PageError::NotFound.into_response()
    } else {
        api::not_found().await.into_response()
    }
}

/// A router that remembers its addresses, so that a test can ask every one of them who may reach it.
struct Pages {
    router: Router<AppState>,
    // Only that test asks.
    #[cfg_attr(not(test), allow(dead_code))]
    paths: Vec<&'static str>,
}

impl Pages {
    fn new() -> Self {
        Self {
            router: Router::new(),
            paths: Vec::new(),
        }
    }

    fn route(mut self, path: &'static str, methods: MethodRouter<AppState>) -> Self {
        self.paths.push(path);
        self.router = self.router.route(path, methods);
        self
    }

    /// With the routes of a part of the site that has several.
    fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        self.router = self.router.merge(other.router);
        self
    }

    fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        self
    }
}

fn pages() -> Pages {
    Pages::new()
        .route("/", get(today::show))
        .route("/activity", get(feed::show))
        .route("/activity/live", get(live::listen))
        .route("/activity/review", post(review::submit))
        .route("/activity/photos", get(photos::show))
        .route("/activity/day/{rep}/{day}", get(day::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_in::leave))
        .route("/language/{tag}", get(language::choose))
        .route("/records/{id}", get(record::show))
        .route("/records/{id}/evidence/{hash}", get(evidence::file))
        .route("/records/{id}/review", post(record::submit_review))
        .route("/records/{id}/reply", post(record::reply))
        .route("/records/{id}/settle", post(record::settle))
        .merge(credit::routes())
        .merge(customers::routes())
        .merge(receivables::routes())
        .route("/s/{secret}", get(statement::show).post(statement::answer))
        .route("/quarantine", get(quarantine::show))
        .route("/quarantine/seen", post(quarantine::see))
        .route("/quarantine/{digest}", get(quarantine::item))
        .route("/d/{secret}", get(delivery::show).post(delivery::answer))
        .route("/records/{id}/links", get(delivery::links).post(delivery::change_links))
        .route("/password/{secret}", get(password::show).post(password::submit))
        .route("/account", get(account::show).post(account::change))
        .route("/people", get(people::list))
        .route("/people/new", get(people::new).post(people::create))
        .route("/people/{id}", get(people::show).post(people::change))
        .route("/audit", get(audit::show))
        .route("/team", get(team::list))
        .route("/team/move", get(team::move_form).post(team::move_customers))
        .route(
            "/team/territories",
            get(team::territories).post(team::change_territories),
        )
        .route("/team/{rep}", get(team::rep).post(team::set_target))
        .route("/team/{rep}/{day}", get(team::day))
        .route("/enrol", get(devices::explain))
        .route("/devices", get(devices::list))
        .route("/devices/{id}/revoke", get(devices::ask_revoke).post(devices::revoke))
        .route("/devices/enrolment", post(devices::enrol))
        .layer(middleware::from_fn(error::render))
        .route("/static/{name}", get(assets::serve))
        .layer(middleware::from_fn(guard))
}

/// What browsers are told about every page.
const HEADERS: [(HeaderName, &str); 6] = [
    // Nothing inline and nothing from elsewhere: markup that slipped through could still not run.
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // A page may be stricter.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Pages hold a company's data: nobody else may keep them.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The value of a cookie.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
