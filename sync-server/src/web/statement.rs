//! A statement of account for the customer's contact, who has a link and no account. The secret in the address is the
//! only key: it cannot be guessed, expires, can be taken back, and each opening is written to the audit log.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono_tz::Tz;
use fieldledger_core::model::{
    Statement, StatementAnswer, StatementLine, StatementLineAnswer, StatementLineKind, StatementVerdict,
};
use serde::Deserialize;

use super::{
    error::PageError,
    form,
    format::{self, Moment},
    messages::{Language, Text},
    names::Names,
    page::{Frame, html},
};
use crate::{
    auth::{RemoteAddress, hash_secret},
    ledger::statements,
    state::AppState,
    store::{AuditEntry, CustomerLedger, Decided, StatementLink},
};

/// Longest form: every line of a long statement with a remark.
const MAX_FIELDS: usize = 10_000;

struct Line {
    no: u32,
    on: String,
    what: String,
    document: String,
    order: String,
    shipped: String,
    products: Vec<String>,
    debit: String,
    credit: String,
    balance: String,
    answer: Option<Answer>,
    /// What was typed into a form that could not be taken.
    typed: String,
    /// What was chosen there: `confirmed`, `disputed`, or nothing.
    chosen: &'static str,
}

struct Answer {
    disputed: bool,
    word: &'static str,
    remark: String,
    by: String,
    at: Moment,
}

#[derive(Template)]
#[template(path = "statement.html")]
struct StatementPage {
    frame: Frame,
    action: String,
    company: String,
    customer: String,
    period: String,
    opening: String,
    closing: String,
    lines: Vec<Line>,
    person: String,
    thanks: bool,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    #[serde(default)]
    thanks: bool,
}

/// What a valid link leads to.
struct Opened {
    link: StatementLink,
    ledger: CustomerLedger,
    statement: Statement,
}

async fn open(app: &AppState, address: RemoteAddress, secret: &str) -> Result<Opened, PageError> {
    let Some(link) = app.store.statement_link(&hash_secret(secret)).await? else {
        // Whoever tries secrets may not try many.
        app.limits.stranger(address.0)?;
        return Err(PageError::NotFound);
    };
    if !link.is_valid(app.clock.now()) {
        return Err(PageError::LinkOver);
    }
    let ledger = app.store.customer_ledger(link.organisation, link.customer).await?;
    let ledger = ledger.ok_or(PageError::NotFound)?;
    let statement = ledger.statements.iter().find(|it| it.id == link.statement).cloned();
    Ok(Opened {
        statement: statement.ok_or(PageError::NotFound)?,
        link,
        ledger,
    })
}

/// The statement with its form.
pub(super) async fn show(
    State(app): State<AppState>,
    address: RemoteAddress,
    Path(secret): Path<String>,
    Query(seen): Query<Seen>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let remote = address.0;
    let opened = open(&app, address, &secret).await?;
    let line = AuditEntry {
        at: app.clock.now(),
        actor: "link".to_owned(),
        action: "statement.link_opened".to_owned(),
        subject: opened.ledger.customer.code.clone(),
        detail: format!("{} by {} from {remote}", opened.statement.id, opened.link.contact),
    };
    app.store.audit(opened.link.organisation, line).await?;
    let form = Typed {
        person: opened.link.contact.clone(),
        ..Typed::default()
    };
    page(&app, &headers, &secret, &opened, form, seen.thanks).await
}

/// What was typed, for a page that has to be shown again.
#[derive(Default)]
struct Typed {
    person: String,
    remarks: BTreeMap<u32, String>,
    verdicts: BTreeMap<u32, StatementVerdict>,
    error: Option<String>,
}

/// Takes answers in.
pub(super) async fn answer(
    State(app): State<AppState>,
    address: RemoteAddress,
    Path(secret): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    if fields.len() > MAX_FIELDS {
        return Err(PageError::BadField("statement.title"));
    }
    let opened = open(&app, address, &secret).await?;
    let text = Text(Language::of_request(&headers));
    let mut typed = Typed::default();
    for (name, value) in fields {
        match name.split_once('-') {
            None if name == "person" => typed.person = value,
            None if name == "everything" => {
                let all = opened.statement.lines.iter();
                typed
                    .verdicts
                    .extend(all.map(|it| (it.no, StatementVerdict::Confirmed)));
            }
            Some(("verdict", no)) => {
                let verdict = match value.as_str() {
                    "confirmed" => StatementVerdict::Confirmed,
                    "disputed" => StatementVerdict::Disputed,
                    _ => continue,
                };
                if let Ok(no) = no.parse() {
                    typed.verdicts.insert(no, verdict);
                }
            }
            Some(("remark", no)) => {
                if let Ok(no) = no.parse() {
                    typed.remarks.insert(no, value);
                }
            }
            _ => {}
        }
    }
    let answers: BTreeMap<u32, StatementLineAnswer> = typed
        .verdicts
        .iter()
        .map(|(&no, &verdict)| {
            let remark = typed
                .remarks
                .get(&no)
                .map(|it| it.trim().to_owned())
                .unwrap_or_default();
            (no, StatementLineAnswer { verdict, remark })
        })
        .collect();
    if answers.is_empty() {
        typed.error = Some(text.t("statement.choose").to_owned());
        return page(&app, &headers, &secret, &opened, typed, false).await;
    }
    let (id, person, now) = (opened.statement.id, typed.person.clone(), app.clock.now());
    let decide = Box::new(move |ledger: &_| statements::answer(ledger, id, &person, &answers, now));
    let link = &opened.link;
    match app
        .store
        .decide(link.organisation, link.customer, None, decide, now)
        .await?
    {
        Decided::Done { marks, .. } => {
            for mark in marks {
                app.sync.live().publish(link.organisation, mark);
            }
            Ok(Redirect::to(&format!("/s/{secret}?thanks=true")).into_response())
        }
        Decided::Refused(why) => {
            typed.error = Some(form::problem(text, &why));
            page(&app, &headers, &secret, &opened, typed, false).await
        }
        Decided::Repeated { .. } | Decided::KeyReused | Decided::UnknownCustomer => Err(PageError::NotFound),
    }
}

