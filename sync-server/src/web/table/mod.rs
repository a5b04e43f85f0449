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

mod cells;
mod column;
mod controls;
mod export;
mod filter;
mod part;
mod sent;
mod view;

use axum::response::Response;
pub(crate) use cells::{Cell, Row, Tone};
use cells::{joined, sort_rows};
pub(crate) use column::{Column, ColumnKind};
pub(crate) use controls::{Controls, Heading};
use filter::FilterKind;
pub(crate) use filter::{Choice, Filter};
pub(crate) use part::{EVERYTHING, Wanted, read_parts};
pub(crate) use sent::Sent;
pub(crate) use view::TableView;
// The tests name these through the table.
#[cfg(test)]
use {
    axum::extract::Query,
    fieldledger_core::model::{Money, Timestamp},
};

use super::{error::PageError, page::Viewer};

/// Rows on a page, unless the list says otherwise.
pub(crate) const ROWS: usize = 50;
/// Rows that an export holds at most.
pub(crate) const MOST_EXPORTED: usize = 50_000;

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

#[cfg(test)]
mod tests;
