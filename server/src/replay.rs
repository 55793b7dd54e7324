//! From a log to the forum that it tells of. A start, an export, a check, a salvage and a new password all read it
//! this way, so what one of them finds, the others find.

use std::mem;

use crate::forum::{Entry, Forum, Restorer};
use crate::journal::{JournalError, LogReader, Replay, Replayed, Sequence};

/// A forum in the making, as far as its log was read.
///
/// ```text
/// Snapshot ─ end_snapshot ─► Entries
/// ```
pub enum ForumReplay {
    /// Chunks of the snapshot are coming.
    Snapshot(Box<Restorer>),
    /// Entries after it are coming.
    Entries {
        /// The forum up to the last one.
        forum: Box<Forum>,
        /// The last entry that the snapshot stands for; 0 without one.
        covered: Sequence,
        /// The last entry of all.
        last: Sequence,
    },
}

impl Default for ForumReplay {
    fn default() -> Self {
        Self::Snapshot(Box::default())
    }
}

impl ForumReplay {
    /// The forum as far as the log was read.
    #[must_use]
    pub fn into_forum(self) -> Forum {
        match self {
            Self::Snapshot(restorer) => restorer.finish(),
            Self::Entries { forum, .. } => *forum,
        }
    }
}

impl Replay for ForumReplay {
    type Error = String;

    fn take_chunk(&mut self, chunk: &[u8]) -> Result<(), String> {
        match self {
            Self::Snapshot(restorer) => restorer.take_chunk(chunk),
            Self::Entries { .. } => Err("a chunk after the end of its snapshot".to_owned()),
        }
    }

    fn end_snapshot(&mut self, covered: Sequence) {
        let forum = Box::new(mem::take(self).into_forum());
        *self = Self::Entries { forum, covered, last: covered };
    }

    fn take_entry(&mut self, sequence: Sequence, bytes: &[u8]) -> Result<(), String> {
        let Self::Entries { forum, last, .. } = self else {
            return Err("an entry before the end of the snapshot".to_owned());
        };
        let entry = Entry::decode(bytes).map_err(|error| error.to_string())?;
        // An entry that was refused when it was applied is refused again.
        let _ = forum.apply(&entry);
        *last = sequence;
        Ok(())
    }
}

/// Reads a log to its end.
///
/// # Errors
/// The log does not verify, or has an entry that this version does not know.
pub fn replay(log: LogReader) -> Result<(Forum, Replayed), JournalError> {
    let mut replay = ForumReplay::default();
    let replayed = log.replay(&mut replay)?;
    Ok((replay.into_forum(), replayed))
}
