//! Late interest of a customer, explained line by line; a person decides whether it is charged.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::model::{Customer, InterestTier, InvalidField, Money};

use super::{
    super::{
        customers::{self, view::invoice_address},
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format,
        page::{Frame, Viewer, html, parsed},
        table::Sent,
    },
    bookkeeping,
};
use crate::{
    ledger::{Actor, interest},
    state::AppState,
};

struct Line {
    from: String,
    to: String,
    days: u32,
    balance: String,
    percent: String,
    amount: String,
}

struct Accrued {
    id: String,
    href: String,
    number: String,
    instalment: u32,
    lines: Vec<Line>,
    accrued: String,
    charged: String,
    chargeable: String,
    may_charge: bool,
    too_dear: Vec<String>,
    form: FormView,
}

#[derive(Template)]
#[template(path = "customer_interest.html")]
struct InterestPage {
    frame: Frame,
    done: Option<&'static str>,
    id: String,
    name: String,
    code: String,
    problem: Option<String>,
    as_of: String,
    is_today: bool,
    keeps_books: bool,
    tiers: Vec<String>,
    items: Vec<Accrued>,
}

/// The page.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let customer = customers::known(&app, &viewer, parsed(&id)?).await?;
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    let as_of = sent.parsed("as_of", "receivables.day")?;
    page(&app, &viewer, &customer, as_of, done, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    customer: &Customer,
    as_of: Option<chrono::NaiveDate>,
    done: Option<&'static str>,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let ledger = customers::ledger(app, viewer, customer.id).await?;
    let today = app.clock.now().date_in(viewer.zone);
    let as_of = as_of.unwrap_or(today);
    // A day far out of range has no interest that anybody could mean.
    fieldledger_core::model::check_date("as_of", as_of).map_err(|_| PageError::BadField("receivables.day"))?;
    let mut problem = failed.as_ref().map(|(_, why)| form::problem(text, why));
    let found = interest::accrued(&ledger, as_of).unwrap_or_else(|why| {
        problem = Some(form::problem(text, &why));
        Vec::new()
    });
    let items = found
        .into_iter()
        .enumerate()
        .map(|(place, it)| {
            let currency = it.chargeable.currency;
            let money = |amount| format::money(Money::new(amount, currency));
            Accrued {
                id: format!("interest-{place}"),
                href: invoice_address(customer, &it.invoice_number),
                number: it.invoice_number,
                instalment: it.instalment,
                lines: it
                    .interest
                    .lines
                    .iter()
                    .map(|line| Line {
                        from: line.from.to_string(),
                        to: line.to.to_string(),
                        days: line.days,
                        balance: money(line.balance),
                        percent: format!("{} %", format::quantity(line.percent_per_day)),
                        amount: money(line.amount),
                    })
                    .collect(),
                accrued: money(it.interest.accrued),
                charged: money(it.charged),
                may_charge: it.chargeable.amount > rust_decimal::Decimal::ZERO,
                chargeable: format::money(it.chargeable),
                too_dear: it
                    .too_dear
                    .iter()
                    .map(|(tier, annual)| {
                        let said = text.fill("receivables.too_dear", "annual", format::quantity(*annual));
                        said.replace("{daily}", &format::quantity(tier.percent_per_day))
                            .replace("{cap}", &format::quantity(ledger.policy.interest.annual_cap_percent))
                    })
                    .collect(),
                form: FormView::fresh(app),
            }
        })
        .collect();
    let refused = failed.is_some();
    let page = html(&InterestPage {
        frame: viewer.frame("customers"),
        done,
        id: customer.id.to_string(),
        name: customer.name.clone(),
        code: customer.code.clone(),
        problem,
        as_of: as_of.to_string(),
        is_today: as_of == today,
        keeps_books: viewer.may_keep_books(),
        tiers: ledger.policy.interest.tiers.iter().map(|it| tier(viewer, it)).collect(),
        items,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

/// A tier with what it comes to in a year.
fn tier(viewer: &Viewer, it: &InterestTier) -> String {
    let text = viewer.text;
    let to = it
        .to_day
        .map_or_else(|| text.t("receivables.for_ever").to_owned(), |it| it.to_string());
    text.fill("receivables.tier", "from", it.from_day)
        .replace("{to}", &to)
        .replace("{daily}", &format::quantity(it.percent_per_day))
        .replace("{annual}", &format::quantity(it.annual_percent()))
}

/// Charges what has accrued up to today and was not charged before.
pub(super) async fn charge(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let typed = &posted.typed;
    let number = typed.get("invoice").to_owned();
    let no = match typed.count("instalment") {
        Ok(Some(no)) => no,
        _ => return Err(PageError::BadField("receivables.instalment")),
    };
    let (actor, now) = (Actor::from(posted.viewer.account.user), app.clock.now());
    let outcome = posted
        .decide(&app, customer.id, move |ledger| {
            interest::charge(ledger, (&number, no), &actor, now)
        })
        .await?;
    match outcome {
        Outcome::Done(_) => Ok(form::done(
            &format!("/customers/{}/interest", customer.id),
            "interest_charged",
            "",
        )),
        Outcome::Refused(why) => page(&app, &posted.viewer, &customer, None, None, Some((typed, why))).await,
    }
}
