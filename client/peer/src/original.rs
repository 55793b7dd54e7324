//! A local file that is sent, and whether it is still what was opened: whole is only what did not change between
//! its first byte and its last.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::wording::cause;

/// An open file, and what it was like then.
#[derive(Debug)]
pub struct Original {
    file: File,
    size: u64,
    changed: Changed,
}

/// When a file was last changed: seconds and nanoseconds of its content's time and of its inode's.
///
/// The content's alone is not enough: anybody who may write a file may set it back, as `touch -r` does. Nobody can
/// set the inode's. It changes with names and permissions, too; that is no reason to trust what was read.
#[derive(Debug, PartialEq, Eq)]
struct Changed {
    content: (i64, i64),
    inode: (i64, i64),
}

impl Changed {
    fn of(metadata: &Metadata) -> Self {
        Self {
            content: (metadata.mtime(), metadata.mtime_nsec()),
            inode: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A local file that can be sent.
#[derive(Debug)]
pub struct Source {
    /// The last part of its path: its name where it goes.
    pub name: String,
    /// Its content.
    pub original: Original,
}

impl Source {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Why it can't be sent, for people.
    pub fn open(path: &str) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("File {path} cannot be read: {}", cause(&error));
        // Looked at before it is opened: opening a device may do something.
        let metadata = match fs::metadata(path) {
            Err(error) if is_missing(&error) => return Err(format!("File {path} does not exist")),
            other => other.map_err(unreadable)?,
        };
        expect_regular(&metadata).map_err(unreadable)?;
        let Some(name) = Path::new(path).file_name().and_then(|name| name.to_str()) else {
            return Err(format!("File {path} does not exist"));
        };
        // Should it have become a FIFO meanwhile, opening must not wait for its other end.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("the flag is a small number");
        let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
        let original = opened.and_then(Original::new).map_err(unreadable)?;
        Ok(Self { name: name.to_owned(), original })
    }
}

/// `a/b` is missing as well if `a` is a file.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn expect_regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(io::Error::other("it is a directory")),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}

impl Original {
    /// Takes over a file.
    ///
    /// # Errors
    /// It is not a regular file, it can't be read, or its size is not that of its content, as in `/proc`.
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        expect_regular(&metadata)?;
        let original = Self { file, size: metadata.len(), changed: Changed::of(&metadata) };
        original.verify()?;
        Ok(original)
    }

    /// Bytes that it held when it was opened. Only so many are read.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Another handle of the file.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn try_clone_file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Reads some of the bytes from `offset` on, at least one and at most as many as `buffer` has room for. The
    /// offset lies before the end.
    ///
    /// # Errors
    /// They can't be read, or are not there any more.
    pub fn read_some_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.read_at(buffer, offset)? {
            0 if !buffer.is_empty() => Err(self.too_short()),
            count => Ok(count),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Checks that it is what it was when it was opened. What has been read until then is the whole of it.
    ///
    /// A change within the same tick of the kernel's clock (some milliseconds) as the one before the opening goes
    /// unnoticed.
    ///
    /// # Errors
    /// It is not, or can't be looked at; what happened, and what to do about it.
    pub fn verify(&self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        // What the size says need not be so: read the last byte, and what should be the end.
        let last = self.size.saturating_sub(1);
        let there = last + self.read_at(&mut [0; 2], last)? as u64;
        if metadata.len().min(there) < self.size {
            return Err(self.too_short());
        }
        if metadata.len().max(there) > self.size {
            let why =
                format!("it holds more than its {} bytes: it is growing, or no ordinary file", self.size);
            return Err(io::Error::other(format!("{why}. Send a copy of it")));
        }
        if Changed::of(&metadata) != self.changed {
            return Err(io::Error::other("it was changed while it was read. Send it again, or a copy of it"));
        }
        Ok(())
    }

    fn too_short(&self) -> io::Error {
        let why = format!("it holds less than its {} bytes: it was cut, or is no ordinary file", self.size);
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("{why}. Send a copy of it"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    /// A file that was last changed long ago, and the name by which others change it.
    fn original(content: &[u8]) -> (tempfile::NamedTempFile, Original) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let original = Original::new(File::open(file.path()).unwrap()).unwrap();
        (file, original)
    }

    #[test]
    fn a_file_that_nobody_touches_stays_what_it_is() {
        let (_file, original) = original(b"abc");
        assert_eq!(original.size(), 3);
        let mut bytes = [0; 10];
        assert_eq!(original.read_some_at(&mut bytes, 1).unwrap(), 2);
        assert_eq!(&bytes[..2], b"bc");
        original.verify().unwrap();
    }

    #[test]
    fn a_file_that_grows_shrinks_or_changes_is_not_what_it_was() {
        let (mut file, grown) = original(b"abc");
        file.write_all(b"d").unwrap();
        let said = "it holds more than its 3 bytes: it is growing, or no ordinary file. Send a copy of it";
        assert_eq!(grown.verify().unwrap_err().to_string(), said);

        let (file, cut) = original(b"abc");
        file.as_file().set_len(1).unwrap();
        let said = "it holds less than its 3 bytes: it was cut, or is no ordinary file. Send a copy of it";
        assert_eq!(cut.verify().unwrap_err().to_string(), said);
        let error = cut.read_some_at(&mut [0; 10], 1).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::UnexpectedEof, said));

        let (file, changed) = original(b"abc");
        file.as_file().write_at(b"x", 1).unwrap();
        let said = "it was changed while it was read. Send it again, or a copy of it";
        assert_eq!(changed.verify().unwrap_err().to_string(), said);
    }

    #[test]
    fn a_change_shows_even_if_the_time_of_it_is_set_back() {
        let (file, original) = original(b"abc");
        let changed_at = original.changed.inode;
        file.as_file().write_at(b"x", 1).unwrap();
        // Both may fall into one tick of the kernel's clock: the time is set until it is a later one.
        let deadline = Instant::now() + Duration::from_secs(60);
        file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        while Changed::of(&file.as_file().metadata().unwrap()).inode == changed_at {
            file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            assert!(Instant::now() < deadline, "the time of the inode stands still");
        }
        assert_eq!(file.as_file().metadata().unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
        let said = "it was changed while it was read. Send it again, or a copy of it";
        assert_eq!(original.verify().unwrap_err().to_string(), said);
    }

    #[test]
    fn only_readable_regular_files_whose_size_is_true_are_sources() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("a"), b"abc").unwrap();
        let source = Source::open(&path("a")).unwrap();
        assert_eq!((source.name.as_str(), source.original.size()), ("a", 3));
        for missing in [path("b"), path("a/b"), String::new()] {
            assert_eq!(Source::open(&missing).unwrap_err(), format!("File {missing} does not exist"));
        }
        for directory in [path(""), path("..")] {
            let said = format!("File {directory} cannot be read: it is a directory");
            assert_eq!(Source::open(&directory).unwrap_err(), said);
        }
        let fifo = path("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for special in [fifo, "/dev/zero".to_owned()] {
            let said = format!("File {special} cannot be read: it is not a regular file");
            assert_eq!(Source::open(&special).unwrap_err(), said);
        }
        let said = "File /proc/cpuinfo cannot be read: it holds more than its 0 bytes: it is growing, or no \
            ordinary file. Send a copy of it";
        assert_eq!(Source::open("/proc/cpuinfo").unwrap_err(), said);
        // Files of sysfs claim a page and hold less.
        let said = "File /sys/kernel/mm/transparent_hugepage/enabled cannot be read: it holds less than its 4096 \
            bytes: it was cut, or is no ordinary file. Send a copy of it";
        if Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists() {
            assert_eq!(Source::open("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_err(), said);
        }
    }
}
