//! What passes between the loop and the file workers: what is asked of a transfer, and what becomes of it.

use std::{fmt, io};

use forum_common::limits::DIGEST_BYTES;

use super::FileId;

/// Whether a file is on the disk or only on its way there when it counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSync {
    /// The file and its name survive a power loss from [`Report::Stored`] on.
    BeforeStored,
    /// The operating system writes them when it likes.
    Never,
}

/// What a stored file must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its size in bytes.
    pub size: u64,
    /// The BLAKE3 digest of its bytes.
    pub digest: [u8; DIGEST_BYTES],
}

/// What the sender of an upload says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its size in bytes.
    pub size: u64,
    /// The BLAKE3 digest of its bytes, if the sender took one.
    pub digest: Option<[u8; DIGEST_BYTES]>,
}

/// Why a transfer failed. Nothing of an upload is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The disk is full, or the quota is used up, or the file is longer than this process may write.
    NoSpace,
    /// The bytes that came are not those that were sent.
    DigestDiffers,
    /// More or fewer bytes came than were announced.
    SizeDiffers,
    /// The stored file is not what it was when it was stored.
    Damaged,
    /// There is no such file: it was deleted meanwhile, or the data is damaged.
    Missing,
    /// The operating system says this.
    Io(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace
            }
            _ => Self::Io(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpace => "no space left on the disk",
            Self::DigestDiffers => "the bytes that arrived are not those that were sent",
            Self::SizeDiffers => "the number of bytes that arrived is not the one announced",
            Self::Damaged => "the file is damaged: its size or digest is not the one in the log",
            Self::Missing => "the file is missing",
            Self::Io(text) => text,
        })
    }
}

impl std::error::Error for Failure {}

/// News of a transfer.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// Upload: so many bytes left memory, and the client may send as many more.
    Written {
        /// How many.
        bytes: u32,
    },
    /// Upload: all is there and as expected. It is over.
    Stored {
        /// The file.
        id: FileId,
        /// The BLAKE3 digest of its bytes.
        digest: [u8; DIGEST_BYTES],
    },
    /// Download: now it can be read. One of size 0 is over.
    Opened {
        /// How many bytes will come.
        size: u64,
    },
    /// Download: what was asked for, or less at the end of the file; with the last byte it is over.
    Chunk {
        /// Data frames, ready for the wire; [`FileWorkers::recycle`](super::FileWorkers::recycle) likes to have the buffer back.
        frames: Vec<u8>,
        /// Bytes of the file in them.
        bytes: u64,
    },
    /// It is over, and nothing of an upload is left.
    Failed(Failure),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_a_full_quota_and_a_file_of_the_longest_length_are_the_same_to_the_user() {
        for number in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT, rustix::io::Errno::FBIG] {
            assert_eq!(Failure::from(io::Error::from(number)), Failure::NoSpace);
        }
        let other = Failure::from(io::Error::from(rustix::io::Errno::IO));
        assert!(matches!(other, Failure::Io(_)), "{other:?}");
    }
}
