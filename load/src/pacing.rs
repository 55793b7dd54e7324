//! When requests are due in an open loop. Time is passed in, as nanoseconds since the run began: nothing
//! here reads a clock or waits.

use crate::stages::Stages;

/// Groups in which many moments are told.
const SPANS: u64 = 1_000;

/// How many requests are due, and when.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// So many a second, for as long as anybody asks.
    Constant(f64),
    /// A rate that rises and falls.
    Staged(Stages),
}

/// A stretch in which the rate changes evenly.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// When it begins, in seconds.
    begins: f64,
    lasts: f64,
    /// Moments before it.
    before: f64,
    /// The rate at its beginning, and by how much that grows each second.
    rate: f64,
    growth: f64,
}

impl Stretch {
    /// The moments of the first `seconds` of it.
    fn moments(&self, seconds: f64) -> f64 {
        seconds * (self.rate + self.growth * seconds / 2.0)
    }

    /// When it has come to so many moments: the solution of `moments` for its seconds, in the form that does not
    /// subtract two numbers that are almost the same.
    fn seconds(&self, moments: f64) -> f64 {
        if self.growth == 0.0 {
            return moments / self.rate;
        }
        let rate = (self.rate * self.rate + 2.0 * self.growth * moments).max(0.0).sqrt();
        if moments > 0.0 { (2.0 * moments / (self.rate + rate)).min(self.lasts) } else { 0.0 }
    }
}

/// Moments at a constant rate, or at one that changes. The n-th is computed from n, so that no rounding adds up over
/// a long run.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// At least one.
    stretches: Vec<Stretch>,
    /// Moments in all.
    total: f64,
    start_ns: u64,
    /// Moments that were taken.
    taken: u64,
}

impl Schedule {
    /// Moments at this pace from `start_ns` on, the first of them at once.
    pub fn new(pace: &Pace, start_ns: u64) -> Self {
        let mut stretches = Vec::new();
        let (mut begins, mut before) = (0.0, 0.0);
        match pace {
            Pace::Constant(rate) => {
                let rate = *rate;
                stretches.push(Stretch { begins, lasts: f64::INFINITY, before, rate, growth: 0.0 });
                before = f64::INFINITY;
            }
            Pace::Staged(stages) => {
                let mut rate = 0.0;
                for stage in stages.iter() {
                    let lasts = stage.lasts.as_secs_f64();
                    if lasts > 0.0 {
                        let growth = (stage.rate - rate) / lasts;
                        let stretch = Stretch { begins, lasts, before, rate, growth };
                        stretches.push(stretch);
                        begins += lasts;
                        before += (rate + stage.rate) / 2.0 * lasts;
                    }
                    rate = stage.rate;
                }
            }
        }
        Self { stretches, total: before, start_ns, taken: 0 }
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
        let seconds = ns as f64 / 1e9;
        let last = self.stretches.partition_point(|stretch| stretch.begins <= seconds);
        let stretch = &self.stretches[last.saturating_sub(1)];
        let within = (seconds - stretch.begins).min(stretch.lasts);
        // The estimate may be off by the rounding of either direction; the moments themselves decide.
        let mut count = (stretch.before + stretch.moments(within)) as u64;
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

    /// When the moment with this number is; never, if there are not so many.
    fn moment(&self, number: u64) -> u64 {
        let number = number as f64;
        if number >= self.total {
            return u64::MAX;
        }
        let last = self.stretches.partition_point(|stretch| stretch.before <= number);
        let stretch = &self.stretches[last.saturating_sub(1)];
        let seconds = stretch.begins + stretch.seconds(number - stretch.before);
        self.start_ns.saturating_add((seconds * 1e9) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_evenly_spread_and_never_drift() {
        let mut schedule = Schedule::new(&Pace::Constant(3.0), 1_000);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take(2_000_001_000)).collect();
        assert_eq!(due[..4], [1_000, 333_334_333, 666_667_666, 1_000_001_000]);
        assert_eq!(due.last(), Some(&2_000_001_000));
        assert_eq!(due.len(), 7);
    }

    #[test]
    fn what_was_missed_in_a_stall_is_due_when_it_was_due() {
        let mut schedule = Schedule::new(&Pace::Constant(1000.0), 0);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(999_999), None);
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take(300_000_000)).collect();
        assert_eq!(late.len(), 300);
        assert_eq!(late[0], 1_000_000);
    }

    #[test]
    fn what_is_left_in_spans_is_all_of_it() {
        for per_second in [0.5, 3.0, 999.0, 1e9] {
            let mut schedule = Schedule::new(&Pace::Constant(per_second), 7);
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
            let whole = Schedule::new(&Pace::Constant(per_second), 7);
            for end in [0, 7, 8, 1_000_007, 2_000_006] {
                let mut schedule = whole.clone();
                let taken = std::iter::from_fn(|| schedule.take(u64::max(end, 1) - 1)).count() as u64;
                assert_eq!(whole.left_before(end), taken, "{per_second} until {end}");
                assert_eq!(schedule.left_before(end), 0);
            }
        }
        assert_eq!(Schedule::new(&Pace::Constant(500.0), 1_000).left_before(5_000_001_000), 2500);
    }

    #[test]
    fn a_rate_rises_and_falls_evenly_between_the_stages() {
        let stages = Pace::Staged("10s:1000,0s:500,4s:500,5s:0".parse().unwrap());
        let mut schedule = Schedule::new(&stages, 7);
        let all: Vec<u64> = std::iter::from_fn(|| schedule.take(u64::MAX - 1)).collect();
        assert!(all.is_sorted());
        let until = |seconds: f64| all.iter().filter(|&&ns| ns < 7 + (seconds * 1e9) as u64).count();
        // The areas below the ramp from 0 to 1,000, a constant 500, and the ramp down to 0.
        assert_eq!(
            [1.0, 5.0, 10.0, 12.0, 14.0, 16.5, 19.0].map(until),
            [50, 1250, 5000, 6000, 7000, 7938, 8250]
        );
        assert_eq!((all.len(), schedule.next_ns()), (8250, u64::MAX));
    }

    #[test]
    fn what_is_left_of_stages_is_what_could_have_been_taken() {
        for stages in ["1s:0,2s:100", "500ms:3,500ms:3", "0s:40,1s:0,1s:0", "100ms:1e6,100ms:0"] {
            let whole = Schedule::new(&Pace::Staged(stages.parse().unwrap()), 7);
            for end in [0, 7, 8, 400_000_007, 1_000_000_007, 2_500_000_000, 9_000_000_000] {
                let mut schedule = whole.clone();
                let taken = std::iter::from_fn(|| schedule.take(u64::max(end, 1) - 1)).count() as u64;
                assert_eq!(whole.left_before(end), taken, "{stages} until {end}");
                let spans: u64 = whole.left_in_spans(end).map(|span| span.1).sum();
                assert_eq!((schedule.left_before(end), spans), (0, taken), "{stages} until {end}");
            }
        }
    }
}
