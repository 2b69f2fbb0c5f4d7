//! Columns of text that line up, whatever styles are in them.

use super::terminal::{FAINT, styled};

/// Rows under a faint heading.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Stands where there is nothing to say.
pub(super) const NONE: &str = "-";

impl Table {
    /// A table with these headings.
    pub(super) fn new(heading: &[&'static str]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; empty cells are shown as `-`.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells
            .into_iter()
            .map(|cell| if cell.is_empty() { NONE.to_owned() } else { cell });
        self.rows.push(cells.collect());
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, indented by so many spaces.
    pub(super) fn indented(&self, indent: usize) -> String {
        let heading = self.heading.iter().map(|name| styled(FAINT, name)).collect();
        let rows: Vec<_> = std::iter::once(&heading).chain(&self.rows).collect();
        let widths: Vec<_> = (0..self.heading.len())
            .map(|column| {
                rows.iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| width(cell))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in rows {
            let mut line = " ".repeat(indent);
            for (cell, width_of_column) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width_of_column - width(cell) + GAP));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Spaces between columns.
const GAP: usize = 2;

/// How many characters of a text are seen.
fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text)
        .map(|part| part.chars().count())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::BAD;

    #[test]
    fn styles_do_not_move_columns() {
        let mut table = Table::new(&["name", "health", "why"]);
        table.row(["app-a".to_owned(), "up".to_owned(), String::new()]);
        table.row(["b".to_owned(), styled(BAD, "down"), "refused".to_owned()]);
        let plain = anstream::adapter::strip_str(&table.indented(2)).to_string();
        insta::assert_snapshot!(plain, @r"
        name   health  why
        app-a  up      -
        b      down    refused
        ");
    }
}
