//! How the server says no: for each code the exact text, and what a program is told with it.

use std::fmt;

use crate::names::{FileName, Invalid, Title, UserName};
use crate::wire::{Limit, Refusal, Reply};

/// A no to what somebody asked for. Nothing was changed, but for [`Rejection::NotToAll`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the code of its name, documented there, with what its text says")]
pub enum Rejection {
    InvalidName,
    InvalidText,
    InvalidPasswordFormat,
    InvalidNumber,
    InvalidTimestamp,
    PasswordsDiffer,
    InvalidPassword,
    BlockedNow,
    Blocked,
    AlreadyLoggedIn(UserName),
    NameTaken(UserName),
    Busy,
    SlowDown,
    NoSpace,
    LimitReached(Limit, u64),
    IncorrectAdminPassword,
    TooManyAttempts,
    KeyReused,
    Unknown,
    ThreadExists(Title),
    NoSuchThread(Title),
    InvalidMessageNumber,
    NotYourMessage(Deed),
    NotYourThread,
    FileExists(FileName, Title),
    NoSuchFile(Title),
    RemovedDuringDownload(Title),
    DigestDiffers,
    /// Given up by the client.
    TransferAborted,
    /// The end came before so many bytes had.
    TransferShort {
        arrived: u64,
        size: u64,
    },
    /// The server could not read or write the file.
    FileInaccessible,
    /// What the server stored is not what was uploaded any more: another try ends the same way.
    FileDamaged(FileName),
    /// Nothing came, or was taken, for so many seconds.
    NoProgress(FileName, u64),
    MessageMoved,
    AlreadyWatching(Title),
    NotWatching(Title),
    Away,
    InvalidUser,
    /// As CreateRoom says it, which names several.
    NoSuchUser(UserName),
    NotToSelf(SelfDeed),
    BlockedByUser,
    NotToAll,
    MailboxFull(UserName),
    AlreadyBlocked(UserName),
    NotBlocked(UserName),
    Offline(UserName),
    /// As AskPrivate says it.
    OfflineForPrivate(UserName),
    RoomExists(u32),
    NoSuchRoom,
    NotInRoom,
    AlreadyPrivate(UserName),
    /// With whom, if that is known.
    NotPrivate(Option<UserName>),
    PeerTooSlow(UserName),
    SignUpClosed,
    Banned,
}

/// What only an author may do to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Deed {
    Delete,
    Edit,
}

/// What nobody can do to themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum SelfDeed {
    Message,
    Block,
    Unblock,
    CreateRoom,
    Send,
}

impl Rejection {
    /// The code for programs.
    pub fn code(&self) -> Refusal {
        match self {
            Self::InvalidName => Refusal::InvalidName,
            Self::InvalidText => Refusal::InvalidText,
            Self::InvalidPasswordFormat => Refusal::InvalidPasswordFormat,
            Self::InvalidNumber => Refusal::InvalidNumber,
            Self::InvalidTimestamp => Refusal::InvalidTimestamp,
            Self::PasswordsDiffer => Refusal::PasswordsDiffer,
            Self::InvalidPassword => Refusal::InvalidPassword,
            Self::BlockedNow => Refusal::BlockedNow,
            Self::Blocked => Refusal::Blocked,
            Self::AlreadyLoggedIn(_) => Refusal::AlreadyLoggedIn,
            Self::NameTaken(_) => Refusal::NameTaken,
            Self::Busy => Refusal::Busy,
            Self::SlowDown => Refusal::SlowDown,
            Self::NoSpace => Refusal::NoSpace,
            Self::LimitReached(..) => Refusal::LimitReached,
            Self::IncorrectAdminPassword => Refusal::IncorrectAdminPassword,
            Self::TooManyAttempts => Refusal::TooManyAttempts,
            Self::KeyReused => Refusal::KeyReused,
            Self::Unknown => Refusal::Unknown,
            _ => self.code_of_thing(),
        }
    }

