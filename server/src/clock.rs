//! What time it is. The only place that asks the operating system, so that everything else can be tested
//! with a time of the test's own.

use std::num::NonZeroU64;
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

/// An instant in half the room of [`Instant`], for what each connection has: so many nanoseconds after the [`Start`], and
/// one, so that an [`Option`] takes no more. They last for 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(NonZeroU64);

/// What moments are counted from.
#[derive(Debug, Clone, Copy)]
pub struct Start(Instant);

impl Start {
    /// The start is now.
    pub fn new(now: Instant) -> Self {
        Self(now)
    }

    /// An instant as a moment. What was before the start becomes the start.
    pub fn moment(self, instant: Instant) -> Moment {
        let nanoseconds = instant.saturating_duration_since(self.0).as_nanos();
        Moment(NonZeroU64::MIN.saturating_add(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }

    /// A moment as an instant.
    pub fn instant(self, moment: Moment) -> Instant {
        self.0 + Duration::from_nanos(moment.0.get() - 1)
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
    fn a_moment_is_its_instant_again_and_is_none_before_the_start() {
        let now = Instant::now();
        let start = Start::new(now);
        for instant in [now, now + Duration::from_nanos(1), now + Duration::from_secs(1 << 33)] {
            assert_eq!(start.instant(start.moment(instant)), instant);
        }
        assert_eq!(Start::new(now + Duration::from_secs(1)).moment(now), start.moment(now));
        assert!(start.moment(now) < start.moment(now + Duration::from_nanos(1)));
        assert_eq!((size_of::<Moment>(), size_of::<Option<Moment>>()), (8, 8));
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
