//! Reminders (催收) that are due today, item by item, and stops of supply that wait for somebody or are in force.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{CustomerId, InvalidField, Money},
    rules::{dunning::DunningProposal, promises::Promise},
};
use rust_decimal::Decimal;

use super::{
    super::{
        customers::{
            self,
            list::{Narrowed, overview, reps, territories, visible},
            view::invoice_address,
        },
        error::PageError,
        form::{self, FormView, Outcome, Posted},
        format,
        language::within,
        names::Names,
        page::{Frame, Viewer, html, parsed},
        refusal,
        table::{Choice, Sent},
    },
    turned,
    worklist::said,
};
use crate::{
    ledger::collecting,
    overview::{Standing, Stop},
    state::AppState,
};

/// Customers on a page.
const CUSTOMERS: usize = 20;
/// Reminders shown of one customer.
const MOST_ITEMS: usize = 50;
/// Stops of supply on a page.
const STOPS: usize = 50;

/// An item to be reminded of.
struct Item {
    id: String,
    href: String,
    number: String,
    instalment: u32,
    sentence: String,
    once: String,
}

struct Reminded {
    id: String,
    href: String,
    code: String,
    name: String,
    phone: String,
    rep: String,
    overdue: String,
    items: Vec<Item>,
    more: Option<String>,
    problem: Option<String>,
}

struct StopRow {
    id: String,
    href: String,
    code: String,
    name: String,
    overdue: String,
    proposed: bool,
    grounds: String,
    form: FormView,
}

#[derive(Template)]
#[template(path = "receivables_reminders.html")]
struct RemindersPage {
    frame: Frame,
    done: Option<&'static str>,
    problem: Option<String>,
    lead: String,
    count: String,
    customers: Vec<Reminded>,
    stops: Vec<StopRow>,
    /// This address, to come back to when something is done.
    here: String,
    q: String,
    territories: Vec<(Choice, bool)>,
    reps: Vec<(Choice, bool)>,
    filtered: bool,
    previous: Option<String>,
    next: Option<String>,
    stops_count: String,
    stops_previous: Option<String>,
    stops_next: Option<String>,
}

/// Where this page is.
const PATH: &str = "/receivables/reminders";

