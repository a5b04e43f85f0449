//! The company's people: their accounts, roles, territories, passwords, sessions and phones. For administrators.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::model::{Role, TerritoryId, UserId};

use super::{
    devices::{self, EnrolmentPage},
    error::PageError,
    format::Moment,
    messages::Text,
    names::Names,
    page::{Frame, Viewer, html},
    posted::Posted,
    refusal::said,
    table::{Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone},
};
use crate::{
    administration::{AccountChange, Administration, MadeLink, NewAccount, password_link_hours},
    state::AppState,
    store::{Account, Session},
};

/// Lets administrators pass, and nobody else.
pub(super) fn require_administrator(viewer: &Viewer) -> Result<(), PageError> {
    if viewer.is_administrator() {
        Ok(())
    } else {
        Err(PageError::NotYourRole)
    }
}

pub(super) fn administration<'s>(app: &'s AppState, viewer: &Viewer) -> Administration<'s> {
    Administration::new(app, viewer.account.organisation, viewer.account.user)
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    table: TableView,
}

/// Everybody with an account.
pub(super) async fn list(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    require_administrator(&viewer)?;
    let text = viewer.text;
    let org = viewer.account.organisation;
    let names = Names::load(app.store.as_ref(), org).await?;
    let devices = app.store.devices(org).await?;
    let territories = names.territories_of(&viewer.account);
    let spec = Spec::new(
        "people",
        text.t("people.title"),
        vec![
            Column::text("name", text.t("people.name")),
            Column::text("login", text.t("people.login")),
            Column::text("roles", text.t("people.roles")),
            Column::text("territories", text.t("people.territories")),
            Column::number("phones", text.t("people.phones")),
            Column::moment("contact", text.t("people.contact")),
            Column::text("state", text.t("people.state")),
        ],
    )
    .filter(Filter::search("q", text.t("people.search")))
    .filter(Filter::choice("role", text.t("people.role"), role_choices(text)))
    .filter(Filter::choice(
        "territory",
        text.t("people.territory"),
        territories
            .iter()
            .map(|(id, name)| Choice::new(id.to_string(), name))
            .collect(),
    ))
    .filter(Filter::choice(
        "state",
        text.t("people.state"),
        ["open", "no_password", "shut"]
            .into_iter()
            .map(|name| Choice::new(name, text.word("account_state", name)))
            .collect(),
    ))
    .sorted_by("name", Direction::Ascending)
    .empty(text.t("people.none"));
    let territory: Option<TerritoryId> = sent.parsed("territory", "people.territory")?;
    let role: Option<Role> = sent.parsed("role", "people.role")?;
    let state = sent.value("state");
    let rows = app
        .store
        .accounts(org)
        .await?
        .into_iter()
        .filter(|it| territory.is_none_or(|id| it.territories.contains(&id)))
        .filter(|it| role.is_none_or(|role| it.has(role)))
        .filter(|it| state.is_none_or(|state| state_name(it) == state))
        .map(|it| {
            let active = devices
                .iter()
                .filter(|device| device.user == it.user && device.revoked_at.is_none());
            let contact = active.clone().filter_map(|device| device.last_contact).max();
            let phones = active.count() as u64;
            let roles: Vec<String> = it.roles.iter().map(|role| text.word("role", role.as_str())).collect();
            let mut places: Vec<String> = it.territories.iter().map(|id| names.territory(*id)).collect();
            places.sort();
            let (state, tone) = (state_name(&it), state_tone(&it));
            Row::new(vec![
                Cell::link(format!("/people/{}", it.user), &it.name),
                Cell::text(&it.login),
                Cell::text(roles.join(", ")),
                Cell::text(places.join(", ")),
                Cell::count(phones),
                Cell::of(contact, Cell::Moment),
                Cell::Mark(tone, text.word("account_state", state)),
            ])
            .id(format!("person-{}", it.user))
        })
        .collect();
    let table = match spec.answer(&viewer, &sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    html(&PeoplePage {
        frame: viewer.frame("people"),
        table,
    })
}

fn state_name(account: &Account) -> &'static str {
    match (account.disabled, &account.password_hash) {
        (true, _) => "shut",
        (false, None) => "no_password",
        (false, Some(_)) => "open",
    }
}

fn state_tone(account: &Account) -> Tone {
    match state_name(account) {
        "open" => Tone::Good,
        "shut" => Tone::Alert,
        _ => Tone::Doubt,
    }
}

fn role_choices(text: Text) -> Vec<Choice> {
    let choice = |role: Role| Choice::new(role.as_str(), text.word("role", role.as_str()));
    Role::ALL.into_iter().map(choice).collect()
}

/// A value to tick, with its name.
struct Tick {
    value: String,
    name: String,
    set: bool,
}

/// What stands in the form of an account.
#[derive(Default)]
struct Fields {
    login: String,
    name: String,
    roles: Vec<Tick>,
    territories: Vec<Tick>,
    supervisors: Vec<Tick>,
}

/// What was typed or is stored.
#[derive(Clone, Debug, Default)]
struct Values {
    login: String,
    name: String,
    roles: Vec<Role>,
    territories: Vec<TerritoryId>,
    supervisor: Option<UserId>,
}

