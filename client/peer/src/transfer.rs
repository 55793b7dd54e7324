//! Files on their way between this client and the server: what is sent against the server's credit, and what is taken
//! in against ours.
//!
//! Two pure state machines. Messages of the server and the results of file operations come in as values; what is to be
//! said to the server and done with the file goes out as a [`Step`].

mod download;
mod upload;

pub use download::Download;
pub use upload::Upload;

use crate::local_files::FileAction;

/// What came of an event in the life of a transfer.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// It goes on; nothing to say.
    Going,
    /// It goes on, and the server is to be given so much credit.
    Credit(u32),
    /// It goes on when this has been done with its file.
    File(FileAction),
    /// This end has given it up, and said so; the server is to be told.
    Abort,
    /// This end gives it up, for this reason, and the server is to be told. Its last word is still to come.
    GaveUp(String),
    /// It is over, and went well.
    Done(String),
    /// It is over, and was refused or failed.
    Refused(String),
    /// It is over, and what there was to say has been said.
    Over,
    /// The server sent what has no place here.
    Unexpected,
}

#[cfg(test)]
mod values {
    //! What the tests of both directions share.

    use forum_common::wire::{Digest, Refusal, Reply, Transfer};

    pub(super) fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8).collect()
    }

    pub(super) fn digest(content: &[u8]) -> Digest {
        *blake3::hash(content).as_bytes()
    }

    pub(super) fn end_of(content: &[u8]) -> Transfer<'static> {
        Transfer::DataEnd { digest: Some(digest(content)) }
    }

    pub(super) fn refused(code: Refusal, text: &str) -> Reply<'_> {
        Reply::Refused { code, limit: None, value: None, name: None, text }
    }

    pub(super) fn aborted() -> Reply<'static> {
        refused(Refusal::TransferAborted, "The transfer was given up")
    }
}
