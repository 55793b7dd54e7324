//! Lists of a thread and of all threads: each shows one instant, however slowly it is read.

use std::collections::VecDeque;

use forum_common::limits::TITLE_BYTES_MAX;
use forum_common::names::Title;

use super::{AccountId, ItemId, Post, Sequence, Thread, ThreadId, Threads, Upload};
use crate::forum::Refused;

impl Thread {
    /// Everything in order, or messages `from` to `to` (from 1, both included) with the files between them.
    ///
    /// # Errors
    /// The range is none: it begins at 0 or past the end, or it ends before it begins.
    pub fn list(&self, range: Option<(u32, u32)>) -> Result<ThreadListing, Refused> {
        let length = self.posts.len() as u32;
        let Some((from, to)) = range else {
            return Ok(ThreadListing {
                thread: self.clone(),
                post: 0,
                post_end: length,
                upload: 0,
                tail: true,
                skip_own_of: None,
            });
        };
        if from == 0 || from > length || to < from {
            return Err(Refused::InvalidMessageNumber);
        }
        // A file "between" stands after the first message and before the last.
        let upload = self.uploads.partition_point(|upload| upload.after < from);
        let post_end = to.min(length);
        Ok(ThreadListing {
            thread: self.clone(),
            post: from - 1,
            post_end,
            upload,
            tail: false,
            skip_own_of: None,
        })
    }

    /// The last `count` messages with the files among and after them; of a thread that has no more, everything.
    pub fn list_last(&self, count: u32) -> ThreadListing {
        let post_end = self.posts.len() as u32;
        let post = post_end.saturating_sub(count);
        let is_before = |upload: &Upload| post > 0 && upload.after <= post;
        let upload = self.uploads.partition_point(is_before);
        ThreadListing { thread: self.clone(), post, post_end, upload, tail: true, skip_own_of: None }
    }

    /// What comes after `mark`, from the first on that `reader` has not put there.
    pub fn list_new(&self, reader: AccountId, mark: ItemId) -> ThreadListing {
        let (post, upload) = self.after(mark);
        let (post, post_end, skip_own_of) = (post as u32, self.posts.len() as u32, Some(reader));
        ThreadListing { thread: self.clone(), post, post_end, upload, tail: true, skip_own_of }
    }

    /// Whether `user` has put there all that stands between `mark` and `from`; no as well if that is more than `at_most`.
    pub fn has_only_own_between(&self, user: AccountId, mark: ItemId, from: ItemId, at_most: usize) -> bool {
        let mut rest = self.list_new(user, mark);
        for _ in 0..=at_most {
            let (id, author) = match rest.next_item() {
                Some(Item::Post(_, post)) => (post.id, post.author),
                Some(Item::Upload(upload)) => (upload.item, upload.author),
                None => return true,
            };
            if id >= from || author != user {
                return id >= from;
            }
        }
        false
    }
}

impl Threads {
    /// All threads as they are now, oldest first, to be read as slowly as one likes.
    pub fn list(&self) -> ThreadsListing {
        ThreadsListing {
            threads: self.by_id.clone(),
            next: ThreadId(0),
            rows: VecDeque::new(),
            to_copy: usize::MAX,
        }
    }
}

