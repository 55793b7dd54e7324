//! Several measurements over the same connections, one after the other.

use std::time::Duration;

use super::{Engine, TURN_MAX, nanoseconds};
use crate::live::Live;
use crate::meter::Meter;
use crate::pacing::Pace;

/// How long it is waited for answers that a measurement has left over, before the next one begins.
const DRAIN_MAX: Duration = Duration::from_secs(60);

impl Engine<'_> {
    /// From the next warm-up on it is asked so many times a second.
    pub fn set_rate(&mut self, rate: f64) {
        self.pace = Some(Pace::Constant(rate));
    }

    /// Says a line where the live line goes.
    pub fn say(&self, line: &str) {
        self.live.say(line);
    }

    /// Forgets what was measured, and waits until nothing of it is in flight.
    ///
    /// # Errors
    /// Answers are still missing after a long time.
    pub fn begin_again(&mut self) -> Result<(), String> {
        self.meter = Meter::of_kinds(self.arguments.scenario.kinds());
        self.live = Live::new(self.arguments);
        self.generator = Default::default();
        let end = self.now_ns() + nanoseconds(DRAIN_MAX);
        while self.connections.iter().any(|connection| !connection.in_flight.is_empty()) {
            if self.is_ending() {
                return Ok(());
            }
            if self.now_ns() > end {
                return Err(format!("the server still owes answers {} s after a step", DRAIN_MAX.as_secs()));
            }
            self.turn(TURN_MAX);
        }
        Ok(())
    }
}
