//! A disk that can't be read is no damage, though SQLite may call it that.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::io::Errno;

use super::error::{JournalErrorKind, Place, io};
use super::paths::wal;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What SQLite calls damage, when it is the disk that can't be read: then that. To be asked before this thread
/// does anything else: it may have failed once only, and then all that tells is what the operating system said
/// last.
pub(super) fn or_unreadable(path: &Path, kind: JournalErrorKind) -> JournalErrorKind {
    let said_last = io::Error::last_os_error();
    if !matches!(kind, JournalErrorKind::Damaged(Place::File, _) | JournalErrorKind::Foreign) {
        return kind;
    }
    if said_last.raw_os_error() == Some(Errno::IO.raw_os_error()) {
        return io("read it")(said_last);
    }
    [path.to_owned(), wal(path)].iter().find_map(|file| read_through(file).err()).map_or(kind, io("read it"))
}

/// Reads a file to its end. One that isn't there has nothing that can't be read.
fn read_through(path: &Path) -> io::Result<()> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_no_damage() {
        let damage = || JournalErrorKind::Damaged(Place::File, "malformed".to_owned());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite3");
        assert!(matches!(or_unreadable(&path, damage()), JournalErrorKind::Damaged(..)), "nothing is there");
        fs::write(&path, "readable").unwrap();
        assert!(matches!(or_unreadable(&path, damage()), JournalErrorKind::Damaged(..)));
        // This one opens, and reading it at its beginning is an I/O error.
        std::os::unix::fs::symlink("/proc/self/mem", wal(&path)).unwrap();
        let unreadable = "cannot read it: Input/output error (os error 5)";
        assert_eq!(or_unreadable(&path, damage()).to_string(), unreadable);
        // That was the last word of the operating system, and it counts when all can be read again.
        fs::remove_file(wal(&path)).unwrap();
        assert_eq!(or_unreadable(&path, damage()).to_string(), unreadable);
        let elsewhere = JournalErrorKind::Damaged(Place::Snapshot, "its digest does not match".to_owned());
        assert!(
            matches!(or_unreadable(&path, elsewhere), JournalErrorKind::Damaged(..)),
            "digests were read"
        );
    }
}
