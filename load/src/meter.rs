//! What is counted while a run lasts, and what it comes to. Time is passed in, as nanoseconds since the run
//! began; nothing here knows a connection or a protocol.

use hdrhistogram::Histogram;

use crate::kinds::{Asked, Kinds};
use crate::outcome::{Counts, Second, latencies};

/// Different texts of errors that are kept; the rest is only counted.
const ERROR_TEXTS_MAX: usize = 5;

const SECOND_NS: u64 = 1_000_000_000;

/// Counts what becomes of the requests that are due in the measured time, from [`Meter::start`] to
/// [`Meter::end`]. What was due before is part of the warm-up; what is answered after it is late.
#[derive(Debug)]
pub struct Meter {
    start_ns: u64,
    end_ns: u64,
    /// What became of the requests.
    pub counts: Counts,
    /// The first few different texts of what went wrong.
    pub texts: Vec<String>,
    /// What arrived from others beside the answers.
    pub deliveries: u64,
    /// How long each answer took, and how long what was never answered was waited for. The running second is not in it.
    pub latency: Histogram<u64>,
    /// The waits of what was never answered: latencies that are at least so long.
    pub censored: Histogram<u64>,
    /// How long after its time each request of an open loop was written.
    pub lag: Histogram<u64>,
    /// The same by kind of request.
    pub kinds: Kinds,
    /// The seconds that are over.
    pub series: Vec<Second>,
    second: Histogram<u64>,
    /// Of this second: how late requests were written, and how many were due.
    second_lag: Histogram<u64>,
    second_offered: u64,
    /// Operations and errors when this second began.
    before: (u64, u64),
    second_ends_ns: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            start_ns: u64::MAX,
            end_ns: u64::MAX,
            counts: Counts::default(),
            texts: Vec::new(),
            deliveries: 0,
            latency: latencies(),
            censored: latencies(),
            lag: latencies(),
            kinds: Kinds::default(),
            series: Vec::new(),
            second: latencies(),
            second_lag: latencies(),
            second_offered: 0,
            before: (0, 0),
            second_ends_ns: u64::MAX,
        }
    }
}

impl Meter {
    /// For requests of these kinds; none: of a single one.
    pub fn of_kinds(names: &[&str]) -> Self {
        Self { kinds: Kinds::new(names), ..Self::default() }
    }

    /// Begins to measure: what is due from here on counts. Ends at `end_ns`, or when [`Meter::end`] says so.
    pub fn start(&mut self, now_ns: u64, end_ns: u64) {
        self.start_ns = now_ns;
        self.end_ns = end_ns;
        self.second_ends_ns = now_ns + SECOND_NS;
        self.deliveries = 0;
    }

    /// Whether [`Meter::start`] has been.
    pub fn is_running(&self) -> bool {
        self.start_ns != u64::MAX
    }

    /// Seconds from [`Meter::start`] to `now_ns`.
    pub fn seconds_at(&self, now_ns: u64) -> f64 {
        now_ns.saturating_sub(self.start_ns) as f64 / 1e9
    }

    /// `requests` are due at `due_ns`.
    #[inline]
    pub fn offer(&mut self, due_ns: u64, requests: u64) {
        if due_ns >= self.start_ns {
            self.counts.offered += requests;
            self.offer_in_second(due_ns, requests);
        }
    }

    /// What is due belongs to the second that it is due in, also when that is over: it may be sent late.
    #[inline]
    fn offer_in_second(&mut self, due_ns: u64, requests: u64) {
        self.close_seconds(due_ns);
        match self.series.get_mut(((due_ns - self.start_ns) / SECOND_NS) as usize) {
            Some(second) => second.offered += requests,
            None => self.second_offered += requests,
        }
    }

    /// A request is answered.
    #[inline]
    pub fn answer(&mut self, Asked { due_ns, kind }: Asked, now_ns: u64) {
        if due_ns < self.start_ns {
            return;
        }
        let took = now_ns.saturating_sub(due_ns).max(1);
        self.kinds.answer(kind, took, now_ns >= self.end_ns);
        if now_ns >= self.end_ns {
            self.counts.late += 1;
            self.latency.saturating_record(took);
            return;
        }
        self.close_seconds(now_ns);
        self.counts.operations += 1;
        self.second.saturating_record(took);
    }

    /// So many requests are refused.
    pub fn refuse(&mut self, Asked { due_ns, kind }: Asked, requests: u64, now_ns: u64, text: &[u8]) {
        self.note(&String::from_utf8_lossy(text));
        if due_ns >= self.start_ns {
            self.close_seconds(now_ns);
            self.kinds.refuse(kind, requests);
            self.counts.refused += requests;
        }
    }

    /// A request that was due at `due_ns` was written `lag_ns` after it could have been.
    #[inline]
    pub fn sent(&mut self, due_ns: u64, lag_ns: u64) {
        if due_ns >= self.start_ns {
            self.lag.saturating_record(lag_ns.max(1));
            self.second_lag.saturating_record(lag_ns.max(1));
        }
    }

