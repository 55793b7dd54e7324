//! What the user says: lines from a pipe or a file, or keys from a terminal, edited into lines.
//!
//! It refuses to know what the lines mean. Standard input may be anything; it is polled, read when it is
//! ready, and never made nonblocking: a terminal is shared with whoever started us.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use forum_common::text::commands::may_be_kept;
use forum_common::text::prompts;
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::editor::{Edit, Editor, Purpose};
use crate::history::{self, HistoryFile};
use crate::keys::{Key, KeyDecoder};
use crate::lines::{Line, Lines};
use crate::login::Question;
use crate::output::Output;
use crate::wording::cause;

/// Bytes read at a time.
const READ_BYTES: usize = 8_192;

/// Keys kept while nothing is asked; who types more ahead than this leans on the keyboard.
const HELD_KEYS_MAX: usize = 4_096;

/// How long an Escape may be the beginning of something.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(50);

/// Something the user entered.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered {
    /// A line.
    Line(Zeroizing<String>),
    /// A line that is not UTF-8.
    NotUtf8,
    /// A line that was too long to be kept.
    TooLong,
    /// The end of the input; on a terminal only a wish, by ^D.
    End,
    /// ^C on a terminal.
    Interrupt,
    /// ^Z on a terminal.
    Suspend,
    /// ^L on a terminal.
    ClearScreen,
    /// Tab on a terminal; see [`Input::typed`] for what is to be completed.
    Complete,
}

/// Where the user's lines come from.
#[derive(Debug)]
pub enum Input {
    /// A pipe or a file.
    Pipe(PipeInput),
    /// A terminal in raw mode.
    Terminal(Box<TerminalInput>),
}

/// Lines from a pipe or a file.
#[derive(Debug)]
pub struct PipeInput {
    fd: OwnedFd,
    lines: Lines,
    /// The one line that is read ahead.
    ahead: Option<Line>,
}

/// Lines from a terminal.
#[derive(Debug)]
pub struct TerminalInput {
    fd: OwnedFd,
    decoder: KeyDecoder,
    editor: Editor,
    /// For later runs; none if nobody wants that, or it can't be.
    history: Option<HistoryFile>,
    /// Keys pressed before there was anything to type.
    held: VecDeque<Key>,
    /// When what looks like part of a key is not one any more.
    decide_by: Option<Instant>,
    /// The terminal hung up.
    gone: bool,
}

impl Input {
    /// Reads lines from `fd`.
    pub fn pipe(fd: OwnedFd) -> Self {
        Self::Pipe(PipeInput { fd, lines: Lines::default(), ahead: None })
    }

    /// Reads keys from `fd`, a terminal in raw mode. The history begins with the lines of `earlier` runs, and
    /// later ones find it in `history`.
    pub fn terminal(fd: OwnedFd, history: Option<HistoryFile>, earlier: &[String]) -> Self {
        let mut editor = Editor::default();
        earlier.iter().for_each(|line| editor.remember(line));
        Self::Terminal(Box::new(TerminalInput {
            fd,
            decoder: KeyDecoder::default(),
            editor,
            history,
            held: VecDeque::new(),
            decide_by: None,
            gone: false,
        }))
    }

