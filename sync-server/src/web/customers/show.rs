//! One customer: what is decided, owed, promised, said and done.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{
        CollectionNote, CreditLimit, Customer, CustomerId, DocumentId, DocumentKind, InvalidField, Role,
        StatementSchedule,
    },
    rules::{
        books::{CustomerBooks, open_items, unallocated},
        promises::{Promise, evaluate},
        statement,
    },
};

use super::{
    super::{
        credit::{
            allowances::{GrantView, Ground},
            warnings::{self, WarningView},
        },
        error::PageError,
        feed::{self, Row},
        form::{self, FormView, Typed},
        format::{self, Moment},
        names::Names,
        page::{Frame, Viewer, html, parsed},
        record::{Field, Shown},
        table::Sent,
        team,
    },
    known,
    view::{self, AgeingView, CreditView, ItemRow, OrderRow, PromiseRow, StatementRow, StopView, TermsRow},
};
use crate::{
    ledger::{Draft, allowances},
    state::AppState,
    store::{CustomerLedger, FeedFilter},
};

/// Activity and visits shown on a customer's page.
const LATEST: u32 = 10;
/// Open items shown; the rest is behind a link.
const ITEMS: usize = 100;
/// Contacts, orders, promises and statements shown.
const MOST: usize = 20;

/// A contact about money.
struct Contact {
    href: String,
    at: Moment,
    rep: String,
    channel: String,
    person: String,
    outcome: String,
    invoice: String,
    note: String,
    next: String,
}

/// A hold on the account.
struct HoldRow {
    from: String,
    until: String,
    reason: String,
    by: String,
    running: bool,
}

/// An assessment.
struct AssessmentRow {
    on: String,
    assessor: String,
    evidence: String,
    valid_until: String,
    expired: bool,
}

/// Something in dispute.
struct DisputeRow {
    href: String,
    number: String,
    instalment: u32,
    since: String,
    settled: String,
    reason: String,
}

/// How much to reserve, and for which phone.
struct GrantForm {
    phones: Vec<(String, String)>,
    currency: String,
    usual: Option<String>,
    free: Option<String>,
    suggested: String,
    planned: u32,
}

/// Everything that can be done on the page.
struct Forms {
    terms: FormView,
    assess: FormView,
    hold: FormView,
    grant: FormView,
    supply: FormView,
    statement: FormView,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    frame: Frame,
    done: Option<String>,
    id: String,
    name: String,
    code: String,
    keeps_books: bool,
    /// Where the customer is given to another rep; `None` when the reader may not do that.
    moves: Option<String>,
    facts: Vec<Field>,
    credit: Option<CreditView>,
    problem: Option<String>,
    currency: String,
    terms: Vec<TermsRow>,
    holds: Vec<HoldRow>,
    on_hold: bool,
    assessments: Vec<AssessmentRow>,
    stops: Vec<StopView>,
    warnings: Vec<WarningView>,
    carried: Vec<(String, String)>,
    buckets: [&'static str; 6],
    ageing: Vec<AgeingView>,
    items: Vec<ItemRow>,
    more_items: Option<String>,
    promises: Vec<PromiseRow>,
    contacts: Vec<Contact>,
    statements: Vec<StatementRow>,
    /// Where the others are; `None` when all are shown.
    all_promises: Option<String>,
    all_statements: Option<String>,
    disputes: Vec<DisputeRow>,
    orders: Vec<OrderRow>,
    grants: Vec<GrantView>,
    grant_form: Option<GrantForm>,
    visits: Vec<Row>,
    rows: Vec<Row>,
    all: String,
    all_visits: String,
    forms: Forms,
}

/// A form of this page that could not be taken.
pub(in crate::web) struct Failed<'f> {
    /// Which: `terms`, `assess`, `hold`, `grant`, `supply`, `statement`, or that of a `warning` or an `allowance`.
    pub(crate) form: &'static str,
    /// Of several such forms, that of this one.
    pub(crate) of: String,
    pub(crate) typed: &'f Typed,
    pub(crate) why: InvalidField,
}

