//! Customers move to another territory or another rep, one or many, with a reason.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::model::{Customer, CustomerId, GrantState, LedgerRecord, RecordKind, Role, TerritoryId, UserId};

use super::require_lead;
use crate::{
    administration::{Move, Moved, NewRep},
    state::AppState,
    store::CustomerSearch,
    web::{
        error::PageError,
        feed,
        names::Names,
        page::{Frame, Viewer, html},
        people::administration,
        posted::Posted,
        refusal::said,
        table::Sent,
    },
};

/// Customers offered at a time.
const MOST: u32 = 300;

struct Candidate {
    id: CustomerId,
    name: String,
    code: String,
    territory: String,
    rep: String,
    /// Offline allowances that phones still hold for this customer.
    allowances: usize,
    chosen: bool,
}

struct Pick {
    value: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "move.html")]
struct MovePage {
    frame: Frame,
    q: String,
    from: Vec<Pick>,
    of_rep: Vec<Pick>,
    candidates: Vec<Candidate>,
    cut: Option<String>,
    to: Vec<Pick>,
    reps: Vec<Pick>,
    reason: String,
    notice: Option<String>,
    errors: Vec<String>,
}

/// What was chosen in a form that has to be shown again.
#[derive(Default)]
struct Chosen {
    customers: Vec<CustomerId>,
    to: Option<TerritoryId>,
    rep: String,
    reason: String,
    errors: Vec<String>,
}

/// The form: customers to choose from, and where they go.
pub(in crate::web) async fn form(
    State(app): State<AppState>,
    viewer: Viewer,
    sent: Sent,
) -> Result<Response, PageError> {
    require_lead(&viewer)?;
    let chosen = Chosen {
        customers: sent.parsed("customer", "feed.customer")?.into_iter().collect(),
        ..Chosen::default()
    };
    page(&app, &viewer, &sent, chosen).await
}

async fn page(app: &AppState, viewer: &Viewer, sent: &Sent, chosen: Chosen) -> Result<Response, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let store = app.store.as_ref();
    let mut names = Names::load(store, org).await?;
    let from: Option<TerritoryId> = sent.parsed("from", "team.territory")?;
    let of_rep = sent.value("of");
    let territories = names.territories_of(&viewer.account);
    let mut customers = chosen_customers(app, viewer, &chosen).await?;
    let mut cut = None;
    // One that was named in the address stands alone, until somebody searches.
    if chosen.customers.is_empty() || sent.value("q").is_some() || from.is_some() || of_rep.is_some() {
        let search = CustomerSearch {
            text: sent.value("q").unwrap_or_default().to_owned(),
            limit: MOST,
            ..CustomerSearch::default()
        };
        let found = match from {
            Some(from) if !viewer.account.may_read(from) => return Err(PageError::NotFound),
            Some(from) => {
                let search = CustomerSearch {
                    territories: Some(vec![from]),
                    ..search
                };
                store.find_customers(org, &search).await?
            }
            None => feed::find_visible(store, viewer, search).await?,
        };
        cut = (found.total > u64::from(MOST)).then(|| {
            text.fill("move.cut", "count", MOST)
                .replace("{total}", &found.total.to_string())
        });
        for it in found.customers {
            let wanted = match of_rep {
                None => true,
                Some("nobody") => it.rep.is_none(),
                Some(rep) => it.rep.is_some_and(|it| it.to_string() == rep),
            };
            if wanted && !customers.iter().any(|known| known.id == it.id) {
                customers.push(it);
            }
        }
    }
    names
        .add_people(store, org, customers.iter().filter_map(|it| it.rep))
        .await?;
    let allowances = allowances(app, viewer).await?;
    let accounts = store.accounts(org).await?;
    let everything = viewer.account.territory_filter().is_none();
    let leads: Vec<(UserId, String)> = accounts
        .into_iter()
        .filter(|it| !it.disabled && (it.has(Role::Rep) || it.has(Role::Supervisor)))
        .filter(|it| everything || it.territories.iter().any(|id| viewer.account.may_read(*id)))
        .map(|it| {
            let places: Vec<String> = it.territories.iter().map(|id| names.territory(*id)).collect();
            (it.user, format!("{} ({})", it.name, places.join(", ")))
        })
        .collect();
    let pick = |value: String, name: String, present: &str| Pick {
        chosen: value == present,
        value,
        name,
    };
    let to = chosen.to.map(|it| it.to_string()).unwrap_or_default();
    let mut of = vec![pick(
        "nobody".to_owned(),
        text.t("team.nobody").to_owned(),
        of_rep.unwrap_or_default(),
    )];
    of.extend(
        leads
            .iter()
            .map(|(id, name)| pick(id.to_string(), name.clone(), of_rep.unwrap_or_default())),
    );
    let mut reps = vec![
        pick("same".to_owned(), text.t("move.same_rep").to_owned(), &chosen.rep),
        pick("nobody".to_owned(), text.t("move.no_rep").to_owned(), &chosen.rep),
    ];
    reps.extend(
        leads
            .into_iter()
            .map(|(id, name)| pick(id.to_string(), name, &chosen.rep)),
    );
    let status = if chosen.errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = MovePage {
        frame: viewer.frame("team"),
        q: sent.value("q").unwrap_or_default().to_owned(),
        from: territories
            .iter()
            .map(|(id, name)| pick(id.to_string(), name.clone(), sent.value("from").unwrap_or_default()))
            .collect(),
        of_rep: of,
        candidates: customers
            .into_iter()
            .map(|it| Candidate {
                chosen: chosen.customers.contains(&it.id),
                allowances: allowances.get(&it.id).copied().unwrap_or(0),
                territory: names.territory(it.territory),
                rep: it.rep.map(|rep| names.person(rep)).unwrap_or_default(),
                id: it.id,
                name: it.name,
                code: it.code,
            })
            .collect(),
        cut,
        to: territories
            .into_iter()
            .map(|(id, name)| pick(id.to_string(), name, &to))
            .collect(),
        reps,
        reason: chosen.reason,
        notice: sent
            .value("moved")
            .and_then(|it| it.parse::<u32>().ok())
            .map(|count| text.fill("move.done", "count", count)),
        errors: chosen.errors,
    };
    Ok((status, html(&page)?).into_response())
}

