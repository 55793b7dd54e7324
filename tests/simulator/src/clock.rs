//! Virtual time: monotonic nanoseconds since the world began, and a time of day that jumps apart from it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forumd::clock::Clock;

/// Nanoseconds since the world began.
pub(crate) type Time = u64;

/// One millisecond.
pub(crate) const MS: Time = 1_000_000;
/// One second.
pub(crate) const SECOND: Time = 1_000 * MS;

/// The time of day when the world begins: some day in 2023.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// Both clocks of the one machine. Clones show the same time.
#[derive(Debug, Clone)]
pub(crate) struct SimClock(Rc<Hands>);

#[derive(Debug)]
struct Hands {
    begin: Instant,
    now: Cell<Time>,
    /// By how much the time of day is off, in milliseconds.
    offset_ms: Cell<i64>,
    /// What a look at the clock takes, as if the work since the last took it.
    pace: Cell<Time>,
}

impl SimClock {
    /// A clock that shows the beginning.
    pub(crate) fn new(pace: Time) -> Self {
        let (now, offset_ms) = (Cell::new(0), Cell::new(0));
        Self(Rc::new(Hands { begin: Instant::now(), now, offset_ms, pace: Cell::new(pace) }))
    }

    /// The monotonic time; looking takes none.
    pub(crate) fn time(&self) -> Time {
        self.0.now.get()
    }

    /// Goes on to a time; one that has passed stays passed.
    pub(crate) fn advance_to(&self, time: Time) {
        self.0.now.set(self.0.now.get().max(time));
    }

    /// Sets the time of day by so much.
    pub(crate) fn jump(&self, ms: i64) {
        self.0.offset_ms.set(self.0.offset_ms.get() + ms);
    }

    /// The time of day; looking takes no time.
    pub(crate) fn day_ms(&self) -> u64 {
        (BEGIN_MS + self.0.now.get() / MS).saturating_add_signed(self.0.offset_ms.get())
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        self.0.now.set(self.0.now.get() + self.0.pace.get());
        self.0.begin + Duration::from_nanos(self.0.now.get())
    }

    fn wall_ms(&self) -> u64 {
        self.day_ms()
    }
}
