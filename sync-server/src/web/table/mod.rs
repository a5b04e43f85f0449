//! The one table that every list of the pages uses: typed columns, sorting by their headings, filters, paging, all of it in
//! the address, and the whole filtered list as CSV or as a workbook for Excel.
//!
//! ```text
//! pub(super) async fn show(State(app): …, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
//!     let spec = Spec::new("owed", caption_in_words, vec![
//!             Column::text("customer", customer_in_words),
//!             Column::money("amount", amount_in_words),
//!             Column::day("due", due_in_words),
//!         ])
//!         .filter(Filter::search("q", search_in_words))
//!         .filter(Filter::choice("grade", grade_in_words, grades))
//!         .sorted_by("amount", Direction::Descending)
//!         .empty(none_in_words);
//!     let rows = …; // each Row::new(vec![Cell::link(href, name), Cell::Money(amount), Cell::Day(due)])
//!     let table = match spec.answer(&viewer, &sent, rows).await? {
//!         Answer::File(file) => return Ok(file),
//!         Answer::Shown(table) => table,
//!     };
//!     html(&OwedPage { frame: viewer.frame("owed"), table })  // in the template: {{ table|safe }}
//! }
//! ```
//!
//! * [`Spec::answer`] sorts, searches and pages rows in memory. What a filter other than a search means is the page's:
//!   it reads [`Sent::value`] and leaves rows out.
//! * [`Spec::answer_from_store`] is for lists that a store sorts and pages: [`Spec::wanted`] says which part to read.
//! * A list of cards has no headings: [`Spec::controls`] is its form with the order to choose, [`Spec::arranged`] its order.
//! * Two tables on one page: give each [`Spec::named`], then `sort`, `page` and `format` of each carry its id.
//!
//! An export holds every row of the filtered list, not only the page, and at most [`MOST_EXPORTED`] of them: a longer list is
//! refused with a sentence that says so, never cut in silence. It is built in memory off the threads that serve requests.

mod controls;
mod export;
mod view;

use std::{cmp::Ordering, convert::Infallible, future::Future};

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
    response::Response,
};
use chrono::NaiveDate;
use fieldledger_core::model::{Money, Timestamp};
use rust_decimal::Decimal;

pub(crate) use controls::{Controls, Heading};
pub(crate) use view::TableView;

use super::{
    error::PageError,
    page::{Viewer, encoded},
};
use crate::store::{ListPart, Listed, MAX_LISTED, StoreError};

/// Rows on a page, unless the list says otherwise.
pub(crate) const ROWS: usize = 50;
/// Rows that an export holds at most.
pub(crate) const MOST_EXPORTED: usize = 50_000;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Words, also links and marks.
    Text,
    /// Amounts of money.
    Money,
    /// Numbers and shares.
    Number,
    /// Days.
    Day,
    /// Moments.
    Moment,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    key: &'static str,
    heading: String,
    /// What stands in the heading of a wide table in its place.
    short: Option<&'static str>,
    kind: ColumnKind,
    sortable: bool,
    exported: bool,
}

impl Column {
    fn new(key: &'static str, heading: impl Into<String>, kind: ColumnKind) -> Self {
        Self {
            key,
            heading: heading.into(),
            short: None,
            kind,
            sortable: true,
            exported: true,
        }
    }

    /// A column of words, links or marks.
    pub(crate) fn text(key: &'static str, heading: impl Into<String>) -> Self {
        Self::new(key, heading, ColumnKind::Text)
    }

    /// A column of amounts.
    pub(crate) fn money(key: &'static str, heading: impl Into<String>) -> Self {
        Self::new(key, heading, ColumnKind::Money)
    }

    /// A column of numbers or shares.
    pub(crate) fn number(key: &'static str, heading: impl Into<String>) -> Self {
        Self::new(key, heading, ColumnKind::Number)
    }

    /// A column of days.
    pub(crate) fn day(key: &'static str, heading: impl Into<String>) -> Self {
        Self::new(key, heading, ColumnKind::Day)
    }

    /// A column of moments.
    pub(crate) fn moment(key: &'static str, heading: impl Into<String>) -> Self {
        Self::new(key, heading, ColumnKind::Moment)
    }

    /// Without a heading that sorts: the store cannot sort by it, or there is no order that would mean something.
    #[must_use]
    pub(crate) fn unsorted(mut self) -> Self {
        self.sortable = false;
        self
    }

    /// With a shorter heading; the whole one is said beside it, and stands in cards and exports.
    #[must_use]
    pub(crate) fn short(mut self, heading: &'static str) -> Self {
        self.short = Some(heading);
        self
    }

