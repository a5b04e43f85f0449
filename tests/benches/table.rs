//! The table of figures, for a terminal and for `docs/measurements.md`.

use std::fmt::Write as _;

/// One measured figure.
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// Fieldledger's figure.
    pub(crate) ours: String,
    /// The raw rows' figure.
    pub(crate) rows: String,
    /// The JSON exchange's figure.
    pub(crate) json: String,
    /// The ratio to the baseline, or the figure itself where the aim is absolute.
    pub(crate) measured: f64,
    /// The most that is wanted.
    pub(crate) aim: f64,
    /// What `measured` and `aim` are in: "×", "B", "ms", ….
    pub(crate) unit: &'static str,
}

impl Figure {
    fn reached(&self) -> bool {
        self.measured <= self.aim
    }
}

/// The figures as a Markdown table.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut text = String::from(
        "| what | Fieldledger | rows | JSON in one request | measured | aim | reached |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} {unit} | ≤ {} {unit} | {} |",
            figure.what,
            figure.ours,
            figure.rows,
            figure.json,
            number(figure.measured),
            number(figure.aim),
            if figure.reached() { "yes" } else { "**no**" },
            unit = figure.unit,
        );
    }
    text
}

fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
