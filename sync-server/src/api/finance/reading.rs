//! What software may read.

use std::collections::{BTreeMap, HashMap};

use axum::{Json, extract::State, http::StatusCode};
use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        Customer, CustomerId, InvalidField, LedgerRecord, OrderDecision, OrderStanding, OrganisationId, RecordKey,
        RecordKind,
    },
    rules::books::{CustomerBooks, open_items, unallocated},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    answers::{
        CustomerAnswer, HeldOrders, OpenItemAnswer, OpenItems, OrderAnswer, Position, Receipts, SourceAnswer,
        Unallocated, UnallocatedAnswer, UnidentifiedAnswer, Unmatched,
    },
    posted::{Asked, At, ReadProblems, company, today},
    wire::Day,
};
use crate::{
    auth::SoftwareAuth,
    error::{ApiError, code},
    ledger::{Draft, finance::allocation::Source},
    state::AppState,
    store::CustomerLedger,
};

/// The customer with this number, or this id.
pub(super) async fn customer(state: &AppState, org: OrganisationId, name: &str) -> Result<Customer, ApiError> {
    let mut found = state.store.customers_of_code(org, name).await?;
    if found.len() > 1 {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            code::CONFLICT,
            format!("several customers have the number {name:?}; use the id instead"),
        ));
    }
    if let Some(found) = found.pop() {
        return Ok(found);
    }
    let unknown = || ApiError::not_found(format!("there is no customer with the number or id {name:?}"));
    let id: CustomerId = name.parse().map_err(|_| unknown())?;
    let key = RecordKey {
        kind: RecordKind::Customer,
        id: id.to_string(),
    };
    match state.store.record(org, &key).await?.map(|it| it.record) {
        Some(LedgerRecord::Customer(customer)) => Ok(customer),
        _ => Err(unknown()),
    }
}

async fn ledger(state: &AppState, client: &SoftwareAuth, name: &str) -> Result<CustomerLedger, ApiError> {
    let org = client.token.organisation;
    let customer = customer(state, org, name).await?;
    let ledger = state.store.customer_ledger(org, customer.id).await?;
    ledger.ok_or_else(|| ApiError::not_found("the customer is not known any more"))
}

/// Figures that cannot be given: no fault of the request.
fn uncountable(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code::CONFLICT, error.to_string())
}

fn books(ledger: &CustomerLedger) -> CustomerBooks<'_> {
    CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    }
}

/// A customer with credit file and position.
#[utoipa::path(
    get,
    path = super::CUSTOMER,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id")),
    responses((status = 200, description = "As of now", body = CustomerAnswer), ReadProblems)
)]
pub(super) async fn show_customer(
    State(state): State<AppState>,
    client: SoftwareAuth,
    At(name): At<String>,
) -> Result<Json<CustomerAnswer>, ApiError> {
    let ledger = ledger(&state, &client, &name).await?;
    let now = state.clock.now();
    let draft = Draft::of(&ledger);
    let counted = |error: InvalidField| uncountable(error.message);
    let file = draft.file(now).map_err(counted)?;
    let position = draft.position(now).map_err(counted)?;
    Ok(Json(CustomerAnswer {
        customer: (&ledger.customer).into(),
        credit: (&file).into(),
        position: Position::of(&position),
    }))
}

/// What is open of a customer's invoices today.
#[utoipa::path(
    get,
    path = super::OPEN_ITEMS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id")),
    responses((status = 200, description = "By due date", body = OpenItems), ReadProblems)
)]
pub(super) async fn show_open_items(
    State(state): State<AppState>,
    client: SoftwareAuth,
    At(name): At<String>,
) -> Result<Json<OpenItems>, ApiError> {
    let ledger = ledger(&state, &client, &name).await?;
    let day = today(state.clock.now(), &ledger.organisation);
    let items = open_items(&books(&ledger), day).map_err(uncountable)?;
    Ok(Json(OpenItems {
        as_of: Day(day),
        open_items: items.iter().map(|it| OpenItemAnswer::of(it, day)).collect(),
    }))
}

/// Which receipts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Period {
    /// First value date.
    #[serde(default)]
    from: Option<Day>,
    /// Last value date.
    #[serde(default)]
    to: Option<Day>,
}

/// A customer's receipts and credit notes with what they pay.
#[utoipa::path(
    get,
    path = super::RECEIPTS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), Period),
    responses((status = 200, description = "By value date", body = Receipts), ReadProblems)
)]
pub(super) async fn show_receipts(
    State(state): State<AppState>,
    client: SoftwareAuth,
    At(name): At<String>,
    Asked(period): Asked<Period>,
) -> Result<Json<Receipts>, ApiError> {
    let ledger = ledger(&state, &client, &name).await?;
    let receipts = ledger
        .receipts
        .into_iter()
        .map(|it| (it.valued_on, Source::Receipt(it)));
    let notes = ledger
        .credit_notes
        .into_iter()
        .map(|it| (it.credited_on, Source::CreditNote(it)));
    let mut all: Vec<(NaiveDate, Source)> = receipts
        .chain(notes)
        .filter(|(day, _)| period.from.is_none_or(|from| from.0 <= *day) && period.to.is_none_or(|to| *day <= to.0))
        .collect();
    all.sort_by(|(day, one), (other_day, other)| (day, one.name()).cmp(&(other_day, other.name())));
    Ok(Json(Receipts {
        receipts: all.iter().map(|(_, it)| SourceAnswer::from(it)).collect(),
    }))
}

