//! Who is told of new messages in which threads, from both sides: a post asks who watches its thread, and how many a
//! user watches is limited.

use std::sync::Arc;

use forum_common::limits::WATCHES_MAX;

use super::{AccountId, ThreadId, Threads, Users};

/// All watches. A user who watches nothing, and a thread that nobody watches, take no memory.
#[derive(Debug, Clone, Default)]
pub struct Watches {
    /// The threads that a user watches, in the order in which it began to. A removed one stays until the user changes
    /// its watches, and counts no more: so a removal costs the same however many watched.
    by_user: imbl::OrdMap<AccountId, Arc<Vec<ThreadId>>>,
    /// Who watches a thread.
    by_thread: imbl::OrdMap<ThreadId, Users>,
}

impl Watches {
    /// Whether a user watches a thread.
    pub fn has(&self, user: AccountId, thread: ThreadId) -> bool {
        self.by_thread.get(&thread).is_some_and(|users| users.contains(&user))
    }

    /// Whether a user watches as many threads as it can.
    pub fn is_full(&self, user: AccountId, threads: &Threads) -> bool {
        let watched = self.by_user.get(&user).into_iter().flat_map(|watched| watched.iter());
        watched.filter(|thread| threads.get(**thread).is_some()).count() >= WATCHES_MAX
    }

    /// What a user watches, in the order in which it began to; some of it may be removed.
    pub fn by(&self, user: AccountId) -> &[ThreadId] {
        self.by_user.get(&user).map_or(&[], |watched| watched.as_slice())
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.by_thread.is_empty()
    }

    /// Who watches a thread.
    pub fn of(&self, thread: ThreadId) -> Users {
        self.by_thread.get(&thread).cloned().unwrap_or_default()
    }

    /// What the first user from `user` on watches; some of it may be removed.
    pub(super) fn from(&self, user: AccountId) -> Option<(AccountId, &[ThreadId])> {
        self.by_user.range(user..).next().map(|(user, watched)| (*user, watched.as_slice()))
    }

    pub(super) fn add(&mut self, user: AccountId, thread: ThreadId, threads: &Threads) {
        let watched = Arc::make_mut(self.by_user.entry(user).or_default());
        watched.retain(|thread| threads.get(*thread).is_some());
        watched.push(thread);
        self.by_thread.entry(thread).or_default().insert(user);
    }

    pub(super) fn remove(&mut self, user: AccountId, thread: ThreadId) {
        if let Some(watched) = self.by_user.get_mut(&user) {
            Arc::make_mut(watched).retain(|known| *known != thread);
            if watched.is_empty() {
                self.by_user.remove(&user);
            }
        }
        if let Some(users) = self.by_thread.get_mut(&thread) {
            users.remove(&user);
            if users.is_empty() {
                self.by_thread.remove(&thread);
            }
        }
    }

    /// A thread was removed.
    pub(super) fn forget(&mut self, thread: ThreadId) {
        self.by_thread.remove(&thread);
    }
}
