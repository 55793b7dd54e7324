//! The standard streams, the terminal and signals.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use forum_peer::wording::cause;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::{End, EventLoop, Streams, is_passing};
use crate::core::event::Event;
use crate::line_editor::history_file::{self, HistoryFile};
use crate::line_editor::terminal;
use crate::output::Stream;
use crate::signals::{self, Call};

/// Bytes read from standard input at a time.
const INPUT_BYTES: usize = 8_192;

/// Bytes printed at a time. A pipe that is ready takes `PIPE_BUF` bytes without blocking (pipe(7)), and a client that
/// blocks there would be deaf to all else.
const PRINT_BYTES: usize = 4_096;

impl EventLoop {
    pub(super) fn obey_signals(&mut self) -> Option<i32> {
        for call in self.signals.take() {
            match call {
                Call::Resized => self.resize(),
                Call::Suspend => self.give(Event::Stopping),
                Call::Continued => self.resume(),
                Call::Die(signal) => return Some(signal),
            }
        }
        None
    }

    /// Says what can be said without waiting, before a signal kills us.
    pub(super) fn die(&mut self, signal: i32) -> End {
        self.give(Event::Killed);
        self.print_what_goes();
        End::Killed(signal)
    }

    pub(super) fn resize(&mut self) {
        if let Some(screen) = self.streams.screen {
            let (columns, rows) = terminal::size(self.streams.fd(screen));
            self.give(Event::Resized { columns, rows });
        }
    }

    /// Gives the terminal back for as long as this process is stopped.
    pub(super) fn suspend(&mut self) {
        self.print_what_goes();
        if let Some(modes) = &self.modes {
            modes.pause();
        }
        // If it can't be, it goes on.
        let _ = signals::stop();
        self.resume();
        // What ended the stop is one of these; all is drawn anew already.
        let calls = self.signals.take();
        self.dying =
            calls.into_iter().find_map(|call| if let Call::Die(signal) = call { Some(signal) } else { None });
    }

    /// Takes the terminal again. A terminal that can't be had will end the input, too.
    fn resume(&mut self) {
        if let Some(modes) = &self.modes {
            let _ = modes.resume();
        }
        self.give(Event::Resumed);
        self.resize();
    }

    pub(super) fn read_input(&mut self) {
        let mut bytes = Zeroizing::new([0; INPUT_BYTES]);
        match rustix::io::read(&self.streams.input, &mut bytes[..]) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) => self.give(Event::InputEnded(None)),
            Ok(count) => self.core.input(Event::Typed(&bytes[..count]), self.now),
            Err(error) => self.give(Event::InputEnded(Some(cause(&error.into())))),
        }
    }

    /// Prints what the stream takes now, which is ready.
    pub(super) fn print(&mut self) {
        let Some((stream, bytes)) = self.core.unprinted() else { return };
        let piece = &bytes[..bytes.len().min(PRINT_BYTES)];
        let file = match stream {
            Stream::Out => &self.streams.out,
            Stream::Err => &self.streams.err,
        };
        match (&*file).write(piece) {
            Ok(count) => self.give(Event::Printed(stream, count)),
            // Another program on the same terminal may have made it nonblocking.
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::BrokenPipe => "its reader has gone".to_owned(),
                    _ => cause(&error),
                };
                self.give(Event::CannotPrint(stream, why));
            }
        }
    }

    /// Prints as much as goes without waiting.
    fn print_what_goes(&mut self) {
        while self.core.unprinted().is_some() && self.wait(Some(self.now)).is_ok_and(|ready| ready.print) {
            self.print();
        }
    }

    pub(super) fn keep_history(&mut self, act: impl FnOnce(&mut HistoryFile) -> io::Result<()>) {
        if let Some(Err(error)) = self.history.as_mut().map(act) {
            self.history = None;
            self.give(Event::Warning(history_file::not_kept(&error)));
        }
    }
}

impl Streams {
    pub(super) fn fd(&self, stream: Stream) -> BorrowedFd<'_> {
        match stream {
            Stream::Out => self.out.as_fd(),
            Stream::Err => self.err.as_fd(),
        }
    }
}