impl Failed<'_> {
    /// The form of one of several things, with what could not be taken if it is this one.
    fn or_fresh(failed: Option<&Self>, app: &AppState, viewer: &Viewer, form: &str, of: &str) -> FormView {
        match failed {
            Some(it) if it.form == form && it.of == of => FormView::refused(app, viewer.text, it.typed, &it.why),
            _ => FormView::fresh(app),
        }
    }
}

/// A customer.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let customer = known(&app, &viewer, parsed(&id)?).await?;
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, customer.id, done.map(str::to_owned), None).await
}

/// The page, with a form that could not be taken if there is one.
pub(in crate::web) async fn page(
    app: &AppState,
    viewer: &Viewer,
    id: CustomerId,
    done: Option<String>,
    failed: Option<Failed<'_>>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let ledger = super::ledger(app, viewer, id).await?;
    let now = app.clock.now();
    let day = now.date_in(viewer.zone);
    let mut notes = store.collecting_facts(org, Some(id)).await?;
    notes.sort_by_key(|it| std::cmp::Reverse((it.note.at, it.id)));
    let promised: Vec<Promise> = notes
        .iter()
        .filter_map(|it| Promise::of_note(it.id, &it.note, viewer.zone))
        .collect();
    let mut names = Names::load(store, org).await?;
    names
        .add_people(store, org, people(&ledger, notes.iter().map(|it| &it.note)))
        .await?;
    let (visits, rows) = activity(app, viewer, &mut names, id).await?;
    let refused = failed.is_some();
    let forms = forms(app, viewer, &ledger, failed.as_ref(), now);
    let draft = Draft::of(&ledger);
    let known_credit = !ledger.account.terms.is_empty() || ledger.file.is_some();
    let file = draft.file(now);
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let opened = open_items(&books, day).and_then(|items| Ok((items, unallocated(&books, day)?)));
    let problem = match (&file, &opened) {
        (_, Err(error)) => Some(form::refused(text, error)),
        (Err(why), _) => Some(form::problem(text, why)),
        _ => None,
    };
    let (items, credits) = opened.unwrap_or_default();
    let stops = ledger.account.suspensions.iter().rev();
    let stops: Vec<_> = stops.map(|it| view::stop(viewer, &names, it, day)).collect();
    let customer = &ledger.customer;
    let mut ground = Ground::gather(app, viewer).await?;
    let open_grants: Vec<_> = ledger
        .grants
        .iter()
        .filter(|it| !fieldledger_core::rules::allowance::is_freed(it.state))
        .cloned()
        .collect();
    ground.know(app, viewer, &open_grants).await?;
    let mut standing: Vec<_> = ledger.warnings.iter().filter(|it| it.cleared_at.is_none()).collect();
    standing.sort_by_key(|it| (std::cmp::Reverse(it.level), it.raised_at));
    let unanswered = standing.iter().filter(|it| it.acknowledged.is_none());
    let standing_rules: Vec<&str> = unanswered.map(|it| it.rule.as_str()).collect();
    let mut promises = evaluate(&promised, &ledger.receipts, &ledger.policy.promises, day);
    promises.reverse();
    let mut statements: Vec<_> = ledger.statements.iter().collect();
    statements.sort_by_key(|it| std::cmp::Reverse((it.to, it.issued_at)));
    let mut decisions: Vec<_> = ledger.decisions.iter().collect();
    decisions.sort_by_key(|it| std::cmp::Reverse(it.received_at));
    let grant_form = grant_form(app, viewer, &ledger, now).await?;
    // What was refused is said also when its form is gone by now: somebody else was faster, or the policy has changed.
    let is_gone = |it: &Failed<'_>| match it.form {
        "supply" => stops.iter().all(|it| it.open.is_empty()),
        "grant" => grant_form.is_none(),
        "warning" => standing_rules.iter().all(|rule| *rule != it.of),
        "allowance" => open_grants.iter().all(|grant| grant.terms.id.to_string() != it.of),
        _ => false,
    };
    let gone = failed.as_ref().filter(|it| is_gone(it));
    let problem = gone.map(|it| form::problem(text, &it.why)).or(problem);
    let shown = items.len().min(ITEMS);
    let all_promises = (promises.len() > MOST).then(|| format!("/activity?customer={id}&kind=collection_note"));
    let all_statements = (statements.len() > MOST).then(|| format!("/receivables/statements?customer={id}"));
    let page = html(&CustomerPage {
        frame: viewer.frame("customers").about(Some(id)),
        done,
        id: id.to_string(),
        name: customer.name.clone(),
        code: customer.code.clone(),
        keeps_books: viewer.may_keep_books(),
        moves: team::may_lead(viewer).then(|| format!("/team/move?customer={id}")),
        facts: view::facts(viewer, &names, customer),
        credit: match &file {
            Ok(file) if known_credit => Some(view::credit(viewer, &ledger, file, day)),
            _ => None,
        },
        problem,
        currency: limit_currency(&ledger, day),
        terms: view::terms(viewer, &names, &ledger, day),
        holds: holds(viewer, &names, &ledger, day),
        on_hold: ledger.account.holds.iter().any(|it| it.until.is_none()),
        assessments: assessments(&ledger, day),
        stops,
        warnings: standing
            .into_iter()
            .map(|it| {
                let form = Failed::or_fresh(failed.as_ref(), app, viewer, "warning", it.rule.as_str());
                warnings::view(viewer, &names, it, form)
            })
            .collect(),
        carried: Vec::new(),
        buckets: view::bucket_names(text),
        ageing: view::ageing(&items, &credits, day),
        items: view::items(viewer, customer, items.get(..shown).unwrap_or_default(), day),
        more_items: (items.len() > shown).then(|| text.fill("customer.more_items", "count", items.len())),
        promises: promises.iter().take(MOST).map(|it| view::promise(viewer, it)).collect(),
        contacts: notes
            .iter()
            .take(MOST)
            .map(|it| contact(viewer, &names, it.id, &it.note))
            .collect(),
        statements: statements
            .into_iter()
            .take(MOST)
            .map(|it| view::statement(viewer, it))
            .collect(),
        all_promises,
        all_statements,
        disputes: disputes(customer, &ledger),
        orders: decisions
            .into_iter()
            .take(MOST)
            .map(|it| view::order(viewer, &names, it))
            .collect(),
        grants: open_grants
            .iter()
            .map(|it| {
                let form = Failed::or_fresh(failed.as_ref(), app, viewer, "allowance", &it.terms.id.to_string());
                ground.grant(viewer, it, form)
            })
            .collect(),
        grant_form,
        visits,
        rows,
        all: format!("/activity?customer={id}"),
        all_visits: format!("/activity?customer={id}&kind=visit"),
        forms,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

/// Everybody whom the page names.
fn people<'l>(
    ledger: &'l CustomerLedger,
    notes: impl Iterator<Item = &'l CollectionNote> + 'l,
) -> BTreeSet<fieldledger_core::model::UserId> {
    let account = &ledger.account;
    let mut people: BTreeSet<_> = notes.map(|it| it.rep).collect();
    people.extend(ledger.customer.rep);
    people.extend(account.terms.iter().filter_map(|it| it.by));
    people.extend(account.holds.iter().filter_map(|it| it.by));
    people.extend(
        account
            .suspensions
            .iter()
            .filter_map(|it| it.decision.as_ref())
            .map(|it| it.by),
    );
    people.extend(ledger.warnings.iter().flat_map(warnings::people));
    people.extend(ledger.decisions.iter().map(|it| it.rep));
    people
}

/// Visits, and everything that came in last.
async fn activity(
    app: &AppState,
    viewer: &Viewer,
    names: &mut Names,
    customer: CustomerId,
) -> Result<(Vec<Row>, Vec<Row>), PageError> {
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let everything = FeedFilter {
        territories: viewer.account.territory_filter(),
        customer: Some(customer),
        limit: LATEST,
        ..FeedFilter::default()
    };
    let visits = FeedFilter {
        kind: Some(DocumentKind::Visit),
        ..everything.clone()
    };
    let devices = store.devices(org).await?;
    let visits = feed::read_feed(store, viewer, &visits).await?;
    let visits = feed::rows(store, viewer, names, &devices, visits).await?;
    let latest = feed::read_feed(store, viewer, &everything).await?;
    let latest = feed::rows(store, viewer, names, &devices, latest).await?;
    Ok((visits, latest))
}

/// The currency in which a new limit is typed: that of the present one, else the company's.
pub(super) fn currency_of(ledger: &CustomerLedger, day: chrono::NaiveDate) -> fieldledger_core::model::Currency {
    match ledger.account.terms_on(day).map(|it| it.limit) {
        Some(CreditLimit::Limited(limit)) => limit.currency,
        _ => ledger.organisation.currency,
    }
}

fn limit_currency(ledger: &CustomerLedger, day: chrono::NaiveDate) -> String {
    currency_of(ledger, day).to_string()
}

fn holds(viewer: &Viewer, names: &Names, ledger: &CustomerLedger, day: chrono::NaiveDate) -> Vec<HoldRow> {
    let text = viewer.text;
    let row = |it: &fieldledger_core::model::CreditHold| HoldRow {
        from: it.from.to_string(),
        until: it.until.map(|it| it.to_string()).unwrap_or_default(),
        reason: it.reason.clone(),
        by: it
            .by
            .map_or_else(|| text.t("customer.by_software").to_owned(), |id| names.person(id)),
        running: it.from <= day && it.until.is_none_or(|until| day < until),
    };
    ledger.account.holds.iter().rev().map(row).collect()
}

fn assessments(ledger: &CustomerLedger, day: chrono::NaiveDate) -> Vec<AssessmentRow> {
    let row = |it: &fieldledger_core::model::Assessment| AssessmentRow {
        on: it.on.to_string(),
        assessor: it.assessor.clone(),
        evidence: it.evidence.clone(),
        valid_until: it.valid_until.to_string(),
        expired: it.valid_until < day,
    };
    ledger.account.assessments.iter().rev().map(row).collect()
}

fn disputes(customer: &Customer, ledger: &CustomerLedger) -> Vec<DisputeRow> {
    let mut rows = Vec::new();
    for invoice in &ledger.invoices {
        for part in &invoice.instalments {
            for it in &part.disputes {
                let row = DisputeRow {
                    href: view::invoice_address(customer, &invoice.number),
                    number: invoice.number.clone(),
                    instalment: part.no,
                    since: it.opened_on.to_string(),
                    settled: it.settled_on.map(|it| it.to_string()).unwrap_or_default(),
                    reason: it.reason.clone(),
                };
                rows.push(((it.settled_on.is_some(), std::cmp::Reverse(it.opened_on)), row));
            }
        }
    }
    rows.sort_by_key(|row| row.0);
    rows.into_iter().map(|(_, row)| row).take(MOST).collect()
}

fn contact(viewer: &Viewer, names: &Names, id: DocumentId, note: &CollectionNote) -> Contact {
    let text = viewer.text;
    let word = |section: &str, value: serde_json::Result<serde_json::Value>| {
        let name = value.ok().and_then(|it| it.as_str().map(str::to_owned));
        name.map(|it| text.word(section, &it)).unwrap_or_default()
    };
    Contact {
        href: format!("/records/{id}"),
        at: Moment::new(note.at, viewer.zone),
        rep: names.person(note.rep),
        channel: word("channel", serde_json::to_value(&note.channel)),
        person: note.person.clone(),
        outcome: word("outcome", serde_json::to_value(&note.outcome)),
        invoice: note.invoice_number.clone().unwrap_or_default(),
        note: note.note.clone(),
        next: note.next_step.as_ref().map_or_else(String::new, |it| match it.due {
            Some(due) => format!("{} ({due})", it.what),
            None => it.what.clone(),
        }),
    }
}

/// Phones for which credit can be reserved, with how much it should be.
async fn grant_form(
    app: &AppState,
    viewer: &Viewer,
    ledger: &CustomerLedger,
    now: fieldledger_core::model::Timestamp,
) -> Result<Option<GrantForm>, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    if !ledger.policy.allowances.enabled {
        return Ok(None);
    }
    let territory = ledger.customer.territory;
    let accounts = store.accounts(org).await?;
    let mut phones: Vec<(String, String)> = store
        .devices(org)
        .await?
        .into_iter()
        .filter(|it| it.revoked_at.is_none())
        .filter_map(|device| {
            let owner = accounts.iter().find(|it| it.user == device.user)?;
            let works_there = owner.has(Role::Rep) && !owner.disabled && owner.may_read(territory);
            works_there.then(|| (device.id.to_string(), format!("{} · {}", owner.name, device.name)))
        })
        .collect();
    phones.sort_by(|a, b| a.1.cmp(&b.1));
    let planned = planned_visits(app, viewer, ledger, now).await?;
    let Ok(suggestion) = allowances::suggest(ledger, None, planned, now) else {
        return Ok(None);
    };
    Ok(Some(GrantForm {
        phones,
        currency: suggestion.amount.currency.to_string(),
        usual: suggestion.usual.map(format::money),
        free: suggestion.free.map(format::money),
        suggested: if suggestion.on_hold {
            text.t("customer.on_hold").to_owned()
        } else {
            format::money(suggestion.amount)
        },
        planned,
    }))
}

