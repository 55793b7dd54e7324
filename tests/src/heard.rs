//! What a test hears from the server: the frames of the protocol with strings of their own, so that a test
//! can keep and compare them.

use forum_common::frame::{Frame, Tag};
use forum_common::limits::DIGEST_BYTES;
use forum_common::link::{self, LinkId, Token};
use forum_common::refusal::{Closing, Refusal};
use forum_common::{notice, reply, transfer};

/// One frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An answer, or an item of a long one.
    Reply(Tag, Reply),
    /// A piece of a file, or what controls the pieces.
    Transfer(Tag, Transfer),
    /// What nobody asked for.
    Notice(Notice),
    /// Something of a link between two users; a tag has only what answers a request.
    Link(Tag, LinkNotice),
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
    User(String),
    ActiveUser { name: String, address: String, udp_port: u16, since: String },
    BoardPost { number: u32, author: String, at: String, text: String },
    RoomPost { room: u32, number: u32, author: String, at: String, text: String },
}

/// [`notice::Notice`], owned, but for the goodbye, which is [`Heard::Closing`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the original, documented there")]
pub enum Notice {
    LoggedIn(String),
    LoggedOut(String),
    Message { number: u64, late: bool, from: String, at: String, text: String },
    Broadcast { from: String, text: String },
    BoardPost { number: u32, author: String, text: String },
    RoomPost { room: u32, number: u32, author: String, text: String },
    PutInRoom { room: u32, by: String, users: String },
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

/// [`link::LinkNotice`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the original, documented there")]
pub enum LinkNotice {
    Asked { link: LinkId, text: String },
    PrivateQuestion { link: LinkId, from: String },
    FileQuestion { link: LinkId, from: String, size: u64, file: String },
    Withdrawn { link: LinkId },
    Declined { link: LinkId },
    Prepare { link: LinkId, token: Token },
    Introduction { link: LinkId, token: Token, address: String, port: u16 },
    Stands { link: LinkId, relayed: bool },
    Ended { link: LinkId, stopped: bool },
    RelayedText { link: LinkId, text: String },
    RelayedDatagram { link: LinkId, datagram: Vec<u8> },
}

impl Heard {
    /// Reads a frame of the server.
    ///
    /// # Panics
    /// The frame is none that a server sends.
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        if notice::Notice::is_kind(frame.kind) {
            let notice = notice::Notice::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
            return Self::of_notice(notice);
        }
        if transfer::Transfer::is_kind(frame.kind) {
            let transfer =
                transfer::Transfer::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
            return Self::Transfer(frame.tag, transfer.into());
        }
        if link::LinkNotice::is_kind(frame.kind) {
            let notice = link::LinkNotice::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
            return Self::Link(frame.tag, notice.into());
        }
        let reply = reply::Reply::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame:?}"));
        Self::Reply(frame.tag, reply.into())
    }

    fn of_notice(notice: notice::Notice<'_>) -> Self {
        Self::Notice(match notice {
            notice::Notice::Closing { code, text } => return Self::Closing(code, text.to_owned()),
            notice::Notice::LoggedIn(name) => Notice::LoggedIn(name.to_owned()),
            notice::Notice::LoggedOut(name) => Notice::LoggedOut(name.to_owned()),
            notice::Notice::Message { number, late, from, at, text } => {
                let (from, at, text) = (from.to_owned(), at.to_owned(), text.to_owned());
                Notice::Message { number, late, from, at, text }
            }
            notice::Notice::Broadcast { from, text } => Notice::broadcast(from, text),
            notice::Notice::BoardPost { number, author, text } => Notice::board_post(number, author, text),
            notice::Notice::RoomPost { room, number, author, text } => {
                Notice::room_post(room, number, author, text)
            }
            notice::Notice::PutInRoom { room, by, users } => Notice::put_in_room(room, by, users),
        })
    }
}

impl Notice {
    /// `NAME logged in`.
    pub fn logged_in(name: &str) -> Self {
        Self::LoggedIn(name.into())
    }

    /// `NAME logged out`.
    pub fn logged_out(name: &str) -> Self {
        Self::LoggedOut(name.into())
    }