/// The page.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &sent, done, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    sent: &Sent,
    done: Option<&'static str>,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let narrowed = Narrowed::of(sent, viewer)?;
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let overview = overview(app, viewer).await?;
    let mut names = Names::load(store, org).await?;
    let counted: Vec<&Standing> = visible(&overview, viewer).filter(|it| narrowed.fits(it)).collect();
    let heavy = |it: &&Standing| (std::cmp::Reverse(it.overdue.amount_days), it.customer.code.clone());
    let mut due: Vec<&Standing> = counted.iter().copied().filter(|it| it.to_remind > 0).collect();
    due.sort_by_cached_key(heavy);
    let items: usize = due.iter().map(|it| it.to_remind).sum();
    let mut stopped: Vec<&Standing> = counted.iter().copied().filter(|it| it.stop.is_some()).collect();
    // Those that wait for somebody come first.
    stopped.sort_by_cached_key(|it| (it.stop == Some(Stop::Stopped), heavy(it)));
    let total = due.len();
    let (start, previous, next) = turned(sent, "from", total, CUSTOMERS)?;
    let all_stops = stopped.len();
    let (first_stop, stops_previous, stops_next) = turned(sent, "stops", all_stops, STOPS)?;
    let reps_of: Vec<_> = due.iter().filter_map(|it| it.customer.rep).collect();
    names.add_people(store, org, reps_of).await?;
    let mut customers = Vec::new();
    for standing in due.into_iter().skip(start).take(CUSTOMERS) {
        customers.push(reminded_customer(app, viewer, &names, standing).await?);
    }
    let mut stops = Vec::new();
    for standing in stopped.into_iter().skip(first_stop).take(STOPS) {
        stops.push(stop(app, viewer, standing).await?);
    }
    let chosen = |choices: Vec<Choice>, name: &str| -> Vec<(Choice, bool)> {
        let wanted = sent.value(name).unwrap_or_default();
        let choice = |it: Choice| {
            let is_chosen = it.value == wanted;
            (it, is_chosen)
        };
        choices.into_iter().map(choice).collect()
    };
    let refused = problem.is_some();
    let page = html(&RemindersPage {
        frame: viewer.frame("receivables"),
        done,
        problem,
        lead: text.fill("receivables.reminders_lead", "day", overview.today),
        count: text
            .fill("receivables.reminders_count", "items", items)
            .replace("{customers}", &total.to_string()),
        customers,
        stops,
        here: sent.address_with(&[("done", "")]),
        q: sent.value("q").unwrap_or_default().to_owned(),
        territories: chosen(territories(&names, viewer), "territory"),
        reps: chosen(reps(&names, viewer), "rep"),
        filtered: ["q", "territory", "rep"].iter().any(|name| sent.value(name).is_some()),
        previous,
        next,
        stops_count: text.fill("receivables.stops_count", "count", all_stops),
        stops_previous,
        stops_next,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

fn overdue(standing: &Standing) -> String {
    let amount: Money = standing.overdue.amount;
    if amount.amount > Decimal::ZERO {
        format::money(amount)
    } else {
        String::new()
    }
}

async fn promises(app: &AppState, viewer: &Viewer, customer: CustomerId) -> Result<Vec<Promise>, PageError> {
    let facts = app
        .store
        .collecting_facts(viewer.account.organisation, Some(customer))
        .await?;
    let promises = facts
        .iter()
        .filter_map(|it| Promise::of_note(it.id, &it.note, viewer.zone));
    Ok(promises.collect())
}

async fn reminded_customer(
    app: &AppState,
    viewer: &Viewer,
    names: &Names,
    standing: &Standing,
) -> Result<Reminded, PageError> {
    let customer = &standing.customer;
    let org = viewer.account.organisation;
    let mut view = Reminded {
        id: customer.id.to_string(),
        href: format!("/customers/{}", customer.id),
        code: customer.code.clone(),
        name: customer.name.clone(),
        phone: customer.phone.clone(),
        rep: customer.rep.map(|rep| names.person(rep)).unwrap_or_default(),
        overdue: overdue(standing),
        items: Vec::new(),
        more: None,
        problem: None,
    };
    let Some(ledger) = app.store.customer_ledger(org, customer.id).await? else {
        return Ok(view);
    };
    let promised = promises(app, viewer, customer.id).await?;
    match collecting::reminders(&ledger, &promised, app.clock.now()) {
        Err(why) => view.problem = Some(form::problem(viewer.text, &why)),
        Ok(all) => {
            let raised: Vec<_> = all
                .into_iter()
                .filter_map(|(number, instalment, proposal)| match proposal {
                    DunningProposal::Raise(raise) => Some((number, instalment, raise)),
                    DunningProposal::Leave(_) => None,
                })
                .collect();
            view.more = (raised.len() > MOST_ITEMS)
                .then(|| viewer.text.fill("receivables.more_reminders", "count", raised.len()));
            view.items = raised
                .into_iter()
                .take(MOST_ITEMS)
                .enumerate()
                .map(|(place, (number, instalment, raise))| Item {
                    id: format!("remind-{}-{place}", customer.id),
                    href: invoice_address(customer, &number),
                    sentence: said(viewer.text, raise.sentence()),
                    once: app.secrets.token(),
                    number,
                    instalment,
                })
                .collect();
        }
    }
    Ok(view)
}

async fn stop(app: &AppState, viewer: &Viewer, standing: &Standing) -> Result<StopRow, PageError> {
    use fieldledger_core::model::{LedgerRecord, RecordKind};
    let customer = &standing.customer;
    let key = super::super::names::key(RecordKind::CreditAccount, customer.id);
    let stored = app.store.record(viewer.account.organisation, &key).await?;
    let grounds = match stored.map(|it| it.record) {
        Some(LedgerRecord::CreditAccount(account)) => {
            let open = account.suspensions.iter().rev().find(|it| it.ended_on.is_none());
            open.map(|it| refusal::in_words(viewer.text, &it.grounds).unwrap_or_else(|| it.grounds.clone()))
                .unwrap_or_default()
        }
        _ => String::new(),
    };
    Ok(StopRow {
        id: customer.id.to_string(),
        href: format!("/customers/{}", customer.id),
        code: customer.code.clone(),
        name: customer.name.clone(),
        overdue: overdue(standing),
        proposed: standing.stop == Some(Stop::Proposed),
        grounds: format::spoken(&grounds),
        form: FormView::fresh(app),
    })
}

/// A reminder went out.
pub(super) async fn reminded(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let customer = customers::known(&app, viewer, parsed(&id)?).await?;
    let back = Sent::of(within(posted.typed.get("back")));
    let back = if back.path() == PATH { back } else { Sent::of(PATH) };
    let promised = promises(&app, viewer, customer.id).await?;
    let (by, now) = (viewer.account.user, app.clock.now());
    let number = posted.typed.get("invoice").to_owned();
    let instalment = posted.typed.count("instalment");
    let outcome = match instalment {
        Err(why) => Outcome::Refused(why),
        Ok(None) => Outcome::Refused(InvalidField::new("instalment", "must not be empty")),
        Ok(Some(no)) => {
            posted
                .decide(&app, customer.id, move |ledger| {
                    collecting::reminded(ledger, (&number, no), &promised, by, now)
                })
                .await?
        }
    };
    match outcome {
        Outcome::Done(_) => Ok(form::done(&back.address_with(&[("done", "")]), "reminded", "")),
        Outcome::Refused(why) => {
            let said = form::problem(viewer.text, &why);
            let problem = Some(format!("{} {}: {said}", customer.code, customer.name));
            page(&app, viewer, &back, None, problem).await
        }
    }
}
