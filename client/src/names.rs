//! Names that have gone by, for the Tab key: threads, their files, users and rooms.
//!
//! It doesn't know what is being typed or how names are fetched; it only says when that is due. All of
//! it is for convenience, so it is bounded, and what does not fit is not learnt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use forum_common::wire::{Notice, Refusal, Reply};

/// Names kept of a kind. Nobody finds a name among more of them by pressing Tab.
const NAMES_MAX: usize = 10_000;

/// Threads whose files are kept.
const FILE_LISTS_MAX: usize = 16;

/// How long a list that was fetched is good enough.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Names that the server can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// The titles of all threads.
    Titles,
    /// The users online.
    Users,
    /// The rooms that the user is in.
    Rooms,
    /// The newest files of the thread of this title.
    Files(String),
}

/// Every name that is known.
#[derive(Debug, Default)]
pub struct Names {
    /// The name of the user who types: nobody writes to themselves.
    own: String,
    titles: BTreeSet<String>,
    users: BTreeSet<String>,
    rooms: BTreeSet<String>,
    /// Files by thread, and when they were fetched.
    files: BTreeMap<String, (BTreeSet<String>, Instant)>,
    titles_fetched: Option<Instant>,
    users_fetched: Option<Instant>,
    rooms_fetched: Option<Instant>,
}

impl Names {
    /// This user is the one who types.
    pub fn belong_to(&mut self, own: &str) {
        own.clone_into(&mut self.own);
    }

    /// Learns from an item or an answer that was shown.
    pub fn learn_reply(&mut self, reply: &Reply<'_>) {
        match *reply {
            Reply::ThreadItem { title, .. } => learn(&mut self.titles, title),
            Reply::UserItem { name, .. } | Reply::ActiveUserItem { name, .. } => learn(&mut self.users, name),
            Reply::PostItem { author, .. }
            | Reply::UploadItem { author, .. }
            | Reply::BoardItem { author, .. } => learn(&mut self.users, author),
            Reply::RoomSummaryItem { room, .. } => self.learn_room(room),
            Reply::RoomItem { room, author, .. } => {
                self.learn_room(room);
                learn(&mut self.users, author);
            }
            Reply::RoomCreated { room, .. } => self.learn_room(room),
            Reply::Refused { code: Refusal::RoomExists, value: Some(room), .. } => {
                u32::try_from(room).into_iter().for_each(|room| self.learn_room(room));
            }
            _ => {}
        }
    }

    /// Learns from a notice that was shown.
    pub fn learn_notice(&mut self, notice: &Notice<'_>) {
        match *notice {
            Notice::LoggedIn { name } | Notice::LoggedOut { name } => learn(&mut self.users, name),
            Notice::Message { from, .. } | Notice::Broadcast { from, .. } => learn(&mut self.users, from),
            Notice::BoardPost { author, .. } => learn(&mut self.users, author),
            Notice::RoomPost { room, author, .. } => {
                self.learn_room(room);
                learn(&mut self.users, author);
            }
            Notice::ThreadPost { title, author, .. } => {
                learn(&mut self.titles, title);
                learn(&mut self.users, author);
            }
            Notice::PutInRoom { room, users, .. } => {
                self.learn_room(room);
                users.split(' ').for_each(|name| learn(&mut self.users, name));
            }
            _ => {}
        }
    }

    /// Takes a list that was fetched for this purpose. Threads that are not on it are gone; users who are
    /// not online can still be written to.
    pub fn refresh(&mut self, listed: &Listed, names: BTreeSet<String>, now: Instant) {
        match listed {
            Listed::Titles => self.titles = names,
            Listed::Users => names.iter().for_each(|name| learn(&mut self.users, name)),
            Listed::Rooms => self.rooms = names,
            Listed::Files(title) => self.learn_files(title, names, now),
        }
        self.settle(listed, now);
    }

    /// Does without a list that could not be had.
    pub fn settle(&mut self, listed: &Listed, now: Instant) {
        match listed {
            Listed::Titles => self.titles_fetched = Some(now),
            Listed::Users => self.users_fetched = Some(now),
            Listed::Rooms => self.rooms_fetched = Some(now),
            Listed::Files(title) if self.files.contains_key(title) => {}
            Listed::Files(title) => self.learn_files(title, BTreeSet::new(), now),
        }
    }

    /// Whether a list should be fetched before it is used.
    pub fn is_stale(&self, listed: &Listed, now: Instant) -> bool {
        let fetched = match listed {
            Listed::Files(title) => self.files.get(title).map(|(_, at)| *at),
            Listed::Titles => self.titles_fetched,
            Listed::Users => self.users_fetched,
            Listed::Rooms => self.rooms_fetched,
        };
        fetched.is_none_or(|at| now >= at + FRESH_FOR)
    }

    /// The names of a kind that begin with `start`, in order: rooms in that of their numbers.
    pub fn listed(&self, listed: &Listed, start: &str) -> Vec<String> {
        let none = BTreeSet::new();
        let names = match listed {
            Listed::Files(title) => self.files.get(title).map_or(&none, |(files, _)| files),
            Listed::Titles => &self.titles,
            Listed::Users => &self.users,
            Listed::Rooms => &self.rooms,
        };
        let from_here = names.range::<str, _>((std::ops::Bound::Included(start), std::ops::Bound::Unbounded));
        let fitting = from_here.take_while(|name| name.starts_with(start));
        let others = fitting.filter(|name| *listed != Listed::Users || **name != self.own);
        let mut found: Vec<String> = others.cloned().collect();
        if *listed == Listed::Rooms {
            found.sort_by_key(String::len);
        }
        found
    }

