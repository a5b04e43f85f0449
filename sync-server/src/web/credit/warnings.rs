//! Early warnings: each has an owner, and somebody says what they will do about it.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{Customer, CustomerId, InvalidField, Warning, WarningLevel, WarningRule},
    rules::warnings,
};

use super::{
    super::{
        customers,
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format::{self, Moment},
        messages::{Language, Text},
        names::Names,
        page::{Frame, Viewer, html, parsed},
        table::{self, Cell, Column, Controls, EVERYTHING, Filter, Sent, Spec, read_parts},
    },
    Tabs,
};
use crate::{
    ledger::collecting,
    state::AppState,
    store::{ListPart, WarningSearch},
};

/// Warnings on a page.
const WARNINGS: u32 = 50;

/// A warning as it is shown.
pub(in crate::web) struct WarningView {
    pub(in crate::web) anchor: String,
    pub(in crate::web) action: String,
    pub(in crate::web) critical: bool,
    pub(in crate::web) level: String,
    pub(in crate::web) rule: String,
    pub(in crate::web) sentence: String,
    pub(in crate::web) raised: Moment,
    pub(in crate::web) owner: String,
    /// Who has seen it, when, and what they will do.
    pub(in crate::web) answered: Option<(String, Moment, String)>,
    pub(in crate::web) form: FormView,
}

struct Row {
    href: String,
    code: String,
    name: String,
    warning: WarningView,
}

#[derive(Template)]
#[template(path = "credit_warnings.html")]
struct WarningsPage {
    frame: Frame,
    tabs: Tabs,
    done: Option<&'static str>,
    problem: Option<String>,
    count: String,
    controls: Controls,
    exports: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    /// What the forms carry along, so that the reader comes back to the same list.
    carried: Vec<(String, String)>,
    previous: Option<String>,
    next: Option<String>,
}

/// Which warnings.
struct Asked {
    /// The filters and the order of the list.
    list: Sent,
    /// So many are passed over.
    from: u32,
}

impl Asked {
    fn search(&self, viewer: &Viewer) -> WarningSearch {
        let is_set = |name| self.list.is_set(name);
        WarningSearch {
            level: is_set("critical").then_some(WarningLevel::Critical),
            owner: is_set("mine").then_some(viewer.account.user),
            unanswered: is_set("unanswered"),
        }
    }

    fn address(&self, from: u32) -> String {
        self.list.address_with(&[("from", &from.to_string())])
    }
}

/// The warnings that stand.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let spec = list(&viewer);
    let asked = Asked {
        list: spec.whole("/credit/warnings", |name| sent.value(name).map(str::to_owned)),
        from: sent.parsed("from", "credit.page")?.unwrap_or(0),
    };
    if spec.is_export(&sent) {
        let (_, rows) = arranged(&app, &viewer, &spec, &asked).await?;
        let rows = rows.into_iter().map(|(row, _)| row).collect();
        return spec.file(&viewer, &sent, rows).await;
    }
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &asked, done, None).await
}

/// The warnings, critical ones first and of each the oldest unless somebody asks for another order.
fn list(viewer: &Viewer) -> Spec {
    let text = viewer.text;
    Spec::new(
        "warnings",
        text.t("credit.warnings"),
        vec![
            Column::text("level", text.t("credit.level")).unsorted(),
            Column::text("rule", text.t("credit.rule")),
            Column::text("customer", text.t("record.customer")),
            Column::text("code", text.t("customers.code")),
            Column::text("sentence", text.t("credit.reason")).unsorted(),
            Column::moment("raised", text.t("credit.raised")),
            Column::text("owner", text.t("credit.owner")),
            Column::text("answer", text.t("credit.what_you_do")).unsorted(),
        ],
    )
    .filter(Filter::search("q", text.t("table.search")))
    .filter(Filter::check("critical", text.t("credit.only_critical")))
    .filter(Filter::check("mine", text.t("credit.only_mine")))
    .filter(Filter::check("unanswered", text.t("credit.only_unanswered")))
    .own_order(text.t("credit.critical_first"))
}

