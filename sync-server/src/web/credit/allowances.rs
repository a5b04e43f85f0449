//! Credit that is reserved for phones: what a customer owes with it, and at worst; asked back, or written off by two people.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{
        CreditLimit, Currency, Customer, CustomerId, Grant, GrantId, GrantMode, GrantState, InvalidField, LedgerRecord,
        Money, Policy, RecordKind, Timestamp,
    },
    rules::allowance,
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, HashMap};

use super::{
    super::{
        customers,
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format::{self, Moment},
        messages::Text,
        names::{Names, key},
        page::{Frame, Viewer, html, parsed},
        record::Shown,
        table::{Cell, Column, Controls, Direction, EVERYTHING, Filter, Row, Sent, Spec, read_parts},
    },
    Tabs,
};
use crate::{
    ledger::{self, allowances},
    state::AppState,
    store::{CustomerLedger, Device, ListPart, MAX_LISTED},
};

/// Customers on a page.
const CUSTOMERS: usize = 20;

/// A grant as it is shown.
pub(in crate::web) struct GrantView {
    pub(in crate::web) id: String,
    pub(in crate::web) action: String,
    pub(in crate::web) phone: String,
    pub(in crate::web) person: String,
    pub(in crate::web) granted: String,
    pub(in crate::web) reserved: String,
    pub(in crate::web) worst: String,
    pub(in crate::web) mode: &'static str,
    pub(in crate::web) state: Shown,
    pub(in crate::web) until: Moment,
    pub(in crate::web) silent: Option<String>,
    /// Who has proposed to write it off.
    pub(in crate::web) proposed_by: Option<String>,
    pub(in crate::web) reason: String,
    pub(in crate::web) may_recall: bool,
    pub(in crate::web) may_write_off: bool,
    pub(in crate::web) form: FormView,
}

/// A customer with credit reserved for phones.
struct Reserved {
    href: String,
    code: String,
    name: String,
    limit: String,
    exposure: String,
    reserved: String,
    worst: Shown,
    remark: Option<&'static str>,
    problem: Option<String>,
    grants: Vec<GrantView>,
}

#[derive(Template)]
#[template(path = "credit_allowances.html")]
struct AllowancesPage {
    frame: Frame,
    tabs: Tabs,
    done: Option<&'static str>,
    problem: Option<String>,
    sums: Vec<String>,
    count: String,
    cut: Option<String>,
    exports: Vec<(&'static str, String)>,
    controls: Controls,
    customers: Vec<Reserved>,
    /// What the forms carry along, so that the reader comes back to the same list.
    carried: Vec<(String, String)>,
    previous: Option<String>,
    next: Option<String>,
}

/// The allowances.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let from = sent.parsed::<u32>("from", "credit.page")?.unwrap_or(0);
    let spec = list(&viewer);
    if spec.is_export(&sent) {
        return exported(&app, &viewer, &sent, spec).await;
    }
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    let sent = spec.whole("/credit/allowances", |name| sent.value(name).map(str::to_owned));
    page(&app, &viewer, &sent, from, done, None).await
}

/// The allowances. On the page those of one customer stand together, and the customers in the order of the first of each.
fn list(viewer: &Viewer) -> Spec {
    let text = viewer.text;
    Spec::new(
        "allowances",
        text.t("credit.allowances"),
        vec![
            Column::text("customer", text.t("record.customer")),
            Column::text("code", text.t("customers.code")),
            Column::text("phone", text.t("credit.phone")),
            Column::text("person", text.t("record.rep")),
            Column::money("granted", text.t("credit.granted")),
            Column::money("reserved", text.t("credit.reserved")),
            Column::money("worst", text.t("credit.worst")),
            Column::text("mode", text.t("credit.mode")).unsorted(),
            Column::moment("until", text.t("credit.until")),
            Column::text("state", text.t("credit.state")),
            Column::text("reason", text.t("credit.reason")).unsorted(),
        ],
    )
    .filter(Filter::search("q", text.t("table.search")))
    .sorted_by("code", Direction::Ascending)
}

