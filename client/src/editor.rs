//! The line that is being typed: its text, its cursor, its history, and how it lies on the screen.
//!
//! Pure: keys in, text out. It refuses to know what a line means and how a terminal is driven: [`layout`]
//! says which rows to show and where the cursor stands, and `terminal` draws them.

use std::collections::VecDeque;

use forum_common::escape;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;
use zeroize::{Zeroize, Zeroizing};

use crate::keys::Key;
use crate::lines::LINE_BYTES_MAX;

/// Lines kept in the history.
const HISTORY_LINES_MAX: usize = 500;

/// Columns a tab is shown with. It moves with the text, so there is nothing to align it to.
const TAB: &str = "    ";

/// What a line is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A command: it may enter the history.
    Command,
    /// The answer to a question.
    Answer,
    /// A password: not shown, not kept.
    Secret,
}

/// What came of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Edit {
    /// The line may have changed.
    Edited,
    /// Enter: here is the line; a new one begins.
    Submitted(Zeroizing<String>),
    /// ^C; the line, which had this text, is gone.
    Interrupted(Zeroizing<String>),
    /// ^D on an empty line.
    InputEnded,
    /// ^L.
    ClearScreen,
    /// ^Z.
    Suspend,
}

/// The line being typed.
#[derive(Debug)]
pub struct Editor {
    text: Zeroizing<String>,
    /// Byte index into `text`, always between two grapheme clusters.
    cursor: usize,
    purpose: Purpose,
    history: History,
    /// What ^W, ^U, ^K and Alt-D erased last.
    killed: String,
}

impl Default for Editor {
    fn default() -> Self {
        Self {
            text: Zeroizing::default(),
            cursor: 0,
            purpose: Purpose::Command,
            history: History::default(),
            killed: String::new(),
        }
    }
}

impl Editor {
    /// Says what the line is wanted for. If that is something new, what was typed for the old is dropped:
    /// half a command must not become half a password.
    pub fn devote(&mut self, purpose: Purpose) {
        if self.purpose != purpose {
            self.purpose = purpose;
            self.take();
        }
    }

    /// What has been typed, and the byte at which the cursor stands; nothing at all of a password.
    pub fn visible(&self) -> (&str, usize) {
        if self.purpose == Purpose::Secret { ("", 0) } else { (&self.text, self.cursor) }
    }

    /// Keeps a line in the history.
    pub fn remember(&mut self, line: &str) {
        self.history.push(line);
    }

    /// Does what a key does.
    pub fn press(&mut self, key: Key) -> Edit {
        match key {
            Key::Enter => return Edit::Submitted(self.take()),
            Key::Interrupt => return Edit::Interrupted(self.take()),
            Key::EndOfInput if self.text.is_empty() => return Edit::InputEnded,
            Key::ClearScreen => return Edit::ClearScreen,
            Key::Suspend => return Edit::Suspend,
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => self.insert(&on_one_line(&text)),
            Key::Left => self.cursor = self.left(),
            Key::Right => self.cursor = self.right(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::WordLeft => self.cursor = self.word_left(char::is_alphanumeric),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Backspace => self.erase(self.left(), self.cursor),
            Key::Delete | Key::EndOfInput => self.erase(self.cursor, self.right()),
            Key::EraseWord => self.kill(self.word_left(|c| c != ' '), self.cursor),
            Key::EraseWordRight => self.kill(self.cursor, self.word_right()),
            Key::KillToStart => self.kill(0, self.cursor),
            Key::KillToEnd => self.kill(self.cursor, self.text.len()),
            Key::Yank => self.insert(&self.killed.clone()),
            Key::Up => self.recall(History::older),
            Key::Down => self.recall(History::newer),
        }
        Edit::Edited
    }

    fn take(&mut self) -> Zeroizing<String> {
        self.cursor = 0;
        self.history.leave();
        std::mem::take(&mut self.text)
    }

    fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= LINE_BYTES_MAX {
            self.text.insert_str(self.cursor, text);
            self.cursor += text.len();
            // What was typed may have joined the character before or behind it (an accent, a flag).
            self.cursor = self.boundary_from(self.cursor);
        }
    }

    fn erase(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = self.boundary_from(from);
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to && self.purpose != Purpose::Secret {
            self.text[from..to].clone_into(&mut self.killed);
        }
        self.erase(from, to);
    }

