//! The form above a list: its filters, and its order where the list is laid out in another way than as a table with headings.

use askama::Template;

use super::{Column, ColumnKind, Direction, Filter, FilterKind, Sent, Spec, sort_rows};
use crate::web::{messages::Text, page::Viewer, table::Row};

/// One field of the form.
struct Field {
    id: String,
    name: String,
    label: String,
    value: String,
    /// `search`, `text`, `choice`, `one_of`, `day` or `check`, as the template asks.
    kind: &'static str,
    choices: Vec<(String, String, bool)>,
}

/// The form: `{{ controls|safe }}`. Escapes what it holds.
#[derive(Template)]
#[template(path = "table_controls.html")]
pub(crate) struct Controls {
    text: Text,
    caption: String,
    action: String,
    clear: String,
    fields: Vec<Field>,
    /// What the form has to carry along beside its own fields.
    hidden: Vec<(String, String)>,
    filtered: bool,
}

/// A heading of a list of which a page lays out the rows itself.
pub(crate) struct Heading {
    pub(crate) key: &'static str,
    pub(crate) text: String,
    pub(crate) short: Option<&'static str>,
    /// Where clicking it leads; `None` when it does not sort.
    pub(crate) href: Option<String>,
    /// `ascending` or `descending` when the list is sorted by it.
    pub(crate) sorted: Option<&'static str>,
    pub(crate) number: bool,
}

impl Controls {
    /// The form above a table, whose headings sort.
    pub(super) fn of_table(spec: &Spec, viewer: &Viewer, sent: &Sent) -> Option<Self> {
        (!spec.filters.is_empty()).then(|| Self::new(spec, viewer, sent, Vec::new()))
    }

    fn new(spec: &Spec, viewer: &Viewer, sent: &Sent, more: Vec<Field>) -> Self {
        let (page, format) = (spec.parameter("page"), spec.parameter("format"));
        let names: Vec<&str> = spec.filters.iter().map(|it| it.name).collect();
        let mut cleared: Vec<(&str, &str)> = names.iter().map(|it| (*it, "")).collect();
        cleared.push((page.as_str(), ""));
        let mut fields: Vec<Field> = spec.filters.iter().map(|it| field(spec.id, it, sent)).collect();
        fields.extend(more);
        let is_own = |key: &str| fields.iter().any(|it| it.name == key) || key == page || key == format;
        Self {
            text: viewer.text,
            caption: spec.caption.clone(),
            action: sent.path.clone(),
            clear: sent.address_with(&cleared),
            hidden: sent
                .pairs
                .iter()
                .filter(|(key, value)| !is_own(key) && !value.is_empty())
                .cloned()
                .collect(),
            filtered: names.iter().any(|name| sent.value(name).is_some()),
            fields,
        }
    }

    /// Whether some filter is set.
    pub(crate) fn is_filtered(&self) -> bool {
        self.filtered
    }
}

impl Spec {
    /// What its own order is called, for a list whose own order is that of no column.
    #[must_use]
    pub(crate) fn own_order(mut self, words: impl Into<String>) -> Self {
        self.own_order = Some(words.into());
        self
    }

    /// The form above a list that a page lays out as cards: its filters, and the order to choose. `sent` is [`Self::whole`],
    /// or the part and the answer to a form would stay in the address.
    pub(crate) fn controls(&self, viewer: &Viewer, sent: &Sent) -> Controls {
        let order = Field {
            id: format!("{}-sort", self.id),
            name: self.parameter("sort"),
            label: viewer.text.t("table.order").to_owned(),
            value: String::new(),
            kind: "one_of",
            choices: self.orders(viewer.text, sent),
        };
        Controls::new(self, viewer, sent, vec![order])
    }

    /// The orders to choose from: as they stand in the address, in words, and whether it is this one.
    pub(crate) fn orders(&self, text: Text, sent: &Sent) -> Vec<(String, String, bool)> {
        let present = self.sort(sent);
        let own = self
            .own_order
            .iter()
            .map(|it| (String::new(), it.clone(), present.is_none()));
        let columns = self.columns.iter().filter(|it| it.sortable).flat_map(|column| {
            [Direction::Ascending, Direction::Descending].map(|direction| {
                let words = text.fill(order_words(column.kind, direction), "column", &column.heading);
                let chosen = present == Some((column.key, direction));
                (order_name(column, direction), words, chosen)
            })
        });
        own.chain(columns).collect()
    }