impl Values {
    fn of(posted: &Posted) -> Result<Self, PageError> {
        Ok(Self {
            login: posted.value("login").to_owned(),
            name: posted.value("name").to_owned(),
            roles: posted.parsed("role", "people.roles")?,
            territories: posted.parsed("territory", "people.territories")?,
            supervisor: posted.parsed("supervisor", "people.supervisor")?.into_iter().next(),
        })
    }
}

async fn fields(app: &AppState, viewer: &Viewer, values: &Values) -> Result<Fields, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let names = Names::load(app.store.as_ref(), org).await?;
    let leads = |it: &Account| !it.disabled && (it.has(Role::Supervisor) || it.has(Role::Administrator));
    let accounts = app.store.accounts(org).await?;
    Ok(Fields {
        login: values.login.clone(),
        name: values.name.clone(),
        roles: Role::ALL
            .into_iter()
            .map(|role| Tick {
                value: role.as_str().to_owned(),
                name: text.word("role", role.as_str()),
                set: values.roles.contains(&role),
            })
            .collect(),
        territories: names
            .territories_of(&viewer.account)
            .into_iter()
            .map(|(id, name)| Tick {
                value: id.to_string(),
                name,
                set: values.territories.contains(&id),
            })
            .collect(),
        supervisors: accounts
            .into_iter()
            .filter(|it| leads(it) || values.supervisor == Some(it.user))
            .map(|it| Tick {
                set: values.supervisor == Some(it.user),
                value: it.user.to_string(),
                name: it.name,
            })
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "person_new.html")]
struct NewPage {
    frame: Frame,
    fields: Fields,
    error: Option<String>,
}

/// The form of a new account.
pub(super) async fn new(State(app): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    require_administrator(&viewer)?;
    let fields = fields(&app, &viewer, &Values::default()).await?;
    html(&NewPage {
        frame: viewer.frame("people"),
        fields,
        error: None,
    })
}

/// Makes an account, and a link with which its person sets a password.
pub(super) async fn create(State(app): State<AppState>, viewer: Viewer, posted: Posted) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    require_administrator(&viewer)?;
    let values = Values::of(&posted)?;
    let office = administration(&app, &viewer);
    let new = NewAccount {
        login: values.login.clone(),
        name: values.name.clone(),
        roles: values.roles.clone(),
        territories: values.territories.clone(),
        supervisor: values.supervisor,
        password: None,
    };
    match office.add_account(new).await {
        Ok(account) => {
            let made = office.make_password_link(account.user).await;
            let made = made.map_err(|error| said(viewer.text, error).err().unwrap_or(PageError::Internal))?;
            link_page(&viewer, &account, &made)
        }
        Err(error) => {
            let page = NewPage {
                frame: viewer.frame("people"),
                error: Some(said(viewer.text, error)?),
                fields: fields(&app, &viewer, &values).await?,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)?).into_response())
        }
    }
}

#[derive(Template)]
#[template(path = "password_link.html")]
struct LinkPage {
    frame: Frame,
    address: String,
    note: String,
    back: String,
}

fn link_page(viewer: &Viewer, account: &Account, made: &MadeLink) -> Result<Response, PageError> {
    html(&LinkPage {
        frame: viewer.frame("people"),
        address: made.address.clone(),
        note: viewer
            .text
            .fill("people.link_for", "until", Moment::new(made.until, viewer.zone).shown)
            .replace("{name}", &account.name),
        back: format!("/people/{}", account.user),
    })
}

/// A session as it is shown.
pub(super) struct ShownSession {
    pub(super) name: String,
    pub(super) begun: Moment,
    pub(super) seen: Moment,
    pub(super) address: String,
    pub(super) agent: String,
    /// Whether it is the one of the reader.
    pub(super) own: bool,
}

/// The browser and the system that a user agent names, as people know them; what names neither as it is.
fn browser(agent: String) -> String {
    // Most browsers also call themselves by the names that follow.
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("MicroMessenger/", "WeChat"),
        ("Firefox/", "Firefox"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("HarmonyOS", "HarmonyOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| names.iter().find(|(part, _)| agent.contains(part)).map(|it| it.1);
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) if agent.starts_with("Mozilla/") => format!("{browser} · {system}"),
        _ => agent,
    }
}

