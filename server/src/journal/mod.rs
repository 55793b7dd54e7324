//! The journal: puts entries in one order and makes them durable, many with one commit.
//!
//! An entry is bytes here, and its proposer a ticket: what it means and what follows from it is decided
//! elsewhere. So the same forum runs on a file ([`SqliteJournal`]), in memory for tests ([`MemoryJournal`]), or
//! one day on a log that several nodes share.
//!
//! ```text
//! propose(Kept)    ─► gathered ─► batch ─► committed ─► Committed { first, entries }
//!                                              └ full ─► NoSpace { entries }
//! propose(Passing) ────────────────────────────────────► Passed { entries }
//! ```

mod batch;
mod memory;
mod sqlite;

use std::fmt;

use crate::planted::{Bug, planted};
pub use batch::{Batch, Cursor};
pub use memory::{Fate, MemoryDisk, MemoryJournal};
pub use sqlite::{
    Contents, DroppedTail, DurableLog, JournalError, JournalErrorKind, LogReader, Place, Replay, Replayed,
    SNAPSHOT_CHUNK_BYTES, ServerState, SqliteJournal, parts, sync_directory, temporary_parts, write_fresh,
};

/// What the event loop needs of a journal. Replay is not part of it: that happens before there is a loop.
pub trait Journal {
    /// Takes an entry, whose bytes `encode` appends to what it is given; returns how many these are.
    ///
    /// A kept entry comes after every kept entry proposed before. Nothing is durable yet: it goes with the next
    /// commit, or with the one after that if one is under way. A passing entry comes after every passing entry
    /// proposed before. A single node neither stores it nor lets it wait for a commit, so it is not even encoded:
    /// `encode` is not called, and 0 is returned.
    fn propose(&mut self, ticket: Ticket, class: Class, encode: impl FnOnce(&mut Vec<u8>)) -> usize;

    /// Ends a turn of the loop. What was gathered becomes a batch and goes to the writer when the writer is
    /// idle and the loop is `quiet`: one more poll with timeout 0 found nothing, or enough looks were taken.
    ///
    /// Returns whether something waits for nothing but quiet; the loop then polls with timeout 0. While the
    /// writer is busy there is no hurry: its outcome wakes the loop.
    fn end_turn(&mut self, quiet: bool) -> bool;

    /// Whether there is an outcome for which nobody wakes the loop: passing entries were proposed since it looked.
    fn has_outcome(&self) -> bool;

    /// What became of entries, or `None`: nothing is known that was not told yet. Passing entries come first.
    fn next_outcome(&mut self) -> Option<Outcome>;

    /// Takes the memory of entries whose outcome was dealt with, for those proposed next.
    fn recycle(&mut self, entries: Batch);

    /// Up to which entry the log survives a power cut; grows before [`Journal::next_outcome`] answers, and wakes
    /// the loop when it does. Where nothing is ever fsynced, that is promised of nothing, and what was told to
    /// be committed counts.
    fn durable(&self) -> Sequence;

    /// Bytes of entries that a replay reads after the newest snapshot: what a new one would save.
    fn tail_bytes(&self) -> u64 {
        0
    }

    /// Begins a snapshot of the state that all outcomes told so far have made; says whether it began.
    fn snapshot(&mut self, _chunks: Chunks) -> bool {
        false
    }
}

/// The state in pieces, made as the journal asks for them, in a thread of its own.
pub type Chunks = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// Names an entry to its proposer: what was proposed with it comes back with it, once. It means nothing to the
/// journal, and it may be used again once it came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// Of what a planted bug has answered already.
    const PLANTED: Self = Self(u64::MAX);

    /// Whether it is [`Ticket::PLANTED`].
    pub(crate) fn is_planted(self) -> bool {
        planted(Bug::AnswerBeforeTheCommit) && self == Self::PLANTED
    }
}

/// Whether an entry outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is in the log, and durable before it comes back.
    Kept,
    /// It comes back, and is forgotten.
    Passing,
}

/// What became of entries. Nobody but their proposer has tickets for them, so an entry without one was proposed by
/// another node.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are in the log, without a gap after what was told before, and as durable as [`Durability`] promises.
    Committed {
        /// Where the first of them is in the log.
        first: Sequence,
        /// One's own with their tickets, and those of other nodes without.
        entries: Batch,
    },
    /// Passing entries, which have no place in the log. Only their tickets are known.
    Passed {
        /// In the order in which they were proposed.
        entries: Batch,
    },
    /// The disk is full and the commit was rolled back: none of them is in the log, nor ever will be.
    NoSpace {
        /// One's own, all with tickets.
        entries: Batch,
    },
    /// Whether they are on disk is unknown: after a failed fsync the page cache can't be trusted. The
    /// process must end and replay what the disk has. No outcome follows this one.
    Broken {
        /// What failed, for the log.
        reason: String,
    },
}

/// What an acknowledged entry survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Power loss: fsynced before the outcome.
    #[default]
    Always,
    /// `kill -9`; power loss takes at most the last second: handed to the operating system before the
    /// outcome and fsynced each second.
    Interval,
    /// `kill -9`: handed to the operating system before the outcome, and fsynced by us only at the start and at
    /// the end. Power loss may take anything in between.
    None,
}

/// An entry's place in the log: the first is 1, and there are no gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The place `entries` further on.
    #[must_use]
    pub fn plus(self, entries: usize) -> Self {
        Self(self.0 + entries as u64)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
