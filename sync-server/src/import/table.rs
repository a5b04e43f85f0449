//! CSV files as tables of rows with their line numbers.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use super::{
    ImportError, RowError,
    mapping::{Condition, Field, Join, Part, Reading, Source, Template},
};

/// A file that was read.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) file: String,
    headings: HashMap<String, usize>,
    pub(super) rows: Vec<Row>,
}

/// One row; a field may hold line breaks, so a row may be several lines long.
#[derive(Debug)]
pub(super) struct Row {
    /// The line it begins on, counted from 1.
    pub(super) line: u64,
    cells: Vec<Option<String>>,
}

impl Table {
    /// Reads `file` in `dir`. Rows that cannot be read are told in `errors` and left out.
    pub(super) fn read(
        dir: &Path,
        file: &str,
        reading: &Reading,
        errors: &mut Vec<RowError>,
    ) -> Result<Self, ImportError> {
        let bytes = std::fs::read(dir.join(file)).map_err(|error| ImportError::File {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        Self::parse(file, &bytes, reading, errors)
    }

    fn parse(file: &str, bytes: &[u8], reading: &Reading, errors: &mut Vec<RowError>) -> Result<Self, ImportError> {
        let problem = |reason: &str| ImportError::File {
            file: file.to_owned(),
            reason: reason.to_owned(),
        };
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(problem("it is written in UTF-16; save it as UTF-8"));
        }
        let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(reading.delimiter).unwrap_or(b','))
            .flexible(true)
            .has_headers(false)
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        let mut names: Vec<String> = Vec::new();
        let mut rows = Vec::new();
        // The reader counts a row's line from where the one before it ended, blank lines included.
        let mut lines = LineCounter::new(bytes);
        loop {
            let start = reader.position().byte();
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(problem(&error.to_string())),
            }
            let line = lines.line_of(record.position().map_or(start, csv::Position::byte));
            if names.is_empty() {
                for field in &record {
                    let name = std::str::from_utf8(field)
                        .map_err(|_| problem("line 1 is not UTF-8; save the file as UTF-8"))?;
                    names.push(name.trim().to_owned());
                }
                continue;
            }
            match cells(&record, &names, reading) {
                Ok(cells) => rows.push(Row { line, cells }),
                Err((column, reason)) => errors.push(RowError {
                    file: file.to_owned(),
                    line,
                    column,
                    reason,
                }),
            }
        }
        if names.is_empty() {
            return Err(problem("it is empty; its first line must name the columns"));
        }
        let mut headings = HashMap::new();
        for (index, name) in names.into_iter().enumerate() {
            if headings.insert(name.clone(), index).is_some() {
                return Err(problem(&format!("its first line names the column {name:?} twice")));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            headings,
            rows,
        })
    }

    fn cell<'t>(&self, row: &'t Row, column: &str) -> Option<&'t str> {
        let index = *self.headings.get(column)?;
        row.cells.get(index)?.as_deref()
    }

    fn require(&self, column: &str) -> Result<(), ImportError> {
        if self.headings.contains_key(column) {
            return Ok(());
        }
        let mut names: Vec<&str> = self.headings.keys().map(String::as_str).collect();
        names.sort_unstable();
        Err(ImportError::File {
            file: self.file.clone(),
            reason: format!(
                "it has no column {column:?}, which the mapping names; it has {}",
                names.join(", ")
            ),
        })
    }
}

/// Counts line breaks up to a byte, for bytes that only go up.
struct LineCounter<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u64,
}

impl<'b> LineCounter<'b> {
    const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    fn line_of(&mut self, byte: u64) -> u64 {
        let mut to = usize::try_from(byte).unwrap_or(usize::MAX).min(self.bytes.len());
        // The parser places a row before the blank lines that it skips.
        while matches!(self.bytes.get(to), Some(b'\n' | b'\r')) {
            to += 1;
        }
        let passed = self.bytes.get(self.at..to).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = self.at.max(to);
        self.line
    }
}

type CellError = (Option<String>, String);

fn cells(record: &csv::ByteRecord, names: &[String], reading: &Reading) -> Result<Vec<Option<String>>, CellError> {
    if record.len() != names.len() {
        return Err((
            None,
            format!(
                "the row has {} fields where the first line names {} columns; is a quotation mark or a separator missing?",
                record.len(),
                names.len()
            ),
        ));
    }
    let cell = |(field, name): (&[u8], &String)| match std::str::from_utf8(field) {
        Ok(text) => {
            let text = text.trim();
            let known = !text.is_empty() && !reading.null.iter().any(|word| word == text);
            Ok(known.then(|| text.to_owned()))
        }
        Err(_) => Err((Some(name.clone()), "is not UTF-8; save the file as UTF-8".to_owned())),
    };
    record.iter().zip(names).map(cell).collect()
}

