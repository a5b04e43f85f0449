//! Cells and rows: values from which sorting, searching, showing and exporting follow.

use std::cmp::Ordering;

use chrono::NaiveDate;
use fieldledger_core::model::{Money, Timestamp};
use rust_decimal::Decimal;

use super::Direction;

/// How a mark looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Good news.
    Good,
    /// Somebody should look at it.
    Doubt,
    /// Somebody must look at it.
    Alert,
}

/// One value. Sorting, showing and exporting follow from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// A text.
    Text(String),
    /// A link within these pages; exports hold its text.
    Link {
        /// Where to.
        href: String,
        /// Its text.
        text: String,
    },
    /// An amount.
    Money(Money),
    /// A number with as many decimals as it has.
    Number(Decimal),
    /// Per cent: 66.67 is shown as `66.67 %`.
    Share(Decimal),
    /// A day.
    Day(NaiveDate),
    /// A moment, shown in the organisation's zone.
    Moment(Timestamp),
    /// A word that stands out.
    Mark(Tone, String),
    /// Several words that stand out; none is shown as nothing.
    Marks(Vec<(Tone, String)>),
    /// Not there. Sorted last in both directions.
    Nothing,
}

impl Cell {
    /// A text; nothing when it is blank.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.trim().is_empty() {
            Self::Nothing
        } else {
            Self::Text(text)
        }
    }

    /// A link within these pages.
    pub(crate) fn link(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Link {
            href: href.into(),
            text: text.into(),
        }
    }

    /// A count.
    pub(crate) fn count(count: impl Into<Decimal>) -> Self {
        Self::Number(count.into())
    }

    /// What is there, made into a cell.
    pub(crate) fn of<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Nothing, cell)
    }

    /// The words in it, for a search.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Link { text, .. } | Self::Mark(_, text) => Some(text.to_lowercase()),
            Self::Marks(marks) => Some(joined(marks).to_lowercase()),
            _ => None,
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing) || matches!(self, Self::Marks(marks) if marks.is_empty())
    }

    /// Texts by their characters without regard to case; amounts of one currency before those of the next.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Money(a), Self::Money(b)) => (a.currency, a.amount).cmp(&(b.currency, b.amount)),
            (Self::Number(a) | Self::Share(a), Self::Number(b) | Self::Share(b)) => a.cmp(b),
            (Self::Day(a), Self::Day(b)) => a.cmp(b),
            (Self::Moment(a), Self::Moment(b)) => a.cmp(b),
            (a, b) => a.words().cmp(&b.words()),
        }
    }
}

pub(super) fn joined(marks: &[(Tone, String)]) -> String {
    marks
        .iter()
        .map(|(_, text)| text.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) id: Option<String>,
}

impl Row {
    /// The cells, one for each column.
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self { cells, id: None }
    }

    /// With an id in the page: an update then knows the row again, and browser tests find it.
    #[must_use]
    pub(crate) fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Whether it holds each of these words, in lower case, in some column.
    pub(super) fn holds(&self, wanted: &[String]) -> bool {
        let words: Vec<String> = self.cells.iter().filter_map(Cell::words).collect();
        wanted.iter().all(|part| words.iter().any(|it| it.contains(part)))
    }
}

/// Sorts rows by one column and keeps the order of equal ones; what has no value comes last either way.
pub(super) fn sort_rows<T>(rows: &mut [(Row, T)], index: usize, direction: Direction) {
    let nothing = Cell::Nothing;
    rows.sort_by(|(a, _), (b, _)| {
        let a = a.cells.get(index).unwrap_or(&nothing);
        let b = b.cells.get(index).unwrap_or(&nothing);
        match (a.is_nothing(), b.is_nothing()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) if direction == Direction::Descending => b.order(a),
            (false, false) => a.order(b),
        }
    });
}