    /// A message that arrives while its receiver is online, without its time.
    pub fn message(number: u64, from: &str, text: &str) -> Self {
        Self::Message { number, late: false, from: from.into(), at: String::new(), text: text.into() }
    }

    /// A message that waited for its receiver, without its time.
    pub fn late_message(number: u64, from: &str, text: &str) -> Self {
        Self::Message { number, late: true, from: from.into(), at: String::new(), text: text.into() }
    }

    /// A message to everyone online.
    pub fn broadcast(from: &str, text: &str) -> Self {
        Self::Broadcast { from: from.into(), text: text.into() }
    }

    /// A message to the board.
    pub fn board_post(number: u32, author: &str, text: &str) -> Self {
        Self::BoardPost { number, author: author.into(), text: text.into() }
    }

    /// A message to a room.
    pub fn room_post(room: u32, number: u32, author: &str, text: &str) -> Self {
        Self::RoomPost { room, number, author: author.into(), text: text.into() }
    }

    /// The news of being in a room.
    pub fn put_in_room(room: u32, by: &str, users: &str) -> Self {
        Self::PutInRoom { room, by: by.into(), users: users.into() }
    }

    /// The same without the time, which no test can know beforehand.
    #[must_use]
    pub fn timeless(self) -> Self {
        match self {
            Self::Message { number, late, from, text, .. } => {
                Self::Message { number, late, from, at: String::new(), text }
            }
            other => other,
        }
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

    /// A line as `RDT`, `RDM`, `ATU` or `whoelse` shows it; none if this is no item of these.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Post { number, author, text } => Some(format!("{number} {author}: {text}")),
            Self::Uploaded { author, file } => Some(format!("{author} uploaded {file}")),
            Self::User(name) => Some(name.clone()),
            Self::ActiveUser { name, address, udp_port, since } => {
                Some(format!("{name}, {address}, {udp_port}, active since {since}."))
            }
            Self::BoardPost { number, author, at, text }
            | Self::RoomPost { number, author, at, text, .. } => {
                Some(format!("#{number}; {author}: {text} at {at}."))
            }
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
            reply::Reply::User(name) => Self::User(name.to_owned()),
            reply::Reply::ActiveUser { name, address, udp_port, since } => {
                let (name, address, since) = (name.to_owned(), address.to_owned(), since.to_owned());
                Self::ActiveUser { name, address, udp_port, since }
            }
            reply::Reply::BoardPost { number, author, at, text } => {
                let (author, at, text) = (author.to_owned(), at.to_owned(), text.to_owned());
                Self::BoardPost { number, author, at, text }
            }
            reply::Reply::RoomPost { room, number, author, at, text } => {
                let (author, at, text) = (author.to_owned(), at.to_owned(), text.to_owned());
                Self::RoomPost { room, number, author, at, text }
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

impl From<link::LinkNotice<'_>> for LinkNotice {
    fn from(notice: link::LinkNotice<'_>) -> Self {
        match notice {
            link::LinkNotice::Asked { link, text } => Self::Asked { link, text: text.to_owned() },
            link::LinkNotice::PrivateQuestion { link, from } => {
                Self::PrivateQuestion { link, from: from.to_owned() }
            }
            link::LinkNotice::FileQuestion { link, from, size, file } => {
                Self::FileQuestion { link, from: from.to_owned(), size, file: file.to_owned() }
            }
            link::LinkNotice::Withdrawn { link } => Self::Withdrawn { link },
            link::LinkNotice::Declined { link } => Self::Declined { link },
            link::LinkNotice::Prepare { link, token } => Self::Prepare { link, token },
            link::LinkNotice::Introduction { link, token, address, port } => {
                Self::Introduction { link, token, address: address.to_owned(), port }
            }
            link::LinkNotice::Stands { link, relayed } => Self::Stands { link, relayed },
            link::LinkNotice::Ended { link, stopped } => Self::Ended { link, stopped },
            link::LinkNotice::RelayedText { link, text } => Self::RelayedText { link, text: text.to_owned() },
            link::LinkNotice::RelayedDatagram { link, datagram } => {
                Self::RelayedDatagram { link, datagram: datagram.to_vec() }
            }
        }
    }
}