/// Every file that a mapping names, with what joins them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: BTreeMap<String, Table>,
    /// Rows of a file by the value of a key template.
    indexes: HashMap<(String, String), HashMap<String, usize>>,
}

impl Tables {
    /// Reads what `source` needs, once.
    pub(super) fn load(
        &mut self,
        dir: &Path,
        source: Source<'_>,
        reading: &Reading,
        errors: &mut Vec<RowError>,
    ) -> Result<(), ImportError> {
        for file in std::iter::once(source.file).chain(source.join.values().map(|join| join.file.as_str())) {
            if !self.tables.contains_key(file) {
                let table = Table::read(dir, file, reading, errors)?;
                self.tables.insert(file.to_owned(), table);
            }
        }
        for join in source.join.values() {
            let name = (join.file.clone(), format!("{:?}", join.key));
            if self.indexes.contains_key(&name) {
                continue;
            }
            let Some(table) = self.tables.get(&join.file) else {
                continue;
            };
            let mut index = HashMap::new();
            for part in &join.key.parts {
                match part {
                    Part::Column { join: None, column } => table.require(column)?,
                    Part::Column { .. } => {
                        return Err(ImportError::Mapping(format!(
                            "the key of a join can only name columns of {}",
                            join.file
                        )));
                    }
                    Part::Text(_) => {}
                }
            }
            for (place, row) in table.rows.iter().enumerate() {
                let mut key = String::new();
                for part in &join.key.parts {
                    key.push_str(match part {
                        Part::Text(text) => text,
                        Part::Column { column, .. } => table.cell(row, column).unwrap_or_default(),
                    });
                }
                if let Some(first) = index.insert(key.clone(), place) {
                    let first_line = table.rows.get(first).map_or(0, |row| row.line);
                    index.insert(key, first);
                    errors.push(RowError {
                        file: join.file.clone(),
                        line: row.line,
                        column: Some(join.key.columns().join(", ")),
                        reason: format!("line {first_line} has the same value already"),
                    });
                }
            }
            self.indexes.insert(name, index);
        }
        Ok(())
    }

    /// Refuses a mapping that names a column or a join that is not there.
    pub(super) fn check<'m>(
        &self,
        source: Source<'m>,
        templates: impl IntoIterator<Item = &'m Template>,
    ) -> Result<(), ImportError> {
        let conditions = source.conditions.iter().map(|condition| &condition.value);
        let ons = source.join.values().map(|join| &join.on);
        for template in templates.into_iter().chain(conditions).chain(ons) {
            for part in &template.parts {
                let Part::Column { join, column } = part else { continue };
                let file = match join {
                    None => source.file,
                    Some(name) => match source.join.get(name) {
                        Some(join) => join.file.as_str(),
                        None => {
                            return Err(ImportError::Mapping(format!(
                                "{{{name}.{column}}} names a join that the section of {} does not have",
                                source.file
                            )));
                        }
                    },
                };
                if let Some(table) = self.tables.get(file) {
                    table.require(column)?;
                }
            }
        }
        for name in source.join.keys() {
            self.acyclic(source, name, 0)?;
        }
        Ok(())
    }

    fn acyclic(&self, source: Source<'_>, name: &str, depth: usize) -> Result<(), ImportError> {
        if depth > source.join.len() {
            return Err(ImportError::Mapping(format!(
                "the join {name:?} of {} hangs on itself",
                source.file
            )));
        }
        let Some(join) = source.join.get(name) else {
            return Ok(());
        };
        for part in &join.on.parts {
            if let Part::Column { join: Some(next), .. } = part {
                self.acyclic(source, next, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The rows of `source` that its conditions take.
    pub(super) fn rows<'t>(
        &'t self,
        source: Source<'t>,
        reading: &'t Reading,
        errors: &mut Vec<RowError>,
    ) -> Vec<RowView<'t>> {
        let Some(table) = self.tables.get(source.file) else {
            return Vec::new();
        };
        let mut taken = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let view = RowView {
                tables: self,
                table,
                row,
                source,
                reading,
            };
            match view.holds_all(source.conditions) {
                Ok(true) => taken.push(view),
                Ok(false) => {}
                Err(error) => errors.push(error),
            }
        }
        taken
    }
}

/// A row with everything that is joined to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowView<'t> {
    tables: &'t Tables,
    table: &'t Table,
    row: &'t Row,
    source: Source<'t>,
    pub(super) reading: &'t Reading,
}

