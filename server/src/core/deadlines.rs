//! Deadlines, cheap enough to have several for every connection: one ordered set. It knows keys and instants, neither
//! what they belong to nor what the time is.
//!
//! Activity costs nothing, so nobody moves a deadline: a connection notes when it was last active, and its item stays
//! where it is. When the item falls due, its owner works out the true deadline and, if that still lies ahead, sets it
//! again:
//!
//! ```text
//! while let Some(Deadline::Idle(id)) = deadlines.pop_due(now) {
//!     match sessions.get(id).map(|session| session.active_at + idle_timeout) {
//!         None => {}                                  // closed meanwhile: the item was its last trace
//!         Some(due) if due > now => deadlines.set(Deadline::Idle(id), due),
//!         Some(_) => log_out(id),
//!     }
//! }
//! ```
//!
//! So a key is looked at about once per duration, however busy it is, and has one item at any time.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::session::ConnectionId;

/// What may have gone on for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// Keys that fall due, the earliest first.
#[derive(Debug)]
pub(crate) struct Deadlines<K>(BTreeSet<(Instant, K)>);

impl<K: Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Deadlines<K> {
    /// Asks for `key` to be handed back when `due` has come.
    pub(crate) fn set(&mut self, key: K, due: Instant) {
        self.0.insert((due, key));
    }

    /// Takes out one key whose time has come. The deadline may be out of date: see the module.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, key)| key)
    }

    /// When the next key falls due: until then the loop may sleep.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.0.first().map(|(due, _)| *due)
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
