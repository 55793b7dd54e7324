//! What happens when: the order of the world.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Time;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

/// Something that happens. Sockets, clients and the like are named by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A connection reaches the server's door.
    Knock(usize),
    /// Bytes arrive at an end.
    Arrive(usize, End, usize),
    /// The end of a stream arrives at an end.
    Fin(usize, End),
    /// A reset arrives at an end.
    Reset(usize, End),
    /// It is looked whether the client has acknowledged anything for too long.
    UserTimeout(usize),
    /// A client takes its next step.
    Client(usize),
    /// A client reads again.
    Resume(usize),
    /// The log is synced.
    Sync,
    /// The disk is done with a commit.
    Commit,
    /// A file worker does what is next.
    Files,
    /// A password is hashed.
    Hash,
    /// The server's loop polls.
    Poll,
    /// The server starts.
    Start,
    /// Descriptors that something else has taken come free.
    Release,
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Time, u64, Event)>>,
    pushed: u64,
}

impl Queue {
    /// Has something happen, after all that happens at the same time.
    pub(crate) fn push(&mut self, at: Time, event: Event) {
        self.pushed += 1;
        self.heap.push(Reverse((at, self.pushed, event)));
    }

    /// What happens next.
    pub(crate) fn pop(&mut self) -> Option<(Time, Event)> {
        let Reverse((at, _, event)) = self.heap.pop()?;
        Some((at, event))
    }
}
