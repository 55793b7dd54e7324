//! The line that is being typed: its text, its cursor and its history.
//!
//! Pure: keys in, text out. It refuses to know what a line means and how it is shown: that is
//! [`crate::line_editor::layout`]'s.

use std::collections::VecDeque;

use forum_common::escape;
use unicode_segmentation::UnicodeSegmentation;
use zeroize::{Zeroize, Zeroizing};

use crate::line_editor::keys::Key;
use crate::line_editor::lines::LINE_BYTES_MAX;

/// Lines kept in the history.
pub const HISTORY_LINES_MAX: usize = 500;

/// Room for a secret; the longest password has 128 bytes.
const SECRET_BYTES: usize = 1_024;

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
    /// As much of a paste as there was room for is in the line.
    Cut,
    /// Enter: here is the line; a new one begins.
    Submitted(Zeroizing<String>),
    /// ^C; the line, which had this text, is gone.
    Interrupted(Zeroizing<String>),
    /// ^D on an empty line.
    InputEnded,
    /// ^L.
    ClearScreen,
    /// Tab: what the word before the cursor can become is for others to say, and to type.
    Complete,
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
            if purpose == Purpose::Secret {
                // All the room at once: a text that grew would leave copies behind.
                self.text.reserve(SECRET_BYTES);
            }
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

    /// Types a text at the cursor.
    pub fn type_in(&mut self, text: &str) {
        self.insert(text);
    }

    /// Does what a key does.
    pub fn press(&mut self, key: Key) -> Edit {
        match key {
            Key::Enter => return Edit::Submitted(self.take()),
            Key::Interrupt => return Edit::Interrupted(self.take()),
            Key::EndOfInput if self.text.is_empty() => return Edit::InputEnded,
            Key::ClearScreen => return Edit::ClearScreen,
            Key::Complete if self.purpose == Purpose::Command => return Edit::Complete,
            Key::Complete => {}
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => {
                let text = Zeroizing::new(on_one_line(&text));
                let room = LINE_BYTES_MAX - self.text.len();
                let piece = &text[..text.floor_char_boundary(room.min(text.len()))];
                self.insert(piece);
                if piece.len() < text.len() {
                    return Edit::Cut;
                }
            }
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
            Key::KillLine => self.kill(0, self.text.len()),
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

#[cfg(test)]
mod tests {
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
        assert_eq!(edited("abcd", [Key::Left, Key::Left, Key::KillLine]), "|");
        assert_eq!(edited("abcd", [Key::Left, Key::Left, Key::KillToEnd]), "ab|");
        assert_eq!(edited("abcd", [Key::Left, Key::KillLine, Key::Char('x'), Key::Yank]), "xabcd|");
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
        press_all(&mut editor, [Key::Up, Key::KillLine]);
        type_text(&mut editor, "other");
        assert_eq!(editor.press(Key::Enter), submitted("other"));
        editor.devote(Purpose::Command);
        press_all(&mut editor, [Key::Yank]);
        assert_eq!(shown(&editor), "|");
    }

    #[test]
    fn only_commands_are_completed() {
        let mut editor = Editor::default();
        type_text(&mut editor, "LS");
        assert_eq!(editor.press(Key::Complete), Edit::Complete);
        editor.type_in("T ");
        assert_eq!(shown(&editor), "LST |");
        for purpose in [Purpose::Answer, Purpose::Secret] {
            editor.devote(purpose);
            assert_eq!(editor.press(Key::Complete), Edit::Edited);
            assert_eq!(editor.press(Key::Enter), submitted(""));
        }
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
        let text = edited("", [Key::Paste(longest.clone()), Key::Char('y')]);
        assert_eq!(text, format!("{longest}|"));
        let mut editor = Editor::default();
        type_text(&mut editor, "ab");
        assert_eq!(editor.press(Key::Left), Edit::Edited);
        assert_eq!(editor.press(Key::Paste(longest.clone())), Edit::Cut, "what there is room for is in it");
        assert_eq!(shown(&editor), format!("a{}|b", &longest[2..]));
    }
}
