//! What becomes of the requests that have had no answer when the measured time is over.

use std::time::Duration;

use super::fan::Fan;
use super::{Asking, Engine, GRACE, TURN_MAX, nanoseconds};
use crate::connection::{Phase, Role};
use crate::kinds::Asked;

/// How long the removal of what was made may take.
const CLEAN_UP_MAX: Duration = Duration::from_secs(30);

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
                connections.any(|connection| connection.in_flight.iter().any(Asked::is_waiting))
            }
        }
    }

    /// Counts what was sent and has no answer.
    pub(super) fn give_up_on_the_rest(&mut self) {
        let now = self.now_ns();
        let waiting = self.connections.iter().flat_map(|connection| &connection.in_flight);
        for asked in waiting.filter(|asked| asked.is_waiting()) {
            self.meter.give_up(*asked, now);
        }
        for (due, missing) in self.fan.iter().flat_map(Fan::unheard) {
            self.meter.give_up_deliveries(due, missing, now);
        }
    }

    /// Removes what the run has made, unless that is to stay. A further interrupt leaves it; nothing of this is counted.
    pub fn clean_up(&mut self) {
        if self.arguments.keep {
            return;
        }
        self.asking = Asking::Not;
        for key in 0..self.connections.len() {
            let connection = &mut self.connections[key];
            // One may still be preparing, when the run was interrupted.
            let before = match connection.phase {
                Phase::Ready if connection.role == Role::Worker => 0,
                Phase::Preparing(answers) => answers,
                _ => continue,
            };
            self.output.clear();
            let answers = self.work.clean_up(connection.number, &mut self.output);
            if answers > 0 {
                connection.phase = Phase::Preparing(before + answers);
                self.preparing += u32::from(before == 0);
                self.flush(key);
            }
        }
        let (interrupts, end) = (self.interrupts, self.now_ns() + nanoseconds(CLEAN_UP_MAX));
        while self.preparing > 0 && self.interrupts == interrupts && self.now_ns() < end {
            self.turn(TURN_MAX);
        }
    }

    /// Requests that are due and not sent, of an open loop.
    pub(super) fn backlog(&self) -> Option<u64> {
        let Asking::Open { schedule, .. } = &self.asking else { return None };
        Some(schedule.left_before(self.now_ns().min(self.asks_until)).min(self.left))
    }
}
