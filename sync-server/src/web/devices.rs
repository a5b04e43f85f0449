//! The phones of the company.

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::model::{DeviceId, Timestamp, UserId};
use serde::Deserialize;

use super::{
    error::PageError,
    format::{self, Moment},
    messages::{Language, Text},
    names::Names,
    page::{Frame, MessagePage, Viewer, html},
    people::administration,
    qr,
    record::CLOCK_TOLERANCE_MILLIS,
    refusal::said,
    table::{Answer, Cell, Choice, Column, Filter, Row, Sent, Spec, TableView, Tone},
    today::{policy, stale_millis},
};
use crate::{
    administration::MadeCode,
    state::AppState,
    store::{Account, Device, copies_of_devices},
};

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    table: TableView,
    administrator: bool,
    people: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct RevokePage {
    frame: Frame,
    action: String,
    question: String,
}

/// A code for a phone, shown once: to be typed, and to be read by a camera.
#[derive(Template)]
#[template(path = "enrolment.html")]
pub(super) struct EnrolmentPage {
    frame: Frame,
    code: String,
    link: String,
    picture: Option<String>,
    address: String,
    note: String,
}

impl EnrolmentPage {
    pub(super) fn new(viewer: &Viewer, account: &Account, made: MadeCode) -> Self {
        let link = made.link.to_string();
        Self {
            frame: viewer.frame("devices"),
            picture: qr::svg(&link, viewer.text.t("devices.qr")),
            note: viewer
                .text
                .fill("devices.code_for", "until", Moment::new(made.until, viewer.zone).shown)
                .replace("{name}", &account.name),
            code: made.code,
            address: made.link.server,
            link,
        }
    }
}

/// The devices of those whom the reader may know of.
async fn visible(app: &AppState, viewer: &Viewer) -> Result<Vec<(Device, Option<Account>)>, PageError> {
    let org = viewer.account.organisation;
    let accounts = app.store.accounts(org).await?;
    let everything = viewer.account.territory_filter().is_none();
    let mut found = Vec::new();
    for device in app.store.devices(org).await? {
        let owner = accounts.iter().find(|it| it.user == device.user);
        let shared = owner.is_some_and(|it| it.territories.iter().any(|id| viewer.account.may_read(*id)));
        if everything || shared {
            found.push((device, owner.cloned()));
        }
    }
    Ok(found)
}

/// The list.
pub(super) async fn list(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    if !viewer.may_see_devices() {
        return Err(PageError::NotYourRole);
    }
    let devices = visible(&app, &viewer).await?.into_iter().map(|(it, _)| it).collect();
    let table = match table(&app, &viewer, &sent, "devices", devices).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let administrator = viewer.is_administrator();
    let people = if administrator {
        let accounts = app.store.accounts(viewer.account.organisation).await?;
        accounts
            .into_iter()
            .filter(|it| !it.disabled && it.roles.iter().any(|role| role.works_in_the_field()))
            .map(|it| (it.user.to_string(), it.name))
            .collect()
    } else {
        Vec::new()
    };
    html(&DevicesPage {
        frame: viewer.frame("devices"),
        table,
        administrator,
        people,
    })
}

/// These devices as a list.
pub(super) async fn table(
    app: &AppState,
    viewer: &Viewer,
    sent: &Sent,
    id: &'static str,
    devices: Vec<Device>,
) -> Result<Answer, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let now = app.clock.now();
    let mut names = Names::load(app.store.as_ref(), org).await?;
    names
        .add_people(app.store.as_ref(), org, devices.iter().map(|it| it.user))
        .await?;
    let stale = stale_millis(&policy(app.store.as_ref(), org).await?);
    let copies = copies_of_devices(app.store.as_ref(), org).await?;
    let mut columns = vec![
        Column::text("name", text.t("devices.name")),
        Column::text("owner", text.t("devices.owner")),
        Column::text("platform", text.t("devices.platform")),
        Column::text("app", text.t("devices.app")),
        Column::moment("contact", text.t("devices.last_contact")),
        Column::number("waiting", text.t("devices.waiting")),
        Column::text("clock", text.t("devices.clock")),
        Column::moment("enrolled", text.t("devices.enrolled")),
        Column::text("status", text.t("devices.status")),
    ];
    if viewer.is_administrator() {
        columns.push(Column::text("revoke", text.t("devices.revoke")).only_shown());
    }
    let states = ["active", "silent", "copied", "revoked"];
    let mut spec = Spec::new(id, text.t("devices.title"), columns).empty(text.t("devices.none"));
    if id == "devices" {
        spec = spec
            .filter(Filter::search("q", text.t("devices.search")))
            .filter(Filter::choice(
                "state",
                text.t("devices.status"),
                states
                    .into_iter()
                    .map(|it| Choice::new(it, text.word("device_state", it)))
                    .collect(),
            ));
    } else {
        spec = spec.named().without_exports();
    }
    let wanted = sent.value("state").filter(|_| id == "devices");
    let mut rows: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let copied = copies.contains_key(&device.id.to_string());
            (state_of(&device, copied, silent_millis(&device, now) > stale), device)
        })
        .filter(|(state, _)| wanted.is_none_or(|wanted| wanted == *state))
        .map(|(state, device)| {
            let order = (device.revoked_at.is_some(), names.person(device.user), device.id);
            (order, row(viewer, &names, device, state, now))
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    spec.answer(viewer, sent, rows).await
}

fn row(viewer: &Viewer, names: &Names, device: Device, state: &'static str, now: Timestamp) -> Row {
    let text = viewer.text;
    let waiting = u64::from(device.waiting);
    let mut cells = vec![
        Cell::text(&device.name),
        Cell::text(names.person(device.user)),
        Cell::text(&device.platform),
        Cell::text(&device.app_version),
        Cell::of(device.last_contact, Cell::Moment),
        Cell::count(waiting),
        clock(text, &device),
        Cell::Moment(device.enrolled_at),
        status(viewer, &device, state, now),
    ];
    if viewer.is_administrator() {
        cells.push(if device.revoked_at.is_none() {
            Cell::link(format!("/devices/{}/revoke", device.id), text.t("devices.revoke"))
        } else {
            Cell::Nothing
        });
    }
    Row::new(cells).id(format!("device-{}", device.id))
}

fn silent_millis(device: &Device, now: Timestamp) -> i64 {
    now.millis_since(device.last_contact.unwrap_or(device.enrolled_at))
}

fn state_of(device: &Device, copied: bool, is_silent: bool) -> &'static str {
    match device.revoked_at {
        Some(_) => "revoked",
        None if copied => "copied",
        None if is_silent => "silent",
        None => "active",
    }
}

