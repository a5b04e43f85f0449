//! A list as it is laid out on a page.

use askama::Template;
use fieldledger_core::model::{Currency, Money};

use super::{
    Cell, Row, Sent, Spec, Tone,
    controls::{Controls, Heading, is_number},
    joined,
};
use crate::web::{
    format::{self, Moment},
    messages::Text,
    page::Viewer,
};

/// From so many columns on a table is dense.
const DENSE: usize = 9;

/// A value as it is shown.
enum Shown {
    Text(String),
    Figure(String),
    /// An amount of nothing, which need not catch the eye.
    Zero(String),
    Link(String, String),
    Moment(Moment),
    Marks(Vec<(&'static str, String)>),
    Nothing,
}

struct ShownCell {
    key: &'static str,
    label: String,
    number: bool,
    value: Shown,
}

struct ShownRow {
    id: Option<String>,
    cells: Vec<ShownCell>,
}

/// A list, ready to stand in a page: `{{ table|safe }}`. Escapes what it holds.
#[derive(Template)]
#[template(path = "table.html")]
pub(crate) struct TableView {
    text: Text,
    id: &'static str,
    caption: String,
    count: String,
    /// In which currency all amounts are, where each does not say it.
    amounts: Option<String>,
    /// Whether it has so many columns that they must stand closer.
    dense: bool,
    headings: Vec<Heading>,
    rows: Vec<ShownRow>,
    footer: Option<Vec<ShownCell>>,
    controls: Option<Controls>,
    filtered: bool,
    empty: String,
    exports: Vec<(&'static str, String)>,
    previous: Option<String>,
    next: Option<String>,
    place: Option<String>,
}

impl TableView {
    /// The ids of the rows that are shown.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|it| it.id.as_deref())
    }

    pub(super) fn new(spec: Spec, viewer: &Viewer, sent: &Sent, rows: Vec<Row>, total: usize) -> Self {
        let text = viewer.text;
        let page = spec.parameter("page");
        let headings: Vec<Heading> = spec.columns.iter().map(|it| spec.heading(sent, it)).collect();
        let pages = total.div_ceil(spec.rows).max(1);
        let here = spec.page(sent).min(pages - 1);
        let turn = |to: usize| sent.address_with(&[(&page, &(to + 1).to_string())]);
        let controls = Controls::of_table(&spec, viewer, sent);
        let dense = headings.len() >= DENSE;
        let footer = spec.footer.iter().flatten();
        let currency = currency_of(rows.iter().flat_map(|row| &row.cells).chain(footer)).filter(|_| dense);
        let lay = |cells: Vec<Cell>| lay_out(&spec, viewer, currency, cells);
        Self {
            text,
            id: spec.id,
            caption: spec.caption.clone(),
            count: text.fill("table.count", "count", total),
            amounts: currency.map(|it| text.fill("table.amounts_in", "currency", it)),
            dense,
            headings,
            rows: rows
                .into_iter()
                .map(|row| ShownRow {
                    id: row.id,
                    cells: lay(row.cells),
                })
                .collect(),
            footer: spec.footer.clone().map(lay),
            filtered: controls.as_ref().is_some_and(Controls::is_filtered),
            controls,
            empty: spec.empty.clone(),
            exports: if spec.exports && total > 0 {
                spec.exports(viewer, sent)
            } else {
                Vec::new()
            },
            previous: (here > 0).then(|| turn(here - 1)),
            next: (here + 1 < pages).then(|| turn(here + 1)),
            place: (pages > 1).then(|| {
                text.fill("table.place", "page", here + 1)
                    .replace("{pages}", &pages.to_string())
            }),
        }
    }
}

/// The currency of all amounts among these, when it is one.
fn currency_of<'c>(cells: impl Iterator<Item = &'c Cell>) -> Option<Currency> {
    let mut amounts = cells.filter_map(|it| match it {
        Cell::Money(money) => Some(money.currency),
        _ => None,
    });
    let first = amounts.next()?;
    amounts.all(|it| it == first).then_some(first)
}

fn lay_out(spec: &Spec, viewer: &Viewer, currency: Option<Currency>, cells: Vec<Cell>) -> Vec<ShownCell> {
    spec.columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| ShownCell {
            key: column.key,
            label: column.heading.clone(),
            number: is_number(column.kind),
            value: shown(viewer, currency, cell),
        })
        .collect()
}

fn shown(viewer: &Viewer, currency: Option<Currency>, cell: Cell) -> Shown {
    let amount = |it: Money| match currency {
        Some(currency) => format::amount(it.amount, currency.minor_digits()),
        None => format::money(it),
    };
    match cell {
        Cell::Marks(marks) if marks.is_empty() => Shown::Nothing,
        Cell::Text(text) => Shown::Text(text),
        Cell::Link { href, text } => Shown::Link(href, text),
        Cell::Money(money) if money.amount.is_zero() => Shown::Zero(amount(money)),
        Cell::Money(money) => Shown::Figure(amount(money)),
        Cell::Number(number) => Shown::Figure(format::quantity(number)),
        Cell::Share(share) => Shown::Figure(format!("{} %", format::quantity(share))),
        Cell::Day(day) => Shown::Figure(day.to_string()),
        Cell::Moment(at) => Shown::Moment(Moment::new(at, viewer.zone)),
        Cell::Mark(tone, text) => Shown::Marks(vec![(class(tone), text)]),
        Cell::Marks(marks) => Shown::Marks(marks.into_iter().map(|(tone, text)| (class(tone), text)).collect()),
        Cell::Nothing => Shown::Nothing,
    }
}

/// The style sheet's word for a tone.
fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Doubt => "doubt",
        Tone::Alert => "bad",
    }
}

/// A value as CSV and searches say it.
pub(super) fn plain(viewer_zone: chrono_tz::Tz, cell: &Cell) -> String {
    match cell {
        Cell::Text(text) | Cell::Link { text, .. } | Cell::Mark(_, text) => text.clone(),
        Cell::Marks(marks) => joined(marks),
        Cell::Money(money) => money.amount.to_string(),
        Cell::Number(number) | Cell::Share(number) => number.normalize().to_string(),
        Cell::Day(day) => day.to_string(),
        Cell::Moment(at) => Moment::new(*at, viewer_zone).shown,
        Cell::Nothing => String::new(),
    }
}
