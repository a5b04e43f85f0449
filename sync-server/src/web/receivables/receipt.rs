//! A receipt or a credit note: what it pays and why, what it may pay; allocated by the rules or by hand, reversed, cleared,
//! returned.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{Allocation, Customer, InvalidField, Money, PaymentInstruction},
    rules::{
        books::{CustomerBooks, open_items, unallocated},
        timers::{self, TimerState},
    },
};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    super::{
        customers::{
            self,
            view::{invoice_address, source_address},
        },
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format,
        messages::Text,
        names::Names,
        page::{Frame, Viewer, html, parsed},
        record::{Field, Shown},
        table::Sent,
    },
    act, bookkeeping, suggest, timers as timer_words,
    unmatched::reasons,
};
use crate::{
    ledger::{
        collecting,
        finance::{
            allocation::{self, Payer, Source},
            receipt,
        },
    },
    state::AppState,
    store::CustomerLedger,
};

/// Open items that are offered: the likeliest first, then those due first.
const MOST_ITEMS: usize = 100;

struct AllocationRow {
    place: usize,
    href: String,
    number: String,
    instalment: u32,
    part: String,
    amount: String,
    taken: String,
    posted_on: String,
    basis: String,
    by: String,
    reversed: Option<(String, String)>,
}

struct Offer {
    id: String,
    value: String,
    href: String,
    number: String,
    instalment: u32,
    due: String,
    open: String,
    reasons: String,
    picked: bool,
    amount: String,
}

struct Timer {
    what: String,
    state: Shown,
}

#[derive(Template)]
#[template(path = "customer_receipt.html")]
struct ReceiptPage {
    frame: Frame,
    done: Option<&'static str>,
    action: String,
    customer: String,
    customer_name: String,
    title: String,
    name: String,
    facts: Vec<Field>,
    left: String,
    has_left: bool,
    keeps_books: bool,
    allocations: Vec<AllocationRow>,
    running: bool,
    offers: Vec<Offer>,
    is_receipt: bool,
    may_clear: bool,
    may_return: bool,
    may_send: bool,
    timers: Vec<Timer>,
    form: FormView,
    which: String,
}

