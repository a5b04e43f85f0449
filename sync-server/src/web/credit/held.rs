//! The orders that wait for a person, each decided on by itself with everything in view that the decision follows from.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::model::{
    Customer, DocumentId, LedgerRecord, OrderDecision, OrderEvent, OrderStanding, RecordKind,
};

use super::{
    super::{
        customers,
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format::{self, Moment},
        messages::Text,
        names::{Names, key},
        page::{Frame, Viewer, html},
        record::{Content, Shown, Voice, credit_check, telephone},
        table::{Cell, Column, Controls, Direction, EVERYTHING, Filter, Row, Sent, Spec, read_parts},
    },
    Tabs,
    orders::{event_words, standing_name, total},
    reasons::{self, WhyHeld},
};
use crate::{
    ledger,
    state::AppState,
    store::{ListPart, Listed},
};

/// Orders on a page: each is read before it is decided on.
const ORDERS: u32 = 20;

/// A product on an order.
struct Line {
    product: String,
    quantity: String,
    unit_price: String,
    total: String,
}

/// Something that happened to an order.
struct Event {
    at: Moment,
    what: String,
    by: String,
    reason: String,
    doubt: bool,
}

/// An order that waits.
struct Held {
    id: String,
    number: String,
    customer: String,
    customer_name: String,
    customer_code: String,
    /// Whom to call.
    contact: String,
    phone: Shown,
    rep: String,
    territory: String,
    received: Moment,
    wanted_by: Option<String>,
    total: String,
    lines: Vec<Line>,
    why: WhyHeld,
    check: Option<Content>,
    events: Vec<Event>,
    form: FormView,
}

#[derive(Template)]
#[template(path = "credit_held.html")]
struct HeldPage {
    frame: Frame,
    tabs: Tabs,
    done: Option<String>,
    problem: Option<String>,
    may_decide: bool,
    count: String,
    controls: Controls,
    /// What the forms carry along, so that the reader comes back to the same list.
    carried: Vec<(String, String)>,
    from: u64,
    /// Only one of them is shown, wherever it stands among the others.
    is_alone: bool,
    exports: Vec<(&'static str, String)>,
    orders: Vec<Held>,
    previous: Option<String>,
    next: Option<String>,
}

/// The orders that wait for a person, or only the one in the address.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let spec = list(&viewer);
    if spec.is_export(&sent) {
        return exported(&app, &viewer, &sent, spec).await;
    }
    let part = Part {
        list: spec.whole("/credit", |name| sent.value(name).map(str::to_owned)),
        from: sent.parsed::<u64>("from", "credit.page")?.unwrap_or(0),
        alone: match sent.value("order") {
            Some(id) => Some(known_order(&app, &viewer, id).await?),
            None => None,
        },
    };
    let done = match sent.value("done").and_then(|it| viewer.text.known_word("done", it)) {
        Some(done) => Some(done_with(&app, &viewer, sent.value("of"), done).await?),
        None => None,
    };
    let problem = part
        .alone
        .as_ref()
        .filter(|it| it.standing != OrderStanding::Held)
        .map(|it| decided_meanwhile(viewer.text, it));
    page(&app, &viewer, part, done, None, problem).await
}

/// What was done, and with which order: the next one stands in its place by now.
async fn done_with(app: &AppState, viewer: &Viewer, order: Option<&str>, done: &str) -> Result<String, PageError> {
    let Some(order) = order else { return Ok(done.to_owned()) };
    let order = known_order(app, viewer, order).await?;
    let customer = customers::known(app, viewer, order.customer).await?;
    Ok(format!("{} · {} · {done}", order.number, customer.name))
}

/// The orders that wait, the oldest first unless somebody asks for another order.
fn list(viewer: &Viewer) -> Spec {
    let text = viewer.text;
    Spec::new(
        "held_orders",
        text.t("credit.held"),
        vec![
            Column::text("number", text.t("field.number")),
            Column::text("customer", text.t("record.customer")),
            Column::text("code", text.t("customers.code")),
            Column::text("rep", text.t("record.rep")),
            Column::text("territory", text.t("record.territory")),
            Column::moment("received", text.t("feed.received")),
            Column::day("wanted_by", text.t("field.wanted_by")),
            Column::money("total", text.t("field.total")),
            Column::text("why", text.t("credit.reason")).unsorted(),
        ],
    )
    .filter(Filter::search("q", text.t("table.search")))
    .sorted_by("received", Direction::Ascending)
}

/// An order that waits, with its customer.
type Waiting = (OrderDecision, Customer);