/// How many warnings a search finds, and the warnings in the order that was asked for.
async fn arranged(
    app: &AppState,
    viewer: &Viewer,
    spec: &Spec,
    asked: &Asked,
) -> Result<(u64, Vec<(table::Row, (Warning, Customer))>), PageError> {
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let territories = viewer.account.territory_filter();
    let wanted = asked.search(viewer);
    let mut listed = read_parts(EVERYTHING, |part| {
        store.standing_warnings(org, territories.clone(), wanted, part)
    })
    .await?;
    listed
        .rows
        .retain(|(_, customer)| viewer.account.may_read(customer.territory));
    let mut names = Names::load(store, org).await?;
    let named: Vec<_> = listed.rows.iter().flat_map(|(it, _)| people(it)).collect();
    names.add_people(store, org, named).await?;
    let rows = listed.rows.into_iter().map(|standing| {
        let (it, customer) = &standing;
        let shown = view(viewer, &names, it, FormView::default());
        let row = table::Row::new(vec![
            Cell::text(shown.level),
            Cell::text(shown.rule),
            Cell::text(&customer.name),
            Cell::text(&customer.code),
            Cell::text(shown.sentence),
            Cell::Moment(it.raised_at),
            Cell::text(shown.owner),
            Cell::of(shown.answered, |(_, _, note)| Cell::text(note)),
        ]);
        (row, standing)
    });
    let found = spec.arranged(&asked.list, rows.collect());
    Ok((found.len() as u64, found))
}

