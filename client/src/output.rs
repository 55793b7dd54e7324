//! What is printed: answers on stdout, refusals on stderr, each a whole line, and on a terminal the line
//! being typed below all of it.
//!
//! Pure: lines are queued, and the owner of the streams takes the bytes out, in order over both. Nothing reaches a
//! terminal or a file with a character that could drive a terminal. It doesn't know why something is said.

mod chunks;
mod colours;

use std::fmt;
use std::rc::Rc;

use forum_common::escape;
use serde::Serialize;

use self::chunks::Chunks;
use crate::line_editor::layout::{Area, View, layout};
use crate::line_editor::screen;
use crate::line_editor::terminal::{Ability, USUAL_SIZE};

/// Bytes that may wait for somebody to read them before no more is asked of the server.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Which stream shows the line being typed, if one does, and how much it can do.
pub type Place = Option<(Stream, Ability)>;

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people, and for scripts that compare texts.
    #[default]
    Text,
    /// The same, but a refusal says which line of the input it is about.
    Numbered,
    /// An object a line, all of them on stdout: see docs/SCRIPTING.md.
    Json,
}

/// The command that something is said about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its line of the input, from 1; 0 on a terminal.
    pub line: u64,
    /// What was typed; of a line with a secret the word.
    pub typed: String,
}

/// The printer.
#[derive(Debug)]
pub struct Output {
    format: Format,
    /// What a refusal is about.
    about: Option<Rc<About>>,
    /// Styles are shown in colours.
    pub has_colours: bool,
    /// What is said now has been printed as an object already.
    is_muted: bool,
    screen: Option<Screen>,
    /// Bytes on their way.
    chunks: Chunks,
    /// In pipes a command was refused; or what there was to say about one could not be written.
    failed: bool,
}

/// The terminal as we left it.
#[derive(Debug)]
struct Screen {
    stream: Stream,
    columns: usize,
    rows: usize,
    drawn: Drawn,
}

/// What stands below all that was printed.
#[derive(Debug)]
enum Drawn {
    /// The rows of an area; none at first.
    Area(Option<Area>),
    /// This prompt, on a terminal where the kernel shows what is typed after it.
    Prompt(Option<String>),
}

impl Output {
    /// Prints there, like this.
    pub fn new(place: Place, format: Format) -> Self {
        let (columns, rows) = USUAL_SIZE;
        let screen = place.map(|(stream, ability)| {
            let drawn = match ability {
                Ability::Full => Drawn::Area(None),
                Ability::Plain => Drawn::Prompt(None),
            };
            Screen { stream, columns, rows, drawn }
        });
        let (about, has_colours, is_muted) = (None, false, false);
        Self { format, about, has_colours, is_muted, screen, chunks: Chunks::default(), failed: false }
    }

    /// From now on, it is this command that things are said about; says which it was.
    pub fn turn_to(&mut self, about: Option<Rc<About>>) -> Option<Rc<About>> {
        std::mem::replace(&mut self.about, about)
    }

    /// Says something about this command, or about none, and is back at the present one then.
    pub fn speak_of(&mut self, about: Option<Rc<About>>, say: impl FnOnce(&mut Self)) {
        let earlier = self.turn_to(about);
        say(self);
        self.turn_to(earlier);
    }

    /// The command that things are said about.
    pub fn about(&self) -> Option<Rc<About>> {
        self.about.clone()
    }

    /// Somebody has said this unasked, which `say` says in words. For a program it is printed as it is instead.
    pub fn notify(&mut self, message: &impl Serialize, code: Option<&str>, say: impl FnOnce(&mut Self)) {
        self.speak_of(None, |output| {
            output.print_message(message, code);
            say(output);
            output.unmute();
        });
    }

    /// The server has answered a command. Until [`Output::unmute`], a program is not told in words as well.
    pub fn begin_answer(&mut self, about: Option<Rc<About>>, reply: &impl Serialize, code: Option<&str>) {
        let is_wanted = about.is_some();
        self.about = about;
        if is_wanted {
            self.print_message(reply, code);
        }
    }

    /// Prints for a program what the server has said. Until [`Output::unmute`], it is not told in words as well.
    pub fn print_message(&mut self, message: &impl Serialize, code: Option<&str>) {
        if self.format == Format::Json {
            self.object(message, code);
            self.is_muted = true;
        }
    }

