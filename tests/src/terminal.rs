//! The real `forum` on a terminal: what a person sees. It knows keys and the bytes that go to the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

use crate::DEADLINE;

/// The terminal's size: wide enough that no line of a test is wrapped.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };

/// A running client on a terminal. It is killed when dropped.
pub struct Terminal {
    child: Child,
    keys: File,
    screen: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    /// How far [`Terminal::shows`] has looked.
    looked: usize,
    /// Where the client works, and where it keeps its history.
    _directories: [Arc<TempDir>; 2],
}

impl Terminal {
    /// Starts `command`, which works in `directory`, on a terminal of its own.
    pub(crate) fn start(mut command: Command, directory: Arc<TempDir>) -> Self {
        let (terminal, client_end) = open();
        let end = || client_end.try_clone().expect("a descriptor is free");
        let state = Arc::new(TempDir::new().expect("there is room for a directory"));
        command.stdin(end()).stdout(end()).stderr(end()).env("XDG_STATE_HOME", state.path());
        command.env("TERM", "xterm");
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let screen = collect(terminal.try_clone().expect("a descriptor is free"));
        let _directories = [directory, state];
        Self { child, keys: terminal, screen, seen: Vec::new(), looked: 0, _directories }
    }

    /// Types a line.
    pub fn says(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\r").as_bytes()).expect("the terminal takes keys");
    }

    /// Insists on this being shown, behind what the last call has found.
    ///
    /// # Panics
    /// It is not within [`DEADLINE`].
    pub fn shows(&mut self, wanted: &str) {
        let start = Instant::now();
        loop {
            let fresh = &self.seen[self.looked..];
            if let Some(at) = fresh.windows(wanted.len()).position(|window| window == wanted.as_bytes()) {
                self.looked += at + wanted.len();
                return;
            }
            match self.screen.recv_timeout(DEADLINE.saturating_sub(start.elapsed())) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(_) => panic!("wanted {wanted:?} in {:?}", String::from_utf8_lossy(fresh)),
            }
        }
    }

    /// Types a line and insists on this being shown then.
    pub fn does(&mut self, line: &str, answer: &str) {
        self.says(line);
        self.shows(answer);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of a terminal: that of the person, and that of the program.
fn open() -> (File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal is free");
    grantpt(&person).expect("it is ours");
    unlockpt(&person).expect("it is ours");
    tcsetwinsize(&person, SIZE).expect("it is a terminal");
    let name = ptsname(&person, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("an ASCII path");
    let program = File::options().read(true).write(true).open(name).expect("it can be opened");
    (person.into(), program.into())
}

fn collect(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            let _ = sender.send(bytes[..count].to_vec());
        }
    });
    receiver
}
