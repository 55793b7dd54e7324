//! What time it is. The only place that asks the operating system, so that everything else can be tested
//! with a time of the test's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock {
    /// The monotonic time: for deadlines and durations. Never goes back.
    fn now(&self) -> Instant;

    /// The time of day in UTC milliseconds since 1970: for what is stored and shown. May jump either way,
    /// whenever somebody sets the machine's clock.
    fn wall_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_ms(&self) -> u64 {
        // A clock set to before 1970 reads as 1970; one that overflows 64 bits of milliseconds can't be set.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is told otherwise. Clones show the same time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    now: Instant,
    wall_ms: u64,
    /// What passes with each look at the monotonic time.
    pace: Duration,
}

impl TestClock {
    /// A clock whose time of day is `wall_ms`. What its monotonic time is means nothing, as ever.
    pub fn at(wall_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(Hands { now: Instant::now(), wall_ms, pace: Duration::ZERO })))
    }

    /// Lets `time` pass, for both kinds of time.
    pub fn advance(&self, time: Duration) {
        self.turn(|hands| {
            hands.now += time;
            hands.wall_ms += u64::try_from(time.as_millis()).expect("a test takes less than 2^64 ms");
        });
    }

    /// From now on so much time passes with each look at the monotonic time, as if the work in between took it.
    pub fn run(&self, pace: Duration) {
        self.turn(|hands| hands.pace = pace);
    }

    /// Sets the time of day, as an administrator might: the monotonic time doesn't notice.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.turn(|hands| hands.wall_ms = wall_ms);
    }

    /// A test that panicked elsewhere leaves the hands where they were, which is good enough.
    fn turn<T>(&self, turn: impl FnOnce(&mut Hands) -> T) -> T {
        turn(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.turn(|hands| {
            hands.now += hands.pace;
            hands.now
        })
    }

    fn wall_ms(&self) -> u64 {
        self.turn(|hands| hands.wall_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_goes_on_and_knows_the_century() {
        let clock = SystemClock;
        assert!(clock.now() <= clock.now());
        assert!(clock.wall_ms() > 1_700_000_000_000);
    }

    #[test]
    fn clones_of_a_test_clock_show_the_same_time() {
        let clock = TestClock::at(1_000);
        let (other, start) = (clock.clone(), clock.now());
        clock.advance(Duration::from_millis(250));
        assert_eq!(other.wall_ms(), 1_250);
        assert_eq!(other.now(), start + Duration::from_millis(250));
    }

    #[test]
    fn setting_the_time_of_day_leaves_deadlines_alone() {
        let clock = TestClock::at(1_000);
        let start = clock.now();
        clock.set_wall_ms(10);
        assert_eq!((clock.now(), clock.wall_ms()), (start, 10));
    }
}
