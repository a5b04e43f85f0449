//! One rep's month, with what its figures are computed from.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::NaiveDate;
use fieldledger_core::model::{Currency, Money, Month, Target, Timestamp};
use rust_decimal::Decimal;

use super::{asked_month, find_rep, may_lead, money, percent_of, remarks, require_lead, share, targets};
use crate::{
    administration::TargetWish,
    report::team::{RepFigures, Scope, Team},
    state::AppState,
    store::Account,
    web::{
        devices,
        error::PageError,
        format,
        messages::Text,
        names::Names,
        page::{Frame, Viewer, html},
        people::administration,
        posted::Posted,
        refusal::said,
        table::{Answer, Cell, Column, Direction, Row, Sent, Spec, TableView, Tone},
    },
};

/// A figure with what it is computed from.
struct Figure {
    id: &'static str,
    label: &'static str,
    value: String,
    inputs: String,
}

/// A target with what was reached of it.
struct Goal {
    label: &'static str,
    target: String,
    done: String,
    share: String,
}

/// What stands in the form of a target.
#[derive(Default)]
struct TargetFields {
    visits: String,
    sales: String,
    collected: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "rep.html")]
struct RepPage {
    frame: Frame,
    id: String,
    name: String,
    territories: String,
    month: Month,
    before: Month,
    after: Option<Month>,
    currency: Currency,
    figures: Vec<Figure>,
    goals: Vec<Goal>,
    set_by: Option<(String, String)>,
    leads: bool,
    fields: TargetFields,
    days: Vec<(String, NaiveDate, u32)>,
    customers: TableView,
    devices: TableView,
    remarks: Vec<String>,
    notice: Option<&'static str>,
    error: Option<String>,
}

/// The page of a rep.
pub(in crate::web) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let rep = find_rep(&app, &viewer, &id).await?;
    page(&app, &viewer, &sent, rep, None, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    sent: &Sent,
    rep: Account,
    typed: Option<TargetFields>,
    error: Option<String>,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let store = app.store.as_ref();
    let (month, period) = asked_month(app, viewer, sent)?;
    let names = Names::load(store, org).await?;
    // Visits to colleagues' customers are the rep's as well, so all that the reader may see is read.
    let scope = Scope {
        territories: viewer.account.territory_filter(),
        rep: None,
    };
    let found = app.months.team(store, org, &scope, period).await?;
    let figures = found.reps.get(&Some(rep.user)).cloned().unwrap_or_default();
    let customers = match customer_table(viewer, sent, &found, &rep).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let own = store
        .devices(org)
        .await?
        .into_iter()
        .filter(|it| it.user == rep.user)
        .collect();
    let devices = match devices::table(app, viewer, sent, "phones", own).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let target = targets(app, viewer, month).await?.remove(&rep.user);
    let shown = |target: &Target| TargetFields {
        visits: target.visits.map(|it| it.to_string()).unwrap_or_default(),
        sales: target
            .sales
            .map(|it| it.amount.normalize().to_string())
            .unwrap_or_default(),
        collected: target
            .collected
            .map(|it| it.amount.normalize().to_string())
            .unwrap_or_default(),
        reason: String::new(),
    };
    let mut territories: Vec<String> = rep.territories.iter().map(|id| names.territory(*id)).collect();
    territories.sort();
    let today = app.clock.now().date_in(viewer.zone);
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = RepPage {
        frame: viewer.frame("team"),
        id: rep.user.to_string(),
        name: rep.name.clone(),
        territories: territories.join(", "),
        before: month.before(),
        after: Some(month.after()).filter(|it| it.first() <= Month::of(today).after().first()),
        currency: found.currency,
        figures: told(text, &figures, found.currency),
        goals: goals(text, &figures, target.as_ref(), found.currency),
        set_by: target.as_ref().map(|it| {
            let at = format::Moment::new(it.set_at, viewer.zone).shown;
            let by = text.fill("team.set_by", "name", names.person(it.set_by));
            (by.replace("{at}", &at), it.reason.clone())
        }),
        leads: may_lead(viewer),
        fields: typed.or_else(|| target.as_ref().map(shown)).unwrap_or_default(),
        days: days(app, viewer, &rep, period.from, period.to).await?,
        customers,
        devices,
        remarks: remarks(text, &found),
        notice: (sent.value("done") == Some("target")).then(|| text.t("team.target_saved")),
        error,
        month,
    };
    Ok((status, html(&page)?).into_response())
}

