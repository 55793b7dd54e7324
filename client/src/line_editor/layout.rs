//! How the line being typed lies on the screen: which rows to show, and where the cursor stands.
//!
//! Pure: text in, rows out. It knows how wide characters are but not how a terminal is driven:
//! that is [`super::screen`]'s.

use forum_common::escape;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns a tab is shown with. It moves with the text, so there is nothing to align it to.
const TAB: &str = "    ";

/// What is to be seen below everything that was printed.
#[derive(Debug, Default)]
pub struct View<'a> {
    /// A line each, above the prompt.
    pub status: Vec<String>,
    /// What is asked.
    pub prompt: &'a str,
    /// What has been typed.
    pub text: &'a str,
    /// Byte index into `text`.
    pub cursor: usize,
}

/// A row as it lies on the screen, no wider than it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it shows.
    pub text: String,
    /// It is full, and the next one goes on with the same line: the terminal may break that anew when its width changes.
    pub wraps: bool,
}

impl Row {
    /// What it shows, and whether its line ends with it.
    fn line(&self) -> (&str, bool) {
        (&self.text, !self.wraps)
    }
}

/// Rows on the screen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Area {
    /// From top to bottom. The first is where the cursor was before anything was drawn.
    pub rows: Vec<Row>,
    /// The row of the cursor.
    pub cursor_row: usize,
    /// The column of the cursor, from 0.
    pub cursor_column: usize,
}

/// Lays `view` out on a screen of so many columns and rows.
///
/// Rows are cut here, not by the terminal: what a terminal does with a wide character in its last column
/// is its own affair. If there are more rows than the screen has, those around the cursor are kept.
pub fn layout(view: &View<'_>, columns: usize, rows: usize) -> Area {
    let (columns, rows) = (columns.max(2), rows.max(1));
    let mut flow = Flow::new(columns);
    flow.put_words(view.prompt);
    flow.put_all(&view.text[..view.cursor]);
    let after = &view.text[view.cursor..];
    let under = after.graphemes(true).next().unwrap_or(" ");
    let (cursor_row, cursor_column) = flow.place_of(under);
    if cursor_row == flow.rows.len() {
        flow.break_row();
    }
    flow.put_all(after);
    let mut area = Area { rows: flow.rows, cursor_row, cursor_column };
    let status = view.status.iter().map(|line| Row { text: clipped(line, columns), wraps: false });
    area.rows.splice(0..0, status);
    area.cursor_row += view.status.len();
    area.shorten(rows);
    area
}

impl Area {
    /// Keeps `rows_max` rows, the last ones if the cursor is among them.
    fn shorten(&mut self, rows_max: usize) {
        let surplus = self.rows.len().saturating_sub(rows_max);
        let first = surplus.min(self.cursor_row);
        self.rows.drain(..first);
        self.rows.truncate(rows_max);
        self.cursor_row -= first;
    }

    /// How many rows it takes on a screen of `columns`, which may have changed since it was drawn: then the terminal
    /// has broken its lines anew.
    pub fn height(&self, columns: usize) -> usize {
        broken(self.rows.iter().map(Row::line), columns).rows.len()
    }

    /// How many rows above the cursor's the area begins on a screen of `columns`, which may have changed as well. At the
    /// end of a line that fills its rows exactly, the cursor stays in the last of them.
    pub fn rows_above_cursor(&self, columns: usize) -> usize {
        let (above, rest) = self.rows.split_at(self.cursor_row);
        let row = rest.first().map_or("", |row| &row.text);
        let mut column = 0;
        let before = row.graphemes(true).take_while(|cluster| {
            column += cluster.width();
            column <= self.cursor_column
        });
        let before = &row[..before.map(str::len).sum()];
        let flow = broken(above.iter().map(Row::line).chain([(before, false)]), columns);
        // The row that was begun for the cursor has a space there.
        let is_at_end = before.len() == row.len() && !before.is_empty();
        if is_at_end { flow.rows.len() - 1 } else { flow.place_of(" ").0 }
    }
}

