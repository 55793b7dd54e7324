//! Warnings that come again and again: some are said, the rest is counted, and in the end the count is said.
//! Knows where in the source a warning comes from, which is what makes two of them the same, and no clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use log::{Level, Record};

/// Of the same warning so many are said in one [`WINDOW`]: enough to see who and what it is about.
const SAID_MAX: u32 = 5;
/// From the first of them on, so long those past [`SAID_MAX`] are only counted.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// A line of the source.
type Place = (&'static str, u32);

/// What was warned of lately. Bounded by the number of warnings in the source.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    windows: HashMap<Place, Window>,
}

#[derive(Debug)]
struct Window {
    ends: Instant,
    said: u32,
    counted: Option<Counted>,
}

/// Warnings that were not said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) count: u64,
    pub(super) level: Level,
    /// What the last of them would have said.
    pub(super) last: String,
}

impl Repeats {
    /// Whether what `record` logs is to be said; if not, it is counted. Only warnings and errors are counted,
    /// and only those that know where they come from.
    pub(super) fn is_to_be_said(&mut self, record: &Record<'_>, message: &str, now: Instant) -> bool {
        let (Some(file), Some(line)) = (record.file_static(), record.line()) else { return true };
        if record.level() > Level::Warn {
            return true;
        }
        let new = || Window { ends: now + WINDOW, said: 0, counted: None };
        let window = self.windows.entry((file, line)).or_insert_with(new);
        if window.said < SAID_MAX {
            window.said += 1;
            return true;
        }
        let count = window.counted.as_ref().map_or(0, |counted| counted.count) + 1;
        window.counted = Some(Counted { count, level: record.level(), last: message.to_owned() });
        false
    }

    /// When [`Repeats::take_due`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.windows.values().map(|window| window.ends).min()
    }

    /// What was counted in windows that are over at `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Counted> {
        let over = self.windows.extract_if(|_, window| window.ends <= now);
        over.filter_map(|(_, window)| window.counted).collect()
    }

    /// What was counted and not said yet.
    pub(super) fn take_all(&mut self) -> Vec<Counted> {
        self.windows.drain().filter_map(|(_, window)| window.counted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warn(repeats: &mut Repeats, line: u32, message: &str, now: Instant) -> bool {
        let record = Record::builder().level(Level::Warn).file_static(Some("x.rs")).line(Some(line)).build();
        repeats.is_to_be_said(&record, message, now)
    }

    #[test]
    fn what_comes_again_and_again_is_counted_and_the_count_is_said_once() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let said = (0..1_000).filter(|n| warn(&mut repeats, 1, &format!("{n}"), now)).count();
        assert_eq!(said, SAID_MAX as usize);
        assert!(warn(&mut repeats, 2, "another", now));
        assert_eq!(repeats.next_due(), Some(now + WINDOW));
        assert_eq!(repeats.take_due(now + WINDOW - Duration::from_nanos(1)), []);
        let counted = Counted { count: 995, level: Level::Warn, last: "999".into() };
        assert_eq!(repeats.take_due(now + WINDOW), [counted]);
        assert_eq!(repeats.next_due(), None);
        assert!(warn(&mut repeats, 1, "much later", now + WINDOW));
    }

    #[test]
    fn what_is_no_warning_is_always_said() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let record = Record::builder().level(Level::Info).file_static(Some("x.rs")).line(Some(1)).build();
        assert!((0..100).all(|_| repeats.is_to_be_said(&record, "x", now)));
        assert_eq!(repeats.next_due(), None);
    }
}