impl<'t> RowView<'t> {
    pub(super) fn file(&self) -> &'t str {
        &self.table.file
    }

    pub(super) fn line(&self) -> u64 {
        self.row.line
    }

    pub(super) fn error(&self, column: &str, reason: impl Into<String>) -> RowError {
        RowError {
            file: self.table.file.clone(),
            line: self.row.line,
            column: (!column.is_empty()).then(|| column.to_owned()),
            reason: reason.into(),
        }
    }

    fn joined(&self, name: &str) -> Result<Option<(&'t Table, &'t Row)>, RowError> {
        let Some(join) = self.source.join.get(name) else {
            return Ok(None);
        };
        let Some(value) = self.fill(&join.on)? else {
            return Ok(None);
        };
        let (table, row) = self.find(join, &value).ok_or_else(|| {
            self.error(
                &join.on.columns().join(", "),
                format!("{} has no row for {value:?}", join.file),
            )
        })?;
        Ok(Some((table, row)))
    }

    fn find(&self, join: &Join, value: &str) -> Option<(&'t Table, &'t Row)> {
        let table = self.tables.tables.get(&join.file)?;
        let index = self
            .tables
            .indexes
            .get(&(join.file.clone(), format!("{:?}", join.key)))?;
        Some((table, table.rows.get(*index.get(value)?)?))
    }

    /// The template with its columns filled in; `None` when it names columns and all of them are empty.
    pub(super) fn fill(&self, template: &Template) -> Result<Option<String>, RowError> {
        let mut text = String::new();
        let (mut columns, mut known) = (0, 0);
        for part in &template.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Column { join, column } => {
                    columns += 1;
                    let value = match join {
                        None => self.table.cell(self.row, column),
                        Some(name) => self.joined(name)?.and_then(|(table, row)| table.cell(row, column)),
                    };
                    if let Some(value) = value {
                        known += 1;
                        text.push_str(value);
                    }
                }
            }
        }
        let text = text.trim();
        Ok((!text.is_empty() && (columns == 0 || known > 0)).then(|| text.to_owned()))
    }

    /// The field's value; `None` when nothing is known and there is no default.
    pub(super) fn value(&self, field: &Field) -> Result<Option<String>, RowError> {
        let mut parts = Vec::with_capacity(field.parts.len());
        for part in &field.parts {
            parts.extend(self.fill(part)?);
        }
        if parts.is_empty() {
            return Ok(field.default.clone());
        }
        let text = parts.join(&field.separator);
        match &field.map {
            None => Ok(Some(text)),
            Some(map) => match map.get(&text) {
                Some(ours) => Ok(Some(ours.clone())),
                None => Err(self.error(
                    &field.columns(),
                    format!("the mapping does not say what {text:?} stands for"),
                )),
            },
        }
    }

    fn holds(&self, condition: &Condition) -> Result<bool, RowError> {
        let value = self.fill(&condition.value)?;
        let among = |words: &Vec<String>| value.as_ref().is_some_and(|value| words.contains(value));
        Ok(condition.is.as_ref().is_none_or(among)
            && condition.is_not.as_ref().is_none_or(|words| !among(words))
            && condition.present.is_none_or(|present| value.is_some() == present))
    }

    pub(super) fn holds_all(&self, conditions: &[Condition]) -> Result<bool, RowError> {
        for condition in conditions {
            if !self.holds(condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn holds_any(&self, conditions: &[Condition]) -> Result<bool, RowError> {
        for condition in conditions {
            if self.holds(condition)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(bytes: &[u8]) -> (Table, Vec<RowError>) {
        let mut errors = Vec::new();
        let reading = Reading {
            null: vec!["NULL".to_owned()],
            ..Reading::default()
        };
        let table = Table::parse("file.csv", bytes, &reading, &mut errors).unwrap();
        (table, errors)
    }

    #[test]
    fn line_breaks_in_quotes_a_byte_order_mark_and_blanks_are_read_as_they_are_meant() {
        let text = "\u{feff}id,note\r\n1,\"two\r\nlines, one comma\"\r\n\r\n2 ,NULL\r\n3,\"say \"\"hi\"\" \"\r\n";
        let (table, errors) = parse(text.as_bytes());
        assert_eq!(errors, []);
        let seen: Vec<_> = table
            .rows
            .iter()
            .map(|row| (row.line, table.cell(row, "id"), table.cell(row, "note")))
            .collect();
        assert_eq!(
            seen,
            [
                (2, Some("1"), Some("two\r\nlines, one comma")),
                (5, Some("2"), None),
                (6, Some("3"), Some("say \"hi\""))
            ]
        );
    }

    #[test]
    fn a_row_in_another_encoding_is_named_by_file_line_and_column_and_the_rest_is_read() {
        let (table, errors) = parse(b"id,name\n1,Caf\xe9\n2,Tea\n3,a,b\n");
        assert_eq!(table.rows.len(), 1);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("file.csv line 2, name: is not UTF-8"), "{told:?}");
        assert!(told[1].starts_with("file.csv line 4: the row has 3 fields"), "{told:?}");
    }

    #[test]
    fn utf_16_and_an_empty_file_are_refused_as_a_whole() {
        for bytes in [&b"\xff\xfei\0d\0"[..], b"", b"a,a\n"] {
            let error = Table::parse("x.csv", bytes, &Reading::default(), &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("x.csv"), "{error}");
        }
    }
}
