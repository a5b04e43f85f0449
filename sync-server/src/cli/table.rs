//! Tables for a terminal. Chinese characters are two columns wide there.

use std::fmt::Write as _;

/// How many columns of a terminal a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(char: char) -> usize {
    match u32::from(char) {
        0..=0x1F | 0x7F..=0x9F | 0x300..=0x36F | 0x200B..=0x200F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// The text in exactly `columns` columns, cut with an ellipsis where it is longer.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let cut = width(text) > columns;
    for char in text.chars() {
        let wide = char_width(char);
        if used + wide > columns.saturating_sub(usize::from(cut)) {
            break;
        }
        out.push(char);
        used += wide;
    }
    if cut && columns > 0 {
        out.push('…');
        used += 1;
    }
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    out
}

/// Text that cannot play tricks on a terminal: control characters, which a synced note may hold, are made visible.
pub(super) fn plain(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' | '\r' | '\t' => ' ',
        char if char.is_control() => '\u{fffd}',
        // Would turn the rest of the line around.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        char => char,
    };
    text.chars().map(shown).collect()
}

/// A table with headings; columns as wide as what is in them, at most `MAX_COLUMN`.
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

const MAX_COLUMN: usize = 48;

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
            right: Vec::new(),
        }
    }

    /// The columns whose values stand at the right, as numbers do.
    pub(super) fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|cell| width(cell)).max().unwrap_or(0);
                widest.max(width(self.headings[column])).min(MAX_COLUMN)
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (column, cell) in cells.enumerate() {
                let columns = widths.get(column).copied().unwrap_or(0);
                let cell = fit(cell, columns);
                let cell = if self.right.contains(&column) {
                    let text = cell.trim_end();
                    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
                } else {
                    cell
                };
                let _ = write!(line, "{}{cell}", if column == 0 { "" } else { "  " });
            }
            line.trim_end().to_owned()
        };
        writeln!(f, "{}", line(&mut self.headings.iter().copied()))?;
        for (index, row) in self.rows.iter().enumerate() {
            let text = line(&mut row.iter().map(String::as_str));
            if index + 1 == self.rows.len() {
                write!(f, "{text}")?;
            } else {
                writeln!(f, "{text}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_can_neither_colour_the_terminal_nor_turn_its_lines_around() {
        assert_eq!(plain("a\u{1b}[31m\u{202e}b\nc"), "a\u{fffd}[31m\u{fffd}b c");
        assert_eq!(plain("مرحبا 茶 👍"), "مرحبا 茶 👍");
    }

    #[test]
    fn chinese_and_latin_cells_stand_under_each_other() {
        let mut table = Table::new(&["name", "owed"]).right(&[1]);
        table.row(["老王茶行".to_owned(), "1.00".to_owned()]);
        table.row(["Hill".to_owned(), "100.00".to_owned()]);
        assert_eq!(
            table.to_string(),
            "name        owed\n老王茶行    1.00\nHill      100.00"
        );
    }

    #[test]
    fn a_long_cell_is_cut_and_control_characters_are_made_harmless() {
        assert_eq!(fit("老王茶行", 5), "老王…");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(plain("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb c");
    }
}
