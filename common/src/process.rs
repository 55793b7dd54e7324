//! What every program here does about its surroundings before anything else: whether a standard stream was closed
//! when it began, the limit for the size of a file, and the one line of a file that is a secret. The rest of this
//! crate is pure; this part of it comes with the feature `process`.

pub mod streams;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::OFlags;
use rustix::io::{Errno, fcntl_getfd};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::stdio;
use zeroize::Zeroizing;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// Descriptor 0.
    Input,
    /// Descriptor 1.
    Output,
    /// Descriptor 2.
    Error,
}

/// Which streams were closed when the program began: bit n for descriptor n.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Looks at the streams before Rust's runtime does. That one opens `/dev/null` in the place of a closed one, after
/// which nothing tells it from a stream that was thrown away on purpose.
#[ctor::ctor]
fn note_closed() {
    for stream in Standard::ALL {
        if fcntl_getfd(stream.fd()).is_err() {
            CLOSED.fetch_or(1 << stream as u8, Ordering::Relaxed);
        }
    }
}

impl Standard {
    /// All of them, in the order of their descriptors.
    pub const ALL: [Self; 3] = [Self::Input, Self::Output, Self::Error];

    /// Its descriptor.
    pub fn fd(self) -> BorrowedFd<'static> {
        match self {
            Self::Input => stdio::stdin(),
            Self::Output => stdio::stdout(),
            Self::Error => stdio::stderr(),
        }
    }

    /// Its name, at the beginning of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "Standard input",
            Self::Output => "Standard output",
            Self::Error => "Standard error",
        }
    }

    /// What to do about one that can't be used.
    pub fn instead(self) -> &'static str {
        match self {
            Self::Input => "Use a terminal, a pipe or a file, or </dev/null for no commands",
            Self::Output => "Use a terminal, a pipe or a file, or >/dev/null to discard the answers",
            Self::Error => "Use a terminal, a pipe or a file, or 2>/dev/null to discard the errors",
        }
    }

    /// Checks that it was open when the program began.
    ///
    /// # Errors
    /// It was closed: a sentence that says so, and what to do about it.
    pub fn expect_open(self) -> Result<(), String> {
        if CLOSED.load(Ordering::Relaxed) & 1 << self as u8 == 0 {
            return Ok(());
        }
        Err(format!("{} is closed. {}", self.name(), self.instead()))
    }
}

/// From now on a write past the limit for the size of a file (`ulimit -f`) fails, like one to a full disk. Without a
/// handler, SIGXFSZ ends the process wherever it is.
pub fn survive_file_size_limit() {
    // It fails only for signals that can't be taken.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// From now on the memory of this process, in which passwords are, is in no core file, and no other program of the same
/// user can look at it; root can (prctl(2), `PR_SET_DUMPABLE`).
pub fn hide_memory() {
    // It fails only for values that the kernel does not know, and it knows this one.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Bytes of the first line of a password file. The longest password has 128; a longer line is some other file.
const LINE_BYTES_MAX: usize = 1_024;

/// How long a pipe in the place of the file (`--password-file <(pass show forum)`) may take to give its line.
const PIPE_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a file, whatever it is, at once: a FIFO is not waited for, at whose other end somebody may never come.
///
/// # Errors
/// Those of the system.
pub fn open_at_once(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// The first line of the file at `path`, without its end. Nothing behind it is read.
///
/// # Errors
/// There is none, it is no text, it has more than 1,024 bytes, or it can't be read. A pipe that gives none within
/// 10 seconds is given up.
pub fn first_line(path: &Path) -> io::Result<Zeroizing<String>> {
    let line = read_line(open_at_once(path, OpenOptions::new().read(true))?)?;
    let text = std::str::from_utf8(&line).map_err(|_| io::Error::other("it is not UTF-8"))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(Zeroizing::new(password.to_owned())),
        _ => Err(io::Error::other("it is empty. Its first line must be the password")),
    }
}

/// Reads up to the end of the first line.
fn read_line(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let deadline = Instant::now() + PIPE_TIMEOUT;
    // All the room at once: a buffer that grew would leave copies of the password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX + 1));
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::other(format!("its first line is longer than {LINE_BYTES_MAX} bytes")));
        }
        // A FIFO that nobody has opened for writing yet has an end already; waiting for it takes that for no end.
        await_readable(&file, deadline)?;
        match file.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

fn await_readable(file: &File, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => {
                let seconds = PIPE_TIMEOUT.as_secs();
                let why = format!("nobody wrote a line into it within {seconds} seconds");
                return Err(io::Error::other(why));
            }
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn a_pipe_in_which_nothing_comes_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
        let file = open_at_once(&path, OpenOptions::new().read(true)).unwrap();
        let error = await_readable(&file, Instant::now()).unwrap_err();
        assert_eq!(error.to_string(), "nobody wrote a line into it within 10 seconds");
    }
}