/// A customer's money and credit notes that nothing was paid with yet.
#[utoipa::path(
    get,
    path = super::UNALLOCATED,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id")),
    responses((status = 200, description = "By day", body = Unallocated), ReadProblems)
)]
pub(super) async fn show_unallocated(
    State(state): State<AppState>,
    client: SoftwareAuth,
    At(name): At<String>,
) -> Result<Json<Unallocated>, ApiError> {
    let ledger = ledger(&state, &client, &name).await?;
    let day = today(state.clock.now(), &ledger.organisation);
    let credits = unallocated(&books(&ledger), day).map_err(uncountable)?;
    let code = &ledger.customer.code;
    Ok(Json(Unallocated {
        as_of: Day(day),
        unallocated: credits.iter().map(|it| UnallocatedAnswer::of(it, code)).collect(),
    }))
}

/// What finance works through: money of every customer that pays nothing yet, and money of nobody known.
#[utoipa::path(
    get,
    path = super::UNMATCHED,
    tag = "finance",
    security(("api_token" = [])),
    responses((status = 200, description = "The oldest first", body = Unmatched), ReadProblems)
)]
pub(super) async fn show_unmatched(
    State(state): State<AppState>,
    client: SoftwareAuth,
) -> Result<Json<Unmatched>, ApiError> {
    let org = client.token.organisation;
    let (profile, _, _) = company(&state, org).await?;
    let day = today(state.clock.now(), &profile);
    let mut all = Vec::new();
    // What pays before what is paid: an invoice that comes in between is no contradiction, a payment of one that was not
    // read would be.
    for kind in [
        RecordKind::UnidentifiedReceipt,
        RecordKind::Receipt,
        RecordKind::CreditNote,
        RecordKind::Invoice,
        RecordKind::Customer,
    ] {
        all.extend(state.store.records(org, &kind).await?.into_iter().map(|it| it.record));
    }
    // Sums over a whole company's books take a while.
    let unmatched = tokio::task::spawn_blocking(move || unmatched(all, day)).await;
    unmatched.map(Json).map_err(|error| ApiError::internal(&error))
}

fn unmatched(records: Vec<LedgerRecord>, day: NaiveDate) -> Unmatched {
    #[derive(Default)]
    struct Books {
        invoices: Vec<fieldledger_core::model::Invoice>,
        receipts: Vec<fieldledger_core::model::Receipt>,
        credit_notes: Vec<fieldledger_core::model::CreditNote>,
    }
    let mut codes: HashMap<CustomerId, String> = HashMap::new();
    let mut books: BTreeMap<CustomerId, Books> = BTreeMap::new();
    let mut unidentified = Vec::new();
    for record in records {
        match record {
            LedgerRecord::Customer(it) => {
                codes.insert(it.id, it.code);
            }
            LedgerRecord::Invoice(it) => books.entry(it.customer).or_default().invoices.push(it),
            LedgerRecord::Receipt(it) => books.entry(it.customer).or_default().receipts.push(it),
            LedgerRecord::CreditNote(it) => books.entry(it.customer).or_default().credit_notes.push(it),
            LedgerRecord::UnidentifiedReceipt(it) if it.identified_as.is_none() => unidentified.push(it),
            _ => {}
        }
    }
    let (mut found, mut contradictory) = (Vec::new(), Vec::new());
    for (customer, books) in &books {
        let code = codes.get(customer).map_or("", String::as_str);
        let books = CustomerBooks {
            invoices: &books.invoices,
            receipts: &books.receipts,
            credit_notes: &books.credit_notes,
        };
        match unallocated(&books, day) {
            Ok(credits) => found.extend(credits.into_iter().map(|it| (code.to_owned(), it))),
            Err(error) => {
                tracing::warn!(%customer, %error, "books contradict themselves");
                contradictory.push(code.to_owned());
            }
        }
    }
    found.sort_by(|(code, one), (other_code, other)| {
        (one.posted_on, code, &one.source).cmp(&(other.posted_on, other_code, &other.source))
    });
    unidentified.sort_by(|one, other| (one.valued_on, &one.reference).cmp(&(other.valued_on, &other.reference)));
    Unmatched {
        as_of: Day(day),
        unallocated: found.iter().map(|(code, it)| UnallocatedAnswer::of(it, code)).collect(),
        unidentified: unidentified.iter().map(UnidentifiedAnswer::from).collect(),
        contradictory,
    }
}

/// Every decision about an order.
pub(super) async fn decisions(state: &AppState, org: OrganisationId) -> Result<Vec<OrderDecision>, ApiError> {
    let records = state.store.records(org, &RecordKind::OrderDecision).await?;
    Ok(records
        .into_iter()
        .filter_map(|it| match it.record {
            LedgerRecord::OrderDecision(decision) => Some(decision),
            _ => None,
        })
        .collect())
}

/// Orders that wait for a person, with the rules that they failed.
#[utoipa::path(
    get,
    path = super::HELD_ORDERS,
    tag = "finance",
    security(("api_token" = [])),
    responses((status = 200, description = "The oldest first", body = HeldOrders), ReadProblems)
)]
pub(super) async fn show_held_orders(
    State(state): State<AppState>,
    client: SoftwareAuth,
) -> Result<Json<HeldOrders>, ApiError> {
    let org = client.token.organisation;
    let mut held = decisions(&state, org).await?;
    held.retain(|it| it.standing == OrderStanding::Held);
    held.sort_by_key(|it| (it.received_at, it.order));
    let mut held_orders = Vec::with_capacity(held.len());
    for it in &held {
        let key = RecordKey {
            kind: RecordKind::Customer,
            id: it.customer.to_string(),
        };
        let code = match state.store.record(org, &key).await?.map(|it| it.record) {
            Some(LedgerRecord::Customer(customer)) => customer.code,
            _ => String::new(),
        };
        held_orders.push(OrderAnswer::of(it, &code));
    }
    Ok(Json(HeldOrders { held_orders }))
}
