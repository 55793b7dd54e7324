//! Files on their way: what is sent against the server's credit, and what is taken in against ours.
//!
//! Two state machines. They know local files and refuse to know sockets, terminals and clocks: messages come in as
//! values, and what is to be sent goes out as values.

mod download;
mod upload;

pub use download::{Download, Folder};
pub use upload::{Next, Upload};

/// Bytes between two syncs of a file that arrives. One sync of a gigabyte at its end would leave the loop,
/// and whoever types, waiting for seconds; many short ones are not felt.
pub(crate) const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// What came of an event in the life of a transfer.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// It goes on; nothing to say.
    Going,
    /// It goes on, and the server is to be given so much credit.
    Credit(u32),
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

/// The names of all that is in a directory, in order.
#[cfg(test)]
pub(crate) fn names_in(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
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
