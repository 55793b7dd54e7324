//! What is printed: answers on stdout, refusals on stderr, each a whole line, and on a terminal the line
//! being typed below all of it.
//!
//! Lines are queued during a turn of the loop and written at its end, in order over both streams. Nothing
//! reaches a terminal or a file with a character that could drive a terminal. It refuses to know why
//! something is said.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use forum_common::escape;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::layout::{Area, View, layout};
use crate::terminal;

/// Bytes written at a time. A pipe that is ready takes `PIPE_BUF` bytes without blocking (pipe(7)), and a
/// client that blocks there would be deaf to signals.
const WRITE_BYTES: usize = 4_096;

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Where to print.
#[derive(Debug)]
pub struct Streams {
    /// For replies and notices.
    pub out: File,
    /// For refusals and errors.
    pub err: File,
    /// Which of them shows the line being typed; none in pipes.
    pub screen: Option<Stream>,
    /// Becomes readable when a signal arrives, so that a reader who doesn't read can be interrupted.
    pub interrupts: OwnedFd,
}

/// The printer.
#[derive(Debug)]
pub struct Output {
    streams: Streams,
    screen: Option<Screen>,
    /// What ends a line on stdout, and on stderr.
    line_ends: [&'static str; 2],
    /// Bytes on their way, in order.
    chunks: VecDeque<Chunk>,
    /// In pipes a command was refused; or what there was to say about one could not be written.
    failed: bool,
}

#[derive(Debug)]
struct Chunk {
    stream: Stream,
    bytes: Vec<u8>,
}

/// The terminal as we left it.
#[derive(Debug)]
struct Screen {
    stream: Stream,
    columns: usize,
    rows: usize,
    drawn: Option<Area>,
}

impl Output {
    /// Prints to `streams`.
    pub fn new(streams: Streams) -> Self {
        let screen = streams.screen.map(|stream| {
            let (columns, rows) = terminal::size(streams.fd(stream));
            Screen { stream, columns, rows, drawn: None }
        });
        // In raw mode, a newline alone goes straight down.
        let is_raw = |stream| screen.is_some() && rustix::termios::isatty(streams.fd(stream));
        let line_ends = [Stream::Out, Stream::Err].map(|stream| if is_raw(stream) { "\r\n" } else { "\n" });
        Self { streams, screen, line_ends, chunks: VecDeque::new(), failed: false }
    }

    /// A reply or a notice.
    pub fn say(&mut self, text: impl fmt::Display) {
        self.line(Stream::Out, &text.to_string());
    }

    /// A command was refused. In pipes this shows in the exit status; who sits at a terminal has seen it.
    pub fn refuse(&mut self, text: impl fmt::Display) {
        self.failed |= self.screen.is_none();
        text.to_string().lines().for_each(|line| self.line(Stream::Err, line));
    }

    /// Something went wrong, but no command was refused.
    pub fn warn(&mut self, text: impl fmt::Display) {
        self.line(Stream::Err, &text.to_string());
    }

    /// A line that was entered stays on the terminal, its prompt broken into rows as it was.
    pub fn echo(&mut self, prompt: &str, text: &str) {
        let Some(screen) = &self.screen else { return };
        let (stream, view) = (screen.stream, View { prompt, ..View::default() });
        let mut rows = layout(&view, screen.columns, usize::MAX).rows;
        // What was typed is broken by the terminal, so that it can be copied as one line.
        let last = rows.pop().unwrap_or_default();
        rows.iter().for_each(|row| self.line(stream, row));
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

    /// The terminal has another size now.
    pub fn resize(&mut self) {
        if let Some(screen) = &mut self.screen {
            (screen.columns, screen.rows) = terminal::size(self.streams.fd(screen.stream));
        }
        self.erase();
    }

    /// The terminal shows something else now; what was drawn is not there any more.
    pub fn forget_screen(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.drawn = None;
        }
    }

    /// Empties the terminal.
    pub fn clear_screen(&mut self) {
        self.forget_screen();
        if let Some(screen) = &self.screen {
            let stream = screen.stream;
            terminal::clear(self.chunk(stream));
        }
    }