    fn recall(&mut self, step: fn(&mut History, &str) -> Option<String>) {
        if self.purpose != Purpose::Command {
            return;
        }
        if let Some(line) = step(&mut self.history, &self.text) {
            self.cursor = line.len();
            self.text = Zeroizing::new(line);
        }
    }

    /// The first place at or behind `index` where a cursor can stand.
    fn boundary_from(&self, index: usize) -> usize {
        let mut starts = self.text.grapheme_indices(true).map(|(start, _)| start);
        starts.find(|start| *start >= index).unwrap_or(self.text.len())
    }

    fn left(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(start, _)| start)
    }

    fn right(&self) -> usize {
        let cluster = self.text[self.cursor..].graphemes(true).next();
        self.cursor + cluster.map_or(0, str::len)
    }

    /// The start of the word before the cursor; `in_word` says what words are made of.
    fn word_left(&self, in_word: fn(char) -> bool) -> usize {
        let before = self.text[..self.cursor].trim_end_matches(|c| !in_word(c));
        before.trim_end_matches(in_word).len()
    }

    fn word_right(&self) -> usize {
        let behind = self.text[self.cursor..].trim_start_matches(|c: char| !c.is_alphanumeric());
        self.text.len() - behind.trim_start_matches(char::is_alphanumeric).len()
    }
}

/// A paste as part of one line: its line ends are spaces, and nothing of it drives the terminal.
fn on_one_line(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n");
    let breaks = |c| matches!(c, '\r' | '\n' | '\u{2028}' | '\u{2029}');
    text.chars()
        .map(|c| if breaks(c) { ' ' } else { c })
        .filter(|c| (*c == '\t' || !c.is_control()) && !escape::is_bidi_control(*c))
        .collect()
}

/// The lines that were entered, and where among them the user is looking.
#[derive(Debug, Default)]
struct History {
    lines: VecDeque<String>,
    looking: Option<Looking>,
}

#[derive(Debug)]
struct Looking {
    at: usize,
    /// What stood on the line before; it comes back behind the newest.
    draft: String,
}

impl History {
    fn push(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == HISTORY_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    fn leave(&mut self) {
        if let Some(mut looking) = self.looking.take() {
            looking.draft.zeroize();
        }
    }

    fn older(&mut self, text: &str) -> Option<String> {
        let at = self.looking.as_ref().map_or(self.lines.len(), |looking| looking.at).checked_sub(1)?;
        let line = self.lines.get(at)?.clone();
        match &mut self.looking {
            Some(looking) => looking.at = at,
            None => self.looking = Some(Looking { at, draft: text.to_owned() }),
        }
        Some(line)
    }

    fn newer(&mut self, _: &str) -> Option<String> {
        let looking = self.looking.as_mut()?;
        looking.at += 1;
        match self.lines.get(looking.at) {
            Some(line) => Some(line.clone()),
            None => self.looking.take().map(|looking| looking.draft),
        }
    }
}

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

/// Rows as they lie on the screen, none wider than it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Area {
    /// From top to bottom. The first is where the cursor was before anything was drawn.
    pub rows: Vec<String>,
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
    let mut flow = Flow { columns, rows: vec![String::new()], column: 0 };
    flow.put_words(view.prompt);
    flow.put_all(&view.text[..view.cursor]);
    let behind = &view.text[view.cursor..];
    let under = behind.graphemes(true).next().unwrap_or(" ");
    let (cursor_row, cursor_column) = flow.place_of(under);
    if cursor_row == flow.rows.len() {
        flow.break_row();
    }
    flow.put_all(behind);
    let mut area = Area { rows: flow.rows, cursor_row, cursor_column };
    let status = view.status.iter().map(|line| clipped(line, columns));
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

    /// How many rows above the cursor's the area begins on a screen of `columns`, which may have changed
    /// since it was drawn: a terminal that became narrower has broken the rows anew.
    pub fn rows_above_cursor(&self, columns: usize) -> usize {
        let columns = columns.max(1);
        let above: usize =
            self.rows[..self.cursor_row].iter().map(|row| row.width().div_ceil(columns).max(1)).sum();
        above + self.cursor_column / columns
    }
}

/// Text flowing into rows.
struct Flow {
    columns: usize,
    rows: Vec<String>,
    column: usize,
}

