//! Deadlines, cheap enough to have several for every connection: one heap of keys, each with an instant. It knows neither
//! what the keys belong to nor what the time is.
//!
//! Activity costs nothing, so nobody moves a deadline: a connection notes when it was last active, and its item stays
//! where it is. When the item falls due, its owner works out the true deadline and, if that still lies ahead, sets it
//! again:
//!
//! ```text
//! while let Some(Deadline::Idle(id)) = deadlines.pop_due(now) {
//!     match sessions.get(id).map(|session| session.active_at + idle_timeout) {
//!         None => {}                                  // it ends in this turn
//!         Some(due) if due > now => deadlines.set(Deadline::Idle(id), due),
//!         Some(_) => log_out(id),
//!     }
//! }
//! ```
//!
//! So a key is looked at about once per duration, however busy it is. It has one item at any time, and none once its
//! owner is gone: who connects and leaves in a loop leaves nothing here.

use std::cmp::Reverse;
use std::hash::Hash;
use std::time::Instant;

use priority_queue::PriorityQueue;

use crate::session::ConnectionId;

/// What may have gone on for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Deadline {
    /// A log-in.
    LogIn(ConnectionId),
    /// A member's idleness.
    Idle(ConnectionId),
    /// The end of a connection whose last word is said.
    Draining(ConnectionId),
    /// One of a connection's transfers.
    Transfers(ConnectionId),
    /// Output of which the kernel takes nothing.
    Stall(ConnectionId),
}

impl Deadline {
    /// How many a connection may have.
    pub(crate) const KINDS: usize = 5;

    /// All that a connection may have.
    pub(crate) fn all_of(id: ConnectionId) -> [Self; Self::KINDS] {
        [Self::LogIn(id), Self::Idle(id), Self::Draining(id), Self::Transfers(id), Self::Stall(id)]
    }
}

/// Keys that fall due, the earliest first.
#[derive(Debug)]
pub(crate) struct Deadlines<K: Hash + Eq>(PriorityQueue<K, Reverse<Instant>>);

impl<K: Hash + Eq> Default for Deadlines<K> {
    fn default() -> Self {
        Self(PriorityQueue::new())
    }
}

impl<K: Hash + Eq> Deadlines<K> {
    /// Asks for `key` to be handed back when `due` has come, and no longer when it was to be before.
    pub(crate) fn set(&mut self, key: K, due: Instant) {
        self.0.push(key, Reverse(due));
    }

    /// Forgets a key whose owner is gone.
    pub(crate) fn remove(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes out one key whose time has come. The deadline may be out of date: see the module.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        self.0.pop().map(|(key, _)| key)
    }

    /// When the next key falls due: until then the loop may sleep.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.0.peek().map(|(_, Reverse(due))| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_falls_due_early() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.set('a', start + 10 * MS);
        assert_eq!(deadlines.next_due(), Some(start + 10 * MS));
        assert_eq!(deadlines.pop_due(start + 9 * MS), None);
        assert_eq!(deadlines.pop_due(start + 10 * MS), Some('a'));
        assert_eq!(deadlines.next_due(), None);
    }

    #[test]
    fn a_key_is_handed_back_once_at_its_newest_instant_and_never_once_removed() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.set('a', start + 10 * MS);
        deadlines.set('a', start + 20 * MS);
        deadlines.set('b', start + 15 * MS);
        deadlines.remove(&'b');
        assert_eq!(deadlines.next_due(), Some(start + 20 * MS));
        assert_eq!(deadlines.pop_due(start + 20 * MS), Some('a'));
        assert_eq!(deadlines.pop_due(start + 20 * MS), None);
    }

    proptest! {
        #[test]
        fn what_is_set_comes_out_in_time_and_once(steps in prop::collection::vec((0u32..50, 0u32..5), 0..200)) {
            let start = Instant::now();
            let (mut deadlines, mut model, mut now) = (Deadlines::default(), Vec::new(), start);
            for (key, (ahead, passes)) in steps.into_iter().enumerate() {
                deadlines.set(key, now + ahead * MS);
                model.push((now + ahead * MS, key));
                now += passes * MS;
                let mut due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(now)).collect();
                let mut expected: Vec<_> =
                    model.extract_if(.., |(due, _)| *due <= now).map(|(_, key)| key).collect();
                due.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(due, expected);
                prop_assert_eq!(deadlines.next_due(), model.iter().map(|(due, _)| *due).min());
            }
        }
    }
}
