//! The filters of a list: the fields of the form above it.

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
pub(super) enum FilterKind {
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
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) kind: FilterKind,
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
