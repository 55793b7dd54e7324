//! Where log lines go: standard error, or a file that can be opened anew when it was moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// The log tells who did what when; it is for the owner of the server.
const FILE_MODE: u32 = 0o600;

/// Takes whole lines.
pub(super) trait Sink: Write + Send {
    /// Opens anew what has a name; `None` if nothing has one.
    ///
    /// # Errors
    /// It can't be opened. What was open still is.
    fn reopen(&mut self) -> Option<io::Result<()>> {
        None
    }
}

impl Sink for io::Stderr {}

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens the file at `path`, made if it is missing.
    ///
    /// # Errors
    /// It can't be opened, or it is a FIFO that nobody reads.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)? })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for LogFile {
    fn reopen(&mut self) -> Option<io::Result<()>> {
        Some(open(&self.path).map(|file| self.file = file))
    }
}

/// Opening a FIFO waits until somebody reads it, unless it is told not to wait. Writing may wait: that is
/// what the log has a thread for.
fn open(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let opened =
        OpenOptions::new().append(true).create(true).mode(FILE_MODE).custom_flags(nonblocking).open(path);
    let file = opened.map_err(|error| match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_fifo() => {
            io::Error::new(ErrorKind::InvalidInput, "it is a FIFO that nobody reads")
        }
        Ok(found) if found.file_type().is_socket() => {
            io::Error::new(ErrorKind::InvalidInput, "it is a socket")
        }
        _ => error,
    })?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}