    /// Only on the page, not in exports: a column of actions.
    #[must_use]
    pub(crate) fn only_shown(mut self) -> Self {
        self.exported = false;
        self.unsorted()
    }
}

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
    fn words(&self) -> Option<String> {
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

fn joined(marks: &[(Tone, String)]) -> String {
    marks
        .iter()
        .map(|(_, text)| text.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    cells: Vec<Cell>,
    id: Option<String>,
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
    fn holds(&self, wanted: &[String]) -> bool {
        let words: Vec<String> = self.cells.iter().filter_map(Cell::words).collect();
        wanted.iter().all(|part| words.iter().any(|it| it.contains(part)))
    }
}

/// One value to choose from.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// As it stands in the address.
    pub(crate) value: String,
    /// As it is shown.
    pub(crate) text: String,
}

impl Choice {
    /// A value with its words.
    pub(crate) fn new(value: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            text: text.into(),
        }
    }
}

#[derive(Clone, Debug)]
enum FilterKind {
    Search,
    Text,
    Choice(Vec<Choice>),
    /// One of several values, of which one counts as long as nobody has chosen.
    Default(Vec<Choice>, String),
    Day,
    Check,
}

/// One field of the form above the table. Its name is that of its parameter in the address.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    name: &'static str,
    label: String,
    kind: FilterKind,
}

impl Filter {
    fn new(name: &'static str, label: impl Into<String>, kind: FilterKind) -> Self {
        Self {
            name,
            label: label.into(),
            kind,
        }
    }

    /// Rows in memory that hold every word of this text in some column; no work of the page.
    pub(crate) fn search(name: &'static str, label: impl Into<String>) -> Self {
        Self::new(name, label, FilterKind::Search)
    }

    /// A text whose meaning is the page's.
    pub(crate) fn text(name: &'static str, label: impl Into<String>) -> Self {
        Self::new(name, label, FilterKind::Text)
    }

    /// One of several values; "all" is always among them.
    pub(crate) fn choice(name: &'static str, label: impl Into<String>, choices: Vec<Choice>) -> Self {
        Self::new(name, label, FilterKind::Choice(choices))
    }

    /// One of several values, without "all": `default` counts as long as nobody has chosen.
    pub(crate) fn one_of(
        name: &'static str,
        label: impl Into<String>,
        choices: Vec<Choice>,
        default: impl Into<String>,
    ) -> Self {
        Self::new(name, label, FilterKind::Default(choices, default.into()))
    }

    /// A day.
    pub(crate) fn day(name: &'static str, label: impl Into<String>) -> Self {
        Self::new(name, label, FilterKind::Day)
    }

    /// Yes, or not asked for.
    pub(crate) fn check(name: &'static str, label: impl Into<String>) -> Self {
        Self::new(name, label, FilterKind::Check)
    }
}

/// A direction of sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// A format that a list is exported in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values.
    Csv,
    /// A workbook for Excel.
    Xlsx,
}

impl Format {
    const ALL: [Self; 2] = [Self::Csv, Self::Xlsx];

    const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// What stands in the address after the question mark. An extractor: takes whatever was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    path: String,
    pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Sent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| pairs)
            .unwrap_or_default();
        Ok(Self {
            path: parts.uri.path().to_owned(),
            pairs,
        })
    }
}

impl Sent {
    /// What stands in an address within these pages.
    pub(crate) fn of(address: &str) -> Self {
        let uri = address.parse::<Uri>().unwrap_or_default();
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&uri);
        Self {
            path: uri.path().to_owned(),
            pairs: pairs.map(|Query(pairs)| pairs).unwrap_or_default(),
        }
    }

    /// The address without what stands after the question mark.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The trimmed value under `name`; `None` when it is missing or blank.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether a checkbox of this name was set.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value under `name` read as `T`.
    ///
    /// # Errors
    /// [`PageError::BadField`] with `label`, the key of the field's name in the catalogue.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str, label: &'static str) -> Result<Option<T>, PageError> {
        self.value(name)
            .map(|value| value.parse().map_err(|_| PageError::BadField(label)))
            .transpose()
    }

    /// This address with some parameters replaced; an empty value leaves one out.
    pub(crate) fn address_with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self
            .pairs
            .iter()
            .filter(|(key, _)| !changes.iter().any(|(changed, _)| changed == key))
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let mut address = self.path.clone();
        let mut separator = '?';
        for (key, value) in kept.chain(changes.iter().copied()) {
            if !value.trim().is_empty() {
                address.push(separator);
                address.push_str(&encoded(key));
                address.push('=');
                address.push_str(&encoded(value));
                separator = '&';
            }
        }
        address
    }
}

