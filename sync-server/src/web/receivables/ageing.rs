//! What is owed and for how long, by customer, territory and rep; DSO and CEI over time.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use fieldledger_core::{
    model::{Currency, Customer, InvalidMoney, Money, OrganisationId, TerritoryId},
    rules::ageing::{Ageing, AgeingRow, Bucket},
};
use rust_decimal::{Decimal, RoundingStrategy};

use super::super::{
    chart::Chart,
    customers::{
        list::{Narrowed, overview, part, reps, territories, visible},
        view::bucket_names,
    },
    error::PageError,
    format,
    fresh::Fresh,
    messages::Text,
    names::Names,
    page::{Frame, Viewer, html},
    table::{Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Wanted},
};
use crate::{
    overview::{History, Overview, PointFigures, Standing, sum},
    state::AppState,
};

/// Names that are told when books contradict themselves.
const MOST_NAMED: usize = 10;

/// A headline.
struct Figure {
    id: &'static str,
    label: String,
    value: String,
}

#[derive(Template)]
#[template(path = "receivables.html")]
struct ReceivablesPage {
    frame: Frame,
    told: Arc<Receivables>,
}

/// Who is shown the same: company, territories, language, and what they ask for.
type Key = (OrganisationId, Option<Vec<TerritoryId>>, &'static str, String);

/// What was added up, for those who ask next while nobody's books have changed.
#[derive(Default)]
pub(crate) struct ReceivablesCache(Fresh<Key, Receivables>);

/// What the page says beside its frame.
struct Receivables {
    as_of: String,
    figures: Vec<Figure>,
    problems: Option<String>,
    ageing: Option<String>,
    dso: Option<String>,
    cei: Option<String>,
    table: TableView,
    history: TableView,
}

fn overflow(error: InvalidMoney) -> PageError {
    tracing::error!(%error, "the receivables cannot be added up");
    PageError::Internal
}

/// A figure with two decimals, half-up, as the reports give it.
pub(super) fn rounded(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn figure(text: Text, value: Option<Decimal>) -> String {
    value.map_or_else(
        || text.t("receivables.not_available").to_owned(),
        |it| format::amount(rounded(it), 2),
    )
}

/// The page.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let overview = overview(&app, &viewer).await?;
    if ["format.ageing", "format.history"].iter().any(|it| sent.is_set(it))
        && let Read::File(file) = read(&app, &viewer, &sent, &overview).await?
    {
        return Ok(file);
    }
    let mut scope = viewer.account.territory_filter();
    if let Some(scope) = &mut scope {
        scope.sort_unstable();
    }
    let org = viewer.account.organisation;
    let key = (org, scope, viewer.text.0.tag(), sent.address_with(&[]));
    let reading = async {
        match read(&app, &viewer, &sent, &overview).await? {
            Read::Shown(told) => Ok(*told),
            // Asked for above.
            Read::File(_) => Err(PageError::Internal),
        }
    };
    let told = app.receivables.0.get(|| overview.version(), key, reading).await?;
    html(&ReceivablesPage {
        frame: viewer.frame("receivables"),
        told,
    })
}

/// A file that was asked for, or what the page says.
enum Read {
    File(Response),
    Shown(Box<Receivables>),
}

async fn read(app: &AppState, viewer: &Viewer, sent: &Sent, overview: &Overview) -> Result<Read, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let narrowed = Narrowed::of(sent, viewer)?;
    let mut names = Names::load(store, org).await?;
    let counted: Vec<&Standing> = visible(overview, viewer).filter(|it| narrowed.fits(it)).collect();
    let reps_of: Vec<_> = counted.iter().filter_map(|it| it.customer.rep).collect();
    names.add_people(store, org, reps_of).await?;
    let mut whole = Ageing::new(overview.today);
    for it in &counted {
        whole.merge(&it.ageing).map_err(overflow)?;
    }
    let history: Result<History, _> = match narrowed.territories() {
        Some(wanted) => overview.history_within(|it| viewer.account.may_read(it) && wanted(it)),
        None => sum(counted.iter().copied()),
    };
    let history = history.map_err(overflow)?;
    let currencies: Vec<Currency> = whole.rows().map(|(currency, _)| currency).collect();
    let asked: Option<Currency> = sent.parsed("currency", "table.currency")?;
    let currency = asked
        .or_else(|| currencies.iter().copied().find(|it| *it == overview.currency))
        .or_else(|| currencies.first().copied())
        .unwrap_or(overview.currency);
    let by = sent.value("by").unwrap_or("customer").to_owned();
    let table = match table(viewer, sent, &names, &by, &counted, (&currencies, currency), &whole).await? {
        Answer::File(file) => return Ok(Read::File(file)),
        Answer::Shown(table) => table,
    };
    let none = Vec::new();
    let points = history.get(&currency).unwrap_or(&none);
    let history = match history_table(viewer, sent, overview, currency, points).await? {
        Answer::File(file) => return Ok(Read::File(file)),
        Answer::Shown(table) => table,
    };
    let row = whole.row(currency);
    Ok(Read::Shown(Box::new(Receivables {
        as_of: text.fill("receivables.as_of", "day", overview.today),
        figures: headlines(text, currency, &row, points),
        problems: problems(text, &counted),
        ageing: chart_of_ageing(text, currency, &row)?,
        dso: chart_of_dso(text, overview, points)?,
        cei: chart_of_cei(text, overview, points)?,
        table,
        history,
    })))
}

