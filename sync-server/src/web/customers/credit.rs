//! What is decided about a customer's credit on their page: grade, limit and terms, assessments, holds, supply, and what is
//! reserved for phones. Each is a function of the ledger; the page only reads what was typed.

use axum::{
    extract::{Path, State},
    response::Response,
};
use fieldledger_core::{
    model::{
        Assessment, CreditGrade, CreditLimit, Currency, CustomerId, DeviceId, GrantId, InvalidField, Money, Role,
        StatementId, check_named,
    },
    rules::statement::Period,
};

use super::{
    super::{
        error::PageError,
        form::{self, Outcome, Posted},
        page::parsed,
    },
    known,
    show::{self, Failed},
    view,
};
use crate::{
    ledger::{
        self, AccountChange, Actor, Draft, GrantWish, collecting,
        finance::{Act, account, begin, conclude},
        statements::{self, StatementWish},
    },
    state::AppState,
    store::{CustomerLedger, LedgerChange},
};

/// Shows the page again, with the form that could not be taken.
async fn refused(
    app: &AppState,
    posted: &Posted,
    customer: CustomerId,
    form: &'static str,
    why: InvalidField,
) -> Result<Response, PageError> {
    let failed = Failed {
        form,
        of: String::new(),
        typed: &posted.typed,
        why,
    };
    show::page(app, &posted.viewer, customer, None, Some(failed)).await
}

/// Carries out what a form asked for and goes back to the page.
async fn carry_out(
    app: &AppState,
    posted: &Posted,
    customer: CustomerId,
    (form, done, place): (&'static str, &'static str, &str),
    read: Result<impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static, InvalidField>,
) -> Result<Response, PageError> {
    let decide = match read {
        Ok(decide) => decide,
        Err(why) => return refused(app, posted, customer, form, why).await,
    };
    match posted.decide(app, customer, decide).await? {
        Outcome::Done(_) => {
            let back = match posted.typed.get("back") {
                "reminders" => "/receivables/reminders".to_owned(),
                _ => format!("/customers/{customer}"),
            };
            Ok(form::done(&back, done, place))
        }
        Outcome::Refused(why) => refused(app, posted, customer, form, why).await,
    }
}

/// The customer, for somebody who keeps the books.
async fn bookkeeping(app: &AppState, posted: &Posted, id: &str) -> Result<CustomerId, PageError> {
    let customer = known(app, &posted.viewer, parsed(id)?).await?;
    if posted.viewer.may_keep_books() {
        Ok(customer.id)
    } else {
        Err(PageError::NotYourRole)
    }
}

/// A change of the account by the rules of finance.
fn changing(
    posted: &Posted,
    app: &AppState,
    change: AccountChange,
) -> impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static {
    let (actor, now) = (Actor::from(posted.viewer.account.user), app.clock.now());
    move |ledger| {
        let act = Act { by: &actor, now };
        let mut draft = begin(ledger, now);
        account::change(&mut draft, change, act)?;
        conclude(draft, act, |_| Ok(String::new()))
    }
}

fn grade(posted: &Posted) -> Result<Option<CreditGrade>, InvalidField> {
    Ok(match posted.typed.get("grade") {
        "" => None,
        "A" => Some(CreditGrade::A),
        "B" => Some(CreditGrade::B),
        "C" => Some(CreditGrade::C),
        "D" => Some(CreditGrade::D),
        _ => return Err(InvalidField::new("grade", "must be A, B, C or D")),
    })
}

/// Grade, limit and terms from a day on.
pub(super) async fn set_terms(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let org = posted.viewer.account.organisation;
    let ledger = app.store.customer_ledger(org, customer).await?;
    let ledger = ledger.ok_or(PageError::NotFound)?;
    let today = app.clock.now().date_in(posted.viewer.zone);
    let currency = show::currency_of(&ledger, today);
    let read = || {
        let typed = &posted.typed;
        let limit = match (typed.some("no_limit").is_some(), typed.amount("limit")?) {
            (true, Some(_)) => return Err(InvalidField::new("limit", "say either a limit or none")),
            (true, None) => Some(CreditLimit::NoLimit),
            (false, amount) => amount.map(|it| CreditLimit::Limited(Money::new(it, currency))),
        };
        let change = AccountChange::Terms {
            from: typed.day("from")?.unwrap_or(today),
            grade: grade(&posted)?,
            limit,
            terms_days: typed.count("terms_days")?,
            reason: typed.get("reason").to_owned(),
        };
        Ok(changing(&posted, &app, change))
    };
    carry_out(&app, &posted, customer, ("terms", "terms_set", "credit"), read()).await
}

/// A credit assessment.
pub(super) async fn assess(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let today = app.clock.now().date_in(posted.viewer.zone);
    let read = || {
        let change = AccountChange::Assessed(Assessment {
            on: posted.typed.day("on")?.unwrap_or(today),
            assessor: posted.viewer.account.name.clone(),
            evidence: posted.typed.get("evidence").to_owned(),
            valid_until: posted.typed.needed_day("valid_until")?,
        });
        Ok(changing(&posted, &app, change))
    };
    carry_out(&app, &posted, customer, ("assess", "assessed", "credit"), read()).await
}

