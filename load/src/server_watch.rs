//! Looks at a server's processes once a second while it is measured, in a thread of its own, so that no request waits
//! for it.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::outcome::{ServerMoment, ServerUse};
use crate::server_use::Snapshot;

const EVERY: Duration = Duration::from_secs(1);
/// More are not kept: after a day, only both ends are known.
const LOOKS_MAX: usize = 86_400;

/// Processes that are being looked at.
#[derive(Debug)]
pub struct Watch {
    pids: Arc<[u32]>,
    first: Snapshot,
    stop: Sender<()>,
    looks: JoinHandle<Vec<Snapshot>>,
}

impl Watch {
    /// Begins to look at processes `pids`; nothing if there are none or they can't be looked at.
    pub fn start(pids: &[u32]) -> Option<Self> {
        Self::start_every(EVERY, LOOKS_MAX, pids)
    }

    fn start_every(every: Duration, looks_max: usize, pids: &[u32]) -> Option<Self> {
        let (first, pids) = (Snapshot::of(pids)?, Arc::<[u32]>::from(pids));
        let looked_at = Arc::clone(&pids);
        let (stop, stopped) = mpsc::channel();
        let looks = thread::spawn(move || {
            let (start, mut looks) = (Instant::now(), Vec::new());
            while looks.len() < looks_max {
                let due = every * (looks.len() as u32 + 1);
                match stopped.recv_timeout(due.saturating_sub(start.elapsed())) {
                    Err(RecvTimeoutError::Timeout) => match Snapshot::of(&looked_at) {
                        Some(look) => looks.push(look),
                        None => break,
                    },
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            looks
        });
        Some(Self { pids, first, stop, looks })
    }

    /// What the processes have used by now; nothing if one is gone.
    pub fn stop(self) -> Option<ServerUse> {
        let last = Snapshot::of(&self.pids);
        drop(self.stop);
        let looks = self.looks.join().ok()?;
        Some(ServerUse {
            pids: self.pids.to_vec(),
            series: series(&self.first, &looks),
            ..self.first.until(&last?)
        })
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
        let watch = Watch::start_every(Duration::from_millis(2), 3, &[std::process::id()]).unwrap();
        let series = series(&watch.first, &watch.looks.join().unwrap());
        assert_eq!(series.len(), 3);
        assert!(series.is_sorted_by(|one, other| one.at < other.at), "{series:?}");
        assert!(series.iter().all(|moment| moment.memory_bytes > 0 && moment.cores >= 0.0), "{series:?}");
    }

    #[test]
    fn what_is_stopped_at_once_has_both_ends() {
        let used = Watch::start(&[std::process::id()]).unwrap().stop().unwrap();
        assert!(used.memory_bytes_before > 0 && used.memory_bytes_after > 0 && used.seconds >= 0.0);
    }

    #[test]
    fn nobody_is_looked_at_whose_process_is_not_known_or_not_there() {
        assert!(Watch::start(&[]).is_none() && Watch::start(&[u32::MAX]).is_none());
    }
}