pub(super) fn shown_sessions(app: &AppState, viewer: &Viewer, sessions: Vec<Session>) -> Vec<ShownSession> {
    let now = app.clock.now();
    let idle = app.config.session_idle_millis();
    sessions
        .into_iter()
        .filter(|it| idle.is_none_or(|longest| now.millis_since(it.last_seen_at) < longest))
        .map(|it| ShownSession {
            name: crate::auth::SignedIn::name_of(&it),
            begun: Moment::new(it.created_at, viewer.zone),
            seen: Moment::new(it.last_seen_at, viewer.zone),
            own: it.token_hash == viewer.signed_in.session.token_hash,
            address: it.address,
            agent: browser(it.agent),
        })
        .collect()
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    frame: Frame,
    id: UserId,
    name: String,
    login: String,
    state: (&'static str, String),
    shut: bool,
    oneself: bool,
    may_have_phone: bool,
    fields: Fields,
    sessions: Vec<ShownSession>,
    devices: TableView,
    hours: u32,
    log: String,
    notice: Option<&'static str>,
    error: Option<String>,
}

async fn person_page(
    app: &AppState,
    viewer: &Viewer,
    sent: &Sent,
    account: Account,
    values: Values,
    error: Option<String>,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let all = app.store.devices(org).await?;
    let own = all.into_iter().filter(|it| it.user == account.user).collect();
    let devices = match devices::table(app, viewer, sent, "phones", own).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let sessions = app.store.sessions_of(org, account.user, app.clock.now()).await?;
    let tone = match state_tone(&account) {
        Tone::Good => "good",
        Tone::Doubt => "doubt",
        Tone::Alert => "bad",
    };
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = PersonPage {
        frame: viewer.frame("people"),
        id: account.user,
        state: (tone, text.word("account_state", state_name(&account))),
        shut: account.disabled,
        oneself: account.user == viewer.account.user,
        may_have_phone: !account.disabled && account.roles.iter().any(|it| it.works_in_the_field()),
        fields: fields(app, viewer, &values).await?,
        sessions: shown_sessions(app, viewer, sessions),
        devices,
        hours: password_link_hours(),
        log: format!("/audit?q={}", super::page::encoded(&account.login)),
        notice: notice(text, sent),
        error,
        name: account.name,
        login: account.login,
    };
    Ok((status, html(&page)?).into_response())
}

fn notice(text: Text, sent: &Sent) -> Option<&'static str> {
    Some(match sent.value("done")? {
        "saved" => text.t("people.saved"),
        "shut" => text.t("people.is_shut"),
        "opened" => text.t("people.is_open"),
        "signed_out" => text.t("people.is_signed_out"),
        _ => return None,
    })
}

async fn values_of(app: &AppState, viewer: &Viewer, account: &Account) -> Result<Values, PageError> {
    let person = administration(app, viewer).person(account.user).await?;
    Ok(Values {
        login: account.login.clone(),
        name: account.name.clone(),
        roles: account.roles.clone(),
        territories: account.territories.clone(),
        supervisor: person.and_then(|it| it.supervisor),
    })
}

async fn find(app: &AppState, viewer: &Viewer, id: &str) -> Result<Account, PageError> {
    require_administrator(viewer)?;
    let id: UserId = id.parse().map_err(|_| PageError::NotFound)?;
    let found = app.store.account(viewer.account.organisation, id).await?;
    found.ok_or(PageError::NotFound)
}

/// One person.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let account = find(&app, &viewer, &id).await?;
    let values = values_of(&app, &viewer, &account).await?;
    person_page(&app, &viewer, &sent, account, values, None).await
}

/// Changes one person's account; the field `do` says how.
pub(super) async fn change(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
    posted: Posted,
) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    let account = find(&app, &viewer, &id).await?;
    let office = administration(&app, &viewer);
    let user = account.user;
    let mut values = values_of(&app, &viewer, &account).await?;
    let done = match posted.value("do") {
        "save" => {
            values = Values {
                login: account.login.clone(),
                ..Values::of(&posted)?
            };
            let change = AccountChange {
                name: Some(values.name.clone()),
                roles: Some(values.roles.clone()),
                territories: Some(values.territories.clone()),
                supervisor: Some(values.supervisor),
            };
            office.change_account(user, change).await.map(|_| "saved")
        }
        "disable" => office.set_disabled(user, true).await.map(|_| "shut"),
        "enable" => office.set_disabled(user, false).await.map(|_| "opened"),
        "sign_out" => office.end_sessions(user).await.map(|_| "signed_out"),
        "password_link" => match office.make_password_link(user).await {
            Ok(made) => return link_page(&viewer, &account, &made),
            Err(error) => Err(error),
        },
        "code" => match office.make_code(user, None).await {
            Ok(made) => return html(&EnrolmentPage::new(&viewer, &account, made)),
            Err(error) => Err(error),
        },
        _ => return Err(PageError::BadField("error.form")),
    };
    match done {
        Ok(done) => Ok(Redirect::to(&format!("/people/{user}?done={done}")).into_response()),
        Err(error) => {
            let error = said(viewer.text, error)?;
            person_page(&app, &viewer, &sent, account, values, Some(error)).await
        }
    }
}

/// Names of people by their ids, as the audit log writes them.
pub(super) async fn names_by_id(app: &AppState, viewer: &Viewer) -> Result<BTreeMap<String, String>, PageError> {
    let accounts = app.store.accounts(viewer.account.organisation).await?;
    Ok(accounts.into_iter().map(|it| (it.user.to_string(), it.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_session_is_told_by_its_browser_and_system() {
        for (agent, shown) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge · Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari · iPhone",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox · Linux",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("<Chrome/ Linux>", "<Chrome/ Linux>"),
            ("", ""),
        ] {
            assert_eq!(browser(agent.to_owned()), shown);
        }
    }
}
