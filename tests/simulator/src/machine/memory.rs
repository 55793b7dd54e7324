//! The log in memory, with a disk that takes its time: batches are committed when the world says so.

use std::cell::RefCell;
use std::rc::Rc;

use forumd::journal::{Batch, Class, Journal, MemoryJournal, Outcome, Sequence, Ticket};

/// The journal that the server has, and the world controls.
#[derive(Clone)]
pub(crate) struct SimJournal(pub Rc<RefCell<MemoryJournal>>);

impl SimJournal {
    /// One that continues a log.
    pub(crate) fn continuing(log: Vec<Vec<u8>>) -> Self {
        let mut journal = MemoryJournal::continuing(log);
        journal.hold();
        Self(Rc::new(RefCell::new(journal)))
    }
}

impl Journal for SimJournal {
    fn propose(&mut self, ticket: Ticket, class: Class, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.0.borrow_mut().propose(ticket, class, encode)
    }

    fn end_turn(&mut self, quiet: bool) -> bool {
        self.0.borrow_mut().end_turn(quiet)
    }

    fn has_outcome(&self) -> bool {
        self.0.borrow().has_outcome()
    }

    fn next_outcome(&mut self) -> Option<Outcome> {
        self.0.borrow_mut().next_outcome()
    }

    fn recycle(&mut self, entries: Batch) {
        self.0.borrow_mut().recycle(entries);
    }

    fn durable(&self) -> Sequence {
        self.0.borrow().durable()
    }
}
