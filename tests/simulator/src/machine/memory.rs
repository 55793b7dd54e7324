//! The log in memory, with a disk that takes its time: batches are committed, and made durable, when the world says so.

use std::cell::RefCell;
use std::rc::Rc;

use forumd::journal::{Batch, Chunks, Class, Journal, MemoryDisk, MemoryJournal, Outcome, Sequence, Ticket};

/// What a machine has on its disk and in its page cache: the whole log, and the newest snapshot of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    pub(crate) disk: MemoryDisk,
    pub(crate) snapshot: Option<Snapshot>,
}

/// The state after so many entries, in pieces.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) covered: usize,
    pub(crate) chunks: Vec<Vec<u8>>,
}

/// The journal that the server has, and the world controls.
#[derive(Clone)]
pub(crate) struct SimJournal(Rc<RefCell<Inner>>);

struct Inner {
    journal: MemoryJournal,
    /// How many entries the server was told of.
    told: usize,
    snapshot: Option<Snapshot>,
    /// A snapshot that is not on the disk yet.
    pending: Option<Snapshot>,
}

impl SimJournal {
    /// One that continues a log; each commit is synced if they `always` are.
    pub(crate) fn starting_on(log: Log, always: bool) -> Result<Self, String> {
        let told = log.disk.entries().len();
        let mut journal = MemoryJournal::starting_on(log.disk)?;
        journal.hold();
        if !always {
            journal.hold_sync();
        }
        let inner = Inner { journal, told, snapshot: log.snapshot, pending: None };
        Ok(Self(Rc::new(RefCell::new(inner))))
    }

    /// Commits the oldest batch that waits; says whether there was one.
    pub(crate) fn commit(&self) -> bool {
        let inner = &mut *self.0.borrow_mut();
        if let Some(snapshot) = inner.pending.take() {
            inner.snapshot = Some(snapshot);
        }
        inner.journal.commit_one()
    }

    /// What waits is written and not synced: the machine dies.
    pub(crate) fn write_held(&self) {
        self.0.borrow_mut().journal.write_held();
    }

    /// Whether a batch waits.
    pub(crate) fn is_handed(&self) -> bool {
        self.0.borrow().journal.is_handed()
    }

    /// All that was committed is durable now.
    pub(crate) fn sync(&self) {
        let journal = &mut self.0.borrow_mut().journal;
        journal.sync();
        journal.hold_sync();
    }

    /// The disk is full for the next so many commits.
    pub(crate) fn no_space(&self, commits: usize) {
        self.0.borrow_mut().journal.no_space(commits);
    }

    /// The next sync of the log fails.
    pub(crate) fn fail_sync(&self) {
        self.0.borrow_mut().journal.disk_mut().fail_syncs(1);
    }

    /// Syncs fail no more.
    pub(crate) fn mend(&self) {
        self.0.borrow_mut().journal.disk_mut().fail_syncs(0);
    }

    /// Up to which entry the log survives a power cut.
    pub(crate) fn promised(&self) -> usize {
        self.0.borrow().journal.durable().0 as usize
    }

    /// What the machine has of it, synced or not.
    pub(crate) fn log(&self) -> Log {
        self.mend();
        let inner = &mut *self.0.borrow_mut();
        Log { disk: inner.journal.disk_mut().clone(), snapshot: inner.snapshot.clone() }
    }
}

impl Journal for SimJournal {
    fn propose(&mut self, ticket: Ticket, class: Class, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.0.borrow_mut().journal.propose(ticket, class, encode)
    }

    fn end_turn(&mut self, quiet: bool) -> bool {
        self.0.borrow_mut().journal.end_turn(quiet)
    }

    fn has_outcome(&self) -> bool {
        self.0.borrow().journal.has_outcome()
    }

    fn next_outcome(&mut self) -> Option<Outcome> {
        let inner = &mut *self.0.borrow_mut();
        let outcome = inner.journal.next_outcome();
        if let Some(Outcome::Committed { entries, .. }) = &outcome {
            inner.told += entries.len();
        }
        outcome
    }

    fn recycle(&mut self, entries: Batch) {
        self.0.borrow_mut().journal.recycle(entries);
    }

    fn durable(&self) -> Sequence {
        self.0.borrow().journal.durable()
    }

    fn tail_bytes(&self) -> u64 {
        let inner = self.0.borrow();
        let covered = inner.snapshot.as_ref().map_or(0, |snapshot| snapshot.covered);
        inner.journal.committed()[covered..].iter().map(|entry| entry.len() as u64).sum()
    }

    fn snapshot(&mut self, chunks: Chunks) -> bool {
        let inner = &mut *self.0.borrow_mut();
        if inner.pending.is_some() {
            return false;
        }
        inner.pending = Some(Snapshot { covered: inner.told, chunks: chunks.collect() });
        true
    }
}