struct Failed<'f> {
    customer: CustomerId,
    rule: WarningRule,
    typed: &'f Typed,
    why: InvalidField,
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    asked: &Asked,
    done: Option<&'static str>,
    failed: Option<Failed<'_>>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let territories = viewer.account.territory_filter();
    let spec = list(viewer);
    let (total, mut rows) = if spec.is_rearranged(&asked.list) {
        let (total, rows) = arranged(app, viewer, &spec, asked).await?;
        let passed = usize::try_from(asked.from).unwrap_or(usize::MAX);
        let rows = rows.into_iter().map(|(_, it)| it).skip(passed);
        (total, rows.take(WARNINGS as usize).collect())
    } else {
        let part = ListPart {
            from: asked.from.into(),
            limit: WARNINGS,
        };
        let wanted = asked.search(viewer);
        let listed = store.standing_warnings(org, territories.clone(), wanted, part).await?;
        (listed.total, listed.rows)
    };
    rows.retain(|(_, customer)| viewer.account.may_read(customer.territory));
    let standing = rows;
    let held = store.held_orders(org, territories, ListPart::default()).await?.total;
    let mut names = Names::load(store, org).await?;
    let named: Vec<_> = standing.iter().flat_map(|(it, _)| people(it)).collect();
    names.add_people(store, org, named).await?;
    let rows = standing
        .iter()
        .map(|(it, customer)| Row {
            href: format!("/customers/{}", customer.id),
            code: customer.code.clone(),
            name: customer.name.clone(),
            warning: view(
                viewer,
                &names,
                it,
                match &failed {
                    Some(failed) if (failed.customer, failed.rule) == (it.customer, it.rule) => {
                        FormView::refused(app, text, failed.typed, &failed.why)
                    }
                    _ => FormView::fresh(app),
                },
            ),
        })
        .collect();
    let refused = failed.is_some();
    // Gone or answered meanwhile: then no form can say it.
    let problem = failed.filter(|failed| {
        let open = |(it, _): &&(Warning, _)| {
            (it.customer, it.rule) == (failed.customer, failed.rule) && it.acknowledged.is_none()
        };
        standing.iter().find(open).is_none()
    });
    let problem = problem.map(|it| form::problem(text, &it.why));
    let (from, limit) = (asked.from, WARNINGS);
    let mut carried = spec.carried(|name| asked.list.value(name).map(str::to_owned));
    carried.push(("from".to_owned(), from.to_string()));
    let page = html(&WarningsPage {
        frame: viewer.frame("credit"),
        tabs: Tabs { here: "warnings", held },
        done,
        problem,
        count: text.fill("credit.warning_count", "count", total),
        controls: spec.controls(viewer, &asked.list),
        exports: spec.exports(viewer, &asked.list),
        rows,
        carried,
        previous: (from > 0).then(|| asked.address(from.saturating_sub(limit))),
        next: (u64::from(from) + u64::from(limit) < total).then(|| asked.address(from.saturating_add(limit))),
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

/// Whom a warning names.
pub(in crate::web) fn people(it: &Warning) -> impl Iterator<Item = fieldledger_core::model::UserId> + use<> {
    it.owner.into_iter().chain(it.acknowledged.as_ref().map(|it| it.by))
}

pub(in crate::web) fn view(viewer: &Viewer, names: &Names, it: &Warning, form: FormView) -> WarningView {
    let text = viewer.text;
    WarningView {
        anchor: format!("warning-{}-{}", it.customer, it.rule.as_str()),
        action: format!("/credit/warnings/{}/{}", it.customer, it.rule.as_str()),
        critical: it.level == WarningLevel::Critical,
        level: text
            .t(match it.level {
                WarningLevel::Warning => "credit.level_warning",
                WarningLevel::Critical => "credit.level_critical",
            })
            .to_owned(),
        rule: text.word("warning_rule", it.rule.as_str()),
        sentence: format::spoken(&sentence(text, it)),
        raised: Moment::new(it.raised_at, viewer.zone),
        owner: it
            .owner
            .map_or_else(|| text.t("credit.no_owner").to_owned(), |id| names.person(id)),
        answered: it
            .acknowledged
            .as_ref()
            .map(|it| (names.person(it.by), Moment::new(it.at, viewer.zone), it.note.clone())),
        form,
    }
}

fn sentence(text: Text, it: &Warning) -> String {
    match (&it.facts, text.0) {
        (Some(facts), Language::SimplifiedChinese) => warnings::sentence(facts).chinese,
        _ => it.sentence.clone(),
    }
}

/// Somebody says what they will do.
pub(super) async fn acknowledge(
    State(app): State<AppState>,
    Path((customer, rule)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let customer: CustomerId = parsed(&customer)?;
    customers::known(&app, viewer, customer).await?;
    let rule = WarningRule::ALL.into_iter().find(|it| it.as_str() == rule);
    let rule = rule.ok_or(PageError::NotFound)?;
    let (by, now) = (viewer.account.user, app.clock.now());
    let note = posted.typed.get("note").to_owned();
    let outcome = posted
        .decide(&app, customer, move |ledger| {
            fieldledger_core::model::check_text("note", &note)?;
            collecting::acknowledge(ledger, rule, by, &note, now)
        })
        .await?;
    let carried = |name: &str| posted.typed.some(name).map(str::to_owned);
    let asked = Asked {
        list: list(viewer).whole("/credit/warnings", carried),
        from: posted.typed.count("from").ok().flatten().unwrap_or(0),
    };
    match outcome {
        Outcome::Done(_) => {
            let back = match posted.typed.get("back") {
                "customer" => format!("/customers/{customer}"),
                _ => asked.address(asked.from),
            };
            Ok(form::done(&back, "warning_acknowledged", "warnings"))
        }
        Outcome::Refused(why) if posted.typed.get("back") == "customer" => {
            let failed = customers::Failed {
                form: "warning",
                of: rule.as_str().to_owned(),
                typed: &posted.typed,
                why,
            };
            customers::page(&app, viewer, customer, None, Some(failed)).await
        }
        Outcome::Refused(why) => {
            let failed = Failed {
                customer,
                rule,
                typed: &posted.typed,
                why,
            };
            page(&app, viewer, &asked, None, Some(failed)).await
        }
    }
}
