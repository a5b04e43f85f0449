//! Values from cells: an error names the columns that a value comes from.

use std::collections::HashMap;

use chrono::NaiveDate;
use fieldledger_core::model::{CreditGrade, Currency, InvalidField, Money};
use rust_decimal::Decimal;

use super::RowResult;
use crate::import::{RowError, mapping::Field, table::RowView};

pub(super) fn required(row: &RowView<'_>, field: &Field) -> RowResult<String> {
    row.value(field)?
        .ok_or_else(|| row.error(&field.columns(), "is missing"))
}

pub(super) fn optional(row: &RowView<'_>, field: &Option<Field>) -> RowResult<Option<String>> {
    field.as_ref().map_or(Ok(None), |field| row.value(field))
}

pub(super) fn unique(row: &RowView<'_>, field: &Field, seen: &mut HashMap<String, u64>) -> RowResult<String> {
    let key = required(row, field)?;
    match seen.get(&key) {
        Some(line) => Err(row.error(&field.columns(), format!("line {line} has {key:?} already"))),
        None => {
            seen.insert(key.clone(), row.line());
            Ok(key)
        }
    }
}

/// What the model says of a record, as an error of its row: with the columns that the field comes from where `fields` tells
/// them, and by the field's own name.
pub(super) fn invalid(row: &RowView<'_>, error: &InvalidField, fields: &[(&str, Option<&Field>)]) -> RowError {
    let field = fields.iter().find(|(name, _)| *name == error.field);
    let columns = field.and_then(|(_, it)| *it).map(Field::columns).unwrap_or_default();
    if columns.is_empty() || columns == error.field {
        return row.error(&error.field, error.message.clone());
    }
    row.error(&columns, format!("{}: {}", error.field, error.message))
}

/// A number from 1.
pub(super) fn place(row: &RowView<'_>, field: &Field) -> RowResult<u32> {
    let text = required(row, field)?;
    let number = text.parse().ok().filter(|it| *it > 0);
    number.ok_or_else(|| row.error(&field.columns(), format!("{text:?} is not a whole number from 1")))
}

fn decimal(row: &RowView<'_>, field: &Field) -> RowResult<Option<Decimal>> {
    let Some(text) = row.value(field)? else { return Ok(None) };
    let mut plain = text.clone();
    if let Some(thousands) = row.reading.thousands {
        plain.retain(|char| char != thousands);
    }
    if row.reading.decimal != '.' {
        if plain.contains('.') {
            return Err(row.error(&field.columns(), format!("{text:?} is not a number")));
        }
        plain = plain.replace(row.reading.decimal, ".");
    }
    Decimal::from_str_exact(&plain)
        .map(Some)
        .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a number")))
}

pub(super) fn decimal_required(row: &RowView<'_>, field: &Field) -> RowResult<Decimal> {
    decimal(row, field)?.ok_or_else(|| row.error(&field.columns(), "is missing"))
}

pub(super) fn days_required(row: &RowView<'_>, field: &Field) -> RowResult<u32> {
    let text = required(row, field)?;
    text.parse()
        .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a number of days")))
}

fn parse_currency(row: &RowView<'_>, columns: &str, text: &str) -> RowResult<Currency> {
    text.parse()
        .map_err(|error: fieldledger_core::model::InvalidMoney| row.error(columns, error.to_string()))
}

pub(super) fn currency(row: &RowView<'_>, field: Option<&Field>, default: Currency) -> RowResult<Currency> {
    match field {
        None => Ok(default),
        Some(field) => parse_currency(row, &field.columns(), &required(row, field)?),
    }
}

pub(super) fn money(row: &RowView<'_>, field: &Field, default: Currency) -> RowResult<Option<Money>> {
    let Some(amount) = decimal(row, field)? else {
        return Ok(None);
    };
    let currency = match &field.currency {
        None => default,
        Some(template) => {
            let columns = template.columns().join(", ");
            let text = row
                .fill(template)?
                .ok_or_else(|| row.error(&columns, "the currency is missing"))?;
            parse_currency(row, &columns, &text)?
        }
    };
    Ok(Some(Money::new(amount, currency)))
}

pub(super) fn date(row: &RowView<'_>, field: Option<&Field>) -> RowResult<Option<NaiveDate>> {
    let Some(field) = field else { return Ok(None) };
    let Some(text) = row.value(field)? else { return Ok(None) };
    let format = field.date.as_deref().unwrap_or(&row.reading.date);
    NaiveDate::parse_from_str(&text, format)
        .map(Some)
        .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a date written as {format}")))
}

pub(super) fn date_required(row: &RowView<'_>, field: &Field) -> RowResult<NaiveDate> {
    date(row, Some(field))?.ok_or_else(|| row.error(&field.columns(), "is missing"))
}

pub(super) fn boolean(row: &RowView<'_>, field: &Field) -> RowResult<Option<bool>> {
    let Some(text) = row.value(field)? else { return Ok(None) };
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "t" | "-1" => Ok(Some(true)),
        "0" | "false" | "no" | "n" | "f" => Ok(Some(false)),
        _ => Err(row.error(&field.columns(), format!("{text:?} is neither yes nor no"))),
    }
}

/// Yes or no; no where nothing is known.
pub(super) fn yes(row: &RowView<'_>, field: &Option<Field>) -> RowResult<bool> {
    match field {
        None => Ok(false),
        Some(field) => Ok(boolean(row, field)?.unwrap_or(false)),
    }
}

/// One of `words` with what it stands for.
pub(super) fn word<T: Copy>(row: &RowView<'_>, field: &Field, text: &str, words: &[(&str, T)]) -> RowResult<T> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, it)| *it).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        row.error(&field.columns(), format!("{text:?} is none of {}", known.join(", ")))
    })
}

pub(super) fn grade(text: &str) -> Option<CreditGrade> {
    match text {
        "A" => Some(CreditGrade::A),
        "B" => Some(CreditGrade::B),
        "C" => Some(CreditGrade::C),
        "D" => Some(CreditGrade::D),
        _ => None,
    }
}