/// Visits that are planned within the time for which an allowance may be spent.
async fn planned_visits(
    app: &AppState,
    viewer: &Viewer,
    ledger: &CustomerLedger,
    now: fieldledger_core::model::Timestamp,
) -> Result<u32, PageError> {
    let filter = FeedFilter {
        kind: Some(DocumentKind::Visit),
        state: Some("planned".to_owned()),
        customer: Some(ledger.customer.id),
        limit: 200,
        ..FeedFilter::default()
    };
    let today = now.date_in(viewer.zone);
    let days = ledger.policy.allowances.valid_hours.div_ceil(24).max(1);
    let end = today.checked_add_days(chrono::Days::new(days.into()));
    let planned = app.store.feed(viewer.account.organisation, &filter).await?;
    let due = planned
        .iter()
        .filter_map(|it| it.day)
        .filter(|it| today <= *it && end.is_none_or(|end| *it < end));
    Ok(u32::try_from(due.count()).unwrap_or(u32::MAX))
}

fn forms(
    app: &AppState,
    viewer: &Viewer,
    ledger: &CustomerLedger,
    failed: Option<&Failed<'_>>,
    now: fieldledger_core::model::Timestamp,
) -> Forms {
    let today = now.date_in(viewer.zone);
    let day = |day: chrono::NaiveDate| day.to_string();
    let of = |form: &'static str, filled: &[(&str, String)]| match failed {
        Some(it) if it.form == form => FormView::refused(app, viewer.text, it.typed, &it.why),
        _ => FormView::filled(app, filled),
    };
    let schedule = ledger.account.statements.unwrap_or(ledger.policy.statements);
    let schedule = match schedule {
        StatementSchedule::OnRequest => StatementSchedule::Monthly,
        other => other,
    };
    let period = statement::last_ended(schedule, today);
    let valid_until = today.checked_add_months(chrono::Months::new(12)).unwrap_or(today);
    Forms {
        terms: of("terms", &[("from", day(today))]),
        assess: of("assess", &[("on", day(today)), ("valid_until", day(valid_until))]),
        hold: of("hold", &[("from", day(today))]),
        grant: of("grant", &[]),
        supply: of("supply", &[]),
        statement: of(
            "statement",
            &period.map_or_else(Vec::new, |it| {
                vec![
                    ("from", day(it.from)),
                    ("to", day(it.to)),
                    ("currency", ledger.organisation.currency.to_string()),
                ]
            }),
        ),
    }
}
