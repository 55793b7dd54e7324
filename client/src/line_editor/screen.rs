//! How rows get onto a terminal, and what has to be sent when they change.
//!
//! Only differences are sent, and rows are cleared one by one: a terminal that is told to clear all that is below may
//! put what was there into its scrollback. Pure: rows in, bytes out. It doesn't know what the rows say.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::layout::{Area, Row};

/// Appends what makes `new` out of `old` on a screen of so many columns; the cursor stands where `old` has it.
pub fn change(old: &Area, new: &Area, columns: usize, bytes: &mut Vec<u8>) {
    let mut pen = Pen { row: old.cursor_row, column: Some(old.cursor_column), bytes };
    for (at, row) in new.rows.iter().enumerate() {
        let mut before = old.rows.get(at).map_or("", |row| &row.text);
        let above = at.checked_sub(1).map(|above| &new.rows[above]);
        let is_joined =
            above.is_some_and(|above| above.wraps) && !old.rows.get(at - 1).is_some_and(|row| row.wraps);
        if let Some(above) = above.filter(|_| at >= old.rows.len() || is_joined) {
            pen.begin_row(at, above);
            if !before.is_empty() {
                pen.clear_to_end();
            }
            before = "";
        }
        if before != row.text {
            pen.replace(at, before, &row.text, columns);
        }
    }
    for (at, row) in old.rows.iter().enumerate().skip(new.rows.len()) {
        if !row.text.is_empty() {
            pen.go(at, 0);
            pen.clear_to_end();
        }
    }
    pen.go(new.cursor_row, new.cursor_column);
}

/// Appends what draws `area`, the cursor being where its first row begins.
pub fn draw(area: &Area, columns: usize, bytes: &mut Vec<u8>) {
    let nothing = Area { rows: vec![Row::default()], cursor_row: 0, cursor_column: 0 };
    change(&nothing, area, columns, bytes);
}

/// Appends what makes `area` disappear from a screen of so many columns, leaving the cursor where its first row began.
/// The screen may have got another width since it was drawn, and have broken its lines anew.
pub fn erase(area: &Area, columns: usize, bytes: &mut Vec<u8>) {
    let cursor_row = area.rows_above_cursor(columns);
    let mut pen = Pen { row: cursor_row, column: None, bytes };
    for row in 0..area.height(columns).max(cursor_row + 1) {
        pen.go(row, 0);
        pen.clear_to_end();
    }
    pen.go(0, 0);
}

/// Appends what clears all that is below the cursor, which is at the beginning of a row that is empty. A terminal that is
/// told so in its first column may take it for the whole screen, and put that into its scrollback.
pub fn clear_below(bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(b"\x1b[2G\x1b[J\r");
}

/// Appends what empties the screen.
pub fn clear(bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(b"\x1b[H\x1b[2J");
}

/// Where the cursor is, and what moves it. Rows are counted from the first of the area.
struct Pen<'b> {
    row: usize,
    /// None after the last column was written to: terminals differ in where the cursor is then.
    column: Option<usize>,
    bytes: &'b mut Vec<u8>,
}

