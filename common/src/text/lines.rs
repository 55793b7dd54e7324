//! What people read: an item of a long answer becomes a line, and so does a notice.
//!
//! Where a line is read matters in one thing: people are told what is a broadcast.

use super::{Joined, Zone, prompts};
use crate::wire::{Notice, Reply, Request};

/// A long answer that is coming: how its items look, and what is shown if there is none.
#[derive(Debug)]
pub struct Listing {
    of: Of,
    came: bool,
    /// The first and the last message or upload of a thread that came.
    items: Option<(u64, u64)>,
}

/// What is listed.
#[derive(Debug)]
enum Of {
    /// With what is known of each, or only their titles.
    Threads {
        in_detail: bool,
    },
    Unread,
    /// What stands in the thread of this title, or what is new there.
    Posts {
        title: String,
        is_new: bool,
        /// All of it: not only some messages.
        is_all: bool,
    },
    Users,
    ActiveUsers,
    Board,
    /// Messages of rooms; the last that was shown is of this one.
    RoomPosts {
        last: Option<u32>,
    },
    Rooms,
    Found,
}

/// What one reply adds to a listing.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    /// A line, and before it maybe one that stands above it and its like.
    Item {
        /// What stands above.
        heading: Option<String>,
        /// The item.
        line: String,
    },
    /// The list has ended; if it had no items, this is to be shown in their place.
    End {
        /// What to show of an empty list.
        instead: Option<String>,
    },
    /// The reply is no part of such a list.
    Foreign,
}

impl Listing {
    /// The listing that answers `request`, if one does.
    pub fn answering(request: &Request<'_>) -> Option<Self> {
        let of = match request {
            Request::ListThreads { unread, .. } => Of::Threads { in_detail: *unread == Some(true) },
            Request::ListUnread { .. } => Of::Unread,
            Request::ReadThread { title, unread, range, last, .. } => {
                let (title, is_new) = ((*title).to_owned(), *unread == Some(true));
                Of::Posts { title, is_new, is_all: range.is_none() && last.is_none() }
            }
            Request::WhoElse { .. } | Request::WhoElseSince { .. } => Of::Users,
            Request::ListActive { .. } => Of::ActiveUsers,
            Request::ReadBoard { .. } => Of::Board,
            Request::ReadRooms { .. } => Of::RoomPosts { last: None },
            Request::ListRooms { .. } => Of::Rooms,
            Request::Search { .. } => Of::Found,
            _ => return None,
        };
        Some(Self { of, came: false, items: None })
    }

    /// Takes in a reply.
    pub fn take(&mut self, reply: &Reply<'_>, zone: &Zone) -> Shown {
        if let Reply::EndOfList { .. } = reply {
            return Shown::End { instead: (!self.came).then(|| self.instead()) };
        }
        let Some(line) = self.of.item(reply, zone) else { return Shown::Foreign };
        let heading = self.heading(reply);
        self.came = true;
        if let Reply::PostItem { id, .. } | Reply::UploadItem { id, .. } = reply {
            self.items = Some((self.items.map_or(*id, |(first, _)| first), *id));
        }
        Shown::Item { heading, line }
    }

    /// What was read when all of it was shown.
    pub fn read(&self) -> Option<Request<'_>> {
        match (&self.of, self.items) {
            (Of::Posts { title, is_all, .. }, Some((first, up_to))) => {
                Some(Request::MarkRead { title, up_to, from: (!is_all).then_some(first) })
            }
            _ => None,
        }
    }

    /// What stands above the item that comes now.
    fn heading(&mut self, reply: &Reply<'_>) -> Option<String> {
        match (&mut self.of, reply) {
            (Of::Threads { .. }, _) if !self.came => Some("The list of active threads:".to_owned()),
            (Of::RoomPosts { last }, Reply::RoomItem { room, .. }) if *last != Some(*room) => {
                *last = Some(*room);
                Some(format!("room-{room}:"))
            }
            _ => None,
        }
    }

    /// What is shown when there is nothing to list.
    fn instead(&self) -> String {
        match &self.of {
            Of::Threads { .. } => "No threads to list".to_owned(),
            Of::Unread => "No unread messages".to_owned(),
            Of::Posts { title, is_new: true, .. } => format!("No new messages in {title}"),
            Of::Posts { title, .. } => format!("Thread {title} is empty"),
            Of::Users => "No one else is online".to_owned(),
            Of::ActiveUsers => "no other active user".to_owned(),
            Of::Board | Of::RoomPosts { .. } => "no new message".to_owned(),
            Of::Rooms => "You are in no room".to_owned(),
            Of::Found => "Nothing found".to_owned(),
        }
    }
}

