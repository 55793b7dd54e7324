//! When requests are due in an open loop. Time is passed in, as nanoseconds since the run began: nothing
//! here reads a clock or waits.

/// Groups in which many moments are told.
const SPANS: u64 = 1_000;

/// Evenly spread moments. The n-th is computed from n, so that no rounding adds up over a long run.
#[derive(Debug, Clone)]
pub struct Schedule {
    per_second: f64,
    start_ns: u64,
    /// Moments that were taken.
    taken: u64,
}

impl Schedule {
    /// So many moments a second from `start_ns` on, the first of them at once.
    pub fn new(per_second: f64, start_ns: u64) -> Self {
        Self { per_second, start_ns, taken: 0 }
    }

    /// The next moment, taken or not.
    pub fn next_ns(&self) -> u64 {
        self.moment(self.taken)
    }

    /// Takes the next moment, if it has come.
    pub fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.next_ns();
        (due <= now_ns).then(|| {
            self.taken += 1;
            due
        })
    }

    /// Moments before `end_ns` that were not taken.
    pub fn left_before(&self, end_ns: u64) -> u64 {
        let Some(ns) = end_ns.checked_sub(self.start_ns) else { return 0 };
        // The estimate may be off by the rounding of either direction; the moments themselves decide.
        let mut count = (ns as f64 * self.per_second / 1e9) as u64;
        while count > 0 && self.moment(count - 1) >= end_ns {
            count -= 1;
        }
        while self.moment(count) < end_ns {
            count += 1;
        }
        count.saturating_sub(self.taken)
    }

    /// Moments before `end_ns` that were not taken, in at most `SPANS` groups: the last moment of each, and how many
    /// it has.
    pub fn left_in_spans(&self, end_ns: u64) -> impl Iterator<Item = (u64, u64)> {
        let left = self.left_before(end_ns);
        let size = left.div_ceil(SPANS).max(1);
        (0..left.div_ceil(size)).map(move |span| {
            let end = left.min((span + 1) * size);
            (self.moment(self.taken + end - 1), end - span * size)
        })
    }

    fn moment(&self, number: u64) -> u64 {
        self.start_ns + (number as f64 * 1e9 / self.per_second) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_evenly_spread_and_never_drift() {
        let mut schedule = Schedule::new(3.0, 1_000);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take(2_000_001_000)).collect();
        assert_eq!(due[..4], [1_000, 333_334_333, 666_667_666, 1_000_001_000]);
        assert_eq!(due.last(), Some(&2_000_001_000));
        assert_eq!(due.len(), 7);
    }

    #[test]
    fn what_was_missed_in_a_stall_is_due_when_it_was_due() {
        let mut schedule = Schedule::new(1000.0, 0);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(999_999), None);
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take(300_000_000)).collect();
        assert_eq!(late.len(), 300);
        assert_eq!(late[0], 1_000_000);
    }

    #[test]
    fn what_is_left_in_spans_is_all_of_it() {
        for per_second in [0.5, 3.0, 999.0, 1e9] {
            let mut schedule = Schedule::new(per_second, 7);
            schedule.take(7);
            let end = 7 + 5_000_000_000;
            let spans: Vec<_> = schedule.left_in_spans(end).collect();
            assert_eq!(spans.iter().map(|span| span.1).sum::<u64>(), schedule.left_before(end));
            assert!(spans.len() <= SPANS as usize && spans.is_sorted());
            assert!(spans.iter().all(|span| (8..end).contains(&span.0)), "{per_second}");
        }
    }

    #[test]
    fn what_is_left_is_what_could_have_been_taken() {
        for per_second in [0.3, 3.0, 500.0, 60_000.0, 1e9] {
            let whole = Schedule::new(per_second, 7);
            for end in [0, 7, 8, 1_000_007, 2_000_006] {
                let mut schedule = whole.clone();
                let taken = std::iter::from_fn(|| schedule.take(u64::max(end, 1) - 1)).count() as u64;
                assert_eq!(whole.left_before(end), taken, "{per_second} until {end}");
                assert_eq!(schedule.left_before(end), 0);
            }
        }
        assert_eq!(Schedule::new(500.0, 1_000).left_before(5_000_001_000), 2500);
    }
}