/// Days of the period with how many visits were made, the newest first; days without any are left out, but for today.
async fn days(
    app: &AppState,
    viewer: &Viewer,
    rep: &Account,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<(String, NaiveDate, u32)>, PageError> {
    let begin = |day| Timestamp::midnight(day, viewer.zone);
    let after = to.succ_opt().unwrap_or(to);
    let org = viewer.account.organisation;
    let mut count: BTreeMap<NaiveDate, u32> = BTreeMap::new();
    let visits = app
        .store
        .visits_between(org, Some(rep.user), begin(from), begin(after))
        .await?;
    for it in visits {
        *count.entry(it.at.date_in(viewer.zone)).or_default() += 1;
    }
    count.entry(to).or_default();
    let href = |day: NaiveDate| format!("/team/{}/{day}", rep.user);
    Ok(count
        .into_iter()
        .rev()
        .map(|(day, count)| (href(day), day, count))
        .collect())
}

fn percent(cell: &Cell, text: Text) -> String {
    match cell {
        Cell::Share(share) => format!("{} %", format::quantity(*share)),
        _ => text.t("team.not_available").to_owned(),
    }
}

fn told(text: Text, figures: &RepFigures, currency: Currency) -> Vec<Figure> {
    let performance = &figures.performance;
    let amount = |it: Decimal| format::money(Money::new(it, currency).rounded());
    let two = |key: &'static str, a: String, b: String| text.fill(key, "a", a).replace("{b}", &b);
    let count = |did: u32, of: u32| two("team.of", did.to_string(), of.to_string());
    let (visits, promises) = (performance.visits, performance.promises_kept);
    let reviewed = fieldledger_core::rules::performance::Count {
        did: figures.reviewed,
        of: figures.visits,
    };
    let figure = |id, label, cell: Cell, inputs| Figure {
        id,
        label: text.t(label),
        value: percent(&cell, text),
        inputs,
    };
    vec![
        figure(
            "cadence",
            "team.cadence",
            percent_of(visits),
            count(visits.did, visits.of),
        ),
        figure(
            "reviewed",
            "team.reviewed",
            percent_of(reviewed),
            count(reviewed.did, reviewed.of),
        ),
        figure(
            "collection",
            "team.collection_rate",
            share(performance.collection_rate()),
            two("team.of", amount(performance.collected), amount(performance.due)),
        ),
        figure(
            "on-time",
            "team.on_time_rate",
            share(performance.on_time_rate()),
            two("team.of", amount(performance.on_time), amount(performance.due)),
        ),
        figure(
            "promises",
            "team.promises_kept",
            percent_of(promises),
            count(promises.did, promises.of),
        ),
        Figure {
            id: "visits",
            label: text.t("team.visits_made"),
            value: figures.visits.to_string(),
            inputs: text.fill("team.doubtful", "count", figures.doubtful),
        },
        Figure {
            id: "sales",
            label: text.t("team.sales"),
            value: amount(figures.sales),
            inputs: text.t("team.sales_hint").to_owned(),
        },
        Figure {
            id: "cash",
            label: text.t("team.cash"),
            value: amount(figures.cash),
            inputs: text.t("team.cash_hint").to_owned(),
        },
    ]
}

fn goals(text: Text, figures: &RepFigures, target: Option<&Target>, currency: Currency) -> Vec<Goal> {
    let Some(target) = target else { return Vec::new() };
    let amount = |it: Decimal| format::money(Money::new(it, currency).rounded());
    let goal = |label, target: Decimal, done: Decimal, shown: &dyn Fn(Decimal) -> String| Goal {
        label: text.t(label),
        target: shown(target),
        done: shown(done),
        share: percent(&share(done.checked_div(target)), text),
    };
    let plain = |it: Decimal| format::quantity(it);
    let mut goals = Vec::new();
    if let Some(visits) = target.visits {
        goals.push(goal("team.visits_made", visits.into(), figures.visits.into(), &plain));
    }
    if let Some(sales) = target.sales {
        goals.push(goal("team.sales", sales.amount, figures.sales, &amount));
    }
    if let Some(collected) = target.collected {
        goals.push(goal("team.cash", collected.amount, figures.cash, &amount));
    }
    goals
}

async fn customer_table(viewer: &Viewer, sent: &Sent, found: &Team, rep: &Account) -> Result<Answer, PageError> {
    let text = viewer.text;
    let spec = Spec::new(
        "customers",
        text.t("team.own_customers"),
        vec![
            Column::text("customer", text.t("customers.name")),
            Column::text("code", text.t("customers.code")),
            Column::number("every", text.t("team.every_days")),
            Column::day("last", text.t("team.last_visit")),
            Column::day("missed", text.t("team.visit_due")),
            Column::money("due", text.t("team.due")),
            Column::money("paid", text.t("team.collected")),
            Column::number("rate", text.t("team.collection_rate")),
            Column::number("on_time", text.t("team.on_time_rate")),
            Column::text("state", text.t("team.to_look_at")).unsorted(),
        ],
    )
    .sorted_by("missed", Direction::Ascending)
    .empty(text.t("team.no_customers"))
    .named();
    let own = found.customers.iter().filter(|it| it.customer.rep == Some(rep.user));
    let rows = own
        .map(|it| {
            let collection = it.collection;
            let late = it.missed.map(|missed| (Tone::Doubt, missed.due_on));
            let marks = late
                .map(|(tone, day)| (tone, text.fill("team.visit_missing", "day", day)))
                .into_iter()
                .collect();
            Row::new(vec![
                Cell::link(format!("/customers/{}", it.customer.id), &it.customer.name),
                Cell::text(&it.customer.code),
                Cell::of(it.every_days, Cell::count),
                Cell::of(it.last_visit, Cell::Day),
                Cell::of(it.missed, |missed| Cell::Day(missed.due_on)),
                money(collection.due, found.currency),
                money(collection.collected, found.currency),
                share(collection.collection_rate()),
                share(collection.on_time_rate()),
                Cell::Marks(marks),
            ])
            .id(format!("customer-{}", it.customer.id))
        })
        .collect();
    spec.answer(viewer, sent, rows).await
}

/// Sets the rep's target of a month.
pub(in crate::web) async fn set_target(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
    posted: Posted,
) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    require_lead(&viewer)?;
    let rep = find_rep(&app, &viewer, &id).await?;
    let month: Month = posted
        .value("month")
        .parse()
        .map_err(|_| PageError::BadField("team.month"))?;
    let books = books_currency(&app, &viewer).await?;
    let typed = TargetFields {
        visits: posted.value("visits").to_owned(),
        sales: posted.value("sales").to_owned(),
        collected: posted.value("collected").to_owned(),
        reason: posted.value("reason").to_owned(),
    };
    let text = viewer.text;
    let wrong = |label: &'static str| text.fill("error.bad_field", "field", text.t(label));
    let wish = match wish(&rep, month, &typed, books) {
        Ok(wish) => wish,
        Err(label) => return page(&app, &viewer, &sent, rep, Some(typed), Some(wrong(label))).await,
    };
    let office = administration(&app, &viewer);
    match office.set_target(wish, books, viewer.account.user).await {
        Ok(_) => Ok(Redirect::to(&format!("/team/{}?month={month}&done=target", rep.user)).into_response()),
        Err(error) => {
            let error = said(text, error)?;
            page(&app, &viewer, &sent, rep, Some(typed), Some(error)).await
        }
    }
}

