//! Looks at a server's process once a second while it is measured, in a thread of its own, so that no request waits
//! for it.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::outcome::{ServerMoment, ServerUse};
use crate::server_use::Snapshot;

const EVERY: Duration = Duration::from_secs(1);
/// More are not kept: after a day, only both ends are known.
const LOOKS_MAX: usize = 86_400;

/// A process that is being looked at.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    first: Snapshot,
    stop: Sender<()>,
    looks: JoinHandle<Vec<Snapshot>>,
}

impl Watch {
    /// Begins to look at process `pid`; nothing if it can't be looked at.
    pub fn start(pid: Option<u32>) -> Option<Self> {
        Self::start_every(EVERY, LOOKS_MAX, pid?)
    }

    fn start_every(every: Duration, looks_max: usize, pid: u32) -> Option<Self> {
        let first = Snapshot::of(pid)?;
        let (stop, stopped) = mpsc::channel();
        let looks = thread::spawn(move || {
            let (start, mut looks) = (Instant::now(), Vec::new());
            while looks.len() < looks_max {
                let due = every * (looks.len() as u32 + 1);
                match stopped.recv_timeout(due.saturating_sub(start.elapsed())) {
                    Err(RecvTimeoutError::Timeout) => match Snapshot::of(pid) {
                        Some(look) => looks.push(look),
                        None => break,
                    },
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            looks
        });
        Some(Self { pid, first, stop, looks })
    }

    /// What the process has used by now; nothing if it is gone.
    pub fn stop(self) -> Option<ServerUse> {
        let last = Snapshot::of(self.pid);
        drop(self.stop);
        let looks = self.looks.join().ok()?;
        Some(ServerUse { series: series(&self.first, &looks), ..self.first.until(&last?) })
    }
}

fn series(first: &Snapshot, looks: &[Snapshot]) -> Vec<ServerMoment> {
    let before = [first].into_iter().chain(looks);
    before.zip(looks).map(|(before, look)| moment(first, before, look)).collect()
}

fn moment(first: &Snapshot, before: &Snapshot, look: &Snapshot) -> ServerMoment {
    let used = before.until(look);
    ServerMoment {
        at: first.until(look).seconds,
        cores: used.cpu_seconds() / used.seconds.max(f64::MIN_POSITIVE),
        memory_bytes: used.memory_bytes_after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_looked_at_again_and_again_but_not_without_end() {
        let watch = Watch::start_every(Duration::from_millis(2), 3, std::process::id()).unwrap();
        let series = series(&watch.first, &watch.looks.join().unwrap());
        assert_eq!(series.len(), 3);
        assert!(series.is_sorted_by(|one, other| one.at < other.at), "{series:?}");
        assert!(series.iter().all(|moment| moment.memory_bytes > 0 && moment.cores >= 0.0), "{series:?}");
    }

    #[test]
    fn what_is_stopped_at_once_has_both_ends() {
        let used = Watch::start(Some(std::process::id())).unwrap().stop().unwrap();
        assert!(used.memory_bytes_before > 0 && used.memory_bytes_after > 0 && used.seconds >= 0.0);
    }

    #[test]
    fn nobody_is_looked_at_whose_process_is_not_known_or_not_there() {
        assert!(Watch::start(None).is_none() && Watch::start(Some(u32::MAX)).is_none());
    }
}