/// Texts on a screen of so many columns; after some of them the line ends.
fn broken<'a>(texts: impl Iterator<Item = (&'a str, bool)>, columns: usize) -> Flow {
    let mut flow = Flow::new(columns.max(1));
    let mut has_ended = false;
    for (text, ends) in texts {
        if has_ended {
            flow.break_row();
        }
        text.graphemes(true).for_each(|cluster| flow.put(cluster));
        has_ended = ends;
    }
    flow
}

/// Text flowing into rows.
struct Flow {
    columns: usize,
    rows: Vec<Row>,
    column: usize,
}

impl Flow {
    fn new(columns: usize) -> Self {
        Self { columns, rows: vec![Row::default()], column: 0 }
    }

    /// Puts a text whose words are not to be broken, where rows are wide enough for that.
    fn put_words(&mut self, text: &str) {
        for word in text.split_inclusive(' ') {
            let width = escape::for_terminal(word.trim_end()).width();
            if self.column + width > self.columns && width <= self.columns {
                self.break_row();
            }
            self.put_all(word);
        }
    }

    fn put_all(&mut self, text: &str) {
        for cluster in text.graphemes(true) {
            if cluster == "\t" {
                TAB.graphemes(true).for_each(|space| self.put(space));
            } else {
                self.put(&escape::for_terminal(cluster));
            }
        }
    }

    fn put(&mut self, cluster: &str) {
        let width = cluster.width();
        if self.column + width > self.columns {
            self.break_row();
        }
        self.column += width;
        self.last().text.push_str(cluster);
    }

    fn break_row(&mut self) {
        self.last().wraps = self.column == self.columns;
        self.rows.push(Row::default());
        self.column = 0;
    }

    fn last(&mut self) -> &mut Row {
        self.rows.last_mut().expect("there is always a row")
    }

    /// Where `cluster` would be put.
    fn place_of(&self, cluster: &str) -> (usize, usize) {
        let width = if cluster == "\t" { 1 } else { escape::for_terminal(cluster).width().max(1) };
        if self.column + width > self.columns {
            (self.rows.len(), 0)
        } else {
            (self.rows.len() - 1, self.column)
        }
    }
}

