//! An invoice with its parts: what is open, what paid it, disputes and later due dates.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{Allocation, Customer, Instalment, InvalidField, Invoice, Money},
    rules::books::{CustomerBooks, open_items},
};

use super::{
    super::{
        customers::{
            self,
            view::{invoice_address, source_address},
        },
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format,
        names::Names,
        page::{Frame, Viewer, html, parsed},
        record::{Field, Shown},
        table::Sent,
    },
    act as carry_out, bookkeeping,
};
use crate::{
    ledger::finance::{dispute, extension},
    state::AppState,
    store::CustomerLedger,
};

struct Part {
    no: u32,
    amount: String,
    due: String,
    original: String,
    principal: String,
    interest: String,
    costs: String,
    open: String,
    retention: bool,
    disputed: bool,
    /// What happened to it, in words: extensions, disputes, reminders, charges.
    events: Vec<String>,
}

struct Payment {
    href: String,
    name: String,
    instalment: u32,
    amount: String,
    posted_on: String,
    reversed_on: String,
}

#[derive(Template)]
#[template(path = "customer_invoice.html")]
struct InvoicePage {
    frame: Frame,
    done: Option<&'static str>,
    action: String,
    customer: String,
    customer_name: String,
    number: String,
    facts: Vec<Field>,
    parts: Vec<Part>,
    payments: Vec<Payment>,
    keeps_books: bool,
    any_disputed: bool,
    which: String,
    form: FormView,
    problem: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path((id, number)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, PageError> {
    let customer = customers::known(&app, &viewer, parsed(&id)?).await?;
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &customer, &number, done, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    customer: &Customer,
    number: &str,
    done: Option<&'static str>,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let ledger = customers::ledger(app, viewer, customer.id).await?;
    let invoice = ledger.invoices.iter().find(|it| it.number == number);
    let invoice = invoice.ok_or(PageError::NotFound)?;
    let mut names = Names::load(store, org).await?;
    let people: Vec<_> = invoice
        .instalments
        .iter()
        .flat_map(|it| it.extensions.iter().filter_map(|it| it.by))
        .collect();
    names.add_people(store, org, people).await?;
    let today = app.clock.now().date_in(viewer.zone);
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let (open, problem) = match open_items(&books, today) {
        Ok(items) => (items, None),
        Err(error) => (Vec::new(), Some(form::refused(text, error))),
    };
    let whole = [Instalment::new(1, invoice.amount.amount, Some(invoice.due_on))];
    let instalments = if invoice.instalments.is_empty() {
        whole.as_slice()
    } else {
        invoice.instalments.as_slice()
    };
    let parts: Vec<Part> = instalments
        .iter()
        .map(|it| {
            let item = open
                .iter()
                .find(|open| open.invoice_number == number && open.instalment == it.no);
            part(viewer, &names, invoice, it, item, today)
        })
        .collect();
    let refused = failed.is_some();
    let page = html(&InvoicePage {
        frame: viewer.frame("customers"),
        done,
        action: invoice_address(customer, number),
        customer: format!("/customers/{}", customer.id),
        customer_name: customer.name.clone(),
        number: number.to_owned(),
        facts: facts(viewer, invoice),
        any_disputed: parts.iter().any(|it| it.disputed),
        parts,
        payments: payments(customer, &ledger, invoice),
        keeps_books: viewer.may_keep_books(),
        which: failed.as_ref().map_or("", |(typed, _)| typed.get("action")).to_owned(),
        form: match &failed {
            Some((typed, why)) => FormView::refused(app, text, typed, why),
            None => FormView::fresh(app),
        },
        problem,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

fn facts(viewer: &Viewer, invoice: &Invoice) -> Vec<Field> {
    let text = viewer.text;
    let field = |key: &'static str, value: String| Field {
        label: text.t(key).to_owned(),
        value: if value.is_empty() {
            Shown::Nothing
        } else {
            Shown::Text(value)
        },
        remarks: Vec::new(),
    };
    vec![
        field("customer.amount", format::money(invoice.amount)),
        field("receivables.invoiced_on", invoice.invoiced_on.to_string()),
        field(
            "receivables.posted_on",
            invoice.posted_on.map(|it| it.to_string()).unwrap_or_default(),
        ),
        field("customer.due", invoice.due_on.to_string()),
        field("customer.order", invoice.order_number.clone().unwrap_or_default()),
        field(
            "receivables.contract",
            invoice.contract_number.clone().unwrap_or_default(),
        ),
    ]
}

fn part(
    viewer: &Viewer,
    names: &Names,
    invoice: &Invoice,
    it: &Instalment,
    open: Option<&fieldledger_core::rules::books::OpenItem>,
    today: chrono::NaiveDate,
) -> Part {
    let text = viewer.text;
    let currency = invoice.amount.currency;
    let amount = |amount: rust_decimal::Decimal| format::amount(amount, currency.minor_digits());
    let mut events = Vec::new();
    for extension in &it.extensions {
        let by = extension
            .by
            .map_or_else(|| text.t("customer.by_software").to_owned(), |by| names.person(by));
        let said = text.fill("receivables.was_extended", "day", extension.approved_on);
        events.push(
            said.replace("{due}", &extension.due_on.to_string())
                .replace("{who}", &by)
                .replace("{why}", &extension.reason),
        );
    }
    for dispute in &it.disputes {
        let said = text.fill("receivables.was_disputed", "day", dispute.opened_on);
        let mut said = said.replace("{why}", &dispute.reason);
        if let Some(day) = dispute.settled_on {
            said.push(' ');
            said.push_str(&text.fill("receivables.was_settled", "day", day));
        }
        events.push(said);
    }
    for notice in &it.dunning {
        let said = text.fill("receivables.was_reminded", "day", notice.on);
        events.push(said.replace("{level}", &notice.level.to_string()));
    }
    for charge in &it.charges {
        let said = text.fill("receivables.was_charged", "day", charge.posted_on);
        events.push(
            said.replace("{amount}", &format::money(Money::new(charge.amount, currency)))
                .replace("{why}", &charge.reason),
        );
    }
    let zero = rust_decimal::Decimal::ZERO;
    Part {
        no: it.no,
        amount: amount(it.amount),
        due: it
            .due_on_by(today)
            .map_or_else(|| text.t("customer.no_due_date").to_owned(), |it| it.to_string()),
        original: it.due_on.map(|it| it.to_string()).unwrap_or_default(),
        principal: amount(open.map_or(zero, |it| it.principal)),
        interest: amount(open.map_or(zero, |it| it.interest)),
        costs: amount(open.map_or(zero, |it| it.costs)),
        open: format::money(Money::new(
            open.map_or(zero, fieldledger_core::rules::books::OpenItem::open),
            currency,
        )),
        retention: it.retention,
        disputed: it.disputes.iter().any(|it| it.settled_on.is_none()),
        events,
    }
}

fn payments(customer: &Customer, ledger: &CustomerLedger, invoice: &Invoice) -> Vec<Payment> {
    let row = |cash: bool, name: &str, it: &Allocation| Payment {
        href: source_address(customer, cash, name),
        name: name.to_owned(),
        instalment: it.instalment,
        amount: format::money(Money::new(it.amount, invoice.amount.currency)),
        posted_on: it.posted_on.to_string(),
        reversed_on: it.reversed_on.map(|it| it.to_string()).unwrap_or_default(),
    };
    let mut found = Vec::new();
    for it in &ledger.receipts {
        let own = it.allocations.iter().filter(|it| it.invoice_number == invoice.number);
        found.extend(own.map(|allocation| (allocation.posted_on, row(true, &it.reference, allocation))));
    }
    for it in &ledger.credit_notes {
        let own = it.allocations.iter().filter(|it| it.invoice_number == invoice.number);
        found.extend(own.map(|allocation| (allocation.posted_on, row(false, &it.number, allocation))));
    }
    found.sort_by_key(|(day, _)| *day);
    found.into_iter().map(|(_, row)| row).collect()
}

/// A dispute, its settlement, or a later due date.
pub(super) async fn act(
    State(app): State<AppState>,
    Path((id, number)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let typed = &posted.typed;
    let address = invoice_address(&customer, &number);
    let refused = |why| async { page(&app, &posted.viewer, &customer, &number, None, Some((typed, why))).await };
    let (instalment, name) = (typed.count("instalment"), number.clone());
    let read = || Ok((instalment?, typed.day("on")?, typed.day("due_on")?));
    let (instalment, on, due_on) = match read() {
        Ok(read) => read,
        Err(why) => return refused(why).await,
    };
    let reason = typed.get("reason").to_owned();
    let (done, outcome) = match typed.get("action") {
        "dispute" => {
            let outcome = carry_out(&app, &posted, customer.id, move |draft, act| {
                dispute::open(draft, &name, instalment, on, &reason, act).map(|_| ())
            });
            ("disputed", outcome.await?)
        }
        "settle" => {
            let outcome = carry_out(&app, &posted, customer.id, move |draft, act| {
                dispute::settle(draft, &name, instalment, on, &reason, act)
                    .map(|_| ())
                    .map_err(|why| match why.field.as_str() {
                        "outcome" => InvalidField::new("reason", why.message),
                        _ => why,
                    })
            });
            ("settled", outcome.await?)
        }
        "extend" => {
            let Some(due_on) = due_on else {
                return refused(InvalidField::new("due_on", "must not be empty")).await;
            };
            let outcome = carry_out(&app, &posted, customer.id, move |draft, act| {
                extension::extend(draft, &name, instalment.unwrap_or(1), due_on, &reason, act).map(|_| ())
            });
            ("extended", outcome.await?)
        }
        _ => return Err(PageError::BadField("form.itself")),
    };
    match outcome {
        Outcome::Done(_) => Ok(form::done(&address, done, "")),
        Outcome::Refused(why) => refused(why).await,
    }
}
