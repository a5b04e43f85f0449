//! The team: how each rep's month goes, their days, their targets, where customers belong. Figures are inputs; people decide.

mod day;
mod moves;
mod rep;
mod territories;

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};
use fieldledger_core::{
    model::{Currency, Money, Month, Role, Target, TerritoryId, Timestamp, UserId},
    rules::performance::{Count, Period},
};
use rust_decimal::{Decimal, RoundingStrategy};

pub(super) use day::show as day;
pub(super) use moves::{form as move_form, submit as move_customers};
pub(super) use rep::{set_target, show as rep};
pub(super) use territories::{change as change_territories, list as territories};

use super::{
    error::PageError,
    format,
    messages::Text,
    names::Names,
    page::{Frame, Viewer, html},
    people::administration,
    table::{Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone},
    today::{policy, stale_millis},
};
use crate::{
    report::team::{RepFigures, Scope, Team},
    state::AppState,
    store::{Account, Device},
};

/// Months that can be looked back at.
const MONTHS: usize = 13;

/// Reps who are named above the list.
const MOST_BEHIND: usize = 3;

/// Whether the reader leads reps: sets targets, moves customers.
pub(super) fn may_lead(viewer: &Viewer) -> bool {
    viewer.is_administrator() || viewer.account.has(Role::Supervisor)
}

fn require_lead(viewer: &Viewer) -> Result<(), PageError> {
    if may_lead(viewer) {
        Ok(())
    } else {
        Err(PageError::NotYourRole)
    }
}

/// The month that was asked for, else the present one, with the period that has gone by of it.
fn asked_month(app: &AppState, viewer: &Viewer, sent: &Sent) -> Result<(Month, Period), PageError> {
    let today = app.clock.now().date_in(viewer.zone);
    let month = sent.parsed("month", "team.month")?.unwrap_or_else(|| Month::of(today));
    let to = month.last().min(today.max(month.first()));
    let period = Period {
        from: month.first(),
        to,
    };
    Ok((month, period))
}

fn month_choices(app: &AppState, viewer: &Viewer) -> Vec<Choice> {
    let mut month = Month::of(app.clock.now().date_in(viewer.zone));
    let mut choices = Vec::with_capacity(MONTHS);
    for _ in 0..MONTHS {
        choices.push(Choice::new(month.to_string(), month.to_string()));
        month = month.before();
    }
    choices
}

/// A share of 1 as per cent with one decimal.
fn share(value: Option<Decimal>) -> Cell {
    let percent = value.and_then(|it| it.checked_mul(Decimal::ONE_HUNDRED));
    Cell::of(percent, |it| {
        Cell::Share(it.round_dp_with_strategy(1, RoundingStrategy::MidpointAwayFromZero))
    })
}

fn percent_of(count: Count) -> Cell {
    share(count.share())
}

/// What was reached of a target; nothing where none was set.
fn reached(done: Decimal, target: Option<Decimal>) -> Cell {
    share(target.and_then(|it| done.checked_div(it)))
}

fn money(amount: Decimal, currency: Currency) -> Cell {
    Cell::Money(Money::new(amount, currency).rounded())
}

/// The reps whom the reader may know of: those who share a territory.
async fn reps(app: &AppState, viewer: &Viewer) -> Result<Vec<Account>, PageError> {
    let everything = viewer.account.territory_filter().is_none();
    let mut reps = app.store.accounts(viewer.account.organisation).await?;
    reps.retain(|it| it.has(Role::Rep) && (everything || it.territories.iter().any(|id| viewer.account.may_read(*id))));
    Ok(reps)
}

/// One of them.
async fn find_rep(app: &AppState, viewer: &Viewer, id: &str) -> Result<Account, PageError> {
    let id: UserId = id.parse().map_err(|_| PageError::NotFound)?;
    let found = reps(app, viewer).await?.into_iter().find(|it| it.user == id);
    found.ok_or(PageError::NotFound)
}

/// The targets of a month by rep.
async fn targets(app: &AppState, viewer: &Viewer, month: Month) -> Result<BTreeMap<UserId, Target>, PageError> {
    let all = administration(app, viewer).targets().await?;
    let of_month = all.into_iter().filter(|it| it.month == month);
    Ok(of_month.map(|it| (it.rep, it)).collect())
}

/// When a rep's phones were last heard of, and how many changes waited then.
fn phones_of(devices: &[Device], rep: UserId) -> (Option<Timestamp>, u64) {
    let active = devices.iter().filter(|it| it.user == rep && it.revoked_at.is_none());
    let waiting = active.clone().map(|it| u64::from(it.waiting)).sum();
    (active.filter_map(|it| it.last_contact).max(), waiting)
}

