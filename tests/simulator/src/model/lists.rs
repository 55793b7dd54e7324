//! What lists show.

use std::rc::Rc;

use forum_common::wire::{OwnedReply, Refusal, Request};

use super::{Item, No, State, Thread, User, What, Wish};

/// A list that was shown: the items, and where the next page begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) items: Vec<OwnedReply>,
    pub(crate) next: Option<u64>,
}

/// An item, and what names its place for the page that comes after it.
type Row = (u64, OwnedReply);

/// Messages that a search finds, at most: the newest.
const FOUND_MAX: usize = 100;

/// What the places of those who are gone come after.
const GONE: u64 = 1 << 63;

impl State {
    /// Whether a list is just what this state shows.
    pub(crate) fn shows(&self, user: User, wish: &Wish<'_>, listed: &Listed) -> bool {
        let Ok(rows) = self.rows(user, wish) else { return false };
        let (after, at_most) =
            { *wish }.page_mut().map_or((None, None), |(after, at_most)| (*after, *at_most));
        // What was found comes newest first.
        let is_search = matches!(wish, Request::Search { .. });
        let comes_after = |place, after| if is_search { place < after } else { is_past(place, after) };
        let rows = rows.iter().filter(|(place, _)| after.is_none_or(|after| comes_after(*place, after)));
        let mut rows = rows.take(if is_search { FOUND_MAX } else { usize::MAX });
        let mut last = after.unwrap_or(0);
        for item in &listed.items {
            match rows.next() {
                Some((place, expected)) if expected == item => last = *place,
                _ => return false,
            }
        }
        let is_full = at_most.is_some_and(|at_most| listed.items.len() as u32 == at_most.max(1));
        let next = (rows.next().is_some() && is_full).then_some(last);
        // A list that has more ends only because its page is full.
        listed.next == next && (next.is_some() || rows.next().is_none())
    }

    /// All that a list would show.
    fn rows(&self, user: User, wish: &Wish<'_>) -> Result<Vec<Row>, No> {
        Ok(match *wish {
            Request::ListThreads { unread, .. } => {
                let reader = unread.filter(|unread| *unread).map(|_| user);
                let item = |(id, thread): (&u64, &Rc<Thread>)| (*id, self.thread_item(*id, thread, reader));
                self.threads.iter().map(item).collect()
            }
            Request::ListUnread { .. } => self.threads_with_news(user),
            Request::ReadThread { title, range: None, unread: Some(true), after, .. } => {
                let rows = self.thread_rows(title, None)?;
                let first = match (after, self.thread(title)) {
                    // A later page goes on with whatever follows, one's own included.
                    (Some(_), Some((id, _))) => self.mark_of(user, id) + 1,
                    _ => self.news(user, title).first().map_or(u64::MAX, |item| item.id),
                };
                rows.into_iter().filter(|(id, _)| *id >= first).collect()
            }
            Request::ReadThread { title, range, .. } => self.thread_rows(title, range)?,
            Request::WhoElse { .. } => self.users(user, None),
            Request::WhoElseSince { .. } => self.users(user, Some(0)),
            Request::ListActive { .. } => self.active(user),
            Request::ReadBoard { later_than_ms, from, .. } => self.board_rows(later_than_ms, from),
            Request::ReadRooms { later_than_ms, room, from, .. } => {
                room.map_or(Ok(()), |room| self.check_room(Some(user), room))?;
                self.room_rows(user, later_than_ms, room, from)
            }
            Request::ListRooms { .. } => self.room_summaries(user),
            Request::Search { words, title, .. } => self.found(words, title),
            _ => Vec::new(),
        })
    }

