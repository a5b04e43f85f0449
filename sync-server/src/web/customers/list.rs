//! The customers of the reader's territories: found, sorted, exported.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use fieldledger_core::model::{CreditGrade, CreditLimit, Money, TerritoryId, UserId};
use rust_decimal::Decimal;

use super::super::{
    error::PageError,
    names::Names,
    page::{Frame, Viewer, html},
    table::{self, Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone},
};
use crate::{
    overview::{Overview, Standing, Stop},
    state::AppState,
};

/// Lines on a page.
const PAGE: usize = 100;

#[derive(Template)]
#[template(path = "customers.html")]
struct CustomersPage {
    frame: Frame,
    table: TableView,
}

/// What every customer of the reader comes to. Whoever asks is told everything that was written before.
pub(in crate::web) async fn overview(app: &AppState, viewer: &Viewer) -> Result<Arc<Overview>, PageError> {
    let today = app.clock.now().date_in(viewer.zone);
    let org = viewer.account.organisation;
    Ok(app.overviews.of(app.store.as_ref(), org, today).await?)
}

/// The standings that the reader may know of.
pub(in crate::web) fn visible<'o>(overview: &'o Overview, viewer: &'o Viewer) -> impl Iterator<Item = &'o Standing> {
    let all = overview.customers().map(Arc::as_ref);
    all.filter(|it| viewer.account.may_read(it.customer.territory))
}

/// The part of a list that the page asked for. A page beyond the end is the last one, as the table says.
pub(in crate::web) fn part<T>(items: Vec<T>, wanted: table::Wanted) -> Vec<T> {
    let last = items.len().saturating_sub(1) / wanted.limit.max(1);
    let from = wanted.from.min(last * wanted.limit);
    items.into_iter().skip(from).take(wanted.limit).collect()
}

/// The territories to choose from.
pub(in crate::web) fn territories(names: &Names, viewer: &Viewer) -> Vec<Choice> {
    let all = names.territories_of(&viewer.account).into_iter();
    all.map(|(id, name)| Choice::new(id.to_string(), name)).collect()
}

/// The reps to choose from.
pub(in crate::web) fn reps(names: &Names, viewer: &Viewer) -> Vec<Choice> {
    let all = names.field_people_of(&viewer.account).into_iter();
    all.map(|(id, name)| Choice::new(id.to_string(), name)).collect()
}

/// What customers are narrowed to.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Narrowed {
    words: Vec<String>,
    territory: Option<TerritoryId>,
    rep: Option<UserId>,
}

impl Narrowed {
    /// Reads search, territory and rep from the address.
    pub(in crate::web) fn of(sent: &Sent, viewer: &Viewer) -> Result<Self, PageError> {
        let territory: Option<TerritoryId> = sent.parsed("territory", "feed.territory")?;
        if territory.is_some_and(|it| !viewer.account.may_read(it)) {
            return Err(PageError::NotFound);
        }
        let words = sent.value("q").unwrap_or_default().to_lowercase();
        Ok(Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            territory,
            rep: sent.parsed("rep", "feed.rep")?,
        })
    }

    /// Whether whole territories are asked for, and which.
    pub(in crate::web) fn territories(&self) -> Option<impl Fn(TerritoryId) -> bool> {
        let territory = self.territory;
        let whole = self.words.is_empty() && self.rep.is_none();
        whole.then_some(move |it| territory.is_none_or(|wanted| wanted == it))
    }

    pub(in crate::web) fn fits(&self, it: &Standing) -> bool {
        self.territory
            .is_none_or(|territory| territory == it.customer.territory)
            && self.rep.is_none_or(|rep| it.customer.rep == Some(rep))
            && self.words.iter().all(|word| it.searched.contains(word))
    }
}

