//! The journal: puts entries in one order and makes them durable, many with one commit.
//!
//! An entry is bytes here. What it means, who proposed it and what follows from it, this module refuses to
//! know; so the same forum runs on a file ([`SqliteJournal`]), in memory for tests ([`MemoryJournal`]), or
//! one day on a replicated log.

mod batch;
mod memory;
mod sqlite;

use std::fmt;

pub use memory::MemoryJournal;
pub use sqlite::{
    Access, Beside, Contents, JournalError, Place, Reading, Replayed, SNAPSHOT_CHUNK_BYTES, SqliteJournal,
    Stored, Tail, Trouble, Unverified, Writing, leftovers, parts, sync_directory, write_fresh,
};

/// What the reactor needs of a journal. Replay is not part of it: that happens before there is a loop.
pub trait Journal {
    /// Takes an entry. Its place in the order is after everything proposed before. Nothing is durable yet: it
    /// goes with the next commit, or with the one after that if one is under way.
    fn propose(&mut self, entry: &[u8]);

    /// Ends a turn of the loop. What was gathered becomes a batch and goes to the writer when the writer is
    /// idle and the loop is `quiet`: one more poll with timeout 0 found nothing, or enough looks were taken.
    ///
    /// Returns whether something waits for nothing but quiet; the loop then polls with timeout 0. While the
    /// writer is busy there is no hurry: its outcome wakes the loop.
    fn end_turn(&mut self, quiet: bool) -> bool;

    /// What became of entries handed over, oldest first, or `None`: nothing is known that was not told yet.
    fn next_outcome(&mut self) -> Option<Outcome>;

    /// Up to which entry the log survives a power cut; grows before [`Journal::next_outcome`] answers, and wakes
    /// the loop when it does. Where nothing is ever fsynced, that is promised of nothing, and what was told to
    /// be committed counts.
    fn durable(&self) -> Sequence;

    /// Bytes of entries that a replay reads behind the newest snapshot: what a new one would save.
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

/// What became of a batch. It tells of the oldest entries that had no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// They are in the log, as durable as [`Durability`] promises.
    Committed {
        /// How many entries.
        entries: usize,
    },
    /// The disk is full and the commit was rolled back: none of them is in the log, nor ever will be.
    NoSpace {
        /// How many entries.
        entries: usize,
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
