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
    /// The most that is wanted; `None` for a figure that is only told.
    pub(crate) aim: Option<f64>,
    /// What `measured` and `aim` are in: "×", "B", "ms", ….
    pub(crate) unit: &'static str,
    /// What costs most, told when the aim is missed; empty where nothing is known to stand in the way.
    pub(crate) in_the_way: &'static str,
}

impl Figure {
    fn reached(&self) -> bool {
        self.aim.is_none_or(|aim| self.measured <= aim)
    }
}

/// The whole file: how it was measured, the table, and what stands in the way of the aims that are missed.
/// `load` is the machine's before it began: on a busy one, times by the wall clock say little.
pub(crate) fn document(count: usize, load: Option<f64>, figures: &[Figure]) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = match load {
        // The build that came before counts for one more.
        Some(load) if load > f64::from(u16::try_from(processors).unwrap_or(u16::MAX)) + 1.0 => format!(
            " **The machine was busy with other work** (load {load:.1}): each wait for the disk is also a wait for a \
             processor, so the wall clock tells nothing here, and CPU time is somewhat too high on both sides."
        ),
        _ => String::new(),
    };
    let mut text = format!(
        "# Measurements\n\n\
         Written by `cargo run --release -p fieldledger-tests --bin bench` on a machine with {processors} processors. \
         {count} visits of about 850 bytes of JSON each (`tests/harness/visits.rs`). Both baselines are measured in the \
         same run: *rows* are raw durable inserts into SQLite with the phone's pragmas; *JSON* is all visits as rows of \
         JSON, compressed with zstd in one HTTP request to a server on the loopback, written to another SQLite file. CPU \
         time is that of phone, server and worker processes together.{busy}\n\n{}",
        markdown(figures)
    );
    let missed: Vec<&Figure> = figures.iter().filter(|figure| !figure.reached()).collect();
    if !missed.is_empty() {
        text.push_str("\n## What is missed\n\n");
    }
    for figure in missed {
        let _ = write!(text, "* {}", figure.what);
        if !figure.in_the_way.is_empty() {
            let _ = write!(text, ": {}", figure.in_the_way);
        }
        text.push('\n');
    }
    text
}

/// The figures as a Markdown table.
fn markdown(figures: &[Figure]) -> String {
    let mut text = String::from(
        "| what | Fieldledger | rows | JSON in one request | measured | aim | reached |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        let (aim, reached) = match figure.aim {
            None => (String::new(), ""),
            Some(aim) => (
                format!("≤ {} {}", number(aim), figure.unit),
                if figure.reached() { "yes" } else { "**no**" },
            ),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} {} | {aim} | {reached} |",
            figure.what,
            figure.ours,
            figure.rows,
            figure.json,
            number(figure.measured),
            figure.unit,
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