/// A receipt.
pub(super) async fn show_receipt(
    State(app): State<AppState>,
    viewer: Viewer,
    Path((id, name)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, PageError> {
    let customer = customers::known(&app, &viewer, parsed(&id)?).await?;
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &customer, &Payer::Receipt(name), done, None).await
}

/// A credit note.
pub(super) async fn show_note(
    State(app): State<AppState>,
    viewer: Viewer,
    Path((id, name)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, PageError> {
    let customer = customers::known(&app, &viewer, parsed(&id)?).await?;
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &customer, &Payer::CreditNote(name), done, None).await
}

fn find(ledger: &CustomerLedger, payer: &Payer) -> Option<Source> {
    match payer {
        Payer::Receipt(name) => {
            let found = ledger.receipts.iter().find(|it| it.reference == *name);
            found.cloned().map(Source::Receipt)
        }
        Payer::CreditNote(name) => {
            let found = ledger.credit_notes.iter().find(|it| it.number == *name);
            found.cloned().map(Source::CreditNote)
        }
    }
}

fn word(text: Text, section: &str, value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    text.word(section, name)
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    customer: &Customer,
    payer: &Payer,
    done: Option<&'static str>,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let ledger = customers::ledger(app, viewer, customer.id).await?;
    let source = find(&ledger, payer).ok_or(PageError::NotFound)?;
    let now = app.clock.now();
    let today = now.date_in(viewer.zone);
    let mut names = Names::load(store, org).await?;
    let people: Vec<_> = source.allocations().iter().filter_map(|it| it.by).collect();
    names.add_people(store, org, people).await?;
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let is_receipt = matches!(source, Source::Receipt(_));
    let currency = source.amount().currency;
    let (left, problem) = match unallocated(&books, today) {
        Ok(all) => {
            let own = all
                .iter()
                .find(|it| it.cash == is_receipt && it.source == source.name());
            (own.map_or(Decimal::ZERO, |it| it.amount), None)
        }
        Err(error) => (Decimal::ZERO, Some(form::refused(text, error))),
    };
    let left = Money::new(left, currency);
    let pays = match &source {
        Source::Receipt(it) => it.pays.clone(),
        Source::CreditNote(it) => it.invoice_number.clone(),
    };
    let form = match &failed {
        Some((typed, why)) => FormView::refused(app, text, typed, why),
        None => FormView::fresh(app),
    };
    let offers = if left.amount > Decimal::ZERO && viewer.may_keep_books() {
        let items = open_items(&books, today).unwrap_or_default();
        offers(viewer, customer, &items, left, pays.as_deref(), &form)
    } else {
        Vec::new()
    };
    let running = source.allocations().iter().any(|it| it.reversed_on.is_none());
    let (may_clear, may_return, may_send, timer_rows) = match &source {
        Source::Receipt(it) => (
            it.cleared_on.is_none() && it.bounced_on.is_none(),
            it.bounced_on.is_none(),
            it.document_sent_at.is_none(),
            timers_of(viewer, &ledger, it, now),
        ),
        Source::CreditNote(_) => (false, false, false, Vec::new()),
    };
    let mut facts = facts(viewer, &source);
    if let Some(problem) = problem {
        facts.push(Field {
            label: text.t("customers.contradictory").to_owned(),
            value: Shown::Doubt(problem),
            remarks: Vec::new(),
        });
    }
    let refused = failed.is_some();
    let which = failed.as_ref().map_or("", |(typed, _)| typed.get("action")).to_owned();
    let page = html(&ReceiptPage {
        frame: viewer.frame("customers"),
        done,
        action: source_address(customer, is_receipt, source.name()),
        customer: format!("/customers/{}", customer.id),
        customer_name: customer.name.clone(),
        title: text
            .t(if is_receipt {
                "receivables.receipt"
            } else {
                "receivables.credit_note"
            })
            .to_owned(),
        name: source.name().to_owned(),
        facts,
        left: format::money(left),
        has_left: left.amount > Decimal::ZERO,
        keeps_books: viewer.may_keep_books(),
        allocations: (1..)
            .zip(source.allocations())
            .map(|(place, it)| allocation_row(viewer, &names, customer, &ledger, currency, place, it))
            .collect(),
        running,
        offers,
        is_receipt,
        may_clear,
        may_return,
        may_send,
        timers: timer_rows,
        form,
        which,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

fn facts(viewer: &Viewer, source: &Source) -> Vec<Field> {
    let text = viewer.text;
    let field = |key: &'static str, value: String| Field {
        label: text.t(key).to_owned(),
        value: if value.trim().is_empty() {
            Shown::Nothing
        } else {
            Shown::Text(value)
        },
        remarks: Vec::new(),
    };
    let day = |day: Option<chrono::NaiveDate>| day.map(|it| it.to_string()).unwrap_or_default();
    match source {
        Source::Receipt(it) => vec![
            field("customer.amount", format::money(it.amount)),
            field("receivables.valued_on", it.valued_on.to_string()),
            field("receivables.posted_on", day(it.posted_on)),
            field("receivables.cleared_on", day(it.cleared_on)),
            field("receivables.bounced_on", day(it.bounced_on)),
            field(
                "receivables.channel",
                match &it.channel {
                    fieldledger_core::model::PaymentChannel::Other(name) => name.clone(),
                    known => word(text, "payment_channel", known),
                },
            ),
            field("receivables.pays", it.pays.clone().unwrap_or_default()),
        ],
        Source::CreditNote(it) => vec![
            field("customer.amount", format::money(it.amount)),
            field("receivables.valued_on", it.credited_on.to_string()),
            field("receivables.posted_on", day(it.posted_on)),
            field("receivables.corrects", it.invoice_number.clone().unwrap_or_default()),
            field("credit.reason", it.reason.clone()),
        ],
    }
}

fn allocation_row(
    viewer: &Viewer,
    names: &Names,
    customer: &Customer,
    ledger: &CustomerLedger,
    currency: fieldledger_core::model::Currency,
    place: usize,
    it: &Allocation,
) -> AllocationRow {
    let text = viewer.text;
    let invoice = ledger.invoices.iter().find(|known| known.number == it.invoice_number);
    let paid_in = invoice.map_or(currency, |it| it.amount.currency);
    AllocationRow {
        place,
        href: invoice_address(customer, &it.invoice_number),
        number: it.invoice_number.clone(),
        instalment: it.instalment,
        part: word(text, "allocation_part", &it.part),
        amount: format::money(Money::new(it.amount, paid_in)),
        taken: format::money(Money::new(it.taken(), currency)),
        posted_on: it.posted_on.to_string(),
        basis: word(text, "allocation_basis", &it.basis),
        by: it
            .by
            .map_or_else(|| text.t("credit.by_rules").to_owned(), |by| names.person(by)),
        reversed: it.reversed_on.map(|day| (day.to_string(), it.reversal_reason.clone())),
    }
}

/// The open items that the money may pay: those that something speaks for first.
fn offers(
    viewer: &Viewer,
    customer: &Customer,
    items: &[fieldledger_core::rules::books::OpenItem],
    left: Money,
    pays: Option<&str>,
    form: &FormView,
) -> Vec<Offer> {
    let suggested = suggest::items(left, pays, items);
    let order: Vec<usize> = suggested
        .iter()
        .map(|it| it.what)
        .chain((0..items.len()).filter(|at| suggested.iter().all(|it| it.what != *at)))
        .take(MOST_ITEMS)
        .collect();
    order
        .into_iter()
        .enumerate()
        .filter_map(|(place, at)| {
            let item = items.get(at)?;
            let why = suggested.iter().find(|it| it.what == at);
            let value = format!("{}|{}", item.instalment, item.invoice_number);
            Some(Offer {
                id: format!("offer-{place}"),
                href: invoice_address(customer, &item.invoice_number),
                number: item.invoice_number.clone(),
                instalment: item.instalment,
                due: item.due_on.map(|it| it.to_string()).unwrap_or_default(),
                open: format::money(Money::new(item.open(), item.currency)),
                reasons: why.map(|it| reasons(viewer.text, &it.reasons)).unwrap_or_default(),
                picked: form.is("pick", &value),
                amount: form.value(format!("amount-{value}")).to_owned(),
                value,
            })
        })
        .collect()
}

fn timers_of(
    viewer: &Viewer,
    ledger: &CustomerLedger,
    receipt: &fieldledger_core::model::Receipt,
    now: fieldledger_core::model::Timestamp,
) -> Vec<Timer> {
    timers::receipt_timers(receipt, &ledger.policy.timers, now)
        .into_iter()
        .filter(|(_, state)| *state != TimerState::NotStarted)
        .map(|(timer, state)| Timer {
            what: timer_words::name(viewer.text, timer, &ledger.policy.timers),
            state: match timer_words::words(viewer.text, state) {
                (word, true) => Shown::Doubt(word),
                (word, false) => Shown::Text(word),
            },
        })
        .collect()
}

/// Something is done to a receipt.
pub(super) async fn act_on_receipt(
    State(app): State<AppState>,
    Path((id, name)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    do_it(&app, &posted, &customer, Payer::Receipt(name)).await
}

/// Something is done to a credit note.
pub(super) async fn act_on_note(
    State(app): State<AppState>,
    Path((id, name)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    do_it(&app, &posted, &customer, Payer::CreditNote(name)).await
}

/// What is to be paid, as it was ticked.
fn wanted(typed: &Typed) -> Result<Vec<PaymentInstruction>, InvalidField> {
    typed
        .all("pick")
        .map(|value| {
            let (no, number) = value
                .split_once('|')
                .ok_or_else(|| InvalidField::new("allocations", "say what is to be paid"))?;
            let no = no
                .parse()
                .map_err(|_| InvalidField::new("allocations", "say what is to be paid"))?;
            let amount = typed
                .amount(&format!("amount-{value}"))
                .map_err(|why| InvalidField::new("allocations.amount", format!("invoice {number}: {}", why.message)))?;
            Ok(PaymentInstruction {
                invoice_number: number.to_owned(),
                instalment: Some(no),
                amount,
            })
        })
        .collect()
}

async fn do_it(app: &AppState, posted: &Posted, customer: &Customer, payer: Payer) -> Result<Response, PageError> {
    let typed = &posted.typed;
    let (is_receipt, name) = match &payer {
        Payer::Receipt(name) => (true, name.clone()),
        Payer::CreditNote(name) => (false, name.clone()),
    };
    let refused = |why: InvalidField| {
        let payer = payer.clone();
        async move { page(app, &posted.viewer, customer, &payer, None, Some((typed, why))).await }
    };
    let (source, now, by) = (payer.clone(), app.clock.now(), posted.viewer.account.user);
    let (done, outcome) = match typed.get("action") {
        "rules" => {
            let outcome = act(app, posted, customer.id, move |draft, act| {
                allocation::by_rules(draft, &source, act).map(|_| ())
            });
            ("allocated", outcome.await?)
        }
        "hand" => {
            let wanted = match wanted(typed) {
                Ok(wanted) => wanted,
                Err(why) => return refused(why).await,
            };
            let outcome = act(app, posted, customer.id, move |draft, act| {
                allocation::by_hand(draft, &source, &wanted, act).map(|_| ())
            });
            ("allocated", outcome.await?)
        }
        "reverse" => {
            let places: Result<Vec<u32>, _> = typed.all("place").map(str::parse).collect();
            let (places, on) = match (places, typed.day("on")) {
                (Ok(places), Ok(on)) => (places, on),
                (_, Err(why)) => return refused(why).await,
                (Err(_), _) => return Err(PageError::BadField("form.itself")),
            };
            let reason = typed.get("reason").to_owned();
            let outcome = act(app, posted, customer.id, move |draft, act| {
                allocation::reverse(draft, &source, &places, on, &reason, act).map(|_| ())
            });
            ("reversed", outcome.await?)
        }
        "clear" if is_receipt => {
            let on = match typed.day("cleared_on") {
                Ok(on) => on,
                Err(why) => return refused(why).await,
            };
            let name = name.clone();
            let outcome = act(app, posted, customer.id, move |draft, act| {
                receipt::clear(draft, &name, on, act).map(|_| ())
            });
            ("receipt_cleared", outcome.await?)
        }
        "return" if is_receipt => {
            let on = match typed.day("bounced_on") {
                Ok(on) => on,
                Err(why) => return refused(why).await,
            };
            let (name, reason) = (name.clone(), typed.get("reason").to_owned());
            let outcome = act(app, posted, customer.id, move |draft, act| {
                receipt::returned(draft, &name, on, &reason, act).map(|_| ())
            });
            ("receipt_returned", outcome.await?)
        }
        "sent" if is_receipt => {
            let name = name.clone();
            let outcome = posted.decide(app, customer.id, move |ledger| {
                collecting::document_sent(ledger, &name, by, now)
            });
            ("document_sent", outcome.await?)
        }
        _ => return Err(PageError::BadField("form.itself")),
    };
    match outcome {
        Outcome::Done(_) => Ok(form::done(&source_address(customer, is_receipt, &name), done, "")),
        Outcome::Refused(why) => refused(why).await,
    }
}
