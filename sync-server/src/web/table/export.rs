//! A list as a file: CSV for every program, a workbook for Excel.
//!
//! A text that a spreadsheet would take for a formula is made harmless in CSV by an apostrophe before it; in a workbook a text
//! is a text whatever it begins with. Amounts are numbers in both: CSV gives their currency a column of its own, a workbook
//! shows it in the format. A number with more digits than a spreadsheet keeps (15) is written as text, so that none is lost.

use std::collections::BTreeMap;

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use chrono::{Datelike as _, NaiveDate, Timelike as _};
use chrono_tz::Tz;
use fieldledger_core::model::{Currency, Timestamp};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use rust_xlsxwriter::{ExcelDateTime, Format as Look, Workbook, Worksheet, XlsxError};

use super::{Cell, Column, ColumnKind, Format, Row, Spec, view::plain};
use crate::web::{error::PageError, page::Viewer};

/// Characters that one cell of a workbook holds at most.
const MOST_CHARACTERS: usize = 32_767;
/// Digits that a spreadsheet keeps of a number.
const MOST_DIGITS: usize = 15;

pub(super) async fn file(spec: Spec, viewer: &Viewer, format: Format, rows: Vec<Row>) -> Result<Response, PageError> {
    let zone = viewer.zone;
    let currency = viewer.text.t("table.currency");
    let id = spec.id;
    let built = tokio::task::spawn_blocking(move || match format {
        Format::Csv => csv(&spec, &rows, zone, currency).map_err(|error| error.to_string()),
        Format::Xlsx => xlsx(&spec, &rows, zone).map_err(|error| error.to_string()),
    })
    .await
    .map_err(|error| error.to_string())
    .flatten();
    let bytes = built.map_err(|error| {
        tracing::error!(%error, "a list could not be exported");
        PageError::Internal
    })?;
    let media_type = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    };
    let disposition = format!("attachment; filename=\"{id}.{}\"", format.name());
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, bytes).into_response())
}

/// The columns that are exported, with their places.
fn exported(spec: &Spec) -> Vec<(usize, &Column)> {
    spec.columns.iter().enumerate().filter(|(_, it)| it.exported).collect()
}

