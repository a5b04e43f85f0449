//! What phones sent and the server could not accept.

use askama::Template;
use axum::{
    Form,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use fieldledger_core::{
    model::{Role, Timestamp},
    sync::protocol::RejectionCode,
};
use serde::Deserialize;

use super::{
    error::PageError,
    format::Moment,
    names::Names,
    page::{Frame, Viewer, html},
    table::{Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone},
};
use crate::state::AppState;

/// Lines that are read: with more than that waiting, the newest are what somebody works on.
const MOST: u32 = 10_000;

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    frame: Frame,
    table: TableView,
    cut: Option<String>,
    notice: Option<&'static str>,
    /// Set when something waits to be looked at, and the reader may say so.
    until: Option<i64>,
}

/// The list.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let text = viewer.text;
    let territories = viewer.account.territory_filter();
    let mut items = store.quarantined_lines(org, territories.as_deref(), MOST).await?;
    items.retain(|it| match it.territory {
        Some(territory) => viewer.account.may_read(territory),
        None => territories.is_none(),
    });
    let mut names = Names::load(store, org).await?;
    names.add_people(store, org, items.iter().map(|it| it.user)).await?;
    let devices = store.devices(org).await?;
    let cut = (items.len() >= MOST as usize).then(|| text.fill("quarantine.limit", "count", MOST));
    let reasons = CODES.iter().map(|code| code_name(*code));
    let spec = Spec::new(
        "quarantine",
        text.t("quarantine.title"),
        vec![
            Column::text("reason", text.t("quarantine.why")),
            Column::text("message", text.t("quarantine.message")),
            Column::moment("received", text.t("quarantine.when")),
            Column::text("who", text.t("quarantine.who")),
            Column::text("device", text.t("quarantine.device")),
            Column::text("territory", text.t("feed.territory")),
            Column::text("record", text.t("quarantine.record")).unsorted(),
            Column::number("bytes", text.t("quarantine.size")),
            Column::text("seen", text.t("quarantine.seen")),
        ],
    )
    .filter(Filter::search("q", text.t("quarantine.search")))
    .filter(Filter::check("unseen", text.t("quarantine.only_unseen")))
    .filter(Filter::choice(
        "reason",
        text.t("quarantine.why"),
        reasons
            .map(|name| Choice::new(name, text.word("rejection", name)))
            .collect(),
    ))
    .sorted_by("received", Direction::Descending)
    .empty(text.t("quarantine.none"));
    let newest = items.first().map(|it| it.received_at);
    let waits = items.iter().any(|it| it.seen.is_none());
    let only_unseen = sent.is_set("unseen");
    let reason = sent.value("reason");
    let rows = items
        .into_iter()
        .filter(|it| !only_unseen || it.seen.is_none())
        .filter(|it| reason.is_none_or(|reason| code_name(it.code) == reason))
        .map(|it| {
            let device = devices.iter().find(|device| device.id == it.device);
            Row::new(vec![
                Cell::Mark(Tone::Doubt, text.word("rejection", code_name(it.code))),
                Cell::text(it.message),
                Cell::Moment(it.received_at),
                Cell::text(names.person(it.user)),
                Cell::of(device, |it| Cell::text(&it.name)),
                Cell::of(it.territory, |id| Cell::text(names.territory(id))),
                Cell::of(it.document, |id| {
                    Cell::link(format!("/records/{id}"), text.t("record.title"))
                }),
                Cell::count(it.size),
                match it.seen {
                    Some((by, at)) => {
                        Cell::text(format!("{} · {}", names.person(by), Moment::new(at, viewer.zone).shown))
                    }
                    None => Cell::Mark(Tone::Doubt, text.t("quarantine.unseen").to_owned()),
                },
            ])
            .id(format!("q-{}", hex(&it.digest)))
        })
        .collect();
    let table = match spec.answer(&viewer, &sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    html(&QuarantinePage {
        frame: viewer.frame("quarantine"),
        table,
        cut,
        notice: sent.is_set("done").then(|| text.t("quarantine.seen_done")),
        until: newest
            .filter(|_| waits && (viewer.account.has(Role::Supervisor) || viewer.is_administrator()))
            .map(Timestamp::as_millis),
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct SeenForm {
    #[serde(default)]
    csrf: String,
    /// The newest that the reader's page showed: what came later is not called looked at.
    #[serde(default)]
    until: String,
}

/// Notes that the reader has looked at what the page showed.
pub(super) async fn see(
    State(app): State<AppState>,
    viewer: Viewer,
    Form(sent): Form<SeenForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    if !viewer.account.has(Role::Supervisor) && !viewer.is_administrator() {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let territories = viewer.account.territory_filter();
    let until = sent.until.parse().map_err(|_| PageError::BadField("quarantine.when"))?;
    let until = Timestamp::from_millis(until);
    let count = app
        .store
        .see_quarantined(org, territories.as_deref(), until, viewer.account.user, app.clock.now())
        .await?;
    if count > 0 {
        app.audit(
            org,
            viewer.account.user,
            "quarantine.seen",
            "quarantine",
            format!("{count} until {until}"),
        )
        .await?;
        app.sync.live().look(org);
    }
    Ok(Redirect::to("/quarantine?done=1").into_response())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

const CODES: [RejectionCode; 8] = [
    RejectionCode::Undecodable,
    RejectionCode::WrongAuthor,
    RejectionCode::WrongTerritory,
    RejectionCode::NotAllowed,
    RejectionCode::Invalid,
    RejectionCode::ActorCollision,
    RejectionCode::UnknownCustomer,
    RejectionCode::Other,
];

/// The name of a reason in the catalogue.
pub(super) fn code_name(code: RejectionCode) -> &'static str {
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
