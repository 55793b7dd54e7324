//! The index of the write-ahead log. SQLite maps it from a file beside the log, which those who read beside a
//! server share. On a full disk a mapped page without space behind it is a SIGBUS, so the space is taken first;
//! where there is none the index is on the heap, and nobody can read beside the server.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::paths::{parent, with};

/// Bytes of index that are taken in advance: enough for 32,000 pages of log, twice what is kept of it.
const INDEX_BYTES: u64 = 256 * 1024;

/// Whether the file system of the journal at `path` has room for the index.
///
/// # Errors
/// There is no telling.
pub(super) fn has_room(path: &Path) -> io::Result<bool> {
    // SQLite empties the index when it opens it, so whether there is room is tried with a file without a name.
    let flags = OFlags::TMPFILE.bits().cast_signed();
    match OpenOptions::new().read(true).write(true).custom_flags(flags).open(parent(path)) {
        Ok(trial) => take(&trial),
        Err(error) if is_no_room(Errno::from_io_error(&error)) => Ok(false),
        // The file system knows no such files. Then SQLite finds out.
        Err(_) => Ok(true),
    }
}

/// Takes the space of the index, which must be open. The file that it returns has to live as long as the
/// database is open.
///
/// # Errors
/// The space can't be had.
pub(super) fn take_room(path: &Path) -> io::Result<File> {
    let index = OpenOptions::new().read(true).write(true).open(with(path, "-shm"))?;
    if take(&index)? { Ok(index) } else { Err(io::ErrorKind::StorageFull.into()) }
}

fn take(file: &File) -> io::Result<bool> {
    match fallocate(file, FallocateFlags::empty(), 0, INDEX_BYTES) {
        Ok(()) => Ok(true),
        // A file system that can't take space in advance.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(true),
        Err(error) if is_no_room(Some(error)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_no_room(error: Option<Errno>) -> bool {
    matches!(error, Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG))
}
