//! Looking for words in the messages of all threads, a share at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use forum_common::limits::TEXT_BYTES_MAX;
use forum_common::names::{Text, Title};
use memchr::memmem::Finder;

use super::{AccountId, ItemId, Post, Thread, ThreadId, Threads};
use crate::planted::{Bug, planted};

/// How many messages are found: the newest.
const FOUND_MAX: usize = 100;

/// What one share may cost, in bytes that are looked at: some 0.2 ms.
const SHARE: usize = 64 * 1024;

/// What a message costs beside its bytes.
const MESSAGE: usize = 64;

/// A message that contains all the words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Which one it is; the first field, so that the newer one is the greater.
    pub id: ItemId,
    /// Its number in its thread.
    pub number: u32,
    /// When it was posted, in UTC milliseconds.
    pub at_ms: u64,
    /// Who wrote it.
    pub author: AccountId,
    /// What it says.
    pub text: Text,
    /// Its thread's.
    pub title: Title,
}

/// A search under way. It has its own version of the threads only until all messages are looked at, which no client that
/// reads slowly can hold up; then only what was found.
#[derive(Debug)]
pub struct Search {
    words: Vec<Finder<'static>>,
    /// Those that are still to be looked at, the newest first.
    threads: imbl::OrdMap<ThreadId, Thread>,
    /// In the newest of them, messages up to this number are still to be looked at; none: all of them.
    up_to: Option<usize>,
    /// Only messages before this one.
    before: ItemId,
    /// The newest that were found, the oldest on top.
    heap: BinaryHeap<Reverse<Found>>,
    /// The same, once that is all: the newest last.
    found: Vec<Found>,
    /// The message at hand in lower case.
    lower: String,
}

impl Search {
    /// For messages that contain all of `words`, in any case and order; of all threads, or only of this one.
    pub fn new(threads: &Threads, words: &Text, only: Option<ThreadId>) -> Self {
        let mut words: Vec<String> = words.split([' ', '\t']).map(str::to_lowercase).collect();
        words.retain(|word| !word.is_empty());
        words.sort_unstable();
        words.dedup();
        Self {
            words: words.iter().map(|word| Finder::new(word).into_owned()).collect(),
            threads: threads.pinned(only),
            up_to: None,
            before: ItemId(u64::MAX),
            heap: BinaryHeap::new(),
            found: Vec::new(),
            lower: String::new(),
        }
    }

    /// Leaves out this message and all that are newer.
    pub fn skip_past(&mut self, id: u64) {
        self.before = ItemId(id);
    }

    /// What it will hold in memory, at most.
    pub fn bytes(&self) -> usize {
        FOUND_MAX * (size_of::<Found>() + TEXT_BYTES_MAX)
    }

    /// Whether messages are still to be looked at.
    pub fn is_searching(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Looks at one share of the messages.
    pub fn search_on(&mut self) {
        debug_assert!(self.is_searching(), "it has ended");
        let mut cost = 0;
        while cost < SHARE
            && let Some((id, thread)) = self.threads.get_max().cloned()
        {
            cost += MESSAGE;
            let end = self.up_to.take().unwrap_or(thread.posts().len());
            match self.search_thread(&thread, end, &mut cost) {
                0 => drop(self.threads.remove(&id)),
                left => self.up_to = Some(left),
            }
        }
        if self.threads.is_empty() {
            // In the order of `Reverse`, the newest comes first.
            let newest_first = std::mem::take(&mut self.heap).into_sorted_vec();
            self.found = newest_first.into_iter().rev().map(|found| found.0).collect();
        }
    }

    /// Looks at messages of a thread, from number `end` down, until the share is used up; up to which number there are
    /// more to be looked at.
    fn search_thread(&mut self, thread: &Thread, end: usize, cost: &mut usize) -> usize {
        for index in (0..end).rev() {
            let Some(post) = thread.posts().get(index).filter(|post| !self.is_too_old(post.id)) else {
                return 0;
            };
            *cost += MESSAGE;
            if post.id < self.before && self.contains_all(&post.text, cost) {
                self.note(thread, index, post);
            }
            if *cost >= SHARE {
                return index;
            }
        }
        0
    }

    /// Whether newer messages enough were found; those before this one in its thread are older still.
    fn is_too_old(&self, id: ItemId) -> bool {
        self.heap.len() == FOUND_MAX && self.heap.peek().is_some_and(|Reverse(oldest)| id < oldest.id)
    }

    fn contains_all(&mut self, text: &str, cost: &mut usize) -> bool {
        self.lower.clear();
        if text.is_ascii() {
            self.lower.push_str(text);
            self.lower.make_ascii_lowercase();
        } else {
            self.lower = text.to_lowercase();
        }
        let text = self.lower.as_bytes();
        let enough = if planted(Bug::SearchTakesOneWordForAll) { 1 } else { self.words.len() };
        self.words.iter().take(enough).all(|word| {
            *cost += text.len();
            word.find(text).is_some()
        })
    }

    fn note(&mut self, thread: &Thread, index: usize, post: &Post) {
        let (title, text) = (thread.title().clone(), post.text.clone());
        let number = index as u32 + 1;
        let found = Found { id: post.id, number, at_ms: post.at_ms, author: post.author, text, title };
        self.heap.push(Reverse(found));
        if self.heap.len() > FOUND_MAX {
            self.heap.pop();
        }
    }

    /// The next that was found, the newest first; none at the end.
    pub fn next_found(&mut self) -> Option<Found> {
        self.found.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(threads: &mut Threads, title: &str, texts: impl Iterator<Item = String>) {
        let title = Title::parse(title).unwrap();
        threads.create(title.clone(), AccountId(1));
        for text in texts {
            threads.post(&title, AccountId(1), 0, Text::parse(&text).unwrap()).unwrap();
        }
    }

    fn found(search: &mut Search) -> Vec<Found> {
        std::iter::from_fn(|| search.next_found()).collect()
    }

    #[test]
    fn a_share_is_bounded_and_what_is_posted_meanwhile_is_not_found() {
        let mut threads = Threads::default();
        thread(&mut threads, "old", (0..2_000).map(|number| format!("{number} {}", "x".repeat(100))));
        thread(&mut threads, "new", std::iter::once("x alone".to_owned()));
        let mut search = Search::new(&threads, &Text::parse("X 1999").unwrap(), None);
        search.search_on();
        assert!(search.is_searching(), "all in one share");
        thread(&mut threads, "newer", std::iter::once("x 1999".to_owned()));
        let mut shares = 1;
        while search.is_searching() {
            search.search_on();
            shares += 1;
        }
        assert!(shares <= 2_000 * 400 / SHARE, "{shares} shares");
        let found = found(&mut search);
        assert_eq!(
            found.iter().map(|found| (found.title.as_str(), found.number)).collect::<Vec<_>>(),
            [("old", 2_000)]
        );
    }

    #[test]
    fn once_enough_is_found_older_messages_are_not_looked_at() {
        let mut threads = Threads::default();
        thread(&mut threads, "old", (0..1_000).map(|_| "word".to_owned()));
        thread(&mut threads, "new", (0..1_000).map(|_| "word".to_owned()));
        let mut search = Search::new(&threads, &Text::parse("word").unwrap(), None);
        search.search_on();
        assert!(!search.is_searching(), "one share is enough for 100 and some");
        let found = found(&mut search);
        assert!(found.iter().map(|found| found.number).eq((901..=1_000).rev()));
    }
}
