//! Tables of an operation, as wide as their content.

/// Columns as wide as their widest cell; Chinese characters take two places.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|it| (*it).to_owned()).collect()];
    lines.extend(rows);
    let width = |text: &str| {
        text.chars()
            .map(|it| if it >= '\u{1100}' { 2 } else { 1 })
            .sum::<usize>()
    };
    let columns = head.len();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|it| width(it))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, wide) in line.iter().zip(&widths) {
            let gap = wide - width(cell) + 2;
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', gap));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_under_chinese_names() {
        let rows = [
            vec!["张伟".to_owned(), "rep".to_owned()],
            vec!["Bo".to_owned(), "driver".to_owned()],
        ];
        assert_eq!(table(&["NAME", "ROLE"], rows), "NAME  ROLE\n张伟  rep\nBo    driver");
    }
}
