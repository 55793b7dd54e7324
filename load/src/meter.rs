//! What is counted while a run lasts, and what it comes to. Time is passed in, as nanoseconds since the run
//! began; nothing here knows a connection or a protocol.

use hdrhistogram::Histogram;

use crate::outcome::{Errors, Second, latencies};

/// Different texts of errors that are kept; the rest is only counted.
const ERROR_TEXTS_MAX: usize = 5;

const SECOND_NS: u64 = 1_000_000_000;

/// Counts what happens from [`Meter::start`] on; what was due before is part of the warm-up.
#[derive(Debug)]
pub struct Meter {
    start_ns: u64,
    /// Answered requests, or deliveries.
    pub operations: u64,
    /// What went wrong.
    pub errors: Errors,
    /// The first few different texts of it.
    pub texts: Vec<String>,
    /// What arrived from others beside the answers.
    pub deliveries: u64,
    /// How long each operation took.
    pub latency: Histogram<u64>,
    /// The same by the second.
    pub series: Vec<Second>,
    second: Histogram<u64>,
    /// What [`Meter::operations`] and the errors were when this second began.
    before: (u64, u64),
    second_ends_ns: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            start_ns: u64::MAX,
            operations: 0,
            errors: Errors::default(),
            texts: Vec::new(),
            deliveries: 0,
            latency: latencies(),
            series: Vec::new(),
            second: latencies(),
            before: (0, 0),
            second_ends_ns: u64::MAX,
        }
    }
}

impl Meter {
    /// Begins to measure: what is due from here on counts.
    pub fn start(&mut self, now_ns: u64) {
        self.start_ns = now_ns;
        self.second_ends_ns = now_ns + SECOND_NS;
        self.deliveries = 0;
    }

    /// Whether [`Meter::start`] has been.
    pub fn is_running(&self) -> bool {
        self.start_ns != u64::MAX
    }

    /// An operation is over that was due at `due_ns`.
    #[inline]
    pub fn record(&mut self, due_ns: u64, now_ns: u64) {
        if due_ns >= self.start_ns {
            self.operations += 1;
            let took = now_ns.saturating_sub(due_ns).max(1);
            self.latency.saturating_record(took);
            self.second.saturating_record(took);
        }
    }

    /// A request that was due at `due_ns` was refused.
    pub fn refuse(&mut self, due_ns: u64, text: &[u8]) {
        self.note(&String::from_utf8_lossy(text));
        if due_ns >= self.start_ns {
            self.errors.refused += 1;
        }
    }

    /// A connection was not made, or has ended.
    pub fn lose(&mut self, text: &str) {
        self.note(text);
        self.errors.lost += 1;
    }

    /// A request that was due at `due_ns` has no answer at the end.
    pub fn miss(&mut self, due_ns: u64) {
        self.errors.unanswered += u64::from(due_ns >= self.start_ns);
    }

    /// Measured requests that have come to their end, whichever.
    pub fn settled(&self) -> u64 {
        self.operations + self.errors.refused + self.errors.unanswered
    }

    fn note(&mut self, text: &str) {
        if self.texts.len() < ERROR_TEXTS_MAX && !self.texts.iter().any(|known| known == text) {
            self.texts.push(text.to_owned());
        }
    }

    /// Closes the seconds that are over. Returns the last of them, if there is one, for whoever looks on.
    pub fn tick(&mut self, now_ns: u64) -> Option<Second> {
        let mut last = None;
        while now_ns >= self.second_ends_ns {
            last = Some(self.close_second(self.second_ends_ns));
            self.second_ends_ns += SECOND_NS;
        }
        last
    }

    /// Closes the last second, which may be a short one.
    pub fn finish(&mut self, now_ns: u64) {
        self.tick(now_ns);
        let (operations, errors) = self.before;
        if self.is_running() && (self.operations > operations || self.errors.total() > errors) {
            self.close_second(now_ns);
        }
        self.second_ends_ns = u64::MAX;
    }

    fn close_second(&mut self, end_ns: u64) -> Second {
        let (operations, errors) = self.before;
        let at = |quantile| if self.second.is_empty() { 0 } else { self.second.value_at_quantile(quantile) };
        let second = Second {
            at: (end_ns - self.start_ns) as f64 / 1e9,
            operations: self.operations - operations,
            errors: self.errors.total() - errors,
            p50_ns: at(0.50),
            p99_ns: at(0.99),
            max_ns: self.second.max(),
        };
        self.series.push(second);
        self.second.reset();
        self.before = (self.operations, self.errors.total());
        second
    }
}

/// Adds the seconds of another part of a run, which began together. The percentiles of two sets can't be had
/// from those of each: shown are the mean of the medians, weighted by operations, and the worse of the rest.
pub fn merge_series(sum: &mut Vec<Second>, part: &[Second]) {
    for (index, second) in part.iter().enumerate() {
        let Some(whole) = sum.get_mut(index) else {
            sum.push(*second);
            continue;
        };
        let (left, right) = (whole.operations as f64, second.operations as f64);
        let weighted = whole.p50_ns as f64 * left + second.p50_ns as f64 * right;
        whole.p50_ns = (weighted / (left + right).max(1.0)) as u64;
        whole.at = whole.at.max(second.at);
        whole.operations += second.operations;
        whole.errors += second.errors;
        whole.p99_ns = whole.p99_ns.max(second.p99_ns);
        whole.max_ns = whole.max_ns.max(second.max_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_due_in_the_warm_up_is_not_counted() {
        let mut meter = Meter::default();
        meter.record(5, 10);
        meter.start(100);
        meter.record(99, 200);
        meter.record(100, 200);
        meter.refuse(99, b"no");
        assert_eq!((meter.operations, meter.errors.total(), meter.latency.max()), (1, 0, 100));
        assert_eq!(meter.texts, ["no"]);
    }

    #[test]
    fn seconds_hold_what_ended_in_them() {
        let mut meter = Meter::default();
        meter.start(0);
        meter.record(0, SECOND_NS / 2);
        assert_eq!(meter.tick(2 * SECOND_NS).map(|second| second.operations), Some(0));
        meter.record(0, 2 * SECOND_NS + 1);
        meter.finish(2 * SECOND_NS + SECOND_NS / 2);
        let counts: Vec<_> = meter.series.iter().map(|second| (second.at, second.operations)).collect();
        assert_eq!(counts, [(1.0, 1), (2.0, 0), (2.5, 1)]);
    }
}
