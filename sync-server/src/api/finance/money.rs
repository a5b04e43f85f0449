//! Receipts and credit notes: registered, cleared, returned, set against invoices, and that undone.

use axum::{extract::State, http::StatusCode, response::Response};
use fieldledger_core::model::{InvalidField, PaymentChannel, PaymentInstruction};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    answers::{AllocatedOutcome, Answer, SourceOutcome},
    posted::{Asking, At, KeyHeader, PostProblems, Posted, act},
    wire::{Day, Money, Number},
};
use crate::{
    error::ApiError,
    ledger::finance::{
        allocation::{self, Payer, Source},
        credit_note::{self, NewCreditNote},
        receipt::{self, NewReceipt},
    },
    state::AppState,
};

/// Money that arrived.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptRequest {
    /// The payment's reference; given once for a customer.
    #[schema(example = "BK-20260302-17")]
    reference: String,
    /// The bank's value date.
    valued_on: Day,
    /// The day it counts from, when the books of the value date are closed.
    #[serde(default)]
    posted_on: Option<Day>,
    amount: Money,
    /// Whether the money is certain. Left out: unless it came by cheque; needed when it came in a way that is not known here.
    #[serde(default)]
    cleared: Option<bool>,
    /// `bank` (also when left out), `cheque`, `cash`, `wechat_pay`, `alipay`, `private_account`, or another by its name.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "bank")]
    channel: PaymentChannel,
    /// What the payment names: numbers of invoices or orders, as the payer wrote them.
    #[serde(default)]
    pays: Option<String>,
    /// What the customer wants it to pay, in this order.
    #[serde(default)]
    instructions: Vec<InstructionRequest>,
}

/// What money is to pay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InstructionRequest {
    /// The invoice's number.
    invoice_number: String,
    /// One of its instalments; left out: the one that is due first.
    #[serde(default)]
    instalment: Option<u32>,
    /// How much of the money, in its currency; left out: as much as is owed.
    #[serde(default)]
    amount: Option<Number>,
}

impl From<InstructionRequest> for PaymentInstruction {
    fn from(it: InstructionRequest) -> Self {
        Self {
            invoice_number: it.invoice_number,
            instalment: it.instalment,
            amount: it.amount.map(|it| it.0),
        }
    }
}

pub(super) fn instructions(all: Vec<InstructionRequest>) -> Vec<PaymentInstruction> {
    all.into_iter().map(PaymentInstruction::from).collect()
}

/// Registers money of a customer and sets it against what is open: what the customer said, what the payment names, the one
/// item of exactly that amount, then what was due first. The rest stays unallocated.
#[utoipa::path(
    post,
    path = super::RECEIPTS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = ReceiptRequest,
    responses((status = 201, description = "Registered", body = Answer<AllocatedOutcome>), PostProblems)
)]
pub(super) async fn register_receipt(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<ReceiptRequest>,
) -> Result<Response, ApiError> {
    let cleared = match (body.cleared, &body.channel) {
        (Some(cleared), _) => cleared,
        // A cheque by a name that is spelt otherwise must not pass for money.
        (None, PaymentChannel::Other(name)) => {
            return Err(ApiError::invalid_field(InvalidField::new(
                "cleared",
                format!("say whether money that came by {name:?} is certain"),
            )));
        }
        (None, channel) => *channel != PaymentChannel::Cheque,
    };
    let wish = NewReceipt {
        reference: body.reference,
        valued_on: body.valued_on.0,
        posted_on: body.posted_on.map(|it| it.0),
        amount: body.amount.into(),
        cleared,
        channel: body.channel,
        pays: body.pays,
        instructions: instructions(body.instructions),
        arrived_at: state.clock.now(),
    };
    act(&state, asking, &customer, StatusCode::CREATED, move |draft, act| {
        Ok(AllocatedOutcome::from(&receipt::register(draft, wish, act)?))
    })
    .await
}