    /// A connection was not made, or has ended, and with it these requests.
    pub fn lose(&mut self, in_flight: impl IntoIterator<Item = Asked>, now_ns: u64, text: &str) {
        self.note(text);
        self.close_seconds(now_ns);
        self.counts.lost_connections += 1;
        for asked in in_flight {
            self.counts.lost += self.never_answered(asked, now_ns, true);
        }
    }

    /// A connection that was lost is there again.
    pub fn remade(&mut self) {
        self.counts.remade_connections += u64::from(self.is_running());
    }

    /// Keeps the text of something that went wrong, if it is new and there is room.
    pub fn note(&mut self, text: &str) {
        if self.texts.len() < ERROR_TEXTS_MAX && !self.texts.iter().any(|known| known == text) {
            self.texts.push(text.to_owned());
        }
    }

    /// A request has no answer in the time that it may take.
    pub fn time_out(&mut self, asked: Asked, now_ns: u64) {
        self.close_seconds(now_ns);
        self.counts.timed_out += self.never_answered(asked, now_ns, true);
    }

    /// `requests` were due at `due_ns` in the measured time and never sent. If the generator was at fault they have a
    /// lag, too.
    pub fn miss(&mut self, due_ns: u64, requests: u64, now_ns: u64, own_fault: bool) {
        self.counts.offered += requests;
        self.offer_in_second(due_ns, requests);
        self.counts.missed += self.wait_in_vain(due_ns, requests, now_ns);
        if own_fault {
            self.lag.saturating_record_n(now_ns.saturating_sub(due_ns).max(1), requests);
        }
    }

    /// A request was sent and has no answer, and nobody waits for it any longer.
    pub fn give_up(&mut self, asked: Asked, now_ns: u64) {
        self.counts.unanswered += self.never_answered(asked, now_ns, false);
    }

    /// The same of so many deliveries that were due at `due_ns`.
    pub fn give_up_deliveries(&mut self, due_ns: u64, deliveries: u64, now_ns: u64) {
        self.counts.unanswered += self.wait_in_vain(due_ns, deliveries, now_ns);
    }

    /// A request that was sent gets no answer. Returns how many requests that counts for.
    fn never_answered(&mut self, Asked { due_ns, kind }: Asked, now_ns: u64, is_error: bool) -> u64 {
        if due_ns >= self.start_ns {
            self.kinds.never_answered(kind, now_ns.saturating_sub(due_ns).max(1), is_error);
        }
        self.wait_in_vain(due_ns, 1, now_ns)
    }

    /// Requests that have no answer have waited at least until now: a server can't improve its latencies by not
    /// answering. Returns how many of them count.
    fn wait_in_vain(&mut self, due_ns: u64, requests: u64, now_ns: u64) -> u64 {
        if due_ns < self.start_ns || requests == 0 {
            return 0;
        }
        let waited = now_ns.saturating_sub(due_ns).max(1);
        self.latency.saturating_record_n(waited, requests);
        self.censored.saturating_record_n(waited, requests);
        requests
    }

    /// Measured requests that have come to their end, whichever.
    pub fn settled(&self) -> u64 {
        self.counts.operations + self.counts.errors()
    }

    /// Closes the seconds that are over, so that what comes next is counted in the second it comes in.
    #[inline]
    pub fn close_seconds(&mut self, now_ns: u64) {
        while now_ns.min(self.end_ns) >= self.second_ends_ns {
            self.close_second(self.second_ends_ns);
            self.second_ends_ns += SECOND_NS;
        }
    }

    /// Ends the measured time and closes its last second, which may be a short one. What is answered from here
    /// on is late. Returns the end: `now_ns`, or the one that was set if that has passed.
    pub fn end(&mut self, now_ns: u64) -> u64 {
        self.end_ns = self.end_ns.min(now_ns);
        self.close_seconds(self.end_ns);
        let (operations, errors) = self.before;
        let has_news =
            self.counts.operations > operations || self.counts.errors() > errors || self.second_offered > 0;
        if self.is_running() && has_news {
            self.close_second(self.end_ns);
        }
        self.second_ends_ns = u64::MAX;
        self.end_ns
    }

