//! What becomes of the requests that have had no answer when the measured time is over.

use super::fan::Fan;
use super::{Asking, Engine, GRACE, TURN_MAX, nanoseconds};
use crate::connection::EXPIRED;

impl Engine<'_> {
    /// Counts what was due before `end` and could not be sent: too much was on its way, or the generator was
    /// held up itself. It is not made up for.
    pub(super) fn miss_what_is_left(&mut self, end: u64) {
        let Asking::Open { schedule, wait, .. } = &self.asking else { return };
        let own_fault = !wait.is_blocked();
        let (each, mut left) = match &self.fan {
            Some(fan) => {
                let wanted =
                    self.arguments.count.map_or(u64::MAX, |count| count.saturating_sub(fan.measured));
                (u64::from(fan.burst) * self.workers as u64, wanted)
            }
            None => (1, self.left),
        };
        for (due, requests) in schedule.left_in_spans(end) {
            let requests = (requests * each).min(left);
            left -= requests;
            self.meter.miss(due, requests, end, own_fault);
        }
    }

    /// Sends nothing more, and waits for the answers that are missing, but not for long. An interrupt does not
    /// cut that short: what is on its way is no error.
    pub(super) fn wait_for_answers(&mut self) {
        self.asking = Asking::Not;
        let end = self.now_ns() + nanoseconds(GRACE);
        while self.now_ns() < end && self.waits_for_answers() {
            self.turn(TURN_MAX);
        }
    }

    fn waits_for_answers(&self) -> bool {
        match &self.fan {
            Some(fan) => fan.outstanding > 0,
            None => {
                let mut connections = self.connections.iter();
                connections.any(|connection| connection.in_flight.iter().any(|due| *due != EXPIRED))
            }
        }
    }

    /// Counts what was sent and has no answer.
    pub(super) fn give_up_on_the_rest(&mut self) {
        let now = self.now_ns();
        let waiting = self.connections.iter().flat_map(|connection| &connection.in_flight);
        for due in waiting.filter(|due| **due != EXPIRED) {
            self.meter.give_up(*due, 1, now);
        }
        for (due, missing) in self.fan.iter().flat_map(Fan::unheard) {
            self.meter.give_up(due, missing, now);
        }
    }

    /// Requests that are due and not sent, of an open loop.
    pub(super) fn backlog(&self) -> Option<u64> {
        let Asking::Open { schedule, .. } = &self.asking else { return None };
        Some(schedule.left_before(self.now_ns().min(self.asks_until)).min(self.left))
    }
}
