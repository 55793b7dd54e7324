//! A journal in memory, for tests and simulations: the same port as the one on disk, with switches for
//! everything that a disk does at a bad moment. It has neither threads nor times: what happens, happens because
//! the test said so. What a power cut leaves of it is for its [`MemoryDisk`] to say.

mod disk;

use std::collections::VecDeque;

use super::batch::{Batch, Gathering, Turn};
use super::{Class, Journal, Outcome, Sequence, Ticket};
use crate::planted::{Bug, planted};
pub use disk::{Fate, MemoryDisk};

/// Commits at once, unless told to hold batches back, to be full, or to break.
#[derive(Default)]
pub struct MemoryJournal {
    gathering: Gathering,
    /// Handed over, not committed yet; only a holding journal has any after a turn.
    handed: VecDeque<Batch>,
    /// And whether they are of our own batch.
    outcomes: VecDeque<(Outcome, bool)>,
    disk: MemoryDisk,
    commits: usize,
    holding: bool,
    holding_passing: bool,
    no_space_commits: usize,
    /// What is promised to survive a power cut, if that is less than was committed; else each commit is synced.
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
        Self { disk: MemoryDisk::with(committed), ..Self::default() }
    }

    /// A journal that continues the log of a disk. All that was read is made durable before anybody is shown it: a
    /// process that died may have left it in the page cache alone.
    ///
    /// # Errors
    /// It can't be made durable.
    pub fn starting_on(mut disk: MemoryDisk) -> Result<Self, String> {
        if !planted(Bug::StartDoesNotMakeTheLogDurable) {
            disk.write_back()?;
        }
        Ok(Self { disk, ..Self::default() })
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

    /// From now on passing entries take their time, as in a log that several nodes share, until
    /// [`MemoryJournal::release_passing`].
    pub fn hold_passing(&mut self) {
        self.holding_passing = true;
    }

    /// Passing entries come back at once again, those that were held among them.
    pub fn release_passing(&mut self) {
        self.holding_passing = false;
    }

    /// Commits the oldest batch that is held; says whether there was one.
    pub fn commit_one(&mut self) -> bool {
        let Some(batch) = self.handed.pop_front() else { return false };
        if self.no_space_commits > 0 {
            self.no_space_commits -= 1;
            self.outcomes.push_back((Outcome::NoSpace { entries: batch }, true));
        } else {
            self.append(batch, true);
        }
        true
    }

    /// What is held was written when the machine died, and not synced.
    pub fn write_held(&mut self) {
        for batch in self.handed.drain(..) {
            batch.iter().for_each(|(_, entry)| self.disk.append(entry));
        }
    }

    /// Whether a batch is held.
    #[must_use]
    pub fn is_handed(&self) -> bool {
        !self.handed.is_empty()
    }

    /// Appends an entry that another node has proposed.
    pub fn append_foreign(&mut self, entry: &[u8]) {
        let mut batch = Batch::default();
        batch.push(None, |out| out.extend_from_slice(entry));
        self.append(batch, false);
    }

    fn append(&mut self, entries: Batch, is_own: bool) {
        let first = Sequence::default().plus(self.committed().len() + 1);
        entries.iter().for_each(|(_, entry)| self.disk.append(entry));
        // Nobody knows what of it is on the disk: it has no other outcome.
        if self.durable.is_none() && !self.sync_disk() {
            return;
        }
        self.commits += 1;
        self.outcomes.push_back((Outcome::Committed { first, entries }, is_own));
    }

    /// From now on nothing more becomes durable until [`MemoryJournal::sync`].
    pub fn hold_sync(&mut self) {
        self.durable = Some(self.durable());
    }

    /// Makes all that was committed durable, now and in future. A broken journal syncs no more: after one that failed the
    /// next may succeed and have written nothing.
    pub fn sync(&mut self) {
        if matches!(self.state, State::Working) && self.sync_disk() {
            self.durable = None;
        }
    }

    /// Syncs the log; says whether that went well. If not, the journal is broken.
    fn sync_disk(&mut self) -> bool {
        match self.disk.sync() {
            Err(_) if planted(Bug::FailedSyncOfTheLogIsSwallowed) => {}
            Err(reason) => {
                self.fail(&reason);
                return false;
            }
            Ok(()) => {}
        }
        true
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
        self.disk.entries()
    }

    /// The disk, to make it fail, or to keep it over a crash.
    pub fn disk_mut(&mut self) -> &mut MemoryDisk {
        &mut self.disk
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
    fn propose(&mut self, ticket: Ticket, class: Class, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.gathering.add(ticket, class, encode)
    }

    fn end_turn(&mut self, quiet: bool) -> bool {
        match self.gathering.end_turn(quiet) {
            Turn::HandOver(batch) => self.take(batch),
            Turn::AwaitQuiet => return true,
            Turn::Rest => {}
        }
        false
    }

    fn has_outcome(&self) -> bool {
        matches!(self.state, State::Working) && self.gathering.has_passing() && !self.holding_passing
    }

    fn durable(&self) -> Sequence {
        self.durable.unwrap_or(Sequence::default().plus(self.committed().len()))
    }

    fn next_outcome(&mut self) -> Option<Outcome> {
        if self.has_outcome() {
            return self.gathering.take_passing().map(|entries| Outcome::Passed { entries });
        }
        if let Some((outcome, is_own)) = self.outcomes.pop_front() {
            if is_own {
                self.gathering.came_back();
            }
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

    fn recycle(&mut self, entries: Batch) {
        self.gathering.recycle(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn propose(journal: &mut MemoryJournal, ticket: u64, entry: &[u8]) {
        journal.propose(Ticket(ticket), Class::Kept, |out| out.extend_from_slice(entry));
    }

    /// What is told next, for comparing.
    fn told(journal: &mut MemoryJournal) -> Option<String> {
        journal.next_outcome().map(|outcome| format!("{outcome:?}"))
    }

    fn committed(first: u64, entries: &[(Option<u64>, &[u8])]) -> Option<String> {
        let mut batch = Batch::default();
        for (ticket, entry) in entries {
            batch.push(ticket.map(Ticket), |out| out.extend_from_slice(entry));
        }
        Some(format!("{:?}", Outcome::Committed { first: Sequence(first), entries: batch }))
    }

    #[test]
    fn a_held_batch_has_no_outcome_until_it_is_committed() {
        let mut journal = MemoryJournal::default();
        journal.hold();
        propose(&mut journal, 7, b"1");
        assert!(!journal.end_turn(true));
        propose(&mut journal, 8, b"2");
        assert!(!journal.end_turn(true), "the writer is busy, not the loop");
        assert_eq!(told(&mut journal), None);
        assert!(journal.commit_one());
        assert_eq!(told(&mut journal), committed(1, &[(Some(7), b"1")]));
        assert!(journal.end_turn(false), "idle again: only quiet is missing");
        journal.end_turn(true);
        journal.release();
        assert_eq!(told(&mut journal), committed(2, &[(Some(8), b"2")]));
        assert_eq!(journal.committed(), [b"1".to_vec(), b"2".to_vec()]);
    }

    #[test]
    fn a_full_disk_changes_nothing_and_the_next_batch_is_taken() {
        let mut journal = MemoryJournal::continuing(vec![b"old".to_vec()]);
        journal.no_space(1);
        for (ticket, entry) in [(1, b"1"), (2, b"2")] {
            propose(&mut journal, ticket, entry);
            journal.end_turn(true);
        }
        let Some(Outcome::NoSpace { entries }) = journal.next_outcome() else { panic!("the disk is full") };
        assert_eq!(entries.iter().map(|(ticket, _)| ticket).collect::<Vec<_>>(), [Some(Ticket(1))]);
        journal.end_turn(true);
        assert_eq!(told(&mut journal), committed(2, &[(Some(2), b"2")]));
        assert_eq!(journal.committed(), [b"old".to_vec(), b"2".to_vec()]);
    }

    #[test]
    fn nothing_follows_a_failure() {
        let mut journal = MemoryJournal::default();
        propose(&mut journal, 1, b"1");
        journal.end_turn(true);
        journal.fail("disk on fire");
        propose(&mut journal, 2, b"2");
        journal.propose(Ticket(3), Class::Passing, |_| {});
        journal.end_turn(true);
        assert_eq!(told(&mut journal), committed(1, &[(Some(1), b"1")]));
        assert_eq!(journal.next_outcome(), Some(Outcome::Broken { reason: "disk on fire".into() }));
        journal.end_turn(true);
        assert_eq!(journal.next_outcome(), None);
        assert_eq!(journal.committed(), [b"1".to_vec()]);
    }

    #[test]
    fn a_sync_that_fails_ends_the_journal_and_the_next_start_makes_durable_what_it_reads() {
        let mut journal = MemoryJournal::continuing(vec![b"old".to_vec()]);
        journal.disk_mut().fail_syncs(1);
        propose(&mut journal, 1, b"1");
        journal.end_turn(true);
        assert!(matches!(journal.next_outcome(), Some(Outcome::Broken { .. })), "it was answered nothing");
        let lost = |journal: &mut MemoryJournal| {
            let mut disk = journal.disk_mut().clone();
            disk.cut_power(|| Fate::Torn);
            disk.entries().len()
        };
        assert_eq!(lost(&mut journal), 1);
        let mut next = MemoryJournal::starting_on(journal.disk_mut().clone()).unwrap();
        assert_eq!((next.committed().len(), lost(&mut next)), (2, 2));
        propose(&mut next, 1, b"2");
        next.end_turn(true);
        assert_eq!(told(&mut next), committed(3, &[(Some(1), b"2")]));
        assert_eq!(lost(&mut next), 3);
    }

    #[test]
    fn after_a_sync_that_failed_nothing_more_is_promised_to_be_durable() {
        let mut journal = MemoryJournal::continuing(vec![b"old".to_vec()]);
        journal.hold_sync();
        propose(&mut journal, 1, b"1");
        journal.end_turn(true);
        journal.disk_mut().fail_syncs(1);
        journal.sync();
        journal.sync();
        assert_eq!(journal.durable(), Sequence(1), "nobody has asked yet, and nobody may believe the second");
    }

    #[test]
    fn passing_entries_come_back_in_order_wait_for_no_commit_and_take_no_place_in_the_log() {
        let mut journal = MemoryJournal::default();
        journal.hold();
        propose(&mut journal, 1, b"1");
        journal.end_turn(true);
        for ticket in [5, 2, 9] {
            assert!(!journal.has_outcome() || ticket != 5);
            let length =
                journal.propose(Ticket(ticket), Class::Passing, |_| panic!("nobody needs its bytes"));
            assert_eq!(length, 0);
        }
        assert!(journal.has_outcome());
        let Some(Outcome::Passed { entries }) = journal.next_outcome() else { panic!("they pass") };
        let passed: Vec<_> = entries.iter().collect();
        assert_eq!(passed, [5, 2, 9].map(|ticket| (Some(Ticket(ticket)), &b""[..])));
        assert!(!journal.has_outcome());
        assert_eq!(journal.next_outcome(), None);
        journal.hold_passing();
        journal.propose(Ticket(1), Class::Passing, |_| {});
        assert_eq!((journal.has_outcome(), journal.next_outcome()), (false, None));
        journal.release_passing();
        assert!(journal.has_outcome() && journal.next_outcome().is_some());
        propose(&mut journal, 2, b"2");
        journal.release();
        journal.end_turn(true);
        assert_eq!(told(&mut journal), committed(1, &[(Some(1), b"1")]));
        journal.end_turn(true);
        assert_eq!(told(&mut journal), committed(2, &[(Some(2), b"2")]));
    }

    #[test]
    fn an_entry_of_another_node_has_its_place_in_the_log_and_no_ticket() {
        let mut journal = MemoryJournal::default();
        journal.hold();
        propose(&mut journal, 1, b"own");
        journal.end_turn(true);
        journal.append_foreign(b"foreign");
        assert_eq!(told(&mut journal), committed(1, &[(None, b"foreign")]));
        propose(&mut journal, 2, b"next");
        assert!(!journal.end_turn(true), "the writer is still busy");
        journal.release();
        assert_eq!(told(&mut journal), committed(2, &[(Some(1), b"own")]));
        assert_eq!(journal.committed(), [b"foreign".to_vec(), b"own".to_vec()]);
    }
}