/// Puts the account on hold from a day on, or lets it go on.
pub(super) async fn hold(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let lift = match posted.typed.get("action") {
        "hold" => false,
        "lift" => true,
        _ => return Err(PageError::BadField("customer.on_hold")),
    };
    let read = || {
        let reason = posted.typed.get("reason").to_owned();
        check_named("reason", &reason)?;
        let change = if lift {
            AccountChange::LiftHold { reason }
        } else {
            AccountChange::Hold {
                from: posted.typed.day("from")?,
                reason,
            }
        };
        Ok(changing(&posted, &app, change))
    };
    let done = if lift { "hold_lifted" } else { "on_hold" };
    carry_out(&app, &posted, customer, ("hold", done, "credit"), read()).await
}

/// Stops supply as was proposed, decides against it, or lets it go on.
pub(super) async fn decide_supply(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    // Whoever reads these pages has a say about supply: supervisors in their territories, finance and administrators.
    let customer = known(&app, &posted.viewer, parsed(&id)?).await?.id;
    let (by, now) = (posted.viewer.account.user, app.clock.now());
    let reason = posted.typed.get("reason").to_owned();
    let (done, action): (_, fn(&CustomerLedger, _, &str, _) -> _) = match posted.typed.get("action") {
        "stop" => ("supply_stopped", |ledger, by, reason, now| {
            collecting::decide_suspension(ledger, true, by, reason, now)
        }),
        "keep" => ("supply_kept", |ledger, by, reason, now| {
            collecting::decide_suspension(ledger, false, by, reason, now)
        }),
        "resume" => ("supply_resumed", collecting::resume_supply),
        _ => return Err(PageError::BadField("customer.supply")),
    };
    let decide = move |ledger: &CustomerLedger| {
        check_named("reason", &reason)?;
        action(ledger, by, &reason, now)
    };
    carry_out(&app, &posted, customer, ("supply", done, "supply"), Ok(decide)).await
}

/// Reserves credit for a phone.
pub(super) async fn grant(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = known(&app, &posted.viewer, parsed(&id)?).await?;
    let org = posted.viewer.account.organisation;
    let device: Option<DeviceId> = posted.typed.get("device").parse().ok();
    let devices = app.store.devices(org).await?;
    let accounts = app.store.accounts(org).await?;
    let owner = |device: &crate::store::Device| accounts.iter().find(|it| it.user == device.user);
    let works_there = |device: &&crate::store::Device| {
        let reads = |it: &crate::store::Account| it.has(Role::Rep) && !it.disabled && it.may_read(customer.territory);
        device.revoked_at.is_none() && owner(device).is_some_and(reads)
    };
    let device = devices.iter().filter(works_there).find(|it| Some(it.id) == device);
    let key = app.store.signing_key(org).await?;
    let fresh = GrantId(uuid::Builder::from_random_bytes(app.secrets.bytes()).into_uuid());
    let (by, now) = (posted.viewer.account.user, app.clock.now());
    let read = || {
        let device = device.ok_or_else(|| InvalidField::new("device", "choose a phone of somebody who works there"))?;
        let mode = view::mode_named(posted.typed.get("mode"));
        let mode = mode.ok_or_else(|| InvalidField::new("mode", "choose what happens when it expires"))?;
        let amount = posted.typed.amount("amount")?;
        let amount = amount.ok_or_else(|| InvalidField::new("amount", "must not be empty"))?;
        let (device, user) = (device.id, device.user);
        Ok(move |ledger: &CustomerLedger| {
            let currency = Draft::of(ledger).position(now)?.exposure.currency;
            let wish = GrantWish {
                id: fresh,
                device,
                user,
                amount: Money::new(amount, currency),
                mode,
            };
            ledger::grant(ledger, wish, &key, by, now)
        })
    };
    carry_out(&app, &posted, customer.id, ("grant", "granted", "allowances"), read()).await
}

/// Issues a statement of account.
pub(super) async fn issue_statement(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let (by, now) = (posted.viewer.account.user, app.clock.now());
    let fresh = StatementId(uuid::Builder::from_random_bytes(app.secrets.bytes()).into_uuid());
    let read = || {
        let period = Period {
            from: posted.typed.needed_day("from")?,
            to: posted.typed.needed_day("to")?,
        };
        fieldledger_core::model::check_date("from", period.from)?;
        fieldledger_core::model::check_date("to", period.to)?;
        let currency: Currency = posted
            .typed
            .get("currency")
            .parse()
            .map_err(|error: fieldledger_core::model::InvalidMoney| InvalidField::new("currency", error.to_string()))?;
        Ok(move |ledger: &CustomerLedger| {
            let wish = StatementWish {
                id: fresh,
                period,
                currency,
            };
            statements::issue(ledger, wish, Some(by), now)
        })
    };
    carry_out(
        &app,
        &posted,
        customer,
        ("statement", "statement_issued", "statements"),
        read(),
    )
    .await
}
