//! Why the forum says no. A refusal can be part of the log, as the answer to a change with a key, so this is not
//! simply the [`Rejection`] that is sent.

use forum_common::limits::WATCHES_MAX;
use forum_common::names::{FileName, Title, UserName};
use forum_common::text::Rejection;
use forum_common::text::rejections::{Deed, SelfDeed};
use forum_common::wire::Limit;
use serde::{Deserialize, Serialize};

use super::{Full, LINKS_OF_A_USER_MAX, Purpose, QUESTIONS_OF_A_PAIR_MAX, QUESTIONS_TO_A_USER_MAX, RoomId};

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
    /// The user is online in another session.
    AlreadyLoggedIn(UserName),
    /// The password that proved right is not the account's any more.
    PasswordChanged,
    /// What asks is no session, or not one any more.
    NotLoggedIn,
    /// Nobody reaches themselves.
    NotToSelf(Purpose),
    /// The user is not online, so there can be no link of this kind.
    Offline(UserName, Purpose),
    /// There is a private conversation with this user.
    AlreadyPrivate(UserName),
    /// There can't be one link more.
    TooManyLinks(Full),
    /// The link is not there, not the user's, or past this step: nothing is to be done.
    NoSuchStep,
    /// The user watches that thread already.
    AlreadyWatching(Title),
    /// The user doesn't watch that thread.
    NotWatching(Title),
    /// The user can't watch one thread more.
    TooManyWatches,
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NameTaken(name) => Self::NameTaken(name),
            Refused::NoSuchAccount => Self::InvalidName,
            Refused::ThreadExists(title) => Self::ThreadExists(title),
            Refused::NoSuchThread(title) => Self::NoSuchThread(title),
            Refused::InvalidMessageNumber => Self::InvalidMessageNumber,
            Refused::NotYourMessage(PostAction::Delete) => Self::NotYourMessage(Deed::Delete),
            Refused::NotYourMessage(PostAction::Edit) => Self::NotYourMessage(Deed::Edit),
            Refused::MessageMoved => Self::MessageMoved,
            Refused::KeyReused => Self::KeyReused,
            Refused::NotYourThread => Self::NotYourThread,
            Refused::FileExists(file, title) => Self::FileExists(file, title),
            Refused::NoSuchFile(title) => Self::NoSuchFile(title),
            Refused::BlockedByUser => Self::BlockedByUser,
            Refused::AlreadyBlocked(user) => Self::AlreadyBlocked(user),
            Refused::NotBlocked(user) => Self::NotBlocked(user),
            Refused::RoomExists(room) => Self::RoomExists(room.0),
            Refused::NoSuchRoom => Self::NoSuchRoom,
            Refused::NotInRoom => Self::NotInRoom,
            Refused::AlreadyLoggedIn(user) => Self::AlreadyLoggedIn(user),
            Refused::PasswordChanged => Self::InvalidPassword,
            // Nobody is there any more to be told.
            Refused::NotLoggedIn => Self::InvalidName,
            Refused::NoSuchStep => Self::NotPrivate(None),
            Refused::NotToSelf(Purpose::Private) => Self::NotToSelf(SelfDeed::Message),
            Refused::NotToSelf(Purpose::File) => Self::NotToSelf(SelfDeed::Send),
            Refused::Offline(user, Purpose::Private) => Self::OfflineForPrivate(user),
            Refused::Offline(user, Purpose::File) => Self::Offline(user),
            Refused::AlreadyWatching(title) => Self::AlreadyWatching(title),
            Refused::NotWatching(title) => Self::NotWatching(title),
            Refused::TooManyWatches => Self::LimitReached(Limit::Watches, WATCHES_MAX as u64),
            Refused::AlreadyPrivate(user) => Self::AlreadyPrivate(user),
            Refused::TooManyLinks(full) => full.into(),
        }
    }
}

impl From<Full> for Rejection {
    fn from(full: Full) -> Self {
        match full {
            Full::LinksOfAsker => Self::LimitReached(Limit::Links, LINKS_OF_A_USER_MAX as u64),
            Full::QuestionsOfPair => Self::LimitReached(Limit::PairQuestions, QUESTIONS_OF_A_PAIR_MAX as u64),
            Full::QuestionsToAsked => Self::LimitReached(Limit::Questions, QUESTIONS_TO_A_USER_MAX as u64),
        }
    }
}