async fn page(
    app: &AppState,
    headers: &HeaderMap,
    secret: &str,
    opened: &Opened,
    typed: Typed,
    thanks: bool,
) -> Result<Response, PageError> {
    let text = Text(Language::of_request(headers));
    let Opened { ledger, statement, .. } = opened;
    let zone = ledger.organisation.time_zone;
    let mut names = Names::default();
    let products = statement.lines.iter().flat_map(|it| &it.products);
    names
        .add_products(
            app.store.as_ref(),
            opened.link.organisation,
            products.map(|it| it.product),
        )
        .await?;
    let status = if typed.error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let action = format!("/s/{secret}");
    let lines = statement
        .lines
        .iter()
        .map(|it| {
            let answer = statement.answers.get(&it.no);
            let answer = answer.map(|it| shown(text, it, zone));
            line(text, &names, statement, it, answer, &typed)
        })
        .collect();
    let mut response = html(&StatementPage {
        frame: Frame::bare_at(text, &action),
        company: ledger.organisation.name.clone(),
        customer: ledger.customer.name.clone(),
        period: text
            .fill("statement.period", "from", statement.from)
            .replace("{to}", &statement.to.to_string()),
        opening: format::money(statement.opening),
        closing: format::money(statement.closing),
        lines,
        person: typed.person,
        thanks,
        error: typed.error,
        action,
    })?;
    // The address is a secret: it goes to nobody else, not even to another page of this server.
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
    Ok(response)
}

fn shown(text: Text, answer: &StatementAnswer, zone: Tz) -> Answer {
    let disputed = answer.verdict == StatementVerdict::Disputed;
    Answer {
        disputed,
        word: text.t(if disputed {
            "statement.disputed"
        } else {
            "statement.confirmed"
        }),
        remark: answer.remark.clone(),
        by: answer.by.clone(),
        at: Moment::new(answer.at, zone),
    }
}

fn line(
    text: Text,
    names: &Names,
    statement: &Statement,
    line: &StatementLine,
    answer: Option<Answer>,
    typed: &Typed,
) -> Line {
    let digits = statement.closing.currency.minor_digits();
    let unless_zero = |amount: rust_decimal::Decimal| {
        if amount.is_zero() {
            String::new()
        } else {
            format::amount(amount, digits)
        }
    };
    let remark = answer.as_ref().map(|it| it.remark.clone()).unwrap_or_default();
    Line {
        no: line.no,
        on: line.on.to_string(),
        what: text
            .t(match line.kind {
                StatementLineKind::Invoice => "statement.invoice",
                StatementLineKind::Charge => "statement.charge",
                StatementLineKind::CreditNote => "statement.credit_note",
                StatementLineKind::Receipt => "statement.receipt",
                StatementLineKind::Returned => "statement.returned",
            })
            .to_owned(),
        document: line.document.clone(),
        order: line.order_number.clone().unwrap_or_default(),
        shipped: line.shipped_on.map(|it| it.to_string()).unwrap_or_default(),
        products: line
            .products
            .iter()
            .map(|it| {
                let (name, quantity) = (names.product_name(it.product), format::quantity(it.quantity));
                format!("{name}: {quantity} × {}", format::amount(it.unit_price, digits))
            })
            .collect(),
        debit: unless_zero(line.debit),
        credit: unless_zero(line.credit),
        balance: format::amount(line.balance, digits),
        typed: typed.remarks.get(&line.no).cloned().unwrap_or(remark),
        chosen: match typed.verdicts.get(&line.no) {
            Some(StatementVerdict::Confirmed) => "confirmed",
            Some(StatementVerdict::Disputed) => "disputed",
            None => "",
        },
        answer,
    }
}
