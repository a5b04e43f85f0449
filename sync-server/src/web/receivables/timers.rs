//! The three timers of money that came: finance tells sales, sales tells the customer, the receipt or invoice goes out.

use askama::Template;
use axum::{extract::State, response::Response};
use fieldledger_core::{
    model::{LedgerRecord, Policy, Receipt, RecordKind, TimerPolicy, Timestamp},
    rules::timers::{ReceiptTimer, TimerState, receipt_timers},
};
use rust_decimal::Decimal;

use super::{
    super::{
        customers::view::source_address,
        error::PageError,
        format,
        messages::Text,
        names::key,
        page::{Frame, Viewer, html},
        table::{Answer, Cell, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone, read_parts},
    },
    ageing::rounded,
};
use crate::{state::AppState, store::ListPart};

/// Receipts of which is told how many were in time.
const RECENT: u32 = 500;

/// How a timer was kept of late.
struct Kept {
    what: String,
    met: usize,
    missed: usize,
    running: usize,
    share: String,
}

#[derive(Template)]
#[template(path = "receivables_timers.html")]
struct TimersPage {
    frame: Frame,
    lead: String,
    kept: Vec<Kept>,
    recent: String,
    table: TableView,
}

/// What a timer is about, with the time it allows.
pub(super) fn name(text: Text, timer: ReceiptTimer, policy: &TimerPolicy) -> String {
    match timer {
        ReceiptTimer::TellSales => text.fill("timer.tell_sales", "minutes", policy.tell_sales_minutes),
        ReceiptTimer::TellCustomer => text.fill("timer.tell_customer", "minutes", policy.tell_customer_minutes),
        ReceiptTimer::SendDocument => text.fill("timer.send_document", "hours", policy.send_document_hours),
    }
}

/// How a timer stands, in words, and whether that is a failure.
pub(super) fn words(text: Text, state: TimerState) -> (String, bool) {
    let time = |millis: i64| format::duration(text, millis.unsigned_abs());
    match state {
        TimerState::NotStarted => (text.t("timer.not_started").to_owned(), false),
        TimerState::Running { left, .. } => (text.fill("timer.running", "time", time(left)), false),
        TimerState::Met { took } => (text.fill("timer.met", "time", time(took)), false),
        TimerState::Missed { took: None, over } => (text.fill("timer.late", "time", time(over)), true),
        TimerState::Missed { over, .. } => (text.fill("timer.was_late", "time", time(over)), true),
    }
}

fn cell(text: Text, state: TimerState) -> Cell {
    match (words(text, state), state) {
        ((word, _), TimerState::NotStarted) => Cell::text(word),
        ((word, false), TimerState::Met { .. }) => Cell::Mark(Tone::Good, word),
        ((word, false), _) => Cell::text(word),
        ((word, true), state) if state.is_late_and_open() => Cell::Mark(Tone::Alert, word),
        ((word, true), _) => Cell::Mark(Tone::Doubt, word),
    }
}

/// The page.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let policy = match store
        .record(org, &key(RecordKind::Policy, "self"))
        .await?
        .map(|it| it.record)
    {
        Some(LedgerRecord::Policy(policy)) => policy.timers,
        _ => Policy::default().timers,
    };
    let now = app.clock.now();
    let open = !sent.is_set("all");
    let spec = Spec::new(
        "timers",
        text.t("receivables.timers"),
        vec![
            Column::moment("arrived", text.t("receivables.arrived")),
            Column::text("customer", text.t("record.customer")).unsorted(),
            Column::text("receipt", text.t("receivables.receipt")).unsorted(),
            Column::money("amount", text.t("customer.amount")).unsorted(),
            Column::text("tell_sales", name(text, ReceiptTimer::TellSales, &policy)).unsorted(),
            Column::text("tell_customer", name(text, ReceiptTimer::TellCustomer, &policy)).unsorted(),
            Column::text("send_document", name(text, ReceiptTimer::SendDocument, &policy)).unsorted(),
        ],
    )
    .filter(Filter::check("all", text.t("timer.all")))
    .sorted_by(
        "arrived",
        if open {
            Direction::Ascending
        } else {
            Direction::Descending
        },
    )
    .empty(text.t("timer.none"));
    let wanted = spec.wanted(&sent);
    let territories = viewer.account.territory_filter();
    let newest_first = matches!(wanted.sort, Some((_, Direction::Descending)));
    let listed = read_parts(wanted, |part| {
        store.timed_receipts(org, territories.clone(), open, newest_first, part)
    })
    .await?;
    let recent = ListPart { from: 0, limit: RECENT };
    let recent = store.timed_receipts(org, territories, false, true, recent).await?;
    let rows = listed
        .rows
        .iter()
        .filter(|(_, customer)| viewer.account.may_read(customer.territory))
        .map(|(it, customer)| {
            let mut cells = vec![
                Cell::of(it.arrived_at, Cell::Moment),
                Cell::link(format!("/customers/{}", customer.id), &customer.name),
                Cell::link(source_address(customer, true, &it.reference), &it.reference),
                Cell::Money(it.amount),
            ];
            cells.extend(receipt_timers(it, &policy, now).map(|(_, state)| cell(text, state)));
            Row::new(cells).id(format!("timers-{}", it.key()))
        })
        .collect();
    let total = usize::try_from(listed.total).unwrap_or(usize::MAX);
    let table = match spec.answer_from_store(&viewer, &sent, rows, total).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let receipts: Vec<&Receipt> = recent
        .rows
        .iter()
        .filter(|(_, customer)| viewer.account.may_read(customer.territory))
        .map(|(it, _)| it)
        .collect();
    html(&TimersPage {
        frame: viewer.frame("receivables"),
        lead: text.t("timer.lead").to_owned(),
        kept: kept(text, &receipts, &policy, now),
        recent: text.fill("timer.recent", "count", receipts.len()),
        table,
    })
}

fn kept(text: Text, receipts: &[&Receipt], policy: &TimerPolicy, now: Timestamp) -> Vec<Kept> {
    let mut counts = [(0, 0, 0); 3];
    for it in receipts {
        for ((met, missed, running), (_, state)) in counts.iter_mut().zip(receipt_timers(it, policy, now)) {
            match state {
                TimerState::Met { .. } => *met += 1,
                TimerState::Missed { .. } => *missed += 1,
                TimerState::Running { .. } => *running += 1,
                TimerState::NotStarted => {}
            }
        }
    }
    let timers = [
        ReceiptTimer::TellSales,
        ReceiptTimer::TellCustomer,
        ReceiptTimer::SendDocument,
    ];
    timers
        .into_iter()
        .zip(counts)
        .map(|(timer, (met, missed, running))| {
            // Of those that are over: what still runs says nothing yet.
            let share = Decimal::from(met as u64)
                .checked_mul(Decimal::ONE_HUNDRED)
                .and_then(|it| it.checked_div(Decimal::from((met + missed) as u64)));
            Kept {
                what: name(text, timer, policy),
                met,
                missed,
                running,
                share: share.map_or_else(
                    || text.t("receivables.not_available").to_owned(),
                    |it| format!("{} %", format::amount(rounded(it), 2)),
                ),
            }
        })
        .collect()
}
