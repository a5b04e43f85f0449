//! A report as text: CSV for spreadsheets, JSON for software. The table for a terminal is the command line's.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Cell, Report};

impl Cell {
    /// The value as people and spreadsheets read it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Day(day) => day.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) => number.to_string(),
            Self::NotAvailable => "n/a".to_owned(),
            Self::Empty => String::new(),
        }
    }

    /// Whether it stands at the right of its column.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Number(_) | Self::NotAvailable)
    }

    fn json(&self) -> Value {
        match self {
            Self::Count(count) => json!(count),
            Self::NotAvailable | Self::Empty => Value::Null,
            // A decimal as text: no reader turns it into a float on the way.
            _ => Value::String(self.shown()),
        }
    }

    /// The value as a field of a CSV file. A text that a spreadsheet would take for a formula gets an apostrophe, which it
    /// shows as text; numbers of ours, negative ones too, are left as they are.
    pub(super) fn csv(&self) -> String {
        let text = match self {
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
            other => other.shown(),
        };
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    }
}

impl Report {
    /// As CSV (RFC 4180) with a heading; the first column tells rows from totals.
    pub fn to_csv(&self) -> String {
        let mut out = String::from("row");
        for column in &self.columns {
            let _ = write!(out, ",{column}");
        }
        for row in &self.rows {
            out.push_str(if row.total { "\r\ntotal" } else { "\r\nline" });
            for cell in &row.cells {
                let _ = write!(out, ",{}", cell.csv());
            }
        }
        out
    }

    /// As one JSON object. Decimals are texts; `null` is n/a or nothing.
    pub fn to_json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let cells = self.columns.iter().zip(&row.cells);
            let mut object: Map<String, Value> = cells.map(|(name, cell)| ((*name).to_owned(), cell.json())).collect();
            object.insert("total".to_owned(), Value::Bool(row.total));
            Value::Object(object)
        });
        json!({
            "report": self.name,
            "organisation": self.organisation,
            "as_of": self.as_of,
            "from": self.from,
            "rows": rows.collect::<Vec<_>>(),
        })
        .to_string()
    }
}