/// Since when money is certain.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearingRequest {
    /// Today when left out.
    #[serde(default)]
    cleared_on: Option<Day>,
}

/// Records that a receipt's money is certain, and sets it against what is open.
#[utoipa::path(
    post,
    path = super::CLEARING,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("receipt" = String, Path, description = "The payment's reference"),
        KeyHeader
    ),
    request_body = ClearingRequest,
    responses((status = 200, description = "Recorded", body = Answer<AllocatedOutcome>), PostProblems)
)]
pub(super) async fn clear_receipt(
    State(state): State<AppState>,
    At((customer, reference)): At<(String, String)>,
    Posted { asking, body }: Posted<ClearingRequest>,
) -> Result<Response, ApiError> {
    act(&state, asking, &customer, StatusCode::OK, move |draft, act| {
        let done = receipt::clear(draft, &reference, body.cleared_on.map(|it| it.0), act)?;
        Ok(AllocatedOutcome::from(&done))
    })
    .await
}

/// Money that came back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReturnRequest {
    /// Today when left out.
    #[serde(default)]
    bounced_on: Option<Day>,
    /// Why.
    reason: String,
}

/// Records that a receipt's money was returned (a bounced cheque): what it paid is owed again.
#[utoipa::path(
    post,
    path = super::RETURN,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("receipt" = String, Path, description = "The payment's reference"),
        KeyHeader
    ),
    request_body = ReturnRequest,
    responses((status = 200, description = "Recorded", body = Answer<SourceOutcome>), PostProblems)
)]
pub(super) async fn return_receipt(
    State(state): State<AppState>,
    At((customer, reference)): At<(String, String)>,
    Posted { asking, body }: Posted<ReturnRequest>,
) -> Result<Response, ApiError> {
    act(&state, asking, &customer, StatusCode::OK, move |draft, act| {
        let on = body.bounced_on.map(|it| it.0);
        let receipt = receipt::returned(draft, &reference, on, &body.reason, act)?;
        Ok(SourceOutcome {
            source: (&Source::Receipt(receipt)).into(),
        })
    })
    .await
}

/// What a receipt or credit note is to pay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AllocationRequest {
    /// Exactly this, in this order. Left out: what the rules say.
    #[serde(default)]
    allocations: Option<Vec<InstructionRequest>>,
}

async fn allocate(
    state: &AppState,
    asking: Asking,
    customer: &str,
    payer: Payer,
    body: AllocationRequest,
) -> Result<Response, ApiError> {
    let wanted = body.allocations.map(instructions);
    act(state, asking, customer, StatusCode::OK, move |draft, act| {
        let done = match &wanted {
            Some(wanted) => allocation::by_hand(draft, &payer, wanted, act)?,
            None => allocation::by_rules(draft, &payer, act)?,
        };
        Ok(AllocatedOutcome::from(&done))
    })
    .await
}

/// Sets what is left of a receipt against what is open, as a person says or by the rules.
#[utoipa::path(
    post,
    path = super::RECEIPT_ALLOCATIONS,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("receipt" = String, Path, description = "The payment's reference"),
        KeyHeader
    ),
    request_body = AllocationRequest,
    responses((status = 200, description = "Allocated", body = Answer<AllocatedOutcome>), PostProblems)
)]
pub(super) async fn allocate_receipt(
    State(state): State<AppState>,
    At((customer, reference)): At<(String, String)>,
    Posted { asking, body }: Posted<AllocationRequest>,
) -> Result<Response, ApiError> {
    allocate(&state, asking, &customer, Payer::Receipt(reference), body).await
}

/// Sets what is left of a credit note against what is open, as a person says or by the rules.
#[utoipa::path(
    post,
    path = super::NOTE_ALLOCATIONS,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("credit_note" = String, Path, description = "The credit note's number"),
        KeyHeader
    ),
    request_body = AllocationRequest,
    responses((status = 200, description = "Allocated", body = Answer<AllocatedOutcome>), PostProblems)
)]
pub(super) async fn allocate_credit_note(
    State(state): State<AppState>,
    At((customer, number)): At<(String, String)>,
    Posted { asking, body }: Posted<AllocationRequest>,
) -> Result<Response, ApiError> {
    allocate(&state, asking, &customer, Payer::CreditNote(number), body).await
}