/// What was typed, as numbers; an empty field is no target.
fn wish(rep: &Account, month: Month, typed: &TargetFields, books: Currency) -> Result<TargetWish, &'static str> {
    fn number<T: std::str::FromStr>(text: &str, label: &'static str) -> Result<Option<T>, &'static str> {
        // People write thousands with commas and spaces.
        let text: String = text
            .chars()
            .filter(|it| !matches!(it, ',' | ' ' | '\u{a0}' | '，'))
            .collect();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| label)
    }
    let money = |text: &str, label| {
        let amount: Option<Decimal> = number(text, label)?;
        Ok::<_, &'static str>(amount.map(|it| Money::new(it, books)))
    };
    Ok(TargetWish {
        rep: rep.user,
        month,
        visits: number(&typed.visits, "team.visits_made")?,
        sales: money(&typed.sales, "team.sales")?,
        collected: money(&typed.collected, "team.cash")?,
        reason: typed.reason.clone(),
    })
}

async fn books_currency(app: &AppState, viewer: &Viewer) -> Result<Currency, PageError> {
    use fieldledger_core::model::{LedgerRecord, RecordKind};
    let key = crate::web::names::key(RecordKind::Organisation, "self");
    match app
        .store
        .record(viewer.account.organisation, &key)
        .await?
        .map(|it| it.record)
    {
        Some(LedgerRecord::Organisation(it)) => Ok(it.currency),
        _ => Err(PageError::NotFound),
    }
}
