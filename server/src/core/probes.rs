//! Who is probed when. A peer that vanished says nothing, and a server that says nothing to it never finds out: so a
//! connection over which nothing has gone for [`SILENCE`] is sent a probe, and the kernel ends it if nothing acknowledges
//! that in time.
//!
//! The kernel's own keepalive would do the same without us, but its timers fire many at once, in one interrupt: with
//! 1,000,000 connections pauses of 0.3 s were measured. Probes are spaced: [`PROBES_A_SECOND`] at most, so all of up to
//! 100,000 silent connections are probed in time, and those of more proportionally later.

use std::time::{Duration, Instant};

use crate::core::deadlines::Deadlines;
use crate::session::ConnectionId;

/// After so long a silence, in both directions, a connection is probed.
pub(crate) const SILENCE: Duration = Duration::from_secs(25);

/// Probes sent in a second.
pub(crate) const PROBES_A_SECOND: u32 = 4_000;

/// Probes that one turn sends, however long the turn before it was: they take some 0.2 ms.
pub(crate) const PROBES_A_TURN: u32 = 40;

/// Connections that are looked at in one turn to find the silent ones.
const LOOKS_A_TURN: u32 = 1_000;

const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / PROBES_A_SECOND as u64);

/// When which connection is looked at.
#[derive(Debug)]
pub(crate) struct Probes {
    looks: Deadlines<ConnectionId>,
    /// When the next may be sent.
    ready_at: Instant,
}

impl Probes {
    /// Nobody to be probed yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { looks: Deadlines::new(now), ready_at: now }
    }

    /// From now on a connection's silence counts.
    pub(crate) fn watch(&mut self, id: ConnectionId, now: Instant) {
        self.looks.set(id, now + SILENCE);
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.looks.remove(id);
    }

    /// How many connections are looked at.
    pub(crate) fn len(&self) -> usize {
        self.looks.len()
    }

    /// When a probe may be due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.looks.next_due().map(|due| due.max(self.ready_at))
    }

    /// Who is to be probed in this turn. `last_traffic` says when something last went over a connection, and nothing for
    /// those that are gone.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        last_traffic: impl Fn(ConnectionId) -> Option<Instant>,
    ) -> Vec<ConnectionId> {
        let mut due = Vec::new();
        let Some(first) = self.looks.next_due().filter(|first| *first <= now) else { return due };
        // What was not due could not be sent, and what could not be sent in time is not made up for in one turn.
        let earliest = now.checked_sub(INTERVAL * (PROBES_A_TURN - 1)).unwrap_or(now);
        self.ready_at = self.ready_at.max(first).max(earliest);
        for _ in 0..LOOKS_A_TURN {
            if self.ready_at > now {
                break;
            }
            let Some(id) = self.looks.pop_due(now) else { break };
            match last_traffic(id).map(|at| at + SILENCE) {
                None => {}
                Some(at) if at > now => self.looks.set(id, at),
                Some(_) => {
                    self.looks.set(id, now + SILENCE);
                    self.ready_at += INTERVAL;
                    due.push(id);
                }
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: 1 }
    }

    #[test]
    fn a_hundred_thousand_who_are_due_at_once_are_probed_within_25_s_and_4_000_a_second_at_most() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        (0..100_000).for_each(|slot| probes.watch(id(slot), start));
        let mut now = start + SILENCE;
        let mut probed = HashSet::new();
        let mut in_second = HashMap::new();
        while probed.len() < 100_000 {
            let due = probes.due(now, |_| Some(start));
            assert!(due.len() <= 4, "a turn a millisecond: {} at once", due.len());
            *in_second.entry((now - start).as_secs()).or_insert(0) += due.len();
            let before = probed.len();
            let count = due.len();
            probed.extend(due);
            assert!(
                probed.len() == 100_000 || probed.len() == before + count,
                "nobody twice before all others"
            );
            now += MS;
        }
        assert!(now <= start + 2 * SILENCE + 2 * MS, "{:?}", now - start);
        assert!(in_second.values().all(|probes| *probes <= PROBES_A_SECOND as usize), "{in_second:?}");
    }

    #[test]
    fn a_turn_that_comes_late_sends_its_share_and_no_more() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        (0..10_000).for_each(|slot| probes.watch(id(slot), start));
        let late = start + 100 * SILENCE;
        assert_eq!(probes.due(late, |_| Some(start)).len(), PROBES_A_TURN as usize);
        assert!(probes.due(late, |_| Some(start)).is_empty());
        assert_eq!(probes.next_due(), Some(late + INTERVAL));
        assert_eq!(probes.due(late + MS, |_| Some(start)).len(), 4);
    }

    #[test]
    fn nobody_is_probed_whom_something_was_sent_to_or_heard_from_meanwhile() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        let watched_at = |slot| start + Duration::from_micros(slot);
        (0..3).for_each(|slot| probes.watch(id(slot), watched_at(slot.into())));
        // The first is gone, the second was heard, the third is silent.
        let traffic = |id: ConnectionId| [None, Some(start + 10 * MS), Some(start)][id.slot as usize];
        assert!(probes.due(start + SILENCE - MS, traffic).is_empty());
        assert_eq!(probes.due(watched_at(2) + SILENCE, traffic), [id(2)]);
        assert_eq!(probes.next_due(), Some(start + SILENCE + 10 * MS));
        assert_eq!(probes.due(start + SILENCE + 10 * MS, traffic), [id(1)]);
    }

    #[test]
    fn a_million_who_are_not_silent_are_looked_at_a_share_a_turn() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        (0..5_000).for_each(|slot| probes.watch(id(slot), start));
        let now = start + SILENCE;
        for left in (0..5).rev() {
            assert!(probes.due(now, |_| Some(now)).is_empty());
            assert_eq!(probes.next_due() == Some(now), left > 0);
        }
    }
}