    /// Takes the files of a thread. Those of the thread that was looked at first make room.
    fn learn_files(&mut self, title: &str, files: BTreeSet<String>, now: Instant) {
        if self.files.len() >= FILE_LISTS_MAX
            && let Some(oldest) =
                self.files.iter().min_by_key(|(_, (_, at))| *at).map(|(title, _)| title.clone())
        {
            self.files.remove(&oldest);
        }
        self.files.insert(title.to_owned(), (files, now));
    }

    fn learn_room(&mut self, room: u32) {
        learn(&mut self.rooms, &room.to_string());
    }
}

/// Adds a name, if it is one: what can't be typed as a word is not worth knowing.
pub fn learn(names: &mut BTreeSet<String>, name: &str) {
    let is_word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_word && names.len() < NAMES_MAX && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn thread(title: &str) -> Reply<'_> {
        let (last_author, last_at_ms) = (None, None);
        Reply::ThreadItem {
            thread: 1,
            title,
            creator: "z",
            posts: 0,
            uploads: 0,
            last_author,
            last_at_ms,
            unread: None,
        }
    }

    pub(crate) fn user(name: &str) -> Reply<'_> {
        Reply::UserItem { name, left_ms: None }
    }

    pub(crate) fn room_created(room: u32) -> Reply<'static> {
        Reply::RoomCreated { room, at_ms: 1, text: "" }
    }

    pub(crate) fn room(room: u32) -> Reply<'static> {
        Reply::RoomSummaryItem { room, posts: 0, users: "a b" }
    }

    #[test]
    fn names_are_learnt_from_whatever_goes_by() {
        let (at_ms, text) = (1, "hi");
        let mut names = Names::default();
        let (limit, name) = (None, None);
        for reply in [
            thread("t"),
            Reply::PostItem { number: 1, id: 1, at_ms, author: "a", text },
            Reply::UploadItem { id: 2, at_ms, author: "b", file: "f", size: 3 },
            user("c"),
            Reply::ActiveUserItem { name: "d", address: "::1", udp_port: 0, since_ms: at_ms },
            Reply::BoardItem { number: 1, author: "e", at_ms, text },
            Reply::RoomItem { room: 2, number: 1, author: "f", at_ms, text },
            room_created(12),
            room(5),
            Reply::Refused { code: Refusal::RoomExists, limit, value: Some(7), name, text },
            Reply::Refused { code: Refusal::LimitReached, limit, value: Some(100), name, text },
            Reply::ThreadCreated { thread: 9, at_ms, text: "Thread x created" },
        ] {
            names.learn_reply(&reply);
        }
        for notice in [
            Notice::LoggedIn { name: "g" },
            Notice::LoggedOut { name: "h" },
            Notice::Message { number: 1, late: false, from: "i", at_ms, text },
            Notice::Broadcast { at_ms, from: "j", text },
            Notice::BoardPost { number: 1, at_ms, author: "k", text },
            Notice::RoomPost { room: 10, number: 1, at_ms, author: "l", text },
            Notice::PutInRoom { room: 3, by: "m", users: "m n no\x1bname " },
        ] {
            names.learn_notice(&notice);
        }
        names.belong_to("m");
        assert_eq!(names.listed(&Listed::Titles, ""), ["t"]);
        assert_eq!(names.listed(&Listed::Users, "").concat(), "abcdefghijkln");
        assert_eq!(names.listed(&Listed::Rooms, ""), ["2", "3", "5", "7", "10", "12"]);
        assert_eq!(names.listed(&Listed::Rooms, "1"), ["10", "12"]);
    }

    #[test]
    fn a_fetched_list_replaces_threads_and_adds_users_and_ages() {
        let now = Instant::now();
        let mut names = Names::default();
        names.learn_reply(&thread("old"));
        names.learn_reply(&user("offline"));
        for listed in [Listed::Titles, Listed::Users] {
            assert!(names.is_stale(&listed, now));
            names.refresh(&listed, BTreeSet::from(["new".to_owned()]), now);
            assert!(!names.is_stale(&listed, now));
            assert!(names.is_stale(&listed, now + FRESH_FOR));
        }
        assert_eq!(names.listed(&Listed::Titles, ""), ["new"]);
        assert_eq!(names.listed(&Listed::Users, ""), ["new", "offline"]);
        assert_eq!(names.listed(&Listed::Users, "o"), ["offline"]);
    }

    #[test]
    fn what_is_learnt_is_bounded() {
        let mut names = Names::default();
        for n in 0..NAMES_MAX as u32 + 10 {
            names.learn_reply(&thread(&n.to_string()));
            names.learn_reply(&room_created(n));
        }
        assert_eq!(names.listed(&Listed::Titles, "").len(), NAMES_MAX);
        assert_eq!(names.listed(&Listed::Rooms, "").len(), NAMES_MAX);
    }
}
