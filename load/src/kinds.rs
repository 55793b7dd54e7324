//! The kinds of requests of a scenario that asks for several, each counted by itself.

use hdrhistogram::Histogram;

use crate::outcome::{KindUse, latencies};

/// A request: when it was due, and of which kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Nanoseconds since the run began, or [`EXPIRED`].
    pub due_ns: u64,
    /// Its place among the scenario's kinds.
    pub kind: u8,
}

/// When a request was due that nobody waits for any longer, though its answer may come.
pub const EXPIRED: u64 = u64::MAX;

/// What requests of scenarios are that have only one kind.
const ONLY_KIND: u8 = u8::MAX;

impl Asked {
    /// One of a scenario that has no kinds.
    pub fn at(due_ns: u64) -> Self {
        Self { due_ns, kind: ONLY_KIND }
    }

    /// Whether it is still waited for.
    pub fn is_waiting(&self) -> bool {
        self.due_ns != EXPIRED
    }
}

/// What has become of the requests of each kind.
#[derive(Debug, Default)]
pub struct Kinds(Vec<KindUse>);

impl Kinds {
    /// Counts these kinds; none: the scenario has only one, which is all there is.
    pub fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|name| KindUse::new(name)).collect())
    }

    /// So far.
    pub fn so_far(&self) -> &[KindUse] {
        &self.0
    }

    /// A request was answered; late ones are in the latencies alone.
    #[inline]
    pub fn answer(&mut self, kind: u8, took_ns: u64, is_late: bool) {
        if let Some(kind) = self.0.get_mut(usize::from(kind)) {
            kind.operations += u64::from(!is_late);
            kind.latency.saturating_record(took_ns);
        }
    }

    /// A request was refused.
    pub fn refuse(&mut self, kind: u8, requests: u64) {
        if let Some(kind) = self.0.get_mut(usize::from(kind)) {
            kind.errors += requests;
        }
    }

    /// A request had no answer after so long, which is an error or is not.
    pub fn never_answered(&mut self, kind: u8, waited_ns: u64, is_error: bool) {
        if let Some(kind) = self.0.get_mut(usize::from(kind)) {
            kind.errors += u64::from(is_error);
            kind.latency.saturating_record(waited_ns);
            kind.censored.saturating_record(waited_ns);
        }
    }
}

impl KindUse {
    /// Of nothing yet.
    pub fn new(name: &str) -> Self {
        let [latency, censored]: [Histogram<u64>; 2] = [latencies(), latencies()];
        Self { name: name.to_owned(), operations: 0, errors: 0, latency, censored }
    }
}