/// One item of a thread as it is listed.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A message and its number, from 1.
    Post(u32, &'a Post),
    /// A file, which has no number.
    Upload(&'a Upload),
}

/// A listing under way: it holds its own version of the thread.
#[derive(Debug)]
pub struct ThreadListing {
    thread: Thread,
    /// The index of the next message.
    post: u32,
    post_end: u32,
    /// The index of the next file.
    upload: usize,
    /// Whether files after the last message belong to it.
    tail: bool,
    /// What this user has put there is left out up to the first that another has.
    skip_own_of: Option<AccountId>,
}

impl ThreadListing {
    /// Its version of the messages, once nothing more is listed: nobody else may have them any more.
    pub fn into_posts(mut self) -> Sequence<Post> {
        self.thread.take_posts()
    }

    /// How often messages of its thread had been edited and deleted, what the thread takes in memory, and how much of
    /// that is no other listing's, though it has the same edits.
    pub fn weight(&self) -> (u64, usize, usize) {
        let posts = &self.thread.posts;
        (posts.rewrites(), self.thread.bytes(), posts.unshared_bytes())
    }

    /// Whether the first item is still to be looked for.
    pub fn is_seeking(&self) -> bool {
        self.skip_own_of.is_some()
    }

    /// Looks at most at so many items for the first.
    pub fn seek(&mut self, share: usize) {
        for _ in 0..share {
            let (before, reader) = ((self.post, self.upload), self.skip_own_of);
            let author = match self.next_item() {
                Some(Item::Post(_, post)) => Some(post.author),
                Some(Item::Upload(upload)) => Some(upload.author),
                None => None,
            };
            if author.is_none() || author != reader {
                (self.post, self.upload) = before;
                self.skip_own_of = None;
                return;
            }
        }
    }

    /// Leaves out all items up to this id.
    pub fn skip_past(&mut self, id: u64) {
        // A page before this one has begun with the first.
        self.skip_own_of = None;
        let (posts, uploads) = self.thread.after(ItemId(id));
        self.post = self.post.max(posts as u32);
        self.upload = self.upload.max(uploads);
    }

    /// The next item; none at the end.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        if let Some(upload) = self.thread.uploads.get(self.upload) {
            let stands_here = upload.after <= self.post;
            if stands_here && (self.post < self.post_end || self.tail) {
                self.upload += 1;
                return Some(Item::Upload(upload));
            }
        }
        if self.post < self.post_end {
            let post = self.thread.posts.get(self.post as usize)?;
            self.post += 1;
            return Some(Item::Post(self.post, post));
        }
        None
    }
}

/// What a list of threads shows of one.
#[derive(Debug)]
pub struct ThreadRow {
    /// Which it is.
    pub id: ThreadId,
    /// Its title.
    pub title: Title,
    /// Who created it.
    pub creator: AccountId,
    /// How many messages it has.
    pub posts: u32,
    /// How many files.
    pub uploads: u32,
    /// The newest of both, who put it there, and when in UTC milliseconds.
    pub newest: Option<(ItemId, AccountId, u64)>,
}

impl ThreadRow {
    pub(in crate::forum) fn of(id: ThreadId, thread: &Thread) -> Self {
        Self {
            id,
            title: thread.title.clone(),
            creator: thread.creator,
            posts: thread.posts.len() as u32,
            uploads: thread.uploads.len() as u32,
            newest: thread.newest_item(),
        }
    }
}

/// A list of threads under way. It has its own version of all threads, with their messages, only while the rows are
/// copied, which takes as many steps as there are threads, and no client that reads.
#[derive(Debug)]
pub struct ThreadsListing {
    /// Empty once all rows are copied.
    threads: imbl::OrdMap<ThreadId, Thread>,
    /// The first that is to be copied.
    next: ThreadId,
    /// What is copied and not yet listed.
    rows: VecDeque<ThreadRow>,
    /// Rows that may still be copied.
    to_copy: usize,
}

impl ThreadsListing {
    /// Leaves out all threads up to this id.
    pub fn skip_past(&mut self, id: u64) {
        self.next = self.next.max(ThreadId(id.saturating_add(1)));
    }

    /// Nobody reads more rows than that.
    pub fn limit(&mut self, rows: usize) {
        self.to_copy = self.to_copy.min(rows);
    }

    /// What its rows will take in memory, at most.
    pub fn bytes(&self) -> usize {
        self.to_copy.min(self.threads.len()) * (size_of::<ThreadRow>() + TITLE_BYTES_MAX)
    }

    /// Whether rows are still to be copied before the first is listed.
    pub fn is_copying(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Copies at most `share` rows more.
    pub fn copy_rows(&mut self, share: usize) {
        let share = share.min(self.to_copy);
        let before = self.rows.len();
        self.rows.extend(
            self.threads.range(self.next..).take(share).map(|(id, thread)| ThreadRow::of(*id, thread)),
        );
        let copied = self.rows.len() - before;
        self.to_copy -= copied;
        match self.rows.back() {
            Some(last) if copied == share && self.to_copy > 0 => self.next = ThreadId(last.id.0 + 1),
            _ => self.threads = imbl::OrdMap::new(),
        }
    }

    /// The next thread; none at the end of what was copied.
    pub fn next_row(&mut self) -> Option<ThreadRow> {
        self.rows.pop_front()
    }
}
