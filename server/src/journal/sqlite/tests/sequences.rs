//! Any sequence of events: what a replay finds is what was told to be committed.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Propose(Vec<u8>),
    EndTurn { quiet: bool },
    Outcomes,
    Snapshot,
    Reopen,
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    let entry = prop_oneof![9 => vec(any::<u8>(), 0..300), 1 => vec(any::<u8>(), 100_000..100_001)];
    prop_oneof![
        6 => entry.prop_map(Event::Propose),
        4 => any::<bool>().prop_map(|quiet| Event::EndTurn { quiet }),
        3 => Just(Event::Outcomes),
        1 => Just(Event::Snapshot),
        1 => Just(Event::Reopen),
        1 => Just(Event::Crash),
    ]
}

/// A journal, and what it should hold. Its snapshots hold all entries, each a chunk.
struct Model {
    dir: tempfile::TempDir,
    path: PathBuf,
    running: Running,
    committed: Vec<Vec<u8>>,
    /// Proposed and without an outcome.
    pending: Vec<Vec<u8>>,
}

impl Model {
    fn new() -> Self {
        let (dir, path) = place();
        let running = Running::open(&path);
        Self { dir, path, running, committed: Vec::new(), pending: Vec::new() }
    }

    fn take_outcomes(&mut self) {
        while let Some(outcome) = self.running.journal.next_outcome() {
            self.take(outcome);
        }
    }

    fn take(&mut self, outcome: Outcome) {
        let Outcome::Committed { first, entries } = outcome else { panic!("{outcome:?}") };
        assert_eq!(first, Sequence::default().plus(self.committed.len() + 1));
        for (ticket, entry) in entries.iter() {
            let pending = self.pending.remove(0);
            assert_eq!((ticket, entry), (Some(Ticket(pending.len() as u64)), &pending[..]));
            self.committed.push(pending);
        }
        self.running.journal.recycle(entries);
    }

    /// Until everything proposed is committed.
    fn settle(&mut self) {
        while !self.pending.is_empty() {
            self.running.journal.end_turn(true);
            let outcome = self.running.outcome();
            self.take(outcome);
        }
    }

    /// Goes on with another file, in which there must be what was committed and maybe some of what was pending.
    fn continue_at(&mut self, dir: tempfile::TempDir, path: PathBuf) {
        let (read, log) = open(&path).unwrap();
        let found = [read.chunks, read.entries].concat();
        assert!(found.starts_with(&self.committed));
        assert!(self.pending.starts_with(&found[self.committed.len()..]));
        self.running = Running::start(log, Durability::None);
        (self.dir, self.path, self.committed, self.pending) = (dir, path, found, Vec::new());
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Propose(entry) => {
                self.running.propose(&entry);
                self.pending.push(entry);
            }
            Event::EndTurn { quiet } => drop(self.running.journal.end_turn(quiet)),
            Event::Outcomes => self.take_outcomes(),
            Event::Snapshot => {
                self.running.journal.begin_snapshot(self.committed.clone().into_iter());
            }
            Event::Reopen => {
                self.settle();
                let (_, new) = (self.running.journal.end().unwrap(), Running::open(&self.path));
                self.running = new;
                let read = recover_beside(&self.path);
                assert_eq!([read.chunks, read.entries].concat(), self.committed);
            }
            Event::Crash => {
                let (dir, path) = crash(&self.path);
                self.continue_at(dir, path);
            }
        }
    }
}

fn recover_beside(path: &Path) -> Read {
    read_log(LogReader::open(path, ServerState::Running).unwrap()).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_replay_finds_exactly_what_was_told_committed(events in vec(event(), 1..60)) {
        let mut model = Model::new();
        events.into_iter().for_each(|event| model.happen(event));
        model.settle();
        model.running.journal.end().unwrap();
        let read = recover(&model.path);
        prop_assert_eq!([read.chunks, read.entries].concat(), model.committed);
    }
}
