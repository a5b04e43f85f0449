//! Invoices with their disputes and extensions, and contracts.

use axum::{extract::State, http::StatusCode, response::Response};
use fieldledger_core::model::{
    BreachTerms, InterestTier, InvalidField, InvoiceType, LedgerRecord, LineId, Milestone, OrganisationId, ProductId,
    RecordKind,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    answers::{Answer, ContractOutcome, InvoiceOutcome},
    posted::{At, KeyHeader, PostProblems, Posted, act},
    wire::{AfterEvent, Day, Money, Number},
};
use crate::{
    error::ApiError,
    ledger::finance::{
        contract::{self, NewContract},
        dispute, extension,
        invoice::{self, ChargedGoods, Due, Goods, InstalmentDue, NewInstalment, NewInvoice},
    },
    state::AppState,
};

/// An invoice to be issued. At most one of `due_on`, `instalments` and `contract_number`: without any it is due by the
/// customer's terms of credit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvoiceRequest {
    /// Its number, leading zeros kept; given once in the company.
    #[schema(example = "0000117")]
    number: String,
    /// Its date.
    invoiced_on: Day,
    /// The day it counts from, when the books of its own day are closed.
    #[serde(default)]
    posted_on: Option<Day>,
    /// Gross of tax.
    amount: Money,
    /// `goods` (also when left out), `interest`, `costs` or `other`.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<String>, example = "goods")]
    kind: InvoiceType,
    /// The order it charges.
    #[serde(default)]
    order_number: Option<String>,
    /// Which goods of an order that a rep took; `[]` for none, as with a prepayment. Left out: all that is not charged yet,
    /// when that is worth exactly the amount.
    #[serde(default)]
    lines: Option<Vec<LineRequest>>,
    /// Due as a whole on this day.
    #[serde(default)]
    due_on: Option<Day>,
    /// Due in parts, which sum to the amount.
    #[serde(default)]
    instalments: Option<Vec<InstalmentRequest>>,
    /// Due by the milestones of this contract.
    #[serde(default)]
    contract_number: Option<String>,
    /// When the goods were signed for, where no phone tells.
    #[serde(default)]
    delivered_on: Option<Day>,
    /// When the customer accepted them.
    #[serde(default)]
    accepted_on: Option<Day>,
}

/// Goods of an order that an invoice charges: by `line` or by `product`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LineRequest {
    /// The order's line.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    line: Option<LineId>,
    /// The company's number of the product.
    #[serde(default)]
    product: Option<String>,
    /// How much.
    quantity: Number,
}

/// A part of an invoice: due on a day, or some time after an event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InstalmentRequest {
    /// Its share, in the invoice's currency.
    amount: Number,
    /// The day.
    #[serde(default)]
    due_on: Option<Day>,
    /// The time after an event.
    #[serde(default)]
    due: Option<AfterEvent>,
    /// Kept back by the customer until then.
    #[serde(default)]
    retention: bool,
}

impl InvoiceRequest {
    fn due(&mut self) -> Result<Due, InvalidField> {
        let only_one = |field| InvalidField::new(field, "say at most one of due_on, instalments and contract_number");
        match (self.due_on, self.instalments.take(), self.contract_number.take()) {
            (None, None, None) => Ok(Due::ByTerms),
            (Some(day), None, None) => Ok(Due::On(day.0)),
            (None, None, Some(number)) => Ok(Due::ByContract(number)),
            (None, Some(parts), None) => {
                let parts = parts.into_iter().map(|it| {
                    let due = match (it.due_on, it.due) {
                        (Some(day), None) => InstalmentDue::On(day.0),
                        (None, Some(after)) => InstalmentDue::After(after.rule("instalments.due")?),
                        _ => {
                            return Err(InvalidField::new("instalments.due_on", "say either due_on or due"));
                        }
                    };
                    Ok(NewInstalment {
                        amount: it.amount.0,
                        due,
                        retention: it.retention,
                    })
                });
                Ok(Due::Instalments(parts.collect::<Result<_, _>>()?))
            }
            (_, Some(_), _) => Err(only_one("instalments")),
            (_, None, _) => Err(only_one("due_on")),
        }
    }
}

