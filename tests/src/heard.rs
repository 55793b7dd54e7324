//! What a test hears from the server: the frames of the protocol with strings of their own, so that a test
//! can keep and compare them.

use forum_common::frame::{Frame, Tag};
use forum_common::limits::DIGEST_BYTES;
use forum_common::notice::Notice;
use forum_common::refusal::{Closing, Refusal};
use forum_common::{reply, transfer};

/// One frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An answer, or an item of a long one.
    Reply(Tag, Reply),
    /// A piece of a file, or what controls the pieces.
    Transfer(Tag, Transfer),
    /// The last frame before the connection ends.
    Closing(Closing, String),
}

/// [`reply::Reply`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the original, documented there")]
pub enum Reply {
    Hello { version: u16 },
    Pong(Vec<u8>),
    PasswordWanted { known: bool },
    Welcome(String),
    Done(String),
    Refused(Refusal, String),
    UploadStarts { credit: u32 },
    DownloadStarts { size: u64 },
    EndOfList,
    Title(String),
    Post { number: u32, author: String, text: String },
    Uploaded { author: String, file: String },
}

/// [`transfer::Transfer`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the original, documented there")]
pub enum Transfer {
    Data(Vec<u8>),
    Credit(u32),
    End([u8; DIGEST_BYTES]),
    Abort,
}

impl Heard {
    /// Reads a frame of the server.
    ///
    /// # Panics
    /// The frame is none that a server sends.
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        if Notice::is_kind(frame.kind) {
            let notice = Notice::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
            return match notice {
                Notice::Closing { code, text } => Self::Closing(code, text.to_owned()),
            };
        }
        if transfer::Transfer::is_kind(frame.kind) {
            let transfer =
                transfer::Transfer::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
            return Self::Transfer(frame.tag, transfer.into());
        }
        let reply = reply::Reply::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
        Self::Reply(frame.tag, reply.into())
    }
}

impl Reply {
    /// The answer to a log-in that went well.
    pub fn welcome() -> Self {
        Self::Welcome("Welcome to the forum".into())
    }

    /// An answer that says `text`.
    pub fn done(text: &str) -> Self {
        Self::Done(text.into())
    }

    /// A refusal that says `text`.
    pub fn refused(code: Refusal, text: &str) -> Self {
        Self::Refused(code, text.into())
    }

    /// Whether it says that something was done.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// A line as `RDT` shows it; none if this is no item of a thread.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Post { number, author, text } => Some(format!("{number} {author}: {text}")),
            Self::Uploaded { author, file } => Some(format!("{author} uploaded {file}")),
            _ => None,
        }
    }
}

impl From<reply::Reply<'_>> for Reply {
    fn from(reply: reply::Reply<'_>) -> Self {
        match reply {
            reply::Reply::Hello { version } => Self::Hello { version },
            reply::Reply::Pong(bytes) => Self::Pong(bytes.to_vec()),
            reply::Reply::PasswordWanted { known } => Self::PasswordWanted { known },
            reply::Reply::Welcome { text } => Self::Welcome(text.to_owned()),
            reply::Reply::Done { text } => Self::Done(text.to_owned()),
            reply::Reply::Refused { code, text } => Self::Refused(code, text.to_owned()),
            reply::Reply::UploadStarts { credit } => Self::UploadStarts { credit },
            reply::Reply::DownloadStarts { size } => Self::DownloadStarts { size },
            reply::Reply::EndOfList => Self::EndOfList,
            reply::Reply::Title(title) => Self::Title(title.to_owned()),
            reply::Reply::Post { number, author, text } => {
                Self::Post { number, author: author.to_owned(), text: text.to_owned() }
            }
            reply::Reply::Uploaded { author, file } => {
                Self::Uploaded { author: author.to_owned(), file: file.to_owned() }
            }
        }
    }
}

impl From<transfer::Transfer<'_>> for Transfer {
    fn from(transfer: transfer::Transfer<'_>) -> Self {
        match transfer {
            transfer::Transfer::Data(bytes) => Self::Data(bytes.to_vec()),
            transfer::Transfer::Credit(bytes) => Self::Credit(bytes),
            transfer::Transfer::End(digest) => Self::End(digest),
            transfer::Transfer::Abort => Self::Abort,
        }
    }
}