/// What could not be counted, in words.
fn remarks(text: Text, team: &Team) -> Vec<String> {
    let mut remarks = Vec::new();
    if !team.uncounted.is_empty() {
        let shown: Vec<&str> = team.uncounted.iter().take(20).map(String::as_str).collect();
        remarks.push(
            text.fill("team.uncounted", "count", team.uncounted.len())
                .replace("{codes}", &shown.join(", ")),
        );
    }
    if !team.without_rate.is_empty() {
        let shown: Vec<&str> = team.without_rate.iter().map(Currency::as_str).collect();
        remarks.push(text.fill("team.without_rate", "currencies", shown.join(", ")));
    }
    remarks
}

#[derive(Template)]
#[template(path = "team.html")]
struct TeamPage {
    frame: Frame,
    period: String,
    remarks: Vec<String>,
    leads: bool,
    behind: Vec<Behind>,
    table: TableView,
}

/// A rep with whom much is missing.
struct Behind {
    href: String,
    name: String,
    what: Vec<String>,
}

/// The reps with whom most visits are missing and most promises were broken, the most first.
fn behind(text: Text, names: &Names, month: Month, figures: &[(UserId, &RepFigures)]) -> Vec<Behind> {
    let mut found: Vec<(usize, u32, UserId)> = figures
        .iter()
        .map(|(rep, it)| {
            let promises = it.performance.promises_kept;
            (
                it.performance.missed.len(),
                promises.of.saturating_sub(promises.did),
                *rep,
            )
        })
        .filter(|(missed, broken, _)| *missed > 0 || *broken > 0)
        .collect();
    found.sort_by_key(|(missed, broken, rep)| (std::cmp::Reverse(missed + *broken as usize), *rep));
    found
        .into_iter()
        .take(MOST_BEHIND)
        .map(|(missed, broken, rep)| Behind {
            href: format!("/team/{rep}?month={month}"),
            name: names.person(rep),
            what: [
                ("team.visits_missing", missed),
                ("team.promises_broken", broken as usize),
            ]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(key, count)| text.fill(key, "count", count))
            .collect(),
        })
        .collect()
}

