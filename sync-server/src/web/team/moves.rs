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
    store::{CustomerSearch, FoundCustomers, InCareOf, MAX_LISTED},
    web::{
        error::PageError,
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
    previous: Option<String>,
    next: Option<String>,
    /// Where the form goes: with the search, so that it can mean everything that was found.
    action: String,
    /// Offers to choose everything that was found; `None` when nobody has searched.
    all: Option<String>,
    all_chosen: bool,
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
    /// Everything that the search finds, on whatever page it stands.
    all: bool,
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
    let of_rep = sent.value("of");
    let territories = names.territories_of(&viewer.account);
    let mut customers = chosen_customers(app, viewer, &chosen).await?;
    let mut found = FoundCustomers::default();
    let first = sent
        .parsed::<u64>("page", "credit.page")?
        .unwrap_or(1)
        .saturating_sub(1);
    // One that was named in the address stands alone, until somebody searches.
    if chosen.customers.is_empty() || is_search(sent) {
        let search = CustomerSearch {
            from: first.saturating_mul(MOST.into()),
            limit: MOST,
            ..search(viewer, sent)?
        };
        found = store.find_customers(org, &search).await?;
        // Whatever the store answers, nothing of another territory gets past here.
        found.customers.retain(|it| viewer.account.may_read(it.territory));
        for it in std::mem::take(&mut found.customers) {
            if !customers.iter().any(|known| known.id == it.id) {
                customers.push(it);
            }
        }
    }
    let last = found.total.saturating_sub(1) / u64::from(MOST);
    let turned = |to: u64| sent.address_with(&[("page", &(to + 1).to_string()), ("moved", "")]);
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
        cut: (last > 0).then(|| {
            let said = text.fill("move.cut", "from", first.saturating_mul(MOST.into()).saturating_add(1));
            let to = first.saturating_add(1).saturating_mul(MOST.into()).min(found.total);
            said.replace("{to}", &to.to_string())
                .replace("{total}", &found.total.to_string())
        }),
        previous: (first > 0).then(|| turned(first.saturating_sub(1).min(last))),
        next: (first < last).then(|| turned(first + 1)),
        action: sent.address_with(&[("moved", ""), ("customer", "")]),
        all: (is_search(sent) && found.total > 0).then(|| text.fill("move.all", "count", found.total)),
        all_chosen: chosen.all,
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

fn is_search(sent: &Sent) -> bool {
    ["q", "from", "of"].iter().any(|name| sent.value(name).is_some())
}

/// The search in the address, within the reader's territories.
fn search(viewer: &Viewer, sent: &Sent) -> Result<CustomerSearch, PageError> {
    let from: Option<TerritoryId> = sent.parsed("from", "team.territory")?;
    Ok(CustomerSearch {
        text: sent.value("q").unwrap_or_default().to_owned(),
        territories: match from {
            Some(from) if !viewer.account.may_read(from) => return Err(PageError::NotFound),
            Some(from) => Some(vec![from]),
            None => viewer.account.territory_filter(),
        },
        rep: match sent.value("of") {
            None => None,
            Some("nobody") => Some(InCareOf::Nobody),
            Some(rep) => Some(InCareOf::Rep(rep.parse().map_err(|_| PageError::BadField("team.rep"))?)),
        },
        ..CustomerSearch::default()
    })
}

/// Everything that the search in the address finds.
async fn all_found(app: &AppState, viewer: &Viewer, sent: &Sent) -> Result<Vec<CustomerId>, PageError> {
    let mut search = CustomerSearch {
        limit: MAX_LISTED,
        ..search(viewer, sent)?
    };
    let mut all = Vec::new();
    loop {
        let found = app
            .store
            .find_customers(viewer.account.organisation, &search)
            .await?
            .customers;
        search.from += found.len() as u64;
        let is_last = found.len() < search.limit as usize;
        let readable = found.iter().filter(|it| viewer.account.may_read(it.territory));
        all.extend(readable.map(|it| it.id));
        if is_last {
            return Ok(all);
        }
    }
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
        all: !posted.value("all").is_empty() && is_search(&sent),
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
    if chosen.customers.is_empty() && !chosen.all {
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
    if chosen.all {
        chosen.customers = all_found(&app, &viewer, &sent).await?;
    }
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
    // Of everything that was found the search shows what is left.
    chosen.customers = if chosen.all { Vec::new() } else { left };
    page(&app, &viewer, &sent, chosen).await
}
