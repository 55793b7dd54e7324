//! What is new to a user: counted thread by thread, a share at a time.
//!
//! What others have put into a thread after the user's mark is new; what the user has written itself is not.

use std::collections::VecDeque;

use forum_common::limits::TITLE_BYTES_MAX;

use super::{AccountId, ItemId, Mark, Marks, Thread, ThreadId, ThreadRow, Threads};

/// Messages that take as long to look at as a thread does.
const MESSAGES_OF_A_ROW: usize = 64;

/// How much of a thread is new to a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// Messages and files.
    pub count: u32,
    /// The newest of them, and who put it there.
    pub newest: Option<(ItemId, AccountId)>,
}

impl Unread {
    fn add(&mut self, item: ItemId, author: AccountId) {
        self.count += 1;
        self.newest = self.newest.max(Some((item, author)));
    }
}

/// A list of threads with what is new in each. It has its own version of all threads only while that is counted, which
/// no client that reads slowly can hold up.
#[derive(Debug)]
pub struct UnreadListing {
    /// Empty once all is counted.
    threads: imbl::OrdMap<ThreadId, Thread>,
    reader: AccountId,
    /// In the order of the threads.
    marks: Vec<Mark>,
    /// Threads without anything new are left out.
    only_new: bool,
    /// The first thread that is to be counted, and how far that is.
    next: ThreadId,
    counting: Option<Counting>,
    rows: VecDeque<(ThreadRow, Unread)>,
    /// Rows that may still be made.
    to_make: usize,
}

/// How far the count of a thread has come.
#[derive(Debug)]
struct Counting {
    post: usize,
    upload: usize,
    unread: Unread,
}

impl UnreadListing {
    /// Of all threads as they are now, or of those with news.
    pub fn new(threads: &Threads, marks: &Marks, reader: AccountId, only_new: bool) -> Self {
        let mut marks = marks.all_of(reader).to_vec();
        marks.sort_unstable_by_key(|mark| mark.thread);
        let (counting, rows, to_make) = (None, VecDeque::new(), usize::MAX);
        Self {
            threads: threads.pinned(None),
            reader,
            marks,
            only_new,
            next: ThreadId(0),
            counting,
            rows,
            to_make,
        }
    }

    /// Leaves out all threads up to this id.
    pub fn skip_past(&mut self, id: u64) {
        self.next = self.next.max(ThreadId(id.saturating_add(1)));
    }

    /// Nobody reads more rows than that.
    pub fn limit(&mut self, rows: usize) {
        self.to_make = self.to_make.min(rows);
    }

    /// What it will hold in memory, at most.
    pub fn bytes(&self) -> usize {
        let row = size_of::<(ThreadRow, Unread)>() + TITLE_BYTES_MAX;
        self.to_make.min(self.threads.len()) * row + self.marks.len() * size_of::<Mark>()
    }

    /// Whether more is to be counted before the first row is listed.
    pub fn is_counting(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Counts for as long as `share` threads with little that is new take.
    pub fn count_on(&mut self, share: usize) {
        let mut left = share * MESSAGES_OF_A_ROW;
        let mut threads = self.threads.range(self.next..);
        while left > 0 && self.to_make > 0 {
            let Some((&id, thread)) = threads.next() else {
                self.to_make = 0;
                break;
            };
            self.next = id;
            let counting =
                self.counting.get_or_insert_with(|| Counting::begin(thread, mark_of(&self.marks, id)));
            if !counting.go_on(thread, self.reader, &mut left) {
                return;
            }
            let unread = counting.unread;
            (self.counting, self.next) = (None, ThreadId(id.0 + 1));
            if unread.count > 0 || !self.only_new {
                self.rows.push_back((ThreadRow::of(id, thread), unread));
                self.to_make -= 1;
            }
        }
        if self.to_make == 0 {
            self.threads = imbl::OrdMap::new();
        }
    }

    /// The next thread; none at the end.
    pub fn next_row(&mut self) -> Option<(ThreadRow, Unread)> {
        self.rows.pop_front()
    }
}

fn mark_of(marks: &[Mark], thread: ThreadId) -> ItemId {
    let place = marks.binary_search_by_key(&thread, |mark| mark.thread);
    place.map_or(ItemId(0), |place| marks[place].up_to)
}

impl Counting {
    fn begin(thread: &Thread, mark: ItemId) -> Self {
        let (post, upload) = thread.after(mark);
        Self { post, upload, unread: Unread::default() }
    }

    /// Counts on while something of the share is left; says whether it has come to the end.
    fn go_on(&mut self, thread: &Thread, reader: AccountId, left: &mut usize) -> bool {
        let posts = thread.posts();
        while *left > 0 && self.post < posts.len() {
            let run = posts.run_from(self.post);
            let run = &run[..run.len().min(*left)];
            for post in run.iter().filter(|post| post.author != reader) {
                self.unread.add(post.id, post.author);
            }
            self.post += run.len();
            *left -= run.len();
        }
        if self.post < posts.len() {
            return false;
        }
        for upload in thread.uploads()[self.upload..].iter().filter(|upload| upload.author != reader) {
            self.unread.add(upload.item, upload.author);
        }
        *left = left.saturating_sub(MESSAGES_OF_A_ROW);
        true
    }
}