fn headlines(text: Text, currency: Currency, row: &AgeingRow, points: &[PointFigures]) -> Vec<Figure> {
    let money = |amount: Decimal| format::money(Money::new(amount, currency));
    let overdue = row.open() - row.in_bucket(Bucket::NotDue);
    let share = overdue
        .checked_div(row.open())
        .and_then(|it| it.checked_mul(Decimal::ONE_HUNDRED));
    let mut figures = vec![
        Figure {
            id: "open",
            label: text.t("receivables.open").to_owned(),
            value: money(row.open()),
        },
        Figure {
            id: "overdue",
            label: text.t("receivables.overdue").to_owned(),
            value: money(overdue),
        },
        Figure {
            id: "overdue-share",
            label: text.t("receivables.overdue_share").to_owned(),
            value: share.map_or_else(
                || text.t("receivables.not_available").to_owned(),
                |it| format!("{} %", format::amount(rounded(it), 2)),
            ),
        },
        Figure {
            id: "credits",
            label: text.t("receivables.credits").to_owned(),
            value: money(row.credits()),
        },
    ];
    if let [.., before, now] = points {
        for (id, key, value) in [
            ("dso", "receivables.dso", now.dso()),
            ("best-dso", "receivables.best_dso", now.best_possible_dso()),
            ("days-delinquent", "receivables.delinquent", now.days_delinquent()),
            ("cei", "receivables.cei", now.collection_effectiveness(before)),
        ] {
            figures.push(Figure {
                id,
                label: text.t(key).to_owned(),
                value: figure(text, value),
            });
        }
    }
    figures
}

fn problems(text: Text, counted: &[&Standing]) -> Option<String> {
    let named: Vec<&str> = counted
        .iter()
        .filter(|it| it.problem.is_some())
        .map(|it| it.customer.code.as_str())
        .collect();
    if named.is_empty() {
        return None;
    }
    let mut shown = named.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    if named.len() > MOST_NAMED {
        shown.push_str(", …");
    }
    let said = text.fill("receivables.contradictory", "count", named.len());
    Some(said.replace("{customers}", &shown))
}

/// A line of the table: whose, in one currency.
struct Line<'s> {
    name: Cow<'s, str>,
    /// Of the customer that it is about; none for a group.
    customer: Option<&'s Customer>,
    currency: Currency,
    row: AgeingRow,
}

impl Line<'_> {
    fn code(&self) -> &str {
        self.customer.map_or("", |it| &it.code)
    }
}