    /// Whether somebody sits there and types.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// What to poll for reading, while more is wanted. Of a pipe that is one line ahead.
    pub fn wanted(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Pipe(pipe) => (pipe.ahead.is_none() && !pipe.lines.is_over()).then(|| pipe.fd.as_fd()),
            Self::Terminal(terminal) => (!terminal.gone).then(|| terminal.fd.as_fd()),
        }
    }

    /// Reads once; call it when the descriptor is ready. An input that can't be read has ended, which is said if it
    /// is no terminal: one that hung up can't be read either, and nobody is there to be told.
    pub fn read(&mut self, now: Instant, output: &mut Output) {
        let mut bytes = Zeroizing::new([0; READ_BYTES]);
        let read = rustix::io::read(self.fd(), &mut bytes[..]);
        match (self, read) {
            (_, Err(Errno::INTR | Errno::AGAIN)) => {}
            (Self::Pipe(pipe), Ok(count)) if count > 0 => pipe.take(&bytes[..count]),
            (Self::Terminal(terminal), Ok(count)) if count > 0 => terminal.take(&bytes[..count], now),
            (Self::Pipe(pipe), read) => {
                if let Err(error) = read {
                    output.refuse(format_args!("Cannot read standard input: {}", cause(&error.into())));
                }
                pipe.lines.end();
                pipe.refill();
            }
            (Self::Terminal(terminal), _) => terminal.gone = true,
        }
    }

    /// What was entered next. With no `question`, only an interrupt is: lines and keys wait for one.
    pub fn next(&mut self, question: Option<&Question>, output: &mut Output) -> Option<Entered> {
        match (self, question) {
            (Self::Pipe(pipe), Some(_)) => pipe.next(),
            (Self::Pipe(_), None) => None,
            (Self::Terminal(terminal), Some(question)) => terminal.next(question, output),
            (Self::Terminal(terminal), None) => terminal.interrupted().then_some(Entered::Interrupt),
        }
    }

    /// Takes the next line out of a pipe if it answers a question: yes or no.
    pub fn take_answer(&mut self) -> Option<bool> {
        let Self::Pipe(pipe) = self else { return None };
        let Some(Line::Text(text)) = &pipe.ahead else { return None };
        let yes = prompts::answer(text)?;
        pipe.ahead = None;
        pipe.refill();
        Some(yes)
    }

    /// What has been typed so far, and the byte at which the cursor stands.
    pub fn typed(&self) -> (&str, usize) {
        match self {
            Self::Pipe(_) => ("", 0),
            Self::Terminal(terminal) => terminal.editor.visible(),
        }
    }

    /// Types a text for the user, where the cursor stands.
    pub fn type_in(&mut self, text: &str) {
        if let Self::Terminal(terminal) = self {
            terminal.editor.type_in(text);
        }
    }

    /// When [`Input::look_at_clock`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Pipe(_) => None,
            Self::Terminal(terminal) => terminal.decide_by,
        }
    }

    /// Decides that an Escape was pressed alone, if its time has passed, and tries again to keep lines that
    /// could not be kept.
    pub fn look_at_clock(&mut self, now: Instant, output: &mut Output) {
        let Self::Terminal(terminal) = self else { return };
        if terminal.decide_by.is_some_and(|deadline| now >= deadline) {
            terminal.decide_by = None;
            terminal.decoder.give_up();
        }
        terminal.keep(HistoryFile::catch_up, output);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pipe(pipe) => pipe.fd.as_fd(),
            Self::Terminal(terminal) => terminal.fd.as_fd(),
        }
    }
}

impl PipeInput {
    fn take(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
        self.refill();
    }

    fn refill(&mut self) {
        if self.ahead.is_none() {
            self.ahead = self.lines.next_line();
        }
    }

    fn next(&mut self) -> Option<Entered> {
        let line = self.ahead.take();
        self.refill();
        match line {
            Some(Line::Text(text)) => Some(Entered::Line(text)),
            Some(Line::NotUtf8) => Some(Entered::NotUtf8),
            Some(Line::TooLong) => Some(Entered::TooLong),
            None => self.lines.is_over().then_some(Entered::End),
        }
    }
}

impl TerminalInput {
    fn take(&mut self, bytes: &[u8], now: Instant) {
        self.decoder.feed(bytes);
        while let Some(key) = self.decoder.next_key() {
            if self.held.len() < HELD_KEYS_MAX || key == Key::Interrupt {
                self.held.push_back(key);
            }
        }
        self.decide_by = self.decoder.is_undecided().then(|| now + ESCAPE_TIMEOUT);
    }

    /// Whether ^C was pressed; if so, what was typed ahead is forgotten with it.
    fn interrupted(&mut self) -> bool {
        let interrupted = self.held.contains(&Key::Interrupt);
        if interrupted {
            self.held.clear();
        }
        interrupted
    }

    fn next(&mut self, question: &Question, output: &mut Output) -> Option<Entered> {
        self.editor.devote(question.purpose);
        while let Some(key) = self.held.pop_front() {
            if let Some(entered) = self.press(key, question, output) {
                return Some(entered);
            }
        }
        self.gone.then_some(Entered::End)
    }

    fn press(&mut self, key: Key, question: &Question, output: &mut Output) -> Option<Entered> {
        match self.editor.press(key) {
            Edit::Edited => None,
            Edit::Submitted(line) => {
                let shown = if question.purpose == Purpose::Secret { "" } else { &line };
                output.echo(&question.prompt, shown);
                if question.purpose == Purpose::Command && may_be_kept(&line) {
                    self.remember(&line, output);
                }
                Some(Entered::Line(line))
            }
            // As in a shell: the line goes, and only an empty one means more.
            Edit::Interrupted(line) if question.purpose == Purpose::Command && !line.is_empty() => {
                output.echo(&question.prompt, &format!("{}^C", *line));
                None
            }
            Edit::Interrupted(_) => Some(Entered::Interrupt),
            Edit::InputEnded => Some(Entered::End),
            Edit::ClearScreen => Some(Entered::ClearScreen),
            Edit::Suspend => Some(Entered::Suspend),
            Edit::Complete => Some(Entered::Complete),
        }
    }

    fn remember(&mut self, line: &str, output: &mut Output) {
        self.editor.remember(line);
        self.keep(|history| history.keep(line), output);
    }

    fn keep(&mut self, write: impl FnOnce(&mut HistoryFile) -> io::Result<()>, output: &mut Output) {
        if let Some(Err(error)) = self.history.as_mut().map(write) {
            output.warn(history::not_kept(&error));
            self.history = None;
        }
    }
}
