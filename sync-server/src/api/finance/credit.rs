//! Credit accounts and held orders.

use axum::{extract::State, http::StatusCode, response::Response};
use fieldledger_core::{
    model::{Assessment, CreditGrade, CreditLimit, InvalidField, OrderDecision, Role},
    rules::orders,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    answers::{Answer, Credit, CreditOutcome, OrderAnswer, OrderOutcome},
    posted::{Asking, At, KeyHeader, PostProblems, Posted, act, act_on, company, today},
    reading::decisions,
    wire::{Day, Money},
};
use crate::{
    error::ApiError,
    ledger::{AccountChange, Actor, answer_held_order, finance::account},
    state::AppState,
    store::Account,
};

async fn change(state: &AppState, asking: Asking, customer: &str, change: AccountChange) -> Result<Response, ApiError> {
    act(state, asking, customer, StatusCode::OK, move |draft, act| {
        account::change(draft, change, act)?;
        let credit = Credit::from(&draft.file(act.now)?);
        Ok(CreditOutcome { credit })
    })
    .await
}

/// Grade, limit and terms from a day on; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsRequest {
    /// First day; today when left out.
    #[serde(default)]
    from: Option<Day>,
    /// `A`, `B`, `C` or `D`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "B")]
    grade: Option<CreditGrade>,
    /// How much may be owed. Nothing is an amount too: all on credit is held.
    #[serde(default)]
    limit: Option<Money>,
    /// Explicitly without a limit.
    #[serde(default)]
    no_limit: bool,
    /// Days of credit; left out: those of the grade when that changes.
    #[serde(default)]
    terms_days: Option<u32>,
    /// Why.
    reason: String,
}

/// Changes a customer's grade, limit or terms. Allowances that no longer fit are asked back from the phones.
#[utoipa::path(
    post,
    path = super::TERMS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = TermsRequest,
    responses((status = 200, description = "Changed", body = Answer<CreditOutcome>), PostProblems)
)]
pub(super) async fn set_terms(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<TermsRequest>,
) -> Result<Response, ApiError> {
    let limit = match (body.limit, body.no_limit) {
        (Some(_), true) => {
            let both = InvalidField::new("no_limit", "say either limit or no_limit");
            return Err(ApiError::invalid_field(both));
        }
        (Some(limit), false) => Some(CreditLimit::Limited(limit.into())),
        (None, true) => Some(CreditLimit::NoLimit),
        (None, false) => None,
    };
    let (profile, _, _) = company(&state, asking.organisation()).await?;
    let wanted = AccountChange::Terms {
        from: body.from.map_or_else(|| today(state.clock.now(), &profile), |it| it.0),
        grade: body.grade,
        limit,
        terms_days: body.terms_days,
        reason: body.reason,
    };
    change(&state, asking, &customer, wanted).await
}

/// A credit assessment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssessmentRequest {
    /// The day of the assessment; today when left out.
    #[serde(default)]
    on: Option<Day>,
    /// Who assessed.
    assessor: String,
    /// On what grounds.
    evidence: String,
    /// Last day on which it counts.
    valid_until: Day,
}

/// Records a credit assessment; without one nothing is sold on credit.
#[utoipa::path(
    post,
    path = super::ASSESSMENTS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = AssessmentRequest,
    responses((status = 200, description = "Recorded", body = Answer<CreditOutcome>), PostProblems)
)]
pub(super) async fn assess(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<AssessmentRequest>,
) -> Result<Response, ApiError> {
    let (profile, _, _) = company(&state, asking.organisation()).await?;
    let wanted = AccountChange::Assessed(Assessment {
        on: body.on.map_or_else(|| today(state.clock.now(), &profile), |it| it.0),
        assessor: body.assessor,
        evidence: body.evidence,
        valid_until: body.valid_until.0,
    });
    change(&state, asking, &customer, wanted).await
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonRequest {
    /// Why.
    reason: String,
}

/// Puts a customer's account on hold from today on: nothing is sold on credit.
#[utoipa::path(
    post,
    path = super::HOLDS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = ReasonRequest,
    responses((status = 200, description = "On hold", body = Answer<CreditOutcome>), PostProblems)
)]
pub(super) async fn hold(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<ReasonRequest>,
) -> Result<Response, ApiError> {
    change(
        &state,
        asking,
        &customer,
        AccountChange::Hold {
            from: None,
            reason: body.reason,
        },
    )
    .await
}

