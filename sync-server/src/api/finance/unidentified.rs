//! Money whose payer nobody knows yet.

use axum::{extract::State, http::StatusCode, response::Response};
use fieldledger_core::model::{InvalidField, LedgerRecord, PaymentChannel, RecordKey, RecordKind};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    answers::{AllocatedOutcome, Answer, UnidentifiedOutcome},
    money::{InstructionRequest, instructions},
    posted::{At, KeyHeader, PostProblems, Posted, act, answer, company, written},
    wire::{Day, Money},
};
use crate::{
    error::ApiError,
    ledger::finance::{
        Act,
        unidentified::{self, NewUnidentified, Recorded},
    },
    state::AppState,
    store::Requirement,
};

/// Money that nobody has recognised.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnidentifiedRequest {
    /// The bank's reference; given once in the company.
    reference: String,
    /// The bank's value date.
    valued_on: Day,
    /// The day it is to count from, when the books of the value date are closed.
    #[serde(default)]
    posted_on: Option<Day>,
    amount: Money,
    /// The payer as the bank names it.
    #[serde(default)]
    payer: String,
    /// What the payer wrote.
    #[serde(default)]
    text: String,
}

/// Records money that nobody has recognised; it waits among what is unmatched.
#[utoipa::path(
    post,
    path = super::UNIDENTIFIED,
    tag = "finance",
    security(("api_token" = [])),
    params(KeyHeader),
    request_body = UnidentifiedRequest,
    responses((status = 201, description = "Recorded", body = UnidentifiedOutcome), PostProblems)
)]
pub(super) async fn record(
    State(state): State<AppState>,
    Posted { asking, body }: Posted<UnidentifiedRequest>,
) -> Result<Response, ApiError> {
    let org = asking.organisation();
    let (profile, policy, version) = company(&state, org).await?;
    let (actor, now) = (asking.client.actor(), state.clock.now());
    let wish = NewUnidentified {
        reference: body.reference,
        valued_on: body.valued_on.0,
        posted_on: body.posted_on.map(|it| it.0),
        amount: body.amount.into(),
        payer: body.payer,
        text: body.text,
    };
    let act = Act { by: &actor, now };
    let change = unidentified::record(&profile, &policy, wish, act).and_then(|(record, mut change)| {
        let unidentified = (&record).into();
        change.answer = written(&UnidentifiedOutcome { unidentified })?;
        // The books may be closed between reading the policy and writing.
        change.requires.push(Requirement {
            key: RecordKey {
                kind: RecordKind::Policy,
                id: "self".to_owned(),
            },
            version,
            otherwise: InvalidField::new("policy", "was changed at this moment; send the request again"),
        });
        Ok(change)
    });
    let decided = state.store.write_change(org, Some(asking.once), change, now).await?;
    answer(&state, org, decided, StatusCode::CREATED)
}

/// Whose money it was.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignmentRequest {
    /// The customer's number, or its id.
    customer: String,
    /// How it was paid: as for a receipt.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "bank")]
    channel: PaymentChannel,
    /// What the customer wants it to pay, in this order.
    #[serde(default)]
    instructions: Vec<InstructionRequest>,
}

/// Makes recorded money a receipt of a customer, set against what is open.
#[utoipa::path(
    post,
    path = super::ASSIGNMENT,
    tag = "finance",
    security(("api_token" = [])),
    params(("receipt" = String, Path, description = "The bank's reference"), KeyHeader),
    request_body = AssignmentRequest,
    responses((status = 201, description = "A receipt of the customer", body = Answer<AllocatedOutcome>), PostProblems)
)]
pub(super) async fn assign(
    State(state): State<AppState>,
    At(reference): At<String>,
    Posted { asking, body }: Posted<AssignmentRequest>,
) -> Result<Response, ApiError> {
    let key = RecordKey {
        kind: RecordKind::UnidentifiedReceipt,
        id: reference,
    };
    let stored = state.store.record(asking.organisation(), &key).await?;
    let Some((LedgerRecord::UnidentifiedReceipt(record), version)) = stored.map(|it| (it.record, it.version)) else {
        return Err(ApiError::not_found(format!(
            "no money of the reference {:?} waits for its payer; GET /api/v1/unmatched tells what does",
            key.id
        )));
    };
    let recorded = Recorded { record, version };
    let wanted = instructions(body.instructions);
    act(
        &state,
        asking,
        &body.customer,
        StatusCode::CREATED,
        move |draft, act| {
            let done = unidentified::assign(draft, &recorded, body.channel, wanted, act)?;
            Ok(AllocatedOutcome::from(&done))
        },
    )
    .await
}
