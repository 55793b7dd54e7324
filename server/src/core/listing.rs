//! Lists under way: each shows one instant, made item by item as the socket drains, a page or the whole.
//!
//! A page begins after an item, which is named by a number that only the server understands, and ends after so
//! many; the end of the list then says where the next page begins. Each page is an instant of its own.

use forum_common::wire::{Reply, Tag};

use crate::core::listings::Pinned;
use crate::forum::{
    Forum, Found, History, Item, OnlineListing, Post, RoomId, RoomSummaries, RoomsListing, Search, Sequence,
    ThreadId, ThreadListing, ThreadRow, ThreadsListing, TimedPost, Unread, UnreadListing,
};
use crate::planted::{Bug, planted};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page {
    /// It begins after this item; none: with the first.
    pub after: Option<u64>,
    /// It has at most so many, and at least one; none: all there are.
    pub at_most: Option<u32>,
}

/// Where the items come from.
#[derive(Debug)]
pub enum Rows {
    /// LST.
    Threads(ThreadsListing),
    /// LST with what is new.
    ThreadsWithNews(UnreadListing),
    /// `unread`.
    Unread(UnreadListing),
    /// RDT of this thread.
    Thread(ThreadId, ThreadListing),
    /// `whoelse` and `whoelsesince`.
    Users(OnlineListing),
    /// ATU.
    Active(OnlineListing),
    /// RDM b.
    Board(History),
    /// RDM s.
    RoomPosts(RoomsListing),
    /// `rooms`.
    Rooms(RoomSummaries),
    /// `search`.
    Search(Search),
}

/// The answer to a request for a list.
#[derive(Debug)]
pub struct Listing {
    /// The request's.
    pub tag: Tag,
    rows: Rows,
    /// Items that may still be listed.
    left: u32,
    /// What names the last that was.
    last: u64,
    /// What the present item shows and nothing else holds.
    words: String,
    post: Option<TimedPost>,
    row: Option<ThreadRow>,
    found: Option<Found>,
}

/// Rows of a list of threads that are copied in one turn: 0.1 ms.
const COPY_SHARE: usize = 512;

/// Items of a thread that are looked at in one turn for the first that is new: 0.1 ms.
const SEEK_SHARE: usize = 4_096;

impl Listing {
    /// A list that begins where `page` says and ends there.
    pub fn new(tag: Tag, page: Page, mut rows: Rows) -> Self {
        if let Some(after) = page.after {
            match &mut rows {
                Rows::Threads(rows) => rows.skip_past(after),
                Rows::ThreadsWithNews(rows) | Rows::Unread(rows) => rows.skip_past(after),
                Rows::Thread(_, rows) => rows.skip_past(after),
                Rows::Users(rows) | Rows::Active(rows) => rows.skip_past(after),
                Rows::Board(rows) => rows.skip_past(after),
                Rows::RoomPosts(rows) => {
                    rows.skip_past(RoomId((after >> 32) as u32), after & u64::from(u32::MAX))
                }
                Rows::Rooms(rows) => rows.skip_past(after),
                Rows::Search(search) => search.skip_past(after),
            }
        }
        // A page has at least one item, or who asks for page after page would never come to the end.
        let left = page.at_most.map_or(u32::MAX, |at_most| at_most.max(1));
        // One more tells whether there is a page after this one.
        let rows_max = (left as usize).saturating_add(1);
        match &mut rows {
            Rows::Threads(rows) => rows.limit(rows_max),
            Rows::ThreadsWithNews(rows) | Rows::Unread(rows) => rows.limit(rows_max),
            _ => {}
        }
        let last = page.after.unwrap_or(0);
        Self { tag, rows, left, last, words: String::new(), post: None, row: None, found: None }
    }

    /// What it keeps in memory that may be gone elsewhere.
    pub fn pinned(&self) -> Pinned {
        match &self.rows {
            Rows::Threads(rows) => Pinned::own(rows.bytes()),
            Rows::ThreadsWithNews(rows) | Rows::Unread(rows) => Pinned::own(rows.bytes()),
            Rows::Thread(thread, rows) => {
                let (edits, bytes, own) = rows.weight();
                Pinned { own, shared: Some(((*thread, edits), bytes)) }
            }
            Rows::Users(rows) | Rows::Active(rows) => Pinned::own(rows.bytes()),
            Rows::Board(rows) => Pinned::own(rows.bytes()),
            Rows::RoomPosts(rows) => Pinned::own(rows.bytes()),
            Rows::Rooms(rows) => Pinned::own(rows.bytes()),
            Rows::Search(search) => Pinned::own(search.bytes()),
        }
    }

    /// Whether it is still being copied or searched, a share with each [`Listing::copy`], before its first item can
    /// be made.
    pub fn is_copying(&self) -> bool {
        match &self.rows {
            Rows::Threads(rows) => rows.is_copying(),
            Rows::ThreadsWithNews(rows) | Rows::Unread(rows) => rows.is_counting(),
            Rows::Thread(_, rows) => rows.is_seeking(),
            Rows::Search(search) => search.is_searching(),
            _ => false,
        }
    }

    /// Copies, or searches, one turn's share of what is listed later.
    pub fn copy(&mut self) {
        match &mut self.rows {
            Rows::Threads(rows) => rows.copy_rows(COPY_SHARE),
            Rows::ThreadsWithNews(rows) | Rows::Unread(rows) => rows.count_on(COPY_SHARE),
            Rows::Thread(_, rows) => rows.seek(SEEK_SHARE),
            Rows::Search(search) => search.search_on(),
            _ => {}
        }
    }

