//! What can be wrong with a journal, said in one line each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::advice::Advised;
use crate::journal::Sequence;

/// A journal that can't be opened, read or closed.
#[derive(Debug)]
pub struct JournalError {
    /// Which journal.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: JournalErrorKind,
}

/// What is wrong.
#[derive(Debug)]
pub enum JournalErrorKind {
    /// The file system refused.
    Io(&'static str, io::Error),
    /// SQLite refused.
    Sqlite(&'static str, rusqlite::Error),
    /// Some file, but none that forumd wrote.
    Foreign,
    /// Written by a later forumd.
    Newer {
        /// The format of the file.
        format: i64,
    },
    /// Written by an earlier forumd, and laid out in another way.
    Older {
        /// The format of the file.
        format: i64,
    },
    /// Somebody else has it, and lets nobody read.
    Busy,
    /// Nobody can say how far the log has to reach.
    NoAnchor,
    /// It has no entries, and something is there that only entries bring about.
    Empty,
    /// There is one already, and it was to be made anew.
    Exists,
    /// What was written is not what can be read.
    Damaged(Place, String),
    /// Intact, but the reader can't make sense of it.
    Rejected(Place, String),
    /// Writing failed in a way that leaves in doubt what is on disk.
    Broken(String),
}

/// A place in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One entry, or the row that begins with it.
    Entry(Sequence),
    /// A chunk of the snapshot, from 0.
    Chunk(u32),
    /// The row that makes a snapshot valid.
    Snapshot,
    /// The file as a whole.
    File,
}

impl JournalError {
    pub(super) fn new(path: &Path, kind: JournalErrorKind) -> Self {
        Self { path: path.to_owned(), kind }
    }
}

/// Whether a write found no room: on the disk (SQLite has a code for ENOSPC), in the user's quota, or under the
/// process's limit for the size of a file (to SQLite the latter two are writes that failed). Without the last
/// page of a commit the log does not have the commit, so such an error, once rolled back, leaves nothing in
/// doubt. An fsync that fails for want of space has another code, as has the shared memory file, which grows
/// after the commit.
///
/// To be asked before this thread does anything else: for a failed write the reason is what the operating
/// system said last. SQLite then rolls back, and calls that succeed leave that word alone; should it be
/// lost nevertheless, the error counts as one that is in doubt.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) || limit_met(error).is_some()
}

/// The quota or the limit that a write met with; to be asked at once, as [`is_full`].
fn limit_met(error: &rusqlite::Error) -> Option<io::Error> {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded};
    let said_last = io::Error::last_os_error();
    let is_write = error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_IOERR_WRITE);
    (is_write && matches!(said_last.kind(), FileTooLarge | QuotaExceeded)).then_some(said_last)
}

/// Broken pages, and values that no row of ours has, are damage; what else SQLite says is a failure of
/// doing something. To be asked at once, as [`is_full`]: of a limit that was met SQLite tells nothing but a code.
pub(super) fn sqlite(doing: &'static str) -> impl Fn(rusqlite::Error) -> JournalErrorKind {
    use rusqlite::Error as E;
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, NotADatabase};
    move |error| match (&error, error.sqlite_error_code()) {
        (_, Some(NotADatabase)) => JournalErrorKind::Foreign,
        (_, Some(DatabaseBusy)) => JournalErrorKind::Busy,
        (_, Some(DatabaseCorrupt))
        | (E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..), _)
        | (E::InvalidColumnType(..) | E::QueryReturnedNoRows, _) => {
            JournalErrorKind::Damaged(Place::File, error.to_string())
        }
        _ => match limit_met(&error) {
            Some(limit) => JournalErrorKind::Io(doing, limit),
            None => JournalErrorKind::Sqlite(doing, error),
        },
    }
}

pub(super) fn io(doing: &'static str) -> impl Fn(io::Error) -> JournalErrorKind {
    move |error| JournalErrorKind::Io(doing, error)
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal {}: {}", self.path.display(), self.kind)
    }
}

impl fmt::Display for JournalErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "cannot {doing}: {}", Advised(error)),
            Self::Sqlite(doing, error) => write!(f, "cannot {doing}: {error}{}", Extended(error)),
            Self::Foreign => f.write_str("this is not a journal of forumd"),
            Self::Newer { format } => {
                write!(f, "format {format} is newer than this forumd, which reads format {}", super::FORMAT)
            }
            Self::Older { format } => write!(
                f,
                "format {format} is older than format {}, which this forumd reads: export it with the forumd that \
                 wrote it, and import that into a new directory",
                super::FORMAT
            ),
            Self::Busy => f.write_str(
                "the running server lets nobody read beside it, because it started on a full disk; make room and \
                 restart it",
            ),
            Self::NoAnchor => f.write_str(
                "its anchor, which says how far the log reached, is missing or damaged; restore journal.anchor, \
                 or start once with --accept-log to take the log as it is",
            ),
            Self::Empty => f.write_str(
                "it is empty, although files have been uploaded; put journal.sqlite3-wal back, or start once \
                 with --accept-log to take the log as it is",
            ),
            Self::Exists => f.write_str("it exists already"),
            Self::Damaged(place, what) => write!(f, "damaged{place}: {what}"),
            Self::Rejected(place, why) => write!(f, "unreadable{place}: {why}"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(sequence) => write!(f, " at entry {sequence}"),
            Self::Chunk(number) => write!(f, " at snapshot chunk {number}"),
            Self::Snapshot => f.write_str(" at the snapshot"),
            Self::File => Ok(()),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            JournalErrorKind::Io(_, error) => Some(error),
            JournalErrorKind::Sqlite(_, error) => Some(error),
            _ => None,
        }
    }
}

/// The extended code tells a failed write from a failed fsync; the text alone is "disk I/O error".
pub(super) struct Extended<'a>(pub(super) &'a rusqlite::Error);

impl fmt::Display for Extended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.sqlite_extended_error_code() {
            Some(code) => write!(f, " (SQLite code {code})"),
            None => Ok(()),
        }
    }
}

/// What was verified, or an error whose journal is not named yet.
pub(super) type Verified<T> = Result<T, JournalErrorKind>;

/// Damage in that place.
pub(super) fn damaged(place: Place) -> impl Fn(&str) -> JournalErrorKind {
    move |what| JournalErrorKind::Damaged(place, what.to_owned())
}