    /// Words are for programs again, too.
    pub fn unmute(&mut self) {
        self.is_muted = false;
    }

    /// Whether it is objects that are printed.
    pub fn is_for_programs(&self) -> bool {
        self.format == Format::Json
    }

    /// A reply or a notice.
    pub fn say(&mut self, text: impl fmt::Display) {
        match self.format {
            Format::Json if self.about.is_some() => self.words("Done", &text.to_string()),
            Format::Json => self.words("Said", &text.to_string()),
            Format::Text | Format::Numbered => self.line(Stream::Out, &text.to_string()),
        }
    }

    /// A command was refused. In pipes this shows in the exit status; on a terminal the user has seen it.
    pub fn refuse(&mut self, text: impl fmt::Display) {
        self.failed |= self.screen.is_none();
        let text = text.to_string();
        match (self.format, &self.about) {
            (Format::Json, _) => self.words("Refused", &text),
            (Format::Numbered, Some(about)) => {
                let About { line, typed } = &**about;
                let before =
                    if typed.is_empty() { format!("line {line}") } else { format!("line {line}: {typed}") };
                text.lines().for_each(|line| self.line(Stream::Err, &format!("{before}: {line}")));
            }
            _ => text.lines().for_each(|line| self.line(Stream::Err, line)),
        }
    }

    /// Something went wrong, but no command was refused.
    pub fn warn(&mut self, text: impl fmt::Display) {
        match self.format {
            Format::Json => self.words("Warning", &text.to_string()),
            Format::Text | Format::Numbered => self.line(Stream::Err, &text.to_string()),
        }
    }

