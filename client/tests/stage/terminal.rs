//! A terminal with a client on it, and what a person sees there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

use super::{DEADLINE, Running};

/// Rows that a terminal keeps which have left its screen.
const SCROLLBACK_ROWS: usize = 1_000;

/// A terminal that nobody uses yet.
pub(super) struct OpenedTerminal {
    keys: OwnedFd,
    pub(super) path: String,
}

impl OpenedTerminal {
    pub(super) fn open() -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        tcsetwinsize(&keys, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        Self { keys, path }
    }

    pub(super) fn slave(&self) -> File {
        let no_control = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        File::options().read(true).write(true).custom_flags(no_control).open(&self.path).unwrap()
    }

    pub(super) fn run(self, command: Command, places: [Arc<TempDir>; 2]) -> Terminal {
        self.run_again(command, places).0
    }

    /// Runs a command here; the command is handed back.
    pub(super) fn run_again(self, mut command: Command, places: [Arc<TempDir>; 2]) -> (Terminal, Command) {
        let slave = self.slave();
        let before = tcgetattr(&slave).unwrap();
        let child = Running { child: command.spawn().unwrap(), _places: places };
        let screen = chunks(File::from(self.keys.try_clone().unwrap()));
        let display = vt100::Parser::new(24, 80, SCROLLBACK_ROWS);
        let (keys, seen) = (self.keys, Vec::new());
        (Terminal { child, keys, screen, seen, looked: 0, display, slave, before }, command)
    }
}

fn chunks(mut stream: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let _ = sender.send(bytes[..count].to_vec());
        }
    });
    receiver
}

/// A client on a terminal.
pub(crate) struct Terminal {
    pub(crate) child: Running,
    keys: OwnedFd,
    screen: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    /// How far [`Terminal::shows`] has looked.
    looked: usize,
    /// What a person sees of all that has come.
    display: vt100::Parser,
    slave: File,
    before: Termios,
}

impl Terminal {
    pub(crate) fn types(&self, keys: &str) {
        let mut keys = keys.as_bytes();
        while !keys.is_empty() {
            keys = &keys[rustix::io::write(&self.keys, keys).unwrap()..];
        }
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keys, size).unwrap();
        self.display.screen_mut().set_size(rows, columns);
        // The terminal is not the client's controlling one, so the kernel does not tell it.
        self.child.signal(Signal::WINCH);
    }

    /// Insists on these bytes being sent to the screen, behind those of the last call.
    pub(crate) fn shows(&mut self, wanted: &str) {
        let start = Instant::now();
        loop {
            let fresh = &self.seen[self.looked..];
            if let Some(at) = fresh.windows(wanted.len()).position(|window| window == wanted.as_bytes()) {
                self.looked += at + wanted.len();
                return;
            }
            if !self.take(start) {
                let fresh = String::from_utf8_lossy(&self.seen[self.looked..]).into_owned();
                panic!("wanted {wanted:?} in {fresh:?}");
            }
        }
    }

    /// Takes in what comes next; `false`: nothing does until the deadline.
    fn take(&mut self, start: Instant) -> bool {
        match self.screen.recv_timeout(DEADLINE.saturating_sub(start.elapsed())) {
            Ok(bytes) => {
                self.display.process(&bytes);
                self.seen.extend(bytes);
                true
            }
            Err(_) => false,
        }
    }

    /// The rows that a person sees, without those below the last that has anything.
    pub(crate) fn rows(&self) -> Vec<String> {
        let columns = self.display.screen().size().1;
        let rows = self.display.screen().rows(0, columns).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
        rows
    }

    /// Insists on a person seeing these as the last rows, the cursor at this column of the last one.
    pub(crate) fn displays(&mut self, wanted: &[&str], column: u16) {
        let start = Instant::now();
        let is_there = |terminal: &Self| {
            let (row, at) = terminal.display.screen().cursor_position();
            let rows = terminal.rows();
            rows.ends_with(&wanted.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>())
                && (usize::from(row) + 1, at) == (rows.len(), column)
        };
        while !is_there(self) {
            let cursor = self.display.screen().cursor_position();
            assert!(self.take(start), "wanted {wanted:?} and {column} in {:#?}, {cursor:?}", self.rows());
        }
        self.looked = self.seen.len();
    }

    /// The rows that have left the screen at its top.
    pub(crate) fn scrollback(&mut self) -> Vec<String> {
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
        String::from_utf8_lossy(&self.seen[..self.looked]).into_owned()
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
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
    }
}
