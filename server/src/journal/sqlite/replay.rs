//! What a log is replayed into, and where a replay ended.

use std::fmt::{self, Display};

use super::chain::Tip;
use super::error::Place;
use crate::journal::Sequence;

/// What a log is replayed into. A rejected chunk or entry ends the replay, and the error says where it is.
pub trait Replay {
    /// Why something was rejected.
    type Error: Display;

    /// Takes the next chunk of the snapshot. Without a snapshot there is none.
    ///
    /// # Errors
    /// It can't be understood.
    fn take_chunk(&mut self, chunk: &[u8]) -> Result<(), Self::Error>;

    /// The snapshot is whole: it stands for all entries up to `covered`, which is 0 if there is none.
    fn end_snapshot(&mut self, covered: Sequence);

    /// Takes the next entry after the snapshot.
    ///
    /// # Errors
    /// It can't be understood.
    fn take_entry(&mut self, sequence: Sequence, entry: &[u8]) -> Result<(), Self::Error>;
}

/// Where a replay ended, to go on from there.
#[derive(Clone)]
pub(super) struct End {
    pub(super) tip: Tip,
    /// The newest snapshot, 0 if there is none.
    pub(super) snapshot_id: i64,
    pub(super) contents: Contents,
    pub(super) dropped_tail: Option<DroppedTail>,
}

/// What follows the anchor and does not verify: the end of the log that a crash cut off or garbled. Nobody was
/// promised that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTail {
    pub(super) after: Sequence,
    pub(super) place: Place,
    pub(super) why: String,
}

impl Display for DroppedTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, place, why } = self;
        write!(
            f,
            "the log ends after entry {after}; what follows does not verify and is dropped{place}: {why}"
        )
    }
}

/// What a replay read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// The last entry that the snapshot stands for; 0 without one.
    pub covered: Sequence,
    /// Chunks of the snapshot.
    pub chunks: u32,
    /// Commits after the snapshot.
    pub batches: u64,
    /// The last entry of all; 0 in an empty journal.
    pub last: Sequence,
    /// Bytes of the batches after the snapshot.
    pub tail_bytes: u64,
}
