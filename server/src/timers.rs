//! Deadlines, cheap enough to have one for every connection. This module knows keys and instants, neither
//! what they belong to nor what the time is.
//!
//! Activity must cost nothing, so nobody moves a deadline: a connection notes when it was last active, and
//! its item stays where it is. When the item falls due, its owner works out the true deadline and, if that
//! still lies ahead, pushes the key again:
//!
//! ```text
//! while let Some(key) = idle.pop_due(now) {
//!     match connections.get(key).map(|connection| connection.last_active + idle_max) {
//!         None => {}                                  // closed meanwhile: the item was its last trace
//!         Some(due) if due > now => idle.push(key, due),
//!         Some(_) => log_out(key),
//!     }
//! }
//! ```
//!
//! So a key is looked at about once per duration, however busy it is, and has one item at any time.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

/// Places that a queue keeps however few items it has.
const KEPT_MAX: usize = 256;

/// Keys that fall due, the earliest first; of equal deadlines in any order.
///
/// There is one queue for each duration. Where every deadline is *now plus the duration* (a log-in must be
/// over 60 s after the accept), each push is later than the one before it: such items are kept in a plain
/// queue, O(1) each. A deadline counted from past activity breaks that order: of two connections, the one
/// that was checked last may well have been active first. Those, and only those, go through a heap: O(log n)
/// once per duration, and neither early nor late.
#[derive(Debug)]
pub struct DeadlineQueue<K> {
    /// Sorted, because only what is not earlier than the last item gets in.
    in_order: VecDeque<Item<K>>,
    out_of_order: BinaryHeap<Item<K>>,
}

impl<K> Default for DeadlineQueue<K> {
    fn default() -> Self {
        Self { in_order: VecDeque::new(), out_of_order: BinaryHeap::new() }
    }
}

impl<K> DeadlineQueue<K> {
    /// Asks for `key` to be handed back when `due` has come.
    pub fn push(&mut self, key: K, due: Instant) {
        let item = Item { due, key };
        if self.in_order.back().is_none_or(|last| last.due <= due) {
            self.in_order.push_back(item);
        } else {
            self.out_of_order.push(item);
        }
    }

    /// Takes out one key whose time has come. The deadline may be out of date: see the module.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        let item = if self.heap_is_first() { self.out_of_order.pop() } else { self.in_order.pop_front() };
        self.release();
        item.map(|item| item.key)
    }

    /// Gives memory back that a rush of connections took and that is mostly unused now.
    fn release(&mut self) {
        let (length, capacity) = (self.in_order.len(), self.in_order.capacity());
        if capacity > KEPT_MAX && length < capacity / 4 {
            self.in_order.shrink_to(2 * length);
        }
    }

    /// When the next key falls due: until then the loop may sleep.
    pub fn next_due(&self) -> Option<Instant> {
        let first = if self.heap_is_first() { self.out_of_order.peek() } else { self.in_order.front() };
        first.map(|item| item.due)
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.in_order.len() + self.out_of_order.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn heap_is_first(&self) -> bool {
        match (self.in_order.front(), self.out_of_order.peek()) {
            (Some(queued), Some(heaped)) => heaped.due < queued.due,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }
}

#[derive(Debug)]
struct Item<K> {
    due: Instant,
    key: K,
}

/// The heap's order: the item that falls due first is the greatest. Keys take no part in it.
impl<K> Ord for Item<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}

impl<K> PartialOrd for Item<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> PartialEq for Item<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K> Eq for Item<K> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_falls_due_early() {
        let start = Instant::now();
        let mut queue = DeadlineQueue::default();
        queue.push('a', start + 10 * MS);
        assert_eq!(queue.next_due(), Some(start + 10 * MS));
        assert_eq!(queue.pop_due(start + 9 * MS), None);
        assert_eq!(queue.pop_due(start + 10 * MS), Some('a'));
        assert!(queue.is_empty());
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn deadlines_pushed_in_order_never_touch_the_heap() {
        let start = Instant::now();
        let mut queue = DeadlineQueue::default();
        for n in 0..1_000 {
            queue.push(n, start + n / 3 * MS);
        }
        assert_eq!((queue.in_order.len(), queue.out_of_order.len()), (1_000, 0));
    }

    /// Idle time 10 ms: `a` comes at 0 and is active at 2, `b` comes at 9. At 10 `a` is looked at and pushed
    /// again for 12, while `b` already waits for 19: in a plain queue, `a` would be 7 ms late.
    #[test]
    fn a_deadline_that_was_pushed_again_is_not_held_up_by_later_ones() {
        let start = Instant::now();
        let mut queue = DeadlineQueue::default();
        queue.push('a', start + 10 * MS);
        queue.push('b', start + 19 * MS);
        assert_eq!(queue.pop_due(start + 10 * MS), Some('a'));
        queue.push('a', start + 12 * MS);
        assert_eq!(queue.next_due(), Some(start + 12 * MS));
        assert_eq!(queue.pop_due(start + 12 * MS), Some('a'));
        assert_eq!(queue.pop_due(start + 12 * MS), None);
    }

    proptest! {
        #[test]
        fn whatever_is_pushed_comes_out_in_time_and_once(
            steps in proptest::collection::vec((0u32..50, 0u32..5), 0..200),
        ) {
            let start = Instant::now();
            let (mut queue, mut model, mut now) = (DeadlineQueue::default(), Vec::new(), start);
            for (key, (ahead, passes)) in steps.into_iter().enumerate() {
                queue.push(key, now + ahead * MS);
                model.push((now + ahead * MS, key));
                now += passes * MS;
                let mut due: Vec<_> = std::iter::from_fn(|| queue.pop_due(now)).collect();
                let mut expected: Vec<_> =
                    model.extract_if(.., |(due, _)| *due <= now).map(|(_, key)| key).collect();
                due.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(due, expected);
                prop_assert_eq!(queue.next_due(), model.iter().map(|(due, _)| *due).min());
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
