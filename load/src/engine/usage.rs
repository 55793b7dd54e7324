//! What the generator itself uses.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that was used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// By this thread.
    thread: Duration,
    /// By all threads of the process.
    process: Duration,
}

impl Cpu {
    /// Up to now.
    pub(crate) fn now() -> Self {
        let read = |clock| {
            let time = clock_gettime(clock);
            // Neither clock runs backwards or has a negative time.
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        Self { thread: read(ClockId::ThreadCPUTime), process: read(ClockId::ProcessCPUTime) }
    }

    /// Seconds of the process since `before`, and of this thread.
    pub(crate) fn since(&self, before: &Self) -> (f64, f64) {
        let seconds = |after: Duration, before| after.saturating_sub(before).as_secs_f64();
        (seconds(self.process, before.process), seconds(self.thread, before.thread))
    }
}
