//! What people read: an item of a long answer becomes a line, and so does a notice.
//!
//! And why something failed: an error of the system, and what to do about it.
//!
//! Pure: frames in, text out. It refuses to know where the text is printed, but for one thing: times of
//! late messages are for terminals only.

use std::io;

use forum_common::notice::Notice;
use forum_common::reply::Reply;
use forum_common::request::Request;

/// An error of the system in words without its number, and what to do about it where that is known.
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error ").map_or(&*text, |(words, _)| words);
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => ". Make room on the disk and try again",
        io::ErrorKind::QuotaExceeded => ". Make room in your quota and try again",
        io::ErrorKind::FileTooLarge => {
            ". It is over the limit of this process (ulimit -f) or of the file system"
        }
        io::ErrorKind::ConnectionRefused => ". Check the port, and that a server is running there",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::TimedOut => {
            ". Check the address and the network"
        }
        _ => "",
    };
    format!("{text}{advice}")
}

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
    Rooms {
        last: Option<u32>,
    },
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
            Request::ListThreads => Of::Threads,
            Request::ReadThread { title, .. } => Of::Posts { title: (*title).to_owned() },
            Request::WhoElse | Request::WhoElseSince { .. } => Of::Users,
            Request::ListActive => Of::ActiveUsers,
            Request::ReadBoard { .. } => Of::Board,
            Request::ReadRooms { .. } => Of::Rooms { last: None },
            _ => return None,
        };
        Some(Self { of, came: false })
    }

    /// Takes in a reply.
    pub fn take(&mut self, reply: &Reply<'_>) -> Shown {
        if let Reply::EndOfList = reply {
            return Shown::End { instead: (!self.came).then(|| self.instead()) };
        }
        let Some(line) = self.of.item(reply) else { return Shown::Foreign };
        let heading = self.heading(reply);
        self.came = true;
        Shown::Item { heading, line }
    }

    /// What stands above the item that comes now.
    fn heading(&mut self, reply: &Reply<'_>) -> Option<String> {
        match (&mut self.of, reply) {
            (Of::Threads, _) if !self.came => Some("The list of active threads:".to_owned()),
            (Of::Rooms { last }, Reply::RoomPost { room, .. }) if *last != Some(*room) => {
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
            Of::Board | Of::Rooms { .. } => "no new message".to_owned(),
        }
    }
}

