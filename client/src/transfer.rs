//! Files on their way: what is sent against the server's credit, and what is taken in against ours.
//!
//! Two state machines over the frames of `forum_common::transfer`. They know local files and refuse to know
//! sockets, terminals and clocks: frames come in as values and go out into an
//! [`Outbox`](crate::connection::Outbox).

mod download;
mod upload;

pub use download::{Download, Folder};
pub use upload::{Sent, Upload};

/// Bytes between two syncs of a file that arrives. One sync of a gigabyte at its end would leave the loop,
/// and whoever types, waiting for seconds; many short ones are not felt.
pub(crate) const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// What came of an event in the life of a transfer.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// It goes on; nothing to say.
    Going,
    /// This end gives it up, for this reason. The server's last word about it is still to come.
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
mod frames {
    //! What the tests of both directions share.

    use forum_common::frame::{Decoder, Tag};
    use forum_common::refusal::Refusal;
    use forum_common::reply::Reply;
    use forum_common::transfer::Transfer;

    use crate::connection::Outbox;

    pub(super) const TAG: Tag = 7;

    /// Every transfer frame in the outbox, as (kind, body).
    pub(super) fn frames(outbox: &mut Outbox) -> Vec<(u8, Vec<u8>)> {
        let mut decoder = Decoder::default();
        decoder.feed(outbox.unsent());
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            assert_eq!(frame.tag, TAG);
            assert!(Transfer::is_kind(frame.kind));
            frames.push((frame.kind, frame.body.to_vec()));
        }
        outbox.sent(outbox.unsent().len());
        frames
    }

    pub(super) fn encoded(transfer: &Transfer<'_>) -> Vec<(u8, Vec<u8>)> {
        let mut outbox = Outbox::default();
        outbox.transfer(TAG, transfer);
        frames(&mut outbox)
    }

    pub(super) fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8).collect()
    }

    pub(super) fn aborted() -> Reply<'static> {
        Reply::Refused { code: Refusal::TransferAborted, text: "Transfer aborted" }
    }
}
