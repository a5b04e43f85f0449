//! What phones sent and the server could not accept.

use askama::Template;
use axum::{extract::State, response::Response};
use fieldledger_core::sync::protocol::RejectionCode;

use super::{
    error::PageError,
    format::{self, Moment},
    names::Names,
    page::{Frame, Viewer, html},
};
use crate::state::AppState;

/// Lines on the page.
const MOST: u32 = 200;

struct Row {
    received: Moment,
    who: String,
    device: String,
    territory: String,
    reason: String,
    message: String,
    record: Option<String>,
    size: String,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    frame: Frame,
    rows: Vec<Row>,
    cut: Option<String>,
}

/// The list.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let territories = viewer.account.territory_filter();
    let mut items = store.quarantined(org, territories.as_deref(), MOST).await?;
    items.retain(|it| match it.territory {
        Some(territory) => viewer.account.may_read(territory),
        None => territories.is_none(),
    });
    let mut names = Names::load(store, org).await?;
    names.add_people(store, org, items.iter().map(|it| it.user)).await?;
    let devices = store.devices(org).await?;
    let cut = (items.len() >= MOST as usize).then(|| viewer.text.fill("quarantine.limit", "count", MOST));
    let rows = items
        .into_iter()
        .map(|it| Row {
            received: Moment::new(it.received_at, viewer.zone),
            who: names.person(it.user),
            device: devices
                .iter()
                .find(|device| device.id == it.device)
                .map(|device| device.name.clone())
                .unwrap_or_default(),
            territory: it.territory.map(|id| names.territory(id)).unwrap_or_default(),
            reason: viewer.text.word("rejection", code_name(it.code)),
            message: it.message,
            record: it.document.map(|id| format!("/records/{id}")),
            size: format::bytes(it.bytes.len() as u64),
        })
        .collect();
    html(&QuarantinePage {
        frame: viewer.frame("quarantine"),
        rows,
        cut,
    })
}

fn code_name(code: RejectionCode) -> &'static str {
    match code {
        RejectionCode::Undecodable => "undecodable",
        RejectionCode::WrongAuthor => "wrong_author",
        RejectionCode::WrongTerritory => "wrong_territory",
        RejectionCode::NotAllowed => "not_allowed",
        RejectionCode::Invalid => "invalid",
        RejectionCode::ActorCollision => "actor_collision",
        RejectionCode::UnknownCustomer => "unknown_customer",
        RejectionCode::Other => "other",
    }
}
