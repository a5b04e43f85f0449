//! Statements of account: which were issued, what was answered, and links for customers' contacts.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::Engine as _;
use fieldledger_core::model::{
    Customer, CustomerId, InvalidField, LedgerRecord, RecordKind, Statement, StatementId, StatementLineKind,
    StatementVerdict,
};
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        customers::{self, owed::Owed},
        error::PageError,
        form::{self, FormView, Posted, Typed},
        format::{self, Moment},
        names::{Names, key},
        page::{Frame, Viewer, html, parsed},
        table::{Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone, read_parts},
    },
    act_as_administration,
};
use crate::{
    auth::hash_secret,
    ledger::statements,
    state::AppState,
    store::{StatementOrder, StatementSearch, StatementStanding, Step},
};

#[derive(Template)]
#[template(path = "receivables_list.html")]
struct StatementsPage {
    frame: Frame,
    here: &'static str,
    title: &'static str,
    lead: String,
    problem: Option<String>,
    table: TableView,
}

/// How statements stand, as it is written in the address.
const STANDINGS: [(&str, StatementStanding); 3] = [
    ("unsent", StatementStanding::Unsent),
    ("unanswered", StatementStanding::Unanswered),
    ("disputed", StatementStanding::Disputed),
];

/// The list.
pub(super) async fn list(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let text = viewer.text;
    let standings = STANDINGS.map(|(name, _)| Choice::new(name, text.word("statement_standing", name)));
    let spec = Spec::new(
        "statements",
        text.t("receivables.statements"),
        vec![
            Column::moment("issued", text.t("receivables.issued")),
            Column::text("customer", text.t("record.customer")),
            Column::text("code", text.t("customers.code")).unsorted(),
            Column::text("period", text.t("receivables.period")),
            Column::money("closing", text.t("statement.closing")).unsorted(),
            Column::number("lines", text.t("receivables.lines")).unsorted(),
            Column::number("confirmed", text.t("receivables.confirmed_of")).unsorted(),
            Column::number("disputed", text.t("receivables.disputed")).unsorted(),
            Column::text("state", text.t("credit.state")).unsorted(),
        ],
    )
    .filter(Filter::text("customer", text.t("receivables.customer_or_number")))
    .filter(Filter::choice("standing", text.t("credit.state"), standings.into()))
    .sorted_by("issued", Direction::Descending)
    .empty(text.t("customer.statements_none"));
    let wanted = spec.wanted(&sent);
    let standing = match sent.value("standing") {
        Some(name) => {
            let known = STANDINGS.iter().find(|(known, _)| *known == name);
            Some(known.ok_or(PageError::BadField("credit.state"))?.1)
        }
        None => None,
    };
    let customer = sent
        .value("customer")
        .map(|it| it.parse::<CustomerId>().map_err(|_| it));
    let search = StatementSearch {
        customer: customer.and_then(Result::ok),
        text: customer.and_then(Result::err).map(str::to_owned),
        standing,
        order: match wanted.sort {
            Some(("issued", Direction::Ascending)) => StatementOrder::Oldest,
            Some(("customer", Direction::Ascending)) => StatementOrder::Customer,
            Some(("customer", Direction::Descending)) => StatementOrder::CustomerDescending,
            Some(("period", Direction::Ascending)) => StatementOrder::Period,
            Some(("period", Direction::Descending)) => StatementOrder::PeriodDescending,
            _ => StatementOrder::Newest,
        },
    };
    let org = viewer.account.organisation;
    let territories = viewer.account.territory_filter();
    let listed = read_parts(wanted, |part| {
        app.store
            .issued_statements(org, territories.clone(), search.clone(), part)
    })
    .await?;
    let rows = listed
        .rows
        .iter()
        .filter(|(_, customer)| viewer.account.may_read(customer.territory))
        .map(|(it, customer)| row(&viewer, it, customer))
        .collect();
    let total = usize::try_from(listed.total).unwrap_or(usize::MAX);
    let table = match spec.answer_from_store(&viewer, &sent, rows, total).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    html(&StatementsPage {
        frame: viewer.frame("receivables"),
        here: "statements",
        title: text.t("receivables.statements"),
        lead: text.t("receivables.statements_lead").to_owned(),
        problem: None,
        table,
    })
}

fn count(it: &Statement, verdict: StatementVerdict) -> usize {
    it.answers.values().filter(|answer| answer.verdict == verdict).count()
}

fn row(viewer: &Viewer, it: &Statement, customer: &Customer) -> Row {
    let text = viewer.text;
    let (confirmed, disputed) = (
        count(it, StatementVerdict::Confirmed),
        count(it, StatementVerdict::Disputed),
    );
    let period = text
        .fill("statement.period", "from", it.from)
        .replace("{to}", &it.to.to_string());
    Row::new(vec![
        Cell::Moment(it.issued_at),
        Cell::link(format!("/customers/{}", customer.id), &customer.name),
        Cell::text(&customer.code),
        Cell::link(format!("/receivables/statements/{}", it.id), period),
        Cell::Money(it.closing),
        Cell::count(it.lines.len() as u64),
        Cell::count(confirmed as u64),
        Cell::count(disputed as u64),
        if disputed > 0 {
            Cell::Mark(Tone::Alert, text.t("receivables.disputed").to_owned())
        } else if confirmed == it.lines.len() {
            Cell::Mark(Tone::Good, text.t("statement.confirmed").to_owned())
        } else {
            Cell::Mark(Tone::Doubt, text.t("receivables.unanswered").to_owned())
        },
    ])
    .id(format!("statement-{}", it.id))
}

