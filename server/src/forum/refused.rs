//! Why the forum says no: a code for programs and the exact text for people.

use std::fmt;

use forum_common::names::{FileName, Title, UserName};
use forum_common::wire::Refusal;

use serde::{Deserialize, Serialize};

use super::RoomId;

/// What only the author of a message may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostAction {
    /// DLT.
    Delete,
    /// EDT.
    Edit,
}

/// A change or a question that the state of the forum rules out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// Somebody signed up with this name first.
    NameTaken(UserName),
    /// No account is meant; only entries that were not made by forumd can say so.
    NoSuchAccount,
    /// A thread of this title is there already.
    ThreadExists(Title),
    /// No thread has this title.
    NoSuchThread(Title),
    /// No message has this number.
    InvalidMessageNumber,
    /// Only its author may do this.
    NotYourMessage(PostAction),
    /// The message with this number is another one than was meant.
    MessageMoved,
    /// The key of this change belongs to an earlier one with other content.
    KeyReused,
    /// Only its creator may remove a thread.
    NotYourThread,
    /// The thread has a file of this name.
    FileExists(FileName, Title),
    /// The thread has no file of this name.
    NoSuchFile(Title),
    /// The receiver has blocked the sender.
    BlockedByUser,
    /// That user is blocked already.
    AlreadyBlocked(UserName),
    /// That user was not blocked.
    NotBlocked(UserName),
    /// There is a room for just these users.
    RoomExists(RoomId),
    /// There is no such room.
    NoSuchRoom,
    /// The user is not in this room.
    NotInRoom,
}

impl Refused {
    /// The code on the wire.
    pub fn code(&self) -> Refusal {
        match self {
            Self::NameTaken(_) => Refusal::NameTaken,
            Self::NoSuchAccount => Refusal::InvalidName,
            Self::ThreadExists(_) => Refusal::ThreadExists,
            Self::NoSuchThread(_) => Refusal::NoSuchThread,
            Self::InvalidMessageNumber => Refusal::InvalidMessageNumber,
            Self::NotYourMessage(_) => Refusal::NotYourMessage,
            Self::MessageMoved => Refusal::MessageMoved,
            Self::KeyReused => Refusal::KeyReused,
            Self::NotYourThread => Refusal::NotYourThread,
            Self::FileExists(..) => Refusal::FileExists,
            Self::NoSuchFile(_) => Refusal::NoSuchFile,
            Self::BlockedByUser => Refusal::BlockedByUser,
            Self::AlreadyBlocked(_) => Refusal::AlreadyBlocked,
            Self::NotBlocked(_) => Refusal::NotBlocked,
            Self::RoomExists(_) => Refusal::RoomExists,
            Self::NoSuchRoom => Refusal::NoSuchRoom,
            Self::NotInRoom => Refusal::NotInRoom,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(name) => write!(f, "Username {name} is taken"),
            Self::NoSuchAccount => f.write_str("Invalid name"),
            Self::ThreadExists(title) => write!(f, "Thread {title} exists"),
            Self::NoSuchThread(title) => write!(f, "Thread {title} does not exist"),
            Self::InvalidMessageNumber => f.write_str("Invalid message number"),
            Self::NotYourMessage(what) => {
                let verb = match what {
                    PostAction::Delete => "deleted",
                    PostAction::Edit => "edited",
                };
                write!(f, "The message belongs to another user and cannot be {verb}")
            }
            Self::MessageMoved => f.write_str("The message has changed places. Read the thread again"),
            Self::KeyReused => f.write_str("This key was used for another command"),
            Self::NotYourThread => {
                f.write_str("The thread was created by another user and cannot be removed")
            }
            Self::FileExists(file, title) => write!(f, "File {file} already exists in Thread {title}"),
            Self::NoSuchFile(title) => write!(f, "File does not exist in Thread {title}"),
            Self::BlockedByUser => {
                f.write_str("Your message could not be delivered as the recipient has blocked you")
            }
            Self::AlreadyBlocked(user) => write!(f, "Error. {user} is already blocked"),
            Self::NotBlocked(user) => write!(f, "Error. {user} was not blocked"),
            Self::RoomExists(room) => {
                write!(f, "a separate room (ID: {}) already created for these users", room.0)
            }
            Self::NoSuchRoom => f.write_str("The separate room does not exist"),
            Self::NotInRoom => f.write_str("You are not in this separate room chat"),
        }
    }
}
