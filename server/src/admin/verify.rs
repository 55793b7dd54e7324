//! Whether a stored file is what the forum says it is: its size and its digest, read once from end to end.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::directory::Directory;
use crate::forum::Upload;
use crate::interrupts::{Interrupted, Interrupts};
use crate::workers::files::Expected;

/// Bytes that are read at once: enough for a disk and for BLAKE3 to be busy with.
const PIECE_BYTES: usize = 256 * 1024;

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum FileError {
    Missing,
    /// A directory, a pipe, …
    NoFile,
    Size {
        found: u64,
        expected: u64,
    },
    Digest,
    Unreadable(io::Error),
    /// Its copy can't be written.
    Unwritable(io::Error),
    /// Nothing, as far as it was read.
    Interrupted,
}

/// What `upload` must be.
pub(super) fn expected(upload: &Upload) -> Expected {
    Expected { size: upload.size, digest: upload.digest }
}

/// Whether the file at `path` is as expected.
pub(super) fn verify(path: &Path, expected: Expected, interrupts: &Interrupts) -> Result<File, FileError> {
    let mut file = open(path)?;
    compare(expected, read(&mut file, &mut io::sink(), expected.size, interrupts)?)?;
    Ok(file)
}

/// Makes `name` in `to` a durable copy of `from`, if that is as expected. `name` must be new.
pub(super) fn copy(
    from: &Path,
    to: &Directory,
    name: &str,
    expected: Expected,
    interrupts: &Interrupts,
) -> Result<(), FileError> {
    let mut from = open(from)?;
    let mut copy = to.create_new(name).map_err(FileError::Unwritable)?;
    compare(expected, read(&mut from, &mut copy, expected.size, interrupts)?)?;
    copy.sync_all().map_err(FileError::Unwritable)
}

/// Opening a pipe would wait for a writer.
fn open(path: &Path) -> Result<File, FileError> {
    let found = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        _ => FileError::Unreadable(error),
    };
    if !path.metadata().map_err(found)?.is_file() {
        return Err(FileError::NoFile);
    }
    File::open(path).map_err(found)
}

/// Reads to the end, or until there is more than `size_max`.
fn read(
    from: &mut File,
    to: &mut impl Write,
    size_max: u64,
    interrupts: &Interrupts,
) -> Result<Expected, FileError> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    while size <= size_max {
        interrupts.check()?;
        let bytes = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => &piece[..count],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FileError::Unreadable(error)),
        };
        hasher.update(bytes);
        to.write_all(bytes).map_err(FileError::Unwritable)?;
        size += bytes.len() as u64;
    }
    Ok(Expected { size, digest: *hasher.finalize().as_bytes() })
}

fn compare(expected: Expected, found: Expected) -> Result<(), FileError> {
    if found.size != expected.size {
        Err(FileError::Size { found: found.size, expected: expected.size })
    } else if found.digest != expected.digest {
        Err(FileError::Digest)
    } else {
        Ok(())
    }
}

impl From<Interrupted> for FileError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::NoFile => f.write_str("is not a file"),
            Self::Size { found, expected } if found < expected => {
                write!(f, "has {found} bytes instead of {expected}")
            }
            Self::Size { expected, .. } => write!(f, "has more than {expected} bytes"),
            Self::Digest => f.write_str("is damaged: its digest does not match"),
            Self::Unreadable(error) => write!(f, "can't be read: {error}"),
            Self::Unwritable(error) => write!(f, "can't be copied: {error}"),
            Self::Interrupted => Interrupted.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Expected {
        Expected { size: bytes.len() as u64, digest: *blake3::hash(bytes).as_bytes() }
    }

    fn error(bytes: &[u8], expected: Expected) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let verified = verify(&path, expected, &Interrupts::Deadly).map(drop);
        let to = Directory::open(dir.path()).unwrap();
        let copied = copy(&path, &to, "copy", expected, &Interrupts::Deadly);
        assert_eq!(verified.is_ok(), copied.is_ok());
        verified.err().map(|error| error.to_string())
    }

    #[test]
    fn size_and_digest_both_count() {
        let bytes = vec![7; PIECE_BYTES + 1];
        assert_eq!(error(&bytes, of(&bytes)), None);
        assert_eq!(error(b"", of(b"")), None);
        assert_eq!(error(b"abc", of(b"abd")).unwrap(), "is damaged: its digest does not match");
        assert_eq!(error(b"ab", of(b"abc")).unwrap(), "has 2 bytes instead of 3");
        assert_eq!(error(b"abcd", of(b"abc")).unwrap(), "has more than 3 bytes");
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (expected, interrupts) = (of(b""), Interrupts::Deadly);
        let verify = |path: &Path| verify(path, expected, &interrupts).unwrap_err();
        assert!(matches!(verify(dir.path()), FileError::NoFile));
        assert!(matches!(verify(&dir.path().join("none")), FileError::Missing));
    }

    #[test]
    fn a_copy_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, "new").unwrap();
        std::fs::write(&to, "old").unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let error = copy(&from, &directory, "to", of(b"new"), &Interrupts::Deadly).unwrap_err();
        assert!(matches!(error, FileError::Unwritable(_)));
        assert_eq!(std::fs::read(&to).unwrap(), b"old");
    }
}
