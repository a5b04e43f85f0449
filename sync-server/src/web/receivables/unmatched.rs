//! Money without a home: whose payer nobody knows, and what customers have paid that pays nothing yet.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use fieldledger_core::model::{
    Currency, Customer, CustomerId, InvalidField, InvalidMoney, LedgerRecord, Money, PaymentChannel,
    PaymentInstruction, Policy, RecordKind, UnidentifiedReceipt,
};

use super::{
    super::{
        customers::{
            list::{overview, visible},
            view::source_address,
        },
        error::PageError,
        form::{self, FormView, Outcome, Posted, Typed},
        format::{self, Moment},
        messages::Text,
        names::key,
        page::{Frame, Viewer, encoded, html},
        table::{Answer, Cell, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone},
    },
    act,
    suggest::{self, Candidate, Index, Reason},
    turned,
};
use crate::{
    ledger::{
        Actor,
        finance::{
            Act,
            unidentified::{self, NewUnidentified, Recorded},
        },
    },
    state::AppState,
    store::Requirement,
};

/// Receipts without a payer on a page.
const WAITING: usize = 50;

/// Money whose payer nobody knows.
struct Waiting {
    href: String,
    reference: String,
    valued_on: String,
    amount: String,
    payer: String,
    words: String,
    arrived: Moment,
    /// Whose it most likely is, and why.
    hint: Option<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "receivables_unmatched.html")]
struct UnmatchedPage {
    frame: Frame,
    done: Option<&'static str>,
    sees_money: bool,
    waiting: Vec<Waiting>,
    waiting_count: String,
    previous: Option<String>,
    next: Option<String>,
    form: FormView,
    table: TableView,
}

/// Why a customer is suggested, in words.
pub(super) fn reason(text: Text, reason: &Reason) -> String {
    match reason {
        Reason::Invoice(number) => text.fill("suggest.invoice", "number", number),
        Reason::Order(number) => text.fill("suggest.order", "number", number),
        Reason::SameName => text.t("suggest.same_name").to_owned(),
        Reason::PartOfName => text.t("suggest.part_of_name").to_owned(),
        Reason::Code => text.t("suggest.code").to_owned(),
        Reason::Amount { of: 0 | 1 } => text.t("suggest.amount").to_owned(),
        Reason::Amount { of } => text.fill("suggest.amount_of", "count", of),
        Reason::Whole => text.t("suggest.whole").to_owned(),
        Reason::Oldest => text.t("suggest.oldest").to_owned(),
    }
}

pub(super) fn reasons(text: Text, all: &[Reason]) -> String {
    let said: Vec<String> = all.iter().map(|it| reason(text, it)).collect();
    said.join("; ")
}

