//! Effects: what an applied entry has done, and who is to be told what. To tell it takes no look at the state
//! before.

use core::net::SocketAddr;

use forum_common::wire::LinkId;

use super::{
    AccountId, Answer, Change, Entry, ItemId, Link, RoomId, SessionId, Thread, ThreadId, Token, Users,
};

/// What an applied entry has done: the source of the answer and of everything that follows from it. What the
/// entry itself says is not repeated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A new account.
    AccountCreated(AccountId),
    /// An account has another password.
    PasswordChanged,
    /// A new thread.
    ThreadCreated(ThreadId),
    /// A message more in a thread.
    Posted {
        /// Its number there.
        number: u32,
        /// Its id.
        id: ItemId,
    },
    /// A message less.
    PostDeleted,
    /// A message says something else.
    PostEdited,
    /// A file more in a thread.
    FileAdded(ItemId),
    /// The thread is gone, and so are its files.
    ThreadRemoved {
        /// Which thread.
        id: ThreadId,
        /// All that was in it. To free a large one at once takes tens of milliseconds.
        thread: Thread,
    },
    /// A message more in a mailbox.
    MessageStored(AccountId),
    /// Messages that were taken are gone.
    MessagesTaken,
    /// Threads are known to be read so far.
    Marked,
    /// A user watches a thread more.
    Watched,
    /// A user watches a thread less.
    Unwatched,
    /// A block more.
    Blocked(AccountId),
    /// A block less.
    Unblocked(AccountId),
    /// A message more on the board, with this number.
    PostedToBoard(u32),
    /// A new room.
    RoomCreated(RoomId),
    /// A message more in a room, with this number.
    PostedToRoom(RoomId, u32),
    /// Files of removed threads are known to be gone.
    FilesUnlinked,
    /// Nothing: an entry with the same key has done it before, and this was its answer.
    Repeated(Answer),
    /// A user is online, in the session that the entry names.
    LoggedIn {
        /// The session that had to end for that.
        took_over: Option<Departure>,
        /// Who does not hear of it: whom the user has blocked.
        hidden_from: Users,
    },
    /// A user is not online any more.
    LoggedOut(Departure),
    /// Everybody online hears it, but the actor and some.
    Said {
        /// Who does not: those who have blocked the actor.
        hidden_from: Users,
        /// Whether one of them is online, and so was left out.
        left_out: bool,
    },
    /// A link has come a step further.
    Link(LinkStep),
    /// All links of the actor are gone, oldest first.
    LinksLeft(Vec<LinkStep>),
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub session: SessionId,
    /// Its links, which are gone, oldest first. Their other ends are told before they hear that the user has gone.
    pub links: Vec<LinkStep>,
    /// Who does not hear that the user has gone: whom it has blocked.
    pub hidden_from: Users,
}

/// What has become of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStep {
    /// Which link.
    pub id: LinkId,
    /// The link as it is now, or as it was if it is gone.
    pub link: Link,
    /// How far it has come.
    pub progress: LinkProgress,
    /// Who is to be told what, in this order. All of them are online.
    pub told: Vec<(AccountId, LinkNews)>,
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkProgress {
    /// The question is open: a new one, or the actor's own, which it has asked before.
    Asked,
    /// The question is over without a yes.
    NotAgreed,
    /// The ends agree, and one makes itself reachable.
    Agreed,
    /// The ends look for each other.
    Trying,
    /// The ends have met.
    Direct,
    /// The server passes on what they say.
    Relayed,
    /// One end has done with a file, the other not yet.
    HalfEnded,
    /// It stood, or was to stand, and is gone.
    Ended,
}

/// What an end of a link is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkNews {
    /// The question that the entry says.
    Question,
    /// The question is not open any more.
    Withdrawn,
    /// The other user said no, or nothing.
    Declined,
    /// It is to make itself reachable.
    Prepare {
        /// What will prove the ends to each other.
        token: Token,
    },
    /// Where the other end is.
    Introduction {
        /// What proves the ends to each other.
        token: Token,
        /// The other end's address; none = what is said goes through the server.
        address: Option<SocketAddr>,
    },
    /// The link stands.
    Established {
        /// Whether the server passes on what is said.
        relayed: bool,
    },
    /// The other end has done with it.
    Ended {
        /// Whether its user wanted that.
        stopped: bool,
    },
}

impl Effect {
    /// What is to be answered to the one who proposed the entry.
    pub fn answer(&self, entry: &Entry) -> Answer {
        let at_ms = entry.at_ms;
        match (self, &entry.change) {
            (&Self::ThreadCreated(thread), _) => Answer::ThreadCreated { thread, at_ms },
            (&Self::Posted { number, id }, _) => Answer::Posted { number, id, at_ms },
            (&Self::FileAdded(item), &Change::AddFile { digest, .. }) => {
                Answer::FileAdded { item, digest, at_ms }
            }
            (&Self::PostedToBoard(number), _) => Answer::PostedToBoard { number, at_ms },
            (&Self::RoomCreated(room), _) => Answer::RoomCreated { room, at_ms },
            (&Self::PostedToRoom(_, number), _) => Answer::PostedToRoom { number, at_ms },
            (&Self::Repeated(answer), _) => answer,
            _ => Answer::Done { at_ms },
        }
    }
}