/// The list.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let narrowed = Narrowed::of(&sent, &viewer)?;
    let grade = match sent.value("grade") {
        None => None,
        Some("none") => Some(None),
        Some(name) => Some(Some(grade_named(name).ok_or(PageError::BadField("customer.grade"))?)),
    };
    let overview = overview(&app, &viewer).await?;
    let mut names = Names::load(store, org).await?;
    let spec = Spec::new(
        "customers",
        text.t("customers.title"),
        vec![
            Column::text("name", text.t("customers.name")),
            Column::text("code", text.t("customers.code")),
            Column::text("grade", text.t("customer.grade")),
            Column::money("limit", text.t("customer.limit")),
            Column::money("exposure", text.t("customer.exposure")),
            Column::number("used", text.t("customer.used")),
            Column::money("overdue", text.t("customer.overdue")),
            Column::number("days", text.t("customers.oldest")),
            // What a supervisor looks for comes before the telephone list.
            Column::text("marks", text.t("customers.marks")).unsorted(),
            Column::text("contact", text.t("customers.contact")),
            Column::text("phone", text.t("customers.phone")).unsorted(),
            Column::text("rep", text.t("customers.rep")),
            Column::text("territory", text.t("customers.territory")),
            Column::moment("as_of", text.t("customer.as_of")),
        ],
    )
    .filter(Filter::text("q", text.t("customers.search")))
    .filter(Filter::choice(
        "territory",
        text.t("customers.territory"),
        territories(&names, &viewer),
    ))
    .filter(Filter::choice("rep", text.t("customers.rep"), reps(&names, &viewer)))
    .filter(Filter::choice(
        "grade",
        text.t("customer.grade"),
        ["A", "B", "C", "D"]
            .map(|it| Choice::new(it, it))
            .into_iter()
            .chain([Choice::new("none", text.t("customer.grade_none"))])
            .collect(),
    ))
    .filter(Filter::check("late", text.t("customers.only_overdue")))
    .filter(Filter::check("held", text.t("customers.only_held")))
    .sorted_by("name", Direction::Ascending)
    .rows(PAGE)
    .empty(text.t("customers.none"));
    let (late, held) = (sent.is_set("late"), sent.is_set("held"));
    let mut found: Vec<&Standing> = visible(&overview, &viewer)
        .filter(|it| narrowed.fits(it))
        .filter(|it| grade.is_none_or(|grade| it.credit.and_then(|it| it.grade) == grade))
        .filter(|it| !late || it.overdue.amount.amount > Decimal::ZERO)
        .filter(|it| !held || it.credit.is_some_and(|it| it.on_hold) || it.stop == Some(Stop::Stopped))
        .collect();
    names
        .add_people(store, org, found.iter().filter_map(|it| it.customer.rep))
        .await?;
    let wanted = spec.wanted(&sent);
    sort(&mut found, &names, wanted.sort);
    let total = found.len();
    let rows = part(found, wanted)
        .into_iter()
        .map(|it| row(&viewer, &names, it))
        .collect();
    let table = match spec.answer_from_store(&viewer, &sent, rows, total).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    html(&CustomersPage {
        frame: viewer.frame("customers"),
        table,
    })
}

fn grade_named(name: &str) -> Option<CreditGrade> {
    use CreditGrade::{A, B, C, D};
    [("A", A), ("B", B), ("C", C), ("D", D)]
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, grade)| grade)
}

fn limit(it: &Standing) -> Option<Money> {
    match it.credit?.limit {
        CreditLimit::Limited(limit) => Some(limit),
        CreditLimit::NoLimit => None,
    }
}

/// Exposure in per cent of the limit; `None` where that says nothing.
fn used(it: &Standing) -> Option<Decimal> {
    super::view::share(it.credit?.exposure?, limit(it)?)
}

fn overdue(it: &Standing) -> Option<Money> {
    Some(it.overdue.amount).filter(|it| it.amount > Decimal::ZERO)
}