    /// The codes of what has to do with threads, users and rooms.
    fn code_of_thing(&self) -> Refusal {
        match self {
            Self::ThreadExists(_) => Refusal::ThreadExists,
            Self::NoSuchThread(_) => Refusal::NoSuchThread,
            Self::InvalidMessageNumber => Refusal::InvalidMessageNumber,
            Self::NotYourMessage(_) => Refusal::NotYourMessage,
            Self::NotYourThread => Refusal::NotYourThread,
            Self::FileExists(..) => Refusal::FileExists,
            Self::NoSuchFile(_) => Refusal::NoSuchFile,
            Self::RemovedDuringDownload(_) => Refusal::RemovedDuringDownload,
            Self::DigestDiffers => Refusal::DigestDiffers,
            Self::TransferAborted
            | Self::TransferShort { .. }
            | Self::FileInaccessible
            | Self::FileDamaged(_)
            | Self::NoProgress(..) => Refusal::TransferAborted,
            Self::MessageMoved => Refusal::MessageMoved,
            Self::AlreadyWatching(_) => Refusal::AlreadyWatching,
            Self::NotWatching(_) => Refusal::NotWatching,
            Self::Away => Refusal::Away,
            Self::InvalidUser | Self::NoSuchUser(_) => Refusal::InvalidUser,
            Self::NotToSelf(_) => Refusal::NotToSelf,
            Self::BlockedByUser => Refusal::BlockedByUser,
            Self::NotToAll => Refusal::NotToAll,
            Self::MailboxFull(_) => Refusal::MailboxFull,
            Self::AlreadyBlocked(_) => Refusal::AlreadyBlocked,
            Self::NotBlocked(_) => Refusal::NotBlocked,
            Self::Offline(_) | Self::OfflineForPrivate(_) => Refusal::Offline,
            Self::RoomExists(_) => Refusal::RoomExists,
            Self::NoSuchRoom => Refusal::NoSuchRoom,
            Self::NotInRoom => Refusal::NotInRoom,
            Self::AlreadyPrivate(_) => Refusal::AlreadyPrivate,
            Self::NotPrivate(_) => Refusal::NotPrivate,
            Self::PeerTooSlow(_) => Refusal::PeerTooSlow,
            Self::SignUpClosed => Refusal::SignUpClosed,
            _ => Refusal::Banned,
        }
    }

