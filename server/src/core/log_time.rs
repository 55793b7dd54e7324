//! The time that entries get: the machine's, except that time in the log never goes back. Was the clock once
//! ahead, and was set right, then the log stays ahead until the clock has caught up, over restarts as well.
//! Meanwhile its time goes on in small steps. Takes all times from its caller.

use std::time::{Duration, Instant};

use crate::planted::{Bug, planted};

/// How far the log is ahead before that is worth a warning, and steps: `RDM` compares whole seconds, so less
/// is not noticed.
const AHEAD_MS_MIN: u64 = 1_000;

/// The smallest step that can be seen: times are shown, and compared by `RDM`, in whole seconds.
const STEP_MS: u64 = 1_000;

/// Steps that may be taken at once. More would let a busy board run away from the clock.
const STEPS_MAX: u32 = 60;

/// How long it takes to be allowed one step more: with half the clock's pace, the clock catches up.
const STEP_EARNED_IN: Duration = Duration::from_secs(2);

/// Gives entries their times.
#[derive(Debug)]
pub(crate) struct LogTime {
    /// Steps that may be taken now.
    steps: u32,
    /// Since when the next one is earned.
    earning_since: Instant,
    /// It was said that the log is ahead.
    is_said: bool,
}

impl LogTime {
    pub(crate) fn new(now: Instant) -> Self {
        Self { steps: STEPS_MAX, earning_since: now, is_said: false }
    }

    /// By how much the log is ahead of the clock, to be said; none when it is not, or when that was said before.
    pub(crate) fn news(&mut self, clock_ms: u64, newest_ms: u64) -> Option<Duration> {
        if clock_ms >= newest_ms {
            self.is_said = false;
        }
        let ahead_ms = newest_ms.saturating_sub(clock_ms);
        let is_news = ahead_ms >= AHEAD_MS_MIN && !std::mem::replace(&mut self.is_said, true);
        is_news.then(|| Duration::from_millis(ahead_ms))
    }

    /// The time of an entry that comes after one of `newest_ms`. One that `is_read_by_time` is shown later than
    /// everything before it, so that who asks for what is later than the last time they saw finds it; but not
    /// if so many come that the clock would never catch up.
    pub(crate) fn next(&mut self, now: Instant, clock_ms: u64, newest_ms: u64, is_read_by_time: bool) -> u64 {
        if planted(Bug::TimeOfTheLogGoesBack) {
            return clock_ms;
        }
        let is_ahead = newest_ms.saturating_sub(clock_ms) >= AHEAD_MS_MIN;
        if is_ahead && is_read_by_time && self.take_step(now) {
            return (newest_ms / STEP_MS + 1).saturating_mul(STEP_MS).max(newest_ms);
        }
        clock_ms.max(newest_ms)
    }

    fn take_step(&mut self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.earning_since);
        let earned = u32::try_from(waited.as_secs() / STEP_EARNED_IN.as_secs()).unwrap_or(u32::MAX);
        self.steps = self.steps.saturating_add(earned).min(STEPS_MAX);
        if earned > 0 {
            self.earning_since = now;
        }
        let may = self.steps > 0;
        self.steps = self.steps.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const CLOCK_MS: u64 = 1_000 * HOUR_MS;

    #[test]
    fn a_log_that_is_ahead_is_said_once_until_the_clock_has_caught_up() {
        let mut time = LogTime::new(Instant::now());
        assert_eq!(time.news(CLOCK_MS, CLOCK_MS + 999), None, "that is no hour");
        assert_eq!(time.news(CLOCK_MS, CLOCK_MS + HOUR_MS), Some(Duration::from_secs(3_600)));
        assert_eq!(time.news(CLOCK_MS + 1, CLOCK_MS + HOUR_MS), None);
        assert_eq!(time.news(CLOCK_MS + HOUR_MS, CLOCK_MS + HOUR_MS), None);
        assert_eq!(time.news(CLOCK_MS, CLOCK_MS + HOUR_MS), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn time_is_the_clocks_while_the_log_is_not_ahead_and_never_goes_back() {
        let now = Instant::now();
        let mut time = LogTime::new(now);
        for is_read_by_time in [false, true] {
            assert_eq!(time.next(now, CLOCK_MS, CLOCK_MS - 5, is_read_by_time), CLOCK_MS);
            assert_eq!(time.next(now, CLOCK_MS, CLOCK_MS + 5, is_read_by_time), CLOCK_MS + 5);
        }
        assert_eq!(time.next(now, 0, u64::MAX, true), u64::MAX, "the end of time");
    }

    #[test]
    fn what_is_read_by_time_comes_a_whole_second_later_and_the_clock_catches_up() {
        let start = Instant::now();
        let mut time = LogTime::new(start);
        let mut newest_ms = CLOCK_MS + HOUR_MS + 300;
        assert_eq!(time.next(start, CLOCK_MS, newest_ms, false), newest_ms);
        for _ in 0..STEPS_MAX {
            let next_ms = time.next(start, CLOCK_MS, newest_ms, true);
            assert_eq!(next_ms, (newest_ms / 1_000 + 1) * 1_000, "shown as the very next second");
            newest_ms = next_ms;
        }
        assert_eq!(time.next(start, CLOCK_MS, newest_ms, true), newest_ms, "they came too fast");
        // Ten posts a second for as long as it takes.
        let mut tenths = 0;
        while newest_ms > CLOCK_MS + tenths * 100 {
            tenths += 1;
            let now = start + Duration::from_millis(tenths * 100);
            newest_ms = time.next(now, CLOCK_MS + tenths * 100, newest_ms, true);
            assert!(tenths < 3 * 36_000, "an hour takes two");
        }
    }
}
