//! Small files in the user's state directory that several clients share: each is replaced as a whole, for its owner
//! alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use forum_common::process::open_at_once;
use tempfile::NamedTempFile;

/// The file that is locked for `path`. It is not that file itself: that one is replaced, and with it its locks.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    let path = path.with_extension("lock");
    open_regular(&path, OpenOptions::new().write(true).create(true).truncate(false).mode(0o600))
}

/// Opens a file, or what is there if that is one.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let irregular =
        || io::Error::other(format!("{} is not a regular file. Remove it to keep one", path.display()));
    match open_at_once(path, options) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(irregular()),
        // A FIFO that nobody reads can't be opened for writing, and neither can a directory.
        Err(_) if fs::metadata(path).is_ok_and(|there| !there.is_file()) => Err(irregular()),
        Err(error) => Err(error),
    }
}

/// Puts a file with these lines in the place of the one that is there. Temporary files are made with 0600.
pub(crate) fn replace(path: &Path, directory: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = NamedTempFile::with_prefix_in(".forumd", directory)?;
    let mut text = lines.join("\n");
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