/// The allowances that a search finds, in the order that was asked for.
fn arranged(
    viewer: &Viewer,
    ground: &Ground,
    spec: &Spec,
    sent: &Sent,
    grants: Vec<(Grant, Customer)>,
) -> Vec<(Row, (Grant, Customer))> {
    let rows = grants.into_iter().map(|it| {
        let (grant, customer) = &it;
        let shown = ground.grant(viewer, grant, FormView::default());
        let state = match shown.state {
            Shown::Good(word) | Shown::Doubt(word) | Shown::Text(word) => word,
            _ => String::new(),
        };
        let row = Row::new(vec![
            Cell::text(&customer.name),
            Cell::text(&customer.code),
            Cell::text(shown.phone),
            Cell::text(shown.person),
            Cell::Money(grant.terms.amount),
            Cell::Money(allowance::unsettled(grant)),
            Cell::Money(allowance::worst_case(grant)),
            Cell::text(shown.mode),
            Cell::Moment(grant.terms.not_after),
            Cell::text(state),
            Cell::text(shown.reason),
        ]);
        (row, it)
    });
    spec.arranged(sent, rows.collect())
}

async fn exported(app: &AppState, viewer: &Viewer, sent: &Sent, spec: Spec) -> Result<Response, PageError> {
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let territories = viewer.account.territory_filter();
    let mut listed = read_parts(EVERYTHING, |part| store.open_grants(org, territories.clone(), part)).await?;
    listed
        .rows
        .retain(|(_, customer)| viewer.account.may_read(customer.territory));
    let mut ground = Ground::gather(app, viewer).await?;
    ground
        .know(app, viewer, listed.rows.iter().map(|(grant, _)| grant))
        .await?;
    let rows = arranged(viewer, &ground, &spec, sent, listed.rows);
    spec.file(viewer, sent, rows.into_iter().map(|(row, _)| row).collect())
        .await
}