fn clock(text: Text, device: &Device) -> Cell {
    if device.last_contact.is_none() {
        return Cell::Nothing;
    }
    let off = device.clock_ahead_millis.unsigned_abs();
    if off < CLOCK_TOLERANCE_MILLIS {
        return Cell::Mark(Tone::Good, text.t("devices.clock_exact").to_owned());
    }
    let time = format::duration(text, off);
    let key = if device.clock_ahead_millis > 0 {
        "devices.clock_ahead"
    } else {
        "devices.clock_behind"
    };
    Cell::Mark(Tone::Doubt, text.fill(key, "time", time))
}

fn status(viewer: &Viewer, device: &Device, state: &'static str, now: Timestamp) -> Cell {
    let text = viewer.text;
    match (state, device.revoked_at) {
        (_, Some(at)) => Cell::text(text.fill("devices.revoked", "when", Moment::new(at, viewer.zone).shown)),
        ("copied", None) => Cell::Mark(Tone::Alert, text.t("devices.copied").to_owned()),
        ("silent", None) => {
            let time = format::duration(text, silent_millis(device, now).unsigned_abs());
            Cell::Mark(Tone::Doubt, text.fill("devices.stale", "time", time))
        }
        _ => Cell::Mark(Tone::Good, text.t("devices.active").to_owned()),
    }
}

#[derive(Deserialize)]
pub(super) struct RevokeForm {
    #[serde(default)]
    csrf: String,
}

async fn to_revoke(app: &AppState, viewer: &Viewer, id: &str) -> Result<Device, PageError> {
    if !viewer.is_administrator() {
        return Err(PageError::NotYourRole);
    }
    let id: DeviceId = id.parse().map_err(|_| PageError::NotFound)?;
    let devices = app.store.devices(viewer.account.organisation).await?;
    devices.into_iter().find(|it| it.id == id).ok_or(PageError::NotFound)
}

/// Asks before a phone is shut out.
pub(super) async fn ask_revoke(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let device = to_revoke(&app, &viewer, &id).await?;
    let names = Names::load(app.store.as_ref(), viewer.account.organisation).await?;
    let owner = format!("{} ({})", names.person(device.user), device.name);
    html(&RevokePage {
        frame: viewer.frame("devices"),
        action: format!("/devices/{}/revoke", device.id),
        question: viewer.text.fill("devices.revoke_text", "name", owner),
    })
}

/// Shuts a phone out.
pub(super) async fn revoke(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(sent): Form<RevokeForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let device = to_revoke(&app, &viewer, &id).await?;
    administration(&app, &viewer)
        .revoke_device(device.id, &device.name)
        .await?;
    Ok(Redirect::to("/devices").into_response())
}

#[derive(Deserialize)]
pub(super) struct EnrolForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    person: String,
}

/// Makes an enrolment code and shows it once.
pub(super) async fn enrol(
    State(app): State<AppState>,
    viewer: Viewer,
    Form(sent): Form<EnrolForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    if !viewer.is_administrator() {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let person: UserId = sent
        .person
        .parse()
        .map_err(|_| PageError::BadField("devices.enrol_person"))?;
    let account = app.store.account(org, person).await?.ok_or(PageError::NotFound)?;
    if account.disabled || !account.roles.iter().any(|role| role.works_in_the_field()) {
        return Err(PageError::BadField("devices.enrol_person"));
    }
    let made = administration(&app, &viewer).make_code(person, None).await;
    let made = made.map_err(|error| match said(viewer.text, error) {
        Ok(reason) => PageError::Refused(reason),
        Err(error) => error,
    })?;
    html(&EnrolmentPage::new(&viewer, &account, made))
}

/// Where the link of a code leads in a browser: it is the app that can read it.
pub(super) async fn explain(headers: HeaderMap) -> Result<Response, PageError> {
    let text = Text(Language::of_request(&headers));
    html(&MessagePage {
        frame: Frame::bare_at(text, "/enrol"),
        title: text.t("devices.enrol").to_owned(),
        message: text.t("devices.open_with_app").to_owned(),
    })
}
