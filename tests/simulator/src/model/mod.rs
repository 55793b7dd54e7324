//! The reference: what the forum should be, written as plainly as it can be and knowing nothing of the server's code but
//! the form of its log entries. Each entry makes a version; versions share what did not change.

mod apply;
mod check;
mod compare;
mod links;
mod lists;
mod request;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use forum_common::wire::{Digest, Key, LinkId, OwnedReply, Refusal};
use forumd::forum::SessionId;
use forumd::workers::files::FileId;
use forumd::workers::passwords::PasswordHash;

pub(crate) use self::compare::compare;
use self::links::Link;
pub(crate) use self::links::Told;
pub(crate) use self::lists::Listed;
pub(crate) use self::request::Wish;

/// An account, by its place in the order of sign-ups.
pub(crate) type User = u32;

/// All that is remembered, and who is online.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) accounts: Rc<Vec<Account>>,
    /// By id.
    pub(crate) threads: Rc<BTreeMap<u64, Rc<Thread>>>,
    pub(crate) newest_thread: u64,
    pub(crate) newest_item: u64,
    pub(crate) mail: Rc<BTreeMap<User, Rc<Mailbox>>>,
    /// Who has blocked whom.
    pub(crate) blocks: Rc<BTreeSet<(User, User)>>,
    /// Up to which item users have read which threads, by id; the least recently read first. There are never so many
    /// that one has to make room.
    pub(crate) marks: Rc<Vec<(User, u64, u64)>>,
    /// Who watches which threads, by id, in the order in which that began.
    pub(crate) watches: Rc<Vec<(User, u64)>>,
    pub(crate) board: Rc<Vec<Rc<Said>>>,
    pub(crate) rooms: Rc<Vec<Rc<Room>>>,
    pub(crate) keys: Rc<BTreeMap<User, Rc<VecDeque<Known>>>>,
    /// In the order of log-ins.
    pub(crate) online: Rc<Vec<Present>>,
    /// Who was online and is not, in the order of leaving.
    pub(crate) gone: Rc<Vec<Gone>>,
    /// Of log-ins and log-outs.
    pub(crate) newest_order: u64,
    pub(crate) links: Rc<BTreeMap<LinkId, Link>>,
    pub(crate) newest_link: LinkId,
    /// What users were told of links by the last entry.
    pub(crate) told: Rc<Vec<Told>>,
    /// Files of removed threads that may still be on disk.
    pub(crate) removed: Rc<BTreeSet<FileId>>,
    /// The time of the newest kept entry.
    pub(crate) at_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: Rc<str>,
    pub(crate) hash: PasswordHash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) title: Rc<str>,
    pub(crate) creator: User,
    /// Messages and files as they stand.
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) at_ms: u64,
    pub(crate) author: User,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Post(Rc<str>),
    File { name: Rc<str>, id: FileId, size: u64, digest: Digest },
}

/// A message of the board or of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) at_ms: u64,
    pub(crate) author: User,
    pub(crate) text: Rc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// The creator first.
    pub(crate) members: Vec<User>,
    pub(crate) posts: Vec<Rc<Said>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) newest: u64,
    pub(crate) waiting: VecDeque<(u64, Rc<Said>)>,
}

/// A key, what it was used for, and what that came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) key: Key,
    pub(crate) content: u64,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) user: User,
    pub(crate) session: SessionId,
    pub(crate) address: std::net::IpAddr,
    pub(crate) udp_port: u16,
    pub(crate) since_ms: u64,
    pub(crate) order: u64,
}

/// A user who has logged out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) user: User,
    pub(crate) left_ms: u64,
    pub(crate) order: u64,
}

/// What an entry comes to, as far as its answer says it.
pub(crate) type Outcome = Result<Done, No>;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    Plain {
        at_ms: u64,
    },
    Thread {
        id: u64,
        at_ms: u64,
    },
    Posted {
        number: u32,
        id: u64,
        at_ms: u64,
    },
    Room {
        room: u32,
        at_ms: u64,
    },
    File {
        id: u64,
        at_ms: u64,
        digest: Digest,
    },
    LoggedIn {
        since_ms: u64,
        took_over: Option<SessionId>,
    },
    /// Whether somebody online was left out.
    Said {
        at_ms: u64,
        left_out: bool,
    },
    /// A user was asked.
    Asked {
        link: LinkId,
    },
    /// What nobody is answered.
    Other,
}

