//! The standard streams as they were handed to the program: whether each is open, and of a kind that can be used.

use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::fcntl_getfd;
use rustix::stdio;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standard {
    Input,
    Output,
    Error,
}

/// All of them, in the order of their descriptors.
const ALL: [Standard; 3] = [Standard::Input, Standard::Output, Standard::Error];

/// Which streams were closed when the program began: bit n for descriptor n.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Looks at the streams before Rust's runtime does. That one opens `/dev/null` in the place of a closed one, after
/// which nothing tells it from a stream that was thrown away on purpose.
#[ctor::ctor]
fn note_closed() {
    for stream in ALL {
        if fcntl_getfd(stream.fd()).is_err() {
            CLOSED.fetch_or(1 << stream as u8, Ordering::Relaxed);
        }
    }
}

/// Checks that all three can be used.
///
/// # Errors
/// One can't: which, why, and what to do about it.
pub(crate) fn check() -> Result<(), String> {
    ALL.into_iter().try_for_each(Standard::check)
}

impl Standard {
    fn fd(self) -> BorrowedFd<'static> {
        match self {
            Self::Input => stdio::stdin(),
            Self::Output => stdio::stdout(),
            Self::Error => stdio::stderr(),
        }
    }

    fn check(self) -> Result<(), String> {
        if CLOSED.load(Ordering::Relaxed) & 1 << self as u8 != 0 {
            return Err(format!("{} is closed. {}", self.name(), self.instead()));
        }
        let unusable = |error| format!("{} cannot be used: {error}", self.name());
        let mode = fcntl_getfl(self.fd()).map_err(unusable)? & OFlags::RWMODE;
        let (other, for_what) = match self {
            Self::Input => (OFlags::WRONLY, "reading"),
            Self::Output | Self::Error => (OFlags::RDONLY, "writing"),
        };
        if mode == other {
            return Err(format!("{} is not open for {for_what}. {}", self.name(), self.instead()));
        }
        let stat = fstat(self.fd()).map_err(unusable)?;
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            return Err(format!("{} is a directory. {}", self.name(), self.instead()));
        }
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Input => "Standard input",
            Self::Output => "Standard output",
            Self::Error => "Standard error",
        }
    }

    /// What to do about one that can't be used.
    fn instead(self) -> &'static str {
        match self {
            Self::Input => "Use a terminal, a pipe or a file, or </dev/null for no commands",
            Self::Output => "Use a terminal, a pipe or a file, or >/dev/null to discard the answers",
            Self::Error => "Use a terminal, a pipe or a file, or 2>/dev/null to discard the errors",
        }
    }
}
