//! What a run has come to: plain data, which every kind of output is made of, and which processes that
//! shared the work are added up by.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

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
    /// The scenario's name, as on the command line.
    pub scenario: String,
    /// Who was asked: its protocol and address.
    pub target: String,
    /// The options that say what was done, as on the command line, for whoever wants to do it again.
    pub options: BTreeMap<String, String>,
    /// How long was measured, without the warm-up.
    pub seconds: f64,
    /// Answered requests; or deliveries, where those are what is measured.
    pub operations: u64,
    /// What went wrong.
    pub errors: Errors,
    /// Bytes of content that were moved, where that is what is measured.
    pub bytes: u64,
    /// How long each operation took. With a rate, from when it was to be sent.
    pub latency: Histogram<u64>,
    /// The same by the second.
    pub series: Vec<Second>,
    /// What it cost the server, where its process could be looked at.
    pub server: Option<ServerUse>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors {
    /// Requests that were refused.
    pub refused: u64,
    /// Connections that could not be made, or were lost.
    pub lost: u64,
    /// Requests that were not answered when the run ended, though they had time to be.
    pub unanswered: u64,
}

impl Errors {
    /// All of them.
    pub fn total(self) -> u64 {
        self.refused + self.lost + self.unanswered
    }

    /// Each kind by its name.
    pub fn kinds(self) -> [(&'static str, u64); 3] {
        [("refused", self.refused), ("lost", self.lost), ("unanswered", self.unanswered)]
    }
}

/// One second of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Second {
    /// Seconds since the end of the warm-up, at its end.
    pub at: f64,
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
}

/// What the server's process used while it was measured, all threads together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerUse {
    /// Its process id.
    pub pid: u32,
    /// CPU seconds outside the kernel.
    pub user_seconds: f64,
    /// CPU seconds in the kernel.
    pub system_seconds: f64,
    /// Anonymous memory at the start of what was measured (`RssAnon`).
    pub memory_bytes_before: u64,
    /// The same at the end.
    pub memory_bytes_after: u64,
}

impl ServerUse {
    /// CPU seconds in all.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}
