//! The territories: how many customers each has, and who works there.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::model::TerritoryId;

use crate::{
    state::AppState,
    web::{
        customers::list::overview,
        error::PageError,
        names::Names,
        page::{Frame, Viewer, html},
        people::{administration, require_administrator},
        posted::Posted,
        refusal::said,
        table::{Answer, Cell, Column, Direction, Filter, Row, Sent, Spec, TableView},
    },
};

#[derive(Template)]
#[template(path = "territories.html")]
struct TerritoriesPage {
    frame: Frame,
    table: TableView,
    administrator: bool,
    /// To be renamed.
    known: Vec<(TerritoryId, String)>,
    notice: Option<&'static str>,
    error: Option<String>,
    /// What was typed into forms that could not be taken.
    added: String,
    renamed: String,
    renaming: Option<TerritoryId>,
}

/// A form that could not be taken.
#[derive(Default)]
struct Refused {
    error: Option<String>,
    added: String,
    renamed: String,
    renaming: Option<TerritoryId>,
}

/// The territories that the reader may see.
pub(in crate::web) async fn list(
    State(app): State<AppState>,
    viewer: Viewer,
    sent: Sent,
) -> Result<Response, PageError> {
    page(&app, &viewer, &sent, Refused::default()).await
}

async fn page(app: &AppState, viewer: &Viewer, sent: &Sent, refused: Refused) -> Result<Response, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let names = Names::load(app.store.as_ref(), org).await?;
    let known = names.territories_of(&viewer.account);
    let mut customers: BTreeMap<TerritoryId, (u64, u64)> = BTreeMap::new();
    for it in overview(app, viewer).await?.customers() {
        let count = customers.entry(it.customer.territory).or_default();
        count.0 += 1;
        count.1 += u64::from(it.customer.rep.is_none());
    }
    let accounts = app.store.accounts(org).await?;
    let spec = Spec::new(
        "territories",
        text.t("territories.title"),
        vec![
            Column::text("name", text.t("territories.name")),
            Column::number("customers", text.t("territories.customers")),
            Column::number("without_rep", text.t("territories.without_rep")),
            Column::text("people", text.t("territories.people")).unsorted(),
        ],
    )
    .filter(Filter::search("q", text.t("territories.search")))
    .sorted_by("name", Direction::Ascending)
    .empty(text.t("territories.none"));
    let rows = known
        .iter()
        .map(|(id, name)| {
            let (count, without) = customers.get(id).copied().unwrap_or_default();
            let people: Vec<&str> = accounts
                .iter()
                .filter(|it| !it.disabled && it.territories.contains(id))
                .map(|it| it.name.as_str())
                .collect();
            Row::new(vec![
                Cell::link(format!("/team?territory={id}"), name),
                Cell::count(count),
                Cell::count(without),
                Cell::text(people.join(", ")),
            ])
            .id(format!("territory-{id}"))
        })
        .collect();
    let table = match spec.answer(viewer, sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let status = if refused.error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = TerritoriesPage {
        frame: viewer.frame("team"),
        administrator: viewer.is_administrator(),
        notice: sent.is_set("done").then(|| text.t("territories.saved")),
        table,
        known,
        error: refused.error,
        added: refused.added,
        renamed: refused.renamed,
        renaming: refused.renaming,
    };
    Ok((status, html(&page)?).into_response())
}

/// Makes a territory, or gives one another name.
pub(in crate::web) async fn change(
    State(app): State<AppState>,
    viewer: Viewer,
    sent: Sent,
    posted: Posted,
) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    require_administrator(&viewer)?;
    let office = administration(&app, &viewer);
    let name = posted.value("name");
    let mut refused = Refused::default();
    let done = match posted.value("do") {
        "add" => office.add_territory(name).await.map(|_| ()),
        "rename" => {
            let id = posted.parsed("territory", "team.territory")?.into_iter().next();
            let id: TerritoryId = id.ok_or(PageError::BadField("team.territory"))?;
            refused.renaming = Some(id);
            office.rename_territory(id, name).await
        }
        _ => return Err(PageError::BadField("error.form")),
    };
    match done {
        Ok(()) => Ok(Redirect::to("/team/territories?done=1").into_response()),
        Err(error) => {
            refused.error = Some(said(viewer.text, error)?);
            if refused.renaming.is_some() {
                name.clone_into(&mut refused.renamed);
            } else {
                name.clone_into(&mut refused.added);
            }
            page(&app, &viewer, &sent, refused).await
        }
    }
}
