//! What follows the removal of a thread: its downloads break off, its messages are freed, its files are unlinked (see
//! [`super::unlinking`]). However large the thread is, each turn does a share of that.

use std::collections::VecDeque;

use forum_common::names::Title;
use forum_common::text::Rejection;

use crate::core::Core;
use crate::core::disposal::Disposal;
use crate::core::transfers::{TransferKey, Transfers};
use crate::forum::{Post, Thread, ThreadId};
use crate::journal::Journal;
use crate::session::{ConnectionId, Task};

/// Downloads that are broken off in one turn, 1 µs or two each.
pub(crate) const BREAK_SHARE: usize = 256;

/// Removals that have not been followed to their end.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    /// Removed threads whose downloads are to be broken off, with the title each had.
    threads: VecDeque<(ThreadId, Title)>,
    /// Messages of removed threads.
    pub(crate) posts: Disposal<Post>,
}

impl Removal {
    /// Whether something is left for the next turn.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.threads.is_empty() || !self.posts.is_empty()
    }

    /// A download of a removed thread, and the thread's title.
    fn next_download(&mut self, transfers: &Transfers) -> Option<(TransferKey, Title)> {
        while let Some((removed, title)) = self.threads.front() {
            match transfers.download_of_thread(*removed) {
                Some(key) => return Some((key, title.clone())),
                None => self.threads.pop_front(),
            };
        }
        None
    }
}

impl<J: Journal> Core<J> {
    /// A thread was removed.
    pub(crate) fn thread_removed(&mut self, id: ThreadId, thread: &mut Thread) {
        let files: Vec<_> = thread.uploads().iter().map(|upload| upload.id).collect();
        self.unlink_when_durable(files);
        self.removal.posts.add(thread.take_posts());
        self.removal.threads.push_back((id, thread.title().clone()));
    }

    /// A connection ends, and with it the list that it reads or waits for.
    pub(crate) fn drop_list_of(&mut self, id: ConnectionId) {
        let member = self.sessions.member_mut(id);
        match member.map(|member| &mut member.task) {
            Some(task @ Task::Listing(_)) => {
                let task = std::mem::replace(task, Task::Idle);
                self.drop_task(id, task);
            }
            _ => self.end_listing(id),
        }
    }

    /// A task is over. A list may be the last to have the messages of a thread that was removed meanwhile.
    pub(crate) fn drop_task(&mut self, id: ConnectionId, task: Task) {
        if let Task::Listing(listing) = task {
            self.end_listing(id);
            if let Some(posts) = listing.into_posts() {
                self.removal.posts.add(posts);
            }
        }
    }

    /// Does this turn's share of what is left of removals.
    pub(crate) fn continue_removals(&mut self) {
        for _ in 0..BREAK_SHARE {
            let Some((key, title)) = self.removal.next_download(&self.transfers) else { break };
            self.break_download(key, &Rejection::RemovedDuringDownload(title));
        }
        self.removal.posts.work();
    }
}
