//! The line that is being typed: its text, its cursor and its history.
//!
//! Pure: keys in, text out. It doesn't know what a line means or how it is shown: that is
//! [`crate::line_editor::layout`]'s.

use forum_common::{escape, wiping};
use unicode_segmentation::UnicodeSegmentation;
use zeroize::Zeroizing;

use crate::line_editor::history::{History, Search};
use crate::line_editor::keys::Key;
use crate::line_editor::lines::LINE_BYTES_MAX;

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
    /// The history is being searched.
    search: Option<Search>,
    /// What ^W, ^U, ^K and Alt-D erased last.
    killed: Zeroizing<String>,
}

impl Default for Editor {
    fn default() -> Self {
        Self {
            text: Zeroizing::default(),
            cursor: 0,
            purpose: Purpose::Command,
            history: History::default(),
            search: None,
            killed: Zeroizing::default(),
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

    /// Types a text at the cursor.
    pub fn type_in(&mut self, text: &str) {
        self.insert(text);
    }

    /// What stands in the place of the prompt while the history is searched.
    pub fn search_prompt(&self) -> Option<String> {
        self.search.as_ref().map(Search::prompt)
    }

    /// Does what a key does.
    pub fn press(&mut self, key: Key) -> Edit {
        if let Some(key) = self.search_on(key) { self.press_plain(key) } else { Edit::Edited }
    }

    /// Gives a key to the search, if there is one. What that has no use for ends it, and is handed back.
    fn search_on(&mut self, key: Key) -> Option<Key> {
        let Some(search) = &mut self.search else { return Some(key) };
        match key {
            Key::Char(c) => search.add(c, &self.history),
            Key::Backspace => search.remove(&self.history),
            Key::Search => search.older(&self.history),
            Key::GiveUp | Key::Interrupt => {
                self.text = self.search.take().map(Search::into_draft).unwrap_or_default();
                self.cursor = self.text.len();
                return None;
            }
            key => {
                self.search = None;
                return Some(key);
            }
        }
        if let Some((line, at)) = search.found(&self.history) {
            (self.text, self.cursor) = (Zeroizing::new(line.to_owned()), at);
        }
        None
    }

    fn press_plain(&mut self, key: Key) -> Edit {
        match key {
            Key::Enter => return Edit::Submitted(self.take()),
            Key::Interrupt => return Edit::Interrupted(self.take()),
            Key::EndOfInput if self.text.is_empty() => return Edit::InputEnded,
            Key::ClearScreen => return Edit::ClearScreen,
            Key::Complete if self.purpose == Purpose::Command => return Edit::Complete,
            Key::Search if self.purpose == Purpose::Command => self.search = Some(Search::from(&self.text)),
            Key::Complete | Key::Search | Key::GiveUp => {}
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => {
                let text = on_one_line(&text);
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
        self.search = None;
        self.history.leave();
        std::mem::take(&mut self.text)
    }

    fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= LINE_BYTES_MAX {
            wiping::reserve_text(&mut self.text, text.len());
            self.text.insert_str(self.cursor, text);
            self.cursor += text.len();
            // What was typed may have joined the character before or after it (an accent, a flag).
            self.cursor = self.boundary_from(self.cursor);
        }
    }

    fn erase(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = self.boundary_from(from);
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to && self.purpose != Purpose::Secret {
            self.killed = Zeroizing::new(self.text[from..to].to_owned());
        }
        self.erase(from, to);
    }

    fn recall(&mut self, step: fn(&mut History, &str) -> Option<Zeroizing<String>>) {
        if self.purpose != Purpose::Command {
            return;
        }
        if let Some(line) = step(&mut self.history, &self.text) {
            self.cursor = line.len();
            self.text = line;
        }
    }

    /// The first place at or after `index` where a cursor can stand.
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
        let word = self.text[self.cursor..].trim_start_matches(|c: char| !c.is_alphanumeric());
        self.text.len() - word.trim_start_matches(char::is_alphanumeric).len()
    }
}

/// A paste as part of one line: its line ends are spaces, and nothing of it drives the terminal.
fn on_one_line(text: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::default();
    wiping::reserve_text(&mut line, text.len());
    let mut chars = text.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\u{2028}' | '\u{2029}' => line.push(' '),
            c if (c == '\t' || !c.is_control()) && !escape::is_bidi_control(c) => line.push(c),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests;
