//! What the generator itself uses, as the scheduler counts it.

use std::fs;

use crate::outcome::GeneratorUse;
use crate::report::share;
use crate::server_use::Snapshot;

/// What was used so far; nothing where there is no `/proc`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnUse {
    /// CPU seconds of this thread.
    thread: Option<f64>,
    /// CPU seconds of all threads of the process, and its anonymous memory.
    process: Option<(f64, u64)>,
}

impl OwnUse {
    /// Up to now.
    pub(crate) fn now() -> Self {
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let ns = schedstat.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let process =
            Snapshot::of(&[std::process::id()]).map(|snapshot| (snapshot.cpu_seconds, snapshot.memory_bytes));
        Self { thread: ns.map(|ns| ns as f64 / 1e9), process }
    }

    /// Anonymous memory of the process.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.process.map(|(_, bytes)| bytes)
    }

    /// What was used since then: all of it, and of a core, if that was `ns` nanoseconds ago, by this thread.
    pub(crate) fn until_now(&self, ns: u64) -> GeneratorUse {
        let now = Self::now();
        let seconds = |after: Option<f64>, before: Option<f64>| Some((after? - before?).max(0.0));
        let cpu = |used: &Self| used.process.map(|(cpu, _)| cpu);
        GeneratorUse {
            cpu_seconds: seconds(cpu(&now), cpu(self)).unwrap_or(0.0),
            busiest: seconds(now.thread, self.thread).and_then(|used| share(used, ns as f64 / 1e9)),
            memory_bytes: now.memory_bytes(),
            lag: None,
        }
    }
}
