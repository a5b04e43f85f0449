//! The phones of the company.

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::model::{DeviceId, Timestamp, UserId};
use serde::Deserialize;

use super::{
    error::PageError,
    format::{self, Moment},
    messages::Text,
    names::Names,
    page::{Frame, Viewer, html},
    record::{CLOCK_TOLERANCE_MILLIS, Shown},
};
use crate::{
    auth,
    state::AppState,
    store::{Account, Device, Step, copies_of_devices},
};

/// A phone that was silent for longer is marked: what its rep does is not known.
const STALE_MILLIS: i64 = 24 * 60 * 60 * 1_000;

struct Row {
    name: String,
    platform: String,
    owner: String,
    app: String,
    last_contact: Option<Moment>,
    waiting: u32,
    clock: Shown,
    status: Shown,
    revoke: Option<String>,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    rows: Vec<Row>,
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

#[derive(Template)]
#[template(path = "enrolment.html")]
struct EnrolmentPage {
    frame: Frame,
    code: String,
    address: String,
    note: String,
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
pub(super) async fn list(State(app): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    if !viewer.may_see_devices() {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let now = app.clock.now();
    let mut names = Names::load(app.store.as_ref(), org).await?;
    let devices = visible(&app, &viewer).await?;
    names
        .add_people(app.store.as_ref(), org, devices.iter().map(|(it, _)| it.user))
        .await?;
    let copies = copies_of_devices(app.store.as_ref(), org).await?;
    let mut rows: Vec<_> = devices
        .into_iter()
        .map(|(device, _)| {
            let order = (device.revoked_at.is_some(), names.person(device.user), device.id);
            let copied = copies.contains_key(&device.id.to_string());
            (order, row(&viewer, &names, device, copied, now))
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let administrator = viewer.is_administrator();
    let people = if administrator {
        let accounts = app.store.accounts(org).await?;
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
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        administrator,
        people,
    })
}

fn row(viewer: &Viewer, names: &Names, device: Device, copied: bool, now: Timestamp) -> Row {
    let text = viewer.text;
    let revoke =
        (viewer.is_administrator() && device.revoked_at.is_none()).then(|| format!("/devices/{}/revoke", device.id));
    Row {
        owner: names.person(device.user),
        app: device.app_version.clone(),
        last_contact: device.last_contact.map(|at| Moment::new(at, viewer.zone)),
        waiting: device.waiting,
        clock: clock(text, &device),
        status: status(viewer, &device, copied, now),
        name: device.name,
        platform: device.platform,
        revoke,
    }
}

fn clock(text: Text, device: &Device) -> Shown {
    if device.last_contact.is_none() {
        return Shown::Nothing;
    }
    let off = device.clock_ahead_millis.unsigned_abs();
    if off < CLOCK_TOLERANCE_MILLIS {
        return Shown::Good(text.t("devices.clock_exact").to_owned());
    }
    let time = format::duration(text, off);
    Shown::Doubt(if device.clock_ahead_millis > 0 {
        text.fill("devices.clock_ahead", "time", time)
    } else {
        text.fill("devices.clock_behind", "time", time)
    })
}

fn status(viewer: &Viewer, device: &Device, copied: bool, now: Timestamp) -> Shown {
    let text = viewer.text;
    if let Some(at) = device.revoked_at {
        return Shown::Text(text.fill("devices.revoked", "when", Moment::new(at, viewer.zone).shown));
    }
    if copied {
        return Shown::Doubt(text.t("devices.copied").to_owned());
    }
    let silent = now.millis_since(device.last_contact.unwrap_or(device.enrolled_at));
    if silent >= STALE_MILLIS {
        let time = format::duration(text, silent.unsigned_abs());
        return Shown::Doubt(text.fill("devices.stale", "time", time));
    }
    Shown::Good(text.t("devices.active").to_owned())
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
    let org = viewer.account.organisation;
    let steps = vec![Step::RevokeDevice(device.id)];
    let who = viewer.account.user;
    app.administer(org, steps, who, "device.revoked", device.id, device.name)
        .await?;
    app.people_changed();
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
    let until = app.clock.now().plus_millis(app.config.enrolment_millis());
    let (code, enrolment) = auth::new_enrolment(&app.secrets, org, person, until);
    app.administer(
        org,
        vec![Step::PutEnrolment(enrolment)],
        viewer.account.user,
        "enrolment.created",
        person,
        account.login.as_str(),
    )
    .await?;
    let note = viewer
        .text
        .fill("devices.code_for", "until", Moment::new(until, viewer.zone).shown)
        .replace("{name}", &account.name);
    html(&EnrolmentPage {
        frame: viewer.frame("devices"),
        code,
        address: app.config.base_url(),
        note,
    })
}
