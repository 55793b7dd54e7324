//! Who is probed when. A peer that vanished says nothing, and a server that says nothing to it never finds out: so a
//! connection over which nothing has gone for [`SILENCE`] is sent a probe, and the kernel ends it if nothing acknowledges
//! that in time.
//!
//! The kernel's own keepalive would do the same without us, but its timers fire many at once, in one interrupt: with
//! 1,000,000 connections pauses of 0.3 s were measured. Probes are spaced: [`PROBES_A_SECOND`] at most, so all of up to
//! 100,000 silent connections are probed in time, and those of more proportionally later.
//!
//! Nothing is kept of who is silent: in rounds at least [`ROUND`] apart all connections are looked at, by slot. A round
//! begins when somebody may be due, and takes all who would be due before the next may begin.

use std::time::{Duration, Instant};

use crate::session::ConnectionId;

/// After so long a silence, in both directions, a connection is probed; while there are many, up to [`ROUND`] sooner.
pub(crate) const SILENCE: Duration = Duration::from_secs(25);

/// From the beginning of a round to that of the next, at least.
pub(crate) const ROUND: Duration = Duration::from_secs(1);

/// Probes sent in a second.
pub(crate) const PROBES_A_SECOND: u32 = 4_000;

/// Probes that one turn sends, however long the turn before it was: they take some 0.2 ms.
pub(crate) const PROBES_A_TURN: u32 = 40;

/// Slots that are looked at in one turn to find the silent.
const LOOKS_A_TURN: u32 = 1_000;

const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / PROBES_A_SECOND as u64);

/// How far the present round has come, and when the next begins.
#[derive(Debug)]
pub(crate) struct Probes {
    /// The slot that is looked at next; 0 between two rounds.
    next_slot: u32,
    /// The earliest that anybody may be due, of those who came or were looked at since the last round began.
    first_due: Option<Instant>,
    /// When the next round may begin.
    round_from: Instant,
    /// When the next probe may be sent.
    ready_at: Instant,
}

impl Probes {
    /// Nobody to be probed yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { next_slot: 0, first_due: None, round_from: now, ready_at: now }
    }

    /// From now on a connection's silence counts.
    pub(crate) fn watch(&mut self, now: Instant) {
        self.note_due(now + SILENCE);
    }

    fn note_due(&mut self, due: Instant) {
        self.first_due = self.first_due.map_or(Some(due), |first| Some(first.min(due)));
    }

    /// When a probe may be due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.next_slot > 0 {
            return Some(self.ready_at);
        }
        self.first_due.map(|due| due.max(self.round_from).max(self.ready_at))
    }

    /// Who is to be probed in this turn, of connections in so many `slots`. `last_traffic` says whose silence in a slot
    /// counts, and when something last went over that connection.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        slots: u32,
        last_traffic: impl Fn(u32) -> Option<(ConnectionId, Instant)>,
    ) -> Vec<ConnectionId> {
        let mut due = Vec::new();
        let Some(first) = self.next_due().filter(|first| *first <= now) else { return due };
        // What was not due could not be sent, and what could not be sent in time is not made up for in one turn.
        let earliest = now.checked_sub(INTERVAL * (PROBES_A_TURN - 1)).unwrap_or(now);
        self.ready_at = self.ready_at.max(first).max(earliest);
        if self.next_slot == 0 {
            (self.first_due, self.round_from) = (None, now + ROUND);
        }
        for _ in 0..LOOKS_A_TURN {
            if self.ready_at > now {
                break;
            }
            if let Some((id, at)) = last_traffic(self.next_slot) {
                let is_due = at + SILENCE <= now.max(self.round_from);
                self.note_due(if is_due { now } else { at } + SILENCE);
                if is_due {
                    self.ready_at += INTERVAL;
                    due.push(id);
                }
            }
            self.next_slot += 1;
            if self.next_slot >= slots {
                self.next_slot = 0;
                break;
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
        probes.watch(start);
        let mut now = start + SILENCE;
        let mut probed = HashSet::new();
        let mut in_second = HashMap::new();
        while probed.len() < 100_000 {
            let due = probes.due(now, 100_000, |slot| Some((id(slot), start)));
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
        probes.watch(start);
        let late = start + 100 * SILENCE;
        let mut due = |now| probes.due(now, 10_000, |slot| Some((id(slot), start))).len();
        assert_eq!(due(late), PROBES_A_TURN as usize);
        assert_eq!(due(late), 0);
        assert_eq!(due(late + MS), 4);
        assert_eq!(probes.next_due(), Some(late + 5 * INTERVAL));
    }

    #[test]
    fn nobody_is_probed_whom_something_was_sent_to_or_heard_from_meanwhile() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        probes.watch(start);
        // The first is gone, the second was heard, the third is silent.
        let traffic = [None, Some(start + 2 * ROUND), Some(start)];
        let traffic = |slot| traffic[slot as usize].map(|at| (id(slot), at));
        assert!(probes.due(start + SILENCE - MS, 3, traffic).is_empty());
        assert_eq!(probes.due(start + SILENCE, 3, traffic), [id(2)]);
        assert_eq!(probes.next_due(), Some(start + SILENCE + 2 * ROUND));
        assert_eq!(probes.due(start + SILENCE + 2 * ROUND, 3, traffic), [id(1)]);
    }

    #[test]
    fn rounds_are_spaced_and_nobody_waits_for_the_next_beyond_25_s() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        probes.watch(start);
        let traffic = |slot| Some((id(slot), start + ROUND * slot / 2));
        assert_eq!(probes.due(start + SILENCE, 4, traffic), [id(0)]);
        assert_eq!(probes.due(start + SILENCE + MS, 4, traffic), [id(1), id(2)]);
        assert_eq!(probes.next_due(), Some(start + SILENCE + 3 * ROUND / 2));
        // Nobody else is due before the next round may begin.
        let traffic = |slot| Some((id(slot), start + SILENCE + MS * slot));
        assert!(probes.due(start + SILENCE + 3 * ROUND / 2, 4, traffic).is_empty());
        assert_eq!(probes.next_due(), Some(start + 2 * SILENCE));
    }

    #[test]
    fn a_million_who_are_not_silent_are_looked_at_a_share_a_turn() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        probes.watch(start);
        let now = start + SILENCE;
        for left in (0..5).rev() {
            assert!(probes.due(now, 5_000, |slot| Some((id(slot), now))).is_empty());
            assert_eq!(probes.next_due().is_some_and(|due| due <= now), left > 0);
        }
    }

    #[test]
    fn when_nobody_is_there_any_more_there_are_no_more_rounds() {
        let start = Instant::now();
        let mut probes = Probes::new(start);
        probes.watch(start);
        assert!(probes.due(start + SILENCE, 1, |_| None).is_empty());
        assert_eq!(probes.next_due(), None);
    }
}