async fn table(
    viewer: &Viewer,
    sent: &Sent,
    names: &Names,
    by: &str,
    counted: &[&Standing],
    currencies: (&[Currency], Currency),
    whole: &Ageing,
) -> Result<Answer, PageError> {
    let (currencies, shown) = currencies;
    let text = viewer.text;
    let by_customer = !matches!(by, "territory" | "rep");
    let [not_due, to_30, to_60, to_90, to_120, over] = bucket_names(text);
    let mut columns = vec![Column::text(
        "name",
        text.t(match by {
            "territory" => "customers.territory",
            "rep" => "customers.rep",
            _ => "record.customer",
        }),
    )];
    if by_customer {
        columns.extend([
            Column::text("code", text.t("customers.code")),
            Column::text("rep", text.t("customers.rep")),
            Column::text("territory", text.t("customers.territory")),
        ]);
    }
    columns.extend([
        Column::money("not_due", not_due),
        Column::money("to30", to_30),
        Column::money("to60", to_60),
        Column::money("to90", to_90),
        Column::money("to120", to_120),
        Column::money("over", over),
        Column::money("open", text.t("receivables.open")),
        Column::money("credits", text.t("receivables.credits")),
        Column::money("balance", text.t("receivables.balance")),
    ]);
    let mut spec = Spec::new("ageing", text.t("receivables.ageing"), columns)
        .named()
        .filter(Filter::text("q", text.t("customers.search")))
        .filter(Filter::one_of(
            "by",
            text.t("receivables.by"),
            vec![
                Choice::new("customer", text.t("record.customer")),
                Choice::new("territory", text.t("customers.territory")),
                Choice::new("rep", text.t("customers.rep")),
            ],
            "customer",
        ))
        .filter(Filter::choice(
            "territory",
            text.t("customers.territory"),
            territories(names, viewer),
        ))
        .filter(Filter::choice("rep", text.t("customers.rep"), reps(names, viewer)))
        .sorted_by("balance", Direction::Descending)
        .empty(text.t("receivables.none"));
    if currencies.len() > 1 {
        let choices = currencies.iter().map(|it| Choice::new(it.to_string(), it.to_string()));
        let currency = text.t("table.currency");
        spec = spec.filter(Filter::one_of(
            "currency",
            currency,
            choices.collect(),
            shown.to_string(),
        ));
    }
    if let [(currency, row)] = whole.rows().collect::<Vec<_>>().as_slice() {
        let mut cells = vec![Cell::text(text.t("record.total"))];
        if by_customer {
            cells.extend([Cell::Nothing, Cell::Nothing, Cell::Nothing]);
        }
        cells.extend(amounts(row, *currency));
        spec = spec.footer(cells);
    }
    let mut lines = if by_customer {
        customers(counted)
    } else {
        groups(counted, names, by).map_err(overflow)?
    };
    let total = lines.len();
    let wanted = spec.wanted(sent);
    sort(&mut lines, names, wanted);
    let rows = part(lines, wanted)
        .into_iter()
        .map(|line| {
            let mut cells = Vec::with_capacity(13);
            match line.customer {
                Some(customer) => cells.extend([
                    Cell::link(format!("/customers/{}", customer.id), &customer.name),
                    Cell::text(&customer.code),
                    Cell::text(rep_of(names, customer)),
                    Cell::text(names.territory(customer.territory)),
                ]),
                None => cells.push(Cell::text(line.name.as_ref())),
            }
            cells.extend(amounts(&line.row, line.currency));
            Row::new(cells)
        })
        .collect();
    spec.answer_from_store(viewer, sent, rows, total).await
}

fn amounts(row: &AgeingRow, currency: Currency) -> impl Iterator<Item = Cell> {
    let buckets = Bucket::ALL.map(|it| row.in_bucket(it));
    let sums = [row.open(), row.credits(), row.balance()];
    let all = buckets.into_iter().chain(sums);
    all.map(move |amount| Cell::Money(Money::new(amount, currency).rounded()))
}

fn is_something(row: &AgeingRow) -> bool {
    !row.open().is_zero() || !row.credits().is_zero()
}

fn rep_of(names: &Names, customer: &Customer) -> String {
    customer.rep.map(|rep| names.person(rep)).unwrap_or_default()
}