impl Flow {
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
        self.rows.last_mut().expect("there is always a row").push_str(cluster);
    }

    fn break_row(&mut self) {
        self.rows.push(String::new());
        self.column = 0;
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

    fn type_text(editor: &mut Editor, text: &str) {
        for c in text.chars() {
            editor.press(Key::Char(c));
        }
    }

    fn press_all(editor: &mut Editor, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            assert_eq!(editor.press(key), Edit::Edited);
        }
    }

    /// The text with a bar where the cursor stands.
    fn shown(editor: &Editor) -> String {
        let (text, cursor) = editor.visible();
        format!("{}|{}", &text[..cursor], &text[cursor..])
    }

    fn edited(text: &str, keys: impl IntoIterator<Item = Key>) -> String {
        let mut editor = Editor::default();
        type_text(&mut editor, text);
        press_all(&mut editor, keys);
        shown(&editor)
    }

    fn submitted(text: &str) -> Edit {
        Edit::Submitted(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn keys_move_the_cursor() {
        assert_eq!(edited("abc", [Key::Left, Key::Left]), "a|bc");
        assert_eq!(edited("abc", [Key::Left, Key::Right, Key::Right]), "abc|");
        assert_eq!(edited("abc", [Key::Home, Key::Left]), "|abc");
        assert_eq!(edited("abc", [Key::Home, Key::End]), "abc|");
        assert_eq!(edited("one two-three", [Key::WordLeft]), "one two-|three");
        assert_eq!(edited("one two", [Key::WordLeft, Key::WordLeft, Key::WordLeft]), "|one two");
        assert_eq!(edited("one two", [Key::Home, Key::WordRight]), "one| two");
        assert_eq!(
            edited("one two", [Key::Home, Key::WordRight, Key::WordRight, Key::WordRight]),
            "one two|"
        );
    }

    #[test]
    fn keys_erase() {
        assert_eq!(edited("abc", [Key::Backspace]), "ab|");
        assert_eq!(edited("abc", [Key::Home, Key::Backspace]), "|abc");
        assert_eq!(edited("abc", [Key::Home, Key::Delete]), "|bc");
        assert_eq!(edited("abc", [Key::Delete]), "abc|");
        assert_eq!(edited("abc", [Key::Home, Key::EndOfInput]), "|bc");
        assert_eq!(edited("one two-three ", [Key::EraseWord]), "one |");
        assert_eq!(edited("one two", [Key::Home, Key::EraseWordRight]), "| two");
        assert_eq!(edited("abcd", [Key::Left, Key::Left, Key::KillToStart]), "|cd");
        assert_eq!(edited("abcd", [Key::Left, Key::Left, Key::KillToEnd]), "ab|");
        assert_eq!(edited("abcd", [Key::Left, Key::KillToStart, Key::End, Key::Yank]), "dabc|");
    }

    #[test]
    fn typing_happens_at_the_cursor() {
        assert_eq!(edited("ac", [Key::Left, Key::Char('b')]), "ab|c");
        assert_eq!(edited("", [Key::Char('語'), Key::Char('🙂')]), "語🙂|");
    }

    #[test]
    fn what_looks_like_one_character_is_one() {
        // e with a combining acute accent; a family joined by zero-width joiners.
        assert_eq!(edited("ae\u{301}", [Key::Left]), "a|e\u{301}");
        assert_eq!(edited("ae\u{301}", [Key::Backspace]), "a|");
        assert_eq!(edited("👩\u{200d}👧x", [Key::Left, Key::Left]), "|👩\u{200d}👧x");
        assert_eq!(edited("👩\u{200d}👧", [Key::Home, Key::Delete]), "|");
        // Typed between two characters, an accent joins the one before it.
        assert_eq!(edited("ab", [Key::Left, Key::Char('\u{301}')]), "a\u{301}|b");
    }

    #[test]
    fn enter_hands_out_the_line_and_starts_another() {
        let mut editor = Editor::default();
        type_text(&mut editor, "LST");
        assert_eq!(editor.press(Key::Enter), submitted("LST"));
        assert_eq!(shown(&editor), "|");
        assert_eq!(editor.press(Key::Enter), submitted(""));
    }

    #[test]
    fn end_of_input_counts_on_an_empty_line_only() {
        let mut editor = Editor::default();
        type_text(&mut editor, "x");
        assert_eq!(editor.press(Key::EndOfInput), Edit::Edited);
        assert_eq!(editor.press(Key::Backspace), Edit::Edited);
        assert_eq!(editor.press(Key::EndOfInput), Edit::InputEnded);
    }

    #[test]
    fn the_history_goes_up_and_down_and_keeps_the_draft() {
        let mut editor = Editor::default();
        for line in ["one", "two", "two", "  "] {
            editor.remember(line);
        }
        type_text(&mut editor, "draft");
        for (key, wanted) in [
            (Key::Down, "draft|"),
            (Key::Up, "two|"),
            (Key::Up, "one|"),
            (Key::Up, "one|"),
            (Key::Down, "two|"),
            (Key::Down, "draft|"),
            (Key::Down, "draft|"),
        ] {
            editor.press(key);
            assert_eq!(shown(&editor), wanted);
        }
    }

    #[test]
    fn a_recalled_line_can_be_changed_without_changing_the_history() {
        let mut editor = Editor::default();
        editor.remember("one");
        press_all(&mut editor, [Key::Up, Key::Char('!')]);
        assert_eq!(editor.press(Key::Enter), submitted("one!"));
        press_all(&mut editor, [Key::Up]);
        assert_eq!(shown(&editor), "one|");
    }

    #[test]
    fn the_history_is_bounded() {
        let mut editor = Editor::default();
        for n in 0..HISTORY_LINES_MAX + 10 {
            editor.remember(&n.to_string());
        }
        for _ in 0..2 * HISTORY_LINES_MAX {
            editor.press(Key::Up);
        }
        assert_eq!(shown(&editor), "10|");
    }

    #[test]
    fn a_password_is_not_shown_not_killed_and_has_no_history() {
        let mut editor = Editor::default();
        editor.remember("LST");
        editor.devote(Purpose::Secret);
        type_text(&mut editor, "s3cret");
        assert_eq!(editor.visible(), ("", 0));
        press_all(&mut editor, [Key::Up, Key::KillToStart]);
        type_text(&mut editor, "other");
        assert_eq!(editor.press(Key::Enter), submitted("other"));
        editor.devote(Purpose::Command);
        press_all(&mut editor, [Key::Yank]);
        assert_eq!(shown(&editor), "|");
    }

    #[test]
    fn half_a_password_never_becomes_half_a_command() {
        let mut editor = Editor::default();
        editor.devote(Purpose::Secret);
        type_text(&mut editor, "s3cr");
        editor.devote(Purpose::Command);
        assert_eq!(shown(&editor), "|");
    }

    #[test]
    fn a_paste_stays_on_its_line_and_drives_nothing() {
        let paste = Key::Paste("LST\r\nX\x1b[2J\x03IT\ta\u{202e}\u{9b}b\n".to_owned());
        assert_eq!(edited("", [paste]), "LST X[2JIT\tab|");
    }

    #[test]
    fn the_line_is_bounded() {
        let longest = "x".repeat(LINE_BYTES_MAX);
        let text = edited("", [Key::Paste(longest.clone()), Key::Char('y'), Key::Paste("z".to_owned())]);
        assert_eq!(text, format!("{longest}|"));
    }

    fn area(prompt: &str, text: &str, cursor: usize, columns: usize) -> (Vec<String>, usize, usize) {
        let area = layout(&View { status: Vec::new(), prompt, text, cursor }, columns, 24);
        (area.rows, area.cursor_row, area.cursor_column)
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
    fn behind_a_full_row_the_cursor_stands_on_the_next() {
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
            (area.rows, area.cursor_row, area.cursor_column),
            (vec!["語語".into(), "ab".into(), "> x".into()], 2, 3)
        );
    }

    #[test]
    fn on_a_low_screen_the_rows_around_the_cursor_are_kept() {
        let text = "aaaabbbbccccdd";
        let rows = |cursor| {
            let area = layout(&View { status: vec!["s".into()], prompt: "", text, cursor }, 4, 2);
            (area.rows, area.cursor_row)
        };
        assert_eq!(rows(14), (vec!["cccc".into(), "dd".into()], 1));
        assert_eq!(rows(5), (vec!["bbbb".into(), "cccc".into()], 0));
    }

    #[test]
    fn a_narrowed_screen_has_broken_the_rows_anew() {
        let area = layout(&View { status: vec![], prompt: "", text: "aaaaaaaaaabbbbb", cursor: 15 }, 10, 24);
        assert_eq!(area.rows_above_cursor(10), 1);
        assert_eq!(area.rows_above_cursor(4), 4);
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_screen_and_the_cursor_is_on_it(
            prompt in "\\PC{0,20}", text in "\\PC{0,80}", columns in 2usize..40, rows in 1usize..6, steps in 0usize..80,
        ) {
            let mut editor = Editor::default();
            editor.press(Key::Paste(text));
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