    fn close_second(&mut self, end_ns: u64) {
        let (operations, errors) = self.before;
        let at = |quantile| if self.second.is_empty() { 0 } else { self.second.value_at_quantile(quantile) };
        self.series.push(Second {
            at: (end_ns - self.start_ns) as f64 / 1e9,
            offered: std::mem::take(&mut self.second_offered),
            operations: self.counts.operations - operations,
            errors: self.counts.errors() - errors,
            p50_ns: at(0.50),
            p99_ns: at(0.99),
            max_ns: self.second.max(),
            lag_p99_ns: if self.second_lag.is_empty() { 0 } else { self.second_lag.value_at_quantile(0.99) },
        });
        self.second_lag.reset();
        self.latency.add(&self.second).expect("both have the same bounds");
        self.second.reset();
        self.before = (self.counts.operations, self.counts.errors());
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
        whole.offered += second.offered;
        whole.lag_p99_ns = whole.lag_p99_ns.max(second.lag_p99_ns);
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
        meter.answer(Asked::at(5), 10);
        meter.start(100, 1_000);
        for due in [99, 100] {
            meter.offer(due, 1);
        }
        meter.answer(Asked::at(99), 200);
        meter.answer(Asked::at(100), 200);
        meter.refuse(Asked::at(99), 1, 200, b"no");
        meter.lose([Asked::at(99)], 200, "gone");
        meter.give_up(Asked::at(99), 200);
        meter.end(1_000);
        let expected = Counts { offered: 1, operations: 1, lost_connections: 1, ..Counts::default() };
        assert_eq!((meter.counts, meter.latency.max()), (expected, 100));
        assert_eq!(meter.texts, ["no", "gone"]);
    }

    #[test]
    fn an_answer_after_the_end_is_late_and_has_a_latency_and_nothing_else() {
        let mut meter = Meter::default();
        meter.start(0, 2 * SECOND_NS);
        meter.offer(0, 2);
        meter.answer(Asked::at(0), SECOND_NS / 2);
        meter.answer(Asked::at(0), 2 * SECOND_NS);
        assert_eq!(meter.end(5 * SECOND_NS), 2 * SECOND_NS);
        assert_eq!((meter.counts.operations, meter.counts.late, meter.latency.len()), (1, 1, 2));
        assert_eq!(meter.series.iter().map(|second| second.operations).collect::<Vec<_>>(), [1, 0]);
        assert!(meter.counts.is_balanced());
    }

    #[test]
    fn what_is_never_answered_has_waited_at_least_so_long() {
        let mut meter = Meter::default();
        meter.start(0, 10_000);
        meter.offer(0, 4);
        meter.lose([Asked::at(1_000)], 5_000, "gone");
        meter.time_out(Asked::at(2_000), 8_000);
        meter.give_up_deliveries(3_000, 2, 12_000);
        meter.miss(7_000, 3, 10_000, true);
        meter.end(10_000);
        assert!(meter.counts.is_balanced(), "{:?}", meter.counts);
        assert_eq!((meter.latency.len(), meter.censored.len(), meter.lag.len()), (7, 7, 3));
        assert_eq!((meter.censored.min(), meter.latency.count_between(8_900, 9_100)), (3_000, 2));
    }

    #[test]
    fn each_kind_is_counted_by_itself() {
        let mut meter = Meter { kinds: Kinds::new(&["post", "read"]), ..Meter::default() };
        meter.start(100, 10_000);
        let [post, read] = [0, 1].map(|kind| Asked { due_ns: 100, kind });
        meter.answer(Asked { due_ns: 99, kind: 0 }, 200);
        meter.answer(post, 600);
        meter.answer(post, 20_000);
        meter.refuse(read, 1, 600, b"no");
        meter.lose([read], 1_100, "gone");
        meter.give_up(read, 2_100);
        let seen: Vec<_> = (meter.kinds.so_far().iter())
            .map(|kind| (kind.operations, kind.errors, kind.latency.len(), kind.censored.len()))
            .collect();
        assert_eq!(seen, [(1, 0, 2, 0), (0, 2, 2, 2)]);
    }

    #[test]
    fn what_is_offered_belongs_to_the_second_that_it_was_due_in() {
        let mut meter = Meter::default();
        meter.start(0, 3 * SECOND_NS);
        meter.offer(SECOND_NS / 2, 1);
        meter.answer(Asked::at(0), 2 * SECOND_NS + 1);
        // Both were held up.
        meter.offer(SECOND_NS - 1, 2);
        meter.offer(SECOND_NS, 3);
        meter.offer(2 * SECOND_NS + 2, 4);
        meter.end(3 * SECOND_NS);
        meter.miss(3 * SECOND_NS - 1, 5, 3 * SECOND_NS, false);
        assert_eq!(meter.series.iter().map(|second| second.offered).collect::<Vec<_>>(), [3, 3, 9]);
    }

    #[test]
    fn seconds_hold_what_ended_in_them_even_if_nobody_looked_for_a_while() {
        let mut meter = Meter::default();
        meter.start(0, u64::MAX);
        meter.answer(Asked::at(0), SECOND_NS / 2);
        meter.answer(Asked::at(0), 2 * SECOND_NS + 1);
        meter.end(2 * SECOND_NS + SECOND_NS / 2);
        let counts: Vec<_> = meter.series.iter().map(|second| (second.at, second.operations)).collect();
        assert_eq!(counts, [(1.0, 1), (2.0, 0), (2.5, 1)]);
    }
}
