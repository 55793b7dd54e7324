//! The fsync of our own that `--durability interval` makes each second, and what is durable because of it.
//! Takes times from its caller.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chain::Tip;

/// How long a commit may be known to the operating system alone.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// When the write-ahead log has to be fsynced. The descriptor lives as long as the connection; SQLite has its
/// POSIX locks on other files, so closing it takes none of them away.
///
/// Why this and `synchronous=NORMAL` lose at most what was not fsynced yet: SQLite fsyncs the log before it
/// moves pages into the database, the database before it lets the log start anew, and the header of a log
/// started anew before anything follows it. So after a power cut the log is intact up to some point not before
/// the last fsync, the checksums of its frames say where that point is, and no page of the database is newer
/// than that. Of these three fsyncs the first two belong to a checkpoint, which the journal's thread makes, and
/// the third to the first commit after it, which the loop therefore leaves to the thread as well
/// ([`Writer::commits_at_once`](super::writer::Writer::commits_at_once)). No other commit fsyncs.
pub(super) struct IntervalSync {
    wal: Arc<File>,
    /// When the oldest commit that is not fsynced has to be.
    due: Option<Instant>,
}

/// An fsync that is due. It needs nothing but the file, so commits go on while it runs.
pub(super) struct DueSync {
    wal: Arc<File>,
    /// Where the log ended when it began: durable once it is over.
    pub(super) tip: Tip,
}

impl DueSync {
    pub(super) fn run(&self) -> io::Result<()> {
        self.wal.sync_data()
    }
}

impl IntervalSync {
    pub(super) fn new(wal: File) -> Self {
        Self { wal: Arc::new(wal), due: None }
    }

    /// Something was committed; says whether it is the first that waits for an fsync.
    pub(super) fn committed(&mut self, now: Instant) -> bool {
        let is_first = self.due.is_none();
        self.due.get_or_insert(now + SYNC_INTERVAL);
        is_first
    }

    /// The fsync of a log that ends at `tip`, if one is due, or in a `hurry` if there is anything to fsync. What
    /// is committed from here on waits for the next.
    pub(super) fn take_due(&mut self, tip: Tip, now: Instant, hurry: bool) -> Option<DueSync> {
        self.due.filter(|due| hurry || *due <= now)?;
        self.due = None;
        Some(DueSync { wal: Arc::clone(&self.wal), tip })
    }

    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_fsynced_when_the_oldest_unsynced_one_is_a_second_old() {
        let mut sync = IntervalSync::new(tempfile::tempfile().unwrap());
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(sync.wait(at(0)), None, "nothing to fsync");
        assert!(sync.committed(at(0)));
        assert!(!sync.committed(at(600)));
        assert_eq!(sync.wait(at(700)), Some(Duration::from_millis(300)));
        assert!(sync.take_due(Tip::GENESIS, at(999), false).is_none(), "not due yet");
        let due = sync.take_due(Tip::GENESIS, at(1_000), false).expect("due");
        assert!(sync.committed(at(1_100)), "the fsync under way may miss it");
        due.run().unwrap();
        assert_eq!(sync.wait(at(1_100)), Some(Duration::from_secs(1)));
        assert!(sync.take_due(Tip::GENESIS, at(1_100), true).is_some(), "in a hurry");
        assert!(sync.take_due(Tip::GENESIS, at(1_100), true).is_none(), "nothing to fsync");
    }
}
