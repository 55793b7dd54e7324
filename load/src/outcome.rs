//! What a run has come to: plain data, which every kind of output is made of, and which processes that
//! shared the work are added up by.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::search::StepResult;
use crate::setting::Setting;

/// Latencies are counted in nanoseconds, up to a minute, to three digits.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
const LATENCY_DIGITS: u8 = 3;

/// An empty histogram of latencies in nanoseconds. What took longer than a minute counts as a minute.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS).expect("the bounds are constants")
}

/// Everything that was counted between the end of the warm-up and the end of the run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When, where and by what command.
    pub setting: Setting,
    /// The scenario's name, as on the command line.
    pub scenario: String,
    /// Who was asked: its protocol and address.
    pub target: String,
    /// The options that say what was done, as on the command line, so that it can be repeated.
    pub options: BTreeMap<String, String>,
    /// How long was measured, without the warm-up.
    pub seconds: f64,
    /// What became of each request.
    pub counts: Counts,
    /// Bytes of content that the operations moved, where that is what is measured.
    pub bytes: u64,
    /// How long the answers took, late ones too, and for what was never answered how long it had been waited for. With
    /// a rate, from when the request was due.
    pub latency: Histogram<u64>,
    /// Those of the latencies that are only known to be at least so long: of what was never answered.
    pub censored: Histogram<u64>,
    /// The same by the kind of request, where there are several. What was missed was of none.
    pub kinds: Vec<KindUse>,
    /// The measured time by the second; late answers are in none of them.
    pub series: Vec<Second>,
    /// What it cost the server, where its process could be looked at.
    pub server: Option<ServerUse>,
    /// What the measuring cost, and how late requests were sent.
    pub generator: GeneratorUse,
    /// What `--find` has come to: this is then the last of its steps.
    pub found: Option<Found>,
}

/// What a search for the highest rate that holds a threshold has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The threshold, as on the command line.
    pub goal: String,
    /// In the order in which they were measured.
    pub steps: Vec<Step>,
    /// The highest rate that held, also when it was verified.
    pub highest: Option<f64>,
    /// What became of the lowest rate that did not hold; nothing if all did that were tried.
    pub limit: Option<StepResult>,
    /// Whether the search came to its end: it was not interrupted, and the server did not die.
    pub is_over: bool,
}

impl Found {
    /// The steps, the lowest rate first.
    pub fn by_rate(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.steps.iter().collect();
        steps.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        steps
    }
}

/// One rate, measured once.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Operations a second that were offered, and that were achieved.
    pub rate: f64,
    /// See `rate`.
    pub achieved: f64,
    /// Latencies, in nanoseconds.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// What the threshold is about, as people read it.
    pub measured: String,
    /// Whether the threshold held.
    pub result: StepResult,
}

/// What became of the requests (or deliveries, where those are what is measured) that were due in the measured
/// time. Each has exactly one fate: see [`Counts::is_balanced`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All that were due: with a rate those of the schedule, otherwise those that were sent.
    pub offered: u64,
    /// Answered within the measured time: what rate, bytes and CPU per operation are about.
    pub operations: u64,
    /// Answered after it.
    pub late: u64,
    /// Due, but not sent before the measured time was over.
    pub missed: u64,
    /// Sent, and not answered, though there was time after the end.
    pub unanswered: u64,
    /// Refused by the server.
    pub refused: u64,
    /// Sent on a connection that ended before the answer. In `connect`: log-ins that came to nothing.
    pub lost: u64,
    /// Not answered within `--timeout`.
    pub timed_out: u64,
    /// Connections that could not be made, or ended, with or without a request: not part of the sum.
    pub lost_connections: u64,
    /// Those of them that were made again: neither.
    pub remade_connections: u64,
}

impl Counts {
    /// Requests that went wrong.
    pub fn errors(&self) -> u64 {
        self.refused + self.lost + self.timed_out
    }