/// The page.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &sent, done, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    sent: &Sent,
    done: Option<&'static str>,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let overview = overview(app, viewer).await?;
    let sees_money = viewer.may_keep_books();
    let mut waiting = Vec::new();
    let mut all_waiting = 0;
    let (mut previous, mut next) = (None, None);
    if sees_money {
        let org = viewer.account.organisation;
        let mut receipts = app.store.waiting_money(org).await?;
        all_waiting = receipts.len();
        let start;
        (start, previous, next) = turned(sent, "waiting", all_waiting, WAITING)?;
        receipts = receipts.into_iter().skip(start).take(WAITING).collect();
        let numbers = receipts.iter().flat_map(suggest::quoted).collect();
        let named = app.store.customers_of_numbers(org, numbers).await?;
        let index = Index::new(visible(&overview, viewer).collect(), &receipts);
        for it in receipts {
            let best = index.candidates(&it, &named, false).into_iter().next();
            let hint = best.and_then(|it| {
                let customer = &overview.customer(it.what)?.customer;
                let href = format!("/customers/{}", customer.id);
                Some((href, customer.name.clone(), reasons(text, &it.reasons)))
            });
            waiting.push(shown(viewer, &it, hint));
        }
    }
    let spec = Spec::new(
        "unallocated",
        text.t("receivables.unallocated"),
        vec![
            Column::day("day", text.t("receivables.day")),
            Column::text("customer", text.t("record.customer")),
            Column::text("code", text.t("customers.code")),
            Column::text("source", text.t("receivables.source")),
            Column::text("kind", text.t("receivables.kind")),
            Column::money("left", text.t("receivables.left")),
            Column::text("certain", text.t("receivables.certain")),
        ],
    )
    .filter(Filter::search("q", text.t("customers.search")))
    .sorted_by("day", Direction::Ascending)
    .empty(text.t("receivables.unallocated_none"));
    let rows = visible(&overview, viewer)
        .flat_map(|standing| standing.unallocated.iter().map(move |it| (&standing.customer, it)))
        .map(|(customer, it)| {
            Row::new(vec![
                Cell::Day(it.posted_on),
                Cell::link(format!("/customers/{}", customer.id), &customer.name),
                Cell::text(&customer.code),
                Cell::link(source_address(customer, it.cash, &it.source), &it.source),
                Cell::text(text.t(if it.cash {
                    "receivables.receipt"
                } else {
                    "receivables.credit_note"
                })),
                Cell::Money(Money::new(it.amount, it.currency)),
                if it.cleared {
                    Cell::Mark(Tone::Good, text.t("record.yes").to_owned())
                } else {
                    Cell::Mark(Tone::Doubt, text.t("receivables.not_certain").to_owned())
                },
            ])
        })
        .collect();
    let table = match spec.answer(viewer, sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let today = overview.today.to_string();
    let refused = failed.is_some();
    let page = html(&UnmatchedPage {
        frame: viewer.frame("receivables"),
        done,
        sees_money,
        waiting,
        waiting_count: text.fill("receivables.waiting_count", "count", all_waiting),
        previous,
        next,
        form: match failed {
            Some((typed, why)) => FormView::refused(app, text, typed, &why),
            None => FormView::filled(
                app,
                &[("valued_on", today), ("currency", overview.currency.to_string())],
            ),
        },
        table,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

fn shown(viewer: &Viewer, it: &UnidentifiedReceipt, hint: Option<(String, String, String)>) -> Waiting {
    Waiting {
        href: format!("/receivables/unmatched/{}", encoded(&it.reference)),
        reference: it.reference.clone(),
        valued_on: it.valued_on.to_string(),
        amount: format::money(it.amount),
        payer: it.payer.clone(),
        words: it.text.clone(),
        arrived: Moment::new(it.arrived_at, viewer.zone),
        hint,
    }
}

pub(super) fn currency(typed: &Typed, name: &str) -> Result<Currency, InvalidField> {
    typed
        .get(name)
        .parse()
        .map_err(|error: InvalidMoney| InvalidField::new(name, error.to_string()))
}

/// Records money that nobody has recognised.
pub(super) async fn record(State(app): State<AppState>, posted: Posted) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    if !viewer.may_keep_books() {
        return Err(PageError::NotYourRole);
    }
    let (store, org) = (app.store.as_ref(), viewer.account.organisation);
    let profile = store.record(org, &key(RecordKind::Organisation, "self")).await?;
    let Some(LedgerRecord::Organisation(profile)) = profile.map(|it| it.record) else {
        return Err(PageError::NotFound);
    };
    let stored = store.record(org, &key(RecordKind::Policy, "self")).await?;
    let version = stored.as_ref().map(|it| it.version);
    let policy = match stored.map(|it| it.record) {
        Some(LedgerRecord::Policy(policy)) => policy,
        _ => Policy::default(),
    };
    let typed = &posted.typed;
    let read = || {
        Ok(NewUnidentified {
            reference: typed.get("reference").to_owned(),
            valued_on: typed.needed_day("valued_on")?,
            posted_on: None,
            amount: typed.money("amount", currency(typed, "currency")?)?,
            payer: typed.get("payer").to_owned(),
            text: typed.get("text").to_owned(),
        })
    };
    let (actor, now) = (Actor::from(viewer.account.user), app.clock.now());
    let change = read().and_then(|wish| {
        let (_, mut change) = unidentified::record(&profile, &policy, wish, Act { by: &actor, now })?;
        // The books may be closed between reading the policy and writing.
        change.requires.push(Requirement {
            key: key(RecordKind::Policy, "self"),
            version,
            otherwise: InvalidField::new("policy", "was changed at this moment; send the form again"),
        });
        Ok(change)
    });
    match posted.write(&app, change).await? {
        Outcome::Done(_) => Ok(form::done("/receivables/unmatched", "money_recorded", "")),
        Outcome::Refused(why) => page(&app, viewer, &Sent::default(), None, Some((typed, why))).await,
    }
}

/// A customer whose money it may be.
struct Suggested {
    id: String,
    href: String,
    code: String,
    name: String,
    reasons: String,
    /// What of theirs fits: invoice, due date, open.
    fits: Vec<String>,
}

#[derive(Template)]
#[template(path = "receivables_assign.html")]
struct AssignPage {
    frame: Frame,
    waiting: Waiting,
    suggested: Vec<Suggested>,
    channels: Vec<(&'static str, String)>,
    form: FormView,
}

/// The ways in which money comes, as forms name them.
pub(super) fn channels(text: Text) -> Vec<(&'static str, String)> {
    let name = |it: &'static str| (it, text.word("payment_channel", it));
    ["bank", "cheque", "cash", "wechat_pay", "alipay", "private_account"]
        .map(name)
        .to_vec()
}

pub(super) fn channel_named(name: &str) -> Result<PaymentChannel, InvalidField> {
    Ok(match name {
        "bank" => PaymentChannel::Bank,
        "cheque" => PaymentChannel::Cheque,
        "cash" => PaymentChannel::Cash,
        "wechat_pay" => PaymentChannel::WechatPay,
        "alipay" => PaymentChannel::Alipay,
        "private_account" => PaymentChannel::PrivateAccount,
        _ => return Err(InvalidField::new("channel", "choose how it was paid")),
    })
}

/// The money of this reference that still waits, with its version.
async fn waiting(app: &AppState, viewer: &Viewer, reference: &str) -> Result<(UnidentifiedReceipt, u64), PageError> {
    if !viewer.may_keep_books() {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let stored = app
        .store
        .record(org, &key(RecordKind::UnidentifiedReceipt, reference))
        .await?;
    match stored.map(|it| (it.record, it.version)) {
        Some((LedgerRecord::UnidentifiedReceipt(it), version)) => Ok((it, version)),
        _ => Err(PageError::NotFound),
    }
}

/// Money whose payer nobody knows, with whose it may be.
pub(super) async fn show_one(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(reference): Path<String>,
) -> Result<Response, PageError> {
    let (receipt, _) = waiting(&app, &viewer, &reference).await?;
    assign_page(&app, &viewer, &receipt, None).await
}

async fn assign_page(
    app: &AppState,
    viewer: &Viewer,
    receipt: &UnidentifiedReceipt,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let (org, text) = (viewer.account.organisation, viewer.text);
    let overview = overview(app, viewer).await?;
    let named = app.store.customers_of_numbers(org, suggest::quoted(receipt)).await?;
    let candidates = {
        let index = Index::new(visible(&overview, viewer).collect(), std::slice::from_ref(receipt));
        index.candidates(receipt, &named, true)
    };
    let mut suggested = Vec::new();
    for candidate in candidates {
        if let Some(standing) = overview.customer(candidate.what) {
            suggested.push(suggestion(app, viewer, &standing.customer, receipt, &candidate).await?);
        }
    }
    let refused = failed.is_some();
    let form = match failed {
        Some((typed, why)) => FormView::refused(app, text, typed, &why),
        None => {
            let best = suggested.first().map(|it| it.code.clone()).unwrap_or_default();
            FormView::filled(app, &[("customer", best), ("channel", "bank".to_owned())])
        }
    };
    let page = html(&AssignPage {
        frame: viewer.frame("receivables"),
        waiting: shown(viewer, receipt, None),
        suggested,
        channels: channels(text),
        form,
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

async fn suggestion(
    app: &AppState,
    viewer: &Viewer,
    customer: &Customer,
    receipt: &UnidentifiedReceipt,
    candidate: &Candidate<CustomerId>,
) -> Result<Suggested, PageError> {
    let text = viewer.text;
    let books = app.store.books_of(viewer.account.organisation, customer.id).await?;
    let today = app.clock.now().date_in(viewer.zone);
    let items = fieldledger_core::rules::books::open_items(&books.view(), today).unwrap_or_default();
    let fits = suggest::items(receipt.amount, Some(&receipt.text), &items);
    let fits = fits.iter().take(suggest::MOST).filter_map(|it| {
        let item = items.get(it.what)?;
        let due = item.due_on.map(|it| it.to_string()).unwrap_or_default();
        let open = format::money(Money::new(item.open(), item.currency));
        Some(format!(
            "{}/{} {due} {open} ({})",
            item.invoice_number,
            item.instalment,
            reasons(text, &it.reasons)
        ))
    });
    Ok(Suggested {
        id: customer.id.to_string(),
        href: format!("/customers/{}", customer.id),
        code: customer.code.clone(),
        name: customer.name.clone(),
        reasons: reasons(text, &candidate.reasons),
        fits: fits.collect(),
    })
}

/// Whose money it is: makes it a receipt of the customer, set against what is open.
pub(super) async fn assign(
    State(app): State<AppState>,
    Path(reference): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let (receipt, version) = waiting(&app, viewer, &reference).await?;
    let org = viewer.account.organisation;
    let typed = &posted.typed;
    let code = typed.get("customer");
    let mut found = app.store.customers_of_code(org, code).await?;
    if found.is_empty()
        && let Ok(id) = code.parse::<CustomerId>()
        && let Some(LedgerRecord::Customer(it)) = app
            .store
            .record(org, &key(RecordKind::Customer, id))
            .await?
            .map(|it| it.record)
    {
        found.push(it);
    }
    found.retain(|it| viewer.account.may_read(it.territory));
    let read = || {
        let customer = match found.as_slice() {
            [one] => one.clone(),
            [] => return Err(InvalidField::new("customer", "no customer has this number")),
            _ => {
                return Err(InvalidField::new(
                    "customer",
                    "several customers have this number; use the id",
                ));
            }
        };
        let channel = channel_named(typed.get("channel"))?;
        let wanted = typed.some("invoice").map(|number| PaymentInstruction {
            invoice_number: number.to_owned(),
            instalment: None,
            amount: None,
        });
        Ok((customer, channel, wanted.into_iter().collect::<Vec<_>>()))
    };
    let (customer, channel, wanted) = match read() {
        Ok(read) => read,
        Err(why) => return assign_page(&app, viewer, &receipt, Some((typed, why))).await,
    };
    let recorded = Recorded {
        record: receipt.clone(),
        version,
    };
    let outcome = act(&app, &posted, customer.id, move |draft, act| {
        unidentified::assign(draft, &recorded, channel, wanted, act).map(|_| ())
    })
    .await?;
    match outcome {
        Outcome::Done(_) => Ok(form::done(
            &source_address(&customer, true, &receipt.reference),
            "money_assigned",
            "",
        )),
        Outcome::Refused(why) => assign_page(&app, viewer, &receipt, Some((typed, why))).await,
    }
}
