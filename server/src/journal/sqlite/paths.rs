//! The names of the files beside a journal.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The write-ahead log beside a database.
pub(super) fn wal(path: &Path) -> PathBuf {
    with(path, "-wal")
}

/// Where a journal is written until it is whole.
pub(super) fn temporary(path: &Path) -> PathBuf {
    with(path, ".new")
}

/// The file with that at the end of its name.
pub(super) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory that a path lies in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