/// Everything, and one more than an export may hold, so that too long a list is noticed.
pub(crate) const EVERYTHING: Wanted = Wanted {
    sort: None,
    from: 0,
    limit: MOST_EXPORTED + 1,
};

/// Which part of a list a store should read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The column to sort by, and how.
    pub(crate) sort: Option<(&'static str, Direction)>,
    /// Rows to pass over.
    pub(crate) from: usize,
    /// Rows to read. For an export one more than it may hold, so that too long a list is noticed.
    pub(crate) limit: usize,
}

/// Reads what is wanted in the parts that a store gives at a time. Of a list that is too long to be exported only the first
/// part: it is refused anyway.
///
/// # Errors
/// Those of `read`.
pub(crate) async fn read_parts<T, F>(wanted: Wanted, read: impl Fn(ListPart) -> F) -> Result<Listed<T>, StoreError>
where
    F: Future<Output = Result<Listed<T>, StoreError>>,
{
    let mut found = Listed {
        total: 0,
        rows: Vec::new(),
    };
    loop {
        let rest = wanted.limit.saturating_sub(found.rows.len());
        let limit = u32::try_from(rest).unwrap_or(u32::MAX).min(MAX_LISTED);
        let from = wanted.from.saturating_add(found.rows.len()) as u64;
        let Listed { total, rows } = read(ListPart { from, limit }).await?;
        let is_whole = rows.len() == limit as usize;
        found.total = total;
        found.rows.extend(rows);
        let is_refused = wanted.limit > MOST_EXPORTED && total > MOST_EXPORTED as u64;
        if !is_whole || limit as usize == rest || is_refused {
            return Ok(found);
        }
    }
}

/// What a list is made of.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    id: &'static str,
    caption: String,
    columns: Vec<Column>,
    filters: Vec<Filter>,
    empty: String,
    sort: Option<(&'static str, Direction)>,
    rows: usize,
    footer: Option<Vec<Cell>>,
    named: bool,
    exports: bool,
    own_order: Option<String>,
}

/// A page or a file.
#[allow(clippy::large_enum_variant)] // one at a time, and moved once
pub(crate) enum Answer {
    /// The list as a file: answer with it.
    File(Response),
    /// The list as a part of the page.
    Shown(TableView),
}