/// How many orders wait, and those of them that a search finds, in the order that was asked for.
async fn arranged(
    app: &AppState,
    viewer: &Viewer,
    spec: &Spec,
    sent: &Sent,
) -> Result<(u64, Vec<(Row, Waiting)>), PageError> {
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let territories = viewer.account.territory_filter();
    let mut listed = read_parts(EVERYTHING, |part| store.held_orders(org, territories.clone(), part)).await?;
    listed
        .rows
        .retain(|(_, customer)| viewer.account.may_read(customer.territory));
    let mut names = Names::load(store, org).await?;
    names
        .add_people(store, org, listed.rows.iter().map(|(order, _)| order.rep))
        .await?;
    let rows = listed.rows.into_iter().map(|waiting| {
        let (order, customer) = &waiting;
        let check = order.events.iter().rev().find_map(|it| it.check.as_ref());
        let failed = check
            .into_iter()
            .flat_map(|it| it.rules.iter().filter(|rule| !rule.passed));
        let failed: Vec<String> = failed.map(|rule| viewer.text.word("rule", &rule.rule)).collect();
        let row = Row::new(vec![
            Cell::text(&order.number),
            Cell::text(&customer.name),
            Cell::text(&customer.code),
            Cell::text(names.person(order.rep)),
            Cell::text(names.territory(customer.territory)),
            Cell::Moment(order.received_at),
            Cell::of(order.wanted_by, Cell::Day),
            Cell::of(total(order), Cell::Money),
            Cell::text(failed.join(", ")),
        ]);
        (row, waiting)
    });
    Ok((listed.total, spec.arranged(sent, rows.collect())))
}

async fn exported(app: &AppState, viewer: &Viewer, sent: &Sent, spec: Spec) -> Result<Response, PageError> {
    let (_, rows) = arranged(app, viewer, &spec, sent).await?;
    spec.file(viewer, sent, rows.into_iter().map(|(row, _)| row).collect())
        .await
}

/// Which of the orders that wait.
struct Part {
    /// Its filters and its order.
    list: Sent,
    /// So many are passed over.
    from: u64,
    /// Only this one.
    alone: Option<OrderDecision>,
}

fn decided_meanwhile(text: Text, order: &OrderDecision) -> String {
    let standing = text.word("standing", standing_name(order.standing));
    let said = text.fill("credit.decided_meanwhile", "number", &order.number);
    said.replace("{standing}", &standing)
}

