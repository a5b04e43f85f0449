//! The columns of a list: what stands in them, under which heading, and whether they sort.

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
    pub(super) key: &'static str,
    pub(super) heading: String,
    /// What stands in the heading of a wide table in its place.
    pub(super) short: Option<&'static str>,
    pub(super) kind: ColumnKind,
    pub(super) sortable: bool,
    pub(super) exported: bool,
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
