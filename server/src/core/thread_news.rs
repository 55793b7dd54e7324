//! Who is still to be told of messages in threads that they watch. Most threads are watched by few, who are told at
//! once; of a thread that hundreds watch, each turn tells a share.

use std::collections::VecDeque;
use std::ops::Bound;

use forum_common::names::{Text, Title};

use crate::forum::{AccountId, ItemId, ThreadId, Users};

/// Users who are told in one turn, 1 µs or less each.
const TELL_SHARE: usize = 256;

/// Messages that may wait, 2 MiB of text at most. The oldest is told to all who are left, in one turn, when one more
/// comes.
const WAITING_MAX: usize = 256;

/// A message, and who is to be told of it.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) author: AccountId,
    pub(crate) title: Title,
    pub(crate) thread: ThreadId,
    pub(crate) number: u32,
    pub(crate) id: ItemId,
    pub(crate) at_ms: u64,
    pub(crate) text: Text,
    /// Who watched the thread when it was posted.
    pub(crate) watchers: Users,
    /// Who had blocked the author then.
    pub(crate) excluded: Users,
    /// Up to this user all were told.
    pub(crate) after: Option<AccountId>,
}

impl News {
    /// The next who are to be told, at most `share`; less if they are the last.
    pub(crate) fn next_share(&mut self, share: usize) -> Vec<AccountId> {
        let start = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let next: Vec<_> = self.watchers.range((start, Bound::Unbounded)).take(share).copied().collect();
        self.after = next.last().copied().or(self.after);
        next
    }
}

/// Messages of which some are still to be told, the oldest first.
#[derive(Debug)]
pub(crate) struct ThreadNews {
    waiting: VecDeque<News>,
    /// [`TELL_SHARE`] and [`WAITING_MAX`]; less in unit tests.
    pub(crate) share: usize,
    pub(crate) waiting_max: usize,
}

impl Default for ThreadNews {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), share: TELL_SHARE, waiting_max: WAITING_MAX }
    }
}

impl ThreadNews {
    /// Whether all were told of everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// One message more. If too many wait, hands back the oldest: those who are left are to be told of it now.
    pub(crate) fn push(&mut self, news: News) -> Option<News> {
        self.waiting.push_back(news);
        if self.waiting.len() > self.waiting_max { self.waiting.pop_front() } else { None }
    }

    /// The message that is told next.
    pub(crate) fn pop(&mut self) -> Option<News> {
        self.waiting.pop_front()
    }

    /// There are more to be told of it.
    pub(crate) fn put_back(&mut self, news: News) {
        self.waiting.push_front(news);
    }
}
