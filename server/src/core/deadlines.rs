//! Deadlines, cheap enough to have several for every connection. They know connections and instants, neither what is to
//! be done nor what the time is.
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
//! So a deadline is looked at about once per duration, however busy its connection is. It has one item at any time, and
//! none once its connection is gone: who connects and leaves in a loop leaves nothing here.
//!
//! Each kind is a binary heap that knows where each connection stands in it, so that an item can be moved: some 20 bytes
//! for each connection that has one, and 4 for one that has had one.

use std::time::Instant;

use crate::clock::{Moment, Start};
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

    /// All that a connection may have, each at the place of its kind.
    pub(crate) fn all_of(id: ConnectionId) -> [Self; Self::KINDS] {
        [Self::Phase(id), Self::Transfers(id), Self::Stall(id)]
    }

    fn kind(self) -> (usize, ConnectionId) {
        match self {
            Self::Phase(id) => (0, id),
            Self::Transfers(id) => (1, id),
            Self::Stall(id) => (2, id),
        }
    }
}

/// What falls due, the earliest first.
#[derive(Debug)]
pub(crate) struct Deadlines {
    start: Start,
    kinds: [Heap; Deadline::KINDS],
}

impl Deadlines {
    /// None yet. What is to fall due before `start` falls due then.
    pub(crate) fn new(start: Start) -> Self {
        Self { start, kinds: Default::default() }
    }

    /// Asks for `deadline` to be handed back when `due` has come, and no longer when it was to be before.
    pub(crate) fn set(&mut self, deadline: Deadline, due: Instant) {
        let (kind, id) = deadline.kind();
        let due = self.start.moment(due);
        self.kinds[kind].set(id, due);
    }

    /// Forgets a deadline.
    pub(crate) fn remove(&mut self, deadline: Deadline) {
        let (kind, id) = deadline.kind();
        self.kinds[kind].remove(id);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.iter().map(|heap| heap.items.len()).sum()
    }

    /// Takes out one whose time has come. It may be out of date: see the module.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Deadline> {
        let now = self.start.moment(now);
        let (kind, (due, id)) = self.first()?;
        if due > now {
            return None;
        }
        self.kinds[kind].remove(id);
        Some(Deadline::all_of(id)[kind])
    }

    /// When the next falls due: until then the loop may sleep.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.first().map(|(_, (due, _))| self.start.instant(due))
    }

    /// The earliest, with its kind.
    fn first(&self) -> Option<(usize, (Moment, ConnectionId))> {
        let firsts = self.kinds.iter().enumerate();
        firsts.filter_map(|(kind, heap)| Some((kind, *heap.items.first()?))).min_by_key(|(_, (due, _))| *due)
    }
}

/// Of a connection that has no item.
const NOWHERE: u32 = u32::MAX;

/// A binary heap of connections, the earliest first: nobody is earlier than its parent, which stands at half its index.
#[derive(Debug, Default)]
struct Heap {
    items: Vec<(Moment, ConnectionId)>,
    /// Where the connection in each slot stands; up to the highest slot that has ever had an item.
    places: Vec<u32>,
}

impl Heap {
    fn set(&mut self, id: ConnectionId, due: Moment) {
        self.remove(id);
        let slot = id.slot as usize;
        if slot >= self.places.len() {
            self.places.resize(slot + 1, NOWHERE);
        }
        self.items.push((due, id));
        self.settle(self.items.len() - 1);
    }

    fn remove(&mut self, id: ConnectionId) {
        let Some(place) = self.places.get_mut(id.slot as usize).filter(|place| **place != NOWHERE) else {
            return;
        };
        let at = std::mem::replace(place, NOWHERE) as usize;
        self.items.swap_remove(at);
        if at < self.items.len() {
            self.settle(at);
        }
    }

    /// Moves the item at `at`, the only one that may stand wrong, to where it belongs.
    fn settle(&mut self, mut at: usize) {
        while at > 0 && self.items[at].0 < self.items[(at - 1) / 2].0 {
            self.items.swap(at, (at - 1) / 2);
            self.note_place(at);
            at = (at - 1) / 2;
        }
        loop {
            let children = 2 * at + 1..(2 * at + 3).min(self.items.len());
            let Some(child) = children.min_by_key(|child| self.items[*child].0) else { break };
            if self.items[at].0 <= self.items[child].0 {
                break;
            }
            self.items.swap(at, child);
            self.note_place(at);
            at = child;
        }
        self.note_place(at);
    }

    fn note_place(&mut self, at: usize) {
        self.places[self.items[at].1.slot as usize] = at as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn phase(slot: u32) -> Deadline {
        Deadline::Phase(ConnectionId { slot, generation: 1 })
    }

    #[test]
    fn nothing_falls_due_early() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Start::new(start));
        deadlines.set(phase(7), start + 10 * MS);
        assert_eq!(deadlines.next_due(), Some(start + 10 * MS));
        assert_eq!(deadlines.pop_due(start + 10 * MS - Duration::from_nanos(1)), None);
        assert_eq!(deadlines.pop_due(start + 10 * MS), Some(phase(7)));
        assert_eq!(deadlines.next_due(), None);
    }

    #[test]
    fn a_key_is_handed_back_once_at_its_newest_instant_and_never_once_removed() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Start::new(start));
        deadlines.set(phase(0), start + 10 * MS);
        deadlines.set(phase(0), start + 20 * MS);
        deadlines.set(phase(1), start + 15 * MS);
        deadlines.remove(phase(1));
        deadlines.remove(phase(2));
        assert_eq!(deadlines.next_due(), Some(start + 20 * MS));
        assert_eq!(deadlines.pop_due(start + 20 * MS), Some(phase(0)));
        assert_eq!(deadlines.pop_due(start + 20 * MS), None);
    }

    #[test]
    fn what_would_fall_due_in_centuries_can_be_forgotten() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Start::new(start));
        let centuries = Duration::from_secs(1_000 * 366 * 24 * 60 * 60);
        deadlines.set(phase(0), start + centuries);
        assert_eq!(deadlines.pop_due(start + 10 * MS), None);
        deadlines.remove(phase(0));
        assert_eq!(deadlines.len(), 0);
    }

    #[test]
    fn each_deadline_of_each_connection_stands_for_itself() {
        let start = Instant::now();
        let ids = (0..5).map(|slot| ConnectionId { slot, generation: 1 });
        let all: Vec<_> = ids.flat_map(Deadline::all_of).collect();
        let mut deadlines = Deadlines::new(Start::new(start));
        all.iter().rev().zip(1..).for_each(|(deadline, n)| deadlines.set(*deadline, start + n * MS));
        deadlines.remove(all[0]);
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(start + 100 * MS)).collect();
        assert!(due.iter().eq(all[1..].iter().rev()), "{due:?}");
    }

    proptest! {
        #[test]
        fn what_is_set_comes_out_in_time_and_once(
            steps in prop::collection::vec((0u32..20, 0usize..3, 0u32..50, 0u32..5, any::<bool>()), 0..400),
        ) {
            let start = Instant::now();
            let (mut deadlines, mut model, mut now) = (Deadlines::new(Start::new(start)), Vec::new(), start);
            for (slot, kind, ahead, passes, is_removed) in steps {
                let key = Deadline::all_of(ConnectionId { slot, generation: 1 })[kind];
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
