//! Whom to see today about money (今日催收), ranked, with the reasons shown.

use askama::Template;
use axum::{extract::State, response::Response};
use fieldledger_core::rules::{
    wording::Sentence,
    worklist::{WorklistCustomer, WorklistReason, WorklistStep, rank},
};
use rust_decimal::Decimal;

use super::super::{
    customers::list::{Narrowed, overview, part, reps, territories, visible},
    error::PageError,
    format,
    messages::{Language, Text},
    names::Names,
    page::{Frame, Viewer, html},
    table::{Answer, Cell, Column, Filter, Row, Sent, Spec, TableView},
};
use crate::{overview::Standing, state::AppState};

#[derive(Template)]
#[template(path = "receivables_list.html")]
struct WorklistPage {
    frame: Frame,
    here: &'static str,
    title: &'static str,
    lead: String,
    problem: Option<String>,
    table: TableView,
}

/// A sentence in the reader's language.
pub(super) fn said(text: Text, sentence: Sentence) -> String {
    format::spoken(match text.0 {
        Language::English => &sentence.english,
        Language::SimplifiedChinese => &sentence.chinese,
    })
}

/// A dispute that names no invoice is about the whole account.
fn named(text: Text, number: &str) -> String {
    if number.is_empty() {
        text.t("receivables.the_account").to_owned()
    } else {
        number.to_owned()
    }
}

fn reason(text: Text, reason: &WorklistReason) -> String {
    match reason {
        WorklistReason::Dispute(it) => {
            let mut it = it.clone();
            it.number = named(text, &it.number);
            said(text, WorklistReason::Dispute(it).sentence())
        }
        other => said(text, other.sentence()),
    }
}

fn step(text: Text, step: &WorklistStep) -> String {
    match step {
        WorklistStep::SettleDispute(it) => {
            let mut it = it.clone();
            it.number = named(text, &it.number);
            said(text, WorklistStep::SettleDispute(it).sentence())
        }
        other => said(text, other.sentence()),
    }
}

/// Whether what the customer owes can be weighed against what others owe.
fn is_ranked(it: &Standing) -> bool {
    it.problem.is_none() && it.unconverted.is_none()
}

/// Whether there is anything that the worklist looks at.
fn may_matter(it: &Standing) -> bool {
    let nothing = it.promises.is_empty() && it.reminders.is_empty() && it.disputes.is_empty();
    !nothing || it.overdue.amount.amount > Decimal::ZERO
}

/// The list.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let narrowed = Narrowed::of(&sent, &viewer)?;
    let overview = overview(&app, &viewer).await?;
    let mut names = Names::load(store, org).await?;
    let all: Vec<&Standing> = visible(&overview, &viewer).filter(|it| narrowed.fits(it)).collect();
    let uncounted = all.iter().filter(|it| !is_ranked(it)).count();
    let mut counted: Vec<&Standing> = all.into_iter().filter(|it| is_ranked(it) && may_matter(it)).collect();
    // Equal customers stay in the order of their numbers, as on a phone.
    counted.sort_by(|a, b| (&a.customer.code, a.customer.id).cmp(&(&b.customer.code, b.customer.id)));
    let reps_of: Vec<_> = counted.iter().filter_map(|it| it.customer.rep).collect();
    names.add_people(store, org, reps_of).await?;
    let customers: Vec<WorklistCustomer> = counted
        .iter()
        .map(|it| it.for_worklist(overview.today))
        .filter(|it| {
            let nothing = it.promises.is_empty() && it.dunning.is_empty() && it.disputes.is_empty();
            !nothing || it.overdue.amount.amount > Decimal::ZERO
        })
        .collect();
    let lines = rank(customers);
    let spec = Spec::new(
        "worklist",
        text.t("receivables.worklist"),
        vec![
            Column::number("rank", text.t("receivables.rank")).unsorted(),
            Column::text("customer", text.t("record.customer")).unsorted(),
            Column::money("overdue", text.t("receivables.overdue")).unsorted(),
            Column::number("days", text.t("customers.oldest")).unsorted(),
            Column::text("reasons", text.t("receivables.why")).unsorted(),
            Column::text("next", text.t("receivables.what_first")).unsorted(),
            Column::text("rep", text.t("customers.rep")).unsorted(),
            Column::text("phone", text.t("customers.phone")).unsorted(),
        ],
    )
    .filter(Filter::text("q", text.t("customers.search")))
    .filter(Filter::choice(
        "territory",
        text.t("customers.territory"),
        territories(&names, &viewer),
    ))
    .filter(Filter::choice("rep", text.t("customers.rep"), reps(&names, &viewer)))
    .empty(text.t("receivables.nobody_today"));
    let total = lines.len();
    let wanted = spec.wanted(&sent);
    let rows = part(lines, wanted)
        .into_iter()
        .filter_map(|line| {
            let customer = &overview.customer(line.customer)?.customer;
            let reasons: Vec<String> = line.reasons.iter().map(|it| reason(text, it)).collect();
            Some(
                Row::new(vec![
                    Cell::count(line.rank),
                    Cell::link(format!("/customers/{}", customer.id), &customer.name),
                    Cell::Money(line.overdue.amount),
                    Cell::count(line.overdue.oldest_days),
                    Cell::text(reasons.join("\n")),
                    Cell::text(step(text, &line.next)),
                    Cell::of(customer.rep, |rep| Cell::text(names.person(rep))),
                    Cell::text(&customer.phone),
                ])
                .id(format!("worklist-{}", customer.id)),
            )
        })
        .collect();
    let table = match spec.answer_from_store(&viewer, &sent, rows, total).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    html(&WorklistPage {
        frame: viewer.frame("receivables"),
        here: "worklist",
        title: text.t("receivables.worklist"),
        lead: text.fill("receivables.worklist_lead", "day", overview.today),
        problem: (uncounted > 0).then(|| text.fill("receivables.unranked", "count", uncounted)),
        table,
    })
}
