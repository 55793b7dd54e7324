//! The data directory: who may use it, what belongs to it, and how it is wiped. What is in the journal
//! and in the files is decided elsewhere.
//!
//! ```text
//! DIR/journal.sqlite3  the log, with -wal and -shm beside it while it is open
//! DIR/journal.anchor   how far the log reached when it was last known to be durable
//! DIR/files/<id>       uploads
//! DIR/files/<id>.part  uploads that are not all there yet
//! DIR/files/orphaned/  uploads that no thread has
//! DIR/forumd.tag       says that this is a data directory of forumd
//! DIR/wiping           the forum was wiped, and what is left of it is being deleted
//! DIR/importing        what is there is an import under way, or what is left of one that was cut off
//! ```
//!
//! Who uses the directory has a lock (flock) on the directory itself.

mod file_system;
mod paths;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use self::paths::{JOURNAL, Paths, Purpose};
use crate::advice::Advised;
use crate::directory::Directory;
use crate::journal::ServerState;

/// A data directory that nobody else may use until this is dropped.
#[derive(Debug)]
pub struct Store {
    paths: Paths,
    /// The directory, with the flock. The kernel releases it when the process dies, however it dies.
    lock: Directory,
    files: Directory,
}

/// A data directory that is read, and not changed.
#[derive(Debug)]
pub struct StoreReader {
    paths: Paths,
    server: ServerState,
    /// The flock, shared with other readers; none beside a server.
    _lock: Option<Directory>,
}

/// Why a data directory can't be used, in one line.
#[derive(Debug)]
pub struct StoreError {
    root: PathBuf,
    kind: StoreErrorKind,
}

#[derive(Debug)]
enum StoreErrorKind {
    InUse,
    NotADirectory,
    /// Something else where a file of ours should be, and what.
    NoFile(OsString, &'static str),
    /// Something that forumd did not put there, and no forum.
    Foreign(OsString),
    /// Files of a forum, and no forum. Starting an empty one would delete them.
    JournalLost,
    /// There is nothing to look at.
    NoForum,
    /// There is something, and it was to be made anew.
    HoldsForum,
    /// Part of a forum.
    CutShortImport,
    /// The name is another directory's now, or nothing's.
    Moved,
    Io(&'static str, io::Error),
}

impl Store {
    /// Takes the data directory at `root` for this process, and makes what is missing of it. It holds no
    /// journal after this if it held none before.
    ///
    /// # Errors
    /// A directory that another forumd uses, that is not ours, or that can't be used. Nothing was changed.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::take(root, Purpose::Forum)
    }

    /// Takes the data directory at `root` for an import. What is in it is no forum until
    /// [`Store::finish_import`]; after a crash in between, only another import takes it.
    ///
    /// # Errors
    /// A directory that holds a forum, that another forumd uses, that is not ours, or that can't be used.
    /// Nothing was changed.
    pub fn open_for_import(root: &Path) -> Result<Self, StoreError> {
        Self::take(root, Purpose::Import)
    }

    fn take(root: &Path, purpose: Purpose) -> Result<Self, StoreError> {
        let paths = Paths::at(root);
        match paths.take(purpose) {
            Ok((lock, files)) => Ok(Self { paths, lock, files }),
            Err(kind) => Err(paths.error(kind)),
        }
    }

    /// What was imported is whole and durable: it becomes the directory's forum.
    ///
    /// # Errors
    /// Those of the file system. The import counts as cut off.
    pub fn finish_import(&self) -> Result<(), StoreError> {
        self.paths
            .finish_import()
            .map_err(|error| self.paths.error(StoreErrorKind::Io("finish the import", error)))
    }

    /// The journal's path. The file must be opened by the journal alone: closing any other descriptor of it
    /// would drop the locks that SQLite has on it.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.paths.journal()
    }

    /// The directory of the uploads, in the directory that is locked, wherever that is now.
    #[must_use]
    pub fn files(&self) -> &Directory {
        &self.files
    }

    /// Deletes the forum, and nothing that forumd did not store. The journal must be closed. From the first
    /// step on the forum counts as gone: should the others not be reached, [`Store::open`] takes them.
    ///
    /// # Errors
    /// Something could not be deleted, or another directory has got the name of this one: then nothing was.
    pub fn wipe(self) -> Result<(), StoreError> {
        if !self.is_in_place()? {
            return Err(self.paths.error(StoreErrorKind::Moved));
        }
        let wiped = || {
            self.paths.mark_wiped()?;
            self.paths.finish_wipe()?;
            self.paths.remove_tag_if_alone()
        };
        wiped().map_err(|error| self.paths.error(StoreErrorKind::Io("wipe it", error)))
    }

    /// Whether the directory still has the name that it was taken by.
    fn is_in_place(&self) -> Result<bool, StoreError> {
        let error = |error| self.paths.error(StoreErrorKind::Io("look at it", error));
        self.lock.is_at(self.paths.root()).map_err(error)
    }
}

impl StoreReader {
    /// Opens the data directory at `root` to be read. A running server is not held up by that; without one, none
    /// can start while this lives.
    ///
    /// # Errors
    /// There is no forum there, or it can't be read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let paths = Paths::at(root);
        match paths.share() {
            Ok((server, lock)) => Ok(Self { paths, server, _lock: lock }),
            Err(kind) => Err(paths.error(kind)),
        }
    }

    /// The journal's path.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.paths.journal()
    }

    /// The directory of the uploads.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.paths.files()
    }

    /// Whether a server is running.
    #[must_use]
    pub fn server(&self) -> ServerState {
        self.server
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.display();
        match &self.kind {
            StoreErrorKind::InUse => write!(f, "data directory {root} is in use by another forumd"),
            StoreErrorKind::NotADirectory => write!(f, "data directory {root} is not a directory"),
            StoreErrorKind::NoFile(name, kind) => {
                write!(f, "data directory {root}: {} is {kind}, not a file; move it away", name.display())
            }
            StoreErrorKind::Foreign(name) => write!(
                f,
                "data directory {root} holds no forum, but {}; choose an empty directory",
                name.display()
            ),
            StoreErrorKind::JournalLost => {
                write!(f, "data directory {root} holds parts of a forum, but its {JOURNAL} is missing")
            }
            StoreErrorKind::HoldsForum => {
                write!(f, "data directory {root} holds a forum already; import needs an empty or a new one")
            }
            StoreErrorKind::CutShortImport => write!(
                f,
                "data directory {root} holds an import that was cut off; repeat `forumd import` there, or \
                 choose another directory"
            ),
            StoreErrorKind::Moved => write!(
                f,
                "data directory {root} was moved or replaced while it was in use; nothing was wiped"
            ),
            StoreErrorKind::NoForum => write!(f, "there is no forum in data directory {root}"),
            StoreErrorKind::Io(_, error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => write!(
                f,
                "data directory {root} is on a read-only file system; mount it writable, or choose another \
                 directory"
            ),
            StoreErrorKind::Io(doing, error) => {
                write!(f, "data directory {root}: cannot {doing}: {}", Advised(error))
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            StoreErrorKind::Io(_, error) => Some(error),
            _ => None,
        }
    }
}