/// A line of a statement.
pub(in crate::web) struct Line {
    pub(in crate::web) no: u32,
    pub(in crate::web) on: String,
    pub(in crate::web) what: &'static str,
    pub(in crate::web) document: String,
    pub(in crate::web) order: String,
    pub(in crate::web) products: Vec<String>,
    pub(in crate::web) debit: String,
    pub(in crate::web) credit: String,
    pub(in crate::web) balance: String,
    /// Verdict, whether it is a dispute, by whom, when, remark.
    pub(in crate::web) answer: Option<(&'static str, bool, String, Moment, String)>,
}

struct Link {
    contact: String,
    made: Moment,
    expires: Moment,
    state: (&'static str, String),
}

#[derive(Template)]
#[template(path = "receivables_statement.html")]
struct StatementPage {
    frame: Frame,
    done: Option<&'static str>,
    id: String,
    customer: String,
    customer_name: String,
    customer_code: String,
    customer_address: String,
    period: String,
    /// The last day of the period: what is owed is owed at its end.
    as_of: String,
    issued: Moment,
    issued_by: String,
    corrects: Option<String>,
    opening: String,
    closing: String,
    lines: Vec<Line>,
    owed: Option<Owed>,
    links: Vec<Link>,
    any_valid: bool,
    keeps_books: bool,
    /// A link that has just been made: shown once.
    fresh: Option<String>,
    form: FormView,
    revoke: FormView,
}

/// The statement, when the reader may know of it.
async fn known(app: &AppState, viewer: &Viewer, id: &str) -> Result<(Statement, Customer), PageError> {
    let id: StatementId = parsed(id)?;
    let org = viewer.account.organisation;
    let stored = app.store.record(org, &key(RecordKind::Statement, id)).await?;
    let Some(LedgerRecord::Statement(statement)) = stored.map(|it| it.record) else {
        return Err(PageError::NotFound);
    };
    let customer = customers::known(app, viewer, statement.customer).await?;
    Ok((statement, customer))
}

/// A statement with its answers and links.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let (statement, customer) = known(&app, &viewer, &id).await?;
    let done = sent.value("done").and_then(|it| viewer.text.known_word("done", it));
    page(&app, &viewer, &statement, &customer, done, None, None).await
}

async fn page(
    app: &AppState,
    viewer: &Viewer,
    statement: &Statement,
    customer: &Customer,
    done: Option<&'static str>,
    fresh: Option<String>,
    failed: Option<(&Typed, InvalidField)>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let mut names = Names::load(store, org).await?;
    names.add_people(store, org, statement.by).await?;
    let lines = lines(app, viewer, &mut names, statement).await?;
    let books = store.books_of(org, statement.customer).await?;
    let owed = Owed::on(text, &books.view(), statement.to, statement.closing);
    let now = app.clock.now();
    let stored = store.statement_links(org, statement.id).await?;
    let any_valid = stored.iter().any(|it| it.is_valid(now));
    let links = stored
        .iter()
        .rev()
        .map(|it| Link {
            contact: it.contact.clone(),
            made: Moment::new(it.made_at, viewer.zone),
            expires: Moment::new(it.expires_at, viewer.zone),
            state: match it.revoked_at {
                Some(at) => (
                    "doubt",
                    text.fill("receivables.link_revoked", "when", Moment::new(at, viewer.zone).shown),
                ),
                None if it.is_valid(now) => ("good", text.t("receivables.link_valid").to_owned()),
                None => ("doubt", text.t("receivables.link_over").to_owned()),
            },
        })
        .collect();
    let refused = failed.is_some();
    let page = html(&StatementPage {
        frame: viewer.frame("receivables"),
        done,
        id: statement.id.to_string(),
        customer: format!("/customers/{}", customer.id),
        customer_name: customer.name.clone(),
        customer_code: customer.code.clone(),
        customer_address: customer.address.clone(),
        as_of: statement.to.to_string(),
        period: text
            .fill("statement.period", "from", statement.from)
            .replace("{to}", &statement.to.to_string()),
        issued: Moment::new(statement.issued_at, viewer.zone),
        issued_by: statement
            .by
            .map_or_else(|| text.t("receivables.by_schedule").to_owned(), |by| names.person(by)),
        corrects: statement.corrects.map(|it| format!("/receivables/statements/{it}")),
        opening: format::money(statement.opening),
        closing: format::money(statement.closing),
        lines,
        owed,
        links,
        any_valid,
        keeps_books: viewer.may_keep_books(),
        fresh,
        form: match &failed {
            Some((typed, why)) => FormView::refused(app, text, typed, why),
            None => FormView::filled(app, &[("contact", customer.contact.clone()), ("days", "14".to_owned())]),
        },
        revoke: FormView::fresh(app),
    })?;
    Ok(if refused {
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    } else {
        page
    })
}

/// The lines of a statement.
pub(in crate::web) async fn lines(
    app: &AppState,
    viewer: &Viewer,
    names: &mut Names,
    statement: &Statement,
) -> Result<Vec<Line>, PageError> {
    let products: Vec<_> = statement
        .lines
        .iter()
        .flat_map(|it| it.products.iter().map(|it| it.product))
        .collect();
    let org = viewer.account.organisation;
    names.add_products(app.store.as_ref(), org, products).await?;
    let lines = statement.lines.iter();
    Ok(lines.map(|it| line(viewer, names, statement, it)).collect())
}

fn line(viewer: &Viewer, names: &Names, statement: &Statement, it: &fieldledger_core::model::StatementLine) -> Line {
    let text = viewer.text;
    let digits = statement.closing.currency.minor_digits();
    let unless_zero = |amount: rust_decimal::Decimal| {
        if amount.is_zero() {
            String::new()
        } else {
            format::amount(amount, digits)
        }
    };
    Line {
        no: it.no,
        on: it.on.to_string(),
        what: text.t(match it.kind {
            StatementLineKind::Invoice => "statement.invoice",
            StatementLineKind::Charge => "statement.charge",
            StatementLineKind::CreditNote => "statement.credit_note",
            StatementLineKind::Receipt => "statement.receipt",
            StatementLineKind::Returned => "statement.returned",
        }),
        document: it.document.clone(),
        order: it.order_number.clone().unwrap_or_default(),
        products: it
            .products
            .iter()
            .map(|it| {
                let (name, quantity) = (names.product_name(it.product), format::quantity(it.quantity));
                format!("{name}: {quantity} × {}", format::amount(it.unit_price, digits))
            })
            .collect(),
        debit: unless_zero(it.debit),
        credit: unless_zero(it.credit),
        balance: format::amount(it.balance, digits),
        answer: statement.answers.get(&it.no).map(|answer| {
            let disputed = answer.verdict == StatementVerdict::Disputed;
            let word = text.t(if disputed {
                "statement.disputed"
            } else {
                "statement.confirmed"
            });
            let at = Moment::new(answer.at, viewer.zone);
            (word, disputed, answer.by.clone(), at, answer.remark.clone())
        }),
    }
}

/// Makes a link and shows it once. Its secret follows from that of the form, which nobody else has: a form that is sent
/// twice makes one link.
pub(super) async fn make_link(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let (statement, customer) = known(&app, viewer, &id).await?;
    if !viewer.may_keep_books() {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let typed = &posted.typed;
    let digest = Sha256::new()
        .chain_update(b"fieldledger link to a statement\0")
        .chain_update(posted.secret().ok_or(PageError::BadField("form.itself"))?)
        .chain_update(statement.id.as_bytes())
        .finalize();
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let read = || {
        let days = typed.count("days")?;
        let days = days.ok_or_else(|| InvalidField::new("days", "must not be empty"))?;
        statements::link(org, &statement, typed.get("contact"), days, &secret, app.clock.now())
    };
    let link = match read() {
        Ok(link) => link,
        Err(why) => return page(&app, viewer, &statement, &customer, None, None, Some((typed, why))).await,
    };
    if app.store.statement_link(&hash_secret(&secret)).await?.is_none() {
        let detail = format!("for {} until {}", link.contact, link.expires_at);
        let steps = vec![Step::PutStatementLink(link)];
        act_as_administration(&app, viewer, steps, "statement.link_made", statement.id, detail).await?;
    }
    let address = format!("{}/s/{secret}", app.config.base_url());
    let done = viewer.text.known_word("done", "link_made");
    page(&app, viewer, &statement, &customer, done, Some(address), None).await
}

/// Takes every link to a statement back.
pub(super) async fn revoke_links(
    State(app): State<AppState>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let viewer = &posted.viewer;
    let (statement, _) = known(&app, viewer, &id).await?;
    if !viewer.may_keep_books() {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let now = app.clock.now();
    let links = app.store.statement_links(org, statement.id).await?;
    // Sent twice, or taken back by somebody else meanwhile: that is what was asked for.
    if links.iter().any(|it| it.revoked_at.is_none()) {
        let valid = links.iter().filter(|it| it.is_valid(now)).count();
        let steps = vec![Step::RevokeStatementLinks(statement.id)];
        let detail = format!("{valid} valid");
        act_as_administration(&app, viewer, steps, "statement.links_revoked", statement.id, detail).await?;
    }
    Ok(form::done(
        &format!("/receivables/statements/{}", statement.id),
        "links_revoked",
        "links",
    ))
}