    /// Brings the terminal to show `view` below what was printed, or nothing there, and writes everything.
    /// In pipes, only the latter. Returns early when a signal arrives.
    ///
    /// # Errors
    /// Standard output takes no more.
    pub fn settle(&mut self, view: Option<&View<'_>>) -> io::Result<()> {
        if let Some(screen) = &mut self.screen {
            let area = view.map(|view| layout(view, screen.columns, screen.rows));
            if screen.drawn != area {
                self.erase();
                if let Some(area) = area {
                    self.draw(area);
                }
            }
        }
        self.flush(None)
    }

    /// Removes what was drawn, and writes what is left as far as it goes without waiting.
    pub fn hurry_out(&mut self) {
        self.erase();
        // Whoever is in a hurry can't help it.
        let _ = self.flush(Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    }

    /// Whether there is something left to write: [`Output::settle`] was interrupted.
    pub fn is_interrupted(&self) -> bool {
        !self.chunks.is_empty()
    }

    fn line(&mut self, stream: Stream, text: &str) {
        self.erase();
        let end = self.line_ends[stream as usize];
        let chunk = self.chunk(stream);
        chunk.extend_from_slice(escape::for_terminal(text).as_bytes());
        chunk.extend_from_slice(end.as_bytes());
    }

    fn erase(&mut self) {
        let Some(screen) = &mut self.screen else { return };
        if let Some(area) = screen.drawn.take() {
            let (stream, columns) = (screen.stream, screen.columns);
            terminal::erase(&area, columns, self.chunk(stream));
        }
    }

    fn draw(&mut self, area: Area) {
        let Some(screen) = &mut self.screen else { return };
        let stream = screen.stream;
        screen.drawn = Some(area.clone());
        terminal::draw(&area, self.chunk(stream));
    }

    /// Where to append bytes for `stream`, behind all that is queued.
    fn chunk(&mut self, stream: Stream) -> &mut Vec<u8> {
        if self.chunks.back().is_none_or(|chunk| chunk.stream != stream) {
            self.chunks.push_back(Chunk { stream, bytes: Vec::new() });
        }
        &mut self.chunks.back_mut().expect("one was pushed").bytes
    }

    /// Writes everything, waiting at most `patience` (`None`: for ever) whenever a stream takes nothing.
    fn flush(&mut self, patience: Option<&Timespec>) -> io::Result<()> {
        while let Some(chunk) = self.chunks.front_mut() {
            let stream = chunk.stream;
            match write_some(&mut self.streams, chunk, patience) {
                Ok(Written::All) => drop(self.chunks.pop_front()),
                Ok(Written::Some) => {}
                Ok(Written::Interrupted) => return Ok(()),
                // Nobody listens to complaints: that is no reason to stop, but shows in the exit status.
                Err(_) if stream == Stream::Err => {
                    self.failed = true;
                    self.chunks.pop_front();
                }
                Err(error) => {
                    self.chunks.clear();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

enum Written {
    All,
    Some,
    Interrupted,
}

fn write_some(streams: &mut Streams, chunk: &mut Chunk, patience: Option<&Timespec>) -> io::Result<Written> {
    if !streams.await_writable(chunk.stream, patience)? {
        return Ok(Written::Interrupted);
    }
    let length = chunk.bytes.len().min(WRITE_BYTES);
    match streams.file(chunk.stream).write(&chunk.bytes[..length]) {
        Ok(count) => drop(chunk.bytes.drain(..count)),
        // Somebody who shares the terminal may have made it nonblocking.
        Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
        Err(error) => return Err(error),
    }
    Ok(if chunk.bytes.is_empty() { Written::All } else { Written::Some })
}

impl Streams {
    fn file(&mut self, stream: Stream) -> &mut File {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn fd(&self, stream: Stream) -> BorrowedFd<'_> {
        match stream {
            Stream::Out => self.out.as_fd(),
            Stream::Err => self.err.as_fd(),
        }
    }

    /// Waits until `stream` takes bytes; `false` if a signal arrived or `patience` ended first.
    fn await_writable(&self, stream: Stream, patience: Option<&Timespec>) -> io::Result<bool> {
        let mut fds = [
            PollFd::from_borrowed_fd(self.fd(stream), PollFlags::OUT),
            PollFd::new(&self.interrupts, PollFlags::IN),
        ];
        loop {
            match poll(&mut fds, patience) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                // Written to in any case: an error is best learnt from the write itself.
                Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
                Ok(_) => return Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    /// An output into pipes; the ends to read them, and the one that interrupts.
    fn piped(screen: Option<Stream>) -> (Output, impl Read, impl Read, impl Write) {
        let ((out, out_in), (err, err_in), (interrupts, interrupt)) =
            (pipe().unwrap(), pipe().unwrap(), pipe().unwrap());
        let streams = Streams {
            out: File::from(OwnedFd::from(out_in)),
            err: File::from(OwnedFd::from(err_in)),
            screen,
            interrupts: interrupts.into(),
        };
        (Output::new(streams), out, err, interrupt)
    }

    fn rest(mut pipe: impl Read) -> String {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn replies_and_refusals_are_whole_lines_on_their_streams() {
        let (mut output, out, err, _interrupt) = piped(None);
        output.say("Thread a created");
        output.warn("Connection lost");
        assert!(!output.has_failed());
        output.refuse("Incorrect syntax for CRT\nUsage: CRT title");
        assert!(output.has_failed());
        output.say("a\x1b[2Jb");
        output.echo("> ", "nobody sees this in a pipe");
        output.settle(None).unwrap();
        drop(output);
        assert_eq!(rest(out), "Thread a created\na\\u{1b}[2Jb\n");
        assert_eq!(rest(err), "Connection lost\nIncorrect syntax for CRT\nUsage: CRT title\n");
    }

    #[test]
    fn a_closed_stdout_is_an_error_and_a_closed_stderr_is_not() {
        let (mut output, out, err, _interrupt) = piped(None);
        drop((out, err));
        assert!(!output.has_failed());
        output.warn("nobody listens");
        output.settle(None).unwrap();
        assert!(output.has_failed(), "it shows in the exit status");
        output.say("nobody reads");
        assert_eq!(output.settle(None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_reader_who_does_not_read_can_be_interrupted_and_nothing_is_lost() {
        let (mut output, out, _err, mut interrupt) = piped(None);
        let line = "x".repeat(99);
        for _ in 0..10_000 {
            output.say(&line);
        }
        interrupt.write_all(b"!").unwrap();
        output.settle(None).unwrap();
        assert!(output.is_interrupted());
        let reader = std::thread::spawn(move || rest(out).len());
        let (quiet, _quiet_end) = pipe().unwrap();
        output.streams.interrupts = quiet.into();
        output.settle(None).unwrap();
        assert!(!output.is_interrupted());
        drop(output);
        assert_eq!(reader.join().unwrap(), 1_000_000);
    }

    #[test]
    fn a_notice_is_printed_above_what_is_being_typed() {
        let (mut output, out, _err, _interrupt) = piped(Some(Stream::Out));
        let view = View { status: Vec::new(), prompt: "> ", text: "LS", cursor: 2 };
        output.settle(Some(&view)).unwrap();
        output.settle(Some(&view)).unwrap();
        output.say("yoda logged in");
        output.settle(Some(&view)).unwrap();
        output.settle(None).unwrap();
        drop(output);
        let (draw, erase) = ("> LS\x1b[5G", "\x1b[1G\x1b[J");
        assert_eq!(rest(out), format!("{draw}{erase}yoda logged in\n{draw}{erase}"));
    }

    #[test]
    fn many_notices_at_once_are_drawn_over_once() {
        let (mut output, out, _err, _interrupt) = piped(Some(Stream::Out));
        let view = View { status: Vec::new(), prompt: "> ", text: "LS", cursor: 2 };
        output.settle(Some(&view)).unwrap();
        (0..500).for_each(|n| output.say(format_args!("notice {n}")));
        output.settle(Some(&view)).unwrap();
        drop(output);
        let notices: String = (0..500).map(|n| format!("notice {n}\n")).collect();
        assert_eq!(rest(out), format!("> LS\x1b[5G\x1b[1G\x1b[J{notices}> LS\x1b[5G"));
    }
}