    /// Messages with all these words, the newest first.
    fn found(&self, words: &str, only: Option<&str>) -> Vec<Row> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let mut rows = Vec::new();
        for thread in self.threads.values().filter(|thread| only.is_none_or(|only| *only == *thread.title)) {
            for (item, number) in thread.posts().zip(1..) {
                let What::Post(text) = &item.what else { continue };
                let lower = text.to_lowercase();
                if words.iter().all(|word| lower.contains(word)) {
                    let (id, at_ms, author) = (item.id, item.at_ms, self.name(item.author).to_string());
                    let (title, text) = (thread.title.to_string(), text.to_string());
                    rows.push((id, OwnedReply::SearchItem { title, number, id, at_ms, author, text }));
                }
            }
        }
        rows.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        rows
    }

    /// Up to which item a user has read a thread.
    pub(super) fn mark_of(&self, user: User, thread: u64) -> u64 {
        let mark = self.marks.iter().find(|(by, read, _)| (*by, *read) == (user, thread));
        mark.map_or(0, |(_, _, up_to)| *up_to)
    }

    /// What others have put into a thread since a user has read it.
    fn news(&self, user: User, title: &str) -> Vec<&Item> {
        self.thread(title).map_or_else(Vec::new, |(id, thread)| self.news_in(user, id, thread))
    }

    fn news_in<'a>(&self, user: User, id: u64, thread: &'a Thread) -> Vec<&'a Item> {
        let mark = self.mark_of(user, id);
        thread.items.iter().filter(|item| item.id > mark && item.author != user).collect()
    }

    fn threads_with_news(&self, user: User) -> Vec<Row> {
        let row = |(id, thread): (&u64, &Rc<Thread>)| {
            let news = self.news_in(user, *id, thread);
            let last_author = self.name(news.last()?.author).to_string();
            let (title, count) = (thread.title.to_string(), news.len() as u32);
            Some((*id, OwnedReply::UnreadItem { title, count, last_author }))
        };
        self.threads.iter().filter_map(row).collect()
    }

    fn thread_item(&self, id: u64, thread: &Thread, reader: Option<User>) -> OwnedReply {
        let last = thread.items.iter().max_by_key(|item| item.id);
        OwnedReply::ThreadItem {
            thread: id,
            title: thread.title.to_string(),
            creator: self.name(thread.creator).to_string(),
            posts: thread.posts().count() as u32,
            uploads: (thread.items.len() - thread.posts().count()) as u32,
            last_author: last.map(|item| self.name(item.author).to_string()),
            last_at_ms: last.map(|item| item.at_ms),
            unread: reader.map(|reader| self.news_in(reader, id, thread).len() as u32),
        }
    }

    /// The items of a thread that are in a range, each with the number of the message at or before it.
    pub(super) fn range(&self, title: &str, range: Option<(u32, u32)>) -> Result<Vec<(u32, &Item)>, No> {
        let (_, thread) = self.thread(title).ok_or(No::plain(Refusal::NoSuchThread))?;
        let mut number = 0;
        let numbered = thread.items.iter().map(|item| {
            number += u32::from(matches!(item.what, What::Post(_)));
            (number, item)
        });
        let Some((from, to)) = range else { return Ok(numbered.collect()) };
        let length = thread.posts().count() as u32;
        if from == 0 || to < from || from > length {
            return Err(No::plain(Refusal::InvalidMessageNumber));
        }
        let is_within = |(number, item): &(u32, &Item)| match item.what {
            What::Post(_) => (from..=to).contains(number),
            What::File { .. } => (from..to.min(length)).contains(number),
        };
        Ok(numbered.filter(is_within).collect())
    }

    fn thread_rows(&self, title: &str, range: Option<(u32, u32)>) -> Result<Vec<Row>, No> {
        let row = |(number, item): (u32, &Item)| {
            let (id, at_ms, author) = (item.id, item.at_ms, self.name(item.author).to_string());
            let reply = match &item.what {
                What::Post(text) => {
                    OwnedReply::PostItem { number, id, at_ms, author, text: text.to_string() }
                }
                What::File { name, size, .. } => {
                    OwnedReply::UploadItem { id, at_ms, author, file: name.to_string(), size: *size }
                }
            };
            (id, reply)
        };
        Ok(self.range(title, range)?.into_iter().map(row).collect())
    }

    fn users(&self, asker: User, since_ms: Option<u64>) -> Vec<Row> {
        let is_shown = |user: User| user != asker && !self.has_blocked(user, asker);
        let item = |user, left_ms| OwnedReply::UserItem { name: self.name(user).to_string(), left_ms };
        let online = self.online.iter().filter(|present| is_shown(present.user));
        let online = online.map(|present| (present.order, item(present.user, None)));
        let gone = self.gone.iter().rev().filter(|gone| since_ms.is_some() && is_shown(gone.user));
        online.chain(gone.map(|gone| (GONE + gone.order, item(gone.user, Some(gone.left_ms))))).collect()
    }

    fn active(&self, asker: User) -> Vec<Row> {
        let is_shown = |user: User| user != asker && !self.has_blocked(user, asker);
        let online = self.online.iter().filter(|present| is_shown(present.user));
        online
            .map(|present| {
                let reply = OwnedReply::ActiveUserItem {
                    name: self.name(present.user).to_string(),
                    address: present.address.to_string(),
                    udp_port: present.udp_port,
                    since_ms: present.since_ms,
                };
                (present.order, reply)
            })
            .collect()
    }

    fn room_summaries(&self, user: User) -> Vec<Row> {
        let mine = self.rooms.iter().zip(1..).filter(|(room, _)| room.members.contains(&user));
        mine.map(|(room, id)| {
            let names: Vec<String> =
                room.members.iter().map(|member| self.name(*member).to_string()).collect();
            let (posts, users) = (room.posts.len() as u32, names.join(" "));
            (u64::from(id), OwnedReply::RoomSummaryItem { room: id, posts, users })
        })
        .collect()
    }

    fn board_rows(&self, later_than_ms: Option<u64>, from: Option<u32>) -> Vec<Row> {
        let numbered = self.board.iter().zip(1..);
        let later = numbered.filter(|(post, number)| {
            is_later(post.at_ms, later_than_ms) && from.is_none_or(|from| *number >= from)
        });
        later
            .map(|(post, number)| {
                let (author, text) = (self.name(post.author).to_string(), post.text.to_string());
                (u64::from(number), OwnedReply::BoardItem { number, at_ms: post.at_ms, author, text })
            })
            .collect()
    }

    fn room_rows(
        &self,
        user: User,
        later_than_ms: Option<u64>,
        only: Option<u32>,
        from: Option<u32>,
    ) -> Vec<Row> {
        let mut rows = Vec::new();
        for (room, id) in self.rooms.iter().zip(1..) {
            if !room.members.contains(&user) || only.is_some_and(|only| only != id) {
                continue;
            }
            for (post, number) in room.posts.iter().zip(1..) {
                if is_later(post.at_ms, later_than_ms) && from.is_none_or(|from| number >= from) {
                    let (author, text) = (self.name(post.author).to_string(), post.text.to_string());
                    let at_ms = post.at_ms;
                    let item = OwnedReply::RoomItem { room: id, number, at_ms, author, text };
                    rows.push((u64::from(id) << 32 | u64::from(number), item));
                }
            }
        }
        rows
    }
}

/// Whether a place comes after another; those who are gone come after those who are not, the last first.
fn is_past(place: u64, after: u64) -> bool {
    match (place >= GONE, after >= GONE) {
        (true, true) => place < after,
        (false, false) => place > after,
        (is_gone, _) => is_gone,
    }
}

fn is_later(at_ms: u64, than_ms: Option<u64>) -> bool {
    than_ms.is_none_or(|than_ms| at_ms / 1_000 > than_ms / 1_000)
}