async fn chosen_customers(app: &AppState, viewer: &Viewer, chosen: &Chosen) -> Result<Vec<Customer>, PageError> {
    let mut customers = Vec::with_capacity(chosen.customers.len());
    for id in &chosen.customers {
        let key = crate::web::names::key(RecordKind::Customer, id);
        let found = app.store.record(viewer.account.organisation, &key).await?;
        match found.map(|it| it.record) {
            Some(LedgerRecord::Customer(it)) if viewer.account.may_read(it.territory) => customers.push(it),
            _ => return Err(PageError::NotFound),
        }
    }
    Ok(customers)
}

/// How many allowances phones hold for each customer: what was spent of one still comes in after a move.
async fn allowances(app: &AppState, viewer: &Viewer) -> Result<BTreeMap<CustomerId, usize>, PageError> {
    let mut count = BTreeMap::new();
    for it in app
        .store
        .records(viewer.account.organisation, &RecordKind::Grant)
        .await?
    {
        if let LedgerRecord::Grant(grant) = it.record
            && matches!(grant.state, GrantState::Open | GrantState::Recalled)
        {
            *count.entry(grant.terms.customer).or_default() += 1;
        }
    }
    Ok(count)
}

/// Moves what was chosen, one customer after the other: each wholly or not at all.
pub(in crate::web) async fn submit(
    State(app): State<AppState>,
    viewer: Viewer,
    sent: Sent,
    posted: Posted,
) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    require_lead(&viewer)?;
    let text = viewer.text;
    let mut chosen = Chosen {
        customers: posted.parsed("customer", "feed.customer")?,
        to: posted.parsed("to", "team.territory")?.into_iter().next(),
        rep: posted.value("rep").to_owned(),
        reason: posted.value("reason").to_owned(),
        errors: Vec::new(),
    };
    let rep = match chosen.rep.as_str() {
        "same" | "" => NewRep::Same,
        "nobody" => NewRep::Nobody,
        id => NewRep::Is(id.parse().map_err(|_| PageError::BadField("team.rep"))?),
    };
    if chosen.customers.is_empty() {
        chosen.errors.push(text.t("move.choose").to_owned());
        return page(&app, &viewer, &sent, chosen).await;
    }
    let Some(to) = chosen.to else {
        chosen.errors.push(text.t("move.where").to_owned());
        return page(&app, &viewer, &sent, chosen).await;
    };
    let wish = Move {
        to,
        rep,
        reason: chosen.reason.clone(),
    };
    let names = chosen_customers(&app, &viewer, &chosen).await?;
    let within = viewer.account.territory_filter();
    let office = administration(&app, &viewer);
    let (mut moved, mut left) = (0, Vec::new());
    for customer in names {
        match office.move_customer(customer.id, &wish, within.as_deref()).await {
            Ok(Moved::Done | Moved::Unchanged) => moved += 1,
            Err(error) => {
                let reason = said(text, error)?;
                // The same for many is said once.
                let line = format!("{}: {reason}", customer.code);
                if chosen.errors.len() < 20 {
                    chosen.errors.push(line);
                }
                left.push(customer.id);
            }
        }
    }
    if left.is_empty() {
        return Ok(Redirect::to(&format!("/team/move?moved={moved}")).into_response());
    }
    if moved > 0 {
        chosen.errors.insert(0, text.fill("move.part", "count", moved));
    }
    chosen.customers = left;
    page(&app, &viewer, &sent, chosen).await
}
