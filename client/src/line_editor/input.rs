//! What the user says: lines from a pipe or a file, or keys from a terminal, edited into lines.
//!
//! Pure: bytes come in, lines go out. It doesn't know what they mean.

use std::time::{Duration, Instant};

use forum_common::text::commands::may_be_kept;
use forum_common::text::typed::Line;
use forum_common::text::{Secret, Unreadable, prompts};

use super::editor::{Edit, Editor, Purpose};
use super::held_keys::HeldKeys;
use super::keys::{Key, KeyDecoder};
use super::lines::{LINE_BYTES_MAX, Lines};
use crate::login::Question;
use crate::output::Output;

/// How long an Escape may be the beginning of something.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(50);

/// Something the user entered.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered {
    /// A line.
    Line(Secret),
    /// A line that is no text.
    Unreadable(Unreadable),
    /// The end of the input; on a terminal only a wish, by ^D.
    End,
    /// ^C on a terminal.
    Interrupt,
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
    /// A terminal whose line the kernel edits.
    Plain(PipeInput),
    /// A terminal in raw mode.
    Terminal(Box<TerminalInput>),
}

/// Lines from a pipe or a file.
#[derive(Debug, Default)]
pub struct PipeInput {
    lines: Lines,
    /// The one line that is read ahead.
    ahead: Option<Line>,
    /// How many lines were handed out.
    taken: u64,
}

/// Lines from a terminal.
#[derive(Debug)]
pub struct TerminalInput {
    decoder: KeyDecoder,
    editor: Editor,
    /// Lines that were entered and may be kept for later runs.
    to_keep: Vec<String>,
    /// Keys pressed before there was anything to type.
    held: HeldKeys,
    /// When what looks like part of a key is not one any more.
    decide_by: Option<Instant>,
    /// The terminal hung up.
    gone: bool,
}

impl Input {
    /// Lines.
    pub fn pipe() -> Self {
        Self::Pipe(PipeInput::default())
    }

    /// Lines of a terminal that the kernel edits.
    pub fn plain() -> Self {
        Self::Plain(PipeInput::default())
    }

    /// Keys of a terminal in raw mode. The history begins with the lines of `earlier` runs.
    pub fn terminal(earlier: &[String]) -> Self {
        let mut editor = Editor::default();
        earlier.iter().for_each(|line| editor.remember(line));
        Self::Terminal(Box::new(TerminalInput {
            decoder: KeyDecoder::default(),
            editor,
            to_keep: Vec::new(),
            held: HeldKeys::default(),
            decide_by: None,
            gone: false,
        }))
    }

