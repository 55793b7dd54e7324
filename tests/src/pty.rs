//! A pseudo-terminal: keys on one end, and the bytes that go to the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::DEADLINE;

/// The person's end of a terminal.
pub struct Pty {
    person: File,
    path: String,
}

impl Pty {
    /// A terminal that no program uses yet.
    ///
    /// # Panics
    /// The machine has none left.
    #[must_use]
    pub fn open(columns: u16, rows: u16) -> Self {
        // A program that has this end as well never sees the terminal hang up.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a terminal is free");
        grantpt(&person).expect("it is ours");
        unlockpt(&person).expect("it is ours");
        let path = ptsname(&person, Vec::new()).expect("it has a name").into_string().expect("an ASCII path");
        let pty = Self { person: person.into(), path };
        pty.resize(columns, rows);
        pty
    }

    /// The file that is the program's end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The program's end, which does not become the controlling terminal of this process.
    ///
    /// # Panics
    /// It can't be opened.
    #[must_use]
    pub fn program(&self) -> File {
        let no_control = i32::try_from(OFlags::NOCTTY.bits()).expect("a flag of open(2)");
        let mut options = File::options();
        options.read(true).write(true).custom_flags(no_control);
        options.open(&self.path).expect("it can be opened")
    }

    /// Types these keys.
    ///
    /// # Panics
    /// The terminal takes none.
    pub fn types(&self, keys: &str) {
        (&self.person).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Gives the terminal another size. The kernel tells the processes whose controlling terminal it is.
    ///
    /// # Panics
    /// It is no terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.person, size).expect("it is a terminal");
    }

    /// What goes to the screen from now on; to be called once.
    ///
    /// # Panics
    /// No descriptor is free.
    #[must_use]
    pub fn screen(&self) -> Screen {
        let (sender, chunks) = channel();
        let mut screen = self.person.try_clone().expect("a descriptor is free");
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let _ = sender.send(bytes[..count].to_vec());
            }
        });
        Screen { chunks, seen: Vec::new(), looked: 0 }
    }
}

/// The bytes that went to a screen.
pub struct Screen {
    chunks: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    /// How far [`Screen::shows`] has looked.
    looked: usize,
}

impl Screen {
    /// Insists on these bytes, after those of the last call.
    ///
    /// # Panics
    /// They don't come within [`DEADLINE`].
    pub fn shows(&mut self, wanted: &str) {
        let start = Instant::now();
        loop {
            let fresh = &self.seen[self.looked..];
            if let Some(at) = fresh.windows(wanted.len()).position(|window| window == wanted.as_bytes()) {
                self.looked += at + wanted.len();
                return;
            }
            if !self.take(start) {
                panic!("wanted {wanted:?} in {:?}", String::from_utf8_lossy(&self.seen[self.looked..]));
            }
        }
    }

    /// Takes in what comes next; `false`: nothing does within [`DEADLINE`] of `start`.
    pub fn take(&mut self, start: Instant) -> bool {
        match self.chunks.recv_timeout(DEADLINE.saturating_sub(start.elapsed())) {
            Ok(bytes) => self.seen.extend(bytes),
            Err(_) => return false,
        }
        true
    }

    /// All that was taken in so far.
    #[must_use]
    pub fn taken(&self) -> &[u8] {
        &self.seen
    }

    /// What [`Screen::shows`] has looked at so far.
    #[must_use]
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen[..self.looked]).into_owned()
    }

    /// Counts all that was taken in as looked at.
    pub fn skip(&mut self) {
        self.looked = self.seen.len();
    }
}
