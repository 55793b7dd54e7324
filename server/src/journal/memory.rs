//! A journal in memory, for tests and simulations: the same port as the one on disk, with switches for
//! everything that a disk does at a bad moment. It refuses to know threads and time: what happens, happens
//! because the test said so.

use std::collections::VecDeque;

use super::batch::{Batch, Gathering, Turn, entries_of};
use super::{Journal, Outcome, Sequence};

/// Commits at once, unless told to hold batches back, to be full, or to break.
#[derive(Default)]
pub struct MemoryJournal {
    gathering: Gathering,
    /// Handed over, not committed yet; only a holding journal has any after a turn.
    handed: VecDeque<Batch>,
    outcomes: VecDeque<(Outcome, Batch)>,
    committed: Vec<Vec<u8>>,
    commits: usize,
    holding: bool,
    no_space_commits: usize,
    /// What a power cut would leave, if that is less than was committed.
    durable: Option<Sequence>,
    state: State,
}

/// How well the journal is.
#[derive(Default)]
enum State {
    #[default]
    Working,
    /// The outcome that ends everything has not been told yet.
    Breaking(String),
    Broken,
}

impl MemoryJournal {
    /// A journal that continues a log, for example what [`MemoryJournal::committed`] gave before a crash.
    #[must_use]
    pub fn continuing(committed: Vec<Vec<u8>>) -> Self {
        Self { committed, ..Self::default() }
    }

    /// From now on batches stay in the writer's hands until [`MemoryJournal::commit_one`] or
    /// [`MemoryJournal::release`].
    pub fn hold(&mut self) {
        self.holding = true;
    }

    /// Commits what is held, and holds no longer.
    pub fn release(&mut self) {
        self.holding = false;
        while self.commit_one() {}
    }

    /// Commits the oldest batch that is held; says whether there was one.
    pub fn commit_one(&mut self) -> bool {
        let Some(batch) = self.handed.pop_front() else { return false };
        let entries = batch.entries();
        let outcome = if self.no_space_commits > 0 {
            self.no_space_commits -= 1;
            Outcome::NoSpace { entries }
        } else {
            let bytes = entries_of(batch.bytes()).map(|entry| entry.expect("built by push").to_vec());
            self.committed.extend(bytes);
            self.commits += 1;
            Outcome::Committed { entries }
        };
        self.outcomes.push_back((outcome, batch));
        true
    }

    /// From now on nothing more becomes durable until [`MemoryJournal::sync`].
    pub fn hold_sync(&mut self) {
        self.durable = Some(self.durable());
    }

    /// Makes all that was committed durable, now and in future.
    pub fn sync(&mut self) {
        self.durable = None;
    }

    /// The disk is full for the next so many batches.
    pub fn no_space(&mut self, commits: usize) {
        self.no_space_commits = commits;
    }

    /// The disk fails: what is held or proposed from now on is lost, and `Broken` is the last outcome.
    pub fn fail(&mut self, reason: &str) {
        self.handed.clear();
        self.state = State::Breaking(reason.to_owned());
    }

    /// Every entry in the log, oldest first: what a replay after a crash at this moment would bring,
    /// outcomes that nobody has asked for yet included.
    #[must_use]
    pub fn committed(&self) -> &[Vec<u8>] {
        &self.committed
    }

    /// How many batches were committed.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.commits
    }

    fn take(&mut self, batch: Batch) {
        if matches!(self.state, State::Working) {
            self.handed.push_back(batch);
            if !self.holding {
                self.commit_one();
            }
        }
    }
}

impl Journal for MemoryJournal {
    fn propose(&mut self, entry: &[u8]) {
        self.gathering.add(entry);
    }

    fn end_turn(&mut self, quiet: bool) -> bool {
        match self.gathering.end_turn(quiet) {
            Turn::HandOver(batch) => self.take(batch),
            Turn::AwaitQuiet => return true,
            Turn::Rest => {}
        }
        false
    }

    fn durable(&self) -> Sequence {
        self.durable.unwrap_or(Sequence::default().plus(self.committed.len()))
    }

    fn next_outcome(&mut self) -> Option<Outcome> {
        if let Some((outcome, batch)) = self.outcomes.pop_front() {
            self.gathering.came_back(batch);
            return Some(outcome);
        }
        match std::mem::take(&mut self.state) {
            State::Working => None,
            State::Breaking(reason) => {
                self.state = State::Broken;
                Some(Outcome::Broken { reason })
            }
            State::Broken => {
                self.state = State::Broken;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_batch_has_no_outcome_until_it_is_committed() {
        let mut journal = MemoryJournal::default();
        journal.hold();
        journal.propose(b"1");
        assert!(!journal.end_turn(true));
        journal.propose(b"2");
        assert!(!journal.end_turn(true), "the writer is busy, not the loop");
        assert_eq!(journal.next_outcome(), None);
        assert!(journal.commit_one());
        assert_eq!(journal.next_outcome(), Some(Outcome::Committed { entries: 1 }));
        assert!(journal.end_turn(false), "idle again: only quiet is missing");
        journal.end_turn(true);
        journal.release();
        assert_eq!(journal.next_outcome(), Some(Outcome::Committed { entries: 1 }));
        assert_eq!(journal.committed(), [b"1".to_vec(), b"2".to_vec()]);
    }

    #[test]
    fn a_full_disk_changes_nothing_and_the_next_batch_is_taken() {
        let mut journal = MemoryJournal::continuing(vec![b"old".to_vec()]);
        journal.no_space(1);
        for entry in [b"1", b"2"] {
            journal.propose(entry);
            journal.end_turn(true);
        }
        assert_eq!(journal.next_outcome(), Some(Outcome::NoSpace { entries: 1 }));
        journal.end_turn(true);
        assert_eq!(journal.next_outcome(), Some(Outcome::Committed { entries: 1 }));
        assert_eq!(journal.committed(), [b"old".to_vec(), b"2".to_vec()]);
    }

    #[test]
    fn nothing_follows_a_failure() {
        let mut journal = MemoryJournal::default();
        journal.propose(b"1");
        journal.end_turn(true);
        journal.fail("disk on fire");
        journal.propose(b"2");
        journal.end_turn(true);
        assert_eq!(journal.next_outcome(), Some(Outcome::Committed { entries: 1 }));
        assert_eq!(journal.next_outcome(), Some(Outcome::Broken { reason: "disk on fire".into() }));
        journal.end_turn(true);
        assert_eq!(journal.next_outcome(), None);
        assert_eq!(journal.committed(), [b"1".to_vec()]);
    }
}
