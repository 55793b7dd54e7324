//! Somebody at a terminal: what is typed, and what the screen shows.

use std::process::{Child, Command};
use std::time::Instant;

use forum_tests::{PASSWORD, Pty, Screen, until};
use tempfile::TempDir;

/// So many rows that nothing leaves the screen.
const ROWS: u16 = 300;

/// A program on a terminal. It is killed when dropped.
pub(crate) struct Seat {
    child: Child,
    pty: Pty,
    screen: Screen,
    display: vt100::Parser,
    /// How many bytes the display has been given.
    displayed: usize,
    /// The first row of what [`Seat::rows`] returns next.
    from: usize,
    _state: TempDir,
}

impl Seat {
    /// Starts a program on a terminal of so many columns.
    pub(crate) fn take(mut command: Command, columns: u16) -> Self {
        let pty = Pty::open(columns, ROWS);
        let state = TempDir::new().unwrap();
        command.stdin(pty.program()).stdout(pty.program()).stderr(pty.program());
        command.env("XDG_STATE_HOME", state.path()).env("TERM", "xterm");
        let screen = pty.screen();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let display = vt100::Parser::new(ROWS, columns, 0);
        Self { child, pty, screen, display, displayed: 0, from: 0, _state: state }
    }

    /// Signs up as a new user.
    pub(crate) fn signs_up(&mut self, name: &str) {
        self.types("Enter username:", name);
        self.types("Enter new password for", PASSWORD);
        self.types("Confirm password:", PASSWORD);
        self.shows("Welcome to the forum");
    }

    /// Logs in as a known one.
    pub(crate) fn logs_in(&mut self, name: &str) {
        self.types("Enter username:", name);
        self.types("Enter password:", PASSWORD);
        self.shows("Welcome to the forum");
    }

    /// Types a line once this prompt is the last row.
    pub(crate) fn types(&mut self, prompt: &str, line: &str) {
        self.waits_for(|rows| rows.last().is_some_and(|row| row.starts_with(prompt.trim_end())), prompt);
        self.pty.types(&format!("{line}\r"));
    }

    /// Types a command, and waits for this below it: the last line of the answer.
    pub(crate) fn does(&mut self, command: &str, answer: &str) {
        let is_prompt = |row: &String| [">", "SHT:", "help:"].iter().any(|prompt| row.ends_with(prompt));
        self.waits_for(|rows| rows.last().is_some_and(is_prompt), "a prompt");
        let below = self.all_rows().len() - self.from;
        self.pty.types(&format!("{command}\r"));
        self.waits_for(|rows| rows.iter().skip(below).any(|row| row.starts_with(answer)), answer);
    }

    /// Waits until one of the rows from the last mark on is this, or begins with it.
    pub(crate) fn shows(&mut self, text: &str) {
        self.waits_for(|rows| rows.iter().any(|row| row.starts_with(text)), text);
    }

    fn waits_for(&mut self, holds: impl Fn(&[String]) -> bool, what: &str) {
        let start = Instant::now();
        loop {
            let rows = self.all_rows();
            if holds(&rows[self.from.min(rows.len())..]) {
                return;
            }
            assert!(self.screen.take(start), "no {what:?} in {rows:#?}");
        }
    }

    /// All rows up to the cursor.
    fn all_rows(&mut self) -> Vec<String> {
        self.display.process(&self.screen.taken()[self.displayed..]);
        self.displayed = self.screen.taken().len();
        let screen = self.display.screen();
        let (last, columns) = (usize::from(screen.cursor_position().0), screen.size().1);
        screen.rows(0, columns).take(last + 1).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The rows since the last call, without the prompt that waits.
    pub(crate) fn rows(&mut self) -> Vec<String> {
        let mut rows = self.all_rows().split_off(self.from);
        while rows.last().is_some_and(|row| row.is_empty() || row == ">") {
            rows.pop();
        }
        self.from += rows.len();
        rows
    }

    /// Leaves with this command, and waits for the end of the program.
    pub(crate) fn leaves(&mut self, command: &str, answer: &str) {
        self.does(command, answer);
        until("the end of the program", || self.child.try_wait().expect("the child is ours"));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
