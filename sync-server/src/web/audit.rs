//! The audit log: who did what, with the chain that shows whether anything was changed afterwards. For administrators.

use askama::Template;
use axum::{extract::State, response::Response};
use chrono::NaiveDate;
use fieldledger_core::model::Timestamp;

use super::{
    error::PageError,
    messages::Text,
    page::{Frame, Viewer, html},
    people::{names_by_id, require_administrator},
    table::{Answer, Cell, Choice, Column, Filter, Row, Sent, Spec, TableView},
};
use crate::{
    state::AppState,
    store::{AuditCheck, AuditEntry, AuditFilter, BrokenChain},
};

/// Lines whose chain is checked whenever the page is read; all of a longer log on demand.
const CHECKED_ALWAYS: u64 = 10_000;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    /// Whether the chain is whole, and what is said of it.
    chain: (bool, String),
    head: String,
    /// Where the whole log is checked; `None` when it just was.
    check_all: Option<String>,
    table: TableView,
}

/// The log.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    require_administrator(&viewer)?;
    let text = viewer.text;
    let org = viewer.account.organisation;
    let people = names_by_id(&app, &viewer).await?;
    let actions = app.store.audit_actions(org).await?;
    let mut actors: Vec<Choice> = people.iter().map(|(id, name)| Choice::new(id, name)).collect();
    actors.sort_by(|a, b| a.text.cmp(&b.text));
    actors.extend(["operator", "link", "rules", "schedule"].map(|name| Choice::new(name, text.word("actor", name))));
    let spec = Spec::new(
        "audit",
        text.t("audit.title"),
        vec![
            Column::number("line", text.t("audit.line")).unsorted(),
            Column::moment("at", text.t("audit.at")).unsorted(),
            Column::text("who", text.t("audit.who")).unsorted(),
            Column::text("action", text.t("audit.action")).unsorted(),
            Column::text("subject", text.t("audit.subject")).unsorted(),
            Column::text("detail", text.t("audit.detail")).unsorted(),
        ],
    )
    .filter(Filter::text("q", text.t("audit.search")))
    .filter(Filter::choice(
        "action",
        text.t("audit.action"),
        actions
            .iter()
            .map(|it| Choice::new(it, text.word("audit_action", it)))
            .collect(),
    ))
    .filter(Filter::choice("actor", text.t("audit.who"), actors))
    .filter(Filter::day("from", text.t("audit.from")))
    .filter(Filter::day("to", text.t("audit.to")))
    .empty(text.t("audit.none"))
    .rows(100);
    let wanted = spec.wanted(&sent);
    let day = |name, label| {
        let day: Option<NaiveDate> = sent.parsed(name, label)?;
        Ok::<_, PageError>(day)
    };
    let until = day("to", "audit.to")?.and_then(|it| it.succ_opt());
    let filter = AuditFilter {
        actor: sent.value("actor").map(str::to_owned),
        action: sent.value("action").map(str::to_owned),
        text: sent.value("q").unwrap_or_default().to_owned(),
        from: day("from", "audit.from")?.map(|it| Timestamp::midnight(it, viewer.zone)),
        to: until.map(|it| Timestamp::midnight(it, viewer.zone)),
        skip: wanted.from as u64,
        limit: u32::try_from(wanted.limit).unwrap_or(u32::MAX),
    };
    let found = app.store.audit_lines(org, &filter).await?;
    let rows = found
        .lines
        .into_iter()
        .map(|it| {
            let AuditEntry {
                at,
                actor,
                action,
                subject,
                detail,
            } = it.entry;
            let who = people
                .get(&actor)
                .cloned()
                .unwrap_or_else(|| text.word("actor", &actor));
            let record = ["delivery.", "review."].iter().any(|it| action.starts_with(it));
            let subject = match people.get(&subject) {
                Some(name) => Cell::text(name),
                None if record => Cell::link(format!("/records/{subject}"), subject),
                None => Cell::text(subject),
            };
            Row::new(vec![
                Cell::count(it.seq),
                Cell::Moment(at),
                Cell::text(who),
                Cell::text(text.word("audit_action", &action)),
                subject,
                Cell::text(detail),
            ])
            .id(format!("line-{}", it.seq))
        })
        .collect();
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    let table = match spec.answer_from_store(&viewer, &sent, rows, total).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    let newest = (!sent.is_set("check")).then_some(CHECKED_ALWAYS);
    let check = app.store.check_audit_log(org, newest).await?;
    html(&AuditPage {
        frame: viewer.frame("audit"),
        check_all: (check.from > 1).then(|| sent.address_with(&[("check", "all")])),
        head: hex(&check.head),
        chain: (check.broken.is_none(), sentence(text, &check)),
        table,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn sentence(text: Text, check: &AuditCheck) -> String {
    match check.broken {
        None if check.from > 1 => text
            .fill("audit.whole_newest", "count", check.checked)
            .replace("{from}", &check.from.to_string()),
        None => text.fill("audit.whole", "count", check.checked),
        Some(BrokenChain::Changed(line)) => text.fill("audit.changed", "line", line),
        Some(BrokenChain::Missing(line)) => text.fill("audit.missing", "line", line),
        Some(BrokenChain::CutOff(last, meant)) => text
            .fill("audit.cut_off", "last", last)
            .replace("{meant}", &meant.to_string()),
        Some(BrokenChain::NoEnd(last)) => text.fill("audit.no_end", "last", last),
    }
}