/// A refusal as a program reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct No {
    pub(crate) code: Refusal,
    pub(crate) value: Option<u64>,
    pub(crate) name: Option<Rc<str>>,
}

impl No {
    /// One that names nothing.
    pub(crate) fn plain(code: Refusal) -> Self {
        Self { code, value: None, name: None }
    }

    /// One that names a user.
    pub(crate) fn named(code: Refusal, name: &str) -> Self {
        Self { code, value: None, name: Some(name.into()) }
    }

    /// Whether a reply says just this.
    pub(crate) fn is(&self, reply: &OwnedReply) -> bool {
        match reply {
            OwnedReply::Refused { code, value, name, .. } => {
                *code == self.code && *value == self.value && name.as_deref() == self.name.as_deref()
            }
            _ => false,
        }
    }
}

impl Done {
    /// Whether a reply says just this.
    pub(crate) fn is(&self, reply: &OwnedReply) -> bool {
        match (self, reply) {
            (Self::Plain { at_ms }, OwnedReply::Done { at_ms: said, .. }) => at_ms == said,
            (Self::Said { left_out: false, .. }, OwnedReply::Done { .. }) => true,
            (Self::Said { left_out: true, .. }, OwnedReply::Refused { code, .. }) => {
                *code == Refusal::NotToAll
            }
            (Self::Thread { id, at_ms }, OwnedReply::ThreadCreated { thread, at_ms: said, .. }) => {
                (id, at_ms) == (thread, said)
            }
            (
                Self::Posted { number, id, at_ms },
                OwnedReply::Posted { number: n, id: i, at_ms: said, .. },
            ) => (number, id, at_ms) == (n, i, said),
            (Self::Room { room, at_ms }, OwnedReply::RoomCreated { room: r, at_ms: said, .. }) => {
                (room, at_ms) == (r, said)
            }
            (
                Self::File { id, at_ms, digest },
                OwnedReply::Uploaded { id: i, at_ms: said, digest: d, .. },
            ) => (id, at_ms, digest) == (i, said, d),
            (Self::Asked { link }, OwnedReply::Asked { link: said, .. }) => link == said,
            _ => false,
        }
    }
}

/// Whether a reply says just what an outcome is.
pub(crate) fn says(outcome: &Outcome, reply: &OwnedReply) -> bool {
    match outcome {
        Ok(done) => done.is(reply),
        Err(no) => no.is(reply),
    }
}

impl State {
    /// What a restart leaves of it: nobody is online.
    pub(crate) fn restarted(&self) -> Self {
        let (online, gone, links, told) = Default::default();
        Self { online, gone, links, told, newest_order: 0, newest_link: 0, ..self.clone() }
    }

    /// The account of a name.
    pub(crate) fn user(&self, name: &str) -> Option<User> {
        self.accounts.iter().position(|account| *account.name == *name).map(|place| place as User)
    }

    /// The name of an account.
    pub(crate) fn name(&self, user: User) -> &Rc<str> {
        &self.accounts[user as usize].name
    }

    /// The thread of a title, with its id.
    pub(crate) fn thread(&self, title: &str) -> Option<(u64, &Rc<Thread>)> {
        self.threads.iter().find(|(_, thread)| *thread.title == *title).map(|(id, thread)| (*id, thread))
    }

    /// A user's session.
    pub(crate) fn session(&self, user: User) -> Option<&Present> {
        self.online.iter().find(|present| present.user == user)
    }

    /// Whether one has blocked the other.
    pub(crate) fn has_blocked(&self, blocker: User, blocked: User) -> bool {
        self.blocks.contains(&(blocker, blocked))
    }

    /// What was done with a key.
    pub(crate) fn known(&self, user: User, key: Key) -> Option<&Known> {
        self.keys.get(&user)?.iter().find(|known| known.key == key)
    }
}

impl Thread {
    /// The messages, in their order.
    pub(crate) fn posts(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| matches!(item.what, What::Post(_)))
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| matches!(&item.what, What::File { name: own, .. } if **own == *name))
    }
}