    /// Its version of a thread's messages, if it lists a thread and is over.
    pub fn into_posts(self) -> Option<Sequence<Post>> {
        match self.rows {
            Rows::Thread(_, rows) => Some(rows.into_posts()),
            _ => None,
        }
    }

    /// The next item, or the end of the list.
    pub fn next_reply<'a>(&'a mut self, forum: &'a Forum) -> Reply<'a> {
        let is_full = self.left == 0;
        let last = self.last;
        if planted(Bug::ListShowsTwoInstants) && last > 0 {
            self.mix_instants(forum);
        }
        match self.next_item(forum) {
            Some(_) if is_full => Reply::EndOfList { next: Some(last) },
            Some(item) => item,
            None => Reply::EndOfList { next: None },
        }
    }

    /// Goes on with the present state: a bug to plant.
    fn mix_instants(&mut self, forum: &Forum) {
        match &mut self.rows {
            Rows::Thread(id, rows) => {
                if let Some(Ok(present)) = forum.threads.get(*id).map(|thread| thread.list(None)) {
                    *rows = present;
                    rows.skip_past(self.last);
                }
            }
            Rows::Board(rows) => {
                *rows = History::all(&forum.board);
                rows.skip_past(self.last);
            }
            _ => {}
        }
    }

    fn next_item<'a>(&'a mut self, forum: &'a Forum) -> Option<Reply<'a>> {
        self.left = self.left.saturating_sub(1);
        let name = |account| forum.name_of(account).as_str();
        let (last, item) = match &mut self.rows {
            Rows::Threads(rows) => {
                let row = self.row.insert(rows.next_row()?);
                (row.id.0, row_item(forum, row, None))
            }
            Rows::ThreadsWithNews(rows) => {
                let (row, unread) = rows.next_row()?;
                let row = self.row.insert(row);
                (row.id.0, row_item(forum, row, Some(unread.count)))
            }
            Rows::Unread(rows) => {
                let (row, Unread { count, newest }) = rows.next_row()?;
                let (row, (_, author)) = (self.row.insert(row), newest?);
                (row.id.0, Reply::UnreadItem { title: &row.title, count, last_author: name(author) })
            }
            Rows::Thread(_, rows) => thread_item(forum, rows.next_item()?),
            Rows::Users(rows) => {
                let user = rows.next_user()?;
                (user.place, Reply::UserItem { name: name(user.account), left_ms: user.left_ms })
            }
            Rows::Active(rows) => {
                let (place, user) = rows.next_online()?;
                self.words = user.address.to_string();
                let (name, udp_port, since_ms) = (name(user.account), user.udp_port, user.since_ms);
                (place, Reply::ActiveUserItem { name, address: &self.words, udp_port, since_ms })
            }
            Rows::Board(rows) => {
                let (number, post) = rows.next_post()?;
                let (at_ms, author) = (post.at_ms, name(post.author));
                (number.into(), Reply::BoardItem { number, at_ms, author, text: &post.text })
            }
            Rows::Rooms(rows) => {
                let room = rows.next_room()?;
                self.words = forum.names_of(&room.members);
                let (id, posts) = (room.id.0, room.posts);
                (id.into(), Reply::RoomSummaryItem { room: id, posts, users: &self.words })
            }
            Rows::Search(search) => {
                let Found { id, number, at_ms, author, text, title } =
                    self.found.insert(search.next_found()?);
                let (id, author) = (id.0, name(*author));
                (id, Reply::SearchItem { title, number: *number, id, at_ms: *at_ms, author, text })
            }
            Rows::RoomPosts(rows) => {
                let (room, number, post) = rows.next_post()?;
                let post = self.post.insert(post);
                let (room, at_ms, author) = (room.0, post.at_ms, name(post.author));
                let place = u64::from(room) << 32 | u64::from(number);
                (place, Reply::RoomItem { room, number, at_ms, author, text: &post.text })
            }
        };
        self.last = last;
        Some(item)
    }
}

/// What a list of threads says of one.
fn row_item<'a>(forum: &'a Forum, row: &'a ThreadRow, unread: Option<u32>) -> Reply<'a> {
    let name = |account| forum.name_of(account).as_str();
    Reply::ThreadItem {
        thread: row.id.0,
        title: &row.title,
        creator: name(row.creator),
        posts: row.posts,
        uploads: row.uploads,
        last_author: row.newest.map(|(_, author, _)| name(author)),
        last_at_ms: row.newest.map(|(_, _, at_ms)| at_ms),
        unread,
    }
}

/// What a list of a thread says of one item, and what names that.
fn thread_item<'a>(forum: &'a Forum, item: Item<'a>) -> (u64, Reply<'a>) {
    match item {
        Item::Post(number, post) => {
            let (id, at_ms, author) = (post.id.0, post.at_ms, forum.name_of(post.author));
            (id, Reply::PostItem { number, id, at_ms, author, text: &post.text })
        }
        Item::Upload(upload) => {
            let (id, at_ms, author) = (upload.item.0, upload.at_ms, forum.name_of(upload.author));
            (id, Reply::UploadItem { id, at_ms, author, file: &upload.file, size: upload.size })
        }
    }
}