    /// Whether somebody sits there and types.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_) | Self::Plain(_))
    }

    /// Whether more bytes are wanted. Of a pipe that is one line ahead.
    pub fn is_wanted(&self) -> bool {
        match self {
            Self::Pipe(pipe) | Self::Plain(pipe) => pipe.ahead.is_none() && !pipe.lines.is_over(),
            Self::Terminal(terminal) => !terminal.gone,
        }
    }

    /// Takes in bytes.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) {
        match self {
            Self::Pipe(pipe) | Self::Plain(pipe) => pipe.take(bytes),
            Self::Terminal(terminal) => terminal.take(bytes, now),
        }
    }

    /// No more bytes will come.
    pub fn end(&mut self) {
        match self {
            Self::Pipe(pipe) | Self::Plain(pipe) => {
                pipe.lines.end();
                pipe.refill();
            }
            Self::Terminal(terminal) => terminal.gone = true,
        }
    }

    /// What is left of a pipe is of no interest any more.
    pub fn stop(&mut self) {
        if let Self::Pipe(pipe) = self {
            *pipe = PipeInput::default();
            pipe.lines.end();
        }
    }

    /// Takes out the lines that may be kept for later runs.
    pub fn take_lines_to_keep(&mut self) -> Vec<String> {
        match self {
            Self::Pipe(_) | Self::Plain(_) => Vec::new(),
            Self::Terminal(terminal) => std::mem::take(&mut terminal.to_keep),
        }
    }

    /// What was entered next. With no `question`, only an interrupt is: lines and keys wait for one.
    pub fn next(&mut self, question: Option<&Question>, output: &mut Output) -> Option<Entered> {
        match (self, question) {
            (Self::Pipe(pipe), Some(_)) => pipe.next(),
            (Self::Plain(plain), Some(question)) => {
                let entered = plain.next();
                entered.iter().for_each(|_| output.echo(&question.prompt, ""));
                entered
            }
            (Self::Pipe(_) | Self::Plain(_), None) => None,
            (Self::Terminal(terminal), Some(question)) => terminal.next(question, output),
            (Self::Terminal(terminal), None) => terminal.interrupted().then_some(Entered::Interrupt),
        }
    }

    /// Takes the next line out of a pipe if it answers a question: yes or no.
    pub fn take_answer(&mut self) -> Option<bool> {
        let Self::Pipe(pipe) = self else { return None };
        let Some(Ok(text)) = &pipe.ahead else { return None };
        let yes = prompts::answer(text)?;
        pipe.take_ahead();
        Some(yes)
    }

    /// The line that is read ahead from a pipe, if there is one.
    pub fn ahead(&self) -> Option<&str> {
        match self {
            Self::Pipe(PipeInput { ahead: Some(Ok(text)), .. }) => Some(text),
            _ => None,
        }
    }

    /// Which line of a pipe was handed out last, from 1.
    pub fn line_number(&self) -> u64 {
        match self {
            Self::Pipe(pipe) => pipe.taken,
            Self::Plain(_) | Self::Terminal(_) => 0,
        }
    }

    /// Whether the kernel shows what is typed, and has to be told when that is to be hidden.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// What has been typed so far, and the byte at which the cursor stands.
    pub fn typed(&self) -> (&str, usize) {
        match self {
            Self::Pipe(_) | Self::Plain(_) => ("", 0),
            Self::Terminal(terminal) => terminal.editor.visible(),
        }
    }

    /// What stands in the place of the prompt while the history is searched.
    pub fn search_prompt(&self) -> Option<String> {
        match self {
            Self::Pipe(_) | Self::Plain(_) => None,
            Self::Terminal(terminal) => terminal.editor.search_prompt(),
        }
    }

    /// Types a text for the user, where the cursor stands.
    pub fn type_in(&mut self, text: &str) {
        if let Self::Terminal(terminal) = self {
            terminal.editor.type_in(text);
        }
    }

    /// When [`Input::on_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Pipe(_) | Self::Plain(_) => None,
            Self::Terminal(terminal) => terminal.decide_by,
        }
    }

    /// Decides that an Escape was pressed alone, if its time has passed.
    pub fn on_timeout(&mut self, now: Instant) {
        let Self::Terminal(terminal) = self else { return };
        if terminal.decide_by.is_some_and(|deadline| now >= deadline) {
            terminal.decide_by = None;
            terminal.decoder.decide().into_iter().for_each(|key| terminal.held.push(key));
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

    fn take_ahead(&mut self) -> Option<Line> {
        let line = self.ahead.take();
        self.taken += u64::from(line.is_some());
        self.refill();
        line
    }

    fn next(&mut self) -> Option<Entered> {
        match self.take_ahead() {
            Some(Ok(text)) => Some(Entered::Line(text)),
            Some(Err(unreadable)) => Some(Entered::Unreadable(unreadable)),
            None => self.lines.is_over().then_some(Entered::End),
        }
    }
}

impl TerminalInput {
    fn take(&mut self, bytes: &[u8], now: Instant) {
        self.decoder.feed(bytes);
        while let Some(key) = self.decoder.next_key() {
            self.held.push(key);
        }
        self.decide_by = self.decoder.is_undecided().then(|| now + ESCAPE_TIMEOUT);
    }

    /// Whether ^C was pressed; if so, what was typed ahead is forgotten with it.
    fn interrupted(&mut self) -> bool {
        let interrupted = self.held.has_interrupt();
        if interrupted {
            self.held.clear();
        }
        interrupted
    }

    fn next(&mut self, question: &Question, output: &mut Output) -> Option<Entered> {
        self.editor.devote(question.purpose);
        while let Some(key) = self.held.pop() {
            if let Some(entered) = self.press(key, question, output) {
                return Some(entered);
            }
        }
        self.gone.then_some(Entered::End)
    }

    fn press(&mut self, key: Key, question: &Question, output: &mut Output) -> Option<Entered> {
        match self.editor.press(key) {
            Edit::Edited => None,
            Edit::Cut => {
                output.show(&format!("The paste was cut: a line holds at most {LINE_BYTES_MAX} bytes"));
                None
            }
            Edit::Submitted(line) => {
                output.echo(&question.prompt, visible(&line, question));
                if question.purpose == Purpose::Command && may_be_kept(&line) {
                    self.editor.remember(&line);
                    self.to_keep.push((*line).clone());
                }
                Some(Entered::Line(line))
            }
            // As in a shell: the line goes, and only an empty one means more.
            Edit::Interrupted(line) => {
                let is_command = question.purpose == Purpose::Command;
                if !(is_command && line.is_empty()) {
                    output.echo(&question.prompt, &format!("{}^C", visible(&line, question)));
                }
                (!is_command || line.is_empty()).then_some(Entered::Interrupt)
            }
            Edit::InputEnded => Some(Entered::End),
            Edit::ClearScreen => Some(Entered::ClearScreen),
            Edit::Complete => Some(Entered::Complete),
        }
    }
}

fn visible<'a>(line: &'a str, question: &Question) -> &'a str {
    if question.purpose == Purpose::Secret { "" } else { line }
}