/// The goods that are named, with the ids of products that are named by their numbers.
async fn goods(
    state: &AppState,
    org: OrganisationId,
    lines: Option<Vec<LineRequest>>,
) -> Result<Option<Vec<ChargedGoods>>, ApiError> {
    let Some(lines) = lines else { return Ok(None) };
    let products = if lines.iter().any(|it| it.product.is_some()) {
        state.store.records(org, &RecordKind::Product).await?
    } else {
        Vec::new()
    };
    let product = |code: &str| -> Result<ProductId, InvalidField> {
        let mut fitting = products.iter().filter_map(|it| match &it.record {
            LedgerRecord::Product(it) if it.code == code => Some(it.id),
            _ => None,
        });
        match (fitting.next(), fitting.next()) {
            (Some(id), None) => Ok(id),
            (None, _) => Err(InvalidField::new(
                "lines.product",
                format!("there is no product with the number {code:?}"),
            )),
            (Some(_), Some(_)) => Err(InvalidField::new(
                "lines.product",
                format!("several products have the number {code:?}; name the order's line"),
            )),
        }
    };
    let named = lines.iter().map(|it| {
        let goods = match (it.line, &it.product) {
            (Some(line), None) => Goods::Line(line),
            (None, Some(code)) => Goods::Product(product(code)?),
            _ => return Err(InvalidField::new("lines.line", "say either line or product")),
        };
        Ok(ChargedGoods {
            goods,
            quantity: it.quantity.0,
        })
    });
    let named: Result<Vec<_>, InvalidField> = named.collect();
    named.map(Some).map_err(ApiError::invalid_field)
}

/// Issues an invoice. Goods of an order that a rep took leave the order's part of the exposure.
#[utoipa::path(
    post,
    path = super::INVOICES,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = InvoiceRequest,
    responses((status = 201, description = "Issued", body = Answer<InvoiceOutcome>), PostProblems)
)]
pub(super) async fn issue_invoice(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<InvoiceRequest>,
) -> Result<Response, ApiError> {
    let mut body = body;
    let due = body.due().map_err(ApiError::invalid_field)?;
    let lines = goods(&state, asking.organisation(), body.lines).await?;
    let wish = NewInvoice {
        number: body.number,
        invoiced_on: body.invoiced_on.0,
        posted_on: body.posted_on.map(|it| it.0),
        amount: body.amount.into(),
        kind: body.kind,
        order_number: body.order_number,
        lines,
        due,
        delivered_on: body.delivered_on.map(|it| it.0),
        accepted_on: body.accepted_on.map(|it| it.0),
    };
    act(&state, asking, &customer, StatusCode::CREATED, move |draft, act| {
        let invoice = (&invoice::issue(draft, wish, act)?).into();
        Ok(InvoiceOutcome { invoice })
    })
    .await
}

/// A dispute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DisputeRequest {
    /// The instalment, from 1; left out: all of the invoice.
    #[serde(default)]
    instalment: Option<u32>,
    /// Since when; today when left out.
    #[serde(default)]
    opened_on: Option<Day>,
    /// What is disputed.
    reason: String,
}

/// Records that the customer disputes an invoice or an instalment.
#[utoipa::path(
    post,
    path = super::DISPUTES,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("invoice" = String, Path, description = "The invoice's number"),
        KeyHeader
    ),
    request_body = DisputeRequest,
    responses((status = 200, description = "Recorded", body = Answer<InvoiceOutcome>), PostProblems)
)]
pub(super) async fn open_dispute(
    State(state): State<AppState>,
    At((customer, number)): At<(String, String)>,
    Posted { asking, body }: Posted<DisputeRequest>,
) -> Result<Response, ApiError> {
    act(&state, asking, &customer, StatusCode::OK, move |draft, act| {
        let opened_on = body.opened_on.map(|it| it.0);
        let invoice = dispute::open(draft, &number, body.instalment, opened_on, &body.reason, act)?;
        Ok(InvoiceOutcome {
            invoice: (&invoice).into(),
        })
    })
    .await
}

/// The end of a dispute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettlementRequest {
    /// The instalment, from 1; left out: all of the invoice.
    #[serde(default)]
    instalment: Option<u32>,
    /// Since when; today when left out.
    #[serde(default)]
    settled_on: Option<Day>,
    /// What came of it, for the audit log.
    outcome: String,
}