    /// The heading of a column, with where clicking it leads.
    pub(crate) fn heading(&self, sent: &Sent, column: &Column) -> Heading {
        let sorted = self.sort(sent).filter(|(key, _)| *key == column.key);
        let sorted = sorted.map(|(_, direction)| direction);
        let next = match sorted {
            Some(Direction::Ascending) => Direction::Descending,
            _ => Direction::Ascending,
        };
        let (sort, page) = (self.parameter("sort"), self.parameter("page"));
        Heading {
            key: column.key,
            text: column.heading.clone(),
            short: column.short.filter(|it| *it != column.heading),
            href: column
                .sortable
                .then(|| sent.address_with(&[(&sort, &order_name(column, next)), (&page, "")])),
            sorted: sorted.map(|direction| match direction {
                Direction::Ascending => "ascending",
                Direction::Descending => "descending",
            }),
            number: is_number(column.kind),
        }
    }

    /// Whether somebody asks for another order than the list's own, or searches it: then all of it has to be read.
    pub(crate) fn is_rearranged(&self, sent: &Sent) -> bool {
        let mut searches = self.filters.iter().filter(|it| matches!(it.kind, FilterKind::Search));
        self.sort(sent) != self.sort || searches.any(|it| sent.is_set(it.name))
    }

    /// Rows that a search finds, in the order that was asked for, each with what the caller knows of it.
    pub(crate) fn arranged<T>(&self, sent: &Sent, mut rows: Vec<(Row, T)>) -> Vec<(Row, T)> {
        for filter in self.filters.iter().filter(|it| matches!(it.kind, FilterKind::Search)) {
            if let Some(wanted) = sent.value(filter.name) {
                let wanted: Vec<String> = wanted.to_lowercase().split_whitespace().map(str::to_owned).collect();
                rows.retain(|(row, _)| row.holds(&wanted));
            }
        }
        if let Some((key, direction)) = self.sort(sent)
            && let Some(index) = self.columns.iter().position(|it| it.key == key)
        {
            sort_rows(&mut rows, index, direction);
        }
        rows
    }

    /// What forms on the page carry along, so that whoever sends one comes back to the same list.
    pub(crate) fn carried(&self, value: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        let names = self.filters.iter().map(|it| it.name.to_owned());
        names
            .chain([self.parameter("sort")])
            .filter_map(|name| value(&name).map(|value| (name, value)))
            .collect()
    }

    /// The address of the list with its filters and its order and nothing else, as they were sent or carried along.
    pub(crate) fn whole(&self, path: &str, value: impl Fn(&str) -> Option<String>) -> Sent {
        let carried = self.carried(value);
        let pairs: Vec<(&str, &str)> = carried.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        Sent::of(&Sent::of(path).address_with(&pairs))
    }
}

pub(super) fn is_number(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Money | ColumnKind::Number)
}

/// An order as it stands in the address.
fn order_name(column: &Column, direction: Direction) -> String {
    match direction {
        Direction::Ascending => column.key.to_owned(),
        Direction::Descending => format!("-{}", column.key),
    }
}

fn order_words(kind: ColumnKind, direction: Direction) -> &'static str {
    match (kind, direction) {
        (ColumnKind::Text, Direction::Ascending) => "table.order_words",
        (ColumnKind::Text, Direction::Descending) => "table.order_words_back",
        (ColumnKind::Money | ColumnKind::Number, Direction::Ascending) => "table.order_smallest",
        (ColumnKind::Money | ColumnKind::Number, Direction::Descending) => "table.order_largest",
        (ColumnKind::Day | ColumnKind::Moment, Direction::Ascending) => "table.order_earliest",
        (ColumnKind::Day | ColumnKind::Moment, Direction::Descending) => "table.order_latest",
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
        name: filter.name.to_owned(),
        label: filter.label.clone(),
        value,
        kind,
        choices,
    }
}