impl Spec {
    /// A list. Its id is the table's in the page, and the name of exported files.
    pub(crate) fn new(id: &'static str, caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            id,
            caption: caption.into(),
            columns,
            filters: Vec::new(),
            empty: String::new(),
            sort: None,
            rows: ROWS,
            footer: None,
            named: false,
            exports: true,
            own_order: None,
        }
    }

    /// With a filter.
    #[must_use]
    pub(crate) fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// What is said when there is nothing.
    #[must_use]
    pub(crate) fn empty(mut self, text: impl Into<String>) -> Self {
        self.empty = text.into();
        self
    }

    /// How it is sorted until somebody clicks a heading.
    #[must_use]
    pub(crate) fn sorted_by(mut self, key: &'static str, direction: Direction) -> Self {
        self.sort = Some((key, direction));
        self
    }

    /// So many rows on a page.
    #[must_use]
    pub(crate) fn rows(mut self, rows: usize) -> Self {
        self.rows = rows.max(1);
        self
    }

    /// A last row of sums, one cell for each column; the caller says of what.
    #[must_use]
    pub(crate) fn footer(mut self, cells: Vec<Cell>) -> Self {
        self.footer = Some(cells);
        self
    }

    /// One of several tables on the page: its parameters are `sort.<id>`, `page.<id>`, `format.<id>`.
    #[must_use]
    pub(crate) fn named(mut self) -> Self {
        self.named = true;
        self
    }

    /// Without exports.
    #[must_use]
    pub(crate) fn without_exports(mut self) -> Self {
        self.exports = false;
        self
    }

    /// Whether the list is asked for as a file.
    pub(crate) fn is_export(&self, sent: &Sent) -> bool {
        self.format(sent).is_some()
    }

    /// The files that the list can be had as, for a page that lays it out in another way than as a table: name and address.
    pub(crate) fn exports(&self, viewer: &Viewer, sent: &Sent) -> Vec<(&'static str, String)> {
        let parameter = self.parameter("format");
        let page = self.parameter("page");
        Format::ALL
            .into_iter()
            .map(|it| {
                let label = match it {
                    Format::Csv => viewer.text.t("table.csv"),
                    Format::Xlsx => viewer.text.t("table.xlsx"),
                };
                let changes = [
                    (parameter.as_str(), it.name()),
                    (page.as_str(), ""),
                    ("from", ""),
                    ("done", ""),
                ];
                (label, sent.address_with(&changes))
            })
            .collect()
    }

    /// The whole list as the file that was asked for.
    ///
    /// # Errors
    /// [`PageError::Refused`] when it would be too long.
    pub(crate) async fn file(self, viewer: &Viewer, sent: &Sent, rows: Vec<Row>) -> Result<Response, PageError> {
        let total = rows.len();
        match self.answer_from_store(viewer, sent, rows, total).await? {
            Answer::File(file) => Ok(file),
            // Nobody asked for a file.
            Answer::Shown(_) => Err(PageError::NotFound),
        }
    }

    fn parameter(&self, name: &str) -> String {
        if self.named {
            format!("{name}.{}", self.id)
        } else {
            name.to_owned()
        }
    }

    fn format(&self, sent: &Sent) -> Option<Format> {
        let wanted = sent.value(&self.parameter("format"))?;
        Format::ALL.into_iter().find(|it| self.exports && it.name() == wanted)
    }

    /// The sort that was asked for, when there is such a column, else the list's own.
    fn sort(&self, sent: &Sent) -> Option<(&'static str, Direction)> {
        let parameter = self.parameter("sort");
        let asked = sent.value(&parameter).and_then(|wanted| {
            let (key, direction) = match wanted.strip_prefix('-') {
                Some(key) => (key, Direction::Descending),
                None => (wanted, Direction::Ascending),
            };
            let column = self.columns.iter().find(|it| it.sortable && it.key == key)?;
            Some((column.key, direction))
        });
        asked.or(self.sort)
    }

    /// The page that was asked for, counted from 0.
    fn page(&self, sent: &Sent) -> usize {
        sent.value(&self.parameter("page"))
            .and_then(|it| it.parse::<usize>().ok())
            .map_or(0, |it| it.saturating_sub(1))
            // A page so far out that no list reaches it, and no product of it overflows.
            .min(1_000_000)
    }

    /// Which part a store should read.
    pub(crate) fn wanted(&self, sent: &Sent) -> Wanted {
        let sort = self.sort(sent);
        if self.format(sent).is_some() {
            Wanted {
                sort,
                from: 0,
                limit: MOST_EXPORTED + 1,
            }
        } else {
            Wanted {
                sort,
                from: self.page(sent) * self.rows,
                limit: self.rows,
            }
        }
    }

    /// Searches, sorts and pages rows in memory.
    ///
    /// # Errors
    /// [`PageError::Refused`] when an export would be too long.
    pub(crate) async fn answer(self, viewer: &Viewer, sent: &Sent, rows: Vec<Row>) -> Result<Answer, PageError> {
        let found = self.arranged(sent, rows.into_iter().map(|it| (it, ())).collect());
        let mut rows: Vec<Row> = found.into_iter().map(|(row, ())| row).collect();
        let total = rows.len();
        if self.format(sent).is_none() {
            let last = total.saturating_sub(1) / self.rows;
            let from = self.page(sent).min(last) * self.rows;
            rows = rows.into_iter().skip(from).take(self.rows).collect();
        }
        self.answer_from_store(viewer, sent, rows, total).await
    }

    /// Lays out rows that a store has sorted and paged as [`Self::wanted`] says; `total` is how many there are in all.
    ///
    /// # Errors
    /// [`PageError::Refused`] when an export would be too long.
    pub(crate) async fn answer_from_store(
        self,
        viewer: &Viewer,
        sent: &Sent,
        rows: Vec<Row>,
        total: usize,
    ) -> Result<Answer, PageError> {
        if let Some(format) = self.format(sent) {
            if rows.len() > MOST_EXPORTED || total > MOST_EXPORTED {
                let sentence = viewer.text.fill("table.too_long", "count", MOST_EXPORTED);
                return Err(PageError::Refused(sentence));
            }
            return Ok(Answer::File(export::file(self, viewer, format, rows).await?));
        }
        Ok(Answer::Shown(TableView::new(self, viewer, sent, rows, total)))
    }
}

/// Sorts rows by one column and keeps the order of equal ones; what has no value comes last either way.
fn sort_rows<T>(rows: &mut [(Row, T)], index: usize, direction: Direction) {
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

#[cfg(test)]
mod tests;