    /// Each kind of error by its name.
    pub fn error_kinds(&self) -> [(&'static str, u64); 3] {
        [("refused", self.refused), ("lost", self.lost), ("timed out", self.timed_out)]
    }

    /// What is neither an operation nor an error, by its name.
    pub fn other_fates(&self) -> [(&'static str, u64); 3] {
        [("late", self.late), ("missed", self.missed), ("unanswered", self.unanswered)]
    }

    /// Whether each request that was offered has met one fate, which holds for every run that is over.
    pub fn is_balanced(&self) -> bool {
        self.offered == self.operations + self.late + self.missed + self.unanswered + self.errors()
    }

    /// Adds what another part of the run has counted.
    pub fn add(&mut self, part: &Self) {
        self.offered += part.offered;
        self.operations += part.operations;
        self.late += part.late;
        self.missed += part.missed;
        self.unanswered += part.unanswered;
        self.refused += part.refused;
        self.lost += part.lost;
        self.timed_out += part.timed_out;
        self.lost_connections += part.lost_connections;
        self.remade_connections += part.remade_connections;
    }
}

/// What became of the requests of one kind.
#[derive(Debug, Clone)]
pub struct KindUse {
    /// What it is called on the command line and in results.
    pub name: String,
    /// Answered within the measured time.
    pub operations: u64,
    /// Refused, lost or timed out.
    pub errors: u64,
    /// How long they took, as in [`Outcome::latency`].
    pub latency: Histogram<u64>,
    /// Those of the latencies that are at least so long.
    pub censored: Histogram<u64>,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds since the end of the warm-up, at its end.
    pub at: f64,
    /// Requests that were due in it.
    pub offered: u64,
    /// Operations in it.
    pub operations: u64,
    /// Errors in it.
    pub errors: u64,
    /// Latencies in it, in nanoseconds.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// How late 99 % of the requests left that were written in it; 0 in a closed loop.
    pub lag_p99_ns: u64,
}

/// What forum-load itself used in the measured time.
#[derive(Debug, Clone, Default)]
pub struct GeneratorUse {
    /// CPU seconds of all its threads and processes.
    pub cpu_seconds: f64,
    /// Of a core, what the busiest thread that sends and receives used; nothing where that was not looked at.
    pub busiest: Option<f64>,
    /// Its anonymous memory at the end, of all its processes.
    pub memory_bytes: Option<u64>,
    /// How long after its time each request was written; nothing in a closed loop, where no request has a time. While
    /// every connection has as much in flight as it may, the wait is the server's and not counted.
    pub lag: Option<Histogram<u64>>,
}

/// What the server's processes used while they were measured, all threads together.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerUse {
    /// Their ids.
    pub pids: Vec<u32>,
    /// How long they were looked at: the measured time, unless the generator was held up at the end of it. In
    /// `connect` from the first connection to the end of the stay.
    pub seconds: f64,
    /// CPU seconds outside the kernel.
    pub user_seconds: f64,
    /// CPU seconds in the kernel.
    pub system_seconds: f64,
    /// Anonymous memory at the start of what was measured (`RssAnon`).
    pub memory_bytes_before: u64,
    /// The same at the end.
    pub memory_bytes_after: u64,
    /// From second to second.
    pub series: Vec<ServerMoment>,
}

/// What a look at the server's processes has shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerMoment {
    /// Seconds since they were looked at first.
    pub at: f64,
    /// Cores that they used since the last look.
    pub cores: f64,
    /// Their anonymous memory.
    pub memory_bytes: u64,
}

impl ServerUse {
    /// CPU seconds in all.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_balanced_if_each_request_has_one_fate() {
        let fates = Counts {
            operations: 1,
            late: 2,
            missed: 3,
            unanswered: 4,
            refused: 5,
            lost: 6,
            timed_out: 7,
            ..Counts::default()
        };
        let mut counts = Counts { offered: 28, lost_connections: 7, ..fates };
        assert!(counts.is_balanced() && !fates.is_balanced());
        counts.add(&counts.clone());
        assert!(counts.is_balanced());
        assert_eq!((counts.offered, counts.errors(), counts.lost_connections), (56, 36, 14));
    }
}
