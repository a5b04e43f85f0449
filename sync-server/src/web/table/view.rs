//! A list as it is laid out on a page.

use askama::Template;

use super::{Cell, ColumnKind, Direction, Filter, FilterKind, Row, Sent, Spec, Tone, joined};
use crate::web::{
    format::{self, Moment},
    messages::Text,
    page::Viewer,
};

/// From so many columns on a table is dense.
const DENSE: usize = 9;

/// A heading.
struct Heading {
    key: &'static str,
    text: String,
    /// Where clicking it leads; `None` when it does not sort.
    href: Option<String>,
    /// `ascending` or `descending` when the list is sorted by it.
    sorted: Option<&'static str>,
    number: bool,
}

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

struct Field {
    id: String,
    name: &'static str,
    label: String,
    value: String,
    /// `search`, `text`, `choice`, `day` or `check`, as the template asks.
    kind: &'static str,
    choices: Vec<(String, String, bool)>,
}

/// A list, ready to stand in a page: `{{ table|safe }}`. Escapes what it holds.
#[derive(Template)]
#[template(path = "table.html")]
pub(crate) struct TableView {
    text: Text,
    id: &'static str,
    caption: String,
    count: String,
    /// Whether it has so many columns that they must stand closer.
    dense: bool,
    headings: Vec<Heading>,
    rows: Vec<ShownRow>,
    footer: Option<Vec<ShownCell>>,
    fields: Vec<Field>,
    /// What the form has to carry along beside its own fields.
    hidden: Vec<(String, String)>,
    filtered: bool,
    action: String,
    clear: String,
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
        let (sort, page) = (spec.parameter("sort"), spec.parameter("page"));
        let sorted = spec.sort(sent);
        let headings: Vec<Heading> = spec
            .columns
            .iter()
            .map(|column| {
                let present = sorted
                    .filter(|(key, _)| *key == column.key)
                    .map(|(_, direction)| direction);
                let other = match present {
                    Some(Direction::Ascending) => format!("-{}", column.key),
                    _ => column.key.to_owned(),
                };
                Heading {
                    key: column.key,
                    text: column.heading.clone(),
                    href: column
                        .sortable
                        .then(|| sent.address_with(&[(&sort, &other), (&page, "")])),
                    sorted: present.map(|direction| match direction {
                        Direction::Ascending => "ascending",
                        Direction::Descending => "descending",
                    }),
                    number: is_number(column.kind),
                }
            })
            .collect();
        let pages = total.div_ceil(spec.rows).max(1);
        let here = spec.page(sent).min(pages - 1);
        let turn = |to: usize| sent.address_with(&[(&page, &(to + 1).to_string())]);
        let names: Vec<&str> = spec.filters.iter().map(|it| it.name).collect();
        let without: Vec<(&str, &str)> = names.iter().map(|it| (*it, "")).chain([(page.as_str(), "")]).collect();
        let lay = |cells: Vec<Cell>| lay_out(&spec, viewer, cells);
        Self {
            text,
            id: spec.id,
            caption: spec.caption.clone(),
            count: text.fill("table.count", "count", total),
            dense: headings.len() >= DENSE,
            headings,
            rows: rows
                .into_iter()
                .map(|row| ShownRow {
                    id: row.id,
                    cells: lay(row.cells),
                })
                .collect(),
            footer: spec.footer.clone().map(lay),
            fields: spec.filters.iter().map(|filter| field(spec.id, filter, sent)).collect(),
            hidden: sent
                .pairs
                .iter()
                .filter(|(key, value)| !names.contains(&key.as_str()) && *key != page && !value.is_empty())
                .filter(|(key, _)| *key != spec.parameter("format"))
                .cloned()
                .collect(),
            filtered: names.iter().any(|name| sent.value(name).is_some()),
            action: sent.path.clone(),
            clear: sent.address_with(&without),
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

fn is_number(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Money | ColumnKind::Number)
}

fn lay_out(spec: &Spec, viewer: &Viewer, cells: Vec<Cell>) -> Vec<ShownCell> {
    spec.columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| ShownCell {
            key: column.key,
            label: column.heading.clone(),
            number: is_number(column.kind),
            value: shown(viewer, cell),
        })
        .collect()
}

fn shown(viewer: &Viewer, cell: Cell) -> Shown {
    match cell {
        Cell::Marks(marks) if marks.is_empty() => Shown::Nothing,
        Cell::Text(text) => Shown::Text(text),
        Cell::Link { href, text } => Shown::Link(href, text),
        Cell::Money(money) if money.amount.is_zero() => Shown::Zero(format::money(money)),
        Cell::Money(money) => Shown::Figure(format::money(money)),
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

fn field(id: &str, filter: &Filter, sent: &Sent) -> Field {
    let value = sent.value(filter.name).unwrap_or_default().to_owned();
    let (kind, choices) = match &filter.kind {
        FilterKind::Search => ("search", Vec::new()),
        FilterKind::Text => ("text", Vec::new()),
        FilterKind::Day => ("day", Vec::new()),
        FilterKind::Check => ("check", Vec::new()),
        FilterKind::Choice(choices) => {
            let chosen = |it: &super::Choice| (it.value.clone(), it.text.clone(), it.value == value);
            ("choice", choices.iter().map(chosen).collect())
        }
        FilterKind::Default(choices, default) => {
            let present = if value.is_empty() { default } else { &value };
            let chosen = |it: &super::Choice| (it.value.clone(), it.text.clone(), it.value == *present);
            ("one_of", choices.iter().map(chosen).collect())
        }
    };
    Field {
        id: format!("{id}-{}", filter.name),
        name: filter.name,
        label: filter.label.clone(),
        value,
        kind,
        choices,
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