/// By one column, then by name and id; what has no value comes last either way.
fn sort(found: &mut [&Standing], names: &Names, by: Option<(&'static str, Direction)>) {
    let (key, direction) = by.unwrap_or(("name", Direction::Ascending));
    let money = |it: Option<Money>| it.map(|it| (it.currency, it.amount));
    // Looked up once for each, and not for each comparison.
    let (mut reps, mut territories) = (HashMap::new(), HashMap::new());
    for it in found.iter() {
        if let Some(rep) = it.customer.rep {
            reps.entry(rep).or_insert_with(|| names.person(rep));
        }
        let territory = it.customer.territory;
        territories
            .entry(territory)
            .or_insert_with(|| names.territory(territory));
    }
    let order = |a: &Standing, b: &Standing| -> (bool, bool, Ordering) {
        fn of<T: Ord>(a: Option<T>, b: Option<T>) -> (bool, bool, Ordering) {
            (a.is_none(), b.is_none(), a.cmp(&b))
        }
        match key {
            "code" => of(Some(&a.customer.code), Some(&b.customer.code)),
            "grade" => of(a.credit.and_then(|it| it.grade), b.credit.and_then(|it| it.grade)),
            "limit" => of(money(limit(a)), money(limit(b))),
            "exposure" => of(
                money(a.credit.and_then(|it| it.exposure)),
                money(b.credit.and_then(|it| it.exposure)),
            ),
            "used" => of(used(a), used(b)),
            "overdue" => of(money(overdue(a)), money(overdue(b))),
            "days" => of(
                overdue(a).map(|_| a.overdue.oldest_days),
                overdue(b).map(|_| b.overdue.oldest_days),
            ),
            "contact" => of(filled(&a.customer.contact), filled(&b.customer.contact)),
            "rep" => of(
                a.customer.rep.and_then(|it| reps.get(&it)),
                b.customer.rep.and_then(|it| reps.get(&it)),
            ),
            "territory" => of(
                territories.get(&a.customer.territory),
                territories.get(&b.customer.territory),
            ),
            "as_of" => of(a.credit.map(|it| it.as_of), b.credit.map(|it| it.as_of)),
            // In lower case, as the beginning of what is searched.
            _ => of(Some(&a.searched), Some(&b.searched)),
        }
    };
    found.sort_by(|a, b| {
        let by_key = match order(a, b) {
            (true, true, _) => Ordering::Equal,
            (true, false, _) => Ordering::Greater,
            (false, true, _) => Ordering::Less,
            (false, false, order) if direction == Direction::Descending => order.reverse(),
            (false, false, order) => order,
        };
        by_key.then_with(|| (&a.searched, a.customer.id).cmp(&(&b.searched, b.customer.id)))
    });
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|it| !it.trim().is_empty())
}

fn row(viewer: &Viewer, names: &Names, it: &Standing) -> Row {
    let text = viewer.text;
    let customer = &it.customer;
    let credit = it.credit;
    let mut marks = Vec::new();
    if credit.is_some_and(|it| it.on_hold) {
        marks.push((Tone::Alert, text.t("customer.on_hold").to_owned()));
    }
    if used(it).is_some_and(|it| it > Decimal::ONE_HUNDRED) {
        marks.push((Tone::Alert, text.t("credit.above").to_owned()));
    }
    match it.stop {
        Some(Stop::Proposed) => marks.push((Tone::Doubt, text.t("customers.stop_proposed").to_owned())),
        Some(Stop::Stopped) => marks.push((Tone::Alert, text.t("customers.stopped").to_owned())),
        None => {}
    }
    if it.problem.is_some() {
        marks.push((Tone::Alert, text.t("customers.contradictory").to_owned()));
    }
    if it.unconverted.is_some() {
        marks.push((Tone::Doubt, text.t("customers.no_rate").to_owned()));
    }
    Row::new(vec![
        Cell::link(format!("/customers/{}", customer.id), &customer.name),
        Cell::text(&customer.code),
        Cell::of(credit.and_then(|it| it.grade), |it| Cell::text(format!("{it:?}"))),
        match credit.map(|it| it.limit) {
            Some(CreditLimit::Limited(limit)) => Cell::Money(limit),
            Some(CreditLimit::NoLimit) => Cell::text(text.t("customer.no_limit")),
            None => Cell::Nothing,
        },
        Cell::of(credit.and_then(|it| it.exposure), Cell::Money),
        Cell::of(used(it), Cell::Share),
        Cell::of(overdue(it), Cell::Money),
        Cell::of(overdue(it), |_| Cell::count(it.overdue.oldest_days)),
        Cell::Marks(marks),
        Cell::text(&customer.contact),
        Cell::text(&customer.phone),
        Cell::of(customer.rep, |rep| Cell::text(names.person(rep))),
        Cell::text(names.territory(customer.territory)),
        Cell::of(credit, |it| Cell::Moment(it.as_of)),
    ])
    .id(format!("customer-{}", customer.id))
}