pub(super) fn csv(spec: &Spec, rows: &[Row], zone: Tz, currency: &str) -> Result<Vec<u8>, csv::Error> {
    let columns = exported(spec);
    // Without the mark Excel takes the file for one of the computer's old code page.
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        // Where the semicolon separates cells, one within a bare text would begin a new cell, and what follows a formula.
        .quote_style(csv::QuoteStyle::Always)
        .from_writer("\u{feff}".as_bytes().to_vec());
    let mut headings = Vec::new();
    for (_, column) in &columns {
        headings.push(harmless(&column.heading));
        if column.kind == ColumnKind::Money {
            headings.push(harmless(&format!("{} ({currency})", column.heading)));
        }
    }
    writer.write_record(&headings)?;
    for row in rows {
        let mut record = Vec::with_capacity(headings.len());
        for (index, column) in &columns {
            let cell = row.cells.get(*index).unwrap_or(&Cell::Nothing);
            let text = plain(zone, cell);
            record.push(match cell {
                Cell::Money(_) | Cell::Number(_) | Cell::Share(_) => text,
                _ => harmless(&text),
            });
            if column.kind == ColumnKind::Money {
                record.push(match cell {
                    Cell::Money(money) => money.currency.to_string(),
                    _ => String::new(),
                });
            }
        }
        writer.write_record(&record)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A text that no spreadsheet takes for a formula.
pub(super) fn harmless(text: &str) -> String {
    let risky = |first: char| {
        matches!(
            first,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
        )
    };
    if text.chars().next().is_some_and(risky) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

struct Looks {
    heading: Look,
    day: Look,
    moment: Look,
    number: Look,
    share: Look,
    money: BTreeMap<Currency, Look>,
}

impl Looks {
    fn new() -> Self {
        Self {
            heading: Look::new().set_bold().set_text_wrap(),
            day: Look::new().set_num_format("yyyy-mm-dd"),
            moment: Look::new().set_num_format("yyyy-mm-dd hh:mm"),
            number: Look::new().set_num_format("#,##0.######"),
            share: Look::new().set_num_format("0.00%"),
            money: BTreeMap::new(),
        }
    }

    fn money(&mut self, currency: Currency) -> &Look {
        self.money.entry(currency).or_insert_with(|| {
            let decimals = match currency.minor_digits() {
                0 => String::new(),
                digits => format!(".{}", "0".repeat(digits as usize)),
            };
            Look::new().set_num_format(format!("[${currency}] #,##0{decimals}"))
        })
    }
}

pub(super) fn xlsx(spec: &Spec, rows: &[Row], zone: Tz) -> Result<Vec<u8>, XlsxError> {
    let columns = exported(spec);
    let mut looks = Looks::new();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (place, (_, column)) in (0_u16..).zip(&columns) {
        sheet.write_string_with_format(0, place, cut(&column.heading), &looks.heading)?;
        let width = match column.kind {
            ColumnKind::Text => 28,
            ColumnKind::Money | ColumnKind::Moment => 18,
            ColumnKind::Number | ColumnKind::Day => 12,
        };
        sheet.set_column_width(place, width)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    for (line, row) in (1_u32..).zip(rows) {
        for (place, (index, _)) in (0_u16..).zip(&columns) {
            let cell = row.cells.get(*index).unwrap_or(&Cell::Nothing);
            write(sheet, line, place, cell, zone, &mut looks)?;
        }
    }
    if let (Some(last), true) = (columns.len().checked_sub(1), !rows.is_empty()) {
        let lines = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        sheet.autofilter(0, 0, lines, u16::try_from(last).unwrap_or(u16::MAX))?;
    }
    workbook.save_to_buffer()
}

fn write(
    sheet: &mut Worksheet,
    line: u32,
    place: u16,
    cell: &Cell,
    zone: Tz,
    looks: &mut Looks,
) -> Result<(), XlsxError> {
    let text = || cut(&plain(zone, cell));
    match cell {
        Cell::Nothing => {}
        Cell::Money(money) => match number(money.amount) {
            Some(number) => {
                sheet.write_number_with_format(line, place, number, looks.money(money.currency))?;
            }
            None => {
                sheet.write_string(line, place, text())?;
            }
        },
        Cell::Number(value) => match number(*value) {
            Some(number) => {
                sheet.write_number_with_format(line, place, number, &looks.number)?;
            }
            None => {
                sheet.write_string(line, place, text())?;
            }
        },
        Cell::Share(value) => match number(*value / Decimal::ONE_HUNDRED) {
            Some(number) => {
                sheet.write_number_with_format(line, place, number, &looks.share)?;
            }
            None => {
                sheet.write_string(line, place, text())?;
            }
        },
        Cell::Day(day) => match excel_day(*day) {
            Some(day) => {
                sheet.write_datetime_with_format(line, place, &day, &looks.day)?;
            }
            None => {
                sheet.write_string(line, place, text())?;
            }
        },
        Cell::Moment(at) => match excel_moment(*at, zone) {
            Some(moment) => {
                sheet.write_datetime_with_format(line, place, &moment, &looks.moment)?;
            }
            None => {
                sheet.write_string(line, place, text())?;
            }
        },
        Cell::Text(_) | Cell::Link { .. } | Cell::Mark(..) | Cell::Marks(_) => {
            sheet.write_string(line, place, text())?;
        }
    }
    Ok(())
}

/// The number as spreadsheets keep it; `None` when they would lose digits of it.
fn number(value: Decimal) -> Option<f64> {
    let value = value.normalize();
    let digits = value.mantissa().unsigned_abs().to_string().len();
    (digits <= MOST_DIGITS).then(|| value.to_f64()).flatten()
}

fn cut(text: &str) -> String {
    // Excel counts UTF-16 units.
    let mut units = 0;
    for (index, character) in text.char_indices() {
        units += character.len_utf16();
        if units > MOST_CHARACTERS {
            let before = text.get(..index).unwrap_or_default();
            let mut cut: String = before.to_owned();
            cut.pop();
            cut.push('…');
            return cut;
        }
    }
    text.to_owned()
}

fn excel_day(day: NaiveDate) -> Option<ExcelDateTime> {
    let year = u16::try_from(day.year()).ok()?;
    let (month, date) = (u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?);
    ExcelDateTime::from_ymd(year, month, date).ok()
}

fn excel_moment(at: Timestamp, zone: Tz) -> Option<ExcelDateTime> {
    let local = at.local_in(zone);
    let day = excel_day(local.date())?;
    let hour = u16::try_from(local.hour()).ok()?;
    let (minute, second) = (u8::try_from(local.minute()).ok()?, u8::try_from(local.second()).ok()?);
    day.and_hms(hour, minute, second).ok()
}