/// Every rep with their month.
pub(super) async fn list(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let store = app.store.as_ref();
    let (month, period) = asked_month(&app, &viewer, &sent)?;
    let names = Names::load(store, org).await?;
    let mut scope = Scope {
        territories: viewer.account.territory_filter(),
        rep: None,
    };
    let territory: Option<TerritoryId> = sent.parsed("territory", "team.territory")?;
    if let Some(territory) = territory {
        if !viewer.account.may_read(territory) {
            return Err(PageError::NotFound);
        }
        scope.territories = Some(vec![territory]);
    }
    let found = app.months.team(store, org, &scope, period).await?;
    let targets = targets(&app, &viewer, month).await?;
    let devices = store.devices(org).await?;
    let now = app.clock.now();
    let spec = Spec::new(
        "team",
        text.fill("team.caption", "month", month),
        vec![
            Column::text("rep", text.t("team.rep")),
            Column::text("state", text.t("team.to_look_at")).unsorted(),
            Column::number("customers", text.t("team.customers")).short(text.t("team.customers_short")),
            Column::number("visits", text.t("team.visits_made")),
            Column::number("cadence", text.t("team.cadence")),
            Column::number("missing", text.t("team.missing")),
            Column::number("reviewed", text.t("team.reviewed")),
            Column::number("collection", text.t("team.collection_rate")).short(text.t("team.collection_rate_short")),
            Column::number("on_time", text.t("team.on_time_rate")),
            Column::number("promises", text.t("team.promises_kept")).short(text.t("team.promises_kept_short")),
            Column::money("collected", text.t("team.cash")),
            Column::number("target_visits", text.t("team.target_visits")),
            Column::number("target_sales", text.t("team.target_sales")),
            Column::number("target_collected", text.t("team.target_collected")),
            Column::moment("contact", text.t("team.contact")),
            Column::number("waiting", text.t("devices.waiting")),
        ],
    )
    .filter(Filter::search("q", text.t("team.search")))
    .filter(Filter::one_of(
        "month",
        text.t("team.month"),
        month_choices(&app, &viewer),
        month.to_string(),
    ))
    .filter(Filter::choice(
        "territory",
        text.t("team.territory"),
        names
            .territories_of(&viewer.account)
            .into_iter()
            .map(|(id, name)| Choice::new(id.to_string(), name))
            .collect(),
    ))
    .sorted_by("rep", Direction::Ascending)
    .empty(text.t("team.none"));
    let accounts = reps(&app, &viewer).await?;
    let mut shown: Vec<(Option<UserId>, RepFigures)> = Vec::new();
    for account in &accounts {
        let works_there = territory.is_none_or(|id| account.territories.contains(&id));
        let figures = found.reps.get(&Some(account.user));
        // Somebody who has left keeps their line as long as they have customers or visits.
        if figures.is_some() || (works_there && !account.disabled) {
            shown.push((Some(account.user), figures.cloned().unwrap_or_default()));
        }
    }
    // Customers of nobody, and of people who are no reps (any more).
    for (rep, figures) in &found.reps {
        let listed = rep.is_some_and(|rep| accounts.iter().any(|it| it.user == rep));
        if !listed && (figures.customers > 0 || figures.visits > 0) {
            shown.push((*rep, figures.clone()));
        }
    }
    let mut names = names;
    names
        .add_people(store, org, shown.iter().filter_map(|(rep, _)| *rep))
        .await?;
    let stale = stale_millis(&policy(store, org).await?);
    let of_reps: Vec<(UserId, &RepFigures)> = shown
        .iter()
        .filter_map(|(rep, figures)| Some((rep.filter(|rep| accounts.iter().any(|it| it.user == *rep))?, figures)))
        .collect();
    let has_no_phone = |rep: Option<UserId>| {
        let of = |rep| devices.iter().any(|it| it.user == rep && it.revoked_at.is_none());
        rep.is_some_and(|rep| !of(rep))
    };
    let behind = behind(text, &names, month, &of_reps);
    let rows = shown
        .into_iter()
        .map(|(rep, figures)| {
            let listed = rep.is_some_and(|rep| accounts.iter().any(|it| it.user == rep));
            let name = rep.map_or_else(|| text.t("team.nobody").to_owned(), |rep| names.person(rep));
            let target = rep.and_then(|rep| targets.get(&rep));
            let (contact, waiting) = rep.map_or((None, 0), |rep| phones_of(&devices, rep));
            let performance = &figures.performance;
            let reviewed = Count {
                did: figures.reviewed,
                of: figures.visits,
            };
            let amount = |it: Option<Money>| it.map(|it| it.amount);
            Row::new(vec![
                match rep {
                    Some(rep) if listed => Cell::link(format!("/team/{rep}?month={month}"), name),
                    _ => Cell::text(name),
                },
                Cell::Marks(marks(
                    text,
                    &figures,
                    contact,
                    (now, stale),
                    has_no_phone(rep.filter(|_| listed)),
                )),
                Cell::count(figures.customers as u64),
                Cell::count(figures.visits),
                percent_of(performance.visits),
                Cell::count(performance.missed.len() as u64),
                percent_of(reviewed),
                share(performance.collection_rate()),
                share(performance.on_time_rate()),
                percent_of(performance.promises_kept),
                money(figures.cash, found.currency),
                reached(
                    figures.visits.into(),
                    target.and_then(|it| it.visits).map(Decimal::from),
                ),
                reached(figures.sales, target.and_then(|it| amount(it.sales))),
                reached(figures.cash, target.and_then(|it| amount(it.collected))),
                Cell::of(contact, Cell::Moment),
                Cell::count(waiting),
            ])
            .id(rep.map_or_else(|| "rep-none".to_owned(), |rep| format!("rep-{rep}")))
        })
        .collect();
    let remarks = remarks(text, &found);
    let table = match spec.answer(&viewer, &sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    html(&TeamPage {
        frame: viewer.frame("team"),
        period: text
            .fill("team.period", "from", period.from)
            .replace("{to}", &period.to.to_string()),
        remarks,
        leads: may_lead(&viewer),
        behind,
        table,
    })
}

fn marks(
    text: Text,
    figures: &RepFigures,
    contact: Option<Timestamp>,
    (now, stale_millis): (Timestamp, i64),
    has_no_phone: bool,
) -> Vec<(Tone, String)> {
    let mut marks = Vec::new();
    if has_no_phone {
        marks.push((Tone::Doubt, text.t("team.no_phone").to_owned()));
    }
    if figures.doubtful > 0 {
        let said = text.fill("team.doubtful", "count", figures.doubtful);
        marks.push((Tone::Doubt, said));
    }
    if let Some(at) = contact {
        let silent = now.millis_since(at);
        if silent > stale_millis {
            let time = format::duration(text, silent.unsigned_abs());
            marks.push((Tone::Doubt, text.fill("devices.stale", "time", time)));
        }
    }
    marks
}
