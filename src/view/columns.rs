//! Columns of text without borders, in as many columns as fit.
//!
//! On a terminal the least important columns go until the rest fits; the last one may be cut with
//! an ellipsis; names never are. Anywhere else every column is there at its full width, so that
//! scripts find the same columns in every window.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width};

/// Space between two columns.
pub(crate) const GAP: usize = 2;
/// A column that may be cut keeps at least so much, or goes.
const CUT_TO: usize = 16;

/// One column.
pub(crate) struct Column {
    /// Its heading.
    pub(crate) head: &'static str,
    /// Those with the smallest go first; [`Column::KEPT`] stays.
    pub(crate) importance: u8,
    /// It may be cut with an ellipsis. Only for the last one.
    pub(crate) cut: bool,
    /// It may go on in the next line. Only for the last one.
    pub(crate) wrap: bool,
    /// One text per row, sanitized.
    pub(crate) cells: Vec<String>,
}

impl Column {
    /// Never dropped.
    pub(crate) const KEPT: u8 = u8::MAX;

    /// A column that is shown whole, on one line, or not at all.
    pub(crate) fn new(head: &'static str, importance: u8, cells: Vec<String>) -> Self {
        Self { head, importance, cut: false, wrap: false, cells }
    }

    fn least(&self) -> usize {
        let natural = usize::from(self.natural());
        if self.cut || self.wrap { natural.min(CUT_TO) } else { natural }
    }

    fn natural(&self) -> u16 {
        let mut alone = Table::new();
        alone.set_header([self.head]).add_rows(self.cells.iter().map(|cell| [cell]));
        alone.column_max_content_widths().first().copied().unwrap_or(0)
    }
}

/// Lines without trailing space, the heading first. `width`: of the terminal; `None` anywhere else.
pub(crate) fn lines(mut columns: Vec<Column>, width: Option<usize>) -> Vec<String> {
    if let Some(width) = width {
        while columns.iter().map(|column| column.least() + GAP).sum::<usize>().saturating_sub(GAP) > width {
            let least = columns.iter().enumerate().min_by_key(|(_, column)| column.importance);
            match least {
                Some((at, column)) if column.importance != Column::KEPT => columns.remove(at),
                _ => break,
            };
        }
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(columns.iter().map(|column| column.head));
    let height = columns.first().map_or(0, |column| column.cells.len());
    for at in 0..height {
        let mut row: Row = columns.iter().filter_map(|column| column.cells.get(at)).collect::<Vec<_>>().into();
        if !columns.iter().any(|column| column.wrap) {
            row.max_height(1);
        }
        table.add_row(row);
    }
    let mut taken = 0;
    for (shown, column) in table.column_iter_mut().zip(&columns) {
        shown.set_padding((0, 2));
        let natural = usize::from(column.natural());
        let left = width.map_or(natural, |width| width.saturating_sub(taken));
        if (column.cut || column.wrap) && natural > left {
            shown.set_constraint(ColumnConstraint::Absolute(Width::Fixed(
                u16::try_from(left + GAP).unwrap_or(u16::MAX),
            )));
        }
        taken += natural + GAP;
    }
    // columns are as wide as their contents, but for the one that is cut
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let cells = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        vec![
            Column::new("NAME", Column::KEPT, cells(["web", "a-much-longer-name"])),
            Column::new("SIZE", 1, cells(["12.3M", "-"])),
            Column::new("ÄGE", 2, cells(["日本", "7s"])),
            Column { cut: true, ..Column::new("NOTE", 3, cells(["", "a sentence that is rather long"])) },
        ]
    }

    #[test]
    fn without_a_terminal_everything_is_there() {
        assert_eq!(
            lines(columns(), None),
            [
                "NAME                SIZE   ÄGE   NOTE",
                "web                 12.3M  日本",
                "a-much-longer-name  -      7s    a sentence that is rather long",
            ]
        );
    }

    #[test]
    fn the_last_column_is_cut_before_others_go() {
        assert_eq!(
            lines(columns(), Some(50)),
            [
                "NAME                SIZE   ÄGE   NOTE",
                "web                 12.3M  日本",
                "a-much-longer-name  -      7s    a sentence that…",
            ]
        );
        assert_eq!(lines(columns(), Some(48))[0], "NAME                ÄGE   NOTE");
        // a name, an age and 16 of a note
        assert_eq!(lines(columns(), Some(42))[0], "NAME                ÄGE   NOTE");
        assert_eq!(lines(columns(), Some(41))[0], "NAME                NOTE");
    }

    #[test]
    fn names_are_never_cut() {
        assert_eq!(lines(columns(), Some(5)), ["NAME", "web", "a-much-longer-name"]);
    }
}
