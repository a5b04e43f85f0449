//! A customer's account as a statement of today would show it, to be printed: for information, nothing is issued.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use chrono::NaiveDate;
use fieldledger_core::{
    model::{Currency, Statement, StatementId},
    rules::{
        books::CustomerBooks,
        statement::{Period, last_ended},
    },
};

use super::{
    super::{
        error::PageError,
        form, format,
        names::Names,
        page::{Frame, Viewer, html, parsed},
        receivables::statements::{Line, lines},
        table::Sent,
    },
    owed::Owed,
};
use crate::{
    ledger::statements::{body, currencies},
    state::AppState,
    store::CustomerLedger,
};

#[derive(Template)]
#[template(path = "customer_statement.html")]
struct StatementOfToday {
    frame: Frame,
    customer: String,
    customer_name: String,
    customer_code: String,
    customer_address: String,
    period: String,
    from: String,
    as_of: String,
    currencies: Vec<(String, bool)>,
    /// The books contradict themselves.
    problem: Option<String>,
    opening: String,
    closing: String,
    lines: Vec<Line>,
    owed: Option<Owed>,
}

/// The account up to today, or of the days in the address.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let ledger = super::ledger(&app, &viewer, parsed(&id)?).await?;
    let now = app.clock.now();
    let today = now.date_in(viewer.zone);
    let mut known = currencies(&ledger);
    let usual = super::show::currency_of(&ledger, today);
    let currency: Currency = match sent.value("currency") {
        Some(name) => {
            let named = known.iter().copied().find(|it| it.to_string() == name);
            named.ok_or(PageError::BadField("table.currency"))?
        }
        None if known.contains(&usual) => usual,
        None => known.first().copied().unwrap_or(usual),
    };
    if known.is_empty() {
        known.push(currency);
    }
    let to = sent.parsed("to", "customer.last_day")?.unwrap_or(today);
    let from = match sent.parsed("from", "customer.first_day")? {
        Some(from) => from,
        None => first_day(&ledger, currency, to),
    };
    if to > today {
        return Err(PageError::BadField("customer.last_day"));
    }
    if from > to {
        return Err(PageError::BadField("customer.first_day"));
    }
    let (body, problem) = match body(&ledger, Period { from, to }, currency) {
        Ok(body) => (Some(body), None),
        Err(why) => (None, Some(form::problem(text, &why))),
    };
    let zero = fieldledger_core::model::Money::zero(currency);
    let (opening, closing) = body.as_ref().map_or((zero, zero), |it| (it.opening, it.closing));
    // Laid out as an issued one is, and kept nowhere.
    let statement = Statement {
        id: StatementId::from_bytes([0; 16]),
        customer: ledger.customer.id,
        from,
        to,
        opening,
        closing,
        lines: body.map(|it| it.lines).unwrap_or_default(),
        issued_at: now,
        by: None,
        corrects: None,
        answers: BTreeMap::new(),
    };
    let mut names = Names::default();
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let customer = &ledger.customer;
    html(&StatementOfToday {
        frame: viewer.frame("customers").about(Some(customer.id)),
        customer: format!("/customers/{}", customer.id),
        customer_name: customer.name.clone(),
        customer_code: customer.code.clone(),
        customer_address: customer.address.clone(),
        period: text
            .fill("statement.period", "from", from)
            .replace("{to}", &to.to_string()),
        from: from.to_string(),
        as_of: to.to_string(),
        currencies: known.into_iter().map(|it| (it.to_string(), it == currency)).collect(),
        problem,
        opening: format::money(opening),
        closing: format::money(closing),
        lines: lines(&app, &viewer, &mut names, &statement).await?,
        owed: Owed::on(text, &books, to, closing),
    })
}

/// The day after the statement that was issued last ended; without one the first day of the last period that would have
/// had one; that of the month before for customers who get none.
fn first_day(ledger: &CustomerLedger, currency: Currency, to: NaiveDate) -> NaiveDate {
    let issued = ledger
        .statements
        .iter()
        .filter(|it| it.closing.currency == currency && it.to < to);
    let after = issued.map(|it| it.to).max().and_then(|it| it.succ_opt());
    let schedule = ledger.account.statements.unwrap_or(ledger.policy.statements);
    after
        .or_else(|| last_ended(schedule, to).map(|it| it.from))
        .or_else(|| last_ended(fieldledger_core::model::StatementSchedule::Monthly, to).map(|it| it.from))
        .unwrap_or(to)
}
