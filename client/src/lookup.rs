//! Lists that are fetched for the Tab key, whose answers nobody sees.
//!
//! It doesn't know what is completed with the names.

use std::collections::BTreeSet;
use std::time::Instant;

use forum_common::wire::{Reply, Request};

use crate::asked::{Asked, Awaits, Server};
use crate::names::{Listed, Names, learn};

/// Messages at the end of a thread among and after which its files are looked for: a thread may have a million.
const FILES_AMONG: u32 = 200;

/// A list on its way.
#[derive(Debug)]
pub struct Lookup {
    listed: Listed,
    asked: Instant,
    came: BTreeSet<String>,
}

impl Lookup {
    /// Asks for a list, unless it is on its way.
    pub fn begin(listed: &Listed, now: Instant, server: &mut Server) {
        let is_this = |asked: &Asked| matches!(&asked.awaits, Awaits::Names(it) if it.listed == *listed);
        if server.unanswered().any(is_this) {
            return;
        }
        let request = match listed {
            Listed::Titles => Request::ListThreads { after: None, at_most: None, unread: None },
            Listed::Users => Request::WhoElse { after: None, at_most: None },
            Listed::Rooms => Request::ListRooms { after: None, at_most: None },
            Listed::Files(title) => Request::ReadThread {
                title,
                range: None,
                after: None,
                at_most: None,
                last: Some(FILES_AMONG),
                unread: None,
            },
        };
        let lookup = Self { listed: listed.clone(), asked: now, came: BTreeSet::new() };
        server.ask(&request, Asked::silently(Awaits::Names(lookup)));
    }

    /// Takes in an item. Returns whether it is one of this list.
    #[must_use]
    pub fn take(&mut self, item: &Reply<'_>) -> bool {
        match (&self.listed, item) {
            (Listed::Titles, Reply::ThreadItem { title: name, .. })
            | (Listed::Users, Reply::UserItem { name, .. })
            | (Listed::Files(_), Reply::UploadItem { file: name, .. }) => learn(&mut self.came, name),
            (Listed::Rooms, Reply::RoomSummaryItem { room, .. }) => learn(&mut self.came, &room.to_string()),
            (Listed::Files(_), Reply::PostItem { .. }) => {}
            _ => return false,
        }
        true
    }

    /// Takes in the end; what came is added to `names`. A refusal is taken as it is: what was known before has to
    /// do. Returns whether it is an end.
    #[must_use]
    pub fn end(self, reply: &Reply<'_>, names: &mut Names) -> bool {
        match reply {
            Reply::EndOfList { .. } => names.refresh(&self.listed, self.came, self.asked),
            Reply::Refused { .. } => names.settle(&self.listed, self.asked),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use forum_common::wire::Refusal;

    use super::*;
    use crate::names::tests::{room, thread, user};

    const END: Reply<'_> = Reply::EndOfList { next: None };

    fn lookup(listed: Listed, asked: Instant) -> Lookup {
        Lookup { listed, asked, came: BTreeSet::new() }
    }

    #[test]
    fn one_list_of_a_kind_is_fetched_at_a_time() {
        let mut server = Server::default();
        for _ in 0..3 {
            Lookup::begin(&Listed::Titles, Instant::now(), &mut server);
            Lookup::begin(&Listed::Users, Instant::now(), &mut server);
        }
        let mut wanted = Vec::new();
        Request::ListThreads { after: None, at_most: None, unread: None }.encode(1, &mut wanted);
        Request::WhoElse { after: None, at_most: None }.encode(2, &mut wanted);
        assert_eq!(server.unsent(), wanted);
    }

    #[test]
    fn names_are_known_when_the_list_has_ended() {
        let (now, mut names) = (Instant::now(), Names::default());
        let mut rooms = lookup(Listed::Rooms, now);
        assert!(rooms.take(&room(12)) && rooms.take(&room(3)) && !rooms.take(&thread("a")));
        assert!(rooms.end(&END, &mut names));
        assert_eq!(names.listed(&Listed::Rooms, ""), ["3", "12"]);
        let mut titles = lookup(Listed::Titles, now);
        assert!(titles.take(&thread("a")));
        assert!(!titles.take(&user("a")));
        assert_eq!(names.listed(&Listed::Titles, ""), Vec::<String>::new());
        assert!(titles.end(&END, &mut names));
        assert_eq!(names.listed(&Listed::Titles, ""), ["a"]);
        assert!(!names.is_stale(&Listed::Titles, now));
    }

    #[test]
    fn a_refused_list_leaves_what_was_known() {
        let (now, mut names) = (Instant::now(), Names::default());
        names.learn_reply(&user("hans"));
        let code = Refusal::SlowDown;
        let refusal = Reply::Refused { code, limit: None, value: None, name: None, text: "Slow down" };
        assert!(lookup(Listed::Users, now).end(&refusal, &mut names));
        assert!(!names.is_stale(&Listed::Users, now));
        assert_eq!(names.listed(&Listed::Users, ""), ["hans"]);
        assert!(!lookup(Listed::Users, now).end(&Reply::Done { at_ms: 1, text: "" }, &mut names));
    }
}