impl Of {
    /// The line for an item; `None` if it has no place in this list.
    fn item(&self, reply: &Reply<'_>) -> Option<String> {
        Some(match (self, *reply) {
            (Self::Threads, Reply::Title(title)) => title.to_owned(),
            (Self::Posts { .. }, Reply::Post { number, author, text }) => {
                format!("{number} {author}: {text}")
            }
            (Self::Posts { .. }, Reply::Uploaded { author, file }) => format!("{author} uploaded {file}"),
            (Self::Users, Reply::User(name)) => name.to_owned(),
            (Self::ActiveUsers, Reply::ActiveUser { name, address, udp_port, since }) => {
                format!("{name}, {address}, {udp_port}, active since {since}.")
            }
            (Self::Board, Reply::BoardPost { number, author, at, text })
            | (Self::Rooms { .. }, Reply::RoomPost { number, author, at, text, .. }) => {
                format!("#{number}; {author}: {text} at {at}.")
            }
            _ => return None,
        })
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

/// The line for a notice.
pub fn notice(notice: &Notice<'_>, reader: Reader) -> String {
    match *notice {
        Notice::Closing { text, .. } => text.to_owned(),
        Notice::LoggedIn(name) => format!("{name} logged in"),
        Notice::LoggedOut(name) => format!("{name} logged out"),
        Notice::Message { late: true, from, at, text, .. } if reader == Reader::Person => {
            format!("{from}: {text}  ({at})")
        }
        Notice::Message { from, text, .. } | Notice::Broadcast { from, text } => format!("{from}: {text}"),
        Notice::BoardPost { number, author, text } => format!("{author} (BCM #{number}): {text}"),
        Notice::RoomPost { room, number, author, text } => {
            format!("{author} (room-{room} #{number}): {text}")
        }
        Notice::PutInRoom { room, by, users } => format!("{by} put you in separate room {room}: {users}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "1 Jun 2022 16:05:00";

    /// Every line of the answer that these items make.
    fn lines(request: &Request<'_>, items: &[Reply<'_>]) -> Vec<String> {
        let mut listing = Listing::answering(request).expect("a request with a long answer");
        let mut lines = Vec::new();
        for reply in items.iter().chain([&Reply::EndOfList]) {
            match listing.take(reply) {
                Shown::Item { heading, line } => lines.extend(heading.into_iter().chain([line])),
                Shown::End { instead } => lines.extend(instead),
                Shown::Foreign => panic!("{reply:?} in a {listing:?}"),
            }
        }
        lines
    }

    #[test]
    fn threads_stand_below_a_heading() {
        let items = [Reply::Title("3331"), Reply::Title("9331")];
        assert_eq!(lines(&Request::ListThreads, &items), ["The list of active threads:", "3331", "9331"]);
    }

    #[test]
    fn posts_read_like_the_forum() {
        let items = [
            Reply::Post { number: 1, author: "yoda", text: "do or do not" },
            Reply::Uploaded { author: "yoda", file: "test.exe" },
        ];
        let read = Request::ReadThread { title: "a", range: None };
        assert_eq!(lines(&read, &items), ["1 yoda: do or do not", "yoda uploaded test.exe"]);
    }

    #[test]
    fn users_are_a_name_a_line() {
        let items = [Reply::User("hans"), Reply::User("luke")];
        for request in [Request::WhoElse, Request::WhoElseSince { seconds: "5" }] {
            assert_eq!(lines(&request, &items), ["hans", "luke"]);
        }
    }

    #[test]
    fn active_users_come_with_address_and_time() {
        let since = "1 Jun 2022 16:00:01";
        let user = Reply::ActiveUser { name: "Obi-wan", address: "129.129.2.1", udp_port: 8_001, since };
        let line = "Obi-wan, 129.129.2.1, 8001, active since 1 Jun 2022 16:00:01.";
        assert_eq!(lines(&Request::ListActive, &[user]), [line]);
    }

    #[test]
    fn the_board_has_numbers_and_times() {
        let post = Reply::BoardPost { number: 1, author: "Yoda", at: AT, text: "hello" };
        let line = "#1; Yoda: hello at 1 Jun 2022 16:05:00.";
        assert_eq!(lines(&Request::ReadBoard { after: AT }, &[post]), [line]);
    }

    #[test]
    fn messages_of_rooms_stand_below_their_room() {
        let post = |room, number| Reply::RoomPost { room, number, author: "Yoda", at: AT, text: "hello" };
        let line = |number| format!("#{number}; Yoda: hello at {AT}.");
        assert_eq!(
            lines(&Request::ReadRooms { after: AT }, &[post(1, 3), post(1, 4), post(7, 1)]),
            ["room-1:".to_owned(), line(3), line(4), "room-7:".to_owned(), line(1)]
        );
    }

    #[test]
    fn every_empty_list_says_so() {
        for (request, instead) in [
            (Request::ListThreads, "No threads to list"),
            (Request::ReadThread { title: "a", range: None }, "Thread a is empty"),
            (Request::WhoElse, "No one else is online"),
            (Request::WhoElseSince { seconds: "5" }, "No one else is online"),
            (Request::ListActive, "no other active user"),
            (Request::ReadBoard { after: AT }, "no new message"),
            (Request::ReadRooms { after: AT }, "no new message"),
        ] {
            assert_eq!(lines(&request, &[]), [instead], "{request:?}");
        }
        assert!(Listing::answering(&Request::LogOut).is_none());
    }

    #[test]
    fn an_item_of_another_list_is_foreign() {
        let mut board = Listing::answering(&Request::ReadBoard { after: AT }).unwrap();
        for reply in [Reply::Title("a"), Reply::User("a"), Reply::Done { text: "a" }] {
            assert_eq!(board.take(&reply), Shown::Foreign);
        }
    }

    #[test]
    fn notices_read_as_the_contract_words_them() {
        for (said, line) in [
            (Notice::LoggedIn("yoda"), "yoda logged in"),
            (Notice::LoggedOut("yoda"), "yoda logged out"),
            (Notice::Broadcast { from: "hans", text: " hi" }, "hans:  hi"),
            (Notice::BoardPost { number: 1, author: "yoda", text: "hi" }, "yoda (BCM #1): hi"),
            (Notice::RoomPost { room: 1, number: 2, author: "yoda", text: "hi" }, "yoda (room-1 #2): hi"),
            (
                Notice::PutInRoom { room: 1, by: "Yoda", users: "Yoda, Obi-wan" },
                "Yoda put you in separate room 1: Yoda, Obi-wan",
            ),
        ] {
            for reader in [Reader::Person, Reader::Program] {
                assert_eq!(notice(&said, reader), line);
            }
        }
    }

    #[test]
    fn only_late_messages_to_people_have_a_time() {
        let message = |late| Notice::Message { number: 1, late, from: "hans", at: AT, text: "hi" };
        assert_eq!(notice(&message(true), Reader::Person), "hans: hi  (1 Jun 2022 16:05:00)");
        assert_eq!(notice(&message(false), Reader::Person), "hans: hi");
        assert_eq!(notice(&message(true), Reader::Program), "hans: hi");
    }
}