/// Allocations that are to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReversalRequest {
    /// Their numbers within the receipt or credit note, from 1.
    #[schema(example = json!([1]))]
    allocations: Vec<u32>,
    /// From when they no longer count; today when left out.
    #[serde(default)]
    on: Option<Day>,
    /// Why.
    reason: String,
}

async fn reverse(
    state: &AppState,
    asking: Asking,
    customer: &str,
    payer: Payer,
    body: ReversalRequest,
) -> Result<Response, ApiError> {
    act(state, asking, customer, StatusCode::OK, move |draft, act| {
        let on = body.on.map(|it| it.0);
        let source = allocation::reverse(draft, &payer, &body.allocations, on, &body.reason, act)?;
        Ok(SourceOutcome {
            source: (&source).into(),
        })
    })
    .await
}

/// Ends allocations of a receipt. They stay on record.
#[utoipa::path(
    post,
    path = super::RECEIPT_REVERSALS,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("receipt" = String, Path, description = "The payment's reference"),
        KeyHeader
    ),
    request_body = ReversalRequest,
    responses((status = 200, description = "Reversed", body = Answer<SourceOutcome>), PostProblems)
)]
pub(super) async fn reverse_of_receipt(
    State(state): State<AppState>,
    At((customer, reference)): At<(String, String)>,
    Posted { asking, body }: Posted<ReversalRequest>,
) -> Result<Response, ApiError> {
    reverse(&state, asking, &customer, Payer::Receipt(reference), body).await
}

/// Ends allocations of a credit note. They stay on record.
#[utoipa::path(
    post,
    path = super::NOTE_REVERSALS,
    tag = "finance",
    security(("api_token" = [])),
    params(
        ("customer" = String, Path, description = "The customer's number, or its id"),
        ("credit_note" = String, Path, description = "The credit note's number"),
        KeyHeader
    ),
    request_body = ReversalRequest,
    responses((status = 200, description = "Reversed", body = Answer<SourceOutcome>), PostProblems)
)]
pub(super) async fn reverse_of_credit_note(
    State(state): State<AppState>,
    At((customer, number)): At<(String, String)>,
    Posted { asking, body }: Posted<ReversalRequest>,
) -> Result<Response, ApiError> {
    reverse(&state, asking, &customer, Payer::CreditNote(number), body).await
}

/// A credit note to be issued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreditNoteRequest {
    /// Its number; given once in the company.
    number: String,
    /// Its date.
    credited_on: Day,
    /// The day it counts from, when the books of its own day are closed.
    #[serde(default)]
    posted_on: Option<Day>,
    amount: Money,
    /// The invoice it corrects. Left out: it pays as money does.
    #[serde(default)]
    invoice_number: Option<String>,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Issues a credit note and sets it against the invoice it corrects; what is more than that owes stays a credit.
#[utoipa::path(
    post,
    path = super::CREDIT_NOTES,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = CreditNoteRequest,
    responses((status = 201, description = "Issued", body = Answer<AllocatedOutcome>), PostProblems)
)]
pub(super) async fn issue_credit_note(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<CreditNoteRequest>,
) -> Result<Response, ApiError> {
    let wish = NewCreditNote {
        number: body.number,
        credited_on: body.credited_on.0,
        posted_on: body.posted_on.map(|it| it.0),
        amount: body.amount.into(),
        invoice_number: body.invoice_number,
        reason: body.reason,
    };
    act(&state, asking, &customer, StatusCode::CREATED, move |draft, act| {
        Ok(AllocatedOutcome::from(&credit_note::issue(draft, wish, act)?))
    })
    .await
}