impl Of {
    /// The line for an item; `None` if it has no place in this list.
    fn item(&self, reply: &Reply<'_>, zone: &Zone) -> Option<String> {
        Some(match (self, *reply) {
            (Self::Threads { in_detail: false }, Reply::ThreadItem { title, .. }) => title.to_owned(),
            (
                Self::Threads { .. },
                Reply::ThreadItem { title, posts, uploads, last_author, last_at_ms, unread, .. },
            ) => {
                let counts = counted(posts, uploads, unread.unwrap_or(0));
                let last = last_author.zip(last_at_ms);
                let last = last.map(|(by, at_ms)| format!(", last by {by} at {}", zone.shown(at_ms)));
                format!("{title} ({counts}{})", last.unwrap_or_default())
            }
            (Self::Unread, Reply::UnreadItem { title, count, last_author }) => {
                format!("{title}: {count} new, last by {last_author}")
            }
            (Self::Posts { .. }, Reply::PostItem { number, author, text, .. }) => {
                format!("{number} {author}: {text}")
            }
            (Self::Posts { .. }, Reply::UploadItem { author, file, .. }) => {
                format!("{author} uploaded {file}")
            }
            (Self::Users, Reply::UserItem { name, .. }) => name.to_owned(),
            (Self::ActiveUsers, Reply::ActiveUserItem { name, address, udp_port, since_ms }) => {
                format!("{name}, {address}, {udp_port}, active since {}.", zone.shown(since_ms))
            }
            (Self::Board, Reply::BoardItem { number, author, at_ms, text })
            | (Self::RoomPosts { .. }, Reply::RoomItem { number, author, at_ms, text, .. }) => {
                format!("#{number}; {author}: {text} at {}.", zone.shown(at_ms))
            }
            (Self::Found, Reply::SearchItem { title, number, author, text, .. }) => {
                format!("{title} {number} {author}: {text}")
            }
            (Self::Rooms, Reply::RoomSummaryItem { room, posts, users }) => {
                let messages = if posts == 1 { "message" } else { "messages" };
                format!("{room}: {} ({posts} {messages})", Joined(users))
            }
            _ => return None,
        })
    }
}

/// The lines for a reply to a request that `listing` answers, if it asked for a list. What has no line is said by the
/// next prompt.
pub fn reply(reply: &Reply<'_>, listing: Option<&mut Listing>, zone: &Zone) -> Vec<String> {
    let said = match *reply {
        Reply::Welcome { text, .. } | Reply::Refused { text, .. } => Some(text),
        _ => done(reply),
    };
    match (said, listing.map(|listing| listing.take(reply, zone))) {
        (Some(text), _) => vec![text.to_owned()],
        (None, Some(Shown::Item { heading, line })) => heading.into_iter().chain([line]).collect(),
        (None, Some(Shown::End { instead })) => instead.into_iter().collect(),
        (None, Some(Shown::Foreign) | None) => Vec::new(),
    }
}

/// What a thread has: `3 messages, 1 file, 2 new`.
fn counted(posts: u32, uploads: u32, unread: u32) -> String {
    let plural = |count| if count == 1 { "" } else { "s" };
    let mut counts = format!("{posts} message{}", plural(posts));
    if uploads > 0 {
        counts += &format!(", {uploads} file{}", plural(uploads));
    }
    if unread > 0 {
        counts += &format!(", {unread} new");
    }
    counts
}

/// What is said when a command was done. It may be nothing: the effect of some is seen elsewhere. `None`: the reply is
/// no such answer.
pub fn done<'a>(reply: &Reply<'a>) -> Option<&'a str> {
    match *reply {
        Reply::Done { text, .. }
        | Reply::ThreadCreated { text, .. }
        | Reply::Posted { text, .. }
        | Reply::RoomCreated { text, .. } => Some(text),
        _ => None,
    }
}

/// Where a notice is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A person at a terminal.
    Person,
    /// A program, or a person without a client: a message looks the same, however many were sent it.
    Program,
}

/// The line for a notice; `None` if people aren't shown it as it is.
pub fn notice(notice: &Notice<'_>, reader: Reader) -> Option<String> {
    Some(match *notice {
        Notice::Closing { text, .. } => text.to_owned(),
        Notice::LoggedIn { name } => format!("{name} logged in"),
        Notice::LoggedOut { name } => format!("{name} logged out"),
        Notice::Broadcast { from, text, .. } if reader == Reader::Person => {
            format!("{from} (broadcast): {text}")
        }
        Notice::Message { from, text, .. } | Notice::Broadcast { from, text, .. } => {
            format!("{from}: {text}")
        }
        Notice::BoardPost { number, author, text, .. } => format!("{author} (BCM #{number}): {text}"),
        Notice::RoomPost { room, number, author, text, .. } => {
            format!("{author} (room-{room} #{number}): {text}")
        }
        Notice::ThreadPost { title, number, author, text, .. } => {
            format!("{author} posted to {title}: #{number} {text}")
        }
        Notice::PutInRoom { room, by, users } => {
            format!("{by} put you in separate room {room}: {}", Joined(users))
        }
        Notice::PrivateQuestion { from, .. } => prompts::private_question(from),
        Notice::FileQuestion { from, size, file, .. } => prompts::file_question(from, file, size),
        // What becomes of these depends on what the client does about them.
        Notice::Probe
        | Notice::QuestionWithdrawn { .. }
        | Notice::QuestionDeclined { .. }
        | Notice::PrepareLink { .. }
        | Notice::LinkIntroduction { .. }
        | Notice::LinkEstablished { .. }
        | Notice::LinkEnded { .. }
        | Notice::RelayedSealed { .. }
        | Notice::RelayedDatagram { .. } => return None,
    })
}

/// The line for a message of a private conversation.
pub fn private(from: &str, text: &str) -> String {
    format!("{from}(private): {text}")
}

#[cfg(test)]
mod tests;
