//! What people read: an item of a long answer becomes a line, and so does a notice.
//!
//! Where a line is read matters in one thing: times of late messages are for people only.

use super::{Joined, Zone, prompts};
use crate::wire::{Notice, Reply, Request};

/// A long answer that is coming: how its items look, and what is shown if there is none.
#[derive(Debug)]
pub struct Listing {
    of: Of,
    came: bool,
}

/// What is listed.
#[derive(Debug)]
enum Of {
    Threads,
    /// What stands in the thread of this title.
    Posts {
        title: String,
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
            Request::ListThreads { .. } => Of::Threads,
            Request::ReadThread { title, .. } => Of::Posts { title: (*title).to_owned() },
            Request::WhoElse { .. } | Request::WhoElseSince { .. } => Of::Users,
            Request::ListActive { .. } => Of::ActiveUsers,
            Request::ReadBoard { .. } => Of::Board,
            Request::ReadRooms { .. } => Of::RoomPosts { last: None },
            Request::ListRooms { .. } => Of::Rooms,
            Request::Search { .. } => Of::Found,
            _ => return None,
        };
        Some(Self { of, came: false })
    }

    /// Takes in a reply.
    pub fn take(&mut self, reply: &Reply<'_>, zone: &Zone) -> Shown {
        if let Reply::EndOfList { .. } = reply {
            return Shown::End { instead: (!self.came).then(|| self.instead()) };
        }
        let Some(line) = self.of.item(reply, zone) else { return Shown::Foreign };
        let heading = self.heading(reply);
        self.came = true;
        Shown::Item { heading, line }
    }

    /// What stands above the item that comes now.
    fn heading(&mut self, reply: &Reply<'_>) -> Option<String> {
        match (&mut self.of, reply) {
            (Of::Threads, _) if !self.came => Some("The list of active threads:".to_owned()),
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
            Of::Threads => "No threads to list".to_owned(),
            Of::Posts { title } => format!("Thread {title} is empty"),
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
            (Self::Threads, Reply::ThreadItem { title, .. }) => title.to_owned(),
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
    /// A program, which wants the same line whenever the message was sent.
    Program,
}

/// The line for a notice; `None` if people aren't shown it as it is.
pub fn notice(notice: &Notice<'_>, reader: Reader, zone: &Zone) -> Option<String> {
    Some(match *notice {
        Notice::Closing { text, .. } => text.to_owned(),
        Notice::LoggedIn { name } => format!("{name} logged in"),
        Notice::LoggedOut { name } => format!("{name} logged out"),
        Notice::Message { late: true, from, at_ms, text, .. } if reader == Reader::Person => {
            format!("{from}: {text}  ({})", zone.shown(at_ms))
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
        | Notice::RelayedText { .. }
        | Notice::RelayedDatagram { .. } => return None,
    })
}

/// The line for a message of a private conversation.
pub fn private(from: &str, text: &str) -> String {
    format!("{from}(private): {text}")
}

#[cfg(test)]
mod tests;