/// Lets an account that is on hold go on from today.
#[utoipa::path(
    post,
    path = super::LIFTED_HOLDS,
    tag = "finance",
    security(("api_token" = [])),
    params(("customer" = String, Path, description = "The customer's number, or its id"), KeyHeader),
    request_body = ReasonRequest,
    responses((status = 200, description = "On hold no more", body = Answer<CreditOutcome>), PostProblems)
)]
pub(super) async fn lift_hold(
    State(state): State<AppState>,
    At(customer): At<String>,
    Posted { asking, body }: Posted<ReasonRequest>,
) -> Result<Response, ApiError> {
    change(
        &state,
        asking,
        &customer,
        AccountChange::LiftHold { reason: body.reason },
    )
    .await
}

/// What a person decided about a held order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRequest {
    /// Login of the person: a supervisor or an administrator. Software decides nothing by itself.
    decided_by: String,
    /// Why.
    reason: String,
}

async fn order_named(state: &AppState, asking: &Asking, name: &str) -> Result<OrderDecision, ApiError> {
    let mut found = decisions(state, asking.organisation()).await?;
    found.retain(|it| it.number == name || it.order.to_string() == name);
    match (found.pop(), found.is_empty()) {
        (Some(order), true) => Ok(order),
        (None, _) => Err(ApiError::not_found(format!("no order with the number or id {name:?}"))),
        (Some(_), false) => Err(ApiError::new(
            StatusCode::CONFLICT,
            crate::error::code::CONFLICT,
            format!("several orders have the number {name:?}; use the id instead"),
        )),
    }
}

/// The person who decided.
async fn person(state: &AppState, asking: &Asking, login: &str) -> Result<Account, ApiError> {
    let found = state.store.account_by_login(login).await?;
    found
        .filter(|it| it.organisation == asking.organisation() && !it.disabled)
        .ok_or_else(|| {
            ApiError::invalid_field(InvalidField::new(
                "decided_by",
                format!("nobody has the login {login:?}"),
            ))
        })
}

async fn decide(
    state: &AppState,
    asking: Asking,
    order: &str,
    body: DecisionRequest,
    release: bool,
) -> Result<Response, ApiError> {
    let order = order_named(state, &asking, order).await?;
    let person = person(state, &asking, &body.decided_by).await?;
    let decides = [Role::Supervisor, Role::Administrator]
        .into_iter()
        .any(|it| person.has(it));
    if !decides {
        let refused = InvalidField::new("decided_by", "is neither supervisor nor administrator");
        return Err(ApiError::invalid_field(refused));
    }
    let id = order.order;
    act_on(state, asking, order.customer, StatusCode::OK, move |draft, act| {
        let by_person = orders::Act {
            by: person.user,
            roles: &person.roles,
            at: act.now,
            reason: &body.reason,
        };
        let told_by: &Actor = act.by;
        let decided = answer_held_order(draft, id, release, by_person, told_by)?;
        let code = draft.ledger().customer.code.clone();
        Ok(OrderOutcome {
            order: OrderAnswer::of(&decided, &code),
        })
    })
    .await
}

/// Brings a person's decision to let a held order through.
#[utoipa::path(
    post,
    path = super::RELEASE,
    tag = "finance",
    security(("api_token" = [])),
    params(("order" = String, Path, description = "The order's number, or its id"), KeyHeader),
    request_body = DecisionRequest,
    responses((status = 200, description = "Released", body = Answer<OrderOutcome>), PostProblems)
)]
pub(super) async fn release(
    State(state): State<AppState>,
    At(order): At<String>,
    Posted { asking, body }: Posted<DecisionRequest>,
) -> Result<Response, ApiError> {
    decide(&state, asking, &order, body, true).await
}

/// Brings a person's decision to turn a held order down.
#[utoipa::path(
    post,
    path = super::REFUSAL,
    tag = "finance",
    security(("api_token" = [])),
    params(("order" = String, Path, description = "The order's number, or its id"), KeyHeader),
    request_body = DecisionRequest,
    responses((status = 200, description = "Refused", body = Answer<OrderOutcome>), PostProblems)
)]
pub(super) async fn refuse(
    State(state): State<AppState>,
    At(order): At<String>,
    Posted { asking, body }: Posted<DecisionRequest>,
) -> Result<Response, ApiError> {
    decide(&state, asking, &order, body, false).await
}