/// As much of `line` as fits a row.
fn clipped(line: &str, columns: usize) -> String {
    let line = escape::for_terminal(line);
    let mut shown = String::new();
    for cluster in line.graphemes(true) {
        if shown.width() + cluster.width() > columns {
            break;
        }
        shown.push_str(cluster);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line_editor::editor::Editor;
    use crate::line_editor::keys::Key;

    fn area(prompt: &str, text: &str, cursor: usize, columns: usize) -> (Vec<String>, usize, usize) {
        let area = layout(&View { status: Vec::new(), prompt, text, cursor }, columns, 24);
        (texts(&area), area.cursor_row, area.cursor_column)
    }

    fn texts(area: &Area) -> Vec<String> {
        area.rows.iter().map(|row| row.text.clone()).collect()
    }

    #[test]
    fn a_short_line_is_one_row() {
        assert_eq!(area("> ", "abc", 1, 10), (vec!["> abc".to_owned()], 0, 3));
        assert_eq!(area("> ", "", 0, 10), (vec!["> ".to_owned()], 0, 2));
    }

    #[test]
    fn a_long_line_goes_on_below() {
        assert_eq!(area("> ", "abcdef", 6, 5), (vec!["> abc".into(), "def".into()], 1, 3));
        assert_eq!(area("> ", "abcdef", 2, 5), (vec!["> abc".into(), "def".into()], 0, 4));
        assert_eq!(area("> ", "abcdef", 3, 5), (vec!["> abc".into(), "def".into()], 1, 0));
    }

    #[test]
    fn a_prompt_is_broken_between_words() {
        assert_eq!(area("CRT, MSG: ", "ab", 2, 8), (vec!["CRT, ".into(), "MSG: ab".into()], 1, 7));
        assert_eq!(area("unbreakable> ", "", 0, 8), (vec!["unbreaka".into(), "ble> ".into()], 1, 5));
    }

    #[test]
    fn after_a_full_row_the_cursor_stands_on_the_next() {
        assert_eq!(area("> ", "abc", 3, 5), (vec!["> abc".into(), String::new()], 1, 0));
    }

    #[test]
    fn wide_characters_take_two_columns_and_are_never_split() {
        assert_eq!(area("> ", "語語", 3, 10), (vec!["> 語語".into()], 0, 4));
        assert_eq!(area("> ", "語語", 3, 5), (vec!["> 語".into(), "語".into()], 1, 0));
        assert_eq!(area("> ", "語語", 6, 5), (vec!["> 語".into(), "語".into()], 1, 2));
    }

    #[test]
    fn accents_take_no_column() {
        assert_eq!(area("> ", "e\u{301}x", 3, 10), (vec!["> e\u{301}x".into()], 0, 3));
    }

    #[test]
    fn a_tab_is_shown_as_spaces_and_a_control_written_out() {
        assert_eq!(area("> ", "a\tb", 2, 20), (vec!["> a    b".into()], 0, 7));
        assert_eq!(area("\x1b[2J", "", 0, 20), (vec!["\\u{1b}[2J".into()], 0, 9));
    }

    #[test]
    fn status_lines_stand_above_and_are_clipped() {
        let view = View { status: vec!["語語語".into(), "ab".into()], prompt: "> ", text: "x", cursor: 1 };
        let area = layout(&view, 5, 24);
        assert_eq!(
            (texts(&area), area.cursor_row, area.cursor_column),
            (vec!["語語".into(), "ab".into(), "> x".into()], 2, 3)
        );
    }

    #[test]
    fn on_a_low_screen_the_rows_around_the_cursor_are_kept() {
        let text = "aaaabbbbccccdd";
        let rows = |cursor| {
            let area = layout(&View { status: vec!["s".into()], prompt: "", text, cursor }, 4, 2);
            (texts(&area), area.cursor_row)
        };
        assert_eq!(rows(14), (vec!["cccc".into(), "dd".into()], 1));
        assert_eq!(rows(5), (vec!["bbbb".into(), "cccc".into()], 0));
    }

    #[test]
    fn a_screen_of_another_width_has_broken_the_line_anew_and_each_status_row() {
        let view =
            View { status: vec!["0123456789".into()], prompt: "> ", text: "aaaaaaaabbbbb", cursor: 13 };
        let area = layout(&view, 10, 24);
        assert_eq!(area.rows.iter().map(|row| row.wraps).collect::<Vec<_>>(), [false, true, false]);
        for (columns, height, above) in
            [(10, 3, 2), (9, 4, 3), (5, 5, 4), (4, 7, 6), (15, 2, 1), (16, 2, 1), (100, 2, 1)]
        {
            assert_eq!(area.height(columns), height, "{columns} columns");
            assert_eq!(area.rows_above_cursor(columns), above, "{columns} columns");
        }
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_screen_and_the_cursor_is_on_it(
            prompt in "\\PC{0,20}", text in "\\PC{0,80}", columns in 2usize..40, rows in 1usize..6, steps in 0usize..80,
        ) {
            let mut editor = Editor::default();
            editor.press(Key::Paste(text.into()));
            for _ in 0..steps {
                editor.press(Key::Left);
            }
            let (text, cursor) = editor.visible();
            let area = layout(&View { status: Vec::new(), prompt: &prompt, text, cursor }, columns, rows);
            prop_assert!(area.rows.len() <= rows);
            prop_assert!(area.cursor_row < area.rows.len());
            prop_assert!(area.cursor_column < columns);
        }
    }
}
