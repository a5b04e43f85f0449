//! `fieldledger report`: what customers owe, as of a day.

use chrono::NaiveDate;
use clap::ValueEnum as _;

use super::{
    Failure, Place,
    operation::Action,
    table::{Table, plain},
};
use crate::report::{Cell, Format, GroupBy, Report, ReportName, ReportRequest};

/// Arguments of `fieldledger report`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Computes a report from a data folder, or in the server that uses it. Nothing is written.\n\n\
        A report of a past day shows what was posted by that day: what is posted later does not change it. Amounts of \
        several currencies are never added to each other. A figure whose denominator is zero is n/a."
)]
pub(super) struct ReportArgs {
    /// Which report
    name: ReportName,
    /// The day it shows, in the organisation's time zone
    #[arg(long, value_name = "DATE")]
    as_of: NaiveDate,
    /// First day of the period that ends on that day; 90 days when left out
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// What the rows stand for
    #[arg(long)]
    by: Option<GroupBy>,
    /// Only the customer with this number
    #[arg(long, value_name = "CODE")]
    customer: Option<String>,
    /// How it is written
    #[arg(long, default_value = "table")]
    format: Format,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: ReportArgs) -> Result<(), Failure> {
    let request = ReportRequest {
        name: args.name,
        as_of: args.as_of,
        from: args.from,
        by: args.by,
        customer: args.customer,
    };
    args.place.act(Action::Report {
        request,
        format: args.format,
    })
}

/// The report as it is printed.
pub(super) fn written(report: &Report, format: Format) -> String {
    match format {
        Format::Csv => report.to_csv(),
        Format::Json => report.to_json(),
        Format::Table => table(report),
    }
}

fn table(report: &Report) -> String {
    let is_number = |column: &usize| {
        let cells = report.rows.iter().filter_map(|row| row.cells.get(*column));
        cells.clone().any(Cell::is_number)
    };
    let right: Vec<usize> = (0..report.columns.len()).filter(is_number).collect();
    let mut table = Table::new(&report.columns).right(&right);
    for row in &report.rows {
        table.row(row.cells.iter().map(Cell::shown));
    }
    let name = report.name.to_possible_value();
    let name = name.as_ref().map_or("", clap::builder::PossibleValue::get_name);
    let head = format!(
        "{}: {} as of {} (period from {})",
        plain(&report.organisation),
        name,
        report.as_of,
        report.from
    );
    if table.is_empty() {
        return format!("{head}\nThere is nothing to show");
    }
    format!("{head}\n{table}")
}