    /// The limit that was reached.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::LimitReached(limit, _) => Some(*limit),
            _ => None,
        }
    }

    /// The value of that limit, or the room that exists.
    pub fn value(&self) -> Option<u64> {
        match self {
            Self::LimitReached(_, value) => Some(*value),
            Self::RoomExists(room) => Some((*room).into()),
            _ => None,
        }
    }

    /// Which user is meant.
    pub fn name(&self) -> Option<&UserName> {
        match self {
            Self::AlreadyLoggedIn(name)
            | Self::NameTaken(name)
            | Self::NoSuchUser(name)
            | Self::MailboxFull(name)
            | Self::AlreadyBlocked(name)
            | Self::NotBlocked(name)
            | Self::Offline(name)
            | Self::OfflineForPrivate(name)
            | Self::AlreadyPrivate(name)
            | Self::NotPrivate(Some(name))
            | Self::PeerTooSlow(name) => Some(name),
            _ => None,
        }
    }

    /// The reply that says so; `text` is what this displays.
    pub fn reply<'a>(&'a self, text: &'a str) -> Reply<'a> {
        Reply::Refused {
            code: self.code(),
            limit: self.limit(),
            value: self.value(),
            name: self.name().map(UserName::as_str),
            text,
        }
    }

    /// The whole text, where it needs nothing to be filled in.
    fn fixed_text(&self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidName => "Invalid name",
            Self::InvalidText => "Invalid text",
            Self::InvalidPasswordFormat => "Invalid password format",
            Self::InvalidNumber => "Invalid number",
            Self::InvalidTimestamp => "Invalid timestamp",
            Self::PasswordsDiffer => "Passwords do not match",
            Self::InvalidPassword => "Invalid password",
            Self::BlockedNow => "Invalid password. Your account has been blocked. Please try again later",
            Self::Blocked => "Your account is blocked due to multiple login failures. Please try again later",
            Self::Busy => "Server busy. Please try again later",
            Self::SlowDown => "Slow down. Please try again later",
            Self::NoSpace => "No space left on the server. Nothing was changed",
            Self::IncorrectAdminPassword => "Incorrect password",
            Self::TooManyAttempts => "Too many attempts. Please try again later",
            Self::KeyReused => "This key was used for another command",
            Self::Unknown => "Nobody can say whether this was done",
            Self::InvalidMessageNumber => "Invalid message number",
            Self::NotYourMessage(Deed::Delete) => "The message belongs to another user and cannot be deleted",
            Self::NotYourMessage(Deed::Edit) => "The message belongs to another user and cannot be edited",
            Self::NotYourThread => "The thread was created by another user and cannot be removed",
            Self::DigestDiffers => "The file was damaged on its way. Nothing was stored",
            Self::TransferAborted => "The transfer was given up",
            Self::FileInaccessible => "The server could not access the file",
            Self::MessageMoved => "The message has changed places. Read the thread again",
            Self::Away => "The forum can't take changes at the moment",
            Self::InvalidUser => "Error. Invalid user",
            Self::NotToSelf(SelfDeed::Message) => "Error. Cannot message self",
            Self::NotToSelf(SelfDeed::Block) => "Error. Cannot block self",
            Self::NotToSelf(SelfDeed::Unblock) => "Error. Cannot unblock self",
            Self::NotToSelf(SelfDeed::CreateRoom) => "Error. Cannot create a room with yourself",
            Self::NotToSelf(SelfDeed::Send) => "Error. Cannot send to self",
            Self::BlockedByUser => "Your message could not be delivered as the recipient has blocked you",
            Self::NotToAll => "Your message could not be delivered to some recipients",
            Self::NoSuchRoom => "The separate room does not exist",
            Self::NotInRoom => "You are not in this separate room chat",
            Self::NotPrivate(None) => "Error. Private messaging not enabled",
            Self::SignUpClosed => "Sign-up is closed",
            Self::Banned => "You are banned",
            _ => return None,
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyLoggedIn(name) => write!(f, "{name} has already logged in"),
            Self::NameTaken(name) => write!(f, "Username {name} is taken"),
            Self::LimitReached(limit, value) => {
                write!(f, "Limit reached: at most {value} {}", limit.noun())
            }
            Self::ThreadExists(title) => write!(f, "Thread {title} exists"),
            Self::NoSuchThread(title) => write!(f, "Thread {title} does not exist"),
            Self::FileExists(file, title) => write!(f, "File {file} already exists in Thread {title}"),
            Self::NoSuchFile(title) => write!(f, "File does not exist in Thread {title}"),
            Self::RemovedDuringDownload(title) => {
                write!(f, "Thread {title} was removed during the download")
            }
            Self::TransferShort { arrived, size } => {
                write!(f, "{arrived} bytes of {size} arrived. Nothing was stored")
            }
            Self::FileDamaged(file) => {
                write!(f, "The server's copy of {file} is damaged. Ask its administrator to restore it")
            }
            Self::NoProgress(file, seconds) => {
                write!(f, "{file} was given up: no progress for {seconds} seconds")
            }
            Self::AlreadyWatching(title) => write!(f, "Already watching {title}"),
            Self::NotWatching(title) => write!(f, "Not watching {title}"),
            Self::NoSuchUser(name) => write!(f, "{name} does not exist"),
            Self::MailboxFull(name) => write!(f, "{name}'s mailbox is full"),
            Self::AlreadyBlocked(name) => write!(f, "Error. {name} is already blocked"),
            Self::NotBlocked(name) => write!(f, "Error. {name} was not blocked"),
            Self::Offline(name) => write!(f, "{name} is offline"),
            Self::OfflineForPrivate(name) => write!(f, "Error. {name} is offline"),
            Self::RoomExists(room) => {
                write!(f, "a separate room (ID: {room}) already created for these users")
            }
            Self::AlreadyPrivate(name) => write!(f, "Error. Private messaging to {name} already enabled"),
            Self::NotPrivate(Some(name)) => write!(f, "Error. Private messaging to {name} not enabled"),
            Self::PeerTooSlow(name) => {
                write!(f, "{name} reads too slowly. Your message was not delivered")
            }
            fixed => f.write_str(fixed.fixed_text().unwrap_or_default()),
        }
    }
}

impl std::error::Error for Rejection {}

impl From<Invalid> for Rejection {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Name => Self::InvalidName,
            Invalid::Text => Self::InvalidText,
            Invalid::Password => Self::InvalidPasswordFormat,
        }
    }
}

#[cfg(test)]
mod tests;
