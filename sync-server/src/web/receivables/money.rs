//! A customer's open items, receipts and credit notes, all of them; money that comes is registered here.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::{
    model::{Customer, InvalidField, Money, PaymentChannel, PaymentInstruction},
    rules::books::{CustomerBooks, open_items},
};
use rust_decimal::Decimal;

use super::{
    super::{
        customers::{
            self,
            view::{invoice_address, source_address},
        },
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        page::{Frame, Viewer, html, parsed},
        table::{Answer, Cell, Column, Direction, Row, Sent, Spec, TableView, Tone},
    },
    act, bookkeeping,
    unmatched::{channel_named, channels, currency},
};
use crate::{
    ledger::finance::receipt::{self, NewReceipt},
    state::AppState,
    store::CustomerLedger,
};

#[derive(Template)]
#[template(path = "customer_money.html")]
struct MoneyPage {
    frame: Frame,
    done: Option<&'static str>,
    id: String,
    name: String,
    code: String,
    problem: Option<String>,
    keeps_books: bool,
    items: TableView,
    sources: TableView,
    channels: Vec<(&'static str, String)>,
    form: FormView,
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
    page(&app, &viewer, &customer, &sent, done, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    customer: &Customer,
    sent: &Sent,
    done: Option<&'static str>,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let ledger = customers::ledger(app, viewer, customer.id).await?;
    let today = app.clock.now().date_in(viewer.zone);
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let (items, problem) = match open_items(&books, today) {
        Ok(items) => (items, None),
        Err(error) => (Vec::new(), Some(form::refused(text, error))),
    };
    let spec = Spec::new(
        "items",
        text.t("customer.items"),
        vec![
            Column::text("invoice", text.t("customer.invoice")),
            Column::number("instalment", text.t("receivables.instalment")),
            Column::text("order", text.t("customer.order")),
            Column::day("due", text.t("customer.due")),
            Column::number("days", text.t("customer.days_late")),
            Column::money("amount", text.t("customer.amount")),
            Column::money("open", text.t("receivables.open")),
            Column::number("level", text.t("customer.level")),
            Column::text("marks", text.t("customers.marks")).unsorted(),
        ],
    )
    .named()
    .sorted_by("due", Direction::Ascending)
    .empty(text.t("customer.items_none"));
    let rows = items
        .iter()
        .map(|it| {
            let mut marks = Vec::new();
            for (is, key) in [
                (it.disputed, "customer.disputed"),
                (it.retention, "customer.retention"),
                (it.original_due_on != it.due_on, "customer.extended"),
            ] {
                if is {
                    marks.push((Tone::Doubt, text.t(key).to_owned()));
                }
            }
            Row::new(vec![
                Cell::link(invoice_address(customer, &it.invoice_number), &it.invoice_number),
                Cell::count(it.instalment),
                Cell::text(it.order_number.clone().unwrap_or_default()),
                Cell::of(it.due_on, Cell::Day),
                Cell::of(it.days_late(today).filter(|days| *days > 0), Cell::count),
                Cell::Money(Money::new(it.amount, it.currency)),
                Cell::Money(Money::new(it.open(), it.currency)),
                Cell::count(it.dunning_level),
                Cell::Marks(marks),
            ])
        })
        .collect();
    let items = match spec.answer(viewer, sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let sources = match sources(viewer, sent, &ledger).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let refused = failed.is_some();
    let page = html(&MoneyPage {
        frame: viewer.frame("customers"),
        done,
        id: customer.id.to_string(),
        name: customer.name.clone(),
        code: customer.code.clone(),
        problem,
        keeps_books: viewer.may_keep_books(),
        items,
        sources,
        channels: channels(text),
        form: match failed {
            Some((typed, why)) => FormView::refused(app, text, typed, &why),
            None => FormView::filled(
                app,
                &[
                    ("valued_on", today.to_string()),
                    ("currency", ledger.organisation.currency.to_string()),
                    ("channel", "bank".to_owned()),
                    ("cleared", "1".to_owned()),
                ],
            ),
        },
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

/// Receipts and credit notes, the newest first.
async fn sources(viewer: &Viewer, sent: &Sent, ledger: &CustomerLedger) -> Result<Answer, PageError> {
    let text = viewer.text;
    let customer = &ledger.customer;
    let spec = Spec::new(
        "sources",
        text.t("receivables.receipts_and_notes"),
        vec![
            Column::day("day", text.t("receivables.valued_on")),
            Column::text("source", text.t("receivables.reference")),
            Column::text("kind", text.t("receivables.kind")),
            Column::money("amount", text.t("customer.amount")),
            Column::money("left", text.t("receivables.left")),
            Column::text("state", text.t("credit.state")),
            Column::text("pays", text.t("receivables.pays")),
        ],
    )
    .named()
    .sorted_by("day", Direction::Descending)
    .empty(text.t("receivables.no_money"));
    let left = |amount: Money, allocations: &[fieldledger_core::model::Allocation], pays: bool| {
        let running = allocations.iter().filter(|it| it.reversed_on.is_none());
        let taken: Decimal = running.map(fieldledger_core::model::Allocation::taken).sum();
        let left = if pays { amount.amount - taken } else { Decimal::ZERO };
        Cell::Money(Money::new(left, amount.currency))
    };
    let receipts = ledger.receipts.iter().map(|it| {
        let state = match (it.bounced_on, it.cleared_on) {
            (Some(day), _) => Cell::Mark(Tone::Alert, text.fill("receivables.returned_on", "day", day)),
            (None, Some(_)) => Cell::Mark(Tone::Good, text.t("receivables.cleared").to_owned()),
            (None, None) => Cell::Mark(Tone::Doubt, text.t("receivables.not_certain").to_owned()),
        };
        Row::new(vec![
            Cell::Day(it.valued_on),
            Cell::link(source_address(customer, true, &it.reference), &it.reference),
            Cell::text(text.t("receivables.receipt")),
            Cell::Money(it.amount),
            left(it.amount, &it.allocations, it.bounced_on.is_none()),
            state,
            Cell::text(it.pays.clone().unwrap_or_default()),
        ])
    });
    let notes = ledger.credit_notes.iter().map(|it| {
        Row::new(vec![
            Cell::Day(it.credited_on),
            Cell::link(source_address(customer, false, &it.number), &it.number),
            Cell::text(text.t("receivables.credit_note")),
            Cell::Money(it.amount),
            left(it.amount, &it.allocations, true),
            Cell::Mark(Tone::Good, text.t("receivables.cleared").to_owned()),
            Cell::text(it.invoice_number.clone().unwrap_or_default()),
        ])
    });
    spec.answer(viewer, sent, receipts.chain(notes).collect()).await
}

/// Registers money of the customer and sets it against what is open.
pub(super) async fn register(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let customer = bookkeeping(&app, &posted, &id).await?;
    let typed = &posted.typed;
    let now = app.clock.now();
    let read = || {
        let channel = channel_named(typed.get("channel"))?;
        let cleared = typed.some("cleared").is_some();
        if cleared && channel == PaymentChannel::Cheque {
            return Err(InvalidField::new(
                "cleared",
                "a cheque is certain only once it has cleared",
            ));
        }
        let wanted = typed.some("invoice").map(|number| PaymentInstruction {
            invoice_number: number.to_owned(),
            instalment: None,
            amount: None,
        });
        Ok(NewReceipt {
            reference: typed.get("reference").to_owned(),
            valued_on: typed.needed_day("valued_on")?,
            posted_on: typed.day("posted_on")?,
            amount: typed.money("amount", currency(typed, "currency")?)?,
            cleared,
            channel,
            pays: typed.some("pays").map(str::to_owned),
            instructions: wanted.into_iter().collect(),
            arrived_at: now,
        })
    };
    let refused = |why| async {
        page(
            &app,
            &posted.viewer,
            &customer,
            &Sent::default(),
            None,
            Some((typed, why)),
        )
        .await
    };
    let wish = match read() {
        Ok(wish) => wish,
        Err(why) => return refused(why).await,
    };
    let address = source_address(&customer, true, &wish.reference);
    let outcome = act(&app, &posted, customer.id, move |draft, act| {
        receipt::register(draft, wish, act).map(|_| ())
    })
    .await?;
    match outcome {
        Outcome::Done(_) => Ok(form::done(&address, "receipt_registered", "")),
        Outcome::Refused(why) => refused(why).await,
    }
}