    /// What the client says by itself, for a program.
    fn words(&mut self, kind: &str, text: &str) {
        #[derive(Serialize)]
        struct Words<'a> {
            kind: &'a str,
            text: &'a str,
        }
        if !self.is_muted {
            self.object(&Words { kind, text }, None);
        }
    }

    /// A line for a program. `code`: the name of the message's code.
    fn object(&mut self, message: &impl Serialize, code: Option<&str>) {
        #[derive(Serialize)]
        struct Object<'a, M> {
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<u64>,
            #[serde(flatten)]
            message: &'a M,
            #[serde(skip_serializing_if = "Option::is_none")]
            code_name: Option<&'a str>,
        }
        let line = self.about.as_ref().map(|about| about.line).filter(|line| *line > 0);
        let object = serde_json::to_string(&Object { line, message, code_name: code });
        let object = object.expect("strings and numbers can be written");
        self.raw_line(Stream::Out, &escape::in_json(&object));
    }

    /// A line that was entered stays on the terminal, its prompt broken into rows as it was.
    pub fn echo(&mut self, prompt: &str, text: &str) {
        let Some(screen) = &mut self.screen else { return };
        if let Drawn::Prompt(shown) = &mut screen.drawn {
            // The kernel has shown all of it, and gone to the next line.
            *shown = None;
            return;
        }
        let (stream, view) = (screen.stream, View { prompt, ..View::default() });
        let mut rows = layout(&view, screen.columns, usize::MAX).rows;
        // What was typed is broken by the terminal, so that it can be copied as one line.
        let last = rows.pop().unwrap_or_default().text;
        rows.iter().for_each(|row| self.line(stream, &row.text));
        self.line(stream, &format!("{last}{text}"));
    }

    /// Something for the person at the terminal only, wherever the output goes.
    pub fn show(&mut self, text: &str) {
        if let Some(screen) = &self.screen {
            self.line(screen.stream, text);
        }
    }

    /// Whether in pipes any command was refused so far, or standard error took no more.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Columns of the terminal.
    pub fn columns(&self) -> usize {
        self.screen.as_ref().map_or(0, |screen| screen.columns)
    }

    /// The terminal has this size now.
    pub fn resize(&mut self, columns: usize, rows: usize) {
        if let Some(screen) = &mut self.screen {
            (screen.columns, screen.rows) = (columns, rows);
        }
        let drawn = self.screen.as_ref().filter(|screen| matches!(screen.drawn, Drawn::Area(Some(_))));
        let stream = drawn.map(|screen| screen.stream);
        self.erase();
        if let Some(stream) = stream {
            // A terminal that became lower or higher as well may have moved what was below the cursor.
            self.chunks.put(stream, screen::clear_below);
        }
    }

    /// The terminal shows something else now; what was drawn is not there any more.
    pub fn forget_screen(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.drawn.take();
        }
    }

    /// Empties the terminal.
    pub fn clear_screen(&mut self) {
        self.forget_screen();
        if let Some(screen) = &self.screen {
            let stream = screen.stream;
            self.chunks.put(stream, screen::clear);
        }
    }

    /// Brings the terminal to show `view` below what was printed, or nothing there. A terminal that has not taken
    /// what there is already is left alone until it has.
    pub fn draw(&mut self, view: Option<&View<'_>>) {
        let Some(screen) = &self.screen else { return };
        let (stream, columns) = (screen.stream, screen.columns);
        match (&screen.drawn, view) {
            (Drawn::Area(old), Some(view)) => {
                let (old, new) = (old.clone(), layout(view, columns, screen.rows));
                self.chunks.put(stream, |bytes| match &old {
                    Some(old) => screen::change(old, &new, columns, bytes),
                    None => screen::draw(&new, columns, bytes),
                });
                self.set_drawn(Drawn::Area(Some(new)));
            }
            (Drawn::Area(_), None) => self.erase(),
            (Drawn::Prompt(Some(shown)), Some(view)) if shown == view.prompt => {}
            (Drawn::Prompt(_), Some(view)) => {
                let prompt = view.prompt.to_owned();
                self.erase();
                self.chunks
                    .put(stream, |bytes| bytes.extend_from_slice(escape::for_terminal(&prompt).as_bytes()));
                self.set_drawn(Drawn::Prompt(Some(prompt)));
            }
            (Drawn::Prompt(_), None) => {}
        }
    }

    /// Whether what is typed is shown on a terminal, and what is answered goes elsewhere.
    pub fn is_apart(&self) -> bool {
        matches!(&self.screen, Some(Screen { stream: Stream::Err, .. }))
    }

    fn set_drawn(&mut self, drawn: Drawn) {
        if let Some(screen) = &mut self.screen {
            screen.drawn = drawn;
        }
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether so much waits that nothing should be added.
    pub fn is_full(&self) -> bool {
        self.chunks.waiting() >= WAITING_BYTES_MAX
    }

    /// What is to be written next, and where.
    pub fn unprinted(&self) -> Option<(Stream, &[u8])> {
        self.chunks.first()
    }

    /// Says that the first `count` bytes of [`Output::unprinted`] have gone.
    pub fn printed(&mut self, count: usize) {
        self.chunks.gone(count);
    }

    /// Says that this stream takes nothing more. Nobody listens to complaints: that is no reason to stop, but shows
    /// in the exit status. Returns whether there is no sense in going on.
    pub fn fail(&mut self, stream: Stream) -> bool {
        self.failed |= stream == Stream::Err;
        self.chunks.drop_all(stream);
        stream == Stream::Out
    }

    fn line(&mut self, stream: Stream, text: &str) {
        self.raw_line(stream, &escape::for_terminal(text));
    }

    fn raw_line(&mut self, stream: Stream, text: &str) {
        self.erase();
        self.chunks.put(stream, |bytes| {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
        });
    }

    /// Removes what was drawn. Where nothing can be removed, what follows begins on a line of its own.
    pub fn erase(&mut self) {
        let Some(screen) = &mut self.screen else { return };
        let (stream, columns) = (screen.stream, screen.columns);
        match screen.drawn.take() {
            Drawn::Area(Some(area)) => self.chunks.put(stream, |bytes| screen::erase(&area, columns, bytes)),
            Drawn::Prompt(Some(_)) => self.chunks.put(stream, |bytes| bytes.push(b'\n')),
            Drawn::Area(None) | Drawn::Prompt(None) => {}
        }
    }
}

impl Drawn {
    /// Takes out what stands there; nothing does from then on.
    fn take(&mut self) -> Self {
        match self {
            Self::Area(area) => Self::Area(area.take()),
            Self::Prompt(prompt) => Self::Prompt(prompt.take()),
        }
    }
}

#[cfg(test)]
mod tests;