impl Pen<'_> {
    fn put(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Goes to a place in a row that is on the screen.
    fn go(&mut self, row: usize, column: usize) {
        self.go_to_row(row);
        match column {
            _ if self.column == Some(column) => {}
            0 => self.put("\r"),
            column => self.put(&format!("\x1b[{}G", column + 1)),
        }
        self.column = Some(column);
    }

    fn go_to_row(&mut self, row: usize) {
        match row.abs_diff(self.row) {
            0 => {}
            rows if row > self.row => self.put(&format!("\x1b[{rows}B")),
            rows => self.put(&format!("\x1b[{rows}A")),
        }
        self.row = row;
    }

    /// Goes to a row that is not on the screen yet, below the last one, which is `above`; or joins it to that one.
    fn begin_row(&mut self, row: usize, above: &Row) {
        if above.wraps {
            // After a full row a terminal goes on by itself, and knows then that both are one line.
            let (start, last) = above.text.grapheme_indices(true).next_back().unwrap_or_default();
            if (self.row, self.column) != (row - 1, None) {
                self.go(row - 1, above.text[..start].width());
                self.put(last);
            }
            self.put(" \r");
        } else {
            self.go_to_row(row - 1);
            // The terminal goes to the first column by itself.
            self.put("\n");
        }
        (self.row, self.column) = (row, Some(0));
    }

    /// Makes one row out of another.
    fn replace(&mut self, at: usize, old: &str, new: &str, columns: usize) {
        let same = old.graphemes(true).zip(new.graphemes(true)).take_while(|(old, new)| old == new);
        let length = same.map(|(cluster, _)| cluster.len()).sum();
        let width = new.width();
        self.go(at, new[..length].width());
        self.put(&new[length..]);
        self.column = (width < columns).then_some(width);
        if old.width() > width {
            self.clear_to_end();
        }
    }

    fn clear_to_end(&mut self) {
        self.put("\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line_editor::layout::{View, layout};

    fn area(rows: &[&str], cursor_row: usize, cursor_column: usize) -> Area {
        let row = |text: &&str| Row { text: (*text).to_owned(), wraps: false };
        Area { rows: rows.iter().map(row).collect(), cursor_row, cursor_column }
    }

    fn changed(old: &Area, new: &Area) -> String {
        let mut bytes = Vec::new();
        change(old, new, 80, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_typed_at_the_end_is_all_that_is_sent() {
        assert_eq!(changed(&area(&["> LS"], 0, 4), &area(&["> LST"], 0, 5)), "T");
        assert_eq!(changed(&area(&["> LST"], 0, 5), &area(&["> LS"], 0, 4)), "\x1b[5G\x1b[K");
        assert_eq!(changed(&area(&["> LST"], 0, 5), &area(&["> LST"], 0, 3)), "\x1b[4G");
        assert_eq!(changed(&area(&["> LST"], 0, 5), &area(&["> LST"], 0, 5)), "");
    }

    #[test]
    fn drawing_ends_at_the_cursor_and_erasing_where_drawing_began() {
        let three = area(&["> abc", "def", "g"], 1, 2);
        let mut bytes = Vec::new();
        draw(&three, 80, &mut bytes);
        assert_eq!(String::from_utf8(std::mem::take(&mut bytes)).unwrap(), "> abc\ndef\ng\x1b[1A\x1b[3G");
        erase(&three, 80, &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), "\x1b[1A\r\x1b[K\x1b[1B\x1b[K\x1b[1B\x1b[K\x1b[2A");
    }

    #[test]
    fn the_first_row_is_not_left_upwards() {
        let mut bytes = Vec::new();
        erase(&area(&["> "], 0, 2), 80, &mut bytes);
        assert_eq!(bytes, b"\r\x1b[K");
    }

    #[test]
    fn a_line_goes_on_after_a_full_row_by_itself_so_that_the_terminal_knows_it_as_one() {
        let drawn = |text: &str| {
            let view = View { status: vec!["12345".into()], prompt: "> ", text, cursor: text.len() };
            let area = layout(&view, 5, 24);
            let mut bytes = Vec::new();
            draw(&area, 5, &mut bytes);
            (String::from_utf8(bytes).unwrap(), area)
        };
        let (bytes, short) = drawn("ab");
        assert_eq!(bytes, "12345\n> ab");
        let (bytes, full) = drawn("abc");
        assert_eq!(bytes, "12345\n> abc \r");
        assert_eq!(drawn("abcd").0, "12345\n> abc \rd");
        let mut bytes = Vec::new();
        change(&short, &full, 5, &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), "c \r");
    }

    /// A terminal that knows what is sent here, and no scrollback.
    struct Grid {
        cells: Vec<Vec<String>>,
        /// Rows that go on in the next one.
        wraps: Vec<bool>,
        row: usize,
        column: usize,
        columns: usize,
    }

    impl Grid {
        fn new(columns: usize, rows: usize) -> Self {
            let (cells, wraps) = (vec![vec![String::new(); columns]; rows], vec![false; rows]);
            Self { cells, wraps, row: 0, column: 0, columns }
        }

        fn obey(&mut self, text: &str) {
            let mut rest = text;
            while !rest.is_empty() {
                if let Some(sequence) = rest.strip_prefix("\x1b[") {
                    let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    let count: usize = sequence[..end].parse().unwrap_or(1);
                    match &sequence[end..=end] {
                        "A" => self.row -= count,
                        "B" => self.row += count,
                        "G" => self.column = count - 1,
                        "K" => self.cells[self.row][self.column.min(self.columns)..].fill(String::new()),
                        other => panic!("{other}"),
                    }
                    rest = &sequence[end + 1..];
                    continue;
                }
                let cluster = rest.graphemes(true).next().unwrap();
                match cluster {
                    "\r" => self.column = 0,
                    "\n" => {
                        self.wraps[self.row] = false;
                        (self.row, self.column) = (self.row + 1, 0);
                    }
                    cluster => {
                        if self.column + cluster.width() > self.columns {
                            self.wraps[self.row] = true;
                            (self.row, self.column) = (self.row + 1, 0);
                        }
                        self.cells[self.row][self.column] = cluster.to_owned();
                        for more in 1..cluster.width() {
                            self.cells[self.row][self.column + more] = String::new();
                        }
                        self.column += cluster.width();
                    }
                }
                rest = &rest[cluster.len()..];
            }
        }

        /// Takes another width, and breaks its lines anew, as tmux does.
        fn resize(&mut self, columns: usize) {
            let mut new = Self::new(columns, self.cells.len());
            let (mut row, mut column) = (0, 0);
            for (at, cells) in self.cells.iter().enumerate() {
                let used = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
                for (place, cell) in cells.iter().enumerate() {
                    if (at, place) == (self.row, self.column) {
                        (new.row, new.column) = (row, column);
                    }
                    if place < used {
                        if column == columns {
                            new.wraps[row] = true;
                            (row, column) = (row + 1, 0);
                        }
                        new.cells[row][column].clone_from(cell);
                        if (at, place) == (self.row, self.column) {
                            (new.row, new.column) = (row, column);
                        }
                        column += 1;
                    }
                }
                if !self.wraps[at] {
                    (row, column) = ((row + 1).min(self.cells.len() - 1), 0);
                }
            }
            *self = new;
        }

        fn rows(&self) -> Vec<String> {
            self.cells.iter().map(|row| row.concat().trim_end().to_owned()).collect()
        }
    }

    proptest! {
        #[test]
        fn whatever_the_new_width_the_line_is_erased_and_nothing_above_it(
            text in "[a-c]{0,60}", cursor in 0usize..60, widths in (2usize..20, 2usize..20),
        ) {
            let mut grid = Grid::new(widths.0, 160);
            grid.obey("ab\nc\n");
            let view = View { status: vec!["12345".into()], prompt: "> ", text: &text, cursor: cursor.min(text.len()) };
            let drawn = layout(&view, widths.0, 70);
            let mut bytes = Vec::new();
            draw(&drawn, widths.0, &mut bytes);
            grid.obey(std::str::from_utf8(&bytes).unwrap());
            grid.resize(widths.1);
            bytes.clear();
            erase(&drawn, widths.1, &mut bytes);
            grid.obey(std::str::from_utf8(&bytes).unwrap());
            prop_assert_eq!(grid.rows().concat(), "abc");
            prop_assert_eq!((grid.row, grid.column), (2, 0));
        }

        #[test]
        fn whatever_changes_the_screen_shows_the_new_rows_and_nothing_of_the_old(
            texts in proptest::collection::vec(("[a-c語]{0,60}", 0usize..60), 1..8), columns in 2usize..20,
        ) {
            let (mut grid, mut has_wide) = (Grid::new(columns, 80), false);
            let mut old = area(&[""], 0, 0);
            for (text, cursor) in &texts {
                let cursor = text.floor_char_boundary((*cursor).min(text.len()));
                let view = View { status: Vec::new(), prompt: "> ", text, cursor };
                let new = layout(&view, columns, 70);
                let mut bytes = Vec::new();
                change(&old, &new, columns, &mut bytes);
                grid.obey(std::str::from_utf8(&bytes).unwrap());
                let mut wanted: Vec<_> = new.rows.iter().map(|row| row.text.trim_end().to_owned()).collect();
                wanted.resize(80, String::new());
                prop_assert_eq!(grid.rows(), wanted);
                prop_assert_eq!((grid.row, grid.column), (new.cursor_row, new.cursor_column));
                // Where a wide character has no place in the last column, the line is broken for good.
                has_wide |= !text.is_ascii();
                for (at, row) in new.rows.iter().enumerate().filter(|_| !has_wide) {
                    prop_assert_eq!(grid.wraps[at] && at + 1 < new.rows.len(), row.wraps, "row {} of {:?}", at, new);
                }
                old = new;
            }
            let mut bytes = Vec::new();
            erase(&old, columns, &mut bytes);
            grid.obey(std::str::from_utf8(&bytes).unwrap());
            prop_assert!(grid.rows().iter().all(String::is_empty));
            prop_assert_eq!((grid.row, grid.column), (0, 0));
        }
    }
}
