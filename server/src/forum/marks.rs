//! How far users have read threads.
//!
//! A mark is the id of the last message or file that was read. Ids only rise and are never used again, so what was read
//! stays so whatever is deleted or edited meanwhile; a number within the thread would not, since deletions move others up.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccountId, ItemId, ThreadId, Threads};

/// Threads of which a user has marks at most; the least recently read makes room, and is all new again. Part of the
/// format: `apply` reads no option.
pub const MARKS_MAX: usize = 1_000;

/// How far a thread was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which thread.
    pub thread: ThreadId,
    /// Up to this message or file.
    pub up_to: ItemId,
}

/// Takes the mark of a thread out of a user's marks: how far the thread was read; 0 if there is none.
pub fn take_mark_of(thread: ThreadId, marks: &mut Vec<Mark>) -> ItemId {
    let known = marks.iter().position(|known| known.thread == thread);
    known.map_or(ItemId(0), |place| marks.remove(place).up_to)
}

/// The mark of a thread among a user's marks.
pub fn mark_of(thread: ThreadId, marks: &[Mark]) -> Option<ItemId> {
    marks.iter().find(|known| known.thread == thread).map(|known| known.up_to)
}

/// All marks. A user who never marks anything takes no memory.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// Of each user, the least recently read first. Those of removed threads stay until there is no room, and count no
    /// more: so a removal costs the same however many have read the thread.
    by_user: imbl::OrdMap<AccountId, Arc<Vec<Mark>>>,
}

impl Marks {
    /// The mark that a user has of a thread.
    pub fn of(&self, user: AccountId, thread: ThreadId) -> Option<ItemId> {
        mark_of(thread, self.all_of(user))
    }

    /// The marks of a user, the least recently read thread first; some of the threads may be removed.
    pub fn all_of(&self, user: AccountId) -> &[Mark] {
        self.by_user.get(&user).map_or(&[], |marks| marks.as_slice())
    }

    /// The marks of the first user from `user` on.
    pub(super) fn from(&self, user: AccountId) -> Option<(AccountId, &[Mark])> {
        self.by_user.range(user..).next().map(|(user, marks)| (*user, marks.as_slice()))
    }

    /// A user has read a thread up to there, or further before. What was never in the thread was not read.
    pub(super) fn set(&mut self, user: AccountId, mark: Mark, threads: &Threads) {
        let newest = threads.get(mark.thread).and_then(|thread| thread.newest_item());
        let Some((newest, ..)) = newest else { return };
        let marks = Arc::make_mut(self.by_user.entry(user).or_default());
        let known = take_mark_of(mark.thread, marks);
        if marks.len() >= MARKS_MAX {
            marks.retain(|known| threads.get(known.thread).is_some());
        }
        if marks.len() >= MARKS_MAX {
            marks.remove(0);
        }
        marks.push(Mark { up_to: mark.up_to.min(newest).max(known), ..mark });
    }

    /// Puts a mark where a snapshot had it.
    pub(super) fn restore(&mut self, user: AccountId, mark: Mark) {
        Arc::make_mut(self.by_user.entry(user).or_default()).push(mark);
    }
}
