//! What the generator itself uses, as the scheduler counts it.

use std::fs;

use crate::server_use::Snapshot;

/// CPU seconds that were used so far; none where there is no `/proc`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// By this thread.
    thread: Option<f64>,
    /// By all threads of the process.
    process: Option<f64>,
}

impl Cpu {
    /// Up to now.
    pub(crate) fn now() -> Self {
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let ns = schedstat.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let process = Snapshot::of(std::process::id()).map(|snapshot| snapshot.cpu_seconds);
        Self { thread: ns.map(|ns| ns as f64 / 1e9), process }
    }

    /// Seconds of the process since `before`, and of this thread.
    pub(crate) fn since(&self, before: &Self) -> (f64, Option<f64>) {
        let seconds = |after: Option<f64>, before: Option<f64>| Some((after? - before?).max(0.0));
        (seconds(self.process, before.process).unwrap_or(0.0), seconds(self.thread, before.thread))
    }
}
