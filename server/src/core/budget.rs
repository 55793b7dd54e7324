//! How long a part of a turn may work on what all the others wait for.
//!
//! A turn serves many, applies a commit of many entries, ends many at once. Shares per connection don't bound that when
//! there are enough connections, so each part stops when its time is over, and goes on in the next turn: commits,
//! deadlines and writes of others wait for a few milliseconds, however many there are.

use std::time::{Duration, Instant};

use crate::clock::Clock;

/// How long one part of a turn may take. With what a turn does besides, somebody who asks for little is answered within
/// 5 ms.
const PART: Duration = Duration::from_millis(1);

/// Steps between two looks at the clock: a look costs as much as a small request does.
const STEPS: u32 = 4;

/// Connections to which one part of a turn may leave something to be written at its end, some 5 µs each.
const FLUSHES: usize = 128;

/// What is left of a part. Its time begins with the first look, so a short part looks at no clock at all.
#[derive(Debug)]
pub(crate) struct Budget {
    until: Option<Instant>,
    steps: u32,
    flushes_max: usize,
    is_used_up: bool,
}

impl Budget {
    /// A part begins, while so many connections have something to be written already.
    pub(crate) fn new(flushes: usize) -> Self {
        Self { until: None, steps: 0, flushes_max: flushes + FLUSHES, is_used_up: false }
    }

    /// Notes that one step more was done, and that so many connections have something to be written now; says whether
    /// it was the last step for this turn. There is always one.
    pub(crate) fn is_used_up(&mut self, clock: &impl Clock, flushes: usize) -> bool {
        self.steps += 1;
        self.is_used_up |= flushes >= self.flushes_max;
        if !self.is_used_up && self.steps.is_multiple_of(STEPS) {
            let now = clock.now();
            self.is_used_up = *self.until.get_or_insert(now + PART) <= now;
        }
        self.is_used_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;

    #[test]
    fn steps_end_when_the_time_is_over_and_not_before() {
        let clock = TestClock::at(0);
        let mut budget = Budget::new(0);
        assert!((0..10_000).all(|_| !budget.is_used_up(&clock, 0)), "no time has passed");
        clock.advance(PART - Duration::from_nanos(1));
        assert!((0..10_000).all(|_| !budget.is_used_up(&clock, 0)));
        clock.advance(Duration::from_nanos(1));
        let more = (0..10_000).take_while(|_| !budget.is_used_up(&clock, 0)).count();
        assert!(more < STEPS as usize, "{more} steps more");
        assert!(budget.is_used_up(&clock, 0), "it stays so");
    }

    #[test]
    fn a_short_part_looks_at_no_clock_and_a_longer_one_every_few_steps() {
        let clock = TestClock::at(0);
        clock.run(PART);
        let mut budget = Budget::new(0);
        let steps = (1..=100).take_while(|_| !budget.is_used_up(&clock, 0)).count();
        assert_eq!(steps, 2 * STEPS as usize - 1, "the second look says that the time is over");
    }

    #[test]
    fn steps_end_when_many_have_to_be_written_to() {
        let (clock, before) = (TestClock::at(0), 1_000);
        let mut budget = Budget::new(before);
        let steps = (1..).take_while(|step| !budget.is_used_up(&clock, before + step)).count();
        assert_eq!(steps, FLUSHES - 1);
    }
}
