//! Deadlines, cheap enough to have several for every connection: one ordered set. It knows keys and instants, neither
//! what they belong to nor what the time is.
//!
//! Activity costs nothing, so nobody moves a deadline: a connection notes when it was last active, and its item stays
//! where it is. When the item falls due, its owner works out the true deadline and, if that still lies ahead, sets it
//! again:
//!
//! ```text
//! while let Some(Deadline::Phase(id)) = deadlines.pop_due(now) {
//!     match sessions.get(id).map(|session| session.active_at + idle_timeout) {
//!         None => {}                                  // it ends in this turn
//!         Some(due) if due > now => deadlines.set(Deadline::Phase(id), due),
//!         Some(_) => log_out(id),
//!     }
//! }
//! ```
//!
//! So a key is looked at about once per duration, however busy it is. It has one item at any time, and none once its
//! connection is gone: who connects and leaves in a loop leaves nothing here. For that each key has a place of its own,
//! which says when it falls due.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::session::ConnectionId;

/// What may have gone on for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// What its session is at: a log-in, a member's idleness, or the end after the last word.
    Phase(ConnectionId),
    /// One of a connection's transfers.
    Transfers(ConnectionId),
    /// Output of which the kernel takes nothing.
    Stall(ConnectionId),
}

impl Deadline {
    /// How many a connection may have.
    pub(crate) const KINDS: usize = 3;

    /// All that a connection may have.
    pub(crate) fn all_of(id: ConnectionId) -> [Self; Self::KINDS] {
        [Self::Phase(id), Self::Transfers(id), Self::Stall(id)]
    }
}

/// What falls due.
pub(crate) trait Key: Copy + Ord {
    /// Where it is found among all that may be set at one time. Places are few: they are counted from 0.
    fn place(self) -> usize;
}

impl Key for ConnectionId {
    fn place(self) -> usize {
        self.slot as usize
    }
}

impl Key for Deadline {
    fn place(self) -> usize {
        let (id, kind) = match self {
            Self::Phase(id) => (id, 0),
            Self::Transfers(id) => (id, 1),
            Self::Stall(id) => (id, 2),
        };
        id.place() * Self::KINDS + kind
    }
}

/// An instant: so long after the start. It takes half the room of [`Instant`].
type Due = u64;

/// Of a key that is not set.
const NEVER: Due = Due::MAX;

/// Keys that fall due, the earliest first.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    start: Instant,
    items: BTreeSet<(Due, K)>,
    /// When what has each place falls due.
    dues: Vec<Due>,
}

impl<K: Key> Deadlines<K> {
    /// None yet. What is to fall due before `start` falls due then.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, items: BTreeSet::new(), dues: Vec::new() }
    }

    /// Asks for `key` to be handed back when `due` has come, and no longer when it was to be before.
    pub(crate) fn set(&mut self, key: K, due: Instant) {
        self.remove(key);
        let due = self.after_start(due);
        let place = key.place();
        if place >= self.dues.len() {
            self.dues.resize(place + 1, NEVER);
        }
        self.dues[place] = due;
        self.items.insert((due, key));
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: K) {
        if let Some(due) = self.dues.get_mut(key.place())
            && *due != NEVER
        {
            self.items.remove(&(*due, key));
            *due = NEVER;
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes out one key whose time has come. The deadline may be out of date: see the module.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.items.first()?.0 > self.after_start(now) {
            return None;
        }
        let (_, key) = self.items.pop_first()?;
        self.dues[key.place()] = NEVER;
        Some(key)
    }

    /// When the next key falls due: until then the loop may sleep.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.items.first().map(|(due, _)| self.start + Duration::from_nanos(*due))
    }

    /// In nanoseconds, which last for 584 years.
    fn after_start(&self, instant: Instant) -> Due {
        let nanoseconds = instant.saturating_duration_since(self.start).as_nanos();
        Due::try_from(nanoseconds).unwrap_or(NEVER).min(NEVER - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    impl Key for u32 {
        fn place(self) -> usize {
            self as usize
        }
    }

    #[test]
    fn nothing_falls_due_early() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        deadlines.set(7, start + 10 * MS);
        assert_eq!(deadlines.next_due(), Some(start + 10 * MS));
        assert_eq!(deadlines.pop_due(start + 10 * MS - Duration::from_nanos(1)), None);
        assert_eq!(deadlines.pop_due(start + 10 * MS), Some(7));
        assert_eq!(deadlines.next_due(), None);
    }

    #[test]
    fn a_key_is_handed_back_once_at_its_newest_instant_and_never_once_removed() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        deadlines.set(0, start + 10 * MS);
        deadlines.set(0, start + 20 * MS);
        deadlines.set(1, start + 15 * MS);
        deadlines.remove(1);
        deadlines.remove(2);
        assert_eq!(deadlines.next_due(), Some(start + 20 * MS));
        assert_eq!(deadlines.pop_due(start + 20 * MS), Some(0));
        assert_eq!(deadlines.pop_due(start + 20 * MS), None);
    }

    #[test]
    fn each_deadline_of_each_connection_has_a_place_of_its_own() {
        let ids = (0..5).map(|slot| ConnectionId { slot, generation: 1 });
        let places: Vec<_> = ids.flat_map(Deadline::all_of).map(Key::place).collect();
        assert_eq!(places, (0..5 * Deadline::KINDS).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn what_is_set_comes_out_in_time_and_once(
            steps in prop::collection::vec((0u32..20, 0u32..50, 0u32..5, any::<bool>()), 0..200),
        ) {
            let start = Instant::now();
            let (mut deadlines, mut model, mut now) = (Deadlines::new(start), Vec::new(), start);
            for (key, ahead, passes, is_removed) in steps {
                model.retain(|(_, other)| *other != key);
                if is_removed {
                    deadlines.remove(key);
                } else {
                    deadlines.set(key, now + ahead * MS);
                    model.push((now + ahead * MS, key));
                }
                now += passes * MS;
                let mut due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(now)).collect();
                let mut expected: Vec<_> =
                    model.extract_if(.., |(due, _)| *due <= now).map(|(_, key)| key).collect();
                due.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(due, expected);
                prop_assert_eq!(deadlines.next_due(), model.iter().map(|(due, _)| *due).min());
                prop_assert_eq!(deadlines.len(), model.len());
            }
        }
    }
}