fn customers<'s>(counted: &[&'s Standing]) -> Vec<Line<'s>> {
    let mut lines = Vec::with_capacity(counted.len());
    for it in counted {
        for (currency, row) in it.ageing.rows().filter(|(_, row)| is_something(row)) {
            lines.push(Line {
                name: Cow::Borrowed(it.customer.name.as_str()),
                customer: Some(&it.customer),
                currency,
                row: *row,
            });
        }
    }
    lines
}

fn groups(counted: &[&Standing], names: &Names, by: &str) -> Result<Vec<Line<'static>>, InvalidMoney> {
    // Two people may have one name.
    let mut groups: BTreeMap<(String, Option<[u8; 16]>), Ageing> = BTreeMap::new();
    for it in counted {
        let customer = &it.customer;
        let whose = match by {
            "territory" => (
                names.territory(customer.territory),
                Some(*customer.territory.as_bytes()),
            ),
            _ => (rep_of(names, customer), customer.rep.map(|rep| *rep.as_bytes())),
        };
        let sum = groups.entry(whose).or_insert_with(|| Ageing::new(it.ageing.as_of()));
        sum.merge(&it.ageing)?;
    }
    let mut lines = Vec::new();
    for ((name, _), ageing) in groups {
        for (currency, row) in ageing.rows().filter(|(_, row)| is_something(row)) {
            lines.push(Line {
                name: Cow::Owned(name.clone()),
                customer: None,
                currency,
                row: *row,
            });
        }
    }
    Ok(lines)
}

/// Sorts the lines that are wanted, and those before them, to the beginning; what comes after them may be left out.
fn sort(lines: &mut Vec<Line<'_>>, names: &Names, wanted: Wanted) {
    let (key, direction) = wanted.sort.unwrap_or(("balance", Direction::Descending));
    let amount = |it: &Line| match key {
        "not_due" => it.row.in_bucket(Bucket::NotDue),
        "to30" => it.row.in_bucket(Bucket::To30),
        "to60" => it.row.in_bucket(Bucket::To60),
        "to90" => it.row.in_bucket(Bucket::To90),
        "to120" => it.row.in_bucket(Bucket::To120),
        "over" => it.row.in_bucket(Bucket::Over120),
        "open" => it.row.open(),
        "credits" => it.row.credits(),
        _ => it.row.balance(),
    };
    let directed = |order: Ordering| match direction {
        Direction::Descending => order.reverse(),
        Direction::Ascending => order,
    };
    let then = |a: &Line<'_>, b: &Line<'_>| (&a.name, a.code(), a.currency).cmp(&(&b.name, b.code(), b.currency));
    if matches!(key, "name" | "code" | "rep" | "territory") {
        // Made once for each, and not for each comparison.
        let word = |it: &Line<'_>| match (key, it.customer) {
            ("name", _) => it.name.to_lowercase(),
            ("rep", Some(customer)) => rep_of(names, customer),
            ("territory", Some(customer)) => names.territory(customer.territory),
            _ => it.code().to_owned(),
        };
        let mut worded: Vec<(String, Line<'_>)> = lines.drain(..).map(|it| (word(&it), it)).collect();
        worded.sort_by(|(a_word, a), (b_word, b)| directed(a_word.cmp(b_word)).then_with(|| then(a, b)));
        lines.extend(worded.into_iter().map(|(_, it)| it));
    } else {
        let order = |a: &Line, b: &Line| {
            directed((a.currency, amount(a)).cmp(&(b.currency, amount(b)))).then_with(|| then(a, b))
        };
        let end = wanted.from.saturating_add(wanted.limit);
        if end < lines.len() {
            lines.select_nth_unstable_by(end, order);
            lines.truncate(end);
        }
        lines.sort_by(order);
    }
}