/// What was sent about an order and could not be done.
struct Failed<'f> {
    order: DocumentId,
    typed: &'f Typed,
    why: fieldledger_core::model::InvalidField,
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    part: Part,
    done: Option<String>,
    failed: Option<Failed<'_>>,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let Part {
        list: sent,
        from,
        alone,
    } = part;
    let spec = list(viewer);
    let is_alone = alone.is_some();
    let territories = viewer.account.territory_filter();
    let (held_in_all, found, mut rows) = if !is_alone && spec.is_rearranged(&sent) {
        let (held_in_all, rows) = arranged(app, viewer, &spec, &sent).await?;
        let found = rows.len() as u64;
        let passed = usize::try_from(from).unwrap_or(usize::MAX);
        let rows: Vec<Waiting> = rows
            .into_iter()
            .map(|(_, it)| it)
            .skip(passed)
            .take(ORDERS as usize)
            .collect();
        (held_in_all, found, rows)
    } else {
        let limit = if is_alone { 0 } else { ORDERS };
        let Listed { total, rows } = store.held_orders(org, territories, ListPart { from, limit }).await?;
        (total, total, rows)
    };
    if let Some(order) = alone.filter(|it| it.standing == OrderStanding::Held) {
        let customer = customers::known(app, viewer, order.customer).await?;
        rows.push((order, customer));
    }
    // Whatever the store answers, nothing of another territory gets past here.
    rows.retain(|(_, customer)| viewer.account.may_read(customer.territory));
    let mut names = Names::load(store, org).await?;
    let mut people = Vec::new();
    let mut products = Vec::new();
    for (order, _) in &rows {
        people.push(order.rep);
        people.extend(order.events.iter().filter_map(|it| it.by));
        products.extend(order.lines.values().map(|it| it.product));
    }
    names.add_people(store, org, people).await?;
    names.add_products(store, org, products).await?;
    let overview = if rows.is_empty() {
        None
    } else {
        reasons::present(app, viewer).await?
    };
    let orders = rows
        .iter()
        .map(|(order, customer)| {
            let form = match &failed {
                Some(it) if it.order == order.order => FormView::refused(app, viewer.text, it.typed, &it.why),
                _ => FormView::fresh(app),
            };
            let why = WhyHeld::of(viewer, order, overview.as_deref());
            held(viewer, &names, (order, customer), why, form)
        })
        .collect();
    let refused = failed.is_some() || problem.is_some();
    let limit = u64::from(ORDERS);
    let turn = |to: u64| sent.address_with(&[("from", &to.to_string())]);
    let page = html(&HeldPage {
        frame: viewer.frame("credit"),
        tabs: Tabs {
            here: "held",
            held: held_in_all,
        },
        done,
        problem,
        may_decide: viewer.may_decide_orders(),
        count: viewer.text.fill("credit.held_count", "count", found),
        controls: spec.controls(viewer, &sent),
        carried: spec.carried(|name| sent.value(name).map(str::to_owned)),
        from,
        is_alone,
        exports: spec.exports(viewer, &sent),
        orders,
        previous: (from > 0 && !is_alone).then(|| turn(from.saturating_sub(limit))),
        next: (from.saturating_add(limit) < found && !is_alone).then(|| turn(from.saturating_add(limit))),
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

fn held(
    viewer: &Viewer,
    names: &Names,
    (order, customer): (&OrderDecision, &Customer),
    why: WhyHeld,
    form: FormView,
) -> Held {
    let text = viewer.text;
    let voice = Voice {
        text,
        zone: viewer.zone,
        names,
    };
    let digits = order.currency.minor_digits();
    let check = order.events.iter().rev().find_map(|it| it.check.as_ref());
    Held {
        id: order.order.to_string(),
        number: order.number.clone(),
        customer: format!("/customers/{}", customer.id),
        customer_name: customer.name.clone(),
        customer_code: customer.code.clone(),
        contact: customer.contact.clone(),
        phone: telephone(&customer.phone),
        rep: names.person(order.rep),
        territory: names.territory(customer.territory),
        received: Moment::new(order.received_at, viewer.zone),
        wanted_by: order.wanted_by.map(|it| it.to_string()),
        total: total(order).map_or_else(|| "–".to_owned(), format::money),
        lines: order
            .lines
            .values()
            .map(|line| {
                let unit = names.product(line.product).map_or("", |it| it.unit.as_str());
                let total = line.value(line.ordered, order.currency);
                Line {
                    product: names.product_name(line.product),
                    quantity: format!("{} {unit}", format::quantity(line.ordered))
                        .trim_end()
                        .to_owned(),
                    unit_price: format::amount(line.unit_price, digits),
                    total: total.map_or_else(|_| "–".to_owned(), format::money),
                }
            })
            .collect(),
        why,
        check: check.map(|it| credit_check(voice, it)),
        events: order.events.iter().map(|it| event(viewer, names, it)).collect(),
        form,
    }
}

fn event(viewer: &Viewer, names: &Names, event: &OrderEvent) -> Event {
    let (what, doubt) = event_words(viewer.text, &event.what);
    Event {
        at: Moment::new(event.at, viewer.zone),
        what,
        by: event
            .by
            .map_or_else(|| viewer.text.t("credit.by_rules").to_owned(), |by| names.person(by)),
        reason: event.reason.clone(),
        doubt,
    }
}

/// The order, when the reader may know of it.
async fn known_order(app: &AppState, viewer: &Viewer, id: &str) -> Result<OrderDecision, PageError> {
    let id: DocumentId = id.parse().map_err(|_| PageError::NotFound)?;
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let stored = store.record(org, &key(RecordKind::OrderDecision, id)).await?;
    let Some(LedgerRecord::OrderDecision(order)) = stored.map(|it| it.record) else {
        return Err(PageError::NotFound);
    };
    customers::known(app, viewer, order.customer).await?;
    Ok(order)
}

/// Lets an order through or turns it down.
pub(super) async fn decide(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let order = known_order(&app, viewer, &id).await?;
    if !viewer.may_decide_orders() {
        return Err(PageError::NotYourRole);
    }
    let release = match posted.typed.get("decision") {
        "release" => true,
        "refuse" => false,
        _ => return Err(PageError::BadField("credit.decision")),
    };
    let from = posted.typed.count("from").ok().flatten().unwrap_or(0);
    let (document, by, roles) = (order.order, viewer.account.user, viewer.account.roles.clone());
    let (reason, now) = (posted.typed.get("reason").to_owned(), app.clock.now());
    let carried = |name: &str| posted.typed.some(name).map(str::to_owned);
    let back = list(viewer).whole("/credit", carried);
    let outcome = posted
        .decide(&app, order.customer, move |ledger| {
            fieldledger_core::model::check_text("reason", &reason)?;
            ledger::decide_held_order(ledger, document, release, by, &roles, &reason, now)
        })
        .await?;
    match outcome {
        Outcome::Done(_) => {
            let done = if release { "order_released" } else { "order_refused" };
            Ok(form::done(
                &back.address_with(&[("from", &from.to_string()), ("of", &document.to_string())]),
                done,
                "",
            ))
        }
        Outcome::Refused(why) => {
            // Somebody else may have decided meanwhile: then it is not on the page any more.
            let present = known_order(&app, viewer, &id).await?;
            let mut part = Part {
                list: back,
                from: from.into(),
                alone: None,
            };
            if present.standing != OrderStanding::Held {
                let problem = Some(decided_meanwhile(viewer.text, &present));
                return page(&app, viewer, part, None, None, problem).await;
            }
            // Others may have been decided meanwhile, so that it stands on another page by now.
            part.alone = Some(present);
            let failed = Failed {
                order: document,
                typed: &posted.typed,
                why,
            };
            page(&app, viewer, part, None, Some(failed), None).await
        }
    }
}