/// What was sent about a grant and could not be done.
struct Failed<'f> {
    grant: GrantId,
    typed: &'f Typed,
    why: InvalidField,
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    sent: &Sent,
    from: u32,
    done: Option<&'static str>,
    failed: Option<Failed<'_>>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let territories = viewer.account.territory_filter();
    let all = ListPart {
        from: 0,
        limit: MAX_LISTED,
    };
    let mut listed = store.open_grants(org, territories.clone(), all).await?;
    listed
        .rows
        .retain(|(_, customer)| viewer.account.may_read(customer.territory));
    let cut = (listed.total > u64::from(MAX_LISTED)).then(|| text.fill("credit.cut", "count", MAX_LISTED));
    let held = store.held_orders(org, territories, ListPart::default()).await?.total;
    let mut ground = Ground::gather(app, viewer).await?;
    ground
        .know(app, viewer, listed.rows.iter().map(|(grant, _)| grant))
        .await?;
    let spec = list(viewer);
    let controls = spec.controls(viewer, sent);
    let found = arranged(viewer, &ground, &spec, sent, listed.rows);
    let mut sums: BTreeMap<Currency, Decimal> = BTreeMap::new();
    for (_, (grant, _)) in &found {
        let unsettled = allowance::unsettled(grant);
        let sum = sums.entry(unsettled.currency).or_default();
        *sum = sum.saturating_add(unsettled.amount);
    }
    let count = if controls.is_filtered() {
        found.len() as u64
    } else {
        listed.total
    };
    let count = text.fill("credit.grant_count", "count", count);
    let groups = by_customer(found.into_iter().map(|(_, it)| it));
    let total = groups.len();
    let start = usize::try_from(from).unwrap_or(usize::MAX).min(total);
    let mut customers = Vec::new();
    for (customer, grants) in groups.into_iter().skip(start).take(CUSTOMERS) {
        let Some(ledger) = store.customer_ledger(org, customer.id).await? else {
            continue;
        };
        let views = grants
            .iter()
            .map(|grant| {
                let form = match &failed {
                    Some(it) if it.grant == grant.terms.id => FormView::refused(app, text, it.typed, &it.why),
                    _ => FormView::fresh(app),
                };
                ground.grant(viewer, grant, form)
            })
            .collect();
        customers.push(reserved(text, &ledger, views, app.clock.now()));
    }
    let turn = |to: usize| sent.address_with(&[("from", &to.to_string())]);
    let mut carried = spec.carried(|name| sent.value(name).map(str::to_owned));
    carried.push(("from".to_owned(), start.to_string()));
    let refused = failed.is_some();
    // Freed or moved away meanwhile, or nothing more to be done about it by the reader: then no form can say it.
    let problem = failed.filter(|failed| {
        let mut grants = customers.iter().flat_map(|it| &it.grants);
        let own = grants.find(|it| it.id == failed.grant.to_string());
        own.is_none_or(|it| !it.may_recall && !it.may_write_off)
    });
    let problem = problem.map(|it| form::problem(text, &it.why));
    let page = html(&AllowancesPage {
        frame: viewer.frame("credit"),
        tabs: Tabs {
            here: "allowances",
            held,
        },
        done,
        problem,
        sums: sums
            .into_iter()
            .map(|(currency, amount)| format::money(Money::new(amount, currency)))
            .collect(),
        count,
        cut,
        exports: spec.exports(viewer, sent),
        controls,
        customers,
        carried,
        previous: (start > 0).then(|| turn(start.saturating_sub(CUSTOMERS))),
        next: (start + CUSTOMERS < total).then(|| turn(start + CUSTOMERS)),
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

fn reserved(text: Text, ledger: &CustomerLedger, grants: Vec<GrantView>, now: Timestamp) -> Reserved {
    let mut view = Reserved {
        href: format!("/customers/{}", ledger.customer.id),
        code: ledger.customer.code.clone(),
        name: ledger.customer.name.clone(),
        limit: String::new(),
        exposure: String::new(),
        reserved: String::new(),
        worst: Shown::Nothing,
        remark: None,
        problem: None,
        grants,
    };
    match allowances::exposure(ledger, now) {
        Ok(it) => {
            view.limit = match it.position.limit {
                CreditLimit::NoLimit => text.t("customer.no_limit").to_owned(),
                CreditLimit::Limited(limit) => format::money(limit),
            };
            view.exposure = format::money(it.position.exposure);
            view.reserved = format::money(it.position.reserved);
            let worst = format::money(it.worst);
            view.worst = if it.is_above() || it.is_above_at_worst() {
                Shown::Doubt(worst)
            } else {
                Shown::Text(worst)
            };
            if it.is_above() {
                view.remark = Some(text.t("credit.above"));
            } else if it.is_above_at_worst() {
                view.remark = Some(text.t("credit.above_at_worst"));
            }
        }
        Err(why) => view.problem = Some(form::problem(text, &why)),
    }
    view
}

/// What every grant's line is made with.
pub(in crate::web) struct Ground {
    names: Names,
    devices: Vec<Device>,
    stale_millis: i64,
    now: Timestamp,
}

impl Ground {
    pub(in crate::web) async fn gather(app: &AppState, viewer: &Viewer) -> Result<Self, PageError> {
        let (store, org) = (app.store.as_ref(), viewer.account.organisation);
        let policy = match store
            .record(org, &key(RecordKind::Policy, "self"))
            .await?
            .map(|it| it.record)
        {
            Some(LedgerRecord::Policy(policy)) => policy,
            _ => Policy::default(),
        };
        Ok(Self {
            names: Names::load(store, org).await?,
            devices: store.devices(org).await?,
            stale_millis: i64::from(policy.allowances.stale_hours) * 3_600_000,
            now: app.clock.now(),
        })
    }

    /// Looks up the people that grants name.
    pub(in crate::web) async fn know(
        &mut self,
        app: &AppState,
        viewer: &Viewer,
        grants: impl IntoIterator<Item = &Grant>,
    ) -> Result<(), PageError> {
        let people: Vec<_> = grants
            .into_iter()
            .flat_map(|it| it.written_off_by.iter().copied().chain([it.terms.user]))
            .collect();
        let org = viewer.account.organisation;
        Ok(self.names.add_people(app.store.as_ref(), org, people).await?)
    }

    pub(in crate::web) fn grant(&self, viewer: &Viewer, grant: &Grant, form: FormView) -> GrantView {
        let text = viewer.text;
        let terms = &grant.terms;
        let device = self.devices.iter().find(|it| it.id == terms.device);
        let heard = device.and_then(|it| it.last_contact);
        let silent = heard.map_or(i64::MAX, |at| self.now.millis_since(at));
        let is_open = !allowance::is_freed(grant.state);
        let proposed = grant.written_off_by.first().filter(|_| is_open);
        GrantView {
            id: terms.id.to_string(),
            action: format!("/credit/allowances/{}/{}", terms.customer, terms.id),
            phone: device.map_or_else(|| terms.device.to_string(), |it| it.name.clone()),
            person: self.names.person(terms.user),
            granted: format::money(terms.amount),
            reserved: format::money(allowance::unsettled(grant)),
            worst: format::money(allowance::worst_case(grant)),
            mode: text.t(match terms.mode {
                GrantMode::Strict => "credit.strict",
                GrantMode::Lease => "credit.lease",
            }),
            state: state(text, grant, self.now),
            until: Moment::new(terms.not_after, viewer.zone),
            silent: match heard {
                _ if silent <= self.stale_millis => None,
                None => Some(text.t("credit.never_heard").to_owned()),
                Some(_) => {
                    let time = format::duration(text, silent.unsigned_abs());
                    Some(text.fill("credit.silent", "time", time))
                }
            },
            proposed_by: proposed.map(|by| self.names.person(*by)),
            reason: grant.reason.clone(),
            may_recall: grant.state == GrantState::Open,
            may_write_off: is_open && !grant.written_off_by.contains(&viewer.account.user),
            form,
        }
    }
}

fn state(text: Text, grant: &Grant, now: Timestamp) -> Shown {
    let word = text.word(
        "grant_state",
        match grant.state {
            GrantState::Open if now >= grant.terms.not_after => "over",
            GrantState::Open => "open",
            GrantState::Recalled => "recalled",
            GrantState::Closed => "closed",
            GrantState::Expired => "expired",
            GrantState::WrittenOff => "written_off",
        },
    );
    match grant.state {
        GrantState::Open if now < grant.terms.not_after => Shown::Good(word),
        GrantState::Open | GrantState::Recalled | GrantState::WrittenOff => Shown::Doubt(word),
        GrantState::Closed | GrantState::Expired => Shown::Text(word),
    }
}

/// Asks a grant back, or writes it off.
pub(super) async fn act(
    State(app): State<AppState>,
    Path((customer, id)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let (customer, id): (CustomerId, GrantId) = (parsed(&customer)?, parsed(&id)?);
    customers::known(&app, viewer, customer).await?;
    let recall = match posted.typed.get("action") {
        "recall" => true,
        "write_off" => false,
        _ => return Err(PageError::BadField("credit.decision")),
    };
    let (by, now) = (viewer.account.user, app.clock.now());
    let reason = posted.typed.get("reason").to_owned();
    let outcome = posted
        .decide(&app, customer, move |ledger| {
            fieldledger_core::model::check_named("reason", &reason)?;
            if recall {
                ledger::recall(ledger, id, by, &reason, now)
            } else {
                ledger::write_off(ledger, id, by, &reason, now)
            }
        })
        .await?;
    let from = posted.typed.count("from").ok().flatten().unwrap_or(0);
    let carried = |name: &str| posted.typed.some(name).map(str::to_owned);
    let sent = list(viewer).whole("/credit/allowances", carried);
    match outcome {
        Outcome::Done(answer) => {
            let done = match (recall, answer.as_str()) {
                (true, _) => "grant_recalled",
                (false, "freed") => "grant_written_off",
                (false, _) => "grant_write_off_proposed",
            };
            let back = match posted.typed.get("back") {
                "customer" => format!("/customers/{customer}"),
                _ => sent.address_with(&[("from", &from.to_string())]),
            };
            Ok(form::done(&back, done, "allowances"))
        }
        Outcome::Refused(why) if posted.typed.get("back") == "customer" => {
            let failed = customers::Failed {
                form: "allowance",
                of: id.to_string(),
                typed: &posted.typed,
                why,
            };
            customers::page(&app, viewer, customer, None, Some(failed)).await
        }
        Outcome::Refused(why) => {
            let failed = Failed {
                grant: id,
                typed: &posted.typed,
                why,
            };
            page(&app, viewer, &sent, from, None, Some(failed)).await
        }
    }
}

/// Everything by customer, who stand in the order of the first of each.
fn by_customer<T>(rows: impl IntoIterator<Item = (T, Customer)>) -> Vec<(Customer, Vec<T>)> {
    let mut places: HashMap<CustomerId, usize> = HashMap::new();
    let mut found: Vec<(Customer, Vec<T>)> = Vec::new();
    for (row, customer) in rows {
        let place = *places.entry(customer.id).or_insert(found.len());
        match found.get_mut(place) {
            Some((_, rows)) => rows.push(row),
            None => found.push((customer, vec![row])),
        }
    }
    found
}
