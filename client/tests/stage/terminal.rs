//! A terminal with a client on it, and what a person sees there.

use std::fs::File;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Instant;

use forum_tests::{Pty, Screen};
use rustix::process::Signal;
use rustix::termios::{Termios, tcgetattr};
use tempfile::TempDir;

use super::{END, LIST_ON_TERMINAL, Peer, Place, Running, Script};

/// The prompt that a person sees first.
pub(crate) const FULL_PROMPT: &str = forum_common::text::prompts::NARROW;

/// Rows that a terminal keeps which have left its screen.
const SCROLLBACK_ROWS: usize = 1_000;

/// A client on a terminal of 80 columns and 24 rows.
pub(crate) struct Terminal {
    pub(crate) child: Running,
    pty: Pty,
    screen: Screen,
    /// What a person sees of all that has come.
    display: vt100::Parser,
    /// How many bytes the display has been given.
    displayed: usize,
    program_end: File,
    before: Termios,
}

impl Terminal {
    /// Runs a command on a terminal.
    pub(super) fn run(pty: Pty, command: &mut Command, places: [Arc<TempDir>; 2]) -> Self {
        let (screen, program_end) = (pty.screen(), pty.program());
        let before = tcgetattr(&program_end).unwrap();
        let child = Running { child: command.spawn().unwrap(), _places: places };
        let display = vt100::Parser::new(24, 80, SCROLLBACK_ROWS);
        Self { child, pty, screen, display, displayed: 0, program_end, before }
    }

    /// Yoda, logged in by options, at the full prompt.
    pub(crate) fn yoda(script: &Script, place: &mut Place) -> (Self, Peer) {
        let mut terminal = place.terminal();
        let peer = script.admit();
        terminal.shows("Welcome to the forum\r\n");
        terminal.shows(FULL_PROMPT);
        (terminal, peer)
    }

    /// Types a command and has it answered; the short prompt is there then.
    pub(crate) fn warm_up(&mut self, peer: &mut Peer) {
        self.types("LST\r");
        let tag = peer.hears(&LIST_ON_TERMINAL);
        peer.reply(tag, &END);
        self.shows("No threads to list\r\n> ");
    }

    pub(crate) fn types(&self, keys: &str) {
        self.pty.types(keys);
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.display();
        self.pty.resize(columns, rows);
        self.display.screen_mut().set_size(rows, columns);
        // The terminal is not the client's controlling one, so the kernel does not tell it.
        self.child.signal(Signal::WINCH);
    }

    /// Insists on these bytes being sent to the screen, after those of the last call.
    pub(crate) fn shows(&mut self, wanted: &str) {
        self.screen.shows(wanted);
    }

    /// Gives the display what has come.
    fn display(&mut self) {
        self.display.process(&self.screen.taken()[self.displayed..]);
        self.displayed = self.screen.taken().len();
    }

    /// The rows that a person sees, without those below the last that has anything.
    pub(crate) fn rows(&mut self) -> Vec<String> {
        self.display();
        let columns = self.display.screen().size().1;
        let rows = self.display.screen().rows(0, columns).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
        rows
    }

    /// Insists on a person seeing these as the last rows, the cursor at this column of the last one.
    pub(crate) fn displays(&mut self, wanted: &[&str], column: u16) {
        let start = Instant::now();
        let is_there = |terminal: &mut Self| {
            let rows = terminal.rows();
            let (row, at) = terminal.display.screen().cursor_position();
            rows.ends_with(&wanted.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>())
                && (usize::from(row) + 1, at) == (rows.len(), column)
        };
        while !is_there(self) {
            let cursor = self.display.screen().cursor_position();
            assert!(
                self.screen.take(start),
                "wanted {wanted:?} and {column} in {:#?}, {cursor:?}",
                self.rows()
            );
        }
        self.screen.skip();
    }

    /// Insists on a person seeing these rows and nothing else.
    pub(crate) fn displays_only(&mut self, wanted: &[String]) {
        let start = Instant::now();
        while self.rows() != wanted {
            assert!(self.screen.take(start), "wanted {wanted:#?} in {:#?}", self.rows());
        }
        self.screen.skip();
    }

    /// The rows that have left the screen at its top.
    pub(crate) fn scrollback(&mut self) -> Vec<String> {
        self.display();
        let screen = self.display.screen_mut();
        screen.set_scrollback(SCROLLBACK_ROWS);
        let gone = screen.scrollback();
        let columns = screen.size().1;
        let rows = screen.rows(0, columns).take(gone).map(|row| row.trim_end().to_owned()).collect();
        screen.set_scrollback(0);
        rows
    }

    /// Everything that was sent to the screen so far, as far as it was waited for.
    pub(crate) fn seen(&self) -> String {
        self.screen.shown()
    }

    /// Waits for the end, and insists on the terminal being as it was.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let status = self.child.wait();
        self.shows("\x1b[?2004l");
        self.is_as_before();
        status
    }

    /// Insists on the terminal having the modes that it had at first.
    pub(crate) fn is_as_before(&self) {
        let after = tcgetattr(&self.program_end).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
    }
}