async fn history_table(
    viewer: &Viewer,
    sent: &Sent,
    overview: &Overview,
    currency: Currency,
    points: &[PointFigures],
) -> Result<Answer, PageError> {
    let text = viewer.text;
    let spec = Spec::new(
        "history",
        text.t("receivables.over_time"),
        vec![
            Column::day("day", text.t("receivables.day")),
            Column::money("open", text.t("receivables.open")),
            Column::money("not_due", text.t("receivables.not_due")),
            Column::money("sales", text.t("receivables.sales")),
            Column::number("dso", text.t("receivables.dso")),
            Column::number("best", text.t("receivables.best_dso")),
            Column::number("delinquent", text.t("receivables.delinquent")),
            Column::money("month_sales", text.t("receivables.month_sales")),
            Column::number("cei", text.t("receivables.cei")),
        ],
    )
    .named()
    .sorted_by("day", Direction::Descending)
    .empty(text.t("receivables.none"));
    let money = |amount: Decimal| Cell::Money(Money::new(amount, currency).rounded());
    let number = |value: Option<Decimal>| match value {
        Some(value) => Cell::Number(rounded(value)),
        None => Cell::text(text.t("receivables.not_available")),
    };
    let rows = shown(overview, points)
        .map(|(day, before, at)| {
            Row::new(vec![
                Cell::Day(day),
                money(at.open),
                money(at.not_due),
                money(at.sales),
                number(at.dso()),
                number(at.best_possible_dso()),
                number(at.days_delinquent()),
                money(at.month_sales),
                number(at.collection_effectiveness(before)),
            ])
        })
        .collect();
    spec.answer(viewer, sent, rows).await
}

/// The points with the one before each.
fn shown<'p>(
    overview: &'p Overview,
    points: &'p [PointFigures],
) -> impl Iterator<Item = (chrono::NaiveDate, &'p PointFigures, &'p PointFigures)> {
    let days = overview.points.iter().skip(1).map(|it| it.day);
    days.zip(points.windows(2)).filter_map(|(day, pair)| match pair {
        [before, at] => Some((day, before, at)),
        _ => None,
    })
}

fn chart_of_ageing(text: Text, currency: Currency, row: &AgeingRow) -> Result<Option<String>, PageError> {
    if row.open().is_zero() {
        return Ok(None);
    }
    let names = bucket_names(text);
    let said: Vec<String> = names
        .iter()
        .zip(Bucket::ALL)
        .map(|(name, bucket)| format!("{name}: {}", format::money(Money::new(row.in_bucket(bucket), currency))))
        .collect();
    Chart::new("ageing-chart", text.t("receivables.ageing"), said.join("; "))
        .labels(names.iter().map(|it| (*it).to_owned()).collect())
        .series(text.t("receivables.open"), Bucket::ALL.map(|it| row.in_bucket(it)))
        .bars()
        .map(Some)
}

fn chart_of_dso(text: Text, overview: &Overview, points: &[PointFigures]) -> Result<Option<String>, PageError> {
    let known: Vec<_> = shown(overview, points)
        .filter_map(|(day, _, at)| Some((day, at.dso()?, at.best_possible_dso()?)))
        .collect();
    let Some((day, last, _)) = known.last() else {
        return Ok(None);
    };
    let said = text
        .fill("receivables.dso_said", "day", day)
        .replace("{dso}", &figure(text, Some(*last)));
    Chart::new("dso-chart", text.t("receivables.dso"), said)
        .labels(known.iter().map(|(day, ..)| day.format("%Y-%m").to_string()).collect())
        .series(text.t("receivables.dso"), known.iter().map(|it| rounded(it.1)))
        .series(text.t("receivables.best_dso"), known.iter().map(|it| rounded(it.2)))
        .lines()
        .map(Some)
}

fn chart_of_cei(text: Text, overview: &Overview, points: &[PointFigures]) -> Result<Option<String>, PageError> {
    let known: Vec<_> = shown(overview, points)
        .filter_map(|(day, before, at)| Some((day, at.collection_effectiveness(before)?)))
        .collect();
    let Some((day, last)) = known.last() else {
        return Ok(None);
    };
    let said = text
        .fill("receivables.cei_said", "day", day)
        .replace("{cei}", &figure(text, Some(*last)));
    Chart::new("cei-chart", text.t("receivables.cei"), said)
        .labels(known.iter().map(|(day, _)| day.format("%Y-%m").to_string()).collect())
        .series(text.t("receivables.cei"), known.iter().map(|it| rounded(it.1)))
        .lines()
        .map(Some)
}