/// Records that a dispute is settled.
#[utoipa::path(
    post,
    path = super::SETTLEMENTS,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("invoice" = String, Path, description = "The invoice's number"),
        KeyHeader
    ),
    request_body = SettlementRequest,
    responses((status = 200, description = "Recorded", body = Answer<InvoiceOutcome>), PostProblems)
)]
pub(super) async fn settle_dispute(
    State(state): State<AppState>,
    At((customer, number)): At<(String, String)>,
    Posted { asking, body }: Posted<SettlementRequest>,
) -> Result<Response, ApiError> {
    act(&state, asking, &customer, StatusCode::OK, move |draft, act| {
        let settled_on = body.settled_on.map(|it| it.0);
        let invoice = dispute::settle(draft, &number, body.instalment, settled_on, &body.outcome, act)?;
        Ok(InvoiceOutcome {
            invoice: (&invoice).into(),
        })
    })
    .await
}

/// A later due date.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtensionRequest {
    /// The instalment; 1 when left out.
    #[serde(default = "first")]
    instalment: u32,
    /// The new due date.
    due_on: Day,
    /// Why.
    reason: String,
}

const fn first() -> u32 {
    1
}

/// Gives an instalment a later due date from today on; the original one stays on record.
#[utoipa::path(
    post,
    path = super::EXTENSIONS,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("invoice" = String, Path, description = "The invoice's number"),
        KeyHeader
    ),
    request_body = ExtensionRequest,
    responses((status = 200, description = "Extended", body = Answer<InvoiceOutcome>), PostProblems)
)]
pub(super) async fn extend(
    State(state): State<AppState>,
    At((customer, number)): At<(String, String)>,
    Posted { asking, body }: Posted<ExtensionRequest>,
) -> Result<Response, ApiError> {
    act(&state, asking, &customer, StatusCode::OK, move |draft, act| {
        let invoice = extension::extend(draft, &number, body.instalment, body.due_on.0, &body.reason, act)?;
        Ok(InvoiceOutcome {
            invoice: (&invoice).into(),
        })
    })
    .await
}

/// A contract to be recorded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContractRequest {
    /// Its number; given once in the company.
    number: String,
    /// When it was signed.
    signed_on: Day,
    /// When which share of the price is due; the shares sum to 100 %.
    milestones: Vec<MilestoneRequest>,
    /// What has to be there for an acceptance; needed when a milestone hangs on one.
    #[serde(default)]
    acceptance_criteria: String,
    /// Late interest by tiers, instead of the company's.
    #[serde(default)]
    interest: Vec<InterestRequest>,
    /// Day of lateness from which a stop of supply is proposed, instead of the company's.
    #[serde(default)]
    suspend_from_day: Option<u32>,
}

/// A part of the price that is due after an event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MilestoneRequest {
    /// What it is called.
    name: String,
    /// Its share, in percent.
    #[schema(example = "30")]
    percent: Number,
    /// When it is due.
    due: AfterEvent,
    /// Kept back by the customer until then.
    #[serde(default)]
    retention: bool,
}

/// Interest on some days of lateness.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InterestRequest {
    /// First day of lateness, from 1.
    from_day: u32,
    /// Last day; left out: for ever.
    #[serde(default)]
    to_day: Option<u32>,
    /// Percent for each day.
    #[schema(example = "0.5")]
    percent_per_day: Number,
}

/// Records a contract; invoices under it get their instalments from its milestones.
#[utoipa::path(
    post,
    path = super::CONTRACTS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = ContractRequest,
    responses((status = 201, description = "Recorded", body = Answer<ContractOutcome>), PostProblems)
)]
pub(super) async fn record_contract(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<ContractRequest>,
) -> Result<Response, ApiError> {
    let milestones = body.milestones.into_iter().map(|it| {
        Ok(Milestone {
            name: it.name,
            percent: it.percent.0,
            due: it.due.rule("milestones.due")?,
            retention: it.retention,
        })
    });
    let milestones: Result<Vec<_>, InvalidField> = milestones.collect();
    let interest = body.interest.iter().map(|it| InterestTier {
        from_day: it.from_day,
        to_day: it.to_day,
        percent_per_day: it.percent_per_day.0,
    });
    let wish = NewContract {
        number: body.number,
        signed_on: body.signed_on.0,
        milestones: milestones.map_err(ApiError::invalid_field)?,
        acceptance_criteria: body.acceptance_criteria,
        breach: BreachTerms {
            interest: interest.collect(),
            suspend_from_day: body.suspend_from_day,
        },
    };
    act(&state, asking, &customer, StatusCode::CREATED, move |draft, act| {
        Ok(ContractOutcome::from(&contract::record(draft, wish, act)?))
    })
    .await
}
